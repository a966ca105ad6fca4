"""The exact ledger: collateral, positions with cost, and two-sided postings.

Only `ledger_post`, a deposit or withdrawal, and the two equal and opposite cost entries of a
trade change money (SEMANTICS §1). Every amount is an integer; every cell stays within 2**60.
"""

from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.stdlib cimport qsort
from libc.string cimport memset
from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from ordercascade.core.check cimport oc_check
from ordercascade.core.digest cimport Digest, digest_hex, digest_start, digest_word
from ordercascade.core.slab cimport NIL, slab_copy, slab_grow
from ordercascade.core.units cimport (
    CASH_MAX, Cash, LOT_MAX, Lot, Wide, absolute, div_floor, larger, smaller,
)

from ordercascade.checks import whole
from ordercascade.errors import ConfigError, InputError, InvariantError, RangeError

cdef enum:
    KINDS = 5               # holders an asset, before the clearings
    AUDIT_ASSET = 3         # sums an asset
    AUDIT_MARKET = 3        # sums a market


# --- set-up ------------------------------------------------------------------------------------

cdef int ledger_init(Ledger* l, int64_t assets) except -1 nogil:
    """An empty ledger with the venue's own holders of each asset."""
    cdef int64_t asset
    cdef int kind
    memset(l, 0, sizeof(Ledger))
    l.deposited = <Cash*>slab_grow(NULL, &l.deposited_capacity, assets, sizeof(Cash))
    l.asset_count = assets
    ledger_add_account(l)
    for asset in range(assets):
        for kind in range(EXTERNAL, CLEARING):
            _add_holder(l, kind, 0 if kind == EXTERNAL else -1, <int32_t>asset, -1)
    return 0


cdef void ledger_free(Ledger* l) noexcept nogil:
    PyMem_RawFree(l.holders)
    PyMem_RawFree(l.positions)
    PyMem_RawFree(l.accounts)
    PyMem_RawFree(l.twins)
    PyMem_RawFree(l.sided)
    PyMem_RawFree(l.clearing)
    PyMem_RawFree(l.deposited)
    memset(l, 0, sizeof(Ledger))


cdef int ledger_copy(Ledger* to, const Ledger* l) except -1 nogil:
    """Make `to` an independent copy; `to` holds nothing before."""
    to[0] = l[0]
    to.holders = NULL
    to.positions = NULL
    to.accounts = NULL
    to.twins = NULL
    to.sided = NULL
    to.clearing = NULL
    to.deposited = NULL
    to.holders = <Holder*>slab_copy(l.holders, l.holder_capacity, sizeof(Holder))
    to.positions = <Position*>slab_copy(l.positions, l.position_capacity, sizeof(Position))
    to.accounts = <int32_t*>slab_copy(l.accounts, l.account_capacity, sizeof(int32_t))
    if l.twins != NULL:
        to.twins = <int32_t*>slab_copy(l.twins, l.twin_capacity, sizeof(int32_t))
    to.sided = <Sided*>slab_copy(l.sided, l.sided_capacity, sizeof(Sided))
    to.clearing = <int32_t*>slab_copy(l.clearing, l.clearing_capacity, sizeof(int32_t))
    to.deposited = <Cash*>slab_copy(l.deposited, l.deposited_capacity, sizeof(Cash))
    return 0


cdef int32_t _add_holder(Ledger* l, int kind, int32_t account, int32_t asset,
                         int32_t market) except -2 nogil:
    cdef Holder* h
    l.holders = <Holder*>slab_grow(
        l.holders, &l.holder_capacity, l.holder_count + 1, sizeof(Holder))
    h = &l.holders[l.holder_count]
    h.collateral = 0
    h.account = account
    h.asset = asset
    h.market = market
    h.first = NIL
    h.next = NIL
    h.kind = kind
    h.hedged = 0
    l.holder_count += 1
    if account >= 0:
        h.next = l.accounts[account]
        l.accounts[account] = <int32_t>(l.holder_count - 1)
        if ledger_twin(l, account) != NIL:
            h.hedged = 1
            l.accounts[l.twins[account]] = l.accounts[account]
    return <int32_t>(l.holder_count - 1)


