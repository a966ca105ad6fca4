"""Behind the faces: which engine runs, how a planned venue is raised in it, how a tape is taken.

The compiled engine and the slow twin of the tests have the same doors, so `engine` is any module
with a `World`.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from ordercascade import __version__
from ordercascade.agenda import funding_terms
from ordercascade.ahead import told as ahead_told
from ordercascade.books import Levels
from ordercascade.collaterals import impacts, in_coins
from ordercascade.enums import AdlRule
from ordercascade.errors import InputError, InputTypeError
from ordercascade.exact import plain
from ordercascade.market import Market, Number
from ordercascade.marketplan import MarketPlan
from ordercascade.plan import VenuePlan
from ordercascade.plugged import told as plugs_told
from ordercascade.policies import planner_told
from ordercascade.populations import Cohort
from ordercascade.portfolios import margined
from ordercascade.schedules import schedule_of
from ordercascade.staging import policy_of
from ordercascade.surcharges import told as surcharge_told

if TYPE_CHECKING:
    from ordercascade.tape import Tape

META_SCHEMA = 1
MARKET_RULES = (  # what `audit` needs of a market, beside its brackets
    *("source", "own_weight_ppm"),
    *("maker_fee_ppm", "taker_fee_ppm", "external_maker_fee_ppm", "external_taker_fee_ppm"),
)


def default_engine() -> Any:
    """Return the compiled engine's module."""
    return import_module("ordercascade.core.world")


def stages_of(plan: VenuePlan) -> dict[str, Any]:
    """Return what a venue's stages add to the arguments of `add_venue`."""
    policy, stages = plan.staged
    found: dict[str, Any] = {"policy": policy_of(policy)} if policy else {}
    return found | {"stages": dict(stages)} if stages else found


def rules_of(plan: VenuePlan, seed: int) -> dict[str, Any]:
    """Return a venue's rules as the engine takes them, mechanisms fresh."""
    rules = plan.arguments | stages_of(plan) | plan.guards()
    if rules["adl_rule"] == AdlRule.RANDOM:
        closing = import_module("ordercascade.mechanisms.closing")
        rules.setdefault("backstop", closing.Deleverage(AdlRule.RANDOM, seed=seed))
    return rules


def changed_rules(plan: VenuePlan, seed: int) -> dict[str, Any]:
    """Return a venue's rules as `core.changing.change` takes them in a running world."""
    return rules_of(plan, seed) | {"impacts": impacts(plan.collaterals)}


def raise_venue(world: Any, plan: VenuePlan, seed: int = 0) -> Any:
    """Add a planned venue with its markets and fund to an engine's world; return its door."""
    rules = rules_of(plan, seed)
    at = world.add_venue(asset_count=1 + len(plan.collaterals), **rules)
    venue = world.venue(at)
    for item in plan.markets:
        margin = {"schedule": schedule_of(item.margins)} if item.margins is not None else {}
        fed = {"oracle": item.oracle(seed, plan.name)} if item.feed else {}
        number = venue.add_market(asset=0, **item.arguments, **margin, **fed)
        if terms := funding_terms(item):
            venue.set_funding(number, **terms)
    raise_portfolio(world, at, plan)
    for asset in plan.collaterals:
        world.add_collateral(at, asset.asset, **asset.terms)
    for number, amount in enumerate(plan.funds):
        venue.fund_deposit(0, amount, market=number)
    if plan.fund and not plan.funds:
        venue.fund_deposit(0, plan.fund)
    return venue


def open_crowd(venue: Any, plan: VenuePlan, crowd: Cohort, books: Sequence[Levels]) -> int:
    """Open a population's accounts; return the first one's id."""
    deposits = crowd.drawn.deposits
    units: dict[int, list[int]] = {}
    (config,) = (each for each in plan.config.population if each.name == crowd.name)
    if config.assets:
        prices = [
            (item.opening_mark(book), int(item.arguments["index"]))
            for item, book in zip(plan.markets, books, strict=True)
        ]
        left, units = in_coins(
            deposits.tolist(), config.assets, plan.collaterals, prices, f"{plan.path}.population"
        )
        deposits = np.array(left, dtype=np.int64)
    first = int(venue.open_accounts(deposits, crowd.drawn.openings))
    for asset, amounts in units.items():
        for number, amount in enumerate(amounts):
            if amount:
                venue.deposit(first + number, asset, amount)
    return first


def raise_portfolio(world: Any, at: int, plan: VenuePlan) -> None:
    """Make a venue's options what they are, and margin its portfolios by their scenarios."""
    if not plan.portfolio:
        return
    derivatives = import_module("ordercascade.core.derivatives")
    for number, item in enumerate(plan.markets):
        if item.option is not None and item.expiry is not None:
            end, rule, window, price = item.expiry
            ends = {"expires_ns": end, "rule": rule, "window_ns": window, "price": price}
            derivatives.set_option(world, at, number, **item.option, **ends)
    derivatives.set_portfolio(world, at, **plan.portfolio)


