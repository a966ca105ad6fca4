"""Rows C18 to C22 of the bad-input catalogue, H09 and I18: files of a scenario."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ordercascade as oc
from bad_inputs import doors
from bad_inputs.doors import HEADER, ROW, Door, refused

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


# ------------------------------------------------------------------ H09, I18: names


@pytest.mark.parametrize("label", ["=cmd|' /C calc'!A0", "+1", "@SUM(A1)", "\t=1", "a;b"])
def test_bad_H09_a_name_that_a_spreadsheet_would_run(tmp_path: Path, label: str) -> None:
    """None can occur, so none can be exported."""
    door = doors.positions(tmp_path)
    words = "row 2, column 'account'…names must be"
    refused(door, oc.DataFileError, words, lambda: door.at(ROW.replace("A,", f"{label},", 1)))


def test_bad_I18_names_of_scenarios_and_tapes_are_escaped(tmp_path: Path) -> None:
    """They are read; a message shows them without line ends and codes that a terminal obeys."""
    folder = tmp_path / "with\nline and \x1b[31m"
    folder.mkdir()
    doors.positions(folder).good()
    place = folder / "a\n\x1b[31m.toml"
    place.write_text(doors.SCENARIO.replace("seed = 7", "seed = -7"), encoding="utf-8")
    foreign = folder / "b\n\x1b[31m.oct"
    foreign.write_bytes(b"nothing")
    for kind, call in (
        (oc.ConfigError, lambda: oc.Scenario.load(place)),
        (oc.SnapshotError, lambda: oc.Tape.load(foreign)),
    ):
        with pytest.raises(kind) as caught:
            call()
        assert str(caught.value).isprintable()
        assert r"\n\x1b[31m." in str(caught.value)
