"""Python plug-ins that a scenario names: hook, plugin = "module:Class", parameters.

| hook | class of mechanisms.plugins | its method |
|---|---|---|
| liquidation | PluginPolicy | plan(rows) |
| backstop | PluginBackstop | order(rows, lots) |
| breaker | PluginBreaker | judge(market, view, time_ns) |
| surcharge | PluginSurcharge | addon(market, view, nearby, time_ns) |

The class is imported when a world is built, never when a file is read: reading a scenario of
somebody else runs nothing of theirs, running it does. It is called with the parameters as keywords
(numbers as int where they are whole, else Decimal), a fresh object for every world. Presets may
name none, and rules of a venue with plug-ins do not change in a run: their memory would be lost.
Oracles are not named: an opening mark is needed before one is made. DESIGN §7; docs/adr/0027.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from importlib import import_module
from typing import Any, NamedTuple

from ordercascade.config import VenueConfig
from ordercascade.errors import ConfigError, OrderCascadeError
from ordercascade.toml import nearest

HOOKS = {
    "liquidation": ("PluginPolicy", "policy"),
    "backstop": ("PluginBackstop", "backstop"),
    "breaker": ("PluginBreaker", "breakers"),
    "surcharge": ("PluginSurcharge", "surcharges"),
}
LISTS = ("breakers", "surcharges")
_NAMED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")
Arguments = dict[str, Any]


class Plugged(NamedTuple):
    """A plug-in that a world of this venue will have."""

    hook: str
    plugin: str
    parameters: Mapping[str, Any]
    path: str


def plugged(config: VenueConfig, taken: Sequence[str], path: str) -> tuple[Plugged, ...]:
    """Return a venue's plug-ins, not imported; `taken`: hooks with rules of their own."""
    found: list[Plugged] = []
    for index, each in enumerate(config.plugin):
        place = f"{path}.plugin[{index}]"
        if not _NAMED.fullmatch(each.plugin):
            rule = 'must be "module:Class", such as "my_rules:Patient"'
            raise ConfigError(f"{place}.plugin", rule, each.plugin)
        if each.plugin.startswith("ordercascade."):
            raise ConfigError(f"{place}.plugin", "must be a class of yours; built-ins have keys")
        for key, value in each.parameters.items():
            if not key.isidentifier():
                raise ConfigError(f"{place}.parameters", "must have names as keys", key)
            if not isinstance(value, bool | int | str | Decimal):
                rule = "must be a number, a text, or true or false"
                raise ConfigError(f"{place}.parameters.{key}", rule, type(value).__name__)
        if each.hook in taken:
            rule = f"{each.hook!r} must not stand beside rules of the same kind"
            raise ConfigError(f"{place}.hook", rule)
        if HOOKS[each.hook][1] not in LISTS and each.hook in [one.hook for one in found]:
            raise ConfigError(f"{place}.hook", f"a venue has one {each.hook} plug-in at most")
        found.append(Plugged(each.hook, each.plugin, dict(each.parameters), place))
    return tuple(found)


def fitted(plugs: Sequence[Plugged], rules: Arguments) -> Arguments:
    """Return the arguments of `add_venue` with fresh plug-ins among them."""
    made = dict(rules)
    for plug in plugs:
        argument = HOOKS[plug.hook][1]
        mechanism = _made(plug)
        if argument in LISTS:
            made[argument] = [*made.get(argument, ()), mechanism]
        else:
            made[argument] = mechanism
    return made


def _made(plug: Plugged) -> Any:
    plugins = import_module("ordercascade.mechanisms.plugins")
    found = _class(plug)
    parameters = {key: _plain(value) for key, value in plug.parameters.items()}
    try:
        return getattr(plugins, HOOKS[plug.hook][0])(found(**parameters))
    except OrderCascadeError as error:
        raise ConfigError(plug.path, f"{plug.plugin}: {error}") from None
    except (TypeError, ValueError) as error:
        rule = f"{plug.plugin} does not take these parameters: {error}"
        raise ConfigError(f"{plug.path}.parameters", rule) from error


def _class(plug: Plugged) -> Any:
    module, _, name = plug.plugin.partition(":")
    at = f"{plug.path}.plugin"
    try:
        found = import_module(module)
    except ImportError as error:
        rule = f"cannot be imported ({error}): install it, or put its folder on PYTHONPATH"
        raise ConfigError(at, rule, plug.plugin) from error
    made = getattr(found, name, None)
    if not isinstance(made, type):
        classes = sorted(key for key, value in vars(found).items() if isinstance(value, type))
        rule = f"has no class {name!r}{nearest(name, classes)}"
        raise ConfigError(at, f"module {module!r} {rule}", plug.plugin)
    return made


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal) and value == value.to_integral_value():
        return int(value)
    return value


def told(plugs: Sequence[Plugged]) -> list[str]:
    """Return what a tape says of them."""
    return [f"{plug.hook} {plug.plugin}" for plug in plugs]
