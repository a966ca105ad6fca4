"""What a late price may cost: a scope is liquidated at the price of some time ago.

spec/MECHANISMS.md §8. The price is a geometric walk, with jumps where asked for: diffusion alone
hardly moves within the seconds that an oracle is late, a jump does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ordercascade.errors import InputError

YEAR_S = 365 * 86_400
_JUMPS_LEAST = 1e-12  # of the probability: so much of the tail of jumps may be left out


@dataclass(frozen=True)
class GapRisk:
    """`breach`: probability that the buffer is lost; `shortfall`: mean loss beyond it, as a share
    of the position's value at the price that was told."""

    breach: float
    shortfall: float


def gap_risk(
    volatility: float,
    delay_s: float,
    buffer: float,
    *,
    jump: float = 0.0,
    jumps_per_year: float = 0.0,
) -> GapRisk:
    """Return what a `delay_s` seconds late price means for a long with `buffer` of its value left.

    `volatility` is a year's (365 days), as a share; `jump` the share by which a price changes when
    one of `jumps_per_year` Poisson jumps comes (-0.1: it falls by a tenth). With
    r = sigma sqrt(delay) Z + n ln(1 + jump) the buffer b is lost where e^r < 1 - b: without jumps
    with probability N(ln(1 - b) / (sigma sqrt(delay))), and E[(1 - b - e^r)+] is what is missing.
    For a short, mirror the price. InputError for what is no such number. spec/MECHANISMS.md §8.

    >>> round(gap_risk(0.8, 3600, 0.005).breach, 3), round(gap_risk(0.8, 3600, 0.01).breach, 3)
    (0.279, 0.12)
    """
    _judge("volatility", volatility, 0, math.inf, "must be a finite number of 0 or more")
    _judge("delay_s", delay_s, 0, math.inf, "must be a finite number of seconds, 0 or more")
    _judge("buffer", buffer, 0, 1, "must be a share of 0 or more and below 1")
    _judge("jumps_per_year", jumps_per_year, 0, math.inf, "must be a finite number of 0 or more")
    _judge("jump", jump, -1, math.inf, "must be a finite share above -1", open_low=True)
    spread = volatility * math.sqrt(delay_s / YEAR_S)
    expected = jumps_per_year * delay_s / YEAR_S
    _judge("jumps_per_year", expected, 0, 700, "must come less than 700 times within delay_s")
    breach = shortfall = 0.0
    weight, left, count = math.exp(-expected), 1.0, 0
    while left > _JUMPS_LEAST or count <= expected:
        lost, missing = _walked(spread, math.log1p(jump) * count, buffer)
        breach += weight * lost
        shortfall += weight * missing
        left -= weight
        count += 1
        weight *= expected / count
    return GapRisk(breach, shortfall)


def _walked(spread: float, drift: float, buffer: float) -> tuple[float, float]:
    """Return P(e^r < 1 - b) and E[(1 - b - e^r)+] of r ~ N(drift, spread^2)."""
    kept = 1 - buffer
    if spread == 0:
        missing = max(0.0, kept - math.exp(drift))
        return float(missing > 0), missing
    distance = (math.log(kept) - drift) / spread
    lost = _normal(distance)
    mean = math.exp(drift + spread * spread / 2) * _normal(distance - spread)
    return lost, max(0.0, kept * lost - mean)


def _normal(x: float) -> float:
    """Return the share of a standard normal distribution below x."""
    return math.erfc(-x / math.sqrt(2)) / 2


def _judge(
    name: str, value: object, low: float, high: float, rule: str, *, open_low: bool = False
) -> None:
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    fits = low <= number < high and not (open_low and number == low)
    if not fits:
        raise InputError(name, value, rule)
