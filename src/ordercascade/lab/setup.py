"""What the scenario panel asks for, as a value: a scenario in, its fields out, and back.

Pure: no widget. Every refusal is an InputError or a ConfigError whose field says where to look.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import msgspec

from ordercascade import toml
from ordercascade.config import AccountConfig, MarketConfig, ScenarioConfig, VenueConfig
from ordercascade.errors import InputError, InputTypeError
from ordercascade.exact import Exact, exact, plain
from ordercascade.keys import (
    ConstantLaw,
    ExponentialBook,
    FileBook,
    FileLaw,
    LadderBook,
    LevelsBook,
    LognormalLaw,
    NormalLaw,
    ParetoLaw,
    PopulationConfig,
    PowerBook,
    ProfileBook,
    UniformLaw,
    ValuesLaw,
)
from ordercascade.safeguards import safeguards
from ordercascade.scenario import Scenario

put = msgspec.structs.replace

_SCALED: dict[Any, tuple[str, ...]] = {  # what of a law is proportional to the leverage it draws
    ConstantLaw: ("value",),
    UniformLaw: ("low", "high"),
    NormalLaw: ("mean", "sigma", "low", "high"),
    LognormalLaw: ("median", "low", "high"),
    ParetoLaw: ("minimum", "high"),
}


@dataclass(frozen=True)
class Choice:
    """The fields of the panel as text; a safeguard's value is None where it is off."""

    shock: str  # size or value of the first shock; empty where there is none
    side: str  # ask sells, bid buys
    unit: str  # what the shock is counted in
    seed: str
    depth: str  # factor on the opening book
    leverage: str  # factor on leverage
    rules: Mapping[str, str | None]


def read(scenario: Scenario) -> Choice:
    """Return what the fields show for a scenario as it is."""
    config = scenario.resolved
    shock, side, unit = "", "ask", ""
    if config.shock:
        first = config.shock[0]
        amount = first.size if first.notional is None else first.notional
        shock, side = plain(Decimal(amount or 0)), first.side
        market = _market(config, first.market)
        unit = market.settle if first.notional is not None else market.name
    venue = config.venue[0] if config.venue else None
    rules = {each.name: each.read(venue) if venue else None for each in safeguards()}
    return Choice(shock, side, unit, str(config.seed), "1", "1", rules)


def applied(scenario: Scenario, choice: Choice) -> Scenario:
    """Return the scenario with the fields applied; those that are as they were change nothing."""
    was = read(scenario)
    config = scenario.resolved
    config = put(config, seed=_seed(choice.seed))
    if config.shock and (choice.shock, choice.side) != (was.shock, was.side):
        config = _shocked(config, choice)
    depth, leverage = _factor("depth", choice.depth), _factor("leverage", choice.leverage)
    venues = []
    for venue in config.venue:
        if depth != 1:
            books = tuple(_deeper(market, depth) for market in venue.market)
            venue = put(venue, market=books)
        if leverage != 1:
            venue = _levered(venue, leverage)
        for each in safeguards():
            value = choice.rules[each.name]
            if value != was.rules[each.name]:
                venue = each.set(venue, value)
        venues.append(venue)
    config = put(config, venue=tuple(venues))
    # Through the text: every rule of the file is judged again.
    return Scenario.from_toml(toml.dumps(config), base=scenario.base, file=scenario.file)


def ruled(scenario: Scenario, name: str, value: str | None) -> Scenario:
    """Return the scenario with one safeguard changed, and nothing else."""
    was = read(scenario)
    if name not in was.rules:
        raise InputError("rule", name, f"must be one of {', '.join(was.rules)}")
    return applied(scenario, replace(was, rules={**was.rules, name: value}))


def field_of(error: Exception) -> str:
    """Return which field a refusal is about: shock, seed, depth, leverage, a safeguard, or none."""
    names = ["shock", "seed", "depth", "leverage", *(each.name for each in safeguards())]
    place = getattr(error, "field", "") or getattr(error, "path", "")
    for name in names:
        if str(place).partition("[")[0] == name or str(place).partition(".")[0] == name:
            return name
    return ""


def _seed(text: str) -> int:
    if not text.strip().isdecimal() or not text.strip().isascii():
        raise InputError("seed", text, "must be a whole number, 0 or more")
    number = int(text) if len(text) < 20 else 2**64
    if number >= 2**63:
        raise InputError("seed", text, "must be below 2**63")
    return number


