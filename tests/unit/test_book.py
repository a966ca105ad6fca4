"""The order book, one behaviour a test, with numbers small enough to follow by hand."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from ordercascade import OrderBook, OrderFlag, OrderType, Reject, Side, TimeInForce
from ordercascade.core.book import MESSAGE_DTYPE

BID, ASK = Side.BID, Side.ASK


def fills(book: OrderBook) -> list[tuple[int, int, int]]:
    """Return (maker order, price, size) of the last call, and check the book."""
    book._check()
    rows = book.fills
    return [(int(f["maker_order"]), int(f["price"]), int(f["size"])) for f in rows]


def levels(book: OrderBook, side: Side) -> list[list[int]]:
    """Return the levels of a side, best first, as [price, size]."""
    depth = book.depth(100)
    return (depth.bids if side == BID else depth.asks).tolist()


def messages(*rows: tuple[Any, ...]) -> np.ndarray:
    """Return rows of (type, side, tif, flags, account, order_id, price, size) as an array."""
    return np.array(list(rows), MESSAGE_DTYPE)


@pytest.mark.parametrize(("side", "other"), [(BID, ASK), (ASK, BID)])
def test_an_order_that_meets_nobody_rests_at_its_price(side: Side, other: Side) -> None:
    book = OrderBook(1000)
    order = book.submit(side, 100, 10, account=7)
    assert order > 0
    assert levels(book, side) == [[100, 10]]
    assert levels(book, other) == []
    assert book.order(order) == (side, 100, 10, 7, OrderFlag.NONE)
    assert fills(book) == []


def test_a_better_price_trades_before_an_earlier_order() -> None:
    book = OrderBook(1000)
    late, early = book.submit(ASK, 102, 5), book.submit(ASK, 101, 5)
    assert book.submit(BID, 102, 7) == 0
    assert fills(book) == [(early, 101, 5), (late, 102, 2)]
    assert levels(book, ASK) == [[102, 3]]


def test_at_one_price_the_earlier_order_trades_first() -> None:
    book = OrderBook(1000)
    first, second = book.submit(BID, 100, 5), book.submit(BID, 100, 5)
    assert book.submit(ASK, 100, 6) == 0
    assert fills(book) == [(first, 100, 5), (second, 100, 1)]


def test_a_trade_happens_at_the_price_of_the_order_that_rested() -> None:
    book = OrderBook(1000)
    book.submit(ASK, 100, 5)
    book.submit(BID, 900, 5)
    assert book.fills["price"].tolist() == [100]


def test_what_a_crossing_order_leaves_rests_and_its_fills_name_it() -> None:
    """A bid for 10 meets 4 at 100; 6 rest at 101 under an id that the fill carries."""
    book = OrderBook(1000)
    book.submit(ASK, 100, 4)
    order = book.submit(BID, 101, 10)
    assert levels(book, BID) == [[101, 6]]
    assert book.fills["taker_order"].tolist() == [order]


def test_a_taker_that_is_filled_whole_has_no_id() -> None:
    book = OrderBook(1000)
    book.submit(ASK, 100, 4)
    assert book.submit(BID, 100, 4) == 0
    assert book.fills["taker_order"].tolist() == [0]


def test_a_fill_says_who_traded_and_what_the_maker_has_left() -> None:
    book = OrderBook(1000)
    book.submit(ASK, 100, 10, account=1, flags=OrderFlag.POST_ONLY)
    book.submit(BID, 100, 4, account=2)
    (fill,) = book.fills
    assert (fill["maker_account"], fill["taker_account"], fill["taker_side"]) == (1, 2, BID)
    assert (fill["maker_rest"], fill["maker_flags"], fill["self_trade"]) == (6, 1, 0)


def test_a_trade_with_oneself_is_printed_and_marked_and_shrinks_both_sides() -> None:
    book = OrderBook(1000)
    book.submit(ASK, 100, 4, account=3)
    book.submit(BID, 100, 10, account=3)
    assert book.fills["self_trade"].tolist() == [1]
    assert levels(book, BID) == [[100, 6]]
    assert levels(book, ASK) == []


def test_a_market_order_takes_any_price_and_never_rests() -> None:
    book = OrderBook(1000)
    book.submit(BID, 100, 3)
    book.submit(BID, 1, 3)
    assert book.market(ASK, 10) == 0
    assert book.fills["size"].tolist() == [3, 3]
    assert len(book) == 0


def test_an_ioc_order_takes_what_is_there_and_lets_the_rest_go() -> None:
    book = OrderBook(1000)
    book.submit(ASK, 100, 3)
    assert book.submit(BID, 100, 10, tif=TimeInForce.IOC) == 0
    assert book.fills["size"].tolist() == [3]
    assert len(book) == 0
    assert book.submit(BID, 100, 10, tif=TimeInForce.IOC) == 0
    assert len(book.fills) == 0


def test_a_fok_order_is_filled_whole_over_several_levels() -> None:
    book = OrderBook(1000)
    book.submit(ASK, 100, 3)
    book.submit(ASK, 101, 3)
    assert book.submit(BID, 101, 6, tif=TimeInForce.FOK) == 0
    assert book.fills["size"].tolist() == [3, 3]


def test_a_post_only_order_rests_or_is_refused_but_never_takes() -> None:
    book = OrderBook(1000)
    book.submit(ASK, 100, 3)
    before = book.state_hash()
    refused = book.submit(BID, 100, 1, flags=OrderFlag.POST_ONLY)
    assert refused == Reject.POST_ONLY_WOULD_CROSS
    assert book.state_hash() == before
    assert book.submit(BID, 99, 1, flags=OrderFlag.POST_ONLY) > 0


def test_a_cancelled_order_gives_its_open_lots_back_and_leaves_its_level() -> None:
    book = OrderBook(1000)
    first, second = book.submit(BID, 100, 5), book.submit(BID, 100, 7)
    book.submit(ASK, 100, 2)
    assert book.cancel(first) == 3
    assert levels(book, BID) == [[100, 7]]
    assert book.cancel(second, account=0) == 7
    assert book.best_bid is None
    book._check()


@pytest.mark.parametrize("gone", [0, 1, 2])
def test_an_order_leaves_the_queue_from_any_place_in_it(gone: int) -> None:
    book = OrderBook(1000)
    ids = [book.submit(BID, 100, size, account=size) for size in (1, 2, 3)]
    book.cancel(ids.pop(gone))
    book.market(ASK, 10, account=9)
    assert [fill[0] for fill in fills(book)] == ids


def test_a_stale_id_never_reaches_the_order_that_has_its_slot_now() -> None:
    """The second order takes the freed slot: the low half of the id is the same, the high not."""
    book = OrderBook(1000)
    stale = book.submit(BID, 100, 5)
    book.cancel(stale)
    fresh = book.submit(BID, 100, 5)
    assert (stale & 0xFFFFFFFF, stale >> 32) == (0, 1)
    assert (fresh & 0xFFFFFFFF, fresh >> 32) == (0, 2)
    assert book.order(stale) is None
    assert book.order(fresh) is not None


def test_the_slot_that_was_freed_last_is_used_first() -> None:
    book = OrderBook(1000)
    ids = [book.submit(BID, 100, 1) for _ in range(3)]
    for order in ids:
        book.cancel(order)
    assert [book.submit(BID, 100, 1) & 0xFFFFFFFF for _ in range(4)] == [2, 1, 0, 3]


def test_an_amend_to_less_keeps_id_and_priority() -> None:
    book = OrderBook(1000)
    first, second = book.submit(BID, 100, 5), book.submit(BID, 100, 5)
    assert book.amend(first, size=2) == first
    assert levels(book, BID) == [[100, 7]]
    book.market(ASK, 3)
    assert fills(book) == [(first, 100, 2), (second, 100, 1)]


def test_an_amend_to_more_keeps_the_id_and_loses_the_priority() -> None:
    book = OrderBook(1000)
    first, second = book.submit(BID, 100, 5), book.submit(BID, 100, 5)
    assert book.amend(first, size=6) == first
    book.market(ASK, 7)
    assert fills(book) == [(second, 100, 5), (first, 100, 2)]


def test_an_amend_to_another_price_moves_the_order_behind_those_that_are_there() -> None:
    book = OrderBook(1000)
    there, moved = book.submit(BID, 101, 5), book.submit(BID, 100, 5)
    assert book.amend(moved, price=101) == moved
    assert levels(book, BID) == [[101, 10]]
    book.market(ASK, 6)
    assert fills(book) == [(there, 101, 5), (moved, 101, 1)]


def test_an_amend_to_the_same_price_and_size_changes_nothing() -> None:
    book = OrderBook(1000)
    order = book.submit(BID, 100, 5)
    before = book.state_hash()
    assert book.amend(order, price=100, size=5) == order
    assert book.amend(order) == order
    assert book.state_hash() == before


def test_an_amend_that_crosses_takes_and_rests_the_remainder_under_its_own_id() -> None:
    """5 lots amended onto an ask of 3: two rest at 105 under the same id."""
    book = OrderBook(1000)
    maker, order = book.submit(ASK, 105, 3), book.submit(BID, 100, 5)
    assert book.amend(order, price=105) == order
    assert fills(book) == [(maker, 105, 3)]
    assert book.fills["taker_order"].tolist() == [order]
    assert levels(book, BID) == [[105, 2]]


def test_an_amend_that_is_filled_whole_frees_the_id() -> None:
    book = OrderBook(1000)
    book.submit(ASK, 105, 5)
    order = book.submit(BID, 100, 5)
    assert book.amend(order, price=105) == 0
    assert book.order(order) is None
    assert len(book) == 0
    book._check()


def test_a_post_only_order_that_is_amended_into_the_other_side_stays_where_it_was() -> None:
    book = OrderBook(1000)
    book.submit(ASK, 105, 5)
    order = book.submit(BID, 100, 5, flags=OrderFlag.POST_ONLY)
    before = book.state_hash()
    assert book.amend(order, price=105) == Reject.POST_ONLY_WOULD_CROSS
    assert book.state_hash() == before


def test_an_amend_onto_a_page_that_was_never_used_keeps_the_order_whole() -> None:
    """The rows move when the page is made: 64 orders and a page 2**30 ticks away."""
    book = OrderBook(2**31 - 1)
    ids = [book.submit(BID, 100, 5, account=k) for k in range(64)]
    assert book.amend(ids[7], price=2**30, size=9) == ids[7]
    assert levels(book, BID) == [[2**30, 9], [100, 315]]
    book._check()


def test_cancel_all_takes_the_orders_of_one_account_on_both_sides() -> None:
    book = OrderBook(1000)
    for price in (90, 91):
        book.submit(BID, price, 1, account=1)
        book.submit(BID, price, 2, account=2)
    book.submit(ASK, 110, 1, account=1)
    assert book.cancel_all(1) == 3
    assert book.cancel_all(1) == 0
    assert book.cancel_all(12345) == 0
    assert levels(book, BID) == [[91, 2], [90, 2]]
    assert levels(book, ASK) == []
    book._check()


def test_depth_gives_the_best_levels_and_no_more_than_asked() -> None:
    book = OrderBook(1000)
    for price in (97, 99, 98):
        book.submit(BID, price, price)
    book.submit(ASK, 101, 5)
    depth = book.depth(2)
    assert depth.bids.tolist() == [[99, 99], [98, 98]]
    assert depth.asks.tolist() == [[101, 5]]


def test_fills_are_those_of_the_last_command_and_outlive_it() -> None:
    book = OrderBook(1000)
    book.submit(ASK, 100, 5)
    book.market(BID, 2)
    kept = book.fills
    assert book.depth(1).asks.tolist() == [[100, 3]]
    assert len(book.fills) == 1
    book.submit(BID, 50, 1)
    assert len(book.fills) == 0
    assert kept["size"].tolist() == [2]


def test_a_batch_does_what_the_single_calls_do() -> None:
    one, many = OrderBook(1000), OrderBook(1000)
    ids = [one.submit(BID, 100, 5, account=1), one.submit(ASK, 103, 5, account=2)]
    said = [one.amend(ids[0], size=3, account=1), one.market(ASK, 2, account=4)]
    said += [one.cancel(ids[1], account=2), one.submit(BID, 99, 1, tif=TimeInForce.IOC)]
    many.apply(
        messages(
            (OrderType.LIMIT, BID, 0, 0, 1, 0, 100, 5),
            (OrderType.LIMIT, ASK, 0, 0, 2, 0, 103, 5),
            (OrderType.AMEND, 0, 0, 0, 1, ids[0], 0, 3),
            (OrderType.MARKET, ASK, 0, 0, 4, 0, 0, 2),
            (OrderType.CANCEL, 0, 0, 0, 2, ids[1], 0, 0),
            (OrderType.LIMIT, BID, TimeInForce.IOC, 0, 0, 0, 99, 1),
        )
    )
    assert many.results.tolist() == ids + said
    assert many.fills["size"].tolist() == [2]
    assert many.state_hash() == one.state_hash()


def test_a_batch_longer_than_a_block_is_the_same_as_its_pieces() -> None:
    """9,000 rows cross the border of the blocks of 4,096 rows twice."""
    rows = np.zeros(9_000, MESSAGE_DTYPE)
    rows["side"] = np.arange(9_000) % 2
    rows["price"] = 100 + (np.arange(9_000) * 7) % 11
    rows["size"] = 1 + np.arange(9_000) % 5
    whole, pieces = OrderBook(1000), OrderBook(1000)
    together = whole.apply(rows)
    apart = [pieces.apply(rows[start : start + 1_000]) for start in range(0, 9_000, 1_000)]
    assert whole.state_hash() == pieces.state_hash()
    assert together.tobytes() == b"".join(part.tobytes() for part in apart)
    assert whole.rows_done == 9_000


def test_a_copy_goes_its_own_way() -> None:
    book = OrderBook(1000, order_max=50, account_max=9)
    order = book.submit(BID, 100, 5, account=3)
    other = book.copy()
    assert other.state_hash() == book.state_hash()
    assert other.submit(ASK, 100, 2) == book.submit(ASK, 100, 2) == 0
    assert other.state_hash() == book.state_hash()
    assert other.cancel_all(3) == 1
    assert book.order(order) == (BID, 100, 3, 3, OrderFlag.NONE)
    other._check()
    book._check()


@pytest.mark.parametrize("field", ["price", "size", "account", "flags", "side"])
def test_the_state_hash_sees_every_field_of_an_order(field: str) -> None:
    base = {"side": BID, "price": 100, "size": 5, "account": 1, "flags": OrderFlag.NONE}
    other = dict(zip(base, (ASK, 101, 6, 2, OrderFlag.POST_ONLY), strict=True))
    one, two = OrderBook(1000), OrderBook(1000)
    for book, change in ((one, {}), (two, {field: other[field]})):
        row = base | change
        book.submit(
            row["side"], row["price"], row["size"], account=row["account"], flags=row["flags"]
        )
    assert one.state_hash() != two.state_hash()


def test_the_state_hash_sees_the_queue_order_and_which_ids_come_next() -> None:
    one, two = OrderBook(1000), OrderBook(1000)
    for book, order in ((one, (0, 1)), (two, (1, 0))):
        ids = [book.submit(BID, 100, 1) for _ in range(2)]
        for k in order:
            book.cancel(ids[k])
    assert len(one) == len(two) == 0
    assert one.state_hash() != two.state_hash()


def test_the_repr_shows_the_touch() -> None:
    book = OrderBook(1000)
    book.submit(BID, 99, 4)
    assert repr(book) == "<OrderBook: bid 4 @ 99, ask none, 1 orders>"


def test_other_threads_run_while_a_batch_does() -> None:
    """Two books, two threads: both are exact."""
    rows = np.zeros(200_000, MESSAGE_DTYPE)
    rows["side"] = np.arange(len(rows)) % 2
    rows["price"] = 100 + (np.arange(len(rows)) * 7) % 11
    rows["size"] = 1 + np.arange(len(rows)) % 5
    books = [OrderBook(1000) for _ in range(3)]
    books[2].apply(rows)
    threads = [threading.Thread(target=book.apply, args=(rows,)) for book in books[:2]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({book.state_hash() for book in books}) == 1
