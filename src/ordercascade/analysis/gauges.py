"""Monitors: how levered, how concentrated, how near the next wall, how small a shock would do.

>>> import ordercascade as oc
>>> found = oc.analysis.monitors(oc.scenarios.load("t2a"))
>>> round(found.effective_leverage, 2), found.markets[0].wall_down
(6.7, 0.01)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import msgspec
import numpy as np

from ordercascade.analysis.density import check_share
from ordercascade.analysis.maps import BUCKET, SPAN, WALL, LiquidationMap, liquidation_map
from ordercascade.analysis.state import DOWN, UP, Desk, Floats, Ints, State, state
from ordercascade.checks import whole
from ordercascade.errors import InputError, InputTypeError
from ordercascade.exact import Exact
from ordercascade.run import run
from ordercascade.scenario import Scenario
from ordercascade.tape import Tape

GRID = 1_000
HALVINGS = 40
RUNS_MAX = 200


@dataclass(frozen=True)
class MarketGauges:
    """One market: next walls as shares of the mark, concentration of its levels, open interest.

    hhi: sum of squared shares of the buckets' lots, 1 / buckets (even) to 1 (one bucket); gini of
    the same, 0 to 1; of both sides together within the span, None where nothing is in it.
    """

    market: str
    open_interest: float  # value of all longs at the mark, in the settlement asset
    wall_down: float | None
    wall_up: float | None
    hhi: float | None
    gini: float | None


@dataclass(frozen=True)
class Monitors:
    """All markets together; sums over venues are of their settlement units, taken as equal.

    effective_leverage: sum of |value| over sum of equity, of scopes with positions. elr: value of
    longs over collateral. mass_plus, mass_minus: sum of N_i / |e_i| over scopes with positive and
    negative equity (arXiv 2512.01112, eq. 8). shock_down, shock_up: the smallest move of all marks
    at once, as a share, at which accounts owe more than `bad_share` of all |value|, before anything
    is sold: no run; None where none below the span does.
    """

    markets: tuple[MarketGauges, ...]
    effective_leverage: float
    elr: float
    mass_plus: float
    mass_minus: float
    shock_down: float | None
    shock_up: float | None
    bad_share: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; what is not finite is None."""
        found: dict[str, Any] = _plain(asdict(self))
        return found


@dataclass(frozen=True)
class SmallestShock:
    """The smallest first shock whose run leaves bad debt above a share of the opening's |value|.

    `factor` times the scenario's own; `below` the largest factor tried that did not; `size` in the
    unit of the shock's key (`size` or `notional`).
    """

    factor: float
    below: float
    key: str
    size: float
    bad_debt: float  # in the settlement asset
    runs: int


def monitors(
    source: Tape | Scenario,
    *,
    step: int = -1,
    bucket: float = BUCKET,
    span: float = SPAN,
    wall: float = WALL,
    bad_share: float = 0.01,
) -> Monitors:
    """Return the gauges of a scenario's opening, or of a tape after a step. MECHANISMS §28.

    A wall is the next bucket (`bucket` of the mark) with at least `wall` of its side's lots.
    """
    check_share("wall", wall)
    owed = check_share("bad_share", bad_share)
    found = state(source, step=whole("step", step, -1, 2**62))
    levels = liquidation_map(source, step=found.step)
    scopes, first = np.unique(found.scope, return_index=True)
    at = np.searchsorted(scopes, found.scope)
    value = np.zeros(len(found.size))
    longs = 0.0
    for index, desk in enumerate(found.desks):
        rows = found.market == index
        value[rows] = np.abs(desk.value(found.size[rows], max(1, desk.mark))) * desk.cash
        longs += float(value[rows & (found.size > 0)].sum())
    notional = np.zeros(len(scopes))
    np.add.at(notional, at, value)
    cash = np.array([desk.cash for desk in found.desks])[found.market[first]]
    equity, money = found.equity[first] * cash, found.collateral[first] * cash
    plus, minus = leverage_mass(notional, equity)
    return Monitors(
        markets=tuple(_gauged(found, levels, i, bucket, span, wall) for i in range(len(levels))),
        effective_leverage=_over(float(notional.sum()), float(equity.sum())),
        elr=_over(longs, float(money.sum())),
        mass_plus=plus,
        mass_minus=minus,
        shock_down=_shock(found, DOWN, span, owed, float(value.sum())),
        shock_up=_shock(found, UP, span, owed, float(value.sum())),
        bad_share=owed,
    )


def leverage_mass(notional: Floats, equity: Floats) -> tuple[float, float]:
    """Return the sums of N_i / |e_i| over positive and over negative equity. Chitra eq. 8."""
    with np.errstate(divide="ignore"):
        mass = notional / np.abs(equity)
    return float(mass[equity > 0].sum()), float(mass[equity < 0].sum())


