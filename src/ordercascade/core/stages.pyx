"""The numbers of the liquidation stages, judged one by one. spec/MARGIN.md §6; ADR 10."""

from libc.string cimport memset
from libc.stdint cimport int32_t, int64_t
from ordercascade.core.contracts cimport LINEAR
from ordercascade.core.schedule cimport (
    AT_BANKRUPTCY as FEE_AT_BANKRUPTCY, Plan, RISK, Schedule,
)
from ordercascade.core.state cimport BY_FUND, BY_NOBODY, Stages

from types import MappingProxyType

from ordercascade.checks import SPAN_NS_MAX, member, whole
from ordercascade.duties import LotSide
from ordercascade.enums import AdlWhen, PriceMode, SocialRule, Takeover, TakeoverWhen
from ordercascade.errors import ConfigError, InputTypeError

PPM = 10**6
MOST = 2**60

# Every key with its default: a venue with only these has no stages.
STAGES = MappingProxyType({
    "takeover": Takeover.NOBODY, "takeover_when": TakeoverWhen.BELOW,
    "takeover_price": PriceMode.BANKRUPTCY, "takeover_collateral": False, "takeover_ppm": PPM,
    "takeover_cap_ppm": 0, "dispose_ns": 0, "dispose_ppm": 0, "dispose_full": 0,
    "dispose_share_ppm": PPM, "dispose_range_ppm": 100_000, "insured": False,
    "insured_fee_ppm": 0, "insured_most": MOST, "adl_price": PriceMode.BANKRUPTCY,
    "adl_overlap": False, "adl_when": AdlWhen.TABLE, "social_rule": SocialRule.PROFIT,
    "social_step": 1, "variation": False, "order_ppm": PPM, "search_ppm": 0, "initial_ppm": 0,
    "release_ppm": 0, "fund_market": False, "social_side": LotSide.BOTH, "day_ns": 0,
    "day_at_ns": 0, "drawdown_ppm": 0, "drawdown_ns": 0,
})


cdef int check_plan(str name, object schedule, int32_t kind, int64_t multiplier,
                    bint strict) except -1:
    """The market's own contract, multiplier and test, the fee at the mark; by risk only linear."""
    cdef const Plan* p
    if not isinstance(schedule, Schedule):
        raise InputTypeError(f"{name}.schedule", "a Schedule", type(schedule).__name__)
    p = &(<Schedule>schedule).plan
    if p.contract != kind:
        raise ConfigError(f"{name}.schedule", "must have the market's contract")
    if p.kind == RISK and kind != LINEAR:
        raise ConfigError(f"{name}.schedule", "must be of a linear contract with risk factors: "
                          "others cannot be run yet")
    if p.kind == RISK and p.fee_ppm and p.fee_base == FEE_AT_BANKRUPTCY:
        raise ConfigError(f"{name}.schedule", "must take its fee at the mark with risk factors: "
                          "open orders would have a share in it")
    if p.multiplier != multiplier:
        raise ConfigError(f"{name}.schedule", f"must have the market's multiplier, {multiplier}",
                          p.multiplier)
    if p.strict != strict:
        raise ConfigError(f"{name}.schedule", "must be strict just where the venue's trigger is")
    return 0


cdef int set_stages(Stages* stages, object given) except -1:
    """Fill the record from a mapping of STAGES' keys (None: no stages); ConfigError names a key."""
    cdef Stages made
    memset(&made, 0, sizeof(Stages))
    if given is None:
        given = {}
    if not isinstance(given, dict):
        raise InputTypeError("stages", "a dict", type(given).__name__)
    for key in given:
        if key not in STAGES:
            raise ConfigError(f"stages.{key}", f"must be one of {', '.join(STAGES)}")
    of = dict(STAGES)
    of.update(given)
    _set_takeover(&made, of)
    _set_losses(&made, of)
    _set_funds(&made, of)
    _set_levels(&made, of)
    made.on = any(of[key] != STAGES[key] for key in STAGES)
    stages[0] = made
    return 0


