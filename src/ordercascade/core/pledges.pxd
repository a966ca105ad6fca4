# Other assets as margin: what an amount of one adds to the equity of the scope it backs. ADR 18.
#
# Nothing here has state. An amount becomes units * ppm after its haircut, then what that is of its
# source, then money: each floored, against whoever is credited. MECHANISMS §14, §15; ADR 18, 29.
from libc.stdint cimport int8_t, int32_t, int64_t
from ordercascade.core.units cimport CASH_MAX, Cash, PPM, Ppm, Tick, TICK_MAX, Wide, smaller

cdef enum:                  # CollateralSource
    FROM_RATE = 0
    FROM_MARK = 1
    FROM_INDEX = 2

cdef enum:
    HAIRCUT_TIERS = 8
    PEG_MOST = 4_000_000    # ppm

cdef extern from *:
    """
    #define OC_WORTH_MOST ((int64_t)1 << 44)    /* price * multiplier: all sums stay in 128 bits */
    """
    const int64_t WORTH_MOST "OC_WORTH_MOST"

ctypedef struct HaircutTier:    # of what lies above `floor`, units of the asset
    Cash floor
    Ppm haircut_ppm

ctypedef struct Pledge:     # what one asset of a venue is worth as margin; on = 0: nothing
    int8_t on
    int8_t source           # where its price comes from
    int8_t follows          # 1: a rate, moved by `beta` of what the source has moved since `anchor`
    int32_t backs           # settlement asset of the scopes it counts for
    int32_t market          # of the source; NIL for a rate
    int32_t spot            # market whose book it is sold into; NIL: at its price
    int64_t multiplier      # units of `backs` per tick of the price ...
    int64_t per             # ... and so many units of this asset
    int32_t tier_count
    HaircutTier tiers[8]
    int64_t impact_ppm      # Y sigma: share of the price that selling a whole `volume` costs
    Cash volume             # units traded a day; 0: no impact
    Ppm addon_ppm           # further haircut for each `traded` above `addon_from`; 0: none
    Cash addon_from         # units
    Cash traded             # units a day
    Cash counts             # more counts as this much: from here on the addon takes what is added
    Ppm floor_ppm           # a haircut is never less
    Ppm discount_ppm        # of what a conversion brings
    Ppm beta_ppm            # of the source's moves ...
    Ppm stress_beta_ppm     # ... and where that has fallen ...
    Ppm stress_ppm          # ... by this share or more; in a line between. 0: beta everywhere
    Tick anchor             # the source at the opening; 0 before it
    Tick price              # FROM_RATE, or follows: the rate now ...
    Ppm peg_ppm             # ... and what the asset is worth of its source
    Tick stood              # both as they stand in this round
    Ppm stood_ppm


cdef inline Ppm pledge_impact(const Pledge* p, Cash amount) noexcept nogil:
    """ceil(10**6 Y sigma sqrt(Q / V)), at most 10**6: what selling it all at once would cost."""
    cdef Wide square
    cdef int64_t root, bit
    if p.volume == 0 or p.impact_ppm == 0:
        return 0
    square = <Wide>p.impact_ppm * <Wide>p.impact_ppm * <Wide>amount
    square = square / p.volume + (1 if square % p.volume else 0)
    if square >= <Wide>PPM * PPM:
        return PPM
    root = 0
    bit = 1 << 20
    while bit:
        if <Wide>(root + bit) * (root + bit) < square:
            root += bit
        bit >>= 1
    return root + 1 if square > 0 else 0


cdef inline Wide pledge_addon(const Pledge* p, Cash amount) noexcept nogil:
    """Units times ppm that concentration takes of an amount Q: Q addon max(0, Q - from) / traded,
    rounded up. `counts` keeps the rate at 10**6 or less, and with it all of this in 128 bits."""
    cdef Wide rate
    cdef Wide rest
    if p.addon_ppm == 0 or amount <= p.addon_from:
        return 0
    rate = <Wide>p.addon_ppm * (amount - p.addon_from)
    rest = rate % p.traded
    return <Wide>amount * (rate / p.traded) + (<Wide>amount * rest + p.traded - 1) / p.traded


cdef inline Wide pledge_weighted(const Pledge* p, Cash amount) noexcept nogil:
    """Units times ppm that a haircut leaves of an amount: tier by tier, less what concentration
    takes, then its impact."""
    cdef Cash top = amount if amount < p.counts else p.counts
    cdef Wide left = -pledge_addon(p, top)
    cdef Wide most = <Wide>amount * (PPM - p.floor_ppm)
    cdef int32_t i = p.tier_count - 1
    while i >= 0:
        if top > p.tiers[i].floor:
            left = left + <Wide>(top - p.tiers[i].floor) * (PPM - p.tiers[i].haircut_ppm)
            top = p.tiers[i].floor
        i -= 1
    left = left * (PPM - pledge_impact(p, amount)) / PPM
    return left if left < most else most


cdef inline Tick pledge_followed(const Pledge* p, Tick rate, Tick now) noexcept nogil:
    """max(0, 1 + beta (now / anchor - 1)) of a rate, rounded down: a tick of the rate's grid.

    In a fall d = 1 - now / anchor beta is min(1, d / stress) of the way to stress_beta, rounded up
    to the ppm. spec/MECHANISMS.md §15; ADR 29. At most 2**44 units of money, as any price."""
    cdef Ppm beta = p.beta_ppm
    cdef Tick fall = p.anchor - now
    cdef Wide whole = <Wide>p.anchor * PPM
    cdef Wide full = <Wide>p.anchor * p.stress_ppm
    cdef Wide left
    if p.anchor == 0:
        return rate
    if fall > 0 and full > 0:
        left = <Wide>fall * PPM
        beta = p.stress_beta_ppm if left >= full else beta + <Ppm>(
            (left * (p.stress_beta_ppm - beta) + full - 1) / full)
    left = whole - <Wide>beta * fall
    if left <= 0:
        return 0
    left = rate * left / whole
    return <Tick>smaller(TICK_MAX, WORTH_MOST / p.multiplier) if left > TICK_MAX else <Tick>smaller(
        <Cash>left, WORTH_MOST / p.multiplier)


cdef inline Tick pledge_seen(const Pledge* p, Tick mark) noexcept nogil:
    """The price of a collateral at a mark, were that the one that stands."""
    return pledge_followed(p, p.stood, mark) if p.follows else mark


cdef inline Cash pledge_worth(const Pledge* p, Wide weighted, Tick price,
                              Ppm peg_ppm) noexcept nogil:
    """What so many units * ppm are worth, rounded down; 2**60 at most."""
    cdef Wide worth = weighted * peg_ppm / PPM
    worth = worth * <Wide>(price * p.multiplier) / (<Wide>p.per * PPM)
    return CASH_MAX if worth > CASH_MAX else <Cash>worth


cdef inline Cash pledge_sold(const Pledge* p, Cash amount, Tick price, Ppm peg_ppm) noexcept nogil:
    """What a conversion brings: no haircut, but its discount."""
    return pledge_worth(p, <Wide>amount * (PPM - p.discount_ppm), price, peg_ppm)
