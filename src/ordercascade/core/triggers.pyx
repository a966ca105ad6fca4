"""Exact price triggers: arm a node at a tick, get what a price reaches, in time that does not
depend on how many are armed."""

import numpy as np

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.mem cimport PyMem_RawFree
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memset
from ordercascade.core.arguments cimport within
from ordercascade.core.check cimport oc_check
from ordercascade.core.ladder cimport (
    PAGE, PAGE_BITS, PAGE_WORDS, Ladder, ladder_above, ladder_clear, ladder_copy, ladder_find,
    ladder_free, ladder_init, ladder_page, ladder_row, ladder_set, oc_lowest)
from ordercascade.core.slab cimport NIL, oc_prefetch, slab_copy, slab_grow
from ordercascade.core.units cimport TICK_MAX, Tick, larger

from ordercascade.errors import InputError, InvariantError

__all__ = ["TriggerIndex"]

cdef enum:
    NODE_BITS = 26          # a node handle is below 2**26, as a scope's or a position's is

# Best ticks of an empty side: no price in 0 .. TICK_MAX reaches them.
cdef inline Tick _never(int side) noexcept nogil:
    return TICK_MAX + 1 if side == RISES else -1


cdef int triggers_init(Triggers* t, int64_t markets) except -1 nogil:
    """Make an empty index with room for `markets` markets; triggers_add_market() opens them."""
    memset(t, 0, sizeof(Triggers))
    t.free = t.scout = NIL
    t.markets = <TriggerMarket*>slab_grow(NULL, &t.markets_capacity, markets,
                                          sizeof(TriggerMarket))
    return 0


cdef void triggers_free(Triggers* t) noexcept nogil:
    cdef int64_t i
    cdef int side
    for i in range(t.market_count):
        for side in range(2):
            ladder_free(&t.markets[i].side[side].ladder)
            PyMem_RawFree(t.markets[i].side[side].heads)
    PyMem_RawFree(t.markets)
    PyMem_RawFree(t.nodes)
    PyMem_RawFree(t.runs)
    PyMem_RawFree(t.fired)
    PyMem_RawFree(t.near)
    memset(t, 0, sizeof(Triggers))


cdef int triggers_copy(Triggers* to, const Triggers* t) except -1 nogil:
    """Make `to`, which holds nothing, an independent copy; results of fire are copied too."""
    cdef const TriggerMarket* m
    memset(to, 0, sizeof(Triggers))
    to.free = to.scout = NIL
    to.markets = <TriggerMarket*>slab_grow(NULL, &to.markets_capacity, t.market_count,
                                           sizeof(TriggerMarket))
    while to.market_count < t.market_count:
        m = t.markets + to.market_count
        to.market_count += 1        # Counted first: a half-made market must be freed as well.
        _copy_market(to.markets + to.market_count - 1, m)
    to.nodes = <TriggerNode*>slab_copy(t.nodes, t.nodes_capacity, sizeof(TriggerNode))
    to.nodes_capacity = t.nodes_capacity
    to.node_count = t.node_count
    to.runs = <TriggerRun*>slab_copy(t.runs, t.runs_capacity, sizeof(TriggerRun))
    to.runs_capacity = t.runs_capacity
    to.run_count = t.run_count
    to.free = t.free
    to.armed = t.armed
    to.armings = t.armings
    to.fired = <int32_t*>slab_copy(t.fired, t.fired_capacity, sizeof(int32_t))
    to.fired_capacity = t.fired_capacity
    to.fired_count = t.fired_count
    to.near = <int32_t*>slab_copy(t.near, t.near_capacity, sizeof(int32_t))
    to.near_capacity = t.near_capacity
    to.near_count = t.near_count
    return 0


