"""The ledger against its twin: posts, deposits, trades at fill prices and at any cost, splits."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from typing import Any

from ordercascade.core.ledger import AccountLedger, split
from ordercascade.enums import HolderKind, PostReason
from ordercascade.errors import RangeError
from reference.ledger import OUTSIDE, Ledger
from reference.ledger import split as twin_split
from reference.tables import Tables
from swarm.common import Failed, weighed

CASH_MAX, LOT_MAX = 2**60, 2**40
DUMP_EVERY = 64

KINDS = (
    ("trade", 30), ("close", 10), ("hand_over", 6), ("post", 8), ("deposit", 6), ("split", 6),
)  # fmt: skip


class Pair:
    """One seed's ledgers; `step()` does one operation to both and compares."""

    def __init__(self, seed: int) -> None:
        self.draw = draw = random.Random(seed)
        self.kinds = weighed(draw, KINDS, ("trade",))
        self.assets = draw.choice([1, 1, 2, 3])
        self.fast = AccountLedger(self.assets)
        self.twin = Ledger(self.assets, Tables())
        self.counts: Counter[str] = Counter()
        self.what = "start"
        self.done = 0
        # Costs of at most `price` a lot; in the large worlds the bounds are in reach.
        self.price, self.lots, self.money = draw.choice(
            [(5, 3, 20), (100, 30, 10**5), (2**20, 2**20, 2**45), (2**20 - 1, 2**38, 2**60)]
        )
        self.markets = [n % self.assets for n in range(draw.choice([1, 2, 4]))]
        for number, asset in enumerate(self.markets):
            assert self.fast.add_market(asset) == number
            self.twin.clearing.append(self.twin.add_holder(HolderKind.CLEARING, asset, -1, number))
        self.traders: list[list[int]] = [[5 * asset] for asset in range(self.assets)]
        for account in range(1, draw.choice([2, 4, 12]) + 1):
            assert self.fast.add_account() == account
            for asset in range(self.assets):
                scope = self.fast.add_scope(account, asset)
                assert scope == self.twin.add_holder(HolderKind.SCOPE, asset, account, -1)
                self.traders[asset].append(scope)

    def step(self) -> None:
        kind = self.kinds[int(self.draw.random() * len(self.kinds))]
        self.counts[kind] += 1
        getattr(self, kind)()
        self.done += 1
        if self.done % DUMP_EVERY == 0:
            self.finish()

    # Draws.

    def _pair(self, asset: int) -> tuple[int, int]:
        first, second = self.draw.sample(self.traders[asset], 2)
        return first, second

    def _amount(self) -> int:
        return int((self.draw.random() * 2 - 1) * self.draw.choice([3, self.money]))

    # Operations.

    def trade(self) -> None:
        """A fill: whole lots at a price."""
        market = int(self.draw.random() * len(self.markets))
        size = 1 + int(self.draw.random() ** 2 * self.lots)
        self._trade(market, size, size * (1 + int(self.draw.random() * self.price)))

    def close(self) -> None:
        """A fill of just what somebody holds, or one lot more or less: flat, flipped, reduced."""
        market = int(self.draw.random() * len(self.markets))
        holder = self.draw.choice(self.traders[self.markets[market]])
        held = self.twin.position(holder, market).size
        size = min(LOT_MAX, max(1, abs(held) + self.draw.choice([-1, 0, 0, 0, 1])))
        self._trade(market, size, size * (1 + int(self.draw.random() * self.price)), holder, held)

    def hand_over(self) -> None:
        """A deleveraging: any cost, of either sign, that no price need divide."""
        market = int(self.draw.random() * len(self.markets))
        size = 1 + int(self.draw.random() ** 2 * self.lots)
        self._trade(market, size, self._amount())

    def _trade(
        self, market: int, size: int, cost: int, holder: int | None = None, held: int = 0
    ) -> None:
        buyer, seller = self._pair(self.markets[market])
        if holder is not None:
            buyer, seller = (seller if buyer == holder else buyer), holder
            if held < 0:
                buyer, seller = seller, buyer
        self.what = f"trade({buyer}, {seller}, {market}, {size}, {cost})"
        want = self._twin_trade(market, [(buyer, size, cost), (seller, -size, -cost)])
        try:
            got: Any = self.fast.trade(buyer, seller, market, size, cost)
        except RangeError:
            got = None
        assert got == want, f"realised (compiled, twin) = ({got}, {want})"
        if want is None:
            self.counts["refused trades"] += 1
        else:
            self.counts["realised"] += sum(profit != 0 for profit in want)
        for scope in (buyer, seller):
            self._same(scope, market)

    def _twin_trade(self, market: int, sides: list[tuple[int, int, int]]) -> tuple[int, ...] | None:
        """Enter and realise on the twin; None, and nothing changed, where a cell would overflow."""
        twin, clearing = self.twin, self.twin.clearing[market]
        cells = {holder: twin.collateral(holder) for holder in (clearing, *(s[0] for s in sides))}
        before = {holder: replace(twin.position(holder, market)) for holder, _, _ in sides}
        fits, profits = True, []
        for holder, lots, cost in sides:
            fits &= abs(before[holder].size + lots) <= LOT_MAX
            fits &= abs(before[holder].cost + cost) <= CASH_MAX
            profits.append(twin.enter(holder, market, lots, cost))
            twin.realise(holder, market, profits[-1])
            fits &= all(abs(twin.collateral(cell)) <= CASH_MAX for cell in cells)
        if fits:
            return tuple(profits)
        for holder, balance in cells.items():
            twin.holders[holder].collateral = balance
        for holder, position in before.items():
            twin.positions[holder, market] = position
        return None

    def post(self) -> None:
        asset = int(self.draw.random() * self.assets)
        own = [5 * asset + kind for kind in range(5)]
        source, target = self.draw.sample(self.traders[asset][1:] + own, 2)
        amount = self._amount()
        self.what = f"post({source}, {target}, {amount})"
        after = self.twin.collateral(source) - amount, self.twin.collateral(target) + amount
        self._refused_or(
            max(map(abs, after)) > CASH_MAX,
            lambda: self.fast.post(source, target, amount),
            lambda: self.twin.post(source, target, amount, PostReason.TRANSFER),
        )
        self._balances(source, target)

    def deposit(self) -> None:
        asset = int(self.draw.random() * self.assets)
        holder, amount = self.draw.choice(self.traders[asset]), self._amount()
        self.what = f"deposit({holder}, {amount})"
        total = self.twin.paid_in[asset] + amount
        self._refused_or(
            max(abs(total), abs(self.twin.collateral(holder) + amount)) > CASH_MAX,
            lambda: self.fast.deposit(holder, amount),
            lambda: self.twin.post(OUTSIDE, holder, amount, PostReason.DEPOSIT),
        )
        self._balances(holder)

    def _refused_or(self, refused: bool, fast: Any, twin: Any) -> None:
        try:
            fast()
        except RangeError:
            assert refused, "refused by the engine, within the bounds by the twin"
            self.counts["refused postings"] += 1
            return
        assert not refused, "taken by the engine, beyond the bounds by the twin"
        twin()

    def split(self) -> None:
        """Shares of a signed amount by weights, zeros among them."""
        draw = self.draw
        top = draw.choice([0, 1, 3, 10**6, 2**40])
        weights = [int(draw.random() * (top + 1)) for _ in range(1 + int(draw.random() * 9))]
        total = self._amount()
        self.what = f"split({total}, {weights})"
        got, want = split(total, weights), twin_split(total, list(enumerate(weights)))
        assert got == list(want.values()), f"shares (compiled, twin) = ({got}, {want})"
        assert sum(got) == total

    # Comparisons.

    def _balances(self, *holders: int) -> None:
        for holder in holders:
            got, want = self.fast.balance(holder), self.twin.collateral(holder)
            assert got == want, f"money of {holder} (compiled, twin) = ({got}, {want})"

    def _same(self, holder: int, market: int) -> None:
        held = self.twin.position(holder, market)
        got = self.fast.position(holder, market)
        assert got == (held.size, held.cost), (
            f"{holder} in {market}: (compiled, twin) = {got, held}"
        )
        self._balances(holder, self.twin.clearing[market])

    def finish(self) -> None:
        """Every holder and position, and both audits."""
        assert len(self.fast) == len(self.twin.holders)
        self._balances(*range(len(self.twin.holders)))
        for asset, traders in enumerate(self.traders):
            for market in (m for m, settles in enumerate(self.markets) if settles == asset):
                for holder in traders:
                    self._same(holder, market)
        off = {name: delta for name, delta in self.fast.audit().items() if delta}
        # Posts to and from the fund and bad debt are drawn blindly, so their signs may be wrong.
        assert not any("fund" not in name and "debt" not in name for name in off), off
        wanted = {name: delta for name, delta in self.twin.audit().items() if delta}
        assert all(name.startswith(("fund", "bad_debt")) for name in wanted), wanted
        assert sorted(map(abs, off.values())) == sorted(map(abs, wanted.values()))
        self.counts["dumps"] += 1


def play(seed: int, ops: int) -> Counter[str]:
    """Run one seed; raise Failed at the first operation that differs."""
    number = 0
    pair: Any = None
    try:
        pair = Pair(seed)
        for number in range(ops):  # noqa: B007
            pair.step()
        pair.finish()
    except Exception as error:
        raise Failed("ledger", seed, number, pair.what if pair else "set-up", error) from error
    return pair.counts
