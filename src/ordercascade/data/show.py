"""A recorded book at a time: its best levels, and what there is to say about the recording."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from ordercascade.data import binance, hyperliquid, keyed, lobster, recorded, tardis
from ordercascade.data.follow import KeyFollower, LevelFollower, OrderFollower
from ordercascade.data.forms import Array, KeyedRows, LevelRows, OrderEvent, OrderRows
from ordercascade.data.numbers import Place, nanoseconds
from ordercascade.data.source import Source
from ordercascade.errors import DataFileError, InputError
from ordercascade.exact import Exact, exact, plain

AnyRows = LevelRows | OrderRows | KeyedRows
Reader = Callable[..., Iterator[Any]]
# Files of whole numbers, and files whose decimals need a tick and a lot.
WHOLE: dict[str, Reader] = {
    "neutral-l2": recorded.neutral_levels,
    "neutral-l3": recorded.neutral_orders,
    "id-keyed": recorded.neutral_keyed,
    "lobster": lobster.lobster_messages,
}
DECIMAL: dict[str, Reader] = {
    "binance": binance.binance_levels,
    "bitmex": keyed.bitmex_levels,
    "bybit": keyed.bybit_levels,
    "hyperliquid": hyperliquid.hyperliquid_levels,
    "tardis-incremental": tardis.tardis_incremental,
    "tardis-snapshot": tardis.tardis_snapshots,
}
FORMATS = tuple(sorted([*WHOLE, *DECIMAL]))


class Shown(NamedTuple):
    """A recorded book as it stood; rows (price, size), best first; checks: name, count, whether
    the count is as it must be."""

    time_ns: int
    bids: Array
    asks: Array
    checks: tuple[tuple[str, int, bool], ...]

    @property
    def ok(self) -> bool:
        """Whether every check holds."""
        return all(ok for _, _, ok in self.checks)


def reader(
    form: str, source: Source, *, tick_size: str | None = None, lot_size: str | None = None
) -> Iterator[AnyRows]:
    """Yield the rows of a file of a named format."""
    if form in WHOLE:
        return WHOLE[form](source)
    if form not in DECIMAL:
        raise InputError("format", form, f"must be one of {', '.join(FORMATS)}")
    for name, value in (("tick_size", tick_size), ("lot_size", lot_size)):
        if value is None:
            raise InputError(name, value, f"must be given: a {form} file has decimals")
    return DECIMAL[form](source, tick_size=tick_size, lot_size=lot_size)


def book_at(
    rows: Iterator[AnyRows], at_ns: int | None, levels: int, *, file: str = "the file"
) -> Shown:
    """Follow rows as far as they were received by `at_ns` (None: all); return the best levels."""
    level, order, key = LevelFollower(), OrderFollower(), KeyFollower()
    seen = single = by_id = False
    first: int | None = None
    for chunk in rows:
        if len(chunk.time_ns) == 0:
            continue
        first = int(chunk.time_ns.min()) if first is None else first
        part = chunk if at_ns is None else _until(chunk, at_ns)
        if isinstance(part, OrderRows):
            order.feed(part)
            single = True
        elif isinstance(part, KeyedRows):
            level.feed(key.feed(part))
            by_id = True
        else:
            level.feed(part)
        seen = seen or len(part.time_ns) > 0
        if at_ns is not None and int(chunk.time_ns[0]) > at_ns and not single:
            break
    level.finish()
    if not seen or not (single or level.snapshots):
        what = "row" if single or not seen else "snapshot of a book"
        rule = f"has no {what} by {at_ns} ns; the first row is at {first} ns"
        raise DataFileError(file, rule)
    return _of_orders(order, levels) if single else _of_levels(level, key, levels, by_id=by_id)


def _until(rows: Any, at_ns: int) -> Any:
    kept = rows.time_ns <= at_ns
    return rows if kept.all() else type(rows)(*(column[kept] for column in rows))


def _of_levels(found: LevelFollower, key: KeyFollower, levels: int, *, by_id: bool) -> Shown:
    depth = found.book.depth(levels)
    found.book._check()
    checks = [
        ("level updates applied", found.applied, True),
        ("messages applied", found.messages, True),
        ("snapshots", found.snapshots, True),
        ("messages older than their snapshot", found.dropped, True),
        ("messages missing before another", found.gaps, found.gaps == 0),
        ("messages out of order", found.late, found.late == 0),
        ("messages that leave the book crossed", found.crossed, found.crossed == 0),
    ]
    if by_id:
        checks.append(("unknown ids", key.unknown, key.unknown == 0))
        checks.append(("ids inserted twice", key.duplicates, key.duplicates == 0))
    return Shown(found.time_ns, depth.bids, depth.asks, tuple(checks))


def _of_orders(found: OrderFollower, levels: int) -> Shown:
    bids, asks = found.sides[0].depth(levels).bids, found.sides[1].depth(levels).asks
    crossed = int(len(bids) > 0 and len(asks) > 0 and bids[0, 0] >= asks[0, 0])
    for side in found.sides:
        side._check()
    added = found.counts[OrderEvent.ADD]
    unknown = sum(found.unknown.values())
    checks = (
        ("orders added", added, True),
        ("orders resting", len(found.ids), True),
        # What rested before the file began is not known to it.
        ("events of unknown orders, passed over", unknown, True),
        ("orders added twice", found.duplicates, found.duplicates == 0),
        ("book crossed", crossed, not crossed),
    )
    return Shown(found.time_ns, bids, asks, checks)


def table(
    shown: Shown, *, tick_size: str | None = None, lot_size: str | None = None
) -> tuple[tuple[str, str, str, str], ...]:
    """Return rows (bid size, bid, ask, ask size) for people: decimals where the steps are known."""
    rows = []
    for index in range(max(len(shown.bids), len(shown.asks))):
        bid = _cells(shown.bids, index, tick_size, lot_size)
        ask = _cells(shown.asks, index, tick_size, lot_size)
        rows.append((bid[1], bid[0], ask[0], ask[1]))
    return tuple(rows)


def _cells(rows: Array, index: int, tick_size: str | None, lot_size: str | None) -> tuple[str, str]:
    if index >= len(rows):
        return "", ""
    price, size = (int(cell) for cell in rows[index])
    return _times(price, tick_size), _times(size, lot_size)


def _times(count: int, step: str | None) -> str:
    return str(count) if step is None else plain(Exact(count * exact("step", step)))


def time_ns(text: str) -> int:
    """Return a time given as Unix nanoseconds or as 2024-08-08T23:55:00Z (UTC)."""
    if text.isascii() and text.isdigit() and len(text) <= 19 and int(text) < 2**63:
        return int(text)
    try:
        return nanoseconds(Place(""), "at", text)
    except DataFileError:
        return _no_time(text)


def _no_time(text: str) -> int:
    rule = "must be Unix nanoseconds or a UTC time such as 2024-08-08T23:55:00Z"
    raise InputError("at", text, rule)
