"""Stops and take-profits, the clock, and the commands of a book that has rarer orders."""
from ordercascade.core.auction cimport Clearing, auction_uncross
from ordercascade.core.check cimport oc_check
from ordercascade.core.desk cimport (
    DUE, FREE, SLOTS, WAITING, WAITINGS, Stop, desk_amend, desk_cancel, desk_order, desk_remove,
    room_expiry, stop_id_of, stop_slot, widened,
)
from ordercascade.core.digest cimport digest_word
from ordercascade.core.heap cimport Heap, HeapRow, heap_pop, heap_push, heap_room
from ordercascade.core.matching cimport book_gather, ids_sort
from ordercascade.core.queues cimport slot_of
from ordercascade.core.records cimport (
    AMEND, BID, BOTH_SIDES, BY_LAST, BY_MARK, CANCEL, DO_CANCEL_ALL, DO_CLOCK, DO_COLLECT,
    DO_MARK, DO_STOP, DO_TAKE_PROFIT, LIMIT, MARKET, REJECT_BAD_MESSAGE, REJECT_CASCADE_LIMIT,
    REJECT_EXPIRED, REJECT_NOT_OWNER, REJECT_POOL_FULL, REJECT_UNKNOWN_ORDER, Fired,
)
from ordercascade.core.rules cimport PARTS_MAX, rules_broken_by, wide_broken
from ordercascade.core.slab cimport NIL, slab_grow
from ordercascade.core.units cimport larger, smaller
from libc.stdint cimport INT32_MAX, uint64_t


# ------------------------------------------------------------------ commands

cdef int64_t wide_first_bad(const Rules* rules, const Wide* rows, int64_t count) noexcept nogil:
    """The first row that breaks a rule, or `count`."""
    cdef int64_t i
    for i in range(count):
        if wide_broken(rules, rows + i):
            return i
    return count


cdef int64_t desk_apply(Book* b, Desk* d, const Rules* rules, const Wide* rows, int64_t count,
                        int64_t* results) except -1 nogil:
    """Judge and run a block of rows that nobody else can write to."""
    cdef int64_t i
    for i in range(count):
        if wide_broken(rules, rows + i):
            results[i] = REJECT_BAD_MESSAGE
        else:
            results[i] = desk_do(b, d, rows + i)
    return count


cdef int64_t desk_message(Book* b, Desk* d, const Rules* rules,
                          const Message* m) except? -1 nogil:
    """Judge and run one plain message."""
    cdef Wide wide
    if rules_broken_by(rules, m):
        return REJECT_BAD_MESSAGE
    wide = widened(m)
    return desk_do(b, d, &wide)


cdef int64_t desk_do(Book* b, Desk* d, const Wide* m) except? -1 nogil:
    """Run a good row, and all that it sets off; return what its command returns."""
    cdef int64_t first = b.fill_count
    cdef int64_t result
    d.own_end = first
    if m.type == DO_STOP or m.type == DO_TAKE_PROFIT:
        return _stop(b, d, m)
    if m.type <= MARKET:
        result = desk_order(b, d, m)
    elif m.type == CANCEL:
        result = _cancel(b, d, m.order_id, m.account)
    elif m.type == AMEND:
        result = _amend(b, d, m)
    elif m.type == DO_CANCEL_ALL:
        result = _cancel_all(b, d, m.account, m.side)
    elif m.type == DO_MARK:
        d.mark = m.price
        _due(d, BY_MARK, m.price, m.price)
        result = 0
    elif m.type == DO_CLOCK:
        result = _clock(b, d, m.expires_ns)
    elif m.type == DO_COLLECT:
        d.collecting = True
        return 0
    else:
        return _uncross(b, d)
    d.own_end = b.fill_count
    desk_react(b, d, first)
    return result


cdef void chain_fold(Digest* chain, const Wide* m, int64_t result) noexcept nogil:
    """Fold in a command that was accepted; the same for single calls and batches."""
    if result < 0:
        return
    digest_word(chain, <int64_t>m.type | m.side << 8 | m.tif << 16 | <int64_t>m.flags << 24
                | <int64_t>(<uint64_t>m.account << 32))     # It may be -1.
    digest_word(chain, m.order_id)
    digest_word(chain, m.price)
    digest_word(chain, m.size)
    digest_word(chain, m.display)
    digest_word(chain, m.trigger)
    digest_word(chain, m.expires_ns)
    digest_word(chain, m.by)
    digest_word(chain, result)


