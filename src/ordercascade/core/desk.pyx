"""The rarer orders of a book: icebergs, expiry, sliding, and no trade with one's own account."""
from libc.stdint cimport int32_t, int64_t
from ordercascade.core.check cimport oc_check
from ordercascade.core.digest cimport digest_word
from ordercascade.core.heap cimport heap_push, heap_room
from ordercascade.core.matching cimport queue_drop, queue_put
from ordercascade.core.queues cimport (
    Book, Order, book_check, book_size_at, level_of, level_worse, order_at, order_id_of,
    pool_full, room_fills, room_grow, room_page, room_to_rest, side_none, slot_claim, slot_of,
    slot_release,
)
from ordercascade.core.records cimport (
    BID, CANCEL_NEWEST, CANCEL_OLDEST, DECREMENT, FOK, GTC, LIMIT, MARKET, POST_ONLY,
    REJECT_AUCTION, REJECT_EXPIRED, REJECT_FOK_NOT_FILLABLE, REJECT_LEVEL_FULL, REJECT_NOT_OWNER,
    REJECT_NO_LIQUIDITY, REJECT_POOL_FULL, REJECT_POST_ONLY_WOULD_CROSS, REJECT_SELF_TRADE,
    REJECT_UNKNOWN_ORDER, SLIDE, Fill,
)
from ordercascade.core.rules cimport PARTS_MAX
from ordercascade.core.slab cimport NIL, slab_grow
from ordercascade.core.units cimport LEVEL_MAX, larger, smaller
from libc.string cimport memset


cdef int64_t desk_order(Book* b, Desk* d, const Wide* m) except -1 nogil:
    """Match a limit or market order, let what is left rest; return its id, 0 or a reject code."""
    cdef Taking t
    cdef bint rests = m.type == LIMIT and m.tif == GTC
    cdef bint crosses
    oc_check(m.size > 0)
    if m.expires_ns and m.expires_ns <= d.time_ns:
        return REJECT_EXPIRED
    if d.collecting:
        return _pen_order(b, d, m) if rests and not m.flags & POST_ONLY else REJECT_AUCTION
    _taking(&t, m.side, m.price, m.size, m.account, m.flags)
    if m.type == MARKET:
        if b.best[1 - m.side] == side_none(b, 1 - m.side):
            return REJECT_NO_LIQUIDITY
        if t.limit == 0:
            t.limit = b.price_max if m.side == BID else 1
    crosses = _meets(b, &t)
    if crosses and m.flags & POST_ONLY:
        t.limit = _behind(b, &t)
        if not m.flags & SLIDE or t.limit < 1 or t.limit > b.price_max:
            return REJECT_POST_ONLY_WOULD_CROSS
        crosses = False
    if m.tif == FOK and not (crosses and _fillable(b, d, &t)):
        return REJECT_FOK_NOT_FILLABLE
    if crosses and _refuses_itself(b, &t):
        return REJECT_SELF_TRADE
    if rests:
        return _order_to_rest(b, d, m, &t, crosses)
    if crosses:
        _room(b, d, t.left)
        _take(b, d, &t)
        b.changed += t.touched
    return 0


cdef int64_t _order_to_rest(Book* b, Desk* d, const Wide* m, Taking* t,
                            bint crosses) except -1 nogil:
    """Everything that can fail comes first."""
    cdef int64_t first = b.fill_count
    cdef int32_t slot
    if pool_full(b):
        return REJECT_POOL_FULL
    room_to_rest(b, t.limit, t.account)
    if d.hidden > LEVEL_MAX - m.size - (0 if crosses else level_of(b, t.limit).size):
        return REJECT_LEVEL_FULL
    _room_extra(b, d, m)
    if crosses:
        _room(b, d, t.left)
        _take(b, d, t)
    if t.left == 0 or t.stopped:
        b.changed += t.touched
        return 0
    slot = _claim(b, d, m)
    desk_rest(b, d, slot, t.limit, t.left)
    b.changed += 1
    return _named(b, slot, first)


