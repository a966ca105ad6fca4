"""What the book's fuzzer plays, played without it: inputs that mattered once, and random ones.

Each row is done by the book and by the twin of book_twin.pxd, and then everything is compared.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from ordercascade.enums import Command, Reject

HERE = Path(__file__).resolve().parent
FINDINGS = sorted((HERE / "findings" / "book").glob("*"))
HEAD, ROW = 4, 6  # bytes
INPUT = HEAD + 50 * ROW
RANDOM = int(os.environ.get("ORDERCASCADE_PROOF_INPUTS", 10_000))

PLAY = """
import json, sys
from pathlib import Path
from random import Random
import book_entry
for name in sys.argv[2:]:
    print(name, flush=True)
    book_entry.play(Path(name).read_bytes())
for seed in range(int(sys.argv[1])):
    if seed % 100 == 0:
        print("seeds from", seed, flush=True)
    book_entry.play(Random(seed).randbytes(304))
print(json.dumps(book_entry.counted()))
"""


@pytest.fixture(scope="session")
def entry(entry_of: Callable[[str], Any]) -> Any:
    return entry_of("book_entry")


def test_inputs_that_found_something_find_nothing_any_more(played: Callable[..., str]) -> None:
    """Those of the seeded bugs (bugs.py) are there too: they go where mistakes show."""
    assert FINDINGS
    played(PLAY, 0, *FINDINGS)


def test_random_inputs_do_what_the_twin_does_and_reach_every_command_and_refusal(
    played: Callable[..., str],
) -> None:
    """`Random(seed).randbytes(304)` is an input; LEVEL_FULL is for the fuzzer's small levels."""
    commands, refusals = json.loads(played(PLAY, RANDOM))
    assert {int(kind) for kind in commands} == {*map(int, Command), max(Command) + 1}
    assert {Reject(int(code)) for code in refusals} == {
        Reject.UNKNOWN_ORDER, Reject.NOT_OWNER, Reject.POST_ONLY_WOULD_CROSS,
        Reject.FOK_NOT_FILLABLE, Reject.NO_LIQUIDITY, Reject.POOL_FULL, Reject.BAD_MESSAGE,
        Reject.EXPIRED, Reject.SELF_TRADE, Reject.AUCTION, Reject.CASCADE_LIMIT,
    }  # fmt: skip
    assert min([*commands.values(), *refusals.values()]) >= RANDOM // 100, (commands, refusals)


def test_an_input_without_a_row_is_no_input(entry: Any) -> None:
    for size in range(HEAD + ROW):
        assert entry.play(bytes(size)) == 0
    assert entry.play(bytes(HEAD + ROW)) == 1
    assert entry.play(Random(1).randbytes(INPUT)) <= 50


# A bid that rests, a market order that trades with a part of it, and a stop that waits.
ROWS = bytes([3 | 7 << 2, 0, 0, 0])
ROWS += bytes([0, 3, 9, 0, 0, 0]) + bytes([1 << 4 | 4, 0, 2, 0, 0, 0])
ROWS += bytes([7, 0, 1, 0, 9, 0]) + bytes([1 << 5 | 4, 0, 0, 0, 0, 0])
ROWS += bytes([1 << 4 | 4, 0, 0, 0, 0, 0])


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("a lot more", "831"),
        ("another account", "832"),
        ("an order lost", "830"),
        ("a level that does not add up", "_check"),
        ("a stop lost", "840"),
        ("a trade nobody saw", "851"),
        ("a fill forgotten", "811"),
        ("a fill of another size", "813"),
        ("an id again", "801"),
    ],
)
def test_a_law_that_is_broken_is_noticed(entry: Any, how: str, said: str) -> None:
    """The laws can fail; bugs.py shows it of the fuzzer as a whole."""
    with pytest.raises(AssertionError, match=said):
        entry.spoil(ROWS, how)
