# A world: the clock, the agenda, and the venues taking turns.
from libc.stdint cimport int32_t, int64_t, uint64_t
from ordercascade.core.due cimport Item
from ordercascade.core.events cimport EventLog
from ordercascade.core.state cimport State
from ordercascade.core.stream cimport Stream
from ordercascade.core.units cimport TimeNs
from ordercascade.mechanisms.plugins cimport Journal

cdef class World:
    cdef EventLog events
    cdef list venues
    cdef void** members         # Venue, borrowed from `venues`
    cdef int64_t venue_count
    cdef Item* agenda           # binary heap
    cdef int64_t agenda_count
    cdef int64_t agenda_capacity
    cdef Stream* streams        # by the order of `stream_names`
    cdef int64_t stream_capacity
    cdef list stream_names
    cdef int64_t sequence
    cdef int64_t steps_max
    cdef TimeNs instant         # when the settlement began
    cdef TimeNs now
    cdef int64_t round
    cdef int32_t phase
    cdef int64_t turn           # the venue whose turn it is
    cdef bint wrote             # this round wrote a step
    cdef bint bound             # a venue reached its round_max in this settlement
    cdef bint started
    cdef bint opened            # the settlement at the start has begun
    cdef bint bounded           # steps_max was reached
    cdef bint busy
    cdef bint ready             # __init__ has run
    cdef bint torn              # a call is half done; still so afterwards: it failed there
    cdef World saved            # as it was some rounds ago, for a failure; or None. core/undo
    cdef Journal journal        # what plug-ins said since; None where there are none
    cdef bint fresh             # nothing but step() and run() changed it since
    cdef int64_t pieces         # done since
    cdef int64_t mark           # ... when the round began, or the call inside it
    cdef int64_t called         # steps on the tape when the call began
    cdef TimeNs asked           # when settle() wants the next settlement; NIL
    cdef object seed
    cdef object __weakref__

    cdef int advance(self, bint here) except -1 nogil
    cdef int _piece(self, bint here) except -1 nogil
    cdef int _begun(self) except -1 nogil
    cdef int _keep(self) except -1
    cdef int _save(self) except -1
    cdef int64_t _back(self) except -1
    cdef World _twin(self, EventLog events)
    cdef int _follow(self, World of) except -1
    cdef int _perform(self) except -1 nogil
    cdef int _round(self) except -1 nogil
    cdef int _bounds(self) except -1 nogil
    cdef int _instant(self, TimeNs time_ns) except -1 nogil
    cdef TimeNs _next(self, bint here) noexcept nogil
    cdef int64_t _go(self, int64_t most, bint here) except -1
    cdef int64_t _int(self, str field, value, int64_t low, int64_t high) except? -1
    cdef TimeNs _time(self, value) except -1
    cdef int _idle(self) except -1
    cdef int _schedule(self, Item* item) except -1 nogil
    cdef int _again(self, const Item* paid) except -1 nogil
    cdef int _enter(self) except -1
    cdef int _leave(self) except -1
