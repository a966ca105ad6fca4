"""What every mechanism must keep to, whichever of the three doors it comes through.

A mechanism is given as a function that makes a fresh one; the market is that of T2a.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ordercascade.core.venue import Venue
from ordercascade.core.world import World
from ordercascade.enums import MarkRefresh, QueueOrder, Side
from unit.worlds import rows, run_checked

LOTS, COLLATERAL = [10, 20, 15, 30], [595, 1_380, 1_320, 4_350]
TABLES = {
    "steps": ("kind", "parent", "generation", "round"),
    "fills": ("price", "size", "taker_account", "maker_account"),
    "liquidations": ("account", "lots_asked", "lots_filled", "limit_price", "outcome"),
    "marks": ("mark", "last"),
    "adl": ("scope_from", "scope_to", "lots", "rank"),
    "notes": ("step", "kind", "a", "b"),
}
Make = Callable[[], dict[str, Any]]


def t2(*, oracle: Any = None, **rules: Any) -> tuple[World, Venue]:
    """T2a with mechanisms of one's own: `oracle` for the market, the rest for the venue."""
    world = World(3)
    world.add_venue(
        trigger_strict=False,
        queue=QueueOrder.TRIGGER_PRICE,
        mark_refresh=MarkRefresh.ORDER,
        buffer_ppm=200_000,
        **rules,
    )
    venue = world.venue()
    own = {} if oracle is None else {"oracle": oracle}
    venue.add_market(multiplier=10, brackets=[(0, 50_000, 0, 100_000)], last=100, **own)
    for price in range(100, 79, -1):
        venue.seed_level(0, Side.BID, price, 10)
    for lots, collateral in zip(LOTS, COLLATERAL, strict=True):
        account = venue.open_account()
        venue.deposit(account, 0, collateral)
        venue.open_position(account, 0, lots, lots * 1_000)
    for lots in (30, 20):  # Whoever may be deleveraged.
        account = venue.open_account()
        venue.deposit(account, 0, 10**6)
        venue.open_position(account, 0, -lots, -lots * 1_000)
    world.schedule_shock(0, 0, 0, Side.ASK, size=15)
    world.schedule_shock(10**9, 0, 0, Side.ASK, size=150)
    world.start()
    return world, venue


def tape(world: World) -> dict[str, list[tuple[int, ...]]]:
    return {name: rows(world, name, *columns) for name, columns in TABLES.items()}


def check(
    make: Make,
    build: Callable[..., tuple[World, Venue]] = t2,
    told: Callable[[World], dict[str, list[tuple[int, ...]]]] = tape,
) -> dict[str, list[tuple[int, ...]]]:
    """Hold a mechanism to the contract; return its tape, to be compared with another door's.

    Sound after every step; the same again gives the same; a fork at any step ends the same and
    leaves the original alone; asking questions changes nothing. `build` makes the world.
    """
    world, _venue = build(**make())
    run_checked(world)
    steps, end = world.steps, world.state_hash()
    again, _ = build(**make())
    again.run()
    assert again.state_hash() == end
    for at in range(0, steps, 3 + steps // 20):
        half, its = build(**make())
        half.run(at)
        before = half.state_hash()
        other = half.fork()
        its.at_risk()
        assert other.state_hash() == half.state_hash() == before
        other.run()
        assert half.state_hash() == before
        half.run()
        assert other.state_hash() == half.state_hash() == end
    return told(world)
