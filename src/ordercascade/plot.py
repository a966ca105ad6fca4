"""Pictures of a tape with matplotlib: what the price did, what was eaten, who paid, how it grew.

`cascade(tape)` returns a Figure, `save(tape, path)` writes it. The object interface only: no
window, no pyplot, no global state.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from ordercascade.enums import HolderKind, Side, StepKind, Stop
from ordercascade.errors import InputError, MissingExtraError
from ordercascade.tables import OUTSIDE_KINDS, balances

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ordercascade.tape import Tape

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"

# Okabe-Ito; shapes and words repeat what colour says.
ORANGE, SKY, GREEN = "#E69F00", "#56B4E9", "#009E73"
BLUE, RED, PURPLE = "#0072B2", "#D55E00", "#CC79A7"
GREY, INK = "#A8A8A8", "#222222"
WIDTH_IN, HEIGHT_IN, DPI = 16, 10, 100
BINS = 64
NAMED = 6  # generations with a legend entry
EVENTS_SHOWN = 40
FEW = 500  # liquidations that are drawn large, with an edge
DUE = "positions by liquidation price"


class View(NamedTuple):
    """One market of a tape in people's units."""

    tape: Tape
    venue: int
    market: int
    name: str
    base: str
    settle: str
    tick: float
    lot: float
    cash: float
    first_mark: int  # in ticks, 0 if there is none

    def rows(self, table: str) -> Array:
        """Return the rows of a table that are about this market."""
        found = self.tape.tables[table]
        here = found["market"] == self.market
        if "venue" in found.columns:
            here &= found["venue"] == self.venue
        return np.flatnonzero(here)

    def generation(self, step: Array) -> Array:
        return self.tape.steps["generation"][step].astype(np.int64)


def save(tape: Tape, path: str | os.PathLike[str], *, market: str | None = None) -> None:
    """Write the picture of a tape as PNG, 1600 x 1000."""
    cascade(tape, market=market).savefig(path, format="png", dpi=DPI)


