"""From a scenario's words to the arguments of the engine's doors: every number whole.

Venues, markets, rules and brackets are made and so checked when a scenario loads; books and
positions, which may be large files, when it is built.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from enum import IntEnum
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import ordercascade.guards
import ordercascade.markguards  # noqa: F401  (the safeguards of both join the list)
from ordercascade.ahead import Ahead, ahead, expiry
from ordercascade.books import Levels
from ordercascade.brakes import breaker_numbers
from ordercascade.checks import check_pace
from ordercascade.collaterals import (
    Collateral,
    collaterals,
    holdings,
    judge_backing,
    judge_crowds,
    judge_spots,
)
from ordercascade.config import (
    AccountConfig,
    BracketFile,
    FeesConfig,
    MarketConfig,
    OracleConfig,
    VenueConfig,
)
from ordercascade.contracts import kind_of
from ordercascade.data.brackets import EngineBracket, read_brackets, schedule
from ordercascade.data.positions import Opening, opening, read_positions
from ordercascade.duties import PairRule
from ordercascade.enums import (
    AdlRule,
    CancelPolicy,
    FeeTo,
    LegRule,
    LimitRule,
    MarkRefresh,
    PriceSource,
    QueueOrder,
    Residual,
    ShortfallAt,
)
from ordercascade.errors import ConfigError, InputError
from ordercascade.exact import CASH_MAX, Exact, located, name, plain, ppm
from ordercascade.funds import opening_balances
from ordercascade.hedges import judge_grids, judge_hedges
from ordercascade.market import Market
from ordercascade.marketplan import MarketPlan
from ordercascade.marks import feed_numbers
from ordercascade.mechanisms.breakers import Breaker
from ordercascade.mechanisms.slices import Slices
from ordercascade.plugged import Plugged, fitted, plugged
from ordercascade.policies import fee_rates, slices, tranche
from ordercascade.populations import Cohort, cohort, judge
from ordercascade.portfolios import (
    judge_options,
    margined,
    option_terms,
    plain_rows,
    portfolio_terms,
)
from ordercascade.schedules import brackets_like, judge_laws, margins
from ordercascade.staging import Staged, adl_trigger, fee_ppm, staged
from ordercascade.surcharges import made as surcharge_made
from ordercascade.surcharges import surcharges_of

E = TypeVar("E", bound=IntEnum)
Arguments = dict[str, Any]


class VenuePlan(NamedTuple):
    """A venue and the arguments of `add_venue`."""

    name: str
    config: VenueConfig
    path: str
    arguments: Arguments
    markets: tuple[MarketPlan, ...]
    fund: int
    staged: Staged = Staged({}, {})
    breakers: tuple[Arguments, ...] = ()
    surcharges: tuple[Arguments, ...] = ()
    planned: Slices | None = None
    collaterals: tuple[Collateral, ...] = ()
    ahead: Ahead = Ahead()
    funds: tuple[int, ...] = ()  # by market, where each has its own; `fund` is their sum
    portfolio: Arguments = {}  # noqa: RUF012  (never changed)
    plugs: tuple[Plugged, ...] = ()

    def guards(self) -> Arguments:
        """Return gates, levels and fresh mechanisms as arguments of `add_venue`."""
        made: Arguments = dict(self.ahead.rules)
        if self.planned:
            made["policy"] = self.planned
        if self.breakers:
            made["breakers"] = [Breaker(**numbers) for numbers in self.breakers]
        if self.surcharges:
            made["surcharges"] = [surcharge_made(numbers) for numbers in self.surcharges]
        return fitted(self.plugs, made)


class Account(NamedTuple):
    """What an account opens with: its cross deposit, its positions, units of collaterals."""

    name: str
    deposit: int
    positions: tuple[Opening, ...]
    assets: Mapping[int, int] = {}
    hedge: bool = False


def venue_plan(config: VenueConfig, *, path: str, base: Path) -> VenuePlan:
    """Return one venue's plan; every rule must be said (`presets.complete`)."""
    name(f"{path}.name", config.name)
    unique(f"{path}.market", [market.name for market in config.market])
    assets = sorted({(market.settle, market.decimals) for market in config.market})
    if len(assets) > 1:
        rule = "several settlement assets at a venue do not exist yet"
        raise ConfigError(f"{path}.market", rule, ", ".join(f"{a}/{d}" for a, d in assets))
    if config.oracle is not None and config.oracle.index is not None:
        raise ConfigError(f"{path}.oracle.index", "belongs to a market's oracle")
    fees = fee_rates(config.fees or FeesConfig(), f"{path}.fees")
    judge_options(config, path)
    markets = tuple(
        _market_plan(market, fees, config, path=f"{path}.market[{index}]", base=base)
        for index, market in enumerate(config.market)
    )
    units = [item.market for item in markets]
    markets = tuple(
        item._replace(option=option_terms(item.config.option, item.market, units, item.path))
        for item in markets
    )
    first = markets[0].market if markets else None
    arguments = _rules(config, path) | tranche(config, first, path)
    funds = opening_balances(config.fund, [m.market for m in markets], path)
    said = [account.name for account in config.account]
    judge(config.population, units, said, path)
    judge_laws(config, path)
    stages = staged(config, units, path)
    planned = slices(config, first, path)
    if planned is not None and stages.policy:
        rule = "must be full or tranche where stages say how much an order closes"
        raise ConfigError(f"{path}.liquidation[0].kind", rule)
    breakers = tuple(
        breaker_numbers(each, f"{path}.breaker[{index}]")
        for index, each in enumerate(config.breaker or ())
    )
    tables = [(m.arguments["brackets"], m.margins.kind if m.margins else "") for m in markets]
    more = surcharges_of(config, tables, fees, path)
    instruments = [item.market for item in markets]
    backing = collaterals(config.collateral, instruments, path, config.haircut_impact)
    judge_backing(backing, stages.stages, path)
    judge_hedges(config, stages.stages, path)
    judge_grids(config, stages.stages, path)
    judge_crowds(config.population, backing, path)
    warned = ahead(config, first, path)
    judge_spots(backing, config, path)
    return VenuePlan(
        config.name,
        config,
        path,
        arguments,
        markets,
        sum(funds),
        stages,
        breakers,
        more,
        planned,
        backing,
        warned,
        funds if config.fund is not None and config.fund.scope == "market" else (),
        portfolio_terms(config.portfolio, units, path),
        plugged(
            config,
            [hook for hook, has in (("liquidation", planned or stages.policy),) if has],
            path,
        ),
    )


