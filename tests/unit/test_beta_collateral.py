"""Collateral that follows a market by a beta, more in a fall. MECHANISMS §15; ADR 29."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ordercascade as oc
from ordercascade.core.dislocation import schedule_collateral
from ordercascade.core.world import World
from ordercascade.duties import CollateralSource
from ordercascade.enums import PriceSource, Side
from ordercascade.followed import followed
from unit.audit_worlds import spoil
from unit.worlds import run_checked, run_forked

PPM = 10**6
FLAT = [(0, 10_000, 0, 20_000)]
BETA = {"source": CollateralSource.MARK, "market": 0, "price": 1_000, "beta_ppm": 1_200_000}


def world_of(index: int = 100, lots: int = 1, **terms: Any) -> tuple[World, Any, int]:
    """A long (-1: short) of 1 at `index`, its mark the index, with 5 coins and no money."""
    world = World()
    world.add_venue(asset_count=2, trigger_strict=False)
    venue = world.venue(0)
    venue.add_market(
        price_max=2**22, size_max=1_000, brackets=FLAT, source=PriceSource.INDEX, index=index
    )
    venue.seed_level(0, Side.BID, max(1, index // 2), 50)
    world.add_collateral(0, 1, **(BETA | terms))
    account = venue.open_account()
    venue.deposit(account, 1, 5)
    scope = int(venue.open_position(account, 0, lots, lots * index))
    world.start()
    return world, venue, scope


def coins(venue: Any, scope: int, mark: int, index: int = 100) -> int:
    """What five coins are worth at a mark, by what_if()."""
    return int(venue.what_if(scope, {0: mark})[0]) - (mark - index)


def test_a_coin_loses_beta_times_what_the_market_loses() -> None:
    """1,000 at 100: at 90 that is 1,000 (1 - 1.2 / 10) = 880 a coin, at 110 1,120; five of them."""
    _, venue, scope = world_of()
    assert [coins(venue, scope, mark) for mark in (100, 90, 110)] == [5_000, 4_400, 5_600]
    assert coins(venue, scope, 16) == 0  # 1 - 1.2 x 0.84 is below zero
    assert coins(venue, scope, 17) == 5 * 4  # 1 - 1.2 x 0.83 = 0.004


def test_in_a_fall_beta_grows_in_a_line_up_to_its_stress() -> None:
    """1.2 to 2 at a fall of 20 %: at 90 it is 1.6, at 80 and below 2. A rise has 1.2."""
    _, venue, scope = world_of(stress_beta_ppm=2 * PPM, stress_ppm=200_000)
    want = {90: 840, 80: 600, 70: 400, 50: 0, 110: 1_120}
    assert {mark: coins(venue, scope, mark) // 5 for mark in want} == want


def test_beta_is_rounded_up_to_the_ppm_and_the_price_down() -> None:
    """A third lost of 3; from 1 a third of the way to 2 is 1.333334: 10^8 (1 - 1.333334 / 3)."""
    _, venue, scope = world_of(
        3, price=10**8, beta_ppm=PPM, stress_beta_ppm=2 * PPM, stress_ppm=PPM
    )
    assert coins(venue, scope, 2, 3) == 5 * 55_555_533


def test_a_beta_of_none_is_a_rate_and_of_one_the_market_itself() -> None:
    _, venue, scope = world_of(beta_ppm=0)
    assert [coins(venue, scope, mark) for mark in (1, 500)] == [5_000, 5_000]
    _, venue, scope = world_of(beta_ppm=PPM, price=100)
    assert [coins(venue, scope, mark) for mark in (1, 93, 500)] == [5, 465, 2_500]


def slow(
    rate: int, beta: Fraction, stress: tuple[Fraction, Fraction] | None, move: Fraction
) -> int:
    """The definition with fractions."""
    if stress is not None and move < 0:
        at, most = stress
        beta += Fraction(ceil((most - beta) * min(Fraction(1), -move / at) * PPM), PPM)
    return floor(rate * max(Fraction(0), 1 + beta * move))


@given(
    st.integers(1, 10**5),
    st.integers(1, 2**22),
    st.integers(1, 10**8),
    st.integers(0, 10 * PPM),
    st.none() | st.tuples(st.integers(1, PPM), st.integers(0, 10 * PPM)),
    st.sampled_from(list(CollateralSource)[1:]),
)
def test_the_engine_values_as_the_definition_with_fractions(
    opening: int, now: int, rate: int, beta: int, more: tuple[int, int] | None,
    source: CollateralSource,
) -> None:  # fmt: skip
    terms: dict[str, Any] = {"price": rate, "beta_ppm": beta, "source": source}
    stress = None
    if more is not None:
        at, most = more[0], max(beta, more[1])
        terms |= {"stress_ppm": at, "stress_beta_ppm": most}
        stress = Fraction(at, PPM), Fraction(most, PPM)
    world, venue, scope = world_of(opening, **terms)
    want = min(2**31 - 1, slow(rate, Fraction(beta, PPM), stress, Fraction(now, opening) - 1))
    venue.set_index(0, now)
    world.settle()
    assert followed(terms | {"multiplier": 1}, rate, opening, now) == want
    if venue.position(scope, 0)[0]:
        assert venue.equity(scope) == 5 * want + now - opening
    else:  # Sold: what is left of the coins, or nothing.
        assert 5 * want + now - opening <= -(-now // 100)


def test_a_price_stands_for_a_round_and_a_rate_and_a_peg_jump() -> None:
    """At 90 a coin of 1,000 is 880, of 2,000 1,760; the peg halves it. Less 10 for the lot."""
    for source in list(CollateralSource)[1:]:
        world, venue, scope = world_of(source=source)
        venue.set_index(0, 90)
        assert venue.equity(scope) == 5_000
        world.settle()
        assert venue.equity(scope) == 4_390
        schedule_collateral(world, 10, 0, 1, price=2_000)
        schedule_collateral(world, 20, 0, 1, peg_ppm=500_000)
        world.settle(10)
        assert venue.equity(scope) == 8_790
        run_checked(world)
        assert venue.equity(scope) == 4_390


def test_who_holds_it_is_at_risk_in_the_step_that_moves_the_market() -> None:
    """Two coins of 60 back a long of 1 at 1,000, which needs 10. At 921 a coin is 60 (1 - 3 x
    0.079) = 45.78, so 45: 90 - 79 = 11; at 919 90 - 81 = 9."""
    for mark, risky in ((921, False), (919, True)):
        world, venue, _ = world_of(1_000, price=60, beta_ppm=3 * PPM)
        venue.withdraw(1, 1, 3)
        venue.set_index(0, mark)
        worth = 2 * (60 * (1000 - 3 * (1000 - mark)) // 1000)
        need = -(-mark // 100)
        assert bool(venue.at_risk()) == (worth + mark - 1_000 < need) == risky
        world._check()


@pytest.mark.parametrize("lots", [1, -1])
@pytest.mark.parametrize("source", list(CollateralSource)[1:])
def test_a_liquidation_price_is_the_first_tick_at_which_it_would_be(
    lots: int, source: CollateralSource
) -> None:
    """Found by halves; here by trying tick by tick. At a mark the coins move along; at an index
    they stay at 300, and a long of 1 at 1,000 falls at 708, a short at 1,287. Five coins, floored
    each, make the short's way a saw of 5 on a slope of 0.11 a tick: the answer is an edge of it."""
    world, venue, scope = world_of(1_000, lots, source=source, price=60, beta_ppm=3 * PPM)
    tried = range(1_000, 0, -1) if lots > 0 else range(1_000, 5_000)
    first = next(mark for mark in tried if below(venue.what_if(scope, {0: mark})))
    found = venue.liquidation_price(scope, 0)
    assert below(venue.what_if(scope, {0: found}))
    assert not below(venue.what_if(scope, {0: found + lots}))
    assert abs(found - first) <= (46 if (lots, source) == (-1, CollateralSource.MARK) else 0)
    assert (found in (708, 1_287)) == (source == CollateralSource.INDEX)
    world._check()


