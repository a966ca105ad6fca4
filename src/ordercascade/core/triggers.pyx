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
    ladder_free, ladder_init, ladder_page, ladder_row, ladder_set)
from ordercascade.core.slab cimport NIL, slab_copy, slab_grow
from ordercascade.core.units cimport TICK_MAX, Tick

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
    PyMem_RawFree(t.fired)
    PyMem_RawFree(t.near)
    memset(t, 0, sizeof(Triggers))


cdef int triggers_copy(Triggers* to, const Triggers* t) except -1 nogil:
    """Make `to`, which holds nothing, an independent copy; results of fire are copied too."""
    cdef const TriggerMarket* m
    memset(to, 0, sizeof(Triggers))
    to.markets = <TriggerMarket*>slab_grow(NULL, &to.markets_capacity, t.market_count,
                                           sizeof(TriggerMarket))
    while to.market_count < t.market_count:
        m = t.markets + to.market_count
        to.market_count += 1        # Counted first: a half-made market must be freed as well.
        _copy_market(to.markets + to.market_count - 1, m)
    to.nodes = <TriggerNode*>slab_copy(t.nodes, t.nodes_capacity, sizeof(TriggerNode))
    to.nodes_capacity = t.nodes_capacity
    to.node_count = t.node_count
    to.armed = t.armed
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
    cdef int64_t key, i
    oc_check(0 <= market < t.market_count)
    oc_check(0 <= tick <= TICK_MAX)
    key = triggers_key(m, side, tick)
    _reserve(t, s, node, key)
    triggers_disarm(t, node)
    i = ladder_row(&s.ladder, key)
    t.nodes[node].tick = <int32_t>tick
    t.nodes[node].place = 2 * market + side
    t.nodes[node].prev = NIL
    t.nodes[node].next = s.heads[i]
    if s.heads[i] == NIL:
        ladder_set(&s.ladder, key)
    else:
        t.nodes[s.heads[i]].prev = node
    s.heads[i] = node
    s.count += 1
    t.armed += 1
    if (tick - m.best[side]) * (1 - 2 * side) > 0:
        m.best[side] = tick
    return 0


cdef int _reserve(Triggers* t, TriggerSide* s, int32_t node, int64_t key) except -1 nogil:
    """Make the rows that arming `node` in bucket `key` needs, and change nothing else."""
    cdef int64_t slots = s.ladder.slots
    oc_check(0 <= node < 1 << NODE_BITS)
    if node >= t.node_count:
        t.nodes = <TriggerNode*>slab_grow(t.nodes, &t.nodes_capacity, node + 1,
                                          sizeof(TriggerNode))
        while t.node_count <= node:
            t.nodes[t.node_count].place = NIL
            t.node_count += 1
    if ladder_find(&s.ladder, key) == NIL:
        s.heads = <int32_t*>slab_grow(s.heads, &s.heads_capacity, (slots + 1) << PAGE_BITS,
                                      sizeof(int32_t))
        memset(s.heads + (slots << PAGE_BITS), 0xFF, PAGE * sizeof(int32_t))    # All NIL.
        ladder_page(&s.ladder, key)
    return 0


cdef void triggers_disarm(Triggers* t, int32_t node) noexcept nogil:
    """Take the node's trigger out, exactly and in O(1); nothing happens if it has none.

    The side's best tick stays: too near is safe, and the next walk there mends it."""
    cdef TriggerMarket* m
    cdef int side
    if not triggers_armed(t, node):
        return
    m = t.markets + (t.nodes[node].place >> 1)
    side = t.nodes[node].place & 1
    _unlink(t, &m.side[side], node, triggers_key(m, side, t.nodes[node].tick))


cdef void _unlink(Triggers* t, TriggerSide* s, int32_t node, int64_t key) noexcept nogil:
    cdef TriggerNode* n = t.nodes + node
    cdef int64_t i = ladder_row(&s.ladder, key)
    if n.next != NIL:
        oc_check(t.nodes[n.next].prev == node)
        t.nodes[n.next].prev = n.prev
    if n.prev != NIL:
        oc_check(t.nodes[n.prev].next == node)
        t.nodes[n.prev].next = n.next
    else:
        oc_check(s.heads[i] == node)
        s.heads[i] = n.next
        if n.next == NIL:
            ladder_clear(&s.ladder, key)
    n.place = NIL
    s.count -= 1
    t.armed -= 1


cdef int triggers_fire_crossed(Triggers* t, int32_t market, Tick price) except -1 nogil:
    """The slow half of triggers_fire(): O(nodes fired + buckets passed), and one bucket more
    where buckets are wider than a tick. Return how many fired."""
    cdef TriggerMarket* m = t.markets + market
    cdef int64_t before = t.fired_count
    oc_check(0 <= market < t.market_count)
    oc_check(0 <= price <= TICK_MAX)
    t.fired = <int32_t*>slab_grow(
        t.fired, &t.fired_capacity, before + m.side[FALLS].count + m.side[RISES].count,
        sizeof(int32_t))
    if price <= m.best[FALLS]:
        _fire_side(t, m, FALLS, price)
    if price >= m.best[RISES]:
        _fire_side(t, m, RISES, price)
    return <int>(t.fired_count - before)


