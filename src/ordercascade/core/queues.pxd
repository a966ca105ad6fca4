# The machinery under the book: the rows of orders, levels and accounts, and the rings that join them.
#
# Queues and account lists are rings through a row of their owner (`~row` in a link), so that taking
# an order out is four plain stores with no case for a first or last one. Both sides share one ladder:
# a book is never crossed, so every level below the best ask is a bid.
from libc.stdint cimport INT32_MAX, INT64_MAX, int32_t, int64_t, uint8_t, uint16_t
from libc.string cimport memset
from cpython.mem cimport PyMem_RawFree, PyMem_RawRealloc
from ordercascade.core.check cimport oc_check
from ordercascade.core.digest cimport Digest, digest_word
from ordercascade.core.ladder cimport (
    PAGE_BITS, Ladder, ladder_above, ladder_below, ladder_clear, ladder_copy, ladder_find,
    ladder_free, ladder_init, ladder_page, ladder_row, ladder_set,
)
from ordercascade.core.records cimport ASK, BID, Fill, LevelChange
from ordercascade.core.slab cimport NIL, slab_copy, slab_grow
from ordercascade.core.units cimport LEVEL_MAX, Lot, Tick, larger

cdef extern from *:
    """
    /* One of two rows by the sign of a handle. It is a toss-up, so select and do not branch. */
    static inline void *oc_row(int32_t handle, void *order, void *owner) {
        uintptr_t mask = (uintptr_t)(intptr_t)(handle >> 31);
        return (void *)(((uintptr_t)order & ~mask) | ((uintptr_t)owner & mask));
    }
    """
    void* oc_row(int32_t handle, void* order, void* owner) noexcept nogil

cdef enum:
    EIGHTHS = 8                 # slab_grow makes 8 rows at least: 8 eighths are one page
    EIGHTH = 512

ctypedef struct Order:      # 32 bytes
    int32_t next            # later in the queue; ~row of the level at its end; next free slot
    int32_t prev            # earlier in the queue; ~row of the level at its start
    Lot size                # open lots; 0 = the slot is free
    int32_t price
    int32_t account
    int32_t generation
    uint8_t side
    uint8_t flags
    uint16_t pad

ctypedef struct Level:      # 16 bytes, one a tick of a used page
    int32_t next            # first order, meaningful while size > 0
    int32_t prev            # last order
    Lot size                # sum of the open lots; 0 = empty

ctypedef struct Peer:       # 8 bytes beside each order: the ring of its account's orders
    int32_t next            # ~account where the ring passes the account's own row
    int32_t prev

ctypedef struct Book:
    Order* orders
    Peer* peers             # of orders, by slot
    Peer* accounts          # of accounts: where each ring starts and ends
    Level* levels           # the ladder's rows
    Tick best[2]            # by side; empty: 0 for bids, price_max + 1 for asks
    int64_t count           # resting orders
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
    int64_t order_capacity
    int64_t peer_capacity   # grown after `orders`, so this many slots are usable
    int64_t account_count   # rows of `accounts`
    int64_t level_capacity  # of `levels`, in eighths of a page
    int64_t* ids            # scratch of book_cancel_all
    int64_t id_capacity


# ------------------------------------------------------------------ slots, queues, levels

cdef inline int64_t order_id_of(const Book* b, int32_t slot) noexcept nogil:
    return (<int64_t>b.orders[slot].generation << 32) | slot


cdef inline int32_t slot_of(const Book* b, int64_t order_id) noexcept nogil:
    """The slot of a resting order, or NIL: any 64 bits may be asked for."""
    cdef int64_t slot = order_id & <int64_t>0xFFFFFFFF
    if slot >= b.used:
        return NIL
    if b.orders[slot].generation != order_id >> 32 or b.orders[slot].size == 0:
        return NIL
    return <int32_t>slot


cdef inline int32_t* link_next(Book* b, int32_t handle) noexcept nogil:
    """Where an order, or the level ~handle, keeps its forward link: a level closes its ring."""
    return <int32_t*>oc_row(handle, &b.orders[handle].next, &b.levels[~handle].next)