cdef int _copy_market(TriggerMarket* to, const TriggerMarket* m) except -1 nogil:
    """Copy into a zeroed row; a failure leaves only what is owned, so that it can be freed."""
    cdef int side
    to.cap = m.cap
    to.shift = m.shift
    to.keys = m.keys
    for side in range(2):
        to.best[side] = m.best[side]
        ladder_copy(&to.side[side].ladder, &m.side[side].ladder)
        to.side[side].heads = <int32_t*>slab_copy(
            m.side[side].heads, m.side[side].heads_capacity, sizeof(int32_t))
        to.side[side].heads_capacity = m.side[side].heads_capacity
        to.side[side].count = m.side[side].count
    return 0


cdef int triggers_add_market(Triggers* t, Tick price_max) except -1 nogil:
    """Open the next market, whose prices are 0 .. price_max; return its number."""
    cdef TriggerMarket* m
    cdef int side
    oc_check(price_max >= 1)
    oc_check(price_max <= TICK_MAX)
    t.markets = <TriggerMarket*>slab_grow(t.markets, &t.markets_capacity, t.market_count + 1,
                                          sizeof(TriggerMarket))
    m = t.markets + t.market_count
    memset(m, 0, sizeof(TriggerMarket))
    m.cap = price_max + 1
    while (m.cap >> m.shift) >> BUCKET_BITS:
        m.shift += 1
    m.keys = (m.cap >> m.shift) + 1
    t.market_count += 1         # Counted first: triggers_free() then frees a half-made market.
    for side in range(2):
        m.best[side] = _never(side)
        ladder_init(&m.side[side].ladder, m.keys)
    return <int>(t.market_count - 1)


cdef int triggers_arm(Triggers* t, int32_t node, int32_t market, int side,
                      Tick tick) except -1 nogil:
    """Arm `node` at `tick`; a trigger that it has already is replaced. O(1)."""
    cdef TriggerMarket* m = t.markets + market
    cdef TriggerSide* s = &m.side[side]
    cdef TriggerWish wish
    cdef int64_t key
    oc_check(0 <= market < t.market_count)
    oc_check(0 <= tick <= TICK_MAX)
    key = triggers_key(m, side, tick)
    _reserve(t, s, node, key)
    triggers_disarm(t, node)
    wish.row = <int32_t>ladder_row(&s.ladder, key)
    wish.node = node
    wish.tick = <int32_t>tick
    wish.place = 2 * market + side
    _settle(t, s, &wish, &s.heads[wish.row])
    return 0


cdef int _reserve(Triggers* t, TriggerSide* s, int32_t node, int64_t key) except -1 nogil:
    """Make the rows that arming `node` in bucket `key` needs, and change nothing else."""
    cdef int64_t slots = s.ladder.slots
    oc_check(0 <= node < 1 << NODE_BITS)
    triggers_reserve(t, node + 1)
    if t.free == NIL and t.run_count == t.runs_capacity:
        t.runs = <TriggerRun*>slab_grow(t.runs, &t.runs_capacity, t.run_count + 1,
                                        sizeof(TriggerRun))
    if ladder_find(&s.ladder, key) == NIL:
        s.heads = <int32_t*>slab_grow(s.heads, &s.heads_capacity, (slots + 1) << PAGE_BITS,
                                      sizeof(int32_t))
        memset(s.heads + (slots << PAGE_BITS), 0xFF, PAGE * sizeof(int32_t))    # All NIL.
        ladder_page(&s.ladder, key)
    return 0


cdef int triggers_reserve(Triggers* t, int64_t nodes) except -1 nogil:
    """Know the handles below `nodes`, none of them armed that was not known before."""
    oc_check(nodes <= 1 << NODE_BITS)
    if nodes > t.node_count:
        t.nodes = <TriggerNode*>slab_grow(t.nodes, &t.nodes_capacity, nodes, sizeof(TriggerNode))
        while t.node_count < nodes:
            t.nodes[t.node_count].place = NIL
            t.node_count += 1
    return 0


