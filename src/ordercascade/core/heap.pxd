# A binary heap of rows in a growable array: smallest key first, ties by `tie`.
from libc.stdint cimport int64_t
from libc.string cimport memset
from cpython.mem cimport PyMem_RawFree
from ordercascade.core.slab cimport slab_copy, slab_grow

ctypedef struct HeapRow:    # 24 bytes
    int64_t key
    int64_t tie
    int64_t handle          # the owner's, not compared

ctypedef struct Heap:
    HeapRow* rows
    int64_t count
    int64_t capacity


cdef inline int heap_room(Heap* h) except -1 nogil:
    """Make room for one more row."""
    h.rows = <HeapRow*>slab_grow(h.rows, &h.capacity, h.count + 1, sizeof(HeapRow))
    return 0


cdef inline void heap_free(Heap* h) noexcept nogil:
    PyMem_RawFree(h.rows)
    memset(h, 0, sizeof(Heap))


cdef inline int heap_copy(Heap* to, const Heap* h) except -1 nogil:
    to[0] = h[0]
    to.rows = NULL
    to.rows = <HeapRow*>slab_copy(h.rows, h.capacity, sizeof(HeapRow))
    return 0


cdef inline bint _before(const HeapRow* a, const HeapRow* b) noexcept nogil:
    return a.key < b.key or (a.key == b.key and a.tie < b.tie)


cdef inline void heap_push(Heap* h, int64_t key, int64_t tie, int64_t handle) noexcept nogil:
    """Add a row; room was made."""
    cdef HeapRow row
    cdef int64_t at = h.count
    row.key = key
    row.tie = tie
    row.handle = handle
    while at > 0 and _before(&row, h.rows + ((at - 1) >> 1)):
        h.rows[at] = h.rows[(at - 1) >> 1]
        at = (at - 1) >> 1
    h.rows[at] = row
    h.count += 1


cdef inline HeapRow heap_pop(Heap* h) noexcept nogil:
    """Take the smallest row out of a heap that is not empty."""
    cdef HeapRow found = h.rows[0]
    cdef HeapRow row
    cdef int64_t at = 0
    cdef int64_t child = 1
    h.count -= 1
    row = h.rows[h.count]
    while child < h.count:
        if child + 1 < h.count and _before(h.rows + child + 1, h.rows + child):
            child += 1
        if not _before(h.rows + child, &row):
            break
        h.rows[at] = h.rows[child]
        at = child
        child = 2 * at + 1
    h.rows[at] = row
    return found
