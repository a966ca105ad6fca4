"""The world as a viewer needs it after one step, cut out of a tape's tables.

A frame is found by binary search, not by replay from the start. `Latest` sorts a table's rows once
by what they are about (a level, a scope, a holder); the state after row r is then, for each of
those, its last row before r: O(log rows + what is shown + 4,096), for any k in any order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ordercascade.enums import HolderKind, Side, StepKind
from ordercascade.errors import InputError
from ordercascade.tables import Column, Table

Int64: TypeAlias = npt.NDArray[np.int64]
Columns: TypeAlias = Mapping[str, Column]
Zoom: TypeAlias = tuple[int, int]

KEYFRAME_ROWS = 4096
TICK_END = 2**31  # prices are below it


@dataclass(frozen=True, slots=True, repr=False)
class Frame:
    """One market of one venue after step `k`; every number in raw units, every array read-only."""

    k: int
    time_ns: int
    venue: int
    market: int
    step: Mapping[str, int]  # the step's row; empty for the opening, k = -1
    ancestors: Int64  # the steps that led to this one, nearest first
    bids: Int64  # (n, 2): price, size; best first
    asks: Int64  # (n, 2): price, size; best first
    eaten: Int64  # (n, 3): side, price, lots traded away in this step
    touched: Int64  # (n, 3): side, price, lots traded away in all steps before it
    fills: Columns  # this step's
    liquidation: Mapping[str, int]  # this step's row of `liquidations`, or empty
    marks: Columns  # of this market, up to k
    scopes: Columns  # each scope's latest record up to k, lowest margin ratio first
    adl: Columns  # of the venue, all rows up to k
    notes: Columns  # this step's
    fund: int
    vault: int
    bad_debt: int

    def __repr__(self) -> str:
        """Say what a reader looks for first; the arrays are a word away."""
        kind = StepKind(self.step["kind"]).name if self.step else "the opening"
        best = [_best(side) for side in (self.bids, self.asks)]
        return (
            f"<Frame k={self.k} {kind} t={self.time_ns / 1e9:g} s venue={self.venue}"
            f" market={self.market}: bid {best[0]}, ask {best[1]}, {_last_mark(self.marks)},"
            f" {len(self.fills['step'])} fills, fund {self.fund}, bad debt {self.bad_debt}>"
        )

    def _repr_html_(self) -> str:
        rows = [("step", dict(self.step)), ("came from steps", self.ancestors.tolist())]
        rows += [("bids", self.bids[:5].tolist()), ("asks", self.asks[:5].tolist())]
        rows += [("eaten (side, price, lots)", self.eaten[:5].tolist())]
        rows += [("liquidation", dict(self.liquidation))]
        body = "".join(f"<tr><th>{name}</th><td>{escape(str(v))}</td></tr>" for name, v in rows)
        return f"<table><caption>{escape(repr(self))}</caption><tbody>{body}</tbody></table>"


class Latest:
    """Rows of a table by what they are about: the last one of each key before any row.

    A place is a row's rank by (key, row), so a key's rows so far are places [first, last]. Only
    counts are kept: a keyframe of them every 4,096 rows, made when first needed, or every as many
    rows as there are keys, so that all keyframes together are no larger than a column.
    """

    def __init__(self, keys: Int64, rows: Int64) -> None:
        self.keys, self._group = _grouped(keys)
        small = len(self.keys) <= 1 << 16  # numpy sorts 16 bits by radix
        group = self._group.astype(np.uint16) if small else self._group
        self.rows = rows[np.argsort(group, kind="stable")]  # by place
        self._written = rows
        self._first = np.cumsum(np.bincount(self._group, minlength=len(self.keys)))
        self._first -= np.bincount(self._group, minlength=len(self.keys))
        self._spacing = max(KEYFRAME_ROWS, len(self.keys))
        self._kept = {0: np.zeros(len(self.keys), dtype=np.int32)}

    def before(self, row: int, low: int, high: int) -> tuple[Int64, Int64, Int64]:
        """Return for each key in [low, high) seen before `row`: key, its first place, its last."""
        end = int(np.searchsorted(self._written, row))
        number = end // self._spacing
        a, b = np.searchsorted(self.keys, (low, high))
        counts = self._keyframe(number)[a:b] + self._count(number * self._spacing, end)[a:b]
        seen = counts > 0
        first = self._first[a:b][seen]
        return self.keys[a:b][seen], first, first + counts[seen] - 1

    def _keyframe(self, number: int) -> npt.NDArray[np.int32]:
        if number not in self._kept:
            near = max(known for known in self._kept if known < number)
            since = self._count(near * self._spacing, number * self._spacing)
            self._kept[number] = (self._kept[near] + since).astype(np.int32)
        return self._kept[number]

    def _count(self, start: int, end: int) -> Int64:
        return np.bincount(self._group[start:end], minlength=len(self.keys))


def _grouped(keys: Int64) -> tuple[Int64, Int64]:
    """Return the sorted distinct keys, and which of them each row has; dense ones by a table."""
    low, high = (int(keys.min()), int(keys.max())) if len(keys) else (0, 0)
    if high - low > 8 * len(keys) + KEYFRAME_ROWS:
        found, group = np.unique(keys, return_inverse=True)
        return found, group
    seen = np.zeros(high - low + 1, dtype=bool)
    seen[keys - low] = True
    number = np.cumsum(seen) - 1
    return np.flatnonzero(seen) + low, number[keys - low]


class Levels:
    """The book of one market, and what was traded away from it, at any row."""

    def __init__(self, levels: Table, fills: Table, level_rows: Int64, fill_rows: Int64) -> None:
        self._size, self._lots = levels["size_after"], fills["size"]
        self._book, self._eaten = [], []
        price, side = levels["price"][level_rows], levels["side"][level_rows]
        for here in (side == Side.BID, side == Side.ASK):
            self._book.append(Latest(price[here], level_rows[here]))
        # The levels that a taker eats are the maker's: the other side.
        price, side = fills["price"][fill_rows], fills["taker_side"][fill_rows]
        for here in (side == Side.ASK, side == Side.BID):
            eaten = Latest(price[here], fill_rows[here])
            lots = np.concatenate(([0], np.cumsum(self._lots[eaten.rows])))
            self._eaten.append((eaten, lots))

    def book(self, side: int, row: int, zoom: Zoom) -> Int64:
        """Return price and size of a side's levels within `zoom`, best first, before a row."""
        book = self._book[side]
        price, _, last = book.before(row, *zoom)
        size = self._size[book.rows[last]]
        found = np.column_stack((price, size))[size > 0]
        return _still(found[::-1] if side == Side.BID else found)

    def eaten(self, row: int) -> Int64:
        """Return side, price and lots of what the fills before a row traded away."""
        found = []
        for side, (eaten, lots) in enumerate(self._eaten):
            price, first, last = eaten.before(row, 0, TICK_END)
            found.append(
                np.column_stack((np.full_like(price, side), price, lots[last + 1] - lots[first]))
            )
        return _still(np.concatenate(found))