cdef int triggers_arm_many(Triggers* t, const TriggerWish* wishes, int64_t count) except -1 nogil:
    """Arm nodes that are known and not armed, as triggers_aim() said: many at once wait for the
    memory together. A page may have been made since."""
    cdef int64_t i
    cdef int32_t run
    cdef const TriggerWish* wish
    cdef TriggerSide* s
    if t.run_count + count > t.runs_capacity:
        t.runs = <TriggerRun*>slab_grow(t.runs, &t.runs_capacity, t.run_count + count,
                                        sizeof(TriggerRun))
    for i in range(count):
        wish = wishes + i
        if wish.row != NIL:
            run = t.markets[wish.place >> 1].side[wish.place & 1].heads[wish.row]
            oc_prefetch(&t.runs[larger(0, run)])
    for i in range(count):
        wish = wishes + i
        if wish.row == NIL:
            triggers_arm(t, wish.node, wish.place >> 1, wish.place & 1, wish.tick)
        else:
            s = &t.markets[wish.place >> 1].side[wish.place & 1]
            _settle(t, s, wish, &s.heads[wish.row])
    return 0


cdef inline int _hole(const TriggerRun* r) noexcept nogil:
    """The first free place of a run, or RUN: a node is never negative, and NIL is."""
    cdef unsigned int holes = (
        (<unsigned int>r.node[0] >> 31) | (<unsigned int>r.node[1] >> 31) << 1
        | (<unsigned int>r.node[2] >> 31) << 2 | (<unsigned int>r.node[3] >> 31) << 3
        | (<unsigned int>r.node[4] >> 31) << 4 | (<unsigned int>r.node[5] >> 31) << 5
        | 1 << RUN)
    return oc_lowest(holes)


cdef inline void _settle(Triggers* t, TriggerSide* s, const TriggerWish* wish,
                         int32_t* head) noexcept nogil:
    """Put a node into its bucket, whose page exists; there is room for a run."""
    cdef TriggerMarket* m = t.markets + (wish.place >> 1)
    cdef int side = wish.place & 1
    cdef TriggerNode* n = t.nodes + wish.node
    cdef int32_t run = head[0]
    cdef int place = 0
    oc_check(n.place == NIL)
    if run == NIL:
        ladder_set(&s.ladder, triggers_key(m, side, wish.tick))
        run = head[0] = _run_claim(t, NIL)
    else:
        place = _hole(t.runs + run)
        if place == RUN:
            run = head[0] = _run_claim(t, run)
            place = 0
    t.runs[run].node[place] = wish.node
    n.tick = wish.tick
    n.place = wish.place
    n.spot = (run << SPOT_BITS) + place
    s.count += 1
    t.armed += 1
    t.armings += 1
    if (wish.tick - m.best[side]) * (1 - 2 * side) > 0:
        m.best[side] = wish.tick


cdef inline int32_t _run_claim(Triggers* t, int32_t before) noexcept nogil:
    """An empty run to stand before a bucket's run `before`; _reserve() made room."""
    cdef int32_t run = t.free
    cdef int place
    if run == NIL:
        oc_check(t.run_count < t.runs_capacity)
        run = <int32_t>t.run_count
        t.run_count += 1
    else:
        t.free = t.runs[run].next
    t.runs[run].next = before
    t.runs[run].prev = NIL
    for place in range(RUN):
        t.runs[run].node[place] = NIL
    if before != NIL:
        t.runs[before].prev = run
    return run


cdef inline bint _run_empty(const TriggerRun* r) noexcept nogil:
    return (r.node[0] & r.node[1] & r.node[2] & r.node[3] & r.node[4] & r.node[5]) == NIL


cdef void triggers_disarm(Triggers* t, int32_t node) noexcept nogil:
    """Take the node's trigger out, exactly and in O(1); nothing happens if it has none.

    The side's best tick stays: too near is safe, and the next walk there mends it."""
    cdef TriggerNode* n
    cdef TriggerRun* r
    cdef TriggerSide* s
    if not triggers_armed(t, node):
        return
    n = t.nodes + node
    r = t.runs + (n.spot >> SPOT_BITS)
    s = &t.markets[n.place >> 1].side[n.place & 1]
    oc_check(r.node[n.spot & SPOT_MASK] == node)
    r.node[n.spot & SPOT_MASK] = NIL
    s.count -= 1
    t.armed -= 1
    if _run_empty(r):
        _run_leave(t, n)
    n.place = NIL


