"""Other assets as margin, from a scenario's words to the engine's whole numbers. ADR 18."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple

from ordercascade.config import VenueConfig
from ordercascade.duties import CollateralSource
from ordercascade.errors import ConfigError, InputError
from ordercascade.exact import CASH_MAX, PPM, TICK_MAX, Exact, exact, located, name, plain, ppm
from ordercascade.exact import units as whole_units
from ordercascade.keys import BackingConfig, PopulationConfig
from ordercascade.market import Market, Number
from ordercascade.venuekeys import CollateralConfig, CollateralPrice, HoldingConfig, JumpConfig

RATE_MAX = 10**8  # ticks that a stated rate begins with: a jump may still multiply it by 20
WORTH_MAX = 2**44  # highest price times multiplier
PEG_MAX = 4 * PPM
IMPACT_MAX = 10
BETA_MAX = 10 * PPM
ADDON_MAX = 10 * PPM


class Collateral(NamedTuple):
    """A collateral: the asset's number at its venue, its unit, and `World.add_collateral`'s terms.

    `tick_size` is that of a stated rate, in the settlement asset, a beta's too; 0 where a market
    gives the price.
    """

    name: str
    asset: int
    decimals: int
    tick_size: Decimal
    terms: dict[str, Any]

    def to_amount(self, amount: Exact, *, field: str = "amount") -> int:
        """Return an amount in the asset's smallest units; it may be negative."""
        unit = Decimal(1).scaleb(-self.decimals)
        whole, rest = whole_units(amount, unit)
        if rest:
            raise InputError(field, plain(amount), f"must not be finer than {plain(unit)}")
        if abs(whole) > CASH_MAX:
            raise InputError(field, plain(amount), f"must be at most 2**60 units of {self.name}")
        return whole


def collaterals(
    configs: Sequence[CollateralConfig],
    markets: Sequence[Market],
    path: str,
    impact: Exact | None = None,
) -> tuple[Collateral, ...]:
    """Return a venue's collaterals in the order of the file: assets 1, 2, …; `impact` is Y."""
    if impact is not None and not 0 <= impact <= IMPACT_MAX:
        raise ConfigError(f"{path}.haircut_impact", f"must be in [0, {IMPACT_MAX}]", plain(impact))
    made: list[Collateral] = []
    for index, config in enumerate(configs):
        place = f"{path}.collateral[{index}]"
        name(f"{place}.name", config.name)
        if not markets:
            raise ConfigError(place, "backs positions: the venue needs a market")
        if any(other.name == config.name for other in made):
            raise ConfigError(f"{place}.name", "is used twice", config.name)
        tick, price = _price(config, markets, place)
        terms = price | _haircut(config, place) | _impact(config, impact, place)
        terms |= _concentration(config, place)
        if config.spot:
            terms["spot"] = _spot(terms, markets, made, place)
        made.append(Collateral(config.name, index + 1, config.decimals, tick, terms))
    return tuple(made)


def _price(
    config: CollateralConfig, markets: Sequence[Market], path: str
) -> tuple[Decimal, dict[str, Any]]:
    """Return the tick of a rate, and the terms of the price: units of money per tick and unit."""
    said = config.price
    kind = (said.of or "mark") if said.kind == "beta" else said.kind
    terms: dict[str, Any] = {"source": CollateralSource[kind.upper()]}
    if said.market is not None:
        market = _source(config, markets, path)
        terms["market"] = markets.index(market)
        tick, most = Decimal(market.tick_size), market.price_max
    if said.rate is not None:
        if config.name == markets[0].settle:
            rule = "is what the venue settles in: its balances are margin in full already"
            raise ConfigError(f"{path}.name", rule, config.name)
        tick = _tick_of(said.rate, f"{path}.price.rate")
        terms["price"] = most = whole_units(said.rate, tick)[0]
    terms |= _beta(said, f"{path}.price")
    worth = tick.scaleb(markets[0].decimals - config.decimals)
    terms["multiplier"], terms["per"] = worth.as_integer_ratio()
    if most * terms["multiplier"] > WORTH_MAX:
        rule = "has too few for this price: give the asset more, or a coarser tick"
        raise ConfigError(f"{path}.decimals", rule, config.decimals)
    peg = Exact(1) if config.peg is None else config.peg
    terms["peg_ppm"] = located(path, ppm, "peg", peg, high=PEG_MAX)
    return (tick if said.rate is not None else Decimal(0)), terms


