"""Every tie of the agenda and of the queue: SEMANTICS §3, §9, with numbers to follow by hand.

Each test sets the keys that come later in the order against the key under test, so that a tie
broken by anything else gives other rows. Multiplier 100, maintenance 5 %, unless said otherwise:
a long of 10 lots entered at 100 with collateral c has equity c − 1,000·(100 − p) and maintenance
50·p at price p. The first user scope of a venue with one asset and one market has id 6.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest

from ordercascade.core.venue import Venue
from ordercascade.core.world import World
from ordercascade.enums import LegRule, PriceSource, QueueOrder, ShortfallAt, Side, StepKind
from unit.worlds import BRACKETS, holding, make, rows, run_checked

# --- the agenda ---------------------------------------------------------------------------------


def calm(venues: int = 1, assets: int = 1, round_ns: tuple[int, ...] = (0, 0)) -> World:
    """Nobody at risk: two markets around 100, three accounts with 1,000 of each asset."""
    world = World()
    for number in range(venues):
        venue = world.venue(world.add_venue(asset_count=assets, round_ns=round_ns[number]))
        for _ in range(2):
            market = venue.add_market(price_max=10_000, size_max=10_000, brackets=BRACKETS)
            venue.seed_level(market, Side.BID, 99, 9_000)
            venue.seed_level(market, Side.ASK, 101, 9_000)
        for account in (venue.open_account() for _ in range(3)):
            for asset in range(assets):
                venue.deposit(account, asset, 1_000)
    return world


def done(world: World) -> list[tuple[Any, ...]]:
    """Run; return (what, time, venue, market or account and amount) of every agenda step."""
    world.start()
    world.run()
    found: list[tuple[Any, ...]] = []
    amounts = {step: (to, amount) for step, to, amount in rows(world, "postings", *POSTING)}
    sizes = dict(rows(world, "orders", "step", "size"))
    for step, kind, time_ns, venue, market, cause in rows(world, "steps", *STEP):
        if kind == StepKind.AGENTS:
            found.append(("transfer", time_ns, venue, *amounts[step]))
        elif kind == StepKind.SHOCK and cause >= 0:
            found.append(("tick", time_ns, venue, market))
        elif kind == StepKind.SHOCK:
            found.append(("order", time_ns, venue, market, sizes[step]))
    return found


POSTING = ("step", "to_holder", "amount")
STEP = ("step", "kind", "time_ns", "venue", "market", "cause_market")


def test_time_comes_before_kind() -> None:
    """An order at 1 precedes a price tick at 2, though ticks go first and it was planned last."""
    world = calm()
    world.schedule_index(2, 0, 0, 100)
    world.schedule_shock(1, 0, 1, Side.ASK, size=5)
    assert done(world) == [("order", 1, 0, 1, 5), ("tick", 2, 0, 0)]


def test_a_price_tick_comes_before_a_transfer_and_that_before_an_order() -> None:
    """All at 4; planned in the opposite order, with venue and market against it: still by kind."""
    world = calm(venues=2)
    world.schedule_shock(4, 0, 0, Side.ASK, size=5)
    world.schedule_transfer(4, 0, 1, 0, 30)
    world.schedule_index(4, 1, 1, 100)
    assert done(world) == [("tick", 4, 1, 1), ("transfer", 4, 0, 7, 30), ("order", 4, 0, 0, 5)]


def test_an_order_at_the_end_of_a_cooldown_comes_first() -> None:
    """The retry at 7 meets the book that the order of the same instant left.

    Two lots sold at 0 bring the price to 90: equity 12,000 − 10,000 of 4,500. Of 10 lots 5 are
    sold, at 90 and one at 89; equity 1,900 of 2,250, pending until 7. The order of 7 takes the
    last 5 at 89, so the retry of 2 pays 88.
    """
    world, venue = make(
        bids={99: 1, 90: 5, 89: 6, 88: 9}, asks={101: 5}, fraction_ppm=500_000, cooldown_ns=7
    )
    holding(venue, 10, 100, 12_000)
    world.schedule_shock(7, 0, 0, Side.ASK, size=5)
    world.schedule_shock(0, 0, 0, Side.ASK, size=2)
    world.start()
    run_checked(world)
    sales = rows(world, "liquidations", "lots_asked", "worst_price", "equity_after")
    assert sales[0] == (5, 89, 1_900)
    assert sales[1][:2] == (2, 88)
    at_seven = [kind for kind, at in rows(world, "steps", "kind", "time_ns") if at == 7]
    assert at_seven[0] == StepKind.SHOCK


def test_venues_go_by_id_before_markets() -> None:
    """Orders at 4 in market 0 of venue 1, planned first, and market 1 of venue 0: venue 0 leads."""
    world = calm(venues=2)
    world.schedule_shock(4, 1, 0, Side.ASK, size=5)
    world.schedule_shock(4, 0, 1, Side.ASK, size=6)
    assert done(world) == [("order", 4, 0, 1, 6), ("order", 4, 1, 0, 5)]


def test_markets_go_by_id_before_the_sequence() -> None:
    world = calm()
    world.schedule_index(4, 0, 1, 100)
    world.schedule_index(4, 0, 0, 100)
    assert done(world) == [("tick", 4, 0, 0), ("tick", 4, 0, 1)]


def test_accounts_go_by_id_before_the_sequence() -> None:
    """Deposits of 31, 32, 33 for accounts 3, 2, 1 (scopes 9, 8, 7) arrive from 1 to 3."""
    world = calm()
    for amount, account in ((31, 3), (32, 2), (33, 1)):
        world.schedule_transfer(4, 0, account, 0, amount)
    expected = [("transfer", 4, 0, scope, amount) for scope, amount in ((7, 33), (8, 32), (9, 31))]
    assert done(world) == expected


def test_transfers_have_no_market_so_assets_do_not_order_them() -> None:
    """Account 1 moves asset 1, account 2 asset 0, planned first: account 1 leads all the same.

    Two assets and two markets take holders 0 … 11; account 1 has scopes 12 and 13, account 2 has
    14 and 15. Of one account the sequence decides, again whatever the asset.
    """
    world = calm(assets=2)
    world.schedule_transfer(4, 0, 2, 0, 31)
    world.schedule_transfer(4, 0, 1, 1, 32)
    world.schedule_transfer(4, 0, 1, 0, 33)
    assert [row[3:] for row in done(world)] == [(13, 32), (12, 33), (14, 31)]


def test_equal_items_go_in_the_order_in_which_they_were_planned() -> None:
    """Eleven equal orders but for their sizes: more than a heap keeps in order by luck."""
    world = calm()
    for size in (5, 3, 9, 1, 7, 11, 2, 8, 4, 10, 6):
        world.schedule_shock(4, 0, 0, Side.ASK, size=size)
    assert [row[4] for row in done(world)] == [5, 3, 9, 1, 7, 11, 2, 8, 4, 10, 6]


def test_the_sequence_decides_what_a_deposit_and_a_withdrawal_come_to() -> None:
    """1,000 of an account: −1,200 is refused before +500 and done after it (1,000 or 300 more)."""
    for amounts, left in (((-1_200, 500), 1_500), ((500, -1_200), 300)):
        world = calm()
        for amount in amounts:
            world.schedule_transfer(4, 0, 1, 0, amount)
        world.start()
        world.run()
        assert world.venue(0).balance(7) == left


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_a_venue_whose_clock_is_behind_does_not_hold_up_the_others(order: tuple[int, ...]) -> None:
    """Clocks of 1 and 10 a round: in round 1 venue 1 has reached 5 and 9, venue 0 not yet its 3.

    The items wait in a heap, whose array has the later two in either order.
    """
    world = calm(venues=2, round_ns=(1, 10))
    planned = [(0, 0, 6), (3, 0, 7), (5, 1, 8), (9, 1, 9)]  # time, venue, lots
    for i in order:
        world.schedule_shock(planned[i][0], planned[i][1], 0, Side.ASK, size=planned[i][2])
    assert [row[4] for row in done(world)] == [6, 8, 9, 7]


@pytest.mark.parametrize("venues", [1, 2])
def test_the_agenda_order_never_depends_on_the_order_of_planning(venues: int) -> None:
    """All 720 orders of planning six items with different keys run alike."""
    last = venues - 1
    plans: list[Callable[[World], None]] = [
        lambda world: world.schedule_shock(4, last, 1, Side.ASK, size=5),
        lambda world: world.schedule_shock(4, 0, 0, Side.ASK, size=6),
        lambda world: world.schedule_shock(3, 0, 1, Side.ASK, size=7),
        lambda world: world.schedule_transfer(4, last, 1, 0, 8),
        lambda world: world.schedule_transfer(4, 0, 2, 0, 9),
        lambda world: world.schedule_index(4, last, 1, 100),
    ]
    found = set()
    for order in itertools.permutations(plans):
        world = calm(venues)
        for plan in order:
            plan(world)
        found.add(tuple(done(world)))
    transfers = [("transfer", 4, 0, 8, 9), ("transfer", 4, last, 7, 8)]
    if not last:
        transfers.reverse()  # Of one venue: account 1 before account 2.
    orders = [("order", 4, 0, 0, 6), ("order", 4, last, 1, 5)]
    want = [("order", 3, 0, 1, 7), ("tick", 4, last, 1), *transfers, *orders]
    assert found == {tuple(want)}


# --- the queue ----------------------------------------------------------------------------------


def sold(world: World) -> list[int]:
    """Run; return the scopes of the first round that sold, in its order."""
    run_checked(world)
    found = rows(world, "liquidations", "step", "scope")
    rounds = {step: when for step, *when in rows(world, "steps", "step", "time_ns", "round")}
    first = rounds[found[0][0]]
    return [scope for step, scope in found if rounds[step] == first]


def outside(*, bid: int = 94, **rules: Any) -> World:
    """A venue whose mark is the outside price, 100, and that buys 9,000 lots at `bid`."""
    world = World()
    world.add_venue(**rules)
    world.venue(0).add_market(
        multiplier=100,
        price_max=10_000,
        size_max=10_000,
        brackets=BRACKETS,
        source=PriceSource.INDEX,
        index=100,
    )
    world.venue(0).seed_level(0, Side.BID, bid, 9_000)
    return world


def falling(queue: QueueOrder, *moneys: int, to: int = 95, **rules: Any) -> World:
    """Longs of 10 lots from 100 with these collaterals; at 0 the outside price falls to `to`."""
    world = outside(queue=queue, **rules)
    for money in moneys:
        holding(world.venue(0), 10, 100, money)
    world.schedule_index(0, 0, 0, to)
    world.start()
    return world


def triggers(world: World, *scopes: int) -> list[int | None]:
    return [world.venue(0).liquidation_price(scope, 0) for scope in scopes]


def test_by_scope_id_the_worse_scope_waits_its_turn() -> None:
    """At 95: scope 6 has 5,600 − 5,000 = 600, scope 7 only 100, of 4,750; 6 was first, still is."""
    assert sold(falling(QueueOrder.SCOPE_ID, 5_600, 5_100)) == [6, 7]


def test_by_trigger_price_what_was_reached_first_goes_first() -> None:
    """Liquidated below 50·p = c − 100,000 + 1,000·p: p < (100,000 − c)/950.

    5,600 → below 99.37, trigger 99; 5,100 → below 99.89, 99, too; 8,000 → below 96.84: 96;
    7,000 → below 97.89: 97. Mark 95: 4, 4, 1, 2 ticks beyond it.
    """
    world = falling(QueueOrder.TRIGGER_PRICE, 8_000, 5_600, 7_000, 5_100)
    assert triggers(world, 6, 7, 8, 9) == [96, 99, 97, 99]
    assert sold(world) == [7, 9, 8, 6]


def test_equal_triggers_go_by_scope_id_whatever_the_equity() -> None:
    """5,600, 5,200 and 5,100 all have trigger 99: by id, though 8 is worse than 7 than 6."""
    world = falling(QueueOrder.TRIGGER_PRICE, 5_600, 5_200, 5_100)
    assert triggers(world, 6, 7, 8) == [99, 99, 99]
    assert sold(world) == [6, 7, 8]


def test_by_margin_ratio_the_lowest_goes_first() -> None:
    """At 95, of 4,750: equity 600, 100, −900 (collateral 4,100), 300."""
    assert sold(falling(QueueOrder.MARGIN_RATIO, 5_600, 5_100, 4_100, 5_300)) == [8, 7, 9, 6]


def test_equal_margin_ratios_go_by_scope_id() -> None:
    assert sold(falling(QueueOrder.MARGIN_RATIO, 5_600, 5_100, 5_600, 5_100)) == [7, 9, 6, 8]


def test_the_rule_of_the_queue_alone_decides_between_two() -> None:
    """One world, three sequences: triggers 96 and 99, ratios 3,000/4,750 and 100/4,750."""
    found = [sold(falling(queue, 8_000, 5_100)) for queue in QueueOrder]
    assert dict(zip(QueueOrder, found, strict=True)) == {
        QueueOrder.SCOPE_ID: [6, 7],
        QueueOrder.TRIGGER_PRICE: [7, 6],
        QueueOrder.MARGIN_RATIO: [7, 6],
    }


def test_margin_ratios_that_differ_in_the_last_unit_are_told_apart() -> None:
    """Maintenance 4.9·10¹⁶, equities one unit apart: as doubles and in ppm the two are equal.

    10⁶ lots from 100, multiplier 10⁹, maintenance 50 %, mark 98: value 9.8·10¹⁶, loss 2·10¹⁵.
    """
    world = World()
    world.add_venue(queue=QueueOrder.MARGIN_RATIO)
    venue = world.venue(0)
    venue.add_market(
        multiplier=10**9,
        price_max=500,
        size_max=10**6,
        brackets=[(0, 500_000, 0, 600_000)],
        source=PriceSource.INDEX,
        index=100,
    )
    venue.seed_level(0, Side.BID, 97, 9)
    equity, maintenance = 48 * 10**15, 49 * 10**15
    for more in (1, 0):
        account = venue.open_account()
        venue.deposit(account, 0, equity + 2 * 10**15 + more)
        venue.open_position(account, 0, 10**6, 10**17)
    world.schedule_index(0, 0, 0, 98)
    world.start()
    one, other = Fraction(equity + 1, maintenance), Fraction(equity, maintenance)
    assert one > other
    assert float(one) == float(other)
    assert math.floor(one * 10**6) == math.floor(other * 10**6)
    assert sold(world) == [7, 6]
    assert rows(world, "liquidations", "equity_before")[:2] == [(equity,), (equity + 1,)]


def two_marks(*legs: tuple[int, int, int, int]) -> tuple[World, Venue]:
    """One account a leg (market, size, entry, collateral); multiplier 1, by trigger price.

    Markets 0 and 1 come to marks of 10,000 and 10,030; the first user scope is 7.
    """
    world = World()
    world.add_venue(queue=QueueOrder.TRIGGER_PRICE)
    venue = world.venue(0)
    for index in (10_000, 10_030):
        venue.add_market(
            price_max=100_000,
            size_max=10_000,
            brackets=BRACKETS,
            source=PriceSource.INDEX,
            index=index,
        )
    for market in range(2):
        venue.seed_level(market, Side.BID, 1, 9_000)
        venue.seed_level(market, Side.ASK, 90_000, 9_000)
    for market, size, entry, money in legs:
        account = venue.open_account()
        venue.deposit(account, 0, money)
        venue.open_position(account, market, size, size * entry)
    world.start()
    return world, venue


def at_trigger(market: int, side: int, tick: int) -> tuple[int, int, int, int]:
    """One lot from `tick` that is liquidatable there and no longer one tick towards safety.

    Maintenance there is ⌈tick/20⌉, also at tick + 1 unless 20 divides the tick: one unit less is
    too little there, and enough with the profit of one tick.
    """
    assert side < 0 or tick % 20
    return market, side, tick, -(-tick // 20) - 1


def test_distances_beyond_two_marks_compare_as_exact_ratios() -> None:
    """333 ticks beyond 10,000 are 33,300 ppm; 334 beyond 10,030 are 33,300.099… ppm, so first.

    Floored to ppm they would tie, and in ticks of a common mark nothing could be said.
    """
    world, venue = two_marks(at_trigger(0, 1, 10_333), at_trigger(1, 1, 10_364))
    assert venue.liquidation_price(7, 0) == 10_333
    assert venue.liquidation_price(8, 1) == 10_364
    assert 333 * 10**6 // 10_000 == 334 * 10**6 // 10_030
    assert sold(world) == [8, 7]


def test_a_short_is_beyond_the_mark_when_its_trigger_lies_below() -> None:
    """The long's trigger is 210 above 10,000, the short's 310 below: the short was reached first;
    exchanged, the long is. Without the side, a trigger below the mark would always come last."""
    for long, short, order in ((10_210, 9_690, [8, 7]), (10_310, 9_790, [7, 8])):
        world, venue = two_marks(at_trigger(0, 1, long), at_trigger(0, -1, short))
        assert venue.liquidation_price(7, 0) == long
        assert venue.liquidation_price(8, 0) == short
        assert sold(world) == order


def test_equal_distances_of_a_long_and_a_short_go_by_scope_id() -> None:
    for sides in ((1, -1), (-1, 1)):
        world, _ = two_marks(*(at_trigger(0, side, 10_000 + 210 * side) for side in sides))
        assert sold(world) == [7, 8]


@pytest.mark.parametrize(
    ("queue", "order"),
    [
        (QueueOrder.TRIGGER_PRICE, [9, 8, 6, 7]),
        (QueueOrder.MARGIN_RATIO, [9, 8, 7, 6]),
        (QueueOrder.SCOPE_ID, [6, 7, 8, 9]),
    ],
)
def test_pending_scopes_above_maintenance_come_last_and_by_id(
    queue: QueueOrder, order: list[int]
) -> None:
    """By trigger price only; the exit level is 10 % of the value above maintenance.

    At 95 scopes 6 and 7 (20 lots; 18,500 and 18,000) have 8,500 and 8,000 of 9,500 and sell 10
    lots at 95. At 92, a round later, they have 5,500 and 5,000 of 4,600, to leave at 13,800:
    pending, retried, above maintenance, 7 nearer to its trigger than 6. Scopes 8 and 9 (10 lots;
    11,000 and 10,500) have triggers 93 and 94, and 3,000 and 2,500 of 4,600.
    """
    world = outside(bid=95, queue=queue, fraction_ppm=500_000, buffer_ppm=100_000, round_ns=1)
    venue = world.venue(0)
    for size, money in ((20, 18_500), (20, 18_000), (10, 11_000), (10, 10_500)):
        holding(venue, size, 100, money)
    world.schedule_index(0, 0, 0, 95)
    world.schedule_index(1, 0, 0, 92)
    world.start()
    run_checked(world)
    rounds = dict(rows(world, "steps", "step", "round"))
    sales = rows(world, "liquidations", "step", "scope", "equity_before")
    second = {scope: equity for step, scope, equity in sales if rounds[step] == 1}
    assert second == {6: 5_500, 7: 5_000, 8: 3_000, 9: 2_500}
    assert list(second) == order


# --- at the trigger, and what else goes in an order ---------------------------------------------


@pytest.mark.parametrize(
    ("money", "strict", "loose"), [(9_749, 1, 1), (9_750, 0, 1), (9_751, 0, 0)]
)
def test_equity_at_maintenance_is_at_risk_only_where_the_trigger_is_not_strict(
    money: int, strict: int, loose: int
) -> None:
    """At 95 maintenance is 4,750 and the loss 5,000: 9,750 is exactly enough."""
    for trigger_strict, expected in ((True, strict), (False, loose)):
        world = falling(QueueOrder.TRIGGER_PRICE, money, trigger_strict=trigger_strict)
        run_checked(world)
        assert len(rows(world, "liquidations", "scope")) == expected


@pytest.mark.parametrize(
    ("strict", "ticks", "order"), [(True, [94, 94], [6, 7]), (False, [94, 95], [7, 6])]
)
def test_the_queue_measures_from_the_trigger_that_the_venue_uses(
    strict: bool, ticks: list[int], order: list[int]
) -> None:
    """9,800 is short below 94.95, 9,750 at 95 itself: where equality counts 7 was reached first."""
    world = falling(QueueOrder.TRIGGER_PRICE, 9_800, 9_750, to=93, trigger_strict=strict)
    assert triggers(world, 6, 7) == ticks
    assert sold(world) == order


@pytest.mark.parametrize(("strict", "sales"), [(True, 1), (False, 2)])
def test_healing_to_exactly_maintenance_is_healthy_only_where_the_trigger_is_strict(
    strict: bool, sales: int
) -> None:
    """5 of 10 lots are sold at the mark, 95: equity 7,375 − 5,000 is the 2,375 that 5 lots need.

    Where that is still at risk two more are sold: 2,375 of 1,425.
    """
    world = outside(bid=95, fraction_ppm=500_000, trigger_strict=strict)
    venue = world.venue(0)
    scope = holding(venue, 10, 100, 7_375)
    world.schedule_index(0, 0, 0, 95)
    world.start()
    run_checked(world)
    assert len(rows(world, "liquidations", "scope")) == sales
    assert venue.equity(scope) == 2_375


@pytest.mark.parametrize("leg", LegRule)
def test_equal_legs_go_by_market_id(leg: LegRule) -> None:
    """10 lots from 100 in each of two markets that fall to 95: the leg in market 0 is sold."""
    world = World()
    world.add_venue(leg=leg)
    venue = world.venue(0)
    for market in range(2):
        venue.add_market(
            multiplier=100,
            price_max=10_000,
            size_max=10_000,
            brackets=BRACKETS,
            source=PriceSource.INDEX,
            index=100,
        )
        venue.seed_level(market, Side.BID, 95, 9_000)
    account = venue.open_account()
    venue.deposit(account, 0, 15_000)
    for market in (1, 0):
        venue.open_position(account, market, 10, 100_000)
        world.schedule_index(0, 0, market, 95)
    world.start()
    run_checked(world)
    assert rows(world, "liquidations", "market") == [(0,)]


def test_at_the_end_of_the_round_losses_are_settled_in_queue_order() -> None:
    """5,500 and 4,500 (triggers 99 and 100) sell 10 lots at 94: −500 and −1,500, the second first;
    at each order the same, since the order is the queue's."""
    for when in ShortfallAt:
        world = falling(QueueOrder.TRIGGER_PRICE, 5_500, 4_500, shortfall_at=when)
        world.venue(0).fund_deposit(0, 1_600)
        assert triggers(world, 6, 7) == [99, 100]
        assert sold(world) == [7, 6]
        settled = rows(world, "steps", "kind", "scope")
        assert [scope for kind, scope in settled if kind == StepKind.WATERFALL] == [7, 6]
        paid = dict(rows(world, "liquidations", "scope", "paid_fund"))
        assert paid == {7: 1_500, 6: 100}