cdef int32_t ledger_add_market(Ledger* l, int32_t asset) except -2 nogil:
    """A market settling in `asset`; returns its id."""
    cdef int32_t market = <int32_t>l.market_count
    l.sided = <Sided*>slab_grow(l.sided, &l.sided_capacity, market + 1, sizeof(Sided))
    l.clearing = <int32_t*>slab_grow(l.clearing, &l.clearing_capacity, market + 1, sizeof(int32_t))
    l.sided[market].first[0] = NIL
    l.sided[market].first[1] = NIL
    l.sided[market].open = 0
    l.clearing[market] = _add_holder(l, CLEARING, -1, asset, market)
    l.market_count += 1
    return market


cdef int32_t ledger_add_fund(Ledger* l, int32_t market) except -2 nogil:
    """Give the market added last a fund of its own; returns the holder id."""
    oc_check(l.clearing[market] == l.holder_count - 1)
    return _add_holder(l, FUND, -1, l.holders[l.clearing[market]].asset, market)


cdef int32_t ledger_add_account(Ledger* l) except -2 nogil:
    """A new account without scopes; returns its id, 0 for the first (external)."""
    l.accounts = <int32_t*>slab_grow(
        l.accounts, &l.account_capacity, l.account_count + 1, sizeof(int32_t))
    l.accounts[l.account_count] = NIL
    l.account_count += 1
    return <int32_t>(l.account_count - 1)


cdef int32_t ledger_add_scope(Ledger* l, int32_t account, int32_t asset,
                              int32_t market) except -2 nogil:
    """A scope of an account: cross with `market` -1, else isolated; returns the holder id."""
    return _add_holder(l, SCOPE, account, asset, market)


# --- queries -----------------------------------------------------------------------------------

cdef int32_t ledger_holder(const Ledger* l, int kind, int32_t which) noexcept nogil:
    """The venue's own holder of a kind: `which` is the asset, or the market of a clearing."""
    if kind == CLEARING:
        return l.clearing[which]
    return which * KINDS + kind - EXTERNAL


cdef int32_t ledger_scope(const Ledger* l, int32_t account, int32_t market,
                          int32_t asset) noexcept nogil:
    """The scope that holds an account's position in a market: isolated if it has one; or NIL."""
    cdef int32_t found = NIL
    cdef int32_t h = l.accounts[account]
    while h != NIL:
        if l.holders[h].market == market and market >= 0:
            return h
        if l.holders[h].market < 0 and l.holders[h].asset == asset:
            found = h
        h = l.holders[h].next
    return found


cdef int32_t ledger_find(const Ledger* l, int32_t scope, int32_t market) noexcept nogil:
    """The position handle of a scope in a market, or NIL; of a hedged one its long leg's."""
    cdef int32_t p = l.holders[scope].first
    while p != NIL and l.positions[p].market < market:
        p = l.positions[p].next
    if p != NIL and l.positions[p].market == market:
        return p
    return NIL


cdef bint ledger_flat(const Ledger* l, int32_t scope) noexcept nogil:
    """True if the scope holds no lots anywhere."""
    cdef int32_t p = l.holders[scope].first
    while p != NIL:
        if l.positions[p].size != 0:
            return False
        p = l.positions[p].next
    return True


# --- money -------------------------------------------------------------------------------------

cdef int _refuse(const char* what) except -1 nogil:
    with gil:
        raise RangeError(what.decode(), "would pass 2**60 units", bits=60)


cdef int ledger_room(const Ledger* l, int32_t holder, Cash amount) except -1 nogil:
    """Refuse an amount (of either sign) that would take a collateral past its bound."""
    if absolute(l.holders[holder].collateral + amount) > CASH_MAX:
        return _refuse(b"collateral")
    return 0


cdef int ledger_judge(const Ledger* l, int32_t holder, Cash amount) except -1 nogil:
    """Refuse a deposit that would take the asset's deposits or a collateral past their bound."""
    if absolute(l.deposited[l.holders[holder].asset] + amount) > CASH_MAX:
        return _refuse(b"deposits of the asset")
    return ledger_room(l, holder, amount)


