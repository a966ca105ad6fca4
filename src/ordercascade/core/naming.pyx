"""Ids of other people's, by a table with open addressing."""
from libc.stdint cimport INT64_MAX
from cpython.mem cimport PyMem_RawCalloc
from ordercascade.core.conditional cimport desk_do, desk_see
from ordercascade.core.desk cimport (
    SLOTS, STOP_BIT, WAITING, desk_quiet, stop_id_of, stop_slot, widened,
)
from ordercascade.core.digest cimport digest_word
from ordercascade.core.matching cimport book_amend, book_cancel, book_submit
from ordercascade.core.queues cimport ELSEWHERE, oc_rarely, order_at, order_id_of, slot_of
from ordercascade.core.records cimport (
    AMEND, CANCEL, DO_STOP, DO_TAKE_PROFIT, LIMIT, MARKET, REJECT_BAD_MESSAGE,
    REJECT_DUPLICATE_ID, REJECT_UNKNOWN_ORDER, Fill,
)
from ordercascade.core.rules cimport rules_broken_by, rules_plain, wide_broken
from ordercascade.core.slab cimport NIL, oc_prefetch, slab_grow
from ordercascade.core.units cimport larger

cdef enum:
    CELLS_MIN = 64
    AHEAD = 6               # messages


# ------------------------------------------------------------------ the table

cdef inline uint64_t _mixed(uint64_t x) noexcept nogil:
    x = (x ^ (x >> 30)) * <uint64_t>0xBF58476D1CE4E5B9
    x = (x ^ (x >> 27)) * <uint64_t>0x94D049BB133111EB
    return x ^ (x >> 31)


cdef inline int64_t _home(const Names* n, int64_t name) noexcept nogil:
    return <int64_t>(_mixed(<uint64_t>name ^ n.key) & <uint64_t>(n.cells - 1))


cdef inline int64_t _cell(const Names* n, int64_t name) noexcept nogil:
    """The cell of a name, or the empty one where it would go."""
    cdef int64_t at = _home(n, name)
    while n.table[at].name != name and n.table[at].name != 0:
        at = (at + 1) & (n.cells - 1)
    return at


cdef inline int64_t _own(const Names* n, int64_t name) noexcept nogil:
    return n.table[_cell(n, name)].own if n.cells else 0


cdef void _put(Names* n, int64_t name, int64_t own) noexcept nogil:
    """Enter a name, or give it another id; there is an empty cell."""
    cdef int64_t at = _cell(n, name)
    n.count += n.table[at].name == 0
    n.table[at].name = name
    n.table[at].own = own
    n.slow |= ((at - _home(n, name)) & (n.cells - 1)) > PROBES


cdef void _drop(Names* n, int64_t name) noexcept nogil:
    """Take a name out; those behind it move up, so that no probe meets a hole."""
    cdef int64_t hole = _cell(n, name)
    cdef int64_t at = hole
    cdef int64_t mask = n.cells - 1
    if n.table[hole].name == 0:
        return
    n.count -= 1
    while True:
        at = (at + 1) & mask
        if n.table[at].name == 0:
            break
        if ((at - _home(n, n.table[at].name)) & mask) >= ((at - hole) & mask):
            n.table[hole] = n.table[at]
            hole = at
    n.table[hole].name = 0
    n.table[hole].own = 0


cdef int _rehash(Names* n, int64_t cells, uint64_t key) except -1 nogil:
    """Move to a table of so many cells under another key."""
    cdef Names old = n[0]
    cdef int64_t i
    cdef Name* table = <Name*>PyMem_RawCalloc(<size_t>cells, sizeof(Name))
    if table == NULL:
        with gil:
            raise MemoryError()
    n.table = table
    n.cells = cells
    n.key = key
    n.count = 0
    n.slow = False
    for i in range(old.cells):
        if old.table[i].name:
            _put(n, old.table[i].name, old.table[i].own)
    PyMem_RawFree(old.table)
    return 0


cdef inline int _room(const Book* b, const Desk* d, Names* n) except -1 nogil:
    """Make room for all that one command can name."""
    cdef int64_t more = d.stop_count + 2
    if oc_rarely(2 * (n.count + more) > n.cells or n.slow or b.used + more > n.order_rows
                 or d.stop_used + 1 > n.stop_rows):
        return _make_room(b, d, n, more)
    return 0


cdef int _make_room(const Book* b, const Desk* d, Names* n, int64_t more) except -1 nogil:
    cdef int64_t cells = larger(n.cells, CELLS_MIN)
    n.of_order = <Name*>slab_grow(n.of_order, &n.order_rows, b.used + more, sizeof(Name))
    n.of_stop = <Name*>slab_grow(n.of_stop, &n.stop_rows, d.stop_used + 1, sizeof(Name))
    while 2 * (n.count + more) > cells:
        cells *= 2
    if cells != n.cells:
        n.reseeds = 0
        return _rehash(n, cells, n.key)
    if n.slow and n.reseeds < RESEEDS:
        n.reseeds += 1
        return _rehash(n, cells, _mixed(n.key + <uint64_t>n.count + 1))
    n.slow = False
    return 0


