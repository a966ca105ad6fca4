"""A tape written by hand, row by row: the golden trace T2a, with one loss that the fund pays.

Bids of 10 lots at each price 100 .. 80, one ask at 101, m = 1, mark = last trade. Longs, all at
entry 100: A 10, B 20, C 15, D 30. A sell of 15 starts it. Prints: shock 100×10 99×5; A 99×5 98×5;
B 98×5 97×10 96×5; C 96×5 95×10. C owned 60 and loses 70: the fund pays 10.
"""

from __future__ import annotations

from typing import Any

from ordercascade.core.events import SCHEMA, EventLog
from ordercascade.enums import HolderKind, Outcome, PostReason, Side, StepKind

EXTERNAL, FUND, VAULT, FEES, BAD_DEBT, CLEARING = range(6)
SCOPES = {1: 6, 2: 7, 3: 8, 4: 9}  # account -> cross scope
LONGS = {1: 10, 2: 20, 3: 15, 4: 30}
COLLATERAL = {1: 30, 2: 90, 3: 60, 4: 400}
FUND_OPENING = 1000
META: dict[str, Any] = {
    "name": "T2a <golden>",
    "scenario": 'schema = 1\nname = "T2a <golden>"\n',
    "seed": 7,
    "engine_version": "0.1.0",
    "state_hash": "00112233445566778899aabbccddeeff",
    "stop": "NOBODY_AT_RISK",
    "wall_s": 0.5,
    "engine_s": 0.25,
    "venues": [{"id": 0, "name": "perp", "preset": "simple"}],
    "markets": [
        {
            "venue": 0, "id": 0, "name": "BTCUSDT", "settle": "USDT", "decimals": 2,
            "tick_size": "0.1", "lot_size": "0.001", "multiplier": 1, "price_max": 1000,
        }
    ],
    "accounts": [{"id": i, "name": name} for i, name in enumerate("ABCD", start=1)],
}  # fmt: skip


def put(log: EventLog, table: str, **cells: int) -> int:
    """Append a row; columns that are not given are 0."""
    return log.append(table, {**dict.fromkeys(SCHEMA[table], 0), **cells})


