"""Margins and fees that move with volatility, and a buffer for clustered liquidations.

Volatility: `sigma`, the EWMA of squared returns of the mark at grid times (mechanisms/sigma.pxd).

* `VolatilityMargin`, spec/MECHANISMS.md §10: raw = k sigma sqrt(MPOR / sample), rounded up to a
  ppm; with a buffer B: max(raw, min(raw (1 + B), stressed)), so that B stands in calm times and
  is used up as raw rises to `stressed` (EMIR technical standards 153/2013, article 28(1)(a));
  with a weight w: (1 - w) of that + w stressed (article 28(1)(b)); then within [floor, cap]
  (28(1)(c)). It moves by at most `step_ppm` an hour: between the grid times a and b by
  floor(step b / hour) - floor(step a / hour). What it asks above what
  the market's table asks of the smallest position (`bases_ppm`, by market) is added to every row of
  the table, so maintenance stays continuous over tiers.
* `VolatilityFee`, §12: f0 + slope max(0, sigma / reference - 1), sigma over a day, rounded up, at
  most `cap`; what exceeds f0 is added to what takers pay. A share of all fees goes to the fund.
* `ContagionBuffer`: its docstring.

Whole numbers only: ppm of a rate, ppb of a return, nanoseconds.
"""

from libc.stdint cimport int32_t, int64_t
from cpython.mem cimport PyMem_RawFree
from ordercascade.core.digest cimport Digest, digest_word
from ordercascade.core.mechanism cimport ADD_FEE, ADD_INITIAL, ADD_MAINTENANCE, Surcharge
from ordercascade.core.records cimport Crowd, MarketView
from ordercascade.core.slab cimport slab_copy, slab_grow
from ordercascade.core.units cimport PPM, Ppm, TimeNs, Wide, div_ceil, larger, smaller
from ordercascade.mechanisms.sigma cimport (
    PPB, Sigma, sigma_digest, sigma_open, sigma_over, sigma_sample, sigma_still, variance_of,
)

from ordercascade.checks import SPAN_NS_MAX, whole
from ordercascade.errors import ConfigError

cdef TimeNs HOUR = 3_600_000_000_000
cdef TimeNs DAY = 86_400_000_000_000
FACTOR_MAX = 10**9              # of k and of the slope: a thousand


cdef class Volatile(Surcharge):
    """What follows the volatility of marks; the base of margin and fee, of no use alone."""

    def __dealloc__(self):
        PyMem_RawFree(self.gauges)

    def _shared(self, decay_ppm, sample_ns, start_ppb, step_ppm):
        self.decay_ppm = whole("decay_ppm", decay_ppm, 0, 999_000)
        self.sample_ns = whole("sample_ns", sample_ns, 1, SPAN_NS_MAX)
        self.start_ppb = whole("start_ppb", start_ppb, 0, 10**9)
        self.step_ppm = whole("step_ppm", step_ppm, 0, 10**6)

    cdef Ppm formula(self, int32_t market, const Sigma* sigma) noexcept nogil:
        return 0

    cdef Ppm base(self, int32_t market) noexcept nogil:
        return 0

    cdef Gauge* gauge(self, int32_t market) except NULL nogil:
        self.gauges = <Gauge*>slab_grow(
            self.gauges, &self.gauge_capacity, market + 1, sizeof(Gauge))
        self.gauge_count = larger(self.gauge_count, market + 1)
        return &self.gauges[market]

    cdef void near(self, Gauge* g, int64_t before) noexcept nogil:
        """Move towards what is wanted by what the time since a grid time allows."""
        cdef Wide allowed = <Wide>self.step_ppm * g.sigma.period * self.sample_ns / HOUR
        allowed = allowed - <Wide>self.step_ppm * before * self.sample_ns / HOUR
        if self.step_ppm == 0:
            allowed = PPM
        g.now = larger(g.now - <Ppm>allowed, smaller(g.now + <Ppm>allowed, g.wanted))

    cdef void follow(self, int32_t market, Gauge* g, int64_t periods) noexcept nogil:
        """So many grid times pass; once nothing moves any more, the rest of them at once."""
        cdef int64_t before
        while periods > 0:
            before = g.sigma.period
            if sigma_still(&g.sigma):
                g.sigma.period += periods
                periods = 0
            else:
                sigma_sample(&g.sigma, self.decay_ppm)
                periods -= 1
            g.wanted = self.formula(market, &g.sigma)
            self.near(g, before)

    cdef Ppm addon(self, int32_t market, const MarketView* view, const Crowd* crowd,
                   TimeNs time_ns) except -1 nogil:
        cdef Gauge* g = self.gauge(market)
        if g.sigma.seen == 0:
            sigma_open(&g.sigma, view.mark, time_ns, self.sample_ns,
                       variance_of(self.start_ppb, DAY, self.sample_ns))
            g.now = g.wanted = self.formula(market, &g.sigma)
        self.follow(market, g, time_ns / self.sample_ns - g.sigma.period)
        g.sigma.seen = view.mark
        return g.now - self.base(market)

    cdef TimeNs wake(self, int32_t market, const MarketView* view, TimeNs time_ns) noexcept nogil:
        """The next grid time, while its sample may raise something."""
        cdef const Gauge* g
        if market >= self.gauge_count:
            return -1
        g = &self.gauges[market]
        if g.sigma.seen == g.sigma.sampled and g.wanted <= g.now:
            return -1
        return larger(time_ns + 1, (g.sigma.period + 1) * self.sample_ns)

    cdef void copy_to(self, Volatile other) except *:
        other.gauges = <Gauge*>slab_copy(self.gauges, self.gauge_capacity, sizeof(Gauge))
        other.gauge_capacity = self.gauge_capacity
        other.gauge_count = self.gauge_count

    cdef void digest(self, Digest* d) noexcept nogil:
        cdef int64_t i
        digest_word(d, self.decay_ppm)
        digest_word(d, self.sample_ns)
        digest_word(d, self.start_ppb)
        digest_word(d, self.step_ppm)
        digest_word(d, self.gauge_count)
        for i in range(self.gauge_count):
            sigma_digest(&self.gauges[i].sigma, d)
            digest_word(d, self.gauges[i].wanted)
            digest_word(d, self.gauges[i].now)


