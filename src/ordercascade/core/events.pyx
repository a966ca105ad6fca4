"""The tape while it is written: append, views without a copy, Arrow streams.

`Log` and its functions are what the engine calls (no GIL, no Python objects); `EventLog` is the
door for Python. A row is appended as one int64 a column and stored at the column's width.
"""

from operator import index
from types import MappingProxyType

import numpy as np

from ordercascade.core.messages import column_of
from ordercascade.errors import BusyError, InputError, InputTypeError, InvariantError
from ordercascade.errors import RangeError, show

from cpython.buffer cimport PyBUF_WRITABLE
from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from libc.stdint cimport INT64_MAX, int8_t, int32_t, int64_t, uint8_t, uint16_t, uintptr_t
from libc.string cimport memcpy, memset
from ordercascade.core.check cimport oc_check
from ordercascade.core.digest cimport digest_hex, digest_start, digest_word
from ordercascade.core.slab cimport slab_grow
from ordercascade.core.tapemark cimport TapeMark, mark_cell, mark_free
from ordercascade.core.units cimport larger, smaller

cdef extern from *:
    """
    typedef struct { const char *name; int bytes; const char *names; } oc_column;
    typedef struct { const char *name; int columns; const oc_column *column; } oc_shape;
    #define I64(n) {n, 8, 0}
    #define I32(n) {n, 4, 0}
    #define I8(n) {n, 1, 0}
    #define ENUM(n, names) {n, 1, names}
    static const oc_column oc_steps[] = {
        I64("step"), I64("time_ns"), I32("venue"), I32("round"), ENUM("kind", "StepKind"),
        I32("market"), I32("scope"), I64("parent"), I32("generation"), I32("cause_market"),
        I64("event_from"), I64("event_to"), I64("fill_from"), I64("fill_to")};
    static const oc_column oc_orders[] = {
        I64("step"), I64("order_id"), I32("venue"), I32("market"), I32("account"),
        ENUM("side", "Side"), ENUM("type", "OrderType"), ENUM("tif", "TimeInForce"), I8("flags"),
        I64("price"), I64("size"), I64("filled"), I64("result")};
    static const oc_column oc_fills[] = {
        I64("step"), I32("venue"), I32("market"), I64("price"), I64("size"),
        ENUM("taker_side", "Side"), I32("maker_account"), I32("taker_account"),
        I64("maker_order"), I64("taker_order"), I64("maker_fee"), I64("taker_fee"),
        I64("maker_rest")};
    static const oc_column oc_liquidations[] = {
        I64("step"), I32("venue"), I32("market"), I32("scope"), I32("account"),
        ENUM("side", "Side"), I32("leg"), I32("tranche"), I64("lots_before"), I64("lots_asked"),
        I64("lots_filled"), I32("levels_eaten"), I64("limit_price"), I64("worst_price"),
        I64("value"), I64("trigger_price"), I64("bankruptcy_price"), I64("mark_before"),
        I64("mark_after"), I64("equity_before"), I64("equity_after"), I64("fee"),
        I64("shortfall"), I64("paid_fund"), I64("paid_vault"), I64("paid_adl"),
        I64("paid_socialised"), I64("paid_bad_debt"), ENUM("outcome", "Outcome")};
    static const oc_column oc_postings[] = {
        I64("step"), I32("asset"), I32("from_holder"), I32("to_holder"), I64("amount"),
        ENUM("reason", "PostReason")};
    static const oc_column oc_adl[] = {
        I64("step"), I32("market"), I32("scope_from"), I32("scope_to"), I64("lots"), I64("cost"),
        I64("rank"), ENUM("rule", "AdlRule"), ENUM("price_mode", "PriceMode")};
    static const oc_column oc_marks[] = {
        I64("step"), I64("time_ns"), I32("venue"), I32("market"), I64("last"), I64("index"),
        I64("mark"), I64("best_bid"), I64("best_ask")};
    static const oc_column oc_levels[] = {
        I64("step"), I32("market"), ENUM("side", "Side"), I64("price"), I64("size_after")};
    static const oc_column oc_scopes[] = {
        I64("step"), I32("scope"), I64("equity"), I64("maintenance"), I64("initial"),
        I64("ratio_ppm")};
    static const oc_column oc_funds[] = {
        I64("step"), I32("venue"), I32("holder"), I32("asset"), I64("balance")};
    static const oc_column oc_notes[] = {
        I64("step"), ENUM("kind", "NoteKind"), I32("market"), I32("scope"), I64("a"), I64("b")};
    static const oc_column oc_accounts[] = {
        I32("venue"), I32("scope"), I32("account"), ENUM("kind", "HolderKind"), I32("asset"),
        I32("market"), I64("collateral")};
    static const oc_column oc_positions[] = {
        I32("venue"), I32("scope"), I32("market"), I64("size"), I64("cost")};
    #define SHAPE(n) {#n, (int)(sizeof(oc_##n) / sizeof(oc_column)), oc_##n}
    static const oc_shape oc_shapes[] = {
        SHAPE(steps), SHAPE(orders), SHAPE(fills), SHAPE(liquidations), SHAPE(postings),
        SHAPE(adl), SHAPE(marks), SHAPE(levels), SHAPE(scopes), SHAPE(funds), SHAPE(notes),
        SHAPE(accounts), SHAPE(positions)};
    #define oc_load(p) __atomic_load_n(p, __ATOMIC_ACQUIRE)
    #define oc_store(p, v) __atomic_store_n(p, v, __ATOMIC_RELEASE)
    #define oc_add(p, v) __atomic_add_fetch(p, v, __ATOMIC_ACQ_REL)
    static inline int oc_claim(int64_t *p) {
        int64_t zero = 0;
        return __atomic_compare_exchange_n(p, &zero, 1, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
    }
    """
    ctypedef struct Column "oc_column":
        const char* name
        int bytes
        const char* names       # the IntEnum its cells come from, or NULL
    ctypedef struct Shape "oc_shape":
        const char* name
        int columns
        const Column* column
    const Shape SHAPES "oc_shapes"[]
    int64_t oc_load(const int64_t* p) noexcept nogil
    void oc_store(int64_t* p, int64_t value) noexcept nogil
    int64_t oc_add(int64_t* p, int64_t by) noexcept nogil
    bint oc_claim(int64_t* p) noexcept nogil    # 0 -> 1, for one caller only


