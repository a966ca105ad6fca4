"""What lots are worth, for Python: the sums of core/contracts.pxd on ints and on whole columns."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from ordercascade.enums import MarketKind

Number = TypeVar("Number", int, npt.NDArray[np.int64])

# The bankruptcy price of an inverse leg that no price closes at its cost (core/contracts.pxd).
NO_PRICE = 2**60


def kind_of(name: str) -> MarketKind:
    """Return how lots of a named kind pay: a quanto market is linear with an m of its own."""
    return MarketKind.LINEAR if name == "quanto" else MarketKind[name.upper()]


def worth(kind: int, terms: Any, size: Number, price: Any) -> Number:
    """Return what signed lots are worth: size * price * m, inverse floor(-K * size / price).

    `terms` is m or K. Prices are at least 1; columns stay within 2**60 as the engine's cells do.
    """
    value: Number = size * price * terms
    if kind == MarketKind.INVERSE:
        # A column may say 0 for no price, which is asked of no row that counts.
        value = -terms * size // (np.maximum(price, 1) if isinstance(price, np.ndarray) else price)
    return value


def paid(kind: int, terms: int, size: int, price: int) -> int:
    """Return what a trade of signed lots adds to the cost of whoever takes them. SEMANTICS §1."""
    if kind == MarketKind.INVERSE:
        value = terms * abs(size) // price
        return -value if size > 0 else value
    return size * price * terms


def price_of(kind: int, terms: int, cost: int, size: int) -> int:
    """Return cost / lots as a tick: up for a sell (size > 0), down for a buy. SEMANTICS §5.3."""
    unit = size * terms
    if kind == MarketKind.INVERSE:
        if cost == 0 or (cost > 0) == (size > 0):
            return NO_PRICE
        return -(unit // cost) if size > 0 else -unit // cost
    return -(-cost // unit) if size > 0 else cost // unit
