"""The liquidation price against its definition: the tick nearest to safety that is liquidatable.

The twin searches each bracket by halves; the engine has a closed form, a short walk and a search
of its own. Positions and schedules are seeded, and stand where rounding is coarse.
"""

from __future__ import annotations

import itertools
import random

import pytest

from ordercascade.core.venue import Venue
from ordercascade.core.world import World
from ordercascade.enums import HolderKind, PriceSource, Reject, Side
from reference.margin import Bracket, initial, maintenance, nearest_unsafe

TICK_MAX = 2**31 - 1
INDEX = PriceSource.INDEX
Rows = list[tuple[int, int, int, int]]


def schedule(draw: random.Random, steep: bool) -> Rows:
    """A schedule of one to four brackets that are continuous to the unit."""
    rate = draw.choice([1, 400, 5_000, 50_000]) if not steep else draw.choice([990_000, 999_999])
    rows = [(0, rate, 0, draw.randint(rate, 10**6))]
    for _ in range(draw.randint(0, 3)):
        floor = rows[-1][0] + draw.choice([1, 7, 10**3, 10**6]) * (10**6 if steep else 10**3)
        rate = min(10**6, rows[-1][1] + draw.choice([0, 1_000, 5_000, 100_000]))
        amount = rows[-1][2] + floor * (rate - rows[-1][1]) // 10**6
        rows.append((floor, rate, amount, draw.randint(rate, 10**6)))
    return rows


def venue_of(rows: list[Rows], multipliers: list[int], strict: bool = True) -> tuple[World, Venue]:
    """A venue with a market a schedule, every mark 1,000."""
    world = World()
    world.add_venue(trigger_strict=strict)
    venue = world.venue()
    for brackets, multiplier in zip(rows, multipliers, strict=True):
        venue.add_market(
            multiplier=multiplier, price_max=2**20, size_max=2**20, brackets=brackets, last=1000
        )
    return world, venue


def slack(venue: Venue, scope: int, brackets: list[list[Bracket]], marks: list[int]) -> int:
    """Equity less maintenance by definition, from what the venue says it holds."""
    total = venue.collateral(scope)
    for market, mark in enumerate(marks):
        size, cost = venue.position(scope, market)
        value = size * mark * MULTIPLIERS[market]
        total += value - cost - (maintenance(brackets[market], abs(value)) if size else 0)
    return total


MULTIPLIERS = [1, 7]


@pytest.mark.parametrize("seed", range(60))
def test_the_liquidation_price_is_the_tick_nearest_to_safety(seed: int) -> None:
    draw = random.Random(seed)
    rows = [schedule(draw, seed % 4 == 0), schedule(draw, False)]
    brackets = [[Bracket(*row) for row in each] for each in rows]
    strict = bool(seed % 2)
    world, venue = venue_of(rows, MULTIPLIERS, strict)
    scopes = []
    for _ in range(12):
        account = venue.open_account()
        venue.deposit(account, 0, draw.choice([1, 50, 10**3, 10**5, 10**9]))
        for market in range(draw.randint(1, 2)):
            size = draw.choice([-1, 1]) * draw.choice([1, 2, 3, 40, 999, 10**5])
            cost = size * draw.randint(1, 2_000) * MULTIPLIERS[market] + draw.randint(-9, 9)
            scopes.append((venue.open_position(account, market, size, cost), market))
    world.start()
    for scope, market in scopes:
        size, _ = venue.position(scope, market)

        def unsafe(tick: int, scope: int = scope, market: int = market) -> bool:
            marks = [1000, 1000]
            marks[market] = tick
            left = slack(venue, scope, brackets, marks)
            return left < 0 if strict else left <= 0

        def value(tick: int, size: int = size, market: int = market) -> int:
            return size * tick * MULTIPLIERS[market]

        want = nearest_unsafe(brackets[market], size, value, unsafe)
        assert venue.liquidation_price(scope, market) == (want or None), (scope, market)


