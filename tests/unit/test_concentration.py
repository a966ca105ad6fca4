"""A haircut that grows with the share of a day's volume that is held. MECHANISMS §14; ADR 29."""

from __future__ import annotations

from fractions import Fraction
from math import floor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ordercascade as oc
from ordercascade.core.world import World
from unit.worlds import run_checked

PPM = 10**6
HAND = {"haircut_ppm": 100_000, "addon_ppm": 500_000, "addon_from": 20, "traded": 100}


def worth(amount: int, **terms: Any) -> int:
    """What an amount adds to the equity of the scope that it backs, at 100 a unit."""
    world = World()
    world.add_venue(asset_count=2)
    venue = world.venue(0)
    venue.add_market(price_max=10_000, size_max=1_000, last=100)
    world.add_collateral(0, 1, price=100, **terms)
    account = venue.open_account()
    venue.deposit(account, 0, 1)
    if amount:
        venue.deposit(account, 1, amount)
    world.start()
    return int(venue.equity(venue.cross_scope(1, 0))) - 1


def test_what_is_held_beyond_a_share_of_the_volume_costs_more() -> None:
    """h 0.1, half a haircut for each day's volume beyond a fifth of one: 20 units at 0.9; 60 at 1
    - 0.1 - 0.5 x 0.4 = 0.7; 100 at 0.5. 120 would be at 0.4, which is less in all."""
    want = {20: 1_800, 21: 1_879, 60: 4_200, 100: 5_000, 101: 5_000, 120: 5_000, 10**9: 5_000}
    assert {amount: worth(amount, **HAND) for amount in want} == want


def test_an_addon_nobody_reaches_is_none() -> None:
    for amount in (0, 1, 999, 10**12):
        far = {"addon_ppm": 1, "addon_from": 10**12, "traded": 1}
        assert worth(amount, haircut_ppm=7) == worth(amount, haircut_ppm=7, **far)


def literal(amount: int, tiers: tuple[tuple[int, int], ...], addon: int, start: int,
            traded: int) -> Fraction:  # fmt: skip
    """Units times ppm by the formula of the docs, with fractions."""
    left = Fraction(0)
    for (low, haircut), high in zip(tiers, [*(t[0] for t in tiers[1:]), amount], strict=True):
        left += max(0, min(amount, max(high, low)) - low) * (PPM - haircut)
    return left - amount * addon * Fraction(max(0, amount - start), traded)


TIERS = st.sampled_from(
    [((0, 0),), ((0, 300_001),), ((0, 50_000), (20, 250_001), (90, 700_000)), ((0, PPM),)]
)


@given(TIERS, st.integers(1, 10 * PPM), st.integers(0, 80), st.integers(1, 90),
       st.integers(0, 150))  # fmt: skip
def test_it_is_the_best_that_a_smaller_amount_would_be(
    tiers: tuple[tuple[int, int], ...], addon: int, start: int, traded: int, amount: int
) -> None:
    best = max(literal(held, tiers, addon, start, traded) for held in range(amount + 1))
    said = {"addon_ppm": addon, "addon_from": start, "traded": traded, "multiplier": PPM}
    assert worth(amount, tiers=tiers, **said) == floor(best) * 100  # a millionth of a unit shows


@given(TIERS, st.integers(1, 10 * PPM), st.integers(0, 2**60), st.integers(1, 2**60),
       st.integers(0, 2**50), st.integers(0, 2**50))  # fmt: skip
