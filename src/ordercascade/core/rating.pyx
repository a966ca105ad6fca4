"""Surcharges at work: what is added to a market's margin rates and taker fee. ADR 17.

Once a round, after the marks and their rows, every surcharge of the venue is asked about every
market; what they add is summed and stays within 100 % of the rate. A change is a `rates` step: its
notes (NoteKind.RATE) say what stands from now on, in ppm, and of which rate; the step with the
latest trades in the market is its parent, as of a mark. Every row of the market's brackets (or of
its schedule) gets the same, so tiers stay continuous and their amounts as they are; then every
scope with lots there is looked at again, so triggers stay exact. Who falls by it has this step as
parent.
"""

from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset
from ordercascade.core.book cimport book_best, book_next, book_size_at
from ordercascade.core.arriving cimport sooner
from ordercascade.core.collateral cimport pledge_moves, pledged_under
from ordercascade.core.hedging cimport pair_of
from ordercascade.core.ledger cimport Position, SCOPE
from ordercascade.core.margin cimport maintenance_wide
from ordercascade.core.grids cimport is_option
from ordercascade.core.mechanism cimport ADD_FEE, ADD_MAINTENANCE, Surcharge
from ordercascade.core.portfolio cimport margin_moved
from ordercascade.core.rates cimport (
    Rates, RateRow, SURCHARGES_MAX, rates_new, rates_reserve,
)
from ordercascade.core.records cimport Bracket, Crowd, MarketView
from ordercascade.core.schedule cimport BY_LOTS, BY_VALUE, Plan, RISK, SIZED, Schedule
from ordercascade.core.slab cimport NIL
from ordercascade.core.state cimport (
    Margin, Market, NOTE_RATE, STEP_RATES, State, liquidatable, margin_of, market_view, need_in,
    step_begin, value_of, pledged,
)
from ordercascade.core.steps cimport finish, generation_of, note
from ordercascade.core.units cimport (
    Cash, PPM, Ppm, Tick, TimeNs, Wide, absolute, div_ceil, div_floor, larger, smaller,
)
from ordercascade.core.watch cimport touch

from ordercascade.errors import ConfigError, InputTypeError

cdef enum:                  # `b` of a RATE note
    OF_MAINTENANCE = 0
    OF_INITIAL = 1
    OF_FEE = 2


# --- setting up ----------------------------------------------------------------------------------

cdef list set_surcharges(State* s, surcharges, list schedules):
    """Borrow surcharges that the venue object keeps; what stands stays until the next round.

    Returns the schedules to keep: own copies, since their rows will change."""
    cdef Rates* r = <Rates*>s.rates
    cdef int64_t i
    if len(surcharges) > SURCHARGES_MAX:
        raise ConfigError("surcharges", f"must be at most {SURCHARGES_MAX}", len(surcharges))
    for each in surcharges:
        if not isinstance(each, Surcharge):
            raise InputTypeError("surcharges", "Surcharges", type(each).__name__)
    if not surcharges and r == NULL:
        return schedules
    for i in range(s.market_count if surcharges else 0):
        check_rows(s, i)
    if r == NULL:
        r = rates_new()
        s.rates = r
    if r.surcharge_count == 0:  # Interest may have made the rates: the schedules are shared yet.
        schedules = own_schedules(s, schedules)
    rates_reserve(r, s.market_count)
    r.surcharge_count = len(surcharges)
    r.to_fund_ppm = 0
    for i in range(r.surcharge_count):
        r.surcharges[i] = <void*>surcharges[i]
        r.to_fund_ppm = larger(r.to_fund_ppm, getattr(surcharges[i], "to_fund_ppm", 0))
    return schedules


cdef inline bint moves(const Plan* p) noexcept nogil:
    """Rows of rates, or a rate that grows with the size from a base: a constant can be added."""
    return p.kind == BY_VALUE or p.kind == BY_LOTS or p.kind == SIZED


