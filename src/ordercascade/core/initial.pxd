# What a user may still do: initial margin with open orders, free collateral, refusals of orders.
from libc.stdint cimport int32_t, int64_t
from ordercascade.core.state cimport State
from ordercascade.core.units cimport Cash, Lot

cdef Cash initial_margin(const State* s, int32_t scope, int32_t market, Lot bids,
                         Lot asks) noexcept nogil
cdef Cash free_collateral(const State* s, int32_t scope) noexcept nogil
cdef bint may_leave(const State* s, int32_t scope, Cash amount) noexcept nogil
cdef int64_t refusal(const State* s, int32_t account, int32_t market, int side,
                     Lot size) noexcept nogil
cdef bint open_orders(const State* s, int32_t account, int32_t market) noexcept nogil
