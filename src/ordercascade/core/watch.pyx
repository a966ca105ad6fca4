"""Watching scopes: the trigger index kept exact, and the step that made each scope fall.

After every step the sources of all marks are peeked at. A scope whose trigger fires, or whose
positions or money changed, is evaluated at the peek: below maintenance it is HOT and remembers the
step (its parent, should it be liquidated), else it is armed again. SEMANTICS §4; spec/TRIGGERS.md.
"""

from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport qsort
from ordercascade.core.book cimport book_best
from ordercascade.core.called cimport called_touch
from ordercascade.core.check cimport oc_check
from ordercascade.core.collateral cimport pledge_owner
from ordercascade.core.events cimport T_SCOPES, T_STEPS, log_append, log_rows
from ordercascade.core.flock cimport FLOCK, disarm_scope, judge, meet
from ordercascade.core.ledger cimport Holder, Position, SCOPE, ledger_flat
from ordercascade.core.mechanism cimport Oracle
from ordercascade.core.options cimport options_peek
from ordercascade.core.portfolio cimport portfolio_initial
from ordercascade.core.records cimport MarketView
from ordercascade.core.slab cimport NIL, push, slab_grow
from ordercascade.core.state cimport (
    ARMED, HOT, LOOSE, Margin, Market, NEAREST, PARKED, Scope, State, initial_in, liquidatable,
    margin_of, market_view, price_at, value_of,
)
from ordercascade.core.triggers cimport triggers_clear_fired, triggers_fire, triggers_nearest
from ordercascade.core.units cimport CASH_MAX, Cash, PPM, Wide, absolute, div_floor, larger


# --- small lists -------------------------------------------------------------------------------

cdef int _by_id(const void* a, const void* b) noexcept nogil:
    cdef int32_t x = (<const int32_t*>a)[0]
    cdef int32_t y = (<const int32_t*>b)[0]
    return (x > y) - (x < y)


cdef void sort_ids(int32_t* list, int64_t count) noexcept nogil:
    if count > 1:           # A list that never grew is NULL, which qsort may not be given.
        qsort(list, <size_t>count, sizeof(int32_t), &_by_id)


# --- the index ---------------------------------------------------------------------------------

cdef int touch(State* s, int32_t scope) except -1 nogil:
    """Its positions or money changed: look at it after this step."""
    cdef Scope* sc
    cdef const Holder* h
    if s.pledges != NULL:
        scope = pledge_owner(s, scope)      # a purse has no margin but that of whom it backs
        if scope == NIL:
            return 0
    sc = &s.scopes[scope]
    h = &s.ledger.holders[scope]
    if h.kind != SCOPE:
        return 0
    if s.calls != NULL:
        called_touch(s.calls, scope)
    if h.collateral < 0 and ledger_flat(&s.ledger, scope):
        push(&s.broke, &s.broke_count, &s.broke_capacity, scope)
    if sc.watch == ARMED:
        disarm_scope(s, scope)
        sc.watch = LOOSE
        push(&s.loose, &s.loose_count, &s.loose_capacity, scope)
    return 0


cdef void _read_peeks(State* s) noexcept nogil:
    """Ask every oracle whose inputs changed what it would say now."""
    cdef int64_t i
    cdef MarketView view
    for i in range(s.market_count):
        if s.markets[i].stale or s.markets[i].timed:
            market_view(s, &s.markets[i], &view)
            s.markets[i].peek = (<Oracle>s.markets[i].oracle).peek(&view, s.time_ns)
            s.markets[i].stale = 0
    if s.grids != NULL:
        options_peek(s)


cdef bint _fire(State* s, bint peek) except -1 nogil:
    """Loosen a flock of scopes that have a trigger at or beyond the prices; True if there may be
    more. At the standing marks nobody is judged at once, so their other triggers go as well."""
    cdef int64_t i
    cdef int64_t before = s.loose_count
    cdef bint more = False
    for i in range(s.market_count):
        if triggers_fire(&s.triggers, <int32_t>i, price_at(&s.markets[i], peek),
                         larger(0, FLOCK - s.triggers.fired_count)):
            more = True
    if s.triggers.fired_count:
        meet(s, s.triggers.fired, s.triggers.fired_count)
        triggers_clear_fired(&s.triggers)
    if not peek:
        for i in range(before, s.loose_count):
            disarm_scope(s, s.loose[i])
    return more


