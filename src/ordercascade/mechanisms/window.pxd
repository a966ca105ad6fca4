# What a price has been, for means over a window of time: exact integers, O(1) amortised.
#
# A value stands from the time it was seen until the next one is seen. Before the first the first
# one stood, so a window is never half empty. spec/MECHANISMS.md §7, §9.
from libc.stdint cimport int64_t
from libc.string cimport memmove
from ordercascade.core.digest cimport Digest, digest_word
from ordercascade.core.slab cimport slab_copy, slab_grow
from ordercascade.core.units cimport TimeNs, Wide, div_floor, larger

ctypedef struct Seen:
    TimeNs time_ns          # it stands from here on
    int64_t value
    Wide area               # sum of value * time over all that stood before, from the first seen on

ctypedef struct Window:
    Seen* seen              # by time, values that differ from their neighbours
    int64_t first           # the oldest that still counts; those before are dropped now and then
    int64_t count
    int64_t capacity


cdef inline int window_see(Window* w, int64_t value, TimeNs time_ns,
                           TimeNs span_ns) except -1 nogil:
    """Let a value stand from now on; one seen at the same instant is replaced."""
    cdef Seen* last
    if w.count and w.seen[w.count - 1].value == value:
        return 0
    # The very first stays: it stood before the clock began.
    if w.count - w.first > 1 and w.seen[w.count - 1].time_ns == time_ns:
        w.count -= 1
        if w.seen[w.count - 1].value == value:
            return 0
    while w.first + 1 < w.count and w.seen[w.first + 1].time_ns <= time_ns - span_ns:
        w.first += 1
    if w.first > 64 and 2 * w.first > w.count:
        memmove(w.seen, w.seen + w.first, <size_t>(w.count - w.first) * sizeof(Seen))
        w.count -= w.first
        w.first = 0
    w.seen = <Seen*>slab_grow(w.seen, &w.capacity, w.count + 1, sizeof(Seen))
    w.seen[w.count].time_ns = time_ns
    w.seen[w.count].value = value
    w.seen[w.count].area = 0
    if w.count:
        last = &w.seen[w.count - 1]
        w.seen[w.count].area = last.area + <Wide>last.value * (time_ns - last.time_ns)
    w.count += 1
    return 0


cdef inline Wide window_area(const Window* w, TimeNs time_ns, TimeNs span_ns) noexcept nogil:
    """The sum of value * time over the span before `time_ns`: the mean times the span, exact."""
    cdef TimeNs start = time_ns - span_ns
    cdef int64_t i = w.first
    cdef const Seen* last = &w.seen[w.count - 1]
    cdef Wide area = last.area + <Wide>last.value * (time_ns - last.time_ns)
    while i + 1 < w.count and w.seen[i + 1].time_ns <= start:
        i += 1
    # Of the value that stands at the start (the first one also before it was seen).
    return area - w.seen[i].area - <Wide>w.seen[i].value * (start - w.seen[i].time_ns)


cdef inline int64_t window_mean(const Window* w, TimeNs time_ns, TimeNs span_ns) noexcept nogil:
    """The time-weighted mean over the span before `time_ns`, to the nearest integer, halves up."""
    return div_floor(2 * window_area(w, time_ns, span_ns) + span_ns, 2 * <Wide>span_ns)


cdef inline bint window_still(const Window* w, TimeNs time_ns, TimeNs span_ns) noexcept nogil:
    """True where one value filled the whole window."""
    return w.seen[w.count - 1].time_ns <= time_ns - span_ns or w.count - w.first <= 1


cdef inline int window_copy(Window* to, const Window* w) except -1 nogil:
    to.seen = <Seen*>slab_copy(w.seen, w.capacity, sizeof(Seen))
    to.capacity = w.capacity
    to.count = w.count
    to.first = w.first
    return 0


cdef inline void window_digest(const Window* w, Digest* d) noexcept nogil:
    """Areas follow from the values; what is older than the first decides nothing."""
    cdef int64_t i
    digest_word(d, w.count - w.first)
    for i in range(w.first, w.count):
        digest_word(d, w.seen[i].time_ns)
        digest_word(d, w.seen[i].value)
