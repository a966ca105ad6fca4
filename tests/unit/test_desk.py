"""The rarer orders of a book, one behaviour a test, with numbers small enough to follow by hand."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

from ordercascade import InputError, OrderBook, OrderFlag, OrderType, Reject, Side, TimeInForce
from ordercascade.core.book import WIDE_DTYPE
from ordercascade.enums import Command, TriggerBy

BID, ASK = Side.BID, Side.ASK
FOK, IOC = TimeInForce.FOK, TimeInForce.IOC
NEWEST, OLDEST = OrderFlag.CANCEL_NEWEST, OrderFlag.CANCEL_OLDEST
BOTH, DECREMENT = OrderFlag.CANCEL_BOTH, OrderFlag.DECREMENT
SLIDE = OrderFlag.POST_ONLY | OrderFlag.SLIDE


def fills(book: OrderBook) -> list[tuple[int, int, int]]:
    """Return (maker order, price, size) of the last call, and check the book."""
    book._check()
    return [(int(f["maker_order"]), int(f["price"]), int(f["size"])) for f in book.fills]


def wide(**fields: Any) -> np.ndarray:
    """Return one row of WIDE_DTYPE."""
    row = np.zeros(1, WIDE_DTYPE)
    for name, value in fields.items():
        row[name] = value
    return row


# ------------------------------------------------------------------ icebergs


def test_an_iceberg_shows_its_display_and_keeps_the_rest_out_of_sight() -> None:
    book = OrderBook(1000)
    order = book.submit(ASK, 100, 10, display=3, account=7)
    assert book.depth(1).asks.tolist() == [[100, 3]]
    assert book.order(order) == (ASK, 100, 10, 7, OrderFlag.NONE)
    details = book.details(order)
    assert details is not None
    assert (details.size, details.shown, details.display) == (10, 3, 3)


def test_an_iceberg_shows_itself_anew_behind_those_that_wait() -> None:
    """3 of 10 show; a plain 5 waits behind. 6 bid lots take 3 of one, then 3 of the other."""
    book = OrderBook(1000)
    ice, plain = book.submit(ASK, 100, 10, display=3), book.submit(ASK, 100, 5)
    book.market(BID, 6)
    assert fills(book) == [(ice, 100, 3), (plain, 100, 3)]
    assert book.fills["maker_rest"].tolist() == [7, 2]
    assert book.depth(1).asks.tolist() == [[100, 5]]
    book.market(BID, 4)
    assert fills(book) == [(plain, 100, 2), (ice, 100, 2)]


def test_a_taker_goes_through_an_iceberg_showing_by_showing() -> None:
    book = OrderBook(1000)
    ice = book.submit(ASK, 100, 8, display=3)
    assert book.submit(BID, 100, 9) > 0
    assert fills(book) == [(ice, 100, 3), (ice, 100, 3), (ice, 100, 2)]
    assert book.depth(1).bids.tolist() == [[100, 1]]


def test_hidden_lots_count_for_fill_or_kill() -> None:
    book = OrderBook(1000)
    book.submit(ASK, 100, 8, display=3)
    assert book.submit(BID, 100, 9, tif=FOK) == Reject.FOK_NOT_FILLABLE
    assert book.submit(BID, 100, 8, tif=FOK) == 0
    assert len(book) == 0


def test_a_smaller_iceberg_gives_up_hidden_lots_first_and_keeps_its_place() -> None:
    book = OrderBook(1000)
    ice, plain = book.submit(ASK, 100, 10, display=3), book.submit(ASK, 100, 5)
    assert book.amend(ice, size=4) == ice
    assert book.depth(1).asks.tolist() == [[100, 8]]
    assert book.amend(ice, size=2) == ice
    assert book.depth(1).asks.tolist() == [[100, 7]]
    book.market(BID, 3)
    assert fills(book) == [(ice, 100, 2), (plain, 100, 1)]


def test_a_larger_iceberg_loses_its_place_and_shows_at_most_1024_times() -> None:
    book = OrderBook(1000)
    ice, plain = book.submit(ASK, 100, 10, display=3), book.submit(ASK, 100, 5)
    assert book.amend(ice, size=1024 * 3 + 1) == ice
    details = book.details(ice)
    assert details is not None
    assert details.display == 4
    book.market(BID, 6)
    assert fills(book) == [(plain, 100, 5), (ice, 100, 1)]


def test_a_cancelled_iceberg_gives_back_hidden_lots_too() -> None:
    book = OrderBook(1000)
    assert book.cancel(book.submit(ASK, 100, 10, display=3)) == 10
    assert len(book) == 0
    book._check()


@pytest.mark.parametrize("display", [0, -1, 11])
def test_a_display_lies_between_one_lot_and_the_size(display: int) -> None:
    book = OrderBook(1000)
    with pytest.raises(InputError, match="display must be"):
        book.submit(ASK, 100, 10, display=display)


def test_a_display_that_would_show_more_than_1024_times_is_refused() -> None:
    book = OrderBook(1000)
    with pytest.raises(InputError, match="display must be at least size / 1024, got 1"):
        book.submit(ASK, 100, 1025, display=1)
    with pytest.raises(InputError, match="never rests"):
        book.submit(ASK, 100, 10, display=2, tif=IOC)


# ------------------------------------------------------------------ expiry and sliding


def test_an_order_leaves_the_book_when_its_time_has_come() -> None:
    book = OrderBook(1000)
    first, second = book.submit(BID, 100, 5, expires_ns=10), book.submit(BID, 100, 5, expires_ns=11)
    assert book.advance(9) == 0
    assert book.advance(10) == 1
    assert book.order(first) is None
    assert book.order(second) is not None
    assert book.submit(BID, 100, 5, expires_ns=10) == Reject.EXPIRED
    assert book.time_ns == 10
    with pytest.raises(InputError, match=r"time_ns must be in \[10, "):
        book.advance(9)


def test_a_post_only_order_that_slides_rests_one_tick_off_the_other_side() -> None:
    book = OrderBook(1000)
    book.submit(ASK, 100, 5)
    order = book.submit(BID, 103, 1, flags=SLIDE)
    assert book.order(order) == (BID, 99, 1, 0, SLIDE)
    book.submit(BID, 1000, 9)
    assert book.submit(ASK, 1, 1, flags=SLIDE) == Reject.POST_ONLY_WOULD_CROSS


def test_an_amended_order_slides_too() -> None:
    book = OrderBook(1000)
    order = book.submit(BID, 90, 1, flags=SLIDE)
    book.submit(ASK, 100, 5)
    assert book.amend(order, price=100) == order
    assert book.best_bid == 99
    assert len(book.fills) == 0


# ------------------------------------------------------------------ no trade with oneself (B11)


def own_between() -> tuple[OrderBook, list[int]]:
    """Asks of accounts 2, 1, 2 at 100, two lots each."""
    book = OrderBook(1000)
    return book, [book.submit(ASK, 100, 2, account=account) for account in (2, 1, 2)]


def test_bad_B11_without_a_mode_one_trades_with_oneself() -> None:
    book, ids = own_between()
    assert book.submit(BID, 100, 5, account=1) == 0
    assert fills(book) == [(ids[0], 100, 2), (ids[1], 100, 2), (ids[2], 100, 1)]
    assert book.fills["self_trade"].tolist() == [0, 1, 0]


def test_bad_B11_cancel_newest_cancels_what_is_left_of_the_taker() -> None:
    book, ids = own_between()
    assert book.submit(BID, 100, 5, account=1, flags=NEWEST) == 0
    assert fills(book) == [(ids[0], 100, 2)]
    assert (len(book), book.best_bid) == (2, None)


def test_bad_B11_cancel_newest_that_meets_itself_first_is_refused_and_changes_nothing() -> None:
    book = OrderBook(1000)
    book.submit(ASK, 100, 2, account=1)
    before = book.state_hash()
    assert book.submit(BID, 100, 5, account=1, flags=NEWEST) == Reject.SELF_TRADE
    assert book.state_hash() == before


def test_bad_B11_cancel_oldest_cancels_what_rests_and_goes_on() -> None:
    book, ids = own_between()
    order = book.submit(BID, 100, 5, account=1, flags=OLDEST)
    assert fills(book) == [(ids[0], 100, 2), (ids[2], 100, 2)]
    assert book.order(order) == (BID, 100, 1, 1, OLDEST)


def test_bad_B11_cancel_both_cancels_both() -> None:
    book, ids = own_between()
    assert book.submit(BID, 100, 5, account=1, flags=BOTH) == 0
    assert fills(book) == [(ids[0], 100, 2)]
    assert (len(book), book.best_bid) == (1, None)
    assert book.order(ids[1]) is None


def test_bad_B11_decrement_takes_the_smaller_size_off_both() -> None:
    """5 bid lots: 2 trade, 2 are taken off both sides, 1 trades."""
    book, ids = own_between()
    assert book.submit(BID, 100, 5, account=1, flags=DECREMENT) == 0
    assert fills(book) == [(ids[0], 100, 2), (ids[2], 100, 1)]
    assert book.depth(1).asks.tolist() == [[100, 1]]


def test_fill_or_kill_does_not_count_what_prevention_takes() -> None:
    for mode, size, result in (
        (OLDEST, 4, 0), (OLDEST, 5, Reject.FOK_NOT_FILLABLE), (NEWEST, 2, 0),
        (NEWEST, 3, Reject.FOK_NOT_FILLABLE), (DECREMENT, 3, Reject.FOK_NOT_FILLABLE),
    ):  # fmt: skip
        book, _ = own_between()
        assert book.submit(BID, 100, size, account=1, flags=mode, tif=FOK) == result


def test_an_order_keeps_its_mode_for_when_it_is_amended() -> None:
    book = OrderBook(1000)
    order = book.submit(BID, 90, 2, account=1, flags=OLDEST)
    own = book.submit(ASK, 100, 2, account=1)
    row = np.zeros(1, np.dtype(WIDE_DTYPE.descr[:8]))
    row["type"], row["order_id"], row["price"], row["size"] = OrderType.AMEND, order, 100, 2
    row["account"] = -1
    book.apply(row)
    assert book.results.tolist() == [order]
    assert (book.order(own), book.best_bid, len(book.fills)) == (None, 100, 0)


# ------------------------------------------------------------------ stops


def traded(*asks: tuple[int, int]) -> OrderBook:
    """A book whose last trade was at 100, with asks of (price, size)."""
    book = OrderBook(1000)
    book.submit(ASK, 100, 1)
    book.market(BID, 1)
    for price, size in asks:
        book.submit(ASK, price, size)
    return book


def test_a_stop_waits_for_a_trade_at_its_trigger_or_beyond_and_then_takes() -> None:
    book = traded((105, 1), (106, 1), (107, 5))
    stop = book.stop(BID, 2, 106, account=3)
    book.market(BID, 1)
    assert (book.waiting, len(book.fired)) == (1, 0)
    book.market(BID, 1)
    assert book.fired.tolist() == [(stop, 0)]
    assert [fill[1:] for fill in fills(book)] == [(106, 1), (107, 2)]
    assert (book.last, book.waiting) == (107, 0)


def test_a_take_profit_waits_for_the_other_direction() -> None:
    book = OrderBook(1000)
    book.submit(BID, 100, 1)
    book.market(ASK, 1)
    book.submit(BID, 90, 5)
    waits = book.stop(BID, 1, 90, take_profit=True)
    never = book.stop(BID, 1, 110)
    assert book.market(ASK, 1) == 0
    assert book.fired.tolist() == [(waits, int(Reject.NO_LIQUIDITY))]
    assert book.details(never) is not None


def test_a_stop_limit_rests_at_its_limit() -> None:
    book = traded((105, 1))
    stop = book.stop(BID, 2, 105, price=104, account=3)
    book.market(BID, 1)
    ((fired, order),) = book.fired.tolist()
    assert fired == stop
    assert book.order(order) == (BID, 104, 2, 3, OrderFlag.NONE)


def test_stops_listen_to_the_mark_only_if_they_are_told_to() -> None:
    book = traded((105, 5))
    by_mark = book.stop(BID, 1, 103, by=TriggerBy.MARK)
    book.stop(BID, 1, 103)
    book.set_mark(102)
    assert len(book.fired) == 0
    book.set_mark(103)
    assert book.fired["stop_id"].tolist()[0] == by_mark
    assert (book.mark, book.waiting) == (103, 0)  # The trade at 105 fired the other one.


def test_bad_B15_a_stop_whose_trigger_is_met_fires_at_once() -> None:
    """The result is that of the order it became."""
    book = traded((105, 5))
    order = book.stop(BID, 7, 100, price=105)
    assert order > 0
    assert book.order(order) == (BID, 105, 2, 0, OrderFlag.NONE)
    assert book.waiting == 0


def test_stops_that_are_due_together_fire_nearest_trigger_first_then_by_arrival() -> None:
    book = traded((110, 20))
    late = book.stop(BID, 1, 109)
    first = book.stop(BID, 1, 104)
    second = book.stop(BID, 1, 104)
    book.market(BID, 1)
    assert book.fired["stop_id"].tolist() == [first, second, late]


def test_what_a_stop_sets_off_waits_its_turn_behind_those_already_due() -> None:
    """Two stops are due at 110; the first one's trade at 111 sets off a third."""
    book = traded((110, 1), (111, 1), (112, 5))
    third = book.stop(BID, 1, 111)
    first, second = book.stop(BID, 1, 110), book.stop(BID, 1, 110)
    book.market(BID, 1)
    assert book.fired["stop_id"].tolist() == [first, second, third]


