"""The obvious twin of sizes and limits of liquidation orders, of pairs and shared losses.

Exact fractions and plain loops; spec/MARGIN.md §3, §6.2, §6.3, §6.7, §6.8 and ADR 10.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

PPM = 10**6
Brackets = Sequence[tuple[int, int, int, int]]


class Leg(NamedTuple):
    """A leg at risk on the standing marks; `unit` is what a lot is worth."""

    size: int
    mark: int
    multiplier: int
    equity: int
    maintenance: int
    brackets: Brackets

    @property
    def unit(self) -> int:
        return self.mark * self.multiplier

    @property
    def held(self) -> int:
        return abs(self.size)

    @property
    def tier(self) -> int:
        return tier_of(self.brackets, self.held * self.unit)


def tier_of(brackets: Brackets, value: int) -> int:
    return max([0, *(at for at, row in enumerate(brackets) if row[0] <= value)])


def maintenance(brackets: Brackets, value: int) -> int:
    _, rate, amount, _ = brackets[tier_of(brackets, value)]
    return max(0, math.ceil(Fraction(value * rate, PPM)) - amount)


def initial(brackets: Brackets, value: int) -> int:
    return math.ceil(Fraction(value * brackets[tier_of(brackets, value)][3], PPM))


def portion(leg: Leg, portion_ppm: int, min_value: int, block_value: int) -> int:
    most = max(min_value, leg.held * leg.unit * portion_ppm // PPM)
    if block_value:
        most = min(most, block_value)
    return min(leg.held, max(1, most // leg.unit))


def cover(leg: Leg, target_ppm: int, buffer_ppm: int, cost_ppm: int, *, up: bool) -> int:
    value = leg.held * leg.unit
    target = math.ceil(Fraction(leg.maintenance * target_ppm, PPM))
    shortage = target + math.ceil(Fraction(value * buffer_ppm, PPM)) - leg.equity
    rate = Fraction(leg.brackets[leg.tier][1] * target_ppm, PPM**2)
    freed = leg.unit * (rate + Fraction(buffer_ppm - cost_ppm, PPM))
    if shortage <= 0:
        return 1
    if freed <= 0:
        return leg.held
    lots = Fraction(shortage) / freed
    return max(1, min(leg.held, math.ceil(lots) if up else math.floor(lots)))


def top(leg: Leg, tier: int) -> int:
    """Return the most lots of a tier, by trying."""
    if tier + 1 >= len(leg.brackets):
        return 2**40
    lots = leg.brackets[tier + 1][0] // leg.unit + 1
    while lots * leg.unit >= leg.brackets[tier + 1][0]:
        lots -= 1
    return lots


def tier_down(leg: Leg, tiers: int) -> int:
    if leg.tier < tiers:
        return leg.held
    return max(1, leg.held - top(leg, leg.tier - tiers))


def tier_fit(leg: Leg) -> int:
    others = leg.maintenance - maintenance(leg.brackets, leg.held * leg.unit)
    for tier in reversed(range(leg.tier)):
        kept = top(leg, tier)
        if leg.equity - others >= maintenance(leg.brackets, kept * leg.unit):
            return max(1, leg.held - kept)
    return leg.held


def fillable(leg: Leg, spread_ppm: int, adjustment_ppm: int) -> int:
    ratio = Fraction(adjustment_ppm, PPM) * (1 - Fraction(leg.equity, max(1, leg.maintenance)))
    ratio = min(Fraction(1), max(Fraction(0), ratio))
    ratio *= Fraction(spread_ppm * leg.brackets[leg.tier][1], PPM**2)
    if leg.size > 0:
        return math.ceil(leg.mark * (1 - ratio))
    return math.floor(leg.mark * (1 + ratio))


def in_range(leg: Leg, bid: int, ask: int, range_ppm: int) -> int:
    middle = Fraction(bid + ask, 2) if bid and ask else Fraction(leg.mark)
    if leg.size > 0:
        return max(1, math.ceil(middle * Fraction(PPM - range_ppm, PPM)))
    return math.floor(middle * Fraction(PPM + range_ppm, PPM))


def quote(leg: Leg, lots: int) -> int:
    """Return what closing lots of a leg must bring in; `maintenance` is the account's."""
    change = (-lots if leg.size > 0 else lots) * leg.unit
    before = maintenance(leg.brackets, leg.held * leg.unit)
    after = maintenance(leg.brackets, (leg.held - lots) * leg.unit)
    return math.ceil(-change - Fraction(leg.equity * abs(before - after), leg.maintenance))


def shared(gains: Sequence[int], missing: int) -> list[int]:
    """Return what each winner keeps: floor(gain * collected / owed), the rest to the last."""
    owed = sum(gain for gain in gains if gain > 0)
    kept = [gain * (owed - missing) // owed if gain > 0 else 0 for gain in gains]
    last = max(at for at, gain in enumerate(gains) if gain > 0)
    kept[last] += owed - missing - sum(kept)
    return kept
