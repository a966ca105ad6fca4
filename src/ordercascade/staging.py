"""From the keys of stages to the engine's numbers, every combination judged.

`LEGAL` is the table of what goes together: a stage, a mode of it, the keys that mode takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from ordercascade.checks import SPAN_NS_MAX
from ordercascade.config import AdlConfig, FundConfig, VenueConfig
from ordercascade.duties import LotSide
from ordercascade.enums import (
    AdlTrigger,
    AdlWhen,
    OrderLimit,
    PriceMode,
    SocialRule,
    Takeover,
    TakeoverWhen,
    TrancheRule,
)
from ordercascade.errors import ConfigError
from ordercascade.exact import PPM, Exact, located, plain, ppm, time_ns
from ordercascade.market import Market
from ordercascade.stagekeys import (
    DisposalConfig,
    LevelsConfig,
    LimitConfig,
    SocialConfig,
    TakeoverConfig,
    TrancheConfig,
)

if TYPE_CHECKING:
    from ordercascade.core.mechanism import LiquidationPolicy

Arguments = dict[str, Any]
Rows = Sequence[Sequence[int]]

# Stage -> mode -> the keys that it takes beside its mode.
LEGAL: dict[str, dict[str, frozenset[str]]] = {
    "tranche": {
        "whole": frozenset({"block_cap", "cooldown_s"}),
        "portion": frozenset({"portion", "min", "block_cap", "cooldown_s"}),
        "cover": frozenset(
            {"portion", "min", "block_cap", "cooldown_s", "ramp_s", "target", "buffer", "cost"}
            | {"rounding"}
        ),
        "tier_down": frozenset({"tiers", "block_cap", "cooldown_s"}),
        "tier_fit": frozenset({"block_cap", "cooldown_s"}),
        "window": frozenset({"capacity", "window_s", "skew_max", "cooldown_s"}),
    },
    "limit_price": {
        "market": frozenset({"whole"}),
        "bankruptcy": frozenset({"whole"}),
        "fillable": frozenset({"whole", "spread", "ba"}),
        "mid_range": frozenset({"whole", "range"}),
    },
    "takeover": {
        # Whoever switches it off need not take its other keys back.
        "none": frozenset({"when", "threshold", "price", "collateral"}),
        "fund": frozenset({"when", "threshold", "price", "collateral"}),
        "vault": frozenset({"when", "threshold", "price", "collateral"}),
    },
    "takeover.when": {
        "below": frozenset({"threshold"}),
        "unfilled": frozenset(),
        "shortfall": frozenset(),
    },
    "social": {
        "profit": frozenset(),
        "gains": frozenset(),
        "lots": frozenset({"step", "side"}),
        "day": frozenset({"day_s", "day_at_s"}),
    },
}
TRANCHES = {
    "whole": TrancheRule.WHOLE,
    "portion": TrancheRule.PORTION,
    "cover": TrancheRule.COVER,
    "tier_down": TrancheRule.TIER_DOWN,
    "tier_fit": TrancheRule.TIER_FIT,
    "window": TrancheRule.WINDOW,
}
LIMITS = {
    "market": OrderLimit.MARKET,
    "bankruptcy": OrderLimit.BANKRUPTCY,
    "fillable": OrderLimit.FILLABLE,
    "mid_range": OrderLimit.RANGE,
}
DAY_S = 86_400
WHENS = {"untouched": AdlWhen.UNTOUCHED, "never": AdlWhen.NEVER}
TAKERS = {"none": Takeover.NOBODY, "fund": Takeover.FUND, "vault": Takeover.VAULT}


class Staged(NamedTuple):
    """A venue's stages in the engine's numbers."""

    policy: Arguments  # of Tranches; empty: the plain tranche of `liquidation` and `limit`
    stages: Arguments  # of add_venue(stages=); only what is not at its default


def staged(config: VenueConfig, markets: Sequence[Market], path: str) -> Staged:
    """Return a venue's policy and stages; ConfigError names the key path and what goes with it."""
    made: Arguments = {}
    _take_over(config, made, path)
    _dispose(config, made, path)
    _deleverage(config, made, path)
    _insure(config, made, path)
    _share(config, markets, made, path)
    _keep_levels(config, made, path)
    return Staged(_policy(config, markets, path), made)


