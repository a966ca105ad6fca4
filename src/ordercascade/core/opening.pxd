# The start of a venue: first marks, armed triggers, and the opening on the tape.
from libc.stdint cimport int32_t
from ordercascade.core.state cimport Market, State

cdef bint has_price(const Market* m) noexcept nogil
cdef int opening(State* s) except -1 nogil
cdef int write_holder(State* s, int32_t holder) except -1 nogil