cdef int _rouse(State* s) except -1 nogil:
    """Loosen whoever is looked at every step."""
    cdef int64_t i
    cdef int32_t scope
    for i in range(s.restless_count):
        scope = s.restless[i]
        if s.scopes[scope].watch == ARMED:
            s.scopes[scope].watch = LOOSE
            push(&s.loose, &s.loose_count, &s.loose_capacity, scope)
    s.restless_count = 0
    return 0


cdef int scan(State* s, int64_t step) except -1 nogil:
    """After a step: who is liquidatable at a peek of the marks' sources, and not known to be?"""
    _read_peeks(s)
    look(s, step)
    return 0


cdef int64_t look(State* s, int64_t step) except -1 nogil:
    """Judge on the peeks whoever is loose or fires there: hot with this step, or armed again.

    Returns how many were evaluated."""
    cdef int64_t count = 0
    cdef bint more = True
    _rouse(s)
    while more:
        more = _fire(s, True)
        if s.loose_count:
            count += s.loose_count
            judge(s, step)
    return count


cdef int arm_all(State* s) except -1 nogil:
    """At the start: every scope is looked at once, without a step to blame."""
    cdef int64_t i
    for i in range(s.market_count):
        s.markets[i].stale = 1
    for i in range(s.ledger.holder_count):
        touch(s, <int32_t>i)
    return scan(s, NIL)


# --- windows and parents -----------------------------------------------------------------------

cdef int _loosen(State* s, int32_t scope) except -1 nogil:
    s.scopes[scope].watch = LOOSE
    return push(&s.loose, &s.loose_count, &s.loose_capacity, scope)


cdef int window_open(State* s) except -1 nogil:
    """A settlement begins: forget hits; what is liquidatable takes the first step from now on."""
    cdef int64_t i
    cdef int32_t scope
    for i in range(s.hot_count):
        scope = s.hot[i]
        s.scopes[scope].hit = NIL
        _loosen(s, scope)
    s.hot_count = 0
    return 0


cdef int collect(State* s) except -1 nogil:
    """Step 3: leave in `work` the scopes at risk on the standing marks; open a new window.

    Looks at the hot, at the loose, and at what fires at the standing marks; that is everybody
    who can be below. Pending scopes are not collected here.
    """
    cdef int64_t i, count
    cdef int32_t scope
    cdef Scope* sc
    cdef Margin m
    _rouse(s)
    while _fire(s, False):
        pass
    for i in range(s.hot_count):
        push(&s.loose, &s.loose_count, &s.loose_capacity, s.hot[i])
    s.hot_count = 0
    # Triggers fire in no promised order; the rows of the tape and the policy's have one.
    sort_ids(s.loose, s.loose_count)
    s.work_count = 0
    count = 0
    for i in range(s.loose_count):
        scope = s.loose[i]
        sc = &s.scopes[scope]
        if sc.pending:
            sc.hit = NIL
            sc.watch = PARKED
            continue
        sc.hit_before = sc.hit
        sc.hit = NIL
        sc.watch = LOOSE
        s.loose[count] = scope
        count += 1
        m = margin_of(s, scope, False)
        if liquidatable(s, &m):
            note_scope(s, scope, &m)
            push(&s.work, &s.work_count, &s.work_capacity, scope)
    s.loose_count = count
    return 0


cdef int unpend(State* s, int32_t scope) except -1 nogil:
    """Healthy or flat: its liquidation is over and will not be continued."""
    cdef Scope* sc = &s.scopes[scope]
    sc.pending = 0
    sc.parent = NIL
    sc.generation = 0
    sc.tranche = 0
    sc.retry_ns = NIL
    if sc.watch == PARKED:
        return _loosen(s, scope)
    return 0


