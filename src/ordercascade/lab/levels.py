"""The depth picture: which levels were eaten earlier, which now, which rest, as few points.

Numpy in, small arrays out. Bids lie below, asks above, so that a short squeeze eats upward in the
same picture. In the cumulative picture a level's height is all that stood from the best price out
to it, and its colour what became of it; level by level, the three parts are stacked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from ordercascade.enums import Side
from ordercascade.errors import InputError
from ordercascade.figures import Units
from ordercascade.frames import Frame

if TYPE_CHECKING:
    from ordercascade.tape import Tape

Float64: TypeAlias = npt.NDArray[np.float64]
Int64: TypeAlias = npt.NDArray[np.int64]

POINTS = 320  # of the one x that the three curves share
ROOM = 0.15  # of what was touched, on either end of the zoomed range
REST, NOW, GONE = range(3)  # rows of `lots` and of a picture; drawn in this order
GAP = -1


@dataclass(frozen=True, slots=True)
class Reach:
    """Prices that a run touched, in ticks, and the ends of its opening book."""

    low: int
    high: int
    book_low: int
    book_high: int

    def ticks(self, zoom: bool) -> tuple[int, int]:
        """Return [low, high) in ticks of what is shown."""
        if zoom:
            return self.low, self.high + 1
        return min(self.low, self.book_low), max(self.high, self.book_high) + 1


class Levels(NamedTuple):
    """One side's levels, prices rising: what rests, goes now and went before at each."""

    side: int
    price: Int64
    lots: Int64  # (3, n): REST, NOW, GONE

    def cumulative(self) -> Int64:
        """Return what stood from the best price out to each level, whatever became of it."""
        outward = slice(None, None, -1) if self.side == Side.BID else slice(None)
        total: Int64 = np.cumsum(self.lots.sum(axis=0)[outward])[outward]
        return total


@dataclass(frozen=True, slots=True)
class Depth:
    """Both sides of the book as three curves over one x, in people's units; nan where not."""

    x: Float64
    y: Float64  # (3, n): REST, NOW, GONE; y[:, i] holds from x[i] to x[i + 1]
    top: float
    group: int  # ticks that make one bar: what was asked, or more where that is too fine
    eaten_now: float
    eaten_before: float


def reach_of(tape: Tape, venue: int, market: int) -> Reach:
    """Return what the whole run touches: fills, marks and last prices, with some room."""
    seen: list[Int64] = []
    for table, columns in (("fills", ("price",)), ("marks", ("mark", "last"))):
        found = tape.tables[table]
        here = (found["market"] == market) & (found["venue"] == venue)
        seen += [found[name][here].astype(np.int64) for name in columns]
    opening = tape.frame(-1, venue=venue, market=market)
    ends = [side[:, 0] for side in (opening.bids, opening.asks) if len(side)]
    best = [int(side[0]) for side in ends]
    prices = np.concatenate([*seen, np.array(best, dtype=np.int64)])
    prices = prices[prices > 0]
    if not len(prices):
        raise InputError("market", market, "must have a price or a book to be shown")
    low, high = int(prices.min()), int(prices.max())
    room = max(2, int((high - low) * ROOM))
    book = np.concatenate(ends) if ends else prices
    return Reach(max(1, low - room), high + room, int(book.min()), int(book.max()))


def levels_of(frame: Frame, span: tuple[int, int], group: int = 1) -> tuple[Levels, Levels]:
    """Return both sides within [low, high) ticks; `group` ticks make one level.

    Bids are rounded down to the group and asks up, so that neither side moves towards the other.
    """
    if group < 1:
        raise InputError("group", group, "must be at least 1 tick")
    made = []
    for side, book in ((Side.BID, frame.bids), (Side.ASK, frame.asks)):
        parts = [book]
        for rows in (frame.eaten, frame.touched):
            parts.append(rows[rows[:, 0] == side][:, 1:])
        made.append(_side(int(side), parts, span, group))
    return made[0], made[1]


def _side(side: int, parts: list[Int64], span: tuple[int, int], group: int) -> Levels:
    kept = [rows[(rows[:, 0] >= span[0]) & (rows[:, 0] < span[1])] for rows in parts]
    where = np.concatenate([rows[:, 0] for rows in kept])
    if group > 1:
        where = (where if side == Side.BID else where + group - 1) // group * group
    price, place = np.unique(where, return_inverse=True)
    lots = np.zeros((3, len(price)), dtype=np.int64)
    which = np.repeat(np.arange(3), [len(rows) for rows in kept])
    np.add.at(lots, (which, place.ravel()), np.concatenate([rows[:, 1] for rows in kept]))
    return Levels(side, price, lots)


