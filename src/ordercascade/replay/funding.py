"""Funding payments, worked out again from the rate that the tape says and the lots there are."""

from __future__ import annotations

from collections.abc import Sequence

from ordercascade.enums import HolderKind, MarketKind, NoteKind, PostReason
from ordercascade.replay.funds import mend
from ordercascade.replay.ledger import Due
from ordercascade.replay.rows import Note, Step
from ordercascade.replay.stage import Stage

BILLION = 10**9


def funding_due(stage: Stage, step: Step, notes: Sequence[Note]) -> tuple[list[Due], list[Note]]:
    """Return the postings and the note of a funding step. SEMANTICS §1: a split, exactly nothing.

    The rate is the tape's: its sources are the venue's affair. The price must be the mark or the
    index; at 0 nothing was paid, since a cell would have passed its bound.
    """
    market = stage.markets[step.market]
    said = [note for note in notes if note.kind == NoteKind.FUNDING]
    rate, price = (said[0].a, said[0].b) if len(said) == 1 else (0, market.mark)
    if abs(rate) > BILLION:
        stage.findings.fail("notes", "notes", step.step, "a", "be within 100 % in ppb", rate)
    if price not in (0, market.mark, market.index):
        want = f"be the mark, {market.mark}, or the index, {market.index}"
        stage.findings.fail("notes", "notes", step.step, "b", want, price)
    wanted = [Note(step.step, int(NoteKind.FUNDING), step.market, -1, rate, price)]
    if price <= 0:
        return [], wanted
    clearing = stage.holder(HolderKind.CLEARING, step.market)
    asset = market.terms.asset
    due: list[Due] = [
        (asset, clearing, holder, amount, PostReason.FUNDING)
        for holder, amount in _shares(stage, step.market, rate, price)
        if amount
    ]
    return due + mended(stage, asset, due), wanted


def _shares(stage: Stage, market: int, rate: int, price: int) -> list[tuple[int, int]]:
    """Return what each holder is paid, in the order of ties: by id, external last."""
    ledger, terms = stage.ledger, stage.markets[market].terms
    holders = ledger.longs.get(market, set()) | ledger.shorts.get(market, set())
    external = stage.holder(HolderKind.EXTERNAL, terms.asset)
    order = sorted(holders, key=lambda holder: (holder == external, holder))
    unit, below = terms.multiplier * rate, BILLION
    if terms.kind == MarketKind.INVERSE:
        below *= price
    else:
        unit *= price
    cut = [divmod(-ledger.size(holder, market) * unit, below) for holder in order]
    left = -sum(share for share, _ in cut)
    more = set(sorted(range(len(cut)), key=lambda k: (-cut[k][1], k))[:left])
    return [(holder, cut[k][0] + (k in more)) for k, holder in enumerate(order)]


def mended(stage: Stage, asset: int, due: list[Due]) -> list[Due]:
    """A fund that holds lots may pay more than it has: bad debt fills it up."""
    return mend(stage, asset, due)
