# Pure margin arithmetic: brackets, maintenance, initial margin, liquidation price.
#
# Nothing here has state. Values run in 128 bits where a price beyond the market's range is tried.
from libc.stdint cimport int32_t, int64_t
from ordercascade.core.records cimport Bracket
from ordercascade.core.units cimport (
    Cash, Lot, PPM, Ppm, TICK_MAX, Tick, Wide, absolute, div_ceil, div_floor, larger, smaller,
)

cdef extern from *:
    """
    #define OC_NARROW ((int64_t)1 << 42)    /* times a rate of at most 10^6 it fits 63 bits */
    #define oc_bits(a) (64 - __builtin_clzll((unsigned long long)(a)))
    static const int64_t OC_ROOTS[3] = {256, 406, 645};
    """
    const int64_t* ROOTS "OC_ROOTS"
    const int64_t NARROW "OC_NARROW"
    int oc_bits(int64_t a) noexcept nogil

cdef enum:
    FIXUP_MAX = 4           # steps of the closed form's fix-up before the search takes over


cdef inline int32_t bracket_of(const Bracket* brackets, int32_t count, Wide value) noexcept nogil:
    """The bracket of a value: the last floor at or below it; the first for smaller values."""
    cdef int32_t i = 0
    while i + 1 < count and <Wide>brackets[i + 1].floor <= value:
        i += 1
    return i


cdef inline Wide maintenance_wide(const Bracket* brackets, int32_t count,
                                  Wide value) noexcept nogil:
    """max(0, ceil(value * rate) - amount) of a non-negative value. SEMANTICS §1."""
    cdef const Bracket* b = brackets + bracket_of(brackets, count, value)
    cdef Wide charge
    if value < <Wide>NARROW:        # Most are: a division of 64 bits is ten times as fast.
        charge = (<int64_t>value * b.maintenance_ppm + PPM - 1) / PPM
    else:
        charge = value * <Wide>b.maintenance_ppm
        charge = charge / PPM + (1 if charge % PPM else 0)
    charge = charge - <Wide>b.amount
    return charge if charge > 0 else 0


cdef inline Cash maintenance_of(const Bracket* brackets, int32_t count, Cash value) noexcept nogil:
    """Maintenance margin of a position of this |value|."""
    return <Cash>maintenance_wide(brackets, count, value)


cdef inline Cash initial_of(const Bracket* brackets, int32_t count, Cash value) noexcept nogil:
    """Initial margin of this |value|: the bracket's rate on all of it, rounded up.

    A surcharge may lift a bracket's rate above 100 %: more than all of it is not asked."""
    cdef Ppm rate = smaller(brackets[bracket_of(brackets, count, value)].initial_ppm, PPM)
    return div_ceil(<Wide>value * <Wide>rate, PPM)


cdef inline Wide slack_at(Wide base, Lot size, int64_t multiplier, const Bracket* brackets,
                          int32_t count, Tick price) noexcept nogil:
    """Equity minus maintenance at a price; `base` is what this leg's price cannot move."""
    cdef Wide value = <Wide>size * <Wide>price * <Wide>multiplier
    if value < 0:
        return base + value - maintenance_wide(brackets, count, -value)
    return base + value - maintenance_wide(brackets, count, value)


cdef inline Tick _search_tick(Wide base, Lot size, int64_t multiplier, const Bracket* brackets,
                              int32_t count, Wide floor) noexcept nogil:
    """The boundary by bisection: 31 evaluations, used where the closed form is off."""
    cdef Tick low = 0
    cdef Tick high = TICK_MAX + 1
    cdef Tick middle
    cdef bint below
    # Long: low is liquidatable (or 0), high is safe. Short: low is safe (or 0), high liquidatable.
    while high - low > 1:
        middle = low + (high - low) / 2
        below = slack_at(base, size, multiplier, brackets, count, middle) < floor
        if below == (size > 0):
            low = middle
        else:
            high = middle
    return low if size > 0 else high


