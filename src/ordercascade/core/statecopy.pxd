# The life of a State as one value: make, free, copy, fold into a digest, check by full scan.
from libc.stdint cimport int32_t, int64_t
from ordercascade.core.digest cimport Digest
from ordercascade.core.state cimport State

cdef int state_init(State* s, int64_t assets) except -1 nogil
cdef void state_free(State* s) noexcept nogil
cdef int state_copy(State* to, const State* s) except -1 nogil
cdef int scopes_reserve(State* s) except -1 nogil
cdef void state_digest(const State* s, Digest* d) noexcept nogil
cdef int64_t state_check(State* s) noexcept nogil
