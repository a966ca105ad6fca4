"""The keys of options, of portfolio margin, and of volatilities that jump. ADR 22, 23."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from ordercascade.exact import Exact
from ordercascade.keys import Strict


class OptionConfig(Strict, frozen=True, kw_only=True):
    """A market without a book: its mark is a Black–Scholes price on its underlying's.

    `strike` in the underlying's price; `volatility` and `rate` a year; `coin`: paid in the coin.
    """

    kind: Literal["call", "put"]
    underlying: str
    strike: Exact
    volatility: Exact
    rate: Exact | None = None
    coin: bool = False


class ExtendedConfig(Strict, frozen=True, kw_only=True):
    """A move beyond the range; `counted` of the loss there, without it range / |move|."""

    move: Exact
    counted: Exact | None = None


class UnderlyingConfig(Strict, frozen=True, kw_only=True):
    """Markets margined together; the mark of `reference` (the first of them) is moved."""

    name: str
    markets: tuple[str, ...]
    reference: str | None = None
    price_range: Exact | None = None


class OffsetConfig(Strict, frozen=True, kw_only=True):
    """Two underlyings that lose in opposite directions: a credit on the smaller loss."""

    of: tuple[str, str]
    credit: Exact


class PortfolioConfig(Strict, frozen=True, kw_only=True):
    """Margin by the largest loss over a grid of scenarios; `model` fills in what is not said."""

    model: Literal["deribit", "span"] | None = None
    price_range: Exact | None = None
    buckets: Annotated[int, Meta(ge=1, le=15)] | None = None
    extended: tuple[ExtendedConfig, ...] | None = None
    vol_up: Exact | None = None
    vol_down: Exact | None = None
    vol_power_short: Exact | None = None  # below 30 days
    vol_power_long: Exact | None = None
    vol_floor: Exact | None = None
    short_minimum: Exact | None = None
    contingency: Exact | None = None
    option_contingency: Exact | None = None
    concentration: Exact | None = None
    concentration_from: Exact | None = None
    maintenance: Exact | None = None  # of initial margin
    underlying: tuple[UnderlyingConfig, ...]
    offset: tuple[OffsetConfig, ...] = ()


class VolatilityConfig(Strict, frozen=True, kw_only=True):
    """Another volatility: of an option, or `factor` times theirs of all options on a market."""

    at_s: Exact
    venue: str | None = None
    market: str | None = None
    volatility: Exact | None = None
    factor: Exact | None = None

    def __post_init__(self) -> None:
        if (self.volatility is None) == (self.factor is None):
            raise ValueError("a volatility jump must have volatility or factor, one of the two")
