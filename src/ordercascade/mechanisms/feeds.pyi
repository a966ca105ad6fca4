from ordercascade.core.mechanism import Oracle
from ordercascade.enums import FeedKind, PriceSource

SPAN_NS_MAX: int

class Feed(Oracle):
    @property
    def kind(self) -> int: ...
    @property
    def source(self) -> int: ...
    @property
    def own_weight_ppm(self) -> int: ...
    @property
    def price_max(self) -> int: ...
    @property
    def window_ns(self) -> int: ...
    @property
    def tau_ns(self) -> int: ...
    @property
    def funding_ppb(self) -> int: ...
    @property
    def funding_at_ns(self) -> int: ...
    @property
    def funding_every_ns(self) -> int: ...
    @property
    def latency_ns(self) -> int: ...
    @property
    def sigma_ppm(self) -> int: ...
    @property
    def congestion_ppm(self) -> int: ...
    @property
    def heartbeat_ns(self) -> int: ...
    @property
    def deviation_ppm(self) -> int: ...
    @property
    def clamp_ppm(self) -> int: ...
    @property
    def clamp_round_ppm(self) -> int: ...
    @property
    def clamp_second_ppm(self) -> int: ...
    def __new__(
        cls,
        kind: FeedKind = ...,
        source: PriceSource = ...,
        *,
        own_weight_ppm: int = ...,
        price_max: int = ...,
        window_ns: int = ...,
        tau_ns: int = ...,
        funding_ppb: int = ...,
        funding_at_ns: int = ...,
        funding_every_ns: int = ...,
        latency_ns: int = ...,
        sigma_ppm: int = ...,
        congestion_ppm: int = ...,
        heartbeat_ns: int = ...,
        deviation_ppm: int = ...,
        clamp_ppm: int = ...,
        clamp_round_ppm: int = ...,
        clamp_second_ppm: int = ...,
        seed: int = ...,
        name: str = ...,
    ) -> Feed: ...
    def opening(self, last: int, index: int, bid: int, ask: int) -> int: ...
