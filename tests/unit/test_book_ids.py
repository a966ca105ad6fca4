"""Ids that the caller gives: the same book under other names, and names made to do harm."""

from __future__ import annotations

import random
import time
from typing import Any

import numpy as np
import pytest

from ordercascade import (
    InputError,
    OrderBook,
    OrderFlag,
    OrderType,
    Reject,
    Side,
    SnapshotError,
    TimeInForce,
)
from ordercascade.core.book import MESSAGE_DTYPE, WIDE_DTYPE
from ordercascade.enums import Command
from unit.book_bytes import signed, words_of
from unit.c_functions import function

BID, ASK = Side.BID, Side.ASK
MASK = 2**64 - 1


def external(**how: Any) -> OrderBook:
    return OrderBook(1000, ids="external", **how)


def test_orders_fills_and_queues_carry_the_caller_s_ids() -> None:
    book = external()
    assert book.submit(ASK, 100, 3, order_id=2**63 - 1, account=1) == 2**63 - 1
    assert book.submit(ASK, 100, 4, order_id=7, account=2) == 7
    assert book.queue(ASK, 100)["order_id"].tolist() == [2**63 - 1, 7]
    assert book.position(7) == (1, 3)
    assert book.submit(BID, 100, 5, order_id=9) == 0
    assert book.fills[["maker_order", "taker_order"]].tolist() == [(2**63 - 1, 9), (7, 9)]
    assert book.market(BID, 1) == 0
    assert book.fills["taker_order"].tolist() == [0]
    assert book.amend(7, size=1, price=101) == 7
    assert book.cancel(7) == 1
    book._check()


def test_bad_B01_an_id_that_rests_is_refused() -> None:
    book = external()
    book.submit(BID, 100, 5, order_id=7)
    before = book.state_hash()
    with pytest.raises(InputError, match="must be new: order id 7 is already resting, got 7"):
        book.submit(BID, 90, 1, order_id=7)
    with pytest.raises(InputError, match="order id 7 is already resting"):
        book.stop(BID, 1, 500, order_id=7)
    rows = np.zeros(1, MESSAGE_DTYPE)
    rows["order_id"], rows["price"], rows["size"] = 7, 5, 5
    book.apply(rows)
    assert book.results.tolist() == [Reject.DUPLICATE_ID]
    assert book.state_hash() == before


def test_bad_B02_an_id_that_is_gone_may_be_used_again() -> None:
    book = external()
    for _ in range(3):
        book.submit(BID, 100, 5, order_id=7)
        book.market(ASK, 5)
        book.submit(BID, 100, 5, order_id=7)
        book.cancel(7)
    book._check()


def test_bad_B02_a_strict_book_takes_no_id_twice() -> None:
    book = external(strict_ids=True)
    book.submit(BID, 100, 5, order_id=7)
    book.market(ASK, 5, order_id=8)
    book.submit(BID, 100, 5, order_id=9, tif=TimeInForce.IOC)
    book.submit(BID, 100, 5, order_id=10, flags=OrderFlag.POST_ONLY)
    book.cancel(10)
    before = book.state_hash()
    for order in (7, 8, 9, 10):
        with pytest.raises(InputError, match=f"order id {order} is one that strict_ids remembers"):
            book.submit(BID, 100, 5, order_id=order)
    rows = np.zeros(5, MESSAGE_DTYPE)
    rows["order_id"], rows["price"], rows["size"] = [7, 8, 9, 10, 11], 5, 5
    assert book.state_hash() == before
    for same in (book, book.copy(), OrderBook.restore(book.snapshot())):
        assert same.state_hash() == before
        same.apply(rows)
        assert same.results.tolist() == [Reject.DUPLICATE_ID] * 4 + [11]
        same._check()
    loose = external()
    loose.submit(BID, 100, 5, order_id=7)
    assert loose.cancel(7) == 5
    assert loose.state_hash() != before
    with pytest.raises(InputError, match="strict_ids must be False"):
        OrderBook(1000, strict_ids=True)


