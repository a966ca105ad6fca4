"""Parents and generations that the rows themselves decide; those of first orders come later."""

from __future__ import annotations

from typing import NamedTuple

from ordercascade.enums import StepKind
from ordercascade.replay.findings import Findings
from ordercascade.replay.inherited import Inherited
from ordercascade.replay.losses import Losses
from ordercascade.replay.rows import Step
from ordercascade.replay.stage import Stage
from ordercascade.replay.turns import Turn
from ordercascade.replay.valving import valve_parent

LATER = (StepKind.LIQUIDATION, StepKind.AUCTION)  # one generation after their parents


class Cast(NamedTuple):
    """A venue with its rounds and losses."""

    stage: Stage
    turn: Turn
    losses: Losses
    inherited: Inherited


class Lineage:
    """What is kept of the steps of all venues, and the check of each."""

    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        self.generations: list[int] = []
        self.markets: list[int] = []
        self.venues: list[int] = []

    def add(self, step: Step) -> None:
        """Go on to the next step."""
        self.generations.append(step.generation)
        self.markets.append(step.market)
        self.venues.append(step.venue)

    def check(self, cast: Cast, step: Step, moved: int) -> None:
        """Parent, generation and market of the cause; `moved`: when its scope's position did."""
        stage, findings = cast.stage, self.findings
        findings.rows["parents"] += 1
        want = cast.turn.called_by(step)
        settled = step.kind == StepKind.PAYMENT and step.market >= 0
        if settled or step.kind in (StepKind.MARK, StepKind.RATES):
            want = stage.markets[step.market].trade_step
        elif step.kind in (StepKind.WATERFALL, StepKind.DISPOSAL):
            want = moved
        elif step.kind in (StepKind.HALT, StepKind.RESUME, StepKind.AUCTION):
            want = valve_parent(stage, step)
        elif step.kind == StepKind.TAKEOVER:
            want = moved if cast.inherited.parent is None else cast.inherited.parent
        elif step.kind == StepKind.ADL:
            event = cast.losses.event
            want = moved if event is None or event.parent is None else event.parent
        elif step.kind == StepKind.LIQUIDATION:
            want = step.parent
            if want >= 0 and self.venues[want] != stage.id:
                findings.fail("parents", "steps", step.step, "parent", "be a step of its venue",
                              want)  # fmt: skip
        findings.same("parents", "steps", step.step, parent=(want, step.parent))
        generation, cause = 0, step.cause_market
        if step.parent >= 0:
            generation = self.generations[step.parent] + (step.kind in LATER)
        if step.kind == StepKind.LIQUIDATION:
            cause = self.markets[step.parent] if step.parent >= 0 else -1
        findings.same("parents", "steps", step.step, generation=(generation, step.generation),
                      cause_market=(cause, step.cause_market))  # fmt: skip
