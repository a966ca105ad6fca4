"""A limit order book with price-time priority: exact, in whole ticks and lots."""
from __future__ import annotations

import numpy as np

from ordercascade.core.messages import (
    FILL_DTYPE, MESSAGE_DTYPE, Depth, OrderInfo, message_rows, why_bad,
)
from ordercascade.enums import OrderFlag, OrderType, Reject, Side, TimeInForce
from ordercascade.errors import BusyError, InputError, InputTypeError, InvariantError

from libc.stdint cimport INT64_MAX, int32_t, int64_t
from libc.stdlib cimport qsort
from libc.string cimport memcpy
from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.exc cimport PyErr_CheckSignals
from cpython.mem cimport PyMem_RawFree
from ordercascade.core.arguments cimport whole, within
from ordercascade.core.check cimport oc_check
from ordercascade.core.digest cimport Digest, digest_hex, digest_start
from ordercascade.core.ladder cimport ladder_row
from ordercascade.core.queues cimport (
    Peer, level_at, level_note, level_of, level_vacate, level_worse, order_at, order_id_of, pool_full,
    queue_append,
    queue_unlink, room_changes, room_fills, room_page, room_ready, room_to_rest, oc_rarely, side_none, slot_claim,
    slot_of, slot_release,
)
from ordercascade.core.records cimport (
    AMEND, ASK, BID, CANCEL, FOK, GTC, IOC, LIMIT, MARKET, POST_ONLY, REJECT_BAD_MESSAGE,
    REJECT_FOK_NOT_FILLABLE, REJECT_LEVEL_FULL, REJECT_NOT_OWNER, REJECT_NO_LIQUIDITY,
    REJECT_POOL_FULL, REJECT_POST_ONLY_WOULD_CROSS, REJECT_UNKNOWN_ORDER, Fill,
)
from ordercascade.core.rules cimport Rules, rules_broken, rules_broken_by
from ordercascade.core.slab cimport NIL, slab_grow
from ordercascade.core.units cimport LEVEL_MAX, LOT_MAX, TICK_MAX, larger, smaller

cdef enum:
    BLOCK = 4096                # rows of a batch that are copied, judged and run at a time
    SIGNAL_BLOCKS = 64          # blocks between two looks for Ctrl-C


cdef int64_t book_submit(Book* b, int type, int side, Tick price, Lot size, int32_t account,
                         int tif, int flags) except -1 nogil:
    """Match an order, let what is left of a GTC limit rest; return its id, 0 or a reject code."""
    if type == MARKET:
        if b.best[1 - side] == side_none(b, 1 - side):
            return REJECT_NO_LIQUIDITY
        price = b.price_max if side == BID else 1
        tif = FOK if tif == FOK else IOC
    return _limit(b, side, price, size, account, tif, flags)


cdef inline int64_t _limit(Book* b, int side, Tick price, Lot size, int32_t account, int tif,
                           int flags) except -1 nogil:
    if (price - b.best[1 - side]) * (1 - 2 * side) >= 0:
        return _cross(b, side, price, size, account, tif, flags)
    if tif == GTC:
        return _rest(b, side, price, size, account, flags)
    return REJECT_FOK_NOT_FILLABLE if tif == FOK else 0


cdef inline int64_t _rest(Book* b, int side, Tick price, Lot size, int32_t account,
                          int flags) except -1 nogil:
    """Let an order rest that meets nobody."""
    cdef int32_t slot
    if oc_rarely(not room_ready(b, price, account)):
        if pool_full(b):
            return REJECT_POOL_FULL
        book_reserve(b, price, account)
    room_changes(b, 1)
    if oc_rarely(level_of(b, price).size > LEVEL_MAX - size):
        return REJECT_LEVEL_FULL
    slot = slot_claim(b, side, account, flags)
    queue_append(b, slot, side, price, size)
    level_note(b, side, price)
    b.changed += 1
    return order_id_of(b, slot)


cdef int book_reserve(Book* b, Tick price, int32_t account) except -1 nogil:
    """Make room for one more order to rest; apart from the hot path, as it is rare and long."""
    return room_to_rest(b, price, account)


cdef int64_t _cross(Book* b, int side, Tick limit, Lot size, int32_t account, int tif,
                    int flags) except -1 nogil:
    """Match an order that meets somebody at its limit. Everything that can fail comes first."""
    cdef int64_t first = b.fill_count
    cdef int32_t slot
    cdef Lot left
    if flags & POST_ONLY:
        return REJECT_POST_ONLY_WOULD_CROSS
    if tif == FOK and not _fillable(b, side, limit, size):
        return REJECT_FOK_NOT_FILLABLE
    if tif == GTC:
        if pool_full(b):
            return REJECT_POOL_FULL
        book_reserve(b, limit, account)
    room_fills(b)
    left = _match(b, side, limit, size, account, False)
    b.changed += 1
    if left == 0 or tif != GTC:
        return 0
    slot = slot_claim(b, side, account, flags)
    return _rest_taker(b, slot, limit, left, first)


