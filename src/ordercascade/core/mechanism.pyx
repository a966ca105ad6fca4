"""The C interfaces of mechanisms. The built-ins live in `ordercascade.mechanisms`."""

from libc.stdint cimport int32_t, int64_t
from ordercascade.core.digest cimport Digest
from ordercascade.core.records cimport AtRisk, Candidate, Crowd, Intent, MarketView, Verdict
from ordercascade.core.slab cimport NIL
from ordercascade.core.units cimport Lot, Ppm, Tick, TimeNs


cdef class Oracle:
    """Where a market's mark comes from. The base takes the last price."""

    cdef Tick peek(self, const MarketView* view, TimeNs time_ns) noexcept nogil:
        return view.last

    cdef Tick take(self, const MarketView* view, TimeNs time_ns) except 0 nogil:
        return self.peek(view, time_ns)

    cdef TimeNs wake(self, const MarketView* view, TimeNs time_ns) noexcept nogil:
        return -1

    cdef bint timed(self) noexcept nogil:
        return False

    cdef Oracle clone(self):
        return self                 # no state: one object serves every fork

    cdef void digest(self, Digest* d) noexcept nogil:
        pass


cdef class LiquidationPolicy:
    """How much of a leg is sold, at which limit. The base sells all of it at the market."""

    cdef int plan(self, const AtRisk* rows, int64_t count, Intent* out) except -1 nogil:
        cdef int64_t i
        for i in range(count):
            out[i].scope = rows[i].scope
            out[i].market = rows[i].market
            out[i].lots = rows[i].size if rows[i].size > 0 else -rows[i].size
            out[i].limit = 0
            out[i].cooldown_ns = 0
            out[i].at_market = True
        return 0

    cdef Lot grant(self, int32_t market, TimeNs time_ns, Lot lots, Lot skew) except -1 nogil:
        return lots

    cdef TimeNs wake(self, TimeNs time_ns) noexcept nogil:
        return NIL

    cdef LiquidationPolicy clone(self):
        return self

    cdef void digest(self, Digest* d) noexcept nogil:
        pass


cdef class Backstop:
    """Who takes over the lots of a bankrupt scope. The base deals by scope id."""

    cdef int deal(self, Candidate* rows, int64_t count, Lot lots) except -1 nogil:
        cdef int64_t i
        cdef Lot left = lots
        for i in range(count):
            rows[i].rank = i
            rows[i].taken = rows[i].lots if rows[i].lots < left else left
            left -= rows[i].taken
        return 0

    cdef Backstop clone(self):
        return self

    cdef void digest(self, Digest* d) noexcept nogil:
        pass


cdef class CircuitBreaker:
    """When trading is limited, or stops, and how it resumes. The base allows everything."""

    cdef int judge(self, int32_t market, const MarketView* view, TimeNs time_ns,
                   Verdict* out) except -1 nogil:
        return 0

    cdef TimeNs wake(self, int32_t market, const MarketView* view, TimeNs time_ns) noexcept nogil:
        return -1

    cdef CircuitBreaker clone(self):
        return self

    cdef void digest(self, Digest* d) noexcept nogil:
        pass


cdef class Surcharge:
    """What is added to a market's rate while it lasts. The base adds nothing."""

    cdef Ppm addon(self, int32_t market, const MarketView* view, const Crowd* crowd,
                   TimeNs time_ns) except -1 nogil:
        return 0

    cdef int target(self) noexcept nogil:
        return ADD_MAINTENANCE

    cdef Ppm reach(self, int32_t market, TimeNs time_ns) noexcept nogil:
        return 0

    cdef TimeNs wake(self, int32_t market, const MarketView* view, TimeNs time_ns) noexcept nogil:
        return -1

    cdef Surcharge clone(self):
        return self

    cdef void digest(self, Digest* d) noexcept nogil:
        pass
