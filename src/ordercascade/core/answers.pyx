"""What a margin schedule answers without a run, for one account or, without the GIL, for arrays.

Whole numbers in and out: ticks, lots, the settlement asset's smallest units. An argument is an int
or an int64 array of shape (n,); ints stand for all rows. spec/MARGIN.md §2, §3.
"""

from libc.stdint cimport int32_t, int64_t
from ordercascade.core.arguments cimport within
from ordercascade.core.contracts cimport LINEAR
from ordercascade.core.margin cimport NARROW, bracket_of, maintenance_of
from ordercascade.core.records cimport Bracket
from ordercascade.core.schedule cimport (
    AT_BANKRUPTCY, AT_ENTRY, AT_MARK, BY_LOTS, BY_VALUE, Claim, PPT, Plan, RISK, Ratio,
    Schedule, beyond, initial_ppm, initial_rate, liquidation_price_of, maintenance_rate, need_of,
    power_of_ten, rounded, share_up, trigger_tick, value_at, value_sign,
)
from ordercascade.core.units cimport (
    CASH_MAX, Cash, LOT_MAX, Lot, PPM, TICK_MAX, Tick, Wide, absolute, larger, smaller,
)

import numpy as np

from ordercascade.errors import InputError, InputTypeError, span

__all__ = [
    "bankruptcy_price", "liquidation_price", "liquidation_range", "margin_required", "max_size",
    "trigger_price", "what_if",
]

DIGITS_MAX = 9

cdef struct Column:             # an argument: one number for all rows (step 0) or one for each
    const int64_t* data
    int64_t step

cdef struct Feed:
    Column size
    Column cost
    Column money
    Column others
    Column asked


# Requirements.

cdef struct Orders:             # what rests beside a position, lots
    Lot bids
    Lot asks


cdef Wide _valued(const Plan* p, Lot size, Tick price) noexcept nogil:
    cdef Wide value = value_at(p, size, price)
    return -value if value < 0 else value


cdef Wide _risk_side(const Plan* p, Lot held, Lot orders, int side, Tick price) noexcept nogil:
    """Maintenance of one side: slippage and factor on what is held there, the factor on orders."""
    cdef int64_t rate = p.rate_long if side > 0 else p.rate_short
    cdef int64_t factor = rate - p.slippage_ppm * PPM
    cdef Wide sum
    if side * held + orders <= 0:
        return 0
    sum = _valued(p, side * orders, price) * <Wide>factor
    if side * held > 0:
        sum = sum + _valued(p, held, price) * <Wide>rate
    return sum / PPT + (1 if sum % PPT else 0)


cdef Wide _maintenance(const Plan* p, Lot size, Cash cost, Orders* o, Tick price) noexcept nogil:
    cdef Wide bought, sold
    if p.kind == RISK:
        bought = _risk_side(p, size, o.bids, 1, price)
        sold = _risk_side(p, size, o.asks, -1, price)
        return bought if bought > sold else sold
    if size == 0:
        return 0
    if p.base == AT_ENTRY and cost:
        return need_of(p, p.rows, size, absolute(cost))
    return need_of(p, p.rows, size, _valued(p, size, price))


cdef Wide _initial(const Plan* p, Lot size, Orders* o, Tick price, int64_t leverage,
                   int64_t interest) noexcept nogil:
    """Initial margin at the worse side of the orders, at least value / leverage. Rounded up."""
    cdef Lot worst = larger(absolute(size + o.bids), absolute(size - o.asks))
    cdef Wide value, need, least
    cdef int32_t k
    if p.kind == RISK:
        need = _maintenance(p, size, 0, o, price) * <Wide>p.initial / PPM
        value = _valued(p, worst, price)
    elif worst == 0:
        return 0
    else:
        value = _valued(p, worst if size + o.bids == worst else -worst, price)
        if p.kind == BY_VALUE or p.kind == BY_LOTS:
            k = bracket_of(p.rows, p.count, value if p.kind == BY_VALUE else <Wide>worst)
            need = share_up(value, initial_ppm(p, k, interest), PPM)
        else:
            need = share_up(value, initial_rate(p, worst), PPT) + <Wide>p.fixed
    if leverage:
        least = value / leverage + (1 if value % leverage else 0)
        if least > need:
            return least
    return need


