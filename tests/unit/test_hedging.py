"""Hedge mode: two legs of one market and the liquidation price that they share. ADR 21."""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Any

import pytest

from ordercascade.core.events import SCHEMA
from ordercascade.core.monitor import Monitor
from ordercascade.core.schedule import Schedule
from ordercascade.core.world import World
from ordercascade.duties import Leg
from ordercascade.enums import (
    MarketKind,
    NoteKind,
    PriceSource,
    Side,
)
from ordercascade.errors import InputError
from unit.hedged import TIERS, at_index, pair
from unit.worlds import holding, make, rows, run_checked

BID, ASK = Side.BID, Side.ASK


def binance(money: int, long: tuple[int, int], short: tuple[int, int]) -> list[Fraction]:
    """P = (X + cum_L + cum_S − L·E_L + S·E_S) / (L·mmr_L + S·mmr_S − L + S) [BN1].

    Every price at which the tiers that were put in are those that hold there.
    """
    (lots, entry), (sold, sold_at) = long, short
    found = []
    for _, high, high_cum, _ in TIERS:
        for _, low, low_cum, _ in TIERS:
            top = money + high_cum + low_cum - lots * entry + sold * sold_at
            bottom = Fraction(lots * high + sold * low, 10**6) - lots + sold
            if bottom and (price := top / bottom) > 0:
                tiers = [
                    max(row for row in TIERS if row[0] <= size * price)[1:3]
                    for size in (lots, sold)
                ]
                if tiers == [(high, high_cum), (low, low_cum)]:
                    found.append(price)
    return sorted(set(found))


@pytest.mark.parametrize("seed", range(40))
def test_both_legs_share_the_price_of_binances_formula(seed: int) -> None:
    """The engine's tick is the last one beyond the formula's price, whatever tiers that is in.

    A tick of a lot is 1,000 units, so rounding (less than 2 units of slack) moves no price far.
    """
    rng = random.Random(seed)
    lots = rng.randint(1, 9), rng.randint(1, 9)
    entries = rng.randint(800, 1_200), rng.randint(800, 1_200)
    money = rng.randint(50_000, 2_000_000)
    world, venue = at_index(1_000, multiplier=1_000)
    scope = pair(venue, money, (lots[0], entries[0]), (lots[1], entries[1]), 1_000)
    world.start()
    prices = binance(money, (1_000 * lots[0], entries[0]), (1_000 * lots[1], entries[1]))
    tick = venue.liquidation_price(scope, 0)
    below = [price for price in prices if lots[0] > lots[1] and price < 10_000]
    if tick is None:
        assert lots[0] > lots[1]
        assert not [price for price in below if price > 1]
        return
    if not prices:  # Liquidatable at every price.
        marks = range(1, 4_000, 7)
        margins = [venue.what_if(scope, {0: mark}) for mark in marks]
        assert all(equity < asked for equity, asked in margins)
        return
    price = min(prices, key=lambda each: abs(each - tick))
    assert abs(price - tick) <= 1 + Fraction(1, 4)
    toward = 1 if lots[0] > lots[1] else -1
    for at, safe in ((tick, False), (tick + toward, True)):
        equity, asked = venue.what_if(scope, {0: at})
        assert (equity >= asked) == safe


def test_a_net_long_pair_falls_and_a_net_short_pair_rises() -> None:
    """L 10 at 100, S 4 at 100, 100 units a tick and lot, 5 %: X + 60·(P − 100)·… = 70·P·…

    Slack(P) = M + 600·(P − 100) − 0.05·1,400·P: for M = 10,000 zero at P = 50,000 / 530 = 94.3.
    The other way round: M − 600·(P − 100) − 70·P, zero at 70,000 / 670 = 104.5.
    """
    for legs, tick in (((10, 4), 94), ((4, 10), 105)):
        world, venue = make(bids={99: 5}, asks={101: 5})
        scope = pair(venue, 10_000, (legs[0], 100), (legs[1], 100), 100)
        world.start()
        assert venue.liquidation_price(scope, 0) == tick
        assert venue.initial(scope) == 14 * 100 * 100 // 10
        assert venue.maintenance(scope) == 14 * 100 * 100 // 20


def test_equal_legs_are_never_liquidated_by_a_fall() -> None:
    """10 and 10 lots: equity stands at 10,000, maintenance is 100·P: only a rise to 100 reaches it.

    With a maintenance of nothing no price at all does.
    """
    world, venue = at_index(50, brackets=[(0, 50_000, 0, 100_000)], multiplier=100)
    scope = pair(venue, 10_000, (10, 50), (10, 50), 100)
    free = pair(venue, 1, (0, 50), (0, 50))
    world.start()
    assert venue.liquidation_price(scope, 0) == 101
    assert venue.liquidation_price(free, 0) is None
    for index in (1, 100, 101):
        venue.set_index(0, index)
        assert venue.at_risk() == ([scope] if index == 101 else [])
    world, venue = at_index(50, brackets=[(0, 0, 0, 0)])
    scope = pair(venue, 5, (10, 50), (10, 50))
    world.start()
    assert venue.liquidation_price(scope, 0) is None


