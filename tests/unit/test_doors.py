"""The doors of venue, world, book and ledger: what they refuse, and what they say of themselves."""

from __future__ import annotations

import contextlib
import copy
import pickle
import signal
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ordercascade.core.arrow import stream
from ordercascade.core.book import OrderBook
from ordercascade.core.messages import MESSAGE_DTYPE
from ordercascade.core.triggers import TriggerIndex
from ordercascade.core.venue import Venue
from ordercascade.core.world import World
from ordercascade.enums import (
    HolderKind,
    OrderFlag,
    OrderType,
    Reject,
    Side,
    StepKind,
    Stop,
    TimeInForce,
)
from ordercascade.errors import BusyError, ConfigError, InputError, RangeError
from unit.worlds import holding, make, rows

BID, ASK = Side.BID, Side.ASK
ONE_LEVEL = {"bids": {99: 10}, "asks": {101: 10}}


def refused(
    owner: World | Venue, kind: type[Exception], words: str, call: Callable[[], Any]
) -> None:
    """The call raises, says why, and changes nothing."""
    before = owner.state_hash()
    with pytest.raises(kind, match=words):
        call()
    assert owner.state_hash() == before


def user(money: int = 10**6, **rules: Any) -> tuple[World, Venue, int]:
    """A started world with one account that has money."""
    world, venue = make(**ONE_LEVEL, **rules)
    account = venue.open_account()
    venue.deposit(account, 0, money)
    world.start()
    return world, venue, account


# ------------------------------------------------------------------ what they say and hand out


def test_venue_world_and_index_say_what_they_hold() -> None:
    world, venue, _ = user()
    assert repr(venue) == "<Venue 0: 1 markets, 1 accounts>"
    assert venue.accounts == 1
    world.settle(5)
    assert repr(world) == f"<World at 5 ns: 1 venues, {world.steps} steps>"
    index = TriggerIndex([100, 100])
    index.arm(3, 0, 0, 50)
    assert repr(index) == "<TriggerIndex: 1 armed in 2 markets>"


def test_nothing_of_the_engine_is_pickled_but_worlds_are_copied() -> None:
    world, venue, _ = user()
    for thing in (world, venue):
        with pytest.raises(TypeError, match="cannot be pickled; send the scenario and its seed"):
            pickle.dumps(thing)
    for other in (copy.copy(world), copy.deepcopy(world)):
        assert other.state_hash() == world.state_hash()
        other.settle(7)
        assert (world.time_ns, other.time_ns) == (0, 7)


def test_a_venue_has_a_hash_of_its_own() -> None:
    _, venue, account = user()
    before = venue.state_hash()
    venue.deposit(account, 0, 1)
    assert venue.state_hash() != before
    assert user()[1].state_hash() == before


def test_the_holders_of_the_venue_are_found_by_kind_asset_and_market() -> None:
    world = World()
    world.add_venue(asset_count=2)
    venue = world.venue()
    venue.add_market(asset=1)
    venue.add_market(asset=0)
    kinds = [kind for kind in HolderKind if kind not in (HolderKind.SCOPE, HolderKind.CLEARING)]
    ids = [venue.holder(kind, asset) for asset in range(2) for kind in kinds]
    ids += [venue.holder(HolderKind.CLEARING, market) for market in range(2)]
    assert ids == list(range(12))
    with pytest.raises(InputError, match="must be a holder of the venue"):
        venue.holder(HolderKind.SCOPE)
    venue.set_fund(70, asset=1)
    assert [venue.balance(venue.holder(HolderKind.FUND, asset)) for asset in range(2)] == [0, 70]


def test_what_if_values_every_leg_at_its_given_or_standing_mark() -> None:
    """Ten lots at 100 and three at 50, multipliers 1, maintenance 5 % each."""
    world = World()
    world.add_venue()
    venue = world.venue()
    for last in (100, 50):
        venue.add_market(price_max=1000, size_max=100, last=last)
    account = venue.open_account()
    scope = venue.deposit(account, 0, 500)
    venue.open_position(account, 0, 10, 1000)
    venue.open_position(account, 1, -3, -150)
    world.start()
    assert venue.what_if(scope, {}) == (500, 50 + 8)
    assert venue.what_if(scope, {0: 90}) == (400, 45 + 8)
    assert venue.what_if(scope, {0: 90, 1: 60}) == (370, 45 + 9)
    refused(venue, InputError, "must be in", lambda: venue.what_if(scope, {0: 0}))


