"""Executing a liquidation: its order, its fee, and the table of SEMANTICS §5.

Each function here writes at most one row of the step table; what is left to do afterwards stands
in `State.sub*`, so that the world may stop, fork or be hashed between any two rows.
"""

from libc.stdint cimport int32_t, int64_t
from ordercascade.core.book cimport book_clear, book_take
from ordercascade.core.check cimport oc_check
from ordercascade.core.collateral cimport pledge_held
from ordercascade.core.conversion cimport convert
from ordercascade.core.events cimport (
    LIQ_COLUMNS, LIQ_LOTS_FILLED, LIQ_OUTCOME, LIQ_PAID_FUND, LIQ_SCOPE, log_append, log_get,
    log_rows, log_set, ORDER_COLUMNS, STEP_MARKET, T_LIQUIDATIONS, T_ORDERS, T_STEPS,
)
from ordercascade.core.funds cimport loss_fund
from ordercascade.core.gates cimport gates_trouble
from ordercascade.core.ledger cimport (
    FEES, ledger_flat, ledger_holder, ledger_leg, ledger_post, ledger_twin, leg_closed, Position,
)
from ordercascade.core.grids cimport is_option
from ordercascade.core.halting cimport valve_lots, valve_sent
from ordercascade.core.hedging cimport net_pair, paired
from ordercascade.core.insured cimport Insured, insured_take
from ordercascade.core.mechanism cimport LiquidationPolicy
from ordercascade.core.pairs cimport close_pairs
from ordercascade.core.records cimport IOC, LIMIT, MARKET
from ordercascade.core.slab cimport NIL, push, slab_grow
from ordercascade.core.state cimport (
    price_of, ADL_ON_UNFILLED, CLOSED, DELEVERAGED, Entry, FEE_TO_FUND,
    HEALTHY, LEG_PRO_RATA, liquidatable, Margin, margin_of, Market, OPEN, PENDING, REASON_FEE_LIQUIDATION,
    REFRESH_ORDER, RESIDUAL_FUND, Scope, SHORTFALL_AT_ORDER, State, step_begin,
    STEP_LIQUIDATION, SUB_MARKS, SUB_NONE, SUB_PAIRS, SUB_TABLE, SUB_TAKEOVER, TAKE_UNFILLED,
    WHEN_NEVER, WHEN_UNTOUCHED, write_posting,
)
from ordercascade.core.units cimport absolute, Cash, larger, Lot, mul_ppm_up, smaller, Tick, TimeNs
from ordercascade.core.watch cimport note_scope, parent_of, touch, unpend
from ordercascade.core.steps cimport (
    apply_fills, book_touched, cancel_own, Executed, finish, generation_of, mark_row, take_marks,
)
from ordercascade.core.losses cimport (
    adl_step, deleverage, fix_handover, residual, set_outcome, waterfall,
)
from ordercascade.core.takeover cimport (
    may_take_over, skew_of, take_lots, take_over, takeover_step, takes_below,
)


# --- a liquidation order -----------------------------------------------------------------------

cdef Cash exit_level(State* s, Cash maintenance, Cash exposure) noexcept nogil:
    """Maintenance plus the exit buffer."""
    return maintenance + mul_ppm_up(exposure, s.rules.buffer_ppm)


cdef bint _healthy(State* s, const Margin* m) noexcept nogil:
    return m.equity >= exit_level(s, m.maintenance, m.exposure) and not liquidatable(s, m)


cdef void remember_markets(State* s, int32_t scope) noexcept nogil:
    """For the retry rule: the markets it holds lots in, and the clock, just before its order.

    Before the first of a round where every leg gets one: what they all do counts. ADR 28"""
    cdef int32_t p = s.ledger.holders[scope].first
    cdef const Scope* sc = &s.scopes[scope]
    if s.rules.leg == LEG_PRO_RATA and sc.tranche and sc.order_step >= s.plan_step:
        return
    while p != NIL:
        s.ledger.positions[p].held = s.ledger.positions[p].size != 0
        p = s.ledger.positions[p].next
    s.scopes[scope].order_clock = s.clock


cdef void cool_down(State* s, const Entry* entry, Lot lots, Lot held) noexcept nogil:
    """A partial order starts the scope's cooldown; an order for all else leaves none.

    Where every leg gets an order, none of the round takes away what another one started."""
    cdef Scope* sc = &s.scopes[entry.scope]
    cdef TimeNs until = NIL
    if lots < held and entry.cooldown_ns:
        until = s.time_ns + entry.cooldown_ns
    sc.retry_ns = larger(sc.retry_ns, until) if s.rules.leg == LEG_PRO_RATA else until


