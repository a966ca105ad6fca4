"""Whose the numbers of a tape are that stand for short legs of accounts in hedge mode. ADR 21."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ordercascade.enums import NoteKind
from ordercascade.tables import Table

Int64: TypeAlias = npt.NDArray[np.int64]


def hedged(tables: Mapping[str, Table]) -> bool:
    """Say if any account of the tape is, or goes, into hedge mode."""
    return bool((tables["notes"]["kind"] == NoteKind.HEDGED).any())


def owners(tables: Mapping[str, Table], venue: Int64, numbers: Int64) -> Int64:
    """Return venue << 32 | account for numbers of accounts or of their short legs."""
    notes, key = tables["notes"], (np.asarray(venue, dtype=np.int64) << 32) + numbers
    for row in np.flatnonzero(notes["kind"] == NoteKind.HEDGED).tolist():
        home = int(notes["market"][row]) << 32  # The note's place for a market has the venue.
        key[key == home + int(notes["b"][row])] = home + int(notes["a"][row])
    return np.asarray(key, dtype=np.int64)
