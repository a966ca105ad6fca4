"""A tape on disk: a directory, or one `.oct` archive; nothing in it can run.

Parts are a table's blocks: up to 65,536 rows, column after column, plain little-endian integers.
The manifest (JSON) lists them with size and sha256, and carries the metadata; it must be byte for
byte what this module would write, and carries its own sha256. In a directory each part is a file
`<table>.<block>` beside `manifest.json`. An archive is

    8 bytes  "OCTAPE\\r\\n"     8 bytes  length of the manifest, little-endian
    the manifest               the parts, in the manifest's order, and not one byte more
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ordercascade.core.events import SCHEMA, EventLog
from ordercascade.errors import SnapshotError, show

MAGIC = b"OCTAPE\r\n"
FORMAT = "ordercascade tape"
VERSION = 1
SUFFIX = ".oct"
MANIFEST = "manifest.json"
BLOCK_ROWS = 65_536

_PART = re.compile(rf"(?:{'|'.join(SCHEMA)})\.\d{{4,}}", re.ASCII)


def save(path: str | os.PathLike[str], log: EventLog, meta: Mapping[str, Any]) -> None:
    """Write a tape: an archive if the name ends in `.oct`, else a directory.

    An archive appears whole or not at all. A directory gets its manifest last; one that holds
    anything but an older tape is refused.
    """
    place = Path(path)
    parts = [
        {"name": name, "bytes": len(data), "sha256": sha256(data).hexdigest()}
        for name, data in _parts(log)
    ]
    manifest = _dump(
        {
            "format": FORMAT,
            "version": VERSION,
            "columns": {table: _widths(table) for table in SCHEMA},
            "rows": {table: log.rows(table) for table in SCHEMA},
            "parts": parts,
            "chain": log.digest(),
            "meta": dict(meta),
        }
    )
    if place.suffix == SUFFIX:
        _save_archive(place, manifest, log)
    else:
        _save_directory(place, manifest, log)


def load(path: str | os.PathLike[str]) -> tuple[EventLog, dict[str, Any]]:
    """Read a tape back; SnapshotError names the place and the reason if a single byte is off."""
    place = Path(path)
    if place.is_dir():
        return _load_directory(place)
    # Looked at before it is opened: opening a pipe would wait for its other end.
    if not stat.S_ISREG(place.stat().st_mode):
        raise SnapshotError(str(place), "is not a regular file")
    with place.open("rb") as file:
        return _load_archive(place, file)


def _parts(log: EventLog) -> Iterator[tuple[str, bytes]]:
    """Yield each block of each table as bytes."""
    for table, columns in SCHEMA.items():
        blocks = [log.blocks(table, column) for column in columns]
        for number, block in enumerate(zip(*blocks, strict=True)):
            cells = [column.astype(column.dtype.newbyteorder("<")).tobytes() for column in block]
            yield f"{table}.{number:04d}", b"".join(cells)


def _widths(table: str) -> dict[str, int]:
    return {column: width for column, (width, _) in SCHEMA[table].items()}


# The manifest.


def _dump(manifest: Mapping[str, Any]) -> bytes:
    """Return the one spelling of a manifest, with its own sha256 in it."""
    content = {key: manifest[key] for key in manifest if key != "sha256"}
    digest = sha256(_spell(content)).hexdigest()
    return _spell({**content, "sha256": digest})


def _spell(content: Mapping[str, Any]) -> bytes:
    text = json.dumps(content, sort_keys=True, indent=1, ensure_ascii=True, allow_nan=False)
    return text.encode() + b"\n"


def _read_manifest(data: bytes, place: str) -> dict[str, Any]:
    """Parse a manifest and refuse all that this build would not have written."""
    try:
        manifest = dict(json.loads(data))
        spelt = _dump(manifest)
    except (ValueError, TypeError, RecursionError) as error:
        raise SnapshotError(
            place, f"is not a tape's manifest: {show(str(error))}", part=MANIFEST
        ) from None
    if manifest.get("format") != FORMAT:
        raise SnapshotError(place, f"is not an {FORMAT}", part=MANIFEST)
    if manifest.get("version") != VERSION:
        found = show(manifest.get("version"))
        rule = f"has format version {found}, this build reads {VERSION}"
        raise SnapshotError(place, rule, part=MANIFEST)
    if spelt != data:
        raise SnapshotError(place, "was changed: its sha256 differs", part=MANIFEST)
    for key, kind in (("columns", dict), ("rows", dict), ("parts", list), ("meta", dict)):
        if not isinstance(manifest.get(key), kind):
            raise SnapshotError(place, f"lacks {key!r}", part=MANIFEST)
    for table in SCHEMA:
        if manifest["columns"].get(table) != _widths(table):
            raise SnapshotError(place, f"table {table!r} has other columns", part=MANIFEST)
    return manifest


def _read_parts(
    place: str, manifest: Mapping[str, Any], read: Callable[[str, int], bytes]
) -> EventLog:
    """Rebuild the log from its parts, each checked before it is used."""
    log = EventLog()
    listed = iter(manifest["parts"])
    for table, columns in SCHEMA.items():
        rows = manifest["rows"].get(table)
        if not isinstance(rows, int) or rows < 0:
            raise SnapshotError(place, f"rows of {table!r} are {show(rows)}", part=MANIFEST)
        for number, start in enumerate(range(0, rows, BLOCK_ROWS)):
            count = min(BLOCK_ROWS, rows - start)
            size = count * sum(width for width, _ in columns.values())
            name = f"{table}.{number:04d}"
            part = next(listed, None)
            if not isinstance(part, dict) or part.get("name") != name or part.get("bytes") != size:
                raise SnapshotError(place, f"part {name!r} is not as listed", part=MANIFEST)
            data = read(name, size)
            if len(data) != size:
                rule = f"is short: {len(data)} bytes, {size} expected"
                raise SnapshotError(place, rule, part=name, byte=len(data))
            if sha256(data).hexdigest() != part.get("sha256"):
                raise SnapshotError(place, "was changed: its sha256 differs", part=name)
            log.extend(table, _columns(table, data, count))
    if next(listed, None) is not None:
        raise SnapshotError(place, "lists a part too many", part=MANIFEST)
    if log.digest() != manifest.get("chain"):
        raise SnapshotError(place, "its chain hash differs from its tables'", part=MANIFEST)
    return log


def _columns(table: str, data: bytes, rows: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    at = 0
    for column, (width, _) in SCHEMA[table].items():
        found[column] = np.frombuffer(data, dtype=f"<i{width}", count=rows, offset=at)
        at += rows * width
    return found


# The archive.


def _save_archive(place: Path, manifest: bytes, log: EventLog) -> None:
    draft = place.with_name(f".{place.name}.{os.getpid()}.draft")
    try:
        with draft.open("xb") as file:
            file.write(MAGIC + len(manifest).to_bytes(8, "little") + manifest)
            for _, data in _parts(log):
                file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(place)
    except BaseException:
        with suppress(OSError):
            draft.unlink()
        raise


def _load_archive(place: Path, file: BinaryIO) -> tuple[EventLog, dict[str, Any]]:
    size = os.fstat(file.fileno()).st_size
    head = file.read(16)
    if head[:8] != MAGIC:
        raise SnapshotError(str(place), "is not an ordercascade tape", byte=0)
    length = int.from_bytes(head[8:], "little")
    if len(head) < 16 or length > size - 16:
        raise SnapshotError(str(place), "is cut off in its manifest", part=MANIFEST, byte=size)
    manifest = _read_manifest(file.read(length), str(place))
    log = _read_parts(str(place), manifest, lambda name, count: file.read(count))
    if file.read(1):
        raise SnapshotError(str(place), "has bytes after its last part", byte=file.tell() - 1)
    return log, manifest["meta"]


# The directory.


def _save_directory(place: Path, manifest: bytes, log: EventLog) -> None:
    place.mkdir(parents=True, exist_ok=True)
    old = sorted(entry.name for entry in place.iterdir())
    foreign = [name for name in old if name != MANIFEST and not _PART.fullmatch(name)]
    if foreign:
        raise SnapshotError(str(place), f"holds other files: {show(foreign[0])}")
    for name in old:
        (place / name).unlink()
    for name, data in _parts(log):
        (place / name).write_bytes(data)
    (place / MANIFEST).write_bytes(manifest)


def _load_directory(place: Path) -> tuple[EventLog, dict[str, Any]]:
    def read(name: str, count: int) -> bytes:
        """One byte more than wanted tells a file that is too long."""
        path = place / name
        try:
            plain = stat.S_ISREG(path.lstat().st_mode)
        except FileNotFoundError:
            raise SnapshotError(str(place), "is missing", part=name) from None
        if not plain:
            raise SnapshotError(str(place), "is not a regular file", part=name)
        with path.open("rb") as file:
            data = file.read(count + 1 if count >= 0 else -1)
        if count >= 0 and len(data) > count:
            raise SnapshotError(str(place), "is too long", part=name, byte=count)
        return data

    manifest = _read_manifest(read(MANIFEST, -1), str(place))
    log = _read_parts(str(place), manifest, read)
    listed = {MANIFEST, *(part["name"] for part in manifest["parts"])}
    for name in sorted(entry.name for entry in place.iterdir()):
        if name not in listed:
            raise SnapshotError(str(place), "is not listed in the manifest", part=show(name))
    return log, manifest["meta"]
