"""Executing a liquidation: its order, its fee, the table of SEMANTICS §5, ADL and the waterfall.

Each function here writes at most one row of the step table; what is left to do afterwards stands
in `State.sub*`, so that the world may stop, fork or be hashed between any two rows.
"""

from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport qsort
from libc.string cimport memset
from ordercascade.core.book cimport (
    Book, book_best, book_cancel_all, book_clear, book_take,
)
from ordercascade.core.check cimport oc_check
from ordercascade.core.events cimport (
    ADL_COLUMNS, FILL_COLUMNS, LIQ_COLUMNS, LIQ_OUTCOME, LIQ_PAID_ADL, LIQ_PAID_BAD_DEBT,
    LIQ_PAID_FUND, LIQ_PAID_SOCIALISED, LIQ_SHORTFALL, ORDER_COLUMNS, STEP_GENERATION, STEP_MARKET,
    T_ADL, T_FILLS, T_FUNDS, T_LEVELS, T_LIQUIDATIONS, T_MARKS, T_NOTES, T_ORDERS, T_STEPS,
    log_append, log_get, log_rows, log_set,
)
from ordercascade.core.ledger cimport (
    BAD_DEBT, CLEARING, EXTERNAL, FEES, FUND, Holder, Position, SCOPE, VAULT, ledger_enter,
    ledger_find, ledger_flat, ledger_holder, ledger_position, ledger_post, ledger_scope,
    split_shares,
)
from ordercascade.core.margin cimport maintenance_of, price_of_cost
from ordercascade.core.mechanism cimport Backstop, Oracle
from ordercascade.core.records cimport BID, Candidate, Fill, IOC, LIMIT, MARKET, MarketView
from ordercascade.core.slab cimport NIL, slab_grow
from ordercascade.core.state cimport (
    ADL_ON_UNFILLED, CANCEL_MARKET, CANCEL_SCOPE, CLOSED, DELEVERAGED, Entry, FEE_TO_FUND, HEALTHY,
    Margin, Market, NOTE_ADL_EXTERNAL, NOTE_FUND_EMPTY, OPEN, PENDING, REASON_BAD_DEBT,
    REASON_FEE_LIQUIDATION, REASON_FEE_MAKER, REASON_FEE_TAKER, REASON_FUND_PAYS,
    REASON_REALISE, REASON_RESIDUAL, REASON_SOCIALISED, REFRESH_ORDER, RESIDUAL_FUND,
    SHORTFALL, SHORTFALL_AT_ORDER, STEP_ADL, STEP_LIQUIDATION, STEP_MARK, STEP_WATERFALL,
    SUB_ADL, SUB_MARKS, SUB_NONE, SUB_TABLE, Scope, State, liquidatable, margin_of, market_view,
    step_begin, step_end, write_posting,
)
from ordercascade.core.units cimport (
    Cash, Lot, PPM, Ppm, Tick, Wide, absolute, larger, mul_ppm_down, mul_ppm_up, smaller,
)
from ordercascade.core.watch cimport note_scope, parent_of, push, scan, touch, unpend


cdef int64_t _generation(State* s, int64_t step) noexcept nogil:
    """The generation of a step; 0 for none."""
    return 0 if step == NIL else log_get(s.log, T_STEPS, step, STEP_GENERATION)


# --- marks -------------------------------------------------------------------------------------

cdef int take_marks(State* s) except -1 nogil:
    """Take every market's mark from its oracle; the rows follow one by one."""
    cdef int64_t i
    cdef Market* m
    cdef MarketView view
    for i in range(s.market_count):
        m = &s.markets[i]
        market_view(m, &view)
        m.mark_before = m.mark
        m.mark_trade_step = m.trade_step
        m.mark = (<Oracle>m.oracle).take(&view, s.time_ns)
        m.stale = 1
        if m.mark != m.mark_before:
            s.clock += 1
            m.changed_at = s.clock
    return 0


