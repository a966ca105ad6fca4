"""The end of a market: its orders go, its positions are settled at one price, it takes no more.

Each holder's lots change hands at their worth at the settlement price, as in a trade with all the
others: linear lots are worth size * price * m; inverse ones -K * size / price, floored, and the
units that flooring leaves go out by largest remainder, `external` last (SEMANTICS §1). The worths
add up to nothing, so the market's clearing ends at nothing, too. Whoever is below zero then goes
through the last rows of the loss table in the same round. ADR 20.
"""

from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport qsort
from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from ordercascade.core.book cimport book_cancel_all
from ordercascade.core.check cimport oc_check
from ordercascade.core.contracts cimport INVERSE
from ordercascade.core.ending cimport (
    BY_AVERAGE_INDEX, BY_AVERAGE_MARK, BY_INDEX, BY_WORD, Ending, Endings, endings_advance,
    endings_new,
)
from ordercascade.core.grids cimport is_option, priced_by
from ordercascade.core.ledger cimport EXTERNAL
from ordercascade.core.losses cimport mend_fund
from ordercascade.core.options cimport option_end
from ordercascade.core.slab cimport NIL, slab_grow
from ordercascade.core.state cimport (
    Market, NOTE_EXPIRY, STEP_EXPIRY, State, step_begin,
)
from ordercascade.core.steps cimport book_touched, enter, finish, note
from ordercascade.core.units cimport (
    CASH_MAX, Cash, Lot, Tick, TimeNs, Wide, absolute, div_floor, larger, smaller,
)
from ordercascade.core.watch cimport touch

from ordercascade.checks import SPAN_NS_MAX, member, whole
from ordercascade.duties import ExpiryRule
from ordercascade.errors import ConfigError, InputError

ctypedef struct Worth:
    Wide left               # what flooring took off, over the price
    Lot size
    Cash cost               # before
    Cash worth
    int64_t place           # in the order of ties
    int32_t scope
    bint external


cdef int set_ending(State* s, int32_t market, TimeNs at, dict given) except -1:
    cdef Endings* e = <Endings*>s.endings
    cdef Ending* row
    rule = member("rule", ExpiryRule, given["rule"])
    window = whole("window_ns", given["window_ns"], 0, SPAN_NS_MAX)
    price = whole("price", given["price"], 0, s.markets[market].price_max)
    if (rule == ExpiryRule.STATED) != (price > 0):
        raise InputError("price", price, "must be given with rule STATED, and only then")
    if (rule in (ExpiryRule.AVERAGE_MARK, ExpiryRule.AVERAGE_INDEX)) != (window > 0):
        raise InputError("window_ns", window, "must be above 0 for an average, and only then")
    if e == NULL:
        e = endings_new()
        s.endings = e
    if market < e.capacity and e.rows[market].known:
        raise ConfigError(f"market[{market}]", "has an expiry already")
    endings_advance(s)
    e.rows = <Ending*>slab_grow(e.rows, &e.capacity, market + 1, sizeof(Ending))
    row = &e.rows[market]
    row.known = 1
    row.rule = rule
    row.at = at
    row.window_ns = window
    row.stated = price
    row.from_ns = row.summed_ns = s.time_ns
    row.sum = 0
    return 0


# --- the price ---------------------------------------------------------------------------------

cdef Tick _price(const State* s, int32_t market) noexcept nogil:
    """By the market's rule; an option's is what exercising it brings at its underlying's."""
    cdef Tick price = _own_price(s, market)
    if is_option(s, market) and (<const Endings*>s.endings).rows[market].rule != BY_WORD:
        return option_end(s, market, price)
    return price


cdef Tick _own_price(const State* s, int32_t market) noexcept nogil:
    """An average is rounded to the nearest tick, halves up."""
    cdef const Market* m = &s.markets[priced_by(s, market)]
    cdef const Ending* row = &(<const Endings*>s.endings).rows[market]
    cdef TimeNs over
    if row.rule == BY_WORD:
        return row.stated
    if row.rule == BY_INDEX and m.index > 0:
        return m.index
    if row.rule == BY_AVERAGE_MARK or row.rule == BY_AVERAGE_INDEX:
        over = smaller(row.window_ns, row.at - row.from_ns)
        if over > 0:
            return div_floor(2 * row.sum + over, 2 * <Wide>over)
        if row.rule == BY_AVERAGE_INDEX and m.index > 0:
            return m.index
    return m.mark


# --- the worths --------------------------------------------------------------------------------

