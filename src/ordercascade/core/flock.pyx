"""Judging scopes at the peeks, many at once: hot, or armed again.

A storm meets scopes in random order. A row of memory that was not met lately takes as long to come
as a scope to be evaluated, but a hundred rows asked for together come nearly as fast as one. So
each thing is done for a whole flock before the next: ask for the rows, add up the legs, take the
old triggers out, find the new ticks, set them. spec/TRIGGERS.md; bench/README.md has the figures.
"""

from libc.stdint cimport int16_t, int32_t, int64_t
from ordercascade.core.check cimport oc_check
from ordercascade.core.collateral cimport pledge_held, pledge_moves
from ordercascade.core.contracts cimport INVERSE, armed_inverse
from ordercascade.core.ledger cimport Holder, Position
from ordercascade.core.portfolio cimport gridded
from ordercascade.core.margin cimport (
    NARROW, armed_tick, bracket_of, share_of, share_weight,
)
from ordercascade.core.records cimport Bracket
from ordercascade.core.schedule cimport sloped
from ordercascade.core.slab cimport NIL, oc_prefetch, push
from ordercascade.core.state cimport (
    ARMED, HOT, LOOSE, Margin, Market, Scope, State, liquidatable, margin_of, pledged, tick_in,
    value_of,
)
from ordercascade.core.triggers cimport (
    FALLS, RISES, SPOT_BITS, TriggerNode, TriggerWish, triggers_aim, triggers_arm,
    triggers_arm_many, triggers_disarm, triggers_disarm_many, triggers_reserve, triggers_scout,
)
from ordercascade.core.units cimport Cash, Lot, PPM, Ppm, Tick, Wide, absolute, smaller

cdef enum:
    FEW = 8                 # legs of a scope that is judged in a flock; others alone
    LEGS = FLOCK * FEW
    TIER_MAX = 32_767       # what Position.tier can say

ctypedef struct Leg:
    int32_t position
    int32_t market
    int32_t owner           # of the flock
    int32_t tier
    Cash value              # absolute
    int64_t weight

ctypedef struct Flock:
    int64_t armed_count
    int64_t leg_count
    int64_t wish_count
    Cash slack[FLOCK]       # of the owners with several legs
    int64_t weights[FLOCK]
    int32_t armed[LEGS]     # nodes with a trigger
    Leg leg[LEGS]           # to be armed at shares of slack
    TriggerWish wish[LEGS]


# --- one scope alone ---------------------------------------------------------------------------

cdef void disarm_scope(State* s, int32_t scope) noexcept nogil:
    cdef int32_t p = s.ledger.holders[scope].first
    while p != NIL:
        triggers_disarm(&s.triggers, p)
        p = s.ledger.positions[p].next


cdef inline bint _reachable(const Market* m, int side, Tick tick) noexcept nogil:
    """Ticks outside the market's range can never be reached."""
    return tick >= 1 if side == FALLS else tick <= m.price_max


cdef Tick _exact_tick(const State* s, int32_t p) noexcept nogil:
    """The trigger of a scope's only leg: below it, and not one tick before."""
    cdef const Position* position = &s.ledger.positions[p]
    cdef const Market* m = &s.markets[position.market]
    cdef Cash base = s.ledger.holders[position.scope].collateral - position.cost
    if s.pledges != NULL:
        base += pledged(s, position.scope, True)
    return tick_in(m, base, position.size, position.cost, s.rules.trigger_strict)


cdef inline Tick _share_tick(const Market* m, Lot size, Cash value, Cash budget) noexcept nogil:
    """The tick at which this leg alone could have used up its share of the slack."""
    cdef const Bracket* rows = m.brackets
    cdef int32_t count = m.bracket_count
    cdef Ppm rate
    if m.plan != NULL:
        rows = m.plan.trigger
        count = m.plan.count
    # The steepest row that a quarter more value may reach.
    rate = rows[bracket_of(rows, count, <Wide>absolute(value) * 5 / 4)].maintenance_ppm
    if m.kind == INVERSE:
        return armed_inverse(size, m.multiplier, value, budget, rate)
    return armed_tick(size, m.multiplier, m.peek, budget, rate)


