"""The reading side of a book: what it holds, and its life."""
from __future__ import annotations

import numpy as np

from ordercascade.checks import once
from ordercascade.core.shapes import MarketCost, QueuePosition
from ordercascade.core.messages import (
    FILL_DTYPE, FIRED_DTYPE, Depth, Indicative, OrderDetails, OrderInfo,
)
from ordercascade.enums import Command, OrderFlag, Side, TimeInForce, TriggerBy
from ordercascade.errors import BusyError, InputError, InputTypeError, InvariantError

from libc.stdint cimport INT64_MAX, int64_t, intptr_t
from libc.string cimport memcpy, memset
from cpython.buffer cimport PyBuffer_FillInfo
from cpython.exc cimport PyErr_Clear
from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF
from ordercascade.core.arguments cimport whole, within
from ordercascade.core.auction cimport Clearing, auction_price
from ordercascade.core.conditional cimport desk_see, stops_check
from ordercascade.core.desk cimport (
    Extra, Stop, desk_check, desk_digest, desk_free, desk_init, desk_open, extra_of, stop_slot,
)
from ordercascade.core.digest cimport Digest, digest_hex, digest_start
from ordercascade.core.naming cimport (
    name_live, names_check, names_digest, names_free,
)
from ordercascade.core.queues cimport (
    Order, book_best, book_check, book_clear, book_digest, book_free, book_init,
    book_orders, book_size_at, order_at, slot_of,
)
from ordercascade.core.records cimport ASK, BID
from ordercascade.core.slab cimport NIL, oc_wide_pages
from ordercascade.core.snapshot cimport snapshot_write
from ordercascade.core.units cimport LEVEL_MAX, TICK_MAX, Tick
from ordercascade.core.views cimport (
    Walk, depth_array, impact_array, lots_ahead, queue_array, walk_on, walk_start,
)

cdef object RESULT_DTYPE = np.dtype(np.int64)

cdef type ARRAY = np.ndarray     # found without a look-up

cdef extern from "Python.h":
    PyObject* long_if_room "PyLong_FromLongLong"(long long value)
    object long_of "PyLong_FromLongLong"(long long value)


