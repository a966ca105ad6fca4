"""A book as bytes, and back: versioned, and every number judged before it is used."""
from ordercascade.errors import InputTypeError, SnapshotError

from libc.stdint cimport INT32_MAX, INT64_MAX, INT64_MIN, int32_t, int64_t, uint64_t
from libc.string cimport memcpy, memset
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.mem cimport PyMem_RawFree
from ordercascade.core.conditional cimport stops_check, waiting_load
from ordercascade.core.desk cimport (
    FREE, WAITING, Extra, Stop, desk_check, desk_digest, desk_init, desk_reserve, extra_load,
    pen_load, stop_id_of,
)
from ordercascade.core.digest cimport digest_start, digest_word
from ordercascade.core.heap cimport heap_push, heap_room
from ordercascade.core.matching cimport ids_sort, queue_put
from ordercascade.core.directory cimport directory_places
from ordercascade.core.naming cimport name_load, name_of, name_spend, name_spent, names_digest
from ordercascade.core.queues cimport (
    Order, book_digest, book_init, level_of, level_worse, order_at, order_id_of, room_to_rest,
    side_none, slot_load, slots_load,
)
from ordercascade.core.records cimport ASK, BID, BY_MARK, DO_STOP, DO_TAKE_PROFIT
from ordercascade.core.rules cimport FLAGS, wide_broken
from ordercascade.core.records cimport Wide
from ordercascade.core.slab cimport NIL, slab_grow
from ordercascade.core.units cimport LEVEL_MAX, LOT_MAX, TICK_MAX, Tick

cdef extern from *:
    """
    #define OC_BOOK_MAGIC ((int64_t)0x0A0D4B4F4F42434F)     /* "OCBOOK\r\n" */
    """
    const int64_t MAGIC "OC_BOOK_MAGIC"

cdef enum:
    VERSION = 1
    BYTE_ORDER = 0x01020304
    HEADER = 7                  # words
    ACCOUNT_LIMIT = (1 << 24) - 1

ctypedef struct Writer:
    int64_t* words
    int64_t count
    int64_t capacity

ctypedef struct Reader:
    const int64_t* words
    int64_t at
    int64_t count


# ------------------------------------------------------------------ writing

cdef int _put(Writer* w, int64_t word) except -1:
    w.words = <int64_t*>slab_grow(w.words, &w.capacity, w.count + 1, sizeof(int64_t))
    w.words[w.count] = word
    w.count += 1
    return 0


cdef bytes snapshot_write(const Book* b, const Desk* d, const Rules* rules, const Digest* chain,
                          const Names* names, bint external):
    cdef Writer w
    cdef Digest digest
    cdef int64_t i
    memset(&w, 0, sizeof(Writer))
    try:
        for i in range(HEADER):
            _put(&w, 0)
        _write_book(&w, b, rules)
        _write_desk(&w, b, d)
        _write_stops(&w, d)
        _put(&w, <int64_t>chain.a)
        _put(&w, <int64_t>chain.b)
        _put(&w, external + names.strict)
        if external:
            _write_names(&w, b, d, names)
        if names.strict:
            _write_spent(&w, b, d, names)
        w.words[0] = MAGIC
        w.words[1] = <int64_t>VERSION << 32 | BYTE_ORDER
        w.words[2] = w.count - HEADER
        _digest_words(w.words + HEADER, w.count - HEADER, &digest)
        memcpy(w.words + 3, &digest, sizeof(Digest))
        _state(b, d, names, external, &digest)
        memcpy(w.words + 5, &digest, sizeof(Digest))
        return PyBytes_FromStringAndSize(<char*>w.words, w.count * sizeof(int64_t))
    finally:
        PyMem_RawFree(w.words)


cdef void _digest_words(const int64_t* words, int64_t count, Digest* digest) noexcept nogil:
    cdef int64_t i
    digest_start(digest)
    for i in range(count):
        digest_word(digest, words[i])


cdef void _state(const Book* b, const Desk* d, const Names* names, bint external,
                 Digest* digest) noexcept nogil:
    digest_start(digest)
    book_digest(b, digest)
    desk_digest(b, d, digest)
    if external:
        names_digest(b, d, names, digest)


cdef int _write_book(Writer* w, const Book* b, const Rules* rules) except -1:
    cdef int32_t slot
    cdef int side
    _put(w, b.price_max)
    _put(w, b.order_max)
    _put(w, rules.account_max)
    _put(w, b.changed)
    _put(w, b.used)
    for side in range(2):
        _write_side(w, b, side)
    for slot in range(b.used):
        _put(w, order_at(b, slot).generation)
    return _write_free(w, b)


