# What a world does to all of its venues; `members` are `count` borrowed Venues, by id.
from libc.stdint cimport int64_t
from ordercascade.core.due cimport Item
from ordercascade.core.events cimport Log
from ordercascade.core.state cimport State
from ordercascade.core.units cimport TimeNs

# queries
cdef int64_t turns_due(void** members, int64_t count, const Item* agenda, int64_t items,
                       TimeNs instant, int64_t round) noexcept nogil
cdef bint turns_awake(void** members, int64_t count) noexcept nogil
cdef int turns_rest(void** members, int64_t count) noexcept nogil     # a Stop
cdef TimeNs turns_retry(void** members, int64_t count) noexcept nogil
cdef int64_t turns_rows(const Log* log) noexcept nogil
# commands
cdef int turns_open(void** members, int64_t count, TimeNs time_ns) except -1 nogil
cdef int turns_perform(State* s, const Item* item) except -1 nogil
cdef int turns_marks(void** members, int64_t count, TimeNs instant, int64_t round) except -1 nogil
cdef void turns_round(void** members, int64_t count, TimeNs instant, int64_t round,
                      TimeNs* now) noexcept nogil
cdef void turns_close(void** members, int64_t count, TimeNs now) noexcept nogil
