"""The picture of a liquidation map: the truth as bars, heat maps of the public as lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ordercascade.analysis.pictures import BLUE, GREEN, INK, ORANGE, PURPLE, blank
from ordercascade.analysis.state import DOWN, UP

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ordercascade.analysis.maps import LiquidationMap, MarketMap


def liquidation_map(found: LiquidationMap, *, bucket: float, span: float) -> Figure:
    """Draw a panel a market: lots by liquidation price, longs below the mark, shorts above."""
    figure = blank(10, 3.6 * len(found.markets))
    panels = figure.subplots(len(found.markets), 1, squeeze=False)[:, 0]
    for axes, each in zip(panels, found.markets, strict=True):
        _panel(axes, each, bucket, span)
    figure.suptitle(f"{found.name}: lots that become liquidatable, by price")
    return figure


def _panel(axes: Any, each: MarketMap, bucket: float, span: float) -> None:
    desk = each.desk
    for way, colour, name in ((DOWN, BLUE, "longs"), (UP, ORANGE, "shorts")):
        true = each.histogram(way, bucket=bucket, span=span)
        middle = (true.price - way * true.width / 2) * desk.tick
        lots = true.lots * desk.lot
        axes.bar(middle, lots, width=0.9 * true.width * desk.tick, color=colour, label=name)
        for kind, dark, style in (("oi_entry", GREEN, "-"), ("leverage_tiers", PURPLE, "--")):
            told = each.estimate(way, kind, bucket=bucket, span=span)  # type: ignore[arg-type]
            label = f"guess: {kind}" if way == DOWN else None
            drawn = np.where(told.lots > 0, told.lots * desk.lot, np.nan)
            axes.plot(middle, drawn, color=dark, linestyle=style, lw=1.3, marker=".", label=label)
    axes.axvline(desk.mark * desk.tick, color=INK, linewidth=1, label="mark")
    axes.set(xlabel=f"liquidation price of {desk.name}", ylabel="size by bucket")
    axes.grid(color="0.92")
    axes.set_axisbelow(True)
    axes.legend(fontsize=8, ncols=3)