cdef int _write_side(Writer* w, const Book* b, int side) except -1:
    cdef int64_t place = w.count
    cdef int64_t count = 0
    cdef Tick price = b.best[side]
    cdef int32_t link
    _put(w, 0)
    while price != side_none(b, side):
        link = level_of(b, price).next
        while link >= 0:
            _write_order(w, b, link >> 1)
            count += 1
            link = order_at(b, link >> 1).next
        price = level_worse(b, side, price)
    w.words[place] = count
    return 0


cdef int _write_order(Writer* w, const Book* b, int32_t slot) except -1:
    cdef const Order* order = order_at(b, slot)
    _put(w, slot)
    _put(w, order.price)
    _put(w, order.size)
    _put(w, order.account)
    return _put(w, order.flags)


cdef int _write_free(Writer* w, const Book* b) except -1:
    cdef int64_t place = w.count
    cdef int32_t slot = b.free
    _put(w, 0)
    while slot != NIL:
        _put(w, slot)
        slot = order_at(b, slot).next
    w.words[place] = w.count - place - 1
    return 0


cdef int _write_desk(Writer* w, const Book* b, const Desk* d) except -1:
    cdef int64_t slot
    cdef const Extra* x
    _put(w, d.last)
    _put(w, d.mark)
    _put(w, d.time_ns)
    _put(w, d.fire_max)
    _put(w, d.sequence)
    _put(w, d.collecting)
    _put(w, d.special)
    for slot in range(d.extra_rows):
        x = d.extra + slot
        if x.display or x.expires_ns:
            _put(w, slot)
            _put(w, x.reserve)
            _put(w, x.display)
            _put(w, x.expires_ns)
    _put(w, b.penned)
    slot = d.pen_first
    while slot != NIL:
        _put(w, order_at(b, slot).side)
        _write_order(w, b, <int32_t>slot)
        slot = order_at(b, slot).next
    return 0


cdef int _write_stops(Writer* w, const Desk* d) except -1:
    cdef int64_t slot
    cdef int64_t place
    cdef const Stop* stop
    _put(w, d.stop_used)
    for slot in range(d.stop_used):
        stop = d.stops + slot
        _put(w, stop.generation)
        _put(w, stop.state)
        if stop.state == WAITING:
            _put(w, stop.sequence)
            _put(w, stop.trigger)
            _put(w, stop.price)
            _put(w, stop.size)
            _put(w, stop.display)
            _put(w, stop.expires_ns)
            _put(w, stop.account)
            _put(w, <int64_t>stop.type | stop.side << 8 | stop.tif << 16 | stop.flags << 24
                 | <int64_t>stop.by << 32)
    place = w.count
    _put(w, 0)
    slot = d.stop_free
    while slot != NIL:
        _put(w, slot)
        slot = d.stops[slot].next
    w.words[place] = w.count - place - 1
    return 0


cdef int _write_names(Writer* w, const Book* b, const Desk* d, const Names* names) except -1:
    cdef int64_t slot
    for slot in range(b.used):
        if order_at(b, slot).size:
            _put(w, name_of(names, order_id_of(b, slot)))
    for slot in range(d.stop_used):
        if d.stops[slot].state == WAITING:
            _put(w, name_of(names, stop_id_of(d, slot)))
    return 0


cdef int _write_spent(Writer* w, const Book* b, const Desk* d, const Names* names) except -1:
    """The names whose orders are gone, sorted."""
    cdef int64_t i, name
    cdef int64_t first = w.count + 1
    _put(w, 0)
    for i in range(directory_places(&names.ids)):
        name = name_spent(b, d, names, i)
        if name:
            _put(w, name)
    w.words[first - 1] = w.count - first
    ids_sort(w.words + first, w.count - first)
    return 0


# ------------------------------------------------------------------ reading

cdef object _wrong(const Reader* r, str part, str rule):
    """The error for the word that was read last."""
    return SnapshotError("snapshot", rule, part=part, byte=8 * (r.at - 1))


cdef int64_t _take(Reader* r, str part, int64_t low, int64_t high) except? -1:
    """The next word, which must lie between two bounds."""
    cdef int64_t word
    if r.at >= r.count:
        raise SnapshotError("snapshot", "ends too early", part=part, byte=8 * r.count)
    word = r.words[r.at]
    r.at += 1
    if word < low or word > high:
        raise _wrong(r, part, f"must be in [{low}, {high}], got {word}")
    return word


cdef int64_t _counted(Reader* r, str part, int64_t words) except? -1:
    """The next word, a number of rows of so many words, all of which must be there."""
    return _take(r, part, 0, (r.count - r.at) / words)


