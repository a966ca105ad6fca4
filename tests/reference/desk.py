"""The slow, obvious twin of a book with the rarer orders: every rule a plain loop over lists."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import Any

from ordercascade.enums import Command, OrderFlag, OrderType, Reject, Side, TimeInForce, TriggerBy
from ordercascade.errors import InputError
from reference.book import LEVEL_MAX, Order, OrderBook
from reference.messages import judge

STP = OrderFlag.CANCEL_BOTH | OrderFlag.DECREMENT
STOP_BIT = 1 << 30
PARTS_MAX = 1024


@dataclass
class DeskOrder(Order):
    """`size` is what shows; the rest of an iceberg hides."""

    hidden: int = 0
    display: int = 0
    expires_ns: int = 0

    @property
    def open(self) -> int:
        return self.size + self.hidden


@dataclass
class Stop:
    """What waits for a price."""

    id: int
    sequence: int
    kind: int
    side: int
    trigger: int
    price: int
    size: int
    account: int
    by: int
    tif: int
    flags: int
    display: int
    expires_ns: int

    @property
    def down(self) -> bool:
        return (self.kind == Command.STOP) == (self.side == Side.ASK)

    def met(self, low: int, high: int) -> bool:
        return low <= self.trigger if self.down else high >= self.trigger


class DeskBook(OrderBook):
    """The twin of OrderBook with everything that it can do, auctions apart."""

    def __init__(
        self, price_max: int = 2**20, *, order_max: int = 2**20, fire_max: int = 10_000
    ) -> None:
        super().__init__(price_max, order_max=order_max)
        self.fire_max = fire_max
        self.last = self.mark = self.time_ns = self.sequence = 0
        self.stops: dict[int, Stop] = {}
        self.fired: list[tuple[int, int]] = []
        self._stop_generations: list[int] = []
        self._stop_free: list[int] = []

    # The door.

    def submit(
        self, side: int, price: int, size: int, *, account: int = 0, type: int = OrderType.LIMIT,
        tif: int = TimeInForce.GTC, flags: int = 0, display: int | None = None,
        expires_ns: int | None = None,
    ) -> int:  # fmt: skip
        price = 0 if type == OrderType.MARKET else price
        if display is not None and display < 1:
            raise InputError("display", display, "must be positive")
        return self.one(
            type=type, side=side, tif=tif, flags=flags, account=account, price=price, size=size,
            display=display or 0, expires_ns=expires_ns or 0,
        )  # fmt: skip

    def market(
        self, side: int, size: int, *, account: int = 0, limit: int | None = None,
        tif: int = TimeInForce.IOC,
    ) -> int:  # fmt: skip
        kind = Command.MARKET
        return self.one(type=kind, side=side, size=size, account=account, price=limit or 0, tif=tif)

    def stop(
        self, side: int, size: int, trigger: int, *, price: int = 0, account: int = 0,
        by: int = TriggerBy.LAST, take_profit: bool = False, tif: int = TimeInForce.GTC,
        flags: int = 0, display: int | None = None, expires_ns: int | None = None,
    ) -> int:  # fmt: skip
        kind = Command.TAKE_PROFIT if take_profit else Command.STOP
        return self.one(
            type=kind, side=side, size=size, trigger=trigger, price=price, account=account, by=by,
            tif=tif, flags=flags, display=display or 0, expires_ns=expires_ns or 0,
        )  # fmt: skip

    def set_mark(self, price: int) -> None:
        self.one(type=Command.MARK, price=price)

    def advance(self, time_ns: int) -> int:
        if time_ns < self.time_ns:
            raise InputError("time_ns", time_ns, "must not go back")
        return self.one(type=Command.CLOCK, expires_ns=time_ns)

    def cancel(self, order_id: int, *, account: int | None = None) -> int:
        self._known(order_id)
        owner = -1 if account is None else account
        return self.one(type=Command.CANCEL, order_id=order_id, account=owner)

    def amend(
        self, order_id: int, *, size: int | None = None, price: int | None = None,
        account: int | None = None,
    ) -> int:  # fmt: skip
        lots = self._known(order_id)
        if price == 0:
            raise InputError("price", price, "must be positive")
        return self.one(
            type=Command.AMEND, order_id=order_id, account=-1 if account is None else account,
            price=price or 0, size=lots if size is None else size,
        )  # fmt: skip

    def cancel_all(self, account: int, *, side: int | None = None) -> int:
        return self.one(type=Command.CANCEL_ALL, account=account, side=2 if side is None else side)

    def _known(self, order_id: int) -> int:
        if order_id in self.stops:
            return self.stops[order_id].size
        if order_id not in self.orders:
            raise InputError("order_id", order_id, "must be the id of a resting order")
        order = self.orders[order_id]
        assert isinstance(order, DeskOrder)
        return order.open

    def one(self, **given: int) -> int:
        row = self._row(given)
        self.judge(row)
        self._clear()
        return self.do(row)

    def apply(self, messages: Any, *, on_bad: str = "raise") -> list[dict[str, int]]:
        rows = [self._row({name: int(m[name]) for name in m.dtype.names}) for m in messages]
        if rows and "display" not in messages.dtype.names:
            for row in rows:
                row["price"] *= row["type"] != Command.MARKET
        good = []
        for row in rows:
            try:
                self.judge(row)
                good.append(True)
            except InputError:
                if on_bad == "raise":
                    raise
                good.append(False)
        self._clear()
        self.results = [
            self.do(row) if fine else int(Reject.BAD_MESSAGE)
            for row, fine in zip(rows, good, strict=True)
        ]
        return self.fills

    @staticmethod
    def _row(given: dict[str, int]) -> dict[str, int]:
        names = (
            "type side tif flags account order_id price size display trigger expires_ns by"
        ).split()
        return {name: int(given.get(name, 0)) for name in names}

    def _clear(self) -> None:
        super()._clear()
        self.fired = []

    def judge(self, row: dict[str, int]) -> None:
        """Refuse what lies outside its domain."""
        kind, price = row["type"], row["price"]
        if kind not in tuple(Command):
            raise InputError("type", kind, "must be a Command")
        head = {name: row[name] for name in ("side", "tif", "flags", "account", "price", "size")}
        if kind in (Command.CANCEL, Command.AMEND):
            return judge(self.price_max, kind, **{**head, "flags": 0})
        if kind == Command.CANCEL_ALL:
            if row["side"] not in (0, 1, 2) or row["account"] < 0:
                raise InputError("side", row["side"], "must be a side or 2")
            return None
        if kind == Command.MARK:
            if not 1 <= price <= self.price_max:
                raise InputError("price", price, "must be a price")
            return None
        if kind == Command.CLOCK:
            if row["expires_ns"] < 0:
                raise InputError("expires_ns", row["expires_ns"], "must not be negative")
            return None
        stop = kind in (Command.STOP, Command.TAKE_PROFIT)
        limit = kind == Command.LIMIT or (stop and price != 0)
        self._judge_flags(row["flags"], row["tif"], limit)
        judge(self.price_max, 0 if limit else 1, **{**head, "flags": 0})
        if not 0 <= price <= self.price_max:
            raise InputError("price", price, "must be a price")
        if stop and not 1 <= row["trigger"] <= self.price_max:
            raise InputError("trigger", row["trigger"], "must be a price")
        if stop and row["by"] not in (0, 1):
            raise InputError("by", row["by"], "must be a TriggerBy")
        if row["expires_ns"] < 0 or (row["expires_ns"] and (row["tif"] or not (limit or stop))):
            raise InputError("expires_ns", row["expires_ns"], "only of what rests")
        display = row["display"]
        if display and (not limit or row["tif"] or not 0 < display <= row["size"]):
            raise InputError("display", display, "only of what rests")
        if display and row["size"] > PARTS_MAX * display:
            raise InputError("display", display, "too small")
        return None

    @staticmethod
    def _judge_flags(flags: int, tif: int, limit: bool) -> None:
        known = OrderFlag.POST_ONLY | OrderFlag.SLIDE | STP
        post = flags & OrderFlag.POST_ONLY
        if flags & ~int(known) or (post and (tif or not limit)):
            raise InputError("flags", flags, "unknown or not to be joined")
        if (flags & OrderFlag.SLIDE and not post) or (
            flags & OrderFlag.DECREMENT and flags & OrderFlag.CANCEL_BOTH
        ):
            raise InputError("flags", flags, "not to be joined")

    # Commands.

    def do(self, row: dict[str, int]) -> int:
        """Do one command and all that it sets off."""
        kind, first = row["type"], len(self.fills)
        if kind in (Command.STOP, Command.TAKE_PROFIT):
            return self.wait(row)
        due: list[Stop] = []
        result = 0
        if kind <= Command.MARKET:
            result = self.order(row)
        elif kind == Command.CANCEL:
            result = self.drop(row["order_id"], row["account"])
        elif kind == Command.AMEND:
            result = self.alter(row["order_id"], row["account"], row["price"], row["size"])
        elif kind == Command.CANCEL_ALL:
            result = self.drop_all(row["account"], row["side"])
        elif kind == Command.MARK:
            self.mark = row["price"]
            due = self.due(TriggerBy.MARK, self.mark, self.mark)
        else:
            result = self.clock(row["expires_ns"])
        self.react(first, due)
        return result

    def order(self, row: dict[str, int]) -> int:
        side, flags, size, account = row["side"], row["flags"], row["size"], row["account"]
        rests = row["type"] == Command.LIMIT and row["tif"] == TimeInForce.GTC
        limit = row["price"] or None
        if row["expires_ns"] and row["expires_ns"] <= self.time_ns:
            return int(Reject.EXPIRED)
        if row["type"] == Command.MARKET and not self.levels[1 - side]:
            return int(Reject.NO_LIQUIDITY)
        if flags & OrderFlag.POST_ONLY and self._meets(side, limit):
            limit = self._slid(side, flags)
            if limit is None:
                return int(Reject.POST_ONLY_WOULD_CROSS)
        if (
            row["tif"] == TimeInForce.FOK
            and self._would_fill(side, limit, size, account, flags) < size
        ):
            return int(Reject.FOK_NOT_FILLABLE)
        if self._gives_way_at_once(side, limit, account, flags):
            return int(Reject.SELF_TRADE)
        if rests and len(self.orders) >= self.order_max:
            return int(Reject.POOL_FULL)
        if rests and limit and self._no_room(side, limit, size, 0):
            return int(Reject.LEVEL_FULL)
        first = len(self.fills)
        left, stopped, touched = self._trade(side, limit, size, account, flags)
        if not rests or not left or stopped:
            self.changed += touched
            return 0
        assert limit is not None
        self.changed += 1
        order = DeskOrder(
            self._new_id(), account, side, limit, left, flags, 0, row["display"], row["expires_ns"]
        )
        return self._settle(order, left, first)

    def _settle(self, order: DeskOrder, left: int, first: int) -> int:
        """Let `left` lots rest."""
        order.size = min(order.display, left) if order.display else left
        order.hidden = left - order.size
        self._before = {}
        self._rest(order, first)
        return order.id

    def _slid(self, side: int, flags: int) -> int | None:
        """Return the price of a post-only order that would meet somebody, None if refused."""
        price = self.best(1 - side) - (1 if side == Side.BID else -1)
        slides = flags & OrderFlag.SLIDE and 1 <= price <= self.price_max
        return price if slides else None

    def _no_room(self, side: int, price: int, size: int, given_up: int) -> bool:
        hidden = sum(order.hidden for order in self.orders.values())  # type: ignore[attr-defined]
        return self.size_at(side, price) + hidden + size - given_up > LEVEL_MAX

    def _gives_way_at_once(self, side: int, limit: int | None, account: int, flags: int) -> bool:
        if flags & STP != OrderFlag.CANCEL_NEWEST or not self._meets(side, limit):
            return False
        return self.levels[1 - side][self.best(1 - side)][0].account == account

    def _would_fill(self, side: int, limit: int | None, size: int, account: int, flags: int) -> int:
        """Return how many lots an order would trade: by letting it trade, on a copy."""
        trial = self._trial()
        trial._trade(side, limit, size, account, flags)
        return sum(fill["size"] for fill in trial.fills)

    def _trial(self) -> DeskBook:
        """Return an independent copy of the orders, to try something on."""
        trial = copy(self)
        trial.orders = {name: copy(order) for name, order in self.orders.items()}
        trial.levels = tuple(
            {price: [trial.orders[o.id] for o in queue] for price, queue in levels.items()}
            for levels in self.levels
        )
        trial.fills, trial._before = [], {}
        trial._generations, trial._free = [*self._generations], [*self._free]
        return trial

    def _trade(
        self, side: int, limit: int | None, size: int, account: int, flags: int
    ) -> tuple[int, bool, bool]:
        """Trade order by order; return lots left, if they are cancelled, if it touched."""
        touched = False
        mode = flags & STP
        while size and self._meets(side, limit):
            touched = True
            maker = self.levels[1 - side][self.best(1 - side)][0]
            assert isinstance(maker, DeskOrder)
            lots = min(size, maker.size)
            if mode and maker.account == account:
                if mode == OrderFlag.DECREMENT:
                    size -= lots
                    self._eat(maker, lots)
                    continue
                if mode & OrderFlag.CANCEL_OLDEST:
                    self._gone(maker)
                if mode & OrderFlag.CANCEL_NEWEST:
                    return size, True, True
                continue
            size -= lots
            self.fills.append(
                {
                    "price": maker.price, "size": lots, "taker_side": int(side),
                    "maker_account": maker.account, "taker_account": account,
                    "maker_order": maker.id, "taker_order": 0,
                    "maker_rest": maker.open - lots,
                    "self_trade": int(maker.account == account),
                }
            )  # fmt: skip
            self._eat(maker, lots)
        return size, False, touched

    def _eat(self, maker: DeskOrder, lots: int) -> None:
        maker.size -= lots
        if maker.size:
            return
        if not maker.hidden:
            self._gone(maker)
            return
        queue = self.levels[maker.side][maker.price]
        queue.remove(maker)
        maker.size = min(maker.display, maker.hidden)
        maker.hidden -= maker.size
        queue.append(maker)

    def _gone(self, order: Order) -> None:
        self._unrest(order)
        self._free_id(order.id)

    def drop(self, order_id: int, account: int) -> int:
        if order_id in self.stops:
            stop = self.stops[order_id]
            if account not in (-1, stop.account):
                return int(Reject.NOT_OWNER)
            self._stop_gone(stop)
            return stop.size
        order = self.orders.get(order_id)
        if order is None:
            return int(Reject.UNKNOWN_ORDER)
        if account not in (-1, order.account):
            return int(Reject.NOT_OWNER)
        assert isinstance(order, DeskOrder)
        self._gone(order)
        self.changed += 1
        return order.open

    def drop_all(self, account: int, side: int) -> int:
        orders = [o for o in self.orders_of(account) if side in (2, o.side)]
        stops = [s for s in self.stops.values() if s.account == account and side in (2, s.side)]
        for order in orders:
            self.drop(order.id, -1)
        for stop in sorted(stops, key=lambda stop: stop.id):
            self._stop_gone(stop)
        return len(orders) + len(stops)

    def alter(self, order_id: int, account: int, price: int, size: int) -> int:
        if order_id in self.stops:
            return self._alter_stop(self.stops[order_id], account, price, size)
        order = self.orders.get(order_id)
        if order is None:
            return int(Reject.UNKNOWN_ORDER)
        if account not in (-1, order.account):
            return int(Reject.NOT_OWNER)
        assert isinstance(order, DeskOrder)
        if size == 0:
            self.drop(order_id, -1)
            return 0
        price = price or order.price
        if price == order.price and size <= order.open:
            self.changed += size < order.open
            cut = order.open - size
            hidden = min(cut, order.hidden)
            order.hidden -= hidden
            order.size -= cut - hidden
            return order_id
        if order.flags & OrderFlag.POST_ONLY and self._meets(order.side, price):
            slid = self._slid(order.side, order.flags)
            if slid is None:
                return int(Reject.POST_ONLY_WOULD_CROSS)
            price = slid
        if self._gives_way_at_once(order.side, price, order.account, order.flags):
            return int(Reject.SELF_TRADE)
        given_up = order.hidden + (order.size if price == order.price else 0)
        if self._no_room(order.side, price, size, given_up):
            return int(Reject.LEVEL_FULL)
        return self._send_again(order, price, size)

    def _send_again(self, order: DeskOrder, price: int, size: int) -> int:
        self._unrest(order)
        first = len(self.fills)
        left, stopped, _ = self._trade(order.side, price, size, order.account, order.flags)
        self.changed += 1
        if not left or stopped:
            self._free_id(order.id)
            return 0
        if order.display:
            order.display = max(order.display, -(-size // PARTS_MAX))
        order.price = price
        return self._settle(order, left, first)

    def clock(self, time_ns: int) -> int:
        self.time_ns = max(self.time_ns, time_ns)
        old: list[Any] = [
            thing
            for thing in [*self.orders.values(), *self.stops.values()]
            if thing.expires_ns and thing.expires_ns <= self.time_ns  # type: ignore[union-attr]
        ]
        for thing in sorted(old, key=lambda thing: (thing.expires_ns, thing.id)):
            self.drop(thing.id, -1)
        return len(old)

    # Stops.

    def wait(self, row: dict[str, int]) -> int:
        if row["expires_ns"] and row["expires_ns"] <= self.time_ns:
            return int(Reject.EXPIRED)
        if len(self.stops) >= self.order_max:
            return int(Reject.POOL_FULL)
        names = "side trigger price size account by tif flags display expires_ns".split()
        stop = Stop(
            id=self._new_stop_id(), sequence=self.sequence, kind=row["type"],
            **{name: row[name] for name in names},
        )  # fmt: skip
        self.sequence += 1
        self.stops[stop.id] = stop
        price = self.mark if stop.by == TriggerBy.MARK else self.last
        if not price or not stop.met(price, price):
            return stop.id
        place = len(self.fired)
        self.react(len(self.fills), [stop])
        return self.fired[place][1]

    def due(self, by: int, low: int, high: int) -> list[Stop]:
        """Return what the prices from `low` to `high` have reached, in the order of its turn."""
        found = [s for s in self.stops.values() if s.by == by and s.met(low, high)]
        return sorted(
            found, key=lambda s: (s.down, -s.trigger if s.down else s.trigger, s.sequence)
        )

    def react(self, first: int, queue: list[Stop]) -> None:
        """Take note of the fills from `first` on and fire one by one."""
        fired = 0
        queue = list(queue)
        while True:
            prices = [fill["price"] for fill in self.fills[first:]]
            if prices:
                self.last = prices[-1]
                queue += [
                    stop
                    for stop in self.due(TriggerBy.LAST, min(prices), max(prices))
                    if stop not in queue
                ]
            if not queue:
                return
            first = len(self.fills)
            stop = queue.pop(0)
            result = int(Reject.CASCADE_LIMIT)
            if fired < self.fire_max:
                result = self._fire(stop)
            fired += 1
            self._stop_gone(stop)
            self.fired.append((stop.id, result))

    def _fire(self, stop: Stop) -> int:
        names = "side tif flags account price size display".split()
        row = self._row({name: getattr(stop, name) for name in names})
        row["type"] = int(Command.LIMIT if stop.price else Command.MARKET)
        row["expires_ns"] = stop.expires_ns if stop.price else 0
        return self.order(row)

    def _alter_stop(self, stop: Stop, account: int, price: int, size: int) -> int:
        if account not in (-1, stop.account):
            return int(Reject.NOT_OWNER)
        if size == 0:
            self._stop_gone(stop)
            return 0
        if stop.price and price:
            stop.price = price
        stop.size = size
        if stop.display:
            stop.display = min(size, max(stop.display, -(-size // PARTS_MAX)))
        return stop.id

    def _new_stop_id(self) -> int:
        if not self._stop_free:
            self._stop_free.append(len(self._stop_generations))
            self._stop_generations.append(1)
        slot = self._stop_free.pop()
        return self._stop_generations[slot] << 32 | STOP_BIT | slot

    def _stop_gone(self, stop: Stop) -> None:
        slot = (stop.id & 0xFFFFFFFF) ^ STOP_BIT
        del self.stops[stop.id]
        self._stop_generations[slot] += 1
        self._stop_free.append(slot)
