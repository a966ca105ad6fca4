"""Stages of a liquidation where something is missing: a buyer, a counterparty, a leg, a gain."""

from __future__ import annotations

from typing import Any

import pytest

from ordercascade.core.venue import Venue
from ordercascade.core.world import World
from ordercascade.enums import (
    AdlWhen,
    CancelPolicy,
    HolderKind,
    NoteKind,
    Outcome,
    PostReason,
    PriceMode,
    PriceSource,
    Reject,
    Side,
    SocialRule,
    StepKind,
    Takeover,
    TakeoverWhen,
)
from ordercascade.mechanisms.tranches import Tranches
from unit.worlds import rows, run_checked

FLAT = [(0, 50_000, 0, 100_000)]
TO_MARK = {
    "takeover": Takeover.FUND,
    "takeover_price": PriceMode.MARK,
    "takeover_collateral": True,
    "variation": True,
    "adl_when": AdlWhen.NEVER,
    "social_rule": SocialRule.GAINS,
}


def venue_of(
    *, unit: int = 100, markets: int = 1, brackets: Any = FLAT, **rules: Any
) -> tuple[World, Venue]:
    """A venue whose markets stand at an outside price of 100, their books empty."""
    world = World(1)
    world.add_venue(**{"policy": Tranches()} | rules)
    venue = world.venue(0)
    for _ in range(markets):
        venue.add_market(
            multiplier=unit,
            price_max=10_000,
            size_max=10_000,
            brackets=brackets,
            source=PriceSource.INDEX,
            index=100,
        )
    return world, venue


def user(venue: Venue, money: int, *legs: tuple[int, int, int]) -> tuple[int, int]:
    """An account with this money and legs (market, size, cost); its id and cross scope."""
    account = venue.open_account()
    scope = venue.deposit(account, 0, money)
    for leg in legs:
        venue.open_position(account, *leg)
    return account, scope


def moved(world: World, market: int, price: int) -> None:
    """Another outside price, and a settlement; everything is sound after it."""
    world.venue(0).set_index(market, price)
    world.settle()
    world._check()
    assert not any(world.venue(0).audit().values())


# ------------------------------------------------------------------ settled to the mark


def test_each_market_is_settled_to_its_own_mark() -> None:
    """10 lots gain 30 each in one market, then 5 short lots 10 each in the other."""
    world, venue = venue_of(unit=1, markets=2, stages=TO_MARK)
    _, first = user(venue, 10_000, (0, 10, 1_000), (1, -5, -500))
    _, second = user(venue, 10_000, (0, -10, -1_000), (1, 5, 500))
    world.start()
    moved(world, 0, 130)
    assert [venue.collateral(scope) for scope in (first, second)] == [10_300, 9_700]
    assert (venue.position(first, 0), venue.position(first, 1)) == ((10, 1_300), (-5, -500))
    moved(world, 1, 90)
    assert [venue.collateral(scope) for scope in (first, second)] == [10_350, 9_650]
    assert (venue.position(first, 0), venue.position(first, 1)) == ((10, 1_300), (-5, -450))


def test_gains_smaller_than_what_is_missing_are_taken_whole_and_the_rest_is_bad_debt() -> None:
    """A short loses 1,000 of 50; the only other user gains 200, `external` the rest."""
    world, venue = venue_of(unit=1, stages=TO_MARK)
    _, loser = user(venue, 50, (0, -10, -1_000))
    _, winner = user(venue, 1_000, (0, 2, 200))
    world.start()
    moved(world, 0, 200)
    assert [venue.collateral(scope) for scope in (loser, winner)] == [0, 1_000]
    assert (venue.bad_debt, venue.fund) == (-(1_000 - 50 - 200), 0)


def test_what_rounding_leaves_goes_to_the_fund_where_it_is_among_the_winners() -> None:
    """The fund takes over 10 lots at 97 with 30 of money. A rise of 83 takes 1,660 from 20 short
    lots with 760: after the fund's 30 there are 790 for gains of 830, 581 and 249, so floors of
    395, 276 and 118, and the last unit is the fund's."""
    world, venue = venue_of(unit=1, stages=TO_MARK)
    _, loser = user(venue, 60, (0, 10, 1_000))
    _, one = user(venue, 10_000, (0, 7, 700))
    _, other = user(venue, 10_000, (0, 3, 300))
    _, short = user(venue, 700, (0, -20, -2_000))
    world.start()
    moved(world, 0, 97)
    assert venue.inherited(HolderKind.FUND, 0)[:2] == (10, 970)
    assert (venue.fund, venue.collateral(loser), venue.collateral(short)) == (30, 0, 760)
    before = [venue.collateral(scope) for scope in (one, other)]
    moved(world, 0, 180)
    gained = [
        venue.collateral(scope) - had for scope, had in zip((one, other), before, strict=True)
    ]
    assert gained == [276, 118]
    assert (venue.fund, venue.collateral(short), venue.bad_debt) == (395 + 1, 0, 0)


# ------------------------------------------------------------------ counterparties


