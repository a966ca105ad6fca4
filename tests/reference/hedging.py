"""The twin's hedge mode: two legs of a market, keyed market and market + SHORT; ADR 21."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

from ordercascade.duties import Leg
from ordercascade.enums import AdlTrigger, MarketKind, NoteKind, Reject, Side, StepKind
from reference import closing, margin, settlement
from reference.ledger import SHORT
from reference.margin import PPM, TICK_MAX

if TYPE_CHECKING:
    from reference.market import Market
    from reference.rules import Scope
    from reference.settlement import Entry
    from reference.venue import Venue

# Units that rounding can take off the slack of two legs.
ROUNDING = {MarketKind.LINEAR: 2, MarketKind.INVERSE: 6}


# Who is who.


def main(venue: Venue, number: int) -> int:
    """Return the account that trades under a number."""
    return next((account for account, twin in venue.twins.items() if twin == number), number)


def numbers(venue: Venue, account: int) -> list[int]:
    """Return the numbers under which an account trades."""
    return [account, venue.twins[account]] if account in venue.twins else [account]


def number_of(venue: Venue, account: int, leg: str | None) -> int:
    """Return the number of an account's orders for a leg."""
    assert (leg is not None) == (account in venue.twins)
    return venue.twins[account] if leg == "short" else account


def owner(venue: Venue, account: int, market: int, order_id: int) -> int:
    """Return under which of its numbers an account sent an order."""
    order = venue.markets[market].book.orders.get(order_id)
    twin = venue.twins.get(account)
    return twin if order is not None and twin == order.account else account


def leg_of(venue: Venue, number: int, market: int) -> int:
    """Return the key of the position that fills of a number change."""
    return market + SHORT if number in venue.twins.values() else market


def hedged(venue: Venue, scope: int) -> bool:
    return scope in venue.scopes and venue.scopes[scope].account in venue.twins


def closed_by(venue: Venue, entry: Entry) -> int:
    """Return the key of the position that a liquidation order closes."""
    short = hedged(venue, entry.scope) and entry.side == Side.BID
    return entry.market + SHORT if short else entry.market


def number_closing(venue: Venue, entry: Entry) -> int:
    account = venue.scopes[entry.scope].account
    return venue.twins[account] if closed_by(venue, entry) >= SHORT else account


def named(venue: Venue, entry: Entry) -> Leg:
    if not hedged(venue, entry.scope):
        return Leg.NET
    return Leg.LONG if entry.side == Side.ASK else Leg.SHORT


def against(venue: Venue, scope: int, leg: int, lots: int) -> int:
    """Return the key of a holder's position that could take over such lots."""
    market = leg % SHORT
    return market + SHORT if hedged(venue, scope) and lots > 0 else market


# Going into hedge mode.


def hedge(venue: Venue, account: int) -> int:
    scopes = [s.id for s in venue.scopes.values() if s.account == account]
    resting = any(market.book.orders_of(account) for market in venue.markets)
    if resting or any(venue.ledger.legs(scope) for scope in scopes):
        return Reject.POSITION_OPEN
    venue.accounts += 1
    venue.twins[account] = venue.accounts
    if venue.ledger.step is not None:
        tell(venue, venue.ledger.step, account, venue.accounts)
    return venue.accounts


def tell(venue: Venue, step: int, account: int, twin: int) -> None:
    """Note who goes into hedge mode; the place of a market has the venue."""
    venue.world.tables.append(
        "notes", step=step, kind=NoteKind.HEDGED, market=venue.id, scope=-1, a=account, b=twin
    )


# Orders.


def initial_of_legs(venue: Venue, scope: int, market: Market, extra: tuple[int, int, int]) -> int:
    """Return the initial margin of both legs, each with what it could open."""
    account, total = venue.scopes[scope].account, 0
    for side, number in zip((Side.BID, Side.ASK), numbers(venue, account), strict=True):
        lots = abs(venue.ledger.position(scope, leg_of(venue, number, market.id)).size)
        lots += market.book.open_lots(number, side)
        lots += extra[2] if extra[:2] == (market.id, side) else 0
        if lots:
            total += margin.initial(market.brackets, abs(market.value(lots, market.mark)))
    return total


def trim(venue: Venue, step: int, scope: int, leg: int) -> None:
    """Cancel, newest first, what would close more lots than a leg has left."""
    if not hedged(venue, scope):
        return
    market = venue.markets[leg % SHORT]
    number = numbers(venue, venue.scopes[scope].account)[leg >= SHORT]
    side = Side.BID if leg >= SHORT else Side.ASK
    held = abs(venue.ledger.position(scope, leg).size)
    while market.book.open_lots(number, side) > held:
        newest = [order for order in market.book.orders_of(number) if order.side == side][-1]
        market.book.remove(newest.id, number)
    venue.writer.levels(step, market)


# The liquidation price of a pair.


def both(venue: Venue, scope: int, market: int) -> tuple[int, int]:
    """Return the signed lots of the long and of the short leg."""
    long, short = (venue.ledger.position(scope, key).size for key in (market, market + SHORT))
    return long, short


def worth(market: Market, size: int, tick: int) -> Fraction:
    """Return what lots are worth, unrounded."""
    if market.kind == MarketKind.INVERSE:
        return Fraction(-market.multiplier * size, tick)
    return Fraction(market.multiplier * size * tick)


def asked(market: Market, size: int, tick: int) -> Fraction:
    """Return a leg's maintenance, unrounded."""
    value = abs(worth(market, size, tick))
    row = [each for each in market.brackets if each.floor <= value][-1]
    return value * Fraction(row.maintenance_ppm, PPM) - row.amount


