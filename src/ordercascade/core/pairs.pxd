# Handing lots over pair by pair, at the price at which the bankrupt's equity is just used up.
from libc.stdint cimport int32_t, int64_t
from ordercascade.core.events cimport EventLog
from ordercascade.core.state cimport State
from ordercascade.core.units cimport Cash, Lot

# What a change of `size` lots of a leg must bring in, rounded up; negative: what it may cost.
cdef Cash bankruptcy_quote(const State* s, int32_t scope, int32_t leg, Lot size) noexcept nogil
# May the scope take over so many signed lots of a market at this cost?
cdef bint can_take(const State* s, int32_t scope, int32_t market, Lot size,
                   Cash cost) noexcept nogil
# Close lots of a leg against those who can; 0, or 1 where nobody could (and nothing changed).
cdef int close_pairs(State* s, int32_t leg, int64_t parent, bint at_mark) except -1 nogil
# The same with one counterparty: 0 or REJECT_NO_OVERLAP.
cdef int64_t user_close_pair(State* s, int32_t scope, int32_t market, int32_t other, Lot lots,
                             bint* torn) except -1 nogil
# The market ends: every position in it is closed against the others, by scope id.
cdef int user_wind_up(State* s, int32_t market, bint* torn) except -1 nogil
# Refuse by name where a leg's share of maintenance says nothing.
cdef int refuse_quote(const State* s) except -1 nogil
# The same, tried on a copy first where a Python plug-in is asked: if it fails, nothing happened.
cdef int whole_wind_up(State* s, object backstop, EventLog events, int32_t market,
                       bint* torn) except -1