def below(at: tuple[int, int]) -> bool:
    return at[0] <= at[1]


def test_a_fork_in_every_step_ends_alike() -> None:
    world, venue, _ = world_of(1_000, price=60, beta_ppm=3 * PPM, stress_ppm=100_000,
                               stress_beta_ppm=5 * PPM)  # fmt: skip
    for time, price in ((5, 960), (9, 900), (12, 700)):
        world.schedule_index(time, 0, 0, price)
    run_forked(world)
    assert venue.position(venue.cross_scope(1, 0), 0)[0] == 0


def test_the_opening_is_part_of_the_state() -> None:
    hashes = set()
    for index in (100, 101):
        world, venue, _ = world_of(index)
        venue.set_index(0, 90)
        world.settle()
        hashes.add(world.state_hash())
    assert len(hashes) == 2


@pytest.mark.parametrize(
    ("terms", "words"),
    [
        ({"source": CollateralSource.RATE, "market": -1}, "beta_ppm: must be of the mark or index"),
        ({"price": 0}, "collateral[1].beta_ppm: must be of the mark or index"),
        ({"beta_ppm": -1}, "collateral[1].beta_ppm"),
        ({"beta_ppm": 10**7 + 1}, "collateral[1].beta_ppm"),
        ({"beta_ppm": None, "stress_ppm": 5}, "stress_beta_ppm: needs a beta_ppm"),
        ({"beta_ppm": None, "stress_beta_ppm": 5}, "stress_beta_ppm: needs a beta_ppm"),
        ({"stress_ppm": 5}, "stress_ppm: must be given just where stress_beta_ppm is"),
        ({"stress_beta_ppm": 2 * PPM}, "stress_ppm: must be given just where"),
        ({"stress_ppm": 5, "stress_beta_ppm": PPM}, "collateral[1].stress_beta_ppm"),
        ({"stress_ppm": PPM + 1, "stress_beta_ppm": 2 * PPM}, "collateral[1].stress_ppm"),
        ({"multiplier": 2**40}, "collateral[1].multiplier: times the highest price, 1000"),
        ({"spot": True}, "collateral[1].spot: must be of a collateral that is what its market"),
    ],
)
def test_bad_terms_are_refused_by_name(terms: dict[str, Any], words: str) -> None:
    with pytest.raises(oc.ConfigError) as error:
        world_of(**terms)
    assert words in str(error.value)


