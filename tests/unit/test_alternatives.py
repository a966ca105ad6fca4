"""Safeguards side by side: each changes its own keys, reads back, and alternatives stand apart."""

from __future__ import annotations

import dataclasses
import itertools
import random

import pytest

import ordercascade as oc
from ordercascade.analysis import ablation
from ordercascade.analysis.columns import Switch, _keys, columns, instead, switches
from ordercascade.exact import Exact
from ordercascade.safeguards import safeguards
from ordercascade.scenario import Scenario
from unit.plain_crowd import SALE, plain_crowd

pytest.importorskip("ordercascade.core.world")

KNOWN = {each.name: each for each in safeguards()}
LATE = (
    'venue[0].market[0].oracle={kind="last",latency_s=5,latency_sigma=0.5,congestion=0.1,heartbeat_s=2,'
    "clamp_round=0.01}"
)
RICH = (
    'venue[0].market[0].oracle={kind="ema",ema_tau_s=30,index=60000,own_book_weight=0.3,'
    "latency_s=4,clamp=0.1,clamp_per_s=0.01}",
    'venue[0].breaker=[{kind="gas_pause",gas_gwei=30,gas_pause_gwei=90,gas_beta=0.02,halt_s=7},'
    '{kind="price_band",band_pct=7,ref_window_s=9},'
    '{kind="lag_pause",band_pct=2,halt_s=5,release="auction"},'
    '{kind="halt",band_pct=9,halt_s=11}]',
    'venue[0].liquidation=[{kind="equal",slices=20,cooldown_s=5,book_share=0.2,book_range=0.02}]',
    "venue[0].margin_calls={call=2,release=3}",
)
TABLED = (
    'tranche={mode="portion",portion=0.3,min=100,block_cap=100_000,cooldown_s=4}',
    'adl={trigger="unfilled",rule="growth"}',
    'limit_price={mode="bankruptcy",whole="market"}',
)


def tabled() -> Scenario:
    """A venue that says size and limit in tables."""
    text = plain_crowd("tabled", seed=3, accounts=50, median=12_000) + SALE
    lines = [
        line for line in text.splitlines() if not line.startswith(("liquidation =", "limit ="))
    ]
    return Scenario.from_toml("\n".join(lines), *TABLED)


def of_venue(preset: str) -> Scenario:
    """A venue as its preset has it, with an outside price."""
    text = plain_crowd("venue", seed=3, accounts=20, median=12_000) + SALE
    mine = text.replace('"simple"\nlimit = "market"', f'"{preset}"')
    return Scenario.from_toml(mine.replace("[[venue.pop", "oracle.index = 60000\n[[venue.pop"))


MADE = {
    "binance-usdm": lambda: of_venue("binance-usdm"),
    "bitmex": lambda: of_venue("bitmex"),
    "dydx-v4": lambda: of_venue("dydx-v4"),
    "hyperliquid": lambda: of_venue("hyperliquid"),
    "btc-cascade": lambda: oc.scenarios.load("btc-cascade"),
    "late": lambda: oc.scenarios.load("btc-cascade").set(LATE),
    "rich": lambda: oc.scenarios.load("btc-cascade").set(*RICH),
    "venue": lambda: oc.scenarios.load("btc-cascade").set(
        'venue[0].oracle={kind="mid",latency_s=2,clamp=0.2}',
        'venue[0].market[0].oracle={kind="twap",window_s=20,deviation=0.001,index=60000}',
    ),
    "halts": lambda: oc.scenarios.load("halts"),
    "contagion": lambda: oc.scenarios.load("contagion"),
    "depeg": lambda: oc.scenarios.load("depeg"),
    "lost-hedge": lambda: oc.scenarios.load("lost-hedge"),
    "moving-margins": lambda: oc.scenarios.load("moving-margins"),
    "coin-margin": lambda: oc.scenarios.load("coin-margin"),
    "short-squeeze": lambda: oc.scenarios.load("short-squeeze"),
    "tabled": tabled,
}


@pytest.fixture(scope="module", params=MADE)
def scenario(request: pytest.FixtureRequest) -> Scenario:
    return MADE[request.param]()


def together(chosen: tuple[Switch, ...]) -> list[Switch]:
    """Return the switches without those that stand aside."""
    gone = instead(chosen)
    return [each for each in chosen if each.name not in gone]


