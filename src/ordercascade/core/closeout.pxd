# One liquidation order, and what the loss table makes of its scope afterwards.
from libc.stdint cimport int32_t, int64_t
from ordercascade.core.state cimport Entry, State
from ordercascade.core.units cimport Cash

cdef Cash exit_level(State* s, Cash maintenance, Cash exposure) noexcept nogil
cdef int execute(State* s, const Entry* entry) except -1 nogil
cdef int sub_step(State* s) except -1 nogil
# An equity below zero with lots left: taken over, deleveraged, or left as it is.
cdef int bankrupt(State* s, int32_t scope, int64_t parent, int64_t row) except -1 nogil
cdef int table(State* s, int32_t scope, int64_t row, bint unfilled) except -1 nogil
