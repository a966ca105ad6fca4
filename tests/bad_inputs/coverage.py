"""What became of every row of the bad-input catalogue: COVERAGE.md, made from rows and tests.

    python -m tests.bad_inputs.coverage            # writes it
    python -m tests.bad_inputs.coverage --check    # ends with 1 if it would be another

Rows and their words are in rows.txt; a test covers the rows whose ids follow `test_bad_` in its
name, wherever it stands.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
TESTS = HERE.parent
TABLE = HERE / "rows.txt"
PAGE = HERE / "COVERAGE.md"
ISSUES = {"4": "stepper", "5": "book and data", "6": "margin engine", "7": "safeguards"}
SECTIONS = {
    "A": "Single values",
    "B": "Ids, the life of an order, shapes of a book",
    "C": "Arrays and columns",
    "D": "Configuration",
    "E": "Accounts, margin, cascade",
    "F": "Time",
    "G": "Threads, signals, memory, copies",
    "H": "Text files",
    "I": "Other files",
    "J": "What is saved",
    "K": "Command line, notebooks, sweeps",
}
IDS = re.compile(r"test_bad_((?:[A-K][0-9]{2}_)+)")
FATE = re.compile(r"later ([0-9]+): .+|dropped: .+")
MORE = re.compile(r"also ([0-9]+): .+")


class Row(NamedTuple):
    """One row of the catalogue; `fate` if it has no test, `more` for what will join its tests."""

    id: str
    words: str
    fate: str
    more: str


def rows(text: str) -> list[Row]:
    """Read the table; ValueError names the line that cannot be."""
    found: list[Row] = []
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        cells = [cell.strip() for cell in line.split("|")]
        row = Row(*cells, *[""] * (4 - len(cells)))
        for cell, form in (
            (row.id, re.compile("[A-K][0-9]{2}")),
            (row.fate, FATE),
            (row.more, MORE),
        ):
            if cell and not form.fullmatch(cell):
                raise ValueError(f"cannot read {cell!r} in {line!r}")
        issue = FATE.fullmatch(row.fate) or MORE.fullmatch(row.more)
        if issue and issue[1] and issue[1] not in ISSUES:
            raise ValueError(f"there is no issue {issue[1]} in {line!r}")
        found.append(row)
    return found


def tests_by_id(folder: Path) -> dict[str, list[str]]:
    """Return the names of tests by row id, each with its file, in the order of files and lines."""
    found: dict[str, list[str]] = {}
    for file in sorted(folder.rglob("test_*.py")):
        for name in _functions(file):
            ids = IDS.match(name)
            for number in ids[1].split("_")[:-1] if ids else []:
                found.setdefault(number, []).append(f"{file.relative_to(folder)}::{name}")
    return found


def _functions(file: Path) -> Iterator[str]:
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            yield node.name


def faults(table: list[Row], tests: dict[str, list[str]]) -> list[str]:
    """Return what is wrong with the table: each row is tested, or says why it is not."""
    ids = [row.id for row in table]
    out = [f"{number} is there twice" for number in sorted(set(ids)) if ids.count(number) > 1]
    out += [f"{number} is in {tests[number][0]}, but not in the table" for number in tests
            if number not in ids]  # fmt: skip
    for row in table:
        if row.id in tests and row.fate:
            out.append(f"{row.id} is tested, so it is not {row.fate!r}")
        if row.id not in tests and (row.more or not row.fate):
            out.append(f"{row.id} has no test and does not say why")
    return out


def page(table: list[Row], tests: dict[str, list[str]]) -> str:
    """Return COVERAGE.md."""
    tested = sum(row.id in tests for row in table)
    later = sum(row.fate.startswith("later") for row in table)
    rest = len(table) - tested - later
    lines = [
        "# Bad inputs: what became of every row",
        "",
        "Made by `python -m tests.bad_inputs.coverage` from `rows.txt` and the names of the tests;",
        "a test fails if it is out of date.",
        "",
        f"{len(table)} rows: {tested} tested, {later} later, {rest} dropped.",
        "",
    ]
    for letter, title in SECTIONS.items():
        lines += [
            f"## {letter}. {title}",
            "",
            "| row | what comes in | | tests |",
            "|---|---|---|---|",
        ]
        for row in table:
            if row.id.startswith(letter):
                names = "<br>".join(f"`{name}`" for name in tests.get(row.id, []))
                lines.append(f"| {row.id} | {row.words} | {_status(row)} | {names} |")
        lines.append("")
    return "\n".join(lines)


def _status(row: Row) -> str:
    text = row.fate or "tested"
    if row.more:
        text = f"tested; {row.more}"
    return re.sub(r"\b(later|also) ([0-9]+):", lambda m: f"{m[1]} ({m[2]}, {ISSUES[m[2]]}):", text)


def main(words: list[str]) -> int:
    """Write the page, or with --check say whether it would be another."""
    table, tests = rows(TABLE.read_text(encoding="utf-8")), tests_by_id(TESTS)
    wrong = faults(table, tests)
    made = page(table, tests)
    if not wrong and "--check" in words:
        if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != made:
            wrong = [f"{PAGE.name} is out of date: python -m tests.bad_inputs.coverage"]
    elif not wrong:
        PAGE.write_text(made, encoding="utf-8")
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
