"""What the fuzzer plays, played without it: inputs that mattered once, and random ones.

The entry is compiled against the modules under test, with the flags of their flavour. Inputs are
played in a process of their own: a broken check of the engine aborts it.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest

import ordercascade
from ordercascade.enums import StepKind

HERE = Path(__file__).resolve().parent
CLONE = HERE.parent.parent
LIBRARY = Path(ordercascade.__file__).resolve().parent.parent
FINDINGS = sorted((HERE / "findings").glob("*"))
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
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile the entry for the package that is imported here."""
    place = tmp_path_factory.mktemp("entry")
    flavour = "asan" if "asan" in LIBRARY.name else "release"
    plain = {key: value for key, value in os.environ.items() if key != "LD_PRELOAD"}
    plain |= {
        "ORDERCASCADE_BUILD": flavour,
        "ORDERCASCADE_ONLY": "none",
        "ORDERCASCADE_EXTRA": "tests/fuzz/fuzz_entry.pyx",
    }
    command = [sys.executable, "setup.py", "-q", "build_ext"]
    command += ["--build-lib", str(place), "--build-temp", str(place / "objects")]
    done = subprocess.run(command, cwd=CLONE, env=plain, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return place


@pytest.fixture(scope="session")
def entry(folder: Path) -> Any:
    """Import the entry into this process."""
    (library,) = folder.glob("fuzz_entry*.so")
    spec = importlib.util.spec_from_file_location("fuzz_entry", library)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def played(folder: Path, seeds: int, *names: Path) -> str:
    """Play files and random inputs in another process; its last line."""
    path = os.pathsep.join([str(folder), str(LIBRARY)])
    done = subprocess.run(
        [sys.executable, "-c", PLAY, str(seeds), *map(str, names)],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    tail = "\n".join(done.stdout.splitlines()[-1:])
    assert done.returncode == 0, f"{tail}: {done.stderr[-2000:]}"
    return tail


def test_inputs_that_found_something_find_nothing_any_more(folder: Path) -> None:
    """Those of the seeded bugs (bugs.py) are there too: they go where mistakes show."""
    assert FINDINGS
    played(folder, 0, *FINDINGS)


def test_random_inputs_break_no_law_and_reach_every_kind_of_step(folder: Path) -> None:
    """`Random(seed).randbytes(264)` is the input that a failure names last."""
    reached = {
        StepKind(int(kind)): count for kind, count in json.loads(played(folder, RANDOM)).items()
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
