"""Surcharges by hand: volatility margin and fee, contagion buffer, and a few lines of TOML."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import pytest

import ordercascade as oc
from ordercascade.core.changing import change
from ordercascade.core.schedule import Schedule
from ordercascade.core.venue import Venue
from ordercascade.core.world import World
from ordercascade.duties import CollateralSource
from ordercascade.enums import HolderKind, NoteKind, OrderType, Reject, Side, StepKind
from ordercascade.errors import ConfigError, InputError, InputTypeError
from ordercascade.mechanisms.surcharges import ContagionBuffer, VolatilityFee, VolatilityMargin
from ordercascade.story import tell
from unit.plain_crowd import SALE, plain_crowd
from unit.worlds import BRACKETS, holding, make, rows, run_checked

SECOND = 10**9
HOUR, DAY = 3_600 * SECOND, 86_400 * SECOND
BIDS = {price: 5 for price in range(99, 59, -1)}


def margin(**changed: Any) -> VolatilityMargin:
    """Three standard deviations over 600 s, looked at every 10 s."""
    said: dict[str, Any] = {"k_ppm": 3 * 10**6, "mpor_ns": 600 * SECOND, "bases_ppm": [50_000]}
    return VolatilityMargin(**(said | {"cap_ppm": 10**6, "sample_ns": 10 * SECOND} | changed))


def fee(**changed: Any) -> VolatilityFee:
    said: dict[str, Any] = {"base_ppm": 0, "slope_ppm": 500, "cap_ppm": 10**6}
    return VolatilityFee(**(said | {"reference_ppb": 10**8, "sample_ns": 10 * SECOND} | changed))


def world_of(*surcharges: Any, falls: dict[int, int], **rules: Any) -> tuple[World, Venue]:
    """A ladder of 5 lots a tick from 99 down; by falls[t] lots sold at t seconds."""
    world, venue = make(bids=BIDS, asks={101: 5}, surcharges=surcharges, **rules)
    for at, size in falls.items():
        world.schedule_shock(at * SECOND, 0, 0, Side.ASK, size=size)
    return world, venue


def played(world: World) -> None:
    """Start and run to the end, every invariant checked after every step."""
    world.start()
    run_checked(world)


def told(world: World, which: int = 0) -> list[tuple[int, int]]:
    """(seconds, ppm) of the notes of one rate: 0 maintenance, 1 initial, 2 fee."""
    found = rows(world, "notes", "kind", "step", "a", "b")
    times = rows(world, "steps", "time_ns")
    return [
        (times[step][0] // SECOND, a)
        for kind, step, a, b in found
        if kind == NoteKind.RATE and b == which
    ]


# Volatility margin.


def test_margin_is_k_sigma_root_of_the_period_of_risk() -> None:
    """MECHANISMS §10. The mark falls from 100 to 99 at 0 s; at 10 s r = 10^7 ppb, so variance =
    0.06 * 10^14 = 6 * 10^12, sigma over 600 s = sqrt(60 * 6 * 10^12) = 18,973,665.9 ppb, floored,
    and 3 sigma = 56,920.995 ppm, rounded up: 6,921 more than the 50,000 of the table. At 20 s the
    variance is 0.94 of it (5.64 * 10^12): sqrt(3.384 * 10^14) = 18,395,651.6, so 55,186.95."""
    world, venue = world_of(margin(), falls={0: 3, 20: 1})
    played(world)
    assert told(world) == [(10, 6_921), (20, 5_187)]
    assert told(world, 1) == told(world)
    (step,) = [k for k, row in enumerate(rows(world, "steps", "time_ns", "kind"))
               if row == (10 * SECOND, StepKind.RATES)]  # fmt: skip
    assert rows(world, "steps", "market", "parent", "generation")[step] == (0, 0, 0)
    scope = holding_later(venue)
    assert venue.maintenance(scope) == -(-9_900 * 55_187 // 10**6)


def holding_later(venue: Venue) -> int:
    """Buy one lot after the start; return the scope."""
    account = venue.open_account()
    scope = venue.deposit(account, 0, 10**5)
    assert venue.submit(account, 0, Side.BID, 101, 1) == 0
    return int(scope)


def test_a_round_of_the_same_instant_counts_once_and_quiet_time_decays_exactly() -> None:
    """100 -> 98 at 0 s; the next round is 100 s later: ten samples, the first with r = 2 %."""
    world, _venue = world_of(margin(cap_ppm=900_000), falls={0: 7, 100: 1})
    variance = 6 * 10**4 * (2 * 10**7) ** 2 // 10**6
    played(world)
    for _ in range(9):
        variance = variance * 940_000 // 10**6
    sigma = int((variance * 60) ** 0.5)
    assert told(world)[-1] == (100, -(-3 * sigma // 1_000) - 50_000)


def test_it_moves_by_no_more_than_its_step_an_hour() -> None:
    """180,000 ppm an hour are 500 in 10 s. 100 -> 98: 3 sigma = 113,842 ppm, and it decays
    meanwhile; it rises until the two meet, and then falls as slowly when somebody looks."""
    world, _venue = world_of(margin(step_ppm=180_000), falls={0: 7, 3_000: 1})
    played(world)
    found = told(world)
    assert found[:3] == [(10, 500), (20, 1_000), (30, 1_500)]
    moves = [b - a for (_, a), (_, b) in pairwise(found[:-1])]
    assert moves[:-1] == [500] * (len(moves) - 1) and -500 <= moves[-1] <= 500
    assert len(moves) > 10 and found[-1] == (3_000, 0)


def test_floor_cap_buffer_and_stress_are_the_three_measures_against_procyclicality() -> None:
    """3 sigma = 56,921 ppm. A buffer of 25 % asks 71,152, until that meets the stressed rate; 25 %
    of weight on a stressed 100,000 asks 0.75 * 56,921 + 25,000 = 67,690.75."""
    cases = {
        71_152: {"buffer_ppm": 250_000, "stressed_ppm": 80_000},
        60_000: {"buffer_ppm": 250_000, "stressed_ppm": 60_000},
        56_921: {"buffer_ppm": 250_000, "stressed_ppm": 40_000},
        67_691: {"weight_ppm": 250_000, "stressed_ppm": 100_000},
        55_000: {"cap_ppm": 55_000},
    }
    for rate, changed in cases.items():
        world, _venue = world_of(margin(**changed), falls={0: 5})
        played(world)
        assert told(world)[-1][1] == rate - 50_000
    world, _venue = world_of(margin(floor_ppm=70_000), falls={0: 5})
    played(world)
    assert told(world) == [(0, 20_000)]


def test_who_falls_by_a_raised_margin_has_it_as_parent() -> None:
    """A long of 10 at 100 with 55 a lot: at 99 its equity is 4,500, and 5 % of 99,000 is 4,950;
    with 100 a lot 9,000: it falls at 10 s, when 11 % are asked."""
    world, venue = world_of(margin(k_ppm=6 * 10**6), falls={0: 5})
    scope = holding(venue, 10, 100, 10_000)
    played(world)
    steps = rows(world, "steps", "kind", "time_ns", "parent", "generation")
    (fell,) = [row for row in steps if row[0] == StepKind.LIQUIDATION]
    assert fell[1] == 10 * SECOND
    assert steps[fell[2]][0] == StepKind.RATES
    assert (steps[fell[2]][3], fell[3]) == (0, 1)
    assert venue.position(scope, 0) == (0, 0)


def test_new_positions_alone_are_asked_more() -> None:
    world, venue = world_of(margin(k_ppm=6 * 10**6, new_only=True), falls={0: 5})
    scope = holding(venue, 10, 100, 10_000)
    account = venue.open_account()
    venue.deposit(account, 0, 1_300)
    played(world)
    assert told(world) == [] and told(world, 1) == [(10, 63_842)]
    assert venue.position(scope, 0) == (10, 100_000)
    # One lot at 101: 10 % are 1,010; 16.4 % are 1,656.
    market = {"type": OrderType.MARKET}
    assert venue.submit(account, 0, Side.BID, 0, 1, **market) == Reject.INSUFFICIENT
    venue.deposit(account, 0, 500)
    assert venue.submit(account, 0, Side.BID, 0, 1, **market) == 0


def test_no_rate_passes_the_whole_and_tiers_stay_continuous() -> None:
    world = World()
    world.add_venue(surcharges=[margin(cap_ppm=10**6, floor_ppm=10**6)])
    venue = world.venue(0)
    tiers = [(0, 50_000, 0, 100_000), (100_000, 200_000, 15_000, 950_000)]
    venue.add_market(multiplier=100, price_max=10_000, size_max=10_000, brackets=tiers, last=100)
    scope = holding(venue, 10, 100, 10**6)
    world.start()
    run_checked(world)
    assert (told(world), told(world, 1)) == ([(0, 800_000)], [(0, 950_000)])
    assert venue.maintenance(scope) == 850_000 * 100_000 // 10**6
    # Initial margin is cut row by row: 10 % and 95 % more are all of it, not 15 %.
    account = venue.open_account()
    venue.deposit(account, 0, 9_999)
    assert venue.submit(account, 0, Side.BID, 100, 1) == Reject.INSUFFICIENT
    venue.deposit(account, 0, 1)
    assert venue.submit(account, 0, Side.BID, 100, 1) > 0


def test_a_top_tier_without_leverage_leaves_the_others_their_surcharge() -> None:
    """As binance-usdm has one: what is added to the initial rate was nothing there, for all."""
    world = World()
    world.add_venue(surcharges=[margin(cap_ppm=10**6, floor_ppm=80_000)])
    venue = world.venue(0)
    tiers = [(0, 50_000, 0, 100_000), (100_000, 500_000, 45_000, 10**6)]
    venue.add_market(multiplier=100, price_max=10_000, size_max=10_000, brackets=tiers, last=100)
    account = venue.open_account()
    venue.deposit(account, 0, 1_299)
    world.start()
    run_checked(world)
    assert (told(world), told(world, 1)) == ([(0, 30_000)], [(0, 30_000)])
    assert venue.submit(account, 0, Side.BID, 100, 1) == Reject.INSUFFICIENT
    venue.deposit(account, 0, 1)
    assert venue.submit(account, 0, Side.BID, 100, 1) > 0


@pytest.mark.parametrize("kind", ["slab", "tiers", "flat", "size"])
def test_a_schedule_s_rows_move_and_forks_have_their_own(kind: str) -> None:
    flat = [(0, 50_000, 100_000), (200_000, 90_000, 100_000)]
    made = {
        "slab": lambda: Schedule.slab(flat, multiplier=100),
        "tiers": lambda: Schedule.tiers(BRACKETS, multiplier=100, base="entry"),
        "flat": lambda: Schedule.flat(maintenance_ppm=50_000, initial_ppm=100_000, multiplier=100,
                                      fee_ppm=700),
        # 10 lots at 10 ppm each: 4.99 % + 0.01 % maintenance, 9.99 % + 0.01 % initial.
        "size": lambda: Schedule.size(maintenance_ppm=49_900, initial_ppm=99_900,
                                      increment_ppt=10 * 10**6, multiplier=100),
    }[kind]()  # fmt: skip
    world = World()
    world.add_venue(surcharges=[margin()])
    venue = world.venue(0)
    venue.add_market(multiplier=100, price_max=10_000, size_max=10_000, schedule=made)
    for price, size in BIDS.items():
        venue.seed_level(0, Side.BID, price, size)
    venue.seed_level(0, Side.ASK, 101, 5)
    scope = holding(venue, 10, 100, 50_000)
    world.schedule_shock(0, 0, 0, Side.ASK, size=5)
    world.start()
    world.settle()
    before, fork = venue.maintenance(scope), world.fork()
    run_checked(world)
    assert told(world) == [(10, 6_921)]
    base = 100_000 if kind == "tiers" else 99_000
    rates = (50_000, 56_921) if kind != "flat" else (50_700, 57_621)
    assert before == -(-base * rates[0] // 10**6)
    assert venue.maintenance(scope) == -(-base * rates[1] // 10**6)
    assert fork.venue(0).maintenance(scope) == before
    fork.run()
    assert fork.state_hash() == world.state_hash()
    small = 50_000 * 10**6 if kind != "size" else 49_910 * 10**6
    assert made.rates(1)[1] == small  # The user's schedule is as it was.


@pytest.mark.parametrize("kind", ["slab", "tiers"])
def test_liquidation_prices_follow_the_rows_on_every_step_of_a_table(kind: str) -> None:
    """Each is the last tick, counted down by what_if(), at which the scope is liquidatable."""
    steps = [0, 40_000, 70_000, 110_000, 150_000]
    slab = [(floor, 50_000 + 20_000 * k, 400_000) for k, floor in enumerate(steps)]
    tiers = [(0, 50_000, 0, 400_000)]
    for floor, rate, initial in slab[1:]:
        _, before, amount, _ = tiers[-1]
        tiers.append((floor, rate, amount + floor * (rate - before) // 10**6, initial))
    made = {
        "slab": lambda: Schedule.slab(slab, multiplier=100),
        "tiers": lambda: Schedule.tiers(tiers, multiplier=100, fee_ppm=300),
    }[kind]()
    world = World()
    world.add_venue(surcharges=[margin(floor_ppm=130_000, cap_ppm=130_000)])
    venue = world.venue(0)
    venue.add_market(multiplier=100, price_max=10_000, size_max=10_000, schedule=made, last=1_000)
    scopes = [
        holding(venue, sign, 1_000, money)
        for sign in (1, -1)
        for money in range(21_000, 90_000, 997)
    ]
    world.start()
    run_checked(world)
    assert told(world) == [(0, 80_000)]
    for scope in scopes:
        if not venue.position(scope, 0)[0]:
            continue
        found = venue.liquidation_price(scope, 0)
        sign = venue.position(scope, 0)[0]

        def falls(tick: int, scope: int = scope) -> bool:
            equity, asked = venue.what_if(scope, {0: tick})
            return equity < asked

        if found is None:
            assert sign > 0 and not falls(1)
        else:
            assert falls(found) and not falls(found + sign)


@pytest.mark.parametrize("sign", [1, -1])
def test_liquidation_prices_follow_a_rate_that_grows_with_the_size(sign: int) -> None:
    """Each is the last tick, counted down by what_if(); larger positions fall sooner."""
    made = Schedule.size(
        maintenance_ppm=50_000, initial_ppm=400_000, increment_ppt=2 * 10**9, multiplier=100
    )
    world = World()
    world.add_venue(surcharges=[margin(floor_ppm=130_000, cap_ppm=130_000)])
    venue = world.venue(0)
    venue.add_market(multiplier=100, price_max=10_000, size_max=10_000, schedule=made, last=1_000)
    scopes = [holding(venue, sign * lots, 1_000, lots * 45_000) for lots in range(1, 40, 3)]
    world.start()
    run_checked(world)
    assert told(world) == [(0, 80_000)]
    prices = []
    for lots, scope in zip(range(1, 40, 3), scopes, strict=True):
        need = -(-lots * 10**5 * (130_000 * 10**6 + lots * 2 * 10**9) // 10**12)
        assert venue.maintenance(scope) == need
        found = venue.liquidation_price(scope, 0)
        assert found is not None
        prices.append(sign * found)
        for tick, falls in ((found, True), (found + sign, False)):
            equity, asked = venue.what_if(scope, {0: tick})
            assert (equity < asked) == falls
    assert prices == sorted(prices) and prices[0] < prices[-1]


def test_an_addition_to_a_rate_by_size_stays_within_the_value() -> None:
    """Of 40 % up to 100 %: 60 % are added and no more, and 30 % to the initial rate."""
    made = Schedule.size(
        maintenance_ppm=400_000, initial_ppm=700_000, increment_ppt=10**6, multiplier=100
    )
    world = World()
    world.add_venue(surcharges=[margin(floor_ppm=10**6, cap_ppm=10**6)])
    venue = world.venue(0)
    venue.add_market(multiplier=100, price_max=10_000, size_max=10_000, schedule=made, last=1_000)
    holding(venue, 1, 1_000, 10**7)
    world.start()
    run_checked(world)
    assert (told(world), told(world, 1)) == ([(0, 600_000)], [(0, 300_000)])


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (
            Schedule.skew(scale=100, fraction_ppm=10**6, minimum_ppm=20_000, scalar_ppm=500_000),
            "its maintenance is a share of its initial rate",
        ),
        (
            Schedule.risk(long_ppm=10_000, short_ppm=10_000, slippage_ppm=0),
            "its initial margin is a multiple of maintenance",
        ),
    ],
)
def test_schedules_to_which_no_constant_can_be_added_are_refused(made: Schedule, why: str) -> None:
    world = World()
    world.add_venue(surcharges=[margin()])
    world.venue(0).add_market(schedule=made, last=100)
    with pytest.raises(ConfigError, match=f"must be flat, tiers, slab, steps, size.*{why}"):
        world.start()


# Fees.


def test_the_fee_rises_with_sigma_over_its_reference() -> None:
    """MECHANISMS §12. Variance 6 * 10^12 a sample of 10 s: over a day sqrt(8,640 * 6 * 10^12) =
    227,683,991.5 ppb against 10^8: 500 * 1.27683991 = 638.4, so 639 ppm."""
    world, venue = world_of(fee(to_fund_ppm=400_000), falls={0: 5})
    played(world)
    assert told(world, 2) == [(10, 639)] and told(world) == []
    holding_later(venue)
    paid = rows(world, "fills", "taker_fee")[-1][0]
    assert paid == -(-10_100 * 639 // 10**6) == 7
    assert venue.fund == 2  # floor(0.4 * 7)
    assert venue.balance(venue.holder(HolderKind.FEES)) == 5


def test_the_fee_has_a_cap_and_a_calm_market_pays_the_base() -> None:
    world, _venue = world_of(fee(cap_ppm=300), falls={0: 5})
    played(world)
    assert told(world, 2) == [(10, 300)]
    world, _venue = world_of(fee(reference_ppb=3 * 10**8), falls={0: 5})
    played(world)
    assert told(world, 2) == []


# The contagion buffer.


def test_the_buffer_is_the_fall_that_liquidations_add() -> None:
    """Within 5 % of the mark of 100 rest 25 lots; 10 lots of longs fall by then (equity 10,000 -
    5,000 = 5,000 against 4,750 + ... of 950,000 at 95: 4,750), so R = 10 / 25 and the fall grows
    by 0.05 * 10 / 15 = 33,334 ppm. Two more do not: they have 30,000."""
    world, venue = world_of(ContagionBuffer(reach_ppm=50_000, cap_ppm=10**6), falls={})
    holding(venue, 10, 100, 9_700)
    holding(venue, 2, 100, 30_000)
    world.start()
    assert world.step() >= 0
    assert told(world) == [(0, 33_334)]


@pytest.mark.parametrize(("beta", "added"), [(1, []), (4, [(0, 33_334)])])
def test_the_buffer_moves_collateral_along_by_its_beta(beta: int, added: list[Any]) -> None:
    """The same 10 lots, with 100 coins of 120: 5 % down they are 114 each at a beta of 1, 11,400
    and more than 9,750; at 4 they are 96, and 9,600 is not."""
    world = World()
    made = ContagionBuffer(reach_ppm=50_000, cap_ppm=10**6)
    world.add_venue(asset_count=2, surcharges=[made])
    venue = world.venue(0)
    venue.add_market(multiplier=100, price_max=10_000, size_max=10_000, brackets=BRACKETS, last=100)
    for price in range(95, 100):
        venue.seed_level(0, Side.BID, price, 5)
    world.add_collateral(0, 1, source=CollateralSource.MARK, market=0, price=120,
                         beta_ppm=beta * 10**6)  # fmt: skip
    account = venue.open_account()
    venue.deposit(account, 1, 100)
    venue.open_position(account, 0, 10, 100_000)
    world.schedule_index(0, 0, 0, 100)
    world.start()
    world.run()
    assert told(world) == added


@pytest.mark.parametrize(("lots", "addon"), [(24, 300_000), (25, 300_000), (1, 1_042)])
def test_the_buffer_ends_at_its_cap(lots: int, addon: int) -> None:
    """1 of 25: 50,000 / 24 = 2,083.3, at a weight of one half 1,041.7."""
    made = ContagionBuffer(reach_ppm=50_000, cap_ppm=300_000, weight_ppm=500_000)
    world, venue = world_of(made, falls={})
    holding(venue, lots, 100, lots * 970)
    world.start()
    assert world.step() >= 0
    assert told(world) == [(0, addon)]


def test_the_buffer_looks_again_when_its_time_has_come() -> None:
    """After the sale of 10 the bids of 99 and 98 are gone: within 5 % of 98 lie 20 of 25."""
    made = ContagionBuffer(reach_ppm=50_000, cap_ppm=10**6, every_ns=10 * SECOND, new_only=True)
    world, venue = world_of(made, falls={3: 10})
    holding(venue, 10, 100, 9_700)
    played(world)
    assert told(world, 1) == [(0, 33_334), (10, 50_000)]


# Changing, refusing, asking.


def test_a_branch_may_switch_them_on_and_off() -> None:
    world, venue = world_of(margin(), falls={0: 5, 30: 1})
    scope = holding(venue, 10, 100, 50_000)
    world.start()
    world.run(4)
    fork = world.fork()
    change(fork, 0)
    assert fork.venue(0).maintenance(scope) == venue.maintenance(scope)  # until the next round
    fork.run()
    fork._check()
    assert told(fork)[-1] == (30, 0)
    change(fork, 0, surcharges=[margin(floor_ppm=90_000)])
    fork.settle()
    assert told(fork)[-1] == (30, 40_000)
    kept = world.fork()
    change(kept, 0, surcharges="keep")
    kept.run()
    world.run()
    assert told(kept) == told(world) != told(fork)


def test_bad_surcharges_are_refused_by_name() -> None:
    with pytest.raises(InputTypeError, match="surcharges must be Surcharges"):
        World().add_venue(surcharges=[3])
    with pytest.raises(ConfigError, match="surcharges: must be at most 16"):
        World().add_venue(surcharges=[margin()] * 17)
    for changed, rule in (
        ({"bases_ppm": []}, "bases_ppm: must be at least one"),
        ({"cap_ppm": 49_999}, "cap_ppm: must not be below what a market asks"),
        ({"buffer_ppm": 1}, "stressed_ppm: must be given with buffer_ppm or weight_ppm"),
        ({"stressed_ppm": 1}, "stressed_ppm: must be given with buffer_ppm or weight_ppm"),
    ):
        with pytest.raises(ConfigError, match=rule):
            margin(**changed)
    with pytest.raises(InputError, match="decay_ppm"):
        margin(decay_ppm=999_001)
    assert repr(margin()) == "<VolatilityMargin up to 1000000 ppm>"
    assert repr(fee()) == "<VolatilityFee 0 to 1000000 ppm>"
    buffer = ContagionBuffer(reach_ppm=7, cap_ppm=1)
    assert repr(buffer) == "<ContagionBuffer over 7 ppm>"


# Directions over 50 seeds.


def crash(seed: int, *surcharges: Any) -> tuple[int, int, int]:
    """Longs alone, all sold at the market, and two falls: (lots sold, lowest mark, fund)."""
    rng = random.Random(seed)
    world, venue = make(
        bids={price: rng.randint(2, 9) for price in range(99, 10, -1)}, surcharges=surcharges,
        liquidation_pays_taker=True,
    )  # fmt: skip
    for _ in range(25):
        size = rng.randint(1, 6)
        holding(venue, size, 100, size * rng.randint(600, 4_000))
    venue.fund_deposit(0, 10**6)
    for at in (0, 60):
        world.schedule_shock(at * SECOND, 0, 0, Side.ASK, size=rng.randint(10, 50))
    world.start()
    world.run()
    sold = sum(lots for (lots,) in rows(world, "liquidations", "lots_filled"))
    return sold, min([100, *(mark for (mark,) in rows(world, "marks", "mark"))]), venue.fund


def test_a_margin_raised_on_open_positions_never_liquidates_less() -> None:
    """§10: raising it liquidates all in between, an exogenous shock, and R_margin adds to R. For
    new positions alone it does nothing to those that are open."""
    more = 0
    for seed in range(50):
        bare = crash(seed)
        sold, mark, _ = crash(seed, margin())
        assert sold >= bare[0] and mark <= bare[1]
        more += sold > bare[0]
        assert crash(seed, margin(new_only=True)) == bare
        clustered = crash(seed, ContagionBuffer(reach_ppm=50_000, cap_ppm=50_000))
        assert clustered[0] >= bare[0]
    assert more > 10


def test_fees_that_rise_and_go_to_the_fund_never_leave_it_less() -> None:
    """§12: what takers pay more is the fund's, and no deficit that a fee makes is larger."""
    more = 0
    for seed in range(50):
        (sold, mark, fund), bare = crash(seed, fee(to_fund_ppm=10**6)), crash(seed)
        assert (sold, mark) == bare[:2] and fund >= bare[2]
        more += fund > bare[2]
    assert more > 10


