"""Who bears a loss: auto-deleveraging at exact cost, the fund, winners, bad debt.

The last three rows of the table of SEMANTICS §5. Each function writes at most one step.
"""

from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport qsort
from ordercascade.core.check cimport oc_check
from ordercascade.core.events cimport (
    ADL_COLUMNS, LIQ_OUTCOME, LIQ_PAID_ADL, LIQ_PAID_BAD_DEBT, LIQ_PAID_FUND,
    LIQ_PAID_SOCIALISED, LIQ_SHORTFALL, log_append, log_set, T_ADL, T_LIQUIDATIONS,
)
from ordercascade.core.funds cimport loss_fund, loss_market
from ordercascade.core.hedging cimport trim_leg
from ordercascade.core.ledger cimport (
    BAD_DEBT, EXTERNAL, FUND, ledger_fund, ledger_holder, ledger_post, Position, SCOPE,
    split_shares,
)
from ordercascade.core.grids cimport grid_of
from ordercascade.core.mechanism cimport Backstop
from ordercascade.core.portfolio cimport leg_maintenance
from ordercascade.core.records cimport Candidate
from ordercascade.core.slab cimport NIL, slab_grow
from ordercascade.core.state cimport (
    AT_BANKRUPTCY, AT_MARK, AT_TICK, DELEVERAGED, LOTS_OF_BOTH, LOTS_OF_LONGS,
    Margin, margin_of, Market, need_in,
    NOTE_ADL_EXTERNAL,
    NOTE_FUND_EMPTY, REASON_BAD_DEBT, REASON_FUND_PAYS, REASON_RESIDUAL, REASON_SOCIALISED,
    SHORTFALL, SOCIAL_LOTS, Scope, State,
    STEP_ADL, step_begin, STEP_WATERFALL, SUB_ADL, SUB_NONE, price_of, value_of, write_posting,
)
from ordercascade.core.units cimport absolute, Cash, div_ceil, larger, Lot, smaller, Tick, Wide
from ordercascade.core.watch cimport touch, unpend
from ordercascade.core.steps cimport enter, finish, generation_of, note


cdef int set_outcome(State* s, int64_t row, int outcome) except -1 nogil:
    if row != NIL:
        log_set(s.log, T_LIQUIDATIONS, row, LIQ_OUTCOME, outcome)
    return 0


cdef int residual(State* s, int32_t scope, Cash amount) except -1 nogil:
    """What a closed scope has left goes to the fund."""
    cdef int32_t fund = loss_fund(s, scope)
    cdef int64_t parent = s.scopes[scope].moved_step
    cdef int64_t step = step_begin(
        s, STEP_WATERFALL, NIL, scope, parent, generation_of(s, parent), NIL)
    ledger_post(&s.ledger, scope, fund, amount)
    write_posting(s, step, scope, fund, amount, REASON_RESIDUAL)
    touch(s, scope)
    return finish(s, step)


cdef int mend_fund(State* s, int64_t step, int32_t asset) except -1 nogil:
    """A fund that a trade left below zero is filled up from bad debt."""
    cdef int64_t i
    _mend(s, step, ledger_holder(&s.ledger, FUND, asset))
    if s.stages.fund_market:
        for i in range(s.market_count):
            if s.markets[i].asset == asset:
                _mend(s, step, ledger_fund(&s.ledger, <int32_t>i))
    return 0


cdef int _mend(State* s, int64_t step, int32_t fund) except -1 nogil:
    cdef int32_t debt = ledger_holder(&s.ledger, BAD_DEBT, s.ledger.holders[fund].asset)
    cdef Cash gap = -s.ledger.holders[fund].collateral
    if gap > 0:
        ledger_post(&s.ledger, debt, fund, gap)
        write_posting(s, step, debt, fund, gap, REASON_BAD_DEBT)
    return 0


# --- auto-deleveraging -------------------------------------------------------------------------

cdef Cash _priced(const State* s, const Position* p) noexcept nogil:
    """What the lots are handed over for where that is not exactly the bankruptcy cost."""
    cdef const Market* m = &s.markets[p.market]
    cdef Tick price = m.mark if s.stages.adl_price == AT_MARK else m.mark_before
    if s.stages.adl_price == AT_TICK:
        price = price_of(m, p.handover, p.size)
    return value_of(m, p.size, price)


