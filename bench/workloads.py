"""Seeded workloads for the order book, as MESSAGE_DTYPE arrays that a fresh book can apply.

Whole numbers only, so the same seed gives the same bytes everywhere. The messages are played once
while they are drawn: a cancel names the id that a fresh book will have given.
"""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np

from ordercascade.core.book import MESSAGE_DTYPE, OrderBook
from ordercascade.enums import OrderType, Side

PRICE_MAX = 2**17
RESTING = 3_000


class Mixed:
    """A market in its stride: about 3,000 resting orders on a few hundred levels.

    Of 1,000 messages about 500 are passive limits at power-law distances from a wandering mid,
    400 cancels, 50 reductions, 25 market orders, 25 limits that cross, some of which rest in part.
    """

    def __init__(self, seed: int) -> None:
        self.draw = Random(seed)
        self.book = OrderBook(PRICE_MAX)
        self.mid = PRICE_MAX // 2
        self.live: list[int] = []  # ids; those of filled orders leave when they are met
        self.open: dict[int, tuple[int, int]] = {}  # id -> account, open size
        self.rows: list[tuple[Any, ...]] = []

    def message(self) -> None:
        """Draw one message, play it, keep it."""
        if self.draw.randrange(50) == 0:
            self.mid += self.draw.choice((-1, 1))
        resting = len(self.open)
        roll = self.draw.randrange(1_000)
        if roll < min(max(500 + 250 * (RESTING - resting) // RESTING, 50), 850) or resting < 50:
            self.add()
        elif roll < 900:
            self.cancel()
        elif roll < 950:
            self.reduce()
        else:
            self.take(crossing=roll < 975)

    def add(self) -> None:
        """A limit 2**k to 2**(k+1) - 1 ticks from the mid, k growing with probability 3/4."""
        side = self.draw.choice((Side.BID, Side.ASK))
        octave = 0
        while octave < 9 and self.draw.randrange(4):
            octave += 1
        away = 2**octave + self.draw.randrange(2**octave)
        if side == Side.BID:
            price = min(self.mid - away, (self.book.best_ask or PRICE_MAX) - 1)
        else:
            price = max(self.mid + away, (self.book.best_bid or 1) + 1)
        self.limit(side, price, self.size())

    def size(self) -> int:
        return 1 + self.draw.randrange(1 + self.draw.randrange(240))

    def limit(self, side: Side, price: int, size: int, *, meets: bool = False) -> None:
        account = 1 + self.draw.randrange(1_000)
        order = self.book.submit(side, price, size, account=account)
        self.rows.append((OrderType.LIMIT, side, 0, 0, account, 0, price, size))
        filled = self.settle() if meets else 0
        if order > 0:
            self.live.append(order)
            self.open[order] = account, size - filled

    def settle(self) -> int:
        """Take the last fills off the makers; return the lots that traded."""
        lots = 0
        for fill in self.book.fills[["maker_order", "maker_rest", "size"]].tolist():
            maker, rest, size = fill
            account, _ = self.open.pop(maker)
            if rest:
                self.open[maker] = account, rest
            lots += size
        return lots

    def pick(self) -> int:
        """Return a random order that still rests."""
        while True:
            place = self.draw.randrange(len(self.live))
            if self.live[place] in self.open:
                return place
            self.live[place] = self.live[-1]
            self.live.pop()

    def cancel(self) -> None:
        place = self.pick()
        order = self.live[place]
        account, _ = self.open.pop(order)
        self.live[place] = self.live[-1]
        self.live.pop()
        self.book.cancel(order, account=account)
        self.rows.append((OrderType.CANCEL, 0, 0, 0, account, order, 0, 0))

    def reduce(self) -> None:
        order = self.live[self.pick()]
        account, size = self.open[order]
        if size > 1:
            size = 1 + self.draw.randrange(size - 1)
            self.open[order] = account, size
            self.book.amend(order, size=size, account=account)
            self.rows.append((OrderType.AMEND, 0, 0, 0, account, order, 0, size))

    def take(self, *, crossing: bool) -> None:
        """Take about two orders' worth, by a limit at one of the first levels or at any price."""
        side = self.draw.choice((Side.BID, Side.ASK))
        depth = self.book.depth(3)
        levels = (depth.asks if side == Side.BID else depth.bids).tolist()
        size = 1 + self.draw.randrange(1 + self.draw.randrange(480))
        if crossing:
            self.limit(side, self.draw.choice(levels)[0], size, meets=True)
            return
        account = 1 + self.draw.randrange(1_000)
        self.book.market(side, size, account=account)
        self.rows.append((OrderType.MARKET, side, 0, 0, account, 0, 0, size))
        self.settle()


def mixed(count: int, *, seed: int = 1) -> np.ndarray:
    """Return `count` messages of a market in its stride."""
    market = Mixed(seed)
    while len(market.rows) < count:
        market.message()
    return np.array(market.rows, MESSAGE_DTYPE)


def crash(bids: int = 100_000, sells: int = 10_000, *, seed: int = 1) -> np.ndarray:
    """Return a deep side built order by order, then eaten by market orders.

    Bids on 20,000 levels; the sells ask for about seven tenths of all lots in all.
    """
    draw = Random(seed)
    rows: list[tuple[Any, ...]] = []
    total = 0
    for k in range(bids):
        price = PRICE_MAX // 2 - (k if k < 20_000 else draw.randrange(20_000))
        size = 1 + draw.randrange(120)
        total += size
        rows.append((OrderType.LIMIT, Side.BID, 0, 0, 1 + draw.randrange(50_000), 0, price, size))
    draw.shuffle(rows)
    for _ in range(sells):
        size = 1 + draw.randrange(1 + 2 * (7 * total // (10 * sells)))
        rows.append((OrderType.MARKET, Side.ASK, 0, 0, 0, 0, 0, size))
    return np.array(rows, MESSAGE_DTYPE)
