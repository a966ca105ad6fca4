"""What a tape's metadata says of its venues: multipliers, brackets, rates, rules. All optional."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from ordercascade.contracts import kind_of, worth
from ordercascade.enums import MarketKind, PriceSource
from ordercascade.replay.schedules import Schedule
from ordercascade.replay.staging import (
    NO_STAGES,
    Sizes,
    Slicing,
    Stages,
    sizes_of,
    slicing_of,
    stages_of,
)

PPM = 10**6
FEES = ("maker_fee_ppm", "taker_fee_ppm", "external_maker_fee_ppm", "external_taker_fee_ppm")


class Rules(NamedTuple):
    """A venue's rules, by the names of `World.add_venue`."""

    mark_refresh: int
    queue: int
    round_ns: int
    round_max: int
    shortfall_at: int
    trigger_strict: int
    leg: int
    cancel: int
    limit: int
    residual: int
    social: int
    buffer_ppm: int
    liquidation_fee_ppm: int
    liquidation_fee_to: int
    liquidation_pays_taker: int
    adl_rule: int
    adl_trigger: int
    fraction_ppm: int
    min_value: int
    cooldown_ns: int
    then_all: int


class Fees(NamedTuple):
    maker: int
    taker: int
    external_maker: int
    external_taker: int


class Brackets:
    """A market's tiers by position value; a floor is inclusive, below the first counts as first."""

    def __init__(self, rows: Sequence[Sequence[int]]) -> None:
        self.rows = [(int(f), int(m), int(a), int(i)) for f, m, a, i in rows]
        self.floors = [row[0] for row in self.rows]
        # Without a jump at any floor, slack goes one way with the price.
        self.steady = all(
            row[1] < PPM and (after[1] - row[1]) * after[0] == (after[2] - row[2]) * PPM
            for row, after in pairwise(self.rows)
        )

    by_lots = False

    def row(self, _size: int, value: int) -> tuple[int, int, int, int]:
        """Return the bracket of a position."""
        return self.rows[max(0, bisect_right(self.floors, abs(value)) - 1)]

    def maintenance(self, size: int, value: int, _cost: int) -> int:
        """max(0, ceil(|value| * rate) - amount). SEMANTICS §1."""
        _, rate, amount, _ = self.row(size, value)
        return max(0, -(-abs(value) * rate // PPM) - amount)

    def initial(self, size: int, value: int, _interest: int) -> int:
        return -(-abs(value) * self.row(size, value)[3] // PPM)


class MarketTerms(NamedTuple):
    """What is known of a market beforehand."""

    id: int
    asset: int
    multiplier: int
    price_max: int
    brackets: Brackets | Schedule | None
    fees: Fees | None
    source: int  # of its mark, -1 if not known
    weight_ppm: int
    kind: MarketKind = MarketKind.LINEAR
    expiry: tuple[int, ...] = ()  # time, rule, window, stated price
    feed: Mapping[str, int] | None = None  # numbers of an oracle with a memory

    def worth(self, size: int, price: int) -> int:
        """Return what signed lots are worth."""
        return worth(self.kind, self.multiplier, size, price)

    def peek(self, last: int, index: int, bid: int, ask: int) -> int:
        """Return the mark that its sources give: own price and index mixed, halves up."""
        own = 2 * last
        if self.source == PriceSource.MID and bid and ask:
            own = bid + ask
        if own == 0 or (self.source == PriceSource.INDEX and index):
            own = 2 * index
        weight = self.weight_ppm if index else PPM
        mark = (weight * own + 2 * (PPM - weight) * index + PPM) // (2 * PPM)
        return min(max(mark, 1), self.price_max)


class VenueTerms(NamedTuple):
    """What is known of a venue beforehand."""

    id: int
    strict: bool | None
    rules: Rules | None
    markets: tuple[MarketTerms, ...]
    stages: Stages = NO_STAGES
    sizes: Sizes | None = None  # None: the plain tranche of the rules
    calls: tuple[int, int] | None = None  # levels of margin calls: call, release
    slicing: Slicing | None = None
    breakers: tuple[Mapping[str, int], ...] = ()
    options: frozenset[int] = frozenset()  # markets without a book
    surcharges: tuple[Mapping[str, Any], ...] = ()
    said: Mapping[str, Any] = {}

    @property
    def staged(self) -> bool:
        """Say if the engine runs any code of stages here."""
        return self.stages != NO_STAGES or self.sizes is not None

    @property
    def judges(self) -> bool:
        """Say if it is known who is liquidatable."""
        return self.bracketed and self.strict is not None

    @property
    def bracketed(self) -> bool:
        return all(market.brackets is not None for market in self.markets)

    @property
    def peeks(self) -> bool:
        """Say if every mark can be computed from what the tape holds."""
        return all(market.source >= 0 for market in self.markets)


def terms_of(meta: Mapping[str, Any]) -> dict[int, VenueTerms]:
    """Return the terms of each venue that the metadata names, by id."""
    venues: dict[int, Mapping[str, Any]] = {int(venue["id"]): venue for venue in meta["venues"]}
    for market in meta["markets"]:
        venues.setdefault(int(market["venue"]), {})
    return {number: _venue(number, venue, meta["markets"]) for number, venue in venues.items()}


def _venue(
    number: int, venue: Mapping[str, Any], markets: Sequence[Mapping[str, Any]]
) -> VenueTerms:
    mine = sorted((m for m in markets if m["venue"] == number), key=lambda m: int(m["id"]))
    said = venue.get("rules", {})
    rules = None
    if all(name in said for name in Rules._fields):
        rules = Rules(*(int(said[name]) for name in Rules._fields))
    strict = venue.get("trigger_strict", said.get("trigger_strict"))
    markets_of = tuple(_market(m) for m in mine)
    strict = None if strict is None else bool(strict)
    said = venue.get("calls")
    calls = (int(said["call_ppm"]), int(said["release_ppm"])) if said else None
    staged = stages_of(venue), sizes_of(venue)
    breakers = tuple(venue.get("breakers", ()))
    options = frozenset(int(m["id"]) for m in mine if "option" in m)
    return VenueTerms(
        number, strict, rules, markets_of, *staged, calls, slicing_of(venue), breakers, options,
        tuple(venue.get("surcharges", ())), venue,
    )  # fmt: skip


def _market(market: Mapping[str, Any]) -> MarketTerms:
    fees = None
    if all(name in market for name in FEES):
        fees = Fees(*(int(market[name]) for name in FEES))
    margin: Brackets | Schedule | None = None
    if market.get("schedule"):
        margin = Schedule(market["schedule"])
    elif market.get("brackets"):
        margin = Brackets(market["brackets"])
    known = "source" in market and "own_weight_ppm" in market
    return MarketTerms(
        id=int(market["id"]),
        asset=int(market["asset"]),
        multiplier=int(market["multiplier"]),
        price_max=int(market["price_max"]),
        brackets=margin,
        fees=fees,
        source=int(market["source"]) if known else -1,
        weight_ppm=int(market.get("own_weight_ppm", PPM)),
        kind=kind_of(str(market.get("kind", "linear"))),
        expiry=tuple(int(cell) for cell in market.get("expiry", ())),
        feed=market.get("oracle"),
    )
