"""Recorded levels into a book: updates a second from arrays. Thread CPU time, minimum of N.

    python bench/bench_data.py [--updates N] [--repeat N] [--seed N] [--json]

Beside it, on the same rows: one dict a side in plain Python, which knows no best price, and one
that keeps its prices sorted by bisection. Where the shared folder is found, its Binance files too.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from bisect import bisect_left, insort
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ordercascade.core.levels import LevelBook
from ordercascade.data.follow import LevelFollower
from ordercascade.data.forms import Array, LevelRows, joined
from ordercascade.data.recorded import neutral_levels

CLONE = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("ORDERCASCADE_SHARED", CLONE.parent / "shared")) / "data"
PRICE_MAX = 2**31 - 1
Columns = tuple[Array, Array, Array]


def feed(updates: int, seed: int) -> Columns:
    """Return side, price, size: levels at geometric distances of a walking middle, a third of
    them emptied, as the diffs of a deep book are."""
    draw = np.random.default_rng(seed)
    middle = 600_000 + np.cumsum(draw.integers(-1, 2, updates))
    side = draw.integers(0, 2, updates)
    away = 1 + draw.geometric(0.01, updates)
    size = draw.integers(1, 10**6, updates) * (draw.random(updates) > 1 / 3)
    return side, middle - away * (1 - 2 * side), size


def compiled(columns: Columns) -> float:
    """Return the seconds of one bulk call into a book that has touched its memory."""
    book = LevelBook(PRICE_MAX)
    book.apply(*columns)
    book.clear()
    start = time.thread_time()
    book.apply(*columns)
    return time.thread_time() - start


def cold(columns: Columns) -> float:
    """The same into a new book, page faults and all."""
    book = LevelBook(PRICE_MAX)
    start = time.thread_time()
    book.apply(*columns)
    return time.thread_time() - start


def compiled_tops(columns: Columns) -> float:
    """The same, with the top of the book after every tenth update."""
    book = LevelBook(PRICE_MAX)
    ends = np.arange(0, len(columns[0]), 10)
    book.apply(*columns)
    book.clear()
    start = time.thread_time()
    book.apply(*columns, ends=ends)
    return time.thread_time() - start


def single(columns: Columns) -> float:
    """One Python call an update."""
    book = LevelBook(PRICE_MAX)
    rows = list(zip(*(column.tolist() for column in columns), strict=True))
    put = book.set
    start = time.thread_time()
    for side, price, size in rows:
        put(side, price, size)
    return time.thread_time() - start


def dicts(columns: Columns) -> float:
    """A dict a side: no best price, no order."""
    sides: tuple[dict[int, int], dict[int, int]] = ({}, {})
    rows = list(zip(*(column.tolist() for column in columns), strict=True))
    start = time.thread_time()
    for side, price, size in rows:
        if size:
            sides[side][price] = size
        else:
            sides[side].pop(price, None)
    return time.thread_time() - start


def sorted_dicts(columns: Columns) -> float:
    """A dict and a sorted list of prices a side: the best price is at an end."""
    sides: tuple[dict[int, int], dict[int, int]] = ({}, {})
    prices: tuple[list[int], list[int]] = ([], [])
    rows = list(zip(*(column.tolist() for column in columns), strict=True))
    start = time.thread_time()
    for side, price, size in rows:
        levels = sides[side]
        if size:
            if price not in levels:
                insort(prices[side], price)
            levels[price] = size
        elif levels.pop(price, 0):
            del prices[side][bisect_left(prices[side], price)]
    return time.thread_time() - start


def followed(rows: LevelRows) -> float:
    """Seconds to follow a recorded file's rows: snapshot, diffs, the top after each message."""
    follower = LevelFollower()
    start = time.thread_time()
    follower.feed(rows)
    follower.finish()
    return time.thread_time() - start


def lines(columns: Columns, repeat: int) -> list[dict[str, object]]:
    """Return one row an engine; they take turns, so that a busy moment meets them all."""
    few = tuple(column[: len(column) // 10] for column in columns)
    engines: dict[str, tuple[Callable[[Columns], float], Columns]] = {
        "LevelBook.apply, one call": (compiled, columns),
        "the same, into a new book": (cold, columns),
        "the same, the top after every 10th": (compiled_tops, columns),
        "LevelBook.set, one Python call an update": (single, few),  # type: ignore[dict-item]
        "a dict a side in Python, no best price": (dicts, few),  # type: ignore[dict-item]
        "a dict and a sorted list a side in Python": (sorted_dicts, few),  # type: ignore[dict-item]
    }
    best = dict.fromkeys(engines, float("inf"))
    for _ in range(repeat):
        for name, (engine, rows) in engines.items():
            best[name] = min(best[name], engine(rows) / len(rows[0]))
    return [
        {"engine": name, "ns_an_update": seconds * 1e9, "million_a_second": 1e-6 / seconds}
        for name, seconds in best.items()
    ]


def recordings(repeat: int) -> list[dict[str, object]]:
    """Return one row a recorded Binance file: reading it and following it."""
    found: list[dict[str, object]] = []
    for path in sorted(SHARED.glob("l2_binance*.parquet")):
        start = time.thread_time()
        rows = joined(LevelRows, neutral_levels(path))
        reading = time.thread_time() - start
        seconds = min(followed(rows) for _ in range(repeat)) / len(rows.event)
        found.append(
            {
                "engine": f"LevelFollower, {path.stem} (read at {reading * 1e3:.0f} ms)",
                "ns_an_update": seconds * 1e9,
                "million_a_second": 1e-6 / seconds,
            }
        )
    return found


def main() -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--updates", type=int, default=2_000_000)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    rows = lines(feed(chosen.updates, chosen.seed), chosen.repeat) + recordings(chosen.repeat)
    if chosen.json:
        print(json.dumps({"updates": chosen.updates, "seed": chosen.seed, "rows": rows}, indent=1))
    else:
        print(f"\nrecorded levels: {chosen.updates:,} updates, seed {chosen.seed}")
        for row in rows:
            print(
                f"{row['ns_an_update']:9.1f} ns {row['million_a_second']:8.2f} M/s  {row['engine']}"
            )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
