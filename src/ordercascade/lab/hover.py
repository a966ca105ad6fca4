"""What the pointer says about a level of the book."""

from __future__ import annotations

import numpy as np

from ordercascade.enums import Side
from ordercascade.figures import Units
from ordercascade.lab.levels import GONE, NOW, REST, Levels

FATE = {REST: "resting", NOW: "eaten now", GONE: "eaten earlier"}


def tip_of(
    sides: tuple[Levels, Levels],
    price: float,
    units: Units,
    opening: tuple[int, ...],
    multiplier: int,
    group: int,
) -> str:
    """Return lines about the level nearest to a price: size by fate, cumulative, value, share.

    `opening` is the lots of each side's opening book; the share is of that.
    """
    found = _nearest(sides, price / float(units.tick))
    if found is None:
        return ""
    side, at = found
    ticks, lots = int(side.price[at]), side.lots[:, at]
    outward = slice(at, None) if side.side == Side.BID else slice(0, at + 1)
    total = int(side.lots[:, outward].sum())
    worth = int((side.price[outward] * side.lots[:, outward].sum(axis=0)).sum()) * multiplier
    name = "bid" if side.side == Side.BID else "ask"
    book = opening[side.side]
    tenths = (2000 * total + book) // (2 * book) if book else 0
    parts = [f"{units.size(int(lots[i]))} {FATE[i]}" for i in (GONE, NOW, REST) if lots[i]]
    lines = [
        f"{name} {units.price(ticks)}" + (f" (levels of {group} ticks)" if group > 1 else ""),
        ", ".join(parts),
        f"cumulative {units.size(total)}, {units.money(worth)}",
        f"{tenths // 10}.{tenths % 10} % of the opening {name}s" if book else "",
    ]
    return "\n".join(line for line in lines if line)


def _nearest(sides: tuple[Levels, Levels], ticks: float) -> tuple[Levels, int] | None:
    best: tuple[float, Levels, int] | None = None
    for side in sides:
        if not len(side.price):
            continue
        at = int(np.abs(side.price - ticks).argmin())
        apart = abs(float(side.price[at]) - ticks)
        if best is None or apart < best[0]:
            best = apart, side, at
    return None if best is None else (best[1], best[2])
