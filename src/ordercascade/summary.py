"""One run in numbers: the keys of `Tape.summary()`, each computed from the tape's tables.

Money is in the settlement asset's smallest unit, prices in ticks, sizes in lots. Where a number
needs one market (marks, amplification) it is the main one: the market of the first shock that
traded, else the one with most value liquidated, else the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ordercascade import backed, legs
from ordercascade.contracts import kind_of, worth
from ordercascade.enums import HolderKind, PostReason, Side, StepKind
from ordercascade.handed import distinct, handed_over, paid_by_scopes, rounds, total
from ordercascade.tables import Column, Table

Tables: TypeAlias = Mapping[str, Table]
Meta: TypeAlias = Mapping[str, Any]
Key: TypeAlias = tuple[int, int]  # venue, market
Int64: TypeAlias = npt.NDArray[np.int64]
Rows: TypeAlias = npt.NDArray[np.intp]

FEES = (PostReason.FEE_MAKER, PostReason.FEE_TAKER, PostReason.FEE_LIQUIDATION)
NONE: Rows = np.empty(0, dtype=np.intp)
OUTSIDE = (PostReason.DEPOSIT, PostReason.WITHDRAWAL)


def summarise(tables: Tables, meta: Meta, state_hash: str) -> dict[str, Any]:
    """Return every key of the summary; counts of what did not happen are 0, ratios None.

    steps, rounds (runs of equal round number that wrote a step), generations (the highest one).
    amplification: furthest mark of the main market in the shock's direction, away from its first
        mark, over the distance the first shock's own fills reached alone; both in ticks. None
        without a shock, or if its own fills did not leave the first mark.
    price_move_ppm: last mark against the first, floored.
    r_by_generation: volume of generation g + 1 over that of g, the last one 0. Generation 0 is
        what shocks traded and liquidations without parent filled. In lots; in value where more
        than one market took part. None where the earlier volume is 0.
    fees: all trading and liquidation fees, net of rebates. bad_debt: what nobody paid, >= 0.
    shortfall: fund_paid + vault_paid + socialised + bad_debt + what ADL counterparties lost.
    adl_*, taken_over_*, disposed_*: see `handed`. borne_outside: the equity `external` lost by ADL.
    users_loss: sum over the accounts of the opening of what their equity (all scopes, first marks
        against last ones, deposits and withdrawals left out) fell by; gains do not offset it.
    money_check: per asset, how far the recorded balances (fund, vault, bad debt) are from those
        that follow from the opening and the postings, and opening costs from their clearing: 0.
    """
    s = _Run(tables, meta)
    shocks = s.steps_of("fills", StepKind.SHOCK)
    liquidations = tables["liquidations"]
    ratios = _reproduction(s, shocks)
    known = [r for r in ratios if r is not None]
    main = _main_market(s, shocks)
    paid = {reason: s.posted(reason) for reason in PostReason}
    vault_paid = total(liquidations["paid_vault"])
    unpaid = paid[PostReason.FUND_PAYS] + paid[PostReason.SOCIALISED] + paid[PostReason.BAD_DEBT]
    fund_before, fund_after = _fund(s)
    return {
        "schema": meta["schema"],
        "scenario": meta["name"],
        "seed": meta["seed"],
        "state_hash": state_hash,
        "stop": meta["stop"],
        "steps": len(tables["steps"]),
        "rounds": rounds(tables["steps"]),
        "generations": int(max(tables["steps"]["generation"], default=0)),
        "liquidations": len(liquidations),
        "accounts_liquidated": distinct(liquidations["venue"], liquidations["account"]),
        "lots_liquidated": s.by_market(liquidations, liquidations["lots_filled"]),
        "notional_liquidated": s.by_market(liquidations, liquidations["value"]),
        "market": s.name(main),
        **_prices(s, main),
        "by_market": {s.name(key): _prices(s, key) for key in s.markets},
        "shock_notional": total(s.value("fills")[shocks]),
        "amplification": _amplification(s, main, shocks),
        "r_initial": ratios[0] if ratios else None,
        "r_max": max(known) if known else None,
        "r_by_generation": ratios,
        "fees": sum(paid[reason] for reason in FEES),
        "shortfall": unpaid + vault_paid + total(liquidations["paid_adl"]),
        "fund_before": fund_before,
        "fund_after": fund_after,
        "fund_paid": paid[PostReason.FUND_PAYS],
        "vault_paid": vault_paid,
        **handed_over(tables, s.value("fills")),
        "socialised": paid[PostReason.SOCIALISED],
        "bad_debt": paid[PostReason.BAD_DEBT],
        "borne_outside": _borne_outside(s),
        "users_loss": _users_loss(s),
        "money_check": _money_check(s),
        "bounds_reached": int(np.count_nonzero(tables["steps"]["kind"] == StepKind.BOUND)),
        "wall_s": meta["wall_s"],
        "engine_s": meta["engine_s"],
    }


def losses(tables: Tables, meta: Meta) -> dict[str, Any]:
    """Return those keys of the summary that an ablation compares, and no others."""
    s, sold = _Run(tables, meta), tables["liquidations"]
    return {
        "notional_liquidated": s.by_market(sold, sold["value"]),
        **_prices(s, _main_market(s, s.steps_of("fills", StepKind.SHOCK))),
        "fund_paid": s.posted(PostReason.FUND_PAYS),
        "adl_notional": total(np.abs(tables["adl"]["cost"][s.steps_of("adl", StepKind.ADL)])),
        "bad_debt": s.posted(PostReason.BAD_DEBT),
        "users_loss": _users_loss(s),
    }


class _Run:
    """The tables, with the look-ups that several keys need."""

    def __init__(self, tables: Tables, meta: Meta) -> None:
        self.tables = tables
        self.meta = meta
        self.markets: dict[Key, Mapping[str, Any]] = {
            (m["venue"], m["id"]): m for m in meta["markets"]
        }
        self._rows: dict[str, dict[Key, Rows]] = {}
        self._names = [str(m["name"]) for m in meta["markets"]]
        self._venues = {int(v["id"]): str(v["name"]) for v in meta["venues"]}

    def name(self, key: Key) -> str:
        """Return a market's name, with its venue's before it where two share one."""
        market = self.markets.get(key)
        name = str(key[1]) if market is None else str(market["name"])
        return name if self._names.count(name) < 2 else f"{self._venues.get(key[0], key[0])}:{name}"

    def asset(self, venue: int, asset: int) -> str:
        """Return an asset's name; with several venues its venue's before it."""
        here = [m for k, m in self.markets.items() if k[0] == venue and m["asset"] == asset]
        name = str(here[0]["settle"]) if here else backed.named(self.meta, venue, asset)
        return name if len(self._venues) < 2 else f"{self._venues.get(venue, venue)}:{name}"

    def venue(self, table: str) -> Int64:
        """Return the venue of each row of a table; the opening's, without one, is the first."""
        found = self.tables[table]
        if "venue" in found.columns:
            return found["venue"].astype(np.int64)
        first = min(self._venues, default=0)
        known = np.append(self.tables["steps"]["venue"], first).astype(np.int64)
        return known[found["step"]]  # -1 is the one appended.

    def rows(self, table: str) -> dict[Key, Rows]:
        """Return the rows of a table for each market that has any."""
        if table not in self._rows:
            packed = self.venue(table) << 32 | self.tables[table]["market"]
            self._rows[table] = {
                (int(key) >> 32, int(key) & 0xFFFFFFFF): np.flatnonzero(packed == key)
                for key in np.unique(packed)
            }
        return self._rows[table]

    def per_market(self, table: str, number: Mapping[Key, int]) -> Int64:
        """Return a number of each row's market."""
        filled = np.zeros(len(self.tables[table]), dtype=np.int64)
        for key, rows in self.rows(table).items():
            filled[rows] = number.get(key, 0)
        return filled

    def worth(self, table: str, size: Int64, price: Int64) -> Int64:
        """Return what signed lots of each row's market are worth at a price, row by row."""
        kinds = self.per_market(table, {k: kind_of(m["kind"]) for k, m in self.markets.items()})
        terms = self.per_market(table, {k: m["multiplier"] for k, m in self.markets.items()})
        made = worth(0, terms, size, price)
        return np.where(kinds == 1, worth(1, terms, size, price), made) if kinds.any() else made

    def value(self, table: str) -> Int64:
        found = self.tables[table]
        return np.abs(self.worth(table, -found["size"], found["price"]))

    def handed(self) -> Int64:
        """Return the signed lots of each `adl` row: they cost about what they are worth."""
        lots, cost = self.tables["adl"]["lots"], self.tables["adl"]["cost"]
        return np.where((cost < 0) ^ (self.worth("adl", lots, lots) < 0), -lots, lots)

    def steps_of(self, table: str, kind: StepKind) -> npt.NDArray[np.bool_]:
        """Return which rows belong to a step of a kind; opening rows to none."""
        kinds = np.append(self.tables["steps"]["kind"], -1)
        return np.asarray(kinds[self.tables[table]["step"]] == kind)

    def by_market(self, table: Table, values: Column) -> dict[str, int]:
        found = {self.name(key): 0 for key in self.markets}
        for key, rows in self.rows(table.name).items():
            found[self.name(key)] = total(values[rows])
        return found

    def posted(self, reason: PostReason) -> int:
        postings = self.tables["postings"]
        mine = postings["reason"] == reason
        if reason == PostReason.SOCIALISED:
            mine = paid_by_scopes(self.tables, self.venue("postings"))
        return total(postings["amount"][mine])

    def marks(self, key: Key) -> Int64:
        """Return the marks of a market in time order, the opening's first."""
        marks = self.tables["marks"]
        rows = self.rows("marks").get(key, NONE)
        written = marks["mark"][rows].astype(np.int64)
        if len(rows) and marks["step"][rows[0]] < 0:
            return written
        opening = self._mark_opening(key)
        return written if opening is None else np.concatenate(([opening], written))

    def _mark_opening(self, key: Key) -> int | None:
        """Return the mark at the start: as given, else the opening book's mid, rounded down."""
        given = self.markets.get(key, {}).get("mark")
        if given is not None:
            return int(given)
        levels = self.tables["levels"]
        rows = slice(0, int(np.searchsorted(levels["step"], 0)))
        here = (levels["market"][rows] == key[1]) & (self.venue("levels")[rows] == key[0])
        here &= levels["size_after"][rows] > 0
        price, side = levels["price"][rows][here], levels["side"][rows][here]
        bids, asks = price[side == Side.BID], price[side == Side.ASK]
        return int(bids.max() + asks.min()) // 2 if len(bids) and len(asks) else None


