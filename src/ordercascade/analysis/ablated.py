"""The picture of an ablation: a panel a number, a line a column, with its interval."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ordercascade.analysis.columns import ALL, BASELINE
from ordercascade.analysis.pictures import BLUE, GREEN, GREY, INK, ORANGE, blank

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ordercascade.analysis.compared import Ablation


def picture(found: Ablation) -> Figure:
    """Draw means with intervals; the dotted line is the baseline."""
    from ordercascade.analysis.compared import METRICS

    names = found.names
    figure = blank(2.3 * len(METRICS) + 1.6, 0.32 * len(names) + 1.5)
    panels = figure.subplots(1, len(METRICS), sharey=True)
    for axes, metric in zip(panels, METRICS, strict=True):
        for line, name in enumerate(names):
            _point(axes, line, found.mean(name, metric.name), name)
        mean = found.mean(BASELINE, metric.name)[0]
        if math.isfinite(mean):
            axes.axvline(mean, color=GREY, linestyle=":", zorder=0)
        unit = found.settle if metric.unit == "money" else metric.unit
        axes.set_title(f"{metric.label}{f', {unit}' if unit else ''}", fontsize=10)
        axes.grid(axis="x", color="0.92")
        axes.set_axisbelow(True)
        axes.tick_params(axis="x", labelsize=8)
        axes.margins(x=0.12)
        axes.locator_params(axis="x", nbins=3)
        if metric.unit == "money":
            axes.xaxis.set_major_formatter(_short)
    panels[0].set_yticks(range(len(names)), names)
    panels[0].set_ylim(len(names) - 0.5, -0.5)
    count = len(found.seeds)
    figure.suptitle(
        f"Safeguards of {found.scenario}: mean over {count} seed{'s' if count > 1 else ''}"
        + (f", {found.confidence:.0%} intervals" if count > 1 else "")
    )
    return figure


def _point(axes: Any, line: int, value: tuple[float, float, float], name: str) -> None:
    mean, low, high = value
    if not math.isfinite(mean):
        return
    colour = INK if name == BASELINE else GREEN if name == ALL else BLUE
    shape = "s" if name == BASELINE else "D" if name == ALL else "o"
    if name.startswith(f"{ALL} but "):
        colour, shape = ORANGE, "v"
    if math.isfinite(low):
        axes.plot([low, high], [line, line], color=colour, linewidth=1.5)
    axes.plot([mean], [line], color=colour, marker=shape, markersize=5)


def _short(value: float, _: int) -> str:
    """Return an amount for an axis: 1.2M, 300k."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:,.3g}{letter}"
    return f"{value:,.3g}"
