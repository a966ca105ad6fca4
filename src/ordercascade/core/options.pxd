# Options: markets without a book, whose mark follows from that of their underlying. ADR 22.
from libc.stdint cimport int32_t, int64_t
from ordercascade.core.state cimport State
from ordercascade.core.units cimport Tick

cdef void options_take(State* s) noexcept nogil     # after the marks of the others were taken
cdef void options_peek(State* s) noexcept nogil
cdef void options_open(State* s) noexcept nogil
cdef Tick option_end(const State* s, int32_t market, Tick spot) noexcept nogil
cdef Tick option_under(const State* s, int32_t market, Tick spot) noexcept nogil

# Set-up; all is judged before anything changes.
cdef int set_contract(State* s, int32_t market, dict terms) except -1
cdef int set_grids(State* s, dict terms) except -1
cdef int grids_judge(const State* s) except -1          # before the start
cdef int grids_judge_rules(const State* s, const State* rules) except -1
cdef int grids_refuse(const State* s, str what) except -1
