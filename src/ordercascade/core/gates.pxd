# What stands before money that leaves a venue: stops, rates, a share that stays. MARGIN §6.9.
from libc.stdint cimport int32_t, int64_t
from ordercascade.core.state cimport State
from ordercascade.core.units cimport Cash

# Fill the record from a mapping of GATES' keys (None: no gates); ConfigError names a key.
cdef int set_gates(State* s, object given) except -1
# A scope was seen with less than nothing.
cdef void gates_trouble(State* s) noexcept nogil
# 0, or REJECT_GATED for a withdrawal that margin would allow.
cdef int64_t gates_refuse(const State* s, int32_t scope, Cash amount) noexcept nogil
# A user's money came (> 0) or went: call it before the ledger moves.
cdef void gates_move(State* s, int32_t asset, Cash amount) noexcept nogil
