"""Margin calls, their answers, expiries: who is called, what a settlement comes to. ADR 19, 20.

A call's completeness is judged where the tape shows a round's marks; a release that no row shows
(a round without steps) is looked for wherever it could have been seen, so a second call is only
refused where there was none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ordercascade.duties import ExpiryRule
from ordercascade.enums import HolderKind, MarketKind, NoteKind, StepKind
from ordercascade.replay.funding import funding_due, mended
from ordercascade.replay.ledger import Due
from ordercascade.replay.margins import Standing, standing_of
from ordercascade.replay.rows import Level, Note, Order, Step, Tables
from ordercascade.replay.terms import PPM

if TYPE_CHECKING:
    from ordercascade.replay.stage import Stage

AHEAD = (StepKind.FUNDING, StepKind.AGENTS, StepKind.MARGIN_CALL, StepKind.EXPIRY)
AGENDA = (StepKind.SHOCK, StepKind.AGENTS, StepKind.FUNDING, StepKind.EXPIRY, StepKind.MARK)


def ahead_due(
    stage: Stage, step: Step, tables: Tables, due: list[Due], sent: Order | None
) -> tuple[list[Due], list[Note]]:
    """Return the postings and notes of a funding, a user's step, a call or an expiry."""
    notes = tables.notes.at(step.step)[1]
    if step.kind == StepKind.FUNDING:
        return funding_due(stage, step, notes)
    if step.kind == StepKind.MARGIN_CALL:
        return [], _called(stage, step)
    if step.kind == StepKind.EXPIRY:
        return _expired(stage, step, notes, tables.levels.at(step.step)[1])
    paid = [row.amount for row in tables.postings.at(step.step)[1] if row.to_holder == step.scope]
    return due, _answered(stage, step, notes, sum(paid) if sent is None else sent.filled, sent)


# Calls.


def enter_round(stage: Stage, step: Step, key: tuple[int, int]) -> None:
    """Before a step: releases that the end of the round before, or this one's marks, bring."""
    if stage.terms.calls is None or not stage.terms.bracketed:
        return
    fresh = key != stage.call_round
    if fresh or (step.kind not in AGENDA and not stage.call_judged):
        _release(stage, stage.called)
        _release(stage, stage.surely_called)
        stage.call_judged = step.kind not in AGENDA
        stage.call_round = key
    elif step.time_ns != stage.call_time:
        _release(
            stage, stage.called
        )  # Perhaps another settlement: the agenda's rows alone do not tell.
    stage.call_time = step.time_ns


def _standing(stage: Stage, scope: int) -> Standing:
    return standing_of(stage.ledger.held(scope), stage.marks, stage.plain)


def _below(at: Standing, level: int) -> bool:
    return at.equity * PPM < level * max(1, at.maintenance)


def _release(stage: Stage, called: set[int]) -> None:
    _, release = stage.terms.calls or (0, 0)
    for scope in sorted(called):
        if stage.ledger.flat(scope) or not _below(_standing(stage, scope), release):
            called.discard(scope)


def _called(stage: Stage, step: Step) -> list[Note]:
    """One call: below the level, and not called since the last release."""
    findings = stage.findings
    if stage.terms.calls is None or not stage.terms.bracketed:
        findings.gap("calls", "the tape does not name levels or margins (steps)")
        return [Note(step.step, int(NoteKind.MARGIN_CALL), -1, step.scope, 0, 0)]
    findings.rows["calls"] += 1
    at = _standing(stage, step.scope)
    if step.scope in stage.called or stage.ledger.flat(step.scope):
        want = "be one that was at the release level since its last call, with lots"
        findings.fail("calls", "steps", step.step, "scope", want, step.scope)
    if not _below(at, stage.terms.calls[0]):
        want = f"be below {stage.terms.calls[0]} ppm of its maintenance, {at.maintenance}"
        findings.fail("calls", "steps", step.step, "scope", want, at.equity)
    stage.called.add(step.scope)
    stage.surely_called.add(step.scope)
    stage.call_steps[step.step] = (step.scope, step.time_ns)
    kind = int(NoteKind.MARGIN_CALL)
    return [Note(step.step, kind, -1, step.scope, at.equity, at.maintenance)]


