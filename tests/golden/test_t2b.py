"""TARGETS T2b, trade by trade: T2a with a hard band at 97 (3 % of the opening mark of 100).

A is closed as without the band: 99×5, 98×5. B fills 98×5, 97×10 and 5 of its lots find nobody
inside the band; the last price stays 97, so C (liquidated at 96) is never reached. Sold and pending
together are A's and B's 30. Our choice beside T2a's: an exit buffer of 20 %, so that B, healthy
after two thirds of its sale, still has to sell what is left.
"""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from golden.test_t2a import COLLATERAL, LIQUIDATION_PRICES, LOTS
from ordercascade.enums import MarkRefresh, Outcome, QueueOrder, Side, StepKind, Stop
from ordercascade.mechanisms.breakers import Breaker
from reference.scripts import rows

FILLS = [  # taker account, price, size
    *[(0, 100, 10), (0, 99, 5)],
    *[(1, 99, 5), (1, 98, 5)],
    *[(2, 98, 5), (2, 97, 10)],
]


@pytest.fixture(params=["reference.world", "ordercascade.core.world"], ids=["twin", "compiled"])
def world(request: pytest.FixtureRequest) -> Any:
    """Return T2b, started and not yet run."""
    world = importlib.import_module(request.param).World()
    venue = world.venue(
        world.add_venue(
            trigger_strict=False,
            queue=QueueOrder.TRIGGER_PRICE,
            mark_refresh=MarkRefresh.ORDER,
            buffer_ppm=200_000,
            breakers=(Breaker(band_ppm=30_000),),
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


def test_every_trade_is_the_one_worked_out_by_hand(world: Any) -> None:
    world.run()
    found = [(row["taker_account"], row["price"], row["size"]) for row in rows(world, "fills")]
    assert found == FILLS
    assert rows(world, "marks")[-1]["last"] == 97
    assert world.stop == Stop.NOTHING_TO_FILL


def test_five_lots_of_b_wait_and_nothing_is_lost(world: Any) -> None:
    """Liquidated at 99 and 98: 30 lots, of which 25 are sold and 5 are pending."""
    world.run()
    venue = world.venue(0)
    orders = rows(world, "liquidations")
    assert [(row["account"], row["lots_asked"], row["lots_filled"]) for row in orders] == [
        (1, 10, 10),
        (2, 20, 15),
        (2, 5, 0),  # Its own fills changed the book, so it asks once more.
    ]
    assert [row["limit_price"] for row in orders] == [97, 97, 97]
    assert orders[1]["value"] == 14_600  # 97.3333 a lot.
    assert [row["outcome"] for row in orders][1:] == [Outcome.PENDING, Outcome.PENDING]
    sold = sum(row["lots_filled"] for row in orders)
    left = [venue.position(venue.scope_of(account, 0), 0)[0] for account in (1, 2, 3, 4)]
    assert left == [0, 5, 15, 30]
    assert sold + left[1] == 30


def test_c_is_never_triggered(world: Any) -> None:
    world.run()
    venue = world.venue(0)
    assert venue.marks() == [97]
    scopes = [venue.scope_of(account, 0) for account in (3, 4)]
    assert [venue.liquidation_price(scope, 0) for scope in scopes] == LIQUIDATION_PRICES[2:]
    kinds = {row["kind"] for row in rows(world, "steps")}
    assert kinds == {StepKind.SHOCK, StepKind.MARK, StepKind.LIQUIDATION}


def test_no_money_and_no_lot_is_lost(world: Any) -> None:
    while world.step() >= 0:
        assert not any(world.venue(0).audit().values())
