"""How a halted market trades again. spec/MECHANISMS.md §9; the auction's rules: core/auction.

In a call auction everything of this round's queue in that market, and every outside order that
waits there, meets the resting book at one price, in one `auction` step. Each forced order has its
rows of `orders` and `liquidations`; what it leaves is cancelled, not left in the book. The loss
table of these scopes runs after the queue, in the order of the auction.
"""

from libc.stdint cimport int8_t, int32_t, int64_t
from libc.string cimport memset
from cpython.mem cimport PyMem_RawCalloc, PyMem_RawFree
from ordercascade.core.auction cimport Clearing, auction_price, auction_uncross
from ordercascade.core.book cimport (
    Book, book_best, book_cancel, book_clear, book_next, book_size_at,
)
from ordercascade.core.brakes cimport Brakes, CALLING, HALTED, Waiting
from ordercascade.core.closeout cimport (
    bankruptcy_display, begin_liquidation, charge, cool_down, entry_account, finish_row, forced_leg,
    order_row, remember_markets,
)
from ordercascade.core.desk cimport Desk, desk_free, desk_init, desk_order
from ordercascade.core.events cimport (
    LIQ_COLUMNS, T_LEVELS, T_LIQUIDATIONS, T_STEPS, log_append, log_rows,
)
from ordercascade.core.halting cimport valve_step, valves_left
from ordercascade.core.ledger cimport Position, ledger_find
from ordercascade.core.outside cimport shock
from ordercascade.core.records cimport Fill, GTC, LIMIT, Wide as WideMessage
from ordercascade.core.slab cimport NIL, slab_grow
from ordercascade.core.state cimport (
    Entry, Margin, Market, STEP_AUCTION, Scope, State, cost_of, margin_of,
    step_begin,
)
from ordercascade.core.steps cimport (
    Executed, apply_fills, cancel_own, finish, generation_of, take_marks,
)
from ordercascade.core.units cimport Cash, Lot, Tick, absolute

cdef enum:
    REFRESH_ORDER = 1

ctypedef struct Bidder:     # one order in the auction
    int64_t order_id
    int64_t at              # row of the queue; NIL: an outside order
    int32_t account
    int8_t side
    Tick limit
    Lot asked
    Lot held
    Lot filled
    Tick worst
    Cash value              # of the fills
    Cash equity
    Tick bankruptcy


cdef int valves_advance(State* s) except -1 nogil:
    """The next valve; and after each the outside orders that may be tried again there."""
    cdef Brakes* b = <Brakes*>s.brakes
    cdef int64_t steps = log_rows(s.log, T_STEPS)
    cdef int64_t i
    cdef Waiting w
    while log_rows(s.log, T_STEPS) == steps:
        for i in range(b.waiting_count):
            w = b.waiting[i]
            if w.market < b.cursor and b.valves[w.market].due > 0 and (
                    b.valves[w.market].phase != CALLING and b.valves[w.market].phase != HALTED):
                b.valves[w.market].due -= 1
                _forget(b, i)
                shock(s, w.market, w.side, w.size, 0, w.limit)
                return 1
        if not valves_left(s):
            return 0
        valve_step(s)
    return 1


cdef void _forget(Brakes* b, int64_t i) noexcept nogil:
    b.waiting_count -= 1
    for i in range(i, b.waiting_count):
        b.waiting[i] = b.waiting[i + 1]


cdef int reopen_step(State* s) except -1 nogil:
    """The next market that reopens in this round; 1 if a step was written."""
    cdef Brakes* b = <Brakes*>s.brakes
    cdef int64_t i
    for i in range(b.valve_count):
        if b.valves[i].phase == CALLING:
            b.valves[i].phase = 0
            b.valves[i].due = 0
            _auction(s, <int32_t>i)
            return 1
    return 0


cdef int _auction(State* s, int32_t market) except -1 nogil:
    cdef Brakes* b = <Brakes*>s.brakes
    cdef int64_t parent = b.valves[market].step
    cdef int64_t most = s.queue_count + b.waiting_count + 1
    cdef int64_t count = 0
    cdef int64_t step
    cdef Desk d
    cdef Bidder* bidders = <Bidder*>PyMem_RawCalloc(<size_t>most, sizeof(Bidder))
    if bidders == NULL:
        with gil:
            raise MemoryError()
    desk_init(&d, 0)
    d.collecting = True
    d.last = s.markets[market].last
    try:
        step = step_begin(s, STEP_AUCTION, market, NIL, parent, generation_of(s, parent) + 1,
                          NIL)
        count = _collect(s, market, step, &d, bidders)
        _uncross(s, market, step, &d, bidders, count)
        _settle(s, market, step, bidders, count)
        finish(s, step)
    finally:
        desk_free(&d)
        PyMem_RawFree(bidders)
    return 0


cdef int _enter(State* s, int32_t market, Desk* d, Bidder* bidder) except -1 nogil:
    """Into the call; at any price is the worst price that there is."""
    cdef Market* m = &s.markets[market]
    cdef WideMessage row
    memset(&row, 0, sizeof(WideMessage))
    row.type = LIMIT
    row.tif = GTC
    row.side = bidder.side
    row.account = bidder.account
    row.price = bidder.limit
    if bidder.limit <= 0:
        row.price = 1 if bidder.side else m.price_max
    if row.price > m.price_max:
        row.price = m.price_max
    row.size = bidder.asked
    bidder.order_id = desk_order(&m.book, d, &row)
    return 0


