"""The depth picture: which levels were eaten earlier, which now, which rest, as few points.

Numpy in, small arrays out. A side's levels run from its best price outward; both sides are shown,
bids below and asks above, so that a short squeeze eats upward in the same picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from ordercascade.enums import Side
from ordercascade.errors import InputError
from ordercascade.figures import Units
from ordercascade.frames import TICK_END, Frame

if TYPE_CHECKING:
    from ordercascade.tape import Tape

Float64: TypeAlias = npt.NDArray[np.float64]
Int64: TypeAlias = npt.NDArray[np.int64]

POINTS = 400  # of all curves of a picture together
ROOM = 0.15  # of what was touched, on either end of the zoomed range


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


@dataclass(frozen=True, slots=True)
class Curve:
    """A step curve: x rising, y the height from x on to the next."""

    x: Float64
    y: Float64


@dataclass(frozen=True, slots=True)
class Depth:
    """Both sides of the book as three curves, in people's units."""

    gone: Curve  # eaten in the steps before
    now: Curve  # eaten in this step
    rest: Curve  # still there
    low: float
    high: float
    top: float  # height of the tallest curve of the opening: fixed over the run
    eaten_now: float
    eaten_before: float
    best_bid: float  # 0 where there is none
    best_ask: float


def reach_of(tape: Tape, venue: int, market: int) -> Reach:
    """Return what the whole run touches: fills, marks and liquidation prices, with some room."""
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


def depth_of(
    frame: Frame, reach: Reach, units: Units, *, cumulative: bool, zoom: bool, group: int
) -> Depth:
    """Return the picture of a frame; `group` ticks make one bar."""
    if group < 1:
        raise InputError("group", group, "must be at least 1 tick")
    low, high = reach.ticks(zoom)
    tick, lot = float(units.tick), float(units.lot)
    sides = []
    for side, book in ((Side.BID, frame.bids), (Side.ASK, frame.asks)):
        sides.append(_side(frame, int(side), book, (low, high), group, cumulative))
    gone = _joined([made[0] for made in sides], tick, lot)
    now = _joined([made[1] for made in sides], tick, lot)
    rest = _joined([made[2] for made in sides], tick, lot)
    best = [float(book[0, 0]) * tick if len(book) else 0.0 for book in (frame.bids, frame.asks)]
    top = max((float(made[3]) for made in sides), default=0.0) * lot
    return Depth(
        gone=gone,
        now=now,
        rest=rest,
        low=low * tick,
        high=high * tick,
        top=top or lot,
        eaten_now=float(frame.eaten[:, 2].sum()) * lot if len(frame.eaten) else 0.0,
        eaten_before=float(frame.touched[:, 2].sum()) * lot if len(frame.touched) else 0.0,
        best_bid=best[0],
        best_ask=best[1],
    )


Part: TypeAlias = tuple[Int64, Int64]  # ticks rising, lots from each on


def _side(
    frame: Frame, side: int, book: Int64, span: tuple[int, int], group: int, cumulative: bool
) -> tuple[Part, Part, Part, int]:
    """Return the three parts of a side, and its greatest height."""
    gone = frame.touched[frame.touched[:, 0] == side][:, 1:]
    now = frame.eaten[frame.eaten[:, 0] == side][:, 1:]
    parts = [_grouped(rows, span, group) for rows in (gone, now, book)]
    price = np.unique(np.concatenate([rows[:, 0] for rows in parts]))
    if not len(price):
        empty = (np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
        return empty, empty, empty, 0
    lots = np.zeros((3, len(price)), dtype=np.int64)
    for i, rows in enumerate(parts):
        lots[i, np.searchsorted(price, rows[:, 0])] = rows[:, 1]
    if not cumulative:
        # Stacked in one bar: what is gone lowest, then what goes now, then what rests.
        stacked = np.cumsum(lots, axis=0)
        shown = [_bars(price, height, group, lots[i] > 0) for i, height in enumerate(stacked)]
        return shown[0], shown[1], shown[2], int(stacked[-1].max())
    return _cumulative(price, lots, side, group)


def _grouped(rows: Int64, span: tuple[int, int], group: int) -> Int64:
    """Return the rows (price, lots) within the span, prices rounded down to the group."""
    inside = rows[(rows[:, 0] >= span[0]) & (rows[:, 0] < span[1])]
    price, place = np.unique(inside[:, 0] // group * group, return_inverse=True)
    lots = np.zeros(len(price), dtype=np.int64)
    np.add.at(lots, place.ravel(), inside[:, 1])
    return np.column_stack((price, lots))


def _cumulative(price: Int64, lots: Int64, side: int, group: int) -> tuple[Part, Part, Part, int]:
    """One curve from the best price outward, coloured by what became of each level.

    A level that is in part gone belongs to the newest that happened to it: eaten now, else
    resting if anything rests, else gone.
    """
    outward = slice(None, None, -1) if side == Side.BID else slice(None)
    total = np.cumsum(lots.sum(axis=0)[outward])[outward]
    state = np.where(lots[1] > 0, 1, np.where(lots[2] > 0, 2, 0))
    shown = [_bars(price, total, group, state == i) for i in range(3)]
    return shown[0], shown[1], shown[2], int(total.max())


def _bars(price: Int64, height: Int64, group: int, mine: npt.NDArray[np.bool_]) -> Part:
    """Return a step curve that is `height` over each of `mine`, from its price to the next, else 0.

    A level's step reaches to the next level of the picture, so neighbours leave no gap.
    """
    if not mine.any():
        empty = np.zeros(0, dtype=np.int64)
        return empty, empty
    end = np.append(price[1:], price[-1] + group)
    end = np.minimum(end, price + np.maximum(group, np.median(np.diff(price, append=end[-1]))))
    y = np.where(mine, height, 0)
    gap = end[:-1] < price[1:]
    x = np.concatenate([price, end[:-1][gap], end[-1:]])
    y = np.concatenate([y, np.zeros(int(gap.sum()) + 1, dtype=np.int64)])
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    changes = np.flatnonzero(np.diff(y, prepend=-1) != 0)
    x, y = x[changes], y[changes]
    return _thinned(x, y)


def _thinned(x: Int64, y: Int64) -> Part:
    """Keep at most a sixth of POINTS: evenly spaced ones, and both ends of stretches of 0."""
    most = POINTS // 6
    if len(x) <= most:
        return x, y
    edge = (y == 0) | (np.roll(y, 1) == 0) | (np.roll(y, -1) == 0)
    edge[0] = edge[-1] = True
    even = np.zeros(len(x), dtype=bool)
    even[np.linspace(0, len(x) - 1, most).astype(np.int64)] = True
    keep = even | edge if int(edge.sum()) <= most else even
    return x[keep], y[keep]


def _joined(parts: list[Part], tick: float, lot: float) -> Curve:
    """Join the two sides into one rising curve, in people's units."""
    x = np.concatenate([part[0] for part in parts]).astype(np.float64) * tick
    y = np.concatenate([part[1] for part in parts]).astype(np.float64) * lot
    if not len(x):
        return Curve(np.zeros(2), np.zeros(2))
    return Curve(x, y)


def span_of(reach: Reach, zoom: bool, units: Units) -> tuple[float, float]:
    """Return the ends of the price axis."""
    low, high = reach.ticks(zoom)
    return low * float(units.tick), min(high, TICK_END) * float(units.tick)
