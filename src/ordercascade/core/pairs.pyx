"""Deleveraging pair by pair, with the overlap check. spec/MARGIN.md §3, §6.7.

A counterparty takes lots at the bankrupt's own bankruptcy cost, and only if it can afford it: its
initial margin is met afterwards, or its margin ratio has not fallen; one that is left with nothing
needs equity of at least 0.
"""

from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport qsort
from libc.string cimport memset
from ordercascade.core.events cimport ADL_COLUMNS, EventLog, T_ADL, log_append
from ordercascade.core.ledger cimport EXTERNAL, Position, SCOPE, ledger_find
from ordercascade.core.losses cimport counterparties, mend_fund
from ordercascade.core.mechanism cimport Backstop
from ordercascade.core.options cimport grids_refuse
from ordercascade.core.records cimport Candidate, REJECT_NO_OVERLAP
from ordercascade.core.slab cimport NIL
from ordercascade.core.state cimport (
    AT_BANKRUPTCY, AT_MARK, Margin, Market, NOTE_ADL_EXTERNAL, STEP_ADL, State, change_of,
    closing_fees, initial_in, margin_of, need_in, step_begin, value_of,
)
from ordercascade.core.statecopy cimport state_copy, state_free
from ordercascade.core.steps cimport enter, finish, generation_of, note
from ordercascade.core.units cimport Cash, Lot, Wide, absolute, div_ceil, smaller
from ordercascade.core.watch cimport touch
from ordercascade.mechanisms.plugins cimport Journal, PluginBackstop


cdef Cash _maintenance(const Market* m, const Position* p, Lot size) noexcept nogil:
    """Of the position if it had so many lots, at its own entry."""
    cdef Cash cost = p.cost
    if p.size != 0 and size != p.size:
        cost = div_ceil(<Wide>p.cost * <Wide>size, p.size) if p.size > 0 else (
            div_ceil(<Wide>p.cost * <Wide>-size, -p.size))
    return need_in(m, size, value_of(m, size, m.mark), cost)


cdef Margin _shared(const State* s, int32_t scope) noexcept nogil:
    """Maintenance as it is shared among lots: without closing fees at bankruptcy."""
    cdef Margin at = margin_of(s, scope, False)
    at.maintenance -= closing_fees(s, scope, at.equity, False)
    return at


cdef Cash bankruptcy_quote(const State* s, int32_t scope, int32_t leg, Lot size) noexcept nogil:
    """-value change - equity * |maintenance change| / maintenance, rounded up. [D3]

    The equity is the account's, on the standing marks; closing the only leg takes all of it.
    """
    cdef const Position* p = &s.ledger.positions[leg]
    cdef const Market* m = &s.markets[p.market]
    cdef Margin at = _shared(s, scope)
    cdef Cash relief = absolute(_maintenance(m, p, p.size) - _maintenance(m, p, p.size + size))
    cdef Cash change = change_of(m, p.size, size)
    if at.maintenance == 0:
        relief = absolute(change)
        at.maintenance = at.exposure
    return -change + div_ceil(-<Wide>at.equity * <Wide>relief, at.maintenance)


cdef int refuse_quote(const State* s) except -1 nogil:
    """A leg's share of a portfolio's maintenance is not what it leaves when lots of it go."""
    if s.grids != NULL:
        with gil:
            grids_refuse(s, "bankruptcy quotes")
    return 0


cdef bint can_take(const State* s, int32_t scope, int32_t market, Lot size,
                   Cash cost) noexcept nogil:
    """After the trade: initial margin met, or equity / maintenance not fallen; flat: equity."""
    cdef const Market* m = &s.markets[market]
    cdef Margin before = _shared(s, scope)
    cdef Cash equity = before.equity - cost
    cdef Cash maintenance = before.maintenance
    cdef Cash initial = 0
    cdef bint flat = True
    cdef int32_t handle = s.ledger.holders[scope].first
    cdef const Position* p
    cdef Lot held
    if s.ledger.holders[scope].kind != SCOPE:
        return True             # External has no margin; fund and vault answer for themselves.
    while handle != NIL:
        p = &s.ledger.positions[handle]
        held = p.size
        if p.market == market:
            equity += change_of(m, held, size)
            maintenance += _maintenance(m, p, held + size) - _maintenance(m, p, held)
            held += size
        if held != 0:
            flat = False
            initial += initial_in(s, p.market, held)
        handle = p.next
    if flat:
        return equity >= 0
    if equity >= initial:
        return True
    return (<Wide>equity * <Wide>before.maintenance >= <Wide>before.equity * <Wide>maintenance)