def spelt(
    preset: str,
    markets: Sequence[Market],
    rules: Mapping[str, Any],
    index: Mapping[str, Number],
    fund: Number,
) -> dict[str, Any]:
    """Write a venue of ready-made markets as the keys of a scenario."""
    if not isinstance(markets, list | tuple):
        raise InputTypeError("markets", "a list of Market", markets)
    listed: list[dict[str, Any]] = []
    for number, market in enumerate(markets):
        if not isinstance(market, Market):
            raise InputTypeError(f"markets[{number}]", "a Market", market)
        spelt: dict[str, Any] = {
            "name": market.name,
            "kind": market.kind,
            "tick_size": market.tick_size,
            "lot_size": market.lot_size,
            "settle": market.settle,
            "decimals": market.decimals,
            **({} if market.quanto is None else {"quanto": market.quanto}),
            "price_max": market.to_price(market.price_max),
            "size_max": market.to_size(market.size_max),
        }
        if market.name in index:
            spelt["oracle"] = {"index": index[market.name]}
        listed.append(spelt)
    if unknown := sorted(index.keys() - {market.name for market in markets}):
        raise InputError("index", unknown[0], "must be a market of the venue")
    return {"name": preset, "preset": preset, "fund": {"balance": fund}, **rules, "market": listed}


def meta_of(venues: Sequence[VenuePlan]) -> dict[str, Any]:
    """Return names and units of venues and markets, for the tape's meta."""
    return {
        "schema": META_SCHEMA,
        "engine_version": __version__,
        "platform": f"{platform.system()}-{platform.machine()}-py{platform.python_version()}",
        "name": venues[0].name if len(venues) == 1 else "",
        "seed": 0,
        "scenario": "",
        "config_hash": "",
        "inputs": {},
        "wall_s": 0.0,
        "cpu_s": 0.0,
        "engine_s": 0.0,
        "venues": [
            {
                "id": index,
                "name": venue.name,
                "preset": venue.config.preset,
                "trigger_strict": bool(venue.arguments["trigger_strict"]),
                "rules": {name: int(rule) for name, rule in venue.arguments.items()},
                **_stages_told(venue),
                **_guards_told(venue),
            }
            for index, venue in enumerate(venues)
        ],
        "markets": [
            {
                "venue": index,
                "id": number,
                "name": item.market.name,
                "kind": item.market.kind,
                "asset": 0,
                "settle": item.market.settle,
                "decimals": item.market.decimals,
                "tick_size": plain(item.market.tick_size),
                "lot_size": plain(item.market.lot_size),
                "multiplier": item.market.multiplier,
                "price_max": item.market.price_max,
                "size_max": item.market.size_max,
                **({} if item.market.name in margined(venue.config) else _margin_told(item)),
                **{name: int(item.arguments[name]) for name in MARKET_RULES},
                **({"source": -1, "oracle": item.feed} if item.feed else {}),
                **({"expiry": [int(cell) for cell in item.expiry]} if item.expiry else {}),
                **({"option": _whole(item.option)} if item.option else {}),
            }
            for index, venue in enumerate(venues)
            for number, item in enumerate(venue.markets)
        ],
        "accounts": [],
        "populations": [],
    }


def _guards_told(venue: VenuePlan) -> dict[str, Any]:
    """Return what the tape says of gates, calls, breakers, surcharges and slices, if any."""
    told: dict[str, Any] = {}
    if venue.breakers:
        told["breakers"] = [
            {name: int(value) for name, value in each.items()} for each in venue.breakers
        ]
    if venue.collaterals:
        told["collaterals"] = [
            {"asset": each.asset, "name": each.name, "decimals": each.decimals}
            | {key: _plain(value) for key, value in each.terms.items()}
            for each in venue.collaterals
        ]
    if venue.surcharges:
        told["surcharges"] = [surcharge_told(each) for each in venue.surcharges]
    told |= ahead_told(venue.ahead.rules)
    if venue.portfolio:
        told["portfolio"] = True
    if venue.plugs:
        told["plugins"] = plugs_told(venue.plugs)
    if venue.config.interest is not None:
        told["interest"] = True
    if venue.planned:
        told["slices"] = list(venue.planned.parts)
        told["planner"] = planner_told(venue.config, venue.planned)
    return told


def _whole(numbers: Mapping[str, Any]) -> dict[str, int]:
    return {name: int(value) for name, value in numbers.items()}


def _plain(value: Any) -> Any:
    return [list(row) for row in value] if isinstance(value, tuple) else int(value)


def _stages_told(venue: VenuePlan) -> dict[str, Any]:
    """Return what the tape says of a venue's stages; nothing where there are none."""
    parts = {"tranches": venue.staged.policy, "stages": venue.staged.stages}
    return {
        part: {name: int(value) for name, value in numbers.items()}
        for part, numbers in parts.items()
        if numbers
    }


def _margin_told(item: MarketPlan) -> dict[str, Any]:
    """Return what the tape says of a market's margin: its brackets, or the schedule instead."""
    if item.margins is None:
        return {"brackets": [list(row) for row in item.arguments["brackets"]]}
    said = dict(item.margins.arguments)
    if "rows" in said:
        said["rows"] = [list(row) for row in said["rows"]]
    return {"schedule": {"kind": item.margins.kind, **said}}


def tape_of(world: Any, meta: dict[str, Any]) -> Tape:
    """Return what an engine's world has written so far, with its meta."""
    from ordercascade.tape import Tape

    ended = {"stop": int(world.stop), "state_hash": world.state_hash()}
    return Tape(world.log, meta | ended)
