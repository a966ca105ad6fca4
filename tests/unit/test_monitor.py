"""Accounts under live marks: who is at risk is what a full scan says, after every event."""

from __future__ import annotations

import pickle
from random import Random
from typing import Any

import numpy as np
import pytest

from ordercascade import InputError, InputTypeError, RangeError
from ordercascade.core.laws import Crowd, Law, LawKind, Terms
from ordercascade.core.monitor import Monitor
from ordercascade.core.populate import draw
from ordercascade.core.world import World

MARKS = [10_000, 12_000, 900]
PRICE_MAX, SIZE_MAX = 2**16, 2**30
BRACKETS = [
    [(0, 5_000, 0, 20_000)],
    [(0, 4_000, 0, 20_000), (10**6, 10_000, 6_000, 30_000), (4 * 10**6, 50_000, 166_000, 100_000)],
    [(0, 20_000, 0, 50_000), (2 * 10**6, 25_000, 10_000, 60_000)],
]


def watched(seed: int, accounts: int, *, strict: bool = True, cross: float = 0.7) -> Any:
    """Return a venue of three markets with a population, started."""
    world = World()
    venue = world.venue(world.add_venue(trigger_strict=strict))
    for mark, rows in zip(MARKS, BRACKETS, strict=True):
        venue.add_market(0, 1, price_max=PRICE_MAX, size_max=SIZE_MAX, brackets=rows, last=mark)
    terms = [
        Terms(mark, 1, PRICE_MAX, SIZE_MAX, rows)
        for mark, rows in zip(MARKS, BRACKETS, strict=True)
    ]
    crowd = Crowd(
        accounts=accounts,
        long_share=0.6,
        cross_share=cross,
        leverage=Law(LawKind.UNIFORM, 2.0, 40.0),
        size=Law(LawKind.LOGNORMAL, 6e5, 1.3),
        size_is_value=True,
        entry=Law(LawKind.NORMAL, 1.0, 0.01),
        entry_in_ticks=False,
        held=(0.7, 0.6, 0.5),
    )
    drawn = draw(crowd, terms, seed, "monitor")
    venue.open_accounts(drawn.deposits, drawn.openings)
    world.start()
    return world, venue


