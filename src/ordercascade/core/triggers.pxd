# Who must be looked at when a mark moves: per market and side, the armed nodes in firing order.
#
# The index stores and fires; it knows no scopes, no equity and no shares of slack. A node is a
# small handle of the caller with at most one trigger. Buckets are `1 << shift` ticks wide and
# numbered from 1 in the order in which they fire, so both sides are one walk upward; what shares
# the last bucket with the price is judged tick by tick, so width costs time and never exactness.
#
# A bucket is a chain of runs of six nodes. In a list of single nodes each is found only when the
# one before has come from memory, which takes longer than judging it; and a node taken out of a run
# leaves a hole, so that no other node is touched. A run goes when its last node does.
from libc.stdint cimport int32_t, int64_t
from ordercascade.core.ladder cimport Ladder, ladder_find
from ordercascade.core.slab cimport NIL, oc_prefetch
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
    RUN = 6                 # nodes a run
    SPOT_BITS = 3           # a spot is (run << SPOT_BITS) + place in the run
    SPOT_MASK = 7

ctypedef struct TriggerNode:    # 12 bytes
    int32_t tick
    int32_t place           # 2 * market + side; NIL when not armed
    int32_t spot

ctypedef struct TriggerRun:     # 32 bytes
    int32_t next            # the bucket's next run, or the next free one; NIL
    int32_t prev            # NIL at the bucket's head
    int32_t node[RUN]       # NIL where there is a hole

ctypedef struct TriggerWish:    # a trigger to be set, see triggers_aim()
    int32_t row             # of its bucket's head; NIL where the page was never used
    int32_t node
    int32_t tick
    int32_t place

ctypedef struct TriggerSide:
    Ladder ladder           # the occupied buckets
    int32_t* heads          # first run of each bucket of each page in use, else NIL
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
    TriggerRun* runs
    int64_t runs_capacity
    int64_t run_count       # runs ever used
    int32_t free            # a run in no bucket; NIL
    int32_t scout           # a run that fires soon; a hint, see triggers_scout()
    int64_t armed
    int64_t armings         # counts what was ever armed; decides nothing
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
cdef int triggers_reserve(Triggers* t, int64_t nodes) except -1 nogil
cdef int triggers_arm_many(Triggers* t, const TriggerWish* wishes, int64_t count) except -1 nogil
cdef void triggers_disarm(Triggers* t, int32_t node) noexcept nogil
cdef void triggers_disarm_many(Triggers* t, const int32_t* nodes, int64_t count) noexcept nogil
cdef int triggers_fire_crossed(Triggers* t, int32_t market, Tick price,
                               int64_t most) except -1 nogil
cdef int triggers_nearest(Triggers* t, int32_t market, int side, int64_t n) except -1 nogil

# Checks: 0, or the number of the broken invariant (see the body).
cdef int triggers_check(const Triggers* t) noexcept nogil
cdef int64_t triggers_memory(const Triggers* t) noexcept nogil


cdef inline int triggers_fire(Triggers* t, int32_t market, Tick price,
                              int64_t most) except -1 nogil:
    """Move nodes of the market that fire at `price` to `fired`: about `most` of them, and 1 if
    there may be more, else 0. Quiet: two compares."""
    cdef const TriggerMarket* m = t.markets + market
    if price > m.best[FALLS] and price < m.best[RISES]:
        return 0
    return triggers_fire_crossed(t, market, price, most)


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


cdef inline void triggers_aim(const Triggers* t, TriggerWish* wish, int32_t node, int32_t market,
                              int side, Tick tick) noexcept nogil:
    """Say where a node is to be armed, for triggers_arm_many(); the memory is asked for it."""
    cdef const TriggerMarket* m = t.markets + market
    cdef const TriggerSide* s = &m.side[side]
    wish.row = <int32_t>ladder_find(&s.ladder, triggers_key(m, side, tick))
    wish.node = node
    wish.tick = <int32_t>tick
    wish.place = 2 * market + side
    if wish.row != NIL:
        oc_prefetch(&s.heads[wish.row])


cdef inline void triggers_scout(Triggers* t) noexcept nogil:
    """Ask for one run more of the chain that is being fired: only a run knows the next."""
    if t.scout != NIL:
        t.scout = t.runs[t.scout].next
        if t.scout != NIL:
            oc_prefetch(&t.runs[t.scout])


# The Python door.
cdef class TriggerIndex:
    cdef Triggers t
    cdef int32_t _market(self, market) except -1
