"""Bounds of SEMANTICS §1 that an order could break by its fills, judged before any of them.

Sizes. The open interest of a market is the lots of all its longs, so of all its shorts. It times
the highest price is at most 2**60 a market and 2**61 a venue, as admission asks of a single
position: so nobody, `external` included, can hold more, at whatever price it is valued. Only a
taker that opens can raise it: where a taker closes n lots (a liquidation does nothing else, nor
does a hand-over), one side falls by n and the makers raise it by at most n. So it is enough to
judge orders of users and of `external` where they come in, and a resting order not at all.

Money. Costs and collaterals of the taker and of `external`, which may be the maker of every fill,
are followed fill by fill. Other makers, fees and clearing are judged by what the fills could do to
them at worst, which is too much only where a cell is near 2**60 already.
"""

from libc.stdint cimport int32_t
from ordercascade.core.contracts cimport worth_most
from ordercascade.core.book cimport Book, Order, book_best, book_next
from ordercascade.core.ladder cimport ladder_row
from ordercascade.core.ledger cimport (
    Entered, FEES, Holder, entered, ledger_holder, ledger_leg, ledger_scope, ledger_twin, leg_held,
    leg_of,
)
from ordercascade.core.queues cimport Level, level_at
from ordercascade.core.records cimport ASK, FOK, LIMIT, Message, POST_ONLY
from ordercascade.core.slab cimport NIL
from ordercascade.core.state cimport Market, State, cost_of
from ordercascade.core.units cimport (
    CASH_MAX, Cash, LOT_MAX, Lot, Ppm, Tick, Wide, absolute, div_ceil, larger, mul_ppm_up, smaller,
)

cdef extern from *:
    """
    #define OC_EXPOSURE_MAX ((int64_t)1 << 61)
    """
    const Cash EXPOSURE_MAX "OC_EXPOSURE_MAX"   # checks.EXPOSURE_MAX


ctypedef struct Party:      # one whose fills are followed one by one
    Lot size
    Cash cost
    Cash collateral
    Ppm fee_ppm

ctypedef struct Sums:       # what the fills so far could have done to the others
    Wide value
    Wide paid               # fees, whoever pays them
    Wide clearing           # its collateral, with what the two that are followed realise
    Wide realised           # by the others, at most
    Lot opened              # lots by which the open interest rose at most
    Lot room                # lots by which it may


cdef bint money_fits(const State* s, int32_t holder, Cash amount) noexcept nogil:
    cdef const Holder* h = &s.ledger.holders[holder]
    return (absolute(s.ledger.deposited[h.asset] + amount) <= CASH_MAX
            and absolute(h.collateral + amount) <= CASH_MAX)


cdef inline Cash _most(const Market* m) noexcept nogil:
    """The most that a lot can be worth."""
    return worth_most(m.kind, m.multiplier, m.price_max)


cdef Lot open_most(const State* s, int32_t market) noexcept nogil:
    cdef Wide room = EXPOSURE_MAX
    cdef const Market* m
    cdef int32_t i
    for i in range(<int32_t>s.market_count):
        if i != market:
            m = &s.markets[i]
            room = room - <Wide>s.ledger.sided[i].open * _most(m)
    if room > CASH_MAX:
        room = CASH_MAX
    m = &s.markets[market]
    return smaller(LOT_MAX, <Lot>(room / _most(m)))


cdef Lot opened(const State* s, int32_t scope, int32_t market, Lot size) noexcept nogil:
    cdef int32_t p = NIL
    cdef Lot held
    if scope != NIL:
        p = ledger_leg(&s.ledger, scope, market, leg_held(&s.ledger, scope, size))
    held = 0 if p == NIL else s.ledger.positions[p].size
    return larger(held + size, 0) - larger(held, 0)


cdef bint fills_fit(const State* s, int32_t market, const Message* m) noexcept nogil:
    cdef const Book* b = &s.markets[market].book
    cdef int sign = 1 - 2 * m.side
    cdef Tick limit = m.price
    cdef Tick price = book_best(b, 1 - m.side)
    cdef Party taker, outside
    cdef Sums sums
    cdef Lot left = m.size
    if m.type != LIMIT:
        limit = 1 if m.side == ASK else b.price_max
    if price == 0 or (limit - price) * sign < 0 or m.flags & POST_ONLY:
        return True
    if m.tif == FOK and not _fillable(b, m.side, limit, m.size):
        return True
    _party(s, market, m.account, True, &taker)
    _party(s, market, 0, False, &outside)
    sums.value = sums.realised = sums.paid = 0
    sums.clearing = s.ledger.holders[s.ledger.clearing[market]].collateral
    sums.opened = 0
    sums.room = open_most(s, market) - s.ledger.sided[market].open
    while left > 0 and price != 0 and (limit - price) * sign >= 0:
        if not _level(s, market, m, price, &taker, &outside, &sums, &left):
            return False
        price = book_next(b, 1 - m.side, price)
    return absolute(_fees(s, market)) + sums.paid <= CASH_MAX


