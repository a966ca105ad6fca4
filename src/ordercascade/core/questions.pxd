# What a venue is asked: answers in whole numbers, and nothing in it changes.
from libc.stdint cimport int32_t, int64_t
from ordercascade.core.state cimport State

# (equity, maintenance) of a scope if the markets in the dict had these marks.
cdef tuple margin_at(const State* s, int32_t scope, dict marks)
# A tick, or None; other marks standing.
cdef object liquidation_price(const State* s, int32_t scope, int32_t market)
cdef object bankruptcy_price(State* s, int32_t scope, int32_t market, leg)
# (size, cost) of a scope, in hedge mode of the leg that is named.
cdef tuple position_of(const State* s, int32_t scope, int32_t market, leg)
# (size, cost, maintenance) of what a taker took over in a market.
cdef tuple inherited(const State* s, int kind, int32_t market)
# Scopes liquidatable at a peek, by id.
cdef list scopes_at_risk(const State* s)
# (price, size) pairs, best first.
cdef list levels_of(const State* s, int32_t market, int side, int64_t most)
# What does not add up, by name.
cdef list equities(const State* s)