def test_a_margin_that_cannot_rise_changes_nothing() -> None:
    """Off is the baseline: floor and cap at what the market asks."""
    for seed in range(5):
        assert crash(seed, margin(cap_ppm=50_000), fee(cap_ppm=0)) == crash(seed)


# A few lines of TOML.

SCENARIO = (
    plain_crowd(
        "moving margins", seed=3, accounts=100, median=12_000, rules="fees = { taker = 0.0005 }"
    )
    + """[[venue.surcharge]]
kind = "volatility_margin"
k = 3
mpor_s = 600
cap = 0.1
sample_s = 1
[[venue.surcharge]]
kind = "volatility_fee"
slope = 0.0005
cap = 0.01
volatility_reference = 0.03
to_fund = 0.5
[[venue.surcharge]]
kind = "contagion_buffer"
reach = 0.02
cap = 0.05
apply_to = "new"
"""
    + SALE
)


REBATE = "taker = 0.0005, external_taker = 0.0005, maker = -0.0004"


def test_a_few_lines_of_toml_switch_them_on() -> None:
    scenario = oc.Scenario.from_toml(SCENARIO)
    tape = oc.run(scenario)
    at = tape.steps["kind"] == StepKind.RATES
    assert at.any()
    assert "BTCUSDT moves its margin rates or fees" in tell(tape)
    found = oc.audit(tape)
    assert found.ok
    assert dict((check.name, check.rows) for check in found.checks)["rates"] > 0
    assert oc.Scenario.from_toml(scenario.to_toml()).config_hash() == scenario.config_hash()
    told = tape.meta["venues"][0]["surcharges"]
    assert told[0]["bases_ppm"] == [5_000] and told[1]["base_ppm"] == 500
    with oc.World(scenario) as world:
        world.run(5)
        other = world.fork()
        other.change(oc.Scenario.from_toml(SCENARIO.replace("cap = 0.01", "cap = 0.02")))
        other.run()
        world.run()
        assert other.state_hash() != world.state_hash()


