"""Executing a liquidation: its order, its fee, and the table of SEMANTICS §5.

Each function here writes at most one row of the step table; what is left to do afterwards stands
in `State.sub*`, so that the world may stop, fork or be hashed between any two rows.
"""

from libc.stdint cimport int32_t, int64_t
from ordercascade.core.book cimport book_cancel_all, book_clear, book_take
from ordercascade.core.check cimport oc_check
from ordercascade.core.events cimport (
    LIQ_COLUMNS, LIQ_OUTCOME, log_append, log_get, log_rows, ORDER_COLUMNS, STEP_MARKET,
    T_LIQUIDATIONS, T_ORDERS, T_STEPS,
)
from ordercascade.core.ledger cimport (
    FEES, FUND, Holder, ledger_find, ledger_holder, ledger_post, ledger_scope, Position,
)
from ordercascade.core.margin cimport price_of_cost
from ordercascade.core.records cimport Fill, IOC, LIMIT, MARKET
from ordercascade.core.slab cimport NIL, push, slab_grow
from ordercascade.core.state cimport (
    ADL_ON_UNFILLED, CANCEL_MARKET, CANCEL_SCOPE, CLOSED, Entry, FEE_TO_FUND, HEALTHY,
    liquidatable, Margin, margin_of, Market, OPEN, PENDING, REASON_FEE_LIQUIDATION,
    REFRESH_ORDER, RESIDUAL_FUND, Scope, SHORTFALL_AT_ORDER, State, step_begin,
    STEP_LIQUIDATION, SUB_MARKS, SUB_NONE, SUB_TABLE, write_posting,
)
from ordercascade.core.units cimport absolute, Cash, larger, Lot, mul_ppm_up, smaller, Tick
from ordercascade.core.watch cimport note_scope, parent_of, touch, unpend
from ordercascade.core.steps cimport (
    apply_fills, book_touched, Executed, finish, generation_of, mark_row, take_marks,
)
from ordercascade.core.losses cimport (
    adl_step, deleverage, fix_handover, residual, set_outcome, waterfall,
)


# --- a liquidation order -----------------------------------------------------------------------

cdef Cash exit_level(State* s, Cash maintenance, Cash exposure) noexcept nogil:
    """Maintenance plus the exit buffer."""
    return maintenance + mul_ppm_up(exposure, s.rules.buffer_ppm)


cdef bint _healthy(State* s, const Margin* m) noexcept nogil:
    return m.equity >= exit_level(s, m.maintenance, m.exposure) and not liquidatable(s, m)


cdef int _cancel_own(State* s, int32_t scope, int32_t leg, int64_t step) except -1 nogil:
    """Cancel the scope's resting orders as the cancel policy says, each market in id order."""
    cdef int64_t i
    cdef const Holder* h = &s.ledger.holders[scope]
    for i in range(s.market_count):
        if s.rules.cancel != CANCEL_SCOPE and (s.rules.cancel != CANCEL_MARKET or i != leg):
            continue
        if s.markets[i].asset != h.asset:
            continue
        if ledger_scope(&s.ledger, h.account, <int32_t>i, h.asset) == scope:
            book_cancel_all(&s.markets[i].book, h.account)
            book_touched(s, <int32_t>i, step)
    return 0


cdef void _remember_markets(State* s, int32_t scope) noexcept nogil:
    """For the retry rule: the markets it holds lots in, and the clock, just before its order."""
    cdef int32_t p = s.ledger.holders[scope].first
    while p != NIL:
        s.ledger.positions[p].held = s.ledger.positions[p].size != 0
        p = s.ledger.positions[p].next
    s.scopes[scope].order_clock = s.clock


cdef Cash _charge(State* s, int64_t step, int32_t scope, Cash value, Cash equity) except? -1 nogil:
    """The liquidation fee, never more than what is left. SEMANTICS §5.4."""
    cdef Cash fee = smaller(mul_ppm_up(value, s.rules.liquidation_fee_ppm), larger(0, equity))
    cdef int kind = FUND if s.rules.liquidation_fee_to == FEE_TO_FUND else FEES
    cdef int32_t to = ledger_holder(&s.ledger, kind, s.ledger.holders[scope].asset)
    if fee > 0:
        ledger_post(&s.ledger, scope, to, fee)
        write_posting(s, step, scope, to, fee, REASON_FEE_LIQUIDATION)
        touch(s, scope)
    return fee


cdef int _order_row(State* s, int64_t step, int32_t market, int32_t account, int side,
                    bint at_market, Tick limit, Lot size, Lot filled) except -1 nogil:
    cdef int64_t row[ORDER_COLUMNS]
    row[0] = step
    row[1] = 0
    row[2] = s.venue
    row[3] = market
    row[4] = account
    row[5] = side
    row[6] = MARKET if at_market else LIMIT
    row[7] = IOC
    row[8] = 0
    row[9] = 0 if at_market else limit
    row[10] = size
    row[11] = filled
    row[12] = 0
    log_append(s.log, T_ORDERS, row)
    return 0


cdef Tick _bankruptcy_price(State* s, int32_t scope, int32_t leg) except? -1 nogil:
    """The leg's exact handing-over cost as a display price."""
    cdef const Position* p
    fix_handover(s, scope)
    p = &s.ledger.positions[ledger_find(&s.ledger, scope, leg)]
    return price_of_cost(p.handover, p.size, s.markets[leg].multiplier)


