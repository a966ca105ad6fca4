"""Which leg of a scope goes first, or all of them: SEMANTICS §5.1, ADR 28, written once more."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from ordercascade.enums import LegRule, Side
from ordercascade.replay.margins import Held, brackets_of
from ordercascade.replay.stage import Stage
from ordercascade.replay.terms import Rules

if TYPE_CHECKING:
    from ordercascade.replay.turns import Turn


def leg_of(held: Held, turn: Turn, stage: Stage, rules: Rules) -> int:
    """Return the leg that goes first as things stood when the queue was planned."""
    found = []
    for market, size, cost in held.legs:
        value = stage.plain[market].worth(size, turn.plan_marks[market])
        key = Fraction(-brackets_of(stage.plain[market]).maintenance(size, value, cost))
        if rules.leg == LegRule.WORST_PNL:
            key = Fraction(value - cost)
        elif rules.leg == LegRule.MOST_LIQUID:
            rests = turn.plan_rests[market][Side.BID if size > 0 else Side.ASK]
            key = -Fraction(min(rests, abs(size)), abs(size))
        larger = -abs(value) if rules.leg == LegRule.MOST_LIQUID else 0
        found.append((key, larger, market))
    return min(found)[2]


def spreads(rules: Rules | None) -> bool:
    """Say if every leg of a scope gets an order in the same round."""
    return rules is not None and rules.leg == LegRule.PRO_RATA
