"""Bytes to rows for a stand-alone book: the entry of the book's fuzzer, and of its replay.

The first HEAD bytes set up the book: prices, room for one to eight orders, how many stops may fire,
the size of a lot, how many rows a batch has. Every ROW bytes after them are one row, good or bad.
A batch goes through the kernels that OrderBook.apply() calls, as MESSAGE_DTYPE where it can be; the
twin of book_twin.pxd does it too, and then results, fills, what fired, every queue and every stop
must be the same. A copy, or a book that a snapshot brought back, goes on beside its original.
`one()` needs no GIL but for snapshots; `play()` is its Python door. A broken law raises
AssertionError; a broken oc_check() aborts.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.string cimport memset
from ordercascade.core.auction cimport Clearing, auction_price
from ordercascade.core.book cimport OrderBook
from ordercascade.core.conditional cimport desk_apply, desk_see, stops_check
from ordercascade.core.desk cimport (
    FREE, WAITING, Desk, Stop, desk_check, desk_copy, desk_digest, desk_free, desk_init,
    desk_open, extra_of, stop_id_of,
)
from ordercascade.core.digest cimport Digest, digest_start
from ordercascade.core.queues cimport (
    Book, Order, book_clear, book_copy, book_digest, book_free, book_init, level_of, level_worse,
    order_at, order_id_of, side_none,
)
from ordercascade.core.records cimport (
    AMEND, CANCEL, DO_CANCEL_ALL, DO_CLOCK, DO_STOP,
    DO_TAKE_PROFIT, DO_UNCROSS, FOK, GTC, LIMIT, MARKET, POST_ONLY, REJECT_BAD_MESSAGE, Fill, Message, Wide,
)
from ordercascade.core.slab cimport NIL, slab_grow
from ordercascade.core.units cimport LEVEL_MAX, LOT_MAX, Lot, Tick, larger, smaller
from book_twin cimport (
    FILLS, NOBODY, ROOM, Twin, TwinOrder, clearing_price, open_of, orders_live, precedes, stop_named,
    stops_live, twin_do, wrong,
)

cdef enum:
    HEAD = 4
    ROW = 6
    BATCH = 4               # rows, at most
    IDS = 512               # ids given out in an input, at most: longer ones are not judged
    ACCOUNTS = 3

ctypedef struct Play:
    Twin twin
    int64_t ids[512]        # every id there ever was
    int64_t id_count
    int64_t tick            # how the bytes of a row are read
    int64_t unit
    Tick base
    bint forked

cdef void* books[2]         # the one and its copy
cdef Play p
cdef int64_t operations
cdef Fill fills[FILLS]
cdef int64_t reached[64]    # by Command, by Reject from 32 on: what the inputs have done
cdef int[16] KINDS          # by the first four bits of a row; 14: a copy
cdef int[8] MODES
cdef int[8] POSTS
kept_alive = []


cdef int broken(int64_t number, const char* what) except -1 nogil:
    with gil:
        raise AssertionError(f"{what.decode()} ({number})")


# --- set-up ------------------------------------------------------------------------------------

cdef int _clean(OrderBook book, Tick price_max, int64_t order_max, int64_t fire_max) except -1 nogil:
    """An empty book, whatever was there."""
    book_free(&book.book)
    desk_free(&book.desk)
    desk_init(&book.desk, fire_max)
    book_init(&book.book, price_max, order_max)
    book.rules.price_max = price_max
    book.rules.account_max = ACCOUNTS - 1
    return 0


cdef int _open(OrderBook book, const uint8_t* h) except -1 nogil:
    cdef Tick price_max = 3
    cdef int64_t order_max = 1 + (h[0] >> 2 & 7)
    cdef int64_t fire_max = 1 + (h[1] & 3) if h[1] & 4 else 1000
    memset(&p, 0, sizeof(Play))
    p.base = p.tick = 1
    if h[0] & 3 == 1:           # Just beyond a page of the fuzzer's build.
        price_max, p.base = 65, 50
    elif h[0] & 3 == 2:
        price_max, p.base, p.tick = 5_000, 2_500, 9
    elif h[0] & 3 == 3:
        price_max, p.base = 40, 12
    p.unit = 1
    if h[1] >> 4 & 3 == 1:      # 31 units may show themselves as one, 32 may not.
        p.unit = 33
    elif h[1] >> 4 & 3 == 2:
        p.unit = LOT_MAX / 32
    p.twin.price_max = price_max
    p.twin.order_max = order_max
    p.twin.fire_max = fire_max
    p.twin.account_max = ACCOUNTS - 1
    p.twin.fills = fills
    return _clean(book, price_max, order_max, fire_max)


# --- rows --------------------------------------------------------------------------------------

cdef Tick _price(int byte) noexcept nogil:
    """Sixteen prices close together, and some at and beyond the ends."""
    if byte < 240:
        return smaller(p.base + (byte & 15) * p.tick, p.twin.price_max)
    if byte & 7 == 0:
        return 0
    if byte & 7 == 1:
        return p.twin.price_max + 1
    return 1 if byte & 1 else p.twin.price_max


cdef Lot _size(int byte) noexcept nogil:
    if byte >= 254:
        return 0 if byte == 254 else LOT_MAX + 1
    return (1 + (byte & 31)) * p.unit


cdef int64_t _name(int byte) noexcept nogil:
    """An order or stop that lives, one that did, or none."""
    cdef int64_t count = orders_live(&p.twin)
    cdef int i
    if byte & 128 == 0 and count > 0:
        count = byte % count
        for i in range(ROOM):
            if p.twin.orders[i].live:
                if count == 0:
                    return p.twin.orders[i].id
                count -= 1
    if byte & 64 and p.id_count > 0:
        return p.ids[byte % p.id_count]
    for i in range(ROOM):
        if p.twin.stops[i].live:
            return p.twin.stops[i].id
    return (<int64_t>(byte & 127) << 56) | byte


cdef void _manner(Wide* m, int byte) noexcept nogil:
    """Time in force, a mode of prevention, and how it is posted; at times what is not to be had."""
    m.tif = byte >> 6
    m.flags = MODES[byte & 7] | POSTS[byte >> 3 & 7]
    if byte >= 250:
        m.flags = <uint8_t>(byte << 1)
    elif m.tif > FOK or m.flags & POST_ONLY:
        m.tif = GTC


cdef void _row(Wide* m, const uint8_t* r) noexcept nogil:
    """Six bytes: what, price, size, flags, trigger or part shown, time or name."""
    memset(m, 0, sizeof(Wide))
    m.type = KINDS[r[0] & 15] if r[1] != 255 else DO_UNCROSS + 1
    m.side = r[0] >> 4 & 1
    m.account = r[0] >> 5 & 3
    if m.account == ACCOUNTS:
        m.account = -1 if m.type == CANCEL or m.type == AMEND else 0
    m.price = _price(r[1])
    m.size = _size(r[2])
    _manner(m, r[3])
    if m.type == CANCEL or m.type == AMEND:
        m.order_id = _name(r[5])
        m.size = 0 if r[2] == 0 else m.size
    elif m.type == DO_CANCEL_ALL:
        m.side = r[1] % 3 if r[1] < 250 else 3
    elif m.type == DO_CLOCK:
        m.expires_ns = larger(0, p.twin.time_ns + (r[5] & 15) - 2)
    elif m.type == DO_STOP or m.type == DO_TAKE_PROFIT:
        m.trigger = _price(r[4])
        m.by = r[0] >> 7
        m.price = m.price if r[5] & 1 else 0
        m.expires_ns = p.twin.time_ns + (r[5] >> 4) if r[5] & 2 and m.tif == GTC else 0
        m.display = _size(r[4] >> 4) if r[5] & 5 == 5 and m.tif == GTC else 0
    elif m.type == MARKET:
        m.price = m.price if r[5] & 1 else 0
    elif m.type == LIMIT and (m.tif == GTC or r[5] > 250):
        if r[5] & 1:
            m.display = smaller(1 + (r[4] & 31) if r[5] & 2 else _size(r[4] & 31), m.size + 1)
        m.expires_ns = p.twin.time_ns + (r[5] >> 4) if r[5] & 4 else 0


cdef bint _plain(const Wide* m) noexcept nogil:
    """Whether MESSAGE_DTYPE says as much."""
    if m.type > AMEND or m.display or m.expires_ns:
        return False
    return m.type != MARKET or m.price == 0


cdef void _narrow(Message* to, const Wide* m) noexcept nogil:
    to.type = m.type
    to.side = m.side
    to.tif = m.tif
    to.flags = m.flags
    to.account = m.account
    to.order_id = m.order_id
    to.price = m.price if m.type != MARKET else -7      # A market order's is not looked at.
    to.size = m.size


# --- laws --------------------------------------------------------------------------------------

cdef int _new_ids(int64_t order_id) except -1 nogil:
    """An id never comes again."""
    cdef int64_t i
    for i in range(p.id_count):
        if p.ids[i] == order_id:
            return broken(801, b"an id that was there before")
    if p.id_count < IDS:
        p.ids[p.id_count] = order_id
        p.id_count += 1
    return 0


cdef int _same_fills(const Book* b) except -1 nogil:
    cdef const Fill* mine
    cdef const Fill* its
    cdef int64_t i
    if p.twin.fill_count > FILLS:
        return broken(810, b"more fills than there is room for")
    if b.fill_count != p.twin.fill_count:
        return broken(811, b"another number of fills")
    for i in range(b.fill_count):
        mine = b.fills + i
        its = fills + i
        if mine.maker_order != its.maker_order or mine.taker_order != its.taker_order:
            return broken(812, b"a fill of other orders")
        if mine.price != its.price or mine.size != its.size or mine.maker_rest != its.maker_rest:
            return broken(813, b"a fill at another price or of another size")
        if (mine.maker_account != its.maker_account or mine.taker_account != its.taker_account
                or mine.taker_side != its.taker_side or mine.maker_flags != its.maker_flags
                or mine.self_trade != its.self_trade):
            return broken(814, b"a fill of other accounts")
    return 0


cdef int _same_fired(const Desk* d) except -1 nogil:
    cdef int64_t i
    if d.fired_count != p.twin.fired_count:
        return broken(820, b"another number of stops fired")
    for i in range(d.fired_count):
        if d.fired[i].stop_id != p.twin.fired[i].stop_id:
            return broken(821, b"another stop fired")
        if d.fired[i].result != p.twin.fired[i].result:
            return broken(822, b"a stop's order did something else")
        if -32 < d.fired[i].result < 0:
            reached[32 - d.fired[i].result] += 1
    return 0


cdef int _behind(int side, bint penned, int before) noexcept nogil:
    """The twin's next order of a queue or the pen, NOBODY at the end."""
    cdef const TwinOrder* o
    cdef int i, found = NOBODY
    for i in range(ROOM):
        o = &p.twin.orders[i]
        if not o.live or o.penned != penned or (not penned and o.side != side) or i == before:
            continue
        if before != NOBODY and not _ahead(&p.twin.orders[before], o):
            continue
        if found == NOBODY or _ahead(o, &p.twin.orders[found]):
            found = i
    return found


