"""The crash workload: accounts spread below the price, a thin book, a shock that fells 80 % of them.

Seeded and integer: the same world everywhere. One linear market, mark = last, market orders,
insurance fund. Levels hold just enough for the sale of what falls, so the price walks down.
"""

from __future__ import annotations

import random

from ordercascade.core.world import World
from ordercascade.enums import MarkRefresh, QueueOrder, Side

PRICE = 100_000
MULTIPLIER = 1_000


def build(
    accounts: int = 100_000,
    *,
    seed: int = 7,
    mark_refresh: MarkRefresh = MarkRefresh.ROUND,
    queue: QueueOrder = QueueOrder.TRIGGER_PRICE,
    levels: int = 20_000,
) -> World:
    """A started world in which a shock at time 0 liquidates about 80 % of `accounts`."""
    draw = random.Random(seed)
    world = World(seed)
    world.add_venue(mark_refresh=mark_refresh, queue=queue, liquidation_fee_ppm=5_000)
    venue = world.venue(0)
    market = venue.add_market(
        multiplier=MULTIPLIER,
        price_max=2 * PRICE,
        size_max=2**30,
        brackets=[(0, 5_000, 0, 10_000), (10**12, 10_000, 5 * 10**9, 20_000)],
        external_maker_fee_ppm=0,
    )
    sizes = [1 + int(draw.expovariate(1 / 40)) for _ in range(accounts)]
    total = sum(sizes)
    # The book down to the floor takes in about what 80 % of the accounts must sell.
    each = max(1, int(total * 0.8 / levels))
    for k in range(levels):
        venue.seed_level(market, Side.BID, PRICE - 1 - k, each)
    venue.seed_level(market, Side.ASK, PRICE + 1, each)
    venue.fund_deposit(0, 10**14)
    for size in sizes:
        account = venue.open_account()
        leverage = draw.uniform(3, 100)
        entry = PRICE + draw.randrange(-200, 200)
        value = size * entry * MULTIPLIER
        venue.deposit(account, 0, int(value / leverage) + 1)
        venue.open_position(account, market, size, value)
    world.schedule_shock(0, 0, market, Side.ASK, size=each * levels // 50)
    world.start()
    return world
