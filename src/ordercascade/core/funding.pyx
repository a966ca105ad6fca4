"""Funding: longs pay shorts, or the other way round, and no unit is lost between them.

One `funding` step a payment. Every position is owed -lots * worth of a lot * rate, a rational; over
all holders that is exactly nothing. The signed shares are floored, and the units that are left go
out one each by largest remainder, ties to the lower id, external last (SEMANTICS §1).
"""

from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from libc.stdint cimport int8_t, int32_t, int64_t
from libc.stdlib cimport qsort
from ordercascade.core.check cimport oc_check
from ordercascade.core.contracts cimport INVERSE
from ordercascade.core.ledger cimport EXTERNAL, Position, SCOPE, ledger_post
from ordercascade.core.losses cimport mend_fund
from ordercascade.core.slab cimport NIL
from ordercascade.core.state cimport (
    Funding, Market, NOTE_FUNDING, REASON_FUNDING, STEP_FUNDING, State, step_begin, write_posting,
)
from ordercascade.core.steps cimport finish, note
from ordercascade.core.units cimport (
    CASH_MAX, Cash, Lot, Tick, Wide, absolute, div_floor, larger, oc_quotient, oc_remainder,
    smaller,
)
from ordercascade.core.watch cimport touch

from ordercascade.checks import member, whole
from ordercascade.enums import FundingRule
from ordercascade.errors import InputTypeError

cdef enum:
    BILLION = 1_000_000_000

ctypedef struct Share:
    Wide left               # what flooring took off, over the common denominator
    Cash amount
    int64_t place           # in the order of ties
    int32_t scope
    int8_t leg
    bint external


# --- the rate ----------------------------------------------------------------------------------

cdef int64_t _within(int64_t value, int64_t most) noexcept nogil:
    return larger(-most, smaller(most, value))


cdef int64_t _premium(const Market* m) noexcept nogil:
    """(P + clamp(I - P)) / share, P the premium of the mark over the index; floored."""
    cdef const Funding* f = &m.funding
    cdef int64_t premium = 0
    if m.index > 0:
        premium = div_floor(<Wide>(m.mark - m.index) * BILLION, m.index)
    premium += _within(f.interest_ppb - premium, f.clamp_ppb)
    return div_floor(premium, f.share)


cdef int64_t _skew(const State* s, int32_t market) noexcept nogil:
    """mark / index - lots of long users / lots of short users; floored. 0 without any."""
    cdef const Market* m = &s.markets[market]
    cdef const Position* p
    cdef int32_t handle
    cdef int side
    cdef Lot lots[2]
    cdef Wide gap
    for side in range(2):
        lots[side] = 0
        handle = s.ledger.sided[market].first[side]
        while handle != NIL:
            p = &s.ledger.positions[handle]
            if s.ledger.holders[p.scope].kind == SCOPE:
                lots[side] += absolute(p.size)
            handle = p.market_next
    if lots[1] == 0 or m.index <= 0:
        return 0
    gap = <Wide>m.mark * <Wide>lots[1] - <Wide>lots[0] * <Wide>m.index
    gap = gap * BILLION / (<Wide>lots[1] * <Wide>m.index) if gap >= 0 else (
        -((-gap * BILLION + <Wide>lots[1] * <Wide>m.index - 1) / (<Wide>lots[1] * <Wide>m.index)))
    return <int64_t>_bounded(gap)


cdef Wide _bounded(Wide rate) noexcept nogil:
    if rate > <Wide>CASH_MAX:
        return CASH_MAX
    return -<Wide>CASH_MAX if rate < -<Wide>CASH_MAX else rate


cdef int64_t _rate(const State* s, int32_t market) noexcept nogil:
    cdef const Market* m = &s.markets[market]
    if m.funding.rule == FUNDING_PREMIUM:
        return _within(_premium(m), m.funding.cap_ppb)
    if m.funding.rule == FUNDING_SKEW:
        return _within(_skew(s, market), m.funding.cap_ppb)
    return 0


# --- the payment -------------------------------------------------------------------------------

cdef int _by_id(const void* a, const void* b) noexcept nogil:
    """External after all others."""
    cdef const Share* x = <const Share*>a
    cdef const Share* y = <const Share*>b
    if x.external != y.external:
        return 1 if x.external else -1
    if x.scope == y.scope:      # Both legs of a hedged one: the long leg first.
        return x.leg - y.leg
    return (x.scope > y.scope) - (x.scope < y.scope)


cdef int _by_left(const void* a, const void* b) noexcept nogil:
    cdef const Share* x = <const Share*>a
    cdef const Share* y = <const Share*>b
    if x.left != y.left:
        return -1 if x.left > y.left else 1
    return (x.place > y.place) - (x.place < y.place)


