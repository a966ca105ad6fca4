"""Mutants not chosen by hand: change one small thing of the engine and see a test fail.

    python -m mutants                   # all groups' mutants by the seed; resumes where it stopped
    python -m mutants --first 9         # one of each group, as CI runs: these must be killed
    python -m mutants --again TEXT      # survivors whose key contains this, once more
    python -m mutants --report          # only write SURVIVORS.md from the results

Every mutant is compiled and tested in a copy under build/mutants, never in the working tree.
Results are kept there, one JSON line a mutant; reasons for survivors are in reasons.toml.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import queue
import re
import resource
import shutil
import subprocess
import sys
import sysconfig
import threading
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

from mutants.report import write_report
from mutants.sites import GROUPS, ROOT, Site, all_sites, choose, mutated

SEED = 3
COUNT = sum(share for share, _ in GROUPS.values())
SCRATCH = ROOT / "build" / "mutants"
RESULTS = SCRATCH / "results.jsonl"
REASONS = Path(__file__).with_name("reasons.toml")
INCLUDE = sysconfig.get_path("include")
SUFFIX = str(sysconfig.get_config_var("EXT_SUFFIX"))  # read here: its first reading is no thread's
FLAGS = ["-O0", "-fPIC", "-shared", "-std=c11", "-ffp-contract=off", "-fwrapv", "-w"]
LIMIT_S = 600  # of CPU time for the tests of one mutant; see limit.py for one test
MEMORY = 6 << 30

# What fails first comes first; every group then runs all of ENGINE that it has not run.
FIRST = {
    "book": [
        "unit/test_book.py",
        "unit/test_desk.py",
        "unit/test_ladder.py",
        "unit/test_checks.py",
    ],
    "ledger": [
        "unit/test_account_ledger.py",
        "unit/test_mechanisms.py",
        "unit/test_waterfall.py",
        "golden",
    ],
    "margin": ["unit/test_margin.py", "unit/test_waterfall.py", "golden"],
    "triggers": ["unit/test_triggers.py", "property/test_triggers_machine.py"],
    "venue": ["unit/test_waterfall.py", "unit/test_agenda_and_queue.py", "golden"],
    "schedules": [
        *("unit/test_schedule.py", "unit/test_levels.py", "unit/test_inverse.py"),
        *("property/test_schedule.py", "property/test_schedules.py"),
    ],
    "stages": [
        *("unit/test_stages.py", "unit/test_stage_corners.py", "unit/test_tranches.py"),
        *("unit/test_expiry.py", "unit/test_interest.py", "unit/test_gates.py"),
        *("unit/test_calls.py", "unit/test_collateral.py", "unit/test_funding.py"),
    ],
    "portfolios": [
        *("unit/test_hedging.py", "unit/test_hedged_orders.py", "unit/test_options.py"),
        *("unit/test_portfolio.py", "unit/test_funds.py", "unit/test_closing_fee.py"),
        *("unit/test_reserve.py", "property/test_portfolios.py"),
    ],
    "safeguards": [
        *("unit/test_brakes.py", "unit/test_feeds.py", "unit/test_slices.py"),
        *("unit/test_surcharges.py", "mechanism"),
    ],
}
ENGINE = [
    *("unit/test_waterfall.py", "unit/test_margin.py", "unit/test_mechanisms.py"),
    *("unit/test_checks.py", "unit/test_book.py", "unit/test_ladder.py", "unit/test_triggers.py"),
    *("unit/test_agenda_and_queue.py", "unit/test_account_ledger.py", "unit/test_admission.py"),
    *("unit/test_between_settlements.py", "unit/test_turned_leg.py", "golden"),
    *("property/test_world_against_twin.py", "property/test_book_machine.py"),
    *("property/test_triggers_machine.py", "unit/test_doors.py", "unit/test_monitor.py"),
    *("unit/test_change.py", "unit/test_state_hash_fields.py", "unit/test_market.py"),
    *("bad_inputs", "unit/test_scenario.py", "unit/test_faces.py", "unit/test_tape.py"),
    *("unit/test_run.py", "unit/test_edges.py", "unit/test_bounds.py", "unit/test_desk.py"),
    *("unit/test_auction.py", "unit/test_book_views.py", "unit/test_book_snapshot.py"),
    *("unit/test_book_ids.py", "property/test_desk_machine.py", "unit/test_flock.py"),
    *("unit/test_tranches.py", "unit/test_gates.py", "unit/test_brakes.py", "unit/test_feeds.py"),
    *("unit/test_funding.py", "unit/test_inverse.py", "unit/test_slices.py", "mechanism"),
    *("unit/test_surcharges.py", "unit/test_interest.py", "unit/test_collateral.py"),
    *("unit/test_adl_ranks.py", "unit/test_interplay.py"),
    *("unit/test_calls.py", "unit/test_expiry.py", "property/test_calls_and_expiries.py"),
    *("property/test_breakers.py", "property/test_invariants.py", "vectors"),
    *("unit/test_schedule.py", "unit/test_levels.py", "property/test_schedule.py"),
    *("property/test_schedules.py", "unit/test_stages.py", "unit/test_stage_corners.py"),
    *("unit/test_quanto.py", "unit/test_stage_keys.py", "property/test_stages.py"),
    *("property/test_roll_back.py", "property/test_collateral_worlds.py"),
    *("unit/test_hedging.py", "unit/test_options.py", "unit/test_portfolio.py"),
    *("unit/test_funds.py", "unit/test_reserve.py", "property/test_hedged_worlds.py"),
]
# What takes long and says nothing of one line.
SLOW = (
    "not K13 and not page_is_of_today and not signal_is_heard and not other_threads"
    " and not several_blocks"
)


def stages(group: str, quick: bool) -> list[list[str]]:
    """Return what is run of the tests, one pytest after another: collecting takes its time."""
    first = FIRST[group]
    rest = [] if quick else [name for name in ENGINE if name not in first]
    half = len(rest) // 2
    return [
        [f"tests/{name}" for name in names] for names in (first, rest[:half], rest[half:]) if names
    ]


def directives() -> list[str]:
    """Return the compiler directives of setup.py as arguments of `cython`."""
    tree = ast.parse((ROOT / "setup.py").read_text("utf-8"))
    (node,) = (
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "DIRECTIVES"
    )
    assert isinstance(node, ast.Dict)
    pairs = {
        ast.literal_eval(key): value.value
        for key, value in zip(node.keys, node.values, strict=True)
        if key is not None and isinstance(value, ast.Constant)
    }
    return [f"-X{name}={value}" for name, value in pairs.items() if name != "embedsignature"]


@cache
def patterned() -> list[str]:
    """Return the flag that gives a local without a value a bad one, where the compiler has it.

    Else a statement left out might find in its place what the call before left on the stack."""
    flag = "-ftrivial-auto-var-init=pattern"
    command = ["cc", flag, "-x", "c", "-fsyntax-only", os.devnull]
    return [] if subprocess.run(command, capture_output=True).returncode else [flag]


def called(text: str, own: str) -> set[str]:
    """Return the C functions that a module's own functions reach, from its C text.

    Cython writes every inline function of a .pxd into all modules that cimport from it, called or
    not. What is no such function, or has the module's `own` mark in its name, counts as its own."""
    pattern = r"^[\w ][^\n;]*?\b(__pyx_\w+)\([^\n]*\) \{\n(.*?)^\}"
    calls = {
        found[1]: set(re.findall(r"\b(__pyx_f_\w+)\(", found[2]))
        for found in re.finditer(pattern, text, re.DOTALL | re.MULTILINE)
    }
    waiting = [name for name in calls if not name.startswith("__pyx_f_") or own in name]
    reached = set(waiting)
    while waiting:
        new = calls.get(waiting.pop(), set()) - reached
        reached |= new
        waiting += new
    return reached


