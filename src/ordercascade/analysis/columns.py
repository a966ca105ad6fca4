"""What an ablation switches: each safeguard alone, all together, all but one, and none of them.

A safeguard is what `ordercascade.safeguards` lists; a module that registers another one there
finds it here. Values: the scenario's own where the safeguard is on, else its default.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from ordercascade.config import ScenarioConfig
from ordercascade.errors import InputError, InputTypeError, OrderCascadeError
from ordercascade.exact import exact
from ordercascade.safeguards import Safeguard, safeguards
from ordercascade.scenario import Scenario
from ordercascade.toml import nearest

Asked: TypeAlias = "Mapping[str, str | None] | Iterable[str] | None"

BASELINE, ALL = "baseline", "all"


@dataclass(frozen=True)
class Switch:
    """A safeguard with its value when on, and when off (None, or for a choice its default).

    `values` are those of each venue when on: its own where the scenario has it on (`own`) and no
    other was asked for; `off` at a venue that cannot have it.
    """

    name: str
    label: str
    on: str
    off: str | None
    values: tuple[str | None, ...] = ()
    own: bool = False
    groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class Column:
    """One set of rules: which switches are on, and the scenario's keys under them."""

    name: str
    on: tuple[str, ...]
    config: ScenarioConfig


def switches(scenario: Scenario, asked: Asked = None) -> tuple[tuple[Switch, ...], dict[str, str]]:
    """Return the switches of an ablation, and by name why others are left out.

    `asked` names safeguards, or gives values by name (None: its own or its default); by default
    every one that is registered. Those that this scenario cannot have, or that could do nothing in
    it, are left out. One that was asked for and cannot be had is an InputError, and so is a value
    that says the same as off.
    """
    known = {each.name: each for each in safeguards()}
    found: list[Switch] = []
    left: dict[str, str] = {}
    for name, value in _wanted(asked, known).items():
        if why := _idle(known[name], scenario):
            left[name] = why
            continue
        try:
            switch = _switch(known[name], scenario, value)
            _keys(scenario, (switch,), frozenset((name,)))
            _keys(scenario, (switch,), frozenset())
        except OrderCascadeError as error:
            if asked is not None:
                said = f"{name} {error.rule}" if isinstance(error, InputError) else str(error)
                rule = f"cannot be had here: {said}"
                raise InputError(f"safeguards.{name}", value, rule) from None
            left[name] = str(error)
        else:
            found.append(switch)
    return tuple(found), left


def instead(chosen: tuple[Switch, ...]) -> dict[str, str]:
    """Return by name which alternative stands in a switch's place where all are on together.

    Of a group one takes part: the scenario's own, else the first asked for or registered.
    """
    taken: list[Switch] = []
    gone: dict[str, str] = {}
    for switch in sorted(chosen, key=lambda each: not each.own):
        rivals = [each.name for each in taken if set(each.groups) & set(switch.groups)]
        if rivals:
            gone[switch.name] = rivals[0]
        else:
            taken.append(switch)
    return gone


def columns(
    scenario: Scenario, chosen: tuple[Switch, ...]
) -> tuple[tuple[Column, ...], dict[str, str]]:
    """Return the columns, the baseline first, and by name why a combination cannot be had."""
    names = [switch.name for switch in chosen]
    gone = instead(chosen)
    every = frozenset(names) - frozenset(gone)
    sets = {BASELINE: frozenset[str]()}
    sets |= {name: frozenset((name,)) for name in names}
    if len(every) > 1:
        sets[ALL] = every
        sets |= {f"{ALL} but {name}": every - {name} for name in names if name in every}
    made: dict[str, Column] = {}
    left: dict[str, str] = {}
    for name, on in sets.items():
        try:
            config = _keys(scenario, chosen, on)
        except OrderCascadeError as error:
            if name == BASELINE:
                raise
            left[name] = str(error)
            continue
        like = ALL if name.startswith(f"{ALL} but ") else BASELINE
        if like in made and config == made[like].config:
            left[name] = f"has the same keys as {like}"
        else:
            made[name] = Column(name, tuple(each for each in names if each in on), config)
    return tuple(made.values()), left


