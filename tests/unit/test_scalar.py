"""The C functions over a book, called as ctypes calls them: they read what the book says."""

from __future__ import annotations

from typing import Any

import pytest

from ordercascade import OrderBook, OrderType, Reject, Side, TimeInForce
from unit.c_functions import function

BID, ASK = Side.BID, Side.ASK
LIMIT, MARKET = OrderType.LIMIT, OrderType.MARKET
GTC, IOC = TimeInForce.GTC, TimeInForce.IOC
LARGE = 2**31


def filled(**how: Any) -> OrderBook:
    """Bids of 1, 2 and 3 lots at 100, 90 and 80; asks of 4 and 5 at 110 and 999."""
    book = OrderBook(1_000, **how)
    for at, (side, price) in enumerate(
        ((BID, 100), (BID, 90), (BID, 80), (ASK, 110), (ASK, 999)), start=1
    ):
        book.submit(side, price, at, account=at)
    return book


def test_levels_are_walked_from_the_best_and_price_0_asks_for_it() -> None:
    book = filled()
    best, beyond, size = function("oc_best", 2), function("oc_next", 3), function("oc_size_at", 3)
    for side, levels in ((BID, [(100, 1), (90, 2), (80, 3)]), (ASK, [(110, 4), (999, 5)])):
        assert best(book.address, side) == beyond(book.address, side, 0) == levels[0][0]
        found, price = [], 0
        while price := beyond(book.address, side, price):
            found.append((price, size(book.address, side, price)))
        assert found == levels
    assert [beyond(book.address, BID, price) for price in (-1, 1_001, 95, 1)] == [0, 0, 90, 0]
    empty = OrderBook(1_000)
    assert best(empty.address, ASK) == beyond(empty.address, ASK, 0) == 0


def test_fills_pile_up_until_they_are_cleared() -> None:
    book = filled()
    submit, clear = function("oc_submit", 8), function("oc_clear", 1)
    count, price, size, maker = (
        function(name, arguments)
        for name, arguments in (
            ("oc_fills", 1), ("oc_fill_price", 2), ("oc_fill_size", 2), ("oc_fill_maker", 2)
        )
    )  # fmt: skip
    makers = [int(book.queue(side, at)["order_id"][0]) for side, at in ((BID, 100), (ASK, 110))]
    assert submit(book.address, MARKET, ASK, 0, 1, 9, IOC, 0) == 0
    assert submit(book.address, LIMIT, BID, 120, 3, 9, GTC, 0) == 0
    assert count(book.address) == 2
    rows = [(price(book.address, row), size(book.address, row), maker(book.address, row))
            for row in (0, 1, 2, -1)]  # fmt: skip
    assert rows == [(100, 1, makers[0]), (110, 3, makers[1]), (0, 0, 0), (0, 0, 0)]
    clear(book.address)
    assert count(book.address) == price(book.address, 0) == 0
    book._check()


@pytest.mark.parametrize("ids", ["own", "external"])
def test_arguments_that_no_row_has_room_for_are_refused_and_change_nothing(ids: str) -> None:
    """256 would be 0 in a byte, and 2^31 negative in an account's four."""
    book = OrderBook(1_000, ids=ids) if ids == "external" else OrderBook(1_000)
    at, before = book.address, book.state_hash()
    send, cancel = function("oc_submit_as", 9), function("oc_cancel", 3)
    amend = function("oc_amend", 5)
    for wrong in (
        (at, 7, 256, BID, 100, 5, 1, GTC, 0),
        (at, 7, LIMIT, 256, 100, 5, 1, GTC, 0),
        (at, 7, LIMIT, BID, 100, 5, LARGE, GTC, 0),
        (at, 7, LIMIT, BID, 100, 5, -2, GTC, 0),
        (at, 7, LIMIT, BID, 100, 5, 1, 256, 0),
        (at, 7, LIMIT, BID, 100, 5, 1, GTC, 256),
        (at, 7, 2, BID, 100, 5, 1, GTC, 0),
        (at, 7, 3, BID, 100, 5, 1, GTC, 0),
    ):
        assert send(*wrong) == Reject.BAD_MESSAGE
    assert cancel(at, 7, LARGE) == amend(at, 7, 1, 1, LARGE) == Reject.BAD_MESSAGE
    assert cancel(at, 7, -1) == amend(at, 7, 1, 1, -1) == Reject.UNKNOWN_ORDER
    assert book.state_hash() == before
    order = send(at, 7, LIMIT, BID, 100, 5, 1, GTC, 0)
    assert order == 7 or ids == "own"
    assert amend(at, order, 99, 4, 1) == order
    assert cancel(at, order, 1) == 4
