# A limit order book with price-time priority, in whole ticks and lots.
#
# A `Book` is a C struct, so that a venue runs it without the GIL and copies it by memcpy. Both
# sides share one ladder: a book is never crossed, so below the best ask every level is a bid.
# An order id is generation << 32 | slot; the generation goes up when a slot is freed, so a stale
# id reaches nobody. Arguments of the C functions are validated by the caller.
from libc.stdint cimport int32_t, int64_t
from ordercascade.core.desk cimport Desk
from ordercascade.core.matching cimport (
    book_amend, book_cancel, book_cancel_all, book_submit, book_take,
)
from ordercascade.core.queues cimport (
    Book, Level, Order, book_best, book_check, book_clear, book_copy, book_digest, book_find,
    book_free, book_init, book_next, book_open, book_orders, book_size_at,
)
from ordercascade.core.records cimport Message, Wide
from ordercascade.core.rules cimport Rules
from ordercascade.core.units cimport Lot


cdef class OrderBook:
    cdef Book book
    cdef Desk desk          # the rarer orders
    cdef Rules rules
    cdef bint busy          # read and written under the GIL only
    cdef bint ready         # __init__ has run
    cdef int64_t account_max
    cdef char* block        # rows are copied here before they are judged
    cdef int64_t block_bytes
    cdef object fills_seen  # the array handed out for the last call's fills, made when asked for
    cdef object results_seen
    cdef object spare       # ints of every size, let go when one more cannot be made
    cdef readonly int64_t rows_done     # of the last batch

    cdef int enter(self) except -1
    cdef int idle(self) except -1
    cdef void forget(self)
    cdef Lot known(self, int64_t order_id) except -1
    cdef int64_t owner(self, account) except -2
    cdef object answer(self, int64_t result)
    cdef int64_t do(self, Wide* row) except? -1
    cdef int rare(self, Wide* row, display, expires_ns) except -1
    cdef int judge(self, object rows, const char* data, int64_t count, bint wide) except -1
    cdef int run(self, const char* rows, int64_t count, bint wide, int64_t* results) except -1
    cdef int64_t block_run(self, int64_t count, int64_t* results) except -1 nogil
    cdef object why(self, tuple message, row=*)
