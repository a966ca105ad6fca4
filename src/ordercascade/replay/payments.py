"""Settlement to the mark and margin levels, worked out again. ADR 10; MARGIN §2.4, §6.8."""

from __future__ import annotations

from ordercascade.enums import HolderKind, PostReason
from ordercascade.replay.funds import fund_of
from ordercascade.replay.ledger import Due
from ordercascade.replay.margins import standing_of
from ordercascade.replay.rows import Step
from ordercascade.replay.stage import Stage
from ordercascade.replay.terms import PPM


class Purse:
    """Collateral as the postings of a step move it, one after the other."""

    def __init__(self, stage: Stage, due: list[Due]) -> None:
        self.stage, self.due = stage, due
        self.money = dict(stage.ledger.collateral)
        for _, source, target, amount, _ in due:
            self.money[source] -= amount
            self.money[target] += amount

    def pay(self, asset: int, source: int, target: int, amount: int, why: PostReason) -> None:
        """Post an amount above zero."""
        if amount > 0:
            self.due.append((asset, source, target, amount, int(why)))
            self.money[source] -= amount
            self.money[target] += amount


def settle_market(stage: Stage, market: int, due: list[Due]) -> list[Due]:
    """Realise every position of a market to its mark, collect, share what is missing, pay.

    `due` are the postings of the step so far: a disposal is followed by a settlement of its own.
    """
    ledger, asset = stage.ledger, stage.plain[market].asset
    terms, mark = stage.plain[market], stage.markets[market].mark
    gains: dict[int, int] = {}
    purse = Purse(stage, due)
    clearing = stage.holder(HolderKind.CLEARING, market)
    for holder in sorted(ledger.legs):
        leg = ledger.legs[holder].get(market)
        if leg is None:
            continue
        gain = ledger.settle(holder, market, terms.worth(leg[0], mark)) if leg[0] else 0
        if gain:
            due.append((asset, clearing, holder, gain, int(PostReason.REALISE)))
            purse.money[clearing] -= gain
            purse.money[holder] += gain
        gain += ledger.unsettled.pop((market, holder), 0)
        gains[holder] = gain
    _cover(stage, purse, market, gains)
    return due


def _cover(stage: Stage, purse: Purse, market: int, gains: dict[int, int]) -> None:
    """Who cannot pay takes from its cross scope, then from the fund, then from the winners."""
    ledger, money, asset = stage.ledger, purse.money, stage.plain[market].asset
    fund = fund_of(stage, market)
    debt = stage.holder(HolderKind.BAD_DEBT, asset)
    scopes = [h for h in sorted(ledger.scopes) if ledger.holders[h].asset == asset]
    missing = 0
    for scope in scopes:
        if money[scope] >= 0:
            continue
        cross = ledger.cross.get((ledger.holders[scope].account, asset), -1)
        if cross not in (-1, scope):
            amount = min(-money[scope], money[cross])
            purse.pay(asset, cross, scope, amount, PostReason.TRANSFER)
        spare = money[fund] - max(0, gains.get(fund, 0))
        purse.pay(asset, fund, scope, min(-money[scope], spare), PostReason.FUND_PAYS)
        missing += max(0, -money[scope])
    missing += max(0, -money[fund])
    if not missing:
        return
    missing -= _share(stage, purse, market, gains, missing)
    purse.pay(asset, debt, fund, missing, PostReason.BAD_DEBT)
    for scope in scopes:
        purse.pay(asset, fund, scope, -money[scope], PostReason.SOCIALISED)


def _share(stage: Stage, purse: Purse, market: int, gains: dict[int, int], missing: int) -> int:
    """Each winner keeps floor(gain * collected / owed); return what they were charged."""
    fund, asset = fund_of(stage, market), stage.plain[market].asset
    external = stage.holder(HolderKind.EXTERNAL, asset)
    winners = {who: gain for who, gain in sorted(gains.items()) if gain > 0 and who != external}
    if not winners:
        return 0
    last = fund if fund in winners else max(winners)
    owed = sum(winners.values())
    missing = min(missing, owed)
    charges = {who: gain - gain * (owed - missing) // owed for who, gain in winners.items()}
    charges[last] -= sum(charges.values()) - missing
    charged = 0
    for who, wanted in charges.items():
        charge = min(wanted, max(0, purse.money[who]))
        if who != fund:
            purse.pay(asset, who, fund, charge, PostReason.SOCIALISED)
        charged += charge
    return charged


def due_to_settle(stage: Stage, market: int) -> bool:
    """Say if somebody has a gain or loss in a market that was not settled."""
    terms, mark = stage.plain[market], stage.markets[market].mark
    return any(
        market in legs
        and (legs[market][1] != terms.worth(legs[market][0], mark)
             or stage.ledger.unsettled.get((market, holder), 0))
        for holder, legs in stage.ledger.legs.items()
    )  # fmt: skip


def keep_levels(stage: Stage) -> list[Due]:
    """Isolated scopes below the search level are filled, those above release give back."""
    ledger, stages = stage.ledger, stage.terms.stages
    due: list[Due] = []
    purse = Purse(stage, due)
    for scope in sorted(ledger.scopes):
        holder = ledger.holders[scope]
        cross = ledger.cross.get((holder.account, holder.asset), -1)
        if holder.market < 0 or cross < 0:
            continue
        held = ledger.held(scope)._replace(collateral=purse.money[scope])
        at = standing_of(held, stage.marks, stage.plain)
        goal = at.maintenance * stages.initial_ppm // PPM
        if at.equity < at.maintenance * stages.search_ppm // PPM:
            amount = min(purse.money[cross], goal - at.equity)
            purse.pay(holder.asset, cross, scope, amount, PostReason.TRANSFER)
        elif at.equity > at.maintenance * stages.release_ppm // PPM:
            amount = min(held.collateral, at.equity - goal)
            purse.pay(holder.asset, scope, cross, amount, PostReason.TRANSFER)
    return due


def payment(stage: Stage, step: Step) -> list[Due]:
    """Return the postings of a payment step."""
    findings, stages = stage.findings, stage.terms.stages
    findings.rows["payments"] += 1
    if step.market >= 0:
        if not stages.variation or not due_to_settle(stage, step.market):
            want = "be a market with something to settle to its mark"
            findings.fail("payments", "steps", step.step, "market", want, step.market)
        return settle_market(stage, step.market, [])
    if not stages.release_ppm:
        findings.fail(
            "payments", "steps", step.step, "kind", "be at a venue with levels", step.kind
        )
        return []
    if not stage.terms.bracketed:
        findings.gap("payments", "the tape does not name a market's margin (steps)")
        return []
    due = keep_levels(stage)
    if not due:
        findings.fail("payments", "steps", step.step, "step", "move something", step.step)
    return due
