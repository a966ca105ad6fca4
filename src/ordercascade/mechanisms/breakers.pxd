# When a market's trading is limited or stops. spec/MECHANISMS.md §9.
from libc.stdint cimport int8_t, int32_t, int64_t
from ordercascade.core.mechanism cimport CircuitBreaker
from ordercascade.core.records cimport MarketView
from ordercascade.core.units cimport Ppm, Tick, TimeNs
from ordercascade.mechanisms.window cimport Window

ctypedef struct Watch:      # one market
    Window window           # of its marks
    TimeNs until_ns         # STOP until then; 0: not stopped
    TimeNs since_ns         # LAG, GAS: 1 + when the first of these pauses began; 0: none
    int8_t spared           # GAS: the round after a pause is let go


cdef class Breaker(CircuitBreaker):
    # what they share: a row a market, grown when it is first seen
    cdef Watch* watches
    cdef int64_t watch_count
    cdef int64_t watch_capacity
    cdef readonly int32_t kind
    cdef readonly Ppm band_ppm          # BAND, HALT: from the reference; LAG: mark from last
    cdef readonly TimeNs window_ns      # of the reference's mean; 0: the first mark seen
    cdef readonly TimeNs halt_ns
    cdef readonly TimeNs halt_max_ns    # LAG, GAS: pauses in one go
    cdef readonly int32_t release       # ReleaseRule
    cdef readonly Ppm drip_ppm
    cdef readonly TimeNs drip_ns
    cdef readonly int64_t gas           # GAS: base price, gwei
    cdef readonly int64_t gas_max
    cdef readonly Ppm gas_ppm           # GAS: growth per scope in the queue
    cdef readonly bint everybody

    cdef Tick reference(self, const Watch* w, TimeNs time_ns) noexcept nogil
    cdef int see(self, Watch* w, const MarketView* view, TimeNs time_ns) except -1 nogil
    cdef bint broken(self, const Watch* w, const MarketView* view, TimeNs time_ns) noexcept nogil
    cdef int move(self, Watch* w, const MarketView* view, TimeNs time_ns) except -1 nogil
