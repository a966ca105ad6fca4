# Who owns what: holders, their collateral, positions, and the only ways in which money moves.
#
# Handles: a holder's id is its row; a position's handle is its row, kept while the venue lives,
# so that a (scope, market, leg) has one handle for ever. A hedged account has a second number, its
# twin, whose orders and fills are those of its short legs and whose scopes are the same. ADR 21.
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t
from ordercascade.core.digest cimport Digest
from ordercascade.core.slab cimport NIL
from ordercascade.core.units cimport Cash, Lot, Wide, absolute, div_floor

# The numbers are those of ordercascade.enums.HolderKind.
cdef enum:
    SCOPE = 0
    EXTERNAL = 1
    FUND = 2
    VAULT = 3
    FEES = 4
    BAD_DEBT = 5
    CLEARING = 6

ctypedef struct Holder:
    Cash collateral
    int32_t account         # -1 for the venue's own; 0 for external
    int32_t asset
    int32_t market          # isolated scope, clearing, market's own fund: it; else -1
    int32_t first           # its first position, by market; NIL
    int32_t next            # the account's next scope; NIL
    int8_t kind
    int8_t hedged           # 1: lots bought to open and lots sold to open are two legs

ctypedef struct Position:
    Lot size                # signed lots
    Cash cost               # signed units paid for them
    Cash handover           # cost at which an ADL in progress hands the leg over; else scratch
    int32_t scope
    int32_t market
    int32_t next            # the scope's next position; NIL
    int32_t market_next     # neighbours among the market's longs (or shorts)
    int32_t market_previous
    int8_t held             # 1: held lots just before the scope's last liquidation order
    int8_t leg              # 1: the short leg of a hedged scope, right behind its long leg
    int16_t tier            # a guess at its bracket, core/flock; decides nothing

ctypedef struct Sided:
    int32_t first[2]        # first long and first short of a market
    Lot open                # open interest: the lots of all longs, so of all shorts

ctypedef struct Entered:    # what a trade makes of a position
    Cash cost               # of the lots it then holds
    Cash realised           # posted from clearing to the scope's collateral

ctypedef struct Ledger:
    Holder* holders
    int64_t holder_count
    int64_t holder_capacity
    Position* positions
    int64_t position_count
    int64_t position_capacity
    int32_t* accounts       # account -> its first scope; NIL
    int64_t account_count
    int64_t account_capacity
    int32_t* twins          # account -> the number of its other leg; NIL. NULL: nobody is hedged
    int64_t twin_count
    int64_t twin_capacity
    Sided* sided            # by market
    int64_t market_count
    int64_t sided_capacity
    int32_t* clearing       # market -> holder
    int64_t clearing_capacity
    Cash* deposited         # asset -> deposits minus withdrawals
    int64_t asset_count
    int64_t deposited_capacity

cdef int ledger_init(Ledger* l, int64_t assets) except -1 nogil
cdef void ledger_free(Ledger* l) noexcept nogil
cdef int ledger_copy(Ledger* to, const Ledger* l) except -1 nogil

# Set-up. Markets first, then accounts: holder ids are 5 an asset, 1 a market (2 where its fund is
# its own), then scopes.
cdef int32_t ledger_add_market(Ledger* l, int32_t asset) except -2 nogil
cdef int32_t ledger_add_fund(Ledger* l, int32_t market) except -2 nogil
cdef int32_t ledger_add_account(Ledger* l) except -2 nogil
cdef int32_t ledger_add_scope(Ledger* l, int32_t account, int32_t asset,
                              int32_t market) except -2 nogil

# Queries; they cannot fail.
cdef int32_t ledger_holder(const Ledger* l, int kind, int32_t which) noexcept nogil
cdef int32_t ledger_scope(const Ledger* l, int32_t account, int32_t market,
                          int32_t asset) noexcept nogil
cdef int32_t ledger_find(const Ledger* l, int32_t scope, int32_t market) noexcept nogil
cdef bint ledger_flat(const Ledger* l, int32_t scope) noexcept nogil

# Money and lots. A refused movement raises RangeError and changes nothing.
cdef int ledger_room(const Ledger* l, int32_t holder, Cash amount) except -1 nogil
cdef int ledger_judge(const Ledger* l, int32_t holder, Cash amount) except -1 nogil
cdef int ledger_deposit(Ledger* l, int32_t holder, Cash amount) except -1 nogil
cdef int ledger_post(Ledger* l, int32_t source, int32_t target, Cash amount) except -1 nogil
cdef int32_t ledger_position(Ledger* l, int32_t scope, int32_t market) except -2 nogil
cdef int32_t position_new(Ledger* l, int32_t scope, int32_t market, bint leg, int32_t previous,
                          int32_t following) except -2 nogil
