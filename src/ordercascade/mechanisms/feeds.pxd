# An oracle with a memory: smoothed, late, sparse or clamped prices. spec/MECHANISMS.md §7, §8.
from libc.stdint cimport int8_t, int32_t, int64_t
from ordercascade.core.mechanism cimport Oracle
from ordercascade.core.stream cimport Stream
from ordercascade.core.records cimport MarketView
from ordercascade.core.units cimport Ppm, Tick, TimeNs
from ordercascade.mechanisms.window cimport Window

ctypedef struct Report:     # a price on its way
    TimeNs arrives_ns
    Tick price


cdef class Feed(Oracle):
    # what it is told
    cdef readonly int32_t kind          # FeedKind
    cdef readonly int32_t source        # PriceSource of the own price
    cdef readonly Ppm own_weight_ppm
    cdef readonly Tick price_max
    cdef readonly TimeNs window_ns      # TWAP
    cdef readonly TimeNs tau_ns         # EMA, MEDIAN3, BASIS3
    cdef readonly int64_t funding_ppb   # FUNDING, BASIS3: what longs pay at the next payment
    cdef readonly TimeNs funding_at_ns  # the first of the payments
    cdef readonly TimeNs funding_every_ns
    cdef readonly TimeNs latency_ns     # median; 0: no delay
    cdef readonly Ppm sigma_ppm         # of the latency's logarithm
    cdef readonly Ppm congestion_ppm    # latency grows by this share per scope in the queue
    cdef readonly TimeNs heartbeat_ns   # 0: a price is sent whenever it is asked for
    cdef readonly Ppm deviation_ppm     # ... or sooner, when it is so far off; 0: never
    cdef readonly Ppm clamp_ppm         # at most so far from the index; 0: any distance
    cdef readonly Ppm clamp_round_ppm   # most that it moves at one taking; 0: any
    cdef readonly Ppm clamp_second_ppm  # ... and in a second
    cdef object key                     # of its random stream: two words
    # what it remembers
    cdef Stream stream
    cdef Window window
    cdef double mean2                   # EMA of twice the basis (or of twice the own price)
    cdef Tick held2                     # what stood since `seen_ns`: twice basis or price
    cdef TimeNs seen_ns
    cdef Report* reports                # in flight, by the time they were sent
    cdef int64_t report_count
    cdef int64_t report_capacity
    cdef Tick sent                      # last price sent, 0 before the first
    cdef TimeNs sent_ns
    cdef Tick arrived                   # last price that arrived
    cdef Tick standing                  # what take() said last
    cdef TimeNs taken_ns
    cdef int8_t opened

    cdef Tick funded2(self, const MarketView* view, TimeNs time_ns) noexcept nogil
    cdef Tick raw(self, const MarketView* view, TimeNs time_ns, TimeNs basis_ns) noexcept nogil
    cdef Tick clamped(self, const MarketView* view, Tick price, TimeNs time_ns) noexcept nogil
    cdef bint due(self, Tick price, TimeNs time_ns) noexcept nogil
    cdef TimeNs delay(self, Stream* stream, const MarketView* view) noexcept nogil
    cdef int _send(self, const MarketView* view, Tick price, TimeNs time_ns) except -1 nogil
    cdef bint _still(self, const MarketView* view, TimeNs time_ns) noexcept nogil
    cdef double smoothed(self, TimeNs time_ns) noexcept nogil
