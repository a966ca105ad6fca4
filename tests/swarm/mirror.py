"""What every holder must own, by the tape alone: the transfer invariants of SEMANTICS §1.

The mirror knows lots and equities, no costs: a fill gives each side what its lots are then worth
more, less what it paid; a posting moves its amount, a leg that is handed over its value less its
cost, and a new mark what it makes of the lots. What the engine says must be that, holder by holder;
over all holders but clearing the sum is what was paid in (inverse: less what flooring the values
took off, below a unit a position). Sums of the ledger alone cannot see a transfer
to the wrong holder.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, NamedTuple

from ordercascade.enums import HolderKind, PostReason, PriceMode, StepKind

OUTSIDE = -1
REALISE = int(PostReason.REALISE)
ADL, DISPOSAL = int(StepKind.ADL), int(StepKind.DISPOSAL)
AT_BANKRUPTCY = int(PriceMode.BANKRUPTCY)
CLEARING, SCOPE = int(HolderKind.CLEARING), int(HolderKind.SCOPE)


class Terms(NamedTuple):
    """A contract: m, or K of an inverse one; or a spot book, where nobody has positions."""

    multiplier: int
    inverse: bool = False
    spot: bool = False

    def worth(self, lots: int, price: int) -> int:
        if self.inverse:
            return math.floor(Fraction(-self.multiplier * lots, price))
        return lots * price * self.multiplier

    def paid(self, lots: int, price: int) -> int:
        """What a trade adds to the cost of whoever takes signed lots."""
        if self.inverse:
            return -math.trunc(Fraction(self.multiplier * lots, price))
        return lots * price * self.multiplier


class Mirror:
    """Follows one venue of a world; `sync()` reads the rows written since the last call."""

    def __init__(self, world: Any, terms: list[Terms]) -> None:
        self.terms = terms
        self.markets = range(len(terms))
        self.look(world)
        self.equity: list[int] = []
        self.assets: list[int] = []
        self.users: list[int] = []  # every holder but clearing
        self.held: list[dict[int, int]] = [{} for _ in self.markets]
        self.scopes: dict[tuple[int, int], int] = {}  # (account, market or −1 − asset) -> holder
        self.isolated: list[tuple[int, int]] = []  # (account, market)
        self.asset_of: list[int] = []
        self.clearing: list[int] = []
        self.rows = dict.fromkeys(("accounts", "steps", "fills", "postings", "adl"), 0)
        self.marks = self.venue.marks()
        self.bankrupt = -1  # of the deleveraging that wrote the latest step
        self._new_holders()
        for _, scope, market, size, cost in map(
            lambda row: self.log.row("positions", row), range(self.log.rows("positions"))
        ):
            self.held[market][scope] = size
            self.equity[scope] += terms[market].worth(size, self.marks[market]) - cost
        self.paid_in = [-floored for floored in self._floored()]
        for holder in self.users:
            self.paid_in[self.assets[holder]] += self.equity[holder]

    def look(self, world: Any) -> None:
        """Follow another world in the same state: a fork."""
        self.world, self.venue, self.log = world, world.venue(0), world.log

    def _new_holders(self) -> None:
        rows = self.log.rows("accounts")
        for number in range(self.rows["accounts"], rows):
            _, holder, account, kind, asset, market, collateral = self.log.row("accounts", number)
            assert holder == number == len(self.equity)
            self.equity.append(collateral)
            self.assets.append(asset)
            if kind == CLEARING:
                self.clearing.append(holder)
                self.asset_of.append(asset)
            else:
                self.users.append(holder)
            if account >= 0:
                self.scopes[account, market if market >= 0 else -1 - asset] = holder
                if market >= 0:
                    self.isolated.append((account, market))
        self.rows["accounts"] = rows

    def scope(self, account: int, market: int) -> int:
        """The holder of an account's lots in a market."""
        found = self.scopes.get((account, market))
        return self.scopes[account, -1 - self.asset_of[market]] if found is None else found

    def sync(self) -> None:
        """Read what is new, step by step, then compare every equity and the sum of all."""
        rows = self.rows
        if self.log.rows("accounts") != rows["accounts"]:
            self._new_holders()
        steps = self.log.rows("steps")
        for step in range(rows["steps"], steps):
            self._step(step)
        rows["steps"] = steps
        marks = self.venue.marks()
        if marks != self.marks:
            self._move_marks(marks)
        found = self.bare(self.venue._equities())
        if found != self.equity:
            both = enumerate(zip(found, self.equity, strict=True))
            off = {holder: pair for holder, pair in both if pair[0] != pair[1]}
            raise AssertionError(f"equity by holder, (engine, transfers): {off}")
        if self.bankrupt >= 0:
            self._adl_is_exact()
        sums = [-floored for floored in self._floored()]
        for holder in self.users:
            sums[self.assets[holder]] += found[holder]
        assert sums == self.paid_in, f"sum of equities {sums}, paid in {self.paid_in}"

    def bare(self, equities: list[int]) -> list[int]:
        """Return equities without what other assets add to them: nothing here."""
        return equities

    def _floored(self) -> list[int]:
        """What all positions of each asset are worth: 0, or what flooring took off."""
        sums = [0] * (max(self.assets) + 1)
        for market, held in enumerate(self.held):
            terms = self.terms[market]
            worth = sum(terms.worth(lots, self.marks[market]) for lots in held.values())
            assert -len(held) < worth <= 0 if terms.inverse else worth == 0
            sums[self.asset_of[market]] += worth
        return sums

    def _take(self, holder: int, market: int, lots: int, cost: int) -> None:
        """Signed lots at a signed cost."""
        held, mark = self.held[market], self.marks[market]
        before = held.get(holder, 0)
        held[holder] = before + lots
        worth = self.terms[market].worth
        self.equity[holder] += worth(before + lots, mark) - worth(before, mark) - cost

    def _step(self, step: int) -> None:
        row = self.log.row("steps", step)
        disposing = row[6] if row[4] == DISPOSAL else OUTSIDE
        for fill in range(row[12], row[13]):
            self._fill(self.log.row("fills", fill), disposing)
        at, end = self.rows["postings"], self.log.rows("postings")
        while at < end and (posting := self.log.row("postings", at))[0] == step:
            self._posting(posting)
            at += 1
        self.rows["postings"] = at
        self.bankrupt = -1
        at, end = self.rows["adl"], self.log.rows("adl")
        while at < end and (handed := self.log.row("adl", at))[0] == step:
            self._hand_over(handed)
            if row[4] == ADL and handed[8] == AT_BANKRUPTCY:
                self.bankrupt = row[6]
            at += 1
        self.rows["adl"] = at

    def _fill(self, row: tuple[int, ...], disposing: int) -> None:
        _, _, market, price, size, side, maker, taker = row[:8]
        if maker == taker or self.terms[market].spot:  # Postings say what a sale of coins brings.
            return
        lots = -size if side else size
        # Who sells what it took over has no account.
        bought = self.scope(taker, market) if disposing == OUTSIDE else disposing
        sold = self.scope(maker, market)
        cost = self.terms[market].paid(lots, price)
        self._take(bought, market, lots, cost)
        self._take(sold, market, -lots, -cost)

    def _posting(self, row: tuple[int, ...]) -> None:
        _, asset, source, target, amount, reason = row
        if reason == REALISE:  # Out of the cost into the collateral: no equity but clearing's.
            assert self.assets[target] == asset
            self.equity[source] -= amount
            return
        for holder, signed in ((source, -amount), (target, amount)):
            if holder == OUTSIDE:
                self.paid_in[asset] -= signed
            else:
                assert self.assets[holder] == asset
                self.equity[holder] += signed

    def _hand_over(self, row: tuple[int, ...]) -> None:
        _, market, source, target, lots, cost = row[:6]
        signed = lots if self.held[market][source] > 0 else -lots
        # A leg is let go at once: of its parts only the sum is worth what the whole was.
        self._take(source, market, -signed, -cost)
        self._take(target, market, signed, cost)

    def _move_marks(self, marks: list[int]) -> None:
        for market, (new, old) in enumerate(zip(marks, self.marks, strict=True)):
            if new == old:
                continue
            worth = self.terms[market].worth
            for holder, lots in self.held[market].items():
                self.equity[holder] += worth(lots, new) - worth(lots, old)
        self.marks = marks

    def _adl_is_exact(self) -> None:
        """At bankruptcy price the counterparties lose minus the bankrupt's equity: it ends at 0."""
        bankrupt = self.bankrupt
        lots = [held.get(bankrupt, 0) for held in self.held]
        assert [self.venue.position(bankrupt, market)[0] for market in self.markets] == lots
        if not any(lots):
            assert self.equity[bankrupt] == 0, f"{bankrupt} keeps {self.equity[bankrupt]}"
            assert self.venue.collateral(bankrupt) == 0
