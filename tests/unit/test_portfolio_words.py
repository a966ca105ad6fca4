"""Options and portfolio margin as scenario keys: what they become, and errors that teach."""

from __future__ import annotations

from typing import Any

import pytest

import ordercascade as oc
from ordercascade.core.derivatives import buckets
from ordercascade.duties import VolMove
from ordercascade.enums import Outcome, StepKind
from ordercascade.errors import ConfigError, InputError
from ordercascade.story import tell

BASE = """
schema = 1
name = "words"
[[venue]]
name = "perp"
preset = "deribit"
[[venue.market]]
name = "BTC"
tick_size = "0.5"
lot_size = "0.1"
settle = "USD"
price_max = 100000
size_max = 10000
decimals = 2
oracle = { index = 10000 }
[[venue.market]]
name = "ETH"
tick_size = "0.1"
lot_size = "0.1"
settle = "USD"
price_max = 100000
size_max = 10000
decimals = 2
oracle = { index = 700 }
[[venue.market]]
name = "CALL"
tick_size = "0.2"
lot_size = "0.1"
settle = "USD"
price_max = 100000
size_max = 10000
decimals = 2
option = { kind = "call", underlying = "BTC", strike = 11000, volatility = "0.6" }
expiry = { at_s = 2592000 }
[venue.portfolio]
model = "deribit"
[[venue.portfolio.underlying]]
name = "B"
markets = ["BTC", "CALL"]
[[venue.portfolio.underlying]]
name = "E"
markets = ["ETH"]
price_range = "0.2"
[[venue.account]]
name = "one"
collateral = 1000
position = [{ market = "CALL", side = "long", size = 1, entry_price = 300 }]
"""


def said(*changes: tuple[str, str]) -> oc.Scenario:
    """The scenario with pieces of its text replaced."""
    text = BASE
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return oc.Scenario.from_toml(text)


def test_words_become_the_engine_s_numbers() -> None:
    plan = said().venues[0]
    assert plan.markets[2].option == {
        "kind": 1, "underlying": 0, "strike": 22_000, "vol_ppm": 600_000, "rate_ppm": 0,
        "coin": False, "per": 5, "of": 2,
    }  # fmt: skip
    first, second = plan.portfolio["underlyings"]
    far = [-660_000, -500_000, -330_000, 330_000, 500_000] + [k * 10**6 for k in range(1, 6)]
    assert first["rows"] == buckets(160_000, 4, extended=[(move, None) for move in far])
    assert first["markets"] == [0, 2] and second["markets"] == [1]
    assert second["rows"][0] == (-200_000, VolMove.UP, 10**6)
    assert {key: first[key] for key in ("up_ppm", "down_ppm", "power_short_ppm", "floor_ppm")} == {
        "up_ppm": 500_000, "down_ppm": 250_000, "power_short_ppm": 300_000, "floor_ppm": 500_000,
    }  # fmt: skip
    assert plan.portfolio["maintenance_ppm"] == 800_000


def test_span_has_its_own_grid() -> None:
    changes = [
        ('model = "deribit"', 'model = "span"\nprice_range = "0.1"\n'
         'extended = [{ move = 0.3, counted = 0.32 }]'),
    ]  # fmt: skip
    first, _ = said(*changes).venues[0].portfolio["underlyings"]
    assert len(first["rows"]) == 15
    assert first["rows"][-1] == (300_000, VolMove.SAME, 320_000)
    assert {vol for _, vol, _ in first["rows"][:-1]} == {VolMove.UP, VolMove.DOWN}


def test_offsets_and_amounts() -> None:
    changes = [
        ("price_range = \"0.2\"\n", "price_range = \"0.2\"\n[[venue.portfolio.offset]]\n"
         'of = ["E", "B"]\ncredit = "0.25"\n'),
        ('model = "deribit"', 'model = "deribit"\nconcentration = "0.01"\n'
         "concentration_from = 5000"),
    ]  # fmt: skip
    terms = said(*changes).venues[0].portfolio
    assert terms["offsets"] == [(1, 0, 250_000)]
    assert terms["underlyings"][0]["concentration_ppm"] == 10_000
    assert terms["underlyings"][0]["concentration_from"] == 500_000


def test_a_scenario_reads_back_as_it_was() -> None:
    scenario = said()
    again = oc.Scenario.from_toml(scenario.to_toml())
    assert again.venues[0].portfolio == scenario.venues[0].portfolio
    assert again.venues[0].markets[2].option == scenario.venues[0].markets[2].option
    assert oc.run(again).state_hash() == oc.run(scenario).state_hash()


def test_an_option_in_the_coin_counts_ticks_a_coin() -> None:
    option = (
        said(('volatility = "0.6" }', 'volatility = "0.6", coin = true }')).venues[0].markets[2]
    )
    assert option.option is not None
    assert (option.option["per"], option.option["of"], option.option["coin"]) == (5, 1, True)


JUMP = "\n[[volatility]]\nat_s = 5\n"


