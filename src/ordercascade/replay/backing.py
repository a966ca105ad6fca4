"""Collateral on a tape: every asset's money adds up, and conversions are at the price that stood.

It asks the tape alone. Who is liquidatable with collateral behind it is not judged here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from ordercascade.duties import CollateralSource
from ordercascade.enums import HolderKind, NoteKind, PostReason, StepKind
from ordercascade.followed import followed
from ordercascade.replay.findings import Findings
from ordercascade.tables import Table

Meta: TypeAlias = Mapping[str, Any]

PPM = 10**6
OUTSIDE = -1


def sold(terms: Mapping[str, Any], amount: int, price: int, peg_ppm: int) -> int:
    """Return what an amount of a collateral brings at a price: each step rounded down. ADR 18."""
    weighted = amount * (PPM - int(terms.get("discount_ppm", 0)))
    money = weighted * peg_ppm // PPM * price * int(terms["multiplier"])
    return min(2**60, money // (int(terms["per"]) * PPM))


class Backing:
    """One venue with collaterals."""

    def __init__(self, tables: Mapping[str, Table], meta: Meta, venue: Meta) -> None:
        self.tables, self.id = tables, int(venue["id"])
        mine = [market for market in meta["markets"] if market["venue"] == self.id]
        self.multipliers = {int(market["id"]): int(market["multiplier"]) for market in mine}
        self.terms = {int(each["asset"]): each for each in venue["collaterals"]}
        self.step_venue = tables["steps"]["venue"]
        self.told: set[tuple[int, int]] = set()  # what went through a book comes first

    def check(self, findings: Findings) -> None:
        """Hold its postings against its opening, and each conversion against its price."""
        accounts, postings = self.tables["accounts"], self.tables["postings"]
        mine = accounts["venue"] == self.id
        rows = zip(
            *(accounts[name][mine].tolist() for name in ("scope", "kind", "asset", "collateral")),
            strict=True,
        )
        held = {scope: [kind, asset, money] for scope, kind, asset, money in rows}
        owned: dict[int, int] = {}
        for _, asset, money in held.values():
            owned[asset] = owned.get(asset, 0) + money
        paid = dict(owned)
        here = np.flatnonzero(self.step_venue[postings["step"]] == self.id).tolist()
        names = ("step", "asset", "from_holder", "to_holder", "amount", "reason")
        columns = {name: postings[name] for name in names}
        given: dict[int, int] = {}  # by step: what its conversions should bring
        for row in here:
            step, asset, source, target, amount, reason = (int(columns[n][row]) for n in names)
            findings.step = step
            findings.rows["collateral"] += 1
            for holder, change in ((source, -amount), (target, amount)):
                if holder == OUTSIDE:
                    paid[asset] -= change
                    continue
                if held[holder][1] != asset:
                    findings.fail("collateral", "postings", row, "asset", held[holder][1], asset)
                held[holder][2] += change
                owned[asset] += change
                if asset in self.terms and held[holder][2] < 0:
                    want = "leave a holder of collateral at 0 or more"
                    findings.fail("collateral", "postings", row, "amount", want, amount)
            if owned[asset] != paid[asset]:
                findings.fail("collateral", "postings", row, "amount", paid[asset], owned[asset])
            if reason == PostReason.CONVERSION:
                self._conversion(findings, row, given, held[target][0])
        for step, left in given.items():
            if left:
                findings.step = step
                want = f"bring {left} more: the price that stood"
                findings.fail("collateral", "steps", step, "step", want, 0)

    def _conversion(self, findings: Findings, row: int, given: dict[int, int], kind: int) -> None:
        """Keep what an amount should bring, or hold the money against it."""
        postings = self.tables["postings"]
        step, asset, amount = (int(postings[n][row]) for n in ("step", "asset", "amount"))
        if self.tables["steps"]["kind"][step] != StepKind.PAYMENT:
            findings.fail("collateral", "postings", row, "reason", "be of a payment", "another")
        if asset not in self.terms:
            if given.get(step, 0) != amount:
                findings.fail("collateral", "postings", row, "amount", given.get(step, 0), amount)
            given[step] = 0
            return
        if kind != HolderKind.EXTERNAL:
            findings.fail("collateral", "postings", row, "to_holder", "be external", kind)
        through = None if (step, asset) in self.told else self._through_book(asset, step)
        self.told.add((step, asset))
        if through is None:
            given[step] = sold(self.terms[asset], amount, *self._stood(asset, step))
            return
        lots, given[step] = through
        terms = self.terms[asset]
        lot = self.multipliers[terms["market"]] * int(terms["per"]) // int(terms["multiplier"])
        if amount != lots * lot:
            findings.fail("collateral", "postings", row, "amount", lots * lot, amount)

    def _through_book(self, asset: int, step: int) -> tuple[int, int] | None:
        """Return lots and money of the fills in its spot market; None where there are none."""
        fills, terms = self.tables["fills"], self.terms[asset]
        mine = (fills["step"] == step) & (fills["market"] == terms.get("market", -1))
        if not terms.get("spot") or not mine.any():
            return None
        pairs = zip(fills["size"][mine].tolist(), fills["price"][mine].tolist(), strict=True)
        rows = [(int(size), int(price)) for size, price in pairs]
        worth = sum(size * price for size, price in rows) * self.multipliers[terms["market"]]
        return sum(size for size, _ in rows), worth

    def _stood(self, asset: int, step: int) -> tuple[int, int]:
        """Return price and peg of a collateral as they stood at a step."""
        terms, notes = self.terms[asset], self.tables["notes"]
        mine = (notes["kind"] == NoteKind.COLLATERAL) & (notes["step"] < step)
        mine &= self.step_venue[notes["step"]] == self.id
        told = [int(terms.get("price", 0)), int(terms.get("peg_ppm", PPM))]
        for what in (0, 1):
            found = notes["a"][mine & (notes["b"] == 2 * asset + what)]
            told[what] = int(found[-1]) if len(found) else told[what]
        if terms["source"] == CollateralSource.RATE:
            return told[0], told[1]
        marks = self.tables["marks"]
        mine = (marks["venue"] == self.id) & (marks["market"] == terms["market"])
        mine &= marks["step"] <= step
        column = "mark" if terms["source"] == CollateralSource.MARK else "index"
        seen = marks[column][mine]
        if "beta_ppm" in terms:
            return followed(terms, told[0], int(seen[0]), int(seen[-1])), told[1]
        return int(seen[-1]), told[1]


def check_backing(tables: Mapping[str, Table], meta: Meta, findings: Findings) -> None:
    """Check every venue that has collaterals."""
    for venue in meta["venues"]:
        if "collaterals" in venue:
            Backing(tables, meta, venue).check(findings)