def test_ids_are_found_among_thousands_of_one_home() -> None:
    """A plain set beside the book, through growth, the tree, graves and moves."""
    draw = random.Random(3)
    crowd = homely(4_000, 24) + [draw.randrange(1, 2**63) for _ in range(500)]
    crowd += [b for k in range(300) for b in homely(2, 10, k)]  # neighbours: one long row of cells
    book = external(order_max=2**14)
    live: set[int] = set()
    for step in range(120):
        rows = np.zeros(200, MESSAGE_DTYPE)
        want = []
        for row in rows:
            name = draw.choice(crowd)
            row["order_id"], row["price"], row["size"] = name, 5, 1
            if draw.random() < (0.3 if step % 40 < 20 else 0.8):
                row["type"], row["account"] = OrderType.CANCEL, -1
                want.append(1 if name in live else Reject.UNKNOWN_ORDER)
                live.discard(name)
            else:
                want.append(Reject.DUPLICATE_ID if name in live else name)
                live.add(name)
        book.apply(rows)
        assert book.results.tolist() == want
        book._check()
    assert len(book) == len(live)
    assert set(book.queue(BID, 5)["order_id"].tolist()) == live


@pytest.mark.parametrize(
    ("spent", "rule"),
    [([2, 2], "twice or out of order"), ([3, 2], "twice or out of order"), ([5], "twice or out"),
     ([0], "must be in"), ([2**63 - 1, 1], "twice or out of order")],
)  # fmt: skip
def test_bad_J12_spent_ids_that_cannot_be(spent: list[int], rule: str) -> None:
    book = external(strict_ids=True)
    book.submit(BID, 100, 5, order_id=5)
    words = words_of(book)
    assert words[-2:] == [5, 0]
    with pytest.raises(SnapshotError, match=rule):
        OrderBook.restore(signed([*words[:-1], len(spent), *spent]))
    with pytest.raises(SnapshotError):
        OrderBook.restore(signed([*words[:-1], 2**40]))
    with pytest.raises(SnapshotError, match="state hash"):
        OrderBook.restore(signed([*words[:-1], 1, 4]))


def test_bad_J12_two_orders_of_one_id() -> None:
    book = external()
    book.submit(BID, 100, 5, order_id=5)
    book.submit(BID, 100, 5, order_id=6)
    words = words_of(book)
    assert words[-2:] == [5, 6]
    for name in (5, 0, -1):
        with pytest.raises(SnapshotError):
            OrderBook.restore(signed([*words[:-1], name]))


def test_the_c_functions_take_and_give_the_caller_s_ids() -> None:
    book = external()
    at = book.address
    submit, cancel, amend = (
        function("oc_submit_as", 9),
        function("oc_cancel", 3),
        function("oc_amend", 5),
    )
    assert submit(at, 77, 0, Side.ASK, 100, 5, 1, 0, 0) == 77
    assert submit(at, 77, 0, Side.ASK, 100, 5, 1, 0, 0) == Reject.DUPLICATE_ID
    assert function("oc_submit", 8)(at, 0, Side.ASK, 100, 5, 1, 0, 0) == Reject.BAD_MESSAGE
    assert function("oc_submit", 8)(at, 1, Side.BID, 0, 1, 1, 0, 0) == 0
    assert function("oc_fill_maker", 2)(at, 0) == 77
    assert amend(at, 77, 0, 2, -1) == 77
    assert cancel(at, 1 << 32, -1) == Reject.UNKNOWN_ORDER
    assert cancel(at, 77, 1) == 2
    own = OrderBook(1000)
    assert submit(own.address, 77, 0, Side.ASK, 100, 5, 1, 0, 0) == 1 << 32
    for same in (book.copy(), OrderBook.restore(book.snapshot())):
        assert submit(same.address, 3, 0, Side.ASK, 100, 5, 1, 0, 0) == 3


