"""The law of cascade sizes, in the engine: a book of constant depth, liquidation prices at random.

One unit of price is TICKS ticks and holds as many lots, so selling q lots moves the last price q
ticks down from `TOP`. Accounts of R units are liquidated at the points of a Poisson process of
intensity 1 that starts at `TOP`; a sale of `a` units begins. The number liquidated is generalised
Poisson: P(n) = a (a + nR)^(n-1) e^-(a + nR) / n! (spec/TARGETS.md T1).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ordercascade.core.laws import Crowd, Law, LawKind, Terms
from ordercascade.core.populate import draw, poisson_levels
from ordercascade.core.world import World

TICKS = 20
BRACKETS = [(0, 10_000, 0, 20_000)]
MULTIPLIER = 1_000
# A run whose accounts were all liquidated, or whose book was emptied, is run again with more.
SIZES = (24, 96, 384, 1_536)
CONTAINED = 384  # a cascade that goes beyond these accounts is taken as endless
ONE = Law(LawKind.CONSTANT, 1.0)


class Case(NamedTuple):
    """What is sold at first, and what each account sells, in units."""

    r: float
    a: float


@lru_cache(maxsize=64)
def opening(depth: int, sale: int) -> tuple[Any, int]:
    """Return a world without accounts, one lot bid at each of `depth` ticks, and the price above
    them, from which it falls; `sale` lots are sold at time 0."""
    top = depth + 2
    world = World()
    venue = world.venue(world.add_venue())
    venue.add_market(0, MULTIPLIER, price_max=top, size_max=2**24, brackets=BRACKETS, last=top)
    for k in range(depth):
        venue.seed_level(0, 0, top - 1 - k, 1)
    world.schedule_shock(0, 0, 0, 1, size=sale)
    return world, top


def crowd_at(levels: npt.NDArray[np.int64], lots: int) -> Crowd:
    """Return accounts of so many lots, isolated, liquidated at these prices."""
    return Crowd(
        accounts=len(levels),
        long_share=1.0,
        cross_share=0.0,
        leverage=ONE,
        size=Law(LawKind.CONSTANT, float(lots)),
        size_is_value=False,
        entry=ONE,
        entry_in_ticks=False,
        held=(1.0,),
        levels=levels,
    )


def fallen(levels: npt.NDArray[np.int64], lots: int, depth: int, sale: int) -> tuple[int, int]:
    """Run one cascade of accounts with `lots` each; return how many were liquidated, and how far
    the price fell from the top, in ticks. `levels` count down from the top."""
    world, top = opening(depth, sale)
    world = world.fork()
    venue = world.venue(0)
    terms = Terms(top, MULTIPLIER, top, 2**24, BRACKETS)
    drawn = draw(crowd_at(top + levels, lots), [terms], 0, "law")
    venue.open_accounts(drawn.deposits, drawn.openings)
    world.start()
    world.run()
    return world.log.rows("liquidations"), top - venue.prices(0)[0]


def size_of(seed: int, case: Case) -> int:
    """Return the number liquidated in one random run; -1: it went beyond CONTAINED accounts."""
    lots, sale = round(case.r * TICKS), round(case.a * TICKS)
    for accounts in SIZES:
        levels = poisson_levels(0.0, float(TICKS), -1, accounts, seed, "law")
        depth = sale + accounts * lots - int(levels[-1])
        count, _ = fallen(levels, lots, 128 * (depth // 128 + 1), sale)
        if count < accounts:
            return count
        if accounts >= CONTAINED and case.r > 1:
            return -1
    raise RuntimeError(f"seed {seed}: the cascade went beyond {SIZES[-1]} accounts")


def some_sizes(part: tuple[Case, range]) -> list[int]:
    """Return the sizes of a range of seeds: the work of one process."""
    case, seeds = part
    return [size_of(seed, case) for seed in seeds]


def sizes(case: Case, runs: int, workers: int = 2) -> npt.NDArray[np.int64]:
    """Return the sizes of `runs` cascades, seeds 0, 1, …; the same for any number of workers."""
    parts = [(case, range(at, min(runs, at + 500))) for at in range(0, runs, 500)]
    if workers == 1:
        found: Iterator[list[int]] = map(some_sizes, parts)
        return np.concatenate([np.array(part) for part in found])
    with ProcessPoolExecutor(workers) as pool:
        return np.concatenate([np.array(part) for part in pool.map(some_sizes, parts)])


def amplification(r: float, ticks: int, gap: int = 10) -> float:
    """Return the fall over the sale, both from the first mark, with `ticks` to a unit of price.

    Liquidation prices stand every `gap` ticks, the first half a gap below the mark; as `ticks`
    grows this goes to 1 / (1 - r). The mark is the best bid here, as in a user's scenario.
    """
    accounts = math.ceil(1.2 * ticks / (1 - r) / gap) + 20
    lots = round(r * gap)
    levels = -1 - gap // 2 - gap * np.arange(accounts, dtype=np.int64)
    count, fall = fallen(levels, lots, ticks + accounts * (gap + lots), ticks)
    if count >= accounts:
        raise RuntimeError("the ladder is too short")
    return (fall - 1) / ticks


def law(case: Case, n: int) -> float:
    """P(n) of the generalised Poisson law."""
    if n == 0:
        return math.exp(-case.a)
    rate = case.a + n * case.r
    return math.exp(math.log(case.a) + (n - 1) * math.log(rate) - rate - math.lgamma(n + 1))


def bias_picture(path: str) -> None:
    """Draw how the finite tick makes the fall smaller than 1 / (1 - R)."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    grid = [10 * 2**k for k in range(11)]
    for r, mark in ((0.2, "o"), (0.5, "s"), (0.8, "^")):
        limit = 1 / (1 - r)
        missing = [limit - amplification(r, ticks) for ticks in grid]
        axes.loglog(grid, missing, marker=mark, label=f"R = {r}: A goes to {limit:g}")
    axes.loglog(grid, [10 / ticks for ticks in grid], color="0.6", linestyle="--", label="10 ticks")
    axes.set_xlabel("ticks to a unit of price (the sale is one unit)")
    axes.set_ylabel("1 / (1 - R) minus the fall measured")
    axes.set_title("The finite tick: how much of the cascade it leaves undone")
    axes.grid(which="both", color="0.9")
    axes.legend()
    figure.savefig(path, dpi=130)
    plt.close(figure)
