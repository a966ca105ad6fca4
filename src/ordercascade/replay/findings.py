"""What an audit finds: how much each check looked at, what it found wrong, what it could not do."""

from __future__ import annotations

from typing import NamedTuple

from ordercascade.errors import show

KEPT = 20  # failures of one check that are told; all are counted

# Check -> what it holds against the rules. The order is the order of the report.
CHECKS = {
    "tables": "rows point at what is there; the ranges of the steps are whole",
    "time": "settlements, rounds, times and the order of a round's rows",
    "book": "levels played again: never negative, never crossed, nothing moves by itself",
    "orders": "each order row is what its step asked, filled and left resting",
    "fills": "each fill is its order's, at the best price first, within the limit",
    "fees": "maker, taker and liquidation fees by the rates",
    "postings": "each posting follows from fills, fees, losses or a user; realised by the floor",
    "money": "sum of collateral = deposits - withdrawals, for each asset",
    "costs": "sum of sizes = 0, sum of costs + clearing = 0, flat means cost 0, for each market",
    "equity": "equity but clearing's changes only by deposits; a bankrupt ends at exactly zero",
    "funds": "fund >= 0, bad debt <= 0, each balance row is the balance",
    "marks": "a row where last, index or mark changed, and only there; the mark's formula",
    "scopes": "equity, maintenance, initial margin and ratio of each recorded scope",
    "liquidations": "who, which leg, how many lots, at which limit, tranche and equities",
    "slices": "the tables of planned slices by their formulas, and the lots of each slice",
    "outcomes": "what the loss table decides; the shortfall and the sum of its parts",
    "waterfalls": "a flat scope's deficit or residual, and who pays",
    "adl": "lots, costs, ranks and counterparties of each deleveraging",
    "takeovers": "who is taken over, by whom, which lots at which cost",
    "disposals": "when, how many lots and at which limit the taker sells",
    "payments": "settlements to the mark, shared losses and margin levels",
    "insured": "fills against the bankruptcy quote: what the account or the fund pays",
    "collateral": "other assets: each one's money adds up, conversions at the price that stood",
    "calls": "who is called for margin, once a fall, and what is answered",
    "expiries": "when a market ends, and at which price it settles",
    "halts": "halts stand when they must, nothing trades in them, bands hold, what waits is sent",
    "valves": "breakers played again: who halts and reopens, limits and lots that go, what waits",
    "auctions": "who comes, the price that clears, who trades with whom, what is left",
    "rates": "surcharges worked out again: when rates move, to what, and at no other time",
    "interest": "two-slope interest: the rate of the use there is, who pays, who is paid",
    "notes": "each note says what its step did",
    "end": "nobody is left liquidatable who has sent no order when the run ends",
    "parents": "the step that made a scope fall, found again by a scan; generations",
}


class Failure(NamedTuple):
    """One cell that is not what follows from the rest; row and step are -1 where there is none."""

    check: str
    step: int
    table: str
    row: int
    field: str
    expected: object
    got: object

    def __str__(self) -> str:
        row = f"[{self.row}]" if self.row >= 0 else ""
        step = f" (step {self.step})" if self.step >= 0 else ""
        want = self.expected if isinstance(self.expected, str) else f"be {show(self.expected)}"
        return f"{self.table}{row}.{self.field} must {want}, got {show(self.got)}{step}"


class Check(NamedTuple):
    """One check: its rows, how many cells were wrong, the first of them."""

    name: str
    about: str
    rows: int
    failed: int
    failures: tuple[Failure, ...]


class Gap(NamedTuple):
    """What a check could not do, why, and for how many rows."""

    check: str
    reason: str
    rows: int


class Findings:
    """Collects while the tape is played; `place` is the step being played."""

    def __init__(self) -> None:
        self.step = -1
        self.rows = dict.fromkeys(CHECKS, 0)
        self._failed = dict.fromkeys(CHECKS, 0)
        self._failures: dict[str, list[Failure]] = {name: [] for name in CHECKS}
        self._gaps: dict[tuple[str, str], int] = {}

    def fail(
        self, check: str, table: str, row: int, field: str, expected: object, got: object
    ) -> None:
        """Keep a failure of the step that is being played."""
        self._failed[check] += 1
        if len(self._failures[check]) < KEPT:
            found = Failure(check, self.step, table, row, field, expected, got)
            self._failures[check].append(found)

    def same(self, check: str, table: str, row: int, **cells: tuple[object, object]) -> None:
        """Fail for each cell, given as (expected, got), that differs."""
        for field, (expected, got) in cells.items():
            if expected != got:
                self.fail(check, table, row, field, expected, got)

    def gap(self, check: str, reason: str, rows: int = 1) -> None:
        """Say that rows could not be checked."""
        self._gaps[check, reason] = self._gaps.get((check, reason), 0) + rows

    @property
    def failed(self) -> int:
        return sum(self._failed.values())

    def checks(self) -> tuple[Check, ...]:
        return tuple(
            Check(name, about, self.rows[name], self._failed[name], tuple(self._failures[name]))
            for name, about in CHECKS.items()
        )

    def gaps(self) -> tuple[Gap, ...]:
        return tuple(Gap(*key, rows) for key, rows in self._gaps.items())
