# What is added to a market's margin rates or fees in rough times. spec/MECHANISMS.md §10, §12.
from libc.stdint cimport int32_t, int64_t
from ordercascade.core.mechanism cimport Surcharge
from ordercascade.core.units cimport Ppm, TimeNs
from ordercascade.mechanisms.sigma cimport Sigma

ctypedef struct Gauge:      # one market
    Sigma sigma
    Ppm wanted              # what the formula says
    Ppm now                 # what stands: towards `wanted` by the step limit

ctypedef struct Look:       # one market, for the contagion buffer
    int64_t period          # of the latest look; -1: none yet
    Ppm now
    bint later              # rounds came after the look


cdef class Volatile(Surcharge):
    # what margin and fee share: a row a market, grown when it is first seen
    cdef Gauge* gauges
    cdef int64_t gauge_count
    cdef int64_t gauge_capacity
    cdef readonly Ppm decay_ppm         # lambda of the EWMA
    cdef readonly TimeNs sample_ns
    cdef readonly int64_t start_ppb     # standard deviation of a day at the start
    cdef readonly Ppm step_ppm          # by how much it may move an hour; 0: at once

    cdef Ppm formula(self, int32_t market, const Sigma* sigma) noexcept nogil
    cdef Ppm base(self, int32_t market) noexcept nogil      # what the market asks anyway
    cdef Gauge* gauge(self, int32_t market) except NULL nogil
    cdef void follow(self, int32_t market, Gauge* g, int64_t periods) noexcept nogil
    cdef void near(self, Gauge* g, int64_t before) noexcept nogil
    cdef void copy_to(self, Volatile other) except *


cdef class VolatilityMargin(Volatile):
    cdef readonly int64_t k_ppm
    cdef readonly TimeNs mpor_ns
    cdef readonly tuple bases_ppm      # by market, the last one for all that follow
    cdef Ppm* bases                     # the same
    cdef int64_t base_count
    cdef readonly Ppm floor_ppm
    cdef readonly Ppm cap_ppm
    cdef readonly Ppm buffer_ppm
    cdef readonly Ppm stressed_ppm
    cdef readonly Ppm weight_ppm
    cdef readonly bint new_only


cdef class VolatilityFee(Volatile):
    cdef readonly Ppm base_ppm
    cdef readonly int64_t slope_ppm
    cdef readonly Ppm cap_ppm
    cdef readonly int64_t reference_ppb
    cdef readonly Ppm to_fund_ppm


cdef class ContagionBuffer(Surcharge):
    cdef Look* looks
    cdef int64_t look_count
    cdef int64_t look_capacity
    cdef readonly Ppm reach_ppm
    cdef readonly int64_t weight_ppm
    cdef readonly Ppm cap_ppm
    cdef readonly TimeNs every_ns
    cdef readonly bint new_only

    cdef Look* at(self, int32_t market) except NULL nogil
    cdef Ppm priced(self, int64_t near, int64_t depth) noexcept nogil