def test_an_account_without_maintenance_is_shared_by_value() -> None:
    """100 missing on 10 lots that are worth 100,000: 4 of them bring in 40,000 and 40."""
    world, venue = venue_of(brackets=[(0, 0, 0, 0)])
    _, scope = user(venue, 500, (0, 10, 100_600))
    world.start()
    assert venue.equity(scope) == -100
    assert [venue.bankruptcy_quote(scope, 0, lots) for lots in (4, 10)] == [40_040, 100_100]


def test_the_outside_can_always_take_a_pair_and_a_note_says_so() -> None:
    """4 of 10 lots: 40,000 less four tenths of the equity of 5,200."""
    world, venue = venue_of()
    _, scope = user(venue, 5_200, (0, 10, 100_000))
    world.start()
    outside = venue.holder(HolderKind.EXTERNAL, 0)
    assert venue.close_pair(scope, 0, outside, 4) == 0
    assert (venue.position(scope, 0), venue.position(outside, 0)) == ((6, 60_000), (-6, -60_000))
    assert rows(world, "adl", "scope_from", "scope_to", "lots", "cost") == [
        (scope, outside, 4, 37_920)
    ]
    assert rows(world, "notes", "kind", "a", "b") == [(NoteKind.ADL_EXTERNAL, 4, 37_920)]
    assert not any(venue.audit().values())


def test_pairs_end_with_the_lots_though_more_could_take_them() -> None:
    """Three shorts of 10 and one long: the first pair closes all of it, at 94,800."""
    world, venue = venue_of(stages={"adl_overlap": True})
    _, scope = user(venue, 5_200, (0, 10, 100_000))
    shorts = [user(venue, 90_000, (0, -10, -100_000))[1] for _ in range(3)]
    world.start()
    moved(world, 0, 94)
    assert len(rows(world, "adl", "lots")) == 1
    assert rows(world, "adl", "lots", "cost") == [(10, 94_800)]
    assert sorted(venue.position(short, 0)[0] for short in shorts) == [-10, -10, 0]
    assert (venue.position(scope, 0), venue.collateral(scope)) == ((0, 0), 0)
    assert rows(world, "liquidations", "outcome") == [(Outcome.DELEVERAGED,)]


@pytest.mark.parametrize(
    ("stages", "outcome", "kind"),
    [
        ({"adl_overlap": True}, Outcome.DELEVERAGED, StepKind.ADL),
        (
            {"takeover": Takeover.FUND, "takeover_when": TakeoverWhen.UNFILLED},
            Outcome.TAKEN_OVER,
            StepKind.TAKEOVER,
        ),
    ],
)
def test_a_leg_without_lots_is_passed_over(
    stages: dict[str, Any], outcome: Outcome, kind: StepKind
) -> None:
    """The first leg was closed by hand; the second goes at its bankruptcy price of 94.8."""
    world, venue = venue_of(markets=2, policy=Tranches(), stages=stages)
    account, scope = user(venue, 5_200, (0, 1, 10_000), (1, 10, 100_000))
    user(venue, 90_000, (1, -10, -100_000))
    maker, _ = user(venue, 50_000)
    world.start()
    venue.submit(maker, 0, Side.BID, 100, 1)
    venue.submit(account, 0, Side.ASK, 100, 1)
    assert (venue.position(scope, 0), venue.equity(scope)) == ((0, 0), 5_200)
    moved(world, 1, 94)
    assert (venue.position(scope, 1), venue.collateral(scope)) == ((0, 0), 0)
    assert rows(world, "liquidations", "outcome") == [(outcome,)]
    assert rows(world, "adl", "market", "lots", "cost") == [(1, 10, 94_800)]
    assert [step for (step,) in rows(world, "steps", "kind")].count(kind) == 1


# ------------------------------------------------------------------ the fund


def test_a_fund_that_loses_more_than_it_has_is_filled_up_from_bad_debt() -> None:
    """It holds 10 lots from 97 and takes over 10 short ones at 60: 37,000 lost of 1,000. They
    lost 10,000 of their owner's 5,400 before, which the empty fund cannot pay either."""
    stages = {
        "takeover": Takeover.FUND,
        "takeover_when": TakeoverWhen.UNFILLED,
        "takeover_price": PriceMode.MARK,
    }
    world, venue = venue_of(stages=stages)
    user(venue, 5_200, (0, 10, 100_000))
    seller, short = user(venue, 5_400)
    buyer, _ = user(venue, 10**6)
    venue.fund_deposit(0, 1_000)
    world.start()
    moved(world, 0, 97)
    moved(world, 0, 50)
    assert venue.inherited(HolderKind.FUND, 0)[:2] == (10, 97_000)
    venue.submit(buyer, 0, Side.BID, 50, 10)
    assert venue.submit(seller, 0, Side.ASK, 50, 10) == 0
    moved(world, 0, 60)
    assert venue.inherited(HolderKind.FUND, 0)[0] == venue.position(short, 0)[0] == 0
    assert (venue.fund, venue.collateral(short)) == (0, 0)
    assert venue.bad_debt == -(37_000 - 1_000) - (10_000 - 5_400)
    debts = [a for a, why in rows(world, "postings", "amount", "reason")
             if why == PostReason.BAD_DEBT]  # fmt: skip
    assert debts == [36_000, 4_600]


