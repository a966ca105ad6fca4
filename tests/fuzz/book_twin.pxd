# A slow, obvious book for the fuzzer: every order in one small array, and every rule a plain scan.
#
# Written from what the docs of core/desk, core/conditional and core/auction promise, not from how
# they keep it. There is no queue: an order has a price and a `turn`, and who trades first is found
# by looking at all of them. Ids are the engine's; that each is new is for the entry to see.
from libc.stdint cimport INT64_MAX, int32_t, int64_t
from libc.string cimport memset
from ordercascade.core.records cimport (
    AMEND, ASK, BID, BOTH_SIDES, BY_LAST, BY_MARK, CANCEL, CANCEL_NEWEST, CANCEL_OLDEST, DECREMENT,
    DO_CANCEL_ALL, DO_CLOCK, DO_COLLECT, DO_MARK, DO_STOP, DO_TAKE_PROFIT, DO_UNCROSS, FOK, GTC,
    LIMIT, MARKET, POST_ONLY, REJECT_AUCTION, REJECT_CASCADE_LIMIT, REJECT_EXPIRED,
    REJECT_FOK_NOT_FILLABLE, REJECT_LEVEL_FULL, REJECT_NOT_OWNER, REJECT_NO_LIQUIDITY,
    REJECT_POOL_FULL, REJECT_POST_ONLY_WOULD_CROSS, REJECT_SELF_TRADE, REJECT_UNKNOWN_ORDER, SLIDE,
    Fill, Fired, Wide,
)
from ordercascade.core.units cimport LEVEL_MAX, LOT_MAX, Lot, Tick, TimeNs, larger, smaller

cdef enum:
    ROOM = 10               # orders, and stops, at most
    FILLS = 20_000          # of one batch, at most: an iceberg of 8 shows itself 1,024 times
    PARTS = 1024
    NOBODY = -1

ctypedef struct TwinOrder:
    bint live
    bint penned             # collected for an auction
    int64_t id
    int64_t turn            # who came first, of a price; a new one behind all others
    Tick price
    Lot size                # what shows
    Lot hidden
    Lot display
    TimeNs expires_ns
    int32_t account
    int side
    int flags

ctypedef struct TwinStop:
    bint live
    bint due
    int64_t id
    int64_t sequence
    Wide order              # as it came

ctypedef struct Twin:
    Tick price_max
    int64_t order_max
    int64_t account_max
    int64_t fire_max
    Tick last
    Tick mark
    TimeNs time_ns
    int64_t turn
    int64_t sequence
    bint collecting
    TwinOrder orders[10]
    TwinStop stops[10]
    int due[10]             # a queue
    int due_count
    Fill* fills             # of the batch; NULL: only tried, nothing is printed
    int64_t fill_count
    Lot traded              # lots of all fills
    Fired fired[64]
    int64_t fired_count
    const Fired* told       # what the engine says that it fired in this batch: names ids
    int64_t told_count
    bint astray             # an order rests that the engine gave no id


# ------------------------------------------------------------------ looking

cdef inline Lot open_of(const TwinOrder* o) noexcept nogil:
    return o.size + o.hidden


cdef inline int orders_live(const Twin* t) noexcept nogil:
    cdef int i, count = 0
    for i in range(ROOM):
        count += t.orders[i].live
    return count


cdef inline int stops_live(const Twin* t) noexcept nogil:
    cdef int i, count = 0
    for i in range(ROOM):
        count += t.stops[i].live
    return count


cdef inline int order_named(const Twin* t, int64_t order_id) noexcept nogil:
    cdef int i
    for i in range(ROOM):
        if t.orders[i].live and t.orders[i].id == order_id:
            return i
    return NOBODY


cdef inline int stop_named(const Twin* t, int64_t stop_id) noexcept nogil:
    cdef int i
    for i in range(ROOM):
        if t.stops[i].live and t.stops[i].id == stop_id:
            return i
    return NOBODY


cdef inline bint reaches(int side, Tick limit, Tick price) noexcept nogil:
    """Whether an order with such a limit may trade at a price."""
    return limit >= price if side == BID else limit <= price


