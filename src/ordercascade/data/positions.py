"""Positions of accounts, from a CSV or Parquet file or from a scenario, as whole numbers.

Columns, in any order: account, market, side (long, short), size, entry_price, leverage or
collateral, margin (cross, isolated). One row a position; the rows of one account share its cross
scope, and an isolated row has its collateral for itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from ordercascade.data.table import TextTable, read_parquet, read_table
from ordercascade.errors import ConfigError, DataFileError, InputError, InputTypeError, RangeError
from ordercascade.exact import Exact, exact, name, plain
from ordercascade.market import Market

ACCOUNTS_MAX = 2**24
LEVERAGE_MAX = 1000
_SHARED = ("account", "market", "side", "size", "entry_price")
HEADERS = ((*_SHARED, "leverage", "margin"), (*_SHARED, "collateral", "margin"))
_TEXT = ("string", "large_string", "dictionary<values=string, indices=int32, ordered=0>")
_NUMBER = ("string", "large_string", "double", "int64", "decimal128")
SIDES = {"long": 1, "short": -1}
MARGINS = {"cross": False, "isolated": True}


class Opening(NamedTuple):
    """One position as it stands before step 0; `size` and `cost` are signed."""

    account: str
    market: str
    size: int
    cost: int
    collateral: int
    isolated: bool


def opening(
    market: Market,
    account: str,
    *,
    side: str,
    size: Exact,
    entry_price: Exact,
    leverage: Exact | None,
    collateral: Exact | None,
    margin: str,
) -> Opening:
    """Return the whole numbers of one position; with leverage the collateral is rounded up."""
    lots = _one_of("side", side, SIDES) * market.to_lots(size)
    isolated = _one_of("margin", margin, MARGINS)
    cost = market.to_cost(entry_price, lots)
    amount = 0
    if leverage is not None:
        if not 1 <= leverage <= LEVERAGE_MAX:
            raise InputError("leverage", plain(leverage), f"must be in [1, {LEVERAGE_MAX}]")
        top, bottom = leverage.as_integer_ratio()
        amount = -(-abs(cost) * bottom // top)
    elif collateral is not None:
        amount = market.to_amount(collateral, field="collateral")
        if amount < 0:
            raise InputError("collateral", plain(collateral), "must be 0 or more")
    return Opening(account, market.name, lots, cost, amount, bool(isolated))


def read_positions(
    path: Path, markets: Mapping[str, Market], *, hedge: bool = False
) -> list[Opening]:
    """Return the positions of a .csv, .csv.gz or .parquet file, in the order of its rows.

    With `hedge` an account may have a long and a short one in a market, of one margin.
    """
    source = _parquet_rows(path) if path.suffix == ".parquet" else _csv_rows(path)
    openings: list[Opening] = []
    seen: set[tuple[str, str, bool]] = set()
    margins: dict[tuple[str, str], bool] = {}
    for row, cells in source:
        found = _opening(cells, markets, file=path.name, row=row)
        key = (found.account, found.market, hedge and found.size < 0)
        if key in seen:
            rule = f"account {found.account!r} has a position in {found.market!r} already"
            raise DataFileError(path.name, rule, row=row)
        if margins.setdefault(key[:2], found.isolated) != found.isolated:
            rule = f"both legs of account {found.account!r} must have one margin"
            raise DataFileError(path.name, rule, row=row)
        seen.add(key)
        openings.append(found)
    if len(seen) > ACCOUNTS_MAX:
        raise DataFileError(path.name, "must have at most 2**24 positions", value=len(seen))
    return openings


def _opening(
    cells: dict[str, object], markets: Mapping[str, Market], *, file: str, row: int
) -> Opening:
    """Turn the cells of a row into an opening; every error says file, row and column."""
    label = str(cells["market"])
    if label not in markets:
        rule = f"must be a market of the venue ({', '.join(markets)})"
        raise DataFileError(file, rule, row=row, column="market", value=label)
    numbers: dict[str, Exact] = {}
    try:
        account = name("account", str(cells["account"]))
        for column in ("size", "entry_price", "leverage", "collateral"):
            if column in cells:
                numbers[column] = exact(column, cells[column])
        return opening(
            markets[label],
            account,
            side=str(cells["side"]),
            size=numbers["size"],
            entry_price=numbers["entry_price"],
            leverage=numbers.get("leverage"),
            collateral=numbers.get("collateral"),
            margin=str(cells["margin"]),
        )
    except ConfigError as error:
        raise DataFileError(
            file, error.rule, row=row, column=error.path, value=error.value
        ) from None
    except InputError as error:
        column = error.field
        raise DataFileError(file, error.rule, row=row, column=column, value=error.value) from None
    except (InputTypeError, RangeError) as error:
        raise DataFileError(file, str(error), row=row, column=error.field) from None


def _csv_rows(path: Path) -> Iterator[tuple[int, dict[str, object]]]:
    table: TextTable = read_table(path, *HEADERS)
    numeric = [c for c in table.columns if c in ("size", "entry_price", "leverage", "collateral")]
    for index, row in enumerate(table.rows):
        cells: dict[str, object] = dict(zip(table.columns, row, strict=True))
        for column in numeric:
            cells[column] = table.number(index, column)
        yield index + 2, cells


def _parquet_rows(path: Path) -> Iterator[tuple[int, dict[str, object]]]:
    columns: dict[str, list[object]] = {}
    for header in HEADERS:
        words = ("account", "market", "side", "margin")
        types: dict[str, tuple[str, ...]] = {c: _TEXT if c in words else _NUMBER for c in header}
        try:
            columns = read_parquet(path, types)
            break
        except DataFileError as error:
            if header is HEADERS[-1] or "expected the columns" not in error.rule:
                raise
    for index in range(len(columns["account"])):
        yield index + 1, {column: values[index] for column, values in columns.items()}


def _one_of(field: str, value: str, choices: Mapping[str, int]) -> int:
    if value not in choices:
        raise InputError(field, value, f"must be {' or '.join(choices)}")
    return choices[value]
