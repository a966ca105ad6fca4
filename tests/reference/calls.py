"""The twin's margin calls and expiries: full scans and fractions, from SEMANTICS §5.9 and §1."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, floor
from typing import TYPE_CHECKING

from ordercascade.duties import CallAction, CallSource, ExpiryRule
from ordercascade.enums import (
    MarketKind,
    NoteKind,
    OrderType,
    PostReason,
    Reject,
    Side,
    StepKind,
    TimeInForce,
)
from reference import brakes, trading
from reference.funding import positions_of, shared
from reference.ledger import OUTSIDE
from reference.margin import PPM

if TYPE_CHECKING:
    from reference.venue import Venue


@dataclass
class Answer:
    """What an account does when it is called."""

    action: CallAction = CallAction.NOTHING
    delay_ns: int = 0
    target_ppm: int = 0
    wallet: int = 2**60
    share_ppm: int = PPM
    source: CallSource = CallSource.OUTSIDE


@dataclass
class Calls:
    """The levels, who is called, and the answers by account."""

    call_ppm: int
    release_ppm: int = 0
    called: set[int] = field(default_factory=set)
    answers: dict[int, Answer] = field(default_factory=dict)

    @property
    def call(self) -> Fraction:
        return Fraction(self.call_ppm, PPM)

    @property
    def release(self) -> Fraction:
        return Fraction(self.release_ppm or self.call_ppm, PPM)


def turn(venue: Venue) -> Iterator[int]:
    """On new standing marks: look at everybody, then write a step a call, by scope id."""
    calls = venue.calls
    if calls is None:
        return
    found = []
    for scope in sorted(venue.scopes):
        if not venue.ledger.legs(scope) or venue.ratio(scope) >= calls.release:
            calls.called.discard(scope)
        if not venue.ledger.legs(scope) or scope in calls.called:
            continue
        if venue.ratio(scope) < calls.call:
            calls.called.add(scope)
            found.append(scope)
    for scope in found:
        yield call(venue, calls, scope)


def call(venue: Venue, calls: Calls, scope: int) -> int:
    """Write the row of a call; plan its answer."""
    losses = []
    for market_id, held in venue.ledger.legs(scope):
        market = venue.markets[market_id]
        change = market.value(held.size, market.mark) - market.value(held.size, market.mark_before)
        losses.append((change, market_id))
    parent = venue.markets[min(losses)[1]].trade_step_taken
    step = venue.writer.open(
        StepKind.MARGIN_CALL,
        scope=scope,
        parent=parent,
        generation=venue.writer.generation_of(parent),
    )
    tell(
        venue, step, NoteKind.MARGIN_CALL, -1, scope, venue.equity(scope), venue.maintenance(scope)
    )
    venue.writer.close(step)
    account = venue.scopes[scope].account
    answer = calls.answers.get(account, Answer())
    if answer.action != CallAction.NOTHING:
        venue.world.plan_answer(venue, scope, account, step, answer)
    return step


def tell(venue: Venue, step: int, kind: NoteKind, market: int, scope: int, a: int, b: int) -> None:
    venue.world.tables.append("notes", step=step, kind=kind, market=market, scope=scope, a=a, b=b)


def answered(venue: Venue, scope: int, called: int, action: int, time_ns: int) -> int:
    """Let an answer arrive: a step, whether it still has anything to do or not."""
    calls, step = venue.calls, venue.writer.open(StepKind.AGENTS, scope=scope, time_ns=time_ns)
    assert calls is not None
    answer, market, done = calls.answers[venue.scopes[scope].account], -1, 0
    if venue.ledger.legs(scope) and venue.ratio(scope) < calls.release:
        if action == CallAction.ADD:
            done = added(venue, scope, answer)
        else:
            market, done = reduced(venue, scope, answer)
    tell(venue, step, NoteKind.ANSWER, market, scope, called, done)
    venue.writer.close(step)
    return step


def added(venue: Venue, scope: int, answer: Answer) -> int:
    """Bring money up to the target; return how much."""
    amount = answer.wallet
    if answer.target_ppm:
        target = ceil(Fraction(answer.target_ppm * venue.maintenance(scope), PPM))
        amount = min(amount, target - venue.equity(scope))
    source = OUTSIDE
    if answer.source == CallSource.CROSS:
        held = venue.scopes[scope]
        source = venue.cross.get((held.account, held.asset), scope)
        if source == scope:
            return 0
        amount = min(amount, trading.free_money(venue, source))
    if amount <= 0:
        return 0
    outside = source == OUTSIDE
    venue.ledger.post(source, scope, amount, PostReason.DEPOSIT if outside else PostReason.TRANSFER)
    answer.wallet -= amount
    return amount


def reduced(venue: Venue, scope: int, answer: Answer) -> tuple[int, int]:
    """Sell (a short: buy back) a share of the heaviest leg at any price; market and lots filled."""
    legs = venue.ledger.legs(scope)
    market_id = min((-venue.leg_maintenance(scope, m), m) for m, _ in legs)[1]
    lots = venue.ledger.position(scope, market_id).size
    size = max(1, floor(Fraction(abs(lots) * answer.share_ppm, PPM)))
    side, market = Side.ASK if lots > 0 else Side.BID, venue.markets[market_id]
    if brakes.refusal(venue, market_id, side, 0, OrderType.MARKET):
        return market_id, 0
    before = venue.world.tables.count("fills")
    account = venue.scopes[scope].account
    market.book.place(OrderType.MARKET, side, 0, size, account, TimeInForce.IOC, 0)
    trading._after_order(venue, market)
    rows = venue.world.tables.rows("fills")[before:]
    return market_id, sum(row["size"] for row in rows)


# Expiries.


@dataclass
class Ending:
    """How and when a market ends. `past` are (time, mark, index) as they came to stand."""

    at: int
    rule: ExpiryRule
    window_ns: int
    price: int
    planned: int
    past: list[tuple[int, int, int]]
    ended: bool = False


def note_prices(venue: Venue, time_ns: int) -> None:
    """Remember what stands from now on."""
    for number, ending in venue.endings.items():
        market = venue.markets[number]
        ending.past.append((time_ns, market.mark, market.index))


def closed(venue: Venue, market: int) -> int:
    """Return why a market takes no orders, or 0."""
    ending = venue.endings.get(market)
    return Reject.EXPIRED_MARKET if ending and ending.ended else 0


def price_of(venue: Venue, number: int) -> int:
    """Return the settlement price."""
    ending, market = venue.endings[number], venue.markets[number]
    if ending.rule == ExpiryRule.STATED:
        return ending.price
    of_index = ending.rule in (ExpiryRule.INDEX, ExpiryRule.AVERAGE_INDEX)
    now = market.index if of_index and market.index else market.mark
    begin = max(ending.at - ending.window_ns, ending.planned)
    if not ending.window_ns or begin >= ending.at:
        return now
    total = 0
    ends = [at for at, _, _ in ending.past[1:]] + [ending.at]
    for (since, mark, index), until in zip(ending.past, ends, strict=True):
        price = index if of_index and index else mark
        total += price * max(0, min(until, ending.at) - max(since, begin))
    return floor(Fraction(total, ending.at - begin) + Fraction(1, 2))


def expire(venue: Venue, number: int, time_ns: int) -> int:
    """Cancel, settle, close the market: an `expiry` step."""
    market, ledger = venue.markets[number], venue.ledger
    step = venue.writer.open(StepKind.EXPIRY, market=number, time_ns=time_ns)
    price = price_of(venue, number)
    order = positions_of(venue, number)
    held = {each: ledger.position(*each).size for each in order}
    tell(venue, step, NoteKind.EXPIRY, number, -1, price, len(held))
    for account in range(venue.accounts + 1):
        market.book.remove_all(account)
        venue.writer.levels(step, market)
    lot = Fraction(market.multiplier * price)
    if market.kind == MarketKind.INVERSE:
        lot = Fraction(-market.multiplier, price)
    worth = shared([held[h] * lot for h in order], order)
    for holder, leg in order:
        won = ledger.enter(holder, leg, -held[holder, leg], -worth[holder, leg])
        ledger.realise(holder, number, won)
        venue.note_position(holder)
    venue.endings[number].ended = True
    venue.writer.close(step)
    return step
