"""What the twin's book accepts at its door."""

from __future__ import annotations

import operator
from typing import Any

from ordercascade.enums import OrderFlag, OrderType, Side, TimeInForce
from ordercascade.errors import InputError

SIZE_MAX = 2**40
_MESSAGE = ("type", "side", "tif", "flags", "account", "order_id", "price", "size")


def message_row(message: Any) -> dict[str, int]:
    """Return a message as whole numbers by name."""
    return {field: operator.index(message[field]) for field in _MESSAGE}


def judge(
    price_max: int,
    type: int,
    side: int,
    price: int,
    size: int,
    account: int,
    tif: int,
    flags: int,
    order_id: int = 0,
) -> None:
    """Refuse what lies outside its domain, before anything changes."""
    changes = type in (OrderType.CANCEL, OrderType.AMEND)  # of an order that rests
    if type not in tuple(OrderType):
        raise InputError("type", type, "must be an OrderType")
    if account < (-1 if changes else 0):
        raise InputError("account", account, "must not be negative")
    priced = type in (OrderType.LIMIT, OrderType.AMEND)
    if priced and not (0 if changes else 1) <= price <= price_max:
        raise InputError("price", price, f"must be in [1, {price_max}]")
    if type != OrderType.CANCEL and not (0 if changes else 1) <= size <= SIZE_MAX:
        raise InputError("size", size, "must be in [1, 2**40]")
    if changes:
        return
    if side not in tuple(Side):
        raise InputError("side", side, "must be Side.BID or Side.ASK")
    if tif not in tuple(TimeInForce):
        raise InputError("tif", tif, "must be a TimeInForce")
    if flags & ~OrderFlag.POST_ONLY:
        raise InputError("flags", flags, "must be POST_ONLY or nothing in a book alone")
    if flags and (tif != TimeInForce.GTC or type == OrderType.MARKET):
        raise InputError("flags", flags, "POST_ONLY cannot be joined with an order that takes")
