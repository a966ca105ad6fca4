"""An ablation, and one run of it: where the time goes.

    python bench/bench_ablate.py [--seeds N] [--jobs N]

One run: 1,000 accounts on a book of 500 levels with five safeguards on (price band, TWAP, tranches,
fee slope, fund cap), from a scenario's keys to its numbers; thread CPU time, minimum of N. The
ablation: eight safeguards, 18 columns, so many seeds; wall time, and CPU of all.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import msgspec

import ordercascade as oc
from ordercascade.analysis.compared import numbers

TEXT = """
schema = 1
name = "thousand"
seed = 1
[[venue]]
name = "perp"
preset = "simple"
limit = "market"
liquidation_fee = 0.005
liquidation_fee_base = "surplus"
fund = { balance = 50_000, block_loss_cap = 20_000 }
breaker = [{ kind = "price_band", band_pct = 5 }]
liquidation = [{ kind = "tranche", fraction = 0.2, min_notional = 100_000, cooldown_s = 30 }]
[[venue.surcharge]]
kind = "volatility_fee"
slope = 0.0005
cap = 0.01
volatility_reference = 0.03
[[venue.market]]
name = "BTCUSDT"
tick_size = 1
lot_size = 0.001
settle = "USDT"
decimals = 6
brackets = [{ floor = 0, maintenance = 0.005, leverage_max = 125 }]
book = { kind = "ladder", mid = 60_000.5, step = 20, levels = 250, size = 1 }
oracle = { kind = "twap", window_s = 60 }
[[venue.population]]
market = "BTCUSDT"
accounts = 1000
long_share = 0.8
leverage = { values = [5, 10, 20, 50, 100], weights = [0.25, 0.3, 0.25, 0.12, 0.08] }
notional = { kind = "lognormal", median = 12_000, sigma = 1 }
entry = { kind = "normal", sigma_bps = 100 }
[[shock]]
at_s = 1
side = "ask"
notional = 2_000_000
"""
EIGHT = "price_band twap tranches volatility_fee fund social limit oracle".split()
ONE_MS, ALL_S = 5.0, 20.0


def best(call: Callable[[], object], repeat: int) -> float:
    """Return the least thread CPU time of a call, in milliseconds."""
    times = []
    for _ in range(repeat):
        start = time.thread_time()
        call()
        times.append(time.thread_time() - start)
    return 1e3 * min(times)


def one_run(repeat: int) -> None:
    """Print the parts of one run."""
    base = oc.Scenario.from_toml(TEXT)
    config = base.resolved
    scenario = oc.Scenario(config)
    tape = oc.run(scenario, progress=False)
    s = tape.summary()
    print(f"{s['liquidations']} liquidations, {s['steps']} steps, price {s['price_move_ppm']} ppm")

    def whole() -> None:
        other = oc.Scenario(msgspec.structs.replace(config, seed=7))
        numbers(oc.run(other, progress=False))

    def ran() -> None:
        with oc.World(scenario) as world:
            world.run()

    def built() -> None:
        oc.World(scenario)

    judged = best(lambda: oc.Scenario(config), repeat)
    build, run, all_of_it = (best(call, repeat) for call in (built, ran, whole))
    told = best(lambda: numbers(tape), repeat)
    rows = (
        ("a scenario's keys judged", judged),
        ("accounts drawn, world built", build),
        ("the engine's steps", run - build),
        ("the tape taken", all_of_it - judged - run - told),
        ("its numbers", told),
        (f"one run, of at most {ONE_MS:g}", all_of_it),
    )
    for name, ms in rows:
        print(f"  {name:<32}{ms:8.2f} ms")


def ablated(seeds: int, jobs: int) -> None:
    """Print what an ablation takes."""
    scenario = oc.Scenario.from_toml(TEXT)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    with ProcessPoolExecutor(jobs) as pool:
        found = oc.analysis.ablation(scenario, EIGHT, seeds=seeds, executor=pool)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    runs = len(found.names) * seeds
    print(
        f"{len(found.names)} columns x {seeds} seeds in {jobs} processes: {wall:.1f} s wall"
        f" (at most {ALL_S:g}), {cpu:.1f} s CPU, {1e3 * cpu / runs:.2f} ms a run"
    )


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=50)
    arguments = parser.parse_args()
    one_run(arguments.repeat)
    ablated(arguments.seeds, arguments.jobs)


if __name__ == "__main__":
    main()
