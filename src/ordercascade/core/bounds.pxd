# Whether an order's fills would stay within the bounds of SEMANTICS §1, judged before any happens.
from libc.stdint cimport int32_t
from ordercascade.core.records cimport Message
from ordercascade.core.state cimport State
from ordercascade.core.units cimport Cash, Lot

# Lots that all longs of a market may hold together, and as many all shorts.
cdef Lot open_most(const State* s, int32_t market) noexcept nogil
# By how many lots that grows if a scope (NIL: one to be made) gets `size` signed lots more.
cdef Lot opened(const State* s, int32_t scope, int32_t market, Lot size) noexcept nogil
# True if every cell that the fills of an order would move stays within its bound.
cdef bint fills_fit(const State* s, int32_t market, const Message* m) noexcept nogil
# True if a holder can pay in `amount`, or out (< 0), within the bounds.
cdef bint money_fits(const State* s, int32_t holder, Cash amount) noexcept nogil
