"""Planned slices: the tables of theory (TARGETS T8, T9), what the engine sells, and TOML."""

from __future__ import annotations

import math
from typing import Any

import pytest

import ordercascade as oc
from ordercascade.core.venue import Venue
from ordercascade.core.world import World
from ordercascade.enums import Side
from ordercascade.errors import ConfigError, InputError
from ordercascade.mechanisms.slices import Slices
from ordercascade.slices import (
    almgren_chriss,
    equal,
    holdings,
    kappa,
    obizhaeva_wang,
    parts,
    restore,
    shortfall,
    tranche_factor,
)
from unit.worlds import holding, make, rows, run_checked

CHRISS: dict[str, float] = {"sigma": 0.95, "eta": 2.5e-6, "gamma": 2.5e-7, "tau": 1.0}


@pytest.mark.parametrize(
    ("risk", "rate", "mean", "deviation"),
    [
        (1e-6, 0.60708, 911_227.0, 603_430.7),
        (0.0, 0.0, 662_500.0, 1_040_672.9),
        (2e-6, 0.8463, 1_140_715.2, 449_367.7),
        (1e-7, 0.19463, 670_057.5, 961_622.9),
    ],
)
def test_almgren_and_chriss_of_2000(
    risk: float, rate: float, mean: float, deviation: float
) -> None:
    """TARGETS T8: S0 50, X 10^6, T 5, N 5, epsilon .0625."""
    found = kappa(risk=risk, **CHRISS)
    assert found == pytest.approx(rate, abs=5e-5)
    plan = almgren_chriss(5, found)
    cost = shortfall(plan, 1e6, epsilon=0.0625, **CHRISS)
    assert cost.mean == pytest.approx(mean, abs=0.06)
    assert cost.deviation == pytest.approx(deviation, abs=0.06)
    assert sum(plan) == pytest.approx(1)


def test_the_holdings_of_almgren_and_chriss() -> None:
    plan = almgren_chriss(5, kappa(risk=1e-6, **CHRISS))
    held = [round(left) for left in holdings(plan, 1e6)]
    assert held == [1_000_000, 541_956, 289_854, 147_897, 62_142, 0]
    assert almgren_chriss(50, 40.0)[0] == pytest.approx(1)  # No sinh overflows.
    with pytest.raises(InputError, match="eta"):
        kappa(risk=1, sigma=1, eta=1, gamma=3, tau=1)


@pytest.mark.parametrize(
    ("rho", "ends", "inner"),
    [
        (1, 35_008.3, 3_331.5),
        (2, 27_537.4, 4_991.7),
        (5, 18_046.6, 7_100.8),
        (20, 10_222.9, 8_839.4),
    ],
)
def test_obizhaeva_and_wang(rho: float, ends: float, inner: float) -> None:
    """TARGETS T9: X 10^5, T 1, ten waits, so eleven trades; and the limit of ever more of them."""
    plan = [share * 1e5 for share in obizhaeva_wang(11, rho / 10)]
    assert plan[0] == plan[-1] == pytest.approx(ends, abs=0.06)
    assert plan[1:-1] == pytest.approx([inner] * 9, abs=0.06)
    assert sum(plan) == pytest.approx(1e5)


def test_the_continuous_limit_of_obizhaeva_and_wang() -> None:
    plan = obizhaeva_wang(1000, 2.231 / 999)
    assert plan[0] * 1e5 == pytest.approx(23_635.1, rel=2e-3)
    assert plan[1] * 1e5 * 999 == pytest.approx(52_729.9, rel=2e-3)


def test_the_tranche_factor_and_what_restores_a_margin() -> None:
    """MECHANISMS §4: phi .3, five slices of 30 s, half-life 20 s: 0.515, so R 1.5 becomes 0.773."""
    g = tranche_factor(5, permanent=0.3, recovery=30 / 20 * math.log(2))
    assert g == pytest.approx(0.515, abs=5e-4)
    assert 1.5 * g == pytest.approx(0.773, abs=5e-4)
    assert tranche_factor(1, permanent=0.3, recovery=9) == pytest.approx(1)
    assert tranche_factor(8, permanent=0.3, recovery=0) == 1
    assert restore(1e6, 2e4, 0.03, 0.005) == pytest.approx(0.4)
    assert restore(1e6, 2e4, 0.005, 0.005) == 1


def test_a_table_is_of_what_is_held_then_and_ends_with_all() -> None:
    assert parts(equal(4)) == [250_000_000, 333_333_334, 500_000_000, 10**9]
    assert parts([0.5, 0.5, 0.0])[-1] == 10**9
    assert parts([]) == []
    for count in (0, 1001):
        with pytest.raises(InputError, match="slices"):
            equal(count)


# ------------------------------------------------------------------ in the engine


