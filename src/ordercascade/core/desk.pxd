# The rarer orders, beside a plain book and not inside it: icebergs, orders that expire or slide,
# and orders that must not trade with their own account. Stops: conditional.*, auctions: auction.*.
#
# A `Desk` belongs to one Book. While nothing rare rests or waits (`desk_quiet`) the book's own
# functions run, and pay nothing for all this; else every command comes here. Arguments are
# validated by the caller. The functions do not write `changes`: only venues listen to those.
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.string cimport memset
from cpython.mem cimport PyMem_RawFree
from ordercascade.core.digest cimport Digest
from ordercascade.core.heap cimport Heap, heap_copy, heap_free
from ordercascade.core.queues cimport Book, Order, order_at
from ordercascade.core.records cimport Fired, Message, Wide
from ordercascade.core.slab cimport NIL, slab_copy
from ordercascade.core.units cimport Lot, Tick, TimeNs

cdef enum:
    SLOTS = 0xFFFFFFFF      # the low half of an id
    STOP_BIT = 1 << 30      # of a stop's id: no slot of an order has it
    STP_MASK = 56           # of an order's flags
    WAITINGS = 4            # heaps of stops: last up, last down, mark up, mark down
    FREE = 0                # states of a Stop
    WAITING = 1
    DUE = 2                 # its trigger was met; it fires before the command ends

ctypedef struct Extra:      # 24 bytes a slot, all 0 for a plain order
    Lot reserve             # lots that an iceberg hides
    Lot display             # lots that it shows anew, 0 = no iceberg
    TimeNs expires_ns       # 0 = never

ctypedef struct Stop:       # 80 bytes
    int64_t sequence        # of arrival
    Tick trigger
    Tick price              # of the order that it becomes, 0 = a market order
    Lot size
    Lot display
    TimeNs expires_ns
    int32_t account
    int32_t generation
    uint8_t type            # DO_STOP or DO_TAKE_PROFIT
    uint8_t side
    uint8_t tif
    uint8_t flags
    uint8_t by
    uint8_t state
    int32_t next            # free slots, or those due

ctypedef struct Entry:      # 32 bytes: an order that could trade in an auction
    Tick price
    Lot lots
    int64_t turn
    int32_t slot
    int32_t side

ctypedef struct Desk:
    Extra* extra            # by slot, as far as `extra_rows`
    int64_t extra_rows
    int64_t special         # resting orders with an Extra
    int64_t parts           # showings that icebergs have left: bounds the fills of a command
    Lot hidden              # sum of the reserves
    Tick last               # price of the last trade, 0 = none yet
    Tick mark               # 0 = none yet
    TimeNs time_ns
    Heap expiry             # (time, id); entries of orders that are gone stay till they come up
    int64_t expiry_dead
    Stop* stops
    int64_t stop_rows
    int32_t stop_used
    int32_t stop_free
    int64_t stop_count      # waiting or due
    int64_t sequence
    Heap waiting[4]
    int64_t waiting_dead[4]
    int32_t due_first
    int32_t due_last
    Fired* fired            # of the last call
    int64_t fired_count
    int64_t fired_rows
    int64_t own_end         # fills up to here are the last command's own, the others were fired
    int64_t fire_max        # of one command; what is due beyond it is dropped
    bint collecting         # an auction's call phase
    int32_t pen_first       # orders collected, in time order, linked by slot
    int32_t pen_last
    Lot pen_lots            # all lots in the pen, hidden ones too
    Entry* entries          # scratch of auction.pyx
    int64_t entry_count
    int64_t entry_rows

ctypedef struct Taking:     # an order on its way through the other side
    int side
    Tick limit
    Lot left
    int32_t account
    int stp
    bint stopped            # what is left is cancelled
    bint touched            # the book has changed


# Commands; -1 is MemoryError, and then nothing has changed.
cdef int64_t desk_order(Book* b, Desk* d, const Wide* m) except -1 nogil
cdef int64_t desk_cancel(Book* b, Desk* d, int64_t order_id, int32_t account) except? -1 nogil
cdef int64_t desk_amend(Book* b, Desk* d, int64_t order_id, int32_t account, Tick price,
                        Lot size) except -1 nogil