cdef void triggers_disarm_many(Triggers* t, const int32_t* nodes, int64_t count) noexcept nogil:
    cdef int64_t i
    for i in range(count):
        triggers_disarm(t, nodes[i])


cdef void _run_leave(Triggers* t, const TriggerNode* n) noexcept nogil:
    """Take the run that lost its last node, `n`, out of its bucket."""
    cdef int32_t run = n.spot >> SPOT_BITS
    cdef int32_t following = t.runs[run].next
    cdef int32_t before = t.runs[run].prev
    cdef const TriggerMarket* m
    cdef TriggerSide* s
    cdef int side = n.place & 1
    cdef int64_t key
    if following != NIL:
        t.runs[following].prev = before
    if before != NIL:
        t.runs[before].next = following
    else:
        m = t.markets + (n.place >> 1)
        s = &t.markets[n.place >> 1].side[side]
        key = triggers_key(m, side, n.tick)
        s.heads[ladder_row(&s.ladder, key)] = following
        if following == NIL:
            ladder_clear(&s.ladder, key)
    t.runs[run].next = t.free
    t.free = run


cdef int triggers_fire_crossed(Triggers* t, int32_t market, Tick price,
                               int64_t most) except -1 nogil:
    """The slow half of triggers_fire(): O(nodes fired + buckets passed), and one bucket more
    where buckets are wider than a tick."""
    cdef TriggerMarket* m = t.markets + market
    cdef int64_t count = m.side[FALLS].count + m.side[RISES].count
    oc_check(0 <= market < t.market_count)
    oc_check(0 <= price <= TICK_MAX)
    # The price's own bucket is judged as a whole, where it is wider than a tick.
    if m.shift == 0 and count > most:
        count = most
    t.fired = <int32_t*>slab_grow(t.fired, &t.fired_capacity, t.fired_count + count + RUN,
                                  sizeof(int32_t))
    most += t.fired_count
    if price <= m.best[FALLS]:
        _fire_side(t, m, FALLS, price, most)
    if price >= m.best[RISES]:
        _fire_side(t, m, RISES, price, most)
    return price <= m.best[FALLS] or price >= m.best[RISES]


cdef void _fire_side(Triggers* t, TriggerMarket* m, int side, Tick price,
                     int64_t most) noexcept nogil:
    """Walk the side's buckets from its best tick to the price, and set the best tick anew.

    Where `fired` has `most` nodes before the end, the best tick stays: the rest still fires."""
    cdef TriggerSide* s = &m.side[side]
    cdef int64_t boundary = triggers_key(m, side, price)
    # A bucket of one tick that holds the price itself fires as a whole.
    cdef int64_t end = boundary + (m.shift == 0 and price < m.cap)
    cdef int64_t key = ladder_above(&s.ladder, triggers_key(m, side, m.best[side]) - 1)
    cdef Tick best = NIL
    while key != NIL and key < end:
        if not _drain(t, s, key, most):
            return
        key = ladder_above(&s.ladder, key)
    if key != NIL and key == boundary:
        best = _fire_boundary(t, m, side, price)
        if best == NIL:
            key = ladder_above(&s.ladder, key)
    if best == NIL:
        best = _edge(m, side, key)
    m.best[side] = best


