"""Where the levels lie, what the public thinks, what monitors say, what liquidation cost."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ordercascade as oc
from ordercascade.analysis import costs, liquidation_map, monitors, smallest_shock
from ordercascade.analysis.gauges import gini, leverage_mass
from ordercascade.analysis.state import DOWN, UP
from unit.ladders import HEAD, MARKET, account, ladder

pytest.importorskip("ordercascade.core.world")


def test_the_map_of_the_golden_trace_is_its_table() -> None:
    """TARGETS T2: 10 at 99, 20 at 98, 15 at 96, 30 at 90."""
    found = liquidation_map(oc.scenarios.load("t2a"))["TOY"]
    assert found.price.tolist() == [99, 98, 96, 90]
    assert found.size.tolist() == [10, 20, 15, 30]
    assert found.cross.tolist() == [False] * 4
    near = found.histogram(DOWN, bucket=0.03, span=0.09)
    assert (near.width, near.lots.tolist(), near.beyond) == (3, [30, 15, 0], 30)
    assert near.price.tolist() == [97, 94, 91]


@pytest.mark.parametrize("name", ["btc-cascade", "contagion", "two-market-cross", "short-squeeze"])
def test_the_map_adds_up_to_all_positions_after_any_step(name: str) -> None:
    """Of the opening's positions by the tape's table; later the longs equal shorts and outside."""
    tape = oc.run(oc.scenarios.load(name), progress=False)
    held, accounts = tape.tables["positions"], tape.tables["accounts"]
    users = accounts["scope"][accounts["kind"] == oc.HolderKind.SCOPE]
    for step in (-1, len(tape) // 2, len(tape) - 1):
        for place, each in enumerate(liquidation_map(tape, step=step)):
            sums = {}
            for way in (DOWN, UP):
                one = each.histogram(way, bucket=0.01, span=0.3)
                sums[way] = one.total
                mine = each.size[each.size * -way > 0]
                never = each.never_long if way == DOWN else each.never_short
                assert one.total == np.abs(mine).sum() + never
                for kind in ("oi_entry", "leverage_tiers"):
                    assert each.estimate(way, kind).total == pytest.approx(one.total)  # type: ignore[arg-type]
            if step == -1:
                here = (held["market"] == place) & np.isin(held["scope"], users)
                size = held["size"][here]
                assert sums[DOWN] == size[size > 0].sum()
                assert sums[UP] == -size[size < 0].sum()


def test_a_level_of_a_cross_account_is_where_the_engine_liquidates_it() -> None:
    """BETA stands still while ALPHA's outside price falls to each tick of the map, and past it."""
    found = liquidation_map(oc.scenarios.load("two-market-cross"))["ALPHA"]
    assert found.cross.all()
    world = oc.world_at(oc.scenarios.load("two-market-cross"), -1)
    venue = world._open().venue(0)
    for tick, scope in zip(found.price.tolist(), found.scope.tolist(), strict=True):
        for mark, wanted in ((tick, True), (tick + 1, False)):
            equity, maintenance = venue.what_if(scope & 0xFFFFFFFF, {0: mark})
            assert (equity < maintenance) == wanted


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 50), st.integers(1, 4_000)), min_size=1, max_size=8))
def test_the_map_of_random_accounts_adds_up_and_says_where_they_fall(
    rows: list[tuple[int, int]],
) -> None:
    """A single leg: equity below 5 % of the value, by a plain search over all ticks."""
    mark = 10_000
    text = HEAD.format(name="some") + MARKET.format(name="TOY", mark=mark, levels=20, depth=5)
    text += "".join(
        account(f"a{k}", slack, mark, {"TOY": size}) for k, (size, slack) in enumerate(rows)
    )
    found = liquidation_map(oc.Scenario.from_toml(text))["TOY"]
    assert found.size.sum() + found.never_long == sum(size for size, _ in rows)
    said = dict(zip(found.account.tolist(), found.price.tolist(), strict=True))
    for k, (size, slack) in enumerate(rows):
        money = slack - (-size * mark * 5 // 100)
        falls = [
            tick
            for tick in range(mark, 0, -1)
            if money + size * (tick - mark) < -(-size * tick * 5 // 100)
        ]
        assert said.get(k + 1) == (falls[0] if falls else None)


# The public's maps.


def test_a_heat_map_is_right_where_its_assumption_is() -> None:
    """Without maintenance to speak of, 10x and 25x longs fall at 1 - 1 / L of their entry."""
    rows = "".join(
        account(f"a{lever}", 10_000 // lever * 8 - 8 * 10_000 * 5 // 100, 10_000, {"TOY": 8})
        for lever in (5, 10)
    )
    text = HEAD.format(name="two") + MARKET.format(name="TOY", mark=10_000, levels=20, depth=5)
    found = liquidation_map(oc.Scenario.from_toml(text + rows))["TOY"]
    # Equity 8 (10,000 / L): below 5 % of 8 p at p < 10,000 (1 - 1 / L) / 0.95.
    assert found.price.tolist() == [9_473, 8_421]
    told = found.estimate(DOWN, "leverage_tiers", leverages=[5, 10], bucket=0.1)
    assert told.lots[:3].tolist() == [0, 8, 8]
    assert found.histogram(DOWN, bucket=0.1).lots[:3].tolist() == [8, 8, 0]
    error = found.error(DOWN, "leverage_tiers", leverages=[5, 10], bucket=0.1)
    assert error.misplaced == 0.5  # 8 of 16 lots, the others overlap by chance
    assert error.distance == pytest.approx(0.1)  # each of them one bucket
    assert (error.wall, error.true_wall) == (0.1, 0.0)


def test_entries_known_make_a_better_guess_than_the_mark_alone() -> None:
    for each in liquidation_map(oc.scenarios.load("contagion")):
        for way in (DOWN, UP):
            entry, tiers = (each.error(way, kind) for kind in ("oi_entry", "leverage_tiers"))  # type: ignore[arg-type]
            assert entry.misplaced < tiers.misplaced <= 1
            assert 0 < entry.distance <= tiers.distance


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda m: m.histogram(0), "way must be -1"),
        (lambda m: m.histogram(DOWN, bucket=0), "bucket must be a share"),
        (lambda m: m.histogram(DOWN, span=1.5), "span must be a share"),
        (lambda m: m.histogram(DOWN).wall(0), "share must be a share"),
        (lambda m: m.estimate(DOWN, "guess"), "kind must be one of leverage_tiers, oi_entry"),
        (lambda m: m.estimate(DOWN, leverages=[]), "leverages must be"),
        (lambda m: m.estimate(DOWN, leverages=[0.5]), "leverages must be"),
        (lambda m: m.estimate(DOWN, leverages=[5], weights=[1, 1]), "weights must be 1 numbers"),
        (lambda m: m.estimate(DOWN, leverages=[5], weights=[0]), "weights must be"),
        (lambda m: m.estimate(DOWN, weights=[math.nan] * 5), "weights must be"),
    ],
)
def test_a_wrong_question_to_a_map_is_refused(call: Any, says: str) -> None:
    found = liquidation_map(oc.scenarios.load("btc-cascade"))
    with pytest.raises(oc.InputError, match=says):
        call(found["BTCUSDT"])
    with pytest.raises(oc.InputError, match="market must be one of BTCUSDT"):
        found["ETHUSDT"]
    with pytest.raises(oc.InputError, match=r"step must be in \[-1, 0\)"):
        liquidation_map(oc.scenarios.load("t2a"), step=0)


