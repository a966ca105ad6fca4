"""What `import ordercascade` costs over `import numpy, msgspec`.

User and system CPU time of fresh interpreters, minimum of N.
`python bench/bench_import.py [--json] [--repeat N]`.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys

LINES = {
    "import numpy, msgspec": "import numpy, msgspec",
    "... and ordercascade": "import numpy, msgspec, ordercascade",
    "... and its OrderBook and World": (
        "import numpy, msgspec, ordercascade; ordercascade.OrderBook; ordercascade.World"
    ),
}


def seconds(code: str, repeat: int) -> float:
    """CPU seconds of the cheapest of `repeat` interpreters that run `code`."""
    best = float("inf")
    for _ in range(repeat):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", code], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
        best = min(best, spent)
    return best


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--repeat", type=int, default=10)
    chosen = parser.parse_args()
    rows = {name: seconds(code, chosen.repeat) for name, code in LINES.items()}
    if chosen.json:
        print(json.dumps(rows, indent=1))
        return 0
    floor = rows["import numpy, msgspec"]
    for name, cost in rows.items():
        print(f"{cost * 1e3:8.1f} ms  {(cost - floor) * 1e3:+6.1f} ms  {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