cdef int check_rows(const State* s, int64_t market) except -1:
    cdef const Plan* p = s.markets[market].plan
    if p != NULL and not moves(p):
        why = ("its initial margin is a multiple of maintenance, open orders included"
               if p.kind == RISK else "its maintenance is a share of its initial rate")
        raise ConfigError(f"market[{market}].schedule", "must be flat, tiers, slab, steps, size or "
                          f"interest where a venue has surcharges: {why}")
    return 0


cdef list own_schedules(State* s, list schedules):
    """Copies of the schedules, in place of them; the same list without surcharges."""
    cdef int64_t i
    cdef Schedule made
    if s.rates == NULL:
        return list(schedules)
    kept = []
    for i in range(s.market_count):
        if (<Rates*>s.rates).surcharge_count:
            check_rows(s, i)
        made = schedules[i]
        if made is not None and moves(&made.plan):
            made = _copied(made)
            s.markets[i].plan = &made.plan
        kept.append(made)
    return kept


cdef void* _slab(const void* of, size_t bytes) except NULL:
    cdef void* made = calloc(1, bytes)
    if made == NULL:
        raise MemoryError
    memcpy(made, of, bytes)
    return made


cdef Schedule _copied(Schedule of):
    """A schedule of the same rows in memory of its own."""
    cdef Schedule made = Schedule.flat(maintenance_ppm=0, initial_ppm=0)
    cdef Plan* p = &made.plan
    cdef const Plan* q = &of.plan
    free(p.rows)
    free(p.trigger)
    free(p.low)
    free(p.high)
    p[0] = q[0]
    p.rows = p.trigger = NULL
    p.low = p.high = NULL
    made.kind, made.by = of.kind, of.by
    if q.count == 0:
        return made
    p.rows = <Bracket*>_slab(q.rows, q.count * sizeof(Bracket))
    p.trigger = <Bracket*>_slab(q.trigger, q.count * sizeof(Bracket))
    p.low = <Cash*>_slab(q.low, q.count * sizeof(Cash))
    p.high = <Cash*>_slab(q.high, q.count * sizeof(Cash))
    return made


cdef list clone_surcharges(State* s, list surcharges):
    cdef Rates* r = <Rates*>s.rates
    cdef int64_t i
    made = [(<Surcharge>each).clone() for each in surcharges]
    for i in range(len(made)):
        r.surcharges[i] = <void*>made[i]
    return made


cdef int rates_open(State* s) except -1 nogil:
    """Ask once on the opening marks, so that they have seen them; the first round adds it."""
    cdef Rates* r = <Rates*>s.rates
    cdef int64_t i
    cdef RateRow row
    if r == NULL:
        return 0
    rates_reserve(r, s.market_count)
    for i in range(s.market_count):
        _asked(s, <int32_t>i, &row)
    return 0


# --- a round -------------------------------------------------------------------------------------

cdef void rates_begin(State* s) noexcept nogil:
    if s.rates != NULL:
        (<Rates*>s.rates).cursor = 0


cdef int rates_advance(State* s) except -1 nogil:
    cdef Rates* r = <Rates*>s.rates
    cdef int32_t market
    cdef RateRow asked
    if r == NULL or r.cursor >= s.market_count:
        return 0
    rates_reserve(r, s.market_count)
    market = <int32_t>r.cursor
    r.cursor += 1
    _asked(s, market, &asked)
    _bounded(s, market, &asked)
    _change(s, market, &asked)
    return 1


cdef int _asked(State* s, int32_t market, RateRow* out) except -1 nogil:
    """What all surcharges together add, not yet bounded."""
    cdef Rates* r = <Rates*>s.rates
    cdef MarketView view
    cdef Crowd crowd
    cdef Ppm found, reach
    cdef int64_t i
    memset(out, 0, sizeof(RateRow))
    if is_option(s, market):    # A rate of its own value says nothing of an option.
        return 0
    market_view(s, &s.markets[market], &view)
    for i in range(r.surcharge_count):
        memset(&crowd, 0, sizeof(Crowd))
        reach = (<Surcharge>r.surcharges[i]).reach(market, s.time_ns)
        if reach > 0:
            _crowd(s, market, smaller(reach, PPM - 1), &crowd)
        found = (<Surcharge>r.surcharges[i]).addon(market, &view, &crowd, s.time_ns)
        found = larger(0, smaller(found, PPM))
        if (<Surcharge>r.surcharges[i]).target() == ADD_FEE:
            out.fee_ppm += found
        else:
            out.initial_ppm += found
            if (<Surcharge>r.surcharges[i]).target() == ADD_MAINTENANCE:
                out.maintenance_ppm += found
    return 0


