"""A row of `liquidations`, held against the scope as it stood when planned, sent and filled."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction

from ordercascade.duties import TrancheRule
from ordercascade.enums import (
    CancelPolicy,
    FeeTo,
    HolderKind,
    LimitRule,
    MarkRefresh,
    OrderType,
    PostReason,
    QueueOrder,
    Side,
    StepKind,
)
from ordercascade.replay.decided import Ordered
from ordercascade.replay.funds import fund_of
from ordercascade.replay.insured import Insured, may_refuse
from ordercascade.replay.ledger import Due
from ordercascade.replay.legs import leg_of, spreads
from ordercascade.replay.margins import (
    Held,
    Marks,
    bankruptcy_price,
    equity_of,
    healthy,
    liquidatable,
    standing_of,
    trigger_holds,
)
from ordercascade.replay.rows import Liquidation, Order, Posting, Step
from ordercascade.replay.schedules import Schedule
from ordercascade.replay.sizes import Plan as Planned
from ordercascade.replay.sizes import limit_of, lots_of, unsized
from ordercascade.replay.slicing import Leg as Sliced
from ordercascade.replay.slicing import slice_of
from ordercascade.replay.stage import First, Progress, Stage
from ordercascade.replay.terms import PPM, Rules
from ordercascade.replay.trades import Traded
from ordercascade.replay.turns import Turn

UNRULED = "the tape does not name the venue's rules (rows)"
UNBRACKETED = "the tape does not name a market's brackets (rows)"


def begin_order(stage: Stage, turn: Turn, step: Step, row: int, order: Liquidation) -> Held:
    """Check what was so before the order: the scope, its lots, the plan, its tranche."""
    findings = stage.findings
    findings.rows["liquidations"] += 1
    held, marks = stage.ledger.held(order.scope), stage.marks
    size = stage.ledger.size(order.scope, order.market)
    findings.same(
        "liquidations", "liquidations", row,
        account=(stage.ledger.holders[order.scope].account, order.account),
        side=(int(Side.ASK if size > 0 else Side.BID), order.side),
        leg=(0, order.leg),
        lots_before=(abs(size), order.lots_before),
        mark_before=(marks[order.market], order.mark_before),
        equity_before=(equity_of(held, marks, stage.plain), order.equity_before),
    )  # fmt: skip
    if not 1 <= order.lots_asked <= order.lots_before:
        want = f"be 1 to {order.lots_before}"
        findings.fail("liquidations", "liquidations", row, "lots_asked", want, order.lots_asked)
    if size == 0:
        return held
    progress = stage.liquidation(order.scope)
    if progress.pending and _ended(stage, turn, progress, order):
        progress.end()
    if progress.plan != len(turn.points):  # Its first order of this round.
        progress.plan, progress.planned = len(turn.points), progress.orders
    if stage.terms.judges:
        price = bankruptcy_price(held, order.market, marks, stage.plain)
        findings.same("liquidations", "liquidations", row,
                      bankruptcy_price=(price, order.bankruptcy_price))  # fmt: skip
        _check_plan(stage, turn, step, row, order)
    else:
        findings.gap("liquidations", UNBRACKETED)
    _check_tranche(stage, turn, step, row, order, held)
    return held


def _check_plan(stage: Stage, turn: Turn, step: Step, row: int, order: Liquidation) -> None:
    """Leg, size, limit and trigger were chosen at step 3 of the round, for all entries at once."""
    findings, rules, terms = stage.findings, stage.terms.rules, stage.terms
    held, marks = stage.ledger.held_before(order.scope, turn.step3), turn.plan_marks
    size = next((lots for market, lots, _ in held.legs if market == order.market), 0)
    if not size:
        want = "be a market where the scope had lots when planned"
        findings.fail("liquidations", "liquidations", row, "market", want, order.market)
        return
    margin = stage.plain[order.market].brackets
    if isinstance(margin, Schedule) and not margin.steady:
        findings.gap("liquidations", "the trigger price where the margin jumps (rows)")
    elif not trigger_holds(held, order.market, order.trigger_price, marks, terms):
        want = "be the tick nearest to safety at which it falls"
        findings.fail("liquidations", "liquidations", row, "trigger_price", want,
                      order.trigger_price)  # fmt: skip
    if rules is None:
        findings.gap("liquidations", UNRULED)
        return
    place = _place(held, order, marks, stage, rules)
    if turn.place is not None and place < turn.place:
        want = "come before the order before it in the venue's queue"
        findings.fail("liquidations", "liquidations", row, "scope", want, order.scope)
    turn.place = place
    leg = order.market if spreads(rules) else leg_of(held, turn, stage, rules)
    if terms.sizes is not None:
        _check_sizes(stage, turn, step, row, order, leg)
        return
    limit = 0
    if rules.limit == LimitRule.BANKRUPTCY:
        limit = bankruptcy_price(held, order.market, marks, stage.plain)
    if terms.slicing is not None:
        sent = stage.liquidation(order.scope).planned
        planned = Sliced(held, order.market, marks, sent, turn.plan_depths)
        asked = slice_of(stage, terms.slicing, planned)
        findings.rows["slices"] += 1
        lots, limit = _before_valve(stage, step, order, min(asked, order.lots_before), 0)
        findings.same("slices", "liquidations", row, market=(leg, order.market),
                      limit_price=(limit, order.limit_price),
                      lots_asked=(lots, order.lots_asked))  # fmt: skip
        return
    asked = abs(size)
    value = abs(stage.plain[order.market].worth(size, marks[order.market]))
    later = rules.then_all and stage.liquidation(order.scope).planned
    if rules.fraction_ppm < PPM and value > rules.min_value and not later:
        asked = max(1, asked * rules.fraction_ppm // PPM)
    lots, limit = _before_valve(stage, step, order, min(asked, order.lots_before), limit)
    findings.same("liquidations", "liquidations", row, market=(leg, order.market),
                  limit_price=(limit, order.limit_price),
                  lots_asked=(lots, order.lots_asked))  # fmt: skip


def _before_valve(
    stage: Stage, step: Step, order: Liquidation, lots: int, limit: int
) -> tuple[int, int]:
    """Return lots and limit as far as breakers let them go; an auction takes all at any price."""
    if stage.valves is None or step.kind == StepKind.AUCTION:
        return lots, limit
    stage.findings.rows["valves"] += 1
    return stage.valves.forced(order, lots, limit)


def _check_sizes(
    stage: Stage, turn: Turn, step: Step, row: int, order: Liquidation, leg: int
) -> None:
    """Size and limit of a policy with stages; a window gives what it has left."""
    findings, sizes = stage.findings, stage.terms.sizes
    held = stage.ledger.held_before(order.scope, turn.step3)
    if spreads(stage.terms.rules) and sizes is not None and sizes.rule == TrancheRule.WINDOW:
        findings.gap("liquidations", "lots of a window where every leg gets an order (rows)")
        return
    if sizes is None or (why := unsized(stage, sizes, order.market)):
        findings.gap("liquidations", why)
        return
    progress = stage.liquidation(order.scope)
    since = progress.since if progress.pending else turn.plan_time
    best = turn.plan_best[order.market]
    plan = Planned(held, order.market, turn.plan_marks, best, turn.plan_time, since)
    wanted = lots_of(stage, sizes, plan)
    at_market, limit = limit_of(stage, sizes, plan, wanted)
    limit = 0 if at_market else limit
    lots, limit = _before_valve(stage, step, order, min(wanted, order.lots_before), limit)
    lots = turn.grant(step, order.market, lots)
    findings.same("liquidations", "liquidations", row, market=(leg, order.market),
                  limit_price=(limit, order.limit_price),
                  lots_asked=(lots, order.lots_asked))  # fmt: skip


def _place(
    held: Held, order: Liquidation, marks: Marks, stage: Stage, rules: Rules
) -> tuple[int, Fraction, int, int]:
    """Return what the queue is sorted by; ties by scope, then market. SEMANTICS §3."""
    first, key = 0, Fraction(0)
    if rules.queue == QueueOrder.MARGIN_RATIO:
        at = standing_of(held, marks, stage.plain)
        key = Fraction(at.equity, max(1, at.maintenance))
    elif rules.queue == QueueOrder.TRIGGER_PRICE:
        if liquidatable(held, marks, stage.terms):
            mark = marks[order.market]
            sign = 1 if order.side == Side.ASK else -1
            key = Fraction(sign * (mark - order.trigger_price), mark)
        else:
            first = 1
    return first, key, order.scope, order.market


# Tranches.


def _check_tranche(
    stage: Stage, turn: Turn, step: Step, row: int, order: Liquidation, held: Held
) -> None:
    findings, progress, terms = stage.findings, stage.liquidation(order.scope), stage.terms
    if terms.judges and (terms.rules is not None or not progress.pending):
        if progress.pending:
            fit = not healthy(held, stage.marks, terms)
        else:
            fit = liquidatable(held, stage.marks, terms)
        if not fit:
            want = "be a scope that may be liquidated on the standing marks"
            findings.fail("liquidations", "liquidations", row, "scope", want, order.scope)
    again = spreads(terms.rules) and progress.rounds == len(turn.points)
    if progress.pending and step.time_ns < progress.cooldown and not again:
        want = f"wait for the cooldown to end at {progress.cooldown}"
        findings.fail("liquidations", "steps", step.step, "time_ns", want, step.time_ns)
    findings.same("liquidations", "liquidations", row,
                  tranche=(progress.orders + 1, order.tranche))  # fmt: skip
    if not progress.pending:
        low, high = turn.window
        progress.parent, progress.generation = step.parent, step.generation
        progress.cause = step.cause_market
        otherwise = turn.worst_market(held)
        progress.since = step.time_ns
        first = First(
            step.step, order.scope, low, high, step.parent, otherwise, order.trigger_price
        )
        progress.first = first if step.kind == StepKind.AUCTION else None
        if progress.first is None:
            turn.firsts.append(first)
    elif step.kind != StepKind.AUCTION:
        if progress.first is not None:
            turn.firsts.append(progress.first._replace(parent=step.parent))
            progress.first, progress.parent = None, step.parent
            progress.generation, progress.cause = step.generation, step.cause_market
        findings.same("parents", "steps", step.step, parent=(progress.parent, step.parent),
                      generation=(progress.generation, step.generation),
                      cause_market=(progress.cause, step.cause_market))  # fmt: skip
    progress.pending = True
    progress.orders += 1
    progress.step, progress.rounds = step.step, len(turn.points)
    rules, partial = terms.rules, order.lots_asked < order.lots_before
    if not again:  # Of a round's orders none ends what another one started.
        progress.cooldown = -1
    wait = 0 if rules is None else rules.cooldown_ns
    if rules is not None and terms.sizes is not None:
        wait = terms.sizes.cooldown_ns
    if rules is not None and terms.slicing is not None:
        wait = terms.slicing.cooldown_ns
    if wait and partial:
        progress.cooldown = step.time_ns + wait


def _ended(stage: Stage, turn: Turn, progress: Progress, order: Liquidation) -> bool:
    """Say if a pending scope was healthy or flat since its last order: a new liquidation then.

    Step 3 of each round notices. So does the test before an order, which leaves no row: there the
    tape's word is taken where the scope was healthy at some moment.
    """
    if stage.terms.rules is None or not stage.terms.judges:
        stage.findings.gap("liquidations", UNRULED)
        return order.tranche == 1
    scope = order.scope
    for at, marks in turn.points[progress.rounds :]:
        if stage.was_healthy(scope, at, marks):
            return True
    if order.tranche != 1:
        return False
    later = stage.steps[bisect_right(stage.steps, progress.step) :]
    return any(
        stage.was_healthy(scope, at + 1, [m.stood(at) for m in stage.markets]) for at in later
    )


# The order itself.


def fee_due(
    stage: Stage, order: Liquidation, postings: Sequence[Posting], insured: Insured
) -> list[Due]:
    """Return the postings of the row's fee, to the holder that the rules (else it) name."""
    charge = order.fee - insured.fee
    if charge <= 0:
        return list(insured.due)
    rules = stage.terms.rules
    asset = stage.plain[order.market].asset
    to, fees = fund_of(stage, order.market), stage.holder(HolderKind.FEES, asset)
    if rules is None:
        named = [row.to_holder for row in postings if row.reason == PostReason.FEE_LIQUIDATION]
        to = fees if fees in named else to
    elif rules.liquidation_fee_to == FeeTo.FEES:
        to = fees
    charged = (asset, order.scope, to, charge, int(PostReason.FEE_LIQUIDATION))
    return [*insured.due, charged]


