from collections.abc import Sequence

from ordercascade.core.mechanism import Surcharge

FACTOR_MAX: int
SPAN_NS_MAX: int

class Volatile(Surcharge):
    @property
    def decay_ppm(self) -> int: ...
    @property
    def sample_ns(self) -> int: ...
    @property
    def start_ppb(self) -> int: ...
    @property
    def step_ppm(self) -> int: ...

class VolatilityMargin(Volatile):
    @property
    def k_ppm(self) -> int: ...
    @property
    def mpor_ns(self) -> int: ...
    @property
    def bases_ppm(self) -> tuple[int, ...]: ...
    @property
    def floor_ppm(self) -> int: ...
    @property
    def cap_ppm(self) -> int: ...
    @property
    def buffer_ppm(self) -> int: ...
    @property
    def stressed_ppm(self) -> int: ...
    @property
    def weight_ppm(self) -> int: ...
    @property
    def new_only(self) -> bool: ...
    def __new__(
        cls,
        *,
        k_ppm: int,
        mpor_ns: int,
        bases_ppm: Sequence[int],
        cap_ppm: int,
        floor_ppm: int = ...,
        decay_ppm: int = ...,
        sample_ns: int = ...,
        start_ppb: int = ...,
        step_ppm: int = ...,
        buffer_ppm: int = ...,
        stressed_ppm: int = ...,
        weight_ppm: int = ...,
        new_only: bool = ...,
    ) -> VolatilityMargin: ...

class VolatilityFee(Volatile):
    @property
    def base_ppm(self) -> int: ...
    @property
    def slope_ppm(self) -> int: ...
    @property
    def cap_ppm(self) -> int: ...
    @property
    def reference_ppb(self) -> int: ...
    @property
    def to_fund_ppm(self) -> int: ...
    def __new__(
        cls,
        *,
        base_ppm: int,
        slope_ppm: int,
        cap_ppm: int,
        reference_ppb: int,
        decay_ppm: int = ...,
        sample_ns: int = ...,
        start_ppb: int = ...,
        step_ppm: int = ...,
        to_fund_ppm: int = ...,
    ) -> VolatilityFee: ...

class ContagionBuffer(Surcharge):
    @property
    def reach_ppm(self) -> int: ...
    @property
    def weight_ppm(self) -> int: ...
    @property
    def cap_ppm(self) -> int: ...
    @property
    def every_ns(self) -> int: ...
    @property
    def new_only(self) -> bool: ...
    def __new__(
        cls,
        *,
        reach_ppm: int,
        cap_ppm: int,
        weight_ppm: int = ...,
        every_ns: int = ...,
        new_only: bool = ...,
    ) -> ContagionBuffer: ...
