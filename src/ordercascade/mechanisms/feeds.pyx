"""Oracles with a memory: mean, median, delay, heartbeat and clamp. spec/MECHANISMS.md §7, §8.

A feed goes through four stages each time it is asked, which is once a round (or after each order):

1. *Observe.* Its input stands from the taking that saw it until the next one that sees another.
   What comes and goes within one instant has no duration and leaves no trace in a mean.
2. *Compute* the raw price, in ticks: SPOT: the own price (last or mid) or the index.
   TWAP: mean over `window_ns` of the own price; a linear move of v a second leads it by v W / 2.
   EMA: index + EMA(own - index), EMA' = (held - EMA) / tau, to the nearest half tick; it lags a
   linear move by v tau.
   MEDIAN3: the median of that, of the book's own median (bid, ask, last) and of the index.
   FUNDING: index (1 + funding rate * time to the next payment / interval), to the half tick below.
   BASIS3: the median of that, of index + EMA(own - index) and of the last trade.
   Then w * raw + (1 - w) * index, to the nearest tick, halves up.
3. *Send* it if `heartbeat_ns` is over, or it is `deviation_ppm` away from the last one sent; it
   arrives after latency = median * e**(sigma z) * (1 + congestion * queue), z normal from the
   Philox stream of (seed, name). A report that is overtaken by a later one is dropped.
4. *Clamp* what has arrived: to the index, by taking, by second.

A funding basis moves with the clock alone, but never wakes the world: it is read when something
else does, for its payments go on for ever. Its heartbeat should be longer than the venue's
rounds: else a basis that moves a tick a round keeps a cascade awake until the payment.

Sources: §7 (Hyperliquid's mark, Maker's delay), §8 (heartbeat and deviation as in Chainlink),
MARGIN §5 (the fair price of BitMEX [BM1], Binance's early mark [BN2] and today's median).
Units: nanoseconds, ppm, ticks. peek() does all of this on copies, so it changes nothing.
"""

from libc.math cimport floor
from libc.stdint cimport int64_t
from cpython.mem cimport PyMem_RawFree
from libc.string cimport memcpy
from hashlib import blake2b
from ordercascade.core.digest cimport Digest, digest_word
from ordercascade.core.mechanism cimport Oracle
from ordercascade.core.real cimport normal_quantile, real_exp, real_uniform, to_int
from ordercascade.core.records cimport MarketView
from ordercascade.core.slab cimport NIL, slab_copy, slab_grow
from ordercascade.core.stream cimport Stream, stream_open
from ordercascade.core.units cimport (
    PPM, Ppm, Tick, TimeNs, Wide, absolute, div_floor, larger, smaller,
)
from ordercascade.mechanisms.window cimport (
    window_area, window_copy, window_digest, window_see, window_still,
)

from ordercascade.checks import SPAN_NS_MAX, member, whole
from ordercascade.enums import FeedKind, PriceSource
from ordercascade.errors import ConfigError

cdef enum:
    LAST = 0
    MID = 1
    INDEX = 2

cdef enum:
    SPOT = 0
    TWAP = 1
    EMA = 2
    MEDIAN3 = 3
    BASIS3 = 4              # kinds from EMA to here have an EMA
    FUNDING = 5

cdef enum:
    SECOND = 1_000_000_000
    HOUR_NS = 3_600_000_000_000
    BILLION = 1_000_000_000


