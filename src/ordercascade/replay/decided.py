"""The loss table of SEMANTICS 5.5 for a scope that sent an order: what it says, who follows."""

from __future__ import annotations

from typing import NamedTuple

from ordercascade.enums import (
    AdlTrigger,
    AdlWhen,
    Outcome,
    Residual,
    StepKind,
    TakeoverWhen,
)
from ordercascade.replay.funds import taker_of
from ordercascade.replay.margins import Held, equity_of, healthy
from ordercascade.replay.rows import Liquidation
from ordercascade.replay.stage import Stage
from ordercascade.replay.terms import PPM, Rules

PARTS = ("paid_fund", "paid_vault", "paid_adl", "paid_socialised", "paid_bad_debt")


class Ordered(NamedTuple):
    """A row of `liquidations` whose table is due."""

    row: int
    liquidation: Liquidation
    insured: int  # what the fund paid for its fills


def decided(
    stage: Stage, held: Held, order: Liquidation, rules: Rules
) -> tuple[Outcome, list[tuple[StepKind, int]]]:
    """Return what the table says of a scope that sent an order, and the steps that follow."""
    marks = stage.marks
    equity = equity_of(held, marks, stage.plain)
    if held.legs:
        if healthy(held, marks, stage.terms):
            return Outcome.HEALTHY, []
        return _given_up(stage, held, order, rules)
    if equity < 0:
        return Outcome.SHORTFALL, [(StepKind.WATERFALL, -1)]
    if equity > 0 and rules.residual == Residual.FUND:
        return Outcome.CLOSED, [(StepKind.WATERFALL, -1)]
    return Outcome.CLOSED, []


def _given_up(
    stage: Stage, held: Held, order: Liquidation, rules: Rules
) -> tuple[Outcome, list[tuple[StepKind, int]]]:
    """Neither healthy nor flat: does it wait, is it taken over, or deleveraged? ADR 10"""
    stages, equity = stage.terms.stages, equity_of(held, stage.marks, stage.plain)
    unfilled = order.lots_filled < order.lots_asked
    gives_up = equity < 0 or (unfilled and rules.adl_trigger == AdlTrigger.UNFILLED)
    if stages.adl_when == AdlWhen.UNTOUCHED:
        gives_up = equity < 0 and order.lots_filled == 0
    if stages.takeover and unfilled and stages.takeover_when == TakeoverWhen.UNFILLED:
        gives_up = True
    if not gives_up:
        return Outcome.PENDING, []
    if may_take(stage, held):
        return Outcome.TAKEN_OVER, [(StepKind.TAKEOVER, market) for market, _, _ in held.legs]
    if stages.adl_when == AdlWhen.NEVER:
        return Outcome.PENDING, []
    if stages.adl_overlap and order.outcome == Outcome.PENDING:
        why = "that nobody could afford what a scope still has after pairs (rows)"
        stage.findings.gap("adl", why)
        return Outcome.PENDING, []
    return Outcome.DELEVERAGED, [(StepKind.ADL, market) for market, _, _ in held.legs]


def may_take(stage: Stage, held: Held) -> bool:
    """Say if the venue has a taker, and room for these legs within its cap."""
    stages = stage.terms.stages
    if not stages.takeover:
        return False
    legs: dict[int, list[tuple[int, int, int]]] = {}
    for leg in held.legs:
        legs.setdefault(taker_of(stage, leg[0]), []).append(leg)
    for taker, added in legs.items():
        if stage.past.drawn_down(stage, taker):
            return False
        mine = [*stage.ledger.held(taker).legs, *added]
        value = sum(abs(stage.plain[m].worth(size, stage.marks[m])) for m, size, _ in mine)
        room = stage.ledger.collateral[taker] * stages.takeover_cap_ppm
        if stages.takeover_cap_ppm and value * PPM > room:
            return False
    return True


def check_parts(stage: Stage, ordered: Ordered, parts: dict[str, int]) -> None:
    """Who bore a shortfall; parts not given are 0."""
    row, order, _ = ordered
    cells = {name: (parts.get(name, 0), getattr(order, name)) for name in PARTS}
    stage.findings.same("outcomes", "liquidations", row, **cells)
