"""Scenario: a value that can be changed by key, hashed, written and sent to another process."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import ordercascade as oc
from ordercascade.books import file_time_ns
from ordercascade.data.positions import Opening
from ordercascade.plan import Account

PROFILE = """
schema = 1
name = "profile"
[[venue]]
name = "perp"
preset = "binance-usdm"
[[venue.market]]
name = "BTCUSDT"
tick_size = 0.1
lot_size = 0.001
settle = "USDT"
decimals = 6
[venue.market.book]
kind = "profile"
mid = 60_000
step = 1
depth = [{ bps = 10, quote = 3_500_000 }, { bps = 100, quote = 16_530_000 }]
"""


@pytest.mark.parametrize("name", oc.scenarios.names())
def test_a_shipped_scenario_is_a_value(name: str) -> None:
    scenario = oc.scenarios.load(name)
    assert scenario.name == name
    assert scenario.about
    other = pickle.loads(pickle.dumps(scenario))
    assert other == scenario
    assert hash(other) == hash(scenario)
    assert other.config_hash() == scenario.config_hash()
    with pytest.raises(AttributeError, match="cannot change"):
        scenario.base = "x"


@pytest.mark.parametrize("name", oc.scenarios.names())
def test_the_canonical_text_gives_the_same_scenario(name: str) -> None:
    scenario = oc.scenarios.load(name)
    again = oc.Scenario.from_toml(scenario.to_toml(), base=scenario.base)
    assert again.to_toml() == scenario.to_toml()
    assert again.config_hash() == scenario.config_hash()


def test_the_config_hash_is_the_same_in_another_process() -> None:
    code = "import ordercascade as oc; print(oc.scenarios.load('t2a').config_hash())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "77", "PYTHONPATH": ":".join(sys.path)},
    )
    assert done.stdout.strip() == oc.scenarios.load("t2a").config_hash()


def test_keys_change_by_whole_and_by_shortened_paths() -> None:
    scenario = oc.scenarios.load("t2a")
    changed = scenario.set(
        "seed=3",
        "book.size=20",
        "venue.0.market[0].book.mid=90.5",
        "fund.balance=7",
        "shock.size=3",
    )
    market = changed.venues[0].markets[0]
    assert changed.seed == 3
    assert changed.venues[0].fund == 7
    assert changed.book(market).bids[0] == (90, 20)
    assert changed.agenda.shocks[0].size == 3
    assert scenario.seed == 0
    assert changed.config_hash() != scenario.config_hash()


def test_a_table_that_is_not_there_is_made() -> None:
    changed = oc.scenarios.load("t2a").set('venue.adl.rule="pro_rata"')
    assert changed.venues[0].arguments["adl_rule"] == oc.AdlRule.PRO_RATA


def test_a_value_that_is_no_toml_is_text() -> None:
    changed = oc.scenarios.load("t2a").set("ordering=worst_first")
    assert changed.config.venue[0].ordering == "worst_first"


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("seed", "must be key=value"),
        ("limit=5", "has 2 places; say which: venue[0].limit, shock[0].limit"),
        ("bok.size=2", "unknown key 'bok'; did you mean 'book'?"),
        ("account.name=X", "has 4 entries before 'name'; give an index"),
        ("account[9].name=X", "the index must be below"),
        ("venue[0].name.x=1", "has nothing at 'x'"),
        ("venue[0]..name=1", "must be a dotted path"),
        ("shock.size=0.5", "shock[0].size: must not be off lot"),
        ("book.sise=3", "book.sise: unknown key 'sise'; did you mean 'size'?"),
    ],
)
def test_an_override_that_fits_nowhere_is_refused(assignment: str, said: str) -> None:
    with pytest.raises(oc.ConfigError) as caught:
        oc.scenarios.load("t2a").set(assignment)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('name = "perp"', 'name = "a/b"', "venue[0].name: names must be"),
        ('settle = "USDT"', 'settle = "US DT"', "venue[0].market[0].settle: names must be"),
        ("tick_size = 0.1", "tick_size = 0", "must be above 0"),
        ('"binance-usdm"', '"binance-usdm"\nexit_buffer = 0.0000001', "finer than a ppm"),
        ('"binance-usdm"', '"binance-usdm"\nfees = { maker = -0.001 }', "maker rebate must not"),
        ('name = "BTCUSDT"', 'name = "XYZ"', "has no brackets of 'XYZ'; give brackets"),
        ('"perp"', '"perp"\nfund = { balance = 0.0000001 }', "venue[0].fund.balance: must not be"),
        ('"perp"', '"perp"\noracle = { index = 5 }', "belongs to a market's oracle"),
    ],
)
def test_contradictions_are_found_when_a_scenario_loads(old: str, new: str, said: str) -> None:
    with pytest.raises(oc.ConfigError) as caught:
        oc.Scenario.from_toml(PROFILE.replace(old, new, 1), file="x.toml")
    assert said in str(caught.value)
    assert str(caught.value).startswith("x.toml: ") or "XYZ" in said


def test_a_shock_must_name_a_venue_and_market_that_exist() -> None:
    with pytest.raises(oc.ConfigError, match=r"shock\[0\]\.market: must be a market there is"):
        oc.scenarios.load("two-market-cross").set("shock.market=GAMMA")


def test_a_depth_profile_meets_each_point_to_less_than_a_lot() -> None:
    """10 bps of 60,000 are 60; 3.5 M lie on each side within them."""
    scenario = oc.Scenario.from_toml(PROFILE)
    plan = scenario.venues[0].markets[0]
    market = plan.market
    book = scenario.book(plan)
    assert book.bids[0][0] == market.to_ticks("59999")
    assert book.asks[0][0] == market.to_ticks("60001")
    for rows in book:
        for bps, quote in ((10, 3_500_000), (100, 16_530_000)):
            reach = 600_000 * bps // 10_000
            inside = [(p, q) for p, q in rows if abs(p - 600_000) <= reach]
            value = sum(p * q * market.multiplier for p, q in inside)
            missing = market.to_amount(quote) - value
            assert 0 <= missing < max(p for p, _ in inside) * market.multiplier


def test_a_ladder_stands_around_its_mid() -> None:
    scenario = oc.scenarios.load("t2a")
    book = scenario.book(scenario.venues[0].markets[0])
    assert book.bids == [(price, 10) for price in range(100, 79, -1)]
    assert book.asks == [(price, 10) for price in range(101, 122)]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ('{ kind = "levels", bids = [[5, 1]], asks = [[5, 1]] }', "the book is crossed"),
        ('{ kind = "levels", bids = [[5.5, 1]] }', "off tick"),
        ('{ kind = "profile", mid = 100, depth = [] }', "must have at least one point"),
        (
            '{ kind = "profile", mid = 100, depth = [{ bps = 100, quote = 5 }, { bps = 200,'
            " quote = 4 }] }",
            "must not fall",
        ),
        ('{ kind = "ladder", mid = 100.3, step = 1, levels = 2, size = 1 }', "half ticks"),
        ('{ kind = "file", file = "none.parquet", format = "neutral-l2", at = "x" }', "RFC 3339"),
    ],
)
def test_a_bad_book_is_refused_with_its_place(value: str, said: str) -> None:
    scenario = oc.scenarios.load("t2a").set(f"venue[0].market[0].book={value}")
    with pytest.raises(oc.ConfigError) as caught:
        scenario.book(scenario.venues[0].markets[0])
    assert said in str(caught.value)
    assert "venue[0].market[0].book" in str(caught.value)


def test_levels_may_come_in_any_order() -> None:
    book = '{ kind = "levels", bids = [[98, 1], [99, 2]], asks = [[103, 1], [101, 2]] }'
    scenario = oc.scenarios.load("t2a").set(f"venue[0].market[0].book={book}")
    found = scenario.book(scenario.venues[0].markets[0])
    assert found.bids == [(99, 2), (98, 1)]
    assert found.asks == [(101, 2), (103, 1)]


def test_file_times_are_exact_to_the_nanosecond() -> None:
    assert file_time_ns("2024-08-08T23:55:00Z") == 1_723_161_300_000_000_000
    assert file_time_ns("2024-08-09T01:55:00.000000001+02:00") == 1_723_161_300_000_000_001


def test_explicit_accounts_become_whole_numbers() -> None:
    scenario = oc.scenarios.load("short-squeeze")
    accounts = scenario.accounts(scenario.venues[0])
    assert accounts[4] == Account("E", 500, (Opening("E", "TOY", -10, -1000, 166, True),))


def test_positions_from_a_file_follow_the_explicit_accounts(tmp_path: Path) -> None:
    (tmp_path / "more.csv").write_text(
        "account,market,side,size,entry_price,leverage,margin\n"
        "Z,TOY,long,3,100,7,cross\n"
        "Y,TOY,short,3,100,7,isolated\n"
    )
    text = oc.scenarios.load("t2a").to_toml()
    text = text.replace("[venue.fund]", 'positions = [{ file = "more.csv" }]\n[venue.fund]', 1)
    scenario = oc.Scenario.from_toml(text, base=str(tmp_path))
    accounts = scenario.accounts(scenario.venues[0])
    assert [account.name for account in accounts] == ["A", "B", "C", "D", "Z", "Y"]
    # 300 / 7 = 42.86: rounded up, against whoever owes it.
    assert accounts[4].deposit == 43
    assert accounts[5] == Account("Y", 0, (Opening("Y", "TOY", -3, -300, 43, True),))
    assert list(scenario.inputs()) == ["more.csv"]
    before = scenario.config_hash()
    (tmp_path / "more.csv").write_text("account,market,side,size,entry_price,leverage,margin\n")
    assert scenario.config_hash() != before


def test_an_account_of_two_sources_is_refused(tmp_path: Path) -> None:
    (tmp_path / "more.csv").write_text(
        "account,market,side,size,entry_price,leverage,margin\nA,TOY,long,3,100,7,cross\n"
    )
    text = oc.scenarios.load("t2a").to_toml()
    text = text.replace("[venue.fund]", 'positions = [{ file = "more.csv" }]\n[venue.fund]', 1)
    scenario = oc.Scenario.from_toml(text, base=str(tmp_path))
    with pytest.raises(oc.ConfigError, match="exists already, got 'A'"):
        scenario.accounts(scenario.venues[0])


def test_an_unknown_scenario_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(oc.ConfigError, match="did you mean 't2"):
        oc.scenarios.load("t2x")
