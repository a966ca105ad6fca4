"""Populations in a scenario file: their keys, what they refuse, and what the twin makes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ordercascade as oc
from ordercascade.populations import Names
from reference import world as twin
from reference.scripts import assert_same

MARKET = """
schema = 1
name = "crowd"
seed = 5
[[venue]]
name = "perp"
preset = "simple"
oracle = { kind = "last" }
[[venue.market]]
name = "A"
tick_size = 0.1
lot_size = 0.001
settle = "USDT"
decimals = 6
brackets = [{ floor = 0, maintenance = 0.01, leverage_max = 50 }]
book = { kind = "ladder", mid = 1000.05, step = 0.1, levels = 2000, size = 0.5 }
[[venue.market]]
name = "B"
tick_size = 0.1
lot_size = 0.01
settle = "USDT"
decimals = 6
brackets = [{ floor = 0, maintenance = 0.01, leverage_max = 50 }]
book = { kind = "ladder", mid = 100.05, step = 0.1, levels = 500, size = 5 }
"""
CROWD: dict[str, Any] = {
    "market": '"A"',
    "accounts": "50",
    "leverage": "{ values = [5, 10, 20] }",
    "notional": '{ kind = "lognormal", median = 500, sigma = 1 }',
}


def text(**keys: str | None) -> str:
    said = {key: value for key, value in (CROWD | keys).items() if value is not None}
    return MARKET + "[[venue.population]]\n" + "\n".join(f"{k} = {v}" for k, v in said.items())


def scenario(**keys: str | None) -> oc.Scenario:
    return oc.Scenario.from_toml(text(**keys))


def drawn(made: oc.Scenario) -> Any:
    books = [made.book(item) for item in made.venues[0].markets]
    return made.cohorts(made.venues[0], books)[0].drawn


def test_plain_numbers_stand_for_laws() -> None:
    said = scenario(leverage="10", notional="5_000", correlation="0.5", market='["A", "B"]')
    assert (
        scenario(
            leverage='{ kind = "constant", value = 10 }',
            notional='{ kind = "constant", value = 5_000 }',
            correlation="[[0.5]]",
            market='["A", "B"]',
        )
        == said
    )
    assert oc.Scenario.from_toml(said.to_toml()).to_toml() == said.to_toml()
    rows = drawn(said).openings
    assert set(np.abs(rows["size"][rows["market"] == 0]).tolist()) == {5_000}
    assert set(np.abs(rows["size"][rows["market"] == 1]).tolist()) == {5_000}


@pytest.mark.parametrize(
    "law",
    [
        '{ kind = "normal", mean = 500, sigma = 100, low = 100 }',
        '{ kind = "lognormal", median = 900, sigma = 1.2, low = 100, high = 9_000 }',
        '{ kind = "pareto", minimum = 100, alpha = 1.5, high = 9_000 }',
        '{ kind = "uniform", low = 100, high = 900 }',
        "{ values = [100, 900], weights = [3, 1] }",
    ],
)
def test_every_law_of_sizes_draws_values_within_its_bounds(law: str) -> None:
    rows = drawn(scenario(notional=law, accounts="500")).openings
    value = np.abs(rows["size"]) * 1000 / 1000  # at a mark of 1000 a lot is worth 1
    assert value.max() <= 9_000
    assert value.min() >= 99


@pytest.mark.parametrize(
    "entry",
    [
        '{ kind = "normal", sigma_bps = 150, mean_bps = -20 }',
        '{ kind = "lognormal", sigma_bps = 150 }',
        '{ kind = "pareto", minimum_bps = 10, alpha = 2 }',
        '{ kind = "uniform", low_bps = -300, high_bps = 300 }',
    ],
)
def test_every_law_of_entries_spreads_them_around_the_mark(entry: str) -> None:
    rows = drawn(scenario(entry=entry, accounts="500")).openings
    price = rows["cost"] / rows["size"] / 100  # ticks
    assert price.std() > 20
    assert 9_000 < price.mean() < 11_000


def test_numbers_come_from_a_file_and_the_file_is_an_input(tmp_path: Path) -> None:
    (tmp_path / "sizes.csv").write_text("who,money,price\na,100,990.5\nb,250,1010\nc,250,1000\n")
    made = oc.Scenario.from_toml(
        text(
            notional='{ kind = "file", file = "sizes.csv", column = "money" }',
            entry='{ kind = "file", file = "sizes.csv", column = "price" }',
            leverage="{ values = [2] }",
            accounts="300",
        ),
        base=str(tmp_path),
    )
    rows = drawn(made).openings
    assert set(np.abs(rows["size"]).tolist()) == {100, 250}
    assert abs(np.mean(np.abs(rows["size"]) == 250) - 2 / 3) < 0.1
    assert set((rows["cost"] // rows["size"]).tolist()) == {990_500, 1_010_000, 1_000_000}
    assert set(made.inputs()) == {"sizes.csv"}
    with pytest.raises(oc.DataFileError, match="has no column 'cash'; there are who, money, price"):
        drawn(made.set("population.notional.column=cash"))
    (tmp_path / "sizes.csv").write_text("who,money,price\n")
    with pytest.raises(oc.DataFileError, match="has no rows to draw from"):
        drawn(made)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"market": '"C"'}, "population[0].market: must be a market of the venue (A, B), got 'C'"),
        ({"market": '["A", "A"]'}, "is named twice"),
        ({"market": "[]"}, "must name a market"),
        ({"size": "1"}, "a population must have notional or size, one of the two"),
        ({"leverage": None}, "must have leverage or liquidation_price, one of the two"),
        ({"leverage": "2000"}, "leverage must be in [1, 1000]"),
        ({"leverage": "{ values = [0.5] }"}, "leverage must be in [1, 1000]"),
        ({"leverage": "{ values = [] }"}, "must have at least one value"),
        ({"leverage": "{ values = [2, 3], weights = [1] }"}, "must be as many as values: 2"),
        ({"leverage": "{ values = [2], weights = [0] }"}, "must be 0 or more, and not all 0"),
        ({"long_share": "1.5"}, "population[0].long_share: must be in [0, 1], got '1.5'"),
        ({"cross_share": "-0.1"}, "cross_share: must be in [0, 1]"),
        ({"notional": '{ kind = "pareto", minimum = 0, alpha = 1 }'}, "minimum: must be above 0"),
        ({"notional": '{ kind = "pareto", minimum = 1, alpha = 0 }'}, "alpha: must be above 0"),
        ({"notional": '{ kind = "uniform", low = 3, high = 2 }'}, "high: must be at least low"),
        ({"notional": '{ kind = "normal", mean = 3, sigma = -2 }'}, "sigma: must be 0 or more"),
        ({"notional": '{ kind = "levy", c = 3 }'}, "must be one of constant, values, uniform"),
        ({"notional": "0"}, "notional.value: must be above 0"),
        ({"entry": '{ kind = "normal", sigma_bps = -1 }'}, "sigma_bps: must be 0 or more"),
        (
            {"entry": '{ kind = "pareto", minimum_bps = 0, alpha = 1 }'},
            "minimum_bps: must be above",
        ),
        (
            {"entry": '{ kind = "uniform", low_bps = 3, high_bps = 2 }'},
            "high_bps: must be at least",
        ),
        ({"notional": None, "size": "0.0005"}, "off lot: lots are 0.001"),
        (
            {"market": '["A", "B"]', "notional": None, "size": "1"},
            "size: is for a population of one",
        ),
        ({"market": '["A", "B"]', "held": "[1]"}, "must have a share for each market"),
        ({"market": '["A", "B"]', "held": "[0, 0]"}, "not all of them 0"),
        ({"market": '["A", "B"]', "correlation": "[[1, 1], [1, 1]]"}, "positive definite"),
        ({"market": '["A", "B"]', "correlation": "[[1, 0.2], [0.3, 1]]"}, "must be symmetric"),
        ({"market": '["A", "B"]', "correlation": "[[1], [1]]"}, "must be one number, or 2 rows"),
        ({"accounts": "20_000_000"}, "accounts"),
        ({"name": '"no good"'}, "names must be 1 to 64 of"),
        ({"notinal": "1"}, "unknown key 'notinal'; did you mean 'notional'?"),
    ],
)
def test_what_cannot_be_drawn_is_refused_when_it_loads(
    keys: dict[str, str | None], said: str
) -> None:
    with pytest.raises(oc.ConfigError) as raised:
        scenario(**keys)
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ('{ kind = "ladder", first = 1000, step = 0.1 }', "first: must not be the opening mark"),
        ('{ kind = "ladder", first = 999, step = 30 }', "would be liquidated outside the market"),
        ('{ kind = "poisson", gap = 0 }', "gap: must be above 0"),
        ('{ kind = "clusters", clusters = [] }', "must have at least one with a weight above 0"),
        (
            '{ kind = "clusters", clusters = [{ price = 990, weight = -1 }] }',
            "clusters",
        ),
        (
            '{ kind = "clusters", clusters = [{ price = 1000, weight = 1 }] }',
            "a price must not be the opening mark",
        ),
    ],
)
def test_liquidation_prices_that_cannot_be_are_refused(where: str, said: str) -> None:
    made = scenario(leverage=None, liquidation_price=where)
    with pytest.raises(oc.ConfigError) as raised:
        oc.World(made)
    assert said in str(raised.value)


def test_accounts_cluster_where_they_are_told_to() -> None:
    where = (
        '{ kind = "clusters", clusters = [{ price = 980, weight = 3, spread_bps = 5 },'
        " { price = 1010, weight = 1 }] }"
    )
    world = oc.World(scenario(leverage=None, liquidation_price=where, accounts="400"))
    venue = world.venue("perp")
    prices = np.array(
        [float(venue.liquidation_price(f"trader-{k}", "A") or 0) for k in range(1, 401)]
    )
    low = prices < 1000
    assert abs(low.mean() - 0.75) < 0.1
    assert abs(prices[low].mean() - 980) < 0.2
    assert 0.3 < prices[low].std() < 0.7  # 5 bps of 980 are 0.49
    assert set(prices[~low].tolist()) == {1010.0}


def test_a_population_names_its_accounts_and_may_not_take_a_name() -> None:
    made = scenario(name='"fund"', accounts="3")
    tape = oc.run(made, progress=False)
    assert [row["name"] for row in tape.accounts] == ["fund-1", "fund-2", "fund-3"]
    position = 'position = [{ market = "A", side = "long", size = 1, entry_price = 1000 }]'
    taken = MARKET + f'[[venue.account]]\nname = "fund-2"\ncollateral = 100\n{position}\n'
    crowd = text(name='"fund"', accounts="3").removeprefix(MARKET)
    with pytest.raises(oc.ConfigError, match="an account of this name exists already"):
        oc.Scenario.from_toml(taken + crowd)
    with pytest.raises(oc.ConfigError, match=r"population\[1\].name: is used twice"):
        oc.Scenario.from_toml(text() + "\n" + text().removeprefix(MARKET))


def test_names_are_a_mapping_without_a_million_entries() -> None:
    names = Names({"alice": 1}, [("crowd", 2, 10**6)])
    assert len(names) == 10**6 + 1
    assert (names["alice"], names["crowd-1"], names["crowd-1000000"]) == (1, 2, 10**6 + 1)
    assert (names.of(1), names.of(7)) == ("alice", "crowd-6")
    for missing in ("crowd-0", "crowd-1000001", "crowd-01", "crowd", "bob", "crowd-x"):
        assert missing not in names
    assert next(iter(names)) == "alice"


def test_another_seed_draws_other_accounts_and_the_same_seed_the_same_run() -> None:
    made = scenario(accounts="200")
    first, again = oc.World(made).state_hash(), oc.World(made).state_hash()
    assert first == again
    assert oc.World(made.set("seed=6")).state_hash() != first


def test_the_twin_runs_a_population_to_the_same_tables() -> None:
    shock = '\n[[shock]]\nat_s = 1\nmarket = "A"\nside = "ask"\nnotional = 200_000\n'
    crowd = text(
        market='["A", "B"]',
        accounts="60",
        cross_share="0.6",
        correlation="0.5",
        leverage="{ values = [10, 20, 50] }",
        notional='{ kind = "lognormal", median = 2_000, sigma = 1 }',
        entry='{ kind = "normal", sigma_bps = 100 }',
    )
    made = oc.Scenario.from_toml(crowd + shock)
    worlds = [oc.World(made, engine=engine)._world for engine in (None, twin)]
    for world in worlds:
        world.run()
    assert worlds[0].log.rows("liquidations") > 10
    assert_same(*worlds)


@pytest.mark.parametrize("kind", ["power", "exponential"])
def test_depth_by_formula_meets_the_formula_at_every_level(kind: str) -> None:
    book = {
        "power": 'kind = "power", quote = 900_000, reach_bps = 1000, exponent = 1.5',
        "exponential": 'kind = "exponential", quote = 900_000, scale_bps = 300, reach_bps = 1000',
    }[kind]
    old = 'book = { kind = "ladder", mid = 1000.05, step = 0.1, levels = 2000, size = 0.5 }'
    made = oc.Scenario.from_toml(text().replace(old, f"book = {{ mid = 1000.05, {book} }}"))
    for rows, sign in zip(made.book(made.venues[0].markets[0]), (-1, 1), strict=True):
        value = 0.0
        for price, size in rows:
            value += price * size * 100 / 10**6
            far = abs(price - 10_000.5) / 10_000.5
            expected = (far / 0.1) ** 1.5 if kind == "power" else 1 - np.exp(-far / 0.03)
            assert abs(value - 900_000 * expected) < price / 10_000 + 1e-5  # the worth of a lot
        assert sign * (rows[-1][0] - 10_000.5) > 990
    wrong = f"book = {{ mid = 1000.05, {book.replace('1000', '20_000')} }}"
    with pytest.raises(oc.ConfigError, match="reach_bps: must be in"):
        oc.World(oc.Scenario.from_toml(text().replace(old, wrong)))
