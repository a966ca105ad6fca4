"""Every row of the catalogue is tested, or says who will, or why nobody need."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from bad_inputs import coverage
from bad_inputs.coverage import Row, faults, rows


def table() -> list[Row]:
    return rows(coverage.TABLE.read_text(encoding="utf-8"))


def test_every_row_is_tested_or_says_why_not_and_the_page_is_of_today(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = coverage.main(["--check"])
    assert (code, capsys.readouterr().err) == (0, "")
    assert len(table()) == 195


def test_the_rows_are_those_of_the_specification() -> None:
    """Its page lies beside the clone, or not: then this is skipped, and fails in CI."""
    clone = Path(__file__).resolve().parents[2]
    place = Path(os.environ.get("ORDERCASCADE_SHARED", clone.parent / "shared"))
    page = place / "spec" / "BAD_INPUTS.md"
    if not page.is_file():
        if os.environ.get("CI", "").lower() in ("1", "true"):
            pytest.fail(f"the catalogue is missing: {page}")
        pytest.skip(f"the catalogue is missing: {page} (set ORDERCASCADE_SHARED to its place)")
    text = page.read_text(encoding="utf-8")
    assert re.findall(r"^\| ([A-K][0-9]{2}) \|", text, re.MULTILINE) == [row.id for row in table()]


def test_a_row_that_is_forgotten_or_contradicts_its_tests_is_named() -> None:
    made = rows("A01 | x\nA02 | y | later 5: z\nA03 | y | dropped: z\nA04 | y | | also 7: z\n")
    tests = {"A01": ["t"], "A04": ["t"]}
    assert faults(made, tests) == []
    assert faults(made, {"A04": ["t"]}) == ["A01 has no test and does not say why"]
    assert faults(made, {"A01": ["t"]}) == ["A04 has no test and does not say why"]
    assert faults(made, tests | {"A03": ["t"]}) == ["A03 is tested, so it is not 'dropped: z'"]
    assert faults(made, tests | {"B09": ["t"]}) == ["B09 is in t, but not in the table"]
    assert faults([*made, made[0]], tests) == ["A01 is there twice"]


@pytest.mark.parametrize(
    "line",
    ["A1 | x", "L01 | x", "A01 | x | later: y", "A01 | x | later 9: y", "A01 | x | | more: y"],
)
def test_a_line_that_cannot_be_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="cannot read|no issue"):
        rows(line)


def test_a_test_of_several_rows_counts_for_each(tmp_path: Path) -> None:
    (tmp_path / "test_x.py").write_text(
        "def test_bad_A01_B02_both(): ...\ndef test_badly_C03_no(): ...\ndef test_bad_rows(): ...\n"
    )
    found = coverage.tests_by_id(tmp_path)
    name = "test_x.py::test_bad_A01_B02_both"
    assert found == {"A01": [name], "B02": [name]}
