"""Saving and loading a tape: what comes back is the same, and nothing damaged is read."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ordercascade import tape_file
from ordercascade.core.events import SCHEMA, EventLog
from ordercascade.errors import SnapshotError
from ordercascade.tape import Tape
from unit.golden_tape import META, golden_log

FORMS = ("run.oct", "run")


@pytest.fixture(params=FORMS)
def saved(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return where the golden tape was saved, in each form."""
    place = tmp_path / str(request.param)
    Tape(golden_log(), META).save(place)
    return place


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    place = tmp_path / "run.oct"
    Tape(golden_log(), META).save(place)
    return place


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "run"
    Tape(golden_log(), META).save(place)
    return place


def rewrite(folder: Path, **changes: Any) -> None:
    """Change keys of the manifest and spell it as the writer would, its own sha256 included."""
    manifest = json.loads((folder / "manifest.json").read_bytes())
    (folder / "manifest.json").write_bytes(tape_file._dump({**manifest, **changes}))


# What comes back.


def test_a_loaded_tape_is_the_saved_one(saved: Path) -> None:
    tape, loaded = Tape(golden_log(), META), Tape.load(saved)
    assert loaded.state_hash() == tape.state_hash()
    assert dict(loaded.meta) == dict(tape.meta)
    assert loaded.summary() == tape.summary()
    for name, table in tape.tables.items():
        for column in table.columns:
            assert np.array_equal(loaded.tables[name][column], table[column])
            assert loaded.tables[name][column].dtype == table[column].dtype
    assert loaded.frame(4).bids.tolist() == tape.frame(4).bids.tolist()


def test_a_loaded_tape_saves_to_the_same_bytes(saved: Path, tmp_path: Path) -> None:
    again = tmp_path / ("again" + saved.suffix)
    Tape.load(saved).save(again)
    files = [Path()] if saved.is_file() else [Path(p.name) for p in saved.iterdir()]
    assert len(files) >= 1
    for name in files:
        assert (saved / name).read_bytes() == (again / name).read_bytes()


@pytest.mark.parametrize("form", FORMS)
def test_tables_of_several_blocks_come_back(tmp_path: Path, form: str) -> None:
    log = golden_log()
    rows = np.arange(150_000)
    log.extend(
        "notes", {**dict.fromkeys(SCHEMA["notes"], rows * 0), "step": rows * 0 + 8, "a": rows}
    )
    Tape(log, META).save(tmp_path / form)
    loaded = Tape.load(tmp_path / form)
    assert np.array_equal(loaded.notes["a"], rows)
    assert loaded.state_hash() == Tape(log, META).state_hash()


@pytest.mark.parametrize("form", FORMS)
def test_a_tape_without_rows_comes_back(tmp_path: Path, form: str) -> None:
    Tape(EventLog(), {}).save(tmp_path / form)
    assert Tape.load(str(tmp_path / form)).state_hash() == Tape(EventLog(), {}).state_hash()


