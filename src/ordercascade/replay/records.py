"""What the tape records beside its events: marks, balances, scopes, notes."""

from __future__ import annotations

from collections.abc import Sequence

from ordercascade.enums import HolderKind, MarkRefresh, NoteKind, StepKind, Told
from ordercascade.replay.margins import equity_of, standing_of
from ordercascade.replay.rows import FundRow, Mark, Note, ScopeRow, Step
from ordercascade.replay.schedules import Schedule
from ordercascade.replay.stage import Market, Stage
from ordercascade.replay.terms import PPM

RECORDED = (HolderKind.FUND, HolderKind.VAULT, HolderKind.BAD_DEBT)


# Marks.


def begin_taking(stage: Stage) -> None:
    """All marks are taken: remember what stood before, and the trades that it may know of."""
    for market in stage.markets:
        market.before, market.trade_taken = market.mark, market.trade_step


def play_marks(stage: Stage, step: Step, first: int, rows: Sequence[Mark]) -> None:
    """Check that the step has its rows of marks and no others, and let them stand."""
    findings = stage.findings
    findings.rows["marks"] += len(rows)
    told = {row.market: (number, row) for number, row in enumerate(rows, first)}
    for market in stage.markets:
        number, row = told.pop(market.terms.id, (-1, None))
        due, market.noted = market.noted, False
        if step.kind == StepKind.SHOCK and step.cause_market == market.terms.id and row:
            due = row.outside != market.index
            market.index = row.outside
        if step.kind == StepKind.MARK and step.market == market.terms.id:
            due = True
        if row is None:
            if due:
                want = f"have a row of marks for market {market.terms.id}"
                findings.fail("marks", "steps", step.step, "step", want, step.step)
        elif not due:
            findings.fail("marks", "marks", number, "market", "have changed", market.terms.id)
        else:
            _check_mark(stage, step, market, number, row)


def _check_mark(stage: Stage, step: Step, market: Market, number: int, row: Mark) -> None:
    findings, book = stage.findings, market.book
    market.keep(row)
    findings.same(
        "marks", "marks", number,
        time_ns=(step.time_ns, row.time_ns),
        last=(market.last, row.last),
        index=(market.index, row.outside),
        best_bid=(book.best(0), row.best_bid),
        best_ask=(book.best(1), row.best_ask),
    )  # fmt: skip
    rules = stage.terms.rules
    taken = step.kind == StepKind.MARK
    if step.kind in (StepKind.LIQUIDATION, StepKind.AUCTION):
        # Under `order` the marks are taken again before the row is written.
        taken = rules is None or rules.mark_refresh == MarkRefresh.ORDER
    if not taken:
        findings.same("marks", "marks", number, mark=(market.mark, row.mark))
    elif market.terms.source >= 0:
        findings.same("marks", "marks", number, mark=(market.peek(), row.mark))
    else:
        _check_feed(stage, market, number, row)
    if step.kind == StepKind.MARK:
        if row.mark == market.written:
            findings.fail("marks", "marks", number, "mark", "have changed", row.mark)
        market.written = row.mark
    if row.mark != market.mark:
        market.stand(step.step, row.mark)


def _check_feed(stage: Stage, market: Market, number: int, row: Mark) -> None:
    """Hold a mark that was taken from an oracle with a memory against what the tape decides."""
    findings, feed = stage.findings, market.feed
    if feed is None:
        findings.gap("marks", "the tape does not say where a market's mark comes from (rows)")
        return
    feed.see(*market.view())
    if feed.exact:
        want = feed.mark(market.before, *market.view())
        findings.same("marks", "marks", number, mark=(want, row.mark))
        return
    low, high = feed.bounds(market.before)
    if not low <= row.mark <= high:
        findings.fail("marks", "marks", number, "mark", f"be in [{low}, {high}]", row.mark)
    findings.gap("marks", "a feed that remembers: its bounds alone are checked (rows)")


def check_taken(stage: Stage, step: Step) -> None:
    """After a taking is written no mark may differ from what its sources say."""
    for market in stage.markets:
        if market.terms.source >= 0 and market.mark != market.peek():
            want = f"come after a mark row of market {market.terms.id}: {market.peek()}"
            stage.findings.fail("marks", "steps", step.step, "kind", want, step.kind)


def open_marks(stage: Stage, rows: Sequence[tuple[int, Mark]]) -> None:
    """Take the opening prices; each market has one row."""
    findings = stage.findings
    for number, row in rows:
        findings.rows["marks"] += 1
        market = stage.markets[row.market]
        market.open(row)
        best = market.book.best(0), market.book.best(1)
        findings.same("marks", "marks", number, time_ns=(0, row.time_ns),
                      best_bid=(best[0], row.best_bid),
                      best_ask=(best[1], row.best_ask))  # fmt: skip
        if market.terms.source >= 0:
            findings.same("marks", "marks", number, mark=(market.peek(), row.mark))


