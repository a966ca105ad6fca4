"""Read a text table, strictly: CSV in UTF-8, plain or gzip, or refuse it with the place.

Numbers are ASCII digits. No guessing: the header must be the one asked for, every row must have
as many fields, quotes are not read, and a file that ends early is not handed out in part.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from ordercascade.data.source import (
    LINE_MAX,
    Source,
    digest_of,
    not_text,
    opened,
    whole_file,
)
from ordercascade.errors import DataFileError, MissingExtraError, show
from ordercascade.exact import Exact

_NUMBER = re.compile(r"[0-9]{1,18}(\.[0-9]{1,18})?")


class TextTable(NamedTuple):
    """A file's rows as text: `columns` from the header, `rows` with their line numbers."""

    file: str
    columns: tuple[str, ...]
    rows: list[list[str]]

    def number(self, row: int, column: str) -> Exact:
        """Return a cell as a decimal without sign or exponent, or refuse it with its place."""
        text = self.rows[row][self.columns.index(column)]
        if _NUMBER.fullmatch(text) is None:
            hint = "; decimals take a point, thousands no separator" if "," in text else ""
            rule = f"must be plain ASCII digits such as 12.5{hint}"
            raise DataFileError(self.file, rule, row=row + 2, column=column, value=text)
        return Exact(text)


def read_bytes(path: Path) -> bytes:
    """Return a regular file's bytes; unpacks gzip, zstd and lz4 up to 1 GiB."""
    return whole_file(Source(path))


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as they lie on the disk."""
    source = Source(path)
    with opened(source) as handle:
        return digest_of(source, handle)


def read_table(path: Path, *headers: tuple[str, ...]) -> TextTable:
    """Return the rows of a CSV file whose columns, in any order, are those of one of `headers`."""
    shown = path.name
    data = read_bytes(path)
    not_text(Source(path), data, "CSV text")
    lines = _lines(shown, data.removeprefix(b"\xef\xbb\xbf"))
    if not lines:
        raise DataFileError(shown, "is empty; a header line is expected")
    columns = tuple(lines[0].split(","))
    if not any(sorted(columns) == sorted(header) for header in headers):
        wanted = " or ".join(",".join(header) for header in headers)
        hint = " (fields are separated by commas)" if ";" in lines[0] or "\t" in lines[0] else ""
        raise DataFileError(shown, f"expected the columns {wanted}{hint}", row=1, value=lines[0])
    rows = [line.split(",") for line in lines[1:]]
    for number, row in enumerate(rows, start=2):
        if len(row) != len(columns):
            rule = f"row has {len(row)} fields, {len(columns)} expected"
            rule += " (decimals take a point, thousands no separator)" if len(row) > 1 else ""
            if number == len(lines) and not data.endswith((b"\n", b"\r")):
                rule += "; the last line has no newline: the file may be cut off"
            raise DataFileError(shown, rule, row=number)
    return TextTable(shown, columns, rows)


def read_column(path: Path, column: str) -> list[Exact]:
    """Return the numbers of one column of a CSV file, which may have others."""
    data = read_bytes(path)
    header = data.removeprefix(b"\xef\xbb\xbf").split(b"\n", 1)[0].rstrip(b"\r")
    columns = tuple(header.decode("utf-8", "replace").split(","))
    if column not in columns:
        rule = f"has no column {column!r}; there are {', '.join(columns)}"
        raise DataFileError(path.name, rule, row=1)
    table = read_table(path, columns)
    if not table.rows:
        raise DataFileError(path.name, "has no rows to draw from")
    return [table.number(row, column) for row in range(len(table.rows))]


def read_parquet(path: Path, wanted: dict[str, tuple[str, ...]]) -> dict[str, list[object]]:
    """Return a Parquet file's columns as lists; `wanted` names the types a column may have."""
    table = parquet_table(path, wanted)
    return {column: table.column(column).to_pylist() for column in wanted}


def parquet_table(path: Path, wanted: dict[str, tuple[str, ...]]):  # type: ignore[no-untyped-def]
    """Return a pyarrow Table whose columns are exactly `wanted`, without nulls, or refuse it."""
    shown = path.name
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("pyarrow", "data") from None
    numbers = re.findall(r"[0-9]+", pyarrow.__version__)[:3]
    if tuple(int(part) for part in numbers) < (14, 0, 1):  # CVE-2023-47248
        raise MissingExtraError("pyarrow >= 14.0.1", "data")
    data = read_bytes(path)
    if not (data.startswith(b"PAR1") and data.endswith(b"PAR1") and len(data) >= 12):
        raise DataFileError(shown, "must be a whole Parquet file (PAR1 at both ends)")
    try:
        packed = pyarrow.parquet.ParquetFile(pyarrow.BufferReader(data))
        names = packed.schema_arrow.names
        if sorted(names) != sorted(wanted):
            rule = f"expected the columns {','.join(wanted)}"
            raise DataFileError(shown, rule, value=",".join(names))
        table = packed.read()
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataFileError(shown, f"Parquet cannot be read: {show(str(error))}") from error
    for column, types in wanted.items():
        found = str(table.schema.field(column).type)
        if not any(found == kind or found.startswith(kind + "(") for kind in types):
            raise DataFileError(shown, f"is {found}, want {' or '.join(types)}", column=column)
        if table.column(column).null_count:
            rule = f"column has {table.column(column).null_count} nulls"
            raise DataFileError(shown, rule, column=column)
    return table


def _lines(shown: str, data: bytes) -> list[str]:
    """Split into lines by LF, CR LF or CR; refuse what is no UTF-8 text, with the byte."""
    if b"\x00" in data:
        raise DataFileError(shown, "holds a NUL byte", byte=data.index(b"\x00"))
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataFileError(shown, "must be UTF-8 text", byte=error.start) from None
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if lines and lines[-1] == "":
        lines.pop()
    for number, line in enumerate(lines, start=1):
        if len(line) > LINE_MAX:
            raise DataFileError(shown, f"line longer than {LINE_MAX} bytes", row=number)
        if '"' in line:
            raise DataFileError(shown, "quotes are not read", row=number)
    return lines
