"""The rounds of one venue while its steps go by: phases, step 3, what must follow an order."""

from __future__ import annotations

from collections import deque
from fractions import Fraction

from ordercascade.duties import TrancheRule
from ordercascade.enums import (
    HolderKind,
    LegRule,
    MarkRefresh,
    Outcome,
    ShortfallAt,
    StepKind,
)
from ordercascade.replay.ahead import enter_round
from ordercascade.replay.decided import Ordered, check_parts, decided
from ordercascade.replay.funds import fund_of
from ordercascade.replay.legs import spreads
from ordercascade.replay.margins import Held, equity_of
from ordercascade.replay.rating import Rating
from ordercascade.replay.records import begin_taking, check_taken
from ordercascade.replay.rounds import Settlement
from ordercascade.replay.rows import Step
from ordercascade.replay.slicing import depths_of
from ordercascade.replay.stage import First, Stage
from ordercascade.replay.terms import Rules
from ordercascade.replay.valving import Valving
from ordercascade.tables import OUTSIDE_KINDS


class Turn:
    """Where a venue is in its round; `enter` comes before each of its steps."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.key = (-1, -1)  # settlement, round
        self.window = (0, 0)
        self.taken = self.told = False  # marks were taken; all their rows are written
        self.step3 = -1  # the step before which step 3 of this round ended
        self.plan_marks: list[int] = []
        self.place: tuple[int, Fraction, int, int] | None = None  # in the queue, of the last order
        self.points: list[tuple[int, list[int]]] = []  # each step 3: before which step, marks
        self.tables: deque[Ordered] = deque()
        self.follow: deque[tuple[int, int, int]] = deque()  # kind, scope, market
        self.short: Ordered | None = None  # the row that the next waterfall completes
        self.firsts: list[First] = []
        self.last_kind = -1
        self.taken_over = -1  # the scope that the table said is taken over
        self.plan_best: list[tuple[int, int]] = []  # best prices when the queue was planned
        self.plan_rests: list[tuple[int, int]] = []  # lots of both sides, for `most_liquid`
        self.plan_depths: list[tuple[int, int]] = []  # near the middle of each book
        self.plan_time = 0
        self.ended: set[int] = set()  # scopes whose table has ended a liquidation in this round
        self.sales: list[tuple[int, int, int]] = []  # of a window: time, market, lots
        self._settled = -1  # the settlement of its latest step
        self.valving, self.rating = Valving(stage), Rating(stage)
        self.start = 0  # the time of the settlement's round 0
        self.auctioned: deque[Ordered] = deque()  # whose table runs after the queue

    def enter(self, step: Step, number: int, settlement: Settlement) -> None:
        """Go on to a step of the `number`-th settlement: what was due before it must be done."""
        key = (number, step.round)
        self.stage.past.enter(self.stage, step.time_ns)
        enter_round(self.stage, step, key)
        if step.kind == StepKind.BOUND and step.step == self.stage.count - 1:
            self.end()  # `steps_max` may cut anything short.
            self.follow.clear()
        self._tables(step if key == self.key else None)
        if key != self.key:
            again = number != self.key[0]
            # Other venues may have gone on alone: each round has a step 3 here as well.
            self._end_round(step, idle=again or step.round > self.key[1] + 1)
            self.key, self.taken, self.told, self.step3 = key, False, False, -1
            self.valving.enter(key)
            self.rating.enter()
            if number != self._settled:
                self.window = settlement.low, settlement.high
                self._settled = number
        self._phase(step)
        self._expect(step)
        self.last_kind = step.kind
        self.valving.last = self.rating.last = step
        pace = self.rules.round_ns if self.rules is not None else 0
        if step.round == 0 or step.kind not in OUTSIDE_KINDS:
            self.start = step.time_ns - step.round * pace
        self.stage.round_time = self.start + step.round * pace

    @property
    def rules(self) -> Rules | None:
        return self.stage.terms.rules

    @property
    def by_order(self) -> bool:
        return self.rules is not None and self.rules.mark_refresh == MarkRefresh.ORDER

    # Phases.

    def _phase(self, step: Step) -> None:
        findings = self.stage.findings
        if step.kind in OUTSIDE_KINDS and not self.valving.sends_again(step, taken=self.taken):
            if self.taken and self.valving.apart(step):  # Only an order that waited was sent.
                self.taken, self.told, self.step3 = False, False, -1
            if self.taken:
                findings.fail("time", "steps", step.step, "kind", "come before the round's marks",
                              step.kind)  # fmt: skip
            else:
                self._comes(step)
            return
        if not self.taken:
            self.taken = True
            begin_taking(self.stage)
        if step.kind == StepKind.MARK:
            after = self.last_kind in (StepKind.LIQUIDATION, StepKind.MARK)
            if self.told and self.rules is not None and not (self.by_order and after):
                findings.fail("time", "steps", step.step, "kind", "come before the round's orders",
                              step.kind)  # fmt: skip
            return
        final = step.step == self.stage.count - 1
        if step.kind == StepKind.BOUND and self.rules is not None and not final:
            findings.same("time", "steps", step.step, round=(self.rules.round_max - 1, step.round))
        again = self.by_order and self.last_kind in (StepKind.LIQUIDATION, StepKind.MARK)
        if (not self.told or again) and step.kind != StepKind.BOUND:
            check_taken(self.stage, step)
        self.told = True
        self.rating.meet(step, self.stage.told)
        self.valving.meet(step)
        if self.step3 < 0 and not self._before_plan(step):
            self._plan(step)

    def _comes(self, step: Step) -> None:
        """An agenda's row: settlements of other times before it look like parts of one round."""
        if self.valving.apart(step):
            self.rating.end(step, idle=True)
            self.rating.enter()
            self.valving.end(step, idle=True)
            self.valving.enter(self.key)

    def _before_plan(self, step: Step) -> bool:
        """Say if a step comes before step 3: payments, disposals, who cools down below zero."""
        if step.kind != StepKind.TAKEOVER:
            return step.kind in (
                *(StepKind.HALT, StepKind.RESUME, StepKind.SHOCK, StepKind.RATES),
                StepKind.ADL,
                StepKind.PAYMENT,
                StepKind.DISPOSAL,
                StepKind.MARGIN_CALL,
            )
        progress = self.stage.liquidation(step.scope)
        held = self.stage.ledger.held(step.scope)
        cools = progress.pending and step.time_ns < progress.cooldown
        return cools and equity_of(held, self.stage.marks, self.stage.plain) < 0

    def _plan(self, step: Step) -> None:
        self.step3, self.plan_marks, self.place = step.step, self.stage.marks, None
        self.points.append((step.step, self.plan_marks))
        self.plan_best = [(m.book.best(0), m.book.best(1)) for m in self.stage.markets]
        if self.rules is not None and self.rules.leg == LegRule.MOST_LIQUID:
            sides = [market.book.sizes for market in self.stage.markets]
            self.plan_rests = [(sum(b.values()), sum(a.values())) for b, a in sides]
        self.plan_depths = depths_of(self.stage, self.plan_marks)
        self.plan_time = step.time_ns
        self.ended.clear()

    def worst_market(self, held: Held) -> int:
        """Return the latest step with trades, when marks were taken, where most was lost."""
        found = []
        for number, size, _ in held.legs:
            market = self.stage.markets[number]
            terms = market.terms
            change = terms.worth(size, market.mark) - terms.worth(size, market.before)
            found.append((change, number))
        return self.stage.markets[min(found)[1]].trade_taken

    def called_by(self, step: Step) -> int:
        """Return the parent of a margin call; -1 for another kind of step."""
        if step.kind != StepKind.MARGIN_CALL:
            return -1
        return self.worst_market(self.stage.ledger.held(step.scope))

    def grant(self, step: Step, market: int, lots: int) -> int:
        """Return what a window gives of so many lots, and remember it. MARGIN §6.2 [SX2]"""
        sizes = self.stage.terms.sizes
        if sizes is None or sizes.rule != TrancheRule.WINDOW:
            return lots
        mine = [sale for sale in self.sales if sale[1] == market]
        used = sum(n for time, _, n in mine if time > step.time_ns - sizes.window_ns)
        now = any(time == step.time_ns for time, _, _ in mine)
        left = max(0, sizes.capacity - used)
        if used >= sizes.capacity and not now and abs(self._skew(market)) < sizes.skew_max:
            left = sizes.capacity
        lots = min(lots, left)
        if lots:
            self.sales.append((step.time_ns, market, lots))
        return lots

    def _skew(self, market: int) -> int:
        """Users' scopes are the other side of external, fund and vault."""
        asset = self.stage.plain[market].asset
        others = [self.stage.holder(k, asset) for k in (HolderKind.EXTERNAL, HolderKind.VAULT)]
        others.append(fund_of(self.stage, market))
        return -sum(self.stage.ledger.size(who, market) for who in others)

    def _end_round(self, step: Step, *, idle: bool) -> None:
        """The next step is another round's: this one must be finished.

        `idle`: rounds without a step of this venue lie between.
        """
        if self.key[0] < 0:
            return
        stage, findings = self.stage, self.stage.findings
        for kind, scope, _ in self.follow:
            want = f"come after a step of kind {StepKind(kind).name} of scope {scope}"
            findings.fail("outcomes", "steps", step.step, "kind", want, step.kind)
        self.follow.clear()
        self.tables.clear()
        if self.by_order and self.told and self.last_kind in (StepKind.LIQUIDATION, StepKind.MARK):
            check_taken(stage, step)
        for scope in sorted(stage.broke):
            want = f"come after the waterfall of scope {scope}"
            findings.fail("waterfalls", "steps", step.step, "kind", want, step.kind)
        if self.step3 < 0:
            self._plan(step)
        self.rating.end(step, idle=idle)
        self.valving.end(step, idle=idle)
        self.window = self.step3, self.step3
        if idle and self.last_kind != StepKind.BOUND:
            self.points.append((step.step, stage.marks))
            self.window = step.step, step.step
        stage.broke.clear()

    # The table of SEMANTICS §5, when it is due.

    def _tables(self, step: Step | None) -> None:
        """Apply the table to each order whose turn it is before `step` (None: the next round)."""
        rules = self.rules
        if rules is None:
            for _, order, _ in self.tables:
                if order.outcome not in (Outcome.OPEN, Outcome.PENDING):
                    self.stage.liquidation(order.scope).end()
            self.tables.clear()
            return
        if step is not None and self.tables:
            if rules.shortfall_at == ShortfallAt.ROUND:
                if step.kind in (StepKind.LIQUIDATION, StepKind.MARK, StepKind.AUCTION):
                    return
            elif step.kind == StepKind.MARK and self.by_order:
                return
        queue = (StepKind.LIQUIDATION, StepKind.MARK, StepKind.AUCTION)
        while self.tables and not self.follow:
            self._decide(self.tables.popleft(), rules)
        if step is None or step.kind not in queue:  # The queue is done: now those of an auction.
            while self.auctioned and not self.follow:
                self._decide(self.auctioned.popleft(), rules)

    def _decide(self, ordered: Ordered, rules: Rules) -> None:
        stage, (row, order, insured) = self.stage, ordered
        findings, progress = stage.findings, stage.liquidation(order.scope)
        findings.step, before = order.step, findings.step
        if not stage.terms.judges:
            findings.gap("outcomes", "the tape does not name a market's brackets (rows)")
            findings.step = before
            return
        held = stage.ledger.held(order.scope)
        outcome, follow = decided(stage, held, order, rules)
        if spreads(rules) and rules.shortfall_at == ShortfallAt.ROUND:
            if self._over(ordered, outcome):
                outcome, follow = Outcome.HEALTHY if held.legs else Outcome.CLOSED, []
            if outcome != Outcome.PENDING:
                self.ended.add(order.scope)
        equity = equity_of(held, stage.marks, stage.plain)
        deficit = max(0, -equity)
        shortfall = deficit if outcome in (Outcome.DELEVERAGED, Outcome.SHORTFALL) else 0
        if stage.terms.stages.adl_overlap and outcome == Outcome.DELEVERAGED:
            shortfall = 0  # Pairs are settled one by one; the row does not tell.
        findings.same("outcomes", "liquidations", row, outcome=(int(outcome), order.outcome),
                      shortfall=(shortfall, order.shortfall))  # fmt: skip
        if outcome == Outcome.SHORTFALL:
            self.short = ordered  # The waterfall that follows tells who paid.
        else:
            adl = shortfall if outcome == Outcome.DELEVERAGED else 0
            check_parts(stage, ordered, {"paid_adl": adl, "paid_fund": insured})
        if outcome == Outcome.TAKEN_OVER:
            self.taken_over = order.scope
        elif outcome not in (Outcome.PENDING, Outcome.DELEVERAGED):
            progress.end()
        self.follow.extend((int(kind), order.scope, market) for kind, market in follow)
        findings.step = before

    def _over(self, ordered: Ordered, found: Outcome) -> bool:
        """Say if the liquidation was over before this row's turn at the round's end.

        By an earlier row; or where the scope was healthy when a further leg's turn came, which
        leaves no row: there the tape's word is taken if it was healthy at some moment.
        """
        scope, told = ordered.liquidation.scope, ordered.liquidation.outcome
        if scope in self.ended:
            return True
        if told != Outcome.HEALTHY or found == Outcome.HEALTHY:
            return False
        stage = self.stage
        after = [step for step in stage.steps if step > ordered.liquidation.step]
        return any(
            stage.was_healthy(scope, at + 1, [market.stood(at) for market in stage.markets])
            for at in [ordered.liquidation.step, *after]
        )  # fmt: skip

    def _expect(self, step: Step) -> None:
        """A loss that the table found is dealt with by the very next steps."""
        if self.follow:
            kind, scope, market = self.follow.popleft()
            if (step.kind, step.scope, step.market) != (kind, scope, market):
                want = f"be {kind}, {StepKind(kind).name} of scope {scope} in market {market}"
                findings = self.stage.findings
                findings.fail("outcomes", "steps", step.step, "kind", want, step.kind)
                self.follow.clear()
                self.short = None

    def put_off(self) -> None:
        """The latest order came in an auction: its table runs after the queue."""
        if self.rules is not None and self.rules.shortfall_at == ShortfallAt.ORDER:
            self.auctioned.append(self.tables.pop())

    def end(self) -> None:
        """The tape ends here: an order may still wait for its table."""
        for ordered in self.tables:
            if ordered.liquidation.outcome != Outcome.OPEN and self.rules is not None:
                self._decide(ordered, self.rules)
        self.tables.clear()
