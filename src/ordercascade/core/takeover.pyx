"""Takeover by the fund or the vault, and timed disposal. SEMANTICS §5.6, spec/MARGIN.md §6.4, §6.5.

The taker holds a position like a scope, with its balance as collateral, but is never liquidated.
A fund that a closing trade leaves below zero is filled up at once: by the winners where the venue
settles to the mark, else by bad debt.
"""

from libc.stdint cimport int32_t, int64_t
from ordercascade.core.book cimport Book, book_best, book_clear, book_next, book_size_at, book_take
from ordercascade.core.events cimport ADL_COLUMNS, ORDER_COLUMNS, T_ADL, T_ORDERS, log_append
from ordercascade.core.funds cimport drawn_down
from ordercascade.core.halting cimport valve_disposal
from ordercascade.core.ledger cimport (
    EXTERNAL, Position, VAULT, ledger_find, ledger_flat, ledger_fund, ledger_holder,
    ledger_post,
)
from ordercascade.core.losses cimport fix_handover, mend_fund, set_outcome
from ordercascade.core.records cimport IOC, LIMIT
from ordercascade.core.slab cimport NIL
from ordercascade.core.state cimport (
    value_of, AT_BANKRUPTCY, BY_FUND, Margin, Market, REASON_TAKEOVER, STEP_DISPOSAL,
    STEP_TAKEOVER, SUB_NONE, SUB_TAKEOVER, State, TAKEN_OVER, TAKE_BELOW, margin_of, step_begin,
    write_posting,
)
from ordercascade.core.steps cimport (
    Executed, apply_fills, book_touched, cancel_own, enter, finish, generation_of,
)
from ordercascade.core.units cimport (
    Cash, Lot, PPM, Tick, TimeNs, Wide, absolute, div_ceil, div_floor, larger, smaller,
)
from ordercascade.core.variation cimport settle_market
from ordercascade.core.watch cimport touch, unpend


cdef int32_t _taker(const State* s, int32_t market) noexcept nogil:
    """Who takes over what is held in a market: its fund, or the vault of its asset."""
    if s.stages.takeover == BY_FUND:
        return ledger_fund(&s.ledger, market)
    return ledger_holder(&s.ledger, VAULT, s.markets[market].asset)


cdef Lot _held(const State* s, int32_t holder, int32_t market) noexcept nogil:
    cdef int32_t p = ledger_find(&s.ledger, holder, market)
    return 0 if p == NIL else s.ledger.positions[p].size


cdef Lot skew_of(const State* s, int32_t market) noexcept nogil:
    """Users' scopes are the other side of external, fund and vault."""
    cdef int32_t asset = s.markets[market].asset
    return -(_held(s, ledger_holder(&s.ledger, EXTERNAL, asset), market)
             + _held(s, ledger_fund(&s.ledger, market), market)
             + _held(s, ledger_holder(&s.ledger, VAULT, asset), market))


cdef bint may_take_over(const State* s, int32_t scope, const Margin* m) noexcept nogil:
    """There is a taker, and what it would hold stays within its cap; where each market has a
    fund of its own, that holds of all the scope's legs. None that is far below its high."""
    cdef int32_t p = s.ledger.holders[scope].first
    cdef const Position* leg
    if not s.stages.takeover:
        return False
    while p != NIL:
        leg = &s.ledger.positions[p]
        p = leg.next
        if leg.size == 0:
            continue
        if not _has_room(s, _taker(s, leg.market),
                         _gross(s, scope, leg.market)
                         if s.stages.fund_market and s.stages.takeover == BY_FUND
                         else m.exposure):
            return False
    return True


cdef Cash _gross(const State* s, int32_t scope, int32_t market) noexcept nogil:
    """What a scope's legs in a market are worth, a hedged one's both."""
    cdef int32_t p = s.ledger.holders[scope].first
    cdef const Market* m = &s.markets[market]
    cdef Cash sum = 0
    while p != NIL:
        if s.ledger.positions[p].market == market:
            sum += absolute(value_of(m, s.ledger.positions[p].size, m.mark))
        p = s.ledger.positions[p].next
    return sum