def read_back(scenario: Scenario, chosen: tuple[Switch, ...], on: frozenset[str]) -> None:
    """Every switch that is on has exactly its value, every other one is off."""
    config = _keys(scenario, chosen, on)
    for place, venue in enumerate(Scenario(config, base=scenario.base).resolved.venue):
        for each in chosen:
            wanted = each.values[place] if each.name in on else each.off
            assert KNOWN[each.name].read(venue) == wanted, (each.name, sorted(on))


@pytest.mark.parametrize("name", ["late", "rich", "venue", "tabled"])
def test_every_pair_that_is_no_alternative_reads_back_both_values(name: str) -> None:
    scenario = MADE[name]()
    chosen, _ = switches(scenario)
    assert len(chosen) > 10
    for one, two in itertools.combinations(chosen, 2):
        if not set(one.groups) & set(two.groups):
            read_back(scenario, chosen, frozenset((one.name, two.name)))


def test_random_subsets_read_back_and_nothing_is_on_in_the_baseline(scenario: Scenario) -> None:
    """Any order of the switches gives the same keys."""
    chosen, _ = switches(scenario)
    assert len(chosen) > 10
    read_back(scenario, chosen, frozenset())
    draw = random.Random(scenario.name)
    for _ in range(12):
        mixed = list(chosen)
        draw.shuffle(mixed)
        some = tuple(mixed)
        mine = [each.name for each in together(nobody_s(some))]
        on = frozenset(draw.sample(mine, draw.randint(0, len(mine))))
        read_back(scenario, some, on)


def nobody_s(chosen: tuple[Switch, ...]) -> tuple[Switch, ...]:
    """Return the switches as if none were the scenario's own: another may stand for its group."""
    return tuple(dataclasses.replace(each, own=False) for each in chosen)


def test_the_scenario_s_own_values_put_back_are_the_scenario(scenario: Scenario) -> None:
    chosen, _ = switches(scenario)
    own = frozenset(each.name for each in chosen if each.own)
    config = _keys(scenario, chosen, own)
    assert Scenario(config, base=scenario.base).config_hash() == scenario.config_hash()


def oracle_of(made: oc.analysis.Ablation, column: str) -> dict[str, object]:
    """Return what the oracle of a column's first market says."""
    config = next(each.config for each in made.columns if each.name == column)
    (market, *_) = config.venue[0].market
    told = market.oracle
    assert told is not None
    said = {key: getattr(told, key) for key in told.__struct_fields__}
    return {key: value for key, value in said.items() if value is not None}


def test_a_kind_of_mark_keeps_delay_heartbeat_clamp_and_weight() -> None:
    names = ("oracle", "twap", "median_mark", "ema", "median3")
    made = ablation(MADE["late"](), names, seeds=1)
    kept = {
        "latency_s": 5,
        "heartbeat_s": 2,
        "clamp_round": Exact("0.01"),
        "congestion": Exact("0.1"),
    }
    for name in ("baseline", *names, "all", "all but oracle", "all but twap"):
        assert oracle_of(made, name).items() >= kept.items()
    assert oracle_of(made, "all")["own_book_weight"] == Exact("0.3")
    assert oracle_of(made, "all")["window_s"] == 60
    assert made.not_in_all == {"median_mark": "twap", "ema": "twap", "median3": "twap"}
    lines = str(made).splitlines()
    assert any(line.startswith("not in all: median_mark (twap stands in its pl") for line in lines)


@pytest.mark.parametrize("kind", ["ema_tau_s=30,kind='ema'", "window_s=30,kind='twap'"])
def test_an_outside_price_goes_with_any_kind_of_mark(kind: str) -> None:
    """The kind's own keys stay with it, whoever changes the weight."""
    said = f"venue[0].market[0].oracle={{{kind},index=60000,own_book_weight=0.3}}"
    scenario = oc.scenarios.load("btc-cascade").set(said)
    made = ablation(scenario, ["oracle"], seeds=1)
    assert made.switches[0].on == "0.7"
    own, off = oracle_of(made, "oracle"), oracle_of(made, "baseline")
    assert {**own, "own_book_weight": 1} == off


def test_a_mark_s_kind_takes_its_keys_along_and_the_weight_stays() -> None:
    said = 'venue[0].market[0].oracle={kind="ema",ema_tau_s=30,index=60000,own_book_weight=0.3}'
    scenario = oc.scenarios.load("btc-cascade").set(said)
    made = ablation(scenario, {"twap": "45", "ema": None}, seeds=1)
    assert {each.name: each.on for each in made.switches} == {"twap": "45", "ema": "30"}
    assert made.not_in_all == {"twap": "ema"}
    assert oracle_of(made, "twap") == {
        "kind": "twap",
        "of": "last",
        "window_s": 45,
        "index": 60000,
        "own_book_weight": Exact("0.3"),
    }
    assert oracle_of(made, "baseline")["kind"] == "last"


