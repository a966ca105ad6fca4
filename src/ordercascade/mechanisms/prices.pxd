from libc.stdint cimport int32_t
from ordercascade.core.mechanism cimport Oracle
from ordercascade.core.units cimport Ppm, Tick


cdef class OwnBook(Oracle):
    cdef readonly int32_t source        # PriceSource
    cdef readonly Ppm own_weight_ppm
    cdef readonly Tick price_max


cdef class Held(Oracle):
    pass
