# Which orders and messages may enter a stand-alone book: one judge for single calls and batches.
from libc.stdint cimport int64_t, uint64_t
from ordercascade.core.records cimport AMEND, ASK, CANCEL, FOK, LIMIT, MARKET, POST_ONLY, Message
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
            | (<uint64_t>flags > POST_ONLY)
            | ((flags != 0) & ((tif | type) != 0))
        ))
    )


cdef inline bint rules_broken_by(const Rules* rules, const Message* m) noexcept nogil:
    """Whether a message breaks a rule; most are seen to be good by a quarter of the work."""
    cdef uint64_t limit = m.type == LIMIT
    cdef uint64_t order = m.type <= MARKET
    if (oc_is_plain(m)
            and <uint64_t>m.price - limit < <uint64_t>rules.price_max
            and <uint64_t>m.size - order < <uint64_t>LOT_MAX
            and <uint64_t>m.account + 1 - order <= <uint64_t>rules.account_max):
        return False
    return rules_broken(rules, m.type, m.side, m.tif, m.flags, m.account, m.price, m.size)
