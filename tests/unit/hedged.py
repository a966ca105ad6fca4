"""Small worlds with accounts in hedge mode."""

from __future__ import annotations

from typing import Any

from ordercascade.core.venue import Venue
from ordercascade.core.world import World
from ordercascade.enums import PriceSource
from unit.worlds import rows

TIERS = [(0, 10_000, 0, 20_000), (500_000, 50_000, 20_000, 100_000),
         (5_000_000, 125_000, 395_000, 250_000)]  # fmt: skip


def at_index(index: int, *, brackets: Any = TIERS, multiplier: int = 1, **rules: Any) -> Any:
    """A world of one market whose mark is the index; maintenance in three tiers."""
    world = World(1)
    world.add_venue(**rules)
    venue = world.venue(0)
    venue.add_market(
        multiplier=multiplier, price_max=2**20, size_max=10_000, brackets=brackets,
        source=PriceSource.INDEX, index=index,
    )  # fmt: skip
    return world, venue


def pair(
    venue: Venue, money: int, long: tuple[int, int], short: tuple[int, int], unit: int = 1
) -> int:
    """Open a hedged account with (lots, entry) on each leg; return its scope."""
    account = venue.open_account(hedge=True)
    venue.deposit(account, 0, money)
    for sign, (lots, entry) in ((1, long), (-1, short)):
        if lots:
            venue.open_position(account, 0, sign * lots, sign * lots * entry * unit)
    return venue.scope_of(account, 0)


def kinds(world: World) -> list[int]:
    return [kind for (kind,) in rows(world, "steps", "kind")]
