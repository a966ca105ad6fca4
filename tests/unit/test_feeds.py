"""Oracles with a memory, formula by formula. spec/MECHANISMS.md §7 and §8, ADR 13."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import pytest

import ordercascade as oc
from ordercascade.core.dislocation import schedule_dislocation
from ordercascade.core.venue import Venue
from ordercascade.core.world import World
from ordercascade.enums import FeedKind, NoteKind, PriceSource, Side, Told
from ordercascade.errors import ConfigError, InputError
from ordercascade.margin import fair_price
from ordercascade.mechanisms.feeds import Feed
from unit.worlds import holding, rows

SECOND = 10**9
INDEX = PriceSource.INDEX


def fed(*, index: int = 100_000, **numbers: Any) -> tuple[World, Venue]:
    """A market whose own price is its index, so that nothing but the index moves it."""
    world = World(3)
    world.add_venue()
    venue = world.venue()
    numbers = {"source": INDEX} | numbers
    feed = Feed(price_max=10**6, **numbers)
    venue.add_market(price_max=10**6, size_max=100, index=index, last=index, oracle=feed)
    world.start()
    return world, venue


def marks_of(world: World, *times: float) -> list[int]:
    """The mark at each time, in seconds; every one of them is a settlement."""
    found = []
    for time in times:
        world.settle(int(time * SECOND))
        found += world.venue().marks()
    return found


def ramp(world: World, *, speed: int, seconds: int) -> None:
    """The index moves `speed` ticks every second."""
    for second in range(1, seconds + 1):
        world.schedule_index(second * SECOND, 0, 0, 100_000 + speed * second)


# ------------------------------------------------------------------ means


def test_a_twap_is_the_exact_mean_of_what_stood() -> None:
    """100,000 until 4 s, 100,300 until 6 s, 99,000 from there; window 10 s."""
    world, _venue = fed(kind=FeedKind.TWAP, window_ns=10 * SECOND, heartbeat_ns=SECOND)
    for time, price in ((4, 100_300), (6, 99_000)):
        world.schedule_index(time * SECOND, 0, 0, price)
    assert marks_of(world, 4, 6) == [100_000, 100_060]
    at_nine = Fraction(100_000 * 5 + 100_300 * 2 + 99_000 * 3, 10)
    assert marks_of(world, 9) == [math.floor(at_nine + Fraction(1, 2))]
    assert marks_of(world, 15) == [round(Fraction(100_300 * 1 + 99_000 * 9, 10))]
    assert marks_of(world, 16, 50) == [99_000, 99_000]


def test_a_twap_is_rounded_once() -> None:
    """A quarter of the window at 100,001, the rest at 100,000: 100,000.25 is nearer to that."""
    world, _venue = fed(kind=FeedKind.TWAP, window_ns=4 * SECOND, heartbeat_ns=SECOND // 10)
    world.schedule_index(8 * SECOND, 0, 0, 100_001)
    assert marks_of(world, 8, 9, 9.9, 10) == [100_000, 100_000, 100_000, 100_001]


def test_a_twap_lags_a_linear_move_by_half_its_window_times_the_speed() -> None:
    """v W / 2 (§7). The ramp is a staircase here: half a step of 10 more."""
    world, _venue = fed(kind=FeedKind.TWAP, window_ns=20 * SECOND, heartbeat_ns=SECOND)
    ramp(world, speed=10, seconds=60)
    world.run()
    lag = [100_000 + 10 * t - mark for t, mark in _second_by_second(world) if 30 <= t <= 60]
    assert set(lag) == {10 * 20 // 2 + 5}


def test_an_ema_lags_a_linear_move_by_its_time_constant_times_the_speed() -> None:
    """v tau (§7); of a staircase with steps of a second: v / (e**(1/tau) - 1) + v, to a tick."""
    tau = 20
    numbers = {"kind": FeedKind.EMA, "tau_ns": tau * SECOND, "heartbeat_ns": SECOND}
    world = World()
    world.add_venue()
    venue = world.venue()
    feed = Feed(source=PriceSource.LAST, price_max=10**6, **numbers)
    venue.add_market(price_max=10**6, size_max=100, last=50, index=0, oracle=feed)
    # The own price climbs by hand: the book trades once a second, 10 ticks higher.
    for second in range(1, 401):
        venue.seed_level(0, Side.ASK, 50 + 10 * second, 1)
        world.schedule_shock(second * SECOND, 0, 0, Side.BID, size=1)
    world.start()
    world.run()
    want = 50 + 4_000 - 10 / (1 - math.exp(-1 / tau))
    assert dict(_second_by_second(world))[400] == round(want)
    assert venue.marks() == [4_050]
    assert abs(want - (50 + 4_000 - 10 * tau)) < 10


def test_the_basis_is_what_an_ema_smooths_so_the_index_acts_at_once() -> None:
    world, venue = fed(kind=FeedKind.EMA, tau_ns=150 * SECOND, heartbeat_ns=3 * SECOND)
    world.schedule_index(SECOND, 0, 0, 90_000)
    world.run()
    assert venue.marks() == [90_000]
    assert world.time_ns == 3 * SECOND  # At the next heartbeat, whole; then nothing is due.


@pytest.mark.parametrize(
    ("last", "bid", "ask", "index", "median"),
    [
        (100, 98, 102, 90, 100),  # Basis at rest: last is index + basis, and in the middle.
        (100, 101, 103, 150, 101),  # The book's own median is its bid.
        (100, 95, 97, 50, 97),
    ],
)
def test_the_median_of_three_ignores_the_odd_one_out(
    last: int, bid: int, ask: int, index: int, median: int
) -> None:
    feed = Feed(FeedKind.MEDIAN3, tau_ns=SECOND, heartbeat_ns=SECOND)
    assert feed.opening(last, index, bid, ask) == median


def test_the_median_of_less_than_three_prices_is_the_own_one() -> None:
    """Without an index, or without a trade and a book, there is nothing to outvote it."""
    for last, index, bid, ask, own in ((100, 0, 200, 300, 100), (0, 70, 0, 0, 70)):
        feed = Feed(FeedKind.MEDIAN3, tau_ns=SECOND, heartbeat_ns=SECOND)
        assert feed.opening(last, index, bid, ask) == own


def funding(*times: float, index: int = 100_000, **numbers: Any) -> list[int]:
    beat = SECOND // 250  # every time that is asked for is one
    world, _venue = fed(kind=FeedKind.FUNDING, heartbeat_ns=beat, index=index, **numbers)
    return marks_of(world, *times)


def test_a_fair_price_is_the_index_with_what_is_left_of_the_funding() -> None:
    """index (1 + rate * left / interval), MARGIN §5 [BM1]: +-0.8 % paid at 4, 12, 20 s.

    At 0 s half an interval is left, so 0.4 %; at the payment the basis starts anew.
    """
    numbers = {"funding_at_ns": 4 * SECOND, "funding_every_ns": 8 * SECOND}
    times = (0, 2, 3.996, 4, 12, 13)
    up = funding(*times, funding_ppb=8 * 10**6, **numbers)
    assert up == [100_400, 100_200, 100_000, 100_800, 100_800, 100_700]
    down = funding(*times, funding_ppb=-8 * 10**6, **numbers)
    assert down == [200_000 - mark for mark in up]
    for time, mark in zip(times[:4], up, strict=False):
        left = Fraction(4) - Fraction(str(time)) if time < 4 else Fraction(8)
        fair = fair_price(Fraction(100_000), Fraction("0.008"), left, Fraction(8))
        assert mark == math.floor(fair + Fraction(1, 2))


def test_a_fair_price_without_funding_is_the_index() -> None:
    """The limit of a rate of nothing; and long before a first payment a whole interval is left."""
    assert funding(0, 5, 50) == [100_000] * 3
    rates = {"funding_ppb": 0, "funding_every_ns": SECOND}
    assert funding(0, 5, 50, **rates) == [100_000] * 3
    early = {"funding_at_ns": 90 * SECOND, "funding_every_ns": 8 * SECOND}
    assert funding(0, 50, funding_ppb=10**6, **early) == [100_100] * 2


def test_a_fair_price_is_rounded_to_the_nearest_tick_halves_up() -> None:
    """1,000 (1 + 0.0015 x): 1.5, 1.4985 and 1.002 ticks above."""
    numbers = {"funding_at_ns": 1000 * SECOND, "funding_every_ns": 1000 * SECOND}
    marks = funding(0, 1, 332, index=1000, funding_ppb=1_500_000, **numbers)
    assert marks == [1002, 1001, 1001]


def test_a_fair_price_does_not_wake_the_world() -> None:
    """Payments have no end, so it is read when something else happens: one round, then rest."""
    numbers = {"funding_ppb": 10**7, "funding_every_ns": SECOND, "heartbeat_ns": SECOND}
    world, venue = fed(kind=FeedKind.FUNDING, **numbers)
    world.schedule_index(3 * SECOND // 2, 0, 0, 100_000)
    world.run()
    assert world.time_ns == 3 * SECOND // 2 and venue.marks() == [100_500]


@pytest.mark.parametrize(
    ("last", "index", "rate", "mark"),
    [
        (1_050, 1_000, 100, 1_050),  # funding 1,100 above, the basis at rest is last's
        (1_050, 1_000, 10, 1_050),
        (700, 0, 10, 700),  # without an index the own price is all there is
    ],
)
def test_the_median_with_the_funding_basis_opens_at_the_last_price(
    last: int, index: int, rate: int, mark: int
) -> None:
    """At the start index + basis is the last price, so two of the three agree."""
    feed = Feed(
        FeedKind.BASIS3,
        tau_ns=SECOND,
        heartbeat_ns=SECOND,
        funding_ppb=rate * 10**6,
        funding_every_ns=SECOND,
    )
    assert feed.opening(last, index, 990, 1_100) == mark


def test_the_median_of_funding_moving_basis_and_last_takes_the_middle_one() -> None:
    """MARGIN §5: a flash trade 30 % below is outvoted; funding bounds it from below.

    Index 100,000, basis at rest 0; last falls to 70,000. Index + EMA stays near 100,000 at first,
    the funding price is 100,000 (1 - 0.05 * left / interval) = 97,500 half-way: the median.
    """
    world = World(3)
    world.add_venue()
    venue = world.venue()
    feed = Feed(
        FeedKind.BASIS3,
        tau_ns=150 * SECOND,
        heartbeat_ns=SECOND,
        funding_ppb=-50_000_000,
        funding_every_ns=8 * SECOND,
        price_max=10**6,
    )
    venue.add_market(price_max=10**6, size_max=100, index=100_000, last=100_000, oracle=feed)
    venue.seed_level(0, Side.BID, 70_000, 1)
    world.schedule_shock(4 * SECOND, 0, 0, Side.ASK, size=1)
    world.start()
    world.settle(4 * SECOND)
    assert venue.prices(0)[0] == 70_000
    assert venue.marks() == [97_500]


def test_a_feed_says_what_it_is_and_opens_once() -> None:
    feed = Feed(FeedKind.MEDIAN3, PriceSource.MID, tau_ns=1, heartbeat_ns=SECOND)
    assert repr(feed) == "<Feed median3 of mid>"
    assert feed.opening(100, 0, 0, 0) == feed.opening(100, 0, 0, 0) == 100
    world = World()
    world.add_venue()
    world.venue().add_market(price_max=10**6, size_max=100, last=100, oracle=feed)
    world.start()
    with pytest.raises(ConfigError, match="feed: has been asked before"):
        feed.opening(100, 0, 0, 0)


def test_a_spike_of_n_seconds_moves_a_mean_by_its_share_of_the_window() -> None:
    """Manipulation cost of §7: n / W of the displacement; here 3 of 30 seconds by 30,000."""
    world, venue = fed(kind=FeedKind.TWAP, window_ns=30 * SECOND, heartbeat_ns=SECOND)
    schedule_dislocation(world, 10 * SECOND, 0, 0, Told.INDEX, 300_000)
    schedule_dislocation(world, 13 * SECOND, 0, 0, Told.INDEX, 0)
    world.run()
    seen = dict(_second_by_second(world))
    assert max(seen.values()) == 100_000 + 30_000 * 3 // 30
    assert venue.marks() == [100_000]
    kinds = rows(world, "notes", "kind", "a", "b")
    assert kinds == [(NoteKind.DISLOCATION, 300_000, 1), (NoteKind.DISLOCATION, 0, 1)]
    assert {index for (index,) in rows(world, "marks", "index")} == {100_000}


def test_what_comes_and_goes_within_an_instant_leaves_no_trace() -> None:
    world, venue = fed(kind=FeedKind.TWAP, window_ns=10 * SECOND, heartbeat_ns=SECOND)
    world.settle(5 * SECOND)
    venue.set_index(0, 1)
    world.settle()
    venue.set_index(0, 100_000)
    world.settle()
    assert marks_of(world, 6, 10, 15) == [100_000] * 3


def test_a_settlement_at_a_later_time_lets_everything_before_it_happen_at_its_own() -> None:
    """A price of 1 s is sent at 1 s and arrives at 4 s, not when somebody looks."""
    world, _venue = fed(latency_ns=3 * SECOND)
    world.schedule_index(SECOND, 0, 0, 90_000)
    world.schedule_index(2 * SECOND, 0, 0, 80_000)
    world.settle(60 * SECOND)
    seen = rows(world, "marks", "time_ns", "mark")
    assert [row for row in seen if row[1] < 100_000] == [(4 * SECOND, 90_000), (5 * SECOND, 80_000)]
    assert world.time_ns == 60 * SECOND
    assert world.settle() == 0


# ------------------------------------------------------------------ late, sparse, clamped


def test_a_late_price_arrives_after_exactly_its_latency() -> None:
    """§8: liquidated at the price of t - delta; the world wakes for it by itself."""
    world, venue = fed(latency_ns=12 * SECOND)
    world.schedule_index(5 * SECOND, 0, 0, 90_000)
    world.run()
    told = [row for row in rows(world, "marks", "time_ns", "mark") if row[1] == 90_000]
    assert told == [(17 * SECOND, 90_000)]
    assert venue.marks() == [90_000]


def test_a_report_without_delay_is_seen_by_a_peek_just_where_it_arrives_at_once() -> None:
    """A nanosecond on average, cut to whole ones: half of them arrive at once, half a bit later."""
    seen = []
    for seed in range(12):
        feed = Feed(source=INDEX, price_max=10**6, latency_ns=1, sigma_ppm=3 * 10**6, seed=seed)
        world = World()
        world.add_venue()
        venue = world.venue()
        venue.add_market(price_max=10**6, size_max=9, index=100_000, last=100_000, oracle=feed)
        scope = holding(venue, 1, 1_000, 5_000)  # 100,000 with a multiplier of 1
        world.start()
        venue.set_index(0, 90_000)
        assert venue.at_risk() in ([], [scope])
        seen.append(bool(venue.at_risk()))
        world.settle()
        assert venue.marks() == [90_000 if seen[-1] else 100_000]
    assert 2 < sum(seen) < 10


def test_a_feed_that_is_late_and_sparse_lets_the_world_rest() -> None:
    """Each arrival is a chance to send again: what has not changed is not sent."""
    world, venue = fed(latency_ns=2 * SECOND, heartbeat_ns=SECOND)
    world.schedule_index(5 * SECOND, 0, 0, 90_000)
    world.run()
    assert venue.marks() == [90_000]
    assert world.time_ns <= 9 * SECOND


def test_a_lognormal_latency_is_drawn_from_a_stream_of_its_own() -> None:
    """The median of many is the median that was asked for, and a seed gives the same ones."""

    def arrivals(**key: Any) -> list[int]:
        world, _ = fed(latency_ns=SECOND, sigma_ppm=500_000, **key)
        for k in range(400):
            world.schedule_index(100 * k * SECOND, 0, 0, 100_001 + k)
        world.run()
        return [
            time % (100 * SECOND)
            for time, mark in rows(world, "marks", "time_ns", "mark")
            if time % (100 * SECOND)
        ]

    one = arrivals(seed=1)
    assert one == arrivals(seed=1) != arrivals(seed=2)
    assert one != arrivals(seed=1, name="another")
    below = sum(delay < SECOND for delay in one) / len(one)
    assert abs(below - 0.5) < 0.08  # Three deviations of 400 draws.
    spread = [math.log(delay / SECOND) for delay in one]
    assert abs(math.sqrt(sum(x * x for x in spread) / len(spread)) - 0.5) < 0.06


def test_a_heartbeat_sends_a_price_and_a_deviation_sends_it_sooner() -> None:
    world, _venue = fed(heartbeat_ns=60 * SECOND, deviation_ppm=5_000)
    for time, price in ((10, 100_400), (20, 100_499), (30, 100_500), (40, 100_600)):
        world.schedule_index(time * SECOND, 0, 0, price)
    world.run()
    told = [row for row in rows(world, "marks", "time_ns", "mark") if row[1] != 100_000]
    # 0.5 % of 100,000 is reached at 30 s; the rest comes a heartbeat after that.
    assert dict((mark, time) for time, mark in reversed(told)) == {
        100_500: 30 * SECOND,
        100_600: 90 * SECOND,
    }


def test_clamps_hold_the_mark_by_taking_by_second_and_to_the_index() -> None:
    world, _ = fed(clamp_round_ppm=10_000)
    world.schedule_index(SECOND, 0, 0, 97_500)
    world.run()
    told = [mark for (mark,) in rows(world, "marks", "mark")]
    assert list(dict.fromkeys(told)) == [100_000, 99_000, 98_010, 97_500]
    world, _venue = fed(clamp_second_ppm=1_000)
    world.settle(SECOND)
    world.schedule_index(SECOND, 0, 0, 99_750)
    world.run()
    told = rows(world, "marks", "time_ns", "mark")
    first = {mark: time // SECOND for time, mark in reversed(told)}
    assert first == {100_000: 0, 99_900: 2, 99_801: 3, 99_750: 4}
    far = Feed(source=PriceSource.LAST, clamp_ppm=50_000)
    assert far.opening(80_000, 100_000, 0, 0) == 95_000


def test_a_second_s_share_of_less_than_a_tick_adds_up() -> None:
    world, venue = fed(index=100, clamp_second_ppm=1_000)
    world.schedule_index(SECOND, 0, 0, 99)
    world.run()
    assert venue.marks() == [99]
    assert 10 * SECOND <= world.time_ns <= 12 * SECOND


def test_latency_grows_with_the_queue() -> None:
    """Five scopes fall in the first round; the price that is sent next needs 1 + 5 / 2 as long."""

    def delay(congestion: int) -> int:
        world = World()
        world.add_venue()
        venue = world.venue()
        feed = Feed(latency_ns=10 * SECOND, congestion_ppm=congestion)
        venue.add_market(price_max=10_000, size_max=100, last=100, oracle=feed,
                         brackets=[(0, 50_000, 0, 100_000)])  # fmt: skip
        for price in (94, 50):
            venue.seed_level(0, Side.BID, price, 1)
        for _ in range(5):
            account = venue.open_account()
            venue.deposit(account, 0, 10)
            venue.open_position(account, 0, 1, 100)
        world.schedule_shock(SECOND, 0, 0, Side.ASK, size=1)
        world.start()
        world.run()
        marks = rows(world, "marks", "time_ns", "mark")
        fell, sold = (next(t for t, mark in marks if mark == price) for price in (94, 50))
        assert fell == 11 * SECOND
        return sold - fell

    assert delay(0) == 10 * SECOND
    assert delay(500_000) == 35 * SECOND


# ------------------------------------------------------------------ purity, forks, off


KINDS: dict[str, dict[str, Any]] = {
    "spot": {},
    "twap": {"kind": FeedKind.TWAP, "window_ns": 7 * SECOND, "heartbeat_ns": SECOND},
    "ema": {"kind": FeedKind.EMA, "tau_ns": 9 * SECOND, "heartbeat_ns": SECOND},
    "median3": {"kind": FeedKind.MEDIAN3, "tau_ns": 9 * SECOND, "heartbeat_ns": 2 * SECOND},
    "basis3": {
        "kind": FeedKind.BASIS3,
        "tau_ns": 9 * SECOND,
        "heartbeat_ns": 2 * SECOND,
        "funding_ppb": -(10**8),
        "funding_at_ns": 3 * SECOND,
        "funding_every_ns": 5 * SECOND,
    },
    "funding": {
        "kind": FeedKind.FUNDING,
        "heartbeat_ns": SECOND,
        "funding_ppb": 10**8,
        "funding_at_ns": 3 * SECOND,
        "funding_every_ns": 5 * SECOND,
    },
    "late": {"latency_ns": 2 * SECOND, "sigma_ppm": 700_000, "congestion_ppm": 10_000},
    "sparse": {"heartbeat_ns": 30 * SECOND, "deviation_ppm": 2_000},
    "clamped": {"clamp_ppm": 50_000, "clamp_round_ppm": 3_000, "clamp_second_ppm": 4_000},
}


def busy(numbers: dict[str, Any]) -> World:
    world = World(5)
    world.add_venue(round_ns=SECOND // 3)
    venue = world.venue()
    feed = Feed(source=PriceSource.MID, price_max=10**6, seed=5, **numbers)
    venue.add_market(price_max=10**6, size_max=10**5, index=10_000, oracle=feed,
                     brackets=[(0, 20_000, 0, 40_000)])  # fmt: skip
    for k in range(300):
        venue.seed_level(0, Side.BID, 9_995 - 5 * k, 4)
        venue.seed_level(0, Side.ASK, 10_005 + 5 * k, 4)
    for k in range(60):
        account = venue.open_account()
        venue.deposit(account, 0, 3_000 + 400 * k)
        venue.open_position(account, 0, 8, 80_000)
    for k in range(8):
        side = Side.ASK if k % 3 else Side.BID
        world.schedule_shock(k * SECOND, 0, 0, side, size=90)
        world.schedule_index(k * SECOND + SECOND // 2, 0, 0, 9_990 - 37 * k)
    schedule_dislocation(world, 3 * SECOND, 0, 0, Told.OWN, -20_000)
    schedule_dislocation(world, 4 * SECOND, 0, 0, Told.OWN, 0)
    world.start()
    return world


@pytest.mark.parametrize("name", KINDS)
def test_a_fork_at_every_step_goes_the_same_way(name: str) -> None:
    """The fork's own feed remembers what this one remembers; questions change nothing."""
    world = busy(KINDS[name])
    hashes = [world.state_hash()]
    while world.step() >= 0:
        world._check()
        hashes.append(world.state_hash())
        world.venue().at_risk()
        assert world.state_hash() == hashes[-1]
    end = world.state_hash()
    for at in range(0, len(hashes), 7):
        half = busy(KINDS[name])
        half.run(at)
        other = half.fork()
        assert other.state_hash() == half.state_hash() == hashes[at]
        other.run()
        assert other.state_hash() == end


