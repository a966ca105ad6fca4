# What the orders of a book do to each other. Arguments are validated by the caller.
from libc.stdint cimport int32_t, int64_t
from ordercascade.core.queues cimport Book
from ordercascade.core.records cimport Message
from ordercascade.core.rules cimport Rules
from ordercascade.core.units cimport Lot, Tick

# Commands. -1 is MemoryError with the exception set, and then nothing has changed.
cdef int64_t book_submit(Book* b, int type, int side, Tick price, Lot size, int32_t account,
                         int tif, int flags) except -1 nogil    # id, 0 or a reject code
cdef Lot book_take(Book* b, int side, Tick limit, Lot size, int32_t account) except -1 nogil
cdef int64_t book_cancel(Book* b, int64_t order_id, int32_t account) except? -1 nogil
cdef int64_t book_amend(Book* b, int64_t order_id, int32_t account, Tick price,
                        Lot size) except -1 nogil
cdef int book_cancel_all(Book* b, int32_t account) except -1 nogil
cdef int book_cancel_side(Book* b, int32_t account, int side) except -1 nogil   # side 2: both

# For the rooms of the rarer orders: an account's ids in b.ids, sorted; queues.
cdef int64_t book_gather(Book* b, int32_t account, int side) except -1 nogil
cdef void ids_sort(int64_t* ids, int64_t count) noexcept nogil
cdef void queue_put(Book* b, int32_t slot, int side, Tick price, Lot size) noexcept nogil
cdef void queue_drop(Book* b, int64_t slot) noexcept nogil
cdef int64_t taker_rest(Book* b, int32_t slot, Tick price, Lot left, int64_t first) noexcept nogil

# Rare and long, so exported: then the compiler leaves them out of the short hot paths.
cdef int book_reserve(Book* b, Tick price, int32_t account) except -1 nogil
cdef int64_t book_cross(Book* b, int side, Tick limit, Lot size, int32_t account, int tif,
                        int flags) except -1 nogil
cdef void level_occupy(Book* b, int side, Tick price) noexcept nogil
cdef void level_vacate(Book* b, int side, Tick price) noexcept nogil

# Batches: the first row that breaks a rule, or `count`. A block of rows that nobody else can write
# is run up to the first row that is none of a plain book's; returns how many ran.
cdef int64_t book_first_bad(const Rules* rules, const Message* rows, int64_t count) noexcept nogil
cdef int64_t book_apply(Book* b, const Rules* rules, const Message* rows, int64_t count,
                        int64_t* results) except -1 nogil
