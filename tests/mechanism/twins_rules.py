"""Breakers, policies and ranks in Python, written from spec/MECHANISMS.md §4, §4a, §6, §9.

Nothing here is taken from the engine: means are fractions, tables are worked out in every call.
A Python breaker can neither speak to everybody nor say how what waits is let go.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from mechanism.twins_prices import Twap, nearest
from ordercascade.enums import BreakerAction
from ordercascade.mechanisms.plugins import Risk, Rival, View

Verdict = tuple[int, int, int, int] | None
Intent = tuple[int, int | None, int]


class Told:
    """A plug-in whose memory is what its dataclass says."""

    def state(self) -> bytes:
        return repr(self).encode()


# --- breakers ----------------------------------------------------------------------------------


@dataclass
class Mean:
    """The mean of the marks over a window, to the nearest tick; without one the first mark."""

    window: int
    first: int = 0
    over: Twap | None = None

    def see(self, view: View, now: int) -> int:
        self.first = self.first or view.mark
        if not self.window:
            return self.first
        if self.over is None:
            self.over = Twap(self.window)
        return nearest(self.over.price(view._replace(last=view.mark), now))


@dataclass
class Band(Told):
    """Forced orders trade within reference (1 -+ band)."""

    band: Fraction
    mean: Mean

    def judge(self, market: int, view: View, time_ns: int) -> Verdict:
        base = self.mean.see(view, time_ns)
        low = max(1, math.ceil(base * (1 - self.band)))
        return BreakerAction.HOLD, low, math.floor(base * (1 + self.band)), 0


@dataclass
class Pause(Told):
    """Stop for `length` while `bad(view, now)`; at most `most` after the first of a row."""

    bad: Any
    length: int
    most: int | None = None
    spares: bool = False  # the round after a pause is let go
    until: int = 0
    began: int | None = None

    def judge(self, market: int, view: View, time_ns: int) -> Verdict:
        over = 0 < self.until <= time_ns
        if over:
            self.until = 0
            self.bad.anew()
        bad = self.bad.see(view, time_ns)
        if not self.until and not (over and self.spares):
            if not bad:
                self.began = None
            elif self.began is None or self.most is None or time_ns - self.began < self.most:
                self.until = time_ns + self.length
                self.began = time_ns if self.began is None else self.began
        return (BreakerAction.STOP, 0, 0, self.until) if self.until else None


@dataclass
class Fell:
    """The mark is at or beyond a band around its mean, which starts anew after a halt."""

    band: Fraction
    window: int
    mean: Mean | None = None

    def anew(self) -> None:
        self.mean = None

    def see(self, view: View, now: int) -> bool:
        self.mean = self.mean or Mean(self.window)
        base = self.mean.see(view, now)
        return abs(view.mark - base) >= self.band * base


@dataclass
class Lags:
    """The last trade is that far from the mark."""

    band: Fraction

    def anew(self) -> None:
        """Nothing is remembered."""

    def see(self, view: View, now: int) -> bool:
        return bool(view.last) and abs(view.last - view.mark) >= self.band * view.mark


@dataclass
class Dear:
    """gas (1 + beta queue) is above the most that liquidators pay."""

    gas: int
    beta: Fraction
    most: int

    def anew(self) -> None:
        """Nothing is remembered."""

    def see(self, view: View, now: int) -> bool:
        return self.gas * (1 + self.beta * view.queue) > self.most


# --- policies ----------------------------------------------------------------------------------


@dataclass
class Planned(Told):
    """Sell `size(row)` lots, of one to all; at the market or at the bankruptcy limit."""

    size: Callable[[Risk], int]
    cooldown: int = 0
    limit: Callable[[Risk], int | None] = field(default=lambda row: None)

    def __repr__(self) -> str:
        return f"Planned({self.cooldown})"

    def plan(self, rows: Sequence[Risk]) -> list[Intent]:
        return [
            (max(1, min(self.size(row), abs(row.size))), self.limit(row), self.cooldown)
            for row in rows
        ]


def fraction(share: Fraction, *, above: int = 0, then_all: bool = False) -> Callable[[Risk], int]:
    """A share of what is held now; all of it where that is worth little, or from the second on."""

    def size(row: Risk) -> int:
        whole = abs(row.value) <= above or (then_all and row.tranche > 0)
        return abs(row.size) if whole else math.floor(abs(row.size) * share)

    return size


def table(left: Sequence[float]) -> Callable[[Risk], int]:
    """What is left of the position after each slice, as shares of it; after the last nothing."""
    before = [1.0, *left[:-1]]
    shares = [
        Fraction(round((a - b) / a * 1e12), 10**12) for a, b in zip(before, left, strict=True)
    ]

    def size(row: Risk) -> int:
        share = shares[row.tranche] if row.tranche < len(shares) else Fraction(1)
        # What a slice is short of a whole lot by a rounding of its share is not meant.
        return math.floor(abs(row.size) * share + Fraction(1, 10**6))

    return size


def equal(count: int) -> Callable[[Risk], int]:
    return table([1 - (k + 1) / count for k in range(count)])


def almgren_chriss(count: int, kappa_tau: float) -> Callable[[Risk], int]:
    """x_j = X sinh(kappa (T - t_j)) / sinh(kappa T)."""
    whole = math.sinh(kappa_tau * count)
    return table([math.sinh(kappa_tau * (count - k - 1)) / whole for k in range(count)])


def obizhaeva_wang(count: int, rho_tau: float) -> Callable[[Risk], int]:
    """Blocks x0 = X / ((N - 1)(1 - a) + 2) at both ends of N waits, x0 (1 - a) between them."""
    gap = 1 - math.exp(-rho_tau)
    block = 1 / ((count - 2) * gap + 2)
    return table([1 - block * (1 + gap * k) for k in range(count - 1)] + [0.0])


def restored(target: Fraction, cost: Fraction) -> Callable[[Risk], int]:
    """f* = (m N - E) / (N (m - c)), lots rounded up; all where a sale never heals."""

    def size(row: Risk) -> int:
        value = abs(row.value)
        if target <= cost:
            return abs(row.size)
        return math.ceil(abs(row.size) * (target * value - row.equity) / (value * (target - cost)))

    return size


# --- ranks -------------------------------------------------------------------------------------


@dataclass
class Ranks(Told):
    """Whoever ranks highest first; nobody with equity before those without; ties by scope."""

    score: Callable[[Rival], Fraction]
    broke_last: bool = True

    def __repr__(self) -> str:
        return "Ranks()"

    def order(self, rows: Sequence[Rival], lots: int) -> list[int]:
        def key(row: Rival) -> tuple[bool, Fraction, int]:
            if self.broke_last and row.equity <= 0:
                return True, Fraction(0), row.scope
            return False, -self.score(row), row.scope

        return [row.scope for row in sorted((r for r in rows if not r.external), key=key)]


def by_leverage(row: Rival) -> Fraction:
    """(pnl / |cost|) times the leverage, or, of a loss, divided by it. SEMANTICS §5.7."""
    gain = Fraction(row.value - row.cost, max(1, abs(row.cost)))
    leverage = Fraction(abs(row.value), row.equity)
    return gain * leverage if gain > 0 else gain / leverage


def by_account_risk(row: Rival) -> Fraction:
    """Open profit of the scope over its money, times maintenance over equity; MARGIN §6.7."""
    profit = max(0, row.equity - row.money)
    return Fraction(profit, max(1, row.money)) * Fraction(row.maintenance, row.equity)


def by_margin_ratio(row: Rival) -> Fraction:
    """Profit over cost, over equity / maintenance; a loss times it. MARGIN §6.7."""
    gain = Fraction(row.value - row.cost, max(1, abs(row.cost)))
    ratio = Fraction(row.equity, max(1, row.maintenance))
    return gain / ratio if gain > 0 else gain * ratio


def by_growth(row: Rival) -> Fraction:
    """mark / entry, of a short entry / mark, times value / equity. MARGIN §6.7."""
    grown = Fraction(abs(row.value), max(1, abs(row.cost)))
    return (grown if row.value > 0 else 1 / grown) * Fraction(abs(row.value), row.equity)
