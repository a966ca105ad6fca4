"""The view-model of the stepper: a tape in, plain views out; it knows no widget.

A position k runs from -1 (the opening) to the last step. `Player.at(k)` is a pure function of the
tape, the market and the view's settings, so going back shows exactly what was shown before.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from ordercascade.checks import whole
from ordercascade.enums import HolderKind, Side, StepKind
from ordercascade.errors import InputError
from ordercascade.figures import Figures, Units, plural, read, seconds
from ordercascade.frames import Frame
from ordercascade.lab.due import due_of
from ordercascade.lab.levels import Depth, Reach, depth_of, reach_of
from ordercascade.lab.words import line_of, word_of

if TYPE_CHECKING:
    from ordercascade.tape import Tape

Float64: TypeAlias = npt.NDArray[np.float64]
Jump: TypeAlias = Literal["liquidation", "generation", "fund draw", "adl", "halt"]
JUMPS: tuple[Jump, ...] = ("liquidation", "generation", "fund draw", "adl", "halt")

PATH_POINTS = 2_000
ACCOUNTS_SHOWN = 12
LOG_SHOWN = 14
TREE_SHOWN = 160
PPM = 10**6


@dataclass(frozen=True, slots=True)
class Path:
    """Prices by step, sent once: x is the step (-1 the opening), nan where there is none."""

    step: Float64
    mark: Float64
    index: Float64
    last: Float64


@dataclass(frozen=True, slots=True)
class Row:
    """An account in the table: one scope, at the standing marks of the step."""

    name: str
    margin: str  # cross, or the market it is isolated in
    equity: str
    maintenance: str
    ratio: float  # equity over maintenance
    state: str  # now, liquidated, below, near or empty


@dataclass(frozen=True, slots=True)
class Node:
    """A step of the cascade tree: its column is the generation, its row counts within it."""

    step: int
    parent: int  # a step of the tree, or -1
    generation: int
    place: int
    lots: float
    label: str


@dataclass(frozen=True, slots=True)
class View:
    """What a person sees at position k; numbers in people's units."""

    k: int
    count: int
    status: str
    kind: str
    account: str
    side: str  # long, short or empty
    generation: int
    parent: int
    cause: str
    tranche: int
    levels_eaten: int
    depth: Depth
    mark: float
    fund: float
    fund_text: str
    bad_debt: float
    bad_debt_text: str
    adl: float
    adl_text: str
    rows: tuple[Row, ...]
    log: tuple[tuple[int, str], ...]  # (step, line), newest first
    ratios: tuple[float, ...]  # realised R by generation so far
    fallen: int  # accounts liquidated so far


