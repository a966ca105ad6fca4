# Settling positions to the mark, and margin levels: what a futures house does each round.
from libc.stdint cimport int32_t, int64_t
from ordercascade.core.state cimport State

# Pay every gain and loss of a market since it was last settled; winners share what is not there.
cdef int settle_market(State* s, int32_t market, int64_t step) except -1 nogil
# The same as a step of its own, if there is anything to pay.
cdef int variation_step(State* s, int32_t market) except -1 nogil
# Top up isolated margins below the search level, return what lies above the release level.
cdef int levels_step(State* s) except -1 nogil
