"""What users do between settlements: orders, money, isolated scopes. Each is one step of the tape.

A business refusal is a reject code and leaves no trace. SEMANTICS §2, §6.
"""

from libc.stdint cimport int32_t, int64_t
from ordercascade.core.bounds cimport fills_fit
from ordercascade.core.book cimport (
    Book, Order, book_amend, book_cancel, book_clear, book_find, book_submit,
)
from ordercascade.core.ending cimport shut
from ordercascade.core.events cimport ORDER_COLUMNS, T_ORDERS, log_append
from ordercascade.core.gates cimport gates_move, gates_refuse
from ordercascade.core.halting cimport valve_refuses
from ordercascade.core.hedging cimport order_account
from ordercascade.core.initial cimport free_collateral, may_leave, open_orders, refusal
from ordercascade.core.ledger cimport (
    ledger_deposit, ledger_find, ledger_judge, ledger_leg, ledger_post, ledger_room, ledger_scope,
)
from ordercascade.core.outside cimport new_scope
from ordercascade.core.records cimport (
    AMEND, CANCEL, GTC, LIMIT, Message, REJECT_HALTED, REJECT_INSUFFICIENT,
    REJECT_NOT_OWNER, REJECT_POSITION_LIMIT, REJECT_POSITION_OPEN, REJECT_UNKNOWN_ORDER,
)
from ordercascade.core.reserve cimport reserve_asked
from ordercascade.core.slab cimport NIL
from ordercascade.core.state cimport (
    REASON_TRANSFER, STEP_AGENTS, State, step_begin, write_outside, write_posting,
)
from ordercascade.core.steps cimport Executed, apply_fills, book_touched, finish
from ordercascade.core.units cimport Cash, Lot, absolute, larger
from ordercascade.core.watch cimport touch


# --- orders ------------------------------------------------------------------------------------

cdef int64_t user_message(State* s, int32_t market, const Message* m, bint* torn) except -1 nogil:
    """An order, cancellation or amendment of a user; refused where initial margin forbids it."""
    cdef Book* book = &s.markets[market].book
    cdef Message row = m[0]
    cdef const Order* order
    cdef int64_t result
    cdef Cash aside
    if m.type == CANCEL or m.type == AMEND:
        row.account = order_account(s, market, m.account, m.order_id)
    if m.type == CANCEL:
        result = book_cancel(book, m.order_id, row.account)
        if result <= 0:
            return result
        row.side = row.tif = row.flags = 0
        row.price = 0
        row.size = result
        _write(s, market, &row, 0, torn, 0)
        return result
    if shut(s, market):
        return shut(s, market)
    if m.type == AMEND:
        order = book_find(book, m.order_id)
        row.side = 0 if order == NULL else order.side   # A change says no side: its order has one.
    if valve_refuses(s, market, &row):
        return REJECT_HALTED
    if m.type == AMEND:
        return _amend(s, market, &row, torn)
    result = refusal(s, m.account, market, m.side, m.size)
    if result:
        return result
    if not fills_fit(s, market, m):
        return REJECT_POSITION_LIMIT
    aside = _aside(s, market, m.account, m.side, m.size)
    if aside < 0:
        return REJECT_INSUFFICIENT
    result = book_submit(book, m.type, m.side, m.price, m.size, m.account, m.tif, m.flags)
    return _write(s, market, &row, result, torn, aside)


cdef Cash _aside(const State* s, int32_t market, int32_t account, int side,
                 Lot size) noexcept nogil:
    """What the scope sets aside for an order of so many more lots; NIL: it has not so much."""
    if s.stages.release_ppm == 0:
        return 0
    return reserve_asked(s, account, market, side, size)


cdef int _set_aside(State* s, int64_t step, int32_t account, int32_t market,
                    Cash amount) except -1 nogil:
    cdef int32_t asset = s.markets[market].asset
    cdef int32_t isolated = ledger_scope(&s.ledger, account, market, asset)
    cdef int32_t cross = ledger_scope(&s.ledger, account, NIL, asset)
    ledger_post(&s.ledger, cross, isolated, amount)
    write_posting(s, step, cross, isolated, amount, REASON_TRANSFER)
    touch(s, cross)
    return touch(s, isolated)


cdef int64_t _amend(State* s, int32_t market, Message* row, bint* torn) except -1 nogil:
    """What grows or moves is admitted like a new order."""
    cdef Book* book = &s.markets[market].book
    cdef const Order* order = book_find(book, row.order_id)
    cdef Message anew
    cdef int64_t refused
    cdef Cash aside = 0
    if order == NULL:
        return REJECT_UNKNOWN_ORDER
    if order.account != row.account:
        return REJECT_NOT_OWNER
    row.side = order.side
    row.tif = row.flags = 0
    if row.size > order.size or (row.size > 0 and row.price and row.price != order.price):
        refused = refusal(s, row.account, market, order.side, row.size - order.size)
        if refused:
            return refused
        anew = row[0]
        anew.type = LIMIT
        anew.price = row.price if row.price else order.price
        anew.tif = GTC
        anew.flags = order.flags
        if not fills_fit(s, market, &anew):
            return REJECT_POSITION_LIMIT
        aside = _aside(s, market, row.account, order.side, larger(0, row.size - order.size))
        if aside < 0:
            return REJECT_INSUFFICIENT
    return _write(s, market, row, book_amend(book, row.order_id, row.account, row.price, row.size),
                  torn, aside)


