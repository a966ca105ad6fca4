"""Expiries: the price by each rule, exact settlement, what is left over, and a closed market."""

from __future__ import annotations

from typing import Any

import pytest

from ordercascade.core.planning import schedule_expiry
from ordercascade.core.world import World
from ordercascade.duties import ExpiryRule
from ordercascade.enums import (
    HolderKind,
    MarketKind,
    NoteKind,
    PostReason,
    PriceSource,
    Reject,
    Side,
    StepKind,
    Takeover,
    TakeoverWhen,
)
from ordercascade.errors import ConfigError, InputError
from unit.worlds import holding, make, rows, run_checked


def settled(world: Any) -> list[tuple[int, ...]]:
    """(time, market, price, positions) of each expiry."""
    times = {step: (time, kind) for step, time, kind in rows(world, "steps", "step", "time_ns",
                                                             "kind")}  # fmt: skip
    found = rows(world, "notes", "step", "kind", "market", "a", "b")
    return [(times[step][0], market, a, b) for step, kind, market, a, b in found
            if kind == NoteKind.EXPIRY]  # fmt: skip


def moving(*ticks: tuple[int, int], **market: Any) -> tuple[World, Any]:
    """A world whose mark is the index, 100 at first, then by (time, price)."""
    world = World()
    world.add_venue()
    venue = world.venue(0)
    given = {"source": PriceSource.INDEX, "index": 100, "multiplier": 100} | market
    venue.add_market(price_max=10_000, size_max=10_000, **given)
    for time, price in ticks:
        world.schedule_index(time, 0, 0, price)
    return world, venue


@pytest.mark.parametrize(
    ("rule", "window", "stated", "price"),
    [
        (ExpiryRule.MARK, 0, 0, 120),
        (ExpiryRule.INDEX, 0, 0, 120),
        (ExpiryRule.STATED, 0, 117, 117),
        (ExpiryRule.AVERAGE_MARK, 10, 0, 117),  # 3 at 110, 7 at 120
        (ExpiryRule.AVERAGE_MARK, 20, 0, 110),  # 7 at 100, 6 at 110, 7 at 120
        (ExpiryRule.AVERAGE_INDEX, 10**6, 0, 107),  # 17 at 100, 6 at 110, 7 at 120: 106.67
    ],
)
def test_the_price_is_by_the_rule(rule: ExpiryRule, window: int, stated: int, price: int) -> None:
    """At 30, after 100 until 17, 110 until 23 and 120 since."""
    world, venue = moving((17, 110), (23, 120))
    scope = holding(venue, 10, 100, 50_000)
    schedule_expiry(world, 30, 0, 0, rule=rule, window_ns=window, price=stated)
    world.start()
    run_checked(world)
    assert settled(world) == [(30, 0, price, 2)]
    assert venue.position(scope, 0) == (0, 0)
    assert venue.collateral(scope) == 50_000 + 10 * (price - 100) * 100


def test_an_average_is_rounded_to_the_nearest_tick_halves_up() -> None:
    world, _ = moving((5, 101))
    schedule_expiry(world, 10, 0, 0, rule=ExpiryRule.AVERAGE_MARK, window_ns=10)
    world.start()
    world.run()
    assert settled(world) == [(10, 0, 101, 0)]


def test_a_rule_of_the_index_without_one_takes_the_mark() -> None:
    for rule, window in ((ExpiryRule.INDEX, 0), (ExpiryRule.AVERAGE_INDEX, 3)):
        world, venue = make(bids={90: 5}, asks={110: 5})
        holding(venue, 10, 100, 50_000)
        schedule_expiry(world, 5, 0, 0, rule=rule, window_ns=window)
        world.start()
        world.run()
        assert settled(world) == [(5, 0, 100, 2)]


def test_inverse_worths_are_a_split_of_exactly_nothing() -> None:
    """K = 1,000 at 7: longs of 1 are worth -142.86 each, external's 3 sold lots 428.57. Floors are
    -143 three times and 428: 1 unit is left, and goes to the largest remainder, external's 0.57."""
    world, venue = moving(kind=MarketKind.INVERSE, multiplier=1_000, index=10)
    scopes = []
    for _ in range(3):
        account = venue.open_account()
        venue.deposit(account, 0, 10_000)
        scopes.append(venue.open_position(account, 0, 1, -100))
    schedule_expiry(world, 5, 0, 0, rule=ExpiryRule.STATED, price=7)
    world.start()
    run_checked(world)
    assert [venue.collateral(scope) for scope in scopes] == [9_957] * 3
    outside = venue.holder(HolderKind.EXTERNAL, 0)
    assert venue.balance(outside) == 3 * 43
    assert venue.balance(venue.holder(HolderKind.CLEARING, 0)) == 0


def test_all_orders_go_and_none_come_in() -> None:
    world, venue = make(bids={90: 5, 80: 7}, asks={110: 5})
    holding(venue, 10, 100, 50_000)
    schedule_expiry(world, 5, 0, 0, rule=ExpiryRule.MARK)
    world.schedule_shock(6, 0, 0, Side.ASK, size=3)
    world.start()
    mine = venue.submit(1, 0, Side.BID, 85, 2)
    run_checked(world)
    assert venue.depth(0, Side.BID) == venue.depth(0, Side.ASK) == []
    assert venue.submit(1, 0, Side.BID, 85, 2) == Reject.EXPIRED_MARKET
    assert venue.amend(1, 0, mine, size=1) == Reject.EXPIRED_MARKET
    assert venue.cancel(1, 0, mine) == Reject.UNKNOWN_ORDER
    assert rows(world, "orders", "filled", "result")[-1] == (0, Reject.EXPIRED_MARKET)


