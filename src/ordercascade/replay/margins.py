"""Margin of a scope as it stood: pure functions of what it held and of marks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

from ordercascade.contracts import price_of
from ordercascade.enums import MarketKind
from ordercascade.replay.schedules import Schedule
from ordercascade.replay.terms import PPM, Brackets, MarketTerms, VenueTerms

TICK_MAX = 2**31 - 1
Leg: TypeAlias = tuple[int, int, int]  # market, size, cost
Marks: TypeAlias = Sequence[int]  # by market


class Held(NamedTuple):
    """What a scope owned after a step; `legs` have lots and stand in market order."""

    collateral: int
    legs: tuple[Leg, ...]


NOTHING = Held(0, ())


class Standing(NamedTuple):
    """A scope on a set of marks."""

    equity: int
    maintenance: int
    exposure: int


def equity_of(held: Held, marks: Marks, markets: Sequence[MarketTerms]) -> int:
    """Collateral + sum of value - cost. SEMANTICS §1."""
    found = held.collateral
    for market, size, cost in held.legs:
        found += markets[market].worth(size, marks[market]) - cost
    return found


def standing_of(held: Held, marks: Marks, markets: Sequence[MarketTerms]) -> Standing:
    """Return equity, maintenance and exposure; every market must have brackets."""
    equity, maintenance, exposure = held.collateral, 0, 0
    for market, size, cost in held.legs:
        value = markets[market].worth(size, marks[market])
        equity += value - cost
        exposure += abs(value)
        maintenance += brackets_of(markets[market]).maintenance(size, value, cost)
    for market, size, cost in held.legs:
        terms = markets[market]
        if isinstance(terms.brackets, Schedule) and terms.brackets.closing:
            money = equity - terms.worth(size, marks[market]) + cost
            good = 1 if (size > 0) == (terms.kind != MarketKind.INVERSE) else -1
            maintenance += closing_fee(terms.brackets.closing, good, cost - money)
    return Standing(equity, maintenance, exposure)


def closing_fee(rate_ppm: int, good: int, worth: int) -> int:
    """Return the fee of closing a leg at the value where equity is just that fee, rounded up.

    `worth` is its value without equity; `good` +1 where a higher value is the holder's gain.
    """
    room = good * worth
    return -(-room * rate_ppm // (PPM - good * rate_ppm)) if room > 0 else 0


def brackets_of(market: MarketTerms) -> Brackets | Schedule:
    """Return what a market asks of positions: its brackets, or its schedule."""
    if market.brackets is None:
        raise LookupError(f"market {market.id} has no brackets")
    return market.brackets


def liquidatable(held: Held, marks: Marks, venue: VenueTerms) -> bool:
    """The trigger test: below maintenance, or on it where the venue is not strict."""
    if not held.legs:
        return False
    at = standing_of(held, marks, venue.markets)
    return at.equity < at.maintenance or (not venue.strict and at.equity == at.maintenance)


def healthy(held: Held, marks: Marks, venue: VenueTerms) -> bool:
    """At the exit level and above the trigger. SEMANTICS §5.5."""
    at = standing_of(held, marks, venue.markets)
    buffer_ppm = venue.rules.buffer_ppm if venue.rules else 0
    level = at.maintenance - (-buffer_ppm * at.exposure // PPM)
    return at.equity >= level and not liquidatable(held, marks, venue)


def split(amount: int, weights: Mapping[int, int]) -> dict[int, int]:
    """Share a signed amount by weights given in the order of ties: floors, then one unit each.

    The units left go by largest remainder; weights that are all zero give all to the first.
    """
    total = sum(weights.values())
    if not total:
        return {who: amount if place == 0 else 0 for place, who in enumerate(weights)}
    shares = {who: amount * weight // total for who, weight in weights.items()}
    left = amount - sum(shares.values())
    if left:
        # A stable sort keeps the order of ties.
        by_rest = sorted(weights, key=lambda who: -(amount * weights[who] % total))
        for who in by_rest[:left]:
            shares[who] += 1
    return shares


def handover(held: Held, marks: Marks, markets: Sequence[MarketTerms]) -> dict[int, int]:
    """Return what each leg is handed over at: value less its share of equity. SEMANTICS §5.7."""
    if len(held.legs) == 1:
        market, _, cost = held.legs[0]
        return {market: cost - held.collateral}
    values = {m: markets[m].worth(size, marks[m]) for m, size, _ in held.legs}
    weights = {
        m: brackets_of(markets[m]).maintenance(size, values[m], cost) for m, size, cost in held.legs
    }
    shares = split(equity_of(held, marks, markets), weights)
    return {market: value - shares[market] for market, value in values.items()}


def bankruptcy_price(held: Held, market: int, marks: Marks, markets: Sequence[MarketTerms]) -> int:
    """The hand-over cost as a tick: up for a sell, down for a buy. SEMANTICS §5.3."""
    size = next(size for m, size, _ in held.legs if m == market)
    terms = markets[market]
    cost = handover(held, marks, markets)[market]
    return price_of(terms.kind, terms.multiplier, cost, size)


def trigger_holds(held: Held, market: int, tick: int, marks: Marks, venue: VenueTerms) -> bool:
    """Say if `tick` is the one nearest to safety at which a scope is liquidatable, 0 for none."""
    size = next(size for m, size, _ in held.legs if m == market)

    def unsafe(price: int) -> bool:
        tried = list(marks)
        tried[market] = price
        return liquidatable(held, tried, venue)

    if size > 0:
        falls = tick < 1 or unsafe(tick)
        return 0 <= tick <= TICK_MAX and falls and (tick == TICK_MAX or not unsafe(tick + 1))
    if tick in (0, TICK_MAX + 1):
        return not unsafe(TICK_MAX)
    return 1 <= tick <= TICK_MAX and unsafe(tick) and (tick == 1 or not unsafe(tick - 1))


def trigger_tick(held: Held, market: int, marks: Marks, venue: VenueTerms) -> int:
    """Find that tick by halves: slack goes one way with the price. 0 or TICK_MAX + 1 for none."""
    size = next(size for m, size, _ in held.legs if m == market)
    tried = list(marks)
    low, high = 0, TICK_MAX + 1  # long: low is unsafe or 0; short: high is unsafe or beyond
    while high - low > 1:
        tried[market] = middle = (low + high) // 2
        if liquidatable(held, tried, venue) == (size > 0):
            low = middle
        else:
            high = middle
    return low if size > 0 else high