def test_what_if_refuses_a_value_beyond_2_to_the_60() -> None:
    """2**30 lots held; a mark of 2**30 is the last one that fits, and one tick more does not."""
    world = World()
    world.add_venue()
    large = world.venue()
    large.add_market(price_max=2**20, size_max=2**40, last=5, brackets=[(0, 0, 0, 0)])
    scope = large.open_position(large.open_account(), 0, 2**30, 0)
    assert large.what_if(scope, {0: 2**30}) == (2**60, 0)
    refused(large, InputError, "beyond the market's range", lambda: large.what_if(
        scope, {0: 2**30 + 1}))  # fmt: skip


# ------------------------------------------------------------------ setting up


def test_markets_come_before_accounts() -> None:
    _, venue = make()
    venue.open_account()
    refused(venue, ConfigError, "before the first account", venue.add_market)


def test_the_bounds_of_all_markets_add_up_to_at_most_2_to_the_61() -> None:
    world = World()
    world.add_venue()
    venue = world.venue()
    for _ in range(2):
        venue.add_market(price_max=2**20, size_max=2**40)
    refused(venue, ConfigError, r"at most 2\*\*61", lambda: venue.add_market(
        price_max=1, size_max=1))  # fmt: skip


@pytest.mark.parametrize(("maker", "taker", "good"), [(-5, 5, True), (-6, 5, False), (0, 0, True)])
def test_a_rebate_is_at_most_the_taker_fee(maker: int, taker: int, good: bool) -> None:
    world = World()
    world.add_venue()
    venue = world.venue()
    if good:
        assert venue.add_market(maker_fee_ppm=maker, taker_fee_ppm=taker) == 0
    else:
        refused(venue, ConfigError, "maker rebate must not", lambda: venue.add_market(
            maker_fee_ppm=maker, taker_fee_ppm=taker))  # fmt: skip


@pytest.mark.parametrize(("side", "price"), [(BID, 101), (BID, 102), (ASK, 99), (ASK, 98)])
def test_background_orders_never_cross(side: Side, price: int) -> None:
    _, venue = make(**ONE_LEVEL)
    refused(venue, InputError, "must not cross", lambda: venue.seed_level(0, side, price, 1))
    assert venue.seed_level(0, side, 100, 1) > 0


@pytest.mark.parametrize("sign", [1, -1])
def test_a_position_that_external_cannot_bear_is_refused_whole(sign: int) -> None:
    """Each user may hold 2**40 lots, and external the same: not one lot more for a second user."""
    world = World()
    world.add_venue()
    venue = world.venue()
    venue.add_market(price_max=2**20, size_max=2**40, last=5)
    first, second = venue.open_account(), venue.open_account()
    venue.open_position(first, 0, sign * 2**40, sign * 2**50)
    for account in (first, second):
        refused(venue, RangeError, "position", lambda a=account: venue.open_position(
            a, 0, sign, sign * 5))  # fmt: skip
    assert not any(venue.audit().values())
    venue.open_position(second, 0, -sign, -sign * 5)
    world.start()
    world._check()


def test_a_cost_that_external_cannot_bear_is_refused_whole() -> None:
    _, venue = make()
    first, second = venue.open_account(), venue.open_account()
    venue.open_position(first, 0, 1, 2**60)
    refused(venue, RangeError, r"2\*\*60", lambda: venue.open_position(second, 0, 1, 1))
    refused(venue, RangeError, r"2\*\*60", lambda: venue.open_position(first, 0, 1, 1))
    venue.open_position(second, 0, 1, -1)


