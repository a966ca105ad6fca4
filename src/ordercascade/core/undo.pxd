# The way back when a mechanism that is not one of ours fails in the middle of a round.
from ordercascade.core.events cimport Log
from ordercascade.core.venue cimport Venue
from ordercascade.mechanisms.plugins cimport Journal

cdef Journal journal_of(list venues, Journal journal)   # None where all mechanisms are built in
cdef int tape_mark(Log* log) except -1 nogil            # what tape_back() goes back to
cdef int tape_back(Log* log) except -1 nogil
cdef int venue_back(Venue venue, Venue saved) except -1