def smallest_shock(
    scenario: Scenario,
    *,
    share: float = 0.01,
    precision: float = 0.01,
    largest: float = 1_024.0,
    told: Callable[[float, float], None] | None = None,
) -> SmallestShock | None:
    """Return the smallest multiple of the first shock with bad debt above `share`, by runs.

    Doubles or halves from the scenario's own shock, then halves the interval to `precision` of the
    factor. Bad debt need not grow with the shock, so what is found is one place where it passes
    the share. `told` hears of every run (factor, bad debt). None where `largest` times is not
    enough. InputError for a scenario without a shock.
    """
    if not isinstance(scenario, Scenario):
        raise InputTypeError("scenario", "a Scenario", type(scenario).__name__)
    if not scenario.config.shock:
        raise InputError("scenario", scenario.name, "must have a shock")
    limit, fine = check_share("share", share), check_share("precision", precision)
    if not (largest >= 1 and math.isfinite(largest)):
        raise InputError("largest", largest, "must be a finite number of at least 1")
    opening = state(scenario)
    held = sum(
        float(np.abs(desk.value(opening.size[opening.market == i], max(1, desk.mark))).sum())
        for i, desk in enumerate(opening.desks)
    )
    tried: dict[float, float] = {}

    def bad(factor: float) -> bool:
        if len(tried) >= RUNS_MAX:
            raise InputError("precision", precision, f"needs more than {RUNS_MAX} runs")
        debt = float(run(_scaled(scenario, factor), progress=False).summary()["bad_debt"])
        tried[factor] = debt
        if told is not None:
            told(factor, debt)
        return debt > limit * held

    low, high = 0.0, 1.0
    while not bad(high):
        low, high = high, 2 * high
        if high > largest:
            return None
    while high - low > fine * high:
        middle = (low + high) / 2
        low, high = (low, middle) if bad(middle) else (middle, high)
    first = _scaled(scenario, high).config.shock[0]
    key = "notional" if first.size is None else "size"
    size = float(getattr(first, key))
    return SmallestShock(high, low, key, size, tried[high] * opening.desks[0].cash, len(tried))


def _scaled(scenario: Scenario, factor: float) -> Scenario:
    """Return the scenario with its first shock so many times as large, rounded up to a lot."""
    first, *rest = scenario.config.shock
    if first.size is None:
        other = msgspec.structs.replace(
            first, notional=Exact(str(round(float(first.notional or 0) * factor, 6)))
        )
    else:
        names = [item for venue in scenario.venues for item in venue.markets]
        lot = next((m.market.lot_size for m in names if m.market.name == first.market), None)
        lot = names[0].market.lot_size if lot is None else lot
        lots = max(1, math.ceil(float(first.size / lot) * factor))
        other = msgspec.structs.replace(first, size=Exact(lots * lot))
    config = msgspec.structs.replace(scenario.config, shock=(other, *rest))
    return Scenario(config, base=scenario.base, file=scenario.file)


def _gauged(
    found: State, levels: LiquidationMap, index: int, bucket: float, span: float, wall: float
) -> MarketGauges:
    each = levels.markets[index]
    desk = found.desks[index]
    down, up = (each.histogram(way, bucket=bucket, span=span) for way in (DOWN, UP))
    lots = np.concatenate((down.lots, up.lots))
    held = found.size[(found.market == index) & (found.size > 0)]
    share = lots / lots.sum() if lots.sum() else None
    return MarketGauges(
        market=desk.name,
        open_interest=float(np.abs(desk.value(held, max(1, desk.mark))).sum()) * desk.cash,
        wall_down=down.wall(wall),
        wall_up=up.wall(wall),
        hhi=None if share is None else float((share**2).sum()),
        gini=None if share is None else gini(share),
    )


def gini(values: Floats) -> float:
    """Return the Gini coefficient of values of at least 0: mean difference over twice the mean."""
    ordered = np.sort(values)
    count = len(ordered)
    rank = 2 * np.arange(1, count + 1) - count - 1
    return float((rank * ordered).sum() / (count * ordered.sum())) if ordered.sum() else 0.0


def _shock(found: State, way: int, span: float, owed: float, held: float) -> float | None:
    """Scan moves of all marks at once for the first whose debts pass the share; then halve."""
    reach = check_share("span", span)
    if not held:
        return None
    scopes, first = np.unique(found.scope, return_index=True)
    at = np.searchsorted(scopes, found.scope)
    cash = np.array([desk.cash for desk in found.desks])[found.market[first]]

    def debts(share: float) -> float:
        equity = found.collateral[first].copy()
        for index, desk in enumerate(found.desks):
            rows = found.market == index
            np.add.at(equity, at[rows], _gains(desk, found.size[rows], found.cost[rows], share))
        return -float((equity * cash)[equity < 0].sum())

    grid = reach * np.arange(1, GRID + 1) / GRID
    ends: list[float] = grid.tolist()
    for k, share in enumerate(ends):
        if debts(way * share) > owed * held:
            low, high = (ends[k - 1] if k else 0.0), share
            for _ in range(HALVINGS):
                middle = (low + high) / 2
                low, high = (low, middle) if debts(way * middle) > owed * held else (middle, high)
            return high
    return None


def _gains(desk: Desk, size: Ints, cost: Ints, share: float) -> Ints:
    """Return value less cost at a mark moved by a share, to the nearest tick, at least 1."""
    return desk.value(size, max(1, round(desk.mark * (1 + share)))) - cost


def _over(top: float, below: float) -> float:
    return top / below if below > 0 else math.inf if top > 0 else 0.0


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
