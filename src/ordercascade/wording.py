"""An engine's refusal of a number in the words of a scenario: its key, its units, what it says.

>>> keys = {"cap_ppm": ("cap", 10**6)}
>>> error = ConfigError("cap_ppm", "must be in [500, 1000000]", 100)
>>> str(worded(error, keys, {"cap": Decimal("0.0001")}, "venue.surcharge"))
"venue.surcharge.cap: must be in [0.0005, 1], got '0.0001'"
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

from ordercascade.errors import ConfigError, InputError
from ordercascade.exact import Exact, plain

# Argument of a mechanism -> (key, how many of its units are one of the key's).
Keys = Mapping[str, tuple[str, int]]
_BOUNDS = re.compile(r"\[([-\d*]+), ([-\d*]+)\]")


def worded(
    error: ConfigError | InputError, keys: Keys, said: Mapping[str, object], path: str
) -> ConfigError:
    """Return an error about an argument as one about the key it came from; `said` by key."""
    field = error.path if isinstance(error, ConfigError) else error.field
    key, scale = keys.get(field, (field, 1))
    rule = _BOUNDS.sub(
        lambda found: f"[{_scaled(found[1], scale)}, {_scaled(found[2], scale)}]", error.rule
    )
    for inner, (name, _) in keys.items():
        rule = re.sub(rf"\b{inner}\b", name, rule)
    value = said.get(key)
    got = plain(Exact(value)) if isinstance(value, Decimal | int) else value
    return ConfigError(f"{path}.{key}", rule, got)


def _scaled(number: str, scale: int) -> str:
    base, _, power = number.partition("**")
    return plain(Exact(Decimal(int(base) ** int(power or 1)) / scale))
