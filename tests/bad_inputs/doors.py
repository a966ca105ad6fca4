"""The doors of the engine, each with what the catalogue asks after a refusal.

A row of the bad-input catalogue asserts four things: the exact class of the error, the words in its
message, a state that is what it was, and that the checks pass and the next good call succeeds.
`refused()` does all four for errors, `rejected()` for business refusals, which are data.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import ordercascade as oc
from ordercascade.core.venue import Venue
from ordercascade.core.world import World

BID, ASK = oc.Side.BID, oc.Side.ASK
NAN, INF = float("nan"), float("inf")
BTC = oc.Market("BTCUSDT", tick_size="0.1", lot_size="0.001", settle="USDT", decimals=6)
BRACKETS = [(0, 50_000, 0, 100_000)]  # maintenance 5 %, initial 10 %


class Door(NamedTuple):
    """What is called, and how to see that it is as it was."""

    at: Any  # the object whose methods the row calls
    state: Callable[[], object]
    check: Callable[[], object]
    good: Callable[[], object]  # a call that must succeed
    world: Any = None  # of a core venue


def hold(condition: bool, said: str) -> None:
    """Assert, also where `python -OO` has taken the asserts away."""
    if not condition:
        raise AssertionError(said)


def refused(door: Door, kind: type[BaseException], words: str, call: Callable[[], Any]) -> Any:
    """Assert class, words (parts between `…`), untouched state, and life afterwards."""
    before = door.state()
    with pytest.raises(kind) as caught:
        call()
    said = str(caught.value)
    hold(type(caught.value) is kind, f"{type(caught.value)} is not exactly {kind}")
    for part in words.split("…"):
        hold(part in said, f"{part!r} is not in {said!r}")
    hold(len(said) < 400, f"too long: {said}")
    hold(door.state() == before, "the state changed")
    door.check()
    door.good()
    door.check()
    return caught.value


def rejected(door: Door, code: oc.Reject, call: Callable[[], Any]) -> None:
    """Assert that a call is refused as data and leaves everything as it was."""
    before = door.state()
    answer = call()
    hold(answer == code, f"answered {answer!r}, not {code!r}")
    hold(door.state() == before, "the state changed")
    door.check()
    door.good()


def _check_world(world: World) -> None:
    world._check()
    world.log._check()
    for number in range(world_venues(world)):
        assert not any(world.venue(number).audit().values())


def world_venues(world: World) -> int:
    """Return how many venues a world has."""
    return int(repr(world).partition(": ")[2].partition(" ")[0])


def _seen(world: World) -> tuple[str, str]:
    return world.state_hash(), world.log.digest()


def book() -> Door:
    """A book with a bid of 5 at 99 by account 1 (id 1 << 32), an ask of 5 at 101 by account 2."""
    made = oc.OrderBook(1000)
    made.submit(BID, 99, 5, account=1)
    made.submit(ASK, 101, 5, account=2)

    def good() -> None:
        assert made.submit(BID, 50, 1) > 0

    return Door(made, made.state_hash, made._check, good)


def building(*, markets: int = 1, venues: int = 1, **rules: Any) -> Door:
    """A core venue before its start: a market of multiplier 100, two accounts with 10**6 each."""
    world = World(1)
    for _ in range(venues):
        world.add_venue(**rules)
    for number in range(venues):
        venue = world.venue(number)
        for _ in range(markets):
            venue.add_market(
                multiplier=100, price_max=10_000, size_max=10_000, brackets=BRACKETS, index=100
            )
        for _ in range(2):
            venue.deposit(venue.open_account(), 0, 10**6)
    at = world.venue(0)

    def good() -> None:
        assert at.open_account() == at.accounts

    return Door(at, lambda: _seen(world), lambda: _check_world(world), good, world)


def venue(*, markets: int = 1, venues: int = 1, **rules: Any) -> Door:
    """The same venue after its start, with a bid of 5 at 99 (1) and an ask of 5 at 101 (2)."""
    door = building(markets=markets, venues=venues, **rules)
    at: Venue = door.at
    door.world.start()
    assert at.submit(1, 0, BID, 99, 5) > 0
    assert at.submit(2, 0, ASK, 101, 5) > 0

    def good() -> None:
        assert at.submit(1, 0, BID, 50, 1) > 0

    return door._replace(good=good)


def face() -> Door:
    """A Venue in people's units: two accounts, a position of 0.05 BTC at 60,000 between them."""
    rules = {"fees": {"maker": 0, "taker": 0}}
    made = oc.Venue("binance-usdm", [BTC], index={"BTCUSDT": "60000"}, rules=rules)
    long, short = made.open_account(), made.open_account()
    made.deposit(long, "1000")
    made.deposit(short, "5000")
    assert made.submit(long, "BTCUSDT", BID, price="60000", size="0.05") > 0
    assert made.submit(short, "BTCUSDT", ASK, price="60000", size="0.05") == 0
    world: World = made._world

    def good() -> None:
        assert made.submit(short, "BTCUSDT", BID, price="59000", size="0.001") > 0

    return Door(made, lambda: _seen(world), lambda: _check_world(world), good, world)