@pytest.mark.parametrize(
    ("old", "new", "field", "word"),
    [
        ('underlying = "BTC"', 'underlying = "LTC"', "option.underlying", "another market"),
        ('underlying = "BTC"', 'underlying = "CALL"', "option.underlying", "another market"),
        ("strike = 11000", "strike = 0", "option.strike", "must be in"),
        ('volatility = "0.6"', 'volatility = "-1"', "option.volatility", "0"),
        ("expiry = { at_s = 2592000 }\n", "", "expiry", "an option ends"),
        ('markets = ["BTC", "CALL"]', 'markets = ["BTC"]', "option", "no rate covers"),
        ('markets = ["ETH"]', 'markets = ["ETH", "CALL"]', "markets", "margined once"),
        ('markets = ["ETH"]', 'markets = ["LTC"]', "markets", "markets of the venue"),
        ('markets = ["ETH"]', "markets = []", "markets", "one market at least"),
        ('name = "E"\nmarkets', 'name = "B"\nmarkets', "name", "used twice"),
        ('price_range = "0.2"', 'reference = "BTC"', "reference", "one of its markets"),
        ('price_range = "0.2"', 'price_range = "1"', "price_range", "must be in"),
        ('model = "deribit"', "buckets = 4", "price_range", "no model says it"),
        ('model = "deribit"', 'price_range = "0.1"', "buckets", "no model says it"),
        ('model = "deribit"', 'model = "span"\nprice_range = "0.1"\nbuckets = 3', "buckets",
         "thirds"),
        ('model = "deribit"', 'model = "deribit"\nextended = [{ move = 0.1 }]', "extended[0].move",
         "beyond"),
        ('model = "deribit"', 'model = "deribit"\nmaintenance = 0', "maintenance", "must be in"),
        ("expiry = {", 'book = { kind = "ladder", mid = 1, step = 1, levels = 1, size = 1 }\n'
         "expiry = {", "market[2].book", "no orders"),
        ("expiry = {", 'kind = "inverse"\nexpiry = {', "market[2].kind", "linear"),
        ("[[venue.account]]", '[[venue.portfolio.offset]]\nof = ["B", "X"]\ncredit = 0\n'
         "[[venue.account]]", "offset[0].of", "two underlyings"),
        ("[[venue.account]]", '[[venue.portfolio.offset]]\nof = ["B", "B"]\ncredit = 0\n'
         "[[venue.account]]", "offset[0].of", "two underlyings"),
        ("[[venue.account]]", '[[venue.population]]\nname = "p"\nmarket = "CALL"\naccounts = 1\n'
         "leverage = 2\nnotional = 5\n[[venue.account]]", "population[0].market",
         "not be an option"),
        ("schema = 1", 'schema = 1\n[[volatility]]\nat_s = 1\nmarket = "BTC"\nvolatility = 1',
         "volatility[0].market", "must be an option"),
        ("schema = 1", 'schema = 1\n[[volatility]]\nat_s = 1\nmarket = "ETH"\nfactor = 1',
         "volatility[0].market", "options are on"),
        ("schema = 1", 'schema = 1\n[[index]]\nat_s = 1\nmarket = "CALL"\nprice = 5',
         "index[0].market", "is an option"),
    ],
)  # fmt: skip
def test_errors_name_the_key_and_the_rule(old: str, new: str, field: str, word: str) -> None:
    text = BASE.replace(old, new)
    assert text != BASE
    if "[[volatility]]" in text or "[[index]]" in text:
        text = BASE + new.removeprefix("schema = 1")
    with pytest.raises(ConfigError, match=word) as error:
        oc.Scenario.from_toml(text)
    assert error.value.path.endswith(field)


@pytest.mark.parametrize(
    "jump", ['market = "CALL"\nvolatility = 0.5\nfactor = 2', 'market = "CALL"']
)
def test_a_jump_says_a_volatility_or_a_factor(jump: str) -> None:
    with pytest.raises(ConfigError, match="one of the two"):
        oc.Scenario.from_toml(f"{BASE}{JUMP}{jump}")


def test_a_jump_moves_an_option_or_all_on_a_market() -> None:
    jumps = f'{JUMP}market = "CALL"\nvolatility = "0.5"{JUMP}market = "BTC"\nfactor = "1.5"'
    found = oc.Scenario.from_toml(BASE + jumps).agenda.volatilities
    assert [tuple(each) for each in found] == [
        (5 * 10**9, 0, 2, {"vol_ppm": 500_000}), (5 * 10**9, 0, 0, {"factor_ppm": 1_500_000}),
    ]  # fmt: skip


# --- the shipped scenario ------------------------------------------------------------------------


def kinds(tape: oc.Tape) -> list[int]:
    return [int(kind) for kind in tape.steps["kind"]]


