"""Safeguards of a mark: outside price, means and medians, delay, clamp. spec/MECHANISMS.md §7, §8.

Each has a few keys of every market's `oracle` and leaves the others as they are; a kind (twap,
ema, median3, basis3) takes its own keys along when another one stands in its place.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Literal, TypeAlias

import msgspec

from ordercascade.config import MarketConfig, OracleConfig, VenueConfig
from ordercascade.errors import InputError
from ordercascade.exact import Exact, plain
from ordercascade.marks import FUNDED, MEANS, SMOOTHED
from ordercascade.safeguards import Put, Read, Safeguard, register

Change: TypeAlias = "Callable[[OracleConfig, MarketConfig, str | None], OracleConfig]"
Said: TypeAlias = "Callable[[OracleConfig], str | None]"
Kind: TypeAlias = Literal["last", "mid", "index", "twap", "ema", "median3", "basis3", "funding"]

TAU = Exact(150)  # MECHANISMS §7, where a smoothed kind does not say its own
KIND = "kind of the mark"


def _own(venue: VenueConfig, market: MarketConfig) -> OracleConfig:
    return market.oracle or venue.oracle or OracleConfig()


def _of_markets(said: Said, change: Change) -> tuple[Read, Put]:
    """Return reader and setter of something that every market's oracle says; options have none."""

    def read(venue: VenueConfig) -> str | None:
        mine = (market for market in venue.market if market.option is None)
        return next((told for market in mine if (told := said(_own(venue, market)))), None)

    def put(venue: VenueConfig, value: str | None) -> VenueConfig:
        value = None if value is None or not Decimal(value) else value
        markets = tuple(
            market
            if market.option is not None or (value is None and said(_own(venue, market)) is None)
            else msgspec.structs.replace(market, oracle=change(_own(venue, market), market, value))
            for market in venue.market
        )
        oracle = venue.oracle
        if oracle is not None:  # Its keys stand in the markets; here they would fill the gaps.
            oracle = OracleConfig(kind=oracle.kind, own_book_weight=oracle.own_book_weight)
        return msgspec.structs.replace(venue, market=markets, oracle=oracle)

    return read, put


def _index(name: str, own: OracleConfig, market: MarketConfig) -> Exact:
    """Return the outside price; where there is none the book's middle is taken."""
    if own.index is not None:
        return own.index
    index = getattr(market.book, "mid", None) or market.last
    if index is None:
        raise InputError(name, market.name, f"needs an index price of {market.name}")
    return Exact(index // market.tick_size * market.tick_size)


def _leaning(own: OracleConfig) -> str | None:
    """The mark leans on an outside price where that is there and own prices weigh less than 1."""
    weight = Exact(1) if own.own_book_weight is None else own.own_book_weight
    return plain(Decimal(1) - weight) if own.index is not None and weight < 1 else None


def _lean(own: OracleConfig, market: MarketConfig, value: str | None) -> OracleConfig:
    kind = "last" if own.kind == "index" else own.kind  # Of an index alone no part is its own.
    own = msgspec.structs.replace(own, kind=kind, own_book_weight=Exact(1))
    if value is None:
        return own
    weight = Exact(Decimal(1) - Decimal(value))
    index = _index("oracle", own, market)
    return msgspec.structs.replace(own, own_book_weight=weight, index=index)


def kinded(own: OracleConfig, kind: Kind) -> OracleConfig:
    """Return an oracle as another kind, without the keys that belong to kinds it is not of."""
    source = own.kind if own.kind in ("last", "mid") else own.of
    gone: dict[str, None] = {}
    if kind != "twap":
        gone["window_s"] = None
    if kind not in SMOOTHED:
        gone["ema_tau_s"] = None
    if kind not in FUNDED:
        gone |= dict.fromkeys(("funding_rate", "funding_every_s", "funding_at_s"))
    if kind not in (*MEANS, *FUNDED) and own.heartbeat_s is None:
        gone["deviation"] = None  # It was the heartbeat's that a mean has unsaid.
    of = source if kind in MEANS else None
    return msgspec.structs.replace(own, kind=kind, of=of, **gone)


def _plain(own: OracleConfig) -> Literal["last", "mid"]:
    return own.of or "last"


def _smooth(kind: Kind, *, index: str = "") -> tuple[Said, Change]:
    """Return what is said of a smoothed kind, its time constant, and how that is changed."""

    def said(own: OracleConfig) -> str | None:
        return plain(own.ema_tau_s or TAU) if own.kind == kind else None

    def change(own: OracleConfig, market: MarketConfig, value: str | None) -> OracleConfig:
        if value is None:
            return kinded(own, _plain(own))
        made = msgspec.structs.replace(kinded(own, kind), ema_tau_s=Exact(value))
        if index:
            made = msgspec.structs.replace(made, index=_index(index, own, market))
        return made

    return said, change


def _window(own: OracleConfig, _: MarketConfig, value: str | None) -> OracleConfig:
    if value is None:
        return kinded(own, _plain(own))
    return msgspec.structs.replace(kinded(own, "twap"), window_s=Exact(value))


def _late(own: OracleConfig, _: MarketConfig, value: str | None) -> OracleConfig:
    if value is None:
        return msgspec.structs.replace(own, latency_s=None, latency_sigma=None, congestion=None)
    return msgspec.structs.replace(own, latency_s=Exact(value))


def _clamp(own: OracleConfig, market: MarketConfig, value: str | None) -> OracleConfig:
    if value is None:
        return msgspec.structs.replace(own, clamp=None)
    return msgspec.structs.replace(own, clamp=Exact(value), index=_index("clamp", own, market))


register(
    Safeguard("oracle", "outside price in the mark", "weight of the index", "share", "0.7",
              *_of_markets(_leaning, _lean))
)  # fmt: skip
register(
    Safeguard("twap", "TWAP oracle", "window in seconds", "money", "60",
              *_of_markets(lambda own: plain(own.window_s) if own.window_s else None, _window),
              groups=(KIND,))
)  # fmt: skip
register(
    Safeguard("median_mark", "median of funding basis, moving basis and last",
              "time constant of the moving basis, s", "money", "150",
              *_of_markets(*_smooth("basis3", index="median_mark")), groups=(KIND,))
)  # fmt: skip
register(
    Safeguard("ema", "moving average in the mark", "its time constant, s", "money", "150",
              *_of_markets(*_smooth("ema")), groups=(KIND,))
)  # fmt: skip
register(
    Safeguard("median3", "median of moving average, book and index",
              "time constant of the moving average, s", "money", "150",
              *_of_markets(*_smooth("median3", index="median3")), groups=(KIND,))
)  # fmt: skip
register(
    Safeguard("latency", "late oracle", "seconds until a price arrives", "money", "3",
              *_of_markets(lambda own: plain(own.latency_s) if own.latency_s else None, _late))
)  # fmt: skip
register(
    Safeguard("clamp", "clamped mark", "distance of the mark from the index", "share", "0.05",
              *_of_markets(lambda own: plain(own.clamp) if own.clamp else None, _clamp))
)  # fmt: skip
