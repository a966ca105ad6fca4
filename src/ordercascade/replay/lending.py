"""Two-slope interest, worked out again: who borrows, at which rate, who is paid. MECHANISMS §13.

Cash is collateral less the cost of positions: below zero it is borrowed, above zero it is lent, by
external too. Borrowers pay through `fees`, each rounded up; the fund takes its reserve, floored;
lenders share the rest by largest remainder. SEMANTICS §1, ADR 17.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ordercascade.enums import HolderKind, NoteKind, PostReason
from ordercascade.replay.funds import mend
from ordercascade.replay.ledger import Due
from ordercascade.replay.margins import split
from ordercascade.replay.rows import Note, Step
from ordercascade.replay.stage import Stage
from ordercascade.replay.terms import PPM

PPB, PPT = 10**9, 10**12
YEAR = 365 * 86_400 * 10**9
PURSES = (HolderKind.SCOPE, HolderKind.EXTERNAL, HolderKind.FUND, HolderKind.VAULT)


class Lending(NamedTuple):
    """Rates of a year and the optimum in ppb, the fund's reserve in ppm, the time of a payment."""

    base_ppb: int
    slope_ppb: int
    steep_ppb: int
    optimum_ppb: int
    reserve_ppm: int
    every_ns: int
    asset: int


def lending_of(venue: Mapping[str, Any]) -> Lending | None:
    """Return what a venue's metadata says of interest; None without, or from an older version."""
    said = venue.get("interest")
    if not isinstance(said, Mapping) or any(name not in said for name in Lending._fields):
        return None
    return Lending(*(int(said[name]) for name in Lending._fields))


def rate_of(terms: Lending, used: int) -> int:
    """Return the rate of a year at a utilisation, floored."""
    if used <= terms.optimum_ppb:
        return terms.base_ppb + terms.slope_ppb * used // terms.optimum_ppb
    beyond = terms.steep_ppb * (used - terms.optimum_ppb) // (PPB - terms.optimum_ppb)
    return terms.base_ppb + terms.slope_ppb + beyond


def interest_due(stage: Stage, step: Step, told: Sequence[Note]) -> tuple[list[Due], list[Note]]:
    """Return the postings and the note of a payment; none if the tape says no cell could hold it.

    Whether one could not (utilisation -1 where somebody lends) is the tape's word.
    """
    findings = stage.findings
    terms = lending_of(stage.terms.said)
    findings.rows["interest"] += 1
    if terms is None:
        return [], []
    asset, ledger = terms.asset, stage.ledger
    external = stage.holder(HolderKind.EXTERNAL, asset)
    mine = [h for h, row in ledger.holders.items() if row.asset == asset and row.kind in PURSES]
    order = sorted(mine, key=lambda holder: (holder == external, holder))
    cash = {
        holder: ledger.collateral[holder] - sum(cost for _, cost in ledger.legs[holder].values())
        for holder in order
    }
    borrowed = -sum(min(0, money) for money in cash.values())
    lent = sum(max(0, money) for money in cash.values())
    used = 0
    if borrowed:
        used = PPB if borrowed >= lent else borrowed * PPB // lent
    rate = rate_of(terms, used)
    fits = lent > 0 and not any(n.kind == NoteKind.INTEREST and n.b == -1 for n in told)
    note = Note(step.step, int(NoteKind.INTEREST), -1, -1, rate, used if fits else -1)
    if not fits:
        return [], [note]
    part = rate * terms.every_ns * 1_000 // YEAR
    fees, fund = stage.holder(HolderKind.FEES, asset), stage.holder(HolderKind.FUND, asset)
    paid = {who: -(money * part // PPT) for who, money in cash.items() if money < 0}
    reserve = sum(paid.values()) * terms.reserve_ppm // PPM
    shares = split(sum(paid.values()) - reserve, {w: c for w, c in cash.items() if c > 0})
    moves = [(who, fees, amount) for who, amount in paid.items()]
    moves += [(fees, fund, reserve), *((fees, who, amount) for who, amount in shares.items())]
    due: list[Due] = [
        (asset, source, target, amount, int(PostReason.INTEREST))
        for source, target, amount in moves
        if amount
    ]
    return due + mend(stage, asset, due), [note]
