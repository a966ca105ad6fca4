"""The part of a panel that is text and small drawings, sent as one message a step."""

from __future__ import annotations

from math import isfinite
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from ordercascade.lab.view import View

STATIC = Path(__file__).parent / "static"


class Facts(anywidget.AnyWidget):
    """Money, R by generation, accounts, log and tree of one run; asks back by messages."""

    _esm = (STATIC / "facts.js").read_text(encoding="utf-8")
    view = traitlets.Dict().tag(sync=True)
    chart = traitlets.Dict().tag(sync=True)  # margins of the pictures in pixels: left, right


def facts_of(view: View, most: tuple[float, float, float, float], unit: str = "") -> dict[str, Any]:
    """Return what the drawing needs, as short as it can be.

    `most` are the full bars, `unit` is the settlement asset.
    """
    fund, debt, adl, ratio = most
    return {
        "k": view.k,
        "unit": unit,
        "fund": [_share(view.fund, fund), view.fund_text],
        "debt": [_share(view.bad_debt, debt), view.bad_debt_text],
        "adl": [_share(view.adl, adl), view.adl_text],
        "fallen": view.fallen,
        "most_ratio": ratio,
        "ratios": [round(r, 4) if isfinite(r) else None for r in view.ratios],
        "rows": [
            [
                r.name.removeprefix("account "),
                r.margin.partition(" ")[0],
                r.equity.removesuffix(f" {unit}"),
                r.maintenance.removesuffix(f" {unit}"),
                f"{r.ratio:.2f}" if isfinite(r.ratio) else "flat",
                r.state,
            ]
            for r in view.rows
        ],
        "log": [list(entry) for entry in view.log],
        "tree": [
            [n.step, n.parent, n.generation, n.place, float(f"{n.size:.4g}"), n.label]
            for n in view.tree
        ],
        "ancestors": list(view.ancestors),
    }


def _share(part: float, whole: float) -> float:
    return round(min(1.0, part / whole), 4) if whole > 0 else 0.0