# Blocks.

cdef Block* _block_new(const Table* t, int64_t capacity) except NULL nogil:
    """A block held once, by a log. Header and cells are one allocation; cells start at 64 bytes."""
    cdef int64_t cells = capacity * t.offset[t.columns] + STAGGER * t.columns
    cdef char* memory = <char*>PyMem_RawMalloc(<size_t>(sizeof(Block) + 64 + cells))
    cdef Block* b = <Block*>memory
    if memory == NULL:
        with gil:
            raise MemoryError()
    memset(b, 0, sizeof(Block))
    b.refs = 1
    b.logs = 1
    b.capacity = capacity
    b.cells = <char*>((<uintptr_t>(memory + sizeof(Block)) + 63) & ~<uintptr_t>63)
    return b


cdef inline char* _start(const Table* t, const Block* b, int column) noexcept nogil:
    """Where a column starts; staggered, or all columns' cells of a row would share a cache set."""
    return b.cells + b.capacity * t.offset[column] + STAGGER * column


cdef void _block_release(Block* b) noexcept nogil:
    if oc_add(&b.refs, -1) == 0:
        PyMem_RawFree(b)


cdef void _block_leave(Block* b) noexcept nogil:
    """A log lets go of the block."""
    oc_add(&b.logs, -1)
    _block_release(b)


cdef bint _block_writable(const Block* b, int64_t i) noexcept nogil:
    """Whether row `i` may be written in place: no other log has the block, no view shows it."""
    if oc_load(&b.logs) != 1:
        return False
    return i >= b.shown or oc_load(&b.refs) == 1


# Tables.

