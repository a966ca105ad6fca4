"""One table of a tape: numpy columns, an Arrow stream, frames, in raw or in people's units.

Raw units are what the engine holds: ticks, lots, smallest settlement units, nanoseconds. Human
units are floats in the market's own price, size and asset; they are for eyes, not for sums.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from html import escape
from importlib import import_module
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from ordercascade import enums
from ordercascade.core.arrow import stream
from ordercascade.core.events import SCHEMA, EventLog
from ordercascade.enums import StepKind
from ordercascade.errors import InputError, MissingExtraError

Column: TypeAlias = npt.NDArray[np.signedinteger[Any]]
Array: TypeAlias = npt.NDArray[Any]
UnitName: TypeAlias = Literal["raw", "human"]

ROWS_SHOWN = 10
# Steps of what comes from outside a settlement: orders, ticks, users, the agenda.
OUTSIDE_KINDS = (
    *(StepKind.SHOCK, StepKind.AGENTS, StepKind.FUNDING, StepKind.INTEREST, StepKind.EXPIRY),
)

# fmt: off
PRICES = frozenset((
    "price", "limit_price", "worst_price", "trigger_price", "bankruptcy_price",
    "mark_before", "mark_after", "last", "index", "mark", "best_bid", "best_ask",
))
SIZES = frozenset((
    "size", "filled", "lots_before", "lots_asked", "lots_filled", "size_after", "lots",
    "maker_rest",
))
AMOUNTS = frozenset((
    "maker_fee", "taker_fee", "value", "equity_before", "equity_after", "fee", "shortfall",
    "paid_fund", "paid_vault", "paid_adl", "paid_socialised", "paid_bad_debt", "amount",
    "cost", "equity", "maintenance", "initial", "balance", "collateral",
))
# fmt: on


def words(name: str) -> tuple[str, ...]:
    """Return the names of an enumeration's numbers 0, 1, 2, ... in order."""
    members = {int(member): member.name for member in getattr(enums, name)}
    return tuple(members[number] for number in range(len(members)))


def _optional(library: str) -> Any:
    """Import a library that only this call needs."""
    try:
        return import_module(library)
    except ImportError:
        raise MissingExtraError(library, "data") from None


class Units:
    """What a tick, a lot and a settlement unit of each market are worth to people."""

    def __init__(self, log: EventLog, meta: Mapping[str, Any]) -> None:
        self._log = log
        self.markets: Sequence[Mapping[str, Any]] = meta["markets"]
        self._at = {(m["venue"], m["id"]): i for i, m in enumerate(self.markets)}
        self._names = np.array([str(m["name"]) for m in self.markets] + [""], dtype=object)
        self._venues = {int(v["id"]): str(v["name"]) for v in meta["venues"]}

    def venues(self, columns: Mapping[str, Column]) -> Column:
        """Return the venue of each row; a table without one takes its step's, the opening 0."""
        if "venue" in columns:
            return columns["venue"]
        step = columns["step"]
        known = self._log.column("steps", "venue")
        return np.where(step >= 0, known[step], 0) if len(known) else np.zeros_like(step)

    def rows(self, columns: Mapping[str, Column]) -> npt.NDArray[np.int64]:
        """Return the place in `markets` that gives each row its units, -1 for none."""
        venue = self.venues(columns)
        if "asset" in columns or "market" not in columns:
            return self._places(venue, self._settling(venue, columns.get("asset")))
        return self._places(venue, columns["market"])

    def market_named(self, columns: Mapping[str, Column]) -> Array:
        return self._names[self._places(self.venues(columns), columns["market"])]

    def _places(self, venue: Column, market: Column) -> npt.NDArray[np.int64]:
        key = venue.astype(np.int64) << 32 | (market.astype(np.int64) + 1)
        keys, back = np.unique(key, return_inverse=True)
        found = [self._at.get((int(k) >> 32, (int(k) & 0xFFFFFFFF) - 1), -1) for k in keys]
        return np.array(found, dtype=np.int64)[back]

    def _settling(self, venue: Array, asset: Column | None) -> Array:
        """Return for each row a market that settles in its asset."""
        found = np.full(len(venue), -1, dtype=np.int64)
        for m in reversed(self.markets):
            here = venue == m["venue"]
            if asset is not None:
                here &= asset == m["asset"]
            found[here] = m["id"]
        return found

    def venue_named(self, venue: Column) -> Array:
        names = [self._venues.get(int(v), str(int(v))) for v in venue]
        return np.array(names, dtype=object)

    def scaled(self, values: Column, rows: Array, kind: str) -> npt.NDArray[np.float64]:
        """Return `values` as people's prices, sizes or amounts: one exact division each."""
        up = np.array([u.numerator for u in self._units(kind)] + [0], dtype=np.float64)
        down = np.array([u.denominator for u in self._units(kind)] + [0], dtype=np.float64)
        with np.errstate(invalid="ignore"):
            return np.asarray(values * up[rows] / down[rows])

    def _units(self, kind: str) -> list[Fraction]:
        if kind == "amount":
            return [Fraction(1, 10 ** int(m["decimals"])) for m in self.markets]
        return [Fraction(str(m[kind])) for m in self.markets]

    def vwap(self, value: Column, lots: Column, rows: Array) -> npt.NDArray[np.float64]:
        """Return value over lots as a price; not a number where nothing was filled."""
        multiplier = np.array([m["multiplier"] for m in self.markets] + [1], dtype=np.float64)
        inverse = np.array([m["kind"] == "inverse" for m in self.markets] + [False])
        ticks = [unit.numerator / unit.denominator for unit in self._units("tick_size")]
        with np.errstate(invalid="ignore", divide="ignore"):
            price = value / (lots * multiplier[rows])
            price = np.where(inverse[rows], lots * multiplier[rows] / value, price)
            return np.asarray(price * np.array([*ticks, np.nan])[rows])


