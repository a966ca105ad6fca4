"""Collateral turned into settlement money, and what moves its price from outside.

A scope that fails pays with what backs it before anybody else pays for it. The other side is
`external`, at the price that stands less a discount. docs/adr/0018-other-assets-as-margin.md.
"""

from libc.stdint cimport int32_t, int64_t
from ordercascade.core.ledger cimport EXTERNAL, Holder, ledger_flat, ledger_holder, ledger_post
from ordercascade.core.pledges cimport Pledge, pledge_sold
from ordercascade.core.slab cimport NIL
from ordercascade.core.state cimport (
    NOTE_COLLATERAL, REASON_CONVERSION, State, STEP_PAYMENT, STEP_SHOCK, pledge_tick, step_begin,
    write_posting,
)
from ordercascade.core.steps cimport finish, generation_of, note
from ordercascade.core.units cimport CASH_MAX, Cash, Tick, smaller
from ordercascade.core.watch cimport touch


cdef Cash _enough(const Pledge* p, Cash held, Cash wanted, Tick price) noexcept nogil:
    """The smallest amount that brings what is wanted, or all."""
    cdef Cash low = 0
    cdef Cash high = held
    cdef Cash middle
    while high - low > 1:
        middle = low + (high - low) / 2
        if pledge_sold(p, middle, price, p.stood_ppm) >= wanted:
            high = middle
        else:
            low = middle
    return high


cdef int _sell(State* s, int64_t step, int32_t scope, int32_t purse, Cash wanted) except -1 nogil:
    """Hand an amount of a purse to `external` for what it is worth; `wanted` 0: all of it."""
    cdef const Pledge* p = &s.pledges[s.ledger.holders[purse].asset]
    cdef Tick price = pledge_tick(s, p, False)
    cdef Cash amount = s.ledger.holders[purse].collateral
    cdef int32_t desk = ledger_holder(&s.ledger, EXTERNAL, p.backs)
    cdef Cash brings
    if wanted:
        amount = _enough(p, amount, wanted, price)
    brings = pledge_sold(p, amount, price, p.stood_ppm)
    # What a cell cannot hold is not paid; no price of this world brings it there.
    brings = smaller(brings, smaller(CASH_MAX - s.ledger.holders[scope].collateral,
                                     CASH_MAX + s.ledger.holders[desk].collateral))
    ledger_post(&s.ledger, purse, ledger_holder(
        &s.ledger, EXTERNAL, s.ledger.holders[purse].asset), amount)
    write_posting(s, step, purse, ledger_holder(
        &s.ledger, EXTERNAL, s.ledger.holders[purse].asset), amount, REASON_CONVERSION)
    if brings > 0:
        ledger_post(&s.ledger, desk, scope, brings)
        write_posting(s, step, desk, scope, brings, REASON_CONVERSION)
    return 0


cdef int convert(State* s, int32_t scope) except -1 nogil:
    cdef const Holder* h = &s.ledger.holders[scope]
    cdef bint flat = ledger_flat(&s.ledger, scope)
    cdef int64_t parent = s.scopes[scope].moved_step
    cdef int64_t step = step_begin(
        s, STEP_PAYMENT, NIL, scope, parent, generation_of(s, parent), NIL)
    cdef int32_t asset, i
    for asset in range(<int32_t>s.ledger.asset_count):
        if not s.pledges[asset].on or s.pledges[asset].backs != h.asset:
            continue
        i = s.ledger.accounts[h.account]
        while i != NIL:
            if (s.ledger.holders[i].asset == asset and s.ledger.holders[i].collateral > 0
                    and (not flat or h.collateral < 0)):
                _sell(s, step, scope, i, -h.collateral if flat else 0)
            i = s.ledger.holders[i].next
    touch(s, scope)
    return finish(s, step)


cdef int collateral_tick(State* s, int32_t asset, int64_t value, int64_t what) except -1 nogil:
    cdef int64_t step = step_begin(s, STEP_SHOCK, NIL, NIL, NIL, 0, NIL)
    if what:
        s.pledges[asset].peg_ppm = value
    else:
        s.pledges[asset].price = value
    note(s, step, NOTE_COLLATERAL, NIL, NIL, value, 2 * asset + what)
    return finish(s, step)