def test_a_feed_that_remembers_nothing_gives_the_tape_of_the_plain_oracle() -> None:
    """Only what the venue hashes of its oracle differs."""

    def tape(**market: Any) -> list[tuple[int, ...]]:
        world = World()
        world.add_venue()
        venue = world.venue()
        venue.add_market(price_max=10**4, size_max=10**4, index=100, last=100, **market)
        for k in range(40):
            venue.seed_level(0, Side.BID, 99 - k, 3)
        for k in range(10):
            account = venue.open_account()
            venue.deposit(account, 0, 40 + 30 * k)
            venue.open_position(account, 0, 5, 500)
        world.schedule_shock(0, 0, 0, Side.ASK, size=20)
        world.start()
        world.run()
        return rows(world, "marks", "mark", "last") + rows(world, "fills", "price", "size")

    plain = tape(source=PriceSource.MID, own_weight_ppm=400_000)
    assert plain == tape(oracle=Feed(source=PriceSource.MID, own_weight_ppm=400_000))
    assert len(plain) > 8


@pytest.mark.parametrize(
    ("numbers", "field"),
    [
        ({"kind": FeedKind.TWAP, "heartbeat_ns": 1}, "window_ns"),
        ({"window_ns": 5}, "window_ns"),
        ({"kind": FeedKind.TWAP, "window_ns": 5}, "heartbeat_ns"),
        ({"kind": FeedKind.EMA, "heartbeat_ns": 1}, "tau_ns"),
        ({"tau_ns": 4}, "tau_ns"),
        ({"deviation_ppm": 4}, "heartbeat_ns"),
        ({"sigma_ppm": 4}, "latency_ns"),
        ({"congestion_ppm": 4}, "latency_ns"),
        ({"latency_ns": -1}, "latency_ns"),
        ({"clamp_ppm": 10**6 + 1}, "clamp_ppm"),
        ({"kind": FeedKind.BASIS3, "heartbeat_ns": 1}, "tau_ns"),
        ({"kind": FeedKind.FUNDING, "tau_ns": 1}, "tau_ns"),
        ({"kind": FeedKind.FUNDING}, "heartbeat_ns"),
        ({"kind": FeedKind.FUNDING, "funding_ppb": 1}, "funding_every_ns"),
        ({"kind": FeedKind.FUNDING, "funding_at_ns": 1}, "funding_every_ns"),
        ({"funding_every_ns": 1}, "funding_every_ns"),
        ({"funding_ppb": 10**9 + 1}, "funding_ppb"),
        ({"kind": 6}, "kind"),
        ({"seed": -1}, "seed"),
    ],
)
def test_numbers_that_do_not_go_together_are_refused(numbers: dict[str, Any], field: str) -> None:
    with pytest.raises((ConfigError, InputError), match=field):
        Feed(**numbers)


