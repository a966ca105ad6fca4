"""Criticality: how many lots a lot sold by force makes others sell, before a run and along it.

>>> import ordercascade as oc
>>> found = oc.analysis.criticality(oc.scenarios.load("uniform-ladder"))
>>> round(found.r_initial, 6), found.matrix.names
(0.5, ('TOY',))
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ordercascade.analysis import realised
from ordercascade.analysis.causes import CAUSES
from ordercascade.analysis.density import Curve, Matrix, check_share, curve, matrix
from ordercascade.analysis.forecast import Forecast, forecast
from ordercascade.analysis.impact import BOOK, Impact
from ordercascade.analysis.planners import Planner, planners
from ordercascade.analysis.realised import MECHANISMS, Generations
from ordercascade.analysis.state import DOWN, UP, Floats, Fold, Ints, State, tape_of
from ordercascade.checks import whole
from ordercascade.enums import Side
from ordercascade.errors import InputError
from ordercascade.scenario import Scenario
from ordercascade.tape import Tape

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WINDOW, SPAN, POINTS = 0.005, 0.3, 64
ZERO_SHARE_LEAST = 0.01
POINTS_MAX = 10_000
ONE = np.ones(1, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Path:
    """R along a run: after the opening and after sampled changes of a mark."""

    step: Ints
    mark: Ints  # (points, markets), ticks
    r: Floats  # spectral radius of K there

    @property
    def highest(self) -> tuple[int, float]:
        """The step of the largest finite R, and that R; (-1, 0) where none is finite."""
        finite = np.where(np.isfinite(self.r), self.r, -1.0)
        at = int(finite.argmax())
        return (int(self.step[at]), float(finite[at])) if finite[at] >= 0 else (-1, 0.0)


@dataclass(frozen=True, eq=False, repr=False)
class Criticality:
    """What `criticality()` found; `generations` and `path` are None before a run.

    r_initial: spectral radius of K at the opening, in the run's direction. r_max: after a run the
    largest along its path; before one the largest R of a window as far as `forecast` goes.
    zero_share: volume of generation 0 over what users hold against the move at the opening.
    """

    name: str
    way: int
    window: float
    curves: tuple[Curve, ...]
    matrix: Matrix
    planners: tuple[Planner, ...]  # by venue
    zero_share: float | None
    amplification: float | None
    generations: Generations | None
    path: Path | None
    forecast: Forecast | None
    slow: tuple[str, ...]  # markets whose marks are smoothed, delayed or clamped

    @property
    def r_initial(self) -> float:
        """R at the opening."""
        return self.matrix.radius

    @property
    def tranches(self) -> int | None:
        """Orders in which the first venue closes a large position; None where not known before."""
        return self.planners[0].tranches if self.planners else 1

    @property
    def tranche_factor(self) -> float | None:
        """g of the first venue's orders; None where their sizes are not known before."""
        return self.planners[0].factor if self.planners else 1.0

    @property
    def r_max(self) -> float:
        """The largest R on the way."""
        if self.path is not None:
            return self.path.highest[1]
        told = self.forecast
        return max((_highest(each, told) for each in self.curves), default=0.0)

    @property
    def r_by_generation(self) -> list[float | None]:
        """Realised R by generation; empty before a run."""
        return [] if self.generations is None else self.generations.ratios()

    @property
    def warnings(self) -> tuple[str, ...]:
        """Where a number does not mean what it seems to."""
        found = []
        if self.zero_share is not None and self.zero_share < ZERO_SHARE_LEAST:
            found.append(
                f"generation 0 is {self.zero_share:.2%} of what is held, below"
                f" {ZERO_SHARE_LEAST:.0%}: ratios of so small a start mean little"
            )
        if self.r_initial < 1 <= self.r_max:
            found.append(
                f"R at the opening, {self.r_initial:.3f}, is no all-clear: it reaches"
                f" {self.r_max:.3f} on the way"
            )
        if self.slow:
            found.append(
                f"the mark of {', '.join(self.slow)} does not follow the book at once: R is that"
                " of one that does, so too high"
            )
        if self.forecast is not None and self.forecast.exhausted:
            found.append(f"the book of {self.forecast.market} would be sold out")
        return tuple(found)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; infinity is None."""
        split = self.generations
        highest = self.path.highest if self.path is not None else None
        return {
            "scenario": self.name,
            "direction": "down" if self.way == DOWN else "up",
            "window": self.window,
            "r_initial": _plain(self.r_initial),
            "r_max": _plain(self.r_max),
            "r_max_step": highest[0] if highest is not None else None,
            "r_by_generation": self.r_by_generation,
            "r_by_mechanism": {name: split.ratios(name) for name in MECHANISMS} if split else {},
            "r_by_cause": {name: split.ratios(name) for name in CAUSES} if split else {},
            "absorbed_share": split.absorbed if split else None,
            "forecast_r_by_generation": self.forecast.r_by_generation if self.forecast else [],
            "forecast_amplification": self.forecast.amplification if self.forecast else None,
            "amplification": self.amplification,
            "zero_share": self.zero_share,
            "tranches": self.tranches,
            "tranche_factor": self.tranche_factor,
            "planners": [each.to_dict() for each in self.planners],
            "markets": list(self.matrix.names),
            "k": [[_plain(cell) for cell in row] for row in self.matrix.k.tolist()],
            "spectral_radius": _plain(self.matrix.radius),
            "warnings": list(self.warnings),
        }

    def picture(self) -> Figure:
        """Return R(p), R along the path and R by generation, drawn (needs the extra `plot`)."""
        from ordercascade.analysis.pictures import criticality as drawn

        return drawn(self)

    def __repr__(self) -> str:
        lines = [
            f"Criticality of {self.name}, {'falling' if self.way == DOWN else 'rising'}",
            f"  R at the opening {self.r_initial:.3f}, highest on the way {self.r_max:.3f}"
            f" (windows of {self.window:.2%} of the mark)",
        ]
        if len(self.matrix.names) > 1:
            lines += [f"  K over {', '.join(self.matrix.names)}:"]
            lines += ["    " + "  ".join(f"{cell:8.3f}" for cell in row) for row in self.matrix.k]
        if self.forecast is not None:
            told = ", ".join(f"{r or 0:.3f}" for r in self.forecast.r_by_generation)
            lines.append(f"  forecast of {self.forecast.market} by itself, by generation: {told}")
        if self.generations is not None:
            told = ", ".join("-" if r is None else f"{r:.3f}" for r in self.r_by_generation)
            lines.append(f"  realised by generation: {told}")
            if set(self.generations.caused) - {"price"}:
                told = ", ".join(f"{k} {share:.1%}" for k, share in self.generations.caused.items())
                lines.append(f"  forced by: {told}")
            if self.generations.absorbed:
                lines.append(f"  absorbed off the book: {self.generations.absorbed:.1%}")
        if self.amplification is not None:
            lines.append(f"  the price went {self.amplification:.2f} times as far as the shock")
        for each in self.planners:
            if each.tranches != 1:
                factor = each.factor if len(self.planners) == 1 else None
                told = "" if factor is None else f", g R = {factor * self.r_initial:.3f}"
                lines.append(f"  {each}{told} at the opening" if told else f"  {each}")
        return "\n".join(lines + [f"  note: {text}" for text in self.warnings])


def criticality(
    source: Tape | Scenario,
    *,
    window: float = WINDOW,
    span: float = SPAN,
    impact: Impact = BOOK,
    way: int | None = None,
    points: int = POINTS,
    permanent: float = 1.0,
    half_life_s: float | None = None,
) -> Criticality:
    """Return R = l(p) I'(p) of a scenario before a run, or of a tape along it. MECHANISMS §0.

    `window` is the share of the mark over which densities are means, `span` how far from the
    mark curves go, `impact` the law of I' (the book, linear, square root), `way` -1 (fall) or 1
    (rise), by default that of the first shock. `points` bounds how many changes of marks the path
    looks at. `permanent` and `half_life_s` say how the book recovers between tranches, for g alone:
    the engine's background book does not refill by itself, so by default g = 1.
    InputError or InputTypeError for values outside their ranges.
    """
    share = check_share("window", window)
    reach = check_share("span", span)
    most = whole("points", points, 1, POINTS_MAX)
    tape = tape_of(source)
    ran = isinstance(source, Tape)
    if way is None:
        way = realised.pushed(tape) if len(tape) else _planned(source)
    if way not in (DOWN, UP) or isinstance(way, bool):
        raise InputError("way", way, "must be -1 (a fall) or 1 (a rise)")
    fold = Fold(tape)
    opening = fold.to(-1)
    found = realised.generations(tape) if ran and len(tape) else None
    return Criticality(
        name=str(tape.meta["name"]) or "tape",
        way=way,
        window=share,
        curves=tuple(
            curve(opening, index, way, share=share, span=reach, impact=impact)
            for index, desk in enumerate(opening.desks)
            if desk.mark > 0
        ),
        matrix=matrix(opening, way, share=share, impact=impact),
        planners=planners(tape, permanent=permanent, half_life_s=half_life_s),
        zero_share=_zero_share(opening, found, way) if found is not None else None,
        amplification=tape.summary()["amplification"] if found is not None else None,
        generations=found,
        path=_path(tape, fold, opening, way, share, impact, most) if found is not None else None,
        forecast=_foretold(source, opening, way),
        slow=tuple(desk.name for desk in opening.desks if desk.remembers),
    )


def _path(
    tape: Tape, fold: Fold, opening: State, way: int, share: float, impact: Impact, most: int
) -> Path:
    """Look at the opening and at changes of marks, evenly chosen, the last one among them."""
    steps = np.unique(tape.marks["step"])
    steps = steps[steps >= 0]
    if len(steps) >= most:
        steps = steps[
            np.unique(np.linspace(0, len(steps) - 1, max(1, most - 1)).round().astype(int))
        ]
    states = [opening]
    r = [matrix(opening, way, share=share, impact=impact).radius]
    marks = [[desk.mark for desk in opening.desks]]
    for step in steps.tolist():
        states[0] = fold.to(step)
        r.append(matrix(states[0], way, share=share, impact=impact).radius)
        marks.append([desk.mark for desk in states[0].desks])
    return Path(np.concatenate(([-1], steps)).astype(np.int64), np.array(marks), np.array(r))


def _zero_share(opening: State, found: Generations, way: int) -> float | None:
    """Return generation 0 over what users hold against the move, in lots or in value alike."""
    against = opening.size > 0 if way == DOWN else opening.size < 0
    held = 0
    for index, desk in enumerate(opening.desks):
        size = opening.size[against & (opening.market == index)]
        held += int(np.abs(size if found.in_lots else desk.value(size, max(1, desk.mark))).sum())
    return int(found.total[0]) / held if held else None


def _planned(source: Tape | Scenario) -> int:
    """Return the way of a scenario's first shock; DOWN without one."""
    shocks = source.agenda.shocks if isinstance(source, Scenario) else ()
    return UP if shocks and shocks[0].side == Side.BID else DOWN


