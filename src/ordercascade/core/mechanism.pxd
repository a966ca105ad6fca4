# The interfaces of what decides. A mechanism reads plain records and answers; the core executes.
#
# Subclass in Cython, override, compile: a call costs about a nanosecond. State of a mechanism is
# copied by clone() when a world forks and folded into the world's hash by digest().
from libc.stdint cimport int32_t, int64_t
from ordercascade.core.digest cimport Digest
from ordercascade.core.records cimport AtRisk, Candidate, Crowd, Intent, MarketView, Verdict
from ordercascade.core.units cimport Lot, Ppm, Tick, TimeNs


cdef class Oracle:
    # asked once a round and market (or after each liquidation order: MarkRefresh.ORDER)
    cdef Tick peek(self, const MarketView* view, TimeNs time_ns) noexcept nogil     # pure
    cdef Tick take(self, const MarketView* view, TimeNs time_ns) except 0 nogil     # may keep state
    # when it must be asked again though nothing happens, after that time; NIL: never
    cdef TimeNs wake(self, const MarketView* view, TimeNs time_ns) noexcept nogil
    cdef bint timed(self) noexcept nogil        # its peek moves with the clock alone
    cdef Oracle clone(self)
    cdef void digest(self, Digest* d) noexcept nogil


cdef class LiquidationPolicy:
    # asked once a round; writes one intent a row, in the order of the rows
    cdef int plan(self, const AtRisk* rows, int64_t count, Intent* out) except -1 nogil
    # asked just before an order or takeover, with stages: how many of these lots may go now; what
    # is granted counts as done. `skew` = signed lots of all users in the market.
    cdef Lot grant(self, int32_t market, TimeNs time_ns, Lot lots, Lot skew) except -1 nogil
    # when it may grant what it did not, though nothing happens, after that time; NIL: never
    cdef TimeNs wake(self, TimeNs time_ns) noexcept nogil
    cdef LiquidationPolicy clone(self)
    cdef void digest(self, Digest* d) noexcept nogil


cdef class Backstop:
    # asked when positions must be handed over: sets `rank` and `taken` of every candidate.
    # Candidates come in scope id order, `external` last.
    cdef int deal(self, Candidate* rows, int64_t count, Lot lots) except -1 nogil
    cdef Backstop clone(self)
    cdef void digest(self, Digest* d) noexcept nogil


cdef class CircuitBreaker:
    # asked once a round and market, after the marks; the strictest answer of a venue's list wins.
    # It sees every round, whatever others decided. `out` comes zeroed.
    cdef int judge(self, int32_t market, const MarketView* view, TimeNs time_ns,
                   Verdict* out) except -1 nogil
    # when its answer may change though nothing happens, after that time; NIL: never
    cdef TimeNs wake(self, int32_t market, const MarketView* view, TimeNs time_ns) noexcept nogil
    cdef CircuitBreaker clone(self)
    cdef void digest(self, Digest* d) noexcept nogil


# What a surcharge is added to.
cdef enum:
    ADD_MAINTENANCE = 0         # and initial margin with it
    ADD_INITIAL = 1             # initial margin alone: what new positions are asked
    ADD_FEE = 2                 # what takers pay


cdef class Surcharge:
    # asked once a round and market, after the marks: ppm to be added to a rate
    cdef Ppm addon(self, int32_t market, const MarketView* view, const Crowd* crowd,
                   TimeNs time_ns) except -1 nogil
    cdef int target(self) noexcept nogil        # ADD_MAINTENANCE, ADD_INITIAL, ADD_FEE
    # how far around the mark it wants the crowd this time; 0: `crowd` comes zeroed
    cdef Ppm reach(self, int32_t market, TimeNs time_ns) noexcept nogil
    # when its answer may rise though nothing happens, after that time; NIL: never
    cdef TimeNs wake(self, int32_t market, const MarketView* view, TimeNs time_ns) noexcept nogil
    cdef Surcharge clone(self)
    cdef void digest(self, Digest* d) noexcept nogil
