"""Fills settled one by one against the bankruptcy quote, worked out again. MARGIN §6.6 [D4]."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ordercascade.contracts import paid as paid_for
from ordercascade.enums import PostReason, Side
from ordercascade.replay.funds import fund_of
from ordercascade.replay.ledger import Due, entered
from ordercascade.replay.margins import Held, brackets_of, standing_of
from ordercascade.replay.rows import Fill, Liquidation
from ordercascade.replay.stage import Stage
from ordercascade.replay.terms import PPM


class Insured(NamedTuple):
    """What the fills of one order paid the fund, and what the fund paid."""

    fee: int = 0
    paid: int = 0
    due: tuple[Due, ...] = ()


def quote_of(stage: Stage, held: Held, market: int, lots: int) -> int:
    """-value change - equity * |maintenance change| / maintenance, rounded up. MARGIN §3 [D3]"""
    terms, mark = stage.plain[market], stage.marks[market]
    at = standing_of(held, stage.marks, stage.plain)
    _, size, cost = next(leg for leg in held.legs if leg[0] == market)
    relief = abs(
        need(stage, market, size, size, cost) - need(stage, market, size + lots, size, cost)
    )
    change = terms.worth(size + lots, mark) - terms.worth(size, mark)
    whole = at.maintenance
    if whole == 0:
        relief, whole = abs(change), at.exposure
    return -change - (at.equity * relief // whole)


def need(stage: Stage, market: int, size: int, held: int, cost: int) -> int:
    """Return the maintenance of a position if it had `size` lots, at its own entry."""
    if held and size != held:
        cost = -(-cost * size // held) if held > 0 else -(-cost * -size // -held)
    value = stage.plain[market].worth(size, stage.marks[market])
    return brackets_of(stage.plain[market]).maintenance(size, value, cost) if size else 0


def settle_fills(
    stage: Stage, order: Liquidation, held: Held, fund: int, fills: Sequence[Fill]
) -> Insured:
    """Return who pays for each fill; `held` and `fund` as they stood just before the order."""
    stages, terms = stage.terms.stages, stage.plain[order.market]
    holder = fund_of(stage, order.market)
    sign = -1 if order.side == Side.ASK else 1
    fee = paid = 0
    due: list[Due] = []
    for fill in fills:
        cost = paid_for(terms.kind, terms.multiplier, sign * fill.size, fill.price)
        over = -cost - quote_of(stage, held, order.market, sign * fill.size)
        held = after_fill(held, order.market, sign * fill.size, cost)
        if over > 0:
            charge = min(over, abs(cost) * stages.insured_fee_ppm // PPM)
            if charge > 0:
                due.append((terms.asset, order.scope, holder, charge,
                            int(PostReason.FEE_LIQUIDATION)))  # fmt: skip
            fee, fund = fee + charge, fund + charge
            held = held._replace(collateral=held.collateral - charge)
        elif over < 0:
            if -over > fund or paid - over > stages.insured_most:
                want = "be one that the fund can pay for, within its cap"
                stage.findings.fail("insured", "fills", -1, "price", want, fill.price)
            due.append((terms.asset, holder, order.scope, -over, int(PostReason.FUND_PAYS)))
            paid, fund = paid - over, fund + over
            held = held._replace(collateral=held.collateral - over)
        stage.findings.rows["insured"] += 1
    return Insured(fee, paid, tuple(due))


def after_fill(held: Held, market: int, lots: int, cost: int) -> Held:
    """Return what a scope owns after a fill."""
    legs, money = [], held.collateral
    for number, size, before in held.legs:
        if number == market:
            size, before, realised = entered(size, before, lots, cost)
            money += realised
        if size:
            legs.append((number, size, before))
    return Held(money, tuple(legs))


def may_refuse(stage: Stage, order: Liquidation, price: int) -> bool:
    """Say if the fund might have had to pay for a fill at this price, so that it was refused."""
    held = stage.ledger.held(order.scope)
    if not any(market == order.market for market, _, _ in held.legs):
        return False
    sign = -1 if order.side == Side.ASK else 1
    terms = stage.plain[order.market]
    cost = paid_for(terms.kind, terms.multiplier, sign, price)
    return -cost - quote_of(stage, held, order.market, sign) < 1