cdef int mark_row(State* s, int32_t market) except -1 nogil:
    """Write the step of a mark that differs from the last one written, if it does."""
    cdef Market* m = &s.markets[market]
    cdef int64_t step
    if m.mark == m.mark_written:
        return 0
    step = step_begin(s, STEP_MARK, market, NIL, m.trade_step, _generation(s, m.trade_step), NIL)
    m.mark_written = m.mark
    m.noted = 1
    return finish(s, step)


cdef int _write_marks(State* s, int64_t step) except -1 nogil:
    cdef int64_t i
    cdef Market* m
    cdef int64_t row[9]
    for i in range(s.market_count):
        m = &s.markets[i]
        if not m.noted:
            continue
        m.noted = 0
        row[0] = step
        row[1] = s.time_ns
        row[2] = s.venue
        row[3] = i
        row[4] = m.last
        row[5] = m.index
        row[6] = m.mark
        row[7] = book_best(&m.book, 0)
        row[8] = book_best(&m.book, 1)
        log_append(s.log, T_MARKS, row)
    return 0


cdef int _write_funds(State* s, int64_t step) except -1 nogil:
    """A row for each fund, vault and bad-debt balance that this step changed."""
    cdef int64_t asset, k
    cdef int32_t holder
    cdef int kind
    cdef int64_t row[5]
    for asset in range(s.ledger.asset_count):
        for k in range(3):
            kind = FUND if k == 0 else (VAULT if k == 1 else BAD_DEBT)
            holder = ledger_holder(&s.ledger, kind, <int32_t>asset)
            if s.ledger.holders[holder].collateral == s.written[3 * asset + k]:
                continue
            s.written[3 * asset + k] = s.ledger.holders[holder].collateral
            row[0] = step
            row[1] = s.venue
            row[2] = holder
            row[3] = asset
            row[4] = s.ledger.holders[holder].collateral
            log_append(s.log, T_FUNDS, row)
    return 0


cdef int finish(State* s, int64_t step) except -1 nogil:
    """Close a step: its marks and funds rows, its ranges; then look who fell."""
    _write_marks(s, step)
    _write_funds(s, step)
    step_end(s, step)
    return scan(s, step)


cdef int _note(State* s, int64_t step, int kind, int32_t market, int32_t scope, int64_t a,
               int64_t b) except -1 nogil:
    cdef int64_t row[6]
    row[0] = step
    row[1] = kind
    row[2] = market
    row[3] = scope
    row[4] = a
    row[5] = b
    log_append(s.log, T_NOTES, row)
    return 0


# --- fills -------------------------------------------------------------------------------------

cdef int book_touched(State* s, int32_t market, int64_t step) except -1 nogil:
    """Write the level changes of the last book operations and note that the book moved."""
    cdef Market* m = &s.markets[market]
    cdef Book* b = &m.book
    cdef int64_t i
    cdef int64_t row[5]
    if b.change_count == 0:
        return 0
    s.clock += 1
    m.changed_at = s.clock
    m.stale = 1
    for i in range(b.change_count):
        row[0] = step
        row[1] = market
        row[2] = b.changes[i].side
        row[3] = b.changes[i].price
        row[4] = b.changes[i].size_after
        log_append(s.log, T_LEVELS, row)
    b.change_count = 0
    return 0


cdef int _enter(State* s, int64_t step, int32_t scope, int32_t market, Lot size,
                Cash cost) except -1 nogil:
    """One side of a trade: cost entry, then what it realises."""
    cdef int32_t p = ledger_position(&s.ledger, scope, market)
    cdef Cash realised = ledger_enter(&s.ledger, p, size, cost)
    if realised != 0:
        write_posting(s, step, s.ledger.clearing[market], scope, realised, REASON_REALISE)
    s.scopes[scope].moved_step = step
    return 0