cdef int64_t _write(State* s, int32_t market, const Message* m, int64_t result,
                    bint* torn, Cash aside) except -1 nogil:
    """The step of what a book took; one that it refused leaves no trace."""
    cdef int64_t row[ORDER_COLUMNS]
    cdef Executed done
    cdef int64_t step
    if result <= -2:
        book_clear(&s.markets[market].book)
        return result
    torn[0] = True
    step = step_begin(s, STEP_AGENTS, NIL, NIL, NIL, 0, NIL)
    book_touched(s, market, step)
    if aside:
        _set_aside(s, step, m.account, market, aside)
    apply_fills(s, market, step, False, &done)
    row[0] = step
    row[1] = larger(0, result)
    row[2] = s.venue
    row[3] = market
    row[4] = m.account
    row[5] = m.side
    row[6] = m.type
    row[7] = m.tif
    row[8] = m.flags
    row[9] = m.price
    row[10] = m.size
    row[11] = done.lots
    row[12] = result
    log_append(s.log, T_ORDERS, row)
    finish(s, step)
    torn[0] = False
    return result


# --- money -------------------------------------------------------------------------------------

cdef int outside_money(State* s, int32_t holder, Cash amount, bint* torn) except -1 nogil:
    """Money from outside (amount > 0) or to it; past the bounds it is refused before a change."""
    cdef int64_t step
    ledger_deposit(&s.ledger, holder, amount)
    if not s.running:
        return 0
    torn[0] = True
    step = step_begin(s, STEP_AGENTS, NIL, NIL, NIL, 0, NIL)
    write_outside(s, step, holder, amount)
    touch(s, holder)
    finish(s, step)
    torn[0] = False
    return 0


cdef int32_t _cross(State* s, int32_t account, int32_t asset) except -2 nogil:
    """The account's cross scope of an asset, made if missing."""
    cdef int32_t scope = ledger_scope(&s.ledger, account, NIL, asset)
    return new_scope(s, account, asset, NIL) if scope == NIL else scope


cdef Cash _free(const State* s, int32_t scope) noexcept nogil:
    """What may leave a scope: before the start there are no marks, so all of it."""
    return free_collateral(s, scope) if s.running else s.ledger.holders[scope].collateral


cdef int64_t user_deposit(State* s, int32_t account, int32_t asset, Cash amount,
                          bint* torn) except -1 nogil:
    """Pay into the cross scope, made if missing; its id. The caller knows that the sum fits."""
    cdef int32_t scope = ledger_scope(&s.ledger, account, NIL, asset)
    if scope != NIL:
        ledger_judge(&s.ledger, scope, amount)
    torn[0] = True
    scope = _cross(s, account, asset)
    gates_move(s, asset, amount)
    outside_money(s, scope, amount, torn)
    torn[0] = False
    return scope


cdef int64_t user_withdraw(State* s, int32_t account, int32_t asset, Cash amount,
                           bint* torn) except -1 nogil:
    """Take out of the cross scope what margin leaves free."""
    cdef int32_t scope = ledger_scope(&s.ledger, account, NIL, asset)
    cdef int64_t refused
    if scope == NIL or not may_leave(s, scope, amount):
        return REJECT_INSUFFICIENT
    refused = gates_refuse(s, scope, amount)
    if refused:
        return refused
    gates_move(s, asset, -amount)
    outside_money(s, scope, -amount, torn)
    return 0


# --- isolated scopes ---------------------------------------------------------------------------

cdef int64_t user_isolate(State* s, int32_t account, int32_t market, bint* torn) except -1 nogil:
    """Make the account's position in a market isolated, while it has none there."""
    cdef int32_t asset = s.markets[market].asset
    cdef int32_t scope = ledger_scope(&s.ledger, account, market, asset)
    cdef int32_t p
    if scope == NIL or s.ledger.holders[scope].market != market:
        p = NIL if scope == NIL else ledger_find(&s.ledger, scope, market)
        if open_orders(s, account, market) or (p != NIL and s.ledger.positions[p].size != 0):
            return REJECT_POSITION_OPEN
        p = NIL if scope == NIL else ledger_leg(&s.ledger, scope, market, True)
        if p != NIL and s.ledger.positions[p].size != 0:
            return REJECT_POSITION_OPEN
        torn[0] = True
        scope = new_scope(s, account, asset, market)
    if s.running:
        torn[0] = True
        finish(s, step_begin(s, STEP_AGENTS, NIL, NIL, NIL, 0, NIL))
    torn[0] = False
    return scope


cdef int64_t user_move(State* s, int32_t account, int32_t market, Cash amount,
                       bint* torn) except -1 nogil:
    """Move collateral from cross to the isolated scope of a market (> 0), or back (< 0)."""
    cdef int32_t asset = s.markets[market].asset
    cdef int32_t isolated = ledger_scope(&s.ledger, account, market, asset)
    cdef int32_t cross = ledger_scope(&s.ledger, account, NIL, asset)
    cdef int32_t source = cross if amount > 0 else isolated
    cdef int32_t target = isolated if amount > 0 else cross
    cdef int64_t step
    if source == NIL or _free(s, source) < absolute(amount):
        return REJECT_INSUFFICIENT
    if target != NIL:
        ledger_room(&s.ledger, target, absolute(amount))
    torn[0] = True
    cross = _cross(s, account, asset)
    ledger_post(&s.ledger, cross, isolated, amount)
    if s.running:
        step = step_begin(s, STEP_AGENTS, NIL, NIL, NIL, 0, NIL)
        if amount > 0:
            write_posting(s, step, cross, isolated, amount, REASON_TRANSFER)
        else:
            write_posting(s, step, isolated, cross, -amount, REASON_TRANSFER)
        touch(s, cross)
        touch(s, isolated)
        finish(s, step)
    torn[0] = False
    return 0
