from ordercascade.core.mechanism import CircuitBreaker
from ordercascade.enums import BreakerKind, ReleaseRule

SPAN_NS_MAX: int

class Breaker(CircuitBreaker):
    @property
    def kind(self) -> int: ...
    @property
    def band_ppm(self) -> int: ...
    @property
    def window_ns(self) -> int: ...
    @property
    def halt_ns(self) -> int: ...
    @property
    def halt_max_ns(self) -> int: ...
    @property
    def release(self) -> int: ...
    @property
    def drip_ppm(self) -> int: ...
    @property
    def drip_ns(self) -> int: ...
    @property
    def gas(self) -> int: ...
    @property
    def gas_max(self) -> int: ...
    @property
    def gas_ppm(self) -> int: ...
    @property
    def everybody(self) -> bool: ...
    def __new__(
        cls,
        kind: BreakerKind = ...,
        *,
        band_ppm: int = ...,
        window_ns: int = ...,
        halt_ns: int = ...,
        halt_max_ns: int = ...,
        release: ReleaseRule = ...,
        drip_ppm: int = ...,
        drip_ns: int = ...,
        gas: int = ...,
        gas_max: int = ...,
        gas_ppm: int = ...,
        everybody: bool = ...,
    ) -> Breaker: ...