# Monitors.


def test_leverage_mass_is_the_paper_s() -> None:
    """TARGETS T3, arXiv 2512.01112: 49.59 at t1; 3.504 of winners and 20.108 of losers at t2."""
    size = np.array([1, 1, 4, 1, 1])
    first = leverage_mass(size * 1.4, np.array([1.9333, 0.6, 2.9333, 0.0386, 0.1677]))
    assert first == (pytest.approx(49.59, abs=0.05), 0.0)
    # t2 from exact equities: collateral + PnL + funding as the table prints them to four digits.
    equity = np.array([1.26133, -0.072, 5.62133, -0.63340, 0.83968])
    plus, minus = leverage_mass(size * 1.3, equity)
    assert plus == pytest.approx(3.504, abs=0.002)
    assert minus == pytest.approx(20.108, abs=0.01)


def test_monitors_of_the_golden_trace_are_its_arithmetic() -> None:
    """75 long at 100: value 7,500; collateral = equity 109 + 236 + 204 + 570 = 1,119."""
    found = monitors(oc.scenarios.load("t2a"), bucket=0.05, span=0.2, wall=0.3)
    assert found.effective_leverage == 7_500 / 1_119
    assert found.elr == 7_500 / 1_119
    market = found.markets[0]
    assert market.open_interest == 7_500
    assert (market.wall_down, market.wall_up) == (0.0, None)  # 45 of 75 within 5 ticks
    assert market.hhi == pytest.approx((45**2 + 30**2) / 75**2)  # 90 is in the third bucket
    # Debts at p: A owes 10 (100 - p) - 109, B 20 (100 - p) - 236, C 15 (..) - 204, D 30 (..) - 570.
    # At 87: A 21, B 24; 88: A 11, B 4. One % of 7,500 is 75: passed first at 86 (A 31, B 44, C 6).
    assert found.shock_down == pytest.approx(0.135, abs=1e-9)  # 86.5 goes to 86, the even tick
    assert found.shock_up is None
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["elr"] == found.elr


