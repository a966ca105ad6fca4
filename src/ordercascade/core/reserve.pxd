# Margin of open orders by risk factor: what a scope needs with them, what a new one sets aside.
from libc.stdint cimport int32_t, int64_t
from ordercascade.core.state cimport State
from ordercascade.core.units cimport Cash, Lot, Wide
from ordercascade.core.schedule cimport Plan

# Maintenance of lots held and open orders at the worse side, in units; `value` is a lot's |value|.
cdef Wide risk_need(const Plan* p, Lot held, Lot bids, Lot asks, Wide value) noexcept nogil
cdef bint by_risk(const State* s, int32_t market) noexcept nogil
# Initial margin of a cross scope's lots and orders in such a market, at the standing mark.
cdef Cash risk_initial(const State* s, int32_t scope, int32_t market, Lot bids,
                       Lot asks) noexcept nogil
# Does this scope set margin aside for its orders (isolated, levels, risk factors)?
cdef bint reserves(const State* s, int32_t scope, int32_t market) noexcept nogil
# Maintenance of such a scope with its orders and one that is not in the book yet.
cdef Cash reserved(const State* s, int32_t scope, int32_t market, Lot bids,
                   Lot asks) noexcept nogil
# What an order moves from the cross scope, or NIL where that has less.
cdef Cash reserve_asked(const State* s, int32_t account, int32_t market, int side,
                        Lot size) noexcept nogil
# Maintenance of a scope; with `orders` also of what rests in markets by risk factors.
cdef Cash maintenance_with(const State* s, int32_t scope, bint orders) noexcept nogil
