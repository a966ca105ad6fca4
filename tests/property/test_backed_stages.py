"""Random lives of venues with stages whose users are backed by other assets. ADR 25."""

from __future__ import annotations

import os
import random
from typing import Any

import pytest

from ordercascade.core.dislocation import schedule_collateral
from ordercascade.core.venue import Venue
from ordercascade.core.world import World
from ordercascade.duties import CollateralSource
from ordercascade.enums import HolderKind, PostReason, StepKind
from property.test_stages import USERS, act, list_two, stock, whole
from swarm.houses import houses
from unit.worlds import rows

OPS = int(os.environ.get("ORDERCASCADE_PROOF_OPS", "1500")) // 3
# Two cannot: the settlement to the mark, and a day's profit.
BACKED = sorted(houses().keys() - {"vega", "deribit"})
COINS = {
    1: {"price": 1_000, "haircut_ppm": 200_000, "discount_ppm": 30_000},
    2: {"source": CollateralSource.MARK, "market": 1, "multiplier": 10, "spot": 0},
    3: {"source": CollateralSource.INDEX, "market": 0, "haircut_ppm": 50_000, "backs": 0},
}


def backed_venue(name: str, rng: random.Random) -> tuple[World, Venue]:
    """Two markets of one asset and three collaterals: by a rate, a mark, an index."""
    world = World(rng.randint(0, 99))
    world.add_venue(asset_count=4, **houses()[name])
    venue = world.venue(0)
    list_two(venue, rng)
    for asset, terms in COINS.items():
        world.add_collateral(0, asset, **terms)
    for _ in range(USERS):
        account = venue.open_account()
        if rng.random() < 0.7:
            venue.deposit(account, 0, rng.randint(1, 12_000))
        for asset in COINS:
            if rng.random() < 0.5:
                venue.deposit(account, asset, rng.randint(1, 8))
        if rng.random() < 0.8:
            market, size = rng.randint(0, 1), rng.choice((-1, 1)) * rng.randint(1, 9)
            venue.open_position(account, market, size, size * 10_000)
    stock(venue, rng)
    world.start()
    return world, venue


def live(world: World, venue: Venue, rng: random.Random, prices: list[int]) -> None:
    what = rng.random()
    if what < 0.05:
        schedule_collateral(world, world.time_ns, 0, 1, price=rng.randint(500, 1_100))
    elif what < 0.1:
        asset, peg = rng.choice(list(COINS)), rng.randint(500_000, 1_000_000)
        schedule_collateral(world, world.time_ns, 0, asset, peg_ppm=peg)
    elif what < 0.14:
        venue.deposit(rng.randint(1, USERS), rng.choice(list(COINS)), rng.randint(1, 5))
    elif what < 0.16:
        venue.withdraw(rng.randint(1, USERS), rng.choice(list(COINS)), rng.randint(1, 5))
    else:
        act(world, venue, rng, prices)


def coins_first(world: World, venue: Venue) -> dict[str, int]:
    """Play all money again: whoever others pay for, or who is taken over, has no coins left.

    Returns how often it was asked, by why.
    """
    names = ("scope", "account", "kind", "asset", "collateral", "market")
    holders = {row[0]: row for row in rows(world, "accounts", *names)}
    money = {scope: row[4] for scope, row in holders.items()}
    postings = rows(world, "postings", "step", "from_holder", "to_holder", "amount", "reason")
    kinds = rows(world, "steps", "kind", "scope")
    paid: dict[int, list[tuple[int, ...]]] = {}
    for row in postings:
        paid.setdefault(row[0], []).append(row)
    met: dict[str, int] = {}

    def bare(scope: int, why: str) -> None:
        row = holders[scope]
        if row[2] != HolderKind.SCOPE or row[5] >= 0:
            return
        met[why] = met.get(why, 0) + 1
        mine = [h for h, other in holders.items() if other[1] == row[1] and other[3] > 0]
        assert not [h for h in mine if money[h] > 0], (why, scope)

    for step, (kind, scope) in enumerate(kinds):
        if kind == StepKind.TAKEOVER:
            bare(scope, "takeover")
        for _, source, target, amount, reason in paid.get(step, ()):
            if reason == PostReason.FUND_PAYS or (
                reason == PostReason.BAD_DEBT and holders[target][2] == HolderKind.SCOPE
            ):
                bare(target, PostReason(reason).name.lower())
            if source >= 0:
                money[source] -= amount
            if target >= 0:
                money[target] += amount
    for scope in money:
        assert money[scope] == venue.balance(scope)
    return met


@pytest.mark.parametrize("name", BACKED)
def test_money_of_every_asset_stays_whole_and_coins_pay_first(name: str) -> None:
    rng = random.Random(f"backed {name}")
    done = 0
    met: dict[str, int] = {}
    while done < OPS:
        world, venue = backed_venue(name, rng)
        prices = [1_000, 1_000]
        for _ in range(50):
            live(world, venue, rng, prices)
            whole(world, venue)
            done += 1
        fork = world.fork()
        while world.step() >= 0:
            whole(world, venue)
            done += 1
        fork.run()
        assert fork.state_hash() == world.state_hash()
        for why, times in coins_first(world, venue).items():
            met[why] = met.get(why, 0) + times
    said: dict[str, Any] = houses()[name].get("stages", {})
    if said.get("takeover"):
        assert met["takeover"]
