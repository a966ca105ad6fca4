"""Margin questions answered without a run: what a venue asks, and at which price it steps in.

>>> schedule = Schedule.tiers([(0, 4_000, 0, 8_000), (50_000, 5_000, 50, 10_000)], multiplier=10)
>>> liquidation_price(schedule, size=3, cost=30_000, collateral=3_000)  # 3 lots at 1,000
904
>>> margin_required(schedule, size=3, price=1_000, leverage=20)
(1500, 120)

The schedules and the five questions (`liquidation_price`, `bankruptcy_price`, `max_size`,
`margin_required`, `what_if`, with `trigger_price` and `liquidation_range` beside them) are compiled
and take arrays; the rest is what single venues compute around them, in exact fractions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import pairwise
from statistics import NormalDist

from ordercascade.core.answers import (
    bankruptcy_price,
    liquidation_price,
    liquidation_range,
    margin_required,
    max_size,
    trigger_price,
    what_if,
)
from ordercascade.core.schedule import Schedule
from ordercascade.errors import InputError
from ordercascade.exact import PPM

__all__ = [
    "Schedule",
    "amounts",
    "bankruptcy_price",
    "bankruptcy_quote",
    "entry_price",
    "fair_price",
    "fillable_price",
    "funding_margin",
    "insurance_fee_ppm",
    "leverage_row",
    "liability_transfer",
    "liquidation_price",
    "liquidation_range",
    "lognormal_bounds",
    "lognormal_factors",
    "loss_grid",
    "margin_required",
    "max_size",
    "order_margin",
    "requirement",
    "riskiest",
    "scaled",
    "trigger_price",
    "what_if",
]

INSURANCE_SHARE = Fraction(95, 100)


def amounts(tiers: Sequence[tuple[Fraction, Fraction]]) -> list[Fraction]:
    """Return the maintenance amounts ("cum") of marginal tiers (floor, rate), any unit.

    amount_k = amount_{k-1} + floor_k (rate_k - rate_{k-1}). spec/MARGIN.md §2.1.2 [BN1, BN4].
    """
    found = [Fraction(0)]
    for (_, before), (floor, rate) in pairwise(tiers):
        found.append(found[-1] + floor * (rate - before))
    return found[: len(tiers)]


def leverage_row(leverage_max: int, *, share: Fraction = Fraction(1, 2)) -> tuple[int, int]:
    """Return (initial_ppm, maintenance_ppm) of an asset by its greatest leverage.

    Maintenance is `share` of the initial rate there, whatever leverage the user picked. Both are
    rounded up to the ppm. spec/MARGIN.md §2.1 [HL1, HL5].
    """
    if leverage_max < 1:
        raise InputError("leverage_max", leverage_max, "must be at least 1")
    rate = Fraction(PPM, leverage_max)
    return math.ceil(rate), math.ceil(rate * share)


def entry_price(fills: Iterable[tuple[Fraction, Fraction]], *, inverse: bool = False) -> Fraction:
    """Return the average entry of fills (size, price); of an inverse position the harmonic mean.

    spec/MARGIN.md §1 [BY6, BM1].
    """
    pairs = list(fills)
    size = sum((size for size, _ in pairs), Fraction(0))
    if not pairs or size <= 0 or any(price <= 0 for _, price in pairs):
        raise InputError("fills", pairs, "must have sizes and prices above 0")
    if inverse:
        return size / sum((Fraction(n) / Fraction(price) for n, price in pairs), Fraction(0))
    return sum((Fraction(n) * Fraction(price) for n, price in pairs), Fraction(0)) / size


def fillable_price(
    price: Fraction,
    size: int,
    equity: int,
    maintenance: int,
    *,
    rate_ppm: int,
    spread_ppm: int,
    adjustment_ppm: int,
) -> Fraction:
    """Return the limit price of a liquidation order, exact: P (1 - s ABR SMMR MMF).

    ABR = BA (1 - equity / maintenance), held in [0, 1]. `size` says the side, `equity` and
    `maintenance` are the account's, `rate_ppm` is the market's maintenance rate. Round it up for a
    long's sell and down for a short's buy. spec/MARGIN.md §6.3 [D4, D5].
    """
    if maintenance <= 0:
        raise InputError("maintenance", maintenance, "must be above 0")
    ratio = Fraction(adjustment_ppm, PPM) * (1 - Fraction(equity, maintenance))
    ratio = max(Fraction(0), min(Fraction(1), ratio))
    sign = 1 if size > 0 else -1
    ratio *= Fraction(spread_ppm, PPM) * Fraction(rate_ppm, PPM)
    return Fraction(price) * (1 - sign * ratio)


def bankruptcy_quote(value_change: int, equity: int, relief: int, maintenance: int) -> int:
    """Return what a change of one leg must bring in so that the account's share of loss is even.

    -value_change - equity * relief / maintenance, rounded up: `value_change` of the leg (signed),
    `relief` = |change of its maintenance|, `maintenance` of the account. §3 [D3].
    """
    if maintenance <= 0:
        raise InputError("maintenance", maintenance, "must be above 0")
    return math.ceil(-value_change - Fraction(equity * relief, maintenance))


def insurance_fee_ppm(
    shortage: Fraction,
    notional: Fraction,
    *,
    margin_ratio: Fraction,
    liquidator_fee: Fraction,
    most: Fraction,
) -> int:
    """Return the fund's fee in ppm: 95 % of what the margin leaves beside liquidator and shortage.

    In [0, most], floored, so that the fee cannot make the bankruptcy. spec/MARGIN.md §6.6 [DR2].
    """
    if notional <= 0:
        return 0
    left = Fraction(margin_ratio) - liquidator_fee - Fraction(shortage) / Fraction(notional)
    return math.floor(max(Fraction(0), min(Fraction(most), left * INSURANCE_SHARE)) * PPM)


def riskiest(size: int, *, bids: int, asks: int) -> tuple[int, int]:
    """Return (long, short) lots if all open orders of a side filled; 0: that side asks nothing.

    spec/MARGIN.md §2.1.7 [V1]; `margin_required` of a `Schedule.risk` counts by the same rule.
    """
    return max(0, size + bids), min(0, size - asks)


def order_margin(size: Fraction, price: Fraction, factor: Fraction) -> int:
    """Return the isolated margin of an order or position: size * price * factor, floored.

    spec/MARGIN.md §2.3 [V2].
    """
    return math.floor(abs(Fraction(size)) * Fraction(price) * Fraction(factor))


def funding_margin(
    spot: Fraction,
    mark: Fraction,
    *,
    factor: Fraction,
    interest: Fraction = Fraction(0),
    low: Fraction | None = None,
    high: Fraction | None = None,
) -> tuple[Fraction, Fraction, Fraction]:
    """Return (payment of a long, margin added to a long, to a short) for a funding period.

    payment = mark - spot + clamp((1 + interest) spot - mark, low spot, high spot); `spot` and
    `mark` are time-weighted; who would pay holds `factor` of it. For one unit of position.
    [V2] 0019-MCAL.
    """
    premium = (1 + Fraction(interest)) * spot - mark
    if high is not None:
        premium = min(premium, Fraction(high) * spot)
    if low is not None:
        premium = max(premium, Fraction(low) * spot)
    payment = Fraction(mark) - spot + premium
    return payment, factor * max(Fraction(0), payment), factor * max(Fraction(0), -payment)


def fair_price(index: Fraction, rate: Fraction, left: Fraction, interval: Fraction) -> Fraction:
    """Return index (1 + funding rate * time to the payment / interval); times in one unit.

    spec/MARGIN.md §5: BitMEX's fair price [BM1], Binance's early mark [BN2]. An oracle of the kind
    `funding` says the same in ticks.

    >>> fair_price(Fraction(10_000), Fraction("0.0003"), Fraction(4), Fraction(8))
    Fraction(20003, 2)
    """
    if not 0 <= left <= interval or interval <= 0:
        raise InputError("left", str(left), "must lie within an interval that is above 0")
    return Fraction(index) * (1 + Fraction(rate) * Fraction(left) / Fraction(interval))


def liability_transfer(
    shortage: Fraction,
    price: Fraction,
    *,
    asset_weight: Fraction,
    liability_weight: Fraction,
    asset_multiplier: Fraction = Fraction(1),
    liability_multiplier: Fraction = Fraction(1),
    fund_fee: Fraction = Fraction(0),
) -> tuple[Fraction, Fraction, Fraction]:
    """Return (base units, margin a unit's value frees, what its fee takes of that).

    Where a liquidator takes over a liability of one asset for collateral in another, one value
    moved frees liability weight - asset weight * asset multiplier / liability multiplier (its
    product is floored to 10^-5, as that venue does), less liability weight * fund fee:
    base = shortage / (price * that). spec/MARGIN.md §6.2 [DR2].
    """
    taken = Fraction(asset_weight) * Fraction(asset_multiplier) / Fraction(liability_multiplier)
    freed = Fraction(liability_weight) - Fraction(math.floor(taken * 10**5), 10**5)
    cost = Fraction(liability_weight) * Fraction(fund_fee)
    if freed <= cost or price <= 0 or shortage < 0:
        raise InputError(
            "asset_weight", str(asset_weight), "must leave a transfer that frees margin"
        )
    return Fraction(shortage) / (Fraction(price) * (freed - cost)), freed, cost


def lognormal_factors(
    *, risk_aversion: float, tau_years: float, mu: float, sigma: float
) -> tuple[float, float]:
    """Return (long, short) risk factors: expected shortfall of a lognormal price over `tau`.

    With s = sigma sqrt(tau) and z the quantile of the risk aversion a: 1 - e^(mu tau) N(z - s) / a
    for longs, e^(mu tau) N(z + s) / a - 1 for shorts. MARGIN §2.1.7 names them [V1]; the formula is
    that of a lognormal's tail mean. Floats: factors are rounded up to ppm where they are used.
    """
    if not 0 < risk_aversion < 1 or tau_years < 0 or sigma < 0:
        rule = "must be in (0, 1), with tau_years and sigma at least 0"
        raise InputError("risk_aversion", risk_aversion, rule)
    normal, spread = NormalDist(), sigma * math.sqrt(tau_years)
    drift, quantile = math.exp(mu * tau_years), normal.inv_cdf(risk_aversion)
    return (
        1 - drift * normal.cdf(quantile - spread) / risk_aversion,
        drift * normal.cdf(quantile + spread) / risk_aversion - 1,
    )


def lognormal_bounds(
    price: float, *, horizon_s: float, probability: float, mu: float, sigma: float
) -> tuple[float, float]:
    """Return the prices between which a lognormal stays over a horizon with a probability.

    Price monitoring, MARGIN §6.9 [V7]; a year has 365.25 days.
    """
    if price <= 0 or horizon_s < 0 or not 0 < probability < 1 or sigma < 0:
        rule = "must be in (0, 1), with price above 0, horizon_s and sigma at least 0"
        raise InputError("probability", probability, rule)
    years = horizon_s / (365.25 * 86_400)
    reach = NormalDist().inv_cdf((1 + probability) / 2) * sigma * math.sqrt(years)
    middle = (mu - sigma * sigma / 2) * years
    return price * math.exp(middle - reach), price * math.exp(middle + reach)


# Portfolios: arrays of profit and loss over one grid of scenarios.


def loss_grid(
    size: Fraction, price: Fraction, shocks: Sequence[Fraction], *, inverse: bool = False
) -> list[Fraction]:
    """Return a future's profit at each relative shock of its price.

    `size` is in base units, or in quote units for an inverse contract, whose profit is in coin.
    spec/MARGIN.md §8.
    """
    if price <= 0 or any(shock <= -1 for shock in shocks):
        raise InputError("shocks", list(shocks), "must leave the price above 0")
    if inverse:
        return [Fraction(size) / price * (1 - 1 / (1 + Fraction(shock))) for shock in shocks]
    return [Fraction(size) * price * shock for shock in shocks]


def requirement(arrays: Sequence[Sequence[Fraction]]) -> tuple[list[Fraction], Fraction]:
    """Return the sum of several positions' arrays, gains positive, and its largest loss. [SP1]"""
    if not arrays or len({len(array) for array in arrays}) != 1:
        raise InputError("arrays", [len(array) for array in arrays], "must be of one length")
    combined = [sum(column, Fraction(0)) for column in zip(*arrays, strict=True)]
    return combined, max(Fraction(0), -min(combined, default=Fraction(0)))


def scaled(amount: Fraction, tiers: Sequence[tuple[Fraction, Fraction]]) -> Fraction:
    """Return an amount scaled in marginal tiers (cap, factor); above the last cap its factor holds.

    spec/MARGIN.md §8, OKX's liquidation cost [OK4].
    """
    sum, before = Fraction(0), Fraction(0)
    for index, (cap, factor) in enumerate(tiers):
        top = amount if index == len(tiers) - 1 else min(amount, Fraction(cap))
        sum += max(Fraction(0), top - before) * Fraction(factor)
        before = max(before, Fraction(cap))
    return sum
