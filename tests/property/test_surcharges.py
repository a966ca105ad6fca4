"""Venues with surcharges: against the twin, and money and triggers whole after every step."""

from __future__ import annotations

import os
import random
from typing import Any

from hypothesis import given, note, settings
from hypothesis import strategies as st

from ordercascade.core.schedule import Schedule
from ordercascade.core.venue import Venue
from ordercascade.core.world import World
from ordercascade.enums import MarketKind, Side, StepKind
from ordercascade.mechanisms.surcharges import ContagionBuffer, VolatilityFee, VolatilityMargin
from reference import scenarios as draw
from reference.scripts import Call, assert_same, play, show
from reference.world import World as Twin
from unit.worlds import rows

SECOND = 10**9
OPS = int(os.environ.get("ORDERCASCADE_PROOF_OPS", "10000"))
KINDS = {"margin": VolatilityMargin, "fee": VolatilityFee, "buffer": ContagionBuffer}


@st.composite
def surcharges(draw_: st.DrawFn) -> list[tuple[str, dict[str, Any]]]:
    """One to three, of every kind, quick enough to move within a drawn scenario."""
    found = []
    for _ in range(draw_(st.integers(1, 3))):
        kind = draw_(st.sampled_from(list(KINDS)))
        one: dict[str, Any] = {}
        if kind == "buffer":
            one["reach_ppm"] = draw_(st.sampled_from([10_000, 50_000, 300_000]))
            one["cap_ppm"] = draw_(st.sampled_from([20_000, 400_000]))
            one["weight_ppm"] = draw_(st.sampled_from([10**6, 300_000]))
            one["new_only"] = draw_(st.integers(0, 3)) == 0
            one["every_ns"] = draw_(st.sampled_from([SECOND, 7 * SECOND // 10]))
            found.append((kind, one))
            continue
        one["sample_ns"] = draw_(st.sampled_from([SECOND, 7 * SECOND // 10, SECOND // 3]))
        one["decay_ppm"] = draw_(st.sampled_from([940_000, 500_000, 0]))
        one["step_ppm"] = draw_(st.sampled_from([0, 10**6, 777_777]))
        one["start_ppb"] = draw_(st.sampled_from([0, 10**8]))
        if kind == "fee":
            one |= {"base_ppm": 100, "slope_ppm": draw_(st.sampled_from([50, 900]))}
            one |= {"cap_ppm": draw_(st.sampled_from([200, 30_000])), "reference_ppb": 40_000_000}
            one["to_fund_ppm"] = draw_(st.sampled_from([0, 333_333, 10**6]))
        else:
            one["k_ppm"] = draw_(st.sampled_from([300_000, 3_000_000]))
            one["mpor_ns"] = draw_(st.sampled_from([SECOND, 100 * SECOND]))
            one["bases_ppm"] = draw_(st.sampled_from([[10_000], [50_000, 4_000]]))
            one["cap_ppm"] = draw_(st.sampled_from([60_000, 500_000, 10**6]))
            one["floor_ppm"] = draw_(st.sampled_from([0, 0, 55_000]))
            one["new_only"] = draw_(st.integers(0, 3)) == 0
            if draw_(st.booleans()):
                one |= {"buffer_ppm": 250_000, "stressed_ppm": 90_000}
                one["weight_ppm"] = draw_(st.sampled_from([0, 250_000]))
        found.append((kind, one))
    return found


@settings(max_examples=60)
@given(draw.scenarios(), surcharges())
def test_a_random_scenario_with_surcharges_gives_the_twin_s_tape(
    calls: list[Call], numbers: list[tuple[str, dict[str, Any]]]
) -> None:
    note(repr(numbers))
    note(show(calls))
    fast, twin = World(), Twin()

    def with_surcharges() -> list[Call]:
        own = tuple(KINDS[kind](**each) for kind, each in numbers)
        first = calls[0]._replace(kwargs={**calls[0].kwargs, "surcharges": own})
        return [first, *calls[1:]]

    assert play(fast, with_surcharges()) == play(twin, with_surcharges())
    assert_same(fast, twin)
    fast.venue(0)._check()


def venue_of(rng: random.Random) -> tuple[World, Venue]:
    """A linear market by brackets, one by a slab, an inverse one; users on both sides."""
    second = rng.choice((1, 5, 20)) * SECOND
    volatile = {"sample_ns": second, "decay_ppm": rng.choice((900_000, 500_000))}
    margin = VolatilityMargin(
        k_ppm=2_000_000, mpor_ns=4 * second, bases_ppm=[50_000],
        cap_ppm=rng.choice((80_000, 10**6)), step_ppm=rng.choice((0, 10**6)),
        new_only=rng.random() < 0.2, **volatile,
    )  # fmt: skip
    fee = VolatilityFee(
        base_ppm=400, slope_ppm=300, cap_ppm=5_000, reference_ppb=10**7, to_fund_ppm=300_000,
        **volatile,
    )  # fmt: skip
    buffer = ContagionBuffer(reach_ppm=50_000, cap_ppm=100_000, every_ns=second)
    world = World(rng.randint(0, 99))
    world.add_venue(
        round_ns=rng.choice((0, SECOND)), fraction_ppm=600_000, surcharges=[margin, fee, buffer]
    )
    venue = world.venue(0)
    rest: dict[str, Any] = {
        "price_max": 2_000, "size_max": 5_000, "last": 1_000, "maker_fee_ppm": 100,
        "taker_fee_ppm": 400,
    }  # fmt: skip
    rates = [(0, 50_000, 100_000), (60_000, 90_000, 150_000)]
    venue.add_market(multiplier=10, brackets=[(0, 50_000, 0, 100_000)], **rest)
    slab = Schedule.slab(rates, multiplier=10, fee_ppm=500, strict=True)
    venue.add_market(multiplier=10, schedule=slab, **rest)
    venue.add_market(multiplier=10**7 + 3, kind=MarketKind.INVERSE, **rest)
    for _ in range(16):
        account = venue.open_account()
        venue.deposit(account, 0, rng.randint(3_000, 30_000))
        for market in rng.sample(range(3), rng.choice((1, 1, 2))):
            size = rng.choice((-1, 1)) * rng.randint(1, 20)
            inverse = -size * (10**7 + 3) // 1_000
            venue.open_position(account, market, size, inverse if market == 2 else size * 10_000)
    for market in range(3):
        for at in range(1, 30):
            venue.seed_level(market, Side.BID, 1_000 - 7 * at, rng.randint(1, 8))
            venue.seed_level(market, Side.ASK, 1_000 + 7 * at, rng.randint(1, 8))
    venue.fund_deposit(0, 500)
    world.start()
    return world, venue


def test_money_and_triggers_stay_exact_while_margins_move() -> None:
    """After every step; a fork goes the same way, though both change schedules of their own."""
    rng = random.Random(4)
    done, changes, fallen = 0, 0, 0
    while done < OPS:
        world, venue = venue_of(rng)
        for _ in range(6):
            at = world.time_ns + rng.randint(0, 30) * SECOND
            world.schedule_shock(at, 0, rng.randint(0, 2), rng.choice(list(Side)),
                                 size=rng.randint(1, 60))  # fmt: skip
            fork = world.fork()
            while world.step() >= 0:
                world._check()
                assert not any(venue.audit().values())
                done += 1
            fork.run()
            assert fork.state_hash() == world.state_hash()
        kinds = dict(enumerate(kind for (kind,) in rows(world, "steps", "kind")))
        changes += sum(kind == StepKind.RATES for kind in kinds.values())
        parents = rows(world, "steps", "kind", "parent")
        fallen += sum(
            kind == StepKind.LIQUIDATION and kinds.get(parent) == StepKind.RATES
            for kind, parent in parents
        )
    assert changes > 20
    assert fallen > 3
