"""Circuit breakers: band, halt, pause. spec/MECHANISMS.md §9.

BAND: forced orders trade within reference * (1 -+ band), rounded into the band. HALT: a mark at or
beyond such a band stops trading for `halt_ns`; then the reference starts anew at the mark that is.
The reference is the time-weighted mean of the marks over `window_ns` (LULD: 300 s; 0: the first
mark), to the nearest tick. So R is cut off at the band: what lies beyond it waits. LAG: while the
mark is `band_ppm` or more away from the last trade, pauses of `halt_ns`. GAS: pauses of `halt_ns`
while gas * (1 + gas_ppm * queue) is above `gas_max`; the round after a pause is let go. Both stop
pausing `halt_max_ns` after the first pause, until all was quiet again: a queue that waits for
itself would never end. Units: ppm, nanoseconds, gwei.
"""

from libc.stdint cimport int32_t, int64_t
from cpython.mem cimport PyMem_RawFree
from ordercascade.core.digest cimport Digest, digest_word
from ordercascade.core.mechanism cimport CircuitBreaker
from ordercascade.core.records cimport HOLD, MarketView, RELEASE_DRIP, STOP, Verdict
from ordercascade.core.slab cimport slab_copy, slab_grow
from ordercascade.core.units cimport (
    PPM, Tick, TimeNs, Wide, absolute, div_ceil, div_floor, larger, smaller,
)
from ordercascade.mechanisms.window cimport (
    window_copy, window_digest, window_mean, window_see, window_still,
)

from ordercascade.checks import SPAN_NS_MAX, member, whole
from ordercascade.enums import BreakerKind, ReleaseRule
from ordercascade.errors import ConfigError

cdef enum:
    BAND = 0
    HALT = 1
    LAG = 2
    GAS = 3


