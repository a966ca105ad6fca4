"""Which legs of a cross scope are sold: the one the book can take most of, or all of them. ADR 28."""

from __future__ import annotations

from typing import Any

import pytest

import ordercascade as oc
from ordercascade.core.derivatives import set_portfolio, span
from ordercascade.core.world import World
from ordercascade.enums import LegRule, Outcome, PriceSource, ShortfallAt, Side, StepKind
from unit.worlds import BRACKETS, rows, run_checked

SECOND = 10**9


def two_legs(
    sizes: tuple[int, int],
    bids: tuple[dict[int, int], dict[int, int]],
    deposit: int,
    *,
    leg: LegRule,
    **rules: Any,
) -> World:
    """Positions from 100 in two markets whose outside price goes from 100 to 90: 5 % must stay."""
    world = World()
    world.add_venue(leg=leg, **rules)
    venue = world.venue(0)
    for levels, size in zip(bids, sizes, strict=True):
        market = venue.add_market(
            multiplier=1, brackets=BRACKETS, source=PriceSource.INDEX, index=100, price_max=1_000
        )
        for price, lots in levels.items():
            venue.seed_level(market, Side.BID if size > 0 else Side.ASK, price, lots)
    account = venue.open_account()
    venue.deposit(account, 0, deposit)
    for market, size in enumerate(sizes):
        venue.open_position(account, market, size, 100 * size)
        world.schedule_index(0, 0, market, 90 if size > 0 else 110)
    world.start()
    return world


def sold(world: World) -> list[tuple[int, ...]]:
    run_checked(world)
    return rows(world, "liquidations", "market", "lots_asked", "lots_filled", "tranche")


@pytest.mark.parametrize(
    ("sizes", "bids", "market"),
    [
        ((20, 10), ({90: 9}, {90: 5}), 1),  # 9/20 < 5/10
        ((20, 10), ({90: 10}, {90: 5}), 0),  # the same share: 1,800 against 900
        ((20, 10), ({90: 9}, {88: 1, 85: 4}), 1),  # whatever the price
        ((10, 11), ({90: 900}, {90: 11}), 1),  # both whole: 990 against 900
        ((10, 10), ({90: 10}, {90: 90}), 0),  # nothing to choose: market 0
        ((3, 10), ({90: 1}, {90: 3}), 0),  # 1/3 > 3/10
        ((10, 3), ({90: 3}, {90: 1}), 1),
        ((-20, -10), ({110: 9}, {110: 5}), 1),  # shorts are closed on the asks
        ((10, 20), ({}, {90: 1}), 1),  # nothing at all rests
        ((10, 20), ({}, {}), 1),
    ],
)
def test_the_leg_of_which_the_book_takes_the_largest_share_goes_first(
    sizes: tuple[int, int], bids: Any, market: int
) -> None:
    """Then the larger value, then market 0."""
    deposit = 10 * sum(abs(size) for size in sizes) + 1
    world = two_legs(sizes, bids, deposit, leg=LegRule.MOST_LIQUID)
    assert sold(world)[0][0] == market


def test_every_leg_gets_an_order_in_the_same_round() -> None:
    """Equity 50 of 90 for 20 lots at 90. 5 of each leg: 67 for 15 lots, then 45 for 10: healthy."""
    world = two_legs((10, 10), ({90: 99}, {90: 99}), 250, leg=LegRule.PRO_RATA,
                     fraction_ppm=500_000)  # fmt: skip
    assert sold(world) == [(0, 5, 5, 1), (1, 5, 5, 2)]
    outcomes = rows(world, "liquidations", "outcome")
    assert outcomes == [(Outcome.PENDING,), (Outcome.HEALTHY,)]
    steps = rows(world, "steps", "kind", "round", "parent", "generation")
    orders = {step[1:] for step in steps if step[0] == StepKind.LIQUIDATION}
    assert len(orders) == 1  # one round, the parent of the first for both


def test_a_leg_whose_scope_is_healthy_by_then_is_dropped() -> None:
    """Equity 70: after 5 lots of market 0 that is enough for the 67.5 of 15 lots."""
    world = two_legs((10, 10), ({90: 99}, {90: 99}), 270, leg=LegRule.PRO_RATA,
                     fraction_ppm=500_000)  # fmt: skip
    assert sold(world) == [(0, 5, 5, 1)]
    assert rows(world, "liquidations", "outcome") == [(Outcome.HEALTHY,)]


def test_a_whole_leg_does_not_end_the_cooldown_that_a_partial_one_started() -> None:
    """Equity 20 of 54. 5 of 10 lots; 2 lots are worth 180, less than 400: all of them.

    22.5 are needed for the 5 lots left, so 10 s later 2 of those: 3 lots ask for 13.5.
    """
    world = two_legs((10, 2), ({90: 99}, {90: 99}), 140, leg=LegRule.PRO_RATA,
                     fraction_ppm=500_000, min_value=400, cooldown_ns=10 * SECOND)  # fmt: skip
    assert sold(world) == [(0, 5, 5, 1), (1, 2, 2, 2), (0, 2, 2, 3)]
    steps = rows(world, "steps", "kind", "time_ns")
    times = [time for kind, time in steps if kind == StepKind.LIQUIDATION]
    assert times == [0, 0, 10 * SECOND]


def test_what_an_earlier_leg_sold_counts_for_the_next_try() -> None:
    """Nobody bids in market 1, whose order is the round's last: market 0 is still tried again.

    Equity 20: 12 lots ask for 54, with 5 sold 31.5, with 2 more 22.5, then 3 (270 < 400): 9.
    """
    world = two_legs((10, 2), ({90: 99}, {}), 140, leg=LegRule.PRO_RATA, fraction_ppm=500_000,
                     min_value=400)  # fmt: skip
    assert sold(world) == [(0, 5, 5, 1), (1, 2, 0, 2), (0, 2, 2, 3), (1, 2, 0, 4), (0, 3, 3, 5)]


@pytest.mark.parametrize("when", ShortfallAt)
def test_one_loss_is_settled_once(when: ShortfallAt) -> None:
    """Equity 10 at 90, bids at 85: 40 short after market 0, 90 short after both.

    After the order the other leg is deleveraged, its order dropped; at the round's end the first
    row bears the fund's 90 and the second finds a flat scope with nothing.
    """
    world = two_legs((10, 10), ({85: 99}, {85: 99}), 210, leg=LegRule.PRO_RATA,
                     shortfall_at=when)  # fmt: skip
    world.venue(0).fund_deposit(0, 100)
    orders = sold(world)
    ends = rows(world, "liquidations", "outcome", "shortfall", "paid_fund", "paid_adl")
    if when == ShortfallAt.ORDER:
        assert orders == [(0, 10, 10, 1)]
        assert ends == [(Outcome.DELEVERAGED, 40, 0, 40)]
    else:
        assert orders == [(0, 10, 10, 1), (1, 10, 10, 2)]
        assert ends == [(Outcome.SHORTFALL, 90, 90, 0), (Outcome.CLOSED, 0, 0, 0)]


@pytest.mark.parametrize("leg", [LegRule.MOST_LIQUID, LegRule.PRO_RATA])
def test_a_portfolio_refuses_rules_that_ask_its_books(leg: LegRule) -> None:
    world = World()
    world.add_venue(leg=leg)
    world.venue(0).add_market(multiplier=1, brackets=BRACKETS, last=100)
    terms = {"reference": 0, "markets": [0], "rows": span(160_000)}
    with pytest.raises(oc.ConfigError, match="most_liquid or pro_rata"):
        set_portfolio(world, 0, underlyings=[terms])
        world.start()