class Frames:
    """Makes the frames of one tape; what it sorts is sorted when first needed, then kept."""

    def __init__(self, tables: Mapping[str, Table], venues: Sequence[int]) -> None:
        self._tables = tables
        self._venues = venues
        self._kept: dict[tuple[Any, ...], Any] = {}

    def frame(
        self, k: int, venue: int, market: int, zoom: Zoom, nearest: int | None = None
    ) -> Frame:
        """Return the frame after step k; -1 is the opening."""
        levels = self._keep(self._levels, venue, market)
        level_to, fill_to = self._end("levels", k), self._end("fills", k)
        fill_from = self._end("fills", k - 1)
        step = self._tables["steps"].row(k) if k >= 0 else {}
        fills = self._slice("fills", fill_from, fill_to)
        return Frame(
            k=k,
            time_ns=step.get("time_ns", 0),
            venue=venue,
            market=market,
            step=MappingProxyType(step),
            ancestors=self._ancestors(k),
            bids=levels.book(Side.BID, level_to, zoom),
            asks=levels.book(Side.ASK, level_to, zoom),
            eaten=_eaten(fills, venue, market),
            touched=levels.eaten(fill_from),
            fills=fills,
            liquidation=self._liquidation(k),
            marks=self._marks(k, venue, market),
            scopes=self._scopes(k, venue, nearest),
            adl=self._slice("adl", 0, self._end("adl", k)),
            notes=self._slice("notes", self._end("notes", k - 1), self._end("notes", k)),
            fund=self._balance(HolderKind.FUND, k, venue),
            vault=self._balance(HolderKind.VAULT, k, venue),
            bad_debt=self._balance(HolderKind.BAD_DEBT, k, venue),
        )

    def _keep(self, make: Callable[..., Any], *key: Any) -> Any:
        name = make.__name__, *key
        if name not in self._kept:
            self._kept[name] = make(*key)
        return self._kept[name]

    def _end(self, table: str, k: int) -> int:
        """Return the first row of a table after step k; steps never fall from row to row."""
        return int(np.searchsorted(self._tables[table]["step"], k, side="right"))

    def _slice(self, table: str, start: int, end: int) -> Columns:
        found = self._tables[table]
        return MappingProxyType({name: found[name][start:end] for name in found.columns})

    def _venue(self, table: str) -> Int64:
        """Return the venue of each row of a table; one without the column has its step's."""
        found = self._tables[table]
        if "venue" in found.columns:
            return found["venue"].astype(np.int64)
        if len(self._venues) == 1:
            return np.full(len(found), self._venues[0], dtype=np.int64)
        step = found["step"]
        known = self._tables["steps"]["venue"].astype(np.int64)
        venue = known[np.maximum(step, 0)] if len(known) else np.zeros(len(step), dtype=np.int64)
        opening = int(np.searchsorted(step, 0))
        venue[:opening] = self._opening_venue(found, opening)
        return venue

    def _opening_venue(self, found: Table, rows: int) -> Int64:
        """The opening book comes venue by venue, sorted by market and side: a fall is the next."""
        if found.name != "levels":
            return np.full(rows, -1, dtype=np.int64)  # Nothing says whose these rows are.
        key = found["market"][:rows].astype(np.int64) * 2 + found["side"][:rows]
        turn = np.cumsum(np.diff(key, prepend=key[:1]) < 0)
        if rows and turn[-1] + 1 != len(self._venues):
            raise InputError("opening book", int(turn[-1]) + 1, "must have a part for each venue")
        known: Int64 = np.asarray(self._venues, dtype=np.int64)
        return known[turn]

    def _levels(self, venue: int, market: int) -> Levels:
        levels, fills = self._tables["levels"], self._tables["fills"]
        return Levels(
            levels, fills, self._of("levels", venue, market), self._of("fills", venue, market)
        )

    def _of(self, table: str, venue: int, market: int) -> Int64:
        """Return the rows of a table about one market."""
        here = self._tables[table]["market"] == market
        return np.flatnonzero(here & (self._venue(table) == venue))

    def _ancestors(self, k: int) -> Int64:
        """Follow `parent` to the root; a parent is always an earlier step."""
        parents = self._tables["steps"]["parent"]
        found: list[int] = []
        while k >= 0:
            parent = int(parents[k])
            if parent < 0 or parent >= k:
                break
            found.append(parent)
            k = parent
        return _still(np.array(found, dtype=np.int64))

    def _liquidation(self, k: int) -> Mapping[str, int]:
        row = self._end("liquidations", k) - 1
        found = self._tables["liquidations"]
        mine = row >= 0 and int(found["step"][row]) == k
        return MappingProxyType(found.row(row) if mine else {})

    def _marks(self, k: int, venue: int, market: int) -> Columns:
        found = self._tables["marks"]
        rows = self._keep(self._of, "marks", venue, market)
        count = int(np.searchsorted(rows, self._end("marks", k)))
        taken = slice(0, count) if len(rows) == len(found) else rows[:count]
        return MappingProxyType({name: _still(found[name][taken]) for name in found.columns})

    def _scope_index(self) -> Latest:
        scopes = self._tables["scopes"]
        key = self._venue("scopes") << 32 | scopes["scope"]
        return Latest(key, np.arange(len(scopes)))

    def _scopes(self, k: int, venue: int, nearest: int | None) -> Columns:
        found = self._tables["scopes"]
        if nearest == 0:
            return self._slice("scopes", 0, 0)
        index = self._keep(self._scope_index)
        _, _, last = index.before(self._end("scopes", k), venue << 32, (venue + 1) << 32)
        rows = index.rows[last]
        if nearest is not None and nearest < len(rows):
            ratio = found["ratio_ppm"][rows]
            rows = rows[ratio <= np.partition(ratio, nearest - 1)[nearest - 1]]
        rows = rows[np.lexsort((found["scope"][rows], found["ratio_ppm"][rows]))][:nearest]
        return MappingProxyType({name: _still(found[name][rows]) for name in found.columns})

    def _fund_index(self) -> Latest:
        funds = self._tables["funds"]
        key = funds["venue"].astype(np.int64) << 32 | funds["holder"]
        return Latest(key, np.arange(len(funds)))

    def _holders(self, venue: int, kind: int) -> tuple[Int64, Int64]:
        """Return the venue's holders of a kind and what they own at the opening."""
        accounts = self._tables["accounts"]
        rows = np.flatnonzero((accounts["venue"] == venue) & (accounts["kind"] == kind))
        return accounts["scope"][rows].astype(np.int64), accounts["collateral"][rows]

    def _balance(self, kind: int, k: int, venue: int) -> int:
        """Return the sum of a kind's latest balances: recorded ones, else the opening's."""
        index = self._keep(self._fund_index)
        end = self._end("funds", k)
        total = 0
        for holder, opening in zip(*self._keep(self._holders, venue, kind), strict=True):
            key = venue << 32 | int(holder)
            last = index.before(end, key, key + 1)[2]
            funds = self._tables["funds"]["balance"]
            total += int(funds[index.rows[last[0]]]) if len(last) else int(opening)
        return total


def _best(side: Int64) -> str:
    return f"{side[0, 1]} @ {side[0, 0]}" if len(side) else "none"


def _last_mark(marks: Columns) -> str:
    return f"mark {marks['mark'][-1]}" if len(marks["mark"]) else "no mark"


def _eaten(fills: Columns, venue: int, market: int) -> Int64:
    """Return side, price and lots that a few fills of one market traded away."""
    here = (fills["market"] == market) & (fills["venue"] == venue)
    level = np.column_stack((1 - fills["taker_side"][here].astype(np.int64), fills["price"][here]))
    levels, back = np.unique(level, axis=0, return_inverse=True)
    lots = np.zeros(len(levels), dtype=np.int64)
    np.add.at(lots, back.ravel(), fills["size"][here])
    return _still(np.column_stack((levels, lots)))


def _still(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    array.flags.writeable = False
    return array
