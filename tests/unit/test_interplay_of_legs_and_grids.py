"""Hedged legs, options, portfolios, funds by market and risk factors together: ADR 21 to 27."""

from __future__ import annotations

import pytest

from ordercascade.core.schedule import Schedule
from ordercascade.core.world import World
from ordercascade.enums import CancelPolicy, PriceSource, Reject, Side, StepKind
from unit.hedged import kinds
from unit.worlds import BRACKETS, holding, run_checked


def risky() -> Schedule:
    """20 % of value for long lots, 10 % for short ones, and 5 % of slippage of what is held."""
    return Schedule.risk(
        long_ppm=200_000, short_ppm=100_000, slippage_ppm=50_000, initial_ppm=1_200_000
    )


@pytest.mark.parametrize("isolated", [True, False])
def test_both_legs_of_a_hedged_account_ask_by_their_risk_factors(isolated: bool) -> None:
    """Of 100 a lot: 10 long held 250, 4 more bids 80, 6 short held 90, 3 more asks 30."""
    world = World(1)
    world.add_venue()
    venue = world.venue(0)
    venue.add_market(
        price_max=10**4, size_max=10**4, source=PriceSource.INDEX, index=100, schedule=risky()
    )
    account = venue.open_account(hedge=True)
    venue.deposit(account, 0, 540)
    if isolated:
        venue.isolate(account, 0)
        venue.move_isolated(account, 0, 540)
    venue.open_position(account, 0, 10, 1_000)
    venue.open_position(account, 0, -6, -600)
    scope = venue.scope_of(account, 0)
    world.start()
    assert venue.submit(account, 0, Side.BID, 90, 4, leg="long") > 0
    assert venue.initial(scope) == (250 + 80 + 90) * 12 // 10
    assert venue.submit(account, 0, Side.ASK, 110, 3, leg="short") > 0
    assert venue.initial(scope) == (250 + 80 + 90 + 30) * 12 // 10
    assert venue.submit(account, 0, Side.ASK, 110, 1, leg="short") == Reject.INSUFFICIENT
    assert venue.submit(account, 0, Side.ASK, 120, 10, leg="long") > 0
    assert venue.submit(account, 0, Side.BID, 80, 6, leg="short") > 0
    assert venue.initial(scope) == 540
    assert venue.maintenance(scope) == 250 + 90
    assert venue.maintenance(scope, orders=True) == 250 + 80 + 90 + 30


def test_a_bankrupt_leg_s_closing_orders_go_with_it_in_other_markets_too() -> None:
    """Orders are cancelled in the market of the liquidation alone; ADL takes the other's short leg.

    Its bid would else buy lots that there is nothing left to close with.
    """
    world = World(1)
    world.add_venue(cancel=CancelPolicy.MARKET)
    venue = world.venue(0)
    for _ in range(2):
        venue.add_market(
            multiplier=100, price_max=10_000, size_max=10_000, brackets=BRACKETS,
            source=PriceSource.INDEX, index=100,
        )  # fmt: skip
    venue.seed_level(0, Side.BID, 50, 20)
    account = venue.open_account(hedge=True)
    venue.deposit(account, 0, 12_000)
    venue.open_position(account, 0, 20, 200_000)
    venue.open_position(account, 1, -10, -100_000)
    holding(venue, -20, 100, 10**6)
    winner = holding(venue, 10, 100, 10**6, market=1)
    world.start()
    assert venue.submit(account, 1, Side.BID, 90, 10, leg="short") > 0
    world.schedule_index(5, 0, 0, 60)
    run_checked(world)
    assert StepKind.ADL in kinds(world)
    assert venue.position(winner, 1) == (0, 0)
    assert venue.depth(1, Side.BID) == []
    world.schedule_shock(9, 0, 1, Side.ASK, size=10)
    run_checked(world)