class Table:
    """One table of a tape; `table["price"]` is a read-only column, `len(table)` its rows."""

    __slots__ = ("_kept", "_log", "_units", "name")

    def __init__(self, log: EventLog, name: str, units: Units) -> None:
        self.name = name
        self._log = log
        self._units = units
        self._kept: dict[str, Column] = {}

    def __len__(self) -> int:
        return self._log.rows(self.name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __getitem__(self, column: str) -> Column:
        """Return a column, read-only: a view of the tape if it is one block, else a copy, kept."""
        if column not in self._kept:
            self._kept[column] = self._log.column(self.name, column)
        return self._kept[column]

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(SCHEMA[self.name])

    def row(self, number: int) -> dict[str, int]:
        """Return one row."""
        return {name: self._log.get(self.name, number, name) for name in self.columns}

    def to_numpy(self, units: UnitName = "raw") -> dict[str, Array]:
        """Return every column: raw ones are read-only, human ones are floats and names."""
        if units not in ("raw", "human"):
            raise InputError("units", units, "must be 'raw' or 'human'")
        raw: dict[str, Array] = {name: self[name] for name in self.columns}
        return raw if units == "raw" else self._human(raw)

    def to_polars(self, units: UnitName = "raw") -> Any:
        """Return a polars frame; raw columns are handed over without a copy."""
        polars = _optional("polars")
        if units == "raw":
            return polars.DataFrame(self)
        human = self.to_numpy(units)
        return polars.DataFrame(
            {name: v.tolist() if v.dtype == object else v for name, v in human.items()}
        )

    def to_pandas(self, units: UnitName = "raw") -> Any:
        """Return a pandas frame; enumerations are categories."""
        pandas = _optional("pandas")
        columns: dict[str, Any] = dict(self.to_numpy(units))
        for name, (_, enum) in SCHEMA[self.name].items():
            if enum is not None:
                columns[name] = pandas.Categorical.from_codes(self[name], words(enum))
        return pandas.DataFrame(columns)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Export as an Arrow stream, one batch a block, no copy; `requested_schema` is ignored."""
        parts = [self._log.blocks(self.name, name) for name in self.columns]
        batches = list(zip(*parts, strict=True)) or [tuple(self[name] for name in self.columns)]
        names = [None if enum is None else words(enum) for _, enum in SCHEMA[self.name].values()]
        return stream(self.columns, names, batches)

    def __repr__(self) -> str:
        return f"Table({self.name!r}, {len(self)} rows: {', '.join(self.columns)})"

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{escape(name)}</th>" for name in self.columns)
        shown = range(min(len(self), ROWS_SHOWN))
        body = "".join(
            "<tr>" + "".join(f"<td>{self._shown(name, r)}</td>" for name in self.columns) + "</tr>"
            for r in shown
        )
        rest = len(self) - len(shown)
        foot = f"<caption>{escape(self.name)}: {rest} more rows</caption>" if rest else ""
        return f"<table>{foot}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def _shown(self, column: str, row: int) -> str:
        value = self._log.get(self.name, row, column)
        enum = SCHEMA[self.name][column][1]
        names = words(enum) if enum is not None else ()
        return names[value] if 0 <= value < len(names) else str(value)

    def _human(self, raw: Mapping[str, Array]) -> dict[str, Array]:
        rows = self._units.rows(raw)
        human: dict[str, Array] = {}
        for name, values in raw.items():
            enum = SCHEMA[self.name][name][1]
            if enum is not None:
                human[name] = np.array(words(enum), dtype=object)[values]
            elif name in PRICES:
                human[name] = self._units.scaled(values, rows, "tick_size")
            elif name in SIZES:
                human[name] = self._units.scaled(values, rows, "lot_size")
            elif name in AMOUNTS:
                human[name] = self._units.scaled(values, rows, "amount")
            elif name == "market":
                human[name] = self._units.market_named(raw)
            elif name == "venue":
                human[name] = self._units.venue_named(values)
            elif name == "time_ns":
                human["time_s"] = values / 1e9
            elif name == "ratio_ppm":
                human["ratio"] = values / 1e6
            else:
                human[name] = values
        if self.name == "liquidations":
            human["vwap"] = self._units.vwap(raw["value"], raw["lots_filled"], rows)
        return human


def balances(accounts: Table, funds: Table, venue: int, kind: int) -> tuple[Array, Array]:
    """Return steps and the sums of the balances of a venue's holders of a kind, the opening first.

    `kind` is one of those that have rows of funds: fund, vault, bad debt.
    """
    mine = np.flatnonzero((accounts["venue"] == venue) & (accounts["kind"] == kind))
    rows = np.isin(funds["holder"], accounts["scope"][mine]) & (funds["venue"] == venue)
    change = np.zeros(len(rows), dtype=np.int64)
    for row in mine:
        own = rows & (funds["holder"] == accounts["scope"][row])
        change[own] = np.diff(funds["balance"][own], prepend=accounts["collateral"][row])
    total = np.append(0, np.cumsum(change[rows])) + int(accounts["collateral"][mine].sum())
    return np.append(-1, funds["step"][rows]), total