# ------------------------------------------------------------------ names and ids

cdef inline Name* _row(const Names* n, int64_t own) noexcept nogil:
    """The row of the slot that an own id names, or NULL."""
    cdef int64_t slot = own & SLOTS
    if slot & STOP_BIT:
        slot ^= STOP_BIT
        return n.of_stop + slot if slot < n.stop_rows else NULL
    return n.of_order + slot if slot < n.order_rows else NULL


cdef int64_t name_of(const Names* n, int64_t own) noexcept nogil:
    """The name of an own id, 0 for one that has none."""
    cdef const Name* row = _row(n, own)
    return row.name if row != NULL and row.own == own else 0


cdef int64_t name_live(const Book* b, const Desk* d, const Names* n, int64_t name) noexcept nogil:
    """The own id of an order that rests or a stop that waits, or 0: any name may be asked for."""
    cdef int64_t own = _own(n, name) if name > 0 else 0
    if own == 0 or (slot_of(b, own) == NIL and stop_slot(d, own) == NIL):
        return 0
    return own


cdef void _give(Names* n, int64_t name, int64_t own) noexcept nogil:
    """Name an id; the name of what had its slot before goes, unless it has moved on."""
    cdef Name* row = _row(n, own)
    if row.name and row.own != own and _own(n, row.name) == row.own:
        _drop(n, row.name)
    row.name = name
    row.own = own
    _put(n, name, own)


cdef int name_load(Book* b, Desk* d, Names* n, int64_t own, int64_t name) except -1 nogil:
    """Name what was loaded from a snapshot; 1 if the name is taken."""
    _room(b, d, n)
    if _own(n, name):
        return 1
    _give(n, name, own)
    return 0


# ------------------------------------------------------------------ commands

cdef int64_t named_do(Book* b, Desk* d, Names* n, const Wide* m) except? -1 nogil:
    """Run a good row whose ids are names; fills and what fired carry names, too."""
    cdef Wide row = m[0]
    cdef int64_t first = b.fill_count
    cdef int64_t fired = d.fired_count
    cdef int64_t result
    cdef bint order = m.type <= MARKET or m.type == DO_STOP or m.type == DO_TAKE_PROFIT
    _room(b, d, n)
    if order:
        if _is_nameless(m.type, m.order_id):
            return REJECT_BAD_MESSAGE
        if name_live(b, d, n, m.order_id):
            return REJECT_DUPLICATE_ID
    elif m.type == CANCEL or m.type == AMEND:
        row.order_id = name_live(b, d, n, m.order_id)
        if row.order_id == 0:
            return REJECT_UNKNOWN_ORDER
    result = desk_do(b, d, &row)
    _name_fills(b, d, n, first, fired, row.order_id if m.type == AMEND else result, m.order_id)
    _name_fired(d, n, fired, m.order_id)
    if order and result > 0:
        _give(n, m.order_id, result)
    return m.order_id if result > 0 and (order or m.type == AMEND) else result


cdef void _name_fills(Book* b, const Desk* d, const Names* n, int64_t first, int64_t fired,
                      int64_t mine, int64_t name) noexcept nogil:
    """Put names into the fills from `first` on. `mine` is the id of the command's own order.

    A taker that was fired is named only where it has come to rest.
    """
    cdef Fill* fill
    cdef int64_t i
    for i in range(first, b.fill_count):
        fill = b.fills + i
        fill.maker_order = _named(d, n, fired, fill.maker_order, mine, name)
        if fill.taker_order == 0 and i < d.own_end:
            fill.taker_order = name
        elif fill.taker_order:
            fill.taker_order = _named(d, n, fired, fill.taker_order, mine, name)


cdef int64_t _named(const Desk* d, const Names* n, int64_t fired, int64_t own, int64_t mine,
                    int64_t name) noexcept nogil:
    """The name of an id, be it of this command's own making."""
    cdef int64_t found = name_of(n, own)
    cdef int64_t i
    if found:
        return found
    for i in range(fired, d.fired_count):
        if d.fired[i].result == own:
            found = name_of(n, d.fired[i].stop_id)
            return found if found else name
    return name if own == mine else 0


cdef void _name_fired(Desk* d, Names* n, int64_t fired, int64_t name) noexcept nogil:
    """What fired carries the stop's name, and so does the order that it became."""
    cdef int64_t i, own
    for i in range(fired, d.fired_count):
        own = name_of(n, d.fired[i].stop_id)
        own = own if own else name
        d.fired[i].stop_id = own
        if d.fired[i].result > 0:
            _give(n, own, d.fired[i].result)
            d.fired[i].result = own


