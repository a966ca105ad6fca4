"""The rows of a tape as plain tuples, a run of steps at a time, so that a long tape stays small."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from ordercascade.tables import Table

CHUNK = 2048  # steps whose rows are plain Python at a time


class Step(NamedTuple):
    step: int
    time_ns: int
    venue: int
    round: int
    kind: int
    market: int
    scope: int
    parent: int
    generation: int
    cause_market: int
    event_from: int
    event_to: int
    fill_from: int
    fill_to: int


class Order(NamedTuple):
    step: int
    order_id: int
    venue: int
    market: int
    account: int
    side: int
    type: int
    tif: int
    flags: int
    price: int
    size: int
    filled: int
    result: int


class Fill(NamedTuple):
    step: int
    venue: int
    market: int
    price: int
    size: int
    taker_side: int
    maker_account: int
    taker_account: int
    maker_order: int
    taker_order: int
    maker_fee: int
    taker_fee: int
    maker_rest: int


class Liquidation(NamedTuple):
    step: int
    venue: int
    market: int
    scope: int
    account: int
    side: int
    leg: int
    tranche: int
    lots_before: int
    lots_asked: int
    lots_filled: int
    levels_eaten: int
    limit_price: int
    worst_price: int
    value: int
    trigger_price: int
    bankruptcy_price: int
    mark_before: int
    mark_after: int
    equity_before: int
    equity_after: int
    fee: int
    shortfall: int
    paid_fund: int
    paid_vault: int
    paid_adl: int
    paid_socialised: int
    paid_bad_debt: int
    outcome: int


class Posting(NamedTuple):
    step: int
    asset: int
    from_holder: int
    to_holder: int
    amount: int
    reason: int


class Adl(NamedTuple):
    step: int
    market: int
    scope_from: int
    scope_to: int
    lots: int
    cost: int
    rank: int
    rule: int
    price_mode: int


class Mark(NamedTuple):
    step: int
    time_ns: int
    venue: int
    market: int
    last: int
    outside: int  # the column `index`; a tuple has a method of that name
    mark: int
    best_bid: int
    best_ask: int


class Level(NamedTuple):
    step: int
    market: int
    side: int
    price: int
    size_after: int


class ScopeRow(NamedTuple):
    step: int
    scope: int
    equity: int
    maintenance: int
    initial: int
    ratio_ppm: int


class FundRow(NamedTuple):
    step: int
    venue: int
    holder: int
    asset: int
    balance: int


class Note(NamedTuple):
    step: int
    kind: int
    market: int
    scope: int
    a: int
    b: int


class Account(NamedTuple):
    venue: int
    scope: int
    account: int
    kind: int
    asset: int
    market: int
    collateral: int


class Opened(NamedTuple):
    venue: int
    scope: int
    market: int
    size: int
    cost: int


Row = TypeVar("Row", bound=tuple[int, ...])


class Rows(Generic[Row]):
    """A table's rows of one step after the other; `at(step)` must be called in ascending order."""

    def __init__(self, kind: type[Row], table: Table, steps: int) -> None:
        self._kind, self._table = kind, table
        edges = np.arange(-1, steps + 1)
        self._edges = np.searchsorted(table["step"], edges, side="left")
        self._chunk, self._first = -1, 0
        self._ends: list[int] = []
        self._rows: list[Row] = []

    def at(self, step: int) -> tuple[int, list[Row]]:
        """Return the number of a step's first row and its rows; -1 is the opening."""
        chunk, place = divmod(step + 1, CHUNK)
        if chunk != self._chunk:
            self._load(chunk)
        start, end = self._ends[place], self._ends[place + 1]
        if start == end:
            return start, []
        return start, self._rows[start - self._first : end - self._first]

    def _load(self, chunk: int) -> None:
        low = chunk * CHUNK
        high = min(low + CHUNK + 1, len(self._edges))
        self._ends = self._edges[low:high].tolist()
        self._chunk, self._first = chunk, self._ends[0]
        self._rows = rows_of(self._kind, self._table, self._ends[0], self._ends[-1])


def rows_of(kind: type[Row], table: Table, start: int = 0, end: int | None = None) -> list[Row]:
    """Return rows [start, end) of a table as tuples of Python ints."""
    columns = [table[name][start:end].tolist() for name in table.columns]
    make = kind._make  # type: ignore[attr-defined]
    return [make(cells) for cells in zip(*columns, strict=True)]


class Tables:
    """All tables of a tape, to be read from step to step."""

    def __init__(self, tables: Mapping[str, Table]) -> None:
        self.steps = len(tables["steps"])
        self.step = Rows(Step, tables["steps"], self.steps)
        self.orders = Rows(Order, tables["orders"], self.steps)
        self.fills = Rows(Fill, tables["fills"], self.steps)
        self.liquidations = Rows(Liquidation, tables["liquidations"], self.steps)
        self.postings = Rows(Posting, tables["postings"], self.steps)
        self.adl = Rows(Adl, tables["adl"], self.steps)
        self.marks = Rows(Mark, tables["marks"], self.steps)
        self.levels = Rows(Level, tables["levels"], self.steps)
        self.scopes = Rows(ScopeRow, tables["scopes"], self.steps)
        self.funds = Rows(FundRow, tables["funds"], self.steps)
        self.notes = Rows(Note, tables["notes"], self.steps)
