"""The slow, obvious twin of the ledger: who owns what, and the only ways money moves."""

from __future__ import annotations

from dataclasses import dataclass

from ordercascade.enums import HolderKind, PostReason
from reference.tables import Tables

OUTSIDE = -1
SHORT = 1 << 20  # added to a market: the short leg of a hedged scope there


@dataclass
class Holder:
    """Somebody who can own money; `market` is −1 but for clearing and isolated scopes."""

    kind: HolderKind
    asset: int
    account: int
    market: int
    collateral: int = 0


@dataclass
class Position:
    """Signed lots and the signed settlement units they cost."""

    size: int = 0
    cost: int = 0


def split(amount: int, weights: list[tuple[int, int]]) -> dict[int, int]:
    """Share a signed `amount` over (id, weight) pairs, which stand in the order of ties.

    Shares are floored; the units that are left go out one each by largest remainder.
    """
    total = sum(weight for _, weight in weights)
    if total == 0:
        return {key: amount if n == 0 else 0 for n, (key, _) in enumerate(weights)}
    shares = {key: amount * weight // total for key, weight in weights}
    remainders = {key: amount * weight % total for key, weight in weights}
    left = amount - sum(shares.values())
    order = {key: n for n, (key, _) in enumerate(weights)}
    for key in sorted(order, key=lambda key: (-remainders[key], order[key]))[:left]:
        shares[key] += 1
    return shares


class Ledger:
    """Holders, positions, and `post()`; `step` is the tape's step that is being written."""

    def __init__(self, asset_count: int, tables: Tables) -> None:
        self.tables = tables
        self.step: int | None = None  # None: the opening, which leaves no postings
        self.holders: list[Holder] = []
        self.positions: dict[tuple[int, int], Position] = {}
        self.paid_in = [0] * asset_count
        self.clearing: list[int] = []  # of a market
        for asset in range(asset_count):
            for kind in (
                HolderKind.EXTERNAL,
                HolderKind.FUND,
                HolderKind.VAULT,
                HolderKind.FEES,
                HolderKind.BAD_DEBT,
            ):
                account = 0 if kind == HolderKind.EXTERNAL else -1
                self.add_holder(kind, asset, account, -1)

    def add_holder(self, kind: HolderKind, asset: int, account: int, market: int) -> int:
        """Make a holder; ids are one sequence."""
        self.holders.append(Holder(kind, asset, account, market))
        return len(self.holders) - 1

    def find(self, kind: HolderKind, asset: int) -> int:
        """Return the one holder of this kind and asset."""
        (found,) = (
            number
            for number, holder in enumerate(self.holders)
            if (holder.kind, holder.asset) == (kind, asset)
        )
        return found

    def collateral(self, holder: int) -> int:
        """Return a holder's money, without what its positions are worth."""
        return self.holders[holder].collateral

    def position(self, holder: int, market: int) -> Position:
        """Return a holder's position in a market (or a leg): a fresh, empty one if it has none."""
        return self.positions.get((holder, market)) or Position()

    def legs(self, holder: int) -> list[tuple[int, Position]]:
        """Return the (market, position) pairs in which a holder has lots, in market order.

        A short leg's market is its market + SHORT, and stands behind its long leg.
        """
        keys = [leg for market in self._markets() for leg in (market, market + SHORT)]
        found = [(market, self.positions.get((holder, market))) for market in keys]
        return [(market, held) for market, held in found if held is not None and held.size != 0]

    def _markets(self) -> range:
        return range(len(self.clearing))

    def post(self, source: int, target: int, amount: int, reason: PostReason) -> None:
        """Move `amount` from one holder to another; `OUTSIDE` is where deposits come from."""
        if amount == 0:
            return
        asset = self.holders[source if target == OUTSIDE else target].asset
        if source == OUTSIDE:
            self.paid_in[asset] += amount
        else:
            self.holders[source].collateral -= amount
        if target == OUTSIDE:
            self.paid_in[asset] -= amount
        else:
            self.holders[target].collateral += amount
        if self.step is not None:
            self.tables.append(
                "postings",
                step=self.step,
                asset=asset,
                from_holder=source,
                to_holder=target,
                amount=amount,
                reason=reason,
            )

    def enter(self, holder: int, market: int, lots: int, cost: int) -> int:
        """Add signed `lots` at signed `cost`; return the profit to be realised.

        What reduces a position leaves it with what the remaining lots cost before, rounded
        down; the caller posts the returned difference from clearing.
        """
        position = self.positions.setdefault((holder, market), Position())
        size, before = position.size, position.cost
        position.size = size + lots
        if size * lots >= 0:
            position.cost = before + cost
            return 0
        closed = min(abs(size), abs(lots))
        closing = abs(cost) * closed // abs(lots) * (1 if cost > 0 else -1)
        if closed == abs(lots):
            closing = cost
        left = abs(size) - closed
        rest = before * left // abs(size)
        position.cost = rest + cost - closing
        return rest - (before + closing)

    def realise(self, holder: int, market: int, profit: int) -> None:
        """Post a realised profit (or loss) from the market's clearing holder."""
        self.post(self.clearing[market % SHORT], holder, profit, PostReason.REALISE)

    def audit(self) -> dict[str, int]:
        """Return how far each invariant of money and lots is off: all zero."""
        deltas = {}
        for asset, paid in enumerate(self.paid_in):
            owned = sum(h.collateral for h in self.holders if h.asset == asset)
            deltas[f"money[{asset}]"] = owned - paid
            fund = self.collateral(self.find(HolderKind.FUND, asset))
            deltas[f"fund[{asset}]"] = min(0, fund)
            bad_debt = self.collateral(self.find(HolderKind.BAD_DEBT, asset))
            deltas[f"bad_debt[{asset}]"] = max(0, bad_debt)
        for market, clearing in enumerate(self.clearing):
            held = [p for (_, where), p in self.positions.items() if where % SHORT == market]
            cost = sum(position.cost for position in held)
            deltas[f"size[{market}]"] = sum(position.size for position in held)
            deltas[f"cost[{market}]"] = cost + self.collateral(clearing)
            deltas[f"flat[{market}]"] = sum(p.size == 0 and p.cost != 0 for p in held)
        return deltas
