"""The rows of the bad-input catalogue that a stand-alone book can meet; the row id is in the name.

Each: the exact class, the words, nothing changed, and the next good call succeeds.
Rows without a test here belong to features that the book does not have: external ids (B01, B02,
B07), self-trade policies (B11), stops (B15, B16), an `out` array (C11 to C13), tables of floats
and strings (C18 to C22). An id (B06) is the book's own, so every id it did not give is unknown.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from ordercascade import OrderBook, OrderFlag, OrderType, Reject, Side, TimeInForce
from ordercascade.core.book import MESSAGE_DTYPE
from ordercascade.errors import BusyError, InputError, InputTypeError, RangeError

BID, ASK = Side.BID, Side.ASK
NAN, INF = float("nan"), float("inf")


@pytest.fixture
def book() -> OrderBook:
    """A book with a bid of 5 at 99 by account 1 and an ask of 5 at 101 by account 2."""
    made = OrderBook(1000)
    made.submit(BID, 99, 5, account=1)
    made.submit(ASK, 101, 5, account=2)
    return made


def refused(book: OrderBook, kind: type[Exception], words: str, call: Callable[[], Any]) -> Any:
    """Check class, words, untouched state, and that a good call still works."""
    before = book.state_hash()
    with pytest.raises(kind) as caught:
        call()
    assert type(caught.value) is kind
    assert words in str(caught.value)
    assert book.state_hash() == before
    book._check()
    assert book.submit(BID, 50, 1) > 0
    return caught.value


def rows(count: int = 3, **fields: Any) -> np.ndarray:
    """Return good bids of 1 at 50, with the last row's fields replaced."""
    made = np.zeros(count, MESSAGE_DTYPE)
    made["price"], made["size"] = 50, 1
    for name, value in fields.items():
        made[name][-1] = value
    return made


@pytest.mark.parametrize("price", [NAN, INF, -INF, 100.0])
def test_bad_A01_A02_A03_a_float_price(book: OrderBook, price: float) -> None:
    words = "price must be an int number of ticks, got float"
    error = refused(book, InputTypeError, words, lambda: book.submit(BID, price, 1))
    assert ("market.to_ticks(100.0)" in str(error)) == (price == 100.0)


@pytest.mark.parametrize("price", [0, -1, 1001])
def test_bad_A06_A07_a_price_outside_the_ladder(book: OrderBook, price: int) -> None:
    words = f"price must be in [1, price_max=1000], got {price}"
    error = refused(book, InputError, words, lambda: book.submit(BID, price, 1))
    assert (error.field, error.value) == ("price", price)


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, 10**400])
@pytest.mark.parametrize("field", ["price", "size", "account", "flags"])
def test_bad_A08_a_number_beyond_64_bits(book: OrderBook, field: str, value: int) -> None:
    fields = {"price": 50, "size": 1, "account": 0, "flags": 0} | {field: value}
    price, size = fields.pop("price"), fields.pop("size")
    words = f"{field} does not fit int64"
    error = refused(book, RangeError, words, lambda: book.submit(BID, price, size, **fields))
    assert len(str(error)) < 100


@pytest.mark.parametrize("size", [0, -5, 2**40 + 1, -(2**63), 2**63 - 1])
def test_bad_A09_A10_a_size_outside_its_range(book: OrderBook, size: int) -> None:
    words = f"size must be in [1, 2**40], got {size}"
    refused(book, InputError, words, lambda: book.submit(BID, 50, size))


def test_bad_A11_a_level_never_passes_its_bound() -> None:
    """2**22 orders of 2**40 lots fill a level to 2**62; one lot more is refused as data."""
    book = OrderBook(10, order_max=2**23)
    made = np.zeros(2**18, MESSAGE_DTYPE)
    made["price"], made["size"] = 5, 2**40
    for _ in range(2**4):
        book.apply(made)
    assert book.depth(1).bids.tolist() == [[5, 2**62]]
    before = book.state_hash()
    assert book.submit(BID, 5, 1) == Reject.LEVEL_FULL
    assert book.state_hash() == before
    elsewhere = book.submit(BID, 4, 1)
    assert book.amend(elsewhere, price=5) == Reject.LEVEL_FULL
    assert book.submit(ASK, 5, 1) == 0
    assert book.amend(elsewhere, price=5) == elsewhere


def test_bad_A13_a_bool_is_no_size(book: OrderBook) -> None:
    refused(book, InputTypeError, "got bool", lambda: book.submit(BID, 50, True))
    refused(book, InputTypeError, "size must be an int", lambda: book.submit(BID, 50, np.True_))


