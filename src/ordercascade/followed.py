"""What a collateral is worth that follows a market by a beta, on a tape. MECHANISMS §15; ADR 29."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PPM = 10**6


def followed(terms: Mapping[str, Any], rate: int, opening: int, now: int) -> int:
    """Return the price in ticks of the rate's grid, at a mark (index) and that of the opening.

    rate max(0, 1 + beta (now / opening - 1)), rounded down; in a fall d beta is min(1, d / stress)
    of the way to stress_beta, rounded up to the ppm.

    >>> followed({"beta_ppm": 1_200_000, "multiplier": 1}, 2_000, 100, 90)
    1760
    """
    beta, fall = int(terms["beta_ppm"]), opening - now
    stress = int(terms.get("stress_ppm", 0))
    if fall > 0 and stress:
        part = min(fall * PPM, opening * stress)
        beta -= part * (beta - int(terms["stress_beta_ppm"])) // (opening * stress)
    found = rate * max(0, opening * PPM - beta * fall) // (opening * PPM)
    return min(found, 2**31 - 1, 2**44 // int(terms["multiplier"]))