def accounts(venue: VenuePlan, *, base: Path) -> list[Account]:
    """Return a venue's accounts: the explicit ones, then those of the files, in their order."""
    markets = {item.market.name: item.market for item in venue.markets}
    made: dict[str, Account] = {}
    for index, config in enumerate(venue.config.account):
        path = f"{venue.path}.account[{index}]"
        name(f"{path}.name", config.name)
        if config.name in made:
            raise ConfigError(f"{path}.name", "is used twice", config.name)
        held = holdings(config.assets, venue.collaterals, path)
        made[config.name] = _account(markets, config, path)._replace(assets=held)
    for index, source in enumerate(venue.config.positions):
        grouped: dict[str, list[Opening]] = {}
        for found in read_positions(base / source.file, markets, hedge=bool(source.hedge)):
            grouped.setdefault(found.account, []).append(found)
        if twice := sorted(made.keys() & grouped.keys()):
            path = f"{venue.path}.positions[{index}].file"
            raise ConfigError(path, "an account of this name exists already", twice[0])
        for account, positions in grouped.items():
            deposit = sum(row.collateral for row in positions if not row.isolated)
            made[account] = Account(account, deposit, tuple(positions), hedge=bool(source.hedge))
    _judge(venue, made)
    return list(made.values())


def cohorts(
    venue: VenuePlan, books: Sequence[Levels], *, base: Path, seed: int, said: Collection[str]
) -> list[Cohort]:
    """Draw a venue's populations at its opening marks; `said` are the names that are taken."""
    configs = venue.config.population
    judge(configs, [item.market for item in venue.markets], list(said), venue.path)
    marks = [item.opening_mark(book) for item, book in zip(venue.markets, books, strict=True)]
    return [
        cohort(
            config,
            [item.market for item in venue.markets],
            marks,
            [item.arguments["brackets"] for item in venue.markets],
            path=f"{venue.path}.population[{index}]",
            base=base,
            seed=seed,
            stream=f"population/{venue.name}/{config.name}",
            insolvent=venue.config.allow_insolvent,
        )
        for index, config in enumerate(configs)
    ]


