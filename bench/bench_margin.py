"""Margin questions for arrays of accounts, without a run.

    python bench/bench_margin.py [--accounts N] [--repeat N]

Accounts from seed 7: sizes 1 to 10^5 lots (log-uniform, so that every tier is used) of either side,
entries 9,000 to 11,000 ticks, leverage 2 to 50, on marginal tiers of ten rows. Thread CPU time,
minimum of N; a NumPy evaluation of the same maintenance stands beside `what_if` in the same run.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ordercascade.margin import Schedule, liquidation_price, max_size, trigger_price, what_if

Int64 = npt.NDArray[np.int64]
MULTIPLIER = 100
NAMED = {"liquidation_price": 0.1, "what_if": 0.2}


def tiers(count: int) -> list[tuple[int, int, int, int]]:
    """Return continuous rows: rates from 0.4 % up, floors doubling from 2 * 10^8 units."""
    rows = [(0, 4_000, 0, 20_000)]
    for k in range(1, count):
        floor, rate = 10**8 << k, 4_000 + 2_500 * k
        amount = rows[-1][2] + floor * (rate - rows[-1][1]) // 10**6
        rows.append((floor, rate, amount, 2 * rate + 12_000))
    return rows


def crowd(accounts: int) -> tuple[Int64, Int64, Int64, Int64]:
    """Return sizes, entries, costs and collateral."""
    draw = np.random.default_rng(7)
    lots = np.exp(draw.uniform(0, np.log(10**5), accounts)).astype(np.int64)
    size = lots * draw.choice([-1, 1], accounts)
    entry = draw.integers(9_000, 11_000, accounts)
    cost = size * entry * MULTIPLIER
    return size, entry, cost, np.abs(cost) // draw.integers(2, 50, accounts)


def best(call: Callable[[], object], repeat: int) -> float:
    """Return the least thread CPU time of a call, in seconds."""
    times = []
    for _ in range(repeat):
        start = time.thread_time()
        call()
        times.append(time.thread_time() - start)
    return min(times)


def scanned(rows: list[tuple[int, int, int, int]], prices: Int64, size: Int64) -> None:
    """Compute the same maintenance by NumPy."""
    floors, rates, amounts = (np.array(column) for column in list(zip(*rows, strict=True))[:3])
    for price in prices:
        value = np.abs(size) * (price * MULTIPLIER)
        at = np.searchsorted(floors, value, side="right") - 1
        np.maximum(0, -(-value * rates[at] // 10**6) - amounts[at])


def line(what: str, seconds: float, each: float, named: float | None = None) -> None:
    aim = "" if named is None else f"   at most {named} s"
    print(f"{what:<52}{seconds:9.4f} s {seconds / each * 1e9:8.1f} ns{aim}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=10**6)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    n, repeat = options.accounts, options.repeat
    rows = tiers(10)
    schedule = Schedule.tiers(rows, multiplier=MULTIPLIER)
    size, entry, cost, money = crowd(n)
    for digits in (0, 4):
        took = best(
            lambda d=digits: liquidation_price(schedule, size, cost, money, digits=d), repeat
        )  # type: ignore[misc]
        line(
            f"liquidation_price, {n:,} accounts, 10 tiers, digits {digits}",
            took,
            n,
            NAMED["liquidation_price"],
        )
    line(
        f"trigger_price, {n:,}", best(lambda: trigger_price(schedule, size, cost, money), repeat), n
    )
    line(f"max_size, {n:,}", best(lambda: max_size(schedule, entry, money), repeat), n)
    few = n // 10
    prices = np.arange(9_000, 11_000, 20)
    ask = size[:few], cost[:few], money[:few]
    took = best(lambda: what_if(schedule, prices, *ask), repeat)
    line(f"what_if, {len(prices)} prices x {few:,}", took, few * len(prices), NAMED["what_if"])
    out = what_if(schedule, prices, *ask)
    took = best(lambda: what_if(schedule, prices, *ask, out=out), repeat)
    line("  the same into arrays that are there", took, few * len(prices))
    took = best(lambda: scanned(rows, prices, size[:few]), min(repeat, 3))
    line("  NumPy: maintenance alone", took, few * len(prices))


if __name__ == "__main__":
    main()
