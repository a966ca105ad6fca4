"""More safeguards for the list of `safeguards`: planners, calls, interest, pauses.

Each is a few keys of a scenario that exist elsewhere; here they get a name, one main parameter
and an off position, so that panels and ablations find them. spec/MECHANISMS.md §4a, §9, §13.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from ordercascade.config import BreakerConfig, LiquidationConfig, VenueConfig
from ordercascade.errors import InputError
from ordercascade.exact import Exact, plain
from ordercascade.safeguards import Safeguard, banded, breaker, register
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
FULL = LiquidationConfig(kind="full")
KEPT = ("slices", "min_notional", "cooldown_s", "cost", "book_share", "book_range")
# Aave's slopes (MECHANISMS §13), paid every hour of a day.
INTEREST = InterestConfig(
    optimum=Exact("0.8"),
    slope1=Exact("0.04"),
    slope2=Exact("0.6"),
    every_s=Exact(3600),
    times=24,
)


def _policy(venue: VenueConfig) -> LiquidationConfig:
    """Return how much an order closes; what a `tranche` table says of its pace is kept."""
    if venue.tranche is not None:
        return LiquidationConfig(kind="equal", slices=1, cooldown_s=venue.tranche.cooldown_s)
    return venue.liquidation[0] if venue.liquidation else FULL


def _sized(venue: VenueConfig, policy: LiquidationConfig) -> VenueConfig:
    if policy.kind == "equal" and policy.slices == 1 and policy.book_share is None:
        policy = FULL  # One slice of all.
    return msgspec.structs.replace(venue, liquidation=(policy,), tranche=None)


def _planner(venue: VenueConfig) -> str:
    policy = _policy(venue)
    if policy.kind not in PLANNED or (policy.kind == "equal" and policy.slices == 1):
        return NONE
    return policy.kind


def _planned(kind: str, own: LiquidationConfig) -> LiquidationConfig:
    """Return a planner with what another policy says that it takes too."""
    made = PLANNED[kind]
    said = {key: getattr(own, key) for key in KEPT if getattr(own, key) is not None}
    if own.slices == 1 or made.slices is None:
        said.pop("slices", None)
    if kind != "restore":
        said.pop("cost", None)
    return msgspec.structs.replace(made, **said)


def _put_planner(venue: VenueConfig, value: str | None) -> VenueConfig:
    own = _policy(venue)
    if value is not None and value != NONE:
        return _sized(venue, _planned(value, own))
    rest = {key: getattr(own, key) for key in ("min_notional", "cooldown_s", "book_share")}
    return _sized(
        venue, LiquidationConfig(kind="equal", slices=1, book_range=own.book_range, **rest)
    )


def _share(venue: VenueConfig) -> str | None:
    return plain(share) if (share := _policy(venue).book_share) else None


def _put_share(venue: VenueConfig, value: str | None) -> VenueConfig:
    own = _policy(venue)
    if value is None:
        return _sized(venue, msgspec.structs.replace(own, book_share=None, book_range=None))
    share, reach = Exact(value), own.book_range or Exact("0.01")
    if own.kind in PLANNED and venue.tranche is None:
        return _sized(venue, msgspec.structs.replace(own, book_share=share, book_range=reach))
    made = LiquidationConfig(  # All of it, but for what the book has no room for.
        kind="equal",
        slices=1,
        min_notional=own.min_notional,
        cooldown_s=Exact(30) if own.cooldown_s is None else own.cooldown_s,
        book_share=share,
        book_range=reach,
    )
    return _sized(venue, made)


def _calls(venue: VenueConfig) -> str | None:
    return plain(venue.margin_calls.call) if venue.margin_calls else None


def _put_calls(venue: VenueConfig, value: str | None) -> VenueConfig:
    """Off: nobody is called, so nobody answers."""
    if value is None:
        return msgspec.structs.replace(venue, margin_calls=None, answer=())
    calls = None
    if value is not None:
        call, own = Exact(value), venue.margin_calls
        release = own.release if own is not None else None
        if release is not None and release < call:
            release = None  # The next call would follow at once.
        calls = MarginCallsConfig(call=call, release=release)
    return msgspec.structs.replace(venue, margin_calls=calls)


def _calls_need(venue: VenueConfig) -> str | None:
    return None if venue.answer else "needs accounts that answer a call (venue.answer)"


def _put_interest(venue: VenueConfig, value: str | None) -> VenueConfig:
    return msgspec.structs.replace(venue, interest=INTEREST if value else None)


def _lag_needs(venue: VenueConfig) -> str | None:
    oracles = (market.oracle or venue.oracle for market in venue.market if market.option is None)
    if any(oracle is not None and oracle.latency_s for oracle in oracles):
        return None
    return "needs an oracle that is late (oracle.latency_s)"


def _gas_put(own: BreakerConfig, value: str) -> BreakerConfig:
    if Decimal(value) % 1:
        raise InputError("gas_pause", value, "must be a whole number of gwei")
    return msgspec.structs.replace(own, gas_pause_gwei=int(Decimal(value)))


def _gas_needs(venue: VenueConfig) -> str | None:
    if any(each.gas_gwei is not None for each in venue.breaker or ()):
        return None
    return "needs a price of gas (a breaker of kind gas_pause with gas_gwei)"


register(
    Safeguard("planner", "planned slices", "how the slices of an order are planned", "choice",
              NONE, _planner, _put_planner, (NONE, *PLANNED), groups=("planned slices",))
)  # fmt: skip
register(
    Safeguard("book_share", "share of the book",
              "most of what rests within 1 % that an order takes", "share", "0.1",
              _share, _put_share, groups=("share of the book",))
)  # fmt: skip
register(
    Safeguard("margin_calls", "margin calls", "level of a call, in maintenance margins", "money",
              "1.5", _calls, _put_calls, needs=_calls_need)
)  # fmt: skip
register(
    Safeguard("interest", "two-slope interest", "", "switch", "on",
              lambda venue: "on" if venue.interest else None, _put_interest)
)  # fmt: skip
register(
    Safeguard("lag_pause", "pause for a late oracle",
              "distance of the mark from the last trade that pauses orders for 60 s", "share",
              "0.03", *banded(BreakerConfig(kind="lag_pause", halt_s=Exact(60))), needs=_lag_needs)
)  # fmt: skip
register(
    Safeguard("gas_pause", "pause for dear gas", "gwei above which orders pause for 60 s", "money",
              "200",
              *breaker(
                  BreakerConfig(kind="gas_pause", gas_gwei=50, gas_beta=Exact("0.01"),
                                gas_pause_gwei=200, halt_s=Exact(60)),
                  lambda own: plain(Decimal(own.gas_pause_gwei)) if own.gas_pause_gwei else None,
                  _gas_put,
              ),
              needs=_gas_needs)
)  # fmt: skip