# Kernels: -1, or the first row that breaks a bound.

cdef bint _row(const Plan* p, const Feed* f, int64_t i, Claim* c) noexcept nogil:
    """Read one account; False where it breaks a bound."""
    cdef int64_t others = f.others.data[i * f.others.step]
    c.size = f.size.data[i * f.size.step]
    c.cost = f.cost.data[i * f.cost.step]
    c.money = f.money.data[i * f.money.step]
    c.asked = f.asked.data[i * f.asked.step]
    if (absolute(c.size) > p.size_max or absolute(c.cost) > CASH_MAX
            or absolute(c.money) > CASH_MAX or absolute(others) > CASH_MAX
            or <int64_t>c.asked < 0 or c.asked > CASH_MAX):
        return False
    c.money += others
    return True


cdef int64_t _triggers(const Plan* p, const Feed* f, int64_t n, int64_t* out) noexcept nogil:
    cdef Claim c
    cdef int64_t i
    for i in range(n):
        if not _row(p, f, i, &c):
            return i
        out[i] = trigger_tick(p, &c)
    return -1


cdef int64_t _liquidations(const Plan* p, const Feed* f, int64_t n, int64_t digits,
                           int64_t* out) noexcept nogil:
    cdef Claim c
    cdef int64_t i
    cdef int64_t power = power_of_ten(digits)
    for i in range(n):
        if not _row(p, f, i, &c):
            return i
        out[i] = liquidation_price_of(p, &c, digits, power)
    return -1


cdef int64_t _checked(const Plan* p, const Feed* f, int64_t n, Tick lowest,
                      Tick highest) noexcept nogil:
    """-1, or the first account whose value leaves the bounds within a range of prices."""
    cdef Claim c
    cdef int64_t i
    for i in range(n):
        if not _row(p, f, i, &c):
            return i
        if _valued(p, c.size, highest if p.contract == LINEAR else lowest) > CASH_MAX:
            return i
    return -1


cdef inline Cash _by_rows(const Bracket* rows, int32_t count, int64_t value) noexcept nogil:
    """`maintenance_of`, its bracket counted without a branch: values come in no order here."""
    cdef int32_t k
    cdef int32_t at = 0
    cdef int64_t charge
    for k in range(1, count):
        at += rows[k].floor <= value
    if value >= NARROW:
        return maintenance_of(rows + at, 1, value)
    charge = (value * rows[at].maintenance_ppm + PPM - 1) / PPM - rows[at].amount
    return charge if charge > 0 else 0


cdef void _what_if_tiers(const Plan* p, const Feed* f, int64_t n, Tick price, int64_t* equity,
                         int64_t* maintenance) noexcept nogil:
    """A row of answers for a linear contract with rows by value, at the mark."""
    cdef int64_t unit = price * p.multiplier
    cdef int64_t i, value
    for i in range(n):
        value = f.size.data[i * f.size.step] * unit
        equity[i] = (value - f.cost.data[i * f.cost.step] + f.money.data[i * f.money.step]
                     + f.others.data[i * f.others.step])
        maintenance[i] = f.asked.data[i * f.asked.step] + _by_rows(
            p.rows, p.count, absolute(value))


cdef void _what_if(const Plan* p, const Feed* f, int64_t n, Tick price, int64_t* equity,
                   int64_t* maintenance) noexcept nogil:
    cdef Claim c
    cdef Orders none
    cdef int64_t i
    if p.contract == LINEAR and p.kind == BY_VALUE and p.base == AT_MARK:
        _what_if_tiers(p, f, n, price, equity, maintenance)
        return
    none.bids = none.asks = 0
    for i in range(n):
        _row(p, f, i, &c)
        equity[i] = c.money - c.cost + <int64_t>value_at(p, c.size, price)
        maintenance[i] = c.asked + <int64_t>_maintenance(p, c.size, c.cost, &none, price)


