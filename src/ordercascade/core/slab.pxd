# Growable arrays of fixed rows. A row is named by its int32 handle; no pointer outlives a grow.
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memcpy, memset
from cpython.mem cimport PyMem_RawMalloc, PyMem_RawRealloc, PyMem_RawFree

cdef extern from *:
    """
    #if defined(__linux__)
    #include <sys/mman.h>
    #include <stdint.h>
    /* Rows are met in random order: with pages of 4 kB most of the time goes into finding them. */
    static inline void oc_wide_pages(void *rows, int64_t bytes) {
        uintptr_t from = ((uintptr_t)rows + 4095) & ~(uintptr_t)4095;
        uintptr_t to = ((uintptr_t)rows + (uintptr_t)bytes) & ~(uintptr_t)4095;
        if (bytes >= (4 << 20) && to > from)
            madvise((void *)from, to - from, MADV_HUGEPAGE);    /* Advice: a refusal is no error. */
    }
    #else
    #define oc_wide_pages(rows, bytes) ((void)(rows))
    #endif
    #ifndef OC_SLAB_MIN
    #define OC_SLAB_MIN 8       /* Less in the fuzzer's build, so that slabs grow there. */
    #endif
    /* The empty instruction is for gcc, which drops a call of a function that only prefetches. */
    static inline void oc_prefetch(const void *p) {
        __builtin_prefetch(p);
        __asm__ volatile("" : : "r"(p));
    }
    """
    enum:
        SLAB_MIN "OC_SLAB_MIN"
    void oc_wide_pages(void* rows, int64_t bytes) noexcept nogil
    void oc_prefetch(const void* p) noexcept nogil

cdef enum:
    NIL = -1


cdef inline void* slab_grow(void* rows, int64_t* capacity, int64_t need,
                            int64_t row_bytes) except NULL nogil:
    """Return `rows` with room for `need` rows, new ones zeroed; a MemoryError changes nothing."""
    cdef int64_t wanted = capacity[0]
    cdef void* grown
    if need <= wanted and rows != NULL:
        return rows
    if wanted < SLAB_MIN:
        wanted = SLAB_MIN
    while wanted < need:
        wanted = wanted * 2
    grown = PyMem_RawRealloc(rows, <size_t>(wanted * row_bytes))
    if grown == NULL:
        with gil:
            raise MemoryError()
    oc_wide_pages(grown, wanted * row_bytes)
    memset(<char*>grown + capacity[0] * row_bytes, 0, <size_t>((wanted - capacity[0]) * row_bytes))
    capacity[0] = wanted
    return grown


cdef inline void* slab_copy(const void* rows, int64_t capacity,
                            int64_t row_bytes) except? NULL nogil:
    """Return a copy of a slab of `capacity` rows; NULL for a slab that was never grown."""
    cdef void* copied
    if rows == NULL or capacity == 0:
        return NULL
    copied = PyMem_RawMalloc(<size_t>(capacity * row_bytes))
    if copied == NULL:
        with gil:
            raise MemoryError()
    oc_wide_pages(copied, capacity * row_bytes)
    memcpy(copied, rows, <size_t>(capacity * row_bytes))
    return copied


cdef inline int push(int32_t** list, int64_t* count, int64_t* capacity,
                     int32_t value) except -1 nogil:
    """Append to a growable list of ids."""
    if count[0] == capacity[0]:
        list[0] = <int32_t*>slab_grow(list[0], capacity, count[0] + 1, sizeof(int32_t))
    list[0][count[0]] = value
    count[0] += 1
    return 0
