# A recorded book of price levels: the size at a price is set, not traded.
#
# Each side has a ladder of its own: a feed may be crossed for a moment, and its book must not
# break over it. Arguments of the C functions are validated by the caller.
from libc.stdint cimport int64_t
from ordercascade.core.ladder cimport Ladder
from ordercascade.core.units cimport Lot, Tick

ctypedef struct LevelSide:
    Ladder ladder
    Lot* sizes              # one a tick of a used page, 0 = empty
    int64_t capacity        # rows allocated in `sizes`
    int64_t count           # occupied levels
    Tick best               # meaningful while count > 0

ctypedef struct Levels:
    LevelSide side[2]
    Tick price_max


cdef int levels_init(Levels* l, Tick price_max) except -1 nogil
cdef void levels_free(Levels* l) noexcept nogil
cdef int levels_clear(Levels* l, int side) except -1 nogil
cdef int levels_set(Levels* l, int side, Tick price, Lot size) except -1 nogil
cdef Tick levels_next(const Levels* l, int side, Tick price) noexcept nogil
cdef Lot levels_size(const Levels* l, int side, Tick price) noexcept nogil
cdef int levels_check(const Levels* l) noexcept nogil


cdef class LevelBook:
    cdef Levels levels
    cdef bint ready         # __init__ has run

    cdef int judge(self, const int64_t* side, const int64_t* price, const int64_t* size,
                   int64_t count) except -1
    cdef int judge_ends(self, const int64_t* ends, int64_t count, int64_t rows) except -1
    cdef object table(self, int side, int64_t levels)