cdef inline int32_t* link_prev(Book* b, int32_t handle) noexcept nogil:
    return <int32_t*>oc_row(handle, &b.orders[handle].prev, &b.levels[~handle].prev)


cdef inline Peer* link_peer(Book* b, int32_t handle) noexcept nogil:
    return <Peer*>oc_row(handle, b.peers + handle, b.accounts + ~handle)


cdef inline int32_t slot_claim(Book* b, int side, int32_t account, int flags) noexcept nogil:
    """Take a prepared slot and enter it among its account's orders."""
    cdef int32_t slot = b.free
    cdef Peer* start = b.accounts + account
    cdef Order* order
    if slot == NIL:
        slot = b.used
        b.used += 1
        b.orders[slot].generation = 1
    else:
        b.free = b.orders[slot].next
    order = b.orders + slot
    order.account = account
    order.side = side
    order.flags = flags
    b.peers[slot].next = start.next
    b.peers[slot].prev = ~account
    link_peer(b, start.next).prev = slot
    start.next = slot
    b.count += 1
    return slot


cdef inline void slot_release(Book* b, int32_t slot) noexcept nogil:
    """Give a slot back. One whose generations are used up is never given out again."""
    cdef Order* order = b.orders + slot
    cdef const Peer* peer = b.peers + slot
    link_peer(b, peer.next).prev = peer.prev
    link_peer(b, peer.prev).next = peer.next
    b.count -= 1
    order.size = 0
    if order.generation < INT32_MAX:
        order.generation += 1
        order.next = b.free
        b.free = slot


cdef inline void queue_append(Book* b, int32_t slot, Tick price, Lot size) noexcept nogil:
    """Put an order at the end of the queue of its price, whose page exists."""
    cdef int64_t row = ladder_row(&b.ladder, price)
    cdef Level* level = b.levels + row
    cdef Order* order = b.orders + slot
    cdef int32_t end = ~<int32_t>row
    if level.size == 0:
        level.next = level.prev = end
        level_occupy(b, order.side, price)
    order.price = <int32_t>price
    order.size = size
    order.next = end
    order.prev = level.prev
    link_next(b, level.prev)[0] = slot
    level.prev = slot
    level.size += size


cdef inline void queue_unlink(Book* b, const Order* order) noexcept nogil:
    """Take an order out of its queue."""
    cdef Level* level = b.levels + ladder_row(&b.ladder, order.price)
    link_next(b, order.prev)[0] = order.next
    link_prev(b, order.next)[0] = order.prev
    level.size -= order.size
    if level.size == 0:
        level_vacate(b, order.side, order.price)


cdef inline void level_occupy(Book* b, int side, Tick price) noexcept nogil:
    ladder_set(&b.ladder, price)
    if (price - b.best[side]) * (1 - 2 * side) > 0:
        b.best[side] = price


cdef inline void level_vacate(Book* b, int side, Tick price) noexcept nogil:
    ladder_clear(&b.ladder, price)
    if price == b.best[side]:
        b.best[side] = level_worse(b, side, price)


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
    if b.record:
        change = b.changes + b.change_count
        change.price = price
        change.size_after = b.levels[ladder_row(&b.ladder, price)].size
        change.side = side
        b.change_count += 1


# ------------------------------------------------------------------ room, made before a change

cdef inline bint pool_full(const Book* b) noexcept nogil:
    return b.free == NIL and b.used == b.order_max


cdef inline int room_to_rest(Book* b, Tick price, int32_t account) except -1 nogil:
    """Make room for one more order to rest."""
    if b.free == NIL and b.used == b.peer_capacity:
        b.orders = <Order*>slab_grow(b.orders, &b.order_capacity, b.used + 1, sizeof(Order))
        b.peers = <Peer*>slab_grow(b.peers, &b.peer_capacity, b.used + 1, sizeof(Peer))
    if account >= b.account_count:
        room_accounts(b, account)
    return room_page(b, price)


