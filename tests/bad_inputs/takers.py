"""Every argument of the integer doors that is a number: which door, which field, which call."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import pytest

from bad_inputs import doors
from bad_inputs.doors import BID, Door
from ordercascade.core.world import World

FIRST = 1 << 32  # the id of a door's first order


class Taker(NamedTuple):
    """A call with one number in it; `lawful` are odd values that mean something there."""

    make: Callable[[], Door]
    field: str
    call: Callable[[Any, Any], Any]
    low: int = 1
    high: int = 0
    lawful: tuple[object, ...] = ()


def _market(**given: Any) -> Any:
    def add(_: Door, value: Any) -> int:
        """Markets come before all accounts, so this is a world of its own."""
        world = World(1)
        world.add_venue()
        return int(world.venue(0).add_market(**{name: value for name in given}))

    return add


PRICES = {
    "book.submit": Taker(doors.book, "price", lambda d, v: d.at.submit(BID, v, 1), high=1000),
    "book.amend": Taker(
        doors.book, "price", lambda d, v: d.at.amend(FIRST, price=v), high=1000, lawful=(None,)
    ),
    "venue.submit": Taker(
        doors.venue, "price", lambda d, v: d.at.submit(1, 0, BID, v, 1), high=10_000
    ),
    "venue.amend": Taker(
        doors.venue,
        "price",
        lambda d, v: d.at.amend(1, 0, FIRST, price=v, size=1),
        low=0,
        high=10_000,
        lawful=(0,),
    ),
    "venue.set_index": Taker(doors.venue, "price", lambda d, v: d.at.set_index(0, v), high=10_000),
    "venue.what_if": Taker(
        doors.venue,
        "mark",
        lambda d, v: d.at.what_if(d.at.scope_of(1, 0), {0: v}),
        high=2**31 - 1,
    ),
    "venue.seed_level": Taker(
        doors.building, "price", lambda d, v: d.at.seed_level(0, BID, v, 1), high=10_000
    ),
    "world.index": Taker(
        doors.venue, "price", lambda d, v: d.world.schedule_index(5, 0, 0, v), high=10_000
    ),
    "world.shock": Taker(
        doors.venue,
        "limit",
        lambda d, v: d.world.schedule_shock(5, 0, 0, BID, size=1, limit=v),
        low=0,
        high=10_000,
        lawful=(0,),
    ),
}
SIZES = {
    "book.submit": Taker(doors.book, "size", lambda d, v: d.at.submit(BID, 50, v), high=2**40),
    "book.market": Taker(doors.book, "size", lambda d, v: d.at.market(BID, v), high=2**40),
    "book.amend": Taker(
        doors.book,
        "size",
        lambda d, v: d.at.amend(FIRST, size=v),
        low=0,
        high=2**40,
        lawful=(0, None),
    ),
    "venue.submit": Taker(
        doors.venue, "size", lambda d, v: d.at.submit(1, 0, BID, 50, v), high=10_000
    ),
    "venue.amend": Taker(
        doors.venue,
        "size",
        lambda d, v: d.at.amend(1, 0, FIRST, size=v),
        low=0,
        high=10_000,
        lawful=(0,),
    ),
    "venue.seed_level": Taker(
        doors.building, "size", lambda d, v: d.at.seed_level(0, BID, 50, v), high=2**40
    ),
    "venue.open_position": Taker(
        doors.building,
        "size",
        lambda d, v: d.at.open_position(1, 0, v, 100),
        high=10_000,
        lawful=(-5,),
    ),
    "world.shock": Taker(
        doors.venue, "size", lambda d, v: d.world.schedule_shock(5, 0, 0, BID, size=v), high=2**40
    ),
}
OTHERS = {
    "book.account": Taker(
        doors.book, "account", lambda d, v: d.at.submit(BID, 50, 1, account=v), 0, 2**24 - 1
    ),
    "book.flags": Taker(doors.book, "flags", lambda d, v: d.at.submit(BID, 50, 1, flags=v)),
    "book.cancel": Taker(doors.book, "order_id", lambda d, v: d.at.cancel(v)),
    "book.depth": Taker(doors.book, "levels", lambda d, v: d.at.depth(v)),
    "venue.account": Taker(doors.venue, "account", lambda d, v: d.at.submit(v, 0, BID, 50, 1)),
    "venue.market": Taker(doors.venue, "market", lambda d, v: d.at.submit(1, v, BID, 50, 1)),
    "venue.flags": Taker(doors.venue, "flags", lambda d, v: d.at.submit(1, 0, BID, 50, 1, flags=v)),
    "venue.order_id": Taker(doors.venue, "order_id", lambda d, v: d.at.cancel(1, 0, v)),
    "venue.levels": Taker(doors.venue, "levels", lambda d, v: d.at.depth(0, BID, v)),
    "venue.deposit": Taker(doors.venue, "amount", lambda d, v: d.at.deposit(1, 0, v)),
    "venue.withdraw": Taker(doors.venue, "amount", lambda d, v: d.at.withdraw(1, 0, v)),
    "venue.asset": Taker(doors.venue, "asset", lambda d, v: d.at.deposit(1, v, 5)),
    "venue.scope": Taker(doors.venue, "scope", lambda d, v: d.at.equity(v)),
    "venue.holder": Taker(doors.venue, "holder", lambda d, v: d.at.balance(v)),
    "venue.fund": Taker(doors.venue, "amount", lambda d, v: d.at.set_fund(v)),
    "venue.cost": Taker(doors.building, "cost", lambda d, v: d.at.open_position(1, 0, 1, v)),
    "market.price_max": Taker(doors.building, "price_max", _market(price_max=0)),
    "market.size_max": Taker(doors.building, "size_max", _market(size_max=0)),
    "market.multiplier": Taker(doors.building, "multiplier", _market(multiplier=0)),
    "market.taker_fee": Taker(doors.building, "taker_fee_ppm", _market(taker_fee_ppm=0)),
    "market.index": Taker(doors.building, "index", _market(index=0)),
    "world.time": Taker(
        doors.venue, "time_ns", lambda d, v: d.world.schedule_index(v, 0, 0, 5), 0, 2**62
    ),
    "world.venue": Taker(doors.venue, "venue", lambda d, v: d.world.venue(v)),
    "world.steps": Taker(doors.venue, "steps", lambda d, v: d.world.run(v), lawful=(None,)),
    "world.notional": Taker(
        doors.venue,
        "notional",
        lambda d, v: d.world.schedule_shock(5, 0, 0, BID, notional=v),
        0,
        2**60,
    ),
    "world.transfer": Taker(
        doors.venue, "amount", lambda d, v: d.world.schedule_transfer(5, 0, 1, 0, v)
    ),
}
ALL = {
    **{f"price of {name}": taker for name, taker in PRICES.items()},
    **{f"size of {name}": taker for name, taker in SIZES.items()},
    **OTHERS,
}


def each(table: dict[str, Taker], values: Iterable[Any] = ()) -> Any:
    """Run a test once a taker; with values, once each of them that is not lawful there."""
    listed = list(values)
    if not listed:
        return pytest.mark.parametrize("taker", table.values(), ids=table.keys())
    pairs = [
        pytest.param(taker, value, id=f"{name}-{_short(value)}")
        for name, taker in table.items()
        for value in listed
        if not any(value is odd or (type(value) is int and value == odd) for odd in taker.lawful)
    ]
    return pytest.mark.parametrize(("taker", "value"), pairs)


def _short(value: object) -> str:
    text = f"{type(value).__name__} {value}"
    return text if len(text) < 30 else text[:20] + "…"
