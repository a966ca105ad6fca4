"""The engine's own checks can fail: one wrong number in a sound world, and which rule says so.

A compiled hand (flipping.py) writes the number. Codes: 100 + ledger, 200 + triggers, 1000 + book.
"""

from __future__ import annotations

from typing import Any

import pytest

from ordercascade.core.venue import Venue
from ordercascade.core.world import World
from ordercascade.enums import HolderKind, Side
from ordercascade.errors import InvariantError


def sound() -> tuple[World, Venue]:
    """Two longs and a short, one of the longs closed again; bids at two prices, asks at one."""
    world = World()
    world.add_venue()
    venue = world.venue()
    venue.add_market(price_max=2**22, size_max=1000, last=2000)
    venue.seed_level(0, Side.BID, 1900, 5)
    venue.seed_level(0, Side.BID, 1900, 7)
    venue.seed_level(0, Side.BID, 1800, 5)
    venue.seed_level(0, Side.ASK, 2100, 5)
    for size in (10, 2, -7):
        account = venue.open_account()
        venue.deposit(account, 0, 50_000)
        venue.open_position(account, 0, size, size * 2000)
    venue.fund_deposit(0, 100)
    world.start()
    venue.submit(2, 0, Side.ASK, 1900, 2)
    for price in (1850, 1851):
        venue.submit(1, 0, Side.BID, price, 1)
    venue.cancel(1, 0, venue.submit(1, 0, Side.BID, 1700, 1))
    world.run()
    venue._check()
    return world, venue


def row_of(hand: Any, world: World, cell: str, wanted: int) -> int:
    """The first row whose field has this value."""
    count = hand.count(world, cell.partition(".")[0])
    return next(row for row in range(count) if hand.read(world, cell, row) == wanted)


def broken(venue: Venue) -> int:
    with pytest.raises(InvariantError) as found:
        venue._check()
    assert isinstance(found.value.delta, int)
    return found.value.delta


def add(hand: Any, world: World, cell: str, row: int, by: int) -> None:
    hand.write(world, cell, row, hand.read(world, cell, row) + by)


@pytest.mark.parametrize("by", [1, -1])
def test_money_that_came_from_nowhere(hand: Any, by: int) -> None:
    world, venue = sound()
    add(hand, world, "Ledger.deposited", 0, by)
    assert broken(venue) == 101


@pytest.mark.parametrize("by", [1, -1])
def test_lots_and_costs_that_have_no_other_side(hand: Any, by: int) -> None:
    for cell, code in (("Position.size", 102), ("Position.cost", 103)):
        world, venue = sound()
        add(hand, world, cell, row_of(hand, world, "Position.size", 10), by)
        assert broken(venue) == code


def test_a_flat_position_with_a_cost(hand: Any) -> None:
    world, venue = sound()
    hand.write(world, "Position.cost", row_of(hand, world, "Position.size", 0), 1)
    assert broken(venue) == 104


@pytest.mark.parametrize(("kind", "by", "code"), [("FUND", -101, 105), ("BAD_DEBT", 1, 106)])
def test_a_fund_below_and_a_bad_debt_above_zero(hand: Any, kind: str, by: int, code: int) -> None:
    world, venue = sound()
    add(hand, world, "Holder.collateral", venue.holder(HolderKind[kind]), by)
    add(hand, world, "Ledger.deposited", 0, by)
    assert broken(venue) == code


def test_a_position_in_a_list_where_it_does_not_belong_or_in_none(hand: Any) -> None:
    world, venue = sound()
    hand.write(world, "Position.size", row_of(hand, world, "Position.size", -7), 7)
    assert broken(venue) == 107
    world, venue = sound()
    hand.write(world, "Position.market", row_of(hand, world, "Position.size", 10), 1)
    assert broken(venue) == 107
    world, venue = sound()
    hand.write(world, "Position.size", row_of(hand, world, "Position.size", 0), 5)
    assert broken(venue) == 107


@pytest.mark.parametrize("by", [1, -1])
def test_an_open_interest_that_is_not_what_the_longs_hold(hand: Any, by: int) -> None:
    world, venue = sound()
    assert hand.read(world, "Sided.open", 0) == 10  # 2 of the 12 were closed again.
    add(hand, world, "Sided.open", 0, by)
    assert broken(venue) == 108


def test_a_trigger_of_a_foreign_market_or_in_the_wrong_bucket(hand: Any) -> None:
    """Buckets are eight ticks wide, so 64 ticks away is another one."""
    for cell, by in (("TriggerNode.place", 2), ("TriggerNode.tick", 64)):
        world, venue = sound()
        row = next(r for r in range(9) if hand.read(world, "TriggerNode.place", r) >= 0)
        add(hand, world, cell, row, by)
        assert broken(venue) == 202


