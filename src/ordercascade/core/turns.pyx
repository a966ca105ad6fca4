"""What a world does to all of its venues: a settlement's begin and end, its rounds, what is due."""

from libc.stdint cimport int32_t, int64_t
from ordercascade.core.arriving cimport sooner
from ordercascade.core.calls cimport answer_step
from ordercascade.core.due cimport (
    ANSWER, ENDING, FUNDING, INTEREST, Item, PRICE_TICK, RELIEF, TRANSFER, earlier,
)
from ordercascade.core.events cimport Log, T_ADL, T_FILLS, T_LEVELS, T_POSTINGS, log_rows
from ordercascade.core.expiry cimport expiry_step
from ordercascade.core.funding cimport funding_step
from ordercascade.core.interest cimport interest_step
from ordercascade.core.outside cimport price_tick, shock, transfer
from ordercascade.core.relief cimport relief_step
from ordercascade.core.settle cimport next_retry, round_begin
from ordercascade.core.slab cimport NIL
from ordercascade.core.state cimport Margin, PARKED, State, liquidatable, margin_of
from ordercascade.core.units cimport TimeNs
from ordercascade.core.venue cimport Venue
from ordercascade.core.watch cimport window_open

cdef enum:                      # enums.Stop
    WELL = 1
    WAITS = 2
    NO_ORDER = 5


cdef int turns_open(void** members, int64_t count, TimeNs time_ns) except -1 nogil:
    """A settlement begins."""
    cdef int64_t i
    cdef State* s
    for i in range(count):
        s = &(<Venue>members[i]).s
        s.time_ns = time_ns
        s.round = 0
        s.muted = False
        s.wrote = False
        s.settling = True
        window_open(s)
    return 0


cdef int64_t turns_due(void** members, int64_t count, const Item* agenda, int64_t items,
                       TimeNs instant, int64_t round) noexcept nogil:
    """The row of the first item in agenda order that its venue's clock has reached, or NIL.

    A venue that rests until the next settlement leaves its items there.
    """
    cdef int64_t i
    cdef int64_t first = NIL
    cdef State* s
    for i in range(items):
        s = &(<Venue>members[agenda[i].venue]).s
        if s.muted or agenda[i].time_ns > instant + round * s.rules.round_ns:
            if count == 1:
                break           # the heap's first is the earliest of all
            continue
        if first == NIL or earlier(&agenda[i], &agenda[first]):
            first = i
        if count == 1:
            break
    return first


cdef int turns_perform(State* s, const Item* item) except -1 nogil:
    """Do what was due."""
    if item.side == ANSWER:
        return answer_step(s, <int32_t>item.a, item.b, item.c)
    if item.side == ENDING:
        return expiry_step(s, item.market)
    if item.side == INTEREST:
        return interest_step(s, <int32_t>item.a, item.b)
    if item.side == RELIEF:
        return relief_step(s, <int32_t>item.a)
    if item.kind == PRICE_TICK:
        return price_tick(s, item.market, item.a, item.b)
    if item.kind == FUNDING:
        return funding_step(s, item.market, item.side, item.a)
    if item.kind == TRANSFER:
        return transfer(s, item.account, <int32_t>item.b, item.a)
    return shock(s, item.market, item.side, item.a, item.b, item.c)


cdef int turns_marks(void** members, int64_t count, TimeNs instant, int64_t round) except -1 nogil:
    """Every venue takes the marks that stand in this round, at its own pace."""
    cdef int64_t i
    cdef State* s
    for i in range(count):
        s = &(<Venue>members[i]).s
        if not s.muted:
            round_begin(s, instant + round * s.rules.round_ns, round)
    return 0


cdef bint turns_awake(void** members, int64_t count) noexcept nogil:
    """True while a venue has rounds left in this settlement."""
    cdef int64_t i
    for i in range(count):
        if not (<Venue>members[i]).s.muted:
            return True
    return False


cdef void turns_round(void** members, int64_t count, TimeNs instant, int64_t round,
                      TimeNs* now) noexcept nogil:
    """Give the venues the number and time of the round that begins."""
    cdef int64_t i
    cdef State* s
    for i in range(count):
        s = &(<Venue>members[i]).s
        if not s.muted:
            s.round = round
            s.time_ns = instant + round * s.rules.round_ns
            if s.time_ns > now[0]:
                now[0] = s.time_ns


cdef void turns_close(void** members, int64_t count, TimeNs now) noexcept nogil:
    """A settlement is over."""
    cdef int64_t i
    cdef State* s
    for i in range(count):
        s = &(<Venue>members[i]).s
        s.time_ns = now
        s.round = 0
        s.settling = False


cdef TimeNs turns_retry(void** members, int64_t count) noexcept nogil:
    """When the first of the venues wakes by itself, or NIL."""
    cdef TimeNs at = NIL
    cdef int64_t i
    for i in range(count):
        at = sooner(at, next_retry(&(<Venue>members[i]).s))
    return at


cdef bint _unasked(const State* s, const int32_t* list, int64_t count) noexcept nogil:
    """Is any of these at risk on the standing marks, though no liquidation of it waits?"""
    cdef int64_t i
    cdef Margin m
    for i in range(count):
        if s.scopes[list[i]].pending and s.scopes[list[i]].watch == PARKED:
            continue
        m = margin_of(s, list[i], False)
        if liquidatable(s, &m):
            return True
    return False


cdef int turns_rest(void** members, int64_t count) noexcept nogil:
    """Why venues with nothing left to do rest: orders wait, or no order was sent, or all are well.

    The last round wrote nothing, so whom it found at risk is loose or hot; a pending scope among
    them was asked again and sent nothing, while one whose order waits is parked.
    """
    cdef int64_t i, k
    cdef const State* s
    cdef bint pending = False
    cdef bint unasked = False
    for i in range(count):
        s = &(<Venue>members[i]).s
        for k in range(s.pending_count):
            if s.scopes[s.pending[k]].pending:
                if s.scopes[s.pending[k]].watch == PARKED:
                    return WAITS
                pending = True
        unasked = (unasked or _unasked(s, s.hot, s.hot_count)
                   or _unasked(s, s.loose, s.loose_count))
    if unasked:
        return NO_ORDER
    return WAITS if pending else WELL


cdef int64_t turns_rows(const Log* log) noexcept nogil:
    """Rows of the tape by which to tell how much work was done."""
    return (log_rows(log, T_FILLS) + log_rows(log, T_LEVELS) + log_rows(log, T_POSTINGS)
            + log_rows(log, T_ADL))
