# Who bears a loss: deleveraging at exact cost, the fund, winners, bad debt.
from libc.stdint cimport int32_t, int64_t
from ordercascade.core.state cimport State
from ordercascade.core.units cimport Cash

cdef int set_outcome(State* s, int64_t row, int outcome) except -1 nogil
cdef int64_t counterparties(State* s, int32_t market, bint of_long) except -1 nogil
# A fund that a trade left below zero is filled up from bad debt.
cdef int mend_fund(State* s, int64_t step, int32_t asset) except -1 nogil
cdef int residual(State* s, int32_t scope, Cash amount) except -1 nogil
cdef int fix_handover(State* s, int32_t scope) except -1 nogil
cdef int deleverage(State* s, int32_t scope, int64_t parent, int64_t row) except -1 nogil
cdef int adl_step(State* s) except -1 nogil
cdef int waterfall(State* s, int32_t scope, int64_t row) except -1 nogil
