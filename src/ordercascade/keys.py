"""The keys of what can be drawn or laid out by formula: books, and populations of accounts.

A law gives one number by `kind`; a plain number stands for `constant`. spec/SEMANTICS.md §10.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ordercascade.exact import Exact

Whole = Annotated[int, Meta(ge=0, le=2**62)]
Count = Annotated[int, Meta(ge=1, le=2**31 - 1)]


class Strict(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=False
):
    """A table whose unknown keys are errors."""


class LadderBook(Strict, frozen=True, kw_only=True, tag_field="kind", tag="ladder"):
    """A uniform ladder: level i at mid ∓ i·step, rounded toward the mid, the same size each."""

    mid: Exact
    step: Exact
    levels: Annotated[int, Meta(ge=1, le=10**6)]
    size: Exact


class DepthPoint(Strict, frozen=True, kw_only=True):
    """The value on each side of the book within so many basis points of the mid."""

    bps: Exact
    quote: Exact


class ProfileBook(Strict, frozen=True, kw_only=True, tag_field="kind", tag="profile"):
    """A depth profile: cumulative value by distance, straight lines between the points."""

    mid: Exact
    depth: tuple[DepthPoint, ...]
    step: Exact | None = None


class LevelsBook(Strict, frozen=True, kw_only=True, tag_field="kind", tag="levels"):
    """An explicit list of [price, size] on each side."""

    bids: tuple[tuple[Exact, Exact], ...] = ()
    asks: tuple[tuple[Exact, Exact], ...] = ()


class FileBook(Strict, frozen=True, kw_only=True, tag_field="kind", tag="file"):
    """A recorded book replayed to a time (RFC 3339); prices in ticks, sizes in lots."""

    file: str
    format: Literal["neutral-l2"]
    at: str | None = None


class PowerBook(Strict, frozen=True, kw_only=True, tag_field="kind", tag="power"):
    """Value within x bps of the mid on each side: quote (x / reach_bps) ** exponent."""

    mid: Exact
    quote: Exact
    reach_bps: Exact
    exponent: Exact
    step: Exact | None = None


class ExponentialBook(Strict, frozen=True, kw_only=True, tag_field="kind", tag="exponential"):
    """Value within x bps of the mid on each side: quote (1 - e ** (-x / scale_bps))."""

    mid: Exact
    quote: Exact
    scale_bps: Exact
    reach_bps: Exact
    step: Exact | None = None


Book = LadderBook | ProfileBook | PowerBook | ExponentialBook | LevelsBook | FileBook


class ConstantLaw(Strict, frozen=True, kw_only=True, tag_field="kind", tag="constant"):
    """The same for all."""

    value: Exact


class ValuesLaw(Strict, frozen=True, kw_only=True, tag_field="kind", tag="values"):
    """One of a list, by weight; without weights all alike."""

    values: tuple[Exact, ...]
    weights: tuple[Exact, ...] = ()


class UniformLaw(Strict, frozen=True, kw_only=True, tag_field="kind", tag="uniform"):
    """Evenly between `low` and `high`."""

    low: Exact
    high: Exact


class NormalLaw(Strict, frozen=True, kw_only=True, tag_field="kind", tag="normal"):
    """Normal, clipped to [low, high] where they are said."""

    mean: Exact
    sigma: Exact
    low: Exact | None = None
    high: Exact | None = None


class LognormalLaw(Strict, frozen=True, kw_only=True, tag_field="kind", tag="lognormal"):
    """The logarithm is normal with deviation `sigma`; clipped where that is said."""

    median: Exact
    sigma: Exact
    low: Exact | None = None
    high: Exact | None = None


class ParetoLaw(Strict, frozen=True, kw_only=True, tag_field="kind", tag="pareto"):
    """Share (minimum / x) ** alpha lies beyond x; clipped at `high` where it is said."""

    minimum: Exact
    alpha: Exact
    high: Exact | None = None


class FileLaw(Strict, frozen=True, kw_only=True, tag_field="kind", tag="file"):
    """One of the numbers in a column of a CSV file, with replacement."""

    file: str
    column: str


Law = ConstantLaw | ValuesLaw | UniformLaw | NormalLaw | LognormalLaw | ParetoLaw | FileLaw


class NormalEntry(Strict, frozen=True, kw_only=True, tag_field="kind", tag="normal"):
    """Entry prices normal around the opening mark."""

    sigma_bps: Exact
    mean_bps: Exact | None = None


class LognormalEntry(Strict, frozen=True, kw_only=True, tag_field="kind", tag="lognormal"):
    """The logarithm of entry over opening mark is normal."""

    sigma_bps: Exact


class UniformEntry(Strict, frozen=True, kw_only=True, tag_field="kind", tag="uniform"):
    """Entry prices evenly between two distances from the opening mark, which have signs."""

    low_bps: Exact
    high_bps: Exact


class ParetoEntry(Strict, frozen=True, kw_only=True, tag_field="kind", tag="pareto"):
    """The distance from the opening mark is Pareto; above and below are as likely."""

    minimum_bps: Exact
    alpha: Exact


class FileEntry(Strict, frozen=True, kw_only=True, tag_field="kind", tag="file"):
    """Prices from a column of a CSV file, with replacement; for one market."""

    file: str
    column: str


Entry = NormalEntry | LognormalEntry | UniformEntry | ParetoEntry | FileEntry


class LadderLevels(Strict, frozen=True, kw_only=True, tag_field="kind", tag="ladder"):
    """Account i = 0, 1, … is liquidated at `first`, then `step` further from the mark each."""

    first: Exact
    step: Exact


class PoissonLevels(Strict, frozen=True, kw_only=True, tag_field="kind", tag="poisson"):
    """Liquidation prices at random: gaps exponential with mean `gap`, from `start` on."""

    gap: Exact
    start: Exact | None = None
    side: Literal["long", "short"] = "long"


class Cluster(Strict, frozen=True, kw_only=True):
    """A price at which many are liquidated; `spread_bps` is the normal deviation around it."""

    price: Exact
    weight: Exact
    spread_bps: Exact | None = None


class ClusterLevels(Strict, frozen=True, kw_only=True, tag_field="kind", tag="clusters"):
    """Liquidation prices around given ones, by weight."""

    clusters: tuple[Cluster, ...]


LiquidationPrice = LadderLevels | PoissonLevels | ClusterLevels


class BackingConfig(Strict, frozen=True, kw_only=True):
    """A share of each account's cross deposit that is held in a collateral, at the opening."""

    asset: str
    share: Exact


