"""Portfolio margin: hedged limits worked by hand, presets of grids, questions, what is refused."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from ordercascade.core.changing import change
from ordercascade.core.derivatives import (
    buckets,
    schedule_volatility,
    set_option,
    set_portfolio,
    span,
)
from ordercascade.core.lending import schedule_interest
from ordercascade.core.monitor import Monitor
from ordercascade.core.venue import Venue
from ordercascade.core.world import World
from ordercascade.duties import OptionKind, VolMove
from ordercascade.enums import (
    AdlTrigger,
    AdlWhen,
    LegRule,
    MarketKind,
    Outcome,
    PriceMode,
    PriceSource,
    QueueOrder,
    Reject,
    Side,
    StepKind,
    Takeover,
    TakeoverWhen,
)
from ordercascade.errors import ConfigError, InputError, InputTypeError
from ordercascade.margin import loss_grid, requirement
from ordercascade.mechanisms.surcharges import ContagionBuffer
from unit.test_options import DAY, listed, opened
from unit.worlds import rows, run_checked

CALL, PUT = OptionKind.CALL, OptionKind.PUT
UP, SAME, DOWN = VolMove.UP, VolMove.SAME, VolMove.DOWN
PPM = 10**6


def futures(*indices: int, grids: list[dict[str, Any]], **terms: Any) -> tuple[World, Venue]:
    """Futures at these outside prices, multiplier 10, margined by the given grids."""
    world = World(1)
    world.add_venue()
    venue = world.venue(0)
    for index in indices:
        venue.add_market(multiplier=10, price_max=10**6, size_max=10**6, index=index,
                         source=PriceSource.INDEX)  # fmt: skip
    set_portfolio(world, 0, underlyings=grids, **terms)
    return world, venue


# --- grids ---------------------------------------------------------------------------------------


def test_span_s_grid_has_sixteen_scenarios_two_of_them_extreme() -> None:
    rows_ = span(150_000, extreme_ppm=450_000, counted_ppm=320_000)
    assert len(rows_) == 16
    assert sorted({move for move, _, counted in rows_ if counted == PPM}) == [
        -150_000, -100_000, -50_000, 0, 50_000, 100_000, 150_000,
    ]  # fmt: skip
    assert {vol for _, vol, counted in rows_ if counted == PPM} == {UP, DOWN}
    assert rows_[-2:] == [(450_000, SAME, 320_000), (-450_000, SAME, 320_000)]


def test_deribit_s_grid_has_four_buckets_a_side_and_a_dampener() -> None:
    rows_ = buckets(160_000, 4, extended=[(-660_000, None), (5_000_000, None), (330_000, 500_000)])
    moves = sorted({move for move, _, counted in rows_ if counted == PPM})
    assert moves == [-160_000, -120_000, -80_000, -40_000, 0, 40_000, 80_000, 120_000, 160_000]
    assert rows_[-3:] == [
        (-660_000, SAME, 242_425), (5_000_000, SAME, 32_000), (330_000, SAME, 500_000),
    ]  # fmt: skip
    assert len(rows_) == 30
    with pytest.raises(InputError, match="beyond the range"):
        buckets(160_000, 4, extended=[(100_000, None)])
    with pytest.raises(InputError, match="range_ppm"):
        span(0)


# --- hedged limits -------------------------------------------------------------------------------


def test_a_single_future_asks_the_range_and_its_contingency() -> None:
    """10 lots at 10,000 * 10 are 1,000,000: 15 % and 0.6 % of it, 80 % of that maintained."""
    grid = {"reference": 0, "markets": [0], "rows": span(150_000), "contingency_ppm": 6_000}
    world, venue = futures(10_000, grids=[grid], maintenance_ppm=800_000)
    long, short = opened(venue, 10**6, (0, 10, 10_000)), opened(venue, 10**6, (0, -10, 10_000))
    world.start()
    assert venue.initial(long) == venue.initial(short) == 156_000
    assert venue.maintenance(long) == 124_800


def test_two_expiries_of_one_underlying_ask_only_their_contingency() -> None:
    """The second is at a basis of 300 that no scenario moves: 0.6 % of 1,000,000 and 1,030,000."""
    grid = {"reference": 0, "markets": [0, 1], "rows": span(150_000), "contingency_ppm": 6_000}
    world, venue = futures(10_000, 10_300, grids=[grid])
    hedged = opened(venue, 10**6, (0, 10, 10_000), (1, -10, 10_300))
    world.start()
    assert venue.initial(hedged) == venue.maintenance(hedged) == 12_180


def test_concentration_adds_up_beyond_its_size() -> None:
    grid = {"reference": 0, "markets": [0], "rows": span(100_000), "concentration_ppm": 50_000,
            "concentration_from": 400_000}  # fmt: skip
    world, venue = futures(10_000, grids=[grid])
    large, small = opened(venue, 10**6, (0, 10, 10_000)), opened(venue, 10**6, (0, 4, 10_000))
    world.start()
    assert venue.initial(large) == 100_000 + 30_000
    assert venue.initial(small) == 40_000


def test_a_put_under_a_long_caps_what_it_asks() -> None:
    """The loss is at most the put's price: 572 * 10 * 10 at a strike of 10,000."""
    world, venue = listed({"kind": PUT})
    naked = opened(venue, 10**7, (0, 10, 10_000))
    covered = opened(venue, 10**7, (0, 10, 10_000), (1, 10, 500))
    bought = opened(venue, 10**7, (1, 10, 500))
    world.start()
    assert venue.initial(naked) == 150_000
    assert venue.initial(covered) < 57_200
    # An option that was bought can lose no more than its price.
    assert 0 < venue.initial(bought) < 57_200
    assert venue.initial(covered) <= venue.initial(naked)


