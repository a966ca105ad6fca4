"""Random operations of every kind under each preset that runs, audited after each: 0 units.

The operations and both checks are those of test_conservation; swarm/presets.py raises the venues.
ORDERCASCADE_PROOF_OPS says how many operations a preset gets; 10^6 of them take from half a
minute (Synthetix) to several (Bybit inverse).
"""

from __future__ import annotations

import os
from collections import Counter

import pytest

from ordercascade import presets
from swarm.presets import play
from swarm.program import TARGETS

OPS = int(os.environ.get("ORDERCASCADE_PROOF_OPS", 50_000))
EACH = TARGETS["presets"].ops
BOOK = ("step LIQUIDATION", "outcome CLOSED", "outcome HEALTHY")
FUND = (*BOOK, "step TAKEOVER", "step ADL", "outcome TAKEN_OVER", "outcome DELEVERAGED")
# What the rules of a preset must have been through.
SHOWN = {
    "binance-coinm": FUND,
    "binance-usdm": FUND,
    "bitmex": FUND,
    "bybit-inverse": FUND,
    "bybit-linear": FUND,
    "deribit": (*BOOK, "step WATERFALL", "outcome PENDING", "posted SOCIALISED"),
    "drift": (*BOOK, "step WATERFALL", "outcome PENDING", "posted SOCIALISED"),
    "dydx-v4": (*BOOK, "step ADL", "outcome DELEVERAGED", "posted FEE_LIQUIDATION"),
    "hyperliquid": (*BOOK, "step TAKEOVER", "outcome TAKEN_OVER"),
    "okx": (*BOOK, "step TAKEOVER", "step ADL"),
    "simple": (*BOOK, "step ADL", "step WATERFALL", "posted FUND_PAYS"),
    "synthetix-v3": ("step TAKEOVER", "step WATERFALL"),
    "vega": ("step TAKEOVER", "step DISPOSAL", "step PAYMENT"),
}


def test_every_preset_that_runs_is_here() -> None:
    assert set(SHOWN) == set(presets.runnable())


@pytest.mark.parametrize("name", presets.runnable())
def test_no_unit_is_lost_and_none_moves_unseen(name: str) -> None:
    names, counts = presets.runnable(), Counter[str]()
    for turn in range(-(-OPS // EACH)):
        counts.update(play(turn * len(names) + names.index(name), min(EACH, OPS - turn * EACH)))
    assert counts[f"{name} audits"] >= OPS
    if OPS >= 10_000:
        missing = [label for label in SHOWN[name] if not counts[f"{name} {label}"]]
        assert not missing, {label: counts[f"{name} {label}"] for label in SHOWN[name]}
