"""How much one liquidation order closes, and what a fill costs: words into the engine's numbers."""

from __future__ import annotations

from typing import Any

from ordercascade.checks import SPAN_NS_MAX
from ordercascade.config import FeesConfig, LiquidationConfig, VenueConfig
from ordercascade.errors import ConfigError
from ordercascade.exact import NS, PPM, Exact, located, plain, ppm, time_ns
from ordercascade.market import Market
from ordercascade.mechanisms.slices import Slices
from ordercascade.slices import almgren_chriss, equal, obizhaeva_wang, parts

Arguments = dict[str, Any]
PLAIN = ("full", "tranche")


def tranche(config: VenueConfig, market: Market | None, path: str) -> Arguments:
    """Return the numbers of a plain tranche; planned slices take the place of the whole order."""
    policy = config.liquidation[0] if config.liquidation else LiquidationConfig(kind="full")
    path = f"{path}.liquidation[0]"
    if policy.kind != "tranche" or market is None:
        return {"fraction_ppm": PPM, "min_value": 0, "cooldown_ns": 0, "then_all": False}
    value, cooldown = _apart(policy, market, path)
    return {
        "fraction_ppm": located(path, ppm, "fraction", policy.fraction, low=1),
        "min_value": value,
        "cooldown_ns": cooldown,
        "then_all": policy.then == "all",
    }


def _apart(policy: LiquidationConfig, market: Market, path: str) -> tuple[int, int]:
    """Return the value below which all goes at once, and the time between two orders."""
    value = located(f"{path}.min_notional", market.to_amount, policy.min_notional or 0)
    if value < 0:
        raise ConfigError(f"{path}.min_notional", "must be 0 or more", value)
    cooldown = located(path, time_ns, "cooldown_s", policy.cooldown_s or 0)
    if cooldown > SPAN_NS_MAX:
        raise ConfigError(f"{path}.cooldown_s", "must be at most 2**61 nanoseconds", cooldown)
    return value, cooldown


def slices(config: VenueConfig, market: Market | None, path: str) -> Slices | None:
    """Return a policy of planned slices (mechanisms/slices.pyx), or None where none is named."""
    policy = config.liquidation[0] if config.liquidation else None
    if policy is None or policy.kind in PLAIN or market is None:
        return None
    path = f"{path}.liquidation[0]"
    value, cooldown = _apart(policy, market, path)
    seconds, count = cooldown / NS, policy.slices or 1
    table: list[int] = []
    if policy.kind == "equal":
        table = parts(equal(count))
    elif policy.kind == "almgren_chriss":
        table = parts(almgren_chriss(count, float(policy.kappa_per_s or 0) * seconds))
    elif policy.kind == "obizhaeva_wang":
        table = parts(obizhaeva_wang(count, float(policy.resilience_per_s or 0) * seconds))
    return Slices(
        table,
        target_ppm=located(path, ppm, "target_margin", policy.target_margin or 0),
        cost_ppm=located(path, ppm, "cost", policy.cost or 0),
        min_value=value,
        cooldown_ns=cooldown,
        share_ppm=located(path, ppm, "book_share", policy.book_share or 0),
        depth_ppm=located(path, ppm, "book_range", policy.book_range or 0),
    )


def slices_told(config: VenueConfig, planned: Slices) -> Arguments:
    """Return what a tape says of planned slices: the numbers that ran, and the law they are of."""
    policy = config.liquidation[0] if config.liquidation else LiquidationConfig(kind="full")
    rate = policy.kappa_per_s or policy.resilience_per_s or 0
    told: Arguments = {
        "kind": policy.kind,
        "parts": list(planned.parts),
        "target_ppm": planned.target_ppm,
        "cost_ppm": planned.cost_ppm,
        "min_value": planned.min_value,
        "cooldown_ns": planned.cooldown_ns,
        "share_ppm": planned.share_ppm,
        "depth_ppm": planned.depth_ppm,
    }
    if planned.parts:
        wait = plain(Exact(rate * planned.cooldown_ns / NS))
        told |= {"law": policy.kind, "count": policy.slices or 1, "wait": wait}
    return told


def fee_rates(config: FeesConfig, path: str) -> Arguments:
    """Return the four fee rates; a rebate that no taker pays for would drain the fees account."""
    rates = {
        f"{'' if who == 'user' else 'external_'}{role}_fee_ppm": located(
            path, ppm, key, getattr(config, key) or 0, low=-PPM
        )
        for who, role, key in (
            ("user", "maker", "maker"),
            ("user", "taker", "taker"),
            ("external", "maker", "external_maker"),
            ("external", "taker", "external_taker"),
        )
    }
    low_maker = min(rates["maker_fee_ppm"], rates["external_maker_fee_ppm"])
    low_taker = min(rates["taker_fee_ppm"], rates["external_taker_fee_ppm"])
    if low_maker + low_taker < 0:
        rule = "maker rebate must not exceed the taker fee: the fees account could be drained"
        raise ConfigError(path, rule, f"{low_maker} + {low_taker} ppm")
    return rates
