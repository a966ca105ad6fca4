"""Two-slope interest against the twin."""

from __future__ import annotations

from typing import Any

from hypothesis import given, note, settings
from hypothesis import strategies as st

from ordercascade.core.lending import schedule_interest
from ordercascade.core.world import World
from reference import scenarios as draw
from reference.interest import Lending
from reference.scripts import Call, assert_same, play, show
from reference.world import World as Twin

SECOND = 10**9
DAY = 86_400 * SECOND


@st.composite
def terms(draw_: st.DrawFn) -> tuple[Lending, int, int, int]:
    """Terms, and when, how far apart, how often."""
    lending = Lending(
        draw_(st.sampled_from([0, 10**7])),
        draw_(st.sampled_from([4 * 10**7, 10**10])),
        draw_(st.sampled_from([6 * 10**8, 10**10])),
        draw_(st.sampled_from([8 * 10**8, 10**8, 999_999_999])),
        draw_(st.sampled_from([0, 100_000, 10**6])),
        draw_(st.sampled_from([0, 0, 1_000, 30_001, 10**6])),
    )
    at = draw_(st.integers(0, 3)) * SECOND
    return lending, at, draw_(st.sampled_from([SECOND, DAY, 30 * DAY])), draw_(st.integers(1, 3))


@settings(max_examples=40)
@given(draw.scenarios(), terms())
def test_a_random_scenario_with_interest_gives_the_twin_s_tape(
    calls: list[Call], drawn: tuple[Lending, int, int, int]
) -> None:
    note(repr(drawn))
    note(show(calls))
    lending, at, every, times = drawn
    fast, twin = World(), Twin()
    begin = next(k for k, call in enumerate(calls) if call.name == "start")
    for part, begins in ((calls[:begin], True), (calls[begin:], False)):
        assert play(fast, part) == play(twin, part)
        if begins:
            named: dict[str, Any] = lending._asdict()
            schedule_interest(fast, at, 0, every_ns=every, times=times, **named)
            twin.schedule_interest(at, 0, 0, every, times, lending)
    assert_same(fast, twin)
    fast.venue(0)._check()