def test_a_call_sold_asks_its_minimum_at_least() -> None:
    """Far out it can lose next to nothing: 1 % of 20 lots on 10,000 * 10 each."""
    world, venue = listed({"kind": CALL, "strike": 90_000}, portfolio=False)
    grid = {"reference": 0, "markets": [0, 1], "rows": span(150_000), "short_ppm": 10_000,
            "option_ppm": 1_000}  # fmt: skip
    set_portfolio(world, 0, underlyings=[grid])
    sold = opened(venue, 10**7, (1, -20, 1))
    bought = opened(venue, 10**7, (1, 20, 1))
    world.start()
    assert venue.initial(sold) == 20_000 + 2_000
    assert venue.initial(bought) == 0


def test_underlyings_that_lose_in_opposite_directions_set_losses_off() -> None:
    """Long 10 at 10,000 and short 3 at 20,000: 150,000 and 90,000, 60 % of the smaller."""
    grids = [{"reference": k, "markets": [k], "rows": span(150_000)} for k in range(2)]
    world, venue = futures(10_000, 20_000, grids=grids, offsets=[(0, 1, 600_000)])
    apart = opened(venue, 10**7, (0, 10, 10_000), (1, -3, 20_000))
    alike = opened(venue, 10**7, (0, 10, 10_000), (1, 3, 20_000))
    world.start()
    assert venue.initial(apart) == 240_000 - 54_000
    assert venue.initial(alike) == 240_000


def test_inverse_futures_lose_more_when_their_price_falls() -> None:
    """K = 10^9: 10 lots at 10,000 are worth -10^6; 15 % down -1,176,471, rounded down."""
    world = World(1)
    world.add_venue()
    venue = world.venue(0)
    venue.add_market(kind=MarketKind.INVERSE, multiplier=10**9, price_max=10**6, size_max=10**6,
                     index=10_000, source=PriceSource.INDEX)  # fmt: skip
    set_portfolio(world, 0, underlyings=[{"reference": 0, "markets": [0], "rows": span(150_000)}])
    long, short = (opened_inverse(venue, size) for size in (10, -10))
    world.start()
    assert venue.initial(long) == 176_471
    assert venue.initial(short) == 1_000_000 - 869_565


def opened_inverse(venue: Venue, size: int) -> int:
    account = venue.open_account()
    scope = int(venue.deposit(account, 0, 10**7))
    venue.open_position(account, 0, size, -size * 10**5)
    return scope


def test_a_larger_range_or_volatility_never_asks_less() -> None:
    before = 0
    for width in (50_000, 100_000, 200_000, 400_000):
        for up in (0, 200_000, 800_000):
            world, venue = listed({"kind": CALL}, {"kind": PUT}, portfolio=False)
            grid = {"reference": 0, "markets": [0, 1, 2], "rows": span(width), "up_ppm": up,
                    "power_short_ppm": 300_000}  # fmt: skip
            set_portfolio(world, 0, underlyings=[grid])
            straddle = opened(venue, 10**8, (0, 5, 10_000), (1, -20, 572), (2, -20, 572))
            world.start()
            asked = venue.initial(straddle)
            assert asked > before if up else asked > 0
            before = asked if up else before
        before = 0


