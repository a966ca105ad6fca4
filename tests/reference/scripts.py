"""A scenario as a list of calls: played on either engine, shown as a script, compared."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Any, NamedTuple

from reference.tables import COLUMNS
from reference.world import World

Row = dict[str, int]


class Call(NamedTuple):
    """One call of a world (`venue` −1) or of a venue."""

    venue: int
    name: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}  # noqa: RUF012  (never changed)


# Calls whose result is promised.
ANSWERED = frozenset(
    [
        *(
            "add_venue",
            "add_market",
            "open_account",
            "hedge",
            "isolate",
            "move_isolated",
            "withdraw",
        ),
        *("submit", "cancel", "amend", "run", "settle"),
    ]
)


def play(world: Any, calls: Iterable[Call]) -> list[tuple[str, int]]:
    """Make the calls; return the names and results of those that promise one."""
    results = []
    for call in calls:
        target = world if call.venue < 0 else world.venue(call.venue)
        result = getattr(target, call.name)(*call.args, **call.kwargs)
        if call.name in ANSWERED:
            results.append((call.name, int(result)))
    return results


def show(calls: Iterable[Call], engine: str = "reference.world") -> str:
    """Return the calls as a script that can be pasted into a shell."""
    lines = [f"from {engine} import World", "from ordercascade.enums import *", "w = World()"]
    for call in calls:
        target = "w" if call.venue < 0 else f"w.venue({call.venue})"
        arguments = [_text(value) for value in call.args]
        arguments += [f"{name}={_text(value)}" for name, value in call.kwargs.items()]
        lines.append(f"{target}.{call.name}({', '.join(arguments)})")
    return "\n".join(lines)


def _text(value: Any) -> str:
    return f"{type(value).__name__}.{value.name}" if isinstance(value, Enum) else repr(value)


def rows(world: Any, table: str) -> list[Row]:
    """Return a table of either engine as a list of rows."""
    if isinstance(world, World):
        return world.tables.rows(table)
    columns = [world.log.column(table, column).tolist() for column in COLUMNS[table]]
    return [dict(zip(COLUMNS[table], cells, strict=True)) for cells in zip(*columns, strict=True)]


def canonical(world: Any) -> dict[str, list[Row]]:
    """Return all tables, with what has no stated order (the opening) put into one.

    The opening of a book is what its levels hold, whatever calls made it; the ranges of the steps
    are counted from there.
    """
    tables = {name: rows(world, name) for name in COLUMNS}
    opening = [row for row in tables["levels"] if row["step"] < 0]
    tables["levels"] = tables["levels"][len(opening) :]
    last = {(row["market"], row["side"], row["price"]): row for row in opening}
    tables["opening levels"] = [last[key] for key in sorted(last)]
    # An engine may write the first prices as rows before step 0, too.
    tables["marks"] = [row for row in tables["marks"] if row["step"] >= 0]
    shifts = {"event_from": len(opening), "event_to": len(opening)}
    tables["steps"] = [
        {column: cell - shifts.get(column, 0) for column, cell in row.items()}
        for row in tables["steps"]
    ]
    for name in ("accounts", "positions"):
        tables[name] = sorted(tables[name], key=lambda row: tuple(row.values()))
    return tables


def state(world: Any, twin: World) -> dict[str, Any]:
    """Return what both engines must agree on between steps, beside the tables.

    `twin` says which venues, scopes and holders there are.
    """
    # Inside a settlement the clock is the round's or the settlement's: an engine's own affair.
    found: dict[str, Any] = {"time_ns": -1 if twin.settling else world.time_ns}
    for number, like in enumerate(twin.venues):
        venue, markets = world.venue(number), range(len(like.markets))
        found[f"marks[{number}]"] = [int(mark) for mark in venue.marks()]
        found[f"at risk[{number}]"] = [int(scope) for scope in venue.at_risk()]
        found[f"off[{number}]"] = {k: v for k, v in venue.audit().items() if v}
        found[f"money[{number}]"] = [venue.balance(h) for h in range(len(like.ledger.holders))]
        for scope in sorted(like.scopes):
            hedged = like.scopes[scope].account in like.twins
            legs = ("long", "short") if hedged else (None,)
            found[f"scope {scope}[{number}]"] = [
                venue.equity(scope),
                venue.maintenance(scope),
                venue.initial(scope),
                venue.collateral(scope),
                [tuple(venue.position(scope, m, leg=leg)) for m in markets for leg in legs],
                [venue.liquidation_price(scope, m) or 0 for m in markets],
                [venue.bankruptcy_price(scope, m, leg=leg) or 0 for m in markets for leg in legs],
            ]
    return found


def assert_same(fast: Any, twin: World) -> None:
    """Compare every table row by row, then the state; steps first, because they explain most."""
    got, want = canonical(fast), canonical(twin)
    for name in want:
        for number, (row, expected) in enumerate(zip(got[name], want[name], strict=False)):
            wrong = {c: (row[c], expected[c]) for c in expected if row[c] != expected[c]}
            assert not wrong, f"{name}[{number}]: (compiled, twin) = {wrong}\n  twin: {expected}"
        extra = got[name][len(want[name]) :] or want[name][len(got[name]) :]
        assert not extra, f"{name}: {len(got[name])} rows, twin {len(want[name])}: {extra[0]}"
    fast_state, twin_state = state(fast, twin), state(twin, twin)
    for name in twin_state:
        assert fast_state[name] == twin_state[name], name