cdef inline int room_page(Book* b, Tick price) except -1 nogil:
    if b.ladder.slot[price >> PAGE_BITS] == NIL:
        # The levels grow first: a page must not exist without its rows.
        b.levels = <Level*>slab_grow(b.levels, &b.level_capacity, (b.ladder.slots + 1) * EIGHTHS,
                                     EIGHTH * sizeof(Level))
        ladder_page(&b.ladder, price)
    return 0


cdef inline int room_accounts(Book* b, int32_t account) except -1 nogil:
    cdef int64_t i = b.account_count
    b.accounts = <Peer*>slab_grow(b.accounts, &b.account_count, account + 1, sizeof(Peer))
    while i < b.account_count:
        b.accounts[i].next = b.accounts[i].prev = ~<int32_t>i
        i += 1
    return 0


cdef inline int room_fills(Book* b) except -1 nogil:
    """Make room for all an order can do: it trades with each resting order once at most."""
    if b.fill_count + b.count > b.fill_capacity:
        b.fills = <Fill*>room_grow(b.fills, &b.fill_capacity, b.fill_count + b.count, sizeof(Fill))
    return room_changes(b, b.count + 2)


cdef inline int room_changes(Book* b, int64_t count) except -1 nogil:
    if b.record and b.change_count + count > b.change_capacity:
        b.changes = <LevelChange*>room_grow(b.changes, &b.change_capacity, b.change_count + count,
                                        sizeof(LevelChange))
    return 0


cdef inline void* room_grow(void* rows, int64_t* capacity, int64_t need, int64_t row_bytes) except NULL nogil:
    """Like slab_grow without the zeroes: much is reserved that is never touched."""
    cdef int64_t wanted = larger(need, 2 * capacity[0])
    cdef void* grown = PyMem_RawRealloc(rows, <size_t>(wanted * row_bytes))
    if grown == NULL:
        with gil:
            raise MemoryError()
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
    PyMem_RawFree(b.orders)
    PyMem_RawFree(b.peers)
    PyMem_RawFree(b.accounts)
    PyMem_RawFree(b.levels)
    PyMem_RawFree(b.fills)
    PyMem_RawFree(b.changes)
    PyMem_RawFree(b.ids)
    memset(b, 0, sizeof(Book))


cdef inline int book_copy(Book* to, const Book* b) except -1 nogil:
    """Copy the state, not the fills and changes; to be freed even after a failure."""
    to[0] = b[0]
    memset(&to.ladder, 0, sizeof(Ladder))
    to.orders = NULL
    to.peers = to.accounts = NULL
    to.levels = NULL
    to.fills = NULL
    to.changes = NULL
    to.ids = NULL
    to.fill_count = to.fill_capacity = to.change_count = to.change_capacity = to.id_capacity = 0
    ladder_copy(&to.ladder, &b.ladder)
    to.orders = <Order*>slab_copy(b.orders, b.order_capacity, sizeof(Order))
    to.peers = <Peer*>slab_copy(b.peers, b.peer_capacity, sizeof(Peer))
    to.accounts = <Peer*>slab_copy(b.accounts, b.account_count, sizeof(Peer))
    to.levels = <Level*>slab_copy(b.levels, b.level_capacity, EIGHTH * sizeof(Level))
    return 0


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
    return 0 if row == NIL else b.levels[row].size


cdef inline Lot book_total(const Book* b, int side) noexcept nogil:
    """The open lots of a side, INT64_MAX where they are more than that."""
    cdef Tick price = b.best[side]
    cdef Lot total = 0
    cdef Lot size
    while price != side_none(b, side):
        size = b.levels[ladder_row(&b.ladder, price)].size
        total = INT64_MAX if total > INT64_MAX - size else total + size
        price = level_worse(b, side, price)
    return total


cdef inline Lot book_open(const Book* b, int32_t account, int side) noexcept nogil:
    """The open lots of an account on a side."""
    cdef Lot total = 0
    cdef int32_t slot
    if account >= b.account_count:
        return 0
    slot = b.accounts[account].next
    while slot >= 0:
        if b.orders[slot].side == side:
            total += b.orders[slot].size
        slot = b.peers[slot].next
    return total


