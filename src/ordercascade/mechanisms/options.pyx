"""Black–Scholes prices, asked by people. The engine's own use of them: options.pxd."""

from ordercascade.core.real cimport normal_below

from ordercascade.checks import member
from ordercascade.duties import OptionKind
from ordercascade.errors import InputError


def normal(double z):
    """The standard normal distribution function, within 1e-15 of the truth.

    >>> round(normal(1.96), 4)
    0.975
    """
    return normal_below(z)


def option_value(kind, *, double spot, strike, seconds, volatility_ppm, rate_ppm=0):
    """The Black–Scholes price of an option, in the unit of `spot`, a 365-day year.

    `strike` is whole, in the unit of `spot`; `seconds` are left (0: what exercising is worth).

    >>> round(option_value(1, spot=100.0, strike=100, seconds=31_536_000,
    ...                    volatility_ppm=200_000), 4)
    7.9656
    """
    cdef Terms t
    if not 0.0 < spot < 1e15:
        raise InputError("spot", spot, "must be above 0 and below 10**15")
    if strike < 1 or seconds < 0 or volatility_ppm < 0:
        raise InputError("strike", strike, "must be above 0, seconds and volatility at least 0")
    t.kind = member("kind", OptionKind, kind)
    t.coin = 0
    t.per = t.of = 1
    t.strike, t.rate_ppm = strike, rate_ppm
    return option_worth(&t, spot, <int64_t>(seconds * 10**9), volatility_ppm)
