"""Judging a single value at a door, before anything is entered or changed."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from enum import IntEnum
from typing import TypeVar

from ordercascade.enums import OrderFlag, Side
from ordercascade.errors import ConfigError, InputError, InputTypeError, RangeError

INT64_MAX = 2**63 - 1
Member = TypeVar("Member", bound=IntEnum)


def whole(field: str, value: object, low: int, high: int, *, hint: str = "") -> int:
    """Return `value` as a plain int in [low, high]; numpy integers pass, bools and floats do not.

    Raises InputTypeError for other kinds, RangeError beyond int64, InputError outside the domain.
    """
    if isinstance(value, bool):
        raise InputTypeError(field, "an int", value)
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        if hasattr(value, "__index__"):
            raise
        raise InputTypeError(field, "an int", value, hint=hint) from None
    if not -INT64_MAX - 1 <= number <= INT64_MAX:
        raise RangeError(field, "does not fit int64", bits=number.bit_length())
    if not low <= number <= high:
        raise InputError(field, number, f"must be in [{low}, {high}]")
    return int(number)


def side_of(value: object) -> int:
    """Return 0 for a bid, 1 for an ask; raises for anything else."""
    number = whole("side", value, -(2**62), 2**62, hint="use Side.BID or Side.ASK")
    if number not in (Side.BID, Side.ASK):
        raise InputError("side", number, "must be Side.BID or Side.ASK")
    return number


def member(field: str, kind: type[Member], value: object) -> Member:
    """Return the member of a closed list that `value` is or numbers; names are no values."""
    choices = ", ".join(f"{kind.__name__}.{item.name}" for item in kind)
    number = whole(field, value, -(2**62), 2**62, hint=f"use one of {choices}")
    if number not in tuple(kind):
        raise InputError(field, number, f"must be one of {choices}")
    return kind(number)


def flags_of(value: object) -> OrderFlag:
    """Return an order's flags; unknown bits are refused."""
    known = OrderFlag.POST_ONLY | OrderFlag.REDUCE_ONLY
    number = whole("flags", value, -(2**62), 2**62, hint="use OrderFlag.POST_ONLY, …")
    if number & ~int(known):
        raise InputError("flags", number, "must be bits of OrderFlag: POST_ONLY, REDUCE_ONLY")
    return OrderFlag(number)


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
