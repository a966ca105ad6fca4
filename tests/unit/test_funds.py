"""Funds by market, days of winners, funds that fell: who pays, to the unit. ADR 24."""

from __future__ import annotations

from typing import Any

import pytest

from ordercascade.core.changing import change
from ordercascade.core.venue import Venue
from ordercascade.core.world import World
from ordercascade.duties import LotSide, TrancheRule
from ordercascade.enums import (
    HolderKind,
    MarketKind,
    Outcome,
    PostReason,
    PriceMode,
    PriceSource,
    Residual,
    Side,
    SocialRule,
    StepKind,
    Takeover,
    TakeoverWhen,
)
from ordercascade.errors import ConfigError, InputError
from ordercascade.mechanisms.feeds import Feed
from ordercascade.mechanisms.surcharges import VolatilityFee
from ordercascade.mechanisms.tranches import Tranches
from ordercascade.tables import balances
from ordercascade.tape import Tape
from unit.worlds import holding, rows, run_forked

FLAT = [(0, 50_000, 0, 100_000)]
TAKES = {"takeover": Takeover.FUND, "takeover_when": TakeoverWhen.SHORTFALL}


def venue_of(
    marks: tuple[int, ...] = (100, 100), assets: tuple[int, ...] = (0, 0), **rules: Any
) -> tuple[World, Venue]:
    """A venue of linear markets (100 units a tick and lot) at outside prices, books empty."""
    world = World(1)
    world.add_venue(asset_count=max(assets) + 1, **rules)
    venue = world.venue(0)
    for mark, asset in zip(marks, assets, strict=True):
        venue.add_market(
            asset=asset,
            multiplier=100,
            price_max=10_000,
            size_max=10_000,
            brackets=FLAT,
            source=PriceSource.INDEX,
            index=mark,
        )
    return world, venue


def own(venue: Venue, market: int) -> int:
    return venue.balance(venue.fund_of(market))


def paid(world: World, reason: PostReason) -> list[tuple[int, ...]]:
    found = rows(world, "postings", "from_holder", "to_holder", "amount", "reason")
    return [row[:3] for row in found if row[3] == reason]


def test_ids_a_fund_follows_its_market_s_clearing() -> None:
    """Five holders of the asset, then clearing and fund of each market, then scopes."""
    _, venue = venue_of(stages={"fund_market": True})
    assert [venue.fund_of(m) for m in (0, 1)] == [6, 8]
    assert [venue.holder(HolderKind.CLEARING, m) for m in (0, 1)] == [5, 7]
    assert venue.holder(HolderKind.FUND) == 1
    account = venue.open_account()
    venue.deposit(account, 0, 5)
    assert venue.cross_scope(account) == 9
    _, plain = venue_of()
    assert [plain.fund_of(m) for m in (0, 1)] == [1, 1]
    with pytest.raises(InputError, match="market"):
        plain.fund_of(2)


def test_fees_of_a_market_go_to_its_own_fund() -> None:
    """10 lots from 100 fall to 96: at the bid of 96 the fee is 1 % of 96,000 = 960."""
    world, venue = venue_of(stages={"fund_market": True}, liquidation_fee_ppm=10_000)
    venue.seed_level(1, Side.BID, 96, 10)
    scope = holding(venue, 10, 100, 8_000, market=1)
    venue.fund_deposit(0, 70, market=0)
    venue.fund_deposit(0, 7)
    world.start()
    venue.set_index(1, 96)
    run_forked(world)
    assert [own(venue, 0), own(venue, 1), venue.fund] == [70, 960, 70 + 960 + 7]
    assert venue.collateral(scope) == 8_000 - 4_000 - 960
    funds = rows(world, "funds", "step", "holder", "balance")
    assert funds[:5] == [(-1, 1, 7), (-1, 2, 0), (-1, 4, 0), (-1, 6, 70), (-1, 8, 0)]
    assert [row[1:] for row in funds[5:]] == [(8, 960)]