cdef int snapshot_read(object data, Book* b, Desk* d, Rules* rules, Digest* chain,
                       Names* names, object account_max) except -1:
    """Fill an empty book, desk, rules and names; to be freed even after a failure."""
    cdef Py_buffer taken
    cdef Reader r
    cdef bint external
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise InputTypeError("data", "bytes", type(data).__name__)
    data = bytes(data)          # Nobody else can write to these.
    PyObject_GetBuffer(data, &taken, PyBUF_SIMPLE)
    try:
        r.words = <const int64_t*>taken.buf
        r.at = 0
        r.count = taken.len // 8
        _read_header(&r, data)
        _read_book(&r, b, rules, ACCOUNT_LIMIT if account_max is None else account_max)
        _read_desk(&r, b, d, rules)
        _read_stops(&r, b, d, rules)
        chain.a = <uint64_t>_take(&r, "chain", INT64_MIN, INT64_MAX)
        chain.b = <uint64_t>_take(&r, "chain", INT64_MIN, INT64_MAX)
        external = _read_names(&r, b, d, names)
        if r.at != r.count:
            raise SnapshotError("snapshot", "goes on after its end", byte=8 * r.at)
        _judge(&r, b, d, names, external)
    finally:
        PyBuffer_Release(&taken)
    return external


cdef int _read_header(Reader* r, bytes data) except -1:
    cdef Digest digest
    if r.count < HEADER or r.words[0] != MAGIC:
        raise SnapshotError("snapshot", "is no book of ordercascade", part="header", byte=0)
    if <int32_t>r.words[1] != BYTE_ORDER:
        raise SnapshotError("snapshot", "is of another byte order", part="header", byte=8)
    if r.words[1] >> 32 != VERSION:
        rule = f"is version {r.words[1] >> 32}, this build reads {VERSION}"
        raise SnapshotError("snapshot", rule, part="header", byte=8)
    if len(data) % 8 or r.words[2] != r.count - HEADER:
        rule = f"must be {8 * (r.words[2] + HEADER)} bytes long, got {len(data)}"
        raise SnapshotError("snapshot", rule, part="header", byte=16)
    _digest_words(r.words + HEADER, r.count - HEADER, &digest)
    if r.words[3] != <int64_t>digest.a or r.words[4] != <int64_t>digest.b:
        raise SnapshotError("snapshot", "is damaged: its digest differs", part="header", byte=24)
    r.at = HEADER
    return 0


cdef int _read_book(Reader* r, Book* b, Rules* rules, int64_t account_max) except -1:
    cdef int64_t used, i
    cdef int side
    rules.price_max = _take(r, "price_max", 1, TICK_MAX)
    book_init(b, rules.price_max, _take(r, "order_max", 1, (1 << 30) - 1))
    rules.account_max = _take(r, "account_max", 0, TICK_MAX)
    if rules.account_max > account_max:
        raise _wrong(r, "account_max", f"must be at most account_max={account_max}")
    b.changed = _take(r, "changed", 0, (1 << 62))
    used = _take(r, "slots", 0, b.order_max)
    # Each slot has a word further on, so no more memory is taken than the bytes account for.
    if used > r.count - r.at:
        raise _wrong(r, "slots", f"must have a generation each, got {used}")
    if used:                    # C's memset must not be given NULL, not even for nothing.
        slots_load(b, <int32_t>used)
    for side in range(2):
        for i in range(_counted(r, "orders", 5)):
            _read_queued(r, b, rules, side)
    for i in range(used):
        order_at(b, i).generation = <int32_t>_take(r, "generation", 1, INT32_MAX)
    return _read_free(r, b)


cdef int32_t _read_order(Reader* r, Book* b, const Rules* rules, int side, str part) except -1:
    """An order's words but for its place: its slot is claimed, its price and size are set."""
    cdef int64_t slot = _take(r, part + " slot", 0, b.used - 1)
    cdef int64_t price, size, account, flags
    if order_at(b, slot).size:
        raise _wrong(r, part + " slot", f"slot {slot} holds two orders")
    price = _take(r, part + " price", 1, b.price_max)
    size = _take(r, part + " size", 1, LOT_MAX)
    account = _take(r, part + " account", 0, rules.account_max)
    flags = _take(r, part + " flags", 0, 255)
    if flags & ~FLAGS or (flags & 5) == 4 or (flags & 32 and flags & 24):
        raise _wrong(r, part + " flags", f"must be flags of a resting order, got {flags}")
    room_to_rest(b, price, <int32_t>account)
    slot_load(b, <int32_t>slot, side, <int32_t>account, <int>flags)
    order_at(b, slot).price = <int32_t>price
    order_at(b, slot).size = size
    return <int32_t>slot