class Player:
    """Steps through one market of a tape."""

    def __init__(self, tape: Tape, *, venue: int = 0, market: int | None = None) -> None:
        """Choose the market: the given one, else the one with most liquidated."""
        self.tape = tape
        self._f: Figures = read(tape)
        self.venue, self.market = venue, self._chosen(venue, market)
        self.units: Units = self._f.units[venue, self.market]
        self.count = len(tape)
        self.reach: Reach = reach_of(tape, venue, self.market)
        self.path = self._path()
        self.due = due_of(tape, self._f, venue, self.market)
        self._generations()

    def at(self, k: int, *, cumulative: bool = True, zoom: bool = True, group: int = 1) -> View:
        """Return the view after step k. `zoom` shows what is touched in the run, else the book."""
        k = whole("k", k, -1, self.count - 1)
        frame = self.tape.frame(
            k, venue=self.venue, market=self.market, zoom=self.reach.ticks(zoom)
        )
        f, units = self._f, self.units
        step, liquidation = frame.step, frame.liquidation
        money = f.settled(self.venue).money
        cash = float(f.settled(self.venue).cash)
        kind = StepKind(step["kind"]).name.lower() if step else "opening"
        scope = int(step["scope"]) if step else -1
        adl = int(frame.adl["lots"][frame.adl["market"] == self.market].sum())
        return View(
            k=k,
            count=self.count,
            status=self._status(frame),
            kind=kind,
            account=f.who(self.venue, scope) if scope >= 0 else "",
            side=_side(liquidation),
            generation=int(step["generation"]) if step else 0,
            parent=int(step["parent"]) if step else -1,
            cause=self._cause(step["parent"]) if step else "",
            tranche=int(liquidation["tranche"]) if liquidation else 0,
            levels_eaten=int(liquidation["levels_eaten"]) if liquidation else 0,
            depth=depth_of(frame, self.reach, units, cumulative=cumulative, zoom=zoom, group=group),
            mark=f.mark(self.venue, self.market, k) * float(units.tick),
            fund=frame.fund * cash,
            fund_text=money(frame.fund),
            bad_debt=-frame.bad_debt * cash,
            bad_debt_text=money(-frame.bad_debt),
            adl=adl * float(units.lot),
            adl_text=units.size(adl),
            rows=tuple(self._rows(frame, k)),
            log=tuple((at, self.line(at)) for at in self.told(k)[:LOG_SHOWN]),
            ratios=self.ratios(k),
            fallen=int(np.searchsorted(self._first_fall, k, side="right")),
        )

    def jump(self, k: int, to: Jump, *, back: bool = False) -> int:
        """Return the next (or last) position of a kind after (before) k; k where there is none."""
        if to not in JUMPS:
            raise InputError("jump", to, f"must be one of {', '.join(JUMPS)}")
        found = self._stops(to)
        at = int(np.searchsorted(found, k, side="left" if back else "right"))
        if back:
            return int(found[at - 1]) if at else k
        return int(found[at]) if at < len(found) else k

    def line(self, k: int) -> str:
        """Return one line about step k."""
        return line_of(self._f, k)

    def told(self, k: int) -> list[int]:
        """Return the steps with a line up to k, newest first."""
        told = self._told
        end = int(np.searchsorted(told, k, side="right"))
        return [int(step) for step in told[max(0, end - LOG_SHOWN) : end][::-1]]

    def ratios(self, k: int) -> tuple[float, ...]:
        """Return the realised R by generation up to k: value over that of the one before."""
        value = self._value_by_generation(k)
        return tuple(
            after / before if before else float("nan") for before, after in pairwise(value)
        )

    def tree(self, k: int) -> list[Node]:
        """Return the newest part of the cascade tree up to k, parents before children."""
        f = self._f
        rows = f.column("liquidations", "step")
        end = int(np.searchsorted(rows, k, side="right"))
        steps = rows[max(0, end - TREE_SHOWN) : end].tolist()
        parents = [self._f.cell("steps", "parent", step) for step in steps]
        roots = sorted({p for p in parents if p >= 0 and p not in set(steps)})
        nodes: list[Node] = []
        places: dict[int, int] = {}
        known: set[int] = set()
        for step in sorted([*roots, *steps]):
            generation = f.cell("steps", "generation", step)
            parent = f.cell("steps", "parent", step)
            place = places.get(generation, 0)
            places[generation] = place + 1
            lots, label = self._node(step)
            nodes.append(
                Node(step, parent if parent in known else -1, generation, place, lots, label)
            )
            known.add(step)
        return nodes

    # How it is made.

    def _chosen(self, venue: int, market: int | None) -> int:
        here = [m for v, m in self._f.units if v == venue]
        if not here:
            venues = sorted({v for v, _ in self._f.units})
            raise InputError("venue", venue, f"must be one of {venues}, and have a market")
        if market is not None:
            if market not in here:
                raise InputError("market", market, f"must be one of {here} at venue {venue}")
            return market
        mine = self._f.column("liquidations", "venue") == venue
        value = self._f.column("liquidations", "value")[mine]
        which = self._f.column("liquidations", "market")[mine]
        sums = [int(value[which == m].sum()) for m in here]
        return here[int(np.argmax(sums))]

    def _path(self) -> Path:
        """Return the price path, thinned where it is long: the cursor shows the exact numbers."""
        marks = self.tape.marks
        here = (marks["venue"] == self.venue) & (marks["market"] == self.market)
        rows = np.flatnonzero(here)
        if len(rows) > PATH_POINTS:
            rows = rows[np.linspace(0, len(rows) - 1, PATH_POINTS).astype(np.int64)]
        tick = float(self.units.tick)
        columns = [
            np.where(marks[name][rows] > 0, marks[name][rows] * tick, np.nan)
            for name in ("mark", "index", "last")
        ]
        step = marks["step"][rows].astype(np.float64)
        if len(step) and step[-1] < self.count - 1:
            step = np.append(step, float(self.count - 1))
            columns = [np.append(column, column[-1]) for column in columns]
        return Path(step, *columns)

    def _generations(self) -> None:
        """Prepare what running sums need: value by generation, first falls, steps with a line."""
        f = self._f
        kinds = f.column("steps", "kind")
        self._told = np.flatnonzero(kinds != StepKind.MARK)
        steps = f.column("liquidations", "step")
        self._steps, self._worth = steps, f.column("liquidations", "value")
        self._generation = f.column("steps", "generation")[steps]
        scope = f.column("liquidations", "venue") << 32 | f.column("liquidations", "scope")
        self._first_fall = np.sort(steps[np.unique(scope, return_index=True)[1]])
        fills = f.column("fills", "step")
        outside = np.isin(kinds[fills], (StepKind.SHOCK, StepKind.AGENTS))
        self._outside_steps = fills[outside]
        value = f.column("fills", "price")[outside] * f.column("fills", "size")[outside]
        by = {key: int(m["multiplier"]) for key, m in zip(f.units, self.tape.markets, strict=True)}
        venue, market = (f.column("fills", name)[outside] for name in ("venue", "market"))
        m = [by[key] for key in zip(venue.tolist(), market.tolist(), strict=True)]
        self._outside_worth = value * np.array(m, dtype=np.int64)

    def _value_by_generation(self, k: int) -> list[float]:
        end = int(np.searchsorted(self._steps, k, side="right"))
        value = np.bincount(self._generation[:end], weights=self._worth[:end].astype(np.float64))
        outside = int(np.searchsorted(self._outside_steps, k, side="right"))
        first = float(self._outside_worth[:outside].sum())
        found: list[float] = value.tolist() or [0.0]
        found[0] += first
        return found

    def _stops(self, to: Jump) -> npt.NDArray[np.int64]:
        """Return the steps a jump may land on, sorted."""
        kept = self.__dict__.setdefault("_kept_stops", {})
        if to not in kept:
            kept[to] = self._found_stops(to)
        found: npt.NDArray[np.int64] = kept[to]
        return found

    def _found_stops(self, to: Jump) -> npt.NDArray[np.int64]:
        f = self._f
        kinds = f.column("steps", "kind")
        if to == "liquidation":
            return self._steps
        if to == "adl":
            return np.flatnonzero(kinds == StepKind.ADL)
        if to == "halt":
            return np.flatnonzero(np.isin(kinds, (StepKind.HALT, StepKind.RESUME)))
        if to == "generation":
            later = np.flatnonzero(np.diff(self._generation, prepend=-1) > 0)
            return self._steps[later]
        holders = [h for (v, h), (kind, _) in f.owner.items() if kind == HolderKind.FUND]
        from_holder, amount = f.column("postings", "from_holder"), f.column("postings", "amount")
        drawn = np.isin(from_holder, holders) & (amount > 0)
        return np.unique(f.column("postings", "step")[drawn])

    # What it says.

    def _status(self, frame: Frame) -> str:
        """Return the line above the pictures: everything about the step in words."""
        step, f, units = frame.step, self._f, self.units
        head = f"step {frame.k + 1:,} of {self.count:,}"
        mark = units.price(f.mark(self.venue, self.market, frame.k))
        if not step:
            return f"{head} · the opening · mark {mark}"
        parts = [head, f"t = {seconds(frame.time_ns)}", self.line(frame.k)]
        at = frame.liquidation
        if at:
            parts.insert(2, f"generation {step['generation']}")
            parts.append(plural(at["levels_eaten"], "level") + " eaten")
            parts.append(self._cause(step["parent"]))
        parts.append(f"mark {mark}")
        return " · ".join(parts)

    def _cause(self, parent: int) -> str:
        if parent < 0:
            return "no step before it set it off"
        kind = StepKind(self._f.cell("steps", "kind", parent))
        if kind == StepKind.LIQUIDATION:
            scope = self._f.cell("steps", "scope", parent)
            return f"set off by {self._f.who(self._f.venue(parent), scope)} (step {parent + 1})"
        return f"set off by the {word_of(kind)} of step {parent + 1}"

    def _node(self, step: int) -> tuple[float, str]:
        f = self._f
        kind = StepKind(f.cell("steps", "kind", step))
        if kind != StepKind.LIQUIDATION:
            return 0.0, f"{word_of(kind)} of step {step + 1}"
        row = int(np.searchsorted(self._steps, step))
        lots = f.cell("liquidations", "lots_filled", row)
        units = f.market("liquidations", row)
        who = f.who(f.venue(step), f.cell("steps", "scope", step))
        return lots * float(units.lot), f"{who}: {units.size(lots)}"

    def _rows(self, frame: Frame, k: int) -> list[Row]:
        """Return the accounts nearest to liquidation as recorded, lowest margin ratio first."""
        f = self._f
        money = f.settled(self.venue).money
        scopes = frame.scopes
        step_scope = int(frame.step["scope"]) if frame.step else -1
        gone = self._gone(k)
        made: list[Row] = []
        order = range(len(scopes["scope"]))
        for i in sorted(order, key=lambda i: int(scopes["scope"][i]) != step_scope):
            scope = int(scopes["scope"][i])
            kind, _ = f.owner.get((self.venue, scope), (HolderKind.SCOPE, -1))
            maintenance, equity = int(scopes["maintenance"][i]), int(scopes["equity"][i])
            if kind != HolderKind.SCOPE or (maintenance == 0 and scope != step_scope):
                continue
            ratio = equity / max(1, maintenance)
            state = "now" if scope == step_scope else "liquidated" if scope in gone else ""
            state = state or ("below" if ratio < 1 else "near" if ratio < 1.25 else "")
            margin = self._margin(scope)
            made.append(
                Row(
                    f.who(self.venue, scope),
                    margin,
                    money(equity),
                    money(maintenance),
                    ratio,
                    state,
                )
            )
            if len(made) == ACCOUNTS_SHOWN:
                break
        return sorted(made, key=lambda row: row.ratio)

    def _gone(self, k: int) -> set[int]:
        end = int(np.searchsorted(self._steps, k, side="right"))
        here = self._f.column("liquidations", "venue")[:end] == self.venue
        return set(self._f.column("liquidations", "scope")[:end][here].tolist())

    def _margin(self, scope: int) -> str:
        accounts = self.tape.tables["accounts"]
        kept = self.__dict__.setdefault(
            "_isolated_in",
            {
                int(s): int(m)
                for s, m, v in zip(
                    accounts["scope"], accounts["market"], accounts["venue"], strict=True
                )
                if v == self.venue and m >= 0
            },
        )
        market = kept.get(scope)
        return "cross" if market is None else f"isolated {self._f.units[self.venue, market].name}"


def _side(liquidation: Any) -> str:
    if not liquidation:
        return ""
    return "long" if liquidation["side"] == Side.ASK else "short"
