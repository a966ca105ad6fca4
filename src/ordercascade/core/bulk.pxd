from libc.stdint cimport int32_t
from ordercascade.core.state cimport State
from ordercascade.core.units cimport Cash, Lot

# Refuse lots or costs that a scope (NIL: a new one) has no room for.
cdef int fits(const State* s, int32_t scope, int32_t market, Lot size, Cash cost,
              Lot most) except -1
cdef object open_many(State* s, deposits, openings, int32_t asset, bint* torn)
cdef list below_zero(const State* s)