def adl_trigger(config: VenueConfig) -> AdlTrigger:
    """Return when the plain table deleverages; `untouched` and `never` are stages."""
    early = config.adl is not None and config.adl.trigger == "unfilled"
    return AdlTrigger.UNFILLED if early else AdlTrigger.SHORTFALL


def fee_ppm(config: VenueConfig, path: str) -> int:
    """Return the fee on a fill's value; one on its surplus is a stage."""
    if config.liquidation_fee_base == "surplus":
        return 0
    return located(path, ppm, "liquidation_fee", config.liquidation_fee or 0)


def _judge(table: msgspec.Struct, stage: str, mode: str, path: str, *, key: str = "mode") -> None:
    """Refuse a key that the mode does not take; say which modes do."""
    legal = LEGAL[stage]
    known = frozenset().union(*legal.values())
    for field in table.__struct_fields__:
        if field not in known or field in legal[mode] or getattr(table, field) is None:
            continue
        does = " or ".join(repr(name) for name, keys in legal.items() if field in keys)
        raise ConfigError(f"{path}.{field}", f"belongs to {key} {does}, and {key} is {mode!r}")


def _policy(config: VenueConfig, markets: Sequence[Market], path: str) -> Arguments:
    """Return the numbers of the policy, empty where the plain tranche will do."""
    tranche, limit = config.tranche, config.limit_price
    if tranche is None and limit is None:
        return {}
    if (
        config.liquidation is not None
        and config.liquidation[:1]
        and (config.liquidation[0].kind == "tranche")
    ):
        rule = "needs the size said by tranche (mode 'portion', say), not by liquidation"
        raise ConfigError(f"{path}.limit_price", rule)
    tranche = tranche or TrancheConfig()
    limit = limit or LimitConfig(mode=config.limit)
    mode, at = tranche.mode or "whole", limit.mode or "market"
    _judge(tranche, "tranche", mode, f"{path}.tranche")
    _judge(limit, "limit_price", at, f"{path}.limit_price")
    made = _sizes(tranche, mode, markets, f"{path}.tranche")
    made["limit"] = LIMITS[at]
    if limit.whole is not None:
        made["limit_all"] = LIMITS[limit.whole]
    _put(made, f"{path}.limit_price", limit, spread=("spread_ppm", 100 * PPM),
         ba=("adjustment_ppm", 1000 * PPM), range=("range_ppm", 100 * PPM))  # fmt: skip
    return made


def _sizes(config: TrancheConfig, mode: str, markets: Sequence[Market], path: str) -> Arguments:
    made: Arguments = {"rule": TRANCHES[mode]}
    _put(made, path, config, portion=("portion_ppm", PPM), target=("target_ppm", 100 * PPM),
         buffer=("buffer_ppm", PPM), cost=("cost_ppm", PPM))  # fmt: skip
    for key, argument in (("cooldown_s", "cooldown_ns"), ("ramp_s", "ramp_ns"),
                          ("window_s", "window_ns")):  # fmt: skip
        if getattr(config, key) is not None:
            made[argument] = _span(path, key, getattr(config, key))
    for key, argument in (("min", "min_value"), ("block_cap", "block_value")):
        if getattr(config, key) is not None and markets:
            made[argument] = money_of(markets[0], getattr(config, key), f"{path}.{key}")
    for key, argument in (("capacity", "capacity"), ("skew_max", "skew_max")):
        if getattr(config, key) is not None and markets:
            made[argument] = _lots(markets, getattr(config, key), f"{path}.{key}")
    if config.tiers is not None:
        made["tiers"] = config.tiers
    if config.rounding is not None:
        made["round_up"] = config.rounding == "up"
    if mode == "window" and markets:
        for key, argument in (("capacity", "capacity"), ("window_s", "window_ns")):
            if not made.get(argument):
                rule = "must be said and above 0: a window has it from its market"
                raise ConfigError(f"{path}.{key}", rule)
    if made.get("target_ppm", PPM) < PPM:
        raise ConfigError(f"{path}.target", "must be 1 or more", plain(config.target or Exact(0)))
    return made


