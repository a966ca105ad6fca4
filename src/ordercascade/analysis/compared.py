"""Ablation: what each safeguard does alone, together, and what is missing without it.

>>> import ordercascade as oc
>>> found = oc.analysis.ablation(oc.scenarios.load("t2a"), ["tranches", "fund"], seeds=1)
>>> found.names
('baseline', 'tranches', 'fund', 'all', 'all but tranches', 'all but fund')

Every column runs the same seeds, so the accounts are the same people (common random numbers):
differences to the baseline are paired, and their intervals narrower than those of the means.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from ordercascade.analysis.columns import ALL, BASELINE, Column, Switch, columns, instead, switches
from ordercascade.analysis.realised import generations
from ordercascade.analysis.state import Floats
from ordercascade.analysis.statistics import Interval, Method, interval
from ordercascade.checks import whole
from ordercascade.config import ScenarioConfig
from ordercascade.errors import InputError, InputTypeError
from ordercascade.run import run
from ordercascade.scenario import Scenario
from ordercascade.summary import losses
from ordercascade.tape import Tape

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SEEDS = 20
SEEDS_FEW = 5  # with fewer an interval means little
SEEDS_MAX = 1_000_000
CHUNK = 25  # runs a task: long enough for a process, short enough to share out


@dataclass(frozen=True)
class Metric:
    """One row of numbers: what it is and in which unit; `money` is in the settlement asset."""

    name: str
    label: str
    unit: str  # "", "%" or "money"


METRICS = (
    Metric("r", "R", ""),
    Metric("liquidated", "liquidated", "money"),
    Metric("price_move", "price move", "%"),
    Metric("bad_debt", "bad debt", "money"),
    Metric("fund_draw", "fund draw", "money"),
    Metric("adl", "ADL", "money"),
    Metric("users_loss", "users' loss", "money"),
)
NAMES = tuple(metric.name for metric in METRICS)


@dataclass(frozen=True, eq=False, repr=False)
class Ablation:
    """The table: `values[column, seed, metric]` in people's units, nan where there is none.

    r: realised volume with a parent over all volume that could be one (`Generations.pooled`).
    liquidated: value of all liquidation fills. price_move: furthest mark from the first, in % of
    it, of the main market. bad_debt: what nobody paid. fund_draw: what the insurance fund paid.
    adl: value handed over. users_loss: what users' equity fell by, gains not offset.
    """

    scenario: str
    settle: str
    seeds: tuple[int, ...]
    switches: tuple[Switch, ...]
    columns: tuple[Column, ...]
    values: Floats
    confidence: float
    method: Method
    left_out: Mapping[str, str]
    not_in_all: Mapping[str, str]  # by name: which alternative stands in its place

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names."""
        return tuple(column.name for column in self.columns)

    def mean(self, column: str, metric: str) -> Interval:
        """Return mean, low and high of a column's number over the seeds."""
        return interval(self._of(column, metric), self.confidence, self.method)

    def difference(self, column: str, metric: str) -> Interval:
        """Return mean, low and high of the paired difference to the baseline."""
        apart = self._of(column, metric) - self._of(BASELINE, metric)
        return interval(apart, self.confidence, self.method)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; nan is None."""
        return {
            "scenario": self.scenario,
            "settle": self.settle,
            "seeds": list(self.seeds),
            "confidence": self.confidence,
            "method": self.method,
            "safeguards": {each.name: {"on": each.on, "off": each.off} for each in self.switches},
            "left_out": dict(self.left_out),
            "not_in_all": dict(self.not_in_all),
            "columns": [
                {
                    "name": column.name,
                    "on": list(column.on),
                    **{
                        name: {
                            "mean": _plain(self.mean(column.name, name)),
                            "difference": _plain(self.difference(column.name, name)),
                        }
                        for name in NAMES
                    },
                }
                for column in self.columns
            ],
        }

    def picture(self) -> Figure:
        """Return every column's numbers with intervals, drawn (needs the extra `plot`)."""
        from ordercascade.analysis.ablated import picture

        return picture(self)

    def same(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the columns that equal the baseline in every seed, and which others equal "all".

        Of the latter those that leave one out: what they leave out adds nothing to the rest.
        """
        names, first = self.names, self.values[0]
        none = tuple(
            name
            for name, rows in zip(names, self.values, strict=True)
            if name != BASELINE and np.array_equal(rows, first, equal_nan=True)
        )
        if ALL not in names:
            return none, ()
        whole = self.values[names.index(ALL)]
        return none, tuple(
            name
            for name, rows in zip(names, self.values, strict=True)
            if name.startswith(f"{ALL} but ") and name not in none
            if np.array_equal(rows, whole, equal_nan=True)
        )

    def cells(self, *, folded: bool = False) -> list[list[str]]:
        """Return the table as text: a heading row, then one row a column of the ablation.

        With `folded` without the columns of `same()`.
        """
        gone = {name for names in self.same() for name in names} if folded else set()
        heads = [_headed(metric, self.settle) for metric in METRICS]
        rows = [["", *heads]]
        for column in self.columns:
            if column.name in gone:
                continue
            told = [_told(self.mean(column.name, metric.name), metric) for metric in METRICS]
            rows.append([column.name, *told])
        return rows

    def notes(self) -> list[str]:
        """Return what a reader of the table must know."""
        on = ", ".join(f"{each.name}={each.on}" for each in self.switches) or "nothing"
        notes = [f"switched: {on}"]
        if self.not_in_all and ALL in self.names:
            pairs = self.not_in_all.items()
            told = ", ".join(f"{name} ({other} stands in its place)" for name, other in pairs)
            notes.append(f"not in all: {told}")
        none, whole = self.same()
        if none:
            notes.append(f"no effect here: {', '.join(none)}")
        if whole:
            gone = ", ".join(name.removeprefix(f"{ALL} but ") for name in whole)
            notes.append(f"no different from all without any one of: {gone}")
        return [*notes, *self._spread()] + [
            f"left out: {name}: {why}" for name, why in self.left_out.items()
        ]

    def _spread(self) -> list[str]:
        """Return what the intervals are, and what they do not say."""
        count = len(self.seeds)
        if count == 1:
            return ["one seed: no intervals", f"warning: take {SEEDS_FEW} seeds or more"]
        notes = [
            f"means over {count} seeds ± half the {self.confidence:.0%} interval"
            f" ({self.method}); every column has the same seeds"
        ]
        if count < SEEDS_FEW:
            notes.append(f"warning: below {SEEDS_FEW} seeds the intervals mean little")
        spans = [self.mean(name, metric.name) for name in self.names for metric in METRICS]
        if any(mean >= 0 and 2 * mean < high - low for mean, low, high in spans):
            notes.append("a ± larger than its mean tells of few seeds or rare ends, not of less"
                         " than nothing: no amount here is below 0")  # fmt: skip
        return notes

    def __repr__(self) -> str:
        rows = self.cells(folded=True)
        wide = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
        lines = [f"Safeguards of {self.scenario}"]
        for row in rows:
            first, *rest = (
                cell.ljust(size) if k == 0 else cell.rjust(size)
                for k, (cell, size) in enumerate(zip(row, wide, strict=True))
            )
            lines.append("  ".join([first, *rest]).rstrip())
        return "\n".join(lines + self.notes())

    def _repr_html_(self) -> str:
        head, *rows = self.cells()
        table = "".join(f"<th>{escape(cell)}</th>" for cell in head)
        body = "".join(
            f"<tr><th>{escape(row[0])}</th>"
            + "".join(f'<td style="text-align:right">{escape(cell)}</td>' for cell in row[1:])
            + "</tr>"
            for row in rows
        )
        notes = "".join(f"<div>{escape(note)}</div>" for note in self.notes())
        caption = f"<caption>Safeguards of {escape(self.scenario)}</caption>"
        return f"<table>{caption}<tr>{table}</tr>{body}</table>{notes}"

    def _of(self, column: str, metric: str) -> Floats:
        if column not in self.names:
            raise InputError("column", column, f"must be one of {', '.join(self.names)}")
        if metric not in NAMES:
            raise InputError("metric", metric, f"must be one of {', '.join(NAMES)}")
        found: Floats = self.values[self.names.index(column), :, NAMES.index(metric)]
        return found


def ablation(
    scenario: Scenario,
    safeguards: Mapping[str, str | None] | Iterable[str] | None = None,
    *,
    seeds: int | Sequence[int] = SEEDS,
    executor: Executor | None = None,
    confidence: float = 0.95,
    method: Method = "t",
) -> Ablation:
    """Run a scenario under each safeguard alone, all together, all but each, and none.

    `safeguards`: names, or values by name ({"tranches": "0.1", "fund": None}); by default all that
    are registered and that this scenario can have. `seeds`: how many, from the scenario's own on,
    or which. `executor`: any of concurrent.futures; None runs here. `method`: t or bootstrap.
    InputError or InputTypeError for values outside their ranges.
    """
    if not isinstance(scenario, Scenario):
        hint = "Scenario.load(path) reads a file, scenarios.load(name) a shipped one"
        raise InputTypeError("scenario", "a Scenario", type(scenario).__name__, hint=hint)
    if not 0 < confidence < 1:
        raise InputError("confidence", confidence, "must be above 0 and below 1")
    if method not in ("t", "bootstrap"):
        raise InputError("method", method, "must be t or bootstrap")
    chosen, left = switches(scenario, safeguards)
    made, other = columns(scenario, chosen)
    listed = _seeds(scenario, seeds)
    parts = [
        (column.config, scenario.base, listed[at : at + CHUNK])
        for column in made
        for at in range(0, len(listed), CHUNK)
    ]
    measured = map(measure, parts) if executor is None else executor.map(measure, parts)
    values = np.concatenate(list(measured)).reshape(len(made), len(listed), len(METRICS))
    plans = [item for venue in scenario.venues for item in venue.markets]
    return Ablation(
        scenario=scenario.name,
        settle=plans[0].market.settle if plans else "",
        seeds=listed,
        switches=chosen,
        columns=made,
        values=values,
        confidence=float(confidence),
        method=method,
        left_out=left | other,
        not_in_all=instead(chosen),
    )


def measure(part: tuple[ScenarioConfig, str, Sequence[int]]) -> Floats:
    """Return the numbers of some seeds under one set of rules: the work of one task."""
    config, base, seeds = part
    rows = []
    for seed in seeds:
        scenario = Scenario(msgspec.structs.replace(config, seed=seed), base=base)
        rows.append(numbers(run(scenario, progress=False)))
    return np.array(rows, dtype=np.float64)


def numbers(tape: Tape) -> list[float]:
    """Return the metrics of one run, in the order of METRICS."""
    s = losses(tape.tables, tape.meta)
    cash = 10.0 ** -int(tape.markets[0]["decimals"]) if tape.markets else 1.0
    r = generations(tape).pooled
    first, far = s["first_mark"], 0
    if first:
        far = max(abs(s["highest_mark"] - first), abs(s["lowest_mark"] - first))
    return [
        math.nan if r is None else r,
        sum(s["notional_liquidated"].values()) * cash,
        100 * far / first if first else math.nan,
        s["bad_debt"] * cash,
        s["fund_paid"] * cash,
        s["adl_notional"] * cash,
        s["users_loss"] * cash,
    ]


def _seeds(scenario: Scenario, seeds: int | Sequence[int]) -> tuple[int, ...]:
    """Return the seeds to run."""
    if not isinstance(seeds, Sequence) or isinstance(seeds, str | bytes):
        count = whole("seeds", seeds, 1, SEEDS_MAX, hint="or give a list of seeds")
        return tuple((scenario.seed + k) % 2**63 for k in range(count))
    listed = tuple(whole("seeds", seed, 0, 2**63 - 1) for seed in seeds)
    if not listed or len(set(listed)) < len(listed):
        raise InputError("seeds", listed, "must be at least one, and none twice")
    return listed


def _headed(metric: Metric, settle: str) -> str:
    unit = settle if metric.unit == "money" else metric.unit
    return f"{metric.label}, {unit}" if unit else metric.label


def _told(found: Interval, metric: Metric) -> str:
    mean, low, high = found
    if not math.isfinite(mean):
        return "-"
    places = 0 if metric.unit == "money" and abs(mean) >= 100 else 2 if metric.unit else 3
    half = (high - low) / 2
    spread = f" ± {half:,.{places}f}" if math.isfinite(half) else ""
    return f"{mean:,.{places}f}{spread}"


def _plain(found: Interval) -> dict[str, float | None]:
    named = zip(("mean", "low", "high"), found, strict=True)
    return {name: value if math.isfinite(value) else None for name, value in named}
