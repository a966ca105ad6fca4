"""Rows C of the bad-input catalogue: arrays and buffers, at the doors that take whole batches."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ordercascade as oc
from bad_inputs import doors
from bad_inputs.doors import BID, Door, messages, refused
from ordercascade.core.laws import OPENING_DTYPE

DTYPE = oc.MESSAGE_DTYPE


def bulk() -> Door:
    """The core venue before its start, as the door of whole populations."""
    return doors.building()


def put(door: Door, array: Any) -> Any:
    """Hand an array to the batch call of a door."""
    if door.world is None:
        return door.at.apply(array)
    return door.at.open_accounts(np.zeros(2, np.int64), array)


def good_rows(door: Door, count: int) -> np.ndarray:
    """Return rows that the batch call of a door takes."""
    if door.world is None:
        return messages(count)
    rows = np.zeros(count, OPENING_DTYPE)
    rows["account"], rows["size"] = np.arange(count), 1
    return rows


BOTH = pytest.mark.parametrize("make", [doors.book, bulk])


@BOTH
@pytest.mark.parametrize("dtype", ["f8", "i4", "u8", "O", "M8[ns]", "U3", "?"])
def test_bad_C01_C02_an_array_of_another_kind(make: Callable[[], Door], dtype: str) -> None:
    door = make()
    array = np.zeros(2, dtype)
    refused(door, oc.InputTypeError, f"must be …got {array.dtype}", lambda: put(door, array))


def test_bad_C01_messages_must_be_messages() -> None:
    door = doors.book()
    words = "messages must be MESSAGE_DTYPE, got float64"
    refused(door, oc.InputTypeError, words, lambda: door.at.apply(np.zeros(3)))


@BOTH
def test_bad_C03_swapped_bytes(make: Callable[[], Door]) -> None:
    door = make()
    array = good_rows(door, 2)
    array = array.astype(array.dtype.newbyteorder())
    words = "native byte order" if door.world is None else "must be OPENING_DTYPE"
    refused(door, oc.InputTypeError, words, lambda: put(door, array))


@pytest.mark.parametrize("step", [2, -1, -2])
def test_bad_C04_a_strided_array(step: int) -> None:
    door = doors.book()
    words = "messages must be C-contiguous (np.ascontiguousarray does it)"
    refused(door, oc.InputError, words, lambda: door.at.apply(messages(6)[::step]))


@pytest.mark.parametrize("step", [2, -1])
def test_bad_C04_a_strided_array_is_copied_where_populations_open(step: int) -> None:
    strided, plain = bulk(), bulk()
    rows = good_rows(strided, 4)[::step]
    rows["account"] = np.arange(len(rows))
    deposits = np.arange(8, dtype=np.int64)[::2]
    strided.at.open_accounts(deposits, rows)
    plain.at.open_accounts(deposits.copy(), rows.copy())
    assert strided.state() == plain.state()
    strided.check()


@BOTH
@pytest.mark.parametrize("shape", [(2, 2), (1, 1, 4), ()])
def test_bad_C05_a_wrong_rank(make: Callable[[], Door], shape: tuple[int, ...]) -> None:
    door = make()
    flat = good_rows(door, 4 if shape else 1).reshape(shape)
    words = f"must have shape (n,), got {shape}"
    refused(door, oc.InputError, words, lambda: put(door, flat))


@BOTH
def test_bad_C06_fields_in_another_order_or_padded(make: Callable[[], Door]) -> None:
    door = make()
    fields = good_rows(door, 1).dtype
    padded = np.zeros(2, np.dtype([*fields.descr, ("pad", "i8")]))
    turned = np.zeros(2, np.dtype(fields.descr[::-1]))
    loose = np.zeros(
        2,
        np.dtype(
            {
                "names": fields.names,
                "formats": [fields[n] for n in fields.names],
                "offsets": [64 * i for i in range(len(fields))],
            }
        ),
    )
    for array in (padded, turned, loose):
        error = refused(door, oc.InputTypeError, "_DTYPE", lambda a=array: put(door, a))
        assert all(
            name in str(error)
            for name in ("account", "size", "price" if door.world is None else "cost")
        )


@BOTH
@pytest.mark.parametrize(
    "given",
    [None, [1, 2], (1,), iter([1]), b"12345678", bytearray(40), 5, "rows", {}],
    ids=lambda given: type(given).__name__,  # the same in every process
)
def test_bad_C07_what_is_no_array(make: Callable[[], Door], given: Any) -> None:
    door = make()
    words = f"array, got {type(given).__name__}"
    refused(door, oc.InputTypeError, words, lambda: put(door, given))


def test_bad_C08_no_rows_change_nothing() -> None:
    door = doors.book()
    before = door.state()
    assert len(door.at.apply(messages(0))) == len(door.at.results) == door.at.rows_done == 0
    assert door.state() == before
    core = bulk()
    seen = core.state()
    assert core.at.open_accounts(np.zeros(0, np.int64), np.zeros(0, OPENING_DTYPE)) == 3
    assert core.state() == seen
    core.good()


def test_bad_C09_an_unaligned_buffer() -> None:
    door = doors.book()
    odd = np.frombuffer(memoryview(bytearray(33))[1:], DTYPE)
    words = "messages must be 8-byte aligned, got '0x"
    refused(door, oc.InputError, words, lambda: door.at.apply(odd))
    held = np.zeros(3 * 32 + 8, np.uint8)
    for shift in range(1, 8):
        view = held[shift : shift + 96].view(DTYPE)
        if view.ctypes.data & 7:
            refused(door, oc.InputError, words, lambda v=view: door.at.apply(v))


def test_bad_C09_unaligned_rows_are_copied_where_populations_open() -> None:
    door, plain = bulk(), bulk()
    rows = good_rows(door, 2)
    held = bytearray(b"\0" + rows.tobytes())
    odd = np.frombuffer(memoryview(held)[1:], OPENING_DTYPE)
    door.at.open_accounts(np.zeros(2, np.int64), odd)
    plain.at.open_accounts(np.zeros(2, np.int64), rows)
    assert door.state() == plain.state()
    door.check()


@BOTH
def test_bad_C10_a_read_only_array_is_welcome(make: Callable[[], Door]) -> None:
    door = make()
    array = good_rows(door, 2)
    array.flags.writeable = False
    put(door, array)
    door.check()
    door.good()


def test_bad_C14_rows_that_change_while_they_run_are_judged_as_they_are_run() -> None:
    """Another thread writes nonsense into the batch all the while; nothing of it enters the book.

    The first pass saw good rows; each block is copied and judged again, so a row that turned bad
    has the code of a bad message and no other effect.
    """
    rows = messages(400_000)
    rows["account"], rows["side"][1::2], rows["price"][1::2] = 1, 1, 60
    stop = threading.Event()

    def vandal() -> None:
        kept = rows.copy()
        while not stop.is_set():
            rows["price"][::7], rows["size"][::11], rows["type"][::13] = 10**12, -5, 77
            rows["account"][::17] = -(2**31)
            rows[:] = kept

    thread = threading.Thread(target=vandal)
    thread.start()
    try:
        for _ in range(5):
            book = oc.OrderBook(1000)
            try:
                book.apply(rows)
            except oc.InputError as error:
                assert error.row is not None
                assert len(book) == 0
            book._check()
            assert book.best_bid in (None, 50)
            assert book.best_ask in (None, 60)
            codes = set(book.results[book.results <= 0].tolist())
            assert codes <= {oc.Reject.BAD_MESSAGE, oc.Reject.UNKNOWN_ORDER, 0}
    finally:
        stop.set()
        thread.join()


def test_bad_C15_an_array_is_held_while_it_runs() -> None:
    """A bytearray cannot be resized while a batch reads it: its buffer is exported."""
    held = bytearray(messages(300_000).tobytes())
    book = oc.OrderBook(1000)
    refusals: list[type] = []
    started, done = threading.Event(), threading.Event()

    def resize() -> None:
        started.wait()
        while not done.is_set():
            try:
                held.append(0)
                del held[-1]
            except BufferError as error:
                refusals.append(type(error))

    thread = threading.Thread(target=resize)
    thread.start()
    array = np.frombuffer(held, DTYPE)
    try:
        started.set()
        book.apply(array)
    finally:
        done.set()
        thread.join()
    assert set(refusals) <= {BufferError}
    assert len(book) == 300_000
    book._check()


@BOTH
def test_bad_C15_a_mapped_file_is_read_by_a_copy_or_not_at_all(
    make: Callable[[], Door], tmp_path: Path
) -> None:
    """A file that shrinks under its map would kill the process in the middle of a batch."""
    door = make()
    rows = good_rows(door, 2)
    (tmp_path / "rows").write_bytes(rows.tobytes())
    mapped = np.memmap(tmp_path / "rows", rows.dtype, "r")
    for array in (
        mapped,
        mapped[:2],
        np.asarray(mapped),
        np.frombuffer(memoryview(mapped), rows.dtype),
    ):
        if door.world is None:
            words = "messages must be an array in memory, got a memory map; …numpy.fromfile"
            refused(door, oc.InputTypeError, words, lambda a=array: put(door, a))
    assert door.world is None or put(door, mapped) == 3
    put(door, np.fromfile(tmp_path / "rows", rows.dtype))
    door.check()


@BOTH
def test_bad_C16_masked_arrays_would_lose_their_mask(make: Callable[[], Door]) -> None:
    door = make()
    masked = np.ma.zeros(2, good_rows(door, 1).dtype)
    refused(door, oc.InputTypeError, "array, got MaskedArray", lambda: put(door, masked))


def test_bad_C16_other_subclasses_count_by_their_rows() -> None:
    class Named(np.ndarray):
        """Somebody's own array, with an opinion about its length."""

        def __len__(self) -> int:
            raise ZeroDivisionError

        def __getitem__(self, key: Any) -> Any:
            raise ZeroDivisionError

    door = doors.book()
    door.at.apply(messages(3).view(Named))
    assert len(door.at.results) == 3
    matrix = np.zeros((1, 1)).view(np.matrix)
    refused(door, oc.InputTypeError, "messages must be", lambda: door.at.apply(matrix))
    door.check()


