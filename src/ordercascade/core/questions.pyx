"""What a venue is asked between steps: prices, margins, who is at risk, what does not add up."""

from libc.stdint cimport int32_t, int64_t
from ordercascade.core.book cimport book_best, book_next, book_size_at
from ordercascade.core.closefee cimport leg_trigger
from ordercascade.core.collateral cimport pledge_trigger, pledged_at
from ordercascade.core.ledger cimport (
    FUND, Position, VAULT, ledger_find, ledger_fund, ledger_holder,
)
from ordercascade.core.losses cimport fix_handover
from ordercascade.core.contracts cimport LINEAR
from ordercascade.core.schedule cimport AT_BANKRUPTCY, Claim, fee_at_bankruptcy
from ordercascade.core.state cimport (
    price_of, value_of, Margin, Market, State, SUB_ADL, liquidatable, margin_of, need_in,
)
from ordercascade.core.units cimport CASH_MAX, Cash, TICK_MAX, Tick, Wide, absolute

from ordercascade.errors import InputError


cdef tuple margin_at(const State* s, int32_t scope, dict marks):
    cdef const Position* position
    cdef const Market* m
    cdef int32_t p = s.ledger.holders[scope].first
    equity = s.ledger.holders[scope].collateral
    maintenance = 0
    while p >= 0:
        position = &s.ledger.positions[p]
        m = &s.markets[position.market]
        mark = marks.get(position.market, m.mark)
        if m.kind == LINEAR and abs(position.size * mark * m.multiplier) > CASH_MAX:
            raise InputError("mark", marks[position.market], "is beyond the market's range")
        value = value_of(m, position.size, mark)
        equity += value - position.cost
        if position.size:
            maintenance += need_in(m, position.size, value, position.cost)
        p = position.next
    if s.pledges != NULL:
        equity += pledged_at(s, scope, marks)
    return equity, maintenance + _fees_at(s, scope, equity, marks)


cdef object _fees_at(const State* s, int32_t scope, equity, dict marks):
    """closing_fees() at other marks."""
    cdef const Position* position
    cdef const Market* m
    cdef Claim leg
    cdef int32_t p = s.ledger.holders[scope].first
    found = 0
    while p >= 0:
        position = &s.ledger.positions[p]
        m = &s.markets[position.market]
        if position.size and m.plan != NULL and m.plan.fee_base == AT_BANKRUPTCY:
            leg.size = position.size
            leg.cost = position.cost
            leg.money = equity - value_of(
                m, position.size, marks.get(position.market, m.mark)) + position.cost
            found += fee_at_bankruptcy(m.plan, &leg)
        p = position.next
    return found


cdef tuple inherited(const State* s, int kind, int32_t market):
    cdef int32_t holder = ledger_holder(&s.ledger, VAULT, s.markets[market].asset)
    if kind == FUND:
        holder = ledger_fund(&s.ledger, market)
    elif kind != VAULT:
        return 0, 0, 0
    return _inherited(s, holder, market)


cdef tuple _inherited(const State* s, int32_t holder, int32_t market):
    cdef int32_t p = ledger_find(&s.ledger, holder, market)
    if p < 0:
        return 0, 0, 0
    return (s.ledger.positions[p].size, s.ledger.positions[p].cost,
            margin_of(s, holder, False).maintenance)


cdef object liquidation_price(const State* s, int32_t scope, int32_t market):
    cdef int32_t p = ledger_find(&s.ledger, scope, market)
    cdef const Position* position
    cdef const Market* m
    cdef Margin at
    cdef Cash value
    cdef Wide base
    cdef Tick tick
    if p < 0 or s.ledger.positions[p].size == 0:
        return None
    position = &s.ledger.positions[p]
    m = &s.markets[market]
    at = margin_of(s, scope, False)
    value = value_of(m, position.size, m.mark)
    base = <Wide>at.equity - value - at.maintenance + need_in(
        m, position.size, value, position.cost)
    if s.pledges != NULL:
        tick = pledge_trigger(s, scope, position, base)
    else:
        tick = leg_trigger(s, scope, position, base)
    return tick if 1 <= tick <= TICK_MAX else None


cdef object bankruptcy_price(State* s, int32_t scope, int32_t market):
    cdef int32_t p = ledger_find(&s.ledger, scope, market)
    cdef const Position* position
    if p < 0 or s.ledger.positions[p].size == 0:
        return None
    if s.sub != SUB_ADL or s.sub_scope != scope:
        fix_handover(s, scope)          # fixed already while it is being handed over
    position = &s.ledger.positions[p]
    return price_of(&s.markets[market], position.handover, position.size)


cdef list scopes_at_risk(const State* s):
    cdef Margin m
    cdef int64_t i
    found = set()
    for i in range(s.hot_count):
        found.add(s.hot[i])
    for i in range(s.loose_count):
        found.add(s.loose[i])
    for i in range(s.pending_count):
        found.add(s.pending[i])
    out = []
    for scope in sorted(found):
        m = margin_of(s, scope, True)
        if liquidatable(s, &m):
            out.append(scope)
    return out


cdef list levels_of(const State* s, int32_t market, int side, int64_t most):
    cdef const Market* m = &s.markets[market]
    cdef Tick price = book_best(&m.book, side)
    out = []
    while price and len(out) < most:
        out.append((price, book_size_at(&m.book, side, price)))
        price = book_next(&m.book, side, price)
    return out


cdef list equities(const State* s):
    """Equity of every holder on the standing marks, by id; the venue's own have their money."""
    cdef int64_t i
    return [margin_of(s, <int32_t>i, False).equity for i in range(s.ledger.holder_count)]