# For the rooms of stops and auctions.
cdef void desk_remove(Book* b, Desk* d, int32_t slot) noexcept nogil
cdef void desk_rest(Book* b, Desk* d, int32_t slot, Tick price, Lot size) noexcept nogil
cdef void desk_cut(Book* b, Desk* d, int32_t slot, Lot lots) noexcept nogil
cdef int room_expiry(Book* b, Desk* d) except -1 nogil
cdef void pen_drop(Book* b, Desk* d, int32_t slot) noexcept nogil
cdef int extra_load(Book* b, Desk* d, int32_t slot, const Extra* x) except -1
cdef void pen_load(Book* b, Desk* d, int32_t slot) noexcept nogil
cdef int desk_check(const Book* b, const Desk* d) noexcept nogil
cdef void desk_digest(const Book* b, const Desk* d, Digest* digest) noexcept nogil


cdef inline bint desk_quiet(const Desk* d) noexcept nogil:
    """Whether a plain book does everything that can be asked."""
    return not (d.special | d.stop_count | d.collecting)


cdef inline Extra* extra_of(const Desk* d, int64_t slot) noexcept nogil:
    """The Extra of a slot, or NULL where there was never any."""
    return d.extra + slot if slot < d.extra_rows else NULL


cdef inline Lot desk_reserve(const Desk* d, int64_t slot) noexcept nogil:
    return d.extra[slot].reserve if slot < d.extra_rows else 0


cdef inline Lot desk_open(const Book* b, const Desk* d, int64_t slot) noexcept nogil:
    """All open lots of an order, shown and hidden."""
    return order_at(b, slot).size + desk_reserve(d, slot)


cdef inline int64_t stop_id_of(const Desk* d, int64_t slot) noexcept nogil:
    return (<int64_t>d.stops[slot].generation << 32) | STOP_BIT | slot


cdef inline int64_t stop_slot(const Desk* d, int64_t stop_id) noexcept nogil:
    """The slot of a stop that waits, or NIL: any 64 bits may be asked for."""
    cdef int64_t slot = (stop_id & SLOTS) ^ STOP_BIT
    if slot >= d.stop_used or d.stops[slot].generation != stop_id >> 32:
        return NIL
    return slot if d.stops[slot].state == WAITING else NIL


cdef inline void desk_init(Desk* d, int64_t fire_max) noexcept nogil:
    memset(d, 0, sizeof(Desk))
    d.fire_max = fire_max
    d.stop_free = d.due_first = d.due_last = d.pen_first = d.pen_last = NIL


cdef inline void desk_free(Desk* d) noexcept nogil:
    cdef int which
    PyMem_RawFree(d.extra)
    PyMem_RawFree(d.stops)
    PyMem_RawFree(d.fired)
    PyMem_RawFree(d.entries)
    heap_free(&d.expiry)
    for which in range(WAITINGS):
        heap_free(&d.waiting[which])
    memset(d, 0, sizeof(Desk))


cdef inline int desk_copy(Desk* to, const Desk* d) except -1 nogil:
    """Copy the state, not what the last call fired; to be freed even after a failure."""
    cdef int which
    to[0] = d[0]
    to.extra = NULL
    to.stops = NULL
    to.fired = NULL
    to.entries = NULL
    to.fired_count = to.fired_rows = to.entry_count = to.entry_rows = 0
    memset(&to.expiry, 0, sizeof(Heap))
    for which in range(WAITINGS):
        memset(&to.waiting[which], 0, sizeof(Heap))
    to.extra = <Extra*>slab_copy(d.extra, d.extra_rows, sizeof(Extra))
    to.stops = <Stop*>slab_copy(d.stops, d.stop_rows, sizeof(Stop))
    heap_copy(&to.expiry, &d.expiry)
    for which in range(WAITINGS):
        heap_copy(&to.waiting[which], &d.waiting[which])
    return 0


cdef inline Wide widened(const Message* m) noexcept nogil:
    """A plain message in the wide form; a plain market order has no price."""
    cdef Wide w
    memset(&w, 0, sizeof(Wide))
    w.type = m.type
    w.side = m.side
    w.tif = m.tif
    w.flags = m.flags
    w.account = m.account
    w.order_id = m.order_id
    w.price = 0 if m.type == 1 else m.price
    w.size = m.size
    return w
