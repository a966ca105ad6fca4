# Ids of other people's: any number in 1 .. 2**63 - 1, for a book that was made with ids="external".
#
# A directory leads from a name to the book's own id, a row for each slot back. Most names leave the
# directory with their order; where the rarer orders (desk.*) are about they stay until their slot
# is given out again: a name counts if the order of its id still rests or waits. A strict book keeps
# all names that it ever took, so none comes twice.
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memset
from cpython.mem cimport PyMem_RawFree
from ordercascade.core.desk cimport Desk
from ordercascade.core.digest cimport Digest
from ordercascade.core.directory cimport Directory, directory_copy, directory_free
from ordercascade.core.queues cimport Book
from ordercascade.core.records cimport DO_STOP, DO_TAKE_PROFIT, LIMIT, MARKET, Message, Wide
from ordercascade.core.rules cimport Rules
from ordercascade.core.slab cimport slab_copy

cdef enum:
    ORDERS = 1 << LIMIT | 1 << MARKET | 1 << DO_STOP | 1 << DO_TAKE_PROFIT
    SPENT = -1              # own id of a name whose order never rested

ctypedef struct Name:       # 16 bytes
    int64_t name            # 0 = none
    int64_t own

ctypedef struct Names:
    Directory ids           # name -> own id
    bint strict             # no name twice, even if its order is gone
    Name* of_order          # by slot
    int64_t order_rows
    Name* of_stop
    int64_t stop_rows

cdef int64_t named_do(Book* b, Desk* d, Names* n, const Wide* m) except? -1 nogil
cdef int64_t named_apply(Book* b, Desk* d, Names* n, const Rules* rules, const Message* rows,
                         int64_t count, int64_t* results) except -1 nogil
cdef int64_t named_apply_wide(Book* b, Desk* d, Names* n, const Rules* rules, const Wide* rows,
                              int64_t count, int64_t* results) except -1 nogil
cdef int64_t named_first_bad(const Rules* rules, const char* rows, int64_t row_bytes,
                             int64_t count) noexcept nogil
cdef int64_t name_live(const Book* b, const Desk* d, const Names* n, int64_t name) noexcept nogil
cdef int64_t name_of(const Names* n, int64_t own) noexcept nogil
cdef int name_load(Book* b, Desk* d, Names* n, int64_t own, int64_t name) except -1 nogil
cdef int name_spend(Names* n, int64_t name) except -1 nogil
cdef int64_t name_spent(const Book* b, const Desk* d, const Names* n, int64_t place) noexcept nogil
cdef void names_digest(const Book* b, const Desk* d, const Names* n, Digest* digest) noexcept nogil
cdef int names_check(const Book* b, const Desk* d, const Names* n) noexcept nogil


cdef inline bint is_nameless(int type, int64_t name) noexcept nogil:
    """Whether an order has no name; a market order may do without. No branches: types alternate."""
    cdef bint order = (<uint64_t>ORDERS >> (type & 63)) & (type < 64)
    return order & (name < (type != MARKET))


cdef inline void names_free(Names* n) noexcept nogil:
    directory_free(&n.ids)
    PyMem_RawFree(n.of_order)
    PyMem_RawFree(n.of_stop)
    memset(n, 0, sizeof(Names))


cdef inline int names_copy(Names* to, const Names* n) except -1 nogil:
    to[0] = n[0]
    memset(&to.ids, 0, sizeof(Directory))
    to.of_order = NULL
    to.of_stop = NULL
    directory_copy(&to.ids, &n.ids)
    to.of_order = <Name*>slab_copy(n.of_order, n.order_rows, sizeof(Name))
    to.of_stop = <Name*>slab_copy(n.of_stop, n.stop_rows, sizeof(Name))
    return 0
