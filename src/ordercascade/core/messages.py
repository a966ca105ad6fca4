"""What goes into a book and comes out of it: array layouts, small tuples, and why a row is bad."""

from __future__ import annotations

import mmap
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ordercascade.enums import Command, OrderFlag, OrderType, Side, TimeInForce, TriggerBy
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
# Stops, icebergs and expiry, beside all that MESSAGE_DTYPE says; `type` is a Command.
WIDE_DTYPE = np.dtype(
    [
        *((name, MESSAGE_DTYPE[name]) for name in MESSAGE_DTYPE.names or ()),
        ("display", "i8"),
        ("trigger", "i8"),
        ("expires_ns", "i8"),
        ("by", "i8"),
    ]
)
FIRED_DTYPE = np.dtype([("stop_id", "i8"), ("result", "i8")])
SIZE_MAX = 2**40
PARTS_MAX = 1024
BOTH_SIDES = 2
Row = tuple[int, ...]


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


class Indicative(NamedTuple):
    """What an auction would do now."""

    price: int | None  # None = nobody would trade
    volume: int
    surplus: int  # lots bid less lots asked at the price


class OrderDetails(NamedTuple):
    """All about an order that rests, was collected for an auction, or waits as a stop."""

    kind: Command  # LIMIT, STOP or TAKE_PROFIT
    side: Side
    price: int  # of a stop: its limit, 0 for a market order
    size: int  # open lots, hidden ones too
    shown: int  # of these, what others see
    account: int
    flags: OrderFlag
    display: int  # what an iceberg shows anew, 0 = no iceberg
    expires_ns: int  # 0 = never
    tif: TimeInForce
    trigger: int  # 0 = no stop
    by: TriggerBy


def message_rows(messages: object) -> npt.NDArray[Any]:
    """Return `messages` as the plain, contiguous array, MESSAGE_DTYPE or WIDE_DTYPE, it must be."""
    if not isinstance(messages, np.ndarray):
        raise InputTypeError("messages", "a MESSAGE_DTYPE array", type(messages).__name__)
    if isinstance(messages, np.ma.MaskedArray):
        hint = "its mask would be lost; fill or compress it first"
        raise InputTypeError("messages", "a MESSAGE_DTYPE array", "MaskedArray", hint=hint)
    if mapped(messages):
        hint = "a file that shrinks under a map kills the process; read it with numpy.fromfile"
        raise InputTypeError("messages", "an array in memory", "a memory map", hint=hint)
    rows = messages.view(np.ndarray)
    if rows.dtype not in (MESSAGE_DTYPE, WIDE_DTYPE):
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
    error = _first_bad(message, price_max, account_max, row)
    return error or InputError("type", message[0], "must be one of OrderType", row=row)


def _first_bad(
    message: Row, price_max: int, account_max: int, row: int | None
) -> InputError | None:
    """The error for the first rule that a message breaks, None for a good one."""
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
    least = 1 if order else 0
    if kind != OrderType.CANCEL and not least <= size <= SIZE_MAX:
        return InputError("size", size, f"must be in [{least}, 2**40]", row=row)
    return None


def _wrong_header(kind: int, side: int, tif: int, flags: int, row: int | None) -> InputError | None:
    """Return the error for a wrong side, time in force or flag of an order, if there is one."""
    if side not in tuple(Side):
        return InputError("side", side, "must be Side.BID or Side.ASK", row=row)
    if tif not in tuple(TimeInForce):
        return InputError("tif", tif, "must be one of TimeInForce", row=row)
    unknown = flags & ~int(~OrderFlag.NONE)
    if unknown:
        rule = f"must be bits of OrderFlag: unknown flag bits {unknown:#x}"
        return InputError("flags", flags, rule, row=row)
    if flags & OrderFlag.REDUCE_ONLY:
        rule = "must not hold REDUCE_ONLY: a venue trims such orders, a stand-alone book cannot"
        return InputError("flags", flags, rule, row=row)
    if flags & OrderFlag.SLIDE and not flags & OrderFlag.POST_ONLY:
        return InputError("flags", flags, "SLIDE must be joined with POST_ONLY", row=row)
    if flags & OrderFlag.DECREMENT and flags & OrderFlag.CANCEL_BOTH:
        return InputError("flags", flags, "DECREMENT and CANCEL_… cannot be joined", row=row)
    if flags & OrderFlag.POST_ONLY and kind == OrderType.MARKET:
        return InputError("flags", flags, "POST_ONLY and MARKET cannot be joined", row=row)
    if flags & OrderFlag.POST_ONLY and tif:
        rule = f"POST_ONLY and {TimeInForce(tif).name} cannot be joined"
        return InputError("flags", flags, rule, row=row)
    return None