cdef void _table_init(Table* t, const Shape* shape) noexcept nogil:
    cdef int c
    oc_check(shape.columns < COLUMN_MAX)
    memset(t, 0, sizeof(Table))
    t.columns = <uint8_t>shape.columns
    for c in range(shape.columns):
        t.offset[c + 1] = <uint16_t>(t.offset[c] + shape.column[c].bytes)
    t.wide = _order_width(t, shape, 0, 8)
    t.half = _order_width(t, shape, t.wide, 4)
    c = _order_width(t, shape, t.half, 1)
    oc_check(c == shape.columns)


cdef uint8_t _order_width(Table* t, const Shape* shape, uint8_t at, int width) noexcept nogil:
    """Put the columns of one width into `order` from `at` on; return where they end."""
    cdef int c
    for c in range(shape.columns):
        if shape.column[c].bytes == width:
            t.order[at] = <uint8_t>c
            at += 1
    return at


cdef inline int _width(const Table* t, int column) noexcept nogil:
    """Bytes a cell: 8, 4 or 1."""
    return t.offset[column + 1] - t.offset[column]


cdef void _aim(Table* t, bint writable) noexcept nogil:
    """Point `tail` at the last block; `room` ends with it, or here if it must be copied first."""
    cdef Block* b
    cdef int k
    if t.blocks == 0:
        t.room = 0
        return
    b = t.block[t.blocks - 1]
    for k in range(t.columns):
        t.tail[k] = _start(t, b, t.order[k])
    t.room = ((t.blocks - 1) << BLOCK_BITS) + b.capacity if writable else t.rows


cdef int _replace(Table* t, int64_t at, int64_t capacity) except -1 nogil:
    """Put a copy of block `at` with room for `capacity` rows in its place."""
    cdef Block* old = t.block[at]
    cdef Block* b = _block_new(t, capacity)
    cdef int64_t rows = t.rows - (at << BLOCK_BITS)
    cdef int c
    if rows > BLOCK_ROWS:
        rows = BLOCK_ROWS
    oc_check(rows <= capacity)
    for c in range(t.columns):
        memcpy(_start(t, b, c), _start(t, old, c), <size_t>(rows * _width(t, c)))
    t.block[at] = b
    _block_leave(old)
    return 0


cdef int _make_room(Table* t) except -1 nogil:
    """Let append write row `t.rows`: a new block, a longer first one, or a copy of a shared one."""
    cdef int64_t at = t.rows >> BLOCK_BITS
    cdef int64_t i = t.rows & BLOCK_MASK
    cdef Block* b
    if at == t.blocks:
        t.block = <Block**>slab_grow(t.block, &t.capacity, t.blocks + 1, sizeof(Block*))
        t.block[at] = _block_new(t, BLOCK_ROWS if at > 0 else BLOCK_FIRST)
        t.blocks += 1
    else:
        b = t.block[at]
        if i == b.capacity:
            _replace(t, at, b.capacity * BLOCK_GROWTH)
        elif not _block_writable(b, i):
            _replace(t, at, b.capacity)
        else:
            oc_store(&b.hashed, 0)
            if oc_load(&b.refs) == 1:
                b.shown = 0         # The views that showed more, before a truncation, are gone.
    _aim(t, True)
    oc_check(t.rows < t.room)
    return 0


cdef inline int64_t _cell(const char* start, int width, int64_t i) noexcept nogil:
    if width == 8:
        return (<const int64_t*>start)[i]
    if width == 4:
        return (<const int32_t*>start)[i]
    return (<const int8_t*>start)[i]


cdef void _block_digest(const Table* t, Block* b, int64_t rows, Digest* d) noexcept nogil:
    """The digest of a block's cells, column by column; kept once the block is full."""
    cdef int c, width
    cdef int64_t i
    cdef const char* start
    cdef Digest own
    if rows == BLOCK_ROWS and oc_load(&b.hashed) == 2:
        d[0] = b.digest
        return
    digest_start(&own)
    for c in range(t.columns):
        start = _start(t, b, c)
        width = _width(t, c)
        for i in range(rows):
            digest_word(&own, _cell(start, width, i))
    d[0] = own
    if rows == BLOCK_ROWS and oc_claim(&b.hashed):
        b.digest = own
        oc_store(&b.hashed, 2)