cdef int ledger_deposit(Ledger* l, int32_t holder, Cash amount) except -1 nogil:
    """Money from outside (amount > 0) or to it (< 0)."""
    ledger_judge(l, holder, amount)
    l.deposited[l.holders[holder].asset] += amount
    l.holders[holder].collateral += amount
    return 0


cdef int ledger_post(Ledger* l, int32_t source, int32_t target, Cash amount) except -1 nogil:
    """Move `amount` (of either sign) between two holders of one asset."""
    cdef Cash less = l.holders[source].collateral - amount
    cdef Cash more = l.holders[target].collateral + amount
    oc_check(l.holders[source].asset == l.holders[target].asset)
    oc_check(source != target)
    if absolute(less) > CASH_MAX:
        return _refuse(b"collateral")
    if absolute(more) > CASH_MAX:
        return _refuse(b"collateral")
    l.holders[source].collateral = less
    l.holders[target].collateral = more
    return 0


# --- positions ---------------------------------------------------------------------------------

cdef int32_t ledger_position(Ledger* l, int32_t scope, int32_t market) except -2 nogil:
    """The position handle of a scope in a market, made on first use, kept in market order."""
    cdef int32_t previous = NIL
    cdef int32_t p = l.holders[scope].first
    while p != NIL and l.positions[p].market < market:
        previous = p
        p = l.positions[p].next
    if p != NIL and l.positions[p].market == market:
        return p
    return position_new(l, scope, market, 0, previous, p)


cdef int32_t position_new(Ledger* l, int32_t scope, int32_t market, bint leg, int32_t previous,
                          int32_t following) except -2 nogil:
    cdef Position* made
    l.positions = <Position*>slab_grow(
        l.positions, &l.position_capacity, l.position_count + 1, sizeof(Position))
    made = &l.positions[l.position_count]
    memset(made, 0, sizeof(Position))
    made.scope = scope
    made.market = market
    made.leg = leg
    made.next = following
    made.market_next = NIL
    made.market_previous = NIL
    if previous == NIL:
        l.holders[scope].first = <int32_t>l.position_count
    else:
        l.positions[previous].next = <int32_t>l.position_count
    l.position_count += 1
    return <int32_t>(l.position_count - 1)


cdef void _leave_side(Ledger* l, int32_t handle) noexcept nogil:
    cdef Position* p = &l.positions[handle]
    if p.market_previous == NIL:
        l.sided[p.market].first[p.size < 0] = p.market_next
    else:
        l.positions[p.market_previous].market_next = p.market_next
    if p.market_next != NIL:
        l.positions[p.market_next].market_previous = p.market_previous
    p.market_next = NIL
    p.market_previous = NIL


cdef void _join_side(Ledger* l, int32_t handle) noexcept nogil:
    cdef Position* p = &l.positions[handle]
    p.market_previous = NIL
    p.market_next = l.sided[p.market].first[p.size < 0]
    if p.market_next != NIL:
        l.positions[p.market_next].market_previous = handle
    l.sided[p.market].first[p.size < 0] = handle


cdef void _resize(Ledger* l, int32_t handle, Lot size) noexcept nogil:
    """Give a position its new size and keep the lists of longs and shorts true."""
    cdef Position* p = &l.positions[handle]
    cdef bint stays = p.size != 0 and size != 0 and (p.size < 0) == (size < 0)
    if not stays and p.size != 0:
        _leave_side(l, handle)
    l.sided[p.market].open += larger(size, 0) - larger(p.size, 0)
    p.size = size
    if not stays and size != 0:
        _join_side(l, handle)


cdef int ledger_fits(const Ledger* l, int32_t scope, int32_t market, Lot size,
                     Cash cost) except -1 nogil:
    """Refuse lots or cost that would pass the bounds of a scope's position, made or not."""
    cdef int32_t p = NIL
    if scope != NIL:
        p = ledger_leg(l, scope, market, leg_held(l, scope, size))
    if p != NIL:
        size += l.positions[p].size
        cost += l.positions[p].cost
    if absolute(size) > LOT_MAX or absolute(cost) > CASH_MAX:
        return _refuse(b"position")
    return 0