def _main_market(s: _Run, shocks: npt.NDArray[np.bool_]) -> Key:
    fills, steps, liquidations = s.tables["fills"], s.tables["steps"], s.tables["liquidations"]
    for row in np.flatnonzero(shocks)[:1]:
        return int(fills["venue"][row]), int(fills["market"][row])
    for row in np.flatnonzero((steps["kind"] == StepKind.SHOCK) & (steps["market"] >= 0))[:1]:
        return int(steps["venue"][row]), int(steps["market"][row])
    value = liquidations["value"]
    sums = {key: total(value[rows]) for key, rows in s.rows("liquidations").items()}
    if sums:
        return max(sums, key=lambda key: sums[key])
    return next(iter(s.markets), (0, 0))


def _prices(s: _Run, key: Key) -> dict[str, int | None]:
    marks = s.marks(key)
    fills = s.rows("fills").get(key)
    last = int(s.tables["fills"]["price"][fills[-1]]) if fills is not None else None
    if not len(marks):
        names = ("first_mark", "last_mark", "lowest_mark", "highest_mark")
        return {**dict.fromkeys(names), "last_price": last, "price_move_ppm": None}
    first = int(marks[0])
    return {
        "first_mark": first,
        "last_mark": int(marks[-1]),
        "lowest_mark": int(marks.min()),
        "highest_mark": int(marks.max()),
        "last_price": last,
        "price_move_ppm": (int(marks[-1]) - first) * 10**6 // first,
    }