cdef class VolatilityMargin(Volatile):
    """clip(k sigma sqrt(MPOR), floor, cap) of the value; see the module. `new_only`: of new
    positions (initial margin), not of those that are open."""

    def __cinit__(self, *, k_ppm, mpor_ns, bases_ppm, cap_ppm, floor_ppm=0,
                  decay_ppm=940_000, sample_ns=60_000_000_000, start_ppb=0, step_ppm=0,
                  buffer_ppm=0, stressed_ppm=0, weight_ppm=0, new_only=False):
        cdef int64_t i
        cdef int64_t held = 0
        self._shared(decay_ppm, sample_ns, start_ppb, step_ppm)
        self.k_ppm = whole("k_ppm", k_ppm, 1, FACTOR_MAX)
        self.mpor_ns = whole("mpor_ns", mpor_ns, 1, SPAN_NS_MAX)
        self.bases_ppm = tuple(whole("bases_ppm", each, 0, 10**6) for each in bases_ppm)
        self.cap_ppm = whole("cap_ppm", cap_ppm, 1, 10**6)
        self.floor_ppm = whole("floor_ppm", floor_ppm, 0, self.cap_ppm)
        self.buffer_ppm = whole("buffer_ppm", buffer_ppm, 0, 10**6)
        self.stressed_ppm = whole("stressed_ppm", stressed_ppm, 0, 10**6)
        self.weight_ppm = whole("weight_ppm", weight_ppm, 0, 10**6)
        self.new_only = bool(new_only)
        self.base_count = len(self.bases_ppm)
        if self.base_count == 0:
            raise ConfigError("bases_ppm", "must be at least one")
        if max(self.bases_ppm) > self.cap_ppm:
            raise ConfigError("cap_ppm", "must not be below what a market asks", self.cap_ppm)
        if bool(self.stressed_ppm) != bool(self.buffer_ppm or self.weight_ppm):
            raise ConfigError("stressed_ppm", "must be given with buffer_ppm or weight_ppm, "
                              "and only with them", self.stressed_ppm)
        self.bases = <Ppm*>slab_grow(NULL, &held, self.base_count, sizeof(Ppm))
        for i in range(self.base_count):
            self.bases[i] = self.bases_ppm[i]

    def __dealloc__(self):
        PyMem_RawFree(self.bases)

    def __repr__(self):
        return f"<VolatilityMargin up to {self.cap_ppm} ppm>"

    cdef int target(self) noexcept nogil:
        return ADD_INITIAL if self.new_only else ADD_MAINTENANCE

    cdef Ppm base(self, int32_t market) noexcept nogil:
        return self.bases[smaller(market, self.base_count - 1)]

    cdef Ppm formula(self, int32_t market, const Sigma* sigma) noexcept nogil:
        cdef Wide raw = sigma_over(sigma, self.mpor_ns, self.sample_ns)
        cdef Ppm rate, buffered
        raw = (raw * self.k_ppm + (PPB - 1)) / PPB
        rate = <Ppm>raw if raw < PPM else PPM
        buffered = div_ceil(<Wide>rate * (PPM + self.buffer_ppm), PPM)
        rate = larger(rate, smaller(buffered, self.stressed_ppm))
        rate = div_ceil(<Wide>rate * (PPM - self.weight_ppm)
                        + <Wide>self.stressed_ppm * self.weight_ppm, PPM)
        return larger(self.base(market), larger(self.floor_ppm, smaller(rate, self.cap_ppm)))

    cdef Surcharge clone(self):
        cdef VolatilityMargin other = VolatilityMargin.__new__(
            VolatilityMargin, k_ppm=self.k_ppm, mpor_ns=self.mpor_ns, bases_ppm=self.bases_ppm,
            cap_ppm=self.cap_ppm, floor_ppm=self.floor_ppm, decay_ppm=self.decay_ppm,
            sample_ns=self.sample_ns, start_ppb=self.start_ppb, step_ppm=self.step_ppm,
            buffer_ppm=self.buffer_ppm,
            stressed_ppm=self.stressed_ppm, weight_ppm=self.weight_ppm, new_only=self.new_only)
        self.copy_to(other)
        return other

    cdef void digest(self, Digest* d) noexcept nogil:
        cdef int64_t i
        Volatile.digest(self, d)
        digest_word(d, self.k_ppm)
        digest_word(d, self.mpor_ns)
        digest_word(d, self.floor_ppm)
        digest_word(d, self.cap_ppm)
        digest_word(d, self.buffer_ppm)
        digest_word(d, self.stressed_ppm)
        digest_word(d, self.weight_ppm)
        digest_word(d, self.new_only)
        for i in range(self.base_count):
            digest_word(d, self.bases[i])