@pytest.mark.parametrize(
    ("line", "changed", "rule"),
    [
        ("k = 3", "", "surcharge[0].k: is required by kind 'volatility_margin'"),
        ("k = 3", "k = 3\nslope = 1", "belongs to kind 'volatility_fee', not 'volatility_margin'"),
        ("cap = 0.1", "cap = 0.004", "must be at least what the markets ask anyway, 0.005"),
        ("cap = 0.1", "cap = 0.1\nfloor = 0.001", "floor: must be at least what the markets ask"),
        ("cap = 0.1", "cap = 0.1\nstressed = 0.2", "must be given with buffer or stress_weight"),
        ("cap = 0.1", "cap = 0.1\nbuffer = 0.2", "must be given with buffer or stress_weight"),
        ("cap = 0.1", "cap = 0.1\newma_lambda = 0.9999", "ewma_lambda"),
        ("cap = 0.01", "cap = 0.0004", "surcharge[1].cap: must be in [0.0005, 1]"),
        ("taker = 0.0005", REBATE, "to_fund: must leave the venue what maker rebates cost"),
        ('apply_to = "new"', "sample_s = 3", "belongs to kind 'volatility_margin' or 'volatility"),
        (
            "brackets = [{ floor = 0, maintenance = 0.005, leverage_max = 125 }]",
            'schedule = { type = "risk", long = 0.005, short = 0.008, slippage = 0.001 }',
            "cannot move the rates of BTCUSDT: its initial margin is a multiple of maintenance",
        ),
    ],
)
def test_what_does_not_go_together_is_refused_with_its_key(
    line: str, changed: str, rule: str
) -> None:
    assert SCENARIO.count(line + "\n") == 1 or line.startswith("taker")
    with pytest.raises(ConfigError) as refused:
        oc.Scenario.from_toml(SCENARIO.replace(line, changed, 1))
    assert rule in str(refused.value)


