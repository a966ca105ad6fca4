"""Level density, the curve R(p), and the next-generation matrix K over markets.

R(p) = l(p) I'(p): lots that one tick's fall makes liquidatable, times the ticks that selling one
lot moves the mark. Both are means over a window of prices. spec/MECHANISMS.md §0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ordercascade.analysis.firstlegs import first_legs
from ordercascade.analysis.impact import BOOK, BookImpact, Impact
from ordercascade.analysis.state import DOWN, Desk, Floats, Ints, State
from ordercascade.errors import InputError

BUCKETS_MAX = 20_000


@dataclass(frozen=True, eq=False)
class Curve:
    """R(p) of one market in one direction, by windows that follow each other from the mark.

    `price` is the far end of each window in ticks, `lots` what becomes liquidatable in it, `depth`
    what rests in it. r is infinite where there is something to sell and nothing to take it.
    """

    market: str
    way: int
    window: int  # ticks
    price: Ints
    lots: Ints
    depth: Ints
    r: Floats

    @property
    def highest(self) -> float:
        """The largest R of a window that something rests in; 0 if none does."""
        found = self.r[np.isfinite(self.r)]
        return float(found.max()) if len(found) else 0.0


@dataclass(frozen=True, eq=False)
class Matrix:
    """K[i, j]: how far market i falls by what a unit fall of market j makes liquidatable.

    In people's prices. Stable where the spectral radius is below 1: then a shock moves the markets
    by (I - K)^-1 shock in all. Entries are negative where accounts close the other way.
    """

    names: tuple[str, ...]
    k: Floats

    @property
    def radius(self) -> float:
        """The spectral radius: the largest |eigenvalue|; infinite where an entry is."""
        if not np.isfinite(self.k).all():
            return float("inf")
        return float(np.abs(np.linalg.eigvals(self.k)).max()) if len(self.k) else 0.0

    def moves(self, shock: Sequence[float]) -> Floats:
        """Return (I - K)^-1 shock: the whole move of each market; InputError at a radius >= 1."""
        given = np.asarray(shock, dtype=np.float64)
        if given.shape != (len(self.names),) or not np.isfinite(given).all():
            raise InputError("shock", shock, f"must be {len(self.names)} finite numbers")
        if not self.radius < 1:
            raise InputError("shock", shock, f"has no end: the spectral radius is {self.radius:g}")
        return np.asarray(np.linalg.solve(np.eye(len(self.names)) - self.k, given))


def window_of(desk: Desk, share: float) -> int:
    """Return a share of the mark in ticks, at least one."""
    return max(1, round(desk.mark * share))


def check_share(name: str, value: Any, *, most: float = 1.0) -> float:
    """Return a share above 0; InputError for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.floating):
        raise InputError(name, value, f"must be a share above 0 and at most {most:g}")
    if not 0 < float(value) <= most:
        raise InputError(name, value, f"must be a share above 0 and at most {most:g}")
    return float(value)


def reached(state: State, index: int, way: int) -> tuple[Ints, Ints]:
    """Return (ticks from the mark, row) of a market's triggers that a move meets, nearest first.

    0 ticks: liquidatable already. Rows without a trigger tick, or of the other side, are left out.
    """
    desk = state.desks[index]
    rows = np.flatnonzero((state.market == index) & (state.trigger > 0))
    rows = rows[state.size[rows] > 0] if way == DOWN else rows[state.size[rows] < 0]
    away = np.maximum((state.trigger[rows] - desk.mark) * way, 0)
    order = np.argsort(away, kind="stable")
    return away[order], rows[order].astype(np.int64)


def curve(
    state: State, index: int, way: int, *, share: float, span: float, impact: Impact = BOOK
) -> Curve:
    """Return R(p) from the mark outwards, in windows of `share` of the mark, over `span` of it."""
    desk = state.desks[index]
    window = window_of(desk, share)
    room = desk.mark - 1 if way == DOWN else desk.mark
    count = max(1, min(round(desk.mark * span), room) // window)
    if count > BUCKETS_MAX:
        rule = f"must leave at most {BUCKETS_MAX:,} windows, not {count:,}"
        raise InputError("window", share, rule)
    away, rows = reached(state, index, way)
    ahead = away > 0
    place = (away[ahead] - 1) // window
    lots = _summed(place, np.abs(state.size[rows[ahead]]), count)
    price, rests = desk.rests(way)
    best = int(price[0]) if len(price) else desk.mark
    depth = _summed((price - best) * way // window, rests, count)
    r = np.zeros(count)
    for k in np.flatnonzero(lots):
        slope = window / depth[k] if depth[k] else np.inf
        if not isinstance(impact, BookImpact):
            slope = impact.slope(desk, way, window, float(lots[k]))
        r[k] = lots[k] / window * slope * desk.weight
    far = desk.mark + way * window * np.arange(1, count + 1)
    return Curve(desk.name, way, window, far, lots, depth, r)


def _summed(place: Ints, lots: Ints, count: int) -> Ints:
    found = np.zeros(count, dtype=np.int64)
    inside = (place >= 0) & (place < count)
    np.add.at(found, place[inside], lots[inside])
    return found


def matrix(state: State, way: int, *, share: float, impact: Impact = BOOK) -> Matrix:
    """Return K of the first window from the marks, all markets moving `way`.

    K_ij = I'_i * (lots of i that accounts reached by the window of j sell first) / window of j.
    """
    desks = state.desks
    count = len(desks)
    sold = np.zeros((count, count))  # lots of i, signed: positive sells for a fall
    windows = [window_of(desk, share) for desk in desks]
    for j in range(count):
        away, rows = reached(state, j, way)
        hit = first_legs(state, rows[(away > 0) & (away <= windows[j])])
        np.add.at(sold[:, j], state.market[hit], -way * state.size[hit])
    k = np.zeros((count, count))
    for i, j in zip(*np.nonzero(sold), strict=True):
        side = way if sold[i, j] > 0 else -way
        slope = impact.slope(desks[i], side, windows[i], abs(float(sold[i, j])))
        scale = desks[i].tick / desks[j].tick
        k[i, j] = sold[i, j] / windows[j] * slope * desks[i].weight * scale
    return Matrix(tuple(desk.name for desk in desks), k)