def test_a_deficit_is_paid_by_the_fund_of_the_market_that_was_traded_last() -> None:
    """At 84 and 100 equity is 1,800 of 5,000, maintenance 840 + 1,000: leg 1 goes first, at 95;
    then 800 are less than 840, and leg 0 goes at 70: 2,000 are missing, and its fund has them."""
    world, venue = venue_of(stages={"fund_market": True})
    venue.seed_level(0, Side.BID, 70, 20)
    venue.seed_level(1, Side.BID, 95, 20)
    account = venue.open_account()
    venue.deposit(account, 0, 5_000)
    venue.open_position(account, 0, 2, 20_000)
    venue.open_position(account, 1, 2, 20_000)
    venue.fund_deposit(0, 9_000, market=0)
    venue.fund_deposit(0, 1_000, market=1)
    scope = venue.cross_scope(account)
    world.start()
    venue.set_index(0, 84)
    run_forked(world)
    assert [row[1] for row in rows(world, "liquidations", "step", "market")] == [1, 0]
    assert paid(world, PostReason.FUND_PAYS) == [(venue.fund_of(0), scope, 2_000)]
    assert [own(venue, 0), own(venue, 1)] == [7_000, 1_000]


def test_an_isolated_deficit_is_paid_by_its_market_though_another_traded_later() -> None:
    """Isolated in market 1 with 2,000, 20,000 of cost sold for 16,000: market 1's fund pays."""
    world, venue = venue_of(stages={"fund_market": True})
    venue.seed_level(1, Side.BID, 80, 20)
    account = venue.open_account()
    venue.deposit(account, 0, 9_000)
    assert venue.isolate(account, 1) >= 0
    assert venue.move_isolated(account, 1, 2_000) == 0
    venue.open_position(account, 1, 2, 20_000)
    for market in (0, 1):
        venue.fund_deposit(0, 1_500, market=market)
    scope = venue.scope_of(account, 1)
    world.start()
    venue.set_index(1, 92)
    run_forked(world)
    assert paid(world, PostReason.FUND_PAYS) == [(venue.fund_of(1), scope, 1_500)]
    assert venue.bad_debt == -500
    assert [own(venue, 0), own(venue, 1)] == [1_500, 0]
    assert venue.collateral(venue.cross_scope(account)) == 7_000


def test_a_residual_goes_to_the_fund_of_its_market() -> None:
    """5,500 less a loss of 1,000 on 2 lots in market 1, then flat: 4,500 of penalty."""
    world, venue = venue_of(stages={"fund_market": True}, residual=Residual.FUND)
    venue.seed_level(1, Side.BID, 96, 20)
    scope = holding(venue, 10, 100, 8_000, market=1)
    world.start()
    venue.set_index(1, 96)
    run_forked(world)
    assert paid(world, PostReason.RESIDUAL) == [(scope, venue.fund_of(1), 4_000)]


def test_each_leg_of_a_takeover_goes_to_its_market_s_fund_within_that_one_s_cap() -> None:
    """Two legs of 2 lots at 80; caps of 100 %: both funds have room with 16,000 each; with 15,999
    in one of them nobody takes anything over, and others are deleveraged."""
    for other, outcome in ((16_000, StepKind.TAKEOVER), (15_999, StepKind.ADL)):
        world, venue = venue_of(stages=TAKES | {"fund_market": True, "takeover_cap_ppm": 10**6})
        account = venue.open_account()
        venue.deposit(account, 0, 7_000)
        for market in (0, 1):
            venue.open_position(account, market, 2, 20_000)
            holding(venue, -2, 100, 90_000, market=market)
            venue.fund_deposit(0, 16_000 if market else other, market=market)
        world.start()
        for market in (0, 1):
            venue.set_index(market, 80)
        run_forked(world)
        kinds = [kind for (kind,) in rows(world, "steps", "kind") if kind > StepKind.LIQUIDATION]
        assert kinds == [outcome, outcome]
        taken = [venue.inherited(HolderKind.FUND, market)[0] for market in (0, 1)]
        assert taken == ([2, 2] if outcome == StepKind.TAKEOVER else [0, 0])
        assert venue.position(venue.scope_of(account, 0), 0) == (0, 0)


def test_an_insured_fill_is_paid_by_its_market_s_fund_alone() -> None:
    """A fill 1,000 below the bankruptcy quote: market 0's fund has 999, so it is refused."""
    for money, filled in ((1_000, 10), (999, 0)):
        stages = {"insured": True, "fund_market": True}
        world, venue = venue_of(policy=Tranches(), stages=stages)
        venue.seed_level(0, Side.BID, 94, 10)
        scope = holding(venue, 10, 100, 5_000)
        venue.fund_deposit(0, money, market=0)
        venue.fund_deposit(0, 90_000, market=1)
        world.start()
        venue.set_index(0, 97)
        while not rows(world, "liquidations", "step"):
            assert world.step() >= 0
        assert rows(world, "liquidations", "lots_filled") == [(filled,)]
        assert own(venue, 0) == (0 if filled else 999)
        assert own(venue, 1) == 90_000
        assert venue.position(scope, 0)[0] == 10 - filled


