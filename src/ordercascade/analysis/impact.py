"""How far selling moves a price: the laws behind I', and the factor that tranches take off it.

A law answers `slope(desk, way, window, lots)`: ticks a lot moves the price, in the mean over a
sale of `lots` out of a book that is looked at `window` ticks deep. spec/MECHANISMS.md §0, §4.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ordercascade.analysis.state import DOWN, Desk
from ordercascade.checks import whole
from ordercascade.errors import InputError


class Impact(Protocol):
    """A law of impact."""

    def slope(self, desk: Desk, way: int, window: int, lots: float) -> float:
        """Return ticks per lot; infinity where nothing rests."""


@dataclass(frozen=True)
class BookImpact:
    """The book as it stands: window / lots resting within `window` ticks of the best price."""

    def slope(self, desk: Desk, way: int, window: int, lots: float) -> float:
        """Return window / depth: the mean of 1 / k over the window, k lots a tick."""
        resting = depth(desk, way, window)
        return window / resting if resting else math.inf


@dataclass(frozen=True)
class LinearImpact:
    """A book of constant depth: `depth` units of the base per unit of price, the k of T1."""

    depth: float

    def __post_init__(self) -> None:
        _above_zero("depth", self.depth)

    def slope(self, desk: Desk, way: int, window: int, lots: float) -> float:
        """Return 1 / k in ticks per lot: I' = 1 / k, whatever is sold."""
        return desk.lot / (self.depth * desk.tick)


@dataclass(frozen=True)
class SquareRootImpact:
    """I(Q) = Y sigma sqrt(Q / V), as a share of the price; its secant I(Q) / Q falls as Q^(-1/2).

    `volume` V is the day's volume and Q what is sold, both in units of the base; `sigma` the day's
    volatility as a share; `factor` Y, 0.5 to 1 by experience. spec/MECHANISMS.md §0, §14.
    """

    sigma: float
    volume: float
    factor: float = 1.0

    def __post_init__(self) -> None:
        for name in ("sigma", "volume", "factor"):
            _above_zero(name, getattr(self, name))

    def impact(self, size: float) -> float:
        """Return I(Q) as a share of the price."""
        return self.factor * self.sigma * math.sqrt(size / self.volume)

    def slope(self, desk: Desk, way: int, window: int, lots: float) -> float:
        """Return the secant I(Q) / Q in ticks per lot; of nothing sold, of a single lot."""
        asked = max(lots, 1.0)
        return desk.mark * self.impact(asked * desk.lot) / asked


BOOK = BookImpact()


def depth(desk: Desk, way: int, window: int) -> int:
    """Return the lots that rest within `window` ticks of the best price on the side eaten."""
    price, lots = desk.rests(way)
    if not len(price):
        return 0
    best = int(price[0])
    near = price > best - window if way == DOWN else price < best + window
    return int(lots[near].sum())


def tranche_factor(
    count: int, every_s: float = 0.0, *, permanent: float = 1.0, half_life_s: float | None = None
) -> float:
    """Return g, what `count` equal tranches `every_s` apart leave of the peak impact of one order.

    g = phi + (1 - phi) (1 - a^n) / (n (1 - a)), a = exp(-rho tau): phi the `permanent` share of
    impact, rho = ln 2 / `half_life_s` the book's recovery; R in tranches is g R. Without a half
    life nothing recovers and g is 1. spec/MECHANISMS.md §4.

    >>> round(tranche_factor(5, 30, permanent=0.3, half_life_s=20), 3)
    0.515
    """
    count = whole("count", count, 1, 2**31)
    if not 0 <= permanent <= 1:
        raise InputError("permanent", permanent, "must be a share in [0, 1]")
    if not (every_s >= 0 and math.isfinite(every_s)):
        raise InputError("every_s", every_s, "must be 0 or more seconds")
    if half_life_s is None:
        return 1.0
    _above_zero("half_life_s", half_life_s)
    a = math.exp(-math.log(2) / half_life_s * every_s)
    mean = 1.0 if a == 1.0 else (1 - a**count) / (count * (1 - a))
    return permanent + (1 - permanent) * mean


def slices_factor(
    shares: Sequence[float],
    every_s: float = 0.0,
    *,
    permanent: float = 1.0,
    half_life_s: float | None = None,
) -> float:
    """Return g of slices of unequal `shares` (w_0, w_1, ..., together 1) `every_s` apart.

    A slice w_i, by slice k, still presses with w_i (phi + (1 - phi) a^(k - i)): its permanent
    part, and what the book has not recovered of the rest. All of them together press with
    g_k = phi (w_0 + ... + w_k) + (1 - phi) h_k, h_k = a h_(k-1) + w_k; g is the largest. With
    w_i = 1/n that is the last, h = (1 - a^n) / (n (1 - a)): tranche_factor. spec/MECHANISMS.md §4.
    """
    if not shares or min(shares) < 0 or abs(sum(shares) - 1) > 1e-6:
        raise InputError("shares", list(shares), "must be 0 or more each, and 1 together")
    # The checks of the numbers that both have; one slice leaves all of the impact.
    tranche_factor(len(shares), every_s, permanent=permanent, half_life_s=half_life_s)
    a = 1.0 if half_life_s is None else math.exp(-math.log(2) / half_life_s * every_s)
    sold = fresh = peak = 0.0
    for share in shares:
        sold += share
        fresh = a * fresh + share
        peak = max(peak, permanent * sold + (1 - permanent) * fresh)
    return min(1.0, peak)


def _above_zero(name: str, value: object) -> None:
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    if not (number > 0 and math.isfinite(number)):
        raise InputError(name, value, "must be a finite number above 0")