def _market_plan(
    config: MarketConfig, fees: Arguments, venue: VenueConfig, *, path: str, base: Path
) -> MarketPlan:
    market = Market(
        located(f"{path}.name", lambda text: name(f"{path}.name", text), config.name),
        tick_size=config.tick_size,
        lot_size=config.lot_size,
        settle=name(f"{path}.settle", config.settle),
        decimals=config.decimals,
        kind=config.kind,
        price_max=config.price_max,
        size_max=config.size_max,
        quanto=config.quanto,
    )
    oracle = config.oracle or OracleConfig()
    weight = Exact(1) if oracle.own_book_weight is None else oracle.own_book_weight
    scenarios = config.name in margined(venue)
    rows = plain_rows(venue, config.name)
    if not scenarios or (config.option is None and (config.brackets or config.schedule)):
        rows = _brackets(market, config, venue.preset, path=path, base=base)
    arguments = {
        "kind": kind_of(market.kind),
        "multiplier": market.multiplier,
        "price_max": market.price_max,
        "size_max": market.size_max,
        "brackets": rows,
        "source": PriceSource[_source(oracle).upper()],
        "own_weight_ppm": located(f"{path}.oracle", ppm, "own_book_weight", weight),
        "index": price_of(market, oracle.index, f"{path}.oracle.index"),
        "last": price_of(market, config.last, f"{path}.last"),
    }
    found = None if scenarios else margins(market, config.schedule, rows, venue, f"{path}.schedule")
    feed = feed_numbers(oracle, f"{path}.oracle")
    ends = expiry(config, market, path)
    return MarketPlan(market, config, path, arguments | fees, found, feed, ends)


def _source(oracle: OracleConfig) -> str:
    """Return which own price an oracle reads."""
    kind = oracle.kind or "last"
    return kind if kind in ("last", "mid", "index") else oracle.of or "last"


def _brackets(
    market: Market, config: MarketConfig, preset: str, *, path: str, base: Path
) -> list[EngineBracket]:
    if config.schedule is not None:
        return brackets_like(market, config.schedule, f"{path}.schedule")
    source, path = config.brackets, f"{path}.brackets"
    if source is None:
        rule = f"preset {preset!r} has no brackets of {market.name!r}; give brackets or a schedule"
        raise ConfigError(path, rule)
    if isinstance(source, BracketFile):
        symbol = source.symbol or market.name
        source = read_brackets(base / source.file, symbol=symbol, as_of=source.as_of)
    return schedule(market, source, path)


