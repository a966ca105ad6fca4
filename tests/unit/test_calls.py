"""Margin calls: the levels, once a fall, answers after a delay, and the two limits of the delay."""

from __future__ import annotations

from typing import Any

import pytest

from ordercascade.core.planning import set_answers
from ordercascade.core.world import World
from ordercascade.duties import CallAction, CallSource
from ordercascade.enums import BreakerKind, NoteKind, PostReason, PriceSource, Reject, StepKind
from ordercascade.errors import ConfigError, InputError, InputTypeError, RangeError
from ordercascade.mechanisms.breakers import Breaker
from unit.worlds import BRACKETS, holding, make, rows, run_checked

ADD, REDUCE = CallAction.ADD, CallAction.REDUCE
CALLS = {"call_ppm": 2_000_000, "release_ppm": 3_000_000}  # maintenance is 5 %


def indexed(*entries: tuple[int, int, int], **rules: Any) -> tuple[World, list[int]]:
    """A market whose mark is the index, at 100: an account for each (size, entry, money)."""
    world = World(1)
    world.add_venue(**({"calls": CALLS} | rules))
    venue = world.venue(0)
    market = {"multiplier": 100, "price_max": 10_000, "size_max": 10_000, "brackets": BRACKETS}
    venue.add_market(source=PriceSource.INDEX, index=100, **market)
    for price in range(40, 100):
        venue.seed_level(0, 0, price, 1_000)
    return world, [holding(venue, *entry) for entry in entries]


def fall(world: World, *prices: int, every: int = 10) -> None:
    for number, price in enumerate(prices, 1):
        world.schedule_index(number * every, 0, 0, price)
    world.start()
    run_checked(world)


def calls(world: World) -> list[tuple[int, ...]]:
    kinds = rows(world, "steps", "time_ns", "scope", "kind")
    return [(time, scope) for time, scope, kind in kinds if kind == StepKind.MARGIN_CALL]


def answers(world: World) -> list[int]:
    return [b for kind, b in rows(world, "notes", "kind", "b") if kind == NoteKind.ANSWER]


def test_a_scope_is_called_below_the_level_and_not_on_it() -> None:
    """10 lots at 100 with 16,200: at 92 equity is 8,200 and maintenance 4,600, twice it is 9,200;
    at 93 it is 9,200 and 9,300; at 94 10,200 and 9,400."""
    world, (scope,) = indexed((10, 100, 16_200))
    fall(world, 94, 93)
    assert calls(world) == [(20, scope)]
    world, _ = indexed((10, 100, 16_300))  # at 93: 9,300 against 9,300
    fall(world, 94, 93)
    assert calls(world) == []


def test_it_is_called_once_until_it_was_at_the_release_level() -> None:
    """Release is three times maintenance: 15,000 at 100, where equity is 16,200; 14,850 at 99,
    where it is 15,200; at 98 equity is 14,200, below 14,700."""
    world, (scope,) = indexed((10, 100, 16_200))
    fall(world, 93, 95, 93, 98, 93, 99, 93)
    assert calls(world) == [(10, scope), (70, scope)]


def test_a_call_carries_equity_and_maintenance() -> None:
    world, (scope,) = indexed((10, 100, 16_200))
    fall(world, 93)
    told = [
        row
        for row in rows(world, "notes", "kind", "scope", "a", "b")
        if row[0] == NoteKind.MARGIN_CALL
    ]
    assert told == [(NoteKind.MARGIN_CALL, scope, 9_200, 4_650)]


def test_whoever_falls_through_both_levels_at_once_is_called_and_liquidated() -> None:
    world, _ = indexed((10, 100, 16_200))
    set_answers(world, 0, 1, action=ADD, target_ppm=3_000_000)
    fall(world, 85)
    kinds = [kind for (kind,) in rows(world, "steps", "kind")]
    assert kinds.index(StepKind.MARGIN_CALL) < kinds.index(StepKind.LIQUIDATION)
    assert answers(world) == [0]  # it comes too late: the scope is flat


def test_with_delay_0_nobody_is_liquidated_who_is_called_in_time() -> None:
    """Every fall is smaller than the way from the call to maintenance, so money always comes."""
    many = [(size, 100, size * money) for size in (3, 10, 40) for money in (1_100, 1_620, 3_000)]
    world, _ = indexed(*many)
    set_answers(world, 0, 1, len(many), action=ADD, target_ppm=3_000_000)
    fall(world, *range(98, 40, -2))
    assert not rows(world, "liquidations", "step")
    assert len(calls(world)) > 2 * len(many)


