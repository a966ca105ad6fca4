"""The twin's trading: admission of orders, what a fill does to money, outside events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordercascade.enums import (
    HolderKind,
    OrderFlag,
    OrderType,
    PostReason,
    Reject,
    Side,
    StepKind,
    TimeInForce,
)
from ordercascade.errors import InputError
from reference import brakes, calls, collateral, hedging, margin
from reference.ledger import OUTSIDE
from reference.margin import PPM, div_ceil
from reference.market import Market
from reference.messages import SIZE_MAX

if TYPE_CHECKING:
    from reference.venue import Venue


# Money that users move.


def deposit(venue: Venue, account: int, asset: int, amount: int) -> int:
    """Pay into the cross scope; return it."""
    scope = venue.cross_scope(account, asset)
    venue.ledger.post(OUTSIDE, scope, amount, PostReason.DEPOSIT)
    return scope


def withdraw(venue: Venue, account: int, asset: int, amount: int) -> int:
    """Pay out of the cross scope what is neither initial margin nor unrealised profit."""
    scope = venue.cross.get((account, asset))
    if scope is None:
        return Reject.INSUFFICIENT
    allowed = collateral.may_leave(venue, scope, amount)
    if allowed is None:
        allowed = amount <= free_money(venue, scope)
    if not allowed:
        return Reject.INSUFFICIENT
    venue.ledger.post(scope, OUTSIDE, amount, PostReason.WITHDRAWAL)
    return 0


def move_isolated(venue: Venue, account: int, market: int, amount: int) -> int:
    """Move `amount` > 0 from cross to isolated, or < 0 back."""
    isolated = venue.isolated[account, market]
    cross = venue.cross_scope(account, venue.markets[market].asset)
    source, target = (cross, isolated) if amount > 0 else (isolated, cross)
    if abs(amount) > free_money(venue, source):
        return Reject.INSUFFICIENT
    venue.ledger.post(source, target, abs(amount), PostReason.TRANSFER)
    return 0


def free_money(venue: Venue, scope: int) -> int:
    """Return what may leave a scope."""
    spare = venue.equity(scope) - initial_margin(venue, scope)
    return min(spare, venue.collateral(scope))


# Admission.


def initial_margin(
    venue: Venue, scope: int, extra: tuple[int, int, int] = (-1, Side.BID, 0)
) -> int:
    """Return Σ over markets of the initial margin of the worse side, orders included.

    `extra` = (market, side, lots) counts lots that are not resting yet.
    """
    account, total = venue.scopes[scope].account, 0
    for market in venue.markets_of(scope):
        if account in venue.twins:
            total += hedging.initial_of_legs(venue, scope, market, extra)
            continue
        lots = venue.ledger.position(scope, market.id).size
        opened = [market.book.open_lots(account, side) for side in (Side.BID, Side.ASK)]
        if market.id == extra[0]:
            opened[extra[1]] += extra[2]
        worst = max(abs(lots + opened[Side.BID]), abs(lots - opened[Side.ASK]))
        if worst:
            value = abs(market.value(worst, market.mark))
            total += margin.initial(market.brackets, value)
    return total


def _admit(
    venue: Venue, account: int, market: Market, side: int, lots: int, replaced: int = 0
) -> int:
    """Return 0 or why an order is refused; `replaced` lots on its side make room for it."""
    scope = venue.holder_of(account, market.id)
    sign = 1 - 2 * side
    leg = hedging.leg_of(venue, account, market.id)
    held = sign * venue.ledger.position(scope, leg).size
    opened = market.book.open_lots(account, side) - replaced
    if venue.scopes[scope].account in venue.twins and side != (leg != market.id):
        return Reject.REDUCE_ONLY if opened + lots > -held else 0
    if held + opened + lots > market.size_max:
        return Reject.POSITION_LIMIT
    if lots <= -held - opened:
        return 0
    needed = initial_margin(venue, scope, (market.id, side, lots - replaced))
    return Reject.INSUFFICIENT if needed > venue.equity(scope) else 0


# Orders of users.


def submit(
    venue: Venue,
    account: int,
    market_id: int,
    side: Side,
    price: int,
    size: int,
    type: OrderType,
    tif: TimeInForce,
    flags: int,
) -> int:
    """Admit, match, settle."""
    market = venue.markets[market_id]
    _judge(market, type, price, size, flags)
    refused = calls.closed(venue, market_id)
    refused = refused or brakes.refusal(venue, market_id, side, price, type)
    refused = refused or _admit(venue, account, market, side, size)
    if refused:
        return refused
    result = market.book.place(type, side, price, size, account, tif, flags)
    _after_order(venue, market)
    return result


def cancel(venue: Venue, account: int, market_id: int, order_id: int) -> int:
    """Cancel one order."""
    market = venue.markets[market_id]
    lots = market.book.remove(order_id, account)
    _after_order(venue, market)
    return lots


def amend(venue: Venue, account: int, market_id: int, order_id: int, price: int, size: int) -> int:
    """Amend one order; what grows or moves is admitted like a new one."""
    market = venue.markets[market_id]
    if refused := calls.closed(venue, market_id):
        return refused
    order = market.book.orders.get(order_id)
    if venue.brakes and price and order is not None and order.account == account:
        refused = brakes.refusal(venue, market_id, Side(order.side), price, OrderType.LIMIT)
        if refused:
            return refused
    if order is not None and order.account == account and size > 0:
        moved = price not in (0, order.price) or size > order.size
        refused = _admit(venue, account, market, order.side, size, order.size) if moved else 0
        if refused:
            return refused
    result = market.book.change(order_id, account, price, size)
    _after_order(venue, market)
    return result


def _judge(market: Market, type: OrderType, price: int, size: int, flags: int) -> None:
    if not 1 <= size <= SIZE_MAX:
        raise InputError("size", size, "must be in [1, 2**40]")
    if type == OrderType.LIMIT and not 1 <= price <= market.price_max:
        raise InputError("price", price, f"must be in [1, {market.price_max}]")
    if flags & ~OrderFlag.POST_ONLY:
        raise InputError("flags", flags, "must be POST_ONLY or nothing")


def _after_order(venue: Venue, market: Market) -> None:
    """Write the levels and settle the fills."""
    step = venue.ledger.step
    assert step is not None
    venue.writer.levels(step, market)
    settle_fills(venue, market, liquidation=False)


# What a fill does.


def settle_fills(venue: Venue, market: Market, *, liquidation: bool) -> None:
    """Settle and forget the fills of the market's last order."""
    step = venue.ledger.step
    assert step is not None
    fills, market.book.fills = market.book.fills, []
    for fill in fills:
        market.last, market.trade_step = fill["price"], step
        fees = (0, 0) if fill["self_trade"] else _settle_fill(venue, market, fill, liquidation)
        venue.world.tables.append(
            "fills",
            step=step,
            venue=venue.id,
            market=market.id,
            taker_fee=fees[0],
            maker_fee=fees[1],
            **{column: cell for column, cell in fill.items() if column != "self_trade"},
        )


