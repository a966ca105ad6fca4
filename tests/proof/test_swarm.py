"""10^6 seeded operations of book, ledger and venue against the twins: 600 000, 300 000, 100 000.

The split is by what they cost: about 11, 4 and 22 s of CPU. `make soak` runs 10^8 of the same mix.
ORDERCASCADE_PROOF_OPS makes it smaller on your own machine. A failing seed prints its command.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import swarm.book
import swarm.ledger
import swarm.venue
from reference import margin
from reference.book import OrderBook as TwinBook
from reference.ledger import Ledger as TwinLedger
from swarm.common import Failed
from swarm.program import TARGETS, jobs_of, soak
from swarm.program import swarm as run

OPS = int(os.environ.get("ORDERCASCADE_PROOF_OPS", 10**6))
CLONE = Path(__file__).resolve().parents[2]

# Half of what was reached when this was written, of the whole number of operations.
REACHED: dict[str, dict[str, int]] = {
    "book": {
        "fills": 88_000,
        "self trades": 38_000,
        "refused arguments": 29_000,
        "refused batches": 440,
        "reject POOL_FULL": 39_000,
        "reject NOT_OWNER": 6_200,
        "reject NO_LIQUIDITY": 7_700,
        "reject POST_ONLY_WOULD_CROSS": 6_700,
        "reject FOK_NOT_FILLABLE": 13_000,
    },
    "ledger": {
        "realised": 106_000,
        "refused trades": 2_800,
        "refused postings": 1_000,
        "hand_over": 10_900,
        "split": 10_900,
    },
    "venue": {
        "fills": 12_000,
        "step LIQUIDATION": 2_400,
        "step ADL": 750,
        "step WATERFALL": 170,
        "step BOUND": 10,
        "outcome CLOSED": 120,
        "outcome DELEVERAGED": 650,
        "outcome HEALTHY": 90,
        "outcome PENDING": 1_450,
        "outcome SHORTFALL": 130,
        "stepped": 1_500,
        "fork": 460,
        "reject INSUFFICIENT": 10_600,
        "reject POSITION_LIMIT": 240,
        "reject POSITION_OPEN": 680,
        "reject NOT_OWNER": 60,
    },
}


@pytest.mark.parametrize("target", list(REACHED))
def test_a_million_operations_are_the_same_on_the_twins(target: str) -> None:
    counts: Counter[str] = run(target, OPS * TARGETS[target].share // 10)
    for name, least in REACHED[target].items() if OPS >= 10**6 else ():
        assert counts[name] >= least, f"{name}: {counts[name]} times, at least {least} expected"


# It can fail, and says how to replay it.


def lifo(book: Any, *arguments: Any, **kwargs: Any) -> int:
    """A twin that fills the youngest order of a level first."""
    for side in book.levels:
        for queue in side.values():
            queue.reverse()
    left: int = HONEST_MATCH(book, *arguments, **kwargs)
    for side in book.levels:
        for queue in side.values():
            queue.reverse()
    return left


def ceiling(ledger: Any, holder: int, market: int, lots: int, cost: int) -> int:
    """A twin that keeps one unit of every cost that does not divide."""
    return HONEST_ENTER(ledger, holder, market, lots, cost) + (cost % 7 == 3)


HONEST_MATCH, HONEST_ENTER = TwinBook._match, TwinLedger.enter
HONEST_MAINTENANCE = margin.maintenance
BROKEN = {
    "book": (TwinBook, "_match", lifo),
    "ledger": (TwinLedger, "enter", ceiling),
    "venue": (margin, "maintenance", lambda rows, value: HONEST_MAINTENANCE(rows, value) + 1),
}


@pytest.mark.parametrize("target", list(BROKEN))
def test_a_difference_is_found_and_its_seed_replays_it(
    target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(*BROKEN[target])
    play = {"book": swarm.book, "ledger": swarm.ledger, "venue": swarm.venue}[target].play
    failed: Failed | None = None
    for seed in range(5):
        try:
            play(seed, TARGETS[target].ops)
        except Failed as found:
            failed = found
            break
    assert failed is not None
    words = failed.command.split()
    assert words[:5] == ["python", "-m", "tests.swarm", "--target", target]
    assert "compiled, twin" in str(failed)
    number = int(words[-1])
    with pytest.raises(Failed):
        play(int(words[6]), number)
    if target != "venue":  # Its closing dump sees more than the comparison after an operation.
        play(int(words[6]), number - 1)


def test_the_command_runs_a_seed(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.swarm", "--target", "venue", "--seed", "3"]
    done = subprocess.run([*command, "--ops", "20"], cwd=CLONE, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("venue seed 3: the same")


# The soak.


def test_a_round_of_the_soak_has_the_mix_and_no_seed_twice() -> None:
    jobs = [job for turn in range(3) for job in jobs_of(turn)]
    assert len(set(jobs)) == len(jobs)
    mix = Counter[str]()
    for target, _, ops in jobs_of(0):
        mix[target] += ops
    assert mix == {
        "book": 3_600,
        "ledger": 1_800,
        "venue": 600,
        "conserve": 1_000,
        "presets": 1_000,
        "guarded": 1_000,
    }


def test_a_soak_goes_on_where_it_stopped(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "soak.json"
    assert soak(1, place, cores=1, every_s=0.0) == 0
    assert soak(6_001, place, cores=1, every_s=0.0) == 0
    told = capfd.readouterr().out
    assert "from round 0" in told
    assert "from round 1" in told
    assert "12,000 of 6,001 operations, round 2" in told


def test_a_worker_that_dies_names_its_seed(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The folder joins the namespace `swarm`, in the workers too: they take over the path."""
    monkeypatch.setattr("swarm.program.jobs_of", lambda turn: [("fatal", 5, 10)])
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "swarm").mkdir()
    (tmp_path / "swarm" / "fatal.py").write_text("import os\n\ndef play(*a): os._exit(11)\n")
    assert soak(1, tmp_path / "soak.json", cores=1) == 1
    assert "--target fatal --seed 5 --ops 10" in capfd.readouterr().out
