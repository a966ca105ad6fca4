"""What a run did, by generation: volumes, who absorbed them, their ratios; and the cascade's tree.

Generation 0 is what shocks traded and liquidations without parent closed; SEMANTICS §4. Volumes
are in lots; in value where more than one market took part.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ordercascade.analysis.causes import CAUSES, causes
from ordercascade.analysis.state import Ints
from ordercascade.contracts import kind_of, worth
from ordercascade.enums import HolderKind, Side, StepKind
from ordercascade.errors import InputError, InputTypeError
from ordercascade.tape import Tape

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MECHANISMS = ("book", "takeover", "adl", "external")
NODES = (
    *(StepKind.SHOCK, StepKind.LIQUIDATION, StepKind.TAKEOVER, StepKind.DISPOSAL, StepKind.ADL),
)
LINES_MAX = 200


@dataclass(frozen=True, eq=False)
class Generations:
    """Volumes by generation: `shock` from outside, and what was forced, by who absorbed it.

    `volume[m]` is an array over generations for each mechanism: book (filled against orders),
    takeover (by fund or vault), adl (handed to users), external (ADL that only the outside could
    take). A disposal sells what a takeover took already, and is not counted again. `cause[c]` is
    the same forced volume by what made it forced (analysis.causes): price, margin, and the others.
    """

    in_lots: bool
    shock: Ints
    volume: dict[str, Ints]
    cause: dict[str, Ints]

    @property
    def total(self) -> Ints:
        """All volume by generation."""
        return np.asarray(self.shock + sum(self.volume.values()))

    def ratios(self, mechanism: str | None = None) -> list[float | None]:
        """Return R_g: volume of generation g + 1 over all of g; None where that is 0.

        With a mechanism, who absorbed or a cause, only its part of generation g + 1: the parts of
        either add up to the whole. Only what the book absorbs moves a price: R_book = R (1 -
        absorbed share); `margin` is R_margin of MECHANISMS §10.
        """
        parts = self.volume | self.cause
        if mechanism is not None and mechanism not in parts:
            raise InputError("mechanism", mechanism, f"must be one of {', '.join(parts)}")
        before = self.total
        after = before if mechanism is None else parts[mechanism]
        later = [*after[1:].tolist(), 0]
        return [b / a if a else None for a, b in zip(before.tolist(), later, strict=True)]

    @property
    def caused(self) -> dict[str, float]:
        """The share of forced volume by cause, without those that caused none."""
        made = {name: int(each.sum()) for name, each in self.cause.items()}
        forced = sum(made.values())
        return {name: volume / forced for name, volume in made.items() if volume}

    @property
    def absorbed(self) -> float | None:
        """The share of forced volume that did not go through the book; None without any."""
        forced = sum(int(each.sum()) for each in self.volume.values())
        return 1 - int(self.volume["book"].sum()) / forced if forced else None

    @property
    def pooled(self) -> float | None:
        """All volume that has a parent over all that could be one: 1 - generation 0 / total.

        For a branching process this estimates R without bias from its family sizes: a cascade of
        mean a / (1 - R) gives 1 - a (1 - R) / a. None where nothing was traded.
        """
        total = int(self.total.sum())
        return 1 - int(self.total[0]) / total if total else None


def generations(tape: Tape) -> Generations:
    """Return the volumes of a run by generation."""
    check_tape(tape)
    steps, liquidations = tape.steps, tape.liquidations
    fills, adl = tape.fills, tape.adl
    shocked = np.append(steps["kind"] == StepKind.SHOCK, False)[fills["step"]]
    markets = {(int(m["venue"]), int(m["id"])): m for m in tape.markets}
    venue = np.append(steps["venue"], 0).astype(np.int64)
    parts = [
        (fills["venue"][shocked], fills["market"][shocked]),
        (liquidations["venue"], liquidations["market"]),
        (venue[adl["step"]], adl["market"]),
    ]
    taking = {
        key
        for one, two in parts
        for key in np.unique(one.astype(np.int64) << 32 | two.astype(np.int64)).tolist()
    }
    in_lots = len(taking) < 2
    amounts = fills["size"][shocked].astype(np.int64)
    if not in_lots:
        amounts = _values(tape, markets, shocked)
    count = 1 + int(max(steps["generation"], default=0))
    shock = _by(steps, fills["step"][shocked], amounts, count)
    closed = liquidations["lots_filled" if in_lots else "value"].astype(np.int64)
    volume = {"book": _by(steps, liquidations["step"], closed, count)}
    handed = np.abs(adl["lots" if in_lots else "cost"].astype(np.int64))
    took = steps["kind"][adl["step"]] == StepKind.TAKEOVER
    accounts = tape.tables["accounts"]
    outer = accounts["kind"] == HolderKind.EXTERNAL
    outside = accounts["venue"].astype(np.int64)[outer] << 32 | accounts["scope"][outer]
    borne = np.isin(venue[adl["step"]] << 32 | adl["scope_to"], outside)
    for name, rows in (("takeover", took), ("adl", ~took & ~borne), ("external", borne)):
        volume[name] = _by(steps, adl["step"][rows], handed[rows], count)
    forced = np.concatenate((liquidations["step"], adl["step"])).astype(np.int64)
    lots, made = np.concatenate((closed, handed)), causes(tape)[forced]
    cause = {
        name: _by(steps, forced[made == place], lots[made == place], count)
        for place, name in enumerate(CAUSES)
    }
    return Generations(in_lots, shock, volume, cause)


def _values(tape: Tape, markets: Any, rows: Any) -> Ints:
    """Return the value of fills."""
    fills = tape.fills
    venue, market = fills["venue"][rows], fills["market"][rows]
    price, size = fills["price"][rows].astype(np.int64), fills["size"][rows].astype(np.int64)
    value = np.zeros(len(size), dtype=np.int64)
    for (v, m), found in markets.items():
        here = (venue == v) & (market == m)
        kind, terms = kind_of(found["kind"]), int(found["multiplier"])
        value[here] = np.abs(worth(kind, terms, -size[here], price[here]))
    return value


def _by(steps: Any, step: Any, amounts: Ints, count: int) -> Ints:
    found = np.zeros(count, dtype=np.int64)
    np.add.at(found, steps["generation"][step], amounts)
    return found


@dataclass(frozen=True, eq=False, repr=False)
class Tree:
    """Who set off whom: one row a node, in the order of steps; `parent` is a row, -1 for a root.

    Nodes are shocks, liquidations, takeovers, disposals and ADL; what lies between two of them on
    the tape (marks, waterfalls) is passed over. `volume` is in lots of the node's market.
    """

    step: Ints
    parent: Ints
    generation: Ints
    kind: Ints
    market: Ints
    account: Ints  # 0 for the outside
    volume: Ints
    names: tuple[str, ...]  # of the markets, by `market`
    lots: tuple[str, ...]  # size of a lot of each

    def __len__(self) -> int:
        return len(self.step)

    def __repr__(self) -> str:
        return f"<Tree of {len(self):,} nodes>"

    def children(self, row: int) -> list[int]:
        """Return the rows that a row set off."""
        return np.flatnonzero(self.parent == row).tolist()

    def text(self, *, lines: int = LINES_MAX) -> str:
        """Return the tree indented, one line a node; beyond `lines` the rest is counted."""
        told = list(self._lines(lines + 1))
        if len(told) > lines:
            told[lines:] = [f"... and {len(self) - lines:,} more"]
        return "\n".join(told)

    def picture(self) -> Figure:
        """Return the tree drawn: generations from left to right, area by volume."""
        from ordercascade.analysis.pictures import tree

        return tree(self)

    def _lines(self, most: int) -> Iterator[str]:
        below: dict[int, list[int]] = {}
        for row, parent in enumerate(self.parent.tolist()):
            below.setdefault(parent, []).append(row)
        stack = [(row, 0) for row in reversed(below.get(-1, []))]
        while stack and most > 0:
            row, depth = stack.pop()
            yield "  " * depth + self._line(row)
            most -= 1
            stack += [(child, depth + 1) for child in reversed(below.get(row, []))]

    def _line(self, row: int) -> str:
        from fractions import Fraction

        kind = StepKind(int(self.kind[row])).name.lower()
        market = int(self.market[row])
        size = float(int(self.volume[row]) * Fraction(self.lots[market]))
        who = f" account {self.account[row]}" if self.account[row] > 0 else ""
        return f"step {self.step[row]}: {kind}{who}, {size:,.10g} {self.names[market]}"


def tree(tape: Tape) -> Tree:
    """Return the cascade's tree of a run as data."""
    check_tape(tape)
    steps = tape.steps
    kind = steps["kind"].astype(np.int64)
    chosen = np.isin(kind, NODES)
    row = np.cumsum(chosen) - 1
    # A node's parent is the nearest step up the tape's parents that is a node itself.
    above = np.full(len(kind), -1, dtype=np.int64)
    for step, parent in enumerate(steps["parent"].tolist()):
        if parent >= 0:
            above[step] = parent if chosen[parent] else above[parent]
    at = np.flatnonzero(chosen)
    parent = np.where(above[at] >= 0, row[above[at]], -1)
    volume = np.zeros(len(kind), dtype=np.int64)
    account = np.zeros(len(kind), dtype=np.int64)
    _tell(tape, kind, volume, account)
    keys = {(int(m["venue"]), int(m["id"])): place for place, m in enumerate(tape.markets)}
    markets = [
        keys.get(key, 0)
        for key in zip(steps["venue"][at].tolist(), steps["market"][at].tolist(), strict=True)
    ]
    return Tree(
        step=at.astype(np.int64),
        parent=parent.astype(np.int64),
        generation=steps["generation"][at].astype(np.int64),
        kind=kind[at],
        market=np.array(markets, dtype=np.int64),
        account=account[at],
        volume=volume[at],
        names=tuple(str(m["name"]) for m in tape.markets),
        lots=tuple(str(m["lot_size"]) for m in tape.markets),
    )


