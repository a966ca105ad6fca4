# Who pays where: a market's own fund, the market that bears a scope's loss, how far a fund fell.
#
# A venue whose table does not ask for a fund's high has no such block (State.highs is NULL).
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memset
from cpython.mem cimport PyMem_RawCalloc, PyMem_RawFree
from ordercascade.core.digest cimport Digest, digest_word
from ordercascade.core.ledger cimport FUND, ledger_fund, ledger_holder
from ordercascade.core.slab cimport NIL, slab_copy
from ordercascade.core.state cimport Stages, State
from ordercascade.core.units cimport Cash, TimeNs

ctypedef struct High:           # a balance that a fund had, and until when
    TimeNs until
    Cash balance
    int32_t fund

ctypedef struct Highs:
    High* rows                  # of one fund: balances fall, times rise
    int64_t count
    int64_t capacity

# Commands. A market's own fund follows its clearing; the highs begin with the venue.
cdef int funds_market(State* s, int32_t market) except -1
cdef int funds_begin(State* s) except -1 nogil
cdef int funds_stay(const State* s, const Stages* g) except -1
cdef int fund_moved(State* s, int32_t fund, Cash before) except -1 nogil

# Queries; they cannot fail.
cdef bint drawn_down(const State* s, int32_t fund) noexcept nogil
cdef int32_t loss_market(const State* s, int32_t scope) noexcept nogil
cdef Cash fund_total(const State* s, int32_t asset) noexcept nogil


cdef inline int32_t loss_fund(const State* s, int32_t scope) noexcept nogil:
    """The fund that pays what a scope owes."""
    if not s.stages.fund_market:
        return ledger_holder(&s.ledger, FUND, s.ledger.holders[scope].asset)
    return ledger_fund(&s.ledger, loss_market(s, scope))


cdef inline void highs_free(void* highs) noexcept nogil:
    if highs != NULL:
        PyMem_RawFree((<Highs*>highs).rows)
        PyMem_RawFree(highs)


cdef inline int highs_copy(void** to, const void* highs) except -1 nogil:
    cdef const Highs* h = <const Highs*>highs
    cdef Highs* made
    to[0] = NULL
    if h == NULL:
        return 0
    made = <Highs*>PyMem_RawCalloc(1, sizeof(Highs))
    if made == NULL:
        with gil:
            raise MemoryError()
    to[0] = made
    if h.rows != NULL:
        made.rows = <High*>slab_copy(h.rows, h.capacity, sizeof(High))
    made.count = h.count
    made.capacity = h.capacity
    return 0


cdef inline void funds_digest(const State* s, Digest* d) noexcept nogil:
    """Only where a venue has any of it, so that the others hash as ever."""
    cdef const Highs* h = <const Highs*>s.highs
    cdef int64_t i
    if s.stages.fund_market:
        for i in range(s.ledger.holder_count):
            digest_word(d, s.scopes[i].moved_market)
    if s.day_next:
        digest_word(d, s.day_next)
        for i in range(s.ledger.holder_count):
            digest_word(d, s.day_base[i] if i < s.day_capacity else 0)
    if h == NULL:
        return
    digest_word(d, h.count)
    for i in range(h.count):
        digest_word(d, h.rows[i].until)
        digest_word(d, h.rows[i].balance)
        digest_word(d, h.rows[i].fund)