cdef bint _has_room(const State* s, int32_t taker, Cash exposure) noexcept nogil:
    cdef Margin held
    if s.stages.drawdown_ppm and drawn_down(s, taker):
        return False
    if s.stages.takeover_cap_ppm == 0:
        return True
    held = margin_of(s, taker, False)
    return (<Wide>(held.exposure + exposure) * <Wide>PPM
            <= <Wide>s.ledger.holders[taker].collateral * <Wide>s.stages.takeover_cap_ppm)


cdef bint takes_below(const State* s, int32_t scope, const Margin* m) noexcept nogil:
    """Equity below the share of maintenance at which the taker comes instead of an order."""
    if not s.stages.takeover or s.stages.takeover_when != TAKE_BELOW:
        return False
    return (<Wide>m.equity * <Wide>PPM < <Wide>m.maintenance * <Wide>s.stages.takeover_ppm
            and may_take_over(s, scope, m))


# --- taking over -------------------------------------------------------------------------------

cdef int take_over(State* s, int32_t scope, int64_t parent, int64_t row) except -1 nogil:
    """Begin to move every leg; the steps follow one by one."""
    if s.stages.takeover_price == AT_BANKRUPTCY:
        fix_handover(s, scope)
    set_outcome(s, row, TAKEN_OVER)
    s.sub = SUB_TAKEOVER
    s.sub_scope = scope
    s.sub_parent = parent
    s.sub_cursor = s.ledger.holders[scope].first
    return 0


cdef int takeover_step(State* s) except -1 nogil:
    """Move the next leg; after the last one the scope is flat."""
    cdef int32_t p = <int32_t>s.sub_cursor
    cdef const Position* position
    cdef Cash cost
    while p != NIL and s.ledger.positions[p].size == 0:
        p = s.ledger.positions[p].next
    if p == NIL:
        s.sub = SUB_NONE
        return unpend(s, s.sub_scope)
    position = &s.ledger.positions[p]
    s.sub_cursor = position.next
    cost = position.handover
    if s.stages.takeover_price != AT_BANKRUPTCY:
        cost = value_of(&s.markets[position.market], position.size,
                        s.markets[position.market].mark)
    return _move(s, s.sub_scope, position.market, position.size, cost, s.sub_parent)


cdef int take_lots(State* s, int32_t scope, int32_t market, int side, Lot lots,
                   int64_t parent) except -1 nogil:
    """Move some lots of the leg that an order of this side would close, at the mark."""
    cdef const Market* m = &s.markets[market]
    cdef Lot size = lots if side else -lots
    return _move(s, scope, market, size, value_of(m, size, m.mark), parent)


cdef int _move(State* s, int32_t scope, int32_t market, Lot size, Cash cost,
               int64_t parent) except -1 nogil:
    """One takeover step: lots at a cost; with the last of them what the scope has left."""
    cdef int32_t asset = s.ledger.holders[scope].asset
    cdef int32_t taker = _taker(s, market)
    cdef Market* m = &s.markets[market]
    cdef int64_t row[ADL_COLUMNS]
    cdef Cash rest
    cdef int64_t step
    if parent == -2:
        parent = s.scopes[scope].moved_step
    step = step_begin(s, STEP_TAKEOVER, market, scope, parent, generation_of(s, parent), NIL)
    if _held(s, taker, market) == 0:
        m.dispose_at = s.time_ns + larger(1, s.stages.dispose_ns)
    cancel_own(s, scope, market, step)
    enter(s, step, scope, market, -size, -cost)
    enter(s, step, taker, market, size, cost)
    row[0] = step
    row[1] = market
    row[2] = scope
    row[3] = taker
    row[4] = absolute(size)
    row[5] = cost
    row[6] = 0
    row[7] = s.rules.adl_rule
    row[8] = s.stages.takeover_price
    log_append(s.log, T_ADL, row)
    rest = s.ledger.holders[scope].collateral
    if rest > 0 and s.stages.takeover_collateral and ledger_flat(&s.ledger, scope):
        ledger_post(&s.ledger, scope, taker, rest)
        write_posting(s, step, scope, taker, rest, REASON_TAKEOVER)
    touch(s, scope)
    mend_fund(s, step, asset)
    return finish(s, step)


