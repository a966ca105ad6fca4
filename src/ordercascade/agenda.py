"""What happens from outside while a scenario runs: shocks, outside prices, transfers."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

from ordercascade.collaterals import Collateral, asset_of, jump_of
from ordercascade.config import (
    DislocationConfig,
    IndexConfig,
    ScenarioConfig,
    ShockConfig,
    TransferConfig,
)
from ordercascade.enums import FundingRule, Side, Told
from ordercascade.errors import ConfigError
from ordercascade.exact import located, plain, ppb, ppm, time_ns
from ordercascade.market import Market
from ordercascade.marketplan import MarketPlan
from ordercascade.optionkeys import VolatilityConfig
from ordercascade.plan import VenuePlan, price_of, word
from ordercascade.portfolios import VOL_HIGH
from ordercascade.venuekeys import FundingConfig, InterestConfig, JumpConfig

YEAR_NS = 365 * 86_400 * 10**9


class Shock(NamedTuple):
    """An order from outside; `size` or `notional` is 0."""

    time_ns: int
    venue: int
    market: int
    side: Side
    size: int
    notional: int
    limit: int


class Tick(NamedTuple):
    """A new outside price."""

    time_ns: int
    venue: int
    market: int
    price: int


class Dislocation(NamedTuple):
    """What oracles are told falsely from a time on; 0 ends it."""

    time_ns: int
    venue: int
    market: int
    told: Told
    shift_ppm: int


class Transfer(NamedTuple):
    """A deposit (amount > 0) or withdrawal of a named account."""

    time_ns: int
    venue: int
    account: str
    amount: int
    path: str
    asset: int = 0


class Funding(NamedTuple):
    """Funding payments of a market; `rate_ppb` None: by its rule."""

    time_ns: int
    venue: int
    market: int
    rate_ppb: int | None
    every_ns: int
    times: int


class Jump(NamedTuple):
    """Another price or peg of a collateral."""

    time_ns: int
    venue: int
    asset: int
    change: dict[str, int]


class Interest(NamedTuple):
    """Interest payments of a venue: arguments of core.lending.schedule_interest()."""

    time_ns: int
    venue: int
    terms: dict[str, int]


class Volatility(NamedTuple):
    """Another volatility of an option, or of all options on a market."""

    time_ns: int
    venue: int
    market: int
    change: dict[str, int]


class Agenda(NamedTuple):
    """All of it, in the order of the file."""

    shocks: tuple[Shock, ...]
    ticks: tuple[Tick, ...]
    transfers: tuple[Transfer, ...]
    dislocations: tuple[Dislocation, ...] = ()
    fundings: tuple[Funding, ...] = ()
    jumps: tuple[Jump, ...] = ()
    interest: tuple[Interest, ...] = ()
    volatilities: tuple[Volatility, ...] = ()


def agenda(config: ScenarioConfig, venues: Sequence[VenuePlan]) -> Agenda:
    """Return the agenda of a scenario, or raise ConfigError with the key path."""
    return Agenda(
        tuple(_shock(venues, item, f"shock[{i}]") for i, item in enumerate(config.shock)),
        tuple(_tick(venues, item, f"index[{i}]") for i, item in enumerate(config.index)),
        tuple(_transfer(venues, item, f"transfer[{i}]") for i, item in enumerate(config.transfer)),
        _dislocations(venues, config.dislocation),
        tuple(_funding(venues, item, f"funding[{i}]") for i, item in enumerate(config.funding)),
        tuple(_jump(venues, item, f"jump[{i}]") for i, item in enumerate(config.jump)),
        tuple(
            _interest(i, venue.config.interest, f"{venue.path}.interest")
            for i, venue in enumerate(venues)
            if venue.config.interest is not None
        ),
        tuple(_volatility(venues, v, f"volatility[{i}]") for i, v in enumerate(config.volatility)),
    )


def _shock(venues: Sequence[VenuePlan], item: ShockConfig, path: str) -> Shock:
    venue, index, plan_ = _where(venues, item.venue, item.market, path)
    market = plan_.market
    size = 0 if item.size is None else located(path, market.to_lots, item.size)
    notional = 0 if item.notional is None else located(path, market.to_amount, item.notional)
    if item.notional is not None and notional <= 0:
        raise ConfigError(f"{path}.notional", "must be above 0", plain(item.notional))
    limit = price_of(market, item.limit, f"{path}.limit")
    side = word(Side, item.side)
    return Shock(_time(path, item), venue, index, side, size, notional, limit)


def _tick(venues: Sequence[VenuePlan], item: IndexConfig, path: str) -> Tick:
    venue, index, plan_ = _where(venues, item.venue, item.market, path)
    price = price_of(plan_.market, item.price, f"{path}.price")
    return Tick(_time(path, item), venue, index, price)


def _dislocations(
    venues: Sequence[VenuePlan], items: Sequence[DislocationConfig]
) -> tuple[Dislocation, ...]:
    """Refuse two at once of one price: the first one's end would be the end of both."""
    spans = [_dislocation(venues, item, f"dislocation[{i}]") for i, item in enumerate(items)]
    order = sorted(range(len(spans)), key=lambda i: (spans[i][0][1:4], spans[i][0].time_ns))
    for one, two in itertools.pairwise(order):
        first, *end = spans[one]
        if first[1:4] != spans[two][0][1:4]:
            continue
        if not end or end[0].time_ns > spans[two][0].time_ns:
            rule = f"must not begin before dislocation[{one}] of the same price has ended"
            rule += ", and that one has no until_s" * (not end)
            raise ConfigError(f"dislocation[{two}].at_s", rule, plain(items[two].at_s))
        if end[0].time_ns == spans[two][0].time_ns:
            spans[one] = [first]  # the next one begins as it ends, whichever the file has first
    return tuple(each for span in spans for each in span)


