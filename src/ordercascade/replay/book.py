"""A book of levels, played again, and how many lots of each account rest where."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import NamedTuple

from ordercascade.enums import Side


class Resting(NamedTuple):
    """What is left of an order that the tape told about."""

    account: int
    side: int
    price: int
    size: int


class Book:
    """One market's levels; `own` are the lots of users, the rest is external's."""

    def __init__(self) -> None:
        self.sizes: tuple[dict[int, int], dict[int, int]] = ({}, {})
        self._heaps: tuple[list[int], list[int]] = ([], [])  # signed: the best is the smallest
        self.own: dict[int, dict[tuple[int, int], int]] = {}  # account -> (side, price) -> lots
        self.users: dict[tuple[int, int], int] = {}  # (side, price) -> lots of all users
        self.orders: dict[int, Resting] = {}
        self.done: set[int] = set()
        self._places: dict[tuple[int, int, int], set[int]] = {}  # account, side, price -> ids

    def open(self, side: int, levels: list[tuple[int, int]]) -> None:
        """Take a side of the opening book: (price, size)."""
        self.sizes[side].update(levels)
        self._heaps[side].extend(price if side == Side.ASK else -price for price, _ in levels)
        heapify(self._heaps[side])

    def clear(self) -> None:
        """Forget all levels and orders."""
        self.__init__()  # type: ignore[misc]

    def set(self, side: int, price: int, size: int) -> None:
        """Let a level hold `size` lots, 0 for none."""
        sizes = self.sizes[side]
        if size <= 0:
            sizes.pop(price, None)
            return
        if price not in sizes:
            heappush(self._heaps[side], price if side == Side.ASK else -price)
        sizes[price] = size

    def best(self, side: int) -> int:
        """Return the best price of a side, 0 if it is empty."""
        heap, sizes = self._heaps[side], self.sizes[side]
        while heap:
            price = abs(heap[0])
            if price in sizes:
                return price
            heappop(heap)
        return 0

    def size(self, side: int, price: int) -> int:
        return self.sizes[side].get(price, 0)

    def own_size(self, account: int, side: int, price: int) -> int:
        return self.own.get(account, {}).get((side, price), 0)

    def rest(self, account: int, side: int, price: int, lots: int) -> int:
        """Add lots (or take them, < 0) of a user; return what it has there then."""
        mine = self.own.setdefault(account, {})
        key = side, price
        left = mine.get(key, 0) + lots
        self.users[key] = self.users.get(key, 0) + lots
        if left:
            mine[key] = left
        else:
            mine.pop(key, None)
            if not mine:
                del self.own[account]
        if not self.users[key]:
            del self.users[key]
        return left

    def follow(self, number: int, order: Resting) -> None:
        """Know an order from now on, or what is left of it; one without lots is done."""
        if order.size:
            self.orders[number] = order
            self._places.setdefault(order[:3], set()).add(number)
        else:
            self.leave(number)
            self.done.add(number)

    def leave(self, number: int) -> None:
        """Follow an order no longer."""
        order = self.orders.pop(number, None)
        if order is not None:
            self._places[order[:3]].discard(number)

    def cancelled(self, account: int, side: int, price: int, size: int) -> None:
        """Follow no longer the orders that a cancel of `size` lots there may have meant.

        The tape does not say which order went: where several could be meant, none is followed.
        """
        mine = self._places.get((account, side, price), set())
        gone = [number for number in mine if self.orders[number].size == size]
        for number in gone if len(gone) == 1 else sorted(mine):
            self.leave(number)
