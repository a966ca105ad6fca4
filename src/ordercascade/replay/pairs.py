"""Deleveraging pair by pair with the overlap check, worked out again. MARGIN §3, §6.7 [D4]."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ordercascade.replay.insured import after_fill, need, quote_of
from ordercascade.replay.margins import brackets_of, standing_of
from ordercascade.replay.stage import Stage


class Pair(NamedTuple):
    """One counterparty: the bankrupt's signed change and what it brings in."""

    scope_to: int
    size: int
    quote: int


def pairs_of(stage: Stage, scope: int, market: int, ranked: Sequence[int]) -> list[Pair]:
    """Return who takes how much at which cost, in the order of rank; who cannot is skipped."""
    ledger = stage.ledger
    held, left = ledger.held(scope), ledger.size(scope, market)
    sign, found = (-1 if left > 0 else 1), []
    left = abs(left)
    for who in ranked:
        if not left:
            break
        size = sign * min(left, abs(ledger.size(who, market)))
        quote = quote_of(stage, held, market, size)
        if not can_take(stage, who, market, -size, quote):
            continue
        found.append(Pair(who, size, quote))
        held = after_fill(held, market, size, -quote)
        left -= abs(size)
    return found


def can_take(stage: Stage, who: int, market: int, size: int, cost: int) -> bool:
    """After the trade: initial margin met, or the ratio not fallen; flat: equity of 0."""
    ledger = stage.ledger
    if who not in ledger.scopes:
        return True  # External has no margin; fund and vault answer for themselves.
    held = ledger.held(who)
    before = standing_of(held, stage.marks, stage.plain)
    equity, maintenance, initial, flat = before.equity - cost, 0, 0, True
    plain, marks = stage.plain, stage.marks
    had = ledger.size(who, market)
    equity += plain[market].worth(had + size, marks[market])
    equity -= plain[market].worth(had, marks[market])
    for number, lots, own in held.legs:
        after = lots + size if number == market else lots
        maintenance += need(stage, number, after, lots, own)
        if after:
            flat = False
            worth = plain[number].worth(abs(after), marks[number])
            interest = abs(plain[number].worth(ledger.open_interest(number), marks[number]))
            initial += brackets_of(plain[number]).initial(after, worth, interest)
    if flat:
        return equity >= 0
    return equity >= initial or equity * before.maintenance >= before.equity * maintenance
