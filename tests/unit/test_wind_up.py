"""A market wound up with somebody's Python backstop: whole, or not at all. docs/adr/0016."""

from __future__ import annotations

from typing import Any

import pytest

from ordercascade.core.venue import Venue
from ordercascade.core.world import World
from ordercascade.enums import PriceSource
from ordercascade.errors import MechanismError
from ordercascade.mechanisms.plugins import PluginBackstop
from unit.worlds import holding, rows

Seen = list[Any]


class Queue:
    """By scope id; fails at its call number `fails`."""

    def __init__(self, fails: int = 0, answer: Any = None) -> None:
        self.fails, self.answer, self.asked = fails, answer, 0

    def order(self, seen: Seen, lots: int) -> Any:
        self.asked += 1
        if self.asked == self.fails:
            if self.answer is not None:
                return self.answer
            raise RuntimeError("not now")
        return sorted(row.scope for row in seen if not row.external)

    def state(self) -> bytes:
        return b""


def flat(venue: Venue) -> bool:
    return all(
        venue.position(venue.scope_of(account, 0), 0) == (0, 0)
        for account in range(1, venue.accounts + 1)
    )


def ended(backstop: Any) -> tuple[World, Venue]:
    world = World()
    rules = {} if backstop is None else {"backstop": PluginBackstop(backstop)}
    world.add_venue(stages={"adl_overlap": True}, **rules)
    venue = world.venue(0)
    venue.add_market(
        multiplier=100, price_max=10_000, size_max=10_000, source=PriceSource.INDEX, index=100
    )
    for size in (10, -4, -6, 7, -7):
        holding(venue, size, 100, 90_000)
    world.start()
    return world, venue


def deals(world: World) -> list[tuple[int, ...]]:
    return rows(world, "adl", "step", "scope_from", "scope_to", "lots", "cost")


def test_a_plug_in_by_scope_id_winds_up_as_the_engine_does_and_is_asked_once() -> None:
    queue = Queue()
    world, venue = ended(queue)
    venue.wind_up(0)
    world._check()
    assert flat(venue)
    other, plain = ended(None)
    plain.wind_up(0)
    assert deals(world) == deals(other) and len(deals(world)) == 3
    assert queue.asked == len({step for step, *_ in deals(world)})


@pytest.mark.parametrize("fails", [1, 2])
@pytest.mark.parametrize("answer", [None, "rubbish", [0, 0]])
def test_one_that_fails_leaves_the_venue_as_it_was(fails: int, answer: Any) -> None:
    """At its first or second call; afterwards the market can still be wound up."""
    queue = Queue(fails, answer)
    world, venue = ended(queue)
    before, tape = world.state_hash(), rows(world, "steps", "step")
    with pytest.raises(MechanismError, match="Queue"):
        venue.wind_up(0)
    world._check()
    assert world.state_hash() == before and rows(world, "steps", "step") == tape
    assert not deals(world)
    venue.wind_up(0)
    world._check()
    assert flat(venue)
    world.run()
