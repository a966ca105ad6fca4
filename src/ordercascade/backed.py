"""What collaterals on a tape are worth, without haircut: for sums over accounts. ADR 18."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ordercascade.duties import CollateralSource
from ordercascade.enums import NoteKind, StepKind
from ordercascade.followed import followed
from ordercascade.tables import Table

Tables: TypeAlias = Mapping[str, Table]
Int64: TypeAlias = npt.NDArray[np.int64]
PPM = 10**6


def named(meta: Mapping[str, Any], venue: int, asset: int) -> str:
    """Return the name of an asset that no market settles in, or its number."""
    for owner, terms in _told(meta):
        if (owner, int(terms["asset"])) == (venue, asset):
            return str(terms["name"])
    return str(asset)


def opening_gain(tables: Tables, meta: Mapping[str, Any]) -> Int64:
    """Return by how much the opening balances of collateral gained from first to last price."""
    accounts = tables["accounts"]
    gain = np.zeros(len(accounts), dtype=np.int64)
    for venue, terms in _told(meta):
        mine = (accounts["venue"] == venue) & (accounts["asset"] == terms["asset"])
        for row in np.flatnonzero(mine & (accounts["collateral"] > 0)).tolist():
            amount = int(accounts["collateral"][row])
            first, last = (
                _worth(terms, amount, *_price(tables, venue, terms, end)) for end in (0, -1)
            )
            gain[row] = last - first
    return gain


def positions(tables: Tables, bought: Int64) -> Int64:
    """Return the lots of fills, 0 where a collateral was sold: no position changed."""
    kinds = np.append(tables["steps"]["kind"], -1)[tables["fills"]["step"]]
    return np.where(kinds == StepKind.PAYMENT, 0, bought)


def moved(tables: Tables, meta: Mapping[str, Any], amount: Int64) -> Int64:
    """Return amounts of postings, those of collaterals as money at their last prices."""
    postings, found = tables["postings"], amount.copy()
    if not len(postings):
        return found
    venues = tables["steps"]["venue"][postings["step"]]
    for venue, terms in _told(meta):
        price = _price(tables, venue, terms, -1)
        mine = (venues == venue) & (postings["asset"] == terms["asset"])
        for row in np.flatnonzero(mine).tolist():
            found[row] = _worth(terms, int(amount[row]), *price)
    return found


def _told(meta: Mapping[str, Any]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for venue in meta["venues"]:
        for terms in venue.get("collaterals", ()):
            yield int(venue["id"]), terms


def _worth(terms: Mapping[str, Any], amount: int, price: int, peg_ppm: int) -> int:
    return amount * peg_ppm * price * int(terms["multiplier"]) // (int(terms["per"]) * PPM)


def _price(tables: Tables, venue: int, terms: Mapping[str, Any], end: int) -> tuple[int, int]:
    """Return the first (end = 0) or last (-1) price and peg of a collateral."""
    told = [int(terms.get("price", 0)), int(terms.get("peg_ppm", PPM))]
    notes, marks = tables["notes"], tables["marks"]
    if end and len(notes):
        here = notes["kind"] == NoteKind.COLLATERAL
        here &= tables["steps"]["venue"][notes["step"]] == venue
        for what in (0, 1):
            found = notes["a"][here & (notes["b"] == 2 * int(terms["asset"]) + what)]
            told[what] = int(found[-1]) if len(found) else told[what]
    if terms["source"] != CollateralSource.RATE:
        column = "mark" if terms["source"] == CollateralSource.MARK else "index"
        seen = marks[column][(marks["venue"] == venue) & (marks["market"] == terms["market"])]
        price = int(seen[end])
        told[0] = followed(terms, told[0], int(seen[0]), price) if "beta_ppm" in terms else price
    return told[0], told[1]