def _put(made: Arguments, path: str, table: msgspec.Struct, **keys: tuple[str, int]) -> None:
    """Write shares as ppm: key = (argument, the most it may be)."""
    for key, (argument, most) in keys.items():
        value = getattr(table, key)
        if value is not None:
            made[argument] = located(path, ppm, key, value, high=most)


def _span(path: str, key: str, seconds: Exact) -> int:
    found = located(path, time_ns, key, seconds)
    if found > SPAN_NS_MAX:
        raise ConfigError(f"{path}.{key}", "must be at most 2**61 nanoseconds", found)
    return found


def money_of(market: Market, amount: Exact, path: str) -> int:
    """Return an amount of money in settlement units; 0 or more."""
    found = located(path, market.to_amount, amount)
    if found < 0:
        raise ConfigError(path, "must be 0 or more", plain(amount))
    return found


def _lots(markets: Sequence[Market], size: Exact, path: str) -> int:
    if size == 0:
        return 0
    if len({market.lot_size for market in markets}) > 1:
        rule = "needs one lot size in all markets of the venue"
        raise ConfigError(path, rule, ", ".join(plain(m.lot_size) for m in markets))
    return located(path, markets[0].to_lots, size)


# Stages.


def _take_over(config: VenueConfig, made: Arguments, path: str) -> None:
    table = config.takeover or TakeoverConfig()
    mode = table.mode or "none"
    path = f"{path}.takeover"
    _judge(table, "takeover", mode, path)
    if mode == "none":
        return
    when = table.when or "below"
    _judge(table, "takeover.when", when, path, key="when")
    made["takeover"] = TAKERS[mode]
    made["takeover_when"] = TakeoverWhen[when.upper()]
    made["takeover_price"] = PriceMode[(table.price or "bankruptcy").upper()]
    made["takeover_collateral"] = bool(table.collateral)
    _put(made, path, table, threshold=("takeover_ppm", 100 * PPM))


def _dispose(config: VenueConfig, made: Arguments, path: str) -> None:
    table, path = config.disposal, f"{path}.disposal"
    if table is None or table == DisposalConfig() or table.fraction == 0 or _declined(config):
        return
    if "takeover" not in made:
        raise ConfigError(path, "needs a takeover: nobody else has anything to dispose of")
    _put(made, path, table, fraction=("dispose_ppm", PPM), max_fraction=("dispose_share_ppm", PPM),
         range=("dispose_range_ppm", 100 * PPM))  # fmt: skip
    if table.step_s is not None:
        made["dispose_ns"] = _span(path, "step_s", table.step_s)
    if table.full is not None:
        made["dispose_full"] = table.full
    if "dispose_ppm" not in made:
        raise ConfigError(f"{path}.fraction", "must be said; 0 keeps what was taken over")


def _declined(config: VenueConfig) -> bool:
    """Say if the venue wants no takeover: what its preset says of one is then of no account."""
    return config.takeover is not None and config.takeover.mode == "none"


def _deleverage(config: VenueConfig, made: Arguments, path: str) -> None:
    adl = config.adl
    if adl is None:
        return
    if adl.trigger in WHENS:
        made["adl_when"] = WHENS[adl.trigger]
    if adl.price is not None:
        made["adl_price"] = PriceMode[adl.price.upper()]
    _draw_down(adl, made, f"{path}.adl")
    if adl.overlap_check:
        if adl.price not in (None, "bankruptcy"):
            rule = "must be 'bankruptcy' with the overlap check"
            raise ConfigError(f"{path}.adl.price", rule, adl.price)
        made["adl_overlap"] = True


