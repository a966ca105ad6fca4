"""TARGETS T2a, trade by trade: the hand-checkable cascade, on the twin and on the engine.

Bids of 10 lots at each price 100 … 80; longs A 10 (liquidated at or below 99), B 20 (98), C 15
(96), D 30 (90); somebody sells 15. Our choices: multiplier 10, maintenance 5 %, everybody entered
at 100. At its liquidation price p an account of n lots has equity = maintenance:
collateral − 10·n·(100 − p) = 0.05 · 10·n·p, so A needs 595, B 1,380, C 1,320 and D 4,350.
"""

from __future__ import annotations

import importlib
from itertools import pairwise
from typing import Any

import pytest

from ordercascade.enums import MarkRefresh, Outcome, QueueOrder, Side, StepKind, Stop
from reference.scripts import rows

LOTS = [10, 20, 15, 30]
COLLATERAL = [595, 1_380, 1_320, 4_350]
LIQUIDATION_PRICES = [99, 98, 96, 90]
FILLS = [  # taker account, price, size
    *[(0, 100, 10), (0, 99, 5)],
    *[(1, 99, 5), (1, 98, 5)],
    *[(2, 98, 5), (2, 97, 10), (2, 96, 5)],
    *[(3, 96, 5), (3, 95, 10)],
]


@pytest.fixture(params=["reference.world", "ordercascade.core.world"], ids=["twin", "compiled"])
def world(request: pytest.FixtureRequest) -> Any:
    """Return T2a, started and not yet run."""
    if request.param != "reference.world":
        pytest.importorskip(request.param)
    world = importlib.import_module(request.param).World()
    venue = world.venue(
        world.add_venue(
            trigger_strict=False,
            queue=QueueOrder.TRIGGER_PRICE,
            mark_refresh=MarkRefresh.ORDER,
        )
    )
    market = venue.add_market(multiplier=10, brackets=[(0, 50_000, 0, 100_000)], last=100)
    for price in range(100, 79, -1):
        venue.seed_level(market, Side.BID, price, 10)
    for lots, collateral in zip(LOTS, COLLATERAL, strict=True):
        account = venue.open_account()
        venue.deposit(account, 0, collateral)
        venue.open_position(account, market, lots, lots * 100 * 10)
    world.schedule_shock(0, 0, market, Side.ASK, size=15)
    world.start()
    return world


def test_the_accounts_are_liquidatable_exactly_where_the_target_says(world: Any) -> None:
    venue = world.venue(0)
    scopes = [venue.scope_of(account, 0) for account in (1, 2, 3, 4)]
    assert [venue.liquidation_price(scope, 0) for scope in scopes] == LIQUIDATION_PRICES
    assert list(venue.at_risk()) == []


def test_every_trade_is_the_one_worked_out_by_hand(world: Any) -> None:
    world.run()
    found = [(row["taker_account"], row["price"], row["size"]) for row in rows(world, "fills")]
    assert found == FILLS
    assert all(row["maker_account"] == 0 for row in rows(world, "fills"))
    assert rows(world, "marks")[-1]["last"] == 95
    assert world.stop == Stop.NOBODY_AT_RISK


def test_three_accounts_are_closed_and_d_survives(world: Any) -> None:
    """45 lots are liquidated; D still has 30 lots, equity 2,850 over maintenance 1,425."""
    world.run()
    venue = world.venue(0)
    orders = rows(world, "liquidations")
    assert [row["account"] for row in orders] == [1, 2, 3]
    assert [row["trigger_price"] for row in orders] == LIQUIDATION_PRICES[:3]
    assert [row["outcome"] for row in orders] == [Outcome.CLOSED] * 3
    assert sum(row["lots_filled"] for row in orders) == 45
    # Volume-weighted 98.5, 97.0 and 95.3333, as exact sums.
    assert [row["value"] for row in orders] == [9_850, 19_400, 14_300]
    assert [row["equity_after"] for row in orders] == [445, 780, 620]
    survivor = venue.scope_of(4, 0)
    assert tuple(venue.position(survivor, 0)) == (30, 30_000)
    assert (venue.equity(survivor), venue.maintenance(survivor)) == (2_850, 1_425)


def test_volume_by_generation_is_15_10_20_15_and_then_nothing(world: Any) -> None:
    """Each order's parent is the order (or the shock) that took the price to its trigger."""
    world.run()
    steps = rows(world, "steps")
    volume: dict[int, int] = {}
    for fill in rows(world, "fills"):
        generation = steps[fill["step"]]["generation"]
        volume[generation] = volume.get(generation, 0) + fill["size"]
    assert volume == {0: 15, 1: 10, 2: 20, 3: 15}
    assert sum(volume.values()) / volume[0] == 4
    traded = [row for row in steps if row["kind"] in (StepKind.SHOCK, StepKind.LIQUIDATION)]
    assert [row["parent"] for row in traded] == [-1] + [row["step"] for row, _ in pairwise(traded)]


def test_the_marks_follow_every_order(world: Any) -> None:
    world.run()
    marks = [row["mark"] for row in rows(world, "marks")]
    assert [mark for mark, after in zip(marks, [*marks[1:], 0], strict=True) if mark != after] == [
        100,
        99,
        98,
        96,
        95,
    ]
    kinds = [row["kind"] for row in rows(world, "steps")]
    assert kinds == [StepKind.SHOCK, StepKind.MARK] + [StepKind.LIQUIDATION, StepKind.MARK] * 3


def test_no_money_and_no_lot_is_lost(world: Any) -> None:
    while world.step() >= 0:
        assert not any(world.venue(0).audit().values())
