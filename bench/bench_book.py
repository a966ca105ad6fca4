"""The order book beside the C ceiling: the same messages, the same machine, the same run.

Thread CPU time, minimum of N. `python bench/bench_book.py [--json] [--repeat N] [--messages N]`.
The ceiling (bench/ceiling.py) is a bare C book without accounts, checks or stale-safe ids. V=2
finds ids in a dense table, V=3 is told the slot. It is compiled twice, with its recipe's flags and
with those of this project. The recipe's own workloads are played by bench_recipe.py.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import ceiling
import workloads
from ordercascade.core.book import OrderBook
from ordercascade.enums import OrderType, Side

# The ceiling's record: 16 bytes.
RECORD = np.dtype("u4, i4, i4, u1, u1, u2")
RECORD.names = ("id", "price", "size", "type", "side", "pad")
PIECE = 65_536
IN_A_ROW = 3  # passes of an engine before it is the next one's turn
State = dict[str, int]


def state_of(book: OrderBook, fills: int, volume: int) -> State:
    """Return what both engines must agree on."""
    best_bid = book.best_bid or -1
    return {"best_bid": best_bid, "n_resting": len(book), "n_trades": fills, "volume": volume}


def ready(used: OrderBook, messages: np.ndarray) -> OrderBook:
    """Return an empty book. Where no message names an id it is one that has touched its memory and
    will fill it from the start, as the ceiling's has and will when its clock starts."""
    if messages["order_id"].any():
        return OrderBook(workloads.PRICE_MAX)
    for side in Side:
        used.market(side, 2**40)
    used.apply(messages[messages["type"] == OrderType.LIMIT])
    ids = used.results
    cancels = np.zeros(len(ids), messages.dtype)
    cancels["type"], cancels["account"] = OrderType.CANCEL, -1
    cancels["order_id"] = ids[np.argsort(ids & 0xFFFFFFFF)[::-1]]
    used.apply(cancels)
    return used


def batch(used: OrderBook, messages: np.ndarray, piece: int) -> tuple[float, State]:
    """Return seconds and final state of one pass through `apply` in calls of `piece` rows."""
    book = ready(used, messages)
    pieces = [messages[start : start + piece] for start in range(0, len(messages), piece)]
    count = volume = 0
    seconds = 0.0
    for rows in pieces:
        start = time.thread_time()
        fills = book.apply(rows)
        seconds += time.thread_time() - start
        count += len(fills)
        volume += int(fills["size"].sum())
    return seconds, state_of(book, count, volume)


def passes(used: OrderBook, messages: np.ndarray, piece: int) -> tuple[float, State]:
    """Return the best of some passes in a row."""
    return min((batch(used, messages, piece) for _ in range(IN_A_ROW)), key=lambda pair: pair[0])


def single(used: OrderBook, messages: np.ndarray) -> float:
    """Return the seconds of one Python call a message."""
    book = ready(used, messages)
    submit, cancel, amend, market = book.submit, book.cancel, book.amend, book.market
    limit_type, cancel_type, amend_type = (
        int(kind) for kind in (OrderType.LIMIT, OrderType.CANCEL, OrderType.AMEND)
    )
    rows = messages.tolist()
    start = time.thread_time()
    for kind, side, _, _, account, order, price, size in rows:
        if kind == limit_type:
            submit(side, price, size, account=account)
        elif kind == cancel_type:
            cancel(order, account=account)
        elif kind == amend_type:
            amend(order, size=size, account=account)
        else:
            market(side, size, account=account)
    return time.thread_time() - start


def as_records(messages: np.ndarray) -> np.ndarray:
    """Return the messages in the ceiling's form: orders numbered 1, 2, … as they come."""
    book = OrderBook(workloads.PRICE_MAX)
    book.apply(messages)
    records = np.zeros(len(messages), RECORD)
    number: dict[int, int] = {}
    ids = []
    triples = zip(
        messages["type"].tolist(), messages["order_id"].tolist(), book.results.tolist(), strict=True
    )
    for kind, order, result in triples:
        new = kind in (OrderType.LIMIT, OrderType.MARKET)
        ids.append(len(ids) + 1 if new else number[order])
        if new and result > 0:
            number[result] = ids[-1]
    records["id"] = ids
    for field in ("price", "size", "side"):
        records[field] = messages[field]
    # ADD, MARKET, CANCEL, REDUCE in the order of OrderType LIMIT, MARKET, CANCEL, AMEND.
    records["type"] = np.array([0, 3, 1, 2], np.uint8)[messages["type"]]
    return records


def measure(messages: np.ndarray, repeat: int) -> dict[str, tuple[float, State]]:
    """Return best seconds and state by engine; the engines take turns, so that a busy moment of
    the machine meets them all."""
    used = OrderBook(workloads.PRICE_MAX)
    with tempfile.TemporaryDirectory() as folder:
        records = Path(folder, "records.bin")
        as_records(messages).tofile(records)
        engines: dict[str, Callable[[], tuple[float, State]]] = {
            f"apply, {PIECE:,} messages a call": lambda: passes(used, messages, PIECE),
            "apply, all in one call": lambda: passes(used, messages, len(messages)),
        }
        if not ceiling.missing():
            names = list(state_of(OrderBook(1), 0, 0))
            for name, program in ceiling.compiled(Path(folder), (2, 3)).items():
                engines[name] = lambda program=program: ceiling.seconds(
                    program, records, IN_A_ROW, names
                )
        best = {name: engine() for name, engine in engines.items()}
        for _ in range(repeat - 1):
            for name, engine in engines.items():
                best[name] = min(best[name], engine(), key=lambda pair: pair[0])
        few = messages[:200_000]
        slow = min(single(used, few) for _ in range(3))
        best["one Python call a message"] = slow * len(messages) / len(few), {}
    return best


def table(messages: np.ndarray, best: dict[str, tuple[float, State]]) -> list[dict[str, Any]]:
    """Return one row an engine; the ratio is to V=2 with the recipe's flags."""
    peer = next(
        (pair[0] for name, pair in best.items() if "V=2" in name and "recipe" in name), None
    )
    want = next(iter(best.values()))[1]
    rows = []
    for name, (seconds, state) in best.items():
        if state and state != want:
            raise SystemExit(f"{name} ends elsewhere: {state}, not {want}")
        rows.append(
            {
                "engine": name,
                "ns_a_message": seconds / len(messages) * 1e9,
                "million_a_second": len(messages) / seconds / 1e6,
                "of_the_ceiling": peer / seconds if peer else None,
            }
        )
    return rows


def main() -> int:
    """Measure both workloads and print a table each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    if ceiling.missing():
        print(ceiling.missing(), file=sys.stderr)
    report = {}
    for name, messages in (
        ("mixed", workloads.mixed(chosen.messages, seed=chosen.seed)),
        ("crash", workloads.crash(seed=chosen.seed)),
    ):
        best = measure(messages, chosen.repeat)
        rows = table(messages, best)
        state = next(iter(best.values()))[1]
        report[name] = {"messages": len(messages), "seed": chosen.seed, "end": state, "rows": rows}
        if not chosen.json:
            print(f"\n{name}: {len(messages):,} messages, seed {chosen.seed}; all end with {state}")
            for row in rows:
                share = row["of_the_ceiling"]
                print(
                    f"{row['ns_a_message']:9.1f} ns {row['million_a_second']:8.2f} M/s"
                    f" {f'{share:6.2f}' if share else '     -'}  {row['engine']}"
                )
    if chosen.json:
        print(json.dumps(report, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
