"""One bug of each kind, made with the core's own slabs and ladders. Compiled by the test only."""

from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.string cimport memcpy
from cpython.mem cimport PyMem_RawFree
from ordercascade.core.ladder cimport PAGE_WORDS, Ladder, ladder_free, ladder_init, ladder_page, ladder_row
from ordercascade.core.slab cimport slab_copy, slab_grow
from ordercascade.core.units cimport Lot, Tick

cdef extern from *:
    """
    #include <stdint.h>
    static int64_t oc_seeded_misaligned(const char *bytes) { return *(const int64_t *)(bytes + 1); }
    static int64_t oc_seeded_shift(int64_t a, int by) { return a << by; }
    """
    int64_t oc_seeded_misaligned(const char* bytes) nogil
    int64_t oc_seeded_shift(int64_t a, int by) nogil


def sound():
    """Nothing wrong: the report of the others is not an accident of the set-up."""
    cdef int64_t capacity = 0
    cdef int64_t* rows = <int64_t*>slab_grow(NULL, &capacity, 10, sizeof(int64_t))
    rows[capacity - 1] = 7
    value = rows[capacity - 1]
    PyMem_RawFree(rows)
    return value


def read_beyond():
    """A row after the last one of a slab is read."""
    cdef int64_t capacity = 0
    cdef int64_t* rows = <int64_t*>slab_grow(NULL, &capacity, 10, sizeof(int64_t))
    cdef int64_t value = rows[capacity]
    PyMem_RawFree(rows)
    return value


def write_beyond():
    """A page is written that the ladder was not grown for."""
    cdef Ladder l
    ladder_init(&l, 1 << 20)
    ladder_page(&l, 5)
    l.words[l.capacity * PAGE_WORDS] = 3
    row = ladder_row(&l, 5)
    ladder_free(&l)
    return row


def use_after_free():
    """A pointer is kept while its slab grows."""
    cdef int64_t capacity = 0
    cdef int64_t* kept = <int64_t*>slab_grow(NULL, &capacity, 8, sizeof(int64_t))
    cdef int64_t* rows = <int64_t*>slab_grow(kept, &capacity, 1 << 20, sizeof(int64_t))
    kept[0] = 7
    PyMem_RawFree(rows)


def free_twice():
    """Two owners free one slab."""
    cdef int64_t capacity = 0
    cdef void* rows = slab_grow(NULL, &capacity, 8, sizeof(int64_t))
    PyMem_RawFree(rows)
    PyMem_RawFree(rows)


def overflow(Tick price, Lot size):
    """A value beyond the bounds that a market was admitted with."""
    return price * size * (<int64_t>1 << 20)


def misaligned():
    """Eight bytes are read where only one-byte alignment is sure."""
    cdef char cells[16]
    memcpy(cells, b"0123456789abcdef", 16)
    return oc_seeded_misaligned(cells)


def shift(int64_t a, int by):
    """A shift by as many bits as there are."""
    return oc_seeded_shift(a, by)
