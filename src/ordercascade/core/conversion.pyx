"""Collateral turned into settlement money, and what moves its price from outside.

A scope that fails pays with what backs it before anybody else pays for it. The other side is
`external`, at the price that stands less a discount. docs/adr/0018-other-assets-as-margin.md.
"""

from libc.stdint cimport int32_t, int64_t
from libc.string cimport memset
from ordercascade.core.book cimport book_best, book_clear, book_next, book_size_at, book_take
from ordercascade.core.brakes cimport Brakes, CALLING, HALTED
from ordercascade.core.check cimport oc_check
from ordercascade.core.events cimport FILL_COLUMNS, ORDER_COLUMNS, T_FILLS, T_ORDERS, log_append
from ordercascade.core.ledger cimport EXTERNAL, Holder, ledger_flat, ledger_holder, ledger_post
from ordercascade.core.pledges cimport FROM_INDEX, Pledge, pledge_sold
from ordercascade.core.records cimport ASK, Fill, IOC, MARKET
from ordercascade.core.slab cimport NIL
from ordercascade.core.state cimport (
    Market, NOTE_COLLATERAL, REASON_CONVERSION, State, STEP_PAYMENT, STEP_SHOCK, pledge_tick,
    step_begin, write_posting,
)
from ordercascade.core.steps cimport book_touched, finish, generation_of, note
from ordercascade.core.units cimport CASH_MAX, Cash, LOT_MAX, Lot, Tick, Wide, smaller
from ordercascade.core.watch cimport touch

from ordercascade.checks import whole
from ordercascade.errors import InputError


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


cdef Cash _room(const State* s, int32_t scope, int32_t desk) noexcept nogil:
    """What a cell cannot hold is not paid; no price of this world brings it there."""
    return smaller(CASH_MAX - s.ledger.holders[scope].collateral,
                   CASH_MAX + s.ledger.holders[desk].collateral)


cdef int _exchange(State* s, int64_t step, int32_t scope, int32_t purse, Cash amount,
                   Cash brings) except -1 nogil:
    """An amount of a purse to `external`, and money from it."""
    cdef int32_t asset = s.ledger.holders[purse].asset
    cdef int32_t desk = ledger_holder(&s.ledger, EXTERNAL, s.ledger.holders[scope].asset)
    cdef int32_t to = ledger_holder(&s.ledger, EXTERNAL, asset)
    ledger_post(&s.ledger, purse, to, amount)
    write_posting(s, step, purse, to, amount, REASON_CONVERSION)
    if brings > 0:
        ledger_post(&s.ledger, desk, scope, brings)
        write_posting(s, step, desk, scope, brings, REASON_CONVERSION)
    return 0


cdef Lot _lots_for(const Market* m, Lot most, Cash wanted, Cash room) noexcept nogil:
    """The lots that the bids must take to bring in what is wanted, but not more than fits."""
    cdef Tick price = book_best(&m.book, 0)
    cdef Lot lots = 0
    cdef Lot take
    cdef Cash each
    while price > 0 and wanted > 0 and lots < most:
        each = price * m.multiplier
        take = smaller(smaller(most - lots, book_size_at(&m.book, 0, price)),
                       smaller(wanted / each + (wanted % each > 0), room / each))
        if take == 0:
            break
        lots += take
        wanted -= take * each
        room -= take * each
        price = book_next(&m.book, 0, price)
    return lots


cdef int _through_book(State* s, int64_t step, int32_t scope, int32_t purse,
                       Cash wanted) except -1 nogil:
    """Sell a purse's lots into the bids of the market that values it: fills, and one exchange."""
    cdef const Pledge* p = &s.pledges[s.ledger.holders[purse].asset]
    cdef Market* m = &s.markets[p.spot]
    cdef Cash lot = <Cash>(<Wide>m.multiplier * p.per / p.multiplier)
    cdef int32_t desk = ledger_holder(&s.ledger, EXTERNAL, p.backs)
    cdef Lot lots = _lots_for(m, smaller(LOT_MAX, s.ledger.holders[purse].collateral / lot),
                              wanted if wanted else CASH_MAX, _room(s, scope, desk))
    cdef Cash brings = 0
    cdef int64_t row[FILL_COLUMNS]
    cdef int64_t order[ORDER_COLUMNS]
    cdef const Fill* f
    cdef int64_t i
    if lots == 0:
        return 0
    book_clear(&m.book)
    oc_check(book_take(&m.book, ASK, 0, lots, s.ledger.holders[scope].account) == lots)
    book_touched(s, p.spot, step)
    memset(order, 0, sizeof(order))
    order[0] = step
    order[2] = s.venue
    order[3] = p.spot
    order[4] = s.ledger.holders[scope].account
    order[5] = ASK
    order[6] = MARKET
    order[7] = IOC
    order[10] = lots
    order[11] = lots
    log_append(s.log, T_ORDERS, order)
    for i in range(m.book.fill_count):
        f = &m.book.fills[i]
        memset(row, 0, sizeof(row))
        row[0] = step
        row[1] = s.venue
        row[2] = p.spot
        row[3] = f.price
        row[4] = f.size
        row[5] = f.taker_side
        row[6] = f.maker_account
        row[7] = f.taker_account
        row[8] = f.maker_order
        row[9] = f.taker_order
        row[12] = f.maker_rest
        log_append(s.log, T_FILLS, row)
        brings += f.size * f.price * m.multiplier
        if m.last != f.price:
            m.noted = 1
        m.last = f.price
    m.stale = 1
    m.trade_step = step
    m.book.fill_count = 0
    return _exchange(s, step, scope, purse, lots * lot, brings)


