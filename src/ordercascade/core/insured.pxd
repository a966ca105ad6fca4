# Fills that are settled against the bankruptcy cost, one after the other.
from libc.stdint cimport int32_t, int64_t
from ordercascade.core.state cimport Entry, State
from ordercascade.core.steps cimport Executed
from ordercascade.core.units cimport Cash, Lot

ctypedef struct Insured:
    Cash fee                # the account paid the fund
    Cash paid               # the fund paid

cdef Lot insured_take(State* s, int64_t step, const Entry* entry, Lot lots, Executed* done,
                      Insured* sums) except -1 nogil
