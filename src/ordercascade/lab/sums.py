"""What grows with the steps, prepared once, so that no step costs as much as all before it."""

from __future__ import annotations

from itertools import pairwise
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ordercascade.enums import PostReason, StepKind
from ordercascade.figures import Figures
from ordercascade.frames import Latest

Int64: TypeAlias = npt.NDArray[np.int64]
Float64: TypeAlias = npt.NDArray[np.float64]

FLAT = float("inf")  # stands after every margin ratio
SPACING = 4096  # events between two kept sums


class Growth:
    """Volume by generation after any step: sums kept every so often, the rest counted."""

    def __init__(self, step: Int64, generation: Int64, volume: Int64) -> None:
        order = np.argsort(step, kind="stable")
        self._step, self._generation = step[order], generation[order]
        self._volume = volume[order].astype(np.float64)
        self._width = int(generation.max(initial=0)) + 1
        self._spacing = max(SPACING, self._width)
        kept = [np.zeros(self._width)]
        for start in range(0, len(step) - self._spacing + 1, self._spacing):
            kept.append(kept[-1] + self._sum(start, start + self._spacing))
        self._kept = kept

    def at(self, k: int) -> Float64:
        """Return the volume of each generation seen up to step k."""
        end = int(np.searchsorted(self._step, k, side="right"))
        number = end // self._spacing
        found = self._kept[number] + self._sum(number * self._spacing, end)
        seen = np.flatnonzero(found)
        return found[: int(seen[-1]) + 1] if len(seen) else found[:0]

    def ratios(self, k: int) -> tuple[float, ...]:
        """Return the realised R by generation: volume over that of the one before."""
        volume = self.at(k).tolist()
        return tuple(b / a if a else float("nan") for a, b in pairwise(volume))

    def _sum(self, start: int, end: int) -> Float64:
        which, volume = self._generation[start:end], self._volume[start:end]
        found = np.bincount(which, weights=volume, minlength=self._width)
        return found.astype(np.float64, copy=False)


def growth(f: Figures) -> Growth:
    """Sum by generation what liquidations filled; what shocks traded belongs to generation 0.

    In lots; in value where more than one market takes part, as `Tape.summary()` does.
    """
    kinds = f.column("steps", "kind")
    fills = f.column("fills", "step")
    outside = np.flatnonzero((kinds[fills] == StepKind.SHOCK) & (fills >= 0))
    step, worth, lots = (f.column("liquidations", c) for c in ("step", "value", "lots_filled"))
    size = f.column("fills", "size")[outside]
    took: set[tuple[int, int]] = set()
    for table, rows in (("liquidations", slice(None)), ("fills", outside)):
        venue, market = (f.column(table, name)[rows] for name in ("venue", "market"))
        took |= set(zip(venue.tolist(), market.tolist(), strict=True))
    volume, first = lots, size
    if len(took) > 1:
        volume, first = worth, size * f.column("fills", "price")[outside] * _multiplier(f, outside)
    generation = f.column("steps", "generation")[step]
    return Growth(
        np.concatenate((step, fills[outside])),
        np.concatenate((generation, np.zeros(len(outside), dtype=np.int64))),
        np.concatenate((volume, first)),
    )


def _multiplier(f: Figures, rows: Int64) -> Int64:
    by = {key: int(m["multiplier"]) for key, m in zip(f.units, f.tape.markets, strict=True)}
    venue, market = (f.column("fills", name)[rows].tolist() for name in ("venue", "market"))
    return np.array([by[key] for key in zip(venue, market, strict=True)], dtype=np.int64)


class Falls:
    """When each scope of a venue was first liquidated; `steps`: those of all venues, sorted."""

    def __init__(self, f: Figures, venue: int) -> None:
        step = f.column("liquidations", "step")
        key = f.column("liquidations", "venue") << 32 | f.column("liquidations", "scope")
        scopes, first = np.unique(key, return_index=True)
        self.steps = np.sort(step[first])
        here = scopes >> 32 == venue
        self._scope, self._step = scopes[here] & 0xFFFFFFFF, step[first][here]

    def count(self, k: int) -> int:
        """Return how many scopes of all venues have been liquidated up to step k."""
        return int(np.searchsorted(self.steps, k, side="right"))

    def fallen(self, scope: int, k: int) -> bool:
        """Return whether the venue's scope has been liquidated up to step k."""
        at = int(np.searchsorted(self._scope, scope))
        known = at < len(self._scope) and int(self._scope[at]) == scope
        return known and int(self._step[at]) <= k