def unrounded(kind: MarketKind, unit: int, tiers: Any, lots: list[int], tick: int) -> Fraction:
    """What the price moves of equity less maintenance, as a fraction."""
    total = Fraction(0)
    for size in lots:
        worth = Fraction(-unit * size, tick) if kind else Fraction(unit * size * tick)
        _, rate, amount, _ = max(row for row in tiers if row[0] <= abs(worth))
        total += worth - abs(worth) * Fraction(rate, 10**6) + amount
    return total


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("kind", MarketKind)
@pytest.mark.parametrize("seed", range(8))
def test_the_price_is_the_liquidatable_tick_nearest_to_the_top(
    seed: int, kind: MarketKind, *, strict: bool
) -> None:
    """Every tick up to 400 is tried: slack has one top, and the mark stands on a side of it."""
    rng, seen = random.Random(seed), 0
    tiers = [(0, 20_000, 0, 40_000), (500, 60_000, 20, 90_000)]
    for _ in range(25):
        world = World()
        world.add_venue(trigger_strict=strict)
        venue, unit = world.venue(0), rng.choice([1, 7, 900]) * (100 if kind else 1)
        venue.add_market(
            kind=kind, multiplier=unit, price_max=400, size_max=999, brackets=tiers,
            source=PriceSource.INDEX, index=rng.randint(20, 180),
        )  # fmt: skip
        lots = [rng.randint(1, 60), -rng.randint(1, 60)]
        account = venue.open_account(hedge=True)
        venue.deposit(account, 0, rng.randint(1, 40 * unit))
        for size in lots:
            entry = rng.randint(20, 180)
            cost = -(size * unit) // entry if kind else size * unit * entry
            venue.open_position(account, 0, size, cost)
        scope = venue.scope_of(account, 0)
        world.start()
        unsafe = []
        for tick in range(1, 401):
            equity, asked = venue.what_if(scope, {0: tick})
            unsafe += [tick] if equity - asked < (0 if strict else 1) else []
        slope = [unrounded(kind, unit, tiers, lots, tick) for tick in range(1, 401)]
        rising = [tick for tick in range(1, 400) if slope[tick] > slope[tick - 1]]
        top = max(rising, default=0)
        mark, found = venue.marks()[0], venue.liquidation_price(scope, 0)
        answers = set()
        for turn in (top - 1, top, top + 1):  # An edge may lie between two ticks.
            if mark <= turn:
                answers.add(max((tick for tick in unsafe if tick <= turn), default=None))
            else:
                answers.add(min((tick for tick in unsafe if tick > turn), default=None))
        if found is None or found <= 400:
            assert found in answers
            seen += found is not None
    assert seen > 2


# The trigger index and the monitor.


def test_a_monitor_finds_pairs_by_their_common_price() -> None:
    world, venue = make(bids={99: 5}, asks={101: 5})
    scope = pair(venue, 10_000, (10, 100), (4, 100), 100)
    world.start()
    monitor = Monitor(venue)
    assert [monitor.set_mark(0, tick) for tick in (120, 96, 95, 94)] == [0, 0, 0, 1]
    assert monitor.at_risk().tolist() == [scope]
    monitor._check()
    with pytest.raises(InputError, match="net mode"):
        monitor.fill(scope, 0, 1, 100)


def test_the_tape_says_the_pairs_price_and_the_leg_that_was_closed() -> None:
    """10 long and 4 short at 100 with 10,000: liquidatable at 94, the long leg has more margin."""
    world, venue = make(bids={94: 1, 93: 50}, asks={101: 5})
    scope = pair(venue, 10_000, (10, 100), (4, 100), 100)
    world.schedule_shock(0, 0, 0, ASK, size=1)
    world.start()
    run_checked(world)
    told = rows(world, "liquidations", "scope", "side", "leg", "trigger_price", "lots_before")
    assert told[0] == (scope, ASK, Leg.LONG, 94, 10)
    assert venue.position(scope, 0, leg="short") == (-4, -40_000)


