"""The audit of marks from oracles with a memory: exact without delay and mean, else in bounds."""

from __future__ import annotations

from functools import cache

import pytest

import ordercascade as oc
from ordercascade.enums import StepKind
from ordercascade.tape import Tape
from unit.audit_worlds import spoil
from unit.test_ablation import SMALL
from unit.test_audit import refuse, told

EXACT = (
    '{kind="last", clamp_round=0.001}',
    '{kind="last", clamp=0.01, index="60000", own_book_weight=0.7}',
    '{kind="mid", clamp_round=0.0005, index="60010", own_book_weight=0.5}',
)
BOUNDED = (
    '{kind="twap", window_s=5}',
    '{kind="last", latency_s=2, latency_sigma=0.3}',
    '{kind="mid", heartbeat_s=3, deviation=0.01}',
    '{kind="last", clamp_per_s=0.001}',
    '{kind="last", latency_s=2, clamp_round=0.001}',
)
FREE = ('{kind="ema"}', '{kind="median3", index="60000"}')


@cache
def tape_of(oracle: str, refresh: str) -> Tape:
    scenario = oc.Scenario.from_toml(SMALL).set(
        "venue[0].population[0].accounts=80",
        f"venue[0].market[0].oracle={oracle}",
        f'venue[0].mark_refresh="{refresh}"',
    )
    return oc.run(scenario, progress=False)


def taken(tape: Tape) -> int:
    """A row of marks of a MARK step, somewhere in the middle."""
    kinds = tape.steps["kind"].tolist()
    rows = [r for r, step in enumerate(tape.marks["step"].tolist())
            if step >= 0 and kinds[step] == StepKind.MARK]  # fmt: skip
    return rows[len(rows) // 2]


@pytest.mark.parametrize("refresh", ["round", "order"])
@pytest.mark.parametrize("oracle", [*EXACT, *BOUNDED, *FREE])
def test_tapes_of_feeds_pass_and_only_what_remembers_is_a_gap(oracle: str, refresh: str) -> None:
    found = oc.audit(tape_of(oracle, refresh))
    assert found.ok, told(found)
    why = {gap.reason for gap in found.gaps if gap.check == "marks"}
    assert not why if oracle in EXACT else all("remembers" in each for each in why)


@pytest.mark.parametrize("by", [-1, 1])
@pytest.mark.parametrize("oracle", EXACT)
def test_a_mark_one_tick_off_is_found_where_the_tape_decides_it(oracle: str, by: int) -> None:
    tape = tape_of(oracle, "round")
    refuse(oc.audit(spoil(tape, "marks", taken(tape), "mark", by)), "marks")


@pytest.mark.parametrize("oracle", BOUNDED)
def test_a_mark_that_no_price_ever_was_is_found(oracle: str) -> None:
    tape = tape_of(oracle, "round")
    rows = tape.marks["mark"]
    row = taken(tape)
    off = int(rows.min()) - 30_000 - int(rows[row])
    refuse(oc.audit(spoil(tape, "marks", row, "mark", off)), "marks")


def test_a_step_beyond_the_clamp_by_taking_is_found_though_the_price_was_there() -> None:
    tape = tape_of(BOUNDED[-1], "round")
    rows, row = tape.marks["mark"].tolist(), taken(tape)
    refuse(oc.audit(spoil(tape, "marks", row, "mark", rows[0] - rows[row])), "marks")
