"""What goes into a book and comes out of it: array layouts, small tuples, and why a row is bad."""

from __future__ import annotations

import mmap
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ordercascade.enums import OrderFlag, OrderType, Side, TimeInForce
from ordercascade.errors import InputError, InputTypeError, RangeError

MESSAGE_DTYPE = np.dtype(
    [
        ("type", "u1"),
        ("side", "u1"),
        ("tif", "u1"),
        ("flags", "u1"),
        ("account", "i4"),
        ("order_id", "i8"),
        ("price", "i8"),
        ("size", "i8"),
    ]
)
FILL_DTYPE = np.dtype(
    {
        "names": [
            "maker_order",
            "taker_order",
            "price",
            "size",
            "maker_rest",
            "maker_account",
            "taker_account",
            "taker_side",
            "maker_flags",
            "self_trade",
        ],
        "formats": ["i8", "i8", "i8", "i8", "i8", "i4", "i4", "u1", "u1", "u1"],
        "offsets": [0, 8, 16, 24, 32, 40, 44, 48, 49, 50],
        "itemsize": 56,
    }
)
SIZE_MAX = 2**40


class Depth(NamedTuple):
    """The best levels of both sides: int64 arrays of shape (n, 2), rows (price, size)."""

    bids: npt.NDArray[np.int64]
    asks: npt.NDArray[np.int64]


class OrderInfo(NamedTuple):
    """A resting order as it stands."""

    side: Side
    price: int
    size: int
    account: int
    flags: OrderFlag


def message_rows(messages: object) -> npt.NDArray[Any]:
    """Return `messages` as the plain, contiguous MESSAGE_DTYPE array that it must be."""
    if not isinstance(messages, np.ndarray):
        raise InputTypeError("messages", "a MESSAGE_DTYPE array", type(messages).__name__)
    if isinstance(messages, np.ma.MaskedArray):
        hint = "its mask would be lost; fill or compress it first"
        raise InputTypeError("messages", "a MESSAGE_DTYPE array", "MaskedArray", hint=hint)
    if mapped(messages):
        hint = "a file that shrinks under a map kills the process; read it with numpy.fromfile"
        raise InputTypeError("messages", "an array in memory", "a memory map", hint=hint)
    rows = messages.view(np.ndarray)
    if rows.dtype != MESSAGE_DTYPE:
        raise _dtype_error(rows.dtype)
    if rows.ndim != 1:
        raise InputError("messages", rows.shape, "must have shape (n,)")
    if not rows.flags.c_contiguous:
        rule = "must be C-contiguous (np.ascontiguousarray does it)"
        raise InputError("messages", rows.strides, rule)
    return rows


def mapped(array: object) -> bool:
    """Whether the bytes of an array are those of a mapped file."""
    base: object = array
    while isinstance(base, np.ndarray | memoryview):
        base = base.base if isinstance(base, np.ndarray) else base.obj
    return isinstance(base, mmap.mmap)


def _dtype_error(dtype: np.dtype[Any]) -> InputTypeError:
    if dtype.newbyteorder("=") == MESSAGE_DTYPE:
        return InputTypeError("messages", "in native byte order", "swapped bytes")
    if dtype.names is None:
        return InputTypeError("messages", "MESSAGE_DTYPE", str(dtype))
    want = f"MESSAGE_DTYPE with packed fields {', '.join(MESSAGE_DTYPE.names or ())}"
    got = f"{', '.join(dtype.names)} in {dtype.itemsize} bytes"
    return InputTypeError("messages", want, got)


def why_bad(
    message: tuple[int, int, int, int, int, int, int, int],
    *,
    price_max: int,
    account_max: int,
    row: int | None = None,
) -> InputError:
    """Return the error for the first rule that a message (fields of MESSAGE_DTYPE) breaks."""
    kind, side, tif, flags, account, _, price, size = message
    if kind not in tuple(OrderType):
        return InputError("type", kind, "must be one of OrderType", row=row)
    order = kind in (OrderType.LIMIT, OrderType.MARKET)
    if order and (wrong := _wrong_header(kind, side, tif, flags, row)):
        return wrong
    if not (0 if order else -1) <= account <= account_max:
        return InputError("account", account, f"must be in [0, {account_max}]", row=row)
    price_low = 1 if kind == OrderType.LIMIT else 0
    if kind in (OrderType.LIMIT, OrderType.AMEND) and not price_low <= price <= price_max:
        rule = f"must be in [{price_low}, price_max={price_max}]"
        return InputError("price", price, rule, row=row)
    return InputError("size", size, f"must be in [{1 if order else 0}, 2**40]", row=row)


def _wrong_header(kind: int, side: int, tif: int, flags: int, row: int | None) -> InputError | None:
    """Return the error for a wrong side, time in force or flag of an order, if there is one."""
    if side not in tuple(Side):
        return InputError("side", side, "must be Side.BID or Side.ASK", row=row)
    if tif not in tuple(TimeInForce):
        return InputError("tif", tif, "must be one of TimeInForce", row=row)
    unknown = flags & ~int(OrderFlag.POST_ONLY | OrderFlag.REDUCE_ONLY)
    if unknown:
        rule = f"must be bits of OrderFlag: unknown flag bits {unknown:#x}"
        return InputError("flags", flags, rule, row=row)
    if flags & OrderFlag.REDUCE_ONLY:
        rule = "must not hold REDUCE_ONLY: a venue trims such orders, a stand-alone book cannot"
        return InputError("flags", flags, rule, row=row)
    if flags and kind == OrderType.MARKET:
        return InputError("flags", flags, "POST_ONLY and MARKET cannot be joined", row=row)
    if flags and tif:
        rule = f"POST_ONLY and {TimeInForce(tif).name} cannot be joined"
        return InputError("flags", flags, rule, row=row)
    return None


def column_of(
    field: str, values: object, width: int, rows: int | None
) -> npt.NDArray[np.signedinteger[Any]]:
    """Return whole numbers as a contiguous array of the width; what does not fit is refused."""
    given = np.asarray(values)
    if given.ndim != 1:
        raise InputError(field, given.shape, "must have one dimension")
    if rows is not None and len(given) != rows:
        raise InputError(field, len(given), f"must have as many rows as the others, {rows}")
    if given.dtype.kind not in "iu":
        raise InputTypeError(field, "an array of whole numbers", str(given.dtype))
    kept: npt.NDArray[np.signedinteger[Any]] = np.ascontiguousarray(given, dtype=f"i{width}")
    if given.dtype != kept.dtype and not np.array_equal(given, kept):
        raise RangeError(field, f"must fit {8 * width} bits", bits=8 * width)
    return kept
