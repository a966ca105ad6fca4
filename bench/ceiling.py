"""The C ceiling of the shared folder's recipe: compiled, fed and timed; its workloads A, B and D.

The recipe lies in $ORDERCASCADE_SHARED, else ../shared; without it, or without g++, there is none.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

CLONE = Path(__file__).resolve().parent.parent
RECIPE = Path(os.environ.get("ORDERCASCADE_SHARED", CLONE.parent / "shared"), "recipes/book_bench")
# The project's are those of its matching kernel.
FLAGS = {"recipe": ["-O3", "-march=native"], "project": ["-O3", "-g0"]}
WORKLOADS = {
    "A": ["A", "2000000", "A", "42"],
    "B": ["B", "B", "42"],
    "D": ["A", "3000000", "D", "43", "100000"],
}
IDS = {2: "ids in a dense table", 3: "told the slot", 4: "64-bit ids, hashed"}
RECORD_BYTES = 16
State = dict[str, int]


def missing() -> str:
    """Return why there is no ceiling, or an empty text."""
    if not RECIPE.is_dir():
        return f"no ceiling: {RECIPE} is missing (set ORDERCASCADE_SHARED)"
    return "" if shutil.which("g++") else "no ceiling: g++ is missing (apt install g++)"


def compiled(folder: Path, variants: tuple[int, ...]) -> dict[str, Path]:
    """Compile the ceilings; return them by name."""
    found = {}
    for variant in variants:
        for name, flags in FLAGS.items():
            program = folder / f"ceiling-{variant}-{name}"
            source = str(RECIPE / "ceiling.cpp")
            order = ["g++", *flags, f"-DV={variant}", source, "-o", str(program)]
            subprocess.run(order, check=True)
            found[f"C ceiling V={variant} ({IDS[variant]}), {name} flags ({' '.join(flags)})"] = (
                program
            )
    return found


def workload(folder: Path, name: str) -> Path:
    """Write the recipe's records of a workload, and beside them what they end in; return them.

    What lies there already is taken as it is: the recipe's generator needs six minutes for D.
    """
    if (folder / f"{name}.bin").exists():
        return folder / f"{name}.bin"
    program = folder / "gen"
    if not program.exists():
        source = str(RECIPE / "gen.cpp")
        subprocess.run(["g++", "-O2", "-std=c++17", source, "-o", str(program)], check=True)
    subprocess.run([str(program), *WORKLOADS[name]], cwd=folder, check=True)
    return folder / f"{name}.bin"


def seconds(program: Path, records: Path, repeat: int, names: list[str]) -> tuple[float, State]:
    """Return the best seconds of a pass and the named numbers of its end."""
    order = [str(program), str(records), "thr", str(repeat)]
    done = subprocess.run(order, cwd=program.parent, capture_output=True, text=True, check=True)
    best = re.search(r" max=([\d.]+) ", done.stdout)
    said = {name: re.search(rf"{name}=(-?\d+)", done.stdout) for name in names}
    if best is None:
        raise SystemExit(f"the ceiling said something new: {done.stdout}")
    count = records.stat().st_size // RECORD_BYTES
    return count / float(best[1]) / 1e6, {k: int(v[1]) if v else -2 for k, v in said.items()}


def ns_a_fill(program: Path, records: Path, repeat: int) -> float:
    """Return the best nanoseconds a fill of the sells of workload B."""
    order = [str(program), str(records), "cas", str(repeat)]
    done = subprocess.run(order, cwd=program.parent, capture_output=True, text=True, check=True)
    best = re.search(r"BEST .* ([\d.]+) ns/fill", done.stdout)
    if best is None:
        raise SystemExit(f"the ceiling said something new: {done.stdout}")
    return float(best[1])
