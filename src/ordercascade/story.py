"""The story of a tape in words: who was liquidated when, what it ate, what it cost, why it ended.

Every number comes from the tape's tables; nothing is estimated. A pure function of a Tape.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from ordercascade import calling, inheritance
from ordercascade.enums import HolderKind, OrderType, Outcome, PostReason, Side, StepKind
from ordercascade.figures import Figures, Pair, Rows, Units, gate_lines, plural, read, seconds, some
from ordercascade.outcome import emptied_lines, ending_lines
from ordercascade.tables import OUTSIDE_KINDS

if TYPE_CHECKING:
    from ordercascade.tape import Tape

CASCADES_TOLD = 12  # the largest settlements; the others are summed up
NOBODY = "nobody is liquidated"
NAMED = 4  # outside events, counterparties, waiting accounts named one by one
PAYERS = {
    "paid_fund": "insurance fund",
    "paid_vault": "vault",
    "paid_adl": "ADL counterparties",
    "paid_socialised": "socialised among winners",
    "paid_bad_debt": "bad debt",
}
MOVES = {
    PostReason.DEPOSIT: "deposit",
    PostReason.WITHDRAWAL: "withdrawal",
    PostReason.TRANSFER: "transfer between scopes",
}


def tell(tape: Tape, *, top: int = 3) -> str:
    """Return the whole story; of each generation the `top` largest liquidations in full."""
    f = read(tape)
    spans = list(settlements(f))
    heavy = {span: inheritance.weight(f, span) for span in spans}
    loud = [span for span in spans if inheritance.fell(f, span)]
    told = set(sorted(loud, key=lambda span: -heavy[span])[:CASCADES_TOLD])
    lines = _opening(f)
    quiet: list[Pair] = []
    for span in spans:
        if span not in told:
            quiet.append(span)
            continue
        lines += [*_between(f, quiet), *_cascade(f, span, top)]
        quiet = []
    head, *ending = ending_lines(f)
    ends = [f"  {line}" for line in calling.end_lines(f)]
    return "\n".join([*lines, *_between(f, quiet), "", head, *ends, *ending])


def settlements(f: Figures) -> Iterator[Pair]:
    """Yield the row ranges of the step table that are one settlement each, in order."""
    rounds, time = f.column("steps", "round"), f.column("steps", "time_ns")
    if not len(rounds):
        return
    earlier = rounds[1:] < rounds[:-1]
    again = (rounds[1:] == 0) & (rounds[:-1] == 0) & (time[1:] != time[:-1])
    edges = [0, *(np.flatnonzero(earlier | again) + 1).tolist(), len(rounds)]
    yield from pairwise(edges)


def _opening(f: Figures) -> list[str]:
    """Say what stood before the first step."""
    kind = np.array(
        [
            f.owner.get(key, (HolderKind.EXTERNAL, 0))[0]
            for key in zip(*_lists(f, "positions", "venue", "scope"), strict=True)
        ],
        dtype=np.int64,
    )
    venue, market = f.column("positions", "venue"), f.column("positions", "market")
    size = f.column("positions", "size")
    about = f.tape.meta.get("about", "")
    lines = [f"{f.tape.meta['name']}{': ' if about else ''}{about}"]
    for (v, m), units in f.units.items():
        here = (kind == HolderKind.SCOPE) & (venue == v) & (market == m)
        sides = []
        for side, mine in (("long", here & (size > 0)), ("short", here & (size < 0))):
            if mine.any():
                count = plural(int(mine.sum()), f"{side} position")
                sides.append(f"{count} of {units.size(size[mine].sum())}")
        book = [f"best {name} {units.price(p)}" for name, p in _best(f, v, m)]
        lines.append(f"{units.name}: {'; '.join([*sides, *book]) or 'no positions'}")
    return lines


def _best(f: Figures, venue: int, market: int) -> list[tuple[str, int]]:
    """Return the best prices of a market's opening book."""
    opening = f.column("levels", "step") < 0
    here = (
        opening & (f.column("levels", "market") == market) & (f.column("levels", "size_after") > 0)
    )
    if len({v for v, _ in f.units}) > 1 or not here.any():
        return []  # The opening rows do not say their venue.
    side, price = f.column("levels", "side")[here], f.column("levels", "price")[here]
    bids, asks = price[side == Side.BID], price[side == Side.ASK]
    best = [("bid", int(bids.max()))] if len(bids) else []
    return [*best, *([("ask", int(asks.min()))] if len(asks) else [])]


def _lists(f: Figures, table: str, *columns: str) -> list[list[int]]:
    return [f.column(table, column).tolist() for column in columns]


