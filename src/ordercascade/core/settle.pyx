"""One round of one venue, step by step, in the order of SEMANTICS §3.

round_begin() takes the marks and marks_advance() writes them, for all venues of a world first;
round_advance() then does the next piece of the round until it has written a row (and returns 1)
or the round is over (0). Between two calls everything that is left
to do stands in the State.
"""

from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport qsort
from ordercascade.core.arriving cimport next_feed, sooner
from ordercascade.core.book cimport book_best, book_next, book_size_at
from ordercascade.core.calls cimport calls_advance, calls_begin
from ordercascade.core.closefee cimport leg_trigger
from ordercascade.core.collateral cimport pledge_held, pledge_trigger
from ordercascade.core.conversion cimport convert
from ordercascade.core.closeout cimport (
    bankrupt, execute, exit_level, nets, round_table, sub_step,
)
from ordercascade.core.events cimport T_NOTES, T_STEPS, log_append, log_rows
from ordercascade.core.ending cimport endings_advance
from ordercascade.core.gates cimport gates_trouble
from ordercascade.core.halting cimport next_valve, valves_begin
from ordercascade.core.hedging cimport net_pair, pair_of, pair_trigger, paired
from ordercascade.core.ledger cimport Holder, Position, ledger_flat
from ordercascade.core.losses cimport fix_handover, waterfall
from ordercascade.core.mechanism cimport LiquidationPolicy
from ordercascade.core.portfolio cimport portfolio_leg
from ordercascade.core.rating cimport next_rate, rates_advance, rates_begin
from ordercascade.core.records cimport Around, AtRisk, Intent
from ordercascade.core.reopening cimport valves_advance, reopen_step
from ordercascade.core.schedule cimport BY_LOTS
from ordercascade.core.slab cimport NIL, oc_prefetch, push, slab_grow
from ordercascade.core.state cimport (
    price_of, value_of, ARMED, BELOW_ZERO, Entry, IDLE, LEG_MOST_LIQUID, LEG_PRO_RATA,
    LEG_WORST_PNL,
    LOOSE, MARKS, Margin, Market,
    NOTE_BOUND_REACHED, PARKED, QUEUE, QUEUE_MARGIN_RATIO, QUEUE_TRIGGER_PRICE, ROUND_TABLE,
    SHORTFALL_AT_ROUND, STEP_BOUND, SUB_NONE, SWEEP, Scope, State, day_take, liquidatable,
    margin_of, need_in, step_begin,
)
from ordercascade.core.steps cimport finish, mark_row, take_marks
from ordercascade.core.takeover cimport dispose, next_disposal
from ordercascade.core.units cimport (
    CASH_MAX, Cash, Lot, PPM, TICK_MAX, Tick, TimeNs, Wide, absolute, larger, smaller,
)
from ordercascade.core.variation cimport levels_step, variation_step
from ordercascade.core.watch cimport (
    collect, note_nearest, note_scope, sort_ids, touch, unpend,
)


# --- the round ---------------------------------------------------------------------------------

cdef int round_begin(State* s, TimeNs time_ns, int64_t round) except -1 nogil:
    """Take the marks that stand in this round."""
    s.time_ns = time_ns
    s.settled_ns = time_ns
    s.round = round
    s.row_count = 0
    if s.day_next and time_ns >= s.day_next:
        day_take(s)
    valves_begin(s)
    rates_begin(s)
    calls_begin(s)
    endings_advance(s)
    take_marks(s)
    s.phase = MARKS
    s.cursor = 0
    return 0


cdef int round_advance(State* s) except -1 nogil:
    """Do the next piece; 1 when it wrote a step, 0 when the round is over."""
    cdef int64_t steps = log_rows(s.log, T_STEPS)
    while s.phase != IDLE:
        if s.sub != SUB_NONE:
            sub_step(s)
        elif s.phase == BELOW_ZERO:
            _below_zero(s)
        elif s.phase == QUEUE:
            _queue(s)
        elif s.phase == ROUND_TABLE:
            _round_table(s)
        else:
            _sweep(s)
        if log_rows(s.log, T_STEPS) > steps:
            return 1
    return 0


cdef int marks_advance(State* s) except -1 nogil:
    """Write the next row of a changed mark (1); 0 when the marks stand and are written."""
    cdef int64_t steps = log_rows(s.log, T_STEPS)
    while s.phase == MARKS:
        _marks(s)
        if log_rows(s.log, T_STEPS) > steps:
            return 1
    return 0


