"""The compiled order book against the obvious twin, call by call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from ordercascade.enums import OrderFlag, OrderType, Reject, Side, TimeInForce
from ordercascade.errors import InputError
from reference.book import OrderBook as Twin

compiled = pytest.importorskip("ordercascade.core.book")

PRICE_MAX = 40
ACCOUNTS = st.integers(0, 3)
SIDES = st.sampled_from(Side)
# Mostly around the middle, where orders meet; sometimes at the ends of the ladder.
PRICES = st.one_of(st.integers(15, 25), st.sampled_from([1, 2, PRICE_MAX - 1, PRICE_MAX]))
SIZES = st.one_of(st.integers(1, 12), st.sampled_from([100, 2**40]))
# Ids of orders that never were, and the forms of id that a careless table could confuse.
WRONG_IDS = st.sampled_from([0, 1, -1, 1 << 32, (1 << 32) + 77, 2**63 - 1, -(2**63)])
FILL_FIELDS = tuple(Twin.FILL_FIELDS)


def outcome(call: Callable[[], Any]) -> Any:
    """Return what a call returns, or the name of the refusal it raises."""
    try:
        return call()
    except InputError:
        return "InputError"


class BookMachine(RuleBasedStateMachine):
    """Every rule is done to both books; results, fills, levels and orders must agree."""

    ids = Bundle("ids")
    order_max = 2**20

    @initialize()
    def start(self) -> None:
        self.fast = compiled.OrderBook(PRICE_MAX, order_max=self.order_max)
        self.twin = Twin(PRICE_MAX, order_max=self.order_max)
        self.seen: set[int] = set()

    def both(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Do the same to both and compare the outcome and the fills."""
        want = outcome(lambda: getattr(self.twin, name)(*args, **kwargs))
        got = outcome(lambda: getattr(self.fast, name)(*args, **kwargs))
        assert got == want
        if want != "InputError":
            self.compare_fills(self.fast.fills)
        return want

    def compare_fills(self, fills: Any) -> None:
        assert [{field: int(row[field]) for field in FILL_FIELDS} for row in fills] == [
            {field: fill[field] for field in FILL_FIELDS} for fill in self.twin.fills
        ]

    def remember(self, result: int) -> int:
        if result > 0:
            self.seen.add(result)
        return result

    @rule(
        target=ids,
        side=SIDES,
        price=PRICES,
        size=SIZES,
        account=ACCOUNTS,
        kind=st.sampled_from(
            [
                (TimeInForce.GTC, OrderFlag.NONE),
                (TimeInForce.GTC, OrderFlag.NONE),
                (TimeInForce.GTC, OrderFlag.POST_ONLY),
                (TimeInForce.IOC, OrderFlag.NONE),
                (TimeInForce.FOK, OrderFlag.NONE),
            ]
        ),
    )
    def submit(self, side: Side, price: int, size: int, account: int, kind: Any) -> int:
        tif, flags = kind
        return self.remember(
            self.both("submit", side, price, size, account=account, tif=tif, flags=flags)
        )

    @rule(side=SIDES, size=SIZES, account=ACCOUNTS)
    def market(self, side: Side, size: int, account: int) -> None:
        self.both("market", side, size, account=account)

    @rule(order_id=st.one_of(ids, WRONG_IDS), account=st.one_of(st.none(), ACCOUNTS))
    def cancel(self, order_id: int, account: int | None) -> None:
        self.both("cancel", order_id, account=account)

    @rule(account=ACCOUNTS)
    def cancel_all(self, account: int) -> None:
        self.both("cancel_all", account)

    @rule(
        order_id=st.one_of(ids, ids, ids, WRONG_IDS),
        size=st.one_of(st.none(), SIZES, st.just(0)),
        price=st.one_of(st.none(), PRICES),
        account=st.one_of(st.none(), ACCOUNTS),
    )
    def amend(
        self, order_id: int, size: int | None, price: int | None, account: int | None
    ) -> None:
        self.both("amend", order_id, size=size, price=price, account=account)

    @rule(data=st.data(), on_bad=st.sampled_from(["raise", "reject"]))
    def apply(self, data: st.DataObject, on_bad: str) -> None:
        """A batch: all of it or an exception, or bad rows as reject codes."""
        known = st.sampled_from(sorted(self.seen)) if self.seen else st.just(0)
        row = st.tuples(
            st.sampled_from([*OrderType, OrderType.LIMIT, OrderType.LIMIT]),
            SIDES,
            st.sampled_from([TimeInForce.GTC, TimeInForce.GTC, *TimeInForce]),
            st.sampled_from([0, 0, 0, OrderFlag.POST_ONLY, OrderFlag.REDUCE_ONLY]),
            st.sampled_from([0, 1, 2, 3, -1]),
            st.one_of(known, known, WRONG_IDS),
            st.one_of(PRICES, st.sampled_from([0, PRICE_MAX + 1])),
            st.one_of(SIZES, st.sampled_from([0, 2**40 + 1])),
        )
        messages = np.array(data.draw(st.lists(row, max_size=12)), dtype=compiled.MESSAGE_DTYPE)
        want = outcome(lambda: self.twin.apply(messages, on_bad=on_bad))
        got = outcome(lambda: self.fast.apply(messages, on_bad=on_bad))
        if isinstance(want, str):
            assert isinstance(got, str)
            return
        self.compare_fills(got)
        assert list(self.fast.results) == self.twin.results
        for result, kind in zip(self.twin.results, messages["type"], strict=True):
            if kind in (OrderType.LIMIT, OrderType.MARKET):
                self.remember(result)

    @invariant()
    def both_hold_the_same_orders(self) -> None:
        if not hasattr(self, "twin"):
            return
        self.twin._check()
        self.fast._check()
        assert len(self.fast) == len(self.twin)
        assert (self.fast.best_bid, self.fast.best_ask) == (self.twin.best_bid, self.twin.best_ask)
        bids, asks = self.fast.depth(PRICE_MAX)
        assert [tuple(map(int, row)) for row in bids] == self.twin.depth(PRICE_MAX)[0]
        assert [tuple(map(int, row)) for row in asks] == self.twin.depth(PRICE_MAX)[1]
        for order in self.twin.orders.values():
            info = self.fast.order(order.id)
            assert (info.side, info.price, info.size, info.account, info.flags) == (
                order.side,
                order.price,
                order.size,
                order.account,
                order.flags,
            )


class SmallPoolMachine(BookMachine):
    """The same with room for five orders, so that the pool is often full."""

    order_max = 5


TestBookAgainstTwin = BookMachine.TestCase
TestBookAgainstTwin.settings = settings(max_examples=60, stateful_step_count=40)
TestSmallPoolAgainstTwin = SmallPoolMachine.TestCase
TestSmallPoolAgainstTwin.settings = settings(max_examples=40, stateful_step_count=30)


def test_a_full_pool_refuses_any_order_that_may_rest() -> None:
    """Two slots: a third bid is refused, and so is an ask that would free a slot by trading."""
    for make in (compiled.OrderBook, Twin):
        book = make(PRICE_MAX, order_max=2)
        book.submit(Side.BID, 10, 1)
        book.submit(Side.BID, 11, 1)
        assert book.submit(Side.BID, 9, 1) == Reject.POOL_FULL
        assert book.submit(Side.ASK, 11, 3, account=1) == Reject.POOL_FULL
        assert book.market(Side.ASK, 1, account=1) == 0
        assert book.submit(Side.ASK, 11, 3, account=1) > 0