def test_bad_B16_firing_is_bounded_and_what_is_beyond_is_dropped_by_name() -> None:
    book = OrderBook(1000, fire_max=2)
    book.submit(ASK, 100, 9)
    stops = [book.stop(BID, 1, 100) for _ in range(4)]
    book.market(BID, 1)
    limit = int(Reject.CASCADE_LIMIT)
    assert book.fired.tolist() == list(zip(stops, [0, 0, limit, limit], strict=True))
    assert book.waiting == 0
    book._check()


def test_a_stop_is_cancelled_amended_and_expires_like_an_order() -> None:
    book = traded((105, 50))
    stop = book.stop(BID, 2, 105, account=3, expires_ns=9)
    assert book.cancel(stop, account=2) == Reject.NOT_OWNER
    assert book.amend(stop, size=7) == stop
    assert book.cancel(stop) == 7
    other = book.stop(BID, 2, 105, account=3, expires_ns=9)
    assert other & 0xFFFFFFFF == stop & 0xFFFFFFFF
    assert other >> 32 == (stop >> 32) + 1
    assert book.advance(9) == 1
    assert book.waiting == 0
    with pytest.raises(InputError, match="order_id must be the id of a resting order"):
        book.cancel(other)


def test_a_protection_price_bounds_a_market_order() -> None:
    book = OrderBook(1000)
    assert book.market(BID, 5, limit=101) == Reject.NO_LIQUIDITY
    for price in (100, 101, 102):
        book.submit(ASK, price, 2)
    assert book.market(BID, 5, limit=101) == 0
    assert [fill[1:] for fill in fills(book)] == [(100, 2), (101, 2)]
    assert book.market(BID, 5, limit=101) == 0
    assert len(book.fills) == 0


