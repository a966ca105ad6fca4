"""Rows F of the bad-input catalogue: time, and the order of events."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import ordercascade
import ordercascade as oc
from bad_inputs import doors
from bad_inputs.doors import ASK, BID, Door, columns, refused
from ordercascade.core.world import World
from ordercascade.exact import time_ns

DAY_NS = 1_723_075_200 * 10**9  # 2024-08-08
INT64_MAX = 2**63 - 1


def later(now: int = 7) -> Door:
    """The core venue at a later time."""
    door = doors.venue()
    door.world.settle(now)
    return door


# Every door that takes a time.
PLANS = {
    "shock": lambda w, at: w.schedule_shock(at, 0, 0, ASK, size=1),
    "index": lambda w, at: w.schedule_index(at, 0, 0, 100),
    "transfer": lambda w, at: w.schedule_transfer(at, 0, 1, 0, 5),
    "settle": lambda w, at: w.settle(at),
}
EVERY = pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS.keys())


@EVERY
def test_bad_F01_a_time_that_is_over(plan: Any) -> None:
    door = later()
    words = "time_ns must be in [7, 2**62], got 5"
    error = refused(door, oc.InputError, words, lambda: plan(door.world, 5))
    assert (error.field, error.value) == ("time_ns", 5)
    plan(door.world, 7)
    door.check()


@EVERY
def test_bad_F01_no_time_inside_a_settlement(plan: Any) -> None:
    """A time is not over, but a settlement runs: plans are taken, a second settlement is not."""
    door = doors.venue()
    door.world.schedule_shock(5, 0, 0, ASK, size=1)
    while not door.world.settling:
        assert door.world.step() >= 0
    quiet = door._replace(good=lambda: None)
    if plan is PLANS["settle"]:
        words = "call must wait until it is over, got 'inside a settlement'"
        refused(quiet, oc.InputError, words, lambda: plan(door.world, 9))
    else:
        plan(door.world, 9)
    door.world.run()
    door.check()
    door.good()


def test_bad_F02_equal_times_go_in_the_order_in_which_they_were_planned() -> None:
    door = doors.venue()
    for price in (103, 101, 102):
        door.world.schedule_index(5, 0, 0, price)
    for size in (2, 1, 3):
        door.world.schedule_shock(5, 0, 0, BID, size=size)
    door.world.run()
    assert [n for (n,) in columns(door.world, "orders", "size")][-3:] == [2, 1, 3]
    assert door.at.prices(0)[1] == 102
    door.check()


@EVERY
@pytest.mark.parametrize("at", [-1, -(2**63)])
def test_bad_F03_a_negative_time(plan: Any, at: int) -> None:
    door = doors.venue()
    words = f"time_ns must be in [0, 2**62], got {at}"
    refused(door, oc.InputError, words, lambda: plan(door.world, at))


@EVERY
def test_bad_F03_milliseconds_where_nanoseconds_are_expected(plan: Any) -> None:
    door = later(DAY_NS)
    at = DAY_NS // 10**6 + 5
    words = f"time_ns must be in [{DAY_NS}, 2**62]; this looks like milliseconds, got {at}"
    refused(door, oc.InputError, words, lambda: plan(door.world, at))
    other = "time_ns must be in [1723075200000000000, 2**62], got 5"
    refused(door, oc.InputError, other, lambda: plan(door.world, 5))


def test_bad_F03_times_of_a_scenario() -> None:
    door = doors.text()
    words = "shock[0].at_s: must be in [0, 2**62) nanoseconds; this looks like milliseconds"
    refused(door, oc.ConfigError, words, lambda: door.at("at_s = 1", f"at_s = {DAY_NS // 10**6}"))
    words = "shock[0].at_s: must be in [0, 2**62) nanoseconds, got '-1'"
    refused(door, oc.ConfigError, words, lambda: door.at("at_s = 1", "at_s = -1"))
    words = "shock[0].at_s: must not be finer than a nanosecond"
    refused(door, oc.ConfigError, words, lambda: door.at("at_s = 1", "at_s = 0.0000000001"))
    assert time_ns("at_s", "1723075200") == DAY_NS


@EVERY
@pytest.mark.parametrize("at", [INT64_MAX, 2**62 + 1])
def test_bad_F04_a_time_to_which_no_delay_can_be_added(plan: Any, at: int) -> None:
    door = doors.venue()
    words = "time_ns must be at most 2**62, so that a delay still fits int64"
    refused(door, oc.RangeError, words, lambda: plan(door.world, at))
    refused(door, oc.RangeError, "time_ns does not fit int64", lambda: plan(door.world, 2**63))
    if plan is not PLANS["settle"]:
        plan(door.world, 2**62)


def test_bad_F04_delays_that_sum_to_more_than_a_time_can_be() -> None:
    world = World(1)
    door = Door(world, world.state_hash, world._check, world.add_venue)
    words = "cooldown_ns must be in [0, 2**61]"
    refused(door, oc.InputError, words, lambda: world.add_venue(cooldown_ns=2**61 + 1))
    words = "round_ns: times round_max must be at most 2**61 ns"
    refused(door, oc.ConfigError, words, lambda: world.add_venue(round_ns=2**45))
    refused(
        door, oc.ConfigError, words, lambda: world.add_venue(round_ns=2**31, round_max=2**30 + 1)
    )
    world.add_venue(round_ns=2**31, round_max=2**30, cooldown_ns=2**61)
    text = doors.text()
    words = "venue[0].round_ns: times round_max must be at most 2**61 ns"
    swap = 'preset = "simple"', 'preset = "simple"\nround_ns = 35184372088832'
    refused(text, oc.ConfigError, words, lambda: text.at(*swap))
    words = "venue[0].liquidation[0].cooldown_s: must be at most 2**61 nanoseconds"
    tranche = '[[venue.liquidation]]\nkind = "tranche"\nfraction = 0.5\ncooldown_s = 2400000000\n'
    swap = "[[venue.market]]", f"{tranche}[[venue.market]]"
    refused(text, oc.ConfigError, words, lambda: text.at(*swap))


def test_bad_F04_a_chain_of_cooldowns_ends_before_the_clock_does() -> None:
    """Three tranches 2**61 ns apart from 2**61 on: the third would pass 2**62, and is refused.

    The world is whole: it refuses again, and takes what comes before.
    """
    world = World(1)
    world.add_venue(fraction_ppm=100_000, cooldown_ns=2**61)
    venue = world.venue(0)
    venue.add_market(multiplier=100, price_max=10_000, size_max=10_000, brackets=doors.BRACKETS)
    venue.seed_level(0, BID, 99, 1)
    venue.seed_level(0, BID, 98, 100)
    venue.seed_level(0, ASK, 101, 5)
    venue.deposit(venue.open_account(), 0, 52_000)
    venue.open_position(1, 0, 100, 1_000_000)
    world.schedule_shock(2**61 + 1, 0, 0, ASK, size=1)
    world.start()
    for _ in range(2):
        with pytest.raises(oc.RangeError, match="time_ns would pass 2\\*\\*62") as caught:
            world.run()
        assert type(caught.value) is oc.RangeError
        assert world.time_ns == 2**61 + 1
        assert not world.settling
        world._check()
    orders = [kind for (kind,) in columns(world, "steps", "kind")]
    assert oc.StepKind.LIQUIDATION in orders
    venue.deposit(1, 0, 10**6)
    assert world.settle() >= 0
    world._check()


CODE = (
    "import ordercascade as oc;"
    "print(oc.run(oc.scenarios.load('short-squeeze'), progress=False).state_hash())"
)


def test_bad_F07_the_clock_and_the_time_zone_have_no_effect(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def run() -> str:
        return oc.run(oc.scenarios.load("short-squeeze"), progress=False).state_hash()

    here = run()
    monkeypatch.setattr(time, "time", lambda: -1e18)
    monkeypatch.setattr(time, "time_ns", lambda: 2**70)
    for zone in ("Pacific/Kiritimati", "America/St_Johns", "XYZ-25"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        assert run() == here
    monkeypatch.undo()
    time.tzset()


def test_bad_F07_nor_have_they_in_another_process() -> None:
    here = oc.run(oc.scenarios.load("short-squeeze"), progress=False).state_hash()
    environment = {"PYTHONPATH": os.pathsep.join(sys.path), "TZ": "Asia/Kathmandu", "LC_ALL": "C"}
    done = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.strip() == here


def test_bad_F07_no_compiled_room_asks_for_the_time() -> None:
    """Their symbols are in the libraries by name, so that one that is used shows."""
    asks = (b"clock_gettime", b"gettimeofday", b"localtime", b"gmtime", b"mktime", b"tzset")
    rooms = sorted(Path(ordercascade.__file__).parent.glob("*/*.so"))
    assert len(rooms) > 20
    for room in rooms:
        data = room.read_bytes()
        assert not any(word in data for word in asks), room.name
