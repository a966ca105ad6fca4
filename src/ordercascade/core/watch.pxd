# Who is watched: arming, finding who fell below, and which step is whose parent.
from libc.stdint cimport int32_t, int64_t
from ordercascade.core.state cimport Margin, State

cdef void sort_ids(int32_t* list, int64_t count) noexcept nogil

cdef int touch(State* s, int32_t scope) except -1 nogil
cdef int64_t look(State* s, int64_t step) except -1 nogil
cdef int scan(State* s, int64_t step) except -1 nogil
cdef int window_open(State* s) except -1 nogil
cdef int collect(State* s) except -1 nogil
cdef int unpend(State* s, int32_t scope) except -1 nogil
cdef int64_t parent_of(State* s, int32_t scope) noexcept nogil
cdef int note_scope(State* s, int32_t scope, const Margin* m) except -1 nogil
cdef int note_nearest(State* s) except -1 nogil
cdef int arm_all(State* s) except -1 nogil