cdef int _arm_alone(State* s, int32_t scope, const Margin* at) except -1 nogil:
    """Arm a safe scope of any size: exactly for one leg, by shares of slack for several."""
    cdef int32_t p = s.ledger.holders[scope].first
    cdef int32_t legs = 0
    cdef const Position* position
    cdef const Market* m
    cdef int64_t weights = 0
    cdef Cash slack = at.equity - at.maintenance - (0 if s.rules.trigger_strict else 1)
    cdef Cash value, budget
    cdef Tick tick
    cdef int side
    cdef bint planned = False
    cdef bint jumps = False
    while p != NIL:
        position = &s.ledger.positions[p]
        if position.size != 0:
            legs += 1
            m = &s.markets[position.market]
            if m.plan != NULL:
                planned = planned or not sloped(m.plan)
                jumps = jumps or m.plan.jumps
            weights += share_weight(value_of(m, position.size, m.peek))
        p = position.next
    oc_check(slack >= 0)
    if planned and (legs > 1 or jumps):
        # No slope bounds its requirement, so no trigger would tell: it is looked at every step.
        return push(&s.restless, &s.restless_count, &s.restless_capacity, scope)
    p = s.ledger.holders[scope].first
    while p != NIL:
        position = &s.ledger.positions[p]
        if position.size != 0:
            m = &s.markets[position.market]
            side = FALLS if position.size > 0 else RISES
            if legs == 1:
                tick = _exact_tick(s, p)
            else:
                value = value_of(m, position.size, m.peek)
                budget = share_of(slack, share_weight(value), weights)
                tick = _share_tick(m, position.size, value, budget)
            if _reachable(m, side, tick):
                triggers_arm(&s.triggers, p, position.market, side, tick)
        p = position.next
    return 0


cdef int _judge_alone(State* s, int32_t scope, int64_t step) except -1 nogil:
    """The plain way, for scopes that a flock has no room for, and for very large sums."""
    cdef Margin m = margin_of(s, scope, True)
    disarm_scope(s, scope)
    if liquidatable(s, &m):
        return _heat(s, scope, step)
    s.scopes[scope].watch = ARMED
    if s.pledges != NULL and not m.flat and pledge_moves(s, scope, NIL):
        # Marks move what backs it, and no trigger of its legs would tell: looked at every step.
        return push(&s.restless, &s.restless_count, &s.restless_capacity, scope)
    if s.grids != NULL and gridded(s, scope):       # The same: a grid of losses has no slope.
        return push(&s.restless, &s.restless_count, &s.restless_capacity, scope)
    return 0 if m.flat else _arm_alone(s, scope, &m)


cdef int _heat(State* s, int32_t scope, int64_t step) except -1 nogil:
    s.scopes[scope].hit = step
    s.scopes[scope].watch = HOT
    return push(&s.hot, &s.hot_count, &s.hot_capacity, scope)


# --- a flock -----------------------------------------------------------------------------------

cdef inline void _fetch_scope(const State* s, int32_t scope) noexcept nogil:
    oc_prefetch(&s.scopes[scope])
    oc_prefetch(&s.ledger.holders[scope])


cdef inline void _fetch_legs(const State* s, int32_t scope) noexcept nogil:
    """A scope's positions mostly lie side by side, and so do their triggers."""
    cdef const Holder* h = &s.ledger.holders[scope]
    cdef int32_t p = h.first
    if p == NIL:
        return
    oc_prefetch(&s.ledger.positions[p])
    oc_prefetch(&s.triggers.nodes[p])
    if h.market == NIL:     # Not isolated: there may be more.
        oc_prefetch(<const char*>&s.ledger.positions[p] + 64)
        oc_prefetch(<const char*>&s.ledger.positions[p] + 128)
        oc_prefetch(<const char*>&s.ledger.positions[p] + 192)
        oc_prefetch(<const char*>&s.triggers.nodes[p] + 48)


cdef void fetch(const State* s, int32_t scope) noexcept nogil:
    """Ask for all that moving and judging one scope will touch, in as few waits as there can be."""
    cdef int32_t p
    oc_prefetch(&s.scopes[scope])
    _fetch_legs(s, scope)
    p = s.ledger.holders[scope].first
    while p != NIL and p < s.triggers.node_count:
        oc_prefetch(&s.triggers.runs[s.triggers.nodes[p].spot >> SPOT_BITS])
        p = s.ledger.positions[p].next


cdef inline int32_t _tier(const Market* m, Position* p, Cash value) noexcept nogil:
    """bracket_of() a value, begun where the position was when it was last looked at."""
    cdef int32_t tier = p.tier if p.tier < m.bracket_count else 0
    if m.brackets[tier].floor > value or (
            tier + 1 < m.bracket_count and m.brackets[tier + 1].floor <= value):
        tier = bracket_of(m.brackets, m.bracket_count, value)
        p.tier = <int16_t>smaller(tier, TIER_MAX)
    return tier


cdef inline Cash _maintenance(const Bracket* b, Cash value) noexcept nogil:
    """maintenance_of() a value below NARROW whose bracket is known."""
    cdef Cash charge = <Cash>(<unsigned long long>(value * b.maintenance_ppm + PPM - 1)
                              / <unsigned long long>PPM) - b.amount
    return charge if charge > 0 else 0


