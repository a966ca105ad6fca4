"""What a person sees at one position: plain values, in people's units. No widget, no tape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ordercascade.lab.levels import Depth

Float64: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Path:
    """Prices by step, sent once: x is the step (-1 the opening), nan where there is none."""

    step: Float64
    mark: Float64
    index: Float64
    last: Float64


@dataclass(frozen=True, slots=True)
class Row:
    """An account in the table: one scope, at the standing marks of its latest record."""

    name: str
    margin: str  # cross, or the market it is isolated in
    equity: str
    maintenance: str
    ratio: float  # equity over maintenance; -inf where nothing is held any more
    state: str  # now, liquidated, below, near or empty


@dataclass(frozen=True, slots=True)
class Node:
    """A step of the cascade tree: its column is the generation, its row counts within it."""

    step: int
    parent: int  # a step of the tree, or -1
    generation: int
    place: int
    size: float
    label: str


@dataclass(frozen=True, slots=True)
class View:
    """The world after step k as the stepper draws it."""

    k: int
    count: int
    status: str
    kind: str
    account: str
    scope: str  # cross, or the market the scope is isolated in
    side: str  # long, short or empty
    generation: int
    parent: int
    cause: str
    tranche: int
    levels_eaten: int
    size_eaten: str
    depth: Depth
    mark: float
    index: float  # nan where there is none
    last: float
    fund: float
    fund_text: str
    bad_debt: float
    bad_debt_text: str
    adl: float
    adl_text: str
    rows: tuple[Row, ...]
    log: tuple[tuple[int, str], ...]  # (step, line), newest first
    tree: tuple[Node, ...]
    ancestors: tuple[int, ...]  # the steps that led to this one, nearest first
    ratios: tuple[float, ...]  # realised R by generation so far
    fallen: int  # scopes liquidated so far
