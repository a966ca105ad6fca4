from libc.stdint cimport int32_t
from ordercascade.core.rates cimport Lending
from ordercascade.core.state cimport State
from ordercascade.core.units cimport TimeNs, Wide

# Collateral less the cost of all positions: below zero it is borrowed.
cdef Wide cash_of(const State* s, int32_t holder) noexcept nogil
# Rates of a year and period, pure; then one payment for so much time.
cdef int interest_step(State* s, int32_t asset, TimeNs span_ns) except -1 nogil
cdef int set_lending(State* s, dict given) except -1