cdef int64_t _uncross(Book* b, Desk* d) except -1 nogil:
    """Clear an auction, if one is called; then what waited may fire. Returns the price or 0."""
    cdef Clearing clearing
    if not d.collecting:
        return 0
    auction_uncross(b, d, &clearing)
    if d.last:
        _due(d, BY_LAST, d.last, d.last)
    if d.mark:
        _due(d, BY_MARK, d.mark, d.mark)
    desk_react(b, d, b.fill_count)
    return clearing.price


cdef int64_t _cancel(Book* b, Desk* d, int64_t order_id, int32_t account) except? -1 nogil:
    """Remove an order or a stop; return its open lots or a reject code."""
    cdef int64_t slot = stop_slot(d, order_id)
    cdef Lot lots
    if slot == NIL:
        return desk_cancel(b, d, order_id, account)
    if account >= 0 and d.stops[slot].account != account:
        return REJECT_NOT_OWNER
    lots = d.stops[slot].size
    _stop_remove(d, slot)
    return lots


cdef int64_t _amend(Book* b, Desk* d, const Wide* m) except -1 nogil:
    """Change an order, or the size or limit of a stop, which keeps its trigger and its turn."""
    cdef int64_t slot = stop_slot(d, m.order_id)
    cdef Stop* stop
    if slot == NIL:
        return desk_amend(b, d, m.order_id, m.account, m.price, m.size)
    stop = d.stops + slot
    if m.account >= 0 and stop.account != m.account:
        return REJECT_NOT_OWNER
    if m.size == 0:
        _stop_remove(d, slot)
        return 0
    if stop.price and m.price:
        stop.price = m.price
    stop.size = m.size
    if stop.display:
        stop.display = smaller(larger(stop.display, (m.size + PARTS_MAX - 1) / PARTS_MAX), m.size)
    return m.order_id


cdef int64_t _cancel_all(Book* b, Desk* d, int32_t account, int side) except -1 nogil:
    """Cancel an account's orders, then its stops, each in id order; return how many."""
    cdef int64_t orders = book_gather(b, account, side)
    cdef int64_t stops = 0
    cdef int64_t slot, i
    for i in range(orders):
        desk_cancel(b, d, b.ids[i], account)
    for slot in range(d.stop_used):
        if d.stops[slot].state == WAITING and d.stops[slot].account == account and (
                side == BOTH_SIDES or d.stops[slot].side == side):
            b.ids = <int64_t*>slab_grow(b.ids, &b.id_capacity, stops + 1, sizeof(int64_t))
            b.ids[stops] = stop_id_of(d, slot)
            stops += 1
    ids_sort(b.ids, stops)
    for i in range(stops):
        _stop_remove(d, stop_slot(d, b.ids[i]))
    return orders + stops


cdef int64_t _clock(Book* b, Desk* d, TimeNs time_ns) noexcept nogil:
    """Go on to a time and remove what has expired by then, by (time, id); return how many."""
    cdef int64_t count = 0
    cdef HeapRow row
    if time_ns <= d.time_ns:
        return 0
    d.time_ns = time_ns
    while d.expiry.count > 0 and d.expiry.rows[0].key <= time_ns:
        row = heap_pop(&d.expiry)
        count += 1
        if slot_of(b, row.tie) != NIL:
            desk_remove(b, d, <int32_t>slot_of(b, row.tie))
            b.changed += 1
        elif stop_slot(d, row.tie) != NIL:
            _stop_remove(d, stop_slot(d, row.tie))
        else:
            count -= 1
        d.expiry_dead -= 1      # The entry of what was removed here was counted just now.
    return count


# ------------------------------------------------------------------ stops

cdef inline bint _is_down(const Stop* stop) noexcept nogil:
    """Whether it waits for a price at or below its trigger."""
    return (stop.type == DO_STOP) != (stop.side == BID)


cdef inline int _which(const Stop* stop) noexcept nogil:
    return 2 * stop.by + _is_down(stop)


cdef int64_t _stop(Book* b, Desk* d, const Wide* m) except -1 nogil:
    """Let a stop wait; return its id, or what its order returned if it fires at once."""
    cdef int64_t fired = d.fired_count
    cdef int64_t slot, stop_id
    cdef Tick price = d.mark if m.by == BY_MARK else d.last
    if m.expires_ns and m.expires_ns <= d.time_ns:
        return REJECT_EXPIRED
    if d.stop_count >= b.order_max:
        return REJECT_POOL_FULL
    d.stops = <Stop*>slab_grow(d.stops, &d.stop_rows, d.stop_used + 1, sizeof(Stop))
    if m.expires_ns:
        room_expiry(b, d)
    slot = _stop_claim(d, m)
    stop_id = stop_id_of(d, slot)
    if m.expires_ns:
        heap_push(&d.expiry, m.expires_ns, stop_id, 0)
    if price and not d.collecting:
        _due(d, m.by, price, price)
        desk_react(b, d, b.fill_count)
    return stop_id if stop_slot(d, stop_id) != NIL else d.fired[fired].result