def _foretold(source: Tape | Scenario, opening: State, way: int) -> Forecast | None:
    """Forecast the first shock from the opening; None where there is none that way."""
    keys = [desk.key for desk in opening.desks]
    if isinstance(source, Scenario):
        if not source.agenda.shocks or _planned(source) != way:
            return None
        shock = source.agenda.shocks[0]
        index = keys.index((shock.venue, shock.market))
        desk = opening.desks[index]
        lots = shock.size or shock.notional // max(1, abs(int(desk.value(ONE, desk.mark)[0])))
    else:
        rows = realised.first_shock(source)
        if not len(rows) or realised.pushed(source) != way:
            return None
        fills = source.fills
        index = keys.index((int(fills["venue"][rows[0]]), int(fills["market"][rows[0]])))
        lots = int(fills["size"][rows].sum())
    return forecast(opening, index, way, int(lots)) if lots else None


def _highest(found: Curve, told: Forecast | None) -> float:
    """Return the largest R of a curve's windows, in the forecast's market as far as that goes."""
    if told is None or told.market != found.market:
        return float(found.r[0]) if told is not None else found.highest
    count = max(1, -(-abs(told.prices[-1] - told.mark) // found.window))
    near = found.r[:count][np.isfinite(found.r[:count])]
    return float(near.max()) if len(near) else 0.0


def _plain(number: float) -> float | None:
    return float(number) if math.isfinite(number) else None