cdef bint _fillable(const Book* b, int side, Tick limit, Lot left) noexcept nogil:
    """Whether the other side offers so many lots up to the limit."""
    cdef int sign = 1 - 2 * side
    cdef Tick price = book_best(b, 1 - side)
    while left > 0 and price != 0 and (limit - price) * sign >= 0:
        left -= level_at(b, ladder_row(&b.ladder, price)).size
        price = book_next(b, 1 - side, price)
    return left <= 0


cdef inline Cash _fees(const State* s, int32_t market) noexcept nogil:
    cdef int32_t fees = ledger_holder(&s.ledger, FEES, s.markets[market].asset)
    return s.ledger.holders[fees].collateral


cdef void _party(const State* s, int32_t market, int32_t account, bint takes,
                 Party* out) noexcept nogil:
    cdef const Market* m = &s.markets[market]
    cdef int32_t scope = ledger_scope(&s.ledger, account, market, m.asset)
    cdef int32_t p = ledger_leg(&s.ledger, scope, market, leg_of(&s.ledger, scope, account))
    out.size = 0 if p == NIL else s.ledger.positions[p].size
    out.cost = 0 if p == NIL else s.ledger.positions[p].cost
    out.collateral = s.ledger.holders[scope].collateral
    if account:
        out.fee_ppm = m.taker_fee_ppm if takes else m.maker_fee_ppm
    else:
        out.fee_ppm = m.external_taker_fee_ppm if takes else m.external_maker_fee_ppm


cdef bint _level(const State* s, int32_t market, const Message* m, Tick price, Party* taker,
                 Party* outside, Sums* sums, Lot* left) noexcept nogil:
    """Fill against one level in time priority; False where a bound would be passed."""
    cdef const Book* b = &s.markets[market].book
    cdef const Level* cells = <const Level*>b.rows.middle
    cdef int32_t link = level_at(b, ladder_row(&b.ladder, price)).next
    cdef int sign = 1 - 2 * m.side
    cdef const Order* maker
    cdef Lot lots
    cdef Cash cost
    while link >= 0 and left[0] > 0:
        maker = <const Order*>(cells + link)
        lots = smaller(maker.size, left[0])
        left[0] -= lots
        link = maker.next
        if maker.account == m.account:
            continue
        cost = cost_of(&s.markets[market], sign * lots, price)
        sums.value = sums.value + absolute(cost)
        # The longs: exact for the two that are followed, at most `lots` for another maker.
        sums.opened += larger(taker.size + sign * lots, 0) - larger(taker.size, 0)
        if not _enter(taker, sign * lots, cost, sums):
            return False
        if maker.account == 0:
            sums.opened += larger(outside.size - sign * lots, 0) - larger(outside.size, 0)
            if not _enter(outside, -sign * lots, -cost, sums):
                return False
        else:
            sums.opened += lots if sign < 0 else 0
            if not _maker_fits(s, market, maker.account, lots, absolute(cost), sums):
                return False
            if ledger_twin(&s.ledger, m.account) == maker.account and (
                    absolute(taker.collateral) + sums.realised + sums.paid > CASH_MAX):
                return False    # Two legs trade with one another: one collateral takes both.
        if sums.opened > 0 and sums.opened > sums.room:
            return False
    return True


cdef bint _enter(Party* party, Lot size, Cash cost, Sums* sums) noexcept nogil:
    """What ledger_enter() and a fee would do to a party, or False where they would refuse."""
    cdef Entered to = entered(party.size, party.cost, size, cost)
    cdef Cash fee = mul_ppm_up(absolute(cost), party.fee_ppm)
    if absolute(party.size + size) > LOT_MAX or absolute(party.cost + cost) > CASH_MAX:
        return False
    party.size += size
    party.cost = to.cost
    party.collateral += to.realised
    if absolute(party.collateral) > CASH_MAX or absolute(party.collateral - fee) > CASH_MAX:
        return False
    party.collateral -= fee
    sums.paid = sums.paid + absolute(fee)
    sums.clearing = sums.clearing - to.realised
    return _clearing_fits(sums)


cdef bint _maker_fits(const State* s, int32_t market, int32_t account, Lot lots, Cash value,
                      Sums* sums) noexcept nogil:
    """Judge another user's cells as if all fills so far were its own."""
    cdef const Market* m = &s.markets[market]
    cdef int32_t scope = ledger_scope(&s.ledger, account, market, m.asset)
    cdef int32_t p = ledger_leg(&s.ledger, scope, market, leg_of(&s.ledger, scope, account))
    cdef Wide worst = absolute(s.ledger.holders[scope].collateral)
    cdef Wide closed = 0
    cdef Lot held = 0
    if p != NIL:
        held = absolute(s.ledger.positions[p].size)
        worst = worst + absolute(s.ledger.positions[p].cost)
        if held:
            closed = div_ceil(<Wide>absolute(s.ledger.positions[p].cost)
                              * <Wide>smaller(held, lots), held)
    sums.paid = sums.paid + absolute(mul_ppm_up(value, m.maker_fee_ppm))
    sums.realised = sums.realised + closed + value + 1
    # Its lots were judged with its own order.
    return worst + sums.value + sums.paid <= CASH_MAX and _clearing_fits(sums)


cdef inline bint _clearing_fits(const Sums* sums) noexcept nogil:
    return -CASH_MAX <= sums.clearing - sums.realised and (
        sums.clearing + sums.realised <= CASH_MAX)