def test_bad_A14_integers_of_numpy_are_welcome(book: OrderBook) -> None:
    assert book.submit(np.int8(0), np.int64(50), np.uint16(5), account=np.int32(3)) > 0


@pytest.mark.parametrize("size", [np.float64(5), Decimal(5), Fraction(5), "5", None, [5]])
def test_bad_A15_other_kinds_of_number(book: OrderBook, size: Any) -> None:
    words = f"size must be an int number of lots, got {type(size).__name__}"
    refused(book, InputTypeError, words, lambda: book.submit(BID, 50, size))


def test_bad_A16_a_number_that_calls_the_book_back(book: OrderBook) -> None:
    class Caller:
        def __index__(self) -> int:
            book.submit(BID, 60, 1)
            return 5

    refused(book, BusyError, "running already", lambda: book.submit(BID, 50, Caller()))


def test_bad_A17_a_number_that_fails_keeps_its_own_error(book: OrderBook) -> None:
    class Broken:
        def __index__(self) -> int:
            raise ZeroDivisionError("mine")

    class Liar:
        def __index__(self) -> Any:
            return "5"

    refused(book, ZeroDivisionError, "mine", lambda: book.submit(BID, 50, Broken()))
    refused(book, TypeError, "__index__", lambda: book.submit(BID, 50, Liar()))


def test_bad_A18_an_int_with_manners_of_its_own_counts_by_its_value(book: OrderBook) -> None:
    class Odd(int):
        def __eq__(self, other: object) -> bool:
            raise ZeroDivisionError

        __hash__ = __index__ = __eq__  # type: ignore[assignment]

    assert book.submit(BID, Odd(50), Odd(5)) > 0


@pytest.mark.parametrize("side", [-1, 2, 256])
def test_bad_A19_a_side_that_is_none(book: OrderBook, side: int) -> None:
    words = "side must be Side.BID or Side.ASK"
    refused(book, InputError, words, lambda: book.submit(side, 50, 1))
    refused(book, InputTypeError, words, lambda: book.submit("buy", 50, 1))
    refused(book, InputTypeError, words, lambda: book.submit(None, 50, 1))


def test_bad_A20_unknown_times_in_force_types_and_flags(book: OrderBook) -> None:
    wrong = "must be one of TimeInForce"
    refused(book, InputError, wrong, lambda: book.submit(BID, 50, 1, tif=3))
    bits = "unknown flag bits 0x40"
    refused(book, InputError, bits, lambda: book.submit(BID, 50, 1, flags=0x41))
    types = "must be OrderType.LIMIT or OrderType.MARKET"
    refused(book, InputError, types, lambda: book.submit(BID, 50, 1, type=OrderType.CANCEL))
    refused(book, InputError, "type must be", lambda: book.submit(BID, 50, 1, type=9))


def test_bad_A21_flags_that_cannot_be_joined(book: OrderBook) -> None:
    post = OrderFlag.POST_ONLY
    for tif in (TimeInForce.IOC, TimeInForce.FOK):
        words = f"flags POST_ONLY and {tif.name} cannot be joined"
        refused(
            book, InputError, words, lambda tif=tif: book.submit(BID, 50, 1, tif=tif, flags=post)
        )
    refused(
        book,
        InputError,
        "POST_ONLY and MARKET",
        lambda: book.submit(BID, 0, 1, type=OrderType.MARKET, flags=post),
    )
    refused(
        book,
        InputError,
        "REDUCE_ONLY",
        lambda: book.submit(BID, 50, 1, flags=OrderFlag.REDUCE_ONLY),
    )


@pytest.mark.parametrize("account", [-1, 2**24, 2**31])
def test_bad_an_account_outside_its_range(book: OrderBook, account: int) -> None:
    words = f"account must be in [0, {2**24 - 1}], got {account}"
    refused(book, InputError, words, lambda: book.submit(BID, 50, 1, account=account))


@pytest.mark.parametrize("order_id", [0, -1, 1, 2**63 - 1, -(2**63), 2**32 + 77, 2**33])
def test_bad_B03_B06_an_id_that_is_not_resting(book: OrderBook, order_id: int) -> None:
    words = "order_id must be the id of a resting order"
    refused(book, InputError, words, lambda: book.cancel(order_id))
    refused(book, InputError, words, lambda: book.amend(order_id, size=1))
    assert book.order(order_id) is None
    book.apply(rows(1, type=OrderType.CANCEL, order_id=order_id))
    assert book.results.tolist() == [Reject.UNKNOWN_ORDER]


