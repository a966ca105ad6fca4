"""Who is at risk when a mark moves: a venue's accounts under live marks, without book and tape.

A Monitor takes a copy of the accounts, positions and brackets of a Venue. A mark that reaches
nobody's trigger costs two comparisons, however many accounts there are; one that does costs an
exact evaluation for each scope that it could concern. spec/TRIGGERS.md.
"""

from libc.stdint cimport int32_t, int64_t
from ordercascade.core.arguments cimport within
from ordercascade.core.flock cimport fetch
from ordercascade.core.hedging cimport refuse_legs
from ordercascade.core.ledger cimport (
    EXTERNAL, SCOPE, ledger_deposit, ledger_enter, ledger_holder, ledger_position,
)
from ordercascade.core.options cimport grids_refuse
from ordercascade.core.rating cimport own_schedules
from ordercascade.core.slab cimport NIL, push
from ordercascade.core.state cimport (
    cost_of, ARMED, HOT, LOOSE, Margin, PARKED, State, liquidatable, margin_of,
)
from ordercascade.core.statecopy cimport state_copy, state_free
from ordercascade.core.triggers cimport triggers_memory
from ordercascade.core.units cimport CASH_MAX, Cash, Lot, Tick
from ordercascade.core.venue cimport Venue
from ordercascade.core.watch cimport look, sort_ids, touch

import numpy as np

from ordercascade.errors import InputError, InputTypeError, InvariantError


cdef int64_t _settle_hot(State* s) except -1 nogil:
    """Look again at those that were below: some may have recovered."""
    cdef int64_t i
    for i in range(s.hot_count):
        s.scopes[s.hot[i]].watch = LOOSE
        push(&s.loose, &s.loose_count, &s.loose_capacity, s.hot[i])
    s.hot_count = 0
    return look(s, NIL)


