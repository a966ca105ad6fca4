"""The order book on the workloads A, B and D of the shared folder's recipe, beside its C ceiling.

Thread CPU time, minimum of N; all engines take turns. `python bench/bench_recipe.py [--repeat N]
[--ids N] [--records DIR]`. Own ids are those that the book gave, kept by the caller; external ids
are the records'. Ratios are to the fastest compilation of the ceiling with the same kind of ids,
from the same run.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import ceiling
import replay_messages as replay
from bench_book import ready
from ordercascade.core.book import MESSAGE_DTYPE, OrderBook
from ordercascade.enums import OrderType

PIECE = 65_536
SMALL = 256
FEW = 200_000  # messages of which each is a Python call
SELLS = 1_024  # of workload B, a call
SPREAD = 0x9E3779B97F4A7C15
Timed = Callable[[], float]


def batch(messages: np.ndarray, ids: str, piece: int) -> float:
    """Return the seconds of one pass in calls of `piece` rows, the loop counted in."""
    book = OrderBook(2**17, ids=ids)  # type: ignore[arg-type]
    apply = book.apply
    pieces = [messages[start : start + piece] for start in range(0, len(messages), piece)]
    start = time.thread_time()
    for rows in pieces:
        apply(rows)
    return time.thread_time() - start


def single(messages: np.ndarray) -> float:
    """Return the seconds of one Python call a message, own ids, the loop counted in."""
    book = OrderBook(2**17)
    submit, cancel, amend, market = book.submit, book.cancel, book.amend, book.market
    limit_type, cancel_type, amend_type = (
        int(kind) for kind in (OrderType.LIMIT, OrderType.CANCEL, OrderType.AMEND)
    )
    rows = messages.tolist()
    start = time.thread_time()
    for kind, side, _, _, _, order, price, size in rows:
        if kind == limit_type:
            submit(side, price, size)
        elif kind == cancel_type:
            cancel(order)
        elif kind == amend_type:
            amend(order, size=size)
        else:
            market(side, size)
    return time.thread_time() - start


def single_named(messages: np.ndarray) -> float:
    """The same with the caller's ids."""
    book = OrderBook(2**17, ids="external")
    submit, cancel, amend, market = book.submit, book.cancel, book.amend, book.market
    rows = messages.tolist()
    start = time.thread_time()
    for kind, side, _, _, _, order, price, size in rows:
        if kind == 0:
            submit(side, price, size, order_id=order)
        elif kind == 2:
            cancel(order)
        elif kind == 3:
            amend(order, size=size)
        else:
            market(side, size, order_id=order)
    return time.thread_time() - start


def turns(engines: dict[str, Timed], repeat: int) -> dict[str, float]:
    """Return the best time by engine."""
    best = {name: engine() for name, engine in engines.items()}
    for _ in range(repeat - 1):
        for name, engine in engines.items():
            best[name] = min(best[name], engine())
    return best


def messages_by(records: Path, repeat: int, folder: Path) -> None:
    """Measure a file of messages and print a table."""
    named = replay.messages_of(replay.records_of(records))
    own = replay.with_own_ids(named, 2**17)
    count = len(own)
    few = FEW / count
    engines: dict[str, Timed] = {
        f"2 apply, {PIECE:,} a call": lambda: batch(own, "own", PIECE),
        f"2 apply, {SMALL} a call": lambda: batch(own, "own", SMALL),
        "2 one Python call a message": lambda: single(own[:FEW]) / few,
        f"4 external ids, apply, {PIECE:,} a call": lambda: batch(named, "external", PIECE),
        f"4 external ids, apply, {SMALL} a call": lambda: batch(named, "external", SMALL),
        "4 external ids, one Python call a message": lambda: single_named(named[:FEW]) / few,
    }
    for name, program in ceiling.compiled(folder, (2, 4)).items():
        engines[f"{name[len('C ceiling V=')]} {name}"] = lambda program=program: ceiling.seconds(
            program, records, 3, []
        )[0]
    best = turns(engines, repeat)
    print(f"\n{records.stem}: {count:,} messages, minimum of {repeat}")
    for name, took in best.items():
        kind = name[0]
        peer = min(s for other, s in best.items() if other.startswith(f"{kind} C ceiling"))
        print(
            f"{took / count * 1e9:8.1f} ns {count / took / 1e6:8.2f} M/s {peer / took:6.2f}"
            f" of V={kind}  {name[2:]}"
        )