cdef Cash _fee(State* s, int64_t step, int32_t scope, Cash value, Ppm rate, int reason) except? -1 nogil:
    """Charge ceil(value * rate), or pay a rebate floored; zero posts nothing."""
    cdef Cash fee = mul_ppm_up(value, rate)
    cdef int32_t fees = ledger_holder(&s.ledger, FEES, s.ledger.holders[scope].asset)
    if fee != 0:
        ledger_post(&s.ledger, scope, fees, fee)
        write_posting(s, step, scope, fees, fee, reason)
    return fee


cdef int _apply_fill(State* s, int32_t market, int64_t step, const Fill* f, bint liquidation,
                     int64_t* row) except -1 nogil:
    """Both cost entries, realising taker then maker; fees taker then maker."""
    cdef Market* m = &s.markets[market]
    cdef Cash value = f.price * f.size * m.multiplier
    cdef int32_t taker = ledger_scope(&s.ledger, f.taker_account, market, m.asset)
    cdef int32_t maker = ledger_scope(&s.ledger, f.maker_account, market, m.asset)
    cdef int sign = 1 - 2 * f.taker_side
    cdef Ppm rate
    _enter(s, step, taker, market, sign * f.size, sign * value)
    _enter(s, step, maker, market, -sign * f.size, -sign * value)
    if not liquidation or s.rules.liquidation_pays_taker:
        rate = m.taker_fee_ppm if f.taker_account else m.external_taker_fee_ppm
        row[11] = _fee(s, step, taker, value, rate, REASON_FEE_TAKER)
    rate = m.maker_fee_ppm if f.maker_account else m.external_maker_fee_ppm
    row[10] = _fee(s, step, maker, value, rate, REASON_FEE_MAKER)
    touch(s, taker)
    return touch(s, maker)


cdef int apply_fills(State* s, int32_t market, int64_t step, bint liquidation,
                     Executed* done) except -1 nogil:
    """Take the book's fills through the ledger and onto the tape; say what they came to."""
    cdef Market* m = &s.markets[market]
    cdef int64_t i
    cdef const Fill* f
    cdef int64_t row[FILL_COLUMNS]
    memset(done, 0, sizeof(Executed))
    for i in range(m.book.fill_count):
        f = &m.book.fills[i]
        row[0] = step
        row[1] = s.venue
        row[2] = market
        row[3] = f.price
        row[4] = f.size
        row[5] = f.taker_side
        row[6] = f.maker_account
        row[7] = f.taker_account
        row[8] = f.maker_order
        row[9] = f.taker_order
        row[10] = 0
        row[11] = 0
        row[12] = f.maker_rest
        if not f.self_trade:
            _apply_fill(s, market, step, f, liquidation, row)
        log_append(s.log, T_FILLS, row)
        if f.price != done.worst:
            done.levels += 1
        done.worst = f.price
        done.lots += f.size
        done.value += f.price * f.size * m.multiplier
    if m.book.fill_count:
        if m.last != done.worst:
            m.noted = 1
        m.last = done.worst
        m.stale = 1
        m.trade_step = step
    m.book.fill_count = 0
    return 0


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


cdef int _order_row(State* s, int64_t step, int32_t market, int32_t account, int side, bint at_market,
                    Tick limit, Lot size, Lot filled) except -1 nogil:
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
    if not sc.pending:
        sc.parent = parent_of(s, scope)
        sc.generation = 0 if sc.parent == NIL else _generation(s, sc.parent) + 1
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
    return _adl_step(s)


cdef int _outcome(State* s, int64_t row, int outcome) except -1 nogil:
    if row != NIL:
        log_set(s.log, T_LIQUIDATIONS, row, LIQ_OUTCOME, outcome)
    return 0