cdef int _read_queued(Reader* r, Book* b, const Rules* rules, int side) except -1:
    cdef int32_t slot = _read_order(r, b, rules, side, "order")
    cdef Order order = order_at(b, slot)[0]
    if side == ASK and order.price <= b.best[BID]:
        rule = f"is crossed: best bid {b.best[BID]} >= best ask {order.price}"
        raise _wrong(r, "orders", rule)
    if level_of(b, order.price).size > LEVEL_MAX - order.size:
        raise _wrong(r, "orders", f"the level at {order.price} holds more than 2**62 lots")
    queue_put(b, slot, side, order.price, order.size)
    return 0


cdef int _read_free(Reader* r, Book* b) except -1:
    """The free list, which must name every slot without an order once, but for those worn out.

    Slots of orders in the pen are not known yet: their loading finds them on the list.
    """
    cdef int64_t count = _counted(r, "free list", 1)
    cdef int32_t before = NIL
    cdef int64_t slot
    for _ in range(count):
        slot = _take(r, "free list", 0, b.used - 1)
        if order_at(b, slot).size or order_at(b, slot).penned:
            raise _wrong(r, "free list", f"slot {slot} is named twice or holds an order")
        order_at(b, slot).penned = 2    # Seen; taken back below.
        if before == NIL:
            b.free = <int32_t>slot
        else:
            order_at(b, before).next = <int32_t>slot
        before = <int32_t>slot
    if before != NIL:
        order_at(b, before).next = NIL
    slot = b.free
    while slot != NIL:
        order_at(b, slot).penned = 0
        slot = order_at(b, slot).next
    return 0


cdef int _read_desk(Reader* r, Book* b, Desk* d, const Rules* rules) except -1:
    cdef Extra x
    cdef int64_t slot, i
    cdef int side
    d.last = _take(r, "last", 0, b.price_max)
    d.mark = _take(r, "mark", 0, b.price_max)
    d.time_ns = _take(r, "time_ns", 0, INT64_MAX)
    d.fire_max = _take(r, "fire_max", 1, 1 << 30)
    d.sequence = _take(r, "sequence", 0, 1 << 62)
    d.collecting = _take(r, "collecting", 0, 1)
    extras_at = r.at
    for i in range(_counted(r, "extras", 4)):
        r.at += 4       # Their orders may stand in the pen, which follows.
    for i in range(_counted(r, "pen", 6) if d.collecting else _take(r, "pen", 0, 0)):
        side = <int>_take(r, "pen side", 0, 1)
        slot = _read_order(r, b, rules, side, "pen")
        pen_load(b, d, <int32_t>slot)
    pen_end = r.at
    r.at = extras_at
    for i in range(_counted(r, "extras", 4)):
        slot = _take(r, "extra slot", 0, b.used - 1)
        x.reserve = _take(r, "reserve", 0, LOT_MAX)
        x.display = _take(r, "display", 0, LOT_MAX)
        x.expires_ns = _take(r, "expires_ns", 0, INT64_MAX)
        if not order_at(b, slot).size or desk_reserve(d, slot) or not (x.display or x.expires_ns):
            raise _wrong(r, "extras", f"slot {slot} needs one order with display or expiry")
        if x.reserve > 1024 * x.display or x.reserve + order_at(b, slot).size > LOT_MAX:
            raise _wrong(r, "extras", f"slot {slot} hides too much")
        extra_load(b, d, <int32_t>slot, &x)
    r.at = pen_end
    return 0


cdef int _read_stops(Reader* r, Book* b, Desk* d, const Rules* rules) except -1:
    cdef int64_t used = _counted(r, "stops", 2)
    cdef int64_t slot
    if used > b.order_max:
        raise _wrong(r, "stops", f"must be at most order_max={b.order_max}, got {used}")
    d.stops = <Stop*>slab_grow(d.stops, &d.stop_rows, used, sizeof(Stop))
    for slot in range(used):
        d.stop_used += 1
        _read_stop(r, d, rules, slot)
    _judge_turns(b, d)
    return _read_stop_free(r, d)


