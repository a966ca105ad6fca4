"""The opening: what every later row is relative to, written before step 0."""

from libc.stdint cimport int32_t, int64_t
from ordercascade.core.book cimport book_best, book_next, book_size_at
from ordercascade.core.collateral cimport pledges_take
from ordercascade.core.events cimport (
    ACCOUNT_COLUMNS, FUND_COLUMNS, LEVEL_COLUMNS, MARK_COLUMNS, POSITION_COLUMNS, T_ACCOUNTS,
    T_FUNDS, T_LEVELS, T_MARKS, T_NOTES, T_POSITIONS, log_append,
)
from ordercascade.core.funds cimport funds_begin
from ordercascade.core.ledger cimport (
    BAD_DEBT, FUND, Holder, Position, VAULT, ledger_fund, ledger_holder, ledger_open,
)
from ordercascade.core.mechanism cimport Oracle
from ordercascade.core.options cimport options_open
from ordercascade.core.records cimport MarketView
from ordercascade.core.slab cimport NIL
from ordercascade.core.state cimport Market, NOTE_HEDGED, State, market_view
from ordercascade.core.units cimport Cash, Tick, larger
from ordercascade.core.watch cimport arm_all


cdef bint has_price(const Market* m) noexcept nogil:
    """False where no oracle could give a mark: no book, no last price, no index."""
    return (m.last > 0 or m.index > 0 or book_best(&m.book, 0) > 0
            or book_best(&m.book, 1) > 0)


cdef int opening(State* s) except -1 nogil:
    """Take the first last prices and marks, write the opening, arm every scope."""
    cdef int64_t i
    cdef Market* m
    cdef MarketView view
    for i in range(s.market_count):
        m = &s.markets[i]
        market_view(s, m, &view)
        if m.last == 0 and view.best_bid > 0 and view.best_ask > 0:
            m.last = (view.best_bid + view.best_ask) / 2
        elif m.last == 0 and m.index == 0:      # with an index, that is the first price
            m.last = larger(view.best_bid, view.best_ask)
        market_view(s, m, &view)
        m.mark = (<Oracle>m.oracle).take(&view, s.time_ns)
        m.mark_before = m.mark
        m.mark_written = m.mark
    if s.grids != NULL:
        options_open(s)
    if s.pledges != NULL:
        pledges_take(s)
    ledger_open(&s.ledger)
    s.running = True
    for i in range(s.ledger.holder_count):
        write_holder(s, <int32_t>i)
    _write_hedged(s)
    _write_positions(s)
    for i in range(s.market_count):
        _write_market(s, <int32_t>i)
    _write_funds(s)
    funds_begin(s)
    return arm_all(s)


cdef int write_holder(State* s, int32_t holder) except -1 nogil:
    """A row of the accounts table: a holder as it is now."""
    cdef int64_t row[ACCOUNT_COLUMNS]
    cdef const Holder* h = &s.ledger.holders[holder]
    row[0] = s.venue
    row[1] = holder
    row[2] = h.account
    row[3] = h.kind
    row[4] = h.asset
    row[5] = h.market
    row[6] = h.collateral
    log_append(s.log, T_ACCOUNTS, row)
    return 0


cdef int _write_hedged(State* s) except -1 nogil:
    """A note for each account in hedge mode: the number of its short legs."""
    cdef int64_t row[6]
    cdef int64_t i
    row[0] = -1
    row[1] = NOTE_HEDGED
    row[2] = s.venue            # The table has no column for it.
    row[3] = NIL
    for i in range(s.ledger.twin_count):
        if s.ledger.twins[i] > i:
            row[4] = i
            row[5] = s.ledger.twins[i]
            log_append(s.log, T_NOTES, row)
    return 0


cdef int _write_positions(State* s) except -1 nogil:
    cdef int64_t row[POSITION_COLUMNS]
    cdef int64_t i
    cdef const Position* p
    for i in range(s.ledger.position_count):
        p = &s.ledger.positions[i]
        if p.size == 0:
            continue
        row[0] = s.venue
        row[1] = p.scope
        row[2] = p.market
        row[3] = p.size
        row[4] = p.cost
        log_append(s.log, T_POSITIONS, row)
    return 0


cdef int _write_market(State* s, int32_t market) except -1 nogil:
    """The opening book, best level first, and the opening prices."""
    cdef int64_t level[LEVEL_COLUMNS]
    cdef int64_t row[MARK_COLUMNS]
    cdef const Market* m = &s.markets[market]
    cdef int side
    cdef Tick price
    for side in range(2):
        price = book_best(&m.book, side)
        while price > 0:
            level[0] = -1
            level[1] = market
            level[2] = side
            level[3] = price
            level[4] = book_size_at(&m.book, side, price)
            log_append(s.log, T_LEVELS, level)
            price = book_next(&m.book, side, price)
    row[0] = -1
    row[1] = s.time_ns
    row[2] = s.venue
    row[3] = market
    row[4] = m.last
    row[5] = m.index
    row[6] = m.mark
    row[7] = book_best(&m.book, 0)
    row[8] = book_best(&m.book, 1)
    log_append(s.log, T_MARKS, row)
    return 0


cdef int _write_funds(State* s) except -1 nogil:
    cdef int64_t asset, k
    cdef int kind
    for asset in range(s.ledger.asset_count):
        for k in range(3):
            kind = FUND if k == 0 else (VAULT if k == 1 else BAD_DEBT)
            _write_fund(s, ledger_holder(&s.ledger, kind, <int32_t>asset),
                        &s.written[3 * asset + k])
    if s.stages.fund_market:
        for k in range(s.market_count):
            _write_fund(s, ledger_fund(&s.ledger, <int32_t>k),
                        &s.written[3 * s.ledger.asset_count + k])
    return 0


cdef int _write_fund(State* s, int32_t holder, Cash* written) except -1 nogil:
    cdef int64_t row[FUND_COLUMNS]
    cdef const Holder* h = &s.ledger.holders[holder]
    written[0] = h.collateral
    row[0] = -1
    row[1] = s.venue
    row[2] = holder
    row[3] = h.asset
    row[4] = h.collateral
    log_append(s.log, T_FUNDS, row)
    return 0
