# A venue: its books, its ledger, its rules. The only code that knows both books and ledger.
from libc.stdint cimport int8_t, int32_t, int64_t
from ordercascade.core.events cimport EventLog
from ordercascade.core.state cimport State
from ordercascade.core.units cimport Cash, Lot, Tick


cdef class Venue:
    cdef State s
    cdef list oracles           # keep what State borrows
    cdef object policy
    cdef object backstop
    cdef EventLog events
    cdef object __weakref__

    cdef int begin(self) except -1
    cdef Venue copy(self, EventLog events)
