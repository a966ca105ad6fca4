"""A million accounts: drawn, opened in one call, armed at the start. Thread CPU time, minimum of N.

    python bench/bench_populate.py [--accounts N] [--repeat N]

Beside it: the same numbers of draws by numpy's Generator alone, without any rule of margin, and
accounts opened by single calls.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ordercascade.core.laws import Crowd, Drawn, Law, LawKind, Terms
from ordercascade.core.populate import draw
from ordercascade.core.world import World

BRACKETS = [(0, 5_000, 0, 10_000), (10**12, 10_000, 5 * 10**9, 20_000)]
TERMS = Terms(600_000, 100, 2**22, 2**31, BRACKETS)
LEVERAGE = Law(
    LawKind.VALUES, values=(3.0, 5.0, 10.0, 20.0, 50.0), weights=(0.2, 0.3, 0.3, 0.15, 0.05)
)
# Correlation 0.6 of the first of five markets with each other one, 0.36 among those.
ROW = [[1.0]] + [[0.6] + [0.0] * k + [0.8] for k in range(4)]


def crowd(accounts: int, markets: int) -> Crowd:
    """Return the population of the demo, in one market or spread over five."""
    return Crowd(
        accounts=accounts,
        long_share=0.84,
        cross_share=0.6,
        leverage=LEVERAGE,
        size=Law(LawKind.LOGNORMAL, 2e10, 1.4),
        size_is_value=True,
        entry=Law(LawKind.NORMAL, 1.0, 0.015),
        entry_in_ticks=False,
        held=(1.0, *(0.5,) * (markets - 1)),
        root=tuple(x for row in ROW for x in row) if markets == 5 else (),
    )


def venue_of(markets: int) -> tuple[Any, Any]:
    """Return a world and its venue, ready for accounts."""
    world = World()
    venue = world.venue(world.add_venue())
    for _ in range(markets):
        venue.add_market(0, 100, price_max=2**20, size_max=2**31, brackets=BRACKETS, last=600_000)
    return world, venue


def timed(work: Callable[[], object]) -> tuple[float, Any]:
    """Return CPU seconds of this thread and what came out."""
    started = time.thread_time()
    made = work()
    return time.thread_time() - started, made


def by_numpy(accounts: int) -> object:
    """Draw the same laws with numpy, and nothing else."""
    rng = np.random.default_rng(7)
    rng.random(accounts)
    rng.choice(LEVERAGE.values, accounts, p=LEVERAGE.weights)
    rng.lognormal(0, 1.4, accounts)
    return rng.normal(1, 0.015, accounts)


def one_by_one(drawn: Drawn) -> None:
    """Open the same accounts by single calls."""
    _, venue = venue_of(1)
    rows = drawn.openings.tolist()
    for deposit, (_, market, size, cost, collateral, _) in zip(
        drawn.deposits.tolist(), rows, strict=True
    ):
        account = venue.open_account()
        venue.deposit(account, 0, deposit + collateral)
        venue.open_position(account, market, size, cost)


def main() -> None:
    """Print a table: seconds for each part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=10**6)
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    n = arguments.accounts
    for markets in (1, 5):
        best = [float("inf")] * 3
        for _ in range(arguments.repeat):
            spent, drawn = timed(lambda: draw(crowd(n, markets), [TERMS] * markets, 7, "crowd"))  # noqa: B023
            world, venue = venue_of(markets)
            opened, _ = timed(lambda: venue.open_accounts(drawn.deposits, drawn.openings))  # noqa: B023
            started, _ = timed(world.start)
            best = [min(pair) for pair in zip(best, (spent, opened, started), strict=True)]
        total = f"{sum(best):6.2f} s in all for {len(drawn.openings):,} positions (named: 2 s)"
        parts = f"draw {best[0]:.2f}, open {best[1]:.2f}, start {best[2]:.2f}"
        print(f"{n:,} accounts, {markets} market{'s' * (markets > 1)}: {total}; {parts}")
    print(f"numpy's Generator, the draws alone: {timed(lambda: by_numpy(n))[0]:6.2f} s")
    few = draw(crowd(n // 10, 1), [TERMS], 7, "crowd")
    print(f"a tenth of them by single calls:    {timed(lambda: one_by_one(few))[0]:6.2f} s")


if __name__ == "__main__":
    main()