cdef bint _drain(Triggers* t, TriggerSide* s, int64_t key, int64_t most) noexcept nogil:
    """Fire a bucket from its first run on, until it is empty (True) or `fired` has `most`."""
    cdef int64_t i = ladder_row(&s.ladder, key)
    cdef int64_t before = t.fired_count
    cdef int64_t count = before
    cdef int32_t run = s.heads[i]
    cdef int32_t node, following
    cdef int place
    while run != NIL and count + RUN <= most:
        oc_check(count + RUN <= t.fired_capacity)
        following = t.runs[run].next
        for place in range(RUN):
            node = t.runs[run].node[place]
            if node != NIL:
                t.fired[count] = node
                t.nodes[node].place = NIL
                count += 1
        t.runs[run].next = t.free
        t.free = run
        run = following
    s.heads[i] = run
    t.fired_count = count
    s.count -= count - before
    t.armed -= count - before
    if run != NIL:
        t.runs[run].prev = NIL
        if count > before:
            t.scout = run
            oc_prefetch(&t.runs[run])
        return False
    ladder_clear(&s.ladder, key)
    return True


cdef Tick _fire_boundary(Triggers* t, TriggerMarket* m, int side, Tick price) noexcept nogil:
    """Fire what the price reaches in its own bucket; the nearest tick that stays, or NIL."""
    cdef TriggerSide* s = &m.side[side]
    cdef int64_t sign = 1 - 2 * side
    cdef int32_t run = s.heads[ladder_row(&s.ladder, triggers_key(m, side, price))]
    cdef int64_t i = t.fired_count
    cdef int32_t node
    cdef int place
    cdef Tick tick
    cdef Tick best = NIL
    while run != NIL:
        for place in range(RUN):
            node = t.runs[run].node[place]
            if node == NIL:
                continue
            tick = t.nodes[node].tick
            if (tick - price) * sign >= 0:
                oc_check(t.fired_count < t.fired_capacity)
                t.fired[t.fired_count] = node
                t.fired_count += 1
            elif best == NIL or (tick - best) * sign > 0:
                best = tick
        run = t.runs[run].next
    # Only now: the run of the last one goes.
    for i in range(i, t.fired_count):
        triggers_disarm(t, t.fired[i])
    return best


cdef Tick _edge(const TriggerMarket* m, int side, int64_t key) noexcept nogil:
    """The tick of bucket `key` that fires first; no walk of its nodes, so it may be too near."""
    if key == NIL:
        return _never(side)
    # Never a side's first bucket: a walk either empties it or judges it node by node.
    oc_check(key > 1)
    if side == RISES:
        return (key - 1) << m.shift
    return ((m.keys - key + 1) << m.shift) - 1


cdef int triggers_nearest(Triggers* t, int32_t market, int side, int64_t n) except -1 nogil:
    """List in `near` the `n` nodes that fire first, ties by node; return how many there are.

    O(nodes of the buckets looked at · n): for a handful, as a picture or a peek needs them."""
    cdef TriggerSide* s = &t.markets[market].side[side]
    cdef int64_t sign = 1 - 2 * side
    cdef int64_t key
    cdef int32_t run
    cdef int place
    oc_check(0 <= market < t.market_count)
    oc_check(n >= 0)
    t.near_count = 0
    if n > s.count:
        n = s.count
    t.near = <int32_t*>slab_grow(t.near, &t.near_capacity, n + 1, sizeof(int32_t))
    key = ladder_above(&s.ladder, 0)
    while key != NIL and t.near_count < n:
        run = s.heads[ladder_row(&s.ladder, key)]
        while run != NIL:
            for place in range(RUN):
                if t.runs[run].node[place] != NIL:
                    _insert_near(t, t.runs[run].node[place], sign, n)
            run = t.runs[run].next
        key = ladder_above(&s.ladder, key)
    return <int>t.near_count


cdef void _insert_near(Triggers* t, int32_t node, int64_t sign, int64_t n) noexcept nogil:
    """Insert into the sorted list and drop what is then the n + 1st."""
    cdef int64_t i = t.near_count
    cdef int32_t other
    cdef int64_t ahead      # > 0: `node` fires before `other`
    while i > 0:
        other = t.near[i - 1]
        ahead = (<int64_t>t.nodes[node].tick - t.nodes[other].tick) * sign
        if ahead < 0 or (ahead == 0 and other < node):
            break
        t.near[i] = other
        i -= 1
    t.near[i] = node
    if t.near_count < n:
        t.near_count += 1


