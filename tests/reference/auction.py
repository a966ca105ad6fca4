"""The twin of a book with call auctions: the price is found by trying every tick."""

from __future__ import annotations

from ordercascade.enums import Command, OrderFlag, Reject, Side, TimeInForce, TriggerBy
from reference.book import LEVEL_MAX, Order
from reference.desk import PARTS_MAX, DeskBook, DeskOrder


class AuctionBook(DeskBook):
    """The twin of OrderBook with everything that it can do."""

    def __init__(
        self, price_max: int = 2**20, *, order_max: int = 2**20, fire_max: int = 10_000
    ) -> None:
        super().__init__(price_max, order_max=order_max, fire_max=fire_max)
        self.collecting = False
        self.pen: list[DeskOrder] = []  # by time

    @property
    def collected(self) -> int | None:
        return len(self.pen) if self.collecting else None

    def collect(self) -> None:
        self.one(type=Command.COLLECT)

    def uncross(self) -> int | None:
        return self.one(type=Command.UNCROSS) or None

    def judge(self, row: dict[str, int]) -> None:
        if row["type"] not in (Command.COLLECT, Command.UNCROSS):
            super().judge(row)

    def do(self, row: dict[str, int]) -> int:
        if row["type"] == Command.COLLECT:
            self.collecting = True
            return 0
        if row["type"] == Command.UNCROSS:
            return self._uncross() if self.collecting else 0
        return super().do(row)

    def indicative(self) -> tuple[int | None, int, int]:
        """Return price, volume and surplus by brute force over all ticks."""
        orders = [order for order in self.orders.values() if isinstance(order, DeskOrder)]
        found = {}
        for price in range(1, self.price_max + 1):
            bid = sum(o.open for o in orders if o.side == Side.BID and o.price >= price)
            ask = sum(o.open for o in orders if o.side == Side.ASK and o.price <= price)
            found[price] = (min(bid, ask), bid - ask)
        most = max(volume for volume, _ in found.values())
        if most == 0:
            return None, 0, 0
        ticks = [price for price in found if found[price][0] == most]
        least = min(abs(found[price][1]) for price in ticks)
        ticks = [price for price in ticks if abs(found[price][1]) == least]
        if all(found[price][1] > 0 for price in ticks):
            price = max(ticks)
        elif all(found[price][1] < 0 for price in ticks):
            price = min(ticks)
        else:
            near = self.last or (min(ticks) + max(ticks)) // 2
            price = min(ticks, key=lambda price: abs(price - near))
        return price, most, found[price][1]

    def _uncross(self) -> int:
        price, _, _ = self.indicative()
        if price:
            self.changed += 1
            self._trade_at(price)
            self.last = price
        pen, self.pen, self.collecting = self.pen, [], False
        for order in pen:
            self._before = {}
            left = order.open
            order.size = min(order.display, left) if order.display else left
            order.hidden = left - order.size
            self.levels[order.side].setdefault(order.price, []).append(order)
        queue = self.due(TriggerBy.LAST, self.last, self.last) if self.last else []
        queue += self.due(TriggerBy.MARK, self.mark, self.mark) if self.mark else []
        self.react(len(self.fills), queue)
        return price or 0

    def _by_priority(self, side: int, price: int) -> list[DeskOrder]:
        """Return who trades at a price: best limit first, then who rested, then by time."""
        sign = 1 if side == Side.BID else -1
        queued = [o for p in self.prices(side) for o in self.levels[side][p]]
        collected = [order for order in self.pen if order.side == side]
        found = [o for o in [*queued, *collected] if (o.price - price) * sign >= 0]
        return sorted(found, key=lambda order: -sign * order.price)  # type: ignore[return-value]

    def _trade_at(self, price: int) -> None:
        bids, asks = (self._by_priority(side, price) for side in (Side.BID, Side.ASK))
        left = {order.id: order.open for order in [*bids, *asks]}
        for ask in asks:
            for bid in bids:
                lots = min(left[ask.id], left[bid.id])
                if not lots:
                    continue
                left[ask.id] -= lots
                left[bid.id] -= lots
                self.fills.append(
                    {
                        "price": price, "size": lots, "taker_side": int(Side.BID),
                        "maker_account": ask.account, "taker_account": bid.account,
                        "maker_order": ask.id, "taker_order": bid.id,
                        "maker_rest": left[ask.id],
                        "self_trade": int(ask.account == bid.account),
                    }
                )  # fmt: skip
                # Ids are freed in the order in which orders are done: the ask's first.
                for order in (ask, bid):
                    if not left[order.id]:
                        self._gone(order)
        for order in [*asks, *bids]:
            if left[order.id]:
                self._cut(order, left[order.id])

    def _cut(self, order: DeskOrder, left: int) -> None:
        traded = order.open - left
        if order in self.pen:
            hidden = min(traded, order.hidden)
            order.hidden -= hidden
            order.size -= traded - hidden
        elif traded < order.size:
            order.size -= traded
        elif traded:
            queue = self.levels[order.side][order.price]
            queue.remove(order)
            order.size = min(order.display, left)
            order.hidden = left - order.size
            queue.append(order)

    # During a call phase.

    def order(self, row: dict[str, int]) -> int:
        if not self.collecting:
            return super().order(row)
        if row["expires_ns"] and row["expires_ns"] <= self.time_ns:
            return int(Reject.EXPIRED)
        rests = row["type"] == Command.LIMIT and row["tif"] == TimeInForce.GTC
        if not rests or row["flags"] & OrderFlag.POST_ONLY:
            return int(Reject.AUCTION)
        if len(self.orders) >= self.order_max:
            return int(Reject.POOL_FULL)
        if self._no_room(row["side"], row["price"], row["size"], 0):
            return int(Reject.LEVEL_FULL)
        order = DeskOrder(
            self._new_id(), row["account"], row["side"], row["price"], row["size"], row["flags"],
            0, row["display"], row["expires_ns"],
        )  # fmt: skip
        self._collect(order, row["size"])
        return order.id

    def _collect(self, order: DeskOrder, size: int) -> None:
        order.size = min(order.display, size) if order.display else size
        order.hidden = size - order.size
        self.orders[order.id] = order
        self.pen.append(order)
        self.changed += 1

    def _no_room(self, side: int, price: int, size: int, given_up: int) -> bool:
        hidden = sum(order.hidden for order in self.orders.values())  # type: ignore[attr-defined]
        total = self.size_at(side, price) + hidden + sum(order.open for order in self.pen)
        return total + size - given_up > LEVEL_MAX

    def alter(self, order_id: int, account: int, price: int, size: int) -> int:
        order = self.orders.get(order_id)
        if not self.collecting or order is None or size == 0:
            return super().alter(order_id, account, price, size)
        assert isinstance(order, DeskOrder)
        price = price or order.price
        mine = account in (-1, order.account)
        if not mine or (price == order.price and size <= order.open):
            return super().alter(order_id, account, price, size)
        given_up = order.hidden
        if order in self.pen:
            given_up += order.open
        elif price == order.price:
            given_up += order.size
        if self._no_room(order.side, price, size, given_up):
            return int(Reject.LEVEL_FULL)
        self._unrest(order)
        if order.display:
            order.display = max(order.display, -(-size // PARTS_MAX))
        order.price = price
        self._collect(order, size)
        return order_id

    def wait(self, row: dict[str, int]) -> int:
        """A stop that is met already waits for the end of the call phase."""
        last, mark = self.last, self.mark
        if self.collecting:
            self.last = self.mark = 0
        result = super().wait(row)
        self.last, self.mark = (last, mark) if self.collecting else (self.last, self.mark)
        return result

    def due(self, by: int, low: int, high: int) -> list:  # type: ignore[type-arg]
        return [] if self.collecting else super().due(by, low, high)

    def _unrest(self, order: Order) -> None:
        if order not in self.pen:
            super()._unrest(order)
            return
        self.pen.remove(order)  # type: ignore[arg-type]
        del self.orders[order.id]

    def _check(self) -> None:
        assert all(order.id in self.orders for order in self.pen)
        whole = self.orders
        penned = {order.id for order in self.pen}
        self.orders = {name: order for name, order in whole.items() if name not in penned}
        super()._check()
        self.orders = whole