cdef int ledger_place(Ledger* l, int32_t position, Lot size, Cash cost) except -1 nogil:
    """Add lots and cost before the start, realising nothing."""
    cdef Position* p = &l.positions[position]
    ledger_fits(l, p.scope, p.market, size, cost)
    p.cost += cost
    _resize(l, position, p.size + size)
    return 0


cdef int ledger_open(Ledger* l) except -1 nogil:
    """At the start, positions whose lots add up to none realise their cost. SEMANTICS §2."""
    cdef int64_t i
    cdef Position* p
    for i in range(l.position_count):
        p = &l.positions[i]
        if p.size == 0 and p.cost != 0:
            ledger_post(l, l.clearing[p.market], p.scope, -p.cost)
            p.cost = 0
    return 0


cdef Cash ledger_enter(Ledger* l, int32_t position, Lot size, Cash cost) except? -1 nogil:
    """Add signed lots at a signed cost and realise what they closed; return what was realised."""
    cdef Position* p = &l.positions[position]
    cdef Entered to
    oc_check(size != 0)
    if absolute(p.size + size) > LOT_MAX or absolute(p.cost + cost) > CASH_MAX:
        return _refuse(b"position")
    to = entered(p.size, p.cost, size, cost)
    if to.realised != 0:
        ledger_post(l, l.clearing[p.market], p.scope, to.realised)
    p.cost = to.cost
    _resize(l, position, p.size + size)
    return to.realised


cdef Cash ledger_settle(Ledger* l, int32_t position, Cash value) except? -1 nogil:
    """Realise a position to its value: the cost becomes it; return what its scope was posted."""
    cdef Position* p = &l.positions[position]
    cdef Cash gain = value - p.cost
    if gain != 0:
        ledger_post(l, l.clearing[p.market], p.scope, gain)
        p.cost = value
    return gain


# --- splitting ---------------------------------------------------------------------------------

ctypedef struct Remainder:
    Wide left
    int64_t row


cdef int _larger_remainder(const void* a, const void* b) noexcept nogil:
    cdef const Remainder* x = <const Remainder*>a
    cdef const Remainder* y = <const Remainder*>b
    if x.left != y.left:
        return -1 if x.left > y.left else 1
    return -1 if x.row < y.row else 1


cdef int split_shares(Cash total, const int64_t* weights, int64_t count, Cash* out) except -1 nogil:
    """Split a signed total by weights: floors, then one unit each by largest remainder.

    Rows come in id order with external last; ties go to the lower row; weights that are all
    zero give everything to the first. SEMANTICS §1.
    """
    cdef Remainder* rows
    cdef Wide sum = 0
    cdef Wide product, share
    cdef Cash left = total
    cdef int64_t i
    if count == 0:
        return 0
    if count == 1:
        out[0] = total
        return 0
    for i in range(count):
        sum = sum + weights[i]
        out[i] = 0
    if sum == 0:
        out[0] = total
        return 0
    rows = <Remainder*>PyMem_RawMalloc(<size_t>(count * sizeof(Remainder)))
    if rows == NULL:
        with gil:
            raise MemoryError()
    for i in range(count):
        product = <Wide>total * <Wide>weights[i]
        share = product / sum
        if share * sum > product:
            share = share - 1
        out[i] = <Cash>share
        rows[i].left = product - share * sum
        rows[i].row = i
        left -= out[i]
    oc_check(left >= 0)
    oc_check(left < count)
    if left > 0:
        qsort(rows, <size_t>count, sizeof(Remainder), &_larger_remainder)
    for i in range(left):
        out[rows[i].row] += 1
    PyMem_RawFree(rows)
    return 0


# --- checks ------------------------------------------------------------------------------------

