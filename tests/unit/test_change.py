"""Rules changed in a running world, and the list of safeguards they come from."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from ordercascade import ConfigError, InputError, Scenario, Tape, World, run, scenarios, world_at
from ordercascade import safeguards as listed
from ordercascade.core.changing import change as change_rules
from ordercascade.core.world import World as CoreWorld
from ordercascade.enums import PriceSource
from ordercascade.safeguards import Safeguard, safeguards

NAMES = [each.name for each in safeguards()]
OTHER = {"adl": "pro_rata", "tranches": "0.5", "fund": "1000", "planner": "equal"}
AGENDA = ("interest",)  # payments stand on the agenda of a run: they are no rules


def ruled(scenario: Scenario, name: str, value: str | None) -> Scenario:
    """Return the scenario with one safeguard set."""
    from ordercascade import toml

    rule = next(each for each in safeguards() if each.name == name)
    venues = tuple(rule.set(venue, value) for venue in scenario.resolved.venue)
    text = toml.dumps(msgspec.structs.replace(scenario.resolved, venue=venues))
    return Scenario.from_toml(text)


@pytest.fixture(scope="module")
def base() -> Scenario:
    """btc-cascade with an outside price that weighs nothing yet."""
    scenario = scenarios.load("btc-cascade")
    market = scenario.resolved.venue[0].market[0]
    assert market.oracle is not None
    return scenario.set("venue[0].market[0].oracle={kind='last',own_book_weight=1,index=60000}")


def same(one: Tape, two: Tape) -> bool:
    return all(
        np.array_equal(table[column], two.tables[name][column])
        for name, table in one.tables.items()
        for column in table.columns
    )


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("fund", *AGENDA)])
def test_rules_changed_at_the_opening_are_the_rules_of_the_run(base: Scenario, name: str) -> None:
    rule = next(each for each in safeguards() if each.name == name)
    other = ruled(base, name, OTHER.get(name, rule.default))
    world = World(base)
    world.change(other)
    world.run()
    assert same(world.tape(), run(other, progress=False))


@pytest.mark.parametrize("name", [n for n in NAMES if n not in AGENDA])
def test_rules_change_inside_a_settlement_and_the_past_stays(base: Scenario, name: str) -> None:
    rule = next(each for each in safeguards() if each.name == name)
    other = ruled(base, name, OTHER.get(name, rule.default))
    whole = run(base, progress=False)
    for k in (0, 60, 200):
        world = world_at(base, k)
        fork = world.fork()
        fork.change(other)
        fork._open()._check()
        fork.run()
        fork._open()._check()
        after = fork.tape()
        for table in ("steps", "fills", "orders"):
            mine, its = (tape.tables[table] for tape in (after, whole))
            for column in its.columns:
                early = its["step"] <= k
                assert np.array_equal(mine[column][: int(early.sum())], its[column][early])
        assert set(after.summary()["money_check"].values()) == {0}
        world.run()
        assert world.state_hash() == whole.meta["state_hash"]


@pytest.mark.parametrize("name", AGENDA)
def test_what_stands_on_the_agenda_stays_and_says_so(base: Scenario, name: str) -> None:
    with pytest.raises(ConfigError, match="must be the same"):
        World(base).change(ruled(base, name, "on"))


def test_the_fund_gets_the_difference(base: Scenario) -> None:
    """25,000 at the opening; 1,000 in the other scenario is 24,000 less, down to nothing."""
    world = World(base)
    venue = world.venue("perp")
    assert venue.fund() == 25_000
    world.change(ruled(base, "fund", "1000"))
    assert venue.fund() == 1_000
    world.change(ruled(base, "fund", "5000"))
    assert venue.fund() == 5_000
    world.change(ruled(base, "fund", None))
    assert venue.fund() == 0


def test_a_fund_that_has_paid_and_earned_keeps_what_it_did(base: Scenario) -> None:
    world = world_at(base, 200)
    now = world.venue("perp").fund()
    assert now != 25_000
    world.change(ruled(base, "fund", "30000"))
    assert world.venue("perp").fund() == now + 5_000


def test_only_rules_can_change(base: Scenario) -> None:
    world = World(base)
    for change, field in (
        ("seed=1", "seed"),
        ("shock.notional=1", "shock"),
        ("book.mid=50000", "venue"),
        ("population.accounts=3", "venue"),
    ):
        with pytest.raises(ConfigError, match=f"^{field}: must be the same"):
            world.change(base.set(change))
    with pytest.raises(ConfigError, match=r"market\[0\].oracle.index: must be the same"):
        World(scenarios.load("t2a")).change(ruled(scenarios.load("t2a"), "oracle", "0.7"))
    with pytest.raises(ConfigError, match="trigger_strict: must stay"):
        world.change(base.set("trigger_strict=false"))
    world.run()
    assert world.state_hash() == run(base, progress=False).meta["state_hash"]


def test_a_refused_change_at_the_engine_s_door_changes_nothing(base: Scenario) -> None:
    world = World(base)
    before = world.state_hash()
    rules = dict(base.venues[0].arguments)
    for bad in ({"buffer_ppm": -1}, {"fraction_ppm": 0}, {"fund": -1}, {"trigger_strict": False}):
        with pytest.raises(InputError):
            change_rules(world._open(), 0, **{**rules, **bad})
    assert world.state_hash() == before


@pytest.mark.parametrize("name", NAMES)
def test_every_safeguard_reads_back_what_it_set(name: str) -> None:
    rule = next(each for each in safeguards() if each.name == name)
    for scenario in ("t2a", "btc-cascade", "contagion"):
        venue = scenarios.load(scenario).resolved.venue[0]
        assert rule.read(rule.set(venue, rule.default)) == rule.default
        if rule.kind == "choice":
            with pytest.raises(InputError, match="cannot be off"):
                rule.set(venue, None)
        else:
            assert rule.read(rule.set(venue, None)) is None


# What scenarios of price and volatility do not go with yet: refused by name.
APART = {"lost-hedge": ("margin_calls", "interest")}


@pytest.mark.parametrize("scenario", scenarios.names())
def test_every_safeguard_can_be_run_in_every_shipped_scenario(scenario: str) -> None:
    base = scenarios.load(scenario)
    for rule in safeguards():
        if rule.name in APART.get(scenario, ()):
            with pytest.raises(ConfigError, match="portfolio: cannot be run"):
                run(ruled(base, rule.name, rule.default), progress=False)
            continue
        tape = run(ruled(base, rule.name, rule.default), progress=False)
        assert set(tape.summary()["money_check"].values()) == {0}


def test_a_safeguard_refuses_what_is_no_share_no_money_no_choice() -> None:
    venue = scenarios.load("t2a").resolved.venue[0]
    rules = {each.name: each for each in safeguards()}
    for name, value in (("tranches", "0"), ("tranches", "1.5"), ("fund", "-1"), ("adl", "none")):
        with pytest.raises(InputError, match=f"^{name} must be"):
            rules[name].set(venue, value)


def test_a_later_safeguard_registers_itself_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listed, "_KNOWN", dict(listed._KNOWN))
    made = Safeguard("siren", "sirens", "", "switch", "on", lambda _: None, lambda venue, _: venue)
    listed.register(made)
    assert safeguards()[-1] is made
    with pytest.raises(ConfigError, match="must have a name of its own"):
        listed.register(made)


def test_oracles_that_are_kept_stay_and_others_are_new() -> None:
    """Two markets at the index; one keeps its oracle, the other gets the last price."""
    index, last = PriceSource.INDEX, PriceSource.LAST
    world = CoreWorld()
    world.add_venue()
    venue = world.venue()
    for _ in range(2):
        venue.add_market(size_max=10, last=100, index=90, source=index)
    world.start()
    world.settle()
    assert venue.marks() == [90, 90]
    change_rules(world, 0, weights=[(last, 10**6)] * 2, oracles=["keep", None])
    world.settle(1)
    assert venue.marks() == [90, 100]
    change_rules(world, 0, weights=[(index, 10**6)] * 2, oracles=[None, "keep"])
    world.settle(2)
    assert venue.marks() == [90, 100]
