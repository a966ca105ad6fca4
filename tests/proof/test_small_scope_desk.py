"""Every sequence of four operations out of twenty of the rarer orders: 160,000 on a book.

Icebergs, expiry, stops and take-profits by last and by mark, sliding orders, every way not to
trade with oneself, protection prices and the clock, on five prices and three accounts. Sequences
share their beginnings: a tree of copies, one operation an edge. After each of its 168,420
operations results, fills, what fired and every order are the twin's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from ordercascade.core.book import OrderBook
from ordercascade.enums import OrderFlag, Reject, Side, TimeInForce, TriggerBy
from ordercascade.errors import InputError
from proof.copies import copy_desk
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
FIELDS = list(DeskBook.FILL_FIELDS)
# What must have been reached by the last edges: half of what was, so that it cannot go idle.
REACHED = {
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


def outcome(operation: Callable[..., Any], *arguments: Any) -> Any:
    """What an operation returns, or the argument that it refuses."""
    try:
        return operation(*arguments)
    except InputError as error:
        return f"InputError: {error.field}"


class Books:
    """The tree of books: capacity for three orders and three stops."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.path: list[int] = []
        self.below(OrderBook(5, order_max=3, account_max=2), DeskBook(5, order_max=3))

    def below(self, fast: OrderBook, twin: DeskBook) -> None:
        ids = sorted(twin.orders) or sorted(twin.stops) or [7]
        for number, operation in enumerate(OPERATIONS):
            self.path.append(number)
            try:
                child, like = fast.copy(), copy_desk(twin)
                got, want = outcome(operation, child, ids), outcome(operation, like, ids)
                assert got == want, f"result (compiled, twin) = ({got}, {want})"
                self.same(child, like, want)
                self.counts["expired"] += want if number == 17 else 0
                if len(self.path) < LENGTH:
                    self.below(child, like)
            except AssertionError as error:
                raise AssertionError(f"operations {self.path}: {error}") from error
            self.path.pop()

    def same(self, fast: OrderBook, twin: DeskBook, result: Any) -> None:
        """The full dump: fills, what fired, levels, every order."""
        counts = self.counts
        counts["sequences"] += len(self.path) == LENGTH
        if isinstance(result, int) and result <= -2:
            counts[f"reject {Reject(result).name}"] += 1
        if not isinstance(result, str):
            assert [dict(zip(FIELDS, row, strict=True)) for row in fast.fills[FIELDS].tolist()] == (
                twin.fills
            )
            assert fast.fired.tolist() == twin.fired
            counts["fills"] += len(twin.fills)
            makers = [fill["maker_order"] for fill in twin.fills]
            counts["fills of an iceberg that shows itself anew"] += len(makers) - len(set(makers))
            counts["fired"] += len(twin.fired)
            counts["fired by what was fired"] += len(twin.fired) > 1
        fast._check()
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


def test_every_sequence_of_four_operations_with_the_rarer_orders() -> None:
    counts = Books().counts
    assert counts["sequences"] == len(OPERATIONS) ** LENGTH == 160_000
    for name, least in REACHED.items():
        assert counts[name] >= least, f"{name}: {counts[name]} times, at least {least} expected"
