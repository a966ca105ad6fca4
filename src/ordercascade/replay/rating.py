"""The rates' place in a round: right after the marks; and their part of the fees."""

from __future__ import annotations

from collections.abc import Sequence

from ordercascade.enums import StepKind
from ordercascade.replay.rows import Note, Step
from ordercascade.replay.stage import Stage
from ordercascade.replay.terms import PPM


class Rating:
    """Where a venue's rates are in its round; `last` is its latest step."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.begun = self.done = False
        self.last: Step | None = None

    def enter(self) -> None:
        """A round begins."""
        self.begun = self.done = False

    def meet(self, step: Step, told: Sequence[Note]) -> None:
        """Hold a step after the marks against what the surcharges ask for."""
        rates = self.stage.rates
        if rates is None or self.done or step.kind == StepKind.BOUND:
            return
        if not self.begun:
            rates.begin(step.time_ns)
            self.begun = True
        wanted = rates.next()
        findings = self.stage.findings
        if step.kind != StepKind.RATES:
            self.done = True
            while wanted is not None:
                self._missing(step, wanted)
                wanted = rates.next()
            return
        findings.rows["rates"] += 1
        if wanted != step.market:
            want = "not come: no surcharge moves these rates now"
            if wanted is not None:
                want = f"come after the rates of market {wanted} moved"
            findings.fail("rates", "steps", step.step, "market", want, step.market)
            rates.follow(step, told)

    def _missing(self, step: Step, market: int) -> None:
        rates = self.stage.rates
        want = f"come after the rates of market {market} moved"
        self.stage.findings.fail("rates", "steps", step.step, "kind", want, step.kind)
        if rates is not None:
            rates.standing[market] = rates.before

    def end(self, step: Step, *, idle: bool) -> None:
        """The next step is another round's, perhaps (`idle`) after rounds without a step."""
        rates, last = self.stage.rates, self.last
        if rates is None or last is None or last.kind == StepKind.BOUND:
            return
        if not self.done:
            if not self.begun:
                rates.begin(self.stage.round_time)
            while (wanted := rates.next()) is not None:
                self._missing(step, wanted)
        rates.settled = self.stage.round_time
        if idle:
            rules = self.stage.terms.rules
            rates.begin(self.stage.round_time + (rules.round_ns if rules else 0))
            while (wanted := rates.next()) is not None:
                self._missing(step, wanted)
            rates.settled = rates.now
            rates.rest(step.time_ns)


def fund_part(stage: Stage, fee: int) -> int:
    """Return the fund's part of a trading fee: its share, floored; nothing of a rebate."""
    share = 0 if stage.rates is None else stage.rates.to_fund_ppm
    return max(0, fee) * share // PPM


def taker_rate(stage: Stage, market: int, rate: int) -> int:
    """Return what takers of a market pay now, in ppm."""
    return rate + (0 if stage.rates is None else stage.rates.standing[market].fee)


def rate_notes(stage: Stage, step: Step) -> list[Note]:
    """Let the rates of a step stand; return its notes."""
    return [] if stage.rates is None else stage.rates.notes(step)
