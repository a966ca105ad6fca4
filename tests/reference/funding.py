"""The twin's funding: fractions, written from SEMANTICS §1 (a split of signed shares)."""

from __future__ import annotations

from fractions import Fraction
from math import floor
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from ordercascade.enums import FundingRule, HolderKind, MarketKind, NoteKind, PostReason, StepKind
from reference.ledger import SHORT

if TYPE_CHECKING:
    from reference.market import Market
    from reference.venue import Venue

BILLION = 10**9
Key = TypeVar("Key")


class Terms(NamedTuple):
    """How a market's rate is found; rates in parts per 10^9."""

    rule: FundingRule = FundingRule.NONE
    interest_ppb: int = 0
    clamp_ppb: int = 0
    cap_ppb: int = 10**9
    share: int = 1
    at_index: bool = False


def fund(venue: Venue, number: int, rate: int | None, time_ns: int) -> int:
    """Let longs pay shorts `rate` of what their lots are worth: a `funding` step."""
    market, ledger = venue.markets[number], venue.ledger
    step = venue.writer.open(StepKind.FUNDING, market=number, time_ns=time_ns)
    if rate is None:
        rate = rate_of(venue, market)
    price = market.index if market.funding.at_index and market.index else market.mark
    venue.world.tables.append(
        "notes", step=step, kind=NoteKind.FUNDING, market=number, scope=-1, a=rate, b=price
    )
    lot = Fraction(market.multiplier * price)
    if market.kind == MarketKind.INVERSE:
        lot = Fraction(market.multiplier, price)
    order = positions_of(venue, number)
    owed = [-ledger.position(*each).size * lot * rate / BILLION for each in order]
    for (holder, _), amount in shared(owed, order).items():
        ledger.post(ledger.clearing[number], holder, amount, PostReason.FUNDING)
    venue.writer.close(step)
    return step


def positions_of(venue: Venue, number: int) -> list[tuple[int, int]]:
    """Return the positions of a market: by holder, a long leg first, external last."""
    kinds = [holder.kind for holder in venue.ledger.holders]
    held = [
        (holder, leg)
        for (holder, leg), position in venue.ledger.positions.items()
        if leg % SHORT == number and position.size
    ]
    return sorted(held, key=lambda each: (kinds[each[0]] == HolderKind.EXTERNAL, each))


def shared(owed: list[Fraction], order: list[Key]) -> dict[Key, int]:
    """Floor what each is owed; the units that are left go by largest remainder, then by order."""
    found = {holder: floor(share) for holder, share in zip(order, owed, strict=True)}
    rest = {holder: share - floor(share) for holder, share in zip(order, owed, strict=True)}
    for holder in sorted(order, key=lambda h: (-rest[h], order.index(h)))[: -sum(found.values())]:
        found[holder] += 1
    return found


def rate_of(venue: Venue, market: Market) -> int:
    """Return the rate that longs pay, floored, in parts per 10^9."""
    terms, index = market.funding, market.index
    found = 0
    if terms.rule == FundingRule.PREMIUM:
        premium = floor(Fraction((market.mark - index) * BILLION, index)) if index else 0
        pull = max(-terms.clamp_ppb, min(terms.clamp_ppb, terms.interest_ppb - premium))
        found = floor(Fraction(premium + pull, terms.share))
    if terms.rule == FundingRule.SKEW:
        sizes = [
            venue.ledger.position(scope, leg).size
            for scope in venue.scopes
            for leg in (market.id, market.id + SHORT)
        ]
        longs, shorts = sum(s for s in sizes if s > 0), -sum(s for s in sizes if s < 0)
        if shorts and index:
            found = floor((Fraction(market.mark, index) - Fraction(longs, shorts)) * BILLION)
    return max(-terms.cap_ppb, min(terms.cap_ppb, found))
