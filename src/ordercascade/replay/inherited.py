"""Takeovers by the fund or the vault and timed disposals, worked out again. ADR 10; MARGIN §6.4."""

from __future__ import annotations

from collections.abc import Sequence

from ordercascade.duties import TrancheRule
from ordercascade.enums import (
    CancelPolicy,
    OrderType,
    PostReason,
    PriceMode,
    QueueOrder,
    Side,
    TakeoverWhen,
    TimeInForce,
)
from ordercascade.replay import funds
from ordercascade.replay.decided import may_take
from ordercascade.replay.ledger import OUTSIDE, Due
from ordercascade.replay.legs import leg_of, spreads
from ordercascade.replay.margins import (
    Held,
    handover,
    healthy,
    liquidatable,
    standing_of,
)
from ordercascade.replay.rows import Adl, Level, Order, Step
from ordercascade.replay.stage import First, Stage
from ordercascade.replay.terms import PPM
from ordercascade.replay.turns import Turn

UNBRACKETED = "the tape does not name a market's margin, so takeovers are on trust (steps)"


class Inherited:
    """What the fund or the vault of one venue took over."""

    def __init__(self, stage: Stage, turn: Turn) -> None:
        self.stage, self.turn = stage, turn
        self.scope = -1  # being taken over
        self.costs: dict[int, int] = {}  # of its legs still to come
        self.parent: int | None = None  # of every step; None: the step that last moved the scope
        self.at: dict[int, int] = {}  # market -> the time from which a disposal may come

    def takeover(self, step: Step, first: int, rows: Sequence[Adl]) -> list[Due]:
        """Move one leg; the first of a scope fixes the costs of all."""
        stage, ledger, findings = self.stage, self.stage.ledger, self.stage.findings
        findings.rows["takeovers"] += 1
        row, scope, market = rows[0], step.scope, step.market
        rules, stages = stage.terms.rules, stage.terms.stages
        asset, size = stage.plain[market].asset, ledger.size(scope, market)
        if self.scope != scope or not self.costs:
            self._begin(step, row)
        if len(rows) != 1:
            findings.fail("takeovers", "steps", step.step, "step", "have one row of adl", len(rows))
        if self.costs and market != min(self.costs):
            findings.fail("takeovers", "steps", step.step, "market", min(self.costs), market)
        partial = not self.costs and row.lots != abs(size)
        cost, lots = self.costs.pop(market, row.cost), abs(size)
        if partial:
            lots = row.lots
            cost = stage.plain[market].worth(self._signed(size, lots), stage.markets[market].mark)
        taker = funds.taker_of(stage, market)
        findings.same(
            "takeovers", "adl", first,
            scope_to=(taker, row.scope_to), lots=(lots, row.lots), cost=(cost, row.cost),
            rank=(0, row.rank), rule=(rules.adl_rule if rules else row.rule, row.rule),
            price_mode=(stages.takeover_price, row.price_mode),
        )  # fmt: skip
        if not ledger.size(taker, market):
            self.at[market] = step.time_ns + max(1, stages.dispose_ns)
        moved = self._signed(size, row.lots)
        due: list[Due] = []
        money = ledger.collateral[scope]
        for who, sign in ((scope, -1), (taker, 1)):
            profit = ledger.enter(who, market, sign * moved, sign * row.cost, step.step)
            ledger.realise(who, market, asset, profit, due)
            money += profit if who == scope else 0
        if money > 0 and stages.takeover_collateral and ledger.flat(scope):
            due.append((asset, scope, taker, money, int(PostReason.TAKEOVER)))
        mend(stage, asset, due)
        if not self.costs and not partial:
            stage.liquidation(scope).end()
        return due

    def _signed(self, size: int, lots: int) -> int:
        return lots if size > 0 else -lots

    def _begin(self, step: Step, row: Adl) -> None:
        """Is this one that may be taken over now? What do its legs cost?"""
        stage, turn, scope = self.stage, self.turn, step.scope
        stages, marks = stage.terms.stages, stage.marks
        held, progress = stage.ledger.held(scope), stage.liquidation(scope)
        self.scope, self.costs, self.parent = scope, {}, None
        told, turn.taken_over = turn.taken_over == scope, -1
        cooling = turn.step3 < 0
        if not cooling and not told and progress.pending and self._healed(scope):
            progress.end()
        if not stage.terms.bracketed:
            stage.findings.gap("takeovers", UNBRACKETED)
        else:
            self._check_lawful(step, held, told=told, cooling=cooling)
        if cooling:
            self.parent = progress.step
        elif not told:
            self._first(step, held)
        window = stage.terms.sizes is not None and stage.terms.sizes.rule == TrancheRule.WINDOW
        if window and spreads(stage.terms.rules):
            stage.findings.gap("takeovers", "lots of a window where every leg gets an order (rows)")
            if row.lots < abs(stage.ledger.size(scope, row.market)):
                return
        elif window and not told and not cooling and stage.terms.rules is not None:
            # The window of the leg that an order would have been for; all legs go if it is whole.
            planned = stage.ledger.held_before(scope, turn.step3)
            leg = leg_of(planned, turn, stage, stage.terms.rules)
            whole = abs(stage.ledger.size(scope, leg))
            lots = turn.grant(step, leg, whole)
            if lots < whole:
                stage.findings.same("takeovers", "steps", step.step, market=(leg, row.market))
                stage.findings.same("takeovers", "steps", step.step, lots=(lots, row.lots))
                return
        if stages.takeover_price == PriceMode.BANKRUPTCY and stage.terms.bracketed:
            self.costs = handover(held, marks, stage.plain)
        else:
            self.costs = {m: stage.plain[m].worth(size, marks[m]) for m, size, _ in held.legs}

    def _healed(self, scope: int) -> bool:
        """Say if a scope that waits was healthy or flat at a step 3 since its last order."""
        stage = self.stage
        if not stage.terms.judges:
            return False
        for at, marks in self.turn.points[stage.liquidation(scope).rounds :]:
            held = stage.ledger.held_before(scope, at)
            if not held.legs or healthy(held, marks, stage.terms):
                return True
        return False

    def _first(self, step: Step, held: Held) -> None:
        """Taken over instead of an order: its parent is that of the order it would have sent."""
        turn, progress = self.turn, self.stage.liquidation(step.scope)
        if progress.pending:
            self.parent = progress.parent
            return
        self.parent = step.parent
        low, high = turn.window
        otherwise = turn.worst_market(held)
        turn.firsts.append(First(step.step, step.scope, low, high, step.parent, otherwise, 0))

    def _check_lawful(self, step: Step, held: Held, *, told: bool, cooling: bool) -> None:
        stage, terms, progress = self.stage, self.stage.terms, self.stage.liquidation(step.scope)
        at = standing_of(held, stage.marks, stage.plain)
        fits = may_take(stage, held)
        if cooling:
            fits &= progress.pending and step.time_ns < progress.cooldown and at.equity < 0
        elif not told:
            stages = terms.stages
            fits &= stages.takeover_when == TakeoverWhen.BELOW
            fits &= at.equity * PPM < at.maintenance * stages.takeover_ppm
            waits = progress.pending and not healthy(held, stage.marks, terms)
            fits &= waits or liquidatable(held, stage.marks, terms)
            self._check_place(step)
        if not fits:
            want = "be one that may be taken over on the standing marks"
            stage.findings.fail("takeovers", "steps", step.step, "scope", want, step.scope)

    def _check_place(self, step: Step) -> None:
        """In a queue by scope id a takeover stands where its order would."""
        turn, rules = self.turn, self.stage.terms.rules
        if rules is None or rules.queue != QueueOrder.SCOPE_ID:
            why = "where in a queue by prices or ratios a takeover stands (steps)"
            self.stage.findings.gap("takeovers", why)
        elif turn.place is not None and step.scope < turn.place[2]:
            want = "come before the order before it in the venue's queue"
            self.stage.findings.fail("takeovers", "steps", step.step, "scope", want, step.scope)

    def cancelled(self, step: Step, first: int, rows: Sequence[Level]) -> None:
        """Levels of a takeover: its scope's own orders went, and nothing else."""
        stage, findings = self.stage, self.stage.findings
        account = stage.ledger.holders[step.scope].account
        rules = stage.terms.rules
        findings.rows["book"] += len(rows)
        for row, level in enumerate(rows, first):
            book = stage.markets[level.market].book
            lots = level.size_after - book.size(level.side, level.price)
            lawful = rules is None or rules.cancel != CancelPolicy.NONE
            left = book.rest(account, level.side, level.price, lots)
            if lots >= 0 or left < 0 or not lawful:
                want = f"take away lots of account {account}"
                findings.fail("book", "levels", row, "size_after", want, level.size_after)
            book.cancelled(account, level.side, level.price, -lots)
            book.set(level.side, level.price, level.size_after)

    # Disposals.

    def begin_disposal(self, step: Step, row: int, sent: Order | None) -> None:
        """Check time, size and limit of an order for what was taken over, before it trades."""
        stage, findings, stages = self.stage, self.stage.findings, self.stage.terms.stages
        findings.rows["disposals"] += 1
        market = stage.markets[step.market]
        taker = funds.taker_of(stage, step.market)
        held = stage.ledger.size(taker, step.market)
        findings.same("disposals", "steps", step.step, scope=(taker, step.scope))
        due = self.at.get(step.market, -1)
        if not stages.dispose_ppm or due < 0 or step.time_ns < due or not held:
            want = f"be {due} or later, with lots to sell"
            findings.fail("disposals", "steps", step.step, "time_ns", want, step.time_ns)
        self.at[step.market] = step.time_ns + max(1, stages.dispose_ns)
        if sent is None:
            findings.fail("disposals", "steps", step.step, "step", "have a row of orders", None)
            return
        side = int(Side.ASK if held > 0 else Side.BID)
        limit = self._limit(step.market, side)
        lots = abs(held)
        if lots > stages.dispose_full:
            lots = -(-lots * stages.dispose_ppm // PPM)
        offered = sum(
            size
            for price, size in market.book.sizes[1 - side].items()
            if (limit - price) * (1 - 2 * side) >= 0
        )
        lots = min(lots, -(-offered * stages.dispose_share_ppm // PPM))
        findings.same(
            "disposals", "orders", row,
            account=(OUTSIDE, sent.account), market=(step.market, sent.market),
            side=(side, sent.side), type=(int(OrderType.LIMIT), sent.type),
            tif=(int(TimeInForce.IOC), sent.tif), price=(limit, sent.price),
            size=(lots, sent.size), order_id=(0, sent.order_id), result=(0, sent.result),
            flags=(0, sent.flags),
        )  # fmt: skip

    def _limit(self, number: int, side: int) -> int:
        market, reach = self.stage.markets[number], self.stage.terms.stages.dispose_range_ppm
        bid, ask = market.book.best(0), market.book.best(1)
        twice = bid + ask if bid and ask else 2 * market.mark
        if side == Side.ASK:
            return max(1, -(-twice * (PPM - reach) // (2 * PPM)))
        return min(market.terms.price_max, twice * (PPM + reach) // (2 * PPM))


def mend(stage: Stage, asset: int, due: list[Due]) -> None:
    """Fill a fund that the postings so far leave below zero from bad debt."""
    if not stage.terms.staged:
        return
    due += funds.mend(stage, asset, due)
