"""The crash: 10^5 accounts, 8 * 10^4 liquidations through the book, tape on; beside lrvx.

Thread CPU time, minimum of N. `python bench/bench_cascade.py [--json] [--repeat N] [--accounts N]`.
`--large`: 10^6 accounts and 10^5 levels instead, and how much memory the process has held.
lrvx (pip install lrvx) walks the same accounts down the same path of marks; it has no book and no
tape. Where it is not installed the line says so.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from typing import Any

from crash import BRACKETS, MULTIPLIER, PRICE, build, draw_accounts
from ordercascade.core.world import World
from ordercascade.enums import MarkRefresh, QueueOrder


def ours(accounts: int, repeat: int, refresh: MarkRefresh, **large: int) -> dict[str, Any]:
    """Seconds of the run alone, and of build, with what the run did."""
    best = build_best = float("inf")
    world: World | None = None
    for _ in range(repeat):
        start = time.thread_time()
        world = None  # Its memory goes first: the next may have it.
        world = build(accounts, mark_refresh=refresh, queue=QueueOrder.TRIGGER_PRICE, **large)
        built = time.thread_time()
        world.run()
        best = min(best, time.thread_time() - built)
        build_best = min(build_best, built - start)
    assert world is not None
    log = world.log
    scopes = log.column("liquidations", "scope")
    return {
        "line": f"crash, mark_refresh={refresh.name.lower()}",
        "seconds": best,
        "build_s": build_best,
        "liquidated": len(set(scopes.tolist())),
        "orders": len(scopes),
        "fills": log.rows("fills"),
        "adl": log.rows("adl"),
        "steps": world.steps,
        "rounds": int(log.column("steps", "round").max()) + 1,
        "us_an_order": best / max(1, len(scopes)) * 1e6,
        "marks": log.column("marks", "mark").tolist(),
        "stop": world.stop.name.lower(),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def rival(accounts: int, repeat: int, marks: list[int]) -> dict[str, Any]:
    """The same accounts in lrvx, its marks set along the path that our run produced."""
    try:
        import lrvx
    except ImportError:
        return {"line": "lrvx", "missing": "not installed: pip install lrvx"}
    path = sorted(set(marks), reverse=True)
    best, count = float("inf"), 0
    for _ in range(repeat):
        engine = lrvx.LiquidationEngine.binance_um_futures()
        engine.set_mark_impact_model("none")
        engine.set_insurance_fund_capital(1e12)
        for number, (size, entry, money) in enumerate(draw_accounts(accounts)):
            engine.open_position(number + 1, 1, float(size), float(entry), money / MULTIPLIER)
        start = time.thread_time()
        for mark in path:
            engine.on_mark(1, float(mark))
        best = min(best, time.thread_time() - start)
        count = engine.liquidations_count()
    return {
        "line": "lrvx: same accounts, same path of marks, no book, no tape",
        "seconds": best,
        "liquidated": count,
        "ticks": len(path),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--accounts", type=int, default=100_000)
    parser.add_argument("--large", action="store_true")
    chosen = parser.parse_args()
    large = {"levels": 100_000, "finer": 10} if chosen.large else {}
    accounts = 1_000_000 if chosen.large else chosen.accounts
    rows = [ours(accounts, chosen.repeat, refresh, **large) for refresh in MarkRefresh]
    marks = rows[0]["marks"]
    for row in rows:
        del row["marks"]
    if not chosen.large:
        rows.append(rival(accounts, 1, marks))
    if chosen.json:
        print(json.dumps({"accounts": accounts, "rows": rows}, indent=1))
        return 0
    print(f"{accounts} accounts, price {PRICE}, brackets {BRACKETS}; thread CPU seconds")
    for row in rows:
        print(
            "  ".join(
                f"{k}={v:.3f}" if isinstance(v, float) else f"{k}={v}" for k, v in row.items()
            )
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