def test_the_vectors_functions_say_the_same_of_a_future() -> None:
    """`margin.loss_grid` and `requirement` are exact fractions; here every scenario is whole."""
    grid = {"reference": 0, "markets": [0], "rows": span(150_000)}
    world, venue = futures(10_000, grids=[grid])
    scope = opened(venue, 10**6, (0, -7, 10_000))
    world.start()
    shocks = [Fraction(move, PPM) for move, _, _ in span(150_000)]
    array = loss_grid(Fraction(-7 * 10), Fraction(10_000), shocks)
    assert requirement([array])[1] == venue.initial(scope) == 105_000


# --- orders and questions ------------------------------------------------------------------------


def test_orders_are_asked_as_if_filled_in_the_worst_way() -> None:
    world, venue = listed({"kind": PUT})
    scope = opened(venue, 400_000, (0, 10, 10_000))
    world.start()
    assert venue.initial(scope) == 150_000
    assert venue.submit(1, 0, Side.BID, 9_000, 10) > 0  # both: 300,000
    assert venue.initial(scope) == 300_000
    assert venue.submit(1, 0, Side.BID, 8_000, 7) == Reject.INSUFFICIENT
    assert venue.submit(1, 0, Side.ASK, 12_000, 30) > 0  # alone: -20 lots
    assert venue.initial(scope) == 300_000
    assert venue.submit(1, 0, Side.ASK, 12_000, 30) == Reject.INSUFFICIENT


def test_closing_a_hedge_is_refused_and_closing_a_risk_is_free() -> None:
    """Calls sold deep in the money need their futures; who is long alone, and below, may sell."""
    world, venue = listed({"kind": CALL, "strike": 8_000})
    hedged = opened(venue, 100_000, (0, 10, 10_000), (1, -10, 2_050))
    long = opened(venue, 140_000, (0, 10, 10_000))
    world.start()
    assert venue.initial(hedged) < 60_000
    assert venue.submit(1, 0, Side.ASK, 9_990, 10) == Reject.INSUFFICIENT
    assert venue.initial(long) > venue.equity(long)
    assert venue.submit(2, 0, Side.ASK, 9_990, 11) >= 0  # beyond it, a small risk
    assert venue.position(long, 0)[0] == -1
    assert venue.submit(2, 0, Side.ASK, 9_990, 10) == Reject.INSUFFICIENT


def test_money_that_scenarios_need_does_not_leave() -> None:
    world, venue = listed({"kind": PUT})
    opened(venue, 200_000, (0, 10, 10_000))
    world.start()
    assert venue.withdraw(1, 0, 50_001) == Reject.INSUFFICIENT
    assert venue.withdraw(1, 0, 50_000) == 0


def test_time_and_volatility_alone_move_what_is_asked() -> None:
    """On the 20th day, at 90 % volatility, it is what it is on the first of an option of 10."""
    asked = []
    for days, vol in ((30, 500_000), (10, 500_000), (10, 900_000)):
        world, venue = listed({"kind": CALL, "expires_ns": days * DAY, "vol_ppm": vol})
        scope = opened(venue, 10**7, (0, 10, 10_000), (1, -30, 571))
        world.schedule_index(20 * DAY, 0, 0, 10_000)
        schedule_volatility(world, 20 * DAY + 1, 0, 0, factor_ppm=1_800_000)
        world.start()
        found = [venue.maintenance(scope)]
        while days == 30 and world.step() >= 0 and world.time_ns <= 20 * DAY + 1:
            found.append(venue.maintenance(scope))
        asked.append(found)
    (start, *later), (ten,), (wild,) = asked
    assert ten != start
    assert ten in later
    assert abs(later[-1] - wild) <= 8  # a nanosecond less is left


def test_what_if_reprices_options_on_the_mark_that_is_given() -> None:
    world, venue = listed({"kind": PUT})
    scope = opened(venue, 10**6, (0, 10, 10_000), (1, 10, 572))
    world.start()
    assert venue.what_if(scope, {}) == (venue.equity(scope), venue.maintenance(scope))
    equity, _ = venue.what_if(scope, {0: 5_000})
    # The future loses 500,000; the put is worth 5,000, up from 572.
    assert equity == 10**6 - 10 * 5_000 * 10 + 10 * (5_000 - 572) * 10
    stated, _ = venue.what_if(scope, {0: 5_000, 1: 572})
    assert stated == 10**6 - 10 * 5_000 * 10


