from libc.stdint cimport int32_t, int64_t
from ordercascade.core.state cimport Funding, State

# FundingRule of ordercascade.enums.
cdef enum:
    FUNDING_NONE = 0
    FUNDING_PREMIUM = 1
    FUNDING_SKEW = 2

cdef int funding_step(State* s, int32_t market, bint by_rule, int64_t rate_ppb) except -1 nogil
cdef int set_terms(Funding* f, dict given) except -1
