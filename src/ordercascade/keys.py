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

    def __post_init__(self) -> None:
        if (self.notional is None) == (self.size is None):
            raise ValueError("a population must have notional or size, one of the two")
        if (self.leverage is None) == (self.liquidation_price is None):
            raise ValueError("a population must have leverage or liquidation_price, one of the two")
        if self.liquidation_price is not None and self.long_share is not None:
            raise ValueError("long_share follows from liquidation_price; give one or the other")


class CollateralPrice(Strict, frozen=True, kw_only=True):
    """What one of a collateral costs: a stated rate, or a market's mark or index."""

    kind: Literal["rate", "mark", "index"]
    rate: Exact | None = None
    market: str | None = None

    def __post_init__(self) -> None:
        if (self.kind == "rate") != (self.rate is not None):
            raise ValueError("rate belongs to kind rate, which needs it")
        if (self.kind == "rate") == (self.market is not None):
            raise ValueError("market belongs to the kinds mark and index, which need it")


class HaircutTier(Strict, frozen=True, kw_only=True):
    """The haircut of what lies above an amount; `above` in whole units of the asset."""

    above: Exact
    haircut: Exact


class CollateralConfig(Strict, frozen=True, kw_only=True):
    """Another asset as margin at a venue: its price, its haircut, what a conversion brings.

    Its haircut is one fraction, or tiers of what lies above an amount. At a venue that says its
    `haircut_impact`, one with a `volume` (traded a day) and a `volatility` (a day) grows with the
    amount Q, to 1 - (1 - h)(1 - haircut_impact x volatility x sqrt(Q / volume)), and is never below
    `haircut_floor`. spec/MECHANISMS.md §14.
    """

    name: str
    decimals: Annotated[int, Meta(ge=0, le=9)] = 6
    price: CollateralPrice
    peg: Exact | None = None
    haircut: Exact | None = None
    tiers: tuple[HaircutTier, ...] = ()
    volatility: Exact | None = None
    volume: Exact | None = None
    haircut_floor: Exact | None = None
    discount: Exact | None = None
    spot: bool = False  # sold into the book of the market that values it

    def __post_init__(self) -> None:
        if self.haircut is not None and self.tiers:
            raise ValueError("haircut and tiers say the same in two ways; give one")
        if (self.volatility is None) != (self.volume is None):
            raise ValueError("volatility and volume belong together; give both or none")


class HoldingConfig(Strict, frozen=True, kw_only=True):
    """An amount of a collateral that an account opens with."""

    asset: str
    amount: Exact


class JumpConfig(Strict, frozen=True, kw_only=True):
    """A collateral jumps: to another `peg`, what it is worth of its price, or to another `rate`."""

    at_s: Exact
    venue: str | None = None
    collateral: str | None = None
    peg: Exact | None = None
    rate: Exact | None = None

    def __post_init__(self) -> None:
        if (self.peg is None) == (self.rate is None):
            raise ValueError("a jump must have peg or rate, one of the two")


class FundingRuleConfig(Strict, frozen=True, kw_only=True):
    """How a market's funding rate is found; fractions of the value, exact to 10^-9.

    premium: (P + clamp(interest - P)) / share with P = (mark - index) / index; skew: mark / index -
    lots of longs / lots of shorts. The rate, which longs pay, lies within +- cap.
    """

    rule: Literal["premium", "skew"]
    interest: Exact | None = None
    clamp: Exact | None = None
    cap: Exact | None = None
    share: Annotated[int, Meta(ge=1, le=10**6)] = 1
    price: Literal["mark", "index"] = "mark"


class InterestConfig(Strict, frozen=True, kw_only=True):
    """Two-slope interest on borrowed settlement money; rates are fractions a year of 365 days.

    R = base + slope1 U / optimum up to the optimum, + slope2 (U - optimum) / (1 - optimum) beyond.
    Paid `times` times, `every_s` apart, first at `at_s` (every_s); the fund keeps the reserve.
    """

    optimum: Exact
    slope1: Exact
    slope2: Exact
    base: Exact | None = None
    reserve: Exact | None = None
    every_s: Exact
    at_s: Exact | None = None
    times: Annotated[int, Meta(ge=1, le=10**6)] = 1


class FundingConfig(Strict, frozen=True, kw_only=True):
    """Funding payments from `at_s` on, `every_s` apart; without a rate by the market's rule."""

    at_s: Exact
    venue: str | None = None
    market: str | None = None
    rate: Exact | None = None
    every_s: Exact | None = None
    times: Annotated[int, Meta(ge=1, le=10**6)] = 1

    def __post_init__(self) -> None:
        if self.times > 1 and self.every_s is None:
            raise ValueError("more than one payment needs every_s")


class WithdrawalRate(Strict, frozen=True, kw_only=True):
    """In one window no more leaves than the larger of `least` and a share of all deposits."""

    window_s: Exact
    share: Exact
    least: Exact


class GatesConfig(Strict, frozen=True, kw_only=True):
    """What holds withdrawals back: a stop after an account below zero was seen, a share of the
    exposure that stays, rates. spec/MARGIN.md §6.9."""

    stop_s: Exact | None = None
    stays: Exact | None = None
    rates: tuple[WithdrawalRate, ...] | None = None


class MarginCallsConfig(Strict, frozen=True, kw_only=True):
    """Levels in maintenance margins: a call below `call`, the next after `release` (= call)."""

    call: Exact
    release: Exact | None = None


class AnswerConfig(Strict, frozen=True, kw_only=True):
    """What an account, or a share of a population, does `delay_s` after a margin call."""

    account: str | None = None
    population: str | None = None
    share: Exact | None = None
    action: Literal["add", "reduce", "ignore"]
    delay_s: Exact | None = None
    target: Exact | None = None
    wallet: Exact | None = None
    source: Literal["outside", "cross"] | None = None
    fraction: Exact | None = None

    def __post_init__(self) -> None:
        if (self.account is None) == (self.population is None):
            raise ValueError("an answer must have account or population, one of the two")
        if self.share is not None and self.population is None:
            raise ValueError("share is of a population; an account answers whole")
        may = {"add": {"target", "wallet", "source"}, "reduce": {"fraction"}}
        for key in ("target", "wallet", "source", "fraction"):
            if getattr(self, key) is not None and key not in may.get(self.action, set()):
                raise ValueError(f"action {self.action!r} takes no {key}")
        if self.action == "add" and self.target is None and self.wallet is None:
            raise ValueError("action 'add' needs a target, a wallet or both")


class ExpiryConfig(Strict, frozen=True, kw_only=True):
    """The end of a market: all orders go, all positions are settled at one price."""

    at_s: Exact
    price: Literal["mark", "index", "average_mark", "average_index", "stated"] = "mark"
    window_s: Exact | None = None
    stated: Exact | None = None
