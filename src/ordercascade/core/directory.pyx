"""A directory of names by open addressing, with a bound on every step."""
from cpython.mem cimport PyMem_RawCalloc, PyMem_RawRealloc
from ordercascade.core.slab cimport NIL, oc_wide_pages
from ordercascade.core.units cimport larger

cdef enum:
    SHIFTS = 64             # cells behind a removed name that are looked at
    TWIGS_MIN = 4


cdef void directory_put(Directory* n, int64_t name, int64_t own) noexcept nogil:
    """Enter a name, or let it stand for something else; directory_room() was called."""
    cdef Cell* cell = directory_find(n, name)
    if cell == NULL:
        cell = _enter(n, name)
    cell.own = own


cdef Cell* _enter(Directory* n, int64_t name) noexcept nogil:
    """Enter a name that is new."""
    cdef Cell* cell = name_home(n, name)
    cdef Cell* end = cell + PROBES
    while cell.name > 0:
        cell += 1
        if cell == end:
            return _twig_enter(n, name)
    if cell.name == GRAVE:
        n.graves -= 1
    else:
        n.taken += 1
    cell.name = name
    return cell


cdef void directory_drop(Directory* n, int64_t name) noexcept nogil:
    """Remove a name, if it is there."""
    cdef Cell* cell = directory_find(n, name) if name > 0 else NULL
    if cell != NULL:
        cell_close(n, cell)


cdef void cell_drop(Directory* n, Cell* cell) noexcept nogil:
    """Remove the name of a cell that directory_find() gave."""
    cdef Cell* at = cell
    cdef Cell* last = cell + SHIFTS
    cdef Cell* hole = cell
    if cell < n.table or cell >= n.table + n.cells + PROBES:
        _twig_drop(n, cell.name)
        return
    while True:
        at += 1
        if at.name == 0:
            break
        if at == last:
            # A probe that comes by must go on: nothing behind it was moved.
            hole.name = GRAVE
            n.graves += 1
            return
        # What is not at home yet moves up, so that its probe meets no empty cell.
        if at.name != GRAVE and name_home(n, at.name) <= hole:
            hole[0] = at[0]
            hole = at
    hole.name = 0
    n.taken -= 1


cdef int directory_grow(Directory* n) except -1 nogil:
    """Make room; a MemoryError changes nothing."""
    cdef Directory grown
    cdef int64_t cells = n.cells if n.cells else CELLS_MIN
    cdef bint good = True
    if 2 * n.taken >= n.cells:
        # With at most 3/8 taken it lasts for an eighth of the cells at least.
        while 8 * (n.taken - n.graves + 1) > 3 * cells:
            cells *= 2
        good = _start(&grown, cells) and _move(&grown, n)
        if good:
            directory_free(n)
            n[0] = grown
        else:
            directory_free(&grown)
    if not good or not _twig_room(n):
        with gil:
            raise MemoryError()
    return 0


cdef bint _start(Directory* n, int64_t cells) noexcept nogil:
    """Make an empty directory; False where there is no memory for it."""
    memset(n, 0, sizeof(Directory))
    n.root = n.twig_free = NIL
    n.table = <Cell*>PyMem_RawCalloc(<size_t>(cells + PROBES), sizeof(Cell))
    if n.table == NULL:
        return False
    oc_wide_pages(n.table, (cells + PROBES) * <int64_t>sizeof(Cell))
    n.cells = cells
    n.shift = 64
    while cells > 1:
        cells >>= 1
        n.shift -= 1
    return True


cdef bint _move(Directory* to, const Directory* n) noexcept nogil:
    """Enter all names of another one; False where there is no memory for them."""
    cdef int64_t i
    cdef const Cell* cell
    for i in range(directory_places(n)):
        cell = directory_place(n, i)
        if cell.name > 0:
            if not _twig_room(to):
                return False
            _enter(to, cell.name).own = cell.own
    return True


# ------------------------------------------------------------------ the tree

cdef bint _twig_room(Directory* n) noexcept nogil:
    """Make room for one more twig; False where there is no memory for it."""
    cdef int64_t wanted
    cdef Twig* grown
    if n.twig_used < n.twig_rows:
        return True
    wanted = larger(2 * n.twig_rows, TWIGS_MIN)
    grown = <Twig*>PyMem_RawRealloc(n.twigs, <size_t>wanted * sizeof(Twig))
    if grown == NULL:
        return False
    n.twigs = grown
    n.twig_rows = wanted
    return True


cdef Cell* twig_find(const Directory* n, int64_t name) noexcept nogil:
    """The cell of a name in the tree, or NULL."""
    cdef uint64_t bits = name_hash(name)
    cdef int32_t at = n.root
    while at != NIL and n.twigs[at].cell.name != name:
        at = n.twigs[at].next[bits & 1]
        bits >>= 1
    return NULL if at == NIL else &n.twigs[at].cell


cdef Cell* _twig_enter(Directory* n, int64_t name) noexcept nogil:
    """Hang a new name into the tree."""
    cdef uint64_t bits = name_hash(name)
    cdef int32_t* link = &n.root
    cdef int32_t made = n.twig_free
    if made == NIL:
        made = n.twig_used
        n.twig_used += 1
    else:
        n.twig_free = n.twigs[made].next[0]
    while link[0] != NIL:
        link = &n.twigs[link[0]].next[bits & 1]
        bits >>= 1
    link[0] = made
    n.twigs[made].cell.name = name
    n.twigs[made].next[0] = n.twigs[made].next[1] = NIL
    n.twig_count += 1
    n.taken += 1
    return &n.twigs[made].cell


cdef void _twig_drop(Directory* n, int64_t name) noexcept nogil:
    """Take a name out of the tree; a leaf from below it takes its place."""
    cdef uint64_t bits = name_hash(name)
    cdef int32_t* link = &n.root
    cdef int32_t at
    cdef Twig* gone
    while n.twigs[link[0]].cell.name != name:
        link = &n.twigs[link[0]].next[bits & 1]
        bits >>= 1
    gone = n.twigs + link[0]
    at = link[0]
    while n.twigs[at].next[0] != NIL or n.twigs[at].next[1] != NIL:
        link = &n.twigs[at].next[n.twigs[at].next[0] == NIL]
        at = link[0]
    gone.cell = n.twigs[at].cell
    link[0] = NIL
    n.twigs[at].cell.name = 0
    n.twigs[at].next[0] = n.twig_free
    n.twig_free = at
    n.twig_count -= 1
    n.taken -= 1


# ------------------------------------------------------------------ checks

cdef int directory_check(const Directory* n) noexcept nogil:
    """Walk everything; return 0 or the number of the rule that is broken."""
    cdef const Cell* cell
    cdef int64_t i
    cdef int64_t graves = 0
    cdef int64_t taken = 0
    for i in range(directory_places(n)):
        cell = directory_place(n, i)
        taken += cell.name != 0
        graves += cell.name == GRAVE
        if cell.name > 0 and directory_find(n, cell.name) != cell:
            return 41
    if taken != n.taken or graves != n.graves:
        return 42
    return 43 if 2 * taken > n.cells else 0