cdef int64_t _rest_taker(Book* b, int32_t slot, Tick price, Lot left,
                         int64_t first) noexcept nogil:
    """Let the rest of a taker rest, and name it in its fills from `first` on."""
    cdef int64_t order_id = order_id_of(b, slot)
    cdef int side = order_at(b, slot).side
    cdef int64_t i
    queue_append(b, slot, side, price, left)
    level_note(b, side, price)
    for i in range(first, b.fill_count):
        b.fills[i].taker_order = order_id
    return order_id


cdef Lot _match(Book* b, int side, Tick limit, Lot left, int32_t account,
                bint drop_own) noexcept nogil:
    """Trade against the other side up to `limit`; return the lots that met nobody.

    With `drop_own` resting orders of `account` are cancelled where they are met.
    """
    cdef int other = 1 - side
    cdef int sign = 1 - 2 * side
    cdef Tick price = b.best[other]
    cdef int64_t row
    while (limit - price) * sign >= 0:
        row = ladder_row(&b.ladder, price)
        left = _eat(b, row, price, side, left, account, drop_own)
        if level_at(b, row).size == 0:
            level_vacate(b, other, price)
        level_note(b, other, price)
        if left == 0:
            break
        price = b.best[other]
    return left


cdef Lot _eat(Book* b, int64_t row, Tick price, int side, Lot left, int32_t account,
              bint drop_own) noexcept nogil:
    """Trade against one level in time priority; return the lots still wanted."""
    cdef Level* cells = <Level*>b.rows.middle
    cdef Level* level = cells + ~row
    cdef Lot total = level.size
    cdef int32_t link = level.next
    cdef int32_t follower
    cdef Level* maker
    cdef Lot lots
    oc_check(total > 0)
    while link >= 0 and left > 0:
        maker = cells + link
        follower = maker.next
        lots = maker.size
        if not (drop_own and (<const Order*>maker).account == account):
            lots = smaller(lots, left)
            left -= lots
            _print(b, link >> 1, price, side, lots, account)
        total -= lots
        maker.size -= lots
        if maker.size > 0:
            break
        slot_release(b, link >> 1)
        link = follower
    level.next = link
    cells[link].prev = ~<int32_t>row
    level.size = total
    return left


cdef inline void _print(Book* b, int32_t slot, Tick price, int side, Lot lots,
                        int32_t account) noexcept nogil:
    """Append the fill of `lots` against the maker in `slot`; room was reserved."""
    cdef Fill* fill = b.fills + b.fill_count
    cdef const Order* maker = order_at(b, slot)
    fill.maker_order = order_id_of(b, slot)
    fill.taker_order = 0
    fill.price = price
    fill.size = lots
    fill.maker_rest = maker.size - lots
    fill.maker_account = maker.account
    fill.taker_account = account
    fill.taker_side = side
    fill.maker_flags = maker.flags
    fill.self_trade = maker.account == account
    b.fill_count += 1


cdef bint _fillable(const Book* b, int side, Tick limit, Lot size) noexcept nogil:
    """Whether the other side offers `size` lots up to `limit`."""
    cdef int other = 1 - side
    cdef int sign = 1 - 2 * side
    cdef Tick price = b.best[other]
    while size > 0 and (limit - price) * sign >= 0:
        size -= level_of(b, price).size
        price = level_worse(b, other, price)
    return size <= 0


cdef Lot book_take(Book* b, int side, Tick limit, Lot size, int32_t account) except -1 nogil:
    """Send a liquidation order, IOC; drop own resting orders that it meets; return lots filled."""
    cdef Tick nearest = smaller(larger(limit, side), b.price_max + side)
    cdef int64_t count = b.count
    cdef Lot filled
    room_fills(b)
    filled = size - _match(b, side, nearest, size, account, True)
    if filled > 0 or b.count != count:
        b.changed += 1
    return filled


