"""The pictures of this room, with matplotlib; each returns a Figure, without a window or pyplot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ordercascade.analysis.state import DOWN
from ordercascade.enums import StepKind
from ordercascade.errors import MissingExtraError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ordercascade.analysis.realised import Tree
    from ordercascade.analysis.reproduction import Criticality

# Okabe-Ito; shapes and words repeat what colour says.
ORANGE, SKY, GREEN = "#E69F00", "#56B4E9", "#009E73"
BLUE, RED, PURPLE = "#0072B2", "#D55E00", "#CC79A7"
GREY, INK = "#A8A8A8", "#222222"
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, RED)
LABELLED = 40  # nodes of a tree that carry their account


def blank(width: float, height: float) -> Figure:
    """Return an empty figure; MissingExtraError without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("matplotlib", "plot") from None
    return Figure(figsize=(width, height), layout="constrained")


def criticality(found: Criticality) -> Figure:
    """Draw R(p) at the opening, R along the path, and R by generation."""
    parts = 1 + (found.path is not None) + (found.generations is not None)
    figure = blank(5.2 * parts, 4.2)
    axes = figure.subplots(1, parts, squeeze=False)[0]
    _curves(axes[0], found)
    if found.path is not None:
        path = found.path
        shown = np.where(np.isfinite(path.r), path.r, np.nan)
        axes[1].plot(path.step, shown, color=BLUE, marker="o", markersize=3)
        _level(axes[1], "step of the run", "R (spectral radius of K)", "along the run")
    if found.generations is not None:
        _generations(axes[-1], found)
    figure.suptitle(
        f"{found.name}: R {found.r_initial:.3f} at the opening, {found.r_max:.3f} at most"
    )
    return figure


def _curves(axes: Any, found: Criticality) -> None:
    for curve, colour in zip(found.curves, COLOURS * len(found.curves), strict=False):
        held = np.flatnonzero(np.isfinite(curve.r) & (curve.r > 0))
        far = int(held[-1]) + 2 if len(held) else 1
        share = 100 * found.way * np.arange(1, len(curve.r) + 1)[:far] * found.window
        shown = np.where(np.isfinite(curve.r), curve.r, np.nan)[:far]
        axes.step(share, shown, where="pre", color=colour, label=curve.market)
    told = found.forecast
    if told is not None:
        end = 100 * (told.prices[-1] - told.mark) / told.mark
        axes.axvline(end, color=GREY, linestyle=":", label=f"forecast end, {told.market}")
    if found.way == DOWN:
        axes.invert_xaxis()
    _level(axes, "move of the mark, %", "R(p) = density x impact", "before the run")
    top = max(
        (float(np.nanmax(np.where(np.isfinite(c.r), c.r, 0))) for c in found.curves), default=1
    )
    if top > 20:
        axes.set_yscale("symlog", linthresh=1)
    axes.legend(fontsize=8)


def _generations(axes: Any, found: Criticality) -> None:
    from ordercascade.analysis.realised import MECHANISMS

    split = found.generations
    if split is None:
        return
    count = len(split.total)
    base = np.zeros(count)
    for name, colour in zip(MECHANISMS, (BLUE, PURPLE, ORANGE, GREY), strict=True):
        height = np.array([r or 0.0 for r in split.ratios(name)])
        if height.any():
            axes.bar(np.arange(count), height, bottom=base, color=colour, label=name)
            base += height
    _level(axes, "generation", "volume of the next over its own", "realised")
    _whole_steps(axes)
    if base.any():
        axes.legend(fontsize=8, title="absorbed by", title_fontsize=8)


def _whole_steps(axes: Any) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _level(axes: Any, x: str, y: str, title: str) -> None:
    """Label axes, and draw the line R = 1."""
    axes.axhline(1, color=RED, linewidth=1, linestyle="--")
    axes.set(xlabel=x, ylabel=y, title=title)
    axes.set_ylim(0, 1.06 * max(axes.dataLim.y1, 1.0))
    axes.grid(color="0.92")
    axes.set_axisbelow(True)


def tree(found: Tree) -> Figure:
    """Draw a cascade's tree: generations from left to right, area by volume."""
    figure = blank(10, min(24, max(3.5, 0.16 * _leaves(found) + 1)))
    axes = figure.subplots()
    height = _heights(found)
    kinds = {
        StepKind.SHOCK: (INK, "s", "outside"),
        StepKind.LIQUIDATION: (BLUE, "o", "liquidation"),
        StepKind.TAKEOVER: (PURPLE, "D", "takeover"),
        StepKind.DISPOSAL: (GREEN, "v", "disposal"),
        StepKind.ADL: (ORANGE, "^", "ADL"),
    }
    depth = _depths(found)
    for row, parent in enumerate(found.parent.tolist()):
        if parent >= 0:
            axes.plot(
                [depth[parent], depth[row]], [height[parent], height[row]], color="0.8", lw=0.8
            )
    most = max(1, int(found.volume.max(initial=1)))
    for kind, (colour, shape, label) in kinds.items():
        rows = np.flatnonzero(found.kind == kind)
        if len(rows):
            area = 12 + 240 * found.volume[rows] / most
            axes.scatter(
                depth[rows], height[rows], s=area, c=colour, marker=shape, label=label, zorder=2
            )
    if len(found) <= LABELLED:
        for row in np.flatnonzero(found.account > 0).tolist():
            axes.annotate(
                str(found.account[row]),
                (depth[row], height[row]),
                xytext=(8, -3),
                textcoords="offset points",
                fontsize=8,
            )
    axes.set(xlabel="distance from what began it", yticks=[], title="who set off whom")
    _whole_steps(axes)
    axes.margins(y=0.05)
    axes.legend(fontsize=8, loc="best")
    return figure


def _depths(found: Tree) -> np.ndarray[Any, np.dtype[np.int64]]:
    depth = np.zeros(len(found), dtype=np.int64)
    for row, parent in enumerate(found.parent.tolist()):
        depth[row] = depth[parent] + 1 if parent >= 0 else 0
    return depth


def _leaves(found: Tree) -> int:
    return len(found) - len(np.unique(found.parent[found.parent >= 0]))


def _heights(found: Tree) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Give leaves a line each, and every parent the middle of its children."""
    below: dict[int, list[int]] = {}
    for row, parent in enumerate(found.parent.tolist()):
        below.setdefault(parent, []).append(row)
    order, stack = [], list(below.get(-1, []))
    while stack:
        order.append(stack.pop())
        stack += below.get(order[-1], [])
    height, line = np.zeros(len(found)), 0
    for row in order:  # Parents come before their children here.
        if row not in below:
            height[row], line = line, line + 1
    for row in reversed(order):
        if row in below:
            height[row] = np.mean(height[below[row]])
    return height
