"""Rows C18 to C22 of the bad-input catalogue, and H, I: files that a scenario reads.

Rows H and I that need no engine stand with their reader, in tests/data.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ordercascade as oc
from bad_inputs import doors
from bad_inputs.doors import HEADER, ROW, Door, refused
from ordercascade.data import table
from ordercascade.errors import MissingExtraError

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

GOOD: dict[str, list[Any]] = {
    "account": ["A", "B"],
    "market": ["TOY", "TOY"],
    "side": ["long", "short"],
    "size": [10.0, 7.0],
    "entry_price": [100, 100],
    "leverage": [5, 5],
    "margin": ["cross", "isolated"],
}


def columns(folder: Path) -> Door:
    """A Parquet file: `at(table)` writes it beside a scenario that reads it, and builds that."""
    place = folder / "positions.parquet"

    def read(made: Any) -> oc.World:
        parquet.write_table(made, place)
        text = doors.SCENARIO.partition("[[venue.account]]")[0]
        keys = 'preset = "simple"\npositions = [{ file = "positions.parquet" }]'
        text = text.replace('preset = "simple"', keys)
        return oc.World(oc.Scenario.from_toml(text, base=str(folder)))

    def good() -> None:
        assert read(pyarrow.table(GOOD)).state_hash() == read(pyarrow.table(GOOD)).state_hash()

    return Door(read, doors.text().state, lambda: None, good)


# ------------------------------------------------------------------ C18 to C22: columns


@pytest.mark.parametrize("column", ["size", "entry_price", "leverage"])
@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_bad_C18_nan_in_a_column_of_floats(tmp_path: Path, column: str, number: float) -> None:
    door = columns(tmp_path)
    made = pyarrow.table(GOOD | {column: [5.0, number]})
    words = f"row 2, column '{column}'…must be finite"
    refused(door, oc.DataFileError, words, lambda: door.at(made))


def test_bad_C18_a_float_that_is_no_whole_number_of_lots(tmp_path: Path) -> None:
    door = columns(tmp_path)
    made = pyarrow.table(GOOD | {"size": [5.0, 5.5]})
    words = "row 2, column 'size'…off lot"
    refused(door, oc.DataFileError, words, lambda: door.at(made))


@pytest.mark.parametrize("make", [doors.book, doors.venue])
def test_bad_C19_an_id_that_was_a_float(make: Callable[[], Door]) -> None:
    """2**53 + 1 is no float: what arrives may be another order's id."""
    door = make()
    number = 9007199254740993.0
    call = (lambda: door.at.cancel(number)) if door.world is None else (
        lambda: door.at.cancel(1, 0, number))  # fmt: skip
    refused(door, oc.InputTypeError, "order_id must be an int, got float", call)


def test_bad_C19_C20_names_that_were_numbers_once(tmp_path: Path) -> None:
    """pandas makes floats of whole numbers where one is missing, and 2**53 + 1 becomes 2**53."""
    pandas = pytest.importorskip("pandas")
    door = columns(tmp_path)
    frame = pandas.DataFrame(GOOD | {"account": [9007199254740993, None]})
    assert frame["account"][0] == 9007199254740992
    made = pyarrow.Table.from_pandas(frame, preserve_index=False)
    words = "column 'account'…is double, want string"
    refused(door, oc.DataFileError, words, lambda: door.at(made))


@pytest.mark.parametrize("column", sorted(GOOD))
def test_bad_C21_nulls_in_a_column(tmp_path: Path, column: str) -> None:
    door = columns(tmp_path)
    chunks = pyarrow.chunked_array([GOOD[column][:1], [None]], type=pyarrow.array(
        GOOD[column]).type)  # fmt: skip
    made = pyarrow.table(GOOD | {column: chunks})
    words = f"column '{column}'…column has 1 nulls"
    refused(door, oc.DataFileError, words, lambda: door.at(made))


