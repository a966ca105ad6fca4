"""Gates before withdrawals, with numbers to follow by hand and beside a slow twin."""

from __future__ import annotations

import random
from fractions import Fraction
from math import floor
from typing import Any

import pytest

from ordercascade.core.changing import change
from ordercascade.core.venue import Venue
from ordercascade.core.world import World
from ordercascade.enums import AdlWhen, PriceSource, Reject, Side
from ordercascade.errors import ConfigError, InputError, InputTypeError
from ordercascade.mechanisms.tranches import Tranches
from unit.worlds import holding, make, rows

HOUR, DAY = 3_600 * 10**9, 86_400 * 10**9


def calm(*accounts: int, gates: Any, index: int = 0) -> tuple[World, Venue]:
    """A venue whose accounts 1, 2, … have deposited so much and hold nothing."""
    source = {"source": PriceSource.INDEX, "index": index} if index else {}
    world = World(1)
    world.add_venue(gates=gates)
    venue = world.venue(0)
    venue.add_market(
        multiplier=100, price_max=10_000, size_max=10_000, brackets=[(0, 50_000, 0, 100_000)],
        **source,
    )  # fmt: skip
    venue.seed_level(0, Side.BID, 99, 100)
    venue.seed_level(0, Side.ASK, 101, 100)
    for money in accounts:
        venue.deposit(venue.open_account(), 0, money)
    return world, venue


def at(world: World, time_ns: int) -> None:
    """Let the clock run to a time, with a price tick that changes nothing."""
    world.schedule_index(time_ns, 0, 0, 100)
    world.run()


# Baseline, what is left, window, milliseconds waited, what is left then: six decimals, from dYdX's
# own tests (v4-chain, protocol/x/ratelimit/util/capacity_test.go).
PUBLISHED = [
    (250_000_000_000, 99_000_000_000, HOUR, 1_090, 99_075_694_444),
    (2_500_000_000_000, 990_000_000_000, DAY, 1_090, 990_031_539_351),
    (100_000_000_000, 0, HOUR, 1_150, 31_944_444),
    (1_000_000_000_000, 0, DAY, 1_150, 13_310_185),
    (100_000_000_000, 0, HOUR, 12_000, 333_333_333),
    (100_000_000_000, 200_000_000_000, HOUR, 12_000, 199_666_666_667),
    (200_000_000_000, 329_000_000_000, HOUR, 1_150, 328_936_111_112),
    (2_000_000_000_000, 3_500_000_000_000, DAY, 1_150, 3_499_973_379_630),
    (200_000_000_000, 629_000_000_000, HOUR, 1_150, 628_862_958_334),
    (2_000_000_000_000, 1_200_000_000_000, DAY, 1_150, 1_200_026_620_370),
]


@pytest.mark.parametrize(("baseline", "left", "window", "waited_ms", "expected"), PUBLISHED)
def test_a_rate_goes_back_to_its_baseline_as_published(
    baseline: int, left: int, window: int, waited_ms: int, expected: int
) -> None:
    """The first move leaves `left`; after the wait just so much may leave, and not a unit more."""
    world, venue = calm(10**13, gates={"rates": [(window, 0, baseline)]})
    world.start()
    if left > baseline:
        venue.deposit(1, 0, left - baseline)
    else:
        assert venue.withdraw(1, 0, baseline - left) == 0
    at(world, waited_ms * 10**6)
    before = world.state_hash()
    assert venue.withdraw(1, 0, expected + 1) == Reject.GATED
    assert world.state_hash() == before
    assert venue.withdraw(1, 0, expected) == 0
    assert venue.withdraw(1, 0, 1) == Reject.GATED