def test_a_loss_that_lots_should_bear_is_bad_debt_where_nobody_has_any() -> None:
    """All 10 lots are sold at 94 with 5,200 behind them: 800 missing, and cash is not charged."""
    world, venue = venue_of(social=True, stages={"social_rule": SocialRule.LOTS})
    venue.seed_level(0, Side.BID, 94, 10)
    _, scope = user(venue, 5_200, (0, 10, 100_000))
    _, rich = user(venue, 1_000)
    world.start()
    moved(world, 0, 94)
    assert rows(world, "liquidations", "outcome", "paid_socialised", "paid_bad_debt") == [
        (Outcome.SHORTFALL, 0, 800)
    ]
    assert (venue.bad_debt, venue.collateral(rich), venue.collateral(scope)) == (-800, 1_000, 0)


def test_an_insured_order_cancels_its_owner_s_own_and_goes_on() -> None:
    """The owner bids 97 for 2, before the bids at 96; at 92 its 10 lots are sold at 96."""
    stages = {"insured": True, "adl_when": AdlWhen.NEVER}
    world, venue = venue_of(cancel=CancelPolicy.NONE, stages=stages)
    venue.seed_level(0, Side.BID, 96, 20)
    account, scope = user(venue, 12_000, (0, 10, 100_000))
    world.start()
    own = venue.submit(account, 0, Side.BID, 97, 2)
    moved(world, 0, 92)
    assert rows(world, "fills", "price", "size") == [(96, 10)]
    assert rows(world, "liquidations", "lots_asked", "lots_filled") == [(10, 10)]
    assert venue.depth(0, Side.BID) == [(96, 10)]
    assert venue.cancel(account, 0, own) == Reject.UNKNOWN_ORDER
    levels = [row[1:] for row in rows(world, "levels", "step", "price", "size_after") if row[0] > 0]
    assert levels == [(97, 0), (96, 10)]
    assert venue.collateral(scope) == 12_000 - 4_000


def test_a_short_is_disposed_of_by_buying_within_its_range() -> None:
    """At 104 with no bids the range of 2 % ends at 106.08: 8 lots go as 4, 2 and 2."""
    stages = TO_MARK | {
        "variation": False, "social_rule": SocialRule.PROFIT, "dispose_ns": 5,
        "dispose_ppm": 500_000, "dispose_full": 2, "dispose_range_ppm": 20_000,
    }  # fmt: skip
    world, venue = venue_of(stages=stages)
    for price, size in ((104, 3), (105, 4), (106, 50)):
        venue.seed_level(0, Side.ASK, price, size)
    user(venue, 5_000, (0, -8, -80_000))
    venue.fund_deposit(0, 10_000)
    world.start()
    venue.set_index(0, 104)
    held = []
    for time_ns in (0, 5, 10, 15):
        world.settle(time_ns)
        held.append(venue.inherited(HolderKind.FUND, 0)[0])
    assert held == [-8, -4, -2, 0]
    assert rows(world, "orders", "price", "size", "filled") == [
        (106, 4, 4),
        (106, 2, 2),
        (106, 2, 2),
    ]
    bought = rows(world, "fills", "price", "size")
    assert bought == [(104, 3), (105, 1), (105, 2), (105, 1), (106, 1)]


def test_a_disposal_never_bids_beyond_the_last_tick() -> None:
    """20 % above 9,900 would be 11,880; the market ends at 10,000."""
    stages = TO_MARK | {
        "variation": False, "social_rule": SocialRule.PROFIT, "dispose_ns": 5,
        "dispose_ppm": 10**6, "dispose_range_ppm": 200_000,
    }  # fmt: skip
    world, venue = venue_of(stages=stages)
    venue.seed_level(0, Side.ASK, 10_000, 8)
    user(venue, 5_000, (0, -8, -80_000))
    world.start()
    venue.set_index(0, 9_900)
    world.settle(0)
    world.settle(5)
    run_checked(world)
    assert rows(world, "orders", "price", "size", "filled") == [(10_000, 8, 8)]


def test_an_isolated_scope_without_a_cross_scope_beside_it_keeps_what_it_has() -> None:
    """10 lots from 90 gain 10,000, above 1.4 of 5,000; later there is somewhere to release to."""
    stages = TO_MARK | {
        "search_ppm": 1_100_000, "initial_ppm": 1_200_000, "release_ppm": 1_400_000
    }  # fmt: skip
    world, venue = venue_of(stages=stages)
    account = venue.open_account()
    scope = venue.isolate(account, 0)
    venue.open_position(account, 0, 10, 90_000)
    world.start()
    world.settle()
    world._check()
    assert venue.collateral(scope) == 10_000
    cross = venue.deposit(account, 0, 7)
    world.settle()
    assert (venue.collateral(scope), venue.collateral(cross)) == (6_000, 4_007)
