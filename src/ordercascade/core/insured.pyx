"""A liquidation order whose fills are settled against the bankruptcy cost. spec/MARGIN.md §6.6.

x = what a fill brings in less the bankruptcy quote of its lots. Where x > 0 the account pays the
fund min(x, its value * rate, rounded down); where x < 0 the fund pays -x. A maker's fill that the
fund cannot pay, or that would pass what it may lose on this order, is refused as a whole and ends
the order. [D4]
"""

from libc.stdint cimport int32_t, int64_t
from libc.string cimport memset
from ordercascade.core.book cimport (
    Book, Order, book_best, book_cancel, book_clear, book_take,
)
from ordercascade.core.ledger cimport ledger_find, ledger_fund, ledger_post
from ordercascade.core.pairs cimport bankruptcy_quote
from ordercascade.core.queues cimport level_of, order_at, order_id_of
from ordercascade.core.state cimport (
    cost_of, Market, REASON_FEE_LIQUIDATION, REASON_FUND_PAYS, State, write_posting,
)
from ordercascade.core.steps cimport Executed, apply_fills, book_touched
from ordercascade.core.units cimport Cash, Lot, PPM, Tick, Wide, absolute, div_floor, smaller
from ordercascade.core.watch cimport touch


cdef bint _within(const Entry* entry, Tick price) noexcept nogil:
    if price == 0:
        return False
    if entry.at_market:
        return True
    return price >= entry.limit if entry.side else price <= entry.limit


cdef int _settle(State* s, int64_t step, int32_t scope, int32_t fund, Cash over, Cash value,
                 Insured* sums) except -1 nogil:
    """The account or the fund pays for one fill."""
    cdef Cash fee
    if over > 0:
        fee = smaller(over, div_floor(<Wide>value * <Wide>s.stages.insured_fee_ppm, PPM))
        if fee > 0:
            ledger_post(&s.ledger, scope, fund, fee)
            write_posting(s, step, scope, fund, fee, REASON_FEE_LIQUIDATION)
            sums.fee += fee
    elif over < 0:
        ledger_post(&s.ledger, fund, scope, -over)
        write_posting(s, step, fund, scope, -over, REASON_FUND_PAYS)
        sums.paid -= over
    return touch(s, scope)


cdef Lot insured_take(State* s, int64_t step, const Entry* entry, Lot lots, Executed* done,
                      Insured* sums) except -1 nogil:
    """Trade maker by maker while the fund can bear it; return the lots filled."""
    cdef Market* m = &s.markets[entry.market]
    cdef Book* b = &m.book
    cdef int32_t account = s.ledger.holders[entry.scope].account
    cdef int32_t leg = ledger_find(&s.ledger, entry.scope, entry.market)
    cdef int32_t fund = ledger_fund(&s.ledger, entry.market)
    cdef int sign = -1 if entry.side else 1
    cdef Lot left = lots
    cdef Lot size
    cdef Tick price
    cdef Cash cost, over
    cdef int64_t slot
    cdef Executed one
    memset(done, 0, sizeof(Executed))
    memset(sums, 0, sizeof(Insured))
    while left > 0:
        price = book_best(b, 1 - entry.side)
        if not _within(entry, price):
            break
        slot = level_of(b, price).next >> 1
        if order_at(b, slot).account == account:
            book_cancel(b, order_id_of(b, slot), account)
            book_touched(s, entry.market, step)
            continue
        size = smaller(left, order_at(b, slot).size)
        cost = cost_of(m, sign * size, price)
        over = -cost - bankruptcy_quote(s, entry.scope, leg, sign * size)
        if over < 0 and (-over > s.ledger.holders[fund].collateral
                         or sums.paid - over > s.stages.insured_most):
            break
        book_clear(b)
        book_take(b, entry.side, price, size, account)
        book_touched(s, entry.market, step)
        apply_fills(s, entry.market, step, True, &one)
        _settle(s, step, entry.scope, fund, over, absolute(cost), sums)
        done.levels += done.worst != one.worst
        done.worst = one.worst
        done.lots += one.lots
        done.value += one.value
        left -= size
    return done.lots
