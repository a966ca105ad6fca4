# How large liquidation orders are at real venues, and their limits. spec/MARGIN.md §6.2, §6.3.
from libc.stdint cimport int32_t, int64_t
from ordercascade.core.mechanism cimport LiquidationPolicy
from ordercascade.core.units cimport Cash, Lot, Ppm, TimeNs

ctypedef struct Sale:       # lots that a window has seen
    TimeNs time_ns
    Lot lots
    int32_t market


cdef class Tranches(LiquidationPolicy):
    cdef readonly int32_t rule          # TrancheRule
    cdef readonly int32_t limit         # OrderLimit of the order
    cdef readonly int32_t limit_all     # OrderLimit of an order for the whole position
    cdef readonly Ppm portion_ppm       # PORTION: of the position; COVER: of the lots, at first
    cdef readonly Cash min_value        # PORTION: at least; COVER: shortages below it go at once
    cdef readonly Cash block_value      # most one order may be worth; 0: no cap
    cdef readonly TimeNs cooldown_ns
    cdef readonly TimeNs ramp_ns        # COVER: until the portion is all of it; 0: never
    cdef readonly Ppm target_ppm        # COVER: margin to be restored, of maintenance
    cdef readonly Ppm buffer_ppm        # COVER: ... plus this share of the value
    cdef readonly Ppm cost_ppm          # COVER: fees and slippage, of the value sold
    cdef readonly bint round_up         # COVER: lots
    cdef readonly int32_t tiers         # TIER_DOWN: how many
    cdef readonly Ppm spread_ppm        # FILLABLE
    cdef readonly Ppm adjustment_ppm    # FILLABLE
    cdef readonly Ppm range_ppm         # RANGE: of the middle
    cdef readonly Lot capacity          # WINDOW: lots a window and market
    cdef readonly TimeNs window_ns
    cdef readonly Lot skew_max          # WINDOW: one more capacity below this skew
    cdef Sale* sales                    # WINDOW: by time
    cdef int64_t sale_count
    cdef int64_t sale_capacity
    cdef bint short                     # WINDOW: it granted less than was asked
