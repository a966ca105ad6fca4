"""Every sequence of four operations out of twenty of the rarer orders: 160,000 on a book, twice.

Icebergs, expiry, stops and take-profits by last and by mark, sliding orders, every way not to
trade with oneself, protection prices and the clock; and the same around call auctions; on five
prices and three accounts. Sequences share their beginnings: a tree of copies, one operation an
edge. After each of its 168,420 operations results, fills, what fired, every queue and every order
are the twin's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from ordercascade.core.book import OrderBook
from ordercascade.enums import OrderFlag, Reject, Side, TimeInForce, TriggerBy
from ordercascade.errors import InputError
from proof.copies import copy_auction
from reference.auction import AuctionBook
from reference.desk import DeskBook, DeskOrder

LENGTH = 4
BID, ASK = Side.BID, Side.ASK
SLIDE = OrderFlag.POST_ONLY | OrderFlag.SLIDE

OPERATIONS: tuple[Callable[..., Any], ...] = (
    lambda book, ids: book.submit(BID, 3, 5, account=1, display=2),
    lambda book, ids: book.submit(ASK, 3, 4, account=2, display=1),
    lambda book, ids: book.submit(BID, 3, 2, account=2, expires_ns=5),
    lambda book, ids: book.submit(ASK, 4, 3, account=1, display=2, expires_ns=9),
    lambda book, ids: book.submit(ASK, 3, 2, account=1),
    lambda book, ids: book.submit(BID, 4, 3, account=2),
    lambda book, ids: book.submit(BID, 4, 4, account=1, flags=OrderFlag.CANCEL_NEWEST),
    lambda book, ids: book.submit(ASK, 3, 4, account=1, flags=OrderFlag.CANCEL_OLDEST),
    lambda book, ids: book.submit(BID, 4, 4, account=1, flags=OrderFlag.CANCEL_BOTH),
    lambda book, ids: book.submit(ASK, 2, 3, account=2, flags=OrderFlag.DECREMENT),
    lambda book, ids: book.submit(
        BID, 4, 3, account=1, tif=TimeInForce.FOK, flags=OrderFlag.CANCEL_OLDEST
    ),
    lambda book, ids: book.submit(BID, 4, 2, account=0, flags=SLIDE),
    lambda book, ids: book.market(ASK, 3, account=0, limit=3),
    lambda book, ids: book.stop(BID, 2, 4, account=0),
    lambda book, ids: book.stop(ASK, 2, 3, price=2, account=2, expires_ns=7),
    lambda book, ids: book.stop(ASK, 1, 4, account=1, take_profit=True, by=TriggerBy.MARK),
    lambda book, ids: book.set_mark(4),
    lambda book, ids: book.advance(book.time_ns + 5),
    lambda book, ids: book.amend(ids[0], size=3, price=4),
    lambda book, ids: book.cancel_all(1, side=ASK),
)
# Around auctions, and what the first twenty leave out.
CALLED: tuple[Callable[..., Any], ...] = (
    lambda book, ids: book.collect(),
    lambda book, ids: book.uncross(),
    lambda book, ids: book.submit(BID, 3, 5, account=1, display=2),
    lambda book, ids: book.submit(ASK, 3, 4, account=2, display=1),
    lambda book, ids: book.submit(BID, 3, 2, account=2, expires_ns=5),
    lambda book, ids: book.submit(ASK, 4, 3, account=1),
    lambda book, ids: book.submit(BID, 5, 3, account=2, flags=OrderFlag.CANCEL_OLDEST),
    lambda book, ids: book.submit(ASK, 2, 6, account=1, flags=OrderFlag.DECREMENT),
    lambda book, ids: book.submit(BID, 3, 2, account=0, flags=OrderFlag.POST_ONLY),
    lambda book, ids: book.submit(ASK, 3, 1, account=0, flags=SLIDE),
    lambda book, ids: book.submit(BID, 3, 3, account=1, tif=TimeInForce.IOC),
    lambda book, ids: book.submit(
        ASK, 3, 4, account=2, tif=TimeInForce.FOK, flags=OrderFlag.DECREMENT
    ),
    lambda book, ids: book.market(BID, 3, account=0),
    lambda book, ids: book.stop(BID, 2, 3, account=0),
    lambda book, ids: book.stop(ASK, 2, 3, price=3, account=2, take_profit=True, display=1),
    lambda book, ids: book.stop(ASK, 1, 3, account=1, by=TriggerBy.MARK),
    lambda book, ids: book.set_mark(2),
    lambda book, ids: book.advance(book.time_ns + 5),
    lambda book, ids: book.amend(ids[0], size=4),
    lambda book, ids: book.cancel(ids[-1], account=1),
)
FIELDS = list(DeskBook.FILL_FIELDS)
# What must have been reached by the edges: half of what was, so that it cannot go idle.
RARE_REACHED = {
    "fills": 22_000,
    "fills of an iceberg that shows itself anew": 4_500,
    "fired": 4_000,
    "fired by what was fired": 170,
    "expired": 470,
    "reject SELF_TRADE": 940,
    "reject FOK_NOT_FILLABLE": 3_500,
    "reject EXPIRED": 640,
    "reject POOL_FULL": 2_200,
    "reject NO_LIQUIDITY": 2_900,
}
CALLED_REACHED = {
    "fills": 9_100,
    "fills of an uncrossing": 3_200,
    "fired": 2_200,
    "fired by an uncrossing": 1_000,
    "fired by what was fired": 110,
    "expired": 480,
    "reject POST_ONLY_WOULD_CROSS": 140,
    "reject FOK_NOT_FILLABLE": 500,
    "reject AUCTION": 18_000,
    "reject EXPIRED": 590,
    "reject NOT_OWNER": 4_100,
    "reject POOL_FULL": 4_900,
    "reject NO_LIQUIDITY": 31,
}


def call(book: Any) -> None:
    """Begin a call phase beside a bid and an iceberg that rest; the last trade was at 4."""
    book.submit(ASK, 4, 1, account=0)
    book.market(BID, 1, account=0)
    book.submit(BID, 3, 1, account=0)
    book.submit(ASK, 4, 4, account=1, display=1)
    book.collect()


def outcome(operation: Callable[..., Any], *arguments: Any) -> Any:
    """What an operation returns, or the argument that it refuses."""
    try:
        return operation(*arguments)
    except InputError as error:
        return f"InputError: {error.field}"


class Books:
    """The tree of books: capacity for three or four orders and as many stops."""

    def __init__(self, operations: tuple[Callable[..., Any], ...]) -> None:
        self.operations = operations
        self.counts: Counter[str] = Counter()
        self.path: list[int] = []
        most = 4 if operations is CALLED else 3
        books = OrderBook(5, order_max=most, account_max=2), AuctionBook(5, order_max=most)
        if operations is CALLED:
            for book in books:
                call(book)
        self.below(*books)

    def below(self, fast: OrderBook, twin: AuctionBook) -> None:
        ids = sorted(twin.orders) or sorted(twin.stops) or [7]
        for number, operation in enumerate(self.operations):
            self.path.append(number)
            try:
                child, like = fast.copy(), copy_auction(twin)
                got, want = outcome(operation, child, ids), outcome(operation, like, ids)
                assert got == want, f"result (compiled, twin) = ({got}, {want})"
                self.same(child, like, want)
                self.count(like, want)
                if len(self.path) < LENGTH:
                    self.below(child, like)
            except AssertionError as error:
                raise AssertionError(f"operations {self.path}: {error}") from error
            self.path.pop()

    def count(self, like: AuctionBook, result: Any) -> None:
        """What the last edge reached."""
        counts, called = self.counts, self.operations is CALLED
        counts["sequences"] += len(self.path) == LENGTH
        if isinstance(result, str):
            return
        if isinstance(result, int) and result <= -2:
            counts[f"reject {Reject(result).name}"] += 1
        makers = [fill["maker_order"] for fill in like.fills]
        counts["expired"] += result if self.path[-1] == 17 else 0
        counts["fills"] += len(makers)
        counts["fired"] += len(like.fired)
        counts["fired by what was fired"] += len(like.fired) > 1
        if called and self.path[-1] == 1:
            counts["fills of an uncrossing"] += len(makers)
            counts["fired by an uncrossing"] += len(like.fired)
        elif not called:
            counts["fills of an iceberg that shows itself anew"] += len(makers) - len(set(makers))

    def same(self, fast: OrderBook, twin: AuctionBook, result: Any) -> None:
        """The full dump: fills, what fired, levels, every queue, every order."""
        if not isinstance(result, str):
            assert [dict(zip(FIELDS, row, strict=True)) for row in fast.fills[FIELDS].tolist()] == (
                twin.fills
            )
            assert fast.fired.tolist() == twin.fired
        fast._check()
        assert (fast.collected, fast.mark or 0, fast.time_ns) == (
            twin.collected, twin.mark, twin.time_ns,
        )  # fmt: skip
        if twin.collecting:
            assert fast.indicative() == twin.indicative()
        for side, levels in enumerate(twin.levels):
            for price, queue in levels.items():
                rows = [(order.id, order.size, order.account) for order in queue]
                assert fast.queue(side, price).tolist() == rows
        assert (len(fast), fast.waiting, fast.last or 0) == (
            len(twin.orders), len(twin.stops), twin.last,
        )  # fmt: skip
        assert [[tuple(row) for row in side.tolist()] for side in fast.depth(5)] == list(
            twin.depth(5)
        )
        for order in twin.orders.values():
            assert isinstance(order, DeskOrder)
            expected = (order.side, order.price, order.open, order.account, order.flags)
            assert fast.order(order.id) == expected


@pytest.mark.parametrize(
    ("operations", "reached"),
    [(OPERATIONS, RARE_REACHED), (CALLED, CALLED_REACHED)],
    ids=["rarer orders", "auctions"],
)
def test_every_sequence_of_four_operations(
    operations: tuple[Callable[..., Any], ...], reached: dict[str, int]
) -> None:
    counts = Books(operations).counts
    assert counts["sequences"] == len(operations) ** LENGTH == 160_000
    for name, least in reached.items():
        assert counts[name] >= least, f"{name}: {counts[name]} times, at least {least} expected"