cdef int64_t _gather(const State* s, int32_t market, Share* out) noexcept nogil:
    """Every holder with lots here; with `out` NULL only their number."""
    cdef int64_t count = 0
    cdef int side
    cdef int32_t handle
    for side in range(2):
        handle = s.ledger.sided[market].first[side]
        while handle != NIL:
            if out != NULL:
                out[count].scope = s.ledger.positions[handle].scope
                out[count].leg = s.ledger.positions[handle].leg
                out[count].external = s.ledger.holders[out[count].scope].kind == EXTERNAL
                out[count].place = s.ledger.positions[handle].size
            count += 1
            handle = s.ledger.positions[handle].market_next
    return count


cdef void _share_out(const Market* m, int64_t rate_ppb, Tick price, Share* shares,
                     int64_t count) noexcept nogil:
    """Amounts that add up to nothing, in the order of ids; `place` holds lots before."""
    cdef int64_t i
    cdef Cash left = 0
    cdef Wide owed
    cdef Wide unit = <Wide>m.multiplier * <Wide>rate_ppb
    cdef Wide below = BILLION
    if m.kind == INVERSE:
        below = below * price
    else:
        unit = unit * price
    qsort(shares, <size_t>count, sizeof(Share), &_by_id)
    for i in range(count):
        owed = -<Wide>shares[i].place * unit
        shares[i].amount = div_floor(owed, below)
        shares[i].left = owed - <Wide>shares[i].amount * below
        shares[i].place = i
        left -= shares[i].amount
    oc_check(left >= 0)
    oc_check(left < larger(1, count))
    if left == 0:
        return
    qsort(shares, <size_t>count, sizeof(Share), &_by_left)
    for i in range(left):
        shares[i].amount += 1
    qsort(shares, <size_t>count, sizeof(Share), &_by_id)


cdef bint _fits(const State* s, int32_t market, const Share* shares, int64_t count) noexcept nogil:
    """No cell would pass its bound, in whatever order they are posted."""
    cdef Wide moved = absolute(s.ledger.holders[s.ledger.clearing[market]].collateral)
    cdef int64_t i
    for i in range(count):
        moved = moved + absolute(shares[i].amount)
        if absolute(s.ledger.holders[shares[i].scope].collateral + shares[i].amount) > CASH_MAX:
            return False
    return moved <= CASH_MAX


cdef int _pay(State* s, int64_t step, int32_t market, const Share* shares,
              int64_t count) except -1 nogil:
    cdef int32_t clearing = s.ledger.clearing[market]
    cdef int64_t i
    for i in range(count):
        if shares[i].amount == 0:
            continue
        ledger_post(&s.ledger, clearing, shares[i].scope, shares[i].amount)
        write_posting(s, step, clearing, shares[i].scope, shares[i].amount, REASON_FUNDING)
        touch(s, shares[i].scope)
    return mend_fund(s, step, s.markets[market].asset)


cdef int funding_step(State* s, int32_t market, bint by_rule, int64_t rate_ppb) except -1 nogil:
    """One payment, whole or (where a cell would pass its bound: price 0 in its note) not at all."""
    cdef const Market* m = &s.markets[market]
    cdef Tick price = m.index if m.funding.at_index and m.index > 0 else m.mark
    cdef int64_t step
    cdef int64_t count = _gather(s, market, NULL)
    cdef Share* shares = <Share*>PyMem_RawMalloc(<size_t>((count + 1) * sizeof(Share)))
    cdef bint fits
    if shares == NULL:
        with gil:
            raise MemoryError()
    if by_rule:
        rate_ppb = _rate(s, market)
    step = step_begin(s, STEP_FUNDING, market, NIL, NIL, 0, NIL)
    _gather(s, market, shares)
    _share_out(m, rate_ppb, price, shares, count)
    fits = _fits(s, market, shares, count)
    note(s, step, NOTE_FUNDING, market, NIL, rate_ppb, price if fits else 0)
    if fits:
        _pay(s, step, market, shares, count)
    PyMem_RawFree(shares)
    return finish(s, step)


cdef int set_terms(Funding* f, dict given) except -1:
    """Fill the record; ConfigError or InputError names the key."""
    cdef Funding made
    made.rule = member("rule", FundingRule, given["rule"])
    if not isinstance(given["at_index"], bool):
        raise InputTypeError("at_index", "a bool", type(given["at_index"]).__name__)
    made.at_index = given["at_index"]
    made.interest_ppb = whole("interest_ppb", given["interest_ppb"], -BILLION, BILLION)
    made.clamp_ppb = whole("clamp_ppb", given["clamp_ppb"], 0, BILLION)
    made.cap_ppb = whole("cap_ppb", given["cap_ppb"], 0, BILLION)
    made.share = whole("share", given["share"], 1, 10**6)
    f[0] = made
    return 0
