"""A picture without any script, for a notebook that is opened without a kernel."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from html import escape

import numpy as np
import numpy.typing as npt

from ordercascade.lab.levels import GONE, NOW, REST
from ordercascade.lab.player import Player

WIDE, TALL, PATH = 620, 240, 130
LEFT, TOP, GAP = 70, 30, 40
COLOURS = {REST: "#56B4E9", NOW: "#D55E00", GONE: "#B0B0B0"}
INK = "#777777"  # readable on white and on black
NOTE = (
    "The stepper as it stood at the end of the run; run the cell to step through it. In a notebook"
    " that you have not trusted yet nothing more is shown: trust it first (“Trust Notebook” in the"
    " command palette, or <code>jupyter trust FILE</code>)."
)
Float64 = npt.NDArray[np.float64]


def still_of(players: Sequence[Player]) -> str:
    """Return HTML with a picture of each run after its last step."""
    parts = []
    for player in players:
        drawn = b64encode(_picture(player).encode()).decode()
        words = f"{player.name} after its last step of {player.count:,}"
        source = f"data:image/svg+xml;base64,{drawn}"
        parts.append(f'<img alt="{escape(words)}" src="{source}" width="{WIDE}"/>')
    return f'<div class="oc-still">{"".join(parts)}<p>{NOTE}</p></div>'


def _picture(player: Player) -> str:
    view = player.at(player.count - 1)
    low, high = player.span(zoom=True)
    depth, path = view.depth, player.path
    top = TOP + TALL
    x = _scaled(depth.x, low, high, LEFT, WIDE - 10)
    shapes = [
        _area(x, _scaled(depth.y[row], 0.0, depth.top, top, TOP), top, COLOURS[row])
        for row in (REST, NOW, GONE)
    ]
    ends = player.path_span
    start = top + GAP
    steps = _scaled(path.step + 1, 0, max(1, player.count), LEFT, WIDE - 10)
    for prices, colour in ((path.mark, "#0072B2"), (path.index, "#009E73"), (path.last, "#E69F00")):
        line = _scaled(prices, ends[0], ends[1], start + PATH, start)
        shapes.append(_line(steps, line, colour))
    units = player.units
    texts = [
        (
            LEFT,
            18,
            f"{player.name}: {units.name}, grey eaten, blue resting ({units.base})",
            "start",
        ),
        (LEFT, top + 15, f"{low:,g}", "start"),
        (WIDE - 10, top + 15, f"{high:,g}", "end"),
        (LEFT - 5, TOP + 8, f"{depth.top:,.6g}", "end"),
        (LEFT - 5, top, "0", "end"),
        (LEFT, start - 6, f"mark (blue), last (orange), {player.count:,} steps", "start"),
        (LEFT - 5, start + 8, f"{ends[1]:,g}", "end"),
        (LEFT - 5, start + PATH, f"{ends[0]:,g}", "end"),
    ]
    shapes += [
        f'<text x="{left}" y="{down}" text-anchor="{anchor}">{escape(text)}</text>'
        for left, down, text, anchor in texts
    ]
    size = f'viewBox="0 0 {WIDE} {start + PATH + 12}"'
    style = f'font-family="sans-serif" font-size="12" fill="{INK}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>{"".join(shapes)}</svg>'


def _scaled(values: Float64, low: float, high: float, start: float, end: float) -> Float64:
    """Return values mapped from [low, high] to [start, end]; flat where the two are one."""
    share = (values - low) / (high - low) if high > low else np.full(len(values), 0.5)
    placed: Float64 = start + share * (end - start)
    return placed


def _area(x: Float64, y: Float64, base: float, colour: str) -> str:
    """Return the steps of a curve, each run of finite points filled down to the base."""
    found = np.flatnonzero(np.isfinite(y))
    parts = []
    for run in np.split(found, np.flatnonzero(np.diff(found) > 1) + 1):
        if len(run) > 1:
            steps = "".join(f"H{x[i]:.1f}V{y[i]:.1f}" for i in run[1:])
            parts.append(f"M{x[run[0]]:.1f},{base}V{y[run[0]]:.1f}{steps}V{base}Z")
    return f'<path d="{"".join(parts) or "M0,0"}" fill="{colour}"/>'


def _line(x: Float64, y: Float64, colour: str) -> str:
    seen = np.flatnonzero(np.isfinite(y))
    if not len(seen):
        return ""
    first = f"M{x[seen[0]]:.1f},{y[seen[0]]:.1f}"
    steps = "".join(f"H{x[i]:.1f}V{y[i]:.1f}" for i in seen[1:])
    return f'<path d="{first}{steps}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
