# Options of a venue and the scenarios of its portfolio margin: the memory of core/options and
# core/portfolio. A venue without either has no such block (State.grids is NULL). ADR 22, 23.
from libc.stdint cimport int8_t, int32_t, int64_t
from cpython.mem cimport PyMem_RawCalloc, PyMem_RawFree
from ordercascade.core.digest cimport Digest, digest_word
from ordercascade.core.slab cimport NIL, slab_copy
from ordercascade.core.state cimport Need, State
from ordercascade.core.units cimport Cash, Ppm, Tick, TimeNs, smaller
from ordercascade.mechanisms.options cimport Terms

cdef enum:
    ROWS_MAX = 96           # scenarios of a grid
    GRIDS_MAX = 16          # underlyings of a venue
    VOL_DOWN = -1
    VOL_SAME = 0
    VOL_UP = 1

ctypedef struct Seen:       # an option's prices in all scenarios, as last worked out; not state
    Tick spot
    Tick reference
    Ppm vol_ppm
    TimeNs left
    Tick prices[96]

ctypedef struct Contract:   # of a market
    int8_t known            # 1: an option, ...
    int32_t group           # 1 + the grid that it is margined by; 0: plain margin
    int32_t market          # ... on the mark of this market
    Terms terms
    TimeNs expires_ns
    Ppm vol_ppm             # as it is now ...
    Ppm stood_ppm           # ... and as it stands in this round

ctypedef struct Row:        # one scenario
    Ppm move_ppm            # of the reference's mark
    Ppm counted_ppm         # of the gain or loss there
    int8_t vol              # VOL_DOWN, VOL_SAME, VOL_UP

ctypedef struct Grid:       # one underlying
    int32_t reference       # the market whose mark is moved
    int32_t row_count
    Row rows[96]
    Ppm up_ppm              # volatility up by this, times its term's factor ...
    Ppm down_ppm            # ... and down
    Ppm power_short_ppm     # exponent of the factor below 30 days ...
    Ppm power_long_ppm      # ... and from there
    Ppm floor_ppm           # least volatility after the shock up
    Ppm short_ppm           # a short option costs at least this, of its underlying's value
    Ppm contingency_ppm     # of a future's value
    Ppm option_ppm          # of the underlying's value of a short option
    Ppm concentration_ppm   # of the value held beyond ...
    Cash concentration_from

ctypedef struct Offset:     # between two underlyings that lose in opposite directions
    int32_t first
    int32_t second
    Ppm credit_ppm

ctypedef struct Grids:
    Need maintenance        # core/state.pxd: Asked
    Contract* contracts     # by market
    int64_t contract_capacity
    Seen* seen              # two a market: on the standing marks, on the peeks
    int64_t seen_capacity
    int64_t grid_count
    Grid* grids
    int64_t grid_capacity
    int64_t offset_count
    Offset* offsets
    int64_t offset_capacity
    Ppm maintenance_ppm     # of initial margin
    TimeNs marked_ns        # when the standing marks of options were worked out
    TimeNs peeked_ns


cdef inline Grids* grids_new() except NULL nogil:
    cdef Grids* g = <Grids*>PyMem_RawCalloc(1, sizeof(Grids))
    if g == NULL:
        with gil:
            raise MemoryError()
    return g


cdef inline void grids_free(void* grids) noexcept nogil:
    cdef Grids* g = <Grids*>grids
    if g != NULL:
        PyMem_RawFree(g.contracts)
        PyMem_RawFree(g.seen)
        PyMem_RawFree(g.grids)
        PyMem_RawFree(g.offsets)
        PyMem_RawFree(g)


cdef inline int grids_copy(void** to, const void* grids) except -1 nogil:
    cdef const Grids* g = <const Grids*>grids
    cdef Grids* made
    if g == NULL:
        to[0] = NULL
        return 0
    made = grids_new()
    to[0] = made
    made[0] = g[0]
    made.contracts = NULL
    made.seen = NULL
    made.grids = NULL
    made.offsets = NULL
    made.contracts = <Contract*>slab_copy(g.contracts, g.contract_capacity, sizeof(Contract))
    made.seen = <Seen*>slab_copy(g.seen, g.seen_capacity, sizeof(Seen))
    if g.grids != NULL:
        made.grids = <Grid*>slab_copy(g.grids, g.grid_capacity, sizeof(Grid))
    if g.offsets != NULL:
        made.offsets = <Offset*>slab_copy(g.offsets, g.offset_capacity, sizeof(Offset))
    return 0


cdef inline bint is_option(const State* s, int64_t market) noexcept nogil:
    """The market has no book: its lots are options."""
    cdef const Grids* g = <const Grids*>s.grids
    return g != NULL and market < g.contract_capacity and g.contracts[market].known


cdef inline int32_t grid_of(const State* s, int64_t market) noexcept nogil:
    """The underlying by whose scenarios a market's lots are margined; NIL: none."""
    cdef const Grids* g = <const Grids*>s.grids
    if g == NULL or market >= g.contract_capacity:
        return NIL
    return g.contracts[market].group - 1


cdef inline int32_t priced_by(const State* s, int32_t market) noexcept nogil:
    """The market whose price decides what lots are worth: an option's underlying, or itself."""
    return (<const Grids*>s.grids).contracts[market].market if is_option(s, market) else market


cdef inline void _row_digest(const Grid* grid, Digest* d) noexcept nogil:
    cdef int32_t i
    digest_word(d, grid.reference)
    digest_word(d, grid.row_count)
    for i in range(grid.row_count):
        digest_word(d, grid.rows[i].move_ppm)
        digest_word(d, grid.rows[i].counted_ppm)
        digest_word(d, grid.rows[i].vol)
    digest_word(d, grid.up_ppm)
    digest_word(d, grid.down_ppm)
    digest_word(d, grid.power_short_ppm)
    digest_word(d, grid.power_long_ppm)
    digest_word(d, grid.floor_ppm)
    digest_word(d, grid.short_ppm)
    digest_word(d, grid.contingency_ppm)
    digest_word(d, grid.option_ppm)
    digest_word(d, grid.concentration_ppm)
    digest_word(d, grid.concentration_from)


cdef inline void grids_digest(const State* s, Digest* d) noexcept nogil:
    cdef const Grids* g = <const Grids*>s.grids
    cdef const Contract* c
    cdef int64_t i
    if g == NULL:
        return
    for i in range(smaller(s.market_count, g.contract_capacity)):
        c = &g.contracts[i]
        digest_word(d, (<int64_t>c.group << 8) | c.known)
        digest_word(d, (<int64_t>c.market << 16) | (c.terms.kind << 8) | c.terms.coin)
        digest_word(d, c.terms.per)
        digest_word(d, c.terms.of)
        digest_word(d, c.terms.strike)
        digest_word(d, c.terms.rate_ppm)
        digest_word(d, c.expires_ns)
        digest_word(d, c.vol_ppm)
        digest_word(d, c.stood_ppm)
    digest_word(d, g.grid_count)
    for i in range(g.grid_count):
        _row_digest(&g.grids[i], d)
    digest_word(d, g.offset_count)
    for i in range(g.offset_count):
        digest_word(d, g.offsets[i].first)
        digest_word(d, g.offsets[i].second)
        digest_word(d, g.offsets[i].credit_ppm)
    digest_word(d, g.maintenance_ppm)
    digest_word(d, g.marked_ns)
    digest_word(d, g.peeked_ns)