cdef class Breaker(CircuitBreaker):
    """A band, a halt, or a pause; see the module."""

    def __cinit__(self, kind=BreakerKind.BAND, *, band_ppm=0, window_ns=0, halt_ns=0,
                  halt_max_ns=3_600_000_000_000, release=ReleaseRule.AT_ONCE, drip_ppm=0,
                  drip_ns=0, gas=0, gas_max=0, gas_ppm=0, everybody=False):
        self.kind = member("kind", BreakerKind, kind)
        self.band_ppm = whole("band_ppm", band_ppm, 0, 10**6)
        self.window_ns = whole("window_ns", window_ns, 0, SPAN_NS_MAX)
        self.halt_ns = whole("halt_ns", halt_ns, 0, SPAN_NS_MAX)
        self.halt_max_ns = whole("halt_max_ns", halt_max_ns, 0, SPAN_NS_MAX)
        self.release = member("release", ReleaseRule, release)
        self.drip_ppm = whole("drip_ppm", drip_ppm, 0, 10**6)
        self.drip_ns = whole("drip_ns", drip_ns, 0, SPAN_NS_MAX)
        self.gas = whole("gas", gas, 0, 2**40)
        self.gas_max = whole("gas_max", gas_max, 0, 2**40)
        self.gas_ppm = whole("gas_ppm", gas_ppm, 0, 10**9)
        self.everybody = bool(everybody)
        if (self.kind != GAS) != (self.band_ppm > 0):
            raise ConfigError("band_ppm", "must be above 0, but for GAS, where it is none",
                              band_ppm)
        if (self.kind != BAND) != (self.halt_ns > 0):
            raise ConfigError("halt_ns", "must be above 0, but for BAND, where it is none",
                              halt_ns)
        if self.kind == GAS and not self.gas_max:
            raise ConfigError("gas_max", "must be above 0", gas_max)
        if self.kind in (LAG, GAS) and self.halt_max_ns // 10**6 > self.halt_ns:
            raise ConfigError("halt_max_ns", "must be at most 10**6 pauses", halt_max_ns)
        if self.kind == BAND and self.release:
            raise ConfigError("release", "is for what halts: a band has nothing to reopen")
        drips = self.release == RELEASE_DRIP
        if drips != (self.drip_ppm > 0) or drips != (self.drip_ns > 0):
            raise ConfigError("drip_ppm", "and drip_ns must be given for DRIP, and only for it")

    def __dealloc__(self):
        cdef int64_t i
        for i in range(self.watch_count):
            PyMem_RawFree(self.watches[i].window.seen)
        PyMem_RawFree(self.watches)

    def __repr__(self):
        return f"<Breaker {BreakerKind(self.kind).name.lower()}>"

    cdef Tick reference(self, const Watch* w, TimeNs time_ns) noexcept nogil:
        if self.window_ns == 0:
            return w.window.seen[0].value
        return window_mean(&w.window, time_ns, self.window_ns)

    cdef int see(self, Watch* w, const MarketView* view, TimeNs time_ns) except -1 nogil:
        """Remember the mark; without a window only the first one counts."""
        if self.window_ns or w.window.count == 0:
            window_see(&w.window, view.mark, time_ns, larger(1, self.window_ns))
        return 0

    cdef bint broken(self, const Watch* w, const MarketView* view,
                     TimeNs time_ns) noexcept nogil:
        """Must trading stop on these prices?"""
        cdef Tick base
        if self.kind == GAS:
            return (<Wide>self.gas * (PPM + <Wide>self.gas_ppm * view.queue)
                    > <Wide>self.gas_max * PPM)
        base = view.mark if self.kind == LAG else self.reference(w, time_ns)
        if self.kind == LAG:
            return view.last > 0 and (
                <Wide>absolute(view.last - base) * PPM >= <Wide>self.band_ppm * base)
        return <Wide>absolute(view.mark - base) * PPM >= <Wide>self.band_ppm * base

    cdef int judge(self, int32_t market, const MarketView* view, TimeNs time_ns,
                   Verdict* out) except -1 nogil:
        cdef Watch* w
        cdef Tick base
        self.watches = <Watch*>slab_grow(
            self.watches, &self.watch_capacity, market + 1, sizeof(Watch))
        self.watch_count = larger(self.watch_count, market + 1)
        w = &self.watches[market]
        self.see(w, view, time_ns)
        out.everybody = self.everybody
        if self.kind == BAND:
            base = self.reference(w, time_ns)
            out.action = HOLD
            out.low = larger(1, div_ceil(<Wide>base * (PPM - self.band_ppm), PPM))
            out.high = div_floor(<Wide>base * (PPM + self.band_ppm), PPM)
            return 0
        self.move(w, view, time_ns)
        if w.until_ns:
            out.action = STOP
            out.until_ns = w.until_ns
            out.release = <signed char>self.release
            out.drip_ppm = self.drip_ppm
            out.drip_ns = self.drip_ns
        return 0

    cdef int move(self, Watch* w, const MarketView* view, TimeNs time_ns) except -1 nogil:
        """Begin a halt, end one, or leave things as they are."""
        cdef bint broken
        if w.until_ns and time_ns >= w.until_ns:
            w.until_ns = 0
            w.spared = self.kind == GAS
            if self.kind == HALT:           # the reference starts anew at the mark that is
                w.window.count = 0
                w.window.first = 0
                w.since_ns = 0
                self.see(w, view, time_ns)
        elif w.spared:
            w.spared = 0
        broken = self.broken(w, view, time_ns)
        if w.until_ns or w.spared:
            return 0
        if not broken:
            w.since_ns = 0
        elif w.since_ns == 0 or time_ns - (w.since_ns - 1) < self.halt_max_ns:
            w.until_ns = time_ns + self.halt_ns
            if w.since_ns == 0:
                w.since_ns = time_ns + 1
        return 0

    cdef TimeNs wake(self, int32_t market, const MarketView* view, TimeNs time_ns) noexcept nogil:
        """A twentieth of the window on, while the band may still move."""
        if self.kind != BAND or self.window_ns == 0 or market >= self.watch_count:
            return -1
        if window_still(&self.watches[market].window, time_ns, self.window_ns):
            return -1
        return time_ns + larger(1, self.window_ns / 20)

    cdef CircuitBreaker clone(self):
        cdef Breaker other = Breaker.__new__(
            Breaker, self.kind, band_ppm=self.band_ppm, window_ns=self.window_ns,
            halt_ns=self.halt_ns, halt_max_ns=self.halt_max_ns, release=self.release,
            drip_ppm=self.drip_ppm, drip_ns=self.drip_ns, gas=self.gas, gas_max=self.gas_max,
            gas_ppm=self.gas_ppm, everybody=self.everybody)
        cdef int64_t i
        other.watches = <Watch*>slab_grow(
            NULL, &other.watch_capacity, self.watch_count + 1, sizeof(Watch))
        for i in range(self.watch_count):
            other.watches[i].until_ns = self.watches[i].until_ns
            other.watches[i].since_ns = self.watches[i].since_ns
            other.watches[i].spared = self.watches[i].spared
            other.watch_count = i + 1
            window_copy(&other.watches[i].window, &self.watches[i].window)
        return other

    cdef void digest(self, Digest* d) noexcept nogil:
        cdef int64_t i
        digest_word(d, (self.kind << 16) | (self.release << 8) | self.everybody)
        digest_word(d, self.band_ppm)
        digest_word(d, self.window_ns)
        digest_word(d, self.halt_ns)
        digest_word(d, self.halt_max_ns)
        digest_word(d, self.drip_ppm)
        digest_word(d, self.drip_ns)
        digest_word(d, self.gas)
        digest_word(d, self.gas_max)
        digest_word(d, self.gas_ppm)
        digest_word(d, self.watch_count)
        for i in range(self.watch_count):
            window_digest(&self.watches[i].window, d)
            digest_word(d, self.watches[i].until_ns)
            digest_word(d, self.watches[i].since_ns)
            digest_word(d, self.watches[i].spared)