cdef class VolatilityFee(Volatile):
    """f0 + slope max(0, sigma / reference - 1), at most cap, of what takers trade; see the module.

    `base_ppm` is f0, which the market's taker fee says already."""

    def __cinit__(self, *, base_ppm, slope_ppm, cap_ppm, reference_ppb, decay_ppm=940_000,
                  sample_ns=60_000_000_000, start_ppb=0, step_ppm=0, to_fund_ppm=0):
        self._shared(decay_ppm, sample_ns, start_ppb, step_ppm)
        self.base_ppm = whole("base_ppm", base_ppm, 0, 10**6)
        self.slope_ppm = whole("slope_ppm", slope_ppm, 0, FACTOR_MAX)
        self.cap_ppm = whole("cap_ppm", cap_ppm, self.base_ppm, 10**6)
        self.reference_ppb = whole("reference_ppb", reference_ppb, 1, 10**9)
        self.to_fund_ppm = whole("to_fund_ppm", to_fund_ppm, 0, 10**6)

    def __repr__(self):
        return f"<VolatilityFee {self.base_ppm} to {self.cap_ppm} ppm>"

    cdef int target(self) noexcept nogil:
        return ADD_FEE

    cdef Ppm base(self, int32_t market) noexcept nogil:
        return self.base_ppm

    cdef Ppm formula(self, int32_t market, const Sigma* sigma) noexcept nogil:
        cdef Wide beyond = sigma_over(sigma, DAY, self.sample_ns) - self.reference_ppb
        if beyond <= 0:
            return self.base_ppm
        beyond = (beyond * self.slope_ppm + (self.reference_ppb - 1)) / self.reference_ppb
        if beyond > self.cap_ppm - self.base_ppm:
            return self.cap_ppm
        return self.base_ppm + <Ppm>beyond

    cdef Surcharge clone(self):
        cdef VolatilityFee other = VolatilityFee.__new__(
            VolatilityFee, base_ppm=self.base_ppm, slope_ppm=self.slope_ppm, cap_ppm=self.cap_ppm,
            reference_ppb=self.reference_ppb, decay_ppm=self.decay_ppm, sample_ns=self.sample_ns,
            start_ppb=self.start_ppb, step_ppm=self.step_ppm, to_fund_ppm=self.to_fund_ppm)
        self.copy_to(other)
        return other

    cdef void digest(self, Digest* d) noexcept nogil:
        Volatile.digest(self, d)
        digest_word(d, self.base_ppm)
        digest_word(d, self.slope_ppm)
        digest_word(d, self.cap_ppm)
        digest_word(d, self.reference_ppb)
        digest_word(d, self.to_fund_ppm)


