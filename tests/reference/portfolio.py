"""A slow twin of portfolio margin: Black–Scholes by the standard library, one scenario at a time.

Written from docs/adr/0022 and 0023, not from the engine: positions are a dict of lots, every sum is
a plain list, the normal distribution is `math.erfc`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

PPM = 10**6
YEAR_NS = 365 * 86_400 * 10**9
DAY_NS = 86_400 * 10**9


class Instrument(NamedTuple):
    """A market: a future (`option` None), or an option with the keys of `set_option`."""

    kind: str  # linear, inverse
    multiplier: int
    option: Mapping[str, Any] | None = None


def below(z: float) -> float:
    """Return the normal distribution function."""
    return 0.5 * math.erfc(-z / math.sqrt(2))


def worth(call: bool, spot: float, strike: float, years: float, vol: float, rate: float) -> float:
    """Return the Black–Scholes price in the units of spot and strike."""
    strike *= math.exp(-rate * years)
    spread = vol * math.sqrt(years)
    if spread == 0:
        return max(0.0, spot - strike if call else strike - spot)
    up = math.log(spot / strike) / spread + spread / 2
    if call:
        return max(0.0, spot * below(up) - strike * below(up - spread))
    return max(0.0, strike * below(spread - up) - spot * below(-up))


def ticks(option: Mapping[str, Any], spot: int, left: int, vol_ppm: int) -> int:
    """Return an option's price in its own ticks, at least one."""
    years, rate = max(0, left) / YEAR_NS, option.get("rate_ppm", 0) / PPM
    call = option["kind"] == 1
    price = worth(call, float(spot), float(option["strike"]), years, vol_ppm / PPM, rate)
    if option.get("coin"):
        price /= spot
    return max(1, math.floor(price * option.get("per", 1) / option.get("of", 1) + 0.5))


def shocked(vol_ppm: int, grid: Mapping[str, Any], move: int, left: int) -> int:
    """Return a volatility as a scenario has it: `move` is -1, 0 or 1."""
    if move == 0:
        return vol_ppm
    days = max(1.0, left / DAY_NS)
    power = grid["power_short_ppm"] if left / DAY_NS < 30 else grid["power_long_ppm"]
    shift = grid["up_ppm"] if move > 0 else -grid["down_ppm"]
    made = math.floor(vol_ppm * (1 + shift / PPM * (30 / days) ** (power / PPM)) + 0.5)
    return max(made, grid["floor_ppm"] if move > 0 else 0)


def share(amount: int, rate_ppm: int) -> int:
    """Return a share of an amount, rounded up."""
    return math.ceil(Fraction(amount * rate_ppm, PPM))


def value(market: Instrument, lots: int, price: int) -> int:
    """Return what lots are worth."""
    if market.kind == "inverse":
        return math.floor(Fraction(-market.multiplier * lots, price))
    return lots * price * market.multiplier


class Loss(NamedTuple):
    """What one underlying asks."""

    loss: int
    way: int
    least: int
    extra: int


def one(
    markets: Sequence[Instrument],
    marks: Sequence[int],
    lots: Mapping[int, int],
    grid: Mapping[str, Any],
    now: int,
) -> Loss:
    """Return the loss of one underlying's legs over its grid."""
    held = {m: lots[m] for m in grid["markets"] if lots.get(m, 0)}
    worst, way = 0, 0
    for move_ppm, vol_move, counted_ppm in grid["rows"]:
        shift = math.floor(Fraction(2 * marks[grid["reference"]] * move_ppm + PPM, 2 * PPM))
        gain = 0
        for m, size in held.items():
            option = markets[m].option
            if option is None:
                price = max(1, marks[m] + shift)
            else:
                left = max(0, option["expires_ns"] - now)
                spot = max(1, marks[option["underlying"]] + shift)
                price = ticks(option, spot, left, shocked(option["vol_ppm"], grid, vol_move, left))
            gain += value(markets[m], size, price) - value(markets[m], size, marks[m])
        loss = share(-gain, counted_ppm) if gain < 0 else 0
        if loss > worst:
            worst, way = loss, (move_ppm > 0) - (move_ppm < 0)
    futures = sum(abs(value(markets[m], size, marks[m])) for m, size in held.items()
                  if markets[m].option is None)  # fmt: skip
    sold = sum(_on(markets, marks, m, size) for m, size in held.items() if size < 0)
    bought = sum(_on(markets, marks, m, size) for m, size in held.items() if size > 0)
    gross = max(0, futures + sold + bought - grid["concentration_from"])
    extra = share(futures, grid["contingency_ppm"]) + share(sold, grid["option_ppm"])
    return Loss(
        worst, way, share(sold, grid["short_ppm"]), extra + share(gross, grid["concentration_ppm"])
    )


def _on(markets: Sequence[Instrument], marks: Sequence[int], m: int, size: int) -> int:
    """Return what options are on; nothing for futures."""
    option = markets[m].option
    if option is None:
        return 0
    unit = Fraction(option.get("per", 1), option.get("of", 1))
    spot = 1 if option.get("coin") else marks[option["underlying"]]
    return math.ceil(abs(size) * markets[m].multiplier * spot * unit)


def asked(
    markets: Sequence[Instrument],
    marks: Sequence[int],
    lots: Mapping[int, int],
    terms: Mapping[str, Any],
    now: int = 0,
) -> tuple[int, int]:
    """Return (initial, maintenance) of a scope with these lots."""
    found = [one(markets, marks, lots, grid, now) for grid in terms["underlyings"]]
    loss = [each.loss for each in found]
    left = list(loss)
    for first, second, credit_ppm in terms.get("offsets", ()):
        if found[first].way * found[second].way >= 0:
            continue
        both = min(left[first], left[second])
        loss[second if left[second] < left[first] else first] -= both * credit_ppm // PPM
        left[first] -= both
        left[second] -= both
    initial = sum(
        max(mine, each.least) + each.extra for mine, each in zip(loss, found, strict=True)
    )
    return initial, share(initial, terms.get("maintenance_ppm", PPM))
