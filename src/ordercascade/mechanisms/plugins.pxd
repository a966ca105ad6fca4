# Python objects as mechanisms: each call takes the GIL, hands out copies and checks the answer.
from ordercascade.core.mechanism cimport (
    Backstop, CircuitBreaker, LiquidationPolicy, Oracle, Surcharge,
)
from ordercascade.core.units cimport Ppm, Tick


cdef class PluginOracle(Oracle):
    cdef readonly object plugin
    cdef Tick stood         # its last answer: what a peek says


cdef class PluginBreaker(CircuitBreaker):
    cdef readonly object plugin


cdef class PluginPolicy(LiquidationPolicy):
    cdef readonly object plugin


cdef class PluginBackstop(Backstop):
    cdef readonly object plugin


cdef class PluginSurcharge(Surcharge):
    cdef readonly object plugin
    cdef readonly int rate          # RateKind
    cdef readonly Ppm reach_ppm