cdef bint _trades(const State* s, int32_t market) noexcept nogil:
    """No breaker halts it: else its collateral goes at the standing price."""
    cdef const Brakes* b = <const Brakes*>s.brakes
    return b == NULL or market >= b.valve_count or (
        b.valves[market].phase != HALTED and b.valves[market].phase != CALLING)


cdef int _sell(State* s, int64_t step, int32_t scope, int32_t purse, Cash wanted) except -1 nogil:
    """Turn a purse into money, what its book does not take at its price; `wanted` 0: all of it."""
    cdef const Pledge* p = &s.pledges[s.ledger.holders[purse].asset]
    cdef Tick price = pledge_tick(s, p, False)
    cdef int32_t desk = ledger_holder(&s.ledger, EXTERNAL, p.backs)
    cdef Cash amount
    if p.spot != NIL and _trades(s, p.spot):
        _through_book(s, step, scope, purse, wanted)
        if wanted:
            wanted = -s.ledger.holders[scope].collateral
            if wanted <= 0:
                return 0
    amount = s.ledger.holders[purse].collateral
    if amount == 0:
        return 0
    if wanted:
        amount = _enough(p, amount, wanted, price)
    return _exchange(s, step, scope, purse, amount, smaller(
        pledge_sold(p, amount, price, p.stood_ppm), _room(s, scope, desk)))


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


cdef int _touch_holders(State* s, int32_t asset, int32_t market) except -1 nogil:
    """Look again at whoever is backed by an asset, or (asset NIL) by one at a market's index."""
    cdef int64_t i
    cdef const Holder* h
    cdef const Pledge* p
    for i in range(s.ledger.holder_count):
        h = &s.ledger.holders[i]
        p = &s.pledges[h.asset]
        if h.collateral > 0 and p.on and (h.asset == asset or (
                asset == NIL and p.source == FROM_INDEX and p.market == market)):
            touch(s, <int32_t>i)
    return 0


cdef int index_moved(State* s, int32_t market) except -1 nogil:
    cdef int64_t i
    for i in range(s.ledger.asset_count):
        if (s.pledges[i].on and s.pledges[i].source == FROM_INDEX
                and s.pledges[i].market == market):
            return _touch_holders(s, NIL, market)
    return 0


cdef int collateral_tick(State* s, int32_t asset, int64_t value, int64_t what) except -1 nogil:
    cdef int64_t step = step_begin(s, STEP_SHOCK, NIL, NIL, NIL, 0, NIL)
    if what:
        s.pledges[asset].peg_ppm = value
    else:
        s.pledges[asset].price = value
    note(s, step, NOTE_COLLATERAL, NIL, NIL, value, 2 * asset + what)
    _touch_holders(s, asset, NIL)
    return finish(s, step)


cdef list judged_impacts(const State* s, object rows):
    """Whole numbers, of collaterals there are; none for a venue without."""
    cdef int64_t asset
    made = []
    for row in rows:
        number, impact, volume = row
        asset = whole("asset", number, 0, s.ledger.asset_count - 1)
        if s.pledges == NULL or not s.pledges[asset].on:
            raise InputError("asset", number, "must be a collateral")
        impact = whole("impact_ppm", impact, 0, 10**7)
        volume = whole("volume", volume, 0, 2**60)
        if (impact > 0) != (volume > 0):
            raise InputError("volume", volume, "must be above 0 just where impact_ppm is")
        made.append((asset, impact, volume))
    return made


cdef int set_impacts(State* s, list rows) except -1:
    """Everybody with such a purse is looked at again."""
    for asset, impact, volume in rows:
        s.pledges[<int64_t>asset].impact_ppm = impact
        s.pledges[<int64_t>asset].volume = volume
        _touch_holders(s, asset, NIL)
    return 0
