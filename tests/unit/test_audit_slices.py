"""The audit of tapes with planned slices: yes to the engine's, no to one with a cell changed."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ordercascade as oc
from ordercascade.core.world import World
from ordercascade.mechanisms.slices import Slices
from ordercascade.replay.findings import Findings
from ordercascade.replay.slicing import check_parts
from ordercascade.replay.staging import slicing_of
from ordercascade.slices import almgren_chriss, equal, obizhaeva_wang, parts
from ordercascade.tape import Tape
from reference import scenarios as draw
from reference.scripts import Call, play
from unit.audit_worlds import meta_of, spoil
from unit.test_audit import refuse, told

SECOND = 10**9
NONE = {
    "parts": [], "target_ppm": 0, "cost_ppm": 0, "min_value": 0, "cooldown_ns": 0,
    "share_ppm": 0, "depth_ppm": 0,
}  # fmt: skip
LAWS = {
    "equal": "slices = 5, cooldown_s = 30",
    "almgren_chriss": "slices = 5, cooldown_s = 30, kappa_per_s = 0.01",
    "obizhaeva_wang": "slices = 6, cooldown_s = 20, resilience_per_s = 0.03",
    "restore": "target_margin = 0.05, cost = 0.002, cooldown_s = 3, min_notional = 500",
    "share": 'target_margin = 0.05, book_share = "0.005", book_range = "0.02"',
}


@cache
def made(law: str) -> Tape:
    """Thin-book with slices by a law."""
    kind = "restore" if law == "share" else law
    words = f'venue[0].liquidation=[{{kind = "{kind}", {LAWS[law]}}}]'
    return oc.run(
        oc.scenarios.load("thin-book", words, "seed=3", "venue[0].population[0].accounts=500"),
        progress=False,
    )


def changed(tape: Tape, **numbers: Any) -> Tape:
    """The tape as if its planner had had other numbers."""
    venue = tape.meta["venues"][0]
    said = venue | {"slices": venue["slices"] | numbers}
    return Tape(tape.__dict__["_log"].fork(), tape.meta | {"venues": [said]})


@st.composite
def planners(pick: st.DrawFn) -> dict[str, Any]:
    """A table, a margin to be restored, a share of the book, or some of them."""
    found: dict[str, Any] = {"cooldown_ns": pick(st.sampled_from([0, SECOND, 4 * SECOND]))}
    found["min_value"] = pick(st.sampled_from([0, 0, 2_000]))
    if pick(st.booleans()):
        found["parts"] = pick(st.lists(st.integers(0, 10**9), max_size=4))
    else:
        found |= {"target_ppm": pick(st.sampled_from([80_000, 200_000]))}
        found["cost_ppm"] = pick(st.sampled_from([0, 9_000, 200_000]))
    if pick(st.booleans()):
        found |= {"share_ppm": 300_000, "depth_ppm": pick(st.sampled_from([1, 30_000]))}
    return found


@settings(max_examples=40)
@given(draw.scenarios(), planners())
def test_a_random_world_with_planned_slices_passes(
    calls: list[Call], numbers: dict[str, Any]
) -> None:
    world = World()
    policy = Slices(**numbers)
    play(world, [calls[0]._replace(kwargs=calls[0].kwargs | {"policy": policy}), *calls[1:]])
    meta = meta_of(calls) | {"stop": int(world.stop)}
    meta["venues"][0]["slices"] = NONE | numbers
    tape = Tape(world.log, meta)
    found = oc.audit(tape)
    assert found.ok, told(found)
    rows = next(check.rows for check in found.checks if check.name == "slices")
    assert rows == len(tape.liquidations)


@pytest.mark.parametrize("law", LAWS)
def test_every_planner_passes_as_it_is_and_not_with_a_slice_one_lot_larger(law: str) -> None:
    tape = made(law)
    found = oc.audit(tape)
    assert found.ok, told(found)
    assert not found.gaps
    asked, held = (tape.liquidations[name].tolist() for name in ("lots_asked", "lots_before"))
    row = next(row for row in range(9, len(asked)) if 1 < asked[row] < held[row] - 1)
    for by in (-1, 1):
        refuse(oc.audit(spoil(tape, "liquidations", row, "lots_asked", by)), "slices")


@pytest.mark.parametrize(
    ("law", "numbers"),
    [
        ("equal", {"min_value": 10**15}),
        ("almgren_chriss", {"parts": parts(equal(5))}),
        ("obizhaeva_wang", {"wait": "0.5"}),
        ("obizhaeva_wang", {"count": 7}),
        ("restore", {"target_ppm": 60_000}),
        ("restore", {"cost_ppm": 1_000}),
        ("share", {"share_ppm": 4_900}),
        ("share", {"depth_ppm": 10_000}),
    ],
)
def test_a_planner_of_other_numbers_is_another_planner(law: str, numbers: dict[str, Any]) -> None:
    refuse(oc.audit(changed(made(law), **numbers)), "slices")


def test_a_slice_that_comes_before_its_time_is_found() -> None:
    found = oc.audit(changed(made("equal"), cooldown_ns=31 * SECOND))
    refuse(found, "liquidations")


@pytest.mark.parametrize(
    ("law", "count", "wait"),
    [
        ("equal", 1, "0"), ("equal", 1000, "0"), ("almgren_chriss", 5, "0"),
        ("almgren_chriss", 5, "0.6070784"), ("almgren_chriss", 1000, "0.02"),
        ("almgren_chriss", 50, "40"), ("obizhaeva_wang", 1, "3"), ("obizhaeva_wang", 11, "0.1"),
        ("obizhaeva_wang", 1000, "0.002"), ("obizhaeva_wang", 2, "800"),
    ],
)  # fmt: skip
def test_a_table_is_its_formula_and_not_nine_units_beside_it(
    law: str, count: int, wait: str
) -> None:
    laws = {"almgren_chriss": almgren_chriss, "obizhaeva_wang": obizhaeva_wang}
    ran = parts(laws[law](count, float(wait)) if law in laws else equal(count))
    assert failed(law, count, wait, ran) == 0
    for number in {0, count // 2}:
        if law == "almgren_chriss" and number and float(wait) * number > 15:
            continue  # Nothing is left by then: any part will do.
        other = ran.copy()
        other[number] += 9 if ran[number] < 10**9 else -9
        assert failed(law, count, wait, other) == 1
    assert failed(law, count, wait, ran[1:])


def failed(law: str, count: int, wait: str, ran: list[int]) -> int:
    """How many cells of a table the audit finds wrong."""
    findings = Findings()
    said = NONE | {"law": law, "count": count, "wait": wait, "parts": ran}
    slicing = slicing_of({"slices": said})
    assert slicing is not None
    check_parts(slicing, findings)
    return findings.failed


def test_an_older_tape_that_names_only_the_table_is_not_played() -> None:
    tape = made("equal")
    venue = tape.meta["venues"][0] | {"slices": tape.meta["venues"][0]["slices"]["parts"]}
    found = oc.audit(Tape(tape.__dict__["_log"].fork(), tape.meta | {"venues": [venue]}))
    assert found.ok
    assert any("slices" in gap.reason for gap in found.gaps)


def test_a_table_without_a_law_is_a_gap() -> None:
    said = {k: v for k, v in made("equal").meta["venues"][0]["slices"].items() if k != "law"}
    venue = made("equal").meta["venues"][0] | {"slices": said}
    log = made("equal").__dict__["_log"].fork()
    found = oc.audit(Tape(log, made("equal").meta | {"venues": [venue]}))
    assert found.ok
    assert [gap.check for gap in found.gaps] == ["slices"]
