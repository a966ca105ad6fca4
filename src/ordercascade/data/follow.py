"""Follow recorded rows into books: levels into a LevelBook, single orders into OrderBooks.

A feed is fed chunk by chunk; what it says that cannot be followed is counted, not hidden.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import numpy as np

from ordercascade.core.book import OrderBook
from ordercascade.core.levels import LevelBook
from ordercascade.data.forms import (
    Array,
    KeyedAction,
    KeyedRows,
    LevelEvent,
    LevelRows,
    OrderEvent,
    OrderRows,
    joined,
)
from ordercascade.data.numbers import PRICE_MAX

# A snapshot asked for by REST comes some seconds after the diffs it must be joined to.
HISTORY_MAX = 2**18  # rows
ORDER_MAX = 2**30 - 1


class Tops(NamedTuple):
    """The top of the book after each message: one row a message."""

    time_ns: Array
    event: Array  # LevelEvent.SNAPSHOT or DIFF
    update: Array
    top: Array  # (n, 4): best bid, its size, best ask, its size; 0 where a side is empty


class LevelFollower:
    """Follow LevelRows: a snapshot replaces the book, and diffs from its update on follow it.

    Diffs received before a snapshot and newer than it are applied again after it, from a history
    of 2**18 rows. Without a snapshot there is no book: the rows wait in the history.
    """

    def __init__(self, price_max: int = PRICE_MAX) -> None:
        self.book = LevelBook(price_max)
        self.applied = 0  # level updates of diffs
        self.messages = 0  # diffs
        self.snapshots = 0
        self.dropped = 0  # diffs older than their snapshot
        self.gaps = 0  # messages that do not follow the one before
        self.late = 0  # messages with a lower update than one before
        self.crossed = 0  # messages after which the best bid is not below the best ask
        self.time_ns = 0  # of the last row
        self._start = -1  # the update of the snapshot
        self._last = -1
        self._fresh = False  # no diff since the snapshot
        self._held: LevelRows | None = None
        self._history: deque[LevelRows] = deque()
        self._history_rows = 0

    def feed(self, rows: LevelRows) -> Tops:
        """Apply the messages of a chunk, all but the last, which may go on in the next chunk."""
        kept = rows.event <= LevelEvent.DIFF
        found = LevelRows(*(column[kept] for column in rows))
        if self._held is not None:
            found = joined(LevelRows, [self._held, found])
        if len(found.event) == 0:
            return no_tops()
        begins = _begins(found)
        last = int(begins[-1])
        self._held = LevelRows(*(column[last:] for column in found))
        return self._run(LevelRows(*(column[:last] for column in found)), begins[:-1])

    def finish(self) -> Tops:
        """Apply what was held back; the file has ended."""
        held, self._held = self._held, None
        if held is None:
            return no_tops()
        return self._run(held, np.zeros(1, np.int64))

    def _run(self, rows: LevelRows, begins: Array) -> Tops:
        """Apply whole messages, in runs of diffs between snapshots."""
        parts: list[Tops] = []
        ends = np.append(begins[1:], len(rows.event))
        whole = np.flatnonzero(rows.event[begins] == LevelEvent.SNAPSHOT) if len(begins) else begins
        at = 0
        for message in [*whole.tolist(), len(begins)]:
            if message > at:
                run = slice(int(begins[at]), int(ends[message - 1]))
                piece = LevelRows(*(column[run] for column in rows))
                parts.append(self._diffs(piece, begins[at:message] - begins[at]))
                self._remember(piece)
            if message < len(begins):
                run = slice(int(begins[message]), int(ends[message]))
                parts.append(self._snapshot(LevelRows(*(column[run] for column in rows))))
            at = message + 1
        return tops_of(parts)

    def _snapshot(self, rows: LevelRows) -> Tops:
        self.book.clear()
        self.snapshots += 1
        self._start = self._last = int(rows.update[0])
        self._fresh = True
        self.time_ns = int(rows.time_ns[-1])
        tops = self._applied(rows, np.array([len(rows.event)], np.int64), np.zeros(1, np.int64))
        parts = [tops]
        for piece in self._history:
            if int(piece.update.max()) >= self._start:
                parts.append(self._diffs(piece, _begins(piece)))
        return tops_of(parts)

    def _diffs(self, rows: LevelRows, begins: Array) -> Tops:
        """Apply diffs that are not older than the snapshot."""
        if self._start < 0:
            return no_tops()
        if (rows.update < self._start).any():
            self.dropped += int((rows.update[begins] < self._start).sum())
            rows = LevelRows(*(column[rows.update >= self._start] for column in rows))
            begins = _begins(rows) if len(rows.event) else begins[:0]
        if len(begins) == 0:
            return no_tops()
        self._count(rows.update[begins], rows.before[begins])
        self.messages += len(begins)
        self.applied += len(rows.event)
        self.time_ns = max(self.time_ns, int(rows.time_ns[-1]))
        return self._applied(rows, np.append(begins[1:], len(rows.event)), begins)

    def _count(self, update: Array, before: Array) -> None:
        """Count what does not follow: the first diff reaches over its snapshot, then all join."""
        previous = np.concatenate([[self._last], update[:-1]])
        told = before >= 0
        apart = told & (before != previous)
        if self._fresh and told[0]:
            apart[0] = before[0] > self._start
        self.gaps += int(apart.sum())
        self.late += int((update < np.maximum.accumulate(previous)).sum())
        self._last, self._fresh = int(update[-1]), False

    def _applied(self, rows: LevelRows, ends: Array, begins: Array) -> Tops:
        top = self.book.apply(rows.side, rows.price, rows.size, ends=ends)
        if top is None:  # Only without `ends`.
            return no_tops()
        self.crossed += int(((top[:, 0] >= top[:, 2]) & (top[:, 2] > 0)).sum())
        return Tops(rows.time_ns[begins], rows.event[begins], rows.update[begins], top)

    def _remember(self, rows: LevelRows) -> None:
        self._history.append(rows)
        self._history_rows += len(rows.event)
        while self._history_rows - len(self._history[0].event) >= HISTORY_MAX:
            self._history_rows -= len(self._history.popleft().event)


def _begins(rows: LevelRows) -> Array:
    """Return where each message begins."""
    turn = (np.diff(rows.update) != 0) | (np.diff(rows.event) != 0)
    return np.concatenate([[0], np.flatnonzero(turn) + 1]).astype(np.int64)


def no_tops() -> Tops:
    none = np.zeros(0, np.int64)
    return Tops(none, none, none, np.zeros((0, 4), np.int64))


def tops_of(parts: list[Tops]) -> Tops:
    if not parts:
        return no_tops()
    return Tops(*(np.concatenate(column) for column in zip(*parts, strict=True)))


class KeyFollower:
    """Turn KeyedRows into LevelRows: remember which side and price an id stands for."""

    def __init__(self) -> None:
        self.levels: dict[int, tuple[int, int]] = {}
        self.unknown = 0  # updates and deletes of ids that are not there
        self.duplicates = 0  # inserts of ids that are there
        self._message = -1

    def feed(self, rows: KeyedRows) -> LevelRows:
        """Return the level rows of a chunk; unknown ids are counted and left out."""
        made: list[tuple[int, ...]] = []
        snapshot, diff = int(LevelEvent.SNAPSHOT), int(LevelEvent.DIFF)
        for time_ns, message, action, side, key, price, size in zip(
            *(column.tolist() for column in rows), strict=True
        ):
            if action == KeyedAction.SNAPSHOT:
                if message != self._message:
                    self.levels.clear()
                    self._message = message
                self.levels[key] = (side, price)
                made.append((time_ns, 0, snapshot, side, price, size, message, -1))
                continue
            if action == KeyedAction.INSERT:
                self.duplicates += key in self.levels
            elif key not in self.levels:
                self.unknown += 1
                continue
            else:
                side, price = self.levels[key]
            if action == KeyedAction.DELETE:
                del self.levels[key]
                size = 0
            else:
                self.levels[key] = (side, price)
            made.append((time_ns, 0, diff, side, price, size, message, -1))
        table = np.array(made, np.int64).reshape(len(made), len(LevelRows._fields))
        return LevelRows(*np.ascontiguousarray(table.T))


class OrderFollower:
    """Follow OrderRows: each side in an OrderBook of its own, so that nothing is matched.

    A feed reports a taker before its trades: for a moment its book is crossed, and one that
    matches would trade on its own.
    """

    def __init__(self, price_max: int = PRICE_MAX, order_max: int = ORDER_MAX) -> None:
        self.sides = tuple(OrderBook(price_max, order_max=order_max) for _ in range(2))
        self.ids: dict[int, tuple[int, int]] = {}  # the feed's id: side, the book's id
        self.counts = dict.fromkeys(OrderEvent, 0)
        self.unknown = dict.fromkeys(OrderEvent, 0)  # events of orders that are not there
        self.duplicates = 0  # adds of orders that are there; the newer one stays
        self.time_ns = 0

    def feed(self, rows: OrderRows) -> None:
        """Apply a chunk."""
        if len(rows.event):
            self.time_ns = int(rows.time_ns[-1])
        for event, order_id, side, price, size in zip(
            *(c.tolist() for c in (rows.event, rows.order_id, rows.side, rows.price, rows.size)),
            strict=True,
        ):
            self.counts[event] += 1
            if event == OrderEvent.ADD:
                self._add(order_id, side, price, size)
            elif event < OrderEvent.TRADE:
                if order_id in self.ids:
                    self._change(event, order_id, size)
                else:
                    self.unknown[event] += 1

    def _add(self, order_id: int, side: int, price: int, size: int) -> None:
        if order_id in self.ids:
            self.duplicates += 1
            self._change(OrderEvent.DELETE, order_id, 0)
        self.ids[order_id] = side, self.sides[side].submit(side, price, size)

    def _change(self, event: int, order_id: int, size: int) -> None:
        side, handle = self.ids[order_id]
        book = self.sides[side]
        if event in (OrderEvent.REDUCE, OrderEvent.FILL):
            order = book.order(handle)
            size = max(0, order.size - size) if order else 0
        if event == OrderEvent.DELETE or size == 0:
            book.cancel(handle)
            del self.ids[order_id]
        else:
            book.amend(handle, size=size)

    @property
    def best_bid(self) -> int | None:
        """The highest bid price, or None."""
        return self.sides[0].best_bid

    @property
    def best_ask(self) -> int | None:
        """The lowest ask price, or None."""
        return self.sides[1].best_ask

    def orders(self) -> Array:
        """Return what rests: int64 (n, 4), rows (the feed's id, side, price, size), by id."""
        rows = []
        for order_id, (side, handle) in sorted(self.ids.items()):
            order = self.sides[side].order(handle)
            if order is not None:
                rows.append((order_id, side, order.price, order.size))
        return np.array(rows, np.int64).reshape(len(rows), 4)
