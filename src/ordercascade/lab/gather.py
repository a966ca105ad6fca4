"""What the standalone page needs of a tape: text once, and columns of whole numbers.

The page does no arithmetic on money: it adds lots, and looks things up by step. Its positions run
from 0 (the opening) to the number of steps, as people count them.
"""

from __future__ import annotations

import base64
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ordercascade.enums import HolderKind, StepKind
from ordercascade.errors import InputError
from ordercascade.figures import Figures, read, seconds
from ordercascade.lab.player import JUMPS, Player
from ordercascade.lab.sums import records
from ordercascade.lab.words import word_of

if TYPE_CHECKING:
    from ordercascade.tape import Tape

Int64: TypeAlias = npt.NDArray[np.int64]
Packed: TypeAlias = dict[str, Any]

STEPS_MAX = 100_000
INTEGERS = (("i1", 2**7), ("i2", 2**15), ("i4", 2**31))


def pack(values: npt.NDArray[Any]) -> Packed:
    """Return whole numbers as base64 of the smallest little-endian type, by differences if less.

    From 2^31 on as doubles: exact below 2^53, and beyond that the page shows 15 digits.
    """
    plain = np.asarray(values, dtype=np.int64)
    steps = np.diff(plain, prepend=np.int64(0))
    kind, other = _kind(plain), _kind(steps)
    differences = int(other[1]) < int(kind[1]) and other != "f8"
    shown, kind = (steps, other) if differences else (plain, kind)
    text = base64.b64encode(shown.astype(f"<{kind}").tobytes()).decode("ascii")
    return {"type": kind, "diff": differences, "data": text}


def _kind(values: Int64) -> str:
    low, high = (int(values.min()), int(values.max())) if len(values) else (0, 0)
    return next((kind for kind, end in INTEGERS if -end <= low and high < end), "f8")


def gather(tape: Tape, chosen: str | None = None, *, must: bool = True) -> dict[str, Any]:
    """Return one market of a tape as plain values that JSON can hold: `chosen`, or the main one.

    InputError where the chosen one is not there; with `must=False` that is the main one too.
    """
    if len(tape) > STEPS_MAX:
        raise InputError("tape", len(tape), f"must have at most {STEPS_MAX:,} steps for a page")
    player = Player(tape)
    markets = player.markets
    if chosen is not None and chosen not in markets and must:
        raise InputError("market", chosen, f"must be one of {', '.join(markets)}")
    if chosen in markets:
        player = Player(tape, venue=markets[chosen][0], market=markets[chosen][1])
    f, units = read(tape), player.units
    venue, market = player.venue, player.market
    price, lots = player.due
    return {
        "name": player.name,
        "about": str(tape.meta.get("about", "")),
        "seed": int(tape.meta["seed"]),
        "hash": tape.state_hash(),
        "market": player.market_name,
        "base": units.base,
        "settle": f.settled(venue).settle,
        "tick": float(units.tick),
        "lot": float(units.lot),
        "units": {
            "tick": _exact(units.tick),
            "lot": _exact(units.lot),
            "cash": _exact(f.settled(venue).cash),
        },
        "multiplier": _multiplier(tape, venue, market),
        "count": len(tape),
        "reach": [list(map(int, player.reach.ticks(zoom))) for zoom in (True, False)],
        "due": [pack(_whole(price, units.tick)), pack(_whole(lots, units.lot))],
        "steps": _steps(player, f),
        "levels": _levels(tape, venue, market),
        "path": _path(tape, venue, market),
        "money": _money(tape, f, venue, market),
        "scopes": _scopes(player, f),
        "volumes": _volumes(tape, f) | {"fallen": pack(player.falls.steps + 1)},
        "stops": {word: pack(_stops(player, word) + 1) for word in JUMPS},
    }


def _multiplier(tape: Tape, venue: int, market: int) -> int:
    """Return how many smallest units a lot is worth at one tick."""
    where = {"venue": venue, "id": market}
    return next(int(m["multiplier"]) for m in tape.markets if where.items() <= m.items())


def _exact(unit: Decimal) -> list[int]:
    """Return a unit as mantissa and decimals: 0.25 is [25, 2]."""
    places = max(0, -int(unit.as_tuple().exponent))
    return [int(unit.scaleb(places)), places]


def _whole(values: npt.NDArray[np.float64], unit: Any) -> Int64:
    return np.rint(values / float(unit)).astype(np.int64)


