"""A limit order book with price-time priority: exact, in whole ticks and lots."""
from __future__ import annotations

import numpy as np

from ordercascade.checks import once
from ordercascade.core.messages import (
    FILL_DTYPE, MESSAGE_DTYPE, Depth, OrderInfo, message_rows, why_bad,
)
from ordercascade.enums import OrderFlag, OrderType, Reject, Side, TimeInForce
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
from ordercascade.core.matching cimport book_apply, book_first_bad
from ordercascade.core.records cimport AMEND, ASK, BID, CANCEL, MARKET, Fill
from ordercascade.core.rules cimport rules_broken
from ordercascade.core.slab cimport slab_grow
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

    def __cinit__(self, price_max, *, order_max=2**20, account_max=2**24 - 1):
        cdef Tick highest = within(price_max, "price_max", "an int number of ticks", 1, TICK_MAX)
        cdef int64_t most = within(order_max, "order_max", "an int", 1, 2**30 - 1)
        self.account_max = within(account_max, "account_max", "an int", 0, TICK_MAX)
        self.results_seen = np.empty(0, np.int64)
        self.spare = [long_of(<int64_t>1 << 40), long_of(<int64_t>1 << 61)]
        self.rules.price_max = highest
        self.rules.account_max = self.account_max
        book_init(&self.book, highest, most)

    def __init__(self, price_max, *, order_max=2**20, account_max=2**24 - 1):
        once(self, self.ready)
        self.ready = True

    def __dealloc__(self):
        book_free(&self.book)
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
            Side(row.side), row.price, row.size, row.account, OrderFlag(row.flags)
        )

    def state_hash(self) -> str:
        """Return 32 hex digits over all that can show in later behaviour. O(orders + levels)."""
        cdef Digest digest
        self.idle()
        digest_start(&digest)
        book_digest(&self.book, &digest)
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
               tif=TimeInForce.GTC, flags=0):
        """Submit an order; return its id, 0 if nothing rests, or a Reject code.

        `price` in ticks (ignored by a market order), `size` in lots.
        """
        cdef int64_t c_price, c_size, c_side, c_account, c_type, c_tif, c_flags, result
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
            self.forget()
            result = book_submit(&self.book, <int>c_type, <int>c_side, c_price, c_size,
                                 <int32_t>c_account, <int>c_tif, <int>c_flags)
        finally:
            self.busy = False
        return self.answer(result) if result >= 0 else Reject(result)

    def market(self, side, size, *, account=0):
        """Trade at any price; return 0, or Reject.NO_LIQUIDITY if nobody is there."""
        return self.submit(side, 0, size, account=account, type=OrderType.MARKET)

    def cancel(self, order_id, *, account=None):
        """Cancel an order (of `account`, if given); return its open lots or Reject.NOT_OWNER."""
        cdef int64_t result
        self.enter()
        try:
            result = whole(order_id, "order_id", "an int")
            owner = self.owner(account)
            self.known(result)
            self.forget()
            result = book_cancel(&self.book, result, owner)
        finally:
            self.busy = False
        return self.answer(result) if result >= 0 else Reject(result)

    def amend(self, order_id, *, size=None, price=None, account=None):
        """Change open size or price; return the id, 0 if nothing rests, or a Reject code.

        Less size keeps the priority, anything else loses it; size 0 cancels.
        """
        cdef int64_t c_id, result
        cdef Tick c_price = 0
        cdef Lot c_size
        self.enter()
        try:
            c_id = whole(order_id, "order_id", "an int")
            owner = self.owner(account)
            if price is not None:
                c_price = within(price, "price", "an int number of ticks", 1, self.book.price_max)
            c_size = self.known(c_id).size
            if size is not None:
                c_size = within(size, "size", "an int number of lots", 0, LOT_MAX)
            self.forget()
            result = book_amend(&self.book, c_id, owner, c_price, c_size)
        finally:
            self.busy = False
        return self.answer(result) if result >= 0 else Reject(result)

    def cancel_all(self, account):
        """Cancel all orders of an account, in id order; return how many there were."""
        self.enter()
        try:
            owner = within(account, "account", "an int", 0, self.account_max)
            self.forget()
            return self.answer(book_cancel_all(&self.book, owner))
        finally:
            self.busy = False

    def apply(self, messages, *, on_bad="raise"):
        """Run a MESSAGE_DTYPE array without the GIL; return its fills, see also `results`.

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
                if on_bad == "raise":
                    self.judge(rows, <const Message*>taken.buf, len(rows))
                results = np.empty(len(rows), np.int64)
                PyObject_GetBuffer(results, &given, PyBUF_WRITABLE)
                self.results_seen = results
                try:
                    self.run(<const Message*>taken.buf, len(rows), <int64_t*>given.buf)
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

    cdef int judge(self, object rows, const Message* data, int64_t count) except -1:
        cdef int64_t row
        with nogil:
            row = book_first_bad(&self.rules, data, count)
        if row < count:
            raise self.why(rows[row].item(), row)
        return 0

    cdef int run(self, const Message* rows, int64_t count, int64_t* results) except -1:
        """Run a batch in blocks, copied so that nobody can change a row after it was judged."""
        cdef int64_t start = 0
        cdef int64_t looked = 0
        cdef int64_t block
        self.forget()
        self.block = <Message*>slab_grow(self.block, &self.block_rows, smaller(count, BLOCK),
                                         sizeof(Message))
        while start < count:
            try:
                with nogil:
                    while start < count:
                        block = smaller(count - start, BLOCK)
                        memcpy(self.block, rows + start, block * sizeof(Message))
                        # No result is made of such bytes: they show where a failure broke off.
                        memset(results + start, UNSET_BYTE, block * sizeof(int64_t))
                        book_apply(&self.book, &self.rules, self.block, block, results + start)
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

    cdef object why(self, tuple message, row=None):
        return why_bad(
            message, price_max=self.book.price_max, account_max=self.account_max, row=row
        )

    # life and checks

    def copy(self):
        """Return an independent book in the same state."""
        cdef OrderBook other
        self.enter()
        try:
            other = OrderBook(1)
            book_free(&other.book)
            book_copy(&other.book, &self.book)
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
        broken = book_check(&self.book)
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
        """Forget what the last command reported."""
        book_clear(&self.book)
        self.fills_seen = None

    cdef const Order* known(self, int64_t order_id) except NULL:
        cdef const Order* row = book_find(&self.book, order_id)
        if row == NULL:
            raise InputError("order_id", order_id, "must be the id of a resting order")
        return row

    cdef int64_t owner(self, account) except -2:
        if account is None:
            return -1
        return within(account, "account", "an int", 0, self.account_max)


cdef str _shown(const Book* b, int side):
    """The best level of a side, for people."""
    cdef Tick price = book_best(b, side)
    return f"{book_size_at(b, side, price)} @ {price}" if price else "none"


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