cdef inline bint precedes(const TwinOrder* a, const TwinOrder* b) noexcept nogil:
    """Whether one order of a side trades before another: price, who rested, time."""
    if a.price != b.price:
        return a.price > b.price if a.side == BID else a.price < b.price
    if a.penned != b.penned:
        return b.penned
    return a.turn < b.turn


cdef inline int first_of(const Twin* t, int side) noexcept nogil:
    """Who of a side trades next, NOBODY where it is empty."""
    cdef int i, found = NOBODY
    for i in range(ROOM):
        if t.orders[i].live and not t.orders[i].penned and t.orders[i].side == side:
            if found == NOBODY or precedes(&t.orders[i], &t.orders[found]):
                found = i
    return found


cdef inline bint meets(const Twin* t, int side, Tick limit) noexcept nogil:
    cdef int maker = first_of(t, 1 - side)
    return maker != NOBODY and reaches(side, limit, t.orders[maker].price)


cdef inline bint no_room(const Twin* t, int side, Tick price, Lot size, Lot given) noexcept nogil:
    """Whether a level's lots could come to pass LEVEL_MAX, were all hidden ones to show there."""
    cdef Lot total = size - given
    cdef int i
    for i in range(ROOM):
        if not t.orders[i].live:
            continue
        total += t.orders[i].hidden
        if t.orders[i].penned:
            total += open_of(&t.orders[i])
        elif t.orders[i].side == side and t.orders[i].price == price:
            total += t.orders[i].size
    return total > LEVEL_MAX


# ------------------------------------------------------------------ which rows are good

cdef inline bint wrong_flags(const Wide* m, bint limit) noexcept nogil:
    cdef int stp = m.flags & (CANCEL_NEWEST | CANCEL_OLDEST)
    if m.flags & ~(POST_ONLY | SLIDE | CANCEL_NEWEST | CANCEL_OLDEST | DECREMENT):
        return True
    if m.flags & POST_ONLY and (not limit or m.tif != GTC):
        return True
    if m.flags & SLIDE and not m.flags & POST_ONLY:
        return True
    return m.flags & DECREMENT and stp


cdef inline bint wrong_order(const Twin* t, const Wide* m) noexcept nogil:
    cdef bint stop = m.type == DO_STOP or m.type == DO_TAKE_PROFIT
    cdef bint limit = m.type == LIMIT or (stop and m.price != 0)
    if m.side > ASK or m.tif > FOK or m.account < 0 or m.account > t.account_max:
        return True
    if m.size < 1 or m.size > LOT_MAX or m.price < 0 or m.price > t.price_max:
        return True
    if m.type == LIMIT and m.price == 0:
        return True
    if wrong_flags(m, limit):
        return True
    if stop and (m.trigger < 1 or m.trigger > t.price_max or m.by < 0 or m.by > 1):
        return True
    if m.expires_ns < 0 or (m.expires_ns > 0 and (m.tif != GTC or not (limit or stop))):
        return True
    if m.display == 0:
        return False
    if not limit or m.tif != GTC or m.display < 0 or m.display > m.size:
        return True
    return (m.size + PARTS - 1) / PARTS > m.display


cdef inline bint wrong(const Twin* t, const Wide* m) noexcept nogil:
    """Whether a row is refused before the book is looked at."""
    if m.type == CANCEL or m.type == AMEND:
        if m.account < -1 or m.account > t.account_max:
            return True
        if m.type == CANCEL:
            return False
        return (m.size < 0 or m.size > LOT_MAX or m.price < 0 or m.price > t.price_max)
    if m.type == DO_CANCEL_ALL:
        return m.account < 0 or m.account > t.account_max or m.side > BOTH_SIDES
    if m.type == DO_MARK:
        return m.price < 1 or m.price > t.price_max
    if m.type == DO_CLOCK:
        return m.expires_ns < 0
    if m.type == DO_COLLECT or m.type == DO_UNCROSS:
        return False
    return m.type > DO_UNCROSS or wrong_order(t, m)