@pytest.mark.parametrize("form", FORMS)
def test_saving_again_replaces_the_older_tape(tmp_path: Path, form: str) -> None:
    Tape(golden_log(), META).save(tmp_path / form)
    Tape(EventLog(), {}).save(tmp_path / form)
    assert len(Tape.load(tmp_path / form)) == 0
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_with_other_files_is_not_written_into(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(SnapshotError, match=r"holds other files: 'thesis\.txt'"):
        Tape(golden_log(), META).save(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_bad_J09_a_failed_save_leaves_no_archive_behind(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Tape(golden_log(), META).save(tmp_path / "no such folder" / "run.oct")
    (tmp_path / "run.oct").mkdir()
    with pytest.raises(OSError):
        Tape(golden_log(), META).save(tmp_path / "run.oct")
    assert [p.name for p in tmp_path.iterdir()] == ["run.oct"]


# Damage. An archive is cut and flipped everywhere; in a folder each part is.


def test_bad_J02_an_archive_cut_at_any_byte_is_refused(archive: Path) -> None:
    data = archive.read_bytes()
    for end in [*range(0, 64), *range(64, len(data), 101), len(data) - 1]:
        archive.write_bytes(data[:end])
        with pytest.raises(SnapshotError, match=r"run\.oct.*(cut off|short|not an ordercascade)"):
            Tape.load(archive)


def test_bad_J03_an_archive_with_any_byte_flipped_is_refused(archive: Path) -> None:
    data = archive.read_bytes()
    for at in [*range(0, 64), *range(64, len(data), 53), len(data) - 1]:
        damaged = bytearray(data)
        damaged[at] ^= 0x20
        archive.write_bytes(bytes(damaged))
        with pytest.raises(SnapshotError, match=r"run\.oct"):
            Tape.load(archive)


def test_an_archive_with_a_byte_too_many_is_refused(archive: Path) -> None:
    archive.write_bytes(archive.read_bytes() + b"\0")
    with pytest.raises(SnapshotError, match="has bytes after its last part"):
        Tape.load(archive)


def _parts(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if p.name != "manifest.json")


def test_bad_J05_a_missing_part_is_refused_by_name(folder: Path) -> None:
    for name in _parts(folder):
        data = (folder / name).read_bytes()
        (folder / name).unlink()
        with pytest.raises(SnapshotError, match=rf"run \({name}\): is missing") as caught:
            Tape.load(folder)
        assert caught.value.part == name
        (folder / name).write_bytes(data)
    assert len(Tape.load(folder)) == 9


def test_a_part_cut_short_is_refused_with_the_byte(folder: Path) -> None:
    for name in _parts(folder):
        data = (folder / name).read_bytes()
        for end in (0, 1, len(data) // 2, len(data) - 1):
            (folder / name).write_bytes(data[:end])
            with pytest.raises(SnapshotError, match=rf"\({name}\): is short") as caught:
                Tape.load(folder)
            assert caught.value.byte == end
        (folder / name).write_bytes(data)


def test_a_part_with_a_flipped_byte_is_refused(folder: Path) -> None:
    for name in _parts(folder):
        data = (folder / name).read_bytes()
        for at in {0, len(data) // 3, len(data) - 1}:
            damaged = bytearray(data)
            damaged[at] ^= 1
            (folder / name).write_bytes(bytes(damaged))
            with pytest.raises(SnapshotError, match=rf"\({name}\): was changed: its sha256"):
                Tape.load(folder)
        (folder / name).write_bytes(data)


def test_a_part_that_is_too_long_is_refused(folder: Path) -> None:
    with (folder / "fills.0000").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(SnapshotError, match=r"\(fills\.0000\): is too long"):
        Tape.load(folder)


def test_bad_J05_two_parts_exchanged_are_refused(folder: Path) -> None:
    one, other = folder / "steps.0000", folder / "levels.0000"
    one.rename(folder / "x")
    other.rename(one)
    (folder / "x").rename(other)
    with pytest.raises(SnapshotError, match=r"\(steps\.0000\)"):
        Tape.load(folder)


def test_a_file_that_the_manifest_does_not_list_is_refused(folder: Path) -> None:
    (folder / "fills.0001").write_bytes(b"")
    with pytest.raises(SnapshotError, match="is not listed in the manifest"):
        Tape.load(folder)


def test_a_part_that_is_a_link_is_refused(folder: Path, tmp_path: Path) -> None:
    shutil.move(folder / "fills.0000", tmp_path / "elsewhere")
    (folder / "fills.0000").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SnapshotError, match=r"\(fills\.0000\): is not a regular file"):
        Tape.load(folder)


# The manifest.


def test_a_manifest_with_any_byte_flipped_is_refused(folder: Path) -> None:
    data = (folder / "manifest.json").read_bytes()
    for at in range(0, len(data), 29):
        damaged = bytearray(data)
        damaged[at] ^= 1
        (folder / "manifest.json").write_bytes(bytes(damaged))
        with pytest.raises(SnapshotError, match=r"\(manifest\.json\)"):
            Tape.load(folder)


def test_a_missing_manifest_is_refused(folder: Path) -> None:
    (folder / "manifest.json").unlink()
    with pytest.raises(SnapshotError, match=r"\(manifest\.json\): is missing"):
        Tape.load(folder)


def test_bad_J04_another_version_is_refused_with_both_numbers(folder: Path) -> None:
    rewrite(folder, version=2)
    with pytest.raises(SnapshotError, match="has format version 2, this build reads 1"):
        Tape.load(folder)


def test_another_format_is_refused(folder: Path) -> None:
    rewrite(folder, format="somebody's tape")
    with pytest.raises(SnapshotError, match="is not an ordercascade tape"):
        Tape.load(folder)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"rows": {}}, "rows of 'steps' are None"),
        ({"rows": dict.fromkeys(SCHEMA, 2**61)}, "part 'steps.0000' is not as listed"),
        ({"rows": dict.fromkeys(SCHEMA, -1)}, "rows of 'steps' are -1"),
        ({"rows": dict.fromkeys(SCHEMA, 0)}, "lists a part too many"),
        ({"parts": []}, "part 'steps.0000' is not as listed"),
        ({"parts": [1]}, "part 'steps.0000' is not as listed"),
        ({"parts": None}, "lacks 'parts'"),
        ({"meta": []}, "lacks 'meta'"),
        ({"columns": {}}, "table 'steps' has other columns"),
        ({"chain": "0" * 32}, "its chain hash differs"),
        ({"meta": {"markets": [{"id": "x"}]}}, r"meta markets\[0\]\.id must be int"),
    ],
)
def test_a_manifest_that_lies_is_refused_even_with_a_right_sha256(
    folder: Path, changes: dict[str, Any], rule: str
) -> None:
    rewrite(folder, **changes)
    with pytest.raises(SnapshotError, match=rule):
        Tape.load(folder)