cdef int32_t _claim(Book* b, Desk* d, const Wide* m) noexcept nogil:
    """A slot for an order that will rest, its Extra filled in; room was made."""
    cdef int32_t slot = slot_claim(b, m.side, m.account, m.flags)
    if m.display or m.expires_ns:
        d.extra[slot].display = m.display
        d.extra[slot].expires_ns = m.expires_ns
        d.special += 1
        if m.expires_ns:
            heap_push(&d.expiry, m.expires_ns, order_id_of(b, slot), 0)
    return slot


cdef int64_t _named(Book* b, int32_t slot, int64_t first) noexcept nogil:
    """The id of what now rests, written into its fills from `first` on."""
    cdef int64_t order_id = order_id_of(b, slot)
    cdef int64_t i
    for i in range(first, b.fill_count):
        b.fills[i].taker_order = order_id
    return order_id


cdef int _room_extra(Book* b, Desk* d, const Wide* m) except -1 nogil:
    if m.display or m.expires_ns:
        d.extra = <Extra*>slab_grow(d.extra, &d.extra_rows, b.used + 1, sizeof(Extra))
        room_expiry(b, d)
    return 0


cdef int room_expiry(Book* b, Desk* d) except -1 nogil:
    """Make room for one more entry; those of orders that are gone go first, where they are many."""
    cdef int64_t i
    cdef int64_t count = d.expiry.count
    if d.expiry_dead < 64 or 2 * d.expiry_dead < count:
        return heap_room(&d.expiry)
    d.expiry.count = d.expiry_dead = 0
    for i in range(count):
        # What is pushed never overtakes what is read.
        if slot_of(b, d.expiry.rows[i].tie) != NIL or stop_slot(d, d.expiry.rows[i].tie) != NIL:
            heap_push(&d.expiry, d.expiry.rows[i].key, d.expiry.rows[i].tie, 0)
    return 0


# ------------------------------------------------------------------ taking

cdef void _taking(Taking* t, int side, Tick limit, Lot size, int32_t account,
                  int flags) noexcept nogil:
    t.side = side
    t.limit = limit
    t.left = size
    t.account = account
    t.stp = flags & STP_MASK
    t.stopped = t.touched = False


cdef inline bint _meets(const Book* b, const Taking* t) noexcept nogil:
    return (t.limit - b.best[1 - t.side]) * (1 - 2 * t.side) >= 0


cdef inline Tick _behind(const Book* b, const Taking* t) noexcept nogil:
    """The nearest price that does not meet the other side's best."""
    return b.best[1 - t.side] - (1 - 2 * t.side)


cdef bint _refuses_itself(const Book* b, const Taking* t) noexcept nogil:
    """Whether an order that gives way to its own account meets it first of all."""
    cdef int32_t head = level_of(b, b.best[1 - t.side]).next >> 1
    return t.stp == CANCEL_NEWEST and order_at(b, head).account == t.account


cdef int _room(Book* b, Desk* d, Lot left) except -1 nogil:
    """Make room for the fills of an order: one for each order or showing, or lot, at most."""
    cdef int64_t most = smaller(left, b.count + d.parts)
    if b.fill_count + most > b.fill_capacity:
        b.fills = <Fill*>room_grow(b.fills, &b.fill_capacity, b.fill_count + most, sizeof(Fill))
    return 0


cdef int _take(Book* b, Desk* d, Taking* t) noexcept nogil:
    """Trade with the other side in price and time priority."""
    cdef int other = 1 - t.side
    cdef int32_t slot
    cdef Lot lots
    while t.left > 0 and not t.stopped and _meets(b, t):
        slot = level_of(b, b.best[other]).next >> 1
        t.touched = True
        if t.stp and order_at(b, slot).account == t.account:
            _prevent(b, d, slot, t)
            continue
        lots = smaller(order_at(b, slot).size, t.left)
        _print(b, d, slot, t, lots)
        t.left -= lots
        _eaten(b, d, slot, lots)
    return 0


cdef void _prevent(Book* b, Desk* d, int32_t slot, Taking* t) noexcept nogil:
    """An order meets one of its own account: no trade."""
    cdef Lot lots
    if t.stp == DECREMENT:
        lots = smaller(order_at(b, slot).size, t.left)
        t.left -= lots
        _eaten(b, d, slot, lots)
        return
    if t.stp & CANCEL_OLDEST:
        desk_remove(b, d, slot)
    t.stopped = (t.stp & CANCEL_NEWEST) != 0


