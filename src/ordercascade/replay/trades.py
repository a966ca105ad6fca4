"""Orders, fills and levels of one step, held against the book and put through the ledger."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple, TypeAlias

from ordercascade.contracts import paid
from ordercascade.enums import (
    OrderFlag,
    OrderType,
    Reject,
    Side,
    StepKind,
    TimeInForce,
)
from ordercascade.replay.book import Resting
from ordercascade.replay.fills import enter_fill, follow_maker, name_cell
from ordercascade.replay.ledger import Due
from ordercascade.replay.rows import Fill, Level, Order, Step
from ordercascade.replay.stage import Stage
from ordercascade.replay.valving import outside_result

REFUSED = (Reject.POSITION_LIMIT, Reject.HALTED)
Place: TypeAlias = tuple[int, int, int]  # market, side, price


class Traded(NamedTuple):
    """What the fills of a step came to, and the postings that they ask for."""

    lots: int
    value: int
    worst: int
    levels: int
    due: list[Due]


class Moves(NamedTuple):
    """The levels that a step touched: what they held before, and their last row."""

    before: dict[Place, int]
    rows: dict[Place, int]
    traded: dict[Place, int]


def play_trades(
    stage: Stage,
    step: Step,
    orders: tuple[int, list[Order]],
    fills: tuple[int, list[Fill]],
    levels: tuple[int, list[Level]],
) -> Traded:
    """Take the step's rows through book and ledger; check each of them."""
    row, order = orders[0], orders[1][0] if orders[1] else None
    if order is None:
        _expect_no_order(stage, step)
        move_levels(stage, levels, {})
        if levels[1]:
            stage.findings.fail("book", "levels", levels[0], "step", "have an order", step.step)
        return Traded(0, 0, 0, 0, [])
    market = stage.markets[order.market]
    stood = market.book.best(1 - order.side)
    amended = market.book.orders.get(order.result) if order.result > 0 else None
    market.book.leave(order.result)
    traded: dict[Place, int] = {}
    for fill in fills[1]:
        key = (order.market, 1 - order.side, fill.price)
        traded[key] = traded.get(key, 0) + fill.size
    moves = move_levels(stage, levels, traded)
    done = _play_fills(stage, step, order, fills)
    moved = _explain_levels(stage, step, order, moves)
    _check_priority(stage, order, row, done, fills)
    _check_order(stage, step, order, row, done, stood, moved)
    price = order.price or (amended.price if amended else 0)
    if order.result > 0 and price:
        left = Resting(order.account, order.side, price, order.size - done.lots)
        market.book.follow(order.result, left)
    return done


def _expect_no_order(stage: Stage, step: Step) -> None:
    sends = step.kind in (StepKind.LIQUIDATION, StepKind.DISPOSAL) or (
        step.kind == StepKind.SHOCK and step.cause_market < 0
    )
    if sends:
        stage.findings.fail("orders", "steps", step.step, "kind", "have a row of orders", step.kind)


# Levels.


def move_levels(stage: Stage, levels: tuple[int, list[Level]], traded: dict[Place, int]) -> Moves:
    """Let each row of levels happen; each must change its level."""
    moves = Moves({}, {}, traded)
    findings, first = stage.findings, levels[0]
    findings.rows["book"] += len(levels[1])
    for row, level in enumerate(levels[1], first):
        _, market, side, price, size = level
        book = stage.markets[market].book
        now = book.size(side, price)
        if size < 0:
            findings.fail("book", "levels", row, "size_after", "be 0 or more", size)
        elif size == now:
            findings.fail("book", "levels", row, "size_after", "change the level", size)
        place = market, side, price
        moves.before.setdefault(place, now)
        moves.rows[place] = row
        book.set(side, price, size)
    for market in {place[0] for place in moves.rows}:
        book = stage.markets[market].book
        bid, ask = book.best(Side.BID), book.best(Side.ASK)
        if bid and ask and bid >= ask:
            row = max(row for place, row in moves.rows.items() if place[0] == market)
            findings.fail("book", "levels", row, "price", f"not cross: bid {bid}, ask {ask}", bid)
    return moves


def _explain_levels(stage: Stage, step: Step, order: Order, moves: Moves) -> dict[Place, int]:
    """What trades do not explain is the order's account's: return its lots that came or went."""
    findings = stage.findings
    moved: dict[Place, int] = {}
    for place in moves.before.keys() | moves.traded.keys():
        market, side, price = place
        book = stage.markets[market].book
        after = book.size(side, price)
        row = moves.rows.get(place, -1)
        before = moves.before.get(place, after)
        delta = after - before + moves.traded.get(place, 0)
        if delta:
            moved[place] = delta
            _attribute(stage, step, order, place, delta, row)
        if book.users.get((side, price), 0) > after:
            want = f"be at least {book.users[side, price]}, the lots of users there"
            findings.fail("book", "levels", row, "size_after", want, after)
    return moved


