"""The twin's settlement: rounds, marks, who is at risk, the queue, and the parent of an order.

Everything is a generator that yields the number of each step as soon as it is written, so that
`World.step()` can stop anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from ordercascade.duties import PairRule
from ordercascade.enums import (
    LegRule,
    LimitRule,
    MarkRefresh,
    NoteKind,
    QueueOrder,
    ShortfallAt,
    Side,
    StepKind,
)
from reference import calls, closing, collateral, hedging
from reference.ledger import SHORT
from reference.margin import PPM

if TYPE_CHECKING:
    from reference.rules import Scope
    from reference.venue import Venue
    from reference.world import World


@dataclass(frozen=True)
class Entry:
    """One planned liquidation order; `limit` None means any price."""

    scope: int
    market: int
    side: Side  # of the order
    size: int
    limit: int | None
    trigger: int


def settlement(world: World) -> Iterator[int]:
    """Run rounds of all venues until a round writes no step."""
    start = world.time_ns
    running = list(world.venues)
    for venue in running:
        venue.window = world.step_count
    turn = 0
    while running:
        first = world.step_count
        for venue in running:
            venue.round, venue.now = turn, start + turn * venue.rules.round_ns
            venue.settled = venue.now
        # The clock never goes back, also when the venue with the longest rounds rests.
        world.time_ns = max(world.time_ns, *(venue.now for venue in running))
        yield from world.due_items(running)
        for venue, changed in [(venue, take_marks(venue)) for venue in running]:
            yield from write_marks(venue, changed)
            if venue.surcharges:
                yield from venue.surcharges.turn()
            yield from calls.turn(venue)
            if venue.brakes:
                yield from venue.brakes.turn()
        for venue in running:
            yield from liquidate(venue)
        if world.step_count == first:
            return
        for venue in [v for v in running if turn == v.rules.round_max - 1]:
            running.remove(venue)
            if any(row["venue"] == venue.id for row in world.tables.rows("steps")[first:]):
                yield write_bound(venue)
        turn += 1


def write_bound(venue: Venue) -> int:
    """Say that the rounds ran out."""
    venue.world.bound_reached = True
    step = venue.writer.open(StepKind.BOUND)
    venue.world.tables.append(
        "notes", step=step, kind=NoteKind.BOUND_REACHED, market=-1, scope=-1, a=venue.round, b=0
    )
    venue.writer.close(step)
    return step


def take_marks(venue: Venue) -> list[int]:
    """Let every market's peeked mark stand; return the markets whose mark changed.

    Every venue's marks are taken before the first row is written: they are the round's.
    """
    found = [market.id for market in venue.markets if market.take_mark()]
    collateral.stand(venue)
    calls.note_prices(venue, venue.now)
    return found


def write_marks(venue: Venue, changed: list[int]) -> Iterator[int]:
    """Write the mark rows of a taking; the cause is the latest step with trades there."""
    for market_id in changed:
        market = venue.markets[market_id]
        step = venue.writer.open(
            StepKind.MARK,
            market=market_id,
            parent=market.trade_step,
            generation=venue.writer.generation_of(market.trade_step),
        )
        venue.writer.close(step)
        yield step


def liquidate(venue: Venue) -> Iterator[int]:
    """Run points 3 to 6 of a round."""
    yield from closing.deleverage_cooling(venue)
    chosen = at_risk(venue)
    venue.step3_end = venue.world.step_count
    sent: list[tuple[int, int]] = []  # scope, its row of `liquidations`
    queue = plan(venue, chosen)
    venue.planned = len(chosen)
    for entry in queue:
        yield from execute(venue, entry, sent)
    if venue.rules.shortfall_at == ShortfallAt.ROUND:
        for scope, row in sent:
            yield from closing.decide(venue, scope, row)
    for scope in sorted(venue.scopes):
        broke = not venue.ledger.legs(scope) and venue.collateral(scope) < 0
        if broke and collateral.purses(venue, scope):
            yield from collateral.convert(venue, scope)
        if broke and venue.collateral(scope) < 0:
            if venue.scopes[scope].pending:
                closing.forget(venue, venue.scopes[scope])
            yield from closing.waterfall(venue, scope, None)
    venue.window = venue.step3_end


def at_risk(venue: Venue) -> list[int]:
    """Return the scopes that get a queue entry; health of pending scopes is noticed here."""
    found = []
    for number in sorted(venue.scopes):
        scope = venue.scopes[number]
        if scope.pending and (not venue.ledger.legs(number) or venue.healthy(number)):
            closing.forget(venue, scope)
        elif retry_due(venue, scope) if scope.pending else venue.liquidatable(number):
            found.append(number)
    return found


def retry_due(venue: Venue, scope: Scope) -> bool:
    """Say if a pending scope may try again: cooldown over and one of its markets has moved."""
    if closing.cooling(venue, scope):
        return False
    return any(venue.markets[m].version != seen for m, seen in scope.versions.items())


# The plan.


def plan(venue: Venue, scopes: list[int]) -> list[Entry]:
    """Return the queue: one entry a scope, or one a leg, in the venue's order."""
    entries = [plan_entry(venue, s, leg) for s in scopes for leg in choose_legs(venue, s)]
    return sorted(
        entries,
        key=lambda entry: (queue_key(venue, entry), entry.scope, entry.market, -entry.side),
    )


