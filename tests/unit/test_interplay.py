"""Rules that were built apart, together: collateral, calls, rates, halts, ends, funds, ranks.

Index at 100, multiplier 100, maintenance 5 % of value, as everywhere in these tests.
"""

from __future__ import annotations

from typing import Any

import pytest

import ordercascade as oc
from ordercascade.core.changing import change
from ordercascade.core.lending import schedule_interest
from ordercascade.core.monitor import Monitor
from ordercascade.core.planning import schedule_expiry, set_answers
from ordercascade.core.schedule import Schedule
from ordercascade.core.venue import Venue
from ordercascade.core.world import World
from ordercascade.duties import CallAction, CollateralSource, ExpiryRule
from ordercascade.enums import (
    AdlRule,
    BreakerAction,
    BreakerKind,
    NoteKind,
    PostReason,
    PriceSource,
    Reject,
    ReleaseRule,
    Side,
    StepKind,
    Takeover,
    TakeoverWhen,
)
from ordercascade.errors import ConfigError, MechanismError
from ordercascade.mechanisms.breakers import Breaker
from ordercascade.mechanisms.plugins import PluginBackstop, PluginBreaker, PluginSurcharge, Rival
from ordercascade.mechanisms.surcharges import VolatilityFee
from unit.test_surcharges import SCENARIO
from unit.worlds import BRACKETS, holding, rows, run_checked

CALLED = {"call_ppm": 2_000_000, "release_ppm": 3_000_000}
TENTH_NS = 365 * 86_400 * 10**8


def at_index(markets: int = 1, *, schedule: Schedule | None = None, **rules: Any) -> Any:
    """A world and its venue; the mark of every market is the index."""
    world = World(1)
    world.add_venue(**rules)
    venue = world.venue(0)
    for _ in range(markets):
        venue.add_market(
            multiplier=100, price_max=10_000, size_max=10_000, brackets=BRACKETS,
            schedule=schedule, source=PriceSource.INDEX, index=100,
        )  # fmt: skip
    return world, venue


def kinds(world: World) -> list[StepKind]:
    return [StepKind(kind) for (kind,) in rows(world, "steps", "kind")]


class Same:
    """Adds so much to maintenance."""

    more = 0

    def addon(self, *_: object) -> int:
        return self.more

    def state(self) -> bytes:
        return bytes([self.more > 0])


def test_a_fund_that_sells_what_it_took_over_is_not_charged_its_own_share_of_the_fee() -> None:
    """0.05 % goes to fees and fund, a fifth of it to the fund: the fund itself pays four fifths."""
    fee = VolatilityFee(
        base_ppm=500, slope_ppm=0, cap_ppm=500, reference_ppb=10**8, to_fund_ppm=200_000,
        sample_ns=10, start_ppb=10**8,
    )  # fmt: skip
    world = World(1)
    world.add_venue(
        stages={
            **{"takeover": Takeover.FUND, "takeover_when": TakeoverWhen.BELOW, "dispose_ns": 10},
            **{"dispose_ppm": 500_000, "dispose_range_ppm": 900_000},
        },
        surcharges=[fee],
    )
    venue = world.venue(0)
    venue.add_market(
        multiplier=100, price_max=10_000, size_max=10_000, brackets=BRACKETS, taker_fee_ppm=500
    )
    for price, size in {99: 5, 90: 30, 80: 30}.items():
        venue.seed_level(0, Side.BID, price, size)
    venue.seed_level(0, Side.ASK, 101, 5)
    venue.fund_deposit(0, 10**7)
    holding(venue, 10, 100, 12_000)
    world.schedule_shock(5, 0, 0, Side.ASK, size=10)
    world.start()
    run_checked(world)
    assert StepKind.DISPOSAL in kinds(world)
    fund = venue.holder(2, 0)
    paid = rows(world, "postings", "from_holder", "to_holder", "reason")
    assert any(a == fund and reason == PostReason.FEE_TAKER for a, _, reason in paid)
    assert not any(a == b for a, b, _ in paid)


