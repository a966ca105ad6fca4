"""Ready-made scenarios that ship with the package.

>>> load("t2a").name
't2a'
"""

from __future__ import annotations

import os
from pathlib import Path

from ordercascade import toml
from ordercascade.errors import ConfigError
from ordercascade.scenario import Scenario

_HERE = Path(__file__).parent


def names() -> tuple[str, ...]:
    """Return the names of the shipped scenarios, sorted."""
    return tuple(sorted(path.stem for path in _HERE.glob("*.toml")))


def load(name: str, *changes: str) -> Scenario:
    """Return a shipped scenario, with keys changed: `load("t2a", "seed=2")`."""
    if name not in names():
        raise ConfigError("scenario", f"is not shipped{toml.nearest(name, names())}", name)
    return Scenario.load(os.fspath(_HERE / f"{name}.toml"), *changes)
