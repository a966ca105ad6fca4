"""LOBSTER files: `…_message_N.csv` and `…_orderbook_N.csv`, CSV without a header.

Form: lobsterdata.com/info/DataStructure.php. Times are seconds after local midnight; prices are
dollars times 10,000 and are taken as ticks as they stand. Never tried on a real file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from ordercascade.data.forms import CHUNK, Array, OrderEvent, OrderRows, chunks
from ordercascade.data.numbers import INT_MAX, ORDER_SIZE_MAX, PRICE_MAX, SIZE_MAX, Place, whole
from ordercascade.data.source import Place as Where
from ordercascade.data.source import Source, source_of
from ordercascade.data.textrows import bare

NONE = 9_999_999_999  # the price of a level that is not there; of a bid with a minus
_TIME = re.compile(r"([0-9]{1,6})(?:\.([0-9]{1,9}))?")
_EVENTS = {
    "1": OrderEvent.ADD,
    "2": OrderEvent.REDUCE,
    "3": OrderEvent.DELETE,
    "4": OrderEvent.FILL,
    "5": OrderEvent.TRADE,  # of a hidden order: the visible book does not change
    "6": OrderEvent.OTHER,  # a cross trade, as in an auction
    "7": OrderEvent.OTHER,  # a halt: the price says which
}
_SIDES = {"1": 0, "-1": 1}
# The sample files have a seventh column where a level was asked for by name.
_MESSAGE = (6, 7)


def lobster_messages(
    where: Where, *, midnight_ns: int = 0, chunk: int = CHUNK
) -> Iterator[OrderRows]:
    """Yield the order rows of a message file; `midnight_ns` is the day's local midnight.

    Orders that rested before the file began come without an ADD: whoever follows the rows meets
    ids that he does not know.
    """
    source = source_of(where)
    place = Place(source.name)
    return chunks(OrderRows, _messages(source, place, midnight_ns), chunk)


def _messages(source: Source, place: Place, midnight_ns: int) -> Iterator[tuple[int, ...]]:
    last = 0
    for seq, fields in enumerate(bare(source, place, _MESSAGE)):
        time_ns = _nanoseconds(place, fields[0])
        if time_ns < last:
            raise place.bad("Time", "must not fall", fields[0])
        last = time_ns
        if fields[1] not in _EVENTS:
            raise place.bad("Type", "must be a whole number in [1, 7]", fields[1])
        event = _EVENTS[fields[1]]
        order_id = whole(place, "Order ID", fields[2])
        if event is OrderEvent.OTHER:
            yield midnight_ns + time_ns, seq, int(event), order_id, -1, 0, 0
            continue
        if fields[5] not in _SIDES:
            raise place.bad("Direction", "must be 1 (buy) or -1 (sell)", fields[5])
        size = whole(place, "Size", fields[3], low=1, high=ORDER_SIZE_MAX)
        price = whole(place, "Price", fields[4], low=1, high=PRICE_MAX)
        yield midnight_ns + time_ns, seq, int(event), order_id, _SIDES[fields[5]], price, size


def lobster_books(where: Where, *, chunk: int = CHUNK) -> Iterator[Array]:
    """Yield the rows of an orderbook file: int64 (rows, levels, 4), ask, size, bid, size.

    Row k is the book after message k; a level that is not there is all zeros. A chunk holds at
    most `chunk` rows of levels, at least one message.
    """
    source = source_of(where)
    place = Place(source.name)
    held: list[list[int]] = []
    for fields in bare(source, place, tuple(range(4, 1604, 4))):
        held.append(_book(place, fields))
        if len(held) * len(fields) >= 4 * chunk:
            yield np.array(held, np.int64).reshape(len(held), -1, 4)
            held = []
    if held:
        yield np.array(held, np.int64).reshape(len(held), -1, 4)


def _book(place: Place, fields: list[str]) -> list[int]:
    row: list[int] = []
    for index in range(0, len(fields), 2):
        level, side = index // 4 + 1, ("Ask", "Bid")[index // 2 % 2]
        price = whole(place, f"{side} Price {level}", fields[index], low=-NONE)
        size = whole(place, f"{side} Size {level}", fields[index + 1], high=SIZE_MAX)
        if abs(price) == NONE or (price == 0 and size == 0):
            row += [0, 0]
        elif 1 <= price <= PRICE_MAX:
            row += [price, size]
        else:
            rule = f"must be in [1, {PRICE_MAX}]"
            raise place.bad(f"{side} Price {level}", rule, fields[index])
    return row


def _nanoseconds(place: Place, text: str) -> int:
    found = _TIME.fullmatch(text)
    if found is None or int(found[1]) > INT_MAX // 10**9:
        raise place.bad("Time", "must be seconds after midnight such as 34200.017459617", text)
    return int(found[1]) * 10**9 + int((found[2] or "").ljust(9, "0"))
