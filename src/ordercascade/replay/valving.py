"""The valves' place in a round: after the marks, before step 3; their steps, parents and notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ordercascade.enums import Reject, Side, StepKind
from ordercascade.replay.rounds import Settlement
from ordercascade.replay.rows import Note, Order, Step
from ordercascade.replay.stage import Stage
from ordercascade.tables import Table

BEFORE = (StepKind.RATES, StepKind.PAYMENT, StepKind.DISPOSAL, StepKind.MARGIN_CALL, StepKind.BOUND)
VALVED = (StepKind.HALT, StepKind.RESUME, StepKind.SHOCK)
NOTED = (*VALVED, StepKind.AUCTION)


class Valving:
    """Where a venue's valves are in its round; `last` is its latest step."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.key = (-1, -1)
        self.begun = self.done = False  # they were asked; they have done their steps
        self.last: Step | None = None

    def enter(self, key: tuple[int, int]) -> None:
        """A round begins."""
        self.key, self.begun, self.done = key, False, False

    def sends_again(self, step: Step, *, taken: bool) -> bool:
        """Say if an outside order is one that waited for a valve, not the agenda's."""
        valves = self.stage.valves
        if valves is None or step.kind != StepKind.SHOCK or step.cause_market >= 0:
            return False
        if taken:
            return True
        stand = all(m.terms.source < 0 or m.mark == m.peek() for m in self.stage.markets)
        return stand and valves.may_release(step, self.stage.sent)

    def apart(self, step: Step) -> bool:
        """Say if a step of round 0 is another settlement's than the one before it."""
        last = self.last
        return last is not None and step.round == 0 and last.time_ns != step.time_ns

    def meet(self, step: Step) -> None:
        """Hold a step against what the valves ask for, until they ask for nothing more."""
        valves = self.stage.valves
        if valves is None or self.done or step.kind in BEFORE:
            return
        if not self.begun:
            valves.begin(step.time_ns, self.stage.halts.get(self.key, ()))
            self.begun = True
        wanted = valves.next()
        if wanted is not None or step.kind in VALVED:
            valves.meet(step, wanted, self.stage.sent)
        if step.kind not in VALVED:
            self.done = True
            while valves.next() is not None:
                pass

    def end(self, step: Step, *, idle: bool) -> None:
        """The next step is another round's, perhaps (`idle`) after rounds without a step."""
        valves, last = self.stage.valves, self.last
        if valves is None or last is None:
            return
        if not self.done and last.kind != StepKind.BOUND:
            if not self.begun:
                valves.begin(self.stage.round_time)
            wanted = valves.next()
            if wanted is not None and not valves.doubt:
                want = f"come after a {wanted}"
                self.stage.findings.fail("valves", "steps", step.step, "kind", want, step.kind)
            while valves.next() is not None:
                pass
        if idle and last.kind != StepKind.BOUND:
            rules = self.stage.terms.rules
            valves.quiet(self.stage.round_time + (rules.round_ns if rules else 0))
            valves.sleep(step.time_ns)


def valve_parent(stage: Stage, step: Step) -> int:
    """Return the parent of a valve's step: trade, halt, resume, auction, each the next one's."""
    if step.kind == StepKind.HALT or stage.valves is None:
        return stage.markets[step.market].trade_step
    valve = stage.valves.valves[step.market]
    return valve.halt if step.kind == StepKind.RESUME else valve.step


def valve_notes(stage: Stage, step: Step, sent: Order | None, told: Sequence[Note]) -> list[Note]:
    """Return the notes that valves leave at a step; without breakers none."""
    return [] if stage.valves is None else stage.valves.notes(step, sent, told)


def outside_result(stage: Stage, order: Order, row: int, result: int) -> int:
    """An outside order at a breaker of scope all: nothing goes in a halt, none beyond a band."""
    if stage.valves is None:
        return result
    goes, edge = stage.valves.outside(order.market, order.side)
    stage.findings.rows["valves"] += 1
    if stage.valves.doubt:
        return order.result if order.result == Reject.HALTED and not order.filled else result
    if not goes and order.size:
        return int(Reject.HALTED)
    beyond = order.price < edge if order.side == Side.ASK else order.price > edge
    if edge and (order.price == 0 or beyond):
        want = f"be within the band, {edge}"
        stage.findings.fail("valves", "orders", row, "price", want, order.price)
    return result


def halts_told(
    tables: Mapping[str, Table], settlements: Sequence[Settlement], venue: int
) -> dict[tuple[int, int], set[int]]:
    """Return the markets that a venue halts, by settlement and round."""
    steps = tables["steps"]
    found: dict[tuple[int, int], set[int]] = {}
    ends = [settlement.end for settlement in settlements]
    mine = (steps["kind"] == StepKind.HALT) & (steps["venue"] == venue)
    for k in np.flatnonzero(mine).tolist():
        key = int(np.searchsorted(ends, k, side="right")), int(steps["round"][k])
        found.setdefault(key, set()).add(int(steps["market"][k]))
    return found
