"""Bracket files as exchanges print them: Binance USD-M and COIN-M, and ccxt's form."""

from __future__ import annotations

import csv
import gzip
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

import ordercascade as oc
from ordercascade.data.brackets import Bracket, read_brackets, read_exchange_brackets, schedule
from ordercascade.exact import Exact

KEYS = ("notionalFloor", "notionalCap", "maintMarginRatio", "initialLeverage", "cum")
ROWS = [(0, 50000, 0.004, 125, 0), (50000, 250000, 0.005, 100, 50), (250000, 10**6, 0.01, 50, 1300)]
WANT = tuple(
    Bracket(floor=Exact(floor), maintenance=Exact(str(rate)), leverage_max=leverage)
    for floor, _, rate, leverage, _ in ROWS
)


def binance(rows: Any = ROWS, symbol: str = "BTCUSDT") -> list[dict[str, Any]]:
    brackets = [{"bracket": n} | dict(zip(KEYS, row, strict=True)) for n, row in enumerate(rows, 1)]
    return [{"symbol": "X", "brackets": []}, {"symbol": symbol, "brackets": brackets}]


def ccxt(rows: Any = ROWS) -> dict[str, list[dict[str, Any]]]:
    return {
        "BTC/USDT:USDT": [
            {
                "tier": n,
                "currency": "USDT",
                "minNotional": floor,
                "maxNotional": cap,
                "maintenanceMarginRate": rate,
                "maxLeverage": leverage,
                "info": {"cum": str(cum)},
            }
            for n, (floor, cap, rate, leverage, cum) in enumerate(rows, 1)
        ]
    }


def written(path: Path, tree: Any) -> Path:
    file = path / "brackets.json"
    file.write_text(tree if isinstance(tree, str) else json.dumps(tree), "utf-8")
    return file


def test_both_forms_give_the_same_brackets(tmp_path: Path) -> None:
    assert read_exchange_brackets(written(tmp_path, binance()), symbol="BTCUSDT") == WANT
    one = binance()[1]
    assert read_exchange_brackets(written(tmp_path, one), symbol="BTCUSDT") == WANT
    assert read_exchange_brackets(written(tmp_path, ccxt()), symbol="BTC/USDT:USDT") == WANT


def test_a_packed_file_reads_alike(tmp_path: Path) -> None:
    file = tmp_path / "b.json.gz"
    file.write_bytes(gzip.compress(json.dumps(binance()).encode()))
    assert read_exchange_brackets(file, symbol="BTCUSDT") == WANT


def test_coin_margined_brackets_are_in_coin(tmp_path: Path) -> None:
    """COIN-M, level 2 of the worked example: 5 BTC at 0.5 % after 0.4 %: 0.005 BTC."""
    rows = [(0, 5, 0.004, 125, 0), (5, 10, 0.005, 100, 0.005)]
    text = json.dumps(binance(rows, "BTCUSD")).replace("notionalFloor", "qtyFloor")
    file = written(tmp_path, text.replace("notionalCap", "qtyCap"))
    found = read_exchange_brackets(file, symbol="BTCUSD")
    assert [bracket.floor for bracket in found] == [0, 5]


def test_a_last_tier_may_have_no_end(tmp_path: Path) -> None:
    rows = [*ROWS[:2], (250000, None, 0.01, 50, 1300)]
    assert read_exchange_brackets(written(tmp_path, ccxt(rows)), symbol="BTC/USDT:USDT") == WANT


def changed(at: int, field: int, value: Any) -> list[tuple[Any, ...]]:
    rows = [list(row) for row in ROWS]
    rows[at][field] = value
    return [tuple(row) for row in rows]


