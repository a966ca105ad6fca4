"""Two-slope interest on borrowed settlement money. spec/MECHANISMS.md §13 (Aave).

Nobody borrows a coin here, but a position is bought with money: the cash of a scope is its
collateral less the cost of its positions, and what is below zero is borrowed. B is the sum of all
that is borrowed, S of all cash above zero, of users, external, fund and vault; over all of them
cash is what was deposited less what fees hold, so a utilisation U = B / S above 1 is taken as 1.

    R = base + slope U / U*                                   where U <= U*
    R = base + slope + steep (U - U*) / (1 - U*)              else, a year of 365 days

U is floored to 10^-9, R as well, and R of the payment's time to 10^-12. An `interest` step is one
payment: each borrower pays ceil(borrowed * rate); of the sum, the reserve (floored) goes to the
fund, the rest to those with cash in proportion to it: floored, the units that are left one each by
largest remainder, ties to the lower id, external last (SEMANTICS §1, ADR 14). All pass through
`fees`, which ends as it began. The step has no parent; who falls by it has it as parent.

With an elasticity e borrowers close a part of what they hold after it: min(1, e R days), R in
per cent a year, floored to 10^-9. core/relief.pyx does it.
"""

from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport qsort
from ordercascade.core.check cimport oc_check
from ordercascade.core.ledger cimport (
    EXTERNAL, FEES, FUND, SCOPE, VAULT, ledger_holder, ledger_post,
)
from ordercascade.core.losses cimport mend_fund
from ordercascade.core.rates cimport Lending, Rates, rates_new, rates_reserve
from ordercascade.core.slab cimport NIL, slab_grow
from ordercascade.core.state cimport (
    NOTE_INTEREST, REASON_INTEREST, STEP_INTEREST, State, step_begin, write_posting,
)
from ordercascade.core.steps cimport finish, note
from ordercascade.core.units cimport (
    CASH_MAX, Cash, PPM, TimeNs, Wide, absolute, div_floor, mul_ppm_up, smaller,
)
from ordercascade.core.watch cimport touch

from ordercascade.checks import whole
from ordercascade.errors import ConfigError

cdef enum:
    BILLION = 1_000_000_000
    MOST_BITS = 66          # of all cash above zero

cdef TimeNs YEAR = 31_536_000_000_000_000
cdef int64_t PPT = 1_000_000_000_000
# Of ppm for each per cent, times ppb a year, times nanoseconds: 10**-9 in a day of 86,400 s.
cdef int64_t DAY_OF_SHARES = 864_000_000_000_000_000

ctypedef struct Purse:
    Wide cash               # below zero: borrowed
    Wide left               # what flooring took off its share
    Cash amount             # what it is credited; below zero: pays
    int64_t place           # in the order of ties
    int32_t holder
    bint external


cdef int64_t _utilisation(Wide borrowed, Wide lent) noexcept nogil:
    if borrowed >= lent:
        return BILLION if borrowed > 0 else 0
    return div_floor(borrowed * BILLION, lent)


cdef int64_t _rate(const Lending* l, int64_t used) noexcept nogil:
    """Of a year, in ppb."""
    if used <= l.optimum_ppb:
        return l.base_ppb + div_floor(<Wide>l.slope_ppb * used, l.optimum_ppb)
    return l.base_ppb + l.slope_ppb + div_floor(
        <Wide>l.steep_ppb * (used - l.optimum_ppb), BILLION - l.optimum_ppb)


cdef Wide cash_of(const State* s, int32_t holder) noexcept nogil:
    cdef Wide cash = s.ledger.holders[holder].collateral
    cdef int32_t p = s.ledger.holders[holder].first
    while p != NIL:
        cash = cash - s.ledger.positions[p].cost
        p = s.ledger.positions[p].next
    return cash


