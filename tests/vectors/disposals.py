"""Vectors of positions that a network has taken over and sells by the clock: in the engine."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from ordercascade.enums import HolderKind, PostReason, PriceSource, Side
from vectors.engine import Desk
from vectors.form import Vector, engine, form
from vectors.houses import house


def inherited(i: dict[str, Any], size: int, bids: tuple[int, int], asks: tuple[int, int]) -> Desk:
    """A venue whose network has taken over `size` lots at the mark, its pool empty."""
    desk = house(Fraction(1, 4), i["mark"], i["strategy"], None, PriceSource.INDEX)
    desk.open("loser", cash=0, size=size, entry=i["mark"])
    desk.open("maker", cash=10**9)
    desk.start()
    desk.settle()
    for side, (price, lots) in ((Side.BID, bids), (Side.ASK, asks)):
        desk.rest("maker", side, lots, price)
    if desk.venue.inherited(HolderKind.FUND, 0)[0] != size:
        raise ValueError("the network has not taken over")
    return desk


@engine
@form("liquidation_flow", "strategy mark network_position book")
def disposed(vector: Vector) -> dict[str, Any]:
    """Orders at every step until nothing is left; what each realised, summed up."""
    i = vector["inputs"]
    (bids,) = [(row["price"], row["size"]) for row in i["book"] if row["side"] == "buy"]
    (asks,) = [(row["price"], row["size"]) for row in i["book"] if row["side"] == "sell"]
    desk = inherited(i, i["network_position"], bids, asks)
    fund, disposals, gains = desk.holder(HolderKind.FUND), [], []
    time = 0
    while size := desk.venue.inherited(HolderKind.FUND, 0)[0]:
        time += int(i["strategy"]["step"])
        desk.settle(time)
        disposals.append(abs(size) - abs(desk.venue.inherited(HolderKind.FUND, 0)[0]))
        gains.append(
            sum(
                amount if target == fund else -amount if source == fund else 0
                for source, target, amount, reason in desk.rows(
                    "postings", "from_holder", "to_holder", "amount", "reason"
                )
                if reason == PostReason.REALISE
            )
        )
    return {"disposals": disposals, "realised_pnl": gains}


@engine
@form("partial_liq_size", "position side_volume_in_range fraction full_size max_fraction")
def disposals(vector: Vector) -> dict[str, Any]:
    """The same against a side that is filled up again after every order."""
    i = vector["inputs"]
    strategy = {"step": 1} | {key: i[key] for key in ("fraction", "full_size", "max_fraction")}
    volume = i["side_volume_in_range"]
    desk = inherited(
        {"mark": 100, "strategy": strategy}, i["position"], (95, volume), (105, volume)
    )
    found = []
    time = 0
    while size := desk.venue.inherited(HolderKind.FUND, 0)[0]:
        time += 1
        desk.settle(time)
        found.append(abs(size) - abs(desk.venue.inherited(HolderKind.FUND, 0)[0]))
        desk.rest("maker", Side.BID if size > 0 else Side.ASK, found[-1], 95 if size > 0 else 105)
    return {"disposals": found}
