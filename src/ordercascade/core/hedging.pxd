# Hedge mode: an account whose long and short lots of one market are two positions. ADR 21.
#
# The account's own number is its long legs', its twin's that of its short legs (core/ledger):
# orders and fills need no further field, and both numbers reach the same scopes.
from libc.stdint cimport int32_t, int64_t
from ordercascade.core.state cimport State
from ordercascade.core.units cimport Lot, Tick, Wide

# The position with lots on the other leg of the same market and scope; NIL.
cdef int32_t pair_of(const State* s, int32_t position) noexcept nogil
# Does a scope hold both legs of a market?
cdef bint paired(const State* s, int32_t scope) noexcept nogil
# The liquidation price of a market of which both legs are held; +1: it lies below, -1: above.
# `base` as for tick_in() of the position, the other leg in it.
cdef int pair_trigger(const State* s, int32_t position, Wide base, Tick* tick) noexcept nogil
# Close the first pair of a scope against itself at the mark: one `netting` step.
cdef int net_pair(State* s, int32_t scope, int64_t parent) except -1 nogil
# Cancel orders, the newest first, that would close more lots of a leg than are left.
cdef int trim_leg(State* s, int64_t step, int32_t scope, int32_t market, bint leg) except -1 nogil
# Open an account, perhaps in hedge mode: its number. Put one into it: its twin's, or a reject.
cdef int64_t open_one(State* s, object hedge, bint* torn) except -1
cdef int64_t open_hedge(State* s, int32_t account, bint* torn) except -1
# Raise ConfigError where a venue has rules, and anybody is hedged, that do not go together.
cdef int check_hedged(const State* s, const State* rules) except -1

# The doors: which number an order is sent under, or a scope's leg (0 in net mode) is meant.
cdef int32_t leg_account(const State* s, int32_t account, leg) except -2
cdef int32_t leg_position(const State* s, int32_t scope, int32_t market, leg) except -2
cdef int32_t order_account(const State* s, int32_t market, int32_t account,
                           int64_t order_id) noexcept nogil
cdef int refuse_legs(const State* s, int32_t scope) except -1
cdef int refuse_hedged(const State* s) except -1
cdef int refuse_twin(const State* s, int32_t account) except -1
