"""Venues whose markets have margin schedules: the engine's margins are those of the questions.

Every kind that the engine runs, in lives of random prices and orders; after every step the full
scans hold, so nobody fell unseen, also where a requirement jumps and no trigger would tell.
"""

from __future__ import annotations

import os
import random
from typing import Any

import pytest

from ordercascade.core.schedule import Schedule
from ordercascade.core.venue import Venue
from ordercascade.core.world import World
from ordercascade.enums import PriceSource, Side
from ordercascade.errors import ConfigError, InputTypeError
from reference.schedule import Claim, Twin
from unit.worlds import rows

OPS = int(os.environ.get("ORDERCASCADE_PROOF_OPS", "300"))
UNIT = 10
USERS = 10
TIERS = [(0, 50_000, 0, 100_000), (60_000, 80_000, 1_800, 150_000)]
SLAB = [(0, 50_000, 100_000), (60_000, 80_000, 150_000), (90_000, 120_000, 200_000)]


# By name: the schedule's maker and arguments, and its twin's.
SIZE = {"maintenance_ppm": 10_000, "increment_ppt": 5_000_000_000}
SKEW = {
    "scale": 100,
    "fraction_ppm": 10**6,
    "minimum_ppm": 20_000,
    "scalar_ppm": 500_000,
    "fixed": 30,
}
LOTS = [(0, 50_000, 100_000), (6, 90_000, 180_000)]
BASE: dict[str, tuple[str, tuple[Any, ...], dict[str, Any], dict[str, Any]]] = {
    "flat": (
        "flat",
        (),
        {"maintenance_ppm": 50_000, "initial_ppm": 100_000},
        {"rows": ((0, 50_000, 0, 100_000),)},
    ),
    "tiers": ("tiers", (TIERS,), {}, {"rows": tuple(TIERS)}),
    "slab": ("slab", (SLAB,), {}, {"rows": tuple((f, m, 0, i) for f, m, i in SLAB)}),
    "slab by lots": (
        "slab",
        (LOTS,),
        {"by": "size"},
        {"rows": tuple((f, m, 0, i) for f, m, i in LOTS), "by_lots": True},
    ),
    "size": ("size", (), SIZE | {"initial_ppm": 20_000}, {"numbers": tuple(SIZE.items())}),
    "skew": ("skew", (), SKEW, {"numbers": tuple(SKEW.items())}),
    "interest": (
        "interest",
        (),
        {"maintenance_ppm": 30_000, "initial_ppm": 60_000, "lower": 200_000, "upper": 900_000},
        {"rows": ((0, 30_000, 0, 60_000),)},
    ),
}
WAYS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "": ({}, {}),
    " with a fee": ({"fee_ppm": 600}, {"fee_ppm": 600}),
    " at entry": ({"base": "entry"}, {"at_entry": True}),
    " at entry with a fee": (
        {"base": "entry", "fee_ppm": 600},
        {"at_entry": True, "fee_ppm": 600},
    ),
}
NAMES = [name + way for name in BASE for way in WAYS]


def made(name: str, strict: bool) -> tuple[Schedule, Twin]:
    base = max((base for base in BASE if name.startswith(base)), key=len)
    kind, given, numbers, said = BASE[base]
    more, told = WAYS[name[len(base) :]]
    options: dict[str, Any] = {"multiplier": UNIT, "strict": strict}
    schedule = getattr(Schedule, kind)(*given, **numbers, **more, **options)
    return schedule, Twin(kind=kind, **said, **told, **options)


def lived(name: str, rng: random.Random, strict: bool) -> tuple[World, Venue, Twin]:
    """Two markets, one with the schedule, one with it or with brackets."""
    world = World(1)
    world.add_venue(trigger_strict=strict)
    venue = world.venue(0)
    first, twin = made(name, strict)
    other = rng.choice([None, *NAMES])
    for schedule in (first, other and made(other, strict)[0]):
        venue.add_market(
            multiplier=UNIT,
            price_max=4_000,
            size_max=1_000,
            brackets=TIERS,
            source=PriceSource.INDEX,
            index=1_000,
            schedule=schedule,
        )
    for _ in range(USERS):
        account = venue.open_account()
        venue.deposit(account, 0, rng.randint(2_000, 25_000))
        for market in range(2):
            if rng.random() < 0.6:
                size = rng.choice((-1, 1)) * rng.randint(1, 12)
                venue.open_position(account, market, size, size * 1_000 * UNIT)
    for market in range(2):
        for at in range(1, 6):
            venue.seed_level(market, Side.BID, 1_000 - 30 * at, rng.randint(1, 9))
            venue.seed_level(market, Side.ASK, 1_000 + 30 * at, rng.randint(1, 9))
    world.start()
    return world, venue, twin


