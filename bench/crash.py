"""The crash workload: leveraged longs, a thin book, a shock that fells some 80 % of them.

Seeded and integer: the same world everywhere. One linear market, mark = last, market orders,
insurance fund. Levels hold just enough for the sale of what falls, so the price walks down.
"""

from __future__ import annotations

import random

from ordercascade.core.world import World
from ordercascade.enums import MarkRefresh, QueueOrder, Side

PRICE = 100_000
MULTIPLIER = 1_000
BRACKETS = [(0, 5_000, 0, 10_000), (10**12, 10_000, 5 * 10**9, 20_000)]


def draw_accounts(count: int, seed: int = 7, finer: int = 1) -> list[tuple[int, int, int]]:
    """(size, entry, money) of `count` longs at 2 to 50 times leverage around the price."""
    draw = random.Random(seed)
    out = []
    for _ in range(count):
        size = 1 + int(draw.expovariate(1 / 40))
        entry = (PRICE + draw.randrange(-200, 200)) * finer
        unit = MULTIPLIER // finer
        out.append((size, entry, int(size * entry * unit / draw.uniform(2, 50)) + 1))
    return out


def build(
    accounts: int = 100_000,
    *,
    seed: int = 7,
    mark_refresh: MarkRefresh = MarkRefresh.ROUND,
    queue: QueueOrder = QueueOrder.TRIGGER_PRICE,
    levels: int = 12_000,
    finer: int = 1,
) -> World:
    """A started world in which a shock at time 0 liquidates about 80 % of `accounts`.

    A tick may be so many times `finer`: more levels to the same price.
    """
    world = World(seed)
    world.add_venue(mark_refresh=mark_refresh, queue=queue, liquidation_fee_ppm=5_000)
    venue = world.venue(0)
    market = venue.add_market(
        multiplier=MULTIPLIER // finer,
        price_max=2 * PRICE * finer,
        size_max=2**30,
        brackets=BRACKETS,
    )
    people = draw_accounts(accounts, seed, finer)
    total = sum(size for size, _, _ in people)
    # The book down to the floor takes in about what 80 % of the accounts must sell.
    each = max(1, int(total * 1.02 / levels))
    for k in range(levels):
        venue.seed_level(market, Side.BID, PRICE * finer - 1 - k, each)
    venue.seed_level(market, Side.ASK, PRICE * finer + 1, each)
    venue.fund_deposit(0, 10**14)
    for size, entry, money in people:
        account = venue.open_account()
        venue.deposit(account, 0, money)
        venue.open_position(account, market, size, size * entry * (MULTIPLIER // finer))
    world.schedule_shock(0, 0, market, Side.ASK, size=each * levels // 6)
    world.start()
    return world
