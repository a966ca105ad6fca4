"""The keys of liquidation stages and margin schedules, in the words of spec/MARGIN.md §11.

Every key may be left out: the preset says it, else the default in its comment holds. Which keys a
mode takes stands in one table a stage (`LEGAL` of `ordercascade.staging`).
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ordercascade.data.brackets import Bracket
from ordercascade.exact import Exact
from ordercascade.keys import Strict

Limit = Literal["market", "bankruptcy", "fillable", "mid_range"]


class TrancheConfig(Strict, frozen=True, kw_only=True):
    """How large a liquidation order is. MARGIN §6.2; shares are of the position or of margin."""

    mode: Literal["whole", "portion", "cover", "tier_down", "tier_fit", "window"] | None = None
    portion: Exact | None = None  # share of the position; of `cover`: where its ramp begins; 1
    min: Exact | None = None  # settlement asset: at least so much; 0
    block_cap: Exact | None = None  # settlement asset: at most so much an order; none
    cooldown_s: Exact | None = None  # after a partial order; 0
    ramp_s: Exact | None = None  # `cover` sells more and more for so long; 0: all at once
    target: Exact | None = None  # `cover` restores so many maintenance margins; 1
    buffer: Exact | None = None  # and so much of the value on top; 0
    cost: Exact | None = None  # what selling costs, of the value; 0
    rounding: Literal["up", "down"] | None = None  # of the lots that restore it; up
    tiers: Annotated[int, Meta(ge=1, le=1000)] | None = None  # that `tier_down` goes down; 2
    capacity: Exact | None = None  # size that a window may close
    window_s: Exact | None = None
    skew_max: Exact | None = None  # size: below it one capacity more an instant; 0: never


class SurchargeConfig(Strict, frozen=True, kw_only=True):
    """What moves margin rates or fees in rough times; which keys a kind takes: surcharges.py."""

    kind: Literal["volatility_margin", "volatility_fee", "contagion_buffer"]
    k: Exact | None = None  # standard deviations over mpor_s that the margin covers
    mpor_s: Exact | None = None  # margin period of risk
    floor: Exact | None = None  # of the margin rate; what the market asks anyway
    cap: Exact | None = None  # of the margin rate, the taker fee, the buffer
    slope: Exact | None = None  # of the fee, for each time sigma exceeds its reference
    volatility_reference: Exact | None = None  # of a day
    volatility_start: Exact | None = None  # of a day; 0
    ewma_lambda: Exact | None = None  # 0.94
    sample_s: Exact | None = None  # 60
    max_step_per_hour: Exact | None = None  # of the rate; no limit
    apply_to: Literal["all", "new"] | None = None  # all
    stressed: Exact | None = None  # margin rate of a stressed time, for the next two
    buffer: Exact | None = None  # share on top in calm times, used up towards `stressed`
    stress_weight: Exact | None = None  # of `stressed` in the rate
    to_fund: Exact | None = None  # share of all trading fees; 0
    reach: Exact | None = None  # of the mark: how far the contagion buffer looks
    weight: Exact | None = None  # of what it finds; 1
    every_s: Exact | None = None  # how often it looks; 60


class LimitConfig(Strict, frozen=True, kw_only=True):
    """The limit of a liquidation order; `whole`: of one for all of the position. MARGIN §6.3."""

    mode: Limit | None = None
    whole: Limit | None = None  # as `mode`
    spread: Exact | None = None  # of the maintenance rate (SMMR); 0.1
    ba: Exact | None = None  # bankruptcy adjustment, 1
    range: Exact | None = None  # of the book's middle; 0.1


class TakeoverConfig(Strict, frozen=True, kw_only=True):
    """Who takes what the book does not, when and at which price. MARGIN §6.4."""

    mode: Literal["none", "fund", "vault"] | None = None
    when: Literal["below", "unfilled", "shortfall"] | None = None  # below
    threshold: Exact | None = None  # equity over maintenance, with `below`; 1
    price: Literal["bankruptcy", "mark"] | None = None  # bankruptcy
    collateral: bool | None = None  # what the flat scope has left goes along; false


class DisposalConfig(Strict, frozen=True, kw_only=True):
    """How a position that was taken over is sold, from time to time. MARGIN §6.5."""

    step_s: Exact | None = None  # 0
    fraction: Exact | None = None  # of what is held; 0: it is kept
    full: Annotated[int, Meta(ge=0, le=2**40)] | None = None  # so few lots go at once; 0
    max_fraction: Exact | None = None  # of the lots in range on the other side; 1
    range: Exact | None = None  # of the book's middle; 0.1


class SocialConfig(Strict, frozen=True, kw_only=True):
    """Who shares what nobody paid. MARGIN §6.8; `social = true` is mode `profit`."""

    mode: Literal["profit", "gains", "lots", "day"] = "profit"
    step: Exact | None = None  # `lots`: what a lot is charged is a multiple of it
    side: Literal["both", "longs", "shorts"] | None = None  # `lots`: whose
    day_s: Exact | None = None  # `day`: its length, 86,400
    day_at_s: Exact | None = None  # `day`: when it begins, so long into a day; 0


class LevelsConfig(Strict, frozen=True, kw_only=True):
    """Isolated margin is kept between levels, multiples of maintenance. MARGIN §2.4."""

    search: Exact
    initial: Exact
    release: Exact

    def __post_init__(self) -> None:
        if not 1 <= self.search <= self.initial <= self.release:
            raise ValueError("levels must be 1 or more and rise: search, initial, release")


class FlatSchedule(Strict, frozen=True, kw_only=True, tag_field="type", tag="flat"):
    """One rate for every size."""

    maintenance: Exact
    initial: Exact


class TierSchedule(Strict, frozen=True, kw_only=True, tag_field="type", tag="tiers"):
    """Marginal tiers, as `brackets` are."""

    table: tuple[Bracket, ...]


class SlabSchedule(Strict, frozen=True, kw_only=True, tag_field="type", tag="slab"):
    """The tier's rates hold for all of the position; floors are values, or sizes."""

    table: tuple[Bracket, ...]
    by: Literal["value", "size"] = "value"


