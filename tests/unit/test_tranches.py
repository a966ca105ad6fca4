"""Sizes and limits of liquidation orders as venues make them, beside their twin."""

from __future__ import annotations

import math
import os
import random
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest

from ordercascade.core.world import World
from ordercascade.duties import TrancheRule
from ordercascade.enums import MarketKind, OrderLimit, PriceSource, Side, Stop
from ordercascade.errors import ConfigError, InputError
from ordercascade.margin import Schedule
from ordercascade.mechanisms.tranches import Tranches
from reference import stages as twin
from unit.worlds import rows, run_forked

BRACKETS = [(0, 10_000, 0, 20_000), (50_000, 20_000, 500, 40_000), (200_000, 40_000, 4_500, 80_000)]
SECOND = 10**9
ROUNDS = int(os.environ.get("ORDERCASCADE_PROOF_ROUNDS", "300"))


def first_order(policy: Tranches, leg: twin.Leg, bid: int, ask: int) -> tuple[int, int]:
    """Return (lots asked, limit or 0) of the first order of an account with this leg."""
    world = World(1)
    world.add_venue(policy=policy)
    venue = world.venue(0)
    venue.add_market(
        multiplier=leg.multiplier,
        price_max=10_000,
        size_max=100_000,
        brackets=BRACKETS,
        source=PriceSource.INDEX,
        index=leg.mark,
    )
    venue.seed_level(0, Side.BID, bid, 1)
    venue.seed_level(0, Side.ASK, ask, 1)
    account = venue.open_account()
    venue.deposit(account, 0, max(1, leg.equity))
    value = leg.size * leg.unit
    venue.open_position(account, 0, leg.size, value + max(1, leg.equity) - leg.equity)
    world.start()
    world.step()
    ((lots, limit),) = rows(world, "liquidations", "lots_asked", "limit_price")
    return lots, limit


