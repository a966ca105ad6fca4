"""What an ablation switches: each safeguard alone, all together, all but one, and none of them.

A safeguard is what `ordercascade.safeguards` lists; a module that registers another one there
finds it here. Values: the scenario's own where the safeguard is on, else its default.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from ordercascade.config import ScenarioConfig, VenueConfig
from ordercascade.errors import InputError, InputTypeError, OrderCascadeError
from ordercascade.safeguards import Safeguard, safeguards
from ordercascade.scenario import Scenario
from ordercascade.toml import nearest

Asked: TypeAlias = "Mapping[str, str | None] | Iterable[str] | None"

BASELINE, ALL = "baseline", "all"


@dataclass(frozen=True)
class Switch:
    """A safeguard with its value when on, and when off (None, or for a choice its default)."""

    name: str
    label: str
    on: str
    off: str | None


@dataclass(frozen=True)
class Column:
    """One set of rules: which switches are on, and the scenario's keys under them."""

    name: str
    on: tuple[str, ...]
    config: ScenarioConfig


def switches(scenario: Scenario, asked: Asked = None) -> tuple[tuple[Switch, ...], dict[str, str]]:
    """Return the switches of an ablation, and by name why others are left out.

    `asked` names safeguards, or gives values by name (None: its own or its default); by default
    every one that is registered, and those that this scenario cannot have are left out. One that
    was asked for and cannot be had is an InputError.
    """
    known = {each.name: each for each in safeguards()}
    wanted = _wanted(asked, known)
    found: list[Switch] = []
    left: dict[str, str] = {}
    for name, value in wanted.items():
        try:
            switch = _switch(known[name], scenario, value)
            _keys(scenario, (switch,), frozenset((name,)))
            _keys(scenario, (switch,), frozenset())
        except OrderCascadeError as error:
            if asked is not None:
                rule = f"cannot be had here: {error}"
                raise InputError(f"safeguards.{name}", value, rule) from None
            left[name] = str(error)
        else:
            found.append(switch)
    return tuple(found), left


def columns(
    scenario: Scenario, chosen: tuple[Switch, ...]
) -> tuple[tuple[Column, ...], dict[str, str]]:
    """Return the columns, the baseline first, and by name why a combination cannot be had."""
    names = [switch.name for switch in chosen]
    sets = {BASELINE: frozenset[str]()}
    sets |= {name: frozenset((name,)) for name in names}
    if len(names) > 1:
        sets[ALL] = frozenset(names)
        sets |= {f"{ALL} but {name}": frozenset(names) - {name} for name in names}
    made: list[Column] = []
    left: dict[str, str] = {}
    for name, on in sets.items():
        try:
            config = _keys(scenario, chosen, on)
        except OrderCascadeError as error:
            if name == BASELINE:
                raise
            left[name] = str(error)
        else:
            made.append(Column(name, tuple(each for each in names if each in on), config))
    return tuple(made), left


def _wanted(asked: Asked, known: Mapping[str, Safeguard]) -> dict[str, str | None]:
    if asked is None:
        return dict.fromkeys(known)
    if isinstance(asked, str):
        raise InputTypeError("safeguards", "names in a list, or values by name", "str")
    wanted = dict(asked) if isinstance(asked, Mapping) else dict.fromkeys(asked)
    for name, value in wanted.items():
        if name not in known:
            rule = f"must be one of {', '.join(known)}{nearest(str(name), sorted(known))}"
            raise InputError("safeguards", name, rule)
        if value is not None and not isinstance(value, str):
            raise InputTypeError(f"safeguards.{name}", "a str such as '0.2', or None", value)
    return wanted


def _switch(safeguard: Safeguard, scenario: Scenario, value: str | None) -> Switch:
    own = next((said for venue in scenario.resolved.venue if (said := safeguard.read(venue))), None)
    if safeguard.kind != "choice":
        return Switch(safeguard.name, safeguard.label, value or own or safeguard.default, None)
    off = safeguard.default
    on = value or (own if own not in (None, off) else None)
    if on is None:
        on = next(choice for choice in safeguard.choices if choice != off)
    return Switch(safeguard.name, f"{safeguard.label}: {on}", on, off)


def _keys(scenario: Scenario, chosen: tuple[Switch, ...], on: frozenset[str]) -> ScenarioConfig:
    """Return a scenario's keys with some switches on and the others off, judged."""
    known = {each.name: each for each in safeguards()}
    venues = []
    for venue in scenario.resolved.venue:
        for switch in chosen:
            value = switch.on if switch.name in on else switch.off
            venue = _set(venue, known[switch.name], value)
        venues.append(venue)
    config = msgspec.structs.replace(scenario.resolved, venue=tuple(venues))
    return Scenario(config, base=scenario.base, file=scenario.file).config


def _set(venue: VenueConfig, safeguard: Safeguard, value: str | None) -> VenueConfig:
    """Return the venue with a safeguard at a value; one that is there already changes nothing."""
    return venue if safeguard.read(venue) == value else safeguard.set(venue, value)
