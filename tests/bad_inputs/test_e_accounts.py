"""Rows E of the bad-input catalogue: accounts, margin and cascades in awkward states.

Most of these are no errors but results: the table of SEMANTICS §5 decides, every invariant is
checked after every step, and the money adds up to the unit.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import ordercascade as oc
from bad_inputs import doors
from bad_inputs.doors import ASK, BID, BTC, Door, columns, refused, rejected
from bad_inputs.takers import FIRST
from ordercascade.core.venue import Venue
from ordercascade.core.world import World
from ordercascade.enums import AdlRule, NoteKind, Outcome, PriceSource, StepKind
from unit.worlds import holding, make, run_checked

LONG = {"bids": {99: 1, 94: 1000}, "asks": {101: 5}}  # a sale of 1 takes the mark to 99


def marked(index: int, *, markets: int = 1, **rules: Any) -> tuple[World, Venue]:
    """A world whose marks are what `index` says, with empty books."""
    world = World(1)
    world.add_venue(**rules)
    venue = world.venue(0)
    for _ in range(markets):
        venue.add_market(
            multiplier=100,
            price_max=10_000,
            size_max=10_000,
            brackets=doors.BRACKETS,
            source=PriceSource.INDEX,
            index=index,
        )
    return world, venue


def outcomes(world: World) -> list[Outcome]:
    return [Outcome(code) for (code,) in columns(world, "liquidations", "outcome")]


def kinds(world: World) -> list[StepKind]:
    return [StepKind(kind) for (kind,) in columns(world, "steps", "kind")]


def lives(world: World, venue: Venue) -> None:
    """The next good call succeeds."""
    account = venue.open_account()
    venue.deposit(account, 0, 10**12)
    assert venue.submit(account, 0, BID, 1, 1) >= 0
    world._check()
    assert not any(venue.audit().values())


# ------------------------------------------------------------------ E01 to E05


def test_bad_E01_an_account_that_starts_below_zero(tmp_path: Path) -> None:
    door, file = doors.text(), doors.positions(tmp_path)
    words = "venue[0] account 'A' starts below zero at the opening mark"
    swap = "entry_price = 100", "entry_price = 150"
    refused(door, oc.InputError, words, lambda: door.at(*swap))
    refused(file, oc.InputError, words, lambda: file.at("A,TOY,long,10,150,5,cross\n"))


def test_bad_E01_is_taken_where_the_scenario_means_it() -> None:
    """Liquidated in the first settlement, before the shock at 1 s."""
    swap = (
        "entry_price = 100",
        "entry_price = 150",
        'preset = "simple"',
        'preset = "simple"\nallow_insolvent = true',
    )
    world = doors.text().at(*swap)
    world.run()
    tape = world.tape()
    assert tape.liquidations.to_numpy()["step"][0] == 0
    assert tape.steps.to_numpy()["time_ns"][0] == 0
    assert tape.summary()["accounts_liquidated"] == 1


def test_bad_E02_a_liquidation_of_an_account_that_lost_its_position() -> None:
    """Both are at risk in round 0; the first one's ADL takes the second's lots: no order, no fee.

    At 90 the long of 10 from 100 has 6,000 - 10,000; the short from 50 has 44,000 - 40,000 = 4,000,
    less than 5 % of 90,000.
    """
    world, venue = marked(90, liquidation_fee_ppm=10_000)
    long = holding(venue, 10, 100, 6_000)
    short = holding(venue, -10, 50, 44_000)
    world.start()
    assert venue.at_risk() == [long, short]
    run_checked(world)
    assert columns(world, "liquidations", "scope", "fee") == [(long, 0)]
    assert venue.position(short, 0) == (0, 0)
    assert venue.fund == 0
    lives(world, venue)


def test_bad_E03_a_liquidation_into_an_empty_book_stays_pending() -> None:
    world, venue = marked(98)
    scope = holding(venue, 100, 100, 60_000)
    world.start()
    venue.set_index(0, 95)
    run_checked(world)
    assert columns(world, "liquidations", "lots_filled", "fee") == [(0, 0)]
    assert outcomes(world) == [Outcome.PENDING]
    before = world.state_hash()
    assert world.run() == 0, "nothing changes, so it is not tried again"
    assert world.state_hash() == before
    assert world.stop == oc.Stop.NOTHING_TO_FILL
    venue.set_index(0, 94)
    world.settle()
    world._check()
    assert columns(world, "liquidations", "lots_filled") == [(0,)] * 2
    assert venue.position(scope, 0) == (100, 1_000_000)
    lives(world, venue)


def test_bad_E04_with_no_fund_and_lots_left_it_is_adl_at_once() -> None:
    world, venue = marked(100)
    long = holding(venue, 10, 100, 6_000)
    short = holding(venue, -10, 100, 60_000)
    world.start()
    venue.set_index(0, 90)
    run_checked(world)
    assert outcomes(world) == [Outcome.DELEVERAGED]
    assert StepKind.WATERFALL not in kinds(world)
    assert venue.equity(long) == venue.fund == venue.bad_debt == 0
    assert columns(world, "adl", "scope_to", "lots", "cost") == [(short, 10, 94_000)]
    assert venue.equity(short) == 60_000 + 100_000 - 94_000
    lives(world, venue)


@pytest.mark.parametrize("social", [False, True])
def test_bad_E04_with_no_fund_and_flat_it_is_shared_or_bad_debt(social: bool) -> None:
    """Sold at 94 for a deficit of 8,000; two shorts have won 10,000 and 5,000 at 99."""
    world, venue = make(**LONG, social=social)
    holding(venue, 100, 100, 52_000)
    winners = [holding(venue, -100, 100, 500_000), holding(venue, -50, 100, 500_000)]
    world.schedule_shock(0, 0, 0, ASK, size=1)
    world.start()
    run_checked(world)
    assert outcomes(world) == [Outcome.SHORTFALL]
    assert venue.fund == 0
    assert venue.bad_debt == (0 if social else -8_000)
    assert [500_000 - venue.collateral(scope) for scope in winners] == (
        [5_333, 2_667] if social else [0, 0]
    )
    lives(world, venue)


@pytest.mark.parametrize("social", [False, True])
@pytest.mark.parametrize(("fund", "left", "short"), [(8_000, 0, 0), (7_999, 0, 1), (8_001, 1, 0)])
def test_bad_E05_a_fund_exactly_equal_to_the_deficit_and_one_unit_short(
    fund: int, left: int, short: int, social: bool
) -> None:
    world, venue = make(**LONG, social=social)
    holding(venue, 100, 100, 52_000)
    winner = holding(venue, -100, 100, 500_000)
    venue.fund_deposit(0, fund)
    world.schedule_shock(0, 0, 0, ASK, size=1)
    world.start()
    run_checked(world)
    paid = columns(
        world, "liquidations", "shortfall", "paid_fund", "paid_socialised", "paid_bad_debt"
    )
    assert paid == [(8_000, 8_000 - short, short if social else 0, 0 if social else short)]
    assert venue.fund == left
    assert venue.bad_debt == (0 if social else -short)
    assert venue.collateral(winner) == 500_000 - (short if social else 0)
    lives(world, venue)


# ------------------------------------------------------------------ E06 to E11


def test_bad_E06_adl_with_nobody_on_the_other_side() -> None:
    world, venue = marked(100)
    long = holding(venue, 10, 100, 6_000)
    other = holding(venue, 5, 100, 600_000)
    world.start()
    venue.set_index(0, 90)
    run_checked(world)
    outside = venue.holder(oc.HolderKind.EXTERNAL)
    assert columns(world, "adl", "scope_from", "scope_to", "lots") == [(long, outside, 10)]
    assert columns(world, "notes", "kind", "scope", "a") == [(NoteKind.ADL_EXTERNAL, long, 10)]
    assert venue.position(outside, 0)[0] == -venue.position(other, 0)[0] == -5
    lives(world, venue)


def test_bad_E07_a_counterparty_that_is_itself_under_water() -> None:
    """It takes the lots at their exact cost, goes on further down, and is dealt out in its turn.

    At 100 the long of 10 from 110 has 6,000 - 10,000 = -4,000, the short of 20 from 50 has 83,000 -
    100,000 = -17,000. The short takes 10 lots for 104,000 and stands at -21,000; nobody but the
    outside is left to take the other 10 from it.
    """
    world, venue = marked(100)
    long = holding(venue, 10, 110, 6_000)
    short = holding(venue, -20, 50, 83_000)
    outside = venue.holder(oc.HolderKind.EXTERNAL)
    world.start()
    before = venue.equity(outside)
    assert (venue.equity(long), venue.equity(short)) == (-4_000, -17_000)
    run_checked(world)
    events = columns(world, "adl", "scope_from", "scope_to", "lots", "cost")
    assert events == [(long, short, 10, 104_000), (short, outside, 10, -79_000)]
    assert venue.equity(long) == venue.equity(short) == venue.bad_debt == 0
    assert venue.equity(outside) - before == -21_000
    assert max(number for (number,) in columns(world, "steps", "round")) <= 2
    lives(world, venue)


def test_bad_E08_everybody_long_through_one_who_goes_bankrupt() -> None:
    """Each of eight is the other side of the last; one falls, and no more rounds than accounts."""
    world, venue = marked(100)
    shorts = holding(venue, -80, 100, 30_000)
    longs = [holding(venue, 10, 100, 9_000 + 10 * i) for i in range(8)]
    world.start()
    venue.set_index(0, 104)
    run_checked(world)
    assert venue.position(shorts, 0) == (0, 0)
    assert venue.equity(shorts) == 0
    dealt = columns(world, "adl", "scope_to", "lots")
    assert sorted(dealt) == [(scope, 10) for scope in longs]
    rounds = max(number for (number,) in columns(world, "steps", "round"))
    assert rounds <= len(longs) + 1
    # Each had gained 4,000; the short's deficit of 2,000 is shared by lots, 250 each.
    assert [venue.equity(scope) for scope in longs] == [12_750 + 10 * i for i in range(8)]
    assert world.stop != oc.Stop.RUNNING
    lives(world, venue)


@pytest.mark.parametrize("target", [1, 2**31 - 1])
def test_bad_E09_a_mark_that_jumps_to_the_end_of_the_scale(target: int) -> None:
    """2**31 ticks * 2**29 lots * 1 are the most a market may be worth; sums hold at both ends."""
    world = World(1)
    world.add_venue()
    venue = world.venue(0)
    middle = 2**30
    venue.add_market(price_max=2**31 - 1, size_max=2**29, source=PriceSource.INDEX, index=middle)
    venue.seed_level(0, BID, 1, 2**28)
    venue.seed_level(0, ASK, 2**31 - 1, 2**28)
    scopes = []
    for size in (2**29, -(2**29)):
        account = venue.open_account()
        venue.deposit(account, 0, 2**58)
        venue.open_position(account, 0, size, size * middle)
        scopes.append(venue.scope_of(account, 0))
    total = sum(venue.equity(scope) for scope in scopes)
    world.start()
    venue.set_index(0, target)
    run_checked(world)
    outside = venue.equity(venue.holder(oc.HolderKind.EXTERNAL))
    ends = sum(venue.equity(scope) for scope in scopes) + outside + venue.fund + venue.bad_debt
    assert ends == total
    lives(world, venue)


def test_bad_E10_a_market_without_a_mark_cannot_be_traded_on_margin() -> None:
    """No book, no last price, no index: neither market of the two venues is started."""
    world = World(1)
    for _ in range(2):
        world.add_venue()
    world.venue(0).add_market(index=100)
    world.venue(1).add_market()
    venue = world.venue(1)
    for _ in range(2):
        venue.deposit(venue.open_account(), 0, 10**6)
    venue.open_position(1, 0, 5, 500)
    door = Door(venue, world.state_hash, world._check, lambda: None)
    words = "market[0]: mark price not set"
    refused(door, oc.ConfigError, words, world.start)
    words = "call must come after the world's start()"
    refused(door, oc.InputError, words, lambda: venue.submit(1, 0, BID, 5, 1))
    venue.seed_level(0, BID, 90, 5)
    world.start()
    assert venue.marks() == [90]
    lives(world, venue)


def test_bad_E10_margin_needs_a_mark_in_people_s_units() -> None:
    venue = oc.Venue("simple", [BTC])
    account = venue.open_account()
    venue.deposit(account, 1000)
    calls: list[Any] = [
        lambda: venue.submit(account, "BTCUSDT", BID, size="0.001"),
        lambda: venue.withdraw(account, 1),
        lambda: venue.at_risk(),
        lambda: venue.settle(),
    ]
    for call in calls:
        with pytest.raises(oc.InputError, match="mark price not set for BTCUSDT") as caught:
            call()
        assert type(caught.value) is oc.InputError
        assert venue._world is None
    assert venue.submit(account, "BTCUSDT", BID, size="0.001", price="60000") > 0


@pytest.mark.parametrize("mark", [None, float("nan"), 0, -1])
def test_bad_E10_a_mark_that_is_no_price(mark: Any) -> None:
    door = doors.venue()
    kind = oc.InputError if isinstance(mark, int) else oc.InputTypeError
    refused(door, kind, "price must be", lambda: door.at.set_index(0, mark))
    refused(door, kind, "mark must be", lambda: door.at.what_if(door.at.cross_scope(1), {0: mark}))


def test_bad_E11_a_liquidation_fee_is_capped_at_what_is_there() -> None:
    """Sold at 95: 52,000 - 50,000 are left, and half of the value is not to be had."""
    world, venue = make(bids={99: 1, 95: 1000}, asks={101: 5}, liquidation_fee_ppm=500_000)
    scope = holding(venue, 100, 100, 52_000)
    world.schedule_shock(0, 0, 0, ASK, size=1)
    world.start()
    run_checked(world)
    assert columns(world, "liquidations", "fee", "shortfall") == [(2_000, 0)]
    assert outcomes(world) == [Outcome.CLOSED]
    assert (venue.collateral(scope), venue.fund) == (0, 2_000)
    lives(world, venue)


# ------------------------------------------------------------------ E12 to E18


def test_bad_E12_an_isolated_position_told_to_take_more_than_is_free() -> None:
    door = doors.venue(markets=2)
    poor = oc.Reject.INSUFFICIENT
    assert door.at.isolate(1, 1) > 0
    rejected(door, poor, lambda: door.at.move_isolated(1, 1, 10**6))
    rejected(door, poor, lambda: door.at.move_isolated(1, 1, -1))
    assert door.at.move_isolated(1, 1, 5_000) == 0
    rejected(door, poor, lambda: door.at.move_isolated(1, 1, -5_001))
    words = "amount must not be 0"
    refused(door, oc.InputError, words, lambda: door.at.move_isolated(1, 1, 0))
    words = "market must be isolated for this account"
    refused(door, oc.InputError, words, lambda: door.at.move_isolated(1, 0, 5))
    face = doors.face()
    empty = face.at.open_account()
    rejected(face, poor, lambda: face.at.isolate(empty, "BTCUSDT", "0.01"))


def test_bad_E13_cross_and_isolated_do_not_change_under_an_open_position() -> None:
    """An order that rests counts as well as a position."""
    door, face = doors.venue(), doors.face()
    held = oc.Reject.POSITION_OPEN
    rejected(door, held, lambda: door.at.isolate(1, 0))
    rejected(face, held, lambda: face.at.isolate(1, "BTCUSDT"))
    assert door.at.cancel(2, 0, FIRST + 1) == 5
    assert door.at.isolate(2, 0) > 0


def test_bad_E13_hedge_mode_does_not_begin_with_a_position_or_order_open() -> None:
    """Nor a second time; and a leg is named just where there are two."""
    door = doors.venue()
    rejected(door, oc.Reject.POSITION_OPEN, lambda: door.at.hedge(1))
    rejected(door, oc.Reject.POSITION_OPEN, lambda: door.at.hedge(2))
    refused(door, oc.InputError, "leg", lambda: door.at.submit(1, 0, BID, 1, 1, leg="long"))
    assert door.at.cancel(2, 0, FIRST + 1) == 5
    assert door.at.hedge(2) > 2
    refused(door, oc.InputError, "leg", lambda: door.at.submit(2, 0, BID, 1, 1))
    refused(door, oc.InputError, "leg", lambda: door.at.submit(2, 0, BID, 1, 1, leg="net"))
    refused(door, oc.InputError, "account", lambda: door.at.hedge(2))


def test_bad_E14_a_scope_is_in_the_queue_once() -> None:
    """Two legs under water in the same round: one order, and the next round sees what is left."""
    world, venue = marked(100, markets=2)
    account = venue.open_account()
    venue.deposit(account, 0, 11_000)
    for market in range(2):
        venue.open_position(account, market, 10, 100_000)
    scope = venue.scope_of(account, 0)
    world.start()
    for market in range(2):
        venue.set_index(market, 99)
    run_checked(world)
    queued = columns(world, "liquidations", "scope", "tranche")
    per_round: dict[int, int] = {}
    steps = dict(columns(world, "steps", "step", "round"))
    for (step,) in columns(world, "liquidations", "step"):
        per_round[steps[step]] = per_round.get(steps[step], 0) + 1
    assert set(per_round.values()) == {1}
    assert {owner for owner, _ in queued} == {scope}
    lives(world, venue)


def test_bad_E15_resting_orders_go_first_in_the_order_of_their_ids() -> None:
    """Three bids, vacated in id order before the sale: 35,000 - 32,000 is below 5 % of 68,000."""
    world, venue = marked(100)
    holding(venue, 10, 100, 60_000)
    world.start()
    prices = [70, 90, 80]
    ids = [venue.submit(1, 0, BID, price, 1) for price in prices]
    assert ids == sorted(ids)
    assert all(order > 0 for order in ids)
    assert venue.withdraw(1, 0, 25_000) == 0
    venue.set_index(0, 68)
    before = world.steps
    run_checked(world)
    order = kinds(world).index(StepKind.LIQUIDATION, before)
    changes = [
        (price, size)
        for step, price, size in columns(world, "levels", "step", "price", "size_after")
        if step == order
    ]
    assert changes[:3] == [(price, 0) for price in prices]
    lives(world, venue)


@pytest.mark.parametrize("account", [0, "0"])
def test_bad_E16_the_outside_cannot_be_used_as_a_trader(account: Any) -> None:
    door, face = doors.venue(), doors.face()
    if account == 0:
        words = "account must not be 0: account 0 is reserved for external"
        for call in (
            lambda: door.at.submit(0, 0, BID, 50, 1),
            lambda: door.at.deposit(0, 0, 5),
            lambda: door.at.withdraw(0, 0, 5),
            lambda: door.at.isolate(0, 0),
            lambda: door.at.cancel(0, 0, FIRST),
            lambda: door.at.amend(0, 0, FIRST, size=1),
            lambda: door.world.schedule_transfer(5, 0, 0, 0, 5),
        ):
            refused(door, oc.InputError, words, call)
        words = "account 0 is reserved for the outside"
        refused(face, oc.InputError, words, lambda: face.at.deposit(0, 5))
        return
    words = "account must be an account of the venue, got '0'"
    refused(face, oc.InputError, words, lambda: face.at.deposit(account, 5))


def test_bad_E16_the_fund_and_the_fees_are_no_scopes() -> None:
    door = doors.venue()
    words = "scope must be a scope, not a holder of the venue"
    for kind in (oc.HolderKind.FUND, oc.HolderKind.FEES, oc.HolderKind.BAD_DEBT):
        holder = door.at.holder(kind)
        refused(door, oc.InputError, words, lambda h=holder: door.at.equity(h))
        refused(door, oc.InputError, words, lambda h=holder: door.at.position(h, 0))
    refused(door, oc.InputError, "see scope_of()", lambda: door.at.holder(oc.HolderKind.SCOPE))
    refused(door, oc.InputError, "kind must be one of HolderKind", lambda: door.at.holder(9))


@pytest.mark.parametrize("account", [3, 99, -1, 2**31])
def test_bad_E17_an_account_that_nobody_opened(account: int) -> None:
    door, face = doors.venue(), doors.face()
    words = f"account must be in [0, 2], got {account}"
    for call in (
        lambda: door.at.submit(account, 0, BID, 50, 1),
        lambda: door.at.deposit(account, 0, 5),
        lambda: door.at.cross_scope(account),
        lambda: door.world.schedule_transfer(5, 0, account, 0, 5),
    ):
        refused(door, oc.InputError, words, call)
    words = f"account must be in [1, 2], got {account}"
    refused(face, oc.InputError, words, lambda: face.at.deposit(account, 5))
    refused(face, oc.InputError, words, lambda: face.at.position(account, "BTCUSDT"))


def test_bad_E17_an_account_or_a_market_that_no_scenario_names(tmp_path: Path) -> None:
    door, file = doors.text(), doors.positions(tmp_path)
    swap = "[[shock]]", '[[transfer]]\nat_s = 1\naccount = "B"\namount = 5\n[[shock]]'
    words = "transfer[0].account: must be an account of the venue, got 'B'"
    refused(door, oc.ConfigError, words, lambda: door.at(*swap))
    row = doors.ROW.replace("TOY", "ETH")
    words = "positions.csv (row 2, column 'market'): must be a market of the venue (TOY), got 'ETH'"
    refused(file, oc.DataFileError, words, lambda: file.at(row))


@pytest.mark.parametrize("rule", [AdlRule.QUEUE, AdlRule.PRO_RATA])
def test_bad_E18_a_tie_in_the_ranking_goes_by_the_scope_s_id(rule: AdlRule) -> None:
    """Three equal shorts, 10 lots to deal: by queue the first two lose all, by lots 3 1/3 each."""
    hashes = set()
    for _ in range(2):
        world, venue = marked(100, adl_rule=rule)
        holding(venue, 10, 100, 6_000)
        shorts = [holding(venue, -4, 100, 50_000) for _ in range(3)]
        world.start()
        venue.set_index(0, 90)
        run_checked(world)
        dealt = columns(world, "adl", "scope_to", "lots")
        want = [4, 4, 2] if rule == AdlRule.QUEUE else [4, 3, 3]
        assert dealt == list(zip(shorts, want, strict=True))
        hashes.add((world.state_hash(), world.log.digest()))
        lives(world, venue)
    assert len(hashes) == 1