class Twin:
    """The rates by their definition, in exact fractions."""

    def __init__(self, rates: list[tuple[int, int, int]], supply: int) -> None:
        self.rates, self.supply, self.time_ns = rates, supply, 0
        self.left = [self.baseline(rate) for rate in rates]

    def baseline(self, rate: tuple[int, int, int]) -> int:
        return max(rate[2], floor(Fraction(self.supply * rate[1], 10**6)))

    def room(self, time_ns: int) -> list[int]:
        found = []
        for rate, left in zip(self.rates, self.left, strict=True):
            baseline = self.baseline(rate)
            share = min(Fraction(1), Fraction(time_ns - self.time_ns, rate[0]))
            change = floor(max(baseline, left - baseline) * share)
            if abs(left - baseline) <= change:
                found.append(baseline)
            else:
                found.append(left + change if left < baseline else left - change)
        return found

    def move(self, time_ns: int, amount: int) -> bool:
        room = self.room(time_ns)
        if amount < 0 and any(-amount > left for left in room):
            return False
        self.left = [left + amount for left in room]
        self.time_ns = time_ns
        self.supply += amount
        return True


def test_rates_are_those_of_the_twin_whatever_moves() -> None:
    """Two rates, deposits, withdrawals at once and from the agenda, waits of any length."""
    rng = random.Random(4)
    kept = refused = 0
    for _ in range(40):
        rates = [
            (rng.choice((10, 1_000, HOUR)), rng.choice((0, 10_000, 300_000)), rng.randrange(5_000))
            for _ in range(rng.randint(1, 4))
        ]
        world, venue = calm(100_000, gates={"rates": rates})
        world.start()
        twin, now = Twin(rates, 100_000), 0
        for _ in range(30):
            if rng.random() < 0.6:
                now += rng.choice((1, 3, 500, HOUR // 7))
                at(world, now)
            amount = rng.randint(1, 9_000) * rng.choice((-1, 1))
            held = venue.balance(venue.cross_scope(1))
            if amount < -held:
                continue
            if rng.random() < 0.3:
                world.schedule_transfer(now, 0, 1, 0, amount)
                world.run()
                done = venue.balance(venue.cross_scope(1)) != held
            elif amount > 0:
                venue.deposit(1, 0, amount)
                done = True
            else:
                done = venue.withdraw(1, 0, -amount) == 0
            assert done == twin.move(now, amount)
            kept, refused = kept + done, refused + (not done)
            assert not any(venue.audit().values())
    assert min(kept, refused) > 100


def broken(**gates: int) -> tuple[World, Venue]:
    """A long of 10 that enters at 100 with 1,500 falls below zero at 98; account 2 holds cash.

    The book takes one lot: the rest is pending, below zero until deleveraged by account 3's short.
    """
    world, venue = make(bids={98: 1, 90: 20}, asks={200: 1}, gates=gates)
    holding(venue, 10, 100, 1_500)
    venue.deposit(venue.open_account(), 0, 50_000)
    world.schedule_shock(5, 0, 0, Side.ASK, size=1)
    world.start()
    return world, venue


def test_withdrawals_stop_for_a_while_after_a_scope_was_below_zero() -> None:
    world, venue = broken(stop_ns=100)
    assert venue.withdraw(2, 0, 1) == 0
    world.run()
    assert min(row[0] for row in rows(world, "liquidations", "equity_after")) < 0
    world.schedule_index(104, 0, 0, 100)
    world.run()
    before = world.state_hash()
    assert venue.withdraw(2, 0, 1) == Reject.GATED
    assert world.state_hash() == before
    world.schedule_transfer(104, 0, 2, 0, -7)
    world.run()
    assert venue.balance(venue.cross_scope(2)) == 49_999
    venue.deposit(2, 0, 1)  # Money may always come.
    world.schedule_transfer(105, 0, 2, 0, -7)
    world.run()
    assert venue.balance(venue.cross_scope(2)) == 49_993
    assert venue.withdraw(2, 0, 1) == 0


def test_a_venue_without_trouble_does_not_stop() -> None:
    world, venue = calm(1_000, gates={"stop_ns": 10**15})
    world.start()
    assert venue.withdraw(1, 0, 1_000) == 0


def test_a_share_of_the_exposure_stays() -> None:
    """A long of 10 at 100: exposure 100,000, initial margin 10,000, of which 30 % must stay."""
    world, venue = make(bids={99: 1}, asks={101: 1}, gates={"stays_ppm": 300_000})
    holding(venue, 10, 100, 50_000)
    world.start()
    assert venue.withdraw(1, 0, 20_001) == Reject.GATED
    assert venue.withdraw(1, 0, 20_000) == 0
    assert venue.withdraw(1, 0, 20_001) == Reject.INSUFFICIENT  # Margin is judged first.


def test_before_the_start_nothing_stands_before_a_withdrawal() -> None:
    _, venue = calm(1_000, gates={"rates": [(10, 0, 1)], "stays_ppm": 10**6})
    assert venue.withdraw(1, 0, 900) == 0


def test_a_fork_remembers_and_goes_its_own_way() -> None:
    world, venue = calm(1_000, gates={"rates": [(1_000, 0, 100)], "stop_ns": 5})
    world.start()
    assert venue.withdraw(1, 0, 60) == 0
    other = world.fork()
    assert other.state_hash() == world.state_hash()
    assert other.venue(0).withdraw(1, 0, 41) == Reject.GATED
    assert other.venue(0).withdraw(1, 0, 40) == 0
    assert venue.withdraw(1, 0, 40) == 0
    assert other.state_hash() == world.state_hash()


@pytest.mark.parametrize(
    ("gates", "error", "place"),
    [
        (5, InputTypeError, "gates"),
        ({"stop": 5}, ConfigError, "gates.stop"),
        ({"stop_ns": -1}, InputError, "gates.stop_ns"),
        ({"stays_ppm": 10**6 + 1}, InputError, "gates.stays_ppm"),
        ({"rates": 5}, InputTypeError, "gates.rates"),
        ({"rates": [(1, 2, 3)] * 5}, ConfigError, "gates.rates"),
        ({"rates": [(1, 2)]}, ConfigError, r"gates.rates\[0\]"),
        ({"rates": [(1, 2, 3), (0, 2, 3)]}, InputError, r"gates.rates\[1\].window_ns"),
        ({"rates": [(1, 2, 2.5)]}, InputTypeError, r"gates.rates\[0\].least"),
    ],
)
def test_gates_that_make_no_sense_are_refused_by_name(
    gates: Any, error: type[Exception], place: str
) -> None:
    world = World(1)
    with pytest.raises(error, match=place):
        world.add_venue(gates=gates)
    assert world.add_venue() == 0


@pytest.mark.parametrize(
    ("other", "room"),
    [
        ((1_000, 0, 100), 40),  # The same rates: what they have left stays.
        ((1_000, 0, 90), 90),
        ((1_000, 90_000, 100), 100),
        ((999, 0, 100), 100),
    ],
)
def test_rates_that_change_begin_anew_and_others_keep_what_they_have_left(
    other: tuple[int, int, int], room: int
) -> None:
    """100 in a window, of which 60 have left; then the venue gets other rules."""
    world, venue = calm(1_000, gates={"rates": [(1_000, 0, 100)]})
    world.start()
    assert venue.withdraw(1, 0, 60) == 0
    change(world, 0, gates={"rates": [other], "stop_ns": 7})
    assert venue.withdraw(1, 0, room + 1) == Reject.GATED
    assert venue.withdraw(1, 0, room) == 0


def test_a_scope_that_stays_below_zero_stops_withdrawals_until_it_is_mended() -> None:
    """Nobody takes the rest of the long of 10: 1,500 - 2,000 at 98, for as long as it waits."""
    world, venue = make(
        bids={98: 1}, asks={200: 1}, gates={"stop_ns": 100}, policy=Tranches(),
        stages={"adl_when": AdlWhen.NEVER},
    )  # fmt: skip
    scope = holding(venue, 10, 100, 1_500)
    account = venue.open_account()
    venue.deposit(account, 0, 50_000)
    world.schedule_shock(5, 0, 0, Side.ASK, size=1)
    world.start()
    assert venue.withdraw(account, 0, 1) == 0
    world.run()
    assert (venue.position(scope, 0)[0], venue.equity(scope)) == (10, -500)
    for time_ns in (50, 10_000):
        at(world, time_ns)
        assert venue.withdraw(account, 0, 1) == Reject.GATED
    venue.deposit(1, 0, 500)
    assert venue.equity(scope) == 0
    assert venue.withdraw(account, 0, 1) == 0