cdef int _pair(State* s, int64_t step, int32_t leg, int32_t other, Lot size, Cash quote,
               int64_t rank, int mode) except -1 nogil:
    """One pair: `size` is the bankrupt's signed change, `quote` what it brings in."""
    cdef int32_t scope = s.ledger.positions[leg].scope
    cdef int32_t market = s.ledger.positions[leg].market
    cdef int64_t row[ADL_COLUMNS]
    enter(s, step, scope, market, size, -quote)
    enter(s, step, other, market, -size, quote)
    touch(s, scope)
    touch(s, other)
    row[0] = step
    row[1] = market
    row[2] = scope
    row[3] = other
    row[4] = absolute(size)
    row[5] = quote
    row[6] = rank
    row[7] = s.rules.adl_rule
    row[8] = mode
    log_append(s.log, T_ADL, row)
    if s.ledger.holders[other].kind == EXTERNAL:
        note(s, step, NOTE_ADL_EXTERNAL, market, scope, absolute(size), quote)
    return 0


cdef int _by_rank(const void* a, const void* b) noexcept nogil:
    cdef const Candidate* x = <const Candidate*>a
    cdef const Candidate* y = <const Candidate*>b
    return (x.rank > y.rank) - (x.rank < y.rank)


cdef int close_pairs(State* s, int32_t leg, int64_t parent, bint at_mark) except -1 nogil:
    """Close a leg against its counterparties in their order, skipping who cannot; one step."""
    cdef int32_t scope = s.ledger.positions[leg].scope
    cdef int32_t market = s.ledger.positions[leg].market
    cdef const Market* m = &s.markets[market]
    cdef Lot left = s.ledger.positions[leg].size
    cdef int sign = -1 if left > 0 else 1
    cdef int64_t count, i, rank
    cdef int64_t step = NIL
    cdef Lot size
    cdef Cash quote
    s.adl_event += 1
    count = counterparties(s, market, left > 0)
    if count == 0:
        return 1
    (<Backstop>s.backstop).deal(s.candidates, count, absolute(left))
    qsort(s.candidates, <size_t>count, sizeof(Candidate), &_by_rank)
    rank = 0
    for i in range(count):
        if left == 0:
            break
        size = sign * smaller(absolute(left), s.candidates[i].lots)
        if at_mark:
            quote = -change_of(m, left, size)
        else:
            quote = bankruptcy_quote(s, scope, leg, size)
        if not can_take(s, s.candidates[i].scope, market, -size, quote):
            continue
        if step == NIL:
            step = step_begin(s, STEP_ADL, market, scope, parent, generation_of(s, parent), NIL)
        _pair(s, step, leg, s.candidates[i].scope, size, quote, rank,
              AT_MARK if at_mark else AT_BANKRUPTCY)
        rank += 1
        left += size
    if step == NIL:
        return 1
    mend_fund(s, step, m.asset)
    return finish(s, step)


cdef int64_t user_close_pair(State* s, int32_t scope, int32_t market, int32_t other, Lot lots,
                             bint* torn) except -1 nogil:
    """Close lots of a scope against one other, at the scope's bankruptcy cost."""
    cdef int32_t leg = ledger_find(&s.ledger, scope, market)
    cdef Lot size = -lots if s.ledger.positions[leg].size > 0 else lots
    cdef Cash quote
    cdef int64_t step
    refuse_quote(s)
    quote = bankruptcy_quote(s, scope, leg, size)
    if not can_take(s, other, market, -size, quote):
        return REJECT_NO_OVERLAP
    torn[0] = True
    s.adl_event += 1
    step = step_begin(s, STEP_ADL, market, scope, NIL, 0, NIL)
    _pair(s, step, leg, other, size, quote, 0, AT_BANKRUPTCY)
    finish(s, step)
    torn[0] = False
    return 0


cdef int user_wind_up(State* s, int32_t market, bint* torn) except -1 nogil:
    """Final settlement: who is below zero at its bankruptcy cost, others at the mark. [D4]"""
    cdef int64_t h
    cdef int32_t leg
    refuse_quote(s)
    torn[0] = True
    for h in range(s.ledger.holder_count):
        if s.ledger.holders[h].kind != SCOPE:
            continue
        leg = ledger_find(&s.ledger, <int32_t>h, market)
        if leg != NIL and s.ledger.positions[leg].size != 0:
            close_pairs(s, leg, NIL, margin_of(s, <int32_t>h, False).equity >= 0)
    torn[0] = False
    return 0


cdef int whole_wind_up(State* s, object backstop, EventLog events, int32_t market,
                       bint* torn) except -1:
    """A plug-in is asked on a copy; what it said there is what it says here. docs/adr/0016."""
    cdef PluginBackstop asked
    cdef Journal before
    cdef Journal said = Journal.__new__(Journal)
    cdef EventLog scratch
    cdef State twin
    cdef bint broken = False
    if not isinstance(backstop, PluginBackstop):
        return user_wind_up(s, market, torn)
    asked = backstop
    before = asked.journal
    said.begin()
    asked.journal = said
    try:
        scratch = events.fork()
        memset(&twin, 0, sizeof(State))
        try:
            state_copy(&twin, s)
            twin.log = &scratch.log
            user_wind_up(&twin, market, &broken)
        finally:
            state_free(&twin)
        said.again()
        return user_wind_up(s, market, torn)
    finally:
        asked.journal = before