class Hand:
    """Keeps the book's sizes and the scopes' positions while rows are written."""

    def __init__(self) -> None:
        self.log = EventLog()
        self.bids = {price: 10 for price in range(80, 101)}
        self.held = {**{SCOPES[a]: (q, 100 * q) for a, q in LONGS.items()}, EXTERNAL: (-75, -7500)}
        self._opening()

    def _opening(self) -> None:
        log = self.log
        kinds = (HolderKind.EXTERNAL, HolderKind.FUND, HolderKind.VAULT, HolderKind.FEES,
                 HolderKind.BAD_DEBT, HolderKind.CLEARING)  # fmt: skip
        for holder, kind in enumerate(kinds):
            put(log, "accounts", scope=holder, account=0 if holder == 0 else -1, kind=kind,
                market=0 if kind == HolderKind.CLEARING else -1,
                collateral=FUND_OPENING if kind == HolderKind.FUND else 0)  # fmt: skip
        for account, scope in SCOPES.items():
            put(log, "accounts", scope=scope, account=account, kind=HolderKind.SCOPE, market=-1,
                collateral=COLLATERAL[account])  # fmt: skip
        for scope, (size, cost) in sorted(self.held.items()):
            put(log, "positions", scope=scope, size=size, cost=cost)
        for price in range(100, 79, -1):
            put(log, "levels", step=-1, side=Side.BID, price=price, size_after=10)
        put(log, "levels", step=-1, side=Side.ASK, price=101, size_after=10)
        put(log, "marks", step=-1, last=100, mark=100, best_bid=100, best_ask=101)
        for holder in (FUND, VAULT, BAD_DEBT):
            balance = FUND_OPENING if holder == FUND else 0
            put(log, "funds", step=-1, holder=holder, balance=balance)

    def step(self, kind: StepKind, parent: int = -1, generation: int = 0, **cells: int) -> int:
        log, number = self.log, self.log.rows("steps")
        ranges = {
            "event_from": log.rows("levels"), "event_to": log.rows("levels"),
            "fill_from": log.rows("fills"), "fill_to": log.rows("fills"),
        }  # fmt: skip
        cells = {"time_ns": 10**9, "scope": -1, "cause_market": -1, **ranges, **cells}
        return put(log, "steps", step=number, kind=kind, parent=parent, generation=generation,
                   **cells)  # fmt: skip

    def sell(self, step: int, account: int, prints: list[tuple[int, int]]) -> None:
        """Let an account sell into the bids of external: fills, levels, positions, postings."""
        for price, size in prints:
            self.bids[price] -= size
            put(self.log, "fills", step=step, price=price, size=size, taker_side=Side.ASK,
                taker_account=account, maker_order=1)  # fmt: skip
            put(self.log, "levels", step=step, side=Side.BID, price=price,
                size_after=self.bids[price])  # fmt: skip
            if account:
                self._enter(step, SCOPES[account], -size, price)
                self._enter(step, EXTERNAL, size, price)
        self.log.set("steps", step, "event_to", self.log.rows("levels"))
        self.log.set("steps", step, "fill_to", self.log.rows("fills"))

    def _enter(self, step: int, scope: int, size: int, price: int) -> None:
        """A reducing fill: cost entry, then what SEMANTICS §1 realises."""
        before, cost = self.held[scope]
        rest = cost * (before + size) // before
        realised = rest - (cost + size * price)
        self.held[scope] = before + size, rest
        put(self.log, "postings", step=step, from_holder=CLEARING, to_holder=scope,
            amount=realised, reason=PostReason.REALISE)  # fmt: skip

    def mark(self, price: int, parent: int, generation: int) -> int:
        step = self.step(StepKind.MARK, parent, generation, round=generation)
        put(self.log, "marks", step=step, time_ns=10**9, last=price, mark=price,
            best_bid=price, best_ask=101)  # fmt: skip
        return step

    def liquidate(self, account: int, prints: list[tuple[int, int]], parent: int,
                  generation: int) -> int:  # fmt: skip
        scope, lots = SCOPES[account], sum(size for _, size in prints)
        step = self.step(StepKind.LIQUIDATION, parent, generation, scope=scope, round=generation)
        self.sell(step, account, prints)
        put(self.log, "liquidations", step=step, scope=scope, account=account, side=Side.ASK,
            lots_before=lots, lots_asked=lots, lots_filled=lots, levels_eaten=len(prints),
            worst_price=prints[-1][0], value=sum(p * n for p, n in prints),
            outcome=Outcome.CLOSED)  # fmt: skip
        put(self.log, "scopes", step=step, scope=scope, equity=-10 if account == 3 else 20,
            ratio_ppm=account)  # fmt: skip
        return step


def golden_log() -> EventLog:
    """Return the tables of T2a."""
    h = Hand()
    shock = h.step(StepKind.SHOCK)
    h.sell(shock, 0, [(100, 10), (99, 5)])
    a = h.liquidate(1, [(99, 5), (98, 5)], h.mark(99, shock, 0), 1)
    b = h.liquidate(2, [(98, 5), (97, 10), (96, 5)], h.mark(98, a, 1), 2)
    c = h.liquidate(3, [(96, 5), (95, 10)], h.mark(96, b, 2), 3)
    h.mark(95, c, 3)
    fall = h.step(StepKind.WATERFALL, c, 3, scope=SCOPES[3], market=-1, round=3)
    put(h.log, "postings", step=fall, from_holder=FUND, to_holder=SCOPES[3], amount=10,
        reason=PostReason.FUND_PAYS)  # fmt: skip
    put(h.log, "funds", step=fall, holder=FUND, balance=FUND_OPENING - 10)
    return h.log
