# When a market ends, and the average that it may be settled at: the memory of core/expiry.
#
# A venue without expiries has no such block (State.endings is NULL).
from libc.stdint cimport int8_t, int32_t, int64_t
from cpython.mem cimport PyMem_RawCalloc, PyMem_RawFree
from ordercascade.core.digest cimport Digest, digest_word
from ordercascade.core.grids cimport is_option, priced_by
from ordercascade.core.records cimport REJECT_EXPIRED_MARKET, REJECT_NO_BOOK
from ordercascade.core.slab cimport slab_copy
from ordercascade.core.state cimport Market, State
from ordercascade.core.units cimport Tick, TimeNs, Wide, larger, oc_quotient, smaller

# ExpiryRule of ordercascade.enums.
cdef enum:
    BY_MARK = 0
    BY_INDEX = 1
    BY_AVERAGE_MARK = 2
    BY_AVERAGE_INDEX = 3
    BY_WORD = 4

ctypedef struct Ending:
    int8_t known                # 1: the market expires ...
    int8_t ended                # 1: it did
    int8_t rule
    TimeNs at                   # ... then
    TimeNs from_ns              # planned at this time: no average reaches further back
    TimeNs window_ns            # averages: over so long before it
    Tick stated
    TimeNs summed_ns            # the sum is of the prices up to then
    Wide sum                    # of price * ns inside the window

ctypedef struct Endings:
    Ending* rows                # by market
    int64_t capacity            # markets beyond it do not expire


cdef inline Endings* endings_new() except NULL nogil:
    cdef Endings* e = <Endings*>PyMem_RawCalloc(1, sizeof(Endings))
    if e == NULL:
        with gil:
            raise MemoryError()
    return e


cdef inline void endings_free(void* endings) noexcept nogil:
    if endings != NULL:
        PyMem_RawFree((<Endings*>endings).rows)
        PyMem_RawFree(endings)


cdef inline int endings_copy(void** to, const void* endings) except -1 nogil:
    cdef const Endings* e = <const Endings*>endings
    cdef Endings* made
    if e == NULL:
        to[0] = NULL
        return 0
    made = endings_new()
    to[0] = made
    made.rows = <Ending*>slab_copy(e.rows, e.capacity, sizeof(Ending))
    made.capacity = e.capacity
    return 0


cdef inline bint ended(const State* s, int32_t market) noexcept nogil:
    """The market has expired: it takes no orders."""
    cdef const Endings* e = <const Endings*>s.endings
    return e != NULL and market < e.capacity and e.rows[market].ended


cdef inline int64_t shut(const State* s, int32_t market) noexcept nogil:
    """The reject code of every order there, or 0: it has expired, or it is an option."""
    if ended(s, market):
        return REJECT_EXPIRED_MARKET
    return REJECT_NO_BOOK if is_option(s, market) else 0


cdef inline void endings_advance(State* s) noexcept nogil:
    """The venue's clock has moved while prices stood: call it before one of them changes."""
    cdef Endings* e = <Endings*>s.endings
    cdef Ending* row
    cdef const Market* m
    cdef TimeNs begin, end
    cdef int64_t i
    if e == NULL:
        return
    for i in range(smaller(e.capacity, s.market_count)):
        row = &e.rows[i]
        if not row.known or row.ended:
            continue
        m = &s.markets[priced_by(s, <int32_t>i)]
        begin = larger(row.summed_ns, row.at - row.window_ns)
        end = smaller(s.time_ns, row.at)
        if end > begin:
            row.sum = row.sum + <Wide>(end - begin) * (
                m.index if row.rule == BY_AVERAGE_INDEX and m.index > 0 else m.mark)
            row.summed_ns = end


cdef inline void endings_digest(const void* endings, Digest* d) noexcept nogil:
    cdef const Endings* e = <const Endings*>endings
    cdef const Ending* row
    cdef int64_t i
    if e == NULL:
        return
    for i in range(e.capacity):
        row = &e.rows[i]
        if row.known:
            digest_word(d, (i << 16) | (row.rule << 8) | row.ended)
            digest_word(d, row.at)
            digest_word(d, row.from_ns)
            digest_word(d, row.window_ns)
            digest_word(d, row.stated)
            digest_word(d, row.summed_ns)
            digest_word(d, <int64_t>oc_quotient(row.sum, <Wide>1 << 31))
            digest_word(d, <int64_t>(row.sum % (<Wide>1 << 31)))
