"""Files of tardis.dev: `incremental_book_L2` and `book_snapshot_N`, CSV with a header, often .gz.

Forms: docs.tardis.dev, "Downloadable CSV files, data types". Times are Unix microseconds. Never
tried on a real file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ordercascade.data.forms import CHUNK, LevelEvent, LevelRows, chunks
from ordercascade.data.numbers import INT_MAX, Place, Step, lots, ticks, whole
from ordercascade.data.source import Place as Where
from ordercascade.data.source import Source, lines, source_of
from ordercascade.data.textrows import headed
from ordercascade.errors import DataFileError

US = 10**3
INCREMENTAL = (
    *("exchange", "symbol", "timestamp", "local_timestamp"),
    *("is_snapshot", "side", "price", "amount"),
)
_SHARED = INCREMENTAL[:4]
_SIDES = {"bid": 0, "ask": 1}
_FLAGS = {"true": 1, "false": 0}
_LEVEL = re.compile(r"(asks|bids)\[([0-9]{1,4})\]\.(price|amount)")


def tardis_incremental(
    where: Where, *, tick_size: object, lot_size: object, chunk: int = CHUNK
) -> Iterator[LevelRows]:
    """Yield the level rows of an `incremental_book_L2` file of one symbol.

    Rows of one `local_timestamp` are one message; a run of snapshot rows replaces the book.
    """
    source = source_of(where)
    place = Place(source.name)
    return chunks(LevelRows, _incremental(source, place, ticks(tick_size), lots(lot_size)), chunk)


def _incremental(source: Source, place: Place, tick: Step, lot: Step) -> Iterator[tuple[int, ...]]:
    update, last, symbol, stamps = 0, (-1, 0), ["", ""], ["", ""]
    exchange = received = 0
    for fields in headed(source, place, INCREMENTAL):
        if fields[:2] != symbol:
            symbol = _one_symbol(place, fields, symbol)
        if fields[2:4] != stamps:
            stamps = fields[2:4]
            exchange = whole(place, "timestamp", fields[2], high=INT_MAX // US) * US
            received = whole(place, "local_timestamp", fields[3], high=INT_MAX // US) * US
        whole_book = _word(place, "is_snapshot", fields[4], _FLAGS)
        side = _word(place, "side", fields[5], _SIDES)
        price = tick.of(place, "price", fields[6], low=1)
        size = lot.of(place, "amount", fields[7])
        if received < last[0]:
            raise place.bad("local_timestamp", "must not fall", fields[3])
        # A snapshot may be stamped message by message: it is one as long as its rows go on.
        if (received, whole_book) != last and not (whole_book and last[1]):
            update += 1
        last = (received, whole_book)
        event = 1 - whole_book  # LevelEvent
        yield received, exchange, event, side, price, size, update, update - 1


def tardis_snapshots(
    where: Where, *, tick_size: object, lot_size: object, chunk: int = CHUNK
) -> Iterator[LevelRows]:
    """Yield the level rows of a `book_snapshot_N` file of one symbol: every row a whole book."""
    source = source_of(where)
    place = Place(source.name)
    return chunks(LevelRows, _snapshots(source, place, ticks(tick_size), lots(lot_size)), chunk)


def _snapshots(source: Source, place: Place, tick: Step, lot: Step) -> Iterator[tuple[int, ...]]:
    columns = _snapshot_columns(source)
    levels = [_LEVEL.fullmatch(name) for name in columns[4:]]
    sides = [int(found[1] == "asks") for found in levels[::2] if found]
    update, symbol = 0, ["", ""]
    for fields in headed(source, place, columns):
        symbol = _one_symbol(place, fields, symbol)
        exchange = whole(place, "timestamp", fields[2], high=INT_MAX // US) * US
        received = whole(place, "local_timestamp", fields[3], high=INT_MAX // US) * US
        update += 1
        empty = True
        for index, side in enumerate(sides):
            at = 4 + 2 * index
            if not fields[at] and not fields[at + 1]:
                continue  # The book had fewer levels.
            price = tick.of(place, columns[at], fields[at], low=1)
            size = lot.of(place, columns[at + 1], fields[at + 1])
            yield received, exchange, int(LevelEvent.SNAPSHOT), side, price, size, update, -1
            empty = False
        if empty:
            raise place.bad("asks[0].price", "must have a level on one side", fields[4])


def _snapshot_columns(source: Source) -> tuple[str, ...]:
    """Return the columns for as many levels as the header has, price and amount side by side."""
    header = next((line for _, line, _ in lines(source._replace(sha256=None))), None)
    if header is None:
        raise DataFileError(source.name, "is empty; a header line is expected")
    names = header.split(",")
    depth = sum(name.endswith("].price") and name.startswith("asks[") for name in names)
    if depth == 0:
        hint = " (fields are separated by commas)" if len(names) == 1 else ""
        rule = f"expected the columns {','.join(_SHARED)},asks[0].price,asks[0].amount,…{hint}"
        raise DataFileError(source.name, rule, row=1, value=header)
    return _SHARED + tuple(
        f"{side}[{level}].{part}"
        for level in range(depth)
        for side in ("asks", "bids")
        for part in ("price", "amount")
    )


def _one_symbol(place: Place, fields: list[str], symbol: list[str]) -> list[str]:
    if symbol[0] and fields[:2] != symbol:
        rule = f"must be {':'.join(symbol)!r} throughout: one book a file"
        raise place.bad("symbol", rule, ":".join(fields[:2]))
    return fields[:2]


def _word(place: Place, key: str, text: str, words: dict[str, int]) -> int:
    if text not in words:
        raise place.bad(key, f"must be {' or '.join(words)}", text)
    return words[text]