def test_settling_to_the_mark_draws_on_the_fund_of_that_market() -> None:
    """The long owes 3,000 with 2,000: its market's fund pays 600, and the winner forgoes 400."""
    stages = {"variation": True, "social_rule": SocialRule.GAINS, "fund_market": True}
    world, venue = venue_of(stages=stages, social=True)
    long, short = holding(venue, 1, 100, 2_000, 1), holding(venue, -1, 100, 5_000, 1)
    venue.fund_deposit(0, 5_000, market=0)
    venue.fund_deposit(0, 600, market=1)
    world.start()
    venue.set_index(1, 70)
    run_forked(world)
    assert [own(venue, 0), own(venue, 1)] == [5_000, 0]
    assert venue.collateral(long) == 0
    assert venue.collateral(short) == 5_000 + 3_000 - 400


def test_funds_of_two_assets_stay_apart() -> None:
    world, venue = venue_of(assets=(0, 1), stages={"fund_market": True})
    venue.seed_level(1, Side.BID, 80, 20)
    account = venue.open_account()
    venue.deposit(account, 1, 2_000)
    venue.open_position(account, 1, 2, 20_000)
    venue.fund_deposit(0, 9_000, market=0)
    venue.fund_deposit(1, 1_500, market=1)
    world.start()
    venue.set_index(1, 92)
    run_forked(world)
    assert (own(venue, 0), own(venue, 1)) == (9_000, 0)
    assert venue.balance(venue.holder(HolderKind.BAD_DEBT, 1)) == -500
    assert venue.fund == 9_000


def test_an_inverse_market_s_fund_pays_in_its_coin() -> None:
    """10 lots of 1 USD at 10**6 / p: bought at 100 for 10**5, sold at 80 for 125,000 of loss
    25,000 with 15,000: its fund pays 10,000."""
    world = World(1)
    world.add_venue(stages={"fund_market": True})
    venue = world.venue(0)
    venue.add_market(
        kind=MarketKind.INVERSE, multiplier=10**6, price_max=10_000, size_max=100, brackets=FLAT,
        source=PriceSource.INDEX, index=100,
    )  # fmt: skip
    venue.seed_level(0, Side.BID, 80, 20)
    account = venue.open_account()
    venue.deposit(account, 0, 15_000)
    venue.open_position(account, 0, 10, -100_000)
    venue.fund_deposit(0, 30_000, market=0)
    world.start()
    venue.set_index(0, 88)
    run_forked(world)
    assert own(venue, 0) == 20_000
    assert venue.bad_debt == 0


@pytest.mark.parametrize("market", [0, 1])
def test_a_market_s_fund_that_funding_leaves_below_zero_is_filled_by_bad_debt(market: int) -> None:
    """The fund holds 10 lots that it took over; a rate of 10 % of 95,000 is more than it has."""
    world, venue = venue_of(stages=TAKES | {"fund_market": True})
    holding(venue, 10, 100, 5_200, market)
    world.schedule_funding(5, 0, market, rate_ppb=10**8)
    world.start()
    venue.set_index(market, 94)
    world.run()
    world._check()
    assert own(venue, market) == 0
    assert venue.bad_debt < 0


# --- lots of a side -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "charged"),
    [(LotSide.BOTH, (125, 375, 0)), (LotSide.LONGS, (500, 0, 0)), (LotSide.SHORTS, (0, 501, 0))],
)
def test_a_funding_shift_is_spread_over_the_lots_of_its_market_and_side(
    side: LotSide, charged: tuple[int, ...]
) -> None:
    """A deficit of 500 in market 0, where a long has 1 lot and a short 3: 125 a lot of four; of
    three lots 167, and the fund gets the one too much. The long of market 1 pays nothing."""
    stages = {"social_rule": SocialRule.LOTS, "social_side": side, "fund_market": True}
    world, venue = venue_of(stages=stages, social=True)
    venue.seed_level(0, Side.BID, 80, 2)
    holding(venue, 2, 100, 2_000)
    venue.fund_deposit(0, 1_500, market=0)
    venue.fund_deposit(0, 9_999, market=1)
    others = [
        holding(venue, lots, 100, 50_000, market) for lots, market in ((1, 0), (-3, 0), (1, 1))
    ]
    world.start()
    venue.set_index(0, 92)
    run_forked(world)
    assert tuple(50_000 - venue.collateral(scope) for scope in others) == charged
    assert [own(venue, 0), own(venue, 1)] == [sum(charged) - 500, 9_999]
    assert venue.bad_debt == 0


