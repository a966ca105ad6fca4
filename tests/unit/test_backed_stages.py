"""What stages do to scopes that other assets back, to the unit. ADR 25."""

from __future__ import annotations

from typing import Any

import pytest

from ordercascade.core.venue import Venue
from ordercascade.core.world import World
from ordercascade.duties import TrancheRule
from ordercascade.enums import (
    AdlWhen,
    HolderKind,
    OrderLimit,
    PostReason,
    PriceMode,
    PriceSource,
    Side,
    StepKind,
    Takeover,
    TakeoverWhen,
)
from ordercascade.mechanisms.tranches import Tranches
from unit.worlds import rows, run_forked

FLAT = [(0, 50_000, 0, 100_000)]


def venue_of(bids: dict[int, int] | None = None, **rules: Any) -> tuple[World, Venue]:
    """A market at the outside price 100, 100 units a tick and lot; a coin is worth 1,000."""
    world = World(1)
    world.add_venue(asset_count=2, **rules)
    venue = world.venue(0)
    venue.add_market(
        multiplier=100, price_max=10_000, size_max=10_000, brackets=FLAT,
        source=PriceSource.INDEX, index=100,
    )  # fmt: skip
    for price, size in (bids or {}).items():
        venue.seed_level(0, Side.BID, price, size)
    world.add_collateral(0, 1, price=1_000, haircut_ppm=200_000)
    return world, venue


def backed(venue: Venue, lots: int, money: int, coins: int, entry: int = 100) -> int:
    """Open an account with lots, money and coins; return its cross scope."""
    account = venue.open_account()
    if money:
        venue.deposit(account, 0, money)
    if coins:
        venue.deposit(account, 1, coins)
    venue.open_position(account, 0, lots, lots * entry * 100)
    return venue.cross_scope(account)


def kinds(world: World) -> list[int]:
    return [kind for (kind,) in rows(world, "steps", "kind") if kind != StepKind.MARK]


BELOW = {"takeover": Takeover.VAULT, "takeover_ppm": 666_667, "takeover_price": PriceMode.MARK}


def test_who_falls_below_the_share_converts_before_the_vault_comes() -> None:
    """10 lots at 94: 1,000 of money and 8 coins at 80 % are 7,400, less 6,000; 1,400 are below two
    thirds of 4,700. All coins bring 8,000: 3,000 are still below 3,133, so the vault comes."""
    world, venue = venue_of(stages=BELOW)
    scope = backed(venue, 10, 1_000, 8)
    world.start()
    venue.set_index(0, 94)
    run_forked(world)
    assert kinds(world)[1:] == [StepKind.PAYMENT, StepKind.TAKEOVER]
    assert venue.inherited(HolderKind.VAULT, 0)[0] == 10
    assert venue.collateral(scope) == 3_000
    assert venue.balance(venue.cross_scope(1, 1)) == 0


def test_what_coins_bring_without_haircut_may_save_from_the_vault() -> None:
    """A coin more: 1,000 + 7,200 - 6,000 = 2,200 are below 3,133, but 4,000 after the conversion
    are not; they are below 4,700: an order, no vault."""
    world, venue = venue_of({94: 20}, stages=BELOW)
    scope = backed(venue, 10, 1_000, 9)
    world.start()
    venue.set_index(0, 94)
    while world.step() >= 0 and StepKind.LIQUIDATION not in kinds(world):
        pass
    assert kinds(world)[1:] == [StepKind.PAYMENT, StepKind.LIQUIDATION]
    run_forked(world)
    assert venue.inherited(HolderKind.VAULT, 0)[0] == 0
    assert venue.collateral(scope) == 4_000


def test_what_coins_bring_may_make_healthy() -> None:
    """1,000 + 8,000 - 6,000 = 3,000 is below 3,133; 10,000 of coins make 5,000, above 4,700."""
    world, venue = venue_of(stages=BELOW)
    scope = backed(venue, 10, 1_000, 10)
    world.start()
    venue.set_index(0, 94)
    run_forked(world)
    assert kinds(world)[1:] == [StepKind.PAYMENT]
    assert venue.position(scope, 0)[0] == 10
    assert venue.collateral(scope) == 11_000


def test_a_window_gives_its_lots_once_though_the_entry_is_tested_twice() -> None:
    """The window of 4 lots: after the conversion 4 of 10 are taken over, not none; each window on,
    every 10 ns, as many again."""
    policy = Tranches(TrancheRule.WINDOW, capacity=4, window_ns=10)
    stages = BELOW | {"takeover_ppm": 10**6}
    world, venue = venue_of(policy=policy, stages=stages)
    backed(venue, 10, 1_000, 5)
    world.start()
    venue.set_index(0, 94)
    run_forked(world)
    assert kinds(world)[1:] == [StepKind.PAYMENT, *[StepKind.TAKEOVER] * 3]
    times = [
        time for kind, time in rows(world, "steps", "kind", "time_ns") if kind == StepKind.TAKEOVER
    ]
    assert times == [0, 10, 20]
    assert [lots for (lots,) in rows(world, "adl", "lots")] == [4, 4, 2]
    assert venue.inherited(HolderKind.VAULT, 0)[0] == 10