def test_more_is_never_worth_less_and_below_the_top_the_formula_holds(
    tiers: tuple[tuple[int, int], ...], addon: int, start: int, traded: int, one: int, more: int
) -> None:
    said = {"tiers": tiers, "addon_ppm": addon, "addon_from": start, "traded": traded}
    less, much = worth(one, **said), worth(min(2**60, one + more), **said)
    assert less <= much
    formula = (tiers, addon, start, traded)
    if literal(one + 1, *formula) > literal(one, *formula):  # Concave: before the top.
        assert less == min(2**60, floor(literal(one, *formula)) * 100 // PPM)


def test_it_stands_beside_an_impact_and_above_a_floor() -> None:
    """60 at 0.7 of the tiers, 0.9 of it by an impact of 0.1; never above 0.5 by the floor."""
    impact = HAND | {"impact_ppm": 100_000, "volume": 60}
    assert worth(60, **impact) == 3_780
    assert worth(60, **impact, floor_ppm=500_000) == 3_000


@pytest.mark.parametrize(
    ("terms", "words"),
    [
        ({"traded": 0}, "collateral[1].traded: must be given just where addon_ppm is"),
        ({"addon_ppm": 0}, "collateral[1].traded: must be given just where addon_ppm is"),
        ({"addon_ppm": 0, "traded": 0}, "collateral[1].addon_from: needs an addon_ppm"),
        ({"addon_ppm": 10**7 + 1}, "collateral[1].addon_ppm"),
        ({"addon_from": -1}, "collateral[1].addon_from"),
        ({"traded": 2**60 + 1}, "collateral[1].traded"),
    ],
)
def test_bad_terms_are_refused_by_name(terms: dict[str, Any], words: str) -> None:
    with pytest.raises(oc.ConfigError) as error:
        worth(1, **(HAND | terms))
    assert words in str(error.value)


WHERE = "venue[0].collateral[0]."


def thin(**keys: Any) -> oc.Scenario:
    said = [f"{WHERE}{key}={value}" for key, value in keys.items()]
    return oc.scenarios.load("thin-collateral", *said)


def test_the_keys_become_whole_numbers() -> None:
    terms = (
        thin(concentration_addon="0.5", concentration_from="0.25").venues[0].collaterals[0].terms
    )
    assert (terms["addon_ppm"], terms["addon_from"], terms["traded"]) == (500_000, 25_000, 100_000)
    assert "impact_ppm" not in terms  # The venue says no haircut_impact.
    tape = oc.run(thin(concentration_addon="0.5"), progress=False)
    assert tape.meta["venues"][0]["collaterals"][0]["addon_ppm"] == 500_000
    off = thin(concentration_addon="0")
    assert "addon_ppm" not in off.venues[0].collaterals[0].terms
    assert oc.run(off, progress=False).state_hash() == oc.run(thin(), progress=False).state_hash()


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"concentration_from": "0.1"}, "concentration_from belongs to concentration_addon"),
        ({"concentration_addon": "11"}, "collateral[0].concentration_addon: must be in [0, 10]"),
        ({"concentration_addon": "-1"}, "collateral[0].concentration_addon: must be in [0, 10]"),
        (
            {"concentration_addon": "1", "concentration_from": "10.1"},
            "collateral[0].concentration_from: must be in [0, 10]",
        ),
        ({"concentration_addon": "1", "volume": "0"}, "collateral[0].volume: must be above 0"),
    ],
)
def test_a_bad_key_is_refused_with_its_path(keys: dict[str, str], words: str) -> None:
    with pytest.raises(oc.ConfigError) as error:
        thin(**keys)
    assert words in str(error.value)


def test_an_addon_needs_a_volume() -> None:
    with pytest.raises(oc.ConfigError, match="concentration_addon needs a volume"):
        oc.scenarios.load("coin-margin", WHERE + "concentration_addon=1")


def test_a_whale_is_sold_while_its_coins_still_pay() -> None:
    """1,000 coins, a day's volume, at 0.9 - 0.5 Q / 1,000 count for 405 at most, at 900: 4,050
    dollars and not 9,000. 4,050 + 100 (p - 300) < 5 p from 273.15 on: sold at 270, not at 220."""
    plain, safe = (
        oc.run(thin(**keys), progress=False) for keys in ({}, {"concentration_addon": "0.5"})
    )
    first = []
    for tape in (plain, safe):
        before = tape.marks["step"] < tape.liquidations["step"][0]
        first.append(int(tape.marks["mark"][before & (tape.marks["market"] == 0)][-1]))
    assert first == [220, 270]
    assert plain.liquidations["shortfall"].sum() > safe.liquidations["shortfall"].sum() == 0
    assert oc.audit(safe).ok


def test_a_world_with_it_adds_up() -> None:
    with oc.World(thin(concentration_addon="0.5", concentration_from="0.1")) as world:
        run_checked(world._open())
