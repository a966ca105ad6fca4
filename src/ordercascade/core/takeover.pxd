# Who takes over what cannot be sold, and how it gets rid of it.
from libc.stdint cimport int32_t, int64_t
from ordercascade.core.state cimport Margin, State
from ordercascade.core.units cimport Lot, TimeNs

# Is the venue's takeover due for this scope before an order, and within its cap?
cdef bint takes_below(const State* s, int32_t scope, const Margin* m) noexcept nogil
cdef bint may_take_over(const State* s, int32_t scope, const Margin* m) noexcept nogil
# Begin to move every leg; one step a leg follows. Or only lots of one leg, at the mark, at once.
cdef int take_over(State* s, int32_t scope, int64_t parent, int64_t row) except -1 nogil
cdef int take_lots(State* s, int32_t scope, int32_t market, int side, Lot lots,
                   int64_t parent) except -1 nogil
cdef int takeover_step(State* s) except -1 nogil
# Signed lots of all users in a market.
cdef Lot skew_of(const State* s, int32_t market) noexcept nogil
# Sell or buy back some of what was taken over, if it is time: at most one step.
cdef int dispose(State* s, int32_t market) except -1 nogil
cdef TimeNs next_disposal(const State* s) noexcept nogil