cdef int64_t parent_of(State* s, int32_t scope) noexcept nogil:
    """The step that made a scope liquidatable, for its first order. SEMANTICS §4, §9.

    The first hit of the two windows; without one (a lagging oracle) the latest step with trades,
    before the standing mark was taken, in the market that cost the scope most; else none.
    """
    cdef const Scope* sc = &s.scopes[scope]
    cdef int32_t p = s.ledger.holders[scope].first
    cdef const Position* position
    cdef const Market* m
    cdef int64_t parent = NIL
    cdef bint held = False
    cdef Cash loss = 0
    cdef Cash worst = -CASH_MAX * 4
    if sc.hit_before != NIL:
        return sc.hit_before
    if sc.hit != NIL:
        return sc.hit
    while p != NIL:
        position = &s.ledger.positions[p]
        m = &s.markets[position.market]
        if not position.leg:
            held = False
            loss = 0
        if position.size != 0:
            held = True
            loss += (value_of(m, position.size, m.mark_before)
                     - value_of(m, position.size, m.mark))
        p = position.next
        # Both legs of a hedged market count together.
        if held and loss > worst and (p == NIL or not s.ledger.positions[p].leg):
            worst = loss
            parent = m.mark_trade_step
    return parent


# --- what the tape shows of scopes -------------------------------------------------------------

cdef int note_scope(State* s, int32_t scope, const Margin* m) except -1 nogil:
    """A row of the scopes table, on the standing marks, filed under the latest step."""
    cdef int64_t row[6]
    cdef Cash initial = 0
    cdef int32_t p = s.ledger.holders[scope].first
    cdef const Position* position
    while p != NIL:
        position = &s.ledger.positions[p]
        if position.size != 0:
            initial += initial_in(s, position.market, position.size)
        p = position.next
    if s.grids != NULL:
        initial += portfolio_initial(s, scope, NIL, 0, 0)
    row[0] = log_rows(s.log, T_STEPS) - 1
    row[1] = scope
    row[2] = m.equity
    row[3] = m.maintenance
    row[4] = initial
    row[5] = div_floor(<Wide>m.equity * PPM, larger(1, m.maintenance))
    log_append(s.log, T_SCOPES, row)
    return 0


ctypedef struct Near:
    int64_t ratio_ppm
    int32_t scope


cdef int _nearer(const void* a, const void* b) noexcept nogil:
    cdef const Near* x = <const Near*>a
    cdef const Near* y = <const Near*>b
    if x.ratio_ppm != y.ratio_ppm:
        return -1 if x.ratio_ppm < y.ratio_ppm else 1
    return (x.scope > y.scope) - (x.scope < y.scope)


cdef int note_nearest(State* s) except -1 nogil:
    """Record the 50 healthy scopes of lowest margin ratio among those nearest to a trigger."""
    cdef int64_t i, k
    cdef int side
    cdef int64_t count = 0
    cdef int32_t scope
    cdef Margin m
    cdef Near* near
    s.cells = <int64_t*>slab_grow(
        s.cells, &s.cell_capacity, 4 * NEAREST * s.market_count, sizeof(int64_t))
    near = <Near*>s.cells
    for i in range(s.market_count):
        for side in range(2):
            triggers_nearest(&s.triggers, <int32_t>i, side, NEAREST)
            for k in range(s.triggers.near_count):
                scope = s.ledger.positions[s.triggers.near[k]].scope
                m = margin_of(s, scope, False)
                near[count].scope = scope
                near[count].ratio_ppm = div_floor(<Wide>m.equity * PPM, larger(1, m.maintenance))
                count += 1
    qsort(near, <size_t>count, sizeof(Near), &_nearer)
    k = 0
    scope = NIL
    for i in range(count):
        if k < NEAREST and near[i].scope != scope:
            scope = near[i].scope
            m = margin_of(s, scope, False)
            note_scope(s, scope, &m)
            k += 1
    return 0