def test_money_stays_within_2_to_the_60() -> None:
    world = World()
    world.add_venue(asset_count=2)
    venue = world.venue()
    venue.add_market()
    first, second = venue.open_account(), venue.open_account()
    venue.deposit(first, 0, 2**60)
    venue.deposit(second, 1, 2**60)
    for account, asset in ((first, 0), (second, 0), (first, 1)):  # two have no scope yet
        refused(venue, RangeError, r"2\*\*60", lambda a=account, b=asset: (
            venue.deposit(a, b, 1)))  # fmt: skip
    assert venue.withdraw(first, 0, 1) == 0
    venue.deposit(first, 0, 1)


def test_a_profit_never_takes_collateral_past_2_to_the_60() -> None:
    """Ten lots bought at 100 and sold at 200 would earn 1,000 on top of 2**60 - 999."""
    for spare, fits in ((1000, True), (999, False)):
        world = World()
        world.add_venue()
        venue = world.venue()
        venue.add_market(price_max=1000, size_max=1000, last=200)
        venue.seed_level(0, BID, 200, 10)
        account = venue.open_account()
        scope = venue.deposit(account, 0, 2**60 - spare)
        venue.open_position(account, 0, 10, 1000)
        world.start()
        before = world.state_hash()
        if fits:
            assert venue.submit(account, 0, ASK, 200, 10) == 0
            assert venue.collateral(scope) == 2**60
        else:
            assert venue.submit(account, 0, ASK, 200, 10) == Reject.POSITION_LIMIT
            assert world.state_hash() == before
            assert venue.submit(account, 0, ASK, 200, 9) == 0


# ------------------------------------------------------------------ before, after, inside


def test_calls_before_the_start_after_it_and_inside_a_settlement() -> None:
    world, venue = make(**ONE_LEVEL)
    account = venue.open_account()
    refused(venue, InputError, "after the world's start", lambda: venue.set_index(0, 5))
    refused(world, InputError, "must come after start", world.step)
    refused(world, InputError, "must come after start", world.run)
    refused(world, InputError, "must come after start", world.settle)
    world.start()
    refused(venue, InputError, "before the world's start", lambda: venue.seed_level(0, BID, 5, 5))
    refused(world, InputError, "must come before start", world.start)
    refused(world, InputError, "must come before start", world.add_venue)
    world.schedule_shock(3, 0, 0, ASK, size=10)
    assert not world.settling
    assert world.run(2) == 2  # the shock, and the mark that fell with it
    assert world.settling
    refused(world, InputError, "inside a settlement", world.settle)
    refused(venue, InputError, "inside a settlement", lambda: venue.deposit(account, 0, 5))
    assert world.stop == Stop.RUNNING
    world.run()
    assert not world.settling
    assert world.stop == Stop.NOBODY_AT_RISK
    assert world.step() == -1


def test_a_world_without_venues_has_nothing_to_do() -> None:
    world = World()
    world.start()
    assert (world.step(), world.run(), world.settle()) == (-1, 0, 0)


def test_a_run_of_no_steps_does_nothing_and_one_of_three_does_three() -> None:
    world, _, _ = user()
    for time_ns in range(5):
        world.schedule_index(time_ns, 0, 0, 50 + time_ns)
    assert [world.run(0), world.run(3), world.run(), world.run()] == [0, 3, 2, 0]


def test_steps_max_ends_the_run_with_a_row_that_says_so() -> None:
    world = World(steps_max=2)
    world.add_venue()
    venue = world.venue()
    venue.add_market(last=5)
    world.start()
    for time_ns in range(5):
        world.schedule_index(time_ns, 0, 0, 50 + time_ns)
    assert world.run() == 3
    assert rows(world, "steps", "kind")[-1] == (StepKind.BOUND,)
    assert world.stop == Stop.STEP_BOUND
    assert world.step() == -1
    assert world.fork().stop == Stop.STEP_BOUND


def test_round_max_ends_a_settlement_and_is_the_reason_for_the_stop() -> None:
    world, venue = make(bids={99: 1, 98: 1, 97: 1}, asks={101: 5}, round_max=2)
    holding(venue, 10, 100, 5_200)
    world.schedule_shock(0, 0, 0, ASK, size=1)
    world.start()
    world.run()
    assert world.stop == Stop.ROUND_BOUND
    assert rows(world, "steps", "kind", "round")[-1] == (StepKind.BOUND, 1)


