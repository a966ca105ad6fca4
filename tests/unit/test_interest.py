"""Two-slope interest by hand. spec/MECHANISMS.md §13."""

from __future__ import annotations

from typing import Any

import pytest

import ordercascade as oc
from ordercascade.core.lending import schedule_interest
from ordercascade.core.schedule import Schedule
from ordercascade.core.venue import Venue
from ordercascade.core.world import World
from ordercascade.enums import HolderKind, NoteKind, PostReason, StepKind
from ordercascade.errors import ConfigError, InputError
from unit.worlds import holding, make, rows, run_checked

DAY = 86_400 * 10**9
YEAR = 365 * DAY
AAVE = {"slope_ppb": 4 * 10**7, "steep_ppb": 6 * 10**8, "optimum_ppb": 8 * 10**8}


def pool(money: int, times: int = 1, every: int = YEAR // 10, **terms: Any) -> tuple[World, Venue]:
    """A long of 10 at 100 (cost 100,000) with so much money; external sold it."""
    world, venue = make(bids={99: 50}, asks={101: 50})
    holding(venue, 10, 100, money)
    schedule_interest(world, every, 0, every_ns=every, times=times, **(AAVE | terms))
    world.start()
    return world, venue


def noted(world: World) -> list[tuple[int, int]]:
    found = rows(world, "notes", "kind", "a", "b")
    return [(a, b) for kind, a, b in found if kind == NoteKind.INTEREST]


def paid(world: World) -> list[tuple[int, int, int]]:
    found = rows(world, "postings", "from_holder", "to_holder", "amount", "reason")
    return [row[:3] for row in found if row[3] == PostReason.INTEREST]


@pytest.mark.parametrize(
    ("money", "used", "rate"),
    [
        # External has 100,000 in cash; what the long lacks of 100,000 is borrowed.
        (60_000, 4 * 10**8, 2 * 10**7),  # 4 % * 0.4 / 0.8
        (20_000, 8 * 10**8, 4 * 10**7),  # at the optimum
        (10_000, 9 * 10**8, 34 * 10**7),  # 4 % + 60 % * 0.1 / 0.2
        (100_000, 0, 0),
    ],
)
def test_the_rate_has_two_slopes(money: int, used: int, rate: int) -> None:
    """A tenth of a year on what is borrowed, all of it to external, the only lender."""
    world, venue = pool(money)
    run_checked(world)
    assert noted(world) == [(rate, used)]
    assert rows(world, "steps", "kind", "time_ns", "parent", "market")[-1] == (
        StepKind.INTEREST, YEAR // 10, -1, -1,
    )  # fmt: skip
    fees, outside = venue.holder(HolderKind.FEES), venue.holder(HolderKind.EXTERNAL)
    scope, due = venue.scope_of(1, 0), (100_000 - money) * rate // 10**10
    assert paid(world) == ([(scope, fees, due), (fees, outside, due)] if due else [])
    assert venue.collateral(scope) == money - due
    assert venue.balance(fees) == 0


def test_the_reserve_is_the_fund_s_and_the_rest_is_split_to_the_unit() -> None:
    """Borrowed 90,000 at 34 %: 3,060 in a tenth of a year; 10 % to the fund. External has 100,000
    of cash, another user 50,000 and a third 3, so U = 90,000 / 150,003 = 0.599988 (floored), R =
    2.9999400 %, 270 to pay (rounded up), 27 to the fund, 243: 161.99..., 80.99... and 0.004."""
    world, venue = make(bids={99: 50}, asks={101: 50})
    scope = holding(venue, 10, 100, 10_000)
    others = []
    for money in (50_000, 3):
        account = venue.open_account()
        others.append(venue.deposit(account, 0, money))
    terms = AAVE | {"reserve_ppm": 100_000}
    schedule_interest(world, 5, 0, every_ns=YEAR // 10, **terms)
    world.start()
    run_checked(world)
    assert noted(world) == [(29_999_400, 599_988_000)]
    fees, fund = venue.holder(HolderKind.FEES), venue.holder(HolderKind.FUND)
    outside = venue.holder(HolderKind.EXTERNAL)
    credited = [(fees, others[0], 81), (fees, outside, 162)]
    assert paid(world) == [(scope, fees, 270), (fees, fund, 27), *credited]


def test_interest_liquidates_who_cannot_bear_it_and_compounds() -> None:
    """Equity 10,000 against 5,000 of maintenance (at 100, the middle): 34 % a year on 90,000 are
    3,060 in a tenth, then 34 % and more on 93,060: it falls by the second payment."""
    world, venue = pool(10_000, times=3)
    run_checked(world)
    steps = rows(world, "steps", "kind", "parent", "time_ns")
    (fell,) = [row for row in steps if row[0] == StepKind.LIQUIDATION]
    assert steps[fell[1]][0] == StepKind.INTEREST and fell[2] == YEAR // 5
    amounts = [amount for source, _, amount in paid(world) if source == venue.scope_of(1, 0)]
    assert amounts[0] == 3_060
    # U = 93,060 / (100,000 + 3,060) = 0.902969..., R = 34.8907 %, of 93,060.
    used = 93_060 * 10**9 // 103_060
    rate = 4 * 10**7 + 6 * 10**8 * (used - 8 * 10**8) // (2 * 10**8)
    assert amounts[1] == -(-93_060 * (rate * 100) // 10**12)


def test_a_payment_that_passes_a_bound_is_not_made() -> None:
    """Nobody has cash: nothing is paid, and the note says so."""
    world, _venue = make(bids={99: 5}, asks={101: 5})
    schedule_interest(world, 7, 0, every_ns=YEAR, **AAVE)
    world.start()
    run_checked(world)
    assert noted(world) == [(0, -1)] and paid(world) == []


def test_a_charge_beyond_its_cell_is_not_made() -> None:
    """A year at 1,000 % on 2**59 would be more than 2**60: nobody pays anything."""
    world, venue = make(bids={99: 5}, asks={101: 5})
    account = venue.open_account()
    venue.deposit(account, 0, 10)
    venue.open_position(account, 0, 1, 2**59)
    schedule_interest(world, 0, 0, every_ns=YEAR, base_ppb=10**10, **AAVE)
    world.start()
    assert world.step() == 0
    world._check()
    (said,) = noted(world)
    assert said[1] == -1 and said[0] > 10**10 and paid(world) == []


def test_interest_asks_nothing_of_schedules() -> None:
    """A fork keeps the schedule."""
    world = World()
    world.add_venue()
    venue = world.venue(0)
    made = Schedule.size(
        maintenance_ppm=50_000, initial_ppm=100_000, increment_ppt=7, multiplier=100
    )
    venue.add_market(multiplier=100, schedule=made, last=100)
    scope = holding(venue, 10, 100, 20_000)
    schedule_interest(world, 5, 0, every_ns=YEAR // 10, **AAVE)
    world.start()
    fork = world.fork()
    run_checked(world)
    fork.run()
    assert fork.state_hash() == world.state_hash()
    assert venue.collateral(scope) == 20_000 - 320


@pytest.mark.parametrize(
    ("key", "value"),
    [("optimum_ppb", 0), ("optimum_ppb", 10**9), ("slope_ppb", -1), ("steep_ppb", 10**10 + 1),
     ("base_ppb", -1), ("reserve_ppm", 10**6 + 1), ("every_ns", 0), ("times", 0), ("asset", 1)],
)  # fmt: skip
def test_bad_terms_are_refused_by_name(key: str, value: int) -> None:
    world, _venue = make(bids={99: 5}, asks={101: 5})
    before = world.state_hash()
    said: dict[str, Any] = {"every_ns": 5} | AAVE | {key: value}
    with pytest.raises(InputError, match=key):
        schedule_interest(world, 5, 0, **said)
    assert world.state_hash() == before


SCENARIO = """
schema = 1
name = "interest"
seed = 3
[[venue]]
name = "perp"
preset = "simple"
interest = { optimum = 0.8, slope1 = 0.04, slope2 = 0.6, reserve = 0.1, every_s = 86400, times = 3 }
[[venue.market]]
name = "BTCUSDT"
tick_size = 1
lot_size = 0.001
settle = "USDT"
decimals = 6
brackets = [{ floor = 0, maintenance = 0.005, leverage_max = 125 }]
book = { kind = "ladder", mid = 60_000.5, step = 20, levels = 250, size = 0.2 }
[[venue.population]]
market = "BTCUSDT"
accounts = 50
leverage = { values = [2, 5] }
notional = { kind = "lognormal", median = 12_000, sigma = 1 }
"""


def test_a_table_of_a_venue_switches_it_on() -> None:
    scenario = oc.Scenario.from_toml(SCENARIO)
    tape = oc.run(scenario)
    assert (tape.steps["kind"] == StepKind.INTEREST).sum() == 3
    found = oc.audit(tape)
    assert found.ok
    assert {check.name: check.rows for check in found.checks}["interest"] > 0
    assert oc.Scenario.from_toml(scenario.to_toml()).config_hash() == scenario.config_hash()
    bare = oc.run(oc.Scenario.from_toml(SCENARIO.replace("times = 3", "times = 1")))
    assert bare.state_hash() != tape.state_hash()


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("every_s = 86400", "every_s = 0", "interest.every_s: must be above 0 and at most a year"),
        ("optimum = 0.8", "optimum = 1", "interest.optimum"),
        ("slope2 = 0.6, ", "", "interest.slope2"),
        ("slope1 = 0.04", "slope1 = 11", "interest.slope1"),
    ],
)
def test_bad_keys_are_refused_with_their_path(old: str, new: str, rule: str) -> None:
    with pytest.raises(ConfigError) as refused:
        oc.Scenario.from_toml(SCENARIO.replace(old, new))
    assert rule in str(refused.value)


def test_interest_never_makes_a_borrower_richer_nor_a_lender_poorer() -> None:
    """§13's sign over 50 pools: more cash at the end for who had it, less for who borrowed."""
    moved = 0
    for seed in range(50):
        money = 5_000 + 1_700 * seed
        world, venue = pool(money, times=2, every=YEAR // 50)
        scope, outside = venue.scope_of(1, 0), venue.holder(HolderKind.EXTERNAL)
        world.run()
        lent = venue.balance(outside)
        assert venue.collateral(scope) <= money and lent >= 0
        assert venue.collateral(scope) + lent == money
        moved += lent > 0
    assert moved > 40


def test_an_interest_payment_forks_and_replays_alike() -> None:
    world, _venue = pool(20_000, times=2)
    fork = world.fork()
    world.run()
    fork.run()
    assert fork.state_hash() == world.state_hash()