cdef int table(State* s, int32_t scope, int64_t row, bint unfilled) except -1 nogil:
    """The table of SEMANTICS §5 for a scope that sent an order, on the standing marks."""
    cdef Margin m = margin_of(s, scope, False)
    note_scope(s, scope, &m)
    if not m.flat:
        if _healthy(s, &m):
            _outcome(s, row, HEALTHY)
            return unpend(s, scope)
        if m.equity < 0 or (unfilled and s.rules.adl_trigger == ADL_ON_UNFILLED):
            return deleverage(s, scope, -2, row)
        return _outcome(s, row, PENDING)
    unpend(s, scope)
    if m.equity < 0:
        return waterfall(s, scope, row)
    _outcome(s, row, CLOSED)
    if m.equity > 0 and s.rules.residual == RESIDUAL_FUND:
        return _residual(s, scope, m.equity)
    return 0


cdef int _residual(State* s, int32_t scope, Cash amount) except -1 nogil:
    """What a closed scope has left goes to the fund."""
    cdef int32_t fund = ledger_holder(&s.ledger, FUND, s.ledger.holders[scope].asset)
    cdef int64_t parent = s.scopes[scope].moved_step
    cdef int64_t step = step_begin(s, STEP_WATERFALL, NIL, scope, parent, _generation(s, parent), NIL)
    ledger_post(&s.ledger, scope, fund, amount)
    write_posting(s, step, scope, fund, amount, REASON_RESIDUAL)
    touch(s, scope)
    return finish(s, step)


# --- auto-deleveraging -------------------------------------------------------------------------

cdef int fix_handover(State* s, int32_t scope) except -1 nogil:
    """Fix every leg's cost X_k = value_k - E_k, the scope's equity split by maintenance."""
    cdef int64_t legs = 0
    cdef int64_t i = 0
    cdef int32_t p = s.ledger.holders[scope].first
    cdef Position* position
    cdef const Market* m
    cdef Margin at = margin_of(s, scope, False)
    cdef Cash value
    while p != NIL:
        legs += 1
        p = s.ledger.positions[p].next
    s.cells = <int64_t*>slab_grow(s.cells, &s.cell_capacity, 2 * legs, sizeof(int64_t))
    legs = 0
    p = s.ledger.holders[scope].first
    while p != NIL:
        position = &s.ledger.positions[p]
        if position.size != 0:
            m = &s.markets[position.market]
            value = position.size * m.mark * m.multiplier
            position.handover = value
            s.cells[legs] = maintenance_of(m.brackets, m.bracket_count, absolute(value))
            legs += 1
        p = position.next
    split_shares(at.equity, s.cells, legs, s.cells + legs)
    p = s.ledger.holders[scope].first
    while p != NIL:
        position = &s.ledger.positions[p]
        if position.size != 0:
            position.handover -= s.cells[legs + i]
            i += 1
        p = position.next
    return 0


cdef int deleverage(State* s, int32_t scope, int64_t parent, int64_t row) except -1 nogil:
    """Begin to hand every leg over at its bankruptcy cost; one `adl` step a market follows."""
    cdef Margin m = margin_of(s, scope, False)
    fix_handover(s, scope)
    _outcome(s, row, DELEVERAGED)
    if row != NIL:
        log_set(s.log, T_LIQUIDATIONS, row, LIQ_SHORTFALL, larger(0, -m.equity))
        log_set(s.log, T_LIQUIDATIONS, row, LIQ_PAID_ADL, -m.equity)
    s.sub = SUB_ADL
    s.sub_scope = scope
    s.sub_parent = parent
    s.sub_cursor = s.ledger.holders[scope].first
    return 0


cdef int _adl_step(State* s) except -1 nogil:
    """Hand over the next leg; after the last one the scope is at exactly zero."""
    cdef int32_t p = <int32_t>s.sub_cursor
    while p != NIL and s.ledger.positions[p].size == 0:
        p = s.ledger.positions[p].next
    if p != NIL:
        s.sub_cursor = s.ledger.positions[p].next
        return _hand_over(s, p)
    oc_check(s.ledger.holders[s.sub_scope].collateral == 0)
    s.sub = SUB_NONE
    return unpend(s, s.sub_scope)