# ------------------------------------------------------------------ one call at a time


class Interrupt(Exception):
    """Raised by the handler of a signal."""


@pytest.mark.parametrize("during", ["step", "state_hash", "deposit", "settle"])
def test_a_signal_is_heard_in_a_long_run_and_meets_a_busy_world(during: str) -> None:
    """The handler runs between two steps of run(); whole steps stand, and the run goes on."""
    world, _, account = user()
    calls: dict[str, Callable[[], object]] = {
        "step": lambda: world.step(),
        "settle": lambda: world.settle(),
        "state_hash": lambda: world.state_hash(),
        "deposit": lambda: world.venue().deposit(account, 0, 1),
    }
    for time_ns in range(3 * 4096):
        world.schedule_index(time_ns, 0, 0, 50 + time_ns % 5)
    plain = world.fork()
    total = world.fork().run()
    said: list[str] = []

    def heard(*_: object) -> None:
        if 0 < world.steps < total:  # Else run() has not begun or is over; try again below.
            with pytest.raises(BusyError, match="the world is running already") as found:
                calls[during]()
            said.append(found.value.holder)
            raise Interrupt

    old = signal.signal(signal.SIGALRM, heard)
    try:
        for tries in range(1, 200):
            signal.setitimer(signal.ITIMER_REAL, 0.00005 * tries)
            with contextlib.suppress(Interrupt):
                world.run()
            signal.setitimer(signal.ITIMER_REAL, 0)
            if said:
                break
            world = plain.fork()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
    assert said == ["the world"]
    assert world.steps % 1024 == 0
    world.run()
    plain.run()
    assert world.state_hash() == plain.state_hash()


