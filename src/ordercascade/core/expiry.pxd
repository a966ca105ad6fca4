# The end of a market: settlement of all its positions at one price. ADR 20.
from libc.stdint cimport int32_t
from ordercascade.core.state cimport State
from ordercascade.core.units cimport TimeNs

# Plan it (the caller puts it on the agenda); ConfigError or InputError names an argument.
cdef int set_ending(State* s, int32_t market, TimeNs at, dict given) except -1
# The agenda's item: all or, where a cell would pass its bound (price 0 in its note), nothing.
cdef int expiry_step(State* s, int32_t market) except -1 nogil
