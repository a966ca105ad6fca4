"""Make the positions file of the real-data test. Seeded, kept for the record.

    python tests/data/make_positions.py real > tests/data/positions_btcusdt_2024-08-08.csv

Every account has one position in BTCUSDT. Nobody starts near liquidation: an account whose
estimated liquidation price lies within `room` of the mid is drawn again.
"""

from __future__ import annotations

import random
import statistics
import sys
from collections.abc import Iterator
from typing import NamedTuple

HEADER = "account,market,side,size,entry_price,leverage,margin"
NORMAL = statistics.NormalDist()
MAINTENANCE = 0.006  # of the brackets most accounts fall into


class Population(NamedTuple):
    """How accounts are drawn; prices in USDT."""

    seed: int
    mid: float
    accounts: int
    long_share: float
    cross_share: float
    leverage: tuple[tuple[int, float], ...]  # value, weight
    notional_median: float
    notional_sigma: float
    notional_max: float
    entry_sigma: float
    room: float


POPULATIONS = {
    "real": Population(
        seed=20240808,
        mid=61_660.0,
        accounts=300,
        long_share=0.8,
        cross_share=0.5,
        leverage=((10, 0.1), (20, 0.3), (50, 0.35), (100, 0.25)),
        notional_median=300_000,
        notional_sigma=1.2,
        notional_max=6_000_000,
        entry_sigma=0.008,
        room=0.001,
    ),
}


def rows(population: Population) -> Iterator[str]:
    """Yield the lines of a positions file."""
    draw = random.Random(population.seed)
    values = [value for value, _ in population.leverage]
    weights = [weight for _, weight in population.leverage]
    yield HEADER
    made = 0
    while made < population.accounts:
        sign = 1 if draw.random() < population.long_share else -1
        leverage = draw.choices(values, weights)[0]
        noise = NORMAL.inv_cdf(draw.random() or 0.5)
        entry = population.mid * (1 + population.entry_sigma * noise)
        noise = NORMAL.inv_cdf(draw.random() or 0.5)
        notional = population.notional_median * 2.718281828 ** (population.notional_sigma * noise)
        notional = min(notional, population.notional_max)
        margin = "cross" if draw.random() < population.cross_share else "isolated"
        liquidation = entry * (1 - sign * (1 / leverage - MAINTENANCE))
        if sign * (population.mid - liquidation) < population.room * population.mid:
            continue
        made += 1
        side = "long" if sign > 0 else "short"
        size = max(0.001, round(notional / entry, 3))
        yield f"{made:03d},BTCUSDT,{side},{size:.3f},{entry:.1f},{leverage},{margin}"


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in POPULATIONS:
        raise SystemExit(f"usage: make_positions.py {'|'.join(POPULATIONS)}")
    print("\n".join(rows(POPULATIONS[sys.argv[1]])))
