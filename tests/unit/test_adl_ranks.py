"""In which order counterparties are deleveraged, by each rule. spec/MARGIN.md §6.7, SEMANTICS §5.7.

Four shorts at the mark of 50, multiplier 100; maintenance 5 % of value, 20 % beyond 30,000:

| short | entry | money | lots | value | profit | cost | equity | maintenance |
|---|---|---|---|---|---|---|---|---|
| A | 100 | 20,000 | 6 | 30,000 | 30,000 | 60,000 | 50,000 | 1,500 |
| B | 100 | 30,000 | 8 | 40,000 | 40,000 | 80,000 | 70,000 | 3,500 |
| C | 45 | 8,000 | 6 | 30,000 | -3,000 | 27,000 | 5,000 | 1,500 |
| D | 120 | 50,000 | 8 | 40,000 | 56,000 | 96,000 | 106,000 | 3,500 |
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

import ordercascade as oc
from ordercascade import scenarios
from ordercascade.core.world import World
from ordercascade.engine import raise_venue
from ordercascade.enums import AdlRule, Side
from ordercascade.mechanisms.closing import Deleverage
from unit.worlds import holding, rows, run_checked

STEPPED = [(0, 50_000, 0, 100_000), (30_000, 200_000, 4_500, 400_000)]
SHORTS = {"A": (100, 20_000, 6), "B": (100, 30_000, 8), "C": (45, 8_000, 6), "D": (120, 50_000, 8)}


def dealt(
    lots: int = 28, shorts: Mapping[str, tuple[int, int, int]] = SHORTS, **rules: object
) -> tuple[str, str]:
    """Return who took over lots of a bankrupt long, first rank first, and the state's hash."""
    world = World(1)
    world.add_venue(**rules)
    venue = world.venue(0)
    venue.add_market(multiplier=100, price_max=10_000, size_max=10_000, brackets=STEPPED)
    venue.seed_level(0, Side.ASK, 201, 5)
    venue.seed_level(0, Side.BID, 50, 1)
    long = holding(venue, lots, 100, 100 * lots)
    named = {holding(venue, -n, entry, money): k for k, (entry, money, n) in shorts.items()}
    world.schedule_shock(0, 0, 0, Side.ASK, size=1)
    world.start()
    run_checked(world)
    assert venue.position(long, 0) == (0, 0)
    assert venue.collateral(long) == 0
    ranked = sorted(rows(world, "adl", "rank", "scope_to", "rule"))
    assert {rule for _, _, rule in ranked} == {rules.get("adl_rule", ranked[0][2])}
    return "".join(named.get(scope, "x") for _, scope, _ in ranked), world.state_hash()


@pytest.mark.parametrize(
    ("rule", "order"),
    [
        # (1/2)(30/50), (1/2)(40/70), (3/27)/(30/5) lost, (56/96)(40/106)
        (AdlRule.QUEUE, "ABDC"),
        # (30/20)(1.5/50), (40/30)(3.5/70), 0, (56/50)(3.5/106)
        (AdlRule.ACCOUNT_RISK, "BADC"),
        # (1/2)/(50/1.5), (1/2)/(70/3.5), (3/27)(5/1.5) lost, (56/96)/(106/3.5)
        (AdlRule.MARGIN_RATIO, "BDAC"),
        # 2(30/50), 2(40/70), 0.9(30/5), 2.4(40/106)
        (AdlRule.GROWTH, "CABD"),
        (AdlRule.SCOPE_ID, "ABCD"),
    ],
)
def test_the_order_is_that_of_the_rule(rule: AdlRule, order: str) -> None:
    assert dealt(adl_rule=rule)[0] == order


def test_of_two_losers_the_one_nearer_to_liquidation_for_its_loss_comes_first() -> None:
    """-(4/96)(3,000/500) = -0.25 and -(8/392)(20,000/3,500) = -0.117; without the maintenance the
    order would be the other."""
    losers = {"L": (48, 3_400, 2), "M": (49, 20_800, 8)}
    assert dealt(10, losers, adl_rule=AdlRule.MARGIN_RATIO)[0] == "ML"


def test_the_first_in_the_order_are_closed_before_anybody_else_is_asked() -> None:
    assert dealt(14, adl_rule=AdlRule.ACCOUNT_RISK)[0] == "BA"
    assert dealt(15, adl_rule=AdlRule.ACCOUNT_RISK)[0] == "BAD"


def test_a_random_start_goes_round_by_id_and_outside_comes_last() -> None:
    starts = set()
    for seed in range(40):
        order, _ = dealt(29, backstop=Deleverage(AdlRule.RANDOM, seed=seed))
        assert order[-1] == "x"
        assert order[:-1] in "ABCDABC"
        starts.add(order[0])
    assert starts == set("ABCD")


def test_the_seed_of_a_random_start_is_state_and_gives_the_same_start_again() -> None:
    first, other = (Deleverage(AdlRule.RANDOM, seed=seed) for seed in (1, 2))
    assert dealt(backstop=first) == dealt(backstop=first)
    assert dealt(backstop=first)[1] != dealt(backstop=other)[1]
    assert (first.seed, first.rule) == (1, AdlRule.RANDOM)


def test_a_scenario_s_seed_is_the_seed_of_its_random_start() -> None:
    class Asked(Exception):
        pass

    class Engine:
        def add_venue(self, **rules: object) -> int:
            raise Asked(rules)

        def venue(self, number: int) -> None:
            raise AssertionError(number)

    text = (Path(scenarios.__file__).parent / "t2a.toml").read_text("utf-8")
    for rule, seed in (("random", 7), ("queue", None)):
        chosen = text.replace('preset = "simple"', f'preset = "simple"\nadl.rule = "{rule}"', 1)
        scenario = oc.Scenario.from_toml(chosen)
        with pytest.raises(Asked) as caught:
            raise_venue(Engine(), scenario.venues[0], seed=7)
        backstop = caught.value.args[0].get("backstop")
        assert (backstop and (backstop.rule, backstop.seed)) == (seed and (AdlRule.RANDOM, seed))
