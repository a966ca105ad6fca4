"""The twin's closing: the liquidation order, the table after it, the waterfall, and ADL."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

from ordercascade.enums import (
    AdlRule,
    AdlTrigger,
    CancelPolicy,
    FeeTo,
    HolderKind,
    NoteKind,
    Outcome,
    PostReason,
    PriceMode,
    Residual,
    StepKind,
)
from reference import collateral, hedging, settlement, trading
from reference.ledger import SHORT, split
from reference.margin import PPM, div_ceil

if TYPE_CHECKING:
    from reference.market import Market
    from reference.rules import Scope
    from reference.settlement import Entry
    from reference.venue import Venue


# Where a scope stands.


def cooling(venue: Venue, scope: Scope) -> bool:
    """Say if a scope waits for its cooldown to end."""
    return scope.cooldown_until is not None and venue.now < scope.cooldown_until


def forget(venue: Venue, scope: Scope) -> None:
    """End a liquidation: the scope is healthy or flat."""
    scope.pending, scope.orders_sent = False, 0
    scope.parent, scope.generation, scope.cause_market = -1, 0, -1
    scope.cooldown_until = None
    scope.versions = {}
    venue.world.drop_cooldown(venue.id, scope.id)


def deleverage_cooling(venue: Venue) -> Iterator[int]:
    """Send scopes in cooldown that fell below zero to the third row of the table."""
    for number in sorted(venue.scopes):
        scope = venue.scopes[number]
        waits = scope.pending and cooling(venue, scope)
        below = waits and venue.ledger.legs(number) and venue.equity(number) < 0
        if below and collateral.purses(venue, number):
            yield from collateral.convert(venue, number)
        if below and venue.equity(number) < 0:
            yield from hedging.net_all(venue, scope, scope.last_order)
        if below and venue.ledger.legs(number) and venue.equity(number) < 0:
            yield from deleverage(venue, number, scope.last_order)


# The order.


def send_order(venue: Venue, scope: Scope, entry: Entry) -> tuple[int, int, list[int]]:
    """Write one liquidation step; return it, its row, and the markets whose marks changed."""
    market, ledger = venue.markets[entry.market], venue.ledger
    step = venue.writer.open(
        StepKind.LIQUIDATION,
        market=market.id,
        scope=scope.id,
        parent=scope.parent,
        generation=scope.generation,
        cause_market=scope.cause_market,
    )
    cancel_own(venue, scope, market, step)
    again = scope.orders_sent > 0 and scope.last_order >= venue.step3_end
    if not again:  # What all orders of a round do counts for the next ones.
        markets = [leg % SHORT for leg, _ in ledger.legs(scope.id)]
        scope.versions = {m: venue.markets[m].version for m in markets}
    leg = hedging.closed_by(venue, entry)
    held = abs(ledger.position(scope.id, leg).size)
    asked = min(entry.size, held)
    equity_before, mark_before = venue.equity(scope.id), market.mark
    bankruptcy = venue.bankruptcy_price(scope.id, leg)
    number = hedging.number_closing(venue, entry)
    filled = market.book.take(entry.side, entry.limit, asked, number)
    fills = list(market.book.fills)
    venue.writer.levels(step, market)
    trading.settle_fills(venue, market, liquidation=True)
    changed = settlement.retake_marks(venue)
    value = sum(abs(market.paid(fill["size"], fill["price"])) for fill in fills)
    fee = charge(venue, scope.id, value)
    row = venue.world.tables.append(
        "liquidations",
        step=step,
        venue=venue.id,
        market=market.id,
        scope=scope.id,
        account=scope.account,
        side=entry.side,
        leg=hedging.named(venue, entry),
        tranche=scope.orders_sent + 1,
        lots_before=held,
        lots_asked=asked,
        lots_filled=filled,
        levels_eaten=len({fill["price"] for fill in fills}),
        limit_price=entry.limit or 0,
        worst_price=fills[-1]["price"] if fills else 0,
        value=value,
        trigger_price=entry.trigger,
        bankruptcy_price=bankruptcy,
        mark_before=mark_before,
        mark_after=market.mark,
        equity_before=equity_before,
        equity_after=venue.equity(scope.id),
        fee=fee,
        shortfall=0,
        paid_fund=0,
        paid_vault=0,
        paid_adl=0,
        paid_socialised=0,
        paid_bad_debt=0,
        outcome=Outcome.OPEN,
    )
    scope.pending = True
    scope.orders_sent += 1
    scope.last_order = step
    if asked < held and venue.rules.cooldown_ns > 0:
        scope.cooldown_until = venue.now + venue.rules.cooldown_ns
        venue.world.add_cooldown(venue.id, scope)
    venue.writer.close(step)
    return step, row, changed


def cancel_own(venue: Venue, scope: Scope, leg: Market, step: int) -> None:
    """Cancel the scope's resting orders as far as the policy says, market by market."""
    policy = venue.rules.cancel
    for market in venue.markets_of(scope.id):
        if policy == CancelPolicy.SCOPE or (policy == CancelPolicy.MARKET and market is leg):
            for number in hedging.numbers(venue, scope.account):
                market.book.remove_all(number)
            venue.writer.levels(step, market)


