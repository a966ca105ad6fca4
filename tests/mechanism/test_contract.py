"""Every built-in of tests/mechanism/table.py: the contract, its twin in Python, its TOML."""

from __future__ import annotations

import functools
from typing import Any

import pytest

import ordercascade as oc
from mechanism.contract import check
from mechanism.room import BRACKETS, Tables, ended, room, tables
from mechanism.table import ADL, ENTRIES, PEEKS, Entry, words_of
from ordercascade.config import AdlConfig, BreakerConfig, LiquidationConfig, OracleConfig
from ordercascade.engine import rules_of
from ordercascade.enums import AdlRule
from ordercascade.mechanisms.closing import by_numbers
from ordercascade.mechanisms.prices import OwnBook
from ordercascade.stagekeys import SurchargeConfig, TrancheConfig

each_entry = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
SCENARIO = """
schema = 1
name = "room"
seed = 3
[[venue]]
name = "room"
preset = "simple"
{lines}
[[venue.market]]
name = "TOY"
tick_size = 1
lot_size = 1
price_max = 10_000
settle = "USD"
decimals = 0
brackets = [
  {{ floor = 0, maintenance = 0.05, leverage_max = 10 }},
  {{ floor = 25_000, maintenance = 0.06, leverage_max = 8 }},
]
book = {{ kind = "ladder", mid = 1_000, step = 5, levels = 9, size = 10 }}
[[index]]
at_s = 1
price = 1_000
"""


@functools.cache
def bare() -> Tables:
    """The tables without any mechanism."""
    return ended()


@each_entry
def test_a_built_in_keeps_the_contract_and_does_something(entry: Entry) -> None:
    """But for the last price, which is what a market has that says nothing."""
    told = check(entry.make, lambda **made: room(seconds=entry.seconds, **made), tables)
    assert (told == bare()) == (entry.name == "last")


@pytest.mark.parametrize(
    "entry", [entry for entry in ENTRIES if entry.twin], ids=lambda entry: entry.name
)
def test_a_twin_written_from_its_definition_gives_the_same_tables(entry: Entry) -> None:
    assert entry.twin is not None
    tree = entry.apart != PEEKS
    assert tree or entry.twin().keys() == {"oracle"}
    first, second = (
        tables(_run(room(seconds=entry.seconds, **made())[0]), tree=tree)
        for made in (entry.make, entry.twin)
    )
    for name in first:
        assert first[name] == second[name], name


def _run(world: Any) -> Any:
    world.run()
    return world


def test_who_has_no_twin_says_why() -> None:
    assert all(entry.apart for entry in ENTRIES if entry.twin is None)


@pytest.mark.parametrize(
    "entry",
    [entry for entry in ENTRIES if entry.toml],  # scores come from a program, not from a file
    ids=lambda entry: entry.name,
)
def test_a_few_lines_of_toml_make_the_same_object(entry: Entry) -> None:
    """Of the same class, and a world with it has the same hash: the digest has every number."""
    scenario = oc.Scenario.from_toml(SCENARIO.format(lines=entry.toml))
    (plan,) = scenario.venues
    (market,) = plan.markets
    assert market.arguments["brackets"] == BRACKETS
    made, said = entry.make(), rules_of(plan, scenario.seed)
    oracle = market.oracle(scenario.seed, plan.name)
    if oracle is None:
        weight, most = market.arguments["own_weight_ppm"], market.arguments["price_max"]
        said["oracle"] = OwnBook(market.arguments["source"], own_weight_ppm=weight, price_max=most)
    else:
        said["oracle"] = oracle
    if entry.name.startswith("adl"):  # The rest is beside the rule.
        keys = {"backstop"}
        if said["adl_rule"] != AdlRule.RANDOM:  # which alone has a seed to be given
            assert "backstop" not in said
            said["backstop"] = type(made["backstop"])(said["adl_rule"])
    else:
        (key,) = keys = set(made) - {"liquidation_pays_taker"} - (
            {"oracle"} if "breakers" in made else set()
        )  # fmt: skip
        if key == "policy" and "policy" not in said:
            said["policy"] = _plain(said)
    for key in keys:
        pairs = zip(_several(made[key]), _several(said[key]), strict=True)
        assert all(type(a) is type(b) for a, b in pairs)
    hashes = [room(**{key: each[key] for key in keys})[0].state_hash() for each in (made, said)]
    assert hashes[0] == hashes[1] != room()[0].state_hash() or entry.name == "adl queue"


def _several(one: Any) -> list[Any]:
    return one if isinstance(one, list) else [one]


def _plain(said: dict[str, Any]) -> Any:
    """The plain tranche, which a venue makes of four numbers."""
    names = ("limit", "adl_rule", "fraction_ppm", "min_value", "cooldown_ns", "then_all")
    return by_numbers({}, *(said[name] for name in names))["policy"]


def test_every_word_that_a_scenario_knows_has_its_entry() -> None:
    lines = "\n".join(entry.toml for entry in ENTRIES)
    for config, key in (
        (OracleConfig, "kind"),
        (BreakerConfig, "kind"),
        (LiquidationConfig, "kind"),
        (SurchargeConfig, "kind"),
        (TrancheConfig, "mode"),
        (AdlConfig, "rule"),
    ):
        words = words_of(config, key)
        assert len(words) >= 3, config
        for word in words - {"full"}:  # the whole position, which is no mechanism
            assert f'{key} = "{word}"' in lines, (config.__name__, word)


def test_the_rules_of_deleveraging_deal_differently() -> None:
    """Else an order that two of them share would test only one."""
    dealt = {entry.name: tuple(ended(**entry.make())["adl"]) for entry in ADL}
    assert min(map(len, dealt.values())) >= 5
    assert len(set(dealt.values())) == len(dealt), dealt
