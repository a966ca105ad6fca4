"""Orders of accounts in hedge mode, and what pairs do to losses. ADR 21."""

from __future__ import annotations

from typing import Any

import pytest

from ordercascade.core.changing import change
from ordercascade.core.planning import schedule_expiry
from ordercascade.core.venue import Venue
from ordercascade.core.world import World
from ordercascade.duties import ExpiryRule, Leg, PairRule
from ordercascade.enums import (
    CancelPolicy,
    LimitRule,
    NoteKind,
    Outcome,
    PriceMode,
    Reject,
    Side,
    StepKind,
    Takeover,
    TakeoverWhen,
)
from ordercascade.errors import ConfigError, InputError, InputTypeError
from unit.hedged import kinds, pair
from unit.worlds import holding, make, rows, run_checked

BID, ASK = Side.BID, Side.ASK


def trading() -> tuple[World, Venue, int, int]:
    world, venue = make(bids={99: 50}, asks={101: 50})
    scope = pair(venue, 100_000, (10, 100), (4, 100), 100)
    world.start()
    return world, venue, scope, 1


def test_an_order_opens_or_closes_its_own_leg() -> None:
    world, venue, scope, account = trading()
    venue.submit(account, 0, BID, 101, 2, leg="long")
    venue.submit(account, 0, BID, 101, 1, leg="short")
    venue.submit(account, 0, ASK, 99, 5, leg="short")
    assert venue.position(scope, 0, leg="long") == (12, 120_200)
    assert venue.position(scope, 0, leg="short") == (-8, -79_500)
    assert {row[0] for row in rows(world, "fills", "taker_account")} == {1, 2}
    world._check()


def test_an_order_that_could_close_more_than_its_leg_holds_is_refused() -> None:
    """Orders at rest count: 3 of 4 short lots are up for closing already."""
    _, venue, scope, account = trading()
    assert venue.submit(account, 0, BID, 101, 5, leg="short") == Reject.REDUCE_ONLY
    resting = venue.submit(account, 0, BID, 90, 3, leg="short")
    assert resting > 0
    assert venue.submit(account, 0, BID, 101, 2, leg="short") == Reject.REDUCE_ONLY
    assert venue.amend(account, 0, resting, size=5) == Reject.REDUCE_ONLY
    assert venue.amend(account, 0, resting, size=4) == resting
    assert venue.cancel(account, 0, resting) == 4
    assert venue.submit(account, 0, BID, 101, 4, leg="short") == 0
    assert venue.position(scope, 0, leg="short") == (0, 0)
    assert venue.submit(account, 0, ASK, 101, 11, leg="long") == Reject.REDUCE_ONLY
    assert venue.submit(account, 0, ASK, 101, 10, leg="long") > 0


def test_initial_margin_adds_up_both_legs_and_what_they_may_open() -> None:
    """Legs of 10 and 4 lots ask 1,400; 5 more to open 500; an order that closes asks nothing."""
    _, venue, scope, account = trading()
    assert venue.initial(scope) == 14_000
    venue.submit(account, 0, BID, 90, 5, leg="long")
    venue.submit(account, 0, ASK, 110, 2, leg="short")
    venue.submit(account, 0, ASK, 110, 9, leg="long")
    assert venue.initial(scope) == 21_000
    assert venue.submit(account, 0, ASK, 110, 80, leg="short") == Reject.INSUFFICIENT
    assert venue.submit(account, 0, ASK, 110, 9_995, leg="short") == Reject.POSITION_LIMIT


def test_both_legs_may_trade_with_one_another() -> None:
    world, venue, scope, account = trading()
    venue.submit(account, 0, BID, 100, 3, leg="long")
    venue.submit(account, 0, ASK, 100, 3, leg="short")
    assert venue.position(scope, 0, leg="long") == (13, 130_000)
    assert venue.position(scope, 0, leg="short") == (-7, -70_000)
    world._check()


def test_legs_must_be_named_in_hedge_mode_and_must_not_be_in_net_mode() -> None:
    world, venue, scope, account = trading()
    net = venue.open_account()
    venue.deposit(net, 0, 10_000)
    before = world.state_hash()
    with pytest.raises(InputError, match="account 1 is in hedge mode"):
        venue.submit(account, 0, BID, 99, 1)
    with pytest.raises(InputError, match=r"account 3 is in net mode, see hedge\(\)"):
        venue.submit(net, 0, BID, 99, 1, leg="long")
    with pytest.raises(InputError, match="must be 'long' or 'short'"):
        venue.submit(account, 0, BID, 99, 1, leg="both")
    with pytest.raises(InputTypeError, match="leg"):
        venue.submit(account, 0, BID, 99, 1, leg=Leg.LONG)
    with pytest.raises(InputError, match="leg='short': this number is"):
        venue.submit(2, 0, BID, 99, 1)
    with pytest.raises(InputError, match=f"scope {scope} is in hedge mode"):
        venue.position(scope, 0)
    with pytest.raises(InputError, match="in net mode"):
        venue.bankruptcy_price(venue.scope_of(net, 0), 0, leg="long")
    with pytest.raises(InputError, match="in hedge mode already"):
        venue.hedge(account)
    with pytest.raises(InputTypeError, match="hedge"):
        venue.open_account(hedge=1)
    with pytest.raises(InputError, match="net mode"):
        venue.bankruptcy_quote(scope, 0, 1)
    with pytest.raises(InputError, match="no account in hedge mode"):
        venue.wind_up(0)
    assert world.state_hash() == before


