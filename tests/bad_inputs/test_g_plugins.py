"""Rows G01 and G03 to G06 of the bad-input catalogue: plug-ins in Python that do wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mechanism.contract import t2, tape
from mechanism.fuses import Fuse, plugins
from ordercascade.core.world import World
from ordercascade.enums import Side
from ordercascade.errors import BusyError, ConfigError, MechanismError
from ordercascade.mechanisms.closing import Tranche
from ordercascade.mechanisms.plugins import (
    PluginBackstop,
    PluginBreaker,
    PluginOracle,
    PluginPolicy,
    View,
)


class Plain:
    """A plug-in without memory."""

    def state(self) -> bytes:
        return b""


def failing(hook: str, answer: Any) -> Any:
    """A plug-in whose hook gives this answer, or calls it."""

    def call(self: Any, *arguments: Any) -> Any:
        return answer(*arguments) if callable(answer) else answer

    return type("Bad", (Plain,), {hook: call})()


BAD: dict[str, Any] = {
    "raises": lambda *_: 1 / 0,
    "a word": "97",
    "nan": float("nan"),
    "negative": -5,
    "nothing": None,
    "too large": 2**31,
}


@pytest.mark.parametrize("case", BAD)
def test_bad_G04_rubbish_from_an_oracle_names_the_plug_in_and_its_hook(case: str) -> None:
    with pytest.raises(MechanismError, match=r"Bad\.mark: .*at 0 ns"):
        t2(oracle=PluginOracle(failing("mark", BAD[case])))


@pytest.mark.parametrize(
    ("rule", "plugin", "hook"),
    [
        ("breakers", lambda bad: [PluginBreaker(failing("judge", bad))], "judge"),
        ("policy", lambda bad: PluginPolicy(failing("plan", bad)), "plan"),
        ("backstop", lambda bad: PluginBackstop(failing("order", bad)), "order"),
    ],
)
@pytest.mark.parametrize(
    "bad",
    [
        lambda *_: 1 / 0,
        7,
        [(1, 2)] * 9,
        [(10**9, None, 0)],
        [(1.5, None, 0)],
        [99, 98],
        (9, 1, 1, 1),
    ],
)
def test_bad_G03_G04_what_raises_or_is_rubbish_names_plug_in_hook_and_round(
    rule: str, plugin: Any, hook: str, bad: Any
) -> None:
    """G03, G04. It raises as often as it is asked, and nothing of the round stays done."""
    found = []
    with pytest.raises(MechanismError, match=rf"Bad\.{hook}: .*\(round 0\)") as caught:
        world, venue = t2(**{rule: plugin(bad)})
        for _ in range(2):
            found.append(caught_by(world))
            assert not any(venue.audit().values())
            world._check()
        assert found[0] == found[1]
        world.run()
    assert (caught.value.plugin, caught.value.hook) == ("Bad", hook)
    assert (caught.value.round, caught.value.seq) == (0, 8 if rule == "backstop" else 0)


def caught_by(world: World) -> tuple[str, int]:
    """Run into the error; say where the world stands."""
    with pytest.raises(MechanismError):
        world.run()
    return world.state_hash(), world.steps


def recursed() -> Any:
    return recursed()


def interrupted() -> Any:
    raise KeyboardInterrupt


WRONG: dict[str, tuple[Callable[[World], Any], type[BaseException]]] = {
    "G01 calls the world": (lambda world: world.settle(), MechanismError),
    "G01 asks the world": (lambda world: world.state_hash(), MechanismError),
    "G03 raises": (lambda _: 1 / 0, MechanismError),
    "G04 rubbish": (lambda _: object(), MechanismError),
    "G05 recurses": (lambda _: recursed(), MechanismError),
    "G09 Ctrl-C": (lambda _: interrupted(), KeyboardInterrupt),
    "G11 no memory": (lambda _: [0] * 2**60, MemoryError),
}


@pytest.mark.parametrize("case", WRONG)
def test_bad_G01_G03_G04_G05_after_the_error_the_world_is_as_before_the_call(case: str) -> None:
    """At each of the calls that the four plug-ins get; then the same call goes well."""
    wrong, error = WRONG[case]
    whole = Fuse()
    told, _ = t2(**plugins(whole))
    told.run()
    started = Fuse()
    t2(**plugins(started))
    for at in range(started.calls + 1, whole.calls + 1):
        worlds: list[World] = []
        world, _venue = t2(**plugins(Fuse(at, lambda: wrong(worlds[0]))))  # noqa: B023
        worlds.append(world)
        before = world.state_hash()
        with pytest.raises(error):
            while True:
                before = world.state_hash()
                world.step()
        assert world.state_hash() == before
        world._check()
        world.run()
        assert world.state_hash() == told.state_hash()
        assert tape(world) == tape(told)


def test_a_plug_in_that_fails_can_be_set_aside_and_nothing_else_is_undone() -> None:
    """What a user did before the call that failed stays; a built-in takes over from there."""
    world, venue = t2(policy=PluginPolicy(failing("plan", None)))
    account = venue.open_account()
    venue.deposit(account, 0, 777)
    with pytest.raises(MechanismError, match=r"Bad\.plan"):
        world.run()
    assert venue.equity(venue.cross_scope(account)) == 777
    venue.set_policy(Tranche())
    world.run()
    assert world.log.rows("liquidations") > 0
    world.schedule_shock(world.time_ns, 0, 0, Side.ASK, size=1)
    venue.set_breakers([PluginBreaker(failing("judge", 7))])
    steps = world.steps
    venue.deposit(account, 0, 3)
    with pytest.raises(MechanismError, match=r"Bad\.judge"):
        world.run()
    assert (world.steps, venue.equity(venue.cross_scope(account))) == (steps + 1, 780)
    venue.set_breakers([])
    world.run()
    assert world.steps > steps + 1


def test_what_a_user_did_between_two_calls_is_not_undone() -> None:
    """The world is kept over many calls, but not over this one."""
    fuse = Fuse()
    world, venue = t2(**plugins(fuse))
    world.settle()
    account = venue.open_account()
    venue.deposit(account, 0, 777)
    order = venue.submit(account, 0, Side.BID, 70, 1)
    before, written = world.state_hash(), tape(world)
    fuse.at = fuse.calls + 1
    with pytest.raises(MechanismError):
        world.run()
    assert (world.state_hash(), tape(world)) == (before, written)
    assert venue.cancel(account, 0, order) == 1


def test_a_plug_in_of_two_worlds_fails_in_one_of_them() -> None:
    """The object is theirs both; what it said to one is not told to the other."""
    fuse = Fuse()
    both = plugins(fuse)
    first, _ = t2(**both)
    second, _ = t2(**both)
    while first.steps < 12:
        first.step()
        second.step()
    before = [world.state_hash() for world in (first, second)]
    fuse.at = fuse.calls + 2
    with pytest.raises(MechanismError):
        first.run()
    assert [world.state_hash() for world in (first, second)] == before
    first.run()
    second.run()
    assert first.state_hash() == second.state_hash()


def test_after_thousands_of_answers_the_way_back_is_still_the_same() -> None:
    """Payments of funding, each with rounds of its own: the world is kept anew on the way."""
    ends = []
    for at in (0, 9_000):
        fuse = Fuse(at)
        world, _venue = t2(**plugins(fuse))
        world.schedule_funding(2 * 10**9, 0, 0, rate_ppb=7, every_ns=10**9, times=3_000)
        if at:
            with pytest.raises(MechanismError) as caught:
                world.run()
            assert caught.value.seq == world.steps > 2_000
            world._check()
        world.run()
        ends.append((world.state_hash(), world.steps, fuse.calls - (at > 0)))
    assert ends[0][:2] == ends[1][:2]
    assert 0 <= ends[1][2] - ends[0][2] < 10, "asked again only for the round that failed"


def test_bad_G01_a_plug_in_that_calls_the_world_finds_it_busy() -> None:
    """G01."""
    worlds: list[World] = []

    def call(view: View, time_ns: int) -> int:
        if worlds:
            worlds[0].settle()
        return 100

    world, _ = t2(oracle=PluginOracle(failing("mark", call)))
    worlds.append(world)
    with pytest.raises(MechanismError, match="BusyError") as caught:
        world.run()
    assert isinstance(caught.value.__cause__, BusyError)


def test_bad_G01_a_plug_in_that_reads_the_tape_of_its_world_finds_it_busy() -> None:
    """G01. A view made before may be read: it never changes."""
    seen: list[Any] = []

    def call(view: View, time_ns: int) -> int:
        if seen:
            assert seen[1].tolist() == []
            seen[0].column("fills", "price")
        return 100

    world, _ = t2(oracle=PluginOracle(failing("mark", call)))
    seen += [world.log, world.log.column("fills", "price")]
    with pytest.raises(MechanismError, match="BusyError") as caught:
        world.run()
    assert isinstance(caught.value.__cause__, BusyError)


def test_bad_G05_a_plug_in_that_recurses_for_ever_is_an_error_and_no_crash() -> None:
    """G05."""

    def deeper(*arguments: Any) -> Any:
        return deeper(*arguments)

    with pytest.raises(MechanismError, match="RecursionError"):
        t2(oracle=PluginOracle(failing("mark", deeper)))


def test_bad_G06_what_a_plug_in_keeps_is_a_copy() -> None:
    """G06."""
    kept: list[View] = []

    def keep(view: View, time_ns: int) -> int:
        kept.append(view)
        return view.last

    world, _ = t2(oracle=PluginOracle(failing("mark", keep)))
    world.run()
    assert kept[0].last == 100 and kept[-1].last < 100
    del world
    assert kept[0] == View(100, 0, 0, 100, 0, 0)


def test_an_object_without_its_hook_or_state_is_no_plug_in() -> None:
    for kind in (PluginOracle, PluginBreaker, PluginPolicy, PluginBackstop):
        with pytest.raises(ConfigError, match="must be a method"):
            kind(Plain())
        with pytest.raises(ConfigError, match="must be a method"):
            kind(object())