def _rules(config: VenueConfig, path: str) -> Arguments:
    adl = config.adl
    round_ns, round_max = config.round_ns or 0, config.round_max or 100_000
    try:
        check_pace(round_ns, round_max)
    except (ConfigError, InputError) as error:
        raise ConfigError(f"{path}.round_ns", error.rule, round_ns) from None
    return {
        "mark_refresh": word(MarkRefresh, config.mark_refresh),
        "queue": word(QueueOrder, config.queue),
        "round_ns": round_ns,
        "round_max": round_max,
        "trigger_strict": config.trigger_strict is not False,
        "shortfall_at": word(ShortfallAt, config.shortfall_at),
        "leg": word(LegRule, config.leg),
        "cancel": word(CancelPolicy, config.cancel),
        "limit": word(LimitRule, config.limit),
        "residual": word(Residual, config.residual),
        "social": bool(config.social),
        "buffer_ppm": located(path, ppm, "exit_buffer", config.exit_buffer or 0),
        "liquidation_fee_ppm": fee_ppm(config, path),
        "liquidation_fee_to": word(FeeTo, config.liquidation_fee_to),
        "liquidation_pays_taker": bool(config.liquidation_pays_taker),
        "adl_rule": word(AdlRule, adl.rule if adl else None),
        "adl_trigger": adl_trigger(config),
        **({"pairs": word(PairRule, config.pairs)} if config.pairs else {}),
    }


def _account(markets: Mapping[str, Market], config: AccountConfig, path: str) -> Account:
    positions: list[Opening] = []
    for index, position in enumerate(config.position):
        place = f"{path}.position[{index}]"
        if position.market not in markets:
            rule = f"must be a market of the venue ({', '.join(markets)})"
            raise ConfigError(f"{place}.market", rule, position.market)
        made = _position(markets[position.market], config.name, position, place)
        for row in positions:
            if row.market != made.market:
                continue
            if not config.hedge or (row.size > 0) == (made.size > 0):
                raise ConfigError(f"{place}.market", "has a position of this account already")
            if row.isolated != made.isolated:
                rule = "must be as that of the other leg: both belong to one scope"
                raise ConfigError(f"{place}.margin", rule, position.margin)
        positions.append(made)
    deposit = sum(row.collateral for row in positions if not row.isolated)
    if config.collateral is not None and markets:
        settled = next(iter(markets.values()))
        deposit += located(f"{path}.collateral", settled.to_amount, config.collateral)
    if deposit < 0:
        raise ConfigError(f"{path}.collateral", "must be 0 or more", deposit)
    return Account(config.name, deposit, tuple(positions), hedge=bool(config.hedge))


def _position(market: Market, account: str, config: Any, path: str) -> Opening:
    def made(_: object) -> Opening:
        return opening(
            market,
            account,
            side=config.side,
            size=config.size,
            entry_price=config.entry_price,
            leverage=config.leverage,
            collateral=config.collateral,
            margin=config.margin,
        )

    return located(path, made, None)


def _judge(venue: VenuePlan, made: Mapping[str, Account]) -> None:
    """Keep the sums of sizes and of money inside the cells of the ledger."""
    deposits = venue.fund
    longs: dict[str, int] = {}
    shorts: dict[str, int] = {}
    for account in made.values():
        deposits += account.deposit
        for row in account.positions:
            deposits += row.collateral if row.isolated else 0
            sums = longs if row.size > 0 else shorts
            sums[row.market] = sums.get(row.market, 0) + abs(row.size)
    if deposits > CASH_MAX:
        raise ConfigError(venue.path, "deposits must sum to at most 2**60 units", deposits)
    for item in venue.markets:
        total = max(longs.get(item.market.name, 0), shorts.get(item.market.name, 0))
        if total > item.market.size_max:
            rule = "the positions on one side must sum to at most size_max"
            raise ConfigError(item.path, rule, plain(item.market.to_size(total)))


def price_of(market: Market, price: Exact | None, path: str) -> int:
    return 0 if price is None else located(path, market.to_ticks, price)


def word(kind: type[E], word: str | None) -> E:
    """Return the member a file names in lower case; a preset says every word (tested)."""
    return kind(0) if word is None else kind[word.upper()]


def unique(path: str, names: Sequence[str]) -> None:
    for index, label in enumerate(names):
        if label in names[:index]:
            raise ConfigError(f"{path}[{index}].name", "is used twice", label)