cdef int _judge_turns(Book* b, const Desk* d) except -1:
    """No two stops have arrived at once."""
    cdef int64_t count = 0
    cdef int64_t i
    b.ids = <int64_t*>slab_grow(b.ids, &b.id_capacity, d.stop_used, sizeof(int64_t))
    for i in range(d.stop_used):
        if d.stops[i].state == WAITING:
            b.ids[count] = d.stops[i].sequence
            count += 1
    ids_sort(b.ids, count)
    for i in range(1, count):
        if b.ids[i] == b.ids[i - 1]:
            rule = f"two stops have arrived as number {b.ids[i]}"
            raise SnapshotError("snapshot", rule, part="stops")
    return 0


cdef int _read_stop(Reader* r, Desk* d, const Rules* rules, int64_t slot) except -1:
    cdef Stop* stop = d.stops + slot
    cdef Wide row
    cdef int64_t word
    stop.generation = <int32_t>_take(r, "stop generation", 1, INT32_MAX)
    if _take(r, "stop state", FREE, WAITING) == FREE:
        return 0
    memset(&row, 0, sizeof(Wide))
    stop.sequence = _take(r, "stop sequence", 0, d.sequence - 1)
    row.trigger = _take(r, "stop trigger", 1, rules.price_max)
    row.price = _take(r, "stop price", 0, rules.price_max)
    row.size = _take(r, "stop size", 1, LOT_MAX)
    row.display = _take(r, "stop display", 0, row.size)
    row.expires_ns = _take(r, "stop expires_ns", 0, INT64_MAX)
    row.account = <int32_t>_take(r, "stop account", 0, rules.account_max)
    word = _take(r, "stop", 0, (1 << 40) - 1)
    row.type = word & 255
    row.side = word >> 8 & 255
    row.tif = word >> 16 & 255
    row.flags = word >> 24 & 255
    row.by = word >> 32
    if row.type not in (DO_STOP, DO_TAKE_PROFIT) or wide_broken(rules, &row):
        raise _wrong(r, "stop", "must be one that a book takes")
    if row.expires_ns and row.expires_ns <= d.time_ns:
        raise _wrong(r, "stop", f"has expired at {row.expires_ns}")
    return waiting_load(d, slot, &row)


cdef int _read_stop_free(Reader* r, Desk* d) except -1:
    cdef int64_t count = _counted(r, "free list of stops", 1)
    cdef int32_t before = NIL
    cdef int64_t slot
    for _ in range(count):
        slot = _take(r, "free list of stops", 0, d.stop_used - 1)
        if d.stops[slot].state != FREE or d.stops[slot].next:
            raise _wrong(r, "free list of stops", f"slot {slot} is named twice or holds a stop")
        d.stops[slot].next = NIL        # The rows were cleared: 0 is not seen yet.
        if before == NIL:
            d.stop_free = <int32_t>slot
        else:
            d.stops[before].next = <int32_t>slot + 1
        before = <int32_t>slot
    slot = d.stop_free
    while slot != NIL:
        if d.stops[slot].next > 0:
            d.stops[slot].next -= 1
        slot = d.stops[slot].next
    return 0


cdef int _read_names(Reader* r, Book* b, Desk* d, Names* names) except -1:
    """Return whether there are any."""
    cdef int64_t slot, i, name
    cdef int64_t last = 0
    cdef int kind = <int>_take(r, "names", 0, 2)
    if kind == 0:
        return 0
    for slot in range(b.used):
        if order_at(b, slot).size:
            _read_name(r, b, d, names, order_id_of(b, slot))
    for slot in range(d.stop_used):
        if d.stops[slot].state == WAITING:
            _read_name(r, b, d, names, stop_id_of(d, slot))
    if kind == 2:
        names.strict = True
        for i in range(_counted(r, "spent", 1)):
            name = _take(r, "spent", 1, INT64_MAX)
            if name <= last or name_spend(names, name):
                raise _wrong(r, "spent", f"name {name} stands twice or out of order")
            last = name
    return 1


cdef int _read_name(Reader* r, Book* b, Desk* d, Names* names, int64_t own) except -1:
    cdef int64_t name = _take(r, "name", 1, INT64_MAX)
    if name_load(b, d, names, own, name):
        raise _wrong(r, "name", f"name {name} stands for two orders")
    return 0


cdef int _judge(const Reader* r, const Book* b, const Desk* d, const Names* names,
                bint external) except -1:
    """All that holds between the parts, and the state hash."""
    cdef Digest digest
    cdef int broken = desk_check(b, d) or stops_check(b, d)
    if broken:
        raise SnapshotError("snapshot", f"breaks rule {broken} of a book", part="book", byte=0)
    _state(b, d, names, external, &digest)
    if r.words[5] != <int64_t>digest.a or r.words[6] != <int64_t>digest.b:
        raise SnapshotError("snapshot", "has another state hash than its book", part="header",
                            byte=40)
    return 0
