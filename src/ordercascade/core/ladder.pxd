# The set of occupied price ticks: pages of 4,096 ticks made on first use, 64-way bitmaps above.
#
# A page holds 64 words (one bit a tick) and one summary word (one bit a word). Three dense
# bitmaps over the pages find the next occupied page. Owners keep their own rows beside a page:
# row `slot * PAGE + (tick & PAGE_MASK)`; `slots` only grows, so a row index stays valid.
from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.string cimport memset
from cpython.mem cimport PyMem_RawFree
from ordercascade.core.slab cimport NIL, slab_copy, slab_grow
from ordercascade.core.units cimport Tick

cdef extern from *:
    """
    /* A fuzzer never fills a page of 4,096 ticks: its build has small ones. 6 to 12. */
    #ifndef OC_PAGE_BITS
    #define OC_PAGE_BITS 12
    #endif
    #define OC_PAGE (1 << OC_PAGE_BITS)
    #define OC_PAGE_MASK (OC_PAGE - 1)
    #define OC_SUMMARY (OC_PAGE >> 6)
    #define OC_PAGE_WORDS (OC_SUMMARY + 1)
    #define oc_lowest(w) __builtin_ctzll(w)
    #define oc_highest(w) (63 - __builtin_clzll(w))
    """
    enum:
        PAGE_BITS "OC_PAGE_BITS"
        PAGE "OC_PAGE"
        PAGE_MASK "OC_PAGE_MASK"
        SUMMARY "OC_SUMMARY"        # the word that sums up the words of ticks before it
        PAGE_WORDS "OC_PAGE_WORDS"
    int oc_lowest(uint64_t w) noexcept nogil
    int oc_highest(uint64_t w) noexcept nogil

ctypedef struct Ladder:
    int64_t pages           # pages the price range spans
    int32_t* slot           # page -> slot, NIL where the page was never used
    int64_t slots           # slots in use
    int64_t capacity        # slots allocated in `words`
    uint64_t* words         # PAGE_WORDS a slot
    uint64_t* top           # the three bitmaps over pages, one after another
    int64_t second          # where the second bitmap starts in `top`
    int64_t third           # where the third one starts
    int64_t top_words       # words in `top`


cdef inline int ladder_init(Ladder* l, Tick price_max) except -1 nogil:
    """Span ticks 0 .. price_max with no page in use."""
    cdef int64_t i
    cdef int64_t held = 0
    memset(l, 0, sizeof(Ladder))
    l.pages = (price_max >> PAGE_BITS) + 1
    l.second = (l.pages >> 6) + 1
    l.third = l.second + (l.pages >> 12) + 1
    l.top_words = l.third + (l.pages >> 18) + 1
    l.slot = <int32_t*>slab_grow(NULL, &held, l.pages, sizeof(int32_t))
    for i in range(l.pages):
        l.slot[i] = NIL
    held = 0
    l.top = <uint64_t*>slab_grow(NULL, &held, l.top_words, sizeof(uint64_t))
    return 0


cdef inline void ladder_free(Ladder* l) noexcept nogil:
    PyMem_RawFree(l.slot)
    PyMem_RawFree(l.words)
    PyMem_RawFree(l.top)
    memset(l, 0, sizeof(Ladder))


cdef inline int ladder_copy(Ladder* to, const Ladder* l) except -1 nogil:
    """Make `to` an independent copy; `to` holds nothing before."""
    to[0] = l[0]
    to.slot = NULL
    to.words = NULL
    to.top = NULL
    to.slot = <int32_t*>slab_copy(l.slot, l.pages, sizeof(int32_t))
    to.words = <uint64_t*>slab_copy(l.words, l.capacity, PAGE_WORDS * sizeof(uint64_t))
    to.top = <uint64_t*>slab_copy(l.top, l.top_words, sizeof(uint64_t))
    return 0


cdef inline int32_t ladder_page(Ladder* l, Tick tick) except -2 nogil:
    """The slot of the tick's page, made if need be; owners then grow their rows to `slots`."""
    cdef int32_t s = l.slot[tick >> PAGE_BITS]
    if s != NIL:
        return s
    l.words = <uint64_t*>slab_grow(l.words, &l.capacity, l.slots + 1, PAGE_WORDS * sizeof(uint64_t))
    s = <int32_t>l.slots
    l.slots += 1
    l.slot[tick >> PAGE_BITS] = s
    return s


cdef inline int64_t ladder_row(const Ladder* l, Tick tick) noexcept nogil:
    """The owner's row of a tick whose page exists."""
    return (<int64_t>l.slot[tick >> PAGE_BITS] << PAGE_BITS) | (tick & PAGE_MASK)


cdef inline int64_t ladder_find(const Ladder* l, Tick tick) noexcept nogil:
    """The owner's row of a tick, or NIL where the page was never used."""
    cdef int32_t s = l.slot[tick >> PAGE_BITS]
    if s == NIL:
        return NIL
    return (<int64_t>s << PAGE_BITS) | (tick & PAGE_MASK)


cdef inline void ladder_set(Ladder* l, Tick tick) noexcept nogil:
    """Mark a tick of an existing page as occupied."""
    cdef int64_t page = tick >> PAGE_BITS
    cdef uint64_t* w = l.words + <int64_t>l.slot[page] * PAGE_WORDS
    cdef int64_t offset = tick & PAGE_MASK
    cdef uint64_t one = 1
    cdef bint occupied = w[offset >> 6] != 0
    w[offset >> 6] |= one << (offset & 63)
    if occupied:
        return      # So every summary says it already.
    w[SUMMARY] |= one << (offset >> 6)
    l.top[page >> 6] |= one << (page & 63)
    l.top[l.second + (page >> 12)] |= one << ((page >> 6) & 63)
    l.top[l.third + (page >> 18)] |= one << ((page >> 12) & 63)


