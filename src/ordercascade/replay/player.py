"""Plays a tape step by step: each row is held against the state that the rows before it left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest

from ordercascade.duties import TrancheRule
from ordercascade.enums import MarketKind, MarkRefresh, NoteKind, PostReason, Side, StepKind
from ordercascade.replay.ahead import AHEAD, ahead_due
from ordercascade.replay.auctions import end_auction, play_auction
from ordercascade.replay.balances import check_costs, check_invariants, check_total
from ordercascade.replay.closing import begin_order, check_sent, end_order, fee_due
from ordercascade.replay.findings import Findings
from ordercascade.replay.funds import fund_of
from ordercascade.replay.inherited import Inherited, mend
from ordercascade.replay.insured import Insured, settle_fills
from ordercascade.replay.ledger import OUTSIDE, Due
from ordercascade.replay.lending import interest_due
from ordercascade.replay.lineage import Cast, Lineage
from ordercascade.replay.losses import Losses
from ordercascade.replay.margins import Held, liquidatable
from ordercascade.replay.payments import payment, settle_market
from ordercascade.replay.rating import rate_notes
from ordercascade.replay.records import (
    balances,
    begin_taking,
    open_marks,
    play_funds,
    play_marks,
    play_notes,
    play_scopes,
    told_lies,
)
from ordercascade.replay.rounds import Settlement
from ordercascade.replay.rows import (
    Account,
    Fill,
    Level,
    Liquidation,
    Note,
    Opened,
    Posting,
    Step,
    Tables,
    rows_of,
)
from ordercascade.replay.stage import Stage
from ordercascade.replay.terms import VenueTerms
from ordercascade.replay.trades import Traded, play_trades
from ordercascade.replay.turns import Turn
from ordercascade.replay.valving import NOTED, halts_told, valve_notes
from ordercascade.tables import Table

SENDING = (StepKind.SHOCK, StepKind.LIQUIDATION, StepKind.AGENTS, StepKind.DISPOSAL)
USER_REASONS = (PostReason.DEPOSIT, PostReason.WITHDRAWAL, PostReason.TRANSFER)
NO_TRADE = Traded(0, 0, 0, 0, [])


class Player:
    """All venues of a tape."""

    def __init__(
        self,
        tables: Mapping[str, Table],
        terms: Mapping[int, VenueTerms],
        settlements: Sequence[Settlement],
        findings: Findings,
    ) -> None:
        self.findings, self.settlements = findings, settlements
        self.rows = Tables(tables)
        accounts = rows_of(Account, tables["accounts"])
        positions = rows_of(Opened, tables["positions"])
        self.cast: dict[int, Cast] = {}
        for venue in sorted({row.venue for row in accounts}):
            mine = [row for row in accounts if row.venue == venue]
            stage = Stage(
                terms[venue], mine, [row for row in positions if row.venue == venue], findings
            )
            stage.count = self.rows.steps
            stage.halts = halts_told(tables, settlements, venue)
            turn = Turn(stage)
            self.cast[venue] = Cast(stage, turn, Losses(stage, turn), Inherited(stage, turn))
        self.stages = [cast.stage for cast in self.cast.values()]
        self.lineage = Lineage(findings)

    def play(self) -> None:
        """Play the opening and every step."""
        self._open()
        number = 0
        for k in range(self.rows.steps):
            step = self.rows.step.at(k)[1][0]
            while number + 1 < len(self.settlements) and k >= self.settlements[number].end:
                number += 1
            self.findings.step = k
            self._step(self.cast[step.venue], step, number)
            self.lineage.add(step)
            self._scopes(k)
        for stage, turn, *_ in self.cast.values():
            turn.end()
            self.findings.step = -1
            check_total(stage)

    def check_nobody_left(self) -> None:
        """At the end of a run only those may be liquidatable who have sent an order and wait."""
        for stage in self.stages:
            if not stage.terms.judges:
                continue
            if stage.terms.sizes is not None and stage.terms.sizes.rule == TrancheRule.WINDOW:
                why = "whether who is left waits for a window's capacity (venues)"
                self.findings.gap("end", why)
                continue
            marks = stage.marks
            for scope in sorted(stage.ledger.scopes):
                self.findings.rows["end"] += 1
                waits = stage.liquidation(scope).pending
                if not waits and liquidatable(stage.ledger.held(scope), marks, stage.terms):
                    want = "have sent an order before the run ended: it is liquidatable"
                    self.findings.fail("end", "accounts", -1, "scope", want, scope)

    # The opening.

    def _open(self) -> None:
        self._open_books()
        first, marks = self.rows.marks.at(-1)
        first_fund, funds = self.rows.funds.at(-1)
        for stage in self.stages:
            mine = [(n, row) for n, row in enumerate(marks, first) if row.venue == stage.id]
            open_marks(stage, mine)
            told = {row.market for _, row in mine}
            for market in stage.markets:
                if market.terms.id not in told:
                    want = f"have an opening row for market {market.terms.id}"
                    self.findings.fail("marks", "marks", -1, "market", want, sorted(told))
                check_costs(stage, market.terms.id)
                market.look(-1)
            if stage.valves is not None:
                stage.valves.open()
            if stage.rates is not None:
                stage.rates.open()
            opened = balances(stage)
            for number, fund in enumerate(funds, first_fund):
                if fund.venue == stage.id:
                    self.findings.rows["funds"] += 1
                    balance = opened.pop(fund.holder, None)
                    self.findings.same("funds", "funds", number, balance=(balance, fund.balance))
            if opened:
                want = f"have an opening row for holders {sorted(opened)}"
                self.findings.fail("funds", "funds", -1, "holder", want, "none")
        self._scopes(-1)

    def _open_books(self) -> None:
        """Deal the opening levels to their venues; the table does not name them."""
        first, levels = self.rows.levels.at(-1)
        parts = self._parts(levels)
        for stage, part in zip(self.stages, parts, strict=True):
            sides: dict[tuple[int, int], list[tuple[int, int]]] = {}
            for row in part:
                sides.setdefault((row.market, row.side), []).append((row.price, row.size_after))
            for (number, side), found in sides.items():
                stage.markets[number].book.open(side, found)
            for market in stage.markets:
                bid, ask = market.book.best(Side.BID), market.book.best(Side.ASK)
                if bid and ask and bid >= ask:
                    self.findings.fail("book", "levels", first, "price", "not cross", bid)
        self.findings.rows["book"] += len(levels)
        for place, level in enumerate(levels, first):
            if level.size_after <= 0:
                self.findings.fail("book", "levels", place, "size_after", "be 1 or more",
                                   level.size_after)  # fmt: skip

    def _parts(self, levels: list[Level]) -> list[list[Level]]:
        """Cut the opening levels by venue: venue after venue, each by market and side."""
        if len(self.stages) == 1:
            return [levels]
        _, marks = self.rows.marks.at(-1)
        due = [
            (row.venue, row.market, side, best)
            for row in marks
            for side, best in ((Side.BID, row.best_bid), (Side.ASK, row.best_ask))
            if best
        ]
        parts: dict[int, list[Level]] = {stage.id: [] for stage in self.stages}
        place = 0
        for this, after in zip_longest(due, due[1:]):
            end = _run(levels, place, this[1:3])
            beyond = (levels[end][1:4] if end < len(levels) else None) == (after and after[1:])
            if after is not None and not beyond and after[1:3] == this[1:3]:
                # Another venue's levels of the same market and side go on where these end.
                prices = [level.price for level in levels[place:end]]
                end = place + prices.index(after[3]) if after[3] in prices else end
            parts[this[0]] += levels[place:end]
            place = end
        if place < len(levels):
            want = "follow its venue's opening prices"
            self.findings.fail("book", "levels", place, "price", want, levels[place].price)
        return list(parts.values())

    # A step.

    def _step(self, cast: Cast, step: Step, number: int) -> None:
        stage, turn, losses, _ = cast
        k = self.findings.step = step.step
        orders = self.rows.orders.at(k)
        stage.sent = orders[1][0] if orders[1] else None
        stage.told = self.rows.notes.at(k)[1]
        turn.enter(step, number, self.settlements[number])
        self.findings.step = k
        before = balances(stage)
        first_posting, postings = self.rows.postings.at(k)
        fills, levels = self.rows.fills.at(k), self.rows.levels.at(k)
        moved = stage.ledger.moved.get(step.scope, OUTSIDE)
        stage.order_row = orders[0]
        notes: list[Note] = []
        row, liquidations = self.rows.liquidations.at(k)
        order = liquidations[0] if liquidations and step.kind != StepKind.AUCTION else None
        sent = stage.sent
        insured = Insured()
        if order is not None:
            held = begin_order(stage, turn, step, row, order)
            insured = self._insured(stage, order, held, fills[1])
        if step.kind == StepKind.DISPOSAL:
            cast.inherited.begin_disposal(step, orders[0], sent)
        sends = step.kind in SENDING
        traded = play_trades(stage, step, orders, fills, levels) if sends else NO_TRADE
        due = traded.due
        if order is not None:
            check_sent(stage, step, row, order, traded, sent)
            due = due + fee_due(stage, order, postings, insured)
            rules = stage.terms.rules
            if rules is None or rules.mark_refresh == MarkRefresh.ORDER:
                begin_taking(stage)
        else:
            due, notes = self._asked(cast, step, due)
        self.lineage.check(cast, step, moved)
        self._postings(stage, step, due, first_posting, postings, plain=not orders[1])
        if step.kind == StepKind.ADL:
            losses.paid(step)
        touched = {orders[1][0].market} if orders[1] else {step.market} - {-1}
        touched.update(level.market for level in levels[1])
        check_invariants(stage, touched)
        if order is not None:
            end_order(stage, turn, row, order, insured)
        elif step.kind == StepKind.AUCTION:
            end_auction(stage, turn, row, liquidations)
        play_marks(stage, step, *self.rows.marks.at(k))
        play_funds(stage, before, *self.rows.funds.at(k))
        play_notes(stage, notes, *self.rows.notes.at(k))
        for scope in stage.ledger.touched:
            if stage.ledger.collateral[scope] < 0 and stage.ledger.flat(scope):
                stage.broke.add(scope)
            else:
                stage.broke.discard(scope)
        stage.ledger.close(k)
        for market in touched:
            stage.markets[market].look(k)
        stage.steps.append(k)

    def _asked(self, cast: Cast, step: Step, due: list[Due]) -> tuple[list[Due], list[Note]]:
        """Return what a step other than an order asks for: postings (`due` of fills), notes."""
        stage, k, notes = cast.stage, step.step, list[Note]()
        sent, told = stage.sent, stage.told
        if step.kind == StepKind.TAKEOVER:
            cast.inherited.cancelled(step, *self.rows.levels.at(k))
            due = cast.inherited.takeover(step, *self.rows.adl.at(k))
        elif step.kind == StepKind.DISPOSAL:
            if stage.terms.stages.variation:
                due = settle_market(stage, step.market, due)
            mend(stage, stage.plain[step.market].asset, due)
        elif step.kind == StepKind.PAYMENT:
            due = payment(stage, step)
        elif step.kind == StepKind.ADL:
            due, notes = cast.losses.adl(step, *self.rows.adl.at(k))
        elif step.kind == StepKind.WATERFALL:
            due, notes = cast.losses.waterfall(step, self.rows.postings.at(k)[1])
        elif step.kind == StepKind.SHOCK:
            notes = told_lies(stage, told)
            notes += valve_notes(stage, step, sent, told)
        elif step.kind == StepKind.INTEREST:
            due, notes = interest_due(stage, step, told)
        elif step.kind == StepKind.RATES:
            notes = rate_notes(stage, step)
        elif step.kind in NOTED:
            notes = valve_notes(stage, step, sent, told)
            if step.kind == StepKind.AUCTION:
                due = play_auction(stage, cast.turn, step, self.rows)
        elif step.kind in AHEAD:
            due, notes = ahead_due(stage, step, self.rows, due, sent)
        elif step.kind == StepKind.BOUND:
            notes = [Note(k, int(NoteKind.BOUND_REACHED), -1, -1, step.round, 0)]
        return due, notes

    def _insured(self, stage: Stage, order: Liquidation, held: Held, fills: list[Fill]) -> Insured:
        """Settle the fills of an insured order one by one, before the ledger takes them."""
        if not stage.terms.stages.insured:
            return Insured()
        linear = all(market.kind == MarketKind.LINEAR for market in stage.plain)
        if not (stage.terms.bracketed and linear):
            self.findings.gap("insured", "margins not named, or inverse markets (orders)")
            return Insured()
        fund = stage.ledger.collateral[fund_of(stage, order.market)]
        return settle_fills(stage, order, held, fund, fills)

    def _scopes(self, k: int) -> None:
        first, rows = self.rows.scopes.at(k)
        self.findings.step = k
        for number, row in enumerate(rows, first):
            play_scopes(self.stages, number, row)

    # Money.

    def _postings(
        self,
        stage: Stage,
        step: Step,
        due: list[Due],
        first: int,
        rows: list[Posting],
        *,
        plain: bool,
    ) -> None:
        """The postings are those that the step asks for, in order; then money moves."""
        findings = self.findings
        findings.rows["postings"] += len(rows)
        if step.kind == StepKind.AGENTS and plain:
            due = self._of_user(stage, first, rows)
        if stage.terms.staged and sorted(due) == sorted(row[1:] for row in rows):
            due = [row[1:] for row in rows]  # Of the many payments of a stage any order will do.
        for number, (want, got) in enumerate(zip(due, rows, strict=False), first):
            if want != got[1:]:
                cells = zip(Posting._fields[1:], want, got[1:], strict=True)
                named = {name: (int(w), g) for name, w, g in cells}
                findings.same("postings", "postings", number, **named)
        if len(rows) != len(due):
            where = first + min(len(rows), len(due))
            findings.fail("postings", "postings", where, "step", f"have {len(due)} postings",
                          len(rows))  # fmt: skip
        for row in rows:
            stage.ledger.pay(row)
            if row.from_holder == OUTSIDE:
                stage.paid_in[row.asset] += row.amount
            if row.to_holder == OUTSIDE:
                stage.paid_in[row.asset] -= row.amount

    def _of_user(self, stage: Stage, first: int, rows: list[Posting]) -> list[Due]:
        """A user's deposit, withdrawal or transfer is as large as the tape says, but lawful."""
        if not rows:
            return []
        row, ledger = rows[0], stage.ledger
        scope = row.to_holder if row.from_holder == OUTSIDE else row.from_holder
        other = row.to_holder if scope == row.from_holder else row.from_holder
        lawful = scope in ledger.scopes and row.amount > 0
        if row.reason == PostReason.TRANSFER:
            lawful = lawful and other in ledger.scopes
            owners = {ledger.holders[end].account for end in (scope, other) if end != OUTSIDE}
            lawful = lawful and len(owners) == 1
            apart = [end for end in (scope, other) if end >= 0 and ledger.holders[end].market >= 0]
            lawful = lawful and len(apart) == 1
        else:
            out = row.reason == PostReason.WITHDRAWAL
            lawful = lawful and other == OUTSIDE and row.reason in USER_REASONS
            lawful = lawful and (row.to_holder if out else row.from_holder) == OUTSIDE
        if not lawful:
            self.findings.fail("postings", "postings", first, "reason", "be what a user may do",
                               row.reason)  # fmt: skip
        elif row.from_holder != OUTSIDE and ledger.collateral[row.from_holder] < row.amount:
            want = f"be at most {ledger.collateral[row.from_holder]}"
            self.findings.fail("postings", "postings", first, "amount", want, row.amount)
        return [row[1:]]


def _run(levels: list[Level], place: int, key: tuple[int, int]) -> int:
    """Return where the levels of one market and side end that begin at `place`, best first."""
    sign = -1 if key[1] == Side.BID else 1
    start = place
    while place < len(levels) and (levels[place].market, levels[place].side) == key:
        if place > start and (levels[place].price - levels[place - 1].price) * sign <= 0:
            break
        place += 1
    return place