class PopulationConfig(Strict, frozen=True, kw_only=True):
    """Accounts drawn from the scenario's seed; they are called name-1, name-2, …

    `market` may be a list: `held` is then each one's chance to be held, `correlation` a number or
    a matrix over sides, sizes and entries. With `liquidation_price` the collateral is what puts
    it there, in place of leverage, and the side is the one it lies on.
    """

    market: str | tuple[str, ...]
    accounts: Annotated[int, Meta(ge=0, le=2**24)]
    name: str = "trader"
    long_share: Exact | None = None
    cross_share: Exact | None = None
    leverage: Law | None = None
    notional: Law | None = None
    size: Law | None = None
    entry: Entry | None = None
    held: tuple[Exact, ...] = ()
    correlation: tuple[tuple[Exact, ...], ...] = ()
    liquidation_price: LiquidationPrice | None = None
    assets: tuple[BackingConfig, ...] = ()

    def __post_init__(self) -> None:
        if (self.notional is None) == (self.size is None):
            raise ValueError("a population must have notional or size, one of the two")
        if (self.leverage is None) == (self.liquidation_price is None):
            raise ValueError("a population must have leverage or liquidation_price, one of the two")
        if self.liquidation_price is not None and self.long_share is not None:
            raise ValueError("long_share follows from liquidation_price; give one or the other")
