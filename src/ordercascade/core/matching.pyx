"""Matching: what the orders of a book do to each other. Price first, then time."""
from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.stdlib cimport qsort
from libc.string cimport memset
from ordercascade.core.check cimport oc_check
from ordercascade.core.ladder cimport ladder_clear, ladder_row, ladder_set
from ordercascade.core.queues cimport (
    ELSEWHERE, SLOT_MASK, Book, Level, Order, Peer, level_at, level_note, level_of, level_worse,
    oc_rarely, order_at, order_id_of, pool_full, room_changes, room_fills, room_page, room_ready,
    room_to_rest, side_none, slot_claim, slot_of, slot_release,
)
from ordercascade.core.records cimport (
    AMEND, BID, BOTH_SIDES, CANCEL, FOK, GTC, IOC, LIMIT, MARKET, POST_ONLY,
    REJECT_FOK_NOT_FILLABLE, REJECT_LEVEL_FULL, REJECT_NOT_OWNER, REJECT_NO_LIQUIDITY,
    REJECT_POOL_FULL, REJECT_POST_ONLY_WOULD_CROSS, REJECT_UNKNOWN_ORDER, Fill, Message,
)
from ordercascade.core.rules cimport Rules, rules_broken_by, rules_plain
from ordercascade.core.slab cimport NIL, oc_prefetch, slab_grow
from ordercascade.core.units cimport LEVEL_MAX, Lot, Tick, larger, smaller

cdef extern from *:
    """
    #define oc_fetch(base, offset) __builtin_prefetch((void *)((uintptr_t)(base) + (offset)))
    """
    void oc_fetch(const void* base, uint64_t offset) noexcept nogil

cdef enum:
    AHEAD = 6                   # messages


cdef int64_t book_submit(Book* b, int type, int side, Tick price, Lot size, int32_t account,
                         int tif, int flags) except -1 nogil:
    """Match an order, let what is left of a GTC limit rest; return its id, 0 or a reject code."""
    oc_check(size > 0)
    if type == MARKET:
        if b.best[1 - side] == side_none(b, 1 - side):
            return REJECT_NO_LIQUIDITY
        price = b.price_max if side == BID else 1
        tif = FOK if tif == FOK else IOC
    return _limit(b, side, price, size, account, tif, flags)


cdef inline int64_t _limit(Book* b, int side, Tick price, Lot size, int32_t account, int tif,
                           int flags) except -1 nogil:
    if (price - b.best[1 - side]) * (1 - 2 * side) >= 0:
        return book_cross(b, side, price, size, account, tif, flags)
    if tif == GTC:
        return _rest(b, side, price, size, account, flags)
    return REJECT_FOK_NOT_FILLABLE if tif == FOK else 0


cdef inline int64_t _rest(Book* b, int side, Tick price, Lot size, int32_t account,
                          int flags) except -1 nogil:
    """Let an order rest that meets nobody."""
    cdef int32_t slot
    if oc_rarely(not room_ready(b, price, account)):
        if pool_full(b):
            return REJECT_POOL_FULL
        book_reserve(b, price, account)
    room_changes(b, 1)
    if oc_rarely(level_of(b, price).size > LEVEL_MAX - size):
        return REJECT_LEVEL_FULL
    slot = slot_claim(b, side, account, flags)
    queue_append(b, slot, side, price, size)
    level_note(b, side, price)
    b.changed += 1
    return order_id_of(b, slot)


cdef int book_reserve(Book* b, Tick price, int32_t account) except -1 nogil:
    """Make room for one more order to rest; apart from the hot path, as it is rare and long."""
    return room_to_rest(b, price, account)


cdef int64_t book_cross(Book* b, int side, Tick limit, Lot size, int32_t account, int tif,
                        int flags) except -1 nogil:
    """Match an order that meets somebody at its limit. Everything that can fail comes first."""
    cdef int64_t first = b.fill_count
    cdef int32_t slot
    cdef Lot left
    if flags & POST_ONLY:
        return REJECT_POST_ONLY_WOULD_CROSS
    if tif == FOK and not _fillable(b, side, limit, size):
        return REJECT_FOK_NOT_FILLABLE
    if tif == GTC:
        if pool_full(b):
            return REJECT_POOL_FULL
        book_reserve(b, limit, account)
    room_fills(b)
    left = _match(b, side, limit, size, account, False)
    b.changed += 1
    if left == 0 or tif != GTC:
        return 0
    slot = slot_claim(b, side, account, flags)
    return _rest_taker(b, slot, limit, left, first)