NAMES = ["volatility_margin", "contagion_buffer", "volatility_fee"]


def test_ablation_switches_each_of_them() -> None:
    """The sale alone liquidates next to nobody; the margin that follows it does. §10."""
    scenario = oc.scenarios.load("moving-margins", "population[0].accounts=150")
    found = oc.analysis.ablation(scenario, NAMES, seeds=4)
    assert list(found.names)[:5] == ["baseline", *NAMES, "all"]
    assert {each.name: each.on for each in found.switches} == {
        "volatility_margin": "3", "contagion_buffer": "0.02", "volatility_fee": "0.0005",
    }  # fmt: skip
    liquidated = found.values[:, :, 1].sum(axis=1).tolist()
    baseline, margin_, buffer, fee_, whole = liquidated[:5]
    assert margin_ > baseline and whole == margin_ and buffer == fee_ == baseline
    assert found.columns[0].config.venue[0].surcharge is None
    bare = oc.analysis.ablation(scenario.set("surcharge=[]"), NAMES, seeds=1)
    assert bare.values[0, 0].tolist() == found.values[0, 0].tolist()


def test_a_safeguard_s_parameter_is_read_and_set() -> None:
    known = {each.name: each for each in oc.safeguards.safeguards()}
    venue = oc.scenarios.load("halts").config.venue[0]
    for name in NAMES:
        each = known[name]
        assert each.read(venue) is None
        on = each.set(venue, "0.01")
        assert each.read(on) == "0.01" and each.read(each.set(on, None)) is None
        assert each.set(each.set(on, "0.02"), None).surcharge is None