# --- the day's winners --------------------------------------------------------------------------


def day(**more: Any) -> dict[str, Any]:
    stages = {"social_rule": SocialRule.DAY, "day_ns": 100, "day_at_ns": 30}
    return {"social": True, "stages": stages | more}


def after_a_day(world: World, venue: Venue) -> list[int]:
    """A loss of 2,000 at time 50; the day began at 30. Return what four others were charged."""
    venue.seed_level(0, Side.BID, 80, 2)
    holding(venue, 2, 100, 2_000)
    others = [holding(venue, lots, 100, 50_000, 1) for lots in (3, -1, 2, -4)]
    accounts = range(2, 6)
    world.schedule_index(10, 0, 1, 120)  # yesterday's: no profit of the day
    world.schedule_index(40, 0, 1, 110)  # today the shorts win 1,000 a lot
    world.schedule_transfer(45, 0, 3, 0, 5_000)  # brought, not made
    world.schedule_transfer(45, 0, 5, 0, -500)
    world.schedule_index(50, 0, 0, 92)
    world.start()
    before = [venue.collateral(venue.cross_scope(each)) for each in accounts]
    run_forked(world)
    moved = [0, 5_000, 0, -500]
    found = [venue.collateral(scope) for scope in others]
    return [a + b - c for a, b, c in zip(before, moved, found, strict=True)]


def test_a_loss_is_shared_by_what_winners_made_since_the_day_began() -> None:
    """Of 2,000 the shorts, who made 1,000 and 4,000 since time 30, bear 400 and 1,600; open
    profit, that of all longs and of no short, does not count."""
    world, venue = venue_of(**day())
    assert after_a_day(world, venue) == [0, 400, 0, 1_600]
    assert venue.bad_debt == 0


def test_open_profit_would_have_charged_the_others() -> None:
    world, venue = venue_of(social=True)
    assert after_a_day(world, venue) == [1_200, 0, 800, 0]


def test_money_between_scopes_of_an_account_is_no_profit_of_either() -> None:
    """A short moves 3,000 to an isolated scope that makes nothing; it alone made 1,000."""
    world, venue = venue_of(**day())
    venue.seed_level(0, Side.BID, 80, 2)
    holding(venue, 2, 100, 2_000)
    short = holding(venue, -1, 100, 50_000, 1)
    world.start()
    assert venue.isolate(2, 0) >= 0
    assert venue.move_isolated(2, 0, 3_000) == 0
    venue.set_index(1, 90)
    venue.set_index(0, 92)
    run_forked(world)
    assert venue.collateral(short) == 50_000 - 3_000 - 1_000
    assert venue.bad_debt == -1_000


# --- a fund that fell ---------------------------------------------------------------------------


def falling(window: int, money: int = 10_000, **more: Any) -> tuple[World, Venue]:
    """At time 10 the fund pays 3,000 of 10,000: 30 %. At time 60 a scope falls below zero."""
    stages = TAKES | {"drawdown_ppm": 300_000, "drawdown_ns": window} | more
    world, venue = venue_of(stages=stages)
    venue.seed_level(0, Side.BID, 65, 2)
    holding(venue, 2, 100, 4_000)
    holding(venue, 1, 100, 500, 1)
    holding(venue, -1, 100, 50_000, 1)
    venue.fund_deposit(0, money, market=0)
    world.schedule_index(10, 0, 0, 83)
    world.schedule_index(60, 0, 1, 90)
    world.start()
    run_forked(world)
    return world, venue


@pytest.mark.parametrize(
    ("window", "money", "kind"),
    [
        (50, 10_000, StepKind.ADL),  # the high of time 10 is just inside
        (49, 10_000, StepKind.TAKEOVER),
        (50, 10_001, StepKind.TAKEOVER),  # a unit less than 30 %
        (50, 3_000, StepKind.ADL),  # nothing left
        (1, 3_000, StepKind.ADL),
    ],
)
def test_a_fund_down_by_its_share_takes_nothing_over(
    window: int, money: int, kind: StepKind
) -> None:
    world, _ = falling(window, money)
    kinds = [k for (k,) in rows(world, "steps", "kind")]
    assert kinds.count(StepKind.WATERFALL) == 1
    assert [k for k in kinds if k in (StepKind.ADL, StepKind.TAKEOVER)] == [kind]