def _beta(price: CollateralPrice, path: str) -> dict[str, int]:
    """Return what of its market's moves a collateral takes part in; nothing of other kinds."""
    if price.beta is None:
        return {}
    terms = {"beta_ppm": located(path, partial(ppm, high=BETA_MAX), "beta", price.beta)}
    if price.stress_beta is not None and price.stress_at is not None:
        found = located(path, partial(ppm, high=BETA_MAX), "stress_beta", price.stress_beta)
        if found < terms["beta_ppm"]:
            rule = "must be beta or more: a fall does not loosen what moves together"
            raise ConfigError(f"{path}.stress_beta", rule, plain(price.stress_beta))
        terms["stress_beta_ppm"] = found
        terms["stress_ppm"] = located(path, partial(ppm, low=1), "stress_at", price.stress_at)
    return terms


def _concentration(config: CollateralConfig, path: str) -> dict[str, int]:
    """Return the addon in ppm, the amount from which it takes, and what is traded a day."""
    if config.concentration_addon is None or config.volume is None:
        return {}
    asset = Collateral(config.name, 0, config.decimals, Decimal(0), {})
    traded = located(f"{path}.volume", asset.to_amount, config.volume)
    if traded <= 0:
        raise ConfigError(f"{path}.volume", "must be above 0", plain(config.volume))
    named = partial(ppm, high=ADDON_MAX)
    addon = located(path, named, "concentration_addon", config.concentration_addon)
    start = located(path, named, "concentration_from", config.concentration_from or Exact(0))
    if addon == 0:
        return {}
    return {"addon_ppm": addon, "addon_from": traded * start // PPM, "traded": traded}


def _tick_of(rate: Exact, path: str) -> Decimal:
    """Return the finest power of ten on whose grid a rate is a number of at most 10^8 ticks."""
    if rate <= 0:
        raise ConfigError(path, "must be above 0", plain(rate))
    tick = Decimal(1).scaleb(rate.adjusted() - 7)
    if whole_units(rate, tick)[1] or rate > RATE_MAX * Decimal(TICK_MAX):
        raise ConfigError(path, "must have at most 8 digits", plain(rate))
    return tick


def _source(config: CollateralConfig, markets: Sequence[Market], path: str) -> Market:
    """Return the market that values a collateral: linear, and not settled in what it values."""
    names = [market.name for market in markets]
    if config.price.market not in names:
        rule = f"must be a market of the venue ({', '.join(names)})"
        raise ConfigError(f"{path}.price.market", rule, config.price.market)
    market = markets[names.index(config.price.market)]
    if market.settle == config.name:
        rule = f"settles in what it values, cycle: {config.name} → {market.name} → {config.name}"
        raise ConfigError(f"{path}.price.market", rule, market.name)
    if market.kind != "linear":
        rule = f"must be linear: the prices of a {market.kind} one are not in {market.settle}"
        raise ConfigError(f"{path}.price.market", rule, market.name)
    return market


def _haircut(config: CollateralConfig, path: str) -> dict[str, Any]:
    """Return tiers, impact, floor and discount in whole numbers."""
    asset = Collateral(config.name, 0, config.decimals, Decimal(0), {})
    terms: dict[str, Any] = {}
    if config.haircut is not None:
        terms["haircut_ppm"] = located(path, ppm, "haircut", config.haircut)
    rows: list[tuple[int, int]] = []
    for index, tier in enumerate(config.tiers):
        place = f"{path}.tiers[{index}]"
        row = (
            located(f"{place}.above", asset.to_amount, tier.above),
            located(place, ppm, "haircut", tier.haircut),
        )
        if (row[0] == 0) != (index == 0) or (rows and row[0] <= rows[-1][0]):
            rule = "must be 0 in the first tier and rise from there"
            raise ConfigError(f"{place}.above", rule, plain(tier.above))
        if rows and row[1] < rows[-1][1]:
            rule = "must not fall: a larger amount is worth less"
            raise ConfigError(f"{place}.haircut", rule, plain(tier.haircut))
        rows.append(row)
    if rows:
        terms["tiers"] = tuple(rows)
    for key, said in (("floor", config.haircut_floor), ("discount", config.discount)):
        if said is not None:
            word = "haircut_floor" if key == "floor" else key
            terms[f"{key}_ppm"] = located(path, ppm, word, said)
    return terms


def _spot(
    terms: dict[str, Any], markets: Sequence[Market], made: Sequence[Collateral], path: str
) -> bool:
    """Refuse a spot book that cannot take whole lots of a collateral, or takes another's."""
    if "market" not in terms:
        raise ConfigError(f"{path}.spot", "needs the market that values it, not a stated rate")
    if "beta_ppm" in terms:
        raise ConfigError(f"{path}.spot", "needs what its market trades, not a beta of it")
    market = markets[terms["market"]]
    if market.multiplier * terms["per"] % terms["multiplier"]:
        rule = f"has too few for a lot of {market.name}, {plain(market.lot_size)}"
        raise ConfigError(f"{path}.decimals", rule)
    if any(other.terms.get("spot") and other.terms["market"] == terms["market"] for other in made):
        raise ConfigError(f"{path}.spot", "must be a market of its own", market.name)
    return True


def judge_spots(found: Sequence[Collateral], config: VenueConfig, path: str) -> None:
    """Refuse positions in a market into which collateral is sold."""
    names = {config.market[c.terms["market"]].name for c in found if c.terms.get("spot")}
    places = [
        (f"{path}.account[{i}].position[{j}].market", position.market)
        for i, account in enumerate(config.account)
        for j, position in enumerate(account.position)
    ]
    for i, crowd in enumerate(config.population):
        held = (crowd.market,) if isinstance(crowd.market, str) else crowd.market
        places += [(f"{path}.population[{i}].market", market) for market in held]
    for place, market in places:
        if market in names:
            raise ConfigError(place, "is a spot market: nobody holds positions there", market)


def _impact(config: CollateralConfig, impact: Exact | None, path: str) -> dict[str, int]:
    """Return Y times volatility in ppm, and the volume; nothing where the venue says no Y."""
    if config.volume is None or config.volatility is None:
        return {}
    asset = Collateral(config.name, 0, config.decimals, Decimal(0), {})
    volume = located(f"{path}.volume", asset.to_amount, config.volume)
    if volume <= 0 or config.volatility <= 0:
        key, said = ("volume", config.volume) if volume <= 0 else ("volatility", config.volatility)
        raise ConfigError(f"{path}.{key}", "must be above 0", plain(said))
    if not impact:
        return {}
    product = exact("volatility", impact * config.volatility)
    found = located(path, ppm, "volatility", product, low=1, high=10 * PPM)
    return {"impact_ppm": found, "volume": volume}


def impacts(found: Sequence[Collateral]) -> list[tuple[int, int, int]]:
    """Return (asset, Y times volatility in ppm, volume) of each, for a change in a run."""
    return [(c.asset, c.terms.get("impact_ppm", 0), c.terms.get("volume", 0)) for c in found]


def judge_backing(found: Sequence[Collateral], stages: Mapping[str, Any], path: str) -> None:
    """Refuse collaterals where stages would convert or count them in ways that nobody states."""
    for key, words, why in (
        ("variation", "settle_to_mark", "who owes would have to convert in the middle of it"),
        ("day_ns", "social.mode 'day'", "their worth would count as profit"),
    ):
        if found and stages.get(key):
            rule = f"cannot be run at a venue whose rules say {words}: {why}"
            raise ConfigError(f"{path}.collateral", rule, found[0].name)


def holdings(
    said: Sequence[HoldingConfig], found: Sequence[Collateral], path: str
) -> dict[int, int]:
    """Return what an account holds of collaterals: units by the asset's number."""
    held: dict[int, int] = {}
    for index, holding in enumerate(said):
        place = f"{path}.assets[{index}]"
        asset = asset_of(holding.asset, found, f"{place}.asset")
        if asset.asset in held:
            raise ConfigError(f"{place}.asset", "is named twice", holding.asset)
        held[asset.asset] = located(f"{place}.amount", asset.to_amount, holding.amount)
        if held[asset.asset] < 0:
            raise ConfigError(f"{place}.amount", "must be 0 or more", plain(holding.amount))
    return held


def judge_crowds(
    crowds: Sequence[PopulationConfig], found: Sequence[Collateral], path: str
) -> None:
    """Refuse shares of a population's deposits that cannot be held in collaterals."""
    for index, crowd in enumerate(crowds):
        total, names = Exact(0), []
        for number, held in enumerate(crowd.assets):
            place = f"{path}.population[{index}].assets[{number}]"
            asset_of(held.asset, found, f"{place}.asset")
            if held.asset in names:
                raise ConfigError(f"{place}.asset", "is named twice", held.asset)
            located(place, ppm, "share", held.share)
            total = Exact(total + held.share)
            names.append(held.asset)
            if total > 1:
                rule = "must leave the shares of a deposit at 1 or less"
                raise ConfigError(f"{place}.share", rule, plain(total))


def in_coins(
    deposits: Sequence[int],
    held: Sequence[BackingConfig],
    found: Sequence[Collateral],
    prices: Sequence[tuple[int, int]],
    path: str,
) -> tuple[list[int], dict[int, list[int]]]:
    """Return what is left of deposits, and the units of each collateral bought for its share.

    `prices` are (mark, index) of the markets at the opening. The share is rounded down, the units
    up, so that before any haircut nobody has less than it would have had.
    """
    left, units = list(deposits), {}
    for each in held:
        asset = asset_of(each.asset, found, "assets")
        terms, share = asset.terms, int(each.share * PPM)
        price = terms.get("price", 0)
        if terms["source"] != CollateralSource.RATE and "beta_ppm" not in terms:
            price = prices[terms["market"]][terms["source"] == CollateralSource.INDEX]
        worth = price * terms["multiplier"] * terms.get("peg_ppm", PPM)
        if worth == 0:
            raise ConfigError(f"{path}.assets", "needs a price of the asset at the opening",
                              each.asset)  # fmt: skip
        parts = [deposit * share // PPM for deposit in deposits]
        left = [rest - part for rest, part in zip(left, parts, strict=True)]
        units[asset.asset] = [-(-part * terms["per"] * PPM // worth) for part in parts]
    return left, units


def asset_of(label: str, found: Sequence[Collateral], path: str) -> Collateral:
    """Return a venue's collateral by its name."""
    for asset in found:
        if asset.name == label:
            return asset
    names = ", ".join(asset.name for asset in found) or "it has none"
    raise ConfigError(path, f"must be a collateral of the venue ({names})", label)


def jump_of(config: JumpConfig, asset: Collateral, path: str) -> dict[str, int]:
    """Return the new price or peg of a jump, as `schedule_collateral` takes it."""
    if config.peg is not None:
        return {"peg_ppm": located(path, ppm, "peg", config.peg, high=PEG_MAX)}
    rate = config.rate or Exact(0)
    if "price" not in asset.terms:
        rule = f"belongs to a stated rate; {asset.name} has the price of a market: give a peg"
        raise ConfigError(f"{path}.rate", rule, plain(rate))
    price, rest = whole_units(rate, asset.tick_size)
    most = min(TICK_MAX, WORTH_MAX // int(asset.terms["multiplier"]))
    if rest or not 1 <= price <= most:
        top = plain(most * asset.tick_size)
        rule = f"must be a multiple of {plain(asset.tick_size)}, above 0 and at most {top}"
        raise ConfigError(f"{path}.rate", rule, plain(rate))
    return {"price": price}


def paid_in(
    money: Number, label: str | None, settled: Market, found: Sequence[Collateral]
) -> tuple[int, int]:
    """Return the number of the asset that somebody pays with, and the amount, above 0."""
    asset = next((each for each in found if each.name == label), None)
    if asset is None and label not in (None, settled.settle):
        names = ", ".join([settled.settle, *(each.name for each in found)])
        raise InputError("asset", label, f"must be one of {names}")
    if asset is None:
        amount, unit = settled.to_amount(money), settled.unit
    else:
        amount = asset.to_amount(exact("amount", money))
        unit = Exact(Decimal(1).scaleb(-asset.decimals))
    if amount < 1:
        raise InputError("amount", plain(Decimal(str(money))), f"must be at least {plain(unit)}")
    return (0 if asset is None else asset.asset), amount


def held_of(venue: Any, found: Sequence[Collateral], account: int) -> dict[str, Decimal]:
    """Return how much of each collateral an account of an engine's venue holds."""
    held: dict[str, Decimal] = {}
    for asset in found:
        scope = int(venue.cross_scope(account, asset.asset))
        amount = int(venue.collateral(scope)) if scope >= 0 else 0
        held[asset.name] = Decimal(amount).scaleb(-asset.decimals)
    return held
