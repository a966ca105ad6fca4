"""Collateral in a scenario's words: what is read, what is refused, what is told."""

from __future__ import annotations

from typing import Any

import pytest

import ordercascade as oc
from ordercascade.core.changing import change
from ordercascade.duties import CollateralSource
from ordercascade.story import tell
from unit.audit_worlds import spoil

SCENARIO = """
schema = 1
name = "backed"
[[venue]]
name = "perp"
preset = "simple"
[[venue.market]]
name = "ETHUSD"
tick_size = "0.5"
lot_size = 1
settle = "USD"
decimals = 2
price_max = 8000
last = 2000
book = { kind = "ladder", mid = 2000, step = 1, levels = 50, size = 1 }
[[venue.collateral]]
name = "stETH"
decimals = 4
price = { kind = "mark", market = "ETHUSD" }
peg = "0.99"
haircut = "0.1"
[[venue.collateral]]
name = "EUR"
decimals = 2
price = { kind = "rate", rate = "1.08" }
[[venue.account]]
name = "A"
assets = [{ asset = "stETH", amount = "2.5" }, { asset = "EUR", amount = 100 }]
position = [{ market = "ETHUSD", side = "long", size = 2, entry_price = 2000 }]
[[transfer]]
at_s = 1
account = "A"
asset = "EUR"
amount = "-40.5"
[[jump]]
at_s = 2
collateral = "stETH"
peg = "0.9"
[[jump]]
at_s = 3
collateral = "EUR"
rate = "1.1"
"""


def read(*swaps: str) -> oc.Scenario:
    text = SCENARIO
    for old, new in zip(swaps[::2], swaps[1::2], strict=True):
        assert old in text, old
        text = text.replace(old, new, 1)
    return oc.Scenario.from_toml(text)


def terms(**more: Any) -> dict[str, Any]:
    return {"peg_ppm": 10**6} | more


def test_words_become_whole_numbers() -> None:
    """A tick of 0.5 USD is 50 cents a coin of 10^4 units: 1 / 200. EUR: 10^-7 a tick: 1 / 10^7."""
    steth, eur = read().venues[0].collaterals
    mark = terms(source=CollateralSource.MARK, market=0, multiplier=1, per=200)
    assert steth.terms == mark | {"peg_ppm": 990_000, "haircut_ppm": 100_000}
    rate = terms(source=CollateralSource.RATE, price=10_800_000, multiplier=1, per=10**7)
    assert eur.terms == rate
    (account,) = read().accounts(read().venues[0])
    assert account.assets == {1: 25_000, 2: 10_000}


def test_a_run_follows_transfers_and_jumps() -> None:
    """2.5 x 2000 x 0.99 x 0.9 + 108 = 4,563 at the start; then 59.5 EUR at 1.1 and 0.9 coins."""
    with oc.World(read()) as world:
        venue = world.venue("perp")
        assert str(venue.standing("A")[0].equity) == "4563.00"
        world.run()
        assert venue.assets("A")["EUR"] == 59.5  # type: ignore[comparison-overlap]
        assert str(venue.standing("A")[0].equity) == "4115.45"
        tape = world.tape()
    told = tell(tape)
    assert "stETH is worth 90 % of its price" in told
    assert "EUR is worth 11,000,000 ticks" in told
    assert "withdrawal of 40.50 EUR" in told
    assert oc.audit(tape).ok
    assert tape.summary()["money_check"] == {"USD": 0, "stETH": 0, "EUR": 0}
    assert tape.summary()["users_loss"] == 45_000 - 200  # 9 % of 5,000; 0.02 on 100 EUR


def test_a_conversion_is_told() -> None:
    tape = oc.run(oc.scenarios.load("coin-margin"), progress=False)
    assert "coins pays with 2.00 COIN, converted into 5,002.00 USD" in tell(tape)


