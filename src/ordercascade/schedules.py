"""From a market's schedule to the engine's numbers. spec/MARGIN.md §2.1, §2.2."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from ordercascade.config import VenueConfig
from ordercascade.data.brackets import Bracket, EngineBracket, initial_ppm, schedule
from ordercascade.errors import ConfigError
from ordercascade.exact import PPM, Exact, located, plain, ppm
from ordercascade.market import Market
from ordercascade.stagekeys import (
    FlatSchedule,
    InterestSchedule,
    RiskSchedule,
    Schedule,
    SizeSchedule,
    SkewSchedule,
    SlabSchedule,
    StepSchedule,
    TierSchedule,
)
from ordercascade.staging import Arguments, money_of

if TYPE_CHECKING:
    from ordercascade.core.schedule import Schedule as Margin


class Margins(NamedTuple):
    """A market's schedule: a class method of core.schedule.Schedule and its arguments."""

    kind: str
    arguments: Arguments


def margins(
    market: Market, config: Schedule | None, rows: list[EngineBracket], venue: VenueConfig,
    path: str,
) -> Margins | None:  # fmt: skip
    """Return a market's schedule; None where its brackets at the mark say all."""
    base, fee = venue.mm_base or "mark", venue.fee_in_trigger or Exact(0)
    if config is None and base != "entry" and not fee:
        return None
    common: Arguments = {
        "multiplier": market.multiplier,
        "contract": market.kind,
        "base": base,
        "fee_ppm": located(path.rpartition(".market")[0], ppm, "fee_in_trigger", fee, high=PPM - 1),
        "strict": venue.trigger_strict is not False,
    }
    if fee and venue.fee_at == "bankruptcy":
        common["fee_base"] = "bankruptcy"
    if market.kind != "linear":
        common["contract"] = market.kind
    if config is None:
        return Margins("tiers", common | {"rows": rows})
    kind, numbers = _TABLES[type(config)](config, market, path)
    return Margins(kind, common | numbers)


