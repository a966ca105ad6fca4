"""The invariants of SEMANTICS §1 on the compiled engine, after every single step.

Random small scenarios (those of the twin) are stepped one by one. The ledger is re-summed from the
Python door, and every deleveraging is held against the transfer of equity that it must be.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings

from ordercascade.core.world import World
from ordercascade.enums import HolderKind, MarketKind, StepKind
from reference import scenarios as draw
from reference.scripts import Call, play


def equities(world: World) -> dict[int, int]:
    """Return equity on the standing marks of every scope and of external."""
    kinds = world.log.column("accounts", "kind").tolist()
    holders = world.log.column("accounts", "scope").tolist()
    return {
        holder: world.venue(0).equity(holder)
        for holder, kind in zip(holders, kinds, strict=True)
        if kind in (HolderKind.SCOPE, HolderKind.EXTERNAL)
    }


def check_money(venue: Any) -> None:
    assert not any(venue.audit().values())
    assert venue.fund >= 0
    assert venue.bad_debt <= 0
    venue._check()


@settings(max_examples=60)
@given(draw.scenarios())
def test_money_sizes_and_costs_hold_after_every_step(calls: list[Call]) -> None:
    world = World()
    play(world, calls[:-1])
    venue = world.venue(0)
    check_money(venue)
    deposited = sum(venue.balance(holder) for holder in range(venue.holders))
    while (step := world.step()) >= 0:
        check_money(venue)
        log = world.log
        outside = {
            (row_from, row_to): amount
            for at, row_from, row_to, amount in zip(
                *(
                    log.column("postings", name).tolist()
                    for name in ("step", "from_holder", "to_holder", "amount")
                ),
                strict=True,
            )
            if at == step and -1 in (row_from, row_to)
        }
        deposited += sum(a if row_from == -1 else -a for (row_from, _), a in outside.items())
        assert sum(venue.balance(holder) for holder in range(venue.holders)) == deposited


@settings(max_examples=120)
@given(draw.scenarios())
def test_adl_moves_exactly_the_equity_of_the_bankrupt(calls: list[Call]) -> None:
    """What the counterparties lose over all legs is minus the bankrupt's equity before the first.

    Marks stand between the rows of one deleveraging, so equities may be compared directly. Values
    of inverse lots are floored: a unit for each party and leg. SEMANTICS §1.
    """
    world = World()
    play(world, calls[:-1])
    inverse = any(call.kwargs.get("kind") == MarketKind.INVERSE for call in calls)
    venue = world.venue(0)
    before = equities(world)
    bankrupt: int | None = None
    start: dict[int, int] = {}
    while (step := world.step()) >= 0:
        kind, scope = (world.log.get("steps", step, name) for name in ("kind", "scope"))
        now = equities(world)
        if kind == StepKind.ADL:
            if bankrupt != scope:
                bankrupt, start = scope, before
            moved = {h: now[h] - start[h] for h in now if h != scope and now[h] != start[h]}
            others = sum(moved.values())
            room = (len(moved) + 1) * venue.market_count if inverse else 0
            assert abs(now[scope] + others - start[scope]) <= room
            if all(venue.position(scope, m)[0] == 0 for m in range(venue.market_count)):
                assert now[scope] == 0
                assert abs(others - start[scope]) <= room
                assert venue.collateral(scope) == 0
        else:
            bankrupt = None
        before = now
