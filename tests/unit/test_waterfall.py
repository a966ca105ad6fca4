"""The table of SEMANTICS §5, line by line, on books small enough to follow by hand.

Multiplier 100: a long of 10 lots entered at 100 has cost 100,000. Maintenance is 5 % of value.
"""

from __future__ import annotations

import itertools

import pytest

from ordercascade.enums import (
    AdlRule,
    AdlTrigger,
    CancelPolicy,
    FeeTo,
    HolderKind,
    LimitRule,
    MarkRefresh,
    Outcome,
    PostReason,
    Reject,
    Residual,
    ShortfallAt,
    Side,
    StepKind,
)
from unit.worlds import holding, make, rows, run_checked


def outcomes(world):
    return [Outcome(o) for (o,) in rows(world, "liquidations", "outcome")]


def reasons(world):
    return [PostReason(r) for (r,) in rows(world, "postings", "reason")]


def kinds(world):
    return [StepKind(k) for (k,) in rows(world, "steps", "kind")]


def test_lots_left_above_the_exit_level_is_healthy():
    """Half of a position is sold at a good price; what remains is above maintenance."""
    world, venue = make(
        bids={99: 1, 98: 100}, asks={101: 5}, fraction_ppm=500_000, cooldown_ns=10**9
    )
    scope = holding(venue, 100, 100, 52_000)
    world.schedule_shock(0, 0, 0, Side.ASK, size=1)
    world.start()
    assert venue.liquidation_price(scope, 0) == 99
    run_checked(world)
    assert Outcome.HEALTHY in outcomes(world)
    assert venue.position(scope, 0)[0] == 50


def test_lots_left_between_zero_and_exit_level_is_pending():
    """Nobody bids: the order fills nothing, the scope stays pending and the run stops."""
    world, venue = make(bids={99: 1}, asks={101: 5})
    scope = holding(venue, 100, 100, 52_000)
    world.schedule_shock(0, 0, 0, Side.ASK, size=1)
    world.start()
    run_checked(world)
    assert outcomes(world) == [Outcome.PENDING]
    assert venue.position(scope, 0) == (100, 1_000_000)
    assert world.stop.name == "NOTHING_TO_FILL"


def test_exit_buffer_keeps_a_scope_pending_above_maintenance():
    world, venue = make(
        bids={99: 1, 98: 50}, asks={101: 5}, fraction_ppm=500_000, buffer_ppm=100_000
    )
    holding(venue, 100, 100, 52_000)
    world.schedule_shock(0, 0, 0, Side.ASK, size=1)
    world.start()
    run_checked(world)
    assert outcomes(world)[0] == Outcome.PENDING


def test_lots_left_below_zero_goes_to_adl_at_exact_cost():
    """Index falls through the bankruptcy price; no bids. The short takes over at X = C - W."""
    world, venue = make(asks={101: 5}, bids={50: 1})
    venue_market_price = 100
    long = holding(venue, 10, venue_market_price, 6_000)
    short = holding(venue, -10, venue_market_price, 60_000)
    world.schedule_shock(0, 0, 0, Side.ASK, size=1)
    world.start()
    equity_before = venue.equity(long)
    assert equity_before < 0 or venue.marks()[0] > 50
    while world.step() >= 0:
        if kinds(world)[-1] == StepKind.ADL:
            break
        last = (venue.equity(long), venue.equity(short))
    assert venue.position(long, 0) == (0, 0)
    assert venue.collateral(long) == 0
    assert venue.equity(long) == 0
    # The equity the counterparty lost is exactly minus the bankrupt's equity before.
    assert venue.equity(short) - last[1] == last[0]
    assert rows(world, "adl", "scope_to", "lots", "cost") == [(short, 10, 100_000 - 6_000)]
    assert outcomes(world)[-1] == Outcome.DELEVERAGED


def test_adl_unfilled_trigger_acts_without_a_shortfall():
    world, venue = make(bids={99: 1}, asks={101: 5}, adl_trigger=AdlTrigger.UNFILLED)
    long = holding(venue, 100, 100, 52_000)
    short = holding(venue, -100, 100, 520_000)
    world.schedule_shock(0, 0, 0, Side.ASK, size=1)
    world.start()
    run_checked(world)
    assert venue.position(long, 0) == (0, 0)
    assert venue.position(short, 0)[0] == 0
    assert outcomes(world) == [Outcome.DELEVERAGED]


