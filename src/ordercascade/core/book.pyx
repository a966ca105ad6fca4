"""A limit order book with price-time priority: exact, in whole ticks and lots."""
from __future__ import annotations

import numpy as np

from ordercascade.checks import once
from ordercascade.core.messages import (
    FILL_DTYPE, FIRED_DTYPE, MESSAGE_DTYPE, WIDE_DTYPE, Depth, Indicative, OrderDetails, OrderInfo,
    message_rows, why_bad, why_bad_wide,
)
from ordercascade.enums import (
    Command, OrderFlag, OrderType, Reject, Side, TimeInForce, TriggerBy,
)
from ordercascade.errors import BusyError, InputError, InputTypeError, InvariantError

from libc.stdint cimport INT64_MAX, int32_t, int64_t, uintptr_t
from libc.string cimport memcpy, memset
from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.exc cimport PyErr_CheckSignals, PyErr_Clear
from cpython.mem cimport PyMem_RawFree
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF
from ordercascade.core.arguments cimport whole, within
from ordercascade.core.digest cimport Digest, digest_hex, digest_start
from ordercascade.core.auction cimport Clearing, auction_price
from ordercascade.core.conditional cimport (
    desk_apply, desk_do, desk_message, desk_see, stops_check, wide_first_bad,
)
from ordercascade.core.desk cimport (
    Extra, Stop, desk_check, desk_copy, desk_digest, desk_free, desk_init, desk_open, desk_quiet,
    extra_of, stop_slot,
)
from ordercascade.core.matching cimport book_apply, book_first_bad
from ordercascade.core.queues cimport order_at, slot_of
from ordercascade.core.records cimport (
    AMEND, ASK, BID, BOTH_SIDES, CANCEL, DO_CANCEL_ALL, DO_CLOCK, DO_COLLECT, DO_MARK,
    DO_STOP, DO_TAKE_PROFIT, DO_UNCROSS, GTC, LIMIT, MARKET, POST_ONLY, Fill,
)
from ordercascade.core.rules cimport rules_broken, wide_broken
from ordercascade.core.slab cimport NIL, slab_grow
from ordercascade.core.units cimport LOT_MAX, TICK_MAX, Lot, Tick, smaller

cdef extern from *:
    """
    #define OC_UNSET ((int64_t)0x8080808080808080)
    """
    const int64_t UNSET "OC_UNSET"

cdef extern from "Python.h":
    PyObject* long_if_room "PyLong_FromLongLong"(long long value)
    object long_of "PyLong_FromLongLong"(long long value)

cdef enum:
    UNSET_BYTE = 0x80
    BLOCK = 4096                # rows of a batch that are copied, judged and run at a time
    SIGNAL_WORK = 65536         # rows and fills between two looks for Ctrl-C: some milliseconds


