"""Bytes to calls of OrderBook from Python: whatever is passed in, nothing breaks.

python tests/fuzz/door.py [libFuzzer's arguments]      needs atheris; `.ci/fuzz door` runs it

An input is one byte that chooses a book and then commands, each of which takes what bytes it needs.
Arguments are good numbers, numbers beyond every bound, objects of other types, and objects whose
`__index__` raises or calls the book that is being called. The laws: only errors of the package (or
the object's own) come out, and then nothing has changed; what a call does, a batch of one row does
to a second book, with the same result, fills, chain and state; a book that hostile bytes bring back
is whole and can be used. `one()` needs no atheris: test_replay_door.py plays what was found.
"""

from __future__ import annotations

import operator
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from decimal import Decimal
from fractions import Fraction
from itertools import repeat
from typing import Any

import numpy as np

from ordercascade.core.book import MESSAGE_DTYPE, WIDE_DTYPE, OrderBook
from ordercascade.enums import Command, OrderType, Side
from ordercascade.errors import BusyError, InputError, InputTypeError, RangeError, SnapshotError
from unit.book_bytes import signed as signed_bytes

REFUSALS = (InputError, InputTypeError, RangeError)
STRANGE: tuple[Any, ...] = (
    -1, 0, 2**31 - 1, 2**31, 2**40, 2**40 + 1, 2**62, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1,
    2**200, True, 1.0, float("nan"), "1", b"1", None, (), Decimal(3), Fraction(3), 1j, Side,
    np.int64(3), np.uint64(2**63), np.float64(3), np.bool_(True), np.array(3),
)  # fmt: skip


class Refused(Exception):
    """What an object raises that does not want to be a number."""


class Unwilling:
    def __index__(self) -> int:
        raise Refused


class Reaching:
    """An object that calls the book whose argument it is."""

    def __init__(self, book: OrderBook, number: int) -> None:
        self.book, self.number = book, number

    def __index__(self) -> int:
        for call in (lambda: self.book.submit(0, 1, 1), lambda: self.book.cancel_all(0)):
            try:
                call()
            except BusyError:
                continue
            raise AssertionError("a call from inside a call was let in")
        return self.number


