"""The book of recorded levels, against a dictionary that is obviously right."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ordercascade as oc
from ordercascade.core.levels import LevelBook

BID, ASK = 0, 1
PRICE_MAX = 20_000  # five pages of the ladder


class Twin:
    """Two dictionaries of price to size."""

    def __init__(self) -> None:
        self.sides: tuple[dict[int, int], dict[int, int]] = ({}, {})

    def set(self, side: int, price: int, size: int) -> None:
        self.sides[side].pop(price, None)
        if size:
            self.sides[side][price] = size

    def depth(self, side: int) -> list[list[int]]:
        rows = sorted(self.sides[side].items(), reverse=side == BID)
        return [list(row) for row in rows]

    def top(self) -> list[int]:
        return [cell for side in (BID, ASK) for cell in (self.depth(side) or [[0, 0]])[0]]


prices = st.one_of(
    st.integers(1, PRICE_MAX), st.sampled_from([1, 4095, 4096, 8191, 8192, PRICE_MAX])
)
rows = st.lists(st.tuples(st.integers(0, 1), prices, st.sampled_from([0, 0, 1, 7, 2**62])))


def columns(found: list[tuple[int, int, int]]) -> tuple[np.ndarray, ...]:
    table = np.array(found, np.int64).reshape(-1, 3)
    return tuple(np.ascontiguousarray(column) for column in table.T)


@given(rows, rows)
def test_the_book_is_a_dictionary_a_side(
    first: list[tuple[int, int, int]], second: list[tuple[int, int, int]]
) -> None:
    """Bulk with the top after each row, a clear in between, and single calls after it."""
    book, twin = LevelBook(PRICE_MAX), Twin()
    tops = book.apply(*columns(first), ends=np.arange(1, len(first) + 1))
    assert tops is not None
    for row, top in zip(first, tops.tolist(), strict=True):
        twin.set(*row)
        assert top == twin.top()
    book._check()
    assert book.depth(10**9).bids.tolist() == twin.depth(BID)
    assert book.depth(10**9).asks.tolist() == twin.depth(ASK)
    book.clear()
    book._check()
    assert len(book) == 0 and book.best_bid is None and book.best_ask is None
    twin = Twin()
    for row in second:
        book.set(*row)
        twin.set(*row)
        book._check()
        assert book.size_at(row[0], row[1]) == row[2]
    assert [book.count(side) for side in (BID, ASK)] == [len(s) for s in twin.sides]
    assert [book.best_bid or 0, book.best_ask or 0] == twin.top()[::2]
    assert book.depth(2).asks.tolist() == twin.depth(ASK)[:2]


def test_a_feed_may_leave_the_book_crossed() -> None:
    book = LevelBook(1000)
    book.set(BID, 105, 3)
    book.set(ASK, 101, 4)
    book._check()
    assert (book.best_bid, book.best_ask) == (105, 101)
    assert repr(book) == "LevelBook(2 levels, bid 3 @ 105, ask 4 @ 101)"


def test_tops_are_taken_after_as_many_rows_as_asked_for() -> None:
    book = LevelBook(1000)
    side, price, size = columns([(0, 99, 5), (1, 101, 6), (0, 99, 0)])
    tops = book.apply(side, price, size, ends=[0, 2, 2, 3])
    assert tops is not None
    assert tops.tolist() == [[0, 0, 0, 0], [99, 5, 101, 6], [99, 5, 101, 6], [0, 0, 101, 6]]
    assert book.apply(side[:0], price[:0], size[:0]) is None


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ((2, 99, 1), "side must be 0 (bid) or 1 (ask), got 2 (row 1)"),
        ((-1, 99, 1), "side must be 0 (bid) or 1 (ask), got -1 (row 1)"),
        ((0, 0, 1), "price must be in [1, price_max=1000], got 0 (row 1)"),
        ((0, 1001, 1), "price must be in [1, price_max=1000], got 1001 (row 1)"),
        ((0, 99, -1), "size must be in [0, 2**62], got -1 (row 1)"),
        ((0, 99, 2**62 + 1), "size must be in [0, 2**62], got 4611686018427387905 (row 1)"),
    ],
)
def test_a_bad_row_is_named_and_none_is_applied(row: tuple[int, int, int], said: str) -> None:
    book = LevelBook(1000)
    with pytest.raises(oc.InputError) as caught:
        book.apply(*columns([(0, 98, 5), row]))
    assert str(caught.value) == said
    assert len(book) == 0
    book._check()


@pytest.mark.parametrize("ends", [[2], [-1], [1, 0]])
def test_ends_ascend_within_the_rows(ends: list[int]) -> None:
    book = LevelBook(1000)
    with pytest.raises(oc.InputError, match="ends must ascend"):
        book.apply(*columns([(0, 98, 5)]), ends=ends)
    assert len(book) == 0


def test_bad_C01_to_C23_columns_are_whole_numbers_of_one_length(tmp_path: Path) -> None:
    book = LevelBook(1000)
    side, price, size = columns([(0, 98, 5), (0, 97, 5)])
    masked = np.ma.masked_array(price, [True, False])
    mapped = np.memmap(tmp_path / "m", np.int64, "w+", shape=(2,))
    for bad, kind in (
        (price.astype(float), oc.InputTypeError),
        (price.astype(object), oc.InputTypeError),
        (np.array([True, False]), oc.InputTypeError),
        (np.array([98, 2**63], np.uint64), oc.RangeError),
        (price[:1], oc.InputError),
        (price.reshape(2, 1), oc.InputError),
        (None, oc.InputError),
        (masked, oc.InputTypeError),
        (mapped, oc.InputTypeError),
    ):
        with pytest.raises(kind):
            book.apply(side, bad, size)
        assert len(book) == 0
    # Swapped bytes, strides, other widths and read-only rows are whole numbers all the same.
    frozen = size.copy()
    frozen.flags.writeable = False
    book.apply(side.astype("i1"), price.astype(">i4"), frozen)
    book.apply(np.array([0, 9, 0, 9])[::2], price, size)
    assert book.depth(9).bids.tolist() == [[98, 5], [97, 5]]


def test_bad_C09_unaligned_columns_are_copied() -> None:
    raw = bytearray(8 * 3 + 1)
    price = np.frombuffer(memoryview(raw)[1:], np.int64)
    price[:] = [9, 8, 7]
    assert not price.flags.aligned
    book = LevelBook(1000)
    book.apply(np.zeros(3, np.int64), price, np.ones(3, np.int64))
    assert book.depth(9).bids[:, 0].tolist() == [9, 8, 7]


def test_a_wide_range_costs_nothing_until_it_is_used() -> None:
    book = LevelBook(2**31 - 1)
    book.set(ASK, 2**31 - 1, 1)
    book.set(BID, 1, 1)
    assert book.depth(5).bids.tolist() == [[1, 1]]
    assert (book.best_bid, book.best_ask, book.price_max) == (1, 2**31 - 1, 2**31 - 1)


def test_a_level_book_is_not_copied_by_accident_nor_made_twice() -> None:
    book = LevelBook(1000)
    for how in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(oc.InputTypeError):
            how(book)
    with pytest.raises((TypeError, RuntimeError, ValueError)):
        book.__init__(1000)  # type: ignore[misc]
    for bad in (0, 2**31, 1.0, True):
        with pytest.raises((oc.InputError, oc.InputTypeError)):
            LevelBook(bad)  # type: ignore[arg-type]
