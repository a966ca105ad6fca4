from libc.stdint cimport int32_t, int64_t
from ordercascade.core.state cimport State

cdef class Monitor:
    cdef State s
    cdef list schedules         # keep what State borrows
    cdef int64_t looked         # evaluations so far
    cdef int64_t _touched(self, int32_t scope) except -1
    cdef int32_t _scope(self, scope) except -1
