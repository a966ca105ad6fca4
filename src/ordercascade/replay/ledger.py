"""The ledger, played again: who owns what, what fills do to positions, each scope's past."""

from __future__ import annotations

from bisect import bisect_left
from typing import TypeAlias

from ordercascade.enums import HolderKind, PostReason
from ordercascade.replay.margins import NOTHING, Held
from ordercascade.replay.rows import Account, Opened, Posting

OUTSIDE = -1
BROUGHT = (PostReason.TRANSFER, PostReason.DEPOSIT, PostReason.WITHDRAWAL)
Due: TypeAlias = tuple[int, int, int, int, int]  # asset, from, to, amount, reason


class Ledger:
    """One venue's holders. Ids must have been judged by `structure`."""

    def __init__(self, accounts: list[Account], positions: list[Opened]) -> None:
        self.holders: dict[int, Account] = {row.scope: row for row in accounts}
        self.collateral = {row.scope: row.collateral for row in accounts}
        self.legs: dict[int, dict[int, list[int]]] = {row.scope: {} for row in accounts}
        self.venue_holders = {
            (row.kind, row.market if row.kind == HolderKind.CLEARING else row.asset): row.scope
            for row in accounts
            if row.kind != HolderKind.SCOPE
            and not (row.kind == HolderKind.FUND and row.market >= 0)
        }
        self.funds = {
            row.market: row.scope
            for row in accounts
            if row.kind == HolderKind.FUND and row.market >= 0
        }
        self.cross = {
            (row.account, row.asset): row.scope
            for row in accounts
            if row.kind == HolderKind.SCOPE and row.market < 0
        }
        self.isolated = {
            (row.account, row.market): row.scope
            for row in accounts
            if row.kind == HolderKind.SCOPE and row.market >= 0
        }
        self.totals: dict[int, int] = {}  # money of all holders, by asset
        for row in accounts:
            self.totals[row.asset] = self.totals.get(row.asset, 0) + row.collateral
        self.sizes: dict[int, int] = {}  # by market
        self.costs: dict[int, int] = {}
        self.longs: dict[int, set[int]] = {}
        self.shorts: dict[int, set[int]] = {}
        for opened in positions:
            self._place(opened.scope, opened.market, opened.size, opened.cost)
        # An isolated scope takes over its market's fills when it first owns something: without
        # money it could not have taken an order, and without lots nobody deals it any.
        self.live = {
            scope
            for scope in self.isolated.values()
            if self.collateral[scope] or any(size for size, _ in self.legs[scope].values())
        }
        self.history: dict[int, list[tuple[int, Held]]] = {}
        self.scopes = {row.scope for row in accounts if row.kind == HolderKind.SCOPE}
        self.unsettled: dict[tuple[int, int], int] = {}  # (market, holder) -> realised by trades
        self.moved: dict[int, int] = {}  # scope -> the step that last changed its position
        self.traded: dict[int, int] = {}  # scope -> the market in which that was
        self.brought: dict[int, int] = {}  # scope -> money from outside or another scope, this day
        self.touched: set[int] = set()

    def _place(self, holder: int, market: int, size: int, cost: int) -> None:
        self.legs[holder][market] = [size, cost]
        self.sizes[market] = self.sizes.get(market, 0) + size
        self.costs[market] = self.costs.get(market, 0) + cost
        self._side(holder, market, 0, size)

    def _side(self, holder: int, market: int, before: int, after: int) -> None:
        if before > 0 >= after:
            self.longs[market].discard(holder)
        elif before < 0 <= after:
            self.shorts[market].discard(holder)
        if after > 0 >= before:
            self.longs.setdefault(market, set()).add(holder)
        elif after < 0 <= before:
            self.shorts.setdefault(market, set()).add(holder)

    # Who.

    def named(self, kind: HolderKind, which: int) -> int:
        """Return a venue's own holder of an asset, or the clearing holder of a market."""
        return self.venue_holders[kind, which]

    def fund(self, market: int, asset: int) -> int:
        """Return the fund that answers for a market: its own, or its asset's."""
        return self.funds.get(market, self.named(HolderKind.FUND, asset))

    def funds_of(self, asset: int) -> list[int]:
        """Return all funds of an asset, those of markets by market."""
        own = [who for _, who in sorted(self.funds.items()) if self.holders[who].asset == asset]
        return [self.named(HolderKind.FUND, asset), *own]

    def holder_of(self, account: int, market: int, asset: int) -> int:
        """Return who takes an account's fills in a market."""
        if account == 0:
            return self.named(HolderKind.EXTERNAL, asset)
        isolated = self.isolated.get((account, market), OUTSIDE)
        cross = self.cross.get((account, asset), OUTSIDE)
        return isolated if isolated in self.live or cross == OUTSIDE else cross

    # What they own.

    def held(self, holder: int) -> Held:
        """Return what a holder owns now."""
        legs = self.legs[holder]
        if len(legs) == 1:
            ((market, (size, cost)),) = legs.items()
            return Held(self.collateral[holder], ((market, size, cost),) if size else ())
        found = sorted((m, size, cost) for m, (size, cost) in legs.items() if size)
        return Held(self.collateral[holder], tuple(found))

    def size(self, holder: int, market: int) -> int:
        return self.legs[holder].get(market, (0, 0))[0]

    def open_interest(self, market: int) -> int:
        """Return the lots of all longs, the venue's own holders and external among them."""
        return sum(self.size(holder, market) for holder in self.longs.get(market, ()))

    def flat(self, holder: int) -> bool:
        return not any(size for size, _ in self.legs[holder].values())

    def held_before(self, scope: int, step: int) -> Held:
        """Return what a scope owned just before a step, also long ago."""
        past = self.history.get(scope)
        if past is None:
            return self.held(scope)
        place = bisect_left(past, step, key=lambda entry: entry[0])
        return past[place - 1][1] if place else NOTHING

    # What changes it.

    def touch(self, holder: int) -> None:
        """Remember a scope before its first change in a step."""
        if holder in self.touched or holder not in self.scopes:
            return
        self.touched.add(holder)
        if holder not in self.history:
            self.history[holder] = [(-1, self.held(holder))]

    def close(self, step: int) -> None:
        """End a step: keep what its holders own now."""
        for holder in self.touched:
            self.history[holder].append((step, self.held(holder)))
        self.touched.clear()

    def enter(self, holder: int, market: int, lots: int, cost: int, step: int) -> int:
        """Add signed lots at a signed cost; return what that realises."""
        self.touch(holder)
        self.moved[holder] = step
        self.traded[holder] = market
        leg = self.legs[holder].setdefault(market, [0, 0])
        size, before = leg
        after, rest, realised = entered(size, before, lots, cost)
        leg[0], leg[1] = after, rest
        self.sizes[market] = self.sizes.get(market, 0) + lots
        self.costs[market] = self.costs.get(market, 0) + rest - before
        if (size > 0) != (after > 0) or (size < 0) != (after < 0):
            self._side(holder, market, size, after)
        return realised

    def settle(self, holder: int, market: int, value: int) -> int:
        """Let a position cost what it is worth; return the gain that this realises."""
        self.touch(holder)
        leg = self.legs[holder][market]
        gain = value - leg[1]
        self.costs[market] += gain
        leg[1] = value
        return gain

    def pay(self, posting: Posting) -> None:
        """Move the money of a posting as the tape has it."""
        _, _, source, target, amount, reason = posting
        for holder, change in ((source, -amount), (target, amount)):
            if holder != OUTSIDE:
                self.touch(holder)
                self.collateral[holder] += change
                self.totals[self.holders[holder].asset] += change
                self.live.add(holder)
                if reason in BROUGHT:
                    self.brought[holder] = self.brought.get(holder, 0) + change

    def realise(self, holder: int, market: int, asset: int, profit: int, due: list[Due]) -> None:
        """Add the posting that a realised profit asks for; none for zero."""
        if profit:
            key = market, holder
            self.unsettled[key] = self.unsettled.get(key, 0) + profit
            clearing = self.named(HolderKind.CLEARING, market)
            due.append((asset, clearing, holder, profit, PostReason.REALISE))


def entered(size: int, before: int, lots: int, cost: int) -> tuple[int, int, int]:
    """Return size, cost and realised profit after signed lots at a signed cost. SEMANTICS §1.

    What reduces a position leaves floor(cost before * size after / size before); a flip is a
    close, whose part of the cost is floored, then an open.
    """
    after = size + lots
    realised, rest = 0, before + cost
    if size * lots < 0:
        closing, kept = cost, 0
        if abs(lots) > abs(size):
            closing = abs(cost) * abs(size) // abs(lots) * (1 if cost > 0 else -1)
        elif after:
            kept = before * after // size
        realised = kept - (before + closing)
        rest = kept + cost - closing
    return after, rest, realised
