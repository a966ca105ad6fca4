# A limit order book with price-time priority, in whole ticks and lots.
#
# A `Book` is a C struct, so that a venue runs it without the GIL and copies it by memcpy. Both
# sides share one ladder: a book is never crossed, so below the best ask every level is a bid.
# An order id is generation << 32 | slot; the generation goes up when a slot is freed, so a stale
# id reaches nobody. Arguments of the C functions are validated by the caller. Where ids are the
# caller's (`external`), orders go in by named_do() and named_apply() with `desk`, `names`, `rules`.
from libc.stdint cimport int32_t, int64_t
from ordercascade.core.matching cimport (
    book_amend, book_cancel, book_cancel_all, book_submit, book_take,
)
from ordercascade.core.naming cimport Names, name_live, name_of, named_apply, named_do
from ordercascade.core.queues cimport (
    Book, Level, Order, book_best, book_check, book_clear, book_copy, book_digest, book_find,
    book_free, book_init, book_next, book_open, book_orders, book_size_at,
)
from ordercascade.core.records cimport Message, Wide
from ordercascade.core.reading cimport BookReader


cdef class OrderBook(BookReader):
    cdef char* block        # rows are copied here before they are judged
    cdef int64_t block_bytes
    cdef object dtype_seen  # of the last batch

    cdef object send(self, int64_t c_type, side, price, size, account, tif, flags, display,
                     expires_ns, order_id)
    cdef int64_t do(self, Wide* row) except? -1
    cdef str taken(self, int64_t name)
    cdef int rare(self, Wide* row, display, expires_ns, order_id) except -1
    cdef int take(self, messages, Py_buffer* taken) except -1
    cdef int prepare(self, const Py_buffer* taken) except -1
    cdef int64_t first_bad(self, const char* rows, int64_t count, int64_t row_bytes) noexcept nogil
    cdef int judge(self, messages, const Py_buffer* taken) except -1
    cdef int run(self, const Py_buffer* taken) except -1
    cdef int64_t block_run(self, int64_t count, int64_t* results) except -1 nogil
    cdef int64_t named_run(self, int64_t count, bint wide, int64_t* results) except -1 nogil
    cdef void fold(self, int64_t count, bint wide, const int64_t* results) noexcept nogil
    cdef object why(self, tuple message, row=*)