cdef int execute(State* s, const Entry* entry) except -1 nogil:
    """Send one planned order: test again, cancel, trade, marks, fee, row. SEMANTICS §3.5, §5."""
    cdef int32_t scope = entry.scope
    cdef int32_t market = entry.market
    cdef Scope* sc = &s.scopes[scope]
    cdef Market* m = &s.markets[market]
    cdef int32_t p = ledger_find(&s.ledger, scope, market)
    cdef int32_t account = s.ledger.holders[scope].account
    cdef Margin at = margin_of(s, scope, False)
    cdef Lot held, lots, filled
    cdef int side
    cdef int64_t step
    cdef Executed done
    cdef int64_t row[LIQ_COLUMNS]
    if sc.pending and not at.flat and _healthy(s, &at):
        return unpend(s, scope)
    if p == NIL or s.ledger.positions[p].size == 0:
        return 0
    if not sc.pending and not liquidatable(s, &at):
        return 0
    held = absolute(s.ledger.positions[p].size)
    lots = smaller(entry.lots, held)
    side = 1 if s.ledger.positions[p].size > 0 else 0
    if side != entry.side:
        return 0
    if not sc.pending:
        sc.parent = parent_of(s, scope)
        sc.generation = 0 if sc.parent == NIL else generation_of(s, sc.parent) + 1
        sc.pending = 1
        if not sc.listed:
            sc.listed = 1
            push(&s.pending, &s.pending_count, &s.pending_capacity, scope)
    step = step_begin(s, STEP_LIQUIDATION, market, scope, sc.parent, sc.generation,
                      NIL if sc.parent == NIL else
                      <int32_t>log_get(s.log, T_STEPS, sc.parent, STEP_MARKET))
    row[16] = _bankruptcy_price(s, scope, market)
    _cancel_own(s, scope, market, step)
    _remember_markets(s, scope)
    row[5] = side
    row[17] = m.mark
    row[19] = at.equity
    book_clear(&m.book)
    filled = book_take(&m.book, side,
                       (0 if side else m.price_max) if entry.at_market else entry.limit,
                       lots, account)
    book_touched(s, market, step)
    apply_fills(s, market, step, True, &done)
    oc_check(done.lots == filled)
    _order_row(s, step, market, account, side, entry.at_market, entry.limit, lots, filled)
    sc.tranche += 1
    sc.order_step = step
    sc.retry_ns = s.time_ns + entry.cooldown_ns if lots < held and entry.cooldown_ns else NIL
    if s.rules.mark_refresh == REFRESH_ORDER:
        take_marks(s)
    at = margin_of(s, scope, False)
    row[21] = _charge(s, step, scope, done.value, at.equity)
    row[20] = at.equity - row[21]
    row[18] = m.mark
    _finish_row(s, step, entry, row, &done, held, lots)
    finish(s, step)
    s.sub = SUB_MARKS
    s.sub_cursor = 0
    s.sub_scope = scope
    s.sub_row = log_rows(s.log, T_LIQUIDATIONS) - 1
    s.sub_unfilled = filled < lots
    return 0


cdef int _finish_row(State* s, int64_t step, const Entry* entry, int64_t* row, const Executed* done,
                     Lot held, Lot lots) except -1 nogil:
    """Fill in the rest of a liquidation row and append it."""
    cdef int64_t i
    row[0] = step
    row[1] = s.venue
    row[2] = entry.market
    row[3] = entry.scope
    row[4] = s.ledger.holders[entry.scope].account
    row[6] = 0
    row[7] = s.scopes[entry.scope].tranche
    row[8] = held
    row[9] = lots
    row[10] = done.lots
    row[11] = done.levels
    row[12] = 0 if entry.at_market else entry.limit
    row[13] = done.worst
    row[14] = done.value
    row[15] = entry.trigger
    for i in range(22, LIQ_COLUMNS):
        row[i] = 0
    row[LIQ_OUTCOME] = OPEN
    log_append(s.log, T_LIQUIDATIONS, row)
    return 0


# --- what follows an order ---------------------------------------------------------------------

cdef int sub_step(State* s) except -1 nogil:
    """Do the next thing left over from the order just executed; write at most one row."""
    if s.sub == SUB_MARKS:
        if s.sub_cursor < s.market_count:
            mark_row(s, <int32_t>s.sub_cursor)
            s.sub_cursor += 1
            return 0
        if s.rules.shortfall_at == SHORTFALL_AT_ORDER:
            s.sub = SUB_TABLE
            return 0
        s.rows = <int64_t*>slab_grow(s.rows, &s.row_capacity, s.row_count + 2, sizeof(int64_t))
        s.rows[s.row_count] = 2 * s.sub_row + s.sub_unfilled
        s.row_count += 1
        s.sub = SUB_NONE
        return 0
    if s.sub == SUB_TABLE:
        s.sub = SUB_NONE
        return table(s, s.sub_scope, s.sub_row, s.sub_unfilled)
    return adl_step(s)


cdef int table(State* s, int32_t scope, int64_t row, bint unfilled) except -1 nogil:
    """The table of SEMANTICS §5 for a scope that sent an order, on the standing marks."""
    cdef Margin m = margin_of(s, scope, False)
    note_scope(s, scope, &m)
    if not m.flat:
        if _healthy(s, &m):
            set_outcome(s, row, HEALTHY)
            return unpend(s, scope)
        if m.equity < 0 or (unfilled and s.rules.adl_trigger == ADL_ON_UNFILLED):
            return deleverage(s, scope, -2, row)
        return set_outcome(s, row, PENDING)
    unpend(s, scope)
    if m.equity < 0:
        return waterfall(s, scope, row)
    set_outcome(s, row, CLOSED)
    if m.equity > 0 and s.rules.residual == RESIDUAL_FUND:
        return residual(s, scope, m.equity)
    return 0