def test_a_delay_longer_than_the_fall_changes_nothing_but_the_rows_of_answers() -> None:
    many = [(size, 100, size * money) for size in (3, 10, 40) for money in (1_100, 1_620, 3_000)]
    ends = []
    for delay in (None, 10**6):
        world, _ = indexed(*many)
        if delay is not None:
            how = {"action": ADD, "target_ppm": 3_000_000, "delay_ns": delay}
            set_answers(world, 0, 1, len(many), **how)
        fall(world, *range(98, 40, -2))
        ends.append(rows(world, "liquidations", "step", "scope", "lots_filled", "equity_after"))
    assert len(ends[0]) == len(many)
    assert ends[0] == ends[1]


def test_money_comes_up_to_the_target_after_the_delay() -> None:
    """At 93 equity is 9,200; three times maintenance, 4,650, is 13,950: 4,750 are missing."""
    world, (scope,) = indexed((10, 100, 16_200))
    set_answers(world, 0, 1, action=ADD, target_ppm=3_000_000, delay_ns=7)
    fall(world, 93)
    found = rows(world, "postings", "from_holder", "to_holder", "amount", "reason")
    assert found == [(-1, scope, 4_750, PostReason.DEPOSIT)]
    assert rows(world, "steps", "time_ns", "kind", "scope")[-1] == (17, StepKind.AGENTS, scope)
    assert world.venue(0).equity(scope) == 13_950


def test_a_wallet_is_emptied_over_several_calls() -> None:
    """At 87 equity is 7,950 and maintenance 4,350: 5,100 are missing, 1,250 are left."""
    world, (scope,) = indexed((10, 100, 16_200))
    set_answers(world, 0, 1, action=ADD, target_ppm=3_000_000, wallet=6_000)
    fall(world, 93, 87)
    assert answers(world) == [4_750, 1_250]
    assert world.venue(0).collateral(scope) == 22_200


def test_without_a_target_the_whole_wallet_comes_at_once() -> None:
    world, _ = indexed((10, 100, 16_200))
    set_answers(world, 0, 1, action=ADD, wallet=77)
    fall(world, 93)
    assert answers(world) == [77]


def test_an_answer_that_finds_its_scope_at_the_release_level_does_nothing() -> None:
    world, _ = indexed((10, 100, 16_200))
    set_answers(world, 0, 1, action=ADD, wallet=77, delay_ns=15)
    fall(world, 93, 100)
    assert answers(world) == [0]


def test_cross_money_fills_an_isolated_scope_and_no_other() -> None:
    world = World(1)
    world.add_venue(calls=CALLS)
    venue = world.venue(0)
    venue.add_market(multiplier=100, price_max=10_000, size_max=10_000, brackets=BRACKETS,
                     source=PriceSource.INDEX, index=100)  # fmt: skip
    for _ in range(2):
        venue.deposit(venue.open_account(), 0, 18_000)
    isolated = venue.isolate(1, 0)
    venue.move_isolated(1, 0, 16_200)
    for account in (1, 2):
        venue.open_position(account, 0, 10, 100_000)
    set_answers(world, 0, 1, 2, action=ADD, target_ppm=3_000_000, source=CallSource.CROSS)
    fall(world, 93, 90)
    found = rows(world, "postings", "to_holder", "amount", "reason")
    assert found == [(isolated, 1_800, PostReason.TRANSFER)]


def test_a_reduction_sells_the_share_of_the_heaviest_leg() -> None:
    world, (scope,) = indexed((10, 100, 16_200))
    set_answers(world, 0, 1, action=REDUCE, share_ppm=350_000, delay_ns=3)
    fall(world, 93)
    assert world.venue(0).position(scope, 0)[0] == 7
    order = rows(world, "orders", "account", "side", "size", "filled", "result")
    assert order == [(1, 1, 3, 3, 0)]
    assert answers(world) == [3]


def test_a_share_of_less_than_a_lot_is_a_lot() -> None:
    world, (scope,) = indexed((10, 100, 16_200))
    set_answers(world, 0, 1, action=REDUCE, share_ppm=1)
    fall(world, 93)
    assert world.venue(0).position(scope, 0)[0] == 9