def test_maintenance_and_initial_margin_are_those_of_the_brackets() -> None:
    rows = [(0, 4_000, 0, 8_001), (600, 24_000, 12, 50_000), (5_000, 200_000, 892, 300_000)]
    world, venue = venue_of([rows], [1])
    scopes = []
    for value in (1, 599, 600, 601, 4_999, 5_000, 5_001, 123_457):
        account = venue.open_account()
        scopes.append((venue.open_position(account, 0, value, value * 100), value * 1000))
    world.start()
    brackets = [Bracket(*row) for row in rows]
    for scope, value in scopes:
        assert venue.maintenance(scope) == maintenance(brackets, value)
        assert venue.initial(scope) == initial(brackets, value)


@pytest.mark.parametrize("value", [599, 600, 4_999, 5_000])
def test_a_brackets_floor_belongs_to_it(value: int) -> None:
    """At a mark of 1 the value is the size: the edge itself has the higher rate's initial."""
    rows = [(0, 4_000, 0, 8_000), (600, 24_000, 12, 50_000), (5_000, 200_000, 892, 300_000)]
    world = World()
    world.add_venue()
    venue = world.venue()
    venue.add_market(multiplier=1, price_max=10, size_max=2**20, brackets=rows, last=1)
    scope = venue.open_position(venue.open_account(), 0, value, value)
    world.start()
    rate = {599: 8_000, 600: 50_000, 4_999: 50_000, 5_000: 300_000}[value]
    assert venue.initial(scope) == -(-value * rate // 10**6)


def test_open_orders_count_on_their_worse_side_and_with_the_position() -> None:
    """Long 10 with bids for 5 and asks for 30: the asks are worse, 20 short, but not the bids."""
    world, venue = venue_of([[(0, 10_000, 0, 100_000)]], [1])
    venue.seed_level(0, Side.ASK, 2_000, 1)
    account = venue.open_account()
    venue.deposit(account, 0, 10**6)
    scope = venue.open_position(account, 0, 10, 10_000)
    world.start()
    assert venue.initial(scope) == 1_000
    venue.submit(account, 0, Side.BID, 900, 5)
    assert venue.initial(scope) == 1_500
    venue.submit(account, 0, Side.ASK, 1_900, 25)
    assert venue.initial(scope) == 1_500
    venue.submit(account, 0, Side.ASK, 1_900, 6)
    assert venue.initial(scope) == 2_100


@pytest.mark.parametrize(("money", "answer"), [(1_000, 1), (999, Reject.INSUFFICIENT)])
def test_an_order_needs_its_initial_margin_to_the_unit(money: int, answer: int) -> None:
    """10 lots at the mark of 1,000 need 10 %: 1,000."""
    world, venue = venue_of([[(0, 10_000, 0, 100_000)]], [1])
    account = venue.open_account()
    venue.deposit(account, 0, money)
    world.start()
    result = venue.submit(account, 0, Side.BID, 900, 10)
    assert min(result, 1) == answer


def test_an_order_that_only_reduces_needs_nothing() -> None:
    """Long 10 without money: 10 may be sold, 11 may not; an open ask uses its part up."""
    world, venue = venue_of([[(0, 10_000, 0, 100_000)]], [1])
    account = venue.open_account()
    venue.open_position(account, 0, 10, 10_000)
    world.start()
    assert venue.submit(account, 0, Side.ASK, 1_100, 11) == Reject.INSUFFICIENT
    assert venue.submit(account, 0, Side.BID, 900, 1) == Reject.INSUFFICIENT
    assert venue.submit(account, 0, Side.ASK, 1_100, 4) > 0
    assert venue.submit(account, 0, Side.ASK, 1_100, 7) == Reject.INSUFFICIENT
    assert venue.submit(account, 0, Side.ASK, 1_100, 6) > 0


@pytest.mark.parametrize("side", Side)
def test_a_position_never_passes_its_bound_with_its_open_orders(side: Side) -> None:
    world = World()
    world.add_venue()
    venue = world.venue()
    venue.add_market(price_max=100, size_max=20, last=50)
    account = venue.open_account()
    venue.deposit(account, 0, 10**6)
    venue.open_position(account, 0, 10 * (1 - 2 * side), 500 * (1 - 2 * side))
    world.start()
    price = 40 if side == Side.BID else 60
    assert venue.submit(account, 0, side, price, 11) == Reject.POSITION_LIMIT
    assert venue.submit(account, 0, side, price, 4) > 0
    assert venue.submit(account, 0, side, price, 7) == Reject.POSITION_LIMIT
    assert venue.submit(account, 0, side, price, 6) > 0


@pytest.mark.parametrize(
    ("size", "money", "price"),
    [(3, 7, 98), (-3, 7, 102), (10, 19, 99), (-10, 19, 101), (5, 10, 98), (-5, 10, 102)],
)
def test_the_bankruptcy_price_is_rounded_against_nobodys_loss(
    size: int, money: int, price: int
) -> None:
    """Entry 100, 7 units of money: a long of 3 is bankrupt at 97.67, sold at 98 or better."""
    world, venue = venue_of([[(0, 0, 0, 100_000)]], [1])
    account = venue.open_account()
    venue.deposit(account, 0, money)
    scope = venue.open_position(account, 0, size, size * 100)
    world.start()
    assert venue.bankruptcy_price(scope, 0) == price


def test_the_fund_and_external_have_no_liquidation_price() -> None:
    world, venue = venue_of([[(0, 10_000, 0, 100_000)]], [1])
    account = venue.open_account()
    scope = venue.open_position(account, 0, 1, 1_000)
    flat = venue.deposit(venue.open_account(), 0, 5)
    world.start()
    assert venue.liquidation_price(flat, 0) is None
    assert venue.bankruptcy_price(flat, 0) is None
    assert venue.liquidation_price(scope, 0) is not None
    assert venue.liquidation_price(venue.holder(HolderKind.EXTERNAL), 0) is not None


@pytest.mark.parametrize(
    ("sign", "entry", "money"),
    [(1, 500_000, 120_000), (-1, 500_000, 120_000), (1, 2**30, 2**29), (-1, 2**30, 2**28)],
)
@pytest.mark.parametrize("legs", [2, 3, 5])
def test_legs_that_together_use_up_the_slack_are_found_at_that_tick(
    sign: int, entry: int, money: int, legs: int
) -> None:
    """One lot a leg, maintenance 0: a unit more is lost than there is, no leg ever alone.

    The shares of the slack must not add up to more than it, or the last ticks go unseen; large
    weights are cut to 21 bits for that division, which rounds by hundreds of ticks."""
    world = World()
    world.add_venue()
    venue = world.venue()
    for _ in range(legs):
        venue.add_market(
            price_max=TICK_MAX, size_max=10, brackets=[(0, 0, 0, 0)], index=entry, source=INDEX
        )
    account = venue.open_account()
    scope = venue.deposit(account, 0, money)
    for market in range(legs):
        venue.open_position(account, market, sign, sign * entry)
    world.start()
    ends = [(money + 1) * market // legs for market in range(legs + 1)]
    losses = [end - start for start, end in itertools.pairwise(ends)]
    losses[-1] -= 1
    for market, loss in enumerate(losses):
        venue.set_index(market, entry - sign * loss)
        assert venue.at_risk() == []
        venue._check()
    venue.set_index(legs - 1, entry - sign * (losses[-1] + 1))
    assert venue.at_risk() == [scope]


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("legs", [2, 3, 5])
def test_large_slacks_are_shared_to_the_unit(sign: int, legs: int) -> None:
    """A tick of a leg is worth 2**30; one unit less is there than 2**19 ticks of each leg lose.

    Shares rounded up would let every leg lose its 2**19 ticks unseen."""
    world = World()
    world.add_venue()
    venue = world.venue()
    entry, ticks, unit = 2**20, 2**19, 2**30
    for _ in range(legs):
        venue.add_market(
            multiplier=unit,
            price_max=2**21,
            size_max=1,
            brackets=[(0, 0, 0, 0)],
            index=entry,
            source=INDEX,
        )
    account = venue.open_account()
    scope = venue.deposit(account, 0, legs * ticks * unit - 1)
    for market in range(legs):
        venue.open_position(account, market, sign, sign * entry * unit)
    world.start()
    for market in range(legs):
        assert venue.at_risk() == []
        venue.set_index(market, entry - sign * ticks)
        venue._check()
    assert venue.at_risk() == [scope]
