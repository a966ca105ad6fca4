# A place on the tape to go back to: its tables' lengths, and the older cells changed since.
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memset
from cpython.mem cimport PyMem_RawFree
from ordercascade.core.slab cimport slab_grow

ctypedef struct Cell:       # as it was
    int32_t table
    int32_t column
    int64_t row
    int64_t value

ctypedef struct TapeMark:
    int64_t rows[13]        # TABLES
    Cell* cells
    int64_t count
    int64_t capacity


cdef inline int mark_cell(TapeMark* mark, int table, int64_t row, int column,
                          int64_t value) except -1 nogil:
    """Keep a cell that is about to be changed; MemoryError keeps nothing."""
    cdef Cell* c
    mark.cells = <Cell*>slab_grow(mark.cells, &mark.capacity, mark.count + 1, sizeof(Cell))
    c = &mark.cells[mark.count]
    c.table, c.row, c.column, c.value = table, row, column, value
    mark.count += 1
    return 0


cdef inline void mark_clear(TapeMark* mark) noexcept nogil:
    """Nothing is older than a mark that is clear, so nothing is kept."""
    if mark != NULL:
        PyMem_RawFree(mark.cells)
        memset(mark, 0, sizeof(TapeMark))


cdef inline void mark_free(TapeMark* mark) noexcept nogil:
    mark_clear(mark)
    PyMem_RawFree(mark)
