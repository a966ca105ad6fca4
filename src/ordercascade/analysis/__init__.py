"""Questions to a scenario or a tape: how critical, where the levels lie, what a safeguard changes.

Pure functions of their arguments. The names load when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ordercascade.analysis.bill import Costs, costs
    from ordercascade.analysis.compared import Ablation, ablation
    from ordercascade.analysis.density import Curve, Matrix
    from ordercascade.analysis.forecast import Forecast
    from ordercascade.analysis.gauges import Monitors, SmallestShock, monitors, smallest_shock
    from ordercascade.analysis.impact import (
        BookImpact,
        Impact,
        LinearImpact,
        SquareRootImpact,
        slices_factor,
        tranche_factor,
    )
    from ordercascade.analysis.lateness import GapRisk, gap_risk
    from ordercascade.analysis.maps import LiquidationMap, MarketMap, liquidation_map
    from ordercascade.analysis.planners import Planner
    from ordercascade.analysis.realised import Generations, Tree, generations, tree
    from ordercascade.analysis.reproduction import Criticality, criticality

__all__ = [
    "Ablation",
    "BookImpact",
    "Costs",
    "Criticality",
    "Curve",
    "Forecast",
    "GapRisk",
    "Generations",
    "Impact",
    "LinearImpact",
    "LiquidationMap",
    "MarketMap",
    "Matrix",
    "Monitors",
    "Planner",
    "SmallestShock",
    "SquareRootImpact",
    "Tree",
    "ablation",
    "costs",
    "criticality",
    "gap_risk",
    "generations",
    "liquidation_map",
    "monitors",
    "slices_factor",
    "smallest_shock",
    "tranche_factor",
    "tree",
]

_HOMES = {
    "Ablation": "compared",
    "BookImpact": "impact",
    "Costs": "bill",
    "Criticality": "reproduction",
    "Curve": "density",
    "Forecast": "forecast",
    "GapRisk": "lateness",
    "Generations": "realised",
    "Impact": "impact",
    "LinearImpact": "impact",
    "LiquidationMap": "maps",
    "MarketMap": "maps",
    "Matrix": "density",
    "Monitors": "gauges",
    "Planner": "planners",
    "SmallestShock": "gauges",
    "SquareRootImpact": "impact",
    "Tree": "realised",
    "ablation": "compared",
    "costs": "bill",
    "criticality": "reproduction",
    "gap_risk": "lateness",
    "generations": "realised",
    "liquidation_map": "maps",
    "monitors": "gauges",
    "slices_factor": "impact",
    "smallest_shock": "gauges",
    "tranche_factor": "impact",
    "tree": "realised",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'ordercascade.analysis' has no attribute {name!r}")
    value = getattr(import_module(f"ordercascade.analysis.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
