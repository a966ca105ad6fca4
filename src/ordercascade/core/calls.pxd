# Margin calls and their answers. SEMANTICS §5.9; ADR 19.
from libc.stdint cimport int32_t, int64_t
from ordercascade.core.due cimport Item
from ordercascade.core.state cimport State
from ordercascade.core.units cimport Lot

# Fill the levels from a mapping of CALLS' keys (None: no calls); ConfigError names a key.
cdef int set_calls(State* s, object given) except -1
# What `count` accounts from `first` do when called: a mapping of ANSWER's keys.
cdef int set_answers(State* s, int64_t first, int64_t count, object given) except -1
# A round begins on new standing marks.
cdef void calls_begin(State* s) noexcept nogil
# Write the next call of this round and return 1; 0 when all are out.
cdef int calls_advance(State* s) except -1 nogil
# Take the next answer that is on its way, as an item for the agenda; False without one.
cdef bint calls_next(State* s, Item* item) noexcept nogil
# What a called account had in mind arrives; `step` is that of the call.
cdef int answer_step(State* s, int32_t scope, int64_t step, int64_t action) except -1 nogil
# Close so many lots of a position (by its handle), at the market and reduce-only, as an order of a
# step that is being written; the lots filled.
cdef Lot close_lots(State* s, int32_t position, Lot lots, int64_t step) except? -1 nogil
# 0; 500: a flag or a trigger that a full scan contradicts.
cdef int64_t calls_check(const State* s) noexcept nogil
