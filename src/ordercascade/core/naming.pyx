"""Ids of other people's: from a name to an order and back."""
from libc.stdint cimport uint64_t
from ordercascade.core.conditional cimport desk_do, desk_see
from ordercascade.core.desk cimport (
    SLOTS, STOP_BIT, WAITING, desk_quiet, stop_id_of, stop_slot, widened,
)
from ordercascade.core.digest cimport digest_start, digest_word
from ordercascade.core.directory cimport (
    Cell, cell_close, directory_check, directory_drop, directory_find, directory_gap,
    directory_place, directory_places, directory_put, directory_room, name_home,
)
from ordercascade.core.matching cimport book_amend, book_cancel, book_submit
from ordercascade.core.queues cimport (
    ELSEWHERE, oc_rarely, order_at, order_id_of, slot_of,
)
from ordercascade.core.records cimport (
    AMEND, CANCEL, DO_STOP, DO_TAKE_PROFIT, MARKET, REJECT_BAD_MESSAGE, REJECT_DUPLICATE_ID,
    REJECT_UNKNOWN_ORDER, Fill,
)
from ordercascade.core.rules cimport rules_broken_by, rules_plain, wide_broken
from ordercascade.core.slab cimport NIL, oc_prefetch, slab_grow

cdef enum:
    AHEAD = 6               # messages


# ------------------------------------------------------------------ names and ids

cdef inline int _room(const Book* b, const Desk* d, Names* n) except -1 nogil:
    """Make room for all that one command can name."""
    directory_room(&n.ids)
    if oc_rarely(b.used + d.stop_count >= n.order_rows or d.stop_used >= n.stop_rows):
        n.of_order = <Name*>slab_grow(n.of_order, &n.order_rows, b.used + d.stop_count + 1,
                                      sizeof(Name))
        n.of_stop = <Name*>slab_grow(n.of_stop, &n.stop_rows, d.stop_used + 1, sizeof(Name))
    return 0


cdef inline Name* _row(const Names* n, int64_t own) noexcept nogil:
    """The row of the slot that an own id names, or NULL."""
    cdef int64_t slot = own & SLOTS
    if slot & STOP_BIT:
        slot ^= STOP_BIT
        return n.of_stop + slot if slot < n.stop_rows else NULL
    return n.of_order + slot if slot < n.order_rows else NULL


cdef inline int64_t _own(const Names* n, int64_t name) noexcept nogil:
    """What a name stands for or stood for, 0 for a new one."""
    cdef const Cell* cell = directory_find(&n.ids, name)
    return cell.own if cell != NULL else 0


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


cdef inline void _give(Names* n, int64_t name, int64_t own) noexcept nogil:
    """Name an id; the name of what had its slot before goes, unless it has moved on."""
    cdef Name* row = _row(n, own)
    if oc_rarely(row.name and row.own != own and not n.strict):
        if _own(n, row.name) == row.own:
            directory_drop(&n.ids, row.name)
    row.name = name
    row.own = own
    directory_put(&n.ids, name, own)


cdef inline void _gone(Names* n, int64_t slot) noexcept nogil:
    """Forget the name of a slot whose order is gone."""
    if not n.strict:
        directory_drop(&n.ids, n.of_order[slot].name)
        n.of_order[slot].name = 0


cdef inline bint _taken(const Book* b, const Desk* d, const Names* n, int64_t name) noexcept nogil:
    """Whether a new order cannot have this name, which is none for a nameless one."""
    if n.strict:
        return name > 0 and _own(n, name) != 0
    return name_live(b, d, n, name) != 0


cdef int name_load(Book* b, Desk* d, Names* n, int64_t own, int64_t name) except -1 nogil:
    """Name what was loaded from a snapshot; 1 if the name is taken."""
    _room(b, d, n)
    if _own(n, name):
        return 1
    _give(n, name, own)
    return 0


