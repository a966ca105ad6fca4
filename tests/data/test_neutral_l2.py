"""Recorded books of the form neutral-l2, against the exchange's own best prices and figures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import ordercascade as oc
from ordercascade.data.neutral import book_at, read_l2, replay

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

FILES = ["l2_binance-um_btcusdt_2024-08-08", "l2_binance-cm_btcusd_perp_2024-08-08"]
BEST = 3


@pytest.mark.parametrize("name", FILES)
def test_the_whole_file_ends_at_the_published_book(shared: Path, name: str) -> None:
    expected = json.loads((shared / "data" / f"{name}.expected.json").read_text())
    book = book_at(shared / "data" / f"{name}.parquet")
    top = expected["final_top"]
    assert book.bids[0].tolist() == [top["bid_ticks"], top["bid_lots"]]
    assert book.asks[0].tolist() == [top["ask_ticks"], top["ask_lots"]]
    assert [len(book.bids), len(book.asks)] == expected["final_levels"]
    assert (np.diff(book.bids[:, 0]) < 0).all()
    assert (np.diff(book.asks[:, 0]) > 0).all()


def test_the_book_equals_the_exchanges_best_prices_at_many_update_ids(shared: Path) -> None:
    """bookTicker rows carry the update id after which they held: an independent witness."""
    columns = read_l2(shared / "data" / f"{FILES[0]}.parquet")
    diffs = columns["ev"] == 1
    start = columns["u"][columns["ev"] == 0][0]
    ids = np.unique(columns["u"][diffs])
    ids = ids[(ids > start) & np.isin(ids, columns["u"][columns["ev"] == BEST])]
    compared = 0
    for update in ids[:: len(ids) // 40].tolist():
        seen = (columns["u"] <= update) & (columns["ev"] <= 1)
        book = replay(columns, seen)
        assert book is not None
        best = {
            int(side): [int(price), int(size)]
            for side, price, size in zip(
                *(
                    columns[column][(columns["ev"] == BEST) & (columns["u"] == update)]
                    for column in ("side", "price_ticks", "qty_lots")
                ),
                strict=True,
            )
        }
        assert book.bids[0].tolist() == best[0]
        assert book.asks[0].tolist() == best[1]
        compared += 1
    assert compared >= 40


def test_the_book_of_a_chosen_time_is_that_of_the_updates_received_by_then(shared: Path) -> None:
    path = shared / "data" / f"{FILES[0]}.parquet"
    columns = read_l2(path)
    at = 1_723_161_300_000_000_000  # 23:55:00
    book = book_at(path, at)
    best = np.flatnonzero((columns["ev"] == BEST) & (columns["local_ns"] <= at))[-1]
    # The ticker runs ahead of the diffs by some milliseconds.
    side = book.bids if columns["side"][best] == 0 else book.asks
    assert abs(int(side[0, 0]) - int(columns["price_ticks"][best])) <= 20
    assert book.bids[0, 0] < book.asks[0, 0]


def test_a_time_before_the_snapshot_is_refused_and_names_the_first(shared: Path) -> None:
    path = shared / "data" / f"{FILES[0]}.parquet"
    with pytest.raises(oc.DataFileError, match="the first is at 17231612553197"):
        book_at(path, 1_723_161_255_100_000_000)


def write(path: Path, rows: list[tuple[int, ...]], **types: str) -> Path:
    names = ["local_ns", "exch_ms", "ev", "side", "price_ticks", "qty_lots", "u"]
    kinds = ["int64", "int64", "int8", "int8", "int32", "int64", "int64"]
    columns = {
        name: pyarrow.array([row[i] for row in rows], types.get(name, kind))
        for i, (name, kind) in enumerate(zip(names, kinds, strict=True))
    }
    parquet.write_table(pyarrow.table(columns), path)
    return path


SNAPSHOT = [(10, 0, 0, 0, 99, 5, 7), (10, 0, 0, 0, 98, 5, 7), (10, 0, 0, 1, 101, 5, 7)]


def test_diffs_apply_by_update_id_not_by_their_order_in_the_file(tmp_path: Path) -> None:
    """A diff received before the snapshot may be newer than it; an older one is dropped."""
    rows = [(1, 0, 1, 0, 99, 9, 6), (2, 0, 1, 1, 100, 3, 9), (3, 0, 1, 0, 98, 0, 8), *SNAPSHOT]
    book = book_at(write(tmp_path / "b.parquet", rows))
    assert book.bids.tolist() == [[99, 5]]
    assert book.asks.tolist() == [[100, 3], [101, 5]]


def test_a_later_snapshot_replaces_the_book(tmp_path: Path) -> None:
    rows = [*SNAPSHOT, (12, 0, 1, 0, 97, 4, 8), (20, 0, 0, 0, 90, 1, 30), (20, 0, 0, 1, 95, 1, 30)]
    path = write(tmp_path / "b.parquet", rows)
    assert book_at(path).bids.tolist() == [[90, 1]]
    assert book_at(path, 19).bids.tolist() == [[99, 5], [98, 5], [97, 4]]


def test_a_crossed_book_is_refused(tmp_path: Path) -> None:
    with pytest.raises(oc.DataFileError, match="the book is crossed"):
        book_at(write(tmp_path / "b.parquet", [*SNAPSHOT, (11, 0, 1, 1, 99, 1, 8)]))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ((11, 0, 1, 2, 99, 1, 8), "column 'side'"),
        ((11, 0, 1, 0, 0, 1, 8), "column 'price_ticks'"),
        ((11, 0, 1, 0, 99, -1, 8), "column 'qty_lots'"),
    ],
)
def test_a_value_outside_its_domain_names_row_and_column(
    tmp_path: Path, row: tuple[int, ...], said: str
) -> None:
    with pytest.raises(oc.DataFileError, match=rf"row 3, {said}"):
        book_at(write(tmp_path / "b.parquet", [*SNAPSHOT, row]))


def test_bad_I13_a_column_of_another_type_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "b.parquet", SNAPSHOT, local_ns="timestamp[us]")
    said = r"column 'local_ns'.*is timestamp\[us\], want int64"
    with pytest.raises(oc.DataFileError, match=said):
        book_at(path)


def test_bad_I11_a_cut_empty_or_foreign_parquet_file_is_refused(tmp_path: Path) -> None:
    whole = write(tmp_path / "b.parquet", SNAPSHOT).read_bytes()
    for data in (b"", whole[:-9], b"PAR2" + whole[4:], whole[: len(whole) // 2] + b"PAR1"):
        (tmp_path / "bad.parquet").write_bytes(data)
        with pytest.raises(oc.DataFileError, match=r"bad\.parquet"):
            book_at(tmp_path / "bad.parquet")


def test_bad_C21_nulls_are_refused(tmp_path: Path) -> None:
    rows: list[tuple[int, ...]] = [*SNAPSHOT, (11, 0, 1, 0, None, 1, 8)]  # type: ignore[list-item]
    with pytest.raises(oc.DataFileError, match="column has 1 nulls"):
        book_at(write(tmp_path / "b.parquet", rows))


def test_bad_I16_what_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    for place in (Path("/dev/zero"), tmp_path):
        with pytest.raises(oc.DataFileError, match="not a regular file"):
            book_at(place)


def test_a_scenario_takes_the_book_of_a_time(tmp_path: Path) -> None:
    write(tmp_path / "b.parquet", [(2 * 10**9, *row[1:]) for row in SNAPSHOT])
    scenario = oc.scenarios.load("t2a")
    text = scenario.set(
        'venue[0].market[0].book={ file = "b.parquet", format = "neutral-l2",'
        ' at = "1970-01-01T00:00:02Z" }'
    ).to_toml()
    scenario = oc.Scenario.from_toml(text, base=str(tmp_path))
    book = scenario.book(scenario.venues[0].markets[0])
    assert book.bids == [(99, 5), (98, 5)]
    assert book.asks == [(101, 5)]
