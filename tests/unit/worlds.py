"""Small worlds for tests of the engine: one market, a ladder of bids and asks, a few accounts."""

from __future__ import annotations

from typing import Any

from ordercascade.core.venue import Venue
from ordercascade.core.world import World
from ordercascade.enums import Side

BRACKETS = [(0, 50_000, 0, 100_000)]  # maintenance 5 %, initial 10 %


def make(
    *, bids: dict[int, int] | None = None, asks: dict[int, int] | None = None, **rules: Any
) -> tuple[World, Venue]:
    """A world with one venue and market (multiplier 100), before its start."""
    world = World(1)
    world.add_venue(**rules)
    venue = world.venue(0)
    venue.add_market(multiplier=100, price_max=10_000, size_max=10_000, brackets=BRACKETS)
    for price, size in (bids or {}).items():
        venue.seed_level(0, Side.BID, price, size)
    for price, size in (asks or {}).items():
        venue.seed_level(0, Side.ASK, price, size)
    return world, venue


def holding(venue: Venue, size: int, entry: int, money: int, market: int = 0) -> int:
    """Open an account with a cross position; return its scope id."""
    account = venue.open_account()
    venue.deposit(account, 0, money)
    venue.open_position(account, market, size, size * entry * 100)
    return venue.scope_of(account, market)


def rows(world: World, table: str, *columns: str) -> list[tuple[int, ...]]:
    """The named columns of a table, row by row."""
    taken = [world.log.column(table, column).tolist() for column in columns]
    return list(zip(*taken, strict=True))


def run_checked(world: World) -> None:
    """Run to the end, every invariant checked after every step."""
    while world.step() >= 0:
        world._check()
        assert not any(world.venue(0).audit().values())


def run_forked(world: World) -> None:
    """Run to the end; a fork taken at every step goes the same way."""
    forks = []
    while True:
        forks.append(world.fork())
        if world.step() < 0:
            break
        world._check()
        assert not any(world.venue(0).audit().values())
    for fork in forks:
        fork.run()
        assert fork.state_hash() == world.state_hash()
