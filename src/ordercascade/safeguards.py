"""The safeguards a venue may have, as a list that faces read: panels, command line, sweeps.

One entry a rule: its name, what its main parameter means, how it is read from a venue's keys and
how it is set. A module that brings another rule registers it here with `register()`, and it
appears everywhere by itself.

>>> [each.name for each in safeguards()][:2]
['tranches', 'fund']
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, TypeAlias

import msgspec

from ordercascade.config import (
    AdlConfig,
    BreakerConfig,
    FundConfig,
    LiquidationConfig,
    MarketConfig,
    OracleConfig,
    VenueConfig,
)
from ordercascade.errors import ConfigError, InputError
from ordercascade.exact import Exact, exact, plain
from ordercascade.stagekeys import LimitConfig, TrancheConfig

Kind: TypeAlias = Literal["share", "money", "choice", "switch"]
Read: TypeAlias = Callable[[VenueConfig], "str | None"]
Put: TypeAlias = Callable[[VenueConfig, "str | None"], VenueConfig]

_LOWEST = Decimal("0.000001")  # a ppm


@dataclass(frozen=True)
class Safeguard:
    """A rule that can be on or off; `read` says its parameter, None for off."""

    name: str
    label: str
    parameter: str  # what the main parameter means; empty for a switch
    kind: Kind  # share: in (0, 1]; money: 0 or more; choice: one of `choices`, never off
    default: str  # the parameter when it is first switched on
    read: Read
    put: Put
    choices: tuple[str, ...] = ()

    def set(self, venue: VenueConfig, value: str | None) -> VenueConfig:
        """Return the venue with the rule at a value, or off; InputError for a bad value."""
        if value is None:
            if self.kind == "choice":
                raise InputError(self.name, None, "cannot be off")
            return self.put(venue, None)
        if self.kind == "switch":
            return self.put(venue, "on")
        if self.kind == "choice":
            if value not in self.choices:
                raise InputError(self.name, value, f"must be one of {', '.join(self.choices)}")
            return self.put(venue, value)
        number = exact(self.name, value.strip().replace(",", "").replace("_", ""))
        if self.kind == "share" and not _LOWEST <= number <= 1:
            raise InputError(self.name, plain(number), "must be above 0 and at most 1")
        if self.kind == "money" and number < 0:
            raise InputError(self.name, plain(number), "must be 0 or more")
        return self.put(venue, plain(number))


def safeguards() -> tuple[Safeguard, ...]:
    """Return every safeguard that exists, in the order they were registered."""
    return tuple(_KNOWN.values())


def register(safeguard: Safeguard) -> Safeguard:
    """Add a safeguard to the list; a name can be taken once."""
    if safeguard.name in _KNOWN:
        raise ConfigError("safeguard", "must have a name of its own", safeguard.name)
    if safeguard.kind == "choice" and safeguard.default not in safeguard.choices:
        raise ConfigError(f"safeguard.{safeguard.name}", "must have its default among its choices")
    _KNOWN[safeguard.name] = safeguard
    return safeguard


_KNOWN: dict[str, Safeguard] = {}


def _said(value: Exact | None) -> str | None:
    return plain(value) if value else None


def _tranches(venue: VenueConfig) -> str | None:
    if venue.tranche is not None:
        return _said(venue.tranche.portion) if venue.tranche.mode == "portion" else None
    policy = venue.liquidation[0] if venue.liquidation else None
    return _said(policy.fraction) if policy is not None and policy.kind == "tranche" else None


def _put_tranches(venue: VenueConfig, value: str | None) -> VenueConfig:
    if venue.tranche is not None:
        mode: Literal["portion", "whole"] = "portion" if value else "whole"
        kept = venue.tranche.block_cap, venue.tranche.cooldown_s
        tranche = TrancheConfig(mode=mode, block_cap=kept[0], cooldown_s=kept[1])
        if value is not None:
            tranche = msgspec.structs.replace(tranche, portion=Exact(value))
        return msgspec.structs.replace(venue, tranche=tranche)
    policy = LiquidationConfig(kind="full")
    if value is not None:
        own = venue.liquidation[0] if venue.liquidation else policy
        policy = LiquidationConfig(
            kind="tranche",
            fraction=Exact(value),
            min_notional=own.min_notional,
            cooldown_s=own.cooldown_s,
            then=own.then,
        )
    return msgspec.structs.replace(venue, liquidation=(policy,))


def _put_fund(venue: VenueConfig, value: str | None) -> VenueConfig:
    fund = msgspec.structs.replace(venue.fund or FundConfig(), balance=Exact(value or 0))
    return msgspec.structs.replace(venue, fund=msgspec.structs.replace(fund, balances=None))


def _put_adl(venue: VenueConfig, value: str | None) -> VenueConfig:
    own = venue.adl or AdlConfig()
    return msgspec.structs.replace(venue, adl=msgspec.structs.replace(own, rule=value))


def _put_early(venue: VenueConfig, value: str | None) -> VenueConfig:
    own = venue.adl or AdlConfig()
    trigger = "unfilled" if value else "shortfall"
    return msgspec.structs.replace(venue, adl=msgspec.structs.replace(own, trigger=trigger))


def _oracle(venue: VenueConfig) -> str | None:
    """The mark leans on an outside price where that is there and own prices weigh less than 1."""
    for market in venue.market:
        own = market.oracle or venue.oracle or OracleConfig()
        weight = Exact(1) if own.own_book_weight is None else own.own_book_weight
        if own.index is not None and weight < 1:
            return plain(Decimal(1) - weight)
    return None


def _put_oracle(venue: VenueConfig, value: str | None) -> VenueConfig:
    markets = tuple(_leaning(venue, market, value) for market in venue.market)
    return msgspec.structs.replace(venue, market=markets)


def _leaning(venue: VenueConfig, market: MarketConfig, value: str | None) -> MarketConfig:
    """Weigh the outside price of a market; where it has none, its book's middle is taken."""
    if market.option is not None:
        return market
    own = market.oracle or venue.oracle or OracleConfig()
    kind = own.kind if own.kind in ("last", "mid") else "last"
    if value is None:
        oracle = msgspec.structs.replace(own, kind=kind, own_book_weight=Exact(1))
        return msgspec.structs.replace(market, oracle=oracle)
    index = own.index or getattr(market.book, "mid", None) or market.last
    if index is None:
        raise InputError("oracle", value, f"needs an index price of {market.name}")
    index = Exact(index // market.tick_size * market.tick_size)
    weight = Exact(Decimal(1) - Decimal(value))
    oracle = OracleConfig(kind=kind, own_book_weight=weight, index=index)
    return msgspec.structs.replace(market, oracle=oracle)


def _limit(venue: VenueConfig) -> str | None:
    said = venue.limit if venue.limit_price is None else venue.limit_price.mode
    return "on" if said == "bankruptcy" else None


def _put_limit(venue: VenueConfig, value: str | None) -> VenueConfig:
    limit: Literal["bankruptcy", "market"] = "bankruptcy" if value else "market"
    if venue.limit_price is not None:
        return msgspec.structs.replace(venue, limit_price=LimitConfig(mode=limit))
    return msgspec.structs.replace(venue, limit=limit)


def _rate(field: str) -> tuple[Read, Put]:
    """Return reader and setter of a key that is a share, 0 for off."""

    def read(venue: VenueConfig) -> str | None:
        return _said(getattr(venue, field))

    def put(venue: VenueConfig, value: str | None) -> VenueConfig:
        return msgspec.structs.replace(venue, **{field: Exact(value or 0)})

    return read, put


register(
    Safeguard(
        "tranches",
        "tranches",
        "share of a position an order closes",
        "share",
        "0.2",
        _tranches,
        _put_tranches,
    )
)
register(
    Safeguard(
        "fund",
        "insurance fund",
        "balance",
        "money",
        "1000000",
        lambda venue: _said(venue.fund.balance) if venue.fund else None,
        _put_fund,
    )
)
register(
    Safeguard(
        "adl",
        "ADL",
        "who is deleveraged",
        "choice",
        "queue",
        lambda venue: (venue.adl.rule if venue.adl else None) or "queue",
        _put_adl,
        (
            *("queue", "pro_rata", "scope_id"),
            *("account_risk", "margin_ratio", "growth", "random"),
        ),
    )
)
register(
    Safeguard(
        "adl_early",
        "ADL at once",
        "",
        "switch",
        "on",
        lambda venue: "on" if venue.adl and venue.adl.trigger == "unfilled" else None,
        _put_early,
    )
)
register(
    Safeguard(
        "social",
        "socialised loss",
        "",
        "switch",
        "on",
        lambda venue: "on" if venue.social else None,
        lambda venue, value: msgspec.structs.replace(
            venue, social=(venue.social or True) if value else False
        ),
    )
)
register(
    Safeguard(
        "exit_buffer",
        "exit buffer",
        "margin beyond maintenance, share of value",
        "share",
        "0.01",
        *_rate("exit_buffer"),
    )
)
register(Safeguard("limit", "bankruptcy limit", "", "switch", "on", _limit, _put_limit))
register(
    Safeguard(
        "liquidation_fee",
        "liquidation fee",
        "share of the value filled",
        "share",
        "0.005",
        *_rate("liquidation_fee"),
    )
)
register(
    Safeguard(
        "oracle",
        "outside price in the mark",
        "weight of the index",
        "share",
        "0.7",
        _oracle,
        _put_oracle,
    )
)


def _breaker(kind: str, **rest: object) -> tuple[Read, Put]:
    """Return reader and setter of one kind of breaker, by its band as a share."""

    def read(venue: VenueConfig) -> str | None:
        bands = [each.band_pct for each in venue.breaker or () if each.kind == kind]
        return _said(Exact(bands[0] / 100)) if bands and bands[0] else None

    def put(venue: VenueConfig, value: str | None) -> VenueConfig:
        others = tuple(each for each in venue.breaker or () if each.kind != kind)
        if value is not None:
            own = next((each for each in venue.breaker or () if each.kind == kind), None)
            band = Exact(Decimal(value) * 100)
            made = own or BreakerConfig(kind=kind, band_pct=band, **rest)  # type: ignore[arg-type]
            others += (msgspec.structs.replace(made, band_pct=band),)
        return msgspec.structs.replace(venue, breaker=others or None)

    return read, put


def _twap(venue: VenueConfig) -> str | None:
    own = [market.oracle or venue.oracle or OracleConfig() for market in venue.market]
    return next((_said(each.window_s) for each in own if each.kind == "twap"), None)


def _put_twap(venue: VenueConfig, value: str | None) -> VenueConfig:
    def of(market: MarketConfig) -> MarketConfig:
        if market.option is not None:
            return market
        own = market.oracle or venue.oracle or OracleConfig()
        weight, index = own.own_book_weight, own.index
        made = OracleConfig(kind=_plain(own), own_book_weight=weight, index=index)
        if value is not None and Decimal(value) > 0:
            source: Literal["last", "mid"] = "mid" if _plain(own) == "mid" else "last"
            made = msgspec.structs.replace(made, kind="twap", of=source, window_s=Exact(value))
        return msgspec.structs.replace(market, oracle=made)

    off = value is None or Decimal(value) == 0
    if off and _twap(venue) is None:
        return venue
    return msgspec.structs.replace(venue, market=tuple(of(market) for market in venue.market))


def _plain(oracle: OracleConfig) -> Literal["last", "mid", "index"]:
    if oracle.kind in ("last", "mid", "index"):
        return oracle.kind
    return oracle.of or "last"


register(
    Safeguard(
        "price_band",
        "price band",
        "distance of the band from the mean mark of 300 s",
        "share",
        "0.05",
        *_breaker("price_band"),
    )
)
register(
    Safeguard(
        "halt",
        "halt and auction",
        "fall or rise of the mark that halts trading for 60 s",
        "share",
        "0.1",
        *_breaker("halt", halt_s=Exact(60), release="auction", scope="all"),
    )
)
register(Safeguard("twap", "TWAP oracle", "window in seconds", "money", "60", _twap, _put_twap))
register(
    Safeguard(
        "haircut",
        "liquidity-adjusted haircut",
        "impact Y of selling a collateral's day",
        "share",
        "0.8",
        *_rate("haircut_impact"),
    )
)
