# Portfolio margin: the largest loss of a scope over a grid of price and volatility scenarios.
#
# All are full evaluations: no trigger tells when such a scope falls, so it is looked at every step.
from libc.stdint cimport int32_t, int64_t
from ordercascade.core.state cimport Margin, State
from ordercascade.core.units cimport Cash, Lot, Tick

cdef enum:
    CHANGES_MAX = 4         # markets in which the lots asked about differ from those held

ctypedef struct Ask:        # what is asked about a scope
    int32_t scope
    bint peek
    bint bare               # 1: the changes alone, without what the scope holds
    int32_t without         # a market whose lots do not count; NIL
    const Tick* marks       # by market, in place of the venue's; NULL
    int32_t moved           # else the one market, with the options on it, that is elsewhere; NIL
    Tick price
    int32_t count
    int32_t markets[4]
    Lot lots[4]

# Queries; they cannot fail. Where a scope holds nothing of a grid they are 0.
cdef Cash portfolio_asked(const State* s, const Ask* a) noexcept nogil
cdef Cash portfolio_maintenance(const void* state, int32_t scope, bint peek) noexcept nogil
cdef Cash portfolio_initial(const State* s, int32_t scope, int32_t market, Lot bids,
                            Lot asks) noexcept nogil
# The same with so many lots more of an option.
cdef Cash portfolio_with(const State* s, int32_t scope, int32_t market, Lot lots) noexcept nogil
cdef Cash portfolio_under(const State* s, int32_t scope, const Tick* marks) noexcept nogil
# Margin on the standing marks, were this the mark of one market; options on it follow.
cdef Margin margin_moved(const State* s, int32_t scope, int32_t market, Tick price) noexcept nogil
cdef Cash leg_maintenance(const State* s, int32_t market, Lot size) noexcept nogil
cdef int32_t portfolio_leg(const State* s, int32_t scope) noexcept nogil
cdef bint gridded(const State* s, int32_t scope) noexcept nogil
