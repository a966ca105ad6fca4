"""The normal forms every reader turns a file into: columns of whole numbers, int64, one length.

`LevelRows` set the size of a level, `OrderRows` follow single orders, `KeyedRows` are levels that
later messages call by an id. A time is Unix nanoseconds as the recorder received the message,
unless the reader says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import IntEnum
from itertools import islice
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.int64]
CHUNK = 65_536  # rows


class LevelEvent(IntEnum):
    """What a row of `LevelRows` is; the numbers are those of the form neutral-l2."""

    SNAPSHOT = 0
    DIFF = 1
    TRADE = 2
    BEST = 3


class OrderEvent(IntEnum):
    """What a row of `OrderRows` does to its order."""

    ADD = 0
    RESIZE = 1  # size: the lots that are left
    REDUCE = 2  # size: the lots that were cancelled
    FILL = 3  # size: the lots that traded
    DELETE = 4
    TRADE = 5  # a report: the book does not change
    OTHER = 6  # a halt, an auction: the book does not change


class KeyedAction(IntEnum):
    """What a row of `KeyedRows` does to its level."""

    SNAPSHOT = 0
    INSERT = 1
    UPDATE = 2
    DELETE = 3


class LevelRows(NamedTuple):
    """Levels of a book. Rows of one message have one `update` and stand together.

    `event` is a LevelEvent; `side` 0 bid, 1 ask (TRADE: the taker's); `price` in ticks; `size` in
    lots, 0 deletes the level; `update` rises from message to message; `before` is the update that
    the message follows, -1 where the form does not say.
    """

    time_ns: Array
    exchange_ns: Array  # 0 where the form does not say
    event: Array
    side: Array
    price: Array
    size: Array
    update: Array
    before: Array


class OrderRows(NamedTuple):
    """Single orders. `event` is an OrderEvent; `side` 0 bid, 1 ask, -1 unknown; `seq` is the
    file's own number of the row, or its place from 0."""

    time_ns: Array
    seq: Array
    event: Array
    order_id: Array
    side: Array
    price: Array
    size: Array


class KeyedRows(NamedTuple):
    """Levels by id. `action` is a KeyedAction; `price` is 0 where the message does not say."""

    time_ns: Array
    message: Array
    action: Array
    side: Array
    level_id: Array
    price: Array
    size: Array


Rows = TypeVar("Rows", LevelRows, OrderRows, KeyedRows)


def chunks(make: type[Rows], rows: Iterable[tuple[int, ...]], chunk: int = CHUNK) -> Iterator[Rows]:
    """Gather tuples into chunks of at most `chunk` rows, each a `make` of int64 arrays."""
    source = iter(rows)
    while held := list(islice(source, chunk)):
        table = np.array(held, np.int64).reshape(len(held), len(make._fields))
        yield make(*np.ascontiguousarray(table.T))


def joined(make: type[Rows], parts: Iterable[Rows]) -> Rows:
    """Return all chunks as one: the whole file in memory."""
    kept = list(parts)
    if not kept:
        return make(*np.zeros((len(make._fields), 0), np.int64))
    return make(*(np.concatenate(column) for column in zip(*kept, strict=True)))
