"""How a scope of one account stands at some marks, in people's units."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from ordercascade.plan import VenuePlan
from ordercascade.portfolios import given_marks


class Standing(NamedTuple):
    """A margin scope at some marks: `market` is None for the cross scope."""

    account: int
    market: str | None
    equity: Decimal
    maintenance: Decimal
    liquidatable: bool

    @property
    def ratio(self) -> float:
        """Equity over maintenance; at or below 1 the scope is liquidated."""
        return float(self.equity / self.maintenance) if self.maintenance else float("inf")


def stood(
    venue: Any,
    plan: VenuePlan,
    whose: tuple[int, int, int | None],
    marks: Sequence[int],
    legs: Sequence[str | None] = (None,),
) -> Standing:
    """Return margin at given marks: SEMANTICS §1, the same whole numbers as the engine's.

    `whose`: account, scope, and the market of an isolated one; `legs`: of an account in hedge mode.
    """
    account, scope, at = whose
    equity, maintenance, lots = int(venue.collateral(scope)), 0, 0
    for index, item in enumerate(plan.markets):
        for leg in legs:
            size, cost = venue.position(scope, index, leg=leg)
            value = item.market.worth(size, marks[index])
            equity += value - cost
            lots += abs(size)
            maintenance += item.maintenance(abs(value)) if size else 0
    asked = plan.collaterals or plan.portfolio
    if asked or any(item.margins for item in plan.markets):
        equity, maintenance = venue.what_if(scope, given_marks(marks))
    strict = plan.arguments["trigger_strict"]
    short = equity < maintenance or (equity == maintenance and not strict)
    label = None if at is None else plan.markets[at].market.name
    unit = plan.markets[0].market
    money = unit.to_money(equity), unit.to_money(maintenance)
    return Standing(account, label, *money, bool(lots) and short)