def test_coins_that_back_a_loser_are_no_profit_that_ranks_it() -> None:
    world, venue = at_index(asset_count=2, adl_rule=AdlRule.ACCOUNT_RISK)
    world.add_collateral(0, 1, price=100)
    bankrupt, winner = holding(venue, 10, 100, 6_000), holding(venue, -10, 100, 20_000)
    loser = venue.open_account()
    venue.deposit(loser, 0, 1_000)
    venue.deposit(loser, 1, 400)
    venue.open_position(loser, 0, -10, -80_000)
    world.schedule_index(5, 0, 0, 90)
    world.start()
    run_checked(world)
    assert rows(world, "adl", "scope_from", "scope_to", "lots") == [(bankrupt, winner, 10)]


@pytest.mark.parametrize("own", [True, False])
def test_a_scope_whose_coins_follow_a_mark_is_called_when_it_is_below(own: bool) -> None:
    """Also where no leg's own market moves."""
    world, venue = at_index(2, asset_count=2, calls=CALLED)
    world.add_collateral(0, 1, source=CollateralSource.MARK, market=0 if own else 1, multiplier=1)
    account = venue.open_account()
    venue.deposit(account, 1, 300 if own else 162)
    venue.open_position(account, 0, 10, 100_000)
    scope = venue.scope_of(account, 0)
    for time, price in enumerate(range(99, 60, -1), 1):
        world.schedule_index(time, 0, 0 if own else 1, price)
    world.start()
    below = None
    while world.step() >= 0:
        world._check()
        if below is None and venue.equity(scope) < 2 * venue.maintenance(scope):
            below = world.time_ns
    times = rows(world, "steps", "time_ns", "kind")
    assert below is not None
    assert [time for time, kind in times if kind == StepKind.MARGIN_CALL][:1] == [below]


def test_an_answer_that_was_changed_on_its_way_does_nothing() -> None:
    """It was to sell half; now the account adds money to three times: that is no share of lots."""
    world, venue = at_index(calls=CALLED)
    for price in range(40, 100):
        venue.seed_level(0, Side.BID, price, 1_000)
    scope = holding(venue, 10, 100, 16_200)
    set_answers(world, 0, 1, action=CallAction.REDUCE, share_ppm=500_000, delay_ns=10)
    world.schedule_index(10, 0, 0, 93)
    world.start()
    while StepKind.MARGIN_CALL not in kinds(world):
        world.step()
    set_answers(world, 0, 1, action=CallAction.ADD, target_ppm=3_000_000)
    world.run()
    assert venue.position(scope, 0) == (10, 100_000)


@pytest.mark.parametrize("interest", [True, False])
def test_surcharges_move_the_schedules_of_their_own_world_once(interest: bool) -> None:
    """One Schedule in two markets; a fork; then, perhaps, interest; then 10 % more."""
    shared = Schedule.flat(maintenance_ppm=50_000, initial_ppm=100_000, multiplier=100)
    world, venue = at_index(2, schedule=shared)
    scope = holding(venue, 10, 100, 40_000)
    world.start()
    world.run()
    fork = world.fork()
    digest = fork.state_hash()
    if interest:
        schedule_interest(world, 5, 0, every_ns=10**15, slope_ppb=1, steep_ppb=1, optimum_ppb=10**8)
    more = Same()
    more.more = 100_000
    change(world, 0, surcharges=[PluginSurcharge(more)])
    world.settle()
    assert venue.maintenance(scope) == 15_000
    assert fork.venue(0).maintenance(scope) == 5_000
    assert fork.state_hash() == digest


@pytest.mark.parametrize("own", [True, False])
def test_a_monitor_keeps_the_rates_that_stood_when_it_was_made(own: bool) -> None:
    more = Same()
    made = Schedule.flat(maintenance_ppm=50_000, initial_ppm=100_000, multiplier=100)
    world, venue = at_index(schedule=made if own else None, surcharges=[PluginSurcharge(more)])
    holding(venue, 10, 100, 10_000)
    world.start()
    world.run()
    monitor = Monitor(venue)
    more.more = 100_000
    world.settle()
    assert len(monitor.at_risk()) == 0
    monitor._check()


def test_answers_that_are_set_between_two_calls_survive_a_plug_in_s_failure() -> None:
    class Breaker:
        bad = False

        def judge(self, *_: object) -> None:
            if self.bad:
                raise ValueError("no")

        def state(self) -> bytes:
            return b""

    breaker = Breaker()
    world, venue = at_index(calls=CALLED, breakers=[PluginBreaker(breaker)])
    holding(venue, 10, 100, 16_200)
    world.schedule_index(10, 0, 0, 99)
    world.schedule_index(20, 0, 0, 93)
    world.start()
    assert (world.run(1), world.run(1)) == (1, 1)
    set_answers(world, 0, 1, action=CallAction.ADD, target_ppm=3_000_000)
    digest, breaker.bad = world.state_hash(), True
    with pytest.raises(MechanismError):
        world.run()
    assert world.state_hash() == digest
    breaker.bad = False
    world.run()
    assert [kind for (kind,) in rows(world, "notes", "kind")].count(NoteKind.ANSWER) == 1