cdef inline Tick _guess_tick(Wide base, Lot size, int64_t multiplier, const Bracket* brackets,
                             int32_t count, Wide floor) noexcept nogil:
    """The boundary by the bracket's straight line; off by a tick or two through rounding."""
    cdef int64_t unit = absolute(size) * multiplier
    cdef int32_t i = count - 1
    cdef Wide edge, room, rate, guess
    cdef bint below
    # Slack rises with the price of a long and falls with that of a short: the crossing lies in
    # the last bracket whose floor is still on the near side.
    while i > 0:
        edge = (<Wide>brackets[i].floor + unit - 1) / unit
        if edge <= TICK_MAX:
            below = slack_at(base, size, multiplier, brackets, count, <Tick>edge) < floor
            if below == (size > 0):
                break
        i -= 1
    rate = brackets[i].maintenance_ppm
    if size > 0:
        room = (floor - base - <Wide>brackets[i].amount) * PPM
        guess = 0 if room <= 0 or rate >= PPM else room / (PPM - rate) / unit
    else:
        room = (base + <Wide>brackets[i].amount - floor) * PPM
        guess = 1 if room <= 0 else room / (PPM + rate) / unit + 1
    if guess > TICK_MAX + 1:
        guess = TICK_MAX + 1
    return <Tick>guess


cdef inline Tick liquidation_tick(Wide base, Lot size, int64_t multiplier, const Bracket* brackets,
                                  int32_t count, bint strict) noexcept nogil:
    """The tick nearest to safety at which the scope is liquidatable, other marks standing.

    Long: the highest such tick, 0 where there is none. Short: the lowest, TICK_MAX + 1 where
    there is none. `base` = collateral + what other legs add - cost of this leg - maintenance of
    other legs. Exact: closed form in the bracket, then fixed up by evaluation. SEMANTICS §3.
    """
    cdef Wide floor = 0 if strict else 1
    cdef Tick price = _guess_tick(base, size, multiplier, brackets, count, floor)
    cdef Tick step = 1 if size > 0 else -1
    cdef int32_t tried = 0
    if size > 0 and price > TICK_MAX:
        price = TICK_MAX
    # Walk to the last liquidatable tick on the way to safety.
    while tried < FIXUP_MAX:
        tried += 1
        if 1 <= price <= TICK_MAX and not (
                slack_at(base, size, multiplier, brackets, count, price) < floor):
            price -= step
        elif 1 <= price + step <= TICK_MAX and (
                slack_at(base, size, multiplier, brackets, count, price + step) < floor):
            price += step
        else:
            return price
    return _search_tick(base, size, multiplier, brackets, count, floor)


cdef inline int64_t share_weight(Cash value) noexcept nogil:
    """value ** (2/3) to a few per cent, scaled: how the slack of a cross scope is shared.

    The weights only have to be positive and the same everywhere; that shares go with value ** (2/3)
    keeps re-arming rare (spec/TRIGGERS.md). value = 2**(3q + r) m with 1 <= m < 2: the power of the
    first part is exact, of m it is m**(2/3) by a straight line, 1 + 0.587 (m - 1).
    """
    cdef int64_t v = absolute(value) + 1
    cdef int64_t log = oc_bits(v) - 1
    cdef int64_t part = (v << 8 >> log) if log < 54 else v >> (log - 8)     # 256 m
    cdef int64_t weight = 256 + (part - 256) * 587 / 1000
    # 2 ** (2/3 rest), times 256: of a table, for no branch foresees the rest.
    weight = weight * ROOTS[log % 3] >> 8
    return weight << (log / 3 * 2)


cdef inline Cash share_of(Cash slack, int64_t weight, int64_t weights) noexcept nogil:
    """slack * weight / weights, rounded down; all at least 0, weights above 0."""
    cdef int shift = 0
    if slack < NARROW:
        if weights >= NARROW >> 21:
            shift = oc_bits(weights) - 21
        # Rounding the sum up and the part down keeps the shares within the whole.
        return slack * (weight >> shift) / ((weights >> shift) + 1)
    return div_floor(<Wide>slack * <Wide>weight, weights)


cdef inline Tick armed_tick(Lot size, int64_t multiplier, Tick mark, Cash budget,
                            Ppm rate_max) noexcept nogil:
    """The tick at which this leg alone could have used up its budget of slack.

    Long: loses at most |size| m a tick. Short: also climbs in maintenance, at most ceil of the
    rate on what it gained plus one; `rate_max` bounds the rate up to 1.25 times the value, so the
    distance is capped at a quarter of the mark. spec/TRIGGERS.md, traps 1 and 2.
    """
    cdef int64_t unit = absolute(size) * multiplier
    cdef int64_t room
    if size > 0:
        room = budget / unit
        return 0 if room >= mark else mark - room - 1
    room = larger(0, budget - 2)
    if room < NARROW:
        room = room * PPM / (PPM + rate_max) / unit
    else:
        room = <int64_t>(<Wide>room * PPM / (PPM + rate_max) / unit)
    return mark + smaller(room, mark / 4) + 1
