from ordercascade.core.mechanism import Oracle
from ordercascade.enums import PriceSource

class OwnBook(Oracle):
    @property
    def source(self) -> int: ...
    @property
    def own_weight_ppm(self) -> int: ...
    @property
    def price_max(self) -> int: ...
    def __new__(
        cls,
        source: PriceSource = ...,
        *,
        own_weight_ppm: int = ...,
        price_max: int = ...,
    ) -> OwnBook: ...

class Held(Oracle): ...