def test_who_holds_lots_or_orders_cannot_change_its_mode() -> None:
    world, venue = make(bids={99: 50}, asks={101: 50})
    account = venue.open_account()
    venue.deposit(account, 0, 50_000)
    world.start()
    order = venue.submit(account, 0, BID, 90, 1)
    before = world.state_hash()
    assert venue.hedge(account) == Reject.POSITION_OPEN
    venue.cancel(account, 0, order)
    venue.submit(account, 0, BID, 101, 1)
    assert venue.hedge(account) == Reject.POSITION_OPEN
    venue.submit(account, 0, ASK, 99, 1)
    assert world.state_hash() != before
    twin = venue.hedge(account)
    assert rows(world, "notes", "kind", "a", "b") == [(NoteKind.HEDGED, account, twin)]
    assert venue.submit(account, 0, ASK, 99, 1, leg="short") == 0
    assert venue.position(venue.scope_of(account, 0), 0, leg="short") == (-1, -9_900)
    world._check()


def test_an_isolated_scope_has_two_legs_as_well() -> None:
    world, venue = make(bids={99: 50}, asks={101: 50})
    account = venue.open_account(hedge=True)
    venue.deposit(account, 0, 50_000)
    scope = venue.isolate(account, 0)
    venue.move_isolated(account, 0, 9_000)
    venue.open_position(account, 0, 5, 50_000)
    venue.open_position(account, 0, -5, -50_000)
    world.start()
    assert venue.isolate(account, 0) == scope
    assert venue.maintenance(scope) == 5_000
    assert venue.collateral(venue.cross_scope(account)) == 41_000
    assert venue.submit(account, 0, BID, 99, 1, leg="short") > 0
    world._check()
    other = venue.open_account(hedge=True)
    venue.deposit(other, 0, 50_000)
    venue.submit(other, 0, ASK, 99, 1, leg="short")
    assert venue.isolate(other, 0) == Reject.POSITION_OPEN


# Netting.


def test_pairs_are_netted_before_an_order_and_the_scope_is_tested_again() -> None:
    """10 long and 6 short at 100 with 8,000: at 99 equity 7,600 < 7,920; 6 lots of each go at 99.

    4 lots long at 100 are left: equity 7,600, maintenance 1,980: healthy without an order.
    """
    world, venue = make(bids={99: 5}, asks={101: 5}, pairs=PairRule.NET)
    scope = pair(venue, 8_000, (10, 100), (6, 100), 100)
    world.schedule_shock(0, 0, 0, ASK, size=1)
    world.start()
    run_checked(world)
    assert kinds(world).count(StepKind.NETTING) == 1
    assert StepKind.LIQUIDATION not in kinds(world)
    notes = [
        row for row in rows(world, "notes", "kind", "market", "scope", "a", "b") if row[0] == 14
    ]
    assert notes == [(NoteKind.NETTED, 0, scope, 99, 6)]
    assert venue.position(scope, 0, leg="long") == (4, 40_000)
    assert venue.position(scope, 0, leg="short") == (0, 0)
    assert venue.equity(scope) == 7_600


def test_without_the_rule_the_order_closes_one_leg_and_the_pair_stays() -> None:
    world, venue = make(bids={99: 50}, asks={101: 5}, fraction_ppm=100_000)
    scope = pair(venue, 8_000, (10, 100), (6, 100), 100)
    world.schedule_shock(0, 0, 0, ASK, size=1)
    world.start()
    run_checked(world)
    assert StepKind.NETTING not in kinds(world)
    assert venue.position(scope, 0, leg="short") == (-6, -60_000)


def test_who_owes_itself_is_netted_before_anybody_is_deleveraged() -> None:
    """10 and 10 lots bankrupt: nothing is left to hand over, the fund pays what is missing.

    Long at 100, short at 90: value 0, cost 10,000 in all, collateral 9,000: 1,000 short.
    """
    world, venue = make(bids={99: 50}, asks={101: 50}, pairs=PairRule.NET)
    scope = pair(venue, 9_000, (10, 100), (10, 90), 100)
    venue.fund_deposit(0, 700)
    world.start()
    run_checked(world)
    assert StepKind.ADL not in kinds(world)
    assert venue.collateral(scope) == 0
    assert venue.fund == 0
    assert venue.bad_debt == -300