def test_tiers_and_impact_are_read() -> None:
    """Y 0.8 of a volatility of 0.05 a day: 0.04."""
    lines = (
        'tiers = [{ above = 0, haircut = "0.1" }, { above = "1.5", haircut = "0.3" }]\n'
        "volatility = 0.05\nvolume = 1000\nhaircut_floor = 0.12\ndiscount = 0.01"
    )
    lines = 'haircut = "0.1"', lines
    assert "impact_ppm" not in read(*lines).venues[0].collaterals[0].terms
    lines = (*lines, 'preset = "simple"', 'preset = "simple"\nhaircut_impact = 0.8')
    found = read(*lines).venues[0].collaterals[0].terms
    assert found["tiers"] == ((0, 100_000), (15_000, 300_000))
    assert (found["impact_ppm"], found["volume"]) == (40_000, 10**7)
    assert (found["floor_ppm"], found["discount_ppm"]) == (120_000, 10_000)
    tape = oc.run(read(*lines), progress=False)
    assert tape.meta["venues"][0]["collaterals"][0]["tiers"] == [[0, 100_000], [15_000, 300_000]]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('name = "EUR"', 'name = "stETH"', "collateral[1].name: is used twice"),
        ('name = "EUR"', 'name = "USD"', "collateral[1].name: is what the venue settles in"),
        ('name = "EUR"', 'name = "E/R"', "collateral[1].name: names must be"),
        ('rate = "1.08"', "rate = 0", "price.rate: must be above 0"),
        ('rate = "1.08"', 'rate = "1.08000001"', "price.rate: must have at most 8 digits"),
        ('kind = "rate", rate', 'kind = "rate", market = "ETHUSD", rate', "market belongs to"),
        (
            'kind = "rate", rate = "1.08"',
            'kind = "rate"',
            "rate belongs to the kinds rate and beta",
        ),
        ('{ kind = "mark", market = "ETHUSD" }', '{ kind = "mark" }', "market belongs to"),
        ('market = "ETHUSD" }', 'market = "ETH" }', "price.market: must be a market of the venue"),
        ('peg = "0.99"', "peg = 5", "collateral[0].peg: must be in [0, 4]"),
        ('haircut = "0.1"', 'haircut = "0.1"\ntiers = [{ above = 0, haircut = 0 }]', "two ways"),
        ('haircut = "0.1"', "tiers = [{ above = 1, haircut = 0 }]", "tiers[0].above: must be 0"),
        (
            'haircut = "0.1"',
            "tiers = [{ above = 0, haircut = 0.2 }, { above = 1, haircut = 0.1 }]",
            "tiers[1].haircut: must not fall",
        ),
        ('haircut = "0.1"', "volatility = 1", "volatility and volume belong together"),
        ('haircut = "0.1"', "volatility = 1\nvolume = 0", "collateral[0].volume: must be above 0"),
        ('haircut = "0.1"', "volatility = 0\nvolume = 1", "[0].volatility: must be above 0"),
        (
            'preset = "simple"',
            "preset = 'simple'\nhaircut_impact = 11",
            "haircut_impact: must be in",
        ),
        ('asset = "EUR", amount = 100', 'asset = "EUR", amount = -1', "amount: must be 0 or more"),
        ('asset = "EUR", amount', 'asset = "stETH", amount', "assets[1].asset: is named twice"),
        (
            'asset = "EUR", amount = 100',
            'asset = "eur", amount = 1',
            "account[0].assets[1].asset: must be a collateral of the venue (stETH, EUR)",
        ),
        ("amount = 100", "amount = 0.001", "amount: must not be finer than 0.01"),
        ("amount = 100", "amount = 12000000000000000.0", "must be at most 2**60 units of EUR"),
        ('asset = "EUR"\namount', 'asset = "GBP"\namount', "transfer[0].asset: must be a coll"),
        ('peg = "0.9"', 'rate = "0.9"', "jump[0].rate: belongs to a stated rate"),
        ('rate = "1.1"', 'rate = "0"', "jump[1].rate: must be a multiple of 0.0000001, above 0"),
        ('rate = "1.1"', 'rate = "1.1"\npeg = 1', "a jump must have peg or rate"),
        ('collateral = "EUR"\n', "", "jump[1].collateral: is required: there are 2 collaterals"),
        (
            'preset = "simple"',
            'preset = "simple"\nsettle_to_mark = true',
            "venue[0].collateral: cannot be run at a venue whose rules say settle_to_mark",
        ),
        (
            'preset = "simple"',
            'preset = "simple"\nsocial = { mode = "day" }',
            "venue[0].collateral: cannot be run at a venue whose rules say social.mode 'day'",
        ),
    ],
)
def test_a_contradiction_is_refused_by_its_key(old: str, new: str, words: str) -> None:
    with pytest.raises(oc.ConfigError) as error:
        oc.World(read(old, new))
    assert words in str(error.value)


def test_a_price_may_be_too_fine_for_an_asset_of_few_decimals() -> None:
    swaps = *("decimals = 2", "decimals = 9"), *("price_max = 8000", "price_max = 80000")
    with pytest.raises(oc.ConfigError, match="decimals: has too few for this price"):
        read(*swaps, "decimals = 4", "decimals = 0")


def test_a_market_of_another_kind_values_nothing() -> None:
    with pytest.raises(oc.ConfigError, match="must be linear"):
        read('settle = "USD"', 'settle = "USD"\nkind = "quanto"\nquanto = 1')


def test_a_venue_without_a_market_has_no_collateral() -> None:
    text = 'schema = 1\nname = "a"\n[[venue]]\nname = "v"\n[[venue.collateral]]\nname = "C"\n'
    with pytest.raises(oc.ConfigError, match="the venue needs a market"):
        oc.Scenario.from_toml(text + 'price = { kind = "rate", rate = 1 }\n')


