from typing import overload

import numpy as np
import numpy.typing as npt

from ordercascade.core.schedule import Schedule

__all__ = [
    "bankruptcy_price",
    "liquidation_price",
    "liquidation_range",
    "margin_required",
    "max_size",
    "trigger_price",
    "what_if",
]

DIGITS_MAX: int

_Whole = int | npt.NDArray[np.int64]

@overload
def liquidation_price(  # type: ignore[overload-overlap]
    schedule: Schedule,
    size: int,
    cost: int,
    collateral: int,
    *,
    other_equity: int = 0,
    other_maintenance: int = 0,
    digits: int = 0,
) -> int: ...
@overload
def liquidation_price(
    schedule: Schedule,
    size: _Whole,
    cost: _Whole,
    collateral: _Whole,
    *,
    other_equity: _Whole = 0,
    other_maintenance: _Whole = 0,
    digits: int = 0,
) -> npt.NDArray[np.int64]: ...
@overload
def trigger_price(  # type: ignore[overload-overlap]
    schedule: Schedule,
    size: int,
    cost: int,
    collateral: int,
    *,
    other_equity: int = 0,
    other_maintenance: int = 0,
) -> int: ...
@overload
def trigger_price(
    schedule: Schedule,
    size: _Whole,
    cost: _Whole,
    collateral: _Whole,
    *,
    other_equity: _Whole = 0,
    other_maintenance: _Whole = 0,
) -> npt.NDArray[np.int64]: ...
@overload
def what_if(  # type: ignore[overload-overlap]
    schedule: Schedule,
    prices: int,
    size: int,
    cost: int,
    collateral: int,
    *,
    other_equity: int = 0,
    other_maintenance: int = 0,
    out: None = None,
) -> tuple[int, int]: ...
@overload
def what_if(
    schedule: Schedule,
    prices: _Whole,
    size: _Whole,
    cost: _Whole,
    collateral: _Whole,
    *,
    other_equity: _Whole = 0,
    other_maintenance: _Whole = 0,
    out: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]] | None = None,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]: ...
@overload
def margin_required(  # type: ignore[overload-overlap]
    schedule: Schedule,
    size: int,
    price: int,
    *,
    cost: int = 0,
    leverage: int = 0,
    bids: int = 0,
    asks: int = 0,
    open_interest: int = 0,
) -> tuple[int, int]: ...
@overload
def margin_required(
    schedule: Schedule,
    size: _Whole,
    price: _Whole,
    *,
    cost: _Whole = 0,
    leverage: int = 0,
    bids: _Whole = 0,
    asks: _Whole = 0,
    open_interest: int = 0,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]: ...
@overload
def max_size(  # type: ignore[overload-overlap]
    schedule: Schedule,
    price: int,
    collateral: int,
    *,
    side: int = 0,
    leverage: int = 0,
    open_interest: int = 0,
    size_max: int | None = None,
) -> int: ...
@overload
def max_size(
    schedule: Schedule,
    price: _Whole,
    collateral: _Whole,
    *,
    side: int = 0,
    leverage: int = 0,
    open_interest: int = 0,
    size_max: int | None = None,
) -> npt.NDArray[np.int64]: ...
@overload
def bankruptcy_price(  # type: ignore[overload-overlap]
    schedule: Schedule,
    size: int,
    cost: int,
    collateral: int,
    *,
    other_equity: int = 0,
    other_maintenance: int = 0,
    price: int = 0,
    digits: int = 0,
) -> int: ...
@overload
def bankruptcy_price(
    schedule: Schedule,
    size: _Whole,
    cost: _Whole,
    collateral: _Whole,
    *,
    other_equity: _Whole = 0,
    other_maintenance: _Whole = 0,
    price: _Whole = 0,
    digits: int = 0,
) -> npt.NDArray[np.int64]: ...
def liquidation_range(
    schedule: Schedule,
    longs: int,
    shorts: int,
    cost: int,
    collateral: int,
    price: int,
    *,
    other_equity: int = 0,
    other_maintenance: int = 0,
) -> tuple[int, int]: ...
