"""Whoever is called back while a book is read may change it: what is read stays whole."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from ordercascade import OrderBook, OrderFlag, Side

BID, ASK = Side.BID, Side.ASK


@contextmanager
def interrupted(action: Callable[[], object]) -> Iterator[None]:
    """Act at the first Python function that is called, as a finalizer or another thread may."""
    done = False

    def hook(frame: object, event: str, arg: object) -> None:
        nonlocal done
        if event == "call" and not done:
            done = True
            action()

    sys.setprofile(hook)
    try:
        yield
    finally:
        sys.setprofile(None)


@pytest.mark.parametrize(
    ("kind", "name"), [("order", "order"), ("order", "details"), ("stop", "details")]
)
def test_an_order_is_read_whole_though_it_is_replaced_meanwhile(kind: str, name: str) -> None:
    """A slot is used again at once: half of what was read would be the next order's."""
    book = OrderBook(1000)

    def send(side: Side, price: int, size: int, account: int, flags: OrderFlag) -> int:
        if kind == "order":
            return book.submit(side, price, size, account=account, flags=flags, display=1)
        return book.stop(side, size, price, price=price, account=account, flags=flags)

    order = send(BID, 10, 3, 1, OrderFlag.CANCEL_BOTH)
    before = getattr(book, name)(order)

    def replace() -> None:
        book.cancel(order)
        send(ASK, 500, 8, 2, OrderFlag.DECREMENT)

    with interrupted(replace):
        seen = getattr(book, name)(order)
    assert seen == before
    assert getattr(book, name)(order) is None
