"""One fill: its order, its maker, both cost entries, what they realise, and the fees."""

from __future__ import annotations

from ordercascade.contracts import paid
from ordercascade.enums import (
    HolderKind,
    PostReason,
    StepKind,
)
from ordercascade.replay.book import Book, Resting
from ordercascade.replay.funds import fund_of
from ordercascade.replay.ledger import Due
from ordercascade.replay.rating import fund_part, taker_rate
from ordercascade.replay.rows import Fill, Order, Step
from ordercascade.replay.stage import Market, Stage
from ordercascade.replay.terms import PPM


def name_cell(stage: Stage, row: int, fill: Fill, order: Order, taker_order: int) -> None:
    for field, want in (
        ("market", order.market),
        ("taker_side", order.side),
        ("taker_account", order.account),
        ("taker_order", taker_order),
    ):
        if getattr(fill, field) != want:
            stage.findings.fail("fills", "fills", row, field, want, getattr(fill, field))


def follow_maker(stage: Stage, book: Book, row: int, fill: Fill, side: int) -> None:
    """The maker's order must rest there with what this fill leaves of it."""
    findings, number, account = stage.findings, fill.maker_order, fill.maker_account
    known = book.orders.get(number)
    if known is not None:
        if known[:3] != (account, side, fill.price):
            want = f"be the order of account {known.account} at {known.price}"
            findings.fail("fills", "fills", row, "maker_order", want, number)
        if known.size - fill.size != fill.maker_rest:
            want_rest = known.size - fill.size
            findings.fail("fills", "fills", row, "maker_rest", want_rest, fill.maker_rest)
    elif number in book.done or number <= 0:
        findings.fail("fills", "fills", row, "maker_order", "be an order that rests", number)
    if fill.maker_rest < 0:
        findings.fail("fills", "fills", row, "maker_rest", "be 0 or more", fill.maker_rest)
    book.leave(number)
    book.follow(number, Resting(account, side, fill.price, fill.maker_rest))
    if account and book.rest(account, side, fill.price, -fill.size) < 0:
        want = "be an account with lots there"
        findings.fail("fills", "fills", row, "maker_account", want, account)


def enter_fill(
    stage: Stage, step: Step, market: Market, row: int, fill: Fill, due: list[Due]
) -> None:
    """Both cost entries, what they realise, and the fees. A trade with itself changes nothing."""
    terms, ledger, findings = market.terms, stage.ledger, stage.findings
    findings.rows["fees"] += 1
    if fill.maker_account == fill.taker_account:
        for field in ("taker_fee", "maker_fee"):
            if getattr(fill, field):
                findings.fail("fees", "fills", row, field, 0, getattr(fill, field))
        return
    cost = paid(terms.kind, terms.multiplier, fill.size, fill.price)
    value = abs(cost)
    sign = 1 - 2 * fill.taker_side
    taker = step.scope  # the fund or the vault, which sells what it took over
    if step.kind != StepKind.DISPOSAL:
        taker = ledger.holder_of(fill.taker_account, terms.id, terms.asset)
    maker = ledger.holder_of(fill.maker_account, terms.id, terms.asset)
    for holder, way in ((taker, sign), (maker, -sign)):
        profit = ledger.enter(holder, terms.id, way * fill.size, way * cost, step.step)
        ledger.realise(holder, terms.id, terms.asset, profit, due)
    to = stage.holder(HolderKind.FEES, terms.asset)
    fund = fund_of(stage, terms.id)
    for who, fee, reason in ((taker, fill.taker_fee, PostReason.FEE_TAKER),
                             (maker, fill.maker_fee, PostReason.FEE_MAKER)):  # fmt: skip
        part = fund_part(stage, fee) if who != fund else 0
        due += [(terms.asset, who, into, cut, int(reason))
                for into, cut in ((to, fee - part), (fund, part)) if cut]  # fmt: skip
    fees, rules = terms.fees, stage.terms.rules
    if fees is None:
        findings.gap("fees", "the tape does not name the rates of a market (fills)")
        return
    want = -(-value * (fees.maker if fill.maker_account else fees.external_maker) // PPM)
    if fill.maker_fee != want:
        findings.fail("fees", "fills", row, "maker_fee", want, fill.maker_fee)
    forced = step.kind in (StepKind.LIQUIDATION, StepKind.AUCTION)
    if forced and rules is None:
        findings.gap("fees", "the tape does not say if liquidations pay taker fees (fills)")
        return
    rate = fees.external_taker
    if fill.taker_account:
        rate = taker_rate(stage, terms.id, fees.taker)
    want = -(-value * rate // PPM)
    if forced and rules and not rules.liquidation_pays_taker:
        want = 0
    if fill.taker_fee != want:
        findings.fail("fees", "fills", row, "taker_fee", want, fill.taker_fee)