cdef int fix_handover(State* s, int32_t scope) except -1 nogil:
    """Fix every leg's cost X_k = value_k - E_k, the scope's equity split by maintenance."""
    cdef int64_t legs = 0
    cdef int64_t i = 0
    cdef int32_t p = s.ledger.holders[scope].first
    cdef Position* position
    cdef const Market* m
    cdef Margin at = margin_of(s, scope, False)
    cdef Cash value
    while p != NIL:
        legs += 1
        p = s.ledger.positions[p].next
    s.cells = <int64_t*>slab_grow(s.cells, &s.cell_capacity, 2 * legs, sizeof(int64_t))
    legs = 0
    p = s.ledger.holders[scope].first
    while p != NIL:
        position = &s.ledger.positions[p]
        if position.size != 0:
            m = &s.markets[position.market]
            value = value_of(m, position.size, m.mark)
            position.handover = value
            s.cells[legs] = need_in(m, position.size, value, position.cost)
            if grid_of(s, position.market) != NIL:
                s.cells[legs] += leg_maintenance(s, position.market, position.size)
            legs += 1
        p = position.next
    split_shares(at.equity, s.cells, legs, s.cells + legs)
    p = s.ledger.holders[scope].first
    while p != NIL:
        position = &s.ledger.positions[p]
        if position.size != 0:
            position.handover -= s.cells[legs + i]
            i += 1
        p = position.next
    return 0


cdef int deleverage(State* s, int32_t scope, int64_t parent, int64_t row) except -1 nogil:
    """Begin to hand every leg over at its bankruptcy cost; one `adl` step a market follows."""
    cdef Margin m = margin_of(s, scope, False)
    cdef int32_t p = s.ledger.holders[scope].first
    fix_handover(s, scope)
    while p != NIL and s.stages.adl_price != AT_BANKRUPTCY:
        if s.ledger.positions[p].size != 0:
            s.ledger.positions[p].handover = _priced(s, &s.ledger.positions[p])
        p = s.ledger.positions[p].next
    set_outcome(s, row, DELEVERAGED)
    if row != NIL:
        log_set(s.log, T_LIQUIDATIONS, row, LIQ_SHORTFALL, larger(0, -m.equity))
        log_set(s.log, T_LIQUIDATIONS, row, LIQ_PAID_ADL, larger(0, -m.equity))
    s.adl_event += 1
    s.sub = SUB_ADL
    s.sub_scope = scope
    s.sub_parent = parent
    s.sub_cursor = s.ledger.holders[scope].first
    return 0


cdef int adl_step(State* s) except -1 nogil:
    """Hand over the next leg; after the last one the scope is at exactly zero."""
    cdef int32_t p = <int32_t>s.sub_cursor
    while p != NIL and s.ledger.positions[p].size == 0:
        p = s.ledger.positions[p].next
    if p != NIL:
        s.sub_cursor = s.ledger.positions[p].next
        return _hand_over(s, p)
    oc_check(s.stages.adl_price != AT_BANKRUPTCY
             or s.ledger.holders[s.sub_scope].collateral == 0)
    s.sub = SUB_NONE
    return unpend(s, s.sub_scope)


cdef int _by_scope(const void* a, const void* b) noexcept nogil:
    cdef const Candidate* x = <const Candidate*>a
    cdef const Candidate* y = <const Candidate*>b
    if x.external != y.external:
        return -1 if y.external else 1
    return (x.scope > y.scope) - (x.scope < y.scope)


cdef int _by_rank(const void* a, const void* b) noexcept nogil:
    cdef const Candidate* x = <const Candidate*>a
    cdef const Candidate* y = <const Candidate*>b
    return (x.rank > y.rank) - (x.rank < y.rank)


cdef int64_t counterparties(State* s, int32_t market, bint of_long) except -1 nogil:
    """Everybody on the other side of a leg, by scope id, external last."""
    cdef int64_t count = 0
    cdef int32_t p = s.ledger.sided[market].first[of_long]
    cdef const Position* position
    cdef const Market* m = &s.markets[market]
    cdef const Scope* scope
    cdef Margin at
    cdef Candidate* c
    while p != NIL:
        position = &s.ledger.positions[p]
        s.candidates = <Candidate*>slab_grow(
            s.candidates, &s.candidate_capacity, count + 1, sizeof(Candidate))
        c = &s.candidates[count]
        c.scope = position.scope
        c.external = s.ledger.holders[position.scope].kind == EXTERNAL
        c.lots = absolute(position.size)
        c.cost = position.cost
        c.value = value_of(m, position.size, m.mark)
        at = margin_of(s, position.scope, False)
        c.equity = at.equity
        c.maintenance = at.maintenance
        c.money = at.equity - at.pnl
        scope = &s.scopes[position.scope]
        if scope.adl_event == s.adl_event:      # an earlier leg changed them
            c.equity = scope.adl_equity
            c.maintenance = scope.adl_maintenance
            c.money = scope.adl_money
        c.taken = 0
        c.rank = 0
        count += 1
        p = position.market_next
    qsort(s.candidates, <size_t>count, sizeof(Candidate), &_by_scope)
    return count


