"""What a preset decides for the twin's venue, and what it remembers of a scope."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ordercascade.duties import PairRule
from ordercascade.enums import (
    AdlRule,
    AdlTrigger,
    CancelPolicy,
    FeeTo,
    LegRule,
    LimitRule,
    MarkRefresh,
    QueueOrder,
    Residual,
    ShortfallAt,
)
from reference.margin import PPM


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What a preset decides; names and defaults are those of `World.add_venue`."""

    mark_refresh: MarkRefresh = MarkRefresh.ROUND
    queue: QueueOrder = QueueOrder.SCOPE_ID
    round_ns: int = 0
    round_max: int = 100_000
    shortfall_at: ShortfallAt = ShortfallAt.ORDER
    trigger_strict: bool = True
    leg: LegRule = LegRule.LARGEST_MARGIN_RELIEF
    cancel: CancelPolicy = CancelPolicy.SCOPE
    limit: LimitRule = LimitRule.MARKET
    residual: Residual = Residual.ACCOUNT
    social: bool = False
    buffer_ppm: int = 0
    liquidation_fee_ppm: int = 0
    liquidation_fee_to: FeeTo = FeeTo.FUND
    liquidation_pays_taker: bool = False
    adl_rule: AdlRule = AdlRule.QUEUE
    adl_trigger: AdlTrigger = AdlTrigger.SHORTFALL
    fraction_ppm: int = PPM
    min_value: int = 0
    cooldown_ns: int = 0
    then_all: bool = False
    breakers: tuple[Any, ...] = ()
    calls: dict[str, int] | None = None
    surcharges: tuple[Any, ...] = ()
    pairs: PairRule = PairRule.KEPT


@dataclass
class Scope:
    """A margin scope and where it stands in its liquidation. `id` is its holder."""

    id: int
    account: int
    asset: int
    isolated_in: int  # market, −1 for a cross scope
    pending: bool = False
    orders_sent: int = 0  # since it was last healthy
    parent: int = -1
    generation: int = 0
    cause_market: int = -1
    last_order: int = -1  # step
    cooldown_until: int | None = None
    versions: dict[int, int] = field(default_factory=dict)  # of its markets, before its order
    position_step: int = -1  # the step that last changed its position
