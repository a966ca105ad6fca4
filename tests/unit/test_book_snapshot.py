"""A book as bytes and back; bytes that are none, or were changed to hurt, are refused."""

from __future__ import annotations

import random

import pytest

from ordercascade import InputTypeError, OrderBook, OrderFlag, Side, SnapshotError
from ordercascade.enums import TriggerBy
from unit.book_bytes import HEADER, signed, words_of

BID, ASK = Side.BID, Side.ASK


def filled() -> OrderBook:
    """A book with something of everything."""
    book = OrderBook(1000, order_max=64, account_max=50, chain=True)
    ids = [book.submit(BID, 100 - k, 5 + k, account=k, flags=k % 2 * 8) for k in range(6)]
    book.submit(ASK, 110, 20, display=3, account=7, expires_ns=50)
    book.submit(ASK, 112, 9, account=8)
    book.cancel(ids[2])
    book.cancel(ids[4])
    book.market(BID, 5)
    book.stop(BID, 2, 111, account=3)
    book.cancel(book.stop(BID, 1, 500))
    book.stop(ASK, 3, 90, price=80, account=4, expires_ns=99, by=TriggerBy.MARK)
    book.stop(BID, 8, 130, price=140, display=2, account=5)
    book.set_mark(105)
    book.advance(10)
    book.collect()
    book.submit(BID, 120, 6, account=9, display=2)
    book.submit(ASK, 90, 4, account=10, expires_ns=44)
    return book


def test_a_restored_book_is_the_same_and_goes_on_the_same() -> None:
    book = filled()
    other = OrderBook.restore(book.snapshot())
    assert other.state_hash() == book.state_hash()
    assert other.snapshot() == book.snapshot()
    assert (other.chain, other.collected, other.waiting) == (book.chain, 2, 3)
    for both in (book, other):
        both.uncross()
        both.submit(BID, 130, 40, account=2)
        both.set_mark(80)
        both.advance(60)
    assert other.state_hash() == book.state_hash()
    assert other.fired.tolist() == book.fired.tolist()
    assert other.chain == book.chain
    other._check()


def test_a_plain_book_and_an_empty_one_come_back() -> None:
    book = OrderBook(10**6)
    assert OrderBook.restore(book.snapshot()).state_hash() == book.state_hash()
    ids = [book.submit(BID, 1 + 7919 * k % 10**6, k + 1, account=k) for k in range(500)]
    for order in ids[::3]:
        book.cancel(order)
    other = OrderBook.restore(bytearray(book.snapshot()))
    assert other.state_hash() == book.state_hash()
    assert other.chain is None
    assert other.submit(BID, 5, 5) == book.submit(BID, 5, 5)


def test_the_chain_is_the_same_for_calls_and_batches_and_skips_what_was_refused() -> None:
    calls, batch = OrderBook(1000, chain=True), OrderBook(1000, chain=True)
    import numpy as np

    from ordercascade import MESSAGE_DTYPE

    start = calls.chain
    assert start == batch.chain
    calls.submit(BID, 100, 5, account=1)
    calls.submit(ASK, 100, 1, flags=OrderFlag.POST_ONLY)
    calls.submit(ASK, 100, 2)
    rows = np.zeros(3, MESSAGE_DTYPE)
    rows["price"], rows["size"], rows["side"] = 100, [5, 1, 2], [0, 1, 1]
    rows["flags"], rows["account"] = [0, 1, 0], [1, 0, 0]
    batch.apply(rows)
    assert calls.chain == batch.chain != start
    before = batch.chain
    batch.apply(rows[:0])
    assert batch.chain == before
    assert OrderBook(5).chain is None


def test_bad_J04_another_version_or_byte_order_or_no_book_at_all() -> None:
    words = words_of(filled())
    for place, value, rule in (
        (0, 1, "is no book"), (1, 2 << 32 | 0x01020304, "is version 2, this build reads 1"),
        (1, 1 << 32 | 0x04030201, "byte order"),
    ):  # fmt: skip
        changed = [*words]
        changed[place] = value
        with pytest.raises(SnapshotError, match=rule):
            OrderBook.restore(signed(changed))
    with pytest.raises(SnapshotError, match="is no book"):
        OrderBook.restore(b"")
    with pytest.raises(InputTypeError, match="data must be bytes, got str"):
        OrderBook.restore("OCBOOK")


