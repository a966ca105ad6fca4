"""Hedge mode: two legs of one market in one scope, what they share and how they are netted.

spec/MARGIN.md §3 (hedge mode cross, [BN1]), §6 (OKX nets pairs first, [OK2, OK3]); ADR 21.
"""

from libc.stdint cimport int32_t, int64_t
from ordercascade.core.book cimport Book, Order, book_cancel, book_find, book_open
from ordercascade.core.check cimport oc_check
from ordercascade.core.contracts cimport LINEAR, value_wide
from ordercascade.core.ledger cimport (
    Ledger, Position, ledger_add_account, ledger_flat, ledger_leg, ledger_twin,
)
from ordercascade.core.margin cimport bracket_of, maintenance_wide
from ordercascade.core.matching cimport book_gather
from ordercascade.core.rates cimport Rates
from ordercascade.core.records cimport ASK, BID, Bracket, REJECT_POSITION_OPEN
from ordercascade.core.schedule cimport AT_BANKRUPTCY as FEE_AT_BANKRUPTCY, sloped
from ordercascade.core.slab cimport NIL, slab_grow
from ordercascade.core.state cimport (
    CANCEL_NONE, Market, NOTE_HEDGED, NOTE_NETTED, STEP_AGENTS, STEP_NETTING, Stages, State,
    cost_of, need_in, step_begin, value_of,
)
from ordercascade.core.steps cimport (
    book_touched, cancel_own, enter_leg, finish, generation_of, note,
)
from ordercascade.core.units cimport (
    Cash, Lot, PPM, TICK_MAX, Tick, Wide, absolute, smaller,
)
from ordercascade.core.watch cimport touch

from ordercascade.errors import ConfigError, InputError, InputTypeError

cdef enum:
    SCAN_MAX = 256          # ticks looked at one by one beside a boundary
    ACCOUNTS_MAX = 1 << 24

ctypedef struct Pair:       # both legs of one market as functions of its price
    const Market* m
    const Bracket* rows
    int32_t count
    Lot bought              # lots of the long leg, > 0
    Lot sold                # lots of the short leg, > 0
    Wide base               # what the price does not move
    Wide floor              # slack below it is liquidatable


# --- the pair's liquidation price --------------------------------------------------------------

cdef int32_t pair_of(const State* s, int32_t position) noexcept nogil:
    cdef const Position* p = &s.ledger.positions[position]
    cdef int32_t other
    if not s.ledger.holders[p.scope].hedged:
        return NIL
    other = ledger_leg(&s.ledger, p.scope, p.market, not p.leg)
    if other == NIL or p.size == 0 or s.ledger.positions[other].size == 0:
        return NIL
    return other


cdef Wide _slack(const Pair* of, Tick price) noexcept nogil:
    """Equity less maintenance at a price, each leg's maintenance on its own value."""
    cdef Wide gained = value_wide(of.m.kind, of.m.multiplier, of.bought, price)
    cdef Wide owed = value_wide(of.m.kind, of.m.multiplier, -of.sold, price)
    return of.base + gained + owed - (
        maintenance_wide(of.rows, of.count, gained if gained > 0 else -gained)
        + maintenance_wide(of.rows, of.count, owed if owed > 0 else -owed))


cdef inline const Bracket* _row(const Pair* of, Lot size, Tick price) noexcept nogil:
    """The row that a leg's unrounded value is in; floors are whole."""
    cdef Wide unit = <Wide>size * <Wide>of.m.multiplier
    return of.rows + bracket_of(of.rows, of.count,
                                unit * <Wide>price if of.m.kind == LINEAR else unit / price)


cdef bint _rising(const Pair* of, Tick price) noexcept nogil:
    """Does slack, unrounded, rise with the price here? [BN1]: L - S against L mmr_L + S mmr_S."""
    cdef int sign = 1 if of.m.kind == LINEAR else -1    # an inverse |value| falls with the price
    cdef Wide asked = (<Wide>of.bought * _row(of, of.bought, price).maintenance_ppm
                       + <Wide>of.sold * _row(of, of.sold, price).maintenance_ppm)
    return <Wide>(of.bought - of.sold) * PPM - sign * asked > 0


cdef Wide _scale(const Pair* of, Tick price) noexcept nogil:
    """What one unit of money counts in _unrounded()."""
    return PPM if of.m.kind == LINEAR else <Wide>PPM * <Wide>price


