"""Whose fund pays, how far a fund fell, what a day made: as core/funds has it. ADR 24."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordercascade.enums import HolderKind, PostReason, SocialRule, Takeover
from ordercascade.replay.margins import equity_of

if TYPE_CHECKING:
    from ordercascade.replay.ledger import Due
    from ordercascade.replay.stage import Stage

PPM = 10**6


def fund_of(stage: Stage, market: int) -> int:
    """Return the fund that answers for a market: its own, or its asset's."""
    return stage.ledger.fund(market, stage.plain[market].asset)


def taker_of(stage: Stage, market: int) -> int:
    """Return who takes over what is held in a market."""
    if stage.terms.stages.takeover == Takeover.FUND:
        return fund_of(stage, market)
    return stage.holder(HolderKind.VAULT, stage.plain[market].asset)


def loss_market(stage: Stage, scope: int) -> int:
    """Return the market that bears what a scope owes; -1 where funds are not by market."""
    if not stage.terms.stages.fund_market:
        return -1
    holder = stage.ledger.holders[scope]
    if holder.market >= 0:
        return holder.market
    first = min(m.terms.id for m in stage.markets if m.terms.asset == holder.asset)
    return stage.ledger.traded.get(scope, first)


def loss_fund(stage: Stage, scope: int) -> int:
    """Return the fund that pays what a scope owes."""
    market = loss_market(stage, scope)
    if market < 0:
        return stage.holder(HolderKind.FUND, stage.ledger.holders[scope].asset)
    return fund_of(stage, market)


def mend(stage: Stage, asset: int, due: list[Due]) -> list[Due]:
    """Fill each fund that the postings so far leave below zero from bad debt; return the new."""
    debt = stage.holder(HolderKind.BAD_DEBT, asset)
    made = []
    for fund in stage.ledger.funds_of(asset):
        left = stage.ledger.collateral[fund]
        for _, source, target, amount, _ in due:
            left += amount if target == fund else -amount if source == fund else 0
        if left < 0:
            made.append((asset, debt, fund, -left, int(PostReason.BAD_DEBT)))
    return made


class Past:
    """What a venue's funds had, and everybody's equity when the day began."""

    def __init__(self) -> None:
        self.time_ns = 0  # of the step being played
        self.had: list[tuple[int, int, int]] = []  # until, fund, balance
        self.next_ns: int | None = None  # when the next day begins
        self.base: dict[int, int] = {}

    def enter(self, stage: Stage, time_ns: int) -> None:
        """A step begins: another day may begin before it."""
        self.time_ns = time_ns
        stages = stage.terms.stages
        if stages.social_rule != SocialRule.DAY or (self.next_ns or 0) > time_ns:
            return
        scopes = stage.ledger.scopes
        self.base = {s: equity_of(stage.ledger.held(s), stage.marks, stage.plain) for s in scopes}
        stage.ledger.brought.clear()
        days = (time_ns - stages.day_at_ns) // stages.day_ns + 1
        self.next_ns = days * stages.day_ns + stages.day_at_ns

    def profit(self, stage: Stage, scope: int, equity: int) -> int:
        """Return what a scope made since the day began, without what it was brought."""
        return equity - self.base.get(scope, 0) - stage.ledger.brought.get(scope, 0)

    def fell(self, stage: Stage, fund: int, balance: int) -> None:
        """Remember what a fund had until this step."""
        if stage.terms.stages.drawdown_ppm:
            self.had.append((self.time_ns, fund, balance))

    def drawn_down(self, stage: Stage, fund: int) -> bool:
        """Say if a fund is too far below its high to take anything over."""
        stages, now = stage.terms.stages, stage.ledger.collateral[fund]
        if not stages.drawdown_ppm or stages.takeover != Takeover.FUND:
            return False
        since = self.time_ns - stages.drawdown_ns
        high = max([now, *(had for until, who, had in self.had if who == fund and until >= since)])
        return now <= 0 or now * PPM <= high * (PPM - stages.drawdown_ppm)