def test_bad_J03_a_flipped_bit_is_found() -> None:
    saved = bytearray(filled().snapshot())
    for place in range(0, 8 * len(saved), 61):
        saved[place // 8] ^= 1 << place % 8
        with pytest.raises(SnapshotError):
            OrderBook.restore(saved)
        saved[place // 8] ^= 1 << place % 8
    OrderBook.restore(saved)


def test_bad_J02_a_tail_cut_anywhere_is_found() -> None:
    saved = filled().snapshot()
    words = words_of(filled())
    for length in range(len(saved)):
        with pytest.raises(SnapshotError):
            OrderBook.restore(saved[:length])
    for length in range(HEADER, len(words)):
        with pytest.raises(SnapshotError):
            OrderBook.restore(signed(words[:length]))
    with pytest.raises(SnapshotError, match="goes on after its end"):
        OrderBook.restore(signed([*words, 0]))


def simple() -> list[int]:
    """A bid of 5 at 100 in slot 0 and an ask of 6 at 110 in slot 1, slot 2 free.

    Words: 12 count of bids, 13 slot, 14 price, 15 size; 18 count of asks, 19 slot, 20 price …
    """
    book = OrderBook(1000, order_max=8)
    book.submit(BID, 100, 5)
    book.submit(ASK, 110, 6)
    book.cancel(book.submit(BID, 50, 1))
    words = words_of(book)
    assert words[12:19] == [1, 0, 100, 5, 0, 0, 1]
    assert words[19:30] == [1, 110, 6, 0, 0, 1, 1, 2, 1, 2, 0]
    return words


def test_bad_J11_a_crossed_book() -> None:
    words = simple()
    words[20] = 100
    with pytest.raises(SnapshotError, match="best bid 100 >= best ask 100"):
        OrderBook.restore(signed(words))


@pytest.mark.parametrize(
    ("place", "value", "rule"),
    [
        (19, 0, "slot 0 holds two orders"),
        (13, 3, r"must be in \[0, 2\], got 3"),
        (13, -1, r"must be in \[0, 2\]"),
        (14, 1001, r"must be in \[1, 1000\]"),
        (15, 0, r"must be in \[1, "),
        (16, 2**24, r"must be in \[0, 16777215\]"),
        (17, 4, "flags of a resting order"),
        (17, 2, "flags of a resting order"),
        (12, 2**62, r"must be in \[0, "),
        (11, 2**29, r"must be in \[0, 8\]"),
        (24, 0, r"generation\): must be in \[1, "),
        (28, 1, "slot 1 is named twice or holds an order"),
        (27, 2, "slot 0 is named twice"),
        (7, 2**31, "price_max"),
    ],
)
def test_bad_J12_an_index_or_number_out_of_its_range(place: int, value: int, rule: str) -> None:
    words = simple()
    words[place] = value
    with pytest.raises(SnapshotError, match=rule):
        OrderBook.restore(signed(words))


def test_bad_J12_a_free_list_that_goes_round_or_leaves_somebody_out() -> None:
    words = simple()
    with pytest.raises(SnapshotError, match="named twice"):
        OrderBook.restore(signed([*words[:27], 2, 2, 2, *words[29:]]))
    with pytest.raises(SnapshotError, match="breaks rule 10"):
        OrderBook.restore(signed([*words[:27], 0, *words[29:]]))


def test_bad_J14_right_digest_but_another_state_hash() -> None:
    words = simple()
    words[15] = 4
    with pytest.raises(SnapshotError, match="another state hash"):
        OrderBook.restore(signed(words))


def test_an_account_number_that_would_take_gigabytes_must_be_allowed_by_name() -> None:
    book = OrderBook(10, account_max=2**31 - 1)
    with pytest.raises(SnapshotError, match="must be at most account_max=16777215"):
        OrderBook.restore(book.snapshot())
    assert OrderBook.restore(book.snapshot(), account_max=2**31 - 1).state_hash() == (
        book.state_hash()
    )


def test_no_change_of_words_gets_through_or_crashes() -> None:
    """6,000 hostile changes with a right digest: refused, or the book that the bytes say."""
    draw = random.Random(11)
    words = words_of(filled())
    loaded = 0
    for _ in range(6_000):
        changed = [*words]
        for _ in range(draw.choice([1, 1, 1, 2, 4])):
            place = draw.randrange(5, len(words))
            changed[place] = draw.choice(
                [0, 1, -1, 2, 2**30, 2**31, 2**62, 2**63 - 1, -(2**63), words[place] + 1,
                 words[place] - 1, words[draw.randrange(7, len(words))]]
            )  # fmt: skip
            changed[place] = min(max(changed[place], -(2**63)), 2**63 - 1)
        try:
            book = OrderBook.restore(signed(changed))
        except SnapshotError:
            continue
        book._check()
        loaded += 1
    assert loaded < 600  # The state hash refuses nearly all that passes the other checks.


def test_more_stops_than_the_book_may_have_are_refused() -> None:
    """4 stops and an order in a book for 4,242 that claims to be for 3."""
    book = OrderBook(1000, order_max=4_242)
    book.submit(BID, 100, 5)
    for price in range(500, 504):
        book.stop(BID, 1, price)
    words = words_of(book)
    (place,) = [at for at, word in enumerate(words) if word == 4_242]
    with pytest.raises(SnapshotError, match="another state hash"):  # 4 would do.
        OrderBook.restore(signed([*words[:place], 4, *words[place + 1 :]]))
    with pytest.raises(SnapshotError, match="stops.* must be at most order_max=3, got 4"):
        OrderBook.restore(signed([*words[:place], 3, *words[place + 1 :]]))
