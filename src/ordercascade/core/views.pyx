"""Looking at a book without touching it: depth, queues, and what a market order would cost."""
import numpy as np

from ordercascade.core.shapes import IMPACT_DTYPE, QUEUE_DTYPE
from ordercascade.core.messages import column_of
from ordercascade.errors import InputError

from libc.stdint cimport INT64_MAX, int32_t
from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from ordercascade.core.desk cimport desk_reserve
from ordercascade.core.naming cimport name_of
from ordercascade.core.queues cimport (
    book_best, book_next, book_size_at, level_of, level_worse, order_at, order_id_of, side_none,
)
from ordercascade.core.records cimport ASK
from ordercascade.core.units cimport oc_wide, smaller

ctypedef struct QueueRow:   # QUEUE_DTYPE
    int64_t order_id
    Lot size
    int64_t account

ctypedef struct ImpactRow:  # IMPACT_DTYPE
    Lot size
    Lot filled
    int64_t notional
    int64_t levels
    Tick worst

cdef enum:
    LOW_BITS = 62


cdef object depth_array(const Book* b, int side, int64_t most, int64_t group, bint cumulative):
    """The best groups of levels as rows (price, size); counted first, so `most` allocates nothing.

    Group g holds the bids at g .. g + group - 1, the asks at g - group + 1 .. g.
    """
    cdef int64_t count = _groups(b, side, most, group)
    cdef Tick price = book_best(b, side)
    cdef Lot total = 0
    cdef Py_buffer given
    cdef int64_t* cell
    levels = np.empty((count, 2), np.int64)
    PyObject_GetBuffer(levels, &given, PyBUF_WRITABLE)
    cell = <int64_t*>given.buf
    while count > 0:
        cell[0] = _group_of(price, side, group)
        while price and _group_of(price, side, group) == cell[0]:
            total = _added(total, book_size_at(b, side, price))
            price = book_next(b, side, price)
        cell[1] = total
        total = total if cumulative else 0
        cell += 2
        count -= 1
    PyBuffer_Release(&given)
    return levels


cdef inline Lot _added(Lot total, Lot more) noexcept nogil:
    return INT64_MAX if total > INT64_MAX - more else total + more


cdef int64_t _groups(const Book* b, int side, int64_t most, int64_t group) noexcept nogil:
    cdef int64_t count = 0
    cdef Tick price = book_best(b, side)
    cdef Tick of = 0
    while price:
        if _group_of(price, side, group) != of or count == 0:
            if count == most:
                break
            of = _group_of(price, side, group)
            count += 1
        price = book_next(b, side, price)
    return count


cdef inline Tick _group_of(Tick price, int side, int64_t group) noexcept nogil:
    """Away from the other side's prices: bids down, asks up."""
    if group == 1:
        return price
    return (price + (group - 1 if side == ASK else 0)) / group * group


cdef object queue_array(const Book* b, const Names* n, int side, Tick price):
    """The orders at a price, first to trade first; `n` is NULL for a book with ids of its own."""
    cdef int64_t count = 0
    cdef int32_t link = -1
    cdef Py_buffer given
    cdef QueueRow* row
    if book_size_at(b, side, price) > 0:
        link = level_of(b, price).next
    while link >= 0:
        count += 1
        link = order_at(b, link >> 1).next
    rows = np.empty(count, QUEUE_DTYPE)
    if count == 0:
        return rows
    link = level_of(b, price).next
    PyObject_GetBuffer(rows, &given, PyBUF_WRITABLE)
    row = <QueueRow*>given.buf
    while link >= 0:
        row.order_id = order_id_of(b, link >> 1)
        row.order_id = row.order_id if n == NULL else name_of(n, row.order_id)
        row.size = order_at(b, link >> 1).size
        row.account = order_at(b, link >> 1).account
        row += 1
        link = order_at(b, link >> 1).next
    PyBuffer_Release(&given)
    return rows


cdef Lot lots_ahead(const Book* b, int64_t slot, int64_t* orders) noexcept nogil:
    """The lots shown ahead of an order in its queue, and how many orders they are."""
    cdef int32_t link = order_at(b, slot).prev
    cdef Lot lots = 0
    orders[0] = 0
    while link >= 0:
        lots += order_at(b, link >> 1).size
        orders[0] += 1
        link = order_at(b, link >> 1).prev
    return lots


# ------------------------------------------------------------------ what an order would cost

cdef Lot _offered(const Book* b, const Desk* d, Tick price) noexcept nogil:
    """All lots at an occupied price, hidden ones too."""
    cdef Lot lots = level_of(b, price).size
    cdef int32_t link
    if d.special == 0:
        return lots
    link = level_of(b, price).next
    while link >= 0:
        lots += desk_reserve(d, link >> 1)
        link = order_at(b, link >> 1).next
    return lots


cdef void walk_start(const Book* b, const Desk* d, int side, Walk* w) noexcept nogil:
    w.side = side
    w.price = b.best[1 - side]
    w.filled = w.levels = w.best = w.worst = w.low = w.high = 0
    w.left_here = 0 if w.price == side_none(b, 1 - side) else _offered(b, d, w.price)


cdef void walk_on(const Book* b, const Desk* d, Lot size, Walk* w) noexcept nogil:
    """Take lots until `size` are filled in all, or nobody is left."""
    cdef Lot lots
    cdef oc_wide low
    while w.filled < size and w.left_here > 0:
        lots = smaller(size - w.filled, w.left_here)
        if w.worst != w.price:
            w.levels += 1
            w.worst = w.price
            w.best = w.best if w.best else w.price
        w.filled += lots
        w.left_here -= lots
        low = <oc_wide>w.price * lots + w.low
        w.low = <int64_t>(low & INT64_MAX >> 1)
        w.high += <int64_t>(low >> LOW_BITS)
        if w.left_here == 0:
            w.price = level_worse(b, 1 - w.side, w.price)
            if w.price != side_none(b, 1 - w.side):
                w.left_here = _offered(b, d, w.price)


cdef object impact_array(const Book* b, const Desk* d, int side, object sizes):
    """One row a size; sizes must not fall. A notional beyond 63 bits stays at 2**63 - 1."""
    cdef Py_buffer taken
    cdef Py_buffer given
    cdef const int64_t* size
    cdef ImpactRow* row
    cdef Walk w
    cdef int64_t i
    wanted = column_of("sizes", sizes, 8, None)
    if len(wanted) == 0:
        return np.empty(0, IMPACT_DTYPE)
    if wanted[0] < 1 or (np.diff(wanted) < 0).any() or wanted[len(wanted) - 1] > 1 << 62:
        raise InputError("sizes", wanted.tolist()[:4], "must rise within [1, 2**62]")
    rows = np.empty(len(wanted), IMPACT_DTYPE)
    PyObject_GetBuffer(wanted, &taken, PyBUF_SIMPLE)
    PyObject_GetBuffer(rows, &given, PyBUF_WRITABLE)
    size = <const int64_t*>taken.buf
    row = <ImpactRow*>given.buf
    walk_start(b, d, side, &w)
    for i in range(len(wanted)):
        walk_on(b, d, size[i], &w)
        row[i].size = size[i]
        row[i].filled = w.filled
        row[i].notional = INT64_MAX if w.high > 1 else w.high << LOW_BITS | w.low
        row[i].levels = w.levels
        row[i].worst = w.worst
    PyBuffer_Release(&given)
    PyBuffer_Release(&taken)
    return rows