def test_a_part_name_that_leaves_the_folder_is_refused(folder: Path) -> None:
    parts = json.loads((folder / "manifest.json").read_bytes())["parts"]
    parts[0]["name"] = "../steps.0000"
    rewrite(folder, parts=parts)
    with pytest.raises(SnapshotError, match=r"part 'steps\.0000' is not as listed"):
        Tape.load(folder)


def test_tables_that_point_outside_each_other_are_refused_even_with_right_hashes(
    tmp_path: Path,
) -> None:
    log = golden_log()
    log.set("steps", 3, "parent", 8)
    tape_file.save(tmp_path / "bad.oct", log, {})
    with pytest.raises(SnapshotError, match=r"steps\.parent must be an earlier step"):
        Tape.load(tmp_path / "bad.oct")


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[]", b"1", b"null", b"\xff\xfe", b"[" * 100_000, b'{"a": NaN}', b'{"a": 1e999}'],
)
def test_a_manifest_that_is_no_manifest_is_refused(folder: Path, text: bytes) -> None:
    (folder / "manifest.json").write_bytes(text)
    with pytest.raises(SnapshotError, match=r"\(manifest\.json\)"):
        Tape.load(folder)


# Foreign files.


def test_bad_I20_a_pickle_is_never_read(tmp_path: Path) -> None:
    (tmp_path / "run.oct").write_bytes(pickle.dumps({"format": "ordercascade tape"}))
    with pytest.raises(SnapshotError, match="is not an ordercascade tape"):
        Tape.load(tmp_path / "run.oct")


@pytest.mark.parametrize(
    "data", [b"", b"PK\x03\x04", b"OCTAPE\n\n", bytes(range(64)), b"OCTAPE\r\n"]
)
def test_bad_I08_a_foreign_file_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "run.oct").write_bytes(data)
    with pytest.raises(SnapshotError, match=r"run\.oct"):
        Tape.load(tmp_path / "run.oct")


def test_bad_J06_a_manifest_length_beyond_the_file_is_refused(archive: Path) -> None:
    data = archive.read_bytes()
    archive.write_bytes(data[:8] + b"\xff" * 8 + data[16:])
    with pytest.raises(SnapshotError, match="is cut off in its manifest"):
        Tape.load(archive)


def test_bad_I16_a_pipe_or_a_device_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "run.oct")
    for place in (tmp_path / "run.oct", Path("/dev/zero")):
        with pytest.raises(SnapshotError, match="is not a regular file"):
            Tape.load(place)


def test_bad_I19_a_file_that_is_not_there_keeps_its_own_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nothing\.oct"):
        Tape.load(tmp_path / "nothing.oct")


def test_the_manifest_gives_the_sha256_of_each_part(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_bytes())
    assert [p["name"] for p in manifest["parts"]] != []
    for part in manifest["parts"]:
        data = (folder / part["name"]).read_bytes()
        assert sha256(data).hexdigest() == part["sha256"]
        assert len(data) == part["bytes"]


def test_a_part_is_plain_little_endian_columns(folder: Path) -> None:
    data = (folder / "levels.0000").read_bytes()
    rows = len(Tape.load(folder).levels)
    step = np.frombuffer(data, dtype="<i8", count=rows)
    assert step.tolist() == Tape.load(folder).levels["step"].tolist()
    assert len(data) == rows * (8 + 4 + 1 + 8 + 8)