@pytest.mark.parametrize(
    ("rows", "rule"),
    [
        (changed(1, 0, 60000), r"[1].floor: tiers[1] starts at 60000, previous ends at 50000"),
        (changed(1, 0, 40000), r"[1].floor: tiers[1] starts at 40000, previous ends at 50000"),
        (changed(0, 0, 10), r"[0].floor: tiers[0] starts at 10, previous ends at 0"),
        (changed(1, 1, 50000), r"[1].cap: tiers[1] ends before it starts"),
        (changed(1, 1, None), r"[2].floor: tiers[1] has no end, so nothing may follow"),
        (changed(2, 2, 0.004), r"[2].rate: tiers[2] asks less than the one before"),
        (changed(2, 4, 1299), r"[2].amount: tiers[2] is not continuous: amount must be 1300"),
        (changed(2, 3, 0), r"[2].leverage: must be a whole number in [1, 1000], got '0'"),
        (changed(2, 3, 12.5), r"[2].leverage: must be a whole number in [1, 1000]"),
        (changed(2, 2, None), r"[2].rate: must be there"),
        (changed(2, 2, "x"), r"[2]: maintMarginRatio must be a plain decimal"),
        (changed(2, 2, True), r"[2]: maintMarginRatio must be a decimal string"),
        (changed(2, 2, -1), r"[2].rate: must not be negative"),
        ([], r": must have at least one tier"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_key_path(
    tmp_path: Path, rows: Any, rule: str
) -> None:
    names = dict(zip((".floor", ".cap", ".rate", ".leverage", ".amount"), KEYS, strict=True))
    want = rule
    for short, name in names.items():
        want = want.replace(f"]{short}:", f"].{name}:")
    with pytest.raises(oc.DataFileError) as caught:
        read_exchange_brackets(written(tmp_path, binance(rows)), symbol="BTCUSDT")
    assert "brackets.json: [1].brackets" + want in str(caught.value)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ('{"a": [], "a": []}', "duplicate key 'a'"),
        ('[{"brackets": [{"notionalFloor": NaN}]}]', "must hold finite numbers"),
        ("[1", "is no JSON"),
        ('{"BTCUSDTX": []}', "did you mean 'BTCUSDTX'"),
        ("[]", "has no brackets of 'BTCUSDT'"),
        ("3", "must be a list of symbols"),
        ("[3]", r"\[0\]: must have 'brackets'"),
        ('[{"symbol": "BTCUSDT", "brackets": 3}]', "must be a list of tiers"),
        ('{"BTCUSDT": [3]}', r"BTCUSDT\[0\]: must be an object"),
        ("[" * 10**5, "is no JSON"),
        ("\xff", "has no brackets|is no JSON|UTF-8"),
    ],
)
def test_what_is_no_bracket_file_is_refused(tmp_path: Path, text: str, rule: str) -> None:
    with pytest.raises(oc.DataFileError, match=rule):
        read_exchange_brackets(written(tmp_path, text), symbol="BTCUSDT")


@pytest.mark.parametrize("as_of", ["2022-04", "2024-07", "2025-09", "2026-09"])
def test_the_lines_of_real_tables_meet_at_every_edge(shared: Path, as_of: str) -> None:
    """Binance at four dates: the schedule's own amounts, to the unit; the printed ones to 0.05."""
    file = shared / "data" / "margin_binance-um_tiers.csv.gz"
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        printed = [row for row in csv.DictReader(lines) if row["as_of"] == as_of]
    market = oc.Market("X", tick_size=1, lot_size=1, settle="USDT", decimals=6)
    edges = 0
    for symbol in sorted({row["symbol"] for row in printed})[::40]:
        rows = schedule(market, read_brackets(file, symbol=symbol, as_of=as_of), "b")
        table = oc.margin.Schedule.tiers(rows)
        mine = [row for row in printed if row["symbol"] == symbol]
        for row, (floor, *_) in zip(mine, rows, strict=True):
            assert abs(table.amount(floor) - Fraction(row["cum"]) * 10**6) <= 50_000
            if floor:
                under, over = table.rates(floor - 1)[1], table.rates(floor)[1]
                step = table.amount(floor) - table.amount(floor - 1)
                assert floor * (over - under) == step * 10**12
                edges += 1
    assert edges > 3