def _steps(player: Player, f: Figures) -> dict[str, Any]:
    """Return what each step says of itself, in words and numbers."""
    count = player.count
    column = {name: f.column("steps", name) for name in ("kind", "generation", "parent", "scope")}
    times, time = np.unique(f.column("steps", "time_ns"), return_inverse=True)
    venue = f.column("steps", "venue")
    holders, holder = np.unique(venue << 32 | (column["scope"] & 0xFFFFFFFF), return_inverse=True)
    who = [(int(key) >> 32, _signed(int(key))) for key in holders]
    eaten = np.zeros(count, dtype=np.int64)
    eaten[f.column("liquidations", "step")] = f.column("liquidations", "levels_eaten")
    marks = np.array([f.mark(player.venue, player.market, k) for k in range(-1, count)])
    return {
        "lines": [player.line(k) for k in range(count)],
        "kinds": {int(kind): word_of(kind) for kind in StepKind},
        "kind": pack(column["kind"]),
        "generation": pack(column["generation"]),
        "parent": pack(column["parent"] + 1),
        "scope": pack(np.where(venue == player.venue, column["scope"], -1)),
        "quiet": int(StepKind.MARK),
        "falls": int(StepKind.LIQUIDATION),
        "names": [f.who(*each) for each in who],
        "margins": [player.margin(*each) for each in who],
        "who": pack(np.where(column["scope"] < 0, -1, holder.ravel())),
        "times": [seconds(int(ns)) for ns in times],
        "time": pack(time.ravel()),
        "eaten": pack(eaten),
        "mark": pack(marks),
    }


def _signed(key: int) -> int:
    scope = key & 0xFFFFFFFF
    return scope - 2**32 if scope >= 2**31 else scope