def test_a_market_s_own_fund_falls_alone() -> None:
    """Market 0's fund has fallen by 30 %; market 1's takes over all the same."""
    world, venue = falling(50, fund_market=True)
    assert own(venue, 0) == 7_000
    kinds = [k for (k,) in rows(world, "steps", "kind")]
    assert StepKind.ADL in kinds  # its own fund has nothing
    stages = TAKES | {"drawdown_ppm": 300_000, "drawdown_ns": 50, "fund_market": True}
    world, venue = venue_of(stages=stages)
    holding(venue, 1, 100, 500, 1)
    venue.fund_deposit(0, 1, market=1)
    world.start()
    venue.set_index(1, 90)
    run_forked(world)
    assert rows(world, "liquidations", "outcome") == [(Outcome.TAKEN_OVER,)]


# --- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stages", "field"),
    [
        ({"social_side": LotSide.LONGS}, "social_side"),
        ({"social_rule": SocialRule.DAY}, "day_ns"),
        ({"day_ns": 5}, "day_ns"),
        ({"social_rule": SocialRule.DAY, "day_ns": 5, "day_at_ns": 5}, "day_at_ns"),
        ({"drawdown_ppm": 5} | TAKES, "drawdown_ns"),
        ({"drawdown_ppm": 5, "drawdown_ns": 1}, "drawdown_ppm"),
        ({"drawdown_ppm": 5, "drawdown_ns": 1} | TAKES | {"takeover": Takeover.VAULT},
         "drawdown_ppm"),
    ],
)  # fmt: skip
def test_numbers_that_do_not_go_together_are_refused_by_name(
    stages: dict[str, Any], field: str
) -> None:
    with pytest.raises(ConfigError, match=f"stages.{field}"):
        venue_of(stages=stages)


def test_an_adl_at_the_mark_leaves_the_rest_to_the_market_s_fund() -> None:
    """At the mark 90 the bankrupt's 10 lots leave a deficit of 4,800: its market's fund pays."""
    stages = {"adl_price": PriceMode.MARK, "fund_market": True}
    world, venue = venue_of(stages=stages)
    scope = holding(venue, 10, 100, 5_200, 1)
    holding(venue, -10, 100, 90_000, 1)
    venue.fund_deposit(0, 9_000, market=0)
    venue.fund_deposit(0, 5_000, market=1)
    world.start()
    venue.set_index(1, 90)
    run_forked(world)
    assert paid(world, PostReason.FUND_PAYS) == [(venue.fund_of(1), scope, 4_800)]
    assert own(venue, 1) == 200


@pytest.mark.parametrize(
    "stages",
    [
        {"fund_market": True},
        {"social_rule": SocialRule.DAY, "day_ns": 7},
        TAKES | {"drawdown_ppm": 1, "drawdown_ns": 1},
    ],
)
def test_funds_and_days_stay_as_they_are_in_a_running_world(stages: dict[str, Any]) -> None:
    for before, after in ((stages, {}), ({}, stages)):
        world, venue = venue_of(stages=before)
        holding(venue, 1, 100, 90_000)
        world.start()
        kept = world.state_hash()
        with pytest.raises(InputError, match="must stay as it is in a running world"):
            change(world, 0, stages=after)
        assert world.state_hash() == kept


def test_a_day_s_profit_is_refused_where_other_assets_are_margin() -> None:
    world = World(1)
    world.add_venue(asset_count=2, **day())
    venue = world.venue(0)
    venue.add_market(multiplier=100, price_max=10_000, size_max=99, index=100)
    world.add_collateral(0, 1, price=100, multiplier=90, per=7)
    with pytest.raises(ConfigError, match="collateral: cannot be run with losses shared by the"):
        world.start()