# ------------------------------------------------------------------ a few lines of TOML


ON = {
    "twap": 'oracle = { kind = "twap", window_s = 60 }',
    "ema": 'oracle = { kind = "ema", ema_tau_s = 20, own_book_weight = 0.5 }',
    "median3": 'oracle = { kind = "median3", ema_tau_s = 150, own_book_weight = 0.3 }',
    "basis3": 'oracle = { kind = "basis3", funding_rate = 0.01, funding_every_s = 60 }',
    "funding": 'oracle = { kind = "funding", funding_rate = 0.01, funding_every_s = 9 }',
    "late": 'oracle = { kind = "last", latency_s = 2, latency_sigma = 0.5, congestion = 0.01 }',
    "sparse": 'oracle = { kind = "mid", heartbeat_s = 60, deviation = 0.005 }',
    "clamped": 'oracle = { kind = "last", clamp_round = 0.01, clamp_per_s = 0.01 }',
}


def scenario(line: str, more: str = "") -> oc.Scenario:
    shipped = oc.scenarios.load("thin-book")
    text = shipped.to_toml()
    assert "[venue.market.oracle]" in text
    head, _, tail = text.partition("[venue.market.oracle]")
    rest = tail[tail.index("\n[") :]
    keys = line.removeprefix("oracle = { ").removesuffix(" }").replace(", ", "\n")
    return oc.Scenario.from_toml(
        f"{head}[venue.market.oracle]\n{keys}\nindex = 60000\n{rest}{more}"
    )