cdef int64_t _rest_taker(Book* b, int32_t slot, Tick price, Lot left,
                         int64_t first) noexcept nogil:
    """Let the rest of a taker rest, and name it in its fills from `first` on."""
    cdef int64_t order_id = order_id_of(b, slot)
    cdef int side = order_at(b, slot).side
    cdef int64_t i
    queue_append(b, slot, side, price, left)
    level_note(b, side, price)
    for i in range(first, b.fill_count):
        b.fills[i].taker_order = order_id
    return order_id


cdef Lot _match(Book* b, int side, Tick limit, Lot left, int32_t account,
                bint drop_own) noexcept nogil:
    """Trade against the other side up to `limit`; return the lots that met nobody.

    With `drop_own` resting orders of `account` are cancelled where they are met.
    """
    cdef int other = 1 - side
    cdef int sign = 1 - 2 * side
    cdef Tick price = b.best[other]
    cdef int64_t row
    while (limit - price) * sign >= 0:
        row = ladder_row(&b.ladder, price)
        left = _eat(b, row, price, side, left, account, drop_own)
        if level_at(b, row).size == 0:
            level_vacate(b, other, price)
        level_note(b, other, price)
        if left == 0:
            break
        price = b.best[other]
    return left


cdef inline int32_t _link_behind(const Book* b, int side, Tick price) noexcept nogil:
    """The first order of the level behind `price`, or less than 0."""
    cdef Tick behind = level_worse(b, side, price)
    return NIL if behind == side_none(b, side) else level_of(b, behind).next


cdef Lot _eat(Book* b, int64_t row, Tick price, int side, Lot left, int32_t account,
              bint drop_own) noexcept nogil:
    """Trade against one level in time priority; return the lots still wanted."""
    cdef Level* cells = <Level*>b.rows.middle
    cdef Level* level = cells + ~row
    cdef Lot total = level.size
    cdef int32_t link = level.next
    cdef int32_t ahead = _link_behind(b, 1 - side, price)
    cdef int32_t follower
    cdef Level* maker
    cdef Lot lots
    oc_check(total > 0)
    oc_check(left > 0)
    while link >= 0 and left > 0:
        maker = cells + link
        follower = maker.next
        # Orders of a queue lie anywhere: those of the next level are fetched while these are eaten.
        if ahead >= 0:
            ahead = cells[ahead].next
            oc_prefetch(cells + ahead)
            oc_fetch(b.ring.middle, sizeof(Peer) * (ahead >> 1))
        lots = maker.size
        if not (drop_own and (<const Order*>maker).account == account):
            lots = smaller(lots, left)
            left -= lots
            _print(b, link >> 1, price, side, lots, account)
        total -= lots
        maker.size -= lots
        if maker.size > 0:
            break
        slot_release(b, link >> 1)
        link = follower
    level.next = link
    cells[link].prev = ~<int32_t>row
    level.size = total
    return left


cdef inline void _print(Book* b, int32_t slot, Tick price, int side, Lot lots,
                        int32_t account) noexcept nogil:
    """Append the fill of `lots` against the maker in `slot`; room was reserved."""
    cdef Fill* fill = b.fills + b.fill_count
    cdef const Order* maker = order_at(b, slot)
    fill.maker_order = order_id_of(b, slot)
    fill.taker_order = 0
    fill.price = price
    fill.size = lots
    fill.maker_rest = maker.size - lots
    fill.maker_account = maker.account
    fill.taker_account = account
    memset(&fill.taker_side, 0, 8)
    fill.taker_side = side
    fill.maker_flags = maker.flags
    fill.self_trade = maker.account == account
    b.fill_count += 1


cdef bint _fillable(const Book* b, int side, Tick limit, Lot size) noexcept nogil:
    """Whether the other side offers `size` lots up to `limit`."""
    cdef int other = 1 - side
    cdef int sign = 1 - 2 * side
    cdef Tick price = b.best[other]
    while size > 0 and (limit - price) * sign >= 0:
        size -= level_of(b, price).size
        price = level_worse(b, other, price)
    return size <= 0


