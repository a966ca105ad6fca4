"""A book of price levels as feeds record it: the size at a price is set, never traded."""
from __future__ import annotations

import numpy as np

from ordercascade.checks import once
from ordercascade.core.messages import Depth, column_of, mapped
from ordercascade.errors import InputError, InputTypeError, InvariantError

from libc.stdint cimport INT64_MAX, int64_t
from libc.string cimport memset
from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.mem cimport PyMem_RawFree
from ordercascade.core.arguments cimport within
from ordercascade.core.check cimport oc_check
from ordercascade.core.ladder cimport (
    PAGE, ladder_above, ladder_below, ladder_clear, ladder_find, ladder_free, ladder_init,
    ladder_page, ladder_set,
)
from ordercascade.core.records cimport ASK, BID
from ordercascade.core.slab cimport NIL, slab_grow
from ordercascade.core.units cimport LEVEL_MAX, TICK_MAX, Lot, Tick

cdef enum:
    TOP = 4                     # best bid, its size, best ask, its size


# ------------------------------------------------------------------ the C book

cdef int levels_init(Levels* l, Tick price_max) except -1 nogil:
    """Make an empty book for prices 1 .. price_max; to be freed even after a failure."""
    memset(l, 0, sizeof(Levels))
    oc_check(price_max >= 1)
    l.price_max = price_max
    ladder_init(&l.side[BID].ladder, price_max)
    return ladder_init(&l.side[ASK].ladder, price_max)


cdef void levels_free(Levels* l) noexcept nogil:
    cdef int side
    for side in range(2):
        ladder_free(&l.side[side].ladder)
        PyMem_RawFree(l.side[side].sizes)
    memset(l, 0, sizeof(Levels))


cdef inline int levels_set(Levels* l, int side, Tick price, Lot size) except -1 nogil:
    """Set the size at a price; 0 empties the level, which may be empty already."""
    cdef LevelSide* s = &l.side[side]
    cdef int64_t row = ladder_find(&s.ladder, price)
    cdef Lot before
    if row == NIL:
        if size == 0:
            return 0
        row = _page(s, price)
    before = s.sizes[row]
    s.sizes[row] = size
    if (before != 0) == (size != 0):
        return 0
    if size:
        ladder_set(&s.ladder, price)
        s.count += 1
        if s.count == 1 or (price - s.best) * (1 - 2 * side) > 0:
            s.best = price
        return 0
    ladder_clear(&s.ladder, price)
    s.count -= 1
    if price == s.best and s.count:
        s.best = ladder_below(&s.ladder, price) if side == BID else ladder_above(&s.ladder, price)
    return 0


cdef int64_t _page(LevelSide* s, Tick price) except -1 nogil:
    """Make the page of a price; return the price's row."""
    # The sizes grow first: a page must not exist without its rows.
    s.sizes = <Lot*>slab_grow(s.sizes, &s.capacity, (s.ladder.slots + 1) * PAGE, sizeof(Lot))
    ladder_page(&s.ladder, price)
    return ladder_find(&s.ladder, price)


cdef int levels_clear(Levels* l, int side) except -1 nogil:
    """Empty a side, level by level: a snapshot follows."""
    while l.side[side].count:
        levels_set(l, side, l.side[side].best, 0)
    return 0


cdef Tick levels_next(const Levels* l, int side, Tick price) noexcept nogil:
    """The occupied level behind `price` on a side, 0 = none; price 0 asks for the best."""
    cdef const LevelSide* s = &l.side[side]
    cdef Tick found
    if price == 0:
        return s.best if s.count else 0
    found = ladder_below(&s.ladder, price) if side == BID else ladder_above(&s.ladder, price)
    return 0 if found == NIL else found


cdef Lot levels_size(const Levels* l, int side, Tick price) noexcept nogil:
    """The size at a price of the range, 0 = no level."""
    cdef int64_t row = ladder_find(&l.side[side].ladder, price)
    return 0 if row == NIL else l.side[side].sizes[row]


cdef int levels_check(const Levels* l) noexcept nogil:
    """Walk everything; return 0 or the number of the rule that is broken."""
    cdef int64_t row, count
    cdef int side
    cdef Tick price
    for side in range(2):
        count = 0
        for row in range(l.side[side].ladder.slots * PAGE):
            if l.side[side].sizes[row] < 0:
                return 1
            count += l.side[side].sizes[row] != 0
        if count != l.side[side].count:
            return 2
        price = levels_next(l, side, 0)
        while price:
            if levels_size(l, side, price) == 0:
                return 3
            count -= 1
            price = levels_next(l, side, price)
        if count:
            return 4
    return 0