class Copy:
    """A copy of the tree in which one mutant at a time lives."""

    def __init__(self, number: int) -> None:
        self.place = SCRATCH / str(number)
        shutil.rmtree(self.place, ignore_errors=True)
        dirt = shutil.ignore_patterns("__pycache__", ".hypothesis")
        for name in ("src", "tests", "docs"):
            shutil.copytree(ROOT / name, self.place / name, ignore=dirt)
        for name in ("pyproject.toml", "README.md", "setup.py"):
            shutil.copy2(ROOT / name, self.place / name)
        self.called: dict[str, set[str]] = {}  # C functions that a module calls, by source
        for source in sorted((self.place / "src" / "ordercascade").glob("*/*.pyx")):
            name = str(source.relative_to(self.place))
            c = (ROOT / "build" / "cython" / name).with_suffix(".c")
            self.called[name] = called(c.read_text("utf-8"), f"_{len(source.stem)}{source.stem}_")

    def modules_of(self, site: Site) -> list[str]:
        """Return the sources to compile: of an inline function, all that call it."""
        if site.file.endswith(".pyx"):
            return [site.file]
        stem = Path(site.file).stem
        name = f"__pyx_f_12ordercascade_4core_{len(stem)}{stem}_{site.function}"
        return [source for source, names in self.called.items() if name in names]

    def compile(self, sources: list[str]) -> bool:
        """Compile these modules in place at -O0; False if one does not compile."""
        for source in sources:
            c = (self.place / source).with_suffix(".c")
            library = c.with_suffix(SUFFIX)
            cython = [sys.executable, "-m", "cython", "-3", "-Isrc", *directives(), source]
            gcc = [
                "cc",
                *FLAGS,
                *patterned(),
                "-DNDEBUG",
                f"-I{INCLUDE}",
                str(c),
                "-o",
                str(library),
            ]
            for command in (cython, gcc):
                done = subprocess.run(command, cwd=self.place, capture_output=True)
                if done.returncode:
                    return False
        return True

    def test(self, names: list[str]) -> str:
        """Run the tests until one fails; return that one's name, empty if all pass."""
        running = self.place / "running"  # limit.py writes down here what it starts
        running.unlink(missing_ok=True)
        env = {
            **os.environ,
            "CI": "true",
            "PYTHONPATH": "src:.:tests",
            "ORDERCASCADE_HAND": str(SCRATCH / "hand"),  # tests/unit/conftest.py: compiled once
            "PYTHONDONTWRITEBYTECODE": "",  # a hundred starts: the second is quicker
            "ORDERCASCADE_SHARED": os.environ.get(
                "ORDERCASCADE_SHARED", str(ROOT.parent / "shared")
            ),
        }
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
        command += ["--tb=no", "-o", "addopts=--import-mode=importlib"]
        command += ["-p", "mutants.limit", "-k", SLOW, *names]
        done = subprocess.run(
            command, cwd=self.place, env=env, capture_output=True, text=True, preexec_fn=bounds
        )
        if done.returncode == 0:
            return ""
        found = re.search(r"^(?:FAILED|ERROR) (.*?)(?: - .*)?$", done.stdout, re.MULTILINE)
        if found:
            return found[1]
        return running.read_text("utf-8") if running.exists() else names[0]

    def judge(self, site: Site, quick: bool) -> dict[str, Any]:
        """Make the mutant, compile, test, and undo it."""
        start = time.monotonic()
        file = self.place / site.file
        sources = self.modules_of(site)
        libraries = [
            file
            for source in sources
            for file in (self.place / source).parent.glob(Path(source).stem + ".*.so")
        ]
        kept = [(library, library.read_bytes()) for library in libraries]
        plain = file.read_text("utf-8")
        file.write_text(mutated(site, plain), "utf-8")
        try:
            compiled = self.compile(sources)
            names = stages(site.group, quick) if compiled else []
            by = next(filter(None, map(self.test, names)), "")
            verdict = ("killed" if by else "survived") if compiled else "uncompilable"
        finally:
            file.write_text(plain, "utf-8")
            for library, content in kept:
                library.unlink(missing_ok=True)  # A new file: the old one may be mapped.
                library.write_bytes(content)
        seconds = round(time.monotonic() - start, 1)
        row = {"key": site.key, "verdict": verdict, "by": by, "seconds": seconds}
        return {**row, "text": site.text}


