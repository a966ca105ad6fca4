# What comes from outside at an agenda time: shock orders, index ticks, transfers of users.
from libc.stdint cimport int32_t, int64_t
from ordercascade.core.state cimport State
from ordercascade.core.units cimport Cash, Lot, Tick

cdef int32_t new_scope(State* s, int32_t account, int32_t asset, int32_t market) except -2 nogil
cdef int transfer(State* s, int32_t account, int32_t asset, Cash amount) except -1 nogil
cdef int shock(State* s, int32_t market, int side, Lot size, Cash notional,
               Tick limit) except -1 nogil
cdef int price_tick(State* s, int32_t market, int64_t value, int64_t what) except -1 nogil
cdef int index_tick(State* s, int32_t market, Tick price) except -1 nogil