def _attribute(stage: Stage, step: Step, order: Order, place: Place, delta: int, row: int) -> None:
    market, side, price = place
    book, account, findings = stage.markets[market].book, order.account, stage.findings
    after = book.size(side, price)
    lawful = account > 0 and (
        delta < 0
        if step.kind == StepKind.LIQUIDATION or order.type == OrderType.CANCEL
        else market == order.market and side == order.side
    )
    if not lawful:
        findings.fail("book", "levels", row, "size_after", after - delta, after)
        return
    if book.rest(account, side, price, delta) < 0:
        want = f"take away at most the lots of account {account}"
        findings.fail("book", "levels", row, "size_after", want, after)
    elif delta < 0 and (order.type != OrderType.AMEND or order.result <= 0):
        book.cancelled(account, side, price, -delta)


# Fills.


def _play_fills(stage: Stage, step: Step, order: Order, fills: tuple[int, list[Fill]]) -> Traded:
    """Check each fill against its order and its maker, and enter it."""
    findings, market = stage.findings, stage.markets[order.market]
    terms, book = market.terms, market.book
    lots = value = levels = 0
    worst = 0
    spent = True  # the maker before this one is done
    due: list[Due] = []
    taker_order = max(0, order.result)
    findings.rows["fills"] += len(fills[1])
    for row, fill in enumerate(fills[1], fills[0]):
        got = (fill.market, fill.taker_side, fill.taker_account, fill.taker_order)
        if got != (order.market, order.side, order.account, taker_order):
            name_cell(stage, row, fill, order, taker_order)
        follow_maker(stage, book, row, fill, 1 - order.side)
        if fill.price != worst:
            levels += 1
            if worst and (fill.price > worst) == (order.side == Side.ASK):
                findings.fail("fills", "fills", row, "price", f"not be better than {worst}",
                              fill.price)  # fmt: skip
        elif not spent:
            findings.fail("fills", "fills", row, "maker_order", "wait for the maker before it",
                          fill.maker_order)  # fmt: skip
        worst, spent = fill.price, fill.maker_rest == 0
        lots += fill.size
        value += abs(paid(terms.kind, terms.multiplier, fill.size, fill.price))
        enter_fill(stage, step, market, row, fill, due)
    if fills[1]:
        market.noted = _moved_last(stage, step, market.last, [fill.price for fill in fills[1]])
        if step.kind != StepKind.DISPOSAL:
            market.last = worst
        market.trade_step = step.step
    return Traded(lots, value, worst, levels, due)


def _moved_last(stage: Stage, step: Step, last: int, prices: list[int]) -> bool:
    """Say if a row of marks is due: fills that are settled one by one move the price one by one."""
    if step.kind == StepKind.LIQUIDATION and stage.terms.stages.insured:
        return any(before != after for before, after in pairwise([last, *prices]))
    return prices[-1] != last


# The order.


def _within(side: int, limit: int | None, price: int) -> bool:
    return limit is None or (price <= limit if side == Side.BID else price >= limit)


def _check_priority(
    stage: Stage, order: Order, row: int, done: Traded, fills: tuple[int, list[Fill]]
) -> None:
    """The best prices went first, none beyond the limit, and none within it was left."""
    findings = stage.findings
    # A bankruptcy limit may be 0: a purchase that no price fills.
    limited = order.price or order.type == OrderType.LIMIT
    limit = order.price if order.type != OrderType.MARKET and limited else None
    best = stage.markets[order.market].book.best(1 - order.side)
    last = fills[0] + len(fills[1]) - 1
    if done.worst:
        _check_rest(stage, order, fills)
        if not _within(order.side, limit, done.worst):
            findings.fail("fills", "fills", last, "price", f"be within the limit {limit}",
                          done.worst)  # fmt: skip
        if best and (best < done.worst if order.side == Side.BID else best > done.worst):
            findings.fail("fills", "fills", last, "price", f"leave no better price: {best}",
                          done.worst)  # fmt: skip
    wants = order.type in (OrderType.LIMIT, OrderType.MARKET) and done.lots < order.size
    wants = wants and not (_refused(order, done) or stage.terms.stages.insured)  # see closing
    if wants and best and _within(order.side, limit, best):
        want = f"be filled while {best} is within its limit"
        findings.fail("orders", "orders", row, "filled", want, order.filled)