cdef int _by_scope(const void* a, const void* b) noexcept nogil:
    cdef const Candidate* x = <const Candidate*>a
    cdef const Candidate* y = <const Candidate*>b
    if x.external != y.external:
        return -1 if y.external else 1
    return (x.scope > y.scope) - (x.scope < y.scope)


cdef int _by_rank(const void* a, const void* b) noexcept nogil:
    cdef const Candidate* x = <const Candidate*>a
    cdef const Candidate* y = <const Candidate*>b
    return (x.rank > y.rank) - (x.rank < y.rank)


cdef int64_t _counterparties(State* s, int32_t market, bint of_long) except -1 nogil:
    """Everybody on the other side of a leg, by scope id, external last."""
    cdef int64_t count = 0
    cdef int32_t p = s.ledger.sided[market].first[of_long]
    cdef const Position* position
    cdef const Market* m = &s.markets[market]
    cdef Candidate* c
    while p != NIL:
        position = &s.ledger.positions[p]
        s.candidates = <Candidate*>slab_grow(
            s.candidates, &s.candidate_capacity, count + 1, sizeof(Candidate))
        c = &s.candidates[count]
        c.scope = position.scope
        c.external = s.ledger.holders[position.scope].kind == EXTERNAL
        c.lots = absolute(position.size)
        c.cost = position.cost
        c.value = position.size * m.mark * m.multiplier
        c.equity = margin_of(s, position.scope, False).equity
        c.taken = 0
        c.rank = 0
        count += 1
        p = position.market_next
    qsort(s.candidates, <size_t>count, sizeof(Candidate), &_by_scope)
    return count


cdef int _hand_over(State* s, int32_t leg) except -1 nogil:
    """One `adl` step: a leg to its counterparties at exactly its fixed cost. SEMANTICS §5.7."""
    cdef Position* position = &s.ledger.positions[leg]
    cdef int32_t scope = position.scope
    cdef int32_t market = position.market
    cdef Lot size = position.size
    cdef Cash cost = position.handover
    cdef int64_t parent = s.scopes[scope].moved_step if s.sub_parent == -2 else s.sub_parent
    cdef int64_t count = _counterparties(s, market, size > 0)
    cdef int64_t takers = 0
    cdef int64_t i
    cdef int64_t step
    (<Backstop>s.backstop).deal(s.candidates, count, absolute(size))
    for i in range(count):
        if s.candidates[i].taken > 0:
            s.candidates[takers] = s.candidates[i]
            takers += 1
    oc_check(takers > 0)
    s.cells = <int64_t*>slab_grow(s.cells, &s.cell_capacity, 2 * takers, sizeof(int64_t))
    for i in range(takers):
        s.cells[i] = s.candidates[i].taken
    split_shares(cost, s.cells, takers, s.cells + takers)
    for i in range(takers):
        s.candidates[i].cost = s.cells[takers + i]
    qsort(s.candidates, <size_t>takers, sizeof(Candidate), &_by_rank)
    step = step_begin(s, STEP_ADL, market, scope, parent, _generation(s, parent), NIL)
    _enter(s, step, scope, market, -size, -cost)
    position = &s.ledger.positions[leg]
    position.handover = 0
    touch(s, scope)
    for i in range(takers):
        _take_over(s, step, market, scope, &s.candidates[i], i, 1 if size > 0 else -1)
    return finish(s, step)


cdef int _take_over(State* s, int64_t step, int32_t market, int32_t scope, const Candidate* c,
                    int64_t rank, int sign) except -1 nogil:
    """One counterparty's part of a handed-over leg."""
    cdef int64_t row[ADL_COLUMNS]
    _enter(s, step, c.scope, market, sign * c.taken, c.cost)
    touch(s, c.scope)
    row[0] = step
    row[1] = market
    row[2] = scope
    row[3] = c.scope
    row[4] = c.taken
    row[5] = c.cost
    row[6] = rank
    row[7] = s.rules.adl_rule
    row[8] = 0
    log_append(s.log, T_ADL, row)
    if c.external:
        return _note(s, step, NOTE_ADL_EXTERNAL, market, scope, c.taken, c.cost)
    return 0