def _between(f: Figures, spans: Sequence[Pair]) -> list[str]:
    """Tell of settlements not told at length; a few quiet ones still show their events."""
    if not spans:
        return []
    rows = np.concatenate([f.within("liquidations", span) for span in spans])
    if not len(rows) and len(spans) <= NAMED:
        quiet: list[str] = []
        for span in spans:
            quiet += ["", *_outside(f, span), *calling.call_lines(f, span)]
            quiet += calling.netting_lines(f, span)
            quiet += [*inheritance.kept(f, span), *(emptied_lines(f, span)[1:] or [NOBODY])]
        return quiet
    count = sum(len(_outside_steps(f, span)) for span in spans)
    what = f"... {plural(count, 'outside event')} at {plural(len(spans), 'time')}"
    sums = [_sums(f, rows) if len(rows) else NOBODY]
    sums += [text for text in [inheritance.sold_again(f, spans)] if text]
    return ["", f"{what}: {'; '.join(sums)}"]


def _cascade(f: Figures, span: Pair, top: int) -> list[str]:
    """Tell one settlement: what set it off, then generation by generation."""
    rows = f.within("liquidations", span)
    generation = f.column("steps", "generation")[f.column("liquidations", "step")[rows]]
    lines = ["", *_outside(f, span), *calling.call_lines(f, span), *gate_lines(f, span)]
    lines += [*calling.netting_lines(f, span), *inheritance.kept(f, span)]
    for g in np.unique(generation).tolist():
        lines += ["", *_generation(f, span, rows[generation == g], g, top)]
    return [*lines, *inheritance.outright(f, span), *emptied_lines(f, span)]


# What came from outside.


def _outside_steps(f: Figures, span: Pair) -> list[int]:
    kinds = f.column("steps", "kind")[slice(*span)]
    return (np.flatnonzero(np.isin(kinds, OUTSIDE_KINDS)) + span[0]).tolist()


def _outside(f: Figures, span: Pair) -> list[str]:
    steps = _outside_steps(f, span)
    lines = [line for step in steps[:NAMED] for line in _event(f, step)]
    if len(steps) > NAMED:
        lines.append(f"... and {plural(len(steps) - NAMED, 'more outside event')}")
    if not steps:
        rows = f.within("liquidations", span)
        again = len(rows) and f.cell("liquidations", "tranche", int(rows[0])) > 1
        why = "a liquidation that had to wait goes on" if again else "nothing from outside"
        lines.append(f"t = {seconds(f.cell('steps', 'time_ns', span[0]))}: {why}")
    return lines


def _event(f: Figures, step: int) -> list[str]:
    """Tell one outside event: its orders, its money, what it did to the mark."""
    head = f"t = {seconds(f.cell('steps', 'time_ns', step))}, step {step}:"
    venue = f.venue(step)
    if f.cell("steps", "kind", step) == StepKind.AGENTS and (
        answer := calling.answer_line(f, step)
    ):
        return [f"{head} {answer}", *_marked(f, step)]
    lines = []
    for row in f.within("orders", (step, step + 1)).tolist():
        lines += _order(f, venue, row, head)
    for row in f.within("postings", (step, step + 1)).tolist():
        reason = PostReason(f.cell("postings", "reason", row))
        if reason in MOVES:
            end = "from_holder" if reason == PostReason.WITHDRAWAL else "to_holder"
            who = f.who(venue, f.cell("postings", end, row))
            unit = f.asset(venue, f.cell("postings", "asset", row))
            amount = unit.money(f.cell("postings", "amount", row))
            lines.append(f"{head} {MOVES[reason]} of {amount}, {who}")
    jumps = calling.volatility_lines(f, step)
    lines += [f"{head} {line}" for line in jumps]
    if f.cell("steps", "cause_market", step) >= 0 and not jumps:
        lines.append(
            f"{head} a new outside price of {f.market('steps', step).name}{_index(f, step)}"
        )
    lines += [f"{head} {line}" for line in inheritance.jump_lines(f, step)]
    ends = calling.expiry_line(f, step) or "an event without an order"
    return [*(lines or [f"{head} {ends}"]), *_marked(f, step)]


def _index(f: Figures, step: int) -> str:
    """Return the new index price where the tape recorded it."""
    rows = f.within("marks", (step, step + 1))
    return "".join(
        f": {f.market('marks', row).price(f.cell('marks', 'index', row))}"
        for row in rows.tolist()[:1]
    )