def _settle_fill(
    venue: Venue, market: Market, fill: dict[str, int], liquidation: bool
) -> tuple[int, int]:
    """Enter both costs, realise taker then maker, then charge taker and maker."""
    ledger, paid = venue.ledger, market.paid(fill["size"], fill["price"])
    sign, value = 1 - 2 * fill["taker_side"], abs(paid)
    accounts = fill["taker_account"], fill["maker_account"]
    taker, maker = (venue.holder_of(account, market.id) for account in accounts)
    taken, made = (hedging.leg_of(venue, account, market.id) for account in accounts)
    taker_profit = ledger.enter(taker, taken, sign * fill["size"], sign * paid)
    maker_profit = ledger.enter(maker, made, -sign * fill["size"], -sign * paid)
    ledger.realise(taker, market.id, taker_profit)
    ledger.realise(maker, market.id, maker_profit)
    free = liquidation and not venue.rules.liquidation_pays_taker
    rates = (
        market.external_taker_fee_ppm if accounts[0] == 0 else market.taker_fee_ppm,
        market.external_maker_fee_ppm if accounts[1] == 0 else market.maker_fee_ppm,
    )
    taker_fee = 0 if free else div_ceil(value * rates[0], PPM)
    maker_fee = div_ceil(value * rates[1], PPM)
    fees = venue.fees_holder(market.asset)
    charged = (taker, taker_fee, PostReason.FEE_TAKER), (maker, maker_fee, PostReason.FEE_MAKER)
    for holder, fee, reason in charged:
        part = venue.surcharges.fund_part(fee) if venue.surcharges else 0
        ledger.post(holder, fees, fee - part, reason)
        ledger.post(holder, ledger.find(HolderKind.FUND, market.asset), part, reason)
    for holder in (taker, maker):
        venue.note_position(holder)
    return taker_fee, maker_fee


# Outside events.


def index_tick(venue: Venue, market_id: int, price: int, time_ns: int | None = None) -> int:
    """Set the outside price: a `shock` step with a cause market."""
    step = venue.writer.open(
        StepKind.SHOCK, market=market_id, cause_market=market_id, time_ns=time_ns
    )
    venue.markets[market_id].index = price
    calls.note_prices(venue, venue.now if time_ns is None else time_ns)
    venue.writer.close(step)
    return step


def shock(
    venue: Venue, market_id: int, side: Side, size: int, notional: int, limit: int, time_ns: int
) -> int:
    """Send an immediate order of `external`: a `shock` step."""
    market = venue.markets[market_id]
    step = venue.writer.open(StepKind.SHOCK, market=market_id, time_ns=time_ns)
    lots = size or market.lots_worth(notional)
    may, within = lots, limit
    if venue.brakes:
        may, within = venue.brakes.outside(market_id, side, lots, limit)
    filled = 0
    if calls.closed(venue, market_id):
        lots = may = 0
    if may > 0:
        kind = OrderType.LIMIT if within else OrderType.MARKET
        before = venue.world.tables.count("fills")
        market.book.place(kind, side, within, may, 0, TimeInForce.IOC, 0)
        _after_order(venue, market)
        filled = sum(row["size"] for row in venue.world.tables.rows("fills")[before:])
    if venue.brakes:
        venue.brakes.wait(step, market_id, side, lots - filled, limit)
    venue.writer.close(step)
    return step


def transfer(venue: Venue, account: int, asset: int, amount: int, time_ns: int) -> int:
    """Let a user pay in (> 0) or out (< 0): an `agents` step."""
    step = venue.writer.open(StepKind.AGENTS, time_ns=time_ns)
    if amount > 0:
        deposit(venue, account, asset, amount)
    else:
        withdraw(venue, account, asset, -amount)
    venue.writer.close(step)
    return step