class Source:
    """The bytes of an input, one after another; 0 when they are used up."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1] if self.at <= len(self.data) else 0

    def some(self, count: int) -> bytes:
        self.at += count
        return self.data[self.at - count : self.at]

    def __bool__(self) -> bool:
        return self.at < len(self.data)


class Door:
    """A book, and a second one that gets every accepted call as a batch of one row."""

    def __init__(self, source: Source) -> None:
        self.source = source
        how = source.byte()
        self.price_max = (8, 40, 5_000, 10**5)[how & 3]
        limits = {"order_max": 1 + (how >> 2 & 7), "account_max": 2, "fire_max": 1 + (how >> 5)}
        self.book = OrderBook(self.price_max, chain=True, **limits)
        self.other = OrderBook(self.price_max, chain=True, **limits)
        self.ids = [0]

    # Arguments.

    def value(self, good: Callable[[int], Any]) -> Any:
        byte = self.source.byte()
        if byte < 216:
            return good(byte)
        if byte < 216 + len(STRANGE):
            return STRANGE[byte - 216]
        if byte < 250:
            return Unwilling()
        return Reaching(self.book, good(byte))

    def price(self) -> Any:
        return self.value(lambda byte: 1 + byte % min(self.price_max, 12))

    def size(self) -> Any:
        return self.value(lambda byte: 1 + byte % 20)

    def small(self, count: int) -> Any:
        return self.value(lambda byte: byte % count)

    def name(self) -> Any:
        return self.value(lambda byte: self.ids[byte % len(self.ids)])

    def maybe(self, argument: Callable[[], Any]) -> Any:
        return argument() if self.source.byte() & 1 else None

    def time(self) -> Any:
        return self.value(lambda byte: self.book.time_ns + byte % 9)

    def flags(self) -> Any:
        return self.value(lambda byte: (0, 0, 1, 5, 8, 16, 24, 32)[byte & 7])

    # Calls, and what they are as a row.

    def submit(self) -> None:
        side, price, size, account = self.small(2), self.price(), self.size(), self.small(3)
        kind = OrderType.MARKET if self.source.byte() % 5 == 0 else OrderType.LIMIT
        tif = self.small(3) if self.source.byte() & 1 else 0
        display, expires_ns = self.maybe(self.size), self.maybe(self.time)
        flags = self.flags()
        self.both(
            lambda: self.book.submit(
                side, price, size, account=account, type=kind, tif=tif, flags=flags,
                display=display, expires_ns=expires_ns,
            ),
            type=kind, side=side, price=0 if kind else price, size=size, account=account, tif=tif,
            flags=flags, display=display, expires_ns=expires_ns,
        )  # fmt: skip

    def market(self) -> None:
        side, size, account = self.small(2), self.size(), self.small(3)
        limit, tif = self.maybe(self.price), self.small(3)
        self.both(
            lambda: self.book.market(side, size, account=account, limit=limit, tif=tif),
            type=Command.MARKET, side=side, size=size, account=account, price=limit, tif=tif,
        )  # fmt: skip

    def stop(self) -> None:
        side, size, trigger, account = self.small(2), self.size(), self.price(), self.small(3)
        price = self.price() if self.source.byte() & 1 else 0
        by, take_profit, flags = self.small(2), bool(self.source.byte() & 1), self.flags()
        tif = self.small(3) if self.source.byte() & 1 else 0
        display, expires_ns = self.maybe(self.size), self.maybe(self.time)
        self.both(
            lambda: self.book.stop(
                side, size, trigger, price=price, account=account, by=by, take_profit=take_profit,
                tif=tif, flags=flags, display=display, expires_ns=expires_ns,
            ),
            type=Command.TAKE_PROFIT if take_profit else Command.STOP, side=side, size=size,
            trigger=trigger, price=price, account=account, by=by, tif=tif, flags=flags,
            display=display, expires_ns=expires_ns,
        )  # fmt: skip

    def cancel(self) -> None:
        name, account = self.name(), self.maybe(lambda: self.small(3))
        owner = -1 if account is None else account
        self.both(
            lambda: self.book.cancel(name, account=account),
            type=Command.CANCEL, order_id=name, account=owner,
        )  # fmt: skip

    def amend(self) -> None:
        name, size, price = self.name(), self.maybe(self.size), self.maybe(self.price)
        account = self.maybe(lambda: self.small(3))
        known = self.details(name)
        self.both(
            lambda: self.book.amend(name, size=size, price=price, account=account),
            type=Command.AMEND, order_id=name, size=known.size if size is None and known else size,
            price=price, account=-1 if account is None else account,
        )  # fmt: skip

    def cancel_all(self) -> None:
        account, side = self.small(3), self.maybe(lambda: self.small(2))
        self.both(
            lambda: self.book.cancel_all(account, side=side),
            type=Command.CANCEL_ALL, account=account, side=2 if side is None else side,
        )  # fmt: skip

    def set_mark(self) -> None:
        price = self.price()
        self.both(lambda: self.book.set_mark(price), type=Command.MARK, price=price)

    def advance(self) -> None:
        time_ns = self.time()
        self.both(lambda: self.book.advance(time_ns), type=Command.CLOCK, expires_ns=time_ns)

    def auction(self) -> None:
        if self.source.byte() & 1:
            self.both(self.book.collect, type=Command.COLLECT)
        else:
            self.both(self.book.uncross, type=Command.UNCROSS)

    def details(self, name: Any) -> Any:
        try:
            return self.book.details(name)
        except (*REFUSALS, Refused):
            return None

    def both(self, call: Callable[[], Any], **fields: Any) -> None:
        """Make a call, and the same with a row; a refusal changes nothing."""
        before = self.book.state_hash(), self.book.chain, self.book.fills.tolist()
        try:
            result = call()
        except (*REFUSALS, Refused):
            after = self.book.state_hash(), self.book.chain, self.book.fills.tolist()
            assert after == before
            return
        row = np.zeros(1, WIDE_DTYPE)
        for name, value in fields.items():
            row[name] = number(value)
        fills = self.other.apply(row)
        assert self.other.results.tolist() == [result or 0]
        assert fills.tolist() == self.book.fills.tolist()
        assert self.other.fired.tolist() == self.book.fired.tolist()
        if result is not None and result > 0:
            self.ids.append(result)
        self.alike()

    def alike(self) -> None:
        assert self.other.state_hash() == self.book.state_hash()
        assert self.other.chain == self.book.chain
        self.book._check()

    # Batches, questions, and life.

    def batch(self) -> None:
        """Rows of any bytes: the bad ones are named, or all are refused."""
        wide = self.source.byte() & 1
        dtype = WIDE_DTYPE if wide else MESSAGE_DTYPE
        data = self.source.some(dtype.itemsize * (1 + self.source.byte() % 3))
        rows = np.frombuffer(data[: len(data) // dtype.itemsize * dtype.itemsize], dtype)
        before = self.book.state_hash()
        try:
            self.book.apply(rows)
        except InputError:
            assert self.book.state_hash() == before
            self.book.apply(rows, on_bad="reject")
        self.other.apply(rows, on_bad="reject")
        assert self.book.results.tolist() == self.other.results.tolist()
        self.alike()

    def strange_batch(self) -> None:
        rows = np.zeros(4, WIDE_DTYPE if self.source.byte() & 1 else MESSAGE_DTYPE)
        rows["type"] = Command.CANCEL
        ragged = np.zeros(4 * rows.itemsize + 1, np.uint8)[1:].view(rows.dtype)
        given: list[Any] = [
            rows[::-1], rows[::2], rows.reshape(2, 2), rows["price"], rows.tolist(), rows.tobytes(),
            rows.astype(object), np.ma.masked_array(rows), rows.astype(rows.dtype.newbyteorder()),
            None, self.book, rows[:0].reshape(0, 3), ragged, "rows",
        ]  # fmt: skip
        before = self.book.state_hash()
        try:
            self.book.apply(given[self.source.byte() % len(given)])
        except REFUSALS:
            assert self.book.state_hash() == before
            return
        raise AssertionError("a strange batch was taken")

    def look(self) -> None:
        questions: tuple[Callable[[], Any], ...] = (
            lambda: self.book.depth(self.size(), group=self.small(9)),
            lambda: self.book.queue(self.small(2), self.price()),
            lambda: self.book.position(self.name()),
            lambda: self.book.cost(self.small(2), self.size()),
            lambda: self.book.impact(self.small(2), [self.size(), self.size()]),
            lambda: self.book.order(self.name()),
            lambda: self.book.details(self.name()),
            lambda: self.book.indicative(),
            lambda: repr(self.book),
        )  # fmt: skip
        before = self.book.state_hash()
        try:
            questions[self.source.byte() % len(questions)]()
        except (*REFUSALS, Refused):
            pass
        assert self.book.state_hash() == before

    def copy(self) -> None:
        kept = self.book.copy()
        assert kept.state_hash() == self.book.state_hash()
        self.book = kept

    def save(self) -> None:
        """A snapshot comes back as it was; one that was changed is refused, or a whole book."""
        saved = self.book.snapshot()
        assert OrderBook.restore(saved).snapshot() == saved
        words = list(struct.unpack(f"<{len(saved) // 8}q", saved))
        for _ in range(1 + self.source.byte() % 3):
            place = (self.source.byte() << 8 | self.source.byte()) % len(words)
            how = self.source.byte()
            if how & 3:  # A little more or less gets past more checks.
                change = words[place] + (1 if how & 1 else -1)
            else:
                change = self.value(lambda byte: byte - 100)
            words[place] = change if type(change) is int and abs(change) < 2**63 else 5
        signed = self.source.byte() & 7
        given = signed_bytes(words) if signed else struct.pack(f"<{len(words)}q", *words)
        given = given[: self.source.byte() * 8] if signed == 7 else given
        try:
            book = OrderBook.restore(given)
        except SnapshotError:
            return
        book._check()
        use(book)


def number(value: Any) -> int:
    """What an accepted argument is in a row."""
    if isinstance(value, Reaching):
        return value.number
    return 0 if value is None else operator.index(value)


def named(book: OrderBook) -> Iterator[int | None]:
    """Ids for new orders: names of ours, where the book wants the caller's."""
    try:
        book.submit(Side.BID, 1, 1)
    except InputError:
        return iter(range(2**61, 2**62))
    return repeat(None)