def _order(f: Figures, venue: int, row: int, head: str) -> list[str]:
    units, side = f.market("orders", row), f.cell("orders", "side", row)
    account = f.cell("orders", "account", row)
    who = "an outside order" if account == 0 else f.account(venue, account)
    kind = OrderType(f.cell("orders", "type", row))
    if kind in (OrderType.CANCEL, OrderType.AMEND):
        return [f"{head} {who} {kind.name.lower()}s an order in {units.name}"]
    price = f.cell("orders", "price", row)
    size, filled = (f.cell("orders", name, row) for name in ("size", "filled"))
    limit = f" at {units.price(price)} or better" if kind == OrderType.LIMIT and price > 0 else ""
    verb = "sells" if side == Side.ASK else "buys"
    lines = [f"{head} {who} {verb} {units.size(size)}{f.where(units)}{limit}"]
    if filled:
        part = "" if filled == size else f"{units.size(filled)} filled; "
        lines.append(f"    {part}{f.levels(f.cell('orders', 'step', row), units, side=side)}")
    elif size:
        lines.append("    nothing filled")
    return lines


def _marked(f: Figures, step: int) -> list[str]:
    """Say which marks a step moved: the mark rows whose parent it is."""
    kinds, parents = f.column("steps", "kind"), f.column("steps", "parent")
    moved = np.flatnonzero((kinds == StepKind.MARK) & (parents == step)).tolist()
    return [f"    {_move(f, moved)}"] if moved else []


def _move(f: Figures, mark_steps: Sequence[int]) -> str:
    """Return from where to where these mark steps took each market."""
    texts = []
    for venue, market in dict.fromkeys(
        (f.venue(k), f.cell("steps", "market", k)) for k in mark_steps
    ):
        mine = [k for k in mark_steps if f.cell("steps", "market", k) == market]
        before, after = f.mark(venue, market, mine[0] - 1), f.mark(venue, market, mine[-1])
        units = f.units[venue, market]
        texts.append(f"{units.name} mark {units.move(before, after)}")
    return "; ".join(texts)


# Generations and liquidations.


def _generation(f: Figures, span: Pair, rows: Rows, g: int, top: int) -> list[str]:
    """Tell one generation: its sums, its largest orders, and what the others came to."""
    steps = f.column("steps", "generation")[slice(*span)] == g
    steps &= f.column("steps", "kind")[slice(*span)] == StepKind.MARK
    moved = (np.flatnonzero(steps) + span[0]).tolist()
    lines = [f"Generation {g}: {_sums(f, rows)}", *([f"    {_move(f, moved)}"] if moved else [])]
    weight = f.column("liquidations", "value")[rows]
    largest = np.sort(np.argsort(-weight, kind="stable")[:top])
    for row in rows[largest].tolist():
        lines += _liquidation(f, span, row)
    if len(rows) > top:
        lines.append(f"  ... and {_sums(f, np.delete(rows, largest), more=True)}")
    return lines


def _sums(f: Figures, rows: Rows, *, more: bool = False) -> str:
    """Sum up liquidation rows: accounts, and for each market and side lots and value."""
    columns = ("venue", "market", "side", "scope", "lots_filled", "value", "lots_asked")
    venue, market, side, scope, lots, value, asked = (
        f.column("liquidations", name)[rows] for name in columns
    )
    scopes = len(np.unique(venue << 32 | scope))
    texts = [f"{len(rows):,} more" if more else f"{plural(scopes, 'account')} liquidated"]
    if not more and len(rows) > scopes:
        texts[0] += f" with {len(rows):,} orders"
    for (v, m), units in f.units.items():
        for s in (Side.ASK, Side.BID):
            mine = (venue == v) & (market == m) & (side == s)
            if not mine.any():
                continue
            verb = "sold" if s == Side.ASK else "bought back"
            text = f"{units.size(lots[mine].sum())} {verb} for {units.money(value[mine].sum())}"
            left = int((asked - lots)[mine].sum())
            texts.append(text + (f" ({units.size(left)} unfilled)" if left else ""))
    fee = int(f.column("liquidations", "fee")[rows].sum())
    owed = int(f.column("liquidations", "shortfall")[rows].sum())
    money = f.settled(int(venue[0])).money
    texts += [f"fees {money(fee)}"] if fee else []
    return ", ".join([*texts, *([f"shortfall {money(owed)}"] if owed else [])])


def _liquidation(f: Figures, span: Pair, row: int) -> list[str]:
    """Tell one liquidation order in full."""
    at = {name: f.cell("liquidations", name, row) for name in f.tape.liquidations.columns}
    units, step = f.market("liquidations", row), at["step"]
    long = at["side"] == Side.ASK
    who = f.who(at["venue"], at["scope"])
    trigger = at["trigger_price"]
    reached = f"liquidation price {units.price(trigger)}, " if trigger > 0 else ""
    lines = [
        f"  {who}, {'long' if long else 'short'} {units.size(at['lots_before'])}{f.where(units)}"
        f" (step {step}, round {f.cell('steps', 'round', step)}, {_cause(f, step)})",
        f"    {reached}mark {units.price(at['mark_before'])}:"
        f" {'sells' if long else 'buys back'} {_asked(units, at)}",
    ]
    if at["lots_filled"]:
        average = units.average(at["value"], at["lots_filled"])
        lines.append(f"    {f.levels(step, units, side=at['side'])}; on average {average}")
    lines += [f"    {text}" for text in _cost(f, span, row, at, units)]
    if at["mark_after"] != at["mark_before"]:
        lines.append(f"    mark {units.move(at['mark_before'], at['mark_after'])}")
    return lines