def cascade(tape: Tape, *, market: str | None = None) -> Figure:
    """Draw a run: price path, book, money, generations; of `market`, else the most liquidated."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("matplotlib", "plot") from None
    summary = tape.summary()
    view = _view(tape, summary, market)
    figure = Figure(figsize=(WIDTH_IN, HEIGHT_IN), dpi=DPI)
    FigureCanvasAgg(figure)
    upper = figure.add_gridspec(
        1, 2, width_ratios=[2, 1], left=0.07, right=0.985, top=0.86, bottom=0.47, wspace=0.05
    )
    lower = figure.add_gridspec(1, 2, left=0.07, right=0.94, top=0.355, bottom=0.06, wspace=0.3)
    path = figure.add_subplot(upper[0])
    book = figure.add_subplot(upper[1], sharey=path)
    _path(path, view)
    _book(book, view)
    _frame_prices(path, view)
    _money(figure.add_subplot(lower[0]), view)
    _generations(figure.add_subplot(lower[1]), view, summary)
    figure.suptitle(_title(view, summary), fontsize=15, color=INK, y=0.975)
    return figure


def _view(tape: Tape, summary: dict[str, Any], market: str | None) -> View:
    """Choose the market: the named one, else the one with most value liquidated."""
    value = summary["notional_liquidated"]
    names = list(value)
    if market is None:
        most = max(value.values(), default=0)
        market = max(value, key=lambda name: value[name]) if most else summary["market"]
    if market not in names:
        raise InputError("market", market, f"must be one of {', '.join(names)}")
    m = tape.markets[names.index(market)]
    base = str(m["name"]).removesuffix(str(m["settle"]))
    base, settle = base if base and base != m["name"] else "lots", str(m["settle"])
    units = float(m["tick_size"]), float(m["lot_size"]), 10.0 ** -int(m["decimals"])
    first = int(summary["by_market"][market]["first_mark"] or 0)
    return View(tape, m["venue"], m["id"], market, base, settle, *units, first)


def _title(view: View, summary: dict[str, Any]) -> str:
    prices = summary["by_market"][view.name]
    first, last = prices["first_mark"], prices["last_mark"]
    count, depth = summary["liquidations"], summary["generations"]
    text = f"{summary['scenario']}: {count:,} liquidation{'' if count == 1 else 's'}"
    text += f" in {depth:,} generation{'' if depth == 1 else 's'}"
    if first and last:
        move = 100 * (last / first - 1)
        text += f"; {view.name} mark {first * view.tick:,.10g} → {last * view.tick:,.10g}"
        text += f" ({move:+.2f} %)"
    stop = Stop(int(summary["stop"] or 0)).name.lower().replace("_", " ")
    return f"{text}; {'paused' if stop == 'running' else f'stopped: {stop}'}"


# The price.


def _path(axes: Axes, view: View) -> None:
    """Mark, last and index against the step; every liquidation where its order ended."""
    marks, rows = view.tape.marks, view.rows("marks")
    end = len(view.tape.steps)
    for name, colour, style, width in (
        ("index", GREEN, ":", 1.5),
        ("last", SKY, "-", 1.0),
        ("mark", BLUE, "-", 2.2),
    ):
        x, y = marks["step"][rows].astype(float), marks[name][rows] * view.tick
        x, y = x[y > 0], y[y > 0]
        if name == "mark" and (first := view.first_mark):
            x, y = np.append(-1, x), np.append(first * view.tick, y)
        if not len(x):
            continue
        x, y = np.append(x, end), np.append(y, y[-1])
        label = {"last": "last trade", "index": "index (outside price)"}.get(name, name)
        axes.plot(x, y, style, color=colour, lw=width, label=label, drawstyle="steps-post")
    outside = np.flatnonzero(np.isin(view.tape.steps["kind"], OUTSIDE_KINDS))
    for step in outside[:EVENTS_SHOWN].tolist():
        event = "outside event" if step == outside[0] else None
        axes.axvline(step, color=GREY, ls="-.", lw=1, zorder=0, label=event)
    _liquidations(axes, view)
    axes.set_ylabel(f"price ({view.settle})")
    _by_step(axes, end)
    _head(axes, f"{view.name}: price and liquidations", columns=5, rows=2)


def _by_step(axes: Axes, end: int) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_xlim(-1, max(end, 1))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("step of the tape (-1 = opening)")
    axes.grid(color="#E6E6E6", lw=0.7)
    axes.set_axisbelow(True)


def _head(axes: Axes, title: str, *others: Axes, columns: int, rows: int) -> None:
    """Put the title, and below it one legend for the axes of a panel, above the panel."""
    lines, labels = axes.get_legend_handles_labels()
    for other in others:
        more = other.get_legend_handles_labels()
        lines, labels = lines + more[0], labels + more[1]
    axes.set_title(title, loc="left", pad=8 + 18 * rows, fontsize=13, color=INK)
    place: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (-0.01, 0.99), "frameon": False}
    axes.legend(lines, labels, ncols=columns, fontsize=10, columnspacing=1.4, **place)


def _liquidations(axes: Axes, view: View) -> None:
    """Mark each liquidation: down for a long sold, up for a short bought back; sized by value."""
    table, rows = view.tape.liquidations, view.rows("liquidations")
    if not len(rows):
        return
    step = table["step"][rows]
    filled = table["lots_filled"][rows] > 0
    price = np.where(filled, table["worst_price"][rows], table["mark_before"][rows])
    value = table["value"][rows] * view.cash
    few = len(rows) <= FEW
    area = (25 if few else 4) + (300 if few else 30) * value / max(float(value.max()), view.cash)
    generation = view.generation(step)
    named = _spread(generation)
    for g in np.unique(generation).tolist():
        colour = _colour(g, int(generation.max()))
        for side, marker in ((Side.ASK, "v"), (Side.BID, "^")):
            mine = (generation == g) & (table["side"][rows] == side)
            if mine.any():
                x, y = step[mine], price[mine] * view.tick
                label = f"generation {g}" if g in named else None
                style: dict[str, Any] = {
                    "marker": marker,
                    "color": colour,
                    "edgecolor": "white",
                    "zorder": 3,
                }
                axes.scatter(x, y, s=area[mine], lw=0.6 * few, label=label, **style)
                named.discard(g)


def _spread(generation: Array) -> set[int]:
    """Return the generations that get a legend entry: all of a few, else some evenly spaced."""
    found = np.unique(generation)
    if len(found) > NAMED:
        found = found[np.linspace(0, len(found) - 1, NAMED).astype(int)]
    return set(found.tolist())


def _colour(generation: int, last: int) -> Any:
    """Return a colour from dark (early) to light (late); readable without hue."""
    from matplotlib import colormaps

    return colormaps["inferno"](0.15 + 0.7 * generation / max(last, 1))


# The book.


def _book(axes: Axes, view: View) -> None:
    """Depth by price: eaten before, eaten by the last generation, left; and lots that fell due."""
    fills, rows = view.tape.fills, view.rows("fills")
    step, price, size = (fills[name][rows] for name in ("step", "price", "size"))
    forced = view.tape.liquidations["step"][view.rows("liquidations")]
    last = int(view.generation(forced).max(initial=-1))
    late = (view.generation(step) == last) & (view.tape.steps["kind"][step] == StepKind.LIQUIDATION)
    frame = view.tape.frame(len(view.tape.steps) - 1, venue=view.venue, market=view.market)
    left = np.concatenate([frame.bids, frame.asks])
    edges = _edges(*_range(view))
    centre, height = (edges[:-1] + edges[1:]) / 2 * view.tick, np.diff(edges) * view.tick
    base, eaten, filled = np.zeros(len(centre)), 0.0, 0.92 if len(centre) < 30 else 1.0
    for label, colour, hatch, where, lots in (
        ("eaten earlier", GREY, "", price[~late], size[~late]),
        (f"eaten by generation {last}", ORANGE, "///", price[late], size[late]),
        ("resting at the end", BLUE, "", left[:, 0], left[:, 1]),
    ):
        amount = np.histogram(where, edges, weights=lots * view.lot)[0]
        if amount.any():
            style: dict[str, Any] = {
                "color": colour,
                "hatch": hatch,
                "edgecolor": "white",
                "linewidth": 0,
            }
            axes.barh(centre, amount, filled * height, base, label=label, **style)
            base = base + amount
            eaten = eaten if colour == BLUE else float(base.max())
    cut = _cut(axes, base, max(_due(axes, view, edges), eaten))
    axes.set_xlabel(f"{view.base} per {height[0]:,.10g} {view.settle} of price{cut}")
    axes.tick_params(labelleft=False)
    _head(axes, "Depth at each price", columns=2, rows=2)
    axes.grid(color="#E6E6E6", lw=0.7, axis="x")
    axes.set_axisbelow(True)


def _cut(axes: Axes, shown: Array, most: float) -> str:
    """Keep a wall of resting orders from flattening all other bars; say so."""
    if most <= 0 or shown.max() <= 3 * most:
        return ""
    axes.set_xlim(0, 1.5 * most)
    return "; longer bars are cut"


def _due(axes: Axes, view: View, edges: Array) -> float:
    """Outline what fell due at each liquidation price: each scope's first order, whole position."""
    table, rows = view.tape.liquidations, view.rows("liquidations")
    rows = rows[(table["tranche"][rows] <= 1) & (table["trigger_price"][rows] > 0)]
    lots = np.histogram(
        table["trigger_price"][rows], edges, weights=table["lots_before"][rows] * view.lot
    )[0]
    if lots.any():
        axes.stairs(lots, edges * view.tick, orientation="horizontal", color=RED, lw=1.6, label=DUE)
    return float(lots.max())


