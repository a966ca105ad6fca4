"""The resting book of a scenario as whole numbers: [(price, size)] a side, best first.

ladder   Level i = 1, 2, … stands at mid ∓ i·step, rounded toward the mid to a tick; one size.
profile  Levels stand as in a ladder (step: one tick unless said). V(x), the value within a
         distance x of the mid, runs straight between the points (0, 0), (bps, quote), …, floored
         to a unit. A level holds what V adds since the level before it, plus what that one could
         not spend on whole lots; so each point is met to less than one lot.
power, exponential
         The same with V(x) by its formula, up to reach_bps; levels too thin for a lot add to the
         next.
levels   As listed.
file     A recorded book, replayed (data/neutral.py).
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ordercascade.enums import Side
from ordercascade.errors import ConfigError, InputError, RangeError
from ordercascade.exact import Exact, plain
from ordercascade.keys import (
    Book,
    ExponentialBook,
    FileBook,
    LadderBook,
    LevelsBook,
    PowerBook,
    ProfileBook,
)
from ordercascade.market import Market

BPS = 10**4
LEVELS_MAX = 10**6
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)

Rows = list[tuple[int, int]]


class Levels(NamedTuple):
    """Both sides of a book, best first."""

    bids: Rows
    asks: Rows


def levels(market: Market, book: Book | None, *, base: Path, path: str) -> Levels:
    """Return a market's opening levels; `path` is the key path for messages."""
    if book is None:
        return Levels([], [])
    if isinstance(book, FileBook):
        return _levels(market, book, base, path)
    bids, asks = _formed(market, book, path)
    return Levels(list(bids), list(asks))


@lru_cache(maxsize=16)
def _formed(market: Market, book: Book, path: str) -> Levels:
    """Return a book that a formula or a list gives: a sweep asks for the same one for each seed."""
    return _levels(market, book, Path(), path)


def _levels(market: Market, book: Book, base: Path, path: str) -> Levels:
    try:
        if isinstance(book, LadderBook):
            made = _ladder(market, book)
        elif isinstance(book, ProfileBook):
            made = _profile(market, book)
        elif isinstance(book, PowerBook | ExponentialBook):
            made = _formula(market, book)
        elif isinstance(book, LevelsBook):
            made = Levels(_listed(market, book.bids, -1), _listed(market, book.asks, 1))
        else:
            made = _recorded(book, base)
    except (InputError, RangeError) as error:
        value = getattr(error, "value", None)
        raise ConfigError(f"{path}.{error.field}", error.rule, value) from None
    _judge(market, made, path)
    return made


def file_time_ns(text: str) -> int:
    """Return an RFC 3339 time as Unix ns, exactly.

    >>> file_time_ns("2024-08-08T23:55:00.5Z")
    1723161300500000000
    """
    found = _TIME.fullmatch(text)
    if found is None:
        raise InputError("at", text, "must be an RFC 3339 time such as 2024-08-08T23:55:00Z")
    whole, fraction, zone = found.groups()
    try:
        moment = datetime.datetime.fromisoformat(whole.replace("t", "T") + zone.upper())
    except ValueError as error:
        raise InputError("at", text, f"must be a time that exists ({error})") from None
    passed = moment - _EPOCH
    seconds = passed.days * 86_400 + passed.seconds
    return seconds * 10**9 + int((fraction or "0").ljust(9, "0"))


def _ladder(market: Market, book: LadderBook) -> Levels:
    mid2 = _mid2(market, book.mid)
    step = _step(market, book.step)
    size = market.to_lots(book.size)
    bids = [(price, size) for price in _grid(market, mid2, step, -1, book.levels)]
    asks = [(price, size) for price in _grid(market, mid2, step, 1, book.levels)]
    return Levels(bids, asks)


def _profile(market: Market, book: ProfileBook) -> Levels:
    mid2 = _mid2(market, book.mid)
    step = 1 if book.step is None else _step(market, book.step)
    points = _points(market, book, mid2)
    return Levels(_spread(market, points, mid2, step, -1), _spread(market, points, mid2, step, 1))


def _points(market: Market, book: ProfileBook, mid2: int) -> list[tuple[int, int]]:
    """Return (distance in half ticks, value in units) with (0, 0) first, both rising."""
    points = [(0, 0)]
    if not book.depth:
        raise InputError("depth", 0, "must have at least one point")
    for index, point in enumerate(book.depth):
        field = f"depth[{index}]"
        top, bottom = point.bps.as_integer_ratio()
        if not 0 < point.bps < BPS:
            raise InputError(f"{field}.bps", plain(point.bps), "must be in (0, 10000)")
        distance = mid2 * top // (BPS * bottom)
        value = market.to_amount(point.quote, field=f"{field}.quote")
        if distance <= points[-1][0]:
            rule = "must lie at least half a tick beyond the point before"
            raise InputError(f"{field}.bps", plain(point.bps), rule)
        if value < points[-1][1]:
            rule = "must not fall: it is the value within that distance"
            raise InputError(f"{field}.quote", plain(point.quote), rule)
        points.append((distance, value))
    return points


