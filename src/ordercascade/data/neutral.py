"""The `neutral-l2` form of a recorded book: a snapshot and its diffs, replayed to a chosen time.

One Parquet file: local_ns (receipt, Unix ns), exch_ms, ev (0 snapshot, 1 diff, 2 trade, 3 best),
side, price_ticks, qty_lots (0 deletes a level), u (update id). The snapshot of the largest update
id received by then counts; diffs with an id at or above its own follow in the order of their ids.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ordercascade.data.table import parquet_table
from ordercascade.errors import DataFileError

Array = npt.NDArray[np.int64]

SNAPSHOT = 0
DIFF = 1
_TYPES: dict[str, tuple[str, ...]] = {
    "local_ns": ("int64",),
    "exch_ms": ("int64",),
    "ev": ("int8",),
    "side": ("int8",),
    "price_ticks": ("int32", "int64"),
    "qty_lots": ("int64",),
    "u": ("int64",),
}


class Levels(NamedTuple):
    """A book as whole numbers: rows (price, size), each side best first."""

    bids: Array
    asks: Array


def read_l2(path: Path) -> dict[str, Array]:
    """Return the columns of a `neutral-l2` file as int64 arrays."""
    table: Any = parquet_table(path, _TYPES)
    columns = {name: table.column(name).to_numpy().astype(np.int64) for name in _TYPES}
    book = columns["ev"] <= DIFF
    _judge(path.name, "side", columns["side"], low=0, high=1, rows=book)
    _judge(path.name, "price_ticks", columns["price_ticks"], low=1, high=2**31 - 1, rows=book)
    _judge(path.name, "qty_lots", columns["qty_lots"], low=0, high=2**40, rows=book)
    return columns


def book_at(path: Path, at_ns: int | None = None) -> Levels:
    """Return the book as it stood when the update received last by `at_ns` had been applied."""
    columns = read_l2(path)
    seen = np.ones(len(columns["ev"]), bool) if at_ns is None else columns["local_ns"] <= at_ns
    levels = replay(columns, seen)
    if levels is None:
        first = columns["local_ns"][columns["ev"] == SNAPSHOT]
        start = int(first.min()) if len(first) else None
        rule = f"has no snapshot by {at_ns} ns; the first is at {start} ns"
        raise DataFileError(path.name, rule, column="local_ns")
    if len(levels.bids) and len(levels.asks) and levels.bids[0, 0] >= levels.asks[0, 0]:
        best = f"{levels.bids[0, 0]} >= {levels.asks[0, 0]}"
        raise DataFileError(path.name, f"the book is crossed at {at_ns} ns: {best}")
    return levels


def replay(columns: dict[str, Array], seen: npt.NDArray[np.bool_]) -> Levels | None:
    """Return the book after the rows in `seen`; None where no snapshot is among them."""
    kind, update = columns["ev"], columns["u"]
    snapshots = update[seen & (kind == SNAPSHOT)]
    if len(snapshots) == 0:
        return None
    start = snapshots.max()
    base = np.flatnonzero(seen & (kind == SNAPSHOT) & (update == start))
    diffs = np.flatnonzero(seen & (kind == DIFF) & (update >= start))
    diffs = diffs[np.argsort(update[diffs], kind="stable")]
    rows = np.concatenate([base, diffs])
    side, price = columns["side"][rows], columns["price_ticks"][rows]
    size = columns["qty_lots"][rows]
    # The last word on a level stands: unique on the reversed rows finds it.
    key = (side << 32) | price
    _, last = np.unique(key[::-1], return_index=True)
    last = len(rows) - 1 - last
    last = last[size[last] > 0]
    pairs = np.stack([price[last], size[last]], axis=1)
    bids, asks = pairs[side[last] == 0], pairs[side[last] == 1]
    return Levels(bids[::-1].copy(), asks.copy())


def _judge(
    file: str, column: str, values: Array, *, low: int, high: int, rows: npt.NDArray[np.bool_]
) -> None:
    bad = np.flatnonzero(rows & ((values < low) | (values > high)))
    if len(bad):
        value = int(values[bad[0]])
        rule = f"must be in [{low}, {high}]"
        raise DataFileError(file, rule, row=int(bad[0]), column=column, value=value)
