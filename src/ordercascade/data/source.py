"""A file as a stream of bytes or lines: opened once, judged first, in bounded memory.

A packed file is unpacked twice, once to judge it whole and once to read it, so that a file that
is cut off or damaged hands out nothing; `partial=True` hands out what stands before the damage.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import stat
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

from ordercascade.errors import DataFileError, MissingExtraError
from ordercascade.progress import bar

LIMIT = 2**30  # bytes, packed and unpacked
BLOCK = 2**18
LINE_MAX = 65_536
GZIP, ZSTD, LZ4 = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18"
_PACKED = {GZIP: "gzip", ZSTD: "zstd", LZ4: "lz4"}
_MAGIC = {
    b"PK\x03\x04": "a zip archive",
    b"PAR1": "a parquet file",
    b"\x80\x02": "a pickle",
    b"\x80\x03": "a pickle",
    b"\x80\x04": "a pickle",
    b"\x80\x05": "a pickle",
    b"\x93NUMPY": "a numpy array",
    b"ARROW1": "an Arrow file",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
}
_MARK = b"\xef\xbb\xbf"
_END = re.compile(rb"\r\n|\n|\r")
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")


class Source(NamedTuple):
    """A file and how it is to be read.

    `limit` bounds its bytes, packed and unpacked; `sha256` is the digest of the bytes on the disk
    that the file must have; `progress` shows a bar on stderr after two seconds (None: where stderr
    is a terminal).
    """

    path: Path
    limit: int = LIMIT
    sha256: str | None = None
    partial: bool = False
    progress: bool | None = None

    @property
    def name(self) -> str:
        """The file's name, as messages show it."""
        return ascii(self.path.name)[1:-1]


Place = Source | Path | str


def source_of(place: Place) -> Source:
    """Return a place as a source with the usual rules."""
    return place if isinstance(place, Source) else Source(Path(place))