def use(book: OrderBook) -> None:
    """Do a little of everything to a book that came from anywhere."""
    book.uncross()
    price = book.best_ask or book.best_bid or 1
    names = named(book)
    for side in Side:
        book.submit(side, price, 7, display=2, flags=16, order_id=next(names))
        book.stop(side, 2, price, price=price, order_id=next(names))
        book.market(side, 50, order_id=next(names))
        book._check()
    book.set_mark(price)
    for account in range(3):
        with suppress(InputError):  # It may be a book of fewer.
            book.cancel_all(account, side=account & 1)
    book.advance(2**63 - 1)
    book._check()
    again = OrderBook.restore(book.snapshot(), account_max=2**31 - 1)
    assert again.state_hash() == book.state_hash()


COMMANDS = (
    "submit", "submit", "submit", "submit", "market", "stop", "stop", "cancel", "amend", "amend",
    "cancel_all", "set_mark", "advance", "auction", "batch", "strange_batch", "look", "look",
    "copy", "save", "save",
)  # fmt: skip


def one(data: bytes) -> int:
    """Play an input; returns how many commands it had."""
    source = Source(data)
    door = Door(source)
    commands = 0
    while source:
        getattr(door, COMMANDS[source.byte() % len(COMMANDS)])()
        commands += 1
    return commands


if __name__ == "__main__":
    import atheris

    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
