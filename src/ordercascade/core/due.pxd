# The agenda: a binary heap of what is due at a time, in the order of SEMANTICS §3.
from libc.stdint cimport int8_t, int32_t, int64_t, uint64_t
from ordercascade.core.digest cimport Digest, digest_word
from ordercascade.core.units cimport TimeNs

cdef enum:                  # agenda ranks
    PRICE_TICK = 0
    FUNDING = 1
    TRANSFER = 2
    ORDER = 3
    ANSWER = 2              # `side` of an answer to a margin call: TRANSFER or ORDER by its rank
    ENDING = 3              # `side` of an expiry: FUNDING by its rank, after the last payment

cdef enum:
    INTEREST = 4            # `side` of a FUNDING item: interest, `a` is the asset
    RELIEF = 5              # `side` of an ORDER item: what its borrowers close after it, as often

ctypedef struct Item:       # something that is due at a time
    TimeNs time_ns
    int64_t sequence
    int32_t kind            # agenda rank: price tick < funding < transfer < order
    int32_t venue
    int32_t market          # NIL for a transfer
    int32_t account
    int64_t a               # price | amount | size
    int64_t b               # shock: notional; transfer: asset
    int64_t c               # shock: limit
    int8_t side


cdef inline bint earlier(const Item* x, const Item* y) noexcept nogil:
    """Agenda order: time, kind, venue, market, account, sequence."""
    if x.time_ns != y.time_ns:
        return x.time_ns < y.time_ns
    if x.kind != y.kind:
        return x.kind < y.kind
    if x.venue != y.venue:
        return x.venue < y.venue
    if x.market != y.market:
        return x.market < y.market
    if x.account != y.account:
        return x.account < y.account
    return x.sequence < y.sequence


cdef inline bint repeats(const Item* item) noexcept nogil:
    """`b` nanoseconds later it is due again, `c` times in all."""
    return item.side == RELIEF or (item.kind == FUNDING and item.side != ENDING)


cdef inline void item_digest(const Item* item, Digest* d) noexcept nogil:
    digest_word(d, item.time_ns)
    digest_word(d, item.sequence)
    digest_word(d, (<int64_t>item.kind << 40) | (<int64_t>item.venue << 8) | item.side)
    digest_word(d, (<uint64_t>item.market << 32) | <uint64_t>item.account)
    digest_word(d, item.a)
    digest_word(d, item.b)
    digest_word(d, item.c)


cdef inline void item_up(Item* heap, int64_t i) noexcept nogil:
    cdef Item item = heap[i]
    while i > 0 and earlier(&item, &heap[(i - 1) // 2]):
        heap[i] = heap[(i - 1) // 2]
        i = (i - 1) // 2
    heap[i] = item


cdef inline void item_out(Item* heap, int64_t* count, int64_t i) noexcept nogil:
    """Take row `i` out of the heap."""
    cdef Item item
    cdef int64_t child
    count[0] -= 1
    item = heap[count[0]]
    if i == count[0]:
        return
    while True:
        child = 2 * i + 1
        if child >= count[0]:
            break
        if child + 1 < count[0] and earlier(&heap[child + 1], &heap[child]):
            child += 1
        if not earlier(&heap[child], &item):
            break
        heap[i] = heap[child]
        i = child
    heap[i] = item
    item_up(heap, i)
