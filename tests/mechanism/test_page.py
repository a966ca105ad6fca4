"""docs/mechanisms.md names every word that a scenario may use, and its switches work."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import ordercascade as oc
from mechanism.table import words_of
from ordercascade import brakes, surcharges
from ordercascade.config import AdlConfig, BreakerConfig, LiquidationConfig, OracleConfig
from ordercascade.keys import Strict
from ordercascade.stagekeys import LimitConfig, SurchargeConfig, TrancheConfig
from ordercascade.venuekeys import PluginConfig

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "mechanisms.md").read_text("utf-8")
SWITCHES = sorted(set(re.findall(r"`([a-z0-9-]+) --set ([^`]+)`", PAGE)))
TABLES: list[tuple[type[Strict], str]] = [
    (OracleConfig, "kind"),
    (BreakerConfig, "kind"),
    (BreakerConfig, "release"),
    (LiquidationConfig, "kind"),
    (TrancheConfig, "mode"),
    (LimitConfig, "mode"),
    (AdlConfig, "rule"),
    (SurchargeConfig, "kind"),
]


@pytest.mark.parametrize(("config", "key"), TABLES, ids=lambda each: str(each))
def test_every_word_of_a_key_stands_in_the_page(config: Any, key: str) -> None:
    for word in words_of(config, key) - {"at_once"}:  # what a breaker does that says nothing
        assert f'"{word}"' in PAGE, word
    for name in config.__struct_fields__ if key == "kind" else ():
        assert re.search(rf"\b{name}\b", PAGE), name


def test_every_hook_of_a_plug_in_stands_in_the_page() -> None:
    for word in words_of(PluginConfig, "hook"):
        assert f"`{word}`" in PAGE, word


@pytest.mark.parametrize("room", [brakes, surcharges], ids=lambda room: room.__name__)
def test_what_a_kind_needs_stands_in_its_row(room: Any) -> None:
    """The row of the last table: | kind | needs | may |."""
    for kind, needed in room.NEEDED.items():
        ((needs, may),) = re.findall(rf"^\|.*\| {kind} \| (.*?) \| (.*?) \|$", PAGE, re.MULTILINE)
        assert set(needs.split(", ")) == needed, kind
        for key in room.ALLOWED[kind] - needed - surcharges.VOLATILE - brakes.PAUSE:
            assert key in may, (kind, key)


@pytest.mark.parametrize(("name", "change"), SWITCHES, ids=lambda part: part[:60])
def test_a_switch_of_the_page_is_a_scenario_that_differs(name: str, change: str) -> None:
    assert oc.scenarios.load(name, change).config_hash() != oc.scenarios.load(name).config_hash()


def test_the_page_has_switches() -> None:
    assert len(SWITCHES) >= 20
