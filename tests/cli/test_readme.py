"""The README: what it shows runs, and what it names is there."""

from __future__ import annotations

import contextlib
import io
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ordercascade import Scenario, World, cli, scenarios

pytest.importorskip("ordercascade.core.world")

CLONE = Path(__file__).resolve().parents[2]
README = (CLONE / "README.md").read_text("utf-8")
PACKAGE = Path(cli.__file__).resolve().parent.parent


def test_the_python_example_runs_and_prints_what_it_says(tmp_path: Path) -> None:
    found = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert found is not None
    program = f"import sys; sys.path.insert(0, {str(PACKAGE)!r})\n{found[1]}"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")
    for promised in re.findall(r"print\(.*\) +# ([\[\d].*)", found[1]):
        assert promised in done.stdout
    assert (tmp_path / "run.oct").exists()


@pytest.mark.parametrize(("name", "count"), [("book", 8), ("criticality", 9)])
def test_a_page_of_the_docs_runs_and_prints_what_it_says(name: str, count: int) -> None:
    """A comment behind a print, or below it, is what that prints."""
    page = (CLONE / "docs" / f"{name}.md").read_text("utf-8")
    names: dict[str, object] = {}
    programs = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    for program in programs:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(program, f"docs/{name}.md", "exec"), names)
        promised = re.findall(r"^print\(.*\)(?:  |\n)# (.*)$", program, re.MULTILINE)
        assert len(promised) == program.count("print(")
        assert out.getvalue().splitlines() == promised
    assert len(programs) == count


def test_the_command_shown_for_safeguards_is_one_that_the_parser_knows() -> None:
    page = (CLONE / "docs" / "criticality.md").read_text("utf-8")
    shown = re.findall(r"^    ordercascade (ablate .*)$", page, re.MULTILINE)
    assert len(shown) == 1
    found = cli._parser().parse_args(shown[0].split())
    assert (found.seeds, found.jobs, str(found.picture)) == (100, 2, "safeguards.png")


def test_every_shipped_scenario_is_named() -> None:
    for name in scenarios.names():
        assert f"`{name}`" in README


def test_the_demo_shown_is_the_demo_that_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """Every line of the excerpt, so that a change of the scenario is pasted again."""
    found = re.search(r"```text\n(.*?)```", README, re.DOTALL)
    assert found is not None
    assert cli.main(["run", "btc-cascade", "--story", "--quiet"]) == 0
    told = capsys.readouterr().out.splitlines()
    missing = [line for line in found[1].splitlines() if line != "..." and line not in told]
    assert missing == []


def test_the_exit_codes_are_those_of_the_command() -> None:
    table = [int(code) for code in re.findall(r"^\| (\d+) \|", README, re.MULTILINE)]
    assert table == [0, 1, 2, 3, 4, 5, 130]
    for code in (cli.OK, cli.INTERNAL, cli.USAGE, cli.MISMATCH, cli.MISSING, cli.INTERRUPTED):
        assert code in table


def test_the_pictures_shown_are_there_and_small() -> None:
    shown = re.findall(r"!\[.+\]\((docs/pictures/.+\.png)\)", README)
    assert len(shown) == 3
    assert sorted(shown) == sorted(
        path.relative_to(CLONE).as_posix() for path in (CLONE / "docs" / "pictures").iterdir()
    )
    for name in shown:
        content = (CLONE / name).read_bytes()
        assert content[:4] == b"\x89PNG"
        assert len(content) < 300_000


def test_what_stands_around_the_rules_are_keys_that_a_scenario_takes() -> None:
    (found,) = (text for text in re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
                if "stETH" in text)  # fmt: skip
    (venue,) = Scenario.from_toml(f'schema = 1\nname = "s"\n{found}').venues
    assert {"calls", "gates", "breakers", "surcharges"} <= set(venue.guards())
    assert venue.markets[0].expiry is not None
    assert [each.name for each in venue.collaterals] == ["stETH"]
    for name in re.findall(r"`([a-z-]+)`", README.partition("`ordercascade run depeg --story`")[2])[
        :4
    ]:
        assert name in scenarios.names()


def test_the_stages_shown_are_keys_that_a_scenario_takes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    (found,) = (text for text in re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
                if "tranche" in text)  # fmt: skip
    read = Scenario.from_toml(f'schema = 1\nname = "s"\n{found}oracle = {{ index = 60_000 }}\n')
    (venue,) = read.venues
    assert {"rule", "tiers", "limit", "limit_all"} <= set(venue.staged.policy)
    assert {"takeover", "dispose_ppm", "takeover_cap_ppm"} <= set(venue.staged.stages)
    for words in (["run", "backstop-vault", "--story"], ["preset", "list"],
                  ["run", "backstop-vault", "--check"]):  # fmt: skip
        assert f"`ordercascade {' '.join(words)}`" in README
        assert cli.main([*words, "--quiet"][: len(words) + (words[0] == "run")]) == 0
        said = capsys.readouterr().out
        assert "takes over" in said or "a run differs" in said or "Everything follows." in said


def test_the_portfolio_that_is_shown_runs() -> None:
    (found,) = (text for text in re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
                if "[venue.portfolio]" in text)  # fmt: skip
    with World(Scenario.from_toml(f'schema = 1\nname = "s"\n{found}')) as world:
        venue = world.venue("perp")
        before = venue.mark("BTC-50000-P")
        world.run()
        assert before > 1
        assert venue.mark("BTC-50000-P") == 1  # it has ended, worth nothing


def test_the_account_with_two_legs_that_is_shown_opens_them() -> None:
    (found,) = (text for text in re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
                if "hedge = true" in text)  # fmt: skip
    market = """
[[venue.market]]
name = "BTCUSDT"
tick_size = "0.1"
lot_size = "0.01"
settle = "USDT"
decimals = 3
oracle = { index = 60_000 }
"""
    with World(Scenario.from_toml(f'schema = 1\nname = "s"\n{found}{market}')) as world:
        venue = world.venue("perp")
        legs = [venue.position("both-ways", "BTCUSDT", leg=leg) for leg in ("long", "short")]
        assert legs == [2, -1]
        world.run()
        # 2,000 and 1,000 of profit stand behind 180,000 in two legs: nobody is sold.
        assert world.tape().summary()["liquidations"] == 0