def _draw_down(adl: AdlConfig, made: Arguments, path: str) -> None:
    """A fund that is far below its high takes nothing over, so that winners are deleveraged."""
    for key in ("drawdown", "window_s"):
        said = getattr(adl, key) is not None
        if said != (adl.trigger == "fund_drawdown"):
            rule = "must be given with trigger 'fund_drawdown', and only then"
            raise ConfigError(f"{path}.{key}", rule)
    if adl.drawdown is None or adl.window_s is None:
        return
    if made.get("takeover") != Takeover.FUND:
        rule = "needs a takeover by the fund: who takes nothing over cannot stop to"
        raise ConfigError(f"{path}.trigger", rule, "fund_drawdown")
    _put(made, path, adl, drawdown=("drawdown_ppm", PPM))
    made["drawdown_ns"] = _span(path, "window_s", adl.window_s)
    for key, argument in (("drawdown", "drawdown_ppm"), ("window_s", "drawdown_ns")):
        if not made[argument]:
            raise ConfigError(f"{path}.{key}", "must be above 0")


def _insure(config: VenueConfig, made: Arguments, path: str) -> None:
    """Fills against the bankruptcy quote, whose fund it is, and what the taker may hold."""
    fund = config.fund or FundConfig()
    if fund.scope == "market":
        made["fund_market"] = True
    if config.liquidation_fee_base == "surplus":
        made["insured"] = True
        fee = located(path, ppm, "liquidation_fee", config.liquidation_fee or 0)
        made["insured_fee_ppm"] = fee
        if config.liquidation_fee_to == "fees":
            rule = "must be 'fund': a fee on the surplus is the fund's"
            raise ConfigError(f"{path}.liquidation_fee_to", rule, "fees")
    if fund.position_cap is not None and not _declined(config):
        if "takeover" not in made:
            raise ConfigError(f"{path}.fund.position_cap", "needs a takeover")
        cap = located(f"{path}.fund", ppm, "position_cap", fund.position_cap, high=1000 * PPM)
        made["takeover_cap_ppm"] = cap


def _share(config: VenueConfig, markets: Sequence[Market], made: Arguments, path: str) -> None:
    fund, market = config.fund or FundConfig(), markets[0] if markets else None
    if fund.block_loss_cap is not None and config.liquidation_fee_base != "fill":
        if "insured" not in made:
            rule = "needs liquidation_fee_base = 'surplus': only there the fund pays by the fill"
            raise ConfigError(f"{path}.fund.block_loss_cap", rule)
        if market is not None:
            where = f"{path}.fund.block_loss_cap"
            made["insured_most"] = min(2**60, money_of(market, fund.block_loss_cap, where))
    if config.settle_to_mark:
        made["variation"] = True
    if not isinstance(config.social, SocialConfig):
        return
    social, path = config.social, f"{path}.social"
    _judge(social, "social", social.mode, path)
    if social.mode == "gains" and not config.settle_to_mark:
        raise ConfigError(
            f"{path}.mode", "needs settle_to_mark, which says what gains are", "gains"
        )
    made["social_rule"] = SocialRule[social.mode.upper()]
    if social.side is not None:
        made["social_side"] = LotSide[social.side.upper()]
    if social.mode == "day":
        made["day_ns"] = _span(path, "day_s", social.day_s or Exact(DAY_S))
        made["day_at_ns"] = _span(path, "day_at_s", social.day_at_s or Exact(0))
        if not made["day_ns"] > made["day_at_ns"]:
            raise ConfigError(f"{path}.day_at_s", "must be below day_s, and that above 0")
    if social.step is not None and market is not None:
        made["social_step"] = max(1, money_of(market, social.step, f"{path}.step"))


def _keep_levels(config: VenueConfig, made: Arguments, path: str) -> None:
    levels: LevelsConfig | None = config.levels
    if levels is not None:
        _put(made, f"{path}.levels", levels, search=("search_ppm", 1000 * PPM),
             initial=("initial_ppm", 1000 * PPM), release=("release_ppm", 1000 * PPM))  # fmt: skip
    if config.order_margin is not None:
        made["order_ppm"] = located(path, ppm, "order_margin", config.order_margin)


def policy_of(arguments: Arguments) -> LiquidationPolicy:
    """Return the engine's policy of a venue."""
    from ordercascade.mechanisms.tranches import Tranches

    return Tranches(**arguments)