def test_flat_with_money_left_keeps_it():
    world, venue = make(bids={99: 1, 98: 1000}, asks={101: 5}, liquidation_fee_ppm=10_000)
    scope = holding(venue, 100, 100, 52_000)
    world.schedule_shock(0, 0, 0, Side.ASK, size=1)
    world.start()
    run_checked(world)
    assert outcomes(world) == [Outcome.CLOSED]
    # 52,000 - 2 * 100 * 100 lost - fee ceil(980,000 * 1 %) = 9,800.
    assert venue.collateral(scope) == 52_000 - 20_000 - 9_800
    assert venue.fund == 9_800
    assert StepKind.WATERFALL not in kinds(world)


def test_flat_with_money_left_to_the_fund_where_the_rule_says_so():
    world, venue = make(
        bids={99: 1, 98: 1000}, asks={101: 5}, residual=Residual.FUND, liquidation_fee_ppm=0
    )
    scope = holding(venue, 100, 100, 52_000)
    world.schedule_shock(0, 0, 0, Side.ASK, size=1)
    world.start()
    run_checked(world)
    assert venue.collateral(scope) == 0
    assert venue.fund == 32_000
    assert kinds(world)[-1] == StepKind.WATERFALL or StepKind.WATERFALL in kinds(world)
    assert reasons(world)[-1] == PostReason.RESIDUAL


@pytest.mark.parametrize(("fund", "debt"), [(8_000, 0), (7_999, -1), (0, -8_000), (9_000, 0)])
def test_flat_below_zero_takes_from_the_fund_then_bad_debt(fund, debt):
    """Sold at 94: lost 60,000 of 52,000, a deficit of 8,000. BAD_INPUTS E04, E05."""
    world, venue = make(bids={99: 1, 94: 1000}, asks={101: 5}, liquidation_fee_ppm=10_000)
    scope = holding(venue, 100, 100, 52_000)
    venue.fund_deposit(0, fund)
    world.schedule_shock(0, 0, 0, Side.ASK, size=1)
    world.start()
    run_checked(world)
    assert outcomes(world) == [Outcome.SHORTFALL]
    # On the mark of the round the order still had equity 42,000: the fee is 9,400 of it, so the
    # deficit at the standing mark must be read from the row, not assumed.
    ((shortfall, paid, bad),) = rows(
        world, "liquidations", "shortfall", "paid_fund", "paid_bad_debt"
    )
    assert shortfall == 8_000 and paid + bad == shortfall
    assert venue.collateral(scope) == 0
    assert venue.fund == max(0, fund - 8_000)
    assert venue.bad_debt == debt


def test_fee_never_makes_a_deficit():
    world, venue = make(bids={99: 1, 95: 1000}, asks={101: 5}, liquidation_fee_ppm=500_000)
    scope = holding(venue, 100, 100, 52_000)
    world.schedule_shock(0, 0, 0, Side.ASK, size=1)
    world.start()
    run_checked(world)
    assert venue.collateral(scope) == 0
    assert rows(world, "liquidations", "fee") == [(2_000,)]
    assert outcomes(world) == [Outcome.CLOSED]


def test_fee_to_fees_where_the_rule_says_so():
    world, venue = make(
        bids={99: 1, 98: 1000},
        asks={101: 5},
        liquidation_fee_ppm=1_000,
        liquidation_fee_to=FeeTo.FEES,
    )
    holding(venue, 100, 100, 52_000)
    world.schedule_shock(0, 0, 0, Side.ASK, size=1)
    world.start()
    run_checked(world)
    assert venue.balance(venue.holder(HolderKind.FEES)) == 980
    assert venue.fund == 0


def test_socialised_loss_is_charged_to_winners_by_profit():
    """Deficit 8,000; at the standing mark of 99 two shorts have won 10,000 and 5,000."""
    world, venue = make(bids={99: 1, 94: 1000}, asks={101: 5}, social=True)
    holding(venue, 100, 100, 52_000)
    first = holding(venue, -100, 100, 500_000)
    second = holding(venue, -50, 100, 500_000)
    loser = holding(venue, -10, 50, 900_000)
    world.schedule_shock(0, 0, 0, Side.ASK, size=1)
    world.start()
    run_checked(world)
    assert venue.bad_debt == 0
    paid = rows(world, "postings", "from_holder", "amount", "reason")
    social = [(h, a) for h, a, r in paid if r == PostReason.SOCIALISED]

    # Credits of -5,333.3 and -2,666.7 are floored; the unit left goes to the larger remainder.
    assert social == [(first, 5_333), (second, 2_667)]
    assert venue.collateral(loser) == 900_000


