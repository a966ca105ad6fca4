# A user's own mechanisms, compiled against the shipped .pxd files: the second door.
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memset
from ordercascade.core.digest cimport Digest
from ordercascade.core.mechanism cimport (
    Backstop, CircuitBreaker, LiquidationPolicy, Oracle, Surcharge,
)
from ordercascade.core.records cimport (
    AtRisk, Candidate, Crowd, HOLD, Intent, MarketView, Verdict,
)
from ordercascade.core.units cimport Lot, Ppm, Tick, TimeNs, absolute, div_floor, larger, smaller


cdef class Last(Oracle):
    """The last price."""

    cdef Tick peek(self, const MarketView* view, TimeNs time_ns) noexcept nogil:
        return view.last if view.last > 0 else view.index


cdef class Floor(CircuitBreaker):
    """No forced sale below 97."""

    cdef int judge(self, int32_t market, const MarketView* view, TimeNs time_ns,
                   Verdict* out) except -1 nogil:
        out.action = HOLD
        out.low = 97
        out.high = 103
        return 0


cdef class More(Surcharge):
    """One per cent more of margin while the mark is below 99."""

    cdef Ppm addon(self, int32_t market, const MarketView* view, const Crowd* crowd,
                   TimeNs time_ns) except -1 nogil:
        return 10_000 if view.mark < 99 else 0


cdef class Always(Surcharge):
    """Two per cent more of margin, always."""

    cdef Ppm addon(self, int32_t market, const MarketView* view, const Crowd* crowd,
                   TimeNs time_ns) except -1 nogil:
        return 20_000


cdef class Fifths(LiquidationPolicy):
    """A fifth of what is held, at least a lot; the next one a second later."""

    cdef int plan(self, const AtRisk* rows, int64_t count, Intent* out) except -1 nogil:
        cdef int64_t i
        for i in range(count):
            out[i].scope = rows[i].scope
            out[i].market = rows[i].market
            out[i].lots = larger(1, div_floor(absolute(rows[i].size), 5))
            out[i].limit = rows[i].bankruptcy_limit
            out[i].at_market = True
            out[i].cooldown_ns = 1_000_000_000
        return 0


cdef class Eldest(Backstop):
    """Whoever opened first is deleveraged first; who is outside comes last anyway."""

    cdef int deal(self, Candidate* rows, int64_t count, Lot lots) except -1 nogil:
        cdef int64_t i
        for i in range(count):
            rows[i].rank = i
            rows[i].taken = smaller(lots, rows[i].lots)
            lots -= rows[i].taken
        return 0


cdef class Words(CircuitBreaker):
    """It speaks to everybody and says nothing."""

    cdef int judge(self, int32_t market, const MarketView* view, TimeNs time_ns,
                   Verdict* out) except -1 nogil:
        out.everybody = 1
        return 0


cdef class Surprise(Oracle):
    """100, and 50 from then on; no peek tells."""

    cdef Tick peek(self, const MarketView* view, TimeNs time_ns) noexcept nogil:
        return 100

    cdef Tick take(self, const MarketView* view, TimeNs time_ns) except 0 nogil:
        return 50 if time_ns else 100


def bare():
    """What the bases answer where nothing is overridden."""
    cdef Surcharge addon = Surcharge()
    cdef CircuitBreaker breaker = CircuitBreaker()
    cdef Oracle oracle = Oracle()
    cdef MarketView view
    cdef Verdict said
    cdef Crowd crowd
    cdef Digest d
    memset(&view, 0, sizeof(MarketView))
    memset(&said, 0, sizeof(Verdict))
    memset(&crowd, 0, sizeof(Crowd))
    d.a, d.b = 3, 4
    addon.digest(&d)
    breaker.digest(&d)
    oracle.digest(&d)
    breaker.judge(0, &view, 5, &said)
    return {
        "addon": addon.addon(0, &view, &crowd, 5),
        "reach": addon.reach(0, 5),
        "wakes": (addon.wake(0, &view, 5), breaker.wake(0, &view, 5), oracle.wake(&view, 5)),
        "verdict": (said.action, said.low, said.high, said.until_ns),
        "clones": (addon.clone() is addon, breaker.clone() is breaker, oracle.clone() is oracle),
        "digest": (d.a, d.b),
    }