cdef void _table_digest(const Table* t, Digest* d) noexcept nogil:
    cdef int64_t at, rows = t.rows
    cdef Digest own
    digest_word(d, t.rows)
    for at in range(t.blocks):
        _block_digest(t, t.block[at], BLOCK_ROWS if rows > BLOCK_ROWS else rows, &own)
        digest_word(d, <int64_t>own.a)
        digest_word(d, <int64_t>own.b)
        rows -= BLOCK_ROWS


# Logs.

cdef int64_t log_rows(const Log* l, int table) noexcept nogil:
    return l.table[table].rows


cdef int64_t log_get(const Log* l, int table, int64_t row, int column) noexcept nogil:
    cdef const Table* t = &l.table[table]
    cdef const Block* b
    oc_check(row >= 0)
    oc_check(row < t.rows)
    b = t.block[row >> BLOCK_BITS]
    return _cell(_start(t, b, column), _width(t, column), row & BLOCK_MASK)


cdef void log_digest(Log* l, Digest* d) noexcept nogil:
    """Fold every cell of every table into `d`; full blocks are hashed once."""
    cdef int table
    for table in range(TABLES):
        _table_digest(&l.table[table], d)


cdef int log_init(Log* l) except -1 nogil:
    """Empty tables; the first block of a table is made by its first row."""
    cdef int table
    l.mark = NULL
    for table in range(TABLES):
        _table_init(&l.table[table], &SHAPES[table])
    return 0


cdef void log_free(Log* l) noexcept nogil:
    cdef int table
    cdef int64_t at
    cdef Table* t
    for table in range(TABLES):
        t = &l.table[table]
        for at in range(t.blocks):
            _block_leave(t.block[at])
        PyMem_RawFree(t.block)
        t.block = NULL
        t.blocks = 0
        t.capacity = 0
        t.rows = 0
        t.room = 0
    mark_free(<TapeMark*>l.mark)
    l.mark = NULL


cdef int log_fork(Log* to, Log* l) except -1 nogil:
    """Share all blocks; the next append to a table, on either side, copies its last one first."""
    cdef int table
    cdef int64_t at
    cdef Table* t
    memset(to, 0, sizeof(Log))
    for table in range(TABLES):
        t = &l.table[table]
        to.table[table] = t[0]      # Columns and offsets; blocks follow, so a failure can be freed.
        to.table[table].block = NULL
        to.table[table].blocks = 0
        to.table[table].capacity = 0
    for table in range(TABLES):
        t = &l.table[table]
        if t.blocks == 0:
            continue
        to.table[table].block = <Block**>slab_grow(
            NULL, &to.table[table].capacity, t.blocks, sizeof(Block*))
        for at in range(t.blocks):
            oc_add(&t.block[at].refs, 1)
            oc_add(&t.block[at].logs, 1)
            to.table[table].block[at] = t.block[at]
        to.table[table].blocks = t.blocks
        to.table[table].room = t.rows
        t.room = t.rows
    return 0


cdef int64_t log_append(Log* l, int table, const int64_t* row) except -1 nogil:
    """Append one row; return its number."""
    cdef Table* t = &l.table[table]
    cdef int64_t i, value
    cdef int k
    if t.rows >= t.room:
        _make_room(t)
    i = t.rows & BLOCK_MASK
    for k in range(t.wide):
        (<int64_t*>t.tail[k])[i] = row[t.order[k]]
    for k in range(t.wide, t.half):
        value = row[t.order[k]]
        oc_check(<int32_t>value == value)
        (<int32_t*>t.tail[k])[i] = <int32_t>value
    for k in range(t.half, t.columns):
        value = row[t.order[k]]
        oc_check(<int8_t>value == value)
        (<int8_t*>t.tail[k])[i] = <int8_t>value
    t.rows += 1
    return t.rows - 1


