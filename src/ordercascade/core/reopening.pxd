# How a halted market trades again: one call auction, or the orders that waited, one by one.
from libc.stdint cimport int32_t
from ordercascade.core.state cimport State

# Steps 5 of a round with breakers: the next piece before the queue; 0 when there is none left.
cdef int reopen_step(State* s) except -1 nogil
# After the marks: valves, then what waited; 0 when there is none left.
cdef int valves_advance(State* s) except -1 nogil
