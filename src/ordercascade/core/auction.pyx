"""The call auction: one price for all that was collected."""
from libc.stdint cimport INT64_MAX, int32_t
from libc.stdlib cimport qsort
from libc.string cimport memset
from ordercascade.core.check cimport oc_check
from ordercascade.core.desk cimport (
    Entry, desk_cut, desk_open, desk_remove, desk_rest, pen_drop,
)
from ordercascade.core.queues cimport (
    Order, level_of, level_worse, order_at, order_id_of, room_grow, side_none,
)
from ordercascade.core.records cimport ASK, BID, Fill
from ordercascade.core.slab cimport NIL, slab_grow
from ordercascade.core.units cimport larger, oc_wide, smaller

ctypedef struct Best:       # the ticks that are best so far
    oc_wide volume
    oc_wide left            # lots left over
    Tick low
    Tick high
    Tick bids_high          # the highest tick at which bids are left over, 0 = none


cdef int auction_price(const Book* b, Desk* d, Clearing* clearing) except -1 nogil:
    """The price at which the auction would clear now."""
    memset(clearing, 0, sizeof(Clearing))
    d.entry_count = 0
    d.entry_count = _entries(b, d)
    if d.entry_count > 0:
        qsort(d.entries, <size_t>d.entry_count, sizeof(Entry), _by_price)
        _clear_at(d, d.entry_count, clearing)
    return 0


cdef int64_t _entries(const Book* b, Desk* d) except -1 nogil:
    """Every order that could trade, in time order for each price; return how many."""
    cdef Tick reach[2]
    cdef int64_t count = 0
    cdef int32_t slot, link
    cdef int side
    cdef Tick price
    reach[BID] = b.best[BID]
    reach[ASK] = b.best[ASK]
    slot = d.pen_first
    while slot != NIL:
        price = order_at(b, slot).price
        side = order_at(b, slot).side
        reach[side] = smaller(reach[side], price) if side == ASK else larger(reach[side], price)
        slot = order_at(b, slot).next
    for side in range(2):
        price = b.best[side]
        while price != side_none(b, side) and (reach[1 - side] - price) * (1 - 2 * side) <= 0:
            link = level_of(b, price).next
            while link >= 0:
                count = _entry(b, d, count, link >> 1)
                link = order_at(b, link >> 1).next
            price = level_worse(b, side, price)
    slot = d.pen_first
    while slot != NIL:
        side = order_at(b, slot).side
        if (reach[1 - side] - order_at(b, slot).price) * (1 - 2 * side) <= 0:
            count = _entry(b, d, count, slot)
        slot = order_at(b, slot).next
    return count


cdef int64_t _entry(const Book* b, Desk* d, int64_t count, int32_t slot) except -1 nogil:
    cdef Entry* entry
    d.entries = <Entry*>slab_grow(d.entries, &d.entry_rows, count + 1, sizeof(Entry))
    entry = d.entries + count
    entry.price = order_at(b, slot).price
    entry.side = order_at(b, slot).side
    entry.lots = desk_open(b, d, slot)
    entry.slot = slot
    entry.turn = count
    return count + 1


cdef int _by_price(const void* a, const void* b) noexcept nogil:
    """Lowest price first; asks by time, bids against it: they trade from the end."""
    cdef const Entry* left = <const Entry*>a
    cdef const Entry* right = <const Entry*>b
    if left.price != right.price:
        return 1 if left.price > right.price else -1
    if left.side != right.side:
        return 1 if left.side < right.side else -1
    return 1 if (left.turn > right.turn) == (left.side == ASK) else -1


cdef void _clear_at(const Desk* d, int64_t count, Clearing* clearing) noexcept nogil:
    """Walk up the prices; between two of them nothing changes."""
    cdef Best best
    cdef oc_wide demand = 0
    cdef oc_wide supply = 0
    cdef oc_wide leaving
    cdef int64_t i = 0
    cdef Tick price
    memset(&best, 0, sizeof(Best))
    for i in range(count):
        demand += d.entries[i].lots if d.entries[i].side == BID else 0
    i = 0
    while i < count:
        price = d.entries[i].price
        leaving = 0
        while i < count and d.entries[i].price == price:
            if d.entries[i].side == ASK:
                supply += d.entries[i].lots
            else:
                leaving += d.entries[i].lots
            i += 1
        _consider(&best, price, price, demand, supply)
        demand -= leaving
        if i < count and d.entries[i].price > price + 1:
            _consider(&best, price + 1, d.entries[i].price - 1, demand, supply)
    if best.volume > 0:
        _choose(d, &best, clearing)


