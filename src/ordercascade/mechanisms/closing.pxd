from libc.stdint cimport int32_t, int64_t
from ordercascade.core.mechanism cimport Backstop, LiquidationPolicy
from ordercascade.core.units cimport Cash, Ppm, TimeNs


cdef class Tranche(LiquidationPolicy):
    cdef readonly Ppm fraction_ppm      # 10**6: the whole position at once
    cdef readonly Cash min_value        # positions worth no more than this go at once
    cdef readonly TimeNs cooldown_ns    # after an order for less than the position
    cdef readonly bint then_all         # the second order is for the rest
    cdef readonly bint at_bankruptcy    # limit price; else market


ctypedef struct Score:
    int64_t score
    int32_t scope


cdef class Deleverage(Backstop):
    cdef readonly int32_t rule          # AdlRule
    cdef readonly int64_t seed          # of RANDOM
    cdef readonly tuple scores          # (scope, score), by scope
    cdef Score* score
    cdef int64_t score_count
