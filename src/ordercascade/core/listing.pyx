"""A market as it is added: its schedule, its brackets, and what all markets can be worth."""

from libc.stdint cimport int32_t, int64_t
from ordercascade.core.contracts cimport INVERSE, worth_most
from ordercascade.core.records cimport Bracket
from ordercascade.core.schedule cimport Schedule
from ordercascade.core.slab cimport slab_grow
from ordercascade.core.stages cimport check_plan
from ordercascade.core.state cimport Market, State


cdef object schedule_of(const State* s, str name, schedule, int32_t kind, int64_t multiplier,
                        list rows):
    """The market's schedule, judged; None: its brackets, which an inverse market turns into one."""
    if schedule is not None:
        check_plan(name, schedule, kind, multiplier, s.rules.trigger_strict)
    elif kind == INVERSE:
        return Schedule.tiers(rows, contract="inverse", multiplier=multiplier,
                              strict=bool(s.rules.trigger_strict))
    return schedule


cdef object listed_worth(const State* s):
    """The most that the markets so far can be worth together."""
    cdef int64_t i
    return sum([s.markets[i].size_max * worth_most(
        s.markets[i].kind, s.markets[i].multiplier, s.markets[i].price_max)
        for i in range(s.market_count)])


cdef int keep_brackets(Market* m, list rows) except -1:
    cdef int64_t held = 0
    m.brackets = <Bracket*>slab_grow(NULL, &held, len(rows), sizeof(Bracket))
    m.bracket_count = len(rows)
    for i, (floor, maintenance_ppm, amount, initial_ppm) in enumerate(rows):
        m.brackets[i].floor, m.brackets[i].amount = floor, amount
        m.brackets[i].maintenance_ppm, m.brackets[i].initial_ppm = maintenance_ppm, initial_ppm
    return 0
