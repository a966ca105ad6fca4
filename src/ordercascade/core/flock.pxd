# Scopes judged together: what many of them need of the memory is asked for at once.
from libc.stdint cimport int32_t, int64_t
from ordercascade.core.state cimport State

cdef enum:
    FLOCK = 64              # scopes judged together; triggers fired at once

cdef void fetch(const State* s, int32_t scope) noexcept nogil
cdef void disarm_scope(State* s, int32_t scope) noexcept nogil
cdef int meet(State* s, const int32_t* fired, int64_t count) except -1 nogil
cdef int judge(State* s, int64_t step) except -1 nogil