cdef Wide _unrounded(const Pair* of, Tick price) noexcept nogil:
    """Slack above the floor, a fraction over _scale(): [BN1] with any number of tiers."""
    cdef const Bracket* high = _row(of, of.bought, price)
    cdef const Bracket* low = _row(of, of.sold, price)
    cdef Wide gained = <Wide>of.bought * <Wide>of.m.multiplier
    cdef Wide owed = <Wide>of.sold * <Wide>of.m.multiplier
    cdef Wide asked
    if of.m.kind == LINEAR:
        gained = gained * price
        owed = owed * price
    asked = gained * high.maintenance_ppm + owed * low.maintenance_ppm
    if of.m.kind != LINEAR:
        gained, owed = owed, gained
    return (of.base - of.floor + high.amount + low.amount) * _scale(of, price) + (
        gained - owed) * PPM - asked


cdef Tick _peak(const Pair* of) noexcept nogil:
    """The last tick at which slack rises, 0 where it never does: rates grow with the value, so the
    slack of a pair has one top, and those prices are safe that lie around it."""
    cdef Tick low = 0
    cdef Tick high = TICK_MAX + 1
    cdef Tick middle
    while high - low > 1:
        middle = low + (high - low) / 2
        if _rising(of, middle):
            low = middle
        else:
            high = middle
    return low


cdef Tick _boundary(const Pair* of, Tick top, bint falls) noexcept nogil:
    """The liquidatable tick nearest to the top on its side: the highest at or below it, 0 without
    one; or the lowest above it, TICK_MAX + 1 without one.

    By halves where slack, unrounded, is below the floor; then tick by tick toward the top, for 256
    at most, while rounding (each value and each maintenance by less than a unit) could count.
    """
    cdef Tick step = 1 if falls else -1
    cdef Tick out = 0 if falls else TICK_MAX + 1        # taken as liquidatable
    cdef Tick inside = top + 1 if falls else top        # taken as safe
    cdef Tick middle, tick
    cdef int32_t tried = 0
    cdef int band = 2 if of.m.kind == LINEAR else 6
    while absolute(inside - out) > 1:
        middle = out + (inside - out) / 2
        if _unrounded(of, middle) < 0:
            out = middle
        else:
            inside = middle
    tick = inside
    while tried < SCAN_MAX and (tick <= top if falls else tick > top):
        if _unrounded(of, tick) >= band * _scale(of, tick):
            break
        if _slack(of, tick) < of.floor:
            out = tick
        tick += step
        tried += 1
    return out


cdef int _halved(const State* s, const Position* p, const Position* other, Wide base,
                 Tick* tick) noexcept nogil:
    """Under a schedule that jumps, or asks by entry or size, slack may have several tops: by
    halves, from the mark if that is safe, on the side where the larger leg loses."""
    cdef const Market* m = &s.markets[p.market]
    cdef bint falls = p.size + other.size > (0 if m.kind == LINEAR else -1)
    cdef Tick low = 0
    cdef Tick high = m.price_max + 1
    cdef Tick middle
    cdef Wide floor = 0 if s.rules.trigger_strict else 1
    while high - low > 1:
        middle = low + (high - low) / 2
        if low == 0 and high > m.price_max:
            middle = m.mark         # First of all: is it safe?
        if (base + _left(m, p, middle) + _left(m, other, middle) < floor) == falls:
            low = middle
        else:
            high = middle
    tick[0] = low if falls else (high if high <= m.price_max else 0)
    return 1 if falls else -1


cdef Cash _left(const Market* m, const Position* p, Tick price) noexcept nogil:
    """A leg's value less its maintenance at a price."""
    cdef Cash value = value_of(m, p.size, price)
    return value - need_in(m, p.size, value, p.cost)


cdef int pair_trigger(const State* s, int32_t position, Wide base, Tick* tick) noexcept nogil:
    cdef const Position* p = &s.ledger.positions[position]
    cdef const Position* other = &s.ledger.positions[pair_of(s, position)]
    cdef Pair of
    cdef Tick top
    of.m = &s.markets[p.market]
    base = base - value_of(of.m, other.size, of.m.mark) + need_in(
        of.m, other.size, value_of(of.m, other.size, of.m.mark), other.cost)
    if of.m.plan != NULL and not sloped(of.m.plan):
        return _halved(s, p, other, base, tick)
    of.rows = of.m.brackets
    of.count = of.m.bracket_count
    if of.m.plan != NULL:
        of.rows = of.m.plan.trigger
        of.count = of.m.plan.count
    of.bought = absolute(other.size if p.leg else p.size)
    of.sold = absolute(p.size if p.leg else other.size)
    of.base = base
    of.floor = 0 if s.rules.trigger_strict else 1
    top = _peak(&of)
    tick[0] = _boundary(&of, top, of.m.mark <= top)
    if tick[0] > TICK_MAX:      # None at all: the tape says 0, as for a single leg.
        tick[0] = 0
    return 1 if of.m.mark <= top else -1