def charge(venue: Venue, scope: int, value: int) -> int:
    """Post the liquidation fee: it never makes a deficit on the standing marks."""
    wanted = div_ceil(value * venue.rules.liquidation_fee_ppm, PPM)
    fee = min(wanted, max(0, venue.equity(scope)))
    to_fund = venue.rules.liquidation_fee_to == FeeTo.FUND
    kind = HolderKind.FUND if to_fund else HolderKind.FEES
    receiver = venue.ledger.find(kind, venue.scopes[scope].asset)
    venue.ledger.post(scope, receiver, fee, PostReason.FEE_LIQUIDATION)
    return fee


# The table.


def decide(venue: Venue, number: int, row: int) -> Iterator[int]:
    """Apply the table of SEMANTICS §5 to a scope that has sent an order."""
    scope, tables = venue.scopes[number], venue.world.tables
    if not scope.pending:  # An earlier row of the round has ended it.
        ended = Outcome.HEALTHY if venue.ledger.legs(number) else Outcome.CLOSED
        tables.set("liquidations", row, outcome=ended)
        return
    order = tables.rows("liquidations")[row]
    unfilled = order["lots_filled"] < order["lots_asked"]
    if collateral.fails(venue, number, unfilled=unfilled):
        yield from collateral.convert(venue, number)
    gives_up = venue.equity(number) < 0 or (
        unfilled and venue.rules.adl_trigger == AdlTrigger.UNFILLED
    )
    if gives_up and not venue.healthy(number):
        yield from hedging.net_all(venue, scope, None, unfilled=unfilled)
    lots, equity = bool(venue.ledger.legs(number)), venue.equity(number)
    if lots and venue.healthy(number):
        tables.set("liquidations", row, outcome=Outcome.HEALTHY)
        forget(venue, scope)
    elif lots and (equity < 0 or (unfilled and venue.rules.adl_trigger == AdlTrigger.UNFILLED)):
        deficit = max(0, -equity)
        tables.set(
            "liquidations",
            row,
            shortfall=deficit,
            paid_adl=deficit,
            outcome=Outcome.DELEVERAGED,
        )
        yield from deleverage(venue, number)
    elif lots:
        tables.set("liquidations", row, outcome=Outcome.PENDING)
        scope.pending = True
    elif equity >= 0:
        tables.set("liquidations", row, outcome=Outcome.CLOSED)
        forget(venue, scope)
        yield from leave_residual(venue, scope)
    else:
        tables.set("liquidations", row, outcome=Outcome.SHORTFALL)
        forget(venue, scope)
        yield from waterfall(venue, number, row)


def open_waterfall(venue: Venue, scope: Scope) -> int:
    """Begin a `waterfall` step; its cause is the step that last changed the position."""
    return venue.writer.open(
        StepKind.WATERFALL,
        scope=scope.id,
        parent=scope.position_step,
        generation=venue.writer.generation_of(scope.position_step),
    )


