"""Call auctions of any kind against a brute-force uncross, and the laws that make it fair.

Orders that rested, icebergs, orders that change, leave or expire during the call, sums far beyond
one order's bound, prices at both ends. ORDERCASCADE_PROOF_AUCTIONS draws more of them.
"""

from __future__ import annotations

import os
from itertools import combinations_with_replacement, product
from random import Random

import pytest

from ordercascade import OrderBook, Side
from reference.uncross import Offer, Trade, clearing, trades

AUCTIONS = int(os.environ.get("ORDERCASCADE_PROOF_AUCTIONS", 2_000))
BID, ASK = Side.BID, Side.ASK


class Call:
    """A book in its call phase, and what was sent to it as a plain list in time order."""

    def __init__(self, draw: Random) -> None:
        self.draw = draw
        self.price_max = draw.choice([1, 2, 5, 40, 40, 40, 5_000, 2**31 - 1])
        self.middle = draw.choice([1, self.price_max, draw.randint(1, self.price_max)])
        self.width = draw.choice([1, 3, 20])
        self.size_max = draw.choice([1, 2, 9, 1_000, 2**40])
        self.book = OrderBook(self.price_max)
        self.offers: list[Offer] = []
        self.last = self.changed = 0
        if draw.random() < 0.5:
            self.last = self.price()
            self.book.submit(ASK, self.last, 1)
            self.book.market(BID, 1)
        self.rest(draw.randrange(12))
        self.book.collect()
        for _ in range(draw.randrange(40)):
            self.happen()
        self.book.advance(10)
        self.offers = [offer for offer in self.offers if self.book.order(offer.id)]

    def price(self) -> int:
        price = self.middle + self.draw.randint(-self.width, self.width)
        return min(self.price_max, max(1, price))

    def size(self) -> int:
        return self.draw.randint(1, self.size_max)

    def display(self, size: int) -> int | None:
        return self.draw.choice([None, None, -(-size // self.draw.randint(1, 1024))])

    def rest(self, count: int) -> None:
        """Let orders trade and rest before the call; what is left has its time from its queue."""
        for _ in range(count):
            size = self.size()
            account = self.draw.randrange(3)
            self.book.submit(
                self.draw.choice([BID, ASK]), self.price(), size,
                account=account, display=self.display(size),
            )  # fmt: skip
            self.last = self.book.last or 0
        for side in Side:
            for price, _ in self.book.depth(count + 1)[side].tolist():
                for order_id, _, _ in self.book.queue(side, price).tolist():
                    found = self.book.order(order_id)
                    assert found is not None
                    self.offers.append(Offer(order_id, side, price, found.size))

    def happen(self) -> None:
        """Something during the call: mostly another order."""
        chance = self.draw.random()
        if chance < 0.8 or not self.offers:
            side, price, size = self.draw.choice([BID, ASK]), self.price(), self.size()
            expires = self.draw.choice([None, None, 5, 15])
            order = self.book.submit(
                side, price, size, account=self.draw.randrange(3), display=self.display(size),
                expires_ns=expires, flags=self.draw.choice([0, 8, 16, 24, 32]),
            )  # fmt: skip
            assert order > 0
            self.offers.append(Offer(order, side, price, size))
            return
        place = self.draw.randrange(len(self.offers))
        self.changed = 1
        old = self.offers[place]
        if chance < 0.9:
            assert self.book.cancel(old.id) == old.lots
            del self.offers[place]
            return
        price, size = self.draw.choice([old.price, self.price()]), self.size()
        assert self.book.amend(old.id, price=price, size=size) == old.id
        changed = Offer(old.id, old.side, price, size)
        if price == old.price and size <= old.lots:
            self.offers[place] = changed
        else:
            del self.offers[place]
            self.offers.append(changed)

    def ticks(self) -> range:
        """All that could be the price: beyond the outermost orders nobody trades."""
        prices = [offer.price for offer in self.offers] or [1]
        return range(max(1, min(prices) - 1), min(self.price_max, max(prices) + 1) + 1)


def uncrossed(book: OrderBook, offers: list[Offer], ticks: range, last: int) -> str:
    """Uncross a book and hold all of it against brute force; say by which rule its price came."""
    price, volume, surplus = clearing(offers, ticks, last)
    assert book.indicative() == (price, volume, surplus)
    expected = trades(offers, price) if price else []
    assert sum(trade.lots for trade in expected) == volume
    assert book.uncross() == price
    fills = book.fills
    assert set(fills["price"].tolist()) <= {price}
    got = [Trade(*row) for row in fills[["maker_order", "taker_order", "size"]].tolist()]
    assert got == expected
    for offer in offers:
        traded = sum(trade.lots for trade in expected if offer.id in (trade.ask, trade.bid))
        left = book.order(offer.id)
        assert (left.size if left else 0) == offer.lots - traded
        if traded:
            assert price is not None
            assert offer.price >= price if offer.side == BID else offer.price <= price
    assert book.collected is None
    assert (book.last or 0) == (price or last)
    if book.best_bid and book.best_ask:
        assert book.best_bid < book.best_ask
    book._check()
    return "none" if price is None else "even" if surplus == 0 else "over"


def test_random_auctions_clear_as_brute_force_does() -> None:
    reached = dict.fromkeys(("none", "even", "over", "changed", "beyond 2**42"), 0)
    for seed in range(AUCTIONS):
        call = Call(Random(seed))
        try:
            reached[uncrossed(call.book, call.offers, call.ticks(), call.last)] += 1
        except AssertionError as error:
            raise AssertionError(f"Random({seed}): {error}") from error
        reached["changed"] += call.changed
        reached["beyond 2**42"] += sum(offer.lots for offer in call.offers) > 2**42
    assert min(reached.values()) >= AUCTIONS // 20, reached


@pytest.mark.parametrize("last", range(5))
def test_every_auction_of_two_bids_and_two_asks(last: int) -> None:
    """Four prices, two sizes, every last trade: 1,296 calls for each."""
    kinds = list(combinations_with_replacement(list(product((1, 2, 3, 4), (1, 2))), 2))
    for bids, asks in product(kinds, kinds):
        book = OrderBook(4)
        if last:
            book.submit(ASK, last, 1)
            book.market(BID, 1)
        book.collect()
        offers = [
            Offer(book.submit(side, price, lots), side, price, lots)
            for side, orders in ((BID, bids), (ASK, asks))
            for price, lots in orders
        ]
        uncrossed(book, offers, range(1, 5), last)
