"""Funds by market, and what a fund's past decides. SEMANTICS §5.8, spec/MARGIN.md §6.7; ADR 24.

Where each market has a fund of its own, its fees and residuals go there, and it pays for what its
scopes owe: an isolated scope's market, and of a cross scope the market that it traded last. The
asset's own fund stays for what belongs to no market: interest.
"""

from libc.stdint cimport int32_t, int64_t
from cpython.mem cimport PyMem_RawCalloc
from ordercascade.core.ledger cimport FUND, ledger_add_fund
from ordercascade.core.slab cimport NIL, slab_grow
from ordercascade.core.state cimport SOCIAL_DAY, State, day_take
from ordercascade.core.units cimport Cash, PPM, TimeNs, Wide, larger

from ordercascade.errors import InputError


cdef int funds_market(State* s, int32_t market) except -1:
    """Give the market added last a fund of its own, where the venue has one a market."""
    if s.stages.fund_market:
        ledger_add_fund(&s.ledger, market)
        s.written = <Cash*>slab_grow(
            s.written, &s.written_capacity, 3 * s.ledger.asset_count + market + 1, sizeof(Cash))
    return 0


cdef int funds_begin(State* s) except -1 nogil:
    """The venue starts: its first day, and funds at their highs."""
    if s.stages.social_rule == SOCIAL_DAY:
        day_take(s)
    if s.stages.drawdown_ppm and s.highs == NULL:
        s.highs = PyMem_RawCalloc(1, sizeof(Highs))
        if s.highs == NULL:
            with gil:
                raise MemoryError()
    return 0


cdef int funds_stay(const State* s, const Stages* g) except -1:
    """Refuse other rules for a running venue: holders and pasts are those of its start."""
    for name, before, after in (
        ("fund_market", s.stages.fund_market, g.fund_market),
        ("day_ns", s.stages.day_ns, g.day_ns),
        ("day_at_ns", s.stages.day_at_ns, g.day_at_ns),
        ("drawdown_ppm", s.stages.drawdown_ppm, g.drawdown_ppm),
        ("drawdown_ns", s.stages.drawdown_ns, g.drawdown_ns),
    ):
        if before != after:
            raise InputError(f"stages.{name}", after, "must stay as it is in a running world")
    return 0


cdef int fund_moved(State* s, int32_t fund, Cash before) except -1 nogil:
    """Remember what the fund had until now; what is older than the window, or lower, goes."""
    cdef Highs* h = <Highs*>s.highs
    cdef TimeNs since = s.time_ns - s.stages.drawdown_ns
    cdef int64_t i
    cdef int64_t count = 0
    for i in range(h.count):
        if h.rows[i].fund == fund and h.rows[i].balance <= before:
            continue
        if h.rows[i].until < since:
            continue
        h.rows[count] = h.rows[i]
        count += 1
    h.rows = <High*>slab_grow(h.rows, &h.capacity, count + 1, sizeof(High))
    h.rows[count].until = s.time_ns
    h.rows[count].balance = before
    h.rows[count].fund = fund
    h.count = count + 1
    return 0


cdef bint drawn_down(const State* s, int32_t fund) noexcept nogil:
    """It has lost the stated share of its highest balance of the window, or has nothing."""
    cdef const Highs* h = <const Highs*>s.highs
    cdef Cash balance = s.ledger.holders[fund].collateral
    cdef Cash high = balance
    cdef int64_t i
    if h == NULL:
        return False
    for i in range(h.count):
        if h.rows[i].fund == fund and h.rows[i].until >= s.time_ns - s.stages.drawdown_ns:
            high = larger(high, h.rows[i].balance)
    return (balance <= 0
            or <Wide>balance * PPM <= <Wide>high * <Wide>(PPM - s.stages.drawdown_ppm))


cdef int32_t loss_market(const State* s, int32_t scope) noexcept nogil:
    """Isolated: its market. Cross: the market it traded last, or the first of its asset."""
    cdef int32_t market = s.ledger.holders[scope].market
    if market == NIL:
        market = s.scopes[scope].moved_market
    if market == NIL:
        market = 0
        while s.markets[market].asset != s.ledger.holders[scope].asset:
            market += 1
    return market


cdef Cash fund_total(const State* s, int32_t asset) noexcept nogil:
    """What the funds of an asset have together."""
    cdef Cash sum = 0
    cdef int64_t i
    for i in range(s.ledger.holder_count):
        if s.ledger.holders[i].kind == FUND and s.ledger.holders[i].asset == asset:
            sum += s.ledger.holders[i].collateral
    return sum
