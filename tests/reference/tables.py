"""The tape of the twin: each table a list of rows, the columns of TAPE.md in their order."""

from __future__ import annotations

_COLUMNS = {
    "steps": "step time_ns venue round kind market scope parent generation cause_market"
    " event_from event_to fill_from fill_to",
    "fills": "step venue market price size taker_side maker_account taker_account maker_order"
    " taker_order maker_fee taker_fee maker_rest",
    "liquidations": "step venue market scope account side leg tranche lots_before lots_asked"
    " lots_filled levels_eaten limit_price worst_price value trigger_price bankruptcy_price"
    " mark_before mark_after equity_before equity_after fee shortfall paid_fund paid_vault"
    " paid_adl paid_socialised paid_bad_debt outcome",
    "postings": "step asset from_holder to_holder amount reason",
    "adl": "step market scope_from scope_to lots cost rank rule price_mode",
    "marks": "step time_ns venue market last index mark best_bid best_ask",
    "levels": "step market side price size_after",
    "notes": "step kind market scope a b",
    "accounts": "venue scope account kind asset market collateral",
    "positions": "venue scope market size cost",
}
COLUMNS: dict[str, tuple[str, ...]] = {
    name: tuple(columns.split()) for name, columns in _COLUMNS.items()
}


class Tables:
    """An append-only log of integer rows; a cell may be set once more is known."""

    def __init__(self) -> None:
        self._rows: dict[str, list[dict[str, int]]] = {name: [] for name in COLUMNS}

    def append(self, table: str, **cells: int) -> int:
        """Append a row with exactly the columns of `table`; return its number."""
        assert set(cells) == set(COLUMNS[table]), (table, set(cells) ^ set(COLUMNS[table]))
        rows = self._rows[table]
        rows.append({column: int(cells[column]) for column in COLUMNS[table]})
        return len(rows) - 1

    def set(self, table: str, row: int, **cells: int) -> None:
        """Set cells of a row that is there already."""
        assert set(cells) <= set(COLUMNS[table])
        self._rows[table][row].update({column: int(cell) for column, cell in cells.items()})

    def rows(self, table: str) -> list[dict[str, int]]:
        """Return the rows of a table; not a copy."""
        return self._rows[table]

    def count(self, table: str) -> int:
        """Return how many rows a table has."""
        return len(self._rows[table])
