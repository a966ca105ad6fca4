"""Rows of text files, one by one: CSV with or without a header, and one JSON message a line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from ordercascade.data.numbers import Place, whole
from ordercascade.data.source import LINE_MAX, Source, lines
from ordercascade.errors import DataFileError

# A snapshot of five thousand levels a side is one line.
JSON_LINE_MAX = 2**24
_KINDS: dict[type, str] = {dict: "an object", list: "an array", str: "text or a number"}
_CUT = "; the last line has no newline: the file may be cut off"


def headed(
    source: Source, place: Place, columns: Sequence[str], *, extra: bool = False
) -> Iterator[list[str]]:
    """Yield the fields of each row in the order of `columns`, whatever the file's order is.

    The header must be `columns`; with `extra` it may have others, which are not read.
    """
    order: list[int] | None = None
    count = 0
    for row, line, ended in lines(source, LINE_MAX):
        place.row = row
        fields = _fields(source, row, line)
        if order is None:
            order, count = _order(source, fields, columns, extra=extra), len(fields)
            continue
        if len(fields) != count:
            raise _ragged(source, row, fields, count, ended=ended)
        yield [fields[at] for at in order]
    if order is None:
        raise DataFileError(source.name, "is empty; a header line is expected")


def bare(source: Source, place: Place, counts: Sequence[int]) -> Iterator[list[str]]:
    """Yield the fields of each row of a file without a header; all rows have one of `counts`."""
    count = 0
    for row, line, ended in lines(source, LINE_MAX):
        place.row = row
        fields = _fields(source, row, line)
        if count == 0 and len(fields) in counts:
            count = len(fields)
        if len(fields) != count:
            raise _ragged(source, row, fields, count or counts[0], ended=ended)
        yield fields
    if count == 0:
        raise DataFileError(source.name, "is empty")


def _fields(source: Source, row: int, line: str) -> list[str]:
    if '"' in line:
        raise DataFileError(source.name, "quotes are not read", row=row)
    return line.split(",")


def _order(source: Source, fields: list[str], columns: Sequence[str], *, extra: bool) -> list[int]:
    """Return where each wanted column stands."""
    twice = sorted({name for name in fields if fields.count(name) > 1})
    missing = [name for name in columns if name not in fields]
    more = [name for name in fields if name not in columns]
    if twice or missing or (more and not extra):
        hint = " (fields are separated by commas)" if len(fields) == 1 else ""
        rule = f"expected the columns {','.join(columns)}{hint}"
        if twice:
            rule = f"column {twice[0]!r} stands there twice"
        raise DataFileError(source.name, rule, row=1, value=",".join(fields))
    return [fields.index(name) for name in columns]


def _ragged(
    source: Source, row: int, fields: list[str], count: int, *, ended: bool
) -> DataFileError:
    rule = f"row has {len(fields)} fields, {count} expected"
    rule += " (decimals take a point, thousands no separator)" if len(fields) > count else ""
    return DataFileError(source.name, rule if ended else rule + _CUT, row=row)


def messages(source: Source, place: Place) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (stamp, message) of each line: a JSON object, with or without a number before it.

    Numbers stay the text they are, so that no float comes between; the stamp is -1 where the line
    has none. Empty lines are passed over.
    """
    seen = False
    for row, line, ended in lines(source, JSON_LINE_MAX):
        place.row, seen = row, True
        text = line.strip(" \t")
        if not text:
            continue
        stamp = -1
        if text[0] != "{" and " " in text:
            first, _, text = text.partition(" ")
            stamp = whole(place, "stamp", first)
        try:
            found = _DECODER.decode(text)
        except (ValueError, RecursionError) as error:
            rule = f"must be one JSON object a line: {_why(error)}"
            raise DataFileError(source.name, rule if ended else rule + _CUT, row=row) from None
        if not isinstance(found, dict):
            raise place.bad("$", "must be a JSON object", text)
        yield stamp, found
    if not seen:
        raise DataFileError(source.name, "is empty")


def _why(error: Exception) -> str:
    return "nested too deep" if isinstance(error, RecursionError) else str(error)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"duplicate key {twice!r}")
    return found


def _refused(text: str) -> Any:
    raise ValueError(f"{text} is no number")


_DECODER = json.JSONDecoder(
    parse_float=str, parse_int=str, parse_constant=_refused, object_pairs_hook=_object
)


def child(place: Place, found: Any, key: str, kind: type, path: str = "") -> Any:
    """Return a member of a message that must be there and of a kind."""
    here = under(path, key)
    if not isinstance(found, dict) or key not in found:
        raise place.bad(here, "is missing", sorted(found) if isinstance(found, dict) else found)
    value = found[key]
    if not isinstance(value, kind):
        raise place.bad(here, f"must be {_KINDS[kind]}", value)
    return value


def under(path: str, key: str) -> str:
    """Return the key path of a member."""
    return f"{path}.{key}" if path else key
