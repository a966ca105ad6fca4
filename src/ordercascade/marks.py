"""From the words of an `oracle` table to the numbers of a `Feed`: which keys go together.

| kind | needs | may have |
|---|---|---|
| last, mid, index | | all below |
| twap | window_s | of |
| ema, median3 | ema_tau_s (default 150) | of |
| funding | | funding_rate (0; longs pay), funding_every_s (28,800), funding_at_s (every_s) |
| basis3 | ema_tau_s (default 150) | of, and the keys of funding |

Every kind may have own_book_weight, latency_s (with latency_sigma, congestion), heartbeat_s (with
deviation; 3 s for means and funding), clamp, clamp_round, clamp_per_s. spec/MECHANISMS.md §7, §8.
"""

from __future__ import annotations

from ordercascade.config import OracleConfig
from ordercascade.enums import FeedKind, PriceSource
from ordercascade.errors import ConfigError, InputError
from ordercascade.exact import NS, PPM, Exact, located, plain, ppb, ppm, time_ns
from ordercascade.mechanisms.feeds import Feed
from ordercascade.wording import worded

SMOOTHED = ("ema", "median3", "basis3")
FUNDED = ("funding", "basis3")
MEANS = ("twap", *SMOOTHED)
MEMORY = ("latency_s", "heartbeat_s", "clamp", "clamp_round", "clamp_per_s")
TIMES = {
    "window_s": "window_ns",
    "ema_tau_s": "tau_ns",
    "funding_every_s": "funding_every_ns",
    "funding_at_s": "funding_at_ns",
    "latency_s": "latency_ns",
    "heartbeat_s": "heartbeat_ns",
}
SHARES = {
    "latency_sigma": ("sigma_ppm", 5 * 10**6),
    "congestion": ("congestion_ppm", 10**9),
    "deviation": ("deviation_ppm", 10**6),
    "clamp": ("clamp_ppm", 10**6),
    "clamp_round": ("clamp_round_ppm", 10**6),
    "clamp_per_s": ("clamp_second_ppm", 10**6),
}
KEYS = {name: (key, NS) for key, name in TIMES.items()}
KEYS |= {name: (key, PPM) for key, (name, _) in SHARES.items()}
# A key, and the one it says nothing without.
NEEDS = {"latency_sigma": "latency_s", "congestion": "latency_s", "deviation": "heartbeat_s"}


def feed_numbers(oracle: OracleConfig, path: str) -> dict[str, int] | None:
    """Return the arguments of a `Feed`, or None where the oracle remembers nothing."""
    kind = oracle.kind or "last"
    _judge(oracle, kind, path)
    if kind not in (*MEANS, *FUNDED) and not any(getattr(oracle, key) for key in MEMORY):
        return None
    said: dict[str, Exact | None] = {key: getattr(oracle, key) for key in (*TIMES, *SHARES)}
    if kind in (*MEANS, *FUNDED):
        said["heartbeat_s"] = said["heartbeat_s"] or Exact(3)
    if kind in SMOOTHED:
        said["ema_tau_s"] = said["ema_tau_s"] or Exact(150)
    if kind in FUNDED:  # MARGIN §5: eight hours, as the venues that have it
        said["funding_every_s"] = said["funding_every_s"] or Exact(28_800)
        said["funding_at_s"] = said["funding_at_s"] or said["funding_every_s"]
    computed = kind in (*MEANS, *FUNDED)
    source = (oracle.of or "last") if computed else kind
    numbers = {
        "kind": int(FeedKind[kind.upper()] if computed else FeedKind.SPOT),
        "source": int(PriceSource[source.upper()]),
    }
    for key, name in TIMES.items():
        numbers[name] = located(path, time_ns, key, said[key] or 0)
    numbers["funding_ppb"] = located(path, ppb, "funding_rate", oracle.funding_rate or 0)
    for key, (name, most) in SHARES.items():
        numbers[name] = located(path, ppm, key, said[key] or 0, high=most)
    try:
        Feed(**numbers)  # type: ignore[arg-type]
    except (ConfigError, InputError) as error:
        raise worded(error, KEYS, {key: getattr(oracle, key) for key in said}, path) from None
    return numbers


def _judge(oracle: OracleConfig, kind: str, path: str) -> None:
    """Refuse keys that say nothing beside the others."""
    for key, needed in NEEDS.items():
        if getattr(oracle, key) and not getattr(oracle, needed):
            if needed == "heartbeat_s" and kind in (*MEANS, *FUNDED):
                continue
            raise ConfigError(f"{path}.{key}", f"says nothing without {needed}")
    for key in TIMES:
        if (getattr(oracle, key) or 0) < 0 or (key == "window_s" and oracle.window_s == 0):
            low = "above 0" if key == "window_s" else "0 or more"
            raise ConfigError(f"{path}.{key}", f"must be {low}", plain(getattr(oracle, key)))
    if (oracle.window_s is not None) != (kind == "twap"):
        raise ConfigError(f"{path}.window_s", "belongs to kind 'twap', which needs it")
    if oracle.ema_tau_s is not None and kind not in SMOOTHED:
        raise ConfigError(f"{path}.ema_tau_s", f"belongs to the kinds {', '.join(SMOOTHED)}")
    for key in ("funding_rate", "funding_every_s", "funding_at_s"):
        if getattr(oracle, key) is not None and kind not in FUNDED:
            raise ConfigError(f"{path}.{key}", f"belongs to the kinds {', '.join(FUNDED)}")
    if oracle.of is not None and kind not in MEANS:
        raise ConfigError(f"{path}.of", f"belongs to the kinds {', '.join(MEANS)}")