def test_bad_B03_an_unknown_id_is_refused() -> None:
    book = external()
    book.submit(BID, 100, 5, order_id=7)
    for order in (8, 0, -1, (1 << 32) + 0):  # The last one is the book's own id of order 7.
        assert book.order(order) is None
        with pytest.raises(InputError, match="order_id must be the id of a resting order"):
            book.cancel(order)


@pytest.mark.parametrize("order", [0, -1, -(2**63)])
def test_bad_B06_ids_are_positive(order: int) -> None:
    book = external()
    with pytest.raises(InputError, match=r"order_id must be in \[1, 2\*\*63 - 1\]"):
        book.submit(BID, 100, 5, order_id=order)
    rows = np.zeros(2, MESSAGE_DTYPE)
    rows["order_id"], rows["price"], rows["size"] = [3, order], 5, 5
    with pytest.raises(InputError, match=r"order_id must be in .* \(row 1\)"):
        book.apply(rows)
    assert len(book) == 0
    book.apply(rows, on_bad="reject")
    assert book.results.tolist() == [3, Reject.BAD_MESSAGE]


@pytest.mark.parametrize("kind", [11, 32, 36, 64, 255])
def test_an_unknown_type_is_named_before_a_missing_id(kind: int) -> None:
    for dtype in (MESSAGE_DTYPE, WIDE_DTYPE):
        rows = np.zeros(1, dtype)
        rows["type"], rows["price"], rows["size"] = kind, 5, 5
        with pytest.raises(InputError, match="type must be one of"):
            external().apply(rows)


def test_a_book_with_ids_of_its_own_takes_none_and_one_without_needs_them() -> None:
    with pytest.raises(InputError, match="order_id must be None: this book gives its own ids"):
        OrderBook(1000).submit(BID, 100, 5, order_id=7)
    with pytest.raises(InputError, match="order_id must be in"):
        external().submit(BID, 100, 5)
    with pytest.raises(InputError, match="ids must be 'own' or 'external'"):
        OrderBook(1000, ids="mine")  # type: ignore[arg-type]


def test_a_stop_hands_its_id_on_to_the_order_that_it_becomes() -> None:
    book = external()
    book.submit(ASK, 100, 1, order_id=1)
    assert book.stop(BID, 5, 100, price=99, order_id=2) == 2
    assert book.market(BID, 1, order_id=3) == 0
    assert book.fired.tolist() == [(2, 2)]
    assert book.order(2) == (BID, 99, 5, 0, 0)
    assert book.stop(BID, 5, 100, price=98, order_id=4) == 4  # It is met already.
    assert book.fired.tolist() == [(4, 4)]
    assert book.order(4) is not None
    book._check()


def rows_of(draw: random.Random, count: int, dtype: np.dtype[Any]) -> np.ndarray:
    """Random rows whose ids are among 1 .. 40."""
    wide = dtype == WIDE_DTYPE
    rows = np.zeros(count, dtype)
    kinds = [0, 0, 0, 0, 0, 1, 2, 2, 3] + ([4, 4, 5, 6, 7, 8, 9, 10] if wide else [])
    for row in rows:
        row["type"], row["side"] = draw.choice(kinds), draw.randrange(2)
        row["price"], row["size"] = draw.randint(95, 105), draw.randint(1, 9)
        row["order_id"], row["account"] = draw.randint(1, 40), draw.randrange(3)
        row["tif"] = draw.choice([0, 0, 0, 1, 2])
        row["flags"] = draw.choice([0, 0, 0, 8, 16, 32])
        if row["type"] in (2, 3):
            row["account"] = -1
        if wide:
            row["trigger"], row["by"] = draw.randint(95, 105), draw.randrange(2)
            if row["type"] == 0 and row["tif"] == 0:
                row["display"] = draw.choice([0, 0, 1, 2]) and min(2, int(row["size"]))
            if row["type"] == 8:
                row["expires_ns"] = draw.randint(0, 9)
    return rows


