"""Presets: one venue a file, every figure with its source beside it; a scenario overrides any key.

>>> runnable()[:3]
('binance-coinm', 'binance-usdm', 'bybit-linear')

A preset holds the venue's record (spec/MARGIN.md §11) and, where the engine can run it, the
engine's keys. What it cannot run yet is refused by name; its margin questions can be asked.
What a run does otherwise than the venue stands in `differs`.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from ordercascade import toml
from ordercascade.config import (
    AdlConfig,
    MarketConfig,
    OracleConfig,
    PresetConfig,
    Rules,
    VenueConfig,
)
from ordercascade.errors import ConfigError
from ordercascade.exact import Exact
from ordercascade.record import Record
from ordercascade.stagekeys import TakeoverConfig

R = TypeVar("R", bound=Rules)

ORDERINGS = {
    "block_batch": ("round", "scope_id"),
    "price_time": ("order", "trigger_price"),
    "worst_first": ("order", "margin_ratio"),
}
_HERE = Path(__file__).parent


def names() -> tuple[str, ...]:
    """Return the names of the shipped presets, sorted."""
    return tuple(sorted(path.stem for path in _HERE.glob("*.toml")))


def runnable() -> tuple[str, ...]:
    """Return the names of the presets that the engine can run."""
    return tuple(name for name in names() if not load(name).not_yet)


def text(name: str, *, path: str = "preset") -> str:
    """Return a preset's TOML text, with the sources in its comments."""
    if name not in names():
        raise ConfigError(path, f"is no preset{toml.nearest(name, names())}", name)
    return (_HERE / f"{name}.toml").read_text(encoding="utf-8")


def load(name: str, *, path: str = "preset") -> PresetConfig:
    """Return a preset; `path` is the key path for messages."""
    if name not in names():
        text(name, path=path)  # says what is wrong with the name
    return _read(name)


@cache
def _read(name: str) -> PresetConfig:
    """Read a shipped file once: a sweep asks for the same preset thousands of times."""
    file = f"{name}.toml"
    return toml.build(toml.loads(text(name), file=file), PresetConfig, file=file)


def complete(venue: VenueConfig, *, path: str = "venue") -> VenueConfig:
    """Return the venue with every rule said: its own, else the preset's; brackets included."""
    preset = load(venue.preset, path=f"{path}.preset")
    if preset.not_yet:
        rule = f"cannot be run yet, the engine lacks: {'; '.join(preset.not_yet)}"
        raise ConfigError(f"{path}.preset", rule, venue.preset)
    filled = _merged(_spelt(venue), _spelt(preset))
    markets = tuple(_market(preset, filled, market) for market in filled.market)
    return msgspec.structs.replace(filled, market=markets)


def record(name: str) -> Record:
    """Return the record of a venue's rules, by the keys of spec/MARGIN.md §11."""
    found = load(name).record
    if found is None:
        raise ConfigError("preset", "is no venue's and has no record", name)
    return found


def differences(first: str, second: str) -> list[tuple[str, str, str]]:
    """Return (key, first, second) for every key of two records that is not the same."""
    ours, theirs = record(first).rows(), record(second).rows()
    return [
        (key, mine, its) for (key, mine), (_, its) in zip(ours, theirs, strict=True) if mine != its
    ]


def options(name: str) -> dict[str, Any]:
    """Return what a preset says of every margin schedule: base, strict and, with a fee, its base.

    Give them to a `margin.Schedule` with the market's own figures and contract:
    `Schedule.tiers(rows, **presets.options("bybit-linear"))`.
    """
    found = record(name)
    said: dict[str, Any] = {"base": found.mm_base, "strict": found.trigger_strict}
    if found.fee_in_trigger in ("mark", "bankruptcy"):
        said["fee_base"] = found.fee_in_trigger
    for key, value in said.items():
        if value is None:
            raise ConfigError(f"preset.{key}", "is not known of this venue", name)
    return said


def _spelt(rules: R) -> R:
    """Spell a named ordering as its mark_refresh and queue."""
    if rules.ordering is None:
        return rules
    refresh, queue = ORDERINGS[rules.ordering]
    return msgspec.structs.replace(rules, ordering=None, mark_refresh=refresh, queue=queue)


def _merged(venue: VenueConfig, preset: PresetConfig) -> VenueConfig:
    said: dict[str, object] = {}
    for field in Rules.__struct_fields__:
        own, given = getattr(venue, field), getattr(preset, field)
        said[field] = _over(own, given)
    for one, other in (("liquidation", "tranche"), ("limit", "limit_price")):
        # Two ways to say one thing: the venue's own word, in either way, is the one that holds.
        for mine, theirs in ((one, other), (other, one)):
            if getattr(venue, mine) is not None:
                said[theirs] = None
    return msgspec.structs.replace(venue, **said)


def _market(preset: PresetConfig, venue: VenueConfig, market: MarketConfig) -> MarketConfig:
    """Give a market the venue's oracle and the preset's margin where it names none."""
    if market.option is not None:
        return market  # An option has neither.
    brackets, schedule = market.brackets, market.schedule
    if brackets is None and schedule is None:
        schedule = preset.schedule.get(market.name, preset.schedule.get("default"))
        brackets = preset.brackets.get(market.name, preset.brackets.get("default"))
        if schedule is not None:
            brackets = None
    oracle = _over(market.oracle, venue.oracle)
    return msgspec.structs.replace(market, brackets=brackets, schedule=schedule, oracle=oracle)


def _over(own: object, given: object) -> object:
    """Return `own` with its gaps filled from `given`, one table deep."""
    if not isinstance(own, msgspec.Struct) or not isinstance(given, msgspec.Struct):
        return given if own is None else own
    said = {field: getattr(own, field) for field in own.__struct_fields__}
    said = {field: value for field, value in said.items() if value is not None}
    if isinstance(own, OracleConfig) and own.kind is not None:
        # The weight belongs to the kind: who names another source means that source, whole.
        said.setdefault("own_book_weight", Exact(own.kind != "index"))
    if isinstance(own, AdlConfig) and own.trigger not in (None, getattr(given, "trigger", None)):
        said |= {key: said.get(key) for key in ("drawdown", "window_s")}  # The trigger's keys.
    mode = getattr(own, "mode", None)
    if mode is not None and mode != getattr(given, "mode", None):
        return own  # Another mode: the keys of the preset's would not fit it.
    if isinstance(own, TakeoverConfig) and own.when not in (None, getattr(given, "when", None)):
        said.setdefault("threshold", None)  # It belongs to the preset's `when`.
    return msgspec.structs.replace(given, **said)
