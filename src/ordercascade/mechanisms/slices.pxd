# A position sold in planned slices. spec/MECHANISMS.md §4, §4a.
from libc.stdint cimport int32_t, int64_t
from ordercascade.core.mechanism cimport LiquidationPolicy
from ordercascade.core.units cimport Cash, Ppm, TimeNs


cdef class Slices(LiquidationPolicy):
    cdef readonly Ppm target_ppm        # of the value: margin to be restored; 0: by the table
    cdef readonly Ppm cost_ppm          # fees and slippage, of the value sold
    cdef readonly Cash min_value        # positions worth no more go at once
    cdef readonly TimeNs cooldown_ns    # between two slices
    cdef readonly Ppm depth_ppm         # lots within this of the book's middle ...
    cdef readonly Ppm share_ppm         # ... of which an order takes at most this share; 0: any
    cdef readonly tuple parts           # of what is held then, slice by slice, in 10**-9
    cdef int64_t* part
    cdef int32_t part_count
