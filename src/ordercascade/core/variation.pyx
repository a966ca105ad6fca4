"""Settlement to the mark, shared losses, margin levels. spec/MARGIN.md §2.4, §6.8; ADR 10.

In each round every position of a market is realised to the standing mark, and what was realised by
trades since counts too. A scope that cannot pay takes from its account's cross scope, then the fund
pays, then the winners of this settlement get floor(gain * collected / owed) each; what rounding
leaves over goes to the fund if it is among the winners, else to the winner who registered last.
"""

from libc.stdint cimport int32_t, int64_t
from ordercascade.core.book cimport book_cancel_all
from ordercascade.core.initial cimport open_orders
from ordercascade.core.ledger cimport (
    BAD_DEBT, EXTERNAL, Holder, Position, SCOPE, ledger_fund, ledger_holder, ledger_post,
    ledger_scope, ledger_settle,
)
from ordercascade.core.reserve cimport reserved, reserves
from ordercascade.core.slab cimport NIL, slab_grow
from ordercascade.core.state cimport (
    value_of, Margin, Market, REASON_BAD_DEBT, REASON_FUND_PAYS, REASON_REALISE, REASON_SOCIALISED,
    REASON_TRANSFER, STEP_PAYMENT, State, margin_of, step_begin, write_posting,
)
from ordercascade.core.steps cimport book_touched, finish, generation_of
from ordercascade.core.units cimport Cash, PPM, Wide, div_floor, larger, smaller
from ordercascade.core.watch cimport touch


cdef int _realise(State* s, int32_t market, int64_t step) except -1 nogil:
    """Everybody's gain in `cells`, a cell a holder, and posted."""
    cdef const Market* m = &s.markets[market]
    cdef int64_t p
    cdef Position* position
    cdef Cash gain
    s.cells = <int64_t*>slab_grow(
        s.cells, &s.cell_capacity, 2 * s.ledger.holder_count, sizeof(int64_t))
    s.variation = <Cash*>slab_grow(
        s.variation, &s.variation_capacity, s.ledger.position_count, sizeof(Cash))
    for p in range(s.ledger.holder_count):
        s.cells[p] = 0
    for p in range(s.ledger.position_count):
        position = &s.ledger.positions[p]
        if position.market != market:
            continue
        gain = 0
        if position.size != 0:
            gain = ledger_settle(
                &s.ledger, <int32_t>p, value_of(m, position.size, m.mark))
        if gain != 0:
            write_posting(s, step, s.ledger.clearing[market], position.scope, gain,
                          REASON_REALISE)
            touch(s, position.scope)
        s.cells[position.scope] = gain + s.variation[p]
        s.variation[p] = 0
    return 0


cdef int _pay(State* s, int64_t step, int32_t source, int32_t target, Cash amount,
              int reason) except -1 nogil:
    if amount > 0:
        ledger_post(&s.ledger, source, target, amount)
        write_posting(s, step, source, target, amount, reason)
        touch(s, source)
        touch(s, target)
    return 0


cdef bint _short(const State* s, int64_t holder, int32_t asset) noexcept nogil:
    cdef const Holder* h = &s.ledger.holders[holder]
    return h.collateral < 0 and h.asset == asset and h.kind == SCOPE


cdef Cash _collect(State* s, int64_t step, int32_t market) except? -1 nogil:
    """Losers pay out of their cross scopes, then the fund pays; return what is missing."""
    cdef int32_t fund = ledger_fund(&s.ledger, market)
    cdef int32_t asset = s.markets[market].asset
    cdef int64_t i
    cdef int32_t h, cross
    cdef Cash missing = 0
    for i in range(s.ledger.holder_count):
        if not _short(s, i, asset):
            continue
        h = <int32_t>i
        cross = ledger_scope(&s.ledger, s.ledger.holders[h].account, NIL, asset)
        if cross != NIL and cross != h:
            _pay(s, step, cross, h, smaller(-s.ledger.holders[h].collateral,
                                            s.ledger.holders[cross].collateral), REASON_TRANSFER)
        # What the fund itself has just won is shared like everybody's gain.
        _pay(s, step, fund, h, smaller(
            -s.ledger.holders[h].collateral,
            s.ledger.holders[fund].collateral - larger(0, s.cells[fund])), REASON_FUND_PAYS)
        missing -= smaller(0, s.ledger.holders[h].collateral)
    return missing - smaller(0, s.ledger.holders[fund].collateral)


cdef Cash _share(State* s, int64_t step, int32_t market, Cash missing) except? -1 nogil:
    """Charge the winners so that each keeps floor(gain * collected / owed); return the charges."""
    cdef int32_t fund = ledger_fund(&s.ledger, market)
    cdef int64_t i
    cdef int64_t last = NIL
    cdef Wide owed = 0
    cdef Cash gain, charge
    cdef Cash charged = 0
    cdef Cash* charges = s.cells + s.ledger.holder_count
    for i in range(s.ledger.holder_count):
        charges[i] = 0
        if s.cells[i] > 0 and s.ledger.holders[i].kind != EXTERNAL:
            owed = owed + s.cells[i]
            if last != fund:
                last = i
            if i == fund:
                last = fund
    if last == NIL:
        return 0
    if owed < missing:
        missing = <Cash>owed
    for i in range(s.ledger.holder_count):
        gain = s.cells[i]
        if gain > 0 and s.ledger.holders[i].kind != EXTERNAL:
            charges[i] = gain - div_floor(<Wide>gain * (owed - missing), owed)
            charged += charges[i]
    charges[last] -= charged - missing
    charged = 0
    for i in range(s.ledger.holder_count):
        charge = smaller(charges[i], larger(0, s.ledger.holders[i].collateral))
        if i != fund:
            _pay(s, step, <int32_t>i, fund, charge, REASON_SOCIALISED)
        charged += charge
    return charged