def leave_residual(venue: Venue, scope: Scope) -> Iterator[int]:
    """Send what is left of a flat scope to the fund; where the account keeps it, it stays."""
    left = venue.collateral(scope.id)
    if left == 0 or venue.rules.residual == Residual.ACCOUNT:
        return
    fund = venue.ledger.find(HolderKind.FUND, scope.asset)
    step = open_waterfall(venue, scope)
    venue.ledger.post(scope.id, fund, left, PostReason.RESIDUAL)
    venue.writer.close(step)
    yield step


def waterfall(venue: Venue, number: int, row: int | None) -> Iterator[int]:
    """Fill the deficit of a flat scope: fund, winners, then bad debt."""
    scope, ledger, tables = venue.scopes[number], venue.ledger, venue.world.tables
    step = open_waterfall(venue, scope)
    deficit = -venue.collateral(number)
    fund = ledger.find(HolderKind.FUND, scope.asset)
    from_fund = min(deficit, ledger.collateral(fund))
    ledger.post(fund, number, from_fund, PostReason.FUND_PAYS)
    left = deficit - from_fund
    if left and from_fund:
        tables.append(
            "notes", step=step, kind=NoteKind.FUND_EMPTY, market=-1, scope=number,
            a=from_fund, b=left,
        )  # fmt: skip
    socialised = socialise(venue, scope, left) if venue.rules.social else 0
    bad_debt = ledger.find(HolderKind.BAD_DEBT, scope.asset)
    ledger.post(bad_debt, number, left - socialised, PostReason.BAD_DEBT)
    if row is not None:
        tables.set(
            "liquidations",
            row,
            shortfall=deficit,
            paid_fund=from_fund,
            paid_socialised=socialised,
            paid_bad_debt=left - socialised,
        )
    venue.writer.close(step)
    yield step


def socialise(venue: Venue, bankrupt: Scope, amount: int) -> int:
    """Charge the winners of the asset by what they have won and still own; return the sum."""
    weights = []
    for number in sorted(venue.scopes):
        if venue.scopes[number].asset == bankrupt.asset:
            legs = venue.ledger.legs(number)
            won = sum(venue.value(number, market) - held.cost for market, held in legs)
            weights.append((number, max(0, min(won, venue.equity(number)))))
    charged = min(amount, sum(weight for _, weight in weights))
    if charged == 0:
        return 0
    # Shares are signed: what a winner is credited is negative, and that is what is floored.
    for winner, share in split(-charged, weights).items():
        venue.ledger.post(winner, bankrupt.id, -share, PostReason.SOCIALISED)
    return charged


# ADL.


def deleverage(venue: Venue, number: int, cause: int | None = None) -> Iterator[int]:
    """Hand every leg to its counterparties at bankruptcy price; one step a market.

    The parent of each is `cause`, else the step that last changed the scope's position.
    """
    scope = venue.scopes[number]
    costs = venue.handover_costs(number)  # all fixed before the first
    queues = {market: rank(venue, number, market) for market in costs}  # frozen for the event
    for market, cost in costs.items():
        parent = scope.position_step if cause is None else cause
        step = venue.writer.open(
            StepKind.ADL,
            market=market % SHORT,
            scope=number,
            parent=parent,
            generation=venue.writer.generation_of(parent),
        )
        hand_over(venue, number, market, cost, queues[market])
        if market == list(costs)[-1]:
            forget(venue, scope)
        venue.writer.close(step)
        yield step


def opposite(venue: Venue, number: int, market: int) -> list[int]:
    """Return the user scopes that hold the other side of a leg, by id."""
    lots = venue.ledger.position(number, market).size
    held = {
        other: venue.ledger.position(other, hedging.against(venue, other, market, lots)).size
        for other in sorted(venue.scopes)
    }
    return [other for other, theirs in held.items() if theirs * lots < 0]


