"""Line coverage of the compiled core: `make coverage`.

Builds the trace flavour beside the release, runs the core's tests under coverage.py and prints a
table by file. Only lines inside functions count: imports and definitions run by being imported.
LEAST per cent must be covered; the rest is listed in tests/UNCOVERED.md, which this writes, with
the reason that tests/uncovered.toml gives. A line that stands there must not be reached.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections import defaultdict
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
LIBRARY = BUILD / "trace-lib"
DATA = (BUILD / "coverage-trace-1", BUILD / "coverage-trace-2")
EXCUSES = ROOT / "tests" / "uncovered.toml"
PAGE = ROOT / "tests" / "UNCOVERED.md"
LEAST = 95.0

# What exercises the core. Not here: what starts processes, draws pictures or reads files, and
# what is slow when traced and reaches no other line.
TESTS = [
    *(f"bad_inputs/test_{name}.py" for name in (
        "a_scalars b_orders c_arrays d_config e_accounts f_time g_plugins g_views"
    ).split()),
    "golden",
    "mechanism",
    "property/test_book_machine.py",
    "property/test_breakers.py",
    "property/test_collateral_worlds.py",
    "property/test_interest.py",
    "property/test_calls_and_expiries.py",
    "property/test_desk_machine.py",
    "property/test_portfolios.py",
    "property/test_hedged_worlds.py",
    "property/test_roll_back.py",
    "property/test_schedule.py",
    "property/test_surcharges.py",
    "property/test_triggers_machine.py",
    "property/test_world_against_twin.py",
    "vectors",
    *(f"unit/test_{name}.py" for name in (
        "account_ledger adl_ranks admission agenda_and_queue ahead_keys auction"
        " backed_stages closing_fee funds fund_words"
        " between_settlements book book_ids book_snapshot book_views bounds brakes calls"
        " change checks collateral desk doors edges events expiry faces feeds flock funding"
        " gates hedged_doors hedged_orders hedging interplay inverse ladder leg_rules levels margin"
        " interplay_of_legs_and_grids"
        " mechanisms monitor options populate populations portfolio portfolio_words quanto reserve"
        " run scalar scenario schedule slices stage_corners stages state_hash_fields tape tape_file"
        " plugged tranches surcharges interest triggers turned_leg waterfall wind_up"
        " beta_collateral concentration relief"
    ).split()),
]  # fmt: skip
# What is slow when traced and reaches no other line; all of it runs in `make test`.
SLOW = "not " + " and not ".join((
    *("A11_a_level_never", "other_threads", "TestLogAgainstLists", "several_blocks"),
    *("C15_an_array", "signal_is_heard", "contagion_goes", "tenth_of_the_depth"),
    *("nobody_is_liquidatable", "any_frame_in_any_order", "a_real_cascade"),
    *("fill_no_level", "reaches_nobody", "draws_no_market", "the_twin_runs_a_population"),
    *("uniform_ladder_falls", "another_seed_draws", "every_safeguard_can_be_run"),
    *("G06_views_of_a_tape",),
))  # fmt: skip

Lines = dict[str, set[int]]


def build() -> None:
    """Build the trace flavour into build/trace-lib; src/ keeps its libraries."""
    subprocess.run(
        [sys.executable, "setup.py", "-q", "build", "--build-lib", str(LIBRARY)],
        cwd=ROOT,
        env={**os.environ, "ORDERCASCADE_BUILD": "trace"},
        check=True,
        stdout=subprocess.DEVNULL,
    )


def trace(tests: list[str]) -> int:
    """Run the tests under coverage.py, a half in each of two processes; a bad exit status, or 0."""
    path = os.pathsep.join([str(LIBRARY), *(str(ROOT / name) for name in ("", "tests", ".ci"))])
    env = {**os.environ, "CI": "true", "COVERAGE_CORE": "ctrace", "PYTHONPATH": path}
    command = [sys.executable, __file__, "--inside"]
    running = [
        subprocess.Popen([*command, str(data), *tests[half::2]], cwd=ROOT, env=env)
        for half, data in enumerate(DATA)
    ]
    return max(abs(process.wait()) for process in running)


def inside(data: str, tests: list[str]) -> int:
    """What trace() runs: every extension is imported before the first line is recorded.

    Importing a module runs lines of its .pxd files under the name of the .pyx."""
    import pytest
    from coverage import Coverage

    for source in sorted((ROOT / "src" / "ordercascade").glob("*/*.pyx")):
        import_module(".".join(source.relative_to(ROOT / "src").with_suffix("").parts))
    measured = Coverage(data_file=data, config_file=False, include=["*/src/ordercascade/*/*.p??"])
    measured.set_option("run:plugins", ["lines"])
    measured.erase()
    measured.start()
    status = pytest.main(["-q", "-p", "no:cacheprovider", "--durations=25", "-k", SLOW, *tests])
    measured.stop()
    measured.save()
    return int(status)


def executable() -> Lines:
    """Return the lines inside functions that Cython traces, by file.

    A .pxd's inline functions are traced in every module that uses them: the lines add up."""
    found: Lines = defaultdict(set)
    for c in sorted((BUILD / "cython-trace").rglob("*.c")):
        text = c.read_text("utf-8")
        # From here on it is the module's own body, then Cython's utilities.
        text = text[: text.rindex("static CYTHON_SMALL_CODE int __pyx_pymod_exec_")]
        names = re.search(r"__pyx_f\[\] = \{(.*?)\};", text, re.DOTALL)
        if names is None:
            raise SystemExit(f"{c} names no source files: was it made by the trace flavour?")
        files = re.findall(r'"([^"]*)"', names[1])
        traced = re.findall(r"__Pyx_TraceLine\((\d+),[^\n]*?__PYX_ERR\((\d+),", text)
        for number, file in traced:
            found[files[int(file)]].add(int(number))
    return found