def _wanted(asked: Asked, known: Mapping[str, Safeguard]) -> dict[str, str | None]:
    if asked is None:
        return dict.fromkeys(known)
    if isinstance(asked, str):
        raise InputTypeError("safeguards", "names in a list, or values by name", "str")
    listed = list(asked.items()) if isinstance(asked, Mapping) else [(each, None) for each in asked]
    wanted: dict[str, str | None] = {}
    for name, value in listed:
        if name not in known:
            rule = f"must be one of {', '.join(known)}{nearest(str(name), sorted(known))}"
            raise InputError("safeguards", name, rule)
        if name in wanted:
            raise InputError("safeguards", name, "must be named once")
        if value is not None and not isinstance(value, str):
            raise InputTypeError(f"safeguards.{name}", "a str such as '0.2', or None", value)
        wanted[name] = value
    return wanted


def _idle(safeguard: Safeguard, scenario: Scenario) -> str:
    """Return why a safeguard could do nothing at any venue; empty where it could."""
    found = [safeguard.needs(venue) for venue in scenario.resolved.venue]
    return (found[0] or "") if found and all(found) else ""


def _switch(safeguard: Safeguard, scenario: Scenario, value: str | None) -> Switch:
    name, off, venues = safeguard.name, safeguard.off, scenario.resolved.venue
    mine = tuple(safeguard.read(venue) for venue in venues)
    own = any(said != off for said in mine)
    wish = _default(safeguard) if value is None else value
    if value is not None and (
        value == off or (safeguard.kind == "money" and not exact(name, _bare(value)))
    ):
        raise InputError(name, value, f"must not be what it is when off; {_ways(safeguard)}")
    values = mine
    if value is not None or not own:
        values = tuple(
            off if safeguard.needs(venue) else safeguard.read(safeguard.set(venue, wish))
            for venue in venues
        )
        if venues and all(said == off for said in values):
            raise InputError(name, value, "is said of a market's mark, and no market here has one")
    told = " / ".join(dict.fromkeys(said for said in values if said is not None and said != off))
    on = told or wish
    label = f"{safeguard.label}: {on}" if safeguard.kind == "choice" else safeguard.label
    return Switch(name, label, on, off, values, own, safeguard.groups)


def _default(safeguard: Safeguard) -> str:
    others = (choice for choice in safeguard.choices if choice != safeguard.off)
    return next(others) if safeguard.kind == "choice" else safeguard.default


def _bare(text: str) -> str:
    return text.strip().replace(",", "").replace("_", "")


def _ways(safeguard: Safeguard) -> str:
    """Return what may be given to have it on."""
    if safeguard.kind == "choice":
        others = [choice for choice in safeguard.choices if choice != safeguard.off]
        return f"give one of {', '.join(others)}, or its name alone"
    return f"give {safeguard.parameter}, such as {safeguard.default}, or its name alone"


def _keys(scenario: Scenario, chosen: tuple[Switch, ...], on: frozenset[str]) -> ScenarioConfig:
    """Return a scenario's keys with some switches on and the others off, judged and read back."""
    known = {each.name: each for each in safeguards()}
    wanted = [
        {each.name: each.values[k] if each.name in on else each.off for each in chosen}
        for k in range(len(scenario.resolved.venue))
    ]
    venues = []
    for venue, said in zip(scenario.resolved.venue, wanted, strict=True):
        # What is off goes first: else it would take along what an alternative has put in its place.
        for name in sorted(said, key=lambda name: name in on):
            venue = known[name].set(venue, said[name])
        venues.append(venue)
    config = msgspec.structs.replace(scenario.resolved, venue=tuple(venues))
    judged = Scenario(config, base=scenario.base, file=scenario.file)
    for venue, said in zip(judged.resolved.venue, wanted, strict=True):
        for name, value in said.items():
            if known[name].read(venue) != value:
                rule = f"does not go with {', '.join(sorted(on - {name})) or 'this scenario'}"
                raise InputError(name, value, rule)
    return judged.config
