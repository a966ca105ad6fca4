# Who is called before a liquidation, and what it will answer: the memory of core/calls.
#
# A venue without margin calls has no such block (State.calls is NULL) and pays one compare where
# a scope is touched. Triggers of its own, nodes by position: whoever is not called yet waits for
# the warning level, whoever is called for the release level, so one node a leg is enough.
from libc.stdint cimport int8_t, int32_t, int64_t
from libc.string cimport memset
from cpython.mem cimport PyMem_RawCalloc, PyMem_RawFree
from ordercascade.core.digest cimport Digest, digest_word
from ordercascade.core.slab cimport push, slab_copy, slab_grow
from ordercascade.core.triggers cimport Triggers, triggers_copy, triggers_free
from ordercascade.core.units cimport Cash, Ppm, TimeNs

# CallAction, CallSource of ordercascade.enums.
cdef enum:
    ANSWER_NOTHING = 0
    ANSWER_ADD = 1
    ANSWER_REDUCE = 2
    FROM_OUTSIDE = 0
    FROM_CROSS = 1

ctypedef struct Answer:         # what an account does when it is called
    int8_t action
    int8_t source               # ADD: money from outside, or of its cross scope
    Ppm ppm                     # ADD: up to this, of maintenance; REDUCE: this share of the leg
    TimeNs delay_ns
    Cash wallet                 # ADD: what it can still bring in

ctypedef struct Posted:         # an answer on its way to the world's agenda
    TimeNs time_ns
    int64_t step                # of the call
    int32_t scope
    int32_t account
    int8_t action

ctypedef struct Calls:
    int8_t on
    Ppm call_ppm                # a call below this, of maintenance ...
    Ppm release_ppm             # ... the next one only after equity was at this or above
    Triggers triggers           # nodes by position
    int8_t* called              # by scope: 1 from its call to its release
    int64_t called_capacity
    int8_t* listed              # by scope: is in `loose`
    int64_t listed_capacity
    int32_t* loose              # scopes to be looked at on the next standing marks
    int64_t loose_count
    int64_t loose_capacity
    Answer* answers             # by account
    int64_t answer_count
    int64_t answer_capacity
    int8_t gathered             # of this round: `due` is known
    int32_t* due                # scopes to be called, by id, from `cursor` on
    int64_t due_count
    int64_t due_capacity
    int64_t cursor
    Posted* posted              # handed to the agenda as soon as the step is written
    int64_t posted_count
    int64_t posted_capacity


cdef inline Calls* called_new() except NULL nogil:
    cdef Calls* c = <Calls*>PyMem_RawCalloc(1, sizeof(Calls))
    if c == NULL:
        with gil:
            raise MemoryError()
    return c


cdef inline void called_free(void* calls) noexcept nogil:
    cdef Calls* c = <Calls*>calls
    if c != NULL:
        triggers_free(&c.triggers)
        PyMem_RawFree(c.called)
        PyMem_RawFree(c.listed)
        PyMem_RawFree(c.loose)
        PyMem_RawFree(c.answers)
        PyMem_RawFree(c.due)
        PyMem_RawFree(c.posted)
        PyMem_RawFree(c)


cdef inline int called_copy(void** to, const void* calls) except -1 nogil:
    cdef const Calls* c = <const Calls*>calls
    cdef Calls* made
    if c == NULL:
        to[0] = NULL
        return 0
    made = called_new()
    to[0] = made
    made[0] = c[0]
    memset(&made.triggers, 0, sizeof(Triggers))
    made.called = NULL
    made.listed = NULL
    made.loose = NULL
    made.answers = NULL
    made.due = NULL
    made.posted = NULL
    triggers_copy(&made.triggers, &c.triggers)
    made.called = <int8_t*>slab_copy(c.called, c.called_capacity, sizeof(int8_t))
    made.listed = <int8_t*>slab_copy(c.listed, c.listed_capacity, sizeof(int8_t))
    made.loose = <int32_t*>slab_copy(c.loose, c.loose_capacity, sizeof(int32_t))
    made.answers = <Answer*>slab_copy(c.answers, c.answer_capacity, sizeof(Answer))
    made.due = <int32_t*>slab_copy(c.due, c.due_capacity, sizeof(int32_t))
    made.posted = <Posted*>slab_copy(c.posted, c.posted_capacity, sizeof(Posted))
    return 0


cdef inline int called_touch(void* calls, int32_t scope) except -1 nogil:
    """Its money or its lots changed: look at it on the next standing marks."""
    cdef Calls* c = <Calls*>calls
    if not c.on:
        return 0
    c.listed = <int8_t*>slab_grow(c.listed, &c.listed_capacity, scope + 1, sizeof(int8_t))
    if not c.listed[scope]:
        c.listed[scope] = 1
        push(&c.loose, &c.loose_count, &c.loose_capacity, scope)
    return 0


cdef inline void called_digest(const void* calls, int64_t holders, Digest* d) noexcept nogil:
    """Who is called and who would answer how; triggers decide nothing and are left out."""
    cdef const Calls* c = <const Calls*>calls
    cdef int64_t i
    if c == NULL:
        return
    digest_word(d, (c.call_ppm << 1) | c.on)
    digest_word(d, c.release_ppm)
    for i in range(holders):
        if i < c.called_capacity and c.called[i]:
            digest_word(d, i)
    for i in range(c.answer_count):
        digest_word(d, (c.answers[i].action << 8) | c.answers[i].source)
        digest_word(d, c.answers[i].ppm)
        digest_word(d, c.answers[i].delay_ns)
        digest_word(d, c.answers[i].wallet)
    digest_word(d, (c.due_count << 1) | c.gathered)
    digest_word(d, c.cursor)
    for i in range(c.cursor, c.due_count):
        digest_word(d, c.due[i])