def reached() -> Lines:
    """Return the lines that the tests reached, by file."""
    from coverage import CoverageData

    found: Lines = defaultdict(set)
    for place in DATA:
        data = CoverageData(str(place))
        data.read()
        for file in data.measured_files():
            found[str(Path(file).relative_to(ROOT))] |= set(data.lines(file) or ())
    return found


def excuses() -> dict[tuple[str, str], str]:
    """Return why a line may stay uncovered, by file and text."""
    table = tomllib.loads(EXCUSES.read_text("utf-8"))
    found = {}
    for row in table["excuse"]:
        for text in row["lines"]:
            for file in [row["file"]] if "file" in row else row["files"]:
                found[file, text] = row["reason"]
    return found


def judge(lines: Lines, hit: Lines, excused: dict[tuple[str, str], str]) -> bool:
    """Print the table, write the page; whether enough is reached and no excuse is stale."""
    used: set[tuple[str, str]] = set()
    table, listed = [], []
    total = missed = bare = 0
    for file in sorted(lines):
        text = (ROOT / file).read_text("utf-8").splitlines()
        missing = sorted(lines[file] - hit.get(file, set()))
        total += len(lines[file])
        missed += len(missing)
        share = 100 * (1 - len(missing) / len(lines[file]))
        short = file.removeprefix("src/ordercascade/")
        table.append(f"| {short} | {len(lines[file])} | {len(missing)} | {share:.1f} % |")
        print(f"{short:30} {len(lines[file]):6} {len(missing):7} {share:8.1f} %")
        for number in missing:
            line = text[number - 1].strip()
            key = next((k for k in ((short, line), (short, "*")) if k in excused), None)
            used |= {key} if key else set()
            bare += key is None
            reason = excused[key] if key else "not tested yet"
            listed.append(f"| {short} | `{line.replace('|', chr(92) + '|')}` | {reason} |")
    covered = 100 * (1 - missed / total)
    said = f"{covered:.1f} % of {total:,} lines are reached; {bare} of {missed} have no reason yet"
    print(said)
    PAGE.write_text(
        "# Lines of the core that no traced test reaches\n\n"
        f"Written by `make coverage`: {said}.\n\n"
        "| file | lines | missed | covered |\n|---|---|---|---|\n"
        + "\n".join(table)
        + "\n\n| file | line | why |\n|---|---|---|\n"
        + "\n".join(listed)
        + "\n",
        "utf-8",
    )
    stale = [f"  {file}: {text}" for file, text in sorted(set(excused) - used)]
    if stale:
        print(f"\nlisted in {EXCUSES.name}, but covered or gone:", *stale, sep="\n")
    if covered < LEAST:
        print(f"\nat least {LEAST:.0f} % must be reached")
    return not stale and covered >= LEAST


def main() -> int:
    """Build, run, judge; 1 if something is wrong."""
    if sys.argv[1:2] == ["--inside"]:
        return inside(sys.argv[2], sys.argv[3:])
    build()
    status = trace([f"tests/{name}" for name in TESTS])
    return int(not judge(executable(), reached(), excuses()) or status != 0)


if __name__ == "__main__":
    sys.exit(main())