cdef int name_spend(Names* n, int64_t name) except -1 nogil:
    """Take note of a name that was loaded, whose order is gone; 1 if it is taken."""
    directory_room(&n.ids)
    if _own(n, name):
        return 1
    directory_put(&n.ids, name, SPENT)
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
        if is_nameless(m.type, m.order_id):
            return REJECT_BAD_MESSAGE
        if _taken(b, d, n, m.order_id):
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
    elif order and result == 0 and n.strict and m.order_id:
        directory_put(&n.ids, m.order_id, SPENT)
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


cdef int64_t named_first_bad(const Rules* rules, const char* rows, int64_t row_bytes,
                             int64_t count) noexcept nogil:
    """The first row of either form that breaks a rule or has no name and needs one, or `count`."""
    cdef const Message* m
    cdef int64_t i
    for i in range(count):
        m = <const Message*>(rows + i * row_bytes)
        if is_nameless(m.type, m.order_id):
            return i
        if row_bytes == sizeof(Wide):
            if wide_broken(rules, <const Wide*>m):
                return i
        elif rules_broken_by(rules, m):
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
    for i in range(count):
        _look_ahead(b, n, rows + i, count - i)
        result = ELSEWHERE
        if rules_plain(rules, rows + i) and desk_quiet(d):
            result = _plain(b, d, n, rows + i)
        if oc_rarely(result == ELSEWHERE):
            desk_see(b, d)
            result = _elsewhere(b, d, n, rules, rows + i)
        results[i] = result
    return count


cdef int64_t _elsewhere(Book* b, Desk* d, Names* n, const Rules* rules,
                        const Message* m) except? -1 nogil:
    cdef Wide wide
    if rules_broken_by(rules, m):
        return REJECT_BAD_MESSAGE
    wide = widened(m)
    return named_do(b, d, n, &wide)


cdef inline void _look_ahead(const Book* b, const Names* n, const Message* m,
                             int64_t count) noexcept nogil:
    """Fetch what later messages name: first the cell, then, once that is here, the order."""
    cdef const Cell* cell
    cdef int64_t slot
    if oc_rarely(2 * AHEAD >= count or n.ids.cells == 0):
        return
    oc_prefetch(name_home(&n.ids, m[2 * AHEAD].order_id))
    # What is none is fetched in vain: cheaper than to ask.
    cell = name_home(&n.ids, m[AHEAD].order_id)
    cell += cell.name != m[AHEAD].order_id
    slot = cell.own & (SLOTS >> 2)
    oc_prefetch(order_at(b, slot))
    oc_prefetch(n.of_order + slot)


cdef inline int64_t _plain(Book* b, Desk* d, Names* n, const Message* m) except -1 nogil:
    """Run a message of a plain book."""
    _room(b, d, n)
    if m.type == CANCEL:
        return _plain_cancel(b, n, m)
    if m.type == AMEND:
        return _plain_amend(b, n, m)
    return _plain_order(b, d, n, m)


cdef inline int64_t _plain_order(Book* b, Desk* d, Names* n, const Message* m) except -1 nogil:
    cdef int64_t first = b.fill_count
    cdef Cell* cell
    cdef Name* row
    cdef int64_t own
    if oc_rarely(is_nameless(m.type, m.order_id)):
        return REJECT_BAD_MESSAGE
    cell = directory_gap(&n.ids, m.order_id)
    if oc_rarely(cell == NULL and _taken(b, d, n, m.order_id)):
        return REJECT_DUPLICATE_ID
    own = book_submit(b, m.type, m.side, m.price, m.size, m.account, m.tif, m.flags)
    if b.fill_count > first:
        _plain_fills(b, n, first, m.order_id)
        cell = NULL             # Names that went may have moved others.
    if own > 0:
        row = n.of_order + (own & SLOTS)
        if cell == NULL or oc_rarely(row.name):
            _give(n, m.order_id, own)
            return m.order_id
        cell.name = row.name = m.order_id
        cell.own = row.own = own
        n.ids.taken += 1
        return m.order_id
    if own == 0 and n.strict and m.order_id:
        directory_put(&n.ids, m.order_id, SPENT)
    return own


