"""Rows H of the bad-input catalogue: CSV and text, at the readers of recorded books."""

from __future__ import annotations

from pathlib import Path

import pytest

import ordercascade as oc
from bad_inputs.recordings import CSV, HEADED, JSON, ORDERS, TEXT, FileDoor, each, refused
from data.typed import put
from ordercascade.data.source import Source
from ordercascade.data.table import read_table

BAD_NUMBERS = [
    "1e400",
    "inf",
    "nan",
    "-0",
    "+7",
    "0x10",
    "1_000",
    "１２",
    "٣",
    " 7",
    "7 ",
    "",
    ".5",
    "5.",
]


def changed(door: FileDoor, old: str, new: str) -> str:
    """Return the good file with its first `old` replaced."""
    assert old in door.good
    return door.good.replace(old, new, 1)


@pytest.mark.parametrize("number", BAD_NUMBERS)
def test_bad_H01_only_plain_ascii_digits_are_numbers(tmp_path: Path, number: str) -> None:
    """Row and column are named, or the key path in a message."""
    shown = ascii(number)
    lobster, tardis = CSV["lobster_messages"], CSV["tardis_incremental"]
    bad = changed(lobster, ",5853300,", f",{number},")
    refused(lobster, tmp_path, bad, "bad.txt (row 1, column 'Price')", shown)
    bad = changed(tardis, ",6424.5,", f",{number},")
    refused(tardis, tmp_path, bad, "bad.txt (row 4, column 'price')", shown)
    if number:
        bad = changed(HEADED["neutral_orders"], "114800", number)
        words = "bad.txt (row 2, column 'price_1e4')"
        refused(HEADED["neutral_orders"], tmp_path, bad, words, shown)
    bad = changed(JSON["binance"], '"2.500"', f'"{number}"')
    refused(JSON["binance"], tmp_path, bad, "bad.txt (row 3, column 'b[0][1]')", shown)
    bad = changed(JSON["hyperliquid"], '"36999.0"', f'"{number}"')
    refused(JSON["hyperliquid"], tmp_path, bad, "row 2, column 'data.levels[0][1].px'", shown)


@pytest.mark.parametrize(
    "number", ["1e400", "1e5", "-7", "NaN", "Infinity", "0x10", "007", "true", "null"]
)
def test_bad_H01_json_numbers_are_as_strict(tmp_path: Path, number: str) -> None:
    bad = changed(JSON["bitmex"], '"size":500', f'"size":{number}')
    refused(JSON["bitmex"], tmp_path, bad, "bad.txt (row 4")


def test_bad_H01_what_is_off_tick_or_off_lot_is_not_rounded(tmp_path: Path) -> None:
    door = JSON["binance"]
    words = ("(row 3, column 'b[0][0]')", "must be a whole number of ticks of 0.01")
    refused(door, tmp_path, changed(door, '"100.00","2.500"', '"100.005","2.500"'), *words)
    words = ("(row 3, column 'b[0][1]')", "must be a whole number of lots of 0.001")
    refused(door, tmp_path, changed(door, '"2.500"', '"2.5001"'), *words)
    # Zeros behind the last decimal change nothing.
    same = changed(door, '"100.00","2.500"', '"100.0000000","2.5"')
    assert list(door.read(put(tmp_path, same), **door.steps))


@each(HEADED)
def test_bad_H02_columns_missing_renamed_doubled_or_too_many(
    tmp_path: Path, door: FileDoor
) -> None:
    header, _, body = door.good.partition("\n")
    names = header.split(",")
    for columns in (names[:-1], [*names[:-1], "more"], [n.upper() for n in names]):
        refused(door, tmp_path, f"{','.join(columns)}\n{body}", "expected the columns", "row 1")
    wide = "\n".join(line + ",1" for line in body.splitlines())
    refused(door, tmp_path, f"{header},more\n{wide}\n", "expected the columns")
    refused(door, tmp_path, f"{header},{names[0]}\n{wide}\n", "bad.txt (row 1)")
    refused(door, tmp_path, door.good.replace(",", ";"), "separated by commas")


def test_bad_H02_columns_may_stand_in_any_order(tmp_path: Path) -> None:
    door = HEADED["neutral_orders"]
    turned = "\n".join(",".join(line.split(",")[::-1]) for line in ORDERS.splitlines())
    good, other = (list(door.read(put(tmp_path, text))) for text in (ORDERS, turned))
    assert all((one == two).all() for one, two in zip(good[0], other[0], strict=True))


