"""Scopes margined by scenarios: what a step costs where all are looked at every time.

    python bench/bench_portfolio.py [--scopes N] [--repeat N]

N cross scopes at one venue and an outside price that moves by a tick a step, far from any
liquidation: a future alone, by its rate (armed) and by Deribit's 37 scenarios (scanned); then a
future, a call and a put in each scope. Thread CPU time, minimum of N.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

from ordercascade.core.derivatives import buckets, set_option, set_portfolio
from ordercascade.core.world import World
from ordercascade.duties import OptionKind
from ordercascade.enums import PriceSource

STEPS = 20
MARK = 10_000
MONTH = 30 * 86_400 * 10**9
FAR = [(move * 10_000, None) for move in (-66, -50, -33, 33, 50, 100, 200, 300, 400, 500)]
GRID: dict[str, Any] = {
    "reference": 0,
    "rows": buckets(160_000, 4, extended=FAR),
    "up_ppm": 500_000,
    "down_ppm": 250_000,
    "power_short_ppm": 300_000,
    "power_long_ppm": 130_000,
}


def build(scopes: int, options: int, *, portfolio: bool) -> World:
    """Return a started world of accounts with a future, and with options where there are any."""
    world = World()
    world.add_venue()
    venue = world.venue(0)
    venue.add_market(price_max=2**15, size_max=2**30, brackets=[(0, 10_000, 0, 20_000)],
                     index=MARK, source=PriceSource.INDEX)  # fmt: skip
    for k in range(options):
        market = venue.add_market(price_max=2**15, size_max=2**30)
        terms = {"kind": list(OptionKind)[k % 2], "strike": MARK, "vol_ppm": 500_000}
        set_option(world, 0, market, underlying=0, expires_ns=MONTH, **terms)
    if portfolio:
        grid = GRID | {"markets": list(range(options + 1))}
        set_portfolio(world, 0, underlyings=[grid], maintenance_ppm=800_000)
    for k in range(scopes):
        account = venue.open_account()
        venue.deposit(account, 0, 10**9)
        lots = 500 + k % 2_000
        venue.open_position(account, 0, lots, lots * MARK)
        for market in range(1, options + 1):
            size = lots if market % 2 else -lots
            venue.open_position(account, market, size, size * 570)
    for step in range(STEPS):
        world.schedule_index(step, 0, 0, MARK - 1 - step)
    world.start()
    world.settle()
    return world


def main() -> None:
    """Print a line for each kind of margin."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--scopes", type=int, default=10**4)
    arguments.add_argument("--repeat", type=int, default=3)
    given = arguments.parse_args()
    for label, options, portfolio in (
        ("a future by its rate: armed", 0, False),
        ("a future by 37 scenarios: scanned", 0, True),
        ("a future and two options: scanned", 2, True),
    ):
        world = build(given.scopes, options, portfolio=portfolio)
        best = float("inf")
        for _ in range(given.repeat):
            other = world.fork()
            before = time.thread_time()
            steps = other.run(2 * STEPS)
            best = min(best, (time.thread_time() - before) / steps)
        each = best / given.scopes * 1e9
        print(f"{label:<38} {best * 1e6:12,.1f} us a step  {each:8.1f} ns a scope  {steps} steps")


if __name__ == "__main__":
    main()