cdef int _marks(State* s) except -1 nogil:
    """Step 2: a row for each mark that changed; then collect who cools down."""
    cdef int64_t i, count
    cdef Scope* sc
    if s.cursor < s.market_count:
        mark_row(s, <int32_t>s.cursor)
        s.cursor += 1
        return 0
    if s.rates != NULL and rates_advance(s):
        return 0
    if s.stages.on and s.cursor <= 3 * s.market_count:
        s.cursor += 1
        return _stage(s, s.cursor - 1 - s.market_count)
    if s.calls != NULL and calls_advance(s):
        return 0
    if s.brakes != NULL and valves_advance(s):
        return 0
    count = 0
    for i in range(s.pending_count):        # drop what is no longer pending
        sc = &s.scopes[s.pending[i]]
        if sc.pending:
            s.pending[count] = s.pending[i]
            count += 1
        else:
            sc.listed = 0
    s.pending_count = count
    sort_ids(s.pending, s.pending_count)
    s.phase = BELOW_ZERO
    s.cursor = 0
    return 0


cdef int _stage(State* s, int64_t i) except -1 nogil:
    """On the new marks: every market settled to its mark, levels, every market's disposal."""
    if i < s.market_count:
        return variation_step(s, <int32_t>i)
    if i == s.market_count:
        return levels_step(s)
    if s.stages.takeover and s.stages.dispose_ppm:
        return dispose(s, <int32_t>(i - s.market_count - 1))
    return 0


cdef int _below_zero(State* s) except -1 nogil:
    """Step 3, first: scopes in cooldown below zero are deleveraged at once, by id."""
    cdef int32_t scope
    cdef Scope* sc
    cdef Margin m
    if s.cursor < s.pending_count:
        scope = s.pending[s.cursor]
        sc = &s.scopes[scope]
        s.cursor += 1
        if sc.pending and sc.retry_ns > s.time_ns:
            m = margin_of(s, scope, False)
            if not m.flat and m.equity < 0:
                gates_trouble(s)
                if s.pledges != NULL and pledge_held(s, scope):
                    s.cursor -= 1       # tested again with what it brings
                    return convert(s, scope)
                if paired(s, scope):
                    s.cursor -= 1
                    return net_pair(s, scope, sc.order_step)
                return bankrupt(s, scope, sc.order_step, NIL)
        return 0
    _plan(s)
    s.phase = QUEUE
    s.cursor = 0
    return 0


cdef void _look_ahead(const State* s) noexcept nogil:
    """Ask early for what the entries after next will touch: they lie all over memory."""
    cdef int64_t left = s.queue_count - s.cursor
    cdef const Entry* e = &s.queue[s.cursor]
    cdef const Holder* h
    cdef int32_t p
    if left > 24:
        oc_prefetch(&s.ledger.holders[e[24].scope])
        oc_prefetch(&s.scopes[e[24].scope])
        oc_prefetch(<const char*>&s.scopes[e[24].scope] + 64)
    if left > 16:
        h = &s.ledger.holders[e[16].scope]
        oc_prefetch(&s.ledger.accounts[h.account])
        if h.first != NIL:
            oc_prefetch(&s.ledger.positions[h.first])
            oc_prefetch(&s.triggers.nodes[h.first])
    if left > 8:
        p = s.ledger.holders[e[8].scope].first
        if p != NIL and s.ledger.positions[p].market_next != NIL:
            oc_prefetch(&s.ledger.positions[s.ledger.positions[p].market_next])
        if p != NIL and s.ledger.positions[p].market_previous != NIL:
            oc_prefetch(&s.ledger.positions[s.ledger.positions[p].market_previous])


cdef int _queue(State* s) except -1 nogil:
    """Step 5: the next entry of the queue; markets that reopen in an auction come first."""
    if s.brakes != NULL and s.cursor == 0 and reopen_step(s):
        return 0
    if s.cursor < s.queue_count:
        _look_ahead(s)
        s.cursor += 1
        if s.rules.pairs and nets(s, &s.queue[s.cursor - 1]):
            s.cursor -= 1
            return 0
        return execute(s, &s.queue[s.cursor - 1])
    s.phase = ROUND_TABLE
    s.cursor = 0
    return 0


cdef int _round_table(State* s) except -1 nogil:
    """With `shortfall_at = round`: the loss table for all that sent an order, in queue order."""
    cdef int64_t row
    if s.cursor < s.row_count:
        row = s.rows[s.cursor]
        s.cursor += 1
        return round_table(s, row >> 1, row & 1)
    s.row_count = 0
    sort_ids(s.broke, s.broke_count)
    s.phase = SWEEP
    s.cursor = 0
    return 0