cdef bint _ahead(const TwinOrder* a, const TwinOrder* b) noexcept nogil:
    return a.turn < b.turn if a.penned else precedes(a, b)


cdef int _same_order(const Book* b, const Desk* d, int32_t slot, int which) except -1 nogil:
    cdef const Order* mine = order_at(b, slot)
    cdef const TwinOrder* its = &p.twin.orders[which if which != NOBODY else 0]
    if which == NOBODY or order_id_of(b, slot) != its.id:
        return broken(830, b"another order at this place of a queue")
    if mine.price != its.price or mine.size != its.size or desk_open(b, d, slot) != open_of(its):
        return broken(831, b"an order with another price or size")
    if mine.account != its.account or mine.side != its.side or mine.flags != its.flags:
        return broken(832, b"an order of somebody else")
    if extra_of(d, slot) == NULL:
        if its.display or its.expires_ns:
            return broken(833, b"an order that forgot what it was")
        return 0
    if extra_of(d, slot).display != its.display or extra_of(d, slot).expires_ns != its.expires_ns:
        return broken(833, b"an order that forgot what it was")
    return 0


cdef int _same_queues(const Book* b, const Desk* d) except -1 nogil:
    """Order by order, the pen too."""
    cdef int side, which
    cdef int32_t link
    cdef Tick price
    for side in range(2):
        which = NOBODY
        price = b.best[side]
        while price != side_none(b, side):
            link = level_of(b, price).next
            while link >= 0:
                which = _behind(side, False, which)
                _same_order(b, d, link >> 1, which)
                link = order_at(b, link >> 1).next
            price = level_worse(b, side, price)
    which = NOBODY
    link = d.pen_first
    while link != NIL:
        which = _behind(0, True, which)
        _same_order(b, d, link, which)
        link = order_at(b, link).next
    if b.count != orders_live(&p.twin) or b.count > b.order_max:
        return broken(834, b"another number of orders")
    return 0


