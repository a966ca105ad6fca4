"""Which legs first orders of scopes would close, by the rule of the venue. SEMANTICS §5.1; ADR 28."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from ordercascade.enums import LegRule

if TYPE_CHECKING:
    from ordercascade.analysis.state import State

Rows: TypeAlias = npt.NDArray[np.intp]


def first_leg(state: State) -> Rows:
    """Return for each row the row that its scope closes first; `pro_rata`: the row itself."""
    rule = np.array(state.leg, dtype=np.int64)[state.market]
    rank = np.where(rule == LegRule.WORST_PNL, state.gain, -state.maintenance)
    liquid = np.flatnonzero(rule == LegRule.MOST_LIQUID)
    keys = [_liquid(state, int(row)) for row in liquid]
    places = {key: place for place, key in enumerate(sorted(set(keys)))}
    rank[liquid] = [places[key] for key in keys]
    order = np.lexsort((state.market, rank, state.scope))
    scopes, first = np.unique(state.scope[order], return_index=True)
    chosen = order[first][np.searchsorted(scopes, state.scope)]
    chosen = np.where(rule == LegRule.PRO_RATA, np.arange(len(rule)), chosen)
    return np.asarray(chosen, dtype=np.intp)


def first_legs(state: State, rows: Rows) -> Rows:
    """Return the rows that the first orders of these rows' scopes, each there once, would close."""
    each = np.array(state.leg, dtype=np.int64)[state.market] == LegRule.PRO_RATA
    one = first_leg(state)[rows[~each[rows]]]
    spread = each & np.isin(state.scope, state.scope[rows[each[rows]]])
    return np.concatenate([one, np.flatnonzero(spread)])


def _liquid(state: State, row: int) -> tuple[Fraction, int]:
    """Return the exact key of `most_liquid`: minus the share that the book can take, then value."""
    size = int(state.size[row])
    desk = state.desks[int(state.market[row])]
    rests = int((desk.bids if size > 0 else desk.asks)[1].sum())
    share = Fraction(min(rests, abs(size)), abs(size))
    return -share, -abs(int(state.gain[row] + state.cost[row]))
