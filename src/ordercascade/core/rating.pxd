# Surcharges at work: margin rates and fees that change between two steps. ADR 17.
from libc.stdint cimport int64_t
from ordercascade.core.state cimport State
from ordercascade.core.units cimport TimeNs

cdef list set_surcharges(State* s, surcharges, list schedules)
cdef list own_schedules(State* s, list schedules)
cdef int check_rows(const State* s, int64_t market) except -1   # ConfigError: they cannot move
cdef int rates_open(State* s) except -1 nogil      # at the start, on the opening marks
cdef list clone_surcharges(State* s, list surcharges)   # for a fork: `s` is the copy's
# After the marks of a round: ask about the next market, at most one step; 0: all were asked.
cdef int rates_advance(State* s) except -1 nogil
cdef void rates_begin(State* s) noexcept nogil
cdef TimeNs next_rate(const State* s) noexcept nogil
