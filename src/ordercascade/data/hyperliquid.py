"""Hyperliquid's l2Book: whole books of up to 20 levels a side, one JSON message a line.

Forms: hyperliquid.gitbook.io, "Subscriptions" (WsBook) and "Historical data" (the archive's lines,
{"time", "raw"}, .lz4), and the answer to an info request. Never tried on a real file.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ordercascade.data.forms import CHUNK, LevelEvent, LevelRows, chunks
from ordercascade.data.numbers import Place, Step, lots, nanoseconds, ticks, whole
from ordercascade.data.source import Place as Where
from ordercascade.data.source import source_of
from ordercascade.data.textrows import child, messages, under

MS = 10**6


def hyperliquid_levels(
    where: Where, *, tick_size: object, lot_size: object, coin: str = "", chunk: int = CHUNK
) -> Iterator[LevelRows]:
    """Yield the level rows of recorded l2Book messages; with `coin` those of one.

    Every message is a whole book; other channels are passed over.
    """
    source = source_of(where)
    place = Place(source.name)
    steps = ticks(tick_size), lots(lot_size)
    return chunks(LevelRows, _rows(messages(source, place), place, steps, coin), chunk)


def _rows(
    found: Iterator[tuple[int, dict[str, Any]]], place: Place, steps: tuple[Step, Step], coin: str
) -> Iterator[tuple[int, ...]]:
    update, seen = 0, coin
    for stamp, message in found:
        received, path, data = _body(place, message, stamp)
        if data is None:
            continue
        name = child(place, data, "coin", str, path)
        if coin and name != coin:
            continue
        if seen and name != seen:
            raise place.bad(under(path, "coin"), f"must be {seen!r} throughout (coin=…)", name)
        seen = name
        exchange = whole(place, under(path, "time"), data.get("time")) * MS
        update += 1
        here = under(path, "levels")
        sides = child(place, data, "levels", list, path)
        if len(sides) != 2:
            raise place.bad(here, "must be [bids, asks]", sides)
        at = received if received >= 0 else exchange
        for side, levels in enumerate(sides):
            for price, size in _levels(place, f"{here}[{side}]", levels, steps):
                yield at, exchange, int(LevelEvent.SNAPSHOT), side, price, size, update, -1


def _body(
    place: Place, message: dict[str, Any], stamp: int
) -> tuple[int, str, dict[str, Any] | None]:
    """Return when a book was received, where it stands in its line, and the book."""
    path: list[str] = []
    if "raw" in message:
        stamp = nanoseconds(place, "time", message.get("time"))
        message = child(place, message, "raw", dict)
        path.append("raw")
    if "channel" in message:
        if message["channel"] != "l2Book":
            return stamp, "", None
        message = child(place, message, "data", dict, ".".join(path))
        path.append("data")
    return stamp, ".".join(path), message


def _levels(
    place: Place, path: str, levels: Any, steps: tuple[Step, Step]
) -> Iterator[tuple[int, int]]:
    if not isinstance(levels, list):
        raise place.bad(path, "must be an array", levels)
    for index, level in enumerate(levels):
        here = f"{path}[{index}]"
        price = steps[0].of(place, f"{here}.px", child(place, level, "px", str, here), low=1)
        yield price, steps[1].of(place, f"{here}.sz", child(place, level, "sz", str, here))