SCENARIO = """
schema = 1
name = "good"
seed = 7
[[venue]]
name = "perp"
preset = "simple"
fund = { balance = 1000 }
[[venue.market]]
name = "TOY"
tick_size = 1
lot_size = 1
settle = "USD"
decimals = 2
price_max = 1000
size_max = 1000
brackets = [
    { floor = 0, maintenance = 0.05, leverage_max = 10 },
    { floor = 5000, maintenance = 0.10, leverage_max = 5 },
]
[venue.market.book]
kind = "ladder"
mid = 100
step = 1
levels = 20
size = 5
[[venue.account]]
name = "A"
[[venue.account.position]]
market = "TOY"
side = "long"
size = 10
entry_price = 100
leverage = 5
[[shock]]
at_s = 1
side = "ask"
size = 30
"""


@functools.cache
def _good_scenario() -> oc.Scenario:
    return oc.Scenario.from_toml(SCENARIO)


def text(base: str = ".") -> Door:
    """Scenario text: `at(old, new, …)` reads the good one with words replaced, and builds it."""

    def read(*swaps: str) -> oc.World:
        changed = SCENARIO
        for old, new in zip(swaps[::2], swaps[1::2], strict=True):
            assert old in changed, old
            changed = changed.replace(old, new, 1)
        return oc.World(oc.Scenario.from_toml(changed, base=base, file="bad.toml"))

    def state() -> object:
        return _good_scenario().config_hash()

    def good() -> None:
        assert len(oc.run(_good_scenario(), progress=False).steps) > 0

    return Door(read, state, lambda: None, good)


HEADER = "account,market,side,size,entry_price,leverage,margin\n"
ROW = "A,TOY,long,10,100,5,cross\n"


def positions(folder: Any) -> Door:
    """A positions file: `at(text)` writes it beside a scenario that reads it, and builds that."""
    place = folder / "positions.csv"

    def read(rows: str, header: str = HEADER) -> oc.World:
        place.write_text(header + rows, encoding="utf-8")
        changed = SCENARIO.partition("[[venue.account]]")[0]
        changed = changed.replace(
            'preset = "simple"', 'preset = "simple"\npositions = [{ file = "positions.csv" }]'
        )
        return oc.World(oc.Scenario.from_toml(changed, base=str(folder)))

    def good() -> None:
        assert read(ROW).state_hash() == read(ROW).state_hash()

    return Door(read, lambda: _good_scenario().config_hash(), lambda: None, good)


def messages(count: int = 3, **fields: Any) -> np.ndarray:
    """Return good bids of 1 at 50, with the last row's fields replaced."""
    made = np.zeros(count, oc.MESSAGE_DTYPE)
    made["price"], made["size"] = 50, 1
    for name, value in fields.items():
        made[name][-1] = value
    return made


def columns(world: World, table: str, *names: str) -> list[tuple[int, ...]]:
    """The named columns of a table of the tape, row by row."""
    taken = [world.log.column(table, name).tolist() for name in names]
    return list(zip(*taken, strict=True))
