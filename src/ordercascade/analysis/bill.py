"""What liquidation cost, per account and in sum: fees, slippage, penalty, lost equity.

>>> import ordercascade as oc
>>> oc.analysis.costs(oc.run(oc.scenarios.load("t2a"), progress=False)).total["slippage"]
35
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from ordercascade.analysis.realised import check_tape
from ordercascade.analysis.state import Ints
from ordercascade.contracts import kind_of, worth
from ordercascade.enums import PostReason, Side
from ordercascade.tape import Tape

NUMBERS = ("orders", "value", "fee", "taker_fee", "slippage", "penalty", "lost_equity", "unpaid")
SHOWN = 20


@dataclass(frozen=True, eq=False, repr=False)
class Costs:
    """One row an account that sent a liquidation order, by venue and account; whole units.

    orders: liquidation orders. value: of their fills. fee: liquidation fees; taker_fee: trading
    fees of those fills. slippage: what the fills brought less than the mark before each order
    (negative: more). penalty: what was left and went to the fund or to who took the account over.
    lost_equity: positive equity before the first order less positive equity after the last, and the
    penalty. unpaid: shortfalls, which the account does not bear.
    """

    venue: Ints
    account: Ints
    numbers: dict[str, Ints]
    units: tuple[float, ...]  # of a settlement unit, by venue
    settle: str

    def __len__(self) -> int:
        return len(self.account)

    @property
    def total(self) -> dict[str, int]:
        """The sums over all accounts."""
        return {name: sum(column.tolist()) for name, column in self.numbers.items()}

    def rows(self) -> list[dict[str, int]]:
        """Return one dict an account."""
        named = {"venue": self.venue, "account": self.account, **self.numbers}
        columns = [column.tolist() for column in named.values()]
        return [dict(zip(named, row, strict=True)) for row in zip(*columns, strict=True)]

    def __repr__(self) -> str:
        return f"<Costs of {len(self):,} accounts in {self.settle}>"

    def _repr_html_(self) -> str:
        order = np.argsort(-self.numbers["lost_equity"], kind="stable")[:SHOWN].tolist()
        head = "".join(f"<th>{escape(name)}</th>" for name in ("account", *NUMBERS))
        lines = [(str(self.account[row]), self._cells(row)) for row in order]
        total = [self.total[name] * (1 if name == "orders" else self.units[0]) for name in NUMBERS]
        lines.append(("all", [f"{value:,.10g}" for value in total]))
        body = "".join(
            f"<tr><th>{name}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
            for name, cells in lines
        )
        caption = f"<caption>Costs of liquidation, {escape(self.settle)}</caption>"
        return f"<table>{caption}<tr>{head}</tr>{body}</table>"

    def _cells(self, row: int) -> list[str]:
        unit = self.units[int(self.venue[row])]
        return [
            f"{int(self.numbers[name][row]) * (1 if name == 'orders' else unit):,.10g}"
            for name in NUMBERS
        ]


def costs(tape: Tape) -> Costs:
    """Return what liquidation cost each account of a run, exactly, in settlement units."""
    check_tape(tape)
    found = tape.liquidations
    owner = found["venue"].astype(np.int64) << 32 | found["account"].astype(np.int64)
    who, place = np.unique(owner, return_inverse=True)
    sums: dict[str, Ints] = {name: np.zeros(len(who), dtype=np.int64) for name in NUMBERS}
    ideal = _at_mark(tape)
    value = found["value"].astype(np.int64)
    less = np.where(found["side"] == Side.ASK, ideal - value, value - ideal)
    for name, column in (
        ("orders", np.ones(len(owner), dtype=np.int64)),
        ("value", value),
        ("fee", found["fee"]),
        ("slippage", less),
        ("unpaid", found["shortfall"]),
    ):
        np.add.at(sums[name], place, column.astype(np.int64))
    _posted(tape, who, sums)
    _equities(tape, place, sums["lost_equity"])
    sums["lost_equity"] += sums["penalty"]
    count = 1 + max((int(v["id"]) for v in tape.venues), default=0)
    units = [1.0] * count
    for market in reversed(tape.markets):
        units[int(market["venue"])] = 10.0 ** -int(market["decimals"])
    settle = str(tape.markets[0]["settle"]) if tape.markets else ""
    return Costs(who >> 32, who & 0xFFFFFFFF, sums, tuple(units), settle)


def _at_mark(tape: Tape) -> Ints:
    """Return what each order's fills would have been worth at the mark before it."""
    found = tape.liquidations
    lots, mark = found["lots_filled"].astype(np.int64), found["mark_before"].astype(np.int64)
    ideal = np.zeros(len(lots), dtype=np.int64)
    for market in tape.markets:
        here = (found["venue"] == market["venue"]) & (found["market"] == market["id"])
        kind, terms = kind_of(market["kind"]), int(market["multiplier"])
        ideal[here] = np.abs(worth(kind, terms, -lots[here], mark[here]))
    return ideal


def _posted(tape: Tape, who: Ints, sums: dict[str, Ints]) -> None:
    """Add what scopes paid: trading fees in their own liquidation steps, residuals at any time."""
    accounts, posted, steps = tape.tables["accounts"], tape.postings, tape.steps
    scopes = accounts["venue"].astype(np.int64) << 32 | accounts["scope"]
    owners = accounts["venue"].astype(np.int64) << 32 | np.maximum(accounts["account"], 0)
    order = np.argsort(scopes)
    if not len(posted) or not len(who):
        return
    payer = steps["venue"][posted["step"]].astype(np.int64) << 32 | posted["from_holder"]
    at = np.minimum(np.searchsorted(scopes[order], payer), len(order) - 1)
    owner = np.where(scopes[order][at] == payer, owners[order][at], -1)
    place = np.minimum(np.searchsorted(who, owner), len(who) - 1)
    known = who[place] == owner
    own = np.zeros(len(steps), dtype=bool)
    own[tape.liquidations["step"]] = True
    for name, reasons, rows in (
        ("taker_fee", (PostReason.FEE_TAKER,), own[posted["step"]]),
        ("penalty", (PostReason.RESIDUAL, PostReason.TAKEOVER), True),
    ):
        rows = known & rows & np.isin(posted["reason"], reasons)
        np.add.at(sums[name], place[rows], posted["amount"][rows].astype(np.int64))


def _equities(tape: Tape, place: Any, lost: Ints) -> None:
    """Add what each scope's positive equity fell by, from its first order to its last."""
    found = tape.liquidations
    scope = found["venue"].astype(np.int64) << 32 | found["scope"]
    first = np.unique(scope, return_index=True)[1]
    last = len(scope) - 1 - np.unique(scope[::-1], return_index=True)[1]
    before = np.maximum(found["equity_before"][first], 0).astype(np.int64)
    after = np.maximum(found["equity_after"][last], 0).astype(np.int64)
    np.add.at(lost, place[first], before - after)