def test_bad_C17_more_rows_than_32_bits_count() -> None:
    """2**31 + 1 rows of address space: the first is bad, and nothing is allocated for the rest."""
    count = 2**31 + 1
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
    private_anonymous_noreserve = 0x2 | 0x20 | 0x4000
    place = libc.mmap(None, count * 32, 3, private_anonymous_noreserve, -1, 0)
    if place in (None, ctypes.c_void_p(-1).value):
        pytest.skip("no 64 GiB of address space here")
    try:
        cells = (ctypes.c_char * (count * 32)).from_address(place)
        array = np.frombuffer(cells, DTYPE)
        assert len(array) == count
        door = doors.book()
        words = "price must be in [1, price_max=1000], got 0 (row 0)"
        refused(door, oc.InputError, words, lambda: door.at.apply(array))
    finally:
        libc.munmap(ctypes.c_void_p(place), ctypes.c_size_t(count * 32))


class Tensor:
    """Says that it is an array, in every way but being one."""

    def __init__(self) -> None:
        self.__array_interface__ = {
            "data": (8, False),
            "shape": (2**40,),
            "typestr": "|V32",
            "version": 3,
        }
        self.__cuda_array_interface__ = self.__array_interface__

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        return messages()

    def __dlpack__(self, **_: Any) -> Any:
        raise AssertionError("asked for a capsule")


