"""What is known of a mechanism at the ends of its numbers: the tape of none, or that of another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mechanism.room import SECOND, Tables, ended, room, tables
from mechanism.table import FAIR, FEE, HELD, KEY, MARGIN
from ordercascade.duties import TrancheRule
from ordercascade.enums import AdlRule, BreakerKind, FeedKind, PriceSource
from ordercascade.mechanisms.breakers import Breaker
from ordercascade.mechanisms.closing import Deleverage, Tranche
from ordercascade.mechanisms.feeds import Feed
from ordercascade.mechanisms.slices import Slices
from ordercascade.mechanisms.surcharges import ContagionBuffer, VolatilityFee, VolatilityMargin
from ordercascade.mechanisms.tranches import Tranches
from ordercascade.slices import almgren_chriss, equal, obizhaeva_wang, parts

S = SECOND
ALL = 10**6  # in ppm
AGES = 10**6 * S  # against the 30 seconds that are looked at
Rules = dict[str, Any]


def watched(made: Rules) -> Tables:
    """The tables after 30 seconds: a slow mean goes on asking for ages."""
    world, _ = room(**made)
    for second in range(30):
        world.settle(second * S)
    return tables(world, tree=False)


def feed(kind: FeedKind = FeedKind.SPOT, **numbers: Any) -> Rules:
    return {"oracle": Feed(kind, **numbers, **KEY)}


def breaker(kind: BreakerKind = BreakerKind.BAND, **numbers: Any) -> Rules:
    return {"breakers": [Breaker(kind, **numbers)]}


# What each of them says is: nothing.
OFF: dict[str, Callable[[], Rules]] = {
    "no delay": feed,
    "a report at every change": lambda: feed(heartbeat_ns=9 * S, deviation_ppm=1),
    "a clamp of all": lambda: feed(clamp_ppm=ALL, clamp_round_ppm=ALL),
    "own prices alone": lambda: feed(own_weight_ppm=ALL),
    "a band of all": lambda: breaker(band_ppm=ALL),
    "a moving band of all": lambda: breaker(band_ppm=ALL, window_ns=9 * S),
    "a halt at all": lambda: breaker(BreakerKind.HALT, band_ppm=ALL, halt_ns=S),
    "a lag of all": lambda: breaker(BreakerKind.LAG, band_ppm=ALL, halt_ns=S, halt_max_ns=S),
    "gas for nothing": lambda: breaker(
        BreakerKind.GAS, gas=0, gas_max=1, gas_ppm=ALL, halt_ns=S, halt_max_ns=S
    ),
    "gas that anybody pays": lambda: breaker(
        BreakerKind.GAS, gas=9, gas_max=9, halt_ns=S, halt_max_ns=S
    ),
    "a tranche of all": lambda: {"policy": Tranche(fraction_ppm=ALL, cooldown_ns=S)},
    "tranches of the large": lambda: {"policy": Tranche(fraction_ppm=1, min_value=2**60)},
    "no slices": lambda: {"policy": Slices(cooldown_ns=S)},
    "one slice": lambda: {"policy": Slices(parts(equal(1)), cooldown_ns=S)},
    "one slice of Almgren": lambda: {"policy": Slices(parts(almgren_chriss(1, 0.5)))},
    "one slice of Obizhaeva": lambda: {"policy": Slices(parts(obizhaeva_wang(1, 0.5)))},
    "a sale that never heals": lambda: {"policy": Slices(target_ppm=5, cost_ppm=5)},
    "slices of the large": lambda: {"policy": Slices(parts(equal(9)), min_value=2**60)},
    "whole": lambda: {"policy": Tranches()},
    "a portion of all": lambda: {"policy": Tranches(TrancheRule.PORTION, portion_ppm=ALL)},
    "a cover that costs all": lambda: {"policy": Tranches(TrancheRule.COVER, cost_ppm=ALL)},
    "tiers further down than any": lambda: {"policy": Tranches(TrancheRule.TIER_DOWN, tiers=9)},
    "a window for all": lambda: {
        "policy": Tranches(TrancheRule.WINDOW, capacity=2**40, window_ns=S)
    },
    "a margin that may not rise": lambda: {
        "surcharges": [VolatilityMargin(**MARGIN | {"cap_ppm": 50_000})]
    },
    "a margin of no deviation": lambda: {
        "surcharges": [VolatilityMargin(**MARGIN | {"k_ppm": 1, "mpor_ns": 1})]
    },
    "a fee without a slope": lambda: {"surcharges": [VolatilityFee(**FEE | {"slope_ppm": 0})]},
    "a fee that may not rise": lambda: {"surcharges": [VolatilityFee(**FEE | {"cap_ppm": 500})]},
    "a buffer without a weight": lambda: {
        "surcharges": [ContagionBuffer(reach_ppm=40_000, cap_ppm=30_000, weight_ppm=0)]
    },
}


@pytest.mark.parametrize("name", OFF)
def test_off_is_the_tape_of_none(name: str) -> None:
    """Every table, the cascade's tree among them; limits apart, which a band of all may say."""
    bare, found = ended(), ended(**OFF[name]())
    found["liquidations"] = [(*row[:4], bare["liquidations"][k][4], row[5])
                             for k, row in enumerate(found["liquidations"])]  # fmt: skip
    assert found == bare