cdef Cash charge(State* s, int64_t step, int32_t scope, Cash value, Cash equity) except? -1 nogil:
    """The liquidation fee, never more than what is left. SEMANTICS §5.4."""
    cdef Cash fee = smaller(mul_ppm_up(value, s.rules.liquidation_fee_ppm), larger(0, equity))
    cdef int32_t to = ledger_holder(&s.ledger, FEES, s.ledger.holders[scope].asset)
    if s.rules.liquidation_fee_to == FEE_TO_FUND:
        to = loss_fund(s, scope)
    if fee > 0:
        ledger_post(&s.ledger, scope, to, fee)
        write_posting(s, step, scope, to, fee, REASON_FEE_LIQUIDATION)
        touch(s, scope)
    return fee


cdef int order_row(State* s, int64_t step, int32_t market, int32_t account, int side,
                    bint at_market, Tick limit, Lot size, Lot filled) except -1 nogil:
    cdef int64_t row[ORDER_COLUMNS]
    row[0] = step
    row[1] = 0
    row[2] = s.venue
    row[3] = market
    row[4] = account
    row[5] = side
    row[6] = MARKET if at_market else LIMIT
    row[7] = IOC
    row[8] = 0
    row[9] = 0 if at_market else limit
    row[10] = size
    row[11] = filled
    row[12] = 0
    log_append(s.log, T_ORDERS, row)
    return 0


cdef inline int32_t _entry_leg(const State* s, const Entry* entry) noexcept nogil:
    """The position that an order closes: a hedged scope's by the order's side."""
    return ledger_leg(&s.ledger, entry.scope, entry.market,
                      leg_closed(&s.ledger, entry.scope, not entry.side))


cdef int32_t entry_account(const State* s, const Entry* entry) noexcept nogil:
    cdef int32_t account = s.ledger.holders[entry.scope].account
    if leg_closed(&s.ledger, entry.scope, not entry.side):
        return ledger_twin(&s.ledger, account)
    return account


cdef Tick bankruptcy_display(State* s, const Entry* entry) except? -1 nogil:
    """The leg's exact handing-over cost as a display price."""
    cdef const Position* p
    fix_handover(s, entry.scope)
    p = &s.ledger.positions[_entry_leg(s, entry)]
    return price_of(&s.markets[entry.market], p.handover, p.size)


cdef bint nets(State* s, const Entry* entry) except -1 nogil:
    """Where pairs are netted first: close one of the scope's before its order, if that is due.

    True where a step was written: the entry is tested again, by then perhaps healthy.
    """
    cdef const Scope* sc = &s.scopes[entry.scope]
    cdef Margin at
    if entry.lots == 0 or not paired(s, entry.scope):
        return False
    at = margin_of(s, entry.scope, False)
    if _healthy(s, &at) if sc.pending else not liquidatable(s, &at):
        return False
    net_pair(s, entry.scope, sc.parent if sc.pending else parent_of(s, entry.scope))
    return True


cdef bint _must_convert(State* s, int32_t scope, const Margin* at) noexcept nogil:
    """A taker or a fund that insures fills comes only after what backs the scope. ADR 25"""
    return (s.stages.insured or takes_below(s, scope, at)) and pledge_held(s, scope)


cdef Lot _staged(State* s, const Entry* entry, const Margin* at, Lot lots) except -1 nogil:
    """What goes before an order where the venue has stages: how many lots; 0: no order."""
    cdef const Scope* sc = &s.scopes[entry.scope]
    cdef int64_t parent
    cdef Lot granted = (<LiquidationPolicy>s.policy).grant(
        entry.market, s.time_ns, lots, skew_of(s, entry.market))
    if granted == 0 or not takes_below(s, entry.scope, at):
        return granted
    # Without an order the takeover has the step that made the scope fall as its parent.
    parent = sc.parent if sc.pending else parent_of(s, entry.scope)
    if granted < lots:
        take_lots(s, entry.scope, entry.market, entry.side, granted, parent)
    else:
        take_over(s, entry.scope, parent, NIL)
    return 0