cdef void _eaten(Book* b, Desk* d, int32_t slot, Lot lots) noexcept nogil:
    """Take lots off an order in a queue; an iceberg shows more, behind all others."""
    cdef Order* order = order_at(b, slot)
    cdef Lot left = order.size - lots
    if left > 0:
        order.size = left
        level_of(b, order.price).size -= lots
    elif desk_reserve(d, slot) > 0:
        queue_drop(b, slot)
        desk_rest(b, d, slot, order.price, d.extra[slot].reserve)
    else:
        desk_remove(b, d, slot)


cdef void _print(Book* b, const Desk* d, int32_t slot, const Taking* t, Lot lots) noexcept nogil:
    """Append the fill against the maker in `slot`."""
    cdef Fill* fill = b.fills + b.fill_count
    cdef const Order* maker = order_at(b, slot)
    oc_check(b.fill_count < b.fill_capacity)
    memset(fill, 0, sizeof(Fill))
    fill.maker_order = order_id_of(b, slot)
    fill.price = maker.price
    fill.size = lots
    fill.maker_rest = maker.size - lots + desk_reserve(d, slot)
    fill.maker_account = maker.account
    fill.taker_account = t.account
    fill.taker_side = t.side
    fill.maker_flags = maker.flags
    fill.self_trade = maker.account == t.account
    b.fill_count += 1


cdef bint _fillable(const Book* b, const Desk* d, const Taking* t) noexcept nogil:
    """Whether it would be filled whole. Hidden lots count; what prevention takes does not."""
    cdef int other = 1 - t.side
    cdef Tick price = b.best[other]
    cdef Lot size = t.left
    cdef Lot hidden
    cdef int32_t link
    while size > 0 and (t.limit - price) * (1 - 2 * t.side) >= 0:
        hidden = 0
        link = level_of(b, price).next
        while link >= 0:
            if not (t.stp and order_at(b, link >> 1).account == t.account):
                size -= order_at(b, link >> 1).size
                hidden += desk_reserve(d, link >> 1)
            elif t.stp != CANCEL_OLDEST:
                return size <= 0        # What hides ahead of its own order shows behind it.
            link = order_at(b, link >> 1).next
        size -= hidden
        price = level_worse(b, other, price)
    return size <= 0


# ------------------------------------------------------------------ resting

cdef void desk_rest(Book* b, Desk* d, int32_t slot, Tick price, Lot size) noexcept nogil:
    """Queue an order of `size` open lots, of which an iceberg shows `display`."""
    cdef Extra* x = extra_of(d, slot)
    cdef Lot shown = size
    if x != NULL and x.display:
        shown = smaller(x.display, size)
        _hide(d, x, size - shown)
    queue_put(b, slot, order_at(b, slot).side, price, shown)


cdef void _hide(Desk* d, Extra* x, Lot reserve) noexcept nogil:
    d.hidden += reserve - x.reserve
    d.parts += _showings(reserve, x.display) - _showings(x.reserve, x.display)
    x.reserve = reserve


cdef inline int64_t _showings(Lot reserve, Lot display) noexcept nogil:
    return (reserve + display - 1) / display


cdef void desk_remove(Book* b, Desk* d, int32_t slot) noexcept nogil:
    """Take an order out, wherever it is."""
    if order_at(b, slot).penned:
        pen_drop(b, d, slot)
    else:
        queue_drop(b, slot)
    _forget(b, d, slot)


cdef void _forget(Book* b, Desk* d, int32_t slot) noexcept nogil:
    """Give up the slot of an order that is in no queue, and its Extra."""
    cdef Extra* x = extra_of(d, slot)
    if x != NULL and (x.display or x.expires_ns):
        if x.display:
            _hide(d, x, 0)
        d.expiry_dead += x.expires_ns != 0
        d.special -= 1
        memset(x, 0, sizeof(Extra))
    slot_release(b, slot)


