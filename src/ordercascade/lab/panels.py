"""One run: its depth and its prices in bqplot figures, the rest in `Facts`.

Widgets are built once; `load` gives them a run, `render` only sets traits. Scales belong to the
stepper and are shared by the panels, so that two runs can be compared by eye.
"""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

import bqplot
import ipywidgets
import numpy as np

from ordercascade.lab.facts import Facts, facts_of
from ordercascade.lab.levels import GONE, NOW, REST
from ordercascade.lab.player import Player
from ordercascade.lab.view import View

# Okabe-Ito and grey; the words of the legend and of the status line repeat what colour says.
COLOURS = {REST: "#56B4E9", NOW: "#D55E00", GONE: "#B0B0B0"}
DUE, MARK, INDEX, LAST, CURSOR = "#CC79A7", "#0072B2", "#009E73", "#E69F00", "#D55E00"
LEFT, RIGHT = 68, 18
BELOW = 0.09  # of the height: the band under the axis for liquidation prices
DUE_SHOWN = 300
LEGEND = (
    ("", COLOURS[GONE], "eaten earlier"),
    ("", COLOURS[NOW], "eaten now"),
    ("", COLOURS[REST], "resting"),
    ("oc-key-tick", DUE, "liquidation prices"),
)
PRICES = (
    ("oc-key-line", MARK, "mark"),
    ("oc-key-line", INDEX, "index"),
    ("oc-key-line", LAST, "last trade"),
    ("oc-key-tick", CURSOR, "now (click to go)"),
)


class Scales:
    """The axes of both pictures, one set for all panels."""

    def __init__(self) -> None:
        self.price, self.lots = bqplot.LinearScale(), bqplot.LinearScale()
        self.steps, self.path = bqplot.LinearScale(), bqplot.LinearScale()
        text = {"tick_style": {"font-size": "11px"}, "grid_lines": "none"}
        up: dict[str, Any] = {"orientation": "vertical", **text}
        self.axes = {
            "price": bqplot.Axis(scale=self.price, tick_format=",.6~f", **text),
            "lots": bqplot.Axis(scale=self.lots, tick_format=",.6~f", **up),
            "steps": bqplot.Axis(scale=self.steps, tick_format=",.0f", **text),
            "path": bqplot.Axis(scale=self.path, tick_format=",.6~f", **up),
        }

    def show(self, *, price: tuple[float, float], top: float) -> None:
        """Set what the depth pictures reach over; below 0 lie the liquidation prices."""
        _set(self.price, *price)
        _set(self.lots, -BELOW * 1.05 * top, 1.05 * top)
        self.axes["price"].tick_values = _ticks(*price, 6)
        self.axes["lots"].tick_values = _ticks(0.0, 1.05 * top, 5)

    def walk(self, *, steps: int, path: tuple[float, float]) -> None:
        """Set what the price pictures reach over: steps done, prices."""
        room = 0.05 * (path[1] - path[0]) or 0.01 * abs(path[1]) or 1.0
        low, high = path[0] - room, path[1] + room
        _set(self.steps, 0.0, float(max(1, steps)))
        _set(self.path, low, high)
        self.axes["steps"].tick_values = _ticks(0.0, float(max(1, steps)), 6, least=1.0)
        self.axes["path"].tick_values = _ticks(low, high, 4)


def _set(scale: Any, low: float, high: float) -> None:
    with scale.hold_sync():
        scale.min, scale.max = low, high


def _ticks(low: float, high: float, count: int, *, least: float = 0.0) -> Any:
    """Return round values within [low, high], about `count` of them."""
    wide = max(high - low, 1e-12) / count
    size = 10.0 ** np.floor(np.log10(wide))
    step = max(least, next(size * f for f in (1, 2, 2.5, 5, 10) if size * f >= wide))
    return np.round(np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step, 10)


def _title(name: str, rows: tuple[tuple[str, str, str], ...]) -> str:
    keys = "".join(
        f'<span class="oc-entry"><i class="oc-key {kind}" style="background:{colour}"></i>'
        f"{escape(word)}</span> "
        for kind, colour, word in rows
    )
    return f"<b>{escape(name)}</b>{keys}"


def _figure(marks: list[Any], axes: list[Any], height: int, bottom: int) -> Any:
    layout = ipywidgets.Layout(width="auto", min_width="0", height=f"{height}px")
    return bqplot.Figure(
        marks=marks,
        axes=axes,
        layout=layout,
        padding_x=0,
        padding_y=0,
        animation_duration=0,
        min_aspect_ratio=0.1,
        max_aspect_ratio=100,
        fig_margin={"top": 8, "bottom": bottom, "left": LEFT, "right": RIGHT},
    )