# ------------------------------------------------------------------ trading

cdef inline void show(Twin* t, TwinOrder* o, Lot lots) noexcept nogil:
    """Let so many open lots rest, an iceberg's behind a part of them, after all others."""
    o.size = smaller(o.display, lots) if o.display else lots
    o.hidden = lots - o.size
    t.turn += 1
    o.turn = t.turn


cdef inline void eaten(Twin* t, TwinOrder* o, Lot lots) noexcept nogil:
    o.size -= lots
    if o.size == 0 and o.hidden:
        show(t, o, o.hidden)
    elif o.size == 0:
        o.live = False


cdef inline void printed(Twin* t, const TwinOrder* maker, int side, int32_t account, Tick price,
                         Lot lots, Lot rest, int64_t taker_id) noexcept nogil:
    cdef Fill* fill
    t.traded += lots
    t.fill_count += 1
    if t.fills == NULL or t.fill_count > FILLS:
        return
    fill = t.fills + t.fill_count - 1
    memset(fill, 0, sizeof(Fill))
    fill.maker_order = maker.id
    fill.taker_order = taker_id
    fill.price = price
    fill.size = lots
    fill.maker_rest = rest
    fill.maker_account = maker.account
    fill.taker_account = account
    fill.taker_side = side
    fill.maker_flags = maker.flags
    fill.self_trade = maker.account == account


cdef inline bint trade(Twin* t, int side, Tick limit, Lot* left, int32_t account,
                       int flags) noexcept nogil:
    """Trade until nobody is met; returns whether what is left is cancelled."""
    cdef int mode = flags & (CANCEL_NEWEST | CANCEL_OLDEST | DECREMENT)
    cdef TwinOrder* maker
    cdef Lot lots
    while left[0] > 0 and meets(t, side, limit):
        maker = &t.orders[first_of(t, 1 - side)]
        lots = smaller(left[0], maker.size)
        if not mode or maker.account != account:
            left[0] -= lots
            printed(t, maker, side, account, maker.price, lots, open_of(maker) - lots, 0)
            eaten(t, maker, lots)
        elif mode == DECREMENT:
            left[0] -= lots
            eaten(t, maker, lots)
        else:
            if mode & CANCEL_OLDEST:
                maker.live = False
            if mode & CANCEL_NEWEST:
                return True
    return False


cdef inline Lot tradable(const Twin* t, int side, Tick limit, Lot size, int32_t account,
                         int flags) noexcept nogil:
    """How many lots an order would trade: it is let loose on a copy."""
    cdef Twin trial = t[0]
    cdef Lot left = size
    trial.fills = NULL
    trial.traded = 0
    trade(&trial, side, limit, &left, account, flags)
    return trial.traded


cdef inline int new_order(Twin* t, int64_t order_id) noexcept nogil:
    """A free place for an order that the engine has named."""
    cdef int i
    t.astray = t.astray or order_id <= 0 or order_named(t, order_id) != NOBODY
    for i in range(ROOM):
        if not t.orders[i].live:
            memset(&t.orders[i], 0, sizeof(TwinOrder))
            t.orders[i].live = True
            t.orders[i].id = order_id
            return i
    t.astray = True
    return 0


cdef inline void name_fills(Twin* t, int64_t first, int64_t order_id) noexcept nogil:
    """What rests after it traded is named in its own fills."""
    while first < t.fill_count and first < FILLS:
        t.fills[first].taker_order = order_id
        first += 1


