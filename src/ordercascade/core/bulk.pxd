from libc.stdint cimport int32_t
from ordercascade.core.state cimport State
from ordercascade.core.units cimport Cash, Lot

# Refuse lots or costs that a scope (NIL: a new one), `external` or a market has no room for.
cdef int judge_one(const State* s, int32_t scope, int32_t outside, int32_t market, Lot size,
                   Cash cost) except -1
# And give them to the scope.
cdef int place_one(State* s, int32_t scope, int32_t outside, int32_t market, Lot size,
                   Cash cost) except -1
cdef object open_many(State* s, deposits, openings, int32_t asset, bint* torn)
cdef list below_zero(const State* s)