cdef int64_t _collect(State* s, int32_t market, int64_t step, Desk* d,
                      Bidder* bidders) except -1 nogil:
    """Everything that is forced in this round's queue, then what waited; how many there are."""
    cdef Brakes* b = <Brakes*>s.brakes
    cdef int64_t i
    cdef int64_t count = 0
    cdef Entry* e
    cdef Bidder* to
    for i in range(s.queue_count):
        e = &s.queue[i]
        if e.market != market or e.lots == 0:
            continue
        to = &bidders[count]
        to.asked = forced_leg(s, e, &to.held)
        e.lots = 0
        if to.asked == 0:
            continue
        if not s.scopes[e.scope].pending:
            begin_liquidation(s, e.scope)
        cancel_own(s, e.scope, market, step)
        remember_markets(s, e.scope)
        to.at = i
        to.account = entry_account(s, e)
        to.side = e.side
        to.limit = 0 if e.at_market else e.limit
        to.equity = margin_of(s, e.scope, False).equity
        to.bankruptcy = bankruptcy_display(s, e)
        _enter(s, market, d, to)
        count += 1
    i = 0
    while i < b.waiting_count:
        if b.waiting[i].market != market:
            i += 1
            continue
        to = &bidders[count]
        to.at = NIL
        to.side = b.waiting[i].side
        to.limit = b.waiting[i].limit
        to.asked = b.waiting[i].size
        _forget(b, i)
        _enter(s, market, d, to)
        count += 1
    return count


cdef int _uncross(State* s, int32_t market, int64_t step, Desk* d, Bidder* bidders,
                  int64_t count) except -1 nogil:
    """Trade, take out what is left of those who came for the auction, write the levels."""
    cdef Market* m = &s.markets[market]
    cdef Book* b = &m.book
    cdef Clearing clearing
    cdef int64_t i
    cdef int64_t levels = 0
    cdef int side
    cdef Tick price
    cdef int64_t row[5]
    book_clear(b)
    auction_price(b, d, &clearing)
    for side in range(2):
        price = book_best(b, side)
        while clearing.price and price > 0 and (clearing.price - price) * (1 - 2 * side) <= 0:
            s.cells = <int64_t*>slab_grow(
                s.cells, &s.cell_capacity, 3 * (levels + 1), sizeof(int64_t))
            s.cells[3 * levels] = side
            s.cells[3 * levels + 1] = price
            s.cells[3 * levels + 2] = book_size_at(b, side, price)
            levels += 1
            price = book_next(b, side, price)
    auction_uncross(b, d, &clearing)
    for i in range(count):
        if bidders[i].order_id > 0:
            book_cancel(b, bidders[i].order_id, bidders[i].account)
    b.change_count = 0
    if clearing.price:      # who could not be filled before need not ask again for nothing
        s.clock += 1
        m.changed_at = s.clock
    m.stale = 1
    for i in range(levels):
        row[0] = step
        row[1] = market
        row[2] = s.cells[3 * i]
        row[3] = s.cells[3 * i + 1]
        row[4] = book_size_at(b, <int>row[2], row[3])
        if row[4] != s.cells[3 * i + 2]:
            log_append(s.log, T_LEVELS, row)
    return 0


cdef int _settle(State* s, int32_t market, int64_t step, Bidder* bidders,
                 int64_t count) except -1 nogil:
    """Fills through the ledger; then each order's rows, its fee, and its place for the table."""
    cdef Market* m = &s.markets[market]
    cdef int64_t i, k
    cdef const Fill* f
    cdef Executed done
    cdef Bidder* to
    cdef Tick mark = m.mark
    for k in range(m.book.fill_count):
        f = &m.book.fills[k]
        for i in range(count):
            to = &bidders[i]
            if to.order_id == (f.maker_order if to.side else f.taker_order):
                to.filled += f.size
                to.worst = f.price
                to.value += absolute(cost_of(m, f.size, f.price))
    apply_fills(s, market, step, True, &done)
    if s.rules.mark_refresh == REFRESH_ORDER:
        take_marks(s)
    for i in range(count):
        to = &bidders[i]
        order_row(s, step, market, to.account, to.side, to.limit == 0, to.limit, to.asked,
                  to.filled)
        if to.at != NIL:
            _row(s, market, step, to, mark)
    return 0


cdef int _row(State* s, int32_t market, int64_t step, const Bidder* of,
              Tick mark) except -1 nogil:
    cdef const Entry* e = &s.queue[of.at]
    cdef Scope* sc = &s.scopes[e.scope]
    cdef Market* m = &s.markets[market]
    cdef Executed done
    cdef int64_t row[LIQ_COLUMNS]
    memset(&done, 0, sizeof(Executed))
    memset(row, 0, sizeof(row))
    done.lots = of.filled
    done.worst = of.worst
    done.levels = of.filled > 0
    done.value = of.value
    sc.tranche += 1
    sc.order_step = step
    cool_down(s, e, of.asked, of.held)
    row[5] = of.side
    row[16] = of.bankruptcy
    row[17] = mark
    row[18] = m.mark
    row[19] = of.equity
    row[21] = charge(s, step, e.scope, done.value, margin_of(s, e.scope, False).equity)
    row[20] = margin_of(s, e.scope, False).equity
    finish_row(s, step, e, row, &done, of.held, of.asked)
    s.rows = <int64_t*>slab_grow(s.rows, &s.row_capacity, s.row_count + 2, sizeof(int64_t))
    s.rows[s.row_count] = 2 * (log_rows(s.log, T_LIQUIDATIONS) - 1) + (of.filled < of.asked)
    s.row_count += 1
    return 0
