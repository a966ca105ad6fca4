"""Everything on at once: 0 units off after every operation and step, and no transfer unseen.

swarm/guarded.py: breakers, feeds with a memory, planners, moving margins and fees, a contagion
buffer, coins as margin, calls and answers, gates, interest, funding, dislocations, depegs: on the
operations and with both checks of test_conservation. So many steps of the tape come to CI; a
million of them, which take some minutes: ORDERCASCADE_PROOF_STEPS=1000000.
"""

from __future__ import annotations

import os
from collections import Counter

from swarm.guarded import play
from swarm.program import TARGETS

STEPS = int(os.environ.get("ORDERCASCADE_PROOF_STEPS", 20_000))
EACH = 300
# What so many steps must have been through, whatever the seeds.
REACHED = (
    *("SHOCK", "MARK", "LIQUIDATION", "ADL", "WATERFALL", "RATES", "MARGIN_CALL", "HALT", "RESUME"),
    *("FUNDING", "INTEREST", "PAYMENT", "AUCTION"),
)
POSTED = ("FUNDING", "INTEREST", "CONVERSION", "FUND_PAYS", "FEE_LIQUIDATION", "REALISE")
NOTED = ("RATE", "HELD", "RELEASED", "ANSWER", "COLLATERAL", "DISLOCATION")


def test_no_unit_is_lost_behind_all_safeguards_at_once() -> None:
    counts, seed = Counter[str](), 0
    while counts["settlement steps"] < STEPS:
        counts.update(play(seed, EACH))
        seed += 1
    wanted = [f"step {name}" for name in REACHED]
    wanted += [f"posted {name}" for name in POSTED] + [f"note {name}" for name in NOTED]
    if STEPS >= 20_000:
        assert not [label for label in wanted if not counts[label]], counts
    print(f"{seed} seeds, {counts['settlement steps']} steps, {counts['audits']} audits")


def test_the_command_knows_it() -> None:
    assert TARGETS["guarded"].share == 0