def _dislocation(
    venues: Sequence[VenuePlan], item: DislocationConfig, path: str
) -> list[Dislocation]:
    """Return its beginning and, where that is said, its end."""
    venue, index, _ = _where(venues, item.venue, item.market, path)
    shift = located(path, ppm, "shift", item.shift, low=-999_999, high=10**9)
    if shift == 0:
        raise ConfigError(f"{path}.shift", "must not be 0")
    told, begin = word(Told, item.told), _time(path, item)
    made = [Dislocation(begin, venue, index, told, shift)]
    if item.until_s is not None:
        end = located(path, time_ns, "until_s", item.until_s)
        if end <= begin:
            raise ConfigError(f"{path}.until_s", "must be after at_s", plain(item.until_s))
        made.append(Dislocation(end, venue, index, told, 0))
    return made


def _transfer(venues: Sequence[VenuePlan], item: TransferConfig, path: str) -> Transfer:
    venue = _pick(f"{path}.venue", "venue", item.venue, [plan_.name for plan_ in venues])
    if not venues[venue].markets:
        raise ConfigError(f"{path}.venue", "has no market and so no settlement asset")
    unit: Market | Collateral = venues[venue].markets[0].market
    if item.asset is not None and item.asset != venues[venue].markets[0].market.settle:
        unit = asset_of(item.asset, venues[venue].collaterals, f"{path}.asset")
    amount = located(f"{path}.amount", unit.to_amount, item.amount)
    if amount == 0:
        raise ConfigError(f"{path}.amount", "must not be 0")
    asset = unit.asset if isinstance(unit, Collateral) else 0
    return Transfer(_time(path, item), venue, item.account, amount, path, asset)


def _jump(venues: Sequence[VenuePlan], item: JumpConfig, path: str) -> Jump:
    venue = _pick(f"{path}.venue", "venue", item.venue, [plan_.name for plan_ in venues])
    found = venues[venue].collaterals
    names = [each.name for each in found]
    asset = found[_pick(f"{path}.collateral", "collateral", item.collateral, names)]
    return Jump(_time(path, item), venue, asset.asset, jump_of(item, asset, path))


def _volatility(venues: Sequence[VenuePlan], item: VolatilityConfig, path: str) -> Volatility:
    venue, index, plan_ = _where(venues, item.venue, item.market, path, options=True)
    options = [each.option for each in venues[venue].markets if each.option is not None]
    if item.volatility is not None and plan_.option is None:
        raise ConfigError(f"{path}.market", "must be an option; for all on it give a factor")
    if item.factor is not None and all(each["underlying"] != index for each in options):
        raise ConfigError(f"{path}.market", "must be one that options are on", plan_.market.name)
    key, said = ("vol_ppm", item.volatility) if item.factor is None else ("factor_ppm", item.factor)
    name = "volatility" if item.factor is None else "factor"
    change = {key: located(path, partial(ppm, high=VOL_HIGH), name, said)}
    return Volatility(_time(path, item), venue, index, change)