cdef int64_t _sizes(const Plan* p, const Column* price, const Column* money, int64_t n, int side,
                    int64_t leverage, int64_t interest, Lot most, int64_t* out) noexcept nogil:
    """The greatest size whose initial margin is covered, by halves: the margin rises with it."""
    cdef Orders none
    cdef Lot low, high, middle
    cdef Tick at
    cdef Cash room
    cdef int64_t i
    none.bids = none.asks = 0
    for i in range(n):
        at = price.data[i * price.step]
        room = money.data[i * money.step]
        if not 1 <= at <= TICK_MAX or absolute(room) > CASH_MAX:
            return i
        low = 0
        high = smaller(most, p.size_max)
        if p.contract == LINEAR:
            high = smaller(high, CASH_MAX / (at * p.multiplier))
        high += 1
        while high - low > 1:
            middle = low + (high - low) / 2
            if _initial(p, side * middle, &none, at, leverage, interest) <= room:
                low = middle
            else:
                high = middle
        out[i] = low
    return -1


# Doors.

cdef object _array(str name, value):
    """An argument as a contiguous int64 array; floats and bools are mistakes."""
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "iu" or value.dtype == np.uint64:
            raise InputTypeError(name, "an array of int64", str(value.dtype))
        if value.ndim != 1:
            raise InputError(name, value.shape, "must have one dimension")
        return np.require(value, np.int64, ["C", "A"])
    return np.array([within(value, name, "an int or an int64 array", -(2**63 - 1), 2**63 - 1)])


cdef int64_t _common(dict columns) except -1:
    """The length of all arrays that are longer than one."""
    cdef int64_t n = 1
    for name, array in columns.items():
        if len(array) != 1:
            if n != 1 and n != len(array):
                raise InputError(name, len(array), f"must be 1 or as many as the rest, {n}")
            n = len(array)
    return n


cdef Column _column(array) except *:
    cdef Column c
    cdef const int64_t[::1] view = array
    c.data = &view[0] if len(array) else NULL
    c.step = 0 if len(array) == 1 else 1
    return c


cdef Feed _feed(dict columns) except *:
    cdef Feed f
    f.size = _column(columns["size"])
    f.cost = _column(columns["cost"])
    f.money = _column(columns["collateral"])
    f.others = _column(columns["other_equity"])
    f.asked = _column(columns["other_maintenance"])
    return f


cdef dict _accounts(size, cost, collateral, other_equity, other_maintenance):
    return {
        "size": _array("size", size), "cost": _array("cost", cost),
        "collateral": _array("collateral", collateral),
        "other_equity": _array("other_equity", other_equity),
        "other_maintenance": _array("other_maintenance", other_maintenance),
    }


cdef int _refuse(Schedule schedule, dict columns, int64_t row) except -1:
    """Say which bound a row broke."""
    cdef int64_t most = schedule.plan.size_max
    bounds = {"size": (-most, most), "bids": (0, most), "asks": (0, most),
              "other_maintenance": (0, int(CASH_MAX)), "price": (1, int(TICK_MAX))}
    for name, array in columns.items():
        number = int(array[0 if len(array) == 1 else row])
        low, high = bounds.get(name, (-int(CASH_MAX), int(CASH_MAX)))
        if not low <= number <= high:
            raise InputError(name, number, f"must be in {span(low, high)}", row=row)
    sizes = columns["size"]
    raise InputError("size", int(sizes[0 if len(sizes) == 1 else row]),
                     "times price must be worth at most 2**60 units", row=row)


cdef object _given(columns, out):
    """One number where every argument was one."""
    return out if any(isinstance(value, np.ndarray) for value in columns) else int(out[0])


