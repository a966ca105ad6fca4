"""Parquet columns of whole numbers and names, in chunks: of the types asked for, or refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from ordercascade.data.numbers import INT_MAX
from ordercascade.data.source import Source, digest_of, opened, reading
from ordercascade.errors import DataFileError, MissingExtraError, show

GROUPS_MAX = 2**16
THRIFT_MAX = 2**20  # names and lists of the footer
_INTS = ("int8", "int16", "int32", "int64")


class Column(NamedTuple):
    """What a column must be: its types, the range of its numbers, whether nulls stand for 0."""

    kinds: tuple[str, ...] = _INTS
    low: int = -INT_MAX
    high: int = INT_MAX
    nulls: bool = False


def parquet_chunks(
    source: Source, wanted: Mapping[str, Column], chunk: int, *, extra: bool = False
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (first row, columns) of at most `chunk` rows: int64 arrays, object arrays of names.

    The file must have the columns `wanted`; with `extra` it may have others, which are not read.
    """
    pyarrow, module = _library()
    with opened(source) as handle, reading(source) as shown:
        if source.sha256 is not None:
            digest_of(source, handle)
        _whole(source, handle)
        try:
            file = module.ParquetFile(
                handle,
                thrift_string_size_limit=THRIFT_MAX,
                thrift_container_size_limit=THRIFT_MAX,
                page_checksum_verification=True,
            )
            _judge_schema(source, file, wanted, extra=extra)
            first = 0
            for batch in file.iter_batches(batch_size=chunk, columns=list(wanted)):
                shown.update(handle.tell() - shown.n)
                yield first, _columns(source, batch, wanted, first)
                first += batch.num_rows
        except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
            raise DataFileError(
                source.name, f"Parquet cannot be read: {show(str(error))}"
            ) from error


def column_names(source: Source) -> tuple[str, ...]:
    """Return the names of a Parquet file's columns."""
    pyarrow, module = _library()
    with opened(source) as handle:
        _whole(source, handle)
        try:
            return tuple(module.ParquetFile(handle).schema_arrow.names)
        except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
            raise DataFileError(
                source.name, f"Parquet cannot be read: {show(str(error))}"
            ) from error


def _library() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("pyarrow", "data") from None
    if tuple(int(part) for part in pyarrow.__version__.split(".")[:3]) < (14, 0, 1):
        raise MissingExtraError("pyarrow >= 14.0.1", "data")
    return pyarrow, pyarrow.parquet


def _whole(source: Source, handle: Any) -> None:
    """Judge the ends of the file by their magic."""
    start = handle.read(4)
    size = handle.seek(0, 2)
    handle.seek(max(0, size - 4))
    if start != b"PAR1" or handle.read(4) != b"PAR1" or size < 12:
        raise DataFileError(source.name, "must be a whole Parquet file (PAR1 at both ends)")
    handle.seek(0)


def _judge_schema(source: Source, file: Any, wanted: Mapping[str, Column], *, extra: bool) -> None:
    names = file.schema_arrow.names
    twice = len(set(names)) != len(names)
    if twice or not set(wanted) <= set(names) or (len(names) > len(wanted) and not extra):
        rule = f"expected the columns {','.join(wanted)}"
        raise DataFileError(source.name, rule, value=",".join(names[:100]))
    if file.metadata.num_row_groups > GROUPS_MAX:
        rule, count = f"must have at most {GROUPS_MAX} row groups", file.metadata.num_row_groups
        raise DataFileError(source.name, rule, value=count)
    groups = range(file.metadata.num_row_groups)
    total = sum(file.metadata.row_group(group).total_byte_size for group in groups)
    if total > source.limit:
        raise DataFileError(source.name, "unpacks to more than the limit (limit=…)", value=total)
    for name, column in wanted.items():
        found = str(file.schema_arrow.field(name).type)
        if found not in column.kinds:
            kinds = "a whole number" if column.kinds == _INTS else " or ".join(column.kinds[:1])
            raise DataFileError(source.name, f"is {found}, want {kinds}", column=name)


def _columns(
    source: Source, batch: Any, wanted: Mapping[str, Column], first: int
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, column in wanted.items():
        cells = batch.column(name)
        if cells.null_count and not column.nulls:
            rule = f"column has {cells.null_count} nulls"
            raise DataFileError(source.name, rule, row=first, column=name)
        if column.kinds != _INTS:
            found[name] = np.array(cells.to_pylist(), object)
            continue
        numbers = cells.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
        bad = np.flatnonzero((numbers < column.low) | (numbers > column.high))
        if len(bad):
            row, value = first + int(bad[0]), int(numbers[bad[0]])
            rule = f"must be in [{column.low}, {column.high}]"
            raise DataFileError(source.name, rule, row=row, column=name, value=value)
        found[name] = numbers
    return found
