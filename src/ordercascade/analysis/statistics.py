"""Confidence intervals of means, and of paired differences, over seeds."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

import numpy as np

from ordercascade.analysis.state import Floats

Method: TypeAlias = Literal["t", "bootstrap"]
Interval: TypeAlias = tuple[float, float, float]  # mean, low, high

RESAMPLES = 2_000
NOTHING: Interval = (math.nan, math.nan, math.nan)


def interval(values: Floats, confidence: float, method: Method) -> Interval:
    """Return mean, low and high of a sample; values that are not there (nan) are left out.

    `t`: mean plus and minus t s / sqrt(n). `bootstrap`: percentiles of the means of 2,000
    resamples, drawn from seed 0. One value has no interval: nan.
    """
    known = values[np.isfinite(values)]
    if not len(known):
        return NOTHING
    mean = float(known.mean())
    if len(known) < 2:
        return mean, math.nan, math.nan
    if method == "t":
        half = t_quantile(confidence, len(known) - 1) * float(known.std(ddof=1))
        half /= math.sqrt(len(known))
        return mean, mean - half, mean + half
    draws = np.random.default_rng(0).integers(0, len(known), (RESAMPLES, len(known)))
    tail = (1 - confidence) / 2
    low, high = np.quantile(known[draws].mean(axis=1), [tail, 1 - tail])
    return mean, float(low), float(high)


def t_quantile(confidence: float, freedom: int) -> float:
    """Return t with P(|T| <= t) = confidence, by halving of the exact distribution function."""
    low, high = 0.0, 1.0
    while t_within(high, freedom) < confidence:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if t_within(middle, freedom) < confidence else (low, middle)
    return high


def t_within(t: float, freedom: int) -> float:
    """Return P(|T| <= t) of Student's t, a finite sum for whole degrees of freedom.

    Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4.
    """
    angle = math.atan(t / math.sqrt(freedom))
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = freedom % 2
    term, total = cosine if odd else 1.0, 0.0
    for k in range(1 + odd, freedom, 2):
        total += term
        term *= cosine**2 * k / (k + 1)
    if odd:
        return 2 / math.pi * (angle + sine * total)
    return sine * total