def _range(view: View) -> tuple[int, int]:
    """Return the ticks to show: where marks and trades were, and a margin around them."""
    marks, fills = view.tape.marks, view.tape.fills
    rows, traded = view.rows("marks"), view.rows("fills")
    seen = np.concatenate(
        [marks["mark"][rows], marks["last"][rows], fills["price"][traded], [view.first_mark]]
    )
    seen = seen[seen > 0]
    if not len(seen):
        return 1, 2
    low, high = int(seen.min()), int(seen.max())
    margin = max(2, (high - low) // 6)
    return max(1, low - margin), high + margin


def _edges(low: int, high: int) -> Array:
    """Return bin edges between ticks: one bin a tick, or a round number of ticks."""
    widths = (digit * 10**power for power in range(10) for digit in (1, 2, 5))
    width = next(width for width in widths if (high - low) // width <= BINS)
    start = low // width * width
    return np.arange(start, high + 2 * width, width) - 0.5


def _frame_prices(axes: Axes, view: View) -> None:
    from matplotlib.ticker import StrMethodFormatter

    low, high = _range(view)
    axes.set_ylim((low - 0.5) * view.tick, (high + 0.5) * view.tick)
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.10g}"))


# Money.


def _money(axes: Axes, view: View) -> None:
    """Insurance fund and bad debt by step; on the right axis what ADL handed over."""
    end = len(view.tape.steps)
    for kind, label, colour, style in (
        (HolderKind.FUND, "insurance fund", GREEN, "-"),
        (HolderKind.BAD_DEBT, "bad debt", RED, "--"),
    ):
        x, y = balances(view.tape.tables["accounts"], view.tape.funds, view.venue, kind)
        _stairs(axes, x, np.abs(y) * view.cash, end, color=colour, ls=style, label=label)
    adl = view.tape.adl
    mine = view.tape.steps["venue"][adl["step"]] == view.venue
    mine &= view.tape.steps["kind"][adl["step"]] == StepKind.ADL
    others = []
    if mine.any():
        right = axes.twinx()
        total = np.cumsum(np.abs(adl["cost"][mine])) * view.cash
        x = np.concatenate([[-1], adl["step"][mine]])
        _stairs(right, x, np.append(0, total), end, color=PURPLE, ls=":", label="ADL (right axis)")
        _amounts(right, f"value handed over by ADL, sum ({view.settle})")
        others.append(right)
    title = "Insurance fund, bad debt, ADL" if mine.any() else "Insurance fund, bad debt (no ADL)"
    _by_step(axes, end)
    _amounts(axes, f"balance ({view.settle})")
    _head(axes, title, *others, columns=4, rows=1)


def _stairs(axes: Axes, x: Array, y: Array, end: int, **style: Any) -> None:
    """Draw a value that holds until the next step, up to the end of the tape."""
    axes.plot(np.append(x, end), np.append(y, y[-1]), drawstyle="steps-post", lw=2.2, **style)


def _amounts(axes: Axes, label: str) -> None:
    """Write amounts from 0 with a unit of size: 1.5 M, 250 k."""
    from matplotlib.ticker import EngFormatter

    axes.set_ylabel(label)
    most = axes.dataLim.ymax
    axes.set_ylim(0, 1.1 * most if most > 0 else 1)
    axes.yaxis.set_major_formatter(EngFormatter(sep=" "))
    if most <= 0:
        axes.set_yticks([0])


# Generations.


def _generations(axes: Axes, view: View, summary: dict[str, Any]) -> None:
    """Value traded by each generation, and the reproduction number from one to the next."""
    table, steps = view.tape.liquidations, view.tape.steps
    generation = steps["generation"][table["step"]].astype(np.int64)
    count = int(generation.max(initial=0)) + 1
    forced = np.zeros(count)
    np.add.at(forced, generation, table["value"] * view.cash)
    outside = np.zeros(count)
    outside[0] = summary["shock_notional"] * view.cash
    x = np.arange(count)
    axes.bar(x, outside, color=GREY, hatch="//", edgecolor="white", label="outside orders")
    axes.bar(x, forced, bottom=outside, color=ORANGE, label="liquidations")
    axes.set_xlabel("generation (0 = outside)")
    axes.set_xticks(x if count <= 16 else x[:: -(-count // 16)])
    axes.set_xlim(-0.6, count - 0.4)
    _amounts(axes, f"value traded ({view.settle})")
    others = []
    ratios = [(g, r) for g, r in enumerate(summary["r_by_generation"]) if r is not None]
    if ratios:
        right = axes.twinx()
        right.plot(
            *zip(*ratios, strict=True), "o-", color=BLUE, lw=1.6, ms=5, label="R (right axis)"
        )
        right.axhline(1, color=BLUE, lw=1, ls="--", label="R = 1")
        right.set_ylabel("R: volume of the next over this")
        right.set_ylim(bottom=0)
        others.append(right)
    _head(axes, "How it grew: value by generation", *others, columns=4, rows=1)
