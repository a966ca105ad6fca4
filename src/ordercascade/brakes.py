"""From the words of `[[venue.breaker]]` to circuit breakers: which keys go together.

| kind | needs | may have |
|---|---|---|
| price_band | band_pct | ref_window_s (300), scope |
| halt | band_pct, halt_s | ref_window_s (300), release, drip_fraction and drip_s, scope |
| lag_pause | band_pct, halt_s | halt_max_s (3600), release, drip_*, scope |
| gas_pause | gas_gwei, gas_pause_gwei, halt_s | gas_beta, halt_max_s, release, drip_*, scope |

spec/MECHANISMS.md §9. `ref_window_s = 0`: the first mark is the reference for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ordercascade.config import BreakerConfig
from ordercascade.enums import BreakerKind, ReleaseRule
from ordercascade.errors import ConfigError, InputError
from ordercascade.exact import NS, PPM, Exact, located, plain, ppm, time_ns
from ordercascade.mechanisms.breakers import Breaker
from ordercascade.wording import worded

KINDS = {
    "price_band": BreakerKind.BAND,
    "halt": BreakerKind.HALT,
    "lag_pause": BreakerKind.LAG,
    "gas_pause": BreakerKind.GAS,
}
PAUSE = {"halt_s", "halt_max_s", "release", "drip_fraction", "drip_s"}
NEEDED = {
    "price_band": {"band_pct"},
    "halt": {"band_pct", "halt_s"},
    "lag_pause": {"band_pct", "halt_s"},
    "gas_pause": {"gas_gwei", "gas_pause_gwei", "halt_s"},
}
ALLOWED = {
    "price_band": {"band_pct", "ref_window_s"},
    "halt": {"band_pct", "ref_window_s"} | PAUSE - {"halt_max_s"},
    "lag_pause": {"band_pct"} | PAUSE,
    "gas_pause": {"gas_gwei", "gas_beta", "gas_pause_gwei"} | PAUSE,
}
PER_CENT = 10**4
KEYS = {
    "band_ppm": ("band_pct", PER_CENT),
    "window_ns": ("ref_window_s", NS),
    "halt_ns": ("halt_s", NS),
    "halt_max_ns": ("halt_max_s", NS),
    "drip_ppm": ("drip_fraction", PPM),
    "drip_ns": ("drip_s", NS),
    "gas": ("gas_gwei", 1),
    "gas_max": ("gas_pause_gwei", 1),
    "gas_ppm": ("gas_beta", PPM),
}
DEFAULTS = {"ref_window_s": Exact(300), "halt_max_s": Exact(3600)}


def breaker_numbers(config: BreakerConfig, path: str) -> dict[str, Any]:
    """Return the arguments of a `Breaker`, judged."""
    allowed, needed = ALLOWED[config.kind], NEEDED[config.kind]
    said = {key: getattr(config, key) for key in config.__struct_fields__}
    for key in set(said) - {"kind", "scope"}:
        if said[key] is None and key in needed:
            raise ConfigError(f"{path}.{key}", f"is required by kind {config.kind!r}")
        if said[key] is not None and key not in allowed:
            raise ConfigError(f"{path}.{key}", f"says nothing beside kind {config.kind!r}")
        if said[key] is None and key in allowed:
            said[key] = DEFAULTS.get(key)

    _judge(said, path)
    longest = said["halt_max_s"]
    if longest is not None and longest < (said["halt_s"] or 0):
        rule = f"must be at least halt_s, {plain(said['halt_s'])}: the first pause is over by then"
        raise ConfigError(f"{path}.halt_max_s", rule, plain(longest))

    def span(key: str) -> int:
        return located(path, time_ns, key, said[key] or 0)

    band = said["band_pct"]
    numbers: dict[str, Any] = {
        "kind": KINDS[config.kind],
        "everybody": config.scope == "all",
        "band_ppm": 0 if band is None else located(path, ppm, "band_pct", Exact(band / 100)),
        "window_ns": span("ref_window_s"),
        "halt_ns": span("halt_s"),
        "release": ReleaseRule[(config.release or "at_once").upper()],
        "drip_ppm": located(path, ppm, "drip_fraction", said["drip_fraction"] or 0),
        "drip_ns": span("drip_s"),
        "gas": config.gas_gwei or 0,
        "gas_max": config.gas_pause_gwei or 0,
        "gas_ppm": located(path, ppm, "gas_beta", said["gas_beta"] or 0, high=10**9),
    }
    if "halt_max_s" in allowed:
        numbers["halt_max_ns"] = span("halt_max_s")
    try:
        Breaker(**numbers)
    except (ConfigError, InputError) as error:
        raise worded(error, KEYS, said, path) from None
    return numbers


def _judge(said: Mapping[str, Any], path: str) -> None:
    """Refuse what is out of its range, in the keys' own units."""
    band, halt, longest = said["band_pct"], said["halt_s"], said["halt_max_s"]
    if band is not None and not 0 < band <= 100:
        raise ConfigError(f"{path}.band_pct", "must be above 0, at most 100", plain(band))
    for key in ("halt_s", "gas_pause_gwei"):
        if said[key] is not None and said[key] <= 0:
            raise ConfigError(f"{path}.{key}", "must be above 0", plain(Exact(said[key])))
    drips = said["release"] == "drip"
    for key in ("drip_fraction", "drip_s"):
        if drips and not (said[key] or 0) > 0:
            rule = "must be above 0 where release is 'drip', which needs it"
            raise ConfigError(f"{path}.{key}", rule, plain(said[key] or Exact(0)))
        if not drips and said[key] is not None:
            raise ConfigError(f"{path}.{key}", "says nothing unless release is 'drip'")
    if halt and longest is not None and longest > 10**6 * halt:
        rule = f"must be at most a million times halt_s, {plain(halt)}"
        raise ConfigError(f"{path}.halt_max_s", rule, plain(longest))
