# Executing: one order's fills through the ledger, the loss table, deleveraging, the waterfall.
from libc.stdint cimport int32_t, int64_t
from ordercascade.core.records cimport Fill
from ordercascade.core.state cimport Entry, State
from ordercascade.core.units cimport Cash, Lot, Tick

# What an order did: filled in by apply_fills().
ctypedef struct Executed:
    Lot lots
    Cash value
    Tick worst
    int64_t levels

cdef int take_marks(State* s) except -1 nogil
cdef int mark_row(State* s, int32_t market) except -1 nogil
cdef int book_touched(State* s, int32_t market, int64_t step) except -1 nogil
cdef int apply_fills(State* s, int32_t market, int64_t step, bint liquidation,
                     Executed* done) except -1 nogil
cdef int finish(State* s, int64_t step) except -1 nogil
cdef Cash exit_level(State* s, Cash maintenance, Cash exposure) noexcept nogil

cdef int execute(State* s, const Entry* entry) except -1 nogil
cdef int fix_handover(State* s, int32_t scope) except -1 nogil
cdef int sub_step(State* s) except -1 nogil
cdef int table(State* s, int32_t scope, int64_t row, bint unfilled) except -1 nogil
cdef int deleverage(State* s, int32_t scope, int64_t parent, int64_t row) except -1 nogil
cdef int waterfall(State* s, int32_t scope, int64_t row) except -1 nogil
