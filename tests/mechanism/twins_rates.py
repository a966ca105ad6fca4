"""Surcharges in Python, written from spec/MECHANISMS.md §0, §10, §12, not from the engine.

Volatility is in fractions of the price, rates in fractions of the value; what is asked is in ppm.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from ordercascade.mechanisms.plugins import Nearby, View

PPM, PPB = 10**6, 10**9
HOUR, DAY = 3600 * PPB, 86_400 * PPB


@dataclass
class Moving:
    """A rate that follows sigma, the EWMA of returns between grid times, from one to the next.

    `rate(variance)` is wanted, in ppm, for a variance in ppb^2 a sample; `base` is asked anyway.
    """

    rate: Callable[[int], int]
    base: int
    sample: int
    decay: Fraction
    variance: int = 0
    step: int = 0  # ppm an hour; 0: no limit
    period: int | None = None
    sampled: int = 0
    seen: int = 0
    now: int = 0

    def state(self) -> bytes:
        told = (self.variance, self.period, self.sampled, self.seen, self.now)
        return repr(told).encode()

    def addon(self, market: int, view: View, nearby: Nearby, time_ns: int) -> int:
        if self.period is None:
            self.period, self.sampled = time_ns // self.sample, view.mark
            self.now = self.rate(self.variance)
        else:
            for period in range(self.period, time_ns // self.sample):
                self.pass_by(period)
        self.seen = view.mark
        return self.now - self.base

    def pass_by(self, period: int) -> None:
        """One grid time: a sample is the mark as the latest round before it took it."""
        moved = abs(Fraction(self.seen - self.sampled, self.sampled))
        r = min(PPB, math.floor(moved * PPB))
        self.variance = math.floor(self.decay * self.variance + (1 - self.decay) * r * r)
        self.sampled, self.period = self.seen, period + 1
        wanted = self.rate(self.variance)
        hours = [self.step * at * self.sample // HOUR for at in (period, period + 1)]
        most = hours[1] - hours[0] if self.step else PPM
        self.now = max(self.now - most, min(self.now + most, wanted))


def sigma(variance: int, span: int, sample: int) -> int:
    """The standard deviation over a span, ppb, rounded down."""
    return math.isqrt(variance * span // sample)


@dataclass
class Margin:
    """clip(k sigma sqrt(MPOR), floor, cap), with the measures against procyclicality of §10."""

    k: Fraction
    mpor: int
    sample: int
    base: int
    cap: int
    floor: int = 0
    buffer: Fraction = Fraction(0)
    stressed: int = 0
    weight: Fraction = Fraction(0)

    def __call__(self, variance: int) -> int:
        raw = min(PPM, math.ceil(self.k * sigma(variance, self.mpor, self.sample) / 1000))
        rate = max(raw, min(math.ceil(raw * (1 + self.buffer)), self.stressed))
        rate = math.ceil(rate * (1 - self.weight) + self.stressed * self.weight)
        return max(self.base, self.floor, min(rate, self.cap))


@dataclass
class Fee:
    """f0 + slope max(0, sigma / reference - 1), at most the cap; sigma of a day."""

    base: int
    slope: int
    cap: int
    reference: int
    sample: int

    def __call__(self, variance: int) -> int:
        beyond = Fraction(sigma(variance, DAY, self.sample), self.reference) - 1
        return min(self.cap, self.base + math.ceil(self.slope * max(Fraction(0), beyond)))


@dataclass
class Crowded:
    """weight reach L / (D - L), at most the cap, of the worse side; looked at now and then."""

    reach: int
    cap: int
    every: int
    weight: Fraction = Fraction(1)
    looked: int = -1
    now: int = 0

    def state(self) -> bytes:
        return repr(self).encode()

    def addon(self, market: int, view: View, nearby: Nearby, time_ns: int) -> int:
        if time_ns // self.every != self.looked:
            self.looked, self.now = time_ns // self.every, 0
            for lots, depth in ((nearby.longs, nearby.bids), (nearby.shorts, nearby.asks)):
                if lots and self.weight:
                    left = depth - lots
                    asked = self.cap if left <= 0 else self.weight * self.reach * lots / left
                    self.now = max(self.now, min(self.cap, math.ceil(asked)))
        return self.now
