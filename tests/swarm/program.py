"""The command line of the swarm: replay one seed, or soak on all cores until so many operations."""

from __future__ import annotations

import argparse
import functools
import importlib
import json
import multiprocessing
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import NamedTuple

from swarm.common import Failed


class Target(NamedTuple):
    """What is compared with what, in how many operations a seed, and its share of the mix."""

    about: str
    ops: int
    share: int  # of 10 operations


TARGETS = {
    "book": Target("OrderBook against the list book", 600, 6),
    "ledger": Target("AccountLedger against the dict ledger", 600, 3),
    "venue": Target("World and Venue against their twins", 200, 1),
    "conserve": Target("money and transfers after every step", 1_000, 0),
    "presets": Target("the same under the rules of every preset in turn", 1_000, 0),
    "guarded": Target("the same behind every safeguard at once", 1_000, 0),
}

A_ROUND = sum(600 * target.share for target in TARGETS.values())  # operations of the mix


def player(target: str) -> Callable[[int, int], Counter[str]]:
    """Return a target's `play(seed, ops)`."""
    play: Callable[[int, int], Counter[str]] = importlib.import_module(f"swarm.{target}").play
    return play


def seeds_of(target: str, ops: int) -> range:
    """Return the seeds, from 0, whose operations come to `ops`."""
    return range(-(-ops // TARGETS[target].ops))


def swarm(target: str, ops: int) -> Counter[str]:
    """Run seeds until so many operations are done; return what was reached."""
    play, counts = player(target), Counter[str]()
    for seed in seeds_of(target, ops):
        counts.update(play(seed, min(TARGETS[target].ops, ops - seed * TARGETS[target].ops)))
    return counts


# The soak.


def _work(job: tuple[str, int, int], running: Path) -> str:
    """Run one seed in a worker; return the failure, or nothing.

    What runs stands in a file of the worker: one that dies cannot say it any more.
    """
    target, seed, ops = job
    note = running / f"{os.getpid()}.txt"
    note.write_text(f"python -m tests.swarm --target {target} --seed {seed} --ops {ops}", "utf-8")
    try:
        player(target)(seed, ops)
    except Failed as failed:
        return str(failed)
    return ""


def jobs_of(turn: int) -> list[tuple[str, int, int]]:
    """Return the (target, seed, operations) of a round: 6,000 of the mix, 3,000 audited beside."""
    jobs = []
    for target, (_, ops, share) in TARGETS.items():
        seeds = max(1, 600 * share // ops)
        jobs += [(target, turn * seeds + number, ops) for number in range(seeds)]
    return jobs


def soak(ops: int, place: Path, cores: int, every_s: float = 10.0) -> int:
    """Run rounds until `ops` operations of the mix are done; resume where `place` says."""
    place.parent.mkdir(parents=True, exist_ok=True)
    turn = json.loads(place.read_text("utf-8"))["round"] if place.exists() else 0
    first, start = turn, time.monotonic()
    told = start
    print(f"soak: {ops} operations, from round {turn}, {cores} cores", flush=True)
    while turn * A_ROUND < ops:
        failures = _rounds(range(turn, turn + 20 * cores), ops, cores)
        turn = min(turn + 20 * cores, -(-ops // A_ROUND))
        if failures:
            print("\n\n".join(failures), flush=True)
            return 1
        place.write_text(json.dumps({"round": turn}), "utf-8")
        if time.monotonic() - told >= every_s or turn * A_ROUND >= ops:
            told = time.monotonic()
            rate = (turn - first) * A_ROUND / (told - start)
            hours = max(0, ops - turn * A_ROUND) / rate / 3600
            done = f"{turn * A_ROUND:,} of {ops:,} operations, round {turn}"
            print(f"soak: {done}, {rate:,.0f} a second, {hours:.1f} h left", flush=True)
    return 0


def _rounds(turns: range, ops: int, cores: int) -> list[str]:
    """Run some rounds on all cores, in new processes; return what failed."""
    jobs = [job for turn in turns if turn * A_ROUND < ops for job in jobs_of(turn)]
    context = multiprocessing.get_context("spawn")
    with (
        tempfile.TemporaryDirectory() as running,
        ProcessPoolExecutor(cores, mp_context=context) as pool,
    ):
        work = functools.partial(_work, running=Path(running))
        try:
            return [why for why in pool.map(work, jobs, chunksize=len(jobs_of(0))) if why]
        except BrokenProcessPool:
            notes = [note.read_text("utf-8") for note in Path(running).glob("*.txt")]
            return ["a worker died; one of these did it:\n" + "\n".join(sorted(notes))]


# The command line.


def main(arguments: list[str]) -> int:
    """Run the command line; return the exit status."""
    about = ", ".join(f"{name}: {target.about}" for name, target in TARGETS.items())
    parser = argparse.ArgumentParser(prog="python -m tests.swarm", description=about)
    parser.add_argument("--target", choices=list(TARGETS), help="what is run")
    parser.add_argument("--seed", type=int, default=0, help="its seed")
    parser.add_argument("--ops", type=int, help="how many operations of the seed")
    parser.add_argument("--soak", type=int, metavar="N", help="run N operations of all targets")
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--state", type=Path, default=Path("build/soak.json"), help="to resume")
    given = parser.parse_args(arguments)
    if given.soak:
        try:
            return soak(given.soak, given.state, given.cores)
        except KeyboardInterrupt:
            print(f"soak: stopped; the same command goes on from {given.state}")
            return 130
    if given.target is None:
        parser.error("--target or --soak is needed")
    try:
        counts = player(given.target)(given.seed, given.ops or TARGETS[given.target].ops)
    except Failed as failed:
        print(failed)
        return 1
    print(f"{given.target} seed {given.seed}: the same, {dict(sorted(counts.items()))}")
    return 0