cdef int64_t desk_cancel(Book* b, Desk* d, int64_t order_id, int32_t account) except? -1 nogil:
    """Remove an order of `account` (-1: of anybody); return its open lots or a reject code."""
    cdef int64_t slot = slot_of(b, order_id)
    cdef Lot lots
    if slot == NIL:
        return REJECT_UNKNOWN_ORDER
    if account >= 0 and order_at(b, slot).account != account:
        return REJECT_NOT_OWNER
    lots = desk_open(b, d, slot)
    desk_remove(b, d, <int32_t>slot)
    b.changed += 1
    return lots


cdef int64_t desk_amend(Book* b, Desk* d, int64_t order_id, int32_t account, Tick price,
                        Lot size) except -1 nogil:
    """Change price or open size, hidden lots included; return the id, 0 or a reject code."""
    cdef int64_t slot = slot_of(b, order_id)
    cdef Order* order
    cdef Lot cut
    if slot == NIL:
        return REJECT_UNKNOWN_ORDER
    order = order_at(b, slot)
    if account >= 0 and order.account != account:
        return REJECT_NOT_OWNER
    if size == 0:
        return 0 if desk_cancel(b, d, order_id, account) > 0 else -1
    price = price if price else order.price
    cut = desk_open(b, d, slot) - size
    if price != order.price or cut < 0:
        return _requeue(b, d, <int32_t>slot, price, size)
    if cut > 0:
        _shrink(b, d, <int32_t>slot, cut)
        b.changed += 1
    return order_id


cdef void _shrink(Book* b, Desk* d, int32_t slot, Lot cut) noexcept nogil:
    """Take lots off an order, hidden ones first; it keeps its place."""
    cdef Order* order = order_at(b, slot)
    cdef Lot hidden = smaller(cut, desk_reserve(d, slot))
    if hidden > 0:
        _hide(d, &d.extra[slot], d.extra[slot].reserve - hidden)
    order.size -= cut - hidden
    if order.penned:
        d.pen_lots -= cut
    else:
        level_of(b, order.price).size -= cut - hidden


cdef int64_t _requeue(Book* b, Desk* d, int32_t slot, Tick price, Lot size) except -1 nogil:
    """Take an order out and send it again under its old id; it keeps its way of showing itself."""
    cdef Order order = order_at(b, slot)[0]
    cdef int64_t first = b.fill_count
    cdef Taking t
    cdef bint crosses
    cdef int64_t code
    _taking(&t, order.side, price, size, order.account, order.flags)
    if d.collecting:
        return _pen_anew(b, d, slot, price, size)
    crosses = _meets(b, &t)
    if crosses and order.flags & POST_ONLY:
        t.limit = _behind(b, &t)
        if not order.flags & SLIDE or t.limit < 1 or t.limit > b.price_max:
            return REJECT_POST_ONLY_WOULD_CROSS
        crosses = False
    if crosses and _refuses_itself(b, &t):
        return REJECT_SELF_TRADE
    room_page(b, t.limit)
    if size > _level_room(b, d, slot, t.limit, crosses):
        return REJECT_LEVEL_FULL
    _room(b, d, size)
    queue_drop(b, slot)
    _fit_display(d, slot, size)
    if crosses:
        _take(b, d, &t)
    b.changed += 1
    if t.left > 0 and not t.stopped:
        desk_rest(b, d, slot, t.limit, t.left)
        return _named(b, slot, first)
    _forget(b, d, slot)
    return 0


cdef void desk_cut(Book* b, Desk* d, int32_t slot, Lot lots) noexcept nogil:
    """Take traded lots off an order; a queue's iceberg whose showing is gone shows more, behind."""
    cdef Order* order = order_at(b, slot)
    cdef Lot left = desk_open(b, d, slot) - lots
    if left == 0:
        desk_remove(b, d, slot)
    elif order.penned:
        _shrink(b, d, slot, lots)
    elif lots < order.size:
        order.size -= lots
        level_of(b, order.price).size -= lots
    else:
        queue_drop(b, slot)
        desk_rest(b, d, slot, order.price, left)


cdef Lot _level_room(const Book* b, const Desk* d, int64_t slot, Tick price,
                     bint crosses) noexcept nogil:
    """How many lots an order in a queue may have at a price, its own there not counted."""
    cdef const Order* order = order_at(b, slot)
    cdef Lot room = LEVEL_MAX - d.hidden + desk_reserve(d, slot)
    if crosses:
        return room             # What is left will be alone at its price.
    room -= level_of(b, price).size
    return room + order.size if price == order.price else room


