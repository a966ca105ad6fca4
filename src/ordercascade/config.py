"""The keys of a scenario and of a preset: strict Structs, and with them the JSON Schema.

Only what the engine does today has a key; `LATER` and `LATER_VALUES` name what comes with later
work, so that a file written for it is refused with a word of explanation. spec/SEMANTICS.md §10.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from ordercascade.data.brackets import Bracket
from ordercascade.exact import Exact
from ordercascade.keys import Book, Count, PopulationConfig, Strict, Whole
from ordercascade.optionkeys import OptionConfig, PortfolioConfig, VolatilityConfig
from ordercascade.record import Record
from ordercascade.stagekeys import (
    Schedule,
    SocialConfig,
    StageRules,
    SurchargeConfig,
    judge_spellings,
)
from ordercascade.venuekeys import (
    AnswerConfig,
    CollateralConfig,
    ExpiryConfig,
    FundingConfig,
    FundingRuleConfig,
    GatesConfig,
    HoldingConfig,
    InterestConfig,
    JumpConfig,
    MarginCallsConfig,
    PluginConfig,
)

# Keys of later work and the valid key nearest to each.
LATER = {
    "agent": "shock",
    "maker": "book",
    "flow": "shock",
    "arbitrageur": "index",
    "liquidator": "takeover",
    "vault": "takeover",
    "auction": "liquidation",
    "lending": "transfer",
}
LATER_VALUES = frozenset(
    (
        "median",  # oracle.kind
        "spot",  # market.kind
        *("dutch", "ramp"),  # tranche.mode
        *("oracle", "oracle_fee"),  # limit_price.mode, takeover.price
        *("liquidator", "pool", "network"),  # takeover.mode
        *("underlying",),  # fund.scope
        *("scores",),  # adl.rule
        *("lobster", "bitstamp", "tardis", "bitmex"),  # book.format
        *("entropy",),  # seed
    )
)


class FundConfig(Strict, frozen=True, kw_only=True):
    """The insurance fund of a venue, in the settlement asset; or one for each market."""

    balance: Exact | None = None  # of each fund
    scope: Literal["venue", "asset", "market"] | None = None
    balances: dict[str, Exact] | None = None  # scope `market`: of the funds of these
    block_loss_cap: Exact | None = None  # most that it pays for one order
    position_cap: Exact | None = None  # value that the taker may hold, of its balance


class AdlConfig(Strict, frozen=True, kw_only=True):
    """How and when winners are deleveraged."""

    rule: (
        Literal["queue", "pro_rata", "scope_id", "account_risk", "margin_ratio", "growth", "random"]
        | None
    ) = None
    trigger: Literal["shortfall", "unfilled", "untouched", "never", "fund_drawdown"] | None = None
    drawdown: Exact | None = None  # `fund_drawdown`: how far below its high the fund stops
    window_s: Exact | None = None  # `fund_drawdown`: the high of so long
    price: Literal["bankruptcy", "tick", "mark", "previous_mark"] | None = None
    overlap_check: bool | None = None


class FeesConfig(Strict, frozen=True, kw_only=True):
    """Fractions of a fill's value; a negative maker fee is a rebate."""

    maker: Exact | None = None
    taker: Exact | None = None
    external_maker: Exact | None = None
    external_taker: Exact | None = None


class OracleConfig(Strict, frozen=True, kw_only=True):
    """Where a mark comes from; `index` is the outside price at the start. See marks.py."""

    kind: Literal["last", "mid", "index", "twap", "ema", "median3", "basis3", "funding"] | None = (
        None
    )
    own_book_weight: Exact | None = None
    index: Exact | None = None
    of: Literal["last", "mid"] | None = None
    window_s: Exact | None = None
    ema_tau_s: Exact | None = None
    funding_rate: Exact | None = None
    funding_every_s: Exact | None = None
    funding_at_s: Exact | None = None
    latency_s: Exact | None = None
    latency_sigma: Exact | None = None
    congestion: Exact | None = None
    heartbeat_s: Exact | None = None
    deviation: Exact | None = None
    clamp: Exact | None = None
    clamp_round: Exact | None = None
    clamp_per_s: Exact | None = None


