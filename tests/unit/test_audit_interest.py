"""The audit of tapes with two-slope interest: the rate, who pays, who is paid."""

from __future__ import annotations

from functools import cache

import pytest

import ordercascade as oc
from ordercascade.enums import NoteKind, PostReason, StepKind
from ordercascade.replay.lending import Lending, rate_of
from ordercascade.tape import Tape
from unit.audit_worlds import spoil
from unit.test_audit import refuse, told
from unit.test_audit_halts import first

TERMS = (
    '{optimum = "0.8", slope1 = "0.04", slope2 = "0.6", base = "0.01", every_s = 3600,'
    ' times = 24, reserve = "0.1"}'
)


@cache
def made(name: str = "thin-book") -> Tape:
    words = [f"venue[0].interest={TERMS}"]
    if name == "thin-book":
        words.append("venue[0].population[0].accounts=100")
    return oc.run(oc.scenarios.load(name, *words), progress=False)


@pytest.mark.parametrize("name", ["thin-book", "two-market-cross", "t2a"])
def test_a_tape_with_interest_passes(name: str) -> None:
    tape = made(name)
    found = oc.audit(tape)
    assert found.ok, told(found)
    assert not found.gaps
    rows = {check.name: check.rows for check in found.checks}
    assert rows["interest"] == tape.steps["kind"].tolist().count(StepKind.INTEREST) == 24
    assert PostReason.INTEREST in tape.postings["reason"].tolist()


@pytest.mark.parametrize(
    ("table", "cells", "column", "check"),
    [
        ("notes", {"kind": NoteKind.INTEREST}, "a", "notes"),
        ("notes", {"kind": NoteKind.INTEREST}, "b", "notes"),
        ("postings", {"reason": PostReason.INTEREST}, "amount", "postings"),
        ("postings", {"reason": PostReason.INTEREST}, "from_holder", "postings"),
    ],
)
def test_one_cell_of_a_payment_changed_is_found(
    table: str, cells: dict[str, int], column: str, check: str
) -> None:
    tape = made()
    refuse(oc.audit(spoil(tape, table, first(tape, table, **cells), column, 1)), check)


@pytest.mark.parametrize(
    ("name", "by", "check"),
    [
        ("base_ppb", 1, "notes"),
        ("slope_ppb", 10**6, "notes"),
        ("reserve_ppm", 10**4, "postings"),
        ("every_ns", 10**12, "postings"),
    ],
)
def test_other_terms_are_another_interest(name: str, by: int, check: str) -> None:
    tape = made()
    venue = tape.meta["venues"][0]
    said = venue | {"interest": venue["interest"] | {name: venue["interest"][name] + by}}
    refuse(oc.audit(Tape(tape.__dict__["_log"].fork(), tape.meta | {"venues": [said]})), check)


def test_an_older_tape_that_does_not_name_its_terms_is_not_played() -> None:
    tape = made()
    venue = tape.meta["venues"][0] | {"interest": True}
    found = oc.audit(Tape(tape.__dict__["_log"].fork(), tape.meta | {"venues": [venue]}))
    assert found.ok
    assert any("interest" in gap.reason for gap in found.gaps)


def test_the_rate_has_two_slopes() -> None:
    """MECHANISMS §13: at the optimum base + slope1, at full use base + both."""
    terms = Lending(10, 40, 600, 8 * 10**8, 0, 1, 0)
    rates = [rate_of(terms, used) for used in (0, 4 * 10**8, 8 * 10**8, 9 * 10**8, 10**9)]
    assert rates == [10, 30, 50, 350, 650]