cdef int ledger_fits(const Ledger* l, int32_t scope, int32_t market, Lot size,
                     Cash cost) except -1 nogil
cdef int ledger_place(Ledger* l, int32_t position, Lot size, Cash cost) except -1 nogil
cdef int ledger_open(Ledger* l) except -1 nogil
cdef Cash ledger_enter(Ledger* l, int32_t position, Lot size, Cash cost) except? -1 nogil
cdef Cash ledger_settle(Ledger* l, int32_t position, Cash value) except? -1 nogil


cdef inline int32_t ledger_fund(const Ledger* l, int32_t market) noexcept nogil:
    """The fund that answers for a market: its own, which follows its clearing, or its asset's."""
    cdef int32_t own = l.clearing[market] + 1
    if own < l.holder_count and l.holders[own].kind == FUND:
        return own
    return l.holders[own - 1].asset * 5 + FUND - EXTERNAL


cdef inline int32_t ledger_twin(const Ledger* l, int32_t account) noexcept nogil:
    """The number of a hedged account's other leg; NIL in net mode."""
    return l.twins[account] if 0 <= account < l.twin_count else NIL


cdef inline bint leg_of(const Ledger* l, int32_t scope, int32_t account) noexcept nogil:
    """Which leg of its scope an account's number means: 1 the short leg of a hedged one."""
    return l.holders[scope].hedged and l.holders[scope].account != account


cdef inline bint leg_closed(const Ledger* l, int32_t scope, bint bought) noexcept nogil:
    """Which leg lots close that are bought, or sold, to close: 1 the short leg of a hedged one."""
    return l.holders[scope].hedged and bought


cdef inline bint leg_held(const Ledger* l, int32_t scope, Lot size) noexcept nogil:
    """Which leg holds such lots: 1 the short leg of a hedged scope."""
    return l.holders[scope].hedged and size < 0


cdef inline int32_t ledger_leg(const Ledger* l, int32_t scope, int32_t market,
                               bint leg) noexcept nogil:
    """The position handle of a leg, or NIL."""
    cdef int32_t p = ledger_find(l, scope, market)
    if not leg or p == NIL:
        return p
    p = l.positions[p].next
    return p if p != NIL and l.positions[p].market == market else NIL


cdef inline int32_t ledger_leg_made(Ledger* l, int32_t scope, int32_t market,
                                    bint leg) except -2 nogil:
    """ledger_position() of a leg: a short leg's row stands behind its long leg's."""
    cdef int32_t first = ledger_position(l, scope, market)
    cdef int32_t p
    if not leg:
        return first
    p = l.positions[first].next
    if p != NIL and l.positions[p].market == market:
        return p
    return position_new(l, scope, market, True, first, p)


cdef inline Entered entered(Lot before, Cash held, Lot size, Cash cost) noexcept nogil:
    """What `size` lots at `cost` make of `before` lots that cost `held`. SEMANTICS §1.

    A reduction makes its own cost entry; then the cost is set to what the remaining lots cost
    before, rounded down, and the difference is realised. A flip is a close, then an open.
    """
    cdef Entered out
    cdef Lot after = before + size
    cdef Cash closing = cost
    cdef Cash rest = 0
    if before == 0 or (before > 0) == (size > 0):
        out.cost = held + cost
        out.realised = 0
        return out
    if after != 0 and (after > 0) != (before > 0):
        # The closing part of the value, floored; the rest opens the other side.
        closing = div_floor(<Wide>absolute(cost) * <Wide>absolute(before), absolute(size))
        closing = closing if cost > 0 else -closing
    elif after != 0:
        rest = div_floor(<Wide>(held if before > 0 else -held) * <Wide>after, absolute(before))
    out.realised = rest - (held + closing)
    out.cost = rest + (cost - closing)
    return out


cdef int split_shares(Cash total, const int64_t* weights, int64_t count, Cash* out) except -1 nogil
cdef void ledger_audit(const Ledger* l, Wide* off) noexcept nogil
cdef dict ledger_deltas(const Ledger* l)
cdef int64_t ledger_check(const Ledger* l) noexcept nogil
cdef void ledger_digest(const Ledger* l, Digest* d) noexcept nogil