cdef int _sweep(State* s) except -1 nogil:
    """Step 6: flat scopes below zero (a counterparty emptied by ADL, say), by id."""
    cdef int32_t scope
    if s.cursor < s.broke_count:
        scope = s.broke[s.cursor]
        s.cursor += 1
        if s.ledger.holders[scope].collateral < 0 and ledger_flat(&s.ledger, scope):
            if s.pledges != NULL and pledge_held(s, scope):
                s.cursor -= 1
                return convert(s, scope)
            if s.scopes[scope].pending:
                unpend(s, scope)
            return waterfall(s, scope, NIL)
        return 0
    s.broke_count = 0
    s.queue_count = 0
    s.phase = IDLE
    s.cursor = 0
    return 0


cdef int bound_row(State* s) except -1 nogil:
    """`round_max` or `steps_max` was reached: a row that says so."""
    cdef int64_t step = step_begin(s, STEP_BOUND, NIL, NIL, NIL, 0, NIL)
    cdef int64_t row[6]
    row[0] = step
    row[1] = NOTE_BOUND_REACHED
    row[2] = NIL
    row[3] = NIL
    row[4] = s.round
    row[5] = 0
    log_append(s.log, T_NOTES, row)
    return finish(s, step)


cdef TimeNs next_retry(const State* s) noexcept nogil:
    """The next cooldown's end, disposal, price, release, rate after its latest round; or NIL."""
    cdef TimeNs earliest = sooner(sooner(next_disposal(s), next_feed(s)),
                                  sooner(next_valve(s), next_rate(s)))
    cdef int64_t i
    cdef const Scope* sc
    if s.stages.on:
        earliest = sooner(earliest, (<LiquidationPolicy>s.policy).wake(s.settled_ns))
    for i in range(s.pending_count):
        sc = &s.scopes[s.pending[i]]
        if not sc.pending or sc.retry_ns <= s.settled_ns:
            continue
        if earliest == NIL or sc.retry_ns < earliest:
            earliest = sc.retry_ns
    return earliest


# --- planning ----------------------------------------------------------------------------------

cdef bint _changed(const State* s, int32_t scope) noexcept nogil:
    """Has the mark or book of a market it held changed since just before its last order?"""
    cdef int32_t p = s.ledger.holders[scope].first
    cdef const Position* position
    while p != NIL:
        position = &s.ledger.positions[p]
        if position.held and s.markets[position.market].changed_at > s.scopes[scope].order_clock:
            return True
        p = position.next
    return False


cdef int _collect_pending(State* s) except -1 nogil:
    """Pending scopes: healthy or flat ones are let go, due ones join the scopes in `work`."""
    cdef int64_t i
    cdef int32_t scope
    cdef Scope* sc
    cdef Margin m
    for i in range(s.pending_count):
        scope = s.pending[i]
        sc = &s.scopes[scope]
        if not sc.pending:
            continue
        m = margin_of(s, scope, False)
        if m.flat or (m.equity >= exit_level(s, m.maintenance, m.exposure)
                      and not liquidatable(s, &m)):
            unpend(s, scope)
            continue
        if sc.retry_ns > s.time_ns or not _changed(s, scope):
            continue
        sc.retry_ns = NIL
        note_scope(s, scope, &m)
        push(&s.work, &s.work_count, &s.work_capacity, scope)
        if sc.watch == PARKED:
            sc.watch = LOOSE
            push(&s.loose, &s.loose_count, &s.loose_capacity, scope)
        else:
            touch(s, scope)
    return 0


cdef int32_t _leg(State* s, int32_t scope) noexcept nogil:
    """The leg that goes first, by the venue's rule; ties to the lower market."""
    cdef int32_t best = NIL
    cdef int32_t p = s.ledger.holders[scope].first
    cdef const Position* position
    cdef const Market* m
    cdef Cash value, weight
    cdef Cash heaviest = -4 * CASH_MAX
    if s.grids != NULL:
        return portfolio_leg(s, scope)
    if s.rules.leg == LEG_MOST_LIQUID:
        return _liquid_leg(s, scope)
    while p != NIL:
        position = &s.ledger.positions[p]
        if position.size != 0:
            m = &s.markets[position.market]
            value = value_of(m, position.size, m.mark)
            if s.rules.leg == LEG_WORST_PNL:
                weight = position.cost - value
            else:
                weight = need_in(m, position.size, value, position.cost)
            if weight > heaviest:
                heaviest = weight
                best = p
        p = position.next
    return best


