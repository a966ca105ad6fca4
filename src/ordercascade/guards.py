"""More safeguards for the list of `safeguards`: late and clamped marks, planners, calls, interest.

Each is a few keys of a scenario that exist elsewhere; here they get a name, one main parameter
and an off position, so that panels and ablations find them. spec/MECHANISMS.md §4a, §7, §8, §13.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import msgspec

from ordercascade.config import LiquidationConfig, MarketConfig, OracleConfig, VenueConfig
from ordercascade.errors import InputError
from ordercascade.exact import Exact, plain
from ordercascade.safeguards import Put, Read, Safeguard, register
from ordercascade.venuekeys import InterestConfig, MarginCallsConfig

# What a planner is given where the venue says nothing of it: five slices over some minutes.
PLANNED: dict[str, LiquidationConfig] = {
    made.kind: made
    for made in (
        LiquidationConfig(kind="equal", slices=5, cooldown_s=Exact(30)),
        LiquidationConfig(
            kind="almgren_chriss", slices=5, cooldown_s=Exact(30), kappa_per_s=Exact("0.01")
        ),
        LiquidationConfig(
            kind="obizhaeva_wang", slices=5, cooldown_s=Exact(30), resilience_per_s=Exact("0.03")
        ),
        LiquidationConfig(kind="restore", target_margin=Exact("0.03")),
    )
}
NONE = "none"
# Aave's slopes (MECHANISMS §13), paid every hour of a day.
INTEREST = InterestConfig(
    optimum=Exact("0.8"),
    slope1=Exact("0.04"),
    slope2=Exact("0.6"),
    every_s=Exact(3600),
    times=24,
)


def _own(venue: VenueConfig, market: MarketConfig) -> OracleConfig:
    return market.oracle or venue.oracle or OracleConfig()


def _oracles(key: str, change: Callable[[OracleConfig, MarketConfig, Exact | None], OracleConfig]
             ) -> tuple[Read, Put]:  # fmt: skip
    """Return reader and setter of a key of all markets' oracles."""

    def read(venue: VenueConfig) -> str | None:
        said = (getattr(_own(venue, market), key) for market in venue.market)
        return next((plain(value) for value in said if value), None)

    def put(venue: VenueConfig, value: str | None) -> VenueConfig:
        number = Exact(value) if value is not None and Decimal(value) else None
        if number is None and read(venue) is None:
            return venue
        markets = tuple(
            market
            if market.option is not None  # its mark is a formula's
            else msgspec.structs.replace(market, oracle=change(_own(venue, market), market, number))
            for market in venue.market
        )
        return msgspec.structs.replace(venue, market=markets)

    return read, put


def _late(own: OracleConfig, _: MarketConfig, value: Exact | None) -> OracleConfig:
    if value is None:
        return msgspec.structs.replace(own, latency_s=None, latency_sigma=None, congestion=None)
    return msgspec.structs.replace(own, latency_s=value)


def _index(name: str, own: OracleConfig, market: MarketConfig) -> Exact:
    """Return the outside price; where there is none the book's middle is taken."""
    index = own.index or getattr(market.book, "mid", None) or market.last
    if index is None:
        raise InputError(name, market.name, "needs an index price")
    return Exact(index // market.tick_size * market.tick_size)


def _clamped(own: OracleConfig, market: MarketConfig, value: Exact | None) -> OracleConfig:
    if value is None:
        return msgspec.structs.replace(own, clamp=None)
    return msgspec.structs.replace(own, clamp=value, index=_index("clamp", own, market))


def _median(venue: VenueConfig) -> str | None:
    own = (_own(venue, market) for market in venue.market)
    return next(
        (plain(each.ema_tau_s or Exact(150)) for each in own if each.kind == "basis3"), None
    )


def _put_median(venue: VenueConfig, value: str | None) -> VenueConfig:
    """Off: the own price by its weight; what the market says of its funding stays with it."""

    def of(market: MarketConfig) -> MarketConfig:
        if market.option is not None:
            return market
        own = _own(venue, market)
        if value is None or not Decimal(value):
            made = OracleConfig(
                kind=own.of or "last", own_book_weight=own.own_book_weight, index=own.index
            )
            return msgspec.structs.replace(market, oracle=made)
        made = OracleConfig(
            kind="basis3",
            of="mid" if own.kind == "mid" or own.of == "mid" else "last",
            ema_tau_s=Exact(value),
            index=_index("median_mark", own, market),
            funding_rate=own.funding_rate,
            funding_every_s=own.funding_every_s,
            funding_at_s=own.funding_at_s,
        )
        return msgspec.structs.replace(market, oracle=made)

    if (value is None or not Decimal(value)) and _median(venue) is None:
        return venue
    return msgspec.structs.replace(venue, market=tuple(of(market) for market in venue.market))


def _planner(venue: VenueConfig) -> str:
    policy = venue.liquidation[0] if venue.liquidation else None
    return policy.kind if policy is not None and policy.kind in PLANNED else NONE


def _put_planner(venue: VenueConfig, value: str | None) -> VenueConfig:
    policy = LiquidationConfig(kind="full")
    if value is not None and value != NONE:
        policy = PLANNED[value]
    return msgspec.structs.replace(venue, liquidation=(policy,), tranche=None)


def _calls(venue: VenueConfig) -> str | None:
    return plain(venue.margin_calls.call) if venue.margin_calls else None


def _put_calls(venue: VenueConfig, value: str | None) -> VenueConfig:
    calls = MarginCallsConfig(call=Exact(value)) if value is not None else None
    return msgspec.structs.replace(venue, margin_calls=calls)


def _put_interest(venue: VenueConfig, value: str | None) -> VenueConfig:
    return msgspec.structs.replace(venue, interest=INTEREST if value else None)


register(
    Safeguard("median_mark", "median of funding basis, moving basis and last",
              "time constant of the moving basis, s", "money", "150", _median, _put_median)
)  # fmt: skip
register(
    Safeguard("latency", "late oracle", "seconds until a price arrives", "money", "3",
              *_oracles("latency_s", _late))
)  # fmt: skip
register(
    Safeguard("clamp", "clamped mark", "distance of the mark from the index", "share", "0.05",
              *_oracles("clamp", _clamped))
)  # fmt: skip
register(
    Safeguard("planner", "planned slices", "how the slices of an order are planned", "choice",
              NONE, _planner, _put_planner, (NONE, *PLANNED))
)  # fmt: skip
register(
    Safeguard("margin_calls", "margin calls", "level of a call, in maintenance margins", "money",
              "1.5", _calls, _put_calls)
)  # fmt: skip
register(
    Safeguard("interest", "two-slope interest", "", "switch", "on",
              lambda venue: "on" if venue.interest else None, _put_interest)
)  # fmt: skip
