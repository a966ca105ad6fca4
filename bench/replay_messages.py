"""Replay a file of recipes/book_bench's records and print digests, end state and rate.

`python bench/replay_messages.py FILE.bin [--repeat N] [--json] [--expect FILE.ref.txt]`.
A record has 16 bytes: u32 id, i32 price, i32 size, u8 type (add, cancel, reduce, market, crossing
limit), u8 side, u16 pad. It is played twice over: by the record's own ids (ids="external"), which
gives the digests, and by the book's ids, as a caller does who keeps what submit() returned. Rates
are thread CPU time of apply(), minimum of N; turning records into messages is not counted.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from ordercascade.core.book import MESSAGE_DTYPE, OrderBook
from ordercascade.enums import OrderType, Side

RECORD = np.dtype(
    [("id", "u4"), ("price", "i4"), ("size", "i4"), ("type", "u1"), ("side", "u1"), ("pad", "u2")]
)
# The record's types 0 to 4: add, cancel, reduce, market, crossing limit.
TYPES = np.array(
    [OrderType.LIMIT, OrderType.CANCEL, OrderType.AMEND, OrderType.MARKET, OrderType.LIMIT],
    np.uint8,
)
PIECE = 65_536
FNV_START, FNV_PRIME, MASK = 1469598103934665603, 1099511628211, 2**64 - 1
Result = dict[str, Any]


def records_of(path: Path) -> np.ndarray:
    """Return the records of a file; SystemExit says what is wrong with it."""
    size = path.stat().st_size
    if size % RECORD.itemsize:
        raise SystemExit(f"{path}: {size} bytes are no whole number of 16-byte records")
    records = np.fromfile(path, RECORD)
    wrong = np.flatnonzero((records["type"] > 4) | (records["side"] > 1))
    if len(wrong):
        first = wrong[0]
        raise SystemExit(f"{path}: record {first} is none that can be replayed: {records[first]}")
    return records


def messages_of(records: np.ndarray) -> np.ndarray:
    """Return the records as messages that name orders by the records' ids, all of one account."""
    messages = np.zeros(len(records), MESSAGE_DTYPE)
    messages["type"] = TYPES[records["type"]]
    for name, field in (("order_id", "id"), ("price", "price"), ("size", "size"), ("side", "side")):
        messages[name] = records[field]
    of_order = np.isin(messages["type"], [OrderType.CANCEL, OrderType.AMEND])
    messages["account"][of_order] = -1
    messages["price"][of_order] = 0
    messages["size"][messages["type"] == OrderType.CANCEL] = 0
    return messages


def played(messages: np.ndarray, price_max: int, ids: str, piece: int) -> tuple[float, Any]:
    """Return seconds and (book, all fills, all results) of one pass in pieces."""
    book = OrderBook(price_max, ids=ids)  # type: ignore[arg-type]
    seconds, fills, results = 0.0, [], []
    for start in range(0, len(messages), piece):
        rows = messages[start : start + piece]
        at = time.thread_time()
        found = book.apply(rows)
        seconds += time.thread_time() - at
        fills.append(found)
        results.append(book.results.copy())
    return seconds, (book, np.concatenate(fills), np.concatenate(results))


def with_own_ids(messages: np.ndarray, price_max: int) -> np.ndarray:
    """Return the messages with the ids that a fresh book will give: it gives them in the order in
    which orders come to rest, so each is learnt by playing what stands before it."""
    book = OrderBook(price_max)
    mine: dict[int, int] = {}
    known = messages.copy()
    names, kinds = messages["order_id"].tolist(), messages["type"].tolist()
    fresh = (OrderType.LIMIT, OrderType.MARKET)
    start = 0
    while start < len(messages):
        # As far as every cancel and amend names an order that rests already.
        stop, coming = start, set()
        while stop < len(messages) and (kinds[stop] in fresh or names[stop] not in coming):
            if kinds[stop] in fresh:
                coming.add(names[stop])
                known["order_id"][stop] = 0
            else:
                known["order_id"][stop] = mine.get(names[stop], 0)
            stop += 1
        book.apply(known[start:stop])
        for row, result in enumerate(book.results.tolist(), start):
            if kinds[row] in fresh and result > 0:
                mine[names[row]] = result
        start = stop
    return known


