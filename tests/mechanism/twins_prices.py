"""Oracles in Python, written from spec/MECHANISMS.md §7, §8 in fractions, not from the engine.

Prices are in ticks, times in nanoseconds, shares exact fractions. The marks a Python oracle gives
are told apart from the built-in's by peeks alone, for its peek is its last answer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from ordercascade.mechanisms.plugins import View

SECOND = 10**9


def nearest(value: Fraction | float) -> int:
    """The nearest whole number, halves up."""
    return math.floor(value + Fraction(1, 2) if isinstance(value, Fraction) else value + 0.5)


def own(of: str, view: View) -> Fraction:
    """The venue's own price: last or mid; what is not there gives way to the next."""
    if of == "index" and view.outside:
        return Fraction(view.outside)
    if of == "mid" and view.best_bid and view.best_ask:
        return Fraction(view.best_bid + view.best_ask, 2)
    return Fraction(view.last or view.outside)


@dataclass
class Spot:
    """What is seen, without a memory."""

    of: str = "last"

    def price(self, view: View, now: int) -> Fraction:
        return own(self.of, view)


@dataclass
class Twap:
    """The mean of what stood over the window; what an instant ends with is what it was."""

    window: int
    of: str = "last"
    seen: list[tuple[int, Fraction]] = field(default_factory=list)

    def price(self, view: View, now: int) -> Fraction:
        if len(self.seen) > 1 and self.seen[-1][0] == now:
            self.seen.pop()
        self.seen.append((now, own(self.of, view)))
        start, area = now - self.window, Fraction(0)
        for index, (since, value) in enumerate(self.seen):
            # The first one stood before it was seen, too.
            begin = start if index == 0 else max(start, since)
            end = self.seen[index + 1][0] if index + 1 < len(self.seen) else now
            area += value * max(0, end - begin)
        return area / self.window


@dataclass
class Ema:
    """index + EMA(own - index), EMA' = (held - EMA) / tau; known to half a tick."""

    tau: int
    of: str = "last"
    basis: float | None = None
    held: Fraction = Fraction(0)
    since: int = 0

    def price(self, view: View, now: int) -> Fraction:
        new = own(self.of, view) - view.outside
        if self.basis is None:
            self.basis = float(new)
        else:
            decay = math.exp(-(now - self.since) / self.tau)
            self.basis = float(self.held) + (self.basis - float(self.held)) * decay
        self.held, self.since = new, now
        return view.outside + Fraction(nearest(2 * self.basis), 2)


@dataclass
class Median3:
    """The median of that, of (bid, ask, last)'s own median and of the index."""

    ema: Ema

    def price(self, view: View, now: int) -> Fraction:
        book = Fraction(view.last)
        if view.best_bid and view.best_ask:
            book = Fraction(sorted((view.best_bid, view.best_ask, view.last))[1])
        return sorted((self.ema.price(view, now), book, Fraction(view.outside)))[1]


@dataclass
class Funding:
    """index (1 + rate * time to the next payment / interval), to the half tick below."""

    rate: Fraction
    at: int
    every: int

    def price(self, view: View, now: int) -> Fraction:
        left = self.at - now
        if left <= 0:
            left = self.every - (-left) % self.every
        fair = view.outside * (1 + self.rate * Fraction(min(left, self.every), self.every))
        return Fraction(math.floor(2 * fair), 2)


@dataclass
class Basis3:
    """The median of the funding price, of index + EMA(own - index) and of the last trade."""

    funding: Funding
    ema: Ema

    def price(self, view: View, now: int) -> Fraction:
        three = self.funding.price(view, now), self.ema.price(view, now), Fraction(view.last)
        return sorted(three)[1]


@dataclass
class Fed:
    """What is computed is mixed with the index, sent now and then, arrives late and is clamped."""

    raw: Any
    weight: Fraction = Fraction(1)
    latency: int = 0
    congestion: Fraction = Fraction(0)
    heartbeat: int = 0
    deviation: Fraction = Fraction(0)
    clamp: Fraction = Fraction(0)
    clamp_round: Fraction = Fraction(0)
    clamp_second: Fraction = Fraction(0)
    sent: tuple[int, int] | None = None  # when, what
    late: list[tuple[int, int]] = field(default_factory=list)
    here: int = 0
    mark_now: int = 0
    taken: int = 0

    def state(self) -> bytes:
        return repr(self).encode()

    def mark(self, view: View, time_ns: int) -> int:
        fresh = self.raw.price(view, time_ns)
        price = nearest(self.weight * fresh + (1 - self.weight) * view.outside)
        if self.sent is None:
            self.sent, self.here = (time_ns, price), price
        elif self.due(price, time_ns):
            if price != self.sent[1]:
                delay = int(self.latency * (1 + self.congestion * view.queue))
                self.late.append((time_ns + delay, price))
            self.sent = time_ns, price
        # Whoever arrives after somebody younger has been overtaken: the youngest counts.
        for index in reversed(range(len(self.late))):
            if self.late[index][0] <= time_ns:
                self.here = self.late[index][1]
                del self.late[: index + 1]
                break
        return self.clamped(view, time_ns)

    def due(self, price: int, now: int) -> bool:
        assert self.sent is not None
        when, what = self.sent
        if not self.heartbeat or now - when >= self.heartbeat:
            return True
        return self.deviation > 0 and abs(price - what) >= self.deviation * what

    def clamped(self, view: View, now: int) -> int:
        price = self.here
        if self.clamp:
            most = math.floor(view.outside * self.clamp)
            price = min(max(price, view.outside - most), view.outside + most)
        if self.mark_now and self.clamp_round:
            most = max(1, math.floor(self.mark_now * self.clamp_round))
            price = min(max(price, self.mark_now - most), self.mark_now + most)
        if self.mark_now and self.clamp_second:
            most = math.floor(self.mark_now * self.clamp_second * (now - self.taken) / SECOND)
            price = min(max(price, self.mark_now - most), self.mark_now + most)
        # A share of less than a tick adds up until it is one.
        if price != self.mark_now or price == self.here:
            self.taken = now
        self.mark_now = price
        return price