def test_the_deficit_of_whoever_expires_below_zero_goes_through_the_table() -> None:
    world, venue = moving()
    venue.set_fund(3_000)
    scope = holding(venue, 10, 100, 10_001)
    schedule_expiry(world, 5, 0, 0, rule=ExpiryRule.STATED, price=85)
    world.start()
    run_checked(world)
    steps = [kind for (kind,) in rows(world, "steps", "kind")]
    assert steps == [StepKind.EXPIRY, StepKind.WATERFALL]
    assert rows(world, "steps", "parent")[1] == (0,)
    assert venue.collateral(scope) == 0
    assert venue.fund == 0
    assert venue.bad_debt == -1_999


def test_an_open_liquidation_ends_with_what_it_could_not_sell() -> None:
    world, venue = make(bids={98: 1, 85: 2})
    scope = holding(venue, 10, 100, 16_000)
    world.schedule_shock(1, 0, 0, Side.ASK, size=2)
    schedule_expiry(world, 9, 0, 0, rule=ExpiryRule.STATED, price=95)
    world.start()
    world.run()
    world._check()
    assert rows(world, "liquidations", "outcome")
    assert venue.position(scope, 0) == (0, 0)
    assert not any(venue.audit().values())
    assert venue.at_risk() == []


def test_the_last_funding_is_paid_before_the_end() -> None:
    world, venue = moving()
    holding(venue, 10, 100, 50_000)
    schedule_expiry(world, 5, 0, 0, rule=ExpiryRule.MARK)
    world.schedule_funding(5, 0, 0, rate_ppb=10**7, every_ns=1, times=2)
    world.schedule_transfer(5, 0, 1, 0, 7)
    world.start()
    world.run()
    kinds = [kind for (kind,) in rows(world, "steps", "kind")]
    ends = [StepKind.FUNDING, StepKind.EXPIRY, StepKind.AGENTS, StepKind.FUNDING]
    assert kinds == ends
    reasons = [reason for (reason,) in rows(world, "postings", "reason")]
    assert reasons == [PostReason.FUNDING] * 2 + [PostReason.DEPOSIT]


def test_another_market_goes_on() -> None:
    world, venue = moving()
    venue.add_market(price_max=10_000, size_max=10_000, multiplier=100, index=50, last=50)
    account = venue.open_account()
    venue.deposit(account, 0, 50_000)
    for market, price in ((0, 100), (1, 50)):
        venue.open_position(account, market, 5, 5 * price * 100)
    schedule_expiry(world, 5, 0, 0, rule=ExpiryRule.STATED, price=101)
    world.start()
    run_checked(world)
    scope = venue.cross_scope(account)
    assert venue.position(scope, 0) == (0, 0)
    assert venue.position(scope, 1) == (5, 25_000)
    assert venue.submit(account, 1, Side.BID, 50, 1) > 0


def test_what_would_pass_a_bound_is_not_settled_at_all() -> None:
    world, venue = moving()
    venue.deposit(venue.open_account(), 0, 2**60 - 100)
    venue.open_position(1, 0, 10, 100_000)
    schedule_expiry(world, 5, 0, 0, rule=ExpiryRule.STATED, price=200)
    world.start()
    run_checked(world)
    assert settled(world) == [(5, 0, 0, -1)]
    assert venue.position(venue.cross_scope(1), 0)[0] == 10
    assert venue.submit(1, 0, Side.ASK, 99, 1) > 0


@pytest.mark.parametrize(
    "given",
    [
        {"rule": ExpiryRule.STATED},
        {"rule": ExpiryRule.MARK, "price": 5},
        {"rule": ExpiryRule.MARK, "window_ns": 5},
        {"rule": ExpiryRule.AVERAGE_MARK},
        {"rule": ExpiryRule.STATED, "price": 10_001},
        {"rule": ExpiryRule.AVERAGE_MARK, "window_ns": -1},
    ],
)
def test_rules_that_make_no_sense_are_refused(given: Any) -> None:
    world, _ = moving()
    before = world.state_hash()
    with pytest.raises(InputError):
        schedule_expiry(world, 5, 0, 0, **given)
    assert world.state_hash() == before


def test_a_market_ends_once() -> None:
    world, _ = moving()
    schedule_expiry(world, 5, 0, 0, rule=ExpiryRule.MARK)
    with pytest.raises(ConfigError, match="already"):
        schedule_expiry(world, 6, 0, 0, rule=ExpiryRule.MARK)
    with pytest.raises(InputError):
        schedule_expiry(world, 6, 0, 1, rule=ExpiryRule.MARK)


def test_a_fund_that_expires_below_zero_is_filled_up_from_bad_debt() -> None:
    """One lot is sold at 80; the fund takes 9 at their bankruptcy cost, 90,000 - 8,000, and they
    are settled at 76,500: 5,500 are missing, 3,000 are there."""
    stages = {"takeover": Takeover.FUND, "takeover_when": TakeoverWhen.SHORTFALL}
    world, venue = make(bids={80: 1}, stages=stages)
    venue.set_fund(3_000)
    holding(venue, 10, 100, 10_000)
    world.schedule_shock(1, 0, 0, Side.ASK, size=1)
    schedule_expiry(world, 9, 0, 0, rule=ExpiryRule.STATED, price=85)
    world.start()
    run_checked(world)
    kinds = [kind for (kind,) in rows(world, "steps", "kind")]
    assert StepKind.TAKEOVER in kinds
    assert venue.fund == 0
    assert venue.bad_debt == -2_500
    assert venue.inherited(HolderKind.FUND, 0)[0] == 0