@pytest.mark.parametrize("name", ON)
def test_an_oracle_is_switched_on_by_a_line_and_its_run_can_be_repeated(name: str) -> None:
    made = scenario(ON[name])
    first, second = oc.run(made), oc.run(oc.Scenario.from_toml(made.to_toml()))
    assert (
        first.state_hash()
        == second.state_hash()
        != oc.run(scenario(ON["twap"] if name != "twap" else ON["ema"])).state_hash()
    )
    report = oc.audit(first)
    assert report.ok, str(report)
    # The index stands still, and so does what is computed of it alone.
    assert name == "funding" or any("where" in gap.reason for gap in report.gaps)


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ('oracle = { kind = "twap" }', "oracle.window_s"),
        ('oracle = { kind = "last", window_s = 60 }', "oracle.window_s"),
        ('oracle = { kind = "last", ema_tau_s = 60 }', "oracle.ema_tau_s"),
        ('oracle = { kind = "median3", funding_rate = 0.1 }', "oracle.funding_rate"),
        ('oracle = { kind = "index", funding_at_s = 4 }', "oracle.funding_at_s"),
        ('oracle = { kind = "funding", funding_rate = 2 }', "oracle.funding_rate"),
        ('oracle = { kind = "funding", of = "mid" }', "oracle.of"),
        ('oracle = { kind = "last", of = "mid" }', "oracle.of"),
        ('oracle = { kind = "last", latency_sigma = 0.5 }', "oracle.latency_sigma"),
        ('oracle = { kind = "last", congestion = 0.5 }', "oracle.congestion"),
        ('oracle = { kind = "last", deviation = 0.5 }', "oracle.deviation"),
        ('oracle = { kind = "last", heartbeat_s = -1 }', "oracle.heartbeat_s"),
        ('oracle = { kind = "last", clamp = 1.5 }', "oracle.clamp"),
        ('oracle = { kind = "last", clamp = 0.0000001 }', "oracle.clamp"),
        ('oracle = { kind = "twap", window_s = 0 }', "oracle"),
    ],
)
def test_keys_of_an_oracle_that_do_not_go_together_are_refused(line: str, path: str) -> None:
    with pytest.raises(ConfigError) as caught:
        scenario(line)
    assert path in str(caught.value)


