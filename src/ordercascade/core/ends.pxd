# Two arrays in one block, addressed from the middle: rows 0, 1, 2 up, rows -1, -2 down.
#
# A link to either kind of row is then one signed number, and following it needs no branch.
from libc.stdint cimport int64_t
from libc.string cimport memcpy, memmove, memset
from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc, PyMem_RawRealloc
from ordercascade.core.slab cimport oc_wide_pages
from ordercascade.core.units cimport larger

cdef extern from *:
    """
    #define OC_LINE 64      /* bytes of a cache line: rows of 16 or 32 bytes never straddle one */
    #define oc_align(p) ((char *)(((uintptr_t)(p) + OC_LINE - 1) & ~(uintptr_t)(OC_LINE - 1)))
    """
    int OC_LINE
    char* oc_align(char* p) noexcept nogil

ctypedef struct Ends:
    char* middle
    char* block             # what was allocated
    int64_t below           # bytes on either side of the middle, whole cache lines
    int64_t above


cdef inline int ends_grow(Ends* e, int64_t below, int64_t above) except -1 nogil:
    """Make room for so many bytes, not cleared; doubles; MemoryError changes nothing."""
    cdef Ends grown
    cdef int64_t lead = e.middle - e.block
    grown.below = e.below if below <= e.below else larger(below, 2 * e.below)
    grown.above = e.above if above <= e.above else larger(above, 2 * e.above)
    if grown.below == e.below and grown.above == e.above:
        return 0
    grown.below = (grown.below + OC_LINE - 1) & -OC_LINE
    grown.above = (grown.above + OC_LINE - 1) & -OC_LINE
    if grown.below == e.below:
        # A large block that grows at its end only is moved by its pages, not byte by byte.
        grown.block = <char*>PyMem_RawRealloc(e.block, _bytes(&grown))
    else:
        grown.block = <char*>PyMem_RawMalloc(_bytes(&grown))
    if grown.block == NULL:
        with gil:
            raise MemoryError()
    oc_wide_pages(grown.block, <int64_t>_bytes(&grown))
    grown.middle = oc_align(grown.block) + grown.below
    if grown.below != e.below:
        if e.block != NULL:
            memcpy(grown.middle - e.below, e.middle - e.below, <size_t>(e.below + e.above))
        PyMem_RawFree(e.block)
    elif grown.middle - grown.block != lead:
        memmove(grown.middle - e.below, grown.block + lead - e.below,
                <size_t>(e.below + e.above))
    e[0] = grown
    return 0


cdef inline size_t _bytes(const Ends* e) noexcept nogil:
    return <size_t>(e.below + e.above + OC_LINE)


cdef inline int ends_copy(Ends* to, const Ends* e, int64_t below, int64_t above) except -1 nogil:
    """Copy so many bytes on either side of the middle; `to` holds nothing before."""
    memset(to, 0, sizeof(Ends))
    ends_grow(to, below, above)
    if below + above > 0:
        memcpy(to.middle - below, e.middle - below, <size_t>(below + above))
    return 0


cdef inline void ends_free(Ends* e) noexcept nogil:
    PyMem_RawFree(e.block)
    memset(e, 0, sizeof(Ends))