cdef inline void ladder_clear(Ladder* l, Tick tick) noexcept nogil:
    """Mark a tick of an existing page as empty."""
    cdef int64_t page = tick >> PAGE_BITS
    cdef uint64_t* w = l.words + <int64_t>l.slot[page] * PAGE_WORDS
    cdef int64_t offset = tick & PAGE_MASK
    cdef uint64_t one = 1
    w[offset >> 6] &= ~(one << (offset & 63))
    if w[offset >> 6]:
        return
    w[SUMMARY] &= ~(one << (offset >> 6))
    if w[SUMMARY]:
        return
    l.top[page >> 6] &= ~(one << (page & 63))
    if l.top[page >> 6]:
        return
    l.top[l.second + (page >> 12)] &= ~(one << ((page >> 6) & 63))
    if l.top[l.second + (page >> 12)]:
        return
    l.top[l.third + (page >> 18)] &= ~(one << ((page >> 12) & 63))


cdef inline Tick _lowest_in(const Ladder* l, int64_t page) noexcept nogil:
    cdef const uint64_t* w = l.words + <int64_t>l.slot[page] * PAGE_WORDS
    cdef int64_t i = oc_lowest(w[SUMMARY])
    return (page << PAGE_BITS) | (i << 6) | oc_lowest(w[i])


cdef inline Tick _highest_in(const Ladder* l, int64_t page) noexcept nogil:
    cdef const uint64_t* w = l.words + <int64_t>l.slot[page] * PAGE_WORDS
    cdef int64_t i = oc_highest(w[SUMMARY])
    return (page << PAGE_BITS) | (i << 6) | oc_highest(w[i])


cdef inline int64_t _page_above(const Ladder* l, int64_t page) noexcept nogil:
    """The next page above `page` with an occupied tick, or NIL."""
    cdef uint64_t minus_two = ~<uint64_t>1
    cdef uint64_t w = l.top[page >> 6] & (minus_two << (page & 63))
    cdef int64_t i = page >> 6
    cdef int64_t third
    if w:
        return (i << 6) | oc_lowest(w)
    w = l.top[l.second + (i >> 6)] & (minus_two << (i & 63))
    if w:
        i = ((i >> 6) << 6) | oc_lowest(w)
        return (i << 6) | oc_lowest(l.top[i])
    i = i >> 6
    third = i >> 6
    w = l.top[l.third + third] & (minus_two << (i & 63))
    while not w:
        third += 1
        if l.third + third >= l.top_words:
            return NIL
        w = l.top[l.third + third]
    i = (third << 6) | oc_lowest(w)
    i = (i << 6) | oc_lowest(l.top[l.second + i])
    return (i << 6) | oc_lowest(l.top[i])


cdef inline int64_t _page_below(const Ladder* l, int64_t page) noexcept nogil:
    """The next page below `page` with an occupied tick, or NIL."""
    cdef uint64_t one = 1
    cdef uint64_t w = l.top[page >> 6] & ((one << (page & 63)) - 1)
    cdef int64_t i = page >> 6
    cdef int64_t third
    if w:
        return (i << 6) | oc_highest(w)
    w = l.top[l.second + (i >> 6)] & ((one << (i & 63)) - 1)
    if w:
        i = ((i >> 6) << 6) | oc_highest(w)
        return (i << 6) | oc_highest(l.top[i])
    i = i >> 6
    third = i >> 6
    w = l.top[l.third + third] & ((one << (i & 63)) - 1)
    while not w:
        third -= 1
        if third < 0:
            return NIL
        w = l.top[l.third + third]
    i = (third << 6) | oc_highest(w)
    i = (i << 6) | oc_highest(l.top[l.second + i])
    return (i << 6) | oc_highest(l.top[i])


cdef inline Tick ladder_above(const Ladder* l, Tick tick) noexcept nogil:
    """The lowest occupied tick strictly above `tick` (0 <= tick <= price_max), or NIL."""
    cdef int64_t page = tick >> PAGE_BITS
    cdef int64_t offset = tick & PAGE_MASK
    cdef int64_t i = offset >> 6
    cdef uint64_t minus_two = ~<uint64_t>1
    cdef const uint64_t* w
    cdef uint64_t bits
    if l.slot[page] != NIL:
        w = l.words + <int64_t>l.slot[page] * PAGE_WORDS
        bits = w[i] & (minus_two << (offset & 63))
        if bits:
            return (tick & ~<int64_t>63) | oc_lowest(bits)
        bits = w[SUMMARY] & (minus_two << i)
        if bits:
            i = oc_lowest(bits)
            return (page << PAGE_BITS) | (i << 6) | oc_lowest(w[i])
    page = _page_above(l, page)
    return NIL if page == NIL else _lowest_in(l, page)


cdef inline Tick ladder_below(const Ladder* l, Tick tick) noexcept nogil:
    """The highest occupied tick strictly below `tick`, or NIL."""
    cdef int64_t page = tick >> PAGE_BITS
    cdef int64_t offset = tick & PAGE_MASK
    cdef int64_t i = offset >> 6
    cdef uint64_t one = 1
    cdef const uint64_t* w
    cdef uint64_t bits
    if l.slot[page] != NIL:
        w = l.words + <int64_t>l.slot[page] * PAGE_WORDS
        bits = w[i] & ((one << (offset & 63)) - 1)
        if bits:
            return (tick & ~<int64_t>63) | oc_highest(bits)
        bits = w[SUMMARY] & ((one << i) - 1)
        if bits:
            i = oc_highest(bits)
            return (page << PAGE_BITS) | (i << 6) | oc_highest(w[i])
    page = _page_below(l, page)
    return NIL if page == NIL else _highest_in(l, page)