def _amplification(s: _Run, key: Key, shocks: npt.NDArray[np.bool_]) -> float | None:
    fills, marks = s.tables["fills"], s.marks(key)
    here = shocks & (fills["market"] == key[1]) & (fills["venue"] == key[0])
    if not here.any() or not len(marks):
        return None
    first = fills["step"][here][0]
    own = fills["price"][here & (fills["step"] == first)]
    sign = 1 if fills["taker_side"][here][0] == Side.BID else -1
    alone = int((sign * (own - marks[0])).max())
    return int((sign * (marks - marks[0])).max()) / alone if alone > 0 else None


def _reproduction(s: _Run, shocks: npt.NDArray[np.bool_]) -> list[float | None]:
    liquidations, fills = s.tables["liquidations"], s.tables["fills"]
    taking = {key for key in s.rows("liquidations")}
    taking |= {key for key, rows in s.rows("fills").items() if shocks[rows].any()}
    lots = len(taking) < 2
    filled = liquidations["lots_filled" if lots else "value"]
    shocked = (fills["size"] if lots else s.value("fills"))[shocks]
    if not len(filled) and not len(shocked):
        return []
    generation = s.tables["steps"]["generation"][liquidations["step"]]
    volumes = [total(filled[generation == g]) for g in range(max(generation, default=0) + 1)]
    volumes[0] += total(shocked)
    later = [*volumes[1:], 0] if volumes[-1] else volumes[1:]
    return [b / a if a else None for a, b in zip(volumes, later, strict=False)]


