"""Initial margin of a scope with its open orders, and what it leaves free."""

from libc.stdint cimport int32_t, int64_t
from ordercascade.core.book cimport Book, book_open
from ordercascade.core.collateral cimport pledge_lost, pledge_owner
from ordercascade.core.grids cimport grid_of
from ordercascade.core.ledger cimport (
    Holder, Position, ledger_find, ledger_leg, ledger_scope, ledger_twin, leg_of,
)
from ordercascade.core.portfolio cimport portfolio_initial
from ordercascade.core.records cimport (
    REJECT_INSUFFICIENT, REJECT_POSITION_LIMIT, REJECT_REDUCE_ONLY,
)
from ordercascade.core.reserve cimport by_risk, reserves, risk_initial
from ordercascade.core.slab cimport NIL
from ordercascade.core.state cimport Market, State, initial_in, margin_of
from ordercascade.core.units cimport Cash, Lot, absolute, larger, mul_ppm_up, smaller


cdef Lot _held(const State* s, int32_t scope, int32_t market) noexcept nogil:
    cdef int32_t p = ledger_find(&s.ledger, scope, market)
    return 0 if p == NIL else s.ledger.positions[p].size


cdef Cash _of_legs(const State* s, int32_t scope, int32_t market, Lot bids,
                   Lot asks) noexcept nogil:
    """Of a hedged scope: each leg with what it could open beside; closing asks nothing."""
    cdef const Book* b = &s.markets[market].book
    cdef int32_t account = s.ledger.holders[scope].account
    cdef int32_t twin = ledger_twin(&s.ledger, account)
    cdef int32_t p = ledger_leg(&s.ledger, scope, market, True)
    cdef Lot bought = _held(s, scope, market) + book_open(b, account, 0) + bids
    cdef Lot sold = book_open(b, twin, 1) + asks
    cdef Cash sum = 0
    if p != NIL:
        sold -= s.ledger.positions[p].size
    if bought:
        sum += initial_in(s, market, bought)
    if sold:
        sum += initial_in(s, market, -sold)
    return sum


cdef Cash initial_margin(const State* s, int32_t scope, int32_t market, Lot bids,
                         Lot asks) noexcept nogil:
    """Initial margin on the standing marks, each market at the worse side of its open orders.

    `bids` and `asks` are lots of an order not yet in the book of `market`.
    """
    cdef const Holder* h = &s.ledger.holders[scope]
    cdef const Market* m
    cdef Cash sum = 0
    cdef Lot held, worst
    cdef int32_t i
    for i in range(<int32_t>s.market_count):
        m = &s.markets[i]
        if m.asset != h.asset or ledger_scope(&s.ledger, h.account, i, h.asset) != scope:
            continue
        if by_risk(s, i):
            sum += risk_initial(s, scope, i, bids if i == market else 0,
                                asks if i == market else 0)
            continue
        if h.hedged:
            sum += _of_legs(s, scope, i, bids if i == market else 0, asks if i == market else 0)
            continue
        held = _held(s, scope, i)
        worst = larger(
            absolute(held + book_open(&m.book, h.account, 0) + (bids if i == market else 0)),
            absolute(held - book_open(&m.book, h.account, 1) - (asks if i == market else 0)))
        if worst:
            sum += initial_in(s, i, worst)
    if s.grids != NULL:
        sum += portfolio_initial(s, scope, market, bids, asks)
    return sum


cdef Cash free_collateral(const State* s, int32_t scope) noexcept nogil:
    """What may be taken out: within the collateral, and with initial margin still covered."""
    cdef Cash spare = margin_of(s, scope, False).equity - initial_margin(s, scope, NIL, 0, 0)
    return smaller(spare, s.ledger.holders[scope].collateral)


cdef bint may_leave(const State* s, int32_t scope, Cash amount) noexcept nogil:
    """Whether so much may be taken out; before the start there are no marks, so all may."""
    cdef int32_t owner = scope
    cdef Cash lost
    if amount > s.ledger.holders[scope].collateral:
        return False
    if not s.running:
        return True
    if s.pledges != NULL:
        owner = pledge_owner(s, scope)
    if owner == scope:
        return amount <= free_collateral(s, scope)
    if owner == NIL:
        return True
    lost = pledge_lost(s, scope, amount)
    return lost <= 0 or lost <= (
        margin_of(s, owner, False).equity - initial_margin(s, owner, NIL, 0, 0))


cdef int64_t refusal(const State* s, int32_t account, int32_t market, int side,
                     Lot size) noexcept nogil:
    """0, or the reject code of an order of `size` more lots on a side."""
    cdef const Market* m = &s.markets[market]
    cdef int32_t scope = ledger_scope(&s.ledger, account, market, m.asset)
    cdef int sign = 1 - 2 * side
    cdef int32_t p
    cdef Lot held, open
    cdef Cash asked
    if scope == NIL:
        return REJECT_INSUFFICIENT
    open = book_open(&m.book, account, side)
    if s.ledger.holders[scope].hedged:
        p = ledger_leg(&s.ledger, scope, market, leg_of(&s.ledger, scope, account))
        held = 0 if p == NIL else absolute(s.ledger.positions[p].size)
        if side != leg_of(&s.ledger, scope, account):       # it closes
            return REJECT_REDUCE_ONLY if open + size > held else 0
    else:
        held = sign * _held(s, scope, market)
    if held + open + size > m.size_max:
        return REJECT_POSITION_LIMIT
    if reserves(s, scope, market) or (size <= -held - open and grid_of(s, market) == NIL):
        return 0
    asked = initial_margin(s, scope, market, size if side == 0 else 0, size if side == 1 else 0)
    if grid_of(s, market) != NIL and asked <= initial_margin(s, scope, NIL, 0, 0):
        return 0        # Closing a hedge may raise what a portfolio needs; what does not is free.
    if s.stages.on:
        asked = mul_ppm_up(asked, s.stages.order_ppm)
    if asked > margin_of(s, scope, False).equity:
        return REJECT_INSUFFICIENT
    return 0


cdef bint open_orders(const State* s, int32_t account, int32_t market) noexcept nogil:
    """True if the account has orders resting in the market, on either of its legs."""
    cdef int32_t twin = ledger_twin(&s.ledger, account)
    if twin > account and open_orders(s, twin, market):
        return True
    return (book_open(&s.markets[market].book, account, 0) > 0
            or book_open(&s.markets[market].book, account, 1) > 0)
