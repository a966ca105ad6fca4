"""Margin schedules: a venue's table or rates, checked once and ready to be asked (core.answers).

All numbers are whole: ticks, lots, the settlement asset's smallest units, ppm. spec/MARGIN.md §2.
"""

from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport calloc, free
from ordercascade.core.arguments cimport within
from ordercascade.core.contracts cimport INVERSE
from ordercascade.core.margin cimport bracket_of, maintenance_wide
from ordercascade.core.records cimport Bracket
from ordercascade.core.units cimport (
    CASH_MAX, Cash, LOT_MAX, Lot, PPM, Ppm, TICK_MAX, Tick, Wide, absolute, div_ceil, div_floor,
    smaller,
)

from ordercascade.errors import ConfigError, InputError

__all__ = ["Schedule"]

KINDS = {
    "flat": BY_VALUE, "tiers": BY_VALUE, "slab": BY_VALUE, "size": SIZED, "skew": SKEWED,
    "risk": RISK, "interest": BY_VALUE,
}
CONTRACTS = {"linear": LINEAR, "quanto": LINEAR, "inverse": INVERSE}
BASES = {"mark": AT_MARK, "oracle": AT_MARK, "entry": AT_ENTRY}
FEE_BASES = {"mark": AT_MARK, "bankruptcy": AT_BANKRUPTCY}
ROWS_MAX = 4096

cdef enum:
    RATE_MAX_PPM = 4_000_000    # of a requirement: what is asked of 2**60 stays below 2**62

cdef int64_t _number(str name, value, int64_t low, int64_t high) except? -1:
    return within(value, f"schedule.{name}", "an int", low, high)


cdef int32_t _choice(str name, value, dict choices) except -1:
    if value not in choices:
        raise ConfigError(f"schedule.{name}", f"must be one of {', '.join(choices)}", value)
    return choices[value]


cdef Cash trigger_need(const Plan* p, Lot size, Cash gross, Cash cost) noexcept nogil:
    """What the trigger asks of a position worth |value| `gross`, the fee at the mark included."""
    cdef Ppm fee = p.fee_ppm if p.fee_base == AT_MARK else 0
    cdef Cash need
    if p.base == AT_ENTRY:
        need = <Cash>need_of(p, p.rows, size, absolute(cost))
        return need + (div_ceil(<Wide>gross * <Wide>fee, PPM) if fee else 0)
    if p.kind == BY_VALUE or p.kind == BY_LOTS:
        return <Cash>need_of(p, p.trigger, size, gross)
    return <Cash>share_up(gross, maintenance_rate(p, size) + fee * PPM, PPT) + p.fixed


cdef Cash initial_need(const Plan* p, Lot size, Cash gross, Cash interest) noexcept nogil:
    """Initial margin of a position worth |value| `gross`, at this open interest in value."""
    cdef int32_t k
    if p.kind == BY_VALUE or p.kind == BY_LOTS:
        k = bracket_of(p.rows, p.count, gross if p.kind == BY_VALUE else absolute(size))
        return div_ceil(<Wide>gross * <Wide>initial_ppm(p, k, interest), PPM)
    if p.kind == RISK:
        return div_floor(
            share_up(gross, maintenance_rate(p, size), PPT) * <Wide>p.initial, PPM)
    return <Cash>share_up(gross, initial_rate(p, size), PPT) + p.fixed


cdef Tick trigger_of(const Plan* p, Wide base, Lot size, Cash cost) noexcept nogil:
    """trigger_tick() of a leg where the others stand for `base` + cost; out of range: no tick."""
    cdef Claim c
    cdef Tick tick
    c.size = size
    c.cost = cost
    c.money = <Cash>(base + cost)
    c.asked = 0
    tick = trigger_tick(p, &c)
    return TICK_MAX + 1 if tick == 0 and size < 0 else tick


