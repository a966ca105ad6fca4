"""Margin brackets: from floors, rates and leverage to the engine's whole numbers.

The maintenance amount is not read but computed, amount_k = amount_{k-1} + floor_k (rate_k -
rate_{k-1}), so the margin is continuous at every floor by construction (spec/MARGIN.md §2.1).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple, NoReturn

import msgspec

from ordercascade.data.jsontext import nearest, read_json
from ordercascade.data.table import read_table
from ordercascade.errors import ConfigError, DataFileError, InputError, InputTypeError, RangeError
from ordercascade.exact import PPM, Exact, exact, plain, ppm
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

_FIELDS = ("floor", "cap", "rate", "leverage", "amount")
_CSV_COLUMNS = dict(
    zip(
        _FIELDS,
        ("notional_floor", "notional_cap", "maint_margin_ratio", "max_leverage", "cum"),
        strict=True,
    )
)
_USD = dict(
    zip(
        _FIELDS,
        ("notionalFloor", "notionalCap", "maintMarginRatio", "initialLeverage", "cum"),
        strict=True,
    )
)
_COIN = _USD | {"floor": "qtyFloor", "cap": "qtyCap"}
_CCXT = dict(
    zip(
        _FIELDS,
        ("minNotional", "maxNotional", "maintenanceMarginRate", "maxLeverage", "info.cum"),
        strict=True,
    )
)


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
    rows = [
        PrintedBracket(
            floor=table.number(index, "notional_floor"),
            cap=table.number(index, "notional_cap"),
            rate=table.number(index, "maint_margin_ratio"),
            leverage=table.number(index, "max_leverage"),
            amount=table.number(index, "cum"),
        )
        for index in found
    ]

    def refuse(number: int, column: str, rule: str, value: object) -> NoReturn:
        column = _CSV_COLUMNS[column]
        row = found[number] + 2
        raise DataFileError(table.file, rule, row=row, column=column, value=value)

    return _chained(rows, refuse)


class PrintedBracket(NamedTuple):
    """A row as an exchange prints it; a cap or an amount that it does not print is None."""

    floor: Exact
    cap: Exact | None
    rate: Exact
    leverage: Exact
    amount: Exact | None


def _chained(
    rows: Sequence[PrintedBracket], refuse: Callable[[int, str, str, object], NoReturn]
) -> tuple[Bracket, ...]:
    """Return brackets whose floors meet caps, whose rates rise and whose margin is continuous.

    `refuse` is told the number of the row, the field, the rule and the value.
    """
    brackets: list[Bracket] = []
    cap: Exact | None = Exact(0)
    rate, cum = Exact(0), Decimal(0)
    for number, row in enumerate(rows):
        if cap is None:
            refuse(number, "floor", f"tiers[{number - 1}] has no end, so nothing may follow", None)
        if row.floor != cap:
            rule = f"tiers[{number}] starts at {plain(row.floor)}, previous ends at {plain(cap)}"
            refuse(number, "floor", rule, None)
        if row.cap is not None and row.cap <= row.floor:
            refuse(number, "cap", f"tiers[{number}] ends before it starts", plain(row.cap))
        if row.rate < rate:
            refuse(
                number, "rate", f"tiers[{number}] asks less than the one before", plain(row.rate)
            )
        if not 1 <= row.leverage <= LEVERAGE_MAX or row.leverage % 1:
            rule = f"must be a whole number in [1, {LEVERAGE_MAX}]"
            refuse(number, "leverage", rule, plain(row.leverage))
        cum += row.floor * (row.rate - rate)
        if row.amount is not None and abs(row.amount - cum) > CUM_TOLERANCE:
            rule = f"tiers[{number}] is not continuous: amount must be {plain(cum)}"
            refuse(number, "amount", rule, plain(row.amount))
        cap, rate = row.cap, row.rate
        brackets.append(
            Bracket(floor=row.floor, maintenance=row.rate, leverage_max=int(row.leverage))
        )
    return tuple(brackets)


# JSON, as exchanges and ccxt print it.


def read_exchange_brackets(path: Path, *, symbol: str) -> tuple[Bracket, ...]:
    """Return one symbol's schedule from a JSON file, plain or gzip, of one of these forms.

    Binance: a list (or one object) of {symbol | pair, brackets: [{notionalFloor, notionalCap,
    maintMarginRatio, initialLeverage, cum}]}, with qtyFloor and qtyCap in coin for COIN-M.
    ccxt: {symbol: [{minNotional, maxNotional, maintenanceMarginRate, maxLeverage, info: {cum}}]}.

    Floors must meet caps and a printed amount must make the margin continuous (within 0.05); other
    keys are left alone. Raises DataFileError with the key path of what does not hold.
    """
    tree = read_json(path)
    place, table, keys = _table_of(path.name, tree, symbol)
    rows = [
        _printed(path.name, f"{place}[{number}]", row, keys) for number, row in enumerate(table)
    ]
    if not rows:
        raise DataFileError(path.name, f"{place}: must have at least one tier")

    def refuse(number: int, column: str, rule: str, value: object) -> NoReturn:
        where = f"{place}[{number}].{keys[column]}"
        raise DataFileError(path.name, f"{where}: {rule}", value=value)

    return _chained(rows, refuse)


def _table_of(file: str, tree: object, symbol: str) -> tuple[str, list[object], dict[str, str]]:
    """Return (key path, rows, names of the fields) of a symbol's table."""
    if isinstance(tree, dict) and "brackets" in tree:
        tree = [tree]
    if isinstance(tree, dict):  # ccxt
        if symbol not in tree:
            raise DataFileError(file, f"has no brackets of {symbol!r}{nearest(symbol, tree)}")
        return _listed(file, symbol, tree[symbol]), tree[symbol], _CCXT
    if not isinstance(tree, list):
        raise DataFileError(file, "must be a list of symbols, or an object by symbol")
    names = []
    for index, entry in enumerate(tree):
        if not isinstance(entry, dict) or "brackets" not in entry:
            raise DataFileError(file, f"[{index}]: must have 'brackets'")
        names.append(str(entry.get("symbol", entry.get("pair", ""))))
        if names[-1] == symbol:
            rows = entry["brackets"]
            place = _listed(file, f"[{index}].brackets", rows)
            first = rows[0] if rows and isinstance(rows[0], dict) else {}
            return place, rows, _COIN if "qtyFloor" in first else _USD
    raise DataFileError(file, f"has no brackets of {symbol!r}{nearest(symbol, names)}")


def _listed(file: str, place: str, rows: object) -> str:
    if not isinstance(rows, list):
        raise DataFileError(file, f"{place}: must be a list of tiers")
    return place


def _printed(file: str, place: str, row: object, keys: dict[str, str]) -> PrintedBracket:
    if not isinstance(row, dict):
        raise DataFileError(file, f"{place}: must be an object")

    def number(field: str, *, needed: bool = True) -> Exact | None:
        value: object = row
        for key in keys[field].split("."):
            value = value.get(key) if isinstance(value, dict) else None
        if value is None:
            if needed:
                raise DataFileError(file, f"{place}.{keys[field]}: must be there")
            return None
        try:
            found = exact(keys[field], value)
        except (InputError, InputTypeError, RangeError) as error:
            raise DataFileError(file, f"{place}: {error}") from None
        if found < 0:
            raise DataFileError(file, f"{place}.{keys[field]}: must not be negative", value=value)
        return found

    floor, rate, leverage = number("floor"), number("rate"), number("leverage")
    if floor is None or rate is None or leverage is None:
        raise DataFileError(file, f"{place}: must have floor, rate and leverage")
    cap, amount = number("cap", needed=False), number("amount", needed=False)
    return PrintedBracket(floor, cap, rate, leverage, amount)
