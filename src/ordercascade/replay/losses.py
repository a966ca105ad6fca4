"""Who bore a loss, worked out again: waterfalls and deleveragings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import neg
from typing import NamedTuple

from ordercascade.enums import (
    AdlRule,
    HolderKind,
    MarketKind,
    NoteKind,
    PostReason,
    PriceMode,
    Residual,
    SocialRule,
)
from ordercascade.replay.decided import check_parts
from ordercascade.replay.funds import loss_fund, loss_market
from ordercascade.replay.inherited import mend
from ordercascade.replay.ledger import Due
from ordercascade.replay.margins import Held, bankruptcy_price, equity_of, handover, split
from ordercascade.replay.pairs import pairs_of
from ordercascade.replay.ranks import ACCOUNTS, RANKED, Event, ranked, turned
from ordercascade.replay.rows import Adl, Note, Posting, Step
from ordercascade.replay.stage import Stage
from ordercascade.replay.turns import Turn

EFFORT = 2_000_000  # scopes that may be looked at for ranks and shares in one audit
# What of a position bears a loss, by LotSide.
SIDES: tuple[Callable[[int], int], ...] = (abs, int, neg)
TOO_MANY = "more counterparties than an audit looks at (steps)"


class Loss(NamedTuple):
    """The postings and notes that a step asks for."""

    due: list[Due]
    notes: list[Note]


class Losses:
    """The losses of one venue."""

    def __init__(self, stage: Stage, turn: Turn) -> None:
        self.stage, self.turn = stage, turn
        self.event: Event | None = None
        self.effort = EFFORT

    # Waterfalls.

    def waterfall(self, step: Step, rows: Sequence[Posting]) -> Loss:
        """A flat scope: its deficit is filled, or what it has left goes to the fund."""
        stage, findings, scope = self.stage, self.stage.findings, step.scope
        findings.rows["waterfalls"] += 1
        ordered, self.turn.short = self.turn.short, None
        asset = stage.ledger.holders[scope].asset
        money, fund = stage.ledger.collateral[scope], loss_fund(stage, scope)
        if not stage.ledger.flat(scope):
            findings.fail("waterfalls", "steps", step.step, "scope", "be flat", scope)
        stage.liquidation(scope).end()
        rules = stage.terms.rules
        if money >= 0:
            if money == 0 or (rules is not None and rules.residual != Residual.FUND):
                want = "be one with a deficit or a residual for the fund"
                findings.fail("waterfalls", "steps", step.step, "scope", want, scope)
            return Loss([(asset, scope, fund, money, int(PostReason.RESIDUAL))], [])
        deficit = -money
        paid = min(deficit, stage.ledger.collateral[fund])
        due: list[Due] = []
        notes = []
        if paid > 0:
            due.append((asset, fund, scope, paid, int(PostReason.FUND_PAYS)))
        if 0 < paid < deficit:
            notes.append(Note(step.step, int(NoteKind.FUND_EMPTY), -1, scope, paid, deficit - paid))
        if stage.terms.stages.social_rule == SocialRule.LOTS and rules is not None:
            charged = self._by_lots(scope, asset, deficit - paid, rows, due) if rules.social else 0
        else:
            shares = self._shares(scope, asset, deficit - paid, rows)
            due += [
                (asset, who, scope, share, int(PostReason.SOCIALISED))
                for who, share in shares
                if share
            ]
            charged = sum(share for _, share in shares)
        left = deficit - paid - charged
        if left > 0:
            debt = stage.holder(HolderKind.BAD_DEBT, asset)
            due.append((asset, debt, scope, left, int(PostReason.BAD_DEBT)))
        if ordered is not None:
            parts = {"paid_fund": paid, "paid_socialised": charged, "paid_bad_debt": left}
            check_parts(stage, ordered, parts)
        return Loss(due, notes)

    def _shares(
        self, scope: int, asset: int, amount: int, rows: Sequence[Posting]
    ) -> list[tuple[int, int]]:
        """Return what each winner is charged, by id. SEMANTICS §5.5."""
        stage, rules = self.stage, self.stage.terms.rules
        if amount <= 0 or (rules is not None and not rules.social):
            return []
        told = [(r.from_holder, r.amount) for r in rows if r.reason == PostReason.SOCIALISED]
        if rules is None:
            if told:
                why = "the tape does not say how winners are charged (steps)"
                stage.findings.gap("waterfalls", why)
            return told
        markets = [m.terms.id for m in stage.markets if m.terms.asset == asset]
        sides = (stage.ledger.longs, stage.ledger.shorts)
        holders = {h for side in sides for m in markets for h in side.get(m, ())}
        if not self._afford(len(holders), "waterfalls"):
            return told
        weights = {}
        by_day = stage.terms.stages.social_rule == SocialRule.DAY
        for who in sorted(stage.ledger.scopes if by_day else holders & stage.ledger.scopes):
            held = stage.ledger.held(who)
            if stage.ledger.holders[who].asset != asset:
                continue
            equity = equity_of(held, stage.marks, stage.plain)
            profit = stage.past.profit(stage, who, equity) if by_day else equity - held.collateral
            weights[who] = max(0, min(profit, equity))
        charged = min(amount, sum(weights.values()))
        # A winner's credit is negative, and that is what is floored.
        return [(who, -share) for who, share in split(-charged, weights).items()] if charged else []

    def _by_lots(
        self, scope: int, asset: int, amount: int, rows: Sequence[Posting], due: list[Due]
    ) -> int:
        """Charge every open lot the same, rounded up to the step; what is too much is the fund's.

        Of a scope with several legs the tape may say which leg paid what; its sum is checked.
        """
        stage, ledger = self.stage, self.stage.ledger
        step, fund = stage.terms.stages.social_step, loss_fund(stage, scope)
        bears, one = SIDES[stage.terms.stages.social_side], loss_market(stage, scope)
        markets = {m.terms.id for m in stage.markets if m.terms.asset == asset}
        markets &= {one} if one >= 0 else markets
        lots = {
            who: sum(max(0, bears(n)) for m, n, _ in ledger.held(who).legs if m in markets)
            for who in sorted(ledger.scopes)
        }
        total = sum(lots.values())
        if amount <= 0 or not total:
            return 0
        each = -(-amount // (total * step)) * step
        charged = 0
        told: dict[int, list[int]] = {}
        for row in rows:
            if row.reason == PostReason.SOCIALISED and row.to_holder == fund:
                told.setdefault(row.from_holder, []).append(row.amount)
        for who, count in lots.items():
            equity = equity_of(ledger.held(who), stage.marks, stage.plain)
            charge = max(0, min(each * count, equity))
            parts = told.get(who, [])
            if not charge:
                continue
            if sum(parts) != charge:
                parts = [charge]
            due.extend((asset, who, fund, part, int(PostReason.SOCIALISED)) for part in parts)
            charged += charge
        paid = min(charged, amount)
        if paid > 0:
            due.append((asset, fund, scope, paid, int(PostReason.SOCIALISED)))
        return paid

    def _afford(self, count: int, check: str) -> bool:
        self.effort -= count
        if self.effort < 0:
            self.stage.findings.gap(check, TOO_MANY)
        return self.effort >= 0

    # Deleveraging.

    def adl(self, step: Step, first: int, rows: Sequence[Adl]) -> Loss:
        """One leg goes to its counterparties at the cost fixed before the first leg."""
        stage, findings, ledger = self.stage, self.stage.findings, self.stage.ledger
        findings.rows["adl"] += len(rows)
        if stage.terms.stages.adl_overlap:
            return self._pairs(step, first, rows)
        event = self._event(step)
        market, scope = step.market, step.scope
        size, asset = ledger.size(scope, market), stage.plain[market].asset
        total = sum(row.cost for row in rows)
        if event.costs and market != min(event.costs):
            want = min(event.costs)
            findings.fail("adl", "steps", step.step, "market", want, market)
        cost = event.costs.pop(market, None)
        if cost is None or not event.known:
            cost = total
        lots = sum(row.lots for row in rows)
        last = first + len(rows) - 1
        if lots != abs(size):
            own = rows[-1].lots
            findings.fail("adl", "adl", last, "lots", own + abs(size) - lots, own)
        self._check_rows(step, event, size, cost, first, rows)
        due: list[Due] = []
        profit = ledger.enter(scope, market, -size, -cost, step.step) if size else 0
        ledger.realise(scope, market, asset, profit, due)
        notes = []
        sign = 1 if size > 0 else -1
        terms, mark = stage.plain[market], stage.markets[market].mark
        for row in rows:
            profit = ledger.enter(row.scope_to, market, sign * row.lots, row.cost, step.step)
            ledger.realise(row.scope_to, market, asset, profit, due)
            event.lost += row.cost - terms.worth(sign * row.lots, mark)
            event.floored += terms.kind == MarketKind.INVERSE
            if ledger.holders[row.scope_to].kind == HolderKind.EXTERNAL:
                kind = int(NoteKind.ADL_EXTERNAL)
                notes.append(Note(step.step, kind, market, scope, row.lots, row.cost))
        mend(stage, asset, due)
        return Loss(due, notes)

    def _pairs(self, step: Step, first: int, rows: Sequence[Adl]) -> Loss:
        """One leg, counterparty by counterparty, each at the bankrupt's own cost of that moment."""
        stage, findings, ledger = self.stage, self.stage.findings, self.stage.ledger
        market, scope = step.market, step.scope
        size, asset = ledger.size(scope, market), stage.plain[market].asset
        self.event = Event(scope, step.step, ledger.held(scope), None)
        if self.turn.step3 < 0:
            self.event.parent = stage.liquidation(scope).step
        side = ledger.shorts if size > 0 else ledger.longs
        others = side.get(market, set()) - {scope}
        rule = stage.terms.rules.adl_rule if stage.terms.rules else rows[0].rule
        known = stage.terms.bracketed and size and self._afford(len(others), "adl")
        wanted = []
        if known:
            external = ledger.named(HolderKind.EXTERNAL, asset)
            users = sorted(others - {external})
            if rule in RANKED:
                held = {who: abs(ledger.size(who, market)) for who in users}
                lots = sum(held.values())
                users = ranked(self.stage, self.event, market, users, held, lots, rule)
            elif rule == AdlRule.RANDOM:
                users = turned(users, rows[0].scope_to)
            wanted = pairs_of(stage, scope, market, [*users, *(others & {external})])
            if len(wanted) != len(rows):
                want = f"have {len(wanted)} counterparties"
                findings.fail("adl", "steps", step.step, "step", want, len(rows))
        due: list[Due] = []
        notes = []
        sign = -1 if size > 0 else 1
        for place, row in enumerate(rows):
            told = {"rank": (place, row.rank), "rule": (rule, row.rule)}
            told["price_mode"] = (int(PriceMode.BANKRUPTCY), row.price_mode)
            if place < len(wanted):
                pair = wanted[place]
                told |= {"scope_to": (pair.scope_to, row.scope_to), "cost": (pair.quote, row.cost),
                         "lots": (abs(pair.size), row.lots)}  # fmt: skip
            findings.same("adl", "adl", first + place, **told)
            for who, way in ((scope, 1), (row.scope_to, -1)):
                lots, cost = way * sign * row.lots, -way * row.cost
                profit = ledger.enter(who, market, lots, cost, step.step)
                ledger.realise(who, market, asset, profit, due)
            if ledger.holders[row.scope_to].kind == HolderKind.EXTERNAL:
                kind = int(NoteKind.ADL_EXTERNAL)
                notes.append(Note(step.step, kind, market, scope, row.lots, row.cost))
        mend(stage, asset, due)
        return Loss(due, notes)

    def _event(self, step: Step) -> Event:
        """Return the deleveraging that a step belongs to; a new one fixes the costs."""
        stage, scope = self.stage, step.scope
        event = self.event
        if event is not None and event.scope == scope and event.costs:
            return event
        progress, held = stage.liquidation(scope), stage.ledger.held(scope)
        parent = None
        if self.turn.step3 < 0:
            parent = progress.step
            if self.turn.rules is not None:
                self._check_cooling(step, held)
        event = self.event = Event(scope, step.step, held, parent)
        event.known = len(held.legs) < 2 or stage.terms.bracketed
        event.costs = {market: 0 for market, _, _ in held.legs}
        if event.known and held.legs:
            event.costs = self._costs(held)
        elif held.legs:
            why = "the tape does not name a market's brackets, so legs share equity unknown (steps)"
            stage.findings.gap("adl", why)
        event.equity = equity_of(held, stage.marks, stage.plain)
        return event

    def _costs(self, held: Held) -> dict[int, int]:
        """Return each leg's cost: exactly the bankruptcy cost, or the lots at a whole price."""
        stage, mode = self.stage, self.stage.terms.stages.adl_price
        if mode == PriceMode.BANKRUPTCY:
            return handover(held, stage.marks, stage.plain)
        found = {}
        for number, size, _ in held.legs:
            market = stage.markets[number]
            price = market.mark if mode == PriceMode.MARK else market.before
            if mode == PriceMode.TICK:
                price = bankruptcy_price(held, number, stage.marks, stage.plain)
            found[number] = market.terms.worth(size, price)
        return found

    def _check_cooling(self, step: Step, held: Held) -> None:
        """Before the queue only who cools down below zero is deleveraged. SEMANTICS §9."""
        progress, marks = self.stage.liquidation(step.scope), self.stage.marks
        cools = progress.pending and step.time_ns < progress.cooldown
        if not cools or equity_of(held, marks, self.stage.plain) >= 0:
            want = "be one in cooldown below zero"
            self.stage.findings.fail("adl", "steps", step.step, "scope", want, step.scope)

    def _check_rows(
        self, step: Step, event: Event, size: int, cost: int, first: int, rows: Sequence[Adl]
    ) -> None:
        """Shares of the cost by lots, ranks, rule; and that these are the right counterparties."""
        findings, rules, ledger = self.stage.findings, self.stage.terms.rules, self.stage.ledger
        takers = {row.scope_to: row.lots for row in rows}
        shares = split(cost, {who: takers[who] for who in self._by_id(takers)})
        for place, row in enumerate(rows):
            rule = row.rule if rules is None else rules.adl_rule
            findings.same(
                "adl", "adl", first + place,
                cost=(shares[row.scope_to], row.cost),
                rank=(place, row.rank),
                rule=(rule, row.rule),
                price_mode=(self.stage.terms.stages.adl_price, row.price_mode),
            )  # fmt: skip
        side = ledger.shorts if size > 0 else ledger.longs
        others = side.get(step.market, set()) - {step.scope}
        if not size or not self._afford(len(others), "adl"):
            return
        dealt = self._dealt(event, step.market, abs(size), others, rows)
        for place, ((who, lots), row) in enumerate(zip(dealt, rows, strict=False)):
            findings.same("adl", "adl", first + place, scope_to=(who, row.scope_to),
                          lots=(lots, row.lots))  # fmt: skip
        if len(dealt) != len(rows):
            want = f"have {len(dealt)} counterparties"
            findings.fail("adl", "steps", step.step, "step", want, len(rows))

    def _by_id(self, holders: Iterable[int]) -> list[int]:
        """Return holders in the order of ties: by id, external last."""
        kinds = self.stage.ledger.holders
        return sorted(holders, key=lambda who: (kinds[who].kind == HolderKind.EXTERNAL, who))

    def _dealt(
        self, event: Event, market: int, lots: int, others: set[int], told: Sequence[Adl]
    ) -> list[tuple[int, int]]:
        """Return who takes how many lots, in order; external takes what users cannot."""
        ledger, rule = self.stage.ledger, told[0].rule
        external = ledger.named(HolderKind.EXTERNAL, self.stage.plain[market].asset)
        users = sorted(others - {external})  # the fund and the vault among them, if they hold lots
        held = {who: abs(ledger.size(who, market)) for who in users}
        left = min(lots, sum(held.values()))
        outside = lots - left
        if rule == AdlRule.SCORES:
            self.stage.findings.gap("adl", "scores that the tape does not carry (steps)")
            return [(row.scope_to, row.lots) for row in told]
        if rule in ACCOUNTS and not self.stage.terms.bracketed:
            why = "the tape does not name a market's brackets, so ranks by maintenance (steps)"
            self.stage.findings.gap("adl", why)
            return [(row.scope_to, row.lots) for row in told]
        if rule == AdlRule.PRO_RATA:
            dealt = list(split(left, held).items()) if left else []
        else:
            dealt = []
            if rule in RANKED:
                users = ranked(self.stage, event, market, users, held, left, rule)
            elif rule == AdlRule.RANDOM:
                users = turned(users, told[0].scope_to)
            for who in users:
                dealt.append((who, min(held[who], left)))
                left -= dealt[-1][1]
        return [(who, taken) for who, taken in [*dealt, (external, outside)] if taken]

    def paid(self, step: Step) -> None:
        """After the postings of the last leg the bankrupt has nothing, and owes nothing."""
        event, findings = self.event, self.stage.findings
        if event is None or event.costs:
            return
        if self.stage.terms.stages.adl_overlap:
            if self.stage.ledger.flat(event.scope):
                self.stage.liquidation(event.scope).end()
            self.event = None
            return
        findings.rows["equity"] += 1
        held = self.stage.ledger.held(event.scope)
        exact = self.stage.terms.stages.adl_price == PriceMode.BANKRUPTCY
        if event.known and not exact and held.legs:
            findings.fail("equity", "steps", step.step, "scope", "be left without lots", held)
        if event.known and exact:
            if held.legs or held.collateral:
                findings.fail("equity", "steps", step.step, "scope", "leave the bankrupt nothing",
                              held)  # fmt: skip
            # What the counterparties lose is minus the equity of the bankrupt; inverse: to a unit
            # for each party, the bankrupt too. SEMANTICS §1.
            slack = event.floored + 1 if event.floored else 0
            if abs(event.lost + event.equity) > slack:
                want = f"take {-event.equity} from the counterparties"
                findings.fail("equity", "steps", step.step, "scope", want, event.lost)
        self.stage.liquidation(event.scope).end()
        self.event = None