cdef int _same_stops(const Desk* d) except -1 nogil:
    cdef const Stop* mine
    cdef const Wide* its
    cdef int64_t slot
    cdef int which
    if d.stop_count != stops_live(&p.twin):
        return broken(840, b"another number of stops")
    for slot in range(d.stop_used):
        mine = d.stops + slot
        if mine.state == FREE:
            continue
        which = stop_named(&p.twin, stop_id_of(d, slot))
        if which == NOBODY or mine.state != WAITING:
            return broken(841, b"a stop that should be gone")
        its = &p.twin.stops[which].order
        if mine.size != its.size or mine.price != its.price or mine.display != its.display:
            return broken(842, b"a stop whose order is another")
        if mine.trigger != its.trigger or mine.account != its.account:
            return broken(843, b"a stop that waits for something else")
    return 0


cdef int _judge(OrderBook book) except -1 nogil:
    """After a batch."""
    cdef Book* b = &book.book
    cdef Desk* d = &book.desk
    cdef Clearing clearing
    cdef Lot volume, surplus
    cdef Tick price
    cdef int number = desk_check(b, d)
    if number == 0:
        number = stops_check(b, d)
    if number:
        return broken(number, b"_check()")
    if d.hidden < 0 or d.hidden > LEVEL_MAX:
        return broken(850, b"more hidden lots than a level may have")
    desk_see(b, d)
    if d.last != p.twin.last or d.mark != p.twin.mark or d.time_ns != p.twin.time_ns:
        return broken(851, b"another last price, mark or time")
    if d.collecting != p.twin.collecting:
        return broken(852, b"another phase")
    _same_fills(b)
    _same_fired(d)
    _same_queues(b, d)
    _same_stops(d)
    if d.collecting:
        auction_price(b, d, &clearing)
        price = clearing_price(&p.twin, &volume, &surplus)
        if clearing.price != price or clearing.volume != volume or clearing.surplus != surplus:
            return broken(853, b"another price of an auction")
    return 0


