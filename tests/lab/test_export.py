"""The standalone page as a file: one, the same every time, and nothing a name says is markup."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ordercascade as oc
from bench_lab import deep
from lab import random_runs
from ordercascade.errors import InputError
from ordercascade.lab import gather
from ordercascade.lab.export import export_html, html_of

HOSTILE = "</script><script>document.title = 'broken'</script><img src=x onerror=alert(1)>&<!--"


def tape_of(name: str, *changes: str) -> oc.Tape:
    return oc.run(oc.scenarios.load(name, *changes), progress=False)


def payload(page: str) -> dict:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def unpacked(packed: dict) -> np.ndarray:
    """Read a column as the page does."""
    found = np.frombuffer(base64.b64decode(packed["data"]), dtype=f"<{packed['type']}")
    found = found.astype(np.float64)
    return np.cumsum(found) if packed["diff"] else found


@given(st.lists(st.integers(-(2**53), 2**53), max_size=40))
def test_a_column_comes_back_as_it_was(values: list[int]) -> None:
    assert unpacked(gather.pack(np.array(values, dtype=np.int64))).tolist() == values


@pytest.mark.parametrize(
    ("values", "kind", "diff"),
    [
        ([0, -128, 127], "i1", False),
        ([100, 101, 102, 10_000_000], "i4", False),
        ([70_000, 70_001, 70_002], "i4", False),
        ([300, 310, 320, 330], "i2", False),
        ([2**40, 5], "f8", False),
        ([100, 200, 300], "i1", True),
        ([], "i1", False),
    ],
)
def test_a_column_takes_the_smallest_type(values: list[int], kind: str, diff: bool) -> None:
    """[100, 200, 300] needs 16 bits; its differences 100, 100, 100 need 8."""
    packed = gather.pack(np.array(values, dtype=np.int64))
    assert (packed["type"], packed["diff"]) == (kind, diff)


def test_the_same_tape_gives_the_same_bytes_in_another_process(tmp_path: Path) -> None:
    place = tmp_path / "page.html"
    export_html(tape_of("two-market-cross"), place)
    program = (
        "import sys, ordercascade as oc\n"
        "from ordercascade.lab.export import export_html\n"
        "tape = oc.run(oc.scenarios.load('two-market-cross'), progress=False)\n"
        "export_html(tape, sys.argv[1])"
    )
    src = Path(oc.__file__).resolve().parent.parent
    env = os.environ | {"PYTHONHASHSEED": "7", "PYTHONPATH": str(src)}
    again = tmp_path / "again.html"
    subprocess.run([sys.executable, "-c", program, str(again)], check=True, env=env, timeout=120)
    assert place.read_bytes() == again.read_bytes()


def test_the_page_names_no_address_and_allows_none() -> None:
    page = html_of(tape_of("t2a"))
    assert "default-src 'none'" in page
    assert re.findall(r"(?:https?:)?//[\w.-]+\.\w+|@import|<link|src=", page) == []


def test_bad_K11_names_cannot_leave_their_place() -> None:
    """A scenario refuses such names; a tape from a file may hold any."""
    clean = html_of(tape_of("t2a"))
    page = html_of(random_runs.renamed(tape_of("t2a"), HOSTILE))
    for word in ("<script", "</script", "<img", "<!--"):
        assert page.count(word) == clean.count(word), word
    run = payload(page)["runs"][0]
    assert run["name"] == run["about"] == run["market"] == HOSTILE
    assert any(HOSTILE in name for name in run["scopes"]["names"])


def test_a_market_may_be_chosen_and_a_wrong_one_is_refused() -> None:
    tape = tape_of("two-market-cross")
    chosen = {name: payload(html_of(tape, market=name))["runs"][0] for name in ("ALPHA", "BETA")}
    assert [run["market"] for run in chosen.values()] == ["ALPHA", "BETA"]
    assert chosen["ALPHA"]["levels"] != chosen["BETA"]["levels"]
    with pytest.raises(InputError, match="market must be one of ALPHA, BETA, got 'GAMMA'"):
        html_of(tape, market="GAMMA")


def test_two_runs_lie_in_one_page() -> None:
    found = payload(html_of(tape_of("t2a"), tape_of("t2a", "shock.size=7")))["runs"]
    assert [run["count"] for run in found] == [8, 1]


def test_500_steps_at_5000_levels_are_a_tenth_of_the_2_mb_allowed() -> None:
    tape = oc.run(oc.Scenario.from_toml(deep(5_000, accounts=500, shock=230)), progress=False)
    assert len(tape) >= 500
    assert len(tape.frame(-1).bids) == 5_000
    page = html_of(tape).encode()
    assert len(page) * 500 / len(tape) < 2_000_000 / 8


def test_a_run_too_long_for_a_page_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gather, "STEPS_MAX", 7)
    with pytest.raises(InputError, match="must have at most 7 steps for a page, got 8"):
        html_of(tape_of("t2a"))


def test_a_run_without_a_step_has_a_page() -> None:
    tape = tape_of("t2a", "shock=[]")
    assert len(tape) == 0
    assert payload(html_of(tape))["runs"][0]["count"] == 0


def test_nothing_but_numpy_is_needed() -> None:
    program = (
        "import sys\n"
        "for name in ('ipywidgets', 'bqplot', 'anywidget', 'traitlets', 'matplotlib', 'polars'):\n"
        "    sys.modules[name] = None\n"
        "import ordercascade as oc\n"
        "from ordercascade.lab.export import html_of\n"
        "print(len(html_of(oc.run(oc.scenarios.load('t2a'), progress=False))))"
    )
    src = Path(oc.__file__).resolve().parent.parent
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(src)},
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 50_000