def test_a_liquidation_price_is_found_by_halves_where_one_future_moves_alone() -> None:
    """10 lots, 200,000: equity falls by 100 a tick, maintenance is 12 % of 100 a tick."""
    world, venue = listed({"kind": PUT})
    long, short = opened(venue, 200_000, (0, 10, 10_000)), opened(venue, 200_000, (0, -10, 10_000))
    both = opened(venue, 10**6, (0, 10, 10_000), (1, 10, 572))
    rich = opened(venue, 10**12, (0, -1, 10_000))  # no price in the market's range is too high
    world.start()
    for scope, step in ((long, -1), (short, 1)):
        tick = venue.liquidation_price(scope, 0)
        equity, maintenance = venue.what_if(scope, {0: tick})
        safe, kept = venue.what_if(scope, {0: tick - step})
        assert equity < maintenance and safe >= kept
    assert venue.liquidation_price(long, 0) == 9_091
    with pytest.raises(InputError, match="must be one whose price moves a single future"):
        venue.liquidation_price(both, 0)
    with pytest.raises(InputError, match="single future"):
        venue.liquidation_price(both, 1)
    assert venue.liquidation_price(rich, 0) is None
    assert venue.liquidation_price(opened(venue, 10**9), 0) is None


# --- liquidation ---------------------------------------------------------------------------------


def test_a_hedge_that_expires_makes_the_requirement_jump_and_the_venue_liquidates() -> None:
    """A long under a put asks little; the put ends worthless at 10,100, and 120,000 are asked."""
    world, venue = listed({"kind": PUT, "expires_ns": 10 * DAY})
    scope = opened(venue, 130_000, (0, 10, 10_000), (1, 10, 334))
    world.schedule_index(9 * DAY, 0, 0, 9_950)
    world.schedule_index(9 * DAY + 1, 0, 0, 10_001)
    world.start()
    before = venue.maintenance(scope)
    assert before < 40_000
    run_checked(world)
    kinds = [kind for (kind,) in rows(world, "steps", "kind")]
    assert kinds[-3:].count(StepKind.EXPIRY) == 1
    assert kinds[-1] == StepKind.LIQUIDATION
    assert venue.position(scope, 0) == (0, 0)
    last = rows(world, "liquidations", "market", "lots_filled", "outcome")[-1]
    assert last == (0, 10, Outcome.CLOSED)


def test_the_leg_whose_end_relieves_most_goes_first_and_a_hedge_never() -> None:
    """Long 10 in one expiry, short 4 in the other: the long's end leaves 4, the short's end 10."""
    grid = {"reference": 0, "markets": [0, 1], "rows": span(150_000)}
    world, venue = futures(10_000, 10_000, grids=[grid])
    scope = opened(venue, 95_000, (1, -4, 10_000), (0, 10, 10_000))
    for market in range(2):
        venue.seed_level(market, Side.BID, 9_999, 100)
        venue.seed_level(market, Side.ASK, 10_001, 100)
    world.schedule_index(5, 0, 0, 9_850)
    world.schedule_index(5, 0, 1, 9_850)
    world.start()
    run_checked(world)
    assert [market for (market,) in rows(world, "liquidations", "market")] == [0]
    assert venue.position(scope, 0) == (0, 0)
    assert venue.position(scope, 1)[0] == -4


def test_a_hedge_of_options_is_not_sold_while_the_scope_has_something() -> None:
    """Ten calls sold under ten futures: without the futures the calls alone would ask more."""
    world, venue = listed({"kind": CALL})
    scope = opened(venue, 70_000, (0, 10, 10_000), (1, -10, 571))
    bare = opened(venue, 10**7, (1, -10, 571))
    world.schedule_index(5, 0, 0, 10_001)
    world.start()
    assert 70_000 < venue.maintenance(scope) < venue.maintenance(bare)
    assert scope in venue.at_risk()
    while world.step() >= 0 and world.time_ns <= DAY:
        assert venue.position(scope, 0)[0] == 10
    assert rows(world, "liquidations", "scope") == []