cdef void _fit_display(Desk* d, int32_t slot, Lot size) noexcept nogil:
    """Let an iceberg that has grown show more, so that it still shows itself PARTS_MAX times."""
    cdef Extra* x = extra_of(d, slot)
    if x != NULL and x.display:
        _hide(d, x, 0)
        x.display = larger(x.display, (size + PARTS_MAX - 1) / PARTS_MAX)


# ------------------------------------------------------------------ the pen of an auction

cdef int64_t _pen_order(Book* b, Desk* d, const Wide* m) except -1 nogil:
    """Collect an order without matching it."""
    cdef int32_t slot
    if pool_full(b):
        return REJECT_POOL_FULL
    room_to_rest(b, m.price, m.account)
    if d.hidden + d.pen_lots > LEVEL_MAX - m.size - book_size_at(b, m.side, m.price):
        return REJECT_LEVEL_FULL
    _room_extra(b, d, m)
    slot = _claim(b, d, m)
    _pen_add(b, d, slot, m.price, m.size)
    b.changed += 1
    return order_id_of(b, slot)


cdef void _pen_add(Book* b, Desk* d, int32_t slot, Tick price, Lot size) noexcept nogil:
    cdef Order* order = order_at(b, slot)
    cdef Extra* x = extra_of(d, slot)
    order.price = <int32_t>price
    order.size = size
    if x != NULL and x.display:
        order.size = smaller(x.display, size)
        _hide(d, x, size - order.size)
    _pen_link(b, d, slot)
    d.pen_lots += size


cdef void _pen_link(Book* b, Desk* d, int32_t slot) noexcept nogil:
    cdef Order* order = order_at(b, slot)
    order.penned = 1
    order.next = NIL
    order.prev = d.pen_last
    if d.pen_last == NIL:
        d.pen_first = slot
    else:
        order_at(b, d.pen_last).next = slot
    d.pen_last = slot
    b.penned += 1


cdef void pen_drop(Book* b, Desk* d, int32_t slot) noexcept nogil:
    """Take an order out of the pen."""
    cdef Order* order = order_at(b, slot)
    if order.prev == NIL:
        d.pen_first = order.next
    else:
        order_at(b, order.prev).next = order.next
    if order.next == NIL:
        d.pen_last = order.prev
    else:
        order_at(b, order.next).prev = order.prev
    order.penned = 0
    d.pen_lots -= desk_open(b, d, slot)
    b.penned -= 1


cdef int64_t _pen_anew(Book* b, Desk* d, int32_t slot, Tick price, Lot size) except -1 nogil:
    """An order that changes during a call phase is the newest in the pen."""
    cdef int64_t order_id = order_id_of(b, slot)
    cdef const Order* order
    cdef Lot room
    room_page(b, price)
    order = order_at(b, slot)   # Not before: the rows may have moved.
    room = LEVEL_MAX - book_size_at(b, order.side, price) - d.hidden - d.pen_lots
    room += desk_reserve(d, slot)
    if order.penned:
        room += desk_open(b, d, slot)
    elif price == order.price:
        room += order.size
    if size > room:
        return REJECT_LEVEL_FULL
    if order.penned:
        pen_drop(b, d, slot)
    else:
        queue_drop(b, slot)
    _fit_display(d, slot, size)
    _pen_add(b, d, slot, price, size)
    b.changed += 1
    return order_id


# ------------------------------------------------------------------ from a snapshot

cdef int extra_load(Book* b, Desk* d, int32_t slot, const Extra* x) except -1:
    """Give an order that was loaded its Extra."""
    cdef Lot reserve = x.reserve
    d.extra = <Extra*>slab_grow(d.extra, &d.extra_rows, b.used, sizeof(Extra))
    if x.expires_ns:
        heap_room(&d.expiry)
        heap_push(&d.expiry, x.expires_ns, order_id_of(b, slot), 0)
    d.extra[slot] = x[0]
    d.extra[slot].reserve = 0
    if x.display:
        _hide(d, &d.extra[slot], reserve)
    if order_at(b, slot).penned:
        d.pen_lots += reserve
    d.special += 1
    return 0


