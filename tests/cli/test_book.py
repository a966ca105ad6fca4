"""`ordercascade book`: the top of a recorded book at a time, and what is wrong with a recording."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from data import typed
from data.typed import put
from ordercascade import bookview, cli
from ordercascade.data import show

BINANCE = ["--format", "binance", "--tick-size", "0.01", "--lot-size", "0.001"]


def test_the_formats_of_the_help_are_those_that_are_read() -> None:
    assert bookview.FORMATS == show.FORMATS
    assert tuple(sorted(show.DECIMAL)) == bookview.DECIMAL


def test_the_top_is_printed_in_people_s_units_with_the_checks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = put(tmp_path, typed.BINANCE, "b.jsonl")
    assert cli.main(["book", str(place), *BINANCE]) == 0
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert lines[0] == "b.jsonl, binance, at 2023-11-14T22:13:20.200000000Z"
    assert [line.split() for line in lines[1:3]] == [
        ["bid", "size", "bid", "ask", "ask", "size"],
        ["2.5", "100", "100.02", "1"],
    ]
    assert "           1  messages older than their snapshot" in lines
    assert printed.err == ""


def test_a_time_cuts_the_recording(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = put(tmp_path, typed.BINANCE)
    for at in ("2023-11-14T22:13:20.150Z", "1700000000150000000"):
        assert cli.main(["book", str(place), *BINANCE, "--at", at, "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["asks"] == [[10001, 4000], [10002, 1000]]
        assert found["bids"] == [[10000, 2500]]
        assert found["checks"]["level updates applied"] == 3
    assert cli.main(["book", str(place), *BINANCE, "--at", "1"]) == 2
    assert "has no row by 1 ns; the first row is at 1700000000000" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("form", "text", "steps", "best"),
    [
        ("bitmex", typed.BITMEX, ["0.5", "1"], "26902.5"),
        ("bybit", typed.BYBIT, ["0.5", "1"], "3001.5"),
        ("hyperliquid", typed.HYPERLIQUID, ["1", "0.01"], "37003"),
        ("tardis-incremental", typed.TARDIS, ["0.5", "1"], "6425.5"),
        ("tardis-snapshot", typed.TARDIS_SNAPSHOTS, ["0.01", "0.001"], "11657.09"),
        ("lobster", typed.LOBSTER_MESSAGES, [], "5853300"),
    ],
)
def test_every_format_can_be_shown(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    form: str,
    text: str,
    steps: list[str],
    best: str,
) -> None:
    given = ["--tick-size", steps[0], "--lot-size", steps[1]] if steps else []
    code = cli.main(["book", str(put(tmp_path, text)), "--format", form, *given])
    printed = capsys.readouterr().out
    assert best in printed.splitlines()[2]
    # The typed BitMEX file deletes an id that is not there: that is told by the exit code.
    assert code == (4 if form == "bitmex" else 0)
    assert ("WRONG" in printed) == (form == "bitmex")


def test_a_crossed_or_broken_recording_ends_with_4(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    crossed = typed.BINANCE.replace('"a":[["100.02","1.000"]]', '"a":[["99.50","1.000"]]')
    assert cli.main(["book", str(put(tmp_path, crossed)), *BINANCE]) == 4
    assert "2  messages that leave the book crossed   <- WRONG" in capsys.readouterr().out
    gap = typed.BINANCE.replace('"pu":105', '"pu":104')
    assert cli.main(["book", str(put(tmp_path, gap)), *BINANCE]) == 4
    assert "1  messages missing before another   <- WRONG" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--format", "binance"], "tick_size must be given: a binance file has decimals"),
        ([*BINANCE, "--levels", "0"], "--levels: must be 1 or more, got 0"),
        ([*BINANCE, "--at", "noon"], "at must be Unix nanoseconds or a UTC time"),
        ([*BINANCE, "--sha256", "00"], "sha256 differs"),
        ([*BINANCE, "--limit", "10"], "must have at most 10 bytes"),
        (["--format", "neutral-l2"], "must be a whole Parquet file"),
        (["--format", "id-keyed"], "must be a whole Parquet file"),
        (["--format", "neutral-l3"], "quotes are not read"),
        (["--format", "feather"], "invalid choice: 'feather'"),
        ([], "--format"),
    ],
)
def test_a_mistake_is_one_message_and_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert cli.main(["book", str(put(tmp_path, typed.BINANCE)), *words]) == 2
    printed = capsys.readouterr()
    assert said in printed.err and printed.out == ""


def test_a_missing_file_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["book", "nowhere.jsonl", *BINANCE]) == 2
    assert "FILE: must be a file that can be read: No such file" in capsys.readouterr().err


def test_a_real_book_is_shown_as_the_other_replay_has_it(
    shared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`book_at` of data.neutral sorts the whole file by update; here it streams by."""
    from ordercascade.data import neutral

    pytest.importorskip("pyarrow")
    place = shared / "data" / "l2_binance-um_btcusdt_2024-08-08.parquet"
    at = 1_723_161_300_000_000_000
    words = ["book", str(place), "--format", "neutral-l2", "--at", str(at), "--levels", "9999"]
    assert cli.main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    wanted = neutral.book_at(place, at)
    assert found["bids"] == wanted.bids.tolist()
    assert found["asks"] == wanted.asks.tolist()
