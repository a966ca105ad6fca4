# Ids of other people's: any number in 1 .. 2**63 - 1, for a book that was made with ids="external".
#
# A table with open addressing leads from a name to the book's own id. The hash is mixed, and keyed:
# where a probe grows long the key is changed before the next command, and from then on ids that
# were made to collide no longer do (at most RESEEDS times between two doublings of the table). The
# key follows from the ids alone, so that runs repeat. Names of orders that are gone stay until
# their slot is given out again: a name counts if the order of its id still rests or waits.
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memset
from cpython.mem cimport PyMem_RawFree
from ordercascade.core.desk cimport Desk
from ordercascade.core.digest cimport Digest
from ordercascade.core.queues cimport Book
from ordercascade.core.records cimport Message, Wide
from ordercascade.core.rules cimport Rules
from ordercascade.core.slab cimport slab_copy

cdef enum:
    PROBES = 64             # a longer probe asks for another key
    RESEEDS = 8

ctypedef struct Name:       # 16 bytes
    int64_t name            # 0 = none
    int64_t own

ctypedef struct Names:
    Name* table             # a power of two of cells, at most half of them used
    int64_t cells
    int64_t count
    uint64_t key
    int64_t reseeds         # since the table grew
    bint slow               # a probe was long
    Name* of_order          # by slot
    int64_t order_rows
    Name* of_stop
    int64_t stop_rows

cdef int64_t named_do(Book* b, Desk* d, Names* n, const Wide* m) except? -1 nogil
cdef int64_t named_apply(Book* b, Desk* d, Names* n, const Rules* rules, const Message* rows,
                         int64_t count, int64_t* results) except -1 nogil
cdef int64_t named_apply_wide(Book* b, Desk* d, Names* n, const Rules* rules, const Wide* rows,
                              int64_t count, int64_t* results) except -1 nogil
cdef int64_t nameless(const char* rows, int64_t row_bytes, int64_t count) noexcept nogil
cdef int64_t name_live(const Book* b, const Desk* d, const Names* n, int64_t name) noexcept nogil
cdef int64_t name_of(const Names* n, int64_t own) noexcept nogil
cdef int name_load(Book* b, Desk* d, Names* n, int64_t own, int64_t name) except -1 nogil
cdef void names_digest(const Book* b, const Desk* d, const Names* n, Digest* digest) noexcept nogil
cdef int names_check(const Book* b, const Desk* d, const Names* n) noexcept nogil


cdef inline void names_free(Names* n) noexcept nogil:
    PyMem_RawFree(n.table)
    PyMem_RawFree(n.of_order)
    PyMem_RawFree(n.of_stop)
    memset(n, 0, sizeof(Names))


cdef inline int names_copy(Names* to, const Names* n) except -1 nogil:
    to[0] = n[0]
    to.table = NULL
    to.of_order = NULL
    to.of_stop = NULL
    to.table = <Name*>slab_copy(n.table, n.cells, sizeof(Name))
    to.of_order = <Name*>slab_copy(n.of_order, n.order_rows, sizeof(Name))
    to.of_stop = <Name*>slab_copy(n.of_stop, n.stop_rows, sizeof(Name))
    return 0