def liquidation_price(Schedule schedule not None, size, cost, collateral, *, other_equity=0,
                      other_maintenance=0, digits=0):
    """Return the price where equity equals maintenance, the tier found at that price.

    Each argument is an int or an int64 array of shape (n,), and so is the answer: signed `size` in
    lots, signed `cost`, `collateral`, and the equity and maintenance of the scope's other legs, in
    units. The answer is in ticks, or with `digits` (0 to 9) in ticks / 10^digits: rounded up for a
    long and down for a short, within [1, 2^31 - 1] ticks; 0 where no price in the range does it.
    The requirement is not rounded to the unit here (`trigger_price` does as the engine).

    Raises InputError or InputTypeError with the row, spec/MARGIN.md §3.
    """
    cdef dict columns = _accounts(size, cost, collateral, other_equity, other_maintenance)
    cdef int64_t n = _common(columns)
    cdef Feed feed = _feed(columns)
    cdef int64_t places = within(digits, "digits", "an int", 0, DIGITS_MAX)
    cdef int64_t[::1] view
    cdef int64_t bad = -1
    out = np.empty(n, np.int64)
    view = out
    if n:
        with nogil:
            bad = _liquidations(&schedule.plan, &feed, n, places, &view[0])
    if bad >= 0:
        _refuse(schedule, columns, bad)
    return _given((size, cost, collateral, other_equity, other_maintenance), out)


def trigger_price(Schedule schedule not None, size, cost, collateral, *, other_equity=0,
                  other_maintenance=0):
    """Return the tick nearest to safety at which a position is liquidatable, as the engine does.

    Arguments as in `liquidation_price`; requirements are rounded up to the unit and the trigger is
    strict or not as the schedule says. 0 where there is none. spec/SEMANTICS.md §3.
    """
    cdef dict columns = _accounts(size, cost, collateral, other_equity, other_maintenance)
    cdef int64_t n = _common(columns)
    cdef Feed feed = _feed(columns)
    cdef int64_t[::1] view
    cdef int64_t bad = -1
    out = np.empty(n, np.int64)
    view = out
    if n:
        with nogil:
            bad = _triggers(&schedule.plan, &feed, n, &view[0])
    if bad >= 0:
        _refuse(schedule, columns, bad)
    return _given((size, cost, collateral, other_equity, other_maintenance), out)


def what_if(Schedule schedule not None, prices, size, cost, collateral, *, other_equity=0,
            other_maintenance=0, out=None):
    """Return (equity, maintenance) of every account at every price: int64 of shape (prices, n).

    Arguments as in `liquidation_price`, `prices` in ticks. Maintenance is without the fee in the
    trigger. `out` may give two such arrays to write into. With one price and one account: two ints.
    """
    cdef dict columns = _accounts(size, cost, collateral, other_equity, other_maintenance)
    cdef int64_t n = _common(columns)
    cdef Feed feed = _feed(columns)
    cdef const int64_t[::1] asked
    cdef int64_t[:, ::1] first, second
    cdef int64_t bad = -1
    cdef int64_t count, k
    ticks = _array("prices", prices)
    count = len(ticks)
    asked = ticks
    cdef Tick lowest = ticks.min() if count else 1
    cdef Tick highest = ticks.max() if count else 1
    if lowest < 1 or highest > TICK_MAX:
        wrong = int(np.flatnonzero((ticks < 1) | (ticks > TICK_MAX))[0])
        raise InputError("prices", int(ticks[wrong]), f"must be in {span(1, TICK_MAX)}", row=wrong)
    if out is None:
        out = np.empty((count, n), np.int64), np.empty((count, n), np.int64)
    equity, maintenance = out
    first, second = equity, maintenance
    if first.shape[0] != count or first.shape[1] != n or (
            second.shape[0] != count or second.shape[1] != n):
        raise InputError("out", equity.shape, f"must be two arrays of shape ({count}, {n})")
    if count and n:
        with nogil:
            bad = _checked(&schedule.plan, &feed, n, lowest, highest)
            if bad < 0:
                for k in range(count):
                    _what_if(&schedule.plan, &feed, n, asked[k], &first[k, 0], &second[k, 0])
    if bad >= 0:
        _refuse(schedule, columns, bad)
    given = (prices, size, cost, collateral, other_equity, other_maintenance)
    if any(isinstance(value, np.ndarray) for value in given):
        return equity, maintenance
    return int(equity[0, 0]), int(maintenance[0, 0])