cdef int log_set(Log* l, int table, int64_t row, int column, int64_t value) except -1 nogil:
    """Change one cell; a block that others hold is copied first."""
    cdef Table* t = &l.table[table]
    cdef int64_t at = row >> BLOCK_BITS
    cdef int64_t i = row & BLOCK_MASK
    cdef int width = _width(t, column)
    cdef char* start
    oc_check(row >= 0)
    oc_check(row < t.rows)
    if l.mark != NULL and row < (<TapeMark*>l.mark).rows[table]:
        mark_cell(<TapeMark*>l.mark, table, row, column, log_get(l, table, row, column))
    if not _block_writable(t.block[at], i):
        _replace(t, at, t.block[at].capacity)
        if at == t.blocks - 1:
            _aim(t, True)
    start = _start(t, t.block[at], column)
    oc_store(&t.block[at].hashed, 0)
    if width == 8:
        (<int64_t*>start)[i] = value
    elif width == 4:
        oc_check(<int32_t>value == value)
        (<int32_t*>start)[i] = <int32_t>value
    else:
        oc_check(<int8_t>value == value)
        (<int8_t*>start)[i] = <int8_t>value
    return 0


cdef int log_truncate(Log* l, int table, int64_t rows) except -1 nogil:
    """Forget the rows from `rows` on; cells that log_set changed before them stay changed."""
    cdef Table* t = &l.table[table]
    cdef int64_t blocks = (rows + BLOCK_ROWS - 1) >> BLOCK_BITS
    oc_check(rows >= 0)
    oc_check(rows <= t.rows)
    while t.blocks > blocks:
        t.blocks -= 1
        _block_leave(t.block[t.blocks])
    t.rows = rows
    # The last block may be full, shared or shown: the next append looks before it writes.
    _aim(t, False)
    return 0


cdef int log_check(const Log* l) noexcept nogil:
    cdef int table
    cdef int64_t at
    cdef const Table* t
    for table in range(TABLES):
        t = &l.table[table]
        if t.blocks != (t.rows + BLOCK_ROWS - 1) >> BLOCK_BITS:
            return 1
        if t.blocks > t.capacity:
            return 2
        if t.room > t.rows and not _block_writable(t.block[t.blocks - 1], t.rows & BLOCK_MASK):
            return 3
        for at in range(t.blocks):
            if t.block[at].logs < 1 or t.block[at].refs < t.block[at].logs:
                return 4
            if at + 1 < t.blocks and t.block[at].capacity != BLOCK_ROWS:
                return 5
            if at + 1 == t.blocks and t.block[at].capacity < t.rows - (at << BLOCK_BITS):
                return 6
    return 0


cdef int64_t _extend(Log* l, int table, const char** cells, int64_t rows) except -1 nogil:
    """Append `rows` rows given as columns of the right widths, in table order."""
    cdef Table* t = &l.table[table]
    cdef int64_t done = 0
    cdef int64_t take, at
    cdef int k, width
    while done < rows:
        if t.rows >= t.room:
            _make_room(t)
        take = smaller(rows - done, t.room - t.rows)
        at = t.rows & BLOCK_MASK
        for k in range(t.columns):
            width = _width(t, t.order[k])
            memcpy(t.tail[k] + at * width, cells[t.order[k]] + done * width, <size_t>(take * width))
        t.rows += take
        done += take
    return t.rows


# The door for Python.

cdef dict _schema():
    """Table name -> (number, {column: (bytes, enumeration or None)}), in the order of the tape."""
    cdef int table, c
    cdef const Shape* shape
    found = {}
    for table in range(TABLES):
        shape = &SHAPES[table]
        columns = {}
        for c in range(shape.columns):
            names = shape.column[c].names
            columns[shape.column[c].name.decode()] = (
                shape.column[c].bytes, names.decode() if names != NULL else None)
        found[shape.name.decode()] = (table, columns)
    return found