cdef inline int64_t place(Twin* t, const Wide* m, int64_t named) noexcept nogil:
    """An order of any kind; `named` is its id, should it rest."""
    cdef bint rests = m.type == LIMIT and m.tif == GTC
    cdef Tick limit = m.price
    cdef int64_t first = t.fill_count
    cdef int maker = first_of(t, 1 - m.side)
    cdef Lot left = m.size
    cdef bint stopped
    cdef TwinOrder* o
    if m.expires_ns and m.expires_ns <= t.time_ns:
        return REJECT_EXPIRED
    if t.collecting and (not rests or m.flags & POST_ONLY):
        return REJECT_AUCTION
    if not t.collecting:
        if m.type == MARKET and maker == NOBODY:
            return REJECT_NO_LIQUIDITY
        if m.type == MARKET and limit == 0:
            limit = t.price_max if m.side == BID else 1
        if m.flags & POST_ONLY and meets(t, m.side, limit):
            limit = t.orders[maker].price + (1 if m.side == ASK else -1)
            if not m.flags & SLIDE or limit < 1 or limit > t.price_max:
                return REJECT_POST_ONLY_WOULD_CROSS
        if m.tif == FOK and tradable(t, m.side, limit, m.size, m.account, m.flags) < m.size:
            return REJECT_FOK_NOT_FILLABLE
        if meets(t, m.side, limit) and t.orders[maker].account == m.account and (
                m.flags & (CANCEL_NEWEST | CANCEL_OLDEST | DECREMENT)) == CANCEL_NEWEST:
            return REJECT_SELF_TRADE
    if rests and orders_live(t) >= t.order_max:
        return REJECT_POOL_FULL
    if rests and no_room(t, m.side, limit, m.size, 0):
        return REJECT_LEVEL_FULL
    stopped = not t.collecting and trade(t, m.side, limit, &left, m.account, m.flags)
    if not rests or left == 0 or stopped:
        return 0
    o = &t.orders[new_order(t, named)]
    o.penned = t.collecting
    o.price = limit
    o.display = m.display
    o.expires_ns = m.expires_ns
    o.account = m.account
    o.side = m.side
    o.flags = m.flags
    show(t, o, left)
    name_fills(t, first, o.id)
    return o.id


# ------------------------------------------------------------------ orders that change

cdef inline void cut(TwinOrder* o, Lot lots) noexcept nogil:
    """Take lots off an order that keeps its place, hidden ones first."""
    cdef Lot hidden = smaller(lots, o.hidden)
    o.hidden -= hidden
    o.size -= lots - hidden


cdef inline int64_t drop(Twin* t, int64_t order_id, int32_t account) noexcept nogil:
    cdef int which = order_named(t, order_id)
    cdef int stop = stop_named(t, order_id)
    if which == NOBODY and stop == NOBODY:
        return REJECT_UNKNOWN_ORDER
    if stop != NOBODY:
        if account != -1 and account != t.stops[stop].order.account:
            return REJECT_NOT_OWNER
        t.stops[stop].live = False
        return t.stops[stop].order.size
    if account != -1 and account != t.orders[which].account:
        return REJECT_NOT_OWNER
    t.orders[which].live = False
    return open_of(&t.orders[which])


cdef inline int64_t drop_all(Twin* t, int32_t account, int side) noexcept nogil:
    cdef int64_t count = 0
    cdef int i
    for i in range(ROOM):
        if t.orders[i].live and t.orders[i].account == account and (
                side == BOTH_SIDES or t.orders[i].side == side):
            t.orders[i].live = False
            count += 1
        if t.stops[i].live and t.stops[i].order.account == account and (
                side == BOTH_SIDES or t.stops[i].order.side == side):
            t.stops[i].live = False
            count += 1
    return count


cdef inline Lot display_for(Lot display, Lot size) noexcept nogil:
    """What an iceberg shows that has grown: no more than PARTS parts."""
    return larger(display, (size + PARTS - 1) / PARTS) if display else 0


cdef inline int64_t alter_stop(Twin* t, int stop, const Wide* m) noexcept nogil:
    cdef Wide* order = &t.stops[stop].order
    if m.account != -1 and m.account != order.account:
        return REJECT_NOT_OWNER
    if m.size == 0:
        t.stops[stop].live = False
        return 0
    if order.price and m.price:
        order.price = m.price
    order.size = m.size
    order.display = smaller(display_for(order.display, m.size), m.size)
    return m.order_id