@BOTH
def test_bad_C23_a_tensor_of_another_library(make: Callable[[], Door]) -> None:
    door = make()
    refused(door, oc.InputTypeError, "array, got Tensor", lambda: put(door, Tensor()))


# ------------------------------------------------------------------ the fields of a row


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
        ({"type": oc.OrderType.CANCEL, "account": -2}, "got -2 (row 2)"),
        ({"price": 0}, "price must be in [1, price_max=1000], got 0 (row 2)"),
        ({"price": 1001}, "got 1001 (row 2)"),
        ({"price": -(2**63)}, "(row 2)"),
        ({"type": oc.OrderType.AMEND, "price": -1}, "price must be in [0, price_max=1000]"),
        ({"type": oc.OrderType.AMEND, "price": 1001}, "got 1001 (row 2)"),
        ({"size": 0}, "size must be in [1, 2**40], got 0 (row 2)"),
        ({"size": 2**40 + 1}, "(row 2)"),
        ({"type": oc.OrderType.MARKET, "size": 0}, "size must be in [1, 2**40], got 0 (row 2)"),
        ({"type": oc.OrderType.AMEND, "size": -1}, "size must be in [0, 2**40], got -1 (row 2)"),
    ],
)
def test_bad_rows_are_named_or_become_reject_codes(fields: dict[str, int], words: str) -> None:
    door = doors.book()
    array = messages(**fields)
    error = refused(door, oc.InputError, words, lambda: door.at.apply(array))
    assert error.row == 2
    door.at.apply(array, on_bad="reject")
    assert door.at.results[2] == oc.Reject.BAD_MESSAGE
    assert (door.at.results[:2] > 0).all()
    door.check()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("account", -1),
        ("account", 2),
        ("market", 1),
        ("market", -1),
        ("size", 0),
        ("size", 10_001),
        ("size", -(2**63)),
        ("cost", 2**60 + 1),
        ("cost", -(2**63)),
        ("collateral", -1),
        ("isolated", 2),
    ],
)
def test_bad_rows_of_a_population_are_named(field: str, value: int) -> None:
    door = bulk()
    rows = good_rows(door, 2)
    rows[field][1] = value
    error = refused(door, oc.InputError, f"{field} …(row 1)", lambda: put(door, rows))
    assert (error.field, error.row) == (field, 1)


