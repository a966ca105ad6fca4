"""Mechanisms one by one: the plain bases, the built-in marks, tranches and deals."""

from __future__ import annotations

import pytest

from ordercascade.core.ledger import split
from ordercascade.core.mechanism import Backstop, LiquidationPolicy, Oracle
from ordercascade.core.venue import Venue
from ordercascade.core.world import World
from ordercascade.enums import AdlRule, LimitRule, Outcome, PriceSource, Side
from ordercascade.errors import ConfigError, InputError, RangeError
from ordercascade.mechanisms.breakers import Breaker
from ordercascade.mechanisms.closing import Deleverage, Tranche
from ordercascade.mechanisms.prices import OwnBook
from ordercascade.mechanisms.slices import Slices
from unit.worlds import holding, make, rows, run_checked

FLAT = [(0, 0, 0, 0)]


def with_oracle(oracle: Oracle, **market: int) -> tuple[World, Venue]:
    world = World()
    world.add_venue()
    venue = world.venue()
    venue.add_market(price_max=10_000, size_max=1_000, oracle=oracle, **market)
    return world, venue


def test_mechanisms_say_what_they_are() -> None:
    assert repr(Tranche(fraction_ppm=5, cooldown_ns=7)) == "<Tranche 5 ppm, cooldown 7 ns>"
    assert repr(Deleverage(AdlRule.PRO_RATA)) == "<Deleverage pro_rata>"
    assert repr(OwnBook(PriceSource.MID, own_weight_ppm=9)) == "<OwnBook mid, weight 9 ppm>"
    assert repr(Breaker(band_ppm=5)) == "<Breaker band>"
    assert repr(Slices([5, 10**9], cooldown_ns=3)) == "<Slices 2, target 0 ppm>"
    assert repr(Slices(target_ppm=7)) == "<Slices 0, target 7 ppm>"


def test_scores_are_for_scopes_and_within_their_bounds() -> None:
    Deleverage(AdlRule.SCORES, scores={0: -(2**62), 2**31 - 1: 2**62})
    for scope, score in ((2**31, 0), (-1, 0), (0, 2**62 + 1), (0, -(2**62) - 1)):
        with pytest.raises(InputError):
            Deleverage(AdlRule.SCORES, scores={scope: score})


def test_scores_are_given_for_their_rule_and_only_for_it() -> None:
    with pytest.raises(ConfigError, match="scores: must be given"):
        Deleverage(AdlRule.SCORES)
    with pytest.raises(ConfigError, match="scores: must be given"):
        Deleverage(AdlRule.QUEUE, scores={})


# ------------------------------------------------------------------ the plain bases


def test_the_plain_oracle_is_the_last_price() -> None:
    world, venue = with_oracle(Oracle(), last=70, index=90)
    venue.seed_level(0, Side.BID, 60, 5)
    venue.seed_level(0, Side.ASK, 80, 5)
    world.start()
    assert venue.marks() == [70]
    world.schedule_shock(0, 0, 0, Side.ASK, size=1)
    world.run()
    assert venue.marks() == [60]
    assert world.fork().state_hash() == world.state_hash()


@pytest.mark.parametrize("size", [100, -100])
def test_the_plain_policy_sends_all_of_a_leg_to_the_market(size: int) -> None:
    """Entry 100, equity below 5 %; the book has room for everything at one tick worse."""
    side = Side.ASK if size > 0 else Side.BID
    bids, asks = {99: 1, 98: 500}, {101: 1, 102: 500}
    world, venue = make(bids=bids, asks=asks, policy=LiquidationPolicy())
    scope = holding(venue, size, 100, 52_000)
    world.schedule_shock(0, 0, 0, side, size=1)
    world.start()
    run_checked(world)
    names = ("lots_asked", "lots_filled", "limit_price", "outcome")
    assert rows(world, "liquidations", *names) == [(100, 100, 0, Outcome.CLOSED)]
    assert venue.position(scope, 0) == (0, 0)


def test_the_plain_backstop_deals_by_scope_id_and_external_last() -> None:
    """A long of 10 goes to shorts of 4 and 3; three lots are left for external."""
    world, venue = make(asks={101: 5}, bids={50: 1}, backstop=Backstop())
    scope = holding(venue, 10, 100, 6_000)
    first, second = holding(venue, -4, 100, 90_000), holding(venue, -3, 200, 90_000)
    world.schedule_shock(0, 0, 0, Side.ASK, size=1)
    world.start()
    run_checked(world)
    dealt = rows(world, "adl", "scope_from", "scope_to", "lots", "rank")
    external = venue.scope_of(0, 0)
    assert dealt == [(scope, first, 4, 0), (scope, second, 3, 1), (scope, external, 3, 2)]


def test_the_plain_backstop_takes_no_more_than_there_is() -> None:
    world, venue = make(asks={101: 5}, bids={50: 1}, backstop=Backstop())
    scope = holding(venue, 10, 100, 6_000)
    first, second = holding(venue, -8, 100, 90_000), holding(venue, -9, 200, 90_000)
    world.schedule_shock(0, 0, 0, Side.ASK, size=1)
    world.start()
    run_checked(world)
    dealt = rows(world, "adl", "scope_from", "scope_to", "lots", "rank")
    assert dealt == [(scope, first, 8, 0), (scope, second, 2, 1)]


# ------------------------------------------------------------------ marks