cdef inline int64_t _plain_cancel(Book* b, Names* n, const Message* m) except -1 nogil:
    cdef Cell* cell = directory_find(&n.ids, m.order_id) if m.order_id > 0 else NULL
    cdef int64_t own, lots
    if cell == NULL:
        return REJECT_UNKNOWN_ORDER
    own = cell.own
    lots = book_cancel(b, own, m.account)
    if lots > 0 and not n.strict:
        n.of_order[own & SLOTS].name = 0
        cell_close(&n.ids, cell)
    return lots


cdef inline int64_t _plain_amend(Book* b, Names* n, const Message* m) except -1 nogil:
    cdef int64_t first = b.fill_count
    cdef int64_t own = _own(n, m.order_id) if m.order_id > 0 else 0
    cdef int64_t result
    if own == 0:
        return REJECT_UNKNOWN_ORDER
    result = book_amend(b, own, m.account, m.price, m.size)
    if b.fill_count > first:
        _plain_fills(b, n, first, m.order_id)
    if result == 0:
        _gone(n, own & SLOTS)
    return m.order_id if result > 0 else result


cdef void _plain_fills(Book* b, Names* n, int64_t first, int64_t name) noexcept nogil:
    """Name the fills of a plain order; makers that are gone lose their names."""
    cdef int64_t i, slot
    for i in range(first, b.fill_count):
        slot = b.fills[i].maker_order & SLOTS
        b.fills[i].maker_order = n.of_order[slot].name
        b.fills[i].taker_order = name
        if b.fills[i].maker_rest == 0 and not n.strict:
            n.of_order[slot].name = 0
            oc_prefetch(name_home(&n.ids, b.fills[i].maker_order))
    if n.strict:
        return
    for i in range(first, b.fill_count):
        if b.fills[i].maker_rest == 0:
            directory_drop(&n.ids, b.fills[i].maker_order)


# ------------------------------------------------------------------ checks

cdef void names_digest(const Book* b, const Desk* d, const Names* n, Digest* digest) noexcept nogil:
    """Fold in who is named what; the directory's own order says nothing."""
    cdef int64_t slot
    for slot in range(b.used):
        if order_at(b, slot).size:
            digest_word(digest, name_of(n, order_id_of(b, slot)))
    for slot in range(d.stop_used):
        if d.stops[slot].state == WAITING:
            digest_word(digest, name_of(n, stop_id_of(d, slot)))
    if n.strict:
        _digest_spent(b, d, n, digest)


cdef void _digest_spent(const Book* b, const Desk* d, const Names* n,
                        Digest* digest) noexcept nogil:
    """Fold in the set of names whose orders are gone: sums, as a set has no order."""
    cdef Digest one
    cdef uint64_t sum_a = 0
    cdef uint64_t sum_b = 0
    cdef int64_t i
    for i in range(directory_places(&n.ids)):
        if name_spent(b, d, n, i):
            digest_start(&one)
            digest_word(&one, directory_place(&n.ids, i).name)
            sum_a += one.a
            sum_b += one.b
    digest_word(digest, <int64_t>sum_a)
    digest_word(digest, <int64_t>sum_b)


cdef int64_t name_spent(const Book* b, const Desk* d, const Names* n, int64_t place) noexcept nogil:
    """The name at a place of the directory if its order is gone, else 0."""
    cdef int64_t name = directory_place(&n.ids, place).name
    if name < 1 or name_live(b, d, n, name):
        return 0
    return name


cdef int names_check(const Book* b, const Desk* d, const Names* n) noexcept nogil:
    """Walk everything; return 0 or the number of the rule that is broken."""
    cdef int64_t slot
    cdef int broken = directory_check(&n.ids)
    if broken:
        return broken
    for slot in range(b.used):
        if order_at(b, slot).size and not _leads_back(n, order_id_of(b, slot)):
            return 31
    for slot in range(d.stop_used):
        if d.stops[slot].state == WAITING and not _leads_back(n, stop_id_of(d, slot)):
            return 32
    if not n.strict and n.ids.taken - n.ids.graves > b.used + d.stop_used:
        return 33
    return 0


cdef bint _leads_back(const Names* n, int64_t own) noexcept nogil:
    cdef int64_t name = name_of(n, own)
    return name > 0 and _own(n, name) == own