cdef void ledger_audit(const Ledger* l, Wide* off) noexcept nogil:
    """Re-sum everything, in 128 bits: what each sum of SEMANTICS §1 is off by.

    `off` has AUDIT_ASSET cells an asset (money, fund below 0, bad debt above 0), then AUDIT_MARKET
    a market (sizes, cost and clearing, cost of flat positions). O(holders + positions).
    """
    cdef int64_t i
    cdef const Holder* h
    cdef const Position* p
    cdef Wide* cell
    for i in range(l.asset_count):
        cell = off + AUDIT_ASSET * i
        cell[0] = -l.deposited[i]
        cell[1] = smaller(0, l.holders[ledger_holder(l, FUND, <int32_t>i)].collateral)
        cell[2] = larger(0, l.holders[ledger_holder(l, BAD_DEBT, <int32_t>i)].collateral)
    for i in range(l.market_count):
        cell = off + AUDIT_ASSET * l.asset_count + AUDIT_MARKET * i
        cell[0] = 0
        cell[1] = l.holders[l.clearing[i]].collateral
        cell[2] = 0
    for i in range(l.holder_count):
        h = &l.holders[i]
        cell = off + AUDIT_ASSET * h.asset
        cell[0] = cell[0] + h.collateral
        if h.kind == FUND and h.market != NIL:
            cell[1] = smaller(cell[1], h.collateral)
    for i in range(l.position_count):
        p = &l.positions[i]
        cell = off + AUDIT_ASSET * l.asset_count + AUDIT_MARKET * p.market
        cell[0] = cell[0] + p.size
        cell[1] = cell[1] + p.cost
        if p.size == 0:
            cell[2] = cell[2] + absolute(p.cost)


cdef object _whole(Wide amount):
    """A 128-bit sum as a Python int; one within 2**62 takes the short way."""
    if -CASH_MAX <= amount <= CASH_MAX:
        return <int64_t>amount
    return (<int64_t>(amount >> 64)) * 2**64 + <uint64_t>amount


cdef dict ledger_deltas(const Ledger* l):
    """ledger_audit() by name: all 0 in a sound ledger."""
    cdef int64_t cells = AUDIT_ASSET * l.asset_count + AUDIT_MARKET * l.market_count
    cdef Wide* off = <Wide*>PyMem_RawMalloc(<size_t>(cells * sizeof(Wide)))
    cdef Wide* cell = off
    if off == NULL:
        raise MemoryError()
    ledger_audit(l, off)
    out = {}
    for asset in range(l.asset_count):
        out[f"money of asset {asset}"] = _whole(cell[0])
        out[f"fund of asset {asset} below 0"] = _whole(cell[1])
        out[f"bad debt of asset {asset} above 0"] = _whole(cell[2])
        cell += AUDIT_ASSET
    for market in range(l.market_count):
        out[f"sizes of market {market}"] = _whole(cell[0])
        out[f"cost and clearing of market {market}"] = _whole(cell[1])
        out[f"cost of flat positions of market {market}"] = _whole(cell[2])
        cell += AUDIT_MARKET
    PyMem_RawFree(off)
    return out


