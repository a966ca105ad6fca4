"""Rows G01 and G03 to G06 of the bad-input catalogue: plug-ins in Python that do wrong."""

from __future__ import annotations

from typing import Any

import pytest

from mechanism.contract import t2
from ordercascade.core.world import World
from ordercascade.errors import BusyError, ConfigError, MechanismError, PoisonedError
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
def test_bad_G03_G04_what_raises_or_is_rubbish_is_refused_and_the_money_is_whole(
    rule: str, plugin: Any, hook: str, bad: Any
) -> None:
    """G03, G04. What was done of the round stays done, so the world says that it is broken."""
    with pytest.raises(MechanismError, match=rf"Bad\.{hook}: "):
        world, _venue = t2(**{rule: plugin(bad)})
        try:
            world.run()
        except MechanismError:
            with pytest.raises(PoisonedError):
                world.run()
            raise


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
