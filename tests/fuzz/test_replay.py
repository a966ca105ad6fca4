"""What the fuzzer plays, played without it: its findings, and random inputs.

The entry is compiled against the modules under test, by the compiler that built them.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest

import ordercascade

HERE = Path(__file__).resolve().parent
MAKE = """
import sys
from pathlib import Path
sys.path.insert(0, {here!r})
from build import entry
entry(Path({folder!r}), "", ["-O0", "-w"], [])
"""


@pytest.fixture(scope="session")
def entry(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Compile the entry and import it."""
    folder = tmp_path_factory.mktemp("entry")
    code = MAKE.format(here=str(HERE), folder=str(folder))
    plain = {key: value for key, value in os.environ.items() if key != "LD_PRELOAD"}
    plain["PYTHONPATH"] = str(Path(ordercascade.__file__).parent.parent)
    done = subprocess.run([sys.executable, "-c", code], env=plain, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (library,) = folder.glob("fuzz_entry*.so")
    spec = importlib.util.spec_from_file_location("fuzz_entry", library)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_was_found_is_no_finding_any_more(entry: Any) -> None:
    for path in sorted((HERE / "findings").glob("*.bin")):
        assert entry.play(path.read_bytes()) > 0, path.name


def test_random_bytes_leave_every_venue_sound(entry: Any) -> None:
    """An input that breaks something aborts the process: replay it with the fuzzer's program."""
    rng = Random(1)
    played = sum(entry.play(bytes([number]) + rng.randbytes(400)) for number in range(256))
    assert played == 256 * 100


def test_an_input_too_short_is_no_input(entry: Any) -> None:
    for size in range(5):
        assert entry.play(bytes(size)) in (0, 100)
