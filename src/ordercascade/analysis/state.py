"""What stands where after a step of a tape: books, marks, positions, money; whole numbers, numpy.

Everything is folded from the tape's rows (opening, levels, fills, adl, postings), without the
engine, so a saved tape is enough. A scenario is taken at its opening: it is built, not run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ordercascade.analysis.firstlegs import first_leg
from ordercascade.analysis.margins import Margin, margin_of
from ordercascade.contracts import kind_of, worth
from ordercascade.enums import HolderKind, MarketKind, PostReason, PriceSource, Side
from ordercascade.errors import InputError, InputTypeError
from ordercascade.exact import PPM
from ordercascade.legs import hedged
from ordercascade.margin import trigger_price
from ordercascade.run import World
from ordercascade.scenario import Scenario
from ordercascade.tape import Tape

Ints: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]
Key: TypeAlias = tuple[int, int]  # venue, market

DOWN, UP = -1, 1


@dataclass(frozen=True, eq=False)
class Desk:
    """A market as it stands: units, mark in ticks, resting lots by price, best price first."""

    key: Key
    name: str
    tick: float  # of a tick, in people's money
    lot: float
    cash: float  # of the smallest settlement unit
    settle: str
    kind: MarketKind
    multiplier: int
    weight_ppm: int  # of the own book in the mark; the rest is the outside price's
    index: int  # the outside price in ticks, 0 without one
    remembers: bool  # the mark is smoothed, delayed or clamped
    mark: int
    bids: tuple[Ints, Ints]  # prices falling, lots
    asks: tuple[Ints, Ints]  # prices rising, lots
    margin: Margin

    @property
    def weight(self) -> float:
        """The own book's weight in the mark, in [0, 1]: it multiplies R."""
        return self.weight_ppm / PPM

    def marked(self, last: int) -> int:
        """Return the mark once the last trade is at a price: by weight, halves up. SEMANTICS §3."""
        outside = 2 * (PPM - self.weight_ppm) * self.index
        return max(1, (2 * self.weight_ppm * last + outside + PPM) // (2 * PPM))

    def rests(self, way: int) -> tuple[Ints, Ints]:
        """Return what a move `way` (DOWN, UP) has to eat."""
        return self.bids if way == DOWN else self.asks

    def value(self, size: Ints, price: int) -> Ints:
        """Return the value of positions at a price. SEMANTICS §1."""
        return worth(self.kind, self.multiplier, size, price)


@dataclass(frozen=True, eq=False, repr=False)
class State:
    """Markets, and one row a user's position; `trigger` is in ticks, 0 where no tick does it.

    `market` counts in `desks`. `trigger` is the tick nearest to safety at which the position's
    scope is liquidatable, all other marks standing: exact, for cross scopes too. SEMANTICS §3.
    """

    step: int
    desks: tuple[Desk, ...]
    leg: tuple[int, ...]  # LegRule of each desk's venue
    scope: Ints  # venue << 32 | scope
    account: Ints
    market: Ints
    size: Ints
    cost: Ints
    trigger: Ints
    gain: Ints  # value less cost, at the mark
    maintenance: Ints  # of the position
    equity: Ints  # of its scope
    required: Ints  # maintenance of its scope
    collateral: Ints  # of its scope

    def __repr__(self) -> str:
        return f"<State after step {self.step}: {len(self.size):,} positions>"

    def first_leg(self) -> npt.NDArray[np.intp]:
        """Return for each row the row of the leg that its scope's first order would close.

        By the venue's rule at the present marks and books; ties by market. Where every leg gets an
        order (`pro_rata`), the row itself.
        """
        return first_leg(self)


def tape_of(source: Tape | Scenario, field: str = "source") -> Tape:
    """Return a tape as it is; of a scenario its opening, a tape without steps."""
    if isinstance(source, Tape):
        return source
    if isinstance(source, Scenario):
        with World(source) as world:
            return world.tape()
    hint = "oc.run(scenario) makes a tape, Tape.load(path) reads one"
    raise InputTypeError(field, "a Tape or a Scenario", type(source).__name__, hint=hint)


def state(source: Tape | Scenario, *, step: int = -1) -> State:
    """Return what stands after a step of a tape (-1: the opening), or at a scenario's opening."""
    tape = tape_of(source)
    if not -1 <= step < len(tape.steps):
        raise InputError("step", step, f"must be in [-1, {len(tape.steps)})")
    return Fold(tape).to(step)


class Fold:
    """Goes through a tape once, forwards; `to(step)` says what stands after a step."""

    def __init__(self, tape: Tape) -> None:
        if not tape.markets:
            raise InputTypeError("source", "a Tape or Scenario with a market", "one without")
        if hedged(tape.tables):
            rule = "must have no account in hedge mode: legs are not followed here yet"
            raise InputError("source", str(tape.meta["name"]), rule)
        if any("collaterals" in venue for venue in tape.meta["venues"]):
            name = str(tape.meta["name"])
            rule = "must not have collaterals yet: equities here are of money and positions alone"
            raise InputError("source", name, rule)
        if any("portfolio" in venue for venue in tape.meta["venues"]):
            rule = "must not have portfolio margin yet: what it asks is no sum over markets"
            raise InputError("source", str(tape.meta["name"]), rule)
        self._tape = tape
        self._step = -2
        self._keys: list[Key] = [(int(m["venue"]), int(m["id"])) for m in tape.markets]
        self._margins = [margin_of(tape, market) for market in tape.markets]
        self._venue = np.append(tape.steps["venue"], 0).astype(np.int64)
        self._read_books()
        self._read_accounts()
        self._marks = np.zeros(len(self._keys), dtype=np.int64)
        self._indices = np.zeros(len(self._keys), dtype=np.int64)

    def to(self, step: int) -> State:
        """Return what stands after a step, which must not lie before the last one asked for."""
        if step < self._step:
            raise InputError("step", step, f"must not go back behind {self._step}")
        span = self._step, step
        before = np.sign(self._size)
        self._levels(span)
        self._fills(span)
        self._handed(span, before)
        self._postings(span)
        self._mark(span)
        self._step = step
        return self._state()

    # Reading the opening.

    def _read_books(self) -> None:
        """Give every price that ever rests a place of its own: (market, side), then price."""
        levels = self._tape.levels
        place = self._places(self._venue[levels["step"]], levels["market"])
        packed = (place * 2 + levels["side"]) << 40 | levels["price"].astype(np.int64)
        self._shelf, self._at = np.unique(packed, return_inverse=True)
        self._rest = np.zeros(len(self._shelf), dtype=np.int64)

    def _places(self, venue: Ints, market: npt.NDArray[Any]) -> Ints:
        """Return the place of each row's market in the list, -1 for none."""
        found = np.full(len(venue), -1, dtype=np.int64)
        for index, (v, m) in enumerate(self._keys):
            found[(venue == v) & (market == m)] = index
        return found

    def _read_accounts(self) -> None:
        """Lay out a cell for every (scope of a user, market) that can ever hold a position."""
        table = self._tape.tables["accounts"]
        mine = table["kind"] == HolderKind.SCOPE
        venue = table["venue"].astype(np.int64)[mine]
        scope = venue << 32 | table["scope"][mine]
        order = np.argsort(scope)
        self._scopes, self._owner = scope[order], table["account"][mine][order].astype(np.int64)
        self._money = table["collateral"][mine][order].astype(np.int64)
        self._size = np.zeros((len(self._keys), len(self._scopes)), dtype=np.int64)
        self._cost = np.zeros_like(self._size)
        held = self._tape.tables["positions"]
        at, known = self._find(held["venue"].astype(np.int64) << 32 | held["scope"])
        place = self._places(held["venue"].astype(np.int64), held["market"])
        np.add.at(self._size, (place[known], at[known]), held["size"][known])
        np.add.at(self._cost, (place[known], at[known]), held["cost"][known])
        own = table["market"][mine][order]
        # Of an account's scopes, the isolated one of a market stands before the cross one.
        self._home: dict[int, tuple[Ints, Ints]] = {}
        for index, (v, m) in enumerate(self._keys):
            here = (self._scopes >> 32 == v) & ((own == -1) | (own == m))
            rows = np.flatnonzero(here)
            rows = rows[np.lexsort((own[rows] == -1, self._owner[rows]))]
            accounts, first = np.unique(self._owner[rows], return_index=True)
            self._home[index] = accounts, rows[first]
        clearing = table["kind"] == HolderKind.CLEARING
        self._clearing = dict(
            zip(
                (table["venue"].astype(np.int64) << 32 | table["scope"])[clearing].tolist(),
                self._places(
                    table["venue"].astype(np.int64)[clearing], table["market"][clearing]
                ).tolist(),
                strict=True,
            )
        )

    def _find(self, scope: Ints) -> tuple[Ints, npt.NDArray[np.bool_]]:
        """Return the place of each scope, and whether it is a user's."""
        if not len(self._scopes):
            return np.zeros(len(scope), dtype=np.int64), np.zeros(len(scope), dtype=bool)
        at = np.minimum(np.searchsorted(self._scopes, scope), len(self._scopes) - 1)
        return at, self._scopes[at] == scope

    # Going on.

    def _rows(self, table: str, span: tuple[int, int]) -> slice:
        step = self._tape.tables[table]["step"]
        low, high = np.searchsorted(step, [span[0] + 1, span[1] + 1])
        return slice(int(low), int(high))

    def _levels(self, span: tuple[int, int]) -> None:
        rows = self._rows("levels", span)
        # Of equal places numpy keeps the last one: the newest size.
        self._rest[self._at[rows]] = self._tape.levels["size_after"][rows]

    def _fills(self, span: tuple[int, int]) -> None:
        fills, rows = self._tape.fills, self._rows("fills", span)
        place = self._places(fills["venue"][rows].astype(np.int64), fills["market"][rows])
        price, size = fills["price"][rows].astype(np.int64), fills["size"][rows].astype(np.int64)
        bought = np.where(fills["taker_side"][rows] == Side.BID, size, -size)
        for index, market in enumerate(self._tape.markets):
            here = place == index
            m = int(market["multiplier"])
            if market["kind"] == "inverse":
                paid = -np.sign(bought[here]) * (size[here] * m // price[here])
            else:
                paid = bought[here] * price[here] * m
            accounts, homes = self._home[index]
            for who, sign in (("taker_account", 1), ("maker_account", -1)):
                owner = fills[who][rows][here]
                at = np.minimum(np.searchsorted(accounts, owner), max(0, len(accounts) - 1))
                known = accounts[at] == owner if len(accounts) else np.zeros(len(owner), bool)
                np.add.at(self._size[index], homes[at[known]], sign * bought[here][known])
                np.add.at(self._cost[index], homes[at[known]], sign * paid[known])

    def _handed(self, span: tuple[int, int], before: Ints) -> None:
        """Lots that changed hands outside the book: ADL and takeovers.

        Their side is that of who gave them away; where he held nothing before, that of their cost.
        """
        adl, rows = self._tape.adl, self._rows("adl", span)
        venue = self._venue[adl["step"][rows]]
        place = self._places(venue, adl["market"][rows])
        cost, lots = adl["cost"][rows].astype(np.int64), adl["lots"][rows].astype(np.int64)
        # Of a linear contract longs cost more than 0, of an inverse one shorts do.
        inverse = np.array([m["kind"] == "inverse" for m in self._tape.markets] + [False])[place]
        sign = np.where((cost < 0) ^ inverse, -1, 1)
        at, known = self._find(venue << 32 | adl["scope_from"][rows])
        known &= place >= 0
        own = np.zeros_like(sign)
        own[known] = before[place[known], at[known]]
        lots = lots * np.where(own != 0, own, sign)
        for column, way in (("scope_from", -1), ("scope_to", 1)):
            at, known = self._find(venue << 32 | adl[column][rows])
            known &= place >= 0
            np.add.at(self._size, (place[known], at[known]), way * lots[known])
            np.add.at(self._cost, (place[known], at[known]), way * cost[known])

    def _postings(self, span: tuple[int, int]) -> None:
        posted, rows = self._tape.postings, self._rows("postings", span)
        venue = self._venue[posted["step"][rows]] << 32
        amount = posted["amount"][rows].astype(np.int64)
        for column, sign in (("from_holder", -1), ("to_holder", 1)):
            at, known = self._find(venue | posted[column][rows])
            np.add.at(self._money, at[known], sign * amount[known])
        # Realising moves money and cost alike: what a scope is paid, its cost grows by.
        paid = posted["reason"][rows] == PostReason.REALISE
        for holder, index in self._clearing.items():
            here = paid & ((venue | posted["from_holder"][rows]) == holder)
            at, known = self._find((venue | posted["to_holder"][rows])[here])
            np.add.at(self._cost[index], at[known], amount[here][known])

    def _mark(self, span: tuple[int, int]) -> None:
        marks, rows = self._tape.marks, self._rows("marks", span)
        place = self._places(marks["venue"][rows].astype(np.int64), marks["market"][rows])
        self._marks[place] = marks["mark"][rows]
        self._indices[place] = marks["index"][rows]

    # What stands now.

    def _state(self) -> State:
        desks = tuple(self._desk(index) for index in range(len(self._keys)))
        market, at = np.nonzero(self._size)
        size, cost = self._size[market, at], self._cost[market, at]
        equity, required = self._money.copy(), np.zeros_like(self._money)
        gained, needed = np.zeros_like(size), np.zeros_like(size)
        for index, desk in enumerate(desks):
            rows = market == index
            if not rows.any() or desk.mark < 1:
                continue
            gained[rows] = desk.value(size[rows], desk.mark) - cost[rows]
            needed[rows] = desk.margin.need(size[rows], cost[rows], desk.mark)
        np.add.at(equity, at, gained)
        np.add.at(required, at, needed)
        trigger = np.zeros_like(size)
        for index, desk in enumerate(desks):
            rows = market == index
            if rows.any() and desk.mark >= 1:
                trigger[rows] = trigger_price(
                    desk.margin.schedule,
                    size[rows],
                    cost[rows],
                    self._money[at[rows]],
                    other_equity=(equity[at] - self._money[at] - gained)[rows],
                    other_maintenance=(required[at] - needed)[rows],
                )
        return State(
            step=self._step,
            desks=desks,
            leg=tuple(_leg(self._tape, venue) for venue, _ in self._keys),
            scope=self._scopes[at],
            account=self._owner[at],
            market=market.astype(np.int64),
            size=size,
            cost=cost,
            trigger=trigger,
            gain=gained,
            maintenance=needed,
            equity=equity[at],
            required=required[at],
            collateral=self._money[at],
        )

    def _desk(self, index: int) -> Desk:
        market = self._tape.markets[index]
        sides = []
        for side in (Side.BID, Side.ASK):
            low, high = np.searchsorted(
                self._shelf, [(index * 2 + side) << 40, (index * 2 + side + 1) << 40]
            )
            lots = self._rest[low:high]
            price = self._shelf[low:high] & (2**40 - 1)
            price, lots = price[lots > 0], lots[lots > 0].copy()
            sides.append((price[::-1], lots[::-1]) if side == Side.BID else (price, lots))
        mark = int(self._marks[index]) or _middle(*sides)
        outside = int(self._indices[index])
        weight = int(market.get("own_weight_ppm", PPM)) if outside else PPM
        if outside and market.get("source") == PriceSource.INDEX:
            weight = 0
        names = [m["name"] for m in self._tape.markets]
        venues = {int(v["id"]): str(v["name"]) for v in self._tape.venues}
        name = str(market["name"])
        if names.count(name) > 1:
            name = f"{venues.get(self._keys[index][0], self._keys[index][0])}:{name}"
        return Desk(
            key=self._keys[index],
            name=name,
            tick=float(market["tick_size"]),
            lot=float(market["lot_size"]),
            cash=10.0 ** -int(market["decimals"]),
            settle=str(market["settle"]),
            kind=kind_of(market["kind"]),
            multiplier=int(market["multiplier"]),
            weight_ppm=weight,
            index=outside,
            remembers="oracle" in market,
            mark=mark,
            bids=sides[0],
            asks=sides[1],
            margin=self._margins[index],
        )


def _middle(bids: tuple[Ints, Ints], asks: tuple[Ints, Ints]) -> int:
    """Return the middle of a book, its only side's best price, or 0."""
    tops = [int(side[0][0]) for side in (bids, asks) if len(side[0])]
    return sum(tops) // len(tops) if tops else 0


def _leg(tape: Tape, venue: int) -> int:
    found = next((v for v in tape.venues if v["id"] == venue), {})
    return int(found.get("rules", {}).get("leg", 0))
