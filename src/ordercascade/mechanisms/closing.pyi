from collections.abc import Mapping
from typing import Any

from ordercascade.core.mechanism import Backstop, LiquidationPolicy
from ordercascade.enums import AdlRule, LimitRule

SPAN_NS_MAX: int

class Tranche(LiquidationPolicy):
    @property
    def fraction_ppm(self) -> int: ...
    @property
    def min_value(self) -> int: ...
    @property
    def cooldown_ns(self) -> int: ...
    @property
    def then_all(self) -> bool: ...
    @property
    def at_bankruptcy(self) -> bool: ...
    def __new__(
        cls,
        *,
        fraction_ppm: int = ...,
        min_value: int = ...,
        cooldown_ns: int = ...,
        then_all: bool = ...,
        at_bankruptcy: bool = ...,
    ) -> Tranche: ...

class Deleverage(Backstop):
    @property
    def rule(self) -> int: ...
    @property
    def scores(self) -> tuple[tuple[int, int], ...]: ...
    @property
    def seed(self) -> int: ...
    def __new__(
        cls, rule: AdlRule = ..., *, scores: Mapping[int, int] | None = ..., seed: int = ...
    ) -> Deleverage: ...

def by_numbers(
    rules: Mapping[str, Any],
    limit: LimitRule,
    adl_rule: AdlRule,
    fraction_ppm: int,
    min_value: int,
    cooldown_ns: int,
    then_all: bool,
) -> dict[str, Any]: ...
