"""The twin's two-slope interest, with fractions. spec/MECHANISMS.md §13; SEMANTICS §1."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor
from typing import TYPE_CHECKING, NamedTuple

from ordercascade.enums import (
    HolderKind,
    NoteKind,
    OrderType,
    PostReason,
    Side,
    StepKind,
    TimeInForce,
)
from reference import brakes, trading
from reference.funding import BILLION

if TYPE_CHECKING:
    from reference.venue import Venue

YEAR = 365 * 86_400 * 10**9
TRILLION = 10**12
PURSES = (HolderKind.SCOPE, HolderKind.EXTERNAL, HolderKind.FUND, HolderKind.VAULT)


class Lending(NamedTuple):
    """Rates of a year and the optimum in parts per 10^9; the reserve in ppm; the elasticity in ppm
    for each per cent a year and day."""

    base_ppb: int
    slope_ppb: int
    steep_ppb: int
    optimum_ppb: int
    reserve_ppm: int
    elasticity_ppm: int = 0


def cash_of(venue: Venue, asset: int) -> dict[int, int]:
    """Return collateral less the cost of all positions of everybody who lends or borrows."""
    ledger = venue.ledger
    return {
        number: holder.collateral
        - sum(p.cost for (h, _), p in ledger.positions.items() if h == number)
        for number, holder in enumerate(ledger.holders)
        if holder.kind in PURSES and holder.asset == asset
    }  # fmt: skip


def rate_of(terms: Lending, used: int) -> int:
    """Return the rate of a year at a utilisation, floored."""
    if used <= terms.optimum_ppb:
        return floor(terms.base_ppb + Fraction(terms.slope_ppb * used, terms.optimum_ppb))
    beyond = Fraction(used - terms.optimum_ppb, BILLION - terms.optimum_ppb)
    return floor(terms.base_ppb + terms.slope_ppb + terms.steep_ppb * beyond)


def pay_interest(venue: Venue, asset: int, span_ns: int, time_ns: int) -> int:
    """Let borrowers pay lenders for so much time: an `interest` step."""
    ledger, terms = venue.ledger, venue.lending
    assert terms is not None
    step = venue.writer.open(StepKind.INTEREST, time_ns=time_ns)
    cash = cash_of(venue, asset)
    kinds = [holder.kind for holder in ledger.holders]
    order = sorted(cash, key=lambda holder: (kinds[holder] == HolderKind.EXTERNAL, holder))
    borrowed, lent = sum(-c for c in cash.values() if c < 0), sum(c for c in cash.values() if c > 0)
    used = 0 if not borrowed else BILLION if borrowed >= lent else floor(
        Fraction(borrowed * BILLION, lent)
    )  # fmt: skip
    rate = rate_of(terms, used)
    venue.world.tables.append(
        "notes", step=step, kind=NoteKind.INTEREST, market=-1, scope=-1, a=rate,
        b=used if lent else -1,
    )  # fmt: skip
    days = Fraction(span_ns, 86_400 * 10**9)
    share = min(Fraction(1), Fraction(terms.elasticity_ppm * rate * 100, 10**15) * days)
    if lent:
        venue.shares[asset] = min(BILLION, venue.shares.get(asset, 0) + floor(share * BILLION))
    if lent:
        part = Fraction(floor(Fraction(rate * span_ns * TRILLION, BILLION * YEAR)), TRILLION)
        charges = {holder: ceil(-cash[holder] * part) for holder in order if cash[holder] < 0}
        reserve = floor(Fraction(sum(charges.values()) * terms.reserve_ppm, 10**6))
        fees, fund = venue.fees_holder(asset), ledger.find(HolderKind.FUND, asset)
        for holder, amount in charges.items():
            ledger.post(holder, fees, amount, PostReason.INTEREST)
        ledger.post(fees, fund, reserve, PostReason.INTEREST)
        rest = sum(charges.values()) - reserve
        lenders = [holder for holder in order if cash[holder] > 0]
        owed = {holder: Fraction(cash[holder] * rest, lent) for holder in lenders}
        credited = {holder: floor(share) for holder, share in owed.items()}
        last = sorted(lenders, key=lambda h: (credited[h] - owed[h], order.index(h)))
        for holder in last[: rest - sum(credited.values())]:
            credited[holder] += 1
        for holder in lenders:
            ledger.post(fees, holder, credited[holder], PostReason.INTEREST)
    venue.writer.close(step)
    return step


def relieve(venue: Venue, asset: int, time_ns: int) -> int:
    """Let borrowers close their share of every leg: one `agents` step."""
    step = venue.writer.open(StepKind.AGENTS, time_ns=time_ns)
    said = venue.shares.pop(asset, 0)
    share, filled = Fraction(said, BILLION), 0
    for scope in sorted(venue.scopes):
        if venue.ledger.holders[scope].asset != asset or cash_of(venue, asset)[scope] >= 0:
            continue
        for market_id, _ in sorted(venue.ledger.legs(scope)):
            lots = venue.ledger.position(scope, market_id).size
            size, market = floor(abs(lots) * share), venue.markets[market_id]
            side = Side.ASK if lots > 0 else Side.BID
            if not size or brakes.refusal(venue, market_id, side, 0, OrderType.MARKET):
                continue
            before, account = venue.world.tables.count("fills"), venue.scopes[scope].account
            market.book.place(OrderType.MARKET, side, 0, size, account, TimeInForce.IOC, 0)
            trading._after_order(venue, market)
            filled += sum(row["size"] for row in venue.world.tables.rows("fills")[before:])
    venue.world.tables.append(
        "notes", step=step, kind=NoteKind.RELIEF, market=-1, scope=-1,
        a=said, b=filled,
    )  # fmt: skip
    venue.writer.close(step)
    return step
