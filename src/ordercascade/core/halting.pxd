# What circuit breakers do to a venue: gates that hold orders back, halts, and what is due when.
from libc.stdint cimport int32_t, int64_t
from ordercascade.core.records cimport Message
from ordercascade.core.state cimport State
from ordercascade.core.units cimport Lot, Tick, TimeNs

# After the marks of a round: ask about the next market; at most one step. See gates_left().
cdef int gate_step(State* s) except -1 nogil
cdef bint gates_left(const State* s) noexcept nogil
cdef void gates_begin(State* s) noexcept nogil
cdef int gates_open(State* s) except -1 nogil           # at the start, on the opening marks
# How many of these lots may go now, and at which limit (0: any price).
cdef Lot gate_lots(State* s, int32_t market, int side, Lot lots, Tick* limit) noexcept nogil
cdef void gate_sent(State* s, int32_t market, Lot filled, Lot asked) noexcept nogil
# An outside order: how many lots may go now; the rest is for gate_wait().
cdef Lot gate_outside(State* s, int32_t market, int side, Lot lots, Tick* limit) noexcept nogil
cdef int gate_wait(State* s, int64_t step, int32_t market, int side, Lot lots,
                   Tick limit) except -1 nogil
cdef bint gate_refuses(const State* s, int32_t market, const Message* m) noexcept nogil
cdef TimeNs next_gate(const State* s) noexcept nogil
cdef int set_breakers(State* s, list breakers) except -1