def _refused(order: Order, done: Traded) -> bool:
    """A shock that could have passed a bound, or is held; if it could is the tape's word."""
    return not (order.account or done.lots) and order.result in REFUSED


def _check_rest(stage: Stage, order: Order, fills: tuple[int, list[Fill]]) -> None:
    """What the last maker at a price has left still rests there."""
    book = stage.markets[order.market].book
    latest = {fill.price: (row, fill) for row, fill in enumerate(fills[1], fills[0])}
    for price, (row, fill) in latest.items():
        left = book.size(1 - order.side, price)
        if fill.maker_rest > left:
            want = f"be at most {left}, the lots that still rest there"
            stage.findings.fail("fills", "fills", row, "maker_rest", want, fill.maker_rest)


def _check_venue_order(
    stage: Stage, step: Step, order: Order, row: int, done: Traded, stood: int
) -> None:
    """The cells of an order that no user sent: the outside's, or one that liquidates."""
    same = stage.findings.same
    empty = step.kind == StepKind.SHOCK and order.type == OrderType.MARKET and not stood
    result = int(Reject.NO_LIQUIDITY) if empty and order.size else 0
    if _refused(order, done):
        result = order.result
    if order.market in stage.ended:
        result = int(Reject.EXPIRED_MARKET)
    elif step.kind == StepKind.SHOCK:
        result = outside_result(stage, order, row, result)
    same("orders", "orders", row, tif=(int(TimeInForce.IOC), order.tif),
         flags=(0, order.flags), result=(result, order.result))  # fmt: skip
    if step.kind == StepKind.SHOCK:
        kind = OrderType.LIMIT if order.price else OrderType.MARKET
        same("orders", "orders", row, account=(0, order.account), market=(step.market,
             order.market), type=(int(kind), order.type))  # fmt: skip


def _check_order(
    stage: Stage,
    step: Step,
    order: Order,
    row: int,
    done: Traded,
    stood: int,
    moved: dict[Place, int],
) -> None:
    """The order's own cells, by who sent it. `stood`: the best price before it, `moved`: lots."""
    findings = stage.findings
    same = findings.same
    findings.rows["orders"] += 1
    same("orders", "orders", row, filled=(done.lots, order.filled))
    user = step.kind == StepKind.AGENTS
    if step.kind == StepKind.DISPOSAL:
        return
    same("orders", "orders", row, order_id=(max(0, order.result), order.order_id))
    if not user:
        _check_venue_order(stage, step, order, row, done, stood)
        return
    if order.account <= 0:
        findings.fail("orders", "orders", row, "account", "be a user's", order.account)
    own = moved.get((order.market, order.side, order.price), 0)
    if order.type == OrderType.CANCEL:
        lots = -sum(moved.values())
        same("orders", "orders", row, size=(lots, order.size), side=(0, order.side), tif=(0,
             order.tif), flags=(0, order.flags), price=(0, order.price), result=(0,
             order.result))  # fmt: skip
        market = next(iter(moved), (order.market,))[0]
        same("orders", "orders", row, market=(market, order.market))
    elif order.type == OrderType.AMEND:
        same("orders", "orders", row, tif=(0, order.tif), flags=(0, order.flags))
        if order.filled > order.size:
            findings.fail("orders", "orders", row, "size", "hold its fills", order.size)
        book = stage.markets[order.market].book
        rest = book.own_size(order.account, order.side, order.price)
        if order.result > 0 and order.price and rest < order.size - done.lots:
            want = "be where the order rests now"
            findings.fail("orders", "orders", row, "price", want, order.price)
    else:
        rests = order.type == OrderType.LIMIT and order.tif == TimeInForce.GTC
        left = order.size - order.filled if rests else 0
        same("orders", "orders", row, size=(own + order.size - left, order.size))
        # An answer to a margin call has its row even where it is refused.
        refused = (
            step.scope >= 0
            and not order.filled
            and (
                order.result in (Reject.HALTED, Reject.POSITION_LIMIT)
                or (order.result == Reject.NO_LIQUIDITY and not stood)
            )
        )
        if not refused and ((order.result > 0) != (left > 0) or order.result < 0):
            findings.fail("orders", "orders", row, "result", f"leave {left} lots", order.result)
        if order.tif == TimeInForce.FOK and order.filled != order.size:
            findings.fail("orders", "orders", row, "filled", order.size, order.filled)
        if order.flags & OrderFlag.POST_ONLY and order.filled:
            findings.fail("orders", "orders", row, "filled", 0, order.filled)