def margin_required(Schedule schedule not None, size, price, *, cost=0, leverage=0, bids=0, asks=0,
                    open_interest=0):
    """Return (initial, maintenance) margin of a position with its open orders, in units.

    `size`, `price` (ticks), `cost`, `bids`, `asks` (lots of open orders): ints or int64 arrays of
    shape (n,). Initial margin is at least value / `leverage` (the user's; 0: the schedule alone) at
    the worse side of the orders; maintenance is taken on `cost` where the schedule's base is entry
    and a cost is given. `open_interest` is a value. Both rounded up.
    """
    columns = {name: _array(name, value) for name, value in (
        ("size", size), ("price", price), ("cost", cost), ("bids", bids), ("asks", asks))}
    cdef int64_t n = _common(columns)
    cdef Column c_size = _column(columns["size"])
    cdef Column c_price = _column(columns["price"])
    cdef Column c_cost = _column(columns["cost"])
    cdef Column c_bids = _column(columns["bids"])
    cdef Column c_asks = _column(columns["asks"])
    cdef int64_t most = within(leverage, "leverage", "an int", 0, 1000)
    cdef int64_t interest = within(open_interest, "open_interest", "an int", 0, CASH_MAX)
    cdef int64_t[::1] initial, maintenance
    cdef const Plan* p = &schedule.plan
    cdef Orders o
    cdef int64_t i
    cdef Lot held
    cdef int64_t bad = -1
    first, second = np.empty(n, np.int64), np.empty(n, np.int64)
    initial, maintenance = first, second
    with nogil:
        for i in range(n):
            held = c_size.data[i * c_size.step]
            o.bids = c_bids.data[i * c_bids.step]
            o.asks = c_asks.data[i * c_asks.step]
            if not _bounded(p, held, &o, c_price.data[i * c_price.step],
                            c_cost.data[i * c_cost.step]):
                bad = i
                break
            initial[i] = <int64_t>_initial(
                p, held, &o, c_price.data[i * c_price.step], most, interest)
            maintenance[i] = <int64_t>_maintenance(
                p, held, c_cost.data[i * c_cost.step], &o, c_price.data[i * c_price.step])
    if bad >= 0:
        _refuse(schedule, columns, bad)
    if any(isinstance(value, np.ndarray) for value in (size, price, cost, bids, asks)):
        return first, second
    return int(first[0]), int(second[0])


cdef bint _bounded(const Plan* p, Lot size, const Orders* o, Tick price, Cash cost) noexcept nogil:
    """Whether a position with its orders stays within the bounds of SEMANTICS §1."""
    if absolute(size) > p.size_max or not (
            0 <= o.bids <= p.size_max and 0 <= o.asks <= p.size_max):
        return False
    if not 1 <= price <= TICK_MAX or absolute(cost) > CASH_MAX:
        return False
    return (larger(absolute(size + o.bids), absolute(size - o.asks)) <= p.size_max
            and _valued(p, absolute(size) + o.bids + o.asks, price) <= CASH_MAX)


