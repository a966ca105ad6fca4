"""Levels by id: BitMEX orderBookL2 and Bybit's inverse orderBookL2_25, one JSON message a line.

Forms: BitMEX API, "Websocket API, orderBookL2"; Bybit's first inverse and linear API,
"orderBookL2_25". A line may begin with the recorder's clock (Unix nanoseconds) and a blank. Bybit's
rows were tried in the normal form id-keyed; as JSON neither was tried on a real file.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ordercascade.data.forms import CHUNK, KeyedAction, KeyedRows, chunks
from ordercascade.data.numbers import INT_MAX, Place, Step, lots, nanoseconds, ticks, whole
from ordercascade.data.source import Place as Where
from ordercascade.data.source import source_of
from ordercascade.data.textrows import child, messages, under

US = 10**3
_SIDES = {"Buy": 0, "Sell": 1}
_BITMEX = {
    "partial": KeyedAction.SNAPSHOT,
    "insert": KeyedAction.INSERT,
    "update": KeyedAction.UPDATE,
    "delete": KeyedAction.DELETE,
}
# In the order that the deletes of a message make room for its inserts.
_BYBIT = {
    "delete": KeyedAction.DELETE,
    "update": KeyedAction.UPDATE,
    "insert": KeyedAction.INSERT,
}
Row = tuple[int, ...]


def bitmex_levels(
    where: Where, *, tick_size: object, lot_size: object, symbol: str = "", chunk: int = CHUNK
) -> Iterator[KeyedRows]:
    """Yield the rows of BitMEX orderBookL2 or orderBookL2_25 messages.

    Until July 2023 updates and deletes came without a price: it is 0 there. Messages before the
    first partial are passed over, as the venue asks for; other tables too.
    """
    source = source_of(where)
    place = Place(source.name)
    steps = ticks(tick_size), lots(lot_size)
    return chunks(KeyedRows, _bitmex(messages(source, place), place, steps, symbol), chunk)


def _bitmex(
    found: Iterator[tuple[int, dict[str, Any]]], place: Place, steps: tuple[Step, Step], symbol: str
) -> Iterator[Row]:
    number, seen, started = 0, symbol, False
    for stamp, message in found:
        if not str(message.get("table", "")).startswith("orderBookL2"):
            continue
        action = message.get("action")
        if not isinstance(action, str) or action not in _BITMEX:
            raise place.bad("action", f"must be {', '.join(_BITMEX)}", action)
        started = started or action == "partial"
        if not started:
            continue
        number += 1
        for index, level in enumerate(child(place, message, "data", list)):
            path = f"data[{index}]"
            name = child(place, level, "symbol", str, path)
            if symbol and name != symbol:
                continue
            seen = _same(place, under(path, "symbol"), name, seen)
            at = stamp
            if at < 0 and "timestamp" in level:
                at = nanoseconds(place, under(path, "timestamp"), level["timestamp"])
            yield max(at, 0), number, *_level(place, path, level, _BITMEX[action], steps)


def bybit_levels(
    where: Where, *, tick_size: object, lot_size: object, symbol: str = "", chunk: int = CHUNK
) -> Iterator[KeyedRows]:
    """Yield the rows of Bybit's orderBookL2_25 or orderBook_200 messages of the first API."""
    source = source_of(where)
    place = Place(source.name)
    steps = ticks(tick_size), lots(lot_size)
    return chunks(KeyedRows, _bybit(messages(source, place), place, steps, symbol), chunk)


def _bybit(
    found: Iterator[tuple[int, dict[str, Any]]], place: Place, steps: tuple[Step, Step], symbol: str
) -> Iterator[Row]:
    number, seen = 0, symbol
    for stamp, message in found:
        if not str(message.get("topic", "")).startswith("orderBook"):
            continue
        time_ns = stamp
        if time_ns < 0:
            stamped = message.get("timestamp_e6")
            time_ns = whole(place, "timestamp_e6", stamped, high=INT_MAX // US) * US
        number += 1
        for path, action, level in _parts(place, message):
            name = child(place, level, "symbol", str, path)
            if symbol and name != symbol:
                continue
            seen = _same(place, under(path, "symbol"), name, seen)
            yield time_ns, number, *_level(place, path, level, action, steps)


def _parts(place: Place, message: dict[str, Any]) -> Iterator[tuple[str, KeyedAction, Any]]:
    """Yield (key path, action, level) of a snapshot or delta."""
    kind = message.get("type")
    if kind == "snapshot":
        path, levels = "data", message.get("data")
        if isinstance(levels, dict):  # The linear contracts have one more storey.
            path, levels = "data.order_book", child(place, levels, "order_book", list, "data")
        if not isinstance(levels, list):
            raise place.bad(path, "must be an array", levels)
        for index, level in enumerate(levels):
            yield f"{path}[{index}]", KeyedAction.SNAPSHOT, level
        return
    if kind != "delta":
        raise place.bad("type", "must be snapshot or delta", kind)
    data = child(place, message, "data", dict)
    for name, action in _BYBIT.items():
        for index, level in enumerate(child(place, data, name, list, "data")):
            yield f"data.{name}[{index}]", action, level


def _level(
    place: Place, path: str, level: Any, action: KeyedAction, steps: tuple[Step, Step]
) -> Row:
    """Return (action, side, level_id, price, size) of one level."""
    key = whole(place, under(path, "id"), child(place, level, "id", str, path))
    side = level.get("side")
    if not isinstance(side, str) or side not in _SIDES:
        raise place.bad(under(path, "side"), "must be Buy or Sell", side)
    new = action in (KeyedAction.SNAPSHOT, KeyedAction.INSERT)
    price = size = 0
    if new or "price" in level:
        price = steps[0].of(place, under(path, "price"), level.get("price"), low=1)
    if action is not KeyedAction.DELETE:
        size = steps[1].of(place, under(path, "size"), level.get("size"))
    return int(action), _SIDES[side], key, price, size


def _same(place: Place, path: str, name: str, seen: str) -> str:
    if seen and name != seen:
        raise place.bad(path, f"must be {seen!r} throughout (symbol=… takes one)", name)
    return name
