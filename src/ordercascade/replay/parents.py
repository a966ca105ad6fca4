"""The parent of a first liquidation order, found again: who fell after which step.

SEMANTICS §4: the first step of the window after which the scope, on a peek of all mark sources,
is liquidatable. The window's steps are looked at one by one, as whole columns.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ordercascade.contracts import worth
from ordercascade.enums import MarketKind
from ordercascade.replay.margins import (
    TICK_MAX,
    Held,
    brackets_of,
    liquidatable,
    trigger_holds,
    trigger_tick,
)
from ordercascade.replay.stage import First, Stage
from ordercascade.replay.terms import PPM, Brackets
from ordercascade.replay.turns import Turn

Int64: TypeAlias = npt.NDArray[np.int64]
CELL_MAX = 2**62
FIRST_LOOK = 256  # steps; later looks are eight times as long


def check_parents(stage: Stage, turn: Turn) -> None:
    """Find the parent of each first order of a venue again."""
    findings = stage.findings
    if not turn.firsts:
        return
    if not (stage.terms.peeks and stage.terms.judges):
        why = "the tape does not say where marks come from, or the brackets (first orders)"
        findings.gap("parents", why, len(turn.firsts))
        return
    scan = Scan(stage)
    for first in turn.firsts:
        findings.step = first.step
        # Where in [low, high] the settlement began the tape does not say; any place will do.
        parent = scan.first_hit(first, min(max(first.parent, first.low), first.high))
        if parent != first.parent and first.parent < first.high:
            parent = scan.first_hit(first, first.high)
        if parent < 0:
            if stage.terms.rules is None:
                why = "the tape does not say when marks are taken (orders nobody's step explains)"
                findings.gap("parents", why)
                continue
            parent = first.otherwise
        if first.low < first.high and scan.first_hit(first, first.low) not in (-1, parent):
            why = "where the settlement began is not told, so one of several (first orders)"
            findings.gap("parents", why)
        findings.same("parents", "steps", first.step, parent=(parent, first.parent))
    findings.step = -1


class Scan:
    """The peeked marks after each of a venue's steps."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.steps: Int64 = np.asarray(stage.steps, dtype=np.int64)
        self._peeks: dict[int, Int64] = {}

    def peeks(self, market: int) -> Int64:
        """Return a market's peeked mark after each of the venue's steps."""
        if market not in self._peeks:
            where = self.stage.markets[market]
            at = np.searchsorted(np.asarray(where.peek_steps), self.steps, side="right") - 1
            self._peeks[market] = np.asarray(where.peek_marks, dtype=np.int64)[at]
        return self._peeks[market]

    def first_hit(self, first: First, start: int) -> int:
        """Return the first own step in [start, order) after which the scope was liquidatable."""
        history = self.stage.ledger.history.get(first.scope, [])
        low = int(np.searchsorted(self.steps, start))
        end = int(np.searchsorted(self.steps, first.step))
        edges = [at for at, _ in history if start < at < first.step]
        rates = self.stage.rates
        if rates is not None:
            moved = [at for at, _, _ in rates.history if start < at < first.step]
            edges = sorted({*edges, *moved})
        for edge in [*edges, first.step]:
            high = int(np.searchsorted(self.steps, edge)) if edge != first.step else end
            if low < high:
                held = self.stage.ledger.held_before(first.scope, int(self.steps[low]) + 1)
                if rates is not None:
                    rates.as_before(int(self.steps[low]) + 1)
                found = self._look(held, low, high, first.hint)
                if rates is not None:
                    rates.as_now()
                if found >= 0:
                    return int(self.steps[found])
            low = high
        return -1

    def _look(self, held: Held, low: int, high: int, hint: int) -> int:
        """Return the first place in [low, high) where a scope that owns `held` falls, or -1."""
        if not held.legs:
            return -1
        width, venue = FIRST_LOOK, self.stage.terms
        single = len(held.legs) == 1 and brackets_of(venue.markets[held.legs[0][0]]).steady
        tick = 0
        if single:
            market, size, _ = held.legs[0]
            marks = [0] * len(venue.markets)  # One leg: its own price decides alone.
            tick = hint
            if not 0 < hint <= TICK_MAX or not trigger_holds(held, market, hint, marks, venue):
                tick = trigger_tick(held, market, marks, venue)
        while low < high:
            end = min(high, low + width)
            if single:
                seen = self.peeks(market)[low:end]
                falls = seen <= tick if size > 0 else seen >= tick
            else:
                falls = self._falls(held, low, end)
            if falls.any():
                return low + int(falls.argmax())
            low, width = end, width * 8
        return -1

    def _falls(self, held: Held, low: int, high: int) -> npt.NDArray[np.bool_]:
        """Say after which steps a scope that owns `held` is liquidatable."""
        if not self._fits(held):
            markets = range(len(self.stage.markets))
            rows = zip(*(self.peeks(market)[low:high].tolist() for market in markets), strict=True)
            return np.array([liquidatable(held, marks, self.stage.terms) for marks in rows])
        equity = np.full(high - low, held.collateral, dtype=np.int64)
        need = np.zeros(high - low, dtype=np.int64)
        for market, size, cost in held.legs:
            terms = self.stage.plain[market]
            marks = self.peeks(market)[low:high]
            value = worth(terms.kind, terms.multiplier, np.full_like(marks, size), marks)
            equity += value - cost
            brackets = brackets_of(terms)
            if isinstance(brackets, Brackets):  # _fits has seen to it
                need += maintenance_of(brackets, np.abs(value))
        return np.asarray(equity < need if self.stage.terms.strict else equity <= need)

    def _fits(self, held: Held) -> bool:
        """Say if no sum leaves 64 bits: true of what the engine writes, not of every tape."""
        total = abs(held.collateral)
        for market, size, cost in held.legs:
            terms = self.stage.plain[market]
            if not isinstance(terms.brackets, Brackets):
                return False
            most = int(self.peeks(market).max(initial=1)) if terms.kind == MarketKind.LINEAR else 1
            total += abs(cost) + abs(size) * most * terms.multiplier
        return total < CELL_MAX


def maintenance_of(brackets: Brackets, value: Int64) -> Int64:
    """Return maintenance of whole columns; exact below 2**60: no product leaves 64 bits."""
    rows = np.asarray(brackets.rows, dtype=np.int64)
    at = np.maximum(np.searchsorted(rows[:, 0], value, side="right") - 1, 0)
    whole, rest = np.divmod(value, PPM)
    charge = whole * rows[at, 1] - (-rest * rows[at, 1] // PPM) - rows[at, 2]
    return np.asarray(np.maximum(charge, 0))
