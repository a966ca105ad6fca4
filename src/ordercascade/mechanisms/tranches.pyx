"""How large liquidation orders are at real venues, and at which limit they are sent.

One class, a rule for the size and one for the limit, and numbers. spec/MARGIN.md §6.2, §6.3; where
that page leaves a choice open, docs/adr/0010-stages-are-numbers.md says what was chosen.
"""

from libc.stdint cimport int32_t, int64_t
from cpython.mem cimport PyMem_RawFree
from ordercascade.core.digest cimport Digest, digest_word
from ordercascade.core.contracts cimport LINEAR, lots_worth, value_in
from ordercascade.core.margin cimport bracket_of, maintenance_of
from ordercascade.core.mechanism cimport LiquidationPolicy
from ordercascade.core.records cimport AtRisk, Bracket, Intent
from ordercascade.core.slab cimport NIL, slab_copy, slab_grow
from ordercascade.core.units cimport (
    CASH_MAX, Cash, LOT_MAX, Lot, PPM, Ppm, Tick, TimeNs, Wide, absolute, div_ceil, div_floor,
    larger, smaller,
)

from ordercascade.checks import SPAN_NS_MAX, member, whole
from ordercascade.duties import TrancheRule
from ordercascade.enums import OrderLimit
from ordercascade.errors import ConfigError

cdef enum:
    WHOLE = 0
    PORTION = 1
    COVER = 2
    TIER_DOWN = 3
    TIER_FIT = 4
    WINDOW = 5

cdef enum:
    MARKET = 0
    BANKRUPTCY = 1
    FILLABLE = 2
    RANGE = 3


# --- sizes -------------------------------------------------------------------------------------

cdef inline Cash _worth(const AtRisk* row, Lot lots) noexcept nogil:
    """|value| at the mark of so many lots of the leg."""
    return absolute(value_in(row.around.kind, row.around.multiplier,
                             lots if row.size > 0 else -lots, row.around.mark))


cdef inline Lot _lots_worth(const AtRisk* row, Cash amount) noexcept nogil:
    return lots_worth(row.around.kind, row.around.multiplier, amount, row.around.mark)


cdef int32_t _tier(const AtRisk* row) noexcept nogil:
    return bracket_of(row.around.brackets, row.around.bracket_count,
                      absolute(row.size) if row.around.by_lots else absolute(row.value))


cdef Cash _need(const AtRisk* row, Lot lots) noexcept nogil:
    """Maintenance of so many lots of the leg, at the mark."""
    cdef Cash value = _worth(row, lots)
    if row.around.by_lots:
        return maintenance_of(row.around.brackets + bracket_of(
            row.around.brackets, row.around.bracket_count, lots), 1, value)
    return maintenance_of(row.around.brackets, row.around.bracket_count, value)


cdef Lot _portion(Tranches t, const AtRisk* row) noexcept nogil:
    """max(minimum, portion of it) in value, within the block's cap, down to a lot. [D4]"""
    cdef Lot held = absolute(row.size)
    cdef Cash most = larger(
        t.min_value, div_floor(<Wide>absolute(row.value) * <Wide>t.portion_ppm, PPM))
    if t.block_value:
        most = smaller(most, t.block_value)
    return smaller(held, larger(1, _lots_worth(row, most)))


cdef Ppm _rate(const AtRisk* row) noexcept nogil:
    """Maintenance rate of the row's own bracket."""
    return row.around.brackets[_tier(row)].maintenance_ppm