@pytest.mark.parametrize("away", [0, 3, 60])
def test_a_hedged_account_with_one_leg_gives_the_tape_of_a_net_one(away: int) -> None:
    """The last accounts differ in mode alone: their tapes are the same but for leg and note."""
    tapes = []
    for hedge in (False, True):
        world, venue = make(bids={98: 3, 97: 3, 95 - away // 10: 60}, asks={101: 50}, buffer_ppm=9)
        holding(venue, -10, 100, 30_000)
        account = venue.open_account(hedge=hedge)
        venue.deposit(account, 0, 6_000)
        venue.open_position(account, 0, 10, 100_000)
        world.schedule_shock(0, 0, 0, ASK, size=3)
        world.start()
        leg = {"leg": "long"} if hedge else {}
        venue.submit(account, 0, BID, 90, 2, **leg)
        venue.submit(account, 0, ASK, 120, 2, **leg)
        run_checked(world)
        tables = {
            name: rows(world, name, *(column for column in SCHEMA[name] if column != "leg"))
            for name in ("steps", "orders", "fills", "liquidations", "postings", "adl", "marks")
        }
        notes = [row for row in rows(world, "notes", "kind", "a") if row[0] != NoteKind.HEDGED]
        tapes.append((tables, notes, venue.equity(venue.scope_of(account, 0))))
    assert tapes[0] == tapes[1]
    assert tapes[0][0]["liquidations"]


@pytest.mark.parametrize(("long", "short"), [(9, 4), (4, 9), (5, 5)])
@pytest.mark.parametrize("kind", ["slab", "entry"])
def test_under_other_schedules_the_price_is_found_by_halves(
    kind: str, long: int, short: int
) -> None:
    """Liquidatable at the tick, safe one tick toward the mark; scanned, so never found late."""
    rows_ = [(0, 20_000, 0, 40_000), (60_000, 60_000, 0, 90_000)]
    schedule = Schedule("slab", rows=rows_, multiplier=100)
    if kind == "entry":
        schedule = Schedule("flat", rows=rows_[:1], base="entry", multiplier=100)
    world = World()
    world.add_venue()
    venue = world.venue(0)
    venue.add_market(
        multiplier=100, price_max=1_000, size_max=99, schedule=schedule,
        source=PriceSource.INDEX, index=100,
    )  # fmt: skip
    scope = pair(venue, 9_000, (long, 100), (short, 100), 100)
    world.start()
    tick = venue.liquidation_price(scope, 0)
    if long == short and kind == "entry":
        assert tick is None
        return
    toward = 1 if long > short else -1
    for at, safe in ((tick, False), (tick + toward, True)):
        equity, asked = venue.what_if(scope, {0: at})
        assert (equity >= asked) == safe
        venue.set_index(0, at)
        assert venue.at_risk() == ([] if safe else [scope])
        world._check()


def test_where_rounding_counts_over_many_ticks_256_of_them_are_tried() -> None:
    """Two legs of one lot ask 2 * ceil(p / 1000) of 201: without rounding up more than 201 above
    100,500, with it above 100,000 already. The search ends 255 ticks below the first."""
    world = World()
    world.add_venue()
    venue = world.venue(0)
    venue.add_market(
        multiplier=1, price_max=10**6, size_max=9, brackets=[(0, 1_000, 0, 2_000)],
        source=PriceSource.INDEX, index=90_000,
    )  # fmt: skip
    scope = pair(venue, 201, (1, 90_000), (1, 90_000))
    world.start()
    tick = venue.liquidation_price(scope, 0)
    assert tick == 100_500 - 255
    equity, asked = venue.what_if(scope, {0: tick})
    assert equity < asked


def test_equal_inverse_legs_under_a_slab_fall_where_their_values_have_grown() -> None:
    """Each is worth 500,000 / p and asks a twentieth: above 600 together below 84."""
    world = World()
    world.add_venue()
    venue = world.venue(0)
    schedule = Schedule(
        "slab", contract="inverse", multiplier=100_000,
        rows=[(0, 50_000, 0, 60_000), (50_000, 60_000, 0, 90_000)],
    )  # fmt: skip
    venue.add_market(
        kind=MarketKind.INVERSE, multiplier=100_000, price_max=400, size_max=99,
        schedule=schedule, source=PriceSource.INDEX, index=100,
    )  # fmt: skip
    account = venue.open_account(hedge=True)
    venue.deposit(account, 0, 600)
    venue.open_position(account, 0, 5, -5_000)
    scope = venue.open_position(account, 0, -5, 5_000)
    world.start()
    assert venue.liquidation_price(scope, 0) == 83
    for at, safe in ((84, True), (83, False)):
        venue.set_index(0, at)
        assert venue.at_risk() == ([] if safe else [scope])
        world._check()


def test_a_pair_that_no_price_liquidates_has_no_liquidation_price() -> None:
    """An inverse pair, net short: a rise lowers both values, so less and less is asked."""
    world = World()
    world.add_venue()
    venue = world.venue(0)
    venue.add_market(
        kind=MarketKind.INVERSE, multiplier=997, price_max=400, size_max=99,
        brackets=[(0, 50_000, 0, 100_000)], source=PriceSource.INDEX, index=100,
    )  # fmt: skip
    account = venue.open_account(hedge=True)
    venue.deposit(account, 0, 90)
    venue.open_position(account, 0, 5, -49)
    venue.open_position(account, 0, -9, 89)
    world.start()
    assert venue.liquidation_price(venue.scope_of(account, 0), 0) is None