cdef class ContagionBuffer(Surcharge):
    """A margin add-on that prices liquidations clustered near the mark.

    Let L be the lots that would be liquidated if the mark moved by `reach` against them, other
    marks standing, and D the lots that rest in the book within `reach` of the mark on the side
    that would take them. On that stretch the reproduction number of spec/MECHANISMS.md §0 is
    R = (L / reach) (reach / D) = L / D, and a move of `reach` by outsiders becomes reach / (1 - R):
    liquidations add reach R / (1 - R) = reach L / (D - L). So much more margin is asked:

        add-on = min(cap, weight reach L / (D - L)), rounded up; cap where L >= D;

    the larger of the two sides. Derived for this project from §0 (linear book, levels spread evenly
    over the reach); no venue is known to publish such a rule. Looked at once every `every_ns`, in
    the first round at or after each multiple of it. As with every margin raised in stress, the
    add-on brings the levels nearer itself, and the next look sees that; `new_only` (of new
    positions, by initial margin) does not. Units: ppm, nanoseconds.
    """

    def __cinit__(self, *, reach_ppm, cap_ppm, weight_ppm=1_000_000, every_ns=60_000_000_000,
                  new_only=False):
        self.reach_ppm = whole("reach_ppm", reach_ppm, 1, 999_999)
        self.cap_ppm = whole("cap_ppm", cap_ppm, 1, 10**6)
        self.weight_ppm = whole("weight_ppm", weight_ppm, 0, FACTOR_MAX)
        self.every_ns = whole("every_ns", every_ns, 1, SPAN_NS_MAX)
        self.new_only = bool(new_only)

    def __dealloc__(self):
        PyMem_RawFree(self.looks)

    def __repr__(self):
        return f"<ContagionBuffer over {self.reach_ppm} ppm>"

    cdef int target(self) noexcept nogil:
        return ADD_INITIAL if self.new_only else ADD_MAINTENANCE

    cdef Look* at(self, int32_t market) except NULL nogil:
        self.looks = <Look*>slab_grow(self.looks, &self.look_capacity, market + 1, sizeof(Look))
        while self.look_count <= market:
            self.looks[self.look_count].period = -1
            self.looks[self.look_count].now = 0
            self.looks[self.look_count].later = False
            self.look_count += 1
        return &self.looks[market]

    cdef Ppm reach(self, int32_t market, TimeNs time_ns) noexcept nogil:
        if market < self.look_count and self.looks[market].period == time_ns / self.every_ns:
            return 0
        return self.reach_ppm

    cdef Ppm addon(self, int32_t market, const MarketView* view, const Crowd* crowd,
                   TimeNs time_ns) except -1 nogil:
        cdef Look* look = self.at(market)
        cdef Ppm most = 0
        cdef int side
        if look.period == time_ns / self.every_ns:
            look.later = True
            return look.now
        for side in range(2):
            most = larger(most, self.priced(crowd.near[side], crowd.depth[side]))
        look.period = time_ns / self.every_ns
        look.later = False
        look.now = most
        return most

    cdef Ppm priced(self, int64_t near, int64_t depth) noexcept nogil:
        cdef Wide more
        if near == 0 or self.weight_ppm == 0:
            return 0
        if near >= depth:
            return self.cap_ppm
        more = <Wide>self.reach_ppm * self.weight_ppm * near
        more = (more + <Wide>(depth - near) * PPM - 1) / (<Wide>(depth - near) * PPM)
        return <Ppm>more if more < self.cap_ppm else self.cap_ppm

    cdef TimeNs wake(self, int32_t market, const MarketView* view, TimeNs time_ns) noexcept nogil:
        """The next look, if rounds came after the latest: lots and levels may have moved."""
        if market >= self.look_count or not self.looks[market].later:
            return -1
        return (self.looks[market].period + 1) * self.every_ns

    cdef Surcharge clone(self):
        cdef ContagionBuffer other = ContagionBuffer.__new__(
            ContagionBuffer, reach_ppm=self.reach_ppm, cap_ppm=self.cap_ppm,
            weight_ppm=self.weight_ppm, every_ns=self.every_ns, new_only=self.new_only)
        other.looks = <Look*>slab_copy(self.looks, self.look_capacity, sizeof(Look))
        other.look_capacity = self.look_capacity
        other.look_count = self.look_count
        return other

    cdef void digest(self, Digest* d) noexcept nogil:
        cdef int64_t i
        digest_word(d, self.reach_ppm)
        digest_word(d, self.cap_ppm)
        digest_word(d, self.weight_ppm)
        digest_word(d, self.every_ns)
        digest_word(d, self.new_only)
        digest_word(d, self.look_count)
        for i in range(self.look_count):
            digest_word(d, self.looks[i].period)
            digest_word(d, self.looks[i].now)
            digest_word(d, self.looks[i].later)