def test_a_protected_market_order_fills_whole_or_not_at_all_where_it_says_so() -> None:
    book = OrderBook(1000)
    for price in (100, 101):
        book.submit(ASK, price, 2)
    assert book.market(BID, 5, limit=101, tif=FOK) == Reject.FOK_NOT_FILLABLE
    assert len(book) == 2
    assert book.market(BID, 4, limit=101, tif=FOK) == 0
    assert len(book) == 0


def test_a_copy_knows_the_last_trade_of_plain_orders() -> None:
    book = OrderBook(1000)
    book.submit(ASK, 100, 1)
    book.submit(BID, 100, 1)
    for same in (book.copy(), book):
        assert same.last == 100
        same.submit(ASK, 105, 1)
        same.stop(BID, 1, 100)  # met already, by the trade from before the copy
        assert same.fills["price"].tolist() == [105]


def test_cancel_all_takes_one_side_where_it_is_told_to() -> None:
    book = OrderBook(1000)
    for account in (1, 2):
        book.submit(BID, 90, 1, account=account)
        book.submit(ASK, 100, 1, account=account)
    book.stop(ASK, 1, 80, account=1)
    assert book.cancel_all(1, side=ASK) == 2
    assert (len(book), book.waiting) == (3, 0)
    assert book.cancel_all(1) == 1


