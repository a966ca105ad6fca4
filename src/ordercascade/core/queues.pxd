# The machinery under the book: rows of orders, levels and accounts, and the rings that join them.
#
# A queue is a ring through its level's row, an account's orders are a ring through the account's
# row: taking an order out is the same few stores wherever it stands. Both sides share one ladder,
# since a book is never crossed: every level below the best ask is a bid.
from libc.stdint cimport INT32_MAX, int32_t, int64_t, uint8_t, uint16_t
from libc.string cimport memset
from cpython.mem cimport PyMem_RawFree, PyMem_RawRealloc
from ordercascade.core.check cimport oc_check
from ordercascade.core.digest cimport Digest, digest_word
from ordercascade.core.ends cimport Ends, ends_copy, ends_free, ends_grow
from ordercascade.core.ladder cimport (
    PAGE, PAGE_BITS, Ladder, ladder_above, ladder_below, ladder_clear, ladder_copy, ladder_find,
    ladder_free, ladder_init, ladder_page, ladder_row, ladder_set,
)
from ordercascade.core.records cimport ASK, BID, Fill, LevelChange
from ordercascade.core.slab cimport NIL, oc_wide_pages
from ordercascade.core.units cimport LEVEL_MAX, Lot, Tick, larger

cdef extern from *:
    """
    /* The first half of an order's row is reached as a Level too, along a ring: may_alias. */
    typedef struct {
        int32_t next, prev;
        int64_t size;
    } __attribute__((may_alias)) oc_level;
    #ifndef OC_ROWS_MIN
    #define OC_ROWS_MIN 64      /* Less in the fuzzer's build, so that tables grow there. */
    #endif
    #define oc_rarely(c) __builtin_expect(!!(c), 0)
    #define OC_ELSEWHERE INT64_MIN      /* No result: a plain book does not do this. */
    """
    enum:
        ORDERS_MIN "OC_ROWS_MIN"    # rows made at first; doubled from there
        ACCOUNTS_MIN "OC_ROWS_MIN"
    const int64_t ELSEWHERE "OC_ELSEWHERE"
    bint oc_rarely(bint condition) noexcept nogil
    ctypedef struct Level "oc_level":   # 16 bytes, one a tick of a used page
        int32_t next        # first order, meaningful while size > 0
        int32_t prev        # last order
        Lot size            # sum of the open lots; 0 = empty

cdef enum:
    SLOT_MASK = 0xFFFFFFFF  # of an order id

ctypedef struct Order:      # 32 bytes
    int32_t next            # link: the next in the queue, the level after the last; next free slot
    int32_t prev            # link: the one before, the level before the first
    Lot size                # open lots; 0 = the slot is free
    int32_t price
    int32_t account
    int32_t generation
    uint8_t side
    uint8_t flags
    uint16_t penned         # 1: collected for an auction, in no queue

ctypedef struct Peer:       # 8 bytes an order, and an account
    int32_t next            # slot of an order, or ~account
    int32_t prev

ctypedef struct Book:
    Ends rows               # in cells of 16 bytes: order `slot` at 2 * slot, level `row` at ~row
    Ends ring               # in Peers: order `slot` at slot, account a at ~a
    Tick best[2]            # by side; empty: 0 for bids, price_max + 1 for asks
    int64_t count           # resting orders
    int64_t penned          # of these, outside every queue: collected for an auction
    int64_t changed         # operations that changed a level: a version number
    Fill* fills             # appended by every operation until book_clear()
    int64_t fill_count
    int64_t fill_capacity
    int32_t free            # slots to use next, last freed first
    int32_t used            # slots ever used
    bint record             # append to `changes`, one row a level and operation
    Tick price_max
    Ladder ladder
    LevelChange* changes
    int64_t change_count
    int64_t change_capacity
    int64_t order_max
    int64_t account_count   # accounts with a row
    int64_t* ids            # scratch of book_cancel_all
    int64_t id_capacity


