"""From words to the engine's numbers: options, scenarios of a portfolio margin, offsets.

| key | says |
|---|---|
| `venue.market.option` | kind, underlying, strike, volatility; its end is `venue.market.expiry` |
| `[venue.portfolio]` | `model` deribit or span, and every number of the grid: ADR 23 |
| `[[venue.portfolio.underlying]]` | the markets that are margined together |
| `[[venue.portfolio.offset]]` | the credit between two underlyings |

The models are spec/MARGIN.md §8: Deribit [DE4, DE5; B] and SPAN [SP1; C], whose range and
volatility a clearing house sets for each contract, so a scenario says them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from ordercascade.config import VenueConfig
from ordercascade.duties import OptionKind
from ordercascade.errors import ConfigError
from ordercascade.exact import PPM, Exact, located, plain, ppm
from ordercascade.market import Market
from ordercascade.optionkeys import OptionConfig, PortfolioConfig, UnderlyingConfig

Arguments = dict[str, Any]
VOL_HIGH = 100 * PPM
FAR = ("-0.66", "-0.5", "-0.33", "0.33", "0.5", "1", "2", "3", "4", "5")
MODELS: Mapping[str, Mapping[str, Any]] = {
    "deribit": {
        "price_range": Exact("0.16"),
        "buckets": 4,
        "extended": FAR,
        "vol_up": Exact("0.5"),
        "vol_down": Exact("0.25"),
        "vol_power_short": Exact("0.3"),
        "vol_power_long": Exact("0.13"),
        "vol_floor": Exact("0.5"),
        "maintenance": Exact("0.8"),
    },
    "span": {},
}
SHARES = {  # key of the table: name and largest value at the engine's door
    "vol_up": ("up_ppm", 10 * PPM),
    "vol_down": ("down_ppm", PPM),
    "vol_power_short": ("power_short_ppm", PPM),
    "vol_power_long": ("power_long_ppm", PPM),
    "vol_floor": ("floor_ppm", VOL_HIGH),
    "short_minimum": ("short_ppm", PPM),
    "contingency": ("contingency_ppm", PPM),
    "option_contingency": ("option_ppm", PPM),
    "concentration": ("concentration_ppm", PPM),
}


def margined(config: VenueConfig) -> frozenset[str]:
    """Return the names of the markets that need no brackets: a portfolio margins them."""
    if config.portfolio is None:
        return frozenset()
    return frozenset(name for each in config.portfolio.underlying for name in each.markets)


def plain_rows(config: VenueConfig, name: str) -> list[tuple[int, int, int, int]]:
    """Return what scenarios ask of a future alone: populations and surcharges read brackets."""
    said = config.portfolio
    own = [each for each in said.underlying if name in each.markets] if said else []
    if said is None or not own:
        return [(0, 50_000, 0, 100_000)]
    width = own[0].price_range or _said(said, "price_range") or Exact("0.1")
    share = _said(said, "maintenance") or Exact(1)
    initial = max(1, min(PPM, int(width * PPM)))
    return [(0, max(1, min(initial, int(initial * share))), 0, initial)]


def judge_options(config: VenueConfig, path: str) -> None:
    """Refuse what an option cannot have, by the key that says it."""
    inside = margined(config)
    for index, market in enumerate(config.market):
        if market.option is None:
            continue
        place = f"{path}.market[{index}]"
        for key in ("book", "oracle", "brackets", "schedule", "funding", "last"):
            if getattr(market, key) is not None:
                raise ConfigError(f"{place}.{key}", "an option has none: no orders, a mark by "
                                  "formula, margin by scenarios")  # fmt: skip
        if market.kind != "linear":
            raise ConfigError(f"{place}.kind", "must be linear for an option", market.kind)
        if market.expiry is None:
            raise ConfigError(f"{place}.expiry", "is required: an option ends")
        if market.name not in inside:
            rule = "must be margined by [venue.portfolio]: no rate covers an option that was sold"
            raise ConfigError(f"{place}.option", rule, market.name)
        for number, crowd in enumerate(config.population):
            named = (crowd.market,) if isinstance(crowd.market, str) else crowd.market
            if market.name in named:
                rule = "must not be an option: say who holds options as accounts or positions"
                raise ConfigError(f"{path}.population[{number}].market", rule, market.name)


def option_terms(
    said: OptionConfig | None, market: Market, all_markets: Sequence[Market], path: str
) -> Arguments | None:
    """Return the arguments of `set_option` but the expiry's, or None for other markets."""
    if said is None:
        return None
    path = f"{path}.option"
    names = [each.name for each in all_markets]
    if said.underlying not in names or said.underlying == market.name:
        rule = f"must be another market of the venue ({', '.join(names)})"
        raise ConfigError(f"{path}.underlying", rule, said.underlying)
    under = all_markets[names.index(said.underlying)]
    strike = located(f"{path}.strike", under.to_ticks, said.strike)
    unit = Exact(1) if said.coin else under.tick_size
    top, bottom = (unit / market.tick_size).as_integer_ratio()
    return {
        "kind": OptionKind[said.kind.upper()],
        "underlying": names.index(said.underlying),
        "strike": strike,
        "vol_ppm": located(path, partial(ppm, high=VOL_HIGH), "volatility", said.volatility),
        "rate_ppm": located(path, partial(ppm, low=-PPM), "rate", said.rate or 0),
        "coin": said.coin,
        "per": top,
        "of": bottom,
    }


