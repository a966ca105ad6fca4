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
    target: str = "venue"


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
    "a scope of several legs is not armed": Bug(
        "core.flock",
        "    oc_check(slack >= 0)\n    p =",
        "    oc_check(slack >= 0)\n    if legs > 1:\n        return 0\n    p =",
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
    "what hides ahead of an own order is counted": Bug(
        "core.desk",
        "                return size <= 0        #",
        "                pass        #",
        "book",
    ),
    "fills are given no room for the parts of icebergs": Bug(
        "core.desk", "smaller(left, b.count + d.parts)", "smaller(left, b.count)", "book"
    ),
    "a post-only order slides onto the other side": Bug(
        "core.desk",
        "return b.best[1 - t.side] - (1 - 2 * t.side)",
        "return b.best[1 - t.side]",
        "book",
    ),
    "an order is read where it was before the rows moved": Bug(
        "core.desk",
        "    room_page(b, price)\n    order = order_at(b, slot)   #",
        "    order = order_at(b, slot)\n    room_page(b, price)   #",
        "book",
    ),
    "an amended iceberg hides too much": Bug(
        "core.desk",
        "    if crosses:\n        return room             #",
        "    if crosses:\n        return LEVEL_MAX             #",
        "book",
    ),
    "the other side's lots fill a level": Bug(
        "core.desk",
        "book_size_at(b, m.side, m.price)",
        "level_of(b, m.price).size",
        "book",
    ),
    "an auction does not look at what is left over": Bug(
        "core.auction", "volume > best.volume or left < best.left:", "volume > best.volume:", "book"
    ),
    "an even auction ignores the last trade": Bug(
        "core.auction",
        "d.last if d.last else (best.low + best.high) >> 1",
        "(best.low + best.high) >> 1",
        "book",
    ),
    "a stop sees the last trade of a command only": Bug(
        "core.conditional",
        "low = smaller(b.fills[first].price, b.fills[b.fill_count - 1].price)",
        "low = b.fills[b.fill_count - 1].price",
        "book",
    ),
    "a stop does not fire at its very trigger": Bug(
        "core.conditional",
        "h.rows[0].key <= (-low if which & 1 else high)",
        "h.rows[0].key < (-low if which & 1 else high)",
        "book",
    ),
    "a snapshot forgets how old the stops are": Bug(
        "core.snapshot", "            _put(w, stop.sequence)", "            _put(w, 0)", "book"
    ),
    "an amended order keeps its place though it grows": Bug(
        "core.matching",
        "if price != order.price or size > order.size:",
        "if price != order.price:",
        "book",
    ),
    "a snapshot may name one slot too many": Bug(
        "core.snapshot",
        'cdef int64_t slot = _take(r, part + " slot", 0, b.used - 1)',
        'cdef int64_t slot = _take(r, part + " slot", 0, b.used)',
        "door",
    ),
    "single calls are left out of the chain": Bug(
        "core.book",
        "            chain_fold(&self.chain_now, row, result)",
        "            pass",
        "door",
    ),
    "an account is cut to 32 bits": Bug(
        "core.book",
        'row.account = <int>within(account, "account", "an int", 0, self.account_max)',
        'row.account = <int>whole(account, "account", "an int")',
        "door",
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


def hunt(library: Path, name: str, bug: Bug) -> str:
    """Fuzz from nothing; say what was found, when, and after how many inputs."""
    inputs_of = PLACE / "inputs" / name.replace(" ", "-")
    corpus = PLACE / "corpus"
    shutil.rmtree(corpus, ignore_errors=True)
    began = time.monotonic()
    done = subprocess.run(
        [CLONE / ".ci" / "fuzz", bug.target, str(SECONDS)],
        env=os.environ
        | {
            "FUZZ_LIB": str(library),
            "FUZZ_CORPUS": str(corpus),
            "FUZZ_FOUND": str(inputs_of),
            "FUZZ_FIRST": str(PLACE / "nothing"),
        },
        capture_output=True,
        text=True,
    )
    took = time.monotonic() - began
    said = done.stdout + done.stderr
    inputs = re.findall(r"^#(\d+)", said, re.MULTILINE) or ["?"]
    found = re.search(
        r"\w+Error: .*|AddressSanitizer: [\w-]+|runtime error: .*|a check of the engine .*",
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
        result = hunt(library, name, BUGS[name])
        missed += result.startswith("NOT")
        print(f"{name}: {result}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
