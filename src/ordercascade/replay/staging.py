"""What a tape's metadata says of a venue's stages: numbers by the names of the engine's keys."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from ordercascade.duties import LotSide, TrancheRule
from ordercascade.enums import AdlWhen, OrderLimit, PriceMode, SocialRule, Takeover, TakeoverWhen

PPM = 10**6


class Stages(NamedTuple):
    """The stages of a venue; each default is none of that stage. ADR 10."""

    takeover: int = Takeover.NOBODY
    takeover_when: int = TakeoverWhen.BELOW
    takeover_price: int = PriceMode.BANKRUPTCY
    takeover_collateral: int = 0
    takeover_ppm: int = PPM
    takeover_cap_ppm: int = 0
    dispose_ns: int = 0
    dispose_ppm: int = 0
    dispose_full: int = 0
    dispose_share_ppm: int = PPM
    dispose_range_ppm: int = 100_000
    insured: int = 0
    insured_fee_ppm: int = 0
    insured_most: int = 2**60
    adl_price: int = PriceMode.BANKRUPTCY
    adl_overlap: int = 0
    adl_when: int = AdlWhen.TABLE
    social_rule: int = SocialRule.PROFIT
    social_step: int = 1
    variation: int = 0
    order_ppm: int = PPM
    search_ppm: int = 0
    initial_ppm: int = 0
    release_ppm: int = 0
    fund_market: int = 0
    social_side: int = LotSide.BOTH
    day_ns: int = 0
    day_at_ns: int = 0
    drawdown_ppm: int = 0
    drawdown_ns: int = 0


class Sizes(NamedTuple):
    """How large orders are and at which limit; the defaults are those of the engine's Tranches."""

    rule: int = TrancheRule.WHOLE
    limit: int = OrderLimit.MARKET
    limit_all: int = -1  # as `limit`
    portion_ppm: int = PPM
    min_value: int = 0
    block_value: int = 0
    cooldown_ns: int = 0
    ramp_ns: int = 0
    target_ppm: int = PPM
    buffer_ppm: int = 0
    cost_ppm: int = 0
    round_up: int = 1
    tiers: int = 2
    spread_ppm: int = 100_000
    adjustment_ppm: int = PPM
    range_ppm: int = 100_000
    capacity: int = 0
    window_ns: int = 0
    skew_max: int = 0


NO_STAGES = Stages()


def stages_of(said: Mapping[str, Any]) -> Stages:
    """Return the stages of a venue's metadata."""
    known = said.get("stages", {})
    return Stages(**{name: int(known[name]) for name in Stages._fields if name in known})


def sizes_of(said: Mapping[str, Any]) -> Sizes | None:
    """Return the policy's numbers; None for the plain tranche of the rules."""
    known = said.get("tranches")
    if known is None:
        return None
    return Sizes(**{name: int(known[name]) for name in Sizes._fields if name in known})


SLICED = ("target_ppm", "cost_ppm", "min_value", "cooldown_ns", "depth_ppm", "share_ppm")


class Slicing(NamedTuple):
    """The numbers of a policy of planned slices, and the law that its table came from."""

    parts: tuple[int, ...]
    target_ppm: int
    cost_ppm: int
    min_value: int
    cooldown_ns: int
    depth_ppm: int
    share_ppm: int
    law: str
    slices: int
    wait: Decimal  # kappa tau, or rho tau


def slicing_of(said: Mapping[str, Any]) -> Slicing | None:
    """Return what a venue's metadata says of slices; None without, or from an older version."""
    known = said.get("slices")
    if not isinstance(known, Mapping) or any(name not in known for name in SLICED):
        return None
    numbers = {name: int(known[name]) for name in SLICED}
    parts = tuple(int(part) for part in known["parts"])
    law, count = str(known.get("law", "")), int(known.get("count", len(parts)))
    return Slicing(parts, **numbers, law=law, slices=count, wait=Decimal(known.get("wait", 0)))