@pytest.mark.parametrize(
    ("source", "weight", "last", "index", "book", "mark"),
    [
        (PriceSource.LAST, 10**6, 100, 200, (), 100),
        (PriceSource.LAST, 0, 100, 200, (), 200),
        (PriceSource.LAST, 500_000, 100, 201, (), 151),  # 150.5: halves go up
        (PriceSource.LAST, 500_001, 100, 201, (), 150),
        (PriceSource.LAST, 300_000, 100, 200, (), 170),
        (PriceSource.LAST, 300_000, 100, 0, (), 100),  # no index: the own price alone
        (PriceSource.LAST, 300_000, 0, 200, (), 200),  # never traded: the index
        (PriceSource.INDEX, 10**6, 100, 200, (), 200),
        (PriceSource.INDEX, 10**6, 100, 0, (), 100),
        (PriceSource.MID, 10**6, 100, 200, (110, 121), 116),  # 115.5
        (PriceSource.MID, 10**6, 100, 200, (110, 0), 100),  # one side has no mid
        (PriceSource.MID, 10**6, 100, 200, (0, 121), 100),
        (PriceSource.MID, 500_000, 100, 201, (110, 121), 158),  # 158.25
        (PriceSource.LAST, 10**6, 100, 200, (110, 121), 100),
        (PriceSource.LAST, 10**6, 1, 0, (), 1),
    ],
)
def test_a_mark_is_the_nearest_tick_of_the_mixture(
    source: PriceSource, weight: int, last: int, index: int, book: tuple[int, ...], mark: int
) -> None:
    world, venue = with_oracle(OwnBook(source, own_weight_ppm=weight), last=last, index=index)
    for side, price in zip(Side, book, strict=False):
        if price:
            venue.seed_level(0, side, price, 5)
    world.start()
    assert venue.marks() == [mark]


def test_a_mark_never_passes_the_bound_of_its_oracle() -> None:
    world, venue = with_oracle(OwnBook(PriceSource.INDEX, price_max=50), index=80)
    world.start()
    assert venue.marks() == [50]


# ------------------------------------------------------------------ tranches


@pytest.mark.parametrize(
    ("held", "fraction", "least", "asked"),
    [
        (10, 10**6, 0, 10),
        (10, 250_000, 0, 2),  # 2.5, rounded down
        (3, 250_000, 0, 1),  # at least one lot
        (10, 999_999, 0, 9),
        (10, 250_000, 98_999, 2),  # the value at the mark of 99 is 99,000
        (10, 250_000, 99_000, 10),
    ],
)
def test_a_tranche_is_a_fraction_while_the_value_is_above_its_least(
    held: int, fraction: int, least: int, asked: int
) -> None:
    world, venue = make(bids={99: 1, 98: 50}, asks={101: 1}, fraction_ppm=fraction, min_value=least)
    holding(venue, held, 100, held * 520)
    world.schedule_shock(0, 0, 0, Side.ASK, size=1)
    world.start()
    world.run(3)
    assert rows(world, "liquidations", "lots_asked")[0] == (asked,)


def test_the_second_order_is_for_the_rest_where_the_rule_says_so() -> None:
    """Half of 10 sold at 98 leaves 5 lots; at 99 their equity is 2,400, maintenance 2,475."""
    for then_all, second in ((False, 2), (True, 5)):
        world, venue = make(
            bids={99: 1, 98: 50}, asks={101: 5}, fraction_ppm=500_000, then_all=then_all
        )
        holding(venue, 10, 100, 3_900)
        world.schedule_shock(0, 0, 0, Side.ASK, size=1)
        world.start()
        run_checked(world)
        assert rows(world, "liquidations", "lots_asked")[:2] == [(5,), (second,)]


def test_a_limit_at_bankruptcy_fills_nothing_below_it() -> None:
    """Entry 100, 520 of money a lot at multiplier 100: bankrupt at 94.8, so not sold at 94."""
    for limit, filled in ((LimitRule.MARKET, 10), (LimitRule.BANKRUPTCY, 3)):
        world, venue = make(bids={99: 1, 95: 3, 94: 50}, asks={101: 5}, limit=limit)
        holding(venue, 10, 100, 5_200)
        world.schedule_shock(0, 0, 0, Side.ASK, size=1)
        world.start()
        run_checked(world)
        assert rows(world, "liquidations", "lots_filled")[0] == (filled,)


# ------------------------------------------------------------------ splits


@pytest.mark.parametrize(
    ("total", "weights", "shares"),
    [
        (10, [1, 1, 1], [4, 3, 3]),  # ties to the lower row
        (-10, [1, 1, 1], [-3, -3, -4]),  # floors are -4, two units go back
        (10, [3, 3, 1], [4, 4, 2]),  # 4.29, 4.29, 1.43: the largest remainder first
        (-10, [3, 3, 1], [-4, -4, -2]),
        (7, [0, 0, 0], [7, 0, 0]),
        (7, [0, 5, 0], [0, 7, 0]),
        (0, [1, 2], [0, 0]),
        (5, [2], [5]),
        (5, [], []),
        (2**60, [2**60, 2**60], [2**59, 2**59]),
        (-(2**60), [1, 2**62], [0, -(2**60)]),
    ],
)
def test_a_split_is_exact_and_its_remainder_goes_by_size(
    total: int, weights: list[int], shares: list[int]
) -> None:
    assert split(total, weights) == shares


def test_a_split_over_many_rows_adds_up() -> None:
    weights = [(7 * i) % 11 for i in range(500)]
    for total in (999, -999, 10**15 + 1):
        shares = split(total, weights)
        assert sum(shares) == total
        exact = [total * weight / sum(weights) for weight in weights]
        assert all(abs(share - want) < 1 + abs(want) / 10**9
                   for share, want in zip(shares, exact, strict=True))  # fmt: skip


def test_a_negative_weight_is_refused() -> None:
    with pytest.raises(RangeError, match="weights must be at least 0"):
        split(5, [1, -1])
    assert split(5, [1, 0]) == [5, 0]