def test_what_funds_have_together_is_drawn_step_by_step() -> None:
    """9,000 + 5,000 at the opening; 4,800 of the second are paid."""
    world, venue = venue_of(stages={"adl_price": PriceMode.MARK, "fund_market": True})
    holding(venue, 10, 100, 5_200, 1)
    holding(venue, -10, 100, 90_000, 1)
    for market, amount in ((0, 9_000), (1, 5_000)):
        venue.fund_deposit(0, amount, market=market)
    world.start()
    venue.set_index(1, 90)
    run_forked(world)
    tape = Tape(world.log, {})
    steps, sums = balances(tape.tables["accounts"], tape.funds, 0, HolderKind.FUND)
    assert sums.tolist() == [14_000] * (len(sums) - 1) + [9_200]
    assert steps[0] == -1
    assert (
        steps[1:]
        == [
            s
            for s, k in zip(tape.funds["step"], tape.funds["holder"], strict=True)
            if k in (1, 6, 8)
        ]
    ).all()


def test_a_vault_s_cap_counts_all_legs_though_funds_are_by_market() -> None:
    """Two legs worth 16,000 each against a vault of 20,000: one would fit, both do not."""
    stages = TAKES | {"takeover": Takeover.VAULT, "takeover_cap_ppm": 10**6, "fund_market": True}
    for money, outcome in ((32_000, Outcome.TAKEN_OVER), (20_000, Outcome.DELEVERAGED)):
        world, venue = venue_of(stages=stages)
        account = venue.open_account()
        venue.deposit(account, 0, 7_000)
        for market in (0, 1):
            venue.open_position(account, market, 2, 20_000)
            holding(venue, -2, 100, 90_000, market=market)
        venue._outside(venue.holder(HolderKind.VAULT), money)
        world.start()
        for market in (0, 1):
            venue.set_index(market, 80)
        run_forked(world)
        assert rows(world, "liquidations", "outcome") == [(outcome,)]


def test_the_funds_share_of_trading_fees_goes_to_the_market_s_own() -> None:
    """A surcharge gives the fund half of all fees: 2 lots at 101 in market 1 at 1 %: 202 / 2."""
    world = World(1)
    fee = VolatilityFee(
        base_ppm=10_000, slope_ppm=0, cap_ppm=10_000, reference_ppb=1, to_fund_ppm=500_000,
        sample_ns=10, start_ppb=0, step_ppm=10**6,
    )  # fmt: skip
    world.add_venue(stages={"fund_market": True}, surcharges=[fee])
    venue = world.venue(0)
    for _ in range(2):
        venue.add_market(
            multiplier=100, price_max=10_000, size_max=100, brackets=FLAT, last=100, index=100,
            taker_fee_ppm=10_000, source=PriceSource.INDEX,
        )  # fmt: skip
    venue.seed_level(1, Side.ASK, 101, 5)
    venue.deposit(venue.open_account(), 0, 90_000)
    world.start()
    venue.submit(1, 1, Side.BID, 101, 2)
    world._check()
    paid_in = own(venue, 1)
    assert paid_in > 0
    assert own(venue, 0) == venue.balance(venue.holder(HolderKind.FUND)) == 0
    assert paid_in == venue.balance(venue.holder(HolderKind.FEES))


def test_a_scope_that_never_traded_owes_the_first_market_of_its_asset() -> None:
    """Lots that cancel out before the start leave a cost of 500 and 200 of money: flat, -300."""
    world, venue = venue_of(marks=(100, 100, 100), assets=(0, 1, 1), stages={"fund_market": True})
    account = venue.open_account()
    venue.deposit(account, 1, 200)
    for size, cost in ((5, 50_500), (-5, -50_000)):
        venue.open_position(account, 2, size, cost)
    for market, asset in ((0, 0), (1, 1), (2, 1)):
        venue.fund_deposit(asset, 900, market=market)
    world.start()
    world.settle()
    world._check()
    assert [own(venue, market) for market in range(3)] == [900, 600, 900]
    assert venue.collateral(venue.cross_scope(account, 1)) == 0


def test_a_day_begins_before_a_late_mark_is_taken() -> None:
    """The outside price moves at 10, the oracle hears of it at 30, as the day begins: the short's
    1,000 are the new day's, though no step lies between its beginning and the mark."""
    world = World(1)
    world.add_venue(**day())
    venue = world.venue(0)
    for feed in (None, Feed(source=PriceSource.INDEX, latency_ns=20, price_max=10_000)):
        venue.add_market(
            multiplier=100, price_max=10_000, size_max=100, brackets=FLAT, index=100,
            source=PriceSource.INDEX, **({"oracle": feed} if feed else {}),
        )  # fmt: skip
    venue.seed_level(0, Side.BID, 80, 2)
    holding(venue, 2, 100, 2_000)
    short = holding(venue, -1, 100, 50_000, 1)
    world.schedule_index(10, 0, 1, 90)
    world.schedule_index(50, 0, 0, 92)
    world.start()
    world.run()
    world._check()
    assert venue.marks() == [92, 90]
    assert venue.collateral(short) == 50_000 - 1_000