_SCHEMA = _schema()
SCHEMA = MappingProxyType(
    {name: MappingProxyType(columns) for name, (_, columns) in _SCHEMA.items()})


cdef class _Cells:
    """One column of one block as a read-only buffer; keeps the block alive."""

    cdef Block* block
    cdef char* start
    cdef Py_ssize_t[1] shape
    cdef Py_ssize_t[1] strides

    def __dealloc__(self):
        if self.block != NULL:
            _block_release(self.block)

    def __getbuffer__(self, Py_buffer* buffer, int flags):
        if flags & PyBUF_WRITABLE:
            raise BufferError("a tape is read-only")
        buffer.buf = self.start
        buffer.obj = self
        buffer.len = self.shape[0] * self.strides[0]
        buffer.itemsize = self.strides[0]
        buffer.readonly = 1
        buffer.ndim = 1
        buffer.format = b"q" if self.strides[0] == 8 else b"i" if self.strides[0] == 4 else b"b"
        buffer.shape = self.shape
        buffer.strides = self.strides
        buffer.suboffsets = NULL
        buffer.internal = NULL


cdef _Cells _cells(Table* t, int64_t at, int column):
    cdef _Cells cells = _Cells.__new__(_Cells)
    cdef Block* b = t.block[at]
    cdef int64_t rows = smaller(t.rows - (at << BLOCK_BITS), BLOCK_ROWS)
    oc_add(&b.refs, 1)
    cells.block = b
    cells.start = _start(t, b, column)
    cells.shape[0] = rows
    cells.strides[0] = _width(t, column)
    b.shown = larger(b.shown, rows)
    return cells


cdef int64_t _whole(str field, object value, int width) except? -1:
    """The value as an int64 that fits `width` bytes."""
    cdef int64_t limit = (<int64_t>1 << (8 * width - 1)) - 1 if width < 8 else INT64_MAX
    if isinstance(value, bool):
        raise InputTypeError(field, "an int", value)
    try:
        number = index(value)
    except TypeError:
        raise InputTypeError(field, "an int", value) from None
    if not -limit - 1 <= number <= limit:
        raise RangeError(field, f"must fit {8 * width} bits, got {show(value)}", bits=8 * width)
    return number


