# Margin schedules: what a position must hold, and the prices at which it no longer does.
#
# Everything is solved in value space, where a bracket's line does not depend on the size: with v
# the unsigned value of the position, the slack is `base + v - need(v)` where the value counts for
# the holder (a linear long, an inverse short) and `base - v - need(v)` where it counts against
# it. Both are straight within a row, so each crossing is one division; rows are found by their
# edges' slack. Brackets and their amounts are those of core.margin.
from libc.stdint cimport int32_t, int64_t
from ordercascade.core.contracts cimport LINEAR, value_wide
from ordercascade.core.margin cimport bracket_of, maintenance_wide
from ordercascade.core.records cimport Bracket
from ordercascade.core.units cimport (
    CASH_MAX, Cash, Lot, PPM, Ppm, TICK_MAX, Tick, Wide, absolute, div_ceil, larger, smaller,
)

cdef extern from *:
    """
    #define OC_PPT 1000000000000LL          /* rates that depend on the size: parts per 10^12 */
    #define OC_PLAIN ((int64_t)9223372)     /* times 10^12 it fits 63 bits */
    """
    const int64_t PPT "OC_PPT"
    const int64_t PLAIN "OC_PLAIN"

cdef enum:              # how a position's rate is found
    BY_VALUE = 0        # rows by value: flat, marginal tiers, slab
    BY_LOTS = 1         # rows by size: the row's rate on all of the value
    SIZED = 2           # rate = base + increment * size
    SKEWED = 3          # initial = fraction * size / scale + minimum; maintenance = scalar of it
    RISK = 4            # factor of the side + slippage; open orders count by the factor

cdef enum:              # at which price the maintenance rate and the fee are taken
    AT_MARK = 0
    AT_ENTRY = 1        # of the cost: the requirement does not move with the price
    AT_BANKRUPTCY = 2   # fee only

ctypedef struct Plan:
    int32_t kind
    int32_t contract
    int32_t base                # AT_MARK or AT_ENTRY
    int32_t fee_base            # AT_MARK or AT_BANKRUPTCY
    int32_t count               # rows
    bint strict                 # liquidatable below maintenance; else already at it
    bint jumps                  # the requirement steps up at a floor
    int64_t multiplier
    Lot size_max                # sizes beyond it break a bound
    Ppm fee_ppm                 # closing fee in the trigger
    Bracket* rows               # without the fee
    Bracket* trigger            # with it, where it is taken at the mark
    Cash* low                   # floor - need at the floor, of `trigger`
    Cash* high                  # floor + need at the floor
    int64_t rate_long           # parts per 10^12: SIZED base; RISK factor + slippage of a long
    int64_t rate_short
    int64_t initial             # parts per 10^12: SIZED initial base; RISK: scaling of maintenance
    int64_t increment           # SIZED, per lot
    Ppm slippage_ppm            # RISK
    int64_t scale               # SKEWED: lots
    Ppm fraction_ppm
    Ppm minimum_ppm
    Ppm scalar_ppm
    Cash fixed                  # SKEWED: added to both requirements of a position
    Cash interest_low           # open interest (value) where the initial rate begins to rise
    Cash interest_high          # and where it is 100 %; 0: it does not

ctypedef struct Line:           # one position's requirement as a function of its value
    const Bracket* rows
    const Cash* low
    const Cash* high
    int32_t count
    bint jumps
    int64_t scale               # rates are parts of it
    Cash constant               # what is asked at any price
    Bracket own                 # the row where `rows` points here
    Cash own_low

ctypedef struct Claim:          # one position and what stands behind it
    Lot size
    Cash cost
    Cash money                  # collateral of the scope and equity of its other legs
    Cash asked                  # maintenance of its other legs

ctypedef struct Ratio:          # a price as a fraction of ticks; bottom 0: no price
    Wide top
    Wide bottom


cdef inline int64_t rate_up(Wide amount, int64_t by) noexcept nogil:
    return div_ceil(amount, by)


cdef inline int64_t initial_rate(const Plan* p, Lot size) noexcept nogil:
    """Initial rate of a position whose rate depends on its size, parts per 10^12, rounded up."""
    if p.kind == SIZED:
        return p.initial + absolute(size) * p.increment
    # fraction * size / scale + minimum
    return p.minimum_ppm * PPM + rate_up(
        <Wide>absolute(size) * <Wide>p.fraction_ppm * <Wide>PPM, p.scale)


cdef inline int64_t maintenance_rate(const Plan* p, Lot size) noexcept nogil:
    """Maintenance rate of such a position, parts per 10^12, rounded up."""
    if p.kind == SIZED:
        return p.rate_long + absolute(size) * p.increment
    if p.kind == RISK:
        return p.rate_long if size > 0 else p.rate_short
    return rate_up(<Wide>initial_rate(p, size) * <Wide>p.scalar_ppm, PPM)