def _fund(s: _Run) -> tuple[int, int]:
    """Return what the insurance funds own at the opening and at the end."""
    accounts, postings = s.tables["accounts"], s.tables["postings"]
    mine = accounts["kind"] == HolderKind.FUND
    holders = accounts["venue"].astype(np.int64)[mine] << 32 | accounts["scope"][mine]
    before = total(accounts["collateral"][mine])
    venue = s.venue("postings") << 32
    into = np.isin(venue | postings["to_holder"], holders)
    out = np.isin(venue | postings["from_holder"], holders)
    amount = postings["amount"]
    return before, before + total(amount[into]) - total(amount[out])


def _borne_outside(s: _Run) -> int:
    """Return what `external` lost by taking over positions: their cost less their value then."""
    adl, accounts, marks = s.tables["adl"], s.tables["accounts"], s.tables["marks"]
    outside = accounts["kind"] == HolderKind.EXTERNAL
    holders = accounts["venue"].astype(np.int64)[outside] << 32 | accounts["scope"][outside]
    taken = np.isin(s.venue("adl") << 32 | adl["scope_to"], holders)
    lost = 0
    for key, rows in s.rows("adl").items():
        rows = rows[taken[rows]]
        written = s.rows("marks").get(key, NONE)
        at = np.searchsorted(marks["step"][written], adl["step"][rows], side="right")
        then = np.append(s.marks(key), 0)
        mark = then[np.maximum(at + len(then) - len(written) - 2, 0)]
        market = s.markets[key]
        value = worth(kind_of(market["kind"]), market["multiplier"], s.handed()[rows], mark)
        lost += total(adl["cost"][rows] - value)
    return lost


class _Equity:
    """What each account of the opening gained, cell by cell; sums wrap, differences are exact."""

    def __init__(self, s: _Run) -> None:
        accounts = s.tables["accounts"]
        self._s = s
        mine = accounts["kind"] == HolderKind.SCOPE
        venue = accounts["venue"].astype(np.int64)[mine] << 32
        self._accounts = np.unique(venue | accounts["account"][mine])
        self._scopes = venue | accounts["scope"][mine]
        order = np.argsort(self._scopes)
        self._owner = np.searchsorted(self._accounts, (venue | accounts["account"][mine])[order])
        self._scopes = self._scopes[order]
        self.gained = np.zeros(len(self._accounts), dtype=np.int64)

    def to_scopes(self, table: str, column: str, amount: Int64) -> None:
        """Add to the accounts that own the scopes in a column of a table; others are left out."""
        key = self._s.venue(table) << 32 | self._s.tables[table][column]
        self._add(key, self._scopes, self._owner, amount)

    def to_accounts(self, column: str, amount: Int64) -> None:
        key = legs.owners(self._s.tables, self._s.venue("fills"), self._s.tables["fills"][column])
        self._add(key, self._accounts, np.arange(len(self._accounts)), amount)

    def _add(self, key: Int64, known: Int64, owner: Int64, amount: Int64) -> None:
        at = np.searchsorted(known, key)
        at[at == len(known)] = 0
        hit = known[at] == key if len(known) else np.zeros(len(key), dtype=bool)
        np.add.at(self.gained, owner[at[hit]], amount[hit])