cdef void _digest(OrderBook book, Digest* digest) noexcept nogil:
    digest_start(digest)
    book_digest(&book.book, digest)
    desk_digest(&book.book, &book.desk, digest)


cdef int _alike(OrderBook book, OrderBook other) except -1 nogil:
    """The two have the same state."""
    cdef Digest here, there
    desk_see(&book.book, &book.desk)
    desk_see(&other.book, &other.desk)
    _digest(book, &here)
    _digest(other, &there)
    if here.a != there.a or here.b != there.b:
        return broken(860, b"a copy that went another way")
    return 0


# --- playing -----------------------------------------------------------------------------------

cdef int _run(OrderBook book, const Wide* rows, int count, bint plain,
              int64_t* results) except -1 nogil:
    """What OrderBook.apply() does with a batch."""
    cdef int i
    desk_see(&book.book, &book.desk)
    book_clear(&book.book)
    book.desk.fired_count = 0
    if not plain:
        desk_apply(&book.book, &book.desk, &book.rules, rows, count, results)
        return 0
    book.block = <char*>slab_grow(book.block, &book.block_bytes, BATCH * sizeof(Message), 1)
    for i in range(count):
        _narrow(<Message*>book.block + i, rows + i)
    book.block_run(count, results)
    return 0


cdef int _answer(const Wide* m, int64_t result, int64_t* started) except -1 nogil:
    """What the twin makes of a row must be the result of the book."""
    cdef int64_t answer = REJECT_BAD_MESSAGE
    if not wrong(&p.twin, m):
        answer = twin_do(&p.twin, m, result)
    if p.twin.astray:
        return broken(802, b"an order rests that the book does not have")
    if answer != result:
        return broken(803, b"another result")
    if result > 0 and (m.type <= MARKET or (m.type >= DO_STOP and m.type <= DO_TAKE_PROFIT)):
        started[0] = result
    reached[m.type if m.type < 32 else 31] += 1
    if -32 < result < 0:
        reached[32 - result] += 1
    return 0


cdef int _note_ids(const int64_t* given, int count) except -1 nogil:
    """Everything that rests now was named once, by this batch or before."""
    cdef int i, k
    for i in range(count):
        if given[i] > 0:
            _new_ids(given[i])
    for i in range(p.twin.fired_count):
        if p.twin.fired[i].result > 0:
            for k in range(count):
                if given[k] == p.twin.fired[i].result:
                    break
            else:
                _new_ids(p.twin.fired[i].result)
    return 0


cdef int _batch(OrderBook book, OrderBook other, const uint8_t* data, int count,
                bint plain) except -1 nogil:
    """Some rows, done by the book, its copy and the twin."""
    cdef Wide rows[BATCH]
    cdef int64_t results[BATCH]
    cdef int64_t its[BATCH]
    cdef int64_t given[BATCH]
    cdef Digest before, after
    cdef int i
    for i in range(count):
        _row(rows + i, data + ROW * i)
        plain = plain and _plain(rows + i)
    _digest(book, &before)
    _run(book, rows, count, plain, results)
    p.twin.fill_count = p.twin.fired_count = 0
    p.twin.told = book.desk.fired
    p.twin.told_count = book.desk.fired_count
    memset(given, 0, sizeof(given))
    for i in range(count):
        operations_count()
        _answer(rows + i, results[i], given + i)
    _note_ids(given, count)
    _judge(book)
    if count == 1 and results[0] <= -2 and book.desk.fired_count == 0:
        _digest(book, &after)
        if before.a != after.a or before.b != after.b:
            return broken(861, b"a refused row that changed something")
    if p.forked:
        _run(other, rows, count, plain, its)
        for i in range(count):
            if its[i] != results[i]:
                return broken(862, b"a copy that answers otherwise")
        _alike(book, other)
    return 0