def told_lies(stage: Stage, rows: Sequence[Note]) -> list[Note]:
    """Let the dislocations of a step begin or end; the tape is the only one who knows of them."""
    lies = [row for row in rows if row.kind == NoteKind.DISLOCATION]
    for row in lies:
        if row.b in tuple(Told) and 0 <= row.market < len(stage.markets):
            stage.markets[row.market].tilt[Told(row.b)] = row.a
    return lies


# Balances.


def play_funds(stage: Stage, before: dict[int, int], first: int, rows: Sequence[FundRow]) -> None:
    """A row for each balance of fund, vault and bad debt that the step changed, and no others."""
    findings, ledger = stage.findings, stage.ledger
    findings.rows["funds"] += len(rows)
    told = {row.holder: (number, row) for number, row in enumerate(rows, first)}
    for holder, balance in before.items():
        now = ledger.collateral[holder]
        number, row = told.pop(holder, (-1, None))
        if row is not None:
            findings.same("funds", "funds", number, balance=(now, row.balance))
            if balance == now:
                findings.fail("funds", "funds", number, "balance", "have changed", row.balance)
        elif now != balance:
            want = f"have a row of funds for holder {holder}: {now}"
            findings.fail("funds", "steps", findings.step, "step", want, findings.step)
        kind = ledger.holders[holder].kind
        if kind == HolderKind.FUND and now != balance:
            stage.past.fell(stage, holder, balance)
        if kind == HolderKind.FUND and now < 0:
            findings.fail("funds", "funds", number, "balance", "be 0 or more", now)
        if kind == HolderKind.BAD_DEBT and now > 0:
            findings.fail("funds", "funds", number, "balance", "be 0 or less", now)


def balances(stage: Stage) -> dict[int, int]:
    """Return the balance of each holder that has rows of funds."""
    named = stage.ledger.venue_holders.items()
    holders = [holder for (kind, _), holder in named if kind in RECORDED]
    return {h: stage.ledger.collateral[h] for h in (*holders, *stage.ledger.funds.values())}


# Scopes.


def scope_cells(stage: Stage, row: ScopeRow) -> dict[str, tuple[object, object]]:
    """Return (expected, got) of a recorded scope on the standing marks."""
    held, marks = stage.ledger.held(row.scope), stage.marks
    if not stage.terms.bracketed:
        return {"equity": (equity_of(held, marks, stage.plain), row.equity)}
    at = standing_of(held, marks, stage.plain)
    initial = 0
    for market, size, _ in held.legs:
        terms = stage.plain[market]
        value = abs(terms.worth(abs(size), marks[market]))
        interest = 0
        if isinstance(terms.brackets, Schedule) and terms.brackets.kind == "interest":
            interest = terms.worth(stage.ledger.open_interest(market), marks[market])
        initial += terms.brackets.initial(size, value, interest) if terms.brackets else 0
    return {
        "equity": (at.equity, row.equity),
        "maintenance": (at.maintenance, row.maintenance),
        "initial": (initial, row.initial),
        "ratio_ppm": (at.equity * PPM // max(1, at.maintenance), row.ratio_ppm),
    }


def play_scopes(stages: Sequence[Stage], number: int, row: ScopeRow) -> None:
    """Check a recorded scope; with several venues it must fit one of them."""
    findings = stages[0].findings
    findings.rows["scopes"] += 1
    found = [scope_cells(stage, row) for stage in stages if row.scope in stage.ledger.scopes]
    fits = [all(want == got for want, got in cells.values()) for cells in found]
    if not any(fits):
        findings.same("scopes", "scopes", number, **found[0])
    if not all(stage.terms.bracketed for stage in stages):
        findings.gap("scopes", "the tape does not name a market's brackets (margins of rows)")
    if len(found) > 1:
        findings.gap("scopes", "the table does not say which venue's scope is meant (rows)")


# Notes.


def play_notes(stage: Stage, due: Sequence[Note], first: int, rows: Sequence[Note]) -> None:
    """The notes of a step are those that its rows ask for, in order."""
    findings = stage.findings
    findings.rows["notes"] += max(len(rows), len(due))
    for number, (want, got) in enumerate(zip(due, rows, strict=False), first):
        if want != got:
            cells = zip(Note._fields, want, got, strict=True)
            findings.same("notes", "notes", number, **{name: (w, g) for name, w, g in cells})
    if len(rows) != len(due):
        where = first + min(len(rows), len(due))
        findings.fail("notes", "notes", where, "step", f"have {len(due)} notes", len(rows))
