"""Other assets as margin: haircuts, prices, jumps, conversions, and what may leave. ADR 18."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from math import isqrt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ordercascade as oc
from ordercascade.core.dislocation import schedule_collateral
from ordercascade.core.world import World
from ordercascade.duties import CollateralSource
from ordercascade.enums import (
    BreakerKind,
    HolderKind,
    MarketKind,
    NoteKind,
    PostReason,
    PriceSource,
    Reject,
    Residual,
    Side,
    StepKind,
)
from ordercascade.mechanisms.breakers import Breaker
from reference.collateral import Pledge
from unit.audit_worlds import spoil
from unit.worlds import rows

PPM = 10**6
FLAT = [(0, 10_000, 0, 20_000)]


def backed(amount: int = 0, money: int = 0, **terms: Any) -> tuple[World, Any]:
    """A world with one account that holds `amount` of asset 1, which backs asset 0."""
    world = World()
    world.add_venue(asset_count=2)
    venue = world.venue(0)
    venue.add_market(price_max=10_000, size_max=1_000, brackets=FLAT, last=100)
    world.add_collateral(0, 1, **({"price": 100} | terms))
    account = venue.open_account()
    if money:
        venue.deposit(account, 0, money)
    if amount:
        venue.deposit(account, 1, amount)
    return world, venue


def worth(amount: int, **terms: Any) -> int:
    """What an amount adds to the equity of the scope that it backs."""
    world, venue = backed(amount, 1, **terms)
    world.start()
    return int(venue.equity(venue.cross_scope(1, 0))) - 1


# ------------------------------------------------------------------ haircuts


def test_a_fixed_haircut_takes_its_share_of_every_unit() -> None:
    """7 units at 100, worth 3/2 of money each tick, less 10 %: 945, rounded down to 945."""
    assert worth(7, haircut_ppm=100_000, multiplier=3, per=2) == 945
    assert worth(7, haircut_ppm=100_001, multiplier=3, per=2) == 944
    assert worth(7, haircut_ppm=PPM) == 0


def test_tiers_take_from_each_slice_its_own_haircut() -> None:
    """25 units: 10 at 5 %, 10 at 20 %, 5 at 50 % are 9.5 + 8 + 2.5 = 20 units of 100."""
    tiers = ((0, 50_000), (10, 200_000), (20, 500_000))
    assert worth(25, tiers=tiers) == 2_000
    assert worth(10, tiers=tiers) == 950
    assert worth(11, tiers=tiers) == 1_030


def test_the_haircut_grows_with_the_root_of_the_amount() -> None:
    """MECHANISMS §14: 1 - (1 - h)(1 - Y sigma sqrt(Q/V)) with Y sigma 0.1 and h 0.2.

    A quarter of the volume costs 0.05: 0.8 x 0.95 = 0.76 is left; all of it 0.1: 0.72."""
    terms = {"haircut_ppm": 200_000, "impact_ppm": 100_000, "volume": 400}
    assert worth(100, **terms) == 7_600
    assert worth(400, **terms) == 28_800
    assert worth(40_000, **terms) == 0  # sqrt(100) x 0.1: selling so much brings nothing


def test_the_haircut_has_a_floor() -> None:
    terms = {"impact_ppm": 100_000, "volume": 400}
    assert worth(4, **terms) == 396
    assert worth(4, **terms, floor_ppm=150_000) == 340
    assert worth(1_600, **terms, floor_ppm=150_000) == 128_000


@given(
    st.integers(1, 10**12),
    st.integers(1, 10 * PPM),
    st.integers(1, 10**15),
)
def test_the_impact_is_the_least_ppm_that_is_enough(amount: int, impact: int, volume: int) -> None:
    """k is the smallest whole number with (k / 10^6)^2 >= (Y sigma)^2 Q / V, at most 10^6."""
    k = Pledge(impact_ppm=impact, volume=volume).impact(amount)
    wanted = Fraction(impact * impact * amount, volume)
    assert k == PPM or k * k >= wanted
    assert (k - 1) ** 2 < wanted
    least = isqrt(-(-wanted.numerator // wanted.denominator))
    assert k == min(PPM, least if least * least >= wanted else least + 1)


@given(
    st.integers(0, 2**50),
    st.integers(0, PPM),
    st.integers(0, 10 * PPM),
    st.integers(1, 2**50),
    st.integers(1, 10**4),
)
def test_the_engine_values_as_the_twin(
    amount: int, haircut: int, impact: int, volume: int, per: int
) -> None:
    terms = {"haircut_ppm": haircut, "multiplier": 7, "per": per, "peg_ppm": 999_999}
    if impact:
        terms |= {"impact_ppm": impact, "volume": volume}
    pledge = Pledge(price=9_973, **terms)  # type: ignore[arg-type]
    assert worth(amount, price=9_973, **terms) == min(
        2**60, pledge.worth(pledge.weighted(amount), 9_973, 999_999)
    )


# ------------------------------------------------------------------ prices


def prices(source: CollateralSource) -> tuple[World, Any, int]:
    """A long of 10 at 100 that 5 units back, valued by its own market."""
    world = World()
    world.add_venue(asset_count=2)
    venue = world.venue(0)
    venue.add_market(
        price_max=10_000, size_max=1_000, brackets=FLAT, source=PriceSource.INDEX, index=100
    )
    world.add_collateral(0, 1, source=source, market=0)
    account = venue.open_account()
    venue.deposit(account, 1, 5)
    scope = int(venue.open_position(account, 0, 10, 1_000))
    world.start()
    return world, venue, scope


@pytest.mark.parametrize("source", [CollateralSource.MARK, CollateralSource.INDEX])
def test_a_price_moves_with_its_market_and_stands_for_a_round(source: CollateralSource) -> None:
    """At 90 the coins are worth 450 and the lots 100 less: 350, of 500."""
    world, venue, scope = prices(source)
    assert venue.equity(scope) == 500
    venue.set_index(0, 90)
    assert venue.equity(scope) == 500  # until marks are taken
    assert venue.at_risk() == []
    world.settle()
    assert venue.equity(scope) == 350
    venue.set_index(0, 60)  # 300 - 400 is below the maintenance of 6
    assert venue.at_risk() == [scope]


def test_a_long_on_its_own_coin_loses_twice() -> None:
    """5 p + 10 p - 1000 >= p / 10 from p = 67.11 on; with 500 in money from 50.50 on."""
    _, venue, scope = prices(CollateralSource.MARK)
    assert venue.liquidation_price(scope, 0) == 67
    _, venue, scope = prices(CollateralSource.INDEX)  # an index stands where marks are tried
    assert venue.liquidation_price(scope, 0) == 50


def test_a_short_on_more_coins_than_it_sold_has_no_price_above() -> None:
    """20 coins and 10 sold: 20 p - 10 p + 1000 only grows."""
    world, venue = backed()
    world.add_collateral(0, 1, source=CollateralSource.MARK, market=0)
    venue.deposit(1, 1, 20)
    scope = venue.open_position(1, 0, -10, -1_000)
    world.start()
    assert venue.liquidation_price(scope, 0) is None


def test_what_if_moves_the_collateral_along() -> None:
    _, venue, scope = prices(CollateralSource.MARK)
    assert venue.what_if(scope, {0: 90}) == (350, 9)
    assert venue.what_if(scope, {}) == (500, 10)
    world, venue = backed(1, 1)
    world.add_collateral(0, 1, source=CollateralSource.MARK, market=0, multiplier=10**8)
    world.start()
    with pytest.raises(oc.InputError, match="beyond the market's range"):
        venue.what_if(venue.cross_scope(1, 0), {0: 2**31 - 1})


def test_a_jump_is_a_step_with_a_note_and_liquidates_by_itself() -> None:
    """500 back a long of 10 at 100; at a peg of 0.001 the coins count for nothing."""
    world, venue = backed(5, 1)
    scope = venue.open_position(1, 0, 10, 1_000)
    venue.seed_level(0, Side.BID, 99, 10)
    schedule_collateral(world, 7, 0, 1, peg_ppm=1_000)
    schedule_collateral(world, 5, 0, 1, price=101)
    world.start()
    world.run()
    notes = rows(world, "notes", "kind", "market", "scope", "a", "b")
    jumps = [row[1:] for row in notes if row[0] == NoteKind.COLLATERAL]
    assert jumps == [(-1, -1, 101, 2), (-1, -1, 1_000, 3)]
    fallen = rows(world, "liquidations", "step", "scope")
    (parent,) = [p for k, p in rows(world, "steps", "step", "parent") if k == fallen[0][0]]
    kinds = [kind for (kind,) in rows(world, "steps", "kind")]
    assert kinds[parent] == StepKind.SHOCK
    assert fallen[0][1] == scope


# ------------------------------------------------------------------ conversions


def failing(amount: int, bid: int, **rules: Any) -> tuple[World, Any, int]:
    """A long of 10 at 100 with 100 in money and coins of 10 each; the index falls to 50."""
    world = World()
    world.add_venue(asset_count=2, **rules)
    venue = world.venue(0)
    venue.add_market(
        price_max=10_000, size_max=1_000, brackets=FLAT, source=PriceSource.INDEX, index=100
    )
    venue.seed_level(0, Side.BID, bid, 10)
    world.add_collateral(0, 1, price=10, haircut_ppm=500_000, discount_ppm=100_000)
    account = venue.open_account()
    venue.deposit(account, 0, 100)
    venue.deposit(account, 1, amount)
    scope = int(venue.open_position(account, 0, 10, 1_000))
    world.start()
    venue.set_index(0, 50)
    world.run()
    assert not any(venue.audit().values())
    return world, venue, scope


def converted(world: World) -> list[tuple[int, int]]:
    """(asset, amount) of every posting of a conversion."""
    found = rows(world, "postings", "asset", "amount", "reason")
    return [row[:2] for row in found if row[2] == PostReason.CONVERSION]


def test_a_deficit_takes_just_enough_of_the_collateral() -> None:
    """Sold at 50 the scope owes 400; a coin brings 9, so 45 of 60 coins bring 405."""
    world, venue, scope = failing(60, 50)
    assert converted(world) == [(1, 45), (0, 405)]
    assert venue.collateral(scope) == 5
    assert venue.balance(venue.cross_scope(1, 1)) == 15
    assert venue.balance(venue.holder(HolderKind.EXTERNAL, 1)) == 45
    assert venue.fund == venue.bad_debt == 0


def test_the_rest_of_a_deficit_goes_down_the_waterfall() -> None:
    """All 30 coins bring 270 of the 400."""
    world, venue, scope = failing(30, 50)
    assert converted(world) == [(1, 30), (0, 270)]
    assert (venue.collateral(scope), venue.bad_debt) == (0, -130)
    kinds = [kind for (kind,) in rows(world, "steps", "kind")]
    assert kinds.index(StepKind.PAYMENT) < kinds.index(StepKind.WATERFALL)


def test_with_lots_left_all_of_it_is_converted_before_deleveraging() -> None:
    """Half-valued, 60 coins leave 100 + 300 - 500 below zero; converted, 140 above: it waits."""
    world, venue, scope = failing(60, 1, limit=oc.LimitRule.BANKRUPTCY)
    assert converted(world) == [(1, 60), (0, 540)]
    assert venue.equity(scope) == 140
    assert not rows(world, "adl", "step")
    world, venue, scope = failing(40, 1, limit=oc.LimitRule.BANKRUPTCY)
    assert converted(world) == [(1, 40), (0, 360)]
    assert venue.collateral(scope) == venue.position(scope, 0)[0] == 0
    assert rows(world, "adl", "step")


def test_the_fund_gets_the_money_that_is_left_and_no_coins() -> None:
    _, venue, scope = failing(60, 50, residual=Residual.FUND)
    assert (venue.collateral(scope), venue.fund) == (0, 5)
    assert venue.balance(venue.cross_scope(1, 1)) == 15


# ------------------------------------------------------------------ through a spot book


def sold(amount: int, *bids: tuple[int, int], **venue_of: Any) -> tuple[World, Any, int]:
    """A long of 10 at 100 in market 0, whose coins (10 a lot of market 1) pay for a fall to 50.

    The coins are valued by the mark of the spot market, 20 a lot, and count for nothing."""
    world = World()
    world.add_venue(asset_count=2, **venue_of)
    venue = world.venue(0)
    venue.add_market(
        price_max=10_000, size_max=1_000, brackets=FLAT, source=PriceSource.INDEX, index=100
    )
    venue.add_market(price_max=10_000, multiplier=1, last=20)
    for price, size in bids:
        venue.seed_level(1, Side.BID, price, size)
    venue.seed_level(0, Side.BID, 50, 10)
    mark = CollateralSource.MARK
    none = {"haircut_ppm": PPM}
    world.add_collateral(0, 1, source=mark, market=1, multiplier=1, per=10, spot=True, **none)
    account = venue.open_account()
    venue.deposit(account, 0, 100)
    venue.deposit(account, 1, amount)
    scope = int(venue.open_position(account, 0, 10, 1_000))
    world.start()
    venue.set_index(0, 50)
    world.run()
    assert not any(venue.audit().values())
    venue._check()
    return world, venue, scope


def test_a_deficit_sells_just_enough_lots_best_bid_first() -> None:
    """400 are owed: 15 lots at 19 bring 285, and 7 of 20 at 18 another 126."""
    world, venue, scope = sold(500, (19, 15), (18, 20))
    fills = rows(world, "fills", "market", "price", "size", "taker_account", "maker_account")
    assert fills[1:] == [(1, 19, 15, 1, 0), (1, 18, 7, 1, 0)]
    orders = rows(world, "orders", "market", "account", "side", "size", "filled")
    assert orders[-1] == (1, 1, Side.ASK, 22, 22)
    assert converted(world) == [(1, 220), (0, 411)]
    assert venue.collateral(scope) == 11
    assert venue.balance(venue.cross_scope(1, 1)) == 280
    assert venue.prices(1)[0] == venue.marks()[1] == 18
    assert venue.depth(1, Side.BID) == [(18, 13)]
    assert venue.position(scope, 1) == (0, 0)


def test_breakers_that_halt_nobody_change_nothing_of_a_sale_through_a_book() -> None:
    bids = (19, 15), (18, 20)
    halt = Breaker(BreakerKind.HALT, band_ppm=999_999, halt_ns=1)
    plain, guarded = sold(500, *bids)[0], sold(500, *bids, breakers=[halt])[0]
    for table, columns in {
        "fills": ("market", "price", "size", "taker_account"),
        "postings": ("asset", "from_holder", "to_holder", "amount"),
    }.items():
        assert rows(plain, table, *columns) == rows(guarded, table, *columns) != []


def test_what_the_bids_do_not_take_goes_at_the_mark() -> None:
    """10 lots at 19 are 190; of the 210 left, 2 a coin, 105 coins bring all."""
    world, venue, _ = sold(500, (19, 10))
    assert converted(world) == [(1, 100), (0, 190), (1, 105), (0, 210)]
    assert venue.bad_debt == 0
    world, venue, _ = sold(209, (19, 10))  # and 109 coins, less than a lot among them
    assert converted(world) == [(1, 100), (0, 190), (1, 105), (0, 210)]
    world, venue, _ = sold(109, (19, 99))
    assert converted(world) == [(1, 100), (0, 190), (1, 9), (0, 18)]
    assert venue.bad_debt == -192


def test_nobody_holds_positions_in_a_spot_market() -> None:
    world, venue, _ = sold(500, (19, 15), (18, 20))
    with pytest.raises(oc.InputError, match="size"):
        venue.submit(1, 1, Side.BID, 15, 1)
    world, venue = backed()
    spot = {"source": CollateralSource.MARK, "market": 0, "spot": True, "price": 0}
    venue.open_position(1, 0, 1, 100)
    with pytest.raises(oc.ConfigError, match="must be a market without positions"):
        world.add_collateral(0, 1, **spot)
    with pytest.raises(oc.ConfigError, match="must be of the market that values it"):
        world.add_collateral(0, 1, price=1, spot=True)
    world = World()
    world.add_venue(asset_count=3)
    world.venue(0).add_market(multiplier=7, last=5)
    with pytest.raises(oc.ConfigError, match="must make a lot"):
        world.add_collateral(0, 1, **spot, multiplier=2)
    world.add_collateral(0, 1, **spot, multiplier=7)
    with pytest.raises(oc.ConfigError, match="must be a market of its own"):
        world.add_collateral(0, 2, **spot, multiplier=7)


# ------------------------------------------------------------------ what may leave


def test_coins_may_leave_while_the_rest_covers_initial_margin() -> None:
    """10 lots at 100 ask 20; 5 coins count 500, and 480 of them may go: 4, not 5."""
    world, venue = backed(5)
    venue.open_position(1, 0, 10, 1_000)
    world.start()
    assert venue.withdraw(1, 1, 5) == Reject.INSUFFICIENT
    assert venue.withdraw(1, 1, 6) == Reject.INSUFFICIENT
    assert venue.withdraw(1, 1, 4) == 0
    assert venue.withdraw(1, 1, 1) == Reject.INSUFFICIENT
    assert venue.audit() == dict.fromkeys(venue.audit(), 0)


def test_money_may_leave_only_as_money() -> None:
    """The coins carry the position, so all 7 may go, and not one more."""
    world, venue = backed(5, 7)
    venue.open_position(1, 0, 10, 1_000)
    world.start()
    assert venue.withdraw(1, 0, 8) == Reject.INSUFFICIENT
    assert venue.withdraw(1, 0, 7) == 0


def test_coins_that_back_nothing_are_free() -> None:
    world, venue = backed(5)
    assert venue.withdraw(1, 1, 1) == 0
    world.start()
    assert venue.withdraw(1, 1, 4) == 0


def test_coins_that_count_for_nothing_may_leave_though_margin_is_short() -> None:
    world, venue = backed(5, 11, haircut_ppm=PPM)
    venue.open_position(1, 0, 10, 1_000)
    world.start()
    assert venue.withdraw(1, 1, 5) == 0


def test_coins_are_margin_for_orders() -> None:
    world, venue = backed(5)
    venue.deposit(1, 0, 1)
    world.start()
    assert venue.submit(1, 0, Side.BID, 90, 250) > 0  # asks 500 of 501
    assert venue.submit(1, 0, Side.BID, 90, 1) == Reject.INSUFFICIENT


# ------------------------------------------------------------------ set-up


@pytest.mark.parametrize(
    ("terms", "words"),
    [
        ({"price": 0}, "collateral[1].price: must be at least 1: it is the rate"),
        ({"market": 0}, "collateral[1].market: must be given just where"),
        ({"source": CollateralSource.MARK}, "collateral[1].market: must be given just where"),
        ({"multiplier": 2**44}, "collateral[1].multiplier: times the highest price, 100, must be"),
        ({"haircut_ppm": 1, "tiers": ((0, 1),)}, "collateral[1].tiers: say the haircut already"),
        ({"tiers": ((1, 0),)}, "collateral[1].tiers[0].floor: must be 0 for the first tier"),
        ({"tiers": ((0, 0), (0, 0))}, "collateral[1].tiers[1].floor: must be 0 for the first"),
        ({"tiers": ((0, 5), (9, 4))}, "collateral[1].tiers[1].haircut_ppm: must not fall"),
        ({"tiers": ((0, 5, 6),)}, "collateral[1].tiers[0]: must be (floor, haircut_ppm)"),
        ({"tiers": ((0, 0),) * 9}, "collateral[1].tiers: must be at most 8"),
        ({"impact_ppm": 1}, "collateral[1].volume: must be given just where impact_ppm is"),
        ({"backs": 1}, "collateral[1].backs: must be another asset"),
        ({"weight": 1}, "collateral[1].weight: must be one of backs, source"),
    ],
)
def test_bad_terms_are_refused_by_name(terms: dict[str, Any], words: str) -> None:
    with pytest.raises(oc.ConfigError) as error:
        backed(**terms)
    assert words in str(error.value)


def test_a_collateral_cannot_be_what_a_market_settles_in() -> None:
    world = World()
    world.add_venue(asset_count=3)
    venue = world.venue(0)
    venue.add_market(asset=1, last=5)
    with pytest.raises(oc.ConfigError, match="must not be what market 0 settles in"):
        world.add_collateral(0, 1, price=1)
    world.add_collateral(0, 2, price=1, backs=1)
    with pytest.raises(oc.ConfigError, match="must not be a collateral itself"):
        world.add_collateral(0, 0, price=1, backs=2)
    with pytest.raises(oc.ConfigError, match="must settle in asset 0"):
        world.add_collateral(0, 2, source=CollateralSource.MARK, market=0)
    venue.add_market(asset=2, last=5)  # after the collateral: found at the start
    with pytest.raises(oc.ConfigError, match="must not be what market 1 settles in"):
        world.start()


def test_an_inverse_market_values_nothing() -> None:
    world = World()
    world.add_venue(asset_count=2)
    world.venue(0).add_market(kind=MarketKind.INVERSE, size_max=9, last=5)
    with pytest.raises(oc.ConfigError, match="must be linear"):
        world.add_collateral(0, 1, source=CollateralSource.MARK, market=0)


def test_a_start_needs_the_index_that_values_and_no_settlement_to_the_mark() -> None:
    world, _ = backed()
    world.add_collateral(0, 1, source=CollateralSource.INDEX, market=0)
    with pytest.raises(oc.ConfigError, match="index not set"):
        world.start()
    world = World()
    world.add_venue(asset_count=2, stages={"variation": True})
    world.venue(0).add_market(last=5)
    world.add_collateral(0, 1, price=1)
    with pytest.raises(oc.ConfigError, match="cannot be run with variation"):
        world.start()


def test_jumps_are_judged_when_they_are_planned() -> None:
    world, _ = backed(multiplier=2**30)
    for bad in ({}, {"price": 1, "peg_ppm": 1}, {"price": 2**14 + 1}, {"peg_ppm": 4_000_001}):
        with pytest.raises(oc.InputError):
            schedule_collateral(world, 0, 0, 1, **bad)
    with pytest.raises(oc.InputError, match="must be a collateral"):
        schedule_collateral(world, 0, 0, 0, price=1)
    world, _, _ = prices(CollateralSource.MARK)
    with pytest.raises(oc.InputError, match="must be that of its source"):
        schedule_collateral(world, 0, 0, 1, price=1)


# ------------------------------------------------------------------ scenarios and faces


def test_a_depeg_takes_down_who_had_hedged_the_fall() -> None:
    """MECHANISMS §15. The fall by itself liquidates two; what they owe does not depend on the peg.

    A loop is worth 2550 x 0.95 - (2550 - 185) = 57.5 a coin after the fall, more than before; with
    the peg at 0.92 it is -136.3, and its coins sell for 19 less than it owes, and the spread.
    """
    alone, both = (
        oc.run(oc.scenarios.load("depeg", *keys), progress=False) for keys in (["jump=[]"], [])
    )
    fallen = [_names(tape) for tape in (alone, both)]
    assert fallen == [{"long-1", "long-2"}, {"long-1", "long-2", "staker-1", "loop-1", "loop-2"}]
    one, two = (int(sum(tape.liquidations["shortfall"])) for tape in (alone, both))
    assert (one, two) == (226_000, 658_000)
    assert set(alone.summary()["money_check"].values()) == {0}
    assert both.summary()["money_check"] == {"USDT": 0, "stETH": 0}


def _names(tape: oc.Tape) -> set[str]:
    named = {each["id"]: str(each["name"]) for each in tape.meta["accounts"]}
    return {named[int(account)] for account in tape.liquidations["account"]}


def test_the_long_whose_margin_is_the_coin_goes_first() -> None:
    """Both post 6,000. 2 p + 10 (p - 3000) = p / 10 at 2,521.0; in dollars 2,424.2."""
    scenario = oc.scenarios.load("coin-margin")
    venue = oc.World(scenario).venue("perp")
    assert venue.liquidation_price("coins", "COINUSD") == 2_521
    assert venue.liquidation_price("dollars", "COINUSD") == 2_424
    assert venue.assets("coins") == {"COIN": Decimal(2)}
    assert _names(oc.run(scenario, progress=False)) == {"coins"}


@pytest.mark.parametrize("name", ["depeg", "coin-margin"])
def test_the_audit_adds_up_every_asset_and_finds_a_wrong_conversion(name: str) -> None:
    tape = oc.run(oc.scenarios.load(name), progress=False)
    checked = oc.audit(tape)
    assert checked.ok
    (done,) = [check for check in checked.checks if check.name == "collateral"]
    assert done.rows > 0
    reasons = tape.tables["postings"]["reason"].tolist()
    coins, money = [k for k, why in enumerate(reasons) if why == PostReason.CONVERSION][:2]
    for row, column, by in (
        *((money, "amount", 1), (coins, "amount", -90_000), (coins, "asset", -1)),
        *((coins, "to_holder", 1), (coins, "step", -1)),
    ):
        wrong = spoil(tape, "postings", row, column, by)
        assert not oc.audit(wrong).ok, (row, column)


def test_accounts_lose_what_their_collateral_lost() -> None:
    """ "coins" ends with nothing: its 2 coins were worth 6,000 and the fund paid 43 for it.

    "dollars" loses 10 x (3000 - 2491) = 5,090, and who is hedged nothing."""
    found = oc.run(oc.scenarios.load("coin-margin"), progress=False).summary()
    assert found["users_loss"] == 600_000 + 509_000


def test_a_face_takes_and_gives_coins() -> None:
    market = oc.Market("ETH", tick_size="1", lot_size="1", settle="USD", decimals=2)
    steth = {"name": "stETH", "price": {"kind": "rate", "rate": "2000"}, "haircut": "0.1"}
    venue = oc.Venue("simple", [market], rules={"collateral": [steth]}, index={"ETH": 2000})
    account = venue.open_account()
    venue.deposit(account, 5)
    venue.deposit(account, "1.5", asset="stETH")
    assert venue.assets(account) == {"stETH": Decimal("1.5")}
    assert venue.standing(account)[0].equity == Decimal("2705")
    assert venue.withdraw(account, "2", asset="stETH") == Reject.INSUFFICIENT
    assert venue.withdraw(account, "1.5", asset="stETH") == 0
    with pytest.raises(oc.InputError, match="must be one of USD, stETH"):
        venue.deposit(account, 1, asset="BTC")
    with pytest.raises(oc.InputError, match="must be at least 0.000001"):
        venue.deposit(account, 0, asset="stETH")