cdef void operations_count() noexcept nogil:
    global operations
    operations += 1


cdef int _fork(OrderBook book, OrderBook other, bint saved) except -1 nogil:
    """A copy goes on beside its original: what OrderBook.copy() does, or a snapshot."""
    desk_see(&book.book, &book.desk)
    book_free(&other.book)
    desk_free(&other.desk)
    other.rules = book.rules
    if saved:
        _restored(book, other)
    else:
        book_copy(&other.book, &book.book)
        desk_copy(&other.desk, &book.desk)
    p.forked = True
    return _alike(book, other)


cdef int _restored(OrderBook book, OrderBook other) except -1 with gil:
    cdef OrderBook back
    words = book.snapshot()
    back = OrderBook.restore(words)
    if back.snapshot() != words:
        return broken(863, b"a snapshot that comes back as another")
    book_copy(&other.book, &back.book)
    desk_copy(&other.desk, &back.desk)
    return 0


cdef int _played(OrderBook book, OrderBook other, const uint8_t* data, size_t size) except -1 nogil:
    cdef int most = 1 + (data[2] & BATCH - 1)
    cdef size_t at = HEAD
    cdef int rows
    _open(book, data)
    while at + ROW <= size and p.id_count < IDS - 64:
        if data[at] & 15 == 14:
            _fork(book, other, data[at + 1] & 1)
            at += ROW
            continue
        rows = 0
        while rows < most and at + ROW * (rows + 1) <= size and data[at + ROW * rows] & 15 != 14:
            rows += 1
        _batch(book, other, data + at, rows, data[2] >> 2 & 1)
        at += ROW * rows
    return 0


cdef int one(const uint8_t* data, size_t size) except -1 nogil:
    """Play an input; raises AssertionError where a law is broken."""
    if size < HEAD + ROW:
        return 0
    return _played(<OrderBook>books[0], <OrderBook>books[1], data, size)


# --- the Python door ---------------------------------------------------------------------------

def prepare():
    """Make the two books; once a process."""
    global KINDS, MODES, POSTS
    if kept_alive:
        return
    KINDS = [0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0, 0]
    MODES = [0, 8, 16, 24, 32, 0, 0, 0]
    POSTS = [0, 0, 0, 0, 0, 0, 1, 5]
    for i in range(2):
        book = OrderBook(40, account_max=ACCOUNTS - 1)
        kept_alive.append(book)
        books[i] = <void*>book


def play(bytes data not None):
    """Play an input from Python; returns how many rows it had."""
    global operations
    cdef const uint8_t* cells = data
    cdef size_t size = len(data)
    prepare()
    operations = 0
    try:
        with nogil:
            one(cells, size)
    except AssertionError as error:
        raise AssertionError(f"{error}, row {operations}") from None
    return operations


def counted():
    """How often each Command was played, and each Reject code answered, by all inputs."""
    return ({kind: reached[kind] for kind in range(32) if reached[kind]},
            {-code: reached[32 + code] for code in range(2, 32) if reached[32 + code]})


def spoil(bytes data not None, str how):
    """Play an input, put one number wrong, and judge: what a law says, or nothing."""
    cdef OrderBook book
    play(data)
    book = <OrderBook>books[0]
    _judge(book)
    if how == "a lot more":
        order_at(&book.book, 0).size += 1
        level_of(&book.book, order_at(&book.book, 0).price).size += 1
    elif how == "another account":
        p.twin.orders[0].account += 1
    elif how == "a level that does not add up":
        level_of(&book.book, order_at(&book.book, 0).price).size += 1
    elif how == "an order lost":
        p.twin.orders[0].live = False
    elif how == "a stop lost":
        p.twin.stops[0].live = False
    elif how == "a trade nobody saw":
        p.twin.last += 1
    elif how == "a fill forgotten":
        p.twin.fill_count += 1
    elif how == "a fill of another size":
        fills[0].size += 1
    elif how == "an id again":
        _new_ids(p.ids[0])
    else:
        raise ValueError(how)
    _judge(book)
