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

from typing import Any

from ordercascade.config import BreakerConfig
from ordercascade.enums import BreakerKind, ReleaseRule
from ordercascade.errors import ConfigError, InputError
from ordercascade.exact import Exact, located, plain, ppm, time_ns
from ordercascade.mechanisms.breakers import Breaker

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
        raise ConfigError(path, f"{_field(error)} {error.rule}") from None
    return numbers


def _field(error: ConfigError | InputError) -> str:
    return error.path if isinstance(error, ConfigError) else error.field
