"""Where a run stopped, why, who is next in line, and what it all cost: from a tape alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ordercascade import inheritance, legs
from ordercascade.contracts import kind_of, worth
from ordercascade.enums import HolderKind, Outcome, PostReason, Side, StepKind, Stop
from ordercascade.figures import Figures, Pair, percent, plural, read, seconds, some

if TYPE_CHECKING:
    from ordercascade.tape import Tape

WAITING_NAMED = EMPTIED_TOLD = 4
RECORDED = 50  # scopes near liquidation that the engine records a round
PPM = 10**6


@dataclass(frozen=True)
class Next:
    """A scope that still holds a position, and how far it is from liquidation."""

    scope: int
    size: int
    ratio_ppm: int
    price: int | None  # its liquidation price, other marks standing; None where unknown


def ending(tape: Tape) -> str:
    """Return where the run stopped and why, who is next in line, and what it cost."""
    return "\n".join(ending_lines(read(tape)))


def ending_lines(f: Figures) -> list[str]:
    lines = ["Where it stopped, and why"]
    for (venue, market), units in f.units.items():
        p = f.prices(venue, market)
        if p["first_mark"] is None or p["last_mark"] is None:
            continue
        text = f"  {units.name}: mark {units.move(p['first_mark'], p['last_mark'])}"
        text += f", lowest {units.price(p['lowest_mark'])}"
        text += f", highest {units.price(p['highest_mark'])}"
        last = p["last_price"]
        lines.append(text + (f", last trade {units.price(last)}" if last else ", no trade"))
    return [*lines, *(f"  {text}" for text in [*_reason(f), *_bill(f)])]


# Why it stopped.


def _reason(f: Figures) -> Iterator[str]:
    stop = Stop(int(f.tape.meta["stop"] or 0))
    when = _when(f)
    if stop == Stop.NOBODY_AT_RISK:
        yield f"{when}nobody is at risk any more: no account left is liquidatable at its mark"
        yield from _next_in_line(f)
    elif stop == Stop.NOTHING_TO_FILL:
        yield f"{when}there is nothing left to trade against: {_waiting(f)}"
        yield from _book_left(f)
    elif stop == Stop.NO_ORDER:
        yield f"{when}accounts are still at risk, but no order is sent for them{_unasked(f)}"
        yield "The policy plans no lots of theirs, or a breaker or a spent window lets none through"
    elif stop == Stop.ROUND_BOUND:
        yield f"{when}round_max was reached, not a resting place: {_waiting(f)}"
    elif stop == Stop.STEP_BOUND:
        yield f"{when}steps_max was reached, not a resting place: {_waiting(f)}"
    else:
        yield f"{when}the run was paused; it can go on"


def _when(f: Figures) -> str:
    steps = len(f.column("steps", "step"))
    if not steps:
        return "Before the first step "
    time, round_ = (f.cell("steps", name, steps - 1) for name in ("time_ns", "round"))
    return f"After step {steps - 1} (t = {seconds(time)}, round {round_}) "


def _waiting(f: Figures) -> str:
    """Name the scopes whose last liquidation order left lots unsold."""
    names = ("step", "venue", "scope", "market", "outcome", "lots_before", "lots_filled")
    last: dict[Pair, dict[int, int]] = {}
    latest: dict[Pair, int] = {}
    for step, v, scope, market, outcome, before, filled in zip(
        *(f.column("liquidations", name).tolist() for name in names), strict=True
    ):
        latest[v, scope] = step
        lots = last.setdefault((v, scope), {})
        lots[market] = before - filled
        if outcome != Outcome.PENDING:
            del last[v, scope]
    for row in inheritance.taken_over(f, (0, len(f.column("steps", "step")))).tolist():
        # Taken over later: nothing of it waits.
        scope, step = f.cell("adl", "scope_from", row), f.cell("adl", "step", row)
        if step > latest.get((f.venue(step), scope), step):
            last.pop((f.venue(step), scope), None)
    if not last:
        return "no liquidation waits"
    texts = [
        f"{f.who(v, scope)} ("
        + ", ".join(f.units[v, m].size(n) for m, n in lots.items() if n)
        + ")"
        for (v, scope), lots in last.items()
    ]
    return (
        f"{plural(len(last), 'account')} still to be liquidated: {some(texts, most=WAITING_NAMED)}"
    )


def _unasked(f: Figures) -> str:
    """Name the scopes that the last records show at or below their maintenance."""
    if len({venue for venue, _ in f.units}) != 1:
        return ""  # The scopes table does not say whose scope it is.
    venue = next(iter(f.units))[0]
    names = ("step", "scope", "equity", "maintenance")
    last = len(f.column("steps", "step")) - 1
    found = {
        scope: equity <= maintenance
        for step, scope, equity, maintenance in zip(
            *(f.column("scopes", name).tolist() for name in names), strict=True
        )
        if step == last
    }
    mine = [f.who(venue, scope) for scope, risky in found.items() if risky]
    return f": {some(mine, most=WAITING_NAMED)}" if mine else ""


def _book_left(f: Figures) -> Iterator[str]:
    """Say what the last recorded best prices were."""
    for (venue, market), units in f.units.items():
        rows = f.mark_rows(venue, market)
        if len(rows):
            bid, ask = (f.cell("marks", name, int(rows[-1])) for name in ("best_bid", "best_ask"))
            sides = [
                f"best {n} {units.price(p) if p else 'none'}"
                for n, p in (("bid", bid), ("ask", ask))
            ]
            yield f"{units.name} book when the mark last moved: {', '.join(sides)}"


# Who is next.


def _next_in_line(f: Figures) -> Iterator[str]:
    if len({venue for venue, _ in f.units}) != 1:
        return  # The scopes table does not say whose scope it is.
    if legs.hedged(f.tape.tables):
        yield "Accounts in hedge mode have two legs a market: who is next is not told"
        return
    for (venue, market), units in f.units.items():
        sizes = positions(f, venue, market)
        if not any(n for k, n in sizes.items() if _is_scope(f, venue, k)):
            yield f"No account holds a position in {units.name} any more"
            continue
        found, whole = next_in_line(f, venue, market, sizes)
        among = "" if whole else f", of the {RECORDED} accounts nearest to their margin,"
        for side, mine in (
            ("below", [n for n in found if n.size > 0]),
            ("above", [n for n in found if n.size < 0]),
        ):
            if mine:
                yield _nearest(f, venue, market, f"{side}{among}", mine)


def _nearest(f: Figures, venue: int, market: int, side: str, mine: Sequence[Next]) -> str:
    """Name the scope with the nearest liquidation price, or where unknown the lowest ratio."""
    units, mark = f.units[venue, market], f.mark(venue, market, len(f.column("steps", "step")))
    priced = [(abs(n.price - mark), n.scope, n) for n in mine if n.price is not None]
    n = min(priced)[2] if priced else min(mine, key=lambda n: n.ratio_ppm)
    who = f"{f.who(venue, n.scope)}, {'long' if n.size > 0 else 'short'} {units.size(n.size)}"
    who += f.where(units)
    if n.price is None:
        return f"Next in line {side} is {who}: margin ratio {n.ratio_ppm / PPM:.3f}"
    away = percent(abs(n.price - mark), mark).removeprefix("+")
    return f"The next liquidation price {side} is {units.price(n.price)}, {away} away: {who}"


def next_in_line(
    f: Figures, venue: int, market: int, sizes: Mapping[int, int]
) -> tuple[list[Next], bool]:
    """Return the open scopes of a market that the last step's records name.

    True with it if they are all there are: the engine records the nearest ones only.
    """
    step = f.column("scopes", "step")
    rows = np.flatnonzero(step == len(f.column("steps", "step")) - 1)
    latest = {f.cell("scopes", "scope", row): row for row in rows.tolist()}
    found = []
    for scope, row in latest.items():
        size = sizes.get(scope, 0)
        equity, maintenance = (f.cell("scopes", n, row) for n in ("equity", "maintenance"))
        if size and equity >= maintenance:
            price = _liquidation_price(f, venue, market, size, equity - maintenance)
            found.append(Next(scope, size, f.cell("scopes", "ratio_ppm", row), price))
    return found, len(latest) < RECORDED


def _is_scope(f: Figures, venue: int, holder: int) -> bool:
    return f.owner.get((venue, holder), (HolderKind.EXTERNAL, 0))[0] == HolderKind.SCOPE


def positions(f: Figures, venue: int, market: int) -> dict[int, int]:
    """Return the scopes' sizes at the end, by scope: opening, trades and ADL together."""
    sizes = _opening_sizes(f, venue, market)
    apart = {  # accounts whose position in this market is isolated, with its scope
        account: scope
        for v, scope, account, kind, where in _accounts(f)
        if v == venue and kind == HolderKind.SCOPE and where == market
    }
    cross = {
        account: scope
        for v, scope, account, kind, where in _accounts(f)
        if v == venue and kind == HolderKind.SCOPE and where < 0
    }
    for account, lots in _traded(f, venue, market).items():
        scope = apart.get(account, cross.get(account, -1))
        sizes[scope] = sizes.get(scope, 0) + lots
    for row in np.flatnonzero(f.column("adl", "market") == market).tolist():
        source, target, lots = (f.cell("adl", n, row) for n in ("scope_from", "scope_to", "lots"))
        if f.venue(f.cell("adl", "step", row)) == venue:
            lots = lots if sizes.get(source, 0) > 0 else -lots
            sizes[source] = sizes.get(source, 0) - lots
            sizes[target] = sizes.get(target, 0) + lots
    ended = np.flatnonzero(f.column("steps", "kind") == StepKind.EXPIRY)
    # What expired is flat, and a market that expired takes no more orders.
    ends = {(f.venue(k), f.cell("steps", "market", k)) for k in ended.tolist()}
    return {} if (venue, market) in ends else sizes