cdef inline bint _is_nameless(int type, int64_t name) noexcept nogil:
    """Whether an order has no name; a market order may do without."""
    if type == LIMIT or type == DO_STOP or type == DO_TAKE_PROFIT:
        return name < 1
    return type == MARKET and name < 0


cdef int64_t nameless(const char* rows, int64_t row_bytes, int64_t count) noexcept nogil:
    """The first row of either form that needs a name and has none, or `count`."""
    cdef const Message* m
    cdef int64_t i
    for i in range(count):
        m = <const Message*>(rows + i * row_bytes)
        if _is_nameless(m.type, m.order_id):
            return i
    return count


cdef int64_t named_apply_wide(Book* b, Desk* d, Names* n, const Rules* rules, const Wide* rows,
                              int64_t count, int64_t* results) except -1 nogil:
    """Judge and run a block of rows that nobody else can write to."""
    cdef int64_t i
    for i in range(count):
        if wide_broken(rules, rows + i):
            results[i] = REJECT_BAD_MESSAGE
        else:
            results[i] = named_do(b, d, n, rows + i)
    return count


cdef int64_t named_apply(Book* b, Desk* d, Names* n, const Rules* rules, const Message* rows,
                         int64_t count, int64_t* results) except -1 nogil:
    """The same for plain messages; most need nothing but the plain book."""
    cdef int64_t i
    cdef int64_t result
    cdef Wide wide
    for i in range(count):
        if i + AHEAD < count and n.cells:
            oc_prefetch(n.table + _home(n, rows[i + AHEAD].order_id))
        result = ELSEWHERE
        if rules_plain(rules, rows + i) and desk_quiet(d):
            result = _plain(b, d, n, rows + i)
        if result == ELSEWHERE:
            desk_see(b, d)
            if rules_broken_by(rules, rows + i):
                result = REJECT_BAD_MESSAGE
            else:
                wide = widened(rows + i)
                result = named_do(b, d, n, &wide)
        results[i] = result
    return count


cdef inline int64_t _plain(Book* b, Desk* d, Names* n, const Message* m) except -1 nogil:
    """Run a message of a plain book."""
    cdef int64_t first = b.fill_count
    cdef int64_t own, result
    _room(b, d, n)
    own = name_live(b, d, n, m.order_id)
    if m.type == CANCEL:
        if own == 0:
            return REJECT_UNKNOWN_ORDER
        return book_cancel(b, own, m.account)
    if m.type == AMEND:
        if own == 0:
            return REJECT_UNKNOWN_ORDER
        result = book_amend(b, own, m.account, m.price, m.size)
        if result == ELSEWHERE:
            return ELSEWHERE
        _name_own_fills(b, n, first, m.order_id)
        return m.order_id if result > 0 else result
    if own:
        return REJECT_DUPLICATE_ID
    if _is_nameless(m.type, m.order_id):
        return REJECT_BAD_MESSAGE
    result = book_submit(b, m.type, m.side, m.price, m.size, m.account, m.tif, m.flags)
    _name_own_fills(b, n, first, m.order_id)
    if result > 0:
        _give(n, m.order_id, result)
        return m.order_id
    return result


cdef inline void _name_own_fills(Book* b, const Names* n, int64_t first,
                                 int64_t name) noexcept nogil:
    """All fills are the command's own order's."""
    cdef int64_t i
    for i in range(first, b.fill_count):
        b.fills[i].maker_order = n.of_order[b.fills[i].maker_order & SLOTS].name
        b.fills[i].taker_order = name


# ------------------------------------------------------------------ checks

cdef void names_digest(const Book* b, const Desk* d, const Names* n, Digest* digest) noexcept nogil:
    """Fold in who is named what; the table's own order says nothing."""
    cdef int64_t slot
    for slot in range(b.used):
        if order_at(b, slot).size:
            digest_word(digest, name_of(n, order_id_of(b, slot)))
    for slot in range(d.stop_used):
        if d.stops[slot].state == WAITING:
            digest_word(digest, name_of(n, stop_id_of(d, slot)))


cdef int names_check(const Book* b, const Desk* d, const Names* n) noexcept nogil:
    """Walk everything; return 0 or the number of the rule that is broken."""
    cdef int64_t slot, i
    cdef int64_t used = 0
    for slot in range(b.used):
        if order_at(b, slot).size and not _leads_back(n, order_id_of(b, slot)):
            return 31
    for slot in range(d.stop_used):
        if d.stops[slot].state == WAITING and not _leads_back(n, stop_id_of(d, slot)):
            return 32
    for i in range(n.cells):
        used += n.table[i].name != 0
        if n.table[i].name and _cell(n, n.table[i].name) != i:
            return 33
    return 34 if used != n.count or n.count > b.used + d.stop_used else 0


cdef bint _leads_back(const Names* n, int64_t own) noexcept nogil:
    cdef int64_t name = name_of(n, own)
    return name > 0 and _own(n, name) == own
