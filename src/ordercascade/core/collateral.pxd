# Other assets as margin: set up, taken with the marks, moved, asked about. docs/adr/0018.
from libc.stdint cimport int32_t, int64_t
from ordercascade.core.digest cimport Digest
from ordercascade.core.ledger cimport Position
from ordercascade.core.state cimport Market, Stages, State
from ordercascade.core.units cimport Cash, Tick, Wide

# Make an asset collateral for the scopes of another; ConfigError names a key.
cdef int set_collateral(State* s, int32_t asset, dict terms) except -1
# Its price must be there before the start; ConfigError if not.
cdef int collateral_priced(const State* s) except -1
# ConfigError where these stages would have to convert collateral; not built yet.
cdef int stages_convert(const State* s, const Stages* g) except -1
# With the marks: what the sources of the prices say now stands.
cdef void pledges_take(State* s) noexcept nogil
# The scope that a purse backs; NIL if that is not there; every other holder is its own.
cdef int32_t pledge_owner(const State* s, int32_t holder) noexcept nogil
# True where other assets of its account count for a scope.
cdef bint pledge_held(const State* s, int32_t scope) noexcept nogil
# True where the mark of a market (NIL: of any) moves what backs it.
cdef bint pledge_moves(const State* s, int32_t scope, int32_t market) noexcept nogil
# What an amount less in a purse takes off the equity of the scope that it backs.
cdef Cash pledge_lost(const State* s, int32_t purse, Cash amount) noexcept nogil
# tick_in() for a scope whose collateral may be priced by the same market.
cdef Tick pledge_trigger(const State* s, int32_t scope, const Position* position,
                         Wide base) noexcept nogil
# pledged(), were this the mark of a market.
cdef Wide pledged_under(const State* s, int32_t scope, int32_t market, Tick price) noexcept nogil
# pledged() with other marks in a mapping of markets.
cdef object pledged_at(const State* s, int32_t scope, dict marks)
cdef void pledges_digest(const State* s, Digest* d) noexcept nogil
