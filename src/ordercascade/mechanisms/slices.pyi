from collections.abc import Sequence

from ordercascade.core.mechanism import LiquidationPolicy

SPAN_NS_MAX: int

class Slices(LiquidationPolicy):
    @property
    def target_ppm(self) -> int: ...
    @property
    def cost_ppm(self) -> int: ...
    @property
    def min_value(self) -> int: ...
    @property
    def cooldown_ns(self) -> int: ...
    @property
    def depth_ppm(self) -> int: ...
    @property
    def share_ppm(self) -> int: ...
    @property
    def parts(self) -> tuple[int, ...]: ...
    def __new__(
        cls,
        parts: Sequence[int] = ...,
        *,
        target_ppm: int = ...,
        cost_ppm: int = ...,
        min_value: int = ...,
        cooldown_ns: int = ...,
        depth_ppm: int = ...,
        share_ppm: int = ...,
    ) -> Slices: ...
