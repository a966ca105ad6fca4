"""What a book answers when it is looked at: small tuples and array layouts."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

QUEUE_DTYPE = np.dtype([("order_id", "i8"), ("size", "i8"), ("account", "i8")])
IMPACT_DTYPE = np.dtype(
    [("size", "i8"), ("filled", "i8"), ("notional", "i8"), ("levels", "i8"), ("worst", "i8")]
)


class QueuePosition(NamedTuple):
    """Where an order stands in its queue: how many orders and shown lots trade before it there."""

    orders: int
    lots: int


class MarketCost(NamedTuple):
    """What a market order would do to a book that nobody else touches. Ticks and lots."""

    size: int
    filled: int
    notional: int  # sum of price times lots, exact
    levels: int  # prices it trades at
    best: int | None  # the first of them
    worst: int | None  # the last of them

    @property
    def vwap(self) -> float | None:
        """The average price in ticks, None if nothing is filled."""
        return self.notional / self.filled if self.filled else None

    @property
    def slippage(self) -> float | None:
        """How many ticks the average is worse than the best price."""
        if self.best is None or not self.filled:
            return None
        return abs(self.notional - self.best * self.filled) / self.filled