class Panel:
    """The pictures of one run."""

    def __init__(self, scales: Scales, go: Callable[[int], object]) -> None:
        """`go` is called with the number of steps done that the user asked for."""
        self.player: Player | None = None
        self.steps = 0
        self._go, self._scales = go, scales
        self._view: View | None = None
        self._most = (0.0, 0.0, 0.0, 1.0)
        empty = np.zeros(2)
        at = {"x": scales.price, "y": scales.lots}
        self.curves = bqplot.Lines(
            x=empty,
            y=np.zeros((3, 2)),
            scales=at,
            interpolation="step-after",
            colors=[COLOURS[REST], COLOURS[NOW], COLOURS[GONE]],
            fill="bottom",
            fill_opacities=[0.75, 1.0, 0.9],
            stroke_width=1.5,
        )
        # Hides what the fill of the curves draws below 0, where the liquidation prices stand.
        self.band = bqplot.Lines(
            x=empty,
            y=empty,
            scales=at,
            colors=["#888888"],
            fill="bottom",
            fill_colors=["var(--oc-back)"],
            stroke_width=1,
        )
        self.due = bqplot.Lines(x=empty, y=empty, scales=at, colors=[DUE], stroke_width=1)
        at = {"x": scales.steps, "y": scales.path}
        self.path = bqplot.Lines(
            x=empty, y=np.zeros((3, 2)), scales=at, colors=[MARK, INDEX, LAST], stroke_width=1.5
        )
        self.path.interpolation = "step-after"
        self.cursor = bqplot.Lines(x=empty, y=empty, scales=at, colors=[CURSOR], stroke_width=2)
        axes = scales.axes
        depth = _figure([self.curves, self.band, self.due], [axes["price"], axes["lots"]], 270, 28)
        path = _figure([self.path, self.cursor], [axes["steps"], axes["path"]], 150, 28)
        depth.add_class("oc-depth")
        path.add_class("oc-path")
        self.depth_title, self.path_title = ipywidgets.HTML(), ipywidgets.HTML()
        for title in (self.depth_title, self.path_title):
            title.add_class("oc-title")
        self.depth_title.add_class("oc-depth-title")
        self.facts = Facts(chart={"left": LEFT, "right": RIGHT})
        self.facts.on_msg(self._asked)
        self.box = ipywidgets.VBox(
            [self.depth_title, depth, self.path_title, path, self.facts],
            layout=ipywidgets.Layout(min_width="0"),
        )
        self.box.add_class("oc-panel")

    def load(self, player: Player, name: str) -> None:
        """Show another run: what does not change from step to step is sent here."""
        self.player = player
        units = player.units
        self.depth_title.value = _title(f"{name}: depth of {units.name}, {units.base}", LEGEND)
        path = player.path
        rows = {MARK: path.mark, INDEX: path.index, LAST: path.last}
        rows = {colour: row for colour, row in rows.items() if np.isfinite(row[-1:]).any()}
        self.path_title.value = _title(
            f"prices by step, {units.settle}",
            tuple(each for each in PRICES if each[1] in (*rows, CURSOR)),
        )
        with self.path.hold_sync():
            self.path.colors = list(rows)
            self.path.x, self.path.y = path.step + 1, np.vstack(list(rows.values()))

    def scale(self, top: float, most: tuple[float, float, float, float]) -> None:
        """Take the heights that all panels share, and mark the liquidation prices below."""
        player = self._loaded()
        self._most = most
        low, high = float(self._scales.price.min), float(self._scales.price.max)
        price = player.due[0]
        price = np.unique(price[(price >= low) & (price <= high)])
        if len(price) > DUE_SHOWN:
            wide = (high - low) / DUE_SHOWN
            price = np.unique(np.round(price / wide)) * wide
        ends = np.array([-0.2 * BELOW, -BELOW, np.nan]) * top
        with self.due.hold_sync():
            self.due.x = np.append(np.repeat(price, 3), high)
            self.due.y = np.append(np.tile(ends, len(price)), 0.0)
        with self.band.hold_sync():
            self.band.x, self.band.y = np.array([low, high]), np.zeros(2)
        with self.cursor.hold_sync():
            self.cursor.y = np.array([self._scales.path.min, self._scales.path.max])

    def render(self, steps: int, show: dict[str, Any]) -> View:
        """Show the world after so many steps; a run that has ended stays at its end."""
        player = self._loaded()
        self.steps = min(steps, player.count)
        view = self._view = player.at(self.steps - 1, **show)
        with self.curves.hold_sync():
            self.curves.x, self.curves.y = view.depth.x, view.depth.y
        self.cursor.x = np.array([self.steps, self.steps], dtype=np.float64)
        self.facts.view = facts_of(view, self._most, player.units.settle)
        self._show = show
        return view

    def _loaded(self) -> Player:
        if self.player is None:
            raise RuntimeError("a panel shows nothing before load()")
        return self.player

    def _asked(self, _: object, message: dict[str, Any], __: object) -> None:
        """Answer the pointer: what stands at a price, or go where it was clicked."""
        if "hover" in message and self._view is not None:
            low, high = float(self._scales.price.min), float(self._scales.price.max)
            price = low + float(message["hover"]) * (high - low)
            tip = self._loaded().tip(
                self._view.k, price, zoom=self._show["zoom"], group=self._view.depth.group
            )
            self.facts.send({"tip": tip})
        elif "walk" in message:
            self._go(round(float(message["walk"]) * float(self._scales.steps.max)))
        elif "goto" in message:
            self._go(int(message["goto"]))
