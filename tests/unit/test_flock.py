"""Scopes judged many at once, and those that a flock has no room for, are judged as one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ordercascade.core.monitor import Monitor
from ordercascade.core.world import World

BRACKETS = [(0, 5_000, 0, 20_000), (10**6, 10_000, 5_000, 30_000), (10**7, 25_000, 155_000, 60_000)]
MARK, PRICE_MAX, SIZE_MAX = 1_000, 2**12, 2**20


def held(sizes: list[list[int]], money: list[int], *, multiplier: int, strict: bool) -> Any:
    """Return a started venue: an account for each row of sizes, a market for each column."""
    world = World()
    venue = world.venue(world.add_venue(trigger_strict=strict))
    for _ in sizes[0]:
        venue.add_market(
            multiplier=multiplier,
            price_max=PRICE_MAX,
            size_max=SIZE_MAX,
            brackets=BRACKETS,
            last=MARK,
        )
    for row, deposit in zip(sizes, money, strict=True):
        account = venue.open_account()
        venue.deposit(account, 0, deposit)
        for market, size in enumerate(row):
            if size:
                venue.open_position(account, market, size, size * MARK * multiplier)
    world.start()
    return world, venue


def below(sizes: list[list[int]], money: list[int], marks: list[int], unit: int, edge: int) -> int:
    """Count the accounts whose equity less maintenance is below `edge`."""
    count = 0
    for row, slack in zip(sizes, money, strict=True):
        for size, mark in zip(row, marks, strict=True):
            slack += size * (mark - MARK) * unit
            value = abs(size) * mark * unit
            _, rate, amount, _ = [each for each in BRACKETS if each[0] <= value][-1]
            slack -= max(0, -(-value * rate // 10**6) - amount)
        count += any(row) and slack < edge
    return count


# Three legs; one; as many as a flock takes; one more; and values beyond 2**42.
SHAPES = {"three": (3, 1), "one": (1, 1), "eight": (8, 1), "nine": (9, 1), "vast": (3, 10**8)}


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_walk_over_several_flocks_finds_what_plain_sums_find(shape: str, strict: bool) -> None:
    markets, unit = SHAPES[shape]
    rng = np.random.default_rng(11)
    sizes = rng.integers(-3_000, 3_000, (300, markets)).tolist()
    sizes[7] = [0] * markets
    sizes[8][0] = 1
    values = [sum(abs(size) for size in row) * MARK * unit for row in sizes]
    money = [value // int(rng.integers(3, 30)) + unit for value in values]
    world, venue = held(sizes, money, multiplier=unit, strict=strict)
    monitor = Monitor(venue)
    world._check()
    met, marks = 0, [MARK] * markets
    for _ in range(60):
        steps = rng.integers(-12, 13, markets) * int(rng.choice([1, 1, 1, 8]))
        marks = np.clip(np.array(marks) + steps, 700, 1_300).tolist()
        monitor.set_marks(marks)
        monitor._check()
        found = len(monitor.at_risk())
        assert found == below(sizes, money, marks, unit, 0 if strict else 1)
        met += found
    assert met > 200
    assert monitor.evaluations > 300
