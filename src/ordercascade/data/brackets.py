"""Margin brackets: from floors, rates and leverage to the engine's whole numbers.

The maintenance amount is not read but computed, amount_k = amount_{k-1} + floor_k (rate_k -
rate_{k-1}), so the margin is continuous at every floor by construction (spec/MARGIN.md §2.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import msgspec

from ordercascade.data.table import read_table
from ordercascade.errors import ConfigError, DataFileError, InputError
from ordercascade.exact import PPM, Exact, plain, ppm
from ordercascade.market import Market

LEVERAGE_MAX = 1000
COLUMNS = (
    "as_of",
    "symbol",
    "margin_ccy",
    "bracket",
    "max_leverage",
    "notional_floor",
    "notional_cap",
    "maint_margin_ratio",
    "cum",
)
# The published amounts are printed with a few decimals only.
CUM_TOLERANCE = Decimal("0.05")

EngineBracket = tuple[int, int, int, int]


class Bracket(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row of a schedule: from `floor` (inclusive, settlement asset) these rates hold."""

    floor: Exact
    maintenance: Exact
    leverage_max: int | None = None
    initial: Exact | None = None

    def __post_init__(self) -> None:
        if (self.leverage_max is None) == (self.initial is None):
            raise ValueError("a bracket must have leverage_max or initial, one of the two")
        if self.leverage_max is not None and not 1 <= self.leverage_max <= LEVERAGE_MAX:
            raise ValueError(f"leverage_max must be in [1, {LEVERAGE_MAX}]")


def schedule(market: Market, brackets: Sequence[Bracket], path: str) -> list[EngineBracket]:
    """Return (floor, maintenance_ppm, amount, initial_ppm) rows in settlement units.

    Refuses an empty, unsorted or gapped table, maintenance at or above initial margin, and an
    amount that is no whole number of units; `path` is the key path for messages.
    """
    if not brackets:
        raise ConfigError(path, "must have at least one bracket")
    rows: list[EngineBracket] = []
    for index, bracket in enumerate(brackets):
        place = f"{path}[{index}]"
        try:
            floor = market.to_amount(bracket.floor, field="floor")
            maintenance = ppm("maintenance", bracket.maintenance)
            initial = initial_ppm(bracket)
        except InputError as error:
            raise ConfigError(f"{place}.{error.field}", error.rule, error.value) from None
        if maintenance >= initial:
            rule = f"maintenance {plain(bracket.maintenance)} must be below initial margin"
            raise ConfigError(place, rule, f"{initial} ppm")
        rows.append((floor, maintenance, _amount(market, rows, floor, maintenance, place), initial))
    return rows


def initial_ppm(bracket: Bracket) -> int:
    """Return the initial margin rate: 10**6 / leverage, rounded up: against who owes it."""
    if bracket.initial is not None:
        return ppm("initial", bracket.initial, low=1)
    return -(-PPM // (bracket.leverage_max or 1))


def _amount(
    market: Market, rows: Sequence[EngineBracket], floor: int, maintenance: int, place: str
) -> int:
    if not rows:
        if floor != 0:
            raise ConfigError(f"{place}.floor", "the first bracket must start at 0", floor)
        return 0
    before_floor, before_ppm, before_amount, _ = rows[-1]
    if floor <= before_floor:
        raise ConfigError(f"{place}.floor", "must be above the previous floor", floor)
    if maintenance < before_ppm:
        raise ConfigError(f"{place}.maintenance", "must not fall from bracket to bracket")
    step, rest = divmod(floor * (maintenance - before_ppm), PPM)
    if rest:
        rule = f"the maintenance amount must be a whole number of {market.settle} units"
        raise ConfigError(place, f"{rule} ({market.decimals} decimals)")
    return before_amount + step


def read_brackets(path: Path, *, symbol: str, as_of: str) -> tuple[Bracket, ...]:
    """Return one symbol's schedule from a Binance leverage-bracket table (csv or csv.gz).

    Floors must meet caps and the printed amounts must make the margin continuous; the last cap
    is the venue's largest position, above which the last rates hold on.
    """
    table = read_table(path, COLUMNS)
    at = {column: index for index, column in enumerate(table.columns)}
    found = [
        index
        for index, row in enumerate(table.rows)
        if row[at["symbol"]] == symbol and row[at["as_of"]] == as_of
    ]
    if not found:
        have = sorted({row[at["as_of"]] for row in table.rows if row[at["symbol"]] == symbol})
        rule = f"has no brackets of {symbol!r} as of {as_of!r}"
        raise DataFileError(table.file, f"{rule}; as_of there is: {', '.join(have) or 'none'}")
    brackets: list[Bracket] = []
    cap, rate, cum = Exact(0), Exact(0), Decimal(0)
    for number, index in enumerate(found):
        floor = table.number(index, "notional_floor")
        maintenance = table.number(index, "maint_margin_ratio")
        if floor != cap:
            rule = f"tiers[{number}] starts at {plain(floor)}, previous ends at {plain(cap)}"
            raise DataFileError(table.file, rule, row=index + 2, column="notional_floor")
        cum += floor * (maintenance - rate)
        printed = table.number(index, "cum")
        if abs(printed - cum) > CUM_TOLERANCE:
            rule = f"tiers[{number}] is not continuous: amount must be {plain(cum)}"
            row, value = index + 2, plain(printed)
            raise DataFileError(table.file, rule, row=row, column="cum", value=value)
        cap, rate = table.number(index, "notional_cap"), maintenance
        leverage = int(table.number(index, "max_leverage"))
        brackets.append(Bracket(floor=floor, maintenance=maintenance, leverage_max=leverage))
    return tuple(brackets)
