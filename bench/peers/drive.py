"""One peer over one workload, in the peers' own environment: python drive.py PEER WORK REPEAT.

WORK is what bench/compare.py wrote (JSON): `orders` for books that match, `feed` and `levels` (what
an exchange would publish of the same session) for books that only keep. Prints one line of JSON.
What a call needs is made before the clock starts where the peer's door allows it.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any

ADD, CANCEL, REDUCE, MARKET = range(4)
SET, DROP = 1, 2  # of a feed, beside ADD
Rows = list[list[int]]  # op, side (0 bid, 1 ask), price, size, number of the order
Played = dict[str, int]  # what the peer says of its end state


def sorted_book(work: dict[str, Rows]) -> Callable[[], Callable[[], Played]]:
    """Sorted dictionaries of first-in-first-out levels: the book that people write themselves."""
    from sortedcontainers import SortedDict

    def start() -> Callable[[], Played]:
        sides: tuple[Any, Any] = (SortedDict(), SortedDict())  # keys: -price for bids, price
        where: dict[int, tuple[int, int]] = {}
        orders = work["orders"]

        def match(side: int, limit: int | None, size: int) -> tuple[int, int]:
            """Eat the other side; what is left, and fills."""
            book, sign, fills = sides[1 - side], 1 - 2 * side, 0
            while size and book:
                key, level = book.peekitem(0)
                if limit is not None and key > limit * sign:
                    break
                while size and level:
                    number, rest = next(iter(level.items()))
                    fills += 1
                    if rest > size:
                        level[number] = rest - size
                        size = 0
                    else:
                        size -= rest
                        del level[number]
                        del where[number]
                if not level:
                    del book[key]
            return size, fills

        def play() -> Played:
            fills = volume = 0
            for op, side, price, size, number in orders:
                if op == ADD:
                    left, some = match(side, price, size)
                    fills, volume = fills + some, volume + size - left
                    if left:
                        key = -price if side == 0 else price
                        book = sides[side]
                        level = book.get(key)
                        if level is None:
                            level = book[key] = {}
                        level[number] = left
                        where[number] = side, key
                elif op == MARKET:
                    left, some = match(side, None, size)
                    fills, volume = fills + some, volume + size - left
                else:
                    side, key = where[number]
                    level = sides[side][key]
                    if op == REDUCE:
                        level[number] = size
                        continue
                    del level[number], where[number]
                    if not level:
                        del sides[side][key]
            return {"fills": fills, "volume": volume, "resting": len(where)}

        return play

    return start


def cython_orderbook(work: dict[str, Rows]) -> Callable[[], Callable[[], Played]]:
    """It has no reduction: cancel, and a new order at the end of the queue."""
    from cython_orderbook import Order, OrderBook, OrderSide

    sides = (OrderSide.BID, OrderSide.ASK)

    def start() -> Callable[[], Played]:
        book, made = OrderBook(), {}

        def play() -> Played:
            for op, side, price, size, number in work["orders"]:
                if op == ADD:
                    made[number] = order = Order(sides[side], size, price)
                    book.add_limit_order(order)
                elif op == MARKET:
                    book.add_market_order(Order(sides[side], size))
                else:
                    old = made[number]
                    book.cancel_order(old.order_id)
                    if op == REDUCE:
                        made[number] = order = Order(old.side, size, old.price)
                        book.add_limit_order(order)
            return {}

        return play

    Order(sides[0], 1, 1)
    return start


def pyorderbook(work: dict[str, Rows]) -> Callable[[], Callable[[], Played]]:
    """No reduction (as above) and no market order: a limit at any price, its rest cancelled."""
    from pyorderbook import Book, ask, bid

    make = (bid, ask)
    any_price = (10**9, 1)

    def start() -> Callable[[], Played]:
        book, made = Book(), {}

        def play() -> Played:
            for op, side, price, size, number in work["orders"]:
                if op == ADD:
                    made[number] = order = make[side]("X", price, size)
                    book.match(order)
                elif op == MARKET:
                    order = make[side]("X", any_price[side], size)
                    book.match(order)
                    if order.quantity:
                        book.cancel(order)
                else:
                    old = made[number]
                    if old.quantity == 0:  # Filled here: a reduction has cost others their place.
                        continue
                    book.cancel(old)
                    if op == REDUCE:
                        side = 0 if old.side == "bid" else 1
                        made[number] = order = make[side]("X", old.price, size)
                        book.match(order)
            return {"resting": len(book.order_map)}

        return play

    return start


def fastlob(work: dict[str, Rows]) -> Callable[[], Callable[[], Played]]:
    """Every order is a limit; a market order is one at any price, its rest cancelled."""
    import logging

    from fastlob import Orderbook, OrderParams, OrderSide

    logging.disable(logging.CRITICAL)
    sides = (OrderSide.BID, OrderSide.ASK)
    any_price = (10**6, 1)

    def start() -> Callable[[], Played]:
        lob = Orderbook("x")
        lob.start()
        made: dict[int, str] = {}

        def play() -> Played:
            try:
                for op, side, price, size, number in work["orders"]:
                    if op == ADD:
                        made[number] = lob(OrderParams(sides[side], price, size)).orderid()
                    elif op == MARKET:
                        name = lob(OrderParams(sides[side], any_price[side], size)).orderid()
                        if lob.get_status(name)[1]:
                            lob.cancel(name)
                    elif op == CANCEL:
                        lob.cancel(made[number])
                    else:
                        lob.update(made[number], size)
            finally:
                lob.stop()
            return {}

        return play

    return start


def order_book(work: dict[str, Rows]) -> Callable[[], Callable[[], Played]]:
    """Sorted dictionaries in C; keeps levels, matches nothing."""
    from order_book import OrderBook

    rows = [(side, Decimal(price), Decimal(size)) for _, side, price, size, _ in work["levels"]]

    def start() -> Callable[[], Played]:
        book = OrderBook()
        sides = book.bids, book.asks

        def play() -> Played:
            for side, price, size in rows:
                if size:
                    sides[side][price] = size
                else:
                    del sides[side][price]
            return {"levels": len(book.bids) + len(book.asks)}

        return play

    return start


def nautilus_trader(work: dict[str, Rows]) -> Callable[[], Callable[[], Played]]:
    """Keeps orders (L3), matches nothing."""
    from nautilus_trader.model.book import OrderBook
    from nautilus_trader.model.data import BookOrder
    from nautilus_trader.model.enums import BookType, OrderSide
    from nautilus_trader.model.identifiers import InstrumentId
    from nautilus_trader.model.objects import Price, Quantity

    sides = (OrderSide.BUY, OrderSide.SELL)
    rows = [
        (op, BookOrder(sides[side], Price(price, 0), Quantity(max(size, 1), 0), number))
        for op, side, price, size, number in work["feed"]
    ]

    def start() -> Callable[[], Played]:
        book = OrderBook(InstrumentId.from_str("X.Y"), BookType.L3_MBO)

        def play() -> Played:
            for op, order in rows:
                if op == ADD:
                    book.add(order, 0)
                elif op == SET:
                    book.update(order, 0)
                else:
                    book.delete(order, 0)
            levels = [*book.bids(), *book.asks()]
            return {"resting": sum(len(level.orders()) for level in levels)}

        return play

    return start


def lrvx(work: dict[str, Rows]) -> Callable[[], Callable[[], Played]]:
    """Keeps orders (L3), matches nothing."""
    from lrvx import L3Book

    names = ("bid", "ask")
    said = L3Book().add_order(1, 1.0, 1.0, "bid")
    if "ok" not in said.lower():
        names = ("buy", "sell")
        said = L3Book().add_order(1, 1.0, 1.0, "buy")
    rows = [
        (op, number, float(price), float(size), names[side])
        for op, side, price, size, number in work["feed"]
    ]

    def start() -> Callable[[], Played]:
        book = L3Book()

        def play() -> Played:
            for op, number, price, size, side in rows:
                if op == ADD:
                    book.add_order(number, price, size, side)
                elif op == SET:
                    book.modify_order(number, size)
                else:
                    book.remove_order(number)
            return {"resting": len(book.export_snapshot())}

        return play

    return start


def hftbacktest(work: dict[str, Rows]) -> Callable[[], Callable[[], Played]]:
    """Replays a feed of levels from an array, compiled, all in one call; matches nothing."""
    import numpy as np
    from hftbacktest import (
        BUY_EVENT,
        DEPTH_EVENT,
        EXCH_EVENT,
        LOCAL_EVENT,
        SELL_EVENT,
        BacktestAsset,
        ROIVectorMarketDepthBacktest,
        event_dtype,
    )

    rows = work["levels"]
    data = np.zeros(len(rows), event_dtype)
    flags = DEPTH_EVENT | EXCH_EVENT | LOCAL_EVENT
    data["ev"] = [flags | (SELL_EVENT if row[1] else BUY_EVENT) for row in rows]
    data["exch_ts"] = data["local_ts"] = np.arange(1, len(rows) + 1)
    data["px"], data["qty"] = [row[2] for row in rows], [row[3] for row in rows]

    def start() -> Callable[[], Played]:
        asset = (
            BacktestAsset()
            .data([data])
            .linear_asset(1.0)
            .constant_latency(0, 0)
            .risk_adverse_queue_model()
            .no_partial_fill_exchange()
            .trading_value_fee_model(0.0, 0.0)
            .tick_size(1.0)
            .lot_size(1.0)
            .roi_lb(1.0)
            .roi_ub(200_000.0)
        )
        test = ROIVectorMarketDepthBacktest([asset])

        def play() -> Played:
            test.elapse(len(rows) + 1)
            depth = test.depth(0)
            found = {"best_bid": int(depth.best_bid), "best_ask": int(depth.best_ask)}
            test.close()
            return found

        return play

    return start


PEERS: dict[str, tuple[Callable[..., Any], str, str]] = {
    # name -> driver, distribution, what it is given
    "sortedcontainers": (sorted_book, "sortedcontainers", "orders"),
    "cython-orderbook": (cython_orderbook, "cython-orderbook", "orders"),
    "pyorderbook": (pyorderbook, "pyorderbook", "orders"),
    "fastlob": (fastlob, "fastlob", "orders"),
    "order-book": (order_book, "order-book", "levels"),
    "nautilus_trader": (nautilus_trader, "nautilus_trader", "feed"),
    "lrvx": (lrvx, "lrvx", "feed"),
    "hftbacktest": (hftbacktest, "hftbacktest", "levels"),
}


def main(name: str, path: str, repeat: str) -> None:
    """Play it several times on fresh books; the best thread CPU time counts."""
    driver, distribution, given = PEERS[name]
    work = json.loads(Path(path).read_text("utf-8"))
    start = driver(work)
    best = float("inf")
    found: Played = {}
    gc.disable()
    for _ in range(int(repeat)):
        play = start()
        began = time.thread_time()
        found = play()
        best = min(best, time.thread_time() - began)
        gc.collect()
    count = len(work[given])
    said = {"version": version(distribution), "given": given, "ns": best / count * 1e9}
    print(json.dumps(said | found))


if __name__ == "__main__":
    main(*sys.argv[1:])
