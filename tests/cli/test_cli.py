"""The command as a user meets it: what it prints where, what it writes, how it ends."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ordercascade import cli
from ordercascade.errors import MechanismError, MissingExtraError, SnapshotError

pytest.importorskip("ordercascade.core.world")

COMMAND = [sys.executable, "-m", "ordercascade"]
# The package may be found by a relative path; the commands run elsewhere.
PACKAGE = Path(cli.__file__).resolve().parent.parent
HERE = {k: v for k, v in os.environ.items() if k != "NO_COLOR"} | {"PYTHONPATH": str(PACKAGE)}
BAD = """\
schema = 1
name = "bad"
[[venue]]
name = "v"
[[venue.market]]
name = "M"
tick_size = "0.1"
lot_size = "1"
settle = "USD"
decimals = {decimals}
"""


def command(
    *words: str, cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    return subprocess.run(
        [*COMMAND, *words],
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=cwd,
        env=HERE | environment,
        timeout=120,
    )


def program(text: str, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the command after a few lines that spoil its surroundings."""
    text = f"import sys\n{text}\nfrom ordercascade.cli import main\nraise SystemExit(main())"
    return subprocess.run(
        [sys.executable, "-c", text, *words],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=HERE,
        timeout=120,
    )


# Results.


def test_run_prints_a_table_in_people_s_units() -> None:
    done = command("run", "t2a")
    assert (done.returncode, done.stderr) == (0, "")
    for line in (
        r"^t2a, seed 0$",
        r"^  liquidations +3  orders$",
        r"^  last mark +95  USD  -5\.00 %$",
        r"^  liquidated +45  lots$",
        r"^  liquidated, value +4,355  USD$",
        r"^  stopped +nobody at risk$",
        r"^state hash [0-9a-f]{32}$",
    ):
        assert re.search(line, done.stdout, re.MULTILINE), (line, done.stdout)
    assert "\x1b" not in done.stdout
    numbers = {re.split(r"\S  ", line[2:].strip())[0] for line in done.stdout.splitlines()}
    assert len(numbers) > 20


def test_json_is_exactly_the_summary() -> None:
    import ordercascade

    done = command("run", "t2a", "--json")
    found = json.loads(done.stdout)
    wanted = ordercascade.run(ordercascade.scenarios.load("t2a")).summary()
    spent = {"wall_s", "engine_s", "cpu_s"}
    assert list(found) == list(wanted)
    assert {k: v for k, v in found.items() if k not in spent} == {
        k: v for k, v in wanted.items() if k not in spent
    }


