"""C functions with plain scalar types over an OrderBook: for numba and for ctypes."""
from libc.stdint cimport INT32_MAX, int32_t, uint8_t
from libc.string cimport memset
from cpython.exc cimport PyErr_Clear
from ordercascade.core.conditional cimport desk_message, desk_see
from ordercascade.core.desk cimport Desk
from ordercascade.core.naming cimport Names, named_apply
from ordercascade.core.queues cimport Book, book_best, book_clear, book_next, book_size_at
from ordercascade.core.reading cimport Parts
from ordercascade.core.records cimport AMEND, CANCEL, REJECT_BAD_MESSAGE, Fill, Message
from ordercascade.core.rules cimport Rules

# The same function, its exception left for us to clear: there is nobody to raise it to.
ctypedef int64_t (*Quiet)(Book*, Desk*, const Rules*, const Message*) noexcept nogil
ctypedef int64_t (*QuietNamed)(Book*, Desk*, Names*, const Rules*, const Message*, int64_t,
                               int64_t*) noexcept nogil


cdef inline Book* _book(int64_t book) noexcept nogil:
    return (<const Parts*>book).book


cdef int64_t _do(int64_t book, const Message* m) noexcept nogil:
    cdef const Parts* parts = <const Parts*>book
    cdef Quiet run = <Quiet>desk_message
    cdef QuietNamed run_named = <QuietNamed>named_apply
    cdef int64_t result = -1
    if parts.names == NULL:
        result = run(parts.book, parts.desk, parts.rules, m)
    else:
        run_named(parts.book, parts.desk, parts.names, parts.rules, m, 1, &result)
    if result == -1:
        with gil:
            PyErr_Clear()
    return result


cdef inline bint _narrow(int64_t type, int64_t side, int64_t tif, int64_t flags,
                         int64_t account) noexcept nogil:
    """Whether a row has room for them."""
    return ((type | side | tif | flags) & ~<int64_t>255) == 0 and -1 <= account <= INT32_MAX


cdef int64_t oc_submit(int64_t book, int64_t type, int64_t side, int64_t price, int64_t size,
                       int64_t account, int64_t tif, int64_t flags) noexcept nogil:
    return oc_submit_as(book, 0, type, side, price, size, account, tif, flags)


cdef int64_t oc_submit_as(int64_t book, int64_t order_id, int64_t type, int64_t side, int64_t price,
                          int64_t size, int64_t account, int64_t tif, int64_t flags) noexcept nogil:
    cdef Message m
    if not _narrow(type, side, tif, flags, account) or type == CANCEL or type == AMEND:
        return REJECT_BAD_MESSAGE
    m.type = <uint8_t>type
    m.side = <uint8_t>side
    m.tif = <uint8_t>tif
    m.flags = <uint8_t>flags
    m.account = <int32_t>account
    m.order_id = order_id
    m.price = price
    m.size = size
    return _do(book, &m)


cdef int64_t oc_cancel(int64_t book, int64_t order_id, int64_t account) noexcept nogil:
    return _of_order(book, CANCEL, order_id, 0, 0, account)


cdef int64_t oc_amend(int64_t book, int64_t order_id, int64_t price, int64_t size,
                      int64_t account) noexcept nogil:
    return _of_order(book, AMEND, order_id, price, size, account)


cdef int64_t _of_order(int64_t book, int type, int64_t order_id, int64_t price, int64_t size,
                       int64_t account) noexcept nogil:
    cdef Message m
    if not -1 <= account <= INT32_MAX:
        return REJECT_BAD_MESSAGE
    memset(&m, 0, sizeof(Message))
    m.type = type
    m.account = <int32_t>account
    m.order_id = order_id
    m.price = price
    m.size = size
    return _do(book, &m)


cdef int64_t oc_best(int64_t book, int64_t side) noexcept nogil:
    return book_best(_book(book), side & 1)


cdef int64_t oc_next(int64_t book, int64_t side, int64_t price) noexcept nogil:
    if price < 0 or price > _book(book).price_max:
        return 0
    return book_next(_book(book), side & 1, price)


cdef int64_t oc_size_at(int64_t book, int64_t side, int64_t price) noexcept nogil:
    return book_size_at(_book(book), side & 1, price)


cdef inline const Fill* _fill(int64_t book, int64_t row) noexcept nogil:
    return _book(book).fills + row if 0 <= row < _book(book).fill_count else NULL


cdef int64_t oc_fills(int64_t book) noexcept nogil:
    return _book(book).fill_count


cdef int64_t oc_fill_price(int64_t book, int64_t row) noexcept nogil:
    return _fill(book, row).price if _fill(book, row) != NULL else 0


cdef int64_t oc_fill_size(int64_t book, int64_t row) noexcept nogil:
    return _fill(book, row).size if _fill(book, row) != NULL else 0


cdef int64_t oc_fill_maker(int64_t book, int64_t row) noexcept nogil:
    return _fill(book, row).maker_order if _fill(book, row) != NULL else 0


cdef void oc_clear(int64_t book) noexcept nogil:
    cdef const Parts* parts = <const Parts*>book
    desk_see(parts.book, parts.desk)
    book_clear(parts.book)
    parts.desk.fired_count = 0