cdef int _hand_over(State* s, int32_t leg) except -1 nogil:
    """One `adl` step: a leg to its counterparties at exactly its fixed cost. SEMANTICS §5.7."""
    cdef Position* position = &s.ledger.positions[leg]
    cdef int32_t scope = position.scope
    cdef int32_t market = position.market
    cdef Lot size = position.size
    cdef Cash cost = position.handover
    cdef int64_t parent = s.scopes[scope].moved_step if s.sub_parent == -2 else s.sub_parent
    cdef int64_t count = counterparties(s, market, size > 0)
    cdef int64_t takers = 0
    cdef int64_t i
    cdef int64_t step
    (<Backstop>s.backstop).deal(s.candidates, count, absolute(size))
    for i in range(count):
        if s.candidates[i].taken > 0:
            s.candidates[takers] = s.candidates[i]
            takers += 1
    oc_check(takers > 0)
    s.cells = <int64_t*>slab_grow(s.cells, &s.cell_capacity, 2 * takers, sizeof(int64_t))
    for i in range(takers):
        s.cells[i] = s.candidates[i].taken
    split_shares(cost, s.cells, takers, s.cells + takers)
    for i in range(takers):
        s.candidates[i].cost = s.cells[takers + i]
    qsort(s.candidates, <size_t>takers, sizeof(Candidate), &_by_rank)
    step = step_begin(s, STEP_ADL, market, scope, parent, generation_of(s, parent), NIL)
    enter(s, step, scope, market, -size, -cost)
    position = &s.ledger.positions[leg]
    position.handover = 0
    touch(s, scope)
    if s.ledger.holders[scope].hedged:      # Orders elsewhere may stand, as the venue cancels.
        trim_leg(s, step, scope, market, size < 0)
    for i in range(takers):
        _take_over(s, step, market, scope, &s.candidates[i], i, 1 if size > 0 else -1)
    if s.stages.on:
        mend_fund(s, step, s.markets[market].asset)
    return finish(s, step)


cdef int _take_over(State* s, int64_t step, int32_t market, int32_t scope, const Candidate* c,
                    int64_t rank, int sign) except -1 nogil:
    """One counterparty's part of a handed-over leg."""
    cdef int64_t row[ADL_COLUMNS]
    if s.scopes[c.scope].adl_event != s.adl_event:
        s.scopes[c.scope].adl_event = s.adl_event
        s.scopes[c.scope].adl_equity = c.equity
        s.scopes[c.scope].adl_maintenance = c.maintenance
        s.scopes[c.scope].adl_money = c.money
    enter(s, step, c.scope, market, sign * c.taken, c.cost)
    touch(s, c.scope)
    if s.ledger.holders[c.scope].hedged:        # Its orders may only close what is left.
        trim_leg(s, step, c.scope, market, sign > 0)
    row[0] = step
    row[1] = market
    row[2] = scope
    row[3] = c.scope
    row[4] = c.taken
    row[5] = c.cost
    row[6] = rank
    row[7] = s.rules.adl_rule
    row[8] = s.stages.adl_price
    log_append(s.log, T_ADL, row)
    if c.external:
        return note(s, step, NOTE_ADL_EXTERNAL, market, scope, c.taken, c.cost)
    return 0


# --- the waterfall -----------------------------------------------------------------------------

cdef Cash _socialise(State* s, int64_t step, int32_t scope, Cash deficit) except? -1 nogil:
    """Charge winners by their profit, none beyond it or its equity; return what they paid.

    Profit is that of their open positions, or what they made since the day began.
    """
    cdef int64_t count = 0
    cdef int64_t i
    cdef int32_t h
    cdef Margin m
    cdef Cash weight, charged
    cdef Wide sum = 0
    cdef int32_t asset = s.ledger.holders[scope].asset
    s.cells = <int64_t*>slab_grow(
        s.cells, &s.cell_capacity, 3 * s.ledger.holder_count, sizeof(int64_t))
    for i in range(s.ledger.holder_count):
        h = <int32_t>i
        if s.ledger.holders[h].kind != SCOPE or s.ledger.holders[h].asset != asset:
            continue
        m = margin_of(s, h, False)
        weight = smaller(m.pnl, m.equity)
        if s.day_next:
            weight = smaller(m.equity, m.equity - (s.day_base[h] if h < s.day_capacity else 0))
        if weight > 0:
            s.cells[count] = weight
            s.cells[2 * s.ledger.holder_count + count] = h
            sum = sum + weight
            count += 1
    charged = deficit if sum >= deficit else <Cash>sum
    # What a winner is credited is floored: the charge is a negative credit.
    split_shares(-charged, s.cells, count, s.cells + s.ledger.holder_count)
    for i in range(count):
        weight = -s.cells[s.ledger.holder_count + i]
        h = <int32_t>s.cells[2 * s.ledger.holder_count + i]
        if weight != 0:
            ledger_post(&s.ledger, h, scope, weight)
            write_posting(s, step, h, scope, weight, REASON_SOCIALISED)
            touch(s, h)
    return charged


