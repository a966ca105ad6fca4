"""Readers of vendor files, on small files typed by hand in the documented forms."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ordercascade as oc
from data import typed
from data.typed import STEPS, put
from ordercascade.data.binance import binance_levels
from ordercascade.data.follow import KeyFollower, LevelFollower, OrderFollower, tops_of
from ordercascade.data.forms import (
    KeyedRows,
    LevelEvent,
    LevelRows,
    OrderEvent,
    OrderRows,
    joined,
)
from ordercascade.data.hyperliquid import hyperliquid_levels
from ordercascade.data.keyed import bitmex_levels, bybit_levels
from ordercascade.data.lobster import lobster_books, lobster_messages
from ordercascade.data.recorded import neutral_keyed
from ordercascade.data.tardis import tardis_incremental, tardis_snapshots

HALF = {"tick_size": "0.5", "lot_size": "1"}
Reader = Callable[..., Iterator[Any]]
ALL: list[tuple[Reader, str, dict[str, str]]] = [
    (binance_levels, typed.BINANCE, STEPS),
    (tardis_incremental, typed.TARDIS, HALF),
    (tardis_snapshots, typed.TARDIS_SNAPSHOTS, STEPS),
    (bitmex_levels, typed.BITMEX, HALF),
    (bybit_levels, typed.BYBIT, HALF),
    (hyperliquid_levels, typed.HYPERLIQUID, STEPS),
    (lobster_messages, typed.LOBSTER_MESSAGES, {}),
]
EACH = pytest.mark.parametrize(
    ("reader", "text", "steps"), ALL, ids=lambda v: getattr(v, "__name__", "")
)


def follow(rows: Iterator[LevelRows]) -> tuple[LevelFollower, list[list[int]]]:
    """Return the follower of level rows and the top after each message."""
    follower = LevelFollower()
    tops = [follower.feed(chunk) for chunk in rows]
    tops.append(follower.finish())
    follower.book._check()
    return follower, tops_of(tops).top.tolist()


@EACH
def test_chunks_of_any_size_hold_the_same_rows(
    tmp_path: Path, reader: Reader, text: str, steps: dict[str, str]
) -> None:
    place = put(tmp_path, text)
    whole = list(reader(place, **steps))
    assert len(whole) == 1
    make = type(whole[0])
    for chunk in (1, 2, 3):
        parts = list(reader(place, **steps, chunk=chunk))
        assert all(0 < len(part[0]) <= chunk for part in parts)
        for one, other in zip(joined(make, parts), whole[0], strict=True):
            assert one.dtype == np.int64 and np.array_equal(one, other)


@EACH
def test_packed_files_and_other_line_ends_read_alike(
    tmp_path: Path, reader: Reader, text: str, steps: dict[str, str]
) -> None:
    import pyarrow

    wanted = list(reader(put(tmp_path, text), **steps))
    packed = {
        "gz": gzip.compress(text.encode()),
        "two.gz": gzip.compress(text[:99].encode()) + gzip.compress(text[99:].encode()),
        "zst": pyarrow.compress(text.encode(), "zstd", asbytes=True),
        "lz4": pyarrow.compress(text.encode(), "lz4", asbytes=True),
        "crlf": text.replace("\n", "\r\n").encode(),
        "cr": text.replace("\n", "\r").encode(),
        "bom": b"\xef\xbb\xbf" + text.encode(),
        "open": text.rstrip("\n").encode(),
    }
    for name, data in packed.items():
        found = list(reader(put(tmp_path, data, name), **steps))
        assert np.array_equal(np.array(found), np.array(wanted)), name


def test_lobster_messages_become_order_rows(tmp_path: Path) -> None:
    rows = joined(OrderRows, lobster_messages(put(tmp_path, typed.LOBSTER_MESSAGES), midnight_ns=7))
    E = OrderEvent
    assert rows.event.tolist() == [
        *(E.ADD, E.ADD, E.ADD, E.REDUCE, E.FILL, E.TRADE, E.DELETE, E.DELETE, E.OTHER)
    ]
    assert rows.time_ns[:3].tolist() == [34200017459624, 34200189607677, 34200189607677]
    assert rows.side.tolist() == [0, 0, 1, 0, 0, 1, 1, 1, -1]
    follower = OrderFollower()
    follower.feed(rows)
    assert follower.orders().tolist() == [[16113575, 0, 5853300, 13], [16113584, 0, 5853200, 10]]
    assert follower.unknown[E.DELETE] == 1
    assert (follower.best_bid, follower.best_ask) == (5853300, None)


def test_lobster_books_become_levels(tmp_path: Path) -> None:
    place = put(tmp_path, typed.LOBSTER_BOOK)
    (books,) = lobster_books(place)
    assert books.tolist() == [
        [[0, 0, 5853300, 18], [0, 0, 0, 0]],
        [[5859400, 30, 5853300, 18], [0, 0, 5853200, 18]],
    ]
    assert [part.shape for part in lobster_books(place, chunk=1)] == [(1, 2, 4)] * 2


def test_binance_diffs_join_a_snapshot_that_came_late(tmp_path: Path) -> None:
    """u=105 came before the snapshot at 102 and is newer: it is applied after it; u=99 is not."""
    place = put(tmp_path, typed.BINANCE)
    follower, tops = follow(binance_levels(place, **STEPS))
    assert tops == [
        [10000, 1000, 10001, 4000],
        [10000, 2500, 10001, 4000],
        [10000, 2500, 10002, 1000],
    ]
    assert (follower.messages, follower.dropped, follower.gaps, follower.late) == (2, 1, 0, 0)
    rows = joined(LevelRows, binance_levels(place, **STEPS))
    best = rows.event == LevelEvent.BEST
    assert rows.price[best].tolist() == [10000, 10002]
    assert rows.update[best].tolist() == [110, 110]
    trade = rows.event == LevelEvent.TRADE
    assert (rows.side[trade].tolist(), rows.size[trade].tolist()) == ([0], [100])


def test_binance_spot_messages_and_a_recorders_clock(tmp_path: Path) -> None:
    """Spot has no pu: U - 1 must be the u before; the number before a line is Unix ns."""
    text = (
        '1700000000000000009 {"lastUpdateId":10,"bids":[["1.00","1"]],"asks":[["1.02","1"]]}\n'
        '1700000000000000010 {"e":"depthUpdate","s":"X","U":9,"u":12,"b":[],"a":[]}\n'
        '1700000000000000011 {"e":"depthUpdate","s":"X","U":9,"u":12,"b":[["1.01","2"]],"a":[]}\n'
        '1700000000000000012 {"e":"depthUpdate","s":"X","U":14,"u":15,"b":[["1.00","0"]],"a":[]}\n'
        '1700000000000000013 {"u":15,"s":"X","b":"1.01","B":"2","a":"1.02","A":"1"}\n'
    )
    follower, tops = follow(binance_levels(put(tmp_path, text), **STEPS))
    assert tops[-1] == [101, 2000, 102, 1000]
    assert follower.gaps == 1  # 13 is missing
    assert follower.time_ns == 1700000000000000012


def test_a_recording_of_two_symbols_is_refused_unless_one_is_chosen(tmp_path: Path) -> None:
    text = typed.BINANCE + (
        '{"e":"bookTicker","u":111,"s":"ETHUSDT","b":"1.00","B":"1","a":"1.01","A":"1"}\n'
    )
    place = put(tmp_path, text)
    with pytest.raises(oc.DataFileError, match=r"row 8, column 's'.*must be 'BTCUSDT' throughout"):
        list(binance_levels(place, **STEPS))
    (rows,) = binance_levels(place, **STEPS, symbol="BTCUSDT")
    assert int(rows.update.max()) == 110


def test_tardis_rows_of_one_receipt_are_one_message(tmp_path: Path) -> None:
    follower, tops = follow(tardis_incremental(put(tmp_path, typed.TARDIS), **HALF, chunk=1))
    assert tops == [[12850, 1310, 12851, 90], [12849, 20, 12851, 90], [12849, 20, 12851, 90]]
    assert follower.book.depth(9).bids.tolist() == [[12849, 20], [12848, 1]]
    assert (follower.snapshots, follower.messages, follower.gaps) == (1, 2, 0)
    assert follower.time_ns == 1585699203001000 * 1000


def test_a_second_tardis_snapshot_replaces_the_book(tmp_path: Path) -> None:
    text = typed.TARDIS + "deribit,BTC-PERPETUAL,1585699300000000,1585699300000001,true,bid,1,2\n"
    follower, tops = follow(tardis_incremental(put(tmp_path, text), **HALF))
    assert tops[-1] == [2, 2, 0, 0]
    assert (len(follower.book), follower.snapshots) == (1, 2)


def test_tardis_snapshots_are_whole_books(tmp_path: Path) -> None:
    place = put(tmp_path, typed.TARDIS_SNAPSHOTS)
    follower, tops = follow(tardis_snapshots(place, **STEPS, chunk=3))
    assert tops == [[1165707, 4482, 1165708, 10896], [1165707, 4482, 1165709, 1000]]
    assert follower.book.depth(9).bids.tolist() == [[1165707, 4482], [1165705, 300]]
    assert len(follower.book.depth(9).asks) == 1


def test_bitmex_levels_keep_the_price_of_their_id(tmp_path: Path) -> None:
    """Before July 2023 an update had no price. What came before the partial is passed over."""
    ids = KeyFollower()
    rows = joined(KeyedRows, bitmex_levels(put(tmp_path, typed.BITMEX), **HALF))
    assert rows.action.tolist() == [0, 0, 1, 2, 3, 3]
    assert rows.price.tolist() == [53805, 53804, 53803, 0, 0, 0]
    follower, tops = follow(iter([ids.feed(rows)]))
    assert tops == [
        [53804, 32800, 53805, 500],
        [53804, 32800, 53805, 500],
        [53804, 42800, 53805, 500],
        [53804, 42800, 53805, 500],
    ]
    assert (ids.unknown, ids.duplicates) == (1, 0)
    assert follower.time_ns == 1684486305911000000


def test_bybit_snapshots_and_deltas(tmp_path: Path) -> None:
    ids = KeyFollower()
    rows = joined(KeyedRows, bybit_levels(put(tmp_path, typed.BYBIT), **HALF))
    follower, tops = follow(iter([ids.feed(rows)]))
    assert tops == [[5998, 9, 6002, 10], [5998, 8, 6003, 10]]
    assert follower.time_ns == 1555647221331673000
    (linear,) = bybit_levels(put(tmp_path, typed.BYBIT_LINEAR), **HALF)
    assert [int(column[0]) for column in linear[3:]] == [0, 29990000, 5998, 9]


def test_hyperliquid_messages_are_whole_books(tmp_path: Path) -> None:
    place = put(tmp_path, typed.HYPERLIQUID)
    follower, tops = follow(hyperliquid_levels(place, **STEPS))
    assert tops == [
        [3700000, 1500, 3700100, 2250],
        [3699800, 1000, 0, 0],
        [3699800, 3000, 3700300, 1000],
    ]
    (rows,) = hyperliquid_levels(place, **STEPS)
    assert int(rows.time_ns[3]) == 1700000001000000005
    assert follower.snapshots == 3


def test_ids_that_come_twice_are_counted() -> None:
    rows = [(0, 1, 0, 0, 7, 10, 5), (0, 2, 1, 0, 7, 11, 5), (0, 3, 2, 1, 8, 11, 5)]
    ids = KeyFollower()
    ids.feed(KeyedRows(*np.array(rows, np.int64).T))
    assert (ids.duplicates, ids.unknown) == (1, 1)
    orders = OrderFollower(price_max=100)
    twice = [
        (0, 0, 0, 7, 0, 10, 5),
        (0, 1, 0, 7, 1, 12, 6),
        (0, 2, 2, 7, -1, 0, 2),
        (9, 3, 1, 7, -1, 0, 0),
    ]
    orders.feed(OrderRows(*np.array(twice[:3], np.int64).T))
    assert orders.duplicates == 1
    assert orders.orders().tolist() == [[7, 1, 12, 4]]
    orders.feed(OrderRows(*np.array(twice[3:], np.int64).T))
    assert len(orders.orders()) == 0 and orders.best_ask is None


def test_diffs_out_of_order_and_without_a_snapshot_are_counted() -> None:
    def level(event: int, update: int, size: int) -> tuple[int, ...]:
        return (update, 0, event, 0, 10, size, update, -1)

    waiting = LevelFollower(price_max=100)
    waiting.feed(LevelRows(*np.array([level(1, 5, 1), level(1, 6, 2)], np.int64).T))
    assert len(waiting.finish().update) == 0 and len(waiting.book) == 0
    rows = [level(0, 4, 9), level(1, 7, 2), level(1, 6, 3), level(1, 8, 4)]
    follower = LevelFollower(price_max=100)
    follower.feed(LevelRows(*np.array(rows, np.int64).T))
    follower.finish()
    assert (follower.late, follower.messages) == (1, 3)
    assert follower.book.size_at(0, 10) == 4


def test_the_diff_of_the_snapshots_own_update_is_applied_and_one_beyond_it_is_a_gap() -> None:
    """Binance: the first diff has U <= lastUpdateId <= u; `before` is U - 1 or pu."""

    def level(event: int, update: int, size: int, before: int) -> tuple[int, ...]:
        return (update, 0, event, 0, 10, size, update, before)

    for diff, size, gaps in (
        (level(1, 6, 3, 4), 9, 0),  # older: dropped
        (level(1, 7, 3, 5), 3, 0),
        (level(1, 9, 3, 7), 3, 0),
        (level(1, 9, 3, 8), 3, 1),
    ):
        follower = LevelFollower(price_max=100)
        follower.feed(LevelRows(*np.array([level(0, 7, 9, -1), diff], np.int64).T))
        follower.finish()
        assert (follower.book.size_at(0, 10), follower.gaps) == (size, gaps)
        assert follower.dropped == (size == 9)


def test_id_keyed_files_keep_time_and_message(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = {
        "msg": [1, 1, 2, 3],
        "recv_us": [5, 5, 6, 7],
        "action": [0, 0, 2, 3],
        "side": [0, 1, 0, 1],
        "level_id": [50, 60, 50, 60],
        "price_ticks": [10, 12, None, None],
        "size": [3, 4, 5, None],
    }
    table = pyarrow.table({name: pyarrow.array(cells, "int64") for name, cells in columns.items()})
    parquet.write_table(table, tmp_path / "k.parquet")
    (rows,) = neutral_keyed(tmp_path / "k.parquet")
    assert rows.time_ns.tolist() == [5000, 5000, 6000, 7000]
    follower, tops = follow(iter([KeyFollower().feed(rows)]))
    assert tops == [[10, 3, 12, 4], [10, 5, 12, 4], [10, 5, 0, 0]]
    assert follower.time_ns == 7000