# ------------------------------------------------------------------ the door

cdef class LevelBook:
    """A book of price levels in whole ticks and lots, as recorded feeds describe it.

    Nothing is matched: a feed may leave it crossed for a moment. A call takes O(1) a level; bulk
    calls hold the GIL, some nanoseconds an update.

    >>> book = LevelBook(price_max=1_000)
    >>> book.set(0, 99, 5); book.set(1, 101, 7)
    >>> book.best_bid, book.best_ask, book.depth(1).asks.tolist()
    (99, 101, [[101, 7]])
    """

    def __cinit__(self, price_max):
        cdef Tick highest = within(price_max, "price_max", "an int number of ticks", 1, TICK_MAX)
        levels_init(&self.levels, highest)

    def __init__(self, price_max):
        once(self, self.ready)
        self.ready = True

    def __dealloc__(self):
        levels_free(&self.levels)

    # queries

    @property
    def best_bid(self):
        """The highest bid price, or None."""
        return levels_next(&self.levels, BID, 0) or None

    @property
    def best_ask(self):
        """The lowest ask price, or None."""
        return levels_next(&self.levels, ASK, 0) or None

    @property
    def price_max(self):
        """The highest price of the book's range, in ticks."""
        return self.levels.price_max

    def __len__(self):
        """How many levels there are on both sides."""
        return self.levels.side[BID].count + self.levels.side[ASK].count

    def count(self, side):
        """Return how many levels a side has."""
        return self.levels.side[<int>_side(side)].count

    def size_at(self, side, price):
        """Return the size at a price, 0 where there is no level."""
        cdef int at = _side(side)
        return levels_size(&self.levels, at, _price(price, self.levels.price_max))

    def depth(self, levels):
        """Return the best `levels` levels of both sides, or as many as there are, as copies."""
        cdef int64_t most = within(levels, "levels", "an int", 1, INT64_MAX)
        return Depth(self.table(BID, most), self.table(ASK, most))

    # commands

    def set(self, side, price, size):
        """Set the size at a price; 0 deletes the level."""
        cdef int at = _side(side)
        cdef Tick tick = _price(price, self.levels.price_max)
        cdef Lot lots = within(size, "size", "an int number of lots", 0, LEVEL_MAX)
        levels_set(&self.levels, at, tick, lots)

    def apply(self, side, price, size, *, ends=None):
        """Set many levels, in the order of the rows; whole numbers of one length, shape (n,).

        All rows are judged first: InputError names the bad one and nothing has changed. `ends`
        are ascending numbers of rows; with them the result is int64 of shape (len(ends), 4), the
        best bid, its size, the best ask, its size after that many rows, 0 where a side is empty.
        """
        sides = _column("side", side, None)
        prices = _column("price", price, len(sides))
        sizes = _column("size", size, len(sides))
        marks = _column("ends", [] if ends is None else ends, None)
        tops = np.zeros((len(marks), TOP), np.int64)
        cdef int64_t rows = len(sides)
        cdef int64_t count = len(marks)
        cdef Py_buffer held[5]
        cdef int opened = 0
        try:
            for array in (sides, prices, sizes, marks):
                PyObject_GetBuffer(array, &held[opened], PyBUF_SIMPLE)
                opened += 1
            PyObject_GetBuffer(tops, &held[4], PyBUF_WRITABLE)
            opened += 1
            self.judge(<int64_t*>held[0].buf, <int64_t*>held[1].buf, <int64_t*>held[2].buf, rows)
            self.judge_ends(<int64_t*>held[3].buf, count, rows)
            _run(&self.levels, <int64_t*>held[0].buf, <int64_t*>held[1].buf, <int64_t*>held[2].buf,
                 rows, <int64_t*>held[3].buf, count, <int64_t*>held[4].buf)
        finally:
            while opened:
                opened -= 1
                PyBuffer_Release(&held[opened])
        return None if ends is None else tops

    def clear(self):
        """Empty both sides: what a snapshot does before its levels."""
        levels_clear(&self.levels, BID)
        levels_clear(&self.levels, ASK)

    def _check(self):
        """Walk the whole book and raise InvariantError if anything does not add up."""
        broken = levels_check(&self.levels)
        if broken:
            raise InvariantError("levels", broken)

    def __repr__(self):
        bid, ask = self.depth(1)
        shown = [f"{rows[0][1]} @ {rows[0][0]}" if len(rows) else "none" for rows in (bid, ask)]
        return f"LevelBook({len(self)} levels, bid {shown[0]}, ask {shown[1]})"

    def __copy__(self):
        raise InputTypeError("LevelBook", "rebuilt from its depth", "copy.copy()")

    def __deepcopy__(self, memo):
        raise InputTypeError("LevelBook", "rebuilt from its depth", "copy.deepcopy()")

    def __reduce_ex__(self, protocol):
        raise InputTypeError("LevelBook", "rebuilt from its depth", "pickle")

    cdef int judge(self, const int64_t* side, const int64_t* price, const int64_t* size,
                   int64_t count) except -1:
        """Refuse the first row with a value outside its domain."""
        cdef int64_t i
        for i in range(count):
            if side[i] < BID or side[i] > ASK:
                raise InputError("side", side[i], "must be 0 (bid) or 1 (ask)", row=i)
            if price[i] < 1 or price[i] > self.levels.price_max:
                rule = f"must be in [1, price_max={self.levels.price_max}]"
                raise InputError("price", price[i], rule, row=i)
            if size[i] < 0 or size[i] > LEVEL_MAX:
                raise InputError("size", size[i], "must be in [0, 2**62]", row=i)
        return 0

    cdef int judge_ends(self, const int64_t* ends, int64_t count, int64_t rows) except -1:
        cdef int64_t i
        for i in range(count):
            if ends[i] < 0 or ends[i] > rows or (i > 0 and ends[i] < ends[i - 1]):
                raise InputError("ends", ends[i], f"must ascend, in [0, {rows}]", row=i)
        return 0

    cdef object table(self, int side, int64_t levels):
        """The best levels of a side: counted first, so that `levels` allocates nothing."""
        cdef Tick price = 0
        cdef Py_buffer given
        cdef int64_t* cell
        cdef int64_t count = self.levels.side[side].count
        if count > levels:
            count = levels
        rows = np.empty((count, 2), np.int64)
        PyObject_GetBuffer(rows, &given, PyBUF_WRITABLE)
        cell = <int64_t*>given.buf
        while count > 0:
            price = levels_next(&self.levels, side, price)
            cell[0] = price
            cell[1] = levels_size(&self.levels, side, price)
            cell += 2
            count -= 1
        PyBuffer_Release(&given)
        return rows