def test_scopes_in_cooldown_below_zero_go_by_id_before_the_queue() -> None:
    """6 and 7 sell 5 lots each at 94, 7 first (triggers 98 and 99), and rest until 10.

    At 5 the price is 80: both are below zero and handed over, 6 before 7. Only then 8, whose
    trigger is 90 and who was not in cooldown, sends its order.
    """
    world = falling(
        QueueOrder.TRIGGER_PRICE, 6_000, 5_600, 14_000, fraction_ppm=500_000, cooldown_ns=10
    )
    world.schedule_index(5, 0, 0, 80)
    assert triggers(world, 6, 7, 8) == [98, 99, 90]
    assert sold(world) == [7, 6]
    later = [row for row in rows(world, "steps", "kind", "scope", "time_ns") if row[2] == 5]
    acts = [(StepKind(kind), scope) for kind, scope, _ in later if scope >= 0]
    assert acts[:3] == [(StepKind.ADL, 6), (StepKind.ADL, 7), (StepKind.LIQUIDATION, 8)]


def test_the_scopes_nearest_to_a_trigger_are_recorded_lowest_ratio_first_ties_by_id():
    """100 lots of maintenance 50,000, 10 of 5,000 and 1 of 500: equity alone says another order."""
    world, venue = make(bids={99: 1, 90: 1000}, asks={101: 5})
    shapes = ((100, 60_000), (100, 58_001), (100, 70_000), (1, 600), (10, 7_000))
    first, second, third, fourth, fifth = (holding(venue, lots, 100, m) for lots, m in shapes)
    world.start()
    world.run()
    assert rows(world, "scopes", "step", "scope", "ratio_ppm") == [
        (-1, second, 1_160_020),
        (-1, first, 1_200_000),
        (-1, fourth, 1_200_000),
        (-1, third, 1_400_000),
        (-1, fifth, 1_400_000),
    ]


def test_no_more_than_fifty_of_the_nearest_scopes_are_recorded():
    world, venue = make(bids={99: 1, 90: 1000}, asks={101: 5})
    scopes = [holding(venue, 1, 100, 600 + 96 * i) for i in reversed(range(60))]
    world.start()
    world.run()
    assert [scope for (scope,) in rows(world, "scopes", "scope")] == scopes[:9:-1]
