# Who must be looked at when a mark moves: per market and side, the armed nodes in firing order.
#
# The index stores and fires; it knows no scopes, no equity and no shares of slack. A node is a
# small handle of the caller with at most one trigger. Buckets are `1 << shift` ticks wide and
# numbered from 1 in the order in which they fire, so both sides are one walk upward; what shares
# the last bucket with the price is judged tick by tick, so width costs time and never exactness.
from libc.stdint cimport int32_t, int64_t
from ordercascade.core.ladder cimport Ladder
from ordercascade.core.units cimport Tick, smaller

cdef extern from *:
    """
    #ifndef OC_BUCKET_BITS
    #define OC_BUCKET_BITS 20   /* Less in the fuzzer's build, so that buckets are wide there. */
    #endif
    """
    enum:
        BUCKET_BITS "OC_BUCKET_BITS"    # a side never has more than 2**20 buckets

cdef enum:
    FALLS = 0               # a long's trigger: fires when price <= tick
    RISES = 1               # a short's trigger: fires when price >= tick

ctypedef struct TriggerNode:    # 16 bytes
    int32_t next            # towards the end of the bucket's list
    int32_t prev            # NIL at its head
    int32_t tick
    int32_t place           # 2 * market + side; NIL when not armed

ctypedef struct TriggerSide:
    Ladder ladder           # the occupied buckets
    int32_t* heads          # first node of each bucket of each page in use, else NIL
    int64_t heads_capacity
    int64_t count           # nodes armed here

ctypedef struct TriggerMarket:
    Tick best[2]            # no node of the side fires before the price is here; may lie too near
    Tick cap                # price_max + 1: the tick that stands for all ticks above price_max
    int64_t shift           # log2 of a bucket's ticks
    int64_t keys            # buckets a side
    TriggerSide side[2]

ctypedef struct Triggers:
    TriggerMarket* markets
    int64_t market_count
    int64_t markets_capacity
    TriggerNode* nodes
    int64_t nodes_capacity
    int64_t node_count      # handles ever seen: 0 .. node_count - 1
    int64_t armed
    int32_t* fired          # what triggers_fire() took out, in no promised order
    int64_t fired_count
    int64_t fired_capacity
    int32_t* near           # what triggers_nearest() found, nearest first
    int64_t near_count
    int64_t near_capacity

# A failed init, add or copy leaves a struct that triggers_free() accepts.
cdef int triggers_init(Triggers* t, int64_t markets) except -1 nogil
cdef void triggers_free(Triggers* t) noexcept nogil
cdef int triggers_copy(Triggers* to, const Triggers* t) except -1 nogil
cdef int triggers_add_market(Triggers* t, Tick price_max) except -1 nogil

# Commands; on MemoryError nothing has changed.
cdef int triggers_arm(Triggers* t, int32_t node, int32_t market, int side,
                      Tick tick) except -1 nogil
cdef void triggers_disarm(Triggers* t, int32_t node) noexcept nogil
cdef int triggers_fire_crossed(Triggers* t, int32_t market, Tick price) except -1 nogil
cdef int triggers_nearest(Triggers* t, int32_t market, int side, int64_t n) except -1 nogil

# Checks: 0, or the number of the broken invariant (see the body).
cdef int triggers_check(const Triggers* t) noexcept nogil
cdef int64_t triggers_memory(const Triggers* t) noexcept nogil


cdef inline int triggers_fire(Triggers* t, int32_t market, Tick price) except -1 nogil:
    """Move every node of the market that fires at `price` to `fired`. Quiet: two compares."""
    cdef const TriggerMarket* m = t.markets + market
    if price > m.best[FALLS] and price < m.best[RISES]:
        return 0
    return triggers_fire_crossed(t, market, price)


cdef inline void triggers_clear_fired(Triggers* t) noexcept nogil:
    t.fired_count = 0


cdef inline bint triggers_armed(const Triggers* t, int32_t node) noexcept nogil:
    return 0 <= node < t.node_count and t.nodes[node].place >= 0


cdef inline Tick triggers_tick(const Triggers* t, int32_t node) noexcept nogil:
    """The tick of an armed node."""
    return t.nodes[node].tick


cdef inline int64_t triggers_key(const TriggerMarket* m, int side, Tick tick) noexcept nogil:
    """The bucket of a tick, 1 .. keys in firing order: falling triggers from the top down."""
    cdef int64_t k = smaller(tick, m.cap) >> m.shift
    return k + 1 if side == RISES else m.keys - k


# The Python door.
cdef class TriggerIndex:
    cdef Triggers t
    cdef int32_t _market(self, market) except -1
