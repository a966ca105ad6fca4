# The rounds of a cascade: marks, who is at risk, the queue, execution, the loss table.
from libc.stdint cimport int64_t
from ordercascade.core.state cimport State
from ordercascade.core.units cimport TimeNs

cdef int round_begin(State* s, TimeNs time_ns, int64_t round) except -1 nogil
cdef int marks_advance(State* s) except -1 nogil
cdef int round_advance(State* s) except -1 nogil
cdef int bound_row(State* s) except -1 nogil
cdef TimeNs next_retry(const State* s) noexcept nogil