def test_a_run_with_a_wrong_neighbour_a_trigger_that_stands_elsewhere_and_an_empty_run(
    hand: Any,
) -> None:
    world, venue = sound()
    hand.write(world, "TriggerRun.prev", 0, 1)
    assert broken(venue) == 203
    world, venue = sound()
    row = next(r for r in range(9) if hand.read(world, "TriggerNode.place", r) >= 0)
    add(hand, world, "TriggerNode.spot", row, 1)
    assert broken(venue) == 203
    world, venue = sound()
    hand.write(world, "TriggerRun.first", 0, -1)
    assert broken(venue) == 203


def alike() -> tuple[World, Venue]:
    """Two longs with the same trigger, the tick 1,578: one bucket holds both."""
    world = World()
    world.add_venue()
    venue = world.venue()
    venue.add_market(price_max=2**22, size_max=1000, last=2000)
    for _ in range(2):
        account = venue.open_account()
        venue.deposit(account, 0, 5_000)
        venue.open_position(account, 0, 10, 20_000)
    world.start()
    venue._check()
    return world, venue


def test_a_trigger_nearer_than_the_nearest(hand: Any) -> None:
    """The bucket of 1,578 ends at 1,583, above the best tick that the side knows."""
    world, venue = alike()
    hand.write(world, "TriggerNode.tick", row_of(hand, world, "TriggerNode.tick", 1578), 1583)
    assert broken(venue) == 204


def test_a_bucket_that_lost_one_of_its_nodes(hand: Any) -> None:
    world, venue = alike()
    hand.write(world, "TriggerRun.first", 0, -1)
    assert broken(venue) == 205


def test_more_triggers_or_runs_than_there_are_and_a_node_in_no_list(hand: Any) -> None:
    world, venue = sound()
    add(hand, world, "Triggers.armed", 0, 1)
    assert broken(venue) == 207
    world, venue = sound()
    hand.write(world, "TriggerNode.place", row_of(hand, world, "TriggerNode.place", -1), 0)
    assert broken(venue) == 208
    world, venue = sound()
    add(hand, world, "Triggers.run_count", 0, 1)
    assert broken(venue) == 209


def test_a_scope_that_fell_and_is_not_watched(hand: Any) -> None:
    world, venue = sound()
    scope = venue.scope_of(1, 0)
    add(hand, world, "Holder.collateral", scope, -49_900)
    add(hand, world, "Ledger.deposited", 0, -49_900)
    assert broken(venue) == 300


def order_row(hand: Any, world: World, price: int) -> int:
    """The slot of the first open order of a price."""
    return next(
        row
        for row in range(hand.count(world, "Order"))
        if hand.read(world, "Order.price", row) == price and hand.read(world, "Order.size", row)
    )


@pytest.mark.parametrize(
    ("cell", "by", "code"),
    [
        ("Order.price", 1, 1004),
        ("Order.side", 1, 1004),
        ("Order.size", -10, 1004),
        ("Order.prev", 1, 1003),
        ("Order.size", 1, 1005),
        ("Order.account", 1, 1008),
    ],
)
def test_an_order_that_is_not_what_its_queue_says(hand: Any, cell: str, by: int, code: int) -> None:
    world, venue = sound()
    add(hand, world, cell, order_row(hand, world, 1800), by)
    assert broken(venue) == code


def test_a_queue_that_lost_its_last_order(hand: Any) -> None:
    world, venue = sound()
    first = order_row(hand, world, 1900)
    hand.write(world, "Order.next", first, hand.read(world, "Order.prev", first))
    assert broken(venue) == 1003


def test_a_crossed_book_and_orders_that_nobody_counted(hand: Any) -> None:
    world, venue = sound()
    hand.write(world, "Book.best[0]", 0, 2100)
    assert broken(venue) == 1001
    world, venue = sound()
    add(hand, world, "Book.count", 0, 1)
    assert broken(venue) == 1006


def test_a_slot_that_is_neither_open_nor_free(hand: Any) -> None:
    world, venue = sound()
    add(hand, world, "Book.used", 0, 1)
    assert broken(venue) == 1010
    world, venue = sound()
    hand.write(world, "Book.free", 0, order_row(hand, world, 1800))
    assert broken(venue) == 1010
    world, venue = sound()
    hand.write(world, "Book.free", 0, -1)
    assert broken(venue) == 1010


def test_every_operation_that_changes_a_book_counts_once(hand: Any) -> None:
    """The count is part of the state's hash: two books of one history have one count."""
    world, venue = sound()

    def counted() -> int:
        return int(hand.read(world, "Book.changed", 0))

    start = counted()
    order = venue.submit(1, 0, Side.BID, 1700, 3)  # rests
    assert counted() == start + 1
    venue.amend(1, 0, order, size=2)  # keeps its place
    assert counted() == start + 2
    venue.amend(1, 0, order, price=1710, size=2)  # queues anew
    assert counted() == start + 3
    venue.amend(1, 0, order, size=2)  # nothing new
    assert counted() == start + 3
    venue.submit(3, 0, Side.ASK, 1900, 1)  # trades
    assert counted() == start + 4
    venue.cancel(1, 0, order)
    assert counted() == start + 5
    venue.cancel(1, 0, order)  # gone already
    assert counted() == start + 5
