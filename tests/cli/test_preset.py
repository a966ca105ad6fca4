"""`ordercascade preset`: the rules of the venues, listed, shown and compared."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from ordercascade import cli, presets


@pytest.fixture
def lacking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let drift be a venue that cannot be run: every shipped one can."""
    read = presets._read
    drift = msgspec.structs.replace(presets.load("drift"), not_yet=("a second moon",))
    monkeypatch.setattr(presets, "_read", lambda name: drift if name == "drift" else read(name))


@pytest.mark.usefixtures("lacking")
def test_list_names_every_preset_and_what_it_lacks(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["preset", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if not line.startswith(" ")] == list(presets.names())
    at = next(index for index, line in enumerate(lines) if line.startswith("drift "))
    assert "cannot be run yet, the engine lacks: a second moon" in lines[at + 1]
    at = next(index for index, line in enumerate(lines) if line.startswith("vega "))
    assert "a run differs: risk factors are numbers of the market's schedule" in lines[at + 1]


def test_show_prints_the_file_with_its_sources(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["preset", "show", "okx"]) == 0
    assert capsys.readouterr().out == presets.text("okx")


def test_diff_prints_only_what_differs(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["preset", "diff", "bybit-linear", "bybit-inverse"]) == 0
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["bybit-linear", "bybit-inverse"],
        ["contract", "linear", "inverse"],
        ["fee_in_trigger", "no", "bankruptcy"],
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["show", "okex"], "NAME: is no preset; did you mean 'okx'?"),
        (["diff", "okx", "simpel"], "did you mean 'simple'?"),
        (["diff", "okx", "simple"], "is no venue's and has no record"),
        ([], "usage"),
    ],
)
def test_a_wrong_name_ends_with_2(
    capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert cli.main(["preset", *words]) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert said.out == ""


@pytest.mark.usefixtures("lacking")
def test_a_scenario_of_a_venue_that_cannot_be_run_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "s.toml"
    file.write_text('schema = 1\nname = "s"\n[[venue]]\nname = "v"\npreset = "drift"\n', "utf-8")
    assert cli.main(["check", str(file)]) == 2
    assert (
        "venue[0].preset: cannot be run yet, the engine lacks: a second" in capsys.readouterr().err
    )
