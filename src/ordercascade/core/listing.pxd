from libc.stdint cimport int32_t, int64_t
from ordercascade.core.state cimport Market, State

cdef object schedule_of(const State* s, str name, schedule, int32_t kind, int64_t multiplier,
                        list rows)
cdef object listed_worth(const State* s)
cdef int keep_brackets(Market* m, list rows) except -1
