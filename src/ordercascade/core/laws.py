"""What a population is drawn from: laws, markets as they open, and the rows that come out."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ordercascade.enums import MarketKind

Openings = npt.NDArray[np.void]

# One position as it stands before step 0. `account` counts from 0 within the array's accounts;
# `size` and `cost` are signed; `collateral` is an isolated position's own, else 0.
OPENING_DTYPE = np.dtype(
    [
        ("account", "i4"),
        ("market", "i4"),
        ("size", "i8"),
        ("cost", "i8"),
        ("collateral", "i8"),
        ("isolated", "i8"),
    ]
)


class LawKind(IntEnum):
    """How a number is distributed."""

    CONSTANT = 0
    UNIFORM = 1
    NORMAL = 2
    LOGNORMAL = 3
    PARETO = 4
    PARETO_BOTH = 5
    VALUES = 6


class Law(NamedTuple):
    """A distribution of one real number, by its quantile function; clipped to [low, high].

    constant a | uniform on [a, b] | normal with mean a, deviation b | lognormal with median a,
    deviation b of the logarithm | pareto from a on with tail exponent b | pareto_both: 1 plus or
    minus such a pareto, either with one half | values with weights.
    """

    kind: LawKind
    a: float = 0.0
    b: float = 0.0
    low: float = -1e300
    high: float = 1e300
    values: tuple[float, ...] = ()
    weights: tuple[float, ...] = ()  # empty: all alike


class Terms(NamedTuple):
    """A market as it opens: its mark in ticks, m (inverse: K), bounds, brackets, contract."""

    mark: int
    multiplier: int
    price_max: int
    size_max: int
    brackets: Sequence[tuple[int, int, int, int]]
    kind: MarketKind = MarketKind.LINEAR


class Crowd(NamedTuple):
    """Accounts alike in how they are drawn. Laws of `size`: lots, or value in units.

    `entry` gives the entry price over the opening mark, or in ticks where `entry_in_ticks`.
    `root` is the lower triangle R of a correlation matrix R R' over the markets, row by row, or
    empty; `held` is each market's chance to be held; `levels` are liquidation prices in ticks,
    one an account, and take the place of leverage and of the long share.
    """

    accounts: int
    long_share: float
    cross_share: float
    leverage: Law
    size: Law
    size_is_value: bool
    entry: Law
    entry_in_ticks: bool
    held: tuple[float, ...]
    root: tuple[float, ...] = ()
    levels: npt.NDArray[np.int64] | None = None
    insolvent: bool = False  # keep a draw that is liquidatable at the opening mark


class Drawn(NamedTuple):
    """What was drawn: cross deposits (one an account) and positions (OPENING_DTYPE)."""

    deposits: npt.NDArray[np.int64]
    openings: Openings