cdef class EventLog:
    """The tables of one world, as Python sees them; `SCHEMA` names tables, columns and widths.

    Views are read-only, made without a copy, and never change: they keep the block they show.
    """

    def __cinit__(self):
        log_init(&self.log)

    def __dealloc__(self):
        log_free(&self.log)

    def __len__(self):
        cdef int table
        cdef int64_t rows = 0
        for table in range(TABLES):
            rows += self.log.table[table].rows
        return rows

    def __repr__(self):
        used = [f"{name}={self.rows(name)}" for name in _SCHEMA if self.rows(name)]
        return f"EventLog({', '.join(used) or 'empty'})"

    def __reduce__(self):
        raise TypeError("an EventLog is not pickled or copied: save a Tape, or use fork()")

    def rows(self, table):
        """Return how many rows a table has."""
        return self.log.table[self._table(table)].rows

    def blocks(self, table, column):
        """Return one read-only array a block of 65,536 rows, without a copy."""
        cdef int number = self._table(table)
        cdef int c = self._column(table, column)
        cdef Table* t = &self.log.table[number]
        kind = np.dtype(f"i{_width(t, c)}")
        return [np.frombuffer(_cells(t, at, c), kind) for at in range(t.blocks)]

    def column(self, table, column):
        """Return a whole column, read-only: a view if it is one block, else a copy."""
        parts = self.blocks(table, column)
        if len(parts) == 1:
            return parts[0]
        width = _SCHEMA[table][1][column][0]
        whole = np.concatenate(parts) if parts else np.empty(0, dtype=f"i{width}")
        whole.flags.writeable = False
        return whole

    def get(self, table, row, column):
        """Return one cell."""
        cdef int number = self._table(table)
        return log_get(&self.log, number, self._row(number, row), self._column(table, column))

    def row(self, table, row):
        """Return one row, a tuple of whole numbers in the order of the columns."""
        cdef int number = self._table(table)
        cdef int64_t at = self._row(number, row)
        cdef int c
        return tuple([log_get(&self.log, number, at, c)
                      for c in range(self.log.table[number].columns)])

    def digest(self):
        """Return 32 hexadecimal digits over every cell of every table."""
        cdef Digest d
        self._idle()
        digest_start(&d)
        with nogil:
            log_digest(&self.log, &d)
        return digest_hex(&d)

    def append(self, table, row):
        """Append one row, a mapping with a whole number for each column; return its number."""
        cdef int number = self._table(table)
        cdef int64_t[COLUMN_MAX] cells
        cdef int c
        self._writable()
        columns = _SCHEMA[table][1]
        self._named(table, row)
        for c, (name, (width, _)) in enumerate(columns.items()):
            cells[c] = _whole(f"{table}.{name}", row[name], width)
        return log_append(&self.log, number, cells)

    def extend(self, table, columns):
        """Append many rows, a mapping with an array for each column; return the new row count."""
        cdef int number = self._table(table)
        cdef const char* cells[COLUMN_MAX]
        cdef int c
        cdef int64_t rows
        self._writable()
        self._named(table, columns)
        held = []
        for name, (width, _) in _SCHEMA[table][1].items():
            count = len(held[0]) if held else None
            held.append(column_of(f"{table}.{name}", columns[name], width, count))
        for c in range(self.log.table[number].columns):
            cells[c] = <const char*><uintptr_t>held[c].ctypes.data
        rows = len(held[0])
        with nogil:
            rows = _extend(&self.log, number, cells, rows)
        return rows

    def set(self, table, row, column, value):
        """Change one cell."""
        self._writable()
        cdef int number = self._table(table)
        cdef int c = self._column(table, column)
        cdef int64_t cell = _whole(f"{table}.{column}", value, _width(&self.log.table[number], c))
        log_set(&self.log, number, self._row(number, row), c, cell)

    def truncate(self, table, rows):
        """Forget the rows of a table from `rows` on."""
        self._writable()
        cdef int number = self._table(table)
        if not 0 <= rows <= self.log.table[number].rows:
            raise InputError("rows", rows, f"must be in [0, {self.log.table[number].rows}]")
        log_truncate(&self.log, number, rows)

    def fork(self):
        """Return a log that starts as this one; blocks are shared until one side writes."""
        self._idle()
        return log_share(&self.log)

    def _check(self):
        cdef int broken = log_check(&self.log)
        if broken:
            raise InvariantError("event log", broken)

    cdef int _idle(self) except -1:
        if self.busy:
            raise BusyError("the world")

    cdef int _writable(self) except -1:
        if self.owned:
            raise InputError("log", "a world's", "must be written by its world alone; fork() it")

    cdef int _table(self, object table) except -1:
        found = _SCHEMA.get(table)
        self._idle()
        if found is None:
            raise InputError("table", table, f"must be one of {', '.join(_SCHEMA)}")
        return found[0]

    cdef int _column(self, object table, object column) except -1:
        columns = _SCHEMA[table][1]
        if column not in columns:
            raise InputError(f"{table} column", column, f"must be one of {', '.join(columns)}")
        return list(columns).index(column)

    cdef int64_t _row(self, int table, object row) except -1:
        rows = self.log.table[table].rows
        if not 0 <= row < rows:
            raise InputError("row", row, f"must be in [0, {rows})")
        return row

    cdef int _named(self, object table, object given) except -1:
        """Refuse a mapping with a column too many or too few."""
        columns = _SCHEMA[table][1]
        for name in given:
            if name not in columns:
                raise InputError(f"{table} column", name, f"must be one of {', '.join(columns)}")
        for name in columns:
            if name not in given:
                raise InputError(f"{table} columns", name, "must all be given; this one is missing")
        return 0


cdef EventLog log_share(Log* l):
    cdef EventLog log = EventLog.__new__(EventLog)
    log_fork(&log.log, l)
    return log
