"""Tables of slices and what theory says of them. MECHANISMS §4, §4a; TARGETS T8, T9.

>>> [round(x) for x in holdings(almgren_chriss(5, 0.6070784), 1_000_000)]
[1000000, 541956, 289854, 147897, 62142, 0]
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

from ordercascade.errors import InputError

PPB = 10**9


def equal(count: int) -> list[float]:
    """Return `count` equal shares of the whole."""
    return [1 / _count(count)] * count


def kappa(*, risk: float, sigma: float, eta: float, gamma: float, tau: float) -> float:
    """Return Almgren-Chriss' κ: cosh(κτ) = 1 + κ̃²τ²/2, κ̃² = λσ²/η̃, η̃ = η - γτ/2."""
    softened = eta - gamma * tau / 2
    if softened <= 0 or tau <= 0:
        raise InputError("eta", eta, "must be above gamma tau / 2, and tau above 0")
    return math.acosh(1 + risk * sigma**2 / softened * tau**2 / 2) / tau


def almgren_chriss(count: int, kappa_tau: float) -> list[float]:
    """Return the shares sold in each of `count` steps: x_j = X sinh(κ(T - t_j)) / sinh(κT)."""
    _count(count)
    if kappa_tau < 1e-9:
        return equal(count)
    # exp(-κT) may be below every double: sinh(a)/sinh(b) = e^(a-b) (1-e^(-2a))/(1-e^(-2b)).
    whole = kappa_tau * count
    held = [
        math.exp(-kappa_tau * j)
        * (1 - math.exp(-2 * (whole - kappa_tau * j)))
        / (1 - math.exp(-2 * whole))
        for j in range(count)
    ]
    return [x - after for x, after in zip(held, [*held[1:], 0.0], strict=True)]


def obizhaeva_wang(count: int, rho_tau: float) -> list[float]:
    """Return `count` shares: blocks at both ends, each between them 1 - e^(-ρτ) of a block.

    With N = count - 1 waits a block is X/((N-1)(1-a)+2), a = e^(-ρτ).
    """
    if _count(count) == 1:
        return [1.0]
    gap = 1 - math.exp(-rho_tau)
    block = 1 / ((count - 2) * gap + 2)
    return [block, *[block * gap] * (count - 2), block]


def holdings(shares: Sequence[float], size: float) -> list[float]:
    """Return what is held before each slice and at the end."""
    left = [size]
    for share in shares:
        left.append(left[-1] - share * size)
    left[-1] = 0.0
    return left


class Shortfall(NamedTuple):
    """Expected cost of a plan, and its standard deviation."""

    mean: float
    deviation: float


def shortfall(
    shares: Sequence[float],
    size: float,
    *,
    tau: float,
    sigma: float,
    epsilon: float,
    eta: float,
    gamma: float,
) -> Shortfall:
    """E = γX²/2 + εX + (η - γτ/2)/τ Σn², V = σ²τ Σx² over what is held after each slice."""
    held = holdings(shares, size)
    sold = [a - b for a, b in itertools.pairwise(held)]
    softened = eta - gamma * tau / 2
    mean = gamma * size**2 / 2 + epsilon * size + softened / tau * sum(n * n for n in sold)
    return Shortfall(mean, sigma * math.sqrt(tau * sum(x * x for x in held[1:])))


def restore(value: float, equity: float, target: float, cost: float) -> float:
    """Return f* = (mN - E) / (N (m - c)), within 0 and 1; 1 where a sale never heals."""
    if target <= cost:
        return 1.0
    return min(1.0, max(0.0, (target * value - equity) / (value * (target - cost))))


def tranche_factor(count: int, *, permanent: float, recovery: float) -> float:
    """Return g = φ + (1-φ)(1-aⁿ)/(n(1-a)), a = e^(-ρτ): R of n equal slices is g R of one sale.

    `permanent` is φ, the share of impact that stays; `recovery` is ρτ, per wait of τ.
    """
    a = math.exp(-recovery)
    mean = 1.0 if recovery == 0 else (1 - a**count) / (_count(count) * (1 - a))
    return permanent + (1 - permanent) * mean


def parts(shares: Sequence[float]) -> list[int]:
    """Return a plan as parts of what is held then, in 10^-9: the table of `Slices`.

    Rounded up: lots are rounded down, so a third of 60 would be 19 with 0.333333333 of them.
    """
    left, found = 1.0, []
    for share in shares:
        part = math.ceil(share / left * PPB - 1e-3) if left > 1e-12 else PPB
        found.append(max(0, min(PPB, part)))
        left -= share
    if found:
        found[-1] = PPB
    return found


def _count(count: int) -> int:
    if not 1 <= count <= 1000:
        raise InputError("slices", count, "must be in [1, 1000]")
    return count
