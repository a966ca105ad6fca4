"""Venues with circuit breakers: against the twin, and money and lots whole after every step."""

from __future__ import annotations

import os
import random
from typing import Any

from hypothesis import given, note, settings
from hypothesis import strategies as st

from ordercascade.core.venue import Venue
from ordercascade.core.world import World
from ordercascade.enums import (
    BreakerKind,
    MarketKind,
    NoteKind,
    PriceSource,
    ReleaseRule,
    Side,
    StepKind,
)
from ordercascade.mechanisms.breakers import Breaker
from reference import scenarios as draw
from reference.scripts import Call, assert_same, play, show
from reference.world import World as Twin
from unit.worlds import rows

SECOND = 10**9
MULTIPLIERS = (10, 10**7 + 3)  # of the linear market and the inverse one
ROUND_MAX = 60  # in 5,000 random worlds: 23 rounds
OPS = int(os.environ.get("ORDERCASCADE_PROOF_OPS", "1500"))


@st.composite
def breakers(draw_: st.DrawFn) -> list[dict[str, Any]]:
    """One to three, of every kind; the auction has no twin."""
    found = []
    for _ in range(draw_(st.integers(1, 3))):
        kind = draw_(st.sampled_from(list(BreakerKind)))
        one: dict[str, Any] = {"kind": kind, "everybody": draw_(st.booleans())}
        if kind == BreakerKind.GAS:
            one |= {"gas": 10, "gas_max": 25, "gas_ppm": draw_(st.sampled_from([10**5, 10**6]))}
        else:
            one["band_ppm"] = draw_(st.sampled_from([10_000, 30_000, 60_000]))
        if kind in (BreakerKind.BAND, BreakerKind.HALT):
            one["window_ns"] = draw_(st.sampled_from([0, SECOND, 4 * SECOND]))
        if kind != BreakerKind.BAND:
            one["halt_ns"] = draw_(st.sampled_from([1, SECOND, 3 * SECOND]))
            if kind in (BreakerKind.LAG, BreakerKind.GAS):
                one["halt_ns"] = SECOND
            one["halt_max_ns"] = 5 * SECOND
            if draw_(st.booleans()):
                one |= {"release": ReleaseRule.DRIP, "drip_ppm": 300_000, "drip_ns": SECOND // 2}
        found.append(one)
    return found


@settings(max_examples=120)
@given(draw.scenarios(), breakers())
def test_a_random_scenario_with_breakers_gives_the_twin_s_tape(
    calls: list[Call], numbers: list[dict[str, Any]]
) -> None:
    note(repr(numbers))
    note(show(calls))
    fast, twin = World(), Twin()

    def with_breakers() -> list[Call]:
        own = tuple(Breaker(**each) for each in numbers)
        first = calls[0]._replace(
            kwargs={**calls[0].kwargs, "breakers": own, "round_max": ROUND_MAX}
        )
        return [first, *calls[1:]]

    assert play(fast, with_breakers()) == play(twin, with_breakers())
    assert_same(fast, twin)
    fast.venue(0)._check()
    assert (StepKind.BOUND,) not in rows(fast, "steps", "kind")


def venue_of(rng: random.Random) -> tuple[World, Venue]:
    """Two markets, users on both sides, a thin book, and breakers of every kind and release."""
    release = rng.choice(list(ReleaseRule))
    drip = {"drip_ppm": 250_000, "drip_ns": SECOND} if release == ReleaseRule.DRIP else {}
    halt = Breaker(
        BreakerKind.HALT,
        band_ppm=rng.choice((20_000, 80_000)),
        window_ns=5 * SECOND,
        halt_ns=2 * SECOND,
        release=release,
        everybody=rng.random() < 0.7,
        **drip,
    )
    band = Breaker(band_ppm=100_000, window_ns=9 * SECOND, everybody=rng.random() < 0.5)
    world = World(rng.randint(0, 99))
    world.add_venue(round_ns=rng.choice((0, SECOND)), fraction_ppm=600_000, breakers=[halt, band])
    venue = world.venue(0)
    for kind in MarketKind:
        venue.add_market(
            multiplier=MULTIPLIERS[kind], kind=kind, price_max=2_000, size_max=5_000,
            source=PriceSource.LAST, last=1_000,
            brackets=[(0, 50_000, 0, 100_000)], maker_fee_ppm=100, taker_fee_ppm=400,
        )  # fmt: skip
    for _ in range(16):
        account = venue.open_account()
        venue.deposit(account, 0, rng.randint(3_000, 30_000))
        market, size = rng.randint(0, 1), rng.choice((-1, 1)) * rng.randint(1, 20)
        inverse = -size * MULTIPLIERS[MarketKind.INVERSE] // 1_000
        venue.open_position(account, market, size, inverse if market else size * 10_000)
    for market in range(2):
        for at in range(1, 30):
            venue.seed_level(market, Side.BID, 1_000 - 7 * at, rng.randint(1, 8))
            venue.seed_level(market, Side.ASK, 1_000 + 7 * at, rng.randint(1, 8))
    venue.fund_deposit(0, 500)
    world.start()
    return world, venue


def test_money_and_lots_stay_whole_through_halts_auctions_and_slices() -> None:
    """After every step; a fork goes the same way; nothing that was held is lost at the end."""
    rng = random.Random(9)
    done, kinds, waited, seen = 0, set(), 0, 0
    while done < OPS:
        world, venue = venue_of(rng)
        for _ in range(12):
            size = rng.randint(1, 60)
            at = world.time_ns + rng.randint(0, 3) * SECOND
            side = rng.choice(list(Side))
            world.schedule_shock(at, 0, rng.randint(0, 1), side, size=size)
            fork = world.fork()
            while world.step() >= 0:
                world._check()
                assert not any(venue.audit().values())
                done += 1
            fork.run()
            assert fork.state_hash() == world.state_hash()
            account, price = rng.randint(1, 16), 1_000 + rng.randint(-90, 90)
            venue.submit(account, rng.randint(0, 1), rng.choice(list(Side)), price, 3)
        kinds |= {kind for (kind,) in rows(world, "steps", "kind")}
        held = sum(a for k, a in rows(world, "notes", "kind", "a") if k == NoteKind.HELD)
        waited += held
        seen += _values_are_those_of_the_fills(world)
    assert {StepKind.HALT, StepKind.RESUME, StepKind.AUCTION} <= kinds
    assert waited > 0
    assert seen > 0


def _values_are_those_of_the_fills(world: Any) -> int:
    """Each order's value, fill by fill, inverse ones floored; return how many stood in auctions."""
    fills = rows(
        world, "fills", "step", "market", "price", "size", "taker_account", "maker_account"
    )
    kinds = [kind for (kind,) in rows(world, "steps", "kind")]
    found = 0
    for step, market, account, value in rows(
        world, "liquidations", "step", "market", "account", "value"
    ):
        worth = 0
        for at, where, price, size, taker, maker in fills:
            if (at, where) == (step, market) and (taker == account) != (maker == account):
                worth += MULTIPLIERS[1] * size // price if market else size * price * 10
        assert value == worth
        found += kinds[step] == StepKind.AUCTION and market == MarketKind.INVERSE and value > 0
    return found