cdef int64_t book_cancel(Book* b, int64_t order_id, int32_t account) except? -1 nogil:
    """Remove an order of `account` (-1: of anybody); return its open lots or a reject code."""
    cdef int64_t slot = slot_of(b, order_id)
    cdef Order* order
    cdef Lot lots
    if slot == NIL:
        return REJECT_UNKNOWN_ORDER
    order = order_at(b, slot)
    if account >= 0 and order.account != account:
        return REJECT_NOT_OWNER
    room_changes(b, 1)
    lots = order.size
    queue_unlink(b, slot)
    level_note(b, order.side, order.price)
    b.changed += 1
    slot_release(b, <int32_t>slot)
    return lots


cdef int64_t book_amend(Book* b, int64_t order_id, int32_t account, Tick price,
                        Lot size) except -1 nogil:
    """Change price or open size; return the id, 0 if nothing rests, or a reject code.

    Less size at the same price (0 = the same) keeps the priority, all else queues anew; size 0
    cancels.
    """
    cdef int64_t slot = slot_of(b, order_id)
    cdef Order* order
    if slot == NIL:
        return REJECT_UNKNOWN_ORDER
    order = order_at(b, slot)
    if account >= 0 and order.account != account:
        return REJECT_NOT_OWNER
    if size == 0:
        return 0 if book_cancel(b, order_id, account) > 0 else -1
    if price == 0:
        price = order.price
    if price != order.price or size > order.size:
        return _requeue(b, <int32_t>slot, price, size)
    if size < order.size:
        room_changes(b, 1)
        level_of(b, price).size -= order.size - size
        order.size = size
        level_note(b, order.side, price)
        b.changed += 1
    return order_id


cdef int64_t _requeue(Book* b, int32_t slot, Tick price, Lot size) except -1 nogil:
    """Take an order out and send it again as a limit order under its old id."""
    cdef Order* order = order_at(b, slot)
    cdef int64_t first = b.fill_count
    cdef int side = order.side
    cdef bint crosses = (price - b.best[1 - side]) * (1 - 2 * side) >= 0
    cdef Lot left = size
    cdef Lot room
    if crosses and order.flags & POST_ONLY:
        return REJECT_POST_ONLY_WOULD_CROSS
    room_page(b, price)
    room = LEVEL_MAX - level_of(b, price).size
    if price == order.price:
        room += order.size
    if not crosses and size > room:
        return REJECT_LEVEL_FULL
    room_fills(b)
    queue_unlink(b, slot)
    if price != order.price:
        level_note(b, side, order.price)
    if crosses:
        left = _match(b, side, price, size, order.account, False)
    b.changed += 1
    if left > 0:
        return _rest_taker(b, slot, price, left, first)
    slot_release(b, slot)
    return 0


cdef int book_cancel_all(Book* b, int32_t account) except -1 nogil:
    """Cancel every order of an account in id order, each an operation; return how many."""
    cdef int64_t count = 0
    cdef int64_t i
    cdef int32_t slot
    if account >= b.account_count:
        return 0
    slot = (<Peer*>b.ring.middle)[~<int64_t>account].next
    while slot >= 0:
        b.ids = <int64_t*>slab_grow(b.ids, &b.id_capacity, count + 1, sizeof(int64_t))
        b.ids[count] = order_id_of(b, slot)
        count += 1
        slot = (<Peer*>b.ring.middle)[slot].next
    room_changes(b, count)
    if count > 1:
        qsort(b.ids, <size_t>count, sizeof(int64_t), _by_id)
    for i in range(count):
        book_cancel(b, b.ids[i], account)
    return <int>count


cdef int _by_id(const void* a, const void* b) noexcept nogil:
    cdef int64_t left = (<const int64_t*>a)[0]
    cdef int64_t right = (<const int64_t*>b)[0]
    return (left > right) - (left < right)


# ------------------------------------------------------------------ batches

cdef int64_t _first_bad(const Rules* rules, const Message* rows, int64_t count) noexcept nogil:
    """The first row that breaks a rule, or `count`."""
    cdef int64_t i
    for i in range(count):
        if rules_broken_by(rules, rows + i):
            return i
    return count


cdef int _apply(Book* b, const Rules* rules, const Message* rows, int64_t count,
                int64_t* results) except -1 nogil:
    """Judge and run a block of messages that nobody else can write to."""
    cdef int64_t i
    for i in range(count):
        results[i] = _message(b, rules, rows + i)
    return 0


cdef inline int64_t _message(Book* b, const Rules* rules, const Message* m) except -1 nogil:
    """Judge and run one message."""
    if rules_broken_by(rules, m):
        return REJECT_BAD_MESSAGE
    if m.type == LIMIT:
        return _limit(b, m.side, m.price, m.size, m.account, m.tif, m.flags)
    if m.type == CANCEL:
        return book_cancel(b, m.order_id, m.account)
    if m.type == AMEND:
        return book_amend(b, m.order_id, m.account, m.price, m.size)
    return book_submit(b, MARKET, m.side, 0, m.size, m.account, m.tif, 0)


