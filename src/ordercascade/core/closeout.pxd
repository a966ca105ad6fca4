# One liquidation order, and what the loss table makes of its scope afterwards.
from libc.stdint cimport int32_t, int64_t
from ordercascade.core.state cimport Entry, State
from ordercascade.core.steps cimport Executed
from ordercascade.core.units cimport Cash, Lot, Tick

cdef Cash exit_level(State* s, Cash maintenance, Cash exposure) noexcept nogil
cdef int execute(State* s, const Entry* entry) except -1 nogil
# Before it, where pairs are netted first: was one?
cdef bint nets(State* s, const Entry* entry) except -1 nogil
cdef int sub_step(State* s) except -1 nogil
# An equity below zero with lots left: taken over, deleveraged, or left as it is.
cdef int bankrupt(State* s, int32_t scope, int64_t parent, int64_t row) except -1 nogil
cdef int table(State* s, int32_t scope, int64_t row, bint unfilled) except -1 nogil
cdef int round_table(State* s, int64_t row, bint unfilled) except -1 nogil
# Pieces of an order, for the auction that reopens a market.
cdef Lot forced_leg(State* s, const Entry* entry, Lot* held) except -1 nogil
cdef int begin_liquidation(State* s, int32_t scope) except -1 nogil
cdef void remember_markets(State* s, int32_t scope) noexcept nogil
cdef void cool_down(State* s, const Entry* entry, Lot lots, Lot held) noexcept nogil
cdef Tick bankruptcy_display(State* s, const Entry* entry) except? -1 nogil
# The number that an order is sent under: a hedged account's short leg has its own.
cdef int32_t entry_account(const State* s, const Entry* entry) noexcept nogil
cdef Cash charge(State* s, int64_t step, int32_t scope, Cash value, Cash equity) except? -1 nogil
cdef int order_row(State* s, int64_t step, int32_t market, int32_t account, int side,
                   bint at_market, Tick limit, Lot size, Lot filled) except -1 nogil
cdef int finish_row(State* s, int64_t step, const Entry* entry, int64_t* row, const Executed* done,
                    Lot held, Lot lots) except -1 nogil
