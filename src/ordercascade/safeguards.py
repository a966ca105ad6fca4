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
    VenueConfig,
)
from ordercascade.errors import ConfigError, InputError
from ordercascade.exact import Exact, exact, plain
from ordercascade.stagekeys import LimitConfig, TrancheConfig

Kind: TypeAlias = Literal["share", "money", "choice", "switch"]
Read: TypeAlias = Callable[[VenueConfig], "str | None"]
Put: TypeAlias = Callable[[VenueConfig, "str | None"], VenueConfig]

_LOWEST = Decimal("0.000001")  # a ppm


def _nothing(_: VenueConfig) -> str | None:
    return None


@dataclass(frozen=True)
class Safeguard:
    """A rule that can be on or off; `read` says its parameter, None for off."""

    name: str
    label: str
    parameter: str  # what the main parameter means; empty for a switch
    kind: Kind  # share: in (0, 1]; money: 0 or more; choice: one of `choices`, never off
    default: str  # the parameter when it is first switched on
    read: Read
    put: Put  # changes its own keys and keeps all others that may stand beside them
    choices: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()  # of those that share one, a venue can have one at a time
    needs: Read = _nothing  # why it could do nothing at this venue, or None

    @property
    def off(self) -> str | None:
        """What `read` says of a venue that does not have it: None, or a choice's default."""
        return self.default if self.kind == "choice" else None

    def set(self, venue: VenueConfig, value: str | None) -> VenueConfig:
        """Return the venue with the rule at a value, or off; InputError for a bad value.

        Give a venue with every rule said (`Scenario.resolved`). One that is at the value already
        is returned as it is.
        """
        said = None if value is None else self._judged(value)
        if said is None and self.kind == "choice":
            raise InputError(self.name, None, "cannot be off")
        return venue if said == self.read(venue) else self.put(venue, said)

    def _judged(self, value: str) -> str:
        if self.kind == "switch" and value != "on":
            raise InputError(self.name, value, "must be 'on'; who names no value has it on too")
        if self.kind == "choice" and value not in self.choices:
            raise InputError(self.name, value, f"must be one of {', '.join(self.choices)}")
        if self.kind in ("switch", "choice"):
            return value
        number = exact(self.name, value.strip().replace(",", "").replace("_", ""))
        if self.kind == "share" and not _LOWEST <= number <= 1:
            raise InputError(self.name, plain(number), "must be above 0 and at most 1")
        if self.kind == "money" and number < 0:
            raise InputError(self.name, plain(number), "must be 0 or more")
        return plain(number)


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
            least = venue.tranche.min
            tranche = msgspec.structs.replace(tranche, portion=Exact(value), min=least)
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


def _fund(venue: VenueConfig) -> str | None:
    """The balance; where each market's fund has its own, their sum."""
    fund = venue.fund or FundConfig()
    return _said(fund.balance or Exact(sum((fund.balances or {}).values())))


def _put_fund(venue: VenueConfig, value: str | None) -> VenueConfig:
    fund = msgspec.structs.replace(venue.fund or FundConfig(), balance=Exact(value or 0))
    return msgspec.structs.replace(venue, fund=msgspec.structs.replace(fund, balances=None))


def _put_adl(venue: VenueConfig, value: str | None) -> VenueConfig:
    own = venue.adl or AdlConfig()
    return msgspec.structs.replace(venue, adl=msgspec.structs.replace(own, rule=value))


def _put_early(venue: VenueConfig, value: str | None) -> VenueConfig:
    own = venue.adl or AdlConfig()
    trigger = "unfilled" if value else "shortfall"
    own = msgspec.structs.replace(own, trigger=trigger, drawdown=None, window_s=None)
    return msgspec.structs.replace(venue, adl=own)


def _limit(venue: VenueConfig) -> str | None:
    said = venue.limit if venue.limit_price is None else venue.limit_price.mode
    return "on" if said == "bankruptcy" else None


def _put_limit(venue: VenueConfig, value: str | None) -> VenueConfig:
    limit: Literal["bankruptcy", "market"] = "bankruptcy" if value else "market"
    if venue.limit_price is not None:
        price = LimitConfig(mode=limit, whole=venue.limit_price.whole)
        return msgspec.structs.replace(venue, limit_price=price)
    return msgspec.structs.replace(venue, limit=limit)


def _haircut_needs(venue: VenueConfig) -> str | None:
    if any(each.volume is not None for each in venue.collateral):
        return None
    return "needs a collateral that states its volume and volatility"


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
        groups=("planned slices", "share of the book"),
    )
)
register(
    Safeguard(
        "fund",
        "insurance fund",
        "balance",
        "money",
        "1000000",
        _fund,
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


def breaker(
    default: BreakerConfig,
    read_key: Callable[[BreakerConfig], str | None],
    put_key: Callable[[BreakerConfig, str], BreakerConfig],
) -> tuple[Read, Put]:
    """Return reader and setter of a kind of breaker by its main key; others keep their places."""

    def read(venue: VenueConfig) -> str | None:
        own = (each for each in venue.breaker or () if each.kind == default.kind)
        return next((read_key(each) for each in own), None)

    def put(venue: VenueConfig, value: str | None) -> VenueConfig:
        found = list(venue.breaker or ())
        places = [k for k, each in enumerate(found) if each.kind == default.kind]
        if value is None or not Decimal(value):
            found = [each for each in found if each.kind != default.kind]
        elif places:
            found[places[0]] = put_key(found[places[0]], value)
        else:
            found.append(put_key(default, value))
        return msgspec.structs.replace(venue, breaker=tuple(found) or None)

    return read, put


def banded(default: BreakerConfig) -> tuple[Read, Put]:
    """Return reader and setter of a kind of breaker by its band, as a share."""
    return breaker(
        default,
        lambda own: _said(Exact(own.band_pct / 100)) if own.band_pct else None,
        lambda own, value: msgspec.structs.replace(own, band_pct=Exact(Decimal(value) * 100)),
    )


register(
    Safeguard(
        "price_band",
        "price band",
        "distance of the band from the mean mark of 300 s",
        "share",
        "0.05",
        *banded(BreakerConfig(kind="price_band")),
    )
)
register(
    Safeguard(
        "halt",
        "halt and auction",
        "fall or rise of the mark that halts trading for 60 s",
        "share",
        "0.1",
        *banded(BreakerConfig(kind="halt", halt_s=Exact(60), release="auction", scope="all")),
    )
)
register(
    Safeguard(
        "haircut",
        "liquidity-adjusted haircut",
        "impact Y of selling a collateral's day",
        "share",
        "0.8",
        *_rate("haircut_impact"),
        needs=_haircut_needs,
    )
)