cdef Lot book_take(Book* b, int side, Tick limit, Lot size, int32_t account) except -1 nogil:
    """Send a liquidation order, IOC; drop own resting orders that it meets; return lots filled."""
    cdef Tick nearest = smaller(larger(limit, side), b.price_max + side)
    cdef int64_t count = b.count
    cdef Lot filled
    room_fills(b)
    filled = size - _match(b, side, nearest, size, account, True)
    if filled > 0 or b.count != count:
        b.changed += 1
    return filled


cdef int64_t book_cancel(Book* b, int64_t order_id, int32_t account) except? -1 nogil:
    """Remove an order of `account` (-1: of anybody); return its open lots or a reject code."""
    cdef int64_t slot = slot_of(b, order_id)
    cdef Order* order
    cdef Lot lots
    if slot == NIL:
        return REJECT_UNKNOWN_ORDER
    order = order_at(b, slot)
    if account >= 0 and order.account != account:
        return REJECT_NOT_OWNER
    room_changes(b, 1)
    lots = order.size
    queue_unlink(b, slot)
    level_note(b, order.side, order.price)
    b.changed += 1
    slot_release(b, <int32_t>slot)
    return lots


cdef int64_t book_amend(Book* b, int64_t order_id, int32_t account, Tick price,
                        Lot size) except -1 nogil:
    """Change price or open size; return the id, 0 if nothing rests, or a reject code.

    Less size at the same price (0 = the same) keeps the priority, all else queues anew; size 0
    cancels.
    """
    cdef int64_t slot = slot_of(b, order_id)
    cdef Order* order
    if slot == NIL:
        return REJECT_UNKNOWN_ORDER
    order = order_at(b, slot)
    if account >= 0 and order.account != account:
        return REJECT_NOT_OWNER
    if size == 0:
        return 0 if book_cancel(b, order_id, account) > 0 else -1
    if price == 0:
        price = order.price
    if price != order.price or size > order.size:
        return _requeue(b, <int32_t>slot, price, size)
    if size < order.size:
        room_changes(b, 1)
        level_of(b, price).size -= order.size - size
        order.size = size
        level_note(b, order.side, price)
        b.changed += 1
    return order_id


cdef int64_t _requeue(Book* b, int32_t slot, Tick price, Lot size) except -1 nogil:
    """Take an order out and send it again as a limit order under its old id."""
    cdef Order order = order_at(b, slot)[0]
    cdef int64_t first = b.fill_count
    cdef int side = order.side
    cdef bint crosses = (price - b.best[1 - side]) * (1 - 2 * side) >= 0
    cdef Lot left = size
    cdef Lot room
    if crosses and order.flags & ~POST_ONLY:
        return ELSEWHERE        # It may slide, or must not trade with its own account.
    if crosses and order.flags & POST_ONLY:
        return REJECT_POST_ONLY_WOULD_CROSS
    room_page(b, price)
    room = LEVEL_MAX - level_of(b, price).size
    if price == order.price:
        room += order.size
    if not crosses and size > room:
        return REJECT_LEVEL_FULL
    room_fills(b)
    queue_unlink(b, slot)
    if price != order.price:
        level_note(b, side, order.price)
    if crosses:
        left = _match(b, side, price, size, order.account, False)
    b.changed += 1
    if left > 0:
        return _rest_taker(b, slot, price, left, first)
    slot_release(b, slot)
    return 0


cdef int book_cancel_all(Book* b, int32_t account) except -1 nogil:
    """Cancel every order of an account in id order, each an operation; return how many."""
    return book_cancel_side(b, account, BOTH_SIDES)


cdef int book_cancel_side(Book* b, int32_t account, int side) except -1 nogil:
    """The same for one side, or both."""
    cdef int64_t count = book_gather(b, account, side)
    cdef int64_t i
    room_changes(b, count)
    for i in range(count):
        book_cancel(b, b.ids[i], account)
    return <int>count


cdef int64_t book_gather(Book* b, int32_t account, int side) except -1 nogil:
    """Put the sorted ids of an account's orders on a side, or both, into b.ids; return how many."""
    cdef int64_t count = 0
    cdef int32_t slot
    if account >= b.account_count:
        return 0
    slot = (<Peer*>b.ring.middle)[~<int64_t>account].next
    while slot >= 0:
        if side == BOTH_SIDES or order_at(b, slot).side == side:
            b.ids = <int64_t*>slab_grow(b.ids, &b.id_capacity, count + 1, sizeof(int64_t))
            b.ids[count] = order_id_of(b, slot)
            count += 1
        slot = (<Peer*>b.ring.middle)[slot].next
    ids_sort(b.ids, count)
    return count


