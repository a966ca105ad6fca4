"""Every recorded book of the shared folder, by the checks that `check.py` runs over any folder."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from data import check
from data.matching import OLDER, OTHER, SMALL, matched
from data.recordings import Check, check_folder
from ordercascade.data import recorded
from ordercascade.data.forms import OrderRows, joined

pytest.importorskip("pyarrow")

NVDA = "l3_nvda_2010-06-08.csv.gz"
BITSTAMP = "l3_bitstamp_btcusd_2015-05-01_a.parquet"
BINANCE = [
    "l2_binance-um_btcusdt_2024-08-08.parquet",
    "l2_binance-cm_btcusd_perp_2024-08-08.parquet",
]
BYBIT = "l2_bybit-inverse_btcusd_2021-04-17.parquet"


@pytest.fixture(scope="module")
def checks(shared: Path) -> list[Check]:
    return list(check_folder(shared / "data"))


def of(checks: list[Check], file: str) -> dict[str, object]:
    return {found.name: found.got for found in checks if found.file == file}


def test_no_check_of_any_file_is_wrong(checks: list[Check]) -> None:
    assert [found for found in checks if found.ok is False] == []
    assert {found.file for found in checks} >= {NVDA, BITSTAMP, *BINANCE, BYBIT}
    told = {found.name for found in checks if found.got == "not computed here"}
    assert told <= {"messages.empty_depth"}


def test_nvda_equals_the_golden_book_order_by_order(checks: list[Check]) -> None:
    """And the figures that the R package's vignette prints, at 10,000 messages."""
    found = of(checks, NVDA)
    assert found["orders equal to .book_at_5000.csv.gz"] == "2449 of 2449"
    assert found["exec_cancel_or_replace_records.n"] == 790
    assert found["exec_cancel_or_replace_records.best"] == 788
    assert found["exec_cancel_or_replace_records.front"] == 751
    assert found["crossed_events"] == 0
    assert found["checkpoints"] == "4 equal"


def test_bitstamp_equals_the_exchanges_snapshots(checks: list[Check]) -> None:
    found = of(checks, BITSTAMP)
    assert found["snapshot_check.n"] == 2706
    assert int(str(found["snapshot_check.best_bid_match"])) >= 2651
    assert int(str(found["snapshot_check.best_ask_match"])) >= 2702
    assert found["snapshot_check.crossed"] == 0


def test_bitstamps_orders_make_its_trades_in_our_book(shared: Path) -> None:
    """Of 331 reported trades 300 have a fill of the same price and size within two seconds; the
    other 31 follow from orders older than the recording, and one from a restated size."""
    rows = joined(OrderRows, recorded.neutral_orders(shared / "data" / BITSTAMP))
    found = matched(rows)
    assert (found.trades, found.agreed) == (331, 300)
    assert found.reasons == {OLDER: 27, OTHER: 3, SMALL: 1}


@pytest.mark.parametrize("file", BINANCE)
def test_binances_top_of_book_is_its_bookticker_always(checks: list[Check], file: str) -> None:
    found = of(checks, file)
    assert found["equal"] == found["compared_with_bookTicker"] == found["book_updates"]
    assert found["crossed"] == 0


def test_bybit_has_no_unknown_ids(checks: list[Check]) -> None:
    found = of(checks, BYBIT)
    assert (found["unknown_ids"], found["levels after each message"]) == (0, "25+25")


def test_the_checks_find_a_book_that_is_wrong(
    shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One size of one order is changed: 2,448 of 2,449 orders are equal."""
    for name in ("l3_nvda_2010-06-08.expected.json", "l3_nvda_2010-06-08.book_at_5000.csv.gz"):
        (tmp_path / name).write_bytes((shared / "data" / name).read_bytes())
    text = gzip.decompress((shared / "data" / NVDA).read_bytes()).decode()
    spoilt = text.replace(
        ",A,30606932,920091,111200,2200,BID", ",A,30606932,920091,111200,2201,BID"
    )
    assert spoilt != text
    (tmp_path / NVDA).write_bytes(gzip.compress(spoilt.encode()))
    assert check.main([str(tmp_path)]) == 1
    printed = capsys.readouterr().out
    assert "WRONG  orders equal to .book_at_5000.csv.gz" in printed
    assert "2448 of 2449   (wanted 2449)" in printed


def test_a_folder_without_recordings_is_no_success(tmp_path: Path) -> None:
    (tmp_path / "notes.csv").write_text("a,b\n")
    assert check.main([str(tmp_path)]) == 1


def test_a_file_that_cannot_be_read_is_a_wrong_line_not_a_crash(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "l2_x.parquet").write_bytes(b"PAR1")
    (tmp_path / "l3_y.csv").write_text("a,b\n")
    assert check.main([str(tmp_path)]) == 1
    assert capsys.readouterr().out.count("WRONG  can be read") == 2
