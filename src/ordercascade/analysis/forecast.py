"""How far a sale would go, from the opening alone: the fixed point of price and liquidations.

Lots sold reach a price; that price makes lots liquidatable; those are sold. One market by itself,
whole positions, orders to the market, marks by the last trade, no fees, nothing refills: then it is
what the engine does, generation by generation. spec/MECHANISMS.md §0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ordercascade.analysis.density import reached
from ordercascade.analysis.state import State
from ordercascade.checks import whole

GENERATIONS_MAX = 10**6


@dataclass(frozen=True)
class Forecast:
    """Lots by generation, the outside sale first; prices in ticks after each of them."""

    market: str
    volumes: tuple[int, ...]
    prices: tuple[int, ...]
    mark: int  # at the start
    exhausted: bool  # the book ended before the sale did

    @property
    def r_by_generation(self) -> list[float | None]:
        """Return each generation's volume over the one before, the last 0."""
        later = [*self.volumes[1:], 0]
        return [b / a if a else None for a, b in zip(self.volumes, later, strict=True)]

    @property
    def amplification(self) -> float | None:
        """The whole move over the outside sale's own; None where that leaves the mark alone."""
        own = abs(self.prices[0] - self.mark)
        return abs(self.prices[-1] - self.mark) / own if own else None


def forecast(state: State, index: int, way: int, lots: int) -> Forecast:
    """Return where a sale (way -1) or purchase (1) of `lots` in a market would end."""
    sale = whole("lots", lots, 1, 2**62)
    desk = state.desks[index]
    price, rests = desk.rests(way)
    deep = np.cumsum(rests)
    away, rows = reached(state, index, way)
    # An account whose first order would close a leg elsewhere sells nothing here.
    ahead = (away > 0) & (state.first_leg()[rows] == rows)
    away, due = away[ahead], np.cumsum(np.abs(state.size[rows[ahead]]))
    volumes, prices, sold = [sale], [], sale
    exhausted = not len(price)
    while not exhausted and len(volumes) < GENERATIONS_MAX:
        at = int(np.searchsorted(deep, sold))
        exhausted = at >= len(deep)
        last = int(price[min(at, len(deep) - 1)])
        prices.append(last)
        moved = (desk.marked(last) - desk.mark) * way
        hit = int(np.searchsorted(away, moved, side="right"))
        total = sale + (int(due[hit - 1]) if hit else 0)
        if total == sold:
            break
        volumes.append(total - sold)
        sold = total
    if exhausted:
        volumes = volumes[: max(1, len(prices))]
    return Forecast(desk.name, tuple(volumes), tuple(prices or [desk.mark]), desk.mark, exhausted)
