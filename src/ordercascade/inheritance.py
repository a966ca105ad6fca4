"""What the fund or the vault took over, sold again, and settled: in words. From a tape alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ordercascade.contracts import kind_of, paid
from ordercascade.enums import NoteKind, PostReason, StepKind
from ordercascade.figures import Figures, Pair, Rows, plural, some

NAMED = 4  # takeovers, counterparties, postings named one by one
PAID = {
    PostReason.REALISE: "from losers to winners",
    PostReason.TRANSFER: "moved between scopes",
    PostReason.FUND_PAYS: "paid by the fund",
    PostReason.SOCIALISED: "shared by winners",
    PostReason.BAD_DEBT: "bad debt",
}


def taken_over(f: Figures, span: Pair) -> Rows:
    """Return the rows of `adl` that are takeovers."""
    return _of(f, f.within("adl", span), StepKind.TAKEOVER)


def deleveraged(f: Figures, span: Pair) -> Rows:
    """Return the rows of `adl` that are deleveraging."""
    return _of(f, f.within("adl", span), StepKind.ADL)


def _of(f: Figures, rows: Rows, kind: StepKind) -> Rows:
    mine: Rows = rows[f.column("steps", "kind")[f.column("adl", "step")[rows]] == kind]
    return mine


def steps_of(f: Figures, span: Pair, kind: StepKind) -> list[int]:
    kinds = f.column("steps", "kind")[slice(*span)]
    return (np.flatnonzero(kinds == kind) + span[0]).tolist()


def takeover_line(f: Figures, step: int) -> str:
    """Say who took what over from whom, and at which price."""
    row = int(f.within("adl", (step, step + 1))[0])
    venue = f.venue(step)
    units, who = f.market("adl", row), f.who(venue, f.cell("adl", "scope_from", row))
    lots, cost = f.cell("adl", "lots", row), f.cell("adl", "cost", row)
    # An inverse long has a negative cost; see contracts.
    terms = next(m for m in f.tape.markets if (m["venue"], m["name"]) == (venue, units.name))
    side = "long" if (cost > 0) != (terms.get("kind") == "inverse") else "short"
    text = f"{f.who(venue, f.cell('adl', 'scope_to', row))} takes over {who}, {side} "
    text += f"{units.size(lots)}{f.where(units)} at {units.average(abs(cost), lots)}"
    rest = _sum(f, step, PostReason.TAKEOVER)
    return text + (f", and {units.money(rest)} of its collateral" if rest else "")


def disposal_line(f: Figures, step: int) -> str:
    """Say what the taker sold of what it had taken over."""
    row = int(f.within("orders", (step, step + 1))[0])
    units, ask = f.market("orders", row), f.cell("orders", "side", row)
    filled, size = f.cell("orders", "filled", row), f.cell("orders", "size", row)
    who = f.who(f.venue(step), f.cell("steps", "scope", step))
    text = f"{who} {'sells' if ask else 'buys back'} {units.size(filled)}{f.where(units)}"
    if filled < size:
        text += f" of {units.number(size)}"
    if filled:
        text += f" for {units.money(_value(f, step))}"
    return f"{text}, {units.price(f.cell('orders', 'price', row))} or better, of what it took over"


def payment_line(f: Figures, step: int) -> str:
    """Say what a settlement to the mark, or the levels of margin, moved."""
    rows = f.within("postings", (step, step + 1))
    venue = f.venue(step)
    if len(rows) and f.cell("postings", "reason", int(rows[0])) == PostReason.CONVERSION:
        return _converted(f, step, rows.tolist())
    money = f.settled(venue).money
    market = f.cell("steps", "market", step)
    parts = []
    for reason, words in PAID.items():
        amount = _sum(f, step, reason) // (2 if reason == PostReason.REALISE else 1)
        if amount:
            parts.append(f"{money(amount)} {words}")
    if market < 0:
        return f"isolated margins are kept between their levels: {', '.join(parts)}"
    holders = plural(len(rows), "payment")
    name = f.units[venue, market].name
    return f"{name} is settled to the mark with {holders}: {', '.join(parts)}"


def _converted(f: Figures, step: int, rows: Sequence[int]) -> str:
    """Say what collateral became money, and how much."""
    venue, scope = f.venue(step), f.cell("steps", "scope", step)
    parts: list[str] = []
    brought = 0
    for row in rows:
        amount, asset = (f.cell("postings", name, row) for name in ("amount", "asset"))
        if f.cell("postings", "to_holder", row) == scope:
            brought += amount
        else:
            parts.append(f.asset(venue, asset).money(amount))
    paid = f.settled(venue).money(brought)
    return f"{f.who(venue, scope)} pays with {' and '.join(parts)}, converted into {paid}"


def jump_lines(f: Figures, step: int) -> list[str]:
    """Say how a collateral jumped in a step."""
    lines = []
    for row in f.within("notes", (step, step + 1)).tolist():
        if f.cell("notes", "kind", row) != NoteKind.COLLATERAL:
            continue
        asset, of_peg = divmod(f.cell("notes", "b", row), 2)
        name, value = f.asset(f.venue(step), asset).settle, f.cell("notes", "a", row)
        worth = f"{value / 10_000:g} % of its price" if of_peg else f"{value:,} ticks"
        lines.append(f"{name} is worth {worth}")
    return lines


def _sum(f: Figures, step: int, reason: PostReason) -> int:
    rows = f.within("postings", (step, step + 1))
    mine = rows[f.column("postings", "reason")[rows] == reason]
    return int(np.abs(f.column("postings", "amount")[mine]).sum())


def _value(f: Figures, step: int) -> int:
    venue, market = f.venue(step), f.cell("steps", "market", step)
    terms = next(m for m in f.tape.markets if (m["venue"], m["id"]) == (venue, market))
    kind, unit = kind_of(terms.get("kind", "linear")), int(terms["multiplier"])
    rows = f.within("fills", (step, step + 1)).tolist()
    return sum(
        abs(paid(kind, unit, f.cell("fills", "size", row), f.cell("fills", "price", row)))
        for row in rows
    )


# Of whole settlements.


def fell(f: Figures, span: Pair) -> bool:
    """Say if anybody was liquidated or taken over in a settlement."""
    return len(f.within("liquidations", span)) > 0 or len(taken_over(f, span)) > 0


def weight(f: Figures, span: Pair) -> int:
    """Return what was liquidated and taken over in a settlement, in value."""
    value = f.column("liquidations", "value")[f.within("liquidations", span)]
    return int(value.sum()) + int(np.abs(f.column("adl", "cost")[taken_over(f, span)]).sum())


def outright(f: Figures, span: Pair) -> list[str]:
    """Tell of takeovers that came instead of an order: the largest, then the sum of the rest."""
    rows = taken_over(f, span)
    ordered = set(f.column("liquidations", "scope")[f.within("liquidations", span)].tolist())
    rows = rows[[f.cell("adl", "scope_from", row) not in ordered for row in rows.tolist()]]
    if not len(rows):
        return []
    weight = np.abs(f.column("adl", "cost")[rows])
    largest = np.sort(np.argsort(-weight, kind="stable")[:NAMED])
    lines = ["", f"Taken over instead of an order: {_sums(f, rows)}"]
    for row in rows[largest].tolist():
        step = f.cell("adl", "step", row)
        lines.append(f"  step {step}: {takeover_line(f, step)}")
    if len(rows) > NAMED:
        lines.append(f"  ... and {len(rows) - NAMED:,} more: {_sums(f, np.delete(rows, largest))}")
    return lines


def sold_again(f: Figures, spans: Sequence[Pair]) -> str:
    """Sum up the disposals of some settlements; empty where there are none."""
    steps = [step for span in spans for step in steps_of(f, span, StepKind.DISPOSAL)]
    return f"{plural(len(steps), 'disposal')}: {_disposed(f, steps)}" if steps else ""


def kept(f: Figures, span: Pair) -> list[str]:
    """Tell of the payments and disposals of one settlement."""
    lines = [payment_line(f, step) for step in steps_of(f, span, StepKind.PAYMENT)]
    lines += [disposal_line(f, step) for step in steps_of(f, span, StepKind.DISPOSAL)]
    if len(lines) > NAMED:
        lines[NAMED:] = [f"... and {len(lines) - NAMED:,} more payments and disposals"]
    return lines


def handed_over(f: Figures, span: Pair, scope: int) -> list[str]:
    """Say who took a scope over after its order."""
    rows = taken_over(f, span)
    rows = rows[f.column("adl", "scope_from")[rows] == scope]
    return [takeover_line(f, f.cell("adl", "step", row)) for row in rows.tolist()]


def bill(f: Figures) -> list[str]:
    """Sum up a run: what was taken over, what of it was sold, what is left with the taker."""
    span = 0, len(f.column("steps", "step"))
    rows = taken_over(f, span)
    if not len(rows):
        return []
    steps = steps_of(f, span, StepKind.DISPOSAL)
    sold = f"; sold again: {_disposed(f, steps)}" if steps else "; none of it sold again"
    return [f"Taken over: {_sums(f, rows)}{sold}"]


def _sums(f: Figures, rows: Rows) -> str:
    """Sum up takeovers: scopes, and for each market lots and cost."""
    venue = f.column("steps", "venue")[f.column("adl", "step")[rows]]
    market, cost = f.column("adl", "market")[rows], f.column("adl", "cost")[rows]
    scopes = len(np.unique(venue << 32 | f.column("adl", "scope_from")[rows]))
    texts = [plural(scopes, "account")]
    for (v, m), units in f.units.items():
        mine = (venue == v) & (market == m)
        if mine.any():
            lots = int(f.column("adl", "lots")[rows][mine].sum())
            texts.append(f"{units.size(lots)} for {units.money(int(np.abs(cost[mine]).sum()))}")
    return ", ".join(texts)


def _disposed(f: Figures, steps: Sequence[int]) -> str:
    texts = []
    for (venue, market), units in f.units.items():
        mine = [k for k in steps if (f.venue(k), f.cell("steps", "market", k)) == (venue, market)]
        if mine:
            lots = sum(
                f.cell("orders", "filled", int(f.within("orders", (k, k + 1))[0])) for k in mine
            )
            value = sum(_value(f, k) for k in mine)
            texts.append(f"{units.size(lots)} for {units.money(value)} with {len(mine):,} orders")
    return some(texts, most=len(texts))
