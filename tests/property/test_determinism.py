"""The same world gives the same bytes: again, elsewhere, saved, forked, in single steps.

Run as a program, this file prints the hashes of every world here as JSON: the tests do so in
processes of other hash seeds. The core's worlds are used, and those of the shipped scenarios.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ordercascade import Tape, scenarios
from ordercascade.core.events import SCHEMA
from ordercascade.core.world import World
from ordercascade.engine import tape_of
from ordercascade.enums import AdlRule, MarkRefresh, PriceSource, QueueOrder, ShortfallAt, Side
from ordercascade.mechanisms.closing import Deleverage, Tranche
from ordercascade.run import build
from unit.worlds import BRACKETS, holding


def shipped(name: str) -> World:
    world: World = build(scenarios.load(name)).world
    return world


def two_venues() -> World:
    """Tranches with cooldowns on two venues whose shocks, ticks and transfers share instants."""
    world = World(3)
    for order in (QueueOrder.TRIGGER_PRICE, QueueOrder.MARGIN_RATIO):
        number = world.add_venue(
            queue=order,
            fraction_ppm=300_000,
            min_value=20_000,
            cooldown_ns=4,
            liquidation_fee_ppm=2_000,
            mark_refresh=MarkRefresh.ORDER,
        )
        venue = world.venue(number)
        venue.add_market(
            multiplier=100,
            price_max=10_000,
            size_max=10_000,
            brackets=BRACKETS,
            own_weight_ppm=700_000,
            index=100,
            taker_fee_ppm=500,
        )
        for away in range(1, 30):
            venue.seed_level(0, Side.BID, 100 - away, 3)
            venue.seed_level(0, Side.ASK, 100 + away, 4)
        for money in (9_000, 12_000, 16_000, 21_000, 27_000):
            holding(venue, 15, 100, money)
        holding(venue, -20, 100, 30_000)
        venue.fund_deposit(0, 700)
        for at in (0, 3, 9):
            world.schedule_shock(at, number, 0, Side.ASK, size=25)
            world.schedule_index(at, number, 0, 97 - at)
        world.schedule_transfer(3, number, 2, 0, 50)
        world.schedule_transfer(9, number, 1, 0, -1)
    world.draw("drawn before")
    world.start()
    return world


def losses() -> World:
    """A cross account of three legs and an isolated one fall below zero: ADL, fund, winners."""
    world = World(5)
    world.add_venue(
        shortfall_at=ShortfallAt.ROUND, adl_rule=AdlRule.PRO_RATA, social=True, round_ns=2
    )
    venue = world.venue(0)
    for market in range(3):
        venue.add_market(
            multiplier=10,
            price_max=10_000,
            size_max=10_000,
            brackets=BRACKETS,
            source=PriceSource.INDEX if market else PriceSource.LAST,
            index=100,
        )
        for away in range(1, 9):
            venue.seed_level(market, Side.BID, 100 - 3 * away, 2)
            venue.seed_level(market, Side.ASK, 100 + 3 * away, 2)
    for number, money in enumerate((3_100, 90_000, 60_000, 200)):
        account = venue.open_account()
        venue.deposit(account, 0, money)
        for market in range(3 if number < 3 else 0):
            size = 10 if number == 0 else -4 - number
            venue.open_position(account, market, size, size * 1_000)
    venue.isolate(4, 0)
    venue.move_isolated(4, 0, 180)
    venue.open_position(4, 0, 3, 3_000)
    venue.fund_deposit(0, 40)
    world.schedule_shock(1, 0, 0, Side.ASK, size=9)
    world.schedule_index(1, 0, 1, 80)
    world.schedule_index(2, 0, 2, 71)
    world.schedule_shock(8, 0, 0, Side.BID, notional=30_000)
    world.start()
    return world


WORLDS: dict[str, Callable[[], World]] = {
    **{name: lambda name=name: shipped(name) for name in scenarios.names()},
    "two venues": two_venues,
    "losses": losses,
}
every_world = pytest.mark.parametrize("name", WORLDS)


def hashes(name: str) -> list[str]:
    """Return the hash of a world at its opening and its end, and of its tape."""
    world = WORLDS[name]()
    opening = world.state_hash()
    world.run()
    return [opening, world.state_hash(), tape_of(world, {}).state_hash()]


def assert_same_tables(one: World, other: World) -> None:
    for table, columns in SCHEMA.items():
        for column in columns:
            got, want = one.log.column(table, column), other.log.column(table, column)
            assert np.array_equal(got, want), f"{table}.{column}"
    assert one.log.digest() == other.log.digest()
    assert one.state_hash() == other.state_hash()
    assert one.stop == other.stop
    assert one.time_ns == other.time_ns


@pytest.fixture(scope="module")
def elsewhere() -> dict[str, dict[str, list[str]]]:
    """Return what processes with two hash seeds of their own compute."""
    found = {}
    for seed in ("1", "4242"):
        place = {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        done = subprocess.run(
            [sys.executable, __file__],
            capture_output=True,
            text=True,
            env={**os.environ, **place},
        )
        assert done.returncode == 0, done.stderr
        found[seed] = json.loads(done.stdout)
    return found


@every_world
def test_other_processes_and_hash_seeds_give_the_same_hashes(
    elsewhere: dict[str, dict[str, list[str]]], name: str
) -> None:
    here = hashes(name)
    for seed, found in elsewhere.items():
        assert found[name] == here, f"PYTHONHASHSEED={seed}"


def test_every_world_has_its_own_hashes_and_does_something() -> None:
    """Else the tests above could compare nothing with nothing."""
    found = [hashes(name) for name in WORLDS]
    assert len({text for row in found for text in row}) == 3 * len(WORLDS)
    for name in WORLDS:
        world = WORLDS[name]()
        world.run()
        assert world.log.rows("liquidations") > 0, name
    log = losses_log()
    assert log.rows("adl") > 0
    assert log.rows("steps") > log.rows("adl") + log.rows("liquidations")


def losses_log() -> Any:
    world = losses()
    world.run()
    return world.log


@every_world
@pytest.mark.parametrize("place", ["tape", "tape.oct"])
def test_a_saved_tape_comes_back_with_its_hash(name: str, place: str, tmp_path: Path) -> None:
    world = WORLDS[name]()
    world.run()
    tape = tape_of(world, {})
    tape.save(tmp_path / place)
    loaded = Tape.load(tmp_path / place)
    assert loaded.state_hash() == tape.state_hash()
    assert loaded.meta["state_hash"] == world.state_hash()
    for table, columns in SCHEMA.items():
        for column in columns:
            assert np.array_equal(loaded.tables[table][column], world.log.column(table, column))


@every_world
def test_the_hash_of_a_tape_is_not_that_of_its_neighbour(name: str) -> None:
    """A tape of one step less is another tape."""
    world = WORLDS[name]()
    steps = world.fork().run()
    world.run(steps - 1)
    shorter = tape_of(world, {}).state_hash()
    world.run()
    assert tape_of(world, {}).state_hash() != shorter


def stops(steps: int) -> list[int]:
    """Return up to 9 steps to stop after, the opening and the end among them."""
    return sorted({steps * part // 8 for part in range(9)})


@every_world
def test_a_fork_and_its_original_both_run_to_the_same_end(name: str) -> None:
    """At each stop the fork runs first, then the original alone in a second pass."""
    whole = WORLDS[name]()
    steps = whole.run()
    for at in stops(steps):
        world = WORLDS[name]()
        assert world.run(at) == at
        before = world.state_hash()
        fork = world.fork()
        assert fork.state_hash() == before
        assert fork.log.digest() == world.log.digest()
        assert fork.run() == steps - at
        assert world.state_hash() == before
        assert world.steps == at
        world.run()
        assert_same_tables(fork, world)
        assert_same_tables(world, whole)


@every_world
def test_a_fork_of_a_fork_outlives_both(name: str) -> None:
    whole = WORLDS[name]()
    steps = whole.run()
    world = WORLDS[name]()
    world.run(steps // 2)
    fork = world.fork().fork()
    del world
    fork.run()
    fork._check()
    assert_same_tables(fork, whole)


@every_world
def test_steps_one_by_one_are_a_run(name: str) -> None:
    whole, world = WORLDS[name](), WORLDS[name]()
    steps = whole.run()
    for expected in range(steps):
        assert world.step() == expected
        world._check()
    assert world.step() == -1
    assert_same_tables(world, whole)


@every_world
@pytest.mark.parametrize("chunk", [2, 7])
def test_a_run_in_chunks_is_a_run(name: str, chunk: int) -> None:
    whole, world = WORLDS[name](), WORLDS[name]()
    whole.run()
    while world.run(chunk):
        pass
    assert_same_tables(world, whole)


def sell_a_tenth(world: World) -> None:
    world.venue(0).set_policy(Tranche(fraction_ppm=100_000, cooldown_ns=1))


def deal_by_lots(world: World) -> None:
    world.venue(0).set_backstop(Deleverage(AdlRule.QUEUE))


def fill_the_fund(world: World) -> None:
    world.venue(0).set_fund(10**6)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        *[(name, sell_a_tenth) for name in WORLDS],
        ("losses", deal_by_lots),
        *[(name, fill_the_fund) for name in WORLDS],
    ],
)
def test_a_fork_under_another_rule_leaves_the_original_alone(
    name: str, change: Callable[[World], None]
) -> None:
    whole, world = WORLDS[name](), WORLDS[name]()
    whole.run()
    before = world.state_hash()
    fork = world.fork()
    change(fork)
    assert fork.state_hash() != before
    assert world.state_hash() == before
    fork.run()
    fork._check()
    world.run()
    assert_same_tables(world, whole)
    assert fork.state_hash() != world.state_hash()
    assert fork.log.digest() != world.log.digest()


def test_streams_go_on_in_a_fork_as_in_the_original() -> None:
    world = World(9)
    drawn = [world.draw("noise") for _ in range(6)]
    fork = world.fork()
    assert [fork.draw("noise") for _ in range(9)] == [world.draw("noise") for _ in range(9)]
    assert fork.state_hash() == world.state_hash()
    assert fork.draw("other") == World(9).draw("other")
    assert fork.state_hash() != world.state_hash()
    again = World(9)
    assert [again.draw("noise") for _ in range(6)] == drawn


if __name__ == "__main__":
    print(json.dumps({name: hashes(name) for name in WORLDS}))
