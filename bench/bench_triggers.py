"""A million accounts under live marks: the workload of spec/TRIGGERS.md.

    python bench/bench_triggers.py [--scopes N ...] [--repeat N]

Scopes with 1 to 5 positions over five correlated markets (isolated: one position each), leverage
2 to 50 with median 8, 70 % long, 3 to 10 brackets a market, reached by the larger positions; a tick
is about a basis point, a step moves all five marks. Thread CPU time, minimum of N.

Beside it, in the same run: a NumPy full scan; for isolated scopes lrvx (pip install lrvx, in an
environment of its own) over the same accounts, where it is not installed the line says so; and what
a cache line of 64 MB, read in random order, costs here and now.
"""

from __future__ import annotations

import argparse
import math
import resource
import time
from typing import Any

import numpy as np
import numpy.typing as npt

from ordercascade.core.laws import Crowd, Law, LawKind, Terms
from ordercascade.core.monitor import Monitor
from ordercascade.core.populate import draw
from ordercascade.core.world import World

Int64 = npt.NDArray[np.int64]
MARKS = [10_000, 12_000, 9_000, 15_000, 11_000]  # a tick is about 1 bp
PRICE_MAX, SIZE_MAX = 2**17, 2**30
CORRELATION = 0.6
STEPS = 2_000
RIVAL_MAX = 10**5  # lrvx was not done with 10^6 accounts after three minutes
FALL = 50  # steps in which lrvx goes down the crash
NAMED = {
    "quiet": 5e-9,
    "set_mark": 0.5e-6,
    "walk": 2e-6,
    "evaluation": 200e-9,
    "found": 1.5e-6,
    "build": 250e-9,
    "bytes": 130.0,
    "gap": 50e-3,
    "fill": 0.7e-6,
    "isolated": 80e-9,
}


def brackets(count: int) -> list[tuple[int, int, int, int]]:
    """Return continuous brackets: rates from 0.4 % up, floors doubling from 2 * 10^5 units."""
    rows = [(0, 4_000, 0, 20_000)]
    for k in range(1, count):
        floor, rate = 10**5 << k, 4_000 + 2_500 * k
        amount = rows[-1][2] + floor * (rate - rows[-1][1]) // 10**6
        rows.append((floor, rate, amount, 2 * rate + 12_000))
    return rows


def populated(scopes: int, *, cross: bool) -> Any:
    """Return a started world with so many scopes."""
    markets = 5 if cross else 1
    world = World()
    venue = world.venue(world.add_venue())
    rules = [brackets(count) for count in (3, 5, 7, 8, 10)][:markets]
    for k in range(markets):
        venue.add_market(
            0, 1, price_max=PRICE_MAX, size_max=SIZE_MAX, brackets=rules[k], last=MARKS[k]
        )
    terms = [Terms(MARKS[k], 1, PRICE_MAX, SIZE_MAX, rules[k]) for k in range(markets)]
    crowd = Crowd(
        accounts=scopes,
        long_share=0.7,
        cross_share=1.0 if cross else 0.0,
        leverage=Law(LawKind.LOGNORMAL, 8.0, 0.7, 2.0, 50.0),
        size=Law(LawKind.LOGNORMAL, 3e5, 1.0, 1e4, 4e6),
        size_is_value=True,
        entry=Law(LawKind.NORMAL, 1.0, 0.01),
        entry_in_ticks=False,
        held=(0.6,) * markets,
    )
    drawn = draw(crowd, terms, 7, "triggers")
    venue.open_accounts(drawn.deposits, drawn.openings)
    started = time.thread_time()
    world.start()
    return world, drawn, time.thread_time() - started


def walk(rows: int, markets: int, sigma: float, seed: int = 3) -> Int64:
    """Return correlated random walks of the marks, sigma (in ticks of 1 bp) a step."""
    rng = np.random.default_rng(seed)
    common = rng.standard_normal((rows, 1))
    own = rng.standard_normal((rows, markets))
    moves = math.sqrt(CORRELATION) * common + math.sqrt(1 - CORRELATION) * own
    start = np.array(MARKS[:markets], dtype=np.float64)
    return np.maximum(1, np.rint(start * (1 + 1e-4 * sigma * np.cumsum(moves, axis=0)))).astype(
        np.int64
    )