def test_the_queue_is_what_a_venue_has_that_says_nothing() -> None:
    first, second = ({"breakers": [Breaker(**HELD)]} for _ in range(2))
    assert ended(**first, backstop=Deleverage(AdlRule.QUEUE)) == ended(**second)


# Two names of one thing: the first with numbers at their end is the second.
SAME: dict[str, tuple[Rules, Rules]] = {
    "an index weighed alone": (
        {"own_weight_ppm": 0}, {"source": PriceSource.INDEX}),
    "a fair price without funding": (
        FAIR | {"kind": FeedKind.FUNDING, "funding_ppb": 0, "heartbeat_ns": S},
        {"source": PriceSource.INDEX}),
    "a basis that never moves": (
        {"kind": FeedKind.EMA, "tau_ns": AGES, "heartbeat_ns": S},
        {"source": PriceSource.INDEX}),
    "a median with such a basis": (
        {"kind": FeedKind.MEDIAN3, "tau_ns": AGES, "heartbeat_ns": S},
        {"source": PriceSource.INDEX}),
    "a fair price's median with such a basis": (
        FAIR | {"kind": FeedKind.BASIS3, "tau_ns": AGES, "heartbeat_ns": S,
                "funding_ppb": 0},
        {"source": PriceSource.INDEX}),
    "a mean over an instant": (
        {"kind": FeedKind.TWAP, "window_ns": 1, "heartbeat_ns": 1}, {"latency_ns": 1}),
    "a clamp of nothing by second": (
        {"clamp_ppm": 1}, {"source": PriceSource.INDEX}),
    "congestion of nobody": (
        {"latency_ns": S, "congestion_ppm": 0}, {"latency_ns": S}),
    "a latency that does not vary": (
        {"latency_ns": S, "sigma_ppm": 0}, {"latency_ns": S}),
}  # fmt: skip


@pytest.mark.parametrize("name", SAME)
def test_two_oracles_meet_where_their_numbers_end(name: str) -> None:
    """The same marks, orders and money; peeks foresee other things, so the tree may differ."""
    first, second = (watched(feed(**numbers)) for numbers in SAME[name])
    assert first == second


@pytest.mark.parametrize("slow", [feed(FeedKind.TWAP, window_ns=AGES, heartbeat_ns=S),
                                  feed(latency_ns=AGES)], ids=["mean", "late"])  # fmt: skip
def test_an_oracle_that_is_slower_than_the_world_liquidates_nobody(slow: Rules) -> None:
    """Its mark stays where it began; the fastest oracle liquidates seven."""
    found = watched(slow)
    assert {mark for _, mark, _ in found["marks"]} == {1000}
    assert not found["liquidations"]
    assert len(watched({})["liquidations"]) == 7
