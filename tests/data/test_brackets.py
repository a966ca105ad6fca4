"""Margin brackets: the published tables, and what is wrong with a table that is refused."""

from __future__ import annotations

import gzip
from itertools import pairwise
from pathlib import Path

import pytest

import ordercascade as oc
from ordercascade import presets
from ordercascade.data.brackets import COLUMNS, Bracket, read_brackets, schedule
from ordercascade.exact import Exact

BTC = oc.Market("BTCUSDT", tick_size="0.1", lot_size="0.001", settle="USDT", decimals=6)
FILE = "margin_binance-um_tiers.csv.gz"


def bracket(floor: str, maintenance: str, leverage: int) -> Bracket:
    return Bracket(floor=Exact(floor), maintenance=Exact(maintenance), leverage_max=leverage)


@pytest.mark.parametrize("symbol", ["BTCUSDT", "ETHUSDT"])
def test_the_preset_holds_the_table_of_2024_07(shared: Path, symbol: str) -> None:
    found = read_brackets(shared / "data" / FILE, symbol=symbol, as_of="2024-07")
    assert found == presets.load("binance-usdm").brackets[symbol]


def test_amounts_are_computed_to_the_unit_and_margin_is_continuous(shared: Path) -> None:
    found = read_brackets(shared / "data" / FILE, symbol="BTCUSDT", as_of="2025-09")
    rows = schedule(BTC, found, "brackets")
    for (_, below, amount, _), (floor, above, more, _) in pairwise(rows):
        assert floor * below - amount * 10**6 == floor * above - more * 10**6


def test_a_symbol_or_date_that_is_not_there_says_what_is(shared: Path) -> None:
    with pytest.raises(oc.DataFileError, match=r"as_of there is: 2022-04, 2024-07, 2025-09"):
        read_brackets(shared / "data" / FILE, symbol="BTCUSDT", as_of="2023-01")
    with pytest.raises(oc.DataFileError, match="as_of there is: none"):
        read_brackets(shared / "data" / FILE, symbol="NOPE", as_of="2024-07")


def table(path: Path, *rows: str) -> Path:
    text = "\n".join([",".join(COLUMNS), *(f"2024-07,X,USDT,{row}" for row in rows)]) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def test_a_plain_and_a_packed_table_read_alike(tmp_path: Path) -> None:
    rows = ("1,50,0,1000,0.01,0", "2,20,1000.0,9000,0.025,15.0")
    plain = read_brackets(table(tmp_path / "t.csv", *rows), symbol="X", as_of="2024-07")
    packed = read_brackets(table(tmp_path / "t.csv.gz", *rows), symbol="X", as_of="2024-07")
    assert plain == packed == (bracket("0", "0.01", 50), bracket("1000", "0.025", 20))


def test_an_amount_that_is_no_whole_number_of_units_is_refused() -> None:
    market = oc.Market("X", tick_size=1, lot_size=1, settle="USD", decimals=0)
    with pytest.raises(oc.ConfigError, match="must be a whole number of USD units"):
        schedule(market, [bracket("0", "0.01", 50), bracket("1001", "0.015", 20)], "b")


def test_a_rate_finer_than_a_ppm_is_refused() -> None:
    with pytest.raises(oc.ConfigError, match=r"b\[0\]\.maintenance: must not be finer than a ppm"):
        schedule(BTC, [bracket("0", "0.0000001", 50)], "b")


def test_bad_I01_a_packed_table_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv.gz", "1,50,0,1000,0.01,0")
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(oc.DataFileError, match=r"byte \d+\): compressed data ends early"):
        read_brackets(path, symbol="X", as_of="2024-07")


def test_bad_I02_a_packed_table_with_a_wrong_checksum_is_refused(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv.gz", "1,50,0,1000,0.01,0")
    data = bytearray(path.read_bytes())
    data[-6] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(oc.DataFileError, match="compressed data is damaged"):
        read_brackets(path, symbol="X", as_of="2024-07")


def test_a_scenario_takes_brackets_from_a_file(tmp_path: Path) -> None:
    table(tmp_path / "t.csv", "1,5,0,1000,0.1,0", "2,2,1000,9000,0.2,100")
    source = 'brackets={ file = "t.csv", as_of = "2024-07", symbol = "X" }'
    text = oc.scenarios.load("t2a").to_toml()
    line = next(line for line in text.splitlines() if line.startswith("brackets"))
    scenario = oc.Scenario.from_toml(text.replace(line, source), base=str(tmp_path))
    rows = scenario.venues[0].markets[0].arguments["brackets"]
    assert rows == [(0, 100_000, 0, 200_000), (1000, 200_000, 100, 500_000)]