# ------------------------------------------------------------------ batches, judgement


def test_a_wide_batch_does_what_the_calls_do() -> None:
    book, other = OrderBook(1000), OrderBook(1000)
    rows = np.concatenate(
        [
            wide(type=Command.LIMIT, side=ASK, price=100, size=9, display=2, account=1),
            wide(type=Command.STOP, side=BID, size=1, trigger=100, account=2),
            wide(type=Command.MARKET, side=BID, size=3, price=100, account=3),
            wide(type=Command.MARK, price=99),
            wide(type=Command.CLOCK, expires_ns=5),
            wide(type=Command.CANCEL_ALL, account=1, side=2),
        ]
    )
    book.apply(rows)
    other.submit(ASK, 100, 9, display=2, account=1)
    other.stop(BID, 1, 100, account=2)
    other.market(BID, 3, limit=100, account=3)
    other.set_mark(99)
    other.advance(5)
    assert book.results.tolist()[2:] == [0, 0, 0, other.cancel_all(1)]
    assert book.state_hash() == other.state_hash()
    assert len(book.fired) == 1


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"type": 11}, "type must be one of Command, got 11"),
        ({"type": 0, "price": 5, "size": 9, "display": -1}, "display must be in"),
        ({"type": 0, "price": 5, "size": 9, "display": 3, "tif": 1}, "never rests"),
        ({"type": 1, "price": 0, "size": 9, "expires_ns": 3}, "never rests"),
        ({"type": 1, "price": 1001, "size": 9}, "price must be in"),
        ({"type": 4, "size": 9, "trigger": 0}, "trigger must be in"),
        ({"type": 4, "size": 9, "trigger": 5, "by": 2}, "by must be TriggerBy"),
        ({"type": 5, "size": 9, "trigger": 5, "flags": 1}, "POST_ONLY and MARKET"),
        ({"type": 0, "price": 5, "size": 9, "flags": 4}, "SLIDE must be joined"),
        ({"type": 0, "price": 5, "size": 9, "flags": 40}, "cannot be joined"),
        ({"type": 0, "price": 5, "size": 9, "flags": 2}, "REDUCE_ONLY"),
        ({"type": 6, "side": 3}, "side must be Side.BID, Side.ASK or 2"),
        ({"type": 6, "account": -1}, "account must be in"),
        ({"type": 7, "price": 0}, "price must be in"),
        ({"type": 8, "expires_ns": -1}, "expires_ns must not be negative"),
        ({"type": 0, "price": 5, "size": 9, "expires_ns": -1}, "expires_ns must not be negative"),
    ],
)
def test_a_bad_row_of_a_wide_batch_is_refused_with_its_number(
    fields: dict[str, int], words: str
) -> None:
    book = OrderBook(1000)
    good = wide(type=Command.LIMIT, price=5, size=1)
    before = book.state_hash()
    with pytest.raises(InputError, match=words) as caught:
        book.apply(np.concatenate([good, wide(**fields)]))
    assert caught.value.row == 1
    assert book.state_hash() == before
    book.apply(np.concatenate([good, wide(**fields), good]), on_bad="reject")
    assert book.results.tolist()[1] == Reject.BAD_MESSAGE
    assert len(book) == 2


