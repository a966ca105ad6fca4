"""Vectors of positions that a network has taken over and sells by the clock: in the engine."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from ordercascade.enums import HolderKind, PostReason, PriceSource, Side
from vectors.engine import Desk, house
from vectors.form import Vector, engine, form

Orders = list[tuple[Side, Any, Any]]
STEPS_MAX = 1000


def inherited(i: dict[str, Any], size: int, book: Orders) -> Desk:
    """Return a venue whose network has taken over `size` lots at the mark, its pool empty."""
    desk = house(Fraction(1, 4), i["mark"], i["strategy"], None, PriceSource.INDEX)
    desk.open("loser", cash=0, size=size, entry=i["mark"])
    desk.open("maker", cash=10**9)
    desk.start()
    desk.settle()
    for side, price, lots in book:
        desk.rest("maker", side, lots, price)
    if held(desk) != size:
        raise ValueError("the network has not taken over")
    return desk


def held(desk: Desk) -> int:
    return desk.venue.inherited(HolderKind.FUND, 0)[0]


def realised(desk: Desk) -> int:
    """Return what the network has realised so far."""
    fund, total = desk.holder(HolderKind.FUND), 0
    columns = ("from_holder", "to_holder", "amount", "reason")
    for source, target, amount, reason in desk.rows("postings", *columns):
        if reason == PostReason.REALISE:
            total += amount * ((target == fund) - (source == fund))
    return total


@engine
@form("liquidation_flow", "strategy mark network_position book")
def disposed(vector: Vector) -> dict[str, Any]:
    """Orders at every step until nothing is left; what they realised, summed up."""
    i = vector["inputs"]
    sides = {"buy": Side.BID, "sell": Side.ASK}
    book = [(sides[row["side"]], row["price"], row["size"]) for row in i["book"]]
    desk = inherited(i, i["network_position"], book)
    sizes, gains = [], []
    for step in range(1, STEPS_MAX):
        size = held(desk)
        if size == 0:
            break
        desk.settle(step * int(i["strategy"]["step"]))
        sizes.append(abs(size) - abs(held(desk)))
        gains.append(realised(desk))
    return {"disposals": sizes, "realised_pnl": gains}


@engine
@form("partial_liq_size", "position side_volume_in_range fraction full_size max_fraction")
def disposals(vector: Vector) -> dict[str, Any]:
    """The same against sides that are filled up again after every order."""
    i = vector["inputs"]
    strategy = {"step": 1} | {key: i[key] for key in ("fraction", "full_size", "max_fraction")}
    volume = i["side_volume_in_range"]
    book = [(Side.BID, 95, volume), (Side.ASK, 105, volume)]
    desk = inherited({"mark": 100, "strategy": strategy}, i["position"], book)
    sizes: list[int] = []
    for step in range(1, STEPS_MAX):
        size = held(desk)
        if size == 0:
            break
        desk.settle(step)
        sizes.append(abs(size) - abs(held(desk)))
        if sizes[-1]:
            side = Side.BID if size > 0 else Side.ASK
            desk.rest("maker", side, sizes[-1], 95 if size > 0 else 105)
    return {"disposals": sizes}
