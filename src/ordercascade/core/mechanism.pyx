"""The C interfaces of mechanisms. The built-ins live in `ordercascade.mechanisms`."""

from libc.stdint cimport int32_t, int64_t
from ordercascade.core.digest cimport Digest
from ordercascade.core.records cimport AtRisk, Candidate, Intent, MarketView
from ordercascade.core.units cimport Lot, Tick, TimeNs


cdef class Oracle:
    """Where a market's mark comes from. The base takes the last price."""

    cdef Tick peek(self, const MarketView* view, TimeNs time_ns) noexcept nogil:
        return view.last

    cdef Tick take(self, const MarketView* view, TimeNs time_ns) noexcept nogil:
        return self.peek(view, time_ns)

    cdef Oracle clone(self):
        return self                 # no state: one object serves every fork

    cdef void digest(self, Digest* d) noexcept nogil:
        pass


cdef class LiquidationPolicy:
    """How much of a leg is sold, at which limit. The base sells all of it at the market."""

    cdef void plan(self, const AtRisk* rows, int64_t count, Intent* out) noexcept nogil:
        cdef int64_t i
        for i in range(count):
            out[i].scope = rows[i].scope
            out[i].market = rows[i].market
            out[i].lots = rows[i].size if rows[i].size > 0 else -rows[i].size
            out[i].limit = 0
            out[i].cooldown_ns = 0
            out[i].at_market = True

    cdef Lot grant(self, int32_t market, TimeNs time_ns, Lot lots, Lot skew) except -1 nogil:
        return lots

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
