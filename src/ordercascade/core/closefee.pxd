# The trigger of a leg whose scope owes closing fees that are valued at bankruptcy.
from libc.stdint cimport int32_t
from ordercascade.core.ledger cimport Position
from ordercascade.core.state cimport State
from ordercascade.core.units cimport Tick, Wide

# tick_in() where no leg has such a fee; `base` as there, the fees of the moment in it.
cdef Tick leg_trigger(const State* s, int32_t scope, const Position* position,
                      Wide base) noexcept nogil