def test_entries_of_orders_that_are_gone_do_not_pile_up() -> None:
    """100,000 expiring orders and stops come and go; what waits for the clock stays small."""
    book = OrderBook(1000)
    order, stop = wide(type=0, price=5, size=1, expires_ns=9), wide(type=4, size=1, trigger=900)
    stop["expires_ns"] = 9
    one = book.submit(BID, 5, 1), book.stop(BID, 1, 900)
    for name in one:
        book.cancel(name)
    rows = np.concatenate([order, stop, wide(type=6, side=2)] * 20)
    book.apply(rows)
    tracemalloc.start()
    for _ in range(1_000):
        book.apply(rows)
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < 50_000
    assert (len(book), book.waiting) == (0, 0)
    book._check()
    assert book.advance(9) == 0


# ------------------------------------------------------------------ beside special orders


def special() -> OrderBook:
    """A book with an iceberg far away: its commands go the long way round."""
    book = OrderBook(1000)
    book.submit(ASK, 900, 10, display=3)
    return book


def test_amending_to_nothing_cancels_whatever_else_rests() -> None:
    book = special()
    plain, ice = book.submit(BID, 100, 5), book.submit(BID, 100, 8, display=2)
    for order in (plain, ice):
        assert book.amend(order, size=0) == 0
        assert book.order(order) is None
        book._check()
    assert book.depth(1).bids.tolist() == []


def test_a_post_only_order_does_not_take_after_a_change_either() -> None:
    """Refused it stays as it was; one that slides goes next to the other side instead."""
    book = special()
    book.submit(ASK, 100, 5)
    plain = book.submit(BID, 90, 4, flags=OrderFlag.POST_ONLY)
    slides = book.submit(BID, 80, 2, flags=SLIDE)
    before = book.state_hash()
    assert book.amend(plain, price=100) == Reject.POST_ONLY_WOULD_CROSS
    assert book.state_hash() == before
    assert book.amend(slides, price=120) == slides
    assert book.depth(3).bids.tolist() == [[99, 2], [90, 4]]
    assert fills(book) == []


