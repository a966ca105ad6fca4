"""Recorded books in their normal forms: neutral-l2, neutral-l3 and id-keyed, read in chunks.

neutral-l2   Parquet: local_ns, exch_ms, ev (0 snapshot, 1 diff, 2 trade, 3 best), side,
             price_ticks, qty_lots (0 deletes a level), u (update id, a trade's id).
neutral-l3   Parquet: seq, recv_ms, exch_s, event (created, changed, deleted, trade), id,
             price_cents, volume_sat, side; a changed volume is what is left. Or CSV: seq, type
             (A add, C gone, R new size, T report), time_ms, order_id, price_1e4, size, side.
id-keyed     Parquet: msg, recv_us, action (0 snapshot, 1 insert, 2 update, 3 delete), side,
             level_id, price_ticks, size.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ordercascade.data.forms import (
    CHUNK,
    Array,
    KeyedRows,
    LevelRows,
    OrderEvent,
    OrderRows,
    chunks,
)
from ordercascade.data.numbers import INT_MAX, ORDER_SIZE_MAX, PRICE_MAX, SIZE_MAX, Place, whole
from ordercascade.data.parquet import Column, parquet_chunks
from ordercascade.data.source import Place as Where
from ordercascade.data.source import Source, opened, source_of
from ordercascade.data.textrows import headed
from ordercascade.errors import DataFileError

US, MS = 10**3, 10**6
_TEXT = (
    "string",
    "large_string",
    "dictionary<values=string, indices=int8, ordered=0>",
    "dictionary<values=string, indices=int32, ordered=0>",
)
LEVELS = {
    "local_ns": Column(low=0),
    "exch_ms": Column(high=INT_MAX // MS),
    "ev": Column(low=0, high=3),
    "side": Column(low=-1, high=1),
    "price_ticks": Column(low=0, high=PRICE_MAX),
    "qty_lots": Column(low=0, high=SIZE_MAX),
    "u": Column(low=0),
}
ORDERS = {
    "seq": Column(low=0),
    "recv_ms": Column(low=0, high=INT_MAX // MS),
    "exch_s": Column(),
    "event": Column(kinds=_TEXT),
    "id": Column(),
    "price_cents": Column(low=0, high=PRICE_MAX),
    "volume_sat": Column(low=0, high=ORDER_SIZE_MAX),
    "side": Column(low=-1, high=1),
}
KEYED = {
    "msg": Column(low=0),
    "recv_us": Column(low=0, high=INT_MAX // US),
    "action": Column(low=0, high=3),
    "side": Column(low=0, high=1),
    "level_id": Column(),
    "price_ticks": Column(low=0, high=PRICE_MAX, nulls=True),
    "size": Column(low=0, high=SIZE_MAX, nulls=True),
}
_EVENTS = {
    "created": OrderEvent.ADD,
    "changed": OrderEvent.RESIZE,
    "deleted": OrderEvent.DELETE,
    "trade": OrderEvent.TRADE,
}
MESSAGES = ("seq", "type", "time_ms", "order_id", "price_1e4", "size", "side")
_TYPES = {
    "A": OrderEvent.ADD,
    "C": OrderEvent.DELETE,
    "R": OrderEvent.RESIZE,
    "T": OrderEvent.TRADE,
}
_SIDES = {"BID": 0, "ASK": 1, "": -1}


def neutral_levels(where: Where, *, chunk: int = CHUNK, extra: bool = False) -> Iterator[LevelRows]:
    """Yield the rows of a `neutral-l2` file, in its order; `extra` allows other columns."""
    source = source_of(where)
    for first, columns in parquet_chunks(source, LEVELS, chunk, extra=extra):
        rows = LevelRows(
            columns["local_ns"],
            columns["exch_ms"] * MS,
            columns["ev"],
            columns["side"],
            columns["price_ticks"],
            columns["qty_lots"],
            columns["u"],
            np.full(len(columns["u"]), -1, np.int64),
        )
        level = rows.event <= 1
        _judge(source, "side", rows.side, level & (rows.side < 0), first, "must be 0 or 1")
        _judge(source, "price_ticks", rows.price, level & (rows.price < 1), first, "must be over 0")
        yield rows


def neutral_keyed(where: Where, *, chunk: int = CHUNK, extra: bool = False) -> Iterator[KeyedRows]:
    """Yield the rows of an `id-keyed` file; a price that is not given is 0."""
    for _, columns in parquet_chunks(source_of(where), KEYED, chunk, extra=extra):
        yield KeyedRows(
            columns["recv_us"] * US,
            columns["msg"],
            columns["action"],
            columns["side"],
            columns["level_id"],
            columns["price_ticks"],
            columns["size"],
        )


def neutral_orders(
    where: Where, *, chunk: int = CHUNK, midnight_ns: int = 0, extra: bool = False
) -> Iterator[OrderRows]:
    """Yield the rows of a `neutral-l3` file, Parquet or CSV, known by its first bytes.

    CSV times count from `midnight_ns`; with `extra` there may be columns that are not read.
    """
    source = source_of(where)
    with opened(source) as handle:
        parquet = handle.read(4) == b"PAR1"
    if parquet:
        return _order_columns(source, chunk, extra=extra)
    place = Place(source.name)
    rows = _order_lines(source, place, midnight_ns, extra=extra)
    return chunks(OrderRows, rows, chunk)


def _order_columns(source: Source, chunk: int, *, extra: bool) -> Iterator[OrderRows]:
    for first, columns in parquet_chunks(source, ORDERS, chunk, extra=extra):
        event = _coded(source, columns["event"], first)
        rows = OrderRows(
            columns["recv_ms"] * MS,
            columns["seq"],
            event,
            columns["id"],
            columns["side"],
            columns["price_cents"],
            columns["volume_sat"],
        )
        add = event == OrderEvent.ADD
        _judge(source, "side", rows.side, add & (rows.side < 0), first, "must be 0 or 1")
        _judge(source, "price_cents", rows.price, add & (rows.price < 1), first, "must be over 0")
        _judge(source, "volume_sat", rows.size, add & (rows.size < 1), first, "must be over 0")
        yield rows


def _coded(source: Source, words: Any, first: int) -> Array:
    """Return the event names as numbers."""
    names = words.tolist()
    for index, name in enumerate(names):
        if name not in _EVENTS:
            rule = f"must be {', '.join(_EVENTS)}"
            raise DataFileError(source.name, rule, row=first + index, column="event", value=name)
    return np.array([_EVENTS[name] for name in names], np.int64)


def _order_lines(
    source: Source, place: Place, midnight_ns: int, *, extra: bool
) -> Iterator[tuple[int, ...]]:
    most = INT_MAX // MS - midnight_ns // MS - 1
    for fields in headed(source, place, MESSAGES, extra=extra):
        if fields[1] not in _TYPES:
            raise place.bad("type", f"must be {', '.join(_TYPES)}", fields[1])
        event = _TYPES[fields[1]]
        if fields[6] not in _SIDES:
            raise place.bad("side", "must be BID, ASK or empty", fields[6])
        side = _SIDES[fields[6]]
        add = event is OrderEvent.ADD
        if add and side < 0:
            raise place.bad("side", "must be BID or ASK where an order is added", fields[6])
        seq = whole(place, "seq", fields[0])
        time_ns = midnight_ns + whole(place, "time_ms", fields[2], high=most) * MS
        order_id = whole(place, "order_id", fields[3])
        price = size = 0
        if fields[4] or add:
            price = whole(place, "price_1e4", fields[4], low=int(add), high=PRICE_MAX)
        if fields[5] or add or event is OrderEvent.RESIZE:
            size = whole(place, "size", fields[5], low=int(add), high=ORDER_SIZE_MAX)
        yield time_ns, seq, int(event), order_id, side, price, size


def _judge(source: Source, column: str, values: Array, bad: Any, first: int, rule: str) -> None:
    found = np.flatnonzero(bad)
    if len(found):
        row, value = first + int(found[0]), int(values[found[0]])
        raise DataFileError(source.name, rule, row=row, column=column, value=value)
