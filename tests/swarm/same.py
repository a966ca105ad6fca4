"""What must be the same on a world and its twin after every operation: rows written, and money."""

from __future__ import annotations

from typing import Any

from reference.tables import COLUMNS

# What the opening writes into `positions` has no stated order; the full dumps compare it.
WRITTEN = tuple(name for name in COLUMNS if name not in ("positions", "accounts"))

Rows = dict[str, tuple[int, int]]


def rows_of(fast: Any, twin: Any) -> Rows:
    """Return how many rows each table has, (compiled, twin)."""
    return {name: (fast.log.rows(name), twin.tables.count(name)) for name in WRITTEN}


def same_rows(fast: Any, twin: Any, since: Rows, shift: int) -> Rows:
    """Compare the rows written since then; return how many there are now.

    `shift` is how many more rows of `levels` the compiled opening has than the twin's.
    """
    now = rows_of(fast, twin)
    for name in WRITTEN:
        (first, like), (last, end) = since[name], now[name]
        rows = twin.tables.rows(name)
        for number in range(min(last - first, end - like)):
            _same_row(name, fast.log.row(name, first + number), rows[like + number], shift)
        assert last - first == end - like, (
            f"new rows of {name}: {last - first} compiled, {end - like} of the twin"
        )
    return now


def _same_row(name: str, got: tuple[int, ...], row: dict[str, int], shift: int) -> None:
    want = tuple(row.values())
    if name == "steps":
        want = (*want[:10], want[10] + shift, want[11] + shift, *want[12:])
    if got != want:
        shown = [
            f"  {column:16} {a:>20} {b:>20}" + ("  <--" if a != b else "")
            for column, a, b in zip(COLUMNS[name], got, want, strict=True)
        ]
        lines = "\n".join(shown)
        raise AssertionError(f"a row of {name}: compiled, twin\n{lines}")


def same_money(venue: Any, like: Any) -> None:
    """Compare what every holder owns."""
    want = [holder.collateral for holder in like.ledger.holders]
    got = [venue.balance(holder) for holder in range(len(want))]
    assert got == want, f"money by holder (compiled, twin) =\n{got}\n{want}"