# --- netting -----------------------------------------------------------------------------------

cdef int32_t _first_pair(const State* s, int32_t scope) noexcept nogil:
    """The long leg of the first market of which the scope holds both legs; NIL."""
    cdef int32_t p = s.ledger.holders[scope].first
    if not s.ledger.holders[scope].hedged:
        return NIL
    while p != NIL:
        if not s.ledger.positions[p].leg and pair_of(s, p) != NIL:
            return p
        p = s.ledger.positions[p].next
    return NIL


cdef bint paired(const State* s, int32_t scope) noexcept nogil:
    return s.ledger.holders[scope].hedged and _first_pair(s, scope) != NIL


cdef int net_pair(State* s, int32_t scope, int64_t parent) except -1 nogil:
    """Equal lots of both legs; the buyer's cost and the seller's are one number, so nothing is made
    or lost. The book does not move. `parent` -2: the step that moved the scope last."""
    cdef int32_t p = _first_pair(s, scope)
    cdef int32_t market = s.ledger.positions[p].market
    cdef const Market* m = &s.markets[market]
    cdef Lot lots = smaller(s.ledger.positions[p].size,
                            -s.ledger.positions[pair_of(s, p)].size)
    cdef int64_t cost = cost_of(m, lots, m.mark)
    cdef int64_t step
    oc_check(lots > 0)
    if parent == -2:
        parent = s.scopes[scope].moved_step
    step = step_begin(s, STEP_NETTING, market, scope, parent, generation_of(s, parent), NIL)
    cancel_own(s, scope, market, step)
    enter_leg(s, step, scope, market, False, -lots, -cost)
    enter_leg(s, step, scope, market, True, lots, cost)
    touch(s, scope)
    note(s, step, NOTE_NETTED, market, scope, s.markets[market].mark, lots)
    return finish(s, step)


cdef int trim_leg(State* s, int64_t step, int32_t scope, int32_t market, bint leg) except -1 nogil:
    cdef Book* b = &s.markets[market].book
    cdef int32_t account = s.ledger.holders[scope].account
    cdef int side = BID if leg else ASK
    cdef int32_t p = ledger_leg(&s.ledger, scope, market, leg)
    cdef Lot excess
    cdef int64_t i
    if leg:
        account = ledger_twin(&s.ledger, account)
    excess = book_open(b, account, side) - (0 if p == NIL else absolute(s.ledger.positions[p].size))
    if excess <= 0:
        return 0
    i = book_gather(b, account, side)
    while excess > 0:
        i -= 1
        oc_check(i >= 0)
        excess -= book_cancel(b, b.ids[i], account)
    return book_touched(s, market, step)


# --- going into hedge mode ---------------------------------------------------------------------

cdef int32_t _twin_made(Ledger* l, int32_t account) except -2 nogil:
    """Give an account in net mode a twin, whose scopes are its own; returns the twin's number."""
    cdef int32_t twin = ledger_add_account(l)
    cdef int32_t h = l.accounts[account]
    l.twins = <int32_t*>slab_grow(l.twins, &l.twin_capacity, l.account_count, sizeof(int32_t))
    while l.twin_count < l.account_count:
        l.twins[l.twin_count] = NIL
        l.twin_count += 1
    l.twins[account] = twin
    l.twins[twin] = account
    l.accounts[twin] = h
    while h != NIL:
        l.holders[h].hedged = 1
        h = l.holders[h].next
    return twin


cdef int64_t open_one(State* s, object hedge, bint* torn) except -1:
    cdef int32_t account
    if type(hedge) is not bool:
        raise InputTypeError("hedge", "a bool", type(hedge).__name__)
    if s.ledger.account_count >= ACCOUNTS_MAX - hedge:
        raise ConfigError("accounts", "must be at most 2**24")
    if hedge:
        _check_hedged(s, s)
    torn[0] = True
    account = ledger_add_account(&s.ledger)
    if hedge:
        _hedge(s, account, torn)
    torn[0] = False
    return account


cdef int64_t open_hedge(State* s, int32_t account, bint* torn) except -1:
    cdef int64_t made
    if ledger_twin(&s.ledger, account) != NIL:
        raise InputError("account", account, "must be in net mode: it is in hedge mode already")
    if s.ledger.account_count >= ACCOUNTS_MAX:
        raise ConfigError("accounts", "must be at most 2**24")
    _check_hedged(s, s)
    with nogil:
        made = _hedge(s, account, torn)
    return made


