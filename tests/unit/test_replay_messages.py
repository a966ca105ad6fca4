"""`bench/replay_messages.py`: files of the recipe's records end as the recipe says they do."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

import ceiling
import replay_messages as replay

# What the recipe's README promises of its workloads, by the words of the reference's report.
ENDS = {
    "A": {
        "n_trades": 332087, "volume": 14604819, "notional": 1460502025327, "n_resting": 3004,
        "best_bid": 99999, "best_ask": 100000,
        "trade_digest": "21807c84d403d348", "book_digest": "7d9995ed67fecb92",
    },
    "B": {
        "n_trades": 85427, "volume": 4617849, "notional": 426518563716, "n_resting": 23609,
        "best_bid": 84680,
        "trade_digest": "73d5373ba7b4c0ed", "book_digest": "db0d8a5ec87647ff",
    },
    "D": {
        "n_trades": 471754, "volume": 20320743, "n_resting": 100009,
        "best_bid": 100005, "best_ask": 100006,
        "trade_digest": "2f148ef0faae9581", "book_digest": "4d98b38333b3de60",
    },
}  # fmt: skip


def write(path: Path, rows: list[tuple[int, int, int, int, int, int]]) -> Path:
    np.array(rows, replay.RECORD).tofile(path)
    return path


recipe = pytest.mark.skipif(
    not ceiling.RECIPE.is_dir() or not shutil.which("g++"),
    reason="no ../shared/recipes/book_bench here, or no g++",
)


@recipe
@pytest.mark.parametrize("name", ENDS)
def test_a_workload_of_the_recipe_ends_as_it_says(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The recipe's generator takes minutes for D, which only a long run asks for."""
    if name == "D" and int(os.environ.get("ORDERCASCADE_PROOF_OPS", "0")) < 3_000_000:
        pytest.skip("six minutes: ORDERCASCADE_PROOF_OPS=3000000 asks for workload D")
    records = ceiling.workload(tmp_path, name)
    expected = records.with_suffix(".ref.txt")
    assert replay.main([str(records), "--repeat", "1", "--json", "--expect", str(expected)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {word: told["end"][word] for word in ENDS[name]} == ENDS[name]
    assert set(told["million_a_second"]) == {"external ids", "own ids", "own ids, 256 a call"}


@recipe
def test_a_deep_workload_ends_as_the_recipe_s_reference_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Workload D at a tenth of its size."""
    monkeypatch.setitem(ceiling.WORKLOADS, "d", ["A", "200000", "d", "43", "20000"])
    records = ceiling.workload(tmp_path, "d")
    expected = records.with_suffix(".ref.txt")
    assert replay.main([str(records), "--repeat", "1", "--json", "--expect", str(expected)]) == 0
    assert json.loads(capsys.readouterr().out)["end"]["n_resting"] > 10_000


def test_records_typed_by_hand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two bids; the second is cut to 2, the first is cancelled; an ask of 5 takes it and rests."""
    rows = [(1, 10, 5, 0, 0, 0), (2, 9, 4, 0, 0, 0), (2, 9, 2, 2, 0, 0), (1, 0, 0, 1, 0, 0),
            (3, 8, 5, 4, 1, 0), (4, 0, 1, 3, 0, 0), (1, 0, 0, 1, 0, 0)]  # fmt: skip
    assert replay.main([str(write(tmp_path / "hand.bin", rows)), "--repeat", "1", "--json"]) == 0
    end = json.loads(capsys.readouterr().out)["end"]
    assert end["n_trades"] == 2
    assert (end["volume"], end["notional"]) == (3, 2 * 9 + 1 * 8)
    assert (end["best_bid"], end["best_ask"]) == (0, 8)
    assert (end["n_resting"], end["rest_ask_qty"]) == (1, 2)
    assert end["trade_digest"] == replay.digest([2, 3, 9, 2, 3, 4, 8, 1])
    assert end["book_digest"] == replay.digest([3, 8, 2])


def test_what_is_no_file_of_records_is_refused_by_place(tmp_path: Path) -> None:
    short = tmp_path / "short.bin"
    short.write_bytes(os.urandom(17))
    with pytest.raises(SystemExit, match="17 bytes are no whole number of 16-byte records"):
        replay.main([str(short)])
    odd = write(tmp_path / "odd.bin", [(1, 10, 5, 0, 0, 0), (2, 10, 5, 5, 0, 0)])
    with pytest.raises(SystemExit, match="record 1 is none that can be replayed"):
        replay.main([str(odd)])


def test_another_end_than_expected_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = write(tmp_path / "one.bin", [(1, 10, 5, 0, 0, 0)])
    expected = tmp_path / "one.ref.txt"
    expected.write_text("N=1\nfinal: n_resting=2 best_bid=10\n")
    assert replay.main([str(records), "--repeat", "1", "--expect", str(expected)]) == 4
    assert "not as expected: {'n_resting': (1, 2)}" in capsys.readouterr().err
