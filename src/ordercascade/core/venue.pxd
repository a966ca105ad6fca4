# A venue: its books, its ledger, its rules. The only code that knows both books and ledger.
from libc.stdint cimport int8_t, int32_t, int64_t
from ordercascade.core.events cimport EventLog
from ordercascade.core.state cimport State
from ordercascade.core.units cimport Cash, Lot, Tick


cdef class Venue:
    cdef State s
    cdef list oracles           # keep what State borrows
    cdef list schedules         # by market: a Schedule or None; the same
    cdef list breakers          # in the order given; the same
    cdef list surcharges        # (for margin, its object); the same
    cdef object policy
    cdef object backstop
    cdef EventLog events
    cdef bint torn              # a call is half done; still so afterwards: it failed there
    cdef bint untouched         # nobody but step() and run() changed it since the world was kept
    cdef object __weakref__

    cdef int64_t _int(self, str field, value, int64_t low, int64_t high) except? -1
    cdef Tick _price(self, int32_t market, value, Tick low) except -1
    cdef object _whole_again(self, int64_t answer)
    cdef int _still(self) except -1
    cdef int priced(self) except -1
    cdef int begin(self) except -1
    cdef Venue copy(self, EventLog events)