cdef class OrderBook:
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

    def __cinit__(self, price_max, *, order_max=2**20, account_max=2**24 - 1, fire_max=10_000):
        cdef Tick highest = within(price_max, "price_max", "an int number of ticks", 1, TICK_MAX)
        cdef int64_t most = within(order_max, "order_max", "an int", 1, 2**30 - 1)
        self.account_max = within(account_max, "account_max", "an int", 0, TICK_MAX)
        self.results_seen = np.empty(0, np.int64)
        self.spare = [long_of(<int64_t>1 << 40), long_of(<int64_t>1 << 61)]
        self.rules.price_max = highest
        self.rules.account_max = self.account_max
        desk_init(&self.desk, within(fire_max, "fire_max", "an int", 1, 2**30))
        book_init(&self.book, highest, most)

    def __init__(self, price_max, *, order_max=2**20, account_max=2**24 - 1, fire_max=10_000):
        once(self, self.ready)
        self.ready = True

    def __dealloc__(self):
        book_free(&self.book)
        desk_free(&self.desk)
        PyMem_RawFree(self.block)

    # queries

    @property
    def best_bid(self) -> int | None:
        """The highest bid price, or None."""
        self.idle()
        return book_best(&self.book, BID) or None

    @property
    def best_ask(self) -> int | None:
        """The lowest ask price, or None."""
        self.idle()
        return book_best(&self.book, ASK) or None

    @property
    def fills(self):
        """The fills of the last command, a FILL_DTYPE array."""
        self.idle()
        if self.fills_seen is None:
            self.fills_seen = _fills_array(&self.book)
        return self.fills_seen

    @property
    def results(self):
        """What each message of the last batch returned, int64: id, lots, 0 or a Reject code."""
        self.idle()
        return self.results_seen[:self.rows_done]

    def depth(self, levels):
        """Return the best `levels` levels of both sides, or as many as there are."""
        cdef int64_t most
        self.enter()
        try:
            most = within(levels, "levels", "an int", 1, INT64_MAX)
        finally:
            self.busy = False
        return Depth(_depth(&self.book, BID, most), _depth(&self.book, ASK, most))

    def order(self, order_id):
        """Return what rests under an id, or None."""
        cdef int64_t wanted
        cdef const Order* row
        self.enter()
        try:
            wanted = whole(order_id, "order_id", "an int")
        finally:
            self.busy = False
        row = book_find(&self.book, wanted)
        if row == NULL:
            return None
        return OrderInfo(
            Side(row.side), row.price,
            desk_open(&self.book, &self.desk, slot_of(&self.book, wanted)), row.account,
            OrderFlag(row.flags)
        )

    def details(self, order_id):
        """Return all about an order or a waiting stop, an OrderDetails, or None."""
        cdef int64_t wanted, slot
        cdef const Stop* stop
        self.enter()
        try:
            wanted = whole(order_id, "order_id", "an int")
        finally:
            self.busy = False
        slot = stop_slot(&self.desk, wanted)
        if slot == NIL:
            return _details(&self.book, &self.desk, slot_of(&self.book, wanted))
        stop = self.desk.stops + slot
        return OrderDetails(
            Command(stop.type), Side(stop.side), stop.price, stop.size, 0, stop.account,
            OrderFlag(stop.flags), stop.display, stop.expires_ns, TimeInForce(stop.tif),
            stop.trigger, TriggerBy(stop.by)
        )

    @property
    def fired(self):
        """What the last command fired, in order: a FIRED_DTYPE array of stop id and result."""
        cdef int64_t i
        self.idle()
        rows = [(self.desk.fired[i].stop_id, self.desk.fired[i].result)
                for i in range(self.desk.fired_count)]
        return np.array(rows, FIRED_DTYPE)

    @property
    def last(self) -> int | None:
        """The price of the last trade, or None."""
        self.idle()
        desk_see(&self.book, &self.desk)
        return self.desk.last or None

    @property
    def mark(self) -> int | None:
        """The mark that set_mark() set, or None."""
        self.idle()
        return self.desk.mark or None

    @property
    def time_ns(self) -> int:
        """The time that advance() came to."""
        self.idle()
        return self.desk.time_ns

    @property
    def waiting(self) -> int:
        """How many stops wait."""
        self.idle()
        return self.desk.stop_count

    def state_hash(self) -> str:
        """Return 32 hex digits over all that can show in later behaviour. O(orders + levels)."""
        cdef Digest digest
        self.idle()
        desk_see(&self.book, &self.desk)
        digest_start(&digest)
        book_digest(&self.book, &digest)
        desk_digest(&self.book, &self.desk, &digest)
        return digest_hex(&digest)

    def __len__(self):
        self.idle()
        return book_orders(&self.book)

    def __repr__(self):
        if self.busy:
            return "<OrderBook, running>"
        bid, ask = _shown(&self.book, BID), _shown(&self.book, ASK)
        return f"<OrderBook: bid {bid}, ask {ask}, {book_orders(&self.book)} orders>"

    # commands

    def submit(self, side, price, size, *, account=0, type=OrderType.LIMIT,
               tif=TimeInForce.GTC, flags=0, display=None, expires_ns=None):
        """Submit an order; return its id, 0 if nothing rests, or a Reject code.

        `price` in ticks (ignored by a market order), `size` in lots. With `display` it is an
        iceberg: so many lots show, and when they are gone the next so many, behind all others. It
        leaves the book when advance() comes to `expires_ns`.
        """
        cdef int64_t c_price, c_size, c_side, c_account, c_type, c_tif, c_flags, result
        cdef Wide row
        self.enter()
        try:
            c_type = whole(type, "type", "OrderType.LIMIT or OrderType.MARKET")
            c_side = whole(side, "side", "Side.BID or Side.ASK")
            c_price = whole(price, "price", "an int number of ticks")
            c_size = whole(size, "size", "an int number of lots")
            c_account = whole(account, "account", "an int")
            c_tif = whole(tif, "tif", "one of TimeInForce")
            c_flags = whole(flags, "flags", "bits of OrderFlag")
            if c_type == CANCEL or c_type == AMEND:
                raise InputError("type", type, "must be OrderType.LIMIT or OrderType.MARKET")
            if rules_broken(&self.rules, c_type, c_side, c_tif, c_flags, c_account, c_price,
                            c_size):
                raise self.why((c_type, c_side, c_tif, c_flags, c_account, 0, c_price, c_size))
            if (c_flags > POST_ONLY or display is not None or expires_ns is not None
                    or not desk_quiet(&self.desk)):
                row = _wide(c_type, c_side, c_account, 0 if c_type == MARKET else c_price, c_size)
                row.tif = <int>c_tif
                row.flags = <int>c_flags
                self.rare(&row, display, expires_ns)
                result = self.do(&row)
            else:
                self.forget()
                result = book_submit(&self.book, <int>c_type, <int>c_side, c_price, c_size,
                                     <int32_t>c_account, <int>c_tif, <int>c_flags)
        finally:
            self.busy = False
        return self.answer(result) if result >= 0 else Reject(result)

    def market(self, side, size, *, account=0, limit=None, tif=TimeInForce.IOC):
        """Trade at any price, or none worse than `limit`; return 0 or Reject.NO_LIQUIDITY."""
        cdef Wide row
        cdef int64_t result
        if limit is None:
            return self.submit(side, 0, size, account=account, type=OrderType.MARKET, tif=tif)
        self.enter()
        try:
            row = _wide(MARKET, whole(side, "side", "Side.BID or Side.ASK"), 0, 0, 0)
            row.price = within(limit, "limit", "an int number of ticks", 1, self.book.price_max)
            row.size = within(size, "size", "an int number of lots", 1, LOT_MAX)
            row.account = <int>within(account, "account", "an int", 0, self.account_max)
            row.tif = <int>within(tif, "tif", "one of TimeInForce", 0, 2)
            if row.side > ASK:
                raise InputError("side", side, "must be Side.BID or Side.ASK")
            result = self.do(&row)
        finally:
            self.busy = False
        return self.answer(result) if result >= 0 else Reject(result)

    def stop(self, side, size, trigger, *, price=0, account=0, by=TriggerBy.LAST,
             take_profit=False, tif=TimeInForce.GTC, flags=0, display=None, expires_ns=None):
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
            self.rare(&row, display, expires_ns)
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

    def indicative(self):
        """Return the price, volume and surplus at which an auction would clear now. O(n log n)."""
        cdef Clearing clearing
        self.idle()
        auction_price(&self.book, &self.desk, &clearing)
        return Indicative(clearing.price or None, clearing.volume, clearing.surplus)

    @property
    def collected(self) -> int | None:
        """How many orders an auction has collected, None outside of a call phase."""
        self.idle()
        return self.book.penned if self.desk.collecting else None

    def cancel(self, order_id, *, account=None):
        """Cancel an order or stop (of `account`, if given); return its open lots or NOT_OWNER."""
        cdef int64_t result
        cdef Wide row
        self.enter()
        try:
            result = whole(order_id, "order_id", "an int")
            owner = self.owner(account)
            self.known(result)
            if desk_quiet(&self.desk):
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
            if desk_quiet(&self.desk) and book_find(&self.book, row.order_id).flags <= POST_ONLY:
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
        cdef Py_buffer given
        self.enter()
        self.rows_done = 0
        try:
            if on_bad not in ("raise", "reject"):
                raise InputError("on_bad", on_bad, "must be 'raise' or 'reject'")
            rows = message_rows(messages)
            PyObject_GetBuffer(rows, &taken, PyBUF_SIMPLE)
            try:
                place = <uintptr_t>taken.buf
                if place & 7:
                    raise InputError("messages", hex(place), "must be 8-byte aligned")
                wide = rows.dtype == WIDE_DTYPE
                if on_bad == "raise":
                    self.judge(rows, <const char*>taken.buf, len(rows), wide)
                results = np.empty(len(rows), np.int64)
                PyObject_GetBuffer(results, &given, PyBUF_WRITABLE)
                self.results_seen = results
                try:
                    self.run(<const char*>taken.buf, len(rows), wide, <int64_t*>given.buf)
                finally:
                    PyBuffer_Release(&given)
            finally:
                PyBuffer_Release(&taken)
        finally:
            self.busy = False
        return self.fills

    cdef object answer(self, int64_t result):
        """A result as an int. Where there is no memory left for one, the spare ones make room."""
        cdef PyObject* made = long_if_room(result)
        if made == NULL:
            PyErr_Clear()
            self.spare = None
            return long_of(result)
        answer = <object>made
        Py_DECREF(answer)
        return answer

    cdef int64_t do(self, Wide* row) except? -1:
        """Judge and run one command that may be none of a plain book's."""
        if wide_broken(&self.rules, row):
            raise self.why((row.type, row.side, row.tif, row.flags, row.account, row.order_id,
                            row.price, row.size, row.display, row.trigger, row.expires_ns, row.by))
        self.forget()
        return desk_do(&self.book, &self.desk, row)

    cdef int rare(self, Wide* row, display, expires_ns) except -1:
        """Fill in what only some orders have; None is 0, and 0 is refused."""
        if display is not None:
            row.display = within(display, "display", "an int number of lots", 1, row.size)
        if expires_ns is not None:
            row.expires_ns = within(expires_ns, "expires_ns", "an int", 1, INT64_MAX)
        return 0

    cdef int judge(self, object rows, const char* data, int64_t count, bint wide) except -1:
        cdef int64_t row
        with nogil:
            if wide:
                row = wide_first_bad(&self.rules, <const Wide*>data, count)
            else:
                row = book_first_bad(&self.rules, <const Message*>data, count)
        if row < count:
            raise self.why(rows[row].item(), row)
        return 0

    cdef int run(self, const char* rows, int64_t count, bint wide, int64_t* results) except -1:
        """Run a batch in blocks, copied so that nobody can change a row after it was judged."""
        cdef int64_t row_bytes = sizeof(Wide) if wide else sizeof(Message)
        cdef int64_t start = 0
        cdef int64_t looked = 0
        cdef int64_t block
        self.forget()
        self.block = <char*>slab_grow(self.block, &self.block_bytes,
                                      smaller(count, BLOCK) * row_bytes, 1)
        while start < count:
            try:
                with nogil:
                    while start < count:
                        block = smaller(count - start, BLOCK)
                        memcpy(self.block, rows + start * row_bytes, block * row_bytes)
                        # No result is made of such bytes: they show where a failure broke off.
                        memset(results + start, UNSET_BYTE, block * sizeof(int64_t))
                        if wide:
                            desk_apply(&self.book, &self.desk, &self.rules, <Wide*>self.block,
                                       block, results + start)
                        else:
                            self.block_run(block, results + start)
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

    cdef object why(self, tuple message, row=None):
        judge = why_bad if len(message) == 8 else why_bad_wide
        return judge(message, price_max=self.book.price_max, account_max=self.account_max, row=row)

    # life and checks

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
            return other
        finally:
            self.busy = False

    def __copy__(self):
        raise InputTypeError("OrderBook", "cloned with its copy() method", "copy.copy()")

    def __deepcopy__(self, memo):
        raise InputTypeError("OrderBook", "cloned with its copy() method", "copy.deepcopy()")

    def __reduce_ex__(self, protocol):
        hint = "send the messages, and apply() them there"
        raise InputTypeError("OrderBook", "rebuilt in the other process", "pickle", hint=hint)

    def _check(self):
        """Walk the whole book and raise InvariantError if anything does not add up."""
        self.idle()
        broken = desk_check(&self.book, &self.desk) or stops_check(&self.book, &self.desk)
        if broken:
            raise InvariantError("book", broken)

    cdef int enter(self) except -1:
        """Mark the book as running. A plain flag does: it is only touched under the GIL."""
        if self.busy:
            raise BusyError("OrderBook")
        self.busy = True
        return 0

    cdef int idle(self) except -1:
        if self.busy:
            raise BusyError("OrderBook")
        return 0

    cdef void forget(self):
        """Forget what the last command reported, but for the price of the last trade."""
        desk_see(&self.book, &self.desk)
        book_clear(&self.book)
        self.desk.fired_count = 0
        self.fills_seen = None

    cdef Lot known(self, int64_t order_id) except -1:
        """The open lots of an order or stop."""
        cdef int64_t slot = slot_of(&self.book, order_id)
        if slot != NIL:
            return desk_open(&self.book, &self.desk, slot)
        slot = stop_slot(&self.desk, order_id)
        if slot != NIL:
            return self.desk.stops[slot].size
        raise InputError("order_id", order_id, "must be the id of a resting order")

    cdef int64_t owner(self, account) except -2:
        if account is None:
            return -1
        return within(account, "account", "an int", 0, self.account_max)