def test_what_an_order_leaves_goes_to_the_fund_without_coins() -> None:
    """At 94 the bid of 93 takes 4 of 10 from 3,000 and 5 coins; then all coins are sold, and the
    rest goes over at value - equity, which is its cost less the money."""
    stages = {"takeover": Takeover.FUND, "takeover_when": TakeoverWhen.UNFILLED}
    world, venue = venue_of({93: 4}, policy=Tranches(limit=OrderLimit.BANKRUPTCY), stages=stages)
    scope = backed(venue, 10, 3_000, 5)
    world.start()
    venue.set_index(0, 94)
    run_forked(world)
    assert kinds(world)[1:] == [StepKind.LIQUIDATION, StepKind.PAYMENT, StepKind.TAKEOVER]
    # 3,000 - 4 * 700 + 5,000 = 5,200 of money; 6 lots that cost 60,000.
    assert venue.inherited(HolderKind.FUND, 0)[:2] == (6, 60_000 - 5_200)
    assert venue.collateral(scope) == 0


INSURED = {"insured": True, "insured_fee_ppm": 0}


@pytest.mark.parametrize(("coins", "paid"), [(0, 4_000), (3, 1_000), (4, 0)])
def test_the_fund_insures_only_what_coins_do_not_pay(coins: int, paid: int) -> None:
    """10 lots sold at 94, bought at 100, with 2,000: 4,000 are missing. The coins pay first, at
    1,000 each, though at 80 % only they counted as margin."""
    world, venue = venue_of({94: 20}, policy=Tranches(), stages=INSURED)
    scope = backed(venue, 10, 2_000, coins)
    venue.fund_deposit(0, 9_000)
    world.start()
    venue.set_index(0, 95)
    run_forked(world)
    found = rows(world, "postings", "amount", "reason")
    assert sum(amount for amount, reason in found if reason == PostReason.FUND_PAYS) == paid
    assert venue.collateral(scope) == 0
    assert venue.fund == 9_000 - paid
    want = [StepKind.LIQUIDATION] if not coins else [StepKind.PAYMENT, StepKind.LIQUIDATION]
    assert kinds(world)[1:] == want


def test_pairs_are_closed_at_the_quote_of_a_scope_without_coins() -> None:
    """At 90: -2,000 after 3 coins are sold; 5,000 + 3,000. The short takes the lots at 92."""
    stages = {"adl_overlap": True, "adl_when": AdlWhen.UNTOUCHED}
    world, venue = venue_of(stages=stages)
    scope, other = backed(venue, 10, 5_000, 3), backed(venue, -10, 50_000, 0)
    world.start()
    venue.set_index(0, 90)
    run_forked(world)
    assert kinds(world)[1:] == [StepKind.LIQUIDATION, StepKind.PAYMENT, StepKind.ADL]
    assert rows(world, "adl", "scope_to", "lots", "cost") == [(other, 10, 92_000)]
    assert venue.collateral(scope) == 0
    assert venue.collateral(other) == 58_000


@pytest.mark.parametrize(("coins", "left"), [(24, 10), (40, 0)])
def test_a_counterparty_s_coins_count_where_it_is_tested(coins: int, left: int) -> None:
    """A short of 20 from 85 has lost 10,000 at 90; 24 coins at 80 % leave 9,200, and 10 lots at
    95 would halve its maintenance of 9,000 for more than half of that. With 40 it can."""
    stages = {"adl_overlap": True, "adl_when": AdlWhen.UNTOUCHED}
    world, venue = venue_of(stages=stages)
    scope = backed(venue, 10, 5_000, 0)
    other = backed(venue, -20, 0, coins, entry=85)
    venue.open_position(venue.open_account(), 0, 10, 100_000)
    venue.deposit(3, 0, 90_000)
    world.start()
    venue.set_index(0, 90)
    run_forked(world)
    assert venue.position(scope, 0)[0] == left
    assert venue.position(other, 0)[0] == -10 - left


def test_levels_move_money_and_never_coins() -> None:
    """The isolated scope wants 1,180 from a cross scope with 500 and 90 coins: it gets 500."""
    stages = {"search_ppm": 1_100_000, "initial_ppm": 1_200_000, "release_ppm": 1_400_000}
    world, venue = venue_of(stages=stages)
    account = venue.open_account()
    venue.deposit(account, 0, 5_700)
    venue.deposit(account, 1, 90)
    assert venue.isolate(account, 0) >= 0
    assert venue.move_isolated(account, 0, 5_200) == 0
    venue.open_position(account, 0, 10, 100_000)
    world.start()
    world.run()
    scope = venue.scope_of(account, 0)
    assert venue.collateral(scope) == 5_700
    assert venue.collateral(venue.cross_scope(account)) == 0
    assert venue.balance(venue.cross_scope(account, 1)) == 90