def test_socialised_without_winners_is_bad_debt():
    world, venue = make(bids={99: 1, 94: 1000}, asks={101: 5}, social=True)
    holding(venue, 100, 100, 52_000)
    world.schedule_shock(0, 0, 0, Side.ASK, size=1)
    world.start()
    run_checked(world)
    assert venue.bad_debt == -8_000


def test_shortfall_at_round_runs_the_table_after_all_orders():
    world, venue = make(bids={99: 1, 94: 1000}, asks={101: 5}, shortfall_at=ShortfallAt.ROUND)
    holding(venue, 100, 100, 52_000)
    holding(venue, 100, 100, 52_000)
    world.schedule_shock(0, 0, 0, Side.ASK, size=1)
    world.start()
    run_checked(world)
    assert kinds(world)[:6] == [
        StepKind.SHOCK,
        StepKind.MARK,
        StepKind.LIQUIDATION,
        StepKind.LIQUIDATION,
        StepKind.WATERFALL,
        StepKind.WATERFALL,
    ]


def test_adl_without_users_on_the_other_side_goes_to_external():
    """BAD_INPUTS E06: `external` takes the rest and a note says so."""
    world, venue = make(asks={101: 5}, bids={50: 1})
    long = holding(venue, 10, 100, 6_000)
    world.schedule_shock(0, 0, 0, Side.ASK, size=1)
    world.start()
    run_checked(world)
    assert rows(world, "adl", "scope_from", "scope_to", "lots") == [(long, 0, 10)]
    assert rows(world, "notes", "kind", "a") == [(1, 10)]


def test_adl_queue_takes_leverage_times_profit_first_and_external_last():
    world, venue = make(asks={101: 5}, bids={50: 1})
    holding(venue, 10, 100, 6_000)
    calm = holding(venue, -6, 100, 900_000)
    levered = holding(venue, -6, 100, 6_500)
    loser = holding(venue, -6, 40, 500_000)
    world.schedule_shock(0, 0, 0, Side.ASK, size=1)
    world.start()
    run_checked(world)
    dealt = rows(world, "adl", "scope_to", "lots", "rank")
    assert dealt == [(levered, 6, 0), (calm, 4, 1)]
    assert venue.position(loser, 0)[0] == -6


def test_adl_pro_rata_splits_by_lots_with_largest_remainder():
    """10 lots over 3, 3 and 6: shares 2.5, 2.5, 5 give 3, 2, 5 (tie to the lower id)."""
    world, venue = make(asks={101: 5}, bids={50: 1}, adl_rule=AdlRule.PRO_RATA)
    holding(venue, 10, 100, 6_000)
    scopes = [holding(venue, -n, 100, 500_000) for n in (3, 3, 6)]
    world.schedule_shock(0, 0, 0, Side.ASK, size=1)
    world.start()
    run_checked(world)
    dealt = dict(rows(world, "adl", "scope_to", "lots"))
    assert [dealt[s] for s in scopes] == [3, 2, 5]


@pytest.mark.parametrize("entered", list(itertools.permutations(range(3))))
def test_adl_pro_rata_breaks_ties_by_id_whoever_came_first(entered: tuple[int, ...]):
    """10 lots over 4, 4 and 4: 3 1/3 each; the lot left over is the lowest id's."""
    world, venue = make(asks={101: 5}, bids={50: 1}, adl_rule=AdlRule.PRO_RATA)
    holding(venue, 10, 100, 6_000)
    accounts = [venue.open_account() for _ in range(3)]
    for account in accounts:
        venue.deposit(account, 0, 500_000)
    for i in entered:
        venue.open_position(accounts[i], 0, -4, -4 * 100 * 100)
    world.schedule_shock(0, 0, 0, Side.ASK, size=1)
    world.start()
    run_checked(world)
    dealt = dict(rows(world, "adl", "scope_to", "lots"))
    assert [dealt[venue.scope_of(account, 0)] for account in accounts] == [4, 3, 3]