def _formula(market: Market, book: PowerBook | ExponentialBook) -> Levels:
    """Lay out a book whose depth is a curve: core/populate.curve gives the value in whole units."""
    from ordercascade.core.populate import curve

    mid2 = _mid2(market, book.mid)
    step = 1 if book.step is None else _step(market, book.step)
    total = market.to_amount(book.quote, field="quote")
    reach, far_away = _distance("reach_bps", book.reach_bps, mid2)
    if isinstance(book, PowerBook):
        kind, scale, power = "power", far_away, float(book.exponent)
        if not 0 < power <= 10:
            raise InputError("exponent", plain(book.exponent), "must be in (0, 10]")
    else:
        kind, power = "exponential", 1.0
        scale = _distance("scale_bps", book.scale_bps, mid2)[1]
    sides = []
    for sign in (-1, 1):
        prices = []
        for price in _grid(market, mid2, step, sign, LEVELS_MAX):
            if abs(2 * price - mid2) > reach:
                break
            prices.append(price)
        far = np.array([abs(2 * price - mid2) for price in prices], dtype=np.int64)
        sides.append(_spend(market, prices, curve(kind, far, total, scale, power).tolist()))
    return Levels(*sides)


def _distance(field: str, bps: Exact, mid2: int) -> tuple[int, float]:
    """Return so many bps of the mid in half ticks, whole ones and exactly."""
    top, bottom = bps.as_integer_ratio()
    if not 0 < bps < BPS or mid2 * top < BPS * bottom:
        raise InputError(field, plain(bps), "must be in (0, 10000) and at least half a tick")
    return mid2 * top // (BPS * bottom), mid2 * top / (BPS * bottom)


def _spread(
    market: Market, points: Sequence[tuple[int, int]], mid2: int, step: int, sign: int
) -> Rows:
    """Return the levels of a depth profile: straight lines between its points."""
    prices: list[int] = []
    values: list[int] = []
    k = 1
    for price in _grid(market, mid2, step, sign, LEVELS_MAX):
        distance = abs(2 * price - mid2)
        if distance > points[-1][0]:
            break
        while points[k][0] < distance:
            k += 1
        (from_x, from_v), (to_x, to_v) = points[k - 1], points[k]
        prices.append(price)
        values.append(from_v + (to_v - from_v) * (distance - from_x) // (to_x - from_x))
    return _spend(market, prices, values)


def _spend(market: Market, prices: Sequence[int], values: Sequence[int]) -> Rows:
    """Spend the value between one level and the next in whole lots; the rest goes outward."""
    made: Rows = []
    spent = 0
    for price, value in zip(prices, values, strict=True):
        if market.kind == "inverse":
            size = (value - spent) * price // market.multiplier
        else:
            size = (value - spent) // (price * market.multiplier)
        if size > 0:
            made.append((price, size))
            spent += abs(market.worth(-size, price))
    return made


def _grid(market: Market, mid2: int, step: int, sign: int, count: int) -> Iterator[int]:
    """Yield the prices mid ± i·step, i = 1 … count, toward the mid, inside the market."""
    for i in range(1, count + 1):
        at2 = mid2 + sign * 2 * i * step
        price = -(-at2 // 2) if sign < 0 else at2 // 2
        if not 1 <= price <= market.price_max:
            if sign < 0:
                return
            raise InputError("levels", i, "must not reach beyond the market's price_max")
        yield price


def _listed(market: Market, pairs: Sequence[tuple[Exact, Exact]], sign: int) -> Rows:
    made: Rows = []
    for price, size in pairs:
        made.append((market.to_ticks(price), market.to_lots(size)))
    return sorted(made, key=lambda level: sign * level[0])


def _recorded(book: FileBook, base: Path) -> Levels:
    from ordercascade.data.neutral import book_at

    at_ns = None if book.at is None else file_time_ns(book.at)
    found = book_at(base / book.file, at_ns)
    bids = [(int(price), int(size)) for price, size in found.bids.tolist()]
    asks = [(int(price), int(size)) for price, size in found.asks.tolist()]
    return Levels(bids, asks)


def _judge(market: Market, made: Levels, path: str) -> None:
    """Refuse a crossed book, a price or total beyond the market's bounds."""
    if made.bids and made.asks and made.bids[0][0] >= made.asks[0][0]:
        best = f"{market.to_price(made.bids[0][0])} >= {market.to_price(made.asks[0][0])}"
        raise ConfigError(path, f"the book is crossed: best bid {best} best ask")
    for side, rows in zip(Side, made, strict=True):
        highest = max((price for price, _ in rows), default=1)
        if highest > market.price_max:
            rule = f"price_max of market {market.name!r} must be at least"
            raise ConfigError(f"{path}", f"{rule} {market.to_price(highest)}")
        total = sum(size for _, size in rows)
        if total > market.size_max:
            rule = f"the {side.name.lower()}s hold more than size_max of market {market.name!r}"
            raise ConfigError(path, rule, f"{market.to_size(total)}")


def _mid2(market: Market, mid: Exact) -> int:
    """Return twice the mid in ticks; half ticks are allowed."""
    top, bottom = mid.as_integer_ratio()
    tick_top, tick_bottom = market.tick_size.as_integer_ratio()
    doubled, rest = divmod(2 * top * tick_bottom, bottom * tick_top)
    if rest or not 2 <= doubled <= 2 * market.price_max:
        raise InputError("mid", plain(mid), "must be a whole number of half ticks, in range")
    return doubled


def _step(market: Market, step: Exact) -> int:
    try:
        return market.to_ticks(step)
    except (InputError, RangeError) as error:
        raise InputError("step", plain(step), error.rule) from None
