from typing import Literal, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from ordercascade.core.messages import FILL_DTYPE as FILL_DTYPE
from ordercascade.core.messages import FIRED_DTYPE as FIRED_DTYPE
from ordercascade.core.messages import MESSAGE_DTYPE as MESSAGE_DTYPE
from ordercascade.core.messages import WIDE_DTYPE as WIDE_DTYPE
from ordercascade.core.messages import Depth as Depth
from ordercascade.core.messages import OrderDetails as OrderDetails
from ordercascade.core.messages import OrderInfo as OrderInfo
from ordercascade.core.reading import BookReader
from ordercascade.core.shapes import IMPACT_DTYPE as IMPACT_DTYPE
from ordercascade.core.shapes import QUEUE_DTYPE as QUEUE_DTYPE
from ordercascade.enums import OrderType, TimeInForce, TriggerBy

class OrderBook(BookReader):
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
        order_id: SupportsIndex | None = None,
    ) -> int: ...
    def market(
        self,
        side: SupportsIndex,
        size: SupportsIndex,
        *,
        account: SupportsIndex = 0,
        limit: SupportsIndex | None = None,
        tif: SupportsIndex = TimeInForce.IOC,
        order_id: SupportsIndex | None = None,
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
        order_id: SupportsIndex | None = None,
    ) -> int: ...
    def set_mark(self, price: SupportsIndex) -> None: ...
    def advance(self, time_ns: SupportsIndex) -> int: ...
    def collect(self) -> None: ...
    def uncross(self) -> int | None: ...
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
    @staticmethod
    def restore(data: object, *, account_max: SupportsIndex | None = None) -> OrderBook: ...