def _number(field: str, text: str) -> Exact:
    try:
        number = exact(field, text.strip().replace(",", "").replace("_", ""))
    except (InputError, InputTypeError):
        raise InputError(field, text, "must be a number such as 1.5") from None
    if number <= 0:
        raise InputError(field, text, "must be above 0")
    return number


def _factor(field: str, text: str) -> Exact:
    number = _number(field, text.strip().removeprefix("×").removeprefix("x"))
    if not Decimal("0.001") <= number <= 1000:
        raise InputError(field, text, "must be a factor in [0.001, 1000]")
    return number


def _market(config: ScenarioConfig, name: str | None) -> MarketConfig:
    markets = [market for venue in config.venue for market in venue.market]
    return next((m for m in markets if m.name == name), markets[0])


def _shocked(config: ScenarioConfig, choice: Choice) -> ScenarioConfig:
    amount = _number("shock", choice.shock)
    if choice.side not in ("ask", "bid"):
        raise InputError("shock", choice.side, "must sell (ask) or buy (bid)")
    first = config.shock[0]
    if first.notional is not None:
        first = put(first, notional=amount, side=choice.side)
    else:
        lot = _market(config, first.market).lot_size
        if amount % lot:
            raise InputError("shock", choice.shock, f"must be a multiple of the lot, {plain(lot)}")
        first = put(first, size=amount, side=choice.side)
    return put(config, shock=(first, *config.shock[1:]))


def _deeper(market: MarketConfig, factor: Exact) -> MarketConfig:
    """Scale a book's sizes; what does not fit a lot is rounded to the nearest, at least one."""
    book = market.book
    if isinstance(book, FileBook):
        raise InputError("depth", plain(factor), "must be 1: the book is a recorded one")
    if isinstance(book, LadderBook):
        book = put(book, size=_lots(book.size * factor, market))
    elif isinstance(book, ProfileBook):
        points = tuple(put(p, quote=_short(p.quote * factor)) for p in book.depth)
        book = put(book, depth=points)
    elif isinstance(book, PowerBook | ExponentialBook):
        book = put(book, quote=_short(book.quote * factor))
    elif isinstance(book, LevelsBook):
        sides = {
            side: tuple((p, _lots(size * factor, market)) for p, size in getattr(book, side))
            for side in ("bids", "asks")
        }
        book = put(book, **sides)
    return put(market, book=book)


def _lots(size: Decimal, market: MarketConfig) -> Exact:
    lots = (size / market.lot_size).to_integral_value(ROUND_HALF_EVEN)
    return Exact(max(Decimal(1), lots) * market.lot_size)


def _short(value: Decimal) -> Exact:
    """Return a number with at most 9 decimals."""
    return Exact(round(value, 9))


def _levered(venue: VenueConfig, factor: Exact) -> VenueConfig:
    if venue.positions:
        raise InputError("leverage", plain(factor), "must be 1: positions come from a file")
    crowds = tuple(_crowd(crowd, factor) for crowd in venue.population)
    accounts = tuple(_account(venue, account, factor) for account in venue.account)
    return put(venue, population=crowds, account=accounts)


def _crowd(crowd: PopulationConfig, factor: Exact) -> PopulationConfig:
    law: Any = crowd.leverage
    if law is None:
        rule = f"must be 1: {crowd.name!r} says its liquidation prices"
        raise InputError("leverage", plain(factor), rule)
    if isinstance(law, FileLaw):
        raise InputError("leverage", plain(factor), "must be 1: leverage comes from a file")
    if isinstance(law, ValuesLaw):
        return put(crowd, leverage=put(law, values=tuple(_short(v * factor) for v in law.values)))
    scaled = {
        field: _short(getattr(law, field) * factor)
        for field in _SCALED[type(law)]
        if getattr(law, field) is not None
    }
    return put(crowd, leverage=put(law, **scaled))


def _account(venue: VenueConfig, account: AccountConfig, factor: Exact) -> AccountConfig:
    """More leverage is less collateral for the same position."""
    cash = Decimal(1).scaleb(-min((m.decimals for m in venue.market), default=0))

    def less(value: Exact | None) -> Exact | None:
        return None if value is None else Exact((value / factor).quantize(cash))

    positions = tuple(
        put(
            each,
            collateral=less(each.collateral),
            leverage=None if each.leverage is None else _short(each.leverage * factor),
        )
        for each in account.position
    )
    return put(account, collateral=less(account.collateral), position=positions)