def why_bad_wide(
    message: Row, *, price_max: int, account_max: int, row: int | None = None
) -> InputError:
    """Return the error for the first rule that a row of WIDE_DTYPE breaks."""
    kind, side, tif, flags, account, order_id, price, size, display, trigger, expires_ns, by = (
        message
    )
    if kind not in tuple(Command):
        return InputError("type", kind, "must be one of Command", row=row)
    stop = kind in (Command.STOP, Command.TAKE_PROFIT)
    limit = kind == Command.LIMIT or (stop and price != 0)
    if kind in (Command.CANCEL, Command.AMEND) or (kind <= Command.MARKET and limit):
        plain = (kind, side, tif, flags, account, order_id, price, size)
        if error := _first_bad(plain, price_max, account_max, row):
            return error
    if kind in (Command.CANCEL_ALL, Command.MARK, Command.CLOCK):
        return _why_bad_control(message, price_max, account_max, row)
    if not 0 <= price <= price_max:
        return InputError("price", price, f"must be in [0, price_max={price_max}]", row=row)
    plain_kind = int(OrderType.LIMIT if limit else OrderType.MARKET)
    plain = (plain_kind, side, tif, flags, account, order_id, price, size)
    if error := _first_bad(plain, price_max, account_max, row):
        return error
    if stop and not 1 <= trigger <= price_max:
        return InputError("trigger", trigger, f"must be in [1, price_max={price_max}]", row=row)
    if stop and by not in tuple(TriggerBy):
        return InputError("by", by, "must be TriggerBy.LAST or TriggerBy.MARK", row=row)
    if expires_ns < 0:
        return InputError("expires_ns", expires_ns, "must not be negative", row=row)
    if expires_ns and (tif or not (limit or stop)):
        rule = "must be 0 for an order that never rests"
        return InputError("expires_ns", expires_ns, rule, row=row)
    if not limit or tif:
        return InputError("display", display, "must be 0 for an order that never rests", row=row)
    if not 0 <= display <= size:
        return InputError("display", display, f"must be in [0, size={size}]", row=row)
    return InputError("display", display, f"must be at least size / {PARTS_MAX}", row=row)


def _why_bad_control(message: Row, price_max: int, account_max: int, row: int | None) -> InputError:
    """The error of a wrong CANCEL_ALL, MARK or CLOCK."""
    kind, side, account, price, expires_ns = (message[place] for place in (0, 1, 4, 6, 10))
    if kind == Command.MARK:
        return InputError("price", price, f"must be in [1, price_max={price_max}]", row=row)
    if kind == Command.CLOCK:
        return InputError("expires_ns", expires_ns, "must not be negative", row=row)
    if side > BOTH_SIDES:
        return InputError("side", side, "must be Side.BID, Side.ASK or 2 for both", row=row)
    return InputError("account", account, f"must be in [0, {account_max}]", row=row)


def column_of(
    field: str, values: object, width: int, rows: int | None
) -> npt.NDArray[np.signedinteger[Any]]:
    """Return whole numbers as a contiguous array of the width; what does not fit is refused."""
    try:
        given = np.asarray(values)
    except ValueError:  # Rows of several lengths.
        raise InputError(field, values, "must have one dimension") from None
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
