"""A limit order book with price-time priority: exact, in whole ticks and lots."""
from __future__ import annotations

from numpy import ndarray

from ordercascade.core.shapes import IMPACT_DTYPE, QUEUE_DTYPE
from ordercascade.core.messages import (
    FILL_DTYPE, FIRED_DTYPE, MESSAGE_DTYPE, WIDE_DTYPE, Depth, OrderDetails, OrderInfo,
    message_rows, why_bad, why_bad_wide,
)
from ordercascade.enums import OrderType, Reject, TimeInForce, TriggerBy
from ordercascade.errors import InputError

from libc.stdint cimport INT64_MAX, uintptr_t
from libc.string cimport memcpy, memset
from cpython.buffer cimport PyBUF_ND, PyBuffer_Release, PyObject_GetBuffer
from cpython.exc cimport PyErr_CheckSignals
from cpython.mem cimport PyMem_RawFree
from ordercascade.core.arguments cimport whole, within
from ordercascade.core.conditional cimport (
    chain_fold, desk_apply, desk_do, desk_message, desk_see, wide_first_bad,
)
from ordercascade.core.desk cimport desk_copy, desk_free, desk_quiet, widened
from ordercascade.core.matching cimport book_apply, book_first_bad
from ordercascade.core.naming cimport (
    is_nameless, named_apply, named_apply_wide, named_do, named_first_bad, names_copy,
)
from ordercascade.core.queues cimport room_grow
from ordercascade.core.records cimport (
    AMEND, ASK, BOTH_SIDES, CANCEL, DO_CANCEL_ALL, DO_CLOCK, DO_COLLECT, DO_MARK, DO_STOP,
    DO_TAKE_PROFIT, DO_UNCROSS, MARKET, POST_ONLY, REJECT_DUPLICATE_ID,
)
from ordercascade.core.rules cimport rules_broken, wide_broken
from ordercascade.core.slab cimport slab_grow
from ordercascade.core.snapshot cimport snapshot_read
from ordercascade.core.units cimport LOT_MAX, TICK_MAX, Lot, Tick, smaller

cdef extern from *:
    """
    #define OC_UNSET ((int64_t)0x8080808080808080)
    """
    const int64_t UNSET "OC_UNSET"

cdef str NAMED = "must be in [1, 2**63 - 1]"

cdef type ARRAY = ndarray        # found without a look-up

cdef enum:
    UNSET_BYTE = 0x80
    BLOCK = 1024                # rows of a batch that are copied, judged and run at a time
    RESULTS_KEPT = 1 << 20      # of a larger batch the memory is let go by the next small one
    SIGNAL_WORK = 65536         # rows and fills between two looks for Ctrl-C: some milliseconds