cdef class BookReader:
    """What can be asked of an OrderBook; every array is a copy unless its method says otherwise."""

    def __cinit__(self, price_max, *, order_max=2**20, account_max=2**24 - 1, fire_max=10_000,
                  chain=False, ids="own", strict_ids=False):
        cdef Tick highest = within(price_max, "price_max", "an int number of ticks", 1, TICK_MAX)
        cdef int64_t most = within(order_max, "order_max", "an int", 1, 2**30 - 1)
        self.account_max = within(account_max, "account_max", "an int", 0, TICK_MAX)
        self.spare = [long_of(<int64_t>1 << 40), long_of(<int64_t>1 << 61)]
        self.rules.price_max = highest
        self.rules.account_max = self.account_max
        desk_init(&self.desk, within(fire_max, "fire_max", "an int", 1, 2**30))
        book_init(&self.book, highest, most)
        self.parts.book = &self.book
        self.parts.desk = &self.desk
        self.parts.rules = &self.rules
        if ids not in ("own", "external"):
            raise InputError("ids", ids, "must be 'own' or 'external'")
        self.named(ids == "external")
        self.names.strict = bool(strict_ids)
        if self.names.strict and not self.external:
            raise InputError("strict_ids", strict_ids, "must be False: own ids never come twice")
        self.chained = chain
        self.apart = self.external or self.chained
        if self.chained:
            digest_start(&self.chain_now)

    def __init__(self, price_max, *, order_max=2**20, account_max=2**24 - 1, fire_max=10_000,
                 chain=False, ids="own", strict_ids=False):
        once(self, self.ready)
        self.ready = True

    def __dealloc__(self):
        book_free(&self.book)
        desk_free(&self.desk)
        names_free(&self.names)
        PyMem_RawFree(self.result_rows)

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
        return self.fills_now()

    @property
    def results(self):
        """What each message of the last batch returned, int64: id, lots, 0 or a Reject code."""
        self.idle()
        if self.results_seen is None:
            self.results_seen = _array(self.result_rows, self.rows_done, RESULT_DTYPE)
        return self.results_seen

    def depth(self, levels, *, group=1, cumulative=False):
        """Return the best `levels` levels of both sides, or as many as there are; copies.

        With `group` the ticks of g .. g + group - 1 (bids) or g - group + 1 .. g (asks) are one
        level, g a multiple of it; with `cumulative` a row counts the lots of all better ones too.
        Hidden lots do not show.
        """
        cdef int64_t most, ticks
        self.enter()
        try:
            most = within(levels, "levels", "an int", 1, INT64_MAX)
            ticks = within(group, "group", "an int number of ticks", 1, TICK_MAX)
        finally:
            self.busy = False
        return Depth(depth_array(&self.book, BID, most, ticks, cumulative),
                     depth_array(&self.book, ASK, most, ticks, cumulative))

    def queue(self, side, price):
        """Return the orders at a price, first to trade first: a QUEUE_DTYPE array, a copy."""
        cdef int64_t c_side, c_price
        self.enter()
        try:
            c_side = within(side, "side", "Side.BID or Side.ASK", 0, ASK)
            c_price = within(price, "price", "an int number of ticks", 1, self.book.price_max)
        finally:
            self.busy = False
        return queue_array(&self.book, &self.names if self.external else NULL, <int>c_side, c_price)

    def position(self, order_id):
        """Return the orders and shown lots ahead of an order at its price, or None. O(orders)."""
        cdef int64_t wanted, slot, orders
        self.enter()
        try:
            wanted = self.own_of(whole(order_id, "order_id", "an int"))
        finally:
            self.busy = False
        slot = slot_of(&self.book, wanted)
        if slot == NIL or order_at(&self.book, slot).penned:
            return None
        lots = lots_ahead(&self.book, slot, &orders)
        return QueuePosition(orders, lots)

    def cost(self, side, size):
        """Return what a market order would do now, without sending it: a MarketCost. O(levels).

        Hidden lots count, stops and modes against trading with oneself do not.
        """
        cdef int64_t c_side, lots
        cdef Walk w
        self.enter()
        try:
            c_side = within(side, "side", "Side.BID or Side.ASK", 0, ASK)
            lots = within(size, "size", "an int number of lots", 1, LEVEL_MAX)
        finally:
            self.busy = False
        walk_start(&self.book, &self.desk, <int>c_side, &w)
        walk_on(&self.book, &self.desk, lots, &w)
        notional = (int(w.high) << 62) + w.low
        return MarketCost(lots, w.filled, notional, w.levels, w.best or None, w.worst or None)

    def impact(self, side, sizes):
        """Return a row for each size, which must not fall: an IMPACT_DTYPE array. O(levels + rows).

        `worst` is the price of the last lot, 0 where nothing is filled.
        """
        cdef int64_t c_side
        self.enter()
        try:
            c_side = within(side, "side", "Side.BID or Side.ASK", 0, ASK)
            return impact_array(&self.book, &self.desk, <int>c_side, sizes)
        finally:
            self.busy = False

    def order(self, order_id):
        """Return what rests under an id, or None."""
        cdef int64_t wanted, slot
        cdef Order row
        cdef Lot lots
        self.enter()
        try:
            wanted = self.own_of(whole(order_id, "order_id", "an int"))
        finally:
            self.busy = False
        slot = slot_of(&self.book, wanted)
        if slot == NIL:
            return None
        # Side() is Python code, and any such code may let somebody else change the book.
        row = order_at(&self.book, slot)[0]
        lots = desk_open(&self.book, &self.desk, slot)
        return OrderInfo(Side(row.side), row.price, lots, row.account, OrderFlag(row.flags))

    def details(self, order_id):
        """Return all about an order or a waiting stop, an OrderDetails, or None."""
        cdef int64_t wanted, slot
        cdef Stop stop
        self.enter()
        try:
            wanted = self.own_of(whole(order_id, "order_id", "an int"))
        finally:
            self.busy = False
        slot = stop_slot(&self.desk, wanted)
        if slot == NIL:
            return _details(&self.book, &self.desk, slot_of(&self.book, wanted))
        stop = self.desk.stops[slot]    # A copy, as in order().
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

    @property
    def address(self) -> int:
        """Where the C functions of core/scalar.pxd find this book; good while it lives.

        What they do is part of no chain, and `fills` is made anew after the next command here.
        """
        self.idle()
        self.fills_seen = None
        return <intptr_t>&self.parts

    @property
    def chain(self) -> str | None:
        """32 hex digits over every accepted command so far and its result; None without chain."""
        self.idle()
        return digest_hex(&self.chain_now) if self.chained else None

    def snapshot(self) -> bytes:
        """Return the whole state as bytes, for OrderBook.restore(); fills are not part of it."""
        self.idle()
        desk_see(&self.book, &self.desk)
        return snapshot_write(&self.book, &self.desk, &self.rules, &self.chain_now,
                              &self.names, self.external)

    def state_hash(self) -> str:
        """Return 32 hex digits over all that can show in later behaviour. O(orders + levels)."""
        cdef Digest digest
        self.idle()
        desk_see(&self.book, &self.desk)
        digest_start(&digest)
        book_digest(&self.book, &digest)
        desk_digest(&self.book, &self.desk, &digest)
        if self.external:
            names_digest(&self.book, &self.desk, &self.names, &digest)
        return digest_hex(&digest)

    def __len__(self):
        self.idle()
        return book_orders(&self.book)

    def __repr__(self):
        if self.busy:
            return "<OrderBook, running>"
        bid, ask = _shown(&self.book, BID), _shown(&self.book, ASK)
        return f"<OrderBook: bid {bid}, ask {ask}, {book_orders(&self.book)} orders>"

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

    # life and checks

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
        if not broken and self.external:
            broken = names_check(&self.book, &self.desk, &self.names)
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

    cdef void named(self, bint external) noexcept:
        self.external = external
        self.parts.names = &self.names if external else NULL

    cdef object fills_now(self):
        if self.fills_seen is None:
            self.fills_seen = _array(self.book.fills, self.book.fill_count, FILL_DTYPE)
        return self.fills_seen

    cdef int64_t own_of(self, int64_t order_id) noexcept:
        """The book's own id of what the caller calls so; any number may be asked for."""
        if self.external:
            return name_live(&self.book, &self.desk, &self.names, order_id)
        return order_id

    cdef Lot known(self, int64_t order_id) except -1:
        """The open lots of an order or stop."""
        cdef int64_t own = self.own_of(order_id)
        cdef int64_t slot = slot_of(&self.book, own)
        if slot != NIL:
            return desk_open(&self.book, &self.desk, slot)
        slot = stop_slot(&self.desk, own)
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


