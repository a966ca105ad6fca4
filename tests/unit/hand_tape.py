"""A tape written by hand, row by row, for tests of what reads tapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ordercascade.core.events import SCHEMA, EventLog
from ordercascade.enums import HolderKind, OrderType, Outcome, Side, StepKind, Stop, TimeInForce
from ordercascade.tape import Tape

EXTERNAL, FUND, VAULT, FEES, BAD_DEBT, CLEARING = range(6)
SCOPE = 6  # the scope of account 1; account n has scope SCOPE + n - 1
SECOND = 10**9


class HandTape:
    """One venue, one market. `multiplier` follows from tick, lot and decimals."""

    def __init__(
        self,
        *,
        market: str = "TOY",
        settle: str = "USD",
        tick: str = "1",
        lot: str = "1",
        decimals: int = 0,
        multiplier: int = 1,
        mark: int = 100,
        fund: int = 0,
        **more: Any,
    ) -> None:
        self.log = EventLog()
        self.multiplier, self.mark_now = multiplier, mark
        self.market = {
            "venue": 0,
            "id": 0,
            "name": market,
            "settle": settle,
            "tick_size": tick,
            "lot_size": lot,
            "decimals": decimals,
            "multiplier": multiplier,
            "mark": mark,
            **more,
        }
        self.names: list[dict[str, Any]] = []
        self.size: dict[int, int] = {}
        self.steps: list[dict[str, int]] = []
        kinds = ("EXTERNAL", "FUND", "VAULT", "FEES", "BAD_DEBT", "CLEARING")
        for holder, kind in enumerate(kinds):
            owner = 0 if kind == "EXTERNAL" else -1
            self.row("accounts", venue=0, scope=holder, account=owner, kind=HolderKind[kind],
                     asset=0, market=0 if kind == "CLEARING" else -1,
                     collateral=fund if kind == "FUND" else 0)  # fmt: skip

    def row(self, table: str, **cells: int) -> int:
        """Append a row; cells left out are 0."""
        return self.log.append(table, {name: 0 for name in SCHEMA[table]} | cells)

    def account(self, name: str, size: int, collateral: int = 0, entry: int = 100) -> int:
        """Open an account with a cross scope and a position; return its number."""
        number = len(self.names) + 1
        self.names.append({"venue": 0, "id": number, "name": name})
        scope = SCOPE + number - 1
        self.row("accounts", venue=0, scope=scope, account=number, kind=HolderKind.SCOPE, asset=0,
                 market=-1, collateral=collateral)  # fmt: skip
        self.row("positions", venue=0, scope=scope, size=size, cost=size * entry * self.multiplier)
        self.size[number] = size
        return number

    def levels(self, side: Side, prices: Sequence[int], size: int = 10) -> None:
        """Rows of the opening book, or changes of the step written next."""
        for price in prices:
            self.row("levels", step=len(self.steps) - 1, side=side, price=price, size_after=size)

    def step(
        self,
        kind: StepKind,
        *,
        parent: int = -1,
        fills: Sequence[tuple[int, int]] = (),
        side: Side = Side.ASK,
        taker: int = 0,
        **cells: int,
    ) -> int:
        """Append a step with its trades (price, size) against the outside; return its number."""
        number, first = len(self.steps), self.log.rows("fills")
        for price, size in fills:
            self.row("fills", step=number, price=price, size=size, taker_side=side,
                     taker_account=taker)  # fmt: skip
        generation = self.steps[parent]["generation"] if parent >= 0 else 0
        generation += kind == StepKind.LIQUIDATION and parent >= 0
        found = {
            "step": number,
            "time_ns": SECOND,
            "kind": kind,
            "scope": -1,
            "parent": parent,
            "generation": generation,
            "cause_market": -1,
            "fill_from": first,
            "fill_to": self.log.rows("fills"),
        }
        self.steps.append(found | cells)
        self.row("steps", **self.steps[-1])
        return number

    def shock(self, side: Side, size: int, fills: Sequence[tuple[int, int]], **cells: int) -> int:
        step = self.step(StepKind.SHOCK, fills=fills, side=side, **cells)
        self.row("orders", step=step, side=side, type=OrderType.MARKET, tif=TimeInForce.IOC,
                 size=size, filled=sum(lots for _, lots in fills))  # fmt: skip
        return step

    def mark(self, price: int, parent: int, **cells: int) -> int:
        """Append a change of the mark, caused by the trades of `parent`."""
        step = self.step(StepKind.MARK, parent=parent, **cells)
        self.row("marks", step=step, last=price, mark=price, time_ns=SECOND)
        self.mark_now = price
        return step

    def liquidation(
        self,
        account: int,
        fills: Sequence[tuple[int, int]],
        *,
        parent: int,
        outcome: Outcome = Outcome.CLOSED,
        asked: int | None = None,
        step_cells: dict[str, int] | None = None,
        **cells: int,
    ) -> int:
        """Append a liquidation order of an account against the outside."""
        held = self.size[account]
        side = Side.ASK if held > 0 else Side.BID
        scope = SCOPE + account - 1
        step = self.step(StepKind.LIQUIDATION, parent=parent, fills=fills, side=side,
                         taker=account, scope=scope, **(step_cells or {}))  # fmt: skip
        lots = sum(size for _, size in fills)
        row = {
            "step": step,
            "scope": scope,
            "account": account,
            "side": side,
            "tranche": 1,
            "lots_before": abs(held),
            "lots_asked": abs(held) if asked is None else asked,
            "lots_filled": lots,
            "levels_eaten": len({price for price, _ in fills}),
            "worst_price": fills[-1][0] if fills else 0,
            "value": sum(price * size for price, size in fills) * self.multiplier,
            "mark_before": self.mark_now,
            "mark_after": self.mark_now,
            "outcome": outcome,
        }
        self.row("liquidations", **(row | cells))
        self.size[account] = held - lots if held > 0 else held + lots
        return step

    def scope(self, account: int, equity: int, maintenance: int) -> None:
        """Record an account as the engine does after the last step."""
        self.row("scopes", step=len(self.steps) - 1, scope=SCOPE + account - 1, equity=equity,
                 maintenance=maintenance,
                 ratio_ppm=equity * 10**6 // max(1, maintenance))  # fmt: skip

    def tape(self, stop: Stop = Stop.NOBODY_AT_RISK, **meta: Any) -> Tape:
        found = {"name": "hand", "seed": 0, "stop": int(stop), "accounts": self.names}
        venues = [{"id": 0, "name": "v", "trigger_strict": meta.pop("trigger_strict", True)}]
        return Tape(self.log, found | {"venues": venues, "markets": [self.market]} | meta)


def t2a() -> HandTape:
    """TARGETS T2a: A, B, C fall one after the other, D survives; the brackets are 10 %."""
    hand = HandTape(brackets=[[0, 100_000, 0, 200_000]], price_max=1000)
    hand.levels(Side.BID, range(100, 79, -1))
    hand.levels(Side.ASK, range(101, 111))
    a, b, c, d = (
        hand.account(name, size, collateral)
        for name, size, collateral in (("A", 10, 109), ("B", 20, 236), ("C", 15, 204),
                                       ("D", 30, 570))
    )  # fmt: skip
    step = hand.shock(Side.ASK, 15, [(100, 10), (99, 5)])
    hand.mark(99, step)
    for account, fills, trigger, mark in (
        (a, [(99, 5), (98, 5)], 99, 98),
        (b, [(98, 5), (97, 10), (96, 5)], 98, 96),
        (c, [(96, 5), (95, 10)], 96, 95),
    ):
        step = hand.liquidation(account, fills, parent=step, trigger_price=trigger,
                                mark_after=mark)  # fmt: skip
        hand.mark(mark, step)
    hand.scope(d, 570 - 30 * 5, 285)
    return hand