# --- the waterfall -----------------------------------------------------------------------------

cdef Cash _socialise(State* s, int64_t step, int32_t scope, Cash deficit) except? -1 nogil:
    """Charge winners by their profit, none beyond it or its equity; return what they paid."""
    cdef int64_t count = 0
    cdef int64_t i
    cdef int32_t h
    cdef Margin m
    cdef Cash weight, charged
    cdef Wide sum = 0
    cdef int32_t asset = s.ledger.holders[scope].asset
    s.cells = <int64_t*>slab_grow(
        s.cells, &s.cell_capacity, 3 * s.ledger.holder_count, sizeof(int64_t))
    for i in range(s.ledger.holder_count):
        h = <int32_t>i
        if s.ledger.holders[h].kind != SCOPE or s.ledger.holders[h].asset != asset:
            continue
        m = margin_of(s, h, False)
        weight = smaller(m.pnl, m.equity)
        if weight > 0:
            s.cells[count] = weight
            s.cells[2 * s.ledger.holder_count + count] = h
            sum = sum + weight
            count += 1
    charged = deficit if sum >= deficit else <Cash>sum
    # What a winner is credited is floored: the charge is a negative credit.
    split_shares(-charged, s.cells, count, s.cells + s.ledger.holder_count)
    for i in range(count):
        weight = -s.cells[s.ledger.holder_count + i]
        h = <int32_t>s.cells[2 * s.ledger.holder_count + i]
        if weight != 0:
            ledger_post(&s.ledger, h, scope, weight)
            write_posting(s, step, h, scope, weight, REASON_SOCIALISED)
            touch(s, h)
    return charged


cdef int waterfall(State* s, int32_t scope, int64_t row) except -1 nogil:
    """A flat scope below zero: fund, then winners if the venue socialises, then bad debt."""
    cdef int32_t asset = s.ledger.holders[scope].asset
    cdef int32_t fund = ledger_holder(&s.ledger, FUND, asset)
    cdef int32_t debt = ledger_holder(&s.ledger, BAD_DEBT, asset)
    cdef Cash deficit = -s.ledger.holders[scope].collateral
    cdef Cash paid = smaller(deficit, s.ledger.holders[fund].collateral)
    cdef Cash charged = 0
    cdef Cash rest
    cdef int64_t parent = s.scopes[scope].moved_step
    cdef int64_t step
    oc_check(deficit > 0)
    step = step_begin(s, STEP_WATERFALL, NIL, scope, parent, _generation(s, parent), NIL)
    if paid > 0:
        ledger_post(&s.ledger, fund, scope, paid)
        write_posting(s, step, fund, scope, paid, REASON_FUND_PAYS)
        if s.ledger.holders[fund].collateral == 0:
            _note(s, step, NOTE_FUND_EMPTY, NIL, scope, paid, deficit - paid)
    if s.rules.social and deficit > paid:
        charged = _socialise(s, step, scope, deficit - paid)
    rest = deficit - paid - charged
    if rest > 0:
        ledger_post(&s.ledger, debt, scope, rest)
        write_posting(s, step, debt, scope, rest, REASON_BAD_DEBT)
    touch(s, scope)
    if row != NIL:
        log_set(s.log, T_LIQUIDATIONS, row, LIQ_SHORTFALL, deficit)
        log_set(s.log, T_LIQUIDATIONS, row, LIQ_PAID_FUND, paid)
        log_set(s.log, T_LIQUIDATIONS, row, LIQ_PAID_SOCIALISED, charged)
        log_set(s.log, T_LIQUIDATIONS, row, LIQ_PAID_BAD_DEBT, rest)
        _outcome(s, row, SHORTFALL)
    return finish(s, step)