def sells(book: OrderBook, messages: np.ndarray, piece: int) -> float:
    """Return the nanoseconds a fill of workload B's market orders."""
    resting = int((messages["type"] == OrderType.LIMIT).sum())
    book.apply(messages[:resting])
    pieces = [messages[k : k + piece] for k in range(resting, len(messages), piece)]
    fills = 0
    start = time.thread_time()
    for rows in pieces:
        fills += len(book.apply(rows))
    return (time.thread_time() - start) / fills * 1e9


def fills_by(records: Path, repeat: int, folder: Path) -> None:
    """Measure the sells of workload B and print a table."""
    named = replay.messages_of(replay.records_of(records))
    own = named.copy()
    own["order_id"] = 0
    used = OrderBook(2**17)

    def warm(piece: int) -> float:
        return sells(ready(used, own), own, piece)

    def fresh(ids: str) -> float:
        return sells(OrderBook(2**17, ids=ids), named, SELLS)  # type: ignore[arg-type]

    engines: dict[str, Timed] = {
        f"2 {SELLS:,} sells a call": lambda: warm(SELLS),
        "2 all sells in one call": lambda: warm(PIECE),
        f"2 {SELLS:,} sells a call, a book never touched before": lambda: fresh("own"),
        f"4 external ids, {SELLS:,} sells a call, never touched": lambda: fresh("external"),
    }
    for name, program in ceiling.compiled(folder, (2, 4)).items():
        engines[f"{name[len('C ceiling V=')]} {name}"] = lambda program=program: ceiling.ns_a_fill(
            program, records, 5
        )
    best = turns(engines, 10 * repeat)
    print(f"\n{records.stem}: the sells, minimum of {10 * repeat}")
    for name, took in best.items():
        peer = min(s for other, s in best.items() if other.startswith(f"{name[0]} C ceiling"))
        print(f"{took:8.1f} ns a fill {took / peer:6.2f} times V={name[0]}  {name[2:]}")


def colliding(count: int) -> np.ndarray:
    """Ids of one home: the table's hash, taken backwards, of numbers that begin alike."""
    inverse = pow(SPREAD, -1, 2**64)
    tails = np.arange(1, 3 * count, dtype=np.uint64)
    folded = (np.uint64(0x5A5A5) << np.uint64(44) | tails) * np.uint64(inverse)
    ids = (folded ^ folded >> np.uint64(32)).astype(np.int64)
    return ids[ids > 0][:count]


def ids_by(count: int) -> None:
    """Measure orders whose ids collide beside orders with random ids: enter all, cancel all."""
    draw = np.random.default_rng(1)
    taken = {"random": draw.integers(1, 2**63 - 1, count), "of one home": colliding(count)}
    print(
        f"\n{count:,} ids, all entered, then all cancelled: the whole, and 1,000 at the 99th of 100"
    )
    worst, whole = {}, {}
    for what, ids in taken.items():
        book = OrderBook(1_000, order_max=count, ids="external")
        rows = np.zeros(2 * count, MESSAGE_DTYPE)
        rows["order_id"], rows["price"], rows["size"] = np.concatenate([ids, ids]), 5, 1
        rows["type"][count:], rows["account"][count:] = OrderType.CANCEL, -1
        parts = []
        for start in range(0, len(rows), 1_000):
            at = time.thread_time()
            book.apply(rows[start : start + 1_000])
            parts.append(time.thread_time() - at)
        if len(book) or book.results.min() < 1:
            raise SystemExit(f"{what}: not every id was found again")
        whole[what], worst[what] = sum(parts) / len(rows) * 1e9, np.quantile(parts, 0.99) * 1e6
        print(
            f"{whole[what]:8.1f} ns a message ({whole[what] / whole['random']:5.1f} times),"
            f" p99 {worst[what]:8.1f} ns ({worst[what] / worst['random']:5.1f} times)  {what}"
        )


def main() -> int:
    """Measure all three workloads, and ids that were made to collide."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--ids", type=int, default=1_000_000)
    parser.add_argument("--records", type=Path, help="a folder that keeps A.bin, B.bin and D.bin")
    parser.add_argument("--only", choices=["A", "B", "D", "ids"])
    chosen = parser.parse_args()
    if chosen.only in (None, "ids"):
        ids_by(chosen.ids)
    if chosen.only == "ids":
        return 0
    if ceiling.missing():
        print(ceiling.missing(), file=sys.stderr)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        kept = chosen.records or Path(folder)
        for name in [chosen.only] if chosen.only else ceiling.WORKLOADS:
            if name == "D" and chosen.only is None and not (kept / "D.bin").exists():
                print("\nD: left out, its records take six minutes (--only D, --records DIR)")
                continue
            measured = fills_by if name == "B" else messages_by
            measured(ceiling.workload(kept, name), chosen.repeat, Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