cdef inline int64_t book_orders(const Book* b) noexcept nogil:
    return b.count


cdef inline const Order* book_find(const Book* b, int64_t order_id) noexcept nogil:
    cdef int32_t slot = slot_of(b, order_id)
    return NULL if slot == NIL else b.orders + slot


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
    if orders != b.count:
        return 6
    for row in range(b.ladder.slots << PAGE_BITS):
        levels -= b.levels[row].size != 0
    if levels != 0:
        return 7
    broken = _check_accounts(b)
    return broken if broken else _check_free(b)


cdef inline int _check_side(const Book* b, int side, int64_t* orders, int64_t* levels) noexcept nogil:
    """Every level of a side is a queue of open orders that add up to its total."""
    cdef Tick price = b.best[side]
    cdef const Order* order
    cdef const Level* level
    cdef int64_t row
    cdef int32_t before, slot
    cdef Lot total
    while price != side_none(b, side):
        row = ladder_row(&b.ladder, price)
        level = b.levels + row
        before = ~<int32_t>row
        slot = level.next
        total = 0
        if level.size <= 0:
            return 2
        while slot >= 0:
            order = b.orders + slot
            if slot >= b.used or order.prev != before or orders[0] > b.count:
                return 3
            if order.price != price or order.side != side or order.size <= 0:
                return 4
            total += order.size
            orders[0] += 1
            before = slot
            slot = order.next
        if slot != ~<int32_t>row or level.prev != before:
            return 3
        if total != level.size or total > LEVEL_MAX:
            return 5
        levels[0] += 1
        price = level_worse(b, side, price)
    return 0


cdef inline int _check_accounts(const Book* b) noexcept nogil:
    """Every resting order is in the ring of its account, once."""
    cdef int64_t orders = 0
    cdef int64_t account
    cdef int32_t before, slot
    for account in range(b.account_count):
        before = ~<int32_t>account
        slot = b.accounts[account].next
        while slot >= 0:
            if slot >= b.used or b.peers[slot].prev != before or orders >= b.count:
                return 8
            if b.orders[slot].account != account or b.orders[slot].size <= 0:
                return 8
            orders += 1
            before = slot
            slot = b.peers[slot].next
        if slot != ~<int32_t>account or b.accounts[account].prev != before:
            return 8
    return 0 if orders == b.count else 9


cdef inline int _check_free(const Book* b) noexcept nogil:
    """Every slot rests, waits in the free list, or is worn out."""
    cdef int64_t left = b.used - b.count
    cdef int32_t slot = b.free
    while slot != NIL:
        if slot < 0 or slot >= b.used or b.orders[slot].size != 0 or left <= 0:
            return 10
        left -= 1
        slot = b.orders[slot].next
    for slot in range(b.used):
        left -= b.orders[slot].size == 0 and b.orders[slot].generation == INT32_MAX
    return 0 if left == 0 else 10


cdef inline void book_digest(const Book* b, Digest* d) noexcept nogil:
    """Fold in the queues by side and price, and all that future ids depend on."""
    cdef Tick price
    cdef int32_t slot
    cdef int side
    digest_word(d, b.price_max)
    digest_word(d, b.order_max)
    digest_word(d, b.changed)
    for side in range(2):
        price = b.best[side]
        while price != side_none(b, side):
            slot = b.levels[ladder_row(&b.ladder, price)].next
            while slot >= 0:
                _digest_order(b.orders + slot, slot, d)
                slot = b.orders[slot].next
            price = level_worse(b, side, price)
    slot = b.free
    while slot != NIL:
        digest_word(d, slot)
        slot = b.orders[slot].next
    digest_word(d, b.used)
    for slot in range(b.used):
        digest_word(d, b.orders[slot].generation)


cdef inline void _digest_order(const Order* order, int32_t slot, Digest* d) noexcept nogil:
    digest_word(d, slot)
    digest_word(d, order.price)
    digest_word(d, order.size)
    digest_word(d, order.account)
    digest_word(d, order.side << 8 | order.flags)