cdef Lot _resting(const Market* m, Lot held) noexcept nogil:
    """Lots that an order for all of a leg would find in the book, at whatever price; <= |held|."""
    cdef int side = 0 if held > 0 else 1
    cdef Tick price = book_best(&m.book, side)
    cdef Lot wanted = absolute(held)
    cdef Lot lots = 0
    while price > 0 and lots < wanted:
        lots += book_size_at(&m.book, side, price)
        price = book_next(&m.book, side, price)
    return smaller(lots, wanted)


cdef int32_t _liquid_leg(const State* s, int32_t scope) noexcept nogil:
    """The leg of which the book could take the largest share, exact; then the larger value.

    Lots of everybody who rests count, the scope's own too. ADR 28"""
    cdef int32_t best = NIL
    cdef int32_t p = s.ledger.holders[scope].first
    cdef const Position* position
    cdef const Market* m
    cdef Lot lots
    cdef Lot most = 0
    cdef Lot held = 1
    cdef Cash value
    cdef Cash largest = -1
    cdef Wide ahead
    while p != NIL:
        position = &s.ledger.positions[p]
        if position.size != 0:
            m = &s.markets[position.market]
            lots = _resting(m, position.size)
            value = absolute(value_of(m, position.size, m.mark))
            ahead = <Wide>lots * held - <Wide>most * absolute(position.size)
            if best == NIL or ahead > 0 or (ahead == 0 and value > largest):
                best = p
                most = lots
                held = absolute(position.size)
                largest = value
        p = position.next
    return best


cdef Cash _weight(State* s, int32_t leg) noexcept nogil:
    cdef const Position* p = &s.ledger.positions[leg]
    cdef const Market* m = &s.markets[p.market]
    return need_in(m, p.size, value_of(m, p.size, m.mark), p.cost)


cdef int _describe(State* s, int32_t scope, int32_t leg, AtRisk* out,
                   Entry* entry) except -1 nogil:
    """What the policy sees of a leg of a scope at risk, and its place in the queue."""
    cdef Margin at = margin_of(s, scope, False)
    cdef const Position* position = &s.ledger.positions[leg]
    cdef const Market* m = &s.markets[position.market]
    cdef int sign = 1 if position.size > 0 else -1
    cdef Wide base
    if at.equity < 0:
        gates_trouble(s)
    out.scope = scope
    out.market = position.market
    out.size = position.size
    out.value = value_of(m, position.size, m.mark)
    out.equity = at.equity
    out.maintenance = at.maintenance
    out.tranche = s.scopes[scope].tranche
    fix_handover(s, scope)
    out.around = NULL
    out.bankruptcy_limit = price_of(m, position.handover, position.size)
    base = <Wide>at.equity - out.value - at.maintenance + _weight(s, leg)
    if s.grids != NULL:
        entry.trigger = 0       # A portfolio has no one price at which it falls.
    elif s.ledger.holders[scope].hedged and pair_of(s, leg) != NIL:
        sign = pair_trigger(s, leg, base, &entry.trigger)
    elif s.pledges != NULL:
        entry.trigger = pledge_trigger(s, scope, position, base)
    else:
        entry.trigger = leg_trigger(s, scope, position, base)
    entry.side = 1 if position.size > 0 else 0
    entry.last = 0
    if s.rules.queue == QUEUE_TRIGGER_PRICE:
        entry.last = not liquidatable(s, &at)
        entry.rank_above = sign * (entry.trigger - m.mark)      # furthest beyond the mark first
        entry.rank_below = m.mark
    elif s.rules.queue == QUEUE_MARGIN_RATIO:
        entry.rank_above = -at.equity                           # lowest ratio first
        entry.rank_below = larger(1, at.maintenance)
    else:
        entry.rank_above = 0
        entry.rank_below = 1
    if entry.trigger > TICK_MAX:    # No price does it: a small short of a scope that waits.
        entry.trigger = 0
    return 0


