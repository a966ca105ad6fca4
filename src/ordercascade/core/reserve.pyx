"""Margin of open orders by risk factor. spec/MARGIN.md §2.1.7, §2.3, §2.4 [V1, V2, V4]; ADR 26.

maintenance = the larger of the two sides, of the long one
    ceil(value of lots held long * (factor + slippage) + value of open bids * factor),
nothing where held + bids is not above 0; the short one mirrored. So slippage is asked of what is
held alone, and orders that reduce a position count like others while the side stays open.

An isolated scope with margin levels sets it aside: a new order moves what is missing to the initial
level from the cross scope, or is refused. When the levels are looked at, orders that the scope
cannot keep are cancelled; triggers test what it holds alone, since orders go before positions do.
"""

from libc.stdint cimport int32_t, int64_t
from ordercascade.core.book cimport book_open
from ordercascade.core.ledger cimport (
    Holder, SCOPE, ledger_find, ledger_leg, ledger_scope, ledger_twin,
)
from ordercascade.core.schedule cimport PPT, Plan, RISK
from ordercascade.core.slab cimport NIL
from ordercascade.core.state cimport Market, State, margin_of, need_in, value_of
from ordercascade.core.units cimport CASH_MAX, Cash, Lot, PPM, Wide, div_ceil, div_floor, larger


cdef Wide _side(const Plan* p, Lot held, Lot orders, Wide value, int64_t rate) noexcept nogil:
    """One side's maintenance; `held` counts towards it."""
    cdef Wide sum
    if held + orders <= 0:
        return 0
    sum = value * orders * <Wide>(rate - p.slippage_ppm * PPM)
    if held > 0:
        sum = sum + value * held * <Wide>rate
    return div_ceil(sum, PPT)


cdef Wide risk_need(const Plan* p, Lot held, Lot bids, Lot asks, Wide value) noexcept nogil:
    cdef Wide bought = _side(p, held, bids, value, p.rate_long)
    cdef Wide sold = _side(p, -held, asks, value, p.rate_short)
    return bought if bought > sold else sold


cdef bint by_risk(const State* s, int32_t market) noexcept nogil:
    cdef const Plan* p = s.markets[market].plan
    return p != NULL and p.kind == RISK


cdef Lot _held(const State* s, int32_t scope, int32_t market) noexcept nogil:
    cdef int32_t p = ledger_find(&s.ledger, scope, market)
    return 0 if p == NIL else s.ledger.positions[p].size


cdef Lot _sold(const State* s, int32_t scope, int32_t market) noexcept nogil:
    """Lots of a hedged scope's short leg, below 0."""
    cdef int32_t p = ledger_leg(&s.ledger, scope, market, True)
    return 0 if p == NIL else s.ledger.positions[p].size


cdef Cash reserved(const State* s, int32_t scope, int32_t market, Lot bids,
                   Lot asks) noexcept nogil:
    """Each leg of a hedged scope with what its orders could open; orders that close ask nothing."""
    cdef const Market* m = &s.markets[market]
    cdef int32_t account = s.ledger.holders[scope].account
    cdef Wide price = value_of(m, 1, m.mark)
    cdef Wide need
    if s.ledger.holders[scope].hedged:
        need = risk_need(m.plan, _held(s, scope, market),
                         book_open(&m.book, account, 0) + bids, 0, price)
        need = need + risk_need(
            m.plan, _sold(s, scope, market), 0,
            book_open(&m.book, ledger_twin(&s.ledger, account), 1) + asks, price)
    else:
        need = risk_need(
            m.plan, _held(s, scope, market), book_open(&m.book, account, 0) + bids,
            book_open(&m.book, account, 1) + asks, price)
    return CASH_MAX if need > <Wide>CASH_MAX else <Cash>need


cdef Cash risk_initial(const State* s, int32_t scope, int32_t market, Lot bids,
                       Lot asks) noexcept nogil:
    cdef Wide need = <Wide>reserved(s, scope, market, bids, asks)
    need = div_floor(need * <Wide>s.markets[market].plan.initial, PPM)
    return CASH_MAX if need > <Wide>CASH_MAX else <Cash>need


cdef bint reserves(const State* s, int32_t scope, int32_t market) noexcept nogil:
    return (s.stages.release_ppm != 0 and by_risk(s, market)
            and s.ledger.holders[scope].market == market)


cdef Cash reserve_asked(const State* s, int32_t account, int32_t market, int side,
                        Lot size) noexcept nogil:
    cdef int32_t asset = s.markets[market].asset
    cdef int32_t scope = ledger_scope(&s.ledger, account, market, asset)
    cdef int32_t cross = ledger_scope(&s.ledger, account, NIL, asset)
    cdef Wide goal
    cdef Cash missing
    if scope == NIL or not reserves(s, scope, market):
        return 0
    goal = <Wide>reserved(s, scope, market, 0 if side else size, size if side else 0)
    goal = div_floor(goal * <Wide>s.stages.initial_ppm, PPM)
    missing = larger(0, <Cash>(goal - margin_of(s, scope, False).equity))
    if missing > 0 and (cross == NIL or s.ledger.holders[cross].collateral < missing):
        return NIL
    return missing


cdef Cash maintenance_with(const State* s, int32_t scope, bint orders) noexcept nogil:
    cdef const Holder* h = &s.ledger.holders[scope]
    cdef const Market* m
    cdef Cash sum = margin_of(s, scope, False).maintenance
    cdef Lot held
    cdef int32_t i
    if not orders or h.kind != SCOPE:
        return sum
    for i in range(<int32_t>s.market_count):
        m = &s.markets[i]
        if by_risk(s, i) and ledger_scope(&s.ledger, h.account, i, m.asset) == scope:
            sum += reserved(s, scope, i, 0, 0)
            held = _held(s, scope, i)
            sum -= need_in(m, held, value_of(m, held, m.mark), 0)
            if h.hedged:
                held = _sold(s, scope, i)
                sum -= need_in(m, held, value_of(m, held, m.mark), 0)
    return sum
