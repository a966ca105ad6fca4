"""Binance recordings: depth diffs, REST snapshots and bookTicker, one JSON message a line.

Forms: developers.binance.com, "Diff. Book Depth Streams", "Order Book" and "Individual Symbol Book
Ticker Streams", spot and futures, bare or as {"stream", "data"}; a line may begin with the
recorder's own clock (Unix nanoseconds) and a blank. Never tried on a file as Binance sends it:
the real data of the proofs came already converted to neutral-l2.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ordercascade.data.forms import CHUNK, LevelEvent, LevelRows, chunks
from ordercascade.data.numbers import Place, Step, lots, ticks, whole
from ordercascade.data.source import Place as Where
from ordercascade.data.source import source_of
from ordercascade.data.textrows import child, messages

MS = 10**6
_TRADES = ("trade", "aggTrade")


def binance_levels(
    where: Where, *, tick_size: object, lot_size: object, symbol: str = "", chunk: int = CHUNK
) -> Iterator[LevelRows]:
    """Yield the level rows of a recording; with `symbol` those of one, else it must have one.

    `before` is pu where the message has it (futures), else U - 1 (spot). Other messages, such as
    the answer to a subscription, are passed over; an unknown event is refused.
    """
    source = source_of(where)
    place = Place(source.name)
    steps = ticks(tick_size), lots(lot_size)
    return chunks(LevelRows, _rows(messages(source, place), place, steps, symbol), chunk)


Row = tuple[int, ...]


def _rows(
    found: Iterator[tuple[int, dict[str, Any]]],
    place: Place,
    steps: tuple[Step, Step],
    symbol: str,
) -> Iterator[Row]:
    seen = symbol
    for stamp, message in found:
        data = child(place, message, "data", dict) if "stream" in message else message
        path = "data." if "stream" in message else ""
        name = data.get("s", seen)
        if not isinstance(name, str):
            raise place.bad(path + "s", "must be a symbol", name)
        if symbol and name != symbol:
            continue
        if seen and name != seen:
            raise place.bad(path + "s", f"must be {seen!r} throughout (symbol=… takes one)", name)
        seen = name
        yield from _message(place, path, data, stamp, steps)


def _message(
    place: Place, path: str, data: dict[str, Any], stamp: int, steps: tuple[Step, Step]
) -> Iterator[Row]:
    """Yield the rows of one message by its kind."""
    kind = data.get("e")
    if kind == "depthUpdate":
        return _diff(place, path, data, stamp, steps)
    if "lastUpdateId" in data:
        return _snapshot(place, path, data, stamp, steps)
    if kind == "bookTicker" or (kind is None and {"u", "b", "B", "a", "A"} <= data.keys()):
        return _best(place, path, data, stamp, steps)
    if kind in _TRADES:
        return _trade(place, path, data, stamp, steps)
    if kind is None and ("result" in data or "id" in data or "error" in data):
        return iter(())
    return _unknown(place, path, kind)


def _unknown(place: Place, path: str, kind: object) -> Iterator[Row]:
    raise place.bad(path + "e", "must be depthUpdate, bookTicker, trade or a snapshot", kind)


def _clock(place: Place, path: str, data: dict[str, Any], stamp: int) -> tuple[int, int]:
    """Return (received, exchange) nanoseconds; the exchange's event time where one is missing."""
    exchange = whole(place, path + "E", data["E"]) * MS if "E" in data else 0
    return (stamp if stamp >= 0 else exchange), exchange


def _diff(
    place: Place, path: str, data: dict[str, Any], stamp: int, steps: tuple[Step, Step]
) -> Iterator[Row]:
    received, exchange = _clock(place, path, data, stamp)
    first = whole(place, path + "U", data.get("U"))
    last = whole(place, path + "u", data.get("u"), low=first)
    before = whole(place, path + "pu", data["pu"], low=-1) if "pu" in data else first - 1
    event = int(LevelEvent.DIFF)
    for side, key in enumerate("ba"):
        for price, size in _levels(place, path, data, key, steps):
            yield received, exchange, event, side, price, size, last, before


def _snapshot(
    place: Place, path: str, data: dict[str, Any], stamp: int, steps: tuple[Step, Step]
) -> Iterator[Row]:
    received, exchange = _clock(place, path, data, stamp)
    update = whole(place, path + "lastUpdateId", data.get("lastUpdateId"))
    event = int(LevelEvent.SNAPSHOT)
    for side, key in enumerate(("bids", "asks")):
        for price, size in _levels(place, path, data, key, steps):
            yield received, exchange, event, side, price, size, update, -1


def _best(
    place: Place, path: str, data: dict[str, Any], stamp: int, steps: tuple[Step, Step]
) -> Iterator[Row]:
    received, exchange = _clock(place, path, data, stamp)
    update = whole(place, path + "u", data.get("u"))
    event = int(LevelEvent.BEST)
    for side, (price_key, size_key) in enumerate((("b", "B"), ("a", "A"))):
        price = steps[0].of(place, path + price_key, data.get(price_key))
        size = steps[1].of(place, path + size_key, data.get(size_key))
        if price:  # An empty side is "0".
            yield received, exchange, event, side, price, size, update, -1


def _trade(
    place: Place, path: str, data: dict[str, Any], stamp: int, steps: tuple[Step, Step]
) -> Iterator[Row]:
    received, exchange = _clock(place, path, data, stamp)
    key = "t" if data.get("e") == "trade" else "a"
    update = whole(place, path + key, data.get(key))
    price = steps[0].of(place, path + "p", data.get("p"))
    size = steps[1].of(place, path + "q", data.get("q"))
    maker_bought = data.get("m")
    if not isinstance(maker_bought, bool):
        raise place.bad(path + "m", "must be true or false", maker_bought)
    # Futures send trades of an insurance fund with price 0 ("X": "NA").
    if price:
        side = int(maker_bought)
        yield received, exchange, int(LevelEvent.TRADE), side, price, size, update, -1


def _levels(
    place: Place, path: str, data: dict[str, Any], key: str, steps: tuple[Step, Step]
) -> Iterator[tuple[int, int]]:
    levels = child(place, data, key, list, path.rstrip("."))
    for index, level in enumerate(levels):
        here = f"{path}{key}[{index}]"
        if not isinstance(level, list) or len(level) < 2:
            raise place.bad(here, "must be [price, size]", level)
        price = steps[0].of(place, here + "[0]", level[0], low=1)
        yield price, steps[1].of(place, here + "[1]", level[1])