def test_out_writes_summary_tape_and_picture(tmp_path: Path) -> None:
    from ordercascade import Tape

    done = command("run", "t2a", "-o", "a/b", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stderr == f"wrote summary.json, tape.oct, cascade.png to a/b{os.sep}\n"
    out = tmp_path / "a" / "b"
    assert sorted(path.name for path in out.iterdir()) == [
        "cascade.png",
        "summary.json",
        "tape.oct",
    ]
    summary = json.loads((out / "summary.json").read_text())
    assert Tape.load(out / "tape.oct").state_hash() == summary["state_hash"]
    assert summary["state_hash"] in done.stdout


def test_html_writes_the_page_of_the_run_where_it_is_asked_to(tmp_path: Path) -> None:
    done = command("run", "t2a", "--html", "t2a.html", "--json", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stderr == "wrote t2a.html: open it in a browser\n"
    assert json.loads(done.stdout)["state_hash"] in (tmp_path / "t2a.html").read_text("utf-8")
    again = command("run", "t2a", "--html", "again.html", "--quiet", cwd=tmp_path)
    assert again.stderr == ""
    assert (tmp_path / "t2a.html").read_bytes() == (tmp_path / "again.html").read_bytes()


@pytest.mark.parametrize("place", ["nowhere/page.html", "."])
def test_a_page_that_cannot_be_written_is_refused_before_the_run(
    tmp_path: Path, place: str
) -> None:
    done = command("run", "t2a", "--html", place, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--html: must be a file in a folder that is there" in done.stderr


def test_bad_K11_markup_in_a_name_is_refused_and_in_a_note_it_is_text(tmp_path: Path) -> None:
    """BAD_INPUTS K11, D15; the page has two scripts, its data and its code."""
    word = "</script><script>alert(1)</script><!--"
    for key, code in (("name", 2), ("about", 0)):
        change = f'{key}="{word}"'
        done = command("run", "t2a", "--set", change, "--html", f"{key}.html", cwd=tmp_path)
        assert done.returncode == code
    assert not (tmp_path / "name.html").exists()
    page = (tmp_path / "about.html").read_text("utf-8")
    assert (page.count("<script"), page.count("</script"), page.count("<!--")) == (2, 2, 0)
    assert "\\u003c/script\\u003e\\u003cscript\\u003ealert(1)" in page


def test_quiet_leaves_stderr_empty(tmp_path: Path) -> None:
    assert command("run", "t2a", "-o", "x", "--quiet", cwd=tmp_path).stderr == ""


def test_demo_tells_the_story_and_says_where_its_files_are(tmp_path: Path) -> None:
    done = command("demo", cwd=tmp_path)
    assert done.returncode == 0
    at = [done.stdout.index(words) for words in ("an outside order", "Generation 1:", "Where it")]
    assert at == sorted(at)
    assert "nobody is at risk any more" in done.stdout
    wrote = "wrote summary.json, tape.oct, cascade.html, cascade.png to demo"
    assert done.stderr == f"{wrote}{os.sep}\n"
    page = (tmp_path / "demo" / "cascade.html").read_text("utf-8")
    assert page.startswith("<!doctype html>")
    assert 'id="data">{"version":' in page
    assert (tmp_path / "demo" / "cascade.png").stat().st_size > 20_000


def test_demo_as_json_goes_to_the_folder_that_is_named(tmp_path: Path) -> None:
    done = command("demo", "-o", "there", "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["scenario"] == "btc-cascade"
    assert json.loads((tmp_path / "there" / "summary.json").read_text()) == json.loads(done.stdout)


def test_story_may_be_asked_for_with_a_run() -> None:
    done = command("run", "short-squeeze", "--story")
    assert "bought back" in done.stdout
    assert "state hash" in done.stdout


def test_set_and_seed_change_the_scenario() -> None:
    done = command("run", "t2a", "--set", "shock.size=5", "--seed", "42", "--json")
    summary = json.loads(done.stdout)
    assert (summary["seed"], summary["liquidations"], summary["last_mark"]) == (42, 0, 100)


def test_the_same_run_has_the_same_hash_in_another_process() -> None:
    hashes = {
        json.loads(command("run", "two-market-cross", "--json", PYTHONHASHSEED=seed).stdout)[
            "state_hash"
        ]
        for seed in ("1", "2")
    }
    assert len(hashes) == 1


def test_check_validates_and_writes_nothing(tmp_path: Path) -> None:
    done = command("check", "btc-cascade", cwd=tmp_path)
    assert done.returncode == 0
    assert "ok (btc-cascade: 1 venue, 1 market, 2,000 accounts)" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_schema_is_json() -> None:
    found = json.loads(command("schema").stdout)
    assert "VenueConfig" in found["$defs"]


def test_help_lists_the_verbs_and_the_exit_codes_and_loads_nothing_heavy(tmp_path: Path) -> None:
    done = program("import atexit\natexit.register(lambda: print('numpy' in sys.modules))",
                   "--help", cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0
    for word in ("run", "check", "demo", "lab", "schema", "130 interrupted"):
        assert word in done.stdout
    assert done.stdout.endswith("False\n")


def test_version_is_the_package_s() -> None:
    from ordercascade import __version__

    assert command("--version").stdout == f"ordercascade {__version__}\n"


# How it ends.


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        ([], ["VERB"]),
        (["sweep"], ["invalid choice: 'sweep'"]),
        (["run"], ["SCENARIO"]),
        (["run", "t2a", "--seed", "x"], ["--seed: invalid int value: 'x'"]),
        (["run", "t2c"], ["SCENARIO: must be a file or a shipped scenario", "'t2b'", "got 't2c'"]),
        (["run", "t2a", "--seed", "-1"], ["seed: must be int >= 0, got -1"]),
        (["run", "t2a", "--set", "seed"], ["must be key=value", "got 'seed'"]),
        (
            ["run", "t2a", "--set", "venue.market.tick_size=x"],
            ["t2a.toml: venue[0].market[0].tick_size: must be a plain decimal", "got 'x'"],
        ),
        (
            ["check", "t2a", "--set", "venue.mraket=1"],
            ["t2a.toml: venue[0].mraket: unknown key 'mraket'; did you mean 'market'?"],
        ),
    ],
)
def test_bad_usage_and_bad_keys_end_with_2(words: list[str], parts: list[str]) -> None:
    done = command(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
    for part in parts:
        assert part in done.stderr


def test_a_wrong_file_is_named_with_key_path_rule_and_value(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text(BAD.format(decimals=0))
    done = command("check", "bad.toml", cwd=tmp_path)
    assert done.returncode == 2
    assert "bad.toml" in done.stderr
    assert "decimals" in done.stderr
    assert "the smallest decimals that work are 1, got 0" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_toml_that_cannot_be_parsed_names_the_line(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("schema = 1\nname = \n")
    done = command("run", "bad.toml", cwd=tmp_path)
    assert done.returncode == 2
    assert "bad.toml: line 2" in done.stderr


def test_an_out_folder_that_is_a_file_is_refused_before_the_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = command("run", "t2a", "-o", "file", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "-o: must be a folder that can be made" in done.stderr


def test_without_matplotlib_the_run_succeeds_and_says_which_extra_draws(tmp_path: Path) -> None:
    for verb in (["run", "t2a", "-o", "demo"], ["demo"]):
        done = program("sys.modules['matplotlib'] = None", *verb, cwd=tmp_path)
        assert done.returncode == 0
        assert done.stdout
        line, wrote = done.stderr.splitlines()
        assert "cascade.png was not drawn" in line
        assert "pip install 'ordercascade[plot]'" in line
        page = ", cascade.html" if verb == ["demo"] else ""
        assert wrote == f"wrote summary.json, tape.oct{page} to demo{os.sep}"
        assert not (tmp_path / "demo" / "cascade.png").exists()


def test_a_part_that_the_scenario_needs_and_that_is_missing_ends_with_5(tmp_path: Path) -> None:
    book = 'book = { file = "book.parquet", format = "neutral-l2" }\n'
    (tmp_path / "real.toml").write_text(BAD.format(decimals=1) + book)
    (tmp_path / "book.parquet").write_bytes(b"PAR1")
    done = program("sys.modules['pyarrow'] = None", "run", "real.toml", cwd=tmp_path)
    assert done.returncode == 5
    assert "pyarrow is not installed: pip install 'ordercascade[data]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_our_own_bug_ends_with_1_and_says_how_to_report_it(tmp_path: Path) -> None:
    spoil = (
        "from importlib import import_module\n"
        "def boom(*a, **k): raise RuntimeError('no such luck')\n"
        "import_module('ordercascade.run').run = boom"
    )
    done = program(spoil, "run", "t2a", cwd=tmp_path)
    assert done.returncode == 1
    for part in ("RuntimeError: no such luck", "a bug in ordercascade", "Please report it"):
        assert part in done.stderr


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (SnapshotError("x.oct", "is damaged"), 4, "x.oct: is damaged"),
        (MissingExtraError("dask", "cluster"), 5, "pip install 'ordercascade[cluster]'"),
        (MechanismError("Mine", "plan", "returned rubbish", round=3), 2, "Mine.plan"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (OSError(28, "No space left on device", "tape.oct"), 1, "tape.oct: No space left"),
    ],
)
def test_each_kind_of_failure_has_its_code(
    error: BaseException,
    code: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(_: object) -> int:
        raise error

    monkeypatch.setattr(cli, "_run", fail)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    assert cli.main(["run", "t2a"]) == code
    found = capsys.readouterr()
    assert words in found.err
    assert found.out == ""


# Pipes and terminals.


def test_bad_K15_a_reader_that_stops_reading_is_no_error_and_costs_no_file(tmp_path: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "demo"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path, env=HERE
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        said = running.stderr.read().decode()
    assert running.returncode == 0
    assert said == f"wrote summary.json, tape.oct, cascade.html, cascade.png to demo{os.sep}\n"
    assert (tmp_path / "demo" / "tape.oct").exists()


def test_bad_K15_a_stdout_that_was_never_open_is_no_error(tmp_path: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", '"$@" >&-', "sh", *COMMAND, "run", "t2a", "-o", "x", "--quiet"],
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        env=HERE,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert (tmp_path / "x" / "summary.json").exists()


def on_terminal(**environment: str) -> str:
    """Run the demo's verb on a terminal of 80 columns and return what it shows."""
    ours, its = pty.openpty()
    done = subprocess.Popen(
        [*COMMAND, "run", "t2a", "--story", "--quiet"],
        stdout=its,
        stderr=its,
        env=HERE | environment,
    )
    os.close(its)
    shown = b""
    try:
        while piece := os.read(ours, 65536):
            shown += piece
    except OSError:
        pass  # Linux says EIO when the other end is closed.
    os.close(ours)
    assert done.wait(timeout=120) == 0
    return shown.decode()


def test_a_terminal_gets_bold_headings_unless_it_says_no() -> None:
    assert "\x1b[1mGeneration 1:" in on_terminal(TERM="xterm")
    assert "\x1b" not in on_terminal(TERM="xterm", NO_COLOR="1")
    assert "\x1b" not in on_terminal(TERM="dumb")


def test_a_terminal_without_unicode_still_gets_the_text(tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "run", "t2a", "--story"],
        capture_output=True,
        env=HERE | {"PYTHONIOENCODING": "ascii"},
        timeout=120,
    )
    assert done.returncode == 0
    assert b"mark 100 ? 99" in done.stdout