cdef void _fire_side(Triggers* t, TriggerMarket* m, int side, Tick price) noexcept nogil:
    """Walk the side's buckets from its best tick to the price, and set the best tick anew."""
    cdef TriggerSide* s = &m.side[side]
    cdef int64_t boundary = triggers_key(m, side, price)
    # A bucket of one tick that holds the price itself fires as a whole.
    cdef int64_t end = boundary + (m.shift == 0 and price < m.cap)
    cdef int64_t key = ladder_above(&s.ladder, triggers_key(m, side, m.best[side]) - 1)
    cdef Tick best = NIL
    while key != NIL and key < end:
        _drain(t, s, key)
        key = ladder_above(&s.ladder, key)
    if key != NIL and key == boundary:
        best = _fire_boundary(t, m, side, price)
        if best == NIL:
            key = ladder_above(&s.ladder, key)
    if best == NIL:
        best = _edge(m, side, key)
    m.best[side] = best


cdef void _drain(Triggers* t, TriggerSide* s, int64_t key) noexcept nogil:
    """Fire a whole bucket; no neighbour needs to be mended."""
    cdef int64_t i = ladder_row(&s.ladder, key)
    cdef int64_t before = t.fired_count
    cdef int64_t count = before
    cdef int32_t node = s.heads[i]
    while node != NIL:
        oc_check(count < t.fired_capacity)
        t.fired[count] = node
        count += 1
        t.nodes[node].place = NIL
        node = t.nodes[node].next
    s.heads[i] = NIL
    ladder_clear(&s.ladder, key)
    t.fired_count = count
    s.count -= count - before
    t.armed -= count - before


cdef Tick _fire_boundary(Triggers* t, TriggerMarket* m, int side, Tick price) noexcept nogil:
    """Fire what the price reaches in its own bucket; the nearest tick that stays, or NIL."""
    cdef TriggerSide* s = &m.side[side]
    cdef int64_t key = triggers_key(m, side, price)
    cdef int64_t sign = 1 - 2 * side
    cdef int32_t node = s.heads[ladder_row(&s.ladder, key)]
    cdef int32_t following
    cdef Tick tick
    cdef Tick best = NIL
    while node != NIL:
        following = t.nodes[node].next
        tick = t.nodes[node].tick
        if (tick - price) * sign >= 0:
            _unlink(t, s, node, key)
            t.fired[t.fired_count] = node
            t.fired_count += 1
        elif best == NIL or (tick - best) * sign > 0:
            best = tick
        node = following
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
    cdef int32_t node
    oc_check(0 <= market < t.market_count)
    oc_check(n >= 0)
    t.near_count = 0
    if n > s.count:
        n = s.count
    t.near = <int32_t*>slab_grow(t.near, &t.near_capacity, n + 1, sizeof(int32_t))
    key = ladder_above(&s.ladder, 0)
    while key != NIL and t.near_count < n:
        node = s.heads[ladder_row(&s.ladder, key)]
        while node != NIL:
            _insert_near(t, node, sign, n)
            node = t.nodes[node].next
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
    """Walk everything. 1-6: see _check_side(); 7 the total; 8 a placed node in no list."""
    cdef int64_t i, placed = 0, total = 0
    cdef int side, broken
    for i in range(t.market_count):
        for side in range(2):
            broken = _check_side(t, <int32_t>i, side)
            if broken:
                return broken
            total += t.markets[i].side[side].count
    if total != t.armed:
        return 7
    for i in range(t.node_count):
        placed += t.nodes[i].place != NIL
    return 0 if placed == total else 8


cdef int _check_side(const Triggers* t, int32_t market, int side) noexcept nogil:
    """1 an occupied bucket without nodes, 2 a foreign node or a wrong bucket, 3 a wrong link,
    4 a node nearer than the best tick, 5 a wrong count, 6 nodes in an unoccupied bucket."""
    cdef const TriggerMarket* m = t.markets + market
    cdef const TriggerSide* s = &m.side[side]
    cdef int64_t key = ladder_above(&s.ladder, 0)
    cdef int64_t i, found = 0, buckets = 0
    cdef int32_t node, prev
    while key != NIL:
        node = s.heads[ladder_row(&s.ladder, key)]
        prev = NIL
        if node == NIL:
            return 1
        buckets += 1
        while node != NIL:
            if t.nodes[node].place != 2 * market + side:
                return 2
            if triggers_key(m, side, t.nodes[node].tick) != key:
                return 2
            if t.nodes[node].prev != prev:
                return 3
            if (t.nodes[node].tick - m.best[side]) * (1 - 2 * side) > 0:
                return 4
            found += 1
            prev = node
            node = t.nodes[node].next
        key = ladder_above(&s.ladder, key)
    if found != s.count:
        return 5
    for i in range(s.ladder.slots << PAGE_BITS):
        buckets -= s.heads[i] != NIL
    return 0 if buckets == 0 else 6


cdef int64_t triggers_memory(const Triggers* t) noexcept nogil:
    """Bytes allocated."""
    cdef int64_t total = t.markets_capacity * <int64_t>sizeof(TriggerMarket)
    cdef const TriggerSide* s
    cdef int64_t i
    cdef int side
    total += t.nodes_capacity * <int64_t>sizeof(TriggerNode)
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
        triggers_fire(&self.t, m, within(price, "price", "an int", 0, TICK_MAX))
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
