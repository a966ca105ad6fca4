"""The rows once more: each in a process of its own, and under `python -OO`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent

pytestmark = [
    pytest.mark.alone,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a child process"),
]


def alone(place: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    """Collect the tests at a place in a new interpreter and run them, a child for each row."""
    words = [*flags, "-m", "pytest", "-qq", "-p", "bad_inputs.forked", "-p", "no:cacheprovider"]
    # Asserts of tests are rewritten and so count under -OO; pytest warns of all others.
    words += ["-W", "ignore::pytest.PytestConfigWarning", str(place)]
    return subprocess.run(
        [sys.executable, *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=HERE.parents[1],
        env=os.environ
        | {"PYTHONPATH": os.pathsep.join([str(HERE.parent), *sys.path])}
        # Plug-ins that are installed cost seconds at each start, and none is needed here.
        | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    )


def test_bad_K13_every_row_ends_without_a_signal_and_without_python_s_asserts() -> None:
    """The fourth way in which the catalogue runs, and `-OO`, in one."""
    done = alone(HERE, "-OO")
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    found = re.search(r"^(\d+) rows ran alone, 0 badly$", done.stdout, re.MULTILINE)
    assert found is not None, done.stdout[-2000:]
    assert int(found[1]) >= 110


def test_a_row_that_crashes_or_fails_is_named_and_the_next_still_runs(tmp_path: Path) -> None:
    (tmp_path / "test_rows.py").write_text(
        "import os, signal\n"
        "def test_bad_A01_crash(): os.kill(os.getpid(), signal.SIGSEGV)\n"
        "def test_bad_A02_failure(): assert 1 == 2\n"
        "def test_bad_A03_fine(): assert not __debug__\n"
    )
    done = alone(tmp_path, "-OO")
    assert done.returncode != 0
    assert "row A01 ended with signal 11" in done.stdout
    assert "row A02 ended with 1 failures" in done.stdout
    assert "A03" not in done.stdout
    assert "3 rows ran alone, 2 badly" in done.stdout