cdef int settle_market(State* s, int32_t market, int64_t step) except -1 nogil:
    """Realise, collect, share, pay: afterwards nobody is below zero. Part of a given step."""
    cdef int32_t asset = s.markets[market].asset
    cdef int32_t fund = ledger_fund(&s.ledger, market)
    cdef int32_t debt = ledger_holder(&s.ledger, BAD_DEBT, asset)
    cdef Cash missing, gap
    cdef int64_t i
    _realise(s, market, step)
    missing = _collect(s, step, market)
    if missing == 0:
        return 0
    missing -= _share(s, step, market, missing)
    _pay(s, step, debt, fund, missing, REASON_BAD_DEBT)
    for i in range(s.ledger.holder_count):
        if _short(s, i, asset):
            gap = -s.ledger.holders[i].collateral
            _pay(s, step, fund, <int32_t>i, gap, REASON_SOCIALISED)
    return 0


cdef bint _due(const State* s, int32_t market) noexcept nogil:
    """Somebody has a gain or loss that was not settled."""
    cdef const Market* m = &s.markets[market]
    cdef int64_t i
    cdef const Position* p
    for i in range(s.ledger.position_count):
        p = &s.ledger.positions[i]
        if p.market != market:
            continue
        if p.cost != (value_of(m, p.size, m.mark) if p.size else 0):
            return True
        if i < s.variation_capacity and s.variation[i] != 0:
            return True
    return False


cdef int variation_step(State* s, int32_t market) except -1 nogil:
    """A payment step, caused by the market's latest trade, where there is anything to pay."""
    cdef int64_t parent = s.markets[market].trade_step
    cdef int64_t step
    if not s.stages.variation or not _due(s, market):
        return 0
    step = step_begin(s, STEP_PAYMENT, market, NIL, parent, generation_of(s, parent), NIL)
    settle_market(s, market, step)
    return finish(s, step)


# --- levels ------------------------------------------------------------------------------------

cdef Cash _wanted(const State* s, int32_t scope) noexcept nogil:
    """What should move from the cross scope (> 0) to this one, or back; levels rounded down."""
    cdef Margin m = margin_of(s, scope, False)
    cdef const Holder* h = &s.ledger.holders[scope]
    cdef Cash need = m.maintenance
    cdef Cash goal
    cdef int32_t cross = ledger_scope(&s.ledger, h.account, NIL, h.asset)
    if cross == NIL:
        return 0
    if reserves(s, scope, h.market):
        need = reserved(s, scope, h.market, 0, 0)
    goal = div_floor(<Wide>need * <Wide>s.stages.initial_ppm, PPM)
    if m.equity < div_floor(<Wide>need * <Wide>s.stages.search_ppm, PPM):
        return larger(0, smaller(s.ledger.holders[cross].collateral, goal - m.equity))
    if m.equity > div_floor(<Wide>need * <Wide>s.stages.release_ppm, PPM):
        return -larger(0, smaller(h.collateral, m.equity - goal))
    return 0


cdef bint _fails(const State* s, int32_t scope, Cash amount) noexcept nogil:
    """Even with what is moved it has less than it needs with its open orders."""
    cdef const Holder* h = &s.ledger.holders[scope]
    cdef Cash has
    if not reserves(s, scope, h.market) or not open_orders(s, h.account, h.market):
        return False
    has = margin_of(s, scope, False).equity + amount
    return has < reserved(s, scope, h.market, 0, 0)


cdef int levels_step(State* s) except -1 nogil:
    """One step for all isolated scopes of the venue, by id, if anything is to move."""
    cdef int64_t i
    cdef int64_t step = NIL
    cdef const Holder* h
    cdef Cash amount
    cdef int32_t cross
    cdef bint fails
    if s.stages.release_ppm == 0:
        return 0
    for i in range(s.ledger.holder_count):
        h = &s.ledger.holders[i]
        if h.kind != SCOPE or h.market == NIL:
            continue
        amount = _wanted(s, <int32_t>i)
        fails = _fails(s, <int32_t>i, amount)
        if amount == 0 and not fails:
            continue
        if step == NIL:
            step = step_begin(s, STEP_PAYMENT, NIL, NIL, NIL, 0, NIL)
        cross = ledger_scope(&s.ledger, h.account, NIL, h.asset)
        _pay(s, step, cross, <int32_t>i, amount, REASON_TRANSFER)
        _pay(s, step, <int32_t>i, cross, -amount, REASON_TRANSFER)
        if fails:
            book_cancel_all(&s.markets[h.market].book, h.account)
            book_touched(s, h.market, step)
    return 0 if step == NIL else finish(s, step)