cdef inline int64_t initial_ppm(const Plan* p, int32_t k, int64_t interest) noexcept nogil:
    """The initial rate of a row, at most 100 %; with open interest beyond `lower` it rises,
    floored. [D2]"""
    cdef int64_t base = smaller(p.rows[k].initial_ppm, PPM)
    cdef Wide rise
    if p.interest_high == 0 or interest <= p.interest_low:
        return base
    if interest >= p.interest_high:
        return PPM
    rise = <Wide>(PPM - base) * <Wide>(interest - p.interest_low)
    return base + <int64_t>(rise / (p.interest_high - p.interest_low))


cdef inline Wide share_up(Wide value, int64_t rate, int64_t scale) noexcept nogil:
    """ceil(value * rate / scale)."""
    cdef Wide product = value * <Wide>rate
    return product / scale + (1 if product % scale else 0)


cdef inline Wide need_of(const Plan* p, const Bracket* rows, Lot size, Wide value) noexcept nogil:
    """Maintenance of a position of this size and unsigned value; `rows` says with or without fee.

    Rounded up to the unit, once; margin and fee together.
    """
    cdef Ppm fee = 0 if rows == p.rows or p.fee_base != AT_MARK else p.fee_ppm
    if p.kind == BY_VALUE:
        return maintenance_wide(rows, p.count, value)
    if p.kind == BY_LOTS:
        return maintenance_wide(rows + bracket_of(rows, p.count, absolute(size)), 1, value)
    return share_up(value, maintenance_rate(p, size) + fee * PPM, PPT) + <Wide>p.fixed


# Not inline: an engine whose markets have plain brackets should not carry them in its hot loops.
cdef Cash trigger_need(const Plan* p, Lot size, Cash gross, Cash cost) noexcept nogil
cdef Cash initial_need(const Plan* p, Lot size, Cash gross, Cash interest) noexcept nogil
cdef Tick trigger_of(const Plan* p, Wide base, Lot size, Cash cost) noexcept nogil


cdef inline bint sloped(const Plan* p) noexcept nogil:
    """Its requirement has a slope that its trigger rows bound: marginal tiers at the mark."""
    return p.kind == BY_VALUE and p.base == AT_MARK and p.fee_base == AT_MARK and not p.jumps


cdef inline int value_sign(const Plan* p, Lot size) noexcept nogil:
    """+1 where a higher value is good for the holder."""
    return 1 if (size > 0) == (p.contract == LINEAR) else -1


cdef inline Wide value_at(const Plan* p, Lot size, Tick price) noexcept nogil:
    """Signed value: size * price * m; inverse: floor(-K size / price). SEMANTICS §1."""
    return value_wide(p.contract, p.multiplier, size, price)


cdef inline Cash fee_at_bankruptcy(const Plan* p, const Claim* c) noexcept nogil:
    """The closing fee where equity is just the fee; 0 where no such value exists. Rounded up."""
    cdef int sign = value_sign(p, c.size)
    cdef Wide room = sign * (<Wide>c.cost - <Wide>c.money)
    if room <= 0:
        return 0
    return div_ceil(room * <Wide>p.fee_ppm, PPM - sign * p.fee_ppm)


cdef inline void own_row(Line* line, int64_t rate, Cash amount, int64_t scale) noexcept nogil:
    line.own.floor = 0
    line.own.amount = amount
    line.own.maintenance_ppm = rate
    line.own_low = amount if amount < 0 else 0
    line.rows = &line.own
    line.low = &line.own_low
    line.high = NULL            # of the rows behind the first
    line.count = 1
    line.jumps = False
    line.scale = scale


cdef inline void line_of(const Plan* p, const Claim* c, Line* line) noexcept nogil:
    """What the trigger asks of a position, as a function of its value."""
    cdef Ppm fee = p.fee_ppm if p.fee_base == AT_MARK else 0
    cdef const Bracket* row
    line.constant = 0
    if p.base == AT_ENTRY:
        line.constant = <Cash>need_of(p, p.rows, c.size, absolute(c.cost))
        own_row(line, fee, 0, PPM)
    elif p.kind == BY_VALUE:
        line.rows = p.trigger
        line.low = p.low
        line.high = p.high
        line.count = p.count
        line.jumps = p.jumps
        line.scale = PPM
    elif p.kind == BY_LOTS:
        row = p.trigger + bracket_of(p.trigger, p.count, absolute(c.size))
        own_row(line, row.maintenance_ppm, 0, PPM)
    else:
        own_row(line, maintenance_rate(p, c.size) + fee * PPM, -p.fixed, PPT)
    if p.fee_base == AT_BANKRUPTCY and p.fee_ppm:
        line.constant += fee_at_bankruptcy(p, c)


