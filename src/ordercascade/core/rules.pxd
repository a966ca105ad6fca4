# Which orders and messages may enter a stand-alone book. Judged at the door, once for all callers.
from libc.stdint cimport int64_t, uint64_t
from ordercascade.core.records cimport AMEND, ASK, CANCEL, FOK, LIMIT, MARKET, POST_ONLY, Message
from ordercascade.core.units cimport LOT_MAX, Tick

# What a message of one type may say: low <= value <= low + span.
ctypedef struct Rule:
    int64_t price_low
    uint64_t price_span
    int64_t size_low
    uint64_t size_span
    int64_t account_low
    uint64_t account_span
    bint is_order           # side, tif and flags count

ctypedef struct Rules:
    Rule of_type[4]


cdef inline bint rules_break(const Rules* rules, int64_t type, int64_t side, int64_t tif, int64_t flags,
                      int64_t account, int64_t price, int64_t size) noexcept nogil:
    """Whether an order or message breaks a rule. One pass without branches: it runs on each row."""
    cdef const Rule* rule = &rules.of_type[type & 3]
    return (
        (<uint64_t>type > AMEND)
        | (<uint64_t>(price - rule.price_low) > rule.price_span)
        | (<uint64_t>(size - rule.size_low) > rule.size_span)
        | (<uint64_t>(account - rule.account_low) > rule.account_span)
        | (rule.is_order & (
            (<uint64_t>side > ASK)
            | (<uint64_t>tif > FOK)
            | (<uint64_t>flags > POST_ONLY)
            | ((flags != 0) & ((tif | type) != 0))
        ))
    )


cdef inline void rules_init(Rules* rules, Tick price_max, int64_t account_max) noexcept nogil:
    """What each type of message may say. CANCEL and AMEND take account -1: whoever owns it."""
    cdef uint64_t anything = ~<uint64_t>0
    cdef int type
    for type in range(4):
        rules.of_type[type] = Rule(0, anything, 0, anything, 0, account_max, type <= MARKET)
    rules.of_type[LIMIT].price_low = rules.of_type[LIMIT].size_low = 1
    rules.of_type[LIMIT].price_span = price_max - 1
    rules.of_type[LIMIT].size_span = rules.of_type[MARKET].size_span = LOT_MAX - 1
    rules.of_type[MARKET].size_low = 1
    rules.of_type[AMEND].price_span = price_max
    rules.of_type[AMEND].size_span = LOT_MAX
    for type in range(CANCEL, 4):
        rules.of_type[type].account_low = -1
        rules.of_type[type].account_span = account_max + 1


cdef inline bint rules_break_row(const Rules* rules, const Message* m) noexcept nogil:
    return rules_break(rules, m.type, m.side, m.tif, m.flags, m.account, m.price, m.size)