cdef class Monitor:
    """The accounts of a venue under marks that you set; scopes are the venue's ids.

    Positions move by fill(), money by deposit(); `external` is the other side of both.
    """

    def __cinit__(self, Venue venue not None):
        cdef int64_t i
        if not venue.s.running or venue.s.busy:
            raise InputError("venue", "not started", "must come from a world after its start()")
        grids_refuse(&venue.s, "a monitor")
        state_copy(&self.s, &venue.s)
        self.schedules = own_schedules(&self.s, venue.schedules)
        self.s.log = NULL
        self.s.policy = NULL
        self.s.backstop = NULL
        for i in range(self.s.market_count):
            self.s.markets[i].oracle = NULL
            self.s.markets[i].stale = 0
        for i in range(self.s.ledger.holder_count):
            if self.s.scopes[i].watch == PARKED:    # waits for its next order; here it is watched
                self.s.scopes[i].watch = LOOSE
                push(&self.s.loose, &self.s.loose_count, &self.s.loose_capacity, <int32_t>i)
        look(&self.s, NIL)
        self.s.triggers.armings = 0

    def __dealloc__(self):
        state_free(&self.s)

    def __reduce__(self):
        raise InputTypeError("Monitor", "made anew from its venue", "pickle")

    def __len__(self):
        """How many scopes are watched."""
        cdef int64_t i
        cdef int64_t count = 0
        for i in range(self.s.ledger.holder_count):
            count += self.s.ledger.holders[i].kind == SCOPE
        return count

    def set_mark(self, market, tick):
        """Set one mark; return how many scopes have been found below and not looked at again."""
        cdef int64_t m = within(market, "market", "an int", 0, self.s.market_count - 1)
        self.s.markets[m].peek = within(tick, "tick", "an int", 1, self.s.markets[m].price_max)
        self.looked += look(&self.s, NIL)
        return self.s.hot_count

    def set_marks(self, ticks):
        """Set all marks at once, by market: nobody is found who was below only in between."""
        cdef int64_t m
        if len(ticks) != self.s.market_count:
            raise InputError("ticks", len(ticks), f"must be {self.s.market_count}, one a market")
        wanted = [within(tick, "tick", "an int", 1, self.s.markets[m].price_max)
                  for m, tick in enumerate(ticks)]
        for m, tick in enumerate(wanted):
            self.s.markets[m].peek = tick
        self.looked += look(&self.s, NIL)
        return self.s.hot_count

    def follow(self, ticks):
        """Set the marks of each row of an int64 array (n, markets) in turn, the GIL released.

        Returns how many scopes were found below by each row; ids are in at_risk().
        """
        cdef const int64_t[:, ::1] rows
        cdef int64_t[::1] out
        cdef int64_t i, m, before
        given = np.ascontiguousarray(ticks)
        if given.dtype != np.int64 or given.ndim != 2 or given.shape[1] != self.s.market_count:
            raise InputTypeError("ticks", f"int64 of shape (n, {self.s.market_count})",
                                 f"{given.dtype} of shape {given.shape}")
        rows = given
        for m in range(self.s.market_count):
            if given.shape[0] and not (
                    1 <= given[:, m].min() and given[:, m].max() <= self.s.markets[m].price_max):
                raise InputError("ticks", f"column {m}", "must be in [1, price_max]")
        found = np.zeros(given.shape[0], dtype=np.int64)
        out = found
        with nogil:
            for i in range(rows.shape[0]):
                before = self.s.hot_count
                for m in range(self.s.market_count):
                    self.s.markets[m].peek = rows[i, m]
                self.looked += look(&self.s, NIL)
                out[i] = self.s.hot_count - before
        return found

    def fill(self, scope, market, lots, price):
        """Give a scope signed lots at a price; it is looked at again at once."""
        cdef int64_t m = within(market, "market", "an int", 0, self.s.market_count - 1)
        cdef int32_t number = self._scope(scope)
        cdef Lot size = within(lots, "lots", "an int", -self.s.markets[m].size_max,
                               self.s.markets[m].size_max)
        cdef Tick tick = within(price, "price", "an int", 1, self.s.markets[m].price_max)
        cdef Cash cost = cost_of(&self.s.markets[m], size, tick)
        cdef int32_t outside = ledger_holder(&self.s.ledger, EXTERNAL, self.s.markets[m].asset)
        if size == 0:
            raise InputError("lots", lots, "must not be 0")
        refuse_legs(&self.s, number)
        if self.s.ledger.holders[number].asset != self.s.markets[m].asset or (
                self.s.ledger.holders[number].market not in (NIL, m)):
            raise InputError("market", market, "must be one that the scope may hold")
        ledger_enter(&self.s.ledger, ledger_position(&self.s.ledger, number, <int32_t>m), size,
                     cost)
        ledger_enter(&self.s.ledger, ledger_position(&self.s.ledger, outside, <int32_t>m), -size,
                     -cost)
        return self._touched(number)

    def deposit(self, scope, amount):
        """Add money to a scope, or take it out (amount < 0)."""
        cdef int32_t number = self._scope(scope)
        ledger_deposit(&self.s.ledger, number,
                       within(amount, "amount", "an int", -CASH_MAX, CASH_MAX))
        return self._touched(number)

    cdef int64_t _touched(self, int32_t scope) except -1:
        if self.s.scopes[scope].watch == ARMED:
            touch(&self.s, scope)
            self.looked += look(&self.s, NIL)
        return self.s.hot_count

    def at_risk(self):
        """The scopes that are below at the marks now, by id; those that recovered are let go."""
        cdef int64_t i
        cdef int32_t[::1] out
        self.looked += _settle_hot(&self.s)
        sort_ids(self.s.hot, self.s.hot_count)
        made = np.zeros(self.s.hot_count, dtype=np.int32)
        out = made
        for i in range(self.s.hot_count):
            out[i] = self.s.hot[i]
        return made

    @property
    def evaluations(self):
        """How many times a scope has been evaluated."""
        return self.looked

    @property
    def armings(self):
        """How many times a trigger has been set."""
        return self.s.triggers.armings

    @property
    def memory(self):
        """Bytes of the trigger index."""
        return triggers_memory(&self.s.triggers)

    cdef int32_t _scope(self, scope) except -1:
        cdef int64_t number = within(scope, "scope", "an int", 0, self.s.ledger.holder_count - 1)
        fetch(&self.s, <int32_t>number)
        if self.s.ledger.holders[number].kind != SCOPE:
            raise InputError("scope", scope, "must be a user's scope, not a holder of the venue")
        return <int32_t>number

    def _check(self):
        """Compare with a full scan: InvariantError if a scope below is not known to be."""
        cdef int64_t i
        cdef Margin m
        for i in range(self.s.ledger.holder_count):
            if self.s.ledger.holders[i].kind != SCOPE:
                continue
            m = margin_of(&self.s, <int32_t>i, True)
            if liquidatable(&self.s, &m) and self.s.scopes[i].watch != HOT:
                raise InvariantError("monitor", int(i))
