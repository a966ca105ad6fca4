"""The audit of tapes with surcharges and interest: rates worked out again, and what follows."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings

import ordercascade as oc
from ordercascade.core.world import World
from ordercascade.enums import NoteKind, StepKind
from ordercascade.tape import Tape
from property.test_surcharges import KINDS, surcharges
from reference import scenarios as draw
from reference.scripts import Call, play
from unit.audit_worlds import meta_of, spoil
from unit.test_audit import refuse, told
from unit.test_audit_halts import first

CLASSES = {"margin": "volatility_margin", "fee": "volatility_fee", "buffer": "contagion_buffer"}


def tape_of(calls: list[Call], numbers: list[tuple[str, dict[str, Any]]]) -> Tape:
    """Play calls with surcharges; the tape says which."""
    own = tuple(KINDS[kind](**each) for kind, each in numbers)
    world = World()
    play(world, [calls[0]._replace(kwargs=calls[0].kwargs | {"surcharges": own}), *calls[1:]])
    meta = meta_of(calls) | {"stop": int(world.stop)}
    meta["venues"][0]["surcharges"] = [{"class": CLASSES[kind]} | each for kind, each in numbers]
    return Tape(world.log, meta)


@settings(max_examples=40)
@given(draw.scenarios(), surcharges())
def test_a_random_world_with_surcharges_passes(
    calls: list[Call], numbers: list[tuple[str, dict[str, Any]]]
) -> None:
    tape = tape_of(calls, numbers)
    found = oc.audit(tape)
    assert found.ok, told(found)
    rows = {check.name: check.rows for check in found.checks}
    assert rows["rates"] == sum(kind == StepKind.RATES for kind in tape.steps["kind"].tolist())
    assert {gap.check for gap in found.gaps} <= {"parents"}


@cache
def made() -> Tape:
    words = (
        *("venue[0].population[0].accounts=150", "seed=2", "venue[0].surcharge[1].apply_to=all"),
        *("venue[0].surcharge[1].reach=0.08", "venue[0].surcharge[1].weight=0.3"),
    )
    return oc.run(oc.scenarios.load("moving-margins", *words), progress=False)


def changed(which: int, **numbers: Any) -> Tape:
    """The tape as if one of its surcharges had had other numbers."""
    tape = made()
    venue = tape.meta["venues"][0]
    said = list(venue["surcharges"])
    said[which] = said[which] | numbers
    return Tape(
        tape.__dict__["_log"].fork(), tape.meta | {"venues": [venue | {"surcharges": said}]}
    )


def test_a_scenario_of_moving_margins_is_played_to_its_end() -> None:
    tape = oc.run(oc.scenarios.load("moving-margins"), progress=False)
    found = oc.audit(tape)
    assert found.ok, told(found)
    assert not found.gaps
    rows = {check.name: check.rows for check in found.checks}
    assert rows["rates"] == tape.steps["kind"].tolist().count(StepKind.RATES) > 20
    assert rows["liquidations"] == len(tape.liquidations) > 20


@pytest.mark.parametrize(
    ("table", "cells", "column", "by", "check"),
    [
        ("notes", {"kind": NoteKind.RATE, "b": 0}, "a", 1, "notes"),
        ("notes", {"kind": NoteKind.RATE, "b": 2}, "a", 1, "notes"),
        ("notes", {"kind": NoteKind.RATE, "b": 2}, "b", -1, "notes"),
        ("steps", {"kind": StepKind.RATES}, "generation", 1, "parents"),
        ("steps", {"kind": StepKind.RATES}, "time_ns", -(10**9), "time"),
        ("liquidations", {"tranche": 1}, "trigger_price", 1, "liquidations"),
        ("postings", {"reason": 2}, "amount", 1, "postings"),
    ],
)
def test_one_cell_changed_is_found(
    table: str, cells: dict[str, int], column: str, by: int, check: str
) -> None:
    tape = made()
    refuse(oc.audit(spoil(tape, table, first(tape, table, **cells), column, by)), check)


def test_rates_have_the_latest_trade_as_parent() -> None:
    tape = made()
    kinds, parents = tape.steps["kind"].tolist(), tape.steps["parent"].tolist()
    row = next(k for k, kind in enumerate(kinds) if kind == StepKind.RATES and parents[k] > 0)
    refuse(oc.audit(spoil(tape, "steps", row, "parent", -1)), "parents")


def test_a_taker_fee_or_a_maintenance_beside_the_rate_that_stands_is_found() -> None:
    tape = made()
    after = first(tape, "notes", kind=NoteKind.RATE, b=2)
    step = int(tape.notes["step"][after])
    rows = [row for row, at in enumerate(tape.fills["step"].tolist()) if at > step]
    refuse(oc.audit(spoil(tape, "fills", rows[0], "taker_fee", 1)), "fees")
    rows = [row for row, at in enumerate(tape.scopes["step"].tolist()) if at > step]
    refuse(oc.audit(spoil(tape, "scopes", rows[0], "maintenance", 1)), "scopes")


@pytest.mark.parametrize(
    ("which", "numbers", "checks"),
    [
        (0, {"k_ppm": 2_990_000}, ("notes",)),
        (0, {"mpor_ns": 599 * 10**9}, ("notes",)),
        (0, {"decay_ppm": 930_000}, ("rates",)),
        (0, {"sample_ns": 61 * 10**9}, ("parents",)),
        (0, {"new_only": True}, ("liquidations",)),
        (0, {"cap_ppm": 9_000}, ("notes",)),
        (0, {"step_ppm": 100}, ("notes",)),
        (0, {"start_ppb": 10**7}, ("notes",)),
        (1, {"reach_ppm": 79_000}, ("notes",)),
        (2, {"slope_ppm": 499}, ("notes",)),
        (2, {"reference_ppb": 31_000_000}, ("notes",)),
        (2, {"to_fund_ppm": 499_999}, ("postings",)),
    ],
)
def test_a_surcharge_of_other_numbers_is_another_surcharge(
    which: int, numbers: dict[str, Any], checks: tuple[str, ...]
) -> None:
    refuse(oc.audit(changed(which, **numbers)), *checks)
