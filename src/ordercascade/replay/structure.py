"""First of all: does every row point at something that is there? Whole columns at a time.

What replays a tape follows ids without a look; it is not started on a tape that fails here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ordercascade.enums import HolderKind, NoteKind, Outcome, PostReason, StepKind
from ordercascade.legs import hedged, owners
from ordercascade.replay.findings import Findings
from ordercascade.tables import Table

Int64: TypeAlias = npt.NDArray[np.int64]
Mask: TypeAlias = npt.NDArray[np.bool_]

SHOCK, MARK, LIQUIDATION = StepKind.SHOCK, StepKind.MARK, StepKind.LIQUIDATION
WATERFALL, ADL = StepKind.WATERFALL, StepKind.ADL
AGENTS, BOUND, FUNDING = StepKind.AGENTS, StepKind.BOUND, StepKind.FUNDING
TAKEOVER, DISPOSAL, PAYMENT = StepKind.TAKEOVER, StepKind.DISPOSAL, StepKind.PAYMENT
AUCTION = StepKind.AUCTION
MARGIN_CALL, EXPIRY, NETTING = StepKind.MARGIN_CALL, StepKind.EXPIRY, StepKind.NETTING
GATES = (StepKind.HALT, StepKind.RESUME, StepKind.RATES, AUCTION)
ORDERED = (SHOCK, LIQUIDATION, AGENTS, DISPOSAL, AUCTION)  # kinds of step that may send an order
TAKERS = (HolderKind.FUND, HolderKind.VAULT)
PER_ASSET = (
    HolderKind.EXTERNAL,
    HolderKind.FUND,
    HolderKind.VAULT,
    HolderKind.FEES,
    HolderKind.BAD_DEBT,
)


def check_structure(tables: Mapping[str, Table], findings: Findings) -> bool:
    """Judge every id of every table; say if the tape can be played."""
    judge = _Judge(tables, findings)
    judge.accounts()
    if not findings.failed:  # The others look holders up.
        judge.steps()
        judge.opening()
        judge.trades()
        judge.losses()
        judge.recorded()
    return not findings.failed


class _Judge:
    """The tables and who there is. A key is (venue, id) in one number."""

    def __init__(self, tables: Mapping[str, Table], findings: Findings) -> None:
        self.tables, self.findings = tables, findings
        accounts = tables["accounts"]
        self.venue, self.holder = _wide(accounts["venue"]), _wide(accounts["scope"])
        self.kind, self.asset = _wide(accounts["kind"]), _wide(accounts["asset"])
        self.owner, self.market = _wide(accounts["account"]), _wide(accounts["market"])
        self.key = _key(self.venue, self.holder)
        self.order = np.argsort(self.key, kind="stable")
        self.sorted = self.key[self.order]
        steps = tables["steps"]
        # One entry more: rows of the opening, step -1, take it.
        self.step_kind = np.append(_wide(steps["kind"]), -1)
        self.step_venue = np.append(_wide(steps["venue"]), -1)
        self.step_market = np.append(_wide(steps["market"]), -2)
        self.step_scope = np.append(_wide(steps["scope"]), -2)

    # Tools.

    def hold(self, table: str, field: str, lawful: Mask, rule: str, check: str = "tables") -> None:
        """Fail for each row that is not lawful."""
        found = self.tables[table]
        for row in np.flatnonzero(~lawful).tolist():
            self.findings.step = int(found["step"][row]) if "step" in found.columns else -1
            self.findings.fail(check, table, row, field, rule, int(found[field][row]))
        self.findings.step = -1

    def count(self, *tables: str) -> None:
        self.findings.rows["tables"] += sum(len(self.tables[table]) for table in tables)

    def columns(self, table: str, *names: str) -> list[Int64]:
        return [_wide(self.tables[table][name]) for name in names]

    def known(self, key: Int64) -> Mask:
        return np.asarray(np.isin(key, self.key))

    def of(self, values: Int64, key: Int64) -> Int64:
        """Return a column of the holders with these keys; -9 for a holder that is not there."""
        if not len(self.sorted):
            return np.full(len(key), -9, dtype=np.int64)
        place = np.minimum(np.searchsorted(self.sorted, key), len(self.sorted) - 1)
        return np.where(self.sorted[place] == key, values[self.order[place]], -9)

    def clearing(self, venue: Int64, market: Int64) -> Int64:
        """Return the asset of each market, -9 for one that is not there."""
        mine = self.kind == HolderKind.CLEARING
        keys, assets = _key(self.venue[mine], self.market[mine]), self.asset[mine]
        order = np.argsort(keys)
        key = _key(venue, market)
        if not len(keys):
            return np.full(len(key), -9, dtype=np.int64)
        place = np.minimum(np.searchsorted(keys[order], key), len(keys) - 1)
        return np.where(keys[order][place] == key, assets[order][place], -9)

    def has_scope(self, venue: Int64, account: Int64, market: Int64) -> Mask:
        """Say if an account (0 is external) has somebody to take a fill in a market."""
        scopes = self.kind == HolderKind.SCOPE
        cross = scopes & (self.market < 0)
        apart = scopes & (self.market >= 0)
        asset = self.clearing(venue, market)
        a = _key(_key(venue, account), asset, 20)
        b = _key(_key(venue, account), market, 20)
        crossed = _key(_key(self.venue, self.owner), self.asset, 20)[cross]
        isolated = _key(_key(self.venue, self.owner), self.market, 20)[apart]
        return np.asarray((account == 0) | np.isin(a, crossed) | np.isin(b, isolated))

    def here(self, table: str) -> Int64:
        """Return the venue of each row's step, or of the row where it has its own."""
        (step,) = self.columns(table, "step")
        return self.step_venue[step]

    # Tables.

    def accounts(self) -> None:
        self.count("accounts")
        self.hold("accounts", "venue", self.venue >= 0, "be a venue")
        self.hold("accounts", "asset", self.asset >= 0, "be an asset")
        known = np.isin(self.kind, [int(kind) for kind in HolderKind])
        self.hold("accounts", "kind", known, "be a HolderKind")
        turn = np.zeros(len(self.key), dtype=np.int64)
        for venue in np.unique(self.venue):
            mine = self.venue == venue
            turn[mine] = np.arange(np.count_nonzero(mine))
        self.hold("accounts", "scope", self.holder == turn, "count from 0 in each venue")
        scope, clears = self.kind == HolderKind.SCOPE, self.kind == HolderKind.CLEARING
        outside = self.kind == HolderKind.EXTERNAL
        owned = np.where(outside, self.owner == 0, np.where(scope, self.owner > 0, self.owner < 0))
        self.hold("accounts", "account", owned, "be 0 for external, -1 for a venue's own")
        apart = (self.kind == HolderKind.FUND) & (self.market >= 0)
        placed = np.where(clears, self.market >= 0, scope | apart | (self.market == -1))
        rule = "be one for clearings and funds of markets only"
        self.hold("accounts", "market", placed & (self.market >= -1), rule)
        which = np.where(clears | apart, self.market, self.asset)
        seat = np.where(scope, self.owner, -2 - self.kind)
        where = np.where(scope, self.market, np.where(apart, -3, -2))
        seats = _fold(self.venue, seat, np.where(scope, self.asset, which), where)
        self.hold("accounts", "kind", _first(seats), "be there once")
        here = _key(self.venue, self.asset)
        for kind in PER_ASSET:
            there = np.isin(here, here[(self.kind == kind) & ~apart])
            self.hold("accounts", "asset", there, f"have a holder of kind {kind.name}")
        isolated = (scope | apart) & (self.market >= 0)
        fits = self.clearing(self.venue, self.market) == self.asset
        self.hold("accounts", "market", ~isolated | fits, "be a market of its asset")

    def _noted(self, kind: NoteKind) -> Int64:
        """Return the steps with a note of a kind: a collateral's jump, what borrowers close."""
        notes = self.tables["notes"]
        return _wide(notes["step"][notes["kind"] == kind])

    def steps(self) -> None:
        self.count("steps")
        step, kind, venue = self.columns("steps", "step", "kind", "venue")
        market, scope, cause = self.columns("steps", "market", "scope", "cause_market")
        written = (SHOCK, MARK, LIQUIDATION, TAKEOVER, DISPOSAL, WATERFALL, ADL, AGENTS, BOUND)
        kinds = [
            int(each)
            for each in (
                *written, PAYMENT, FUNDING, StepKind.INTEREST, MARGIN_CALL, EXPIRY, NETTING, *GATES
            )
        ]  # fmt: skip
        self.hold("steps", "kind", np.isin(kind, kinds), "be a kind that the engine writes")
        self.hold("steps", "venue", np.isin(venue, self.venue), "be a venue")
        placed = (
            *(SHOCK, MARK, LIQUIDATION, ADL, TAKEOVER, DISPOSAL, FUNDING, EXPIRY, NETTING),
            *GATES,
        )
        asset = self.clearing(venue, market)
        fits = np.where(np.isin(kind, placed), asset >= 0, market == -1)
        fits |= (kind == PAYMENT) & (asset >= 0)
        fits |= np.isin(step, self._noted(NoteKind.COLLATERAL)) & (kind == SHOCK) & (market == -1)
        self.hold("steps", "market", fits, "fit its kind")
        about = np.isin(
            kind, [int(k) for k in (LIQUIDATION, ADL, WATERFALL, TAKEOVER, MARGIN_CALL, NETTING)]
        )
        whose = self.of(self.kind, _key(venue, scope))
        fits = np.where(about, whose == HolderKind.SCOPE, scope == -1)
        fits = np.where(kind == DISPOSAL, np.isin(whose, TAKERS), fits)
        fits |= (kind == PAYMENT) & (market == -1) & (whose == HolderKind.SCOPE)  # a conversion
        fits |= (kind == AGENTS) & (whose == HolderKind.SCOPE)  # the answer to a margin call
        self.hold("steps", "scope", fits, "fit its kind")
        owns = self.of(self.asset, _key(venue, scope)) == asset
        self.hold("steps", "scope", owns | (market < 0) | (scope < 0), "be of the market's asset")
        free = np.where(kind == SHOCK, (cause == -1) | (cause == market), cause == -1)
        self.hold("steps", "cause_market", free | (kind == LIQUIDATION), "fit its kind")
        for name, table in (("event", "levels"), ("fill", "fills")):
            at = self.tables[table]["step"]
            for end, side in (("from", "left"), ("to", "right")):
                edge = np.searchsorted(at, step, side=side)  # type: ignore[call-overload]
                lawful = self.tables["steps"][f"{name}_{end}"] == edge
                rule = f"be where its rows of {table} {'start' if end == 'from' else 'end'}"
                self.hold("steps", f"{name}_{end}", lawful, rule)

    def opening(self) -> None:
        self.count("positions")
        venue, scope, market, size = self.columns("positions", "venue", "scope", "market", "size")
        key = _key(venue, scope)
        kind = self.of(self.kind, key)
        owner = np.isin(kind, [HolderKind.SCOPE, HolderKind.EXTERNAL])
        self.hold("positions", "scope", owner, "be a scope or external")
        fits = self.clearing(venue, market) == self.of(self.asset, key)
        self.hold("positions", "market", fits, "be a market of the scope's asset")
        self.hold("positions", "size", size != 0, "not be 0")
        short = np.asarray((size < 0) & hedged(self.tables), dtype=np.int64)  # a leg of its own
        self.hold("positions", "scope", _first(_fold(key, market, short)), "be there once a market")

    def trades(self) -> None:
        self.count("orders", "fills", "levels")
        for table, accounts in (
            ("orders", ("account",)),
            ("fills", ("taker_account", "maker_account")),
        ):
            step, venue, market = self.columns(table, "step", "venue", "market")
            kind = self.step_kind[step]
            sends = np.isin(kind, (*ORDERED, PAYMENT))  # a payment sells collateral
            self.hold(table, "step", sends, "be one that may send an order")
            self.hold(table, "venue", venue == self.step_venue[step], "be its step's")
            self.hold(table, "market", self.clearing(venue, market) >= 0, "be one of the venue")
            for name in accounts:
                account = owners(self.tables, venue, *self.columns(table, name)) - (venue << 32)
                taker = (kind == DISPOSAL) & (account == -1) & (name != "maker_account")
                lawful = taker | self.has_scope(venue, account, market)
                self.hold(table, name, lawful, "be 0 or an account with a scope there")
        step, side, kind, tif = self.columns("orders", "step", "side", "type", "tif")
        many = (self.step_kind[step] == AUCTION) | np.isin(step, self._noted(NoteKind.RELIEF))
        self.hold("orders", "step", _first(step) | many, "send one order at most")
        for name, values, most in (("side", side, 1), ("type", kind, 3), ("tif", tif, 2)):
            self.hold("orders", name, (values >= 0) & (values <= most), f"be 0 to {most}")
        side, price, size = self.columns("fills", "taker_side", "price", "size")
        self.hold("fills", "taker_side", (side >> 1) == 0, "be 0 or 1")
        self.hold("fills", "price", price > 0, "be 1 or more")
        self.hold("fills", "size", size > 0, "be 1 or more")
        ordered = np.isin(self.columns("fills", "step")[0], step)
        self.hold("fills", "step", ordered, "be a step with an order")
        step, market, side, price = self.columns("levels", "step", "market", "side", "price")
        kinds = (*ORDERED, TAKEOVER, EXPIRY, PAYMENT)
        ordered = (step < 0) | np.isin(self.step_kind[step], kinds)
        self.hold("levels", "step", ordered, "be one that may send an order")
        there = self.clearing(self.step_venue[step], market) >= 0
        self.hold("levels", "market", (step < 0) | there, "be one of the step's venue")
        anywhere = np.isin(market, self.market[self.kind == HolderKind.CLEARING])
        self.hold("levels", "market", anywhere, "be a market")
        self.hold("levels", "side", (side >> 1) == 0, "be 0 or 1")
        self.hold("levels", "price", price > 0, "be 1 or more")

    def losses(self) -> None:
        self.count("liquidations", "postings", "adl")
        step, side, outcome = self.columns("liquidations", "step", "side", "outcome")
        many = self.step_kind[step] == AUCTION
        self.hold("liquidations", "step", _first(step) | many, "be there once")
        sold = many | (self.step_kind[step] == LIQUIDATION)
        self.hold("liquidations", "step", sold, "be a liquidation")
        for name in ("venue", "market", "scope"):
            (got,) = self.columns("liquidations", name)
            want = np.append(_wide(self.tables["steps"][name]), -2)[step]
            lawful = (got == want) | (many if name == "scope" else False)
            self.hold("liquidations", name, lawful, "be its step's")
        self.hold("liquidations", "side", (side >> 1) == 0, "be 0 or 1")
        known = np.isin(outcome, [int(each) for each in Outcome])
        self.hold("liquidations", "outcome", known, "be an Outcome")
        (steps,) = self.columns("steps", "step")
        for kinds, table in (
            ((LIQUIDATION,), "liquidations"),
            ((ADL, TAKEOVER), "adl"),
            ((MARK,), "marks"),
        ):
            told = np.isin(steps, self.tables[table]["step"])
            lawful = ~np.isin(self.step_kind[:-1], kinds) | told
            self.hold("steps", "step", lawful, f"have a row of {table}")
        step, asset, reason = self.columns("postings", "step", "asset", "reason")
        self.hold("postings", "step", step >= 0, "be a step")
        known = np.isin(reason, [int(each) for each in PostReason])
        self.hold("postings", "reason", known, "be a PostReason")
        ends = self.columns("postings", "from_holder", "to_holder")
        for name, end in zip(("from_holder", "to_holder"), ends, strict=True):
            owns = self.of(self.asset, _key(self.step_venue[step], end)) == asset
            # Money of one asset that goes to a holder of another would not add up in either.
            self.hold("postings", name, (end == -1) | owns, "be a holder of the asset", "money")
        self.hold("postings", "to_holder", ends[0] != ends[1], "not be from_holder")
        step, market, giver, taker = self.columns("adl", "step", "market", "scope_from", "scope_to")
        venue = self.step_venue[step]
        kind = self.step_kind[step]
        self.hold("adl", "step", np.isin(kind, (ADL, TAKEOVER)), "be a deleveraging or a takeover")
        self.hold("adl", "market", market == self.step_market[step], "be its step's")
        self.hold("adl", "scope_from", giver == self.step_scope[step], "be its step's")
        key = _key(venue, taker)
        users = np.isin(self.of(self.kind, key), [HolderKind.SCOPE, HolderKind.EXTERNAL, *TAKERS])
        user = np.where(kind == TAKEOVER, np.isin(self.of(self.kind, key), TAKERS), users)
        owns = self.of(self.asset, key) == self.clearing(venue, market)
        self.hold("adl", "scope_to", user & owns & (taker != giver), "be another of the asset")
        self.hold("adl", "lots", self.tables["adl"]["lots"] > 0, "be 1 or more")

    def recorded(self) -> None:
        self.count("marks", "scopes", "funds", "notes")
        for table in ("marks", "funds"):
            step, venue = self.columns(table, "step", "venue")
            mine = np.where(step < 0, np.isin(venue, self.venue), venue == self.step_venue[step])
            self.hold(table, "venue", mine, "be its step's")
        step, venue, market = self.columns("marks", "step", "venue", "market")
        self.hold("marks", "market", self.clearing(venue, market) >= 0, "be one of the venue")
        once = _first(_fold(venue, market, step))
        self.hold("marks", "market", once, "be there once a step")
        own = (self.step_kind[step] != MARK) | (market == self.step_market[step])
        self.hold("marks", "market", own, "be its step's")
        (scope,) = self.columns("scopes", "scope")
        users = self.holder[self.kind == HolderKind.SCOPE]
        self.hold("scopes", "scope", np.asarray(np.isin(scope, users)), "be a scope")
        venue, holder, asset = self.columns("funds", "venue", "holder", "asset")
        key = _key(venue, holder)
        kinds = [HolderKind.FUND, HolderKind.VAULT, HolderKind.BAD_DEBT]
        self.hold("funds", "holder", np.isin(self.of(self.kind, key), kinds), "be one that pays")
        self.hold("funds", "asset", self.of(self.asset, key) == asset, "be its holder's")
        (kind,) = self.columns("notes", "kind")
        self.hold("notes", "kind", np.isin(kind, [int(each) for each in NoteKind]), "be a NoteKind")


def _wide(column: Any) -> Int64:
    return np.asarray(column, dtype=np.int64)


def _key(first: Int64, second: Int64, bits: int = 31) -> Int64:
    """Fold two ids into one number; the second is -1 or more and has so many bits."""
    return np.asarray((first << bits) + second + 1, dtype=np.int64)


def _fold(*columns: Int64) -> Int64:
    """Return one number a row that is equal where all columns are."""
    found = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        rank = np.unique(column, return_inverse=True)[1]
        found = found * (int(rank.max(initial=0)) + 1) + rank
        found = np.unique(found, return_inverse=True)[1]
    return found


def _first(values: Int64) -> Mask:
    """Say of each value if it stands there for the first time."""
    found = np.zeros(len(values), dtype=np.bool_)
    found[np.unique(values, return_index=True)[1]] = True
    return found