def max_size(Schedule schedule not None, price, collateral, *, side=0, leverage=0, open_interest=0,
             size_max=None):
    """Return the greatest size (lots) that can be opened at a price with so much free collateral.

    `price` (ticks) and `collateral` (units) are ints or int64 arrays of shape (n,); `side` 0 buys,
    1 sells. The position opens at the mark, so only its initial margin counts; fees are not taken
    off. At most `size_max`, the schedule's bound, and what keeps the value within 2^60 units.
    """
    columns = {"price": _array("price", price), "collateral": _array("collateral", collateral)}
    cdef int64_t n = _common(columns)
    cdef Column c_price = _column(columns["price"])
    cdef Column c_money = _column(columns["collateral"])
    cdef int sign = 1 - 2 * <int>within(side, "side", "0 (bid) or 1 (ask)", 0, 1)
    cdef int64_t most = within(leverage, "leverage", "an int", 0, 1000)
    cdef int64_t interest = within(open_interest, "open_interest", "an int", 0, CASH_MAX)
    cdef Lot limit = LOT_MAX
    cdef int64_t[::1] view
    cdef int64_t bad = -1
    if size_max is not None:
        limit = within(size_max, "size_max", "an int", 0, LOT_MAX)
    out = np.empty(n, np.int64)
    view = out
    if n:
        with nogil:
            bad = _sizes(&schedule.plan, &c_price, &c_money, n, sign, most, interest, limit,
                         &view[0])
    if bad >= 0:
        _refuse(schedule, columns, bad)
    return _given((price, collateral), out)


cdef Ratio _bankruptcy(const Plan* p, const Claim* c, Tick mark) noexcept nogil:
    """The price at which the leg is handed over so that the scope ends at 0."""
    cdef int sign = value_sign(p, c.size)
    cdef Wide unit = <Wide>absolute(c.size) * <Wide>p.multiplier
    cdef Wide cost = <Wide>c.cost - <Wide>c.money
    cdef Wide value, need, whole, share
    cdef Ratio r
    if c.asked:
        value = value_at(p, c.size, mark)
        need = need_of(p, p.rows, c.size, -value if value < 0 else value)
        whole = value - cost
        share = whole * need / (need + c.asked)
        if whole * need < 0 and share * (need + c.asked) != whole * need:
            share = share - 1
        cost = value - share
    r.top = cost * PPM * sign
    r.bottom = PPM - (sign * p.fee_ppm if p.fee_base == AT_BANKRUPTCY else 0)
    if p.contract == LINEAR:
        r.bottom = r.bottom * unit
        return r
    need = r.top
    r.top = r.bottom * unit
    r.bottom = need
    return r


cdef int64_t _bankruptcies(const Plan* p, const Feed* f, const Column* mark, int64_t n,
                           int64_t digits, int64_t* out) noexcept nogil:
    cdef Claim c
    cdef Ratio r
    cdef Tick at
    cdef int64_t i
    cdef int64_t power = power_of_ten(digits)
    for i in range(n):
        at = mark.data[i * mark.step]
        if not _row(p, f, i, &c) or at < 0 or at > TICK_MAX or (at == 0 and c.asked > 0):
            return i
        if c.asked and _valued(p, c.size, at) > CASH_MAX:
            return i
        out[i] = 0
        if c.size == 0:
            continue
        r = _bankruptcy(p, &c, at)
        if r.bottom <= 0:
            out[i] = TICK_MAX * power if c.size > 0 else 0
        elif beyond(r):
            out[i] = TICK_MAX * power if c.size > 0 else 0
        elif r.top / r.bottom < -TICK_MAX:
            out[i] = -TICK_MAX * power
        else:
            out[i] = rounded(r, digits, c.size > 0)
    return -1


def bankruptcy_price(Schedule schedule not None, size, cost, collateral, *, other_equity=0,
                     other_maintenance=0, price=0, digits=0):
    """Return the price where a leg is handed over so that its scope ends at exactly nothing.

    Arguments and rounding as in `liquidation_price`, but it may be negative: a position that cannot
    lose more than there is. With other legs (`other_maintenance` above 0) the equity at the mark
    `price` (ticks) is shared by maintenance, floored: spec/SEMANTICS.md §5.7, spec/MARGIN.md §3
    [D3]. Where the schedule takes its closing fee at bankruptcy, that fee is paid there [BY5].
    """
    cdef dict columns = _accounts(size, cost, collateral, other_equity, other_maintenance)
    columns["price"] = _array("price", price)
    cdef int64_t n = _common(columns)
    cdef Feed feed = _feed(columns)
    cdef Column mark = _column(columns["price"])
    cdef int64_t places = within(digits, "digits", "an int", 0, DIGITS_MAX)
    cdef int64_t[::1] view
    cdef int64_t bad = -1
    out = np.empty(n, np.int64)
    view = out
    if n:
        with nogil:
            bad = _bankruptcies(&schedule.plan, &feed, &mark, n, places, &view[0])
    if bad >= 0:
        _refuse(schedule, columns, bad)
    return _given((size, cost, collateral, other_equity, other_maintenance, price), out)