def bounds() -> None:
    """Bound a test process: a mutant may loop or grow for ever."""
    resource.setrlimit(resource.RLIMIT_CPU, (LIMIT_S, LIMIT_S))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def results(sites: list[Site]) -> dict[str, dict[str, Any]]:
    """Return the latest result of each mutant whose function is still as it was then."""
    if not RESULTS.exists():
        return {}
    rows = [json.loads(line) for line in RESULTS.read_text("utf-8").splitlines()]
    now = {site.key: site.text for site in sites}
    return {row["key"]: row for row in rows if row["text"] == now.get(row["key"])}


def reasons() -> dict[str, str]:
    """Return why a survivor may survive, by key."""
    table = tomllib.loads(REASONS.read_text("utf-8")) if REASONS.exists() else {}
    return {row["key"]: row["reason"] for row in table.get("survivor", [])}


def run(sites: list[Site], workers: int, quick: bool) -> list[dict[str, Any]]:
    """Judge the mutants, each worker in its own copy; write every result down at once."""
    waiting: queue.SimpleQueue[Site] = queue.SimpleQueue()
    for site in sites:
        waiting.put(site)
    rows: list[dict[str, Any]] = []
    lock = threading.Lock()

    def work(number: int) -> None:
        copy = Copy(number)
        while not waiting.empty():
            try:
                site = waiting.get_nowait()
            except queue.Empty:
                return
            row = copy.judge(site, quick)
            with lock, RESULTS.open("a", encoding="utf-8") as out:
                rows.append(row)
                out.write(json.dumps(row) + "\n")
                where = f"{Path(site.file).name}:{site.line}"
                print(f"{row['verdict']:9} {row['seconds']:6.1f} s  {where:18} {site.before}"
                      f"  ->  {site.after}  {row['by']}", flush=True)  # fmt: skip

    shutil.rmtree(SCRATCH / "hand", ignore_errors=True)
    SCRATCH.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(workers) as pool:
        for done in [pool.submit(work, number) for number in range(workers)]:
            done.result()
    judged = rows if quick else [*results(sites).values(), *rows]
    killers = sorted({row["by"] for row in judged} - {""})
    if killers and (failed := Copy(0).test(killers)):
        lines = RESULTS.read_text("utf-8").splitlines(keepends=True)
        RESULTS.write_text("".join(x for x in lines if json.loads(x)["by"] != failed), "utf-8")
        raise SystemExit(f"this fails without a mutant, too: {failed}")
    return rows


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="mutants", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--workers", type=int, default=1)
    one = parser.add_mutually_exclusive_group()
    one.add_argument("--first", type=int, help="only the first N without a reason, afresh")
    one.add_argument("--again", help="only survivors whose key contains this, afresh")
    one.add_argument("--list", action="store_true", help="only say which mutants are chosen")
    one.add_argument("--report", action="store_true", help="only write SURVIVORS.md")
    return parser.parse_args()