cdef inline Wide smallest(Wide a, Wide b) noexcept nogil:
    return a if a < b else b


cdef inline int64_t scaled_down(Wide room, int64_t scale, int64_t by) noexcept nogil:
    """floor(room * scale / by), room >= 0, by > 0; 64 bits where they are enough."""
    if room < PLAIN or (scale == PPM and room < PLAIN * PPM):
        return <int64_t>room * scale / by
    return <int64_t>(room * <Wide>scale / by)


cdef inline int32_t row_gaining(const Line* line, Wide target) noexcept nogil:
    """The last row whose floor has floor - need < target; -1 where there is none."""
    cdef int32_t k, found
    cdef int64_t edge
    if line.jumps or target > CASH_MAX * 4:
        k = line.count - 1
        while k >= 0 and <Wide>line.low[k] >= target:
            k -= 1
        return k
    edge = <int64_t>target if target > -CASH_MAX * 4 else -CASH_MAX * 4
    found = -1
    for k in range(line.count):     # No branch to guess wrong: they rise from row to row.
        found += line.low[k] < edge
    return found


cdef inline int32_t row_losing(const Line* line, Wide target) noexcept nogil:
    """The last row whose floor has floor + need <= target; 0 where there is none."""
    cdef int32_t k
    cdef int32_t found = 0
    cdef int64_t edge = <int64_t>target if target < CASH_MAX * 4 else CASH_MAX * 4
    for k in range(1, line.count):
        found += line.high[k] <= edge
    return found


cdef inline int64_t last_unsafe(const Line* line, int32_t k, Wide target) noexcept nogil:
    """The greatest value of row k with value - need < target; below its floor where there is none.

    value - ceil(value r) = floor(value (1 - r)) < T just where value < T / (1 - r). Values stop at
    2^62, four times the bound of a market.
    """
    cdef Wide room = target - <Wide>line.rows[k].amount
    cdef int64_t keep = line.scale - line.rows[k].maintenance_ppm
    cdef int64_t value = CASH_MAX * 4
    if room <= 0:
        return -1
    if keep > 0:
        if room < PLAIN or (line.scale == PPM and room < PLAIN * PPM):
            value = (<int64_t>room * line.scale - 1) / keep
        else:
            value = <int64_t>smallest((room * <Wide>line.scale - 1) / keep, value)
    if k + 1 < line.count and value >= line.rows[k + 1].floor:
        value = line.rows[k + 1].floor - 1
    return value


cdef inline int64_t first_unsafe(const Line* line, int32_t k, Wide target) noexcept nogil:
    """The least value of row k or its end with value + need > target."""
    cdef Wide room = target + <Wide>line.rows[k].amount
    cdef int64_t value
    if room < 0:
        return 0
    value = scaled_down(room, line.scale, line.scale + line.rows[k].maintenance_ppm) + 1
    if k + 1 < line.count and value > line.rows[k + 1].floor:
        value = line.rows[k + 1].floor
    return value


cdef inline Tick clamped(Wide price) noexcept nogil:
    return TICK_MAX if price > TICK_MAX else <Tick>price


cdef inline Tick trigger_losing(const Plan* p, const Line* line, Lot size,
                                Wide target) noexcept nogil:
    """The trigger where value counts against the holder: a linear short, an inverse long."""
    cdef int64_t value = first_unsafe(line, row_losing(line, target), target)
    cdef int64_t unit = absolute(size) * p.multiplier
    cdef Tick price
    if p.contract == LINEAR:
        price = value / unit + (1 if value % unit else 0)
        return 0 if price > TICK_MAX else larger(price, 1)
    # ceil(unit / price) >= value just where price < unit / (value - 1).
    return TICK_MAX if value <= 1 else clamped((unit - 1) / (value - 1))


cdef inline Tick trigger_gaining(const Plan* p, const Line* line, Lot size,
                                 Wide target) noexcept nogil:
    """The trigger where value counts for the holder: a linear long, an inverse short.

    Where the requirement jumps, a row may hold no unsafe tick of its own: the next is asked.
    """
    cdef int64_t unit = absolute(size) * p.multiplier
    cdef int32_t k = row_gaining(line, target)
    cdef int64_t value
    cdef Tick price
    while k >= 0:
        value = last_unsafe(line, k, target)
        if value >= 0:
            if p.contract == LINEAR:
                price = clamped(value / unit)
                if price and (not line.jumps or price * <Wide>unit >= line.rows[k].floor):
                    return price
            else:
                price = unit / (value + 1) + 1
                if price > TICK_MAX:
                    return 0
                if not line.jumps or unit / price >= line.rows[k].floor:
                    return price
        if not line.jumps:
            return 0
        k -= 1
        while k >= 0 and <Wide>line.low[k] >= target:
            k -= 1
    return 0