def _levels(tape: Tape, venue: int, market: int) -> dict[str, Any]:
    """Return the opening book, and by step what changed and what was traded away.

    A level is named by its place: bids first, then asks, prices rising.
    """
    opening = tape.frame(-1, venue=venue, market=market, nearest=0)
    levels, fills = tape.levels, tape.fills
    of_step = tape.steps["venue"].astype(np.int64)
    here = np.flatnonzero((levels["market"] == market) & (levels["step"] >= 0))
    here = here[of_step[levels["step"][here]] == venue]
    mine = np.flatnonzero((fills["market"] == market) & (fills["venue"] == venue))
    mine = mine[fills["step"][mine] >= 0]
    side = [(np.full(len(b), s), b[:, 0]) for s, b in ((0, opening.bids), (1, opening.asks))]
    key = [s.astype(np.int64) << 32 | price for s, price in side]
    change = levels["side"][here].astype(np.int64) << 32 | levels["price"][here]
    trade = (1 - fills["taker_side"][mine].astype(np.int64)) << 32 | fills["price"][mine]
    known = np.unique(np.concatenate([*key, change, trade]))
    size = np.zeros(len(known), dtype=np.int64)
    for each, book in zip(key, (opening.bids, opening.asks), strict=True):
        size[np.searchsorted(known, each)] = book[:, 1]
    step, place, after = _last_of_step(
        levels["step"][here].astype(np.int64),
        np.searchsorted(known, change),
        levels["size_after"][here],
    )
    eaten = fills["step"][mine].astype(np.int64) * len(known) + np.searchsorted(known, trade)
    eaten, back = np.unique(eaten, return_inverse=True)
    lots = np.zeros(len(eaten), dtype=np.int64)
    np.add.at(lots, back.ravel(), fills["size"][mine])
    return {
        "bids": int(np.searchsorted(known, 1 << 32)),
        "price": pack(known & 0xFFFFFFFF),
        "size": pack(size),
        "changes": [pack(step + 1), pack(place), pack(after)],
        "trades": [
            pack(eaten // max(1, len(known)) + 1),
            pack(eaten % max(1, len(known))),
            pack(lots),
        ],
    }


def _last_of_step(step: Int64, place: Int64, after: Int64) -> tuple[Int64, Int64, Int64]:
    """Keep the last word on each level in each step."""
    key = step << 32 | place
    _, last = np.unique(key[::-1], return_index=True)
    keep = len(key) - 1 - last
    return step[keep], place[keep].astype(np.int64), after[keep].astype(np.int64)


def _path(tape: Tape, venue: int, market: int) -> dict[str, Any]:
    """Return the prices in ticks by step; 0 where there is none."""
    marks = tape.marks
    rows = np.flatnonzero((marks["venue"] == venue) & (marks["market"] == market))
    found = {name: pack(marks[name][rows]) for name in ("mark", "index", "last")}
    return {"step": pack(marks["step"][rows].astype(np.int64) + 1), **found}


def _money(tape: Tape, f: Figures, venue: int, market: int) -> dict[str, Any]:
    """Return by position what fund and bad debt are, and what ADL has handed over, in lots."""
    count = len(tape)
    adl = np.zeros(count + 1, dtype=np.int64)
    table = tape.adl
    mine = (table["market"] == market) & (table["step"] >= 0)
    mine &= tape.steps["venue"][np.maximum(table["step"], 0)] == venue if count else False
    mine &= tape.steps["kind"][np.maximum(table["step"], 0)] == StepKind.ADL if count else False
    np.add.at(adl, table["step"][mine] + 1, table["lots"][mine])
    return {
        "fund": pack(_balance(tape, f, venue, HolderKind.FUND)),
        "debt": pack(-_balance(tape, f, venue, HolderKind.BAD_DEBT)),
        "adl": pack(np.cumsum(adl)),
    }


def _balance(tape: Tape, f: Figures, venue: int, kind: HolderKind) -> Int64:
    """Return the sum of a kind's balances at each position."""
    accounts, funds = tape.tables["accounts"], tape.funds
    steps = np.arange(-1, len(tape))
    total = np.zeros(len(steps), dtype=np.int64)
    for row in np.flatnonzero((accounts["venue"] == venue) & (accounts["kind"] == kind)):
        mine = (funds["venue"] == venue) & (funds["holder"] == accounts["scope"][row])
        known = np.concatenate(([accounts["collateral"][row]], funds["balance"][mine]))
        total += known[np.searchsorted(funds["step"][mine], steps, side="right")]
    return total


def _scopes(player: Player, f: Figures) -> dict[str, Any]:
    """Return the records of the users' scopes in the order they were written."""
    tape, venue = player.tape, player.venue
    scopes, keep = tape.scopes, records(f, venue)
    ids, place = np.unique(scopes["scope"][keep], return_inverse=True)
    return {
        "id": pack(ids),
        "names": [f.who(venue, int(scope)) for scope in ids],
        "margin": [player.margin(venue, int(scope)) for scope in ids],
        "step": pack(scopes["step"][keep].astype(np.int64) + 1),
        "place": pack(place.ravel()),
        "equity": pack(scopes["equity"][keep]),
        "maintenance": pack(scopes["maintenance"][keep]),
    }


def _volumes(tape: Tape, f: Figures) -> dict[str, Any]:
    """Return the volume of liquidations and of orders from outside, as `Tape.summary()` counts it.

    In lots; in value where more than one market takes part.
    """
    fills, kinds = f.column("fills", "step"), f.column("steps", "kind")
    outside = np.flatnonzero(fills >= 0)
    outside = outside[kinds[fills[outside]] == StepKind.SHOCK]
    step = f.column("liquidations", "step")
    took: set[tuple[int, int]] = set()
    for table, rows in (("liquidations", slice(None)), ("fills", outside)):
        where = (f.column(table, name)[rows].tolist() for name in ("venue", "market"))
        took |= set(zip(*where, strict=True))
    volume, size = f.column("liquidations", "lots_filled"), f.column("fills", "size")[outside]
    if len(took) > 1:
        volume = f.column("liquidations", "value")
        where = (f.column("fills", name)[outside].tolist() for name in ("venue", "market"))
        by = {(int(m["venue"]), int(m["id"])): int(m["multiplier"]) for m in tape.markets}
        each = np.array([by[key] for key in zip(*where, strict=True)], dtype=np.int64)
        size = size * f.column("fills", "price")[outside] * each
    steps, back = np.unique(fills[outside], return_inverse=True)
    sums = np.zeros(len(steps), dtype=np.int64)
    np.add.at(sums, back.ravel(), size)
    return {
        "fell": pack(step + 1),
        "volume": pack(volume),
        "lots": pack(f.column("liquidations", "lots_filled")),
        "outside": pack(steps + 1),
        "first": pack(sums),
    }


def _stops(player: Player, to: Any) -> Int64:
    """Return the steps that a jump lands on."""
    found, k = [], -1
    while (stop := player.jump(k, to)) > k:
        found.append(stop)
        k = stop
    return np.array(found, dtype=np.int64)
