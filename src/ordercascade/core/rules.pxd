# Which orders and messages may enter a stand-alone book: one judge for single calls and batches.
from libc.stdint cimport int64_t, uint64_t
from ordercascade.core.records cimport (
    AMEND, ASK, BOTH_SIDES, BY_MARK, CANCEL, CANCEL_NEWEST, CANCEL_OLDEST, DECREMENT,
    DO_CANCEL_ALL, DO_CLOCK, DO_COLLECT, DO_MARK, DO_STOP, DO_TAKE_PROFIT, DO_UNCROSS, FOK, GTC,
    LIMIT, MARKET, POST_ONLY, SLIDE, Message, Wide,
)
from ordercascade.core.units cimport LOT_MAX, Tick

cdef extern from *:
    """
    #include <string.h>
    static inline uint32_t oc_word(const void *p) {
        uint32_t w;
        memcpy(&w, p, 4);
        return w;
    }
    /* The bits of type, side, tif and flags that a plain message does not have. */
    static const uint8_t oc_odd[4] = {(uint8_t)~3, (uint8_t)~1, 0xFF, 0xFF};
    #define oc_is_plain(m) ((oc_word(m) & oc_word(oc_odd)) == 0)
    """
    bint oc_is_plain(const Message* m) noexcept nogil

cdef enum:
    FLAGS = 61              # all but REDUCE_ONLY: a venue trims such orders
    PARTS_MAX = 1024        # an iceberg shows itself at most so often

ctypedef struct Rules:
    Tick price_max
    int64_t account_max


cdef inline bint rules_broken(const Rules* rules, int64_t type, int64_t side, int64_t tif,
                              int64_t flags, int64_t account, int64_t price,
                              int64_t size) noexcept nogil:
    """Whether an order or message breaks a rule. No branches: it runs on every row of a batch.

    Orders need a size, limits a price; an amend may say 0 (keep, cancel). CANCEL and AMEND may say
    account -1: whoever owns it.
    """
    cdef uint64_t limit = type == LIMIT
    cdef uint64_t order = <uint64_t>type <= MARKET
    cdef uint64_t priced = limit | (type == AMEND)
    cdef uint64_t sized = type != CANCEL
    return (
        (<uint64_t>type > AMEND)
        | (priced & (<uint64_t>price - limit > <uint64_t>rules.price_max - limit))
        | (sized & (<uint64_t>size - order > <uint64_t>LOT_MAX - order))
        | (<uint64_t>account + 1 - order > <uint64_t>rules.account_max + 1 - order)
        | (order & (
            (<uint64_t>side > ASK)
            | (<uint64_t>tif > FOK)
            | ((flags & ~<int64_t>FLAGS) != 0)
            | (((flags & POST_ONLY) != 0) & ((tif | type) != 0))
            | ((flags & (POST_ONLY | SLIDE)) == SLIDE)
            | (((flags & DECREMENT) != 0) & ((flags & (CANCEL_NEWEST | CANCEL_OLDEST)) != 0))
        ))
    )


cdef inline bint _seen_good(const Rules* rules, const Message* m) noexcept nogil:
    """Most messages are seen to be good, and a plain book's, by a quarter of the work."""
    cdef uint64_t limit = m.type == LIMIT
    cdef uint64_t order = m.type <= MARKET
    return (oc_is_plain(m)
            and <uint64_t>m.price - limit < <uint64_t>rules.price_max
            and <uint64_t>m.size - order < <uint64_t>LOT_MAX
            and <uint64_t>m.account + 1 - order <= <uint64_t>rules.account_max)


cdef inline bint rules_broken_by(const Rules* rules, const Message* m) noexcept nogil:
    """Whether a message breaks a rule."""
    if _seen_good(rules, m):
        return False
    return rules_broken(rules, m.type, m.side, m.tif, m.flags, m.account, m.price, m.size)


cdef inline bint rules_plain(const Rules* rules, const Message* m) noexcept nogil:
    """Whether a message is good and a plain book's."""
    return _seen_good(rules, m) or (m.flags <= POST_ONLY and not rules_broken_by(rules, m))


cdef inline bint wide_broken(const Rules* rules, const Wide* m) noexcept nogil:
    """Whether a row of WIDE_DTYPE breaks a rule; which one, say ordercascade.core.messages."""
    cdef bint stop = m.type == DO_STOP or m.type == DO_TAKE_PROFIT
    cdef bint limit = m.type == LIMIT or (stop and m.price != 0)
    if m.type == CANCEL or m.type == AMEND:
        return rules_broken(rules, m.type, 0, 0, 0, m.account, m.price, m.size)
    if m.type == DO_CANCEL_ALL:
        return m.account < 0 or m.account > rules.account_max or m.side > BOTH_SIDES
    if m.type == DO_MARK:
        return m.price < 1 or m.price > rules.price_max
    if m.type == DO_CLOCK:
        return m.expires_ns < 0
    if m.type == DO_COLLECT or m.type == DO_UNCROSS:
        return False
    if m.type > DO_UNCROSS or m.price < 0 or m.price > rules.price_max:
        return True
    if rules_broken(rules, LIMIT if limit else MARKET, m.side, m.tif, m.flags, m.account,
                    m.price, m.size):
        return True
    if stop and (m.trigger < 1 or m.trigger > rules.price_max or <uint64_t>m.by > BY_MARK):
        return True
    if m.expires_ns < 0 or (m.expires_ns and (m.tif != GTC or not (limit or stop))):
        return True
    if m.display == 0:
        return False
    return (not limit or m.tif != GTC or m.display < 0 or m.display > m.size
            or m.size > PARTS_MAX * m.display)