cdef class Feed(Oracle):
    """An oracle with a memory; see the module. All numbers at 0 and SPOT: as OwnBook."""

    def __cinit__(self, kind=FeedKind.SPOT, source=PriceSource.LAST, *, own_weight_ppm=1_000_000,
                  price_max=2**31 - 1, window_ns=0, tau_ns=0, funding_ppb=0, funding_at_ns=0,
                  funding_every_ns=0, latency_ns=0, sigma_ppm=0,
                  congestion_ppm=0, heartbeat_ns=0, deviation_ppm=0, clamp_ppm=0,
                  clamp_round_ppm=0, clamp_second_ppm=0, seed=0, name="oracle"):
        self.kind = member("kind", FeedKind, kind)
        self.source = member("source", PriceSource, source)
        self.own_weight_ppm = whole("own_weight_ppm", own_weight_ppm, 0, 10**6)
        self.price_max = whole("price_max", price_max, 1, 2**31 - 1)
        self.window_ns = whole("window_ns", window_ns, 0, SPAN_NS_MAX)
        self.tau_ns = whole("tau_ns", tau_ns, 0, SPAN_NS_MAX)
        self.funding_ppb = whole("funding_ppb", funding_ppb, -BILLION, BILLION)
        self.funding_at_ns = whole("funding_at_ns", funding_at_ns, 0, SPAN_NS_MAX)
        self.funding_every_ns = whole("funding_every_ns", funding_every_ns, 0, SPAN_NS_MAX)
        self.latency_ns = whole("latency_ns", latency_ns, 0, 10**6 * HOUR_NS)
        self.sigma_ppm = whole("sigma_ppm", sigma_ppm, 0, 5 * 10**6)
        self.congestion_ppm = whole("congestion_ppm", congestion_ppm, 0, 10**9)
        self.heartbeat_ns = whole("heartbeat_ns", heartbeat_ns, 0, SPAN_NS_MAX)
        self.deviation_ppm = whole("deviation_ppm", deviation_ppm, 0, 10**6)
        self.clamp_ppm = whole("clamp_ppm", clamp_ppm, 0, 10**6)
        self.clamp_round_ppm = whole("clamp_round_ppm", clamp_round_ppm, 0, 10**6)
        self.clamp_second_ppm = whole("clamp_second_ppm", clamp_second_ppm, 0, 10**6)
        if (self.kind == TWAP) != (self.window_ns > 0):
            raise ConfigError("window_ns", "must be given for TWAP, and only for it", window_ns)
        if (EMA <= self.kind <= BASIS3) != (self.tau_ns > 0):
            raise ConfigError("tau_ns", "must be given for EMA, MEDIAN3 and BASIS3, and only "
                              "for them", tau_ns)
        if (self.funding_ppb or self.funding_at_ns) and not self.funding_every_ns:
            raise ConfigError("funding_every_ns", "must be above 0 beside a rate", 0)
        if self.funding_every_ns and self.kind < BASIS3:
            raise ConfigError("funding_every_ns", "must be given for FUNDING and BASIS3 alone",
                              funding_every_ns)
        if self.kind != SPOT and not self.heartbeat_ns:
            raise ConfigError("heartbeat_ns", "must be above 0: this kind moves with time alone", 0)
        if self.deviation_ppm and not self.heartbeat_ns:
            raise ConfigError("heartbeat_ns", "must be above 0 beside a deviation trigger", 0)
        if (self.sigma_ppm or self.congestion_ppm) and not self.latency_ns:
            raise ConfigError("latency_ns", "must be above 0: there is no latency to vary", 0)
        word = blake2b(f"{whole('seed', seed, 0, 2**63 - 1)}/{name}".encode(), digest_size=16)
        self.key = word.digest()
        stream_open(&self.stream, int.from_bytes(self.key[:8], "little"),
                    int.from_bytes(self.key[8:], "little"))

    def __dealloc__(self):
        PyMem_RawFree(self.window.seen)
        PyMem_RawFree(self.reports)

    def __repr__(self):
        kind, source = FeedKind(self.kind).name, PriceSource(self.source).name
        return f"<Feed {kind.lower()} of {source.lower()}>"

    def opening(self, last, index, bid, ask):
        """The mark that a fresh feed gives on these prices, in ticks; 0 where one is not there."""
        cdef MarketView view
        if self.opened:
            raise ConfigError("feed", "has been asked before")
        view.last, view.index, view.best_bid, view.best_ask = last, index, bid, ask
        view.mark = view.queue = 0
        return self.peek(&view, 0)

    # --- what it sees -----------------------------------------------------------------------

    cdef double smoothed(self, TimeNs time_ns) noexcept nogil:
        """The EMA after what was held has stood until now."""
        if time_ns <= self.seen_ns:
            return self.mean2
        return <double>self.held2 + (self.mean2 - <double>self.held2) * real_exp(
            -(<double>(time_ns - self.seen_ns) / <double>self.tau_ns))

    cdef Tick funded2(self, const MarketView* view, TimeNs time_ns) noexcept nogil:
        """Twice the index with the funding basis; 0 without an index. At a payment it is over."""
        cdef TimeNs left = self.funding_at_ns - time_ns
        if view.index <= 0 or self.funding_every_ns == 0:
            return 2 * view.index
        if left <= 0:
            left = self.funding_every_ns - (-left) % self.funding_every_ns
        left = smaller(left, self.funding_every_ns)
        return 2 * view.index + <Tick>div_floor(
            <Wide>(2 * view.index) * <Wide>self.funding_ppb * <Wide>left,
            <Wide>BILLION * <Wide>self.funding_every_ns)

    cdef Tick raw(self, const MarketView* view, TimeNs time_ns, TimeNs basis_ns) noexcept nogil:
        """Stage 2: the price as it would be computed now, with the funding basis of `basis_ns`."""
        cdef Tick own2 = _own2(self.source, view)
        cdef Tick book2, mark
        cdef Ppm weight = PPM if view.index == 0 else self.own_weight_ppm
        cdef Wide area, outside
        if self.opened and self.kind == TWAP:
            # The mean is not rounded by itself: to half a tick and then to a tick is a bias.
            area = window_area(&self.window, time_ns, self.window_ns)
            outside = <Wide>(PPM - weight) * (2 * view.index) + PPM
            mark = div_floor(weight * area + outside * self.window_ns,
                             2 * <Wide>PPM * self.window_ns)
            return smaller(larger(mark, 1), self.price_max)
        if self.kind == FUNDING and view.index > 0:
            own2 = self.funded2(view, basis_ns)
        elif EMA <= self.kind <= BASIS3:
            if self.opened:
                own2 = 2 * view.index + to_int(floor(self.smoothed(time_ns) + 0.5))
            if self.kind == MEDIAN3:
                book2 = 2 * view.last
                if view.best_bid > 0 and view.best_ask > 0:
                    book2 = 2 * smaller(larger(view.last, view.best_bid), view.best_ask)
                own2 = _median(own2, book2, 2 * view.index)
            elif self.kind == BASIS3:
                own2 = _median(own2, 2 * view.last, self.funded2(view, basis_ns))
        mark = div_floor(
            <Wide>weight * own2 + <Wide>(PPM - weight) * (2 * view.index) + PPM, 2 * PPM)
        return smaller(larger(mark, 1), self.price_max)

    # --- what it sends and what arrives -----------------------------------------------------

    cdef bint due(self, Tick price, TimeNs time_ns) noexcept nogil:
        """Stage 3: is it sent?"""
        if not self.opened or self.heartbeat_ns == 0:
            return True
        if time_ns >= self.sent_ns + self.heartbeat_ns:
            return True
        return self.deviation_ppm > 0 and (
            <Wide>absolute(price - self.sent) * PPM >= <Wide>self.deviation_ppm * self.sent)

    cdef TimeNs delay(self, Stream* stream, const MarketView* view) noexcept nogil:
        cdef double base = <double>self.latency_ns
        if self.sigma_ppm:
            base = base * real_exp(
                <double>self.sigma_ppm * 1e-6 * normal_quantile(real_uniform(stream)))
        base = base * (1.0 + <double>self.congestion_ppm * 1e-6 * <double>view.queue)
        return smaller(to_int(base), 1_000_000 * <TimeNs>HOUR_NS)

    cdef Tick clamped(self, const MarketView* view, Tick price, TimeNs time_ns) noexcept nogil:
        """Stage 4: distances are shares of what they are measured from, rounded down."""
        cdef Tick most
        cdef Wide since = time_ns - self.taken_ns
        if self.clamp_ppm and view.index > 0:
            most = div_floor(<Wide>view.index * self.clamp_ppm, PPM)
            price = smaller(larger(price, view.index - most), view.index + most)
        if self.opened and self.clamp_round_ppm:
            most = larger(1, div_floor(<Wide>self.standing * self.clamp_round_ppm, PPM))
            price = smaller(larger(price, self.standing - most), self.standing + most)
        if self.opened and self.clamp_second_ppm:
            most = div_floor(<Wide>self.standing * self.clamp_second_ppm * since,
                             <Wide>PPM * SECOND)
            price = smaller(larger(price, self.standing - most), self.standing + most)
        return smaller(larger(price, 1), self.price_max)

    cdef Tick peek(self, const MarketView* view, TimeNs time_ns) noexcept nogil:
        cdef Tick price = self.raw(view, time_ns, time_ns)
        cdef Tick arrived = self.arrived
        cdef Stream copied
        cdef int64_t i
        if not self.opened:
            return self.clamped(view, price, time_ns)
        for i in range(self.report_count):
            if self.reports[i].arrives_ns <= time_ns:
                arrived = self.reports[i].price
        if self.due(price, time_ns):
            if self.latency_ns == 0:
                arrived = price
            elif self.sigma_ppm:
                memcpy(&copied, &self.stream, sizeof(Stream))
                if self.delay(&copied, view) == 0:
                    arrived = price
        return self.clamped(view, arrived, time_ns)

    cdef Tick take(self, const MarketView* view, TimeNs time_ns) except 0 nogil:
        cdef Tick own2 = _own2(self.source, view)
        cdef Tick price
        cdef int64_t i, last
        if self.kind == TWAP:
            window_see(&self.window, own2, time_ns, self.window_ns)
        cdef bint smooth = EMA <= self.kind <= BASIS3
        if self.opened and smooth:
            self.mean2 = self.smoothed(time_ns)
        elif smooth:
            self.mean2 = <double>(own2 - 2 * view.index)
        if smooth:
            self.held2 = own2 - 2 * view.index
            self.seen_ns = time_ns
        price = self.raw(view, time_ns, time_ns)
        if not self.opened:
            self.arrived = self.sent = price
            self.sent_ns = time_ns
        elif self.due(price, time_ns):
            self._send(view, price, time_ns)
        last = NIL
        for i in range(self.report_count):
            if self.reports[i].arrives_ns <= time_ns:
                last = i
        if last != NIL:             # the latest that is there; those before it are overtaken
            self.arrived = self.reports[last].price
            self.report_count -= last + 1
            for i in range(self.report_count):
                self.reports[i] = self.reports[i + last + 1]
        price = self.clamped(view, self.arrived, time_ns)
        # Where a second's share is less than a tick it adds up, until it is one.
        if price != self.standing or price == self.arrived:
            self.taken_ns = time_ns
        self.standing = price
        self.opened = 1
        return self.standing

    cdef int _send(self, const MarketView* view, Tick price, TimeNs time_ns) except -1 nogil:
        cdef TimeNs delay
        # The same news again is no news: sent anew it would wake the world for ever.
        if price != self.sent:
            if self.latency_ns == 0:
                self.arrived = price
            else:
                delay = self.delay(&self.stream, view)
                self.reports = <Report*>slab_grow(self.reports, &self.report_capacity,
                                                  self.report_count + 1, sizeof(Report))
                self.reports[self.report_count].arrives_ns = time_ns + delay
                self.reports[self.report_count].price = price
                self.report_count += 1
        self.sent = price
        self.sent_ns = time_ns
        return 0

    # --- when it must be asked again --------------------------------------------------------

    cdef bint timed(self) noexcept nogil:
        return (self.kind != SPOT or self.latency_ns or self.heartbeat_ns
                or self.clamp_second_ppm)

    cdef TimeNs wake(self, const MarketView* view, TimeNs time_ns) noexcept nogil:
        """The next arrival, or heartbeat while the price may still move by itself; or NIL.

        A funding basis moves with every instant: its way since the last report is no news.
        """
        cdef TimeNs at = NIL
        cdef int64_t i
        for i in range(self.report_count):
            if at == NIL or self.reports[i].arrives_ns < at:
                at = self.reports[i].arrives_ns
        if self.heartbeat_ns and (self.sent != self.raw(view, time_ns, self.sent_ns)
                                  or not self._still(view, time_ns)):
            if at == NIL or self.sent_ns + self.heartbeat_ns < at:
                at = self.sent_ns + self.heartbeat_ns
        if self.clamp_second_ppm and at == NIL and self.standing != self.clamped(
                view, self.arrived, self.taken_ns + (<TimeNs>1 << 61)):
            at = time_ns + SECOND
        return at if at == NIL else larger(at, time_ns + 1)

    cdef bint _still(self, const MarketView* view, TimeNs time_ns) noexcept nogil:
        """True where waiting longer would not move the raw price."""
        cdef Tick held2
        if self.kind == SPOT or self.kind == FUNDING:
            return True
        if self.kind == TWAP:
            return window_still(&self.window, time_ns, self.window_ns)
        held2 = to_int(floor(self.smoothed(time_ns) + 0.5))
        return held2 == self.held2

    cdef Oracle clone(self):
        cdef Feed other = Feed.__new__(
            Feed, self.kind, self.source, own_weight_ppm=self.own_weight_ppm,
            price_max=self.price_max, window_ns=self.window_ns, tau_ns=self.tau_ns,
            funding_ppb=self.funding_ppb, funding_at_ns=self.funding_at_ns,
            funding_every_ns=self.funding_every_ns,
            latency_ns=self.latency_ns, sigma_ppm=self.sigma_ppm,
            congestion_ppm=self.congestion_ppm, heartbeat_ns=self.heartbeat_ns,
            deviation_ppm=self.deviation_ppm, clamp_ppm=self.clamp_ppm,
            clamp_round_ppm=self.clamp_round_ppm, clamp_second_ppm=self.clamp_second_ppm)
        other.key = self.key
        other.stream = self.stream
        window_copy(&other.window, &self.window)
        other.mean2, other.held2, other.seen_ns = self.mean2, self.held2, self.seen_ns
        other.reports = <Report*>slab_copy(self.reports, self.report_capacity, sizeof(Report))
        other.report_capacity, other.report_count = self.report_capacity, self.report_count
        other.sent, other.sent_ns, other.arrived = self.sent, self.sent_ns, self.arrived
        other.standing, other.taken_ns, other.opened = self.standing, self.taken_ns, self.opened
        return other

    cdef void digest(self, Digest* d) noexcept nogil:
        cdef int64_t bits
        cdef int64_t i
        digest_word(d, (self.kind << 8) | self.source)
        digest_word(d, self.own_weight_ppm)
        digest_word(d, self.price_max)
        digest_word(d, self.window_ns)
        digest_word(d, self.tau_ns)
        if self.funding_ppb or self.funding_at_ns or self.funding_every_ns:
            digest_word(d, self.funding_ppb)
            digest_word(d, self.funding_at_ns)
            digest_word(d, self.funding_every_ns)
        digest_word(d, self.latency_ns)
        digest_word(d, self.sigma_ppm)
        digest_word(d, self.congestion_ppm)
        digest_word(d, self.heartbeat_ns)
        digest_word(d, self.deviation_ppm)
        digest_word(d, self.clamp_ppm)
        digest_word(d, self.clamp_round_ppm)
        digest_word(d, self.clamp_second_ppm)
        digest_word(d, self.stream.key[0])
        digest_word(d, self.stream.key[1])
        digest_word(d, self.stream.block)
        digest_word(d, self.stream.next)
        window_digest(&self.window, d)
        memcpy(&bits, &self.mean2, sizeof(double))
        digest_word(d, bits)
        digest_word(d, self.held2)
        digest_word(d, self.seen_ns)
        digest_word(d, self.report_count)
        for i in range(self.report_count):
            digest_word(d, self.reports[i].arrives_ns)
            digest_word(d, self.reports[i].price)
        digest_word(d, self.sent)
        digest_word(d, self.sent_ns)
        digest_word(d, self.arrived)
        digest_word(d, self.standing)
        digest_word(d, self.taken_ns)
        digest_word(d, self.opened)


cdef Tick _own2(int source, const MarketView* view) noexcept nogil:
    """Twice the own price; what is not there gives way as in OwnBook."""
    if source == INDEX and view.index > 0:
        return 2 * view.index
    if source == MID and view.best_bid > 0 and view.best_ask > 0:
        return view.best_bid + view.best_ask
    return 2 * view.last if view.last > 0 else 2 * view.index


cdef Tick _median(Tick a, Tick b, Tick c) noexcept nogil:
    """The middle one; with only two prices (a 0 is none) their first."""
    if c == 0 or b == 0:
        return a
    return larger(smaller(a, b), smaller(larger(a, b), c))
