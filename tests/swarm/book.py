"""The order book against the list book: capacities, prices and kinds of call drawn by the seed."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import numpy as np

from ordercascade.core.book import MESSAGE_DTYPE, OrderBook
from ordercascade.enums import OrderFlag, OrderType, Reject, TimeInForce
from ordercascade.errors import InputError
from reference.book import OrderBook as Twin
from swarm.common import Failed, weighed

FIELDS = list(Twin.FILL_FIELDS)
DUMP_EVERY = 64  # operations between two full comparisons

KINDS = (
    ("limit", 30), ("post_only", 6), ("ioc", 6), ("fok", 6), ("market", 6), ("cancel", 14),
    ("amend", 12), ("cancel_all", 1), ("apply", 3), ("wrong", 2),
)  # fmt: skip
WRONG_IDS = (0, 1, -1, 1 << 32, (1 << 32) + 77, 2**63 - 1, -(2**63))


class Pair:
    """One seed's books; `step()` does one operation to both and compares."""

    def __init__(self, seed: int) -> None:
        self.draw = draw = random.Random(seed)
        self.kinds = weighed(draw, KINDS, ("limit",))
        self.price_max = draw.choice([3, 40, 40, 300, 5_000, 2**20, 2**31 - 1])
        self.order_max = draw.choice([1, 4, 60, 2**20, 2**20])
        self.width = min(self.price_max, draw.choice([2, 8, 30]))
        self.middle = draw.randrange(1, self.price_max - self.width + 2)
        self.accounts = draw.choice([1, 3, 40])
        self.size_max = draw.choice([3, 20, 10**6, 2**40])
        self.fast = OrderBook(self.price_max, order_max=self.order_max)
        self.twin = Twin(self.price_max, order_max=self.order_max)
        self.ids: list[int] = []
        self.counts: Counter[str] = Counter()
        self.done = 0
        self.what = "start"

    def step(self) -> None:
        kind = self.kinds[int(self.draw.random() * len(self.kinds))]
        self.counts[kind] += 1
        getattr(self, kind)()
        assert len(self.fast) == len(self.twin)
        best = (self.fast.best_bid, self.fast.best_ask), (self.twin.best_bid, self.twin.best_ask)
        assert best[0] == best[1], f"best bid and ask (compiled, twin) = {best}"
        self.done += 1
        if self.done % DUMP_EVERY == 0:
            self.finish()

    def both(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Make a call on both; results, refusals and fills must agree."""
        self.what = f"{name}(*{args}, **{kwargs})"
        got = self._outcome(self.fast, name, args, kwargs)
        want = self._outcome(self.twin, name, args, kwargs)
        assert got == want, f"result (compiled, twin) = ({got!r}, {want!r})"
        if isinstance(want, str):
            self.counts["refused arguments"] += 1
            return 0
        self.compare_fills(self.fast.fills)
        if want <= -2:
            self.counts[f"reject {Reject(want).name}"] += 1
        return want

    @staticmethod
    def _outcome(book: Any, name: str, args: Any, kwargs: Any) -> Any:
        try:
            return getattr(book, name)(*args, **kwargs)
        except InputError as error:
            return f"{type(error).__name__}: {error.field}"

    def compare_fills(self, fills: Any) -> None:
        expected = self.twin.fills
        if len(fills) or expected:
            got = [dict(zip(FIELDS, row, strict=True)) for row in fills[FIELDS].tolist()]
            assert got == expected, f"fills (compiled, twin) =\n{got}\n{expected}"
            self.counts["fills"] += len(expected)
            self.counts["self trades"] += sum(fill["self_trade"] for fill in expected)

    # Draws.

    def _price(self) -> int:
        if self.draw.random() < 0.02:
            return self.draw.choice([1, 2, self.price_max - 1, self.price_max]) or 1
        return self.middle + int(self.draw.random() * self.width)

    def _size(self) -> int:
        return 1 + int(self.draw.random() * min(self.size_max, self.draw.choice([3, 2**40])))

    def _account(self) -> int:
        return int(self.draw.random() * self.accounts)

    def _owner(self) -> int | None:
        return self._account() if self.draw.random() < 0.2 else None

    def _id(self) -> int:
        """Mostly an order that rests; sometimes one that is gone."""
        if not self.ids:
            return int(self.draw.choice(WRONG_IDS))
        place = int(self.draw.random() * len(self.ids))
        found = self.ids[place]
        if found not in self.twin.orders and self.draw.random() < 0.9:
            self.ids[place] = self.ids[-1]
            self.ids.pop()
            if self.twin.orders:
                return next(iter(self.twin.orders))
        return found

    # Operations.

    def _submit(self, tif: TimeInForce = TimeInForce.GTC, flags: int = 0) -> None:
        side, price, size = int(self.draw.random() * 2), self._price(), self._size()
        self._keep(
            self.both("submit", side, price, size, account=self._account(), tif=tif, flags=flags)
        )

    def _keep(self, result: int) -> None:
        if result > 0:
            self.ids.append(result)

    def limit(self) -> None:
        self._submit()

    def post_only(self) -> None:
        self._submit(flags=OrderFlag.POST_ONLY)

    def ioc(self) -> None:
        self._submit(TimeInForce.IOC)

    def fok(self) -> None:
        self._submit(TimeInForce.FOK)

    def market(self) -> None:
        self.both("market", int(self.draw.random() * 2), self._size(), account=self._account())

    def cancel(self) -> None:
        self.both("cancel", self._id(), account=self._owner())

    def cancel_all(self) -> None:
        self.both("cancel_all", self._account())

    def amend(self) -> None:
        size = self._size() if self.draw.random() < 0.8 else self.draw.choice([None, 0])
        price = self._price() if self.draw.random() < 0.5 else None
        self.both("amend", self._id(), size=size, price=price, account=self._owner())

    def wrong(self) -> None:
        """Arguments outside their domain: both refuse and nothing changes."""
        size = self.draw.choice([0, -1, 2**40 + 1, 5])
        price = self.draw.choice([0, -1, self.price_max + 1])
        self.both("submit", int(self.draw.random() * 2), price, size, account=self._account())
        self.both("cancel", int(self.draw.choice(WRONG_IDS)))

    def apply(self) -> None:
        """A batch of messages, bad rows among them."""
        rows = [self._message() for _ in range(1 + int(self.draw.random() * 8))]
        on_bad = "reject" if self.draw.random() < 0.8 else "raise"
        self.what = f"apply({rows}, on_bad={on_bad!r})"
        messages = np.array(rows, dtype=MESSAGE_DTYPE)
        try:
            self.twin.apply(messages, on_bad=on_bad)
        except InputError:
            self.counts["refused batches"] += 1
            try:
                self.fast.apply(messages, on_bad=on_bad)
            except InputError:
                return
            raise AssertionError("a batch that the twin refuses") from None
        self.compare_fills(self.fast.apply(messages, on_bad=on_bad))
        results = self.fast.results.tolist()
        assert results == self.twin.results, f"(compiled, twin) = {results}, {self.twin.results}"
        for row, result in zip(rows, results, strict=True):
            if row[0] in (OrderType.LIMIT, OrderType.MARKET):
                self._keep(result)

    def _message(self) -> tuple[int, ...]:
        draw = self.draw
        kind = draw.choice([0, 0, 0, 1, 2, 3])
        odd = draw.random() < 0.05
        return (
            kind,
            int(draw.random() * 2),
            draw.choice([0, 0, 0, 1, 2]),
            draw.choice([0, 0, 0, 1, 2]) if odd else 0,
            -1 if odd else self._account(),
            self._id() if kind >= 2 else 0,
            draw.choice([0, self.price_max + 1]) if odd else self._price(),
            draw.choice([0, 2**40 + 1]) if draw.random() < 0.03 else self._size(),
        )

    def finish(self) -> None:
        """Everything: both walk themselves, then levels and every order must agree."""
        fast, twin = self.fast, self.twin
        fast._check()
        twin._check()
        levels = len(twin.orders) + 1
        got = [[tuple(row) for row in side.tolist()] for side in fast.depth(levels)]
        want = list(twin.depth(levels))
        assert got == want, f"levels (compiled, twin) =\n{got}\n{want}"
        for order in twin.orders.values():
            info = fast.order(order.id)
            expected = (order.side, order.price, order.size, order.account, order.flags)
            assert info == expected, f"order {order.id} (compiled, twin) = {info}, {expected}"
        self.counts["dumps"] += 1


def play(seed: int, ops: int) -> Counter[str]:
    """Run one seed; raise Failed at the first operation that differs."""
    number = 0
    pair: Any = None
    try:
        pair = Pair(seed)
        for number in range(ops):  # noqa: B007
            pair.step()
        pair.finish()
    except Exception as error:
        raise Failed("book", seed, number, pair.what if pair else "set-up", error) from error
    return pair.counts
