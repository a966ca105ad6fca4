"""What the venue's fuzzer plays, played without it: inputs that mattered once, and random ones.

Inputs are played in a process of their own: a broken check of the engine aborts it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from ordercascade.enums import StepKind

HERE = Path(__file__).resolve().parent
FINDINGS = sorted((HERE / "findings" / "venue").glob("*"))
HEAD, INPUT = 24, 24 + 4 * 60  # bytes: the set-up, and with sixty operations
RANDOM = 500

PLAY = """
import json, sys
from pathlib import Path
from random import Random
import fuzz_entry
for name in sys.argv[2:]:
    print(name, flush=True)
    fuzz_entry.play(Path(name).read_bytes())
reached = {}
for seed in range(int(sys.argv[1])):
    print("seed", seed, flush=True)
    data = Random(seed).randbytes(264)
    fuzz_entry.play(data)
    for kind in fuzz_entry.world(data).log.column("steps", "kind").tolist():
        reached[kind] = reached.get(kind, 0) + 1
print(json.dumps(reached))
"""


@pytest.fixture(scope="session")
def entry(entry_of: Callable[[str], Any]) -> Any:
    return entry_of("fuzz_entry")


def test_inputs_that_found_something_find_nothing_any_more(
    played: Callable[..., str],
) -> None:
    """Those of the seeded bugs (bugs.py) are there too: they go where mistakes show."""
    assert FINDINGS
    played(PLAY, 0, *FINDINGS)


def test_random_inputs_break_no_law_and_reach_every_kind_of_step(
    played: Callable[..., str],
) -> None:
    """`Random(seed).randbytes(264)` is the input that a failure names last."""
    reached = {
        StepKind(int(kind)): count for kind, count in json.loads(played(PLAY, RANDOM)).items()
    }
    assert set(reached) == {
        StepKind.SHOCK,
        StepKind.MARK,
        StepKind.LIQUIDATION,
        StepKind.WATERFALL,
        StepKind.ADL,
        StepKind.AGENTS,
        StepKind.BOUND,
    }
    assert min(reached.values()) >= 20, reached


def test_the_same_input_gives_the_same_tape_again(entry: Any) -> None:
    for seed in range(20):
        data = Random(seed).randbytes(INPUT)
        hashes = set()
        for _ in range(2):
            assert entry.play(data) == 60
            hashes.add(entry.world(data).log.digest())
        assert len(hashes) == 1


def test_an_input_without_an_operation_is_no_input(entry: Any) -> None:
    for size in range(HEAD + 4):
        assert entry.play(bytes(size)) == 0
    assert entry.play(bytes(HEAD + 4)) == 1


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("money from nowhere", "101"),
        ("money moved without a posting", "722"),
        ("a scope taken off the watch", "770"),
        ("a scope pending in no list", "771"),
        ("a fill forgotten", "773"),
        ("an order too many", "774"),
        ("a step without a call", "710"),
    ],
)
def test_a_law_that_is_broken_is_noticed(entry: Any, how: str, said: str) -> None:
    """The laws can fail; bugs.py shows it of the fuzzer as a whole."""
    data = bytes([0] * 11 + [0x44]) + bytes([0x90] * 12) + bytes(4)
    with pytest.raises(AssertionError, match=said):
        entry.spoil(data, how)
