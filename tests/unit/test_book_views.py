"""Looking at a book without touching it, held against doing it on a copy."""

from __future__ import annotations

import random

import numpy as np
import pytest

from ordercascade import InputError, OrderBook, Side
from ordercascade.core.shapes import MarketCost

BID, ASK = Side.BID, Side.ASK


def some() -> OrderBook:
    """Bids 99: 5, 98: 7, 90: 1; asks 101: 4, 105: 2 (of 8 lots), 106: 3."""
    book = OrderBook(1000)
    for price, size in ((99, 5), (98, 7), (90, 1)):
        book.submit(BID, price, size, account=price)
    book.submit(ASK, 101, 4)
    book.submit(ASK, 105, 8, display=2)
    book.submit(ASK, 106, 3)
    return book


def test_depth_adds_up_where_it_is_told_to() -> None:
    depth = some().depth(2, cumulative=True)
    assert depth.bids.tolist() == [[99, 5], [98, 12]]
    assert depth.asks.tolist() == [[101, 4], [105, 6]]


def test_grouped_depth_rounds_bids_down_and_asks_up() -> None:
    depth = some().depth(9, group=5)
    assert depth.bids.tolist() == [[95, 12], [90, 1]]
    assert depth.asks.tolist() == [[105, 6], [110, 3]]
    assert some().depth(1, group=1000).asks.tolist() == [[1000, 9]]
    assert some().depth(9, group=10, cumulative=True).bids.tolist() == [[90, 13]]


def test_depth_is_a_copy() -> None:
    book = some()
    before = book.depth(1)
    book.market(ASK, 5)
    assert before.bids.tolist() == [[99, 5]]


def test_a_queue_tells_who_trades_first_and_an_order_where_it_stands() -> None:
    book = OrderBook(1000)
    ids = [book.submit(BID, 50, size, account=size) for size in (3, 1, 2)]
    assert book.queue(BID, 50).tolist() == [(ids[0], 3, 3), (ids[1], 1, 1), (ids[2], 2, 2)]
    assert [book.position(order) for order in ids] == [(0, 0), (1, 3), (2, 4)]
    book.cancel(ids[0])
    assert book.position(ids[2]) == (1, 1)
    assert book.position(ids[0]) is None
    assert len(book.queue(ASK, 50)) == len(book.queue(BID, 51)) == 0


def test_the_cost_of_a_market_order_counts_hidden_lots() -> None:
    """4 at 101, 8 at 105 (6 hidden), 1 at 106."""
    book = some()
    cost = book.cost(BID, 13)
    assert cost == (13, 13, 4 * 101 + 8 * 105 + 106, 3, 101, 106)
    assert cost.vwap == pytest.approx(1350 / 13)
    assert cost.slippage == pytest.approx((1350 - 13 * 101) / 13)
    assert book.cost(ASK, 6).slippage == pytest.approx(1 / 6)
    assert book.cost(BID, 99).filled == 15
    empty = OrderBook(5).cost(BID, 1)
    assert empty == MarketCost(1, 0, 0, 0, None, None)
    assert (empty.vwap, empty.slippage) == (None, None)


def test_a_notional_beyond_64_bits_is_exact() -> None:
    book = OrderBook(2**31 - 1)
    for _ in range(9):
        book.submit(ASK, 2**31 - 1, 2**40)
    assert book.cost(BID, 9 * 2**40).notional == 9 * 2**40 * (2**31 - 1)
    impact = book.impact(BID, [2**31, 9 * 2**40])
    assert impact["notional"].tolist() == [2**31 * (2**31 - 1), 2**63 - 1]


def test_the_impact_curve_is_the_cost_of_each_size() -> None:
    book = some()
    rows = book.impact(BID, np.arange(1, 20))
    for size, filled, notional, levels, worst in rows.tolist():
        assert (size, filled, notional, levels, worst) == (
            size, *book.cost(BID, size)[1:4], book.cost(BID, size).worst,
        )  # fmt: skip
    for sizes in ([3, 2], [0, 1], [1, 2**62 + 1]):
        with pytest.raises(InputError, match="sizes must rise within"):
            book.impact(BID, sizes)
    assert len(book.impact(BID, np.empty(0, int))) == 0
    assert OrderBook(5).impact(BID, [1])["worst"].tolist() == [0]


def test_the_cost_is_what_happens_and_the_book_is_left_alone() -> None:
    draw = random.Random(3)
    for _ in range(300):
        book = OrderBook(60)
        for _ in range(draw.randrange(30)):
            side, size = draw.choice([BID, ASK]), draw.randint(1, 20)
            price = draw.randint(1, 29) if side == BID else draw.randint(30, 60)
            display = draw.choice([None, None, draw.randint(1, size)])
            book.submit(side, price, size, display=display)
        before = book.state_hash()
        side, size = draw.choice([BID, ASK]), draw.randint(1, 200)
        cost = book.cost(side, size)
        assert book.state_hash() == before
        book.market(side, size)
        fills = book.fills
        assert cost.filled == fills["size"].sum()
        assert cost.notional == (fills["size"] * fills["price"]).sum()
        assert cost.levels == len(set(fills["price"].tolist()))
        if len(fills):
            assert (cost.best, cost.worst) == (fills["price"][0], fills["price"][-1])


def test_depth_groups_and_sums_as_the_levels_do() -> None:
    draw = random.Random(4)
    for _ in range(200):
        book = OrderBook(200)
        for _ in range(draw.randrange(40)):
            side = draw.choice([BID, ASK])
            low, high = (1, 99) if side == BID else (100, 200)
            book.submit(side, draw.randint(low, high), draw.randint(1, 9))
        group, most = draw.randint(1, 30), draw.randint(1, 12)
        bids, asks = book.depth(500)
        for side, rows in ((BID, bids.tolist()), (ASK, asks.tolist())):
            found: dict[int, int] = {}
            for price, size in rows:
                of = price // group * group if side == BID else -(-price // group) * group
                found[of] = found.get(of, 0) + size
            assert (
                book.depth(most, group=group)[side].tolist()
                == [[price, size] for price, size in found.items()][:most]
            )


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda book: book.depth(1, group=0), "group must be in"),
        (lambda book: book.queue(2, 5), "side must be in"),
        (lambda book: book.queue(BID, 0), "price must be in"),
        (lambda book: book.cost(BID, 0), "size must be in"),
        (lambda book: book.cost(3, 1), "side must be in"),
    ],
)
def test_questions_outside_their_domain_are_refused(call: object, words: str) -> None:
    with pytest.raises(InputError, match=words):
        call(some())  # type: ignore[operator]
