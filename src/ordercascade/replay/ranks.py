"""In which order winners are deleveraged, worked out again. SEMANTICS §5.7."""

from __future__ import annotations

from fractions import Fraction

from ordercascade.enums import AdlRule
from ordercascade.replay.margins import Held, equity_of, standing_of
from ordercascade.replay.stage import Stage

ACCOUNTS = frozenset((AdlRule.ACCOUNT_RISK, AdlRule.MARGIN_RATIO))  # they ask for maintenance

RANKED = frozenset((*ACCOUNTS, AdlRule.QUEUE, AdlRule.GROWTH))  # exact rationals, best first


class Event:
    """One deleveraging of a scope: the costs of all legs are fixed before the first."""

    def __init__(self, scope: int, start: int, held: Held, parent: int | None) -> None:
        self.scope, self.start, self.held = scope, start, held
        self.parent = parent  # of every row; None: the step that last moved the scope
        self.costs: dict[int, int] = {}
        self.known = False  # costs follow from the tape
        self.equity = 0
        self.lost = 0  # by the counterparties, so far
        self.floored = 0  # parties whose inverse lots are worth a floored number of units


def turned(users: list[int], first: int) -> list[int]:
    """Return users by id, round from the first: where RANDOM began is not worked out again."""
    at = users.index(first) if first in users else 0
    return users[at:] + users[:at]


def ranked(
    stage: Stage,
    event: Event,
    market: int,
    users: list[int],
    held: dict[int, int],
    lots: int,
    rule: int,
) -> list[int]:
    """Return at least those who take `lots`, first rank first. SEMANTICS §5.7.

    Floats sort out who can be among them; exact rationals decide.
    """
    keys = {who: _key(stage, event, market, who, rule) for who in users}
    rough = {who: (key[0], key[2] / key[1]) for who, key in keys.items()}
    by_rough = sorted(users, key=lambda who: (rough[who][0], -rough[who][1], who))
    taken, cut = 0, len(users)
    for place, who in enumerate(by_rough):
        taken += held[who]
        if taken >= lots:
            cut = place
            break
    if cut < len(users):
        group, edge = rough[by_rough[cut]]
        slack = abs(edge) * 1e-9
        while cut + 1 < len(users):
            after = rough[by_rough[cut + 1]]
            if after[0] != group or after[1] < edge - slack:
                break
            cut += 1
    near = by_rough[: cut + 1]
    return sorted(near, key=lambda who: (keys[who][0], -Fraction(keys[who][2], keys[who][1]),
                                         who))  # fmt: skip


def _key(stage: Stage, event: Event, market: int, who: int, rule: int) -> tuple[int, int, int]:
    """Return (group, denominator, numerator) of a rank, frozen at the event's start."""
    held = stage.ledger.held_before(who, event.start)
    equity = equity_of(held, stage.marks, stage.plain)
    if equity <= 0:
        return 1, 1, 0
    _, size, cost = next(leg for leg in held.legs if leg[0] == market)
    value = stage.plain[market].worth(size, stage.markets[market].mark)
    profit = value - cost
    base = max(1, abs(cost))
    if rule in ACCOUNTS:
        asked, money = standing_of(held, stage.marks, stage.plain).maintenance, held.collateral
        if rule == AdlRule.ACCOUNT_RISK:
            return 0, max(1, money) * equity, max(0, equity - money) * asked
        return (0, base * equity, profit * asked) if profit > 0 else (
            0, base * max(1, asked), profit * equity)  # fmt: skip
    if rule == AdlRule.GROWTH:
        return (0, base * equity, value * value) if value > 0 else (0, equity, abs(cost))
    if profit > 0:
        return 0, base * equity, profit * abs(value)
    return 0, base * max(1, abs(value)), profit * equity
