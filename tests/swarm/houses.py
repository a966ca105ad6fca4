"""Rules with stages as the presets have them, by what they are like; numbers small enough to bite.

The names are the presets' (src/ordercascade/presets); the core knows none of them.
"""

from __future__ import annotations

from typing import Any

from ordercascade.enums import (
    AdlRule,
    AdlWhen,
    CancelPolicy,
    OrderLimit,
    PriceMode,
    ShortfallAt,
    SocialRule,
    Takeover,
    TakeoverWhen,
    TrancheRule,
)
from ordercascade.mechanisms.closing import Deleverage, Tranche
from ordercascade.mechanisms.tranches import Tranches


def book_then_fund(**more: Any) -> dict[str, Any]:
    """An order at the bankruptcy price, the rest to the fund within its cap, then ADL."""
    return {
        "policy": Tranches(limit=OrderLimit.BANKRUPTCY),
        "stages": {"takeover": Takeover.FUND, "takeover_when": TakeoverWhen.UNFILLED} | more,
    }


def houses() -> dict[str, dict[str, Any]]:
    """Return fresh rules by preset."""
    inherited = {"dispose_ns": 2, "dispose_ppm": 300_000, "dispose_full": 2}
    return {
        "simple": {"policy": Tranche(fraction_ppm=400_000, cooldown_ns=2)},
        "dydx-v4": {
            "policy": Tranches(TrancheRule.PORTION, OrderLimit.FILLABLE, portion_ppm=500_000),
            "backstop": Deleverage(AdlRule.SCOPE_ID),
            "cancel": CancelPolicy.NONE,
            "stages": {
                "insured": True,
                "insured_fee_ppm": 5_000,
                "insured_most": 5_000,
                "adl_overlap": True,
                "adl_when": AdlWhen.UNTOUCHED,
            },
        },
        "vega": {
            "policy": Tranches(),
            "cancel": CancelPolicy.MARKET,
            "stages": {
                "adl_when": AdlWhen.NEVER,
                "takeover": Takeover.FUND,
                "takeover_price": PriceMode.MARK,
                "takeover_collateral": True,
                "variation": True,
                "social_rule": SocialRule.GAINS,
                "search_ppm": 1_100_000,
                "initial_ppm": 1_200_000,
                "release_ppm": 1_400_000,
                "fund_market": True,
            }
            | inherited,
        },
        "hyperliquid": {
            "policy": Tranche(fraction_ppm=200_000, min_value=20_000, cooldown_ns=3, then_all=True),
            "stages": {
                "takeover": Takeover.VAULT,
                "takeover_ppm": 666_667,
                "takeover_price": PriceMode.MARK,
                "takeover_collateral": True,
                "adl_price": PriceMode.PREVIOUS_MARK,
            }
            | inherited,
        },
        "binance-usdm": book_then_fund(takeover_cap_ppm=10**7) | {"liquidation_fee_ppm": 3_000},
        "bybit-linear": book_then_fund(adl_price=PriceMode.TICK, fund_market=True, **inherited)
        | {"policy": Tranches(TrancheRule.TIER_FIT, OrderLimit.BANKRUPTCY)},
        "bitmex": book_then_fund(takeover_cap_ppm=5 * 10**6, fund_market=True)
        | {"policy": Tranches(TrancheRule.TIER_FIT, limit_all=OrderLimit.BANKRUPTCY)},
        "okx": book_then_fund(
            takeover_when=TakeoverWhen.SHORTFALL,
            adl_price=PriceMode.MARK,
            fund_market=True,
            drawdown_ppm=300_000,
            drawdown_ns=9,
        )
        | {"policy": Tranches(TrancheRule.TIER_DOWN, limit_all=OrderLimit.BANKRUPTCY)},
        "deribit": {
            "policy": Tranches(block_value=20_000, cooldown_ns=1),
            "social": True,
            "stages": {
                "adl_when": AdlWhen.NEVER,
                "order_ppm": 900_000,
                "social_rule": SocialRule.DAY,
                "day_ns": 7,
                "day_at_ns": 2,
            },
        },
        "synthetix-v3": {
            "policy": Tranches(TrancheRule.WINDOW, capacity=5, window_ns=3, skew_max=4),
            "stages": {
                "takeover": Takeover.VAULT,
                "takeover_price": PriceMode.MARK,
                "takeover_collateral": True,
            },
        },
        "drift": {
            "policy": Tranches(
                TrancheRule.COVER, portion_ppm=100_000, ramp_ns=5, buffer_ppm=20_000, cost_ppm=5_000
            ),
            "buffer_ppm": 20_000,
            "social": True,
            "shortfall_at": ShortfallAt.ROUND,
            "stages": {"social_rule": SocialRule.LOTS, "social_step": 7, "fund_market": True},
        },
    }