def test_bankruptcy_limit_leaves_lots_unfilled_rather_than_lose_more():
    """Bankruptcy price 100 - 520 / 100 = 94.8, rounded up to 95 for a sale."""
    world, venue = make(bids={99: 1, 95: 10, 94: 1000}, asks={101: 5}, limit=LimitRule.BANKRUPTCY)
    scope = holding(venue, 100, 100, 52_000)
    world.schedule_shock(0, 0, 0, Side.ASK, size=1)
    world.start()
    assert venue.bankruptcy_price(scope, 0) == 95
    run_checked(world)
    first = rows(world, "liquidations", "limit_price", "lots_filled", "worst_price")[0]
    assert first == (95, 10, 95)


def test_tranche_cooldown_retries_after_its_time():
    world, venue = make(
        bids={99: 1, 98: 20, 97: 20, 96: 200},
        asks={101: 5},
        fraction_ppm=200_000,
        cooldown_ns=30 * 10**9,
        mark_refresh=MarkRefresh.ORDER,
    )
    holding(venue, 100, 100, 52_000)
    world.schedule_shock(10**9, 0, 0, Side.ASK, size=1)
    world.start()
    run_checked(world)
    times = [t for t, k in rows(world, "steps", "time_ns", "kind") if k == StepKind.LIQUIDATION]
    assert len(times) >= 2
    assert all(b - a == 30 * 10**9 for a, b in itertools.pairwise(times))
    asked = [n for (n,) in rows(world, "liquidations", "lots_asked")]
    assert asked[0] == 20 and asked[1] == 16


def test_cooldown_below_zero_is_deleveraged_at_once_without_an_order():
    world, venue = make(
        bids={99: 1, 98: 20, 50: 1}, asks={101: 5}, fraction_ppm=200_000, cooldown_ns=30 * 10**9
    )
    long = holding(venue, 100, 100, 52_000)
    short = holding(venue, -200, 100, 2_000_000)
    world.schedule_shock(0, 0, 0, Side.ASK, size=1)
    world.schedule_shock(10**9, 0, 0, Side.ASK, size=1)
    world.start()
    run_checked(world)
    steps = rows(world, "steps", "step", "kind", "scope", "parent")
    order = [s for s, k, *_ in steps if k == StepKind.LIQUIDATION][-1]
    adl = [(s, parent) for s, k, _, parent in steps if k == StepKind.ADL]
    assert adl and adl[0][1] == order
    assert venue.position(long, 0) == (0, 0)
    assert venue.position(short, 0)[0] == -200 + 79


@pytest.mark.parametrize("cancel", list(CancelPolicy))
def test_a_liquidation_never_trades_with_its_own_resting_order(cancel):
    """The account bids for 1 lot at 92; its own sale passes through 92 on the way to 90."""
    world, venue = make(bids={99: 1, 93: 5, 90: 1000}, asks={101: 5}, cancel=cancel)
    scope = holding(venue, 100, 100, 110_000)
    world.start()
    assert venue.submit(1, 0, Side.BID, 92, 1) > 0
    world.schedule_shock(1, 0, 0, Side.ASK, size=2)
    run_checked(world)
    assert venue.position(scope, 0) == (0, 0)
    assert (92, 1) not in venue.depth(0, Side.BID, 10)
    prints = rows(world, "fills", "price", "size", "taker_account")
    assert [(p, n) for p, n, t in prints if t == 1] == [(93, 4), (90, 96)]


def test_a_refused_order_or_withdrawal_changes_nothing():
    world, venue = make(bids={99: 1}, asks={101: 5})
    holding(venue, 100, 100, 120_000)
    world.start()
    before, steps = world.state_hash(), world.steps
    assert venue.submit(1, 0, Side.BID, 98, 100) == Reject.INSUFFICIENT
    assert venue.submit(1, 0, Side.BID, 101, 1, flags=1) == Reject.POST_ONLY_WOULD_CROSS
    assert venue.withdraw(1, 0, 120_000) == Reject.INSUFFICIENT
    assert venue.isolate(1, 0) == Reject.POSITION_OPEN
    assert venue.cancel(1, 0, 12345) == Reject.UNKNOWN_ORDER
    assert (world.state_hash(), world.steps) == (before, steps)