cdef int _by_id(const void* a, const void* b) noexcept nogil:
    """External after all others."""
    cdef const Worth* x = <const Worth*>a
    cdef const Worth* y = <const Worth*>b
    if x.external != y.external:
        return 1 if x.external else -1
    if x.scope == y.scope:      # Both legs of a hedged one: the long leg first.
        return (x.size < y.size) - (x.size > y.size)
    return (x.scope > y.scope) - (x.scope < y.scope)


cdef int _by_left(const void* a, const void* b) noexcept nogil:
    cdef const Worth* x = <const Worth*>a
    cdef const Worth* y = <const Worth*>b
    if x.left != y.left:
        return -1 if x.left > y.left else 1
    return (x.place > y.place) - (x.place < y.place)


cdef int64_t _gather(const State* s, int32_t market, Worth* out) noexcept nogil:
    """Every position with lots here; with `out` NULL only their number."""
    cdef int64_t count = 0
    cdef int side
    cdef int32_t p
    for side in range(2):
        p = s.ledger.sided[market].first[side]
        while p != NIL:
            if out != NULL:
                out[count].scope = s.ledger.positions[p].scope
                out[count].external = s.ledger.holders[out[count].scope].kind == EXTERNAL
                out[count].size = s.ledger.positions[p].size
                out[count].cost = s.ledger.positions[p].cost
            count += 1
            p = s.ledger.positions[p].market_next
    return count


cdef void _value(const Market* m, Tick price, Worth* rows, int64_t count) noexcept nogil:
    """Worths that add up to nothing, in the order of ids."""
    cdef int64_t i
    cdef Cash left = 0
    cdef Wide owed
    qsort(rows, <size_t>count, sizeof(Worth), &_by_id)
    for i in range(count):
        rows[i].left = 0
        rows[i].place = i
        if m.kind == INVERSE:
            owed = -<Wide>rows[i].size * <Wide>m.multiplier
            rows[i].worth = div_floor(owed, price)
            rows[i].left = owed - <Wide>rows[i].worth * price
        else:
            rows[i].worth = rows[i].size * price * m.multiplier
        left -= rows[i].worth
    oc_check(left >= 0)
    oc_check(left < larger(1, count))
    if left == 0:
        return
    qsort(rows, <size_t>count, sizeof(Worth), &_by_left)
    for i in range(left):
        rows[i].worth += 1
    qsort(rows, <size_t>count, sizeof(Worth), &_by_id)


cdef bint _fits(const State* s, int32_t market, const Worth* rows, int64_t count) noexcept nogil:
    """No cell would pass its bound, in whatever order they are closed."""
    cdef Wide moved = absolute(s.ledger.holders[s.ledger.clearing[market]].collateral)
    cdef int64_t i
    cdef Cash gain
    for i in range(count):
        gain = rows[i].worth - rows[i].cost
        moved = moved + absolute(gain)
        if absolute(gain) > CASH_MAX or (
                absolute(s.ledger.holders[rows[i].scope].collateral + gain) > CASH_MAX):
            return False
    return moved <= CASH_MAX


# --- the step ----------------------------------------------------------------------------------

cdef int _close(State* s, int64_t step, int32_t market, const Worth* rows,
                int64_t count) except -1 nogil:
    cdef int64_t i
    for i in range(s.ledger.account_count):
        book_cancel_all(&s.markets[market].book, <int32_t>i)
        book_touched(s, market, step)
    for i in range(count):
        enter(s, step, rows[i].scope, market, -rows[i].size, -rows[i].worth)
        touch(s, rows[i].scope)
    (<Endings*>s.endings).rows[market].ended = 1
    oc_check(s.ledger.holders[s.ledger.clearing[market]].collateral == 0)
    return mend_fund(s, step, s.markets[market].asset)


cdef int expiry_step(State* s, int32_t market) except -1 nogil:
    cdef const Market* m = &s.markets[market]
    cdef int64_t step
    cdef int64_t count = _gather(s, market, NULL)
    cdef Worth* rows = <Worth*>PyMem_RawMalloc(<size_t>((count + 1) * sizeof(Worth)))
    cdef Tick price
    cdef bint fits
    if rows == NULL:
        with gil:
            raise MemoryError()
    endings_advance(s)
    price = _price(s, market)
    step = step_begin(s, STEP_EXPIRY, market, NIL, NIL, 0, NIL)
    _gather(s, market, rows)
    _value(m, price, rows, count)
    fits = _fits(s, market, rows, count)
    note(s, step, NOTE_EXPIRY, market, NIL, price if fits else 0, count if fits else -1)
    if fits:
        _close(s, step, market, rows, count)
    PyMem_RawFree(rows)
    return finish(s, step)
