"""Margin schedules, written a second time from spec/MARGIN.md §2.1: plain rows and rates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ordercascade.schedules import steps_of

PPM = 10**6
PPT = 10**12
Row = tuple[int, int, int, int]  # floor, maintenance ppm, amount, initial ppm


class Schedule:
    """What a market asks of a position: maintenance with the trigger's fee, initial without."""

    def __init__(self, said: Mapping[str, Any]) -> None:
        self.kind = str(said["kind"])
        self.at_entry = said.get("base") == "entry"
        fee, late = int(said.get("fee_ppm", 0)), said.get("fee_base") == "bankruptcy"
        self.fee, self.closing = (0, fee) if late else (fee, 0)  # at the mark, at bankruptcy
        self.by_lots = said.get("by", "value") == "size"
        self.numbers = {k: int(v) for k, v in said.items() if isinstance(v, int)}
        self.rows = _rows(self.kind, said, self.numbers)
        # Slack goes one way with the price, except across the edges of a slab.
        self.steady = self.kind not in ("slab", "steps") or len(self.rows) == 1 or self.by_lots

    def maintenance(self, size: int, value: int, cost: int) -> int:
        """Return what the trigger asks of a position, rounded up once; of `base` entry, twice."""
        if self.at_entry:
            return self._asked(size, abs(cost), 0) - (-abs(value) * self.fee // PPM)
        return self._asked(size, abs(value), self.fee)

    def _asked(self, size: int, value: int, fee: int) -> int:
        if self.rows:
            _, rate, amount, _ = self.row(size, value)
            return max(0, -(-value * (rate + fee) // PPM) - amount)
        rate = self._rate(size) + fee * PPM
        return -(-value * rate // PPT) + self.numbers.get("fixed", 0)

    def row(self, size: int, value: int) -> Row:
        """Return the row of a position."""
        at = abs(size) if self.by_lots else abs(value)
        return [row for row in self.rows if row[0] <= at][-1]

    def _rate(self, size: int) -> int:
        """Return maintenance in parts per 10^12 of a position whose rate goes with its size."""
        n = self.numbers
        if self.kind == "risk":
            factor = n["long_ppm"] if size > 0 else n["short_ppm"]
            return (factor + n["slippage_ppm"]) * PPM
        if self.kind == "size":
            return n["maintenance_ppm"] * PPM + abs(size) * n["increment_ppt"]
        return -(-self._first(size) * n["scalar_ppm"] // PPM)

    def _first(self, size: int) -> int:
        n = self.numbers
        if self.kind == "size":
            return n["initial_ppm"] * PPM + abs(size) * n["increment_ppt"]
        return n["minimum_ppm"] * PPM - (-abs(size) * n["fraction_ppm"] * PPM // n["scale"])

    def initial(self, size: int, value: int, interest: int) -> int:
        """Return the initial margin at this open interest in value."""
        if self.kind == "risk":  # of the position alone: open orders are no part of a scope's row
            return -(-abs(value) * self._rate(size) // PPT) * self.numbers["initial_ppm"] // PPM
        if not self.rows:
            return -(-abs(value) * self._first(size) // PPT) + self.numbers.get("fixed", 0)
        rate = self.row(size, value)[3]
        low, high = (self.numbers.get(key, 0) for key in ("lower", "upper"))
        if self.kind == "interest" and high and interest > low:
            rate = (
                PPM if interest >= high else rate + (PPM - rate) * (interest - low) // (high - low)
            )
        return -(-abs(value) * rate // PPM)


def _rows(kind: str, said: Mapping[str, Any], numbers: Mapping[str, int]) -> list[Row]:
    if kind in ("flat", "interest"):
        return [(0, numbers["maintenance_ppm"], 0, numbers["initial_ppm"])]
    if kind == "tiers":
        return [(int(f), int(m), int(a), int(i)) for f, m, a, i in said["rows"]]
    if kind == "slab":
        return [(int(f), int(m), 0, int(i)) for f, m, i in said["rows"]]
    if kind != "steps":
        return []
    return [(floor, rate, 0, initial) for floor, rate, initial in steps_of(numbers)]