# ------------------------------------------------------------------ the Python door

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
        self.rules.price_max = highest
        self.rules.account_max = self.account_max
        book_init(&self.book, highest, most)

    def __init__(self, price_max, *, order_max=2**20, account_max=2**24 - 1):
        if self.ready:
            raise InputTypeError("OrderBook", "made anew, not initialised again", "__init__")
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
        return self.results_seen

    def depth(self, levels):
        """Return the best `levels` levels of both sides, or as many as there are."""
        cdef int64_t most = within(levels, "levels", "an int", 1, INT64_MAX)
        self.idle()
        return Depth(_depth(&self.book, BID, most), _depth(&self.book, ASK, most))

    def order(self, order_id):
        """Return what rests under an id, or None."""
        cdef int64_t wanted = whole(order_id, "order_id", "an int")
        cdef const Order* row
        self.idle()
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
        best = [
            f"{book_size_at(&self.book, side, price)} @ {price}" if price else "none"
            for side, price in ((BID, book_best(&self.book, BID)), (ASK, book_best(&self.book, ASK)))
        ]
        return f"<OrderBook: bid {best[0]}, ask {best[1]}, {book_orders(&self.book)} orders>"

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
            if c_type > MARKET or rules_broken(&self.rules, c_type, c_side, c_tif, c_flags, c_account,
                                       c_price, c_size):
                if c_type == CANCEL or c_type == AMEND:
                    raise InputError("type", type, "must be OrderType.LIMIT or OrderType.MARKET")
                raise self.why((c_type, c_side, c_tif, c_flags, c_account, 0, c_price, c_size))
            self.forget()
            result = book_submit(&self.book, <int>c_type, <int>c_side, c_price, c_size,
                                 <int32_t>c_account, <int>c_tif, <int>c_flags)
        finally:
            self.busy = False
        return result if result >= 0 else Reject(result)

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
        return result if result >= 0 else Reject(result)

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
        return result if result >= 0 else Reject(result)

    def cancel_all(self, account):
        """Cancel all orders of an account, in id order; return how many there were."""
        self.enter()
        try:
            owner = within(account, "account", "an int", 0, self.account_max)
            self.forget()
            return book_cancel_all(&self.book, owner)
        finally:
            self.busy = False

    def apply(self, messages, *, on_bad="raise"):
        """Run a MESSAGE_DTYPE array without the GIL; return its fills, see also `results`.

        All rows are checked first and nothing changes if one is bad; with on_bad="reject" a bad
        row has the result Reject.BAD_MESSAGE instead. CANCEL and AMEND with account -1 mean any
        owner, AMEND with price 0 keeps the price.
        """
        cdef Py_buffer taken
        cdef Py_buffer given
        self.enter()
        try:
            if on_bad not in ("raise", "reject"):
                raise InputError("on_bad", on_bad, "must be 'raise' or 'reject'")
            rows = message_rows(messages)
            results = np.empty(len(rows), np.int64)
            PyObject_GetBuffer(rows, &taken, PyBUF_SIMPLE)
            PyObject_GetBuffer(results, &given, PyBUF_WRITABLE)
            try:
                if on_bad == "raise":
                    self.judge(rows, <const Message*>taken.buf, len(rows))
                self.forget()
                self.results_seen = results
                self.run(<const Message*>taken.buf, len(rows), <int64_t*>given.buf)
            finally:
                PyBuffer_Release(&given)
                PyBuffer_Release(&taken)
        finally:
            self.busy = False
        return self.fills

    cdef int judge(self, object rows, const Message* data, int64_t count) except -1:
        cdef int64_t row
        with nogil:
            row = _first_bad(&self.rules, data, count)
        if row < count:
            raise self.why(rows[row].item(), row)
        return 0

    cdef int run(self, const Message* rows, int64_t count, int64_t* results) except -1:
        """Run a batch in blocks, copied so that nobody can change a row after it was judged."""
        cdef int64_t start = 0
        cdef int64_t block
        self.rows_done = 0
        self.block = <Message*>slab_grow(self.block, &self.block_rows, smaller(count, BLOCK),
                                         sizeof(Message))
        while start < count:
            with nogil:
                while start < count:
                    block = smaller(count - start, BLOCK)
                    memcpy(self.block, rows + start, block * sizeof(Message))
                    _apply(&self.book, &self.rules, self.block, block, results + start)
                    start += block
                    if start % (BLOCK * SIGNAL_BLOCKS) == 0:
                        break
            self.rows_done = start
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
