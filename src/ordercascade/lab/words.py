"""One line about a step, for the log and the status of the stepper."""

from __future__ import annotations

import numpy as np

from ordercascade.calling import (
    answer_line,
    call_line,
    expiry_line,
    netting_line,
    volatility_lines,
)
from ordercascade.enums import Outcome, Side, StepKind
from ordercascade.figures import GATE_WORDS, Figures, plural
from ordercascade.inheritance import disposal_line, payment_line, takeover_line


def word_of(kind: StepKind) -> str:
    words = {
        StepKind.SHOCK: "outside event",
        StepKind.MARK: "mark change",
        StepKind.AGENTS: "user's action",
        StepKind.TAKEOVER: "takeover",
        StepKind.DISPOSAL: "disposal of what was taken over",
        StepKind.PAYMENT: "payment",
        StepKind.RESUME: "trading resumes",
        StepKind.AUCTION: "call auction",
    }
    return words.get(kind, kind.name.lower().replace("_", " "))


def line_of(f: Figures, k: int) -> str:
    """Say what step k did, in one line."""
    kind = StepKind(f.cell("steps", "kind", k))
    venue = f.venue(k)
    scope = f.cell("steps", "scope", k)
    if kind == StepKind.LIQUIDATION:
        row = int(np.searchsorted(f.column("liquidations", "step"), k))
        at = {name: f.cell("liquidations", name, row) for name in _LIQUIDATION}
        units = f.market("liquidations", row)
        long = at["side"] == Side.ASK
        text = f"{f.who(venue, scope)} {'long' if long else 'short'} liquidated: "
        text += f"{'sells' if long else 'buys'} {units.size(at['lots_filled'])}{f.where(units)}"
        if at["lots_asked"] < at["lots_before"]:
            text += f" of {units.number(at['lots_before'])} (tranche {at['tranche']})"
        if at["lots_filled"]:
            text += f" at {units.average(at['value'], at['lots_filled'])}"
        outcome = Outcome(at["outcome"]).name.lower().replace("_", " ")
        return f"{text}, {outcome}" if outcome not in ("open", "closed") else text
    if kind == StepKind.ADL:
        units = f.market("steps", k)
        rows = f.within("adl", (k, k + 1))
        lots = int(f.column("adl", "lots")[rows].sum())
        takers = plural(len(rows), "account")
        return f"{f.who(venue, scope)} deleveraged: {units.size(lots)} to {takers}"
    if kind == StepKind.WATERFALL:
        rows = f.within("postings", (k, k + 1))
        amount = int(f.column("postings", "amount")[rows].sum())
        return f"{f.who(venue, scope)} below zero: {f.settled(venue).money(amount)} paid for it"
    if kind == StepKind.MARK:
        units = f.market("steps", k)
        market = f.cell("steps", "market", k)
        before, after = f.mark(venue, market, k - 1), f.mark(venue, market, k)
        return f"{units.name} mark {units.move(before, after)}"
    if kind == StepKind.MARGIN_CALL:
        return call_line(f, k)
    if kind == StepKind.NETTING:
        return netting_line(f, k)
    if kind in (StepKind.AGENTS, StepKind.EXPIRY):
        return answer_line(f, k) or expiry_line(f, k) or word_of(kind)
    if kind == StepKind.SHOCK:
        return _shock_line(f, k)
    if kind in _STAGES:
        return _STAGES[kind](f, k)
    if kind in GATE_WORDS:
        return f"{f.market('steps', k).name} {GATE_WORDS[kind]}"
    if kind == StepKind.BOUND:
        return "a bound was reached: not a resting place"
    return word_of(kind)


_STAGES = {
    StepKind.TAKEOVER: takeover_line,
    StepKind.DISPOSAL: disposal_line,
    StepKind.PAYMENT: payment_line,
}
_LIQUIDATION = (
    *("side", "tranche", "lots_before", "lots_asked", "lots_filled", "value", "outcome"),
)


def _shock_line(f: Figures, k: int) -> str:
    rows = f.within("orders", (k, k + 1)).tolist()
    if jumps := volatility_lines(f, k):
        return "; ".join(jumps)
    if not rows:
        return f"a new outside price of {f.market('steps', k).name}"
    row = rows[0]
    units = f.market("orders", row)
    verb = "sells" if f.cell("orders", "side", row) == Side.ASK else "buys"
    return f"an outside order {verb} {units.size(f.cell('orders', 'filled', row))}{f.where(units)}"