cdef int64_t _gather(const State* s, int32_t asset, Purse* out) noexcept nogil:
    """Every holder that lends or borrows the asset, by id, external last."""
    cdef int64_t count = 0
    cdef int64_t i
    cdef int kind
    cdef int32_t holder
    cdef int32_t outside = ledger_holder(&s.ledger, EXTERNAL, asset)
    for i in range(s.ledger.holder_count + 1):
        holder = <int32_t>i
        if i == outside:
            continue
        if i == s.ledger.holder_count:
            holder = outside
        kind = s.ledger.holders[holder].kind
        if s.ledger.holders[holder].asset != asset:
            continue
        if kind != SCOPE and kind != EXTERNAL and kind != FUND and kind != VAULT:
            continue
        out[count].holder = holder
        out[count].external = kind == EXTERNAL
        out[count].cash = cash_of(s, holder)
        out[count].left = 0
        out[count].amount = 0
        out[count].place = count
        count += 1
    return count


cdef int _by_left(const void* a, const void* b) noexcept nogil:
    cdef const Purse* x = <const Purse*>a
    cdef const Purse* y = <const Purse*>b
    if x.left != y.left:
        return -1 if x.left > y.left else 1
    return (x.place > y.place) - (x.place < y.place)


cdef int _by_place(const void* a, const void* b) noexcept nogil:
    cdef const Purse* x = <const Purse*>a
    cdef const Purse* y = <const Purse*>b
    return (x.place > y.place) - (x.place < y.place)


cdef bint _charge(const State* s, Purse* purses, int64_t count, int64_t rate_ppt,
                  Wide* paid) noexcept nogil:
    """What each borrower pays; False where a cell would pass its bound."""
    cdef Wide charge
    cdef int64_t i
    paid[0] = 0
    for i in range(count):
        if purses[i].cash >= 0:
            continue
        charge = (-purses[i].cash * rate_ppt + PPT - 1) / PPT
        paid[0] = paid[0] + charge
        if charge > CASH_MAX or paid[0] > CASH_MAX:
            return False
        purses[i].amount = -<Cash>charge
        if s.ledger.holders[purses[i].holder].collateral - <Cash>charge < -CASH_MAX:
            return False
    return True


cdef bint _share_out(const State* s, Purse* purses, int64_t count, Wide lent,
                     Cash total) noexcept nogil:
    """Credit those with cash in proportion to it; False where a cell would pass its bound."""
    cdef Cash left = total
    cdef int64_t i
    cdef Wide share
    for i in range(count):
        purses[i].left = -1
        if purses[i].cash > 0:
            share = purses[i].cash * total
            purses[i].amount = <Cash>(share / lent)
            purses[i].left = share % lent
            left -= purses[i].amount
    oc_check(left >= 0)
    oc_check(left < count)
    qsort(purses, <size_t>count, sizeof(Purse), &_by_left)
    for i in range(left):
        purses[i].amount += 1
    qsort(purses, <size_t>count, sizeof(Purse), &_by_place)
    for i in range(count):
        if absolute(s.ledger.holders[purses[i].holder].collateral + purses[i].amount) > CASH_MAX:
            return False
    return True


cdef int _post(State* s, int64_t step, int32_t source, int32_t target,
               Cash amount) except -1 nogil:
    if amount == 0:
        return 0
    ledger_post(&s.ledger, source, target, amount)
    write_posting(s, step, source, target, amount, REASON_INTEREST)
    touch(s, source)
    return touch(s, target)


cdef int _pay(State* s, int64_t step, int32_t asset, const Purse* purses, int64_t count,
              Cash reserve) except -1 nogil:
    """Borrowers, the reserve, then lenders, each by id."""
    cdef int32_t fees = ledger_holder(&s.ledger, FEES, asset)
    cdef int64_t i
    for i in range(count):
        if purses[i].amount < 0:
            _post(s, step, purses[i].holder, fees, -purses[i].amount)
    _post(s, step, fees, ledger_holder(&s.ledger, FUND, asset), reserve)
    for i in range(count):
        if purses[i].amount > 0:
            _post(s, step, fees, purses[i].holder, purses[i].amount)
    return mend_fund(s, step, asset)