def test_every_row_at_the_edge_of_its_rules_is_good() -> None:
    door = doors.book()
    array = messages(6, type=oc.OrderType.MARKET, price=-5)
    array["price"][:2], array["size"][:2] = (1, 1000), 2**40
    array["account"][2] = 2**24 - 1
    array["type"][3:5], array["account"][3:5] = (oc.OrderType.CANCEL, oc.OrderType.AMEND), -1
    array["side"][3:5], array["tif"][3:5], array["flags"][3:5] = 9, 9, 9
    array["price"][4], array["size"][4] = 1000, 2**40
    door.at.apply(array)
    assert oc.Reject.BAD_MESSAGE not in door.at.results.tolist()


def test_on_bad_is_one_of_two_words() -> None:
    door = doors.book()
    words = "on_bad must be 'raise' or 'reject'"
    refused(door, oc.InputError, words, lambda: door.at.apply(messages(), on_bad="ignore"))


@pytest.mark.parametrize("account", [-1, 2**24, 2**31])
def test_an_account_outside_its_range(account: int) -> None:
    door = doors.book()
    words = f"account must be in [0, {2**24 - 1}], got {account}"
    refused(door, oc.InputError, words, lambda: door.at.submit(BID, 50, 1, account=account))


def test_a_book_of_impossible_bounds() -> None:
    for price_max in (0, 2**31):
        with pytest.raises(oc.InputError, match="^price_max must be in"):
            oc.OrderBook(price_max)
    with pytest.raises(oc.InputTypeError, match="price_max must be an int number of ticks, got fl"):
        oc.OrderBook(1e6)  # type: ignore[arg-type]
    with pytest.raises(oc.InputError, match="^order_max must be in"):
        oc.OrderBook(10, order_max=0)
    with pytest.raises(oc.InputError, match="^account_max must be in"):
        oc.OrderBook(10, account_max=-1)