# ------------------------------------------------------------------ slots, queues, levels

cdef inline Level* level_at(const Book* b, int64_t row) noexcept nogil:
    return <Level*>b.rows.middle + ~row


cdef inline Level* level_of(const Book* b, Tick price) noexcept nogil:
    """The level of a price whose page exists."""
    return level_at(b, ladder_row(&b.ladder, price))


cdef inline Order* order_at(const Book* b, int64_t slot) noexcept nogil:
    return <Order*>b.rows.middle + slot


cdef inline int64_t order_id_of(const Book* b, int64_t slot) noexcept nogil:
    return (<int64_t>order_at(b, slot).generation << 32) | slot


cdef inline int64_t slot_of(const Book* b, int64_t order_id) noexcept nogil:
    """The slot of a resting order, or NIL: any 64 bits may be asked for."""
    cdef int64_t slot = order_id & SLOT_MASK
    if slot >= b.used:
        return NIL
    if order_at(b, slot).generation != order_id >> 32 or order_at(b, slot).size == 0:
        return NIL
    return slot


cdef inline int32_t slot_claim(Book* b, int side, int32_t account, int flags) noexcept nogil:
    """Take a prepared slot and enter it among its account's orders."""
    cdef Peer* ring = <Peer*>b.ring.middle
    cdef Peer* owner = ring + ~<int64_t>account
    cdef int32_t slot = b.free
    cdef int32_t first = owner.next
    cdef Order* order
    if oc_rarely(slot == NIL):
        slot = b.used
        b.used += 1
        order = order_at(b, slot)
        order.generation = 1
        order.penned = 0
    else:
        order = order_at(b, slot)
        b.free = order.next
    order.account = account
    order.side = side
    order.flags = flags
    owner.next = slot
    ring[slot].next = first
    ring[slot].prev = ~account
    ring[first].prev = slot
    b.count += 1
    return slot


cdef inline void slot_release(Book* b, int32_t slot) noexcept nogil:
    """Give a slot back. One whose generations are used up is never given out again."""
    cdef Order* order = order_at(b, slot)
    cdef Peer* ring = <Peer*>b.ring.middle
    cdef Peer peer = ring[slot]
    ring[peer.next].prev = peer.prev
    ring[peer.prev].next = peer.next
    b.count -= 1
    order.size = 0
    if order.generation < INT32_MAX:
        order.generation += 1
        order.next = b.free
        b.free = slot


cdef inline int slots_load(Book* b, int32_t used) except -1 nogil:
    """Make so many slots of a new book, none of them resting or free yet."""
    ends_grow(&b.ring, 0, used * <int64_t>sizeof(Peer))
    ends_grow(&b.rows, 0, used * <int64_t>sizeof(Order))
    memset(order_at(b, 0), 0, used * sizeof(Order))
    b.used = used
    return 0


cdef inline void slot_load(Book* b, int32_t slot, int side, int32_t account,
                           int flags) noexcept nogil:
    """Enter a loaded slot among its account's orders; room was made."""
    cdef Peer* ring = <Peer*>b.ring.middle
    cdef Peer* owner = ring + ~<int64_t>account
    cdef int32_t first = owner.next
    cdef Order* order = order_at(b, slot)
    order.account = account
    order.side = side
    order.flags = flags
    owner.next = slot
    ring[slot].next = first
    ring[slot].prev = ~account
    ring[first].prev = slot
    b.count += 1


cdef inline Tick side_none(const Book* b, int side) noexcept nogil:
    """The best price of an empty side: beyond every limit of the other one."""
    return side * (b.price_max + 1)


cdef inline Tick level_worse(const Book* b, int side, Tick price) noexcept nogil:
    """The next occupied level of a side behind `price`."""
    cdef Tick found
    if side == BID:
        found = ladder_below(&b.ladder, price)
    else:
        found = ladder_above(&b.ladder, price)
    return side_none(b, side) if found == NIL else found