def _funding(venues: Sequence[VenuePlan], item: FundingConfig, path: str) -> Funding:
    venue, index, _ = _where(venues, item.venue, item.market, path)
    rate = None if item.rate is None else located(path, ppb, "rate", item.rate)
    every = 0 if item.every_s is None else located(path, time_ns, "every_s", item.every_s)
    if item.times > 1 and every == 0:
        raise ConfigError(f"{path}.every_s", "must be above 0")
    return Funding(_time(path, item), venue, index, rate, every, item.times)


def _interest(venue: int, item: InterestConfig, path: str) -> Interest:
    terms = {
        name: located(path, partial(ppb, low=0, high=10**10), key, getattr(item, key) or 0)
        for key, name in (("base", "base_ppb"), ("slope1", "slope_ppb"), ("slope2", "steep_ppb"))
    }
    terms["optimum_ppb"] = located(path, partial(ppb, low=1, high=10**9 - 1), "optimum",
                                   item.optimum)  # fmt: skip
    terms["reserve_ppm"] = located(path, ppm, "reserve", item.reserve or 0)
    if item.borrower_elasticity:
        said = item.borrower_elasticity
        terms["elasticity_ppm"] = located(path, ppm, "borrower_elasticity", said)
    terms["every_ns"] = located(path, time_ns, "every_s", item.every_s)
    if not 0 < terms["every_ns"] <= YEAR_NS:
        rule = "must be above 0 and at most a year"
        raise ConfigError(f"{path}.every_s", rule, plain(item.every_s))
    terms["times"] = item.times
    first = item.every_s if item.at_s is None else item.at_s
    return Interest(located(path, time_ns, "at_s", first), venue, terms)


def interest_told(item: InterestConfig, path: str) -> dict[str, int]:
    """Return what a tape says of a venue's interest: terms, the time of a payment, the asset."""
    terms = {name: int(value) for name, value in _interest(0, item, path).terms.items()}
    del terms["times"]
    return terms | {"asset": 0}


def funding_terms(item: MarketPlan) -> dict[str, Any]:
    """Return the arguments of the engine's set_funding() for a market that has a rule."""
    rule, path = item.config.funding, f"{item.path}.funding"
    if rule is None:
        return {}
    return {
        "rule": FundingRule[rule.rule.upper()],
        "interest_ppb": located(path, ppb, "interest", rule.interest or 0),
        "clamp_ppb": located(path, partial(ppb, low=0), "clamp", rule.clamp or 0),
        "cap_ppb": located(path, partial(ppb, low=0), "cap", 1 if rule.cap is None else rule.cap),
        "share": rule.share,
        "at_index": rule.price == "index",
    }


def _where(
    venues: Sequence[VenuePlan],
    venue: str | None,
    market: str | None,
    path: str,
    *,
    options: bool = False,
) -> tuple[int, int, MarketPlan]:
    at = _pick(f"{path}.venue", "venue", venue, [plan_.name for plan_ in venues])
    names = [item.market.name for item in venues[at].markets]
    index = _pick(f"{path}.market", "market", market, names)
    if venues[at].markets[index].option is not None and not options:
        rule = "is an option: it has no book, no outside price and no funding"
        raise ConfigError(f"{path}.market", rule, names[index])
    return at, index, venues[at].markets[index]


def _pick(path: str, what: str, wanted: str | None, names: Sequence[str]) -> int:
    """Return the index of a name; with only one to choose it need not be said."""
    if wanted is None and len(names) == 1:
        return 0
    if wanted is None:
        raise ConfigError(path, f"is required: there are {len(names)} {what}s")
    if wanted not in names:
        raise ConfigError(path, f"must be a {what} there is ({', '.join(names)})", wanted)
    return names.index(wanted)


def _time(
    path: str,
    item: ShockConfig
    | IndexConfig
    | TransferConfig
    | DislocationConfig
    | FundingConfig
    | JumpConfig
    | VolatilityConfig,
) -> int:
    return located(path, time_ns, "at_s", item.at_s)
