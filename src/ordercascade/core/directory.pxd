# A directory of names: from any number in 1 .. 2**63 - 1 to a number of ours, by open addressing.
#
# A name is looked for in PROBES cells from its home on. Where they are all taken it goes into a
# tree instead, whose branches are the hash's bits, so at most 64 deep: however the names were
# chosen, finding, entering and removing one looks at a bounded number of places. The hash has no
# seed, so that runs repeat.
from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.string cimport memset
from cpython.mem cimport PyMem_RawFree
from ordercascade.core.queues cimport oc_rarely
from ordercascade.core.slab cimport oc_prefetch, slab_copy

cdef enum:
    PROBES = 64             # cells
    NEAR = 16               # cells: more than most probes take
    CELLS_MIN = 64
    GRAVE = -1              # held a name once; a probe goes on behind it

cdef extern from *:
    """
    #define OC_SPREAD 0x9E3779B97F4A7C15ull     /* 2**64 over the golden ratio */
    """
    const uint64_t SPREAD "OC_SPREAD"

ctypedef struct Cell:       # 16 bytes
    int64_t name            # 0 = empty
    int64_t own             # what it stands for

ctypedef struct Twig:       # 24 bytes: a node of the tree
    Cell cell
    int32_t next[2]         # by the next bit of the hash; next[0] of a free one: the next free

ctypedef struct Directory:
    Cell* table             # cells + PROBES, the last one always empty
    int64_t cells           # a power of two
    int64_t taken           # cells with a name or a grave, and twigs: at most half of `cells`
    int64_t graves
    int shift               # 64 - log2(cells)
    Twig* twigs
    int64_t twig_rows
    int32_t twig_used
    int32_t twig_free       # NIL = none
    int32_t root
    int64_t twig_count      # of these, with a name

cdef Cell* twig_find(const Directory* n, int64_t name) noexcept nogil
cdef void directory_put(Directory* n, int64_t name, int64_t own) noexcept nogil
cdef void directory_drop(Directory* n, int64_t name) noexcept nogil
cdef void cell_drop(Directory* n, Cell* cell) noexcept nogil
cdef int directory_grow(Directory* n) except -1 nogil
cdef int directory_check(const Directory* n) noexcept nogil


cdef inline uint64_t name_hash(int64_t name) noexcept nogil:
    """A bijection; the home is its highest bits."""
    cdef uint64_t x = <uint64_t>name
    return (x ^ (x >> 32)) * SPREAD


cdef inline Cell* name_home(const Directory* n, int64_t name) noexcept nogil:
    return n.table + <int64_t>(name_hash(name) >> n.shift)


cdef inline Cell* directory_find(const Directory* n, int64_t name) noexcept nogil:
    """The cell of a name >= 1, or NULL; good until the next change."""
    cdef Cell* cell
    cdef Cell* end
    if n.cells == 0:
        return NULL
    cell = name_home(n, name)
    end = cell + PROBES
    while cell.name != name:
        if cell.name == 0:
            return twig_find(n, name) if oc_rarely(n.twig_count) else NULL
        cell += 1
        if cell == end:
            return twig_find(n, name)
    return cell


cdef inline Cell* directory_gap(const Directory* n, int64_t name) noexcept nogil:
    """The empty cell where a new name belongs; NULL where that takes more thought."""
    cdef Cell* cell = name_home(n, name)
    cdef Cell* end = cell + NEAR
    while cell.name != 0:
        if cell.name == name or cell == end:
            return NULL
        cell += 1
    return NULL if n.twig_count else cell


cdef inline void cell_close(Directory* n, Cell* cell) noexcept nogil:
    """Remove the name of a cell that directory_find() gave."""
    if cell >= n.table and cell < n.table + n.cells and cell[1].name == 0:
        cell.name = 0
        n.taken -= 1
    else:
        cell_drop(n, cell)


cdef inline int directory_room(Directory* n) except -1 nogil:
    """Make room for one more name, so that directory_put() cannot fail."""
    if oc_rarely(2 * n.taken >= n.cells or n.twig_used >= n.twig_rows):
        return directory_grow(n)
    return 0


cdef inline void directory_free(Directory* n) noexcept nogil:
    PyMem_RawFree(n.table)
    PyMem_RawFree(n.twigs)
    memset(n, 0, sizeof(Directory))


cdef inline int directory_copy(Directory* to, const Directory* n) except -1 nogil:
    """Copy all names; to be freed even after a failure."""
    to[0] = n[0]
    to.table = NULL
    to.twigs = NULL
    if n.cells:
        to.table = <Cell*>slab_copy(n.table, n.cells + PROBES, sizeof(Cell))
    to.twigs = <Twig*>slab_copy(n.twigs, n.twig_rows, sizeof(Twig))
    return 0


# All that there is, in no order: places 0 .. directory_places() - 1, names below 1 are none.

cdef inline int64_t directory_places(const Directory* n) noexcept nogil:
    return (n.cells + PROBES if n.cells else 0) + n.twig_used


cdef inline const Cell* directory_place(const Directory* n, int64_t i) noexcept nogil:
    if i < n.cells + PROBES:
        return n.table + i
    return &n.twigs[i - n.cells - PROBES].cell