def test_a_reduction_that_meets_the_accounts_own_order_closes_less() -> None:
    """5 of the 10 lots meet the account's own bid, and a trade with oneself changes nothing."""
    world, (scope,) = indexed((10, 100, 17_000))
    set_answers(world, 0, 1, action=REDUCE)
    world.start()
    venue = world.venue(0)
    assert venue.submit(1, 0, 0, 100, 5) > 0
    world.schedule_index(9, 0, 0, 92)
    world.run()
    assert answers(world) == [10]
    assert venue.position(scope, 0)[0] == 5


def test_the_parent_of_a_call_is_the_trade_that_moved_the_mark() -> None:
    world, venue = make(bids={100: 5, 90: 50}, calls=CALLS)
    holding(venue, 10, 100, 16_200)
    world.schedule_shock(1, 0, 0, 1, size=20)
    world.start()
    run_checked(world)
    steps = rows(world, "steps", "kind", "parent", "generation")
    shock = [kind for kind, _, _ in steps].index(StepKind.SHOCK)
    assert (StepKind.MARGIN_CALL, shock, 0) in steps


def test_a_venue_without_calls_hashes_as_if_there_were_none() -> None:
    hashes = []
    for given in ({}, {"calls": None}, {"calls": {}}):
        world, venue = make(bids={90: 50}, **given)
        holding(venue, 10, 100, 16_200)
        world.start()
        world.run()
        hashes.append(world.state_hash())
    assert len(set(hashes)) == 1


def test_levels_may_change_between_two_steps() -> None:
    from ordercascade.core.changing import change

    world, (scope,) = indexed((10, 100, 16_200))
    world.schedule_index(5, 0, 0, 96)
    world.schedule_index(9, 0, 0, 95)
    world.start()
    world.run(2)
    assert calls(world) == []
    change(world, 0, calls={"call_ppm": 3_000_000})
    world.run()
    assert [scope for _, scope in calls(world)] == [scope]
    other = world.fork()
    change(other, 0)
    other._check()
    assert other.state_hash() != world.state_hash()


@pytest.mark.parametrize(
    ("given", "path", "rule"),
    [
        ({"call_ppm": 999_999}, "calls.call_ppm", "maintenance"),
        ({"call_ppm": 2_000_000, "release_ppm": 1_999_999}, "calls.release_ppm", "at least"),
        ({"release_ppm": 2_000_000}, "calls.release_ppm", "not alone"),
        ({"warn_ppm": 1}, "calls.warn_ppm", "must be one of call_ppm, release_ppm"),
    ],
)
def test_levels_that_make_no_sense_are_refused(given: Any, path: str, rule: str) -> None:
    with pytest.raises(ConfigError, match=rule) as caught:
        World().add_venue(calls=given)
    assert caught.value.path == path


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"action": ADD, "target_ppm": 999_999}, InputError),
        ({"action": ADD, "wallet": 0}, InputError),
        ({"action": REDUCE, "share_ppm": 10**6 + 1}, InputError),
        ({"action": ADD, "delay_ns": -1}, InputError),
        ({"action": 9}, (InputError, ConfigError, InputTypeError)),
        ({"when": 1}, ConfigError),
    ],
)
def test_answers_that_make_no_sense_are_refused(given: Any, error: Any) -> None:
    world, _ = indexed((10, 100, 16_200))
    before = world.state_hash()
    with pytest.raises((error, RangeError) if not isinstance(error, tuple) else error):
        set_answers(world, 0, 1, **given)
    assert world.state_hash() == before


def test_who_is_not_there_cannot_answer() -> None:
    world, _ = indexed((10, 100, 16_200))
    for first, count in ((0, 1), (2, 1), (1, 2), (1, 0)):
        with pytest.raises(InputError):
            set_answers(world, 0, first, count, action=ADD)
    world, venue = make(bids={90: 5})
    holding(venue, 1, 100, 5_000)
    with pytest.raises(ConfigError, match="add_venue"):
        set_answers(world, 0, 1, action=ADD)


def test_levels_must_come_as_a_mapping() -> None:
    with pytest.raises(InputTypeError):
        World().add_venue(calls=[1])


