"""Stages of a liquidation one by one: takeover, disposal, pairs, settlement to the mark."""

from __future__ import annotations

import random
from typing import Any

import pytest

from ordercascade.core.stages import STAGES
from ordercascade.core.venue import Venue
from ordercascade.core.world import World
from ordercascade.enums import (
    AdlWhen,
    HolderKind,
    OrderLimit,
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
from ordercascade.errors import ConfigError, InputError, InputTypeError
from ordercascade.mechanisms.tranches import Tranches
from reference import stages as twin
from unit.worlds import holding, rows, run_checked

FLAT = [(0, 50_000, 0, 100_000)]


def venue_of(mark: int, *, unit: int = 100, **rules: Any) -> tuple[World, Venue]:
    """A venue with one market at an outside price, its book empty."""
    world = World(1)
    world.add_venue(**rules)
    venue = world.venue(0)
    venue.add_market(
        multiplier=unit,
        price_max=10_000,
        size_max=10_000,
        brackets=FLAT,
        source=PriceSource.INDEX,
        index=mark,
    )
    return world, venue


def to_fund(**more: Any) -> dict[str, Any]:
    stages = {"takeover": Takeover.FUND, "takeover_when": TakeoverWhen.UNFILLED}
    return {"policy": Tranches(limit=OrderLimit.BANKRUPTCY), "stages": stages | more}


def test_what_an_order_leaves_goes_to_the_fund_at_the_bankruptcy_price() -> None:
    """10 lots entered at 100 with 5,200: P_bk = 94.8. At 97 equity 2,200 is below 4,850; the bid
    at 96 takes 4, and the fund the other 6 at value - equity = 58,200 - 1,800."""
    world, venue = venue_of(100, **to_fund())
    venue.seed_level(0, Side.BID, 96, 4)
    scope = holding(venue, 10, 100, 5_200)
    world.start()
    venue.set_index(0, 97)
    run_checked(world)
    assert venue.position(scope, 0) == (0, 0)
    assert venue.collateral(scope) == 0
    assert venue.inherited(HolderKind.FUND, 0)[:2] == (6, 58_200 - 1_800)
    assert rows(world, "liquidations", "outcome") == [(Outcome.TAKEN_OVER,)]
    kinds = [kind for (kind,) in rows(world, "steps", "kind")]
    assert kinds[-2:] == [StepKind.LIQUIDATION, StepKind.TAKEOVER]


def test_a_fund_beyond_its_cap_leaves_it_to_deleveraging() -> None:
    """The cap is what the fund has, 50,000 of money against 97,000 of value."""
    world, venue = venue_of(100, **to_fund(takeover_cap_ppm=10**6))
    scope, other = holding(venue, 10, 100, 5_200), holding(venue, -10, 100, 90_000)
    venue.fund_deposit(0, 50_000)
    world.start()
    venue.set_index(0, 90)
    run_checked(world)
    assert venue.inherited(HolderKind.FUND, 0)[0] == 0
    assert venue.position(scope, 0)[0] == venue.position(other, 0)[0] == 0


@pytest.mark.parametrize(("mark", "taken"), [(98, False), (97, True)])
def test_a_vault_takes_over_below_its_share_of_maintenance_with_the_collateral(
    mark: int, taken: bool
) -> None:
    """6,250 behind 10 lots from 100: at 98 equity 4,250 of 4,900 asked; at 97 3,250 of 4,850,
    which is 0.670. The share is 0.671; the order before it finds no bids."""
    stages = {
        "takeover": Takeover.VAULT,
        "takeover_ppm": 671_000,
        "takeover_price": PriceMode.MARK,
        "takeover_collateral": True,
    }
    world, venue = venue_of(100, policy=Tranches(), stages=stages)
    scope = holding(venue, 10, 100, 6_250)
    world.start()
    venue.set_index(0, mark)
    run_checked(world)
    assert venue.position(scope, 0)[0] == (0 if taken else 10)
    if taken:
        assert venue.collateral(scope) == 0
        assert venue.inherited(HolderKind.VAULT, 0)[:2] == (10, 97_000)
        assert venue.balance(venue.holder(HolderKind.VAULT)) == 3_250
        assert rows(world, "liquidations", "step") == []


@pytest.mark.parametrize(
    ("key", "most"),
    [
        *(("takeover_ppm", 10**8), ("takeover_cap_ppm", 10**9), ("dispose_full", 2**40)),
        *(("dispose_ppm", 10**6), ("dispose_share_ppm", 10**6), ("dispose_range_ppm", 10**8)),
    ],
)
def test_a_number_of_the_stages_may_be_as_large_as_its_bound(key: str, most: int) -> None:
    bought = {"takeover": Takeover.FUND}
    World(1).add_venue(policy=Tranches(), stages=bought | {key: most})
    for wrong in (most + 1, -1):
        with pytest.raises(InputError, match=rf"stages\.{key} must be in \[0, .*got {wrong}"):
            World(1).add_venue(policy=Tranches(), stages=bought | {key: wrong})


@pytest.mark.parametrize(("money", "taken"), [(5_425, False), (5_424, True)])
def test_at_just_its_share_of_maintenance_nobody_is_taken_over(money: int, taken: bool) -> None:
    """At 97 a loss of 3,000 leaves 2,425 or 2,424 of 4,850 asked: the share is a half."""
    stages = {"takeover": Takeover.VAULT, "takeover_ppm": 500_000, "takeover_collateral": True}
    world, venue = venue_of(100, policy=Tranches(), stages=stages)
    scope = holding(venue, 10, 100, money)
    world.start()
    venue.set_index(0, 97)
    run_checked(world)
    assert venue.position(scope, 0)[0] == (0 if taken else 10)


def test_a_disposal_sells_by_the_clock_and_never_moves_the_mark() -> None:
    """8 lots inherited at 97; every 5 ns half of them, all at 2; the last price stays."""
    stages = {
        "takeover": Takeover.FUND,
        "takeover_price": PriceMode.MARK,
        "takeover_collateral": True,
        "dispose_ns": 5,
        "dispose_ppm": 500_000,
        "dispose_full": 2,
    }
    world = World(1)
    world.add_venue(policy=Tranches(), stages=stages)
    venue = world.venue(0)
    venue.add_market(multiplier=100, price_max=10_000, size_max=10_000, brackets=FLAT, last=100)
    venue.fund_deposit(0, 10_000)
    for price, size in {97: 1, 96: 100}.items():
        venue.seed_level(0, Side.BID, price, size)
    venue.seed_level(0, Side.ASK, 101, 5)
    holding(venue, 8, 100, 5_000)
    world.schedule_shock(0, 0, 0, Side.ASK, size=1)
    world.start()
    run_checked(world)
    sold = [
        (time, size)
        for (time, kind, start, end) in rows(
            world, "steps", "time_ns", "kind", "fill_from", "fill_to"
        )
        if kind == StepKind.DISPOSAL
        for (size,) in rows(world, "fills", "size")[start:end]
    ]
    assert sold == [(5, 4), (10, 2), (15, 2)]
    assert venue.marks() == [97]
    assert venue.inherited(HolderKind.FUND, 0)[0] == 0


def test_adl_at_the_mark_hands_the_rest_of_the_deficit_on() -> None:
    """Equity -800 at 94: the counterparty closes at 94, and the 800 are bad debt."""
    world, venue = venue_of(100, policy=Tranches(), stages={"adl_price": PriceMode.MARK})
    scope, other = holding(venue, 10, 100, 5_200), holding(venue, -10, 100, 90_000)
    world.start()
    venue.set_index(0, 94)
    run_checked(world)
    assert rows(world, "adl", "lots", "cost", "price_mode") == [(10, 94_000, PriceMode.MARK)]
    assert venue.collateral(scope) == 0
    assert venue.bad_debt == -800
    assert venue.equity(other) == 90_000 + 6_000


def test_adl_at_a_whole_tick_leaves_what_rounding_brings_to_the_account() -> None:
    """P_bk = 94.8, so a long is closed at 95: 200 more than it needs."""
    world, venue = venue_of(100, policy=Tranches(), stages={"adl_price": PriceMode.TICK})
    scope, _ = holding(venue, 10, 100, 5_200), holding(venue, -10, 100, 90_000)
    world.start()
    venue.set_index(0, 94)
    run_checked(world)
    assert rows(world, "adl", "lots", "cost") == [(10, 95_000)]
    assert venue.collateral(scope) == 200


def test_without_adl_a_bankrupt_scope_waits_for_a_buyer() -> None:
    world, venue = venue_of(100, policy=Tranches(), stages={"adl_when": AdlWhen.NEVER})
    scope, _ = holding(venue, 10, 100, 5_200), holding(venue, -10, 100, 90_000)
    world.start()
    venue.set_index(0, 94)
    run_checked(world)
    assert venue.position(scope, 0)[0] == 10
    assert rows(world, "liquidations", "outcome") == [(Outcome.PENDING,)]


def test_bankruptcy_quotes_are_the_twin_s() -> None:
    rng = random.Random(3)
    for _ in range(200):
        mark, unit = rng.randint(2, 4_000), rng.choice((1, 7, 100))
        size = rng.choice((-1, 1)) * rng.randint(1, 900)
        money = rng.randint(1, abs(size) * mark * unit + 1)
        world, venue = venue_of(mark, unit=unit)
        scope = holding(venue, 0, 0, 1) if size == 0 else None
        account = venue.open_account()
        venue.deposit(account, 0, money)
        worse = rng.randint(0, 2 * money)
        venue.open_position(account, 0, size, size * mark * unit + worse)
        scope = venue.cross_scope(account, 0)
        world.start()
        lots = rng.randint(1, abs(size))
        need = twin.maintenance(FLAT, abs(size) * mark * unit)
        leg = twin.Leg(size, mark, unit, money - worse, need, FLAT)
        assert venue.bankruptcy_quote(scope, 0, lots) == twin.quote(leg, lots)


def test_a_pair_that_does_not_overlap_changes_nothing() -> None:
    """Bankrupt at 94.8; a short from 90 with 1 would be left with less than nothing."""
    world, venue = venue_of(100)
    long, short = holding(venue, 10, 100, 5_200), holding(venue, -10, 90, 1)
    world.start()
    before = world.state_hash()
    assert venue.close_pair(long, 0, short, 4) == Reject.NO_OVERLAP
    assert world.state_hash() == before
    with pytest.raises(InputError):
        venue.close_pair(long, 0, long, 4)
    with pytest.raises(InputError):
        venue.close_pair(long, 0, short, 11)


def test_a_market_that_ends_closes_everybody() -> None:
    world, venue = venue_of(100)
    scopes = [holding(venue, size, 100, 90_000) for size in (10, -4, -6)]
    world.start()
    venue.wind_up(0)
    world._check()
    assert [venue.position(scope, 0)[0] for scope in scopes] == [0, 0, 0]


def settled() -> dict[str, Any]:
    return {
        "policy": Tranches(),
        "stages": {
            "takeover": Takeover.FUND,
            "takeover_price": PriceMode.MARK,
            "takeover_collateral": True,
            "variation": True,
            "adl_when": AdlWhen.NEVER,
            "social_rule": SocialRule.GAINS,
        },
    }


def test_winners_share_what_losers_cannot_pay_as_the_twin_says() -> None:
    """The mark rises: shorts lose, some more than they have; each long keeps its floored share."""
    rng = random.Random(11)
    shared = 0
    for _ in range(60):
        world, venue = venue_of(100, unit=1, **settled())
        longs = [rng.randint(1, 60) for _ in range(rng.randint(1, 6))]
        shorts: list[int] = []
        while sum(shorts) < sum(longs):
            shorts.append(min(rng.randint(1, 50), sum(longs) - sum(shorts)))
        money = [size * 100 + rng.randint(0, 400) for size in shorts]

        def opened(size: int, has: int, venue: Venue = venue) -> int:
            account = venue.open_account()
            venue.deposit(account, 0, has)
            venue.open_position(account, 0, size, size * 100)
            return venue.cross_scope(account, 0)

        losers = [opened(-size, has) for size, has in zip(shorts, money, strict=True)]
        winners = [opened(size, 10_000) for size in longs]
        pool = rng.choice((0, 100, 900))
        if pool:
            venue.fund_deposit(0, pool)
        world.start()
        rise = rng.randint(50, 400)
        venue.set_index(0, 100 + rise)
        world.step()
        world.step()
        world._check()
        lost = [size * rise for size in shorts]
        missing = sum(max(0, a - b) for a, b in zip(lost, money, strict=True))
        missing = max(0, missing - pool)
        kept = twin.shared([size * rise for size in longs], missing)
        assert [venue.collateral(scope) - 10_000 for scope in winners] == kept
        assert all(venue.collateral(scope) >= 0 for scope in losers)
        shared += missing > 0
    assert shared > 10


def test_isolated_margin_is_topped_up_and_released_between_its_levels() -> None:
    """Maintenance 5 % of 10 lots: 5,000. Below 1.1 of it filled up to 1.2, above 1.4 back to it."""
    rules = settled()
    rules["stages"] |= {"search_ppm": 1_100_000, "initial_ppm": 1_200_000, "release_ppm": 1_400_000}
    world, venue = venue_of(100, **rules)
    account, other = venue.open_account(), venue.open_account()
    for who in (account, other):
        venue.deposit(who, 0, 50_000)
    world.start()
    scope = venue.isolate(account, 0)
    venue.move_isolated(account, 0, 10_000)
    venue.submit(other, 0, Side.ASK, 100, 10)
    venue.submit(account, 0, Side.BID, 100, 10)
    world.settle()
    assert venue.collateral(scope) == 6_000  # 10,000 was above 7,000
    venue.set_index(0, 99)
    world.settle()
    assert venue.collateral(scope) == 5_940  # 5,000 left, below 1.1 of 4,950
    assert {reason for (reason,) in rows(world, "postings", "reason")} >= {PostReason.TRANSFER}
    world._check()


@pytest.mark.parametrize(
    ("stages", "error", "key"),
    [
        ({"takeovers": 1}, ConfigError, "stages.takeovers"),
        ({"takeover": 7}, InputError, "takeover"),
        ({"takeover_price": PriceMode.TICK}, ConfigError, "takeover_price"),
        ({"dispose_ppm": 1}, ConfigError, "dispose_ppm"),
        ({"social_rule": SocialRule.GAINS}, ConfigError, "social_rule"),
        ({"adl_overlap": True, "adl_price": PriceMode.MARK}, ConfigError, "adl_price"),
        ({"search_ppm": 2, "initial_ppm": 3, "release_ppm": 4}, ConfigError, "search_ppm"),
        ({"release_ppm": 10**6, "initial_ppm": 2 * 10**6}, ConfigError, "search_ppm"),
        ([("takeover", 1)], InputTypeError, "stages"),
    ],
)
def test_stages_that_make_no_sense_are_refused(
    stages: Any, error: type[Exception], key: str
) -> None:
    with pytest.raises(error, match=key):
        World().add_venue(stages=stages)


def test_the_defaults_are_no_stages_and_hash_as_none() -> None:
    plain, said = World(1), World(1)
    plain.add_venue()
    said.add_venue(stages=dict(STAGES))
    assert plain.state_hash() == said.state_hash()
