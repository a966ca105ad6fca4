"""What SEMANTICS §1 promises of money and lots after every step, counted from the ledger."""

from __future__ import annotations

from ordercascade.enums import HolderKind
from ordercascade.replay.stage import Stage


def check_invariants(stage: Stage, markets: set[int]) -> None:
    """What SEMANTICS §1 promises after every step."""
    findings, ledger = stage.findings, stage.ledger
    findings.rows["money"] += 1
    findings.rows["equity"] += 1
    for market in markets:
        check_costs(stage, market)
    for asset, paid in stage.paid_in.items():
        owned = ledger.totals[asset]
        findings.same("money", "steps", findings.step, collateral=(paid, owned))
        equity = owned
        for each in stage.markets:
            number = each.terms.id
            if each.terms.asset == asset:
                equity -= ledger.collateral[stage.holder(HolderKind.CLEARING, number)]
                equity -= ledger.costs.get(number, 0)
                equity += each.terms.worth(ledger.sizes.get(number, 0), each.mark)
        findings.same("equity", "steps", findings.step, equity=(paid, equity))


def check_costs(stage: Stage, market: int) -> None:
    """Sizes add up to none, costs to what clearing has paid out. SEMANTICS §1."""
    ledger, findings = stage.ledger, stage.findings
    findings.rows["costs"] += 1
    size, cost = ledger.sizes.get(market, 0), ledger.costs.get(market, 0)
    clearing = ledger.collateral[stage.holder(HolderKind.CLEARING, market)]
    step = findings.step
    if size:
        findings.fail("costs", "steps", step, "size", f"add up to 0 in market {market}", size)
    if cost + clearing:
        want = f"add up to 0 with clearing in market {market}"
        findings.fail("costs", "steps", step, "cost", want, cost + clearing)


def check_total(stage: Stage) -> None:
    """Count all money again at the end."""
    for asset in stage.assets:
        owned = sum(
            money
            for holder, money in stage.ledger.collateral.items()
            if stage.ledger.holders[holder].asset == asset
        )
        if owned != stage.paid_in[asset]:
            want = f"be {stage.paid_in[asset]} of asset {asset}"
            stage.findings.fail("money", "postings", -1, "amount", want, owned)