cdef object _details(const Book* b, const Desk* d, int64_t slot):
    cdef Order row
    cdef Extra x
    if slot == NIL:
        return None
    row = order_at(b, slot)[0]
    memset(&x, 0, sizeof(Extra))
    if extra_of(d, slot) != NULL:
        x = extra_of(d, slot)[0]
    return OrderDetails(
        Command.LIMIT, Side(row.side), row.price, row.size + x.reserve, row.size, row.account,
        OrderFlag(row.flags), x.display, x.expires_ns, TimeInForce.GTC, 0, TriggerBy.LAST
    )


cdef class _Bytes:
    """Memory of an array, which nobody else can resize."""
    cdef char* data
    cdef Py_ssize_t size

    def __dealloc__(self):
        PyMem_RawFree(self.data)

    def __getbuffer__(self, Py_buffer* view, int flags):
        PyBuffer_FillInfo(view, self, self.data, self.size, False, flags)


cdef object _array(const void* rows, int64_t count, dtype):
    """A copy of some rows. numpy.empty() takes five times as long where a dtype has fields."""
    cdef _Bytes memory = _Bytes.__new__(_Bytes)
    memory.size = count * <int64_t>dtype.itemsize
    memory.data = <char*>PyMem_RawMalloc(<size_t>memory.size)
    if memory.data == NULL:
        raise MemoryError()
    oc_wide_pages(memory.data, memory.size)
    if count:
        memcpy(memory.data, rows, <size_t>memory.size)
    return ARRAY.__new__(ARRAY, count, dtype, memory)
