"""Rows G05 and G06 of the bad-input catalogue: code that calls itself, views that are kept."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import ordercascade as oc
from bad_inputs import doors
from bad_inputs.doors import ASK, BID, Door, messages, refused
from bad_inputs.test_g_threads import crash


class Endless:
    """A number that asks itself for its value for ever."""

    def __index__(self) -> int:
        return self.__index__()


@pytest.mark.parametrize("make", [doors.book, doors.venue, doors.building])
def test_bad_G05_a_number_that_recurses_for_ever(make: Callable[[], Door]) -> None:
    """Its own error comes out, and the engine stands as it did."""
    door = make()
    calls: list[Callable[[], Any]] = [lambda: door.at.submit(BID, 50, Endless())]
    if door.world is not None:
        calls = [
            lambda: door.at.deposit(1, 0, Endless()),
            lambda: door.world.schedule_index(9, 0, 0, Endless()),
        ]
        if make is doors.venue:
            calls.append(lambda: door.at.submit(1, 0, BID, 50, Endless()))
            calls.append(lambda: door.at.what_if(door.at.cross_scope(1), {0: Endless()}))
    for call in calls:
        refused(door, RecursionError, "maximum recursion depth exceeded", call)


def kept(views: dict[str, np.ndarray]) -> dict[str, tuple[Any, ...]]:
    return {name: (view.dtype, view.shape, view.tobytes()) for name, view in views.items()}


def closed(view: np.ndarray) -> None:
    """Nobody writes through it, and nobody can make it writeable again."""
    assert not view.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        view[...] = 0
    if view.base is not None:
        with pytest.raises(ValueError, match="cannot set WRITEABLE flag"):
            view.flags.writeable = True


def test_bad_G06_views_of_a_book_that_are_kept() -> None:
    """They stay what they were through growth, later batches, and the end of the book."""
    made = oc.OrderBook(1000)
    rows = messages(500)
    rows["side"], rows["price"] = np.arange(500) % 2, 500
    made.apply(rows)
    views = {"fills": made.fills, "results": made.results, "depth": made.depth(5)[0]}
    assert len(views["fills"]) > 100
    before = kept(views)
    rows["price"] = np.arange(500) % 900 + 1
    for _ in range(20):
        made.apply(rows)
        made.fills[:] = 0  # A copy: what is written to it is nobody's.
    made._check()
    assert kept(views) == before
    del made
    gc.collect()
    spoil = [np.ones(10**5) for _ in range(20)]  # takes what was given back
    assert len(spoil) == 20
    assert kept(views) == before


def test_bad_G06_views_of_a_tape_that_are_kept() -> None:
    """A table of more than a block grows under them; then its world is gone."""
    world = crash(40_000)
    world.run(100)
    names = [("steps", "kind"), ("fills", "price"), ("postings", "amount"), ("liquidations", "fee")]
    views = {name: world.log.column(table, name) for table, name in names}
    whole = {table: world.log.blocks(table, name) for table, name in names}
    before = kept(views)
    for view in [*views.values(), *(block for blocks in whole.values() for block in blocks)]:
        closed(view)
    world.run()
    assert world.log.rows("postings") > 65_536
    assert kept(views) == before
    for table, name in names:
        now = world.log.column(table, name)
        assert np.array_equal(now[: len(views[name])], views[name])
    digest = world.log.digest()
    fork = world.fork()
    del world
    gc.collect()
    assert kept(views) == before
    assert fork.log.digest() == digest


def test_bad_G06_arrays_of_a_venue_are_copies() -> None:
    door = doors.venue()
    before = door.state()
    depth = door.at.depth(0, BID)
    if isinstance(depth, np.ndarray) and depth.flags.writeable:
        depth[...] = 7
    marks = door.at.marks()
    marks[0] = 12345
    door.at.audit().clear()
    assert door.state() == before
    assert door.at.marks() != marks
    door.check()
    door.good()
    assert door.at.submit(2, 0, ASK, 150, 1) > 0
