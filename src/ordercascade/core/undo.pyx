"""The way back when a mechanism that is not one of ours fails in the middle of a round.

A copy of the world every round would cost more than the round. So the world is copied once and
used for many rounds: what Python plug-ins say is written into a journal, and after a failure the
copy runs the same pieces again with the journal's answers, up to the start of the round (or of the
call that began inside it). The copy is made anew when somebody else touches the world between two
calls, and when the journal is long. The tape goes back to a mark. docs/adr/0016.
"""

from libc.stdint cimport int64_t
from cpython.mem cimport PyMem_RawCalloc
from ordercascade.core.events cimport Log, TABLES, log_rows, log_set, log_truncate
from ordercascade.core.state cimport State
from ordercascade.core.tapemark cimport TapeMark, mark_clear
from ordercascade.core.venue cimport Venue
from ordercascade.mechanisms.plugins cimport (
    Journal, PluginBackstop, PluginBreaker, PluginOracle, PluginPolicy, PluginSurcharge,
)

OURS = "ordercascade."


cdef bint _claim(mechanism, Journal journal):
    """Let a Python plug-in write into this journal; False where it wrote into another one."""
    cdef Journal other = journal
    if isinstance(mechanism, PluginOracle):
        other, (<PluginOracle>mechanism).journal = (<PluginOracle>mechanism).journal, journal
    elif isinstance(mechanism, PluginBreaker):
        other, (<PluginBreaker>mechanism).journal = (<PluginBreaker>mechanism).journal, journal
    elif isinstance(mechanism, PluginPolicy):
        other, (<PluginPolicy>mechanism).journal = (<PluginPolicy>mechanism).journal, journal
    elif isinstance(mechanism, PluginBackstop):
        other, (<PluginBackstop>mechanism).journal = (<PluginBackstop>mechanism).journal, journal
    elif isinstance(mechanism, PluginSurcharge):
        other, (<PluginSurcharge>mechanism).journal = (<PluginSurcharge>mechanism).journal, journal
    if other is not None and other is not journal:
        other.lost = True       # it may be another world's, which must look again
    return other is journal


cdef bint _foreign(mechanism):
    """A Python object, or a class that somebody else compiled."""
    return (isinstance(mechanism, (PluginOracle, PluginBreaker, PluginPolicy, PluginBackstop,
                                   PluginSurcharge))
            or not type(mechanism).__module__.startswith(OURS))


cdef Journal journal_of(list venues, Journal journal):
    """The journal that all mechanisms of these venues write into: this one if it is so already."""
    cdef Venue v
    cdef bint same = journal is not None and not journal.lost
    cdef list found = []
    for v in venues:
        found += [each for each in (v.policy, v.backstop, *v.breakers, *v.oracles, *v.surcharges)
                  if _foreign(each)]
    if not found:
        return None
    if same:
        for each in found:
            same = _claim(each, journal) and same
    if same:
        return journal
    journal = Journal.__new__(Journal)
    for each in found:
        _claim(each, journal)
    return journal


cdef int tape_mark(Log* log) except -1 nogil:
    cdef int i
    cdef TapeMark* mark = <TapeMark*>log.mark
    if mark == NULL:
        mark = <TapeMark*>PyMem_RawCalloc(1, sizeof(TapeMark))
        if mark == NULL:
            with gil:
                raise MemoryError()
        log.mark = mark
    mark_clear(mark)
    for i in range(TABLES):
        mark.rows[i] = log_rows(log, i)
    return 0


cdef int tape_back(Log* log) except -1 nogil:
    """Older cells as they were, the latest change first; then the lengths."""
    cdef TapeMark* mark = <TapeMark*>log.mark
    cdef int64_t rows[TABLES]
    cdef int i
    for i in range(TABLES):
        rows[i] = mark.rows[i]
        mark.rows[i] = 0        # what is put back is not kept again
    while mark.count > 0:
        mark.count -= 1
        log_set(log, mark.cells[mark.count].table, mark.cells[mark.count].row,
                mark.cells[mark.count].column, mark.cells[mark.count].value)
    for i in range(TABLES):
        log_truncate(log, i, rows[i])
    mark_clear(mark)
    return 0


cdef int venue_back(Venue venue, Venue saved) except -1:
    """Make a venue what its copy is; the copy gets what is left, and frees it."""
    cdef State s = venue.s
    venue.s = saved.s
    saved.s = s
    venue.policy, saved.policy = saved.policy, venue.policy
    venue.backstop, saved.backstop = saved.backstop, venue.backstop
    venue.oracles, saved.oracles = saved.oracles, venue.oracles
    venue.schedules, saved.schedules = saved.schedules, venue.schedules
    venue.breakers, saved.breakers = saved.breakers, venue.breakers
    venue.surcharges, saved.surcharges = saved.surcharges, venue.surcharges
    venue.s.busy = True         # still inside the call that failed
    venue.untouched = False
    venue.torn = False
    return 0