MEMBERS = [
    ("binance", '"u":105', "(row 3, column 'u')"),
    ("binance", '"U":106', "(row 5, column 'data.U')"),
    ("binance", '"b":[["100.00","2.500"]', "(row 3, column 'b')"),
    ("binance", '"m":false', "(row 7, column 'm')"),
    ("bitmex", '"id":8797309750', "(row 4, column 'data[0].id')"),
    ("bitmex", '"side":"Sell"', "(row 4, column 'data[0].side')"),
    ("bitmex", '"price":26902,', "(row 4, column 'data[1].price')"),
    ("bybit", '"id":29990000', "(row 2, column 'data[0].id')"),
    ("bybit", '"update":[', "(row 3, column 'data.update')"),
    ("bybit", '"type":"delta"', "(row 3, column 'type')"),
    ("hyperliquid", '"px":"37000.0"', "(row 2, column 'data.levels[0][0].px')"),
    ("hyperliquid", '"levels":[[{"px":"36998.0","sz":"1"', "(row 3, column 'raw.data.levels')"),
    ("hyperliquid", '"time":1700000002000', "(row 4, column 'time')"),
]


@pytest.mark.parametrize(("name", "member", "place"), MEMBERS)
def test_bad_H02_a_member_that_is_missing_or_of_another_kind(
    tmp_path: Path, name: str, member: str, place: str
) -> None:
    door, key = JSON[name], member.split(":")[0]
    assert member in door.good
    refused(door, tmp_path, changed(door, member, member.replace(key, '"other"')), place)
    value = member.replace(key + ":", key + ':{},"other":', 1)
    refused(door, tmp_path, changed(door, member, value), place)


@each(CSV)
def test_bad_H03_a_ragged_row(tmp_path: Path, door: FileDoor) -> None:
    lines = door.good.splitlines()
    count = len(lines[1].split(","))
    longer = [lines[0], lines[1] + ",5", *lines[2:]]
    refused(door, tmp_path, "\n".join(longer) + "\n", "(row 2)", f"row has {count + 1} fields")
    shorter = [lines[0], lines[1].rpartition(",")[0], *lines[2:]]
    refused(door, tmp_path, "\n".join(shorter) + "\n", "(row 2)", f"row has {count - 1} fields")


@each(TEXT)
def test_bad_H04_a_nul_byte(tmp_path: Path, door: FileDoor) -> None:
    first = door.good.index("\n")
    bad = door.good[: first + 5] + "\x00" + door.good[first + 5 :]
    refused(door, tmp_path, bad, f"(row 2, byte {first + 5})", "NUL byte")


@each(TEXT)
def test_bad_H05_other_encodings(tmp_path: Path, door: FileDoor) -> None:
    first = door.good.index("\n")
    data = door.good.encode()
    latin = data[: first + 3] + "é".encode("latin-1") + data[first + 3 :]
    refused(door, tmp_path, latin, f"(row 2, byte {first + 3})", "must be UTF-8")
    refused(door, tmp_path, b"\xef\xbb\xbf" + latin, f"byte {first + 6})", "must be UTF-8")
    refused(door, tmp_path, door.good.encode("utf-16"), "UTF-16")
    list(door.read(put(tmp_path, b"\xef\xbb\xbf" + data), **door.steps))


@each(CSV)
def test_bad_H06_a_line_without_an_end(tmp_path: Path, door: FileDoor) -> None:
    first = door.good.index("\n") + 1
    bad = door.good[:first] + "1" * 70_000
    refused(door, tmp_path, bad, "(row 2)", "line longer than 65536 bytes")
    endless = door.good[:first] + "1" * 2_000_000
    refused(door, tmp_path, endless, "(row 2)", "line longer than 65536 bytes")


@each(JSON)
def test_bad_H06_a_message_has_sixteen_mebibytes_at_most(tmp_path: Path, door: FileDoor) -> None:
    first = door.good.index("\n") + 1
    bad = door.good[:first] + "1" * (2**24 + 10)
    refused(door, tmp_path, bad, "(row 2)", "line longer than 16777216 bytes")


@each(TEXT)
def test_bad_H07_a_last_line_cut_off_is_told(tmp_path: Path, door: FileDoor) -> None:
    """Line ends of all kinds and a whole last line without one are in test_vendors."""
    cut = door.good.rstrip("\n")
    at = cut.rindex(",") if door in CSV.values() else len(cut) - 3
    refused(door, tmp_path, cut[:at], "no newline: the file may be cut off")


@each(TEXT)
def test_bad_H08_an_empty_file(tmp_path: Path, door: FileDoor) -> None:
    refused(door, tmp_path, "", "is empty")


