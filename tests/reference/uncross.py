"""A call auction by brute force: every tick is tried, and every pair of orders."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ordercascade.enums import Side


class Offer(NamedTuple):
    """An order in an auction; a list of them stands in time order."""

    id: int
    side: int
    price: int
    lots: int


class Trade(NamedTuple):
    """What an ask and a bid trade with each other."""

    ask: int
    bid: int
    lots: int


def clearing(offers: list[Offer], ticks: Iterable[int], last: int) -> tuple[int | None, int, int]:
    """Return price, volume and surplus: each rule leaves fewer ticks to the next."""
    bids = [offer for offer in offers if offer.side == Side.BID]
    asks = [offer for offer in offers if offer.side == Side.ASK]
    bid, ask = {}, {}
    for tick in ticks:
        bid[tick] = sum(offer.lots for offer in bids if offer.price >= tick)
        ask[tick] = sum(offer.lots for offer in asks if offer.price <= tick)
    best = list(bid)
    most = max(min(bid[tick], ask[tick]) for tick in best)
    if most == 0:
        return None, 0, 0
    best = [tick for tick in best if min(bid[tick], ask[tick]) == most]
    least = min(abs(bid[tick] - ask[tick]) for tick in best)
    best = [tick for tick in best if abs(bid[tick] - ask[tick]) == least]
    if all(bid[tick] > ask[tick] for tick in best):
        price = max(best)
    elif all(bid[tick] < ask[tick] for tick in best):
        price = min(best)
    else:
        aim = last or (min(best) + max(best)) // 2
        (price,) = [tick for tick in best if all(abs(tick - aim) <= abs(t - aim) for t in best)]
    return price, most, bid[price] - ask[price]


def trades(offers: list[Offer], price: int) -> list[Trade]:
    """Return who trades with whom: the best limit first, of these who came first."""
    bids = [offer for offer in offers if offer.side == Side.BID and offer.price >= price]
    asks = [offer for offer in offers if offer.side == Side.ASK and offer.price <= price]
    bids.sort(key=lambda offer: -offer.price)
    asks.sort(key=lambda offer: offer.price)
    left = {offer.id: offer.lots for offer in offers}
    found = []
    for ask in asks:
        for bid in bids:
            lots = min(left[ask.id], left[bid.id])
            if lots:
                found.append(Trade(ask.id, bid.id, lots))
                left[ask.id] -= lots
                left[bid.id] -= lots
    return found