def _accounts(f: Figures) -> Iterator[tuple[int, ...]]:
    names = ("venue", "scope", "account", "kind", "market")
    return zip(*(f.column("accounts", name).tolist() for name in names), strict=True)


def _opening_sizes(f: Figures, venue: int, market: int) -> dict[int, int]:
    here = f.column("positions", "venue") == venue
    here &= f.column("positions", "market") == market
    scope, size = (f.column("positions", name)[here].tolist() for name in ("scope", "size"))
    return dict(zip(scope, size, strict=True))


def _traded(f: Figures, venue: int, market: int) -> dict[int, int]:
    """Return what each account bought, less what it sold."""
    here = f.column("fills", "venue") == venue
    here &= f.column("fills", "market") == market
    side = f.column("fills", "taker_side")[here]
    size = f.column("fills", "size")[here] * np.where(side == Side.BID, 1, -1)
    taker, maker = (f.column("fills", f"{who}_account")[here] for who in ("taker", "maker"))
    accounts, place = np.unique(np.concatenate([taker, maker]), return_inverse=True)
    net = np.zeros(len(accounts), dtype=np.int64)
    np.add.at(net, place, np.concatenate([size, -size]))
    return dict(zip(accounts.tolist(), net.tolist(), strict=True))


def _liquidation_price(f: Figures, venue: int, market: int, size: int, slack: int) -> int | None:
    """Return the tick nearest to the mark at which a scope with this slack is liquidatable.

    Other marks stand. None where the tape does not carry the market's brackets, or no tick does it.
    """
    found = next(m for m in f.tape.markets if (m["venue"], m["id"]) == (venue, market))
    if "brackets" not in found:
        return None
    brackets = [tuple(row) for row in found["brackets"]]
    strict = bool({v["id"]: v for v in f.tape.venues}[venue].get("trigger_strict", True))
    m, mark = int(found["multiplier"]), f.mark(venue, market, len(f.column("steps", "step")))
    value = partial(worth, kind_of(str(found["kind"])), m, size)
    here = value(mark) - _maintenance(brackets, abs(value(mark)))

    def falls(tick: int) -> bool:
        left = slack + value(tick) - _maintenance(brackets, abs(value(tick))) - here
        return left < 0 or (left == 0 and not strict)

    far = 1 if size > 0 else int(found["price_max"])
    if not falls(far):
        return None
    near = mark
    while abs(far - near) > 1:
        middle = (far + near) // 2
        far, near = (middle, near) if falls(middle) else (far, middle)
    return far


