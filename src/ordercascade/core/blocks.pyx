"""Options change hands at an agreed price, and volatilities jump. docs/adr/0022.

A block is a trade of two accounts without a book: both pay and get what lots at that price cost,
no fees, and it becomes the option's last price; its mark stays that of the formula.
"""

from libc.stdint cimport int32_t, int64_t
from libc.string cimport memset
from ordercascade.core.bounds cimport open_most, opened
from ordercascade.core.ending cimport shut
from ordercascade.core.events cimport FILL_COLUMNS, T_FILLS, log_append
from ordercascade.core.grids cimport Grids, is_option
from ordercascade.core.initial cimport initial_margin
from ordercascade.core.ledger cimport (
    Entered, Holder, Position, entered, ledger_find, ledger_scope,
)
from ordercascade.core.portfolio cimport portfolio_initial, portfolio_with
from ordercascade.core.records cimport (
    REJECT_INSUFFICIENT, REJECT_NO_BOOK, REJECT_POSITION_LIMIT,
)
from ordercascade.core.slab cimport NIL
from ordercascade.core.state cimport (
    Market, NOTE_VOLATILITY, STEP_AGENTS, STEP_SHOCK, State, cost_of, margin_of, step_begin,
    value_of,
)
from ordercascade.core.steps cimport enter, finish, note
from ordercascade.core.units cimport (
    CASH_MAX, Cash, Lot, PPM, Ppm, Tick, absolute, div_floor, smaller,
)
from ordercascade.core.watch cimport touch

cdef enum:
    VOL_MOST = 100_000_000


# --- volatility --------------------------------------------------------------------------------

cdef int volatility_tick(State* s, int32_t market, Ppm value, int64_t what) except -1 nogil:
    """One `shock` step with a note an option whose volatility it changes."""
    cdef Grids* g = <Grids*>s.grids
    cdef int64_t step = step_begin(s, STEP_SHOCK, market, NIL, NIL, 0, market)
    cdef int32_t i
    cdef Ppm made
    for i in range(<int32_t>s.market_count):
        if not is_option(s, i):
            continue
        if what == VOLATILITY:
            if i != market:
                continue
            made = value
        elif g.contracts[i].market == market:
            made = smaller(VOL_MOST, div_floor(2 * g.contracts[i].vol_ppm * value + PPM, 2 * PPM))
        else:
            continue
        note(s, step, NOTE_VOLATILITY, i, NIL, made, g.contracts[i].vol_ppm)
        g.contracts[i].vol_ppm = made
    return finish(s, step)


# --- a block -----------------------------------------------------------------------------------

cdef bint _holds(const State* s, int32_t scope, int32_t market, Lot size, Cash cost,
                 Cash* clearing) noexcept nogil:
    """All cells stay within their bounds."""
    cdef int32_t p = ledger_find(&s.ledger, scope, market)
    cdef Lot before = 0 if p == NIL else s.ledger.positions[p].size
    cdef Cash held = 0 if p == NIL else s.ledger.positions[p].cost
    cdef Entered after = entered(before, held, size, cost)
    cdef const Holder* h = &s.ledger.holders[scope]
    if h.account and absolute(before + size) > s.markets[market].size_max:
        return False
    if absolute(held + cost) > CASH_MAX or absolute(after.cost) > CASH_MAX:
        return False
    clearing[0] -= after.realised
    return (absolute(clearing[0]) <= CASH_MAX
            and absolute(h.collateral + after.realised) <= CASH_MAX)


cdef bint _affords(const State* s, int32_t scope, int32_t market, Lot size,
                   Cash cost) noexcept nogil:
    """Initial margin with the lots is met, or is no more than it was."""
    cdef const Holder* h = &s.ledger.holders[scope]
    cdef const Market* m = &s.markets[market]
    cdef Cash asked, equity, before, after
    if h.account == 0:
        return True
    asked = initial_margin(s, scope, NIL, 0, 0)
    before = portfolio_initial(s, scope, NIL, 0, 0)
    after = portfolio_with(s, scope, market, size)
    asked += after - before
    equity = margin_of(s, scope, False).equity + value_of(m, size, m.mark) - cost
    return asked <= equity or (after <= before and cost <= value_of(m, size, m.mark))


cdef int64_t user_block(State* s, int32_t buyer, int32_t seller, int32_t market, Lot lots,
                        Tick price, bint* torn) except -1 nogil:
    cdef Market* m = &s.markets[market]
    cdef int32_t to = ledger_scope(&s.ledger, buyer, market, m.asset)
    cdef int32_t source = ledger_scope(&s.ledger, seller, market, m.asset)
    cdef Cash cost = cost_of(m, lots, price)
    cdef Cash clearing = s.ledger.holders[s.ledger.clearing[market]].collateral
    cdef int64_t row[FILL_COLUMNS]
    cdef int64_t step
    if shut(s, market) != REJECT_NO_BOOK:
        return shut(s, market)
    if to == NIL or source == NIL:
        return REJECT_INSUFFICIENT
    if not _holds(s, to, market, lots, cost, &clearing) or not _holds(
            s, source, market, -lots, -cost, &clearing):
        return REJECT_POSITION_LIMIT
    if s.ledger.sided[market].open + opened(s, to, market, lots) + opened(
            s, source, market, -lots) > open_most(s, market):
        return REJECT_POSITION_LIMIT
    if not _affords(s, to, market, lots, cost) or not _affords(s, source, market, -lots, -cost):
        return REJECT_INSUFFICIENT
    torn[0] = True
    step = step_begin(s, STEP_AGENTS, market, NIL, NIL, 0, NIL)
    enter(s, step, to, market, lots, cost)
    enter(s, step, source, market, -lots, -cost)
    memset(row, 0, sizeof(row))
    row[0] = step
    row[1] = s.venue
    row[2] = market
    row[3] = price
    row[4] = lots
    row[6] = seller
    row[7] = buyer
    log_append(s.log, T_FILLS, row)
    m.noted = m.last != price
    m.last = price
    m.trade_step = step
    touch(s, to)
    touch(s, source)
    finish(s, step)
    torn[0] = False
    return 0
