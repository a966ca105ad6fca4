from libc.stdint cimport int32_t
from ordercascade.core.state cimport State

cdef object open_many(State* s, deposits, openings, int32_t asset, bint* torn)
cdef list below_zero(const State* s)