class Scan:
    """The NumPy full scan: equity and maintenance of every scope at every step, vectorised."""

    def __init__(self, drawn: Any, markets: int, rules: list[Any]) -> None:
        rows = drawn.openings
        self.size = np.zeros((markets, len(drawn.deposits)), dtype=np.int64)
        cost = np.zeros(len(drawn.deposits), dtype=np.int64)
        self.size[rows["market"], rows["account"]] = rows["size"]
        np.add.at(cost, rows["account"], rows["cost"])
        np.add.at(cost, rows["account"], -rows["collateral"])
        self.fixed = drawn.deposits - cost
        self.rules = [np.array(rule, dtype=np.int64) for rule in rules]

    def at_risk(self, marks: Int64) -> Int64:
        """Return the accounts below maintenance."""
        slack = self.fixed.copy()
        for k, size in enumerate(self.size):
            value = size * marks[k]
            slack += value
            absolute = np.abs(value)
            row = np.searchsorted(self.rules[k][:, 0], absolute, side="right") - 1
            rate, amount = self.rules[k][row, 1], self.rules[k][row, 2]
            slack -= np.maximum(0, -(-absolute * rate // 10**6) - amount)
        return np.flatnonzero(slack < 0)


def best(repeat: int, work: Any) -> float:
    """Return the least CPU seconds of several runs of `work`."""
    spent = []
    for _ in range(repeat):
        started = time.thread_time()
        work()
        spent.append(time.thread_time() - started)
    return min(spent)


def resident() -> int:
    """Return the bytes of this process that are in memory."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def line(name: str, value: float, unit: float, label: str, named: str = "") -> None:
    """Print a figure with the named one beside it."""
    target = NAMED.get(named)
    shown = "" if target is None else f"   named {target / unit:g}"
    print(f"    {name:34} {value / unit:10.2f} {label}{shown}")


def report(scopes: int, repeat: int, *, cross: bool) -> None:
    """Print the figures of one size."""
    markets = 5 if cross else 1
    world, drawn, _ = populated(scopes, cross=cross)
    built = min([populated(scopes, cross=cross)[2] for _ in range(1 if scopes > 10**5 else repeat)])
    venue = world.venue(0)
    kind = "cross" if cross else "isolated"
    print(f"\n{scopes:,} {kind} scopes, {len(drawn.openings):,} positions")
    line("build: start(), a scope", built / scopes, 1e-9, "ns", "build")
    line("bytes of the index, a scope", Monitor(venue).memory / scopes, 1.0, "B", "bytes")
    before = resident()
    monitor = Monitor(venue)
    line("bytes of the whole monitor, a scope", (resident() - before) / scopes, 1.0, "B")

    still = np.tile(np.array(MARKS[:markets], dtype=np.int64), (100_000, 1))
    quiet = best(repeat, lambda: monitor.follow(still)) / len(still) / markets
    line("quiet mark, in the loop", quiet, 1e-9, "ns", "quiet")

    def touch_nobody() -> None:
        set_mark, mark = monitor.set_mark, MARKS[0]
        for _ in range(100_000):
            set_mark(0, mark)

    line("quiet set_mark() from Python", best(repeat, touch_nobody) / 1e5, 1e-6, "us", "set_mark")

    for sigma in (1.0, 4.0):
        steps(venue, walk(STEPS, markets, sigma), repeat, f"walk, sigma {sigma:g}", cross=cross)
    falling = np.array(MARKS[:markets]) * (1 - 1e-4 * np.arange(1, 1_001))[:, None]
    crash = np.rint(falling).astype(np.int64)
    steps(venue, crash, repeat, "crash of 10 %", cross=cross)

    gap = np.array([[mark * 95 // 100 for mark in MARKS[:markets]]])
    spent = []
    for _ in range(repeat):
        monitor = Monitor(venue)
        started = time.thread_time()
        found = int(monitor.follow(gap).sum())
        spent.append(time.thread_time() - started)
    line(f"gap of -5 % in all: {found:,} found", min(spent), 1e-3, "ms", "gap")

    scan = Scan(drawn, markets, [brackets(count) for count in (3, 5, 7, 8, 10)][:markets])
    full = best(repeat, lambda: scan.at_risk(gap[0]))
    line("NumPy full scan, a step", full, 1e-6, "us")
    agree = len(scan.at_risk(gap[0])) == found
    print(f"    the scan finds {'the same' if agree else 'OTHER'} scopes after the gap")
    fills(venue, scopes, repeat)
    if not cross and scopes <= RIVAL_MAX:
        rival(drawn, crash, repeat)


def steps(venue: Any, path: Int64, repeat: int, name: str, *, cross: bool) -> None:
    """Follow a path of marks: the time of a step, an evaluation, a scope found."""
    spent, seen, found, armed = [], 0, 0, 0
    for _ in range(repeat):
        monitor = Monitor(venue)
        started = time.thread_time()
        found = int(monitor.follow(path).sum())
        spent.append(time.thread_time() - started)
        seen, armed = monitor.evaluations, monitor.armings
    count = len(path)
    storm = name.startswith("crash")
    walks = "walk" if cross and not storm else ""
    print(f"  {name}: {count:,} steps, {seen:,} evaluations, {armed:,} re-arms, {found:,} found")
    line("a step", min(spent) / count, 1e-6, "us", walks)
    line("an evaluation", min(spent) / max(1, seen), 1e-9, "ns", "evaluation" if storm else "")
    named = ("found" if cross else "isolated") if storm else ""
    line("a scope found", min(spent) / max(1, found), 1e-6, "us", named)


def memory_line(repeat: int, rows: int = 2**20) -> float:
    """Return the seconds that a cache line of 64 MB costs, read in random order by NumPy."""
    order = np.random.default_rng(9).permutation(rows)[: rows // 4]
    lines = np.zeros((rows, 8), dtype=np.int64)
    lines += 1  # Touched: a page of zeros is one page.
    column = lines[:, 0]
    return best(repeat, lambda: column[order].sum()) / len(order)


def rival(drawn: Any, crash: Int64, repeat: int) -> None:
    """Walk the same isolated accounts through lrvx: quiet ticks, then the crash."""
    try:
        import lrvx
    except ImportError:
        print("    lrvx is not installed: pip install lrvx")
        return
    engine = lrvx.LiquidationEngine.binance_um_futures()
    engine.set_mark_impact_model("none")
    engine.set_insurance_fund_capital(1e12)
    for row in drawn.openings.tolist():
        account, _, size, cost, collateral, _ = row
        engine.open_position(account + 1, 1, float(size), cost / size, float(collateral))
    mark = float(MARKS[0])
    quiet = best(repeat, lambda: engine.on_mark(1, mark))
    started = time.thread_time()
    for tick in crash[:: len(crash) // FALL, 0].tolist():
        engine.on_mark(1, float(tick))
    spent = (time.thread_time() - started) / FALL
    line("lrvx, a quiet tick", quiet, 1e-6, "us")
    line("  an account a tick", quiet / len(drawn.openings), 1e-9, "ns")
    line(f"lrvx, a step of the crash ({engine.liquidations_count():,} found)", spent, 1e-6, "us")


def fills(venue: Any, scopes: int, repeat: int) -> None:
    """Time a fill and the re-arming of its scope, scopes in random order."""
    rng = np.random.default_rng(5)
    monitor = Monitor(venue)
    first = venue.holders - scopes
    chosen = (first + rng.permutation(scopes)[: min(scopes, 100_000)]).tolist()
    market = [venue_market(venue, scope) for scope in chosen]
    orders = list(zip(chosen, market, strict=True))

    def trade() -> None:
        fill = monitor.fill
        for scope, where in orders:
            fill(scope, where, 1, MARKS[where])

    def nothing() -> None:
        for scope, where in orders:
            divmod(scope, MARKS[where])

    spent = (best(repeat, trade) - best(repeat, nothing)) / len(orders)
    line("fill and re-arm, cold, from Python", spent, 1e-6, "us", "fill")


def venue_market(venue: Any, scope: int) -> int:
    """Return a market in which the scope has a position."""
    return next(m for m in range(venue.market_count) if venue.position(scope, m)[0])


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scopes", type=int, nargs="*", default=[10**4, 10**5, 10**6])
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    lines = memory_line(arguments.repeat)
    print(f"a cache line of 64 MB in random order: {lines * 1e9:.1f} ns")
    for scopes in arguments.scopes:
        for cross in (True, False):
            report(scopes, arguments.repeat, cross=cross)


if __name__ == "__main__":
    main()