cdef int _add_up(State* s, Flock* f, int32_t owner, int32_t scope, int64_t step) except -1 nogil:
    """Judge one scope whose rows are there; note its triggers, and its legs if it is safe."""
    cdef int32_t p = s.ledger.holders[scope].first
    cdef Position* position
    cdef const Market* m
    cdef const TriggerNode* n
    cdef Leg* leg = &f.leg[f.leg_count]
    cdef int64_t armed = f.armed_count
    cdef int64_t legs = 0, weights = 0, seen = 0
    cdef Cash slack = s.ledger.holders[scope].collateral
    cdef Cash value, gross
    cdef Cash most = 0
    oc_check(s.scopes[scope].watch == LOOSE)
    if s.grids != NULL or (s.pledges != NULL and pledge_held(s, scope)):
        return _judge_alone(s, scope, step)
    while p != NIL and seen < FEW:
        seen += 1
        position = &s.ledger.positions[p]
        n = &s.triggers.nodes[p]
        f.armed[armed] = p
        armed += n.place != NIL
        oc_prefetch(&s.triggers.runs[n.spot >> SPOT_BITS])
        m = &s.markets[position.market]
        value = value_of(m, position.size, m.peek)
        gross = absolute(value)
        most |= NARROW if m.plan != NULL else gross     # Schedules are judged alone.
        if position.size != 0 and gross < NARROW:
            leg.position = p
            leg.market = position.market
            leg.owner = owner
            leg.tier = _tier(m, position, gross)
            leg.value = gross
            leg.weight = share_weight(gross)
            weights += leg.weight
            slack += value - position.cost - _maintenance(&m.brackets[leg.tier], gross)
            leg += 1
            legs += 1
        p = position.next
    if p != NIL or most >= NARROW or not -NARROW < slack < NARROW:
        return _judge_alone(s, scope, step)
    f.armed_count = armed
    if legs and slack < (0 if s.rules.trigger_strict else 1):
        return _heat(s, scope, step)
    s.scopes[scope].watch = ARMED
    if legs == 1:
        leg -= 1
        return _aim(s, f, leg.position, _exact_tick(s, leg.position))
    f.leg_count += legs
    f.slack[owner] = slack - (0 if s.rules.trigger_strict else 1)
    f.weights[owner] = weights
    return 0


cdef inline int _aim(State* s, Flock* f, int32_t p, Tick tick) except -1 nogil:
    cdef const Position* position = &s.ledger.positions[p]
    cdef int side = FALLS if position.size > 0 else RISES
    if _reachable(&s.markets[position.market], side, tick):
        triggers_aim(&s.triggers, &f.wish[f.wish_count], p, position.market, side, tick)
        f.wish_count += 1
    return 0


cdef inline void _share_out(State* s, Flock* f) noexcept nogil:
    """Give every leg of a safe scope its share of the slack, and so its tick."""
    cdef int64_t i
    cdef const Leg* leg
    cdef const Market* m
    cdef int32_t tier
    cdef Cash budget
    for i in range(f.leg_count):
        leg = &f.leg[i]
        m = &s.markets[leg.market]
        tier = leg.tier
        while tier + 1 < m.bracket_count and (
                m.brackets[tier + 1].floor <= leg.value + leg.value / 4):
            tier += 1
        budget = share_of(f.slack[leg.owner], leg.weight, f.weights[leg.owner])
        _aim(s, f, leg.position, armed_tick(
            s.ledger.positions[leg.position].size, m.multiplier, m.peek, budget,
            m.brackets[tier].maintenance_ppm))


cdef int meet(State* s, const int32_t* fired, int64_t count) except -1 nogil:
    """Loosen the scopes of fired triggers. Their other triggers stay until they are judged."""
    cdef int64_t i
    cdef int32_t scope
    cdef const Position* positions = s.ledger.positions
    for i in range(count):
        oc_prefetch(&positions[fired[i]])
    for i in range(count):
        _fetch_scope(s, positions[fired[i]].scope)
    for i in range(count):
        scope = positions[fired[i]].scope
        if s.scopes[scope].watch == ARMED:      # Else another of its triggers fired as well.
            s.scopes[scope].watch = LOOSE
            push(&s.loose, &s.loose_count, &s.loose_capacity, scope)
    return 0


cdef int judge(State* s, int64_t step) except -1 nogil:
    """Judge on the peeks whoever is loose: hot with this step, or armed anew."""
    cdef int64_t i, count
    cdef int64_t start = 0
    cdef const int32_t* scopes
    cdef Flock f
    triggers_reserve(&s.triggers, s.ledger.position_count)
    while start < s.loose_count:
        scopes = s.loose + start
        count = smaller(FLOCK, s.loose_count - start)
        f.armed_count = f.leg_count = f.wish_count = 0
        for i in range(count):
            _fetch_scope(s, scopes[i])
        for i in range(count):
            _fetch_legs(s, scopes[i])
        for i in range(count):
            triggers_scout(&s.triggers)
            _add_up(s, &f, <int32_t>i, scopes[i], step)
        triggers_disarm_many(&s.triggers, f.armed, f.armed_count)
        _share_out(s, &f)
        triggers_arm_many(&s.triggers, f.wish, f.wish_count)
        start += FLOCK
    s.loose_count = 0
    return 0
