"""The invariants of SEMANTICS §1 after every step, on the twin that the engine is held against."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ordercascade.enums import HolderKind, MarketKind, Outcome, PostReason, Side, StepKind
from reference import scenarios as draw
from reference.ledger import split
from reference.scripts import Call, canonical, play, state
from reference.venue import Venue
from reference.world import World


def owners(venue: Venue) -> list[int]:
    """Return every holder but the clearing holders."""
    kinds = enumerate(venue.ledger.holders)
    return [number for number, holder in kinds if holder.kind != HolderKind.CLEARING]


def equities(venue: Venue, marks: list[int]) -> dict[int, int]:
    return {number: venue.equity(number, marks) for number in owners(venue)}


def floored(venue: Venue, marks: list[int]) -> int:
    """Return what all positions are worth together: less than a unit below 0 for each inverse."""
    found = 0
    for market in venue.markets:
        values = [venue.value(number, market.id, marks) for number in owners(venue)]
        inverse = market.kind == MarketKind.INVERSE
        assert -len(values) * inverse <= sum(values) <= 0
        found += sum(values)
    return found


def started(calls: list[Call]) -> World:
    world = World()
    play(world, calls[:-1])  # all but the run
    return world


@settings(max_examples=40)
@given(draw.scenarios())
def test_money_lots_and_costs_add_up_after_every_step(calls: list[Call]) -> None:
    """`_check()` asserts money, sizes, cost + clearing, flat costs, fund ≥ 0 and bad debt ≤ 0."""
    world = started(calls)
    venue = world.venue(0)
    venue._check()
    while world.step() >= 0:
        venue._check()


@settings(max_examples=40)
@given(draw.scenarios())
def test_only_deposits_and_withdrawals_change_the_sum_of_equities(calls: list[Call]) -> None:
    """At any fixed marks: here at those before the step. Inverse: but for flooring the values."""
    world = started(calls)
    venue = world.venue(0)
    while True:
        marks, paid = venue.marks(), sum(venue.ledger.paid_in)
        before = sum(equities(venue, marks).values()) - floored(venue, marks)
        if world.step() < 0:
            break
        moved = sum(venue.ledger.paid_in) - paid
        assert sum(equities(venue, marks).values()) - floored(venue, marks) - before == moved


@settings(max_examples=60)
@given(draw.scenarios())
def test_adl_moves_exactly_the_equity_of_the_bankrupt_to_its_counterparties(
    calls: list[Call],
) -> None:
    """A leg ends with nobody else touched; the last leg leaves 0 lots, 0 cost, 0 collateral."""
    world = started(calls)
    venue = world.venue(0)
    owed: dict[int, int] = {}  # by bankrupt: what its event has not handed over yet
    slack: dict[int, int] = {}  # inverse: a unit for each party, from flooring values
    while True:
        before = equities(venue, venue.marks())
        last = [market.last for market in venue.markets]
        step = world.step()
        if step < 0:
            break
        row = world.tables.rows("steps")[step]
        if row["kind"] != StepKind.ADL:
            continue
        bankrupt = row["scope"]
        owed.setdefault(bankrupt, before[bankrupt])
        after = equities(venue, venue.marks())
        taken = [r for r in world.tables.rows("adl") if r["step"] == step]
        takers = {r["scope_to"] for r in taken}
        gains = {number: after[number] - before[number] for number in before}
        assert {n for n, gain in gains.items() if gain} <= takers | {bankrupt}
        owed[bankrupt] -= sum(gains[number] for number in takers)
        if venue.markets[row["market"]].kind == MarketKind.INVERSE:
            slack[bankrupt] = slack.get(bankrupt, 0) + len(takers) + 1
        assert abs(owed[bankrupt] - after[bankrupt]) <= slack.get(bankrupt, 0)
        if not venue.ledger.legs(bankrupt):
            assert abs(owed.pop(bankrupt)) <= slack.pop(bankrupt, 0)
            assert venue.collateral(bankrupt) == 0
        assert last == [market.last for market in venue.markets]
    assert not owed


@settings(max_examples=40)
@given(draw.scenarios())
def test_every_liquidation_row_accounts_for_its_deficit(calls: list[Call]) -> None:
    world = started(calls)
    world.run()
    for row in world.tables.rows("liquidations"):
        paid = sum(row[f"paid_{who}"] for who in ("fund", "vault", "adl", "socialised", "bad_debt"))
        assert paid == row["shortfall"]
        assert (row["shortfall"] > 0) <= (
            row["outcome"] in (Outcome.SHORTFALL, Outcome.DELEVERAGED)
        )
        assert row["lots_filled"] <= row["lots_asked"] <= row["lots_before"]
        assert row["outcome"] != Outcome.OPEN


@settings(max_examples=40)
@given(draw.scenarios())
def test_parents_come_earlier_and_generations_follow_them(calls: list[Call]) -> None:
    world = started(calls)
    world.run()
    steps = world.tables.rows("steps")
    for row in steps:
        assert -1 <= row["parent"] < row["step"]
        inherited = steps[row["parent"]]["generation"] if row["parent"] >= 0 else 0
        child = row["kind"] == StepKind.LIQUIDATION and row["parent"] >= 0
        assert row["generation"] == inherited + child


@settings(max_examples=40)
@given(draw.scenarios())
def test_the_fund_pays_only_what_it_has_and_users_get_it_whole(calls: list[Call]) -> None:
    world = started(calls)
    world.run()
    venue = world.venue(0)
    for asset in range(venue.asset_count):
        fund = venue.holder(HolderKind.FUND, asset)
        opening = [r for r in world.tables.rows("accounts") if r["scope"] == fund]
        balance = opening[0]["collateral"]
        for row in world.tables.rows("postings"):
            balance += row["amount"] * ((row["to_holder"] == fund) - (row["from_holder"] == fund))
            assert balance >= 0
            if row["reason"] == PostReason.FUND_PAYS:
                assert row["amount"] > 0
        assert balance == venue.balance(fund)


@settings(max_examples=40)
@given(draw.scenarios(), st.integers(0, 25))
def test_a_fork_of_the_twin_ends_like_the_twin(calls: list[Call], at: int) -> None:
    world = started(calls)
    world.run(at)
    other = world.fork()
    assert other.state_hash() == world.state_hash()
    assert other.run() == world.run()
    assert canonical(other) == canonical(world)
    assert state(other, world) == state(world, world)


@given(
    st.integers(-(10**6), 10**6),
    st.lists(st.integers(0, 1_000), min_size=1, max_size=8),
)
def test_a_split_gives_every_unit_once_and_nobody_a_unit_too_many(
    amount: int, weights: list[int]
) -> None:
    shares = split(amount, list(enumerate(weights)))
    assert sum(shares.values()) == amount
    total = sum(weights)
    if total == 0:
        assert shares[0] == amount
        return
    for key, weight in enumerate(weights):
        assert amount * weight // total <= shares[key] <= amount * weight // total + 1


def test_two_legs_split_the_equity_and_not_the_collateral() -> None:
    """Long 10 at 100 in market 0 (mark 90) and long 10 at 100 in market 1 (mark 105).

    Collateral 40: equity 40 − 100 + 50 = −10. Maintenance 5 % of 900 and of 1,050: 45 and 53, so
    the legs bear −10·45/98 = −4.59 and −5.41, floored −5 and −6, one unit back to the larger
    remainder (53: .59 against .41), −5 and −5: X = 905 and 1,055.
    """
    world = World()
    venue = world.venue(world.add_venue())
    for last in (90, 105):
        venue.add_market(brackets=[(0, 50_000, 0, 100_000)], last=last)
    account = venue.open_account()
    venue.deposit(account, 0, 40)
    for market in (0, 1):
        venue.open_position(account, market, 10, 1_000)
    world.start()
    scope = venue.scope_of(account, 0)
    assert venue.equity(scope) == -10
    assert venue.handover_costs(scope) == {0: 905, 1: 1_055}
    world.run()
    # Nobody bids: both legs go to external, which holds the other side, and nothing is left.
    assert [row["cost"] for row in world.tables.rows("adl")] == [905, 1_055]
    assert venue.collateral(scope) == 0
    assert [row["kind"] for row in world.tables.rows("steps")] == [
        StepKind.LIQUIDATION,
        StepKind.ADL,
        StepKind.ADL,
    ]


def test_a_short_is_handed_over_at_bankruptcy_price_too() -> None:
    """Short 10 at 100, mark 110, collateral 60: equity −40, X = −1,100 + 40 = −1,060."""
    world = World()
    venue = world.venue(world.add_venue())
    venue.add_market(brackets=[(0, 50_000, 0, 100_000)], last=110)
    short, long = venue.open_account(), venue.open_account()
    venue.deposit(short, 0, 60)
    venue.deposit(long, 0, 500)
    venue.open_position(short, 0, -10, -1_000)
    venue.open_position(long, 0, 10, 1_000)
    world.start()
    world.run()
    assert [row["cost"] for row in world.tables.rows("adl")] == [-1_060]
    assert venue.collateral(venue.scope_of(long, 0)) == 560
    assert venue.collateral(venue.scope_of(short, 0)) == 0
    row = world.tables.rows("liquidations")[0]
    assert (row["side"], row["lots_filled"], row["paid_adl"]) == (Side.BID, 0, 40)
