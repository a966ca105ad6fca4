"""At which prices positions are liquidated: the marks under the depth axis."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from ordercascade.enums import HolderKind
from ordercascade.figures import Figures

if TYPE_CHECKING:
    from ordercascade.tape import Tape

Float64: TypeAlias = npt.NDArray[np.float64]
PPM = 10**6


def due_of(tape: Tape, f: Figures, venue: int, market: int) -> tuple[Float64, Float64]:
    """Return (price, lots) at which the positions of the opening are liquidated.

    Exact for those that fell (the tape says it); for other scopes of one position solved from
    the opening; scopes of several positions that never fell have no fixed price.
    """
    table = tape.liquidations
    here = (table["venue"] == venue) & (table["market"] == market)
    rows = np.flatnonzero(here & (table["tranche"] <= 1) & (table["trigger_price"] > 0))
    price = [float(p) for p in table["trigger_price"][rows]]
    lots = [float(n) for n in table["lots_before"][rows]]
    fallen = set(table["scope"][rows].tolist())
    for scope, size, at in _solved(tape, venue, market):
        if scope not in fallen:
            price.append(float(at))
            lots.append(float(abs(size)))
    units = f.units[venue, market]
    tick, lot = float(units.tick), float(units.lot)
    order = np.argsort(price, kind="stable") if price else np.zeros(0, dtype=np.int64)
    return np.array(price)[order] * tick, np.array(lots)[order] * lot


def _solved(tape: Tape, venue: int, market: int) -> Iterator[tuple[int, int, int]]:
    """Return (scope, size, tick) of opening scopes whose only position is in the market."""
    found = next(m for m in tape.markets if (m["venue"], m["id"]) == (venue, market))
    if "brackets" not in found:
        return
    brackets = np.array(found["brackets"], dtype=np.float64)
    positions, accounts = tape.positions, tape.tables["accounts"]
    here = positions["venue"] == venue
    scope, size = positions["scope"][here].astype(np.int64), positions["size"][here]
    cost, where = positions["cost"][here].astype(np.float64), positions["market"][here]
    alone = np.bincount(scope, minlength=int(scope.max(initial=0)) + 1)[scope] == 1
    mine = alone & (where == market)
    scope, size, cost = scope[mine], size[mine].astype(np.float64), cost[mine]
    users = (accounts["venue"] == venue) & (accounts["kind"] == HolderKind.SCOPE)
    money = np.zeros(int(accounts["scope"].max(initial=0)) + 2)
    money[accounts["scope"][users]] = accounts["collateral"][users]
    is_user = np.zeros(len(money), dtype=bool)
    is_user[accounts["scope"][users]] = True
    keep = is_user[scope]
    scope, size, cost = scope[keep], size[keep], cost[keep]
    tick = _liquidation_tick(brackets, float(found["multiplier"]), size, cost, money[scope])
    top = float(found["price_max"])
    good = (tick >= 1) & (tick <= top)
    columns = (scope, size.astype(np.int64), tick)
    yield from zip(*(column[good].astype(np.int64).tolist() for column in columns), strict=True)


def _liquidation_tick(
    brackets: Float64,
    multiplier: float,
    size: Float64,
    cost: Float64,
    money: Float64,
) -> Float64:
    """Return the tick at which equity meets maintenance of many scopes of one position, for a map.

    In doubles, by the bracket's straight line, so a tick or so off; nan where there is none.
    """
    found = np.full(len(size), np.nan)
    floors = np.append(brackets[:, 0], np.inf)
    for row, (floor, rate, amount) in enumerate(brackets[:, :3]):
        sign = np.where(size > 0, 1.0, -1.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            tick = (cost - money - amount) / (size * multiplier * (1 - sign * rate / PPM))
        value = np.abs(size) * tick * multiplier
        good = np.isnan(found) & (tick > 0) & (value >= floor) & (value < floors[row + 1])
        found[good] = tick[good]
    ticks: Float64 = np.where(size > 0, np.floor(found), np.ceil(found))
    return ticks