def test_a_running_world_takes_another_impact() -> None:
    """2.5 x 2000 x 0.99 x 0.9 = 4,455, and 108; at Y sigma 0.5 on a quarter of the volume 3/4."""
    lines = 'haircut = "0.1"', 'haircut = "0.1"\nvolatility = 0.5\nvolume = 10'
    plain, steep = read(*lines), read(*lines, 'preset = "simple"', STEEP)
    with oc.World(plain) as world:
        before = world.state_hash()
        world.change(steep)
        assert str(world.venue("perp").standing("A")[0].equity) == "3449.25"
        assert world.fork().state_hash() == world.state_hash() != before
        world._open()._check()
        world.change(plain)
        assert str(world.venue("perp").standing("A")[0].equity) == "4563.00"
        after, strict = world.state_hash(), plain.venues[0].arguments["trigger_strict"]
        for rows in ([(0, 0, 0)], [(1, 1, 0)], [(1, 10**8, 1)]):
            with pytest.raises(oc.InputError, match="asset must|volume must|impact_ppm must"):
                change(world._open(), 0, impacts=rows, trigger_strict=strict)
            assert world.state_hash() == after


SPOT = """
[[venue.market]]
name = "STETH"
tick_size = 1
lot_size = "0.1"
settle = "USD"
decimals = 2
price_max = 8000
last = 1990
book = { kind = "ladder", mid = 1990, step = 5, levels = 50, size = 1 }
[[venue.collateral]]
"""
SWAPS = (
    *(
        'price = { kind = "mark", market = "ETHUSD" }',
        'price = { kind = "mark", market = "STETH" }',
    ),
    *('haircut = "0.1"', 'haircut = "0.1"\nspot = true', "[[venue.collateral]]\n", SPOT),
)


def test_conversions_through_a_spot_book_are_followed_by_the_audit() -> None:
    """ETH falls from 2000 to 980 under a long of 5: 2.5 stETH have to pay."""
    more = "size = 2, entry_price", "size = 5, entry_price", "amount = 100", "amount = 1"
    fall = "[[jump]]", '[[shock]]\nat_s = 4\nmarket = "ETHUSD"\nside = "ask"\nsize = 40\n[[jump]]'
    away = 'asset = "EUR"\namount = "-40.5"', 'asset = "EUR"\namount = "-0.5"'
    coarse = "step = 1, levels = 50", "step = 25, levels = 60"
    tape = oc.run(read(*more, *away, *coarse, *SWAPS, *fall), progress=False)
    at = {int(step) for step in tape.liquidations["step"]}
    fills = tape.tables["fills"]
    spot = [k for k, step in enumerate(fills["step"].tolist()) if step not in at]
    rows = [k for k in spot if fills["market"][k] == 1]
    assert rows
    assert oc.audit(tape).ok
    for row, column, by in ((rows[0], "price", -1), (rows[-1], "size", 1)):
        assert not oc.audit(spoil(tape, "fills", row, column, by)).ok
    money = tape.summary()
    assert money["money_check"] == {"USD": 0, "stETH": 0, "EUR": 0}
    assert 0 < money["users_loss"] < 600_000  # never more than the account had


@pytest.mark.parametrize(
    ("swaps", "words"),
    [
        (('rate = "1.08" }', 'rate = "1.08" }\nspot = true'), "collateral[1].spot: needs the mark"),
        (
            ("decimals = 4", "decimals = 0"),
            "collateral[0].decimals: has too few for a lot of STETH",
        ),
        (
            ('market = "ETHUSD", side', 'market = "STETH", side'),
            "position[0].market: is a spot mar",
        ),
        (
            (
                *(
                    'kind = "rate", rate = "1.08" }',
                    'kind = "mark", market = "STETH" }\nspot = true',
                ),
                *('collateral = "EUR"\nrate = "1.1"', 'collateral = "EUR"\npeg = 1'),
            ),
            "collateral[1].spot: must be a market of its own",
        ),
        (
            (
                "[[transfer]]",
                '[[venue.population]]\nmarket = ["ETHUSD", "STETH"]\naccounts = 1\n'
                "leverage = 2\nnotional = 5\n[[transfer]]",
            ),
            "population[0].market: is a spot market",
        ),
    ],
)
def test_a_spot_market_is_refused_by_its_key(swaps: tuple[str, ...], words: str) -> None:
    assert read(*SWAPS).venues[0].collaterals[0].terms["spot"] is True
    with pytest.raises(oc.ConfigError) as error:
        read(*SWAPS, *swaps)
    assert words in str(error.value)


def test_a_haircut_that_knows_its_impact_liquidates_in_time() -> None:
    """The whale goes at 250, not at 220, and its coins pay; the other holder of them stands."""
    plain, aware = (
        oc.run(oc.scenarios.load("thin-collateral", *keys), progress=False)
        for keys in ([], ["venue[0].haircut_impact=0.8"])
    )
    assert plain.liquidations["mark_before"].tolist() == [220, 218]
    assert aware.liquidations["mark_before"].tolist() == [250]
    assert plain.summary()["bad_debt"] == 218_780
    assert aware.summary()["bad_debt"] == aware.summary()["fund_paid"] == 0


def test_maps_and_gauges_refuse_what_they_would_get_wrong() -> None:
    scenario = oc.scenarios.load("coin-margin")
    for ask in (oc.analysis.liquidation_map, oc.analysis.monitors, oc.analysis.criticality):
        with pytest.raises(oc.InputError, match="must not have collaterals yet"):
            ask(scenario)


STEEP = 'preset = "simple"\nhaircut_impact = 1'