def test_coins_do_not_go_through_the_book_of_a_halted_market() -> None:
    class Halt:
        def judge(self, market: int, _: object, time_ns: int) -> Any:
            return (BreakerAction.STOP, 0, 0, 100) if market == 1 and 3 <= time_ns < 100 else None

        def state(self) -> bytes:
            return b""

    world, venue = at_index(asset_count=2, breakers=[PluginBreaker(Halt())])
    venue.add_market(multiplier=100, price_max=10_000, size_max=10_000, brackets=BRACKETS, last=20)
    world.add_collateral(
        0, 1, source=CollateralSource.MARK, market=1, multiplier=10, per=1, spot=True
    )
    for price in (19, 18, 5):
        venue.seed_level(1, Side.BID, price, 3)
    venue.seed_level(0, Side.BID, 50, 100)
    account = venue.open_account()
    venue.deposit(account, 1, 100)
    venue.open_position(account, 0, 10, 100_000)
    world.schedule_index(3, 0, 1, 20)
    world.schedule_index(5, 0, 0, 80)
    world.start()
    run_checked(world)
    assert {StepKind.HALT, StepKind.PAYMENT} <= set(kinds(world))
    assert {market for (market,) in rows(world, "fills", "market")} == {0}
    assert venue.collateral(venue.cross_scope(account, 1)) == 0


