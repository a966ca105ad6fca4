"""20,000 random cascades of the law of cascade sizes, in the engine, on all cores and on one.

python bench/bench_law.py [--runs N] [--figure PATH]
"""

from __future__ import annotations

import argparse
import os
import time

from law import CONTAINED, Case, bias_picture, law, sizes

CASES = (Case(0.3, 2.0), Case(0.5, 1.0), Case(0.8, 1.0), Case(1.2, 1.0))


def main() -> None:
    """Print the figures; with --figure draw the bias of the finite tick."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20_000)
    parser.add_argument("--figure")
    arguments = parser.parse_args()
    cores = os.cpu_count() or 1
    print(f"{arguments.runs:,} runs, {cores} processes; wall time")
    print(f"{'R':>4} {'a':>4} {'mean':>8} {'law':>8} {'P(0)':>8} {'law':>8} {'seconds':>8}")
    for case in CASES:
        started = time.perf_counter()
        found = sizes(case, arguments.runs, cores)
        spent = time.perf_counter() - started
        mean = f"{found.mean():8.4f} {case.a / (1 - case.r):8.4f}"
        if case.r > 1:
            mean = f"{(found >= 0).mean():8.4f} contained below {CONTAINED}"
        none = f"{(found == 0).mean():8.4f} {law(case, 0):8.4f}"
        print(f"{case.r:4} {case.a:4} {mean} {none} {spent:8.2f}")
    if arguments.figure:
        bias_picture(arguments.figure)


if __name__ == "__main__":
    main()
