"""Judging a single value at a door, before anything is entered or changed."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from enum import IntEnum
from typing import TypeVar

from ordercascade.enums import OrderFlag, OrderType, Side, TimeInForce
from ordercascade.errors import ConfigError, InputError, InputTypeError, RangeError, span

INT64_MAX = 2**63 - 1
CASH_MAX = 2**60
EXPOSURE_MAX = 2**61
SPAN_NS_MAX = 2**61  # a time of at most 2**62 ns and one span more still fit int64
WANTS = {
    "price": "an int number of ticks",
    "size": "an int number of lots",
    "side": "Side.BID or Side.ASK",
}
Member = TypeVar("Member", bound=IntEnum)
Thing = TypeVar("Thing")


def whole(field: str, value: object, low: int, high: int, *, hint: str = "") -> int:
    """Return `value` as a plain int in [low, high]; numpy integers pass, bools and floats do not.

    Raises InputTypeError for other kinds, RangeError beyond int64, InputError outside the domain.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        number = int.__index__(value)  # By value: what a subclass says of itself does not count.
    elif isinstance(value, bool) or not hasattr(value, "__index__"):
        if field == "price" and isinstance(value, float) and math.isfinite(value):
            hint = f"use market.to_ticks({float(value)})"
        raise InputTypeError(field, WANTS.get(field, "an int"), type(value).__name__, hint=hint)
    else:
        number = int.__index__(operator.index(value))
    if not -INT64_MAX - 1 <= number <= INT64_MAX:
        raise RangeError(field, "does not fit int64", bits=number.bit_length())
    if not low <= number <= high:
        raise InputError(field, number, f"must be in {span(low, high)}")
    return number


def instance(field: str, kind: type[Thing], value: object) -> Thing:
    """Return `value` if it is of a class, else say which one it must be."""
    if not isinstance(value, kind):
        article = "an" if kind.__name__[0] in "AEIOU" else "a"
        raise InputTypeError(field, f"{article} {kind.__name__}", type(value).__name__)
    return value


def once(thing: object, made: object) -> None:
    """Refuse a second __init__ of something that is made already."""
    if made:
        name = type(thing).__name__
        raise InputTypeError(name, "made anew, not initialised again", "__init__")


def side_of(value: object) -> int:
    """Return 0 for a bid, 1 for an ask; raises for anything else."""
    if type(value) is Side:
        return int(value)
    number = whole("side", value, -(2**62), 2**62, hint="use Side.BID or Side.ASK")
    if number not in (Side.BID, Side.ASK):
        raise InputError("side", number, "must be Side.BID or Side.ASK")
    return number


def member(field: str, kind: type[Member], value: object) -> Member:
    """Return the member of a closed list that `value` is or numbers; names are no values."""
    if type(value) is kind:
        return value
    listed = [f"{kind.__name__}.{item.name}" for item in kind]
    choices = " or ".join(listed) if len(listed) == 2 else f"one of {', '.join(listed)}"
    number = whole(field, value, -(2**62), 2**62, hint=f"use {choices}")
    if number not in tuple(kind):
        raise InputError(field, number, f"must be {choices}")
    return kind(number)


def check_order(
    kind: object, side: object, tif: object, flags: object
) -> tuple[int, int, int, int]:
    """Judge what an order is, its numbers apart; return type, side, time in force and flags."""
    asked, alive, bits = (
        member("type", OrderType, kind),
        member("tif", TimeInForce, tif),
        flags_of(flags),
    )
    if asked not in (OrderType.LIMIT, OrderType.MARKET):
        rule = "must be OrderType.LIMIT or OrderType.MARKET; see cancel() and amend()"
        raise InputError("type", asked, rule)
    if bits & OrderFlag.REDUCE_ONLY:
        raise InputError("flags", bits, "must not hold REDUCE_ONLY: it does not exist yet")
    if bits and asked == OrderType.MARKET:
        raise InputError("flags", bits, "POST_ONLY and MARKET cannot be joined")
    if bits and alive != TimeInForce.GTC:
        raise InputError("flags", bits, f"POST_ONLY and {alive.name} cannot be joined")
    return int(asked), side_of(side), int(alive), int(bits)


