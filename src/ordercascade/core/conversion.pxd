# Collateral turned into settlement money when a scope fails: before any loss table. docs/adr/0018.
from libc.stdint cimport int32_t, int64_t
from ordercascade.core.state cimport State

# A `payment` step: enough of it to fill a flat scope up to zero; with lots left, all of it.
cdef int convert(State* s, int32_t scope) except -1 nogil
# The outside price of a market changes: whoever has collateral valued by it is looked at again.
cdef int index_moved(State* s, int32_t market) except -1 nogil
# Other impacts of haircuts: rows (asset, impact_ppm, volume), judged first.
cdef list judged_impacts(const State* s, object rows)
cdef int set_impacts(State* s, list rows) except -1
# A collateral's own price (what = 0) or what it is worth of its source (1) changes: a `shock`.
cdef int collateral_tick(State* s, int32_t asset, int64_t value, int64_t what) except -1 nogil
