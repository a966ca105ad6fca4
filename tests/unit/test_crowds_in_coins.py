"""A population that holds part of its margin in other assets. ADR 25."""

from __future__ import annotations

import pytest

import ordercascade as oc
from ordercascade.enums import PostReason, StepKind

TEXT = """
schema = 1
name = "depeg crowd"
seed = 3
[[venue]]
name = "v"
preset = "simple"
RULES
[[venue.market]]
name = "ETH"
tick_size = 1
lot_size = 0.1
settle = "USDT"
decimals = 2
oracle = { kind = "index", index = 2000 }
brackets = [{ floor = 0, maintenance = 0.01, initial = 0.02 }]
[venue.market.book]
kind = "profile"
mid = 2000
depth = [{ bps = 100, quote = 100000 }]
[[venue.collateral]]
name = "stETH"
decimals = 4
price = PRICE
haircut = 0.1
[[venue.collateral]]
name = "EUR"
decimals = 2
price = { kind = "rate", rate = 1.1 }
[[venue.population]]
market = "ETH"
accounts = 40
cross_share = CROSS
leverage = { kind = "constant", value = 5 }
notional = { kind = "constant", value = 1000 }
assets = [ASSETS]
"""
HALF = '{ asset = "stETH", share = 0.5 }, { asset = "EUR", share = 0.25 }'


def scenario(
    assets: str = HALF, *, price: str = 'kind = "mark", market = "ETH"', rules: str = "",
    cross: str = "1", more: str = "",
) -> oc.Scenario:  # fmt: skip
    text = TEXT.replace("ASSETS", assets).replace("PRICE", f"{{ {price} }}")
    return oc.Scenario.from_toml(text.replace("RULES", rules).replace("CROSS", cross) + more)


def opening(made: oc.Scenario) -> dict[int, list[int]]:
    """Return what users' scopes own at the opening, by asset."""
    with oc.World(made) as world:
        accounts = world.tape().tables["accounts"]
    users = accounts["kind"] == 0
    return {
        asset: accounts["collateral"][users & (accounts["asset"] == asset)].tolist()
        for asset in range(3)
    }


def test_a_share_of_each_deposit_is_in_coins_that_are_worth_it() -> None:
    """200 of margin: 100 in stETH at 2,000, 0.05; 50 in EUR at 1.1, 45.46 rounded up; 50 stay."""
    plain, found = opening(scenario("")), opening(scenario())
    assert plain[1] == plain[2] == []
    assert len(plain[0]) == 40
    for money, rest, coins, euros in zip(plain[0], found[0], found[1], found[2], strict=True):
        assert rest == money - money // 2 - money // 4
        assert coins == -(-(money // 2) * 10**4 // (2_000 * 100))
        assert euros == -(-(money // 4) * 10 // 11)


def test_who_is_isolated_holds_no_coins() -> None:
    found = opening(scenario(cross="0"))
    assert found[1] == found[2] == []
    assert sum(found[0]) == sum(opening(scenario("", cross="0"))[0])


JUMP = '[[jump]]\nat_s = 5\nvenue = "v"\ncollateral = "stETH"\npeg = 0.4\n'


@pytest.mark.parametrize(
    "rules", ["", 'takeover = { mode = "vault", threshold = 0.9 }', "preset = 'binance-usdm'"]
)
def test_a_depeg_hits_the_whole_crowd(rules: str) -> None:
    """Margin of 20 % of value is half in coins that lose 60 %: longs and shorts fall together."""
    if rules.startswith("preset"):
        text = scenario(more=JUMP).to_toml().replace('"simple"', '"binance-usdm"')
        made = oc.Scenario.from_toml(text)
    else:
        made = scenario(
            '{ asset = "stETH", share = 0.98 }', rules=rules, more=JUMP.replace("0.4", "0.01")
        )
    tape = oc.run(made, progress=False)
    assert oc.audit(tape).ok
    if "vault" in rules:
        kinds = tape.steps["kind"].tolist()
        assert kinds.count(StepKind.TAKEOVER) > 30
        conversions = tape.postings["reason"] == PostReason.CONVERSION
        assert conversions.sum() >= 2 * 30


@pytest.mark.parametrize(
    ("assets", "said"),
    [
        ('{ asset = "GBP", share = 0.5 }', "assets[0].asset: must be a collateral of the venue"),
        ('{ asset = "EUR", share = 1.5 }', "assets[0].share"),
        ('{ asset = "EUR", share = -0.5 }', "assets[0].share"),
        (f'{HALF}, {{ asset = "EUR", share = 0.1 }}', "assets[2].asset: is named twice"),
        (
            '{ asset = "stETH", share = 0.5 }, { asset = "EUR", share = 0.51 }',
            "assets[1].share: must leave the shares of a deposit at 1 or less",
        ),
    ],
)
def test_shares_that_cannot_be_held_are_refused(assets: str, said: str) -> None:
    with pytest.raises(oc.ConfigError) as caught:
        scenario(assets)
    assert f"venue[0].population[0].{said}" in str(caught.value)


def test_an_index_that_is_not_set_buys_no_coins(monkeypatch: pytest.MonkeyPatch) -> None:
    text = TEXT.replace('oracle = { kind = "index", index = 2000 }\n', "")
    monkeypatch.setitem(globals(), "TEXT", text)
    made = scenario(price='kind = "index", market = "ETH"')
    with pytest.raises(oc.ConfigError, match="needs a price of the asset at the opening"):
        oc.World(made)
