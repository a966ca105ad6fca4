"""The twin of the margin schedules: fractions and scans, nothing clever."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

PPM = 10**6


class Claim(NamedTuple):
    """One position and what stands behind it: lots, units, units, units."""

    size: int
    cost: int
    money: int  # collateral and the equity of other legs
    asked: int  # maintenance of other legs


@dataclass(frozen=True, kw_only=True)
class Twin:
    """A schedule by its definition; rows are (floor, maintenance_ppm, amount, initial_ppm)."""

    kind: str
    rows: tuple[tuple[int, int, int, int], ...] = ()
    by_lots: bool = False
    inverse: bool = False
    at_entry: bool = False
    fee_ppm: int = 0
    fee_at_bankruptcy: bool = False
    strict: bool = True
    multiplier: int = 1
    numbers: tuple[tuple[str, int], ...] = ()

    def number(self, name: str) -> int:
        return dict(self.numbers)[name]

    def value(self, size: int, price: int) -> int:
        """Return the signed value at a tick."""
        if self.inverse:
            return math.floor(Fraction(-self.multiplier * size, price))
        return size * price * self.multiplier

    def real_value(self, size: int, price: Fraction) -> Fraction:
        return -self.multiplier * size / price if self.inverse else size * price * self.multiplier

    def row(self, size: int, value: Fraction) -> tuple[int, int, int, int]:
        measure = abs(size) if self.by_lots else value
        return [row for row in self.rows if row[0] <= measure][-1]

    def rate(self, size: int, value: Fraction) -> Fraction:
        """Return the maintenance rate; one that depends on the size is rounded up at 10^-12."""
        if self.rows:
            return Fraction(self.row(size, value)[1], PPM)
        if self.kind == "size":
            base = Fraction(self.number("maintenance_ppm"), PPM)
            return base + abs(size) * Fraction(self.number("increment_ppt"), 10**12)
        if self.kind == "skew":
            share = Fraction(abs(size) * self.number("fraction_ppm"), self.number("scale") * PPM)
            initial = grid(share + Fraction(self.number("minimum_ppm"), PPM))
            return grid(initial * Fraction(self.number("scalar_ppm"), PPM))
        factor = self.number("long_ppm" if size > 0 else "short_ppm")
        return Fraction(factor + self.number("slippage_ppm"), PPM)

    def off(self, size: int, value: Fraction) -> int:
        """Return what is taken off: the row's amount, minus what is fixed."""
        if self.rows:
            return self.row(size, value)[2]
        return -self.number("fixed") if self.kind == "skew" else 0

    def asked(self, size: int, value: Fraction, fee: Fraction) -> Fraction:
        return max(Fraction(0), value * (self.rate(size, value) + fee) - self.off(size, value))

    def constant(self, claim: Claim) -> Fraction:
        """Return what is asked at any price: maintenance at entry, a fee at bankruptcy; whole."""
        sum = 0
        if self.at_entry:
            sum += math.ceil(self.asked(claim.size, Fraction(abs(claim.cost)), Fraction(0)))
        if self.fee_at_bankruptcy:
            sign = 1 if (claim.size > 0) != self.inverse else -1
            fee = Fraction(self.fee_ppm, PPM)
            value = sign * (claim.cost - claim.money) / (1 - sign * fee)
            sum += math.ceil(max(Fraction(0), value * fee))
        return Fraction(sum)

    def moving(self, size: int, value: Fraction) -> Fraction:
        """Return what is asked of the value at the mark, unrounded."""
        fee = Fraction(0 if self.fee_at_bankruptcy else self.fee_ppm, PPM)
        return value * fee if self.at_entry else self.asked(size, value, fee)

    def slack(self, claim: Claim, price: int) -> int:
        """Return equity less what is asked at a tick, rounded up to the unit."""
        value = self.value(claim.size, price)
        need = math.ceil(self.moving(claim.size, Fraction(abs(value)))) + self.constant(claim)
        return claim.money - claim.cost + value - claim.asked - int(need)

    def unsafe(self, claim: Claim, price: int) -> bool:
        slack = self.slack(claim, price)
        return slack < 0 or (slack == 0 and not self.strict)

    def real_slack(self, claim: Claim, price: Fraction) -> Fraction:
        value = self.real_value(claim.size, price)
        need = self.moving(claim.size, abs(value)) + self.constant(claim)
        return claim.money - claim.cost + value - claim.asked - need

    def crossing(self, claim: Claim) -> Fraction | None:
        """Return the price nearest to safety below (short: above) which equity is too little.

        None where there is none. Between two neighbours of `_points` the slack goes straight, so
        its sign in the middle is its sign there. A far end stands for all that lies beyond.
        """
        points = sorted(self._points(claim))
        far = (points[-1] if points else Fraction(1)) * 4
        ends = [Fraction(0), *points, far]
        short = [self.real_slack(claim, (low + high) / 2) < 0 for low, high in pairwise(ends)]
        if claim.size > 0:
            last = max((i for i, bad in enumerate(short) if bad), default=None)
            return None if last is None else math.inf if last == len(short) - 1 else ends[last + 1]
        first = next((i for i, bad in enumerate(short) if bad), None)
        return None if first is None else ends[first]

    def _points(self, claim: Claim) -> set[Fraction]:
        """Return every price where the slack may cross zero: floors and each row's own root."""
        unit = Fraction(abs(claim.size) * self.multiplier)
        values = {Fraction(row[0]) for row in self.rows} if not self.by_lots else set()
        sign = 1 if (claim.size > 0) != self.inverse else -1
        base = claim.money - claim.cost - claim.asked - self.constant(claim)
        fee = Fraction(0 if self.fee_at_bankruptcy else self.fee_ppm, PPM)
        probes = [Fraction(row[0]) for row in self.rows] or [Fraction(1)]
        for probe in probes:
            rate = fee if self.at_entry else self.rate(claim.size, probe) + fee
            off = 0 if self.at_entry else self.off(claim.size, probe)
            if sign != rate:
                values.add((-base - off) / (sign - rate))
        if self.inverse:
            return {unit / value for value in values if value > 0}
        return {value / unit for value in values if value > 0}


def grid(rate: Fraction) -> Fraction:
    """Return a rate rounded up at 10^-12."""
    return Fraction(math.ceil(rate * 10**12), 10**12)