cdef int64_t _stop_claim(Desk* d, const Wide* m) except -1 nogil:
    """A slot for a stop that waits; its heap grows first."""
    cdef int64_t slot = d.stop_used if d.stop_free == NIL else d.stop_free
    cdef Stop* stop = d.stops + slot
    cdef Stop made = stop[0]
    cdef int which
    made.type = m.type
    made.side = m.side
    made.by = <int>m.by
    which = _which(&made)
    _tidy_waiting(d, which)
    heap_room(&d.waiting[which])
    if slot == d.stop_used:
        d.stop_used += 1
        made.generation = 1
    else:
        d.stop_free = stop.next
    made.sequence = d.sequence
    _stop_fill(&made, m)
    stop[0] = made
    d.sequence += 1
    d.stop_count += 1
    heap_push(&d.waiting[which], -m.trigger if which & 1 else m.trigger, made.sequence, slot)
    return slot


cdef inline bint _is_of(const Desk* d, const HeapRow* row) noexcept nogil:
    """Whether the stop of a heap's row still waits."""
    cdef const Stop* stop = d.stops + row.handle
    return stop.state == WAITING and stop.sequence == row.tie


cdef void _tidy_waiting(Desk* d, int which) noexcept nogil:
    """Drop the rows of stops that are gone, where they are the most."""
    cdef Heap* h = &d.waiting[which]
    cdef int64_t count = h.count
    cdef int64_t i
    if d.waiting_dead[which] < 64 or 2 * d.waiting_dead[which] < count:
        return
    h.count = d.waiting_dead[which] = 0
    for i in range(count):
        if _is_of(d, h.rows + i):
            heap_push(h, h.rows[i].key, h.rows[i].tie, h.rows[i].handle)


cdef void _stop_remove(Desk* d, int64_t slot) noexcept nogil:
    """Give up a stop that waits."""
    d.waiting_dead[_which(&d.stops[slot])] += 1
    d.expiry_dead += d.stops[slot].expires_ns != 0
    _stop_release(d, slot)


cdef void _stop_release(Desk* d, int64_t slot) noexcept nogil:
    """Give its slot back; one whose generations are used up is never given out again."""
    cdef Stop* stop = d.stops + slot
    d.stop_count -= 1
    stop.state = FREE
    if stop.generation < INT32_MAX:
        stop.generation += 1
        stop.next = d.stop_free
        d.stop_free = <int32_t>slot


# ------------------------------------------------------------------ firing

cdef void desk_see(const Book* b, Desk* d) noexcept nogil:
    if b.fill_count > 0:
        d.last = b.fills[b.fill_count - 1].price


cdef int desk_react(Book* b, Desk* d, int64_t first) except -1 nogil:
    """Take note of the fills from `first` on and fire all that is due, with all that follows."""
    cdef int64_t fired = 0
    cdef Tick low, high
    while True:
        if b.fill_count > first:
            low = smaller(b.fills[first].price, b.fills[b.fill_count - 1].price)
            high = larger(b.fills[first].price, b.fills[b.fill_count - 1].price)
            d.last = b.fills[b.fill_count - 1].price
            if not d.collecting:
                _due(d, BY_LAST, low, high)
        if d.due_first == NIL or d.collecting:
            return 0
        first = b.fill_count
        d.fired = <Fired*>slab_grow(d.fired, &d.fired_rows, d.fired_count + 1, sizeof(Fired))
        _fire(b, d, fired >= d.fire_max)
        fired += 1


cdef void _due(Desk* d, int64_t by, Tick low, Tick high) noexcept nogil:
    """Queue what prices from `low` to `high` have reached."""
    cdef int which
    cdef Heap* h
    cdef HeapRow row
    if d.collecting:
        return
    for which in range(<int>(2 * by), <int>(2 * by) + 2):
        h = &d.waiting[which]
        while h.count > 0 and h.rows[0].key <= (-low if which & 1 else high):
            row = heap_pop(h)
            if not _is_of(d, &row):
                d.waiting_dead[which] -= 1
                continue
            d.expiry_dead += d.stops[row.handle].expires_ns != 0
            d.stops[row.handle].state = DUE
            d.stops[row.handle].next = NIL
            if d.due_first == NIL:
                d.due_first = <int32_t>row.handle
            else:
                d.stops[d.due_last].next = <int32_t>row.handle
            d.due_last = <int32_t>row.handle