def check_all_called(stage: Stage) -> None:
    """At the end of a run whoever is below the level on the standing marks has been called."""
    if stage.terms.calls is None or not stage.terms.bracketed:
        return
    for scope in sorted(stage.ledger.scopes - stage.called - stage.surely_called):
        stage.findings.rows["calls"] += 1
        if stage.ledger.flat(scope):
            continue
        if _below(_standing(stage, scope), stage.terms.calls[0]):
            want = "have been called: it is below the level when the run ends"
            stage.findings.fail("calls", "accounts", -1, "scope", want, scope)


def _answered(
    stage: Stage, step: Step, notes: Sequence[Note], moved: int, sent: Order | None
) -> list[Note]:
    """An answer names the call that it answers, comes after it, and says what it moved."""
    if step.scope < 0:
        return []
    findings = stage.findings
    findings.rows["calls"] += 1
    called = next((note.a for note in notes if note.kind == NoteKind.ANSWER), -1)
    scope, time = stage.call_steps.get(called, (-1, 0))
    if scope != step.scope or step.time_ns < time:
        want = f"be a call of scope {step.scope} at that time or before"
        findings.fail("calls", "notes", step.step, "a", want, called)
    market = -1 if sent is None else sent.market
    return [Note(step.step, int(NoteKind.ANSWER), market, step.scope, called, moved)]


# Expiries.


def _expired(
    stage: Stage, step: Step, notes: Sequence[Note], levels: Sequence[Level]
) -> tuple[list[Due], list[Note]]:
    """All orders go; each holder's lots change hands at their worth; the worths are a split."""
    market, ledger, findings = stage.markets[step.market], stage.ledger, stage.findings
    findings.rows["expiries"] += 1
    said = next((note.a for note in notes if note.kind == NoteKind.EXPIRY), 0)
    for level in levels:
        if level.market != step.market or level.size_after >= market.book.size(
            level.side, level.price
        ):
            want = "take lots away from the market that expires"
            findings.fail("book", "levels", step.step, "size_after", want, level.size_after)
        market.book.set(level.side, level.price, level.size_after)
    holders = ledger.longs.get(step.market, set()) | ledger.shorts.get(step.market, set())
    kind = int(NoteKind.EXPIRY)
    if said <= 0:
        return [], [Note(step.step, kind, step.market, -1, 0, -1)]
    price = settlement_price(stage, step, said)
    if market.book.best(0) or market.book.best(1):
        left = market.book.best(0) or market.book.best(1)
        findings.fail("book", "levels", step.step, "price", "leave no order behind", left)
    market.book.clear()
    stage.ended.add(step.market)
    terms = market.terms
    external = stage.holder(HolderKind.EXTERNAL, terms.asset)
    order = sorted(holders, key=lambda holder: (holder == external, holder))
    top, below = terms.multiplier * price, 1
    if terms.kind == MarketKind.INVERSE:
        top, below = -terms.multiplier, price
    cut = [divmod(ledger.size(holder, step.market) * top, below) for holder in order]
    left = -sum(worth for worth, _ in cut)
    more = set(sorted(range(len(cut)), key=lambda k: (-cut[k][1], k))[:left])
    due: list[Due] = []
    for k, holder in enumerate(order):
        lots, worth = ledger.size(holder, step.market), cut[k][0] + (k in more)
        won = ledger.enter(holder, step.market, -lots, -worth, step.step)
        ledger.realise(holder, step.market, terms.asset, won, due)
    note = Note(step.step, kind, step.market, -1, price, len(holders))
    return due + mended(stage, terms.asset, due), [note]


def settlement_price(stage: Stage, step: Step, said: int) -> int:
    """Return the price by the market's rule; without one the tape's word stands."""
    market, findings = stage.markets[step.market], stage.findings
    if not market.terms.expiry:
        findings.gap("expiries", "the tape does not name the rule of a market's expiry (steps)")
        return said
    at, rule, window, stated = market.terms.expiry
    findings.same("expiries", "steps", step.step, time_ns=(at, step.time_ns))
    of_index = rule in (ExpiryRule.INDEX, ExpiryRule.AVERAGE_INDEX) and market.index > 0
    price = market.index if of_index else market.mark
    begin = max(0, at - window)
    if rule == ExpiryRule.STATED:
        price = stated
    elif window and begin < at:
        total = 0
        ends = [time for time, _, _ in market.past[1:]] + [at]
        for (since, mark, index), until in zip(market.past, ends, strict=True):
            now = index if rule == ExpiryRule.AVERAGE_INDEX and index else mark
            total += now * max(0, min(until, at) - max(since, begin))
        price = (2 * total + at - begin) // (2 * (at - begin))
    findings.same("expiries", "notes", step.step, a=(price, said))
    return price