def test_bad_C22_two_columns_of_one_name(tmp_path: Path) -> None:
    door = columns(tmp_path)
    cells = [pyarrow.array(values) for values in GOOD.values()]
    for name in ("size", "margin"):  # one more of that name, and one in place of another
        more = pyarrow.Table.from_arrays([*cells, cells[3]], names=[*GOOD, name])
        same = pyarrow.Table.from_arrays(cells, names=["size", *list(GOOD)[1:]])
        for made in (more, same):
            words = "expected the columns account,market,side,size,entry_price…got"
            refused(door, oc.DataFileError, words, lambda t=made: door.at(t))
    text = doors.positions(tmp_path)
    header = HEADER.replace("size", "size,size")
    for row in (ROW, ROW.replace("10", "10,10")):
        words = "expected the columns account,market,side,size,entry_price…got"
        refused(text, oc.DataFileError, words, lambda r=row: text.at(r, header))


# ------------------------------------------------------------------ H, I: texts and containers


@pytest.mark.parametrize("label", ["=cmd|' /C calc'!A0", "+1", "@SUM(A1)", "\t=1", "a;b"])
def test_bad_H09_a_name_that_a_spreadsheet_would_run(tmp_path: Path, label: str) -> None:
    """None can occur, so none can be exported."""
    door = doors.positions(tmp_path)
    words = "row 2, column 'account'…names must be"
    refused(door, oc.DataFileError, words, lambda: door.at(ROW.replace("A,", f"{label},", 1)))


def test_bad_H12_a_file_that_grows_while_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its size is fixed when it is opened; what comes afterwards is not looked at."""
    door = doors.positions(tmp_path)
    before = door.at(ROW).state_hash()
    plain = os.fstat

    def growing(handle: int) -> os.stat_result:
        found = plain(handle)
        with (tmp_path / "positions.csv").open("a", encoding="utf-8") as file:
            file.write("B,TOY,long,nonsense\n")
        return found

    with monkeypatch.context() as patched:
        patched.setattr(table.os, "fstat", growing)
        assert door.at(ROW).state_hash() == before
    door.good()


def test_bad_I03_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gibibyte of zeros in a megabyte would do; here the limit is 100,000 bytes."""
    monkeypatch.setattr(table, "BYTES_MAX", 100_000)
    place = tmp_path / "positions.csv"
    place.write_bytes(gzip.compress(b"0" * 100_001))
    with pytest.raises(oc.DataFileError, match="unpacks to more than 1 GiB"):
        table.read_bytes(place)
    place.write_bytes(gzip.compress(b"0" * 100_000))
    assert len(table.read_bytes(place)) == 100_000


@pytest.mark.parametrize("version", ["13.0.0", "14.0.0", "14.0.0.dev3"])
def test_bad_I14_a_parquet_library_with_a_known_hole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    """CVE-2023-47248 was mended in 14.0.1."""
    door = columns(tmp_path)
    door.good()
    with monkeypatch.context() as patched:
        patched.setattr(pyarrow, "__version__", version)
        with pytest.raises(MissingExtraError, match=r"pyarrow >= 14\.0\.1"):
            door.at(pyarrow.table(GOOD))
        patched.setattr(pyarrow, "__version__", "14.0.1")
        door.at(pyarrow.table(GOOD))
    door.good()


def test_bad_I18_a_file_whose_name_could_harm_a_terminal(tmp_path: Path) -> None:
    """It is read; a message shows it escaped."""
    folder = tmp_path / "with\nline and \x1b[31m"
    folder.mkdir()
    door = doors.positions(folder)
    door.good()
    place = folder / "a\n\x1b[31m.csv"
    place.write_text(HEADER + "A,TOY\n", encoding="utf-8")
    with pytest.raises(oc.DataFileError) as caught:
        table.read_table(place, tuple(HEADER.strip().split(",")))
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)
    assert "row 2" in str(caught.value)