@pytest.mark.parametrize("coins", [True, False])
def test_a_share_that_stays_counts_what_coins_back(coins: bool) -> None:
    """Half of 100,000 must stay of 55,000; what is above that may go, in either kind."""
    world, venue = at_index(asset_count=2, gates={"stays_ppm": 500_000})
    world.add_collateral(0, 1, price=100)
    account = venue.open_account()
    asset, unit = (1, 100) if coins else (0, 1)
    venue.deposit(account, asset, 55_000 // unit)
    venue.open_position(account, 0, 10, 100_000)
    world.start()
    world.run()
    assert venue.withdraw(account, asset, 5_100 // unit) == Reject.GATED
    assert venue.withdraw(account, asset, 5_000 // unit) == 0


def test_ranks_are_frozen_for_all_legs_of_a_deleveraging() -> None:
    seen: list[list[tuple[int, ...]]] = []

    class Asked:
        def order(self, rivals: list[Rival], _: int) -> list[int]:
            users = [r for r in rivals if not r.external]
            seen.append([(r.scope, r.equity, r.maintenance, r.money) for r in users])
            return [r.scope for r in users]

        def state(self) -> bytes:
            return b""

    world, venue = at_index(2, backstop=PluginBackstop(Asked()))
    for money, size in ((12_000, 10), (30_000, -10)):
        account = venue.open_account()
        venue.deposit(account, 0, money)
        for market in range(2):
            venue.open_position(account, market, size, size * 10_000)
    for market in range(2):
        world.schedule_index(5, 0, market, 85)
    world.start()
    world.run()
    assert len(seen) == 2
    assert seen[0] == seen[1]


def backed(**rules: Any) -> tuple[World, Venue, int]:
    world, venue = at_index(asset_count=2, **rules)
    world.add_collateral(0, 1, price=100)
    account = venue.open_account()
    venue.deposit(account, 1, 162)
    venue.open_position(account, 0, 10, 100_000)
    world.start()
    world.run()
    return world, venue, account


def test_stages_that_would_have_to_convert_collateral_cannot_come_later_either() -> None:
    world, _, _ = backed()
    digest = world.state_hash()
    with pytest.raises(ConfigError, match="cannot be run with variation"):
        change(world, 0, stages={"variation": True})
    assert world.state_hash() == digest
    change(world, 0)


@pytest.mark.parametrize("asset", [0, 1])
def test_the_last_interest_is_paid_before_a_market_ends_in_the_same_instant(asset: int) -> None:
    world = World(1)
    world.add_venue(asset_count=2)
    venue = world.venue(0)
    venue.add_market(
        asset, multiplier=100, price_max=10_000, size_max=10_000, brackets=BRACKETS,
        source=PriceSource.INDEX, index=100,
    )  # fmt: skip
    account = venue.open_account()
    venue.deposit(account, asset, 20_000)
    venue.open_position(account, 0, 10, 100_000)
    schedule_interest(
        world, TENTH_NS, 0, asset=asset, every_ns=TENTH_NS, slope_ppb=4 * 10**7,
        steep_ppb=6 * 10**8, optimum_ppb=8 * 10**8,
    )  # fmt: skip
    schedule_expiry(world, TENTH_NS, 0, 0, rule=ExpiryRule.MARK)
    world.start()
    run_checked(world)
    assert kinds(world) == [StepKind.INTEREST, StepKind.EXPIRY]


def test_changing_to_the_same_rules_keeps_the_random_start_of_deleveraging() -> None:
    text = SCENARIO.replace("size = 0.2 }", "size = 0.02 }")
    text = text.replace("[[venue.market]]", '[venue.adl]\nrule = "random"\n[[venue.market]]', 1)
    ends = set()
    for changed in (False, True):
        scenario = oc.Scenario.from_toml(text)
        with oc.World(scenario) as world:
            world.run(5)
            if changed:
                world.change(scenario)
            world.run()
            tape = world.tape()
            assert len(tape.adl)
            ends.add(tuple(tape.adl["scope_to"].tolist()))
    assert len(ends) == 1


@pytest.mark.parametrize("release", [ReleaseRule.AUCTION, ReleaseRule.AT_ONCE])
def test_a_market_that_ended_in_a_halt_trades_no_more(release: ReleaseRule) -> None:
    """A bid and an ask wait outside, the market ends: both are refused when it would reopen."""
    second = 10**9
    halt = Breaker(
        BreakerKind.HALT, band_ppm=50_000, halt_ns=60 * second, everybody=True, release=release
    )
    world = World(1)
    world.add_venue(breakers=[halt])
    venue = world.venue(0)
    venue.add_market(multiplier=100, price_max=10_000, size_max=10_000, brackets=BRACKETS)
    for price, size in {99: 5, 90: 5, 80: 50}.items():
        venue.seed_level(0, Side.BID, price, size)
    venue.seed_level(0, Side.ASK, 101, 5)
    holding(venue, 10, 100, 10**6)
    for time, side, size, limit in ((1, 1, 11, 0), (2, 0, 7, 120), (3, 1, 7, 60)):
        world.schedule_shock(time * second, 0, 0, Side(side), size=size, limit=limit)
    schedule_expiry(world, 10 * second, 0, 0, rule=ExpiryRule.MARK)
    world.start()
    run_checked(world)
    assert StepKind.AUCTION not in kinds(world)
    end = kinds(world).index(StepKind.EXPIRY)
    assert not [step for (step,) in rows(world, "fills", "step") if step > end]
    late = [result for step, result in rows(world, "orders", "step", "result") if step > end]
    assert late == [Reject.EXPIRED_MARKET] * 2


def test_maintenance_and_fee_of_more_than_the_value_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"schedule.fee_ppm: must leave .* 950000 ppm in row 0"):
        Schedule.flat(maintenance_ppm=950_000, initial_ppm=10**6, fee_ppm=60_000)
    Schedule.flat(maintenance_ppm=950_000, initial_ppm=10**6, fee_ppm=50_000)


def test_the_contagion_buffer_s_crowd_has_coins_that_fall_with_the_market() -> None:
    """Long 10 on 160 coins at the mark: at 90 the coins are worth 14,400, so it is near."""

    class Looks(Same):
        seen: Any = None

        def addon(self, *asked: Any) -> int:
            self.seen = asked[2]
            return 0

    looks = Looks()
    world, venue = at_index(asset_count=2, surcharges=[PluginSurcharge(looks, reach_ppm=100_000)])
    world.add_collateral(0, 1, source=CollateralSource.MARK, market=0, multiplier=1)
    account = venue.open_account()
    venue.deposit(account, 1, 160)
    venue.open_position(account, 0, 10, 100_000)
    world.start()
    world.run()
    assert looks.seen.longs == 10
    assert venue.liquidation_price(venue.scope_of(account, 0), 0) == 90