cdef int interest_step(State* s, int32_t asset, TimeNs span_ns) except -1 nogil:
    """One payment for so much time, whole or not at all (its note then says -1)."""
    cdef const Lending* l = &(<Rates*>s.rates).lending
    cdef int64_t count, i, used, rate, rate_ppt
    cdef Wide borrowed = 0, lent = 0, paid = 0
    cdef Cash reserve
    cdef bint fits
    cdef int64_t step = step_begin(s, STEP_INTEREST, NIL, NIL, NIL, 0, NIL)
    cdef Purse* purses = <Purse*>PyMem_RawMalloc(
        <size_t>((s.ledger.holder_count + 1) * sizeof(Purse)))
    if purses == NULL:
        with gil:
            raise MemoryError()
    count = _gather(s, asset, purses)
    for i in range(count):
        if purses[i].cash < 0:
            borrowed = borrowed - purses[i].cash
        else:
            lent = lent + purses[i].cash
    used = _utilisation(borrowed, lent)
    rate = _rate(l, used)
    rate_ppt = div_floor(<Wide>rate * span_ns * 1_000, YEAR)
    fits = 0 < lent < <Wide>1 << MOST_BITS and _charge(s, purses, count, rate_ppt, &paid)
    if fits:
        reserve = div_floor(paid * l.reserve_ppm, PPM)
        fits = _share_out(s, purses, count, lent, <Cash>paid - reserve)
        fits = fits and _room(s, asset, <Cash>paid)
    note(s, step, NOTE_INTEREST, NIL, NIL, rate, used if fits else NIL)
    if fits:
        _pay(s, step, asset, purses, count, reserve)
    PyMem_RawFree(purses)
    if l.elasticity_ppm and fits:
        _add_share(<Rates*>s.rates, asset, div_floor(
            <Wide>l.elasticity_ppm * rate * span_ns, DAY_OF_SHARES))
    return finish(s, step)


cdef int _add_share(Rates* r, int32_t asset, int64_t share_ppb) except -1 nogil:
    """What core/relief takes next: of several payments together, at most all."""
    cdef int64_t i
    r.shares = <int64_t*>slab_grow(r.shares, &r.share_capacity, asset + 1, sizeof(int64_t))
    for i in range(r.share_count, asset + 1):
        r.shares[i] = 0
    if r.share_count <= asset:
        r.share_count = asset + 1
    r.shares[asset] = smaller(BILLION, r.shares[asset] + share_ppb)
    return 0


cdef bint _room(const State* s, int32_t asset, Cash paid) noexcept nogil:
    """What passes through fees, and the fund's part, fits their cells."""
    cdef Cash fees = s.ledger.holders[ledger_holder(&s.ledger, FEES, asset)].collateral
    cdef Cash fund = s.ledger.holders[ledger_holder(&s.ledger, FUND, asset)].collateral
    return absolute(fees) <= CASH_MAX - paid and fund <= CASH_MAX - paid


cdef int set_lending(State* s, dict given) except -1:
    """Take the terms over; ConfigError or InputError names the key."""
    cdef Lending made
    made.on = 1
    made.base_ppb = whole("base_ppb", given["base_ppb"], 0, 10**10)
    made.slope_ppb = whole("slope_ppb", given["slope_ppb"], 0, 10**10)
    made.steep_ppb = whole("steep_ppb", given["steep_ppb"], 0, 10**10)
    made.optimum_ppb = whole("optimum_ppb", given["optimum_ppb"], 1, BILLION - 1)
    made.reserve_ppm = whole("reserve_ppm", given["reserve_ppm"], 0, PPM)
    made.elasticity_ppm = whole("elasticity_ppm", given["elasticity_ppm"], 0, PPM)
    if made.elasticity_ppm and s.ledger.twins != NULL:
        raise ConfigError("elasticity_ppm", "cannot be run yet where accounts are in hedge mode")
    if s.rates == NULL:
        s.rates = rates_new()
    rates_reserve(<Rates*>s.rates, s.market_count)
    (<Rates*>s.rates).lending = made
    return 0