def test_a_dislocation_is_a_few_lines_and_ends() -> None:
    lie = "\n[[dislocation]]\nat_s = 2\nuntil_s = 3\nshift = -0.35\n"
    made = scenario('oracle = { kind = "index" }', lie)
    tape = oc.run(made)
    notes = tape.tables["notes"]
    chosen = notes["kind"] == NoteKind.DISLOCATION
    assert notes["a"][chosen].tolist() == [-350_000, 0]
    marks = tape.tables["marks"]["mark"].tolist()
    assert min(marks) == round(marks[0] * 0.65) and marks[-1] == marks[0]
    assert oc.audit(tape).ok
    for wrong in ("until_s = 2", "shift = 0", "shift = -1", 'told = "last"', 'market = "none"'):
        key = wrong.partition(" ")[0]
        kept = [row for row in lie.split("\n") if not row.startswith(key)]
        with pytest.raises(ConfigError, match="dislocation"):
            scenario('oracle = { kind = "index" }', "\n".join([*kept, wrong]))


def _lie(at: str, until: str, shift: str, told: str = "own") -> str:
    ends = f"until_s = {until}\n" if until else ""
    return f'[[dislocation]]\nat_s = {at}\n{ends}told = "{told}"\nshift = {shift}\n'


@pytest.mark.parametrize(
    ("lies", "late"),
    [
        (_lie("0.5", "2", "-0.05") + _lie("1", "3", "0.1"), (1, 0)),
        (_lie("1", "3", "0.1") + _lie("0.5", "2", "-0.05"), (0, 1)),
        (_lie("0.5", "", "-0.05") + _lie("1", "", "0.1"), (1, 0)),
        (_lie("1", "2", "-0.05") + _lie("1", "3", "0.1"), (1, 0)),
    ],
)
def test_of_two_dislocations_of_one_price_the_first_must_end_before_the_second(
    lies: str, late: tuple[int, int]
) -> None:
    """The end of one would be that of both, the one that lasts longer forgotten."""
    with pytest.raises(ConfigError) as caught:
        scenario("", "\n" + lies)
    assert str(caught.value).startswith(f"dislocation[{late[0]}].at_s: must not begin before"
                                        f" dislocation[{late[1]}] of the same price")  # fmt: skip