def test_two_hedged_futures_are_sold_one_after_the_other() -> None:
    """Neither's end relieves, and there are books: the scope cannot pay the contingency of both."""
    grid = {"reference": 0, "markets": [0, 1], "rows": span(150_000), "contingency_ppm": 50_000}
    world, venue = futures(10_000, 10_000, grids=[grid])
    scope = opened(venue, 90_000, (0, 10, 10_000), (1, -10, 10_000))
    for market in range(2):
        venue.seed_level(market, Side.BID, 9_999, 100)
        venue.seed_level(market, Side.ASK, 10_001, 100)
    world.start()
    assert venue.maintenance(scope) == 100_000
    world.settle()
    run_checked(world)
    assert [market for (market,) in rows(world, "liquidations", "market")] == [0, 1]
    assert venue.collateral(scope) == 90_000 - 200


def test_an_option_s_other_mark_lets_a_pending_scope_try_again() -> None:
    """Nobody bids for its futures; a jump of volatility changes no mark but the option's."""
    world = World(1)
    world.add_venue()
    venue = world.venue(0)
    for index in (10_000, 0):
        venue.add_market(multiplier=10, price_max=10**6, size_max=10**6, index=index,
                         source=PriceSource.INDEX)  # fmt: skip
    set_option(world, 0, 1, kind=PUT, underlying=0, strike=9_000, expires_ns=DAY, vol_ppm=500_000)
    grid = {"reference": 0, "markets": [0, 1], "rows": span(150_000)}
    set_portfolio(world, 0, underlyings=[grid])
    opened(venue, 140_000, (0, 10, 10_000), (1, 1, 1))
    world.schedule_index(5, 0, 0, 10_000)
    schedule_volatility(world, 7, 0, 1, vol_ppm=2_000_000)
    world.start()
    run_checked(world)
    times = dict(rows(world, "steps", "step", "time_ns"))
    sent = rows(world, "liquidations", "step", "lots_filled")
    assert [(times[step], filled) for step, filled in sent] == [(0, 0), (7, 0), (DAY, 0)]


def test_options_are_never_sent_as_orders_and_below_zero_they_are_handed_over() -> None:
    """A naked call loses all that stands behind it: the buyer takes it over, nobody pays more."""
    world, venue = listed({"kind": CALL})
    bare, winner = opened(venue, 200_000, (1, -20, 572)), opened(venue, 10**7, (1, 20, 572))
    world.schedule_index(DAY, 0, 0, 10_300)
    world.schedule_index(2 * DAY, 0, 0, 13_000)
    world.start()
    run_checked(world)
    assert len(rows(world, "liquidations", "market")) == 0
    steps = rows(world, "steps", "time_ns", "kind", "scope")
    assert (2 * DAY, StepKind.ADL, bare) in steps
    assert all(time == 2 * DAY for time, kind, _ in steps if kind == StepKind.ADL)
    assert venue.position(bare, 1) == (0, 0) and venue.collateral(bare) == 0
    assert venue.position(winner, 1)[0] == 0
    assert not any(venue.audit().values())


def test_futures_go_before_the_options_that_they_do_not_hedge() -> None:
    """Short calls and short futures: the futures' end relieves; then the options wait alone."""
    world, venue = listed({"kind": CALL})
    scope = opened(venue, 300_000, (0, -10, 10_000), (1, -20, 572))
    world.schedule_index(DAY, 0, 0, 10_400)
    world.start()
    run_checked(world)
    assert [market for (market,) in rows(world, "liquidations", "market")] == [0]
    assert venue.position(scope, 0)[0] == 0
    assert venue.position(scope, 1)[0] in (-20, 0)


def test_an_unfilled_order_hands_options_over_where_the_venue_deleverages_then() -> None:
    world, venue = listed({"kind": CALL}, adl_trigger=AdlTrigger.UNFILLED)
    bare = opened(venue, 250_000, (1, -20, 572))
    world.schedule_index(DAY, 0, 0, 10_600)
    world.start()
    run_checked(world)
    adl = rows(world, "steps", "time_ns", "kind")
    assert (DAY, StepKind.ADL) in adl
    assert venue.position(bare, 1) == (0, 0)
    assert venue.collateral(bare) == 0