cdef Lot _cover(Tranches t, const AtRisk* row) noexcept nogil:
    """Lots whose sale restores the target: shortage / (unit (target rate - cost)); MECHANISMS §4.

    f* = (m_tgt N - E) / (N (m_tgt - c)). Where a sale costs more than it frees, all of it. A ramp
    sells a share of them that grows from `portion` to all; small shortages go at once. [DR2]
    """
    cdef Lot held = absolute(row.size)
    cdef Cash target = (div_ceil(<Wide>row.maintenance * <Wide>t.target_ppm, PPM)
                        + div_ceil(<Wide>absolute(row.value) * <Wide>t.buffer_ppm, PPM))
    cdef Cash shortage = target - row.equity
    # Both in parts per 10^12 of a lot's value: what a lot frees, what selling it costs.
    cdef int64_t freed = _rate(row) * t.target_ppm + (t.buffer_ppm - t.cost_ppm) * PPM
    cdef Wide lots, below
    cdef Ppm share = t.portion_ppm
    if shortage <= 0:
        return 1
    if freed <= 0:
        return held
    below = <Wide>row.around.multiplier * <Wide>freed
    lots = <Wide>shortage * <Wide>PPM * <Wide>PPM
    if row.around.kind == LINEAR:
        below = below * row.around.mark
    else:
        # Capped where it passes all the lots there may be: K * lots stays within 2**60.
        if lots > (<Wide>1 << 126) / row.around.mark:
            lots = (<Wide>1 << 126) / row.around.mark
        lots = lots * row.around.mark
    lots = (lots + below - 1) / below if t.round_up else lots / below
    if lots > <Wide>held:
        lots = held
    if shortage < t.min_value:
        share = PPM
    elif t.ramp_ns:
        share = smaller(PPM, share + div_floor(
            <Wide>(row.around.time_ns - row.around.since_ns) * <Wide>PPM, t.ramp_ns))
    return larger(1, <Lot>(lots * <Wide>share / PPM))


cdef Lot _top(const AtRisk* row, int32_t tier) noexcept nogil:
    """The most lots that still lie in a tier at the mark."""
    if tier + 1 >= row.around.bracket_count:
        return LOT_MAX
    if row.around.by_lots:
        return row.around.brackets[tier + 1].floor - 1
    return _lots_worth(row, row.around.brackets[tier + 1].floor - 1)


cdef Lot _tier_down(Tranches t, const AtRisk* row) noexcept nogil:
    """To the top of the tier `tiers` below; all of it where there is none so low. [OK2, OK3]"""
    cdef int32_t tier = _tier(row)
    cdef Lot held = absolute(row.size)
    if tier < t.tiers:
        return held
    return larger(1, held - _top(row, tier - t.tiers))


cdef Lot _tier_fit(const AtRisk* row) noexcept nogil:
    """To the top of the highest tier whose margin the equity meets; all of it without one. [BM3]"""
    cdef int32_t tier = _tier(row)
    cdef Lot held = absolute(row.size)
    cdef Cash others = row.maintenance - _need(row, absolute(row.size))
    cdef Lot kept
    while tier > 0:
        tier -= 1
        kept = _top(row, tier)
        if row.equity - others >= _need(row, kept):
            return larger(1, held - kept)
    return held


cdef Lot _window(Tranches t, int32_t market, TimeNs time_ns, Lot skew) noexcept nogil:
    """What the window has left; one capacity more at a small skew, once an instant. [SX2]"""
    cdef Lot used = 0
    cdef Lot now = 0
    cdef int64_t i
    for i in range(t.sale_count):
        if t.sales[i].market != market:
            continue
        if t.sales[i].time_ns > time_ns - t.window_ns:
            used += t.sales[i].lots
        if t.sales[i].time_ns == time_ns:
            now += t.sales[i].lots
    if used >= t.capacity and now == 0 and absolute(skew) < t.skew_max:
        return t.capacity
    return larger(0, t.capacity - used)


cdef Lot _lots(Tranches t, const AtRisk* row) noexcept nogil:
    cdef Lot lots
    if t.rule == PORTION:
        return _portion(t, row)
    if t.rule == COVER:
        lots = _cover(t, row)
    elif t.rule == TIER_DOWN:
        lots = _tier_down(t, row)
    elif t.rule == TIER_FIT:
        lots = _tier_fit(row)
    else:
        lots = absolute(row.size)
    if t.block_value:
        lots = smaller(lots, larger(1, _lots_worth(row, t.block_value)))
    return lots


# --- limits ------------------------------------------------------------------------------------

