# Circuit breakers of a venue as plain memory: where each market's valve stands, and what waits.
#
# A venue without breakers has no Brakes: `State.brakes` is NULL and nothing here is on its way.
# What the valves do: core/halting.*; what the breakers decide: mechanisms/breakers.*.
from libc.stdint cimport int8_t, int32_t, int64_t
from libc.string cimport memset
from cpython.mem cimport PyMem_RawCalloc, PyMem_RawFree
from ordercascade.core.digest cimport Digest, digest_word
from ordercascade.core.slab cimport slab_copy, slab_grow
from ordercascade.core.units cimport Lot, Ppm, Tick, TimeNs

cdef enum:
    BREAKERS_MAX = 16       # of one venue

cdef enum:                  # Valve.phase
    OPEN_VALVE = 0
    HALTED = 1
    CALLING = 2             # reopens in this round: what is forced goes into one auction
    DRIPPING = 3            # reopened, in slices

cdef enum:                  # Valve.cut: who held a forced order back, and so who lets it go
    CUT_HALT = 1            # a halt or a slice: when the market reopens, or with the next slice
    CUT_BAND = 2            # the band, or nobody inside it: when the band moves

ctypedef struct Waiting:    # an outside order that a halt holds back
    int32_t market
    int8_t side
    Lot size
    Tick limit              # 0: any price

ctypedef struct Valve:      # one market
    int8_t phase
    int8_t action           # of the round's verdict: ALLOW, HOLD, STOP
    int8_t everybody
    int8_t release
    int8_t cut              # CUT_HALT | CUT_BAND: held back a forced order, not let go yet
    int8_t fresh            # nothing was held back yet in this round
    Tick low
    Tick high
    TimeNs until_ns         # HALTED: when it is asked again
    int64_t step            # its latest HALT or RESUME; NIL
    Ppm drip_ppm
    TimeNs drip_ns
    TimeNs slice_ns         # DRIPPING: when the next slice begins
    Lot slice               # DRIPPING: lots that may still go in this one
    Lot size                # ... of each slice
    Lot back                # lots held back in the latest round that held any
    int64_t due             # waiting outside orders to be tried again in this round

ctypedef struct Brakes:
    void* breakers[16]      # borrowed CircuitBreakers; the venue object owns them
    int64_t breaker_count
    int64_t cursor          # market whose valve is next in this round
    Valve* valves           # by market
    int64_t valve_count
    int64_t valve_capacity
    Waiting* waiting        # by time
    int64_t waiting_count
    int64_t waiting_capacity


cdef inline Brakes* brakes_new() except NULL nogil:
    cdef Brakes* b = <Brakes*>PyMem_RawCalloc(1, sizeof(Brakes))
    if b == NULL:
        with gil:
            raise MemoryError()
    return b


cdef inline void brakes_free(void* brakes) noexcept nogil:
    cdef Brakes* b = <Brakes*>brakes
    if b != NULL:
        PyMem_RawFree(b.valves)
        PyMem_RawFree(b.waiting)
        PyMem_RawFree(b)


cdef inline int brakes_copy(void** to, const void* brakes) except -1 nogil:
    """Copy all but the breakers themselves, which their owner clones; NULL stays NULL."""
    cdef const Brakes* b = <const Brakes*>brakes
    cdef Brakes* made
    if b == NULL:
        to[0] = NULL
        return 0
    made = brakes_new()
    to[0] = made
    made[0] = b[0]
    made.valves = NULL
    made.waiting = NULL
    made.valves = <Valve*>slab_copy(b.valves, b.valve_capacity, sizeof(Valve))
    made.waiting = <Waiting*>slab_copy(b.waiting, b.waiting_capacity, sizeof(Waiting))
    return 0


cdef inline int brakes_reserve(Brakes* b, int64_t markets) except -1 nogil:
    cdef int64_t i
    b.valves = <Valve*>slab_grow(b.valves, &b.valve_capacity, markets, sizeof(Valve))
    for i in range(b.valve_count, markets):
        memset(&b.valves[i], 0, sizeof(Valve))
        b.valves[i].step = -1
    b.valve_count = markets
    return 0


cdef inline void brakes_digest(const Brakes* b, Digest* d) noexcept nogil:
    cdef int64_t i
    cdef const Valve* g
    digest_word(d, b.breaker_count)
    digest_word(d, b.cursor)
    for i in range(b.valve_count):
        g = &b.valves[i]
        digest_word(d, (<int64_t>g.phase << 32) | (<int64_t>g.action << 24) | (g.everybody << 16)
                    | (g.release << 8) | (g.fresh << 4) | g.cut)
        digest_word(d, g.low)
        digest_word(d, g.high)
        digest_word(d, g.until_ns)
        digest_word(d, g.step)
        digest_word(d, g.drip_ppm)
        digest_word(d, g.drip_ns)
        digest_word(d, g.slice_ns)
        digest_word(d, g.slice)
        digest_word(d, g.size)
        digest_word(d, g.back)
        digest_word(d, g.due)
    digest_word(d, b.waiting_count)
    for i in range(b.waiting_count):
        digest_word(d, (<int64_t>b.waiting[i].market << 8) | b.waiting[i].side)
        digest_word(d, b.waiting[i].size)
        digest_word(d, b.waiting[i].limit)