def drawn(rng: random.Random) -> twin.Leg:
    """Return a leg below its maintenance."""
    mark, multiplier = rng.randint(10, 5_000), rng.choice((1, 3, 100))
    size = rng.choice((-1, 1)) * rng.randint(1, max(1, 600_000 // (mark * multiplier)))
    need = twin.maintenance(BRACKETS, abs(size) * mark * multiplier)
    return twin.Leg(size, mark, multiplier, need - rng.randint(1, 2 * need), need, BRACKETS)


def pick(rng: random.Random) -> tuple[Tranches, Callable[[twin.Leg], int]]:
    """Return a planner and its twin."""
    rule = rng.choice(list(TrancheRule))
    numbers: dict[str, Any] = {}
    size: Callable[[twin.Leg], int] = lambda leg: leg.held  # noqa: E731
    if rule == TrancheRule.PORTION:
        given = rng.randint(0, 10**6), rng.randint(0, 90_000), rng.choice((0, 30_000))
        numbers = dict(zip(("portion_ppm", "min_value", "block_value"), given, strict=True))
        size = lambda leg: twin.portion(leg, *given)  # noqa: E731
    elif rule == TrancheRule.COVER:
        target, buffer = rng.randint(10**6, 3 * 10**6), rng.choice((0, 20_000))
        cost, up = rng.choice((0, 5_000, 60_000)), rng.random() < 0.5
        numbers = {"target_ppm": target, "buffer_ppm": buffer, "cost_ppm": cost, "round_up": up}
        size = lambda leg: twin.cover(leg, target, buffer, cost, up=up)  # noqa: E731
    elif rule == TrancheRule.TIER_DOWN:
        tiers = rng.randint(1, 3)
        numbers = {"tiers": tiers}
        size = lambda leg: twin.tier_down(leg, tiers)  # noqa: E731
    elif rule == TrancheRule.TIER_FIT:
        size = twin.tier_fit
    elif rule == TrancheRule.WINDOW:
        most = rng.randint(1, 200)
        numbers = {"capacity": most, "window_ns": 5}
        size = lambda leg: min(leg.held, most)  # noqa: E731
    limit = rng.choice((OrderLimit.MARKET, OrderLimit.FILLABLE, OrderLimit.RANGE))
    numbers |= {"spread_ppm": rng.randint(0, 2 * 10**6), "range_ppm": rng.randint(0, 900_000)}
    return Tranches(rule, limit, adjustment_ppm=rng.choice((10**6, 3 * 10**6)), **numbers), size


def test_first_orders_are_those_of_the_twin() -> None:
    rng = random.Random(5)
    seen = set()
    for _ in range(ROUNDS):
        leg = drawn(rng)
        policy, size = pick(rng)
        bid, ask = max(1, leg.mark - rng.randint(1, 9)), leg.mark + rng.randint(1, 9)
        lots, limit = first_order(policy, leg, bid, ask)
        assert lots == size(leg), (policy, leg)
        if policy.limit == OrderLimit.FILLABLE:
            assert limit == twin.fillable(leg, policy.spread_ppm, policy.adjustment_ppm), leg
        elif policy.limit == OrderLimit.RANGE:
            assert limit == twin.in_range(leg, bid, ask, policy.range_ppm), leg
        seen.add((policy.rule, policy.limit))
    assert len(seen) == len(TrancheRule) * 3 or ROUNDS < 300


@pytest.mark.parametrize("rule", list(TrancheRule))
def test_a_fork_has_every_number_of_the_rule(rule: TrancheRule) -> None:
    """None is at its default, and each is part of the state hash."""
    numbers = {"portion_ppm": 3, "min_value": 4, "block_value": 5, "cooldown_ns": 6, "ramp_ns": 7}
    numbers |= {"target_ppm": 10**6 + 8, "buffer_ppm": 9, "cost_ppm": 10, "round_up": False}
    numbers |= {"tiers": 11, "spread_ppm": 12, "adjustment_ppm": 13, "range_ppm": 14}
    numbers |= {"capacity": 15, "window_ns": 16, "skew_max": 17, "limit_all": OrderLimit.MARKET}
    world = World(1)
    world.add_venue(policy=Tranches(rule, OrderLimit.RANGE, **numbers))
    world.start()
    assert world.fork().state_hash() == world.state_hash()


def test_an_order_that_restores_the_target_heals_where_fills_are_at_the_mark() -> None:
    """Value 10,000, rate 1 %, equity 60: 40 short; a lot of 100 frees 1, so 40 lots are sold."""
    leg = twin.Leg(100, 100, 1, 60, 100, BRACKETS)
    assert first_order(Tranches(TrancheRule.COVER), leg, 99, 101)[0] == 40


def test_a_sale_that_costs_more_than_it_frees_is_for_everything() -> None:
    leg = twin.Leg(100, 100, 1, 60, 100, BRACKETS)
    toxic = Tranches(TrancheRule.COVER, cost_ppm=10_000)
    assert first_order(toxic, leg, 99, 101)[0] == 100


def test_a_small_shortage_goes_at_once_and_a_large_one_by_its_share() -> None:
    leg = twin.Leg(100, 100, 1, 60, 100, BRACKETS)
    small = Tranches(TrancheRule.COVER, portion_ppm=100_000, min_value=41, ramp_ns=10)
    large = Tranches(TrancheRule.COVER, portion_ppm=100_000, min_value=40, ramp_ns=10)
    assert first_order(small, leg, 99, 101)[0] == 40
    assert first_order(large, leg, 99, 101)[0] == 4


@pytest.mark.parametrize(
    ("numbers", "error"),
    [
        ({"portion_ppm": 10**6 + 1}, InputError),
        ({"target_ppm": 10**6 - 1}, InputError),
        ({"tiers": 0}, InputError),
        ({"rule": TrancheRule.WINDOW}, ConfigError),
        ({"rule": TrancheRule.WINDOW, "capacity": 5}, ConfigError),
    ],
)
def test_numbers_that_make_no_sense_are_refused(
    numbers: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        Tranches(**numbers)


def test_a_tranche_says_what_it_is() -> None:
    assert repr(Tranches(TrancheRule.TIER_DOWN)) == "<Tranches tier_down>"


def orders(
    policy: Tranches, size: int, mark: int, equity: int, *, bids: dict[int, int] | None = None,
    rules: dict[str, Any] | None = None, **market: Any,
) -> list[tuple[int, int]]:  # fmt: skip
    """Return (lots asked, limit or 0) of every order of an account with this leg and equity."""
    world = World(1)
    world.add_venue(policy=policy, **(rules or {}))
    venue = world.venue(0)
    given = {"multiplier": 1, "price_max": 10_000, "size_max": 100_000, "brackets": BRACKETS}
    venue.add_market(**given | market, source=PriceSource.INDEX, index=mark)
    for price, lots in (bids or {}).items():
        venue.seed_level(0, Side.BID, price, lots)
    account = venue.open_account()
    scope = venue.deposit(account, 0, 1)
    value = size * mark * market.get("multiplier", 1)
    if market.get("kind") == MarketKind.INVERSE:
        value = -size * market["multiplier"] // mark
    venue.open_position(account, 0, size, value + 1 - equity)
    world.start()
    assert venue.equity(scope) == equity
    world.run()
    return rows(world, "liquidations", "lots_asked", "limit_price")


BY_LOTS = Schedule.slab(
    [(0, 10_000, 20_000), (40, 30_000, 60_000), (100, 50_000, 90_000)], by="size"
)  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "equity", "asked"),
    [
        (Tranches(TrancheRule.TIER_DOWN, tiers=1), 599, 120 - 99),
        (Tranches(TrancheRule.TIER_DOWN, tiers=2), 599, 120 - 39),
        (Tranches(TrancheRule.TIER_FIT), 297, 120 - 99),
        (Tranches(TrancheRule.TIER_FIT), 296, 120 - 39),
        (Tranches(TrancheRule.TIER_FIT), 39, 120 - 39),
        (Tranches(TrancheRule.TIER_FIT), 38, 120),
    ],
)
def test_tiers_by_lots_are_left_by_lots(rule: Tranches, equity: int, asked: int) -> None:
    """120 lots at 100, tiers from 40 and 100 lots: 99 of them ask 297, and 39 ask 39."""
    assert orders(rule, 120, 100, equity, schedule=BY_LOTS)[0][0] == asked


def test_an_inverse_leg_is_covered_in_the_money_of_its_collateral() -> None:
    """10 lots are worth 100,000 at 100 and ask 1,500: 500 short; a lot of 10,000 frees 200."""
    inverse = {"kind": MarketKind.INVERSE, "multiplier": 10**6}
    for size in (10, -10):
        for up, asked in ((True, 3), (False, 2)):
            policy = Tranches(TrancheRule.COVER, round_up=up)
            assert orders(policy, size, 100, 1_000, **inverse)[0][0] == asked


def test_a_shortage_beyond_all_lots_is_for_everything_and_does_not_overflow() -> None:
    """2^58 missing at a price of 2^31 would be 2^129 in the middle of the formula."""
    inverse = {"kind": MarketKind.INVERSE, "multiplier": 2**20}
    inverse |= {"price_max": 2**31 - 1, "size_max": 2**40}
    policy = Tranches(TrancheRule.COVER)
    assert orders(policy, 2**39, 2**31 - 1, -(2**58), **inverse)[0][0] == 2**39


def test_a_leg_without_a_shortage_sells_a_lot_even_where_selling_frees_nothing() -> None:
    """At maintenance, and the trigger not strict: there is nothing to cover."""
    toxic = Tranches(TrancheRule.COVER, cost_ppm=10_000)
    rules = {"trigger_strict": False}
    assert orders(toxic, 100, 100, 100, rules=rules) == [(1, 0)]
    assert orders(toxic, 100, 100, 99, rules=rules) == [(100, 0)]


@pytest.mark.parametrize(("block", "asked"), [(0, 40), (2_499, 24), (2_500, 25), (5_000, 40)])
def test_a_block_caps_what_a_rule_asks_for(block: int, asked: int) -> None:
    """40 lots of 100 would do; a block of 2,499 is 24 lots, and one of less than a lot is one."""
    leg = twin.Leg(100, 100, 1, 60, 100, BRACKETS)
    assert first_order(Tranches(TrancheRule.COVER, block_value=block), leg, 99, 101)[0] == asked
    least = Tranches(TrancheRule.WHOLE, block_value=99)
    assert first_order(least, leg, 99, 101)[0] == 1


def test_whoever_is_above_maintenance_and_still_sells_gets_the_mark_as_limit() -> None:
    """Half of 100 is sold at the mark: 20,000 of equity, 13,500 asked and 25,650 to be done."""
    policy = Tranches(TrancheRule.PORTION, OrderLimit.FILLABLE, portion_ppm=500_000)
    found = orders(
        policy, 100, 9_000, 20_000, bids={9_000: 50}, rules={"buffer_ppm": 900_000}
    )  # fmt: skip
    first = math.ceil(9_000 * (1 - Fraction(4, 1_000) * Fraction(11_500, 31_500)))
    assert found[:2] == [(50, first), (25, 9_000)]


@pytest.mark.parametrize("spread", [1_234_567, 99_999_999])
@pytest.mark.parametrize(("size", "unit"), [(100, 1), (-100, 1), (10_000, 10**9), (-10_000, 10**9)])
def test_a_fillable_price_of_large_numbers_is_the_exact_one(
    spread: int, size: int, unit: int
) -> None:
    """A rate of 12,347 ppm and 10^15 asked pass 62 bits: low bits go, and no tick is lost here."""
    rates = [(0, 12_347, 0, 20_000)]
    need = twin.maintenance(rates, abs(size) * 9_000 * unit)
    leg = twin.Leg(size, 9_000, unit, need // 3, need, rates)
    policy = Tranches(
        TrancheRule.WHOLE, OrderLimit.FILLABLE, spread_ppm=spread, adjustment_ppm=700_001
    )
    found = orders(policy, size, 9_000, leg.equity, multiplier=unit, brackets=rates)
    assert found[0] == (abs(size), twin.fillable(leg, spread, 700_001))


@pytest.mark.parametrize(("size", "mark", "limit"), [(100, 101, 91), (-100, 105, 115)])
def test_a_range_without_a_book_is_around_the_mark(size: int, mark: int, limit: int) -> None:
    """10 % of it, rounded towards it: 90.9 up, 115.5 down; a bid at 50 alone is no middle."""
    policy = Tranches(TrancheRule.WHOLE, OrderLimit.RANGE, range_ppm=100_000)
    assert orders(policy, size, mark, 60, bids={50: 1})[0] == (100, limit)


def test_each_market_has_a_window_of_its_own() -> None:
    """Capacity 4 a market and instant: 6 lots in each of two are 4 and 4, then 2 and 2."""
    world = World(1)
    world.add_venue(policy=Tranches(TrancheRule.WINDOW, capacity=4, window_ns=10))
    venue = world.venue(0)
    for _ in range(2):
        venue.add_market(
            price_max=10_000, size_max=100, brackets=BRACKETS, source=PriceSource.INDEX, index=100
        )
    account = venue.open_account()
    venue.deposit(account, 0, 1)
    for market in range(2):
        venue.seed_level(market, Side.BID, 100, 50)
        venue.open_position(account, market, 6, 600)
    world.start()
    done = []
    for time_ns in (0, 9, 10):
        world.settle(time_ns)
        found = rows(world, "liquidations", "market", "lots_filled")[len(done) :]
        done += [(time_ns, *row) for row in found]
    assert [row for row in done if row[2]] == [(0, 0, 4), (0, 1, 4), (10, 0, 2), (10, 1, 2)]


def test_a_window_remembers_every_sale_however_many() -> None:
    """20 accounts of one lot and 15 a window: 15 sales in a row, and 5 when it has passed."""
    world = World(1)
    world.add_venue(policy=Tranches(TrancheRule.WINDOW, capacity=15, window_ns=10))
    venue = world.venue(0)
    venue.add_market(
        price_max=10_000, size_max=100, brackets=BRACKETS, source=PriceSource.INDEX, index=100
    )
    venue.seed_level(0, Side.BID, 100, 50)
    for _ in range(20):
        venue.open_position(venue.open_account(), 0, 1, 100)
    world.start()
    sold = []
    for time_ns in (0, 9, 10):
        world.settle(time_ns)
        sold.append(sum(lots for (lots,) in rows(world, "liquidations", "lots_filled")))
    assert sold == [15, 15, 20]


def test_who_got_nothing_of_a_spent_window_is_served_by_the_next_ones() -> None:
    """21 lots, 9 a window of 2 s: at 0, 2 and 4 s, though nothing else happens. MARGIN §6.2."""
    world = World()
    world.add_venue(policy=Tranches(TrancheRule.WINDOW, capacity=9, window_ns=2 * SECOND))
    venue = world.venue()
    venue.add_market(multiplier=10, price_max=1_000, size_max=100, brackets=BRACKETS, last=100)
    venue.seed_level(0, Side.BID, 100, 100)
    scopes = []
    for _ in range(3):
        account = venue.open_account()
        venue.deposit(account, 0, 6)  # of one lot 10 are asked
        venue.open_position(account, 0, 7, 7 * 1_000)
        scopes.append(venue.scope_of(account, 0))
    world.start()
    run_forked(world)
    times = rows(world, "steps", "time_ns")
    sold = rows(world, "liquidations", "step", "scope", "lots_filled")
    found = [(times[step][0] // SECOND, scope, lots) for step, scope, lots in sold]
    first, second, third = scopes
    assert found == [(0, first, 7), (0, second, 2), (2, second, 5), (2, third, 4), (4, third, 3)]
    assert venue.at_risk() == []
    assert world.stop == Stop.NOBODY_AT_RISK
