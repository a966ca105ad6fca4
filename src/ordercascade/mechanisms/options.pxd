# Options as numbers: Black–Scholes prices and shocked volatilities. Whole numbers in and out.
#
# A price is that of Black and Scholes (1973) on the mark S of the underlying market:
#   call = S N(d1) - K e^(-rT) N(d2),  put = K e^(-rT) N(-d2) - S N(-d1),
#   d1 = (ln(S/K) + (r + v^2/2) T) / (v sqrt T),  d2 = d1 - v sqrt T,
# with T in years of 365 days; without time or volatility it is what exercising is worth. Doubles
# live inside these functions only: the engine keeps strikes in ticks, times in ns, rates in ppm.
from libc.math cimport sqrt
from libc.stdint cimport int64_t
from ordercascade.core.real cimport normal_below, real_exp, real_log, real_power, to_int
from ordercascade.core.units cimport Ppm, Tick, TimeNs

cdef enum:                  # OptionKind
    CALL = 1
    PUT = 2

cdef extern from *:
    """
    #define OC_YEAR_NS 31536000000000000.0
    #define OC_DAY_NS ((int64_t)86400000000000)
    #define OC_OPTION_MAX ((int64_t)1 << 40)    /* of a scenario; a mark is within price_max */
    /* By a constant, which the compiler multiplies: every scope asks this for every scenario. */
    static inline int64_t oc_moved(int64_t price, int64_t ppm) {
        int64_t twice = 2 * price * ppm + 1000000;
        return twice / 2000000 - (twice % 2000000 < 0);
    }
    """
    Tick moved_by "oc_moved"(Tick price, Ppm move_ppm) noexcept nogil  # in ticks, to the nearest
    const int64_t OPTION_MAX "OC_OPTION_MAX"
    const double YEAR_NS "OC_YEAR_NS"
    const int64_t DAY_NS "OC_DAY_NS"

ctypedef struct Terms:      # of one option; all whole
    int64_t per             # its ticks in `of` ticks of the underlying (coin: in `of` coins)
    int64_t of
    Tick strike             # ticks of the underlying
    Ppm rate_ppm            # interest a year
    int kind                # CALL, PUT
    int coin                # 1: paid in the coin, at the price over S


cdef inline double option_worth(const Terms* t, double spot, TimeNs left,
                                Ppm vol_ppm) noexcept nogil:
    """The price in ticks of the underlying, `left` before the end."""
    cdef double strike = <double>t.strike
    cdef double years = <double>left / YEAR_NS if left > 0 else 0.0
    cdef double rate = <double>t.rate_ppm * 1e-6
    cdef double vol = <double>vol_ppm * 1e-6
    cdef double spread = vol * sqrt(years)
    cdef double d
    strike = strike * real_exp(-rate * years)
    if spread <= 0.0:
        d = spot - strike if t.kind == CALL else strike - spot
        return d if d > 0.0 else 0.0
    d = real_log(spot / strike) / spread + 0.5 * spread
    if t.kind == CALL:
        d = spot * normal_below(d) - strike * normal_below(d - spread)
    else:
        d = strike * normal_below(spread - d) - spot * normal_below(-d)
    return d if d > 0.0 else 0.0


cdef inline Tick option_ticks(const Terms* t, Tick spot, TimeNs left, Ppm vol_ppm) noexcept nogil:
    """The price in the option's own ticks, to the nearest, halves up; 0 where it is worth less."""
    cdef double price = option_worth(t, <double>spot, left, vol_ppm)
    cdef Tick ticks
    if t.coin:
        price = price / <double>spot
    ticks = to_int(price * <double>t.per / <double>t.of + 0.5)
    return ticks if ticks < OPTION_MAX else OPTION_MAX


cdef inline Tick option_price(const Terms* t, Tick spot, TimeNs left, Ppm vol_ppm) noexcept nogil:
    """The same, at least one tick: as a mark."""
    cdef Tick ticks = option_ticks(t, spot, left, vol_ppm)
    return ticks if ticks > 0 else 1


cdef inline Ppm vol_shocked(Ppm vol_ppm, Ppm shift_ppm, Ppm least_ppm, TimeNs left, Ppm short_ppm,
                            Ppm long_ppm) noexcept nogil:
    """v (1 + shift (30 / days)^e), rounded to the ppm, at least `least_ppm`.

    e is `short_ppm` below 30 days, else `long_ppm`; less than a day counts as one.
    spec/MARGIN.md §8 [DE4, DE5].
    """
    cdef double days = <double>left / <double>DAY_NS
    cdef Ppm power = short_ppm if days < 30.0 else long_ppm
    cdef double factor = 1.0
    cdef Ppm made
    if days < 1.0:
        days = 1.0
    if power > 0:
        factor = real_power(30.0 / days, <double>power * 1e-6)
    made = to_int(<double>vol_ppm * (1.0 + <double>shift_ppm * 1e-6 * factor) + 0.5)
    return made if made > least_ppm else least_ppm