cdef int _look_around(State* s) except -1 nogil:
    """What else policies with stages may ask about the legs at risk."""
    cdef int64_t i
    cdef int32_t scope
    cdef const Market* m
    cdef Around* a
    s.around = <Around*>slab_grow(s.around, &s.around_capacity, s.queue_count, sizeof(Around))
    for i in range(s.queue_count):
        scope = s.at_risk[i].scope
        m = &s.markets[s.at_risk[i].market]
        a = &s.around[i]
        a.time_ns = s.time_ns
        a.since_ns = s.time_ns
        if s.scopes[scope].pending and scope < s.since_capacity:
            a.since_ns = s.since[scope]
        a.mark = m.mark
        a.kind = m.kind
        a.multiplier = m.multiplier
        a.best_bid = book_best(&m.book, 0)
        a.best_ask = book_best(&m.book, 1)
        a.brackets = m.brackets
        a.bracket_count = m.bracket_count
        a.by_lots = 0
        a.depth = _depth(s, m, s.at_risk[i].size) if s.depth_ppm else 0
        if m.plan != NULL and m.plan.count:
            a.brackets = m.plan.rows
            a.bracket_count = m.plan.count
            a.by_lots = m.plan.kind == BY_LOTS
        s.at_risk[i].around = a
    return 0


cdef Lot _depth(const State* s, const Market* m, Lot held) noexcept nogil:
    """Lots that rest on the side a leg would be sold into, so far from the middle of the book."""
    cdef int side = 0 if held > 0 else 1
    cdef Tick price = book_best(&m.book, side)
    cdef Tick other = book_best(&m.book, 1 - side)
    cdef Wide middle2 = price + other if price > 0 and other > 0 else 2 * m.mark
    cdef Wide reach = middle2 * s.depth_ppm
    cdef Lot lots = 0
    while price > 0 and absolute(2 * price - <int64_t>middle2) * <Wide>PPM <= reach:
        lots += book_size_at(&m.book, side, price)
        price = book_next(&m.book, side, price)
    return lots


cdef int _before(const void* a, const void* b) noexcept nogil:
    """Queue order: the larger exact ratio first; ties by scope id, market id, long then short."""
    cdef const Entry* x = <const Entry*>a
    cdef const Entry* y = <const Entry*>b
    cdef Wide left, right
    if x.last != y.last:
        return x.last - y.last
    if not x.last:
        left = <Wide>x.rank_above * y.rank_below
        right = <Wide>y.rank_above * x.rank_below
        if left != right:
            return -1 if left > right else 1
    if x.scope != y.scope:
        return -1 if x.scope < y.scope else 1
    if x.market != y.market:
        return -1 if x.market < y.market else 1
    return y.side - x.side


cdef int _rows_at_risk(State* s, int32_t scope) except -1 nogil:
    """A row for the leg that goes first, or one for each leg; where legs stand, markets ascend."""
    cdef bint each = s.rules.leg == LEG_PRO_RATA
    cdef int32_t leg = s.ledger.holders[scope].first if each else _leg(s, scope)
    cdef int64_t i
    while leg != NIL:
        if s.ledger.positions[leg].size != 0:
            i = s.queue_count
            s.at_risk = <AtRisk*>slab_grow(s.at_risk, &s.at_risk_capacity, i + 1, sizeof(AtRisk))
            s.queue = <Entry*>slab_grow(s.queue, &s.queue_capacity, i + 1, sizeof(Entry))
            _describe(s, scope, leg, &s.at_risk[i], &s.queue[i])
            s.queue_count += 1
        leg = s.ledger.positions[leg].next if each else NIL
    return 0


cdef int _plan(State* s) except -1 nogil:
    """Steps 3 and 4: who is at risk on the standing marks; the queue of this round."""
    cdef int64_t i
    cdef Entry* e
    collect(s)
    _collect_pending(s)
    note_nearest(s)
    s.queue_count = 0
    s.backlog = s.work_count
    s.plan_step = log_rows(s.log, T_STEPS)
    if s.work_count == 0:
        return 0
    for i in range(s.work_count):
        _rows_at_risk(s, s.work[i])
    s.intents = <Intent*>slab_grow(s.intents, &s.intent_capacity, s.queue_count, sizeof(Intent))
    if s.stages.on or s.depth_ppm:
        _look_around(s)
    (<LiquidationPolicy>s.policy).plan(s.at_risk, s.queue_count, s.intents)
    for i in range(s.queue_count):
        e = &s.queue[i]
        e.scope = s.intents[i].scope
        e.market = s.intents[i].market
        e.lots = s.intents[i].lots
        e.limit = s.intents[i].limit
        e.cooldown_ns = s.intents[i].cooldown_ns
        e.at_market = s.intents[i].at_market
    s.work_count = 0
    qsort(s.queue, <size_t>s.queue_count, sizeof(Entry), &_before)
    return 0