def check_sent(
    stage: Stage, step: Step, row: int, order: Liquidation, traded: Traded, sent: Order | None
) -> None:
    """The order row says the same; the fills are the row's; own orders went by the policy."""
    findings, rules = stage.findings, stage.terms.rules
    findings.same(
        "liquidations", "liquidations", row,
        lots_filled=(traded.lots, order.lots_filled),
        levels_eaten=(traded.levels, order.levels_eaten),
        worst_price=(traded.worst, order.worst_price),
        value=(traded.value, order.value),
        paid_vault=(0, order.paid_vault),
    )  # fmt: skip
    if sent is None:
        return
    first = stage.findings.step
    kind = sent.type
    if rules is not None:
        limited = rules.limit == LimitRule.BANKRUPTCY and stage.terms.slicing is None
        if stage.terms.sizes is not None:
            limited = sent.type == OrderType.LIMIT if order.limit_price == 0 else True
        limited = limited or (stage.valves is not None and order.limit_price > 0)
        kind = int(OrderType.LIMIT if limited else OrderType.MARKET)
    findings.same(
        "orders", "orders", stage.order_row,
        account=(order.account, sent.account), market=(order.market, sent.market),
        side=(order.side, sent.side), size=(order.lots_asked, sent.size),
        price=(order.limit_price, sent.price), type=(kind, sent.type),
    )  # fmt: skip
    if stage.terms.stages.insured and order.lots_filled < order.lots_asked:
        _check_refusal(stage, row, order, sent)
    if rules is None or rules.cancel == CancelPolicy.NONE:
        return
    asset = stage.plain[order.market].asset
    for market in stage.markets:
        mine = stage.ledger.holder_of(order.account, market.terms.id, market.terms.asset)
        if market.terms.asset != asset or mine != order.scope:
            continue
        if rules.cancel == CancelPolicy.MARKET and market.terms.id != order.market:
            continue
        if market.book.own.get(order.account):
            want = f"leave no order of account {order.account} in market {market.terms.id}"
            findings.fail("liquidations", "steps", first, "step", want, first)