@pytest.mark.parametrize("dtype", [MESSAGE_DTYPE, WIDE_DTYPE])
def test_a_book_with_names_does_what_one_with_ids_of_its_own_does(dtype: np.dtype[Any]) -> None:
    """Row by row: names are put in on one side by a plain dictionary, on the other by the book."""
    draw = random.Random(7)
    for _ in range(60):
        named, own = external(order_max=12), OrderBook(1000, order_max=12)
        ids: dict[int, int] = {}  # name -> own id
        names: dict[int, int] = {}  # own id -> name; ids never come again
        rows = rows_of(draw, 120, dtype)
        for row in rows:
            one = np.array([row])
            name, kind = int(row["order_id"]), int(row["type"])
            live = name in ids and own.details(ids[name]) is not None
            named.apply(one)
            got = int(named.results[0])
            named._check()
            order = kind in (0, 1, 4, 5)
            if order and live:
                assert got == Reject.DUPLICATE_ID
                continue
            one["order_id"] = ids.get(name, 0) if not order else 0
            own.apply(one)
            want = int(own.results[0])
            mine = want if order else ids.get(name, 0)
            for stop, result in own.fired.tolist():
                if result > 0:
                    names[result] = names.get(stop, name)
                    ids[names[result]] = result
            if order and want > 0:
                ids[name], names[want] = want, name
            assert got == (name if want > 0 and (order or kind == 3) else want)
            assert named.fired.tolist() == [
                (names.get(stop, name), names[result] if result > 0 else result)
                for stop, result in own.fired.tolist()
            ]
            fills = own.fills
            assert named.fills["maker_order"].tolist() == [names[o] for o in fills["maker_order"]]
            for mine_is, taker in zip(
                named.fills["taker_order"].tolist(), fills["taker_order"].tolist(), strict=True
            ):
                assert mine_is == names[taker] if taker else mine_is in (0, name), mine
            assert named.fills["size"].tolist() == fills["size"].tolist()
        again = OrderBook.restore(named.snapshot())
        assert again.state_hash() == named.state_hash() == named.copy().state_hash()
        again._check()


def homely(count: int, bits: int, home: int = 0x5A5) -> list[int]:
    """Ids whose hash begins with the same `bits` bits: the directory's hash taken backwards."""
    found: list[int] = []
    inverse = pow(0x9E3779B97F4A7C15, -1, 2**64)
    tail = 0
    while len(found) < count:
        tail += 1
        folded = ((home << 64 - bits) + tail) * inverse & MASK
        name = folded ^ folded >> 32
        if 0 < name < 2**63:
            found.append(name)
    return found


def seconds(ids: list[int]) -> tuple[float, float]:
    """Return the time of the whole and of its slowest hundredth, per order, in pieces of 1,000."""
    book = OrderBook(1000, ids="external")
    rows = np.zeros(len(ids), MESSAGE_DTYPE)
    rows["order_id"], rows["price"], rows["size"] = ids, 5, 1
    pieces = []
    for start in range(0, len(rows), 1_000):
        at = time.thread_time()
        book.apply(rows[start : start + 1_000])
        pieces.append(time.thread_time() - at)
    assert len(book) == len(ids)
    pieces.sort()
    return sum(pieces), pieces[int(len(pieces) * 0.99)]


def test_bad_B07_ids_that_all_hash_to_one_cell_cost_at_most_twenty_times_as_much() -> None:
    """100,000 ids; bench_recipe.py --ids 10000000 does as many as the catalogue says."""
    count, draw = 100_000, random.Random(2)
    bad = homely(count, 24)
    good = [draw.randrange(1, 2**63) for _ in range(count)]
    in_a_row = list(range(1, count + 1))
    least = {}
    for what, ids in (("random", good), ("bad", bad), ("row", in_a_row)):
        tries = [seconds(ids) for _ in range(3)]
        least[what] = min(t[0] for t in tries), min(t[1] for t in tries)
    for what in ("bad", "row"):
        assert least[what][0] < 20 * least["random"][0]
        assert least[what][1] < 20 * least["random"][1]


