# What a step consists of: marks, fills through the ledger, the rows that close it.
from libc.stdint cimport int32_t, int64_t
from ordercascade.core.state cimport State
from ordercascade.core.units cimport Cash, Lot, Tick

# What an order did: filled in by apply_fills().
ctypedef struct Executed:
    Lot lots
    Cash value
    Tick worst
    int64_t levels

cdef int64_t generation_of(State* s, int64_t step) noexcept nogil
cdef int take_marks(State* s) except -1 nogil
cdef int mark_row(State* s, int32_t market) except -1 nogil
cdef int book_touched(State* s, int32_t market, int64_t step) except -1 nogil
cdef int cancel_own(State* s, int32_t scope, int32_t leg, int64_t step) except -1 nogil
cdef int enter(State* s, int64_t step, int32_t scope, int32_t market, Lot size,
               Cash cost) except -1 nogil
cdef int enter_leg(State* s, int64_t step, int32_t scope, int32_t market, bint leg, Lot size,
                   Cash cost) except -1 nogil
cdef int apply_fills(State* s, int32_t market, int64_t step, bint liquidation,
                     Executed* done) except -1 nogil
cdef int note(State* s, int64_t step, int kind, int32_t market, int32_t scope, int64_t a,
              int64_t b) except -1 nogil
cdef int finish(State* s, int64_t step) except -1 nogil