cdef int _run(Levels* l, const int64_t* side, const int64_t* price, const int64_t* size,
              int64_t rows, const int64_t* ends, int64_t count, int64_t* tops) except -1 nogil:
    """Set rows that were judged; note the tops after `ends` of them."""
    cdef int64_t i = 0
    cdef int64_t mark
    for mark in range(count):
        while i < ends[mark]:
            levels_set(l, <int>side[i], price[i], size[i])
            i += 1
        _top(l, tops + TOP * mark)
    while i < rows:
        levels_set(l, <int>side[i], price[i], size[i])
        i += 1
    return 0


cdef inline void _top(const Levels* l, int64_t* cell) noexcept nogil:
    cdef int side
    for side in range(2):
        if l.side[side].count:
            cell[2 * side] = l.side[side].best
            cell[2 * side + 1] = levels_size(l, side, l.side[side].best)


cdef int64_t _side(side) except -1:
    return within(side, "side", "Side.BID or Side.ASK", BID, ASK)


cdef Tick _price(price, Tick highest) except -1:
    return within(price, "price", "an int number of ticks", 1, highest)


cdef object _column(str field, values, rows):
    """Whole numbers as contiguous, aligned int64; a copy only where they are not."""
    if isinstance(values, np.ma.MaskedArray):
        hint = "its mask would be lost; fill or compress it first"
        raise InputTypeError(field, "an array of whole numbers", "MaskedArray", hint=hint)
    if mapped(values):
        hint = "a file that shrinks under a map kills the process; read it with numpy.fromfile"
        raise InputTypeError(field, "an array in memory", "a memory map", hint=hint)
    if isinstance(values, list) and not values:
        return np.zeros(0, np.int64)
    return np.require(column_of(field, values, 8, rows), np.int64, ["C", "ALIGNED"])
