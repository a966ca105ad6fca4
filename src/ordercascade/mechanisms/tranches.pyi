from ordercascade.core.mechanism import LiquidationPolicy
from ordercascade.duties import TrancheRule
from ordercascade.enums import OrderLimit

SPAN_NS_MAX: int

class Tranches(LiquidationPolicy):
    @property
    def rule(self) -> int: ...
    @property
    def limit(self) -> int: ...
    @property
    def limit_all(self) -> int: ...
    @property
    def portion_ppm(self) -> int: ...
    @property
    def min_value(self) -> int: ...
    @property
    def block_value(self) -> int: ...
    @property
    def cooldown_ns(self) -> int: ...
    @property
    def ramp_ns(self) -> int: ...
    @property
    def target_ppm(self) -> int: ...
    @property
    def buffer_ppm(self) -> int: ...
    @property
    def cost_ppm(self) -> int: ...
    @property
    def round_up(self) -> bool: ...
    @property
    def tiers(self) -> int: ...
    @property
    def spread_ppm(self) -> int: ...
    @property
    def adjustment_ppm(self) -> int: ...
    @property
    def range_ppm(self) -> int: ...
    @property
    def capacity(self) -> int: ...
    @property
    def window_ns(self) -> int: ...
    @property
    def skew_max(self) -> int: ...
    def __new__(
        cls,
        rule: TrancheRule = ...,
        limit: OrderLimit = ...,
        *,
        limit_all: OrderLimit | None = ...,
        portion_ppm: int = ...,
        min_value: int = ...,
        block_value: int = ...,
        cooldown_ns: int = ...,
        ramp_ns: int = ...,
        target_ppm: int = ...,
        buffer_ppm: int = ...,
        cost_ppm: int = ...,
        round_up: bool = ...,
        tiers: int = ...,
        spread_ppm: int = ...,
        adjustment_ppm: int = ...,
        range_ppm: int = ...,
        capacity: int = ...,
        window_ns: int = ...,
        skew_max: int = ...,
    ) -> Tranches: ...