cdef int64_t _hedge(State* s, int32_t account, bint* torn) except -1 nogil:
    """While it has neither lots nor orders; from then on its legs are told apart."""
    cdef int32_t h = s.ledger.accounts[account]
    cdef int32_t twin
    cdef int64_t i
    cdef int64_t step = NIL
    while h != NIL:
        if not ledger_flat(&s.ledger, h):
            return REJECT_POSITION_OPEN
        h = s.ledger.holders[h].next
    for i in range(s.market_count):
        if book_open(&s.markets[i].book, account, BID) or book_open(
                &s.markets[i].book, account, ASK):
            return REJECT_POSITION_OPEN
    torn[0] = True
    twin = _twin_made(&s.ledger, account)
    if s.running:
        step = step_begin(s, STEP_AGENTS, NIL, NIL, NIL, 0, NIL)
        note(s, step, NOTE_HEDGED, s.venue, NIL, account, twin)
        finish(s, step)
    torn[0] = False
    return twin


cdef int check_hedged(const State* s, const State* rules) except -1:
    return 0 if s.ledger.twins == NULL else _check_hedged(s, rules)


cdef int _check_hedged(const State* s, const State* rules) except -1:
    """`rules` are those that the venue is to have: its own, or others for a running world."""
    cdef const Stages* g = &rules.stages
    for name, unfit in (
            ("stages.insured", g.insured), ("stages.adl_overlap", g.adl_overlap),
            ("stages.variation", g.variation), ("stages.release_ppm", g.release_ppm != 0),
            ("calls", rules.calls != NULL), ("collateral", s.pledges != NULL),
            ("portfolio", s.grids != NULL), ("interest.elasticity_ppm", s.rates != NULL and (
                <const Rates*>s.rates).lending.elasticity_ppm)):
        if unfit:
            raise ConfigError(name, "cannot be run yet where accounts are in hedge mode")
    for i in range(s.market_count):
        if s.markets[i].plan != NULL and s.markets[i].plan.fee_base == FEE_AT_BANKRUPTCY:
            raise ConfigError(f"market[{i}].schedule", "must take its fee at the mark where "
                              "accounts are in hedge mode: two legs would owe it at one price")
    if rules.rules.cancel == CANCEL_NONE:
        raise ConfigError("cancel", "must be SCOPE or MARKET where accounts are in hedge mode: "
                          "their legs' own orders would trade with their liquidation")
    return 0


# --- doors -------------------------------------------------------------------------------------

cdef int _leg_named(bint hedged, str whose, leg) except -1:
    """0 the long leg, or net; 1 the short leg; InputError where a name is wrong or missing."""
    if leg is not None and type(leg) is not str:
        raise InputTypeError("leg", "'long' or 'short'", type(leg).__name__)
    if not hedged:
        if leg is not None:
            raise InputError("leg", leg, f"must not be named: {whose} is in net mode, see hedge()")
        return 0
    if leg is None:
        raise InputError("leg", leg, f"must be 'long' or 'short': {whose} is in hedge mode")
    if leg not in ("long", "short"):
        raise InputError("leg", leg, "must be 'long' or 'short'")
    return leg == "short"


cdef int32_t leg_account(const State* s, int32_t account, leg) except -2:
    cdef int32_t twin = ledger_twin(&s.ledger, account)
    return twin if _leg_named(twin != NIL, f"account {account}", leg) else account


cdef int32_t leg_position(const State* s, int32_t scope, int32_t market, leg) except -2:
    return ledger_leg(&s.ledger, scope, market, _leg_named(
        s.ledger.holders[scope].hedged, f"scope {scope}", leg))


cdef int32_t order_account(const State* s, int32_t market, int32_t account,
                           int64_t order_id) noexcept nogil:
    cdef int32_t twin = ledger_twin(&s.ledger, account)
    cdef const Order* order = NULL
    if twin != NIL:
        order = book_find(&s.markets[market].book, order_id)
    return twin if order != NULL and order.account == twin else account


cdef int refuse_legs(const State* s, int32_t scope) except -1:
    if s.ledger.holders[scope].hedged:
        raise InputError("scope", scope, "must be in net mode: a hedged one cannot do this yet")
    return 0


cdef int refuse_hedged(const State* s) except -1:
    if s.ledger.twins != NULL:
        raise InputError("venue", s.venue, "must have no account in hedge mode: this cannot be "
                         "done with them yet")
    return 0


cdef int refuse_twin(const State* s, int32_t account) except -1:
    """A twin's number is the engine's own."""
    cdef int32_t twin = ledger_twin(&s.ledger, account)
    if twin != NIL and twin < account:
        raise InputError("account", account, f"must be {twin} with leg='short': this number is "
                         "that of its short legs on the tape")
    return 0
