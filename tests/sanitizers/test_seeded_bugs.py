"""That the sanitizers can fail: a bug of each kind, in a process of its own, and what they say.

Run by `make asan`, whose environment loads the sanitizers; elsewhere these tests say that they are
not run. The bugs use the core's own slabs, ladders and units, compiled with the flavour's flags.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import ordercascade

HERE = Path(__file__).resolve().parent
CLONE = HERE.parent.parent
pytestmark = pytest.mark.skipif(
    "asan" not in os.environ.get("LD_PRELOAD", ""), reason="needs the sanitizers: make asan"
)

SETUP = """
import os
from Cython.Build import cythonize
from setuptools import Extension, setup
flags = {flags!r}
setup(
    script_args=["-q", "build_ext", "--inplace"],
    ext_modules=cythonize(
        [Extension("seeded", ["seeded.pyx"], extra_compile_args=flags, extra_link_args=flags[2:3])],
        include_path=[{include!r}],
        compiler_directives={{"language_level": 3, "cdivision": True, "boundscheck": False}},
    ),
)
"""


def flags() -> list[str]:
    """Return the flavour's flags as setup.py says them: a changed line there is used here too."""
    found = re.search(r'"asan": (\[[^\]]*\])', (CLONE / "setup.py").read_text("utf-8"))
    assert found is not None
    made: list[str] = [word.strip('" ') for word in found[1].strip("[]").split('", ')]
    assert made[2].startswith("-fsanitize=")
    return [*made, "-w"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile the bugs, without the sanitizers in the compiler's own process."""
    place = tmp_path_factory.mktemp("seeded")
    shutil.copy(HERE / "seeded.pyx", place)
    include = str(Path(ordercascade.__file__).parent.parent)
    (place / "setup.py").write_text(SETUP.format(flags=flags(), include=include), "utf-8")
    plain = {key: value for key, value in os.environ.items() if key != "LD_PRELOAD"}
    subprocess.run([sys.executable, "setup.py"], cwd=place, env=plain, check=True)
    return place


def run(folder: Path, call: str) -> subprocess.CompletedProcess[str]:
    """Run one call in a process of its own."""
    code = f"import seeded; print(seeded.{call})"
    path = os.pathsep.join([str(folder), os.environ["PYTHONPATH"]])
    return subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": path},
        cwd=CLONE,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("read_beyond()", "AddressSanitizer: heap-buffer-overflow"),
        ("write_beyond()", "AddressSanitizer: heap-buffer-overflow"),
        ("use_after_free()", "AddressSanitizer: heap-use-after-free"),
        ("free_twice()", "AddressSanitizer: attempting double-free"),
        ("overflow(2**31, 2**40)", "runtime error: signed integer overflow"),
        ("misaligned()", "runtime error: load of misaligned address"),
        ("shift(1, 64)", "runtime error: shift exponent 64 is too large"),
    ],
)
def test_a_seeded_bug_is_found(folder: Path, call: str, said: str) -> None:
    done = run(folder, call)
    assert done.returncode != 0, done.stdout
    assert said in done.stderr


def test_what_has_no_bug_passes(folder: Path) -> None:
    done = run(folder, "sound()")
    assert (done.returncode, done.stdout) == (0, "7\n"), done.stderr
    done = run(folder, "overflow(2**31, 2**8)")
    assert (done.returncode, done.stdout) == (0, f"{2**59}\n"), done.stderr


def test_what_is_tested_here_is_the_flavour_with_sanitizers() -> None:
    from ordercascade.core import venue

    assert b"__asan_report_load8" in Path(venue.__file__).read_bytes()
    assert b"__ubsan_handle_add_overflow" in Path(venue.__file__).read_bytes()
