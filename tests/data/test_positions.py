"""Positions files: read strictly, and every refusal says file, row and column."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import pytest

import ordercascade as oc
from ordercascade.data.positions import Opening, read_positions

HERE = Path(__file__).parent
BTC = oc.Market("BTCUSDT", tick_size="0.1", lot_size="0.001", settle="USDT", decimals=6)
MARKETS = {"BTCUSDT": BTC}
HEADER = "account,market,side,size,entry_price,collateral,margin"
GOOD = "a,BTCUSDT,long,0.5,60000.1,3000,cross"


def read(tmp_path: Path, data: bytes | str, name: str = "p.csv") -> list[Opening]:
    path = tmp_path / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return read_positions(path, MARKETS)


def refused(tmp_path: Path, data: bytes | str, name: str = "p.csv") -> str:
    with pytest.raises(oc.DataFileError) as caught:
        read(tmp_path, data, name)
    assert type(caught.value) is oc.DataFileError
    assert str(caught.value).startswith(name)
    assert read(tmp_path, f"{HEADER}\n{GOOD}\n")
    return str(caught.value)


def test_rows_become_whole_numbers(tmp_path: Path) -> None:
    """0.5 BTC at 60,000.1 cost 30,000.05 USDT; a short costs minus that."""
    text = f"{HEADER}\n{GOOD}\nb,BTCUSDT,short,0.5,60000.1,0,isolated\n"
    assert read(tmp_path, text) == [
        Opening("a", "BTCUSDT", 500, 30_000_050_000, 3_000_000_000, False),
        Opening("b", "BTCUSDT", -500, -30_000_050_000, 0, True),
    ]


def test_leverage_gives_collateral_rounded_up(tmp_path: Path) -> None:
    header = "account,market,side,size,entry_price,leverage,margin"
    text = f"{header}\na,BTCUSDT,long,0.001,100,3,cross\n"
    assert read(tmp_path, text)[0].collateral == 33_334


def test_columns_may_come_in_any_order(tmp_path: Path) -> None:
    text = "side,account,market,margin,collateral,size,entry_price\nlong,a,BTCUSDT,cross,1,2,3\n"
    assert read(tmp_path, text) == [Opening("a", "BTCUSDT", 2000, 6_000_000, 1_000_000, False)]


@pytest.mark.parametrize(
    "number",
    ["1e400", "inf", "-0", "0x10", "1_000", "１２", "٣", " 7", "7 ", "+7", ".5", "5.", "", "nan"],
)
def test_bad_H01_only_plain_ascii_digits_are_numbers(tmp_path: Path, number: str) -> None:
    said = refused(tmp_path, f"{HEADER}\n{GOOD}\nb,BTCUSDT,long,1,{number},1,cross\n")
    assert "row 3, column 'entry_price'" in said


@pytest.mark.parametrize(
    "header",
    [
        "account,market,side,size,entry_price,margin",
        "account,market,side,size,entry_price,leverage,collateral,margin",
        "acount,market,side,size,entry_price,collateral,margin",
        "account,market,side,size,entry_price,collateral,margin,margin",
        "account;market;side;size;entry_price;collateral;margin",
    ],
)
def test_bad_H02_a_wrong_header_says_what_is_expected(tmp_path: Path, header: str) -> None:
    said = refused(tmp_path, f"{header}\n{GOOD}\n")
    assert "expected the columns account,market,side,size,entry_price,leverage,margin" in said
    assert "got" in said


def test_bad_H03_a_ragged_row_is_refused(tmp_path: Path) -> None:
    said = refused(tmp_path, f"{HEADER}\n{GOOD}\n{GOOD},x\n")
    assert "(row 3): row has 8 fields, 7 expected" in said


def test_bad_H04_a_nul_byte_is_refused(tmp_path: Path) -> None:
    assert "holds a NUL byte" in refused(tmp_path, f"{HEADER}\na\0,BTCUSDT\n")


def test_bad_H05_a_byte_order_mark_passes_other_encodings_do_not(tmp_path: Path) -> None:
    assert read(tmp_path, b"\xef\xbb\xbf" + f"{HEADER}\n{GOOD}\n".encode())
    assert "UTF-16" in refused(tmp_path, f"{HEADER}\n{GOOD}\n".encode("utf-16"))
    said = refused(tmp_path, f"{HEADER}\n{GOOD}\n".encode() + b"\xe9")
    assert f"byte {len(HEADER) + len(GOOD) + 2}" in said


def test_bad_H06_a_line_without_an_end_is_refused(tmp_path: Path) -> None:
    assert "line longer than 65536 bytes" in refused(tmp_path, HEADER + "\n" + "x" * 70_000)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_bad_H07_line_ends_are_all_alike_and_the_last_may_be_missing(
    tmp_path: Path, end: str
) -> None:
    text = end.join([HEADER, GOOD, GOOD.replace("a,", "b,", 1)])
    assert read(tmp_path, text) == read(tmp_path, text + end)
    assert "the file may be cut off" in refused(tmp_path, text[: -len(",3000,cross")])


def test_bad_H08_an_empty_file_is_refused_a_bare_header_is_not(tmp_path: Path) -> None:
    assert "is empty" in refused(tmp_path, b"")
    assert read(tmp_path, HEADER) == []


def test_bad_H10_decimal_commas_and_thousands_separators_get_a_hint(tmp_path: Path) -> None:
    said = refused(tmp_path, f"{HEADER}\na,BTCUSDT,long,0,5,60000,1,cross\n")
    assert "decimals take a point, thousands no separator" in said


def test_bad_H11_a_number_beyond_the_cells_is_refused(tmp_path: Path) -> None:
    for number in (str(2**63), str(2**64), "9" * 30):
        said = refused(tmp_path, f"{HEADER}\na,BTCUSDT,long,{number},1,1,cross\n")
        assert "row 2, column 'size'" in said


def test_quotes_are_not_read(tmp_path: Path) -> None:
    assert "(row 2): quotes are not read" in refused(tmp_path, f'{HEADER}\n"{GOOD}"\n')


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("a,ETHUSDT,long,1,1,1,cross", "column 'market'): must be a market of the venue (BTCUSDT)"),
        ("a,BTCUSDT,buy,1,1,1,cross", "column 'side'): must be long or short, got 'buy'"),
        ("a,BTCUSDT,long,1,1,1,hedge", "column 'margin'): must be cross or isolated"),
        ("a,BTCUSDT,long,0,1,1,cross", "column 'size'): must be in"),
        ("a,BTCUSDT,long,0.0001,1,1,cross", "column 'size'): must not be off lot: nearest are"),
        ("a,BTCUSDT,long,1,0,1,cross", "column 'entry_price'): must be above 0"),
        ("a,BTCUSDT,long,0.001,1.0001,1,cross", "must be a whole number of USDT units"),
        ("a,BTCUSDT,long,1,1,0.0000001,cross", "column 'collateral'): must not be finer"),
        ("=cmd|x,BTCUSDT,long,1,1,1,cross", "column 'account'): names must be"),
        ("a,BTCUSDT,short,1,1,1,cross", "has a position in 'BTCUSDT' already"),
    ],
)
def test_a_value_that_makes_no_position_is_refused(tmp_path: Path, row: str, said: str) -> None:
    found = refused(tmp_path, f"{HEADER}\n{GOOD}\n{row}\n")
    assert said in found
    assert "row 3" in found


@pytest.mark.parametrize("data", [b"PK\x03\x04", b"\x80\x04x", b"PAR1abc", b"\x93NUMPY"])
def test_bad_I08_a_file_of_another_kind_is_known_by_its_first_bytes(
    tmp_path: Path, data: bytes
) -> None:
    assert "must be CSV text, this is a" in refused(tmp_path, data)


def test_bad_I17_nothing_is_fetched_or_expanded() -> None:
    for place in ("http://example.org/p.csv", "file:///p.csv", "~/p.csv"):
        with pytest.raises(oc.DataFileError, match="nothing is fetched"):
            read_positions(Path(place), MARKETS)


def test_a_missing_file_keeps_its_own_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_positions(tmp_path / "none.csv", MARKETS)


def test_packed_text_reads_like_plain_text(tmp_path: Path) -> None:
    text = f"{HEADER}\n{GOOD}\n"
    assert read(tmp_path, gzip.compress(text.encode()), "p.csv.gz") == read(tmp_path, text)


def test_parquet_reads_like_text(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = {
        "account": ["a"],
        "market": ["BTCUSDT"],
        "side": ["long"],
        "size": [0.5],
        "entry_price": [60000.1],
        "collateral": [3000],
        "margin": ["cross"],
    }
    parquet.write_table(pyarrow.table(columns), tmp_path / "p.parquet")
    expected = read(tmp_path, f"{HEADER}\n{GOOD}\n")
    assert read_positions(tmp_path / "p.parquet", MARKETS) == expected
    columns["size"] = [float("nan")]
    parquet.write_table(pyarrow.table(columns), tmp_path / "p.parquet")
    with pytest.raises(oc.DataFileError, match=r"row 1, column 'size'\): must be finite"):
        read_positions(tmp_path / "p.parquet", MARKETS)
    columns["size"] = [True]
    parquet.write_table(pyarrow.table(columns), tmp_path / "p.parquet")
    with pytest.raises(oc.DataFileError, match=r"column 'size'\): is bool, want string or"):
        read_positions(tmp_path / "p.parquet", MARKETS)


def test_the_kept_file_is_what_its_script_makes() -> None:
    done = subprocess.run(
        [sys.executable, str(HERE / "make_positions.py"), "real"],
        capture_output=True,
        text=True,
        check=True,
    )
    place = HERE / "positions_btcusdt_2024-08-08.csv"
    assert done.stdout == place.read_text()
    assert len(read_positions(place, MARKETS)) >= 300
