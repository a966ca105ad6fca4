"""The whole way on real input: Binance's recorded book and brackets, a sale, the cascade."""

from __future__ import annotations

from pathlib import Path

import pytest

import ordercascade as oc

pytest.importorskip("pyarrow")

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def scenario(shared: Path) -> oc.Scenario:
    data = shared.resolve() / "data"
    return oc.Scenario.load(
        HERE / "real-book.toml",
        f'book.file="{data}/l2_binance-um_btcusdt_2024-08-08.parquet"',
        f'brackets.file="{data}/margin_binance-um_tiers.csv.gz"',
    )


def test_the_recorded_book_stands_at_the_opening(scenario: oc.Scenario) -> None:
    plan = scenario.venues[0].markets[0]
    book = scenario.book(plan)
    assert book.bids[0] == (616_659, 1_949)
    assert book.asks[0] == (616_660, 4_566)
    assert len(book.bids) > 4_000
    assert len(scenario.accounts(scenario.venues[0])) == 300


def test_a_sale_sets_off_a_cascade_in_it(scenario: oc.Scenario) -> None:
    tape = oc.run(scenario, progress=False)
    summary = tape.summary()
    assert summary["first_mark"] == 616_659
    assert summary["accounts_liquidated"] >= 20
    assert summary["generations"] >= 3
    assert summary["last_mark"] < 612_000
    assert summary["money_check"] == {"USDT": 0}
    assert set(tape.meta["inputs"]) >= {"positions_btcusdt_2024-08-08.csv"}
    assert all(len(digest) == 64 for digest in tape.meta["inputs"].values())


def test_a_smaller_sale_liquidates_nobody(scenario: oc.Scenario) -> None:
    tape = oc.run(scenario.set("shock.notional=1000000"), progress=False)
    assert tape.summary()["liquidations"] == 0


def test_another_time_gives_another_book(scenario: oc.Scenario) -> None:
    other = scenario.set('book.at="2024-08-08T23:57:00Z"')
    book = other.book(other.venues[0].markets[0])
    assert book.bids[0] == (617_012, 1_440)
    assert other.config_hash() != scenario.config_hash()
