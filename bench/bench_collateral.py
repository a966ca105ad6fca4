"""Scopes that other assets back: what a step costs where they are looked at every time.

    python bench/bench_collateral.py [--scopes N] [--repeat N]

One market, N cross longs at leverages of 5 to 28, each with 10 units of an asset as its only
margin, and a shock of one lot a step that moves the mark by a tick, far from any liquidation. With
a stated rate scopes are armed, with the market's mark they are scanned. Thread CPU time, minimum
of N.
"""

from __future__ import annotations

import argparse
import time

from ordercascade.core.world import World
from ordercascade.enums import CollateralSource, Side

STEPS = 50
MARK = 10_000


def build(scopes: int, source: CollateralSource, *, tiered: bool) -> World:
    """Return a started world whose every account is backed by 10 units."""
    world = World()
    world.add_venue(asset_count=2)
    venue = world.venue(0)
    brackets = [(0, 10_000, 0, 20_000)]
    venue.add_market(price_max=2**15, size_max=2**30, brackets=brackets, last=MARK)
    terms: dict[str, object] = {"haircut_ppm": 100_000}
    if tiered:
        terms = {"tiers": ((0, 50_000), (5, 200_000), (8, 400_000))}
        terms |= {"impact_ppm": 32_000, "volume": 10**9, "floor_ppm": 10_000}
    if source == CollateralSource.MARK:
        world.add_collateral(0, 1, source=source, market=0, multiplier=100, **terms)
    else:
        world.add_collateral(0, 1, price=MARK, multiplier=100, **terms)
    for k in range(scopes):
        account = venue.open_account()
        venue.deposit(account, 1, 10)
        lots = 5_000 + k % 20_000
        venue.open_position(account, 0, lots, lots * MARK)
    for tick in range(STEPS + 2):
        venue.seed_level(0, Side.BID, MARK - 1 - tick, 1)
    for step in range(STEPS):
        world.schedule_shock(step, 0, 0, Side.ASK, size=1)
    world.start()
    world.settle()
    return world


def main() -> None:
    """Print a line for each way of valuing."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--scopes", type=int, default=10**5)
    arguments.add_argument("--repeat", type=int, default=3)
    given = arguments.parse_args()
    for label, source, tiered in (
        ("a stated rate: armed", CollateralSource.RATE, False),
        ("the mark, fixed haircut: scanned", CollateralSource.MARK, False),
        ("the mark, tiers and impact: scanned", CollateralSource.MARK, True),
    ):
        world = build(given.scopes, source, tiered=tiered)
        best = float("inf")
        for _ in range(given.repeat):
            other = world.fork()
            before = time.thread_time()
            steps = other.run()
            best = min(best, (time.thread_time() - before) / steps)
        each = best / given.scopes * 1e9
        print(f"{label:<38} {best * 1e6:12,.1f} us a step  {each:8.1f} ns a scope  {steps} steps")


if __name__ == "__main__":
    main()
