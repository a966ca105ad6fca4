# C functions with plain scalar types over an OrderBook: for numba and for ctypes.
#
# `book` is OrderBook.address, good while the object lives. The caller keeps the rules of the door:
# one call at a time, and none while another thread uses the book. Arguments are judged as those of
# a MESSAGE_DTYPE row are; REJECT_BAD_MESSAGE for a bad one, -1 where memory ran out. Fills pile up
# until oc_clear(). A book with ids="external" takes orders by oc_submit_as() only, and its ids are
# the caller's wherever one goes in or comes out; elsewhere oc_submit_as() is oc_submit().
# numba.extending.get_cython_function_address("ordercascade.core.scalar", name).
from libc.stdint cimport int64_t

cdef int64_t oc_submit(int64_t book, int64_t type, int64_t side, int64_t price, int64_t size,
                       int64_t account, int64_t tif, int64_t flags) noexcept nogil
cdef int64_t oc_submit_as(int64_t book, int64_t order_id, int64_t type, int64_t side, int64_t price,
                          int64_t size, int64_t account, int64_t tif, int64_t flags) noexcept nogil
cdef int64_t oc_cancel(int64_t book, int64_t order_id, int64_t account) noexcept nogil
cdef int64_t oc_amend(int64_t book, int64_t order_id, int64_t price, int64_t size,
                      int64_t account) noexcept nogil
cdef int64_t oc_best(int64_t book, int64_t side) noexcept nogil        # 0 = none
cdef int64_t oc_next(int64_t book, int64_t side, int64_t price) noexcept nogil
cdef int64_t oc_size_at(int64_t book, int64_t side, int64_t price) noexcept nogil
cdef int64_t oc_fills(int64_t book) noexcept nogil                     # how many
cdef int64_t oc_fill_price(int64_t book, int64_t row) noexcept nogil   # 0 beyond the last
cdef int64_t oc_fill_size(int64_t book, int64_t row) noexcept nogil
cdef int64_t oc_fill_maker(int64_t book, int64_t row) noexcept nogil
cdef void oc_clear(int64_t book) noexcept nogil