@pytest.mark.parametrize("turned", [False, True])
def test_a_dislocation_may_begin_as_another_ends_and_lasts_to_its_own_end(turned: bool) -> None:
    """Whichever the file names first; one of another price is none of theirs."""
    lies = [_lie("1", "2", "-0.05"), _lie("2", "3", "0.1")]
    text = "\n" + "".join(reversed(lies) if turned else lies)
    tape = oc.run(scenario('oracle = { kind = "index" }', text + _lie("1", "9", "0.2", "index")))
    own = [
        (tape.steps["time_ns"][step] // SECOND, shift)
        for step, kind, shift, which in rows_of(tape)
        if kind == NoteKind.DISLOCATION and which == Told.OWN
    ]
    assert own == [(1, -50_000), (2, 100_000), (3, 0)]


def rows_of(tape: oc.Tape) -> list[tuple[int, ...]]:
    notes = tape.tables["notes"]
    names = ("step", "kind", "a", "b")
    return list(zip(*(notes[name].tolist() for name in names), strict=True))


def _second_by_second(world: World) -> list[tuple[int, int]]:
    """(second, mark that stood at its end)."""
    stood: dict[int, int] = {}
    for time, mark in rows(world, "marks", "time_ns", "mark"):
        stood[time // SECOND] = mark
    found, mark = [], 0
    for second in range(world.time_ns // SECOND + 1):
        mark = stood.get(second, mark)
        found.append((second, mark))
    return found
