from typing import Any, NamedTuple

from ordercascade.core.mechanism import (
    Backstop,
    CircuitBreaker,
    LiquidationPolicy,
    Oracle,
    Surcharge,
)
from ordercascade.enums import RateKind

SPAN_NS_MAX: int

class View(NamedTuple):
    last: int
    outside: int
    mark: int
    best_bid: int
    best_ask: int
    queue: int

class Risk(NamedTuple):
    scope: int
    market: int
    size: int
    value: int
    equity: int
    maintenance: int
    bankruptcy_limit: int
    tranche: int

class Rival(NamedTuple):
    scope: int
    external: bool
    lots: int
    cost: int
    value: int
    equity: int
    maintenance: int
    money: int

class PluginOracle(Oracle):
    @property
    def plugin(self) -> Any: ...
    def __new__(cls, plugin: Any) -> PluginOracle: ...

class PluginBreaker(CircuitBreaker):
    @property
    def plugin(self) -> Any: ...
    def __new__(cls, plugin: Any) -> PluginBreaker: ...

class PluginPolicy(LiquidationPolicy):
    @property
    def plugin(self) -> Any: ...
    def __new__(cls, plugin: Any) -> PluginPolicy: ...

class PluginBackstop(Backstop):
    @property
    def plugin(self) -> Any: ...
    def __new__(cls, plugin: Any) -> PluginBackstop: ...

class Nearby(NamedTuple):
    longs: int
    shorts: int
    bids: int
    asks: int

class PluginSurcharge(Surcharge):
    @property
    def plugin(self) -> Any: ...
    @property
    def rate(self) -> int: ...
    @property
    def reach_ppm(self) -> int: ...
    def __new__(
        cls, plugin: Any, *, rate: RateKind = ..., reach_ppm: int = ...
    ) -> PluginSurcharge: ...
