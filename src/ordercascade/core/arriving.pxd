# When something of a venue is due though nothing happens: prices on their way.
from libc.stdint cimport int32_t
from ordercascade.core.state cimport State
from ordercascade.core.units cimport TimeNs

cdef TimeNs sooner(TimeNs a, TimeNs b) noexcept nogil           # NIL is never
cdef TimeNs next_feed(const State* s) noexcept nogil
cdef int set_oracle(State* s, int32_t market, object oracle) except -1