cdef void _consider(Best* best, Tick low, Tick high, oc_wide demand, oc_wide supply) noexcept nogil:
    """Weigh a run of ticks at which so many lots are bid and asked; runs come in rising order."""
    cdef oc_wide volume = demand if demand < supply else supply
    cdef oc_wide left = demand + supply - 2 * volume
    if best.high and (volume < best.volume or (volume == best.volume and left > best.left)):
        return
    if not best.high or volume > best.volume or left < best.left:
        best.volume = volume
        best.left = left
        best.low = low
        best.bids_high = 0
    best.high = high
    if demand > supply:
        best.bids_high = high


cdef void _choose(const Desk* d, const Best* best, Clearing* clearing) noexcept nogil:
    """The third rule, and what is left over at the chosen tick."""
    cdef Tick price = d.last if d.last else (best.low + best.high) >> 1
    cdef Lot left = <Lot>best.left if best.left < INT64_MAX else INT64_MAX
    price = smaller(larger(price, best.low), best.high)
    if best.left > 0 and best.bids_high == best.high:
        price = best.high
    elif best.left > 0 and best.bids_high == 0:
        price = best.low
    clearing.price = price
    clearing.volume = <Lot>best.volume if best.volume < INT64_MAX else INT64_MAX
    clearing.surplus = left if price <= best.bids_high else -left


# ------------------------------------------------------------------ uncrossing

cdef int auction_uncross(Book* b, Desk* d, Clearing* clearing) except -1 nogil:
    """Trade at the price of the auction and let the rest rest; the call phase is over."""
    cdef int64_t count, ask, bid
    auction_price(b, d, clearing)
    count = d.entry_count
    if b.fill_count + count > b.fill_capacity:
        b.fills = <Fill*>room_grow(b.fills, &b.fill_capacity, b.fill_count + count, sizeof(Fill))
    if clearing.price:
        b.changed += 1
        ask = _next(d, -1, ASK, clearing.price)
        bid = _next(d, count, BID, clearing.price)
        while ask >= 0 and bid >= 0:
            _trade(b, d, d.entries + ask, d.entries + bid, clearing.price)
            if d.entries[ask].lots == 0:
                desk_remove(b, d, d.entries[ask].slot)
                ask = _next(d, ask, ASK, clearing.price)
            if d.entries[bid].lots == 0:
                desk_remove(b, d, d.entries[bid].slot)
                bid = _next(d, bid, BID, clearing.price)
        _cut_in_part(b, d, ask)
        _cut_in_part(b, d, bid)
        d.last = clearing.price
    _release(b, d)
    d.collecting = False
    return 0


cdef int64_t _next(const Desk* d, int64_t at, int side, Tick price) noexcept nogil:
    """The next entry of a side that trades at `price`, or -1.

    Asks stand as they trade; so do bids from the other end, each price's own queue backwards.
    """
    cdef int step = 1 if side == ASK else -1
    at += step
    while 0 <= at < d.entry_count and d.entries[at].side != side:
        at += step
    if not 0 <= at < d.entry_count or (d.entries[at].price - price) * step > 0:
        return -1
    return at


cdef void _trade(Book* b, Desk* d, Entry* ask, Entry* bid, Tick price) noexcept nogil:
    """Print one fill."""
    cdef Fill* fill = b.fills + b.fill_count
    cdef const Order* maker = order_at(b, ask.slot)
    cdef const Order* taker = order_at(b, bid.slot)
    cdef Lot lots = smaller(ask.lots, bid.lots)
    oc_check(b.fill_count < b.fill_capacity)
    memset(fill, 0, sizeof(Fill))
    ask.lots -= lots
    bid.lots -= lots
    fill.maker_order = order_id_of(b, ask.slot)
    fill.taker_order = order_id_of(b, bid.slot)
    fill.price = price
    fill.size = lots
    fill.maker_rest = ask.lots
    fill.maker_account = maker.account
    fill.taker_account = taker.account
    fill.taker_side = BID
    fill.maker_flags = maker.flags
    fill.self_trade = maker.account == taker.account
    b.fill_count += 1


cdef void _cut_in_part(Book* b, Desk* d, int64_t at) noexcept nogil:
    """Take what it traded off the last order of a side, if it has lots left."""
    cdef Lot traded
    if at >= 0:
        traded = desk_open(b, d, d.entries[at].slot) - d.entries[at].lots
        if traded > 0:
            desk_cut(b, d, d.entries[at].slot, traded)


cdef void _release(Book* b, Desk* d) noexcept nogil:
    """Queue what was collected, by time."""
    cdef int32_t slot
    cdef Lot lots
    while d.pen_first != NIL:
        slot = d.pen_first
        lots = desk_open(b, d, slot)
        pen_drop(b, d, slot)
        desk_rest(b, d, slot, order_at(b, slot).price, lots)