@each(HEADED)
def test_bad_H08_a_header_alone_has_no_rows(tmp_path: Path, door: FileDoor) -> None:
    assert list(door.read(put(tmp_path, door.good.partition("\n")[0] + "\n"), **door.steps)) == []


def test_bad_H10_decimal_comma_and_thousands_separator(tmp_path: Path) -> None:
    door = JSON["binance"]
    for number in ("100,00", "1,000.00"):
        bad = changed(door, '"100.00","2.500"', f'"{number}","2.500"')
        words = "decimals take a point, thousands no separator"
        refused(door, tmp_path, bad, "(row 3, column 'b[0][0]')", words)
    tardis = CSV["tardis_incremental"]
    refused(
        tardis, tmp_path, changed(tardis, "6425.5", "6425,5"), "(row 2)", "decimals take a point"
    )


@pytest.mark.parametrize("number", [2**63, 2**64, 10**30, 10**200])
def test_bad_H11_whole_numbers_beyond_63_bits(tmp_path: Path, number: int) -> None:
    lobster = CSV["lobster_messages"]
    bad = changed(lobster, "16113575", str(number))
    refused(lobster, tmp_path, bad, "(row 1, column 'Order ID')", "must be")
    binance = JSON["binance"]
    refused(binance, tmp_path, changed(binance, '"u":105', f'"u":{number}'), "row 3, column 'u'")
    tardis = CSV["tardis_incremental"]
    bad = changed(tardis, "1585699200245000", str(number))
    refused(tardis, tmp_path, bad, "(row 2, column 'timestamp')")
    refused(tardis, tmp_path, changed(tardis, ",90\n", f",{number}\n"), "column 'amount'")


@each(TEXT)
def test_bad_H12_what_is_appended_while_it_is_read_is_left_with_a_warning(
    tmp_path: Path, door: FileDoor
) -> None:
    place = put(tmp_path, door.good)
    wanted = list(door.read(place, **door.steps))
    place = put(tmp_path, door.good * 400 if door in JSON.values() else door.good)
    with pytest.warns(UserWarning, match="grew while it was read"):
        rows = door.read(place, **door.steps, chunk=1)
        next(rows)
        with place.open("a") as more:
            more.write("what a writer appends\n" * 3)
        rest = list(rows)
    assert len(rest) + 1 >= len(wanted)


def test_bad_H12_tables_read_at_once_are_warned_of_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    place = put(tmp_path, "a,b\n1,2\n", "t.csv")
    honest = os.fstat
    calls = []

    class Grown:
        def __init__(self, found: os.stat_result) -> None:
            self.st_mode, self.st_size = found.st_mode, found.st_size + 5 * (len(calls) > 1)

    def fstat(handle: int) -> object:
        found = honest(handle)
        if found.st_ino == os.stat(place).st_ino:
            calls.append(handle)
            return Grown(found)
        return found

    monkeypatch.setattr(os, "fstat", fstat)
    with pytest.warns(UserWarning, match=r"t\.csv grew while it was read"):
        assert read_table(place, ("a", "b")).rows == [["1", "2"]]


@each(JSON)
def test_bad_D13_messages_with_doubled_keys_or_too_deep(tmp_path: Path, door: FileDoor) -> None:
    lines = door.good.splitlines()
    refused(door, tmp_path, '{"a":1,"a":2}\n' + door.good, "(row 1)", "duplicate key 'a'")
    deep = '{"a":' + "[" * 200_000 + "]" * 200_000 + "}\n"
    refused(door, tmp_path, deep + door.good, "(row 1)", "one JSON object a line")
    refused(door, tmp_path, lines[1] + lines[1] + "\n", "(row 1)", "one JSON object a line")
    refused(door, tmp_path, "[1]\n", "(row 1")


def test_bad_F01_times_that_fall(tmp_path: Path) -> None:
    tardis, lobster = CSV["tardis_incremental"], CSV["lobster_messages"]
    bad = changed(tardis, "1585699203001000", "1585699202001000")
    refused(tardis, tmp_path, bad, "(row 7, column 'local_timestamp')", "must not fall")
    refused(lobster, tmp_path, changed(lobster, "34202,", "34200,"), "(row 5, column 'Time')")


def test_the_sha256_of_a_file_may_be_asked_for(tmp_path: Path) -> None:
    import hashlib

    door = CSV["lobster_messages"]
    place = put(tmp_path, door.good)
    digest = hashlib.sha256(door.good.encode()).hexdigest()
    assert list(door.read(Source(place, sha256=digest)))
    with pytest.raises(oc.DataFileError, match="sha256 differs"):
        list(door.read(Source(place, sha256="0" * 64)))