def test_a_scenario_s_own_planner_stands_for_the_tranches() -> None:
    said = 'venue[0].liquidation=[{kind="equal",slices=20,cooldown_s=5}]'
    scenario = oc.scenarios.load("thin-book").set(said)
    chosen, _ = switches(scenario)
    gone = instead(chosen)
    assert (gone["tranches"], gone.get("planner")) == ("planner", None)
    made = {each.name: each.config for each in columns(scenario, chosen)[0]}
    for name in ("planner", "all"):
        (policy,) = made[name].venue[0].liquidation or ()
        assert (policy.kind, policy.slices, policy.cooldown_s) == ("equal", 20, 5)
    assert "all but planner" in made
    assert "all but tranches" not in made


@pytest.mark.parametrize("name", ["btc-cascade", "rich", "halts", "tabled"])
def test_no_column_that_leaves_one_out_has_the_keys_of_all(name: str) -> None:
    scenario = MADE[name]()
    made, left = columns(scenario, switches(scenario)[0])
    whole = next(each for each in made if each.name == "all")
    assert len(whole.on) > 10
    for each in made:
        if each.name.startswith("all but "):
            assert each.config != whole.config
            assert set(whole.on) - set(each.on) == {each.name.removeprefix("all but ")}
    assert not any(name.startswith("all") for name in left)


def test_of_alternatives_the_first_that_was_asked_for_takes_part() -> None:
    scenario = oc.scenarios.load("t2a")
    made = ablation(scenario, ["planner", "fund", "tranches"], seeds=1)
    assert made.not_in_all == {"tranches": "planner"}
    assert made.names[-3:] == ("all", "all but planner", "all but fund")
    two = ablation(scenario, ["planner", "tranches"], seeds=1)
    assert two.names == ("baseline", "planner", "tranches")
    assert "not in all" not in str(two)


def test_what_cannot_act_is_told_and_acts_where_it_can() -> None:
    _, left = switches(oc.scenarios.load("t2a"))
    assert {"haircut", "margin_calls", "lag_pause", "gas_pause"} <= set(left)
    names = {each.name for each in switches(MADE["rich"]())[0]}
    assert names >= {"lag_pause", "gas_pause", "ema", "book_share"}
    assert "haircut" in {each.name for each in switches(oc.scenarios.load("thin-collateral"))[0]}
    with pytest.raises(oc.InputError, match="safeguards must be named once, got 'fund'"):
        switches(oc.scenarios.load("t2a"), ["fund", "fund"])


def test_each_venue_s_own_value_stays_its_own() -> None:
    text = plain_crowd("two", seed=3, accounts=20, median=12_000, rules="fund.balance = 7")
    other = text[text.index("[[venue]]") :].replace('name = "perp"', 'name = "rest"')
    scenario = Scenario.from_toml(text + other.replace("balance = 7", "balance = 9"))
    made = ablation(scenario, ["fund"], seeds=1)
    assert made.switches[0].on == "7 / 9"
    funds = [venue.fund for venue in made.columns[1].config.venue]
    assert [fund.balance for fund in funds if fund is not None][:2] == [7, 9]


def test_few_seeds_are_warned_of_and_no_amount_is_called_negative() -> None:
    scenario = oc.scenarios.load("poisson-ladder")
    assert "warning: below 5 seeds the intervals mean little" in str(
        ablation(scenario, ["fund"], seeds=4)
    )
    enough = str(ablation(scenario, ["fund"], seeds=5))
    assert "warning" not in enough
    assert "warning: take 5 seeds or more" in str(ablation(scenario, ["fund"], seeds=1))


def test_calls_between_two_sales_leave_less_to_the_second() -> None:
    """Off: nobody is called and nobody answers; answers that come too late change nothing."""
    scenario = oc.scenarios.load("second-sale")
    made = ablation(scenario, ["margin_calls"], seeds=6)
    before, after = (made.mean(name, "liquidated")[0] for name in ("baseline", "margin_calls"))
    assert after < before
    late = ablation(scenario.set("answer[0].delay_s=200"), ["margin_calls"], seeds=2)
    assert late.mean("margin_calls", "users_loss") == late.mean("baseline", "users_loss")