def compare(venue: Venue, twin: Twin) -> None:
    """Scopes with one position, in the first market: margin and trigger are the twin's."""
    mark = venue.marks()[0]
    for account in range(1, venue.accounts + 1):
        scope = venue.cross_scope(account, 0)
        size, cost = venue.position(scope, 0)
        if size == 0 or venue.position(scope, 1)[0]:
            continue
        claim = Claim(size, cost, venue.collateral(scope), 0)
        assert venue.equity(scope) - venue.maintenance(scope) == twin.slack(claim, mark)
        found = venue.liquidation_price(scope, 0)
        if found is not None:
            assert twin.unsafe(claim, found)
            beyond = found + (1 if size > 0 else -1)
            assert beyond == 0 or not twin.unsafe(claim, beyond)


@pytest.mark.parametrize("name", NAMES)
def test_margins_are_the_schedule_s_and_nobody_falls_unseen(name: str) -> None:
    rng = random.Random(name)
    done = 0
    liquidated = 0
    while done < OPS:
        strict = rng.random() < 0.7
        world, venue, twin = lived(name, rng, strict)
        prices = [1_000, 1_000]
        for _ in range(40):
            market = rng.randint(0, 1)
            prices[market] = min(2_500, max(200, prices[market] + rng.randint(-70, 70)))
            venue.set_index(market, prices[market])
            venue._check()
            if rng.random() < 0.4:
                side = rng.choice(list(Side))
                venue.submit(rng.randint(1, USERS), market, side, prices[market], rng.randint(1, 5))
            if rng.random() < 0.3:
                world.settle()
                compare(venue, twin)
            world._check()
            assert not any(venue.audit().values())
            done += 1
        fork = world.fork()
        world.run()
        fork.run()
        assert fork.state_hash() == world.state_hash()
        liquidated += len(rows(world, "liquidations", "step"))
    assert liquidated > 5


def test_a_slab_that_jumps_liquidates_a_long_on_the_way_up() -> None:
    """10 lots at 590 are worth 59,000 and ask 2,950; at 600 they ask 4,800 of 4,000 + 100·10."""
    world = World()
    world.add_venue()
    venue = world.venue(0)
    table = Schedule.slab([(0, 50_000, 100_000), (60_000, 90_000, 180_000)], multiplier=UNIT)
    venue.add_market(
        multiplier=UNIT,
        price_max=4_000,
        size_max=100,
        source=PriceSource.INDEX,
        index=590,
        schedule=table,
    )
    account = venue.open_account()
    venue.deposit(account, 0, 4_000)
    venue.open_position(account, 0, 10, 59_000)
    world.start()
    assert venue.at_risk() == []
    venue.set_index(0, 600)
    assert venue.at_risk() == [venue.cross_scope(account, 0)]


@pytest.mark.parametrize(
    ("schedule", "error"),
    [
        (Schedule.flat(maintenance_ppm=1, initial_ppm=1, multiplier=7), ConfigError),
        (
            Schedule.flat(maintenance_ppm=1, initial_ppm=1, multiplier=UNIT, contract="inverse"),
            ConfigError,
        ),
        (
            Schedule.flat(maintenance_ppm=1, initial_ppm=1, multiplier=UNIT, strict=False),
            ConfigError,
        ),
        (
            Schedule.risk(
                long_ppm=1,
                short_ppm=1,
                slippage_ppm=1,
                multiplier=UNIT,
                fee_ppm=1,
                fee_base="bankruptcy",
            ),
            ConfigError,
        ),
        ("flat", InputTypeError),
    ],
)
def test_a_schedule_that_the_engine_cannot_run_is_refused(
    schedule: Any, error: type[Exception]
) -> None:
    world = World()
    world.add_venue()
    with pytest.raises(error):
        world.venue(0).add_market(multiplier=UNIT, schedule=schedule)