# Hedge mode: both legs of a market stand on one collateral.

cdef int64_t _rate_row(const Plan* p, Lot size, Wide value, int64_t* amount) noexcept nogil:
    """The rate of a leg in parts per 10^12 with the fee, and what is taken off."""
    cdef const Bracket* row
    amount[0] = -p.fixed if size else 0
    if p.kind == BY_VALUE or p.kind == BY_LOTS:
        row = p.trigger + bracket_of(
            p.trigger, p.count, value if p.kind == BY_VALUE else <Wide>absolute(size))
        amount[0] = row.amount
        return row.maintenance_ppm * PPM
    return maintenance_rate(p, size) + p.fee_ppm * PPM


cdef Wide _pair_slack(const Plan* p, Lot longs, Lot shorts, Wide base, Tick price) noexcept nogil:
    cdef Wide bought = <Wide>longs * p.multiplier * price
    cdef Wide sold = <Wide>shorts * p.multiplier * price
    cdef int64_t less, more
    cdef Wide sum = bought * <Wide>_rate_row(p, longs, bought, &less)
    sum = sum + sold * <Wide>_rate_row(p, -shorts, sold, &more)
    return base + bought - sold - (sum / PPT + (1 if sum % PPT else 0)) + less + more


def liquidation_range(Schedule schedule not None, longs, shorts, cost, collateral, price, *,
                      other_equity=0, other_maintenance=0):
    """Return the ticks (below, above) nearest to `price` at which a hedged pair is liquidatable.

    `longs` and `shorts` are lots held at once in one market, `cost` the sum of both signed costs.
    0 where there is none on that side; (price, price) where it is liquidatable now. Each leg has
    its own tier; the maintenance of the pair is rounded up once. Linear contracts, marginal tiers
    or one rate (nothing that jumps), maintenance at the mark. spec/MARGIN.md §3, hedge mode.
    """
    cdef const Plan* p = &schedule.plan
    if p.contract != LINEAR or p.base != AT_MARK or p.jumps or (
            p.fee_ppm and p.fee_base != AT_MARK):
        raise InputError("schedule", schedule.kind, "must be linear, at the mark and without jumps"
                         " for hedge mode; other hedged pairs do not exist yet")
    cdef Lot bought = within(longs, "longs", "an int", 0, p.size_max)
    cdef Lot sold = within(shorts, "shorts", "an int", 0, p.size_max)
    cdef Tick at = within(price, "price", "an int", 1, TICK_MAX)
    cdef Wide base = within(collateral, "collateral", "an int", -CASH_MAX, CASH_MAX)
    base = base + within(other_equity, "other_equity", "an int", -CASH_MAX, CASH_MAX)
    base = base - within(other_maintenance, "other_maintenance", "an int", 0, CASH_MAX)
    base = base - within(cost, "cost", "an int", -CASH_MAX, CASH_MAX)
    cdef Wide floor = 0 if p.strict else 1
    cdef Tick low, high, middle
    if bought == 0 and sold == 0:
        return 0, 0
    if _pair_slack(p, bought, sold, base, at) < floor:
        return int(at), int(at)
    # The slack is concave in the price: what is safe is one interval around `price`.
    low, high = 0, at
    while high - low > 1:
        middle = low + (high - low) / 2
        if _pair_slack(p, bought, sold, base, middle) < floor:
            low = middle
        else:
            high = middle
    below = int(low)
    low, high = at, TICK_MAX + 1
    while high - low > 1:
        middle = low + (high - low) / 2
        if _pair_slack(p, bought, sold, base, middle) < floor:
            high = middle
        else:
            low = middle
    return below, 0 if high > TICK_MAX else int(high)