def sold(policy: Slices, *, bids: dict[int, int], money: int = 40_000) -> list[tuple[int, ...]]:
    """One long of 100 at 100; an index far below makes it liquidatable for good."""
    world = World()
    world.add_venue(policy=policy, buffer_ppm=900_000)
    venue: Venue = world.venue()
    venue.add_market(multiplier=100, price_max=10_000, size_max=10_000,
                     brackets=[(0, 50_000, 0, 100_000)])  # fmt: skip
    for price, size in bids.items():
        venue.seed_level(0, Side.BID, price, size)
    venue.seed_level(0, Side.ASK, 101, 5)
    holding(venue, 100, 100, money)
    world.schedule_shock(0, 0, 0, Side.ASK, size=2)
    world.start()
    run_checked(world)
    return rows(world, "liquidations", "lots_before", "lots_asked")


def test_equal_slices_are_equal_and_apart_in_time() -> None:
    policy = Slices(parts(equal(5)), cooldown_ns=7)
    asked = sold(policy, bids={99: 1, 60: 1_000}, money=420_000)
    assert asked == [(100, 20), (80, 20), (60, 20), (40, 20), (20, 20)]
    for lots, count in ((7 * 60, 7), (999_999, 3), (12 * 11, 12)):
        held, sizes = lots, []
        for part in parts(equal(count)):
            sizes.append(held * part // 10**9)
            held -= sizes[-1]
        assert sizes == [lots // count] * count


def test_a_planned_sale_restores_the_margin_that_was_asked_for() -> None:
    """At the mark of 60 equity is 20,000 of 600,000: f* = 160,000 / 177,000, so 91 of 100 lots."""
    policy = Slices(target_ppm=300_000, cost_ppm=5_000)
    world, venue = make(bids={99: 1, 60: 1_000}, policy=policy)
    scope = holding(venue, 100, 100, 420_000)
    world.schedule_shock(0, 0, 0, Side.ASK, size=2)
    world.start()
    run_checked(world)
    found = rows(world, "liquidations", "lots_asked", "equity_before", "mark_before")
    assert found == [(math.ceil(100 * restore(600_000, 20_000, 0.3, 0.005)), 20_000, 60)]
    assert found[0][0] == 91
    assert venue.position(scope, 0)[0] == 9


def test_no_order_is_larger_than_its_share_of_the_book() -> None:
    """Within 2 % of the middle (100) rest 40 lots once two are sold: a quarter is 10."""
    policy = Slices(share_ppm=250_000, depth_ppm=20_000)
    asked = sold(policy, bids={99: 32, 98: 10, 90: 500})
    assert asked[0] == (100, 10)
    assert all(lots <= 10 for _, lots in asked[:3])


def test_a_share_of_all_that_rests_looks_no_further_than_the_last_bid() -> None:
    """32 + 10 + 500 lots less the two that are sold: a tenth is 54."""
    policy = Slices(share_ppm=100_000, depth_ppm=10**6)
    assert sold(policy, bids={99: 32, 98: 10, 90: 500})[0] == (100, 54)


@pytest.mark.parametrize(
    ("numbers", "field"),
    [
        ({"depth_ppm": 1}, "share_ppm"),
        ({"parts": [1], "target_ppm": 1}, "target_ppm"),
        ({"cost_ppm": 1}, "cost_ppm"),
        ({"parts": [-1]}, "parts"),
        ({"parts": [10**9 + 1]}, "parts"),
        ({"parts": [1] * 1001}, "parts"),
    ],
)
def test_numbers_that_do_not_go_together_are_refused(numbers: dict[str, Any], field: str) -> None:
    with pytest.raises((ConfigError, InputError), match=field):
        Slices(numbers.pop("parts", ()), **numbers)


KINDS = {
    "equal": "slices = 5",
    "almgren_chriss": "slices = 5, kappa_per_s = 0.02",
    "obizhaeva_wang": "slices = 5, resilience_per_s = 0.02",
    "restore": "target_margin = 0.02, cost = 0.001, book_share = 0.1, book_range = 0.01",
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_plan_is_switched_on_by_a_line(kind: str) -> None:
    line = f'venue[0].liquidation=[{{ kind = "{kind}", cooldown_s = 30, {KINDS[kind]} }}]'
    made = oc.scenarios.load("thin-book", line, "population[0].accounts=300")
    tape = oc.run(made)
    assert tape.state_hash() == oc.run(oc.Scenario.from_toml(made.to_toml())).state_hash()
    assert max(tape.tables["liquidations"]["tranche"].tolist()) > 1
    assert oc.audit(tape).ok


@pytest.mark.parametrize(
    "line",
    [
        '{ kind = "equal" }',
        '{ kind = "equal", slices = 0 }',
        '{ kind = "equal", slices = 3, fraction = 0.5 }',
        '{ kind = "almgren_chriss", slices = 3 }',
        '{ kind = "restore", target_margin = 0.1, slices = 2 }',
        '{ kind = "restore", target_margin = 0.1, book_share = 0.2 }',
        '{ kind = "tranche", fraction = 0.2, slices = 3 }',
        '{ kind = "full", book_share = 0.1, book_range = 0.1 }',
    ],
)
def test_keys_of_a_plan_that_do_not_go_together_are_refused(line: str) -> None:
    with pytest.raises(ConfigError, match="liquidation"):
        oc.scenarios.load("t2a", f"venue[0].liquidation=[{line}]")