class LiquidationConfig(Strict, frozen=True, kw_only=True):
    """How much of a position one liquidation order closes, and when the next may follow."""

    kind: Literal["full", "tranche", "equal", "almgren_chriss", "obizhaeva_wang", "restore"]
    fraction: Exact | None = None
    min_notional: Exact | None = None
    cooldown_s: Exact | None = None
    then: Literal["fraction", "all"] | None = None
    slices: Annotated[int, Meta(ge=1, le=1000)] | None = None
    kappa_per_s: Exact | None = None
    resilience_per_s: Exact | None = None
    target_margin: Exact | None = None
    cost: Exact | None = None
    book_share: Exact | None = None
    book_range: Exact | None = None

    def __post_init__(self) -> None:
        rest = (self.fraction, self.min_notional, self.cooldown_s, self.then)
        if self.kind == "full" and any(value is not None for value in rest):
            raise ValueError("kind 'full' takes no fraction, min_notional, cooldown_s or then")
        needs = {
            "equal": {"slices"},
            "almgren_chriss": {"slices", "kappa_per_s"},
            "obizhaeva_wang": {"slices", "resilience_per_s"},
            "restore": {"target_margin"},
        }.get(self.kind, set())
        may = needs | ({"cost"} if self.kind == "restore" else set())
        may |= {"book_share", "book_range"} if needs else set()
        keys = ("slices", "kappa_per_s", "resilience_per_s", "target_margin", "cost")
        for key in (*keys, "book_share", "book_range"):
            said = getattr(self, key) is not None
            if said and key not in may:
                raise ValueError(f"kind {self.kind!r} takes no {key}")
            if not said and key in needs:
                raise ValueError(f"kind {self.kind!r} needs {key}")
        if needs and (self.fraction is not None or self.then is not None):
            raise ValueError(f"kind {self.kind!r} takes no fraction and no then")
        if (self.book_share is None) != (self.book_range is None):
            raise ValueError("book_share and book_range come together")
        if self.kind == "tranche" and self.fraction is None:
            raise ValueError("kind 'tranche' needs a fraction")


class BreakerConfig(Strict, frozen=True, kw_only=True):
    """When trading is limited or stops; which keys a kind takes says brakes.py."""

    kind: Literal["price_band", "halt", "lag_pause", "gas_pause"]
    scope: Literal["liquidations", "all"] = "liquidations"
    band_pct: Exact | None = None
    ref_window_s: Exact | None = None
    halt_s: Exact | None = None
    halt_max_s: Exact | None = None
    release: Literal["at_once", "auction", "drip"] | None = None
    drip_fraction: Exact | None = None
    drip_s: Exact | None = None
    gas_gwei: Whole | None = None
    gas_beta: Exact | None = None
    gas_pause_gwei: Whole | None = None


class Rules(StageRules, frozen=True, kw_only=True):
    """What a preset says and a venue may override; None = not said here."""

    ordering: Literal["block_batch", "price_time", "worst_first"] | None = None
    mark_refresh: Literal["round", "order"] | None = None
    queue: Literal["scope_id", "trigger_price", "margin_ratio"] | None = None
    round_ns: Whole | None = None
    round_max: Count | None = None
    trigger_strict: bool | None = None
    shortfall_at: Literal["order", "round"] | None = None
    leg: Literal["largest_margin_relief", "worst_pnl", "most_liquid", "pro_rata"] | None = None
    cancel: Literal["scope", "market", "none"] | None = None
    limit: Literal["market", "bankruptcy"] | None = None
    residual: Literal["account", "fund"] | None = None
    social: bool | SocialConfig | None = None
    exit_buffer: Exact | None = None
    liquidation_fee: Exact | None = None
    liquidation_fee_to: Literal["fund", "fees"] | None = None
    liquidation_pays_taker: bool | None = None
    pairs: Literal["kept", "net"] | None = None  # of hedged accounts, before an order
    haircut_impact: Exact | None = None  # Y of collaterals that state volatility and volume
    fund: FundConfig | None = None
    adl: AdlConfig | None = None
    fees: FeesConfig | None = None
    oracle: OracleConfig | None = None
    liquidation: tuple[LiquidationConfig, ...] | None = None
    breaker: tuple[BreakerConfig, ...] | None = None
    surcharge: tuple[SurchargeConfig, ...] | None = None
    gates: GatesConfig | None = None
    margin_calls: MarginCallsConfig | None = None

    def __post_init__(self) -> None:
        if self.ordering is not None and (self.mark_refresh or self.queue):
            raise ValueError("ordering says mark_refresh and queue already; give one or the other")
        if self.liquidation is not None and len(self.liquidation) > 1:
            raise ValueError("several liquidation policies at a venue do not exist yet; give one")
        judge_spellings(self)


class PresetConfig(Rules, frozen=True, kw_only=True):
    """A venue's rules with their brackets by market; `default` serves every other market.

    `record` is what the venue does, `not_yet` what the engine lacks to run it, `differs` what a
    run does otherwise than the venue.
    """

    about: str
    not_yet: tuple[str, ...] = ()
    differs: tuple[str, ...] = ()
    record: Record | None = None
    brackets: dict[str, tuple[Bracket, ...]] = msgspec.field(default_factory=dict)
    schedule: dict[str, Schedule] = msgspec.field(default_factory=dict)


class BracketFile(Strict, frozen=True, kw_only=True):
    """Brackets from a Binance leverage-bracket table, csv or csv.gz."""

    file: str
    as_of: str
    symbol: str | None = None