def test_an_answer_past_the_bound_of_money_brings_nothing() -> None:
    world, (scope,) = indexed((10, 100, 16_200))
    venue = world.venue(0)
    venue.deposit(venue.open_account(), 0, 2**60 - 20_000)
    set_answers(world, 0, 1, action=ADD, wallet=10_000)
    fall(world, 93)
    assert answers(world) == [0]
    assert venue.collateral(scope) == 16_200


def test_requirements_that_jump_are_looked_at_every_round() -> None:
    """A slab: 5 % up to 9,300, 12 % from there. A long of 1 lot at 92 is worth 9,200; at 94 its
    maintenance is 1,128. It is called on the way up."""
    from ordercascade.core.schedule import Schedule

    world = World()
    world.add_venue(calls={"call_ppm": 1_500_000})
    venue = world.venue(0)
    table = Schedule.slab([(0, 50_000, 100_000), (9_300, 120_000, 240_000)], multiplier=100)
    venue.add_market(multiplier=100, price_max=10_000, size_max=99, index=92, schedule=table,
                     source=PriceSource.INDEX)  # fmt: skip
    scope = holding(venue, 1, 92, 1_300)
    world.schedule_index(3, 0, 0, 94)
    world.start()
    run_checked(world)
    assert calls(world) == [(3, scope)]


def two_markets(**rules: Any) -> tuple[World, Any]:
    world = World(1)
    world.add_venue(**({"calls": CALLS} | rules))
    venue = world.venue(0)
    for _ in range(2):
        venue.add_market(multiplier=100, price_max=10_000, size_max=10_000, brackets=BRACKETS,
                         source=PriceSource.INDEX, index=100)  # fmt: skip
    for market in range(2):
        for price in range(40, 100):
            venue.seed_level(market, 0, price, 1_000)
    return world, venue


def test_legs_that_fall_one_after_the_other_use_up_one_slack() -> None:
    """Two longs of 10 lots with 26,000. With both at p equity is 26,000 - 2,000 (100 - p) and
    twice maintenance 200 p: called where 26,000 - 2,000 x < 20,000 - 200 x, so x > 3.33."""
    world, venue = two_markets()
    scope = holding(venue, 10, 100, 26_000)
    venue.open_position(1, 1, 10, 100_000)
    for step in range(1, 9):
        world.schedule_index(step, 0, step % 2, 100 - (step + 1) // 2)
    world.start()
    run_checked(world)
    assert calls(world) == [(7, scope)]  # 96 and 97


def test_a_requirement_steeper_than_the_value_calls_a_long_on_the_way_up() -> None:
    """Maintenance 50 %, the level three times: at 103 equity is 15,400, the level 15,450."""
    world = World()
    world.add_venue(calls={"call_ppm": 3_000_000})
    venue = world.venue(0)
    venue.add_market(multiplier=100, price_max=10_000, size_max=99, source=PriceSource.INDEX,
                     index=100, brackets=[(0, 500_000, 0, 600_000)])  # fmt: skip
    scope = holding(venue, 1, 100, 15_100)
    for time, price in ((1, 101), (2, 103)):
        world.schedule_index(time, 0, 0, price)
    world.start()
    run_checked(world)
    assert calls(world) == [(2, scope)]


def test_of_two_legs_of_one_weight_the_lower_market_is_reduced() -> None:
    world, venue = two_markets()
    scope = holding(venue, 10, 100, 26_000)
    venue.open_position(1, 1, 10, 100_000)
    set_answers(world, 0, 1, action=REDUCE, share_ppm=500_000)
    for market in range(2):
        world.schedule_index(1, 0, market, 96)
    world.start()
    run_checked(world)
    assert [venue.position(scope, market)[0] for market in range(2)] == [5, 10]


def test_a_reduction_in_a_halted_market_has_a_row_that_says_so() -> None:
    halt = Breaker(
        BreakerKind.HALT, band_ppm=10_000, window_ns=10**9, halt_ns=10**9, everybody=True
    )
    world, (scope,) = indexed((10, 100, 16_200), breakers=[halt])
    set_answers(world, 0, 1, action=REDUCE)
    fall(world, 93)
    assert rows(world, "orders", "size", "filled", "result") == [(10, 0, Reject.HALTED)]
    assert answers(world) == [0]
    assert world.venue(0).position(scope, 0)[0] == 10
