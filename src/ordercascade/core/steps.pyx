"""What a step consists of: marks, fills through the ledger, the rows that close it."""

from libc.stdint cimport int32_t, int64_t
from libc.string cimport memset
from ordercascade.core.book cimport Book, book_best, book_cancel_all
from ordercascade.core.collateral cimport pledges_take
from ordercascade.core.events cimport (
    FILL_COLUMNS, log_append, log_get, STEP_GENERATION, T_FILLS, T_FUNDS, T_LEVELS, T_MARKS,
    T_NOTES, T_STEPS,
)
from ordercascade.core.funds cimport fund_moved
from ordercascade.core.ledger cimport (
    BAD_DEBT, FEES, FUND, Holder, ledger_enter, ledger_fund, ledger_holder, ledger_leg_made,
    ledger_post, ledger_scope, ledger_twin, leg_closed, leg_of, VAULT,
)
from ordercascade.core.mechanism cimport Oracle
from ordercascade.core.options cimport options_take
from ordercascade.core.rates cimport fund_part
from ordercascade.core.records cimport Fill, MarketView
from ordercascade.core.slab cimport NIL, slab_grow
from ordercascade.core.state cimport (
    cost_of, CANCEL_MARKET, CANCEL_SCOPE, Market, market_view, REASON_FEE_MAKER, REASON_FEE_TAKER,
    REASON_REALISE, State, step_begin,
    step_end, STEP_MARK, write_posting,
)
from ordercascade.core.units cimport absolute, Cash, Lot, mul_ppm_up, Ppm
from ordercascade.core.watch cimport scan, touch


cdef int64_t generation_of(State* s, int64_t step) noexcept nogil:
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
        market_view(s, m, &view)
        m.mark_before = m.mark
        m.mark_trade_step = m.trade_step
        m.mark = (<Oracle>m.oracle).take(&view, s.time_ns)
        m.stale = 1
        if m.mark != m.mark_before:
            s.clock += 1
            m.changed_at = s.clock
    if s.grids != NULL:
        options_take(s)
    if s.pledges != NULL:
        pledges_take(s)
    return 0


cdef int mark_row(State* s, int32_t market) except -1 nogil:
    """Write the step of a mark that differs from the last one written, if it does."""
    cdef Market* m = &s.markets[market]
    cdef int64_t step
    if m.mark == m.mark_written:
        return 0
    step = step_begin(s, STEP_MARK, market, NIL, m.trade_step, generation_of(s, m.trade_step), NIL)
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
    for asset in range(s.ledger.asset_count):
        for k in range(3):
            kind = FUND if k == 0 else (VAULT if k == 1 else BAD_DEBT)
            holder = ledger_holder(&s.ledger, kind, <int32_t>asset)
            _write_balance(s, step, holder, &s.written[3 * asset + k])
    if s.stages.fund_market:
        for k in range(s.market_count):
            _write_balance(s, step, ledger_fund(&s.ledger, <int32_t>k),
                           &s.written[3 * s.ledger.asset_count + k])
    return 0


cdef int _write_balance(State* s, int64_t step, int32_t holder, Cash* written) except -1 nogil:
    cdef int64_t row[5]
    cdef const Holder* h = &s.ledger.holders[holder]
    if h.collateral == written[0]:
        return 0
    if s.highs != NULL and h.kind == FUND:
        fund_moved(s, holder, written[0])
    written[0] = h.collateral
    row[0] = step
    row[1] = s.venue
    row[2] = holder
    row[3] = h.asset
    row[4] = h.collateral
    log_append(s.log, T_FUNDS, row)
    return 0


cdef int finish(State* s, int64_t step) except -1 nogil:
    """Close a step: its marks and funds rows, its ranges; then look who fell."""
    _write_marks(s, step)
    _write_funds(s, step)
    step_end(s, step)
    return scan(s, step)