class Standing:
    """Which users' scopes were nearest to liquidation, by their latest records."""

    def __init__(self, f: Figures, venue: int) -> None:
        scope, step = f.column("scopes", "scope"), f.column("scopes", "step")
        rows = records(f, venue)
        self._step, self._scope = step, scope
        maintenance = f.column("scopes", "maintenance").astype(np.float64)
        self._ratio = np.full(len(scope), FLAT)
        held = maintenance > 0
        self._ratio[held] = f.column("scopes", "equity")[held] / maintenance[held]
        self._index = Latest(scope[rows], rows)
        adl = np.flatnonzero(f.column("steps", "kind") == StepKind.ADL)
        here = adl[f.column("steps", "venue")[adl] == venue]
        self._gone: dict[int, int] = {}  # the latest deleveraging of each scope
        for at, gone in zip(here.tolist(), f.column("steps", "scope")[here].tolist(), strict=True):
            self._gone[gone] = at

    def given_up(self, row: int, k: int) -> bool:
        """Return whether the record's scope was handed over by ADL since, up to step k."""
        at = self._gone.get(int(self._scope[row]), -1)
        return int(self._step[row]) < at <= k

    def nearest(self, k: int, own: int, most: int) -> list[int]:
        """Return rows of the scopes table after step k: the step's own scope, then the lowest."""
        end = int(np.searchsorted(self._step, k, side="right"))
        _, _, last = self._index.before(end, 0, 2**62)
        rows = self._index.rows[last]
        ratio = self._ratio[rows]
        if most < len(rows):
            near = np.flatnonzero(ratio <= np.partition(ratio, most)[most])
            rows, ratio = rows[near], ratio[near]
        rows = rows[ratio < FLAT]
        rows = rows[np.lexsort((self._scope[rows], self._ratio[rows]))]
        _, _, mine = self._index.before(end, own, own + 1)
        first = self._index.rows[mine].tolist()
        found: list[int] = [*first, *(row for row in rows.tolist() if row not in first)]
        return found[:most]


def records(f: Figures, venue: int) -> Int64:
    """Return the rows of the scopes table about users of a venue.

    Nothing says whose the rows of the opening are where there are two venues: they are left out.
    """
    scope, step = f.column("scopes", "scope"), f.column("scopes", "step")
    here = np.full(len(step), len(f.tape.venues) <= 1)
    here[step >= 0] = f.column("steps", "venue")[step[step >= 0]] == venue
    others = [h for (v, h), (kind, _) in f.owner.items() if kind and v == venue]
    return np.flatnonzero(here & ~np.isin(scope, others))


class Total:
    """A running sum over the rows of a table."""

    def __init__(self, step: Int64, amount: Int64) -> None:
        self._step = step
        self._sum = np.concatenate(([0], np.cumsum(amount)))

    def at(self, k: int) -> int:
        return int(self._sum[int(np.searchsorted(self._step, k, side="right"))])


def deleveraged(f: Figures, venue: int, market: int) -> Total:
    """Return the lots of a market that ADL has moved."""
    step = f.column("adl", "step")
    here = f.column("adl", "market") == market
    here &= f.column("steps", "venue")[step] == venue
    here &= f.column("steps", "kind")[step] == StepKind.ADL
    return Total(step[here], f.column("adl", "lots")[here])


def drawn(f: Figures) -> Int64:
    """Return the steps in which an insurance fund pays."""
    step = f.column("postings", "step")
    paid = f.column("postings", "reason") == PostReason.FUND_PAYS
    return np.unique(step[paid & (f.column("postings", "amount") > 0)])