def test_the_fund_takes_options_over_where_its_threshold_says_so() -> None:
    """Below its maintenance: no order, the fund gets the lots at the mark; it never sells them."""
    stages = {"takeover": Takeover.FUND, "takeover_when": TakeoverWhen.BELOW,
              "takeover_price": PriceMode.MARK, "takeover_ppm": PPM, "dispose_ppm": 500_000,
              "dispose_ns": 10, "dispose_full": 1, "dispose_share_ppm": PPM}  # fmt: skip
    world, venue = listed({"kind": CALL}, stages=stages)
    venue.fund_deposit(0, 10**6)
    bare = opened(venue, 250_000, (1, -20, 572))
    world.schedule_index(DAY, 0, 0, 10_600)
    world.start()
    run_checked(world)
    kinds = rows(world, "steps", "kind", "scope")
    assert (StepKind.TAKEOVER, bare) in kinds
    assert not {StepKind.LIQUIDATION, StepKind.DISPOSAL} & {kind for kind, _ in kinds}
    assert venue.position(bare, 1) == (0, 0)
    assert venue.collateral(bare) > 0
    assert not any(venue.audit().values())


def test_without_deleveraging_options_below_zero_wait_for_their_end() -> None:
    stages = {"adl_when": AdlWhen.NEVER}
    world, venue = listed({"kind": CALL}, stages=stages)
    bare = opened(venue, 200_000, (1, -20, 572))
    world.schedule_index(2 * DAY, 0, 0, 13_000)
    world.start()
    run_checked(world)
    kinds = [kind for (kind,) in rows(world, "steps", "kind")]
    assert kinds.index(StepKind.EXPIRY) < kinds.index(StepKind.WATERFALL)
    assert StepKind.ADL not in kinds
    assert venue.collateral(bare) == 0
    assert venue.bad_debt == 200_000 + 20 * 572 * 10 - 20 * 3_000 * 10


def test_the_worst_profit_is_chosen_among_the_legs_whose_end_relieves() -> None:
    """The second future lost more; the first hedges nothing either, and stays."""
    grid = {"reference": 0, "markets": [0, 1], "rows": span(150_000)}
    world = World(1)
    world.add_venue(leg=LegRule.WORST_PNL)
    venue = world.venue(0)
    for _ in range(2):
        venue.add_market(multiplier=10, price_max=10**6, size_max=10**6, index=10_000,
                         source=PriceSource.INDEX)  # fmt: skip
    set_portfolio(world, 0, underlyings=[grid])
    scope = opened(venue, 200_000, (0, 10, 10_000), (1, 5, 11_000))
    venue.seed_level(1, Side.BID, 9_999, 100)
    world.start()
    assert venue.maintenance(scope) == 225_000
    world.settle()
    assert venue.position(scope, 1) == (0, 0)
    assert venue.position(scope, 0)[0] == 10


def test_orders_in_a_fourth_market_are_asked_as_if_alone() -> None:
    """Three markets' orders are tried in all ways; the fourth's adds its own loss."""
    markets = list(range(5))
    grid = {"reference": 0, "markets": markets, "rows": span(150_000)}
    world, venue = futures(*[10_000] * 5, grids=[grid])
    scope = opened(venue, 10**7, (0, -40, 10_000))
    world.start()
    for market in (1, 2, 3):
        assert venue.submit(1, market, Side.BID, 9_000, 10) > 0
    assert venue.initial(scope) == 40 * 15_000
    assert venue.submit(1, 4, Side.BID, 9_000, 10) > 0
    assert venue.submit(1, 4, Side.ASK, 11_000, 3) > 0
    assert venue.initial(scope) == 40 * 15_000 + 10 * 15_000


def test_a_volatility_shock_alone_starts_a_cascade() -> None:
    world, venue = listed({"kind": CALL}, {"kind": PUT})
    scope = opened(venue, 420_000, (1, -20, 572), (2, -20, 572), (0, 5, 10_000))
    schedule_volatility(world, DAY, 0, 0, factor_ppm=3_000_000)
    world.start()
    assert venue.equity(scope) >= venue.maintenance(scope)
    assert scope not in venue.at_risk()
    run_checked(world)
    steps = rows(world, "steps", "kind", "scope", "parent")
    first = next(row for row in steps if row[1] == scope)
    assert first[0] == StepKind.ADL
    assert steps[first[2]][0] == StepKind.SHOCK
    assert venue.position(scope, 1)[0] == venue.position(scope, 2)[0] == 0