cdef inline int64_t alter(Twin* t, const Wide* m) noexcept nogil:
    cdef int which = order_named(t, m.order_id)
    cdef TwinOrder* o = &t.orders[which if which != NOBODY else 0]
    cdef Tick price = m.price if m.price else o.price
    cdef int64_t first = t.fill_count
    cdef Lot left = m.size
    cdef Lot given
    cdef int maker
    if stop_named(t, m.order_id) != NOBODY:
        return alter_stop(t, stop_named(t, m.order_id), m)
    if which == NOBODY:
        return REJECT_UNKNOWN_ORDER
    if m.account != -1 and m.account != o.account:
        return REJECT_NOT_OWNER
    if m.size == 0:
        o.live = False
        return 0
    if price == o.price and m.size <= open_of(o):
        cut(o, open_of(o) - m.size)
        return o.id
    maker = first_of(t, 1 - o.side)
    if not t.collecting and meets(t, o.side, price):
        if o.flags & POST_ONLY:
            price = t.orders[maker].price + (1 if o.side == ASK else -1)
            if not o.flags & SLIDE or price < 1 or price > t.price_max:
                return REJECT_POST_ONLY_WOULD_CROSS
        elif t.orders[maker].account == o.account and (
                o.flags & (CANCEL_NEWEST | CANCEL_OLDEST | DECREMENT)) == CANCEL_NEWEST:
            return REJECT_SELF_TRADE
    given = o.hidden
    if o.penned:
        given += open_of(o)
    elif price == o.price:
        given += o.size
    if no_room(t, o.side, price, m.size, given):
        return REJECT_LEVEL_FULL
    o.live = False              # While it is under way, under its old id.
    if not t.collecting and trade(t, o.side, price, &left, o.account, o.flags):
        return 0
    if left == 0:
        return 0
    o.live = True
    o.price = price
    o.display = display_for(o.display, m.size)
    o.penned = t.collecting
    show(t, o, left)
    name_fills(t, first, o.id)
    return o.id


cdef inline int64_t clock(Twin* t, TimeNs time_ns) noexcept nogil:
    cdef int64_t count = 0
    cdef int i
    t.time_ns = larger(t.time_ns, time_ns)
    for i in range(ROOM):
        if t.orders[i].live and 0 < t.orders[i].expires_ns <= t.time_ns:
            t.orders[i].live = False
            count += 1
        if t.stops[i].live and 0 < t.stops[i].order.expires_ns <= t.time_ns:
            t.stops[i].live = False
            count += 1
    return count


# ------------------------------------------------------------------ what waits for a price

cdef inline bint waits_up(const Wide* m) noexcept nogil:
    return (m.type == DO_STOP) == (m.side == BID)


cdef inline bint fires_before(const TwinStop* a, const TwinStop* b) noexcept nogil:
    """Up before down, nearest trigger first, then by arrival."""
    if waits_up(&a.order) != waits_up(&b.order):
        return waits_up(&a.order)
    if a.order.trigger != b.order.trigger:
        return (a.order.trigger < b.order.trigger) == waits_up(&a.order)
    return a.sequence < b.sequence


cdef inline void come_due(Twin* t, int by, Tick low, Tick high) noexcept nogil:
    """Queue what the prices from `low` to `high` have met."""
    cdef int i, found
    cdef const TwinStop* s
    if t.collecting:
        return
    while True:
        found = NOBODY
        for i in range(ROOM):
            s = &t.stops[i]
            if not s.live or s.due or s.order.by != by:
                continue
            if s.order.trigger > high if waits_up(&s.order) else s.order.trigger < low:
                continue
            if found == NOBODY or fires_before(s, &t.stops[found]):
                found = i
        if found == NOBODY:
            return
        t.stops[found].due = True
        t.due[t.due_count] = found
        t.due_count += 1


cdef inline int64_t told_id(const Twin* t, bint of_order) noexcept nogil:
    """The stop that the engine fired next, or what came of it."""
    if t.fired_count >= t.told_count:
        return 0
    return t.told[t.fired_count].result if of_order else t.told[t.fired_count].stop_id


