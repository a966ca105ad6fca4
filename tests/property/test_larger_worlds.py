"""Worlds of dozens of accounts over up to three deep books: compiled against twin, row by row.

Seeded, not shrunk: a failing seed is its own reproduction. `-k "seed_90"` runs one of them; seed 90
found that the ranks of a deleveraging were not frozen over its legs.
"""

from __future__ import annotations

import random

import pytest

from ordercascade.core.world import World
from ordercascade.enums import PriceSource, Side
from reference.scenarios import BRACKETS, RULES, SECOND
from reference.scripts import Call, assert_same, play
from reference.world import World as Twin

SEEDS = [*range(24), 90]


def market(draw: random.Random) -> Call:
    """A market near tick 1,000 with one of the twin's schedules, scaled to its multiplier."""
    multiplier = draw.choice([1, 10, 100])
    scale = 10 * multiplier
    source = draw.choice(list(PriceSource))
    return Call(
        0,
        "add_market",
        (),
        {
            "multiplier": multiplier,
            "price_max": 5_000,
            "size_max": 10**6,
            "brackets": [
                (floor * scale, rate, amount * scale, initial)
                for floor, rate, amount, initial in draw.choice(BRACKETS)
            ],
            "source": source,
            "own_weight_ppm": draw.choice([10**6, 10**6, 300_000]),
            "index": draw.choice([0, 1_000, 1_002]) if source == PriceSource.LAST else 1_000,
            "last": draw.choice([0, 1_000]),
            "taker_fee_ppm": 500,
            "maker_fee_ppm": draw.choice([0, -200, 200]),
        },
    )


def book(draw: random.Random, number: int) -> list[Call]:
    """Levels with holes on both sides, thin or deep."""
    deep = draw.choice([3, 10, 40])
    return [
        Call(0, "seed_level", (number, side, 1_000 - sign * distance, 1 + draw.randrange(deep)), {})
        for distance in range(1, 150)
        for side, sign in ((Side.BID, 1), (Side.ASK, -1))
        if draw.random() < 0.9
    ]


def account(draw: random.Random, number: int, multipliers: list[int]) -> list[Call]:
    """Legs in some of the markets at 3 to 60 times leverage, cross or isolated, mostly long."""
    legs = draw.sample(range(len(multipliers)), draw.randrange(1, len(multipliers) + 1))
    money, positions = 0, []
    for leg in legs:
        size = draw.choice([1, 1, 1, -1]) * draw.randrange(1, 40)
        entry = 1_000 + draw.randrange(-15, 15)
        money += abs(size) * entry * multipliers[leg] // draw.randrange(3, 60)
        positions.append((leg, size, size * entry * multipliers[leg]))
    calls = [Call(0, "open_account", (), {}), Call(0, "deposit", (number, 0, money + 1), {})]
    if draw.random() < 0.3 and len(legs) == 1:
        calls.append(Call(0, "isolate", (number, legs[0]), {}))
        calls.append(Call(0, "move_isolated", (number, legs[0], money), {}))
    return calls + [Call(0, "open_position", (number, *leg), {}) for leg in positions]


def world_of(seed: int) -> list[Call]:
    """Return the calls that set up a world of this seed and run it."""
    draw = random.Random(seed)
    rules = {name: draw.choice(ways) for name, ways in RULES.items() if draw.random() < 0.5}
    if draw.random() < 0.8:
        rules.pop("round_max", None)
    calls = [Call(-1, "add_venue", (1,), rules)]
    markets = [market(draw) for _ in range(draw.choice([1, 1, 2, 3]))]
    calls += markets
    for number in range(len(markets)):
        calls += book(draw, number)
    calls.append(Call(0, "fund_deposit", (0, draw.choice([0, 1_000, 100_000])), {}))
    multipliers = [call.kwargs["multiplier"] for call in markets]
    for number in range(1, draw.randrange(20, 70)):
        calls += account(draw, number, multipliers)
    for turn in range(draw.randrange(1, 4)):
        when = turn * draw.choice([0, SECOND])
        side = draw.choice([Side.ASK, Side.ASK, Side.BID])
        where, size = draw.randrange(len(markets)), draw.randrange(50, 800)
        calls.append(Call(-1, "schedule_shock", (when, 0, where, side), {"size": size}))
    if draw.random() < 0.5:
        when, price = draw.choice([0, SECOND, 2 * SECOND]), draw.randrange(930, 1_060)
        calls.append(Call(-1, "schedule_index", (when, 0, draw.randrange(len(markets)), price), {}))
    return [*calls, Call(-1, "start", (), {}), Call(-1, "run", (3_000,), {})]


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: f"seed_{seed}")
def test_a_larger_world_gives_the_same_tape(seed: int) -> None:
    calls, fast, twin = world_of(seed), World(), Twin()
    play(fast, calls)
    play(twin, calls)
    assert_same(fast, twin)
    fast.venue(0)._check()
