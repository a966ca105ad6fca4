# The interfaces of what decides. A mechanism reads plain records and answers; the core executes.
#
# Subclass in Cython, override, compile: a call costs about a nanosecond. State of a mechanism is
# copied by clone() when a world forks and folded into the world's hash by digest().
from libc.stdint cimport int32_t, int64_t
from ordercascade.core.digest cimport Digest
from ordercascade.core.records cimport AtRisk, Candidate, Intent, MarketView
from ordercascade.core.units cimport Lot, Tick, TimeNs


cdef class Oracle:
    # asked once a round and market (or after each liquidation order: MarkRefresh.ORDER)
    cdef Tick peek(self, const MarketView* view, TimeNs time_ns) noexcept nogil     # pure
    cdef Tick take(self, const MarketView* view, TimeNs time_ns) noexcept nogil     # may keep state
    cdef Oracle clone(self)
    cdef void digest(self, Digest* d) noexcept nogil


cdef class LiquidationPolicy:
    # asked once a round; writes one intent a row, in the order of the rows
    cdef void plan(self, const AtRisk* rows, int64_t count, Intent* out) noexcept nogil
    # asked just before an order or takeover, with stages: how many of these lots may go now; what
    # is granted counts as done. `skew` = signed lots of all users in the market.
    cdef Lot grant(self, int32_t market, TimeNs time_ns, Lot lots, Lot skew) except -1 nogil
    cdef LiquidationPolicy clone(self)
    cdef void digest(self, Digest* d) noexcept nogil


cdef class Backstop:
    # asked when positions must be handed over: sets `rank` and `taken` of every candidate.
    # Candidates come in scope id order, `external` last.
    cdef int deal(self, Candidate* rows, int64_t count, Lot lots) except -1 nogil
    cdef Backstop clone(self)
    cdef void digest(self, Digest* d) noexcept nogil
