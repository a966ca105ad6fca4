"""Sizes and limits of liquidation orders as venues make them, beside their twin."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from typing import Any

import pytest

from ordercascade.core.world import World
from ordercascade.enums import OrderLimit, PriceSource, Side, TrancheRule
from ordercascade.errors import ConfigError, InputError
from ordercascade.mechanisms.tranches import Tranches
from reference import stages as twin
from unit.worlds import rows

BRACKETS = [(0, 10_000, 0, 20_000), (50_000, 20_000, 500, 40_000), (200_000, 40_000, 4_500, 80_000)]
ROUNDS = int(os.environ.get("ORDERCASCADE_PROOF_ROUNDS", "300"))


def first_order(policy: Tranches, leg: twin.Leg, bid: int, ask: int) -> tuple[int, int]:
    """Return (lots asked, limit or 0) of the first order of an account with this leg."""
    world = World(1)
    world.add_venue(policy=policy)
    venue = world.venue(0)
    venue.add_market(
        multiplier=leg.multiplier,
        price_max=10_000,
        size_max=100_000,
        brackets=BRACKETS,
        source=PriceSource.INDEX,
        index=leg.mark,
    )
    venue.seed_level(0, Side.BID, bid, 1)
    venue.seed_level(0, Side.ASK, ask, 1)
    account = venue.open_account()
    venue.deposit(account, 0, max(1, leg.equity))
    value = leg.size * leg.unit
    venue.open_position(account, 0, leg.size, value + max(1, leg.equity) - leg.equity)
    world.start()
    world.step()
    ((lots, limit),) = rows(world, "liquidations", "lots_asked", "limit_price")
    return lots, limit


def drawn(rng: random.Random) -> twin.Leg:
    """Return a leg below its maintenance."""
    mark, multiplier = rng.randint(10, 5_000), rng.choice((1, 3, 100))
    size = rng.choice((-1, 1)) * rng.randint(1, max(1, 600_000 // (mark * multiplier)))
    need = twin.maintenance(BRACKETS, abs(size) * mark * multiplier)
    return twin.Leg(size, mark, multiplier, need - rng.randint(1, 2 * need), need, BRACKETS)


def pick(rng: random.Random) -> tuple[Tranches, Callable[[twin.Leg], int]]:
    """Return a planner and its twin."""
    rule = rng.choice(list(TrancheRule))
    numbers: dict[str, Any] = {}
    size: Callable[[twin.Leg], int] = lambda leg: leg.held  # noqa: E731
    if rule == TrancheRule.PORTION:
        given = rng.randint(0, 10**6), rng.randint(0, 90_000), rng.choice((0, 30_000))
        numbers = dict(zip(("portion_ppm", "min_value", "block_value"), given, strict=True))
        size = lambda leg: twin.portion(leg, *given)  # noqa: E731
    elif rule == TrancheRule.COVER:
        target, buffer = rng.randint(10**6, 3 * 10**6), rng.choice((0, 20_000))
        cost, up = rng.choice((0, 5_000, 60_000)), rng.random() < 0.5
        numbers = {"target_ppm": target, "buffer_ppm": buffer, "cost_ppm": cost, "round_up": up}
        size = lambda leg: twin.cover(leg, target, buffer, cost, up=up)  # noqa: E731
    elif rule == TrancheRule.TIER_DOWN:
        tiers = rng.randint(1, 3)
        numbers = {"tiers": tiers}
        size = lambda leg: twin.tier_down(leg, tiers)  # noqa: E731
    elif rule == TrancheRule.TIER_FIT:
        size = twin.tier_fit
    elif rule == TrancheRule.WINDOW:
        most = rng.randint(1, 200)
        numbers = {"capacity": most, "window_ns": 5}
        size = lambda leg: min(leg.held, most)  # noqa: E731
    limit = rng.choice((OrderLimit.MARKET, OrderLimit.FILLABLE, OrderLimit.RANGE))
    numbers |= {"spread_ppm": rng.randint(0, 2 * 10**6), "range_ppm": rng.randint(0, 900_000)}
    return Tranches(rule, limit, adjustment_ppm=rng.choice((10**6, 3 * 10**6)), **numbers), size


def test_first_orders_are_those_of_the_twin() -> None:
    rng = random.Random(5)
    seen = set()
    for _ in range(ROUNDS):
        leg = drawn(rng)
        policy, size = pick(rng)
        bid, ask = max(1, leg.mark - rng.randint(1, 9)), leg.mark + rng.randint(1, 9)
        lots, limit = first_order(policy, leg, bid, ask)
        assert lots == size(leg), (policy, leg)
        if policy.limit == OrderLimit.FILLABLE:
            assert limit == twin.fillable(leg, policy.spread_ppm, policy.adjustment_ppm), leg
        elif policy.limit == OrderLimit.RANGE:
            assert limit == twin.in_range(leg, bid, ask, policy.range_ppm), leg
        seen.add((policy.rule, policy.limit))
    assert len(seen) == len(TrancheRule) * 3 or ROUNDS < 300


@pytest.mark.parametrize("rule", list(TrancheRule))
def test_a_fork_has_every_number_of_the_rule(rule: TrancheRule) -> None:
    """None is at its default, and each is part of the state hash."""
    numbers = {"portion_ppm": 3, "min_value": 4, "block_value": 5, "cooldown_ns": 6, "ramp_ns": 7}
    numbers |= {"target_ppm": 10**6 + 8, "buffer_ppm": 9, "cost_ppm": 10, "round_up": False}
    numbers |= {"tiers": 11, "spread_ppm": 12, "adjustment_ppm": 13, "range_ppm": 14}
    numbers |= {"capacity": 15, "window_ns": 16, "skew_max": 17, "limit_all": OrderLimit.MARKET}
    world = World(1)
    world.add_venue(policy=Tranches(rule, OrderLimit.RANGE, **numbers))
    world.start()
    assert world.fork().state_hash() == world.state_hash()


def test_an_order_that_restores_the_target_heals_where_fills_are_at_the_mark() -> None:
    """Value 10,000, rate 1 %, equity 60: 40 short; a lot of 100 frees 1, so 40 lots are sold."""
    leg = twin.Leg(100, 100, 1, 60, 100, BRACKETS)
    assert first_order(Tranches(TrancheRule.COVER), leg, 99, 101)[0] == 40


def test_a_sale_that_costs_more_than_it_frees_is_for_everything() -> None:
    leg = twin.Leg(100, 100, 1, 60, 100, BRACKETS)
    toxic = Tranches(TrancheRule.COVER, cost_ppm=10_000)
    assert first_order(toxic, leg, 99, 101)[0] == 100


def test_a_small_shortage_goes_at_once_and_a_large_one_by_its_share() -> None:
    leg = twin.Leg(100, 100, 1, 60, 100, BRACKETS)
    small = Tranches(TrancheRule.COVER, portion_ppm=100_000, min_value=41, ramp_ns=10)
    large = Tranches(TrancheRule.COVER, portion_ppm=100_000, min_value=40, ramp_ns=10)
    assert first_order(small, leg, 99, 101)[0] == 40
    assert first_order(large, leg, 99, 101)[0] == 4


@pytest.mark.parametrize(
    ("numbers", "error"),
    [
        ({"portion_ppm": 10**6 + 1}, InputError),
        ({"target_ppm": 10**6 - 1}, InputError),
        ({"tiers": 0}, InputError),
        ({"rule": TrancheRule.WINDOW}, ConfigError),
        ({"rule": TrancheRule.WINDOW, "capacity": 5}, ConfigError),
    ],
)
def test_numbers_that_make_no_sense_are_refused(
    numbers: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        Tranches(**numbers)


def test_a_tranche_says_what_it_is() -> None:
    assert repr(Tranches(TrancheRule.TIER_DOWN)) == "<Tranches tier_down>"
