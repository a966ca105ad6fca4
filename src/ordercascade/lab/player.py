"""The view-model of the stepper: a tape in, plain views out; it knows no widget.

A position k runs from -1 (the opening) to the last step. `Player.at(k)` is a pure function of the
tape, the market and the view's settings, so going back shows exactly what was shown before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from ordercascade.checks import whole
from ordercascade.enums import Side, StepKind
from ordercascade.errors import InputError
from ordercascade.figures import Figures, Units, plural, read, seconds
from ordercascade.frames import Frame
from ordercascade.lab.due import due_of
from ordercascade.lab.hover import tip_of
from ordercascade.lab.levels import Reach, depth_of, levels_of, reach_of
from ordercascade.lab.sums import Falls, Standing, deleveraged, drawn, growth
from ordercascade.lab.view import Node, Path, Row, View
from ordercascade.lab.words import line_of, word_of

if TYPE_CHECKING:
    from ordercascade.tape import Tape

Int64: TypeAlias = npt.NDArray[np.int64]
Jump: TypeAlias = Literal["liquidation", "generation", "fund draw", "ADL", "halt"]
JUMPS: tuple[Jump, ...] = ("liquidation", "generation", "fund draw", "ADL", "halt")

PATH_POINTS = 2_000
ACCOUNTS_SHOWN = 12
LOG_SHOWN = 14
TREE_SHOWN = 80
LINES_KEPT = 4096
SAMPLES = 9
NEAR = 1.25  # margin ratio below which an account is said to be near liquidation


class Player:
    """Steps through one market of a tape."""

    def __init__(self, tape: Tape, *, venue: int | None = None, market: int | None = None) -> None:
        """Choose the market: the given one, else the one with most liquidated."""
        self.tape = tape
        self._f: Figures = read(tape)
        self.venue, self.market = self._chosen(venue, market)
        self.units: Units = self._f.units[self.venue, self.market]
        self.count = len(tape)
        self._own: Reach = reach_of(tape, self.venue, self.market)
        self.reach: Reach = self._own  # what the pictures show; see widen()
        self.path = self._path()
        self.due = due_of(tape, self._f, self.venue, self.market)
        self._prepare()

    def span(self, *, zoom: bool) -> tuple[float, float]:
        """Return the prices that the run itself touches (`zoom`), or its whole book's."""
        low, high = self._own.ticks(zoom)
        return low * float(self.units.tick), high * float(self.units.tick)

    def widen(self, low: float, high: float, *, zoom: bool) -> None:
        """Let the pictures reach over [low, high], for a comparison."""
        tick = float(self.units.tick)
        ends = max(1, round(low / tick)), round(high / tick) - 1
        book = ends if not zoom else (self._own.book_low, self._own.book_high)
        self.reach = Reach(*ends, *book)

    @property
    def path_span(self) -> tuple[float, float]:
        """Lowest and highest price of the path."""
        seen = np.concatenate((self.path.mark, self.path.index, self.path.last))
        seen = seen[np.isfinite(seen)]
        return (float(seen.min()), float(seen.max())) if len(seen) else (0.0, 1.0)

    @property
    def most(self) -> tuple[float, float, float, float]:
        """Full bars of the whole run: fund at the opening, bad debt, ADL, ratio by generation."""
        first, last = self.frame(-1), self.frame(self.count - 1)
        cash, lot = float(self._f.settled(self.venue).cash), float(self.units.lot)
        ratios = [r for r in self.ratios(self.count - 1) if r == r]
        adl = self._adl.at(self.count - 1) * lot
        fund = max(first.fund, last.fund) * cash
        return fund, -last.bad_debt * cash, adl, max([1.25, *ratios])

    @property
    def name(self) -> str:
        """What was run."""
        return str(self.tape.meta["name"] or "tape")

    @property
    def market_name(self) -> str:
        """The name in `markets` of the one that is shown."""
        here = self.venue, self.market
        return next(name for name, key in self.markets.items() if key == here)

    @property
    def markets(self) -> dict[str, tuple[int, int]]:
        """(venue, market) of each market by its name, its venue's before it where there are two."""
        venues = {int(v["id"]): str(v["name"]) for v in self.tape.venues}
        many = len(venues) > 1
        return {
            f"{venues.get(v, str(v))}/{u.name}" if many else u.name: (v, m)
            for (v, m), u in self._f.units.items()
        }

    def at(self, k: int, *, cumulative: bool = True, zoom: bool = True, group: int = 1) -> View:
        """Return the view after step k. `zoom` shows what is touched in the run, else the book."""
        k = whole("k", k, -1, self.count - 1)
        group, _ = self.settled(cumulative=cumulative, zoom=zoom, group=group)
        frame = self.frame(k, zoom=zoom)
        f, units = self._f, self.units
        step, at = frame.step, frame.liquidation
        money = f.settled(self.venue).money
        cash = float(f.settled(self.venue).cash)
        scope = int(step["scope"]) if step else -1
        adl = self._adl.at(k)
        mark, index, last = self._prices(k)
        return View(
            k=k,
            count=self.count,
            status=self._status(frame),
            kind=word_of(StepKind(step["kind"])) if step else "opening",
            account=f.who(int(step["venue"]), scope) if scope >= 0 else "",
            scope=self.margin(int(step["venue"]), scope) if at else "",
            side=("long" if at["side"] == Side.ASK else "short") if at else "",
            generation=int(step["generation"]) if step else 0,
            parent=int(step["parent"]) if step else -1,
            cause=self._cause(step["parent"]) if step else "",
            tranche=int(at["tranche"]) if at else 0,
            levels_eaten=int(at["levels_eaten"]) if at else 0,
            size_eaten=units.size(int(frame.eaten[:, 2].sum())),
            depth=depth_of(frame, self.reach, units, cumulative=cumulative, zoom=zoom, group=group),
            mark=mark,
            index=index,
            last=last,
            fund=frame.fund * cash,
            fund_text=money(frame.fund),
            bad_debt=-frame.bad_debt * cash,
            bad_debt_text=money(-frame.bad_debt),
            adl=adl * float(units.lot),
            adl_text=units.size(adl),
            rows=tuple(self._rows(frame, k)),
            log=tuple((step, self.line(step)) for step in self.told(k)),
            tree=tuple(self.tree(k)),
            ancestors=tuple(frame.ancestors[:LOG_SHOWN].tolist()),
            ratios=self.ratios(k),
            fallen=self.falls.count(k),
        )

    def frame(self, k: int, *, zoom: bool = True) -> Frame:
        """Return the tape's frame of this market, its book cut to what is shown."""
        span = self.reach.ticks(zoom)
        return self.tape.frame(k, venue=self.venue, market=self.market, zoom=span, nearest=0)

    def settled(self, *, cumulative: bool, zoom: bool, group: int) -> tuple[int, float]:
        """Return the group and the height that hold for the whole run, by a few positions.

        A picture whose bars changed their width or scale from step to step could not be compared.
        """
        key = cumulative, zoom, group, self.reach
        if key not in self._kept_settings:
            places = np.unique(np.linspace(-1, self.count - 1, SAMPLES).astype(np.int64)).tolist()
            frames = [self.frame(k, zoom=zoom) for k in places]
            how = {"cumulative": cumulative, "zoom": zoom}
            for _ in range(2):  # The height belongs to the group that was found.
                made = [depth_of(f, self.reach, self.units, group=group, **how) for f in frames]
                group = max(each.group for each in made) if not cumulative else group
            self._kept_settings[key] = group, max(each.top for each in made)
        return self._kept_settings[key]

    def tip(self, k: int, price: float, *, zoom: bool = True, group: int = 1) -> str:
        """Say what stood at the level nearest to a price: size, cumulative, value, share."""
        frame = self.frame(k, zoom=zoom)
        sides = levels_of(frame, self.reach.ticks(zoom), group)
        whole_book = self._opening_lots
        return tip_of(sides, price, self.units, whole_book, self._multiplier, group)

    def jump(self, k: int, to: Jump, *, back: bool = False) -> int:
        """Return the next (or last) position of a kind after (before) k; k where there is none."""
        found = self._stops(to)
        at = int(np.searchsorted(found, k, side="left" if back else "right"))
        if back:
            return int(found[at - 1]) if at else k
        return int(found[at]) if at < len(found) else k

    def line(self, k: int) -> str:
        """Return one line about step k."""
        if k not in self._lines:
            if len(self._lines) >= LINES_KEPT:
                self._lines.clear()
            self._lines[k] = line_of(self._f, k)
        return self._lines[k]

    def told(self, k: int) -> list[int]:
        """Return the newest steps with a line up to k, newest first."""
        end = int(np.searchsorted(self._told, k, side="right"))
        newest: list[int] = self._told[max(0, end - LOG_SHOWN) : end][::-1].tolist()
        return newest

    def ratios(self, k: int) -> tuple[float, ...]:
        """Return the realised R by generation up to k: volume over that of the one before."""
        return self._growth.ratios(k)

    def margin(self, venue: int, scope: int) -> str:
        """Say whether a scope is cross, or in which market it is isolated."""
        market = self._isolated.get((venue, scope))
        return "cross" if market is None else f"isolated {market}"

    def tree(self, k: int) -> list[Node]:
        """Return the newest part of the cascade tree up to k, parents before children."""
        end = int(np.searchsorted(self._fell, k, side="right"))
        steps: list[int] = self._fell[max(0, end - TREE_SHOWN) : end].tolist()
        within = set(steps)
        parents = [self._f.cell("steps", "parent", step) for step in steps]
        roots = sorted({p for p in parents if p >= 0 and p not in within})
        nodes: list[Node] = []
        places: dict[int, int] = {}
        known: set[int] = set()
        for step in sorted([*roots, *steps]):
            generation = self._f.cell("steps", "generation", step)
            parent = self._f.cell("steps", "parent", step)
            place = places.get(generation, 0)
            places[generation] = place + 1
            above = parent if parent in known else -1
            if step not in self._nodes:
                self._nodes[step] = self._node(step)
            nodes.append(Node(step, above, generation, place, *self._nodes[step]))
            known.add(step)
        return nodes

    # How it is made.

    def _chosen(self, venue: int | None, market: int | None) -> tuple[int, int]:
        known = list(self._f.units)
        here = [key for key in known if venue is None or key[0] == venue]
        if not here:
            rule = f"must be one of {sorted({v for v, _ in known})}, and have a market"
            raise InputError("venue", venue, rule)
        if market is not None:
            here = [key for key in here if key[1] == market]
            if not here:
                rule = f"must be one of {[m for v, m in known if venue in (None, v)]}"
                raise InputError("market", market, rule)
        names = ("venue", "market", "value")
        of, which, value = (self._f.column("liquidations", name) for name in names)
        sums = [int(value[(of == v) & (which == m)].sum()) for v, m in here]
        return here[int(np.argmax(sums))]

    def _prepare(self) -> None:
        """Prepare running sums, and what each jump and the log look for."""
        f = self._f
        kinds = f.column("steps", "kind")
        self._told = np.flatnonzero(kinds != StepKind.MARK)
        self._fell = f.column("liquidations", "step")
        self._growth, self.falls = growth(f), Falls(f, self.venue)
        self._adl = deleveraged(f, self.venue, self.market)
        self._kept_settings: dict[tuple[bool, bool, int, Reach], tuple[int, float]] = {}
        self._lines: dict[int, str] = {}
        self._nodes: dict[int, tuple[float, str]] = {}
        self._kept_stops: dict[str, Int64] = {}
        accounts = self.tape.tables["accounts"]
        apart = accounts["market"] >= 0
        rows = (accounts[name][apart].tolist() for name in ("venue", "scope", "market"))
        self._isolated = {(v, scope): f.units[v, m].name for v, scope, m in zip(*rows, strict=True)}
        self._standing = Standing(f, self.venue)
        opening = self.tape.frame(-1, venue=self.venue, market=self.market, nearest=0)
        self._opening_lots = tuple(int(side[:, 1].sum()) for side in (opening.bids, opening.asks))
        where = {"venue": self.venue, "id": self.market}
        found = next(m for m in self.tape.markets if where.items() <= m.items())
        self._multiplier = int(found["multiplier"])

    def _path(self) -> Path:
        """Return the price path; a long one keeps the lowest and highest of each stretch."""
        marks = self.tape.marks
        here = (marks["venue"] == self.venue) & (marks["market"] == self.market)
        rows = np.flatnonzero(here)
        self._path_rows = rows
        self._path_steps = marks["step"][rows].astype(np.int64)
        if len(rows) > PATH_POINTS:
            cuts = np.array_split(rows, PATH_POINTS // 2)
            last = marks["last"]
            ends = [(int(c[last[c].argmin()]), int(c[last[c].argmax()])) for c in cuts]
            rows = np.unique([rows[0], *(row for pair in ends for row in pair), rows[-1]])
        step = marks["step"][rows].astype(np.float64)
        columns = [self._priced(marks[name][rows]) for name in ("mark", "index", "last")]
        if len(step) and step[-1] < self.count - 1:
            step = np.append(step, float(self.count - 1))
            columns = [np.append(column, column[-1]) for column in columns]
        return Path(step, *columns)

    def _priced(self, ticks: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        return np.where(ticks > 0, ticks * float(self.units.tick), np.nan)

    def _prices(self, k: int) -> tuple[float, float, float]:
        """Return mark, index and last after step k; nan where there is none."""
        marks, end = self.tape.marks, int(np.searchsorted(self._path_steps, k, side="right"))
        if not end:
            return float("nan"), float("nan"), float("nan")
        row = self._path_rows[end - 1 : end]
        mark, index, last = (
            float(self._priced(marks[name][row])[0]) for name in ("mark", "index", "last")
        )
        return mark, index, last

    def _stops(self, to: Jump) -> Int64:
        """Return the steps a jump may land on, sorted."""
        if to not in JUMPS:
            raise InputError("jump", to, f"must be one of {', '.join(JUMPS)}")
        if to not in self._kept_stops:
            self._kept_stops[to] = self._found_stops(to)
        return self._kept_stops[to]

    def _found_stops(self, to: Jump) -> Int64:
        kinds = self._f.column("steps", "kind")
        if to == "liquidation":
            return self._fell
        if to == "ADL":
            return np.flatnonzero(kinds == StepKind.ADL)
        if to == "halt":
            return np.flatnonzero(np.isin(kinds, (StepKind.HALT, StepKind.RESUME)))
        if to == "generation":
            generation = self._f.column("steps", "generation")[self._fell]
            highest = np.maximum.accumulate(generation) if len(generation) else generation
            return self._fell[np.diff(highest, prepend=-1) > 0]
        return drawn(self._f)

    # What it says.

    def _status(self, frame: Frame) -> str:
        """Return the line above the pictures: everything about the step in words."""
        step = frame.step
        head = f"step {frame.k + 1:,} of {self.count:,}"
        ticks = self._f.mark(self.venue, self.market, frame.k)
        mark = [f"mark {self.units.price(ticks)}"] if ticks > 0 else []
        if not step:
            return " · ".join([head, "the opening", *mark])
        parts = [head, f"t = {seconds(frame.time_ns)}", self.line(frame.k)]
        at = frame.liquidation
        if at:
            parts.insert(2, f"generation {step['generation']}")
            parts.append(f"{self.margin(int(step['venue']), int(step['scope']))} scope")
            parts.append(plural(at["levels_eaten"], "level") + " eaten")
            parts.append(self._cause(step["parent"]))
        return " · ".join([*parts, *mark])

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
            return 0.0, f"step {step + 1}: {word_of(kind)}"
        row = int(np.searchsorted(self._fell, step))
        lots = f.cell("liquidations", "lots_filled", row)
        who = f.who(f.venue(step), f.cell("steps", "scope", step))
        return lots * float(f.market("liquidations", row).lot), f"step {step + 1}: {who}"

    def _rows(self, frame: Frame, k: int) -> list[Row]:
        """Return the accounts nearest to liquidation as recorded, lowest margin ratio first."""
        scopes = self.tape.scopes
        own = int(frame.step["scope"]) if frame.step and frame.step["venue"] == self.venue else -1
        made = []
        money = self._f.settled(self.venue).money
        for row in self._standing.nearest(k, own, ACCOUNTS_SHOWN):
            scope = int(scopes["scope"][row])
            maintenance, equity = int(scopes["maintenance"][row]), int(scopes["equity"][row])
            ratio = equity / maintenance if maintenance else float("-inf")
            state = "below" if ratio < 1 else "near" if ratio < NEAR else ""
            if self.falls.fallen(scope, k):
                state = "liquidated"
            elif self._standing.given_up(row, k):
                continue  # without an order, so nothing was recorded of it since
            if scope == own:
                state = "now"
            amounts = money(equity), money(maintenance)
            who = self._f.who(self.venue, scope)
            made.append(Row(who, self.margin(self.venue, scope), *amounts, ratio, state))
        return sorted(made, key=lambda row: row.ratio)