cdef int _set_takeover(Stages* made, dict of) except -1:
    made.takeover = member("stages.takeover", Takeover, of["takeover"])
    made.takeover_when = member("stages.takeover_when", TakeoverWhen, of["takeover_when"])
    made.takeover_price = member("stages.takeover_price", PriceMode, of["takeover_price"])
    if made.takeover_price not in (PriceMode.BANKRUPTCY, PriceMode.MARK):
        raise ConfigError("stages.takeover_price", "must be BANKRUPTCY or MARK")
    made.takeover_collateral = bool(of["takeover_collateral"])
    made.takeover_ppm = whole("stages.takeover_ppm", of["takeover_ppm"], 0, 100 * PPM)
    made.takeover_cap_ppm = whole("stages.takeover_cap_ppm", of["takeover_cap_ppm"], 0, 10**9)
    made.dispose_ns = whole("stages.dispose_ns", of["dispose_ns"], 0, SPAN_NS_MAX)
    made.dispose_ppm = whole("stages.dispose_ppm", of["dispose_ppm"], 0, PPM)
    made.dispose_full = whole("stages.dispose_full", of["dispose_full"], 0, 2**40)
    made.dispose_share_ppm = whole("stages.dispose_share_ppm", of["dispose_share_ppm"], 0, PPM)
    made.dispose_range_ppm = whole(
        "stages.dispose_range_ppm", of["dispose_range_ppm"], 0, 100 * PPM)
    if made.dispose_ppm and made.takeover == BY_NOBODY:
        raise ConfigError("stages.dispose_ppm", "needs a takeover")
    return 0


cdef int _set_losses(Stages* made, dict of) except -1:
    made.insured = bool(of["insured"])
    made.insured_fee_ppm = whole("stages.insured_fee_ppm", of["insured_fee_ppm"], 0, PPM)
    made.insured_most = whole("stages.insured_most", of["insured_most"], 0, MOST)
    made.adl_price = member("stages.adl_price", PriceMode, of["adl_price"])
    made.adl_when = member("stages.adl_when", AdlWhen, of["adl_when"])
    made.adl_overlap = bool(of["adl_overlap"])
    made.social_rule = member("stages.social_rule", SocialRule, of["social_rule"])
    made.social_step = whole("stages.social_step", of["social_step"], 1, MOST)
    made.variation = bool(of["variation"])
    if made.adl_overlap and made.adl_price != PriceMode.BANKRUPTCY:
        raise ConfigError("stages.adl_price", "must be BANKRUPTCY with the overlap check")
    if made.social_rule == SocialRule.GAINS and not made.variation:
        raise ConfigError("stages.social_rule", "GAINS needs variation, which says what they are")
    return 0


cdef int _set_funds(Stages* made, dict of) except -1:
    """Whose fund; whose lots or whose day a loss is spread over; when a fund takes no more."""
    made.fund_market = bool(of["fund_market"])
    made.social_side = member("stages.social_side", LotSide, of["social_side"])
    made.day_ns = whole("stages.day_ns", of["day_ns"], 0, SPAN_NS_MAX)
    made.day_at_ns = whole("stages.day_at_ns", of["day_at_ns"], 0, SPAN_NS_MAX)
    made.drawdown_ppm = whole("stages.drawdown_ppm", of["drawdown_ppm"], 0, PPM)
    made.drawdown_ns = whole("stages.drawdown_ns", of["drawdown_ns"], 0, SPAN_NS_MAX)
    if made.social_side and made.social_rule != SocialRule.LOTS:
        raise ConfigError("stages.social_side", "needs social_rule LOTS")
    if (made.day_ns > 0) != (made.social_rule == SocialRule.DAY):
        raise ConfigError("stages.day_ns", "must be given with social_rule DAY, and only then")
    if made.day_at_ns and made.day_at_ns >= made.day_ns:
        raise ConfigError("stages.day_at_ns", "must be below day_ns")
    if (made.drawdown_ppm > 0) != (made.drawdown_ns > 0):
        raise ConfigError("stages.drawdown_ns", "must be given just where drawdown_ppm is")
    if made.drawdown_ppm and made.takeover != BY_FUND:
        raise ConfigError("stages.drawdown_ppm", "needs a takeover by the fund: who takes nothing "
                          "over cannot stop to")
    return 0


cdef int _set_levels(Stages* made, dict of) except -1:
    levels = [whole(f"stages.{key}", of[key], 0, 10**9)
              for key in ("search_ppm", "initial_ppm", "release_ppm")]
    if levels != sorted(levels) or (any(levels) and levels[0] < PPM):
        raise ConfigError("stages.search_ppm", "must be 0, or at least 10**6, and must not pass "
                          "initial_ppm, nor that release_ppm")
    made.order_ppm = whole("stages.order_ppm", of["order_ppm"], 0, PPM)
    made.search_ppm, made.initial_ppm, made.release_ppm = levels
    return 0
