"""What the Python door's fuzzer plays, played without it: what it found, and random bytes."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from ordercascade import InputError, OrderBook, Side

HERE = Path(__file__).resolve().parent
FINDINGS = sorted((HERE / "findings" / "door").glob("*"))
RANDOM = int(os.environ.get("ORDERCASCADE_PROOF_INPUTS", 1_000))


@pytest.fixture
def door() -> Iterator[Any]:
    sys.path.insert(0, str(HERE))
    import door

    yield door
    sys.path.remove(str(HERE))


@pytest.mark.parametrize("path", FINDINGS, ids=lambda path: path.name)
def test_inputs_that_found_something_find_nothing_any_more(door: Any, path: Path) -> None:
    assert door.one(path.read_bytes()) > 0


def test_random_bytes_break_nothing_and_every_command_is_called(
    door: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`Random(seed).randbytes(300)` is an input."""
    called: Counter[str] = Counter()

    def counting(name: str, command: Any) -> Any:
        def call(self: Any) -> None:
            called[name] += 1
            command(self)

        return call

    for name in {*door.COMMANDS}:
        monkeypatch.setattr(door.Door, name, counting(name, getattr(door.Door, name)))
    for seed in range(RANDOM):
        try:
            door.one(Random(seed).randbytes(300))
        except Exception as error:
            raise AssertionError(f"Random({seed}): {error!r}") from error
    assert set(called) == set(door.COMMANDS)
    assert min(called.values()) >= RANDOM // 10, called


class Careless(OrderBook):
    """A book whose mark stays where an error left it."""

    def set_mark(self, price: Any) -> None:
        super().set_mark(1)
        super().set_mark(price)


class Forgetful(OrderBook):
    """A book that does not mind who owns an order."""

    def cancel(self, order_id: Any, *, account: Any = None) -> int:
        return super().cancel(order_id)


class Leaking(OrderBook):
    """A book that lets an error of somebody else's out."""

    def advance(self, time_ns: Any) -> int:
        try:
            return super().advance(time_ns)
        except InputError:
            raise KeyError(time_ns) from None


@pytest.mark.parametrize("book", [Careless, Forgetful, Leaking])
def test_a_door_that_is_broken_is_noticed(
    door: Any, monkeypatch: pytest.MonkeyPatch, book: type[OrderBook]
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(door, "OrderBook", book)
        with pytest.raises((AssertionError, KeyError)):
            for seed in range(RANDOM):
                door.one(Random(seed).randbytes(300))


def test_a_class_is_no_number_and_rows_of_several_lengths_are_no_column() -> None:
    """Both came out as errors of Python's own and numpy's."""
    book = OrderBook(10)
    with pytest.raises(TypeError, match="price must be an int number of ticks, got EnumType"):
        book.submit(Side.BID, Side, 1)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="sizes must have one dimension"):
        book.impact(Side.BID, [1, (2, 3)])  # type: ignore[list-item]