def depth_of(
    frame: Frame, reach: Reach, units: Units, *, cumulative: bool, zoom: bool, group: int
) -> Depth:
    """Return the picture of a frame; `group` ticks make one bar, more where POINTS ask for it."""
    span = reach.ticks(zoom)
    sides = levels_of(frame, span, group)
    while (cells := _drawn(sides, group, cumulative)) is None:
        group = _coarser(group, span)
        sides = levels_of(frame, span, group)
    x, y = cells
    tick, lot = float(units.tick), float(units.lot)
    top = max((int(height.max()) for height in _heights(sides, cumulative)), default=0)
    return Depth(
        x=x * tick,
        y=y * lot,
        top=(top or 1) * lot,
        group=group,
        eaten_now=float(frame.eaten[:, 2].sum()) * lot,
        eaten_before=float(frame.touched[:, 2].sum()) * lot,
    )


def _coarser(group: int, span: tuple[int, int]) -> int:
    """Return the next group of 1, 2, 5, 10, … ticks that has a chance to be few enough."""
    wanted = max(group + 1, (span[1] - span[0]) // POINTS)
    size = 1
    while True:
        for factor in (1, 2, 5):
            if size * factor >= wanted:
                return size * factor
        size *= 10


def _heights(sides: tuple[Levels, Levels], cumulative: bool) -> list[Int64]:
    shown = [side for side in sides if len(side.price)]
    return [side.cumulative() if cumulative else side.lots.sum(axis=0) for side in shown]


def _drawn(
    sides: tuple[Levels, Levels], group: int, cumulative: bool
) -> tuple[Float64, Float64] | None:
    """Return the curves in ticks and lots, or None where that takes more than POINTS."""
    made = [(_curved if cumulative else _stacked)(side, group) for side in sides if len(side.price)]
    if any(part is None for part in made):
        return None
    # Where the sides overlap (an ask rests where bids were eaten) x goes back once: a curve may.
    x = np.concatenate([part[0] for part in made if part] or [np.zeros(1)])
    y = np.concatenate([part[1] for part in made if part] or [np.full((3, 1), np.nan)], axis=1)
    # A drawing library must find one point to draw, and a place for the end of each curve.
    return np.append(x, x[-1]), np.column_stack((y, np.zeros(3)))


def _edges(price: Int64, group: int) -> tuple[Float64, float]:
    """Return the middle between neighbours, with both ends, and the usual width of a level."""
    wide = float(np.median(np.diff(price))) if len(price) > 1 else float(group)
    middle = (price[:-1] + price[1:]) / 2
    return np.concatenate(([price[0] - wide / 2], middle, [price[-1] + wide / 2])), wide


def _curved(side: Levels, group: int) -> tuple[Float64, Float64] | None:
    """One curve outward from the best price, coloured by what became of each level last."""
    edges, _ = _edges(side.price, group)
    height = side.cumulative()
    state = np.where(side.lots[NOW] > 0, NOW, np.where(side.lots[REST] > 0, REST, GONE))
    turns = np.flatnonzero(np.diff(state)) + 1
    room = POINTS // 2 - 4 * len(turns) - 6
    if room < POINTS // 8:
        return None
    if len(height) > room:
        # Every turn stays exact; between them, what is left out is drawn like its neighbour.
        even = np.linspace(0, len(height) - 1, room).astype(np.int64)
        keep = np.unique(np.concatenate((even, turns, turns - 1)))
        edges, height, state = np.append(edges[keep], edges[-1]), height[keep], state[keep]
    shown = state == np.arange(3)[:, None]
    return _points(edges[:-1], edges[1:], np.broadcast_to(height, shown.shape), shown)


def _stacked(side: Levels, group: int) -> tuple[Float64, Float64] | None:
    """Bars level by level, the gone lowest, then what goes now, then what rests."""
    edges, wide = _edges(side.price, group)
    low = np.maximum(edges[:-1], side.price - wide / 2)
    high = np.minimum(edges[1:], side.price + wide / 2)
    height = np.cumsum(side.lots[::-1], axis=0)[::-1]
    found = _points(low, high, height, side.lots > 0)
    return found if len(found[0]) <= POINTS // 2 else None


def _points(
    low: Float64, high: Float64, height: Int64, shown: npt.NDArray[np.bool_]
) -> tuple[Float64, Float64]:
    """Return step curves over cells [low, high), each run of shown ones closed, then parted."""
    turned = np.any(shown[:, 1:] != shown[:, :-1], axis=0) | (low[1:] > high[:-1])
    stop = np.append(turned, True)
    at = np.arange(len(low)) + 2 * (np.cumsum(stop) - stop)
    x = np.empty(len(low) + 2 * int(stop.sum()))
    y = np.full((3, len(x)), np.nan)
    end = at[stop] + 1
    x[at], x[end], x[end + 1] = low, high[stop], high[stop]
    y[:, at] = np.where(shown, height, np.nan)
    y[:, end] = y[:, at[stop]]
    return x, y
