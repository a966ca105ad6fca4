"""Margin calls, answers and expiries in words, for the story and for one line about a step."""

from __future__ import annotations

import numpy as np

from ordercascade.enums import NoteKind, StepKind
from ordercascade.figures import Figures, Pair, plural, seconds


def call_lines(f: Figures, span: Pair) -> list[str]:
    """Tell who was called for margin in a settlement, at which times, and how many answered."""
    kinds = f.column("steps", "kind")[slice(*span)]
    calls = np.flatnonzero(kinds == StepKind.MARGIN_CALL) + span[0]
    lines = []
    times = f.column("steps", "time_ns")[calls]
    for time in np.unique(times).tolist():
        mine = calls[times == time]
        who = f.who(f.venue(int(mine[0])), f.cell("steps", "scope", int(mine[0])))
        text = f"{who} is" if len(mine) == 1 else f"{plural(len(mine), 'account')} are"
        lines.append(f"t = {seconds(time)}: {text} called for margin")
    return lines


def call_line(f: Figures, k: int) -> str:
    """Say who was called, and how far it has fallen."""
    a, b = _note(f, k, NoteKind.MARGIN_CALL)
    money = f.settled(f.venue(k))
    who = f.who(f.venue(k), f.cell("steps", "scope", k))
    return f"{who} called for margin: equity {money.money(a)}, maintenance {money.money(b)}"


def answer_line(f: Figures, k: int) -> str:
    """Say what a called account, or borrowers, did; empty for another step of a user."""
    if f.cell("steps", "scope", k) < 0:
        return _relief_line(f, k)
    called, done = _note(f, k, NoteKind.ANSWER)
    who = f.who(f.venue(k), f.cell("steps", "scope", k))
    if not done:
        return f"{who} answers the call of step {called} with nothing"
    rows = f.within("orders", (k, k + 1)).tolist()
    if rows:
        units = f.market("orders", rows[0])
        return f"{who} answers the call of step {called}: closes {units.size(done)}{f.where(units)}"
    return f"{who} answers the call of step {called}: adds {f.settled(f.venue(k)).money(done)}"


def _relief_line(f: Figures, k: int) -> str:
    """Say how much borrowers closed after an interest payment; empty for another step."""
    kinds = [f.cell("notes", "kind", row) for row in f.within("notes", (k, k + 1)).tolist()]
    if NoteKind.RELIEF not in kinds:
        return ""
    share, _ = _note(f, k, NoteKind.RELIEF)
    rows = f.within("orders", (k, k + 1)).tolist()
    who = plural(len({f.cell("orders", "account", row) for row in rows}), "borrower")
    closed: dict[int, list[int]] = {}
    for row in rows:
        closed.setdefault(f.cell("orders", "market", row), []).append(row)
    parts = [
        f.market("orders", mine[0]).size(sum(f.cell("orders", "filled", row) for row in mine))
        + f.where(f.market("orders", mine[0]))
        for mine in closed.values()
    ]
    text = f"interest is dear: a borrower closes {share / 10**7:.4g} % of what it holds"
    return f"{text}; {who} {', '.join(parts)}" if parts else f"{text}, nobody as much as a lot"


def expiry_line(f: Figures, k: int) -> str:
    """Say at which price a market was settled; empty for another kind of step."""
    if f.cell("steps", "kind", k) != StepKind.EXPIRY:
        return ""
    price, count = _note(f, k, NoteKind.EXPIRY)
    units = f.market("steps", k)
    if count < 0:
        return f"{units.name} could not be settled: a cell would pass its bound"
    return f"{units.name} expires: {plural(count, 'position')} settled at {units.price(price)}"


def volatility_lines(f: Figures, step: int) -> list[str]:
    """Say how the volatilities of options jumped in a step."""
    rows = f.within("notes", (step, step + 1)).tolist()
    return [
        f"volatility of {f.market('notes', row).name} {f.cell('notes', 'b', row) / 10_000:g} %"
        f" → {f.cell('notes', 'a', row) / 10_000:g} %"
        for row in rows
        if f.cell("notes", "kind", row) == NoteKind.VOLATILITY
    ]


def netting_lines(f: Figures, span: tuple[int, int]) -> list[str]:
    """Tell of the pairs that were netted in a settlement."""
    kinds = f.column("steps", "kind")[slice(*span)]
    steps = (np.flatnonzero(kinds == StepKind.NETTING) + span[0]).tolist()
    return [f"  {netting_line(f, k)} (step {k})" for k in steps]


def netting_line(f: Figures, k: int) -> str:
    """Say how many lots of both legs of a hedged account were closed against one another."""
    price, lots = _note(f, k, NoteKind.NETTED)
    units, who = f.market("steps", k), f.who(f.venue(k), f.cell("steps", "scope", k))
    return f"{who} nets {units.size(lots)} long against short at {units.price(price)}"


def end_lines(f: Figures) -> list[str]:
    """Tell of each market that has expired."""
    steps = np.flatnonzero(f.column("steps", "kind") == StepKind.EXPIRY).tolist()
    return [expiry_line(f, k) for k in steps]


def _note(f: Figures, k: int, kind: NoteKind) -> tuple[int, int]:
    for row in f.within("notes", (k, k + 1)).tolist():
        if f.cell("notes", "kind", row) == kind:
            return f.cell("notes", "a", row), f.cell("notes", "b", row)
    return 0, 0
