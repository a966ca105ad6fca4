"""Presets say every rule, give every figure a source, and their brackets are the published ones."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

import ordercascade as oc
from ordercascade import presets, toml
from ordercascade.config import (
    LiquidationConfig,
    OracleConfig,
    PresetConfig,
    Rules,
    VenueConfig,
)
from ordercascade.data.brackets import schedule
from ordercascade.exact import Exact
from ordercascade.stagekeys import StageRules

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


STAGED = (
    *(
        "binance-coinm",
        "binance-usdm",
        "bitmex",
        "bybit-inverse",
        "bybit-linear",
        "deribit",
        "drift",
        "dydx-v4",
        "hyperliquid",
        "okx",
        "synthetix-v3",
        "vega",
    ),
)
RUNNABLE = tuple(sorted((*STAGED, "simple")))
VENUES = STAGED


def test_the_presets_there_are() -> None:
    assert presets.names() == RUNNABLE
    assert presets.runnable() == RUNNABLE


def test_every_venue_has_a_record_and_says_what_the_engine_lacks() -> None:
    for name in presets.names():
        preset = presets.load(name)
        assert (preset.record is None) == (name == "simple")
        assert bool(preset.not_yet) == (name not in RUNNABLE)
        assert bool(preset.differs) == (name in STAGED)


def test_a_preset_that_the_engine_cannot_run_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All that are shipped run; one that says what it lacks would not."""
    lacking = msgspec.structs.replace(presets.load("okx"), not_yet=("a second moon",))
    monkeypatch.setattr(presets, "_read", lambda name: lacking)
    venue = VenueConfig(name="v", preset="okx")
    rule = "cannot be run yet, the engine lacks: a second moon, got 'okx'"
    with pytest.raises(oc.ConfigError, match=rule):
        presets.complete(venue, path="venue[0]")
    with pytest.raises(oc.ConfigError, match=f"preset: {rule}"):
        oc.Venue("okx", [BTC])


def of_record(name: str) -> list[tuple[str, str]]:
    """Return (line, source) of every key of a record; the source stands beside or above it."""
    lines = presets.text(name).split("[record]\n")[1].splitlines()
    return [
        (line, line.partition(" # ")[2] or before.strip().removeprefix("# "))
        for before, line in pairwise(["", *lines])
        if not line.lstrip().startswith(("#", "]")) and not line.endswith(("= [", "= []"))
    ]


@pytest.mark.parametrize("name", VENUES)
def test_every_key_of_a_record_has_its_source(name: str) -> None:
    found = of_record(name)
    assert len(found) == len(presets.record(name).rows())
    for line, source in found:
        assert re.search(r"[a-z§.\]]", source) and not re.match(r"[a-z_.]+ = ", source), line


@pytest.mark.parametrize("name", VENUES)
def test_the_sources_are_those_of_the_specification(name: str, shared: Path) -> None:
    spec = (shared / "spec" / "MARGIN.md").read_text("utf-8").split("## 12. Sources")[1]
    cited = set(
        re.findall(r"\b[A-Z]{1,2}[0-9]\b", " ".join(source for _, source in of_record(name)))
    )
    for tag in cited:
        family, number = tag.rstrip("0123456789"), tag[-1]
        # Ranges: D1-D4, SX1/SX2.
        ranges = re.findall(rf"\b{family}([0-9])-{family}([0-9])", spec)
        assert tag in spec or any(low <= number <= high for low, high in ranges), tag
    assert cited


def test_a_record_that_leaves_a_key_open_is_refused() -> None:
    """Each key is said or listed; neither twice nor misspelt."""
    text = presets.text("okx")
    for old, new, rule in (
        ('  "tranche.min", ', '  # "tranche.min", ', "must say 'tranche.min', or list it"),
        ('"tranche.min"', '"tranche.mn"', "'tranche.mn' is no key of a record"),
        ('"tranche.min"', '"tranche.mode"', "'tranche.mode' is said and stands in a list"),
        ('"tranche.min"', '"takeover.threshold"', "stands in two lists"),
        ("tranche.mode", "tranche.mood", "unknown key 'mood'"),
        ('"tier_down"', '"tier_up"', "tier_down"),
    ):
        assert old in text
        raw = toml.loads(text.replace(old, new, 1), file="okx.toml")
        with pytest.raises(oc.ConfigError, match=rule):
            toml.build(raw, PresetConfig, file="okx.toml")


def test_two_records_differ_where_they_say_so() -> None:
    found = {key: (mine, its) for key, mine, its in presets.differences("okx", "bybit-linear")}
    assert found["mm_base"] == ("mark", "entry")
    assert found["adl.price"] == ("mark", "bankruptcy")
    assert found["tranche.cooldown_s"] == ("60", "absent")
    assert "limit_price.mode" not in found
    assert presets.differences("okx", "okx") == []


def test_a_schedule_is_made_with_what_the_preset_says() -> None:
    """Bybit isolated, 20,000 at 50x: liquidated at 19,700, for maintenance is at entry."""
    schedule = oc.margin.Schedule.flat(
        maintenance_ppm=5_000, initial_ppm=10_000, **presets.options("bybit-linear")
    )
    assert oc.margin.liquidation_price(schedule, 1, 20_000, 400) == 19_700
    assert presets.options("okx") == {"base": "mark", "strict": False, "fee_base": "mark"}
    with pytest.raises(oc.ConfigError, match="has no record"):
        presets.options("simple")


@pytest.mark.parametrize("name", RUNNABLE)
def test_a_preset_says_every_rule(name: str) -> None:
    preset = presets.load(name)
    unsaid = {field for field in Rules.__struct_fields__ if getattr(preset, field) is None}
    # Said in one of two ways; levels are one venue's own; the rest are a scenario's.
    unsaid -= {"ordering", "levels", "breaker", "surcharge", "margin_calls", "haircut_impact"}
    unsaid -= {"fee_at"}  # At the mark, where nothing else is said.
    if preset.record is None or preset.record.gates.withdrawal is None:
        unsaid -= {"gates"}  # They stand where the record knows of any.
    for pair in ({"liquidation", "tranche"}, {"limit", "limit_price"}):
        assert len(unsaid & pair) == 1
        unsaid -= pair
    assert unsaid == (set(StageRules.__struct_fields__) & unsaid if name == "simple" else set())
    for field in ("fund", "adl", "fees", "oracle"):
        table = getattr(preset, field)
        missing = {key for key in table.__struct_fields__ if getattr(table, key) is None}
        stages = {"scope", "price", "overlap_check"} if name == "simple" else set()
        if field == "oracle":  # A memory of prices is an oracle's own; without one there is none.
            missing &= {"kind", "own_book_weight"}
        trigger = {"drawdown", "window_s"} if preset.adl.trigger != "fund_drawdown" else set()
        assert missing <= {"block_loss_cap", "position_cap", "balances"} | trigger | stages


@pytest.mark.parametrize("name", RUNNABLE)
def test_every_figure_of_a_preset_has_its_source_beside_it(name: str) -> None:
    lines = presets.text(name).split("[record]")[0].splitlines()
    commented = False
    for line in lines:
        assert len(line) <= 110
        if line.startswith("#"):
            commented = True
        elif not line or line.startswith("["):
            commented = commented and bool(line)
        elif not line.startswith(("about", "differs", " ", "]", "BTCUSDT", "ETHUSDT")):
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