cdef int triggers_check(const Triggers* t) noexcept nogil:
    """Walk everything. 1-6: see _check_side(); 7 the total; 8 a placed node in no bucket;
    9 a run that is neither in a bucket nor free."""
    cdef int64_t i, placed = 0, total = 0, runs = 0
    cdef int32_t run = t.free
    cdef int side, broken
    while run != NIL and runs <= t.run_count:
        runs += 1
        run = t.runs[run].next
    for i in range(t.market_count):
        for side in range(2):
            broken = _check_side(t, <int32_t>i, side, &runs)
            if broken:
                return broken
            total += t.markets[i].side[side].count
    if runs != t.run_count:
        return 9
    if total != t.armed:
        return 7
    for i in range(t.node_count):
        placed += t.nodes[i].place != NIL
    return 0 if placed == total else 8


cdef int _check_side(const Triggers* t, int32_t market, int side, int64_t* runs) noexcept nogil:
    """1 an occupied bucket without runs, 2 a foreign node or a wrong bucket, 3 a wrong link or an
    empty run, 4 a node nearer than the best tick, 5 a wrong count, 6 a run in an unoccupied
    bucket."""
    cdef const TriggerMarket* m = t.markets + market
    cdef const TriggerSide* s = &m.side[side]
    cdef int64_t key = ladder_above(&s.ladder, 0)
    cdef int64_t i, found = 0, buckets = 0
    cdef int32_t run, prev
    cdef int broken
    while key != NIL:
        run = s.heads[ladder_row(&s.ladder, key)]
        prev = NIL
        if run == NIL:
            return 1
        buckets += 1
        while run != NIL:
            if t.runs[run].prev != prev or _run_empty(t.runs + run) or runs[0] > t.run_count:
                return 3
            broken = _check_run(t, run, 2 * market + side, key, &found)
            if broken:
                return broken
            runs[0] += 1
            prev = run
            run = t.runs[run].next
        key = ladder_above(&s.ladder, key)
    if found != s.count:
        return 5
    for i in range(s.ladder.slots << PAGE_BITS):
        buckets -= s.heads[i] != NIL
    return 0 if buckets == 0 else 6


cdef int _check_run(const Triggers* t, int32_t run, int32_t place, int64_t key,
                    int64_t* found) noexcept nogil:
    """The nodes of one run, for _check_side()."""
    cdef const TriggerMarket* m = t.markets + (place >> 1)
    cdef int side = place & 1
    cdef const TriggerNode* n
    cdef int i
    for i in range(RUN):
        if t.runs[run].node[i] == NIL:
            continue
        n = t.nodes + t.runs[run].node[i]
        if n.place != place or triggers_key(m, side, n.tick) != key:
            return 2
        if n.spot != (run << SPOT_BITS) + i:
            return 3
        if (n.tick - m.best[side]) * (1 - 2 * side) > 0:
            return 4
        found[0] += 1
    return 0


cdef int64_t triggers_memory(const Triggers* t) noexcept nogil:
    """Bytes allocated."""
    cdef int64_t total = t.markets_capacity * <int64_t>sizeof(TriggerMarket)
    cdef const TriggerSide* s
    cdef int64_t i
    cdef int side
    total += t.nodes_capacity * <int64_t>sizeof(TriggerNode)
    total += t.runs_capacity * <int64_t>sizeof(TriggerRun)
    total += (t.fired_capacity + t.near_capacity) * <int64_t>sizeof(int32_t)
    for i in range(t.market_count):
        for side in range(2):
            s = &t.markets[i].side[side]
            total += s.heads_capacity * <int64_t>sizeof(int32_t)
            total += s.ladder.capacity * PAGE_WORDS * 8 + s.ladder.top_words * 8
            total += s.ladder.pages * <int64_t>sizeof(int32_t)
    return total


