"""Every built-in mechanism with numbers, its twin in Python and the lines that switch it on.

`make` gives the arguments of `room()`, fresh. `twin` gives the same mechanism as a Python plug-in;
where there is none, or where tables may differ, `apart` says why. `toml` are the keys of a venue
that stand for the same numbers: see KEY for what a scenario adds to an oracle.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction as F
from typing import Any, Literal, get_args, get_origin, get_type_hints

from mechanism import twins_prices as prices
from mechanism import twins_rates as rates
from mechanism import twins_rules as rules
from mechanism.room import BRACKETS, SECOND
from ordercascade.duties import RateKind, TrancheRule
from ordercascade.enums import (
    AdlRule,
    BreakerKind,
    FeedKind,
    OrderLimit,
    PriceSource,
    ReleaseRule,
)
from ordercascade.mechanisms.breakers import Breaker
from ordercascade.mechanisms.closing import Deleverage, Tranche
from ordercascade.mechanisms.feeds import Feed
from ordercascade.mechanisms.plugins import (
    PluginBackstop,
    PluginBreaker,
    PluginOracle,
    PluginPolicy,
    PluginSurcharge,
    Risk,
)
from ordercascade.mechanisms.prices import OwnBook
from ordercascade.mechanisms.slices import Slices
from ordercascade.mechanisms.surcharges import ContagionBuffer, VolatilityFee, VolatilityMargin
from ordercascade.mechanisms.tranches import Tranches
from ordercascade.slices import almgren_chriss, equal, obizhaeva_wang, parts
from reference import stages

S = SECOND
TICKS = 10_000  # of the market: its highest price
KEY: dict[str, Any] = {"seed": 3, "name": "oracle/room/TOY", "price_max": TICKS}
PEEKS = "a Python oracle's peek is its last answer, so parents may differ"
Rules = dict[str, Any]


@dataclass(frozen=True)
class Entry:
    name: str
    make: Callable[[], Rules]
    toml: str
    twin: Callable[[], Rules] | None = None
    apart: str = ""
    seconds: int = 30  # of the clock: as long as the built-in has something to do


def fed(
    name: str, numbers: Rules, toml: str, twin: Callable[[], Any] | None, why: str = ""
) -> Entry:
    """An oracle with a memory."""
    return Entry(
        name,
        lambda: {"oracle": Feed(**numbers, **KEY)},
        f"oracle = {{ {toml} }}",
        None if twin is None else lambda: {"oracle": PluginOracle(twin())},
        why or PEEKS,
    )


def braked(name: str, numbers: Rules, toml: str, twin: Callable[[], Any] | None, why: str = "",
           **beside: Callable[[], Any]) -> Entry:  # fmt: skip
    """A breaker, beside another mechanism that it needs."""

    def others() -> Rules:
        return {key: made() for key, made in beside.items()}

    return Entry(
        name,
        lambda: {"breakers": [Breaker(**numbers)]} | others(),
        f"breaker = [{{ {toml} }}]",
        None if twin is None else lambda: {"breakers": [PluginBreaker(twin())]} | others(),
        why,
    )


def sold(name: str, made: Callable[[], Any], toml: str, size: Callable[[Risk], int] | None = None,
         why: str = "", **more: Any) -> Entry:  # fmt: skip
    """A liquidation policy."""
    return Entry(
        name,
        lambda: {"policy": made()},
        toml,
        None if size is None else lambda: {"policy": PluginPolicy(rules.Planned(size, **more))},
        why,
    )


def dealt(rule: AdlRule, toml: str, score: Callable[[Any], F] | None, why: str = "",
          **more: Any) -> Entry:  # fmt: skip
    """A rule of deleveraging; a band that holds orders leaves it many."""
    scores = {"scores": more["scores"]} if "scores" in more else {"seed": more.get("seed", 0)}
    last = {"broke_last": rule in PROFITS}
    return Entry(
        f"adl {rule.name.lower()}",
        lambda: {"backstop": Deleverage(rule, **scores), "breakers": [Breaker(**HELD)]},
        toml,
        None if score is None else lambda: {
            "backstop": PluginBackstop(rules.Ranks(score, **last)), "breakers": [Breaker(**HELD)]},
        why,
    )  # fmt: skip


PROFITS = (AdlRule.QUEUE, AdlRule.ACCOUNT_RISK, AdlRule.MARGIN_RATIO, AdlRule.GROWTH)
HELD = {"band_ppm": 30_000}
LATE = prices.Spot
MEAN = {"kind": FeedKind.TWAP, "window_ns": 4 * S, "heartbeat_ns": S}
FAIR = {"funding_ppb": 50_000_000, "funding_at_ns": 4 * S, "funding_every_ns": 8 * S}
FAIR_TOML = "funding_rate = 0.05, funding_at_s = 4, funding_every_s = 8, heartbeat_s = 1"


def fair() -> prices.Funding:
    return prices.Funding(F(5, 100), 4 * S, 8 * S)


def mean_oracle() -> Feed:
    return Feed(**MEAN, **KEY)


ORACLES = [
    Entry(
        "last",
        lambda: {"oracle": OwnBook(price_max=TICKS)},
        'oracle = { kind = "last" }',
        lambda: {"oracle": PluginOracle(prices.Fed(prices.Spot()))},
        PEEKS,
    ),
    Entry(
        "mid with an index",
        lambda: {"oracle": OwnBook(PriceSource.MID, own_weight_ppm=300_000, price_max=TICKS)},
        'oracle = { kind = "mid", own_book_weight = 0.3 }',
        lambda: {"oracle": PluginOracle(prices.Fed(prices.Spot("mid"), weight=F(3, 10)))},
        PEEKS,
    ),
    Entry(
        "index",
        lambda: {"oracle": OwnBook(PriceSource.INDEX, own_weight_ppm=0, price_max=TICKS)},
        'oracle = { kind = "index" }',
        lambda: {"oracle": PluginOracle(prices.Fed(prices.Spot("index")))},
        PEEKS,
    ),
    fed("twap", MEAN, 'kind = "twap", window_s = 4, heartbeat_s = 1',
        lambda: prices.Fed(prices.Twap(4 * S), heartbeat=S)),
    fed("twap of the mid with an index",
        MEAN | {"source": PriceSource.MID, "own_weight_ppm": 700_000},
        'kind = "twap", of = "mid", window_s = 4, heartbeat_s = 1, own_book_weight = 0.7',
        lambda: prices.Fed(prices.Twap(4 * S, "mid"), heartbeat=S, weight=F(7, 10))),
    fed("ema", {"kind": FeedKind.EMA, "tau_ns": 2 * S, "heartbeat_ns": S},
        'kind = "ema", ema_tau_s = 2, heartbeat_s = 1',
        lambda: prices.Fed(prices.Ema(2 * S), heartbeat=S)),
    fed("median3", {"kind": FeedKind.MEDIAN3, "source": PriceSource.MID, "tau_ns": 2 * S,
                    "heartbeat_ns": S},
        'kind = "median3", of = "mid", ema_tau_s = 2, heartbeat_s = 1',
        lambda: prices.Fed(prices.Median3(prices.Ema(2 * S, "mid")), heartbeat=S)),
    fed("funding", FAIR | {"kind": FeedKind.FUNDING, "heartbeat_ns": S},
        f'kind = "funding", {FAIR_TOML}', lambda: prices.Fed(fair(), heartbeat=S)),
    fed("basis3", FAIR | {"kind": FeedKind.BASIS3, "tau_ns": 2 * S, "heartbeat_ns": S},
        f'kind = "basis3", ema_tau_s = 2, {FAIR_TOML}',
        lambda: prices.Fed(prices.Basis3(fair(), prices.Ema(2 * S)), heartbeat=S)),
    fed("latency", {"latency_ns": 2 * S}, 'kind = "last", latency_s = 2',
        lambda: prices.Fed(LATE(), latency=2 * S)),
    fed("latency drawn", {"latency_ns": S, "sigma_ppm": 500_000},
        "latency_s = 1, latency_sigma = 0.5", None,
        "its draws come from its own Philox stream, which no plug-in has: test_feeds tests them"),
    fed("congestion", {"latency_ns": S, "congestion_ppm": 10**6}, "latency_s = 1, congestion = 1",
        lambda: prices.Fed(LATE(), latency=S, congestion=F(1))),
    fed("heartbeat and deviation", {"heartbeat_ns": 3 * S, "deviation_ppm": 20_000},
        "heartbeat_s = 3, deviation = 0.02",
        lambda: prices.Fed(LATE(), heartbeat=3 * S, deviation=F(2, 100))),
    fed("clamp", {"clamp_ppm": 30_000}, "clamp = 0.03",
        lambda: prices.Fed(LATE(), clamp=F(3, 100))),
    fed("clamp by taking", {"clamp_round_ppm": 20_000}, "clamp_round = 0.02",
        lambda: prices.Fed(LATE(), clamp_round=F(2, 100))),
    fed("clamp by second", {"clamp_second_ppm": 30_000}, "clamp_per_s = 0.03",
        lambda: prices.Fed(LATE(), clamp_second=F(3, 100))),
]  # fmt: skip

HOLDS = {"kind": BreakerKind.HALT, "band_ppm": 50_000, "halt_ns": 2 * S}
MUTE = "a Python breaker cannot say how what waits is let go, nor speak to everybody"
BREAKERS = [
    braked("price band", {"band_ppm": 30_000},
           'kind = "price_band", band_pct = 3, ref_window_s = 0',
           lambda: rules.Band(F(3, 100), rules.Mean(0))),
    braked("price band around a mean", {"band_ppm": 30_000, "window_ns": 20 * S},
           'kind = "price_band", band_pct = 3, ref_window_s = 20',
           lambda: rules.Band(F(3, 100), rules.Mean(20 * S))),
    braked("halt", HOLDS | {"window_ns": 5 * S},
           'kind = "halt", band_pct = 5, halt_s = 2, ref_window_s = 5',
           lambda: rules.Pause(rules.Fell(F(5, 100), 5 * S), 2 * S)),
    braked("halt and auction", HOLDS | {"release": ReleaseRule.AUCTION, "everybody": True},
           'kind = "halt", band_pct = 5, halt_s = 2, ref_window_s = 0, release = "auction",'
           ' scope = "all"', None, MUTE),
    braked("halt and drip", HOLDS | {"release": ReleaseRule.DRIP, "drip_ppm": 250_000,
                                     "drip_ns": S},
           'kind = "halt", band_pct = 5, halt_s = 2, ref_window_s = 0, release = "drip",'
           " drip_fraction = 0.25, drip_s = 1", None, MUTE),
    braked("lag pause", {"kind": BreakerKind.LAG, "band_ppm": 20_000, "halt_ns": S,
                         "halt_max_ns": 3 * S},
           'kind = "lag_pause", band_pct = 2, halt_s = 1, halt_max_s = 3',
           lambda: rules.Pause(rules.Lags(F(2, 100)), S, 3 * S), "", oracle=mean_oracle),
    braked("gas pause", {"kind": BreakerKind.GAS, "halt_ns": S, "halt_max_ns": 4 * S, "gas": 30,
                         "gas_max": 40, "gas_ppm": 500_000},
           'kind = "gas_pause", gas_gwei = 30, gas_beta = 0.5, gas_pause_gwei = 40, halt_s = 1,'
           " halt_max_s = 4",
           lambda: rules.Pause(rules.Dear(30, F(1, 2), 40), S, 4 * S, spares=True)),
]  # fmt: skip


def leg(row: Risk) -> stages.Leg:
    """A row as the twin of MARGIN §6.2 takes it; the mark is the value of a lot here."""
    mark = row.value // row.size
    return stages.Leg(row.size, mark, 1, row.equity, row.maintenance, BRACKETS)


def staged(name: str, numbers: Rules, toml: str, size: Callable[[Risk], int] | None = None,
           why: str = "", **more: Any) -> Entry:  # fmt: skip
    return sold(name, lambda: Tranches(**numbers), toml, size, why, **more)


def planner(name: str, table: Callable[[], list[float]], toml: str, size: Any) -> Entry:
    keys = f"liquidation = [{{ {toml}, slices = 4, cooldown_s = 1 }}]"
    made = lambda: Slices(parts(table()), cooldown_ns=S)  # noqa: E731
    return sold(name, made, keys, size, cooldown=S)


def below(row: Risk) -> int:
    """Bankruptcy limit, within what a plug-in may say."""
    return max(1, row.bankruptcy_limit)


VENUE_ONLY = "a Python policy neither sees the book or the clock, nor is it asked what may go now"
POLICIES = [
    sold("tranche", lambda: Tranche(fraction_ppm=300_000, min_value=11_000, cooldown_ns=S),
         'liquidation = [{ kind = "tranche", fraction = 0.3, min_notional = 11_000,'
         " cooldown_s = 1 }]", rules.fraction(F(3, 10), above=11_000), cooldown=S),
    sold("tranche, then all", lambda: Tranche(fraction_ppm=200_000, cooldown_ns=2 * S,
                                              then_all=True, at_bankruptcy=True),
         'liquidation = [{ kind = "tranche", fraction = 0.2, cooldown_s = 2, then = "all" }]\n'
         'limit = "bankruptcy"', rules.fraction(F(1, 5), then_all=True), cooldown=2 * S,
         limit=below),
    planner("equal slices", lambda: equal(4), 'kind = "equal"', rules.equal(4)),
    planner("almgren-chriss", lambda: almgren_chriss(4, 0.5),
            'kind = "almgren_chriss", kappa_per_s = 0.5', rules.almgren_chriss(4, 0.5)),
    planner("obizhaeva-wang", lambda: obizhaeva_wang(4, 0.7),
            'kind = "obizhaeva_wang", resilience_per_s = 0.7', rules.obizhaeva_wang(4, 0.7)),
    sold("restore", lambda: Slices(target_ppm=80_000, cost_ppm=5_000, cooldown_ns=S),
         'liquidation = [{ kind = "restore", target_margin = 0.08, cost = 0.005,'
         " cooldown_s = 1 }]", rules.restored(F(8, 100), F(5, 1000)), cooldown=S),
    sold("book share", lambda: Slices(parts(equal(2)), share_ppm=200_000, depth_ppm=30_000,
                                      cooldown_ns=S),
         'liquidation = [{ kind = "equal", slices = 2, book_share = 0.2, book_range = 0.03,'
         " cooldown_s = 1 }]", None, VENUE_ONLY),
    staged("whole", {"limit": OrderLimit.FILLABLE, "spread_ppm": 500_000},
           'tranche = { mode = "whole" }\nlimit_price = { mode = "fillable", spread = 0.5 }',
           lambda row: abs(row.size),
           limit=lambda row: stages.fillable(leg(row), 500_000, 10**6)),
    staged("portion", {"rule": TrancheRule.PORTION, "portion_ppm": 250_000, "min_value": 9_000,
                       "block_value": 20_000, "cooldown_ns": S},
           'tranche = { mode = "portion", portion = 0.25, min = 9_000, block_cap = 20_000,'
           " cooldown_s = 1 }",
           lambda row: stages.portion(leg(row), 250_000, 9_000, 20_000), cooldown=S),
    staged("cover", {"rule": TrancheRule.COVER, "target_ppm": 1_200_000, "buffer_ppm": 10_000,
                     "cost_ppm": 5_000, "cooldown_ns": S},
           'tranche = { mode = "cover", target = 1.2, buffer = 0.01, cost = 0.005,'
           " cooldown_s = 1 }",
           lambda row: stages.cover(leg(row), 1_200_000, 10_000, 5_000, up=True), cooldown=S),
    staged("tier down", {"rule": TrancheRule.TIER_DOWN, "tiers": 1, "cooldown_ns": S},
           'tranche = { mode = "tier_down", tiers = 1, cooldown_s = 1 }',
           lambda row: stages.tier_down(leg(row), 1), cooldown=S),
    staged("tier fit", {"rule": TrancheRule.TIER_FIT, "cooldown_ns": S},
           'tranche = { mode = "tier_fit", cooldown_s = 1 }',
           lambda row: stages.tier_fit(leg(row)), cooldown=S),
    staged("window", {"rule": TrancheRule.WINDOW, "capacity": 15, "window_ns": S,
                      "limit": OrderLimit.RANGE, "cooldown_ns": S},
           'tranche = { mode = "window", capacity = 15, window_s = 1, cooldown_s = 1 }\n'
           'limit_price = { mode = "mid_range", range = 0.1 }', None, VENUE_ONLY),
]  # fmt: skip

SPLIT = "a Python backstop says who comes first, not how lots are split"
SCORES = {2: 7, 8: 9, 9: -5}
ADL = [
    dealt(AdlRule.QUEUE, 'adl = { rule = "queue" }', rules.by_leverage),
    dealt(AdlRule.SCOPE_ID, 'adl = { rule = "scope_id" }', lambda row: F(0)),
    dealt(AdlRule.ACCOUNT_RISK, 'adl = { rule = "account_risk" }', rules.by_account_risk),
    dealt(AdlRule.MARGIN_RATIO, 'adl = { rule = "margin_ratio" }', rules.by_margin_ratio),
    dealt(AdlRule.GROWTH, 'adl = { rule = "growth" }', rules.by_growth),
    dealt(AdlRule.SCORES, "", lambda row: F(SCORES.get(row.scope, -100)), scores=SCORES),
    dealt(AdlRule.PRO_RATA, 'adl = { rule = "pro_rata" }', None, SPLIT),
    dealt(AdlRule.RANDOM, 'adl = { rule = "random" }', None,
          "its start is drawn from the seed by the engine's own digest", seed=3),
]  # fmt: skip

MARGIN: Rules = {"k_ppm": 3 * 10**6, "mpor_ns": 4 * S, "sample_ns": S, "decay_ppm": 940_000}
MARGIN |= {"cap_ppm": 200_000, "bases_ppm": (50_000,)}
FEE: Rules = {"base_ppm": 500, "slope_ppm": 300, "cap_ppm": 9_000, "reference_ppb": 400_000_000}
FEE |= {"sample_ns": S}
TAMED: Rules = {"buffer_ppm": 250_000, "stressed_ppm": 150_000, "weight_ppm": 250_000}
TAMED |= {"floor_ppm": 60_000, "step_ppm": 1_000_000, "start_ppb": 10**9}
RATES = [
    Entry(
        "volatility margin",
        lambda: {"surcharges": [VolatilityMargin(**MARGIN)]},
        'surcharge = [{ kind = "volatility_margin", k = 3, mpor_s = 4, sample_s = 1, cap = 0.2,'
        " ewma_lambda = 0.94 }]",
        lambda: {"surcharges": [PluginSurcharge(rates.Moving(
            rates.Margin(F(3), 4 * S, S, 50_000, 200_000), 50_000, S, F(94, 100)))]},
    ),
    Entry(
        "volatility margin, tamed",
        lambda: {"surcharges": [VolatilityMargin(**MARGIN | TAMED)]},
        'surcharge = [{ kind = "volatility_margin", k = 3, mpor_s = 4, sample_s = 1, cap = 0.2,'
        " ewma_lambda = 0.94, floor = 0.06, stressed = 0.15, buffer = 0.25, stress_weight = 0.25,"
        " max_step_per_hour = 1, volatility_start = 1 }]",
        lambda: {"surcharges": [PluginSurcharge(rates.Moving(
            rates.Margin(F(3), 4 * S, S, 50_000, 200_000, 60_000, F(1, 4), 150_000, F(1, 4)),
            50_000, S, F(94, 100), step=10**6, variance=10**18 * S // rates.DAY))]},
        seconds=300,
    ),
    Entry(
        "volatility fee",
        lambda: {"surcharges": [VolatilityFee(**FEE)], "liquidation_pays_taker": True},
        "fees = { taker = 0.0005 }\nliquidation_pays_taker = true\n"
        'surcharge = [{ kind = "volatility_fee", slope = 0.0003, cap = 0.009,'
        " volatility_reference = 0.4, sample_s = 1 }]",
        lambda: {"surcharges": [PluginSurcharge(
            rates.Moving(rates.Fee(500, 300, 9_000, 400_000_000, S), 500, S, F(94, 100)),
            rate=RateKind.FEE)], "liquidation_pays_taker": True},
    ),
    Entry(
        "contagion buffer",
        lambda: {"surcharges": [ContagionBuffer(reach_ppm=40_000, cap_ppm=30_000, every_ns=2 * S)]},
        'surcharge = [{ kind = "contagion_buffer", reach = 0.04, cap = 0.03, every_s = 2 }]',
        lambda: {"surcharges": [PluginSurcharge(
            rates.Crowded(40_000, 30_000, 2 * S), reach_ppm=40_000)]},
    ),
]  # fmt: skip

ENTRIES = [*ORACLES, *BREAKERS, *POLICIES, *ADL, *RATES]


def words_of(config: Any, key: str) -> set[str]:
    """The words that a key of a scenario may have."""
    hint = get_type_hints(config)[key]
    parts = [hint] if get_origin(hint) is Literal else get_args(hint)
    return {word for part in parts for word in get_args(part)}
