"""Late and clamped marks, planners, calls and interest as safeguards that an ablation takes out."""

from __future__ import annotations

import msgspec
import pytest

import ordercascade as oc
from ordercascade import guards
from ordercascade.analysis import ablation
from ordercascade.config import (
    AdlConfig,
    FundConfig,
    LiquidationConfig,
    OracleConfig,
    VenueConfig,
)
from ordercascade.exact import Exact
from ordercascade.safeguards import safeguards
from ordercascade.scenario import Scenario
from ordercascade.stagekeys import LimitConfig

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


def put(venue: VenueConfig, name: str, value: str | None) -> VenueConfig:
    made = KNOWN[name].set(venue, value)
    off = KNOWN[name].off if value is None else value
    assert KNOWN[name].read(made) == off
    return made


def said(base: Scenario, *keys: str) -> VenueConfig:
    return base.set(*keys).resolved.venue[0]


def test_a_share_of_the_book_goes_with_a_planner_and_each_leaves_without_the_other(
    base: Scenario,
) -> None:
    venue = said(
        base, 'liquidation=[{kind="equal",slices=20,cooldown_s=5,book_share=0.2,book_range=0.02}]'
    )
    alone = put(venue, "book_share", None).liquidation
    assert alone == (LiquidationConfig(kind="equal", slices=20, cooldown_s=Exact(5)),)
    rest = KNOWN["planner"].set(venue, "none")
    (policy,) = rest.liquidation or ()
    assert (KNOWN["planner"].read(rest), KNOWN["book_share"].read(rest)) == ("none", "0.2")
    assert (policy.slices, policy.cooldown_s, policy.book_range) == (1, 5, Exact("0.02"))
    assert put(rest, "book_share", None).liquidation == (LiquidationConfig(kind="full"),)
    other = put(venue, "planner", "restore").liquidation or ()
    assert (other[0].slices, other[0].book_share) == (None, Exact("0.2"))
    mixed = put(venue, "planner", "almgren_chriss").liquidation or ()
    assert (mixed[0].slices, mixed[0].cooldown_s, mixed[0].kappa_per_s) == (20, 5, Exact("0.01"))


def test_breakers_and_surcharges_keep_their_places_and_other_keys(base: Scenario) -> None:
    venue = said(
        base,
        'venue[0].breaker=[{kind="halt",band_pct=9,halt_s=11},'
        '{kind="gas_pause",gas_gwei=30,gas_pause_gwei=90,halt_s=7},'
        '{kind="price_band",band_pct=7,ref_window_s=9}]',
        'venue[0].surcharge=[{kind="contagion_buffer",reach=0.01,cap=0.05},'
        '{kind="volatility_fee",slope=0.1,cap=0.2,volatility_reference=0.03,to_fund=0.5}]',
    )
    made = put(put(put(venue, "halt", "0.08"), "gas_pause", "70"), "contagion_buffer", "0.03")
    halt, gas, band = made.breaker or ()
    assert (halt.band_pct, halt.halt_s, gas.gas_pause_gwei, gas.gas_gwei) == (8, 11, 70, 30)
    assert band == (venue.breaker or ())[2]
    buffer, fee = made.surcharge or ()
    assert (buffer.reach, fee) == (Exact("0.03"), (venue.surcharge or ())[1])
    assert [each.kind for each in put(made, "gas_pause", None).breaker or ()] == [
        "halt",
        "price_band",
    ]
    with pytest.raises(oc.InputError, match="gas_pause must be a whole number of gwei"):
        KNOWN["gas_pause"].set(venue, "70.5")


def test_what_stands_beside_a_call_a_limit_a_trigger_and_a_fund_is_kept(base: Scenario) -> None:
    venue = said(base, "venue[0].margin_calls={call=2,release=3}")
    calls = put(venue, "margin_calls", "2.5").margin_calls
    assert calls is not None
    assert (calls.call, calls.release) == (Exact("2.5"), 3)
    calls = put(venue, "margin_calls", "4").margin_calls
    assert calls is not None
    assert calls.release is None  # below the call it would say nothing
    limit = LimitConfig(mode="bankruptcy", whole="market")
    venue = msgspec.structs.replace(venue, limit=None, limit_price=limit)
    kept = put(venue, "limit", None).limit_price
    assert kept == LimitConfig(mode="market", whole="market")
    adl = AdlConfig(trigger="fund_drawdown", drawdown=Exact("0.3"), window_s=Exact(9))
    early = put(msgspec.structs.replace(venue, adl=adl), "adl_early", "on").adl
    assert early == AdlConfig(trigger="unfilled")
    fund = FundConfig(scope="market", balances={"BTCUSDT": Exact(7), "ETHUSDT": Exact(5)})
    venue = msgspec.structs.replace(venue, fund=fund)
    assert KNOWN["fund"].read(venue) == "12"
    assert put(venue, "fund", "12") is venue
    none = put(venue, "fund", None).fund
    assert none == FundConfig(scope="market", balance=Exact(0))


def test_a_value_that_is_there_already_changes_nothing(base: Scenario) -> None:
    venue = base.resolved.venue[0]
    for rule in KNOWN.values():
        own = rule.read(venue)
        if own is not None or rule.kind != "choice":
            assert rule.set(venue, own) is venue
