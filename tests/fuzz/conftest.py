"""The fuzzers' entries, compiled against the modules under test with the flags of their flavour."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ordercascade

HERE = Path(__file__).resolve().parent
CLONE = HERE.parent.parent
LIBRARY = Path(ordercascade.__file__).resolve().parent.parent
ENTRIES = ("fuzz_entry", "book_entry")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile the entries for the package that is imported here."""
    place = tmp_path_factory.mktemp("entry")
    flavour = "asan" if "asan" in LIBRARY.name else "release"
    plain = {key: value for key, value in os.environ.items() if key != "LD_PRELOAD"}
    plain |= {
        "ORDERCASCADE_BUILD": flavour,
        "ORDERCASCADE_ONLY": "none",
        "ORDERCASCADE_EXTRA": ",".join(f"tests/fuzz/{name}.pyx" for name in ENTRIES),
    }
    command = [sys.executable, "setup.py", "-q", "build_ext"]
    command += ["--build-lib", str(place), "--build-temp", str(place / "objects")]
    done = subprocess.run(command, cwd=CLONE, env=plain, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return place


@pytest.fixture(scope="session")
def entry_of(folder: Path) -> Callable[[str], Any]:
    """Import an entry into this process."""

    def load(name: str) -> Any:
        (library,) = folder.glob(f"{name}*.so")
        spec = importlib.util.spec_from_file_location(name, library)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope="session")
def played(folder: Path) -> Callable[..., str]:
    """Run a program of Python in another process, since a broken check aborts; its last line."""

    def play(program: str, *arguments: object) -> str:
        path = os.pathsep.join([str(folder), str(LIBRARY)])
        done = subprocess.run(
            [sys.executable, "-c", program, *map(str, arguments)],
            env=os.environ | {"PYTHONPATH": path},
            capture_output=True,
            text=True,
        )
        tail = "\n".join(done.stdout.splitlines()[-1:])
        assert done.returncode == 0, f"{tail}: {done.stderr[-2000:]}"
        return tail

    return play