cdef inline void fire(Twin* t, bint dropped) noexcept nogil:
    """Send the first that is due, or drop it."""
    cdef TwinStop* s = &t.stops[t.due[0]]
    cdef Wide order = s.order
    cdef int64_t result = REJECT_CASCADE_LIMIT
    cdef int i
    order.type = LIMIT if order.price else MARKET
    order.expires_ns = order.expires_ns if order.price else 0
    if not dropped:
        result = place(t, &order, told_id(t, True))
    t.fired[t.fired_count & 63].stop_id = s.id
    t.fired[t.fired_count & 63].result = result
    t.fired_count += 1
    s.live = s.due = False
    t.due_count -= 1
    for i in range(t.due_count):
        t.due[i] = t.due[i + 1]


cdef inline void react(Twin* t, int64_t first) noexcept nogil:
    """Fire all that the fills from `first` on make due, with all that follows."""
    cdef int64_t fired = 0
    cdef int64_t i
    cdef Tick low, high
    while True:
        if first < t.fill_count and t.fill_count <= FILLS:
            low = high = t.fills[first].price
            for i in range(first, t.fill_count):
                low = smaller(low, t.fills[i].price)
                high = larger(high, t.fills[i].price)
            t.last = t.fills[t.fill_count - 1].price
            come_due(t, BY_LAST, low, high)
        if t.due_count == 0:
            return
        first = t.fill_count
        fire(t, fired >= t.fire_max)
        fired += 1


cdef inline int64_t wait(Twin* t, const Wide* m, int64_t named) noexcept nogil:
    """A stop; `named` is what the engine answered: its id, or what its order did."""
    cdef Tick price = t.mark if m.by == BY_MARK else t.last
    cdef int64_t before = t.fired_count
    cdef int64_t told = told_id(t, False)
    cdef int i
    if m.expires_ns and m.expires_ns <= t.time_ns:
        return REJECT_EXPIRED
    if stops_live(t) >= t.order_max:
        return REJECT_POOL_FULL
    for i in range(ROOM):
        if not t.stops[i].live:
            break
    t.stops[i].live = True
    t.stops[i].due = False
    t.stops[i].order = m[0]
    t.stops[i].sequence = t.sequence
    t.stops[i].id = named
    t.sequence += 1
    if price:
        come_due(t, m.by, price, price)
        if t.due_count:
            t.stops[i].id = told
        react(t, t.fill_count)
    if t.stops[i].live:
        t.astray = t.astray or named <= 0
        return named
    return t.fired[before & 63].result


# ------------------------------------------------------------------ auctions

cdef inline Lot wanted(const Twin* t, int side, Tick price) noexcept nogil:
    """All lots of a side that would trade at a price."""
    cdef Lot lots = 0
    cdef int i
    for i in range(ROOM):
        if t.orders[i].live and t.orders[i].side == side and (
                reaches(side, t.orders[i].price, price)):
            lots += open_of(&t.orders[i])
    return lots


cdef inline Tick clearing_price(const Twin* t, Lot* volume, Lot* surplus) noexcept nogil:
    """Try every price between the outermost orders, three times: for each rule once."""
    cdef Tick low = t.price_max
    cdef Tick high = 1
    cdef Tick first = 0
    cdef Tick final = 0
    cdef Lot bid, ask
    cdef Lot least = 0
    cdef bint over = True
    cdef bint under = True
    cdef Tick price
    cdef int i
    volume[0] = surplus[0] = 0
    for i in range(ROOM):
        if t.orders[i].live:
            low = smaller(low, t.orders[i].price)
            high = larger(high, t.orders[i].price)
    for price in range(low, high + 1):
        volume[0] = larger(volume[0], smaller(wanted(t, BID, price), wanted(t, ASK, price)))
    if volume[0] == 0:
        return 0
    least = INT64_MAX
    for price in range(low, high + 1):
        bid, ask = wanted(t, BID, price), wanted(t, ASK, price)
        if smaller(bid, ask) == volume[0]:
            least = smaller(least, larger(bid - ask, ask - bid))
    for price in range(low, high + 1):
        bid, ask = wanted(t, BID, price), wanted(t, ASK, price)
        if smaller(bid, ask) == volume[0] and larger(bid - ask, ask - bid) == least:
            first = first if first else price
            final = price
            over = over and bid > ask
            under = under and bid < ask
    price = t.last if t.last else (first + final) // 2
    price = smaller(larger(price, first), final)
    if over:
        price = final
    elif under:
        price = first
    surplus[0] = wanted(t, BID, price) - wanted(t, ASK, price)
    return price