def test_each_step_of_an_instant_is_judged_on_what_stands_after_it() -> None:
    """A volatility, or the reference that says how far a move goes, changes nothing but the prices
    in the scenarios: the step that changes it, the second of its instant, is the parent."""
    world, venue = listed({"kind": CALL}, {"kind": PUT}, adl_trigger=AdlTrigger.UNFILLED)
    scope = opened(venue, 225_000, (1, -20, 572), (2, -20, 572), (0, 5, 10_000))
    world.schedule_index(DAY, 0, 0, 10_000)
    schedule_volatility(world, DAY, 0, 0, factor_ppm=1_800_000)
    assert first_parent(world, scope) == 1

    world = World(1)
    world.add_venue(adl_trigger=AdlTrigger.UNFILLED)
    venue = world.venue(0)
    for index in (10_000, 10_000, 0):
        venue.add_market(multiplier=10, price_max=10**6, size_max=10**6, index=index,
                         source=PriceSource.INDEX)  # fmt: skip
    set_option(world, 0, 2, kind=PUT, underlying=1, strike=10_000, expires_ns=9 * DAY, vol_ppm=0)
    grid = {"reference": 0, "markets": [0, 1, 2], "rows": span(150_000)}
    set_portfolio(world, 0, underlyings=[grid])
    scope = opened(venue, 160_000, (2, -10, 1))
    world.schedule_index(DAY, 0, 0, 10_000)
    world.schedule_index(DAY, 0, 0, 15_000)
    assert first_parent(world, scope) == 1


def first_parent(world: World, scope: int) -> int:
    """Run to the first deleveraging of a scope and return its parent."""
    world.start()
    run_checked(world)
    steps = rows(world, "steps", "kind", "scope", "parent")
    return next(parent for kind, who, parent in steps if who == scope and kind == StepKind.ADL)


# --- copies --------------------------------------------------------------------------------------


def test_a_fork_is_the_same_and_goes_on_alone() -> None:
    world, venue = listed({"kind": CALL}, {"kind": PUT})
    opened(venue, 300_000, (0, -10, 10_000), (1, -20, 572))
    opened(venue, 500_000, (2, -20, 572), (1, 20, 572))
    for day, price in ((1, 10_400), (2, 9_000), (3, 8_000)):
        world.schedule_index(day * DAY, 0, 0, price)
    schedule_volatility(world, 2 * DAY, 0, 0, factor_ppm=2_000_000)
    world.start()
    hashes = {world.state_hash()}
    other = world.fork()
    while world.step() >= 0:
        assert other.step() >= 0
        assert other.state_hash() == world.state_hash()
        other = world.fork()
        hashes.add(world.state_hash())
    assert len(hashes) > 5


def test_the_hash_tells_terms_apart() -> None:
    hashes = []
    for vol, credit in ((500_000, 800_000), (500_001, 800_000), (500_000, 800_001)):
        world, _ = listed({"vol_ppm": vol}, portfolio=False)
        grid = {"reference": 0, "markets": [0, 1], "rows": span(150_000)}
        set_portfolio(world, 0, underlyings=[grid], maintenance_ppm=credit)
        world.start()
        hashes.append(world.state_hash())
    assert len(set(hashes)) == 3


# --- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "word"),
    [
        ({"queue": QueueOrder.TRIGGER_PRICE}, "trigger_price"),
        ({"calls": {"call_ppm": 2 * PPM}}, "margin calls"),
        ({"stages": {"insured": True}}, "insured"),
        ({"stages": {"adl_overlap": True}}, "overlap"),
        ({"stages": {"variation": True}}, "variation"),
    ],
)
def test_rules_that_ask_single_markets_are_refused(rules: dict[str, Any], word: str) -> None:
    world, _ = listed({"kind": CALL}, **rules)
    with pytest.raises(ConfigError, match=word):
        world.start()


def test_interest_and_collaterals_are_refused() -> None:
    world, _ = listed({"kind": CALL})
    terms = {"slope_ppb": 1, "steep_ppb": 2, "optimum_ppb": 3}
    schedule_interest(world, 5, 0, every_ns=1, **terms)
    with pytest.raises(ConfigError, match="interest"):
        world.start()
    world, _ = listed({"kind": CALL}, asset_count=2)
    world.add_collateral(0, 1, price=1)
    with pytest.raises(ConfigError, match="collaterals"):
        world.start()


