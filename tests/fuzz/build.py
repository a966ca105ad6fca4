"""Build the fuzzers: the package with coverage and sanitizers, the entries, and their programs.

python tests/fuzz/build.py [FOLDER [CLONE]]   -> build/fuzz-lib, with fuzz_venue and fuzz_book
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

HERE = Path(__file__).resolve().parent
CLONE = HERE.parent.parent
ENTRIES = {"venue": "fuzz_entry", "book": "book_entry"}
EXTRA = ",".join(f"tests/fuzz/{entry}.pyx" for entry in ENTRIES.values())
SANITIZE = "-fsanitize=fuzzer,address,undefined"
MISSING = (
    "fuzz: clang with libFuzzer is missing: apt-get install clang libclang-rt-dev (make clang)"
)


def compiler() -> str:
    """Return clang, or end with one line that says which package brings it."""
    cc = shutil.which("clang") or ""
    probe = [cc, "-fsanitize=fuzzer", "-x", "c", "-", "-o", os.devnull]
    text = "int LLVMFuzzerTestOneInput(const char *d, unsigned long n) { return 0; }"
    if not cc or subprocess.run(probe, input=text, text=True, capture_output=True).returncode:
        raise SystemExit(MISSING)
    return cc


def modules(folder: Path, clone: Path, flavour: str = "fuzz", **settings: str) -> None:
    """Compile a clone's package and the entries into a folder; settings are of the environment."""
    named = {"ORDERCASCADE_BUILD": flavour, "ORDERCASCADE_EXTRA": EXTRA} | settings
    command = [sys.executable, "setup.py", "-q", "build", "--build-lib", str(folder)]
    done = subprocess.run(
        command, cwd=clone, env=os.environ | named, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)


def program(folder: Path, cc: str, target: str) -> None:
    """Link a fuzzer with an embedded Python."""
    found = sysconfig.get_config_vars()
    library = f"-lpython{sys.version_info.major}.{sys.version_info.minor}"
    places = [f"-L{found[key]}" for key in ("LIBDIR", "LIBPL") if found.get(key)]
    system = " ".join(filter(None, (found.get("LIBS"), found.get("SYSLIBS")))).split()
    command = [cc, "-O1", "-g", SANITIZE, f"-I{sysconfig.get_path('include')}"]
    command += [f'-DENTRY="{ENTRIES[target]}"', str(HERE / "main.c")]
    command += ["-o", str(folder / f"fuzz_{target}"), "-Wl,--export-dynamic"]
    command += [*places, library, f"-Wl,-rpath,{found.get('LIBDIR')}", *system]
    subprocess.run(command, check=True)


def main(folder: str = "build/fuzz-lib", clone: str = str(CLONE)) -> None:
    """Build all of it."""
    cc = compiler()
    modules(Path(folder).resolve(), Path(clone), CC=cc)
    for target in ENTRIES:
        program(Path(folder).resolve(), cc, target)


if __name__ == "__main__":
    main(*sys.argv[1:])
