"""Closing fees at the bankruptcy price in the trigger. spec/MARGIN.md §2.2, §3 [BY5]; ADR 10.

A leg's fee is what closing it costs at the value at which it has used up all that the scope has,
the other marks standing. So it does not move with the leg's own mark, but with those of the others:
a scope of one leg has an exact trigger, one of several is looked at after every step, and its
liquidation price is found by halves.
"""

from libc.stdint cimport int32_t
from ordercascade.core.schedule cimport AT_BANKRUPTCY, Claim, fee_at_bankruptcy
from ordercascade.core.slab cimport NIL
from ordercascade.core.state cimport Market, need_in, tick_in, value_of
from ordercascade.core.units cimport Cash, TICK_MAX

cdef bint _closes(const Market* m) noexcept nogil:
    return m.plan != NULL and m.plan.fee_base == AT_BANKRUPTCY


cdef int32_t _legs(const State* s, int32_t scope, bint* closing) noexcept nogil:
    """How many legs there are, and whether any of them owes such a fee."""
    cdef int32_t p = s.ledger.holders[scope].first
    cdef int32_t count = 0
    closing[0] = False
    while p != NIL:
        if s.ledger.positions[p].size != 0:
            count += 1
            if _closes(&s.markets[s.ledger.positions[p].market]):
                closing[0] = True
        p = s.ledger.positions[p].next
    return count


cdef Wide _slack(const State* s, int32_t scope, int32_t market, Tick price) noexcept nogil:
    """Equity less maintenance and closing fees, were this the market's mark."""
    cdef Wide equity = s.ledger.holders[scope].collateral
    cdef Wide asked = 0
    cdef const Position* p
    cdef const Market* m
    cdef Cash value
    cdef Claim leg
    cdef int32_t handle = s.ledger.holders[scope].first
    while handle != NIL:
        p = &s.ledger.positions[handle]
        handle = p.next
        if p.size != 0:
            m = &s.markets[p.market]
            value = value_of(m, p.size, price if p.market == market else m.mark)
            equity = equity + value - p.cost
            asked = asked + need_in(m, p.size, value, p.cost)
    handle = s.ledger.holders[scope].first
    while handle != NIL:
        p = &s.ledger.positions[handle]
        handle = p.next
        m = &s.markets[p.market]
        if p.size == 0 or not _closes(m):
            continue
        value = value_of(m, p.size, price if p.market == market else m.mark)
        leg.size = p.size
        leg.cost = p.cost
        leg.money = <Cash>(equity - value + p.cost)
        asked = asked + fee_at_bankruptcy(m.plan, &leg)
    return equity - asked


cdef Tick leg_trigger(const State* s, int32_t scope, const Position* position,
                      Wide base) noexcept nogil:
    """By halves over the market's prices where several legs owe each other's fees."""
    cdef const Market* m = &s.markets[position.market]
    cdef Wide floor = 0 if s.rules.trigger_strict else 1
    cdef Tick low = 0
    cdef Tick high = m.price_max + 1
    cdef Tick middle
    cdef bint closing, below
    if _legs(s, scope, &closing) == 1 and closing:
        base = s.ledger.holders[scope].collateral - <Wide>position.cost
        closing = False
    if not closing:
        return tick_in(m, base, position.size, position.cost, s.rules.trigger_strict)
    while high - low > 1:
        middle = low + (high - low) / 2
        below = _slack(s, scope, position.market, middle) < floor
        if below == (position.size > 0):
            low = middle
        else:
            high = middle
    if position.size > 0:
        return low
    return high if high <= m.price_max else TICK_MAX + 1