def digest(words: list[int]) -> str:
    """FNV-1a over 64-bit words, as the recipe's reference does it."""
    value = FNV_START
    for word in words:
        value = (value ^ word) * FNV_PRIME & MASK
    return f"{value:016x}"


def words_of_book(book: OrderBook) -> list[int]:
    """Bids, then asks, price ascending, queue order: id, price, size."""
    words = []
    for side, levels in zip(Side, book.depth(2**40), strict=True):
        for price in sorted(levels[:, 0].tolist()):
            for order, size, _ in book.queue(side, price).tolist():
                words += [order, price, size]
    return words


def end_of(book: OrderBook, fills: np.ndarray) -> Result:
    """Return what the recipe's reference prints."""
    names = ["maker_order", "taker_order", "price", "size"]
    trades = np.stack([fills[name] for name in names], axis=1).ravel().tolist()
    depth = book.depth(2**40)
    return {
        "best_bid": book.best_bid or 0,
        "best_ask": book.best_ask or 0,
        "n_resting": len(book),
        "rest_bid_qty": int(depth.bids[:, 1].sum()),
        "rest_ask_qty": int(depth.asks[:, 1].sum()),
        "levels_bid": len(depth.bids),
        "levels_ask": len(depth.asks),
        "n_trades": len(fills),
        "volume": int(fills["size"].sum()),
        "notional": sum((fills["size"] * fills["price"]).tolist()),
        "trade_digest": digest(trades),
        "book_digest": digest(words_of_book(book)),
    }


def expected(path: Path) -> Result:
    """Return the numbers that the recipe's generator wrote beside its file."""
    line = next(
        line for line in path.read_text().splitlines() if line.startswith(("reduce_keeps", "final"))
    )
    found = dict(re.findall(r"(\w+)=(\w+)", line))
    return {name: text if "digest" in name else int(text) for name, text in found.items()}


def replay(path: Path, repeat: int) -> Result:
    """Return end state and rates of a file."""
    records = records_of(path)
    messages = messages_of(records)
    price_max = max(int(records["price"].max(initial=1)), 1)
    named = min((played(messages, price_max, "external", PIECE) for _ in range(repeat)),
                key=lambda pair: pair[0])  # fmt: skip
    book, fills, _ = named[1]
    rates = {"external ids": named[0]}
    own = with_own_ids(messages, price_max)
    for what, piece in (("own ids", PIECE), ("own ids, 256 a call", 256)):
        best = min((played(own, price_max, "own", piece) for _ in range(repeat)),
                   key=lambda pair: pair[0])  # fmt: skip
        if best[1][1]["size"].tolist() != fills["size"].tolist():
            raise SystemExit("the two ways of naming orders end in different fills")
        rates[what] = best[0]
    return {
        "file": path.name,
        "messages": len(records),
        "end": end_of(book, fills),
        "million_a_second": {name: len(records) / s / 1e6 for name, s in rates.items()},
        "ns_a_message": {name: s / len(records) * 1e9 for name, s in rates.items()},
    }


def main(argv: list[str] | None = None) -> int:
    """Replay a file; 4 where it does not end as expected."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--expect", type=Path, help="the .ref.txt of the generator")
    chosen = parser.parse_args(argv)
    report = replay(chosen.file, chosen.repeat)
    if chosen.json:
        print(json.dumps(report, indent=1))
    else:
        print(f"{report['file']}: {report['messages']:,} messages")
        for name, value in report["end"].items():
            print(f"{name:>14} {value}")
        for name, rate in report["million_a_second"].items():
            print(f"{rate:9.2f} M/s {report['ns_a_message'][name]:8.1f} ns  {name}")
    if chosen.expect:
        want = expected(chosen.expect)
        wrong = {name: (report["end"][name], value) for name, value in want.items()
                 if report["end"][name] != value}  # fmt: skip
        print("as expected" if not wrong else f"not as expected: {wrong}", file=sys.stderr)
        return 4 if wrong else 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