cdef class Schedule:
    """What a venue asks of a position: kind, rows or rates, contract, trigger.

    Made by `flat`, `tiers`, `slab`, `steps`, `size`, `skew`, `interest` or `risk`; each takes

    * `multiplier`: settlement units of a tick times a lot (linear, quanto), or units times ticks of
      a lot (inverse: value = floor(-multiplier * size / price));
    * `contract`: linear, quanto (a linear contract with a multiplier of its own) or inverse;
    * `base`: mark, oracle (the price you give is the oracle's), or entry: maintenance is taken on
      the cost and does not move with the price;
    * `fee_ppm` closing fee in the trigger, of the value at the mark or (`fee_base`) at bankruptcy;
    * `strict`: liquidatable below maintenance (True) or at it already.

    Requirements are rounded up to the unit, once: margin and fee together.
    """

    def __cinit__(self, str kind, *, multiplier=1, contract="linear", base="mark", fee_ppm=0,
                  fee_base="mark", strict=True, rows=(), by="value", **numbers):
        cdef Plan* p = &self.plan
        p.kind = _choice("kind", kind, KINDS)
        p.contract = _choice("contract", contract, CONTRACTS)
        p.base = _choice("base", base, BASES)
        p.fee_base = _choice("fee_base", fee_base, FEE_BASES)
        p.multiplier = _number("multiplier", multiplier, 1, CASH_MAX)
        p.fee_ppm = _number("fee_ppm", fee_ppm, 0, PPM - 1)
        if not isinstance(strict, bool):
            raise ConfigError("schedule.strict", "must be True or False", strict)
        p.strict = strict
        p.size_max = smaller(LOT_MAX, CASH_MAX / p.multiplier)
        self.kind, self.by = kind, by
        if by == "size" and kind == "slab":
            p.kind = BY_LOTS
        elif by != "value":
            raise ConfigError("schedule.by", "must be value, or size with a slab", by)
        if p.kind in (BY_VALUE, BY_LOTS):
            self._read_rows(list(rows), kind)
        self._read_numbers(kind, numbers)
        for k in range(p.count):
            if p.rows[k].maintenance_ppm + (p.fee_ppm if p.fee_base == AT_MARK else 0) > PPM:
                raise ConfigError("schedule.fee_ppm", "must leave maintenance and fee at most the "
                                  f"value: {p.rows[k].maintenance_ppm} ppm in row {k}", fee_ppm)

    def __dealloc__(self):
        free(self.plan.rows)
        free(self.plan.trigger)
        free(self.plan.low)
        free(self.plan.high)

    @classmethod
    def flat(cls, *, maintenance_ppm, initial_ppm, **options):
        """One rate for every size."""
        return cls("flat", rows=[(0, maintenance_ppm, 0, initial_ppm)], **options)

    @classmethod
    def tiers(cls, rows, **options):
        """Marginal tiers: rows (floor, maintenance_ppm, amount, initial_ppm), floor inclusive.

        amount_k = amount_{k-1} + floor_k (rate_k - rate_{k-1}) keeps maintenance continuous;
        another amount is refused. A lone row may have any: it stands for its tier of a table.
        """
        return cls("tiers", rows=rows, **options)

    @classmethod
    def slab(cls, rows, **options):
        """The row's rates on all of the position: rows (floor, maintenance_ppm, initial_ppm).

        Floors are values, or with `by="size"` lots.
        """
        made = [(floor, maintenance, 0, initial) for floor, maintenance, initial in rows]
        return cls("slab", rows=made, **options)

    @classmethod
    def steps(cls, *, limit, step, maintenance_ppm, initial_ppm, **options):
        """n = max(0, ceil((value - limit) / step)): maintenance 1 + n times, initial n more.

        spec/MARGIN.md §2.1.3 [BM2]. Rows end where a rate reaches 100 %.
        """
        step = _number("step", step, 1, CASH_MAX)
        limit = _number("limit", limit, 1, CASH_MAX)
        first = _number("maintenance_ppm", maintenance_ppm, 1, PPM)
        base = _number("initial_ppm", initial_ppm, 1, PPM)
        made = [(0, first, base)]
        for n in range(1, min(ROWS_MAX, PPM // first)):
            floor = limit + (n - 1) * step + 1
            if floor > CASH_MAX or base + n * first > PPM:
                break
            made.append((floor, first * (1 + n), base + n * first))
        return cls.slab(made, **options)

    @classmethod
    def size(cls, *, maintenance_ppm, initial_ppm, increment_ppt, **options):
        """Linear in size: rate = base + size * increment (parts per 10^12 a lot). §2.1.4 [DE1]."""
        return cls("size", maintenance_ppm=maintenance_ppm, initial_ppm=initial_ppm,
                   increment_ppt=increment_ppt, **options)

    @classmethod
    def skew(cls, *, scale, fraction_ppm, minimum_ppm, scalar_ppm, fixed=0, **options):
        """Initial = |size| / scale * fraction + minimum; maintenance = scalar * initial. [SX1]

        `scale` in lots; `fixed` units are added to both. Rates are rounded up at 10^-12.
        """
        return cls("skew", scale=scale, fraction_ppm=fraction_ppm, minimum_ppm=minimum_ppm,
                   scalar_ppm=scalar_ppm, fixed=fixed, **options)

    @classmethod
    def interest(cls, *, maintenance_ppm, initial_ppm, lower, upper, **options):
        """Flat maintenance; initial rises from open interest `lower` on to 100 % at `upper`.

        Open interest as a value; upper = 0: it does not rise. The rate is floored. [D2]
        """
        return cls("interest", rows=[(0, maintenance_ppm, 0, initial_ppm)], lower=lower,
                   upper=upper, **options)

    @classmethod
    def risk(cls, *, long_ppm, short_ppm, slippage_ppm, initial_ppm=PPM, **options):
        """Risk factor of the side + slippage on the open position; open orders by the factor. [V1]

        Initial margin is `initial_ppm` of maintenance (1.2: 1,200,000), rounded down.
        """
        return cls("risk", long_ppm=long_ppm, short_ppm=short_ppm, slippage_ppm=slippage_ppm,
                   initial_ppm=initial_ppm, **options)

    cdef int _read_rows(self, list rows, str kind) except -1:
        cdef Plan* p = &self.plan
        cdef int64_t most = LOT_MAX if p.kind == BY_LOTS else CASH_MAX
        if not 1 <= len(rows) <= ROWS_MAX:
            raise ConfigError("schedule.rows", f"must have 1 to {ROWS_MAX} rows", len(rows))
        made = []
        for index, row in enumerate(rows):
            place = f"rows[{index}]"
            if len(row) != 4:
                rule = "must be floor, maintenance, amount, initial"
                raise ConfigError(f"schedule.{place}", rule)
            made.append((
                _number(f"{place}.floor", row[0], 0, most),
                _number(f"{place}.maintenance_ppm", row[1], 0, PPM),
                _number(f"{place}.amount", row[2], -CASH_MAX, CASH_MAX),
                _number(f"{place}.initial_ppm", row[3], 0, PPM),
            ))
        if made[0][0] != 0:
            raise ConfigError("schedule.rows[0].floor", "must be 0", made[0][0])
        if len(made) == 1 and made[0][2] > 0 and made[0][1] > 0:
            # A tier taken out of its table asks nothing below amount / rate.
            floor = -(-made[0][2] * PPM // made[0][1])
            made = [(0, 0, 0, made[0][3]), (floor, *made[0][1:])]
        for index in range(1, len(made)):
            _check_step(made, index, kind)
        return self._keep_rows(made)

    cdef int _keep_rows(self, list made) except -1:
        cdef Plan* p = &self.plan
        cdef int64_t i, need
        p.count = len(made)
        p.rows = <Bracket*>calloc(p.count, sizeof(Bracket))
        p.trigger = <Bracket*>calloc(p.count, sizeof(Bracket))
        p.low = <Cash*>calloc(p.count, sizeof(Cash))
        p.high = <Cash*>calloc(p.count, sizeof(Cash))
        if p.rows == NULL or p.trigger == NULL or p.low == NULL or p.high == NULL:
            raise MemoryError
        for i in range(p.count):
            p.rows[i].floor, p.rows[i].maintenance_ppm, p.rows[i].amount, p.rows[i].initial_ppm = (
                made[i])
            p.trigger[i] = p.rows[i]
            if p.fee_base == AT_MARK:
                p.trigger[i].maintenance_ppm += p.fee_ppm
        p.jumps = self.kind == "slab" and p.count > 1
        for i in range(p.count):
            need = <int64_t>maintenance_wide(p.trigger, p.count, p.rows[i].floor)
            p.low[i] = p.rows[i].floor - need
            p.high[i] = p.rows[i].floor + need
        return 0

    cdef int _read_numbers(self, str kind, dict numbers) except -1:
        cdef Plan* p = &self.plan
        take = numbers.pop
        if kind == "size":
            p.rate_long = _number("maintenance_ppm", take("maintenance_ppm"), 0, PPM) * PPM
            p.initial = _number("initial_ppm", take("initial_ppm"), 1, PPM) * PPM
            p.increment = _number("increment_ppt", take("increment_ppt"), 0, PPT)
            if p.increment:
                p.size_max = smaller(p.size_max, (RATE_MAX_PPM - 1_000_000) * PPM / p.increment)
        elif kind == "skew":
            p.scale = _number("scale", take("scale"), 1, LOT_MAX)
            p.fraction_ppm = _number("fraction_ppm", take("fraction_ppm"), 0, RATE_MAX_PPM)
            p.minimum_ppm = _number("minimum_ppm", take("minimum_ppm"), 0, PPM)
            p.scalar_ppm = _number("scalar_ppm", take("scalar_ppm"), 0, PPM)
            p.fixed = _number("fixed", take("fixed"), 0, CASH_MAX)
            if p.fraction_ppm:
                p.size_max = smaller(
                    p.size_max, <int64_t>(<Wide>p.scale * 3_000_000 / p.fraction_ppm))
        elif kind == "risk":
            if p.base == AT_ENTRY:
                rule = "must be mark or oracle with kind 'risk'"
                raise ConfigError("schedule.base", rule, "entry")
            long_ppm = _number("long_ppm", take("long_ppm"), 0, PPM)
            short_ppm = _number("short_ppm", take("short_ppm"), 0, PPM)
            p.slippage_ppm = _number("slippage_ppm", take("slippage_ppm"), 0, 2 * PPM)
            p.rate_long = (long_ppm + p.slippage_ppm) * PPM
            p.rate_short = (short_ppm + p.slippage_ppm) * PPM
            p.initial = _number("initial_ppm", take("initial_ppm"), PPM, 10 * PPM)
        elif kind == "interest":
            p.interest_low = _number("lower", take("lower"), 0, CASH_MAX)
            p.interest_high = _number("upper", take("upper"), 0, CASH_MAX)
            if p.interest_high and p.interest_high <= p.interest_low:
                raise ConfigError("schedule.upper", "must be 0 or above lower", p.interest_high)
        if numbers:
            raise ConfigError(f"schedule.{min(numbers)}", f"is no number of kind {kind!r}")
        return 0

    def rates(self, value, size=1, *, open_interest=0):
        """Return (initial, maintenance) rates of a position in parts per 10^12; of a tier, its own.

        `value` in units (rows by value), `size` in lots, signed. Open interest as a value.
        """
        cdef Plan* p = &self.plan
        cdef int64_t at = _number("value", value, 0, CASH_MAX)
        cdef int64_t lots = _number("size", size, -p.size_max, p.size_max)
        cdef int32_t k
        interest = _number("open_interest", open_interest, 0, CASH_MAX)
        if p.kind in (BY_VALUE, BY_LOTS):
            k = bracket_of(p.rows, p.count, at if p.kind == BY_VALUE else absolute(lots))
            return initial_ppm(p, k, interest) * PPM, p.rows[k].maintenance_ppm * PPM
        if p.kind == RISK:
            rate = maintenance_rate(p, lots)
            return rate * p.initial // PPM, rate
        return initial_rate(p, lots), maintenance_rate(p, lots)

    def amount(self, value):
        """Return the maintenance amount ("cum") of the tier that a value lies in, in units."""
        cdef int64_t at = _number("value", value, 0, CASH_MAX)
        if self.plan.kind != BY_VALUE:
            raise InputError("schedule", self.kind, "must have rows by value")
        return self.plan.rows[bracket_of(self.plan.rows, self.plan.count, at)].amount

    def __repr__(self):
        return f"<Schedule {self.kind}, {self.plan.count} rows>"


cdef int _check_step(list rows, int64_t index, str kind) except -1:
    """Refuse a row that does not follow the one before it."""
    floor, rate, amount, initial = rows[index]
    before, before_rate, before_amount, before_initial = rows[index - 1]
    place = f"schedule.rows[{index}]"
    if floor <= before:
        raise ConfigError(f"{place}.floor", f"must be above the previous one, {before}", floor)
    if rate < before_rate:
        raise ConfigError(f"{place}.maintenance_ppm", "must not fall from row to row", rate)
    if initial < before_initial:
        raise ConfigError(f"{place}.initial_ppm", "must not fall from row to row", initial)
    if kind == "slab":
        return 0
    want = before_amount * PPM + floor * (rate - before_rate)
    if index == 1 and before_rate == 0 and amount * PPM <= floor * rate < amount * PPM + rate:
        return 0        # nothing is asked below the first floor
    if want != amount * PPM:
        rule = f"must keep maintenance continuous: {want / PPM}"
        raise ConfigError(f"{place}.amount", rule, amount)
    return 0