def test_the_shipped_scenario_loses_its_hedges_and_is_sold() -> None:
    scenario = oc.scenarios.load("lost-hedge")
    tape = oc.run(scenario)
    steps = kinds(tape)
    assert steps.index(StepKind.ADL) < steps.index(StepKind.EXPIRY) < steps.index(
        StepKind.LIQUIDATION)  # fmt: skip
    assert tape.liquidations["outcome"].tolist() == [Outcome.CLOSED]
    asked = tape.tables["scopes"]["maintenance"].tolist()
    assert 13_280_040 in asked  # the far fall counts a little more, as its share is rounded up
    calm = oc.run(scenario.set("volatility[0].factor=1"))
    assert StepKind.ADL not in kinds(calm)
    month = oc.run(scenario.set("venue[0].market[1].expiry.at_s=2592000"))
    sold = month.steps["time_ns"][month.steps["kind"] == StepKind.LIQUIDATION].tolist()
    assert sold in ([], [2_592_000 * 10**9])


def test_the_story_tells_of_the_jump_the_deleveraging_and_the_worthless_end() -> None:
    told = tell(oc.run(oc.scenarios.load("lost-hedge"))).splitlines()
    assert "t = 172,800 s, step 0: volatility of COIN-10000-P 50 % → 350 %" in told
    gone = "step 2: 30.0 units COIN-10000-P of account writer go to account hedged by ADL"
    assert f"{gone}, without an order" in told
    assert "t = 604,800 s, step 5: COIN-10000-P expires: 2 positions settled at 0.0" in told


def test_a_world_goes_on_under_other_rules_with_its_options_priced_as_before() -> None:
    scenario = oc.scenarios.load("lost-hedge")
    with oc.World(scenario) as world, oc.World(scenario) as same:
        world.run(3)
        same.run(3)
        world.change(scenario.set("exit_buffer=0.01"))
        world.change(scenario)
        world.run()
        same.run()
        assert world.state_hash() == same.state_hash()
        assert world.tape().marks["mark"].tolist() == same.tape().marks["mark"].tolist()
    with pytest.raises(ConfigError, match="must be the same"), oc.World(scenario) as world:
        world.change(scenario.set("portfolio.contingency=0.01"))


def test_the_audit_says_that_it_does_not_play_portfolios_again() -> None:
    checked = oc.audit(oc.run(oc.scenarios.load("lost-hedge")))
    assert checked.ok
    assert any("portfolio" in gap.reason for gap in checked.gaps)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("liquidation_fee_base='surplus'", "liquidation_fee_base"),
        ("settle_to_mark=true", "settle_to_mark"),
        ("levels={ search = 1.1, initial = 1.2, release = 1.4 }", "levels"),
        ("margin_calls={ call = 2, release = 3 }", "margin_calls"),
        ("collateral=[{ name = 'EUR', price = { kind = 'rate', rate = 1 } }]", "collateral"),
        ("queue='trigger_price'", "queue 'trigger_price'"),
        ("mm_base='entry'", "mm_base 'entry'"),
        ("leg='pro_rata'", "leg 'pro_rata'"),
        ("fee_in_trigger=0.001", "fee_in_trigger"),
        ("interest={ optimum = 0.8, slope1 = 0.1, slope2 = 1, every_s = 3600 }", "interest"),
        ("adl={ overlap_check = true, price = 'bankruptcy' }", "adl.overlap_check"),
    ],
)
def test_rules_that_are_not_for_portfolios_are_told_at_their_key(rule: str, words: str) -> None:
    """When the file is read, not when a world is built."""
    with pytest.raises(ConfigError, match=words) as refused:
        oc.scenarios.load("lost-hedge").set(f"venue[0].{rule}")
    assert refused.value.path == "venue[0].portfolio"


def test_the_audit_knows_that_a_breaker_never_stops_an_option() -> None:
    """Its mark jumps by more than a tenth with the volatility; the future's does not."""
    scenario = oc.scenarios.load("lost-hedge").set(
        "venue[0].breaker=[{ kind = 'halt', scope = 'all', band_pct = 10, halt_s = 60 }]"
    )
    tape = oc.run(scenario)
    marks = tape.marks["mark"][tape.marks["market"] == 1].tolist()
    assert max(marks) > 1.1 * marks[0]
    assert StepKind.HALT not in kinds(tape)
    assert oc.audit(tape).ok


def test_an_analysis_that_sums_over_markets_is_refused() -> None:
    for asked in (oc.analysis.liquidation_map, oc.analysis.criticality):
        with pytest.raises(InputError, match="portfolio margin"):
            asked(oc.scenarios.load("lost-hedge"))


def test_the_face_of_a_venue_answers_with_the_scenarios_margin() -> None:
    with oc.World(oc.scenarios.load("lost-hedge")) as world:
        venue = world.venue("perp")
        hedged: Any = venue.standing("hedged")[0]
        assert (hedged.equity, hedged.maintenance) == (60_000, 26_880)
        assert venue.mark("COIN-10000-P") == 276
        fallen = venue.what_if("hedged", **{"COIN-PERP": 9_000})[0]
        assert fallen.equity > 60_000 - 100_000