cdef int _fire(Book* b, Desk* d, bint dropped) except -1 nogil:
    """Send the first order that is due, or drop it; room in `fired` was made."""
    cdef Fired* fired = d.fired + d.fired_count
    cdef int32_t slot = d.due_first
    cdef Stop stop = d.stops[slot]
    cdef Wide order
    cdef int64_t result = REJECT_CASCADE_LIMIT
    oc_check(stop.state == DUE)
    if not dropped:
        order.type = LIMIT if stop.price else MARKET
        order.side = stop.side
        order.tif = stop.tif
        order.flags = stop.flags
        order.account = stop.account
        order.order_id = 0
        order.price = stop.price
        order.size = stop.size
        order.display = stop.display
        order.trigger = 0
        order.expires_ns = stop.expires_ns if stop.price else 0
        order.by = 0
        result = desk_order(b, d, &order)
    fired.stop_id = stop_id_of(d, slot)
    fired.result = result
    d.fired_count += 1
    d.due_first = stop.next
    if stop.next == NIL:
        d.due_last = NIL
    _stop_release(d, slot)
    return 0


cdef int waiting_load(Desk* d, int64_t slot, const Wide* m) except -1:
    """Let a stop wait whose generation and sequence were loaded."""
    cdef Stop* stop = d.stops + slot
    cdef int which
    stop.type = m.type
    stop.side = m.side
    stop.by = <int>m.by
    which = _which(stop)
    heap_room(&d.waiting[which])
    if m.expires_ns:
        heap_room(&d.expiry)
    _stop_fill(stop, m)
    d.stop_count += 1
    heap_push(&d.waiting[which], -m.trigger if which & 1 else m.trigger, stop.sequence, slot)
    if m.expires_ns:
        heap_push(&d.expiry, m.expires_ns, stop_id_of(d, slot), 0)
    return 0


cdef void _stop_fill(Stop* stop, const Wide* m) noexcept nogil:
    stop.trigger = m.trigger
    stop.price = m.price
    stop.size = m.size
    stop.display = m.display
    stop.expires_ns = m.expires_ns
    stop.account = m.account
    stop.tif = m.tif
    stop.flags = m.flags
    stop.state = WAITING
    stop.next = NIL


# ------------------------------------------------------------------ checks

cdef int stops_check(const Book* b, const Desk* d) noexcept nogil:
    """Walk everything; return 0 or the number of the rule that is broken."""
    cdef int64_t waiting = 0
    cdef int64_t rows = 0
    cdef int64_t free = 0
    cdef int64_t slot, i
    cdef int which
    for slot in range(d.stop_used):
        waiting += d.stops[slot].state == WAITING
        free += d.stops[slot].state == FREE and d.stops[slot].generation < INT32_MAX
        if d.stops[slot].state == WAITING and d.stops[slot].size <= 0:
            return 21
    if waiting != d.stop_count or d.due_first != NIL:
        return 22
    for which in range(WAITINGS):
        for i in range(d.waiting[which].count):
            rows += _is_of(d, d.waiting[which].rows + i)
        rows += d.waiting_dead[which] - d.waiting[which].count
        if _overdue(d, which):
            return 23
    if rows != 0:
        return 24
    slot = d.stop_free
    while slot != NIL:
        if slot < 0 or slot >= d.stop_used or d.stops[slot].state != FREE or free <= 0:
            return 25
        free -= 1
        slot = d.stops[slot].next
    if free:
        return 25
    rows = 0
    for i in range(d.expiry.count):
        rows += (slot_of(b, d.expiry.rows[i].tie) == NIL
                 and stop_slot(d, d.expiry.rows[i].tie) == NIL)
    return 0 if rows == d.expiry_dead else 26


cdef bint _overdue(const Desk* d, int which) noexcept nogil:
    """Whether a stop waits though the price that stands has met its trigger."""
    cdef Tick price = d.mark if which >= 2 else d.last
    cdef int64_t i
    if not price or d.collecting:
        return False
    for i in range(d.waiting[which].count):
        if _is_of(d, d.waiting[which].rows + i) and (
                d.waiting[which].rows[i].key <= (-price if which & 1 else price)):
            return True
    return False