cdef class OrderBook(BookReader):
    """A stand-alone limit order book with price-time priority, in whole ticks and lots.

    An id never reaches another order than its own. A call costs O(1) or O(levels crossed + orders
    filled). A refusal for the market's reasons is a `Reject` code, a mistake is an exception.

    >>> book = OrderBook(price_max=1_000)
    >>> order = book.submit(Side.BID, 100, 10, account=1)
    >>> book.market(Side.ASK, 4, account=2)
    0
    >>> book.fills["price"].tolist(), book.order(order).size
    ([100], 6)
    """

    def __cinit__(self, *args, **named):
        self.dtype_seen = MESSAGE_DTYPE

    def __dealloc__(self):
        PyMem_RawFree(self.block)

    # commands

    def submit(self, side, price, size, *, account=0, type=OrderType.LIMIT,
               tif=TimeInForce.GTC, flags=0, display=None, expires_ns=None, order_id=None):
        """Submit an order; return its id, 0 if nothing rests, or a Reject code.

        `price` in ticks (ignored by a market order), `size` in lots. With `display` it is an
        iceberg: so many lots show, and when they are gone the next so many, behind all others. It
        leaves the book when advance() comes to `expires_ns`. A book with ids="external" needs
        `order_id`, 1 .. 2**63 - 1; the id of an order that is gone may come again, but for a book
        with strict_ids=True, which remembers them all.
        """
        cdef int64_t c_type = whole(type, "type", "OrderType.LIMIT or OrderType.MARKET")
        if c_type == CANCEL or c_type == AMEND:
            raise InputError("type", type, "must be OrderType.LIMIT or OrderType.MARKET")
        return self.send(c_type, side, price, size, account, tif, flags, display, expires_ns,
                         order_id)

    cdef object send(self, int64_t c_type, side, price, size, account, tif, flags, display,
                     expires_ns, order_id):
        """Judge and run an order."""
        cdef int64_t c_price, c_size, c_side, c_account, c_tif, c_flags, result
        cdef Wide row
        self.enter()
        try:
            c_side = whole(side, "side", "Side.BID or Side.ASK")
            c_price = whole(price, "price", "an int number of ticks")
            c_size = whole(size, "size", "an int number of lots")
            c_account = whole(account, "account", "an int")
            c_tif = whole(tif, "tif", "one of TimeInForce")
            c_flags = whole(flags, "flags", "bits of OrderFlag")
            if rules_broken(&self.rules, c_type, c_side, c_tif, c_flags, c_account, c_price,
                            c_size):
                raise self.why((c_type, c_side, c_tif, c_flags, c_account, 0, c_price, c_size))
            if (c_flags > POST_ONLY or display is not None or expires_ns is not None
                    or order_id is not None or not desk_quiet(&self.desk) or self.apart):
                row = _wide(c_type, c_side, c_account, 0 if c_type == MARKET else c_price, c_size)
                row.tif = <int>c_tif
                row.flags = <int>c_flags
                self.rare(&row, display, expires_ns, order_id)
                result = self.do(&row)
            else:
                self.forget()
                result = book_submit(&self.book, <int>c_type, <int>c_side, c_price, c_size,
                                     <int32_t>c_account, <int>c_tif, <int>c_flags)
        finally:
            self.busy = False
        return self.answer(result) if result >= 0 else Reject(result)

    def market(self, side, size, *, account=0, limit=None, tif=TimeInForce.IOC, order_id=None):
        """Trade at any price, or none worse than `limit`; return 0 or Reject.NO_LIQUIDITY."""
        cdef Wide row
        cdef int64_t result
        if limit is None:
            return self.send(MARKET, side, 0, size, account, tif, 0, None, None, order_id)
        self.enter()
        try:
            row = _wide(MARKET, whole(side, "side", "Side.BID or Side.ASK"), 0, 0, 0)
            row.price = within(limit, "limit", "an int number of ticks", 1, self.book.price_max)
            row.size = within(size, "size", "an int number of lots", 1, LOT_MAX)
            row.account = <int>within(account, "account", "an int", 0, self.account_max)
            row.tif = <int>within(tif, "tif", "one of TimeInForce", 0, 2)
            if row.side > ASK:
                raise InputError("side", side, "must be Side.BID or Side.ASK")
            self.rare(&row, None, None, order_id)
            result = self.do(&row)
        finally:
            self.busy = False
        return self.answer(result) if result >= 0 else Reject(result)

    def stop(self, side, size, trigger, *, price=0, account=0, by=TriggerBy.LAST,
             take_profit=False, tif=TimeInForce.GTC, flags=0, display=None, expires_ns=None,
             order_id=None):
        """Wait for a price and then submit an order; return the stop's id, or a Reject code.

        A stop bid waits for a price at or above `trigger`, a stop ask for one at or below; a
        take-profit the other way round. It becomes a market order, or with `price` a limit order.
        Where the price is there already it fires at once, and the result is its order's. What
        fires together fires in the order that core/conditional.pxd tells; see `fired`.
        """
        cdef Wide row
        cdef int64_t result
        self.enter()
        try:
            row = _wide(DO_TAKE_PROFIT if take_profit else DO_STOP,
                        within(side, "side", "Side.BID or Side.ASK", 0, 255),
                        within(account, "account", "an int", 0, self.account_max),
                        whole(price, "price", "an int number of ticks"),
                        whole(size, "size", "an int number of lots"))
            row.trigger = whole(trigger, "trigger", "an int number of ticks")
            row.by = whole(by, "by", "TriggerBy.LAST or TriggerBy.MARK")
            row.tif = <int>within(tif, "tif", "one of TimeInForce", 0, 2)
            row.flags = <int>within(flags, "flags", "bits of OrderFlag", 0, 255)
            self.rare(&row, display, expires_ns, order_id)
            result = self.do(&row)
        finally:
            self.busy = False
        return self.answer(result) if result >= 0 else Reject(result)

    def set_mark(self, price):
        """Set the mark and fire the stops that listen to it."""
        cdef Wide row
        self.enter()
        try:
            row = _wide(DO_MARK, 0, 0, whole(price, "price", "an int number of ticks"), 0)
            self.do(&row)
        finally:
            self.busy = False

    def advance(self, time_ns):
        """Go on to a time; return how many orders and stops expired, by (time, id)."""
        cdef Wide row
        self.enter()
        try:
            row = _wide(DO_CLOCK, 0, 0, 0, 0)
            row.expires_ns = within(time_ns, "time_ns", "an int", self.desk.time_ns, INT64_MAX)
            return self.answer(self.do(&row))
        finally:
            self.busy = False

    def collect(self):
        """Begin an auction's call phase: limit orders are collected and nothing trades.

        Orders that could not rest get Reject.AUCTION, stops wait. Best prices and depth are those
        of the orders that rested before. The rules stand in core/auction.pxd.
        """
        cdef Wide row
        self.enter()
        try:
            row = _wide(DO_COLLECT, 0, 0, 0, 0)
            self.do(&row)
        finally:
            self.busy = False

    def uncross(self):
        """End the call phase: trade what can trade at one price; return it, or None."""
        cdef Wide row
        cdef int64_t price
        self.enter()
        try:
            row = _wide(DO_UNCROSS, 0, 0, 0, 0)
            price = self.do(&row)
        finally:
            self.busy = False
        return self.answer(price) if price else None

    def cancel(self, order_id, *, account=None):
        """Cancel an order or stop (of `account`, if given); return its open lots or NOT_OWNER."""
        cdef int64_t result
        cdef Wide row
        self.enter()
        try:
            result = whole(order_id, "order_id", "an int")
            owner = self.owner(account)
            self.known(result)
            if desk_quiet(&self.desk) and not self.apart:
                self.forget()
                result = book_cancel(&self.book, result, owner)
            else:
                row = _wide(CANCEL, 0, owner, 0, 0)
                row.order_id = result
                result = self.do(&row)
        finally:
            self.busy = False
        return self.answer(result) if result >= 0 else Reject(result)

    def amend(self, order_id, *, size=None, price=None, account=None):
        """Change open size or price; return the id, 0 if nothing rests, or a Reject code.

        Less size keeps the priority (an iceberg gives up hidden lots first), anything else loses
        it; size 0 cancels. A stop keeps its trigger and its turn; only a stop with a limit has a
        price to change.
        """
        cdef Wide row
        cdef int64_t result
        self.enter()
        try:
            row = _wide(AMEND, 0, 0, 0, 0)
            row.order_id = whole(order_id, "order_id", "an int")
            row.account = <int32_t>self.owner(account)
            if price is not None:
                row.price = within(price, "price", "an int number of ticks", 1,
                                   self.book.price_max)
            row.size = self.known(row.order_id)
            if size is not None:
                row.size = within(size, "size", "an int number of lots", 0, LOT_MAX)
            if (desk_quiet(&self.desk) and not self.apart
                    and book_find(&self.book, row.order_id).flags <= POST_ONLY):
                self.forget()
                result = book_amend(&self.book, row.order_id, row.account, row.price, row.size)
            else:
                result = self.do(&row)
        finally:
            self.busy = False
        return self.answer(result) if result >= 0 else Reject(result)

    def cancel_all(self, account, *, side=None):
        """Cancel all orders and stops of an account, or those of a side; return how many.

        Orders before stops, each in id order.
        """
        cdef Wide row
        self.enter()
        try:
            owner = within(account, "account", "an int", 0, self.account_max)
            row = _wide(DO_CANCEL_ALL, BOTH_SIDES, owner, 0, 0)
            if side is not None:
                row.side = <int>within(side, "side", "Side.BID or Side.ASK", 0, ASK)
            return self.answer(self.do(&row))
        finally:
            self.busy = False

    def apply(self, messages, *, on_bad="raise"):
        """Run a MESSAGE_DTYPE or WIDE_DTYPE array without the GIL; return its fills.

        See also `results`; `fired` holds what stops became.
        All rows are checked first and nothing changes if one is bad; with on_bad="reject" a bad
        row has the result Reject.BAD_MESSAGE instead. CANCEL and AMEND with account -1 mean any
        owner, AMEND with price 0 keeps the price. After Ctrl-C, or where memory ran out, the first
        `rows_done` rows have run, whole.
        """
        cdef Py_buffer taken
        self.enter()
        self.rows_done = 0
        self.results_seen = None
        try:
            if on_bad not in ("raise", "reject"):
                raise InputError("on_bad", on_bad, "must be 'raise' or 'reject'")
            self.take(messages, &taken)
            try:
                if <uintptr_t>taken.buf & 7:
                    raise InputError("messages", hex(<uintptr_t>taken.buf),
                                     "must be 8-byte aligned")
                self.prepare(&taken)
                if on_bad == "raise":
                    self.judge(messages, &taken)
                self.run(&taken)
            finally:
                PyBuffer_Release(&taken)
        finally:
            self.busy = False
        return self.fills_now()

    cdef int take(self, messages, Py_buffer* taken) except -1:
        """Hold the bytes of an array of messages. Most come in the form of those before them."""
        if (type(messages) is ARRAY and messages.dtype is self.dtype_seen
                and _owned(messages)):
            try:
                PyObject_GetBuffer(messages, taken, PyBUF_ND)
            except ValueError:
                message_rows(messages)      # It says what is wrong.
                raise
            if taken.ndim == 1:
                return 0
            PyBuffer_Release(taken)
        rows = message_rows(messages)
        self.dtype_seen = rows.dtype
        PyObject_GetBuffer(rows, taken, PyBUF_ND)
        return 0

    cdef int64_t do(self, Wide* row) except? -1:
        """Judge and run one command that may be none of a plain book's."""
        cdef int64_t result
        if wide_broken(&self.rules, row):
            raise self.why((row.type, row.side, row.tif, row.flags, row.account, row.order_id,
                            row.price, row.size, row.display, row.trigger, row.expires_ns, row.by))
        self.forget()
        if self.external:
            result = named_do(&self.book, &self.desk, &self.names, row)
        else:
            result = desk_do(&self.book, &self.desk, row)
        if result == REJECT_DUPLICATE_ID:
            raise InputError("order_id", row.order_id, self.taken(row.order_id))
        if self.chained:
            chain_fold(&self.chain_now, row, result)
        return result

    cdef str taken(self, int64_t name):
        """Why a new order cannot have a name."""
        done = "already resting" if self.own_of(name) else "one that strict_ids remembers"
        return f"must be new: order id {name} is {done}"

    cdef int rare(self, Wide* row, display, expires_ns, order_id) except -1:
        """Fill in what only some orders have; None is 0, and 0 is refused."""
        if order_id is not None:
            row.order_id = whole(order_id, "order_id", "an int")
            if not self.external:
                raise InputError("order_id", order_id, "must be None: this book gives its own ids")
        if self.external and row.order_id < (order_id is not None or row.type != MARKET):
            raise InputError("order_id", order_id, NAMED)
        if display is not None:
            row.display = within(display, "display", "an int number of lots", 1, row.size)
        if expires_ns is not None:
            row.expires_ns = within(expires_ns, "expires_ns", "an int", 1, INT64_MAX)
        return 0

    cdef int prepare(self, const Py_buffer* taken) except -1:
        """Make room for a batch; one of a single block is copied at once."""
        cdef int64_t count = taken.shape[0]
        self.block = <char*>slab_grow(self.block, &self.block_bytes,
                                      smaller(count, BLOCK) * taken.itemsize, 1)
        if self.result_room > 4 * count + RESULTS_KEPT:
            PyMem_RawFree(self.result_rows)
            self.result_rows = NULL
            self.result_room = 0
        if count > self.result_room:
            self.result_rows = <int64_t*>room_grow(self.result_rows, &self.result_room, count,
                                                   sizeof(int64_t))
        if count <= BLOCK:
            memcpy(self.block, taken.buf, count * taken.itemsize)
        return 0

    cdef int judge(self, messages, const Py_buffer* taken) except -1:
        """Raise for the first bad row."""
        cdef int64_t count = taken.shape[0]
        cdef int64_t row
        if count <= BLOCK:
            row = self.first_bad(self.block, count, taken.itemsize)
        else:
            with nogil:
                row = self.first_bad(<const char*>taken.buf, count, taken.itemsize)
        if row == count:
            return 0
        bad = message_rows(messages)[row]
        if self.external and is_nameless(bad["type"], bad["order_id"]):
            raise InputError("order_id", bad["order_id"].item(), NAMED, row=row)
        raise self.why(bad.item(), row)

    cdef int64_t first_bad(self, const char* rows, int64_t count, int64_t row_bytes) noexcept nogil:
        if self.external:
            return named_first_bad(&self.rules, rows, row_bytes, count)
        if row_bytes == sizeof(Wide):
            return wide_first_bad(&self.rules, <const Wide*>rows, count)
        return book_first_bad(&self.rules, <const Message*>rows, count)

    cdef int run(self, const Py_buffer* taken) except -1:
        """Run a batch in blocks, copied so that nobody can change a row after it was judged."""
        cdef const char* rows = <const char*>taken.buf
        cdef int64_t count = taken.shape[0]
        cdef int64_t row_bytes = taken.itemsize
        cdef bint wide = row_bytes == sizeof(Wide)
        cdef int64_t* results = self.result_rows
        cdef int64_t start = 0
        cdef int64_t looked = 0
        cdef int64_t block
        self.forget()
        while start < count:
            try:
                with nogil:
                    while start < count:
                        block = smaller(count - start, BLOCK)
                        if count > BLOCK:
                            memcpy(self.block, rows + start * row_bytes, block * row_bytes)
                        # No result is made of such bytes: they show where a failure broke off.
                        memset(results + start, UNSET_BYTE, block * sizeof(int64_t))
                        if self.external:
                            self.named_run(block, wide, results + start)
                        elif wide:
                            desk_apply(&self.book, &self.desk, &self.rules, <Wide*>self.block,
                                       block, results + start)
                        else:
                            self.block_run(block, results + start)
                        if self.chained:
                            self.fold(block, wide, results + start)
                        start += block
                        if start + self.book.fill_count - looked >= SIGNAL_WORK:
                            break
            except:
                while results[start] != UNSET:
                    start += 1
                self.rows_done = start
                raise
            self.rows_done = start
            looked = start + self.book.fill_count
            PyErr_CheckSignals()
        return 0

    cdef int64_t block_run(self, int64_t count, int64_t* results) except -1 nogil:
        """Run a block of plain messages: most by the plain book, the others one by one."""
        cdef const Message* rows = <const Message*>self.block
        cdef int64_t done = 0
        while done < count:
            if desk_quiet(&self.desk):
                done += book_apply(&self.book, &self.rules, rows + done, count - done,
                                   results + done)
                desk_see(&self.book, &self.desk)
                if done == count:
                    break
            results[done] = desk_message(&self.book, &self.desk, &self.rules, rows + done)
            done += 1
        return done

    cdef int64_t named_run(self, int64_t count, bint wide, int64_t* results) except -1 nogil:
        """Run a block whose ids are names."""
        if wide:
            return named_apply_wide(&self.book, &self.desk, &self.names, &self.rules,
                                    <const Wide*>self.block, count, results)
        return named_apply(&self.book, &self.desk, &self.names, &self.rules,
                           <const Message*>self.block, count, results)

    cdef void fold(self, int64_t count, bint wide, const int64_t* results) noexcept nogil:
        cdef Wide row
        cdef int64_t i
        for i in range(count):
            if wide:
                row = (<const Wide*>self.block)[i]
            else:
                row = widened(<const Message*>self.block + i)
            chain_fold(&self.chain_now, &row, results[i])

    cdef object why(self, tuple message, row=None):
        judge = why_bad if len(message) == 8 else why_bad_wide
        return judge(message, price_max=self.book.price_max, account_max=self.account_max, row=row)

    # life

    @staticmethod
    def restore(data, *, account_max=None):
        """Return the book of a snapshot(); SnapshotError for bytes that are none.

        Memory goes with the largest account number: one beyond 2**24 - 1 must be allowed by name.
        """
        cdef OrderBook book = OrderBook(1)
        if account_max is not None:
            account_max = within(account_max, "account_max", "an int", 0, TICK_MAX)
        book_free(&book.book)
        book.named(snapshot_read(data, &book.book, &book.desk, &book.rules, &book.chain_now,
                                 &book.names, account_max))
        book.account_max = book.rules.account_max
        book.chained = (book.chain_now.a | book.chain_now.b) != 0
        book.apart = book.chained or book.external
        return book

    def copy(self):
        """Return an independent book in the same state."""
        cdef OrderBook other
        self.enter()
        try:
            other = OrderBook(1)
            book_free(&other.book)
            book_copy(&other.book, &self.book)
            desk_see(&self.book, &self.desk)
            desk_free(&other.desk)
            desk_copy(&other.desk, &self.desk)
            other.rules = self.rules
            other.account_max = self.account_max
            other.chained = self.chained
            other.named(self.external)
            other.apart = self.apart
            names_copy(&other.names, &self.names)
            other.chain_now = self.chain_now
            return other
        finally:
            self.busy = False


cdef bint _owned(array):
    """Whether the bytes of an array are sure to be an array's own, and no mapped file's."""
    while array is not None:
        if type(array) is not ARRAY:
            return False
        array = array.base
    return True


cdef Wide _wide(int64_t type, int64_t side, int64_t account, Tick price, Lot size) noexcept:
    cdef Wide row
    memset(&row, 0, sizeof(Wide))
    row.type = <int>type
    row.side = <int>(side if 0 <= side <= 255 else 255)
    row.account = <int32_t>account
    row.price = price
    row.size = size
    return row
