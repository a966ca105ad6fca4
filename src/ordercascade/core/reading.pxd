# The reading side of a book; the commands are book.*.
from libc.stdint cimport int64_t
from ordercascade.core.desk cimport Desk
from ordercascade.core.digest cimport Digest
from ordercascade.core.naming cimport Names
from ordercascade.core.queues cimport Book
from ordercascade.core.rules cimport Rules
from ordercascade.core.units cimport Lot


ctypedef struct Parts:      # what `address` points to
    Book* book
    Desk* desk
    Rules* rules
    Names* names            # NULL: the book gives its own ids


cdef class BookReader:
    cdef Book book
    cdef Parts parts
    cdef Desk desk          # the rarer orders
    cdef Rules rules
    cdef bint busy          # read and written under the GIL only
    cdef bint ready         # __init__ has run
    cdef bint chained
    cdef bint external      # ids are names that the caller gives
    cdef bint apart         # every command goes the long way: chained or external
    cdef Names names
    cdef Digest chain_now   # 0, 0 without a chain
    cdef int64_t account_max
    cdef object fills_seen  # the array handed out for the last call's fills, made when asked for
    cdef int64_t* result_rows   # of the last batch, `rows_done` of them
    cdef int64_t result_room
    cdef object results_seen    # as an array, made when asked for
    cdef object spare       # ints of every size, let go when one more cannot be made
    cdef readonly int64_t rows_done     # of the last batch

    cdef int enter(self) except -1
    cdef int idle(self) except -1
    cdef void forget(self)
    cdef void named(self, bint external) noexcept
    cdef object fills_now(self)
    cdef int64_t own_of(self, int64_t order_id) noexcept
    cdef Lot known(self, int64_t order_id) except -1
    cdef int64_t owner(self, account) except -2
    cdef object answer(self, int64_t result)
