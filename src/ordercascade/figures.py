"""A tape's numbers as people read them: prices, sizes and money with their units, names of scopes.

The text of a story and of a summary is made of these. Whole numbers in, text out, exactly;
the only rounding is to the decimals that are shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ordercascade.enums import HolderKind, Side, StepKind

if TYPE_CHECKING:
    from ordercascade.tape import Tape

Column: TypeAlias = "np.ndarray[Any, np.dtype[np.int64]]"
Rows: TypeAlias = "np.ndarray[Any, np.dtype[np.intp]]"
Pair: TypeAlias = tuple[int, int]
OWN = {  # holders of a venue that trade
    HolderKind.FUND: "the insurance fund",
    HolderKind.VAULT: "the vault",
}
Level: TypeAlias = tuple[int, int]  # price, size


GATE_WORDS = {
    StepKind.RATES: "moves its margin rates or fees",
    StepKind.HALT: "halted by a circuit breaker",
    StepKind.RESUME: "trades again",
    StepKind.AUCTION: "reopens in a call auction",
}


@dataclass(frozen=True)
class Units:
    """A market's names and units."""

    name: str
    settle: str
    tick: Decimal
    lot: Decimal
    cash: Decimal  # the smallest settlement unit

    @property
    def base(self) -> str:
        """What a lot is made of, where the market's name tells."""
        base = self.name.removesuffix(self.settle)
        return base if base and base != self.name else "lots" if self.lot == 1 else "units"

    def price(self, ticks: int) -> str:
        """Return a price with the tick's own decimals: 60,000.1."""
        return f"{int(ticks) * self.tick:,f}"

    def size(self, lots: int) -> str:
        """Return an unsigned size: 0.250 BTC."""
        return f"{self.number(lots)} {self.base}"

    def number(self, lots: int) -> str:
        """Return an unsigned size without its unit."""
        return f"{abs(int(lots)) * self.lot:,f}"

    def money(self, amount: int) -> str:
        """Return an amount: 1,234.50 USDT; more decimals only where two would show nothing."""
        value = int(amount) * self.cash
        places = min(2, -_exponent(self.cash))
        if value and abs(value) < Decimal("0.01"):
            places = -_exponent(self.cash)
        return f"{value:,.{places}f} {self.settle}"

    def average(self, value: int, lots: int) -> str:
        """Return value over size as a price, one digit finer than a tick."""
        exact = Fraction(int(value)) * Fraction(self.cash) / (int(lots) * Fraction(self.lot))
        places = max(0, 1 - _exponent(self.tick))
        return f"{round(exact * 10**places) / Decimal(10) ** places:,.{places}f}"

    def move(self, before: int, after: int) -> str:
        """Return a change of price: 60,000.0 → 59,880.0 (-0.20 %)."""
        if before == after or before <= 0:
            return f"{self.price(after)}{' (no change)' if before == after else ''}"
        return f"{self.price(before)} → {self.price(after)} ({percent(after - before, before)})"


def percent(part: int, whole: int) -> str:
    """Return a signed share with two decimals, or two digits if it is tiny: -0.20 %."""
    share = 100 * int(part) / int(whole)
    return f"{share:+.2f} %" if abs(share) >= 0.01 or not share else f"{share:+.1g} %"


def seconds(time_ns: int) -> str:
    """Return a simulated time: 1.5 s."""
    return f"{Decimal(int(time_ns)) / 10**9:,f} s"