def rank(venue: Venue, number: int, market: int) -> list[int]:
    """Return the counterparties in the order in which they are deleveraged."""
    others = opposite(venue, number, market)
    if venue.rules.adl_rule == AdlRule.PRO_RATA:
        return others
    lots = venue.ledger.position(number, market).size

    def key(other: int) -> tuple[tuple[int, Fraction], int]:
        return adl_key(venue, other, hedging.against(venue, other, market, lots)), other

    return sorted(others, key=key)


def adl_key(venue: Venue, scope: int, market: int) -> tuple[int, Fraction]:
    """Return the rank of a counterparty, best first; nobody without equity has one."""
    rule, equity, value = venue.rules.adl_rule, venue.equity(scope), venue.value(scope, market)
    if rule == AdlRule.SCOPE_ID:
        return 0, Fraction(0)
    if equity <= 0:
        return 1, Fraction(0)
    cost = venue.ledger.position(scope, market).cost
    profit = Fraction(value - cost, max(1, abs(cost)))
    if rule == AdlRule.ACCOUNT_RISK:
        legs = venue.ledger.legs(scope)
        gain = sum(venue.value(scope, market) - position.cost for market, position in legs)
        money, asked = equity - gain, venue.maintenance(scope)
        return 0, -Fraction(max(0, gain), max(1, money)) * Fraction(asked, equity)
    if rule == AdlRule.MARGIN_RATIO:
        ratio = Fraction(equity, max(1, venue.maintenance(scope)))
        return 0, -(profit / ratio if profit > 0 else profit * ratio)
    if rule == AdlRule.GROWTH:
        moved = (
            Fraction(abs(value), max(1, abs(cost)))
            if value > 0
            else Fraction(abs(cost), abs(value))
        )
        return 0, -moved * Fraction(abs(value), equity)
    leverage = Fraction(abs(value), equity)
    return 0, -(profit * leverage if profit > 0 else profit / leverage)


def deal_lots(venue: Venue, size: int, market: int, queue: list[int]) -> dict[int, int]:
    """Return how many lots each counterparty takes; what users cannot take is external's."""
    lots = abs(size)
    held = [
        (other, abs(venue.ledger.position(other, hedging.against(venue, other, market, size)).size))
        for other in queue
    ]
    users = min(lots, sum(size for _, size in held))
    if venue.rules.adl_rule == AdlRule.PRO_RATA:
        taken = split(users, held) if users else {}
    else:
        taken, left = {}, users
        for other, size in held:
            taken[other] = min(size, left)
            left -= taken[other]
    external = venue.ledger.find(HolderKind.EXTERNAL, venue.markets[market % SHORT].asset)
    return {**taken, external: lots - users}


def hand_over(venue: Venue, number: int, market: int, cost: int, queue: list[int]) -> None:
    """Move one leg at total cost `cost`: first the bankrupt lets go, then takers in order."""
    ledger, tables, step = venue.ledger, venue.world.tables, venue.ledger.step
    assert step is not None
    size = ledger.position(number, market).size
    sign = 1 if size > 0 else -1
    taken = deal_lots(venue, size, market, queue)
    external = list(taken)[-1]
    by_id = [*sorted(other for other in taken if other != external), external]
    costs = split(cost, [(other, taken[other]) for other in by_id])
    ledger.realise(number, market, ledger.enter(number, market, -size, -cost))
    venue.note_position(number)
    rows = [(other, lots) for other, lots in taken.items() if lots]
    for place, (other, lots) in enumerate(rows):
        leg = hedging.against(venue, other, market, size)
        profit = ledger.enter(other, leg, sign * lots, costs[other])
        ledger.realise(other, leg, profit)
        venue.note_position(other)
        hedging.trim(venue, step, other, leg)
        tables.append(
            "adl", step=step, market=market % SHORT, scope_from=number, scope_to=other, lots=lots,
            cost=costs[other], rank=place, rule=venue.rules.adl_rule,
            price_mode=PriceMode.BANKRUPTCY,
        )  # fmt: skip
        if other == external:
            tables.append(
                "notes", step=step, kind=NoteKind.ADL_EXTERNAL, market=market % SHORT, scope=number,
                a=lots, b=costs[other],
            )  # fmt: skip