def portfolio_terms(
    said: PortfolioConfig | None, markets: Sequence[Market], path: str
) -> Arguments:
    """Return the arguments of `set_portfolio`; nothing where a venue has no portfolio margin."""
    if said is None:
        return {}
    path = f"{path}.portfolio"
    names = [market.name for market in markets]
    made = [
        _underlying(said, each, names, markets, f"{path}.underlying[{index}]")
        for index, each in enumerate(said.underlying)
    ]
    if not made:
        raise ConfigError(f"{path}.underlying", "must name the markets of one underlying at least")
    labels = [each.name for each in said.underlying]
    for index, label in enumerate(labels):
        if label in labels[:index]:
            raise ConfigError(f"{path}.underlying[{index}].name", "is used twice", label)
    offsets = []
    for index, each in enumerate(said.offset):
        place = f"{path}.offset[{index}]"
        for label in each.of:
            if label not in labels:
                rule = f"must be two underlyings ({', '.join(labels)})"
                raise ConfigError(f"{place}.of", rule, label)
        if each.of[0] == each.of[1]:
            raise ConfigError(f"{place}.of", "must be two underlyings", each.of[0])
        credit = located(place, ppm, "credit", each.credit)
        offsets.append((labels.index(each.of[0]), labels.index(each.of[1]), credit))
    share = _said(said, "maintenance")
    share = Exact(1) if share is None else share
    maintenance = located(path, partial(ppm, low=1), "maintenance", share)
    return {"underlyings": made, "offsets": offsets, "maintenance_ppm": maintenance}


def _said(said: PortfolioConfig, key: str) -> Any:
    """Return a number of the table, else of its model, else None."""
    found = getattr(said, key)
    return MODELS.get(said.model or "", {}).get(key) if found is None else found


def _underlying(
    said: PortfolioConfig,
    each: UnderlyingConfig,
    names: Sequence[str],
    markets: Sequence[Market],
    path: str,
) -> Arguments:
    taken: list[str] = []
    for label in each.markets:
        if label not in names:
            rule = f"must be markets of the venue ({', '.join(names)})"
            raise ConfigError(f"{path}.markets", rule, label)
        if label in taken or sum(label in other.markets for other in said.underlying) > 1:
            raise ConfigError(f"{path}.markets", "must each be margined once", label)
        taken.append(label)
    if not taken:
        raise ConfigError(f"{path}.markets", "must be one market at least")
    reference = each.reference or taken[0]
    if reference not in taken:
        raise ConfigError(f"{path}.reference", "must be one of its markets", reference)
    table = path.rpartition(".")[0]
    made: Arguments = {
        name: located(table, partial(ppm, high=high), key, _said(said, key) or 0)
        for key, (name, high) in SHARES.items()
    }
    amount = said.concentration_from or Exact(0)
    settled = markets[names.index(reference)]
    return made | {
        "reference": names.index(reference),
        "markets": [names.index(label) for label in taken],
        "rows": _rows(said, each, table, path),
        "concentration_from": located(f"{table}.concentration_from", settled.to_amount, amount),
    }


def _rows(said: PortfolioConfig, each: UnderlyingConfig, table: str, path: str) -> list[Any]:
    """Return the scenarios of one underlying."""
    from ordercascade.core.derivatives import buckets, span
    from ordercascade.duties import VolMove

    width = each.price_range
    width = _said(said, "price_range") if width is None else width
    place = path if each.price_range is not None else table
    if width is None:
        raise ConfigError(f"{place}.price_range", "is required: no model says it")
    range_ppm = located(place, partial(ppm, low=1, high=PPM - 1), "price_range", width)
    extended = []
    for index, far in enumerate(_said(said, "extended") or ()):
        spot = f"{table}.extended[{index}]"
        move, counted = (Exact(far), None) if isinstance(far, str) else (far.move, far.counted)
        move_ppm = located(spot, partial(ppm, low=1 - PPM, high=10 * PPM), "move", move)
        if abs(move_ppm) <= range_ppm:
            raise ConfigError(f"{spot}.move", "must lie beyond the price range", plain(move))
        extended.append(
            (move_ppm, None if counted is None else located(spot, ppm, "counted", counted))
        )
    if said.model == "span":
        if said.buckets is not None:
            raise ConfigError(f"{table}.buckets", "must not be given: SPAN has thirds of the range")
        more = [(move, VolMove.SAME, -(-range_ppm * PPM // abs(move)) if part is None else part)
                for move, part in extended]  # fmt: skip
        return span(range_ppm) + more
    count = _said(said, "buckets")
    if count is None:
        raise ConfigError(f"{table}.buckets", "is required: no model says it")
    return buckets(range_ppm, count, extended=extended)


def forget_options(marks: list[int], markets: Sequence[Any], prices: Mapping[str, Any]) -> None:
    """Put 0, not stated, for options whose mark follows from that of markets that are."""
    for at, item in enumerate(markets):
        if prices and item.option is not None and item.market.name not in prices:
            marks[at] = 0


def given_marks(marks: Sequence[int]) -> dict[int, int]:
    """Return the marks that are stated, as the engine's `what_if` takes them."""
    return {market: mark for market, mark in enumerate(marks) if mark}