def brackets_like(market: Market, config: Schedule, path: str) -> list[EngineBracket]:
    """Return brackets of the same margin, or (slab, steps, size, skew) of the smallest positions.

    Populations are drawn by them; what the engine asks in a run is the schedule's.
    """
    if isinstance(config, TierSchedule):
        return schedule(market, config.table, f"{path}.table")
    if isinstance(config, SlabSchedule):
        first = _slab(config, market, path)[1]["rows"][0]
        return [(0, first[1], 0, first[2])]
    if isinstance(config, SkewSchedule):
        least = [min(PPM, int(rate * PPM) + 1) for rate in (config.minimum * config.scalar,
                                                            config.minimum)]  # fmt: skip
        return [(0, least[0], 0, max(least))]
    if isinstance(config, RiskSchedule):
        made = _risk(config, market, path)[1]
        rate = max(made["long_ppm"], made["short_ppm"]) + made["slippage_ppm"]
        initial = -(-rate * made["initial_ppm"] // PPM)
        return [(0, min(PPM, rate), 0, min(PPM, initial))]
    maintenance, initial = (_rate(config, key, path) for key in ("maintenance", "initial"))
    return [(0, maintenance, 0, initial)]


def steps_of(numbers: Mapping[str, int]) -> list[tuple[int, int, int]]:
    """Return risk limits as the rows of a slab: (floor, maintenance, initial). §2.1.3 [BM2]."""
    first, base = numbers["maintenance_ppm"], numbers["initial_ppm"]
    rows = [(0, first, base)]
    for n in range(1, min(4096, PPM // first)):
        floor = numbers["limit"] + (n - 1) * numbers["step"] + 1
        if floor > 2**60 or base + n * first > PPM:
            break
        rows.append((floor, first * (1 + n), base + n * first))
    return rows


def exactly_bracketed(config: Schedule | None, venue: VenueConfig) -> bool:
    """Say if the brackets of a market are the whole truth of its margin."""
    alike = config is None or isinstance(config, FlatSchedule | TierSchedule | InterestSchedule)
    return alike and venue.mm_base != "entry" and not venue.fee_in_trigger


def judge_laws(config: VenueConfig, path: str) -> None:
    """Liquidation prices are laid out by brackets at the mark."""
    odd = [m.name for m in config.market if not exactly_bracketed(m.schedule, config)]
    for index, crowd in enumerate(config.population):
        named = (crowd.market,) if isinstance(crowd.market, str) else crowd.market
        if crowd.liquidation_price is not None and (found := [m for m in named if m in odd]):
            rule = (
                "needs brackets, or a flat schedule, at the mark and without a fee; give leverage"
            )
            at = f"{path}.population[{index}].liquidation_price"
            raise ConfigError(at, rule, found[0])


def _rate(config: msgspec.Struct, key: str, path: str) -> int:
    return located(path, ppm, key, getattr(config, key))


def _both(config: Any, path: str) -> Arguments:
    rates = {f"{key}_ppm": _rate(config, key, path) for key in ("maintenance", "initial")}
    if rates["maintenance_ppm"] > rates["initial_ppm"]:
        rule = f"must be at most initial, {plain(config.initial)}"
        raise ConfigError(f"{path}.maintenance", rule, plain(config.maintenance))
    return rates


def _flat(config: FlatSchedule, _: Market, path: str) -> tuple[str, Arguments]:
    return "flat", _both(config, path)


def _tiers(config: TierSchedule, market: Market, path: str) -> tuple[str, Arguments]:
    return "tiers", {"rows": schedule(market, config.table, f"{path}.table")}


def _slab(config: SlabSchedule, market: Market, path: str) -> tuple[str, Arguments]:
    rows: list[tuple[int, int, int]] = []
    for index, row in enumerate(config.table):
        place = f"{path}.table[{index}]"
        turned: Callable[[Exact], int] = market.to_amount
        if config.by == "size":
            turned = market.to_lots
        floor = located(f"{place}.floor", turned, row.floor) if row.floor else 0
        if floor < 0 or (rows and floor <= rows[-1][0]) or (not rows and floor):
            rule = "must rise from row to row, the first from 0"
            raise ConfigError(f"{place}.floor", rule, plain(row.floor))
        rows.append((floor, *_row(row, rows[-1][1:] if rows else (0, 0), place)))
    if not rows:
        raise ConfigError(f"{path}.table", "must have at least one row")
    return "slab", {"rows": rows, "by": config.by}


def _row(row: Bracket, before: tuple[int, ...], path: str) -> tuple[int, int]:
    """Return the rates of a slab's row, which do not fall."""
    maintenance = located(path, ppm, "maintenance", row.maintenance)
    initial = located(path, initial_ppm, row)
    if maintenance > initial:
        raise ConfigError(path, f"maintenance {maintenance} ppm > initial {initial} ppm")
    if maintenance < before[0] or initial < before[1]:
        raise ConfigError(path, "rates must not fall from row to row")
    return maintenance, initial


def _steps(config: StepSchedule, market: Market, path: str) -> tuple[str, Arguments]:
    money = {
        key: money_of(market, getattr(config, key), f"{path}.{key}") for key in ("limit", "step")
    }
    for key, value in money.items():
        if value < 1:
            raise ConfigError(f"{path}.{key}", "must be above 0", value)
    return "steps", money | _both(config, path)


def _size(config: SizeSchedule, market: Market, path: str) -> tuple[str, Arguments]:
    # A rate for a unit of size, to parts per 10^12 of a lot.
    increment, rest = divmod(config.increment * market.lot_size * 10**12, 1)
    if rest or increment < 0 or increment > 10**12:
        rule = "must be 0 or more, and whole in 10**-12 a lot"
        raise ConfigError(f"{path}.increment", rule, plain(config.increment))
    return "size", _both(config, path) | {"increment_ppt": int(increment)}


def _skew(config: SkewSchedule, market: Market, path: str) -> tuple[str, Arguments]:
    return "skew", {
        "scale": located(f"{path}.scale", market.to_lots, config.scale),
        "fraction_ppm": located(path, ppm, "fraction", config.fraction, high=4 * PPM),
        "minimum_ppm": _rate(config, "minimum", path),
        "scalar_ppm": _rate(config, "scalar", path),
        "fixed": money_of(market, config.fixed or Exact(0), f"{path}.fixed"),
    }


def _interest(config: InterestSchedule, market: Market, path: str) -> tuple[str, Arguments]:
    low, high = (
        money_of(market, getattr(config, key), f"{path}.{key}") for key in ("lower", "upper")
    )
    if high and high <= low:
        raise ConfigError(f"{path}.upper", "must be 0 or above lower", plain(config.upper))
    return "interest", _both(config, path) | {"lower": low, "upper": high}


def _risk(config: RiskSchedule, _: Market, path: str) -> tuple[str, Arguments]:
    """Rates within the value: a rate above it could never be held at a margin."""
    said = {f"{key}_ppm": _rate(config, key, path) for key in ("long", "short", "slippage")}
    if max(said["long_ppm"], said["short_ppm"]) + said["slippage_ppm"] > PPM:
        raise ConfigError(f"{path}.slippage", "must leave factor and slippage at most 1")
    initial = Exact(1) if config.initial is None else config.initial
    return "risk", said | {
        "initial_ppm": located(path, partial(ppm, low=PPM, high=10 * PPM), "initial", initial)
    }


_TABLES: dict[type, Callable[[Any, Market, str], tuple[str, Arguments]]] = {
    FlatSchedule: _flat,
    TierSchedule: _tiers,
    SlabSchedule: _slab,
    StepSchedule: _steps,
    SizeSchedule: _size,
    SkewSchedule: _skew,
    InterestSchedule: _interest,
    RiskSchedule: _risk,
}


def schedule_of(made: Margins) -> Margin:
    """Return the engine's schedule of a market."""
    from ordercascade.core.schedule import Schedule as Made

    numbers = dict(made.arguments)
    method = getattr(Made, made.kind)
    if "rows" in numbers:
        found: Margin = method(numbers.pop("rows"), **numbers)
    else:
        found = method(**numbers)
    return found
