"""Other rules for a venue of a running world: what a branch of a run differs in."""

from ordercascade.core.arriving cimport set_oracle
from ordercascade.core.collateral cimport stages_convert
from ordercascade.core.funds cimport funds_stay
from ordercascade.core.conversion cimport judged_impacts, set_impacts
from ordercascade.core.events cimport EventLog
from ordercascade.core.grids cimport is_option
from ordercascade.core.hedging cimport check_hedged
from ordercascade.core.mechanism cimport Oracle
from ordercascade.core.options cimport grids_judge_rules
from ordercascade.core.rating cimport check_rows
from ordercascade.core.state cimport State
from ordercascade.core.units cimport larger
from ordercascade.core.venue cimport Venue
from ordercascade.core.world cimport World

from ordercascade.checks import instance, whole
from ordercascade.enums import AdlRule, LimitRule
from ordercascade.errors import InputError
from ordercascade.mechanisms.closing import by_numbers
from ordercascade.mechanisms.prices import OwnBook


def change(World world not None, venue, *, fund=None, weights=(), oracles=(),
           limit=LimitRule.MARKET, adl_rule=AdlRule.QUEUE, fraction_ppm=10**6, min_value=0,
           cooldown_ns=0, then_all=False, impacts=(), **rules):
    """Give a venue other rules between two steps, inside a settlement too.

    Rules as for add_venue(), those left out at their defaults. What the round has planned stays
    planned. `fund` sets the fund's balance; `weights`, a (source, own_weight_ppm) a market, other
    oracles; `oracles`, one a market, oracles with a memory (None: by weight; "keep": as it is).
    `impacts`: (asset, impact_ppm, volume) of collaterals whose haircut grows otherwise from now on.
    InputError for another `trigger_strict`: triggers are armed for it.
    """
    cdef Venue v = world.venue(venue)
    cdef State* s = &v.s
    cdef bint settling = s.settling
    cdef Oracle oracle
    cdef Venue judged
    world._idle()
    v.untouched = False
    rules = by_numbers(rules, limit, adl_rule, fraction_ppm, min_value, cooldown_ns, then_all)
    if bool(rules.get("trigger_strict", True)) != s.rules.trigger_strict:
        raise InputError("trigger_strict", rules.get("trigger_strict", True),
                         "must stay as it is in a running world")
    made = [OwnBook(source, own_weight_ppm=whole("own_weight_ppm", weight, 0, 10**6),
                    price_max=s.markets[i].price_max)
            for i, (source, weight) in enumerate(weights) if i < s.market_count]
    for i, each in enumerate(oracles):
        if each is not None and i < len(made):
            made[i] = each if each == "keep" else instance("oracles", Oracle, each)
    wanted = None if fund is None else whole("fund", fund, 0, 2**60)
    judged = Venue.__new__(Venue, EventLog(), v.s.venue, 1, dict(rules))  # all at once
    stages_convert(s, &judged.s.stages)
    funds_stay(s, &judged.s.stages)
    grids_judge_rules(s, &judged.s)
    check_hedged(s, &judged.s)
    terms = judged_impacts(s, impacts)
    if rules.get("surcharges", "keep") not in ("keep", (), []):
        for i in range(s.market_count):
            check_rows(s, i)
    s.settling = False
    pace = s.stages.dispose_ns
    try:
        v._set_rules(**rules)
        if wanted is not None:
            v.set_fund(wanted)
    finally:
        s.settling = settling
    for i in range(s.market_count):     # The next disposal is a step after the last one.
        if s.stages.dispose_ns != pace and s.markets[i].dispose_at > s.time_ns:
            s.markets[i].dispose_at = larger(
                s.time_ns + 1, s.markets[i].dispose_at + s.stages.dispose_ns - pace)
    set_impacts(s, terms)
    for i, each in enumerate(made):
        if isinstance(each, str) or is_option(s, i):    # An option's mark is its formula's.
            continue
        oracle = each
        v.oracles[i] = oracle
        set_oracle(s, i, oracle)
        s.markets[i].stale = 1
