"""What a venue is asked between steps: prices, margins, who is at risk, what does not add up."""

from libc.stdint cimport int32_t, int64_t
from cpython.mem cimport PyMem_RawFree
from ordercascade.core.book cimport book_best, book_next, book_size_at
from ordercascade.core.closefee cimport leg_trigger
from ordercascade.core.collateral cimport pledge_trigger, pledged_at
from ordercascade.core.grids cimport grid_of, is_option, priced_by
from ordercascade.core.hedging cimport leg_position, pair_of, pair_trigger
from ordercascade.core.ledger cimport (
    FUND, Position, VAULT, ledger_find, ledger_fund, ledger_holder, ledger_leg,
)
from ordercascade.core.losses cimport fix_handover
from ordercascade.core.contracts cimport LINEAR
from ordercascade.core.options cimport option_under
from ordercascade.core.portfolio cimport gridded, portfolio_under
from ordercascade.core.schedule cimport AT_BANKRUPTCY, Claim, fee_at_bankruptcy
from ordercascade.core.slab cimport NIL, slab_grow
from ordercascade.core.state cimport (
    price_of, value_of, Margin, Market, State, SUB_ADL, liquidatable, margin_of, need_in,
)
from ordercascade.core.units cimport CASH_MAX, Cash, TICK_MAX, Tick, Wide, absolute

from ordercascade.errors import InputError


cdef tuple margin_at(const State* s, int32_t scope, dict marks):
    return (_portfolio_at if s.grids != NULL else _plain_at)(s, scope, marks)


cdef tuple _plain_at(const State* s, int32_t scope, dict marks):
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


cdef tuple position_of(const State* s, int32_t scope, int32_t market, leg):
    cdef int32_t p = leg_position(s, scope, market, leg)
    if p < 0:
        return 0, 0
    return s.ledger.positions[p].size, s.ledger.positions[p].cost


cdef tuple _portfolio_at(const State* s, int32_t scope, dict marks):
    """The same where scenarios say what is needed; options follow the marks that are given."""
    cdef int64_t held = 0
    cdef int32_t i
    cdef Tick* all = <Tick*>slab_grow(NULL, &held, s.market_count, sizeof(Tick))
    try:
        for i in range(<int32_t>s.market_count):
            all[i] = marks.get(i, s.markets[i].mark)
        for i in range(<int32_t>s.market_count):
            if is_option(s, i) and i not in marks and priced_by(s, i) in marks:
                all[i] = option_under(s, i, all[priced_by(s, i)])
        equity, maintenance = _plain_at(s, scope, {i: all[i] for i in range(s.market_count)})
        return equity, maintenance + portfolio_under(s, scope, all)
    finally:
        PyMem_RawFree(all)


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


cdef object _portfolio_price(const State* s, int32_t scope, int32_t market):
    """By halves inside the market's range, where a price moves one future alone."""
    cdef int32_t p = s.ledger.holders[scope].first
    cdef int32_t beside = 0
    cdef Tick low = 0
    cdef Tick high = s.markets[market].price_max + 1
    cdef Tick middle
    cdef bint rises = s.ledger.positions[ledger_find(&s.ledger, scope, market)].size > 0
    while p >= 0:
        beside += s.ledger.positions[p].size != 0 and (
            grid_of(s, s.ledger.positions[p].market) == grid_of(s, market))
        p = s.ledger.positions[p].next
    if beside > 1 or is_option(s, market) or grid_of(s, market) < 0:
        raise InputError("market", market, "must be one whose price moves a single future of the "
                         "scope: with options, or several legs of one underlying, there may be "
                         "no such price, or many; ask what_if()")
    while high - low > 1:
        middle = low + (high - low) // 2
        equity, maintenance = _portfolio_at(s, scope, {market: middle})
        below = equity < maintenance or (
            equity == maintenance and not s.rules.trigger_strict)
        if below == rises:
            low = middle
        else:
            high = middle
    found = low if rises else high
    return found if 1 <= found <= s.markets[market].price_max else None


cdef object liquidation_price(const State* s, int32_t scope, int32_t market):
    cdef int32_t p = ledger_find(&s.ledger, scope, market)
    cdef const Position* position
    cdef const Market* m
    cdef Margin at
    cdef Cash value
    cdef Wide base
    cdef Tick tick
    if p >= 0 and s.ledger.positions[p].size == 0:
        p = ledger_leg(&s.ledger, scope, market, s.ledger.holders[scope].hedged)
    if p < 0 or s.ledger.positions[p].size == 0:
        return None
    if s.grids != NULL and gridded(s, scope):
        return _portfolio_price(s, scope, market)
    position = &s.ledger.positions[p]
    m = &s.markets[market]
    at = margin_of(s, scope, False)
    value = value_of(m, position.size, m.mark)
    base = <Wide>at.equity - value - at.maintenance + need_in(
        m, position.size, value, position.cost)
    if pair_of(s, p) != NIL:
        pair_trigger(s, p, base, &tick)
    elif s.pledges != NULL:
        tick = pledge_trigger(s, scope, position, base)
    else:
        tick = leg_trigger(s, scope, position, base)
    return tick if 1 <= tick <= TICK_MAX else None


cdef object bankruptcy_price(State* s, int32_t scope, int32_t market, leg):
    cdef int32_t p = leg_position(s, scope, market, leg)
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
