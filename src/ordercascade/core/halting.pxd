# What circuit breakers do to a venue: valves that hold orders back, halts, and what is due when.
from libc.stdint cimport int32_t, int64_t
from ordercascade.core.records cimport Message
from ordercascade.core.state cimport State
from ordercascade.core.units cimport Lot, Tick, TimeNs

# After the marks of a round: ask about the next market; at most one step. See valves_left().
cdef int valve_step(State* s) except -1 nogil
cdef bint valves_left(const State* s) noexcept nogil
cdef void valves_begin(State* s) noexcept nogil
cdef int valves_open(State* s) except -1 nogil          # at the start, on the opening marks
# How many of these lots may go now, and at which limit (0: any price).
cdef Lot valve_lots(State* s, int32_t market, int side, Lot lots, Tick* limit) noexcept nogil
cdef void valve_sent(State* s, int32_t market, Lot filled, Lot asked) noexcept nogil
# An outside order: how many lots may go now; the rest is for valve_wait().
cdef Lot valve_outside(State* s, int32_t market, int side, Lot lots, Tick* limit) noexcept nogil
cdef int valve_wait(State* s, int64_t step, int32_t market, int side, Lot lots,
                   Tick limit) except -1 nogil
cdef bint valve_refuses(const State* s, int32_t market, const Message* m) noexcept nogil
cdef TimeNs next_valve(const State* s) noexcept nogil
cdef int set_breakers(State* s, list breakers) except -1
# A disposal: lots that may go now, and the limit tightened to a band.
cdef Lot valve_disposal(const State* s, int32_t market, int side, Lot lots,
                        Tick* limit) noexcept nogil
