"""The call auction of a book: the rules of its price, and what happens around it."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from itertools import product

import numpy as np
import pytest

from ordercascade import MESSAGE_DTYPE, OrderBook, OrderFlag, Reject, Side, TimeInForce
from reference.auction import AuctionBook

BID, ASK = Side.BID, Side.ASK
Orders = list[tuple[Side, int, int]]


def called(orders: Orders, *, last: int = 0, price_max: int = 1000) -> OrderBook:
    """A book that has collected (side, price, size) orders; the last trade was at `last`."""
    book = OrderBook(price_max)
    if last:
        book.submit(ASK, last, 1)
        book.market(BID, 1)
    book.collect()
    for number, (side, price, size) in enumerate(orders):
        assert book.submit(side, price, size, account=number) > 0
    return book


def test_nothing_trades_while_orders_are_collected() -> None:
    book = called([(BID, 105, 3), (ASK, 100, 3)])
    assert len(book.fills) == 0
    assert (book.collected, len(book), book.best_bid) == (2, 2, None)
    assert book.submit(BID, 100, 1, tif=TimeInForce.IOC) == Reject.AUCTION
    assert book.market(BID, 1) == Reject.AUCTION
    assert book.submit(BID, 1, 1, flags=OrderFlag.POST_ONLY) == Reject.AUCTION
    book._check()


def test_the_price_is_where_the_most_lots_trade() -> None:
    """At 101: 6 bid, 5 asked; at 100: 6 and 2; at 102: 3 and 5."""
    book = called([(BID, 102, 3), (BID, 101, 3), (ASK, 100, 2), (ASK, 101, 3)])
    assert book.indicative() == (101, 5, 1)
    assert book.uncross() == 101
    assert [row.tolist() for row in book.fills[["price", "size", "taker_account"]]] == [
        (101, 2, 0), (101, 1, 0), (101, 2, 1),
    ]  # fmt: skip
    assert book.depth(1).bids.tolist() == [[101, 1]]
    assert book.collected is None


@pytest.mark.parametrize(
    ("orders", "last", "result"),
    [
        # 3 trade from 100 to 105; bids are left over everywhere: the highest.
        ([(BID, 105, 5), (ASK, 100, 3)], 0, (105, 3, 2)),
        # Asks are left over everywhere: the lowest.
        ([(BID, 105, 3), (ASK, 100, 5)], 0, (100, 3, -2)),
        # Nothing is left over: nearest to the last trade …
        ([(BID, 105, 3), (ASK, 100, 3)], 90, (100, 3, 0)),
        ([(BID, 105, 3), (ASK, 100, 3)], 103, (103, 3, 0)),
        ([(BID, 105, 3), (ASK, 100, 3)], 200, (105, 3, 0)),
        # … or the middle, rounded down, where nothing ever traded.
        ([(BID, 105, 3), (ASK, 100, 3)], 0, (102, 3, 0)),
        # The fewest left over come first: none from 100 to 103, 2 at 99, 1 at 104.
        ([(BID, 104, 3), (BID, 99, 2), (ASK, 99, 3), (ASK, 104, 1)], 0, (101, 3, 0)),
        # 2 are left over on either side of 102: nearest to the last trade.
        ([(BID, 101, 2), (BID, 105, 3), (ASK, 100, 3), (ASK, 102, 2)], 90, (100, 3, 2)),
        ([(BID, 105, 3), (ASK, 106, 3)], 0, (None, 0, 0)),
    ],
)
def test_ties_are_decided_as_the_rules_say(
    orders: Orders, last: int, result: tuple[int | None, int, int]
) -> None:
    book, twin = called(orders, last=last), AuctionBook(200)
    twin.last = last
    twin.collect()
    for side, price, size in orders:
        twin.submit(side, price, size)
    assert book.indicative() == result == twin.indicative()


def test_who_rested_before_trades_before_who_was_collected_at_the_same_price() -> None:
    book = OrderBook(1000)
    rested = book.submit(BID, 100, 2, account=1)
    book.collect()
    better, same = book.submit(BID, 101, 2), book.submit(BID, 100, 2)
    book.submit(ASK, 100, 5, account=2)
    assert book.uncross() == 100
    assert book.fills["taker_order"].tolist() == [better, rested, same]
    assert book.fills["size"].tolist() == [2, 2, 1]
    book._check()


def test_hidden_lots_trade_and_the_account_s_own_orders_too() -> None:
    book = OrderBook(1000)
    book.collect()
    book.submit(ASK, 100, 9, display=2, account=1)
    book.submit(BID, 100, 7, account=1, flags=OrderFlag.CANCEL_OLDEST)
    assert book.indicative() == (100, 7, -2)
    book.uncross()
    assert book.fills["self_trade"].tolist() == [1]
    assert book.depth(1).asks.tolist() == [[100, 2]]
    book._check()


def test_an_amended_order_is_the_newest_and_a_cancelled_one_is_gone() -> None:
    book = OrderBook(1000)
    book.collect()
    first, second, third = (book.submit(BID, 100, 2) for _ in range(3))
    assert book.amend(first, size=3) == first
    assert book.cancel(second) == 2
    book.submit(ASK, 100, 4)
    book.uncross()
    assert book.fills["taker_order"].tolist() == [third, first]


def change_far_away() -> None:
    """Amend to prices never used before: 2**12 ticks are one page, and its rows may move all."""
    for place in range(40):
        book = OrderBook(10**6)
        orders = [book.submit(BID, 10 + k, 3, account=k, display=2) for k in range(place)]
        book.collect()
        orders.append(book.submit(BID, 100, 2, display=1))
        for page, order in enumerate(orders, start=1):
            price = page * 2**12 + 7
            assert book.amend(order, price=price, size=4) == order
            found = book.order(order)
            assert found is not None
            assert found[:3] == (BID, price, 4)
            book._check()
        assert book.collected == place + 1


def test_an_order_that_changes_during_a_call_may_go_where_nobody_was() -> None:
    change_far_away()


def test_no_memory_of_before_is_read_then_told_by_a_process_that_spoils_it() -> None:
    """glibc fills what is freed with other bytes; elsewhere this says less."""
    done = subprocess.run(
        [sys.executable, "-c", "from unit.test_auction import change_far_away as f; f()"],
        env=os.environ | {"MALLOC_PERTURB_": "85", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_the_lots_of_the_other_side_fill_no_level() -> None:
    """2**22 asks of 2**40 lots are all that a level may hold; a bid may be collected there."""
    book = OrderBook(10, order_max=2**23)
    rows = np.zeros(2**18, MESSAGE_DTYPE)
    rows["side"], rows["price"], rows["size"] = ASK, 5, 2**40
    for _ in range(2**4):
        book.apply(rows)
    book.collect()
    assert book.submit(ASK, 5, 1) == Reject.LEVEL_FULL
    bid = book.submit(BID, 5, 2)
    assert bid > 0
    assert book.amend(bid, size=3) == bid
    assert book.indicative() == (5, 3, 3 - 2**62)
    assert book.uncross() == 5


def test_stops_wait_for_the_end_of_the_call_phase() -> None:
    book = called([(BID, 105, 3), (ASK, 105, 5)], last=100)
    stop = book.stop(BID, 1, 100)
    assert book.waiting == 1
    assert book.uncross() == 105
    assert book.fired.tolist() == [(stop, 0)]
    assert [row.tolist() for row in book.fills[["price", "size"]]] == [(105, 3), (105, 1)]


def test_collected_orders_expire() -> None:
    book = OrderBook(1000)
    book.collect()
    book.submit(BID, 100, 2, expires_ns=5)
    assert book.advance(5) == 1
    assert (len(book), book.collected) == (0, 0)
    assert book.uncross() is None
    book._check()


def test_every_auction_of_three_orders_clears_as_brute_force_does() -> None:
    """Two sides, four prices, two sizes: all 4,096 threes, and each with a last trade or none."""
    kinds = list(product((BID, ASK), (1, 2, 3, 4), (1, 2)))
    for last in (0, 2):
        for orders in product(kinds, repeat=3):
            book = called(list(orders), last=last, price_max=5)
            twin = AuctionBook(5)
            twin.last = last
            twin.collect()
            for side, price, size in orders:
                twin.submit(side, price, size)
            assert book.indicative() == twin.indicative(), orders
            assert book.uncross() == twin.uncross()
            assert book.fills["size"].tolist() == [fill["size"] for fill in twin.fills]


def test_random_auctions_of_many_orders_clear_as_brute_force_does() -> None:
    draw = random.Random(5)
    for _ in range(60):
        book, twin = OrderBook(60), AuctionBook(60)
        for both in (book, twin):
            both.submit(ASK, 40, 3)
            both.market(BID, draw.choice([1, 1]))
        for _ in range(draw.randrange(10)):  # These rest before the call.
            side, price = draw.choice([(BID, draw.randint(5, 39)), (ASK, draw.randint(41, 60))])
            size = draw.randint(1, 9)
            for both in (book, twin):
                both.submit(side, price, size, account=price)
        book.collect()
        twin.collect()
        for _ in range(draw.randrange(60)):
            side, price, size = draw.choice([BID, ASK]), draw.randint(20, 60), draw.randint(1, 50)
            display = draw.choice([None, None, draw.randint(1, size)])
            for both in (book, twin):
                both.submit(side, price, size, account=price, display=display)
        assert book.indicative() == twin.indicative()
        assert book.uncross() == twin.uncross()
        names = ["price", "size", "maker_order", "taker_order", "maker_rest"]
        assert [list(row) for row in book.fills[names].tolist()] == [
            [fill[name] for name in names] for fill in twin.fills
        ]
        assert [side.tolist() for side in book.depth(60)] == [
            [list(level) for level in side] for side in twin.depth(60)
        ]
        book._check()