cdef int32_t _node(value) except -1:
    return <int32_t>within(value, "node", "an int", 0, (1 << NODE_BITS) - 1)


cdef class TriggerIndex:
    """Armed nodes by market, side and tick.

    >>> index = TriggerIndex([1000])
    >>> index.arm(7, 0, 0, 95)          # node 7 fires when market 0 falls to 95
    >>> index.fire(0, 96).tolist(), index.fire(0, 94).tolist()
    ([], [7])
    """

    def __cinit__(self, price_max):
        """Open one market for each price bound."""
        bounds = [within(bound, "price_max", "an int", 1, TICK_MAX) for bound in price_max]
        triggers_init(&self.t, len(bounds))
        for bound in bounds:
            triggers_add_market(&self.t, bound)

    def __dealloc__(self):
        triggers_free(&self.t)

    def __len__(self):
        return self.t.armed

    def __repr__(self):
        return f"<TriggerIndex: {self.t.armed} armed in {self.t.market_count} markets>"

    def __reduce__(self):
        raise TypeError("TriggerIndex is derived state and cannot be pickled or deep-copied; "
                        "arm a new one, or use copy()")

    def __copy__(self):
        return self.copy()

    @property
    def memory(self):
        """The bytes that the index has allocated."""
        return triggers_memory(&self.t)

    def arm(self, node, market, side, tick):
        """Arm `node` at `tick`: side 0 fires when the price falls there, 1 when it rises there.
        A trigger that the node has already is replaced."""
        cdef int32_t n = _node(node)
        cdef int32_t m = self._market(market)
        cdef int s = within(side, "side", "an int", FALLS, RISES)
        triggers_arm(&self.t, n, m, s, within(tick, "tick", "an int", 0, TICK_MAX))

    def disarm(self, node):
        """Take the node's trigger out; nothing happens if it has none."""
        triggers_disarm(&self.t, _node(node))

    def fire(self, market, price):
        """Return, as a read-only array in no promised order, every node of the market that
        fires at `price`. They are armed no more."""
        cdef int32_t m = self._market(market)
        triggers_clear_fired(&self.t)
        triggers_fire(&self.t, m, within(price, "price", "an int", 0, TICK_MAX),
                      self.t.armed + RUN)
        return _int32_array(self.t.fired, self.t.fired_count)

    def nearest(self, market, side, n):
        """Return up to `n` nodes in the order in which they would fire, ties by node."""
        cdef int s = within(side, "side", "an int", FALLS, RISES)
        cdef int64_t most = within(n, "n", "an int", 0, 1 << NODE_BITS)
        triggers_nearest(&self.t, self._market(market), s, most)
        return _int32_array(self.t.near, self.t.near_count)

    def armed(self, node):
        """Return whether the node has a trigger."""
        return triggers_armed(&self.t, _node(node))

    def tick(self, node):
        """Return the tick at which the node is armed."""
        if not self.armed(node):
            raise InputError("node", node, "must be armed")
        return triggers_tick(&self.t, node)

    def copy(self):
        """Return an independent copy."""
        cdef TriggerIndex other = TriggerIndex(())
        triggers_free(&other.t)
        triggers_copy(&other.t, &self.t)
        return other

    def _check(self):
        """Raise InvariantError if a list, a bitmap, a count or a best tick is wrong. O(n)."""
        cdef int broken = triggers_check(&self.t)
        if broken:
            raise InvariantError("triggers_check", broken)

    cdef int32_t _market(self, market) except -1:
        if self.t.market_count == 0:
            raise InputError("market", market, "must be a market of the index, which has none")
        return <int32_t>within(market, "market", "an int", 0, self.t.market_count - 1)


cdef object _int32_array(const int32_t* rows, int64_t count):
    """A read-only array over a copy of the rows."""
    return np.frombuffer(PyBytes_FromStringAndSize(<const char*>rows, count * sizeof(int32_t)),
                         dtype=np.int32)
