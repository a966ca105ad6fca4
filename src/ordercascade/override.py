"""`key=value`: change one key of a scenario by its dotted path, whole or shortened.

A whole path starts at the root: `venue[0].market[1].book.mid=50000` (or `venue.0.market.1…`); the
index may be left out where the list has one entry. A shortened path starts at any key that has
exactly one place in the scenario: `book.mid=50000`, `fund.balance=0`.
"""

from __future__ import annotations

import re
from typing import Any

from ordercascade import toml
from ordercascade.config import ScenarioConfig
from ordercascade.errors import ConfigError
from ordercascade.toml import Path, key_path, nearest

_PART = re.compile(r"([A-Za-z0-9_-]+)((?:\[\d+\])*)")


def override(raw: dict[str, Any], assignment: str) -> None:
    """Change `raw` in place by one `key=value`."""
    key, equals, text = assignment.partition("=")
    if not equals or not key.strip():
        raise ConfigError("set", "must be key=value", assignment)
    path = _parsed(key.strip())
    node: Any = raw
    start: Path = ()
    if path[0] not in ScenarioConfig.__struct_fields__:
        start = _only_place(raw, path, key)
        for part in start:
            node = node[part]
    value = toml.value_of(text.strip())
    _put(node, path, value, key)


def _parsed(key: str) -> Path:
    parts: list[str | int] = []
    for piece in key.split("."):
        found = _PART.fullmatch(piece)
        if found is None:
            raise ConfigError("set", "must be a dotted path such as venue[0].fund.balance", key)
        word, indices = found.groups()
        parts.append(int(word) if word.isdecimal() else word)
        parts.extend(int(index) for index in re.findall(r"\d+", indices))
    return tuple(parts)


def _only_place(raw: dict[str, Any], path: Path, key: str) -> Path:
    """Return where the first key of a shortened path belongs, if there is one such place."""
    word = str(path[0])
    tables = list(toml.tables(ScenarioConfig, raw))
    places = list(dict.fromkeys(where for where, fields in tables if word in fields))
    if not places:
        known = {field for _, fields in tables for field in fields}
        raise ConfigError(key, f"unknown key {word!r}{nearest(word, sorted(known))}")
    if len(path) > 1 and len(places) > 1:
        # A population's market is a word; only a table or a list has what the path asks for.
        roomy = [place for place in places if not isinstance(_value(raw, (*place, word)), str)]
        places = roomy or places
    if len(places) > 1:
        listed = ", ".join(key_path((*where, word)) for where in places[:4])
        more = ", …" if len(places) > 4 else ""
        raise ConfigError(key, f"has {len(places)} places; say which: {listed}{more}")
    return places[0]


def _value(raw: Any, path: Path) -> Any:
    """Return what lies at a path, {} where nothing does yet; lists of words count as words."""
    node: Any = raw
    for part in path:
        node = node.get(part, {}) if isinstance(node, dict) else node[part]
    words = isinstance(node, list) and any(isinstance(item, str) for item in node)
    return "" if words else node


def _put(node: Any, path: Path, value: object, key: str) -> None:
    for part in path[:-1]:
        node, part = _slot(node, part, key)
        node = node.setdefault(part, {}) if isinstance(node, dict) else node[part]
    node, part = _slot(node, path[-1], key)
    node[part] = value


def _slot(node: Any, part: str | int, key: str) -> tuple[Any, Any]:
    """Return the table or list that holds `part`, passing through a list of one."""
    if isinstance(node, list) and isinstance(part, str):
        if len(node) != 1:
            raise ConfigError(key, f"has {len(node)} entries before {part!r}; give an index")
        node = node[0]
    if isinstance(node, list) and isinstance(part, int) and part < len(node):
        return node, part
    if isinstance(node, dict) and isinstance(part, str):
        return node, part
    if isinstance(node, list):
        raise ConfigError(key, f"has {len(node)} entries; the index must be below", part)
    raise ConfigError(key, f"has nothing at {part!r}")