cdef int begin_liquidation(State* s, int32_t scope) except -1 nogil:
    """Its first order: which step made it fall; from now on it is pending."""
    cdef Scope* sc = &s.scopes[scope]
    sc.parent = parent_of(s, scope)
    sc.generation = 0 if sc.parent == NIL else generation_of(s, sc.parent) + 1
    sc.pending = 1
    if s.stages.on:
        s.since = <TimeNs*>slab_grow(
            s.since, &s.since_capacity, s.ledger.holder_count, sizeof(TimeNs))
        s.since[scope] = s.time_ns
    if not sc.listed:
        sc.listed = 1
        push(&s.pending, &s.pending_count, &s.pending_capacity, scope)
    return 0


cdef Lot _send(State* s, int64_t step, const Entry* entry, Lot lots, Executed* done,
               Insured* insured) except -1 nogil:
    """The order itself: its fills through the ledger; return the lots filled."""
    cdef Market* m = &s.markets[entry.market]
    cdef Tick limit = entry.limit
    cdef Lot filled
    book_clear(&m.book)
    insured.fee = insured.paid = 0
    if s.stages.insured:
        return insured_take(s, step, entry, lots, done, insured)
    if entry.at_market:
        limit = 0 if entry.side else m.price_max
    filled = book_take(&m.book, entry.side, limit, lots, entry_account(s, entry))
    book_touched(s, entry.market, step)
    apply_fills(s, entry.market, step, True, done)
    oc_check(done.lots == filled)
    return filled


cdef Lot forced_leg(State* s, const Entry* entry, Lot* held) except -1 nogil:
    """Test a planned order again: the lots it may ask for, and those that are held; 0: none."""
    cdef const Scope* sc = &s.scopes[entry.scope]
    cdef Margin at
    cdef int32_t p
    held[0] = 0
    if entry.lots == 0:
        return 0
    p = _entry_leg(s, entry)
    at = margin_of(s, entry.scope, False)
    if sc.pending and not at.flat and _healthy(s, &at):
        unpend(s, entry.scope)
        return 0
    if p == NIL or s.ledger.positions[p].size == 0:
        return 0
    if not sc.pending and not liquidatable(s, &at):
        return 0
    if (s.ledger.positions[p].size > 0) != entry.side:
        return 0
    held[0] = absolute(s.ledger.positions[p].size)
    return smaller(entry.lots, held[0])


cdef Lot _before_valve(State* s, Entry* entry, Lot lots) noexcept nogil:
    """What the breakers let through now, and how far."""
    cdef Tick limit = 0 if entry.at_market else entry.limit
    lots = valve_lots(s, entry.market, entry.side, lots, &limit)
    entry.at_market = limit == 0
    entry.limit = limit
    return lots


cdef int _unsold(State* s, int32_t scope) except -1 nogil:
    """No order can be sent for options: what the venue does with unfilled lots comes at once.

    Nothing is written where that is nothing, so a round with such a scope alone ends. ADR 22."""
    cdef Margin at = margin_of(s, scope, False)
    cdef int64_t parent
    if not liquidatable(s, &at):
        return 0
    parent = s.scopes[scope].parent if s.scopes[scope].pending else parent_of(s, scope)
    if at.equity < 0:
        gates_trouble(s)
    if s.stages.on and takes_below(s, scope, &at):
        return take_over(s, scope, parent, NIL)
    if _gives_up(s, NIL, &at, True):
        return bankrupt(s, scope, parent, NIL)
    return 0


