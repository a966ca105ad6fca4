"""Every preset that runs, through the door of a scenario: money and lots whole after each step."""

from __future__ import annotations

import os
from itertools import pairwise

import pytest

import ordercascade as oc
from ordercascade import presets
from ordercascade.enums import HolderKind, Outcome, PostReason, StepKind, Stop
from unit.preset_worlds import scenario_of

SEEDS = range(int(os.environ.get("ORDERCASCADE_PROOF_ROUNDS", "2")))
# What the rules of a preset must show at least once over the seeds and funds below.
SHOWN = {
    "bitmex": {StepKind.LIQUIDATION, StepKind.TAKEOVER, StepKind.ADL},
    "bybit-inverse": {StepKind.LIQUIDATION, StepKind.TAKEOVER, StepKind.ADL},
    "deribit": {StepKind.LIQUIDATION, StepKind.WATERFALL},
    "binance-coinm": {StepKind.LIQUIDATION, StepKind.TAKEOVER, StepKind.ADL},
    "binance-usdm": {StepKind.LIQUIDATION, StepKind.TAKEOVER, StepKind.ADL},
    "bybit-linear": {StepKind.LIQUIDATION, StepKind.TAKEOVER, StepKind.ADL},
    "drift": {StepKind.LIQUIDATION, StepKind.WATERFALL},
    "dydx-v4": {StepKind.LIQUIDATION, StepKind.ADL},
    "hyperliquid": {StepKind.LIQUIDATION, StepKind.TAKEOVER},
    "okx": {StepKind.LIQUIDATION, StepKind.TAKEOVER, StepKind.ADL},
    "simple": {StepKind.LIQUIDATION, StepKind.ADL},
    "synthetix-v3": {StepKind.TAKEOVER},
    "vega": {StepKind.TAKEOVER, StepKind.DISPOSAL, StepKind.PAYMENT},
}


def test_every_preset_that_can_be_run_is_here() -> None:
    assert set(SHOWN) == set(presets.runnable())


@pytest.mark.parametrize("name", presets.runnable())
def test_money_and_lots_stay_whole_after_every_step_of_a_preset(name: str) -> None:
    seen: set[int] = set()
    for seed in SEEDS:
        for fund in (0, 20_000, 2_000_000):
            with oc.World(scenario_of(name, seed=seed, fund=fund)) as world:
                venue = world.venue("perp")
                while world.run(1):
                    assert not any(venue.audit().values())
                assert world.stop in (Stop.NOBODY_AT_RISK, Stop.NOTHING_TO_FILL)
                assert world.stop == Stop.NOTHING_TO_FILL or not venue.at_risk()
                tape = world.tape()
            seen |= set(tape.steps["kind"].tolist())
            kinds = tape.tables["accounts"]["kind"]
            assert set(kinds.tolist()) >= {HolderKind.FUND, HolderKind.VAULT}
    assert seen >= SHOWN[name]


@pytest.mark.parametrize("name", presets.runnable())
def test_a_preset_s_run_is_the_same_from_its_canonical_text(name: str) -> None:
    first = scenario_of(name, seed=1)
    again = oc.Scenario.from_toml(first.to_toml())
    assert again.to_toml() == first.to_toml()
    assert oc.run(again, progress=False) == oc.run(first, progress=False)


def of(name: str, fund: int = 20_000) -> oc.Tape:
    return oc.run(scenario_of(name, seed=1, fund=fund), progress=False)


def test_at_dydx_a_fill_pays_the_fund_at_most_the_rate_and_only_out_of_its_surplus() -> None:
    tape = of("dydx-v4", fund=0)
    fees = tape.postings["reason"] == PostReason.FEE_LIQUIDATION
    assert fees.any()
    values = dict(zip(tape.liquidations["step"], tape.liquidations["value"], strict=True))
    for step in set(tape.postings["step"][fees].tolist()):
        paid = int(tape.postings["amount"][fees & (tape.postings["step"] == step)].sum())
        assert 0 < paid <= values[step] * 5_000 // 10**6
    assert not (tape.postings["reason"] == PostReason.BAD_DEBT).any()


def test_at_binance_the_fund_holds_at_most_its_balance_and_adl_follows() -> None:
    tape = of("binance-usdm")
    taken = tape.liquidations["outcome"] == Outcome.TAKEN_OVER
    assert taken.any()
    assert (tape.liquidations["outcome"] == Outcome.DELEVERAGED).any()
    rows = tape.steps["kind"][tape.adl["step"]] == StepKind.TAKEOVER
    assert int(abs(tape.adl["cost"][rows]).sum()) <= 20_000 * 10**6 * 2


def test_at_hyperliquid_the_vault_leaves_what_it_took_over_with_nothing() -> None:
    tape = of("hyperliquid")
    kinds = tape.tables["accounts"]["kind"]
    moved = tape.steps["kind"][tape.adl["step"]] == StepKind.TAKEOVER
    assert moved.any()
    assert set(kinds[tape.adl["scope_to"][moved]].tolist()) == {int(HolderKind.VAULT)}


def test_at_vega_no_loss_is_left_open_and_the_network_sells_every_ten_seconds() -> None:
    tape = of("vega")
    sold = tape.steps["kind"] == StepKind.DISPOSAL
    for market in (0, 1):
        times = tape.steps["time_ns"][sold & (tape.steps["market"] == market)].tolist()
        assert len(times) > 3
        assert all(after - before >= 10**10 for before, after in pairwise(times))
    assert not (tape.steps["kind"] == StepKind.LIQUIDATION).any()


def test_at_synthetix_no_window_takes_more_than_its_capacity() -> None:
    tape = of("synthetix-v3")
    taken = tape.steps["kind"][tape.adl["step"]] == StepKind.TAKEOVER
    time = tape.steps["time_ns"][tape.adl["step"][taken]]
    market, lots = tape.adl["market"][taken], tape.adl["lots"][taken]
    assert len(lots)
    for number in (0, 1):
        for at in set(time[market == number].tolist()):
            window = (market == number) & (time > at - 2 * 10**9) & (time <= at)
            # Once an instant a small skew gives one capacity more.
            assert int(lots[window].sum()) <= 2 * 40_000