def _users_loss(s: _Run) -> int:
    """Follow every account's equity at the last marks; realising moves money, not equity."""
    fills, adl, postings = s.tables["fills"], s.tables["adl"], s.tables["postings"]
    positions, equity = s.tables["positions"], _Equity(s)
    ends = {key: s.marks(key) for key in s.markets}
    first = {key: int(marks[0]) for key, marks in ends.items() if len(marks)}
    last = {key: int(marks[-1]) for key, marks in ends.items() if len(marks)}
    for marks, sign in ((last, 1), (first, -1)):
        held = s.worth("positions", positions["size"], s.per_market("positions", marks))
        equity.to_scopes("positions", "scope", sign * held)
    bought = np.where(fills["taker_side"] == Side.BID, fills["size"], -fills["size"])
    bought = backed.positions(s.tables, bought)
    gain = s.worth("fills", bought, s.per_market("fills", last))
    gain -= s.worth("fills", bought, fills["price"])
    equity.to_accounts("taker_account", gain)
    equity.to_accounts("maker_account", -gain)
    handed = s.worth("adl", s.handed(), s.per_market("adl", last)) - adl["cost"]
    equity.to_scopes("adl", "scope_to", handed)
    equity.to_scopes("adl", "scope_from", -handed)
    amount = np.where(np.isin(postings["reason"], (PostReason.REALISE, *OUTSIDE)), 0, 1)
    amount = backed.moved(s.tables, s.meta, amount * postings["amount"])
    equity.to_scopes("accounts", "scope", backed.opening_gain(s.tables, s.meta))
    equity.to_scopes("postings", "to_holder", amount)
    equity.to_scopes("postings", "from_holder", -amount)
    return -total(equity.gained[equity.gained < 0])


def _money_check(s: _Run) -> dict[str, int]:
    """Return per asset what does not add up: recorded balances, and costs against clearing."""
    accounts, funds, positions = s.tables["accounts"], s.tables["funds"], s.tables["positions"]
    off: dict[str, int] = {}
    holder = s.venue("funds") << 32 | funds["holder"]
    for key in np.unique(holder):
        rows = np.flatnonzero(holder == key)
        wrong = total(np.abs(funds["balance"][rows] - _balances(s, int(key), funds["step"][rows])))
        asset = s.asset(int(key) >> 32, int(funds["asset"][rows[0]]))
        off[asset] = off.get(asset, 0) + wrong
    clearing = accounts["kind"] == HolderKind.CLEARING
    for venue, market in s.markets:
        mine = clearing & (accounts["venue"] == venue) & (accounts["market"] == market)
        held = (positions["venue"] == venue) & (positions["market"] == market)
        wrong = total(accounts["collateral"][mine]) + total(positions["cost"][held])
        asset = s.asset(venue, s.markets[venue, market]["asset"])
        off[asset] = off.get(asset, 0) + abs(wrong)
    return off


def _balances(s: _Run, key: int, steps: Column) -> Int64:
    """Return what a holder owns after each of some steps, from its opening and the postings."""
    accounts, postings = s.tables["accounts"], s.tables["postings"]
    mine = (accounts["venue"].astype(np.int64) << 32 | accounts["scope"]) == key
    venue = s.venue("postings") << 32
    moved = np.where((venue | postings["to_holder"]) == key, postings["amount"], 0)
    moved -= np.where((venue | postings["from_holder"]) == key, postings["amount"], 0)
    balance = np.cumsum(np.concatenate(([total(accounts["collateral"][mine])], moved)))
    return balance[np.searchsorted(postings["step"], steps, side="right")]
