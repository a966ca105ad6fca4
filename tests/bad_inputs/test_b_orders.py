"""Rows B of the bad-input catalogue: ids, the life of an order, the shape of a book.

Own ids are generation << 32 | slot: a stale one reaches nobody. Ids from outside, self-trade
policies and stops come with the complete book.
"""

from __future__ import annotations

from typing import Any

import pytest

import ordercascade as oc
from bad_inputs import doors
from bad_inputs.doors import ASK, BID, messages, refused, rejected
from bad_inputs.takers import FIRST
from ordercascade.core.world import World

ODD_IDS = [0, -1, 1, 2**63 - 1, -(2**63), 2**32 + 77, 2**33]
CANCEL, AMEND = oc.OrderType.CANCEL, oc.OrderType.AMEND


@pytest.mark.parametrize("order_id", ODD_IDS)
def test_bad_B03_B06_an_id_that_is_not_resting(order_id: int) -> None:
    """Single calls of a book raise, a batch answers with a code; no id is a sentinel."""
    door = doors.book()
    words = f"order_id must be the id of a resting order, got {order_id}"
    refused(door, oc.InputError, words, lambda: door.at.cancel(order_id))
    refused(door, oc.InputError, words, lambda: door.at.amend(order_id, size=1))
    assert door.at.order(order_id) is None
    before = door.state()
    for kind in (CANCEL, AMEND):
        door.at.apply(messages(1, type=kind, order_id=order_id))
        assert door.at.results.tolist() == [oc.Reject.UNKNOWN_ORDER]
    assert door.state() == before


@pytest.mark.parametrize("order_id", ODD_IDS)
def test_bad_B03_B06_an_id_that_is_not_resting_at_a_venue(order_id: int) -> None:
    """An order may be gone by the time its owner cancels it, so a venue answers with a code."""
    door = doors.venue()
    if order_id < 1:
        words = f"order_id must be in [1, 2**63 - 1], got {order_id}"
        refused(door, oc.InputError, words, lambda: door.at.cancel(1, 0, order_id))
        return
    unknown = oc.Reject.UNKNOWN_ORDER
    rejected(door, unknown, lambda: door.at.cancel(1, 0, order_id))
    rejected(door, unknown, lambda: door.at.amend(1, 0, order_id, size=1))
    face = doors.face()
    rejected(face, unknown, lambda: face.at.cancel(1, "BTCUSDT", order_id))


def test_bad_B04_the_same_id_cancelled_twice_in_a_batch() -> None:
    door = doors.book()
    order = door.at.submit(BID, 50, 7)
    door.at.apply(messages(1, type=CANCEL, order_id=order).repeat(2))
    assert door.at.results.tolist() == [7, oc.Reject.UNKNOWN_ORDER]
    door.check()
    door.good()


def test_bad_B05_another_account_s_order() -> None:
    door, core = doors.book(), doors.venue()
    owner = oc.Reject.NOT_OWNER
    rejected(door, owner, lambda: door.at.cancel(FIRST, account=2))
    rejected(door, owner, lambda: door.at.amend(FIRST, size=1, account=2))
    before = door.state()
    door.at.apply(messages(1, type=CANCEL, order_id=FIRST, account=2))
    assert door.at.results.tolist() == [owner]
    assert door.state() == before
    assert door.at.cancel(FIRST, account=1) == 5
    rejected(core, owner, lambda: core.at.cancel(2, 0, FIRST))
    rejected(core, owner, lambda: core.at.amend(2, 0, FIRST, size=1))
    assert core.at.cancel(1, 0, FIRST) == 5


def test_bad_B06_the_largest_generation_is_never_given_out_twice() -> None:
    """An id is reused by nobody: cancelling and submitting again gives another id each time."""
    book = oc.OrderBook(10, order_max=1)
    seen = set()
    for _ in range(1000):
        order = book.submit(BID, 5, 1)
        assert order not in seen
        seen.add(order)
        assert book.cancel(order) == 1
        assert book.order(order) is None
    book._check()


def test_bad_B08_a_full_pool_refuses_before_it_matches() -> None:
    """Room for two: an ask that would first free a slot by trading is refused as well."""
    book = oc.OrderBook(1000, order_max=2)
    door = doors.Door(book, book.state_hash, book._check, lambda: None)
    book.submit(BID, 99, 1)
    book.submit(BID, 98, 1)
    rejected(door, oc.Reject.POOL_FULL, lambda: book.submit(BID, 97, 1))
    rejected(door, oc.Reject.POOL_FULL, lambda: book.submit(ASK, 99, 2))
    assert len(book.fills) == 0
    before = book.state_hash()
    book.apply(messages(2))
    assert book.results.tolist() == [oc.Reject.POOL_FULL] * 2
    assert book.state_hash() == before
    assert book.submit(ASK, 99, 1, tif=oc.TimeInForce.IOC) == 0
    assert book.submit(BID, 97, 1) > 0
    book._check()