def flags_of(value: object) -> OrderFlag:
    """Return an order's flags; unknown bits are refused."""
    known = OrderFlag.POST_ONLY | OrderFlag.REDUCE_ONLY
    number = whole("flags", value, -(2**62), 2**62, hint="use OrderFlag.POST_ONLY, …")
    if unknown := number & ~int(known):
        rule = f"must be bits of OrderFlag: unknown flag bits {unknown:#x}"
        raise InputError("flags", number, rule)
    return OrderFlag(number)


def check_pace(round_ns: object, round_max: object) -> tuple[int, int]:
    """Judge how long a settlement can take: all its rounds together at most 2**61 ns."""
    each = whole("round_ns", round_ns, 0, SPAN_NS_MAX)
    most = whole("round_max", round_max, 1, 2**62)
    if each * most > SPAN_NS_MAX:
        raise ConfigError("round_ns", "times round_max must be at most 2**61 ns", each)
    return each, most


def check_bounds(path: str, bound: int, others: int, fees: Sequence[int]) -> None:
    """Judge a market's largest value, the sum with the others', and its fees.

    `fees` in ppm: of a maker, of a taker, and of `external` as maker and as taker.
    """
    if bound > CASH_MAX:
        rule = f"notional bound 2**{math.log2(bound):.1f} > 2**60; "
        raise ConfigError(path, rule + "lower size_max or use a coarser lot")
    if bound + others > EXPOSURE_MAX:
        rule = "the notional bounds of all markets must sum to at most 2**61"
        raise ConfigError(path, rule, bound + others)
    # What `external` pays is a scenario's to say (plan.py judges it): here it defaults to nothing.
    maker, taker = fees[0], fees[1]
    if maker + taker < 0:
        rule = "maker rebate must not exceed the taker fee: the fees account could be drained"
        raise ConfigError(f"{path}.maker_fee_ppm", rule, f"{maker} + {taker} ppm")


Bracket = tuple[int, int, int, int]


def check_brackets(path: str, rows: Sequence[Sequence[int]]) -> list[Bracket]:
    """Judge a margin schedule: (floor, maintenance ppm, maintenance amount, initial ppm) a row.

    Floors rise from 0, rates rise, maintenance stays at or below initial, and each amount makes
    maintenance continuous to the unit: amount_k = amount_(k-1) + floor_k * (rate_k - rate_(k-1)).
    """
    if not rows:
        raise ConfigError(path, "must have at least one bracket")
    out: list[Bracket] = []
    for i, row in enumerate(rows):
        floor, rate, amount, initial = (
            whole(f"{path}[{i}].{name}", value, 0, high)
            for name, value, high in zip(
                ("floor", "maintenance_ppm", "amount", "initial_ppm"),
                row,
                (2**60, 10**6, 2**60, 10**6),
                strict=True,
            )
        )
        if rate > initial:
            raise ConfigError(f"{path}[{i}]", f"maintenance {rate} ppm > initial {initial} ppm")
        _check_edge(f"{path}[{i}]", out[-1] if out else None, floor, rate, amount)
        out.append((floor, rate, amount, initial))
    return out


def _check_edge(path: str, previous: Bracket | None, floor: int, rate: int, amount: int) -> None:
    """Judge a bracket against the one before it."""
    if previous is None:
        if floor or amount:
            raise ConfigError(path, "the first bracket must start at 0 with amount 0", floor)
        return
    if floor <= previous[0]:
        raise ConfigError(path, f"starts at {floor}, the previous bracket at {previous[0]}")
    if rate < previous[1]:
        raise ConfigError(path, f"maintenance falls from {previous[1]} to {rate} ppm")
    exact, left = divmod(floor * (rate - previous[1]), 10**6)
    if left:
        raise ConfigError(path, "the maintenance amount is no whole unit: use more decimals")
    if amount != previous[2] + exact:
        raise ConfigError(
            path, f"maintenance jumps at the edge: amount must be {previous[2] + exact}", amount
        )
