# A user's own mechanisms, compiled against the shipped .pxd files: the second door.
from libc.stdint cimport int32_t
from ordercascade.core.mechanism cimport CircuitBreaker, Oracle, Surcharge
from ordercascade.core.records cimport Crowd, HOLD, MarketView, Verdict
from ordercascade.core.units cimport Ppm, Tick, TimeNs


cdef class Last(Oracle):
    """The last price."""

    cdef Tick peek(self, const MarketView* view, TimeNs time_ns) noexcept nogil:
        return view.last if view.last > 0 else view.index


cdef class Floor(CircuitBreaker):
    """No forced sale below 97."""

    cdef int judge(self, int32_t market, const MarketView* view, TimeNs time_ns,
                   Verdict* out) except -1 nogil:
        out.action = HOLD
        out.low = 97
        out.high = 103
        return 0


cdef class More(Surcharge):
    """One per cent more of margin while the mark is below 99."""

    cdef Ppm addon(self, int32_t market, const MarketView* view, const Crowd* crowd,
                   TimeNs time_ns) except -1 nogil:
        return 10_000 if view.mark < 99 else 0
