"""How each venue of a tape cuts up a large position, and what that leaves of the peak impact.

A tape of before planners were told on it, and a plug-in, say nothing of their slices; what sizes
an order by the state of account or book (restore, book_share, tranches of venues) has no number
of slices beforehand. There `tranches` and `factor` are None. MECHANISMS §4, §4a.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ordercascade.analysis.impact import slices_factor
from ordercascade.duties import TrancheRule
from ordercascade.exact import NS, PPM
from ordercascade.slices import PPB
from ordercascade.tape import Tape


@dataclass(frozen=True)
class Planner:
    """A venue's planner: its orders for a large position, the pause between them, and their g."""

    venue: str
    kind: str
    tranches: int | None
    every_s: float
    factor: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    def __str__(self) -> str:
        if self.tranches is None or self.factor is None:
            return f"{self.kind} at {self.venue}: how many orders, and g, depend on the state"
        return f"{self.kind} at {self.venue}: {self.tranches} orders, g = {self.factor:.3f}"


def planners(tape: Tape, *, permanent: float, half_life_s: float | None) -> tuple[Planner, ...]:
    """Return the planner of each venue, for a book that recovers as `tranche_factor` says."""
    found = []
    for venue in tape.venues:
        kind, shares, every_s = _plan(venue)
        count = len(shares) if shares else None
        g = None
        if shares:
            g = slices_factor(shares, every_s, permanent=permanent, half_life_s=half_life_s)
        found.append(Planner(str(venue.get("name", "venue")), kind, count, every_s, g))
    return tuple(found)


def _plan(venue: Mapping[str, Any]) -> tuple[str, list[float], float]:
    """Return kind, shares of the whole (none: not known beforehand) and pause in seconds."""
    rules, said, sized = (venue.get(key) or {} for key in ("rules", "planner", "tranches"))
    if any(str(plug).startswith("liquidation ") for plug in venue.get("plugins", ())):
        return "plug-in", [], 0.0
    if said:
        fixed = said["parts"] and not said["share_ppm"]
        every_s = int(said["cooldown_ns"]) / NS
        return str(said["kind"]), _shares(said["parts"]) if fixed else [], every_s
    if "slices" in venue:
        return "slices", [], 0.0
    if sized:
        rule = TrancheRule(int(sized.get("rule", 0)))
        return rule.name.lower(), [1.0] if rule == TrancheRule.WHOLE else [], 0.0
    fraction = (int(rules.get("fraction_ppm", PPM)) or PPM) / PPM
    if fraction >= 1:
        return "full", [1.0], 0.0
    rest = rules.get("then_all")
    count = math.ceil(round(1 / fraction, 9))
    shares = [fraction, 1 - fraction] if rest else [1 / count] * count
    return "tranche", shares, int(rules.get("cooldown_ns", 0)) / NS


def _shares(parts: list[int]) -> list[float]:
    """Return shares of the whole from parts of what is held then, in 10^-9."""
    left, found = 1.0, []
    for part in parts:
        found.append(left * part / PPB)
        left -= found[-1]
    return found