def test_an_order_that_gives_way_to_its_account_is_not_moved_into_it() -> None:
    book = OrderBook(1000)
    book.submit(ASK, 100, 5, account=7)
    order = book.submit(BID, 90, 4, account=7, flags=NEWEST)
    before = book.state_hash()
    assert book.amend(order, price=100) == Reject.SELF_TRADE
    assert book.state_hash() == before
    assert book.amend(order, price=99) == order
    assert book.depth(1).bids.tolist() == [[99, 4]]


def test_many_expiries_that_went_early_are_forgotten_and_the_others_kept() -> None:
    """200 orders with a time, 150 of them cancelled; the next to come tidies up."""
    book = OrderBook(1000)
    orders = [book.submit(BID, 100, 1, expires_ns=10 + at) for at in range(200)]
    stop = book.stop(BID, 5, 500, expires_ns=105)
    for order in orders[:150]:
        assert book.cancel(order) == 1
    late = book.submit(BID, 100, 1, expires_ns=1_000)
    book._check()
    assert book.advance(159) == 1  # The stop; orders[150] is for 160.
    assert book.waiting == 0
    with pytest.raises(InputError, match="must be the id of a resting order"):
        book.cancel(stop)
    assert [book.advance(at) for at in (160, 161, 209, 999)] == [1, 1, 48, 0]
    assert book.order(late) is not None
    assert book.advance(1_000) == 1
    assert len(book) == 0


def test_many_stops_that_went_early_are_forgotten_and_the_others_fire() -> None:
    """200 stops from 500 up, of which 150 are cancelled; a trade at 699 fires the other 50."""
    book = OrderBook(1000)
    stops = [book.stop(BID, 1, 500 + at, account=1) for at in range(200)]
    for stop in stops[:150]:
        assert book.cancel(stop) == 1
    assert book.stop(BID, 1, 650, account=1) > 0
    book._check()
    assert book.waiting == 51
    book.submit(ASK, 699, 100)
    book.market(BID, 1)
    book._check()
    assert book.waiting == 0
    assert len(book.fired) == 51
    assert book.depth(1).asks.tolist() == [[699, 100 - 1 - 51]]


def test_a_stop_whose_time_is_over_is_refused() -> None:
    book = OrderBook(1000)
    book.advance(10)
    assert book.stop(BID, 5, 500, expires_ns=10) == Reject.EXPIRED
    assert book.stop(BID, 5, 500, expires_ns=11) > 0
    assert book.waiting == 1


@pytest.mark.parametrize(
    ("size", "display"), [(1, 1), (5, 3), (3 * 1_024, 3), (3 * 1_024 + 1, 4), (8_000, 8)]
)
def test_a_stop_that_changes_still_shows_itself_at_most_1024_times(size: int, display: int) -> None:
    """Display 3: no more than there is, and at least size / 1024, rounded up."""
    book = OrderBook(1000)
    stop = book.stop(BID, 10, 500, price=600, display=3)
    assert book.amend(stop, size=size) == stop
    book.submit(ASK, 500, 1)
    book.market(BID, 1)
    (fired,) = book.fired
    details = book.details(int(fired["result"]))
    assert details is not None
    assert (details.size, details.display, details.shown) == (size, display, display)
    book._check()


def test_an_order_in_its_queue_that_changes_in_a_call_phase_goes_to_the_pen() -> None:
    book = OrderBook(1000)
    first, second = book.submit(BID, 100, 5), book.submit(BID, 100, 3)
    book.collect()
    assert book.amend(first, size=7) == first
    book._check()
    order = book.order(first)
    assert order is not None and order.size == 7
    assert book.depth(1).bids.tolist() == [[100, 3]]
    book.submit(ASK, 100, 4)
    book.uncross()
    assert book.order(second) is None  # It kept its place: 3, then 1 of the other.
    order = book.order(first)
    assert order is not None and order.size == 6


def test_a_market_order_with_a_limit_needs_a_side() -> None:
    book = OrderBook(1000)
    book.submit(ASK, 100, 5)
    before = book.state_hash()
    with pytest.raises(InputError, match=r"side must be Side.BID or Side.ASK, got 2"):
        book.market(2, 5, limit=100)
    assert book.state_hash() == before
    assert book.market(BID, 5, limit=100) == 0


def test_an_impact_that_cannot_be_asked_leaves_the_book_free() -> None:
    book = OrderBook(1000)
    with pytest.raises(InputError, match="side must be"):
        book.impact(2, [1])
    assert book.submit(BID, 100, 5) > 0