def top_of(market: Market, long: int, short: int) -> int:
    """Return the last tick at which equity less maintenance, unrounded, rises; 0 where none."""
    found = 0
    for start, end in pieces(market, long, -short):
        if start == end:
            last = end + 1 if end < TICK_MAX else end - 1
        else:
            last = end
        gains = [
            sum(worth(market, size, tick) for size in (long, short))
            - sum(_line(market, size, start, tick) for size in (long, short))
            for tick in (start, last)
        ]
        if (gains[1] > gains[0]) == (last > start) and gains[1] != gains[0]:
            found = end
    return found


def _line(market: Market, size: int, start: int, tick: int) -> Fraction:
    """Return a leg's maintenance at a tick by the bracket of another."""
    value = abs(worth(market, size, start))
    row = [each for each in market.brackets if each.floor <= value][-1]
    return abs(worth(market, size, tick)) * Fraction(row.maintenance_ppm, PPM) - row.amount


def pieces(market: Market, *sizes: int) -> list[tuple[int, int]]:
    """Return the ranges of ticks in which neither leg changes its bracket."""
    starts = {1}
    for size in sizes:
        for bracket in market.brackets[1:]:
            if market.kind == MarketKind.INVERSE:
                edge = market.multiplier * size // bracket.floor + 1
            else:
                edge = margin.div_ceil(bracket.floor, market.multiplier * size)
            starts |= {edge} if 1 < edge <= TICK_MAX else set()
    ordered = sorted(starts)
    ends = [*(start - 1 for start in ordered[1:]), TICK_MAX]
    return list(zip(ordered, ends, strict=True))


def falls(venue: Venue, scope: int, market: int, *, falls: bool) -> bool:
    """Say if a fall of the price is what liquidates; `falls` where only one leg is held."""
    legs, where = both(venue, scope, market), venue.markets[market]
    return where.mark <= top_of(where, *legs) if all(legs) else falls


def liquidation_price(venue: Venue, scope: int, number: int) -> int:
    """Return the liquidatable tick nearest to the top, on the mark's side of it; 0 if none.

    From where equity less maintenance, unrounded, is below nothing, 256 ticks toward the top.
    """
    market, legs = venue.markets[number], both(venue, scope, number)
    top = top_of(market, *legs)
    below = market.mark <= top
    strict = 0 if venue.rules.trigger_strict else 1
    keys = number, number + SHORT
    fixed = venue.equity(scope) - venue.maintenance(scope) - strict
    for key in keys:
        fixed += venue.leg_maintenance(scope, key) - venue.value(scope, key)

    def exact(tick: int) -> Fraction:
        return fixed + sum(worth(market, s, tick) - asked(market, s, tick) for s in legs)

    def unsafe(tick: int) -> bool:
        marks = venue.marks()
        marks[number] = tick
        return venue.equity(scope, marks) - venue.maintenance(scope, marks) < strict

    out, inside = (0, top + 1) if below else (TICK_MAX + 1, top)
    while abs(inside - out) > 1:
        middle = (out + inside) // 2
        out, inside = (middle, inside) if exact(middle) < 0 else (out, middle)
    found, step = out, 1 if below else -1
    for tick in range(inside, inside + 256 * step, step):
        if (tick > top) == below or exact(tick) >= ROUNDING[market.kind]:
            break
        found = tick if unsafe(tick) else found
    return found if 1 <= found <= TICK_MAX else 0


# Netting.


def paired(venue: Venue, scope: int) -> list[int]:
    """Return the markets of which a scope holds both legs."""
    legs = [leg for leg, _ in venue.ledger.legs(scope)]
    return [leg for leg in legs if leg + SHORT in legs]


def net(venue: Venue, scope: Scope, parent: int) -> Iterator[int]:
    """Close the first pair against itself at the mark: a `netting` step."""
    number = paired(venue, scope.id)[0]
    market, ledger = venue.markets[number], venue.ledger
    long, short = (ledger.position(scope.id, key).size for key in (number, number + SHORT))
    lots = min(long, -short)
    paid = market.paid(lots, market.mark)
    step = venue.writer.open(
        StepKind.NETTING, market=number, scope=scope.id, parent=parent,
        generation=venue.writer.generation_of(parent),
    )  # fmt: skip
    closing.cancel_own(venue, scope, market, step)
    for key, sign in ((number, -1), (number + SHORT, 1)):
        ledger.realise(scope.id, key, ledger.enter(scope.id, key, sign * lots, sign * paid))
    venue.note_position(scope.id)
    venue.world.tables.append(
        "notes", step=step, kind=NoteKind.NETTED, market=number, scope=scope.id, a=market.mark,
        b=lots,
    )  # fmt: skip
    venue.writer.close(step)
    yield step


def net_first(venue: Venue, scope: Scope) -> Iterator[int]:
    """Net pair after pair before an order, as long as it would still be sent."""
    while paired(venue, scope.id):
        started = scope.orders_sent > 0
        if venue.healthy(scope.id) if started else not venue.liquidatable(scope.id):
            return
        parent = scope.parent if started else settlement.find_parent(venue, scope.id)
        yield from net(venue, scope, parent)


def net_all(
    venue: Venue, scope: Scope, cause: int | None, *, unfilled: bool = False
) -> Iterator[int]:
    """Net pair after pair of a scope that the venue gives up."""
    late = unfilled and venue.rules.adl_trigger == AdlTrigger.UNFILLED
    while paired(venue, scope.id):
        if (not late and venue.equity(scope.id) >= 0) or venue.healthy(scope.id):
            return
        yield from net(venue, scope, scope.position_step if cause is None else cause)