cdef int execute(State* s, const Entry* entry) except -1 nogil:
    """Send one planned order: test again, cancel, trade, marks, fee, row. SEMANTICS §3.5, §5."""
    cdef int32_t scope = entry.scope
    cdef int32_t market = entry.market
    cdef Scope* sc = &s.scopes[scope]
    cdef Market* m = &s.markets[market]
    cdef Margin at = margin_of(s, scope, False)
    cdef Lot held, lots, filled
    cdef int64_t step
    cdef Executed done
    cdef Insured insured
    cdef Entry braked
    cdef int64_t row[LIQ_COLUMNS]
    if is_option(s, market):
        return _unsold(s, scope)
    lots = forced_leg(s, entry, &held)
    if lots and s.brakes != NULL:
        braked = entry[0]
        entry = &braked
        lots = _before_valve(s, &braked, lots)
    if lots == 0:
        return 0
    if s.pledges != NULL and _must_convert(s, scope, &at):
        s.cursor -= 1           # tested again with what it brings
        return convert(s, scope)
    if s.stages.on:
        lots = _staged(s, entry, &at, lots)
        if lots == 0:
            return 0
    if not sc.pending:
        begin_liquidation(s, scope)
    step = step_begin(s, STEP_LIQUIDATION, market, scope, sc.parent, sc.generation,
                      NIL if sc.parent == NIL else
                      <int32_t>log_get(s.log, T_STEPS, sc.parent, STEP_MARKET))
    row[16] = bankruptcy_display(s, entry)
    cancel_own(s, scope, market, step)
    remember_markets(s, scope)
    row[5] = entry.side
    row[17] = m.mark
    row[19] = at.equity
    filled = _send(s, step, entry, lots, &done, &insured)
    if s.brakes != NULL:
        valve_sent(s, market, filled, lots)
    order_row(s, step, market, entry_account(s, entry), entry.side, entry.at_market, entry.limit,
              lots, filled)
    sc.tranche += 1
    sc.order_step = step
    cool_down(s, entry, lots, held)
    if s.rules.mark_refresh == REFRESH_ORDER:
        take_marks(s)
    at = margin_of(s, scope, False)
    row[21] = charge(s, step, scope, done.value, at.equity)
    row[20] = at.equity - row[21]
    row[21] += insured.fee
    row[18] = m.mark
    finish_row(s, step, entry, row, &done, held, lots)
    if insured.paid:
        log_set(s.log, T_LIQUIDATIONS, log_rows(s.log, T_LIQUIDATIONS) - 1, LIQ_PAID_FUND,
                insured.paid)
    finish(s, step)
    s.sub = SUB_MARKS
    s.sub_cursor = 0
    s.sub_scope = scope
    s.sub_row = log_rows(s.log, T_LIQUIDATIONS) - 1
    s.sub_unfilled = filled < lots
    return 0


cdef int finish_row(State* s, int64_t step, const Entry* entry, int64_t* row, const Executed* done,
                     Lot held, Lot lots) except -1 nogil:
    """Fill in the rest of a liquidation row and append it."""
    cdef int64_t i
    row[0] = step
    row[1] = s.venue
    row[2] = entry.market
    row[3] = entry.scope
    row[4] = s.ledger.holders[entry.scope].account
    # Leg.NET, or the leg that the order closes.
    row[6] = (1 if entry.side else 2) if s.ledger.holders[entry.scope].hedged else 0
    row[7] = s.scopes[entry.scope].tranche
    row[8] = held
    row[9] = lots
    row[10] = done.lots
    row[11] = done.levels
    row[12] = 0 if entry.at_market else entry.limit
    row[13] = done.worst
    row[14] = done.value
    row[15] = entry.trigger
    for i in range(22, LIQ_COLUMNS):
        row[i] = 0
    row[LIQ_OUTCOME] = OPEN
    log_append(s.log, T_LIQUIDATIONS, row)
    return 0


# --- what follows an order ---------------------------------------------------------------------

cdef int sub_step(State* s) except -1 nogil:
    """Do the next thing left over from the order just executed; write at most one row."""
    if s.sub == SUB_MARKS:
        if s.sub_cursor < s.market_count:
            mark_row(s, <int32_t>s.sub_cursor)
            s.sub_cursor += 1
            return 0
        if s.rules.shortfall_at == SHORTFALL_AT_ORDER:
            s.sub = SUB_TABLE
            return 0
        s.rows = <int64_t*>slab_grow(s.rows, &s.row_capacity, s.row_count + 2, sizeof(int64_t))
        s.rows[s.row_count] = 2 * s.sub_row + s.sub_unfilled
        s.row_count += 1
        s.sub = SUB_NONE
        return 0
    if s.sub == SUB_TABLE:
        s.sub = SUB_NONE
        return table(s, s.sub_scope, s.sub_row, s.sub_unfilled)
    if s.sub == SUB_TAKEOVER:
        return takeover_step(s)
    if s.sub == SUB_PAIRS:
        return _pairs_step(s)
    return adl_step(s)


cdef int _pairs_step(State* s) except -1 nogil:
    """Close the next leg against those who can afford it; what they cannot stays pending."""
    cdef int32_t p = <int32_t>s.sub_cursor
    cdef int64_t parent = s.sub_parent
    while p != NIL and s.ledger.positions[p].size == 0:
        p = s.ledger.positions[p].next
    if p != NIL:
        s.sub_cursor = s.ledger.positions[p].next
        if parent == -2:
            parent = s.scopes[s.sub_scope].moved_step
        close_pairs(s, p, parent, False)
        return 0
    s.sub = SUB_NONE
    if ledger_flat(&s.ledger, s.sub_scope):
        set_outcome(s, s.sub_row, DELEVERAGED)
        return unpend(s, s.sub_scope)
    return 0