def test_the_gini_of_even_and_of_single_buckets() -> None:
    assert gini(np.ones(10)) == pytest.approx(0)
    assert gini(np.array([0.0, 0.0, 0.0, 1.0])) == pytest.approx(0.75)
    assert gini(np.zeros(3)) == 0


def test_a_wall_is_the_next_bucket_with_enough() -> None:
    found = liquidation_map(ladder(depth=10, gap=5, lots=4, sale=10, accounts=20))["TOY"]
    side = found.histogram(DOWN, bucket=5 / found.desk.mark, span=0.1)
    assert side.lots[:22].tolist() == [0] + [4] * 20 + [0]
    assert side.wall(0.05) == 5 / found.desk.mark
    assert side.wall(0.06) is None


def test_the_smallest_shock_is_where_bad_debt_passes_its_share() -> None:
    """Run at what was found and at the largest that was not enough: above, and not above."""
    scenario = oc.scenarios.load("btc-cascade", "fund.balance=0", "population.accounts=300")
    heard: list[tuple[float, float]] = []
    found = smallest_shock(
        scenario, share=0.002, precision=0.05, told=lambda *row: heard.append(row)
    )
    assert found is not None
    assert found.runs == len(heard)
    assert found.key == "notional"
    assert found.size == pytest.approx(15_000_000 * found.factor)
    held = sum(
        float(each.size[each.size > 0].sum() - each.size[each.size < 0].sum())
        * each.desk.mark * each.desk.multiplier
        for each in liquidation_map(scenario)
    )  # fmt: skip
    debts = dict(heard)
    assert debts[found.factor] > 0.002 * held
    assert debts.get(found.below, 0) <= 0.002 * held
    assert found.factor - found.below <= 0.05 * found.factor


def test_a_shock_that_is_never_enough_is_none_and_no_shock_is_refused() -> None:
    assert smallest_shock(oc.scenarios.load("t2a"), share=1.0, largest=1.0) is None
    with pytest.raises(oc.InputError, match="must have a shock"):
        smallest_shock(oc.Scenario.from_toml('schema = 1\nname = "empty"'))
    with pytest.raises(oc.InputError, match="largest must be"):
        smallest_shock(oc.scenarios.load("t2a"), largest=0.5)
    with pytest.raises(oc.InputTypeError, match="scenario must be a Scenario"):
        smallest_shock("t2a")  # type: ignore[arg-type]


# Costs.


def test_the_costs_of_the_golden_trace_are_its_walk_down_the_book() -> None:
    """T2a: A brings 985 of 990 at the mark before, B 1,940 of 1,960, C 1,430 of 1,440."""
    found = costs(oc.run(oc.scenarios.load("t2a"), progress=False))
    assert found.account.tolist() == [1, 2, 3]
    assert found.numbers["slippage"].tolist() == [5, 20, 10]
    assert found.numbers["value"].tolist() == [985, 1_940, 1_430]
    assert found.total["lost_equity"] == 35
    assert found.total["fee"] == found.total["penalty"] == 0


def test_costs_are_what_the_tape_posted() -> None:
    changes = ['residual="fund"', "liquidation_pays_taker=true", "fees.taker=0.0004"]
    changes.append("liquidation_fee=0.0001")  # the venue's own would leave nothing
    tape = oc.run(oc.scenarios.load("btc-cascade", *changes), progress=False)
    found, summary, posted = costs(tape), tape.summary(), tape.postings
    assert len(found) == summary["accounts_liquidated"]
    assert found.total["orders"] == summary["liquidations"]
    assert found.total["value"] == sum(summary["notional_liquidated"].values())
    for name, reason in (
        ("fee", oc.PostReason.FEE_LIQUIDATION),
        ("penalty", oc.PostReason.RESIDUAL),
    ):
        assert found.total[name] == posted["amount"][posted["reason"] == reason].sum() > 0
    steps = np.isin(posted["step"], tape.liquidations["step"])
    paid = posted["amount"][steps & (posted["reason"] == oc.PostReason.FEE_TAKER)]
    assert found.total["taker_fee"] == paid.sum() > 0
    assert found.total["unpaid"] == tape.liquidations["shortfall"].sum()
    assert found.rows()[0]["account"] == found.account[0]
    assert "<caption>Costs of liquidation, USDT</caption>" in found._repr_html_()


def test_a_run_without_liquidations_costs_nothing() -> None:
    found = costs(oc.run(oc.scenarios.load("t2a", "shock.size=1"), progress=False))
    assert len(found) == 0
    assert set(found.total.values()) == {0}


def test_the_map_is_drawn_with_both_guesses() -> None:
    pytest.importorskip("matplotlib")
    panels = liquidation_map(oc.scenarios.load("contagion")).picture().axes
    assert len(panels) == 2
    assert {text.get_text() for text in panels[0].get_legend().get_texts()} == {
        "longs", "shorts", "mark", "guess: oi_entry", "guess: leverage_tiers",
    }  # fmt: skip
