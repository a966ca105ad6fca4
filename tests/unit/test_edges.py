"""Where the numbers of the core end: the largest, the smallest, none at all, and the wrong kind."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

from ordercascade import ConfigError, InputError, InputTypeError, OrderBook, RangeError
from ordercascade.core.events import EventLog
from ordercascade.core.laws import OPENING_DTYPE, Crowd, Law, LawKind, Terms
from ordercascade.core.ledger import AccountLedger
from ordercascade.core.mechanism import Backstop, LiquidationPolicy
from ordercascade.core.monitor import Monitor
from ordercascade.core.populate import draw
from ordercascade.core.world import World
from ordercascade.enums import HolderKind, MarkRefresh, PriceSource, Reject, Side
from ordercascade.mechanisms.prices import OwnBook
from unit.worlds import holding, make

INDEX = PriceSource.INDEX
PARKED = 3  # Scope.watch: it waits for its next order
TERMS = Terms(1000, 1, 2**16, 2**20, [(0, 5_000, 0, 20_000)])


def crowd(accounts: int = 50, **changed: Any) -> Crowd:
    """Fifty accounts of five lots each that enter at the mark."""
    laws: dict[str, Any] = {
        "long_share": 0.5,
        "cross_share": 1.0,
        "leverage": Law(LawKind.CONSTANT, 10.0),
        "size": Law(LawKind.CONSTANT, 5.0),
        "size_is_value": False,
        "entry": Law(LawKind.CONSTANT, 1.0),
        "entry_in_ticks": False,
        "held": (1.0,),
    }
    return Crowd(accounts, **(laws | changed))


@pytest.mark.parametrize("sign", [1, -1])
def test_a_slack_past_2_to_the_42_is_spent_to_the_tick(sign: int) -> None:
    """2**28 lots and a slack of 2**45: 2**17 ticks away, in two legs that lose alike."""
    world = World()
    world.add_venue()
    venue = world.venue()
    start, lots, deposit = 2**19, 2**28, 2**45
    for _ in range(2):
        venue.add_market(
            price_max=2**20, size_max=lots, brackets=[(0, 0, 0, 0)], index=start, source=INDEX
        )
    account = venue.open_account()
    scope = venue.deposit(account, 0, deposit)
    for market in range(2):
        venue.open_position(account, market, sign * lots, sign * lots * start)
    world.start()
    for market in range(2):
        venue.set_index(market, start - sign * 2**16)
        assert venue.at_risk() == []
        venue._check()
    venue.set_index(1, start - sign * (2**16 + 1))
    assert venue.at_risk() == [scope]


def test_money_and_lots_past_the_bounds_of_the_ledger_are_refused_whole() -> None:
    ledger = AccountLedger()
    ledger.add_market(0)
    first, second = (ledger.add_scope(ledger.add_account(), 0, -1) for _ in range(2))
    ledger.deposit(first, 2**60)
    ledger.deposit(0, -(2**60))  # what the venue holds in all is bounded, too
    before = ledger.state_hash()
    with pytest.raises(RangeError, match="collateral"):
        ledger.deposit(first, 1)
    with pytest.raises(RangeError, match="collateral"):
        ledger.post(second, first, 1)
    with pytest.raises(RangeError, match="collateral"):
        ledger.post(first, second, -1)
    assert ledger.state_hash() == before
    ledger.post(first, second, 1)
    ledger.post(second, first, 1)
    assert ledger.state_hash() == before


def test_an_audit_of_more_than_64_bits_is_exact(hand: Any) -> None:
    world, venue = make(bids={99: 1}, asks={101: 1})
    for _ in range(3):
        holding(venue, 1, 100, 10**6)
    world.start()
    for account in (1, 2, 3):
        hand.write(world, "Holder.collateral", venue.scope_of(account, 0), 2**62)
    off = [delta for delta in venue.audit().values() if delta]
    assert off == [3 * (2**62 - 10**6)]


def test_shares_of_many_lots_add_up() -> None:
    from ordercascade.core.ledger import split

    weights = [1 + i % 3 for i in range(100_000)]
    shares = split(10**9 + 1, weights)
    assert sum(shares) == 10**9 + 1
    assert {share // (1 + i % 3) for i, share in enumerate(shares)} == {5000}


def test_an_opening_in_a_market_of_another_asset_is_refused() -> None:
    world = World()
    world.add_venue(2)
    venue = world.venue()
    for asset in range(2):
        venue.add_market(asset, price_max=2**20, size_max=1000, last=1000)
    rows = np.zeros(1, dtype=OPENING_DTYPE)
    rows[0]["market"], rows[0]["size"], rows[0]["cost"] = 1, 1, 1000
    with pytest.raises(InputError, match="market must settle in the asset of the deposits"):
        venue.open_accounts(np.array([5_000]), rows, 0)
    assert venue.accounts == 0
    assert venue.open_accounts(np.array([5_000]), rows, 1) == 1


def test_a_venue_has_no_more_than_2_to_the_24_accounts(hand: Any) -> None:
    world, venue = make()
    count = hand.read(world, "Ledger.account_count", 0)
    hand.write(world, "Ledger.account_count", 0, 2**24)
    with pytest.raises(ConfigError, match="must be at most 2"):
        venue.open_account()
    hand.write(world, "Ledger.account_count", 0, count)
    assert venue.open_account() == 1


def test_who_never_paid_in_is_refused_for_want_of_margin() -> None:
    world, venue = make(bids={99: 5}, asks={101: 5})
    world.start()
    account = venue.open_account()
    before = world.state_hash()
    assert venue.submit(account, 0, Side.BID, 90, 1) == Reject.INSUFFICIENT
    assert world.state_hash() == before
    venue.deposit(account, 0, 10**6)
    assert venue.submit(account, 0, Side.BID, 90, 1) > 0


def test_the_plain_policy_and_backstop_are_part_of_a_world_that_forks() -> None:
    """They sell everything at once, and hand over by scope id."""
    world = World()
    world.add_venue(policy=LiquidationPolicy(), backstop=Backstop())
    venue = world.venue()
    venue.add_market(price_max=1000, size_max=1000, brackets=[(0, 50_000, 0, 100_000)])
    for side, price, size in ((Side.BID, 99, 1), (Side.BID, 90, 1000), (Side.ASK, 101, 9)):
        venue.seed_level(0, side, price, size)
    account = venue.open_account()
    venue.deposit(account, 0, 590)
    venue.open_position(account, 0, 100, 10_000)
    world.schedule_shock(1, 0, 0, Side.ASK, size=1)
    world.start()
    other = world.fork()
    assert other.state_hash() == world.state_hash()
    for each in (world, other):
        each.run()
        assert each.venue().position(venue.scope_of(account, 0), 0) == (0, 0)
    assert other.state_hash() == world.state_hash()


def test_a_monitor_watches_who_waits_for_the_next_tranche_as_well(hand: Any) -> None:
    """The scope sells a fifth, then waits; meanwhile a second one falls in the next window."""
    world, venue = make(
        bids={99: 1, 98: 20, 97: 20, 96: 200},
        asks={101: 5},
        fraction_ppm=200_000,
        cooldown_ns=30 * 10**9,
        mark_refresh=MarkRefresh.ORDER,
    )
    with pytest.raises(InputError, match="start"):
        Monitor(venue)
    scope, second = holding(venue, 100, 100, 52_000), holding(venue, 10, 100, 7_000)
    for second_ns, size in ((1, 1), (2, 25)):
        world.schedule_shock(second_ns * 10**9, 0, 0, Side.ASK, size=size)
    world.start()
    met = set()
    while world.step() >= 0:
        monitor = Monitor(venue)
        monitor._check()
        waits = hand.read(world, "Scope.watch", scope) == PARKED
        met.add((waits, tuple(venue.at_risk()), tuple(monitor.at_risk().tolist())))
    assert (True, (scope, second), (scope, second)) in met
    assert all(says == sees for _, says, sees in met)


def test_an_isolated_scope_fills_in_its_own_market_only() -> None:
    world, venue = make()
    venue.add_market(price_max=1000, size_max=1000, last=100)
    account = venue.open_account()
    venue.deposit(account, 0, 10**6)
    scope = venue.isolate(account, 1)
    venue.move_isolated(account, 1, 10**5)
    venue.seed_level(0, Side.BID, 99, 1)
    venue.seed_level(0, Side.ASK, 101, 1)
    world.start()
    monitor = Monitor(venue)
    with pytest.raises(InputError, match="market must be one that the scope may hold"):
        monitor.fill(scope, 0, 1, 100)
    monitor.fill(scope, 1, 1, 100)
    monitor._check()


def test_no_accounts_are_drawn_as_nobody_and_65_markets_are_too_many() -> None:
    drawn = draw(crowd(0), [TERMS], 1, "edge")
    assert len(drawn.deposits) == 0
    assert len(drawn.openings) == 0
    for markets in (0, 65):
        with pytest.raises(InputError, match="must be 1 to 64 markets"):
            draw(crowd(held=(1.0,) * markets), [TERMS] * markets, 1, "edge")


def test_a_law_without_bounds_is_cut_at_one_lot_and_at_the_most_lots() -> None:
    """A deviation of 10,000 in the logarithm: e to that power is 0 or beyond any number."""
    wild = crowd(size=Law(LawKind.LOGNORMAL, 1.0, 10_000.0))
    sizes = {abs(int(row["size"])) for row in draw(wild, [TERMS], 1, "edge").openings}
    assert sizes == {1, TERMS.size_max}
    below = crowd(size=Law(LawKind.NORMAL, -1e30, 1.0))
    assert {abs(int(row["size"])) for row in draw(below, [TERMS], 1, "edge").openings} == {1}


@pytest.mark.parametrize(("share", "sign"), [(1e-14, -1), (1 - 1e-14, 1)])
def test_one_long_in_10_to_the_14_is_none_of_fifty(share: float, sign: int) -> None:
    drawn = draw(crowd(long_share=share), [TERMS], 1, "edge")
    assert {int(np.sign(row["size"])) for row in drawn.openings} == {sign}


def test_a_normal_far_out_is_the_end_of_any_other_law() -> None:
    """A correlation root of 40 leaves hardly anybody between the ends of a uniform law."""
    far = crowd(root=(40.0,), size=Law(LawKind.UNIFORM, 100.0, 200.0))
    sizes = [abs(int(row["size"])) for row in draw(far, [TERMS], 1, "edge").openings]
    assert min(sizes) == 100
    assert max(sizes) in (199, 200)


def test_a_book_is_copied_by_its_own_method_only() -> None:
    book = OrderBook(100)
    for wrong in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(InputTypeError):
            wrong(book)
    book.copy()._check()


def test_an_empty_log_forks_and_a_world_writes_its_log_alone() -> None:
    log = EventLog()
    other = log.fork()
    for each in (log, other):
        assert each.rows("steps") == 0
        each._check()
    world, _ = make()
    with pytest.raises(InputError, match="written by its world alone"):
        world.log.truncate("steps", 0)


def test_a_stream_of_random_bits_has_a_str_for_its_name() -> None:
    world, _ = make()
    with pytest.raises(InputTypeError, match="name must be a str"):
        world.draw(5)  # type: ignore[arg-type]
    assert world.draw("5") == make()[0].draw("5")
    again, other = make()[0], make()[0]
    bits = [again.draw("5") for _ in range(3)]
    assert len(set(bits)) == 3
    # Another name in between, or a fork, changes nothing of what comes.
    assert [other.draw("5"), other.draw("6"), other.fork().draw("5"), other.draw("5")] == [
        bits[0], make()[0].draw("6"), bits[1], bits[1]
    ]  # fmt: skip


def test_forty_markets_each_keep_their_own_triggers() -> None:
    """A long of 10 lots at 1,000 in each, isolated with 5,000: 500 ticks of loss without a rate."""
    world = World()
    world.add_venue()
    venue = world.venue()
    for _ in range(40):
        venue.add_market(
            price_max=2**14, size_max=10, brackets=[(0, 0, 0, 0)], index=1_000, source=INDEX
        )
    account = venue.open_account()
    venue.deposit(account, 0, 40 * 5_000)
    scopes = []
    for market in range(40):
        scopes.append(venue.isolate(account, market))
        venue.move_isolated(account, market, 5_000)
        venue.open_position(account, market, 10, 10_000)
    world.start()
    for market, scope in enumerate(scopes):
        venue.set_index(market, 500)
        assert venue.at_risk() == []
        venue.set_index(market, 499)
        assert venue.at_risk() == [scope]
        venue.set_index(market, 1_000)
        venue._check()
    world.fork()._check()


def test_an_own_book_weighs_at_most_all_of_a_mark() -> None:
    assert OwnBook(own_weight_ppm=10**6) is not None
    for weight in (-1, 10**6 + 1):
        with pytest.raises(InputError, match="own_weight_ppm must be in"):
            OwnBook(own_weight_ppm=weight)


def test_a_venue_counts_its_markets_and_says_what_everybody_has() -> None:
    world, venue = make(bids={90: 5}, asks={110: 5})
    assert venue.market_count == 1
    scope = holding(venue, 3, 100, 5_000)
    world.start()
    venue.set_index(0, 100)
    found = venue._equities()
    assert len(found) == venue.holders
    assert found[scope] == venue.equity(scope)
    assert sum(found) == 5_000 + found[venue.holder(HolderKind.EXTERNAL, 0)]


def test_only_lots_that_are_held_are_quoted_or_closed_in_pairs() -> None:
    world, venue = make(bids={90: 5}, asks={110: 5})
    scope = holding(venue, 3, 100, 5_000)
    idle = venue.deposit(venue.open_account(), 0, 5)
    world.start()
    before = world.state_hash()
    for call in (
        lambda: venue.bankruptcy_quote(idle, 0, 1),
        lambda: venue.close_pair(idle, 0, scope, 1),
        lambda: venue.close_pair(scope, 0, idle, 1),
    ):
        with pytest.raises(InputError, match="must have a position in market 0"):
            call()
    assert world.state_hash() == before
