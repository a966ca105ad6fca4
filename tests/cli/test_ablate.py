"""`ordercascade ablate`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ordercascade import cli

pytest.importorskip("ordercascade.core.world")


def test_a_table_is_printed_for_a_shipped_scenario(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--safeguard", "fund=50", "--safeguard", "social", "--seeds", "1"]
    assert cli.main(["ablate", "btc-cascade", *asked]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert lines[0] == "Safeguards of btc-cascade"
    assert lines[1].split()[:3] == ["R", "liquidated,", "USDT"]
    assert [line.split("  ")[0] for line in lines[2:8]] == [
        "baseline", "fund", "social", "all", "all but fund", "all but social",
    ]  # fmt: skip
    assert lines[8] == "switched: fund=50, social=on"


def test_json_has_means_and_differences_with_intervals(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--seeds", "3", "--safeguard", "fund", "--json", "--method", "bootstrap"]
    assert cli.main(["ablate", "poisson-ladder", *asked]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["seeds"] == [5, 6, 7]
    assert found["method"] == "bootstrap"
    r = found["columns"][0]["r"]["mean"]
    assert r["low"] <= r["mean"] <= r["high"]


def test_processes_give_the_same_text(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["ablate", "poisson-ladder", "--seeds", "2", "--safeguard", "fund"]
    assert cli.main(command) == 0
    alone = capsys.readouterr().out
    assert cli.main([*command, "--jobs", "2"]) == 0
    assert capsys.readouterr().out == alone


def test_a_picture_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    place = tmp_path / "safeguards.png"
    command = ["ablate", "t2a", "--seeds", "1", "--safeguard", "fund", "--picture", str(place)]
    assert cli.main(command) == 0
    assert place.read_bytes()[:4] == b"\x89PNG"
    assert f"wrote {place}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (["t2a", "--jobs", "0"], "--jobs: must be in [1, 256], got 0"),
        (["t2a", "--seeds", "0"], "--seeds: must be 1 or more, got 0"),
        (["t2a", "--safeguard", "fond"], "safeguards must be one of"),
        (["t2a", "--safeguard", "limit=off"], "limit must be 'on'"),
        (["t2a", "--safeguard", "social=no"], "social must be 'on'"),
        (["t2a", "--safeguard", "planner=none"], "when off; give one of equal, almgren_chriss"),
        (["t2a", "--safeguard", "adl=queue"], "when off; give one of pro_rata, scope_id"),
        (["t2a", "--safeguard", "twap=0"], "when off; give window in seconds, such as 60"),
        (["t2a", "--safeguard", "tranches="], "must be a plain decimal such as '0.1'"),
        (["t2a", "--safeguard", "fund", "--safeguard", "fund=5"], "must name each safeguard once"),
        (["t2a", "--safeguard", "fund=lots"], "cannot be had here"),
        (["t2a", "--picture", "nowhere/x.png"], "--picture: must be a file in a folder"),
        (["t2a", "--picture", "x.bmp"], "--picture: must end in .png, .svg or .pdf"),
        (["t2b-"], "SCENARIO: must be a file or a shipped scenario"),
    ],
)
def test_a_wrong_call_is_refused(
    asked: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["ablate", *asked]) == cli.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert says in err
