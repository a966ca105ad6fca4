# Python objects as mechanisms: each call takes the GIL, hands out copies and checks the answer.
from libc.stdint cimport int64_t
from ordercascade.core.mechanism cimport (
    Backstop, CircuitBreaker, LiquidationPolicy, Oracle, Surcharge,
)
from ordercascade.core.units cimport Ppm, Tick


cdef class Journal:         # what the plug-ins of a world said since it was kept, core/undo
    cdef list said
    cdef readonly int64_t at    # answers given; fewer than `said` while they are given again
    cdef bint lost          # somebody else's journal took a plug-in over
    cdef bint keeping       # copies of the world share the plug-ins: one is being kept

    cdef object next(self)
    cdef int begin(self) except -1
    cdef int again(self) except -1
    cdef int over(self) except -1


cdef class PluginOracle(Oracle):
    cdef readonly object plugin
    cdef Journal journal    # None outside of a world's call
    cdef Tick stood         # its last answer: what a peek says


cdef class PluginBreaker(CircuitBreaker):
    cdef readonly object plugin
    cdef Journal journal    # None outside of a world's call


cdef class PluginPolicy(LiquidationPolicy):
    cdef readonly object plugin
    cdef Journal journal    # None outside of a world's call


cdef class PluginBackstop(Backstop):
    cdef readonly object plugin
    cdef Journal journal    # None outside of a world's call


cdef class PluginSurcharge(Surcharge):
    cdef readonly object plugin
    cdef readonly int rate          # RateKind
    cdef readonly Ppm reach_ppm
    cdef Journal journal    # None outside of a world's call
