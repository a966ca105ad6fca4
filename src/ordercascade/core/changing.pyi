from collections.abc import Sequence
from typing import Any

from ordercascade.core.mechanism import Oracle
from ordercascade.core.world import World
from ordercascade.enums import AdlRule, LimitRule, PriceSource

def change(
    world: World,
    venue: int,
    *,
    fund: int | None = ...,
    weights: Sequence[tuple[PriceSource | int, int]] = ...,
    oracles: Sequence[Oracle | str | None] = ...,
    limit: LimitRule = ...,
    adl_rule: AdlRule = ...,
    fraction_ppm: int = ...,
    min_value: int = ...,
    cooldown_ns: int = ...,
    then_all: bool = ...,
    impacts: Sequence[tuple[int, int, int]] = ...,
    **rules: Any,
) -> None: ...