cdef int64_t ledger_check(const Ledger* l) noexcept nogil:
    """Re-sum everything. 0, or the number of the broken invariant: 1 money of an asset, 2 sizes
    of a market, 3 cost and clearing of a market, 4 cost of a flat position, 5 a negative fund,
    6 bad debt above zero, 7 a list of longs or shorts, 8 the open interest of a market, 9 a leg on
    the wrong side or of a scope in net mode, 10 a twin."""
    cdef int64_t i
    cdef int32_t p
    cdef int side
    cdef Wide sum, costs, longs
    cdef int64_t sized, listed
    for i in range(l.asset_count):
        sum = 0
        for p in range(<int32_t>l.holder_count):
            if l.holders[p].asset == i:
                sum = sum + l.holders[p].collateral
        if sum != l.deposited[i]:
            return 1
    sized = 0
    for p in range(<int32_t>l.position_count):
        if l.positions[p].size == 0 and l.positions[p].cost != 0:
            return 4
        sized += l.positions[p].size != 0
        if l.positions[p].leg and not l.holders[l.positions[p].scope].hedged:
            return 9
        if l.holders[l.positions[p].scope].hedged and (
                l.positions[p].size > 0 if l.positions[p].leg else l.positions[p].size < 0):
            return 9
    for p in range(<int32_t>l.twin_count):
        if l.twins[p] != NIL and (l.twins[l.twins[p]] != p
                                  or l.accounts[l.twins[p]] != l.accounts[p]):
            return 10
    listed = 0
    for i in range(l.market_count):
        sum = 0
        costs = l.holders[l.clearing[i]].collateral
        longs = 0
        for side in range(2):
            p = l.sided[i].first[side]
            while p != NIL:
                longs = longs + larger(l.positions[p].size, 0)
                if l.positions[p].market != i or (l.positions[p].size < 0) != side:
                    return 7
                sum = sum + l.positions[p].size
                costs = costs + l.positions[p].cost
                listed += 1
                p = l.positions[p].market_next
        if sum != 0:
            return 2
        if costs != 0:
            return 3
        if longs != l.sided[i].open:
            return 8
    if listed != sized:
        return 7
    for p in range(<int32_t>l.holder_count):
        if l.holders[p].kind == FUND and l.holders[p].collateral < 0:
            return 5
    for i in range(l.asset_count):
        if l.holders[ledger_holder(l, BAD_DEBT, <int32_t>i)].collateral > 0:
            return 6
    return 0


cdef void ledger_digest(const Ledger* l, Digest* d) noexcept nogil:
    """Fold every holder and position, by id."""
    cdef int64_t i
    cdef const Holder* h
    cdef const Position* p
    for i in range(l.holder_count):
        h = &l.holders[i]
        digest_word(d, h.collateral)
        # NIL is -1, and C leaves a shift of a negative number undefined.
        digest_word(d, (<uint64_t>h.account << 32) | <uint64_t>h.asset)
        digest_word(d, (<uint64_t>h.market << 8) | <uint64_t>(h.hedged << 7) | <uint64_t>h.kind)
    for i in range(l.position_count):
        p = &l.positions[i]
        digest_word(d, (<int64_t>p.scope << 32) | <int64_t>p.market)
        digest_word(d, p.size)
        digest_word(d, p.cost)
        digest_word(d, (p.leg << 1) | p.held)
    for i in range(l.asset_count):
        digest_word(d, l.deposited[i])
    digest_word(d, l.account_count)
    for i in range(l.twin_count):       # None where nobody is hedged.
        digest_word(d, l.twins[i])


# --- the Python door ---------------------------------------------------------------------------

def split(total, weights):
    """Split a signed int by non-negative int weights, exactly; return the list of shares.

    Floors, then one unit each by largest remainder, ties to the lower index (SEMANTICS §1).
    """
    cdef int64_t count = len(weights)
    cdef int64_t i
    cdef int64_t* cells = <int64_t*>PyMem_RawMalloc(<size_t>((2 * count + 2) * sizeof(int64_t)))
    if cells == NULL:
        raise MemoryError()
    try:
        for i in range(count):
            cells[i] = weights[i]
            if cells[i] < 0:
                raise RangeError("weights", "must be at least 0")
        split_shares(total, cells, count, cells + count)
        return [cells[count + i] for i in range(count)]
    finally:
        PyMem_RawFree(cells)