cdef int bankrupt(State* s, int32_t scope, int64_t parent, int64_t row) except -1 nogil:
    """Equity below zero with lots left: takeover within its cap, else deleveraging."""
    cdef Margin m = margin_of(s, scope, False)
    if s.stages.takeover and may_take_over(s, scope, &m):
        return take_over(s, scope, parent, row)
    if s.stages.adl_when == WHEN_NEVER:
        return set_outcome(s, row, PENDING)
    if not s.stages.adl_overlap:
        return deleverage(s, scope, parent, row)
    set_outcome(s, row, PENDING)
    s.sub = SUB_PAIRS
    s.sub_scope = scope
    s.sub_parent = parent
    s.sub_row = row
    s.sub_cursor = s.ledger.holders[scope].first
    return 0


cdef bint _gives_up(State* s, int64_t row, const Margin* m, bint unfilled) noexcept nogil:
    """Does the venue close a scope that is neither healthy nor flat after its order?"""
    cdef bint touched = row != NIL and log_get(s.log, T_LIQUIDATIONS, row, LIQ_LOTS_FILLED) > 0
    if s.stages.takeover and unfilled and s.stages.takeover_when == TAKE_UNFILLED:
        return True
    if s.stages.adl_when == WHEN_UNTOUCHED:
        return m.equity < 0 and not touched
    return m.equity < 0 or (unfilled and s.rules.adl_trigger == ADL_ON_UNFILLED)


cdef bint _converts(State* s, int32_t scope, int64_t row, const Margin* m,
                    bint unfilled) noexcept nogil:
    """Does it fail, with collateral that could still pay? After the conversion there is none."""
    if not pledge_held(s, scope):
        return False
    if m.flat:
        return s.ledger.holders[scope].collateral < 0
    return not _healthy(s, m) and _gives_up(s, row, m, unfilled)


cdef int round_table(State* s, int64_t row, bint unfilled) except -1 nogil:
    """The table for a row at the round's end. Of a scope's several rows an earlier one may have
    ended the liquidation: the later ones then say how it stands, and nothing is done. ADR 28"""
    cdef int32_t scope = <int32_t>log_get(s.log, T_LIQUIDATIONS, row, LIQ_SCOPE)
    if not s.scopes[scope].pending:
        return set_outcome(s, row, CLOSED if ledger_flat(&s.ledger, scope) else HEALTHY)
    return table(s, scope, row, unfilled)


cdef int table(State* s, int32_t scope, int64_t row, bint unfilled) except -1 nogil:
    """The table of SEMANTICS §5 for a scope that sent an order, on the standing marks."""
    cdef Margin m = margin_of(s, scope, False)
    if s.pledges != NULL and _converts(s, scope, row, &m, unfilled):
        s.sub = SUB_TABLE       # and then once more
        s.sub_scope = scope
        s.sub_row = row
        s.sub_unfilled = unfilled
        return convert(s, scope)
    if s.ledger.holders[scope].hedged and paired(s, scope) and (
            not _healthy(s, &m) and _gives_up(s, row, &m, unfilled)):
        s.sub = SUB_TABLE       # and then once more: nobody else need take what it owes itself
        s.sub_scope = scope
        s.sub_row = row
        s.sub_unfilled = unfilled
        return net_pair(s, scope, -2)
    note_scope(s, scope, &m)
    if m.equity < 0:
        gates_trouble(s)
    if not m.flat:
        if _healthy(s, &m):
            set_outcome(s, row, HEALTHY)
            return unpend(s, scope)
        if _gives_up(s, row, &m, unfilled):
            return bankrupt(s, scope, -2, row)
        return set_outcome(s, row, PENDING)
    unpend(s, scope)
    if s.ledger.holders[scope].collateral < 0:
        return waterfall(s, scope, row)
    set_outcome(s, row, CLOSED)
    if s.ledger.holders[scope].collateral > 0 and s.rules.residual == RESIDUAL_FUND:
        return residual(s, scope, s.ledger.holders[scope].collateral)
    return 0
