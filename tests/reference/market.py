"""A market of the twin: its rules, its book, and the mark that its sources say."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, floor

from ordercascade.enums import MarketKind, PriceSource, Side
from ordercascade.errors import ConfigError
from reference.book import OrderBook
from reference.funding import Terms
from reference.margin import PPM, Bracket

NO_PRICE = 2**60  # of an inverse leg that no price closes at its cost


@dataclass
class Market:
    """`mark` is the standing mark, `mark_before` the one before the latest taking."""

    id: int
    asset: int
    multiplier: int
    price_max: int
    size_max: int
    brackets: list[Bracket]
    maker_fee_ppm: int
    taker_fee_ppm: int
    external_maker_fee_ppm: int
    external_taker_fee_ppm: int
    source: PriceSource
    own_weight_ppm: int
    index: int
    last: int
    kind: MarketKind = MarketKind.LINEAR
    funding: Terms = field(default_factory=Terms)
    book: OrderBook = field(init=False)
    mark: int = 0
    mark_before: int = 0
    prices_told: tuple[int, int] = (0, 0)  # last and index as the tape knows them
    mark_changes: int = 0
    trade_step: int = -1  # the latest step with trades here
    trade_step_taken: int = -1  # the same when the standing mark was taken

    def __post_init__(self) -> None:
        self.book = OrderBook(self.price_max)

    def value(self, lots: int, price: int) -> int:
        """Return what signed lots are worth; inverse: ⌊−K·q/p⌋."""
        if self.kind == MarketKind.INVERSE:
            return floor(Fraction(-self.multiplier * lots, price))
        return lots * price * self.multiplier

    def paid(self, lots: int, price: int) -> int:
        """Return what a buyer of so many lots adds to its cost; inverse: −⌊K·n/p⌋."""
        if self.kind == MarketKind.INVERSE:
            return -floor(Fraction(self.multiplier * lots, price))
        return lots * price * self.multiplier

    def price_of(self, cost: int, lots: int) -> int:
        """Return the price of signed lots at a cost: up for a sell, down for a buy."""
        exact = Fraction(cost, lots * self.multiplier)
        if self.kind == MarketKind.INVERSE:
            if exact >= 0:
                return NO_PRICE
            exact = -1 / exact
        return ceil(exact) if lots > 0 else floor(exact)

    def lots_worth(self, amount: int) -> int:
        """Return the most lots that are worth no more than an amount at the mark."""
        if self.kind == MarketKind.INVERSE:
            return floor(amount / Fraction(self.multiplier, self.mark))
        return amount // (self.mark * self.multiplier)

    @property
    def version(self) -> int:
        """Return a number that moves whenever the mark or the book does."""
        return self.mark_changes + self.book.changed

    def own_price_doubled(self) -> int:
        """Return twice the price of the own book (or of the index), so that a mid stays exact."""
        bid, ask = self.book.best(Side.BID), self.book.best(Side.ASK)
        if self.source == PriceSource.INDEX:
            return 2 * (self.index or self.last)
        if self.source == PriceSource.MID and bid and ask:
            return bid + ask
        return 2 * (self.last or self.index)

    def peek(self) -> int:
        """Return the mark that a taking would give now; nothing changes."""
        weight = self.own_weight_ppm if self.index else PPM
        mixed = weight * self.own_price_doubled() + 2 * (PPM - weight) * self.index
        return min(max((mixed + PPM) // (2 * PPM), 1), self.price_max)

    def take_mark(self) -> bool:
        """Let the peeked mark stand; say if it changed."""
        self.mark_before, self.mark = self.mark, self.peek()
        self.trade_step_taken = self.trade_step
        changed = self.mark != self.mark_before
        self.mark_changes += changed
        return changed

    def open(self) -> None:
        """Take the first last price, if none was given, and the first mark."""
        bid, ask = self.book.best(Side.BID), self.book.best(Side.ASK)
        if self.last == 0 and bid and ask:
            self.last = (bid + ask) // 2
        if not (self.last or self.index):
            raise ConfigError(f"market[{self.id}]", "needs a book, a last price or an index")
        self.mark = self.mark_before = self.peek()
        self.prices_told = (self.last, self.index)
