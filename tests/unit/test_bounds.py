"""Bounds that an order could pass by its fills: it is refused up front and nothing has changed.

SEMANTICS §1: lots <= 2**40, cells <= 2**60. The worlds here have no margin, so that nothing else
stands in the way of an order, and walls of `external` on both sides.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

import ordercascade as oc
from ordercascade.core.venue import Venue
from ordercascade.core.world import World
from ordercascade.enums import OrderType, PriceSource, Reject, Side, TimeInForce
from ordercascade.errors import RangeError
from reference.scripts import Call
from unit.audit_worlds import spoil, tape_of_calls

BID, ASK = Side.BID, Side.ASK
FREE = [(0, 0, 0, 0)]
LIMIT = Reject.POSITION_LIMIT
MOST = 2**40  # lots of a market whose highest price is 2**20 and whose multiplier is 1


def made(
    users: int = 3, *, markets: int = 1, wall: int = MOST, **market: Any
) -> tuple[World, Venue]:
    """Return a world before its start: walls of external at 99 and 101, users without money."""
    world = World(1)
    world.add_venue()
    venue = world.venue(0)
    rules: dict[str, Any] = {"price_max": 2**20, "size_max": MOST, "brackets": FREE, "index": 100}
    for _ in range(markets):
        venue.add_market(0, 1, source=PriceSource.INDEX, **(rules | market))
    for _ in range(users):
        venue.deposit(venue.open_account(), 0, 2**50)
    for number in range(markets):
        for price in (97, 98, 99):
            venue.seed_level(number, BID, price, wall)
        for price in (101, 102, 103):
            venue.seed_level(number, ASK, price, wall)
    return world, venue


def unchanged(world: World, call: Callable[[], object], code: int = LIMIT) -> None:
    """The call is refused with this code; state and tape are what they were, and sound."""
    before = world.state_hash(), world.log.digest()
    assert call() == code
    assert (world.state_hash(), world.log.digest()) == before
    world._check()


def results(world: World) -> list[int]:
    return [int(number) for number in world.log.column("orders", "result")]


# ------------------------------------------------------------------ sizes


@pytest.mark.parametrize(("side", "price"), [(BID, 103), (ASK, 97)])
@pytest.mark.parametrize("kind", [OrderType.LIMIT, OrderType.MARKET])
def test_users_cannot_push_external_past_its_bound(side: Side, price: int, kind: OrderType) -> None:
    """2**40 lots bought by one user are all that external can be short; a second gets none."""
    world, venue = made()
    world.start()
    assert venue.submit(1, 0, side, price, MOST - 5) == 0
    unchanged(world, lambda: venue.submit(2, 0, side, price, 6, kind))
    assert venue.submit(2, 0, side, price, 5, kind) == 0
    assert venue.position(0, 0)[0] == (-MOST if side == BID else MOST)
    unchanged(world, lambda: venue.submit(3, 0, side, price, 1, kind))
    # What closes makes room again.
    assert venue.submit(1, 0, 1 - side, 200 - price, 7, kind) == 0
    assert venue.submit(3, 0, side, price, 7, kind) == 0
    assert not any(venue.audit().values())


def test_what_rests_or_is_not_filled_is_not_refused() -> None:
    world, venue = made()
    world.start()
    assert venue.submit(1, 0, BID, 101, MOST) == 0
    resting = venue.submit(2, 0, BID, 98, 9)
    assert resting > 0
    fok, post = TimeInForce.FOK, 1
    limit, gtc = OrderType.LIMIT, TimeInForce.GTC
    assert venue.submit(1, 0, ASK, 99, 5) == 0
    for size, code in ((MOST - 9, LIMIT), (MOST, LIMIT)):
        unchanged(world, lambda n=size: venue.submit(2, 0, BID, 102, n - 9, limit, fok), code)
    assert venue.submit(3, 0, ASK, 101, 5) > 0
    for number, code in ((6, Reject.FOK_NOT_FILLABLE), (5, 0)):
        assert venue.submit(2, 0, BID, 101, number, limit, fok) == code
    code = Reject.POST_ONLY_WOULD_CROSS
    unchanged(world, lambda: venue.submit(2, 0, BID, 102, 5, limit, gtc, post), code)
    unchanged(world, lambda: venue.amend(2, 0, resting, price=102, size=9))
    assert venue.amend(2, 0, resting, price=97, size=8) > 0


def test_users_among_themselves_stay_within_the_same_bound() -> None:
    """External is flat meanwhile; but were the longs liquidated, it would have to take them all."""
    world, venue = made(4)
    world.start()
    assert venue.submit(1, 0, BID, 100, MOST - 5) > 0
    assert venue.submit(2, 0, ASK, 100, MOST - 5) == 0
    assert venue.position(0, 0) == (0, 0)
    assert venue.submit(3, 0, BID, 100, 6) > 0
    unchanged(world, lambda: venue.submit(4, 0, ASK, 100, 6))
    assert venue.submit(4, 0, ASK, 100, 5) == 0


def test_the_bound_is_on_the_value_at_the_highest_price() -> None:
    """Multiplier 2**10 and price 2**20: 2**30 lots are 2**60."""
    world = World(1)
    world.add_venue()
    venue = world.venue(0)
    venue.add_market(0, 2**10, price_max=2**20, size_max=2**30, brackets=FREE, last=5)
    venue.seed_level(0, ASK, 5, MOST)
    for _ in range(2):
        venue.deposit(venue.open_account(), 0, 1)
    world.start()
    assert venue.submit(1, 0, BID, 5, 2**30 - 1) == 0
    unchanged(world, lambda: venue.submit(2, 0, BID, 5, 2))
    assert venue.submit(2, 0, BID, 5, 1) == 0


def test_all_markets_together_stay_within_2_to_the_61() -> None:
    """Three markets that may each hold a quarter: their longs together are three quarters more."""
    world, venue = made(4, markets=3, size_max=MOST // 4)
    world.start()
    for market in (0, 1):
        for account in (1, 2, 3, 4):
            assert venue.submit(account, market, BID, 103, MOST // 4) == 0
    unchanged(world, lambda: venue.submit(1, 2, BID, 103, 1))
    assert venue.submit(1, 0, ASK, 97, 1) == 0
    assert venue.submit(1, 2, BID, 103, 1) == 0


def test_openings_stay_within_the_open_interest() -> None:
    world, venue = made()
    venue.open_position(1, 0, MOST, 0)
    venue.open_position(2, 0, -MOST, 0)
    before = world.state_hash()
    with pytest.raises(RangeError, match=f"open interest of market 0 pass {MOST} lots"):
        venue.open_position(3, 0, 1, 0)
    assert world.state_hash() == before
    venue.open_position(2, 0, 4, 0)
    venue.open_position(1, 0, -4, 0)
    venue.open_position(3, 0, 4, 0)
    world._check()


def test_a_liquidation_of_everybody_fits_external() -> None:
    """The longs hold all that is allowed and fall; external takes every lot and is at its bound."""
    world = World(1)
    world.add_venue()
    venue = world.venue(0)
    venue.add_market(
        0, 1, price_max=2**20, size_max=MOST, brackets=[(0, 50_000, 0, 50_000)], index=100,
        source=PriceSource.INDEX,
    )  # fmt: skip
    venue.seed_level(0, BID, 99, MOST)
    for size in (MOST // 2, MOST // 2, -MOST):
        account = venue.open_account()
        venue.deposit(account, 0, abs(size) * (6 if size > 0 else 100))
        venue.open_position(account, 0, size, 100 * size)
    world.schedule_index(1, 0, 0, 98)
    world.start()
    world.run()
    assert venue.position(0, 0)[0] == MOST
    world._check()


# ------------------------------------------------------------------ shocks


def test_a_shock_that_could_pass_the_bound_is_refused_and_says_so() -> None:
    world, venue = made(4, wall=1)
    world.start()
    for account in (1, 2):
        assert venue.submit(account, 0, BID, 100, MOST) > 0
    for at, size in ((1, MOST - 3), (2, 4), (3, 3), (4, 1)):
        world.schedule_shock(at, 0, 0, ASK, size=size)
    world.run()
    assert results(world)[2:] == [0, LIMIT, 0, LIMIT]
    assert venue.position(0, 0)[0] == -MOST
    world._check()
    # Buying back is no danger.
    assert venue.submit(1, 0, ASK, 101, 8) > 0
    world.schedule_shock(5, 0, 0, BID, size=9, limit=101)  # the first lot is its own
    world.run()
    assert results(world)[-1] == 0
    assert venue.position(0, 0)[0] == -MOST + 8


def test_a_shock_against_external_s_own_wall_has_no_bound() -> None:
    world, venue = made()
    world.start()
    assert venue.submit(1, 0, ASK, 97, MOST) == 0
    world.schedule_shock(1, 0, 0, ASK, size=MOST)
    world.run()
    assert results(world)[-1] == 0
    assert world.log.column("orders", "filled")[-1] == MOST


# ------------------------------------------------------------------ money


def test_a_cost_beyond_2_to_the_60_is_refused_for_external_and_for_the_taker() -> None:
    world, venue = made()
    venue.open_position(1, 0, 1, 2**60)  # external: -2**60
    world.start()
    unchanged(world, lambda: venue.submit(2, 0, BID, 101, 1))
    world, venue = made()
    venue.open_position(1, 0, -1, -(2**60) + 99)
    venue.open_position(2, 0, 1, 2**60 - 99)
    world.start()
    unchanged(world, lambda: venue.submit(1, 0, ASK, 99, 2))
    assert venue.submit(1, 0, ASK, 99, 1) == 0
    unchanged(world, lambda: venue.submit(1, 0, ASK, 99, 1))
    assert venue.submit(3, 0, ASK, 99, 1) == 0


def test_a_profit_of_a_maker_or_a_fee_beyond_2_to_the_60_is_refused() -> None:
    """The maker has 2**60 - 2**51 and 10 lots that cost nothing; sold at 2**20 they earn more."""
    world, venue = made(2, wall=1)
    venue.deposit(venue.open_account(), 0, 2**60 - 2**52)
    venue.open_position(3, 0, 2**33, 0)
    world.start()
    assert venue.submit(3, 0, ASK, 2**20, 2**33) > 0
    unchanged(world, lambda: venue.submit(1, 0, BID, 2**20, 2**33))
    assert venue.submit(1, 0, BID, 2**20, 2**20) == 0
    world, venue = made(2, maker_fee_ppm=0, taker_fee_ppm=10**6)
    venue.deposit(venue.open_account(), 0, 2**60 - 2**52)
    world.start()
    # Fees of 2**60: collateral of the taker would be far below zero, that of `fees` at its bound.
    assert venue.submit(1, 0, BID, 101, MOST - 1) == 0
    assert venue.submit(1, 0, ASK, 99, MOST - 1) == 0


def test_deposits_and_moves_beyond_2_to_the_60_are_refused_whole() -> None:
    """Profits count: a scope that earned stands above what was deposited."""
    world, venue = made(1)
    venue.open_position(1, 0, 100, -(2**59))
    world.start()
    assert venue.submit(1, 0, ASK, 99, 100) == 0  # earns 2**59 + 9,900
    scope = venue.cross_scope(1)
    assert venue.collateral(scope) == 2**50 + 2**59 + 9_900
    before = world.state_hash()
    with pytest.raises(RangeError, match=r"collateral would pass 2\*\*60"):
        venue.deposit(1, 0, 2**59)
    assert world.state_hash() == before
    venue.deposit(1, 0, 5)
    world.schedule_transfer(1, 0, 1, 0, 2**59)
    world.schedule_transfer(2, 0, 1, 0, 7)
    world.run()
    assert venue.collateral(scope) == 2**50 + 2**59 + 9_912
    world._check()
    isolated = venue.isolate(1, 0)
    assert venue.move_isolated(1, 0, 2**59) == 0
    assert venue.collateral(isolated) == 2**59


# ------------------------------------------------------------------ everything at once


def near(random: random.Random, most: int) -> int:
    """A number up to `most`, of any magnitude, often the largest."""
    return max(1, most >> random.choice([0, 0, 1, 2, 5, 20, 30]))


@pytest.mark.parametrize("seed", range(6))
def test_no_user_and_no_shock_can_break_a_world_near_its_bounds(seed: int) -> None:
    """Random huge orders: each is done or refused whole; nothing is ever half done."""
    draw = random.Random(seed)
    world, venue = made(4, markets=2, maker_fee_ppm=draw.choice([-50, 0, 30]), taker_fee_ppm=70)
    venue.deposit(2, 0, 2**59)
    if seed % 2:
        venue.open_position(3, 0, 2**39, draw.choice([2**58, -(2**58), 2**45]))
        venue.open_position(4, 1, -(2**39), draw.choice([2**58, -(2**58), -(2**45)]))
    world.start()
    refused = filled = 0
    for turn in range(400):
        account, market, side = draw.randint(1, 4), draw.randint(0, 1), draw.choice([BID, ASK])
        price, size = draw.choice([1, 95, 99, 100, 101, 103, near(draw, 2**20)]), near(draw, MOST)
        before = world.state_hash()
        if draw.random() < 0.2:
            rows = len(results(world))
            world.schedule_shock(turn, 0, market, side, size=size)
            world.run()
            refused += results(world)[rows] == LIMIT
        elif draw.random() < 0.1:
            try:
                venue.deposit(account, 0, near(draw, 2**60))
            except RangeError:
                assert world.state_hash() == before
        else:
            answer = venue.submit(account, market, side, price, size)
            if answer <= -2:
                assert world.state_hash() == before
            refused += answer == LIMIT
        filled = world.log.rows("fills")
        world._check()
        assert not any(venue.audit().values())
    assert refused > 20
    assert filled > 50


# ------------------------------------------------------------------ the tape


def test_the_audit_takes_a_refused_shock_for_one_and_no_other_row() -> None:
    market = {"price_max": 2**20, "size_max": MOST, "brackets": FREE, "last": 100}
    calls = [Call(-1, "add_venue"), Call(0, "add_market", (), market)]
    calls += [Call(0, "seed_level", (0, side, 100 + away, 1)) for side, away in ((1, 5), (0, -5))]
    for account in (1, 2):
        calls += [Call(0, "open_account"), Call(0, "deposit", (account, 0, 2**50))]
    calls.append(Call(-1, "start"))
    calls += [Call(0, "submit", (account, 0, BID, 100, MOST)) for account in (1, 2)]
    shocks = [(1, MOST), (2, 4)]
    calls += [Call(-1, "schedule_shock", (at, 0, 0, ASK), {"size": n}) for at, n in shocks]
    tape = tape_of_calls([*calls, Call(-1, "run")])
    assert oc.audit(tape).ok, oc.audit(tape).failures
    assert [int(n) for n in tape.orders["result"]][2:] == [0, LIMIT]
    assert not oc.audit(spoil(tape, "orders", 2, "result", int(LIMIT))).ok
    assert not oc.audit(spoil(tape, "orders", 3, "result", -1)).ok
