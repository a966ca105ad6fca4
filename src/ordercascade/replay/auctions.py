"""A call auction played again: who comes, the price that clears, who trades with whom.

MECHANISMS §9, ADR 15: what the round's queue holds in that market, then every outside order that
waited there, meets the resting book at one price: most lots traded, then fewest left over, then
the side that has more left over, then nearest to the last price. Best limits trade first, of
these the book's before those who came for the auction.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import NamedTuple

from ordercascade.contracts import paid
from ordercascade.enums import CancelPolicy, MarkRefresh, OrderType, Side, TimeInForce
from ordercascade.replay.book import Resting
from ordercascade.replay.closing import begin_order, end_order, fee_due
from ordercascade.replay.fills import enter_fill
from ordercascade.replay.insured import Insured
from ordercascade.replay.ledger import Due
from ordercascade.replay.records import begin_taking
from ordercascade.replay.rows import Fill, Liquidation, Order, Posting, Step, Tables
from ordercascade.replay.stage import Market, Stage
from ordercascade.replay.trades import move_levels
from ordercascade.replay.turns import Turn


class Offer(NamedTuple):
    """Lots at a limit: a level of the book (`order` -1), or an order of the auction."""

    side: int
    price: int
    lots: int
    order: int = -1


class Pair(NamedTuple):
    """What an ask and a bid trade with each other."""

    ask: Offer
    bid: Offer
    lots: int


def clearing(offers: Sequence[Offer], last: int) -> tuple[int, int]:
    """Return price and lots at which so many offers clear; (0, 0) where nothing trades."""
    prices = sorted({offer.price for offer in offers})
    demand = sum(offer.lots for offer in offers if offer.side == Side.BID)
    supply = 0
    at: dict[int, list[int]] = {price: [0, 0] for price in prices}
    for offer in offers:
        at[offer.price][offer.side] += offer.lots
    runs: list[tuple[int, int, int, int]] = []  # first and last tick, lots bid and asked there
    for price, after in zip_longest(prices, prices[1:], fillvalue=0):
        bid, ask = at[price]
        supply += ask
        runs.append((price, price, demand, supply))
        demand -= bid
        if after > price + 1:
            runs.append((price + 1, after - 1, demand, supply))
    most = max((min(bid, ask) for *_, bid, ask in runs), default=0)
    if not most:
        return 0, 0
    best = [run for run in runs if min(run[2], run[3]) == most]
    least = min(abs(bid - ask) for *_, bid, ask in best)
    best = [run for run in best if abs(run[2] - run[3]) == least]
    low, high = best[0][0], best[-1][1]
    if all(bid > ask for *_, bid, ask in best):
        return high, most
    if all(bid < ask for *_, bid, ask in best):
        return low, most
    return min(max(last or (low + high) // 2, low), high), most


def pairs_of(offers: Sequence[Offer], price: int) -> list[Pair]:
    """Return who trades with whom at a price; offers of the book stand before the others."""
    bids = [offer for offer in offers if offer.side == Side.BID and offer.price >= price]
    asks = [offer for offer in offers if offer.side == Side.ASK and offer.price <= price]
    bids.sort(key=lambda offer: -offer.price)
    asks.sort(key=lambda offer: offer.price)
    found: list[Pair] = []
    left = [0, 0]
    ask = bid = -1
    while True:
        if not left[1]:
            ask += 1
            left[1] = asks[ask].lots if ask < len(asks) else 0
        if not left[0]:
            bid += 1
            left[0] = bids[bid].lots if bid < len(bids) else 0
        lots = min(left)
        if not lots:
            return found
        found.append(Pair(asks[ask], bids[bid], lots))
        left = [left[0] - lots, left[1] - lots]


def play_auction(stage: Stage, turn: Turn, step: Step, tables: Tables) -> list[Due]:
    """Play the step `AUCTION`; return the postings that it asks for."""
    k, market = step.step, stage.markets[step.market]
    (first, orders), (row, forced) = tables.orders.at(k), tables.liquidations.at(k)
    fills = tables.fills.at(k)
    turn.place = None
    for number, liquidation in enumerate(forced, row):
        begin_order(stage, turn, step, number, liquidation)
    turn.place = None
    _check_orders(stage, step, first, orders, forced)
    offers = _offers(stage, market, orders, forced)
    price, lots = clearing(offers, market.last)
    pairs = pairs_of(offers, price) if lots else []
    due = _fill(stage, step, market, orders, fills, price, pairs)
    move_levels(stage, tables.levels.at(k), {})
    _check_levels(stage, step, market, offers, pairs)
    rules = stage.terms.rules
    if rules is None or rules.mark_refresh == MarkRefresh.ORDER:
        begin_taking(stage)
    filled = _filled(pairs)
    for number, order in enumerate(orders):
        got = filled.get(number, 0)
        stage.findings.same("auctions", "orders", first + number, filled=(got, order.filled))
    postings = tables.postings.at(k)[1]
    for number, liquidation in enumerate(forced):
        due += _row(stage, market, row + number, liquidation, filled.get(number, 0), price,
                    postings)  # fmt: skip
    return due


def end_auction(stage: Stage, turn: Turn, row: int, forced: Sequence[Liquidation]) -> None:
    """After the money has moved: what was so then; the loss table runs after the queue."""
    for number, liquidation in enumerate(forced, row):
        end_order(stage, turn, number, liquidation, Insured())
        turn.put_off()


def _check_orders(
    stage: Stage, step: Step, first: int, orders: list[Order], forced: list[Liquidation]
) -> None:
    """Each forced order says what its row of liquidations does; all who waited come after."""
    findings, valves = stage.findings, stage.valves
    findings.rows["orders"] += len(orders)
    for number, (order, of) in enumerate(zip(orders, forced, strict=False), first):
        findings.same(
            "orders", "orders", number, account=(of.account, order.account),
            side=(of.side, order.side), size=(of.lots_asked, order.size),
            price=(of.limit_price, order.price), filled=(of.lots_filled, order.filled),
        )  # fmt: skip
    for number, order in enumerate(orders, first):
        kind = OrderType.LIMIT if order.price else OrderType.MARKET
        findings.same(
            "orders", "orders", number, market=(step.market, order.market),
            type=(int(kind), order.type), tif=(int(TimeInForce.IOC), order.tif),
            flags=(0, order.flags), order_id=(0, order.order_id), result=(0, order.result),
        )  # fmt: skip
    if valves is None:
        return
    waited = [(0, side, lots) for market, side, lots in valves.waiting if market == step.market]
    came = [(order.account, order.side, order.size) for order in orders[len(forced) :]]
    findings.rows["auctions"] += len(orders)
    if came != waited and not valves.doubt:
        want = f"have the orders that waited, {waited}"
        findings.fail("auctions", "steps", step.step, "kind", want, came)
    valves.waiting = [each for each in valves.waiting if each[0] != step.market]


def _offers(
    stage: Stage, market: Market, orders: list[Order], forced: list[Liquidation]
) -> list[Offer]:
    """Return the book without the orders of those who are liquidated, then who came."""
    rules, book = stage.terms.rules, market.book
    gone: dict[tuple[int, int], int] = {}
    if rules is None or rules.cancel != CancelPolicy.NONE:
        for account in {each.account for each in forced}:
            for (side, price), lots in list(book.own.get(account, {}).items()):
                book.rest(account, side, price, -lots)
                book.cancelled(account, side, price, lots)
                gone[side, price] = gone.get((side, price), 0) + lots
    found = [
        Offer(side, price, size - gone.get((side, price), 0))
        for side in (Side.BID, Side.ASK)
        for price, size in book.sizes[side].items()
    ]
    most = market.terms.price_max
    for number, order in enumerate(orders):
        price = min(order.price, most)
        if price <= 0:
            price = 1 if order.side == Side.ASK else most
        found.append(Offer(order.side, price, order.size, number))
    return [offer for offer in found if offer.lots > 0]


def _fill(
    stage: Stage,
    step: Step,
    market: Market,
    orders: list[Order],
    fills: tuple[int, list[Fill]],
    price: int,
    pairs: list[Pair],
) -> list[Due]:
    """Each fill is part of the next pair; then it goes through book and ledger."""
    findings, rest = stage.findings, iter(pairs)
    due: list[Due] = []
    pair = next(rest, None)
    left = pair.lots if pair else 0
    findings.rows["fills"] += len(fills[1])
    for row, fill in enumerate(fills[1], fills[0]):
        findings.same("auctions", "fills", row, price=(price, fill.price),
                      taker_side=(int(Side.BID), fill.taker_side),
                      market=(step.market, fill.market))  # fmt: skip
        if pair is None or fill.size > left:
            want = f"be {left} at most: that trade at this price"
            findings.fail("auctions", "fills", row, "size", want, fill.size)
        else:
            makers = (pair.ask, fill.maker_account, fill.maker_order, "maker_account")
            takers = (pair.bid, fill.taker_account, fill.taker_order, "taker_account")
            for offer, account, number, field in (makers, takers):
                _side(stage, market, orders, row, fill.size, offer, account, number, field)
            left -= fill.size
            if not left:
                pair = next(rest, None)
                left = pair.lots if pair else 0
        enter_fill(stage, step, market, row, fill, due)
    if left:
        row = fills[0] + len(fills[1])
        findings.fail("auctions", "fills", row, "size", f"have {left} more lots", 0)
    if fills[1]:
        last = fills[1][-1].price
        market.noted = market.last != last
        market.last, market.trade_step = last, step.step
    return due


def _side(
    stage: Stage,
    market: Market,
    orders: list[Order],
    row: int,
    lots: int,
    offer: Offer,
    account: int,
    number: int,
    field: str,
) -> None:
    """One side of a fill: an order of the auction's, or one that rested at the offer's price."""
    findings, book = stage.findings, market.book
    if offer.order >= 0:
        findings.same("auctions", "fills", row, **{field: (orders[offer.order].account, account)})
        return
    known = book.orders.get(number)
    if known is not None:
        if known[:3] != (account, offer.side, offer.price):
            want = f"be {known.account}, whose order it is"
            findings.fail("auctions", "fills", row, field, want, account)
        book.leave(number)
        size = max(0, known.size - lots)
        book.follow(number, Resting(account, offer.side, offer.price, size))
    if account and book.rest(account, offer.side, offer.price, -lots) < 0:
        want = f"be an account with lots at {offer.price}"
        findings.fail("auctions", "fills", row, field, want, account)


def _filled(pairs: list[Pair]) -> dict[int, int]:
    """Return the lots of each order of the auction."""
    found: dict[int, int] = {}
    for pair in pairs:
        for offer in (pair.ask, pair.bid):
            found[offer.order] = found.get(offer.order, 0) + pair.lots
    return found


def _check_levels(
    stage: Stage, step: Step, market: Market, offers: list[Offer], pairs: list[Pair]
) -> None:
    """The book holds what the auction left of it; nothing of it rests."""
    want = {(offer.side, offer.price): offer.lots for offer in offers if offer.order < 0}
    for pair in pairs:
        for offer in (pair.ask, pair.bid):
            if offer.order < 0:
                want[offer.side, offer.price] -= pair.lots
    for side in (Side.BID, Side.ASK):
        there = market.book.sizes[side]
        mine = {price for of, price in want if of == side}
        for price in mine | there.keys():
            lots = want.get((side, price), 0)
            if there.get(price, 0) != lots:
                wanted = f"leave {lots} lots at {price}"
                stage.findings.fail("auctions", "levels", step.step, "size_after", wanted,
                                    there.get(price, 0))  # fmt: skip


def _row(
    stage: Stage,
    market: Market,
    row: int,
    order: Liquidation,
    lots: int,
    price: int,
    postings: Sequence[Posting],
) -> list[Due]:
    """What the row says of its fills; return the postings of its fee."""
    value = abs(paid(market.terms.kind, market.terms.multiplier, lots, price)) if lots else 0
    cells = {
        "lots_filled": (lots, order.lots_filled),
        "levels_eaten": (int(lots > 0), order.levels_eaten),
        "worst_price": (price if lots else 0, order.worst_price),
        "paid_vault": (0, order.paid_vault),
    }
    stage.findings.same("auctions", "liquidations", row, **cells)
    if abs(order.value - value) > lots:  # An inverse market's fills are floored one by one.
        stage.findings.fail("auctions", "liquidations", row, "value", value, order.value)
    return fee_due(stage, order, postings, Insured())
