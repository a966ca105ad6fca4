"""Rows I of the bad-input catalogue: packed files, Parquet, and what is no file at all.

I04 to I07, I09 and I10 are about .npz and .npy, which nothing here reads: such a file is known by
its first bytes and refused (I08). I17 has no data root: a path is the user's own; what would have
to be fetched or expanded is refused. J and I20, snapshots, are judged where snapshots are read.
"""

from __future__ import annotations

import gzip
import os
import pickle
import random
import socket
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ordercascade as oc
from bad_inputs.recordings import (
    CSV,
    PARQUET,
    TEXT,
    FileDoor,
    each,
    levels_file,
    refused,
    refused_place,
)
from data.typed import put
from ordercascade.data import parquet
from ordercascade.data.source import BLOCK, Source

pa = pytest.importorskip("pyarrow")


def packed(door: FileDoor, how: str, times: int = 1) -> bytes:
    """Return the good file, packed; `times` its lines after the first, for a long one."""
    text = door.good.encode()
    if how == "gz":
        return gzip.compress(text * times)
    return bytes(pa.compress(text * times, how, asbytes=True))


HOW = pytest.mark.parametrize("how", ["gz", "zstd", "lz4"])


@HOW
@each(TEXT)
def test_bad_I01_a_packed_file_that_is_cut_off(tmp_path: Path, door: FileDoor, how: str) -> None:
    data = packed(door, how)
    for cut in (len(data) - 1, len(data) - 4, len(data) // 2, 12):
        error = refused(door, tmp_path, data[:cut], "bad.txt (byte ", "compressed data", handed=0)
        assert error.byte is not None


@each(TEXT)
def test_bad_I02_a_wrong_checksum_hands_out_nothing_unless_partial(
    tmp_path: Path, door: FileDoor
) -> None:
    data = packed(door, "gz")
    bad = data[:-8] + bytes([data[-8] ^ 1]) + data[-7:]
    refused(door, tmp_path, bad, "compressed data is damaged", handed=0)
    place = Source(tmp_path / "bad.txt", partial=True)
    with pytest.warns(UserWarning, match=r"bad\.txt: compressed data is damaged.*read up to there"):
        rows = list(door.read(place, **door.steps))
    good = list(door.read(put(tmp_path, door.good), **door.steps))
    assert np.array_equal(np.array(rows), np.array(good))


def test_bad_I02_every_flipped_byte_of_a_gzip_file_is_refused_or_harmless(tmp_path: Path) -> None:
    """Harmless are the name, the time and the system in its header: the rows are the same then."""
    door = CSV["neutral_orders"]
    data = packed(door, "gz")
    wanted = list(door.read(put(tmp_path, data), **door.steps))
    harmless = 0
    for at in range(len(data)):
        place = put(tmp_path, data[:at] + bytes([data[at] ^ 0x41]) + data[at + 1 :], "f.gz")
        try:
            found = list(door.read(place, **door.steps))
        except oc.DataFileError:
            continue
        harmless += 1
        assert np.array_equal(np.array(found), np.array(wanted))
    assert harmless <= 8


@HOW
def test_bad_I01_I02_a_long_file_hands_out_no_chunk_before_its_end_is_known(
    tmp_path: Path, how: str
) -> None:
    """30,000 rows of changing text, several blocks when packed, cut in the last one."""
    door = CSV["lobster_messages"]
    draw = random.Random(3)
    rows = [f"34200.1,1,{draw.getrandbits(62)},1,100,1\n" for _ in range(30_000)]
    text = "".join(rows).encode()
    data = gzip.compress(text, 1) if how == "gz" else bytes(pa.compress(text, how, asbytes=True))
    assert len(data) > BLOCK
    place = put(tmp_path, data[:-1000], "long.csv")
    came = []
    with pytest.raises(oc.DataFileError, match=r"long\.csv.*compressed data"):
        came.extend(door.read(place, chunk=100))
    assert came == []
    with pytest.warns(UserWarning, match="read up to there"):
        try:
            for chunk in door.read(Source(place, partial=True), chunk=100):
                came.append(chunk)
        except oc.DataFileError as error:  # The last row may be cut in two.
            assert "may be cut off" in str(error) or "must be" in str(error)
    assert len(came) > 150


@HOW
def test_bad_I03_a_bomb_stops_at_the_cap(tmp_path: Path, how: str) -> None:
    door = CSV["lobster_messages"]
    row = b"34200.1,1,1,1,100,1\n"
    text = row * 500_000
    data = gzip.compress(text, 1) if how == "gz" else pa.compress(text, how, asbytes=True)
    place = put(tmp_path, data, "bomb.csv")
    words = "unpacks to more than 1,000,000 bytes (limit=…)"
    refused_place(door, Source(place, limit=1_000_000), [], "bomb.csv", words, handed=0)
    assert place.stat().st_size < 200_000


def test_bad_I03_a_file_beyond_the_limit_is_refused_before_it_is_read(tmp_path: Path) -> None:
    door = CSV["lobster_messages"]
    place = put(tmp_path, door.good)
    refused_place(door, Source(place, limit=50), [], "must have at most 50 bytes (limit=…)")
    huge = tmp_path / "huge.csv"
    with huge.open("wb") as file:
        file.truncate(2**40)  # Sparse: it takes no room.
    refused_place(door, huge, [], "must have at most 1 GiB (limit=…)")
    refused_place(PARQUET, huge, [], "must have at most 1 GiB (limit=…)")


@each(TEXT)
def test_bad_I04_to_I10_other_containers_are_known_by_their_first_bytes(
    tmp_path: Path, door: FileDoor
) -> None:
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr("../../x.csv", door.good)
    np.save(tmp_path / "a.npy", np.arange(3))
    np.savez(tmp_path / "a.npz", a=np.arange(3))
    files = {
        "z.zip": "a zip archive",
        "a.npz": "a zip archive",
        "a.npy": "a numpy array",
        levels_file(tmp_path).name: "a parquet file",
    }
    if door is CSV["neutral_orders"]:
        del files["b.parquet"]  # Its other form: judged as such.
    for name, kind in files.items():
        refused(door, tmp_path, (tmp_path / name).read_bytes(), f"this is {kind}", handed=0)
    for protocol in (2, 3, 4, 5):
        refused(door, tmp_path, pickle.dumps([1], protocol), "this is a pickle")
    refused(door, tmp_path, gzip.compress(pickle.dumps([1])), "this is a pickle")


@pytest.mark.parametrize("cut", [0, 3, 11, 40, -1, -4, -9])
def test_bad_I11_a_parquet_file_cut_or_empty(tmp_path: Path, cut: int) -> None:
    data = levels_file(tmp_path).read_bytes()
    place = put(tmp_path, data[:cut] if cut else b"", "cut.parquet")
    refused_place(PARQUET, place, [], "cut.parquet", "must be a whole Parquet file", handed=0)
    place = put(tmp_path, data[: len(data) // 2] + b"PAR1", "cut.parquet")
    refused_place(PARQUET, place, [], "cut.parquet: Parquet cannot be read", handed=0)


def test_bad_I08_I11_another_file_under_the_name_of_parquet(tmp_path: Path) -> None:
    for data in (pickle.dumps([1]), b"a,b\n1,2\n" * 9, gzip.compress(b"x"), b"PAR2" * 9):
        place = put(tmp_path, data, "f.parquet")
        refused_place(PARQUET, place, [], "must be a whole Parquet file (PAR1 at both ends)")


def test_bad_I12_flipped_bits_in_a_parquet_file_never_crash(tmp_path: Path) -> None:
    """Without its digest a flip may pass unseen, as the catalogue measured; with it none does."""
    import hashlib

    data = levels_file(tmp_path).read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    draw = random.Random(12)
    refusals = 0
    for _ in range(300):
        at = draw.randrange(len(data))
        bad = data[:at] + bytes([data[at] ^ (1 << draw.randrange(8))]) + data[at + 1 :]
        place = put(tmp_path, bad, "flip.parquet")
        try:
            list(PARQUET.read(place))
        except oc.DataFileError:
            refusals += 1
        refused_place(PARQUET, Source(place, sha256=digest), [], "sha256 differs", handed=0)
    assert refusals > 100
    assert list(PARQUET.read(Source(levels_file(tmp_path), sha256=digest)))


OTHER_TYPES = [
    ("local_ns", pa.array([10, 10, 11], "timestamp[us]"), "is timestamp[us]"),
    ("qty_lots", pa.array([5, 6, 7], "uint64"), "is uint64"),
    ("qty_lots", pa.array([5.0, 6.0, 7.0], "double"), "is double"),
    ("qty_lots", pa.array([5, 6, 7], pa.decimal128(10, 2)), "is decimal128(10, 2)"),
    ("price_ticks", pa.array(["99", "101", "98"]), "is string"),
    ("side", pa.array(["a", "b", "a"]).dictionary_encode(), "is dictionary<"),
]


@pytest.mark.parametrize(("column", "array", "said"), OTHER_TYPES)
def test_bad_I13_a_column_of_another_type(
    tmp_path: Path, column: str, array: Any, said: str
) -> None:
    place = levels_file(tmp_path, **{column: array})
    refused_place(PARQUET, place, [], f"column '{column}'", said, "want a whole number")


def test_bad_H02_C22_parquet_columns_missing_more_or_doubled(tmp_path: Path) -> None:
    import pyarrow.parquet

    refused_place(PARQUET, levels_file(tmp_path, u=None), [], "expected the columns local_ns,")
    more = levels_file(tmp_path, more=pa.array([1, 2, 3]))
    refused_place(PARQUET, more, [], "expected the columns", "more")
    assert list(PARQUET.read(more, extra=True))
    table = pyarrow.parquet.read_table(levels_file(tmp_path))
    doubled = pa.Table.from_arrays([*table.columns, table.column(0)], [*table.column_names, "u"])
    pyarrow.parquet.write_table(doubled, tmp_path / "d.parquet")
    refused_place(PARQUET, tmp_path / "d.parquet", [], "expected the columns")


def test_bad_C20_C21_nulls_are_refused(tmp_path: Path) -> None:
    place = levels_file(tmp_path, u=pa.array([7, None, 8], "int64"))
    refused_place(PARQUET, place, [], "(row 0, column 'u')", "column has 1 nulls")


@pytest.mark.parametrize(
    ("column", "values", "place"),
    [
        ("ev", [0, 0, 4], "(row 2, column 'ev')"),
        ("side", [0, 2, 0], "(row 1, column 'side')"),
        ("side", [0, -1, 0], "(row 1, column 'side')"),
        ("price_ticks", [99, 0, 98], "(row 1, column 'price_ticks')"),
        ("qty_lots", [5, 6, -7], "(row 2, column 'qty_lots')"),
        ("local_ns", [-10, 10, 11], "(row 0, column 'local_ns')"),
        ("exch_ms", [0, 0, 2**60], "(row 2, column 'exch_ms')"),
    ],
)
def test_values_outside_their_domain_name_row_and_column(
    tmp_path: Path, column: str, values: list[int], place: str
) -> None:
    kind = "int64" if column in ("qty_lots", "local_ns", "exch_ms") else "int32"
    file = levels_file(tmp_path, **{column: pa.array(values, kind)})
    refused_place(PARQUET, file, [], place, "must be")


def test_bad_I14_a_pyarrow_with_a_known_hole_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = levels_file(tmp_path)
    monkeypatch.setattr(pa, "__version__", "14.0.0")
    with pytest.raises(oc.MissingExtraError, match=r"pyarrow >= 14\.0\.1"):
        list(PARQUET.read(place))


def test_bad_I15_a_footer_of_very_many_groups_or_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(levels_file(tmp_path))
    pyarrow.parquet.write_table(table, tmp_path / "g.parquet", row_group_size=1)
    monkeypatch.setattr(parquet, "GROUPS_MAX", 2)
    refused_place(PARQUET, tmp_path / "g.parquet", [], "at most 2 row groups", "got 3")
    monkeypatch.undo()
    wide = {f"c{i}": pa.array([1, 2, 3]) for i in range(3000)}
    error = refused_place(PARQUET, levels_file(tmp_path, **wide), [], "expected the columns")
    assert len(str(error)) < 600
    monkeypatch.setattr(parquet, "THRIFT_MAX", 100)
    refused_place(PARQUET, levels_file(tmp_path, **wide), [], "Parquet cannot be read")


def test_bad_I03_a_parquet_file_that_unpacks_to_more_than_the_limit(tmp_path: Path) -> None:
    import pyarrow.parquet

    rows = 300_000
    column = pa.array(np.random.default_rng(1).integers(0, 5, rows))
    names = pyarrow.parquet.read_table(levels_file(tmp_path)).column_names
    place = tmp_path / "big.parquet"
    pyarrow.parquet.write_table(
        pa.table(dict.fromkeys(names, column)), place, compression="zstd", use_dictionary=False
    )
    size = place.stat().st_size
    assert size < 3_000_000
    refused_place(PARQUET, Source(place, limit=3_000_000), [], "unpacks to more than the limit")


@pytest.mark.parametrize("door", [CSV["lobster_messages"], PARQUET], ids=["text", "parquet"])
def test_bad_I16_what_is_no_regular_file(tmp_path: Path, door: FileDoor) -> None:
    os.mkfifo(tmp_path / "fifo")
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(tmp_path / "s"))
    for place in (Path("/dev/zero"), Path("/dev/null"), tmp_path, tmp_path / "fifo"):
        refused_place(door, place, [], "not a regular file")
    with pytest.raises(OSError, match="s'"):
        list(door.read(tmp_path / "s", **door.steps))
    listening.close()


@pytest.mark.parametrize(
    "place", ["http://example.org/f.csv", "https://x/y.gz", "file:///etc/passwd", "s3://b/k", "~/f"]
)
def test_bad_I17_nothing_is_fetched_or_expanded(place: str) -> None:
    for door in (CSV["lobster_messages"], PARQUET):
        refused_place(door, place, [], "must be the path of a local file; nothing is fetched")


def test_bad_I18_names_with_line_ends_and_broken_bytes_are_escaped(tmp_path: Path) -> None:
    door = CSV["neutral_orders"]
    for raw in (b"a\nb\x1b[31m.csv", b"\xff\xfe.csv"):
        name = os.fsdecode(raw)
        assert list(door.read(put(tmp_path, door.good, name)))
        error = refused_place(door, put(tmp_path, "x\n", name), [], "expected the columns")
        assert str(error).isascii() and "\n" not in str(error) and "\x1b" not in str(error)


def test_bad_I19_a_file_that_is_not_there_or_not_ours_keeps_its_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = CSV["neutral_orders"]
    with pytest.raises(FileNotFoundError, match="gone"):
        list(door.read(tmp_path / "gone"))
    locked = put(tmp_path, door.good, "locked")

    def refuse(path: str, flags: int) -> int:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(PermissionError, match="locked"):
        list(door.read(locked))


def test_bad_I19_a_file_is_opened_once_and_read_from_that_handle(tmp_path: Path) -> None:
    """What takes its place meanwhile is another file: the rows are those of the first."""
    door = CSV["lobster_messages"]
    place = put(tmp_path, door.good)
    wanted = list(door.read(place))
    rows = door.read(place, chunk=1)
    first = [next(rows)]
    place.unlink()
    put(tmp_path, "something else\n", place.name)
    assert len(first + list(rows)) == len(wanted[0].event)
