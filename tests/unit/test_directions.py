"""Where theory gives a sign: the wick and the slide of the scenario `wick`, over 50 crowds.

MECHANISMS §7: smoothing cuts spurious triggers but leaves the book ahead of the oracle. §4a, §9:
who waits sells after the recovery. Paired by seed: the mean change is beyond three standard errors.
"""

from __future__ import annotations

import functools
import statistics

import pytest

import ordercascade as oc

SEEDS = 50
TWAP = 'venue[0].oracle={kind="twap",window_s=60}'
LATE = "venue[0].oracle.latency_s=5"
SLIDE = "shock[1].side=ask"
LESS = {
    "twap": TWAP,
    "heartbeat": "venue[0].oracle.heartbeat_s=10",
    "gas pause": 'breaker=[{kind="gas_pause",gas_gwei=30,gas_beta=0.1,gas_pause_gwei=60,halt_s=5}]',
    "equal slices": 'liquidation=[{kind="equal",slices=5,cooldown_s=2}]',
}


@functools.cache
def runs(*changes: str) -> list[dict[str, int]]:
    """The summaries of one run a seed, with half the accounts and a coarser book."""
    smaller = "population[0].accounts=400", "venue[0].market[0].book.step=10"
    crowd = oc.scenarios.load("wick", *smaller, *changes)
    return [oc.run(crowd.set(f"seed={seed}")).summary() for seed in range(SEEDS)]


def change(metric: str, before: list[dict[str, int]], after: list[dict[str, int]]) -> float:
    """The mean change in its standard errors."""
    found = [b[metric] - a[metric] for a, b in zip(before, after, strict=True)]
    return statistics.mean(found) / (statistics.stdev(found) / SEEDS**0.5)


@pytest.mark.parametrize("name", LESS)
def test_whoever_waits_out_a_wick_liquidates_fewer(name: str) -> None:
    assert change("accounts_liquidated", runs(), runs(LESS[name])) < -3


@pytest.mark.parametrize("rule", [TWAP, LATE], ids=["twap", "late"])
def test_where_nobody_comes_back_an_oracle_that_lags_leaves_more_bad_debt(rule: str) -> None:
    assert change("bad_debt", runs(SLIDE), runs(SLIDE, rule)) > 3