def test_nobody_pays_more_of_its_day_than_it_still_has() -> None:
    """The short made 1,000, closed, and took all but 100 out: it pays 100, 1,900 are bad debt."""
    world, venue = venue_of(**day())
    venue.seed_level(0, Side.BID, 80, 2)
    venue.seed_level(1, Side.ASK, 90, 1)
    holding(venue, 2, 100, 2_000)
    short = holding(venue, -1, 100, 50_000, 1)
    world.start()
    assert venue.submit(2, 1, Side.BID, 90, 1) == 0
    assert venue.withdraw(2, 0, 50_900) == 0
    assert venue.collateral(short) == 100
    venue.set_index(0, 92)
    run_forked(world)
    assert [amount for _, _, amount in paid(world, PostReason.SOCIALISED)] == [100]
    assert venue.collateral(short) == 0
    assert venue.bad_debt == -1_900


def test_what_the_market_s_fund_took_over_is_no_user_s_skew() -> None:
    """A window of 4 is used up at 0; users' skew is 10 less the fund's 4, so within 7 there is one
    more window at 5: 4 more lots go over."""
    stages = {"takeover": Takeover.FUND, "takeover_ppm": 10**6, "fund_market": True}
    for most, taken in ((7, 8), (6, 4)):
        policy = Tranches(TrancheRule.WINDOW, capacity=4, window_ns=50, skew_max=most)
        world, venue = venue_of(policy=policy, stages=stages)
        holding(venue, 10, 100, 8_000, 1)
        world.schedule_index(5, 0, 1, 94)
        world.start()
        venue.set_index(1, 96)
        world.settle(0)
        world.settle(5)
        world._check()
        assert venue.inherited(HolderKind.FUND, 1)[0] == taken


@pytest.mark.parametrize("market", [0, 1])
def test_each_market_s_fund_has_its_own_high(market: int) -> None:
    """Fund 0 falls from 10,000 to 7,000 at 10; fund 1 pays 1 of 12,000 at 20 and is not far from
    its high, or has had 6,000 all along: it takes over, fund 0 does not."""
    stages = TAKES | {"drawdown_ppm": 300_000, "drawdown_ns": 100, "fund_market": True}
    world, venue = venue_of(stages=stages)
    venue.seed_level(0, Side.BID, 65, 2)
    holding(venue, 2, 100, 4_000)
    venue.fund_deposit(0, 10_000, market=0)
    venue.fund_deposit(0, 6_000 if market else 12_000, market=1)
    if market == 0:
        venue.seed_level(1, Side.BID, 80, 1)
        holding(venue, 1, 100, 1_999, 1)
    holding(venue, 1, 60, 10, market)
    holding(venue, -1, 60, 90_000, market)
    world.schedule_index(10, 0, 0, 83)
    world.schedule_index(20, 0, 1, 84)
    world.schedule_index(60, 0, market, 50)
    world.start()
    run_forked(world)
    kinds = [k for (k,) in rows(world, "steps", "kind") if k in (StepKind.ADL, StepKind.TAKEOVER)]
    assert kinds == [StepKind.TAKEOVER if market else StepKind.ADL]


@pytest.mark.parametrize("fund_market", [False, True])
def test_a_hedged_pair_is_netted_before_its_market_s_fund_is_asked(fund_market: bool) -> None:
    """Legs of 3 and 2 lots at 80: 8,000 are left for the fund's cap, not 40,000."""
    stages = TAKES | {"fund_market": fund_market, "takeover_cap_ppm": 10**6}
    for money, outcome in ((8_000, Outcome.TAKEN_OVER), (7_999, Outcome.DELEVERAGED)):
        world, venue = venue_of(stages=stages)
        account = venue.open_account(hedge=True)
        venue.deposit(account, 0, 500)
        venue.open_position(account, 0, 3, 30_000)
        venue.open_position(account, 0, -2, -20_000)
        holding(venue, -1, 100, 90_000)
        venue.fund_deposit(0, money, market=0)
        world.start()
        venue.set_index(0, 80)
        world.settle()
        world._check()
        assert rows(world, "liquidations", "outcome") == [(outcome,)]
