"""Every kind of order and every way not to trade with oneself, together, against the twin."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from ordercascade.core.book import WIDE_DTYPE, OrderBook
from ordercascade.enums import Command, OrderFlag, OrderType, Side, TimeInForce, TriggerBy
from ordercascade.errors import InputError
from reference.auction import AuctionBook as Twin
from reference.desk import DeskOrder

PRICE_MAX = 40
EXAMPLES = int(os.environ.get("ORDERCASCADE_PROOF_EXAMPLES", 80))
FIELDS = list(Twin.FILL_FIELDS)
ACCOUNTS = st.integers(0, 2)
SIDES = st.sampled_from(Side)
PRICES = st.one_of(st.integers(16, 24), st.sampled_from([1, 2, PRICE_MAX - 1, PRICE_MAX]))
SIZES = st.one_of(st.integers(1, 12), st.sampled_from([100, 2**40]))
DISPLAYS = st.one_of(st.none(), st.none(), st.integers(0, 5))
TIMES = st.one_of(st.none(), st.none(), st.integers(0, 60))
MODES = st.sampled_from(
    [0, 0, OrderFlag.CANCEL_NEWEST, OrderFlag.CANCEL_OLDEST, OrderFlag.CANCEL_BOTH,
     OrderFlag.DECREMENT]
)  # fmt: skip
KINDS = st.sampled_from(
    [(TimeInForce.GTC, 0), (TimeInForce.GTC, 0), (TimeInForce.GTC, OrderFlag.POST_ONLY),
     (TimeInForce.GTC, OrderFlag.POST_ONLY | OrderFlag.SLIDE), (TimeInForce.IOC, 0),
     (TimeInForce.FOK, 0)]
)  # fmt: skip
WRONG_IDS = st.sampled_from([0, -1, 1 << 30, (1 << 32) + (1 << 30), (1 << 32) + 77, 2**63 - 1])


def outcome(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except InputError:
        return "InputError"


class DeskMachine(RuleBasedStateMachine):
    """Every rule is done to both books; results, fills, what fired and what is left must agree."""

    ids = Bundle("ids")
    order_max = 2**20
    fire_max = 10_000

    @initialize()
    def start(self) -> None:
        limits = {"order_max": self.order_max, "fire_max": self.fire_max}
        self.fast, self.twin = OrderBook(PRICE_MAX, **limits), Twin(PRICE_MAX, **limits)

    def both(self, name: str, *args: Any, **kwargs: Any) -> Any:
        want = outcome(lambda: getattr(self.twin, name)(*args, **kwargs))
        got = outcome(lambda: getattr(self.fast, name)(*args, **kwargs))
        assert got == want
        if want != "InputError":
            self.compare()
        return want if isinstance(want, int) else 0

    def compare(self) -> None:
        fills = [dict(zip(FIELDS, row, strict=True)) for row in self.fast.fills[FIELDS].tolist()]
        assert fills == self.twin.fills
        assert self.fast.fired.tolist() == self.twin.fired

    @rule(target=ids, side=SIDES, price=PRICES, size=SIZES, account=ACCOUNTS, kind=KINDS,
          mode=MODES, display=DISPLAYS, expires_ns=TIMES)  # fmt: skip
    def submit(self, side: Side, price: int, size: int, account: int, kind: Any, mode: int,
               display: int | None, expires_ns: int | None) -> int:  # fmt: skip
        tif, flags = kind
        if expires_ns == 0:
            expires_ns = None
        return int(
            self.both("submit", side, price, size, account=account, tif=tif, flags=flags | mode,
                      display=display, expires_ns=expires_ns)
        )  # fmt: skip

    @rule(side=SIDES, size=SIZES, account=ACCOUNTS, limit=st.one_of(st.none(), PRICES),
          tif=st.sampled_from(TimeInForce))  # fmt: skip
    def market(self, side: Side, size: int, account: int, limit: int | None,
               tif: TimeInForce) -> None:  # fmt: skip
        self.both("market", side, size, account=account, limit=limit, tif=tif)

    @rule(side=SIDES, price=PRICES, size=SIZES, account=ACCOUNTS, tif=st.sampled_from(TimeInForce),
          mode=MODES)  # fmt: skip
    def submit_market(self, side: Side, price: int, size: int, account: int, tif: TimeInForce,
                      mode: int) -> None:  # fmt: skip
        """A market order's price is not looked at."""
        self.both("submit", side, price, size, account=account, type=OrderType.MARKET, tif=tif,
                  flags=mode)  # fmt: skip

    @rule(target=ids, side=SIDES, size=SIZES, trigger=PRICES, price=st.one_of(st.just(0), PRICES),
          account=ACCOUNTS, by=st.sampled_from(TriggerBy), take_profit=st.booleans(), kind=KINDS,
          mode=MODES, display=DISPLAYS, expires_ns=TIMES)  # fmt: skip
    def stop(self, side: Side, size: int, trigger: int, price: int, account: int, by: TriggerBy,
             take_profit: bool, kind: Any, mode: int, display: int | None,
             expires_ns: int | None) -> int:  # fmt: skip
        tif, flags = kind
        if price == 0:
            flags = 0
        display = None if price == 0 or tif or display == 0 else display
        expires_ns = None if tif or expires_ns == 0 else expires_ns
        return int(
            self.both("stop", side, size, trigger, price=price, account=account, by=by,
                      take_profit=take_profit, tif=tif, flags=flags | mode, display=display,
                      expires_ns=expires_ns)
        )  # fmt: skip

    @rule(price=PRICES)
    def set_mark(self, price: int) -> None:
        self.both("set_mark", price)

    @rule(step=st.integers(-1, 12))
    def advance(self, step: int) -> None:
        self.both("advance", max(0, self.twin.time_ns + step))

    @rule(order_id=st.one_of(ids, ids, WRONG_IDS), account=st.one_of(st.none(), ACCOUNTS))
    def cancel(self, order_id: int, account: int | None) -> None:
        self.both("cancel", order_id, account=account)

    @rule(account=ACCOUNTS, side=st.one_of(st.none(), SIDES))
    def cancel_all(self, account: int, side: Side | None) -> None:
        self.both("cancel_all", account, side=side)

    @rule(
        order_id=st.one_of(ids, ids, ids, WRONG_IDS),
        size=st.one_of(st.none(), SIZES, st.just(0)),
        price=st.one_of(st.none(), PRICES),
        account=st.one_of(st.none(), ACCOUNTS),
    )
    def amend(self, order_id: int, size: int | None, price: int | None,
              account: int | None) -> None:  # fmt: skip
        self.both("amend", order_id, size=size, price=price, account=account)

    @rule(data=st.data(), on_bad=st.sampled_from(["raise", "reject"]), wide=st.booleans())
    def apply(self, data: st.DataObject, on_bad: str, wide: bool) -> None:
        """A batch of all of it: all rows or an exception, or bad rows as reject codes."""
        known = [*self.twin.orders, *self.twin.stops]
        names = st.one_of(st.sampled_from(known), WRONG_IDS) if known else WRONG_IDS
        types = st.sampled_from([*Command, 0, 0, 0, 1, 4, 5] if wide else [0, 0, 0, 1, 2, 3])
        row = st.tuples(
            types, st.sampled_from([0, 1, 0, 1, 2]), st.sampled_from([0, 0, 0, 0, 1, 2]),
            st.sampled_from([0, 0, 0, 1, 5, 8, 16, 24, 32, 33, 2, 4, 64]),
            st.sampled_from([0, 1, 2, -1]), names,
            st.one_of(PRICES, PRICES, st.sampled_from([0, PRICE_MAX + 1])),
            st.one_of(SIZES, SIZES, st.sampled_from([0, 2**40 + 1])),
            *((
                st.sampled_from([0, 0, 0, 1, 2, 5]), PRICES,
                st.sampled_from([0, 0, 0, 10, 30]), st.sampled_from([0, 1, 1, 2]),
            ) if wide else ()),
        )  # fmt: skip
        dtype = WIDE_DTYPE if wide else np.dtype(WIDE_DTYPE.descr[:8])
        messages = np.array(data.draw(st.lists(row, max_size=12)), dtype=dtype)
        want = outcome(lambda: self.twin.apply(messages, on_bad=on_bad))
        got = outcome(lambda: self.fast.apply(messages, on_bad=on_bad))
        assert isinstance(got, str) == isinstance(want, str)
        if not isinstance(want, str):
            assert self.fast.results.tolist() == self.twin.results
            self.compare()

    @rule()
    def collect(self) -> None:
        self.both("collect")

    @rule()
    def uncross(self) -> None:
        assert self.fast.indicative() == self.twin.indicative()
        self.both("uncross")

    @rule()
    def copy(self) -> None:
        """The copy has the same state, and goes on as the book would have."""
        other = self.fast.copy()
        assert other.state_hash() == self.fast.state_hash()
        self.fast = other

    @rule()
    def restore(self) -> None:
        """So has the book that a snapshot brings back, and its snapshot is the same bytes."""
        saved = self.fast.snapshot()
        self.fast = OrderBook.restore(saved)
        assert self.fast.snapshot() == saved

    @invariant()
    def both_hold_the_same(self) -> None:
        if not hasattr(self, "twin"):
            return
        fast, twin = self.fast, self.twin
        twin._check()
        fast._check()
        assert (len(fast), fast.waiting) == (len(twin.orders), len(twin.stops))
        assert fast.collected == twin.collected
        if twin.collecting:
            assert fast.indicative() == twin.indicative()
        assert (fast.last or 0, fast.mark or 0, fast.time_ns) == (
            twin.last, twin.mark, twin.time_ns,
        )  # fmt: skip
        bids, asks = fast.depth(PRICE_MAX)
        assert ([*map(tuple, bids.tolist())], [*map(tuple, asks.tolist())]) == twin.depth(PRICE_MAX)
        for order in twin.orders.values():
            assert isinstance(order, DeskOrder)
            expected = (order.side, order.price, order.open, order.account, order.flags)
            assert fast.order(order.id) == expected
            assert fast.details(order.id) == (
                Command.LIMIT, order.side, order.price, order.open, order.size, order.account,
                order.flags, order.display, order.expires_ns, TimeInForce.GTC, 0, TriggerBy.LAST,
            )  # fmt: skip
        for stop in twin.stops.values():
            assert fast.details(stop.id) == (
                stop.kind, stop.side, stop.price, stop.size, 0, stop.account, stop.flags,
                stop.display, stop.expires_ns, stop.tif, stop.trigger, stop.by,
            )  # fmt: skip

    @invariant()
    def every_queue_is_in_the_same_order(self) -> None:
        """Level by level, order by order; and each order knows its place."""
        if not hasattr(self, "twin"):
            return
        for side, levels in enumerate(self.twin.levels):
            for price in range(1, PRICE_MAX + 1):
                queue = levels.get(price, [])
                rows = [(order.id, order.size, order.account) for order in queue]
                assert self.fast.queue(side, price).tolist() == rows
                for place, order in enumerate(queue):
                    ahead = sum(other.size for other in queue[:place])
                    assert self.fast.position(order.id) == (place, ahead)
        for order in self.twin.pen:
            assert self.fast.position(order.id) is None

    @invariant()
    def what_is_seen_is_what_the_orders_say(self) -> None:
        """Groups add levels up; cost and impact are what a market order does on a copy."""
        if not hasattr(self, "twin"):
            return
        group, most = 2 + self.twin.changed % 6, 1 + self.twin.changed % 5
        for side, shown in zip(Side, self.fast.depth(most, group=group), strict=True):
            found: dict[int, int] = {}
            for price in self.twin.prices(side):
                start = price // group * group if side == Side.BID else -(-price // group) * group
                found[start] = found.get(start, 0) + self.twin.size_at(side, price)
            assert [*map(tuple, shown.tolist())] == [*found.items()][:most]
            self.costs_what_it_says(side)

    def costs_what_it_says(self, side: Side) -> None:
        sizes = [1, 7, 2**41]
        for size, row in zip(sizes, self.fast.impact(side, sizes).tolist(), strict=True):
            trial = self.twin._trial()
            trial._trade(side, None, size, account=-1, flags=0)
            prices = [fill["price"] for fill in trial.fills]
            filled = sum(fill["size"] for fill in trial.fills)
            notional = sum(fill["size"] * fill["price"] for fill in trial.fills)
            levels, worst = len(set(prices)), prices[-1] if prices else None
            best = prices[0] if prices else None
            assert self.fast.cost(side, size) == (size, filled, notional, levels, best, worst)
            assert row == (size, filled, min(notional, 2**63 - 1), levels, worst or 0)


class SmallDeskMachine(DeskMachine):
    """The same with room for five orders and five stops, two of which may fire a command."""

    order_max = 5
    fire_max = 2


TestDeskAgainstTwin = DeskMachine.TestCase
TestDeskAgainstTwin.settings = settings(max_examples=EXAMPLES, stateful_step_count=40)
TestSmallDeskAgainstTwin = SmallDeskMachine.TestCase
TestSmallDeskAgainstTwin.settings = settings(max_examples=EXAMPLES, stateful_step_count=40)