class StepSchedule(Strict, frozen=True, kw_only=True, tag_field="type", tag="steps"):
    """Risk limits: beyond `limit` each `step` of value adds `maintenance` to both rates."""

    limit: Exact
    step: Exact
    maintenance: Exact
    initial: Exact


class SizeSchedule(Strict, frozen=True, kw_only=True, tag_field="type", tag="size"):
    """Linear in size: `increment` is added for each unit of size."""

    maintenance: Exact
    initial: Exact
    increment: Exact


class SkewSchedule(Strict, frozen=True, kw_only=True, tag_field="type", tag="skew"):
    """initial = size / scale * fraction + minimum, maintenance = scalar * initial."""

    scale: Exact
    fraction: Exact
    minimum: Exact
    scalar: Exact
    fixed: Exact | None = None  # settlement asset, added to both amounts; 0


class InterestSchedule(Strict, frozen=True, kw_only=True, tag_field="type", tag="interest"):
    """Flat maintenance; initial rises to 1 as open interest (value) goes from lower to upper."""

    maintenance: Exact
    initial: Exact
    lower: Exact
    upper: Exact


class RiskSchedule(Strict, frozen=True, kw_only=True, tag_field="type", tag="risk"):
    """Risk factor of the side + slippage on what is held; open orders by the factor. MARGIN §2.1.7.

    `initial` is a multiple of maintenance (1.2); so an order reserves the worse side's.
    """

    long: Exact
    short: Exact
    slippage: Exact
    initial: Exact | None = None


Schedule = (
    FlatSchedule
    | TierSchedule
    | SlabSchedule
    | StepSchedule
    | SizeSchedule
    | SkewSchedule
    | InterestSchedule
    | RiskSchedule
)


class StageRules(Strict, frozen=True, kw_only=True):
    """What a preset says of its stages and a venue may override; None = not said here."""

    mm_base: Literal["mark", "oracle", "entry"] | None = None
    fee_in_trigger: Exact | None = None  # of the value at the mark, or as `fee_at` says
    fee_at: Literal["mark", "bankruptcy"] | None = None
    tranche: TrancheConfig | None = None
    limit_price: LimitConfig | None = None
    takeover: TakeoverConfig | None = None
    disposal: DisposalConfig | None = None
    levels: LevelsConfig | None = None
    settle_to_mark: bool | None = None  # every position is settled to each round's mark
    order_margin: Exact | None = None  # share of initial margin that a new order must find; 1
    liquidation_fee_base: Literal["fill", "surplus"] | None = None


def judge_spellings(rules: msgspec.Struct) -> None:
    """Refuse a table that says the size or the limit of an order in both of its two ways."""
    for old, new in (("liquidation", "tranche"), ("limit", "limit_price")):
        if getattr(rules, old) is not None and getattr(rules, new) is not None:
            raise ValueError(f"{old} and {new} say the same in two ways; give one or the other")