cdef Tick _fillable(Tranches t, const AtRisk* row) noexcept nogil:
    """P (1 - s ABR SMMR MMF), ABR = BA (1 - equity / maintenance) in [0, 1]; against the account.

    Exact while the product fits 128 bits; beyond that the ratio loses low bits, never the others.
    """
    cdef Wide short = <Wide>row.maintenance - <Wide>row.equity
    cdef Wide asked = larger(1, row.maintenance)
    cdef Wide share = <Wide>t.spread_ppm * <Wide>_rate(row)     # of 10^12
    cdef Wide part
    cdef Wide whole_ = <Wide>PPM * <Wide>PPM
    if short < 0:
        short = 0
    if short * <Wide>t.adjustment_ppm >= asked * <Wide>PPM:
        short = asked
    else:
        short = short * <Wide>t.adjustment_ppm
        asked = asked * <Wide>PPM
    while share % 10 == 0 and whole_ > 1:
        share = share / 10
        whole_ = whole_ / 10
    while short > (<Wide>1 << 62) or asked > (<Wide>1 << 62):
        short = short >> 1
        asked = asked >> 1
    while share > (<Wide>1 << 31) or whole_ > (<Wide>1 << 31):
        share = share >> 1
        whole_ = whole_ >> 1
    # mark * short * share stays below 2^124.
    part = <Wide>row.around.mark * short * share
    asked = asked * whole_
    if row.size > 0:
        return row.around.mark - <Tick>(part / asked)      # the sale's limit is rounded up
    return row.around.mark + <Tick>(part / asked)          # the purchase's down


cdef Tick _range(Tranches t, const AtRisk* row) noexcept nogil:
    """The middle less (for a purchase: plus) a share of it, rounded towards the middle."""
    cdef Wide twice = row.around.best_bid + row.around.best_ask
    if row.around.best_bid == 0 or row.around.best_ask == 0:
        twice = 2 * row.around.mark
    if row.size > 0:
        return larger(1, div_ceil(twice * <Wide>(PPM - t.range_ppm), 2 * PPM))
    return div_floor(twice * <Wide>(PPM + t.range_ppm), 2 * PPM)


