"""The doors for files: each reader with a good file, and what the catalogue asks after a refusal.

A reader has no state: nothing but its exception may come out of a bad file (no rows before it), and
the next good file must be read as if nothing had happened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import ordercascade as oc
from data import typed
from data.typed import STEPS, put
from ordercascade.data.binance import binance_levels
from ordercascade.data.hyperliquid import hyperliquid_levels
from ordercascade.data.keyed import bitmex_levels, bybit_levels
from ordercascade.data.lobster import lobster_books, lobster_messages
from ordercascade.data.recorded import neutral_levels, neutral_orders
from ordercascade.data.tardis import tardis_incremental, tardis_snapshots

HALF = {"tick_size": "0.5", "lot_size": "1"}
ORDERS = """\
seq,type,time_ms,order_id,price_1e4,size,side
1,A,30134030,727589,114800,400,BID
2,R,30134031,727589,,300,
3,T,30134031,727589,114800,100,
"""


class FileDoor(NamedTuple):
    """A reader, a good file for it, and what it needs beside the file."""

    read: Callable[..., Iterator[Any]]
    good: str
    steps: dict[str, str]


CSV = {
    "lobster_messages": FileDoor(lobster_messages, typed.LOBSTER_MESSAGES, {}),
    "lobster_books": FileDoor(lobster_books, typed.LOBSTER_BOOK, {}),
    "neutral_orders": FileDoor(neutral_orders, ORDERS, {}),
    "tardis_incremental": FileDoor(tardis_incremental, typed.TARDIS, HALF),
    "tardis_snapshots": FileDoor(tardis_snapshots, typed.TARDIS_SNAPSHOTS, STEPS),
}
HEADED = {k: CSV[k] for k in ("neutral_orders", "tardis_incremental", "tardis_snapshots")}
JSON = {
    "binance": FileDoor(binance_levels, typed.BINANCE, STEPS),
    "bitmex": FileDoor(bitmex_levels, typed.BITMEX, HALF),
    "bybit": FileDoor(bybit_levels, typed.BYBIT, HALF),
    "hyperliquid": FileDoor(hyperliquid_levels, typed.HYPERLIQUID, STEPS),
}
TEXT = CSV | JSON


def each(doors: dict[str, FileDoor]) -> Any:
    """Run a test with each of some doors."""
    return pytest.mark.parametrize("door", doors.values(), ids=doors)


def refused(door: FileDoor, folder: Path, bad: str | bytes, *words: str, **how: Any) -> Any:
    """Assert the class, the file's name and words in the message, no rows, and life afterwards."""
    wanted = list(door.read(put(folder, door.good, "good.txt"), **door.steps))
    return refused_place(door, put(folder, bad, "bad.txt"), wanted, *words, **how)


def refused_place(
    door: FileDoor, place: Any, wanted: list[Any], *words: str, handed: int = 10**9
) -> Any:
    """Assert the same of a place that is there already; at most `handed` chunks come first."""
    came = []
    with pytest.raises(oc.DataFileError) as caught:
        for chunk in door.read(place, **door.steps):
            came.append(chunk)
    assert type(caught.value) is oc.DataFileError
    for word in words:
        assert word in str(caught.value), str(caught.value)
    assert len(str(caught.value)) < 600
    assert len(came) <= handed
    if wanted:
        again = list(
            door.read(put(Path(caught_folder(place)), door.good, "good.txt"), **door.steps)
        )
        assert np.array_equal(np.array(again), np.array(wanted))
    return caught.value


def caught_folder(place: Any) -> str:
    """Return the folder that a place lies in."""
    return str(Path(getattr(place, "path", place)).parent)


def levels_file(folder: Path, name: str = "b.parquet", **columns: Any) -> Path:
    """Write a neutral-l2 file of three rows; `columns` replace arrays or, where None, drop them."""
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    made = {
        "local_ns": pyarrow.array([10, 10, 11], "int64"),
        "exch_ms": pyarrow.array([0, 0, 0], "int64"),
        "ev": pyarrow.array([0, 0, 1], "int8"),
        "side": pyarrow.array([0, 1, 0], "int8"),
        "price_ticks": pyarrow.array([99, 101, 98], "int32"),
        "qty_lots": pyarrow.array([5, 6, 7], "int64"),
        "u": pyarrow.array([7, 7, 8], "int64"),
    }
    for key, array in columns.items():
        made.pop(key, None)
        if array is not None:
            made[key] = array
    parquet.write_table(pyarrow.table(made), folder / name)
    return folder / name


PARQUET = FileDoor(neutral_levels, "", {})
