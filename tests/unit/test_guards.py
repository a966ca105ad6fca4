"""Late and clamped marks, planners, calls and interest as safeguards that an ablation takes out."""

from __future__ import annotations

import msgspec
import pytest

import ordercascade as oc
from ordercascade import guards
from ordercascade.analysis import ablation
from ordercascade.config import OracleConfig
from ordercascade.exact import Exact
from ordercascade.safeguards import safeguards
from ordercascade.scenario import Scenario

NAMES = ("median_mark", "latency", "clamp", "planner", "margin_calls", "interest", "ema", "median3")
KNOWN = {each.name: each for each in safeguards()}


@pytest.fixture(scope="module")
def base() -> Scenario:
    return oc.scenarios.load("btc-cascade")


def ruled(base: Scenario, name: str, value: str | None) -> Scenario:
    venues = tuple(KNOWN[name].set(venue, value) for venue in base.resolved.venue)
    config = msgspec.structs.replace(base.resolved, venue=venues)
    return Scenario(config, base=base.base, file=base.file)


def test_an_ablation_takes_each_of_them_out(base: Scenario) -> None:
    """By name; and where one changes the run, its column differs from the baseline."""
    made = ablation(base, safeguards=NAMES, seeds=1)
    assert list(made.left_out) == ["margin_calls"]  # nobody answers
    names = set(NAMES) - {"margin_calls"}
    together = names - {"ema", "median3"}
    assert names | {f"all but {name}" for name in together} == set(made.names) - {"baseline", "all"}
    assert made.not_in_all == {"ema": "median_mark", "median3": "median_mark"}


@pytest.mark.parametrize("name", [name for name in NAMES if name != "planner"])
def test_one_that_was_on_and_is_taken_out_leaves_the_run_as_it_was(
    base: Scenario, name: str
) -> None:
    rule = KNOWN[name]
    with_it = ruled(base, name, rule.default)
    without = ruled(with_it, name, None)
    assert rule.read(with_it.resolved.venue[0]) == rule.default
    assert rule.read(without.resolved.venue[0]) is None

    def steps(scenario: Scenario) -> list[tuple[int, int]]:
        marks = oc.run(scenario, progress=False).tables["marks"]
        return list(zip(marks["time_ns"].tolist(), marks["mark"].tolist(), strict=True))

    plain, found = steps(base), steps(without)
    assert found == plain
    changed = steps(with_it)
    # A call without an answer moves no mark, nor does a clamp that is wider than the fall.
    assert (changed != plain) == (name not in ("margin_calls", "clamp"))


def test_what_a_venue_says_beside_the_main_parameter_stays(base: Scenario) -> None:
    venue = base.resolved.venue[0]
    oracle = OracleConfig(
        kind="basis3", index=Exact(60000), funding_rate=Exact("0.0001"), ema_tau_s=Exact(9)
    )
    market = msgspec.structs.replace(venue.market[0], oracle=oracle)
    venue = msgspec.structs.replace(venue, market=(market,))
    kept = KNOWN["median_mark"].set(venue, "30").market[0].oracle
    assert kept is not None
    assert (kept.funding_rate, kept.ema_tau_s) == (Exact("0.0001"), Exact(30))
    late = KNOWN["latency"].set(venue, "2").market[0].oracle
    assert late is not None
    assert (late.kind, late.latency_s, late.funding_rate) == ("basis3", 2, Exact("0.0001"))


def test_a_planner_that_is_taken_out_leaves_orders_for_all_of_it(base: Scenario) -> None:
    rule = KNOWN["planner"]
    planned = rule.set(base.resolved.venue[0], "equal")
    (policy,) = rule.set(planned, "none").liquidation or ()
    assert (rule.read(planned), policy.kind) == ("equal", "full")


@pytest.mark.parametrize("kind", guards.PLANNED)
def test_every_planner_can_be_run(base: Scenario, kind: str) -> None:
    tape = oc.run(ruled(base, "planner", kind), progress=False)
    assert set(tape.summary()["money_check"].values()) == {0}
    assert tape.summary()["liquidations"] > 0
