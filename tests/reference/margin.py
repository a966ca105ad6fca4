"""The twin's margin arithmetic: pure functions of whole numbers, by definition."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

PPM = 10**6
TICK_MAX = 2**31 - 1


class Bracket(NamedTuple):
    """One row of a tier table; `floor` is a position value and inclusive."""

    floor: int
    maintenance_ppm: int
    amount: int
    initial_ppm: int


def div_ceil(amount: int, by: int) -> int:
    """Return the quotient rounded up, for either sign."""
    return -(-amount // by)


def bracket_of(brackets: list[Bracket], value: int) -> Bracket:
    """Return the bracket of a value; one below the first floor uses the first."""
    reached = [bracket for bracket in brackets if bracket.floor <= value]
    return reached[-1] if reached else brackets[0]


def maintenance(brackets: list[Bracket], value: int) -> int:
    """Return the maintenance margin of a position by the size of its value."""
    bracket = bracket_of(brackets, value)
    return max(0, div_ceil(value * bracket.maintenance_ppm, PPM) - bracket.amount)


def initial(brackets: list[Bracket], value: int) -> int:
    """Return the initial margin of a position by the size of its value."""
    return div_ceil(value * min(PPM, bracket_of(brackets, value).initial_ppm), PPM)


def nearest_unsafe(
    brackets: list[Bracket],
    size: int,
    value: Callable[[int], int],
    unsafe: Callable[[int], bool],
) -> int:
    """Return the tick nearest to safety at which `unsafe` holds, 0 if there is none.

    For a long position the highest, for a short one the lowest. Within one bracket equity less
    maintenance goes one way, so there `unsafe` flips at most once and may be searched by halves.
    """
    rises = abs(value(TICK_MAX)) > abs(value(1))
    edges = {_edge(bracket.floor, value, rises=rises) for bracket in brackets[1:]}
    starts = [1, *sorted(edge for edge in edges if 1 < edge <= TICK_MAX)]
    ends = [*(start - 1 for start in starts[1:]), TICK_MAX]
    pieces = [(start, end) for start, end in zip(starts, ends, strict=True) if start <= end]
    for start, end in reversed(pieces) if size > 0 else pieces:
        worst, best = (start, end) if size > 0 else (end, start)
        if unsafe(worst):
            return _last_unsafe(worst, best, unsafe)
    return 0


def _edge(floor: int, value: Callable[[int], int], *, rises: bool) -> int:
    """Return the first tick on the far side of a floor; the value goes one way with the price."""
    low, high = 0, TICK_MAX + 1
    while high - low > 1:
        middle = (low + high) // 2
        if (abs(value(middle)) >= floor) == rises:
            high = middle
        else:
            low = middle
    return high


def _last_unsafe(worst: int, best: int, unsafe: Callable[[int], bool]) -> int:
    """Return the unsafe tick nearest to `best`; `worst` is unsafe."""
    if unsafe(best):
        return best
    while abs(best - worst) > 1:
        middle = (worst + best) // 2
        if unsafe(middle):
            worst = middle
        else:
            best = middle
    return worst
