"""Sizes and limits of liquidation orders, written a second time from MARGIN §6.2, §6.3; ADR 10."""

from __future__ import annotations

from typing import NamedTuple

from ordercascade.duties import TrancheRule
from ordercascade.enums import MarketKind, OrderLimit
from ordercascade.replay.margins import Held, bankruptcy_price, brackets_of, standing_of
from ordercascade.replay.schedules import Schedule
from ordercascade.replay.stage import Stage
from ordercascade.replay.staging import Sizes
from ordercascade.replay.terms import PPM, Brackets

PPT = 10**12


class Plan(NamedTuple):
    """What the policy saw of a leg: the scope, marks, the best prices, times."""

    held: Held
    market: int
    marks: list[int]
    best: tuple[int, int]
    time_ns: int
    since_ns: int


def lots_of(stage: Stage, sizes: Sizes, plan: Plan) -> int:
    """Return how many lots an order was planned for."""
    leg = _Leg(stage, sizes, plan)
    if sizes.rule == TrancheRule.PORTION:
        return leg.portion()
    rules = {
        TrancheRule.COVER: leg.cover,
        TrancheRule.TIER_DOWN: leg.tier_down,
        TrancheRule.TIER_FIT: leg.tier_fit,
    }
    lots = rules[TrancheRule(sizes.rule)]() if sizes.rule in rules else leg.lots
    if sizes.block_value:
        lots = min(lots, max(1, leg.worth_at_most(sizes.block_value)))
    return lots


def limit_of(stage: Stage, sizes: Sizes, plan: Plan, lots: int) -> tuple[bool, int]:
    """Return if an order was at market, and its limit else."""
    leg = _Leg(stage, sizes, plan)
    rule = sizes.limit
    if lots == leg.lots and sizes.limit_all >= 0:
        rule = sizes.limit_all
    if rule == OrderLimit.MARKET:
        return True, 0
    if rule == OrderLimit.FILLABLE:
        return False, leg.fillable()
    if rule == OrderLimit.RANGE:
        return False, leg.range()
    return False, bankruptcy_price(plan.held, plan.market, plan.marks, stage.plain)


class _Leg:
    """A leg at risk on the marks of the plan."""

    def __init__(self, stage: Stage, sizes: Sizes, plan: Plan) -> None:
        self.stage, self.sizes, self.plan = stage, sizes, plan
        terms = stage.plain[plan.market]
        self.mark = plan.marks[plan.market]
        self.terms = terms
        _, self.size, self.cost = next(leg for leg in plan.held.legs if leg[0] == plan.market)
        self.lots = abs(self.size)
        self.at = standing_of(plan.held, plan.marks, stage.plain)
        self.asks = brackets_of(terms)
        self.rows = self.asks.rows or [(0, 0, 0, 0)]
        self.by_lots = self.asks.by_lots
        self.value = abs(terms.worth(self.size, self.mark))
        over = self.lots if self.by_lots else self.value
        self.tier = max([0, *(at for at, row in enumerate(self.rows) if row[0] <= over)])
        self.rate = self.rows[self.tier][1]

    def worth_at_most(self, amount: int) -> int:
        """Return the most lots that are worth no more at the mark."""
        if self.terms.kind == MarketKind.INVERSE:
            return min(2**40, amount * self.mark // self.terms.multiplier)
        return amount // max(1, self.mark * self.terms.multiplier)

    def portion(self) -> int:
        most = max(self.sizes.min_value, self.value * self.sizes.portion_ppm // PPM)
        if self.sizes.block_value:
            most = min(most, self.sizes.block_value)
        return min(self.lots, max(1, self.worth_at_most(most)))

    def cover(self) -> int:
        sizes = self.sizes
        target = -(-self.at.maintenance * sizes.target_ppm // PPM)
        target -= -self.value * sizes.buffer_ppm // PPM
        shortage = target - self.at.equity
        freed = self.rate * sizes.target_ppm + (sizes.buffer_ppm - sizes.cost_ppm) * PPM
        if shortage <= 0:
            return 1
        if freed <= 0:
            return self.lots
        lots, below = shortage * PPT, self.terms.multiplier * freed
        if self.terms.kind == MarketKind.INVERSE:
            lots *= self.mark
        else:
            below *= self.mark
        lots = min(self.lots, -(-lots // below) if sizes.round_up else lots // below)
        share = sizes.portion_ppm
        if shortage < sizes.min_value:
            share = PPM
        elif sizes.ramp_ns:
            passed = self.plan.time_ns - self.plan.since_ns
            share = min(PPM, share + passed * PPM // sizes.ramp_ns)
        return max(1, lots * share // PPM)

    def _top(self, tier: int) -> int:
        """Return the most lots that still lie in a tier."""
        if tier + 1 >= len(self.rows):
            return 2**40
        floor = self.rows[tier + 1][0] - 1
        return floor if self.by_lots else self.worth_at_most(floor)

    def tier_down(self) -> int:
        if self.tier < self.sizes.tiers:
            return self.lots
        return max(1, self.lots - self._top(self.tier - self.sizes.tiers))

    def _need(self, lots: int) -> int:
        """Return what the table alone asks: without a fee, at the mark."""
        value = abs(self.terms.worth(lots if self.size > 0 else -lots, self.mark))
        if isinstance(self.asks, Brackets):
            return self.asks.maintenance(lots, value, 0)
        _, rate, amount, _ = self.asks.row(lots, value)
        return max(0, -(-value * rate // PPM) - amount)

    def tier_fit(self) -> int:
        others = self.at.maintenance - self._need(self.lots)
        for tier in range(self.tier - 1, -1, -1):
            kept = self._top(tier)
            if self.at.equity - others >= self._need(kept):
                return max(1, self.lots - kept)
        return self.lots

    def fillable(self) -> int:
        """P (1 - s ABR SMMR MMF), rounded against the account. [D4, D5]"""
        short = max(0, self.at.maintenance - self.at.equity)
        asked = max(1, self.at.maintenance)
        if short * self.sizes.adjustment_ppm >= asked * PPM:
            short = asked
        else:
            short, asked = short * self.sizes.adjustment_ppm, asked * PPM
        part = self.mark * short * self.sizes.spread_ppm * self.rate // (asked * PPT)
        return self.mark - part if self.size > 0 else self.mark + part

    def range(self) -> int:
        bid, ask = self.plan.best
        twice = bid + ask if bid and ask else 2 * self.mark
        if self.size > 0:
            return max(1, -(-twice * (PPM - self.sizes.range_ppm) // (2 * PPM)))
        return twice * (PPM + self.sizes.range_ppm) // (2 * PPM)


def unsized(stage: Stage, sizes: Sizes, market: int) -> str:
    """Return why sizes in a market cannot be worked out again, or nothing."""
    margin = stage.plain[market].brackets
    if stage.plain[market].kind != MarketKind.LINEAR:
        return "sizes and limits of a policy with stages at an inverse market (rows)"
    tiered = (TrancheRule.TIER_DOWN, TrancheRule.TIER_FIT, TrancheRule.COVER)
    asks = sizes.rule in tiered or OrderLimit.FILLABLE in (sizes.limit, sizes.limit_all)
    if isinstance(margin, Schedule) and not margin.rows and asks:
        return "sizes and limits by a rate of tiers at a market whose schedule has none (rows)"
    return ""
