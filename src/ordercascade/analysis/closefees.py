"""Closing fees at the bankruptcy price, of all positions at once. spec/MARGIN.md §2.2, §3; ADR 10.

Such a fee depends on what stands behind a position, so on the other legs of its scope: with
several legs no formula gives the price at which the scope falls, and it is found by halves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from ordercascade.margin import margin_required
from ordercascade.tape import Tape

if TYPE_CHECKING:
    from ordercascade.analysis.state import Desk

Ints = npt.NDArray[np.int64]


class Legs(NamedTuple):
    """Positions as they stand, one row each, by market and scope (`at`); money in units."""

    market: Ints
    at: Ints
    size: Ints
    cost: Ints
    gained: Ints
    needed: Ints  # without closing fees
    behind: Ints  # the scope's equity without this position's gain


def closing_fees(desks: Sequence[Desk], legs: Legs) -> Ints:
    """Return each position's closing fee at its bankruptcy price, 0 where its market has none."""
    fees = np.zeros_like(legs.size)
    for index, desk in enumerate(desks):
        rows = legs.market == index
        if desk.margin.closing_ppm and rows.any():
            fees[rows] = desk.margin.closing(legs.size[rows], legs.cost[rows], legs.behind[rows])
    return fees


def with_fees(tape: Tape, desks: Sequence[Desk], legs: Legs, trigger: Ints) -> None:
    """Put in the liquidation prices of scopes whose several legs owe such fees: by halves."""
    owes = np.array([desk.margin.closing_ppm > 0 for desk in desks], dtype=bool)
    if not owes.any():
        return
    members: dict[int, list[int]] = {}
    for row, scope in enumerate(legs.at.tolist()):
        members.setdefault(scope, []).append(row)
    strict = {int(venue["id"]): bool(venue.get("trigger_strict", True)) for venue in tape.venues}
    for rows in members.values():
        if len(rows) == 1 or not owes[legs.market[rows]].any():
            continue
        for row in rows:
            index = int(legs.market[row])
            most = int(tape.markets[index]["price_max"])
            floor = 0 if strict[desks[index].key[0]] else 1
            trigger[row] = _by_halves(desks, legs, rows, row, most, floor)


def _by_halves(
    desks: Sequence[Desk], legs: Legs, rows: list[int], row: int, most: int, floor: int
) -> int:
    """Return the price nearest to safety at which the scope falls, 0 where none does."""
    rising = bool(legs.size[row] > 0)
    low, high = 0, most + 1
    while high - low > 1:
        middle = (low + high) // 2
        if (_slack(desks, legs, rows, row, middle) < floor) == rising:
            low = middle
        else:
            high = middle
    return low if rising else (high if high <= most else 0)


def _slack(desks: Sequence[Desk], legs: Legs, rows: list[int], row: int, price: int) -> int:
    """Return equity less all that is asked, were this the price of the row's market."""
    desk = desks[int(legs.market[row])]
    size, cost = int(legs.size[row]), int(legs.cost[row])
    gained = {each: int(legs.gained[each]) for each in rows}
    needed = {each: int(legs.needed[each]) for each in rows}
    equity = int(legs.behind[row])
    gained[row] = int(desk.value(legs.size[row : row + 1], price)[0]) - cost
    needed[row] = int(margin_required(desk.margin.asked, size, price, cost=cost)[1])
    equity += gained[row]
    asked = sum(needed.values())
    for each in rows:
        margin = desks[int(legs.market[each])].margin
        if margin.closing_ppm:
            one = slice(each, each + 1)
            left = np.array([equity - gained[each]])
            asked += int(margin.closing(legs.size[one], legs.cost[one], left)[0])
    return equity - asked