SWAP = "price={{ kind = 'beta', market = 'ETHUSDT', rate = {}, {} }}"


def depeg(rate: int, how: str, *more: str) -> oc.Scenario:
    keys = "venue[0].collateral[0]." + SWAP.format(rate, how)
    return oc.scenarios.load("depeg", keys, *more)


def names(tape: oc.Tape) -> set[str]:
    named = {each["id"]: str(each["name"]) for each in tape.meta["accounts"]}
    return {named[int(account)] for account in tape.liquidations["account"]}


def test_a_beta_of_one_at_the_mark_is_the_mark() -> None:
    """The rate has a grid of its own, finer than the mark's; at 2,550 of 3,000 both say 2,550."""
    for peg in ([], ["jump=[]"]):
        plain, same = (
            oc.run(each, progress=False)
            for each in (oc.scenarios.load("depeg", *peg), depeg(3_000, "beta = 1", *peg))
        )
        assert plain.liquidations["shortfall"].tolist() == same.liquidations["shortfall"].tolist()
        assert plain.postings["amount"].tolist() == same.postings["amount"].tolist()


def test_a_loop_breaks_by_its_beta_as_by_a_depeg() -> None:
    """A fall of 15 %. With beta 1 the loops stand, with 1.53 a coin is worth 2,311.50 and not
    2,550, as if it had lost 9 %; the same where beta rises from 1 to 1.53 at 15 %. Of a way that
    ends at 60 % a quarter is beta 1.05: 2,527.50, of which 95 % cover what a loop owes."""
    loops = {"loop-1", "loop-2"}
    for how, broken in (
        ("beta = 1", False),
        ("beta = 1.53", True),
        ("beta = 1, stress_beta = 1.53, stress_at = 0.15", True),
        ("beta = 1, stress_beta = 1.2, stress_at = 0.6", False),
        ("beta = 1.53, of = 'index'", True),
    ):
        tape = oc.run(depeg(3_000, how, "jump=[]"), progress=False)
        assert (loops <= names(tape)) == broken, how
        assert set(tape.summary()["money_check"].values()) == {0}
        assert oc.audit(tape).ok