cdef void _bounded(const State* s, int32_t market, RateRow* asked) noexcept nogil:
    """No rate passes 100 %, and none falls below what the market asks without surcharges.

    Initial rates of rows are cut where they are used, row by row: a top row that asks 100 % anyway
    must not stop what is added to the others.
    """
    cdef const Market* m = &s.markets[market]
    cdef const RateRow* now = &(<Rates*>s.rates).rows[market]
    cdef const Bracket* rows = m.brackets if m.plan == NULL else m.plan.trigger
    cdef int32_t count = m.bracket_count if m.plan == NULL else m.plan.count
    cdef Bracket base
    cdef int32_t i
    if m.plan != NULL and m.plan.kind == SIZED:     # as it asks of the smallest position
        base.maintenance_ppm = div_ceil(m.plan.rate_long, PPM)
        base.initial_ppm = div_ceil(m.plan.initial, PPM)
        rows = &base
        count = 1
    for i in range(count):
        asked.maintenance_ppm = larger(0, smaller(
            asked.maintenance_ppm, PPM - (rows[i].maintenance_ppm - now.maintenance_ppm)))
    asked.initial_ppm = larger(0, smaller(asked.initial_ppm, PPM))
    if m.plan != NULL and m.plan.kind == SIZED:
        asked.initial_ppm = smaller(
            asked.initial_ppm, larger(0, PPM - (base.initial_ppm - now.initial_ppm)))
    asked.fee_ppm = larger(0, smaller(asked.fee_ppm, PPM - (m.taker_fee_ppm - now.fee_ppm)))


cdef int _change(State* s, int32_t market, const RateRow* to) except -1 nogil:
    """A `rates` step, if anything differs from what stands."""
    cdef Market* m = &s.markets[market]
    cdef RateRow* now = &(<Rates*>s.rates).rows[market]
    cdef Ppm maintenance = to.maintenance_ppm - now.maintenance_ppm
    cdef Ppm initial = to.initial_ppm - now.initial_ppm
    cdef int64_t step
    if maintenance == 0 and initial == 0 and to.fee_ppm == now.fee_ppm:
        return 0
    step = step_begin(s, STEP_RATES, market, NIL, m.trade_step, generation_of(s, m.trade_step),
                      NIL)
    if maintenance:
        note(s, step, NOTE_RATE, market, NIL, to.maintenance_ppm, OF_MAINTENANCE)
    if initial:
        note(s, step, NOTE_RATE, market, NIL, to.initial_ppm, OF_INITIAL)
    if to.fee_ppm != now.fee_ppm:
        note(s, step, NOTE_RATE, market, NIL, to.fee_ppm, OF_FEE)
    m.taker_fee_ppm += to.fee_ppm - now.fee_ppm
    if maintenance or initial:
        _shift(m, maintenance, initial)
    now[0] = to[0]
    if maintenance:
        _look_again(s, market)
    return finish(s, step)


cdef void _shift(Market* m, Ppm maintenance, Ppm initial) noexcept nogil:
    """Add to every row; a schedule's bounds of slack follow from its rows."""
    cdef Plan* p = <Plan*>m.plan        # of a Schedule of this venue's own
    cdef Cash need
    cdef int32_t i
    for i in range(m.bracket_count):
        m.brackets[i].maintenance_ppm += maintenance
        m.brackets[i].initial_ppm += initial
    if p == NULL:
        return
    if p.kind == SIZED:
        p.rate_long += maintenance * PPM
        p.initial += initial * PPM
        return
    for i in range(p.count):
        p.rows[i].maintenance_ppm += maintenance
        p.rows[i].initial_ppm += initial
        p.trigger[i].maintenance_ppm += maintenance
        p.trigger[i].initial_ppm += initial
    for i in range(p.count):
        need = <Cash>maintenance_wide(p.trigger, p.count, p.rows[i].floor)
        p.low[i] = p.rows[i].floor - need
        p.high[i] = p.rows[i].floor + need