def _check_refusal(stage: Stage, row: int, order: Liquidation, sent: Order) -> None:
    """An insured order ends early only at a fill for which the fund would have to pay."""
    best = stage.markets[order.market].book.best(1 - order.side)
    within = sent.type == OrderType.MARKET or (
        best >= sent.price if order.side == Side.ASK else best <= sent.price
    )
    if best and within and stage.terms.bracketed and not may_refuse(stage, order, best):
        want = f"be filled while {best} is within its limit and costs the fund nothing"
        stage.findings.fail("insured", "liquidations", row, "lots_filled", want, order.lots_filled)


def end_order(stage: Stage, turn: Turn, row: int, order: Liquidation, insured: Insured) -> None:
    """Check what was so after the order: mark, equity, fee; then its table is due."""
    findings, rules = stage.findings, stage.terms.rules
    held = stage.ledger.held(order.scope)
    marks = _marks_after(stage, order, held)
    if marks is not None:
        equity = equity_of(held, marks, stage.plain)
        findings.same("liquidations", "liquidations", row,
                      mark_after=(marks[order.market], order.mark_after),
                      equity_after=(equity, order.equity_after))  # fmt: skip
    cap = max(0, order.equity_after + order.fee - insured.fee)
    findings.rows["fees"] += 1
    if rules is not None:
        fee = min(-(-order.value * rules.liquidation_fee_ppm // PPM), cap) + insured.fee
        findings.same("fees", "liquidations", row, fee=(fee, order.fee))
    else:
        findings.gap("fees", "the tape does not name the rate of liquidation fees (rows)")
        if not 0 <= order.fee <= cap:
            findings.fail("fees", "liquidations", row, "fee", f"be 0 to {cap}", order.fee)
    findings.rows["outcomes"] += 1
    if rules is None:
        findings.gap("outcomes", UNRULED)
        paid = order.paid_fund + order.paid_vault + order.paid_adl
        paid += order.paid_socialised + order.paid_bad_debt
        findings.same("outcomes", "liquidations", row, shortfall=(paid, order.shortfall))
    if stage.valves is not None:
        stage.valves.sent(order.market, order.lots_filled)
    turn.tables.append(Ordered(row, order, insured.paid))


def _marks_after(stage: Stage, order: Liquidation, held: Held) -> list[int] | None:
    """Return the marks that stood right after the order; None where the tape does not say."""
    rules, marks = stage.terms.rules, stage.marks
    if rules is not None and rules.mark_refresh == MarkRefresh.ROUND:
        return marks
    if rules is not None and stage.terms.peeks:
        return [market.peek() for market in stage.markets]
    if any(market != order.market for market, _, _ in held.legs):
        why = "marks were taken again, and the tape does not say where they come from (rows)"
        stage.findings.gap("liquidations", why)
        return None
    stage.findings.gap("liquidations", "mark_after is taken on trust (rows)")
    marks[order.market] = order.mark_after
    return marks
