"""A recorded day as a matching test: its orders in, our fills beside the trades that were reported.

Created orders are sent as limit orders. A changed row is followed where the order is larger with
us or stands at another price: the exchange walks a market order through the book as changes of its
price. A deleted order is cancelled if it still rests.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ordercascade.core.book import OrderBook
from ordercascade.data.forms import OrderEvent, OrderRows

APART_NS = 2 * 10**9  # between our fill and the report
BEFORE, AFTER = 15, 5  # rows around a report that tell of its two orders
RESTATED = 10**-4  # of a size
OLDER = "trades with an order that rested before the recording began"
OTHER = "trades of another size, with an order that had met one of those or its partner"
SMALL = "trades whose size the exchange restates by less than 0.01 %"


class Matched(NamedTuple):
    """How many reported trades have a fill of the same price and size, and why others do not."""

    trades: int
    fills: int
    agreed: int
    reasons: dict[str, int]


class _Trade(NamedTuple):
    row: int
    time_ns: int
    price: int
    size: int
    orders: frozenset[int] = frozenset()  # of a fill


def matched(rows: OrderRows) -> Matched:
    """Match the orders of a recording and compare the fills with its trades, one for one."""
    fills, trades = _run(rows)
    used = [False] * len(fills)
    missed = []
    for trade in trades:
        at = _nearest(trade, fills, used, exact=True)
        if at is None:
            missed.append(trade)
        else:
            used[at] = True
    reasons = {OLDER: 0, OTHER: 0, SMALL: 0}
    created = set(rows.order_id[rows.event == OrderEvent.ADD].tolist())
    # Orders that lost lots to one that we do not have: from then on they are larger with us.
    astray: set[int] = set()
    for trade in missed:
        older, partners = _beside(rows, trade, created)
        if older:
            reasons[OLDER] += 1
            astray |= partners
        elif (at := _nearest(trade, fills, used, exact=False)) is not None:
            used[at] = True
            if abs(fills[at].size - trade.size) <= RESTATED * trade.size:
                reasons[SMALL] += 1
            elif fills[at].orders & astray:
                reasons[OTHER] += 1
                astray |= fills[at].orders
    return Matched(len(trades), len(fills), len(trades) - len(missed), reasons)


def _run(rows: OrderRows) -> tuple[list[_Trade], list[_Trade]]:
    """Return our fills and the reported trades, in the order of the rows."""
    book = OrderBook(int(rows.price.max(initial=1)) + 1)
    ids: dict[int, int] = {}
    keys: dict[int, int] = {}
    fills: list[_Trade] = []
    trades: list[_Trade] = []
    table = np.stack([rows.event, rows.time_ns, rows.order_id, rows.side, rows.price, rows.size])
    for row, (event, time_ns, key, side, price, size) in enumerate(table.T.tolist()):
        order = book.order(ids.get(key, 0))
        if event == OrderEvent.TRADE:
            trades.append(_Trade(row, time_ns, price, size))
            continue
        if event == OrderEvent.ADD:
            ids[key] = book.submit(side, price, size)
            keys[ids[key]] = key
        elif order is not None and event == OrderEvent.DELETE:
            book.cancel(ids[key])
        elif order is not None and (price != order.price or size < order.size):
            book.amend(ids[key], price=price, size=min(size, order.size))
        else:
            continue
        for fill in book.fills:
            orders = frozenset((key, keys[int(fill["maker_order"])]))
            fills.append(_Trade(row, time_ns, int(fill["price"]), int(fill["size"]), orders))
    book._check()
    return fills, trades


def _nearest(trade: _Trade, fills: list[_Trade], used: list[bool], *, exact: bool) -> int | None:
    """Return the first unused fill at the price of a trade, of its size if `exact`."""
    for at, fill in enumerate(fills):
        near = abs(fill.time_ns - trade.time_ns) <= APART_NS
        same = fill.size == trade.size if exact else fill.size != trade.size
        if near and not used[at] and fill.price == trade.price and same:
            return at
    return None


def _beside(rows: OrderRows, trade: _Trade, created: set[int]) -> tuple[bool, set[int]]:
    """Whether an order that was never created changed at the price of a trade, beside it; and
    the orders that were created and changed there."""
    around = slice(max(0, trade.row - BEFORE), trade.row + AFTER + 1)
    changed = (rows.event[around] == OrderEvent.RESIZE) | (rows.event[around] == OrderEvent.DELETE)
    here = rows.order_id[around][changed & (rows.price[around] == trade.price)].tolist()
    partners = set(rows.order_id[around][changed].tolist()) & created
    return any(key not in created for key in here), partners