def test_accounts_in_hedge_mode_are_refused() -> None:
    """A scenario's lots are of a market: two legs of one would be counted twice."""
    _, venue = listed({"kind": CALL})
    with pytest.raises(ConfigError, match="hedge mode"):
        venue.open_account(hedge=True)
    account = venue.open_account()
    with pytest.raises(ConfigError, match="hedge mode"):
        venue.hedge(account)


def test_a_running_venue_keeps_to_what_a_portfolio_can_have() -> None:
    world, venue = listed({"kind": CALL})
    opened(venue, 10**6)
    world.start()
    with pytest.raises(ConfigError, match="trigger_price"):
        change(world, 0, queue=QueueOrder.TRIGGER_PRICE)
    change(world, 0, queue=QueueOrder.MARGIN_RATIO)


def test_a_contagion_buffer_counts_portfolios_as_they_would_be_there() -> None:
    """Long 10 with 135,000 falls within 5 % of the mark; a put under each keeps another safe."""
    buffer = ContagionBuffer(reach_ppm=50_000, cap_ppm=90_000)
    seen = []
    for puts in (0, 10):
        world, venue = listed({"kind": PUT}, surcharges=[buffer])
        opened(venue, 135_000, (0, 10, 10_000), *([(1, puts, 571)] if puts else []))
        world.schedule_index(5, 0, 0, 9_999)
        world.start()
        world.run()
        steps = rows(world, "steps", "time_ns", "kind")
        seen.append([time for time, kind in steps if kind == StepKind.RATES])
    assert seen[0][0] == 0
    assert seen[1][0] == 30 * DAY  # when the puts are gone


def test_questions_that_a_portfolio_has_no_answer_to_are_refused() -> None:
    world, venue = listed({"kind": CALL})
    scope = opened(venue, 10**6, (0, 5, 10_000))
    other = opened(venue, 10**6, (0, -5, 10_000))
    world.start()
    with pytest.raises(ConfigError, match="bankruptcy quotes"):
        venue.bankruptcy_quote(scope, 0, 1)
    with pytest.raises(ConfigError, match="bankruptcy quotes"):
        venue.close_pair(scope, 0, other, 1)
    with pytest.raises(ConfigError, match="bankruptcy quotes"):
        venue.wind_up(0)
    with pytest.raises(ConfigError, match="a monitor"):
        Monitor(venue)


@pytest.mark.parametrize(
    ("terms", "word"),
    [
        ({"rows": []}, "rows"),
        ({"rows": [(1, 2)]}, "must be \\(move_ppm"),
        ({"rows": [(-PPM, SAME, PPM)]}, "move_ppm"),
        ({"rows": [(0, 5, PPM)]}, "vol"),
        ({"reference": 9}, "reference"),
        ({"markets": [0, 0]}, "each be named once"),
        ({"markets": [1]}, "reference"),
        ({"markets": 1}, "markets"),
        ({"down_ppm": 2 * PPM}, "down_ppm"),
        ({"short_ppm": -1}, "short_ppm"),
        ({"colour": 1}, "colour"),
    ],
)
def test_the_terms_of_a_grid_are_judged(terms: dict[str, Any], word: str) -> None:
    grid = {"reference": 0, "markets": [0, 1], "rows": span(150_000)} | terms
    with pytest.raises((ConfigError, InputTypeError), match=word):
        futures(10_000, 10_000, grids=[grid])


def test_the_terms_of_a_portfolio_are_judged() -> None:
    grid = {"reference": 0, "markets": [0], "rows": span(150_000)}
    other = {"reference": 1, "markets": [1], "rows": span(150_000)}
    for offsets, word in (([(0, 0, 1)], "two underlyings"), ([(0, 1)], "credit_ppm"),
                          ([(0, 5, 1)], "offsets"), ([(0, 1, 2 * PPM)], "credit_ppm")):  # fmt: skip
        with pytest.raises(ConfigError, match=word):
            futures(10_000, 10_000, grids=[grid, other], offsets=offsets)
    with pytest.raises(ConfigError, match="maintenance_ppm"):
        futures(10_000, grids=[grid], maintenance_ppm=0)
    with pytest.raises(ConfigError, match="underlyings"):
        futures(10_000, grids=[])
    world, _ = futures(10_000, grids=[grid])
    with pytest.raises(ConfigError, match="has its terms already"):
        set_portfolio(world, 0, underlyings=[grid])