def test_the_audit_finds_a_wrong_conversion() -> None:
    tape = oc.run(depeg(3_000, "beta = 1.53", "jump=[]"), progress=False)
    rows = tape.postings["asset"] == 1
    assert rows.any()
    amount = int(tape.postings["amount"][rows.argmax()])
    wrong = spoil(tape, "postings", int(rows.argmax()), "amount", amount - 10**4)
    assert not oc.audit(wrong).ok


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("beta = 11", "collateral[0].price.beta: must be in [0, 10]"),
        ("beta = 1, stress_beta = 2", "stress_beta and stress_at belong together"),
        ("beta = 2, stress_beta = 1, stress_at = 1", "price.stress_beta: must be beta or more"),
        ("beta = 1, stress_beta = 2, stress_at = 0", "collateral[0].price.stress_at: must be in"),
        ("of = 'mark'", "beta belongs to kind beta, which needs it"),
        ("beta = 1, of = 'last'", "of"),
        ("beta = 0.0000001", "collateral[0].price.beta: must not be finer than a ppm"),
    ],
)
def test_a_bad_key_is_refused_with_its_path(how: str, words: str) -> None:
    with pytest.raises(oc.ConfigError) as error:
        depeg(3_000, how)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("price", "words"),
    [
        ("{ kind = 'rate', rate = 1, beta = 1 }", "beta belongs to kind beta"),
        ("{ kind = 'mark', market = 'ETHUSDT', stress_at = 1 }", "stress_at belongs to kind beta"),
        ("{ kind = 'beta', rate = 1, beta = 1 }", "market belongs to the kinds"),
        ("{ kind = 'beta', market = 'ETHUSDT', beta = 1 }", "rate belongs to the kinds"),
        ("{ kind = 'beta', market = 'ETH', rate = 1, beta = 1 }", "must be a market of the venue"),
    ],
)
def test_what_does_not_belong_to_a_price_is_refused(price: str, words: str) -> None:
    with pytest.raises(oc.ConfigError, match="price") as error:
        oc.scenarios.load("depeg", "venue[0].collateral[0].price=" + price)
    assert words in str(error.value)


def test_a_beta_is_not_sold_through_its_market_s_book() -> None:
    keys = "price={ kind = 'beta', market = 'TOKENUSD', rate = 10, beta = 1 }"
    with pytest.raises(oc.ConfigError, match="spot: needs what its market trades"):
        oc.scenarios.load("thin-collateral", "venue[0].collateral[0]." + keys)


def test_a_jump_of_the_rate_is_read_and_followed() -> None:
    jump = "jump=[{ at_s = 1, rate = 2_700 }]"
    tape = oc.run(depeg(3_000, "beta = 1", jump), progress=False)
    assert {"loop-1", "loop-2"} <= names(tape)  # 2,700 x 0.85 = 2,295 a coin
    assert oc.audit(tape).ok


def test_maps_refuse_it_as_they_do_any_collateral() -> None:
    with pytest.raises(oc.InputError, match="must not have collaterals yet"):
        oc.analysis.liquidation_map(depeg(3_000, "beta = 1"))