class Caller:
    """A number that calls somebody while it is asked for."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self.call = call

    def __index__(self) -> int:
        self.call()
        return 5


def test_a_book_that_is_asked_from_inside_a_call() -> None:
    book = OrderBook(100)
    said: list[str] = []
    book.submit(BID, 50, Caller(lambda: said.append(repr(book))))
    assert said == ["<OrderBook, running>"]
    before = book.state_hash()
    with pytest.raises(BusyError, match="OrderBook is running already"):
        book.submit(BID, 50, Caller(lambda: len(book)))
    assert book.state_hash() == before
    assert len(book) == 1


def test_a_batch_longer_than_the_watch_for_signals_is_run_whole() -> None:
    """A book looks for Ctrl-C every 2**18 rows; the rows behind that count as well."""
    book = OrderBook(100)
    order = book.submit(BID, 50, 3)
    rows_made = np.zeros(2**18 + 3, MESSAGE_DTYPE)
    rows_made["type"] = OrderType.CANCEL
    rows_made["order_id"][-1] = order
    book.apply(rows_made)
    assert book.rows_done == len(rows_made)
    assert book.results[[0, 2**18, -1]].tolist() == [Reject.UNKNOWN_ORDER] * 2 + [3]
    assert len(book) == 0


def test_a_refused_cancel_all_leaves_the_book_free_for_the_next_call() -> None:
    book = OrderBook(100)
    book.submit(BID, 50, 1, account=3)
    before = book.state_hash()
    with pytest.raises(InputError, match="account"):
        book.cancel_all(-1)
    assert book.state_hash() == before
    assert book.cancel_all(3) == 1


# ------------------------------------------------------------------ users


def test_flags_types_and_prices_of_users_orders_are_judged() -> None:
    _, venue, account = user()

    def submit(**other: Any) -> int:
        return venue.submit(account, 0, BID, 50, 5, **other)

    post = OrderFlag.POST_ONLY
    for other in ({"tif": TimeInForce.IOC}, {"tif": TimeInForce.FOK}, {"type": OrderType.MARKET}):
        refused(venue, InputError, "POST_ONLY", lambda o=other: submit(
            flags=post, **o))  # fmt: skip
    refused(venue, InputError, "LIMIT or", lambda: submit(type=OrderType.CANCEL))
    assert submit(flags=post) > 0


def test_a_market_order_takes_what_there_is_and_never_rests() -> None:
    world, venue, account = user()
    scope = venue.cross_scope(account)
    result = venue.submit(account, 0, BID, None, 12, type=OrderType.MARKET)
    assert result == 0
    assert venue.position(scope, 0) == (10, 10 * 101 * 100)
    assert rows(world, "orders", "type", "size", "filled")[-1] == (OrderType.MARKET, 12, 10)
    refusal = venue.submit(account, 0, BID, None, 12, type=OrderType.MARKET)
    assert refusal == Reject.NO_LIQUIDITY


def test_an_order_belongs_to_its_account_and_an_amend_needs_margin_for_more() -> None:
    world, venue = make(**ONE_LEVEL)
    first, second = venue.open_account(), venue.open_account()
    venue.deposit(first, 0, 10_000)
    world.start()
    order = venue.submit(first, 0, BID, 90, 10)  # 10 lots at the mark of 100 need 10,000
    steps = world.steps
    assert venue.amend(second, 0, order, size=5) == Reject.NOT_OWNER
    assert venue.cancel(second, 0, order) == Reject.NOT_OWNER
    assert venue.amend(first, 0, order, size=11) == Reject.INSUFFICIENT
    assert venue.amend(first, 0, order + 2**32, size=5) == Reject.UNKNOWN_ORDER
    assert world.steps == steps
    assert venue.amend(first, 0, order, size=9) == order
    assert venue.amend(first, 0, order, size=10) == order
    assert venue.depth(0, BID) == [(99, 10), (90, 10)]
    assert venue.depth(0, BID, 1) == [(99, 10)]


def test_isolated_money_is_moved_only_where_there_is_an_isolated_scope() -> None:
    _, venue, account = user(500)
    refused(venue, InputError, "call isolate", lambda: venue.move_isolated(account, 0, 5))
    scope = venue.isolate(account, 0)
    refused(venue, InputError, "amount must not be 0", lambda: venue.move_isolated(account, 0, 0))
    assert venue.move_isolated(account, 0, 501) == Reject.INSUFFICIENT
    assert venue.move_isolated(account, 0, 500) == 0
    assert venue.move_isolated(account, 0, -501) == Reject.INSUFFICIENT
    assert venue.collateral(scope) == 500
    assert venue.move_isolated(account, 0, -200) == 0
    assert venue.collateral(venue.cross_scope(account)) == 200


def test_a_scheduled_deposit_opens_the_cross_scope_that_was_missing() -> None:
    world, venue = make(**ONE_LEVEL)
    account = venue.open_account()
    world.schedule_transfer(0, 0, account, 0, 70)
    world.schedule_transfer(1, 0, account, 0, -71)
    world.schedule_transfer(2, 0, account, 0, -70)
    world.start()
    assert venue.cross_scope(account) == -1
    world.run(1)
    assert venue.collateral(venue.cross_scope(account)) == 70
    world.run(1)
    assert venue.collateral(venue.cross_scope(account)) == 70
    world.run()
    assert venue.collateral(venue.cross_scope(account)) == 0


# ------------------------------------------------------------------ arrow


def test_a_stream_needs_a_batch_and_every_batch_all_columns() -> None:
    column = np.zeros(3, np.int64)
    for names, words, batches in (
        (["a"], [None], []),
        (["a"], [], [(column,)]),
        (["a"], [None, None], [(column,)]),
        (["a", "b"], [None, None], [(column, column), (column,)]),
        (["a"], [None], [(column, column)]),
    ):
        with pytest.raises(ValueError, match=r"at least one batch|must have \d columns"):
            stream(names, words, batches)


def test_columns_of_other_kinds_are_refused() -> None:
    for column in (np.zeros(3), np.zeros(6, np.int64)[::2], np.zeros(3, np.uint8)):
        with pytest.raises(TypeError, match="contiguous array of signed integers"):
            stream(["a"], [None], [(column,)])