cdef void pen_load(Book* b, Desk* d, int32_t slot) noexcept nogil:
    """Put an order that was loaded at the end of the pen."""
    _pen_link(b, d, slot)
    d.pen_lots += order_at(b, slot).size


# ------------------------------------------------------------------ checks

cdef int desk_check(const Book* b, const Desk* d) noexcept nogil:
    """Walk everything; return 0 or the number of the rule that is broken."""
    cdef int broken = book_check(b)
    cdef int64_t special = 0
    cdef int64_t parts = 0
    cdef Lot hidden = 0
    cdef int64_t slot
    cdef const Extra* x
    if broken:
        return broken
    for slot in range(d.extra_rows):
        x = d.extra + slot
        if not (x.display or x.expires_ns or x.reserve):
            continue
        if slot >= b.used or order_at(b, slot).size <= 0:
            return 11
        if x.reserve < 0 or (x.reserve and not x.display) or (
                x.display and order_at(b, slot).size > x.display):
            return 12
        if x.expires_ns and x.expires_ns <= d.time_ns:
            return 13
        special += 1
        hidden += x.reserve
        parts += _showings(x.reserve, x.display) if x.display else 0
    if special != d.special or hidden != d.hidden or parts != d.parts:
        return 14
    return _check_pen(b, d)


cdef int _check_pen(const Book* b, const Desk* d) noexcept nogil:
    cdef int64_t left = b.penned
    cdef int32_t before = NIL
    cdef int32_t slot = d.pen_first
    cdef Lot lots = 0
    while slot != NIL:
        if slot < 0 or slot >= b.used or left <= 0 or order_at(b, slot).prev != before:
            return 15
        if not order_at(b, slot).penned or order_at(b, slot).size <= 0:
            return 15
        lots += desk_open(b, d, slot)
        left -= 1
        before = slot
        slot = order_at(b, slot).next
    if left or before != d.pen_last or lots != d.pen_lots or (b.penned and not d.collecting):
        return 16
    return 0


cdef void desk_digest(const Book* b, const Desk* d, Digest* digest) noexcept nogil:
    """Fold in what a plain book does not know, in the order of slots."""
    cdef int64_t slot
    cdef const Extra* x
    digest_word(digest, d.last)
    digest_word(digest, d.mark)
    digest_word(digest, d.time_ns)
    digest_word(digest, d.fire_max)
    digest_word(digest, d.special << 1 | d.collecting)
    for slot in range(d.extra_rows):
        x = d.extra + slot
        if x.display or x.expires_ns:
            digest_word(digest, slot)
            digest_word(digest, x.reserve)
            digest_word(digest, x.display)
            digest_word(digest, x.expires_ns)
    slot = d.pen_first
    while slot != NIL:
        digest_word(digest, slot)
        _digest_penned(order_at(b, slot), digest)
        slot = order_at(b, slot).next
    digest_word(digest, d.sequence)
    digest_word(digest, d.stop_used)
    for slot in range(d.stop_used):
        _digest_stop(&d.stops[slot], digest)
    slot = d.stop_free
    while slot != NIL:
        digest_word(digest, slot)
        slot = d.stops[slot].next


cdef inline void _digest_penned(const Order* order, Digest* digest) noexcept nogil:
    digest_word(digest, order.price)
    digest_word(digest, order.size)
    digest_word(digest, order.account)
    digest_word(digest, order.side << 8 | order.flags)


cdef void _digest_stop(const Stop* stop, Digest* digest) noexcept nogil:
    digest_word(digest, stop.generation)
    digest_word(digest, stop.state)
    if stop.state == FREE:
        return
    digest_word(digest, stop.sequence)
    digest_word(digest, stop.trigger)
    digest_word(digest, stop.price)
    digest_word(digest, stop.size)
    digest_word(digest, stop.display)
    digest_word(digest, stop.expires_ns)
    digest_word(digest, stop.account)
    digest_word(digest, <int64_t>stop.type << 32 | stop.side << 24 | stop.tif << 16
                | stop.flags << 8 | stop.by)