def _maintenance(brackets: list[tuple[int, ...]], value: int) -> int:
    """max(0, ceil(value * rate) - amount) of the value's bracket, floors inclusive."""
    row = [bracket for bracket in brackets if bracket[0] <= value][-1:] or brackets[:1]
    _, rate, amount = row[0][:3]
    return max(0, -(-value * rate // PPM) - amount)


# What it cost.


def _bill(f: Figures) -> Iterator[str]:
    """Sum up: volume, who bore the losses, how far it went beyond the first order."""
    s = f.summary
    money = f.settled(min((v for v, _ in f.units), default=0)).money if f.units else str
    sold = [
        f"{units.size(lots)} for {units.money(value)}"
        for units, lots, value in zip(
            f.units.values(),
            s["lots_liquidated"].values(),
            s["notional_liquidated"].values(),
            strict=True,
        )
        if lots
    ]
    count = plural(s["accounts_liquidated"], "account")
    orders = plural(s["liquidations"], "order")
    volume = f": {', '.join(sold)}" if sold else ""
    yield f"Liquidated: {count} with {orders} in {plural(s['generations'], 'generation')}{volume}"
    yield from inheritance.bill(f)
    yield f"Losses of all accounts that lost: {money(s['users_loss'])}; fees {money(s['fees'])}"
    yield f"Shortfall {money(s['shortfall'])}{_borne(s, money)}"
    yield f"Insurance fund {money(s['fund_before'])} → {money(s['fund_after'])}"
    if s["amplification"] is not None:
        yield (
            f"The price went {s['amplification']:.2f} times as far as the first outside order"
            " took it alone"
        )
    if s["r_by_generation"]:
        ratios = ", ".join("-" if r is None else f"{r:.2f}" for r in s["r_by_generation"])
        yield f"Volume of each generation over the one before: {ratios}"


def _borne(s: Mapping[str, Any], money: Any) -> str:
    """Say who bore the shortfall."""
    parts = {
        "insurance fund": s["fund_paid"],
        "vault": s["vault_paid"],
        "socialised": s["socialised"],
        "bad debt": s["bad_debt"],
    }
    parts["ADL counterparties"] = s["shortfall"] - sum(parts.values())
    texts = [f"{name} {money(amount)}" for name, amount in parts.items() if amount]
    return f", borne by: {', '.join(texts)}" if texts else ""


def _handed_over(f: Figures, step: int) -> str:
    """Say which lots of a scope that sent no order an ADL step gave to whom."""
    rows = f.within("adl", (step, step + 1)).tolist()
    venue, units = f.venue(step), f.market("adl", rows[0])
    lots = units.size(sum(f.cell("adl", "lots", row) for row in rows))
    takers = some([f.who(venue, f.cell("adl", "scope_to", row)) for row in rows], most=4)
    who = f.who(venue, f.cell("steps", "scope", step))
    return f"step {step}: {lots}{f.where(units)} of {who} go to {takers} by ADL, without an order"


def emptied_lines(f: Figures, span: Pair) -> list[str]:
    """Tell of scopes that sent no order of their own: handed over, or below zero through ADL."""
    kinds = f.column("steps", "kind")[slice(*span)]
    ordered = set(f.column("liquidations", "scope")[f.within("liquidations", span)].tolist())
    lines = [
        _handed_over(f, step)
        for step in (np.flatnonzero(kinds == StepKind.ADL) + span[0]).tolist()
        if f.cell("steps", "scope", step) not in ordered and len(f.within("adl", (step, step + 1)))
    ]
    for step in (np.flatnonzero(kinds == StepKind.WATERFALL) + span[0]).tolist():
        scope = f.cell("steps", "scope", step)
        if scope in ordered:
            continue
        rows = f.within("postings", (step, step + 1))
        venue = f.venue(step)
        paid = [
            f"{PostReason(f.cell('postings', 'reason', r)).name.lower().replace('_', ' ')}"
            f" {f.settled(venue).money(f.cell('postings', 'amount', r))}"
            for r in rows.tolist()
        ]
        lines.append(f"step {step}: {f.who(venue, scope)} is left below zero: {', '.join(paid)}")
    if len(lines) > EMPTIED_TOLD:
        lines[EMPTIED_TOLD:] = [f"... and {len(lines) - EMPTIED_TOLD:,} more accounts below zero"]
    return ["", *lines] if lines else []