# --- disposal ----------------------------------------------------------------------------------

cdef TimeNs next_disposal(const State* s) noexcept nogil:
    """The earliest disposal later than the venue's latest round; NIL without one."""
    cdef TimeNs earliest = NIL
    cdef int64_t i
    cdef const Market* m
    if not s.stages.takeover or s.stages.dispose_ppm == 0:
        return NIL
    for i in range(s.market_count):
        m = &s.markets[i]
        if m.dispose_at <= s.settled_ns or _held(s, _taker(s, <int32_t>i), <int32_t>i) == 0:
            continue
        if earliest == NIL or m.dispose_at < earliest:
            earliest = m.dispose_at
    return earliest


cdef Tick _limit(const State* s, const Market* m, int side) noexcept nogil:
    """The middle less (plus) the range, rounded towards it; without a book the mark's."""
    cdef Wide twice = book_best(&m.book, 0) + book_best(&m.book, 1)
    if book_best(&m.book, 0) == 0 or book_best(&m.book, 1) == 0:
        twice = 2 * m.mark
    if side:
        return larger(1, div_ceil(twice * <Wide>(PPM - s.stages.dispose_range_ppm), 2 * PPM))
    return smaller(m.price_max,
                   div_floor(twice * <Wide>(PPM + s.stages.dispose_range_ppm), 2 * PPM))


cdef Lot _offered(const Book* b, int side, Tick limit) noexcept nogil:
    """Lots on the other side at the limit or better."""
    cdef int sign = 1 - 2 * side
    cdef Tick price = book_best(b, 1 - side)
    cdef Lot sum = 0
    while price != 0 and (limit - price) * sign >= 0:
        sum += book_size_at(b, 1 - side, price)
        price = book_next(b, 1 - side, price)
    return sum


cdef int dispose(State* s, int32_t market) except -1 nogil:
    """Send an order for a part of what the taker holds, if its time has come. [V5]"""
    cdef Market* m = &s.markets[market]
    cdef int32_t taker = _taker(s, market)
    cdef Lot held = _held(s, taker, market)
    cdef int side = 1 if held > 0 else 0
    cdef Tick last = m.last
    cdef Lot lots
    cdef Tick limit
    cdef int64_t step
    cdef Executed done
    if held == 0 or s.time_ns < m.dispose_at:
        return 0
    limit = _limit(s, m, side)
    lots = absolute(held)
    if lots > s.stages.dispose_full:
        lots = div_ceil(<Wide>lots * <Wide>s.stages.dispose_ppm, PPM)
    lots = smaller(lots, div_ceil(
        <Wide>_offered(&m.book, side, limit) * <Wide>s.stages.dispose_share_ppm, PPM))
    if lots and s.brakes != NULL:
        lots = valve_disposal(s, market, side, lots, &limit)    # MARGIN §6.3, §6.9
    if lots == 0:
        return 0
    m.dispose_at = s.time_ns + larger(1, s.stages.dispose_ns)   # never twice in an instant
    step = step_begin(s, STEP_DISPOSAL, market, taker, s.scopes[taker].moved_step,
                      generation_of(s, s.scopes[taker].moved_step), NIL)
    s.acting = taker
    book_clear(&m.book)
    book_take(&m.book, side, limit, lots, NIL)
    book_touched(s, market, step)
    apply_fills(s, market, step, False, &done)
    m.last = last               # A disposal never moves the mark.
    _order_row(s, step, market, side, limit, lots, done.lots)
    if s.stages.variation:
        settle_market(s, market, step)
    mend_fund(s, step, m.asset)
    return finish(s, step)


cdef int _order_row(State* s, int64_t step, int32_t market, int side, Tick limit, Lot size,
                    Lot filled) except -1 nogil:
    cdef int64_t row[ORDER_COLUMNS]
    row[0] = step
    row[1] = 0
    row[2] = s.venue
    row[3] = market
    row[4] = NIL
    row[5] = side
    row[6] = LIMIT
    row[7] = IOC
    row[8] = 0
    row[9] = limit
    row[10] = size
    row[11] = filled
    row[12] = 0
    log_append(s.log, T_ORDERS, row)
    return 0
