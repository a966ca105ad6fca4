"""RELIABILITY P12: a plug-in that fails at any of its calls breaks nothing. docs/adr/0016.

Random cascades with plug-ins at all four doors, beside built-ins with a memory. Each call of each
of them goes wrong once: the world is then what it was, and goes on as if nothing had happened.
"""

from __future__ import annotations

import os
import random

import pytest

from mechanism.contract import tape
from mechanism.fuses import Fuse, plugins
from ordercascade.core.venue import Venue
from ordercascade.core.world import World
from ordercascade.enums import (
    BreakerKind,
    FeedKind,
    MarketKind,
    MarkRefresh,
    PriceSource,
    ShortfallAt,
    Side,
)
from ordercascade.errors import MechanismError
from ordercascade.mechanisms.breakers import Breaker
from ordercascade.mechanisms.feeds import Feed

SECOND = 10**9
CASCADES = int(os.environ.get("ORDERCASCADE_PROOF_ROUNDS", "6"))


def cascade(seed: int, fuse: Fuse) -> tuple[World, Venue]:
    """A book that thins out, longs above it, and what makes a round long."""
    rng = random.Random(seed)
    said = plugins(fuse)
    oracle = said.pop("oracle")
    halt = Breaker(
        BreakerKind.HALT, band_ppm=rng.choice((30_000, 90_000)), window_ns=SECOND, halt_ns=SECOND
    )
    said["breakers"] += [halt, Breaker(band_ppm=200_000, window_ns=2 * SECOND)]
    world = World(seed)
    world.add_venue(
        mark_refresh=rng.choice(list(MarkRefresh)),
        shortfall_at=rng.choice(list(ShortfallAt)),
        round_ns=rng.choice((0, SECOND // 4)),
        liquidation_fee_ppm=1_000,
        **said,
    )
    venue = world.venue(0)
    for made in (
        oracle,
        Feed(FeedKind.TWAP, window_ns=SECOND, heartbeat_ns=SECOND // 2, price_max=2_000),
    ):
        venue.add_market(
            multiplier=10, price_max=2_000, size_max=5_000, last=1_000, oracle=made,
            brackets=[(0, 50_000, 0, 100_000)], source=PriceSource.LAST, kind=MarketKind.LINEAR,
        )  # fmt: skip
    for _ in range(8):
        account, size = venue.open_account(), rng.choice((1, 1, 1, -1)) * rng.randint(3, 25)
        venue.deposit(account, 0, rng.randint(6_000, 30_000))
        venue.open_position(account, rng.randint(0, 1), size, size * 10_000)
    for market in range(2):
        for at in range(1, 25):
            venue.seed_level(market, Side.BID, 1_000 - 9 * at, rng.randint(1, 6))
            venue.seed_level(market, Side.ASK, 1_000 + 9 * at, rng.randint(1, 6))
    venue.fund_deposit(0, 50)
    for time in range(2):
        for market in range(2):
            world.schedule_shock(time * SECOND, 0, market, Side.ASK, size=rng.randint(15, 45))
    return world, venue


Tape = dict[str, list[tuple[int, ...]]]


def ended(seed: int) -> tuple[int, str, Tape]:
    """How a cascade goes on its own: calls of plug-ins, last hash, tape."""
    fuse = Fuse()
    world, _ = cascade(seed, fuse)
    world.start()
    world.run()
    assert fuse.calls > 10
    return fuse.calls, world.state_hash(), tape(world)


@pytest.mark.parametrize("seed", range(CASCADES))
def test_a_call_that_fails_in_any_hook_has_not_been(seed: int) -> None:
    """Step by step: the hash before the call is the hash after it; then on to the same end."""
    calls, end, whole = ended(seed)
    for at in range(1, calls + 1):
        world, venue = cascade(seed, Fuse(at))
        before = world.state_hash()
        with pytest.raises(MechanismError) as caught:
            world.start()
            while True:
                before = world.state_hash()
                world.step()
        assert world.state_hash() == before
        assert caught.value.seq == world.steps
        checked(world, venue)
        if world.log.rows("accounts") == 0:
            world.start()
        world.run()
        assert (world.state_hash(), tape(world)) == (end, whole)


@pytest.mark.parametrize("seed", range(CASCADES))
def test_cells_of_the_tape_go_back_too_where_the_agenda_grew_inside_a_round(seed: int) -> None:
    """A call of the user's after each step: the world is kept anew there, rows half written."""
    calls, _end, _whole = ended(seed)
    for at in range(1, calls + 1, 2):
        world, venue = cascade(seed, Fuse(at))
        before: tuple[str, Tape] = "", {}
        with pytest.raises(MechanismError):
            world.start()
            while True:
                world.schedule_index(10**15, 0, 0, 1_000)
                before = world.state_hash(), tape(world)
                world.step()
        if before[0]:
            assert (world.state_hash(), tape(world)) == before
        checked(world, venue)


@pytest.mark.parametrize("seed", range(CASCADES))
def test_a_run_that_fails_in_any_hook_stands_where_the_round_began(seed: int) -> None:
    """In one run: what stands is the rounds before it, on the tape and in the state."""
    calls, end, whole = ended(seed)
    stood = set()
    for at in range(1, calls + 1):
        fuse = Fuse(at)
        world, venue = cascade(seed, fuse)
        with pytest.raises(MechanismError) as caught:
            world.start()
            world.run()
        stands = tape(world)
        assert all(whole[name][: len(stands[name])] == stands[name] for name in whole)
        checked(world, venue)
        if world.log.rows("accounts") == 0:
            assert (fuse.calls, world.steps) == (at, 0)
            world.start()
        elif world.settling:
            assert stands["steps"][-1][3] + 1 == caught.value.round
        stood.add(world.steps)
        twin = world.fork()
        for each in (twin, world):
            each.run()
            assert (each.state_hash(), tape(each)) == (end, whole)
    assert len(stood) > 3


def checked(world: World, venue: Venue) -> None:
    world._check()
    assert not any(venue.audit().values())