def plural(count: int, noun: str) -> str:
    """Return a count with its noun: 1 account, 1,200 accounts."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def some(items: list[str], *, most: int) -> str:
    """Return items joined by commas; those beyond `most` are only counted."""
    rest = len(items) - most
    return ", ".join(items[:most]) + (f" and {rest:,} more" if rest > 0 else "")


def _exponent(unit: Decimal) -> int:
    return min(0, int(unit.as_tuple().exponent))


@dataclass
class Figures:
    """A tape's columns, its markets' units, and whose a scope is."""

    tape: Any
    units: dict[Pair, Units]  # by (venue, market)
    owner: dict[Pair, Pair]  # (venue, holder) -> (HolderKind, account)
    names: dict[Pair, str]  # (venue, account) -> its name in the scenario
    summary: Mapping[str, Any]
    kept: dict[tuple[str, str], Column] = field(default_factory=dict)

    def column(self, table: str, column: str) -> Column:
        """Return a column as int64: sums of int32 could overflow."""
        key = table, column
        if key not in self.kept:
            self.kept[key] = self.tape.tables[table][column].astype(np.int64, copy=False)
        return self.kept[key]

    def cell(self, table: str, column: str, row: int) -> int:
        return int(self.column(table, column)[row])

    def within(self, table: str, span: Pair) -> Rows:
        """Return the rows of a table whose step lies in [from, to)."""
        return np.arange(*np.searchsorted(self.column(table, "step"), span))

    def venue(self, step: int) -> int:
        """Return the venue of a step; the first one for the opening."""
        return self.cell("steps", "venue", step) if step >= 0 else 0

    def market(self, table: str, row: int) -> Units:
        """Return the units of a row's market."""
        venue = self.venue(self.cell(table, "step", row))
        return self.units[venue, self.cell(table, "market", row)]

    def where(self, units: Units) -> str:
        """Name the market behind a size, where there is more than one."""
        return f" {units.name}" if len(self.units) > 1 else ""

    def settled(self, venue: int) -> Units:
        """Return the units of the venue's money: those of its first market."""
        return self.units[min(key for key in self.units if key[0] == venue)]

    def asset(self, venue: int, asset: int) -> Units:
        """Return the units of an asset: the venue's money, or a collateral."""
        for told in self.tape.meta["venues"]:
            for each in told.get("collaterals", ()) if told["id"] == venue else ():
                if each["asset"] == asset:
                    cash = Decimal(1).scaleb(-int(each["decimals"]))
                    return replace(self.settled(venue), settle=str(each["name"]), cash=cash)
        return self.settled(venue)

    def who(self, venue: int, holder: int) -> str:
        """Name the owner of a scope; accounts have names where the scenario gave them one."""
        kind, account = self.owner.get((venue, holder), (HolderKind.SCOPE, -1))
        if kind == HolderKind.EXTERNAL:
            return "the outside"
        if kind in OWN:
            return OWN[HolderKind(kind)]
        return self.account(venue, account) if account > 0 else f"scope {holder}"

    def account(self, venue: int, account: int) -> str:
        """Name an account: by the scenario's word, else by its number."""
        if (venue, account) in self.names:
            return f"account {self.names[venue, account]}"
        for run in self.tape.meta["populations"]:
            number = account - int(run["first"])
            if int(run["venue"]) == venue and 0 <= number < int(run["count"]):
                return f"account {run['name']}-{number + 1}"
        return f"account {account}"

    def prices(self, venue: int, market: int) -> Mapping[str, Any]:
        """Return the summary's prices of a market: first_mark, last_mark, ..."""
        place = list(self.units).index((venue, market))
        found: Mapping[str, Any] = list(self.summary["by_market"].values())[place]
        return found

    def mark_rows(self, venue: int, market: int) -> Rows:
        """Return the rows at which a market's mark changed.

        Rows of other steps are left out: those of a liquidation show the mark it causes.
        """
        key = "mark rows", f"{venue} {market}"
        if key not in self.kept:
            step = self.column("marks", "step")
            here = self.column("marks", "venue") == venue
            here &= self.column("marks", "market") == market
            if len(self.column("steps", "step")):
                here &= self.column("steps", "kind")[step] == StepKind.MARK
                here &= self.column("steps", "market")[step] == market
            self.kept[key] = np.flatnonzero(here & (step >= 0))
        return self.kept[key]

    def mark(self, venue: int, market: int, step: int) -> int:
        """Return the mark of a market as it stood after a step; -1 is the opening."""
        rows, key = self.mark_rows(venue, market), ("mark steps", f"{venue} {market}")
        if key not in self.kept:
            self.kept[key] = self.column("marks", "step")[rows]
        count = int(np.searchsorted(self.kept[key], step, side="right"))
        if count:
            return self.cell("marks", "mark", int(rows[count - 1]))
        return int(self.prices(venue, market)["first_mark"] or 0)

    def eaten(self, step: int) -> list[Level]:
        """Return the levels a step's trades took, in the order taken."""
        rows = slice(*(self.cell("steps", edge, step) for edge in ("fill_from", "fill_to")))
        price, size = (self.column("fills", name)[rows].tolist() for name in ("price", "size"))
        levels: list[Level] = []
        for ticks, lots in zip(price, size, strict=True):
            if levels and levels[-1][0] == ticks:
                lots += levels.pop()[1]
            levels.append((ticks, lots))
        return levels

    def levels(self, step: int, units: Units, *, side: int) -> str:
        """Say which levels a step ate; `side` is the taker's."""
        taken, book = self.eaten(step), "bid" if side == Side.ASK else "ask"
        first = [f"{units.number(lots)} at {units.price(ticks)}" for ticks, lots in taken[:3]]
        if len(taken) <= 4:
            first += [f"{units.number(lots)} at {units.price(ticks)}" for ticks, lots in taken[3:]]
            return f"eats {plural(len(taken), book + ' level')}: {', '.join(first)}"
        last = f"{units.number(taken[-1][1])} at {units.price(taken[-1][0])}"
        way = "down" if side == Side.ASK else "up"
        return f"eats {len(taken):,} {book} levels: {', '.join(first)}, ... {way} to {last}"


def read(tape: Tape) -> Figures:
    """Take from a tape what its sentences need."""
    units = {
        (int(m["venue"]), int(m["id"])): Units(
            str(m["name"]),
            str(m["settle"]),
            Decimal(str(m["tick_size"])),
            Decimal(str(m["lot_size"])),
            Decimal((0, (1,), -int(m["decimals"]))),
        )
        for m in tape.meta["markets"]
    }
    named = {(int(a["venue"]), int(a["id"])): str(a["name"]) for a in tape.meta["accounts"]}
    f = Figures(tape, units, {}, named, tape.summary())
    names = ("venue", "scope", "kind", "account")
    holders = zip(*(f.column("accounts", name).tolist() for name in names), strict=True)
    f.owner.update({(venue, scope): (kind, account) for venue, scope, kind, account in holders})
    return f


def gate_lines(f: Figures, span: Pair) -> list[str]:
    """Tell what circuit breakers did in a settlement."""
    kinds = f.column("steps", "kind")[slice(*span)]
    steps = (np.flatnonzero(np.isin(kinds, list(GATE_WORDS))) + span[0]).tolist()
    return [
        f"t = {seconds(f.cell('steps', 'time_ns', k))}, step {k}: {f.market('steps', k).name} "
        f"{GATE_WORDS[StepKind(f.cell('steps', 'kind', k))]}"
        for k in steps
    ]
