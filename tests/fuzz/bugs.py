"""Show that the fuzzer finds: known bugs, each in a copy, and the time from an empty corpus.

python tests/fuzz/bugs.py [NAME ...]       needs build/fuzz-lib (tests/fuzz/build.py)

Not run in CI: a bug costs the compilation of one module. CONTRIBUTING.md has the last figures.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from build import CLONE, compiler, modules

SECONDS = 120
PLACE = CLONE / "build" / "fuzz-bugs"


class Bug(NamedTuple):
    """A line of a module, and what it says instead."""

    module: str
    line: str
    instead: str


BUGS = {
    "an order at the best price does not trade": Bug(
        "core.matching",
        "    while (limit - price) * sign >= 0:\n        row =",
        "    while (limit - price) * sign > 0:\n        row =",
    ),
    "a full book takes one more order": Bug(
        "core.matching",
        "        if pool_full(b):\n            return REJECT_POOL_FULL\n"
        "        book_reserve(b, price,",
        "        book_reserve(b, price,",
    ),
    "no room is made for fills": Bug(
        "core.matching",
        "    room_fills(b)\n    left = _match(b, side, limit, size, account, False)",
        "    left = _match(b, side, limit, size, account, False)",
    ),
    "a scope of several legs is not armed again": Bug(
        "core.watch",
        "    oc_check(slack >= 0)\n",
        "    oc_check(slack >= 0)\n    if s.scopes[scope].moved_step != NIL:\n        return 0\n",
    ),
    "a liquidation fee makes a deficit": Bug(
        "core.closeout",
        "smaller(mul_ppm_up(value, s.rules.liquidation_fee_ppm), larger(0, equity))",
        "mul_ppm_up(value, s.rules.liquidation_fee_ppm)",
    ),
    "the fund pays what it does not have": Bug(
        "core.losses",
        "smaller(deficit, s.ledger.holders[fund].collateral)",
        "deficit",
    ),
    "a deleveraging splits collateral instead of equity": Bug(
        "core.losses",
        "split_shares(at.equity, s.cells, legs, s.cells + legs)",
        "split_shares(s.ledger.holders[scope].collateral, s.cells, legs, s.cells + legs)",
    ),
    "a fork shares the list of pending scopes": Bug(
        "core.statecopy",
        "to.pending = <int32_t*>slab_copy(s.pending, s.pending_capacity, sizeof(int32_t))",
        "to.pending_count = 0; to.pending_capacity = 0",
    ),
}


def seed(bug: Bug, library: Path) -> None:
    """Compile the one module with its bug beside the others."""
    clone = PLACE / "clone"
    shutil.rmtree(clone, ignore_errors=True)
    shutil.copytree(CLONE / "src", clone / "src", ignore=shutil.ignore_patterns("*.so"))
    shutil.copytree(CLONE / "tests" / "fuzz", clone / "tests" / "fuzz")
    shutil.copy(CLONE / "setup.py", clone)
    source = clone / "src" / "ordercascade" / (bug.module.replace(".", "/") + ".pyx")
    text = source.read_text("utf-8")
    if text.count(bug.line) != 1:
        raise SystemExit(f"{bug.module} has changed: {bug.line!r} is not there once")
    source.write_text(text.replace(bug.line, bug.instead), "utf-8")
    shutil.rmtree(library, ignore_errors=True)
    shutil.copytree(CLONE / "build" / "fuzz-lib", library)
    for stale in library.glob(f"ordercascade/{bug.module.replace('.', '/')}.*.so"):
        stale.unlink()
    modules(library, clone, CC=compiler(), ORDERCASCADE_ONLY=bug.module, ORDERCASCADE_EXTRA="")


def hunt(library: Path, name: str) -> str:
    """Fuzz from nothing; say what was found, when, and after how many inputs."""
    inputs_of = PLACE / "inputs" / name.replace(" ", "-")
    corpus = PLACE / "corpus"
    shutil.rmtree(corpus, ignore_errors=True)
    began = time.monotonic()
    done = subprocess.run(
        [CLONE / ".ci" / "fuzz", str(SECONDS)],
        env=os.environ
        | {
            "FUZZ_LIB": str(library),
            "FUZZ_CORPUS": str(corpus),
            "FUZZ_FOUND": str(inputs_of),
        },
        capture_output=True,
        text=True,
    )
    took = time.monotonic() - began
    said = done.stdout + done.stderr
    inputs = re.findall(r"^#(\d+)", said, re.MULTILINE) or ["?"]
    found = re.search(
        r"AssertionError: .*|AddressSanitizer: [\w-]+|runtime error: .*|a check of the engine .*",
        said,
    )
    if done.returncode == 0 or found is None:
        return f"NOT FOUND in {took:.1f} s, {inputs[-1]} inputs"
    return f"{took:.1f} s, {inputs[-1]} inputs: {found[0][:70]}"


def main(names: list[str]) -> int:
    """Seed and hunt each; 1 if one was not found."""
    missed = 0
    for name in names or BUGS:
        library = PLACE / "lib"
        seed(BUGS[name], library)
        result = hunt(library, name)
        missed += result.startswith("NOT")
        print(f"{name}: {result}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