class MarketConfig(Strict, frozen=True, kw_only=True):
    """An instrument: its book, its oracle, its brackets or schedule (else the preset's)."""

    name: str
    kind: Literal["linear", "inverse", "quanto"] = "linear"
    quanto: Exact | None = None
    tick_size: Exact
    lot_size: Exact
    settle: str
    decimals: Annotated[int, Meta(ge=0, le=9)] = 6
    price_max: Exact | None = None
    size_max: Exact | None = None
    last: Exact | None = None
    oracle: OracleConfig | None = None
    brackets: tuple[Bracket, ...] | BracketFile | None = None
    schedule: Schedule | None = None
    book: Book | None = None
    funding: FundingRuleConfig | None = None
    expiry: ExpiryConfig | None = None
    option: OptionConfig | None = None

    def __post_init__(self) -> None:
        if self.brackets is not None and self.schedule is not None:
            raise ValueError("brackets and schedule say the same in two ways; give one")


class PositionConfig(Strict, frozen=True, kw_only=True):
    """One position of an account; the keys are the columns of a positions file."""

    market: str
    side: Literal["long", "short"]
    size: Exact
    entry_price: Exact
    leverage: Exact | None = None
    collateral: Exact | None = None
    margin: Literal["cross", "isolated"] = "cross"

    def __post_init__(self) -> None:
        if self.leverage is not None and self.collateral is not None:
            raise ValueError("give leverage or collateral, not both")
        if self.margin == "isolated" and self.leverage is None and self.collateral is None:
            raise ValueError("an isolated position needs leverage or collateral")


class AccountConfig(Strict, frozen=True, kw_only=True):
    """An account: `collateral` goes to its cross scope, beside what its cross positions bring;
    `assets` are amounts of the venue's collaterals; with `hedge` a market has two legs."""

    name: str
    hedge: bool | None = None
    collateral: Exact | None = None
    assets: tuple[HoldingConfig, ...] = ()
    position: tuple[PositionConfig, ...] = ()


class PositionsConfig(Strict, frozen=True, kw_only=True):
    """Accounts and positions from a CSV or Parquet file; with `hedge` sides are legs."""

    file: str
    hedge: bool | None = None


class VenueConfig(Rules, frozen=True, kw_only=True):
    """An exchange: a preset, what it overrides, markets and accounts."""

    name: str
    preset: str = "simple"
    allow_insolvent: bool = False
    market: tuple[MarketConfig, ...] = ()
    collateral: tuple[CollateralConfig, ...] = ()
    account: tuple[AccountConfig, ...] = ()
    positions: tuple[PositionsConfig, ...] = ()
    population: tuple[PopulationConfig, ...] = ()
    answer: tuple[AnswerConfig, ...] = ()
    interest: InterestConfig | None = None
    portfolio: PortfolioConfig | None = None
    plugin: tuple[PluginConfig, ...] = ()


class ShockConfig(Strict, frozen=True, kw_only=True):
    """An order from outside: `size`, or `notional` in the settlement asset at the mark then."""

    at_s: Exact
    venue: str | None = None
    market: str | None = None
    side: Literal["bid", "ask"]
    notional: Exact | None = None
    size: Exact | None = None
    limit: Exact | None = None

    def __post_init__(self) -> None:
        if (self.notional is None) == (self.size is None):
            raise ValueError("a shock must have notional or size, one of the two")


class IndexConfig(Strict, frozen=True, kw_only=True):
    """A new outside price of a market."""

    at_s: Exact
    venue: str | None = None
    market: str | None = None
    price: Exact


class DislocationConfig(Strict, frozen=True, kw_only=True):
    """Oracles are told `shift` too much of a price for a while; trades and prices stay true."""

    at_s: Exact
    until_s: Exact | None = None
    venue: str | None = None
    market: str | None = None
    told: Literal["index", "own"] = "index"
    shift: Exact


class TransferConfig(Strict, frozen=True, kw_only=True):
    """A deposit into an account's cross scope; negative = a withdrawal."""

    at_s: Exact
    venue: str | None = None
    account: str
    amount: Exact
    asset: str | None = None  # a collateral of the venue; else what it settles in


class ScenarioConfig(Strict, frozen=True, kw_only=True):
    """A whole scenario: the root of the file."""

    schema: Literal[1]
    name: str
    about: str = ""
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    steps_max: Annotated[int, Meta(ge=1, le=10**9)] = 10**9
    venue: tuple[VenueConfig, ...] = ()
    shock: tuple[ShockConfig, ...] = ()
    index: tuple[IndexConfig, ...] = ()
    dislocation: tuple[DislocationConfig, ...] = ()
    transfer: tuple[TransferConfig, ...] = ()
    funding: tuple[FundingConfig, ...] = ()
    jump: tuple[JumpConfig, ...] = ()
    volatility: tuple[VolatilityConfig, ...] = ()


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a scenario file, for editors and for `ordercascade schema`."""
    return msgspec.json.schema(ScenarioConfig, schema_hook=_schema_of)


def _schema_of(kind: type) -> dict[str, Any]:
    if kind is Exact:
        described = "an exact decimal: a number, or a string such as '0.1'"
        return {"type": ["string", "number"], "description": described}
    raise NotImplementedError(kind)