def test_bad_B04_the_same_id_cancelled_twice_in_a_batch(book: OrderBook) -> None:
    order = book.submit(BID, 50, 7)
    book.apply(rows(1, type=OrderType.CANCEL, order_id=order).repeat(2))
    assert book.results.tolist() == [7, Reject.UNKNOWN_ORDER]


def test_bad_B05_another_account_s_order(book: OrderBook) -> None:
    order = book.submit(BID, 50, 7, account=1)
    before = book.state_hash()
    assert book.cancel(order, account=2) == Reject.NOT_OWNER
    assert book.amend(order, size=1, account=2) == Reject.NOT_OWNER
    book.apply(rows(1, type=OrderType.CANCEL, order_id=order, account=2))
    assert book.results.tolist() == [Reject.NOT_OWNER]
    assert book.state_hash() == before
    assert book.cancel(order, account=1) == 7


def test_bad_B08_a_full_pool_refuses_before_it_matches() -> None:
    """Room for two: an ask that would first free a slot by trading is refused as well."""
    book = OrderBook(1000, order_max=2)
    book.submit(BID, 99, 1)
    book.submit(BID, 98, 1)
    before = book.state_hash()
    assert book.submit(BID, 97, 1) == Reject.POOL_FULL
    assert book.submit(ASK, 99, 2) == Reject.POOL_FULL
    assert len(book.fills) == 0
    assert book.state_hash() == before
    assert book.submit(ASK, 99, 1, tif=TimeInForce.IOC) == 0


def test_bad_B09_a_market_order_into_an_empty_side() -> None:
    book = OrderBook(1000)
    book.submit(BID, 99, 1)
    assert book.market(BID, 1) == Reject.NO_LIQUIDITY
    assert len(book.fills) == 0


def test_bad_B10_a_fok_order_one_lot_short_leaves_the_book_untouched(book: OrderBook) -> None:
    before = book.state_hash()
    refusal = book.submit(BID, 101, 6, tif=TimeInForce.FOK)
    assert refusal == Reject.FOK_NOT_FILLABLE
    assert book.submit(BID, 100, 1, tif=TimeInForce.FOK) == Reject.FOK_NOT_FILLABLE
    assert book.state_hash() == before
    assert book.submit(BID, 101, 5, tif=TimeInForce.FOK) == 0


def test_bad_B12_amend_to_nothing_to_a_wrong_size_and_into_the_other_side(book: OrderBook) -> None:
    order = book.submit(BID, 50, 7)
    refused(book, InputError, "size must be in [0,", lambda: book.amend(order, size=-1))
    refused(book, InputError, "price must be in [1, 1000]", lambda: book.amend(order, price=0))
    assert book.amend(order, price=101, size=6) == order
    assert book.fills["size"].tolist() == [5]
    assert book.amend(order, size=0) == 0
    assert book.order(order) is None


def test_bad_B13_the_best_prices_of_an_empty_book() -> None:
    book = OrderBook(1000)
    assert book.best_bid is None
    assert book.best_ask is None


def test_bad_B14_depth_of_no_levels_and_of_very_many(book: OrderBook) -> None:
    for levels in (0, -1):
        refused(book, InputError, "levels must be in [1,", lambda n=levels: book.depth(n))
    assert len(book.depth(10**9).asks) == 1


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros(3), "messages must be MESSAGE_DTYPE, got float64"),
        (np.zeros(3, np.int32), "got int32"),
        (np.zeros(3, object), "got object"),
        (np.zeros(3, "M8[ns]"), "got datetime64[ns]"),
        (np.zeros(3, MESSAGE_DTYPE.newbyteorder()), "native byte order"),
        (np.zeros(3, np.dtype(MESSAGE_DTYPE.descr[::-1])), "size, price"),
        (np.zeros(3, np.dtype([*MESSAGE_DTYPE.descr, ("pad", "i8")])), "in 40 bytes"),
        (None, "got NoneType"),
        ([1, 2], "got list"),
        (np.ma.zeros(3, MESSAGE_DTYPE), "mask would be lost"),
    ],
)
def test_bad_C01_C02_C03_C06_C07_C16_other_arrays(book: OrderBook, array: Any, words: str) -> None:
    refused(book, InputTypeError, words, lambda: book.apply(array))


def test_bad_C04_C05_C09_arrays_of_another_shape_or_place(book: OrderBook) -> None:
    for array in (rows(6)[::2], rows(6)[::-1]):
        refused(book, InputError, "ascontiguousarray", lambda a=array: book.apply(a))
    flat = rows(4).reshape(2, 2)
    refused(book, InputError, "must have shape (n,), got (2, 2)", lambda: book.apply(flat))
    odd = np.frombuffer(memoryview(bytearray(33))[1:], MESSAGE_DTYPE)
    refused(book, InputError, "must be 8-byte aligned", lambda: book.apply(odd))