def test_what_is_left_after_netting_is_handed_over_at_exactly_nothing() -> None:
    """Twelve long, three short; the book is empty beyond the shock, so the rest is deleveraged."""
    world, venue = make(bids={60: 1}, asks={101: 50})
    scope = pair(venue, 7_000, (12, 100), (3, 100), 100)
    winner = holding(venue, -40, 100, 90_000)
    world.schedule_shock(0, 0, 0, ASK, size=1)
    world.start()
    run_checked(world)
    found = kinds(world)
    assert found.index(StepKind.NETTING) < found.index(StepKind.ADL)
    assert {row[0] for row in rows(world, "adl", "scope_to")} <= {winner, 0}
    assert [venue.position(scope, 0, leg=leg) for leg in ("long", "short")] == [(0, 0), (0, 0)]
    assert venue.collateral(scope) == 0
    assert Outcome.DELEVERAGED in {row[0] for row in rows(world, "liquidations", "outcome")}


def test_a_deleveraged_leg_keeps_no_more_orders_than_it_can_close() -> None:
    """6 long lots are sold to nobody above 88; the winner takes them over on its short leg of 8.

    2 of it are left, for which the oldest of three bids is enough.
    """
    world, venue = make(bids={60: 1}, asks={101: 50}, limit=LimitRule.BANKRUPTCY)
    holding(venue, 6, 100, 7_000)
    winner = pair(venue, 90_000, (3, 100), (8, 100), 100)
    account = 2
    world.start()
    first, second, third = (
        venue.submit(account, 0, BID, price, 2, leg="short") for price in (50, 51, 52)
    )
    kept = venue.submit(account, 0, ASK, 110, 3, leg="long")
    world.schedule_shock(0, 0, 0, ASK, size=1)
    run_checked(world)
    assert venue.position(winner, 0, leg="short")[0] == -2
    assert venue.cancel(account, 0, third) == Reject.UNKNOWN_ORDER
    assert venue.cancel(account, 0, second) == Reject.UNKNOWN_ORDER
    assert venue.cancel(account, 0, first) == 2
    assert venue.cancel(account, 0, kept) == 3


def test_the_fund_takes_over_both_legs() -> None:
    stages = {
        "takeover": Takeover.FUND, "takeover_when": TakeoverWhen.BELOW,
        "takeover_price": PriceMode.BANKRUPTCY, "takeover_ppm": 10**6,
    }  # fmt: skip
    world, venue = make(bids={94: 50}, asks={101: 50}, stages=stages)
    scope = pair(venue, 10_000, (10, 100), (4, 100), 100)
    venue.fund_deposit(0, 10**6)
    world.schedule_shock(0, 0, 0, ASK, size=1)
    world.start()
    run_checked(world)
    assert kinds(world).count(StepKind.TAKEOVER) == 2
    assert venue.equity(scope) == 0
    assert sorted(row[0] for row in rows(world, "adl", "lots")) == [4, 10]


# Funding, expiry.


def test_funding_and_expiry_reach_both_legs() -> None:
    """Equal legs pay what they receive, and are worth nothing together at any price."""
    world, venue = make(bids={99: 50}, asks={101: 50})
    scope = pair(venue, 50_000, (7, 100), (7, 100), 100)
    holding(venue, 5, 100, 90_000)
    world.schedule_funding(5, 0, 0, rate_ppb=10**6)
    schedule_expiry(world, 9, 0, 0, rule=ExpiryRule.STATED, price=77)
    world.start()
    run_checked(world)
    assert [venue.position(scope, 0, leg=leg)[0] for leg in ("long", "short")] == [0, 0]
    assert venue.collateral(scope) == 50_000
    assert len([1 for row in rows(world, "postings", "to_holder") if row[0] == scope]) >= 2


# What does not go together.


@pytest.mark.parametrize(
    ("rules", "name"),
    [
        ({"cancel": CancelPolicy.NONE}, "cancel"),
        ({"stages": {"insured": True}}, "insured"),
        ({"stages": {"adl_overlap": True}}, "adl_overlap"),
        ({"stages": {"variation": True}}, "variation"),
        ({"stages": {"search_ppm": 10**6, "initial_ppm": 10**6, "release_ppm": 2 * 10**6}},
         "release_ppm"),
        ({"calls": {"call_ppm": 1_100_000}}, "calls"),
    ],
)  # fmt: skip
def test_rules_that_cannot_be_run_with_legs_are_refused_by_name(
    rules: dict[str, Any], name: str
) -> None:
    world, venue = make(bids={99: 5}, asks={101: 5}, **rules)
    for ask in (lambda: venue.open_account(hedge=True), lambda: venue.hedge(venue.open_account())):
        with pytest.raises(ConfigError, match=name):
            ask()
    world.start()
    world, venue = make(bids={99: 5}, asks={101: 5})
    venue.open_account(hedge=True)
    world.start()
    before = world.state_hash()
    with pytest.raises(ConfigError, match=name):
        change(world, 0, **rules)
    assert world.state_hash() == before


def test_other_collateral_is_refused_with_legs() -> None:
    world = World()
    world.add_venue(2)
    venue = world.venue(0)
    venue.add_market(price_max=1_000, size_max=100, last=100)
    venue.open_account(hedge=True)
    world.add_collateral(0, 1, price=1)
    with pytest.raises(ConfigError, match="collateral"):
        world.start()
