"""Bad inputs about inverse contracts and funding."""

from __future__ import annotations

from typing import Any

import pytest

import ordercascade as oc
from ordercascade.core.world import World
from ordercascade.enums import MarketKind, Side, StepKind
from unit.test_funding import BILLION, SECOND, rows, world_of
from unit.test_inverse import inverse_world


def test_bad_E19_a_lot_worth_less_than_a_unit_costs_nothing_and_the_sums_hold() -> None:
    """K = 1 unit * tick at a price of 1,000."""
    world = World()
    world.add_venue()
    venue = world.venue(0)
    venue.add_market(kind=MarketKind.INVERSE, price_max=1_000, size_max=100, last=1_000)
    people = [venue.open_account() for _ in range(2)]
    scopes = [venue.deposit(account, 0, 10) for account in people]
    world.start()
    for side, account in zip((Side.BID, Side.ASK), people, strict=True):
        assert venue.submit(account, 0, side, 1_000, 1) >= 0
    assert [venue.position(scope, 0) for scope in scopes] == [(1, 0), (-1, 0)]
    assert [venue.equity(scope) for scope in scopes] == [9, 10]
    for side, account in zip((Side.ASK, Side.BID), people, strict=True):
        venue.submit(account, 0, side, 1_000, 1)
    assert [venue.position(scope, 0) for scope in scopes] == [(0, 0), (0, 0)]
    assert not any(venue.audit().values())


def test_bad_D07_the_price_of_an_inverse_market_starts_at_one_tick() -> None:
    """There is no price 0 at which a lot would be worth endlessly much."""
    world = inverse_world()
    venue = world.venue(0)
    account = venue.open_account()
    venue.deposit(account, 0, 10**15)
    with pytest.raises(oc.InputError, match="price"):
        venue.seed_level(0, Side.BID, 0, 1)
    world.start()
    assert venue.submit(account, 0, Side.BID, 1, 1) > 0
    with pytest.raises(oc.InputError):
        venue.set_index(0, 0)


@pytest.mark.parametrize(
    "terms",
    [
        {"rate_ppb": BILLION + 1},
        {"rate_ppb": -BILLION - 1},
        {"rate_ppb": float("nan")},
        {"rate_ppb": 0.5},
        {"rate_ppb": True},
        {"times": 0},
        {"times": 2},  # every_ns is 0
        {"times": 10**6 + 1, "every_ns": 1},
        {"times": 2, "every_ns": -1},
        {"every_ns": "1"},
    ],
)
def test_bad_A25_a_schedule_out_of_range_is_refused_and_nothing_is_planned(
    terms: dict[str, Any],
) -> None:
    world, _ = world_of(3, -3)
    before = world.state_hash()
    with pytest.raises((oc.InputError, oc.InputTypeError)):
        world.schedule_funding(5, 0, 0, **terms)
    assert world.state_hash() == before


def test_bad_F05_a_series_pays_so_many_times_and_a_gap_is_made_up_in_order() -> None:
    """Each once, at its own time, however late the settlement is; no more than
    `times`."""
    world, (long, _) = world_of(3, -3)
    world.schedule_funding(5 * SECOND, 0, 0, rate_ppb=10_000_000, every_ns=SECOND, times=4)
    assert world.settle(100 * SECOND) == 4
    times = [t for kind, t in rows(world, "steps", "kind", "time_ns") if kind == StepKind.FUNDING]
    assert times == [5 * SECOND, 6 * SECOND, 7 * SECOND, 8 * SECOND]
    assert world.run() == 0
    assert world.venue(0).collateral(long) == BILLION - 4 * 30