cdef inline void level_note(Book* b, int side, Tick price) noexcept nogil:
    """Record the level's total, where somebody listens; room was reserved."""
    cdef LevelChange* change
    if oc_rarely(b.record):
        change = b.changes + b.change_count
        change.price = price
        change.size_after = level_of(b, price).size
        change.side = side
        b.change_count += 1


# ------------------------------------------------------------------ room, made before a change

cdef inline bint pool_full(const Book* b) noexcept nogil:
    return b.free == NIL and b.used == b.order_max


cdef inline bint room_ready(const Book* b, Tick price, int32_t account) noexcept nogil:
    """Whether one more order can rest without any growth: nearly always."""
    return (
        (b.free != NIL)
        & (account < b.account_count)
        & (b.ladder.slot[price >> PAGE_BITS] != NIL)
    )


cdef inline int room_to_rest(Book* b, Tick price, int32_t account) except -1 nogil:
    """Make room for one more order to rest."""
    if b.free == NIL and (b.used + 1) * <int64_t>sizeof(Order) > b.rows.above:
        _grow_orders(b)
    if account >= b.account_count:
        _grow_accounts(b, account)
    return room_page(b, price)


cdef inline int room_page(Book* b, Tick price) except -1 nogil:
    cdef int64_t rows
    if oc_rarely(b.ladder.slot[price >> PAGE_BITS] == NIL):
        # The levels grow first: a page must not exist without its rows.
        rows = (b.ladder.slots + 1) * PAGE
        ends_grow(&b.rows, rows * <int64_t>sizeof(Level), 0)
        memset(level_at(b, rows - 1), 0, PAGE * sizeof(Level))
        ladder_page(&b.ladder, price)
    return 0


cdef inline int _grow_orders(Book* b) except -1 nogil:
    """The ring grows first: what `rows` has room for has its Peer."""
    cdef int64_t count = larger(2 * <int64_t>b.used, ORDERS_MIN)
    ends_grow(&b.ring, 0, count * <int64_t>sizeof(Peer))
    return ends_grow(&b.rows, 0, count * <int64_t>sizeof(Order))


cdef inline int _grow_accounts(Book* b, int32_t account) except -1 nogil:
    cdef int64_t a = b.account_count
    cdef int64_t count = larger(<int64_t>account + 1, larger(2 * a, ACCOUNTS_MIN))
    cdef Peer* row
    ends_grow(&b.ring, count * <int64_t>sizeof(Peer), 0)
    while a < count:
        row = <Peer*>b.ring.middle + ~a
        row.next = row.prev = ~<int32_t>a
        a += 1
    b.account_count = count
    return 0


cdef inline int room_fills(Book* b) except -1 nogil:
    """Make room for all an order can do: it trades with each resting order once at most."""
    if oc_rarely(b.fill_count + b.count > b.fill_capacity):
        b.fills = <Fill*>room_grow(b.fills, &b.fill_capacity, b.fill_count + b.count, sizeof(Fill))
    return room_changes(b, b.count + 2)


cdef inline int room_changes(Book* b, int64_t count) except -1 nogil:
    if oc_rarely(b.record and b.change_count + count > b.change_capacity):
        b.changes = <LevelChange*>room_grow(b.changes, &b.change_capacity, b.change_count + count,
                                        sizeof(LevelChange))
    return 0


cdef inline void* room_grow(void* rows, int64_t* capacity, int64_t need,
                            int64_t row_bytes) except NULL nogil:
    """Like slab_grow without the zeroes: much is reserved that is never touched."""
    cdef int64_t wanted = larger(need, 2 * capacity[0])
    cdef void* grown = PyMem_RawRealloc(rows, <size_t>(wanted * row_bytes))
    if grown == NULL:
        with gil:
            raise MemoryError()
    oc_wide_pages(grown, wanted * row_bytes)
    capacity[0] = wanted
    return grown


# ------------------------------------------------------------------ life