cdef str _shown(const Book* b, int side):
    """The best level of a side, for people."""
    cdef Tick price = book_best(b, side)
    return f"{book_size_at(b, side, price)} @ {price}" if price else "none"


cdef Wide _wide(int64_t type, int64_t side, int64_t account, Tick price, Lot size) noexcept:
    cdef Wide row
    memset(&row, 0, sizeof(Wide))
    row.type = <int>type
    row.side = <int>(side if 0 <= side <= 255 else 255)
    row.account = <int32_t>account
    row.price = price
    row.size = size
    return row


cdef object _details(const Book* b, const Desk* d, int64_t slot):
    cdef const Order* row
    cdef const Extra* x
    if slot == NIL:
        return None
    row = order_at(b, slot)
    x = extra_of(d, slot)
    return OrderDetails(
        Command.LIMIT, Side(row.side), row.price, desk_open(b, d, slot), row.size, row.account,
        OrderFlag(row.flags), x.display if x != NULL else 0, x.expires_ns if x != NULL else 0,
        TimeInForce.GTC, 0, TriggerBy.LAST
    )


cdef object _depth(const Book* b, int side, int64_t most):
    """The best levels of a side; counted first, so that `most` allocates nothing."""
    cdef int64_t count = 0
    cdef Tick price = book_best(b, side)
    cdef Py_buffer given
    cdef int64_t* cell
    while price and count < most:
        price = book_next(b, side, price)
        count += 1
    levels = np.empty((count, 2), np.int64)
    PyObject_GetBuffer(levels, &given, PyBUF_WRITABLE)
    cell = <int64_t*>given.buf
    price = 0
    while count > 0:
        price = book_next(b, side, price)
        cell[0] = price
        cell[1] = book_size_at(b, side, price)
        cell += 2
        count -= 1
    PyBuffer_Release(&given)
    return levels


cdef object _fills_array(const Book* b):
    cdef Py_buffer given
    fills = np.empty(b.fill_count, FILL_DTYPE)
    if b.fill_count:
        PyObject_GetBuffer(fills, &given, PyBUF_WRITABLE)
        memcpy(given.buf, b.fills, b.fill_count * sizeof(Fill))
        PyBuffer_Release(&given)
    return fills