@contextmanager
def opened(source: Source) -> Iterator[IO[bytes]]:
    """Open a regular local file at most `limit` long; its size is fixed at the opening.

    Warns where it grew meanwhile: what was appended has not been read.
    """
    shown, text = source.name, os.fspath(source.path)
    # A Path has made one slash of the two in http://.
    if _ADDRESS.match(text) or text.startswith("~"):
        raise DataFileError(shown, "must be the path of a local file; nothing is fetched")
    with _at(source.path, shown) as handle:
        status = os.fstat(handle.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise DataFileError(shown, "not a regular file")
        if status.st_size > source.limit:
            rule = f"must have at most {_bytes(source.limit)} (limit=…)"
            raise DataFileError(shown, rule, value=status.st_size)
        yield io.BufferedReader(_Fixed(handle, status.st_size))
        if os.fstat(handle.fileno()).st_size > status.st_size:
            rule = f"{shown} grew while it was read: what is beyond byte {status.st_size} was not"
            warnings.warn(rule, stacklevel=4)


def _at(path: Path, shown: str) -> IO[bytes]:
    try:
        return open(path, "rb", opener=_open_at_once)
    except IsADirectoryError:
        raise DataFileError(shown, "not a regular file") from None


def digest_of(source: Source, handle: IO[bytes]) -> str:
    """Return the SHA-256 of an opened file, read from its start; refuse another than wanted."""
    digest = hashlib.sha256()
    handle.seek(0)
    while block := handle.read(BLOCK):
        digest.update(block)
    if source.sha256 not in (None, digest.hexdigest()):
        rule = f"sha256 differs: the file's is {digest.hexdigest()}"
        raise DataFileError(source.name, rule, value=source.sha256)
    handle.seek(0)
    return digest.hexdigest()


def blocks(source: Source) -> Iterator[bytes]:
    """Yield a text file's bytes, unpacked, block by block; gzip, zstd and lz4 by their magic."""
    with opened(source) as handle, reading(source) as shown:
        if source.sha256 is not None:
            digest_of(source, handle)
        packed = bool(_packing(handle.read(8)))
        handle.seek(0)
        if packed and not source.partial:
            for _ in _unpacked(source, handle):
                pass
            handle.seek(0)
        stream = _unpacked(source, handle) if packed else iter(lambda: handle.read(BLOCK), b"")
        first = True
        for block in stream:
            if first:
                not_text(source, block)
                first = False
            shown.update(handle.tell() - shown.n)
            yield block


def whole_file(source: Source) -> bytes:
    """Return all bytes of a file, unpacked, whatever they are."""
    with opened(source) as handle:
        packed = bool(_packing(handle.read(8)))
        handle.seek(0)
        return b"".join(_unpacked(source, handle)) if packed else handle.read()


def not_text(source: Source, data: bytes, want: str = "text") -> None:
    """Refuse what begins as another kind of file does."""
    for magic, kind in _MAGIC.items():
        if data.startswith(magic):
            raise DataFileError(source.name, f"must be {want}, this is {kind}", byte=0)


def lines(source: Source, line_max: int = LINE_MAX) -> Iterator[tuple[int, str, bool]]:
    """Yield (row, line, ended) of a UTF-8 text; rows count from 1; LF, CR LF and CR end a line.

    Only the last line may be not `ended`. A line of more than `line_max` bytes, a NUL byte and
    what is no UTF-8 are refused with their place.
    """
    held: list[bytes] = []  # a line that has not ended yet
    row = offset = 0
    for block in _marked(blocks(source)):
        if offset == 0 and row == 0 and not held and block.startswith(_MARK):
            block, offset = block[3:], 3
        held.append(block)
        if b"\n" in block or b"\r" in block or held[0].endswith(b"\r"):
            data, start = b"".join(held) if len(held) > 1 else block, 0
            # A CR at the very end may be the first half of a CR LF: it waits for the next block.
            stop = len(data) - data.endswith(b"\r")
            for end in _END.finditer(data, start, stop):
                row += 1
                line = data[start : end.start()]
                yield row, _line(source, line, row, offset + start, line_max), True
                start = end.end()
            offset += start
            held = [data[start:]]
        if sum(map(len, held)) > line_max + 1:
            raise DataFileError(source.name, f"line longer than {line_max} bytes", row=row + 1)
    rest = b"".join(held)
    if rest:
        line = rest.removesuffix(b"\r")
        yield row + 1, _line(source, line, row + 1, offset, line_max), line != rest


def _marked(stream: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the blocks, the first one long enough to hold a byte order mark."""
    first = b""
    for block in stream:
        first += block
        if len(first) >= len(_MARK):
            yield first
            yield from stream
            return
    if first:
        yield first


def _line(source: Source, line: bytes, row: int, offset: int, line_max: int) -> str:
    if len(line) > line_max:
        raise DataFileError(source.name, f"line longer than {line_max} bytes", row=row)
    if (nul := line.find(b"\x00")) >= 0:
        raise DataFileError(source.name, "holds a NUL byte", row=row, byte=offset + nul)
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        rule, byte = "must be UTF-8 text", offset + error.start
        raise DataFileError(source.name, rule, row=row, byte=byte) from None


def _packing(magic: bytes) -> str:
    return next((kind for start, kind in _PACKED.items() if magic.startswith(start)), "")


def _unpacked(source: Source, handle: IO[bytes]) -> Iterator[bytes]:
    """Yield the unpacked blocks; a damage is refused, or ends the stream where it is partial."""
    magic = handle.read(8)
    handle.seek(0)
    kind, total = _packing(magic), 0
    stream = _gunzipped(handle) if kind == "gzip" else _by_arrow(handle, kind)
    try:
        for block in stream:
            total += len(block)
            if total > source.limit:
                rule = f"unpacks to more than {_bytes(source.limit)} (limit=…)"
                raise DataFileError(source.name, rule)
            yield block
    except _DamagedError as damage:
        if not source.partial:
            raise DataFileError(source.name, damage.rule, byte=damage.byte) from None
        warnings.warn(f"{source.name}: {damage.rule}; read up to there", stacklevel=4)


class _DamagedError(Exception):
    """Packed bytes that cannot be unpacked to their end."""

    def __init__(self, rule: str, byte: int) -> None:
        self.rule, self.byte = rule, byte


def _gunzipped(handle: IO[bytes]) -> Iterator[bytes]:
    """Yield the contents of one or more gzip members, with their checksums held."""
    member = zlib.decompressobj(wbits=31)
    packed = b""
    while True:
        packed = packed or handle.read(BLOCK)
        if not packed:
            raise _DamagedError("compressed data ends early", handle.tell())
        before = member.copy()
        try:
            block = member.decompress(packed, BLOCK)
        except zlib.error as error:
            yield from _salvaged(before, packed)
            raise _DamagedError(f"compressed data is damaged: {error}", handle.tell()) from None
        packed = member.unconsumed_tail
        if block:
            yield block
        if member.eof:
            packed = member.unused_data or handle.read(BLOCK)
            if not packed:
                return
            member = zlib.decompressobj(wbits=31)


def _salvaged(member: Any, packed: bytes) -> Iterator[bytes]:
    """Yield what can be unpacked before a damage: in ever smaller steps up to it."""
    for step in (4096, 64, 1):
        while packed:
            trial = member.copy()
            try:
                block = trial.decompress(packed, step)
            except zlib.error:
                break
            if not block:
                return
            yield block
            member, packed = trial, trial.unconsumed_tail


def _by_arrow(handle: IO[bytes], kind: str) -> Iterator[bytes]:
    """Yield the contents of a zstd or lz4 file, which pyarrow unpacks."""
    try:
        import pyarrow
    except ImportError:
        raise MissingExtraError("pyarrow", "data") from None
    try:
        # The stream closes what it reads; the shield is what it may close.
        shield = io.BufferedReader(_Fixed(handle, 2**62))
        with pyarrow.CompressedInputStream(shield, kind) as stream:
            while block := stream.read(BLOCK):
                yield block
    except (pyarrow.ArrowException, OSError) as error:
        rule = f"compressed data is damaged or ends early: {error}"
        raise _DamagedError(rule, handle.tell()) from None


def _bytes(count: int) -> str:
    if count >= 2**30 and count % 2**30 == 0:
        return f"{count >> 30} GiB"
    return f"{count:,} bytes"


def _open_at_once(path: str, flags: int) -> int:
    # Without O_NONBLOCK the opening of a FIFO waits for a writer that may never come.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


class _Fixed(io.RawIOBase):
    """A file that ends where it ended when it was opened."""

    def __init__(self, handle: IO[bytes], size: int) -> None:
        self._handle, self._size = handle, size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        most = max(0, min(len(buffer), self._size - self._handle.tell()))
        block = self._handle.read(most)
        buffer[: len(block)] = block
        return len(block)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_END:
            return self._handle.seek(self._size + offset)
        return self._handle.seek(offset, whence)

    def tell(self) -> int:
        return self._handle.tell()


def reading(source: Source) -> Any:
    """Return a bar of the bytes that are read of a file."""
    total = os.stat(source.path).st_size
    return bar(source.progress, total=total, unit="B", unit_scale=True, desc=source.name)
