"""The paged ladder under the book, seen through an OrderBook over the whole range of prices."""

from __future__ import annotations

import random
from bisect import insort

import pytest

from ordercascade import OrderBook, OrderType, Side

PRICE_MAX = 2**31 - 1
# Where a word, a page and each of the three bitmaps above the pages begin and end.
EDGES = sorted(
    {
        price
        for power in (0, 6, 12, 18, 24, 30, 31)
        for price in (2**power - 1, 2**power, 2**power + 1, 3 * 2**power)
        if 1 <= price <= PRICE_MAX
    }
)


def prices(book: OrderBook, side: Side) -> list[int]:
    """Return the occupied prices of a side in rising order, found by walking the ladder."""
    depth = book.depth(10**9)
    return sorted((depth.bids if side == Side.BID else depth.asks)[:, 0].tolist())


@pytest.mark.parametrize("side", list(Side))
def test_every_edge_of_words_pages_and_bitmaps_is_found_and_cleared(side: Side) -> None:
    book = OrderBook(PRICE_MAX)
    ids = {price: book.submit(side, price, 1) for price in EDGES}
    assert prices(book, side) == EDGES
    for price in EDGES[::2]:
        book.cancel(ids[price])
        book._check()
    assert prices(book, side) == EDGES[1::2]


@pytest.mark.parametrize("side", list(Side))
def test_the_next_best_price_may_lie_any_distance_behind(side: Side) -> None:
    """Cancel the best level again and again: the best is always the next edge."""
    book = OrderBook(PRICE_MAX)
    ids = {price: book.submit(side, price, 1) for price in EDGES}
    for price in EDGES[::-1] if side == Side.BID else EDGES:
        assert (book.best_bid if side == Side.BID else book.best_ask) == price
        book.cancel(ids[price])
    assert book.best_bid is None
    assert book.best_ask is None


@pytest.mark.parametrize("seed", range(4))
def test_sparse_prices_agree_with_a_sorted_list(seed: int) -> None:
    """Bids below the middle and asks above it come and go at random; both sides stay sorted."""
    draw = random.Random(seed)
    book = OrderBook(PRICE_MAX)
    middle = draw.choice(EDGES[8:-2])
    held: dict[Side, list[int]] = {Side.BID: [], Side.ASK: []}
    ids: dict[tuple[Side, int], int] = {}
    for _ in range(600):
        side = draw.choice(list(Side))
        spread = 2 ** draw.randrange(31)
        away = draw.randrange(spread) + (side == Side.ASK)
        price = min(max(middle + (away if side == Side.ASK else -away), 1), PRICE_MAX)
        if (price > middle) != (side == Side.ASK):
            continue
        if (side, price) in ids:
            book.cancel(ids.pop((side, price)))
            held[side].remove(price)
        else:
            ids[side, price] = book.submit(side, price, 1)
            insort(held[side], price)
        assert book.best_bid == (held[Side.BID][-1] if held[Side.BID] else None)
        assert book.best_ask == (held[Side.ASK][0] if held[Side.ASK] else None)
    assert prices(book, Side.BID) == held[Side.BID]
    assert prices(book, Side.ASK) == held[Side.ASK]
    book._check()


def test_a_market_order_walks_over_empty_pages_from_end_to_end() -> None:
    book = OrderBook(PRICE_MAX)
    for price in EDGES:
        book.submit(Side.ASK, price, 2)
    book.submit(Side.BID, 1, 2 * len(EDGES), type=OrderType.MARKET)
    assert book.fills["price"].tolist() == EDGES
    assert book.best_ask is None
    book._check()


def test_a_range_of_one_tick_has_one_price() -> None:
    book = OrderBook(1)
    book.submit(Side.BID, 1, 3)
    assert book.best_bid == 1
    assert book.market(Side.ASK, 3) == 0
    assert book.best_bid is None


@pytest.mark.parametrize("price_max", [63, 64, 4095, 4096, 2**18 - 1, 2**18, 2**24, 2**30])
def test_the_last_price_of_a_range_works_like_any_other(price_max: int) -> None:
    book = OrderBook(price_max)
    book.submit(Side.ASK, price_max, 5)
    book.submit(Side.BID, price_max - 1, 5)
    assert (book.best_bid, book.best_ask) == (price_max - 1, price_max)
    book.submit(Side.BID, price_max, 7)
    assert (book.best_bid, book.best_ask) == (price_max, None)
    book._check()
