"""Margin calls, their answers and expiries against the twin, on small random scenarios."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from ordercascade.duties import CallAction, CallSource, ExpiryRule
from reference import scenarios as draw
from reference.scripts import Call, assert_same, play, show
from reference.world import World as Twin

compiled = pytest.importorskip("ordercascade.core.world")
planning = pytest.importorskip("ordercascade.core.planning")

SECOND = 10**9


class Fast(compiled.World):  # type: ignore[misc]
    """The compiled world with its planning functions as methods, as the twin has them."""

    set_answers = planning.set_answers
    schedule_expiry = planning.schedule_expiry


@st.composite
def answers(draw_: st.DrawFn, accounts: int) -> list[Call]:
    """Draw what accounts do, some of them not at all."""
    found = []
    for account in range(1, accounts + 1):
        if draw_(st.integers(0, 3)) == 0:
            continue
        how: dict[str, Any] = {
            "action": draw_(st.sampled_from(CallAction)),
            "delay_ns": draw_(st.sampled_from([0, 0, 1, SECOND, 3 * SECOND])),
        }
        if how["action"] == CallAction.ADD:
            how["target_ppm"] = draw_(st.sampled_from([0, 10**6, 1_300_000, 5_000_000]))
            how["wallet"] = draw_(st.sampled_from([2**40, 7, 300]))
            how["source"] = draw_(st.sampled_from(CallSource))
        if how["action"] == CallAction.REDUCE:
            how["share_ppm"] = draw_(st.sampled_from([10**6, 500_000, 1]))
        found.append(Call(-1, "set_answers", (0, account), how))
    return found


@st.composite
def endings(draw_: st.DrawFn, markets: int) -> list[Call]:
    """Draw when and how markets end, most of them not at all."""
    found = []
    for market in range(markets):
        if draw_(st.booleans()):
            continue
        rule = draw_(st.sampled_from(ExpiryRule))
        how: dict[str, Any] = {"rule": rule}
        if rule in (ExpiryRule.AVERAGE_MARK, ExpiryRule.AVERAGE_INDEX):
            how["window_ns"] = draw_(st.sampled_from([1, SECOND, 3 * SECOND, 100 * SECOND]))
        if rule == ExpiryRule.STATED:
            how["price"] = draw_(st.integers(60, 150))
        at = draw_(st.sampled_from([0, SECOND, 2 * SECOND, 4 * SECOND, 5 * SECOND]))
        found.append(Call(-1, "schedule_expiry", (at, 0, market), how))
    return found


@st.composite
def scenarios(draw_: st.DrawFn, *, calls: bool, ends: bool) -> list[Call]:
    """Draw a scenario with calls, with expiries, or with both."""
    found = draw_(draw.scenarios())
    started = next(k for k, call in enumerate(found) if call.name == "start")
    extra: list[Call] = []
    if calls:
        first = next(k for k, call in enumerate(found) if call.name == "add_venue")
        level = draw_(st.sampled_from([10**6, 1_100_000, 1_500_000, 3_000_000, 30_000_000]))
        levels = {"call_ppm": level}
        if draw_(st.booleans()):
            levels["release_ppm"] = level + draw_(st.sampled_from([0, 100_000, 2_000_000]))
        kwargs = found[first].kwargs | {"calls": levels}
        found[first] = found[first]._replace(kwargs=kwargs)
        extra += draw_(answers(draw.count(found, "open_account", 0)))
    if ends:
        extra += draw_(endings(draw.count(found, "add_market", 0)))
    return found[:started] + extra + found[started:]


def both(calls: list[Call]) -> tuple[Any, Twin]:
    """Play the calls on both engines; what each call returns must agree."""
    note(show(calls))
    fast, twin = Fast(), Twin()
    assert play(fast, calls) == play(twin, calls)
    return fast, twin


@settings(max_examples=60)
@given(scenarios(calls=True, ends=False))
def test_calls_and_answers_give_the_twins_tape(calls: list[Call]) -> None:
    fast, twin = both(calls)
    assert_same(fast, twin)
    fast.venue(0)._check()


@settings(max_examples=60)
@given(scenarios(calls=False, ends=True))
def test_expiries_give_the_twins_tape(calls: list[Call]) -> None:
    fast, twin = both(calls)
    assert_same(fast, twin)
    fast.venue(0)._check()


@settings(max_examples=25)
@given(scenarios(calls=True, ends=True), st.integers(0, 30))
def test_a_fork_at_any_step_goes_on_alike(calls: list[Call], at: int) -> None:
    fast, twin = both(calls[:-1])
    assert fast.run(at) == twin.run(at)
    other = fast.fork()
    assert other.state_hash() == fast.state_hash()
    other.venue(0)._check()
    other.run()
    twin.run()
    assert_same(other, twin)
    fast.run()
    assert_same(fast, twin)
    assert other.state_hash() == fast.state_hash()
