from typing import Literal, NoReturn, Self, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from ordercascade.core.messages import FILL_DTYPE as FILL_DTYPE
from ordercascade.core.messages import FIRED_DTYPE as FIRED_DTYPE
from ordercascade.core.messages import MESSAGE_DTYPE as MESSAGE_DTYPE
from ordercascade.core.messages import WIDE_DTYPE as WIDE_DTYPE
from ordercascade.core.messages import Depth as Depth
from ordercascade.core.messages import Indicative as Indicative
from ordercascade.core.messages import OrderDetails as OrderDetails
from ordercascade.core.messages import OrderInfo as OrderInfo
from ordercascade.enums import OrderType, TimeInForce, TriggerBy

class OrderBook:
    def __new__(
        cls,
        price_max: SupportsIndex,
        *,
        order_max: SupportsIndex = 2**20,
        account_max: SupportsIndex = 2**24 - 1,
        fire_max: SupportsIndex = 10_000,
    ) -> Self: ...
    def __init__(
        self,
        price_max: SupportsIndex,
        *,
        order_max: SupportsIndex = 2**20,
        account_max: SupportsIndex = 2**24 - 1,
        fire_max: SupportsIndex = 10_000,
    ) -> None: ...
    @property
    def best_bid(self) -> int | None: ...
    @property
    def best_ask(self) -> int | None: ...
    @property
    def fills(self) -> NDArray[np.void]: ...
    @property
    def results(self) -> NDArray[np.int64]: ...
    @property
    def rows_done(self) -> int: ...
    def depth(self, levels: SupportsIndex) -> Depth: ...
    def order(self, order_id: SupportsIndex) -> OrderInfo | None: ...
    def details(self, order_id: SupportsIndex) -> OrderDetails | None: ...
    @property
    def fired(self) -> NDArray[np.void]: ...
    @property
    def last(self) -> int | None: ...
    @property
    def mark(self) -> int | None: ...
    @property
    def time_ns(self) -> int: ...
    @property
    def waiting(self) -> int: ...
    def state_hash(self) -> str: ...
    def __len__(self) -> int: ...
    def submit(
        self,
        side: SupportsIndex,
        price: SupportsIndex,
        size: SupportsIndex,
        *,
        account: SupportsIndex = 0,
        type: SupportsIndex = OrderType.LIMIT,
        tif: SupportsIndex = TimeInForce.GTC,
        flags: SupportsIndex = 0,
        display: SupportsIndex | None = None,
        expires_ns: SupportsIndex | None = None,
    ) -> int: ...
    def market(
        self,
        side: SupportsIndex,
        size: SupportsIndex,
        *,
        account: SupportsIndex = 0,
        limit: SupportsIndex | None = None,
        tif: SupportsIndex = TimeInForce.IOC,
    ) -> int: ...
    def stop(
        self,
        side: SupportsIndex,
        size: SupportsIndex,
        trigger: SupportsIndex,
        *,
        price: SupportsIndex = 0,
        account: SupportsIndex = 0,
        by: SupportsIndex = TriggerBy.LAST,
        take_profit: bool = False,
        tif: SupportsIndex = TimeInForce.GTC,
        flags: SupportsIndex = 0,
        display: SupportsIndex | None = None,
        expires_ns: SupportsIndex | None = None,
    ) -> int: ...
    def set_mark(self, price: SupportsIndex) -> None: ...
    def advance(self, time_ns: SupportsIndex) -> int: ...
    def collect(self) -> None: ...
    def uncross(self) -> int | None: ...
    def indicative(self) -> Indicative: ...
    @property
    def collected(self) -> int | None: ...
    def cancel(self, order_id: SupportsIndex, *, account: SupportsIndex | None = None) -> int: ...
    def amend(
        self,
        order_id: SupportsIndex,
        *,
        size: SupportsIndex | None = None,
        price: SupportsIndex | None = None,
        account: SupportsIndex | None = None,
    ) -> int: ...
    def cancel_all(self, account: SupportsIndex, *, side: SupportsIndex | None = None) -> int: ...
    def apply(
        self, messages: NDArray[np.void], *, on_bad: Literal["raise", "reject"] = "raise"
    ) -> NDArray[np.void]: ...
    def copy(self) -> OrderBook: ...
    def __copy__(self) -> NoReturn: ...
    def __deepcopy__(self, memo: object) -> NoReturn: ...
    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn: ...
    def _check(self) -> None: ...