cdef inline Tick trigger_tick(const Plan* p, const Claim* c) noexcept nogil:
    """The tick nearest to safety at which the position is liquidatable, 0 where there is none.

    Long: the highest such tick; short: the lowest. The other legs stand. SEMANTICS §3.
    """
    cdef Line line
    cdef Wide base
    cdef int64_t floor = 0 if p.strict else 1
    if c.size == 0:
        return 0
    line_of(p, c, &line)
    base = <Wide>c.money - <Wide>c.asked - <Wide>c.cost - <Wide>line.constant
    if value_sign(p, c.size) > 0:
        return trigger_gaining(p, &line, c.size, floor - base)
    return trigger_losing(p, &line, c.size, base - floor)


cdef inline Ratio crossing(const Plan* p, const Claim* c) noexcept nogil:
    """The price where equity equals maintenance, in ticks, a fraction: the requirement unrounded.

    Amounts taken at entry or bankruptcy are whole already. top <= 0: below every price;
    bottom <= 0: above every price.
    """
    cdef Line line
    cdef Ratio value
    cdef Ratio price
    cdef Wide base, unit
    cdef int32_t k
    line_of(p, c, &line)
    base = <Wide>c.money - <Wide>c.asked - <Wide>c.cost - <Wide>line.constant
    unit = <Wide>absolute(c.size) * <Wide>p.multiplier
    if value_sign(p, c.size) > 0:
        k = row_gaining(&line, -base)
        k = 0 if k < 0 else k
        value.top = (-base - <Wide>line.rows[k].amount) * <Wide>line.scale
        value.bottom = line.scale - line.rows[k].maintenance_ppm
    else:
        k = row_losing(&line, base)
        value.top = (base + <Wide>line.rows[k].amount) * <Wide>line.scale
        value.bottom = line.scale + line.rows[k].maintenance_ppm
        if k + 1 < line.count and value.top > <Wide>line.rows[k + 1].floor * value.bottom:
            value.top = line.rows[k + 1].floor     # In the jump between two rows.
            value.bottom = 1
    if p.contract == LINEAR:
        price.top = value.top
        price.bottom = value.bottom * unit
    else:
        price.top = value.bottom * unit
        price.bottom = value.top
    return price


cdef inline int64_t rounded(Ratio r, int64_t digits, bint up) noexcept nogil:
    """A fraction of ticks with so many decimals, as a whole number; digit by digit, so it fits."""
    cdef Wide whole, rest
    cdef int64_t quick, left, by
    cdef int64_t i
    if 0 <= r.top < CASH_MAX * 4 and r.bottom < CASH_MAX / 2:
        by = <int64_t>r.bottom
        quick = <int64_t>r.top / by
        left = <int64_t>r.top % by
        for i in range(digits):
            left = left * 10
            quick = quick * 10 + left / by
            left = left % by
        return quick + (1 if up and left else 0)
    whole = r.top / r.bottom
    rest = r.top % r.bottom
    if rest < 0:
        whole = whole - 1
        rest = rest + r.bottom
    for i in range(digits):
        rest = rest * 10
        whole = whole * 10 + rest / r.bottom
        rest = rest % r.bottom
    return <int64_t>whole + (1 if up and rest > 0 else 0)


cdef inline bint beyond(Ratio r) noexcept nogil:
    """Whether a fraction with a positive bottom lies above the greatest tick."""
    cdef Wide whole
    if r.bottom < CASH_MAX * 4 and r.top < r.bottom * (TICK_MAX / 2):
        return False
    whole = r.top / r.bottom
    return whole > TICK_MAX or (whole == TICK_MAX and r.top % r.bottom > 0)


cdef inline int64_t power_of_ten(int64_t digits) noexcept nogil:
    cdef int64_t i
    cdef int64_t power = 1
    for i in range(digits):
        power *= 10
    return power


cdef inline int64_t liquidation_price_of(const Plan* p, const Claim* c, int64_t digits,
                                         int64_t power) noexcept nogil:
    """`crossing` toward safety on the grid: up for a long, down for a short; 0 for no price.

    A position that is liquidatable at every price answers with the end of the range.
    """
    cdef Ratio r
    cdef int64_t price
    if c.size == 0:
        return 0
    r = crossing(p, c)
    if r.bottom <= 0 or beyond(r):
        # Above every price. A value that can never be reached has its bottom (1 - rate) at most 0.
        return TICK_MAX * power if c.size > 0 else 0
    if r.top <= 0:
        return 0 if c.size > 0 else power
    price = rounded(r, digits, c.size > 0)
    return price if c.size > 0 else larger(price, 1)


cdef class Schedule:
    cdef Plan plan
    cdef readonly str kind
    cdef readonly str by

    cdef int _read_rows(self, list rows, str kind) except -1
    cdef int _keep_rows(self, list made) except -1
    cdef int _read_numbers(self, str kind, dict numbers) except -1