cdef class Tranches(LiquidationPolicy):
    """Sizes and limits of liquidation orders as real venues make them."""

    def __cinit__(self, rule=TrancheRule.WHOLE, limit=OrderLimit.MARKET, *, limit_all=None,
                  portion_ppm=10**6, min_value=0, block_value=0, cooldown_ns=0, ramp_ns=0,
                  target_ppm=10**6, buffer_ppm=0, cost_ppm=0, round_up=True, tiers=2,
                  spread_ppm=10**5, adjustment_ppm=10**6, range_ppm=10**5, capacity=0,
                  window_ns=0, skew_max=0):
        self.rule = member("rule", TrancheRule, rule)
        self.limit = member("limit", OrderLimit, limit)
        self.limit_all = member("limit_all", OrderLimit, limit if limit_all is None else limit_all)
        self.portion_ppm = whole("portion_ppm", portion_ppm, 0, 10**6)
        self.min_value = whole("min_value", min_value, 0, 2**60)
        self.block_value = whole("block_value", block_value, 0, 2**60)
        self.cooldown_ns = whole("cooldown_ns", cooldown_ns, 0, SPAN_NS_MAX)
        self.ramp_ns = whole("ramp_ns", ramp_ns, 0, SPAN_NS_MAX)
        self.target_ppm = whole("target_ppm", target_ppm, 10**6, 10**8)
        self.buffer_ppm = whole("buffer_ppm", buffer_ppm, 0, 10**6)
        self.cost_ppm = whole("cost_ppm", cost_ppm, 0, 10**6)
        self.round_up = bool(round_up)
        self.tiers = whole("tiers", tiers, 1, 1000)
        self.spread_ppm = whole("spread_ppm", spread_ppm, 0, 10**8)
        self.adjustment_ppm = whole("adjustment_ppm", adjustment_ppm, 0, 10**9)
        self.range_ppm = whole("range_ppm", range_ppm, 0, 10**8)
        self.capacity = whole("capacity", capacity, 0, 2**40)
        self.window_ns = whole("window_ns", window_ns, 0, SPAN_NS_MAX)
        self.skew_max = whole("skew_max", skew_max, 0, 2**40)
        if self.rule == WINDOW and not (self.capacity and self.window_ns):
            raise ConfigError("capacity", "and window_ns must be given for this rule")

    def __dealloc__(self):
        PyMem_RawFree(self.sales)

    def __repr__(self):
        return f"<Tranches {TrancheRule(self.rule).name.lower()}>"

    cdef int plan(self, const AtRisk* rows, int64_t count, Intent* out) except -1 nogil:
        cdef int64_t i
        cdef int32_t limit
        self.short = False
        for i in range(count):
            out[i].scope = rows[i].scope
            out[i].market = rows[i].market
            out[i].lots = _lots(self, &rows[i])
            out[i].cooldown_ns = self.cooldown_ns
            limit = self.limit_all if out[i].lots == absolute(rows[i].size) else self.limit
            out[i].at_market = limit == MARKET
            out[i].limit = rows[i].bankruptcy_limit
            if limit == FILLABLE:
                out[i].limit = _fillable(self, &rows[i])
            elif limit == RANGE:
                out[i].limit = _range(self, &rows[i])
        return 0

    cdef Lot grant(self, int32_t market, TimeNs time_ns, Lot lots, Lot skew) except -1 nogil:
        """A window gives what it has left and remembers it; sales older than it are forgotten."""
        cdef int64_t i
        cdef int64_t kept = 0
        cdef Lot asked = lots
        if self.rule != WINDOW:
            return lots
        lots = smaller(lots, _window(self, market, time_ns, skew))
        self.short = self.short or lots < asked
        if lots == 0:
            return 0
        for i in range(self.sale_count):
            if self.sales[i].time_ns > time_ns - self.window_ns:
                self.sales[kept] = self.sales[i]
                kept += 1
        self.sales = <Sale*>slab_grow(self.sales, &self.sale_capacity, kept + 1, sizeof(Sale))
        self.sales[kept].time_ns = time_ns
        self.sales[kept].lots = lots
        self.sales[kept].market = market
        self.sale_count = kept + 1
        return lots

    cdef TimeNs wake(self, TimeNs time_ns) noexcept nogil:
        """When the window lets go of its first sale, where somebody was granted less than asked."""
        cdef TimeNs at = NIL
        cdef int64_t i
        if not self.short:
            return NIL
        for i in range(self.sale_count):        # by time: the first that still counts
            if at == NIL and self.sales[i].time_ns + self.window_ns > time_ns:
                at = self.sales[i].time_ns + self.window_ns
        return at

    cdef LiquidationPolicy clone(self):
        """A window is state; without one an object serves every fork."""
        cdef Tranches other
        if self.rule != WINDOW:
            return self
        other = Tranches.__new__(
            Tranches, self.rule, self.limit, limit_all=self.limit_all,
            portion_ppm=self.portion_ppm, min_value=self.min_value, block_value=self.block_value,
            cooldown_ns=self.cooldown_ns, ramp_ns=self.ramp_ns, target_ppm=self.target_ppm,
            buffer_ppm=self.buffer_ppm, cost_ppm=self.cost_ppm, round_up=self.round_up,
            tiers=self.tiers, spread_ppm=self.spread_ppm, adjustment_ppm=self.adjustment_ppm,
            range_ppm=self.range_ppm, capacity=self.capacity, window_ns=self.window_ns,
            skew_max=self.skew_max)
        other.sales = <Sale*>slab_copy(self.sales, self.sale_capacity, sizeof(Sale))
        other.sale_capacity = self.sale_capacity
        other.sale_count = self.sale_count
        other.short = self.short
        return other

    cdef void digest(self, Digest* d) noexcept nogil:
        cdef int64_t i
        digest_word(d, self.rule)
        digest_word(d, self.limit)
        digest_word(d, self.limit_all)
        digest_word(d, self.portion_ppm)
        digest_word(d, self.min_value)
        digest_word(d, self.block_value)
        digest_word(d, self.cooldown_ns)
        digest_word(d, self.ramp_ns)
        digest_word(d, self.target_ppm)
        digest_word(d, self.buffer_ppm)
        digest_word(d, self.cost_ppm)
        digest_word(d, self.round_up)
        digest_word(d, self.tiers)
        digest_word(d, self.spread_ppm)
        digest_word(d, self.adjustment_ppm)
        digest_word(d, self.range_ppm)
        digest_word(d, self.capacity)
        digest_word(d, self.window_ns)
        digest_word(d, self.skew_max)
        digest_word(d, self.sale_count)
        digest_word(d, self.short)
        for i in range(self.sale_count):
            digest_word(d, self.sales[i].time_ns)
            digest_word(d, self.sales[i].lots)
            digest_word(d, self.sales[i].market)
