"""The slow, obvious twin of the order book: a list of orders a level, and nothing indexed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ordercascade.enums import OrderFlag, OrderType, Reject, Side, TimeInForce
from ordercascade.errors import InputError
from reference.messages import judge, message_row

LEVEL_MAX = 2**62


@dataclass
class Order:
    """A resting order; `size` is what is still open."""

    id: int
    account: int
    side: int
    price: int
    size: int
    flags: int


def crosses(side: int, limit: int | None, price: int) -> bool:
    """Say if a taker on `side` with `limit` (None = any price) may trade at `price`."""
    return limit is None or (limit >= price if side == Side.BID else limit <= price)


class OrderBook:
    """Price-time priority; `fills` and `changes` are those of the last call."""

    FILL_FIELDS = (
        "price",
        "size",
        "taker_side",
        "maker_account",
        "taker_account",
        "maker_order",
        "taker_order",
        "maker_rest",
        "self_trade",
    )

    def __init__(self, price_max: int = 2**20, *, order_max: int = 2**20) -> None:
        self.price_max, self.order_max = price_max, order_max
        self.levels: tuple[dict[int, list[Order]], ...] = ({}, {})
        self.orders: dict[int, Order] = {}
        self.fills: list[dict[str, int]] = []
        self.results: list[int] = []
        self.changes: list[tuple[int, int, int]] = []  # side, price, size after
        self.changed = 0  # operations that changed any level
        self._generations: list[int] = []
        self._free: list[int] = []
        self._before: dict[tuple[int, int], int] = {}

    # Queries.

    def __len__(self) -> int:
        return len(self.orders)

    def prices(self, side: int) -> list[int]:
        """Return the occupied prices of a side, best first."""
        return sorted(self.levels[side], reverse=side == Side.BID)

    def best(self, side: int) -> int:
        """Return the best price of a side, 0 if there is none."""
        return next(iter(self.prices(side)), 0)

    @property
    def best_bid(self) -> int | None:
        return self.best(Side.BID) or None

    @property
    def best_ask(self) -> int | None:
        return self.best(Side.ASK) or None

    def size_at(self, side: int, price: int) -> int:
        """Return the lots that rest at a level."""
        return sum(order.size for order in self.levels[side].get(price, []))

    def depth(self, n: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Return the best `n` levels of both sides as (price, size)."""
        bids, asks = (
            [(price, self.size_at(side, price)) for price in self.prices(side)[:n]]
            for side in (Side.BID, Side.ASK)
        )
        return bids, asks

    def orders_of(self, account: int) -> list[Order]:
        """Return an account's resting orders in id order."""
        found = [order for order in self.orders.values() if order.account == account]
        return sorted(found, key=lambda order: order.id)

    def open_lots(self, account: int, side: int) -> int:
        """Return the lots that an account has resting on a side."""
        return sum(order.size for order in self.orders_of(account) if order.side == side)

    # The Python door: one call, one operation.

    def submit(
        self,
        side: int,
        price: int,
        size: int,
        *,
        account: int = 0,
        type: int = OrderType.LIMIT,
        tif: int = TimeInForce.GTC,
        flags: int = 0,
    ) -> int:
        """Submit an order; return its id if it rests, 0 if done, or a reject code."""
        judge(self.price_max, type, side, price, size, account, tif, flags)
        self._clear()
        return self.place(type, side, price, size, account, tif, flags)

    def market(self, side: int, size: int, *, account: int = 0) -> int:
        """Trade at any price, never rest."""
        return self.submit(side, 0, size, account=account, type=OrderType.MARKET)

    def cancel(self, order_id: int, *, account: int | None = None) -> int:
        """Cancel a resting order; return its open lots or Reject.NOT_OWNER."""
        self._clear()
        lots = self.remove(order_id, -1 if account is None else account)
        if lots == Reject.UNKNOWN_ORDER:
            raise InputError("order_id", order_id, "must be the id of a resting order")
        return lots

    def cancel_all(self, account: int) -> int:
        """Cancel an account's orders in id order; return how many."""
        self._clear()
        return self.remove_all(account)

    def amend(
        self,
        order_id: int,
        *,
        size: int | None = None,
        price: int | None = None,
        account: int | None = None,
    ) -> int:
        """Change a resting order; return its id, 0 if nothing rests, or a reject code."""
        self._clear()
        order = self.orders.get(order_id)
        owner = -1 if account is None else account
        if order is None:
            raise InputError("order_id", order_id, "must be the id of a resting order")
        wanted = order.size if size is None else size
        judge(self.price_max, OrderType.AMEND, order.side, price or 0, wanted, owner, 0, 0)
        return self.change(order_id, owner, price or 0, wanted)

    def apply(self, messages: Iterable[Any], *, on_bad: str = "raise") -> list[dict[str, int]]:
        """Apply a batch of messages; one result a message, the fills of all of them."""
        rows = [message_row(message) for message in messages]
        good = []
        for number, row in enumerate(rows):
            try:
                judge(self.price_max, **row)
                good.append(True)
            except InputError as error:
                if on_bad == "raise":
                    raise InputError(error.field, error.value, error.rule, row=number) from None
                good.append(False)
        self._clear()
        self.results = [
            self._apply_one(row) if fine else int(Reject.BAD_MESSAGE)
            for row, fine in zip(rows, good, strict=True)
        ]
        return self.fills

    def _apply_one(self, row: Mapping[str, int]) -> int:
        if row["type"] == OrderType.CANCEL:
            return self.remove(row["order_id"], row["account"])
        if row["type"] == OrderType.AMEND:
            return self.change(row["order_id"], row["account"], row["price"], row["size"])
        return self.place(
            row["type"], row["side"], row["price"], row["size"], row["account"], row["tif"],
            row["flags"],
        )  # fmt: skip

    # Operations. Arguments are validated; `fills` and `changes` are appended to.

    def place(
        self, type: int, side: int, price: int, size: int, account: int, tif: int, flags: int
    ) -> int:
        """Match, then rest what is left if the order may rest."""
        limit = None if type == OrderType.MARKET else price
        rests = type == OrderType.LIMIT and tif == TimeInForce.GTC
        refused = self._refusal(type, side, limit, size, tif, flags, rests)
        if refused:
            return refused
        self._before = {}
        fills_from = len(self.fills)
        left = self._match(side, limit, size, account, cancel_own=False)
        order_id = 0
        if rests and left:
            order_id = self._new_id()
            self._rest(Order(order_id, account, side, price, left, flags), fills_from)
        self._record()
        return order_id

    def take(self, side: int, limit: int | None, size: int, account: int) -> int:
        """Trade as a liquidation order: IOC, own resting orders met are cancelled."""
        self._before = {}
        left = self._match(side, limit, size, account, cancel_own=True)
        self._record()
        return size - left

    def remove(self, order_id: int, account: int = -1) -> int:
        """Cancel an order of `account` (-1 = anybody's); return its lots or a reject code."""
        order = self.orders.get(order_id)
        if order is None:
            return int(Reject.UNKNOWN_ORDER)
        if account not in (-1, order.account):
            return int(Reject.NOT_OWNER)
        self._before = {}
        lots = order.size
        self._unrest(order)
        self._free_id(order.id)
        self._record()
        return lots

    def remove_all(self, account: int) -> int:
        """Cancel an account's orders in id order, each one operation; return how many."""
        orders = self.orders_of(account)
        for order in orders:
            self.remove(order.id)
        return len(orders)

    def change(self, order_id: int, account: int, price: int, size: int) -> int:
        """Amend: less at the same price keeps priority; anything else is a new order by its id."""
        order = self.orders.get(order_id)
        if order is None:
            return int(Reject.UNKNOWN_ORDER)
        if account not in (-1, order.account):
            return int(Reject.NOT_OWNER)
        if size == 0:
            self.remove(order_id)
            return 0
        price = price or order.price
        self._before = {}
        if price == order.price and size <= order.size:
            self._touch(order.side, order.price)
            order.size = size
            self._record()
            return order_id
        side = order.side
        if order.flags & OrderFlag.POST_ONLY and self._meets(side, price):
            return int(Reject.POST_ONLY_WOULD_CROSS)
        others = self.size_at(side, price) - (order.size if price == order.price else 0)
        if others + max(0, size - self._reachable(side, price)) > LEVEL_MAX:
            return int(Reject.LEVEL_FULL)
        fills_from = len(self.fills)
        self._unrest(order)
        left = self._match(side, price, size, order.account, cancel_own=False)
        if left:
            self._rest(Order(order_id, order.account, side, price, left, order.flags), fills_from)
        else:
            self._free_id(order_id)
        self._record()
        return order_id if left else 0

    # Helpers.

    def _refusal(
        self, type: int, side: int, limit: int | None, size: int, tif: int, flags: int, rests: bool
    ) -> int:
        """Return why an order is refused before it touches the book, or 0."""
        if type == OrderType.MARKET and not self.levels[1 - side]:
            return int(Reject.NO_LIQUIDITY)
        meets = self._meets(side, limit)
        if flags & OrderFlag.POST_ONLY and meets:
            return int(Reject.POST_ONLY_WOULD_CROSS)
        reachable = self._reachable(side, limit)
        if tif == TimeInForce.FOK and reachable < size:
            return int(Reject.FOK_NOT_FILLABLE)
        if rests and len(self.orders) >= self.order_max:
            return int(Reject.POOL_FULL)  # Decided before matching, whatever matching would free.
        if rests and limit is not None:
            resting = max(0, size - reachable)
            if resting and self.size_at(side, limit) + resting > LEVEL_MAX:
                return int(Reject.LEVEL_FULL)
        return 0

    def _meets(self, side: int, limit: int | None) -> bool:
        best = self.best(1 - side)
        return best != 0 and crosses(side, limit, best)

    def _reachable(self, side: int, limit: int | None) -> int:
        return sum(
            self.size_at(1 - side, price)
            for price in self.prices(1 - side)
            if crosses(side, limit, price)
        )

    def _match(
        self, side: int, limit: int | None, size: int, account: int, *, cancel_own: bool
    ) -> int:
        """Trade with the other side, best price first, oldest order first; return what is left."""
        for price in self.prices(1 - side):
            if size == 0 or not crosses(side, limit, price):
                break
            for maker in list(self.levels[1 - side][price]):
                if size == 0:
                    break
                if cancel_own and maker.account == account:
                    self._unrest(maker)
                    self._free_id(maker.id)
                    continue
                lots = min(size, maker.size)
                size -= lots
                self._fill(maker, lots, side, account)
        return size

    def _fill(self, maker: Order, lots: int, taker_side: int, taker_account: int) -> None:
        self._touch(maker.side, maker.price)
        maker.size -= lots
        self.fills.append(
            {
                "price": maker.price,
                "size": lots,
                "taker_side": int(taker_side),
                "maker_account": maker.account,
                "taker_account": taker_account,
                "maker_order": maker.id,
                "taker_order": 0,
                "maker_rest": maker.size,
                "self_trade": int(maker.account == taker_account),
            }
        )
        if maker.size == 0:
            self._unrest(maker)
            self._free_id(maker.id)

    def _rest(self, order: Order, fills_from: int) -> None:
        self._touch(order.side, order.price)
        self.orders[order.id] = order
        self.levels[order.side].setdefault(order.price, []).append(order)
        for fill in self.fills[fills_from:]:
            fill["taker_order"] = order.id

    def _unrest(self, order: Order) -> None:
        self._touch(order.side, order.price)
        queue = self.levels[order.side][order.price]
        queue.remove(order)
        if not queue:
            del self.levels[order.side][order.price]
        del self.orders[order.id]

    def _new_id(self) -> int:
        if not self._free:
            self._free.append(len(self._generations))
            self._generations.append(1)
        slot = self._free.pop()
        return self._generations[slot] << 32 | slot

    def _free_id(self, order_id: int) -> None:
        slot = order_id & 0xFFFFFFFF
        self._generations[slot] += 1
        self._free.append(slot)

    def _touch(self, side: int, price: int) -> None:
        self._before.setdefault((side, price), self.size_at(side, price))

    def _record(self) -> None:
        """Write one change for each level that the operation left different, in touch order."""
        changes = [
            (int(side), price, self.size_at(side, price))
            for (side, price), before in self._before.items()
            if self.size_at(side, price) != before
        ]
        self.changes += changes
        self.changed += bool(changes)

    def _clear(self) -> None:
        self.fills, self.changes = [], []

    def _check(self) -> None:
        """Assert that the book is whole: not crossed, no empty order or level, ids unique."""
        bid, ask = self.best(Side.BID), self.best(Side.ASK)
        assert not (bid and ask) or bid < ask
        resting = [o for side in self.levels for queue in side.values() for o in queue]
        assert all(queue for side in self.levels for queue in side.values())
        assert all(order.size > 0 for order in resting)
        assert sorted(order.id for order in resting) == sorted(self.orders)
