"""When something of a venue is due though nothing happens: prices on their way."""

from libc.stdint cimport int32_t, int64_t
from ordercascade.core.mechanism cimport Oracle
from ordercascade.core.records cimport MarketView
from ordercascade.core.slab cimport NIL
from ordercascade.core.state cimport Market, State, market_view
from ordercascade.core.units cimport TimeNs


cdef TimeNs sooner(TimeNs a, TimeNs b) noexcept nogil:
    if a == NIL or b == NIL:
        return b if a == NIL else a
    return a if a < b else b


cdef TimeNs next_feed(const State* s) noexcept nogil:
    """The next time after the latest round at which an oracle must be asked; or NIL."""
    cdef TimeNs earliest = NIL
    cdef int64_t i
    cdef MarketView view
    for i in range(s.market_count):
        if s.markets[i].timed:
            market_view(s, &s.markets[i], &view)
            earliest = sooner(
                earliest, (<Oracle>s.markets[i].oracle).wake(&view, s.settled_ns))
    return earliest


cdef int set_oracle(State* s, int32_t market, object oracle) except -1:
    """Borrow an oracle that the venue object keeps, and note what the venue must do for it."""
    cdef Market* m = &s.markets[market]
    m.oracle = <void*>oracle
    m.timed = (<Oracle>oracle).timed()
    s.fed |= getattr(oracle, "congestion_ppm", 0) > 0
    return 0
