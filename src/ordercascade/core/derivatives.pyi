from collections.abc import Iterable
from typing import Any

from ordercascade.core.world import World
from ordercascade.duties import ExpiryRule

PPM: int

def set_option(
    world: World,
    venue: int,
    market: int,
    *,
    expires_ns: int,
    rule: ExpiryRule = ...,
    window_ns: int = 0,
    price: int = 0,
    **terms: Any,
) -> None: ...
def set_portfolio(world: World, venue: int, **terms: Any) -> None: ...
def schedule_volatility(
    world: World,
    time_ns: int,
    venue: int,
    market: int,
    *,
    vol_ppm: int | None = None,
    factor_ppm: int | None = None,
) -> None: ...
def trade_option(
    world: World, venue: int, market: int, *, buyer: int, seller: int, size: int, price: int
) -> int: ...
def span(
    range_ppm: int, *, extreme_ppm: int = 0, counted_ppm: int = 0
) -> list[tuple[int, int, int]]: ...
def buckets(
    range_ppm: int, count: int, *, extended: Iterable[tuple[int, int | None]] = ()
) -> list[tuple[int, int, int]]: ...
