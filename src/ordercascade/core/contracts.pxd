# What lots are worth: the one place that knows how a contract pays. SEMANTICS §1; ADR 12.
#
# Linear: size * price * m, with m units per tick and lot. Inverse: floor(-K * size / price), with K
# units * ticks per lot; it rises toward 0 with the price for a long and falls toward 0 for a short,
# so a long gains where the price rises, as everywhere. `terms` below is m or K. K * size stays
# within 2**60 (a position's value at one tick), so nothing here leaves 64 bits.
from libc.stdint cimport int32_t, int64_t
from ordercascade.core.units cimport (
    Cash, LOT_MAX, Lot, PPM, Ppm, TICK_MAX, Tick, Wide, absolute, div_ceil, div_floor, larger,
    smaller,
)

cdef enum:
    LINEAR = 0
    INVERSE = 1

cdef extern from *:
    """
    /* A limit that a sale never reaches and a purchase always does. */
    #define OC_NO_PRICE ((int64_t)1 << 60)
    """
    const Tick NO_PRICE "OC_NO_PRICE"


cdef inline Cash value_in(int32_t kind, int64_t terms, Lot size, Tick price) noexcept nogil:
    """What so many signed lots are worth; 0 at no price."""
    cdef int64_t top
    if kind == LINEAR:
        return size * price * terms
    if price <= 0:
        return 0
    top = -size * terms
    return top / price - (top % price < 0)


cdef inline Wide value_wide(int32_t kind, int64_t terms, Lot size, Tick price) noexcept nogil:
    """value_in() in 128 bits, for prices beyond a market's range; price > 0 where inverse."""
    cdef Wide top = <Wide>size * <Wide>terms
    cdef Wide value
    if kind == LINEAR:
        return top * <Wide>price
    top = -top
    value = top / price
    return value - 1 if top % price < 0 else value


cdef inline Cash cost_in(int32_t kind, int64_t terms, Lot size, Tick price) noexcept nogil:
    """What a trade adds to the cost of whoever takes so many signed lots; the other side adds its
    negative. Inverse: a buyer subtracts floor(K n / p)."""
    if kind == LINEAR:
        return size * price * terms
    return 0 if price <= 0 else -size * terms / price


cdef inline Cash worth_most(int32_t kind, int64_t terms, Tick price_max) noexcept nogil:
    """The most that a lot can be worth: at the market's highest tick, or inverse at one tick."""
    return terms if kind == INVERSE else price_max * terms


cdef inline Tick price_in(int32_t kind, int64_t terms, Cash cost, Lot size) noexcept nogil:
    """cost / lots as a tick that favours nobody's loss: up for a long's sale, down for a buy.

    The bankruptcy limit of a leg whose exact handing-over cost is `cost`; not clamped. An inverse
    leg that no price would close at this cost has NO_PRICE. SEMANTICS §5.3. size != 0.
    """
    cdef Wide unit = <Wide>absolute(size) * <Wide>terms
    if kind == LINEAR:
        return div_ceil(cost, unit) if size > 0 else div_floor(-<Wide>cost, unit)
    if size > 0:
        return NO_PRICE if cost >= 0 else div_ceil(unit, -<Wide>cost)
    return NO_PRICE if cost <= 0 else div_floor(unit, cost)


cdef inline Lot lots_worth(int32_t kind, int64_t terms, Cash amount, Tick price) noexcept nogil:
    """The most lots that are worth no more than an amount >= 0; 2**40 at most."""
    cdef Wide lots
    if kind == LINEAR:
        return smaller(LOT_MAX, amount / larger(1, price * terms))
    lots = <Wide>amount * <Wide>price / terms
    return LOT_MAX if lots > LOT_MAX else <Lot>lots


cdef inline Tick armed_inverse(Lot size, int64_t terms, Cash value, Cash budget,
                               Ppm rate_max) noexcept nogil:
    """The tick at which an inverse leg alone could have used up its budget of slack.

    Its slope is not constant, but its value is monotone in the price: the budget bounds the value,
    and the value the price. Short (worth `value` > 0, less and less as the price rises): loses what
    its value loses, and its maintenance falls. Long (worth `value` < 0): also climbs in
    maintenance, at most ceil of the rate on what |value| gained plus one, where `rate_max` bounds
    the rate up to 1.25 times |value|. spec/TRIGGERS.md, traps 1 and 2.
    """
    cdef int64_t unit = absolute(size) * terms
    cdef Cash worst
    cdef Wide room
    if size < 0:
        # floor(unit / p) >= worst just where p <= unit / worst.
        worst = value - budget
        return TICK_MAX + 1 if worst <= 0 else smaller(TICK_MAX, unit / worst) + 1
    room = <Wide>larger(0, budget - 2) * PPM / (PPM + rate_max)
    worst = smaller(<Cash>room, -value / 4) - value
    # ceil(unit / p) <= worst just where p >= unit / worst.
    return 0 if worst <= 0 else (unit + worst - 1) / worst - 1