def test_bad_C08_no_rows_are_no_messages(book: OrderBook) -> None:
    before = book.state_hash()
    assert len(book.apply(rows(0))) == len(book.results) == 0
    assert book.state_hash() == before


def test_bad_C10_a_read_only_array_is_welcome(book: OrderBook) -> None:
    array = rows()
    array.flags.writeable = False
    book.apply(array)
    assert len(book) == 5


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"type": 4}, "type must be one of OrderType, got 4 (row 2)"),
        ({"side": 2}, "side must be Side.BID or Side.ASK, got 2 (row 2)"),
        ({"tif": 3}, "tif must be one of TimeInForce, got 3 (row 2)"),
        ({"flags": 0x80}, "unknown flag bits 0x80, got 128 (row 2)"),
        ({"flags": 2}, "REDUCE_ONLY"),
        ({"flags": 1, "tif": 2}, "POST_ONLY and FOK cannot be joined"),
        ({"account": -1}, "account must be in [0, 16777215], got -1 (row 2)"),
        ({"account": 2**24}, "got 16777216 (row 2)"),
        ({"type": OrderType.CANCEL, "account": -2}, "got -2 (row 2)"),
        ({"price": 0}, "price must be in [1, price_max=1000], got 0 (row 2)"),
        ({"price": 1001}, "got 1001 (row 2)"),
        ({"price": -(2**63)}, "(row 2)"),
        ({"type": OrderType.AMEND, "price": -1}, "price must be in [0, price_max=1000]"),
        ({"type": OrderType.AMEND, "price": 1001}, "got 1001 (row 2)"),
        ({"size": 0}, "size must be in [1, 2**40], got 0 (row 2)"),
        ({"size": 2**40 + 1}, "(row 2)"),
        ({"type": OrderType.MARKET, "size": 0}, "size must be in [1, 2**40], got 0 (row 2)"),
        ({"type": OrderType.AMEND, "size": -1}, "size must be in [0, 2**40], got -1 (row 2)"),
    ],
)
def test_bad_rows_are_named_or_become_reject_codes(
    book: OrderBook, fields: dict[str, int], words: str
) -> None:
    array = rows(**fields)
    error = refused(book, InputError, words, lambda: book.apply(array))
    assert error.row == 2
    book.apply(array, on_bad="reject")
    assert book.results[2] == Reject.BAD_MESSAGE
    assert (book.results[:2] > 0).all()
    book._check()


def test_every_row_at_the_edge_of_its_rules_is_good(book: OrderBook) -> None:
    array = rows(6, type=OrderType.MARKET, price=-5)
    array["price"][:2], array["size"][:2] = (1, 1000), 2**40
    array["account"][2] = 2**24 - 1
    array["type"][3:5], array["account"][3:5] = (OrderType.CANCEL, OrderType.AMEND), -1
    array["side"][3:5], array["tif"][3:5], array["flags"][3:5] = 9, 9, 9
    array["price"][4], array["size"][4] = 1000, 2**40
    book.apply(array)
    assert Reject.BAD_MESSAGE not in book.results.tolist()


def test_bad_on_bad_is_one_of_two_words(book: OrderBook) -> None:
    words = "on_bad must be 'raise' or 'reject'"
    refused(book, InputError, words, lambda: book.apply(rows(), on_bad="ignore"))


def test_bad_construction() -> None:
    for price_max in (0, 2**31):
        with pytest.raises(InputError, match="^price_max must be in"):
            OrderBook(price_max)
    with pytest.raises(InputTypeError, match="price_max must be an int number of ticks, got float"):
        OrderBook(1e6)
    with pytest.raises(InputError, match="^order_max must be in"):
        OrderBook(10, order_max=0)
    with pytest.raises(InputError, match="^account_max must be in"):
        OrderBook(10, account_max=-1)


def test_bad_G13_G14_no_pickle_and_no_shallow_copy(book: OrderBook) -> None:
    refused(book, InputTypeError, "copy() method", lambda: copy.copy(book))
    refused(book, InputTypeError, "copy() method", lambda: copy.deepcopy(book))
    refused(book, InputTypeError, "send the messages", lambda: pickle.dumps(book))


def test_bad_G15_a_second_init(book: OrderBook) -> None:
    refused(book, InputTypeError, "not initialised again", lambda: book.__init__(10))
