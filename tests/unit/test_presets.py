"""Presets say every rule, give every figure a source, and their brackets are the published ones."""

from __future__ import annotations

import msgspec
import pytest

import ordercascade as oc
from ordercascade import presets
from ordercascade.config import LiquidationConfig, OracleConfig, Rules, VenueConfig
from ordercascade.data.brackets import schedule
from ordercascade.exact import Exact

BTC = oc.Market("BTCUSDT", tick_size="0.1", lot_size="0.001", settle="USDT", decimals=6)
# The maintenance amounts ("cum") that Binance printed for 2024-07, in USDT.
PRINTED = {
    "BTCUSDT": [
        0,
        50,
        950,
        11_450,
        131_450,
        481_450,
        2_981_450,
        14_481_450,
        26_481_450,
        41_481_450,
        121_481_450,
        421_481_450,
    ],
    "ETHUSDT": [
        0,
        50,
        950,
        11_450,
        131_450,
        381_450,
        2_006_450,
        9_506_450,
        17_506_450,
        27_506_450,
        80_506_450,
        280_506_450,
    ],
}


def test_the_presets_there_are() -> None:
    assert presets.names() == ("binance-usdm", "simple")


@pytest.mark.parametrize("name", presets.names())
def test_a_preset_says_every_rule(name: str) -> None:
    preset = presets.load(name)
    unsaid = [field for field in Rules.__struct_fields__ if getattr(preset, field) is None]
    assert unsaid == ["ordering"]
    for field in ("fund", "adl", "fees", "oracle"):
        table = getattr(preset, field)
        missing = [key for key in table.__struct_fields__ if getattr(table, key) is None]
        assert missing in ([], ["index"])


@pytest.mark.parametrize("name", presets.names())
def test_every_figure_of_a_preset_has_its_source_beside_it(name: str) -> None:
    lines = presets.text(name).splitlines()
    commented = False
    for line in lines:
        assert len(line) <= 110
        if line.startswith("#"):
            commented = True
        elif not line or line.startswith("["):
            commented = commented and bool(line)
        elif not line.startswith(("about", " ", "]", "BTCUSDT", "ETHUSDT")):
            assert commented or "#" in line or name == "simple", line


@pytest.mark.parametrize("symbol", sorted(PRINTED))
def test_maintenance_amounts_are_computed_and_equal_the_printed_ones(symbol: str) -> None:
    rows = schedule(BTC, presets.load("binance-usdm").brackets[symbol], "brackets")
    assert [amount for _, _, amount, _ in rows] == [cum * 10**6 for cum in PRINTED[symbol]]


def test_initial_margin_is_one_over_leverage_rounded_up() -> None:
    rows = schedule(BTC, presets.load("binance-usdm").brackets["BTCUSDT"], "brackets")
    assert [initial for *_, initial in rows[:4]] == [8_000, 10_000, 13_334, 20_000]


def test_a_venue_overrides_single_keys_of_its_preset() -> None:
    venue = VenueConfig(name="v", preset="binance-usdm", liquidation_fee=Exact("0.01"))
    filled = presets.complete(venue)
    assert filled.liquidation_fee == Exact("0.01")
    assert filled.limit == "bankruptcy"
    assert filled.liquidation == (LiquidationConfig(kind="full"),)


def test_an_ordering_is_spelt_as_its_two_keys() -> None:
    filled = presets.complete(VenueConfig(name="v", ordering="price_time"))
    assert (filled.mark_refresh, filled.queue) == ("order", "trigger_price")


def test_another_oracle_means_that_source_whole() -> None:
    """The preset's weight of 0 belongs to its index; it must not silence a venue's own book."""
    venue = VenueConfig(name="v", preset="binance-usdm", oracle=OracleConfig(kind="last"))
    assert presets.complete(venue).oracle == OracleConfig(kind="last", own_book_weight=Exact(1))


def test_an_unknown_preset_is_refused_with_the_nearest_name() -> None:
    venue = VenueConfig(name="v", preset="binance-usd")
    with pytest.raises(oc.ConfigError, match=r"venue\[3\]\.preset: .*'binance-usdm'"):
        presets.complete(venue, path="venue[3]")


def test_completing_twice_changes_nothing() -> None:
    once = presets.complete(VenueConfig(name="v", preset="binance-usdm"))
    assert presets.complete(once) == once
    assert msgspec.structs.asdict(once)["ordering"] is None