cdef int note(State* s, int64_t step, int kind, int32_t market, int32_t scope, int64_t a,
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


cdef int cancel_own(State* s, int32_t scope, int32_t leg, int64_t step) except -1 nogil:
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
            if h.hedged:
                book_cancel_all(&s.markets[i].book, ledger_twin(&s.ledger, h.account))
            book_touched(s, <int32_t>i, step)
    return 0


cdef int enter(State* s, int64_t step, int32_t scope, int32_t market, Lot size,
                Cash cost) except -1 nogil:
    """One side of a trade that only a leg's closing could be, if the scope is hedged."""
    return enter_leg(s, step, scope, market, leg_closed(&s.ledger, scope, size > 0), size, cost)


cdef int enter_leg(State* s, int64_t step, int32_t scope, int32_t market, bint leg, Lot size,
                   Cash cost) except -1 nogil:
    """One side of a trade: cost entry, then what it realises."""
    cdef int32_t p = ledger_leg_made(&s.ledger, scope, market, leg)
    cdef Cash realised = ledger_enter(&s.ledger, p, size, cost)
    if realised != 0:
        write_posting(s, step, s.ledger.clearing[market], scope, realised, REASON_REALISE)
        if s.stages.variation:
            s.variation = <Cash*>slab_grow(
                s.variation, &s.variation_capacity, s.ledger.position_count, sizeof(Cash))
            s.variation[p] += realised
    s.scopes[scope].moved_step = step
    s.scopes[scope].moved_market = market
    return 0


cdef Cash _fee(State* s, int64_t step, int32_t scope, int32_t market, Cash value, Ppm rate,
               int reason) except? -1 nogil:
    """Charge ceil(value * rate), the fund's share apart; or pay a rebate floored; zero posts
    nothing."""
    cdef Cash fee = mul_ppm_up(value, rate)
    cdef int32_t fees = ledger_holder(&s.ledger, FEES, s.ledger.holders[scope].asset)
    cdef int32_t fund
    cdef Cash part = 0
    if s.rates != NULL:
        fund = ledger_fund(&s.ledger, market)
        part = fund_part(s.rates, fee, s.ledger.holders[fund].collateral)
        if scope == fund:       # What it disposes of pays it nothing: its share is not charged.
            fee -= part
            part = 0
    if fee != part:
        ledger_post(&s.ledger, scope, fees, fee - part)
        write_posting(s, step, scope, fees, fee - part, reason)
    if part:
        ledger_post(&s.ledger, scope, fund, part)
        write_posting(s, step, scope, fund, part, reason)
    return fee


cdef int _apply_fill(State* s, int32_t market, int64_t step, const Fill* f, bint liquidation,
                     int64_t* row) except -1 nogil:
    """Both cost entries, realising taker then maker; fees taker then maker."""
    cdef Market* m = &s.markets[market]
    cdef int32_t taker = s.acting
    cdef int32_t maker = ledger_scope(&s.ledger, f.maker_account, market, m.asset)
    cdef int sign = 1 - 2 * f.taker_side
    cdef Cash cost = cost_of(m, sign * f.size, f.price)
    cdef Cash value = absolute(cost)
    cdef Ppm rate
    if f.taker_account >= 0:        # Else the fund or vault sells what it took over.
        taker = ledger_scope(&s.ledger, f.taker_account, market, m.asset)
    enter_leg(s, step, taker, market, leg_of(&s.ledger, taker, f.taker_account), sign * f.size,
              cost)
    enter_leg(s, step, maker, market, leg_of(&s.ledger, maker, f.maker_account), -sign * f.size,
              -cost)
    if not liquidation or s.rules.liquidation_pays_taker:
        rate = m.taker_fee_ppm if f.taker_account else m.external_taker_fee_ppm
        row[11] = _fee(s, step, taker, market, value, rate, REASON_FEE_TAKER)
    rate = m.maker_fee_ppm if f.maker_account else m.external_maker_fee_ppm
    row[10] = _fee(s, step, maker, market, value, rate, REASON_FEE_MAKER)
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
        done.value += absolute(cost_of(m, f.size, f.price))
    if m.book.fill_count:
        if m.last != done.worst:
            m.noted = 1
        m.last = done.worst
        m.stale = 1
        m.trade_step = step
    m.book.fill_count = 0
    return 0