def selected(ask: argparse.Namespace, chosen: list[Site]) -> list[Site]:
    """Return the mutants to judge now."""
    known, excused = results(chosen), reasons()
    if ask.first:
        return [site for site in chosen if site.key not in excused][: ask.first]
    if ask.again is None:
        # Those with a reason come last: a survivor takes all tests.
        todo = [site for site in chosen if site.key not in known]
        return sorted(todo, key=lambda site: site.key in excused)
    survived = {key for key, row in known.items() if row["verdict"] == "survived"}
    return [site for site in chosen if site.key in survived and ask.again in site.key]


def main() -> int:
    """Run what the command line asks for; 1 if a mutant without a reason survived."""
    ask = arguments()
    sites = all_sites()
    rows: list[dict[str, Any]] = []
    while True:
        # One that does not compile is no mutant: the next one takes its place.
        dead = {key for key, row in results(sites).items() if row["verdict"] == "uncompilable"}
        chosen = choose([site for site in sites if site.key not in dead], ask.seed, ask.count)
        todo = [] if ask.list or ask.report else selected(ask, chosen)
        rows += run(todo, ask.workers, bool(ask.first))
        if not todo or ask.first or ask.again is not None:
            break
    if ask.list:
        for site in chosen:
            print(site.group, site.kind, f"{site.file}:{site.line}", site.before, "->", site.after)
        return 0
    known, excused = ({row["key"]: row for row in rows} if ask.first else results(sites)), reasons()
    alive = {key for key, row in known.items() if row["verdict"] == "survived"}
    left = [site.key for site in chosen if site.key in alive - set(excused)]
    dead = [key for key in excused if key in known and key not in alive]
    print(f"mutants: {len(rows)} judged; {len(left)} survived without a reason", *left, sep="\n  ")
    if dead:
        print("killed, so that their reasons can go:", *dead, sep="\n  ")
    if not ask.first:
        write_report(ask.seed, len(sites), chosen, known, excused)
    return bool(left or dead)


if __name__ == "__main__":
    sys.exit(main())
