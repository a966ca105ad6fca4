"""A planned market: its arguments for the engine, and the mark at which it will open."""

from __future__ import annotations

from typing import Any, NamedTuple

from ordercascade.ahead import Expiry
from ordercascade.books import Levels
from ordercascade.config import MarketConfig
from ordercascade.data.brackets import EngineBracket
from ordercascade.enums import PriceSource
from ordercascade.exact import PPM
from ordercascade.market import Market
from ordercascade.mechanisms.feeds import Feed
from ordercascade.schedules import Margins

Arguments = dict[str, Any]


class MarketPlan(NamedTuple):
    """A market and the arguments of `add_market`."""

    market: Market
    config: MarketConfig
    path: str
    arguments: Arguments
    margins: Margins | None = None  # the schedule in place of the brackets
    feed: dict[str, int] | None = None  # numbers of an oracle with a memory
    expiry: Expiry | None = None
    option: Arguments | None = None  # terms of `set_option` but its end

    def oracle(self, seed: int, venue: str) -> Feed | None:
        """Return a fresh oracle with a memory; None where the market's has none."""
        if self.feed is None:
            return None
        weight, most = int(self.arguments["own_weight_ppm"]), self.market.price_max
        name = f"oracle/{venue}/{self.market.name}"
        rest = {"own_weight_ppm": weight, "price_max": most, "seed": seed}
        numbers: Arguments = self.feed | rest
        return Feed(**numbers, name=name)

    def mark_of(self, last: int, index: int, _mark: int, bid: int, ask: int) -> int:
        """Return the mark its oracle would give: own price and index by weight, halves up.

        A one-sided book's mid is the last price; a price that is not there leaves the other.
        """
        if fresh := self.oracle(0, ""):
            return fresh.opening(last, index, bid, ask)
        source, weight = self.arguments["source"], int(self.arguments["own_weight_ppm"])
        own = bid + ask if source == PriceSource.MID and bid and ask else 2 * last
        if (source == PriceSource.INDEX and index) or own == 0:
            own = 2 * index
        if index == 0:
            weight = PPM
        mark = (weight * own + 2 * (PPM - weight) * index + PPM) // (2 * PPM)
        return max(1, min(self.market.price_max, mark))

    def opening_mark(self, book: Levels) -> int:
        """Return the mark at which the engine will start; 0 where nothing gives a price."""
        bid, ask = (rows[0][0] if rows else 0 for rows in book)
        last, index = int(self.arguments["last"]), int(self.arguments["index"])
        if last == 0 and bid and ask:
            last = (bid + ask) // 2
        elif last == 0 and index == 0:
            last = max(bid, ask)
        return self.mark_of(last, index, 0, bid, ask) if last or index else 0

    def maintenance(self, value: int) -> int:
        """max(0, ceil(value * rate) - amount); a floor is inclusive. SEMANTICS §1."""
        rows: list[EngineBracket] = self.arguments["brackets"]
        _, rate, amount, _ = max((row for row in rows if row[0] <= value), default=rows[0])
        return max(0, -(-value * rate // PPM) - amount)