def test_no_command_of_the_wide_form_names_what_is_not_there() -> None:
    book = external()
    rows = np.zeros(3, WIDE_DTYPE)
    rows["type"] = [Command.CANCEL, Command.AMEND, Command.UNCROSS]
    rows["order_id"], rows["account"], rows["size"] = [5, 6, 0], -1, 1
    book.apply(rows)
    assert book.results.tolist() == [Reject.UNKNOWN_ORDER, Reject.UNKNOWN_ORDER, 0]


def given_rows(dtype: Any, *given: dict[str, int]) -> np.ndarray:
    rows = np.zeros(len(given), dtype)
    for row, fields in zip(rows, given, strict=True):
        for name, value in ({"price": 100, "size": 5} | fields).items():
            row[name] = value
    return rows


@pytest.mark.parametrize("dtype", [MESSAGE_DTYPE, WIDE_DTYPE])
@pytest.mark.parametrize("beside", [False, True])
def test_bad_rows_of_a_book_with_names_are_answered_one_by_one(dtype: Any, beside: bool) -> None:
    """No name, no lots, no such type; the others run, whether or not an iceberg rests beside."""
    book = external()
    if beside:
        book.submit(ASK, 900, 10, display=3, order_id=99)
    rows = given_rows(
        dtype, {"order_id": 1}, {"order_id": 0}, {"order_id": 2, "size": 0},
        {"order_id": 3, "type": 99}, {"order_id": 4, "price": 1_001}, {"order_id": 5},
    )  # fmt: skip
    book.apply(rows, on_bad="reject")
    assert book.results.tolist() == [1, *[Reject.BAD_MESSAGE] * 4, 5]
    assert book.queue(BID, 100)["order_id"].tolist() == [1, 5]
    book._check()


def test_a_strict_book_remembers_the_names_of_a_batch() -> None:
    """1 rests and is taken by 2, which takes all of it; 3 is a market order without a maker."""
    book = external(strict_ids=True)
    first = given_rows(
        MESSAGE_DTYPE, {"order_id": 1}, {"order_id": 2, "side": ASK},
        {"order_id": 4, "tif": TimeInForce.IOC},
    )  # fmt: skip
    book.apply(first)
    assert book.results.tolist() == [1, 0, 0]
    assert book.fills[["maker_order", "taker_order"]].tolist() == [(1, 2)]
    book.apply(given_rows(MESSAGE_DTYPE, *({"order_id": name} for name in (1, 2, 4, 5))))
    assert book.results.tolist() == [Reject.DUPLICATE_ID] * 3 + [5]
    book._check()
    other = OrderBook.restore(book.snapshot())
    assert other.state_hash() == book.state_hash()


def test_a_fresh_book_knows_no_name() -> None:
    book = external()
    assert book.order(5) is None
    assert book.position(5) is None
    with pytest.raises(InputError, match="order_id must be the id of a resting order"):
        book.cancel(5)


def test_the_chain_of_wide_rows_is_that_of_the_plain_ones() -> None:
    """The same commands in either form; a row with anything else makes another chain."""
    given = [{"price": 100 + at % 3, "side": at % 2, "size": 1 + at} for at in range(20)]
    chains = []
    for dtype, rows in (
        (MESSAGE_DTYPE, given), (WIDE_DTYPE, given), (WIDE_DTYPE, [*given[:-1], {"price": 5}])
    ):  # fmt: skip
        book = OrderBook(1000, chain=True)
        book.apply(given_rows(dtype, *rows))
        chains.append(book.chain)
    assert chains[0] == chains[1] != chains[2]