cdef inline int next_at(const Twin* t, int side, Tick price, const Lot* left) noexcept nogil:
    """Who of a side trades next at the auction's price."""
    cdef int i, found = NOBODY
    for i in range(ROOM):
        if left[i] > 0 and t.orders[i].side == side and reaches(side, t.orders[i].price, price):
            if found == NOBODY or precedes(&t.orders[i], &t.orders[found]):
                found = i
    return found


cdef inline void settle(Twin* t, int which, Lot left) noexcept nogil:
    """Take what it traded off an order; what was collected is shown anew later."""
    cdef TwinOrder* o = &t.orders[which]
    cdef Lot traded = open_of(o) - left
    if left == 0:
        o.live = False
    elif o.penned:
        cut(o, traded)
    elif traded < o.size:
        o.size -= traded
    else:
        show(t, o, left)


cdef inline int64_t uncross(Twin* t) noexcept nogil:
    cdef Lot left[10]
    cdef Lot volume, surplus, lots
    cdef Tick price = clearing_price(t, &volume, &surplus)
    cdef int i, ask, bid, oldest
    if not t.collecting:
        return 0
    for i in range(ROOM):
        left[i] = open_of(&t.orders[i]) if t.orders[i].live else 0
    while price:
        ask, bid = next_at(t, ASK, price, left), next_at(t, BID, price, left)
        if ask == NOBODY or bid == NOBODY:
            break
        lots = smaller(left[ask], left[bid])
        left[ask] -= lots
        left[bid] -= lots
        printed(t, &t.orders[ask], BID, t.orders[bid].account, price, lots, left[ask],
                t.orders[bid].id)
    for i in range(ROOM):
        if t.orders[i].live:
            settle(t, i, left[i])
    t.last = price if price else t.last
    while True:                 # What was collected queues by time, behind all that rested.
        oldest = NOBODY
        for i in range(ROOM):
            if t.orders[i].live and t.orders[i].penned and (
                    oldest == NOBODY or t.orders[i].turn < t.orders[oldest].turn):
                oldest = i
        if oldest == NOBODY:
            break
        t.orders[oldest].penned = False
        show(t, &t.orders[oldest], open_of(&t.orders[oldest]))
    t.collecting = False
    if t.last:
        come_due(t, BY_LAST, t.last, t.last)
    if t.mark:
        come_due(t, BY_MARK, t.mark, t.mark)
    react(t, t.fill_count)
    return price


cdef inline int64_t twin_do(Twin* t, const Wide* m, int64_t named) noexcept nogil:
    """One good row and all that it sets off; `named` is what the engine answered to it."""
    cdef int64_t first = t.fill_count
    cdef int64_t result = 0
    if m.type == DO_STOP or m.type == DO_TAKE_PROFIT:
        return wait(t, m, named)
    if m.type == DO_UNCROSS:
        return uncross(t)
    if m.type == DO_COLLECT:
        t.collecting = True
        return 0
    if m.type <= MARKET:
        result = place(t, m, named)
    elif m.type == CANCEL:
        result = drop(t, m.order_id, m.account)
    elif m.type == AMEND:
        result = alter(t, m)
    elif m.type == DO_CANCEL_ALL:
        result = drop_all(t, m.account, m.side)
    elif m.type == DO_CLOCK:
        result = clock(t, m.expires_ns)
    else:
        t.mark = m.price
        come_due(t, BY_MARK, m.price, m.price)
    react(t, first)
    return result
