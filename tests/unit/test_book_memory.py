"""What a book weighs, and that a message in a warm book takes no memory."""

from __future__ import annotations

import ctypes
import os
import resource
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ordercascade import OrderBook, OrderType
from ordercascade.core.book import MESSAGE_DTYPE

PIECE = 2**14
linux = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no /proc here")


def weight(make: Callable[[], Any]) -> tuple[int, Any]:
    """Return the bytes that something keeps, and the thing."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        made = make()
        return tracemalloc.get_traced_memory()[0] - before, made
    finally:
        tracemalloc.stop()


def limits(count: int, price: int | np.ndarray = 5) -> np.ndarray:
    rows = np.zeros(count, MESSAGE_DTYPE)
    rows["price"], rows["size"], rows["order_id"] = price, 1, np.arange(1, count + 1)
    return rows


def resident() -> int:
    """The bytes of this process that are in memory and not free."""
    ctypes.CDLL(None).malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def touched(count: int, prices: int, ids: Any) -> float:
    """The bytes an order that a book with so many orders on so many levels has touched."""
    rows = limits(count, np.arange(count) % prices + 1)
    books = [OrderBook(2**17, order_max=2**22, ids=ids) for _ in range(2)]
    books[0].apply(rows[:PIECE])  # whatever comes with the first batch
    before = resident()
    for start in range(0, count, PIECE):
        books[1].apply(rows[start : start + PIECE])
    grown = resident() - before
    if len(books[1]) != count:
        raise AssertionError(len(books[1]))
    return grown / count


def in_a_process(count: int, prices: int, ids: str) -> float:
    """touched(), where nothing that was freed before can hide anything."""
    code = f"from unit.test_book_memory import touched; print(touched({count}, {prices}, {ids!r}))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


def test_an_empty_book_over_ten_million_ticks_weighs_less_than_two_megabytes() -> None:
    assert weight(lambda: OrderBook(10**7))[0] < 2 * 10**6


@linux
@pytest.mark.parametrize("count", [10**6, 1_300_000])
def test_a_resting_order_weighs_at_most_48_bytes(count: int) -> None:
    """A row of 32 bytes and 8 of links; what was made for more orders has not been touched."""
    assert 40 <= in_a_process(count, 1, "own") <= 48


@linux
@pytest.mark.parametrize(("count", "most"), [(10**6, 104), (1_060_000, 152)])
def test_the_caller_s_ids_add_some_fifty_to_a_hundred_bytes_an_order(count: int, most: int) -> None:
    """A row of 16, and cells of 16 of which a quarter to a half are taken; both double."""
    assert in_a_process(count, 1, "external") <= most


@linux
def test_a_level_weighs_at_most_24_bytes_within_its_page() -> None:
    """4,096 ticks a page: a row of 16 bytes and a bit each. Here every tick has four orders."""
    count, levels = 2**19, 2**17 - 4096
    flat, spread = (in_a_process(count, prices, "own") for prices in (1, levels))
    assert 16 * levels <= (spread - flat) * count <= 24 * levels


def churn(rounds: int) -> np.ndarray:
    """Orders that rest, trade, are amended and cancelled; by ids 1 .. 40."""
    rows = np.zeros(8 * rounds, MESSAGE_DTYPE)
    for k in range(rounds):
        name = k % 40 + 1
        part = rows[8 * k : 8 * k + 8]
        part["order_id"] = [name, name + 40, name, 0, name + 80, name + 80, name + 40, name]
        part["type"] = [0, 0, 3, 1, 0, 2, 2, 2]
        part["side"] = [0, 1, 0, 1, 0, 0, 0, 0]
        part["price"] = [50 - k % 7, 60 + k % 5, 0, 0, 40, 0, 0, 0]
        part["size"] = [5, 4, 3, 2, 1, 0, 0, 0]
        part["account"] = [1, 2, -1, 3, 4, -1, -1, -1]
    return rows


@pytest.mark.parametrize("ids", ["own", "external"])
def test_a_message_in_a_warm_book_allocates_nothing(ids: Any) -> None:
    """Ten thousand batches leave as much as ten did, and no peak beyond one answer's array."""
    book = OrderBook(1000, ids=ids)
    rows = churn(40)
    if ids == "own":
        rows = rows[(rows["type"] != OrderType.CANCEL) & (rows["type"] != OrderType.AMEND)]
        rows["account"][rows["type"] == OrderType.LIMIT] = 1
    names = np.zeros(2, MESSAGE_DTYPE)
    names["type"], names["size"], names["side"] = OrderType.MARKET, 2**30, [0, 1]
    for _ in range(10):
        book.apply(rows)
        book.apply(names)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        for _ in range(2_000):
            book.apply(rows)
            book.apply(names)
        now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    fills = 56 * 200
    assert now - before < fills
    assert peak - before < 2 * fills
    book._check()


def test_ids_that_never_come_again_leave_nothing_behind() -> None:
    """A million names, of which a hundred rest at a time."""
    book = OrderBook(1000, ids="external")

    def play(first: int, batches: int) -> None:
        for k in range(batches):
            names = np.arange(first + 100 * k, first + 100 * k + 100)
            rows = limits(200, 500)
            rows["order_id"] = np.concatenate([names, names])
            rows["type"][100:], rows["account"][100:] = OrderType.CANCEL, -1
            book.apply(rows)

    play(1, 10)
    grown, _ = weight(lambda: play(10**6, 1_000))
    assert grown < 10_000
    assert len(book) == 0
    book._check()


def test_the_answers_to_a_large_batch_are_let_go_by_the_next_small_one() -> None:
    """A million and a half unknown orders cancelled: 12 MB of results, then those of one row."""
    rows = np.zeros(3 * 2**19, MESSAGE_DTYPE)
    rows["type"], rows["order_id"] = OrderType.CANCEL, 5
    book = OrderBook(1_000)

    def large() -> None:
        book.apply(rows)
        assert len(book.results) == len(rows)

    def small() -> None:
        book.apply(rows[:1])
        assert len(book.results) == 1

    tracemalloc.start()
    try:
        large()
        kept = tracemalloc.get_traced_memory()[0]
        small()
        assert tracemalloc.get_traced_memory()[0] < kept - 8 * len(rows)
    finally:
        tracemalloc.stop()