def _asked(units: Units, at: Mapping[str, int]) -> str:
    """Say how much the order was for, and what it found."""
    before, asked, filled = (at[name] for name in ("lots_before", "lots_asked", "lots_filled"))
    text = units.size(asked)
    if asked < before:
        text += f" of {units.number(before)} (tranche {at['tranche']})"
    if at["limit_price"] > 0:
        better = "higher" if at["side"] == Side.ASK else "lower"
        text += f" at {units.price(at['limit_price'])} or {better}"
    if filled == asked:
        return text
    return f"{text}; {units.size(filled) if filled else 'nothing'} filled"


def _cause(f: Figures, step: int) -> str:
    """Name the step that made the scope liquidatable."""
    parent = f.cell("steps", "parent", step)
    if parent < 0:
        return "no step before it is to blame"
    kind = StepKind(f.cell("steps", "kind", parent))
    scope = f.cell("steps", "scope", parent)
    if kind == StepKind.LIQUIDATION:
        return f"set off by {f.who(f.venue(parent), scope)} in step {parent}"
    if kind in (StepKind.SHOCK, StepKind.AGENTS):
        return f"set off by the outside event of step {parent}"
    return f"set off by step {parent}, {kind.name.lower().replace('_', ' ')}"


def _cost(f: Figures, span: Pair, row: int, at: Mapping[str, int], units: Units) -> list[str]:
    """Say what the order cost the account, and who paid what it could not."""
    outcome, money = Outcome(at["outcome"]), units.money
    left = at["lots_before"] - at["lots_filled"]
    text = f"equity {money(at['equity_before'])} → {money(at['equity_after'])}"
    text += f" after a fee of {money(at['fee'])}" if at["fee"] else ""
    if outcome == Outcome.HEALTHY:
        text += f"; healthy again, {units.size(left) if left else 'other positions'} left"
    elif outcome == Outcome.PENDING:
        text += f"; {units.size(left)} wait for another order"
    lines = [text]
    if at["shortfall"]:
        paid = [f"{name} {money(at[key])}" for key, name in PAYERS.items() if at[key]]
        lines.append(f"shortfall {money(at['shortfall'])}, borne by: {', '.join(paid)}")
    elif at["paid_adl"] < 0:
        lines.append(f"ADL counterparties receive {money(-at['paid_adl'])}")
    if outcome == Outcome.TAKEN_OVER:
        step = at["step"]
        return lines + inheritance.handed_over(f, (step, _until(f, span, row, at)), at["scope"])
    handed = _deleveraged(f, span, row, at)
    if handed and outcome == Outcome.PENDING:
        lines.append("before that order comes it is below zero, and is deleveraged")
    return lines + handed


def _until(f: Figures, span: Pair, row: int, at: Mapping[str, int]) -> int:
    """Return the step before which what happens to a scope follows this order of it."""
    scope, later = f.column("liquidations", "scope"), slice(row + 1, None)
    again = np.flatnonzero(scope[later] == at["scope"])
    until = f.cell("liquidations", "step", row + 1 + int(again[0])) if len(again) else span[1]
    return min(until, span[1])


def _deleveraged(f: Figures, span: Pair, row: int, at: Mapping[str, int]) -> list[str]:
    """Name those who had to take the scope's lots after this order."""
    rows = inheritance.deleveraged(f, (at["step"], _until(f, span, row, at)))
    rows = rows[f.column("adl", "scope_from")[rows] == at["scope"]]
    lines = []
    for market in np.unique(f.column("adl", "market")[rows]).tolist():
        mine = rows[f.column("adl", "market")[rows] == market]
        units = f.units[at["venue"], market]
        lots, cost = (int(f.column("adl", name)[mine].sum()) for name in ("lots", "cost"))
        takers = [
            f"{f.who(at['venue'], f.cell('adl', 'scope_to', r))}"
            f" {units.number(f.cell('adl', 'lots', r))}"
            for r in mine.tolist()
        ]
        lines.append(
            f"ADL: {units.size(lots)} handed over at {units.average(abs(cost), lots)}"
            f" on average, to {some(takers, most=NAMED)}"
        )
    return lines