def _tell(tape: Tape, kind: Ints, volume: Ints, account: Ints) -> None:
    """Write each step's lots and account into columns over all steps."""
    fills, liquidations, adl = tape.fills, tape.liquidations, tape.adl
    sold = np.isin(kind, (StepKind.SHOCK, StepKind.DISPOSAL))
    own = np.append(sold, False)[fills["step"]]
    np.add.at(volume, fills["step"][own], fills["size"][own])
    volume[liquidations["step"]] = liquidations["lots_filled"]
    np.add.at(volume, adl["step"], adl["lots"])
    accounts = tape.tables["accounts"]
    mine = accounts["kind"] == HolderKind.SCOPE
    owner = dict(
        zip(
            (accounts["venue"].astype(np.int64) << 32 | accounts["scope"])[mine].tolist(),
            accounts["account"][mine].tolist(),
            strict=True,
        )
    )
    steps = tape.steps
    scope = steps["venue"].astype(np.int64) << 32 | np.maximum(steps["scope"], 0)
    for step in np.flatnonzero(np.isin(kind, NODES[1:]) & (steps["scope"] >= 0)).tolist():
        account[step] = owner.get(int(scope[step]), 0)


def first_shock(tape: Tape) -> npt.NDArray[np.intp]:
    """Return the rows of the fills of the run's first outside order that traded."""
    steps = tape.fills["step"]
    rows = np.flatnonzero(np.append(tape.steps["kind"] == StepKind.SHOCK, False)[steps])
    return rows[steps[rows] == steps[rows[0]]] if len(rows) else rows


def pushed(tape: Tape) -> int:
    """Return the way of the run's first outside order, DOWN (-1) or UP (1); else of its marks."""
    shocked = first_shock(tape)
    if len(shocked):
        return 1 if tape.fills["taker_side"][shocked[0]] == Side.BID else -1
    side = tape.liquidations["side"]
    if len(side):
        return 1 if side[0] == Side.BID else -1
    marks = tape.marks["mark"]
    return 1 if len(marks) and marks[-1] > marks[0] else -1


def check_tape(tape: object) -> None:
    """Refuse what is no tape."""
    if not isinstance(tape, Tape):
        hint = "run a scenario first: oc.run(scenario)"
        raise InputTypeError("tape", "a Tape", tape, hint=hint)
