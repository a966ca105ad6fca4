"""Random lives of venues with stages: money and lots stay whole after every single step."""

from __future__ import annotations

import os
import random

import pytest

from ordercascade.core.venue import Venue
from ordercascade.core.world import World
from ordercascade.enums import PriceSource, Side, StepKind
from swarm.houses import houses
from unit.worlds import rows

BRACKETS = [(0, 50_000, 0, 100_000), (60_000, 80_000, 1_800, 150_000)]
OPS = int(os.environ.get("ORDERCASCADE_PROOF_OPS", "1500"))
USERS = 12


def list_two(venue: Venue, rng: random.Random) -> None:
    """List two markets at 1,000 that are marked by the outside or by their own book."""
    for _ in range(2):
        venue.add_market(
            multiplier=10,
            price_max=2_000,
            size_max=5_000,
            brackets=BRACKETS,
            source=rng.choice((PriceSource.INDEX, PriceSource.LAST)),
            index=1_000,
            last=1_000,
        )


def stock(venue: Venue, rng: random.Random) -> None:
    """Rest five levels a side of both markets, and pay into the funds."""
    for market in range(2):
        for at in range(1, 6):
            venue.seed_level(market, Side.BID, 1_000 - 20 * at, rng.randint(1, 8))
            venue.seed_level(market, Side.ASK, 1_000 + 20 * at, rng.randint(1, 8))
    amount = rng.choice((0, 500, 20_000))
    for market in range(len({venue.fund_of(0), venue.fund_of(1)})):
        venue.fund_deposit(0, amount, market=market)


def venue_of(name: str, rng: random.Random) -> tuple[World, Venue]:
    """Two markets, users with cross and isolated money, some positions, books of outsiders."""
    world = World(rng.randint(0, 99))
    world.add_venue(**houses()[name])
    venue = world.venue(0)
    list_two(venue, rng)
    for _ in range(USERS):
        account = venue.open_account()
        venue.deposit(account, 0, rng.randint(1_000, 30_000))
        if rng.random() < 0.6:
            market, size = rng.randint(0, 1), rng.choice((-1, 1)) * rng.randint(1, 12)
            venue.open_position(account, market, size, size * 10_000)
    stock(venue, rng)
    world.start()
    return world, venue


def act(world: World, venue: Venue, rng: random.Random, prices: list[int]) -> None:
    """One thing a user or the outside does."""
    market, account = rng.randint(0, 1), rng.randint(1, USERS)
    what = rng.random()
    if what < 0.35:
        prices[market] = min(1_900, max(100, prices[market] + rng.randint(-90, 90)))
        venue.set_index(market, prices[market])
    elif what < 0.75:
        price = min(2_000, max(1, prices[market] + rng.randint(-60, 60)))
        venue.submit(account, market, rng.choice(list(Side)), price, rng.randint(1, 9))
    elif what < 0.8:
        venue.isolate(account, market)
    elif what < 0.85:
        venue.deposit(account, 0, rng.randint(1, 5_000))
    elif what < 0.88:
        venue.withdraw(account, 0, rng.randint(1, 3_000))
    elif what < 0.92:
        world.schedule_shock(
            world.time_ns, 0, market, rng.choice(list(Side)), size=rng.randint(1, 9)
        )
    else:
        world.settle(world.time_ns + rng.randint(0, 3))


def whole(world: World, venue: Venue) -> None:
    world._check()
    off = {name: delta for name, delta in venue.audit().items() if delta}
    assert not off
    assert venue.bad_debt <= 0 <= venue.fund


@pytest.mark.parametrize("name", list(houses()))
def test_money_and_lots_stay_whole_after_every_step(name: str) -> None:
    """A step of a settlement is looked at like an operation; a fork goes the same way."""
    rng = random.Random(name)
    done = 0
    while done < OPS:
        world, venue = venue_of(name, rng)
        prices = [1_000, 1_000]
        for _ in range(60):
            act(world, venue, rng, prices)
            whole(world, venue)
            done += 1
        fork = world.fork()
        while world.step() >= 0:
            whole(world, venue)
            done += 1
        fork.run()
        assert fork.state_hash() == world.state_hash()


# What a house of stages must have shown by the end, or the numbers above do not bite.
SHOWN = {
    "simple": {StepKind.LIQUIDATION, StepKind.ADL},
    "dydx-v4": {StepKind.LIQUIDATION, StepKind.ADL},
    "vega": {StepKind.TAKEOVER, StepKind.DISPOSAL, StepKind.PAYMENT},
    "hyperliquid": {StepKind.LIQUIDATION, StepKind.TAKEOVER, StepKind.DISPOSAL},
    "binance-usdm": {StepKind.LIQUIDATION, StepKind.TAKEOVER, StepKind.ADL},
    "bybit-linear": {StepKind.LIQUIDATION, StepKind.TAKEOVER, StepKind.DISPOSAL},
    "bitmex": {StepKind.LIQUIDATION, StepKind.TAKEOVER, StepKind.ADL},
    "okx": {StepKind.LIQUIDATION, StepKind.TAKEOVER},
    "deribit": {StepKind.LIQUIDATION, StepKind.WATERFALL},
    "synthetix-v3": {StepKind.TAKEOVER},
    "drift": {StepKind.LIQUIDATION, StepKind.WATERFALL, StepKind.ADL},
}


@pytest.mark.parametrize("name", list(houses()))
def test_every_stage_of_a_house_is_met(name: str) -> None:
    rng = random.Random(name)
    met: set[int] = set()
    for _ in range(40):
        world, venue = venue_of(name, rng)
        prices = [1_000, 1_000]
        for _ in range(40):
            act(world, venue, rng, prices)
        world.run()
        met |= {kind for (kind,) in rows(world, "steps", "kind")}
        if SHOWN[name] <= met:
            return
    assert SHOWN[name] <= met, {StepKind(kind).name for kind in met}