cdef inline int book_init(Book* b, Tick price_max, int64_t order_max) except -1 nogil:
    """Make an empty book for prices 1 .. price_max; to be freed even after a failure."""
    memset(b, 0, sizeof(Book))
    oc_check(price_max >= 1)
    oc_check(order_max >= 1)
    b.price_max = price_max
    b.order_max = order_max
    b.free = NIL
    b.best[ASK] = price_max + 1
    ladder_init(&b.ladder, price_max)
    return 0


cdef inline void book_free(Book* b) noexcept nogil:
    ladder_free(&b.ladder)
    ends_free(&b.rows)
    ends_free(&b.ring)
    PyMem_RawFree(b.fills)
    PyMem_RawFree(b.changes)
    PyMem_RawFree(b.ids)
    memset(b, 0, sizeof(Book))


cdef inline int book_copy(Book* to, const Book* b) except -1 nogil:
    """Copy the state, not the fills and changes; to be freed even after a failure."""
    to[0] = b[0]
    memset(&to.ladder, 0, sizeof(Ladder))
    memset(&to.rows, 0, sizeof(Ends))
    memset(&to.ring, 0, sizeof(Ends))
    to.fills = NULL
    to.changes = NULL
    to.ids = NULL
    to.fill_count = to.fill_capacity = to.change_count = to.change_capacity = to.id_capacity = 0
    ladder_copy(&to.ladder, &b.ladder)
    ends_copy(&to.rows, &b.rows, b.ladder.slots * PAGE * <int64_t>sizeof(Level),
              b.used * <int64_t>sizeof(Order))
    return ends_copy(&to.ring, &b.ring, b.account_count * <int64_t>sizeof(Peer),
                     b.used * <int64_t>sizeof(Peer))


cdef inline void book_clear(Book* b) noexcept nogil:
    b.fill_count = 0
    b.change_count = 0


# ------------------------------------------------------------------ queries

cdef inline Tick book_best(const Book* b, int side) noexcept nogil:
    return 0 if b.best[side] == side_none(b, side) else b.best[side]


cdef inline Tick book_next(const Book* b, int side, Tick price) noexcept nogil:
    """The occupied level behind `price` on a side, 0 = none; price 0 asks for the best."""
    cdef Tick found
    if price == 0:
        return book_best(b, side)
    found = level_worse(b, side, price)
    return 0 if found == side_none(b, side) else found


cdef inline Lot book_size_at(const Book* b, int side, Tick price) noexcept nogil:
    """The open lots at a price on a side, 0 also for a price outside the ladder."""
    cdef int64_t row
    if price < 1 or price > b.price_max or (b.best[side] - price) * (1 - 2 * side) < 0:
        return 0
    row = ladder_find(&b.ladder, price)
    return 0 if row == NIL else level_at(b, row).size


cdef inline Lot book_open(const Book* b, int32_t account, int side) noexcept nogil:
    """The open lots of an account on a side."""
    cdef const Peer* ring = <const Peer*>b.ring.middle
    cdef Lot total = 0
    cdef int64_t slot
    if account >= b.account_count:
        return 0
    slot = ring[~<int64_t>account].next
    while slot >= 0:
        if order_at(b, slot).side == side:
            total += order_at(b, slot).size
        slot = ring[slot].next
    return total


cdef inline int64_t book_orders(const Book* b) noexcept nogil:
    return b.count


cdef inline const Order* book_find(const Book* b, int64_t order_id) noexcept nogil:
    """The row of a resting order, or NULL; good until the next command."""
    cdef int64_t slot = slot_of(b, order_id)
    return NULL if slot == NIL else order_at(b, slot)


# ------------------------------------------------------------------ checks