def test_bad_B09_a_market_order_into_an_empty_side() -> None:
    door = doors.book()
    door.at.cancel(FIRST + 1)
    none = oc.Reject.NO_LIQUIDITY
    rejected(door, none, lambda: door.at.market(BID, 1))
    assert len(door.at.fills) == 0
    core = doors.venue()
    core.at.cancel(2, 0, FIRST + 1)
    rejected(core, none, lambda: core.at.submit(1, 0, BID, 0, 1, oc.OrderType.MARKET))
    face = doors.face()
    rejected(face, none, lambda: face.at.submit(2, "BTCUSDT", BID, size="0.001"))


def test_bad_B10_an_all_or_nothing_order_one_lot_short() -> None:
    door, core = doors.book(), doors.venue()
    short, fok = oc.Reject.FOK_NOT_FILLABLE, oc.TimeInForce.FOK
    rejected(door, short, lambda: door.at.submit(BID, 101, 6, tif=fok))
    rejected(door, short, lambda: door.at.submit(BID, 100, 1, tif=fok))
    assert door.at.submit(BID, 101, 5, tif=fok) == 0
    rejected(core, short, lambda: core.at.submit(1, 0, BID, 101, 6, 0, fok))
    assert core.at.submit(1, 0, BID, 101, 5, 0, fok) == 0


def test_bad_B12_an_amend_to_nothing_cancels() -> None:
    door, core = doors.book(), doors.venue()
    assert door.at.amend(FIRST, size=0) == 0
    assert door.at.order(FIRST) is None
    assert core.at.amend(1, 0, FIRST, size=0) == 0
    assert core.at.cancel(1, 0, FIRST) == oc.Reject.UNKNOWN_ORDER
    door.check()
    core.check()


@pytest.mark.parametrize("size", [-1, 2**40 + 1])
def test_bad_B12_an_amend_to_a_wrong_size_or_price(size: int) -> None:
    """Sizes are open sizes, so none can lie below what was filled."""
    door = doors.book()
    words = f"size must be in [0, 2**40], got {size}"
    refused(door, oc.InputError, words, lambda: door.at.amend(FIRST, size=size))
    words = f"size must be in [0, 2**40], got {size} (row 2)"
    refused(door, oc.InputError, words, lambda: door.at.apply(messages(type=AMEND, size=size)))
    for price in (0, 1001):
        words = f"price must be in [1, 1000], got {price}"
        refused(door, oc.InputError, words, lambda p=price: door.at.amend(FIRST, price=p))
    for price in (-1, 1001):
        words = f"price must be in [0, price_max=1000], got {price} (row 2)"
        rows = messages(type=AMEND, price=price)
        refused(door, oc.InputError, words, lambda r=rows: door.at.apply(r))


def test_bad_B12_an_amend_to_a_crossing_price_takes() -> None:
    """A bid of 5 at 99 moves to 101 with 6: it buys the 5 there, and 1 rests under its id."""
    door, core = doors.book(), doors.venue()
    assert door.at.amend(FIRST, price=101, size=6) == FIRST
    assert door.at.fills["size"].tolist() == [5]
    assert (door.at.best_bid, door.at.order(FIRST).size) == (101, 1)
    assert core.at.amend(1, 0, FIRST, price=101, size=6) == FIRST
    assert core.at.depth(0, BID) == [(101, 1)]
    door.check()
    core.check()


def test_bad_B13_the_best_prices_of_an_empty_book() -> None:
    book = oc.OrderBook(1000)
    assert book.best_bid is None
    assert book.best_ask is None
    assert len(book.depth(5).bids) == 0
    core = doors.building()
    assert core.at.depth(0, BID) == []
    assert core.at.prices(0)[3:] == (0, 0), "the integer door says 0 where there is no tick"


@pytest.mark.parametrize("levels", [0, -1, -(2**63)])
def test_bad_B14_a_depth_of_no_levels(levels: int) -> None:
    door, core = doors.book(), doors.venue()
    words = f"levels must be in [1, 2**63 - 1], got {levels}"
    refused(door, oc.InputError, words, lambda: door.at.depth(levels))
    refused(core, oc.InputError, words, lambda: core.at.depth(0, BID, levels))


@pytest.mark.parametrize("levels", [10**9, 2**63 - 1])
def test_bad_B14_a_depth_of_very_many_levels_is_what_there_is(levels: int) -> None:
    """A book of one level a side: no array of 10**9 rows is made, which would not fit."""
    door, core = doors.book(), doors.venue()
    assert door.at.depth(levels).bids.tolist() == [[99, 5]]
    assert core.at.depth(0, ASK, levels) == [(101, 5)]


def test_a_run_that_does_not_end_is_bounded() -> None:
    """Steps have a stated bound; reaching it is an event, and part of the summary."""
    world = World(1, steps_max=3)
    world.add_venue()
    venue = world.venue(0)
    venue.add_market(multiplier=100, price_max=10_000, size_max=10_000, index=100)
    world.start()
    for time in range(1, 9):
        world.schedule_index(time, 0, 0, 100 + time)
    written: list[Any] = [world.step() for _ in range(8)]
    assert written[:4] == [0, 1, 2, 3]
    assert written[4:] == [-1] * 4
    assert doors.columns(world, "notes", "kind")[0] == (oc.NoteKind.BOUND_REACHED,)
    assert world.stop == oc.Stop.STEP_BOUND
    world._check()