class Scan:
    """A full scan in Python, from the venue's doors and the marks alone."""

    def __init__(self, venue: Any, *, strict: bool) -> None:
        self.strict = strict
        self.marks = list(MARKS)
        self.scopes: dict[int, list[Any]] = {}
        for scope in range(venue.holders):
            try:
                held = [venue.position(scope, m) for m in range(3)]
            except InputError:
                continue
            if scope != venue.scope_of(0, 0):
                self.scopes[scope] = [venue.collateral(scope), held]

    def at_risk(self) -> list[int]:
        """Return the scopes at risk, by id."""
        found = []
        for scope, (money, held) in self.scopes.items():
            equity, maintenance, lots = money, 0, 0
            for (size, cost), mark, rows in zip(held, self.marks, BRACKETS, strict=True):
                equity += size * mark - cost
                value = abs(size * mark)
                _, rate, amount, _ = [row for row in rows if row[0] <= value][-1]
                maintenance += max(0, -(-value * rate // 10**6) - amount)
                lots += abs(size)
            if lots and (equity < maintenance or (equity == maintenance and not self.strict)):
                found.append(scope)
        return sorted(found)


def moved(rng: Random, mark: int) -> int:
    """Return another mark: mostly near, sometimes a jump, now and then the edge."""
    kind = rng.randrange(10)
    if kind < 7:
        return max(1, min(PRICE_MAX, mark + rng.randint(-60, 60)))
    if kind < 9:
        return max(1, min(PRICE_MAX, mark * rng.randint(70, 140) // 100))
    return rng.choice((1, PRICE_MAX, mark))


@pytest.mark.parametrize("seed", range(12))
def test_after_every_event_it_is_the_full_scan(seed: int) -> None:
    rng = Random(seed)
    strict = seed % 2 == 0
    _, venue = watched(seed, 40, strict=strict)
    monitor, scan = Monitor(venue), Scan(venue, strict=strict)
    assert len(monitor) == len(scan.scopes)
    met = 0
    for _ in range(250):
        kind = rng.randrange(10)
        if kind < 5:
            m = rng.randrange(3)
            scan.marks[m] = moved(rng, scan.marks[m])
            monitor.set_mark(m, scan.marks[m])
        elif kind < 7:
            scan.marks = [moved(rng, mark) for mark in scan.marks]
            monitor.set_marks(scan.marks)
        elif kind < 8:
            scope = rng.choice(list(scan.scopes))
            amount = rng.randint(-2_000, 5_000)
            scan.scopes[scope][0] += amount
            monitor.deposit(scope, amount)
        else:
            fill(rng, venue, monitor, scan)
        monitor._check()
        found = monitor.at_risk().tolist()
        assert found == scan.at_risk()
        met += len(found)
    assert met > 100


def fill(rng: Random, venue: Any, monitor: Any, scan: Scan) -> None:
    """Trade a scope's open market at its mark; equity and so the scan's cost follow the price."""
    scope = rng.choice(list(scan.scopes))
    m = next(m for m in range(3) if venue.position(scope, m)[0])
    size, cost = scan.scopes[scope][1][m]
    lots = rng.choice((-size, rng.randint(-300, 300) or 1)) or 1
    monitor.fill(scope, m, lots, scan.marks[m])
    scan.scopes[scope][1][m] = (size + lots, cost + lots * scan.marks[m])


def test_a_path_finds_what_single_marks_find() -> None:
    _, venue = watched(3, 500)
    rng = np.random.default_rng(1)
    path = np.array(MARKS) + np.cumsum(rng.integers(-40, 41, (400, 3)), axis=0)
    path = np.clip(path, 1, PRICE_MAX)
    by_path, one_by_one = Monitor(venue), Monitor(venue)
    found = by_path.follow(path)
    for row, count in zip(path.tolist(), found.tolist(), strict=True):
        before = one_by_one.set_marks(row) - count
        assert before >= 0
    assert found.sum() > 10
    assert by_path.at_risk().tolist() == one_by_one.at_risk().tolist()


def test_a_mark_that_reaches_nobody_evaluates_nobody() -> None:
    _, venue = watched(3, 20_000)
    monitor = Monitor(venue)
    assert monitor.evaluations == 0
    for _ in range(100):
        assert monitor.set_mark(0, MARKS[0]) == 0
    assert monitor.evaluations == 0
    assert 0 < monitor.memory < 200 * len(monitor)
    monitor.set_mark(0, MARKS[0] * 9 // 10)
    assert 0 < monitor.evaluations < 20_000


def test_marks_that_move_together_find_nobody_who_was_below_only_in_between() -> None:
    world = World()
    venue = world.venue(world.add_venue())
    for _ in range(2):
        venue.add_market(0, 1, price_max=1_000, size_max=100, brackets=BRACKETS[0], last=500)
    account = venue.open_account()
    scope = venue.deposit(account, 0, 500)
    venue.open_position(account, 0, 10, 5_000)
    venue.open_position(account, 1, -10, -5_000)
    world.start()
    together, apart = Monitor(venue), Monitor(venue)
    assert together.set_marks([400, 400]) == 0
    assert apart.set_mark(0, 400) == 1
    assert apart.at_risk().tolist() == [scope]
    apart.set_mark(1, 400)
    assert apart.at_risk().tolist() == []


def test_the_venue_it_was_made_from_does_not_move() -> None:
    world, venue = watched(3, 50)
    before = world.state_hash()
    monitor = Monitor(venue)
    monitor.set_marks([1, 1, 1])
    monitor.deposit(int(monitor.at_risk()[0]), 10**6)
    assert world.state_hash() == before


def test_bad_calls_are_refused_by_name_and_change_nothing() -> None:
    _, venue = watched(3, 50)
    monitor = Monitor(venue)
    scope = venue.scope_of(1, 0)
    for call, error, said in (
        (lambda: monitor.set_mark(3, 5), InputError, "market must be in [0, 2]"),
        (lambda: monitor.set_mark(0, 0), InputError, "tick must be in [1, 65536]"),
        (lambda: monitor.set_mark(0, 5.0), InputTypeError, "tick"),
        (lambda: monitor.set_marks([5, 5]), InputError, "ticks must be 3, one a market, got 2"),
        (lambda: monitor.set_marks([5, 5, 0]), InputError, "tick must be in"),
        (lambda: monitor.follow(np.zeros((2, 3))), InputTypeError, "int64 of shape (n, 3)"),
        (lambda: monitor.follow(np.zeros((2, 3), dtype=np.int64)), InputError, "must be in [1, p"),
        (lambda: monitor.fill(0, 0, 1, 5), InputError, "must be a user's scope"),
        (lambda: monitor.fill(scope, 0, 0, 5), InputError, "lots must not be 0"),
        (lambda: monitor.fill(scope, 0, 1, 0), InputError, "price must be in"),
        (lambda: monitor.deposit(scope, 2**60), RangeError, "2**60"),
        (lambda: pickle.dumps(monitor), InputTypeError, "Monitor"),
        (lambda: Monitor(World().venue(0)), InputError, "venue"),
    ):
        with pytest.raises(error) as raised:
            call()  # type: ignore[no-untyped-call]
        assert said in str(raised.value)
    assert monitor.evaluations == 0
    assert monitor.at_risk().tolist() == []
    monitor.set_mark(0, 1)
    assert len(monitor.at_risk()) > 0


def test_armings_and_bytes_are_counted() -> None:
    """A mark that fires nobody arms nobody; whoever was found and is safe again is armed anew."""
    _, venue = watched(1, 40)
    monitor = Monitor(venue)
    start, looked = monitor.armings, monitor.evaluations
    assert monitor.memory > 40 * 8
    monitor.set_mark(0, MARKS[0])
    assert (monitor.armings, monitor.evaluations) == (start, looked)
    found = monitor.set_mark(0, 1)
    assert found > 0
    monitor.set_mark(0, MARKS[0])
    assert monitor.at_risk().tolist() == []
    assert monitor.armings >= start + found
    assert Monitor(watched(1, 4_000)[1]).memory > monitor.memory
