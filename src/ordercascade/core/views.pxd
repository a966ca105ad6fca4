# Looking at a book without touching it. Every array is a copy, good for as long as it is kept.
from libc.stdint cimport int64_t
from ordercascade.core.desk cimport Desk
from ordercascade.core.naming cimport Names
from ordercascade.core.queues cimport Book
from ordercascade.core.units cimport Lot, Tick

ctypedef struct Walk:       # through the other side of a taker, from the best price on
    int side                # of the taker
    Tick price              # where it stands; beyond every limit at the end
    Lot left_here           # lots of this level that it has not taken yet
    Lot filled
    int64_t levels
    Tick best               # 0 = nothing filled
    Tick worst
    int64_t low             # notional as high << 62 | low: prices times lots pass 64 bits
    int64_t high

cdef object depth_array(const Book* b, int side, int64_t most, int64_t group, bint cumulative)
cdef object queue_array(const Book* b, const Names* n, int side, Tick price)
cdef object impact_array(const Book* b, const Desk* d, int side, object sizes)
cdef void walk_start(const Book* b, const Desk* d, int side, Walk* w) noexcept nogil
cdef void walk_on(const Book* b, const Desk* d, Lot size, Walk* w) noexcept nogil
cdef Lot lots_ahead(const Book* b, int64_t slot, int64_t* orders) noexcept nogil