def plan_entry(venue: Venue, scope: int, market: int) -> Entry:
    """Choose size and limit of a leg's next order."""
    lots = venue.ledger.position(scope, market).size
    bankruptcy = venue.bankruptcy_price(scope, market)
    return Entry(
        scope=scope,
        market=market % SHORT,
        side=Side.ASK if lots > 0 else Side.BID,
        size=choose_size(venue, scope, market),
        limit=bankruptcy if venue.rules.limit == LimitRule.BANKRUPTCY else None,
        trigger=venue.liquidation_price(scope, market),
    )


def choose_legs(venue: Venue, scope: int) -> list[int]:
    """Return the leg to sell first, or all of them; ties by market id, then long before short."""
    legs = [leg for leg, _ in venue.ledger.legs(scope)]
    if venue.rules.leg == LegRule.PRO_RATA:
        return legs
    return [min(legs, key=lambda leg: (leg_key(venue, scope, leg), leg % SHORT, leg))]


def leg_key(venue: Venue, scope: int, leg: int) -> tuple[Fraction, int]:
    """Return what a rule sorts legs by, the least first."""
    held, value = venue.ledger.position(scope, leg), venue.value(scope, leg)
    if venue.rules.leg == LegRule.WORST_PNL:
        return Fraction(value - held.cost), 0
    if venue.rules.leg == LegRule.LARGEST_MARGIN_RELIEF:
        return Fraction(-venue.leg_maintenance(scope, leg)), 0
    book = venue.markets[leg % SHORT].book
    side = Side.BID if held.size > 0 else Side.ASK
    rests = sum(book.size_at(side, price) for price in book.prices(side))
    return -min(Fraction(1), Fraction(rests, abs(held.size))), -abs(value)


def choose_size(venue: Venue, scope: int, market: int) -> int:
    """Return the lots to ask for: all, or a tranche of a big position."""
    rules, lots = venue.rules, abs(venue.ledger.position(scope, market).size)
    later = rules.then_all and venue.scopes[scope].orders_sent > 0
    small = abs(venue.value(scope, market)) <= rules.min_value
    if rules.fraction_ppm == PPM or later or small:
        return lots
    return max(1, lots * rules.fraction_ppm // PPM)


def queue_key(venue: Venue, entry: Entry) -> tuple[int, Fraction]:
    """Return what the queue is sorted by, before scope id and market id."""
    if venue.rules.queue == QueueOrder.MARGIN_RATIO:
        return 0, venue.ratio(entry.scope)
    if venue.rules.queue == QueueOrder.TRIGGER_PRICE:
        if not venue.liquidatable(entry.scope):
            return 1, Fraction(0)
        mark = venue.markets[entry.market].mark
        falls = hedging.falls(venue, entry.scope, entry.market, falls=entry.side == Side.ASK)
        beyond = entry.trigger - mark if falls else mark - entry.trigger
        return 0, Fraction(-beyond, mark)
    return 0, Fraction(0)


# The execution.


def execute(venue: Venue, entry: Entry, sent: list[tuple[int, int]]) -> Iterator[int]:
    """Test an entry again, then order, fills, marks, fee, and the table."""
    scope = venue.scopes[entry.scope]
    if venue.rules.pairs == PairRule.NET:
        yield from hedging.net_first(venue, scope)
    if scope.pending and venue.ledger.legs(scope.id) and venue.healthy(scope.id):
        closing.forget(venue, scope)
        return
    lots = venue.ledger.position(scope.id, hedging.closed_by(venue, entry)).size
    gone = lots <= 0 if entry.side == Side.ASK else lots >= 0
    if gone or (not scope.pending and not venue.liquidatable(scope.id)):
        return
    if venue.brakes:
        braked = venue.brakes.forced(entry, min(entry.size, abs(lots)))
        if braked is None:
            return
        entry = braked
    if scope.orders_sent == 0:
        scope.parent = find_parent(venue, scope.id)
        scope.generation = 0
        if scope.parent >= 0:
            scope.generation = venue.writer.generation_of(scope.parent) + 1
        steps = venue.world.tables.rows("steps")
        scope.cause_market = steps[scope.parent]["market"] if scope.parent >= 0 else -1
    step, row, changed = closing.send_order(venue, scope, entry)
    if venue.brakes:
        order = venue.world.tables.rows("liquidations")[row]
        venue.brakes.sent(entry.market, order["lots_filled"], order["lots_asked"])
    sent.append((scope.id, row))
    yield step
    yield from write_marks(venue, changed)
    if venue.rules.shortfall_at == ShortfallAt.ORDER:
        yield from closing.decide(venue, scope.id, row)


def retake_marks(venue: Venue) -> list[int]:
    """Take all marks again if the venue does so after each order; return the changed markets."""
    if venue.rules.mark_refresh != MarkRefresh.ORDER:
        return []
    return take_marks(venue)


def find_parent(venue: Venue, scope: int) -> int:
    """Return the first step of the window after which the scope was due, by a plain scan."""
    for step in range(venue.window, venue.world.step_count):
        if scope in venue.writer.due.get(step, ()):
            return step
    losses: dict[int, int] = {}
    for leg, held in venue.ledger.legs(scope):
        market = venue.markets[leg % SHORT]
        change = market.value(held.size, market.mark) - market.value(held.size, market.mark_before)
        losses[market.id] = losses.get(market.id, 0) + change
    worst = min((change, market_id) for market_id, change in losses.items())[1]
    return venue.markets[worst].trade_step_taken