cdef int _look_again(State* s, int32_t market) except -1 nogil:
    """Every scope with lots here: its trigger was found under another rate."""
    cdef int32_t handle
    cdef int side
    for side in range(2):
        handle = s.ledger.sided[market].first[side]
        while handle != NIL:
            touch(s, s.ledger.positions[handle].scope)
            handle = s.ledger.positions[handle].market_next
    return 0


cdef TimeNs next_rate(const State* s) noexcept nogil:
    """When surcharges must be asked though nothing happens; or NIL."""
    cdef const Rates* r = <const Rates*>s.rates
    cdef TimeNs at = NIL
    cdef MarketView view
    cdef int64_t i, k
    if r == NULL:
        return NIL
    for i in range(s.market_count):
        market_view(s, &s.markets[i], &view)
        for k in range(r.surcharge_count):
            at = sooner(at, (<Surcharge>r.surcharges[k]).wake(<int32_t>i, &view, s.settled_ns))
    return at


# --- what they ask for ---------------------------------------------------------------------------

cdef void _crowd(const State* s, int32_t market, Ppm reach, Crowd* out) noexcept nogil:
    """Who would be liquidated by a move of `reach`, other marks standing, and who could buy."""
    cdef const Market* m = &s.markets[market]
    cdef Tick low = larger(1, div_ceil(<Wide>m.mark * (PPM - reach), PPM))
    cdef Tick high = smaller(m.price_max, div_floor(<Wide>m.mark * (PPM + reach), PPM))
    cdef Tick price
    cdef int32_t handle
    cdef int side
    for side in range(2):
        handle = s.ledger.sided[market].first[side]
        while handle != NIL:
            _count(s, handle, low, high, out)
            handle = s.ledger.positions[handle].market_next
    price = book_best(&m.book, 0)
    while price >= low:
        out.depth[0] += book_size_at(&m.book, 0, price)
        price = book_next(&m.book, 0, price)
    price = book_best(&m.book, 1)
    while 0 < price <= high:
        out.depth[1] += book_size_at(&m.book, 1, price)
        price = book_next(&m.book, 1, price)


cdef void _move(const Market* m, const Position* p, Tick price, Margin* at) noexcept nogil:
    """What a position adds to its scope's margin if its market's mark moves there."""
    cdef Cash before = value_of(m, p.size, m.mark)
    cdef Cash after = value_of(m, p.size, price)
    at.equity += after - before
    at.maintenance += need_in(m, p.size, after, p.cost) - need_in(m, p.size, before, p.cost)


cdef void _count(const State* s, int32_t handle, Tick low, Tick high, Crowd* out) noexcept nogil:
    """Add a user's lots to those near, if its scope would be liquidatable there."""
    cdef const Position* p = &s.ledger.positions[handle]
    cdef const Market* m = &s.markets[p.market]
    cdef int short = p.size < 0
    cdef Margin at
    if s.ledger.holders[p.scope].kind != SCOPE or p.size == 0:
        return
    if s.grids != NULL:
        at = margin_moved(s, p.scope, p.market, high if short else low)
        if liquidatable(s, &at):
            out.near[short] += absolute(p.size)
        return
    at = margin_of(s, p.scope, False)
    _move(m, p, high if short else low, &at)
    if s.ledger.holders[p.scope].hedged and pair_of(s, handle) != NIL:
        _move(m, &s.ledger.positions[pair_of(s, handle)], high if short else low, &at)
    if s.pledges != NULL and pledge_moves(s, p.scope, p.market):
        at.equity += <Cash>(pledged_under(s, p.scope, p.market, high if short else low)
                            - pledged(s, p.scope, False))
    if liquidatable(s, &at):
        out.near[short] += absolute(p.size)
