"""What comes from outside at an agenda time: shock orders, index ticks, transfers of users."""

from libc.stdint cimport int32_t, int64_t
from ordercascade.core.contracts cimport lots_worth
from ordercascade.core.book cimport book_submit
from ordercascade.core.bounds cimport money_fits, fills_fit
from ordercascade.core.ending cimport endings_advance, shut
from ordercascade.core.conversion cimport collateral_tick, index_moved
from ordercascade.core.blocks cimport VOLATILITY, volatility_tick
from ordercascade.core.gates cimport gates_move, gates_refuse
from ordercascade.core.initial cimport may_leave
from ordercascade.core.opening cimport write_holder
from ordercascade.core.events cimport log_append, T_ORDERS
from ordercascade.core.halting cimport valve_outside, valve_wait
from ordercascade.core.ledger cimport ledger_add_scope, ledger_deposit, ledger_scope
from ordercascade.core.records cimport (
    IOC, LIMIT, MARKET, Message, REJECT_HALTED, REJECT_POSITION_LIMIT,
)
from ordercascade.core.slab cimport NIL
from ordercascade.core.state cimport (
    Market, NOTE_DISLOCATION, State, STEP_AGENTS, step_begin, STEP_SHOCK,
    write_outside,
)
from ordercascade.core.statecopy cimport scopes_reserve
from ordercascade.core.units cimport Cash, Lot, Tick
from ordercascade.core.watch cimport touch
from ordercascade.core.steps cimport apply_fills, book_touched, Executed, finish, note

cdef enum:                  # Told
    TILT_INDEX = 1


cdef int32_t new_scope(State* s, int32_t account, int32_t asset, int32_t market) except -2 nogil:
    """A scope of an account, cross with market NIL; on the tape once the venue runs."""
    cdef int32_t scope = ledger_add_scope(&s.ledger, account, asset, market)
    scopes_reserve(s)
    if s.running:
        write_holder(s, scope)
    return scope


cdef int transfer(State* s, int32_t account, int32_t asset, Cash amount) except -1 nogil:
    """A user's scheduled deposit (> 0) or withdrawal (< 0); a refused one is a bare step."""
    cdef int64_t step = step_begin(s, STEP_AGENTS, NIL, NIL, NIL, 0, NIL)
    cdef int32_t scope = ledger_scope(&s.ledger, account, -1, asset)
    if scope == NIL:
        scope = new_scope(s, account, asset, NIL)
    if money_fits(s, scope, amount) and (amount > 0 or (
            may_leave(s, scope, -amount) and gates_refuse(s, scope, -amount) == 0)):
        gates_move(s, asset, amount)
        ledger_deposit(&s.ledger, scope, amount)
        write_outside(s, step, scope, amount)
        touch(s, scope)
    return finish(s, step)



cdef int shock(State* s, int32_t market, int side, Lot size, Cash notional,
                   Tick limit) except -1 nogil:
    """An order of `external` against the book, IOC; `notional` is turned into lots at the mark.

    One whose fills could pass a bound is refused whole, and its row says so.
    """
    cdef Market* m = &s.markets[market]
    cdef int64_t row[13]
    cdef Executed done
    cdef Message order
    cdef int64_t result = 0
    cdef Lot asked
    cdef Tick given
    cdef int64_t step = step_begin(s, STEP_SHOCK, market, NIL, NIL, 0, NIL)
    if notional:
        size = lots_worth(m.kind, m.multiplier, notional, m.mark)
    asked = size
    given = limit
    size = valve_outside(s, market, side, size, &limit)
    order.type = LIMIT if limit else MARKET
    order.side = side
    order.tif = IOC
    order.flags = 0
    order.account = 0
    order.price = limit if limit else 1
    order.size = size
    if shut(s, market):
        result = shut(s, market)
    elif size and not fills_fit(s, market, &order):
        result = REJECT_POSITION_LIMIT
    elif size:
        result = book_submit(&m.book, order.type, side, order.price, size, 0, IOC, 0)
    book_touched(s, market, step)
    apply_fills(s, market, step, False, &done)
    row[0] = step
    row[1] = 0
    row[2] = s.venue
    row[3] = market
    row[4] = 0
    row[5] = side
    row[6] = order.type
    row[7] = IOC
    row[8] = 0
    row[9] = limit
    row[10] = asked
    row[11] = done.lots
    row[12] = result if size == asked or shut(s, market) else REJECT_HALTED
    log_append(s.log, T_ORDERS, row)
    if shut(s, market):
        return finish(s, step)
    valve_wait(s, step, market, side, asked - done.lots, given)
    return finish(s, step)



cdef int price_tick(State* s, int32_t market, int64_t value, int64_t what) except -1 nogil:
    """A scheduled outside price (what = 0), or a dislocation of what oracles are told (ppm)."""
    cdef int64_t step
    cdef Market* m
    if market == NIL:           # not of a market: what = 2 * asset + which
        return collateral_tick(s, <int32_t>(what >> 1), value, what & 1)
    m = &s.markets[market]
    if what == 0:
        return index_tick(s, market, value)
    if what >= VOLATILITY:
        return volatility_tick(s, market, value, what)
    step = step_begin(s, STEP_SHOCK, market, NIL, NIL, 0, market)
    if what == TILT_INDEX:
        m.tilt_index = value
    else:
        m.tilt_own = value
    m.stale = 1
    note(s, step, NOTE_DISLOCATION, market, NIL, value, what)
    return finish(s, step)


cdef int index_tick(State* s, int32_t market, Tick price) except -1 nogil:
    """The outside price moves: a step without trades."""
    cdef int64_t step = step_begin(s, STEP_SHOCK, market, NIL, NIL, 0, market)
    if s.markets[market].index != price:
        s.markets[market].noted = 1
    endings_advance(s)
    s.markets[market].index = price
    s.markets[market].stale = 1
    if s.pledges != NULL:
        index_moved(s, market)
    return finish(s, step)