cdef bint _bears(const State* s, const Position* p, int32_t asset, int32_t market) noexcept nogil:
    """Lots that a loss is spread over."""
    if s.ledger.holders[p.scope].kind != SCOPE or s.markets[p.market].asset != asset:
        return False
    if market != NIL and p.market != market:
        return False
    if s.stages.social_side == LOTS_OF_BOTH:
        return True
    return (p.size > 0) == (s.stages.social_side == LOTS_OF_LONGS)


cdef Cash _charge_lots(State* s, int64_t step, int32_t scope, Cash deficit) except? -1 nogil:
    """Charge every open lot, or those of a side, the same, rounded up to the step; [DR2].

    Lots are those of all the scope's markets; of one, where each market has a fund of its own.
    What rounding brings in beyond the deficit goes to the fund; nobody pays more than it has.
    """
    cdef int32_t asset = s.ledger.holders[scope].asset
    cdef int32_t fund = loss_fund(s, scope)
    cdef int32_t market = loss_market(s, scope) if s.stages.fund_market else NIL
    cdef int64_t i
    cdef Lot open = 0
    cdef const Position* p
    cdef Cash each, charge
    cdef Cash charged = 0
    for i in range(s.ledger.position_count):
        p = &s.ledger.positions[i]
        if _bears(s, p, asset, market):
            open += absolute(p.size)
    if open == 0:
        return 0
    each = (div_ceil(deficit, <Wide>open * <Wide>s.stages.social_step)) * s.stages.social_step
    for i in range(s.ledger.position_count):
        p = &s.ledger.positions[i]
        if not _bears(s, p, asset, market):
            continue
        charge = larger(0, smaller(each * absolute(p.size), margin_of(s, p.scope, False).equity))
        if charge > 0:
            ledger_post(&s.ledger, p.scope, fund, charge)
            write_posting(s, step, p.scope, fund, charge, REASON_SOCIALISED)
            touch(s, p.scope)
            charged += charge
    charge = smaller(charged, deficit)
    if charge > 0:
        ledger_post(&s.ledger, fund, scope, charge)
        write_posting(s, step, fund, scope, charge, REASON_SOCIALISED)
    return charge


cdef int waterfall(State* s, int32_t scope, int64_t row) except -1 nogil:
    """A flat scope below zero: fund, then winners if the venue socialises, then bad debt."""
    cdef int32_t asset = s.ledger.holders[scope].asset
    cdef int32_t fund = loss_fund(s, scope)
    cdef int32_t debt = ledger_holder(&s.ledger, BAD_DEBT, asset)
    cdef Cash deficit = -s.ledger.holders[scope].collateral
    cdef Cash paid = smaller(deficit, s.ledger.holders[fund].collateral)
    cdef Cash charged = 0
    cdef Cash rest
    cdef int64_t parent = s.scopes[scope].moved_step
    cdef int64_t step
    oc_check(deficit > 0)
    step = step_begin(s, STEP_WATERFALL, NIL, scope, parent, generation_of(s, parent), NIL)
    if paid > 0:
        ledger_post(&s.ledger, fund, scope, paid)
        write_posting(s, step, fund, scope, paid, REASON_FUND_PAYS)
    if 0 < paid < deficit:
        note(s, step, NOTE_FUND_EMPTY, NIL, scope, paid, deficit - paid)
    if s.rules.social and deficit > paid:
        if s.stages.social_rule == SOCIAL_LOTS:
            charged = _charge_lots(s, step, scope, deficit - paid)
        else:
            charged = _socialise(s, step, scope, deficit - paid)
    rest = deficit - paid - charged
    if rest > 0:
        ledger_post(&s.ledger, debt, scope, rest)
        write_posting(s, step, debt, scope, rest, REASON_BAD_DEBT)
    touch(s, scope)
    if row != NIL:
        log_set(s.log, T_LIQUIDATIONS, row, LIQ_SHORTFALL, deficit)
        log_set(s.log, T_LIQUIDATIONS, row, LIQ_PAID_FUND, paid)
        log_set(s.log, T_LIQUIDATIONS, row, LIQ_PAID_SOCIALISED, charged)
        log_set(s.log, T_LIQUIDATIONS, row, LIQ_PAID_BAD_DEBT, rest)
        set_outcome(s, row, SHORTFALL)
    return finish(s, step)
