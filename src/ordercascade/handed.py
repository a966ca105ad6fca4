"""What a run handed over: to counterparties by ADL, to the fund or the vault, and sold again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ordercascade.enums import HolderKind, PostReason, StepKind
from ordercascade.tables import Table

Int64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


def total(values: npt.NDArray[Any]) -> int:
    """Return the exact sum, also where it passes 64 bits."""
    wide = values.astype(np.int64, copy=False)
    return (int((wide >> 32).sum()) << 32) + int((wide & 0xFFFFFFFF).sum())


def rounds(steps: Table) -> int:
    """Count runs of one round: its number, venue, and in round 0 the time, stay the same."""
    if not len(steps):
        return 0
    number, venue, time = steps["round"], steps["venue"], steps["time_ns"]
    turn = (number[1:] != number[:-1]) | (venue[1:] != venue[:-1])
    turn |= (number[1:] == 0) & (time[1:] != time[:-1])
    return 1 + int(np.count_nonzero(turn))


def distinct(venue: npt.NDArray[Any], account: npt.NDArray[Any]) -> int:
    """Return how many accounts there are among these, by venue and number."""
    return len(np.unique(venue.astype(np.int64) << 32 | account))


def handed_over(tables: Mapping[str, Table], traded: Int64) -> dict[str, int]:
    """Return lots and value handed over, by whom they were taken; `traded` are the fills' values.

    *_notional are sums of |cost|; disposed_notional is what fund and vault traded of what they
    took over; accounts_taken_over counts scopes.
    """
    adl = tables["adl"]
    dealt, taken = (_of(tables, "adl", kind) for kind in (StepKind.ADL, StepKind.TAKEOVER))
    venue = tables["steps"]["venue"][adl["step"][taken]].astype(np.int64)
    return {
        "adl_lots": total(adl["lots"][dealt]),
        "adl_notional": total(np.abs(adl["cost"][dealt])),
        "accounts_taken_over": len(np.unique(venue << 32 | adl["scope_from"][taken])),
        "taken_over_lots": total(adl["lots"][taken]),
        "taken_over_notional": total(np.abs(adl["cost"][taken])),
        "disposed_notional": total(traded[_of(tables, "fills", StepKind.DISPOSAL)]),
    }


def paid_by_scopes(tables: Mapping[str, Table], venue: Int64) -> Mask:
    """Return which postings of shared losses scopes paid: through the fund they count once."""
    postings, accounts = tables["postings"], tables["accounts"]
    users = accounts["kind"] == HolderKind.SCOPE
    known = (accounts["venue"].astype(np.int64) << 32 | accounts["scope"])[users]
    shared = postings["reason"] == PostReason.SOCIALISED
    return np.asarray(shared & np.isin(venue << 32 | postings["from_holder"], known))


def _of(tables: Mapping[str, Table], table: str, kind: StepKind) -> Mask:
    kinds = np.append(tables["steps"]["kind"], -1)
    return np.asarray(kinds[tables[table]["step"]] == kind)
