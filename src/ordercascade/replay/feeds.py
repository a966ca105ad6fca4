"""Marks of oracles with a memory: worked out again where the tape decides them, else bounded.

Without delay, heartbeat or clamp by second a feed of the last price, mid or index has no memory but
the mark that stands: its mark is exact. A mean over a window and whatever arrives late lies
between the lowest and the highest that the price has been; a clamp by taking bounds every feed.
spec/MECHANISMS.md §7, §8; core: mechanisms/feeds.
"""

from __future__ import annotations

from collections.abc import Mapping

from ordercascade.enums import FeedKind, PriceSource

PPM = 1_000_000
REMEMBERS = ("latency_ns", "heartbeat_ns", "clamp_second_ppm")


class Feed:
    """The numbers of one market's feed, and what its prices have been."""

    def __init__(self, numbers: Mapping[str, int], weight_ppm: int, price_max: int) -> None:
        self.numbers, self.weight_ppm, self.price_max = numbers, weight_ppm, price_max
        self.own: tuple[int, int] | None = None  # lowest and highest, doubled
        self.index = 0, 0

    def of(self, name: str) -> int:
        return self.numbers.get(name, 0)

    @property
    def exact(self) -> bool:
        return self.of("kind") == FeedKind.SPOT and not any(self.of(name) for name in REMEMBERS)

    @property
    def bounded(self) -> bool:
        return self.of("kind") in (FeedKind.SPOT, FeedKind.TWAP)

    def see(self, last: int, index: int, bid: int, ask: int) -> None:
        """Note prices that a taking may have met."""
        own = self._own(last, index, bid, ask)
        if self.own is None:
            self.own, self.index = (own, own), (index, index)
        self.own = min(self.own[0], own), max(self.own[1], own)
        self.index = min(self.index[0], index), max(self.index[1], index)

    def _own(self, last: int, index: int, bid: int, ask: int) -> int:
        source = self.of("source")
        own = bid + ask if source == PriceSource.MID and bid and ask else 2 * last
        return 2 * index if own == 0 or (source == PriceSource.INDEX and index) else own

    def _mixed(self, own: int, index: int) -> int:
        weight = self.weight_ppm if index else PPM
        mark = (weight * own + 2 * (PPM - weight) * index + PPM) // (2 * PPM)
        return min(max(mark, 1), self.price_max)

    def mark(self, standing: int, last: int, index: int, bid: int, ask: int) -> int:
        """The mark of a feed that is `exact`; `standing` 0: its first one."""
        price = self._mixed(self._own(last, index, bid, ask), index)
        if self.of("clamp_ppm") and index > 0:
            most = index * self.of("clamp_ppm") // PPM
            price = min(max(price, index - most), index + most)
        low, high = self._near(standing)
        return min(max(price, low, 1), high, self.price_max)

    def bounds(self, standing: int) -> tuple[int, int]:
        """Where the next mark must lie."""
        low, high = self._near(standing)
        if self.bounded and self.own is not None:
            ends = [
                self._mixed(self.own[0], self.index[0]),
                self._mixed(self.own[1], self.index[1]),
            ]
            if self.of("clamp_ppm"):
                ends += self.index
            low, high = max(low, min(ends)), min(high, max(ends))
        return low, high

    def _near(self, standing: int) -> tuple[int, int]:
        share = self.of("clamp_round_ppm")
        if not standing or not share:
            return 1, self.price_max
        most = max(1, standing * share // PPM)
        return standing - most, standing + most