cdef class AccountLedger:
    """A stand-alone ledger: holders, their money and positions, and the only ways to move them.

    Holder ids are 5 an asset (external, fund, vault, fees, bad debt), 1 a market (clearing), then
    scopes. Amounts are units, sizes lots. What would pass 2**60 units or 2**40 lots raises
    RangeError and changes nothing.
    """

    cdef Ledger ledger

    def __cinit__(self, assets=1):
        ledger_init(&self.ledger, whole("assets", assets, 1, 1024))

    def __dealloc__(self):
        ledger_free(&self.ledger)

    def __reduce__(self):
        raise TypeError("an AccountLedger cannot be pickled; send the calls and make them there")

    def add_market(self, asset=0):
        """Add a market settling in an asset, before the first account; return its id."""
        if self.ledger.account_count > 1:
            raise ConfigError("market", "must be added before the first account")
        return ledger_add_market(&self.ledger,
                                 whole("asset", asset, 0, self.ledger.asset_count - 1))

    def add_account(self):
        """Add an account without scopes; return its id: 1, 2, …"""
        return ledger_add_account(&self.ledger)

    def add_scope(self, account, asset=0, market=-1):
        """Add a scope of an account, cross with `market` -1, else isolated; return its id."""
        account = whole("account", account, 1, self.ledger.account_count - 1)
        asset = whole("asset", asset, 0, self.ledger.asset_count - 1)
        market = whole("market", market, -1, self.ledger.market_count - 1)
        return ledger_add_scope(&self.ledger, account, asset, market)

    def deposit(self, holder, amount):
        """Money from outside (amount > 0) or to it (< 0)."""
        holder = self._holder(holder)
        ledger_deposit(&self.ledger, holder, whole("amount", amount, -2**60, 2**60))

    def post(self, source, target, amount):
        """Move an amount of either sign between two holders of one asset."""
        source, target = self._holder(source), self._holder(target)
        if self.ledger.holders[source].asset != self.ledger.holders[target].asset:
            raise InputError("target", target, "must hold the same asset as the source")
        if source == target:
            raise InputError("target", target, "must not be the source")
        ledger_post(&self.ledger, source, target, whole("amount", amount, -2**60, 2**60))

    def trade(self, buyer, seller, market, size, cost):
        """Let a buyer take `size` lots at a total `cost`; return what (buyer, seller) realised."""
        cdef Ledger tried
        cdef Cash bought, sold
        m = whole("market", market, 0, self.ledger.market_count - 1)
        buyer, seller = self._trader(buyer, m), self._trader(seller, m)
        if buyer == seller:
            raise InputError("seller", seller, "must not be the buyer")
        size = whole("size", size, 1, LOT_MAX)
        cost = whole("cost", cost, -2**60, 2**60)
        try:                # a refusal of the second entry takes back the first
            ledger_copy(&tried, &self.ledger)
            bought = ledger_enter(&tried, ledger_position(&tried, buyer, m), size, cost)
            sold = ledger_enter(&tried, ledger_position(&tried, seller, m), -size, -cost)
            self.ledger, tried = tried, self.ledger
        finally:
            ledger_free(&tried)
        return bought, sold

    def balance(self, holder):
        """The money of a holder."""
        return self.ledger.holders[self._holder(holder)].collateral

    def position(self, holder, market):
        """(size, cost) of a holder in a market."""
        market = whole("market", market, 0, self.ledger.market_count - 1)
        p = ledger_find(&self.ledger, self._holder(holder), market)
        if p < 0:
            return 0, 0
        return self.ledger.positions[p].size, self.ledger.positions[p].cost

    def audit(self):
        """Re-sum the ledger: deltas by name, all 0 in a sound one."""
        return ledger_deltas(&self.ledger)

    def _check(self):
        """Raise InvariantError unless the sums and the lists of longs and shorts are sound."""
        broken = ledger_check(&self.ledger)
        if broken:
            raise InvariantError("ledger", broken)

    def state_hash(self):
        """128 bits over all holders and positions, as hex."""
        cdef Digest d
        digest_start(&d)
        ledger_digest(&self.ledger, &d)
        return digest_hex(&d)

    def __len__(self):
        return self.ledger.holder_count

    def _holder(self, holder):
        return whole("holder", holder, 0, self.ledger.holder_count - 1)

    def _trader(self, holder, market):
        """A holder that may have a position in a market."""
        cdef const Holder* h
        number = self._holder(holder)
        h = &self.ledger.holders[number]
        if h.kind not in (SCOPE, EXTERNAL):
            raise InputError("holder", holder, "must be a scope or external to hold a position")
        if h.asset != self.ledger.holders[self.ledger.clearing[market]].asset:
            raise InputError("holder", holder, "must hold the asset that the market settles in")
        return number