cdef void ids_sort(int64_t* ids, int64_t count) noexcept nogil:
    if count > 1:
        qsort(ids, <size_t>count, sizeof(int64_t), _by_id)


cdef int _by_id(const void* a, const void* b) noexcept nogil:
    cdef int64_t left = (<const int64_t*>a)[0]
    cdef int64_t right = (<const int64_t*>b)[0]
    return (left > right) - (left < right)


# ------------------------------------------------------------------ queues

cdef inline void queue_append(Book* b, int32_t slot, int side, Tick price,
                              Lot size) noexcept nogil:
    """Put an order at the end of the queue of its price, whose page exists."""
    cdef int64_t row = ladder_row(&b.ladder, price)
    cdef Level* cells = <Level*>b.rows.middle
    cdef Level* level = cells + ~row
    cdef Level* node = cells + 2 * <int64_t>slot
    cdef int32_t last = level.prev
    cdef Lot total = level.size
    if total == 0:
        last = ~<int32_t>row
        level_occupy(b, side, price)
    (<Order*>node).price = <int32_t>price
    node.size = size
    node.next = ~<int32_t>row
    node.prev = last
    level.size = total + size
    level.prev = 2 * slot
    cells[last].next = 2 * slot


cdef inline void queue_unlink(Book* b, int64_t slot) noexcept nogil:
    """Take an order out of its queue."""
    cdef const Order* order = order_at(b, slot)
    cdef Level* cells = <Level*>b.rows.middle
    cdef Level* level = level_of(b, order.price)
    cdef Level node = cells[2 * slot]
    cells[node.prev].next = node.next
    cells[node.next].prev = node.prev
    level.size -= node.size
    if level.size == 0:
        level_vacate(b, order.side, order.price)


cdef void queue_put(Book* b, int32_t slot, int side, Tick price, Lot size) noexcept nogil:
    queue_append(b, slot, side, price, size)


cdef void queue_drop(Book* b, int64_t slot) noexcept nogil:
    queue_unlink(b, slot)


cdef int64_t taker_rest(Book* b, int32_t slot, Tick price, Lot left, int64_t first) noexcept nogil:
    return _rest_taker(b, slot, price, left, first)


cdef void level_occupy(Book* b, int side, Tick price) noexcept nogil:
    ladder_set(&b.ladder, price)
    if (price - b.best[side]) * (1 - 2 * side) > 0:
        b.best[side] = price


cdef void level_vacate(Book* b, int side, Tick price) noexcept nogil:
    ladder_clear(&b.ladder, price)
    if price == b.best[side]:
        b.best[side] = level_worse(b, side, price)


# ------------------------------------------------------------------ batches

cdef int64_t book_first_bad(const Rules* rules, const Message* rows, int64_t count) noexcept nogil:
    """The first row that breaks a rule, or `count`."""
    cdef int64_t i
    for i in range(count):
        if rules_broken_by(rules, rows + i):
            return i
    return count


cdef int64_t book_apply(Book* b, const Rules* rules, const Message* rows, int64_t count,
                        int64_t* results) except -1 nogil:
    """Run messages that nobody else can write to, up to one that is bad or no plain book's.

    The row of the order named AHEAD messages on is fetched early: a fifth faster on a deep book.
    """
    cdef int64_t i
    cdef int64_t result
    for i in range(count):
        if i + AHEAD < count:
            oc_fetch(b.rows.middle, sizeof(Order) * (rows[i + AHEAD].order_id & SLOT_MASK))
        result = _message(b, rules, rows + i)
        if oc_rarely(result == ELSEWHERE):
            return i
        results[i] = result
    return count


cdef inline int64_t _message(Book* b, const Rules* rules, const Message* m) except -1 nogil:
    """Judge and run one message."""
    if not rules_plain(rules, m):
        return ELSEWHERE
    if m.type == LIMIT:
        return _limit(b, m.side, m.price, m.size, m.account, m.tif, m.flags)
    if m.type == CANCEL:
        return book_cancel(b, m.order_id, m.account)
    if m.type == AMEND:
        return book_amend(b, m.order_id, m.account, m.price, m.size)
    return book_submit(b, MARKET, m.side, 0, m.size, m.account, m.tif, 0)
