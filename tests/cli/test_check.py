"""`ordercascade run --check` and `ordercascade check TAPE`: what is said, and how it ends."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import ordercascade as oc
from cli.test_cli import command, program
from ordercascade.replay.findings import CHECKS
from unit.audit_worlds import spoil

# The run is replaced by a tape on disk, so that it can be a wrong one.
INSTEAD = """
import ordercascade.cli as cli
from ordercascade import Tape
cli._tape = lambda scenario, out, quiet: Tape.load("wrong.oct")
"""


@pytest.fixture(scope="module")
def tape() -> oc.Tape:
    return oc.run(oc.scenarios.load("t2a"), progress=False)


def wrong(tape: oc.Tape, folder: Path) -> Path:
    """Save a tape whose second liquidation has a fee that nobody posted."""
    spoil(tape, "liquidations", 1, "fee", 7).save(folder / "wrong.oct")
    return folder / "wrong.oct"


def test_run_check_prints_the_summary_and_each_check_with_its_rows() -> None:
    done = command("run", "t2a", "--check", "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    assert "money check" in done.stdout
    assert "Audit of t2a: 8 steps played again from the opening" in done.stdout
    assert re.search(r"^  fills +9  ok +each fill is", done.stdout, re.MULTILINE)
    assert re.search(r"^  adl +0  - ", done.stdout, re.MULTILINE)
    assert done.stdout.endswith("Everything follows.\n")


def test_run_check_as_json_adds_one_key_to_the_summary() -> None:
    done = command("run", "t2a", "--check", "--json", "--quiet")
    plain = command("run", "t2a", "--json", "--quiet")
    found = json.loads(done.stdout)
    check = found.pop("check")
    assert found.keys() == json.loads(plain.stdout).keys()
    assert check["ok"] is True
    assert check["steps"] == 8
    assert check["gaps"] == []
    assert [each["name"] for each in check["checks"]] == list(CHECKS)
    assert all(each["failed"] == 0 and each["failures"] == [] for each in check["checks"])


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_run_whose_tape_contradicts_itself_ends_with_4_and_names_the_cell(
    tape: oc.Tape, tmp_path: Path, more: list[str]
) -> None:
    wrong(tape, tmp_path)
    done = program(INSTEAD, "run", "t2a", "--check", *more, cwd=tmp_path)
    assert done.returncode == 4
    cell = "liquidations[1].fee must be 0, got 7 (step 4)"
    assert f"the tape contradicts itself, check 'fees' first: {cell}" in done.stderr
    assert cell in done.stdout
    if more:
        assert json.loads(done.stdout)["check"]["ok"] is False
    else:
        assert re.search(r"^  fees +12  1 WRONG", done.stdout, re.MULTILINE)
        assert done.stdout.endswith("cells do not follow.\n")


def test_without_check_nothing_is_audited(tape: oc.Tape, tmp_path: Path) -> None:
    wrong(tape, tmp_path)
    done = program(INSTEAD, "run", "t2a", cwd=tmp_path)
    assert done.returncode == 0
    assert "Audit" not in done.stdout


@pytest.mark.parametrize("place", ["run.oct", "folder"])
def test_check_audits_a_saved_tape(tape: oc.Tape, tmp_path: Path, place: str) -> None:
    tape.save(tmp_path / place)
    done = command("check", place, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{oc.audit(tape)}\n"
    found = json.loads(command("check", place, "--json", cwd=tmp_path).stdout)
    assert found["ok"] is True


def test_check_of_a_wrong_tape_ends_with_4(tape: oc.Tape, tmp_path: Path) -> None:
    done = command("check", str(wrong(tape, tmp_path)))
    assert done.returncode == 4
    assert "check 'fees' first: liquidations[1].fee must be 0, got 7" in done.stderr


def test_check_of_a_damaged_archive_says_where(tape: oc.Tape, tmp_path: Path) -> None:
    place = tmp_path / "run.oct"
    tape.save(place)
    place.write_bytes(place.read_bytes()[:-1])
    done = command("check", str(place))
    assert done.returncode == 4
    assert "is short" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["missing.oct"], "SCENARIO: must be a tape that can be read"),
        (["run.oct", "--set", "seed=1"], "--set: must not be given with a tape"),
        (["t2a", "--json"], "--json: must not be given with a scenario"),
    ],
)
def test_check_refuses_what_makes_no_sense(
    tape: oc.Tape, tmp_path: Path, words: list[str], said: str
) -> None:
    tape.save(tmp_path / "run.oct")
    done = command("check", *words, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
