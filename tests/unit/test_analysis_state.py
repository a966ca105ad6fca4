"""What the analysis folds from a tape is what stands in the engine, under every preset's rules."""

from __future__ import annotations

import numpy as np
import pytest

import ordercascade as oc
from ordercascade import presets
from ordercascade.analysis.firstlegs import first_legs
from ordercascade.analysis.state import Fold, state
from unit.preset_worlds import scenario_of

pytest.importorskip("ordercascade.core.world")

INVERSE = """
schema = 1
name = "inverse"
seed = 4
[[venue]]
name = "coin"
preset = "simple"
limit = "market"
fund = { balance = 0.05 }
[[venue.market]]
name = "BTCUSD"
kind = "inverse"
tick_size = 0.5
lot_size = 1
settle = "BTC"
decimals = 8
brackets = [{ floor = 0, maintenance = 0.005, leverage_max = 100 }]
book = { kind = "ladder", mid = 60_000.25, step = 0.5, levels = 9_000, size = 300 }
[[venue.population]]
market = "BTCUSD"
accounts = 200
long_share = 0.7
cross_share = 0.5
leverage = { values = [10, 25, 50] }
size = { kind = "lognormal", median = 5_000, sigma = 1 }
[[shock]]
at_s = 1
side = "ask"
size = 700_000
"""


def held_against_the_engine(scenario: oc.Scenario) -> int:
    """Compare positions, money, margin, trigger ticks and books at some steps; count the rows."""
    tape = oc.run(scenario, progress=False)
    fold, steps, compared = Fold(tape), len(tape.steps), 0
    for step in sorted({-1, 0, steps // 3, steps // 2, steps - 1}):
        found, world = fold.to(step), oc.world_at(scenario, step)._open()
        for desk in found.desks:
            venue = world.venue(desk.key[0])
            for side, (price, lots) in enumerate((desk.bids, desk.asks)):
                depth = venue.depth(desk.key[1], side, 10**6)
                assert depth == list(zip(price.tolist(), lots.tolist(), strict=True))
        for row in range(0, len(found.size), max(1, len(found.size) // 150)):
            venue = world.venue(int(found.scope[row]) >> 32)
            scope, place = int(found.scope[row]) & 0xFFFFFFFF, int(found.market[row])
            market = found.desks[place].key[1]
            assert venue.position(scope, market) == (found.size[row], found.cost[row])
            assert venue.collateral(scope) == found.collateral[row]
            marks = [venue.prices(desk.key[1])[2] for desk in found.desks]
            if marks != [desk.mark for desk in found.desks]:
                continue  # Two markets' marks are taken at once, but written one after the other.
            compared += 1
            assert venue.equity(scope) == found.equity[row]
            assert venue.maintenance(scope) == found.required[row]
            assert (venue.liquidation_price(scope, market) or 0) == found.trigger[row]
    return compared


@pytest.mark.parametrize("name", ["btc-cascade", "contagion", "short-squeeze", "two-market-cross"])
def test_a_shipped_scenario_stands_as_in_the_engine(name: str) -> None:
    assert held_against_the_engine(oc.scenarios.load(name)) > 15


@pytest.mark.parametrize("name", presets.runnable())
def test_a_venue_of_a_preset_stands_as_in_the_engine(name: str) -> None:
    """Takeovers, disposals, settlements to the mark, insured fills, fees in triggers, schedules."""
    assert held_against_the_engine(scenario_of(name)) > 300


@pytest.mark.parametrize("limit", ["market", "bankruptcy"])
def test_inverse_contracts_stand_as_in_the_engine(limit: str) -> None:
    scenario = oc.Scenario.from_toml(INVERSE, f'venue.limit="{limit}"')
    tape = oc.run(scenario, progress=False)
    assert len(tape.liquidations) > 10
    assert (len(tape.adl) > 0) == (limit == "bankruptcy")
    assert held_against_the_engine(scenario) > 500


def test_a_first_leg_is_the_one_that_the_engine_sells() -> None:
    """Under each rule, of every cross account's first order that fell on the opening's marks."""
    for leg in ("largest_margin_relief", "worst_pnl", "most_liquid"):
        for name in ("two-market-cross", "contagion"):
            scenario = oc.scenarios.load(name, f'leg="{leg}"')
            tape = oc.run(scenario, progress=False)
            orders, fold = tape.liquidations, Fold(tape)
            compared = 0
            for row in range(min(len(orders), 40)):
                found = fold.to(int(orders["step"][row]) - 1)
                mine = np.flatnonzero(found.scope == orders["scope"][row])
                if (
                    len(mine) < 2
                    or orders["mark_before"][row] != found.desks[int(orders["market"][row])].mark
                ):
                    continue
                first = int(found.first_leg()[mine[0]])
                assert found.market[first] == orders["market"][row]
                compared += 1
            assert compared


def test_where_every_leg_is_sold_all_of_a_scope_s_rows_go() -> None:
    """The first orders of the cross account close both its legs; one leg of it is named."""
    found = {leg: state(oc.scenarios.load("two-market-cross", f'leg="{leg}"'))
             for leg in ("largest_margin_relief", "pro_rata")}  # fmt: skip
    one, each = found["largest_margin_relief"], found["pro_rata"]
    scopes, counts = np.unique(each.scope, return_counts=True)
    both = np.flatnonzero(np.isin(each.scope, scopes[counts == 2]))
    assert len(both)
    for row in both:
        mine = np.flatnonzero(each.scope == each.scope[row])
        assert first_legs(each, np.array([row])).tolist() == mine.tolist()
        assert first_legs(one, np.array([row])).tolist() == [one.first_leg()[row]]
    assert each.first_leg().tolist() == list(range(len(each.size)))


def test_a_fold_only_goes_forwards() -> None:
    fold = Fold(oc.run(oc.scenarios.load("t2a"), progress=False))
    fold.to(4)
    with pytest.raises(oc.InputError, match="must not go back"):
        fold.to(3)
    with pytest.raises(oc.InputError, match=r"step must be in \[-1, 8\)"):
        state(oc.run(oc.scenarios.load("t2a"), progress=False), step=8)