cdef inline int book_check(const Book* b) noexcept nogil:
    """Walk everything; return 0 or the number of the rule that is broken."""
    cdef int64_t orders = 0
    cdef int64_t levels = 0
    cdef int64_t row
    cdef int side
    cdef int broken
    if b.best[BID] >= b.best[ASK]:
        return 1
    for side in range(2):
        broken = _check_side(b, side, &orders, &levels)
        if broken:
            return broken
    if orders + b.penned != b.count:
        return 6
    for row in range(b.ladder.slots << PAGE_BITS):
        levels -= level_at(b, row).size != 0
    if levels != 0:
        return 7
    broken = _check_accounts(b)
    return broken if broken else _check_free(b)


cdef inline int _check_side(const Book* b, int side, int64_t* orders,
                            int64_t* levels) noexcept nogil:
    """Every level of a side is a queue of open orders that add up to its total."""
    cdef Tick price = b.best[side]
    cdef const Order* order
    cdef const Level* level
    cdef int32_t before, link, owner
    cdef Lot total
    while price != side_none(b, side):
        level = level_of(b, price)
        owner = ~<int32_t>ladder_row(&b.ladder, price)
        before = owner
        link = level.next
        total = 0
        if level.size <= 0:
            return 2
        while link >= 0:
            order = order_at(b, link >> 1)
            if link >> 1 >= b.used or order.prev != before or orders[0] > b.count:
                return 3
            if order.price != price or order.side != side or order.size <= 0:
                return 4
            total += order.size
            orders[0] += 1
            before = link
            link = order.next
        if link != owner or level.prev != before:
            return 3
        if total != level.size or total > LEVEL_MAX:
            return 5
        levels[0] += 1
        price = level_worse(b, side, price)
    return 0


cdef inline int _check_accounts(const Book* b) noexcept nogil:
    """Every resting order is in the ring of its account, once."""
    cdef const Peer* ring = <const Peer*>b.ring.middle
    cdef int64_t orders = 0
    cdef int64_t account
    cdef int32_t before, slot
    for account in range(b.account_count):
        before = ~<int32_t>account
        slot = ring[~account].next
        while slot >= 0:
            if slot >= b.used or ring[slot].prev != before or orders >= b.count:
                return 8
            if order_at(b, slot).account != account or order_at(b, slot).size <= 0:
                return 8
            orders += 1
            before = slot
            slot = ring[slot].next
        if slot != ~<int32_t>account or ring[~account].prev != before:
            return 8
    return 0 if orders == b.count else 9


cdef inline int _check_free(const Book* b) noexcept nogil:
    """Every slot rests, waits in the free list, or is worn out."""
    cdef int64_t left = b.used - b.count
    cdef int32_t slot = b.free
    while slot != NIL:
        if slot < 0 or slot >= b.used or order_at(b, slot).size != 0 or left <= 0:
            return 10
        left -= 1
        slot = order_at(b, slot).next
    for slot in range(b.used):
        left -= order_at(b, slot).size == 0 and order_at(b, slot).generation == INT32_MAX
    return 0 if left == 0 else 10


cdef inline void book_digest(const Book* b, Digest* d) noexcept nogil:
    """Fold in the queues by side and price, and all that future ids depend on."""
    cdef Tick price
    cdef int32_t link, slot
    cdef int side
    digest_word(d, b.price_max)
    digest_word(d, b.order_max)
    digest_word(d, b.changed)
    for side in range(2):
        price = b.best[side]
        while price != side_none(b, side):
            link = level_of(b, price).next
            while link >= 0:
                _digest_order(order_at(b, link >> 1), link >> 1, d)
                link = order_at(b, link >> 1).next
            price = level_worse(b, side, price)
    slot = b.free
    while slot != NIL:
        digest_word(d, slot)
        slot = order_at(b, slot).next
    digest_word(d, b.used)
    for slot in range(b.used):
        digest_word(d, order_at(b, slot).generation)


cdef inline void _digest_order(const Order* order, int32_t slot, Digest* d) noexcept nogil:
    digest_word(d, slot)
    digest_word(d, order.price)
    digest_word(d, order.size)
    digest_word(d, order.account)
    digest_word(d, order.side << 8 | order.flags)
